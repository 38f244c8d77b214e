package cardea

// #include "bridge.h"
import "C"

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"unsafe"
)

// served is a request that the Handler answers.
type served struct {
	token              uint64
	ctx                context.Context
	cancel             context.CancelFunc
	readable, writable chan struct{} // one place each: look again
	over               atomic.Bool   // the handler has returned
}

type requestKey struct{}

// FromContext is what Cardea knows about the request that a Handler answers: who asks, the route, the client's address.
func FromContext(ctx context.Context) (*Request, bool) {
	r, ok := ctx.Value(requestKey{}).(*Request)
	return r, ok
}

func (u *pump) serve(e *event) {
	refuse := func(status int, why string) {
		C.cardea_go_answer(C.cardea_token(e.token), C.CARDEA_GO_WHOLE, C.int(status), nil, nil, 0, nil, 0)
		u.say(LevelError, "cardea: a request was not served: "+why, "request", e.s[strRequestID])
	}
	if e.code != C.CARDEA_OK {
		refuse(http.StatusServiceUnavailable, e.code.Error())
		return
	}
	select {
	case u.answering <- struct{}{}:
	default:
		refuse(http.StatusServiceUnavailable, "too many under way")
		return
	}
	about := e.request()
	s := &served{token: e.token, readable: make(chan struct{}, 1), writable: make(chan struct{}, 1)}
	s.ctx, s.cancel = context.WithCancel(context.WithValue(u.base, requestKey{}, about))
	u.mu.Lock()
	u.serving[e.token] = s
	u.mu.Unlock()
	u.running.Add(1)
	go func() {
		defer u.running.Done()
		defer func() { <-u.answering }()
		defer u.endServed(e.token)
		w := &answerWriter{served: s, header: http.Header{}, declared: -1, head: about.Method == http.MethodHead}
		err := errNoReturn // for handlers that end their goroutine
		defer func() {
			if err == nil {
				err = w.finish()
			}
			s.over.Store(true)
			if err == nil || CodeOf(err) == ErrStale {
				return
			}
			gone := s.ctx.Err() != nil
			C.cardea_answer_abort(C.cardea_token(e.token))
			if p, ok := err.(*PanicError); ok && p.Value != any(http.ErrAbortHandler) || !ok && !gone {
				u.say(LevelError, "cardea: a handler failed, the answer is cut", "request", about.ID, "error", err)
			}
		}()
		err = guarded(func() error {
			u.hooks.Handler.ServeHTTP(w, s.request(about))
			return nil
		})
	}()
}

// endServed is called when the request is over, and when its handler is.
func (u *pump) endServed(token uint64) {
	if token == 0 {
		return
	}
	u.mu.Lock()
	s := u.serving[token]
	delete(u.serving, token)
	u.mu.Unlock()
	if s != nil {
		s.cancel()
	}
}

func (u *pump) poke(token uint64, which func(*served) chan struct{}) {
	u.mu.Lock()
	s := u.serving[token]
	u.mu.Unlock()
	if s != nil {
		signal(which(s))
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// lookAgain makes up for events that were lost: everybody asks again what there is.
func (u *pump) lookAgain() {
	u.mu.Lock()
	all := make([]*served, 0, len(u.serving))
	for _, s := range u.serving {
		all = append(all, s)
	}
	u.mu.Unlock()
	for _, s := range all {
		// Status 0 is refused in any case; only a request that is over says so.
		if C.cardea_go_answer(C.cardea_token(s.token), C.CARDEA_GO_HEAD, 0, nil, nil, 0, nil, 0) == C.CARDEA_ESTALE {
			u.endServed(s.token)
		}
		signal(s.readable)
		signal(s.writable)
	}
}

// wait returns when it is worth to look again, or with the reason why it will not be.
func (s *served) wait(news chan struct{}) error {
	select {
	case <-news:
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// request is net/http's view of it.
func (s *served) request(about *Request) *http.Request {
	target := about.Path + about.Query
	where, err := url.ParseRequestURI(target)
	if err != nil {
		where = &url.URL{Path: about.Path}
		if about.Query != "" {
			where.RawQuery = about.Query[1:]
		}
	}
	header := about.Header().Clone()
	r := (&http.Request{Method: about.Method, URL: where, Proto: about.Protocol, ProtoMajor: 1, ProtoMinor: 1, Header: header,
		Host: about.Host, RemoteAddr: about.Peer, RequestURI: target, ContentLength: -1}).WithContext(s.ctx)
	if major, minor, ok := http.ParseHTTPVersion(about.Protocol); ok {
		r.ProtoMajor, r.ProtoMinor = major, minor
	}
	if about.TLSVersion != "" {
		r.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: about.SNI, Version: tls.VersionTLS12}
		if about.TLSVersion == "TLSv1.3" {
			r.TLS.Version = tls.VersionTLS13
		}
	}
	body := &requestBody{served: s}
	if body.look(); errors.Is(body.err, io.EOF) {
		r.Body, r.ContentLength = http.NoBody, 0
		return r
	}
	r.Body = body
	if n, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		r.ContentLength = n
	}
	return r
}

// requestBody reads what the client sends.
type requestBody struct {
	served *served
	ahead  []byte // came with the head
	err    error
	closed atomic.Bool
}

// look takes what is there already: whether there is a body at all.
func (b *requestBody) look() {
	first := make([]byte, 512)
	n, _, err := b.take(first)
	b.ahead, b.err = first[:n], err
}

// take does not wait; `none`: there is nothing yet.
func (b *requestBody) take(p []byte) (n int, none bool, err error) {
	var got C.size_t
	switch code := C.cardea_body_read(C.cardea_token(b.served.token), (*C.char)(unsafe.Pointer(&p[0])), C.size_t(len(p)), &got); code {
	case C.CARDEA_OK:
		return int(got), false, nil
	case 1:
		return 0, false, io.EOF
	case C.CARDEA_EAGAIN:
		return 0, true, nil
	default: // the request is over
		return 0, false, io.ErrUnexpectedEOF
	}
}

func (b *requestBody) Read(p []byte) (int, error) {
	if b.closed.Load() || b.served.over.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	if len(p) == 0 {
		return 0, nil
	}
	if len(b.ahead) > 0 {
		n := copy(p, b.ahead)
		b.ahead = b.ahead[n:]
		return n, nil
	}
	for b.err == nil {
		n, none, err := b.take(p)
		if !none {
			b.err = err
			return n, err
		}
		if b.served.wait(b.served.readable) != nil {
			b.err = io.ErrUnexpectedEOF
		}
	}
	return 0, b.err
}

func (b *requestBody) Close() error {
	b.closed.Store(true)
	return nil
}
