// May it pass: Pomerium's policy language. Pure functions over values: no sockets, no clock of its own.
#pragma once

#include <array>
#include <bit>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/base.h"
#include "identity/identity.h"
#include "yaml/yaml.h"

namespace cardea::policy {

// What a policy is judged against. Views and pointers last as long as the call.
struct Facts {
  enum class Host : uint8_t { unknown, no, yes } host = Host::unknown;  // the authorization hook's answer
  const identity::Identity* identity = nullptr;                         // null: nobody is signed in
  const identity::Certificate* certificate = nullptr;                   // the leaf that the client showed
  bool certificate_trusted = false;                                     // its chain, time and names hold
  Bytes method;                                                         // as on the wire
  Bytes path;                                                           // normalised, without query
  bool cors_preflight = false;          // OPTIONS with Origin and Access-Control-Request-Method
  std::array<uint8_t, 16> source_ip{};  // IPv4 as ::ffff:a.b.c.d
  bool source_ip_known = false;
  int64_t now_unix_ms = 0;
};

// In the order of Pomerium's answers. ask_host: it depends on what the host's hook says.
enum class Verdict : uint8_t { deny, allow, bad_certificate, sign_in, ask_host };

// Pomerium's words for why: name, text.
#define CARDEA_POLICY_REASONS(X)                                        \
  X(accept, "accept")                                                   \
  X(reject, "reject")                                                   \
  X(host_ok, "host-ok")                                                 \
  X(host_unauthorized, "host-unauthorized")                             \
  X(user_ok, "user-ok")                                                 \
  X(user_unauthorized, "user-unauthorized")                             \
  X(user_unauthenticated, "user-unauthenticated")                       \
  X(email_ok, "email-ok")                                               \
  X(email_unauthorized, "email-unauthorized")                           \
  X(domain_ok, "domain-ok")                                             \
  X(domain_unauthorized, "domain-unauthorized")                         \
  X(claim_ok, "claim-ok")                                               \
  X(claim_unauthorized, "claim-unauthorized")                           \
  X(groups_ok, "groups-ok")                                             \
  X(groups_unauthorized, "groups-unauthorized")                         \
  X(http_method_ok, "http-method-ok")                                   \
  X(http_method_unauthorized, "http-method-unauthorized")               \
  X(http_path_ok, "http-path-ok")                                       \
  X(http_path_unauthorized, "http-path-unauthorized")                   \
  X(cors_request, "cors-request")                                       \
  X(non_cors_request, "non-cors-request")                               \
  X(source_ip_ok, "source-ip-ok")                                       \
  X(source_ip_unauthorized, "source-ip-unauthorized")                   \
  X(client_certificate_ok, "client-certificate-ok")                     \
  X(client_certificate_unauthorized, "client-certificate-unauthorized") \
  X(client_certificate_required, "client-certificate-required")         \
  X(invalid_client_certificate, "invalid-client-certificate")           \
  X(date_ok, "date-ok")                                                 \
  X(date_unauthorized, "date-unauthorized")                             \
  X(day_of_week_ok, "day-of-week-ok")                                   \
  X(day_of_week_unauthorized, "day-of-week-unauthorized")               \
  X(time_of_day_ok, "time-of-day-ok")                                   \
  X(time_of_day_unauthorized, "time-of-day-unauthorized")

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
  constexpr Reasons() = default;
  constexpr Reasons(std::initializer_list<Reason> reasons) {
    for (Reason r : reasons) add(r);
  }
  constexpr void add(Reason r) { bits_ |= uint64_t{1} << unsigned(r); }
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

// Why. `reasons` are those of the side that decided: of deny rules that held, else of the allow rules (what held, or
// what failed); of the side that asks for a certificate or for somebody to sign in. ask_host names what holds whatever
// the host answers.
struct Decision {
  Verdict verdict = Verdict::deny;
  bool denied_by_rule = false;  // a deny rule held (else: nothing allowed it)
  Reasons reasons;
  // The operator that decided, "policy[1].allow.or", "allowed_users", "downstream_mtls"; empty: nothing allowed it.
  // Lasts as long as the policy.
  std::string_view rule;
};

// What a policy looks at: a change of none of these can change its decision. Bit mask.
enum Dependency : uint8_t { on_identity = 1, on_certificate = 2, on_host = 4, on_time = 8, on_request = 16 };

// A route's keys beside its policy; each adds one rule, as in Pomerium.
struct Shorthand {
  bool allow_public_unauthenticated_access = false;
  bool allow_any_authenticated_user = false;
  bool cors_allow_preflight = false;
  std::vector<std::string> allowed_users;  // ids or e-mail addresses
  std::vector<std::string> allowed_domains;
  std::vector<std::string> allowed_groups;
  std::vector<std::pair<std::string, std::vector<std::string>>> allowed_idp_claims;  // path, one of the values
  bool deny_invalid_certificate = false;  // downstream_mtls with policy_with_default_deny
};

// One route's policy. Immutable, shared, any thread. Text compares byte by byte, e-mail addresses and domains too, as
// in Pomerium; dates and days of the week without a zone are in UTC.
class Policy {
 public:
  // `node` is a rule object or a list of them (null: there is none; an empty list allows nothing). Faults carry line
  // and column and a key path below `key`. Null after any fault. At most 4096 criteria; every `host` criterion has the
  // same data.
  static std::shared_ptr<const Policy> make(const yaml::Node* node, const std::string& key, const Shorthand& shorthand,
                                            yaml::Faults& faults);
  static std::shared_ptr<const Policy> open();    // allow_public_unauthenticated_access alone
  static std::shared_ptr<const Policy> closed();  // no policy at all
  virtual ~Policy() = default;
  virtual Decision evaluate(const Facts& facts) const = 0;  // total: never throws, allocates nothing; an error denies
  virtual uint8_t depends_on() const = 0;                   // Dependency bits
  // The first moment after `now` at which a criterion of time may hold differently; 0: never.
  virtual int64_t next_change_ms(int64_t now_unix_ms) const = 0;
  bool names_host() const { return (depends_on() & on_host) != 0; }  // criterion `host` occurs
  virtual const std::string& host_data() const = 0;                  // its data as JSON text; empty without
  virtual bool operator==(const Policy& other) const = 0;
};

}  // namespace cardea::policy
