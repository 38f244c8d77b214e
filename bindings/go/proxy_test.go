package cardea_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cardea"
)

func byName() cardea.AuthorizeFunc {
	return func(ctx context.Context, r *cardea.Request) (cardea.Decision, error) {
		if who := r.Header().Get("X-Who"); who != "" {
			return cardea.AllowAs(cardea.Identity{User: who}), nil
		}
		return cardea.Deny(), nil
	}
}

func TestListReauthorizeRevokeEnd(t *testing.T) {
	ctx := context.Background()
	ends := make(chan *cardea.Record, 8)
	var again, mallory atomic.Int32
	s := open(t, draft(service(t).URL, cardea.AskHost("")), cardea.Hooks{
		OnRequestEnd: func(r *cardea.Record) { ends <- r },
		Authorizer: cardea.AuthorizeFunc(func(ctx context.Context, r *cardea.Request) (cardea.Decision, error) {
			who := r.Header().Get("X-Who")
			if r.Reauthorized {
				again.Add(1)
				if who == "mallory" && mallory.Load() == 1 {
					return cardea.Deny(), nil
				}
			}
			return cardea.AllowAs(cardea.Identity{User: who}), nil
		}),
	})
	ann, bob, mal := s.held(t, "X-Who", "ann"), s.held(t, "X-Who", "bob"), s.held(t, "X-Who", "mallory")
	all, err := s.List(ctx, cardea.Selector{})
	if err != nil || all.Count != 3 || len(all.Exchanges) != 3 {
		t.Fatalf("%+v %v", all, err)
	}
	one, err := s.List(ctx, cardea.Selector{User: "ann", Route: "app"})
	if err != nil || one.Count != 1 {
		t.Fatalf("%+v %v", one, err)
	}
	if x := one.Exchanges[0]; x.User != "ann" || x.Path != "/stream" || x.State == "" || x.Endpoint == "" || x.BytesOut != 6 {
		t.Errorf("%+v", x)
	}
	ended := func(answer *http.Response, cause string) {
		t.Helper()
		if err := over(t, answer); err == nil {
			t.Error("a cut answer looked whole")
		}
		if r := receive(t, ends); !strings.Contains(r.Cause, cause) {
			t.Error(r.Cause)
		}
	}
	if err := s.Reauthorize(cardea.Selector{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are asked about again", func() bool { return again.Load() == 3 })
	mallory.Store(1)
	if err := s.Reauthorize(cardea.Selector{User: "mallory"}); err != nil {
		t.Fatal(err)
	}
	ended(mal, "truncated:denied")
	if err := s.Revoke(cardea.Revocation{User: "bob", By: "me", Until: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	ended(bob, "revoked")
	if status, _ := s.get("/", "X-Who", "bob"); status != 403 {
		t.Error(status)
	}
	receive(t, ends)
	if n, err := s.End(ctx, cardea.Selector{Exchange: one.Exchanges[0].ID}, "me"); n != 1 || err != nil {
		t.Error(n, err)
	}
	ended(ann, "ended")
	if n, err := s.End(ctx, cardea.Selector{}, ""); n != 0 || err != nil {
		t.Error(n, err)
	}
	if err := s.Revoke(cardea.Revocation{}); !errors.Is(err, cardea.ErrInvalid) || !strings.Contains(err.Error(), "user") {
		t.Error(err)
	}
}

func TestDryRunAndApply(t *testing.T) {
	url := service(t).URL
	s := open(t, draft(url, cardea.Public()), cardea.Hooks{})
	held := s.held(t)
	next := draft(url, nil)
	next.Options = cardea.Options{"authorize_timeout": time.Second}
	closed := seal(t, next)
	f, err := s.DryRun(context.Background(), closed)
	if err != nil || f.Judged != 1 || len(f.WouldEnd) != 1 || f.WouldEnd[0].Route != "app" || len(f.WouldAskHost) != 0 {
		t.Fatalf("%+v %v", f, err)
	}
	before, _ := s.Generation()
	if status, _ := s.get("/"); status != 200 {
		t.Error(status)
	}
	if err := s.Apply(closed); err != nil {
		t.Fatal(err)
	}
	if after, err := s.Generation(); err != nil || after == before {
		t.Error(before, after, err)
	}
	if err := over(t, held); err == nil {
		t.Error("who may pass no more goes on")
	}
	if status, _ := s.get("/"); status != 403 {
		t.Error(status)
	}
}

func TestSetEndpointsClustersMetrics(t *testing.T) {
	other := service(t)
	s := open(t, draft("http://127.0.0.1:1", cardea.Public()), cardea.Hooks{})
	if status, _ := s.get("/"); status != 503 && status != 502 {
		t.Error(status)
	}
	if err := s.SetEndpoints("app", []cardea.NewEndpoint{{URL: other.URL, Weight: 5}}); err != nil {
		t.Fatal(err)
	}
	if status, _ := s.get("/"); status != 200 {
		t.Error(status)
	}
	c, err := s.Clusters()
	if err != nil || len(c) != 1 || c[0].Name != "app" || len(c[0].Endpoints) != 1 || c[0].Endpoints[0].Weight != 5 ||
		!strings.HasSuffix(other.URL, c[0].Endpoints[0].Address) {
		t.Errorf("%+v %v", c, err)
	}
	if err := s.SetEndpoints("app", nil); err != nil {
		t.Error(err)
	}
	eventually(t, "the configuration's again", func() bool {
		c, _ := s.Clusters()
		return c[0].Endpoints[0].Address == "127.0.0.1:1"
	})
	if err := s.SetEndpoints("nothing", nil); !errors.Is(err, cardea.ErrNotFound) {
		t.Error(err)
	}
	if err := s.SetEndpoints("app", []cardea.NewEndpoint{{URL: "gopher://x"}}); !errors.Is(err, cardea.ErrInvalid) || !strings.Contains(err.Error(), "must begin with") {
		t.Error(err)
	}
	m, err := s.Metrics()
	var requests uint64
	for _, v := range m {
		if v.Kind == "" || v.Help == "" {
			t.Errorf("%+v", v)
		}
		if strings.HasSuffix(v.Name, "requests_total") && requests == 0 {
			requests = v.Value
		}
	}
	if err != nil || len(m) < 10 || requests != 2 {
		t.Error(requests, m, err)
	}
}

func TestTLSAndHTTP2(t *testing.T) {
	cert, key := certificate(t, "app.test")
	d := draft(service(t).URL, cardea.Public())
	d.Listeners[0].TLS = &cardea.TLS{Certificates: []cardea.Certificate{{Cert: cert, Key: key}}}
	d.Routes[0].From = "https://app.test"
	ends := make(chan *cardea.Record, 1)
	s := open(t, d, cardea.Hooks{OnRequestEnd: func(r *cardea.Record) { ends <- r }})
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM([]byte(cert))
	s.client.Transport = &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: trusted, ServerName: "app.test"}}
	s.base = strings.Replace(s.base, "http:", "https:", 1)
	if status, body := s.get("/x"); status != 200 || body != "GET /x for app.test" {
		t.Fatal(status, body)
	}
	if r := receive(t, ends); r.Protocol != "HTTP/2" || r.SNI != "app.test" || r.TLSVersion != "TLSv1.3" {
		t.Errorf("%+v", r)
	}
}

func TestAdopt(t *testing.T) {
	s := open(t, draft(service(t).URL, cardea.Public()), cardea.Hooks{})
	for i := 0; i < 3; i++ { // whichever takes it
		if _, err := s.StartWorker(); err != nil {
			t.Fatal(err)
		}
	}
	own, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	for i := 0; i < 20; i++ {
		client, err := net.Dial("tcp", own.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		server, err := own.Accept()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(client, "GET /ad")
		read := make([]byte, 7)
		io.ReadFull(server, read)
		if err := s.Adopt(server, 0, read); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Write(read); !errors.Is(err, net.ErrClosed) {
			t.Error("still Go's:", err)
		}
		io.WriteString(client, "opted HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n")
		client.SetDeadline(time.Now().Add(patience))
		if answer, err := io.ReadAll(client); err != nil || !strings.Contains(string(answer), "GET /adopted for app.test") {
			t.Errorf("%q %v", answer, err)
		}
		client.Close()
	}
	a, b := net.Pipe()
	defer b.Close()
	if err := s.Adopt(a, 0, nil); !errors.Is(err, cardea.ErrNotSupported) {
		t.Error(err)
	}
	client, err := net.Dial("tcp", own.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := own.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if err := s.Adopt(server, 7, nil); err == nil {
		t.Error("there is no listener 7")
	}
	if _, err := server.Write([]byte("x")); err != nil {
		t.Error("after a failure it is the caller's:", err)
	}
}
