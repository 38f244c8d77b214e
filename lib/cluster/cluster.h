// Where does it go: endpoints, picking, connecting, pools. One Cluster per worker and configured cluster; what its
// workers share (endpoints, fitness, limits) is in shared.h.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "balance/balance.h"
#include "base/list.h"
#include "cluster/tally.h"
#include "health/outliers.h"
#include "http/http.h"
#include "net/net.h"
#include "tls/tls.h"
#include "wire/wire.h"

namespace cardea::cluster {

// One `to` URL.
struct EndpointConfig {
  enum class Scheme : uint8_t { http, https, h2c, tcp } scheme = Scheme::http;
  std::string host;  // name or IP literal (no brackets); or the path of a unix socket
  uint16_t port = 0;
  bool unix_socket = false;
  bool srv = false;  // host is a name with SRV records, which say hosts, ports, priorities and weights
  uint32_t weight = 1, priority = 0;
  std::string authority;  // what Host says unless rewritten: host[:port if not the scheme's default]
  bool operator==(const EndpointConfig&) const = default;
};

// circuit_breaker_thresholds: exact over all workers of a proxy.
struct Thresholds {
  uint32_t max_connections = 1024, max_pending_requests = 1024, max_requests = 1024, max_retries = 3;
  // retry_budget: instead of max_retries, retries may be this share of the exchanges; 0: no budget.
  double budget_percent = 0;
  uint32_t min_retry_concurrency = 3;
  bool operator==(const Thresholds&) const = default;
};
// The same for each endpoint; UINT32_MAX: no limit.
struct EndpointThresholds {
  uint32_t max_connections = UINT32_MAX, max_pending_requests = UINT32_MAX, max_requests = UINT32_MAX,
           max_retries = UINT32_MAX;
  bool operator==(const EndpointThresholds&) const = default;
};

// Frozen. Two that compare equal are one cluster: apply keeps its pools and connections.
struct ClusterConfig {
  std::string name;  // of the route(s) that it serves, for logs and metrics
  std::vector<EndpointConfig>
      endpoints;  // schemes do not mix h2c with https, nor tcp with any, in one cluster; empty only with endpoints_file
  std::string endpoints_file;  // path of a file with more endpoints, which is watched; empty: none
  bool tcp = false;            // where `endpoints` is empty: those of the file and of the host are tcp, else none is
  balance::Options balance;    // algorithm "host": on_choose decides
  std::vector<health::CheckConfig> health_checks;
  std::optional<health::OutlierConfig> outlier_detection;
  bool close_connections_on_health_failure = false;  // tunnels and streams on an endpoint end when it goes unhealthy
  Thresholds thresholds;
  EndpointThresholds per_endpoint;
  bool pool_per_user = false;                // a connection serves one identity only
  double preconnect_ratio = 1.0;             // 1 to 3: connections for so many exchanges per exchange under way
  Millis connect_timeout = 10'000;           // name + TCP + TLS; 0 off
  Millis pending_timeout = 0;                // of an exchange that waits for a connection; 0: connect_timeout
  Millis idle_timeout = 60'000;              // of a pooled connection; 0 off
  uint32_t max_requests_per_connection = 0;  // 0: no limit
  Millis max_connection_duration = 0;        // of an upstream connection, up to 10 % less by chance; 0 off
  Millis keepalive_interval = 0, keepalive_timeout = 10'000;  // HTTP/2 PING; interval 0: off
  net::Family dns_family = net::Family::v4_preferred;
  net::ResolverOptions dns;
  Millis dns_refresh = 0, dns_failure_refresh = 5'000;  // refresh 0: by TTL (at least 1 s)
  std::shared_ptr<const tls::ClientContext> tls;        // for https endpoints
  tls::ClientOptions tls_options;                       // what `tls` was made from: part of the identity
  std::string tls_server_name;                          // overrides the endpoint's host for SNI and verification
  http::CodecLimits limits;
  // Everything but `name` and the `tls` pointer. Pools belong to endpoints, endpoints to one cluster, and every TLS
  // attribute is compared here: so a connection is only ever reused under the TLS attributes it was made with.
  bool same(const ClusterConfig& other) const;
};

class Pool;
class Shared;
struct EndpointState;

// An endpoint as one worker uses it. Lives in its Cluster; attempts and connections hold a shared_ptr.
struct Endpoint {
  std::shared_ptr<EndpointState> state;
  std::shared_ptr<Shared> shared;  // its cluster's: keeps the configuration alive
  uint32_t weight = 1, priority = 0;
  uint32_t index = 0;    // its place in the cluster's list
  bool removed = false;  // no longer in the cluster: finishes, takes nothing new
  bool fit = true;       // as this worker has last heard
  bool left = false;     // and no panic keeps it in use: its connections were told to end
  Pool* pool = nullptr;  // its connections; null when the cluster has let go of it
  const EndpointConfig& config() const;
  const net::Address& address() const;
  const std::string& text() const;  // "127.0.0.1:9001" for logs
  const ClusterConfig& cluster() const;
};
using EndpointPtr = std::shared_ptr<Endpoint>;

class Attempt;
class Connection;

class AttemptEvents {
 public:
  // A connection is there and `attempt.sender()` starts an exchange on it: send the head now.
  virtual void on_ready(Attempt& attempt) = 0;
  // No connection. Nothing of the request was sent. `end` says what and where: connect_timeout "dns" "tcp" "tls";
  // connect_failed and an errno's name; upstream_tls "verify" "handshake"; dns_failed and an answer's name; overload
  // "max_connections" "max_pending" "max_requests" "pending_timeout"; draining; no_upstream.
  virtual void on_failed(Attempt& attempt, const http::End& end) = 0;
  // Algorithm "host": which of these takes it, none of which is empty; -1: none does. Inside start().
  virtual int on_choose(Attempt&, const std::vector<EndpointPtr>&) { return -1; }

 protected:
  ~AttemptEvents() = default;
};

class Cluster;

// What one try asks of its cluster.
struct Wish {
  std::optional<uint64_t> hash;  // what ties requests together
  bool fresh = false;            // not on a pooled connection (an earlier one just died)
  Bytes user;                    // with pool_per_user: whose connection; lent until the attempt is cancelled
};

// One try to get an exchange on an upstream connection; a member of the exchange that tries. Destroying it
// cancels, and releases the sender when there is one.
class Attempt : private Link {
 public:
  Attempt(AttemptEvents& events, http::ResponseReceiver& receiver) : events_(events), receiver_(receiver) {}
  ~Attempt() { cancel(); }
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  // Picks an endpoint (another one than those of earlier tries where there is one), takes a pooled connection or makes
  // one. Events may come inside this call. May be started again after on_failed or cancel().
  void start(Cluster& cluster, const Wish& wish);
  void cancel();

  // Non-null from on_ready to cancel(); after on_reset it ignores what it is told.
  http::RequestSender* sender() { return sender_; }
  const EndpointPtr& endpoint() const { return endpoint_; }  // set once picked
  bool reused() const { return reused_; }  // on a connection that was not made for it: may have gone stale
  http::Protocol protocol() const { return protocol_; }  // of tcp endpoints: http11, though none is spoken
  // See http::ClientCodec: whether a tunnel can be asked for on this connection if it is HTTP/2.
  bool takes_extended_connect() const;
  Millis connect_ms() const { return connect_ms_; }  // 0 when reused
  // What the exchange says about its endpoint, for outlier_detection.
  void report(health::Sign sign);

 private:
  friend class Connection;
  friend class Pool;
  friend class LiveCluster;
  template <class T, class Place>
  friend class cardea::List;
  AttemptEvents& events_;
  http::ResponseReceiver& receiver_;
  http::RequestSender* sender_ = nullptr;
  Cluster* cluster_ = nullptr;        // non-null while waiting
  Connection* connection_ = nullptr;  // non-null while there is a sender
  EndpointPtr endpoint_;
  std::vector<EndpointPtr> tried_;  // compared
  Wish wish_;
  Pool* pool_ = nullptr;  // where it waits
  uint64_t serial_ = 0;   // order in which a pool's attempts began to wait
  Millis started_ = 0, connect_ms_ = 0;
  bool reused_ = false;
  http::Protocol protocol_ = http::Protocol::http11;
};

// Of one worker, since its cluster was made.
struct ClusterStats {
  uint64_t connects = 0, connect_failures = 0, connect_timeouts = 0, connections = 0, idle = 0, pending = 0,
           pending_overflow = 0, connection_overflow = 0, request_overflow = 0, retry_overflow = 0, requests = 0,
           max_requests_reached = 0, panics = 0;
  uint64_t picks = 0;
};

// Endpoints and pools of one worker; what it shares with others is Shared. Deleting it closes idle connections and
// fails attempts that wait; exchanges in progress keep their connections until they end. Inside events of attempts
// delete it through Loop::defer_delete.
class Cluster : public net::Deferred {
 public:
  static std::unique_ptr<Cluster> make(net::Loop& loop, net::Network& network, std::shared_ptr<Shared> shared);
  // One that shares with nobody.
  static std::unique_ptr<Cluster> make(net::Loop& loop, net::Network& network,
                                       std::shared_ptr<const ClusterConfig> config, uint64_t seed);
  virtual const ClusterConfig& config() const = 0;
  virtual Shared& shared() const = 0;
  virtual const std::vector<EndpointPtr>& endpoints() const = 0;
  virtual ClusterStats stats() const = 0;
  virtual Tally& tally() = 0;  // this worker's; what exchanges know they count here themselves
  // Room for one more retry (max_retries, retry_budget, per endpoint): counts it until retry_over(). `endpoint` may be
  // null.
  virtual bool may_retry(const Endpoint* endpoint) = 0;
  virtual void retry_over(const Endpoint* endpoint) = 0;
  // No new attempts (those that wait go on); idle connections close now; busy ones when their exchanges end. `done`
  // runs (in a later turn) when none is left, unless the cluster was deleted before.
  virtual void close_when_idle(std::function<void()> done) = 0;
  virtual void close_now() = 0;  // every connection; attempts fail, exchanges are reset

 private:
  friend class Attempt;
  virtual void start(Attempt& attempt) = 0;
  virtual void cancel(Attempt& attempt) = 0;
};

}  // namespace cardea::cluster
