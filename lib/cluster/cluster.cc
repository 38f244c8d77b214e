// What configurations compare by, and attempts from their owners' side.
#include "cluster/cluster.h"

#include <algorithm>
#include <tuple>

#include "cluster/live_cluster.h"

namespace cardea::cluster {

bool ClusterConfig::same(const ClusterConfig& other) const {
  // Naming every member makes a new one fail to compile until somebody has decided what it means here.
  auto identity = [](const ClusterConfig& c) {
    const auto& [name, endpoints, endpoints_file, tcp, balance, health_checks, outlier_detection, close_on_failure,
                 thresholds, per_endpoint, pool_per_user, preconnect, connect_timeout, pending_timeout, idle_timeout,
                 max_requests, max_duration, keepalive_interval, keepalive_timeout, dns_family, dns, dns_refresh,
                 dns_failure_refresh, tls, tls_options, tls_server_name, limits] = c;
    (void)name;
    (void)tls;
    (void)dns, (void)dns_family, (void)dns_refresh, (void)dns_failure_refresh;  // below
    return std::tie(endpoints, endpoints_file, tcp, balance, health_checks, outlier_detection, close_on_failure,
                    thresholds, per_endpoint, pool_per_user, preconnect, connect_timeout, pending_timeout, idle_timeout,
                    max_requests, max_duration, keepalive_interval, keepalive_timeout, tls_options, tls_server_name,
                    limits);
  };
  if (identity(*this) != identity(other)) return false;
  // Addresses do not care how names are resolved; what the host sets at run time keeps to the settings it began with.
  const bool asks = !endpoints_file.empty() || std::any_of(endpoints.begin(), endpoints.end(), [](const auto& e) {
    return !e.unix_socket && !net::Address::ip(e.host, 0);
  });
  auto resolution = [](const ClusterConfig& c) {
    return std::tie(c.dns_family, c.dns, c.dns_refresh, c.dns_failure_refresh);
  };
  return !asks || resolution(*this) == resolution(other);
}

const EndpointConfig& Endpoint::config() const {
  return state->config;
}
const net::Address& Endpoint::address() const {
  return state->addresses[0];
}
const std::string& Endpoint::text() const {
  return state->text;
}
const ClusterConfig& Endpoint::cluster() const {
  return *shared->config();
}

std::unique_ptr<Cluster> Cluster::make(net::Loop& loop, net::Network& network, std::shared_ptr<Shared> shared) {
  return std::make_unique<LiveCluster>(loop, network, std::move(shared));
}

std::unique_ptr<Cluster> Cluster::make(net::Loop& loop, net::Network& network,
                                       std::shared_ptr<const ClusterConfig> config, uint64_t seed) {
  return make(loop, network, std::make_shared<Shared>(std::move(config), nullptr, seed));
}

// ---- Attempt ----------------------------------------------------------------------------------------

void Attempt::start(Cluster& cluster, const Wish& wish) {
  cancel();
  if (endpoint_) tried_.push_back(std::move(endpoint_));
  cluster_ = &cluster;
  wish_ = wish;
  reused_ = false;
  connect_ms_ = 0;
  cluster.start(*this);
}

void Attempt::cancel() {
  if (cluster_) return cluster_->cancel(*this);
  if (connection_) connection_->release(*this);
}

bool Attempt::takes_extended_connect() const {
  return connection_ && connection_->takes_extended_connect();
}

void Attempt::report(health::Sign sign) {
  if (!connection_) return;
  if (health::Outliers* outliers = endpoint_->shared->outliers()) {
    outliers->record(*endpoint_->state->record, sign, connection_->now());
  }
}

}  // namespace cardea::cluster
