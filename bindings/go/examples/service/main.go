// Command service is a Go program that serves its own handlers behind Cardea: TLS, HTTP/2, policies and draining are the
// proxy's, in the same process; the handlers stay net/http.
//
//	go run ./examples/service -listen 127.0.0.1:8443 -cert cert.pem -key key.pem -host app.localhost
//
// Without -cert it listens without TLS. Tokens are "name:secret"; the secret is what -secret says.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"cardea"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8443", "where clients come")
	host := flags.String("host", "app.localhost", "the name that is served")
	cert := flags.String("cert", "", "certificate chain, PEM")
	key := flags.String("key", "", "its key, PEM")
	secret := flags.String("secret", "", "what tokens end with")
	if err := flags.Parse(args); err != nil {
		return err
	}

	// The handlers: behind a unix socket that only this user can reach.
	dir, err := os.MkdirTemp("", "service")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "handlers.sock")
	inner, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	handlers := &http.Server{Handler: handler()}
	go handlers.Serve(inner)
	defer handlers.Close()

	config, err := configuration(*listen, *host, *cert, *key, socket).Seal()
	if err != nil {
		return err
	}
	logger := cardea.LogFunc(func(level cardea.Level, msg string, args ...any) {
		fmt.Fprintln(os.Stderr, level, msg, args)
	})
	if err := cardea.SetLogger(logger, cardea.LevelWarning); err != nil {
		return err
	}
	defer cardea.SetLogger(nil, 0)
	return cardea.Serve(ctx, config, cardea.Hooks{
		Authorizer: authorizer(*secret),
		Logger:     logger,
		OnRequestEnd: func(r *cardea.Record) {
			fmt.Printf("%d %s %s %s %q %s\n", r.Status, r.Protocol, r.Method, r.Path, r.Identity, r.Cause)
		},
	}, func(p *cardea.Proxy, w *cardea.Worker) {
		address, _ := w.Address(0)
		fmt.Println("serving", address)
	})
}

func configuration(listen, host, cert, key, socket string) *cardea.Draft {
	scheme := "http"
	listener := cardea.Listener{Address: listen}
	if cert != "" {
		scheme = "https"
		listener.TLS = &cardea.TLS{Certificates: []cardea.Certificate{{CertFile: cert, KeyFile: key}}}
	}
	here := &cardea.Cluster{Endpoints: []cardea.Endpoint{{URL: "http+unix://" + socket}}}
	return &cardea.Draft{
		Options:   cardea.Options{"drain_timeout": 10 * time.Second, "authorize_timeout": 2 * time.Second},
		Listeners: []cardea.Listener{listener},
		Routes: []cardea.Route{
			{From: scheme + "://" + host, Policy: cardea.Public(), Cluster: here, Options: cardea.Options{"name": "open", "path": "/"}},
			{From: scheme + "://" + host, Policy: cardea.AskHost("staff"), Cluster: here,
				Options: cardea.Options{"name": "staff", "prefix": "/staff", "pass_identity_headers": true}},
		},
	}
}

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello, whoever you are; you came over %s\n", r.Header.Get("X-Forwarded-Proto"))
	})
	mux.HandleFunc("/staff", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello, colleague")
	})
	return mux
}

func authorizer(secret string) cardea.AuthorizeFunc {
	return func(ctx context.Context, r *cardea.Request) (cardea.Decision, error) {
		if secret == "" {
			return cardea.Deny(), errors.New("there is no -secret")
		}
		token := strings.TrimPrefix(r.Header().Get("Authorization"), "Bearer ")
		name, given, ok := strings.Cut(token, ":")
		if !ok || name == "" || given != secret {
			return cardea.Deny(), nil
		}
		return cardea.AllowAs(cardea.Identity{User: name}), nil
	}
}
