// Reads one structured option's mapping.
#include "config/object.h"

#include <algorithm>

#include "config/load.h"

namespace cardea::config {

namespace {

// A text that is not from the file has no lines that a reader of the file could look up.
void set_marks(yaml::Node& node, const yaml::Mark& mark) {
  node.mark = mark;
  for (yaml::Node& item : node.items) set_marks(item, mark);
  for (auto& [key, value] : node.entries) {
    set_marks(key, mark);
    set_marks(value, mark);
  }
}

}  // namespace

Object::Object(const yaml::Node& node, std::string key, std::vector<Bytes> known, yaml::Faults& faults)
    : node_(node), key_(std::move(key)), faults_(faults) {
  if (node.kind != yaml::Node::Kind::mapping) {
    std::string keys;
    for (Bytes name : known) keys += (keys.empty() ? "" : ", ") + std::string(name);
    faults.add(node.mark, key_, "must be a mapping with " + keys);
    return;
  }
  for (const auto& [name, value] : node.entries) {
    if (std::find(known.begin(), known.end(), name.scalar) != known.end()) continue;
    faults.add(name.mark, at(name.scalar), key_fault(known, name.scalar));
  }
}

const yaml::Node* Object::find(Bytes name) const {
  return node_.kind == yaml::Node::Kind::mapping ? node_.find(name) : nullptr;
}

void Object::fault(Bytes name, const std::string& reason) const {
  const yaml::Node* value = find(name);
  faults_.add(value ? value->mark : node_.mark, name.empty() ? key_ : at(name), reason);
}

std::optional<std::string> Object::string(Bytes name) const {
  const yaml::Node* value = find(name);
  if (!value) return std::nullopt;
  auto text = yaml::as_string(*value, at(name), faults_);
  if (!text || !text->empty()) return text;
  fault(name, "is empty");
  return std::nullopt;
}

std::vector<Text> Object::strings(Bytes name) const {
  std::vector<Text> out;
  const yaml::Node* value = find(name);
  if (!value) return out;
  const bool list = value->kind == yaml::Node::Kind::sequence;
  if (list && value->items.empty()) fault(name, "is an empty list");
  for (size_t i = 0; i < (list ? value->items.size() : 1); ++i) {
    const yaml::Node& item = list ? value->items[i] : *value;
    const std::string where = list ? at(name) + "[" + std::to_string(i) + "]" : at(name);
    auto text = yaml::as_string(item, where, faults_);
    if (text && text->empty()) faults_.add(item.mark, where, "is empty");
    if (text && !text->empty()) out.push_back({std::move(*text), item.mark});
  }
  return out;
}

std::shared_ptr<const yaml::Node> tree_of(const Text& text, const std::string& key, const yaml::Mark& mark,
                                          yaml::Faults& faults) {
  if (text.tree) return text.tree;
  yaml::Faults inner;
  auto node = yaml::parse_yaml(text.value, inner);
  if (!node || !inner.empty()) {
    faults.add(mark, key, inner.empty() ? "is empty" : "is not a JSON object: " + inner.list()[0].reason);
    return nullptr;
  }
  set_marks(*node, mark);
  return std::make_shared<const yaml::Node>(std::move(*node));
}

}  // namespace cardea::config
