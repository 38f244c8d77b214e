// From drafts to a Snapshot. Inside this folder only.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/text.h"
#include "cluster/discovery.h"
#include "config/config.h"
#include "config/object.h"
#include "config/sources.h"

namespace cardea::config {

// Clusters by value: one object for all routes whose configuration is the same.
class ClusterTable {
 public:
  void add(std::shared_ptr<const cluster::ClusterConfig> config);
  std::shared_ptr<const cluster::ClusterConfig> find(const cluster::ClusterConfig& config) const;

 private:
  static std::string bucket(const cluster::ClusterConfig& config);
  std::unordered_multimap<std::string, std::shared_ptr<const cluster::ClusterConfig>> rows_;
};

using http::is_host;

// retry_budget, which a route states and its cluster keeps.
struct RetryBudget {
  double percent = 20;
  uint32_t min_concurrency = 3;
};

class Freezer {
 public:
  Freezer(const ConfigDraft& draft, const FreezeOptions& options, yaml::Faults& faults);
  SnapshotPtr freeze();

 private:
  // Where a fault of one object is: its key and the mark of what lacks its own.
  struct Place {
    std::string key;
    yaml::Mark mark;
    std::string of(const std::string& name) const { return key.empty() ? name : key + "." + name; }
  };
  void fault(const Place& place, const yaml::Mark& mark, const std::string& name, const std::string& reason);
  static bool usable(const auto& value) { return value.set && !value.bad; }

  // freeze.cc
  void freeze_globals();
  void freeze_dns();
  void freeze_numbers();
  void freeze_listeners();
  void freeze_listener(const ListenerDraft& draft, size_t index);
  void freeze_server_tls(const TlsDraft& draft, const Place& place, Listener& out);
  void build_tables();
  std::unique_ptr<const route::Table> build_table(bool tcp, std::vector<uint32_t>& index);

  // freeze_trust.cc
  void freeze_trust();
  bool freeze_route_trusts(const tls::TrustOptions& common, bool good);
  void require_tls_listener();
  bool freeze_trust_names(std::vector<tls::TrustOptions::Name>& out);
  std::shared_ptr<const tls::ClientTrust> trust_of(const tls::TrustOptions& options, const Place& place,
                                                   const yaml::Mark& mark, const std::string& key);

  // freeze_identity.cc
  void freeze_identity();
  void freeze_providers();
  std::shared_ptr<const TokenProvider> freeze_provider(const Text& text, const std::string& key);
  bool freeze_local_keys(const Object& provider, TokenProvider& out);
  bool freeze_remote_keys(const Object& provider, TokenProvider& out);
  bool freeze_token_places(const Object& provider, TokenProvider& out);
  void freeze_signer();
  void freeze_sign_in();
  void freeze_admin();
  void freeze_metrics();
  std::optional<Listener> freeze_own_address(const Value<std::string>& value, const char* key);
  std::vector<ClaimHeader> freeze_claim_headers(const Value<std::vector<Text>>& texts, const Place& place);
  void collect_identity_headers();

  // freeze_access.cc: who may pass a route, and what the upstream is told
  void freeze_policy(const RouteDraft& draft, const Place& place, Route& out);
  bool freeze_shorthand(const RouteDraft& draft, const Place& place, policy::Shorthand& out);
  std::vector<std::string> freeze_names(const Value<std::vector<Text>>& texts, const Place& place, const char* key);
  void freeze_idp_claims(const RouteDraft& draft, const Place& place, policy::Shorthand& out);
  void freeze_route_identity(const RouteDraft& draft, const Place& place, Route& out);
  void check_tcp(const RouteDraft& draft, const Place& place, Route& out);
  void check_tcp_cluster(const ClusterDraft& draft, const Place& place);

  // freeze_route.cc
  static Place place_of(const RouteDraft& draft, size_t index);
  void freeze_route(const RouteDraft& draft, size_t index);
  bool freeze_match(const RouteDraft& draft, const Place& place, Route& route);
  std::string path_fault(const std::string& path) const;
  void freeze_redirect(const RouteDraft& draft, const Place& place, Route& out);
  std::vector<std::string> freeze_upgrades(const Value<std::vector<Text>>& texts, const Place& place);
  void freeze_route_upgrades(const RouteDraft& draft, const Place& place, Route& out);
  void check_upgrades(const RouteDraft& draft, const Place& place, Route& out);
  void check_served(const RouteDraft& draft, const Place& place);
  void freeze_response(const RouteDraft& draft, const Place& place, Route& out);
  void freeze_rewrite(const RouteDraft& draft, const Place& place, const std::string& to_path, Route& out);
  std::shared_ptr<const route::RegexRewrite> freeze_regex(const Place& place, const Value<std::string>& pattern,
                                                          const Value<std::string>& substitution,
                                                          const char* pattern_key, const char* substitution_key);
  void freeze_times(const RouteDraft& draft, const Place& place, Route& out);
  std::string route_name(const RouteDraft& draft, const route::Match& match) const;

  // freeze_headers.cc
  enum class Direction : uint8_t { request, response };
  struct Headers {
    std::vector<route::HeaderValue> values;
    bool disable = false;
  };
  Headers freeze_headers(const Value<std::vector<Text>>& texts, const Place& place, const char* name,
                         Direction direction);
  bool freeze_header(const Text& text, const Place& place, const char* key, Direction direction,
                     route::HeaderValue& out);
  void freeze_global_headers();
  void freeze_route_headers(const RouteDraft& draft, const Place& place, Route& out);

  // freeze_cluster.cc
  struct BuiltCluster {
    cluster::ClusterConfig config;
    std::string to_path;  // of the first URL
    Place place;
    bool good = false;
  };
  const BuiltCluster& build_cluster(const ClusterDraft& draft, const Place& place);
  bool freeze_endpoints(const ClusterDraft& draft, BuiltCluster& out);
  bool freeze_client_tls(const ClusterDraft& draft, BuiltCluster& out);
  std::optional<tls::Pem> load_either(const Value<std::string>& value, const Value<std::string>& file,
                                      const Place& place, const char* name, bool& good);
  bool freeze_endpoint(const Text& text, const std::string& key, BuiltCluster& out, cluster::ParsedEndpoint& endpoint);
  bool freeze_endpoints_file(const ClusterDraft& draft, BuiltCluster& out);
  void set_common(cluster::ClusterConfig& config) const;
  std::shared_ptr<const cluster::ClusterConfig> intern(const ClusterDraft& draft, const BuiltCluster& built,
                                                       const Route& route, const std::optional<RetryBudget>& budget);
  using Refuse = std::function<void(const std::string& message)>;
  std::shared_ptr<const cluster::ClusterConfig> intern(cluster::ClusterConfig config, const Refuse& refuse);
  std::shared_ptr<const tls::ClientContext> client_context(const tls::ClientOptions& options, const Refuse& refuse);
  void refuse_client_tls(const ClusterDraft& draft, const BuiltCluster& built, const std::string& message);
  bool refuse_extra_ca(const std::string& message);

  // The object of an option that has one; null: none, or a fault.
  std::shared_ptr<const yaml::Node> single(const Value<std::vector<Text>>& texts, const Place& place, const char* key);

  // freeze_balance.cc: which endpoint, how many of everything, how long connections live
  void freeze_balance(const ClusterDraft& draft, BuiltCluster& out);
  void freeze_algorithms(const ClusterDraft& draft, BuiltCluster& out);
  void freeze_panic(const ClusterDraft& draft, BuiltCluster& out);
  void freeze_slow_start(const ClusterDraft& draft, BuiltCluster& out);
  void freeze_connections(const ClusterDraft& draft, BuiltCluster& out);
  void freeze_thresholds(const Value<std::vector<Text>>& texts, const Place& place, cluster::Thresholds& out,
                         cluster::EndpointThresholds& per_endpoint);

  // freeze_health.cc, freeze_outliers.cc
  void freeze_health(const ClusterDraft& draft, BuiltCluster& out);
  void freeze_outliers(const ClusterDraft& draft, BuiltCluster& out);

  // freeze_retry.cc
  std::optional<RetryBudget> freeze_retry(const RouteDraft& draft, const Place& place, Route& out);
  std::optional<RetryBudget> freeze_retry_budget(const RouteDraft& draft, const Object& policy);
  void freeze_hash_policy(const RouteDraft& draft, const Place& place, Route& out);

  // freeze_limits.cc
  void freeze_limits(const Value<std::vector<Text>>& texts, const Place& place, std::vector<limit::Terms>& out);

  const ConfigDraft& draft_;
  FreezeOptions options_;
  yaml::Faults& faults_;
  Sources sources_;
  std::shared_ptr<Snapshot> out_;
  cluster::Thresholds thresholds_;  // of clusters that state none
  cluster::EndpointThresholds per_endpoint_;
  net::ResolverOptions dns_;
  net::Family dns_family_ = net::Family::v4_preferred;
  std::vector<tls::Pem> extra_ca_;
  tls::ServerOptions::ClientAuth client_auth_ = tls::ServerOptions::ClientAuth::none;
  tls::TrustOptions handshake_trust_;                                                // every CA of the configuration
  std::vector<std::shared_ptr<const tls::ClientTrust>> route_trust_;                 // by route: its own, or null
  std::unordered_map<std::string, std::shared_ptr<const tls::ClientTrust>> trusts_;  // by their CA's text
  std::vector<std::string> upgrades_;                                                // of routes that state none
  std::vector<ClaimHeader> claim_headers_;                                           // of routes that state none
  std::vector<route::HeaderValue> response_headers_;  // of every route that does not disable them
  std::vector<bool> matched_;                         // by route: its match is valid
  std::vector<Place> places_;                         // by route
  std::unordered_map<const ClusterDraft*, BuiltCluster> built_;
  ClusterTable clusters_;
  std::unordered_multimap<size_t, std::pair<tls::ClientOptions, std::shared_ptr<const tls::ClientContext>>> contexts_;
};

// Why a header of this name belongs to the codec; null: it does not. To say something else would be smuggling.
const char* forbidden_header(Bytes name);

}  // namespace cardea::config
