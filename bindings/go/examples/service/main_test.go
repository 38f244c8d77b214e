package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The program itself, as a process: it serves, asks, and ends by a signal.
func TestService(t *testing.T) {
	c := exec.Command(os.Args[0], "-listen", "127.0.0.1:0", "-secret", "s3cret")
	c.Env = append(os.Environ(), "SERVICE_TEST=run")
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(20*time.Second, func() { c.Process.Kill() })
	defer stuck.Stop()
	lines := bufio.NewScanner(out)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "serving 127.0.0.1:") {
		t.Fatal(lines.Text())
	}
	base := "http://" + strings.TrimPrefix(lines.Text(), "serving ")
	for _, q := range []struct {
		path, token string
		status      int
		body        string
	}{
		{"/", "", 200, "hello, whoever you are; you came over http\n"},
		{"/staff", "ann:s3cret", 200, "hello, colleague\n"},
		{"/staff", "ann:guess", 403, ""},
		{"/staff", "", 403, ""},
		{"/else", "", 404, ""},
	} {
		r, _ := http.NewRequest("GET", base+q.path, nil)
		r.Host = "app.localhost"
		if q.token != "" {
			r.Header.Set("Authorization", "Bearer "+q.token)
		}
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(a.Body)
		a.Body.Close()
		if a.StatusCode != q.status || q.body != "" && string(body) != q.body {
			t.Errorf("%s: %d %q", q.path, a.StatusCode, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	c.Process.Signal(syscall.SIGTERM)
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if all := strings.Join(said, "\n"); !strings.Contains(all, `200 HTTP/1.1 GET /staff "ann" ok`) || !strings.Contains(all, `denied:`) {
		t.Error(all)
	}
}

func TestMain(m *testing.M) {
	if os.Getenv("SERVICE_TEST") == "run" {
		main()
		return
	}
	os.Exit(m.Run())
}
