package cardea

// #include "bridge.h"
import "C"

import (
	"context"
	"encoding/json"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// Rows of kWhat in bridge.c.
const (
	strRequestID = iota
	strMethod
	strHost
	strPath
	strQuery
	strRoute
	strClientIP
	strPeer
	strListener
	strIdentity
	strPolicyData
	strProtocol
	strTLSVersion
	strSNI
	strHeaders
	strCause
	strFlags
	strCluster
	strEndpoint
	strAccessRecord
	strCount
)

var _ [C.CARDEA_GO_STRINGS]struct{} = [strCount]struct{}{}

// Request is a request that the Authorizer is asked about. It is a copy, and may be kept.
type Request struct {
	ID         string // as in the access record
	Method     string
	Host       string // without port, as the client wrote it
	Path       string // normalised, without query: what was matched
	Query      string // with '?', or empty
	Route      string // its name
	ClientIP   string // by X-Forwarded-For and the trusted hops, else the peer's
	Peer       string // address of the connection
	Listener   string
	Identity   string // the user's id; empty: nobody is known
	PolicyData json.RawMessage
	Protocol   string // "HTTP/1.1", "HTTP/2"
	TLSVersion string // empty without TLS
	SNI        string
	ConnID     uint64 // unique in the process
	// Reauthorized: it has passed before and lives, and ends when the answer is no.
	Reauthorized bool

	headers string
	once    sync.Once
	parsed  http.Header
}

// Header are the request's headers as the client sent them.
func (r *Request) Header() http.Header {
	r.once.Do(func() {
		r.parsed = http.Header{}
		for rest := r.headers; rest != ""; {
			var line string
			line, rest, _ = strings.Cut(rest, "\r\n")
			if name, value, ok := strings.Cut(line, ": "); ok {
				name = textproto.CanonicalMIMEHeaderKey(name)
				r.parsed[name] = append(r.parsed[name], value)
			}
		}
	})
	return r.parsed
}

// Identity says who asks: for the policy, the access record and the service.
type Identity struct {
	User      string         // id
	Email     string         // may be empty
	Name      string         // may be empty
	Groups    []string       // may be empty
	Claims    map[string]any // may be empty; must become JSON
	ExpiresAt time.Time      // the permission ends then; zero: it does not
}

func (i Identity) encode() ([]byte, error) {
	var expires int64
	if !i.ExpiresAt.IsZero() {
		expires = i.ExpiresAt.Unix()
	}
	return json.Marshal(struct {
		User      string         `json:"user,omitempty"`
		Email     string         `json:"email,omitempty"`
		Name      string         `json:"name,omitempty"`
		Groups    []string       `json:"groups,omitempty"`
		Claims    map[string]any `json:"claims,omitempty"`
		ExpiresAt int64          `json:"expires_at,omitempty"`
	}{i.User, i.Email, i.Name, i.Groups, i.Claims, expires})
}

// Decision is an Authorizer's answer. The zero value is no.
type Decision struct {
	allow    bool
	known    bool
	identity Identity
}

// Deny is no.
func Deny() Decision { return Decision{} }

// Allow is yes, without saying who asks.
func Allow() Decision { return Decision{allow: true} }

// AllowAs is yes, and who asks.
func AllowAs(who Identity) Decision { return Decision{allow: true, known: true, identity: who} }

// Authorizer decides about requests whose route's policy names the host (AskHost, or the criterion `host`).
//
// Each question has a goroutine of its own. ctx is cancelled when the request ends (its client left, it was cut), when
// authorize_timeout is over, and when the proxy closes. Whatever is not a yes denies: an error, a panic, no answer in time.
type Authorizer interface {
	Authorize(ctx context.Context, r *Request) (Decision, error)
}

// AuthorizeFunc is a function as an Authorizer.
type AuthorizeFunc func(ctx context.Context, r *Request) (Decision, error)

// Authorize calls the function.
func (f AuthorizeFunc) Authorize(ctx context.Context, r *Request) (Decision, error) { return f(ctx, r) }

// HealthChecker checks an endpoint of a cluster whose health_checks have a custom_health_check; nil is healthy. Each check has
// a goroutine of its own; ctx is cancelled when the proxy closes. An answer after the check's timeout is not heard.
type HealthChecker interface {
	CheckHealth(ctx context.Context, cluster, endpoint string) error
}

// HealthCheckFunc is a function as a HealthChecker.
type HealthCheckFunc func(ctx context.Context, cluster, endpoint string) error

// CheckHealth calls the function.
func (f HealthCheckFunc) CheckHealth(ctx context.Context, cluster, endpoint string) error {
	return f(ctx, cluster, endpoint)
}

// Record is the end of a request. It is a copy, and may be kept.
type Record struct {
	RequestID  string
	Method     string
	Host       string
	Path       string
	Query      string
	Route      string
	ClientIP   string
	Peer       string
	Listener   string
	Identity   string
	Protocol   string
	TLSVersion string
	SNI        string
	Cause      string // "ok", "denied:by_rule", "truncated:upstream_reset", …
	Flags      string // Envoy's response flag, "-" for none
	Cluster    string
	Endpoint   string // address of the service; empty when none was picked
	ConnID     uint64
	Status     int             // 0: the client got no answer
	Access     json.RawMessage // everything as one JSON object: bytes, durations, attempts
}

// Numbers are the counts of a Record's Access.
type Numbers struct {
	BytesIn   int64         // of the request's body
	BytesOut  int64         // of the answer's body
	Attempts  int           // at services
	Duration  time.Duration // all of it
	Connect   time.Duration // 0: a pooled connection
	FirstByte time.Duration
}

// Numbers reads them from Access.
func (r *Record) Numbers() (Numbers, error) {
	var in struct {
		BytesIn   int64 `json:"bytes_in"`
		BytesOut  int64 `json:"bytes_out"`
		Attempts  int   `json:"attempts"`
		Duration  int64 `json:"duration_ms"`
		Connect   int64 `json:"connect_ms"`
		FirstByte int64 `json:"first_byte_ms"`
	}
	err := json.Unmarshal(r.Access, &in)
	return Numbers{in.BytesIn, in.BytesOut, in.Attempts, time.Duration(in.Duration) * time.Millisecond,
		time.Duration(in.Connect) * time.Millisecond, time.Duration(in.FirstByte) * time.Millisecond}, err
}

// Conn is a client's connection that opened (after its TLS handshake) or closed.
type Conn struct {
	ID         uint64
	Peer       string
	Listener   string
	Protocol   string
	TLSVersion string
	SNI        string
}

// Health is what became of an endpoint.
type Health int

// What may become of an endpoint.
const (
	Unhealthy  Health = C.CARDEA_HEALTH_UNHEALTHY   // active checks failed
	Healthy    Health = C.CARDEA_HEALTH_HEALTHY     // they passed
	Ejected    Health = C.CARDEA_HEALTH_EJECTED     // outlier_detection: traffic failed
	Returned   Health = C.CARDEA_HEALTH_RETURNED    // and its time is over
	WouldEject Health = C.CARDEA_HEALTH_WOULD_EJECT // a limit of outlier_detection kept it in use
)

func (h Health) String() string {
	switch h {
	case Unhealthy:
		return "unhealthy"
	case Healthy:
		return "healthy"
	case Ejected:
		return "ejected"
	case Returned:
		return "returned"
	case WouldEject:
		return "would eject"
	}
	return "unknown"
}

// HealthChange is a change of an endpoint's fitness, and why: "http 503", "consecutive_5xx", "passed".
type HealthChange struct {
	Cluster, Endpoint, Cause string
	Health                   Health
}

// event is a copy of one event with its strings, which share one allocation.
type event struct {
	kind  int
	code  Code
	token uint64
	id    uint64
	value int64
	s     [strCount]string
}

func copyEvent(b *C.cardea_go_batch, i int) *event {
	from := &b.events[i]
	e := &event{kind: int(from.event._type), code: Code(from.event.code), token: uint64(from.event.token),
		id: uint64(from.event.id), value: int64(from.event.value)}
	total := 0
	for _, n := range from.length {
		total += int(n)
	}
	if total == 0 {
		return e
	}
	all := string(unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(b.text), int(from.offset))), total))
	for k, n := range from.length {
		e.s[k], all = all[:n], all[n:]
	}
	return e
}

func (e *event) request() *Request {
	return &Request{ID: e.s[strRequestID], Method: e.s[strMethod], Host: e.s[strHost], Path: e.s[strPath], Query: e.s[strQuery],
		Route: e.s[strRoute], ClientIP: e.s[strClientIP], Peer: e.s[strPeer], Listener: e.s[strListener],
		Identity: e.s[strIdentity], PolicyData: json.RawMessage(e.s[strPolicyData]), Protocol: e.s[strProtocol],
		TLSVersion: e.s[strTLSVersion], SNI: e.s[strSNI], ConnID: e.id, Reauthorized: e.value == 1, headers: e.s[strHeaders]}
}

func (e *event) record() *Record {
	return &Record{RequestID: e.s[strRequestID], Method: e.s[strMethod], Host: e.s[strHost], Path: e.s[strPath],
		Query: e.s[strQuery], Route: e.s[strRoute], ClientIP: e.s[strClientIP], Peer: e.s[strPeer], Listener: e.s[strListener],
		Identity: e.s[strIdentity], Protocol: e.s[strProtocol], TLSVersion: e.s[strTLSVersion], SNI: e.s[strSNI],
		Cause: e.s[strCause], Flags: e.s[strFlags], Cluster: e.s[strCluster], Endpoint: e.s[strEndpoint], ConnID: e.id,
		Status: int(e.value), Access: json.RawMessage(e.s[strAccessRecord])}
}

func (e *event) conn() *Conn {
	return &Conn{ID: e.id, Peer: e.s[strPeer], Listener: e.s[strListener], Protocol: e.s[strProtocol],
		TLSVersion: e.s[strTLSVersion], SNI: e.s[strSNI]}
}
