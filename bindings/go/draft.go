package cardea

// #include "bridge.h"
import "C"

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
)

// Draft is a configuration object by object. Seal checks all of it and makes the Config. A draft is plain data: it may be
// changed and sealed again.
type Draft struct {
	// Base is the text of a configuration file that the rest is added to; Source names it in messages, and its folder is
	// where its file names begin.
	Base, Source string

	Options   Options // of the whole: "timeout_idle", "drain_timeout"
	Listeners []Listener
	Routes    []Route // the first that fits takes the request
}

// Listener is an address that clients come to.
type Listener struct {
	Address string // "127.0.0.1:8443", "[::1]:0", ":443" (both families), "unix:/path"
	TLS     *TLS   // nil: no TLS. Several listeners may share one
	Options Options
}

// TLS is a set of certificates, chosen by the name that the client asks for; the first is for everybody else.
type TLS struct {
	Certificates []Certificate
}

// Certificate is a chain and its key: PEM texts, or the files that hold them.
type Certificate struct {
	Cert, Key         string // PEM, the leaf first
	CertFile, KeyFile string
}

// Route is what happens to requests for a host and a part of its paths.
type Route struct {
	From    string   // "https://app.example", "http://*.example:8080"
	Policy  *Policy  // nil: nobody may pass
	Cluster *Cluster // nil: a route that redirects or answers by itself, see Options. Several routes may share one
	Options Options  // "prefix", "timeout", "name"
}

// Cluster is a set of endpoints that serve the same thing.
type Cluster struct {
	Endpoints []Endpoint
	Options   Options // "load_balancing_policy", "health_checks"
}

// Endpoint is one of them.
type Endpoint struct {
	URL    string // "http://10.0.0.1:8080", "h2c://svc:50051", "http+unix:///run/svc.sock"
	Weight uint32 // 0 is 1
}

// Policy says who may pass. The zero value is not a policy: use the functions below.
type Policy struct {
	kind policyKind
	text string
}

type policyKind int

const (
	policyNone policyKind = iota
	policyPublic
	policyHost
	policyText
)

// Public lets everybody pass.
func Public() *Policy { return &Policy{kind: policyPublic} }

// AskHost asks the proxy's Authorizer, and hands data (any text) on to it: Request.PolicyData.
func AskHost(data string) *Policy { return &Policy{kind: policyHost, text: data} }

// PolicyText is Pomerium's policy language as YAML or JSON.
func PolicyText(text string) *Policy { return &Policy{kind: policyText, text: text} }

// PolicyValue is the same for what becomes JSON.
func PolicyValue(value any) (*Policy, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, failure("policy", ErrInvalid, "%v", err)
	}
	return PolicyText(string(text)), nil
}

// builder holds the handles of one Seal. Attaching takes references, so all of them are let go at the end.
type builder struct {
	config   *C.cardea_config
	tls      map[*TLS]*C.cardea_tls
	policies map[*Policy]*C.cardea_policy
	clusters map[*Cluster]*C.cardea_cluster
}

func (b *builder) free() {
	C.cardea_config_unref(b.config)
	for _, h := range b.tls {
		C.cardea_tls_unref(h)
	}
	for _, h := range b.policies {
		C.cardea_policy_unref(h)
	}
	for _, h := range b.clusters {
		C.cardea_cluster_unref(h)
	}
}

// Seal checks everything, loads keys and certificates, and compiles. The error of what is wrong inside a file or a value
// tells every fault at once: Error.Faults.
func (d *Draft) Seal() (*Config, error) {
	b := builder{tls: map[*TLS]*C.cardea_tls{}, policies: map[*Policy]*C.cardea_policy{}, clusters: map[*Cluster]*C.cardea_cluster{}}
	defer b.free()
	if err := b.open(d); err != nil {
		return nil, err
	}
	if err := d.Options.apply("config", setter{OwnerGlobal,
		func(id C.int, v C.int64_t) C.int { return C.cardea_config_set_int(b.config, id, v) },
		func(id C.int, s *C.char, n C.size_t) C.int { return C.cardea_config_set_str(b.config, id, s, n) }}); err != nil {
		return nil, err
	}
	for i := range d.Listeners {
		if err := b.listener(fmt.Sprintf("listener %d (%s)", i, d.Listeners[i].Address), &d.Listeners[i]); err != nil {
			return nil, err
		}
	}
	for i := range d.Routes {
		if err := b.route(fmt.Sprintf("route %d (%s)", i, d.Routes[i].From), &d.Routes[i]); err != nil {
			return nil, err
		}
	}
	var said *C.cardea_error
	if err := check("seal", C.cardea_config_seal(b.config, &said), said); err != nil {
		return nil, err
	}
	config := &Config{c: b.config}
	b.config = nil
	runtime.SetFinalizer(config, func(c *Config) { C.cardea_config_unref(c.c) })
	return config, nil
}

func (b *builder) open(d *Draft) error {
	if d.Base == "" && d.Source == "" {
		return check("config", C.cardea_config_new(&b.config), nil)
	}
	source := d.Source
	if source == "" {
		source = "config"
	}
	if strings.IndexByte(source, 0) >= 0 {
		return failure("config", ErrInvalid, "a NUL in the name of the source")
	}
	var said *C.cardea_error
	text, n := bytesOf(d.Base)
	name, _ := bytesOf(source)
	code := C.cardea_config_load(text, n, name, &b.config, &said)
	return check("load", code, said)
}

func (b *builder) listener(what string, l *Listener) error {
	var h *C.cardea_listener
	s, n := bytesOf(l.Address)
	if err := check(what, C.cardea_listener_new(s, n, &h), nil); err != nil {
		return err
	}
	defer C.cardea_listener_unref(h)
	if err := l.Options.apply(what, setter{OwnerListener,
		func(id C.int, v C.int64_t) C.int { return C.cardea_listener_set_int(h, id, v) },
		func(id C.int, s *C.char, n C.size_t) C.int { return C.cardea_listener_set_str(h, id, s, n) }}); err != nil {
		return err
	}
	if l.TLS != nil {
		t, err := b.tlsOf(what, l.TLS)
		if err != nil {
			return err
		}
		if err := check(what, C.cardea_listener_set_tls(h, t), nil); err != nil {
			return err
		}
	}
	return check(what, C.cardea_config_add_listener(b.config, h), nil)
}

func (b *builder) tlsOf(what string, t *TLS) (*C.cardea_tls, error) {
	if h := b.tls[t]; h != nil {
		return h, nil
	}
	var h *C.cardea_tls
	if err := check(what, C.cardea_tls_new(&h), nil); err != nil {
		return nil, err
	}
	b.tls[t] = h
	for i, c := range t.Certificates {
		op := fmt.Sprintf("%s: certificate %d", what, i)
		if strings.IndexByte(c.CertFile+c.KeyFile, 0) >= 0 {
			return nil, failure(op, ErrInvalid, "a NUL in a file's name")
		}
		var said *C.cardea_error
		var code C.int
		if c.CertFile != "" || c.KeyFile != "" {
			cert, _ := bytesOf(c.CertFile)
			key, _ := bytesOf(c.KeyFile)
			code = C.cardea_tls_add_cert_file(h, cert, key, &said)
		} else {
			cert, certSize := bytesOf(c.Cert)
			key, keySize := bytesOf(c.Key)
			code = C.cardea_tls_add_cert(h, cert, certSize, key, keySize, &said)
		}
		if err := check(op, code, said); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (b *builder) route(what string, r *Route) error {
	var h *C.cardea_route
	s, n := bytesOf(r.From)
	if err := check(what, C.cardea_route_new(s, n, &h), nil); err != nil {
		return err
	}
	defer C.cardea_route_unref(h)
	if err := r.Options.apply(what, setter{OwnerRoute,
		func(id C.int, v C.int64_t) C.int { return C.cardea_route_set_int(h, id, v) },
		func(id C.int, s *C.char, n C.size_t) C.int { return C.cardea_route_set_str(h, id, s, n) }}); err != nil {
		return err
	}
	if r.Policy != nil {
		p, err := b.policyOf(what, r.Policy)
		if err != nil {
			return err
		}
		if err := check(what, C.cardea_route_set_policy(h, p), nil); err != nil {
			return err
		}
	}
	if r.Cluster != nil {
		k, err := b.clusterOf(what, r.Cluster)
		if err != nil {
			return err
		}
		if err := check(what, C.cardea_route_set_cluster(h, k), nil); err != nil {
			return err
		}
	}
	return check(what, C.cardea_config_add_route(b.config, h), nil)
}

func (b *builder) policyOf(what string, p *Policy) (*C.cardea_policy, error) {
	if h := b.policies[p]; h != nil {
		return h, nil
	}
	var h *C.cardea_policy
	var said *C.cardea_error
	s, n := bytesOf(p.text)
	code := C.int(ErrInvalid)
	switch p.kind {
	case policyPublic:
		code = C.cardea_policy_public(&h)
	case policyHost:
		code = C.cardea_policy_host(s, n, &h)
	case policyText:
		code = C.cardea_policy_parse(s, n, &h, &said)
	}
	if err := check(what+": policy", code, said); err != nil {
		return nil, err
	}
	b.policies[p] = h
	return h, nil
}

func (b *builder) clusterOf(what string, k *Cluster) (*C.cardea_cluster, error) {
	if h := b.clusters[k]; h != nil {
		return h, nil
	}
	var h *C.cardea_cluster
	if err := check(what, C.cardea_cluster_new(&h), nil); err != nil {
		return nil, err
	}
	b.clusters[k] = h
	what += ": cluster"
	if err := k.Options.apply(what, setter{OwnerCluster,
		func(id C.int, v C.int64_t) C.int { return C.cardea_cluster_set_int(h, id, v) },
		func(id C.int, s *C.char, n C.size_t) C.int { return C.cardea_cluster_set_str(h, id, s, n) }}); err != nil {
		return nil, err
	}
	for _, e := range k.Endpoints {
		weight := e.Weight
		if weight == 0 {
			weight = 1
		}
		s, n := bytesOf(e.URL)
		if err := check(fmt.Sprintf("%s: endpoint %q", what, e.URL), C.cardea_cluster_add_endpoint(h, s, n, C.uint32_t(weight)), nil); err != nil {
			return nil, err
		}
	}
	return h, nil
}
