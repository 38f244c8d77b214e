// The criteria of the policy language, one row each.
#pragma once

#include <span>
#include <string>
#include <variant>

#include "policy/calendar.h"
#include "policy/matchers.h"
#include "policy/networks.h"
#include "policy/policy.h"

namespace cardea::policy {

// What a criterion compares with.
using Operand = std::variant<std::monostate, StringMatcher, ListMatcher, CertificateMatcher, Networks, DateWindow,
                             Weekdays, TimeWindow>;

// Where an operand is written.
struct OperandText {
  const yaml::Node& name;  // "claim/address/country"
  Bytes path;              // "address/country"
  const yaml::Node& value;
  const std::string& key;  // for faults
};

struct CriterionRow {
  std::string_view name;
  // Null: a criterion of Pomerium's that is refused at load. False after a fault.
  bool (*read)(const OperandText& text, Operand& operand, yaml::Faults& faults) = nullptr;
  bool (*holds)(const Facts& facts, const Operand& operand) = nullptr;
  Reason pass = Reason::accept, fail = Reason::reject;
  uint8_t depends = 0;
  bool takes_path = false;
  Reason (*reason)(const Facts& facts) = nullptr;  // instead of pass and fail
  // The first moment after `now` at which it may hold differently, or kNever; null: not a matter of time.
  int64_t (*next_change)(int64_t now, const Operand& operand) = nullptr;

  // Without an identity it fails, and says that nobody is signed in.
  bool needs_identity() const { return (depends & on_identity) != 0; }
};

std::span<const CriterionRow> criteria();
const CriterionRow* find_criterion(Bytes name);  // null: there is no such criterion

// One criterion of one policy.
struct Criterion {
  const CriterionRow* row = nullptr;
  Operand operand;
  bool operator==(const Criterion&) const = default;
};

}  // namespace cardea::policy
