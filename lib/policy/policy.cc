// Pomerium's policy language: the table of criteria, the reader, the evaluation.
#include "policy/policy.h"

#include <algorithm>
#include <array>
#include <vector>

namespace cardea::policy {
namespace {

// ---- criteria -------------------------------------------------------------------------------------

// `facts.host` is yes or no here: evaluate() settles what is not known before it asks.
using Holds = bool (*)(const Facts& facts);

// One row a criterion of the language. Without `holds` the criterion is known and refused at load.
struct CriterionRow {
  std::string_view name;
  Holds holds = nullptr;
  Reason pass = Reason::accept, fail = Reason::reject;
  bool asks_host = false;
};

constexpr CriterionRow kCriteria[] = {
    {"accept", [](const Facts&) { return true; }, Reason::accept, Reason::accept},
    {"reject", [](const Facts&) { return false; }, Reason::reject, Reason::reject},
    {"host", [](const Facts& f) { return f.host == Facts::Host::yes; }, Reason::host_ok, Reason::host_unauthorized,
     true},
    {"authenticated_user"},
    {"claim"},
    {"client_certificate"},
    {"cors_preflight"},
    {"date"},
    {"day_of_week"},
    {"device"},
    {"domain"},
    {"email"},
    {"groups"},
    {"http_method"},
    {"http_path"},
    {"invalid_client_certificate"},
    {"mcp_tool"},
    {"pomerium_routes"},
    {"record"},
    {"source_ip"},
    {"ssh_ca"},
    {"ssh_publickey"},
    {"ssh_username"},
    {"ssh_username_matches_claim"},
    {"ssh_username_matches_email"},
    {"time_of_day"},
    {"user"},
};
constexpr std::string_view kPathCriterion = "claim";  // the one whose name goes on: claim/PATH

// ---- operators ------------------------------------------------------------------------------------

// As Pomerium defines them: `not` is "none of", `nor` is "not all of".
struct OperatorRow {
  std::string_view name;
  bool negate;  // each criterion before they meet
  bool all;     // they meet by AND, else by OR
};
constexpr OperatorRow kOperators[] = {
    {"and", false, true},
    {"or", false, false},
    {"not", true, true},
    {"nor", true, false},
};

// ---- the compiled form ----------------------------------------------------------------------------

constexpr size_t kMaxCriteria = 4096;

// One operator with its criteria. Bodies of several operators and lists of several rules are ORs of these.
struct Group {
  const OperatorRow* op;
  uint32_t first, count;  // in Compiled::criteria_
  bool operator==(const Group&) const = default;
};

struct Side {
  bool holds = false;
  Reasons reasons;
};

class Compiled final : public Policy {
 public:
  Decision evaluate(const Facts& facts) const override;
  bool names_host() const override { return names_host_; }
  const std::string& host_data() const override { return host_data_; }
  bool operator==(const Policy& other) const override;

 private:
  friend class Reader;
  friend class cardea::policy::Policy;
  Side judge_group(const Group& group, const Facts& facts) const;
  Side judge(const std::vector<Group>& groups, const Facts& facts) const;
  Decision decide(const Facts& facts) const;

  std::vector<const CriterionRow*> criteria_;
  std::vector<Group> allow_, deny_;
  bool names_host_ = false;
  std::string host_data_;
};

// A result that holds keeps the reasons of the parts that hold, one that does not those of the parts that do not.
Side Compiled::judge_group(const Group& group, const Facts& facts) const {
  Reasons of_true, of_false;
  bool any = false, all = true;
  for (uint32_t i = group.first; i < group.first + group.count; ++i) {
    const CriterionRow& criterion = *criteria_[i];
    const bool held = criterion.holds(facts);
    const bool part = held != group.op->negate;
    (part ? of_true : of_false).add(held ? criterion.pass : criterion.fail);
    any = any || part;
    all = all && part;
  }
  const bool holds = group.op->all ? all : any;
  return {holds, holds ? of_true : of_false};
}

Side Compiled::judge(const std::vector<Group>& groups, const Facts& facts) const {
  Side result;
  for (const Group& group : groups) {
    const Side part = judge_group(group, facts);
    if (part.holds && !result.holds) result = {true, {}};
    if (part.holds == result.holds) result.reasons.add(part.reasons);
  }
  return result;
}

Decision Compiled::decide(const Facts& facts) const {
  const Side deny = judge(deny_, facts);
  if (deny.holds) return {Verdict::deny, true, deny.reasons};
  const Side allow = judge(allow_, facts);
  return {allow.holds ? Verdict::allow : Verdict::deny, false, allow.reasons};
}

Decision Compiled::evaluate(const Facts& facts) const {
  if (facts.host != Facts::Host::unknown) return decide(facts);
  if (!names_host_) return decide({Facts::Host::no});
  // There is one unknown, so judging both of its values is exact: `or: [host], not: [host]` needs no answer.
  const Decision without = decide({Facts::Host::no});
  const Decision with = decide({Facts::Host::yes});
  const Reasons both = without.reasons.common(with.reasons);
  if (without.verdict != with.verdict) return {Verdict::ask_host, false, both};
  return {without.verdict, without.denied_by_rule && with.denied_by_rule, both};
}

bool Compiled::operator==(const Policy& other) const {
  const auto* o = dynamic_cast<const Compiled*>(&other);
  return o != nullptr && criteria_ == o->criteria_ && allow_ == o->allow_ && deny_ == o->deny_ &&
         host_data_ == o->host_data_;
}

// ---- names that were misspelt ---------------------------------------------------------------------

// Edits (insert, delete, replace) between two short names.
size_t distance(std::string_view a, std::string_view b) {
  constexpr size_t kMax = 32;
  if (a.size() > kMax || b.size() > kMax) return kMax;
  std::array<size_t, kMax + 1> row;
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

// " (did you mean X?)", or nothing when no name is near.
template <class Rows, class Name>
std::string nearest(std::string_view wrong, const Rows& rows, Name name_of) {
  std::string_view best;
  size_t best_distance = std::max<size_t>(2, wrong.size() / 3) + 1;
  for (const auto& row : rows) {
    const size_t d = distance(wrong, name_of(row));
    if (d < best_distance) {
      best_distance = d;
      best = name_of(row);
    }
  }
  return best.empty() ? std::string() : " (did you mean \"" + std::string(best) + "\"?)";
}

// What a message quotes of a text that anybody may have written.
std::string quoted(std::string_view text) {
  constexpr size_t kMax = 64;
  std::string result = "\"";
  for (char c : text.substr(0, kMax)) result += (c >= 0x20 && c != 0x7f) ? c : '?';
  return result + (text.size() > kMax ? "...\"" : "\"");
}

// ---- reading --------------------------------------------------------------------------------------

class Reader {
 public:
  explicit Reader(yaml::Faults& faults) : faults_(faults) {}
  std::shared_ptr<const Policy> read(const yaml::Node& node, const std::string& key);

 private:
  using Node = yaml::Node;
  void read_rule(const Node& node, const std::string& key);
  void read_body(const Node& node, const std::string& key, std::vector<Group>& groups);
  void read_criteria(const Node& node, const std::string& key, const OperatorRow& op, std::vector<Group>& groups);
  void read_criterion(const Node& node, const std::string& key);
  const CriterionRow* find_criterion(const Node& name, const std::string& key);
  void read_host_data(const Node& name, const Node& value, const std::string& key);
  void fault(const Node& at, const std::string& key, std::string reason) {
    failed_ = true;
    faults_.add(at.mark, key, std::move(reason));
  }

  yaml::Faults& faults_;
  std::shared_ptr<Compiled> policy_ = std::make_shared<Compiled>();
  bool failed_ = false;
  bool full_ = false;
};

std::shared_ptr<const Policy> Reader::read(const Node& node, const std::string& key) {
  if (node.kind == Node::Kind::sequence) {
    for (size_t i = 0; i < node.items.size() && !full_; ++i) {
      read_rule(node.items[i], key + "[" + std::to_string(i) + "]");
    }
  } else {
    read_rule(node, key);
  }
  if (failed_) return nullptr;
  return policy_;
}

void Reader::read_rule(const Node& node, const std::string& key) {
  if (node.kind != Node::Kind::mapping || node.entries.empty()) {
    return fault(node, key, "must be an object with \"allow\", \"deny\" or both");
  }
  for (const auto& [name, body] : node.entries) {
    const std::string at = key + "." + name.scalar;
    if (name.scalar == "allow") {
      read_body(body, at, policy_->allow_);
    } else if (name.scalar == "deny") {
      read_body(body, at, policy_->deny_);
    } else {
      constexpr std::string_view kActions[] = {"allow", "deny"};
      fault(name, key,
            "unknown action " + quoted(name.scalar) +
                nearest(name.scalar, kActions, [](std::string_view action) { return action; }));
    }
  }
}

void Reader::read_body(const Node& node, const std::string& key, std::vector<Group>& groups) {
  if (node.kind != Node::Kind::mapping || node.entries.empty()) {
    return fault(node, key, "must be an object with \"and\", \"or\", \"not\" or \"nor\"");
  }
  for (const auto& [name, list] : node.entries) {
    const auto* op = std::find_if(std::begin(kOperators), std::end(kOperators),
                                  [&word = name.scalar](const OperatorRow& row) { return row.name == word; });
    if (op == std::end(kOperators)) {
      fault(name, key,
            "unknown operator " + quoted(name.scalar) +
                nearest(name.scalar, kOperators, [](const OperatorRow& row) { return row.name; }));
    } else {
      read_criteria(list, key + "." + name.scalar, *op, groups);
    }
  }
}

void Reader::read_criteria(const Node& node, const std::string& key, const OperatorRow& op,
                           std::vector<Group>& groups) {
  // An empty `and` or `not` would hold for everybody; nobody means that.
  if (node.kind != Node::Kind::sequence || node.items.empty()) {
    return fault(node, key, "must be a list of at least one criterion");
  }
  const auto first = uint32_t(policy_->criteria_.size());
  for (size_t i = 0; i < node.items.size() && !full_; ++i) {
    read_criterion(node.items[i], key + "[" + std::to_string(i) + "]");
  }
  groups.push_back({&op, first, uint32_t(policy_->criteria_.size()) - first});
}

void Reader::read_criterion(const Node& node, const std::string& key) {
  if (node.kind != Node::Kind::mapping || node.entries.size() != 1) {
    return fault(node, key, "a criterion is an object with exactly one key, as in {accept: true}");
  }
  const auto& [name, value] = node.entries[0];
  const CriterionRow* row = find_criterion(name, key);
  if (row == nullptr) return;
  if (policy_->criteria_.size() == kMaxCriteria) {
    full_ = true;
    return fault(node, key, "a policy has at most " + std::to_string(kMaxCriteria) + " criteria");
  }
  policy_->criteria_.push_back(row);
  if (row->asks_host) read_host_data(name, value, key);
}

const CriterionRow* Reader::find_criterion(const Node& name, const std::string& key) {
  const std::string_view whole = name.scalar;
  const size_t slash = whole.find('/');
  const std::string_view word = whole.substr(0, slash);
  for (const CriterionRow& row : kCriteria) {
    if (row.name != word) continue;
    if (row.holds == nullptr) {
      fault(name, key, "not supported yet: " + std::string(row.name));
    } else if (slash != std::string_view::npos && row.name != kPathCriterion) {
      fault(name, key, "criterion " + quoted(word) + " takes no path");
    } else {
      return &row;
    }
    return nullptr;
  }
  fault(name, key, "unknown criterion " + quoted(whole) + nearest(word, kCriteria, [](const CriterionRow& row) {
                     return row.name;
                   }));
  return nullptr;
}

void Reader::read_host_data(const Node& name, const Node& value, const std::string& key) {
  std::string text = yaml::to_json(value);
  // The hook is asked once for an exchange, so there is one answer.
  if (policy_->names_host_ && text != policy_->host_data_) {
    return fault(name, key, "every \"host\" criterion of a policy must have the same data");
  }
  policy_->names_host_ = true;
  policy_->host_data_ = std::move(text);
}

}  // namespace

const char* reason_text(Reason reason) {
  static constexpr const char* kTexts[] = {
#define X(name, text) text,
      CARDEA_POLICY_REASONS(X)
#undef X
  };
  return reason < Reason::count_ ? kTexts[size_t(reason)] : "";
}

std::shared_ptr<const Policy> Policy::parse(const yaml::Node& node, const std::string& key, yaml::Faults& faults) {
  return Reader(faults).read(node, key);
}

std::shared_ptr<const Policy> Policy::open() {
  static_assert(kCriteria[0].name == "accept" && kOperators[1].name == "or");
  auto policy = std::make_shared<Compiled>();
  policy->criteria_.push_back(&kCriteria[0]);
  policy->allow_.push_back({&kOperators[1], 0, 1});
  return policy;
}

std::shared_ptr<const Policy> Policy::closed() {
  return std::make_shared<Compiled>();
}

}  // namespace cardea::policy
