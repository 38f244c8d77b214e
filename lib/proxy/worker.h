// One loop with its listeners, sessions and clusters.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/list.h"
#include "base/random.h"
#include "cluster/cluster.h"
#include "proxy/admin_place.h"
#include "proxy/assertions.h"
#include "proxy/drains.h"
#include "proxy/identifier.h"
#include "proxy/leases.h"
#include "proxy/listening.h"
#include "proxy/proxy.h"
#include "proxy/selector.h"
#include "proxy/session.h"
#include "proxy/shares.h"
#include "proxy/tokens.h"

namespace cardea::proxy {

// A snapshot as one worker uses it: with this worker's clusters. Exchanges hold the one they began with; a cluster
// that no generation uses any more closes its idle connections.
struct Generation {
  config::SnapshotPtr snapshot;
  std::vector<std::shared_ptr<cluster::Cluster>> clusters;  // distinct
  std::vector<cluster::Cluster*> cluster_of_route;          // by Route::index; null without
  std::vector<ProviderPtr> providers;                       // in file order
  std::vector<RouteShares> shares_of_route;                 // by Route::index; empty: no limits anywhere
  // This worker's numbers of routes: by Route::index, and by the series that they are parts of.
  std::vector<RouteTally*> tally_of_route;
  std::unordered_map<const Series<RouteTally>*, std::shared_ptr<RouteTally>> tallies;
};
using GenerationPtr = std::shared_ptr<const Generation>;

class Worker {
 public:
  // `loop` and `network` outlive the worker.
  Worker(std::shared_ptr<Proxy> proxy, net::Loop& loop, net::Network& network);
  ~Worker();  // after close() has completed, or without any session
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Binds every listener of the current snapshot, or none. On the loop's thread.
  Result<void> open();
  // Takes the proxy's current snapshot into use. On the loop's thread.
  void adopt_snapshot();
  // Any thread: adopt_snapshot() in a later turn.
  void post_adopt();
  // A connection that the host accepted, as if it had come to this listener; `preread` was read already.
  Result<void> adopt_fd(int fd, size_t listener, Bytes preread);
  // Stops accepting, lets exchanges finish, cuts what is left at the deadline; `done` once no session is left.
  void drain(Millis deadline, std::function<void()> done);
  void post_drain(Millis deadline, std::function<void()> done);  // any thread
  // For WorkerDrains: the listening sockets of this name close, or open again.
  void stop_listening(const std::string& listener);
  void listen_again();
  void extend_drain(Millis deadline);  // of the whole worker
  WorkerDrains& drains() { return drains_; }
  // Closes everything now; `done` runs in a later turn when the last session is gone.
  void close(std::function<void()> done);
  bool closing() const { return closing_; }

  Proxy& proxy() { return *proxy_; }
  net::Loop& loop() { return loop_; }
  const GenerationPtr& generation() const { return generation_; }
  // The same, and never older than the last apply() that has returned: for an exchange that begins now. The listeners
  // follow in a turn of their own.
  const GenerationPtr& current_generation();
  Counters& counters() { return counters_; }
  Random& random() { return random_; }
  net::Network& network() { return network_; }
  const Counters& counters() const { return counters_; }
  size_t sessions() const { return session_count_; }
  std::vector<net::Address> bound_addresses() const { return listening_.addresses(); }
  template <class Fn>
  void each_session(Fn fn) {
    sessions_.each(fn);
  }
  template <class Fn>
  void each_exchange(Fn fn) {
    young_.each(fn);
    settled_.each(fn);
  }

  // Live exchanges that fit are judged again, and their hooks are asked again. Any thread; a few a turn.
  void post_judge(Selector which, Again why);
  void post_keys_settled();  // any thread: who waits for keys looks again, and who lives by other keys is judged
  // Live exchanges that fit lose their permission; how many. On the loop's thread.
  size_t withdraw(const Selector& which, const http::End& end, const std::string& by);
  // Runs fn in a later turn of this worker, unless it is gone by then. Any thread.
  void post(std::function<void(Worker&)> fn);
  // From any thread, as long as anybody holds it: runs what it is given in a turn of this worker, if that lives.
  std::function<void(std::function<void()>)> returning();
  // A snapshot as a generation that no exchange will use: without clusters.
  GenerationPtr trial_generation(config::SnapshotPtr snapshot) const;

  // The admin interface's address and that of the metrics; empty: it is not on this worker.
  std::optional<net::Address> admin_address() const { return admin_.address(); }
  std::optional<net::Address> metrics_address() const { return metrics_.address(); }

  // For listeners.
  void accept(const config::Listener& listener, std::unique_ptr<net::Stream> stream);

  // For sessions and exchanges.
  void session_began(Session& session);
  void session_ended(Session& session);
  void exchange_began(Exchange& exchange);
  void exchange_ended(Exchange& exchange);
  void end_exchanges(Session& session, const http::End& end);
  Bytes http_date();                        // of this second, RFC 9110 5.6.7
  Bytes new_request_id(Arena& arena);       // UUID version 4
  TokenTable& tokens() { return tokens_; }  // pending authorizations
  Identifier& identifier() { return identifier_; }
  Leases& leases() { return leases_; }
  Assertions& assertions() { return assertions_; }
  void wait_for_keys(Exchange& exchange);

 private:
  friend bool authorize_complete(uint64_t, bool, Bytes);
  bool complete(uint64_t token, bool allow, Bytes identity);
  GenerationPtr make_generation(config::SnapshotPtr snapshot);
  std::vector<ProviderPtr> make_providers(const config::Snapshot& snapshot) const;
  void make_tallies(Generation& next) const;
  Result<void> open_admin(const config::Snapshot& snapshot);
  void check_drained();
  void cut_late();
  void cut_sessions(const http::End& end);
  std::function<void()> guarded(std::function<void()> fn);  // fn, unless the worker is gone by then
  void fetch_keys(const ProviderPtr& provider, bool unknown_key);
  void keys_fetched(const RemoteKeySetPtr& set, Result<token::KeySetPtr> keys);
  void fetch_missing_keys();
  void keys_settled();
  void watch_young();
  void settle_young();
  void start_round(Selector which, Again why);
  void judge_some();

  std::shared_ptr<Proxy> proxy_;
  net::Loop& loop_;
  net::Network& network_;
  GenerationPtr generation_;
  uint64_t version_ = 0;          // of the proxy, when generation_ was made
  config::SnapshotPtr listened_;  // whose listeners listening_ has
  Listening listening_;
  AdminPlace admin_, metrics_;  // on one worker of the proxy
  List<Session> sessions_;
  // Exchanges by age: only those that live for a while are worth an entry in leases_.
  List<Exchange, LivePlace> young_, settled_;
  List<Exchange, KeysPlace> waiting_for_keys_;
  std::unordered_map<RemoteKeySet*, std::unique_ptr<KeyFetch>> fetches_;
  Identifier identifier_;
  Leases leases_;
  Assertions assertions_;
  net::Timer young_timer_;
  // Judging all that fit, a few a turn, one round after the other.
  struct Round {
    uint64_t number;
    Selector which;
    Again why;
  };
  std::deque<Round> rounds_;
  uint64_t last_round_ = 0;
  size_t session_count_ = 0;
  Counters counters_;
  net::Timer drain_timer_;
  WorkerDrains drains_;
  std::vector<std::function<void()>> drained_;
  bool draining_ = false, closing_ = false;
  bool late_ = false;  // the drain's deadline has passed
  std::string date_;
  Millis date_at_ = 0;
  TokenTable tokens_;
  std::shared_ptr<bool> alive_;  // false once destroyed: what was posted before finds out
  Random random_;
};

}  // namespace cardea::proxy
