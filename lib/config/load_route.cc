// The file's routes, each with its cluster and its policy.
#include "config/load.h"

namespace cardea::config {

namespace {

// What only a request that goes on to an upstream can use.
constexpr OptionId kNeedUpstream[] = {
    OPT_ROUTE_PREFIX_REWRITE,
    OPT_ROUTE_REGEX_REWRITE_PATTERN,
    OPT_ROUTE_REGEX_REWRITE_SUBSTITUTION,
    OPT_ROUTE_HOST_REWRITE,
    OPT_ROUTE_HOST_REWRITE_HEADER,
    OPT_ROUTE_HOST_PATH_REGEX_REWRITE_PATTERN,
    OPT_ROUTE_HOST_PATH_REGEX_REWRITE_SUBSTITUTION,
    OPT_ROUTE_PRESERVE_HOST_HEADER,
    OPT_ROUTE_SET_REQUEST_HEADERS,
    OPT_ROUTE_REMOVE_REQUEST_HEADERS,
    OPT_ROUTE_REWRITE_RESPONSE_HEADERS,
    OPT_ROUTE_TIMEOUT,
    OPT_ROUTE_PASS_IDENTITY_HEADERS,
    OPT_ROUTE_JWT_CLAIMS_HEADERS,
    OPT_ROUTE_ALLOW_WEBSOCKETS,
    OPT_ROUTE_ALLOW_UPGRADES,
    OPT_ROUTE_ALLOW_SPDY,
    OPT_ROUTE_RETRY_POLICY,
    OPT_ROUTE_HASH_POLICY,
};

// Names under which people know a key too.
struct Alias {
  const char* other;
  const char* name;
};
constexpr Alias kAliases[] = {{"lb_policy", "load_balancing_policy"}, {"cors_preflight", "cors_allow_preflight"}};

bool is_of_cluster(Bytes key) {
  if (key == "lb_policy") return true;
  return key.find('.') == Bytes::npos && option_by_key(Owner::cluster, key);
}

bool needs_upstream(Bytes key) {
  if (is_of_cluster(key)) return true;
  if (key.find('.') != Bytes::npos) return false;
  const OptionRow* row = option_by_key(Owner::route, key);
  for (OptionId id : kNeedUpstream) {
    if (row && row->id == id) return true;
  }
  return false;
}

}  // namespace

void Loader::load_routes(const Node& value, const std::string& path) {
  if (value.kind != Node::Kind::sequence) {
    faults_.add(value.mark, path, "must be a list of routes");
    return;
  }
  if (value.items.empty()) faults_.add(value.mark, path, "there are no routes");
  for (size_t i = 0; i < value.items.size(); ++i) load_route(value.items[i], path + "[" + std::to_string(i) + "]");
}

void Loader::load_route(const Node& node, const std::string& path) {
  if (node.kind != Node::Kind::mapping) {
    faults_.add(node.mark, path, "must be a mapping");
    return;
  }
  auto route = std::make_shared<RouteDraft>();
  auto cluster = std::make_shared<ClusterDraft>();
  route->mark = cluster->mark = node.mark;
  route->key = cluster->key = path;
  for (const auto& [key, value] : node.entries) load_route_key(*route, *cluster, key, value);
  if (cluster->to.set || cluster->endpoints_file.set) {
    route->cluster = std::move(cluster);
  } else if (route->redirect.set || route->response.set || route->served_by_host.value) {
    // The host gets requests as a service does; what only connections to one need is another matter.
    const auto has_no_effect = route->served_by_host.value ? is_of_cluster : needs_upstream;
    for (const auto& [key, value] : node.entries) {
      if (!has_no_effect(key.scalar)) continue;
      bool off = value.kind == Node::Kind::scalar && value.scalar == "false";
      if (!off) faults_.add(key.mark, path + "." + key.scalar, "has no effect without to");
    }
  }
  for (const Alias& alias : kAliases) {
    const Node* other = node.find(alias.other);
    if (!other || !node.find(alias.name)) continue;
    faults_.add(other->mark, path + "." + alias.other,
                std::string("is the old name of ") + alias.name + ", which is there too");
  }
  draft_.routes.push_back(std::move(route));
}

void Loader::load_route_key(RouteDraft& route, ClusterDraft& cluster, const Node& key, const Node& value) {
  std::string name = key.scalar;
  for (const Alias& alias : kAliases) {
    if (name == alias.other) name = alias.name;
  }
  std::string path = route.key + "." + key.scalar;
  if (name == "redirect" || name == "response") {
    bool good = load_nested(route, Owner::route, name, value, path);
    (name == "redirect" ? route.redirect : route.response) = {true, value.mark, true, !good};
  } else if (name == "policy") {
    load_policy(route, value, path);
  } else if (name == "set_request_headers" || name == "set_response_headers") {
    load_headers(route, *option_by_key(Owner::route, name), value, path);
  } else if (name == "rewrite_response_headers") {
    load_rewrite_response_headers(route, value, path);
  } else if (name.find('.') != std::string::npos || (!load_option(route, Owner::route, name, value, path) &&
                                                     !load_option(cluster, Owner::cluster, name, value, path))) {
    faults_.add(key.mark, path, key_fault(Scope::route, key.scalar));
  }
}

void Loader::load_policy(RouteDraft& route, const Node& value, const std::string& path) {
  route.policy = std::make_shared<PolicyDraft>();
  route.policy->mark = value.mark;
  route.policy->key = path;
  route.policy->node = value;
  if (value.kind == Node::Kind::mapping || value.kind == Node::Kind::sequence) return;
  route.policy->bad = true;
  faults_.add(value.mark, path, "must be a policy: a mapping with allow or deny, or a list of them");
}

void Loader::load_rewrite_response_headers(RouteDraft& route, const Node& value, const std::string& path) {
  const OptionRow& row = *option_by_id(OPT_ROUTE_REWRITE_RESPONSE_HEADERS);
  touch(route, row, value.mark, false);
  if (value.kind != Node::Kind::sequence) {
    faults_.add(value.mark, path, "must be a list of {header, prefix, value}");
    touch(route, row, value.mark, true);
    return;
  }
  for (size_t i = 0; i < value.items.size(); ++i) {
    const Node& item = value.items[i];
    std::string where = path + "[" + std::to_string(i) + "]";
    // Read here for the marks; the draft keeps the text, as the ABI gives it.
    bool good = read_rewrite_response_header(item, where, faults_).has_value();
    std::string fault = good ? assign_text(route, row, yaml::to_json(item), item.mark) : "";
    if (!fault.empty()) faults_.add(item.mark, where, fault);
    if (!good || !fault.empty()) touch(route, row, item.mark, true);
  }
}

std::optional<route::RewriteResponseHeader> read_rewrite_response_header(const yaml::Node& node,
                                                                         const std::string& path,
                                                                         yaml::Faults& faults) {
  if (node.kind != yaml::Node::Kind::mapping) {
    faults.add(node.mark, path, "must be a mapping with header, prefix and value");
    return std::nullopt;
  }
  route::RewriteResponseHeader out;
  bool good = true;
  for (const auto& [key, value] : node.entries) {
    std::string where = path + "." + key.scalar;
    std::string* target = key.scalar == "header"   ? &out.header
                          : key.scalar == "prefix" ? &out.prefix
                          : key.scalar == "value"  ? &out.value
                                                   : nullptr;
    auto text = target ? yaml::as_string(value, where, faults) : std::nullopt;
    if (!target) faults.add(key.mark, where, key_fault({"header", "prefix", "value"}, key.scalar));
    if (text) *target = std::move(*text);
    good = good && text.has_value();
  }
  std::string fault;
  if (good && !http::is_token(out.header))
    fault = node.find("header") ? "header is not the name of a header" : "has no header";
  if (good && fault.empty() && !http::is_field_value(out.value)) fault = "value cannot stand in a header";
  if (!fault.empty()) faults.add(node.mark, path, fault);
  if (!good || !fault.empty()) return std::nullopt;
  return out;
}

std::shared_ptr<PolicyDraft> parse_policy(Bytes text, yaml::Faults& faults) {
  auto root = yaml::parse_yaml(text, faults);
  if (!root) return nullptr;
  auto draft = std::make_shared<PolicyDraft>();
  draft->node = std::move(*root);
  if (!policy::Policy::make(&draft->node, "", {}, faults) || !faults.empty()) return nullptr;
  return draft;
}

}  // namespace cardea::config
