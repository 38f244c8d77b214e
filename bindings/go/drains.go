package cardea

// #include "bridge.h"
import "C"

import (
	"context"
	"encoding/json"
	"time"
	"unsafe"
)

// DrainOptions say how clients are let go. The zero value is what the configuration says.
type DrainOptions struct {
	Timeout   time.Duration // what is left then is cut; 0: drain_timeout, negative: at once
	Immediate bool          // streams are told at once
	Gradual   bool          // streams are told one by one, spread over the time; with neither: drain_strategy
	Restart   bool          // WebSockets are told to come back soon (1012)
	By        string        // for the record
}

// Drain is clients that are being let go.
type Drain struct {
	proxy *Proxy
	id    uint64
	over  chan struct{}
	err   error // valid when it is over
}

// DrainState is a drain as it is now.
type DrainState struct {
	ID       uint64          `json:"id"`
	Selector json.RawMessage `json:"selector"`
	State    string          `json:"state"`    // "running", "done", "cancelled"
	Strategy string          `json:"strategy"` // "immediate", "gradual"
	By       string          `json:"by"`
	AgeMS    int64           `json:"age_ms"`
	LeftMS   int64           `json:"left_ms"` // until the deadline
	Left     struct {
		HTTP      int64 `json:"http"`
		GRPC      int64 `json:"grpc"`
		WebSocket int64 `json:"websocket"`
		TCP       int64 `json:"tcp"`
		Sessions  int64 `json:"sessions"` // connections
	} `json:"left"`
	Finished int64 `json:"finished"` // by themselves
	Told     int64 `json:"told"`     // streams that were asked to go
	Cut      int64 `json:"cut"`      // at the deadline
}

// StartDrain lets those go that the selector means, and returns at once. Everything (the zero value), a listener and a
// CertificateGeneration mean connections: idle ones go at once, others when they can, and the listener stops to listen. Any
// other selector means the requests that live now. ErrAgain: 100 drains run.
func (p *Proxy) StartDrain(which Selector, how DrainOptions) (*Drain, error) {
	const op = "start drain"
	var flags C.uint32_t
	if how.Immediate {
		flags |= C.CARDEA_DRAIN_IMMEDIATE
	}
	if how.Gradual {
		flags |= C.CARDEA_DRAIN_GRADUAL
	}
	if how.Restart {
		flags |= C.CARDEA_DRAIN_RESTART
	}
	timeout := C.int64_t(-1)
	if how.Timeout < 0 {
		timeout = 0
	} else if how.Timeout > 0 {
		timeout = milliseconds(how.Timeout)
	}
	text, n := which.bytes()
	by, _ := bytesOf(how.By)
	if how.By == "" {
		by = nil
	}
	d := &Drain{proxy: p, over: make(chan struct{})}
	call, pipe, err := p.begin(op, func(h *C.cardea_proxy, c *C.cardea_go_call, said **C.cardea_error) C.int {
		var id C.uint64_t
		code := C.cardea_proxy_drain_start(h, text, n, timeout, flags, by, C.cardea_done_fn(C.cardea_go_done), unsafe.Pointer(c), &id, said)
		d.id = uint64(id)
		return code
	})
	if err != nil {
		return nil, err
	}
	go func() { // parked until it is over, which comes at the latest with the proxy's end
		defer C.cardea_go_call_unref(call)
		defer pipe.Close()
		d.err = answered(op, call, pipe)
		close(d.over)
	}()
	return d, nil
}

// milliseconds rounds up: a time that is short is not none.
func milliseconds(d time.Duration) C.int64_t {
	return C.int64_t(d/time.Millisecond) + C.int64_t((d%time.Millisecond+time.Millisecond-1)/time.Millisecond)
}

// ID is the drain's number, in DrainState and in the admin interface.
func (d *Drain) ID() uint64 { return d.id }

// Over is closed when nobody is left, or the drain was cancelled.
func (d *Drain) Over() <-chan struct{} { return d.over }

// Wait returns when it is over, or when ctx is, which does not stop the drain.
func (d *Drain) Wait(ctx context.Context) error {
	select {
	case <-d.over:
		return d.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Cancel lets those stay that have not been told; listeners listen again. ErrStale: it is over.
func (d *Drain) Cancel() error {
	return d.proxy.with("cancel drain", func(h *C.cardea_proxy) error {
		return check("cancel drain", C.cardea_proxy_drain_cancel(h, C.uint64_t(d.id)), nil)
	})
}

// Extend puts the deadline this far from now. ErrStale: it is over.
func (d *Drain) Extend(fromNow time.Duration) error {
	if fromNow < 0 {
		fromNow = 0
	}
	return d.proxy.with("extend drain", func(h *C.cardea_proxy) error {
		return check("extend drain", C.cardea_proxy_drain_extend(h, C.uint64_t(d.id), milliseconds(fromNow)), nil)
	})
}

// State is its progress. ErrStale: it has been over for long.
func (d *Drain) State() (DrainState, error) {
	all, err := d.proxy.Drains()
	if err != nil {
		return DrainState{}, err
	}
	for _, s := range all {
		if s.ID == d.id {
			return s, nil
		}
	}
	return DrainState{}, failure("drain", ErrStale, "drain %d has been over for long", d.id)
}

// Drains tells about those that run and the last that did, the newest first.
func (p *Proxy) Drains() ([]DrainState, error) {
	var answer struct {
		Drains []DrainState `json:"drains"`
	}
	err := p.askJSON(context.Background(), "drains", &answer, func(h *C.cardea_proxy, c *C.cardea_go_call, _ **C.cardea_error) C.int {
		return C.cardea_proxy_drains(h, C.cardea_text_fn(C.cardea_go_told), unsafe.Pointer(c))
	})
	return answer.Drains, err
}
