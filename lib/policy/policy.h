// May it pass. Pure functions over values: no sockets, no clock of its own.
#pragma once

#include <bit>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "base/base.h"
#include "yaml/yaml.h"

namespace cardea::policy {

// What a policy is judged against. Views last as long as the call.
struct Facts {
  enum class Host : uint8_t { unknown, no, yes } host = Host::unknown;  // the authorization hook's answer
};

enum class Verdict : uint8_t { deny, allow, ask_host };  // ask_host: the answer depends on Facts::host

// Pomerium's words for why: name, text.
#define CARDEA_POLICY_REASONS(X) \
  X(accept, "accept")            \
  X(reject, "reject")            \
  X(host_ok, "host-ok")          \
  X(host_unauthorized, "host-unauthorized")

enum class Reason : uint8_t {
#define X(name, text) name,
  CARDEA_POLICY_REASONS(X)
#undef X
      count_
};
const char* reason_text(Reason reason);

// A set of reasons by value. Walking it gives their texts, static strings, in the order of the list above.
class Reasons {
 public:
  class Iterator {
   public:
    explicit Iterator(uint64_t bits) : bits_(bits) {}
    std::string_view operator*() const { return reason_text(Reason(std::countr_zero(bits_))); }
    Iterator& operator++() {
      bits_ &= bits_ - 1;
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    uint64_t bits_;
  };
  Reasons() = default;
  Reasons(std::initializer_list<Reason> reasons) {
    for (Reason r : reasons) add(r);
  }
  void add(Reason r) { bits_ |= uint64_t{1} << unsigned(r); }
  void add(Reasons other) { bits_ |= other.bits_; }
  bool has(Reason r) const { return (bits_ >> unsigned(r)) & 1; }
  Reasons common(Reasons other) const { return Reasons(bits_ & other.bits_); }
  bool empty() const { return bits_ == 0; }
  size_t size() const { return size_t(std::popcount(bits_)); }
  Iterator begin() const { return Iterator(bits_); }
  Iterator end() const { return Iterator(0); }
  bool operator==(const Reasons&) const = default;

 private:
  explicit Reasons(uint64_t bits) : bits_(bits) {}
  static_assert(unsigned(Reason::count_) <= 64);
  uint64_t bits_ = 0;
};

// Why: a deny rule that held names what made it hold; otherwise the allow rules name what made them hold or fail.
// ask_host names what holds whatever the host answers.
struct Decision {
  Verdict verdict = Verdict::deny;
  bool denied_by_rule = false;  // a deny rule held (else: nothing allowed it)
  Reasons reasons;
};

// One route's policy in Pomerium's language (lifecycle.md 3.1). Immutable, shared.
class Policy {
 public:
  // `node` is a rule object or a list of them; an empty list allows nothing. Faults carry line and column and a key
  // path below `key`. Null after any fault. At most 4096 criteria; every `host` criterion has the same data.
  static std::shared_ptr<const Policy> parse(const yaml::Node& node, const std::string& key, yaml::Faults& faults);
  static std::shared_ptr<const Policy> open();    // allow_public_unauthenticated_access
  static std::shared_ptr<const Policy> closed();  // no policy at all
  virtual ~Policy() = default;
  virtual Decision evaluate(const Facts& facts) const = 0;  // total: never throws, an error denies
  virtual bool names_host() const = 0;                      // criterion `host` occurs
  virtual const std::string& host_data() const = 0;         // its data as JSON text; empty without
  virtual bool operator==(const Policy& other) const = 0;
};

}  // namespace cardea::policy
