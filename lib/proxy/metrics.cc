// Gathering what workers, routes and clusters count.
#include "proxy/metrics.h"

#include <array>
#include <map>

#include "proxy/exposition.h"

namespace cardea::proxy {

namespace {

using cluster::EndpointState;

template <class T>
using ByLabel = std::map<std::string, T>;

template <class T>
void gather(const SeriesByName<T>& series, ByLabel<T>& out) {
  for (const auto& [name, one] : series.all()) one->add_to(out[label_text(name)]);
}

// ---- the proxy as a whole -------------------------------------------------------------------------

void append_counters(const Proxy& proxy, Exposition& e) {
  proxy.each_counter([&](const char* name, const char* kind, const char* help, uint64_t value) {
    e.family("", name, kind, help);
    e.sample({}, value);
  });
  Counters sum;
  proxy.add_counters(sum);
#define X(name, type, help)               \
  e.family("", #name, "histogram", help); \
  e.histogram({}, sum.name);
  CARDEA_HISTOGRAMS(X)
#undef X
}

// ---- routes ---------------------------------------------------------------------------------------

void append_routes(const Proxy& proxy, Exposition& e) {
  static constexpr const char* kClasses[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
  ByLabel<RouteTally> routes;
  gather(proxy.route_tallies(), routes);
  e.family("route_", "requests_total", "counter", "exchanges that are over, by the class of their status");
  for (const auto& [route, tally] : routes) {
    for (size_t i = 0; i < tally.ended.size(); ++i) {
      e.sample({{"route", route}, {"class", kClasses[i]}}, tally.ended[i]);
    }
  }
}

// ---- clusters -------------------------------------------------------------------------------------

// What a cluster has now.
struct Present {
  uint64_t connections = 0, requests = 0, pending = 0, retries = 0;
  uint64_t endpoints = 0, healthy = 0, ejected = 0;
  bool connections_open = false, requests_open = false, pending_open = false, retries_open = false;
};

void add_endpoints(const cluster::Shared& shared, Present& out) {
  const cluster::RosterPtr roster = shared.roster();
  out.endpoints += roster->size();
  for (const cluster::Member& m : *roster) {
    using Verdict = health::CheckState::Verdict;
    const Verdict verdict = m.state->verdict;
    const bool ejected = m.state->record->ejected();
    out.ejected += ejected;
    out.healthy += !ejected && (verdict == Verdict::healthy || verdict == Verdict::unchecked);
  }
}

void add_present(const cluster::Shared& shared, Present& out) {
  const cluster::Thresholds& limits = shared.config()->thresholds;
  out.connections += shared.connections.value();
  out.requests += shared.requests.value();
  out.pending += shared.pending.value();
  out.retries += shared.retries.value();
  out.connections_open |= shared.connections.value() >= limits.max_connections;
  out.requests_open |= shared.requests.value() >= limits.max_requests;
  out.pending_open |= shared.pending.value() >= limits.max_pending_requests;
  out.retries_open |= shared.retries.value() >= shared.retry_limit();
}

ByLabel<Present> present_clusters(const Proxy& proxy, const ByLabel<cluster::Tally>& known) {
  ByLabel<Present> out;
  for (const auto& [name, tally] : known) out[name];
  std::map<std::string, std::shared_ptr<cluster::Shared>> newest;  // who has the endpoints of this name
  for (auto& shared : proxy.clusters().all()) {
    const std::string& name = shared->config()->name;
    add_present(*shared, out[label_text(proxy.clusters().tallies().label(name))]);
    newest[name] = std::move(shared);
  }
  for (const auto& [name, shared] : newest) {
    add_endpoints(*shared, out[label_text(proxy.clusters().tallies().label(name))]);
  }
  return out;
}

struct Gauge {
  const char* name;
  const char* help;
  uint64_t Present::*value;
};
constexpr Gauge kGauges[] = {
    {"connections_active", "connections open or being opened", &Present::connections},
    {"requests_active", "exchanges that have a connection", &Present::requests},
    {"pending_requests_active", "exchanges that wait for a connection", &Present::pending},
    {"retries_active", "retries under way", &Present::retries},
    {"endpoints", "endpoints", &Present::endpoints},
    {"endpoints_healthy", "endpoints that neither checks nor outlier detection keep out of use", &Present::healthy},
    {"ejections_active", "endpoints that are ejected by outlier detection", &Present::ejected},
};
struct Breaker {
  const char* limit;
  bool Present::*open;
};
constexpr Breaker kBreakers[] = {
    {"max_connections", &Present::connections_open},
    {"max_requests", &Present::requests_open},
    {"max_pending_requests", &Present::pending_open},
    {"max_retries", &Present::retries_open},
};

void append_clusters(const Proxy& proxy, Exposition& e) {
  ByLabel<cluster::Tally> clusters;
  gather(proxy.clusters().tallies(), clusters);
#define X(name, help)                             \
  e.family("cluster_", #name, "counter", help);   \
  for (const auto& [cluster, tally] : clusters) { \
    e.sample({{"cluster", cluster}}, tally.name); \
  }
  CARDEA_CLUSTER_COUNTERS(X)
#undef X
  e.family("cluster_", "connect_duration_seconds", "histogram",
           "from the first attempt to connect to a usable connection");
  for (const auto& [cluster, tally] : clusters) e.histogram({{"cluster", cluster}}, tally.connect_duration);

  const ByLabel<Present> present = present_clusters(proxy, clusters);
  for (const Gauge& gauge : kGauges) {
    e.family("cluster_", gauge.name, "gauge", gauge.help);
    for (const auto& [cluster, now] : present) e.sample({{"cluster", cluster}}, now.*gauge.value);
  }
  e.family("cluster_", "circuit_breaker_open", "gauge", "1 while a limit of circuit_breaker_thresholds is reached");
  for (const auto& [cluster, now] : present) {
    for (const Breaker& b : kBreakers) e.sample({{"cluster", cluster}, {"limit", b.limit}}, now.*b.open);
  }
}

}  // namespace

std::string metrics_text(const Proxy& proxy) {
  std::string out;
  Exposition e(out);
  append_counters(proxy, e);
  append_routes(proxy, e);
  append_clusters(proxy, e);
  return out;
}

}  // namespace cardea::proxy
