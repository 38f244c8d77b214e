// Reads one structured option's mapping. Inside this folder only.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace cardea::config {

// A mapping with a few known keys. Lives on the stack beside the node that it reads; every fault goes to `faults` with
// the key's own place.
class Object {
 public:
  // Faults at once: not a mapping (the object is empty then), unknown keys.
  Object(const yaml::Node& node, std::string key, std::vector<Bytes> known, yaml::Faults& faults);
  const yaml::Node* find(Bytes name) const;  // null: absent
  std::string at(Bytes name) const { return key_ + "." + std::string(name); }
  // nullopt: absent, or a fault: an empty string is one, too.
  std::optional<std::string> string(Bytes name) const;
  // One string or a list; an empty list is a fault. Marks are of the items.
  std::vector<Text> strings(Bytes name) const;
  void fault(Bytes name, const std::string& reason) const;  // at the key's value, or at the mapping
  yaml::Faults& faults() const { return faults_; }

 private:
  const yaml::Node& node_;
  std::string key_;
  yaml::Faults& faults_;
};

// The tree of a structured text: a file's with its marks, or the parsed JSON with the text's mark everywhere. Null
// after a fault.
std::shared_ptr<const yaml::Node> tree_of(const Text& text, const std::string& key, const yaml::Mark& mark,
                                          yaml::Faults& faults);

}  // namespace cardea::config
