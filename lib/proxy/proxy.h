// What workers share: the current snapshot, the host's hooks, connection count, the list of workers.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/series.h"
#include "cluster/shared.h"
#include "config/config.h"
#include "limit/registry.h"
#include "proxy/counters.h"
#include "proxy/drains.h"
#include "proxy/key_sets.h"
#include "proxy/listening_sockets.h"
#include "proxy/revocations.h"

namespace cardea::proxy {

class Exchange;
class Session;
class Worker;

// What the host may want to know or decide. Called on the worker's thread, inside a turn; must not throw.
class Hooks {
 public:
  virtual ~Hooks() = default;
  enum class Answer : uint8_t { deny, allow, pending };
  virtual bool authorizes() const { return false; }  // false: the criterion `host` is false
  // `token` completes a pending answer through authorize_complete().
  virtual Answer on_authorize(Exchange&, uint64_t /*token*/) { return Answer::deny; }
  // load_balancing_policy `host`: which of these takes it; -1: none does, and the client gets 503.
  virtual int on_pick(Exchange&, const std::vector<cluster::EndpointPtr>&) { return -1; }
  virtual void on_health(const cluster::HealthEvent&) {}
  // A custom health check is due; a pending one is answered later through Proxy::clusters().
  enum class Check : uint8_t { failed, passed, pending };
  virtual Check on_custom_check(Bytes /*cluster*/, Bytes /*endpoint*/, uint64_t /*token*/) { return Check::failed; }
  // Whether it answers requests of routes that are served_by_host, and one of them: false when it cannot be told. From
  // then on its token (HostStream) is news: something of the body can be read, there is room for more of the answer;
  // false as before.
  virtual bool serves() const { return false; }
  virtual bool on_serve(Exchange&, uint64_t /*token*/) { return false; }
  virtual bool on_readable(uint64_t /*token*/) { return false; }
  virtual bool on_writable(uint64_t /*token*/) { return false; }
  // Once for each exchange, before anything is asked about it: as soon as its route is known, or it has none.
  virtual void on_request_start(Exchange&) {}
  // A stream that lives long (Exchange::is_long_lived): when that is seen, and every access_log.periodic_interval.
  virtual void on_request_log(Exchange&) {}
  // Terminal: once for each exchange that was routed (or not found), also when drained or cut.
  virtual void on_request_end(Exchange&) {}
  virtual void on_conn_open(Session&) {}
  virtual void on_conn_close(Session&) {}  // terminal: once for each on_conn_open
};

// Thread-safe. Lives as long as a worker or the host holds it.
class Proxy : public std::enable_shared_from_this<Proxy>, private cluster::HealthObserver {
 public:
  Proxy(config::SnapshotPtr first, std::unique_ptr<Hooks> hooks);
  ~Proxy();

  config::SnapshotPtr snapshot() const;
  uint64_t version() const { return version_.load(std::memory_order_acquire); }  // changes with every apply()
  Hooks& hooks() { return *hooks_; }
  cluster::Registry& clusters() { return clusters_; }
  const cluster::Registry& clusters() const { return clusters_; }
  limit::Registry& limits() { return limits_; }
  // Makes `next` the configuration of every worker: their listeners are compared, new ones bound, gone ones
  // drained; live exchanges keep what they began with. An address that cannot be bound changes nothing.
  Result<void> apply(config::SnapshotPtr next);

  // Fails when a route is served by a host that serves none.
  Result<void> check_served(const config::Snapshot& snapshot) const;

  // Every worker stops accepting and lets exchanges finish; at the deadline the rest is cut. `done` runs once,
  // when no session is left: on the last worker's thread, or at once on the caller's when no worker is left.
  void drain(Millis deadline, std::function<void()> done);
  bool draining() const { return draining_; }
  Drains& drains() { return drains_; }  // drain() is one of everything
  void start_draining() { draining_ = true; }
  void stop_draining() { draining_ = false; }

  // Who may pass no more; live exchanges of theirs end within a turn of their workers. False: there is no room.
  bool revoke(const Revocation& revocation, int64_t now_unix_ms);
  const Revocations& revocations() const { return revocations_; }
  // Live exchanges that fit are judged again, each hook is asked again.
  void reauthorize(const Selector& which);
  // Keys that are fetched, shared by workers and generations while one of them uses them.
  RemoteKeySetPtr remote_keys(const config::RemoteKeys& from);
  void keys_settled();  // a fetch is over, well or not

  // max_connections over all workers.
  bool admit_connection();
  void release_connection() { connections_.fetch_sub(1, std::memory_order_relaxed); }

  ListeningSockets& sockets() { return sockets_; }

  // True for the first worker that asks, until it is removed.
  bool claim_admin(const Worker& worker);
  bool has_workers() const;
  template <class Fn>
  void each_worker(Fn fn) {  // under the lock: fn posts, no more
    std::lock_guard lock(mutex_);
    for (Worker* w : workers_) fn(*w);
  }
  void add_worker(Worker& worker);
  void remove_worker(Worker& worker);  // with its last numbers

  // Sum over all workers, past ones included, at one moment.
  void add_counters(Counters& sum) const;
  // fn(name, kind, help, value) for each of them and listeners_draining.
  template <class Fn>
  void each_counter(Fn fn) const;
  SeriesByName<RouteTally>& route_tallies() { return route_tallies_; }
  const SeriesByName<RouteTally>& route_tallies() const { return route_tallies_; }
  // A connection of this listener was told to finish, and has ended.
  void listener_drains(const std::string& listener);
  void listener_drained(const std::string& listener);
  size_t listeners_draining() const;

 private:
  void on_health(const cluster::HealthEvent& event) override { hooks_->on_health(event); }
  bool on_custom_check(Bytes cluster, Bytes endpoint, uint64_t token) override {
    const Hooks::Check answer = hooks_->on_custom_check(cluster, endpoint, token);
    if (answer == Hooks::Check::passed) clusters_.complete_check(token, true);
    return answer != Hooks::Check::failed;
  }
  void keep_tallies(const config::Snapshot& snapshot);
  void adopt_limits(const config::Snapshot& snapshot);

  mutable std::mutex mutex_;
  config::SnapshotPtr snapshot_;
  std::unique_ptr<Hooks> hooks_;
  cluster::Registry clusters_;
  limit::Registry limits_;
  Drains drains_;
  std::vector<Worker*> workers_;
  const Worker* admin_worker_ = nullptr;
  Revocations revocations_;
  std::map<std::pair<std::string, Millis>, std::weak_ptr<RemoteKeySet>> key_sets_;  // by address and cache time
  ListeningSockets sockets_;
  Counters past_;
  SeriesByName<RouteTally> route_tallies_;
  mutable std::mutex draining_mutex_;
  std::map<std::string, size_t> draining_by_listener_;  // connections that were told to finish, by listener
  std::atomic<uint32_t> connections_{0};
  std::atomic<uint32_t> max_connections_{0};
  std::atomic<bool> draining_{false};
  std::atomic<uint64_t> version_{0};
};

template <class Fn>
void Proxy::each_counter(Fn fn) const {
  Counters sum;
  add_counters(sum);
#define X(name, kind, help) fn(#name, kind, help, sum.name.load(std::memory_order_relaxed));
  CARDEA_COUNTERS(X)
#undef X
  fn("listeners_draining", "gauge", "listeners some of whose connections were told to finish and are open",
     uint64_t(listeners_draining()));
}

// Completes a pending authorization; any thread. False: the request is gone or was already decided.
bool authorize_complete(uint64_t token, bool allow, Bytes identity);

}  // namespace cardea::proxy
