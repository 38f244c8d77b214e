// The file's structured options: objects and maps that drafts keep as one text each, with the tree beside it.
#include "config/load.h"

namespace cardea::config {

template <class D>
bool Loader::load_structured(D& draft, const OptionRow& row, const Node& value, const std::string& path) {
  switch (row.id) {
    case OPT_GLOBAL_JWT_PROVIDERS:
      load_named_objects(draft, row, value, path);
      return true;
    case OPT_GLOBAL_CIRCUIT_BREAKER_THRESHOLDS:
    case OPT_ROUTE_RETRY_POLICY:
    case OPT_CLUSTER_ROUND_ROBIN_LB_CONFIG:
    case OPT_CLUSTER_LEAST_REQUEST_LB_CONFIG:
    case OPT_CLUSTER_RING_HASH_LB_CONFIG:
    case OPT_CLUSTER_MAGLEV_LB_CONFIG:
    case OPT_CLUSTER_COMMON_LB_CONFIG:
    case OPT_CLUSTER_SLOW_START_CONFIG:
    case OPT_CLUSTER_PRECONNECT_POLICY:
    case OPT_CLUSTER_OUTLIER_DETECTION:
    case OPT_CLUSTER_CIRCUIT_BREAKER_THRESHOLDS:
    case OPT_CLUSTER_HTTP2_KEEPALIVE:
      load_tree(draft, row, value, path);
      return true;
    case OPT_CLUSTER_TO:
      load_endpoints(draft, row, value, path);
      return true;
    case OPT_GLOBAL_DOWNSTREAM_MTLS_MATCH_SUBJECT_ALT_NAMES:
    case OPT_GLOBAL_LIMITS:
    case OPT_ROUTE_LIMITS:
    case OPT_ROUTE_HASH_POLICY:
    case OPT_CLUSTER_HEALTH_CHECKS:
      load_objects(draft, row, value, path);
      return true;
    case OPT_ROUTE_ALLOWED_IDP_CLAIMS:
      load_map_entries(draft, row, value, path);
      return true;
    case OPT_GLOBAL_JWT_CLAIMS_HEADERS:
    case OPT_ROUTE_JWT_CLAIMS_HEADERS:
      load_claim_headers(draft, row, value, path);
      return true;
    default:
      return false;
  }
}

template <class D>
void Loader::load_tree(D& draft, const OptionRow& row, Node tree, const std::string& path) {
  const yaml::Mark mark = tree.mark;
  std::string fault = assign_tree(draft, row, std::move(tree));
  if (fault.empty()) return;
  faults_.add(mark, path, fault);
  touch(draft, row, mark, true);
}

// {NAME: {...}}, kept as {"name": NAME, ...}.
template <class D>
void Loader::load_named_objects(D& draft, const OptionRow& row, const Node& value, const std::string& path) {
  touch(draft, row, value.mark, value.kind != Node::Kind::mapping);
  if (value.kind != Node::Kind::mapping) {
    faults_.add(value.mark, path, "must be a mapping of names to mappings");
    return;
  }
  for (const auto& [key, entry] : value.entries) {
    const std::string where = path + "." + key.scalar;
    if (entry.kind != Node::Kind::mapping) {
      faults_.add(entry.mark, where, "must be a mapping");
      touch(draft, row, entry.mark, true);
      continue;
    }
    Node tree{Node::Kind::mapping, key.mark};
    Node name = key;
    name.quoted = true;  // a key is a string, whatever it looks like
    tree.entries.push_back({Node{Node::Kind::scalar, key.mark, "name", true}, std::move(name)});
    for (const yaml::Entry& pair : entry.entries) {
      if (pair.first.scalar == "name") {
        faults_.add(pair.first.mark, where + ".name", "unknown key: the name stands in front of the mapping");
        touch(draft, row, pair.first.mark, true);
      } else {
        tree.entries.push_back(pair);
      }
    }
    load_tree(draft, row, std::move(tree), where);
  }
}

// [{...}, {...}]
template <class D>
void Loader::load_objects(D& draft, const OptionRow& row, const Node& value, const std::string& path) {
  touch(draft, row, value.mark, value.kind != Node::Kind::sequence);
  if (value.kind != Node::Kind::sequence) {
    faults_.add(value.mark, path, "must be a list of mappings");
    return;
  }
  for (size_t i = 0; i < value.items.size(); ++i) {
    load_tree(draft, row, value.items[i], path + "[" + std::to_string(i) + "]");
  }
}

// URLs and {url, weight, priority}: one, or a list of them.
template <class D>
void Loader::load_endpoints(D& draft, const OptionRow& row, const Node& value, const std::string& path) {
  const bool list = value.kind == Node::Kind::sequence;
  touch(draft, row, value.mark, false);
  for (size_t i = 0; i < (list ? value.items.size() : 1); ++i) {
    const Node& item = list ? value.items[i] : value;
    const std::string where = list ? path + "[" + std::to_string(i) + "]" : path;
    if (item.kind == Node::Kind::mapping) {
      load_tree(draft, row, item, where);
    } else {
      load_string(draft, row, item, where);
    }
  }
}

// {NAME: ...}, each entry kept as a mapping of its own.
template <class D>
void Loader::load_map_entries(D& draft, const OptionRow& row, const Node& value, const std::string& path) {
  touch(draft, row, value.mark, value.kind != Node::Kind::mapping);
  if (value.kind != Node::Kind::mapping) {
    faults_.add(value.mark, path, "must be a mapping of claims to lists of values");
    return;
  }
  for (const yaml::Entry& entry : value.entries) {
    Node tree{Node::Kind::mapping, entry.first.mark};
    tree.entries.push_back(entry);
    load_tree(draft, row, std::move(tree), path + "." + entry.first.scalar);
  }
}

// A list of claims, or a mapping of headers to claims.
template <class D>
void Loader::load_claim_headers(D& draft, const OptionRow& row, const Node& value, const std::string& path) {
  if (value.kind != Node::Kind::mapping) {
    load_strings(draft, row, value, path);
    return;
  }
  touch(draft, row, value.mark, false);
  for (const auto& [key, entry] : value.entries) {
    const std::string where = path + "." + key.scalar;
    if (!http::is_token(key.scalar)) {
      faults_.add(key.mark, where, "is not the name of a header");
      touch(draft, row, key.mark, true);
      continue;
    }
    auto claim = yaml::as_string(entry, where, faults_);
    std::string fault = claim && claim->empty() ? "is empty" : "";
    if (claim && fault.empty()) fault = assign_text(draft, row, key.scalar + ": " + *claim, entry.mark);
    if (!fault.empty()) faults_.add(entry.mark, where, fault);
    if (!claim || !fault.empty()) touch(draft, row, entry.mark, true);
  }
}

#define CARDEA_STRUCTURED(D) \
  template bool Loader::load_structured<D>(D&, const OptionRow&, const Node&, const std::string&);
CARDEA_STRUCTURED(ConfigDraft)
CARDEA_STRUCTURED(ListenerDraft)
CARDEA_STRUCTURED(RouteDraft)
CARDEA_STRUCTURED(ClusterDraft)

}  // namespace cardea::config
