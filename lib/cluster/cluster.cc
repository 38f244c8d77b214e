// One cluster at work: picking, waiting for names, limits, closing; and what configurations compare by.
#include "cluster/cluster.h"

#include <algorithm>
#include <tuple>

#include "cluster/live_cluster.h"

namespace cardea::cluster {

bool ClusterConfig::same(const ClusterConfig& other) const {
  // Naming every member makes a new one fail to compile until somebody has decided what it means here.
  auto identity = [](const ClusterConfig& c) {
    const auto& [name, endpoints, lb_policy, connect_timeout, idle_timeout, dns_family, dns, dns_refresh,
                 dns_failure_refresh, tls, tls_options, tls_server_name, limits, max_connections, max_pending] = c;
    (void)name;
    (void)tls;
    return std::tie(endpoints, lb_policy, connect_timeout, idle_timeout, dns_family, dns, dns_refresh,
                    dns_failure_refresh, tls_options, tls_server_name, limits, max_connections, max_pending);
  };
  return identity(*this) == identity(other);
}

// ---- Attempt ----------------------------------------------------------------------------------------

void Attempt::start(Cluster& cluster, const Endpoint* avoid, bool fresh) {
  cancel();
  cluster_ = &cluster;
  fresh_ = fresh;
  reused_ = false;
  connect_ms_ = 0;
  cluster.start(*this, avoid);
}

void Attempt::cancel() {
  if (cluster_) return cluster_->cancel(*this);
  if (connection_) connection_->release(*this);
}

bool Attempt::takes_extended_connect() const {
  return connection_ && connection_->takes_extended_connect();
}

// ---- LiveCluster ------------------------------------------------------------------------------------

std::unique_ptr<Cluster> Cluster::make(net::Loop& loop, net::Network& network,
                                       std::shared_ptr<const ClusterConfig> config) {
  std::unique_ptr<Balancer> balancer = make_balancer(config->lb_policy);
  return std::make_unique<LiveCluster>(loop, network, std::move(config), std::move(balancer));
}

LiveCluster::LiveCluster(net::Loop& loop, net::Network& network, std::shared_ptr<const ClusterConfig> config,
                         std::unique_ptr<Balancer> balancer)
    : loop_(loop),
      network_(network),
      config_(std::move(config)),
      balancer_(std::move(balancer)),
      expiry_(loop, [this] { expire(); }),
      members_(loop, network, config_, *this) {
  members_.start();
}

LiveCluster::~LiveCluster() {
  closing_ = true;
  done_.clear();
  fail_all({http::EndCause::draining, "cluster"});
}

void LiveCluster::fail(Attempt& attempt, const http::End& end) {
  attempt.cluster_ = nullptr;
  attempt.events_.on_failed(attempt, end);
}

void LiveCluster::start(Attempt& attempt, const Endpoint* avoid) {
  attempt.started_ = loop_.now();
  if (closing_) return fail(attempt, {http::EndCause::draining, "cluster"});
  place(attempt, avoid, false);
}

// `counted`: it waits already, and its place in line is by started_.
void LiveCluster::place(Attempt& attempt, const Endpoint* avoid, bool counted) {
  EndpointPtr picked = balancer_ ? balancer_->pick(avoid) : nullptr;
  if (picked) {
    ++stats_.picks;
    attempt.avoid_ = avoid;
    attempt.endpoint_ = std::move(picked);
    return attempt.endpoint_->pool->start(attempt, counted);
  }
  if (members_.endpoints().empty() && members_.resolving()) {
    if (!counted && !may_wait()) return fail(attempt, {http::EndCause::overload, "max_pending"});
    return wait_for_name(attempt, avoid);
  }
  if (counted) on_wait_over();
  fail(attempt, members_.failure());
}

void LiveCluster::wait_for_name(Attempt& attempt, const Endpoint* avoid) {
  attempt.avoid_ = avoid;
  attempt.endpoint_ = nullptr;
  Attempt* before = for_name_.back();
  while (before && before->started_ > attempt.started_) before = for_name_.before(*before);
  if (before) {
    for_name_.insert_after(attempt, *before);
  } else {
    for_name_.push_front(attempt);
  }
  arm_expiry();
}

void LiveCluster::cancel(Attempt& attempt) {
  attempt.cluster_ = nullptr;
  if (attempt.endpoint_) {
    attempt.endpoint_->pool->leave_queue(attempt);
  } else {
    static_cast<Link&>(attempt).unlink();
  }
  on_wait_over();
}

void LiveCluster::arm_expiry() {
  Attempt* first = for_name_.front();
  if (config_->connect_timeout == 0 || !first) return;
  Millis due = first->started_ + config_->connect_timeout;
  if (!expiry_.active() || expiry_.deadline() > due) expiry_.start_at(due);
}

void LiveCluster::expire() {
  while (Attempt* first = for_name_.front()) {
    if (first->started_ + config_->connect_timeout > loop_.now()) break;
    static_cast<Link&>(*first).unlink();
    on_wait_over();
    fail(*first, {http::EndCause::connect_timeout, "dns"});
  }
  arm_expiry();
}

// ---- limits -----------------------------------------------------------------------------------------

bool LiveCluster::may_wait() {
  if (stats_.pending >= config_->max_pending) {
    ++stats_.pending_overflow;
    return false;
  }
  ++stats_.pending;
  return true;
}

void LiveCluster::on_wait_over() {
  --stats_.pending;
  if (closing_) schedule();
}

bool LiveCluster::may_connect() {
  if (stats_.connections < config_->max_connections) return true;
  for (auto& pool : pools_) {
    if (pool->evict_idle()) break;
  }
  return stats_.connections < config_->max_connections;
}

void LiveCluster::on_connection_opened() {
  ++stats_.connections;
  ++stats_.connects;
}

void LiveCluster::on_connection_closed() {
  --stats_.connections;
  wake_starved();
  if (closing_) schedule();
}

void LiveCluster::wake_starved() {
  if (!starved_) return;
  starved_ = false;
  for (auto& pool : pools_) {
    if (pool->take_starved()) pool->schedule();
  }
}

// ---- members ----------------------------------------------------------------------------------------

void LiveCluster::add_pool(const EndpointPtr& endpoint) {
  pools_.push_back(std::make_unique<Pool>(*this, endpoint));
}

void LiveCluster::on_members(const std::vector<EndpointPtr>& added, const std::vector<EndpointPtr>& removed) {
  for (const EndpointPtr& e : added) add_pool(e);
  if (balancer_) balancer_->set(members_.endpoints());
  for (const EndpointPtr& e : removed) e->pool->retire();
  for (const EndpointPtr& e : removed) {
    while (Attempt* attempt = e->pool->first_waiting()) {
      e->pool->leave_queue(*attempt);
      place(*attempt, attempt->avoid_, true);
    }
  }
}

void LiveCluster::on_resolution() {
  if (!members_.endpoints().empty()) return place_waiting();
  if (members_.resolving()) return;
  http::End end = members_.failure();
  while (Attempt* attempt = for_name_.front()) {
    static_cast<Link&>(*attempt).unlink();
    on_wait_over();
    fail(*attempt, end);
  }
}

void LiveCluster::place_waiting() {
  while (Attempt* attempt = for_name_.front()) {
    static_cast<Link&>(*attempt).unlink();
    place(*attempt, attempt->avoid_, true);
  }
}

// ---- closing ----------------------------------------------------------------------------------------

void LiveCluster::flush() {
  for (size_t i = 0; i < pools_.size();) {
    if (pools_[i]->retired() && pools_[i]->empty()) {
      pools_[i]->endpoint().pool = nullptr;
      loop_.defer_delete(std::move(pools_[i]));
      pools_.erase(pools_.begin() + ptrdiff_t(i));
    } else {
      ++i;
    }
  }
  if (!closing_ || stats_.connections > 0 || stats_.pending > 0) return;
  for (auto& done : std::exchange(done_, {})) loop_.next_turn(std::move(done));
}

void LiveCluster::close_when_idle(std::function<void()> done) {
  closing_ = true;
  if (done) done_.push_back(std::move(done));
  for (auto& pool : pools_) pool->schedule();
  schedule();
}

void LiveCluster::close_now() {
  closing_ = true;
  http::End end{http::EndCause::draining, "closed"};
  fail_all(end);
  // By number: resets may come back here, and pools are only ever added at the end or dropped in flush().
  for (size_t i = 0; i < pools_.size(); ++i) pools_[i]->close_now(end);
  schedule();
}

void LiveCluster::fail_all(const http::End& end) {
  while (Attempt* attempt = for_name_.front()) {
    static_cast<Link&>(*attempt).unlink();
    on_wait_over();
    fail(*attempt, end);
  }
  for (size_t i = 0; i < pools_.size(); ++i) pools_[i]->fail_waiting(end);
}

ClusterStats LiveCluster::stats() const {
  ClusterStats stats = stats_;
  for (const auto& pool : pools_) stats.idle += pool->idle();
  return stats;
}

}  // namespace cardea::cluster
