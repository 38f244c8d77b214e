// The upstream connections of one endpoint, and the attempts that wait for one.
#pragma once

#include "cluster/connection.h"

namespace cardea::cluster {

class LiveCluster;

// A member of its cluster. Taking a connection that is ready happens at once; everything else (returns, waiting
// attempts, new connections) is decided in flush(), once a turn and outside of every codec: a connection whose
// codec is still reading the last answer must not begin another exchange.
class Pool final : public net::Deferred, private net::Flushable {
 public:
  // `user`: with pool_per_user, the one whose connections these are.
  Pool(LiveCluster& cluster, EndpointPtr endpoint, std::string user);
  ~Pool() override;

  Endpoint& endpoint() { return *endpoint_; }
  const std::string& user() const { return user_; }
  bool empty() const { return all_.empty() && waiting_.empty(); }
  bool has_connections() const { return !all_.empty(); }

  // For attempts. Takes a ready connection (on_ready comes inside this call) or waits. `counted`: it is among the
  // cluster's pending ones already; else the limit may refuse it.
  void start(Attempt& attempt, bool counted);
  void leave_queue(Attempt& attempt);  // one that waits here; the cluster's count is the caller's
  Attempt* first_waiting() { return waiting_.front(); }
  void fail_waiting(const http::End& end);  // all that wait now

  // For connections.
  void on_open(Connection& connection);
  void on_change(Connection& connection);  // it may have become ready, or unusable
  void on_closed(Connection& connection, bool was_connecting, const http::End& end);
  void on_exchange_over() { --exchange_count_; }

  // For the cluster.
  void schedule();
  void retire();  // the endpoint is no longer a member: nothing new
  bool retired() const { return retired_; }
  void sweep();  // closes what nobody uses and lets the rest finish; new ones may be made
  void close_now(const http::End& end);
  bool evict_idle();  // closes the idle connection that was used least recently; false when there is none
  size_t idle();
  bool take_starved() { return std::exchange(starved_, false); }

 private:
  // What connections of this endpoint speak; of an https endpoint it is learned from the first one. nothing: tcp.
  enum class Speaks : uint8_t { unknown, http1, http2, nothing };

  void flush() override;
  void settle();
  void serve();
  void grow();
  bool open_one(bool may_evict);
  bool wants_spare() const;
  void report(health::Sign sign);
  Millis patience() const;
  bool leaving() const;
  size_t excess() const;  // attempts that no connection under way will take
  void give(Connection& connection, Attempt& attempt, bool made_for_it);
  void expire(const char* phase);
  void arm_expiry();
  void fail_first(size_t count, const http::End& end);

  LiveCluster& cluster_;
  EndpointPtr endpoint_;
  const std::string user_;
  List<Connection, InPool> all_;
  List<Connection, InState> connecting_;  // oldest first
  List<Connection, InState> changed_;     // to be looked at in flush()
  List<Connection, InState> ready_;       // used last first
  List<Attempt> waiting_;                 // in order of started_
  net::Timer expiry_;                     // patience() of the first that waits
  size_t connecting_count_ = 0, waiting_count_ = 0, connection_count_ = 0, exchange_count_ = 0;
  size_t streams_;  // exchanges that a new HTTP/2 connection is expected to take
  uint64_t serial_ = 0;
  Speaks speaks_;
  bool retired_ = false, swept_ = false;
  bool spares_fail_ = false;  // the last connect did: no more ahead of need until one opens
  bool starved_ = false;      // wants a connection, and the cluster is at its limit
};

}  // namespace cardea::cluster
