// What is counted of a cluster. Each of its workers has one; what happens once for all of them has one of its own.
#pragma once

#include "base/series.h"
#include "base/tally.h"

namespace cardea::cluster {

// name and help. Names get the prefix cardea_cluster_ where they leave the library.
#define CARDEA_CLUSTER_COUNTERS(X)                                                                         \
  X(connections_total, "connections begun")                                                                \
  X(connect_failures_total, "connections that failed before they were open")                               \
  X(connect_timeouts_total, "connections that ran out of connect_timeout")                                 \
  X(connections_max_requests_total, "connections retired by max_requests_per_connection")                  \
  X(connections_lost_total, "connections that ended under exchanges")                                      \
  X(connection_overflow_total, "times that max_connections left no room for a connection")                 \
  X(picks_total, "endpoints picked")                                                                       \
  X(panic_picks_total, "endpoints picked while too few were healthy to go by health")                      \
  X(requests_total, "exchanges that got a connection")                                                     \
  X(request_overflow_total, "exchanges refused by max_requests")                                           \
  X(pending_overflow_total, "exchanges refused by max_pending_requests")                                   \
  X(request_timeouts_total,                                                                                \
    "exchanges ended by timeout, timeout_write or max_stream_duration while the service had them")         \
  X(per_try_timeouts_total, "tries ended by per_try_timeout or per_try_idle_timeout")                      \
  X(retries_total, "requests sent again")                                                                  \
  X(retry_successes_total, "requests sent again that were answered below 500")                             \
  X(retry_overflow_total, "retries refused by max_retries or retry_budget")                                \
  X(flow_control_paused_total, "times that reading from a service stopped because the client was slow")    \
  X(health_checks_total, "active health checks")                                                           \
  X(health_check_successes_total, "active health checks that were passed")                                 \
  X(health_check_failures_total, "active health checks that were failed")                                  \
  X(health_changes_total, "endpoints that became healthy or unhealthy, by checks or by outlier detection") \
  X(ejections_total, "endpoints ejected by outlier detection")

struct alignas(64) Tally {
#define X(name, help) Count name{0};
  CARDEA_CLUSTER_COUNTERS(X)
#undef X
  LatencyHistogram connect_duration;
  void add(const Tally& other) {
#define X(name, help) cardea::add(name, other.name.load(std::memory_order_relaxed));
    CARDEA_CLUSTER_COUNTERS(X)
#undef X
    connect_duration.add(other.connect_duration);
  }
};
using TallySeries = Series<Tally>;

}  // namespace cardea::cluster
