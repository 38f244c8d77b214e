package cardea_test

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"cardea"
)

// resident is the process's memory in KiB.
func resident(t testing.TB) int {
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	pages, _ := strconv.Atoi(strings.Fields(string(text))[1])
	return pages * os.Getpagesize() / 1024
}

func descriptors(t testing.TB) int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(all)
}

// exchanges makes n requests over 16 clients, each tenth on a connection of its own.
func exchanges(t testing.TB, s *scene, n int) {
	t.Helper()
	var left, bad atomic.Int64
	left.Store(int64(n))
	var wait sync.WaitGroup
	for i := 0; i < 16; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for {
				k := left.Add(-1)
				if k < 0 {
					return
				}
				header := []string{"X-Who", "ann"}
				if k%10 == 0 {
					header = append(header, "Connection", "close")
				}
				if status, _ := s.get("/leak", header...); status != 200 {
					bad.Add(1)
				}
			}
		}()
	}
	wait.Wait()
	if bad.Load() > 0 {
		t.Errorf("%d of %d were not answered", bad.Load(), n)
	}
}

// Ten thousand exchanges with all hooks leave nothing behind: no memory, goroutine, descriptor, thread or waiting question.
func TestTenThousandExchangesLeaveNothing(t *testing.T) {
	var ended, opened, closed atomic.Int64
	s := open(t, draft(service(t).URL, cardea.AskHost("")), cardea.Hooks{
		Authorizer:   byName(),
		OnRequestEnd: func(*cardea.Record) { ended.Add(1) },
		OnConnOpen:   func(*cardea.Conn) { opened.Add(1) },
		OnConnClose:  func(*cardea.Conn) { closed.Add(1) },
	})
	settle := func(want int64) (rss, goroutines, fds int) {
		s.client.CloseIdleConnections()
		eventually(t, "every end is told", func() bool { return ended.Load() == want && opened.Load() == closed.Load() })
		eventually(t, "goroutines rest", func() bool { return runtime.NumGoroutine() < 40 })
		return resident(t), runtime.NumGoroutine(), descriptors(t)
	}
	exchanges(t, s, 3000)
	rss, goroutines, fds := settle(3000)
	exchanges(t, s, 10000)
	rss2, goroutines2, fds2 := settle(13000)
	t.Logf("RSS %d -> %d KiB, %d -> %d goroutines, %d -> %d descriptors", rss, rss2, goroutines, goroutines2, fds, fds2)
	if rss2-rss > 4096 && !raced { // the race detector keeps a shadow of all that was used
		t.Errorf("memory grew by %d KiB", rss2-rss)
	}
	if goroutines2 > goroutines+8 || fds2 > fds+8 {
		t.Errorf("%d -> %d goroutines, %d -> %d descriptors", goroutines, goroutines2, fds, fds2)
	}
	if a, b := s.Dropped(); a != 0 || b != 0 {
		t.Errorf("dropped %d, %d", a, b)
	}
}

// Proxies that come and go, with every kind of call on them.
func TestProxiesLeaveNothing(t *testing.T) {
	up := service(t)
	client := open(t, draft(up.URL, cardea.Public()), cardea.Hooks{}).client
	cycle := func() {
		c, err := draft(up.URL, cardea.AskHost("")).Seal()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		p, err := cardea.NewProxy(c, cardea.Hooks{Authorizer: byName(), OnRequestEnd: func(*cardea.Record) {}})
		if err != nil {
			t.Fatal(err)
		}
		w, err := p.StartWorker()
		if err != nil {
			t.Fatal(err)
		}
		at, _ := w.Address(0)
		s := &scene{Proxy: p, client: client, base: "http://" + at}
		if status, _ := s.get("/", "X-Who", "ann"); status != 200 {
			t.Error(status)
		}
		ctx, cancel := context.WithCancel(context.Background())
		s.List(ctx, cardea.Selector{})
		cancel()
		s.List(ctx, cardea.Selector{})
		s.DryRun(context.Background(), c)
		client.CloseIdleConnections()
		s.close(t)
		s.Close(context.Background())
	}
	for i := 0; i < 20; i++ {
		cycle()
	}
	rss, goroutines, fds := resident(t), runtime.NumGoroutine(), descriptors(t)
	for i := 0; i < 100; i++ {
		cycle()
	}
	rss2 := resident(t)
	t.Logf("RSS %d -> %d KiB", rss, rss2)
	if rss2-rss > 4096 && !raced { // the race detector keeps a shadow of all that was used
		t.Errorf("memory grew by %d KiB", rss2-rss)
	}
	eventually(t, "goroutines and descriptors are as before", func() bool {
		return runtime.NumGoroutine() <= goroutines+4 && descriptors(t) <= fds+4
	})
}

// Everything at once, closed in the middle: for the race detector.
func TestEverythingAtOnce(t *testing.T) {
	d := draft(service(t).URL, cardea.AskHost(""))
	s := open(t, d, cardea.Hooks{Authorizer: byName(), OnRequestEnd: func(r *cardea.Record) { r.Numbers() }})
	config := seal(t, d)
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	every := func(fn func()) {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for ctx.Err() == nil {
				fn()
			}
		}()
	}
	var served atomic.Int64
	every(func() {
		if status, _ := s.get("/", "X-Who", "ann"); status == 200 {
			served.Add(1)
		}
	})
	every(func() { s.List(ctx, cardea.Selector{}) })
	every(func() { s.End(ctx, cardea.Selector{User: "nobody"}, "") })
	every(func() { s.Apply(config) })
	every(func() { s.Reauthorize(cardea.Selector{}) })
	every(func() { s.Metrics(); s.Clusters() })
	every(func() {
		if w, err := s.StartWorker(); err == nil {
			w.Address(0)
			w.Close(ctx)
		}
	})
	eventually(t, "requests pass meanwhile", func() bool { return served.Load() > 200 })
	s.close(t)
	cancel()
	wait.Wait()
}
