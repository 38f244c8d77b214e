// From a file's tree to drafts. Inside this folder only.
#pragma once

#include <string>

#include "config/config.h"

namespace cardea::config {

// ---- options.cc: setting by row, without the setters' ceremony. Each returns what is wrong, or nothing.

std::string range_fault(const OptionRow& row, int64_t value);
std::string duration_text(int64_t ms);  // "90s", "1h"
template <class D>
std::string assign_number(D& draft, const OptionRow& row, int64_t value, yaml::Mark mark);
template <class D>
std::string assign_text(D& draft, const OptionRow& row, std::string value, yaml::Mark mark);
// Appends an object: its JSON, and the tree for the marks.
template <class D>
std::string assign_tree(D& draft, const OptionRow& row, yaml::Node tree);
// The key occurs; `bad`: and its value was refused.
template <class D>
void touch(D& draft, const OptionRow& row, yaml::Mark mark, bool bad);

// ---- keys.cc

enum class Scope : uint8_t { global, route };
// Why a key that no reader takes is refused: not yet, never, or unknown (with the nearest name).
std::string key_fault(Scope scope, const std::string& key);
// The same for a mapping with a few keys.
std::string key_fault(const std::vector<Bytes>& known, const std::string& key);

// ---- load.cc, load_route.cc, load_access.cc

std::optional<route::RewriteResponseHeader> read_rewrite_response_header(const yaml::Node& node,
                                                                         const std::string& path, yaml::Faults& faults);

class Loader {
 public:
  Loader(ConfigDraft& draft, yaml::Faults& faults) : draft_(draft), faults_(faults) {}
  void load(const yaml::Node& root);

 private:
  using Node = yaml::Node;

  bool load_global(const Node& key, const Node& value);
  bool load_listener_key(const Node& key, const Node& value);
  void load_certificates(const Node& value);
  void finish_listeners(const Node& root);

  void load_routes(const Node& value, const std::string& path);
  void load_route(const Node& node, const std::string& path);
  void load_route_key(RouteDraft& route, ClusterDraft& cluster, const Node& key, const Node& value);
  void load_policy(RouteDraft& route, const Node& value, const std::string& path);
  void load_rewrite_response_headers(RouteDraft& route, const Node& value, const std::string& path);

  // True when `owner` has the option; its faults have been reported.
  template <class D>
  bool load_option(D& draft, Owner owner, const std::string& name, const Node& value, const std::string& path);
  // load_access.cc: options whose strings are objects or maps in the file; false for others.
  template <class D>
  bool load_structured(D& draft, const OptionRow& row, const Node& value, const std::string& path);
  template <class D>
  void load_tree(D& draft, const OptionRow& row, Node tree, const std::string& path);
  template <class D>
  void load_named_objects(D& draft, const OptionRow& row, const Node& value, const std::string& path);
  template <class D>
  void load_objects(D& draft, const OptionRow& row, const Node& value, const std::string& path);
  template <class D>
  void load_endpoints(D& draft, const OptionRow& row, const Node& value, const std::string& path);
  template <class D>
  void load_map_entries(D& draft, const OptionRow& row, const Node& value, const std::string& path);
  template <class D>
  void load_claim_headers(D& draft, const OptionRow& row, const Node& value, const std::string& path);

  template <class D>
  void load_strings(D& draft, const OptionRow& row, const Node& value, const std::string& path);
  template <class D>
  void load_string(D& draft, const OptionRow& row, const Node& item, const std::string& path);
  // A mapping whose keys are the options NAME.*; false when it is not one.
  template <class D>
  bool load_nested(D& draft, Owner owner, const std::string& name, const Node& value, const std::string& path);
  template <class D>
  void load_headers(D& draft, const OptionRow& row, const Node& value, const std::string& path);
  bool load_disable(const Node& value, const std::string& path);

  Source source(const Node& value, const std::string& path, bool only_path);

  ConfigDraft& draft_;
  yaml::Faults& faults_;
  ListenerDraft main_;   // what address, codec_type and their like say
  TlsDraft::Pair pair_;  // certificate and certificate_key
  std::vector<TlsDraft::Pair> pairs_;
  Value<bool> insecure_server_;
  Text redirect_address_;
  yaml::Mark certificate_mark_;  // of the first key about certificates
};

}  // namespace cardea::config
