// Command bench is a proxy with one worker for bench/run: it measures what the binding costs beside the bare demo.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"cardea"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	to := flag.String("to", "", "the service")
	which := flag.String("hooks", "none", "none, record, authorize or both")
	flag.Parse()
	var hooks cardea.Hooks
	policy := cardea.Public()
	if *which == "authorize" || *which == "both" {
		policy = cardea.AskHost("")
		hooks.Authorizer = cardea.AuthorizeFunc(func(context.Context, *cardea.Request) (cardea.Decision, error) {
			return cardea.AllowAs(cardea.Identity{User: "ann"}), nil
		})
	}
	if *which == "record" || *which == "both" {
		var n int
		hooks.OnRequestEnd = func(r *cardea.Record) { n += r.Status }
	}
	draft := cardea.Draft{
		Options:   cardea.Options{"workers": 1},
		Listeners: []cardea.Listener{{Address: "127.0.0.1:0"}},
		Routes: []cardea.Route{{From: "http://app.localhost", Policy: policy,
			Cluster: &cardea.Cluster{Endpoints: []cardea.Endpoint{{URL: *to}}},
			Options: cardea.Options{"preserve_host_header": true}}},
	}
	config, err := draft.Seal()
	if err == nil {
		err = cardea.Serve(ctx, config, hooks, func(p *cardea.Proxy, w *cardea.Worker) {
			address, _ := w.Address(0)
			fmt.Println(address)
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
