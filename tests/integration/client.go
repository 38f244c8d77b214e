// The Go client of the integration suite: many requests at a time, each must get its own answer.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

func main() {
	ca := flag.String("ca", "", "PEM file of the CA to trust")
	port := flag.Int("port", 0, "port of the proxy on 127.0.0.1")
	protocol := flag.String("protocol", "HTTP/1.1", "HTTP/1.1 or HTTP/2.0: what every answer must come over")
	count := flag.Int("count", 1000, "requests")
	parallel := flag.Int("parallel", 50, "requests at a time")
	flag.Parse()

	pem, err := os.ReadFile(*ca)
	if err != nil {
		fail("%v", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	address := fmt.Sprintf("127.0.0.1:%d", *port)
	transport := &http.Transport{
		Dial:                func(network, _ string) (net.Conn, error) { return net.Dial(network, address) },
		TLSClientConfig:     &tls.Config{RootCAs: roots},
		MaxIdleConnsPerHost: *parallel,
		ForceAttemptHTTP2:   *protocol == "HTTP/2.0",
	}
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}

	numbers := make(chan int)
	errors := make(chan error, *count)
	var workers sync.WaitGroup
	for i := 0; i < *parallel; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for n := range numbers {
				if err := ask(client, *protocol, n); err != nil {
					errors <- err
				}
			}
		}()
	}
	for n := 0; n < *count; n++ {
		numbers <- n
	}
	close(numbers)
	workers.Wait()
	close(errors)
	if err, any := <-errors; any {
		fail("%d of %d failed, the first with: %v", len(errors)+1, *count, err)
	}
	fmt.Printf("%d answers over %s\n", *count, *protocol)
}

func ask(client *http.Client, protocol string, n int) error {
	path := fmt.Sprintf("/request-%d", n)
	var response *http.Response
	var err error
	if n%3 == 0 {
		response, err = client.Post("https://app.localhost"+path, "text/plain", strings.NewReader(strings.Repeat("x", n)))
	} else {
		response, err = client.Get("https://app.localhost" + path)
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != 200 || response.Proto != protocol || !strings.Contains(string(body), " "+path+"\n") {
		return fmt.Errorf("%s: %s %d %q", path, response.Proto, response.StatusCode, body)
	}
	return nil
}

func fail(format string, arguments ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
	os.Exit(1)
}
