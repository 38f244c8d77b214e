// One cluster at work on one worker: its endpoints, their pools, and the limits that they share.
#pragma once

#include "cluster/pool.h"
#include "cluster/shared.h"

namespace cardea::cluster {

class LiveCluster final : public Cluster, private Follower, private net::Flushable {
 public:
  LiveCluster(net::Loop& loop, net::Network& network, std::shared_ptr<Shared> shared);
  ~LiveCluster() override;

  const ClusterConfig& config() const override { return config_; }
  Shared& shared() const override { return *shared_; }
  const std::vector<EndpointPtr>& endpoints() const override { return endpoints_; }
  ClusterStats stats() const override;
  Tally& tally() override { return *tally_; }
  bool may_retry(const Endpoint* endpoint) override;
  void retry_over(const Endpoint* endpoint) override;
  void close_when_idle(std::function<void()> done) override;
  void close_now() override;

  // For pools.
  net::Loop& loop() { return loop_; }
  net::Network& network() { return network_; }
  bool closing() const { return closing_; }
  size_t pool_count() const { return pools_.size(); }
  bool may_wait(Endpoint& endpoint);      // counts one more pending attempt, or refuses it
  void on_wait_over(Endpoint* endpoint);  // one less; null: it waited for an endpoint
  bool may_send(Endpoint& endpoint);      // counts one more exchange, until Connection gives it back
  // Counts one more connection, if `may_evict` at the price of an idle one where there is no room, or refuses it.
  bool may_connect(Endpoint& endpoint, bool may_evict);
  void on_connection_opened() { add(tally_->connections_total); }
  void on_connection_closed(Endpoint& endpoint);
  // A pool wants a connection and there is no room; false: nothing would ever come free for it.
  bool starve(Endpoint& endpoint, bool has_connections);
  void wake_starved();                     // a connection became idle or ended
  void on_idle(const Endpoint& endpoint);  // one of its connections is, now and maybe inside its codec
  void schedule() { loop_.flush_later(*this); }
  void fail(Attempt& attempt, const http::End& end);  // one that is in no queue any more

 private:
  void start(Attempt& attempt) override;
  void cancel(Attempt& attempt) override;
  void on_news() override;
  void on_room() override { wake_starved(); }
  void on_room_wanted() override;
  void flush() override;
  bool update_members(std::vector<EndpointPtr>& removed);
  void update_fitness();
  void rebalance();
  void leave_endpoint(Endpoint& endpoint);  // its attempts go elsewhere
  EndpointPtr pick(Attempt& attempt);
  EndpointPtr ask_host(Attempt& attempt);
  Pool& pool_of(const EndpointPtr& endpoint, Bytes user);
  void place(Attempt& attempt, bool counted);
  void place_waiting();
  void wait_for_endpoint(Attempt& attempt);
  bool evict_idle(const Endpoint* of);  // null: of any
  void give_way();                      // to workers that starve
  void expire();
  void arm_expiry();
  void fail_all(const http::End& end);

  net::Loop& loop_;
  net::Network& network_;
  const std::shared_ptr<Shared> shared_;
  const ClusterConfig& config_;  // shared_'s
  balance::Balancer balancer_;
  const bool host_chooses_;
  const std::shared_ptr<Tally> tally_;
  uint64_t connections_ = 0, pending_ = 0;
  RosterPtr roster_;
  std::vector<EndpointPtr> endpoints_;  // in the balancer's order
  std::vector<std::unique_ptr<Pool>> pools_;
  List<Attempt> for_endpoint_;  // wait for the first one, oldest first
  net::Timer expiry_;
  bool starved_ = false;  // some pool is
  bool closing_ = false;
  std::vector<std::function<void()>> done_;
};

}  // namespace cardea::cluster
