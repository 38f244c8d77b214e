// Judging: what the criteria of a policy say together, and what follows from it.
#include "policy/policy.h"

#include <algorithm>

#include "policy/compiled.h"

namespace cardea::policy {
namespace {

constexpr Reasons kBadCertificate{Reason::client_certificate_required, Reason::invalid_client_certificate};
constexpr Reasons kNobody{Reason::user_unauthenticated};

}  // namespace

void Compiled::add(Criterion criterion) {
  depends_ |= criterion.row->depends;
  if (criterion.row->next_change != nullptr) timed_.push_back(uint32_t(criteria_.size()));
  criteria_.push_back(std::move(criterion));
}

void Compiled::end_group(Side side, const OperatorRow* op, std::string rule) {
  const auto size = uint32_t(criteria_.size());
  (side == Side::allow ? allow_ : deny_).push_back({op, grouped_, size - grouped_, std::move(rule)});
  grouped_ = size;
}

// A result that holds keeps the reasons of the parts that hold, one that does not those of the parts that do not.
Compiled::Judged Compiled::judge(const Group& group, const Facts& facts) const {
  Reasons of_true, of_false;
  const Criterion* criterion = criteria_.data() + group.first;
  for (const Criterion* end = criterion + group.count; criterion != end; ++criterion) {
    const CriterionRow& row = *criterion->row;
    bool held = false;
    Reason reason = Reason::user_unauthenticated;
    if (facts.identity != nullptr || !row.needs_identity()) {
      held = row.holds(facts, criterion->operand);
      reason = row.reason != nullptr ? row.reason(facts) : held ? row.pass : row.fail;
    }
    (held != group.op->negate ? of_true : of_false).add(reason);
  }
  // Every criterion has a reason, so a set that is empty has no part.
  const bool holds = group.op->all ? of_false.empty() : !of_true.empty();
  return {holds, holds ? of_true : of_false, holds ? &group : nullptr};
}

Compiled::Judged Compiled::judge(const Groups& groups, const Facts& facts) const {
  Judged result;
  for (const Group& group : groups) {
    const Judged part = judge(group, facts);
    if (part.holds && !result.holds) {
      result = part;
    } else if (part.holds == result.holds) {
      result.reasons.add(part.reasons);
    }
  }
  return result;
}

// The first group that gave one of these reasons to its side.
std::string_view Compiled::first_with(Reasons wanted, const Groups& groups, bool held, const Facts& facts) const {
  for (const Group& group : groups) {
    const Judged part = judge(group, facts);
    if (part.holds == held && !part.reasons.common(wanted).empty()) return group.rule;
  }
  return {};
}

// Whoever is nobody may become somebody, which only then can be judged. That a deny rule asks for it on a route that is
// open otherwise is Pomerium's way, too: it cannot be said that the rule does not hold.
Decision Compiled::sign_in(const Judged& deny, const Judged& allow, const Facts& facts) const {
  const bool asked_by_deny = deny.reasons.has(Reason::user_unauthenticated);
  Decision decision{Verdict::sign_in, deny.holds, asked_by_deny ? deny.reasons : allow.reasons};
  if (asked_by_deny) {
    decision.rule = first_with(kNobody, deny_, deny.holds, facts);
  } else if (allow.holds) {
    decision.rule = first_with(kNobody, allow_, true, facts);
  }
  return decision;
}

Decision Compiled::decide(const Facts& facts) const {
  const Judged deny = judge(deny_, facts);
  if (!deny.reasons.common(kBadCertificate).empty()) {
    return {Verdict::bad_certificate, deny.holds, deny.reasons, first_with(kBadCertificate, deny_, deny.holds, facts)};
  }
  const auto denied = [&] { return Decision{Verdict::deny, true, deny.reasons, deny.first->rule}; };
  if (deny.holds && facts.identity != nullptr) return denied();
  const Judged allow = judge(allow_, facts);
  if (deny.reasons.has(Reason::user_unauthenticated) || allow.reasons.has(Reason::user_unauthenticated)) {
    return sign_in(deny, allow, facts);
  }
  if (deny.holds) return denied();
  if (allow.holds) return {Verdict::allow, false, allow.reasons, allow.first->rule};
  return {Verdict::deny, false, allow.reasons, {}};
}

Decision Compiled::evaluate(const Facts& facts) const {
  if (facts.host != Facts::Host::unknown || !names_host()) return decide(facts);
  // There is one unknown, so judging both of its values is exact: `or: [host], not: [host]` needs no answer.
  Facts answered = facts;
  answered.host = Facts::Host::no;
  const Decision without = decide(answered);
  answered.host = Facts::Host::yes;
  const Decision with = decide(answered);
  const Reasons both = without.reasons.common(with.reasons);
  // The hook may also say who it is.
  const bool settled = without.verdict == with.verdict && with.verdict != Verdict::sign_in;
  if (!settled) return {Verdict::ask_host, false, both, {}};
  return {with.verdict, without.denied_by_rule && with.denied_by_rule, both,
          without.rule == with.rule ? with.rule : std::string_view()};
}

int64_t Compiled::next_change_ms(int64_t now_unix_ms) const {
  int64_t next = kNever;
  for (uint32_t i : timed_) next = std::min(next, criteria_[i].row->next_change(now_unix_ms, criteria_[i].operand));
  return next == kNever ? 0 : next;
}

bool Compiled::operator==(const Policy& other) const {
  const auto* o = dynamic_cast<const Compiled*>(&other);
  return o != nullptr && criteria_ == o->criteria_ && allow_ == o->allow_ && deny_ == o->deny_ &&
         host_data_ == o->host_data_;
}

const char* reason_text(Reason reason) {
  static constexpr const char* kTexts[] = {
#define X(name, text) text,
      CARDEA_POLICY_REASONS(X)
#undef X
  };
  return reason < Reason::count_ ? kTexts[size_t(reason)] : "";
}

std::shared_ptr<const Policy> Policy::open() {
  auto policy = std::make_shared<Compiled>();
  add_shorthand({.allow_public_unauthenticated_access = true}, *policy);
  return policy;
}

std::shared_ptr<const Policy> Policy::closed() {
  return std::make_shared<Compiled>();
}

}  // namespace cardea::policy
