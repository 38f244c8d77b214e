// Reads one structured option's mapping.
#include "config/object.h"

#include <algorithm>

#include "config/load.h"

namespace cardea::config {

namespace {

constexpr size_t kMostNamed = 8;  // keys in a message

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

Object::Object(const yaml::Node& node, std::string key, const std::vector<Bytes>& known, yaml::Faults& faults,
               const std::vector<Bytes>& foreign)
    : node_(node), key_(std::move(key)), faults_(faults) {
  if (node.kind != yaml::Node::Kind::mapping) {
    std::string keys;
    for (Bytes name : known) keys += (keys.empty() ? " with " : ", ") + std::string(name);
    faults.add(node.mark, key_, "must be a mapping" + (known.size() <= kMostNamed ? keys : ""));
    return;
  }
  for (const auto& [name, value] : node.entries) {
    auto is = [&](const std::vector<Bytes>& names) {
      return std::find(names.begin(), names.end(), Bytes(name.scalar)) != names.end();
    };
    if (is(known)) continue;
    faults.add(name.mark, at(name.scalar),
               is(foreign) ? "not supported by cardea: " + name.scalar : key_fault(known, name.scalar));
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

std::vector<std::pair<const yaml::Node*, std::string>> Object::list(Bytes name, size_t most) const {
  std::vector<std::pair<const yaml::Node*, std::string>> out;
  const yaml::Node* value = find(name);
  if (!value) return out;
  if (value->kind != yaml::Node::Kind::sequence || value->items.empty()) {
    fault(name, value->kind == yaml::Node::Kind::sequence ? "is an empty list" : "must be a list");
  } else if (value->items.size() > most) {
    fault(name, "has more than " + std::to_string(most) + " elements");
  } else {
    for (size_t i = 0; i < value->items.size(); ++i) {
      out.emplace_back(&value->items[i], at(name) + "[" + std::to_string(i) + "]");
    }
  }
  return out;
}

std::optional<int64_t> Object::integer(Bytes name, int64_t min, int64_t max) const {
  const yaml::Node* value = find(name);
  return value ? yaml::as_int(*value, at(name), min, max, faults_) : std::nullopt;
}

bool Object::read(Bytes name, bool& out) const {
  const yaml::Node* value = find(name);
  auto flag = value ? yaml::as_bool(*value, at(name), faults_) : std::nullopt;
  if (flag) out = *flag;
  return flag.has_value();
}

bool Object::read(Bytes name, std::string& out) const {
  auto text = string(name);
  if (text) out = std::move(*text);
  return text.has_value();
}

bool Object::read_ms(Bytes name, Millis& out, Millis min) const {
  const yaml::Node* value = find(name);
  auto duration = value ? yaml::as_duration(*value, at(name), faults_) : std::nullopt;
  if (!duration) return false;
  if (*duration < min || *duration > static_cast<Millis>(kYear)) {
    fault(name, "must be between " + duration_text(static_cast<int64_t>(min)) + " and " + duration_text(kYear) +
                    ", not " + duration_text(static_cast<int64_t>(*duration)));
    return false;
  }
  out = *duration;
  return true;
}

bool Object::read_number(Bytes name, Bytes inner, double& out, double min, double max) const {
  const yaml::Node* value = find(name);
  if (!value) return false;
  std::string where = at(name);
  if (value->kind == yaml::Node::Kind::mapping) {
    const Object wrapped(*value, where, {inner, "runtime_key"}, faults_);
    wrapped.string("runtime_key");  // names what could override the number: nothing can here
    value = wrapped.find(inner);
    if (!value) {
      wrapped.fault("", "has no " + std::string(inner));
      return false;
    }
    where = wrapped.at(inner);
  }
  auto number = yaml::as_number(*value, where, min, max, faults_);
  if (number) out = *number;
  return number.has_value();
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
