package cardea_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"cardea"
)

const routes = "routes: [{from: 'https://app.test', to: 'http://127.0.0.1:1'}]\n"

const good = `
address: 127.0.0.1:0
insecure_server: true
authorize_timeout: 1500ms
routes: [{from: 'http://app.test', to: 'http://127.0.0.1:1', allow_public_unauthenticated_access: true}]
`

func TestParseAndEffectiveValues(t *testing.T) {
	c, err := cardea.Parse(good, "mine.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if d, err := c.Duration("authorize_timeout"); d != 1500*time.Millisecond || err != nil {
		t.Error(d, err)
	}
	if d, err := c.Duration("drain_timeout"); d != 10*time.Minute || err != nil {
		t.Error(d, err)
	}
	if _, err := c.Int("authorise_timeout"); !errors.Is(err, cardea.ErrNotFound) || !strings.Contains(err.Error(), "authorise_timeout") {
		t.Error(err)
	}
	if s, err := c.Schemes(); err != nil || !reflect.DeepEqual(s, []string{"http"}) {
		t.Error(s, err)
	}
	if f, err := c.Files(); err != nil || len(f) != 0 {
		t.Error(f, err)
	}
	for i := 0; i < 2; i++ {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Int("workers"); !errors.Is(err, cardea.ErrClosed) || !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := cardea.NewProxy(c, cardea.Hooks{}); !errors.Is(err, cardea.ErrClosed) {
		t.Error(err)
	}
	if _, err := cardea.NewProxy(nil, cardea.Hooks{}); !errors.Is(err, cardea.ErrInvalid) {
		t.Error(err)
	}
}

// Every fault at once, with its place.
func TestFaults(t *testing.T) {
	_, err := cardea.Parse("address: 127.0.0.1:0\nno_such_key: 1\nroutes: [{from: 'ftp://x'}]\n", "mine.yaml")
	var e *cardea.Error
	if !errors.As(err, &e) || !errors.Is(err, cardea.ErrConfig) {
		t.Fatal(err)
	}
	if f := e.Faults(); len(f) < 2 || !strings.HasPrefix(f[0], "mine.yaml:2:1: no_such_key") {
		t.Errorf("%q", f)
	}
	if errors.Is(err, cardea.ErrIO) || cardea.CodeOf(err) != cardea.ErrConfig || cardea.ErrConfig.String() != "CARDEA_ECONFIG" {
		t.Error(err)
	}
}

func TestLoadFindsFilesBesideTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	cert, key := certificate(t, "app.test")
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.pem", cert)
	write("a.key", key)
	write("cardea.yaml", "address: 127.0.0.1:0\ncertificates: [{cert: a.pem, key: a.key}]\n"+routes)
	c, err := cardea.Load(filepath.Join(dir, "cardea.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	files, _ := c.Files()
	if len(files) != 2 || !strings.HasSuffix(files[0], "/a.pem") && !strings.HasSuffix(files[1], "/a.pem") {
		t.Error(files)
	}
	if s, _ := c.Schemes(); len(s) != 1 || s[0] != "https" {
		t.Error(s)
	}
	write("a.key", "nonsense")
	if _, err := cardea.Load(filepath.Join(dir, "cardea.yaml")); err == nil || !strings.Contains(err.Error(), "a.key") {
		t.Error(err)
	}
	if _, err := cardea.Load(filepath.Join(dir, "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestFromValue(t *testing.T) {
	c, err := cardea.FromValue(map[string]any{"address": "127.0.0.1:0", "insecure_server": true, "timeout_idle": "7s",
		"routes": []any{map[string]any{"from": "http://app.test", "to": "http://127.0.0.1:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if d, _ := c.Duration("timeout_idle"); d != 7*time.Second {
		t.Error(d)
	}
	if _, err := cardea.FromValue(func() {}); !errors.Is(err, cardea.ErrInvalid) {
		t.Error(err)
	}
}

// The same certificate, policy and cluster for several objects; a configuration's text with more behind it.
func TestDraft(t *testing.T) {
	cert, key := certificate(t, "app.test")
	tls := &cardea.TLS{Certificates: []cardea.Certificate{{Cert: cert, Key: key}}}
	policy, err := cardea.PolicyValue([]any{map[string]any{"allow": map[string]any{"or": []any{map[string]any{"accept": true}}}}})
	if err != nil {
		t.Fatal(err)
	}
	cluster := &cardea.Cluster{Endpoints: []cardea.Endpoint{{URL: "http://127.0.0.1:1"}, {URL: "http://127.0.0.1:2", Weight: 3}},
		Options: cardea.Options{"load_balancing_policy": "least_request"}}
	d := &cardea.Draft{
		Base: good, Source: "base.yaml",
		Options: cardea.Options{"timeout_idle": 9 * time.Second, "max_connections": uint16(12), "skip_xff_append": true,
			"timeout_read": "11s", "set_response_headers": map[string]string{"X-A": "1", "X-B": "2"}},
		Listeners: []cardea.Listener{{Address: "127.0.0.1:0", TLS: tls}, {Address: "[::1]:0", TLS: tls}},
		Routes: []cardea.Route{{From: "https://a.test", Policy: policy, Cluster: cluster, Options: cardea.Options{"prefix": "/a"}},
			{From: "https://a.test", Policy: policy, Cluster: cluster}},
	}
	for i := 0; i < 2; i++ { // a draft stays as it was
		c, err := d.Seal()
		if err != nil {
			t.Fatal(err)
		}
		idle, _ := c.Duration("timeout_idle")
		read, _ := c.Duration("timeout_read")
		most, _ := c.Int("max_connections")
		skip, _ := c.Int("skip_xff_append")
		schemes, _ := c.Schemes()
		if idle != 9*time.Second || read != 11*time.Second || most != 12 || skip != 1 || len(schemes) != 3 {
			t.Error(idle, read, most, skip, schemes)
		}
		c.Close()
	}
}

func TestMistakesInDraftsNameThemselves(t *testing.T) {
	base := func() *cardea.Draft { return draft("http://127.0.0.1:1", cardea.Public()) }
	for _, c := range []struct {
		code   cardea.Code
		say    string
		break_ func(*cardea.Draft)
	}{
		{cardea.ErrNotFound, `route 0 (http://app.test): there is no route option "timout"`, func(d *cardea.Draft) { d.Routes[0].Options = cardea.Options{"timout": 1} }},
		{cardea.ErrInvalid, `option "max_connections"`, func(d *cardea.Draft) { d.Options = cardea.Options{"max_connections": -1} }},
		{cardea.ErrInvalid, `option "max_connections": takes no float64`, func(d *cardea.Draft) { d.Options = cardea.Options{"max_connections": 1.5} }},
		{cardea.ErrInvalid, `option "max_connections": is not a duration`, func(d *cardea.Draft) { d.Options = cardea.Options{"max_connections": time.Second} }},
		{cardea.ErrInvalid, "whole milliseconds", func(d *cardea.Draft) { d.Options = cardea.Options{"timeout_idle": time.Microsecond} }},
		{cardea.ErrInvalid, "takes no int", func(d *cardea.Draft) { d.Options = cardea.Options{"timeout_idle": 5} }},
		{cardea.ErrInvalid, "has no value", func(d *cardea.Draft) { d.Options = cardea.Options{"timeout_idle": nil} }},
		{cardea.ErrInvalid, "route 0 (http://app.test): policy", func(d *cardea.Draft) { d.Routes[0].Policy = &cardea.Policy{} }},
		{cardea.ErrConfig, "policy", func(d *cardea.Draft) { d.Routes[0].Policy = cardea.PolicyText("- alow: {}") }},
		{cardea.ErrTLS, "certificate 0", func(d *cardea.Draft) {
			d.Listeners[0].TLS = &cardea.TLS{Certificates: []cardea.Certificate{{Cert: "a", Key: "b"}}}
		}},
		{cardea.ErrInvalid, "NUL", func(d *cardea.Draft) {
			d.Listeners[0].TLS = &cardea.TLS{Certificates: []cardea.Certificate{{CertFile: "a\x00b", KeyFile: "b"}}}
		}},
	} {
		d := base()
		c.break_(d)
		config, err := d.Seal()
		if config != nil || !errors.Is(err, c.code) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s %q: %v (%v)", c.code, c.say, err, cardea.CodeOf(err))
		}
	}
}

func TestKnownOptions(t *testing.T) {
	all := cardea.KnownOptions()
	names := map[string]cardea.Option{}
	for _, o := range all {
		names[o.Owner.String()+"."+o.Name] = o
	}
	idle := names["global.timeout_idle"]
	if len(all) < 100 || idle.Type != cardea.TypeDuration || !idle.HasRange || idle.Max < idle.Default || idle.Doc == "" {
		t.Errorf("%d options, %+v", len(all), idle)
	}
	if o := names["cluster.to"]; o.Type != cardea.TypeStrings || o.HasRange {
		t.Errorf("%+v", o)
	}
}

func TestErrorsAreTheStandardLibrarysToo(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	d := draft("http://127.0.0.1:1", cardea.Public())
	d.Listeners[0].Address = taken.Addr().String()
	p, err := cardea.NewProxy(seal(t, d), cardea.Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	_, err = p.StartWorker()
	if !errors.Is(err, cardea.ErrAddrInUse) || !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Error(err)
	}
	if !errors.Is(cardea.ErrTimedOut, os.ErrDeadlineExceeded) || errors.Is(cardea.ErrInvalid, cardea.ErrClosed) || cardea.CodeOf(errors.New("x")) != 0 {
		t.Error("codes")
	}
}
