// A policy's text as the form in which it is judged.
#include <algorithm>

#include "policy/compiled.h"
#include "policy/spelling.h"

namespace cardea::policy {
namespace {

using yaml::Node;

class Reader {
 public:
  Reader(const std::string& key, yaml::Faults& faults) : key_(key), faults_(faults) {}
  void read(const Node& node);
  void add(const Shorthand& shorthand);
  std::shared_ptr<const Policy> take();

 private:
  using Side = Compiled::Side;
  void read_rule(const Node& node, const std::string& key);
  void read_body(const Node& node, const std::string& key, Side side);
  void read_criteria(const Node& node, const std::string& key, const OperatorRow& op, Side side);
  void read_criterion(const Node& node, const std::string& key);
  const CriterionRow* find(const Node& name, const std::string& key);
  void read_host_data(const Node& name, const Node& value, const std::string& key);
  bool full(const Node& node, const std::string& key);
  void fault(const Node& at, const std::string& key, std::string reason) {
    failed_ = true;
    faults_.add(at.mark, key, std::move(reason));
  }

  const std::string& key_;
  yaml::Faults& faults_;
  std::shared_ptr<Compiled> policy_ = std::make_shared<Compiled>();
  bool names_host_ = false;
  bool failed_ = false;
  bool full_ = false;
};

void Reader::read(const Node& node) {
  if (node.kind != Node::Kind::sequence) return read_rule(node, key_);
  for (size_t i = 0; i < node.items.size() && !full_; ++i) {
    read_rule(node.items[i], key_ + "[" + std::to_string(i) + "]");
  }
}

void Reader::add(const Shorthand& shorthand) {
  add_shorthand(shorthand, *policy_);
}

std::shared_ptr<const Policy> Reader::take() {
  if (failed_) return nullptr;
  return std::move(policy_);
}

void Reader::read_rule(const Node& node, const std::string& key) {
  if (node.kind != Node::Kind::mapping || node.entries.empty()) {
    return fault(node, key, "must be an object with \"allow\", \"deny\" or both");
  }
  for (const auto& [name, body] : node.entries) {
    if (name.scalar == "allow") {
      read_body(body, below(key, "allow"), Side::allow);
    } else if (name.scalar == "deny") {
      read_body(body, below(key, "deny"), Side::deny);
    } else {
      Nearest nearest(name.scalar);
      nearest.offer("allow");
      nearest.offer("deny");
      fault(name, key, "unknown action " + quoted(name.scalar) + nearest.text());
    }
  }
}

void Reader::read_body(const Node& node, const std::string& key, Side side) {
  if (node.kind != Node::Kind::mapping || node.entries.empty()) {
    return fault(node, key, "must be an object with \"and\", \"or\", \"not\" or \"nor\"");
  }
  for (const auto& [name, list] : node.entries) {
    Nearest nearest(name.scalar);
    const OperatorRow* op = nullptr;
    for (const OperatorRow& row : kOperators) {
      nearest.offer(row.name);
      if (row.name == name.scalar) op = &row;
    }
    if (op == nullptr) {
      fault(name, key, "unknown operator " + quoted(name.scalar) + nearest.text());
    } else {
      read_criteria(list, below(key, op->name), *op, side);
    }
  }
}

void Reader::read_criteria(const Node& node, const std::string& key, const OperatorRow& op, Side side) {
  // An empty `and` or `not` would hold for everybody; nobody means that.
  if (node.kind != Node::Kind::sequence || node.items.empty()) {
    return fault(node, key, "must be a list of at least one criterion");
  }
  for (size_t i = 0; i < node.items.size() && !full_; ++i) {
    read_criterion(node.items[i], key + "[" + std::to_string(i) + "]");
  }
  // The rule's name does not say which route it is of.
  const std::string within = key.substr(key_.size());
  const bool joined = !key_.empty() || within.starts_with('[');
  policy_->end_group(side, &op, (joined ? "policy" : "policy.") + within);
}

void Reader::read_criterion(const Node& node, const std::string& key) {
  if (node.kind != Node::Kind::mapping || node.entries.size() != 1) {
    return fault(node, key, "a criterion is an object with exactly one key, as in {accept: true}");
  }
  const auto& [name, value] = node.entries[0];
  const CriterionRow* row = find(name, key);
  if (row == nullptr || full(node, key)) return;
  Criterion criterion{row};
  const size_t slash = name.scalar.find('/');
  const Bytes path = slash == std::string::npos ? Bytes() : Bytes(name.scalar).substr(slash + 1);
  const std::string at = below(key, row->name);
  failed_ |= !row->read({name, path, value, at}, criterion.operand, faults_);
  policy_->add(std::move(criterion));
  if (row->depends & on_host) read_host_data(name, value, key);
}

const CriterionRow* Reader::find(const Node& name, const std::string& key) {
  const Bytes whole = name.scalar;
  const size_t slash = whole.find('/');
  const Bytes word = whole.substr(0, slash);
  const CriterionRow* row = find_criterion(word);
  if (row == nullptr) {
    Nearest nearest(word);
    for (const CriterionRow& known : criteria()) nearest.offer(known.name);
    fault(name, key, "unknown criterion " + quoted(whole) + nearest.text());
  } else if (row->read == nullptr) {
    fault(name, key, "not supported by cardea: " + std::string(row->name));
    row = nullptr;
  } else if (slash != Bytes::npos && !row->takes_path) {
    fault(name, key, "criterion " + quoted(word) + " takes no path");
    row = nullptr;
  }
  return row;
}

bool Reader::full(const Node& node, const std::string& key) {
  if (policy_->size() < kMaxCriteria) return false;
  if (!full_) fault(node, key, "a policy has at most " + std::to_string(kMaxCriteria) + " criteria");
  full_ = true;
  return true;
}

void Reader::read_host_data(const Node& name, const Node& value, const std::string& key) {
  std::string text = yaml::to_json(value);
  // The hook is asked once for an exchange, so there is one answer.
  if (names_host_ && text != policy_->host_data()) {
    return fault(name, key, "every \"host\" criterion of a policy must have the same data");
  }
  names_host_ = true;
  policy_->set_host_data(std::move(text));
}

}  // namespace

std::shared_ptr<const Policy> Policy::make(const yaml::Node* node, const std::string& key, const Shorthand& shorthand,
                                           yaml::Faults& faults) {
  Reader reader(key, faults);
  reader.add(shorthand);
  if (node != nullptr) reader.read(*node);
  return reader.take();
}

}  // namespace cardea::policy
