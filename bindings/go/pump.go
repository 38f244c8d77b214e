package cardea

// #include "bridge.h"
import "C"

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// pump reads the event queue: one goroutine parked in Go's poller, no thread held. It starts a goroutine for each question,
// and hands what only observers want to a goroutine of theirs, so that nobody's code delays the next answer.
type pump struct {
	proxy   *Proxy
	hooks   Hooks
	queue   *C.cardea_queue
	batch   *C.cardea_go_batch
	file    *os.File // of a descriptor of our own for the queue's
	timeout atomic.Int64
	patient bool // it has observers only

	base   context.Context // cancelled when the proxy closes
	cancel context.CancelFunc
	// Places for questions under way.
	authorizing, checking, answering chan struct{}
	running                          sync.WaitGroup

	pending  map[string]*question // by request id; of the pump's goroutine and, to remove, of the questions'
	serving  map[uint64]*served   // by token
	mu       sync.Mutex           // pending and serving
	observed chan *event
	dropped  atomic.Uint64
	lost     atomic.Uint64
	pumped   chan struct{} // closed when the queue is read no more
	idle     chan struct{} // closed when the observers have seen everything
}

// question is an authorization under way. A request may be asked about again while its last answer is late.
type question struct {
	cancel context.CancelFunc
	next   *question
}

func startPump(p *Proxy, hooks Hooks, timeout time.Duration) (*pump, error) {
	types := C.uint32_t(0)
	want := func(on bool, event int) {
		if on {
			types |= 1 << event
		}
	}
	want(hooks.Authorizer != nil, C.CARDEA_EVENT_AUTHORIZE)
	want(hooks.Authorizer != nil || hooks.Handler != nil || hooks.OnRequestEnd != nil, C.CARDEA_EVENT_REQUEST_END)
	want(hooks.Handler != nil, C.CARDEA_EVENT_REQUEST)
	want(hooks.Handler != nil, C.CARDEA_EVENT_READABLE)
	want(hooks.Handler != nil, C.CARDEA_EVENT_WRITABLE)
	want(hooks.HealthChecker != nil, C.CARDEA_EVENT_HEALTH_CHECK)
	want(hooks.OnConnOpen != nil, C.CARDEA_EVENT_CONN_OPEN)
	want(hooks.OnConnClose != nil, C.CARDEA_EVENT_CONN_CLOSE)
	want(hooks.OnHealth != nil, C.CARDEA_EVENT_HEALTH)
	if types == 0 {
		return nil, nil
	}
	for _, n := range []*int{&hooks.QueueCapacity, &hooks.MaxConcurrent, &hooks.MaxObserved} {
		if *n < 0 {
			return nil, failure("new proxy", ErrInvalid, "a bound below zero")
		}
	}
	u := &pump{proxy: p, hooks: hooks, pending: map[string]*question{}, serving: map[uint64]*served{},
		pumped: make(chan struct{}), idle: make(chan struct{}), observed: make(chan *event, or(hooks.MaxObserved, 8192))}
	for _, places := range []*chan struct{}{&u.authorizing, &u.checking, &u.answering} {
		*places = make(chan struct{}, or(hooks.MaxConcurrent, 4096))
	}
	u.timeout.Store(int64(timeout))
	u.patient = hooks.Authorizer == nil && hooks.HealthChecker == nil && hooks.Handler == nil && or(hooks.QueueCapacity, 65536) >= 4096
	if err := u.open(types); err != nil {
		u.free()
		return nil, err
	}
	u.base, u.cancel = context.WithCancel(context.Background())
	go u.run()
	go u.observe()
	return u, nil
}

func or(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

func (u *pump) open(types C.uint32_t) error {
	if u.batch = C.cardea_go_batch_new(); u.batch == nil {
		return failure("new proxy", ErrNoMemory, "")
	}
	if u.hooks.OnRequestEnd == nil {
		u.batch.brief_ends = 1
	}
	if err := check("new proxy", C.cardea_queue_new(C.size_t(u.hooks.QueueCapacity), &u.queue), nil); err != nil {
		return err
	}
	fd, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(C.cardea_queue_fd(u.queue)), syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return &Error{Op: "new proxy", Code: ErrIO, Message: errno.Error(), Errno: errno}
	}
	u.file = os.NewFile(fd, "cardea queue")
	return check("new proxy", C.cardea_proxy_set_queue(u.proxy.c, u.queue, types), nil)
}

func (u *pump) free() {
	if u.file != nil {
		u.file.Close()
	}
	C.cardea_queue_unref(u.queue)
	C.cardea_go_batch_free(u.batch)
}

// end is called when no worker is left: everything that will be told waits in the queue.
func (u *pump) end(ctx context.Context) error {
	u.cancel()
	u.file.Close() // the pump reads what is left, and ends
	<-u.pumped
	u.free()
	over := make(chan struct{})
	go func() {
		u.running.Wait()
		<-u.idle
		close(over)
	}()
	limit := ending
	if at, ok := ctx.Deadline(); ok && time.Until(at) > limit {
		limit = time.Until(at)
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-over:
		return nil
	case <-timer.C:
		return failure("close", ErrTimedOut, "a hook did not return")
	}
}

func (u *pump) run() {
	defer close(u.pumped)
	defer close(u.observed)
	wait, err := u.file.SyscallConn()
	if err != nil {
		u.say(LevelError, "cardea: the event queue cannot be read", "error", err)
		return
	}
	for {
		var n C.size_t
		// The poller is armed before the queue is asked, so what comes in between wakes it.
		if err := wait.Read(func(uintptr) bool {
			return C.cardea_go_poll(u.queue, u.batch, &n) != C.CARDEA_OK || n > 0
		}); err != nil {
			break // closed
		}
		u.dispatch(int(n))
		if u.patient { // nobody waits for an answer: more events for each time that a thread is woken
			time.Sleep(time.Millisecond)
		}
	}
	for {
		var n C.size_t
		if C.cardea_go_poll(u.queue, u.batch, &n) != C.CARDEA_OK || n == 0 {
			return
		}
		u.dispatch(int(n))
	}
}

func (u *pump) dispatch(n int) {
	for i := 0; i < n; i++ {
		e := copyEvent(u.batch, i)
		switch e.kind {
		case C.CARDEA_EVENT_AUTHORIZE:
			u.authorize(e)
		case C.CARDEA_EVENT_HEALTH_CHECK:
			u.checkHealth(e)
		case C.CARDEA_EVENT_REQUEST_END:
			u.ended(e.s[strRequestID])
			u.endServed(e.token)
			if u.hooks.OnRequestEnd != nil {
				u.show(e)
			}
		case C.CARDEA_EVENT_OVERFLOW:
			u.lost.Add(uint64(e.value))
			u.say(LevelError, "cardea: the event queue was full", "events", e.value)
			u.lookAgain()
		case C.CARDEA_EVENT_REQUEST:
			u.serve(e)
		case C.CARDEA_EVENT_READABLE:
			u.poke(e.token, func(s *served) chan struct{} { return s.readable })
		case C.CARDEA_EVENT_WRITABLE:
			u.poke(e.token, func(s *served) chan struct{} { return s.writable })
		default:
			u.show(e)
		}
	}
}

func (u *pump) authorize(e *event) {
	if e.code != C.CARDEA_OK {
		u.answer(e, Decision{}, e.code)
		return
	}
	select {
	case u.authorizing <- struct{}{}:
	default:
		u.answer(e, Decision{}, failure("authorize", ErrAgain, "too many questions under way"))
		return
	}
	id := e.s[strRequestID]
	ctx, cancel := context.WithTimeout(u.base, time.Duration(u.timeout.Load()))
	q := &question{cancel: cancel}
	u.mu.Lock()
	q.next = u.pending[id]
	u.pending[id] = q
	u.mu.Unlock()
	u.running.Add(1)
	go func() {
		defer u.running.Done()
		defer func() { <-u.authorizing }()
		defer u.forget(id, q)
		var d Decision
		err := errNoReturn // for hooks that end their goroutine
		defer func() {
			switch ctx.Err() {
			case nil:
				u.answer(e, d, err)
			case context.DeadlineExceeded: // a late yes is no; the library's clock answers
				u.say(LevelWarning, "cardea: authorization took too long, the request is denied", "request", id)
			}
		}()
		err = guarded(func() (err error) {
			d, err = u.hooks.Authorizer.Authorize(ctx, e.request())
			return
		})
	}()
}

func (u *pump) answer(e *event, d Decision, err error) {
	verdict := C.int(C.CARDEA_DENY)
	var who *C.char
	var n C.size_t
	if err == nil && d.allow {
		verdict = C.CARDEA_ALLOW
		if d.known {
			text, bad := d.identity.encode()
			if bad != nil {
				verdict, err = C.CARDEA_DENY, bad
			}
			who, n = bytesOf(string(text))
		}
	}
	if verdict == C.CARDEA_DENY {
		who, n = nil, 0
	}
	code := C.cardea_authorize_complete(C.cardea_token(e.token), verdict, who, n)
	if err != nil {
		u.say(LevelError, "cardea: authorization failed, the request is denied", "request", e.s[strRequestID], "error", err)
	}
	if code != C.CARDEA_OK && Code(code) != ErrStale {
		u.say(LevelError, "cardea: an authorization could not be answered", "request", e.s[strRequestID], "error", Code(code))
	}
}

// ended cancels what is still asked about a request.
func (u *pump) ended(id string) {
	u.mu.Lock()
	q := u.pending[id]
	delete(u.pending, id)
	u.mu.Unlock()
	for ; q != nil; q = q.next {
		q.cancel()
	}
}

func (u *pump) forget(id string, q *question) {
	q.cancel()
	u.mu.Lock()
	defer u.mu.Unlock()
	head, ok := u.pending[id]
	if !ok {
		return
	}
	if head == q {
		if q.next == nil {
			delete(u.pending, id)
		} else {
			u.pending[id] = q.next
		}
		return
	}
	for at := head; at.next != nil; at = at.next {
		if at.next == q {
			at.next = q.next
			return
		}
	}
}

func (u *pump) checkHealth(e *event) {
	complete := func(healthy C.int) {
		_ = u.proxy.with("health check", func(h *C.cardea_proxy) error {
			C.cardea_health_check_complete(h, C.cardea_token(e.token), healthy)
			return nil
		})
	}
	select {
	case u.checking <- struct{}{}:
	default:
		complete(0)
		u.say(LevelError, "cardea: too many health checks under way", "endpoint", e.s[strEndpoint])
		return
	}
	u.running.Add(1)
	go func() {
		defer u.running.Done()
		defer func() { <-u.checking }()
		err := errNoReturn
		defer func() {
			if err == nil {
				complete(1)
				return
			}
			complete(0)
			if p, ok := err.(*PanicError); ok {
				u.say(LevelError, "cardea: a health check panicked", "endpoint", e.s[strEndpoint], "error", p)
			}
		}()
		err = guarded(func() error {
			return u.hooks.HealthChecker.CheckHealth(u.base, e.s[strCluster], e.s[strEndpoint])
		})
	}()
}

func (u *pump) say(level Level, msg string, args ...any) { say(u.hooks.Logger, level, msg, args...) }
