// The shared half: snapshot, workers, connection count.
#include "proxy/proxy.h"

#include <algorithm>

#include "base/random.h"
#include "proxy/worker.h"

namespace cardea::proxy {

Proxy::Proxy(config::SnapshotPtr first, std::unique_ptr<Hooks> hooks)
    : snapshot_(std::move(first)),
      hooks_(hooks ? std::move(hooks) : std::make_unique<Hooks>()),
      clusters_(this, random_seed()) {
  max_connections_ = snapshot_->max_connections;
}

Proxy::~Proxy() = default;

config::SnapshotPtr Proxy::snapshot() const {
  std::lock_guard lock(mutex_);
  return snapshot_;
}

Result<void> Proxy::apply(config::SnapshotPtr next) {
  std::lock_guard lock(mutex_);
  if (!workers_.empty()) {
    for (const config::Listener& l : next->listeners) {
      const auto& now = snapshot_->listeners;
      const bool known = std::any_of(now.begin(), now.end(), [&](const auto& o) { return o.name == l.name; });
      if (known || l.address.port() == 0) continue;
      if (auto free = net::probe_bind(l.address); !free) return free;
    }
  }
  // A listener that is gone gives its port back: should it return, ":0" is settled anew.
  std::erase_if(bound_, [&](const auto& bound) {
    return std::none_of(next->listeners.begin(), next->listeners.end(),
                        [&](const auto& l) { return l.name == bound.name; });
  });
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

net::Address Proxy::bound_address(const config::Listener& listener) const {
  std::lock_guard lock(mutex_);
  for (const Bound& b : bound_) {
    if (b.name == listener.name) return b.address;
  }
  return {};
}

std::shared_ptr<net::UnixSocket> Proxy::bound_socket(const config::Listener& listener) const {
  std::lock_guard lock(mutex_);
  for (const Bound& b : bound_) {
    if (b.name == listener.name) return b.socket.lock();
  }
  return nullptr;
}

void Proxy::remember_bound(const config::Listener& listener, const net::Listener& socket) {
  std::lock_guard lock(mutex_);
  std::erase_if(bound_, [&](const Bound& b) { return b.name == listener.name; });
  bound_.push_back({listener.name, socket.address(), socket.unix_socket()});
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
  if (admin_worker_ == &worker) admin_worker_ = nullptr;
}

void Proxy::fold(const Counters& gone) {
  std::lock_guard lock(mutex_);
#define X(name, kind, help) past_.name += gone.name;
  CARDEA_COUNTERS(X)
#undef X
}

uint64_t Proxy::total(std::atomic<uint64_t> Counters::*counter) const {
  std::lock_guard lock(mutex_);
  uint64_t sum = past_.*counter;
  for (const Worker* w : workers_) sum += w->counters().*counter;
  return sum;
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
