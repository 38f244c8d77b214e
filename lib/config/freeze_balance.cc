// Which endpoint takes what: algorithms and their settings; how many of everything; how long connections live.
#include "balance/balance.h"

#include <algorithm>

#include "config/freeze.h"

namespace cardea::config {

namespace {

using balance::Options;
using Scheme = cluster::EndpointConfig::Scheme;

constexpr int64_t kMaxChoices = 1000;  // each pick looks at so many endpoints
constexpr double kMaxBias = 1000;
constexpr double kMaxAggression = 1000;
constexpr int64_t kMaxRing = 8 << 20;
constexpr int64_t kMaxTable = 5'000'011;  // Envoy's; prime

// A mapping that means something with one algorithm only.
struct AlgorithmRow {
  const char* algorithm;
  const char* key;
  const Value<std::vector<Text>> ClusterDraft::*member;
};
constexpr AlgorithmRow kAlgorithms[] = {
    {"round_robin", "round_robin_lb_config", &ClusterDraft::round_robin_lb_config},
    {"least_request", "least_request_lb_config", &ClusterDraft::least_request_lb_config},
    {"ring_hash", "ring_hash_lb_config", &ClusterDraft::ring_hash_lb_config},
    {"maglev", "maglev_lb_config", &ClusterDraft::maglev_lb_config},
};

bool has_slow_start(const std::string& algorithm) {
  return algorithm == "round_robin" || algorithm == "least_request";
}

void read_slow_start(const yaml::Node& node, const std::string& key, yaml::Faults& faults, Options::SlowStart& out) {
  const Object object(node, key, {"slow_start_window", "aggression", "min_weight_percent"}, faults);
  if (object.is_mapping() && !object.find("slow_start_window")) object.fault("", "has no slow_start_window");
  object.read_ms("slow_start_window", out.window, 0);
  if (object.read_number("aggression", "default_value", out.aggression, 0, kMaxAggression) && out.aggression == 0) {
    object.fault("aggression", "must be above 0");
  }
  object.read_number("min_weight_percent", "value", out.min_weight_percent, 0, 100);
}

void read_least_request(const Object& object, Options::LeastRequest& out) {
  object.read("choice_count", out.choice_count, 2, kMaxChoices);
  object.read_number("active_request_bias", "default_value", out.active_request_bias, 0, kMaxBias);
}

void read_ring_hash(const Object& object, Options::RingHash& out) {
  object.read("minimum_ring_size", out.minimum_ring_size, 1, kMaxRing);
  object.read("maximum_ring_size", out.maximum_ring_size, 1, kMaxRing);
  if (out.minimum_ring_size > out.maximum_ring_size) {
    const bool own = object.find("minimum_ring_size") != nullptr;
    object.fault(own ? "minimum_ring_size" : "maximum_ring_size",
                 "minimum_ring_size (" + std::to_string(out.minimum_ring_size) + ") is above maximum_ring_size (" +
                     std::to_string(out.maximum_ring_size) + ")");
  }
  auto function = object.string("hash_function");
  if (!function || *function == "XX_HASH") return;
  if (*function == "MURMUR_HASH_2") {
    out.hash_function = Options::RingHash::Function::murmur_hash_2;
  } else {
    object.fault("hash_function", "must be one of XX_HASH, MURMUR_HASH_2, not '" + function->substr(0, 40) + "'");
  }
}

void read_maglev(const Object& object, Options::Maglev& out) {
  if (object.read("table_size", out.table_size, 2, kMaxTable) && !balance::is_prime(out.table_size)) {
    object.fault("table_size", "must be a prime number");
  }
}

}  // namespace

void Freezer::freeze_balance(const ClusterDraft& draft, BuiltCluster& out) {
  Options& options = out.config.balance;
  if (usable(draft.load_balancing_policy)) options.algorithm = draft.load_balancing_policy.value;
  freeze_algorithms(draft, out);
  freeze_slow_start(draft, out);
  freeze_panic(draft, out);
  freeze_connections(draft, out);
  out.config.thresholds = thresholds_;
  out.config.per_endpoint = per_endpoint_;
  freeze_thresholds(draft.circuit_breaker_thresholds, out.place, out.config.thresholds, out.config.per_endpoint);
}

void Freezer::freeze_algorithms(const ClusterDraft& draft, BuiltCluster& out) {
  Options& options = out.config.balance;
  for (const AlgorithmRow& row : kAlgorithms) {
    const Value<std::vector<Text>>& texts = draft.*row.member;
    if (texts.set && options.algorithm != row.algorithm && !draft.load_balancing_policy.bad) {
      fault(out.place, texts.mark, row.key, "has no effect with load_balancing_policy " + options.algorithm);
      continue;
    }
    auto tree = single(texts, out.place, row.key);
    if (!tree) continue;
    const std::string key = out.place.of(row.key);
    if (row.member == &ClusterDraft::round_robin_lb_config) {
      const Object object(*tree, key, {"slow_start_config"}, faults_, {"locality_lb_config"});
    } else if (row.member == &ClusterDraft::least_request_lb_config) {
      read_least_request(Object(*tree, key, {"choice_count", "active_request_bias", "slow_start_config"}, faults_,
                                {"enable_full_scan", "selection_method", "locality_lb_config"}),
                         options.least_request);
    } else if (row.member == &ClusterDraft::ring_hash_lb_config) {
      read_ring_hash(Object(*tree, key, {"minimum_ring_size", "maximum_ring_size", "hash_function"}, faults_),
                     options.ring_hash);
    } else {
      read_maglev(Object(*tree, key, {"table_size"}, faults_), options.maglev);
    }
  }
}

// It stands by itself or, as Envoy has it, inside the algorithm's own settings.
void Freezer::freeze_slow_start(const ClusterDraft& draft, BuiltCluster& out) {
  Options& options = out.config.balance;
  auto own = single(draft.slow_start_config, out.place, "slow_start_config");
  if (draft.slow_start_config.set && !has_slow_start(options.algorithm) && !draft.load_balancing_policy.bad) {
    fault(out.place, draft.slow_start_config.mark, "slow_start_config",
          "has no effect with load_balancing_policy " + options.algorithm);
    return;
  }
  for (const AlgorithmRow& row : kAlgorithms) {
    const Value<std::vector<Text>>& texts = draft.*row.member;
    if (!has_slow_start(row.algorithm) || options.algorithm != row.algorithm || texts.value.size() != 1) continue;
    yaml::Faults reported;  // freeze_algorithms() has read it
    const Text& text = texts.value[0];
    auto tree = tree_of(text, "", text.mark.line != 0 ? text.mark : out.place.mark, reported);
    const yaml::Node* inner =
        tree && tree->kind == yaml::Node::Kind::mapping ? tree->find("slow_start_config") : nullptr;
    if (!inner) continue;
    const std::string key = out.place.of(row.key) + ".slow_start_config";
    if (own) {
      faults_.add(inner->mark, key, "is given twice: slow_start_config is there too");
      return;
    }
    read_slow_start(*inner, key, faults_, options.slow_start);
  }
  if (own) read_slow_start(*own, out.place.of("slow_start_config"), faults_, options.slow_start);
}

void Freezer::freeze_panic(const ClusterDraft& draft, BuiltCluster& out) {
  double& percent = out.config.balance.healthy_panic_threshold;
  if (usable(draft.healthy_panic_threshold)) percent = static_cast<double>(draft.healthy_panic_threshold.value);
  auto tree = single(draft.common_lb_config, out.place, "common_lb_config");
  if (!tree) return;
  const Object object(
      *tree, out.place.of("common_lb_config"), {"healthy_panic_threshold"}, faults_,
      {"zone_aware_lb_config", "locality_weighted_lb_config", "update_merge_window", "ignore_new_hosts_until_first_hc",
       "close_connections_on_host_set_change", "consistent_hashing_lb_config", "override_host_status"});
  object.read_number("healthy_panic_threshold", "value", percent, 0, 100);
  if (draft.healthy_panic_threshold.set && object.find("healthy_panic_threshold")) {
    object.fault("healthy_panic_threshold", "is given twice: healthy_panic_threshold of the route is there too");
  }
}

void Freezer::freeze_connections(const ClusterDraft& draft, BuiltCluster& out) {
  cluster::ClusterConfig& config = out.config;
  auto millis = [](const Value<int64_t>& value, Millis& to) {
    if (usable(value)) to = static_cast<Millis>(value.value);
  };
  millis(draft.pending_timeout, config.pending_timeout);
  millis(draft.upstream_idle_timeout, config.idle_timeout);
  millis(draft.max_upstream_connection_duration, config.max_connection_duration);
  if (usable(draft.max_requests_per_connection)) {
    config.max_requests_per_connection = static_cast<uint32_t>(draft.max_requests_per_connection.value);
  }
  config.pool_per_user = draft.pool_per_user.value;
  if (auto tree = single(draft.preconnect_policy, out.place, "preconnect_policy")) {
    const Object object(*tree, out.place.of("preconnect_policy"), {"per_upstream_preconnect_ratio"}, faults_,
                        {"predictive_preconnect_ratio"});
    object.read_number("per_upstream_preconnect_ratio", "value", config.preconnect_ratio, 1, 3);
  }
  if (draft.http2_keepalive.set && !config.endpoints.empty() && config.endpoints_file.empty() &&
      std::none_of(config.endpoints.begin(), config.endpoints.end(),
                   [](const auto& e) { return e.scheme != Scheme::http; })) {
    fault(out.place, draft.http2_keepalive.mark, "http2_keepalive",
          "has no effect: no URL of to begins with https or h2c");
  }
  if (auto tree = single(draft.http2_keepalive, out.place, "http2_keepalive")) {
    const Object object(*tree, out.place.of("http2_keepalive"), {"interval", "timeout"}, faults_,
                        {"interval_jitter", "connection_idle_interval"});
    if (object.is_mapping() && !object.find("interval")) object.fault("", "has no interval");
    object.read_ms("interval", config.keepalive_interval, 1);
    object.read_ms("timeout", config.keepalive_timeout, 1);
  }
}

void Freezer::freeze_thresholds(const Value<std::vector<Text>>& texts, const Place& place, cluster::Thresholds& out,
                                cluster::EndpointThresholds& per_endpoint) {
  auto tree = single(texts, place, "circuit_breaker_thresholds");
  if (!tree) return;
  const Object object(
      *tree, place.of("circuit_breaker_thresholds"),
      {"max_connections", "max_pending_requests", "max_requests", "max_retries", "per_host_thresholds", "retry_budget"},
      faults_, {"max_connection_pools", "track_remaining", "priority"});
  if (object.find("retry_budget")) object.fault("retry_budget", "belongs in retry_policy");
  auto read = [](const Object& from, auto& to) {
    from.read("max_connections", to.max_connections, 0, UINT32_MAX);
    from.read("max_pending_requests", to.max_pending_requests, 0, UINT32_MAX);
    from.read("max_requests", to.max_requests, 0, UINT32_MAX);
    from.read("max_retries", to.max_retries, 0, UINT32_MAX);
  };
  read(object, out);
  if (const yaml::Node* each = object.find("per_host_thresholds")) {
    read(Object(*each, object.at("per_host_thresholds"),
                {"max_connections", "max_pending_requests", "max_requests", "max_retries"}, faults_),
         per_endpoint);
  }
}

}  // namespace cardea::config
