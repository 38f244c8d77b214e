// A YAML (so JSON too) document as a tree with marks, read with libyaml's events. Hostile text is normal:
// size, depth, aliases and node count are bounded; duplicate keys, several documents and tags are faults.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/base.h"

namespace cardea::yaml {

struct Mark {
  uint32_t line = 0;    // from 1; 0: no place
  uint32_t column = 0;  // from 1
};

// One mistake in a configuration.
struct Fault {
  Mark mark;
  std::string key;  // "routes[2].to", empty for the text itself
  std::string reason;
};

// Every mistake of one text, in order of place. Bounded: after 100 the rest is counted only.
class Faults {
 public:
  void add(Mark mark, const std::string& key, const std::string& reason);
  bool empty() const { return list_.empty(); }
  const std::vector<Fault>& list() const { return list_; }
  // "SOURCE:LINE:COLUMN: KEY: reason" lines, sorted by place.
  std::string text(const std::string& source) const;

 private:
  std::vector<Fault> list_;
  size_t dropped_ = 0;
};

struct Entry;

struct Node {
  enum class Kind : uint8_t { null, scalar, sequence, mapping } kind = Kind::null;
  Mark mark;
  std::string scalar;                            // text as written, unescaped
  bool quoted = false;                           // a quoted scalar is always a string
  std::vector<Node> items;                       // sequence
  std::vector<Entry> entries;                    // mapping, in order; keys are scalars, unique
  const Node* find(std::string_view key) const;  // of a mapping
};

// A key and its value.
struct Entry {
  Node first, second;
};

// Typed reading of scalars, YAML 1.2 core: only true/false are booleans; `no`, `007`, `1e3` are not what they look
// like in YAML 1.1: as a string they are taken only when quoted or unambiguous, as a number they are refused. Each adds
// a fault and returns nullopt on the wrong type.
std::optional<std::string> as_string(const Node& node, const std::string& key, Faults& faults);
std::optional<bool> as_bool(const Node& node, const std::string& key, Faults& faults);
std::optional<int64_t> as_int(const Node& node, const std::string& key, int64_t min, int64_t max, Faults& faults);
std::optional<double> as_number(const Node& node, const std::string& key, double min, double max, Faults& faults);
// Go's durations: "1h30m", "500ms", "1.5s", "0"; milliseconds, rounded up to 1 ms when not zero.
std::optional<Millis> as_duration(const Node& node, const std::string& key, Faults& faults);
Result<Millis> parse_duration(Bytes text);

struct YamlLimits {
  size_t max_bytes = 16 * 1024 * 1024, max_depth = 32, max_nodes = 2 * 1000 * 1000, max_alias_nodes = 100 * 1000;
};
// nullopt after a syntax fault; other faults (duplicate keys) leave a usable tree.
std::optional<Node> parse_yaml(Bytes text, Faults& faults, const YamlLimits& limits = {});
// The node as compact JSON.
std::string to_json(const Node& node);

}  // namespace cardea::yaml
