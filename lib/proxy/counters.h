// What a worker counts. One writer (the worker's thread), any reader.
#pragma once

#include <atomic>
#include <cstdint>

namespace cardea::proxy {

// name, kind ("counter" or "gauge"), help. Names get the prefix cardea_ where they leave the library.
#define CARDEA_COUNTERS(X)                                                                                            \
  X(downstream_connections_total, "counter", "connections accepted")                                                  \
  X(downstream_connections_active, "gauge", "connections open now")                                                   \
  X(downstream_connections_refused_total, "counter", "connections closed at once: max_connections reached")           \
  X(downstream_connections_idle_timeout_total, "counter", "connections closed by timeout_idle")                       \
  X(downstream_handshake_failures_total, "counter", "TLS handshakes or PROXY headers that failed or ran out of time") \
  X(downstream_bad_requests_total, "counter", "requests refused before routing")                                      \
  X(downstream_head_timeouts_total, "counter", "request heads that were not complete in time")                        \
  X(accept_errors_total, "counter", "accepts that failed for want of descriptors or memory")                          \
  X(requests_total, "counter", "exchanges begun")                                                                     \
  X(requests_active, "gauge", "exchanges that are not over")                                                          \
  X(responses_2xx_total, "counter", "final answers with this class of status")                                        \
  X(responses_3xx_total, "counter", "final answers with this class of status")                                        \
  X(responses_4xx_total, "counter", "final answers with this class of status")                                        \
  X(responses_5xx_total, "counter", "final answers with this class of status")                                        \
  X(responses_truncated_total, "counter", "answers cut after their head was sent")                                    \
  X(requests_denied_total, "counter", "exchanges that no policy allowed")                                             \
  X(permissions_withdrawn_total, "counter", "live exchanges that were ended because they may go on no more")          \
  X(judgements_total, "counter", "live exchanges judged again")                                                       \
  X(key_fetches_total, "counter", "key sets asked for")                                                               \
  X(key_fetch_failures_total, "counter", "key sets that could not be had")                                            \
  X(requests_without_route_total, "counter", "exchanges that no route matched")                                       \
  X(upstream_retries_total, "counter", "requests sent again because nothing of them had been served")                 \
  X(upstream_timeouts_total, "counter", "exchanges ended by a clock of the upstream side")                            \
  X(request_bytes_total, "counter", "bytes of request bodies forwarded")                                              \
  X(response_bytes_total, "counter", "bytes of response bodies forwarded")

struct Counters {
#define X(name, kind, help) std::atomic<uint64_t> name{0};
  CARDEA_COUNTERS(X)
#undef X
};

inline void add(std::atomic<uint64_t>& c, uint64_t n = 1) {
  c.store(c.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}
inline void sub(std::atomic<uint64_t>& c, uint64_t n = 1) {
  c.store(c.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
}

}  // namespace cardea::proxy
