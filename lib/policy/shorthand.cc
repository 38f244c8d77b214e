// A route's keys beside its policy, each as one more rule.
#include "policy/compiled.h"

namespace cardea::policy {
namespace {

class Adder {
 public:
  explicit Adder(Compiled& policy) : policy_(policy) {}
  Adder& with(Bytes criterion, Operand operand = {}) {
    policy_.add({find_criterion(criterion), std::move(operand)});
    return *this;
  }
  void rule(const char* name, Compiled::Side side = Compiled::Side::allow) { policy_.end_group(side, kOr, name); }

 private:
  Compiled& policy_;
};

}  // namespace

void add_shorthand(const Shorthand& shorthand, Compiled& policy) {
  Adder add(policy);
  if (shorthand.deny_invalid_certificate) {
    add.with("invalid_client_certificate").rule("downstream_mtls", Compiled::Side::deny);
  }
  if (shorthand.allow_public_unauthenticated_access) add.with("accept").rule("allow_public_unauthenticated_access");
  if (shorthand.cors_allow_preflight) add.with("cors_preflight").rule("cors_allow_preflight");
  if (shorthand.allow_any_authenticated_user) add.with("authenticated_user").rule("allow_any_authenticated_user");
  if (!shorthand.allowed_domains.empty()) {
    add.with("domain", StringMatcher::one_of(shorthand.allowed_domains)).rule("allowed_domains");
  }
  if (!shorthand.allowed_groups.empty()) {
    add.with("groups", ListMatcher::has_one_of(shorthand.allowed_groups)).rule("allowed_groups");
  }
  for (const auto& [path, values] : shorthand.allowed_idp_claims) {
    if (values.empty()) continue;
    ListMatcher matcher = ListMatcher::has_one_of(values);
    matcher.path = identity::normal_claim_path(path);
    add.with("claim", std::move(matcher)).rule("allowed_idp_claims");
  }
  if (!shorthand.allowed_users.empty()) {
    const StringMatcher users = StringMatcher::one_of(shorthand.allowed_users);
    add.with("user", users).with("email", users).rule("allowed_users");
  }
}

}  // namespace cardea::policy
