// The shared half: snapshot, workers, connection count.
#include "proxy/proxy.h"

#include <algorithm>

#include "base/random.h"
#include "proxy/worker.h"

namespace cardea::proxy {

Proxy::Proxy(config::SnapshotPtr first, std::unique_ptr<Hooks> hooks)
    : snapshot_(std::move(first)),
      hooks_(hooks ? std::move(hooks) : std::make_unique<Hooks>()),
      clusters_(this, random_seed()),
      limits_(random_seed()) {
  max_connections_ = snapshot_->max_connections;
  keep_tallies(*snapshot_);
  adopt_limits(*snapshot_);
}

Proxy::~Proxy() = default;

config::SnapshotPtr Proxy::snapshot() const {
  std::lock_guard lock(mutex_);
  return snapshot_;
}

Result<void> Proxy::check_served(const config::Snapshot& snapshot) const {
  if (hooks_->serves()) return {};
  for (const config::Route& route : snapshot.routes) {
    if (!route.served_by_host) continue;
    return Error{kEconfig,
                 "route '" + route.name + "': served_by_host, but this program has set no on_request handler"};
  }
  return {};
}

Result<void> Proxy::apply(config::SnapshotPtr next) {
  if (auto served = check_served(*next); !served) return served;
  std::lock_guard lock(mutex_);
  if (!workers_.empty()) {
    for (const config::Listener& l : next->listeners) {
      const auto& now = snapshot_->listeners;
      const bool known = std::any_of(now.begin(), now.end(), [&](const auto& o) { return o.name == l.name; });
      if (known || l.address.port() == 0 || l.reuse_port || sockets_.has_adopted(l)) continue;
      if (auto free = net::probe_bind(l.address); !free) return free;
    }
  }
  keep_tallies(*next);  // what can fail comes first
  adopt_limits(*next);
  sockets_.keep(*next);
  snapshot_ = std::move(next);
  max_connections_ = snapshot_->max_connections;
  version_.fetch_add(1, std::memory_order_release);
  for (Worker* w : workers_) w->post_adopt();
  return {};
}

void Proxy::drain(Millis deadline, std::function<void()> done) {
  DrainOrder order;
  order.allowed = deadline;
  order.gradual = snapshot()->drain_gradual;
  const DrainPtr begun = drains_.begin(*this, std::move(order), [done](const Drain&) {
    if (done) done();
  });
  if (!begun && done) done();
}

bool Proxy::admit_connection() {
  const uint32_t limit = max_connections_.load(std::memory_order_relaxed);
  if (connections_.fetch_add(1, std::memory_order_relaxed) < limit) return true;
  connections_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

bool Proxy::claim_admin(const Worker& worker) {
  std::lock_guard lock(mutex_);
  if (!admin_worker_) admin_worker_ = &worker;
  return admin_worker_ == &worker;
}

bool Proxy::has_workers() const {
  std::lock_guard lock(mutex_);
  return !workers_.empty();
}

void Proxy::add_worker(Worker& worker) {
  std::lock_guard lock(mutex_);
  workers_.push_back(&worker);
}

void Proxy::remove_worker(Worker& worker) {
  std::lock_guard lock(mutex_);
  std::erase(workers_, &worker);
  past_.add(worker.counters());
  if (admin_worker_ == &worker) admin_worker_ = nullptr;
}

// ---- numbers --------------------------------------------------------------------------------------

void Proxy::add_counters(Counters& sum) const {
  std::lock_guard lock(mutex_);
  sum.add(past_);
  for (const Worker* w : workers_) sum.add(w->counters());
}

void Proxy::keep_tallies(const config::Snapshot& snapshot) {
  std::vector<std::string> routes, clusters;
  for (const config::Route& route : snapshot.routes) {
    routes.push_back(route.name);
    if (route.cluster) clusters.push_back(route.cluster->name);
  }
  route_tallies_.keep(routes);
  clusters_.tallies().keep(clusters);
}

void Proxy::adopt_limits(const config::Snapshot& snapshot) {
  std::vector<limit::Scoped> all;
  for (ScopedShare& share : scoped_shares(snapshot)) all.push_back({std::move(share.scope), share.terms});
  limits_.adopt(all);
}

void Proxy::listener_drains(const std::string& listener) {
  std::lock_guard lock(draining_mutex_);
  ++draining_by_listener_[listener];
}

void Proxy::listener_drained(const std::string& listener) {
  std::lock_guard lock(draining_mutex_);
  auto row = draining_by_listener_.find(listener);
  if (row != draining_by_listener_.end() && --row->second == 0) draining_by_listener_.erase(row);
}

size_t Proxy::listeners_draining() const {
  std::lock_guard lock(draining_mutex_);
  return draining_by_listener_.size();
}

// ---- permissions ----------------------------------------------------------------------------------

bool Proxy::revoke(const Revocation& revocation, int64_t now_unix_ms) {
  if (!revocations_.add(revocation, now_unix_ms)) return false;
  Selector which;
  which.user = revocation.user;
  which.certificate_fingerprint = revocation.certificate_fingerprint;
  each_worker([&](Worker& w) { w.post_judge(which, Again::change); });
  return true;
}

void Proxy::reauthorize(const Selector& which) {
  each_worker([&](Worker& w) { w.post_judge(which, Again::host); });
}

RemoteKeySetPtr Proxy::remote_keys(const config::RemoteKeys& from) {
  std::lock_guard lock(mutex_);
  std::erase_if(key_sets_, [](const auto& entry) { return entry.second.expired(); });
  auto& known = key_sets_[{from.url, from.cache_duration}];
  RemoteKeySetPtr set = known.lock();
  if (!set) known = set = std::make_shared<RemoteKeySet>(from.cache_duration);
  return set;
}

void Proxy::keys_settled() {
  each_worker([](Worker& w) { w.post_keys_settled(); });
}

}  // namespace cardea::proxy
