package cardea_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"cardea"
)

// backend is a service for the examples.
func backend() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello from %s", r.URL.Path)
	}))
}

// fetch asks a proxy that listens there.
func fetch(address, path, token string) {
	r, _ := http.NewRequest("GET", "http://"+address+path, nil)
	r.Host = "app.test"
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer a.Body.Close()
	body, _ := io.ReadAll(a.Body)
	if a.StatusCode == 200 {
		fmt.Println(a.StatusCode, string(body))
	} else {
		fmt.Println(a.StatusCode)
	}
}

func Example() {
	origin := backend()
	defer origin.Close()

	config, err := cardea.Parse(`
address: 127.0.0.1:0
insecure_server: true
routes:
  - {from: 'http://app.test', to: '`+origin.URL+`', allow_public_unauthenticated_access: true}
`, "example.yaml")
	if err != nil {
		log.Fatal(err)
	}
	proxy, err := cardea.NewProxy(config, cardea.Hooks{})
	if err != nil {
		log.Fatal(err)
	}
	worker, err := proxy.StartWorker()
	if err != nil {
		log.Fatal(err)
	}
	address, _ := worker.Address(0)

	fetch(address, "/", "")

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(proxy.Close(ctx)) // exchanges finish first
	// Output:
	// 200 hello from /
	// <nil>
}

func Example_authorizer() {
	origin := backend()
	defer origin.Close()
	users := map[string]string{"secret": "ann"}

	draft := cardea.Draft{
		Listeners: []cardea.Listener{{Address: "127.0.0.1:0"}},
		Routes: []cardea.Route{{
			From:    "http://app.test",
			Policy:  cardea.AskHost(""),
			Cluster: &cardea.Cluster{Endpoints: []cardea.Endpoint{{URL: origin.URL}}},
			Options: cardea.Options{"name": "app", "timeout": 10 * time.Second},
		}},
	}
	config, err := draft.Seal()
	if err != nil {
		log.Fatal(err)
	}
	ends := make(chan *cardea.Record, 2)
	hooks := cardea.Hooks{
		Authorizer: cardea.AuthorizeFunc(func(ctx context.Context, r *cardea.Request) (cardea.Decision, error) {
			// ctx ends with the request: pass it on to whatever this asks.
			who, known := users[bearer(r.Header())]
			if !known {
				return cardea.Deny(), nil
			}
			return cardea.AllowAs(cardea.Identity{User: who, Groups: []string{"staff"}}), nil
		}),
		OnRequestEnd: func(r *cardea.Record) { ends <- r },
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() {
		served <- cardea.Serve(ctx, config, hooks, func(p *cardea.Proxy, w *cardea.Worker) {
			address, _ := w.Address(0)
			fetch(address, "/report", "secret")
			fetch(address, "/report", "guess")
			stop()
		})
	}()
	fmt.Println(<-served)
	for i := 0; i < 2; i++ {
		r := <-ends
		fmt.Printf("%s %s as %q: %d, %s\n", r.Method, r.Path, r.Identity, r.Status, r.Cause)
	}
	// Output:
	// 200 hello from /report
	// 403
	// <nil>
	// GET /report as "ann": 200, ok
	// GET /report as "": 403, denied:by_default
}

func bearer(h http.Header) string {
	var token string
	fmt.Sscanf(h.Get("Authorization"), "Bearer %s", &token)
	return token
}

func ExampleError() {
	_, err := cardea.Parse("address: 127.0.0.1:0\ntimeuot_idle: 5m\nroutes: [{from: 'http://app.test', to: 'http://127.0.0.1:1'}]\n", "my.yaml")

	var e *cardea.Error
	if errors.Is(err, cardea.ErrConfig) && errors.As(err, &e) {
		fmt.Println(len(e.Faults()), "fault")
	}
	_, err = cardea.Load("/nowhere/cardea.yaml")
	fmt.Println(err)
	// Output:
	// 1 fault
	// open /nowhere/cardea.yaml: no such file or directory
}

func ExampleProxy_List() {
	p, address, closeAll := start()
	defer closeAll()
	go hold(address)

	ctx := context.Background()
	for {
		live, err := p.List(ctx, cardea.Selector{Route: "app"})
		if err != nil {
			log.Fatal(err)
		}
		if live.Count > 0 && live.Exchanges[0].Endpoint != "" {
			fmt.Println(live.Exchanges[0].Method, live.Exchanges[0].Path)
			break
		}
	}
	ended, err := p.End(ctx, cardea.Selector{Route: "app"}, "the operator")
	fmt.Println(ended, err)
	// Output:
	// GET /hold
	// 1 <nil>
}

// start is a proxy in front of a service that holds what it is asked.
func start() (p *cardea.Proxy, address string, closeAll func()) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	d := draft(origin.URL, cardea.Public())
	config, err := d.Seal()
	if err != nil {
		log.Fatal(err)
	}
	if p, err = cardea.NewProxy(config, cardea.Hooks{}); err != nil {
		log.Fatal(err)
	}
	w, err := p.StartWorker()
	if err != nil {
		log.Fatal(err)
	}
	address, _ = w.Address(0)
	return p, address, func() {
		p.Close(context.Background())
		origin.Close()
	}
}

func ExampleProxy_StartDrain() {
	p, _, closeAll := start()
	defer closeAll()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	drain, err := p.StartDrain(cardea.Selector{User: "ann"}, cardea.DrainOptions{Timeout: time.Minute, By: "the operator"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(drain.Wait(ctx)) // nobody of hers is left; ctx does not stop it, Cancel does
	// Output:
	// <nil>
}

func ExampleProxy_SetEndpoints() {
	p, _, closeAll := start()
	defer closeAll()

	err := p.SetEndpoints("app", []cardea.NewEndpoint{{URL: "http://127.0.0.1:8001", Weight: 3}, {URL: "http://127.0.0.1:8002"}})
	if err != nil {
		log.Fatal(err)
	}
	for { // a turn of a worker later
		clusters, err := p.Clusters()
		if err != nil {
			log.Fatal(err)
		}
		if n := len(clusters[0].Endpoints); n == 2 {
			fmt.Println(clusters[0].Name, n)
			break
		}
	}
	// Output:
	// app 2
}

// hold asks for what does not come.
func hold(address string) {
	r, _ := http.NewRequest("GET", "http://"+address+"/hold", nil)
	r.Host = "app.test"
	if a, err := http.DefaultClient.Do(r); err == nil {
		a.Body.Close()
	}
}

func ExampleHooks_handler() {
	draft := cardea.Draft{
		Listeners: []cardea.Listener{{Address: "127.0.0.1:0"}},
		Routes: []cardea.Route{{
			From:    "http://app.test",
			Policy:  cardea.Public(),
			Options: cardea.Options{"served_by_host": true},
		}},
	}
	config, err := draft.Seal()
	if err != nil {
		log.Fatal(err)
	}
	hooks := cardea.Hooks{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			about, _ := cardea.FromContext(r.Context()) // route, identity, the client's address
			fmt.Fprintf(w, "%s for %q", r.URL.Path, about.Identity)
		}),
	}
	proxy, err := cardea.NewProxy(config, hooks)
	if err != nil {
		log.Fatal(err)
	}
	defer proxy.Close(context.Background())
	worker, err := proxy.StartWorker()
	if err != nil {
		log.Fatal(err)
	}
	address, _ := worker.Address(0)
	fetch(address, "/mine", "")
	// Output: 200 /mine for ""
}
