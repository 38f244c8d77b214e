// The form in which a policy is judged: criteria under operators, operators on two sides.
#pragma once

#include <string>
#include <vector>

#include "policy/criteria.h"
#include "policy/policy.h"

namespace cardea::policy {

// As Pomerium defines them: `not` is "none of", `nor` is "not all of".
struct OperatorRow {
  std::string_view name;
  bool negate;  // each criterion before they meet
  bool all;     // they meet by AND, else by OR
};
inline constexpr OperatorRow kOperators[] = {
    {"and", false, true},
    {"or", false, false},
    {"not", true, true},
    {"nor", true, false},
};
inline constexpr const OperatorRow* kOr = &kOperators[1];

constexpr size_t kMaxCriteria = 4096;

class Compiled final : public Policy {
 public:
  Decision evaluate(const Facts& facts) const override;
  uint8_t depends_on() const override { return depends_; }
  int64_t next_change_ms(int64_t now_unix_ms) const override;
  const std::string& host_data() const override { return host_data_; }
  bool operator==(const Policy& other) const override;

  // Making one. A group is the criteria since the last one under an operator; several groups of one side are
  // alternatives. `rule` is its name in decisions.
  enum class Side : uint8_t { allow, deny };
  void add(Criterion criterion);
  void end_group(Side side, const OperatorRow* op, std::string rule);
  size_t size() const { return criteria_.size(); }
  void set_host_data(std::string json) { host_data_ = std::move(json); }

 private:
  struct Group {
    const OperatorRow* op;
    uint32_t first, count;  // in criteria_
    std::string rule;
    bool operator==(const Group&) const = default;
  };
  using Groups = std::vector<Group>;
  struct Judged {
    bool holds = false;
    Reasons reasons;
    const Group* first = nullptr;  // the first that holds, when it holds
  };
  Judged judge(const Group& group, const Facts& facts) const;
  Judged judge(const Groups& groups, const Facts& facts) const;
  std::string_view first_with(Reasons wanted, const Groups& groups, bool held, const Facts& facts) const;
  Decision decide(const Facts& facts) const;
  Decision sign_in(const Judged& deny, const Judged& allow, const Facts& facts) const;

  std::vector<Criterion> criteria_;
  std::vector<uint32_t> timed_;  // those of time, in criteria_
  Groups allow_, deny_;
  uint32_t grouped_ = 0;  // how many of criteria_ are in a group
  uint8_t depends_ = 0;
  std::string host_data_;
};

// Adds the rules that a route's keys beside its policy stand for.
void add_shorthand(const Shorthand& shorthand, Compiled& policy);

}  // namespace cardea::policy
