// What a policy compares with: strings, lists of strings, certificates.
#include "policy/matchers.h"

#include <algorithm>

#include "policy/spelling.h"

namespace cardea::policy {
namespace {

using yaml::Node;

void sort_unique(std::vector<std::string>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

bool contains(const std::vector<std::string>& sorted, Bytes text) {
  return std::binary_search(sorted.begin(), sorted.end(), text, std::less<>());
}

// A name that a matcher's object may have, and what reads its operand.
struct StringOperator {
  std::string_view name;
  StringTest::Op op;
  bool list;       // its operand is a list
  bool not_empty;  // an empty operand would hold for everything
};
constexpr StringOperator kStringOperators[] = {
    {"is", StringTest::Op::is, false, false},
    {"not", StringTest::Op::is_not, false, false},
    {"contains", StringTest::Op::contains, false, true},
    {"starts_with", StringTest::Op::starts_with, false, true},
    {"ends_with", StringTest::Op::ends_with, false, true},
    {"in", StringTest::Op::in, true, false},
    {"not_in", StringTest::Op::not_in, true, false},
};

struct ListOperator {
  std::string_view name;
  ListTest::Op op;
};
constexpr ListOperator kListOperators[] = {
    {"has", ListTest::Op::has},
    {"is", ListTest::Op::is},
    {"exclude", ListTest::Op::exclude},
};

// The row that a key of a matcher's object names, or a fault.
template <class Row, size_t N>
const Row* find_row(const Row (&rows)[N], const Node& name, const std::string& key, const char* what,
                    yaml::Faults& faults) {
  Nearest nearest(name.scalar);
  for (const Row& row : rows) {
    if (row.name == name.scalar) return &row;
    nearest.offer(row.name);
  }
  faults.add(name.mark, key, std::string("unknown ") + what + " " + quoted(name.scalar) + nearest.text());
  return nullptr;
}

template <class Row, size_t N>
std::string names_of(const Row (&rows)[N]) {
  std::string names;
  for (size_t i = 0; i < N; ++i) names += (i == 0 ? "" : i + 1 == N ? " or " : ", ") + std::string(rows[i].name);
  return names;
}

std::optional<std::vector<std::string>> read_list(const Node& node, const std::string& key, yaml::Faults& faults) {
  if (node.kind != Node::Kind::sequence || node.items.empty()) {
    faults.add(node.mark, key, "must be a list of at least one string");
    return std::nullopt;
  }
  std::vector<std::string> values;
  bool good = true;
  for (size_t i = 0; i < node.items.size(); ++i) {
    auto value = yaml::as_string(node.items[i], key + "[" + std::to_string(i) + "]", faults);
    if (value) values.push_back(std::move(*value));
    good = good && value;
  }
  if (!good) return std::nullopt;
  sort_unique(values);
  return values;
}

// A string or a list of them, each in the one form that `canonical` gives it; empty: it has none.
std::optional<std::vector<std::string>> read_canonical(const Node& node, const std::string& key,
                                                       std::string (*canonical)(Bytes), const char* must_be,
                                                       yaml::Faults& faults) {
  std::optional<std::vector<std::string>> values;
  if (node.kind == Node::Kind::sequence) {
    values = read_list(node, key, faults);
  } else if (auto value = yaml::as_string(node, key, faults)) {
    values.emplace().push_back(std::move(*value));
  }
  if (!values) return std::nullopt;
  for (std::string& value : *values) {
    std::string form = canonical(value);
    if (form.empty()) {
      faults.add(node.mark, key, std::string(must_be) + ", not " + quoted(value));
      return std::nullopt;
    }
    value = std::move(form);
  }
  sort_unique(*values);
  return values;
}

// 64 lower-case hex digits, or 32 upper-case pairs between colons: Pomerium's two spellings.
std::string canonical_fingerprint(Bytes text) {
  const bool pairs = text.size() == 95;
  if (!pairs && text.size() != 64) return {};
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (pairs && i % 3 == 2) {
      if (c != ':') return {};
    } else if (c >= '0' && c <= '9') {
      digits += c;
    } else if (!pairs && c >= 'a' && c <= 'f') {
      digits += c;
    } else if (pairs && c >= 'A' && c <= 'F') {
      digits += char(c - 'A' + 'a');
    } else {
      return {};
    }
  }
  return digits;
}

// The base64 of 32 bytes, with its padding and without stray bits: the only text that can ever be equal.
std::string canonical_hash(Bytes text) {
  constexpr Bytes kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() != 44 || text[43] != '=') return {};
  if (text.substr(0, 43).find_first_not_of(kAlphabet) != Bytes::npos) return {};
  if (kAlphabet.find(text[42]) % 4 != 0) return {};
  return std::string(text);
}

bool any_matches(const StringMatcher& matcher, const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return matcher.matches(name); });
}

bool holds(const StringTest& test, Bytes text) {
  const std::string& value = test.values.front();
  switch (test.op) {
    case StringTest::Op::is:
      return text == value;
    case StringTest::Op::is_not:
      return text != value;
    case StringTest::Op::contains:
      return text.find(value) != Bytes::npos;
    case StringTest::Op::starts_with:
      return text.starts_with(value);
    case StringTest::Op::ends_with:
      return text.ends_with(value);
    case StringTest::Op::in:
      return contains(test.values, text);
    case StringTest::Op::not_in:
      return !contains(test.values, text);
  }
  return false;
}

bool has_one(const std::vector<std::string>& list, const std::vector<std::string>& sorted) {
  return std::any_of(list.begin(), list.end(), [&](const std::string& element) { return contains(sorted, element); });
}

bool holds(const ListTest& test, const std::vector<std::string>& list) {
  switch (test.op) {
    case ListTest::Op::has:
      return has_one(list, test.values);
    case ListTest::Op::is:
      return list.size() == 1 && has_one(list, test.values);
    case ListTest::Op::exclude:
      return !has_one(list, test.values);
  }
  return false;
}

}  // namespace

// ---- strings --------------------------------------------------------------------------------------

bool StringMatcher::matches(Bytes text) const {
  return std::all_of(tests.begin(), tests.end(), [&](const StringTest& test) { return holds(test, text); });
}

StringMatcher StringMatcher::one_of(std::vector<std::string> values) {
  sort_unique(values);
  return {{{StringTest::Op::in, std::move(values)}}};
}

std::optional<StringMatcher> StringMatcher::read(const Node& node, const std::string& key, yaml::Faults& faults) {
  StringMatcher matcher;
  if (node.kind == Node::Kind::scalar) {
    auto value = yaml::as_string(node, key, faults);
    if (!value) return std::nullopt;
    matcher.tests.push_back({StringTest::Op::is, {std::move(*value)}});
    return matcher;
  }
  if (node.kind != Node::Kind::mapping || node.entries.empty()) {
    faults.add(node.mark, key, "must be a string or an object with " + names_of(kStringOperators));
    return std::nullopt;
  }
  for (const auto& [name, operand] : node.entries) {
    const StringOperator* row = find_row(kStringOperators, name, key, "operator of a string matcher", faults);
    if (row == nullptr) continue;
    const std::string at = below(key, row->name);
    if (row->list) {
      auto values = read_list(operand, at, faults);
      if (values) matcher.tests.push_back({row->op, std::move(*values)});
    } else if (auto value = yaml::as_string(operand, at, faults)) {
      if (row->not_empty && value->empty()) {
        faults.add(operand.mark, at, "must not be empty: it would hold for everything");
        continue;
      }
      matcher.tests.push_back({row->op, {std::move(*value)}});
    }
  }
  if (matcher.tests.size() != node.entries.size()) return std::nullopt;
  return matcher;
}

// ---- lists ----------------------------------------------------------------------------------------

bool ListMatcher::matches(const std::vector<std::string>& list) const {
  return std::all_of(tests.begin(), tests.end(), [&](const ListTest& test) { return holds(test, list); });
}

ListMatcher ListMatcher::has_one_of(std::vector<std::string> values) {
  sort_unique(values);
  return {{{ListTest::Op::has, std::move(values)}}, {}};
}

std::optional<ListMatcher> ListMatcher::read(const Node& node, const std::string& key, yaml::Faults& faults) {
  ListMatcher matcher;
  if (node.kind == Node::Kind::scalar) {
    auto value = yaml::as_string(node, key, faults);
    if (!value) return std::nullopt;
    matcher.tests.push_back({ListTest::Op::has, {std::move(*value)}});
    return matcher;
  }
  if (node.kind != Node::Kind::mapping || node.entries.empty()) {
    faults.add(node.mark, key, "must be a string or an object with " + names_of(kListOperators));
    return std::nullopt;
  }
  for (const auto& [name, operand] : node.entries) {
    const ListOperator* row = find_row(kListOperators, name, key, "operator of a list matcher", faults);
    if (row == nullptr) continue;
    auto value = yaml::as_string(operand, below(key, row->name), faults);
    if (value) matcher.tests.push_back({row->op, {std::move(*value)}});
  }
  if (matcher.tests.size() != node.entries.size()) return std::nullopt;
  return matcher;
}

// ---- certificates ---------------------------------------------------------------------------------

bool CertificateMatcher::matches(const identity::Certificate& certificate) const {
  if (!fingerprints.empty() && !contains(fingerprints, certificate.fingerprint)) return false;
  if (!spki_hashes.empty() && !contains(spki_hashes, certificate.spki_hash)) return false;
  if (dns && !any_matches(*dns, certificate.dns)) return false;
  if (email && !any_matches(*email, certificate.emails)) return false;
  return !uri || any_matches(*uri, certificate.uris);
}

std::optional<CertificateMatcher> CertificateMatcher::read(const Node& node, const std::string& key,
                                                           yaml::Faults& faults) {
  struct Part {
    std::string_view name;
    std::optional<StringMatcher> CertificateMatcher::*names;
  };
  static constexpr Part kParts[] = {
      {"fingerprint", nullptr},
      {"spki_hash", nullptr},
      {"san_dns", &CertificateMatcher::dns},
      {"san_email", &CertificateMatcher::email},
      {"san_uri", &CertificateMatcher::uri},
  };
  if (node.kind != Node::Kind::mapping || node.entries.empty()) {
    faults.add(node.mark, key, "must be an object with " + names_of(kParts));
    return std::nullopt;
  }
  CertificateMatcher matcher;
  bool good = true;
  for (const auto& [name, operand] : node.entries) {
    const Part* part = find_row(kParts, name, key, "part of a certificate matcher", faults);
    if (part == nullptr) {
      good = false;
      continue;
    }
    const std::string at = below(key, part->name);
    if (part->names != nullptr) {
      good = (matcher.*part->names = StringMatcher::read(operand, at, faults)).has_value() && good;
      continue;
    }
    const bool hash = part->name == "spki_hash";
    auto values = hash ? read_canonical(operand, at, canonical_hash,
                                        "must be the base64 of a SHA-256 hash (44 characters)", faults)
                       : read_canonical(operand, at, canonical_fingerprint,
                                        "must be a SHA-256 fingerprint: 64 lower-case hex digits, or 32 pairs of "
                                        "upper-case ones between colons",
                                        faults);
    good = good && values;
    if (values) (hash ? matcher.spki_hashes : matcher.fingerprints) = std::move(*values);
  }
  if (!good) return std::nullopt;
  return matcher;
}

}  // namespace cardea::policy
