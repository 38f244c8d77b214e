package cardea_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"cardea"
)

const patience = 10 * time.Second

// service answers with what it was asked; /hold not before the request is given up; /stream with a part, and the rest when
// it is given up.
func service(t testing.TB) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hold":
			<-r.Context().Done()
		case "/stream":
			io.WriteString(w, "begun\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		default:
			w.Header().Set("X-Seen-User", r.Header.Get("X-Pomerium-Claim-Email"))
			fmt.Fprintf(w, "%s %s for %s", r.Method, r.URL, r.Header.Get("X-Forwarded-Host"))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// draft has a listener on a port of the system's choice and a route to the service.
func draft(url string, policy *cardea.Policy) *cardea.Draft {
	return &cardea.Draft{
		Listeners: []cardea.Listener{{Address: "127.0.0.1:0"}},
		Routes: []cardea.Route{{From: "http://app.test", Policy: policy, Options: cardea.Options{"name": "app"},
			Cluster: &cardea.Cluster{Endpoints: []cardea.Endpoint{{URL: url}}}}},
	}
}

func seal(t testing.TB, d *cardea.Draft) *cardea.Config {
	t.Helper()
	c, err := d.Seal()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// scene is a proxy with one worker and a client of its own.
type scene struct {
	*cardea.Proxy
	worker *cardea.Worker
	client *http.Client
	base   string
}

func open(t testing.TB, d *cardea.Draft, hooks cardea.Hooks) *scene {
	t.Helper()
	p, err := cardea.NewProxy(seal(t, d), hooks)
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{Proxy: p}
	t.Cleanup(func() { s.close(t) })
	if s.worker, err = p.StartWorker(); err != nil {
		t.Fatal(err)
	}
	at, err := s.worker.Address(0)
	if err != nil {
		t.Fatal(err)
	}
	s.base = "http://" + at
	s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: patience}
	return s
}

// close cuts what is there, and checks that the end comes soon.
func (s *scene) close(t testing.TB) {
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

func (s *scene) request(ctx context.Context, path string) *http.Request {
	r, err := http.NewRequestWithContext(ctx, "GET", s.base+path, nil)
	if err != nil {
		panic(err)
	}
	r.Host = "app.test"
	return r
}

// get is a request's status and body; the status is 0 when there was no answer.
func (s *scene) get(path string, header ...string) (int, string) {
	r := s.request(context.Background(), path)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	a, err := s.client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer a.Body.Close()
	body, _ := io.ReadAll(a.Body)
	return a.StatusCode, string(body)
}

// held is a request that the service began to answer and does not finish.
func (s *scene) held(t testing.TB, header ...string) *http.Response {
	t.Helper()
	r := s.request(context.Background(), "/stream")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	a, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Body.Close() })
	if b := make([]byte, 6); true {
		if _, err := io.ReadFull(a.Body, b); err != nil || string(b) != "begun\n" {
			t.Fatalf("%q %v", b, err)
		}
	}
	return a
}

// over reads a held answer to its end.
func over(t testing.TB, a *http.Response) error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(a.Body)
		done <- err
	}()
	return receive(t, done)
}

func receive[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	panic("not reached")
}

// eventually polls until it holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatal("never: " + what)
}

// lines is a logger that keeps what it hears.
type lines struct {
	sync.Mutex
	all []string
}

func (l *lines) Log(level cardea.Level, msg string, args ...any) {
	l.Lock()
	defer l.Unlock()
	l.all = append(l.all, fmt.Sprint(level, ": ", msg, " ", args))
}

func (l *lines) has(part string) bool {
	l.Lock()
	defer l.Unlock()
	return strings.Contains(strings.Join(l.all, "\n"), part)
}

// certificate is one for these names, signed by itself.
func certificate(t testing.TB, names ...string) (cert, key string) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}
