package cardea_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"cardea"
)

func TestAuthorizerSeesTheRequestAndSaysWhoAsks(t *testing.T) {
	seen := make(chan *cardea.Request, 1)
	ends := make(chan *cardea.Record, 1)
	d := draft(service(t).URL, cardea.AskHost(`team "a"`))
	d.Routes[0].Options["pass_identity_headers"] = true
	d.Options = cardea.Options{"jwt_claims_headers": []string{"email"}}
	s := open(t, d, cardea.Hooks{
		Authorizer: cardea.AuthorizeFunc(func(ctx context.Context, r *cardea.Request) (cardea.Decision, error) {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("the question has no end")
			}
			seen <- r
			return cardea.AllowAs(cardea.Identity{User: "u1", Email: "ann@example.com", Groups: []string{"staff"}}), nil
		}),
		OnRequestEnd: func(r *cardea.Record) { ends <- r },
	})
	if status, body := s.get("/a?b=c", "X-Mine", "yes", "X-Mine", "too"); status != 200 || body != "GET /a?b=c for app.test" {
		t.Fatal(status, body)
	}
	r := receive(t, seen)
	if r.Method != "GET" || r.Host != "app.test" || r.Path != "/a" || r.Query != "?b=c" || r.Route != "app" ||
		r.ClientIP != "127.0.0.1" || !strings.HasPrefix(r.Peer, "127.0.0.1:") || r.Protocol != "HTTP/1.1" || len(r.ID) != 36 ||
		r.ConnID == 0 || r.Reauthorized || string(r.PolicyData) != `"team \"a\""` {
		t.Errorf("%+v", r)
	}
	if got := r.Header()["X-Mine"]; len(got) != 2 || got[0] != "yes" || got[1] != "too" {
		t.Errorf("headers %v", r.Header())
	}
	end := receive(t, ends)
	n, err := end.Numbers()
	if err != nil || end.RequestID != r.ID || end.Status != 200 || end.Cause != "ok" || end.Identity != "u1" || end.Cluster != "app" ||
		end.Endpoint == "" || end.ConnID != r.ConnID || n.BytesOut != int64(len("GET /a?b=c for app.test")) || n.Attempts != 1 {
		t.Errorf("%+v %+v %v", end, n, err)
	}
	var access map[string]any
	if err := json.Unmarshal(end.Access, &access); err != nil || access["email"] != "ann@example.com" {
		t.Errorf("%s %v", end.Access, err)
	}
}

// Whatever is not a yes denies, and is told.
func TestFailuresDeny(t *testing.T) {
	var nobody *cardea.Request
	for name, c := range map[string]struct {
		answer cardea.AuthorizeFunc
		told   string
	}{
		"deny": {func(context.Context, *cardea.Request) (cardea.Decision, error) { return cardea.Deny(), nil }, ""},
		"zero": {func(context.Context, *cardea.Request) (cardea.Decision, error) { return cardea.Decision{}, nil }, ""},
		"error": {func(context.Context, *cardea.Request) (cardea.Decision, error) {
			return cardea.Allow(), errors.New("no database")
		}, "no database"},
		"panic": {func(context.Context, *cardea.Request) (cardea.Decision, error) { panic("oh dear") }, "oh dear"},
		"nil": {func(context.Context, *cardea.Request) (cardea.Decision, error) {
			return cardea.Allow(), errors.New(nobody.ID)
		}, "nil pointer"},
		"goexit": {func(context.Context, *cardea.Request) (cardea.Decision, error) {
			runtime.Goexit()
			return cardea.Allow(), nil
		}, "ended its goroutine"},
		"unclear": {func(context.Context, *cardea.Request) (cardea.Decision, error) {
			return cardea.AllowAs(cardea.Identity{User: "u", Claims: map[string]any{"f": func() {}}}), nil
		}, "unsupported type"},
	} {
		t.Run(name, func(t *testing.T) {
			var log lines
			s := open(t, draft(service(t).URL, cardea.AskHost("")), cardea.Hooks{Authorizer: c.answer, Logger: &log})
			if status, body := s.get("/"); status != 403 {
				t.Errorf("%d %s", status, body)
			}
			eventually(t, "told: "+c.told, func() bool { return log.has(c.told) })
			if c.told == "" && len(log.all) > 0 {
				t.Error(log.all)
			}
		})
	}
}

func TestNobodyToAskDenies(t *testing.T) {
	s := open(t, draft(service(t).URL, cardea.AskHost("")), cardea.Hooks{})
	if status, _ := s.get("/"); status != 403 {
		t.Error(status)
	}
}

func TestContextEndsWithTheRequest(t *testing.T) {
	asked, ended := make(chan struct{}, 1), make(chan error, 1)
	s := open(t, draft(service(t).URL, cardea.AskHost("")), cardea.Hooks{
		Authorizer: cardea.AuthorizeFunc(func(ctx context.Context, r *cardea.Request) (cardea.Decision, error) {
			asked <- struct{}{}
			<-ctx.Done()
			ended <- ctx.Err()
			return cardea.Allow(), nil
		}),
	})
	// A client that only ends its side may wait for the answer still; one that resets is gone.
	c, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: app.test\r\n\r\n")
	receive(t, asked)
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
	if err := receive(t, ended); err != context.Canceled {
		t.Error(err)
	}
}

func TestNoAnswerInTimeDenies(t *testing.T) {
	ended := make(chan error, 1)
	d := draft(service(t).URL, cardea.AskHost(""))
	d.Options = cardea.Options{"authorize_timeout": 50 * time.Millisecond}
	s := open(t, d, cardea.Hooks{
		Authorizer: cardea.AuthorizeFunc(func(ctx context.Context, r *cardea.Request) (cardea.Decision, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return cardea.Allow(), nil
		}),
	})
	if status, _ := s.get("/"); status != 503 {
		t.Error(status)
	}
	if receive(t, ended) == nil {
		t.Error("no reason")
	}
}

func TestTooManyQuestionsDeny(t *testing.T) {
	var log lines
	asked, answer := make(chan struct{}, 2), make(chan struct{})
	s := open(t, draft(service(t).URL, cardea.AskHost("")), cardea.Hooks{Logger: &log, MaxConcurrent: 1,
		Authorizer: cardea.AuthorizeFunc(func(ctx context.Context, r *cardea.Request) (cardea.Decision, error) {
			asked <- struct{}{}
			<-answer
			return cardea.Allow(), nil
		}),
	})
	first := make(chan int, 1)
	go func() { status, _ := s.get("/first"); first <- status }()
	receive(t, asked)
	if status, _ := s.get("/second"); status != 403 || !log.has("too many questions") {
		t.Error(status, log.all)
	}
	close(answer)
	if status := receive(t, first); status != 200 {
		t.Error(status)
	}
	eventually(t, "a place is free again", func() bool { status, _ := s.get("/third"); return status == 200 })
}

func TestObserversSeeConnectionsAndSurvivePanics(t *testing.T) {
	var log lines
	opened, closed := make(chan *cardea.Conn, 1), make(chan *cardea.Conn, 1)
	times := 0
	s := open(t, draft(service(t).URL, cardea.Public()), cardea.Hooks{Logger: &log,
		OnConnOpen:  func(c *cardea.Conn) { opened <- c },
		OnConnClose: func(c *cardea.Conn) { closed <- c },
		OnRequestEnd: func(*cardea.Record) {
			if times++; times == 1 {
				panic("an observer's")
			}
			runtime.Goexit()
		},
	})
	s.get("/")
	s.get("/")
	s.client.CloseIdleConnections()
	a, b := receive(t, opened), receive(t, closed)
	if a.ID != b.ID || a.Peer != b.Peer || a.Protocol != "HTTP/1.1" {
		t.Errorf("%+v %+v", a, b)
	}
	if !log.has("an observer's") {
		t.Error(log.all)
	}
}

func TestSlowObserversLoseEventsAndAreTold(t *testing.T) {
	var log lines
	wait := make(chan struct{})
	s := open(t, draft(service(t).URL, cardea.Public()), cardea.Hooks{Logger: &log, MaxObserved: 1,
		OnRequestEnd: func(*cardea.Record) { <-wait }})
	defer close(wait)
	for i := 0; i < 4; i++ {
		if status, _ := s.get("/"); status != 200 {
			t.Fatal(status)
		}
	}
	eventually(t, "two are dropped", func() bool { _, n := s.Dropped(); return n == 2 })
	if !log.has("too slow") {
		t.Error(log.all)
	}
}

func TestCustomHealthChecks(t *testing.T) {
	good, bad := service(t).URL, service(t).URL
	changes := make(chan cardea.HealthChange, 16)
	d := draft(good, cardea.Public())
	k := d.Routes[0].Cluster
	k.Endpoints = append(k.Endpoints, cardea.Endpoint{URL: bad, Weight: 9})
	k.Options = cardea.Options{"health_checks": []any{map[string]any{"timeout": "2s", "interval": "20ms",
		"unhealthy_threshold": 1, "healthy_threshold": 1, "custom_health_check": map[string]any{}}}}
	s := open(t, d, cardea.Hooks{
		HealthChecker: cardea.HealthCheckFunc(func(ctx context.Context, cluster, endpoint string) error {
			if cluster != "app" {
				t.Error(cluster)
			}
			if strings.HasSuffix(bad, endpoint) {
				panic("not today")
			}
			return nil
		}),
		OnHealth: func(c cardea.HealthChange) {
			select {
			case changes <- c:
			default:
			}
		},
	})
	eventually(t, "one is unhealthy", func() bool {
		c, err := s.Clusters()
		return err == nil && len(c) == 1 && len(c[0].Endpoints) == 2 && c[0].Endpoints[0].Health == "healthy" && c[0].Endpoints[1].Health == "unhealthy"
	})
	for {
		if c := receive(t, changes); c.Health == cardea.Unhealthy {
			if !strings.HasSuffix(bad, c.Endpoint) || c.Cluster != "app" || c.Health.String() != "unhealthy" {
				t.Errorf("%+v", c)
			}
			break
		}
	}
	for i := 0; i < 10; i++ {
		if status, _ := s.get("/"); status != 200 {
			t.Error(status)
		}
	}
}
