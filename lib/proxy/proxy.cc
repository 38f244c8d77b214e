// The shared half: snapshot, workers, connection count.
#include "proxy/proxy.h"

#include <algorithm>

#include "proxy/worker.h"

namespace cardea::proxy {

Proxy::Proxy(config::SnapshotPtr first, std::unique_ptr<Hooks> hooks)
    : snapshot_(std::move(first)), hooks_(hooks ? std::move(hooks) : std::make_unique<Hooks>()) {
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
  snapshot_ = std::move(next);
  max_connections_ = snapshot_->max_connections;
  for (Worker* w : workers_) w->post_adopt();
  return {};
}

void Proxy::drain(Millis deadline, std::function<void()> done) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  if (workers_.empty()) {
    lock.unlock();
    if (done) done();
    return;
  }
  auto left = std::make_shared<std::atomic<size_t>>(workers_.size());
  auto one_done = [left, done = std::move(done)] {
    if (left->fetch_sub(1) == 1 && done) done();
  };
  for (Worker* w : workers_) w->post_drain(deadline, one_done);
}

bool Proxy::admit_connection() {
  const uint32_t limit = max_connections_.load(std::memory_order_relaxed);
  if (connections_.fetch_add(1, std::memory_order_relaxed) < limit) return true;
  connections_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

net::Address Proxy::bound_address(const config::Listener& listener) const {
  std::lock_guard lock(mutex_);
  for (const auto& [name, address] : bound_) {
    if (name == listener.name) return address;
  }
  return {};
}

void Proxy::remember_bound(const config::Listener& listener, const net::Address& address) {
  std::lock_guard lock(mutex_);
  for (auto& [name, known] : bound_) {
    if (name == listener.name) {
      known = address;
      return;
    }
  }
  bound_.emplace_back(listener.name, address);
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

}  // namespace cardea::proxy
