// One cluster at work on one worker: its members, their pools, and what they share.
#pragma once

#include "cluster/endpoints.h"
#include "cluster/pool.h"

namespace cardea::cluster {

class LiveCluster final : public Cluster, private MembershipEvents, private net::Flushable {
 public:
  LiveCluster(net::Loop& loop, net::Network& network, std::shared_ptr<const ClusterConfig> config,
              std::unique_ptr<Balancer> balancer);
  ~LiveCluster() override;

  const ClusterConfig& config() const override { return *config_; }
  std::vector<EndpointPtr> endpoints() const override { return members_.endpoints(); }
  ClusterStats stats() const override;
  void close_when_idle(std::function<void()> done) override;
  void close_now() override;

  // For pools.
  net::Loop& loop() { return loop_; }
  net::Network& network() { return network_; }
  ClusterStats& counters() { return stats_; }
  bool closing() const { return closing_; }
  bool may_wait();      // counts one more pending attempt, or refuses it
  void on_wait_over();  // one less
  bool may_connect();   // room for one more connection, at the price of an idle one if need be
  void on_connection_opened();
  void on_connection_closed();
  void on_starved() { starved_ = true; }
  void wake_starved();  // a connection became idle or ended
  void schedule() { loop_.flush_later(*this); }
  void fail(Attempt& attempt, const http::End& end);  // one that is in no queue any more

 private:
  void start(Attempt& attempt, const Endpoint* avoid) override;
  void cancel(Attempt& attempt) override;
  void on_members(const std::vector<EndpointPtr>& added, const std::vector<EndpointPtr>& removed) override;
  void on_resolution() override;
  void flush() override;
  void add_pool(const EndpointPtr& endpoint);
  void place(Attempt& attempt, const Endpoint* avoid, bool counted);
  void place_waiting();
  void wait_for_name(Attempt& attempt, const Endpoint* avoid);
  void expire();
  void arm_expiry();
  void fail_all(const http::End& end);

  net::Loop& loop_;
  net::Network& network_;
  std::shared_ptr<const ClusterConfig> config_;
  std::unique_ptr<Balancer> balancer_;
  ClusterStats stats_;
  std::vector<std::unique_ptr<Pool>> pools_;
  List<Attempt> for_name_;  // wait for the first address, oldest first
  net::Timer expiry_;
  bool starved_ = false;  // some pool is
  bool closing_ = false;
  std::vector<std::function<void()>> done_;
  Membership members_;
};

}  // namespace cardea::cluster
