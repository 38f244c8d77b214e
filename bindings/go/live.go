package cardea

// #include "bridge.h"
import "C"

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"
)

func doneBy(h *C.cardea_proxy, deadline C.int64_t, c *C.cardea_go_call) C.int {
	return C.cardea_proxy_drain(h, deadline, C.cardea_done_fn(C.cardea_go_done), unsafe.Pointer(c))
}

// ask starts something that answers later, and waits for the answer or for ctx.
func (p *Proxy) ask(ctx context.Context, op string, start func(*C.cardea_proxy, *C.cardea_go_call, **C.cardea_error) C.int) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	call, pipe, err := p.begin(op, start)
	if err != nil {
		return "", err
	}
	defer C.cardea_go_call_unref(call)
	defer pipe.Close()
	if ctx.Done() != nil {
		over := make(chan struct{})
		defer close(over)
		go func() {
			select {
			case <-ctx.Done():
				pipe.SetReadDeadline(time.Unix(1, 0))
			case <-over:
			}
		}()
	}
	if err := answered(op, call, pipe); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", err
	}
	return stringOf(C.cardea_go_call_text(call)), nil
}

// begin starts something that answers later: when the pipe ends. Both are the caller's to let go.
func (p *Proxy) begin(op string, start func(*C.cardea_proxy, *C.cardea_go_call, **C.cardea_error) C.int) (*C.cardea_go_call, *os.File, error) {
	var call *C.cardea_go_call
	var end C.int
	if err := check(op, C.cardea_go_call_new(&call, &end), nil); err != nil {
		return nil, nil, err
	}
	pipe := os.NewFile(uintptr(end), "cardea "+op)
	err := p.with(op, func(h *C.cardea_proxy) error {
		var said *C.cardea_error
		code := start(h, call, &said)
		return check(op, code, said)
	})
	if err != nil {
		C.cardea_go_call_unref(call) // no callback comes
		C.cardea_go_call_unref(call)
		pipe.Close()
		return nil, nil, err
	}
	return call, pipe, nil
}

// answered waits for the end of the pipe, and is what the answer's status says.
func answered(op string, call *C.cardea_go_call, pipe *os.File) error {
	_, err := pipe.Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if err != io.EOF {
		return failure(op, ErrInternal, "%v", err)
	}
	return check(op, C.cardea_go_call_status(call), nil)
}

// Selector chooses live exchanges: all that is given must fit, and the zero value is everything.
type Selector struct {
	User                   string `json:"user,omitempty"` // id or e-mail
	Route                  string `json:"route,omitempty"`
	Listener               string `json:"listener,omitempty"`
	Cluster                string `json:"cluster,omitempty"`
	Endpoint               string `json:"endpoint,omitempty"`
	Exchange               string `json:"exchange,omitempty"` // request id
	CertificateFingerprint string `json:"certificate_fingerprint,omitempty"`
	Generation             uint64 `json:"generation,omitempty"`             // of the configuration; 0: any
	CertificateGeneration  uint64 `json:"certificate_generation,omitempty"` // of the one that brought the connection's certificates
}

func (s Selector) bytes() (*C.char, C.size_t) {
	text, _ := json.Marshal(s) // strings and a number
	return bytesOf(string(text))
}

// Clock is one that runs for an exchange.
type Clock struct {
	LeftMS int64  `json:"left_ms"` // until it ends the exchange
	From   string `json:"from"`    // where its time was set: "route", "global" or "default"
}

// Exchange is a live request.
type Exchange struct {
	ID                     string           `json:"id"`
	Listener               string           `json:"listener"`
	Peer                   string           `json:"peer"`
	ClientIP               string           `json:"client_ip"`
	Protocol               string           `json:"protocol"`
	Method                 string           `json:"method"`
	Host                   string           `json:"host"`
	Path                   string           `json:"path"`
	Route                  string           `json:"route"`
	User                   string           `json:"user"`
	Email                  string           `json:"email"`
	CertificateFingerprint string           `json:"certificate_fingerprint"`
	State                  string           `json:"state"`
	Kind                   string           `json:"kind"`
	Rule                   string           `json:"rule"` // the rule that let it pass
	Endpoint               string           `json:"endpoint"`
	Generation             uint64           `json:"generation"`        // of the configuration that it began with
	PolicyGeneration       uint64           `json:"policy_generation"` // of the one that judged it last
	AgeMS                  int64            `json:"age_ms"`
	BytesIn                int64            `json:"bytes_in"`
	BytesOut               int64            `json:"bytes_out"`
	LeaseMS                int64            `json:"lease_ms"` // until it is judged again; 0: by nothing that runs out
	Clocks                 map[string]Clock `json:"clocks"`   // those that run, by the name of their setting
}

// Listing is what List found. The library lists at most 100,000; LeftOff counts the rest.
type Listing struct {
	Exchanges []Exchange `json:"exchanges"`
	Count     int        `json:"count"`
	LeftOff   int        `json:"left_off"`
}

// List tells which requests are live, over all workers.
func (p *Proxy) List(ctx context.Context, which Selector) (Listing, error) {
	var found Listing
	s, n := which.bytes()
	err := p.askJSON(ctx, "list", &found, func(h *C.cardea_proxy, c *C.cardea_go_call, said **C.cardea_error) C.int {
		return C.cardea_proxy_list(h, s, n, C.cardea_text_fn(C.cardea_go_told), unsafe.Pointer(c), said)
	})
	return found, err
}

func (p *Proxy) askJSON(ctx context.Context, op string, into any, start func(*C.cardea_proxy, *C.cardea_go_call, **C.cardea_error) C.int) error {
	text, err := p.ask(ctx, op, start)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return failure(op, ErrInternal, "%v", err)
	}
	return nil
}

// Reauthorize judges live requests again now; where the policy names the host, the Authorizer is asked again.
func (p *Proxy) Reauthorize(which Selector) error {
	s, n := which.bytes()
	return p.with("reauthorize", func(h *C.cardea_proxy) error {
		var said *C.cardea_error
		return check("reauthorize", C.cardea_proxy_reauthorize(h, s, n, &said), said)
	})
}

// Revocation says of whom nothing passes any more.
type Revocation struct {
	User                   string    // id or e-mail; or
	CertificateFingerprint string    // SHA-256 in lower-case hex
	Until                  time.Time // zero: for good
	By                     string    // for the record
}

// Revoke ends what lives of theirs, and lets nothing pass from now on, whatever a policy says.
func (p *Proxy) Revoke(who Revocation) error {
	in := map[string]any{}
	if who.User != "" {
		in["user"] = who.User
	}
	if who.CertificateFingerprint != "" {
		in["certificate_fingerprint"] = who.CertificateFingerprint
	}
	if !who.Until.IsZero() {
		in["until"] = who.Until.Unix()
	}
	text, _ := json.Marshal(in)
	s, n := bytesOf(string(text))
	by, _ := bytesOf(who.By)
	if who.By == "" {
		by = nil
	}
	return p.with("revoke", func(h *C.cardea_proxy) error {
		var said *C.cardea_error
		return check("revoke", C.cardea_proxy_revoke(h, s, n, by, &said), said)
	})
}

// End ends live requests, and tells how many. by (may be empty) is kept for the record.
func (p *Proxy) End(ctx context.Context, which Selector, by string) (int, error) {
	var answer struct {
		Ended int `json:"ended"`
	}
	s, n := which.bytes()
	who, _ := bytesOf(by)
	if by == "" {
		who = nil
	}
	err := p.askJSON(ctx, "end", &answer, func(h *C.cardea_proxy, c *C.cardea_go_call, said **C.cardea_error) C.int {
		return C.cardea_proxy_end(h, s, n, who, C.cardea_text_fn(C.cardea_go_told), unsafe.Pointer(c), said)
	})
	return answer.Ended, err
}

// Brief is a live request in an answer of DryRun.
type Brief struct {
	ID    string `json:"id"`
	Route string `json:"route"`
	User  string `json:"user"`
}

// Forecast is what applying a configuration would do to live requests.
type Forecast struct {
	WouldEnd     []Brief `json:"would_end"`
	WouldAskHost []Brief `json:"would_ask_host"`
	Judged       int     `json:"judged"`
}

// DryRun tells whom applying this configuration would end. It changes nothing.
func (p *Proxy) DryRun(ctx context.Context, config *Config) (Forecast, error) {
	var f Forecast
	err := p.askJSON(ctx, "dry run", &f, func(h *C.cardea_proxy, c *C.cardea_go_call, said **C.cardea_error) C.int {
		code := C.int(C.CARDEA_OK)
		if err := config.with("dry run", func(cc *C.cardea_config) error {
			code = C.cardea_proxy_dry_run(h, cc, C.cardea_text_fn(C.cardea_go_told), unsafe.Pointer(c), said)
			return nil
		}); err != nil {
			code = C.int(CodeOf(err))
		}
		return code
	})
	return f, err
}

// Adopt hands an accepted connection to the proxy as if it had come to a listener, by its number; preread is what was read
// from it. It must be a *net.TCPConn or *net.UnixConn (not one wrapped in TLS). On success it is Cardea's and conn is
// closed for Go; on failure conn stays as it was, the caller's.
func (p *Proxy) Adopt(conn net.Conn, listener int, preread []byte) error {
	const op = "adopt"
	source, ok := conn.(syscall.Conn)
	if !ok {
		return failure(op, ErrNotSupported, "a %T has no descriptor", conn)
	}
	raw, err := source.SyscallConn()
	if err != nil {
		return err
	}
	if listener < 0 {
		return failure(op, ErrNotFound, "there is no listener %d", listener)
	}
	fd := -1
	var errno syscall.Errno
	if err := raw.Control(func(s uintptr) {
		var n uintptr
		if n, _, errno = syscall.Syscall(syscall.SYS_FCNTL, s, syscall.F_DUPFD_CLOEXEC, 0); errno == 0 {
			fd = int(n)
		}
	}); err != nil {
		return err
	}
	if fd < 0 {
		return &Error{Op: op, Code: ErrIO, Message: errno.Error(), Errno: errno}
	}
	p.adopting.RLock()
	defer p.adopting.RUnlock()
	started := false
	_, err = p.ask(context.Background(), op, func(h *C.cardea_proxy, c *C.cardea_go_call, _ **C.cardea_error) C.int {
		started = true
		workers := make([]*C.cardea_worker, 0, len(p.workers)+1) // p.mu is held
		for w := range p.workers {
			workers = append(workers, w.c)
		}
		count := len(workers)
		text, n := bytesOf(string(preread))
		workers = append(workers, nil)
		return C.cardea_go_adopt(h, &workers[0], C.size_t(count), C.size_t(listener), C.int(fd), text, n, c)
	})
	if !started {
		syscall.Close(fd)
	}
	if CodeOf(err) == ErrWrongThread { // all workers are ending
		return failure(op, ErrClosed, "no worker is left")
	}
	if err != nil {
		return err
	}
	return conn.Close()
}
