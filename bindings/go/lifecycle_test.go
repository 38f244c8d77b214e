package cardea_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"cardea"
)

// Close lets what runs finish; a context that ends first cuts it.
func TestCloseDrains(t *testing.T) {
	answer := make(chan struct{})
	s := open(t, draft(service(t).URL, cardea.AskHost("")), cardea.Hooks{
		Authorizer: cardea.AuthorizeFunc(func(context.Context, *cardea.Request) (cardea.Decision, error) {
			answer <- struct{}{}
			answer <- struct{}{}
			return cardea.Allow(), nil
		})})
	status := make(chan int, 1)
	go func() { n, _ := s.get("/"); status <- n }()
	receive(t, answer)
	closed := make(chan error, 1)
	go func() { closed <- s.Close(context.Background()) }()
	eventually(t, "nobody is accepted", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	select {
	case err := <-closed:
		t.Fatal("closed before the end:", err)
	default:
	}
	receive(t, answer)
	if n := receive(t, status); n != 200 {
		t.Error(n)
	}
	if err := receive(t, closed); err != nil {
		t.Error(err)
	}
}

func TestCloseCutsAtItsDeadline(t *testing.T) {
	ends := make(chan *cardea.Record, 1)
	s := open(t, draft(service(t).URL, cardea.Public()), cardea.Hooks{OnRequestEnd: func(r *cardea.Record) { ends <- r }})
	held := s.held(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := over(t, held); err == nil {
		t.Error("not cut")
	}
	if r := receive(t, ends); !strings.HasPrefix(r.Cause, "truncated") {
		t.Error(r.Cause)
	}
	s = open(t, draft(service(t).URL, cardea.Public()), cardea.Hooks{})
	held = s.held(t)
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Close(gone); err != context.Canceled {
		t.Error(err)
	}
	if err := over(t, held); err == nil {
		t.Error("not cut")
	}
}

func TestUseAfterClose(t *testing.T) {
	ctx := context.Background()
	d := draft(service(t).URL, cardea.Public())
	s := open(t, d, cardea.Hooks{OnRequestEnd: func(*cardea.Record) {}})
	second, err := s.StartWorker()
	if err != nil {
		t.Fatal(err)
	}
	if a, err := second.Address(0); err != nil || "http://"+a != s.base {
		t.Error(a, err)
	}
	if port, err := second.Port(0); err != nil || port == 0 {
		t.Error(port, err)
	}
	for _, n := range []int{-1, 1} {
		if _, err := second.Address(n); !errors.Is(err, cardea.ErrNotFound) {
			t.Error(err)
		}
		if _, err := second.Port(n); !errors.Is(err, cardea.ErrNotFound) {
			t.Error(err)
		}
	}
	if err := second.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := second.Close(ctx); err != nil {
		t.Error("again:", err)
	}
	if status, _ := s.get("/"); status != 200 {
		t.Error(status)
	}
	config := seal(t, d)
	var wait sync.WaitGroup
	for i := 0; i < 4; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			if err := s.Close(ctx); err != nil {
				t.Error(err)
			}
		}()
	}
	wait.Wait()
	_, list := s.List(ctx, cardea.Selector{})
	_, end := s.End(ctx, cardea.Selector{}, "")
	_, dry := s.DryRun(ctx, config)
	_, generation := s.Generation()
	_, clusters := s.Clusters()
	_, metrics := s.Metrics()
	_, start := s.StartWorker()
	_, address := s.worker.Address(0)
	for i, err := range []error{list, end, dry, generation, clusters, metrics, start, address, s.Apply(config), s.Drain(ctx),
		s.Reauthorize(cardea.Selector{}), s.Revoke(cardea.Revocation{User: "x"}), s.SetEndpoints("app", nil)} {
		if !errors.Is(err, cardea.ErrClosed) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestDrainIsAskedFromManySides(t *testing.T) {
	s := open(t, draft(service(t).URL, cardea.Public()), cardea.Hooks{})
	held := s.held(t)
	short, cancel := context.WithCancel(context.Background())
	waiting := make(chan error, 1)
	go func() { waiting <- s.Drain(short) }()
	cancel()
	if err := receive(t, waiting); err != context.Canceled {
		t.Error(err)
	}
	if got, err := s.List(context.Background(), cardea.Selector{}); err != nil || got.Count != 1 {
		t.Error(got, err)
	}
	if n, err := s.End(context.Background(), cardea.Selector{}, "me"); n != 1 || err != nil {
		t.Error(n, err)
	}
	over(t, held)
	s.close(t)
}

func TestServe(t *testing.T) {
	d := draft(service(t).URL, cardea.AskHost(""))
	d.Options = cardea.Options{"workers": 2}
	ctx, cancel := context.WithCancel(context.Background())
	at := make(chan string, 1)
	served := make(chan error, 1)
	go func() {
		served <- cardea.Serve(ctx, seal(t, d), cardea.Hooks{Authorizer: byName()}, func(p *cardea.Proxy, w *cardea.Worker) {
			address, _ := w.Address(0)
			at <- address
		})
	}()
	s := &scene{client: &http.Client{Timeout: patience}, base: "http://" + receive(t, at)}
	if status, _ := s.get("/", "X-Who", "ann"); status != 200 {
		t.Error(status)
	}
	if status, _ := s.get("/"); status != 403 {
		t.Error(status)
	}
	cancel()
	if err := receive(t, served); err != nil {
		t.Error(err)
	}
}
