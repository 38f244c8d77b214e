package cardea

// #include "bridge.h"
import "C"

import (
	"context"
	"encoding/json"
	"unsafe"
)

// ClusterState is a cluster as it is now. A cluster has the name of the first route that it serves.
type ClusterState struct {
	Name        string          `json:"name"`
	Algorithm   string          `json:"algorithm"`
	Connections int64           `json:"connections"`
	Pending     int64           `json:"pending"`
	Requests    int64           `json:"requests"`
	Retries     int64           `json:"retries"`
	Resolving   bool            `json:"resolving"`
	Endpoints   []EndpointState `json:"endpoints"`
}

// EndpointState is an endpoint as it is now.
type EndpointState struct {
	Address      string `json:"address"`
	Weight       uint32 `json:"weight"`
	Priority     int    `json:"priority"`
	Health       string `json:"health"` // "healthy", "unhealthy", "degraded", "ejected", "unchecked"
	Requests     int64  `json:"requests"`
	Connections  int64  `json:"connections"`
	Checks       int64  `json:"checks"`
	FailedChecks int64  `json:"failed_checks"`
}

// Clusters tells what all clusters are doing.
func (p *Proxy) Clusters() ([]ClusterState, error) {
	var answer struct {
		Clusters []ClusterState `json:"clusters"`
	}
	err := p.askJSON(context.Background(), "clusters", &answer, func(h *C.cardea_proxy, c *C.cardea_go_call, _ **C.cardea_error) C.int {
		return C.cardea_proxy_clusters(h, C.cardea_text_fn(C.cardea_go_told), unsafe.Pointer(c))
	})
	return answer.Clusters, err
}

// NewEndpoint is an endpoint for SetEndpoints.
type NewEndpoint struct {
	URL      string `json:"url"`
	Weight   uint32 `json:"weight,omitempty"`   // 0 is 1
	Priority int    `json:"priority,omitempty"` // 0 to 127; smaller comes first
}

// SetEndpoints gives a cluster these endpoints from now on, also in later configurations; nil gives it those of the
// configuration again, and an empty list none. Those that stay keep their connections; those that go finish what they have.
// It happens in the next turn of a worker.
func (p *Proxy) SetEndpoints(cluster string, endpoints []NewEndpoint) error {
	var list *C.char
	var n C.size_t
	if endpoints != nil {
		text, _ := json.Marshal(endpoints)
		list, n = bytesOf(string(text))
	}
	name, nameSize := bytesOf(cluster)
	return p.with("set endpoints", func(h *C.cardea_proxy) error {
		var said *C.cardea_error
		return check("set endpoints", C.cardea_proxy_set_endpoints(h, name, nameSize, list, n, &said), said)
	})
}

// MetricsText is all metrics, those with labels among them, as GET /metrics answers them: Prometheus' text format 0.0.4.
func (p *Proxy) MetricsText() (string, error) {
	return p.ask(context.Background(), "metrics", func(h *C.cardea_proxy, c *C.cardea_go_call, _ **C.cardea_error) C.int {
		return C.cardea_proxy_metrics(h, C.cardea_text_fn(C.cardea_go_told), unsafe.Pointer(c))
	})
}

// Metric is one of the proxy's counters or gauges.
type Metric struct {
	Name, Kind, Help string
	Value            uint64
}

// Metrics are the current values, over all workers.
func (p *Proxy) Metrics() ([]Metric, error) {
	var all []Metric
	err := p.with("metrics", func(h *C.cardea_proxy) error {
		var cursor C.size_t
		for {
			var name, kind, help C.cardea_str
			var value C.uint64_t
			switch code := C.cardea_proxy_metric_next(h, &cursor, &name, &kind, &help, &value); {
			case code < 0:
				return check("metrics", code, nil)
			case code == 0:
				return nil
			}
			all = append(all, Metric{stringOf(name), stringOf(kind), stringOf(help), uint64(value)})
		}
	})
	return all, err
}
