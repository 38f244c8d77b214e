// What the tests of policies share: texts to policies, facts, reasons as text.
#pragma once

#include <gtest/gtest.h>

#include "policy/policy.h"

namespace cardea::policy {

inline std::shared_ptr<const Policy> make(const std::string& text, yaml::Faults& faults, const Shorthand& keys = {}) {
  auto node = yaml::parse_yaml(text, faults);
  return node ? Policy::make(&*node, "policy", keys, faults) : nullptr;
}

inline std::shared_ptr<const Policy> good(const std::string& text, const Shorthand& keys = {}) {
  yaml::Faults faults;
  auto policy = make(text, faults, keys);
  EXPECT_TRUE(faults.empty()) << text << "\n" << faults.text("p");
  EXPECT_TRUE(policy) << text;
  return policy ? policy : Policy::closed();
}

// The policy of the keys alone.
inline std::shared_ptr<const Policy> short_form(const Shorthand& keys) {
  yaml::Faults faults;
  auto policy = Policy::make(nullptr, "policy", keys, faults);
  EXPECT_TRUE(policy && faults.empty());
  return policy ? policy : Policy::closed();
}

inline std::string reasons(const Decision& d) {
  std::string all;
  for (std::string_view r : d.reasons) all += (all.empty() ? "" : " ") + std::string(r);
  return all;
}

inline const char* name_of(Verdict verdict) {
  constexpr const char* kNames[] = {"deny", "allow", "bad_certificate", "sign_in", "ask_host"};
  return kNames[size_t(verdict)];
}

inline void PrintTo(Verdict verdict, std::ostream* out) {
  *out << name_of(verdict);
}

inline identity::Identity anna() {
  identity::Identity who;
  who.user = "u-1";
  who.email = "anna@example.com";
  who.name = "Anna";
  who.groups = {"admins", "staff"};
  who.claims = {{"address/country", {"NL"}},
                {"department", {"it", "ops"}},
                {"https://example/com/roles", {"reader"}},
                {"none", {}}};
  return who;
}

inline identity::Certificate leaf() {
  identity::Certificate certificate;
  certificate.fingerprint = "17859273e8a980631d367b2d5a6a6635412b0f22835f69e47b3f65624546a704";
  certificate.spki_hash = "FsDbM0rUYIiL3V339eIKqiz6HPSB+Pz2WeAWhqlqh8U=";
  certificate.dns = {"a.example.com", "b.example.org"};
  certificate.emails = {"robot@example.com"};
  certificate.uris = {"spiffe://example.com/robot"};
  return certificate;
}

inline std::array<uint8_t, 16> v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
  return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d};
}

// A rule that allows when the one criterion holds.
inline std::string allow(const std::string& criterion) {
  return "{allow: {or: [{" + criterion + "}]}}";
}

// A criterion that holds is an allow.
inline bool holds(const std::string& criterion, const Facts& facts) {
  return good(allow(criterion))->evaluate(facts).verdict == Verdict::allow;
}

// The one fault of a text: its key, a part of its reason, its place.
struct FaultRow {
  const char* text;
  const char* key;
  const char* reason;
  uint32_t column;
};
inline void expect_fault(const std::string& text, const FaultRow& row) {
  SCOPED_TRACE(text);
  yaml::Faults faults;
  EXPECT_EQ(make(text, faults), nullptr);
  ASSERT_EQ(faults.list().size(), 1u) << faults.text("p");
  EXPECT_EQ(faults.list()[0].key, row.key);
  EXPECT_NE(faults.list()[0].reason.find(row.reason), std::string::npos) << faults.list()[0].reason;
  EXPECT_EQ(faults.list()[0].mark.line, 1u);
  EXPECT_EQ(faults.list()[0].mark.column, row.column) << faults.list()[0].reason;
}

}  // namespace cardea::policy
