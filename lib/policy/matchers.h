// What a policy compares with: strings, lists of strings, certificates. Immutable once read.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/base.h"
#include "identity/identity.h"
#include "yaml/yaml.h"

namespace cardea::policy {

// One operator of a string matcher with its operands.
struct StringTest {
  enum class Op : uint8_t { is, is_not, contains, starts_with, ends_with, in, not_in } op = Op::is;
  std::vector<std::string> values;  // one; for in and not_in several, sorted
  bool operator==(const StringTest&) const = default;
};

// All of its tests hold. Compares bytes: upper and lower case differ, as in Pomerium.
struct StringMatcher {
  std::vector<StringTest> tests;
  bool matches(Bytes text) const;
  static StringMatcher one_of(std::vector<std::string> values);
  // A scalar (`is`) or an object of operators. A fault and nullopt when it is neither, is empty or would always hold.
  static std::optional<StringMatcher> read(const yaml::Node& node, const std::string& key, yaml::Faults& faults);
  bool operator==(const StringMatcher&) const = default;
};

// One operator of a list matcher.
struct ListTest {
  enum class Op : uint8_t {
    has,      // one of the list's elements is one of `values`
    is,       // and it is the only element
    exclude,  // none is
  } op = Op::has;
  std::vector<std::string> values;  // sorted; a policy's text gives one
  bool operator==(const ListTest&) const = default;
};

// All of its tests hold for a list of strings, which may be empty.
struct ListMatcher {
  std::vector<ListTest> tests;
  std::string path;  // of the claim, for the criterion that has one
  bool matches(const std::vector<std::string>& list) const;
  static ListMatcher has_one_of(std::vector<std::string> values);
  static std::optional<ListMatcher> read(const yaml::Node& node, const std::string& key, yaml::Faults& faults);
  bool operator==(const ListMatcher&) const = default;
};

// All that it names hold for a client's leaf certificate. A test of a kind of name holds when one such name meets it.
struct CertificateMatcher {
  std::vector<std::string> fingerprints, spki_hashes;  // sorted; empty: any
  std::optional<StringMatcher> dns, email, uri;
  bool matches(const identity::Certificate& certificate) const;
  static std::optional<CertificateMatcher> read(const yaml::Node& node, const std::string& key, yaml::Faults& faults);
  bool operator==(const CertificateMatcher&) const = default;
};

}  // namespace cardea::policy
