// What the workers of a proxy share of one cluster: its endpoints, their fitness, what is in use.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/random.h"
#include "cluster/discovery.h"

namespace cardea::cluster {

// An edge of an endpoint's fitness. Views last for the call.
struct HealthEvent {
  Bytes cluster, endpoint;
  bool healthy = false;
  Bytes cause;           // "http 503", "connect ECONNREFUSED", "passed", "consecutive_5xx", "time"
  bool outlier = false;  // passive: traffic said so
  bool enforced = true;  // false: an outlier that stays in use
};

// What the outside gets to know and is asked. Calls come on some worker's thread.
class HealthObserver {
 public:
  virtual void on_health(const HealthEvent& event) = 0;
  // A custom check is due: answer later with Shared::complete_check(). False: nobody checks.
  virtual bool on_custom_check(Bytes cluster, Bytes endpoint, uint64_t token) = 0;

 protected:
  ~HealthObserver() = default;
};

// A LiveCluster as its siblings on other workers know it.
class Follower {
 public:
  // Endpoints or their fitness have changed, or a question about names ended. On its own loop, inside a turn.
  virtual void on_news() = 0;
  // Another worker has given a connection back, or wants one: there may be room again.
  virtual void on_room() = 0;
  virtual void on_room_wanted() = 0;

 protected:
  ~Follower() = default;
};

class Keeper;

// One configured cluster of one proxy. The first worker that joins keeps it: its loop resolves names, runs the checks
// and sweeps outliers; when it leaves, another takes over. Any thread, unless a comment says more.
class Shared final : public std::enable_shared_from_this<Shared> {
 public:
  // `observer` (may be null) outlives it. `previous`: endpoints of the configuration before, whose fitness is still
  // good for the same addresses. `seed`: of everything here that is left to chance. `tallies`: where it is counted,
  // with others of its name; null: on its own.
  Shared(std::shared_ptr<const ClusterConfig> config, HealthObserver* observer, uint64_t seed,
         RosterPtr previous = nullptr, std::shared_ptr<TallySeries> tallies = nullptr);
  ~Shared();

  const std::shared_ptr<const ClusterConfig>& config() const { return config_; }
  uint64_t next_seed() { return seed_.fetch_add(1, std::memory_order_relaxed); }
  Gauge connections, pending, requests, retries;
  const std::shared_ptr<TallySeries>& tallies() const { return tallies_; }
  uint32_t retry_limit() const;       // max_retries, or what retry_budget makes of the exchanges now
  Tally& tally() { return *tally_; }  // what happens once for all workers: add_shared() alone

  // On the follower's thread. Inside join() its on_news() may come.
  void join(Follower& follower, net::Loop& loop, net::Network& network);
  void leave(Follower& follower);

  RosterPtr roster() const;
  bool resolving() const;
  http::End failure() const;  // why there is no endpoint

  health::Outliers* outliers() { return outliers_.get(); }  // null: not configured
  void mark_used();                                         // traffic has come: checks go on at their full rate
  // Someone starves at max_connections, of the cluster or, if not null, of an endpoint: others may give up idle ones
  // as long as wants_room(); all that starve hear when one is free.
  void want_room(const Follower& asker, EndpointState* endpoint);
  bool wants_room() const { return starved_.load(std::memory_order_relaxed); }
  void connection_closed(EndpointState& endpoint);
  void room_again(EndpointState& endpoint);  // a count was given back
  bool shared_with_others() const { return followers_count_.load(std::memory_order_relaxed) > 1; }

  void set_endpoints(std::optional<std::vector<EndpointConfig>> endpoints);
  bool complete_check(uint64_t token, bool healthy);  // false: over, or not one of this cluster's tokens

 private:
  friend class Keeper;
  static constexpr int kTokenBits = 40;  // of a token, what its keepers count; above: whose keepers
  enum class News : uint8_t { endpoints, room, room_wanted };
  struct Place {
    Follower* follower;
    net::Loop* loop;
    net::Network* network;
    std::shared_ptr<bool> alive;  // touched on its thread alone
    bool told[3] = {};            // on its way; guarded by mutex_
  };
  void tell(News news, const Follower* but);
  void publish(RosterPtr roster);
  void publish(bool resolving, const http::End& failure);
  void on_edge(const health::Outliers::Edge& edge);
  void appoint();  // a keeper among those who are there
  void become_keeper(Follower& follower);
  void expect_check(uint64_t token);  // the host may answer it for a while
  void post_to_keeper(std::function<void(Keeper&)> fn);

  const uint64_t number_;  // in the process
  const std::shared_ptr<const ClusterConfig> config_;
  HealthObserver* const observer_;
  const std::shared_ptr<TallySeries> tallies_;
  const std::shared_ptr<Tally> tally_;
  std::atomic<uint64_t> seed_;
  std::unique_ptr<health::Outliers> outliers_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Place>> followers_;
  std::atomic<size_t> followers_count_{0};
  std::atomic<uint64_t> last_token_{0};  // of custom checks, over all keepers
  std::vector<std::pair<uint64_t, Millis>>
      asked_;  // tokens that the host may answer, and until when; guarded by mutex_
  std::atomic<bool> used_{false}, starved_{false};
  RosterPtr roster_ = std::make_shared<Roster>();
  RosterPtr previous_;
  bool resolving_ = false;
  http::End failure_{http::EndCause::no_upstream, "no_endpoint"};
  std::optional<std::vector<EndpointConfig>> host_endpoints_;
  bool host_set_ = false;
  Place* keeper_place_ = nullptr;
  std::unique_ptr<Keeper> keeper_;  // touched on its place's thread alone
};

// The clusters of a proxy. Any thread.
class Registry {
 public:
  Registry(HealthObserver* observer, uint64_t seed) : observer_(observer), random_(seed) {}
  // The one that same() says is it, or a new one.
  std::shared_ptr<Shared> find(const std::shared_ptr<const ClusterConfig>& config);
  std::vector<std::shared_ptr<Shared>> all() const;
  // The endpoints of the clusters with this name, now and in later configurations: a text as in endpoints_file;
  // nullopt: those that are configured. Fails with kEnotfound or kEinval, which names every fault; nothing has changed
  // then.
  Result<void> set_endpoints(const std::string& cluster, std::optional<Bytes> list);
  bool complete_check(uint64_t token, bool healthy);   // false: over, or never was
  SeriesByName<Tally>& tallies() { return tallies_; }  // by the names of clusters
  const SeriesByName<Tally>& tallies() const { return tallies_; }

 private:
  HealthObserver* const observer_;
  SeriesByName<Tally> tallies_;
  mutable std::mutex mutex_;
  Random random_;
  mutable std::vector<std::weak_ptr<Shared>> all_;
  std::vector<std::pair<std::string, std::string>> by_host_;  // lists, by cluster; each configuration reads its own
};

}  // namespace cardea::cluster
