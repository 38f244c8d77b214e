// Where does it go: endpoints, picking, name resolution, connecting, pools. One Cluster per worker and
// configured cluster; nothing here is shared between threads but the frozen ClusterConfig.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/list.h"
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
  uint32_t weight = 1;
  std::string authority;  // what Host says unless rewritten: host[:port if not the scheme's default]
  bool operator==(const EndpointConfig&) const = default;
};

// Frozen. Two that compare equal are one cluster: apply keeps its pools and connections.
struct ClusterConfig {
  std::string name;  // of the route(s) that it serves, for logs and metrics
  std::vector<EndpointConfig>
      endpoints;  // never empty; schemes do not mix h2c with https, nor tcp with any, in one cluster
  std::string lb_policy = "round_robin";
  Millis connect_timeout = 10'000;  // name + TCP + TLS; 0 off
  Millis idle_timeout = 60'000;     // of a pooled connection; 0 off
  net::Family dns_family = net::Family::v4_preferred;
  net::ResolverOptions dns;
  Millis dns_refresh = 0, dns_failure_refresh = 5'000;  // refresh 0: by TTL (at least 1 s)
  std::shared_ptr<const tls::ClientContext> tls;        // for https endpoints
  tls::ClientOptions tls_options;                       // what `tls` was made from: part of the identity
  std::string tls_server_name;                          // overrides the endpoint's host for SNI and verification
  http::CodecLimits limits;
  uint32_t max_connections = 1024, max_pending = 1024;  // per cluster and worker
  // Everything but `name` and the `tls` pointer. Pools belong to endpoints, endpoints to one cluster, and every TLS
  // attribute is compared here: so a connection is only ever reused under the TLS attributes it was made with.
  bool same(const ClusterConfig& other) const;
};

class Pool;

// A resolved address of one EndpointConfig. Lives in its Cluster; attempts and connections hold a shared_ptr.
struct Endpoint {
  const EndpointConfig* config;  // of the cluster's frozen configuration
  net::Address address;
  std::string text;  // "127.0.0.1:9001" for logs
  uint32_t weight = 1;
  uint64_t active = 0;   // exchanges on it
  bool removed = false;  // no longer in the cluster (DNS change): finishes, takes nothing new
  Pool* pool = nullptr;  // its connections; null when the cluster has let go of it
  std::shared_ptr<const ClusterConfig> cluster = nullptr;  // keeps `config` alive
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
  // "max_connections" "max_pending"; draining; no_upstream.
  virtual void on_failed(Attempt& attempt, const http::End& end) = 0;

 protected:
  ~AttemptEvents() = default;
};

class Cluster;

// One try to get an exchange on an upstream connection; a member of the exchange that tries. Destroying it
// cancels, and releases the sender when there is one.
class Attempt : private Link {
 public:
  Attempt(AttemptEvents& events, http::ResponseReceiver& receiver) : events_(events), receiver_(receiver) {}
  ~Attempt() { cancel(); }
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  // Picks an endpoint (another one than `avoid` where there is one), takes a pooled connection or makes one. Events may
  // come inside this call. `fresh`: do not take a pooled connection (an earlier one just died). The attempt may be
  // started again after on_failed or cancel().
  void start(Cluster& cluster, const Endpoint* avoid, bool fresh);
  void cancel();

  // Non-null from on_ready to cancel(); after on_reset it ignores what it is told.
  http::RequestSender* sender() { return sender_; }
  const EndpointPtr& endpoint() const { return endpoint_; }  // set once picked
  bool reused() const { return reused_; }  // on a connection that was not made for it: may have gone stale
  http::Protocol protocol() const { return protocol_; }  // of tcp endpoints: http11, though none is spoken
  // See http::ClientCodec: whether a tunnel can be asked for on this connection if it is HTTP/2.
  bool takes_extended_connect() const;
  Millis connect_ms() const { return connect_ms_; }  // 0 when reused

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
  const Endpoint* avoid_ = nullptr;  // compared, never followed
  uint64_t serial_ = 0;              // order in which a pool's attempts began to wait
  Millis started_ = 0, connect_ms_ = 0;
  bool reused_ = false, fresh_ = false;
  http::Protocol protocol_ = http::Protocol::http11;
};

struct ClusterStats {
  uint64_t connects = 0, connect_failures = 0, connect_timeouts = 0, connections = 0, idle = 0, pending = 0,
           pending_overflow = 0;
  uint64_t picks = 0;
};

// Endpoints and pools of one worker. Names are resolved when the cluster is made and again when their TTL ends; the
// last good answer stays while the resolver fails. Deleting it closes idle connections and fails attempts that wait;
// exchanges in progress keep their connections until they end. Inside events of attempts delete it through
// Loop::defer_delete.
class Cluster : public net::Deferred {
 public:
  static std::unique_ptr<Cluster> make(net::Loop& loop, net::Network& network,
                                       std::shared_ptr<const ClusterConfig> config);
  virtual const ClusterConfig& config() const = 0;
  virtual std::vector<EndpointPtr> endpoints() const = 0;
  virtual ClusterStats stats() const = 0;
  // No new attempts (those that wait go on); idle connections close now; busy ones when their exchanges end. `done`
  // runs (in a later turn) when none is left, unless the cluster was deleted before.
  virtual void close_when_idle(std::function<void()> done) = 0;
  virtual void close_now() = 0;  // every connection; attempts fail, exchanges are reset

 private:
  friend class Attempt;
  virtual void start(Attempt& attempt, const Endpoint* avoid) = 0;
  virtual void cancel(Attempt& attempt) = 0;
};

// Weighted round robin, smooth and exact: every window of (sum of weights) picks has each endpoint exactly `weight`
// times, evenly spread. Equal weights cost O(1) a pick, others O(log n). Weight 0 is never picked. Pure: state is the
// caller's. The algorithms' table is in balancer.cc.
class Balancer {
 public:
  virtual ~Balancer() = default;
  // Starts over with these.
  virtual void set(const std::vector<EndpointPtr>& endpoints) = 0;
  // Any endpoint but `avoid` where another exists; null when there is none.
  virtual EndpointPtr pick(const Endpoint* avoid) = 0;
};
std::unique_ptr<Balancer> make_balancer(const std::string& name);  // null: unknown name
bool known_balancer(const std::string& name);

}  // namespace cardea::cluster
