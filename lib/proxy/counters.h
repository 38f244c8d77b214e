// What a worker counts. One writer (the worker's thread), any reader.
#pragma once

#include "base/tally.h"

namespace cardea::proxy {

// name, kind ("counter" or "gauge"), help. Names get the prefix cardea_ where they leave the library.
#define CARDEA_COUNTERS(X)                                                                                            \
  X(downstream_connections_total, "counter", "connections accepted")                                                  \
  X(downstream_connections_active, "gauge", "connections open now")                                                   \
  X(downstream_connections_refused_total, "counter", "connections closed at once: max_connections reached")           \
  X(downstream_connections_http1_active, "gauge", "open connections that speak HTTP/1")                               \
  X(downstream_connections_http2_active, "gauge", "open connections that speak HTTP/2")                               \
  X(downstream_connections_draining, "gauge", "open connections that were told to finish")                            \
  X(downstream_connections_drain_closed_total, "counter", "connections that ended after they were told to finish")    \
  X(downstream_connections_max_duration_total, "counter", "connections ended by max_connection_duration")             \
  X(downstream_connections_idle_timeout_total, "counter", "connections closed by timeout_idle")                       \
  X(downstream_handshake_failures_total, "counter", "TLS handshakes or PROXY headers that failed or ran out of time") \
  X(downstream_tls_handshakes_total, "counter", "TLS handshakes that were completed")                                 \
  X(downstream_tls_errors_total, "counter", "TLS connections that failed, in their handshake or after it")            \
  X(downstream_tls_no_client_certificate_total, "counter", "handshakes that failed for want of a certificate")        \
  X(downstream_tls_client_certificate_errors_total, "counter", "handshakes that failed for a certificate's sake")     \
  X(downstream_tls_unknown_names_total, "counter", "TLS connections to a name that no certificate has")               \
  X(downstream_protocol_errors_total, "counter", "connections whose client broke a rule of HTTP")                     \
  X(downstream_bad_requests_total, "counter", "requests refused before routing")                                      \
  X(downstream_head_timeouts_total, "counter", "request heads that were not complete in time")                        \
  X(accept_errors_total, "counter", "accepts that failed for want of descriptors or memory")                          \
  X(requests_total, "counter", "exchanges begun")                                                                     \
  X(requests_active, "gauge", "exchanges that are not over")                                                          \
  X(upgrades_active, "gauge", "open WebSockets and other tunnels")                                                    \
  X(responses_1xx_total, "counter", "final answers with this class of status: 101")                                   \
  X(responses_2xx_total, "counter", "final answers with this class of status")                                        \
  X(responses_3xx_total, "counter", "final answers with this class of status")                                        \
  X(responses_4xx_total, "counter", "final answers with this class of status")                                        \
  X(responses_5xx_total, "counter", "final answers with this class of status")                                        \
  X(responses_truncated_total, "counter", "answers cut after their head was sent")                                    \
  X(requests_idle_timeout_total, "counter", "exchanges ended by idle_timeout")                                        \
  X(request_timeouts_total, "counter", "requests that did not arrive in time: timeout_read, timeout_write")           \
  X(requests_overload_closed_total, "counter", "requests refused for want of room, and connections with them")        \
  X(requests_denied_total, "counter", "exchanges that no policy allowed")                                             \
  X(requests_limited_total, "counter", "requests refused by limits")                                                  \
  X(requests_limited_concurrent_total, "counter", "... for too many at once")                                         \
  X(requests_limited_keys_total, "counter", "... for want of room: too many users or addresses to remember")          \
  X(shaping_pauses_total, "counter", "times that bytes began to wait because of bytes_per_second")                    \
  X(permissions_withdrawn_total, "counter", "live exchanges that were ended because they may go on no more")          \
  X(judgements_total, "counter", "live exchanges judged again")                                                       \
  X(key_fetches_total, "counter", "key sets asked for")                                                               \
  X(key_fetch_failures_total, "counter", "key sets that could not be had")                                            \
  X(requests_without_route_total, "counter", "exchanges that no route matched")                                       \
  X(upstream_retries_total, "counter", "requests sent again because nothing of them had been served")                 \
  X(upstream_timeouts_total, "counter", "exchanges ended by a clock of the upstream side")                            \
  X(request_bytes_total, "counter", "bytes of request bodies forwarded")                                              \
  X(response_bytes_total, "counter", "bytes of response bodies forwarded")

// name, type and help, in seconds.
#define CARDEA_HISTOGRAMS(X)                                                                                        \
  X(downstream_connection_duration_seconds, LifetimeHistogram, "how long connections lasted, from accept to close") \
  X(request_first_byte_seconds, LatencyHistogram, "from a request's head to the head of the service's answer")      \
  X(request_duration_seconds, LatencyHistogram, "from a request's head to the end of its exchange")

struct Counters {
#define X(name, kind, help) Count name{0};
  CARDEA_COUNTERS(X)
#undef X
#define X(name, type, help) type name;
  CARDEA_HISTOGRAMS(X)
#undef X
  void add(const Counters& other) {
#define X(name, ...) cardea::add(name, other.name.load(std::memory_order_relaxed));
    CARDEA_COUNTERS(X)
#undef X
#define X(name, ...) name.add(other.name);
    CARDEA_HISTOGRAMS(X)
#undef X
  }
};

// What is counted of a route: exchanges that are over, by the class of their status; 0: the client got no head.
struct alignas(64) RouteTally {
  std::array<Count, 6> ended{};
  void add(const RouteTally& other) {
    for (size_t i = 0; i < ended.size(); ++i) cardea::add(ended[i], other.ended[i].load(std::memory_order_relaxed));
  }
};

}  // namespace cardea::proxy
