package cardea

// #include "bridge.h"
import "C"

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// Hooks are what a program adds to a proxy. All are optional, and without them no Go code runs for a request.
type Hooks struct {
	// Authorizer is asked where a policy names the host. Without one such requests are denied.
	Authorizer Authorizer
	// HealthChecker answers custom health checks. Without one such endpoints are unhealthy.
	HealthChecker HealthChecker
	// Handler answers requests of routes that are `served_by_host`. Without one such a configuration has no workers: ErrConfig.
	//
	// It has a goroutine for each request. The request's context is cancelled when the request ends (its client left, it was
	// cut, a timeout), and when the proxy closes; FromContext has what Cardea knows about it. Written bytes wait when the
	// client is slow, and unread ones stop the client. A panic gives up: 502, or an answer that is cut;
	// http.ErrAbortHandler does so silently. Informational answers, http.Flusher and trailers are as in net/http.
	Handler http.Handler

	// The observers below are called one after the other, from one goroutine, in the order of events.

	OnRequestEnd func(*Record) // once for each request that was routed, or that no route took
	OnConnOpen   func(*Conn)
	OnConnClose  func(*Conn)
	OnHealth     func(HealthChange)

	// Logger is told what goes wrong in hooks: errors, panics, overflow. The library's own lines: SetLogger.
	Logger Logger

	// QueueCapacity is how many events may wait for Go (0: 65,536). An authorization that finds it full is denied.
	QueueCapacity int
	// MaxConcurrent bounds the goroutines of the Authorizer, and again those of the HealthChecker and the Handler (0:
	// 4,096). Whoever comes when all are busy is denied, unhealthy, or answered 503.
	MaxConcurrent int
	// MaxObserved is how many events may wait for the observers (0: 8,192). What finds that full is dropped and counted.
	MaxObserved int
}

// Proxy is what its workers share: the configuration, the endpoints' health, the counters. Its methods are safe for
// concurrent use, and answer ErrClosed after Close.
type Proxy struct {
	mu      sync.RWMutex // held for reading while C is called
	c       *C.cardea_proxy
	workers map[*Worker]struct{}
	begun   bool // Close has begun: no new worker

	events   *pump         // nil without hooks
	adopting sync.RWMutex  // held for reading while a callback has pointers to workers
	closing  chan struct{} // one Close at a time
	closed   bool
}

// NewProxy makes a proxy without workers: it listens when the first one starts. Close it.
func NewProxy(config *Config, hooks Hooks) (*Proxy, error) {
	p := &Proxy{workers: map[*Worker]struct{}{}, closing: make(chan struct{}, 1)}
	timeout, err := config.Duration("authorize_timeout")
	if err != nil {
		return nil, err
	}
	err = config.with("new proxy", func(h *C.cardea_config) error {
		var said *C.cardea_error
		return check("new proxy", C.cardea_proxy_new(h, nil, nil, nil, &p.c, &said), said)
	})
	if err != nil {
		return nil, err
	}
	if p.events, err = startPump(p, hooks, timeout); err != nil {
		C.cardea_proxy_unref(p.c)
		return nil, err
	}
	return p, nil
}

// with calls fn with the handle, which lives until it returns.
func (p *Proxy) with(op string, fn func(*C.cardea_proxy) error) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.c == nil {
		return failure(op, ErrClosed, "the proxy is closed")
	}
	return fn(p.c)
}

// Apply makes a configuration the current one. Live exchanges keep the one they began with, and are judged again; what did not
// change stays as it is. A failure changes nothing.
func (p *Proxy) Apply(config *Config) error {
	timeout, err := config.Duration("authorize_timeout")
	if err != nil {
		return err
	}
	err = p.with("apply", func(h *C.cardea_proxy) error {
		return config.with("apply", func(c *C.cardea_config) error {
			var said *C.cardea_error
			return check("apply", C.cardea_proxy_apply(h, c, &said), said)
		})
	})
	if err == nil && p.events != nil {
		p.events.timeout.Store(int64(timeout))
	}
	return err
}

// Generation is the number of the current configuration.
func (p *Proxy) Generation() (uint64, error) {
	var n C.uint64_t
	err := p.with("generation", func(h *C.cardea_proxy) error {
		return check("generation", C.cardea_proxy_generation(h, &n), nil)
	})
	return uint64(n), err
}

// Drain stops accepting, tells clients to go elsewhere, lets exchanges finish, and cuts the rest at the deadline: ctx's, or
// drain_timeout when it has none. It returns when all are gone, or when ctx is cancelled. The workers stay; Close ends them.
func (p *Proxy) Drain(ctx context.Context) error {
	deadline := int64(-1)
	if at, ok := ctx.Deadline(); ok {
		if deadline = time.Until(at).Milliseconds(); deadline < 0 {
			deadline = 0
		}
	}
	return p.drain(ctx, deadline)
}

func (p *Proxy) drain(ctx context.Context, deadline int64) error {
	_, err := p.ask(ctx, "drain", func(h *C.cardea_proxy, c *C.cardea_go_call, _ **C.cardea_error) C.int {
		return doneBy(h, C.int64_t(deadline), c)
	})
	return err
}

// ending is how long Close waits for threads and hooks when its context is over already.
const ending = 5 * time.Second

// Close drains, ends the workers, and frees everything. ctx bounds how long exchanges may take to finish: when it is over
// they are cut, and Close still waits a moment for threads and hooks to end. Its error says what was cut short; everything
// is closed in any case. Further calls do nothing, but wait for the first.
func (p *Proxy) Close(ctx context.Context) error {
	p.closing <- struct{}{}
	defer func() { <-p.closing }()
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.begun = true
	workers := make([]*Worker, 0, len(p.workers))
	for w := range p.workers {
		workers = append(workers, w)
	}
	p.mu.Unlock()

	var err error
	if len(workers) > 0 {
		deadline := int64(-1)
		if at, ok := ctx.Deadline(); ok {
			// A little earlier than ctx, so that what is cut is cut by the drain, and told.
			if deadline = time.Until(at).Milliseconds() * 9 / 10; deadline < 0 {
				deadline = 0
			}
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		} else {
			err = p.drain(ctx, deadline)
		}
	}
	for _, w := range workers {
		w.stop()
	}
	for _, w := range workers {
		if e := w.end(ctx); e != nil && err == nil {
			err = e
		}
	}
	if p.events != nil { // before the proxy goes: hooks may still call it
		if e := p.events.end(ctx); e != nil && err == nil {
			err = e
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	C.cardea_proxy_unref(p.c)
	p.c = nil
	return err
}

// Worker is a loop of Cardea's on a thread of its own. It ends with its proxy, or before by Close.
type Worker struct {
	proxy *Proxy
	mu    sync.RWMutex
	c     *C.cardea_worker
}

// StartWorker binds the listeners, of which several workers may share an address, and begins to serve.
func (p *Proxy) StartWorker() (*Worker, error) {
	w := &Worker{proxy: p}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.c == nil || p.begun {
		return nil, failure("start worker", ErrClosed, "the proxy is closed")
	}
	var said *C.cardea_error
	if err := check("start worker", C.cardea_worker_start_thread(p.c, &w.c, &said), said); err != nil {
		return nil, err
	}
	p.workers[w] = struct{}{}
	return w, nil
}

func (w *Worker) with(op string, fn func(*C.cardea_worker) error) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.c == nil {
		return failure(op, ErrClosed, "the worker is closed")
	}
	return fn(w.c)
}

// Address is the real address of a listener, by its number: "127.0.0.1:41207", "unix:/path".
func (w *Worker) Address(listener int) (string, error) {
	var to [256]C.char
	var n C.size_t
	err := w.with("address", func(h *C.cardea_worker) error {
		if listener < 0 {
			return failure("address", ErrNotFound, "there is no listener %d", listener)
		}
		return check("address", C.cardea_go_bound_address(h, C.size_t(listener), &to[0], C.size_t(len(to)), &n), nil)
	})
	return C.GoStringN(&to[0], C.int(n)), err
}

// Port is the real port of a listener, by its number; 0 for unix sockets.
func (w *Worker) Port(listener int) (int, error) {
	var port C.int
	err := w.with("port", func(h *C.cardea_worker) error {
		if listener < 0 {
			return failure("port", ErrNotFound, "there is no listener %d", listener)
		}
		port = C.cardea_worker_bound_port(h, C.size_t(listener))
		return check("port", port, nil)
	})
	return int(port), err
}

// Close cuts this worker's connections, and returns when its thread has ended. Drain the proxy first where that matters.
func (w *Worker) Close(ctx context.Context) error {
	w.stop()
	return w.end(ctx)
}

func (w *Worker) stop() {
	_ = w.with("close", func(h *C.cardea_worker) error {
		C.cardea_worker_close(h, nil, nil)
		return nil
	})
}

func (w *Worker) end(ctx context.Context) error {
	limit := ending
	if at, ok := ctx.Deadline(); ok && time.Until(at) > limit {
		limit = time.Until(at)
	}
	err := w.with("close", func(h *C.cardea_worker) error {
		return check("close worker", C.cardea_worker_join(h, C.int64_t(limit.Milliseconds())), nil)
	})
	if CodeOf(err) == ErrClosed {
		return nil // somebody else was first
	}
	w.proxy.mu.Lock() // no adoption begins from here on with this worker
	delete(w.proxy.workers, w)
	w.proxy.mu.Unlock()
	w.proxy.adopting.Lock() // waits for those that began before
	w.proxy.adopting.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	C.cardea_worker_free(w.c)
	w.c = nil
	return err
}

// Serve runs a proxy until ctx is done, then drains it for at most drain_timeout. It starts as many workers as the option
// `workers` says: 0 is one a core. ready (may be nil) is called with the proxy and the first worker once it listens.
func Serve(ctx context.Context, config *Config, hooks Hooks, ready func(*Proxy, *Worker)) error {
	count, err := config.Int("workers")
	if err != nil {
		return err
	}
	if count <= 0 {
		count = int64(runtime.NumCPU())
	}
	p, err := NewProxy(config, hooks)
	if err != nil {
		return err
	}
	var first *Worker
	for i := int64(0); i < count; i++ {
		w, err := p.StartWorker()
		if err != nil {
			p.Close(context.Background())
			return err
		}
		if first == nil {
			first = w
		}
	}
	if ready != nil {
		ready(p, first)
	}
	<-ctx.Done()
	return p.Close(context.Background())
}
