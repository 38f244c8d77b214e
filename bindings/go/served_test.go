package cardea_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cardea"
)

func servedDraft(policy *cardea.Policy) *cardea.Draft {
	return &cardea.Draft{
		Listeners: []cardea.Listener{{Address: "127.0.0.1:0"}},
		Routes:    []cardea.Route{{From: "http://app.test", Policy: policy, Options: cardea.Options{"name": "own", "served_by_host": true}}},
	}
}

func handle(t testing.TB, fn http.HandlerFunc) (*scene, *lines) {
	t.Helper()
	said := &lines{}
	return open(t, servedDraft(cardea.Public()), cardea.Hooks{Handler: fn, Logger: said}), said
}

func (s *scene) send(t testing.TB, method, path string, body io.Reader) *http.Response {
	t.Helper()
	r, _ := http.NewRequest(method, s.base+path, body)
	r.Host = "app.test"
	a, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Body.Close() })
	return a
}

func whole(t testing.TB, a *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

func TestServedAnswers(t *testing.T) {
	s, said := handle(t, func(w http.ResponseWriter, r *http.Request) {
		about, ok := cardea.FromContext(r.Context())
		if !ok || about.Route != "own" || about.Peer != r.RemoteAddr || r.Host != "app.test" {
			t.Errorf("%v %+v %v", ok, about, r)
		}
		w.Header().Set("X-Path", r.URL.Path)
		w.Header().Set("Connection", "close") // which is not the handler's
		switch r.URL.Path {
		case "/nothing":
		case "/small":
			fmt.Fprintf(w, "%s %s", r.URL.RawQuery, r.Proto)
		case "/status":
			w.WriteHeader(418)
			w.WriteHeader(200) // too late
			io.WriteString(w, "<html>tea")
		case "/none":
			w.WriteHeader(204)
			if _, err := io.WriteString(w, "x"); err != http.ErrBodyNotAllowed {
				t.Error(err)
			}
		case "/length":
			w.Header().Set("Content-Length", "3")
			if _, err := io.WriteString(w, "four"); err != http.ErrContentLength {
				t.Error(err)
			}
			io.WriteString(w, "abc")
		case "/trailers":
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, "body")
			w.Header().Set("X-Sum", "7")
			w.Header().Set(http.TrailerPrefix+"X-Late", "yes")
		}
	})
	for _, row := range []struct {
		path, body, kind string
		status           int
		length           int64
	}{
		{"/nothing", "", "", 200, 0},
		{"/small?q=1", "q=1 HTTP/1.1", "text/plain; charset=utf-8", 200, 12},
		{"/status", "<html>tea", "text/html; charset=utf-8", 418, 9},
		{"/none", "", "", 204, 0},
		{"/length", "abc", "text/plain; charset=utf-8", 200, 3},
		{"/trailers", "body", "text/plain; charset=utf-8", 200, -1},
	} {
		a := s.send(t, "GET", row.path, nil)
		body := whole(t, a)
		if a.StatusCode != row.status || body != row.body || a.ContentLength != row.length || a.Header.Get("Content-Type") != row.kind ||
			!strings.HasPrefix(row.path, a.Header.Get("X-Path")) || a.Close {
			t.Errorf("%s: %q %+v", row.path, body, a)
		}
		if row.path == "/trailers" && (a.Trailer.Get("X-Sum") != "7" || a.Trailer.Get("X-Late") != "yes") {
			t.Errorf("%v", a.Trailer)
		}
	}
	a := s.send(t, "HEAD", "/small?q=1", nil)
	if body := whole(t, a); a.StatusCode != 200 || body != "" || a.ContentLength != 12 {
		t.Errorf("%q %+v", body, a)
	}
	if len(said.all) != 0 {
		t.Error(said.all)
	}
}

func TestServedInformational(t *testing.T) {
	s, _ := handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(103)
		w.WriteHeader(200)
	})
	var hints atomic.Int32
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		if code == 103 && h.Get("Link") == "</a.css>" {
			hints.Add(1)
		}
		return nil
	}}
	r, _ := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), trace), "GET", s.base+"/", nil)
	r.Host = "app.test"
	a, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	if hints.Load() != 1 {
		t.Error("no early hints")
	}
}

// Megabytes in both directions at once, past every buffer.
func TestServedStreams(t *testing.T) {
	s, said := handle(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(w, r.Body)
		if n != 8<<20 || err != nil {
			t.Error(n, err)
		}
	})
	sent := bytes.Repeat([]byte("0123456789abcdef"), 8<<20/16)
	a := s.send(t, "POST", "/echo", bytes.NewReader(sent))
	sum := sha256.New()
	if n, err := io.Copy(sum, a.Body); n != int64(len(sent)) || err != nil {
		t.Fatal(n, err)
	}
	if want := sha256.Sum256(sent); !bytes.Equal(sum.Sum(nil), want[:]) {
		t.Error("other bytes came back")
	}
	if len(said.all) != 0 {
		t.Error(said.all)
	}
}

// A client that does not read stops the handler; when it reads, all of it comes.
func TestServedWaitsForASlowClient(t *testing.T) {
	const size = 32 << 20
	var written atomic.Int64
	s, _ := handle(t, func(w http.ResponseWriter, r *http.Request) {
		piece := make([]byte, 1<<20)
		for i := 0; i < size/len(piece); i++ {
			n, err := w.Write(piece)
			written.Add(int64(n))
			if err != nil {
				t.Error(err)
			}
		}
	})
	a := s.send(t, "GET", "/", nil)
	last, since := int64(-1), time.Now()
	eventually(t, "the handler waits", func() bool {
		if now := written.Load(); now != last {
			last, since = now, time.Now()
		}
		return last > 0 && time.Since(since) > 300*time.Millisecond
	})
	if last >= size {
		t.Error("it did not wait")
	}
	if n, err := io.Copy(io.Discard, a.Body); n != size || err != nil {
		t.Error(n, err)
	}
}

func TestServedFlush(t *testing.T) {
	more := make(chan struct{})
	s, _ := handle(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "one\n")
		w.(http.Flusher).Flush()
		<-more
		io.WriteString(w, "two\n")
	})
	a := s.send(t, "GET", "/", nil)
	in := bufio.NewReader(a.Body)
	if line, err := in.ReadString('\n'); line != "one\n" || err != nil {
		t.Error(line, err)
	}
	close(more)
	if line, err := in.ReadString('\n'); line != "two\n" || err != nil {
		t.Error(line, err)
	}
}

func TestServedClientLeaves(t *testing.T) {
	ends := make(chan error, 3)
	begun := make(chan struct{}, 3)
	s, said := handle(t, func(w http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		switch r.URL.Path {
		case "/wait":
			<-r.Context().Done()
			ends <- r.Context().Err()
		case "/read":
			_, err := io.Copy(io.Discard, r.Body)
			ends <- err
		case "/write":
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					ends <- err
					return
				}
			}
		}
	})
	for _, head := range []string{"GET /wait", "POST /read", "GET /write"} {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		length := ""
		if strings.HasPrefix(head, "POST") {
			length = "Content-Length: 1000\r\n"
		}
		fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: app.test\r\n%s\r\n", head, length)
		receive(t, begun)
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		err = receive(t, ends)
		if err == nil || head == "POST /read" && err != io.ErrUnexpectedEOF {
			t.Error(head, err)
		}
	}
	if len(said.all) != 0 {
		t.Error(said.all)
	}
}

func TestServedPanics(t *testing.T) {
	s, said := handle(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/early":
			io.WriteString(w, "not sent")
			panic("oops")
		case "/late":
			io.WriteString(w, "part")
			w.(http.Flusher).Flush()
			panic("oops")
		case "/abort":
			panic(http.ErrAbortHandler)
		case "/bad":
			w.Header().Set("Bad Name", "x")
		case "/short":
			w.Header().Set("Content-Length", "9")
			io.WriteString(w, "part")
		}
	})
	for _, row := range []struct {
		path   string
		status int
		logged int
	}{{"/early", 502, 1}, {"/late", 200, 2}, {"/abort", 502, 2}, {"/bad", 502, 3}, {"/short", 200, 4}} {
		a := s.send(t, "GET", row.path, nil)
		text, err := io.ReadAll(a.Body)
		if a.StatusCode != row.status || (row.status == 200) != (err != nil) || strings.Contains(string(text), "not sent") {
			t.Error(row.path, a.StatusCode, string(text), err)
		}
		eventually(t, "it is logged", func() bool {
			said.Lock()
			defer said.Unlock()
			return len(said.all) == row.logged
		})
	}
}

func TestServedBounds(t *testing.T) {
	hold := make(chan struct{})
	s := open(t, servedDraft(cardea.Public()), cardea.Hooks{MaxConcurrent: 1, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "begun")
		w.(http.Flusher).Flush()
		<-hold
	})})
	a := s.send(t, "GET", "/", nil)
	if b := s.send(t, "GET", "/", nil); b.StatusCode != 503 {
		t.Error(b.StatusCode)
	}
	close(hold)
	if text := whole(t, a); text != "begun" {
		t.Error(text)
	}
	p, err := cardea.NewProxy(seal(t, servedDraft(cardea.Public())), cardea.Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	if _, err := p.StartWorker(); !errors.Is(err, cardea.ErrConfig) {
		t.Error(err)
	}
}

func TestServedIdentityAndClose(t *testing.T) {
	waits, over := make(chan struct{}), make(chan struct{})
	s := open(t, servedDraft(cardea.AskHost("")), cardea.Hooks{Authorizer: byName(), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		about, _ := cardea.FromContext(r.Context())
		if r.URL.Path == "/wait" {
			close(waits)
			<-r.Context().Done()
			close(over)
			return
		}
		fmt.Fprint(w, about.Identity)
	})})
	if status, body := s.get("/", "X-Who", "ann"); status != 200 || body != "ann" {
		t.Error(status, body)
	}
	if status, _ := s.get("/"); status != 403 {
		t.Error(status)
	}
	go s.get("/wait", "X-Who", "ann")
	receive(t, waits)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	s.Close(ctx) // cuts it
	receive(t, over)
}

// A successor accepts from the sockets of a proxy that goes.
func TestListeningSocketsAreHandedOver(t *testing.T) {
	hello := func(text string) cardea.Hooks {
		return cardea.Hooks{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) })}
	}
	first := open(t, servedDraft(cardea.Public()), hello("first"))
	files, err := first.ListeningFiles()
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	address := strings.TrimPrefix(first.base, "http://")
	d := servedDraft(cardea.Public())
	d.Listeners[0].Address = address
	second, err := cardea.NewProxy(seal(t, d), hello("second"))
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close(context.Background())
	for _, f := range files {
		if err := second.AdoptListening(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	worker, err := second.StartWorker()
	if err != nil {
		t.Fatal(err)
	}
	if at, err := worker.Address(0); at != address || err != nil {
		t.Error(at, err)
	}
	if status, body := first.get("/"); status != 200 || body != "first" && body != "second" {
		t.Error(status, body)
	}
	if err := first.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	first.client.CloseIdleConnections()
	if status, body := first.get("/"); status != 200 || body != "second" {
		t.Error(status, body)
	}
	closed, _ := net.Listen("tcp", "127.0.0.1:0")
	f, _ := closed.(*net.TCPListener).File()
	f.Close()
	if err := second.AdoptListening(f); !errors.Is(err, cardea.ErrInvalid) {
		t.Error(err)
	}
	closed.Close()
}
