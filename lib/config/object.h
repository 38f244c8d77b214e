// Reads one structured option's mapping. Inside this folder only.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/config.h"

namespace cardea::config {

// A mapping with a few known keys. Lives on the stack beside the node that it reads; every fault goes to `faults` with
// the key's own place.
class Object {
 public:
  // Faults at once: not a mapping (the object is empty then), unknown keys, and `foreign` ones, which others know and
  // which mean nothing here.
  Object(const yaml::Node& node, std::string key, const std::vector<Bytes>& known, yaml::Faults& faults,
         const std::vector<Bytes>& foreign = {});
  const yaml::Node* find(Bytes name) const;  // null: absent
  std::string at(Bytes name) const { return key_ + "." + std::string(name); }
  // nullopt: absent, or a fault: an empty string is one, too.
  std::optional<std::string> string(Bytes name) const;
  // One string or a list; an empty list is a fault. Marks are of the items.
  std::vector<Text> strings(Bytes name) const;
  // The elements of a list; empty: absent, or a fault: an empty list and one with more than `most` are.
  std::vector<std::pair<const yaml::Node*, std::string>> list(Bytes name, size_t most) const;
  // Each changes `out` if the key is there and good; true then.
  bool read(Bytes name, bool& out) const;
  bool read(Bytes name, std::string& out) const;  // not empty
  bool read_ms(Bytes name, Millis& out, Millis min) const;
  template <class T>
  bool read(Bytes name, T& out, int64_t min, int64_t max) const {
    auto number = integer(name, min, max);
    if (number) out = static_cast<T>(*number);
    return number.has_value();
  }
  // A number, or a mapping that has it as `inner` (Envoy's percentages and doubles).
  bool read_number(Bytes name, Bytes inner, double& out, double min, double max) const;
  bool is_mapping() const { return node_.kind == yaml::Node::Kind::mapping; }
  const yaml::Mark& mark() const { return node_.mark; }
  const std::string& key() const { return key_; }
  void fault(Bytes name, const std::string& reason) const;  // at the key's value, or at the mapping
  yaml::Faults& faults() const { return faults_; }

 private:
  std::optional<int64_t> integer(Bytes name, int64_t min, int64_t max) const;

  const yaml::Node& node_;
  std::string key_;
  yaml::Faults& faults_;
};

// The tree of a structured text: a file's with its marks, or the parsed JSON with the text's mark everywhere. Null
// after a fault.
std::shared_ptr<const yaml::Node> tree_of(const Text& text, const std::string& key, const yaml::Mark& mark,
                                          yaml::Faults& faults);

}  // namespace cardea::config
