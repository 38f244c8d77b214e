// What a route asks of its cluster: when a try is made again, and which requests belong together.
#include <algorithm>

#include "balance/balance.h"
#include "config/freeze.h"
#include "config/load.h"

namespace cardea::config {

namespace {

using route::HashPolicy;
using route::RetryPolicy;

constexpr int64_t kMaxRetries = 100;
constexpr size_t kMaxStatuses = 100, kMaxNames = 100;
constexpr size_t kMaxHashPolicies = 20;

void read_retry_on(const Object& object, RetryPolicy& out) {
  if (!object.find("retry_on")) object.fault("", "has no retry_on");
  for (const Text& words : object.strings("retry_on")) {
    uint32_t on = 0;
    std::string bad;
    if (!route::parse_retry_on(words.value, on, bad)) {
      object.faults().add(words.mark, object.at("retry_on"),
                          bad.empty() ? "has an empty word" : "has no such word: " + bad.substr(0, 60));
    }
    out.on |= on;
  }
}

void read_status_codes(const Object& object, RetryPolicy& out) {
  for (const auto& [node, key] : object.list("retriable_status_codes", kMaxStatuses)) {
    auto status = yaml::as_int(*node, key, 200, 599, object.faults());
    if (status) out.status_codes.push_back(static_cast<uint16_t>(*status));
  }
}

void read_header_names(const Object& object, RetryPolicy& out) {
  const std::vector<Text> names = object.strings("retriable_headers");
  if (names.size() > kMaxNames) {
    object.fault("retriable_headers", "has more than " + std::to_string(kMaxNames) + " names");
  }
  for (const Text& name : names) {
    if (!http::is_token(name.value)) {
      object.faults().add(name.mark, object.at("retriable_headers"),
                          "is not the name of a header: " + name.value.substr(0, 80));
    }
    out.header_names.push_back(lower(name.value));
  }
}

// A list without its word would be ignored, and a word without its list means nothing.
void check_pair(const Object& object, bool word, const char* name, const char* list) {
  if (object.find(list) && !word) object.fault(list, std::string("has no effect without ") + name + " in retry_on");
  if (!object.find(list) && word) object.fault("retry_on", std::string("has ") + name + ", which needs " + list);
}

void read_back_off(const Object& policy, RetryPolicy& out) {
  const yaml::Node* node = policy.find("retry_back_off");
  if (!node) return;
  const Object object(*node, policy.at("retry_back_off"), {"base_interval", "max_interval"}, policy.faults());
  if (object.is_mapping() && !object.find("base_interval")) object.fault("", "has no base_interval");
  if (object.read_ms("base_interval", out.base_interval, 1)) out.max_interval = 10 * out.base_interval;
  if (object.read_ms("max_interval", out.max_interval, 1) && out.max_interval < out.base_interval) {
    object.fault("max_interval", "may not be shorter than base_interval (" +
                                     duration_text(static_cast<int64_t>(out.base_interval)) + ")");
  }
}

bool must_be_true(const Object& object, Bytes name) {
  bool flag = false;
  if (object.read(name, flag) && !flag) object.fault(name, "must be true");
  return flag;
}

void read_hash_cookie(const Object& object, HashPolicy& out) {
  out.by = HashPolicy::By::cookie;
  if (object.is_mapping() && !object.find("name")) object.fault("", "has no name");
  if (object.read("name", out.name) && !http::is_token(out.name)) object.fault("name", "is not the name of a cookie");
  Millis ttl = 0;
  if (object.read_ms("ttl", ttl, 0)) out.ttl = ttl;
  if (!object.read("path", out.path)) return;
  const bool good = out.path[0] == '/' && is_visible(out.path) && out.path.find(';') == std::string::npos;
  if (!good) object.fault("path", "must begin with / and have no spaces and no ;");
  if (!object.find("ttl")) object.fault("path", "has no effect without ttl: only then is a cookie made");
}

void read_hash(const Object& object, HashPolicy& out) {
  constexpr Bytes kBy[] = {"header", "cookie", "connection_properties", "identity"};
  if (!object.is_mapping()) return;
  object.read("terminal", out.terminal);
  if (std::count_if(std::begin(kBy), std::end(kBy), [&](Bytes by) { return object.find(by) != nullptr; }) != 1) {
    return object.fault("", "needs exactly one of header, cookie, connection_properties and identity");
  }
  if (const yaml::Node* node = object.find("header")) {
    const Object header(*node, object.at("header"), {"header_name"}, object.faults(), {"regex_rewrite"});
    out.by = HashPolicy::By::header;
    if (header.is_mapping() && !header.find("header_name")) header.fault("", "has no header_name");
    if (header.read("header_name", out.name) && !http::is_token(out.name)) {
      header.fault("header_name", "is not the name of a header");
    }
    out.name = lower(out.name);
  } else if ((node = object.find("cookie"))) {
    read_hash_cookie(Object(*node, object.at("cookie"), {"name", "ttl", "path"}, object.faults(), {"attributes"}), out);
  } else if ((node = object.find("connection_properties"))) {
    const Object properties(*node, object.at("connection_properties"), {"source_ip"}, object.faults());
    if (properties.is_mapping() && !properties.find("source_ip")) properties.fault("", "has no source_ip");
    must_be_true(properties, "source_ip");
    out.by = HashPolicy::By::source_ip;
  } else {
    must_be_true(object, "identity");
    out.by = HashPolicy::By::identity;
  }
}

}  // namespace

std::optional<RetryBudget> Freezer::freeze_retry(const RouteDraft& draft, const Place& place, Route& out) {
  auto tree = single(draft.retry_policy, place, "retry_policy");
  if (!tree) return std::nullopt;
  if (!draft.cluster) {
    // Of a file it has been reported.
    if (draft.key.empty()) fault(place, draft.retry_policy.mark, "retry_policy", "has no effect without to");
    return std::nullopt;
  }
  const Object object(*tree, place.of("retry_policy"),
                      {"retry_on", "num_retries", "per_try_timeout", "per_try_idle_timeout", "retriable_status_codes",
                       "retriable_headers", "retry_back_off", "retry_budget"},
                      faults_,
                      {"retry_priority", "retry_host_predicate", "host_selection_retry_max_attempts",
                       "retry_options_predicates", "rate_limited_retry_back_off", "retriable_request_headers"});
  if (!object.is_mapping()) return std::nullopt;
  RetryPolicy& policy = out.retry.emplace();
  read_retry_on(object, policy);
  object.read("num_retries", policy.num_retries, 0, kMaxRetries);
  if (object.read_ms("per_try_timeout", policy.per_try_timeout, 1) && out.timeout != 0 &&
      policy.per_try_timeout > out.timeout) {
    object.fault("per_try_timeout",
                 "may not be longer than timeout (" + duration_text(static_cast<int64_t>(out.timeout)) + ")");
  }
  object.read_ms("per_try_idle_timeout", policy.per_try_idle_timeout, 1);
  read_status_codes(object, policy);
  read_header_names(object, policy);
  check_pair(object, policy.on & RetryPolicy::retriable_status_codes, "retriable-status-codes",
             "retriable_status_codes");
  check_pair(object, policy.on & RetryPolicy::retriable_headers, "retriable-headers", "retriable_headers");
  read_back_off(object, policy);
  return freeze_retry_budget(draft, object);
}

std::optional<RetryBudget> Freezer::freeze_retry_budget(const RouteDraft& draft, const Object& policy) {
  const yaml::Node* node = policy.find("retry_budget");
  if (!node) return std::nullopt;
  const Object object(*node, policy.at("retry_budget"), {"budget_percent", "min_retry_concurrency"}, faults_);
  RetryBudget budget;
  if (object.read_number("budget_percent", "value", budget.percent, 0, 100) && budget.percent == 0) {
    object.fault("budget_percent", "must be above 0");
  }
  object.read("min_retry_concurrency", budget.min_concurrency, 0, UINT32_MAX);
  for (const Text& text : draft.cluster->circuit_breaker_thresholds.value) {
    yaml::Faults reported;  // by freeze_thresholds()
    auto tree = tree_of(text, "", text.mark, reported);
    if (!tree || tree->kind != yaml::Node::Kind::mapping || !tree->find("max_retries")) continue;
    policy.fault("retry_budget", "contradicts circuit_breaker_thresholds.max_retries, which it replaces");
  }
  return budget;
}

void Freezer::freeze_hash_policy(const RouteDraft& draft, const Place& place, Route& out) {
  const Value<std::vector<Text>>& texts = draft.hash_policy;
  if (!texts.set) return;
  if (!draft.cluster) {
    if (draft.key.empty()) fault(place, texts.mark, "hash_policy", "has no effect without to");
    return;
  }
  const Value<std::string>& algorithm = draft.cluster->load_balancing_policy;
  if (!algorithm.bad && !balance::hashes(algorithm.value)) {
    fault(place, texts.mark, "hash_policy", "has no effect without load_balancing_policy ring_hash or maglev");
    return;
  }
  if (texts.value.size() > kMaxHashPolicies) {
    fault(place, texts.mark, "hash_policy", "has more than " + std::to_string(kMaxHashPolicies) + " entries");
    return;
  }
  bool makes_cookie = false;
  for (size_t i = 0; i < texts.value.size(); ++i) {
    const Text& text = texts.value[i];
    const std::string key = place.of("hash_policy[" + std::to_string(i) + "]");
    auto tree = tree_of(text, key, text.mark.line != 0 ? text.mark : place.mark, faults_);
    if (!tree) continue;
    const Object object(*tree, key, {"header", "cookie", "connection_properties", "identity", "terminal"}, faults_,
                        {"query_parameter", "filter_state"});
    HashPolicy& entry = out.hash_policy.emplace_back();
    read_hash(object, entry);
    // An answer makes one cookie.
    if (entry.ttl && makes_cookie) object.fault("", "has a ttl, and so has an earlier cookie: one is made only");
    makes_cookie = makes_cookie || entry.ttl;
  }
}

}  // namespace cardea::config
