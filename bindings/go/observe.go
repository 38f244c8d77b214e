package cardea

// #include "bridge.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime/debug"
)

func (u *pump) show(e *event) {
	select {
	case u.observed <- e:
	default:
		if u.dropped.Add(1) == 1 {
			u.say(LevelError, "cardea: observers are too slow, events are dropped")
		}
	}
}

// observe is the observers' goroutine.
func (u *pump) observe() {
	finished := false
	defer func() {
		if finished {
			close(u.idle)
		} else { // an observer ended the goroutine, as t.FailNow does
			go u.observe()
		}
	}()
	for e := range u.observed {
		if err := guarded(func() error { u.tell(e); return nil }); err != nil {
			u.say(LevelError, "cardea: an observer panicked", "error", err)
		}
	}
	finished = true
}

func (u *pump) tell(e *event) {
	switch e.kind {
	case C.CARDEA_EVENT_REQUEST_END:
		u.hooks.OnRequestEnd(e.record())
	case C.CARDEA_EVENT_CONN_OPEN:
		u.hooks.OnConnOpen(e.conn())
	case C.CARDEA_EVENT_CONN_CLOSE:
		u.hooks.OnConnClose(e.conn())
	case C.CARDEA_EVENT_HEALTH:
		u.hooks.OnHealth(HealthChange{e.s[strCluster], e.s[strEndpoint], e.s[strCause], Health(e.value)})
	}
}

// PanicError is a panic of a hook, as its error.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.Value, e.Stack) }

var errNoReturn = errors.New("the hook ended its goroutine")

// guarded makes a panic an error.
func guarded(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{v, debug.Stack()}
		}
	}()
	return fn()
}

// Dropped tells what found no place: events that the library lost because its queue was full (an authorization among them
// was denied), and events that the observers were too slow for.
func (p *Proxy) Dropped() (queue, observers uint64) {
	if p.events == nil {
		return 0, 0
	}
	return p.events.lost.Load(), p.events.dropped.Load()
}
