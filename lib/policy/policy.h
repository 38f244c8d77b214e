// May it pass. Pure functions over values: no sockets, no clock of its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/base.h"
#include "yaml/yaml.h"

namespace cardea::policy {

// What a policy is judged against. Views last as long as the call.
struct Facts {
  enum class Host : uint8_t { unknown, no, yes } host = Host::unknown;  // the authorization hook's answer
};

enum class Verdict : uint8_t { deny, allow, ask_host };  // ask_host: the answer depends on Facts::host

struct Decision {
  Verdict verdict = Verdict::deny;
  bool denied_by_rule = false;              // a deny rule held (else: nothing allowed it)
  std::vector<std::string_view> reasons;    // Pomerium's words; static strings or views into the policy
};

// One route's policy in Pomerium's language (lifecycle.md 3.1). Immutable, shared.
class Policy {
 public:
  // `node` is a rule object or a list of them. Faults carry line and column and a key path below `key`.
  static std::shared_ptr<const Policy> parse(const yaml::Node& node, const std::string& key, yaml::Faults& faults);
  static std::shared_ptr<const Policy> open();    // allow_public_unauthenticated_access
  static std::shared_ptr<const Policy> closed();  // no policy at all
  virtual ~Policy() = default;
  virtual Decision evaluate(const Facts& facts) const = 0;  // total: never throws, an error denies
  virtual bool names_host() const = 0;            // criterion `host` occurs
  virtual const std::string& host_data() const = 0;  // its data as JSON text; empty without
  virtual bool operator==(const Policy& other) const = 0;
};

}  // namespace cardea::policy
