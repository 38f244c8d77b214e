// Matchers: every operator of strings, lists and certificates, and their faults.
#include "policy/matchers.h"

#include "policy_fixture.h"

namespace cardea::policy {
namespace {

template <class Matcher>
std::optional<Matcher> read(const std::string& text, yaml::Faults& faults) {
  auto node = yaml::parse_yaml(text, faults);
  if (!node) return std::nullopt;
  return Matcher::read(*node, "m", faults);
}

template <class Matcher>
Matcher read_good(const std::string& text) {
  yaml::Faults faults;
  auto matcher = read<Matcher>(text, faults);
  EXPECT_TRUE(matcher) << text << faults.text("m");
  return matcher ? *matcher : Matcher{};
}

TEST(StringMatcher, Operators) {
  const struct {
    const char* matcher;
    const char* text;
    bool matches;
  } rows[] = {
      {"abc", "abc", true},
      {"abc", "abcd", false},
      {"abc", "ABC", false},
      {"\"\"", "", true},
      {"{is: abc}", "abc", true},
      {"{is: abc}", "ab", false},
      {"{not: abc}", "abc", false},
      {"{not: abc}", "ab", true},
      {"{not: abc}", "", true},
      {"{contains: b}", "abc", true},
      {"{contains: abc}", "abc", true},
      {"{contains: d}", "abc", false},
      {"{contains: d}", "", false},
      {"{starts_with: ab}", "abc", true},
      {"{starts_with: bc}", "abc", false},
      {"{starts_with: abcd}", "abc", false},
      {"{ends_with: bc}", "abc", true},
      {"{ends_with: ab}", "abc", false},
      {"{ends_with: xabc}", "abc", false},
      {"{in: [c, a, b]}", "a", true},
      {"{in: [c, a, b]}", "b", true},
      {"{in: [c, a, b]}", "c", true},
      {"{in: [c, a, b]}", "d", false},
      {"{in: [c, a, b]}", "", false},
      {"{in: [a, a]}", "a", true},
      {"{not_in: [c, a, b]}", "a", false},
      {"{not_in: [c, a, b]}", "d", true},
      {"{starts_with: a, ends_with: c}", "abc", true},
      {"{starts_with: a, ends_with: c}", "ab", false},
      {"{starts_with: a, ends_with: c}", "bc", false},
      {"{starts_with: a, not: abc}", "abc", false},
      {"{in: [a, b], not: b}", "b", false},
      {"12", "12", true},
      {"-3", "-3", true},
      {"\"1e3\"", "1e3", true},
      {"{is: \"no\"}", "no", true},
      {"\xc3\xa9", "\xc3\xa9", true},
      {"\xc3\xa9", "\xc3\x89", false},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(read_good<StringMatcher>(row.matcher).matches(row.text), row.matches) << row.matcher << " " << row.text;
  }
  EXPECT_TRUE(read_good<StringMatcher>("{is: \"a\\0b\"}").matches(Bytes("a\0b", 3)));
  EXPECT_FALSE(read_good<StringMatcher>("{is: a}").matches(Bytes("a\0b", 3)));
}

TEST(ListMatcher, Operators) {
  using List = std::vector<std::string>;
  const struct {
    const char* matcher;
    List list;
    bool matches;
  } rows[] = {
      {"a", {"a"}, true},
      {"a", {"b", "a"}, true},
      {"a", {}, false},
      {"a", {"A", "aa"}, false},
      {"{has: a}", {"b", "a"}, true},
      {"{has: a}", {"b"}, false},
      {"{is: a}", {"a"}, true},
      {"{is: a}", {"a", "b"}, false},
      {"{is: a}", {"a", "a"}, false},
      {"{is: a}", {"b"}, false},
      {"{is: a}", {}, false},
      {"{exclude: a}", {}, true},
      {"{exclude: a}", {"b"}, true},
      {"{exclude: a}", {"b", "a"}, false},
      {"{has: a, exclude: b}", {"a"}, true},
      {"{has: a, exclude: b}", {"a", "b"}, false},
      {"{has: a, is: b}", {"a"}, false},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(read_good<ListMatcher>(row.matcher).matches(row.list), row.matches) << row.matcher;
  }
  EXPECT_TRUE(ListMatcher::has_one_of({"x", "b"}).matches({"a", "b"}));
  EXPECT_FALSE(ListMatcher::has_one_of({"x", "b"}).matches({"a"}));
}

TEST(CertificateMatcher, Parts) {
  constexpr const char* kLong =
      "17:85:92:73:E8:A9:80:63:1D:36:7B:2D:5A:6A:66:35:41:2B:0F:22:83:5F:69:E4:7B:3F:65:62:45:46:A7:04";
  constexpr const char* kShort = "17859273e8a980631d367b2d5a6a6635412b0f22835f69e47b3f65624546a704";
  constexpr const char* kOther = "00000000e8a980631d367b2d5a6a6635412b0f22835f69e47b3f65624546a704";
  constexpr const char* kHash = "FsDbM0rUYIiL3V339eIKqiz6HPSB+Pz2WeAWhqlqh8U=";
  constexpr const char* kOtherHash = "AsDbM0rUYIiL3V339eIKqiz6HPSB+Pz2WeAWhqlqh8U=";
  using S = std::string;
  const struct {
    std::string matcher;
    bool matches;
  } rows[] = {
      {S("{fingerprint: ") + kShort + "}", true},
      {S("{fingerprint: \"") + kLong + "\"}", true},
      {S("{fingerprint: ") + kOther + "}", false},
      {S("{fingerprint: [") + kOther + ", " + kShort + "]}", true},
      {S("{fingerprint: [\"") + kLong + "\", " + kOther + "]}", true},
      {S("{fingerprint: [") + kOther + "]}", false},
      {S("{spki_hash: ") + kHash + "}", true},
      {S("{spki_hash: ") + kOtherHash + "}", false},
      {S("{spki_hash: [") + kOtherHash + ", " + kHash + "]}", true},
      {S("{fingerprint: ") + kShort + ", spki_hash: " + kHash + "}", true},
      {S("{fingerprint: ") + kShort + ", spki_hash: " + kOtherHash + "}", false},
      {"{san_dns: a.example.com}", true},
      {"{san_dns: b.example.org}", true},
      {"{san_dns: c.example.org}", false},
      {"{san_dns: {ends_with: .example.org}}", true},
      {"{san_dns: {starts_with: a., ends_with: .org}}", false},  // of the same name
      {"{san_email: robot@example.com}", true},
      {"{san_email: {not: robot@example.com}}", false},
      {"{san_email: a.example.com}", false},
      {"{san_uri: {starts_with: \"spiffe://example.com/\"}}", true},
      {"{san_uri: {starts_with: \"spiffe://example.org/\"}}", false},
      {"{san_uri: spiffe://example.com/robot, san_dns: x}", false},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(read_good<CertificateMatcher>(row.matcher).matches(leaf()), row.matches) << row.matcher;
  }
  for (const char* part : {"san_dns", "san_email", "san_uri"}) {
    EXPECT_FALSE(read_good<CertificateMatcher>("{" + S(part) + ": {not: x}}").matches({})) << "no such name";
  }
}

enum class Kind { string, list, certificate };

TEST(Matchers, Faults) {
  const std::string fingerprint(64, 'a'), bad_spki(44, 'A');
  using S = std::string;
  const struct {
    Kind kind;
    std::string text;
    const char* key;
    const char* reason;
    uint32_t column;
  } rows[] = {
      {Kind::string, "{}", "m", "must be a string or an object with is, not, contains, starts_with", 1},
      {Kind::string, "[]", "m", "must be a string or an object", 1},
      {Kind::string, "true", "m", "put it in quotes", 1},
      {Kind::string, "0x1f", "m", "put it in quotes", 1},
      {Kind::string, "{iz: a}", "m", "operator of a string matcher \"iz\" (did you mean \"is\"?)", 2},
      {Kind::string, "{start_with: a}", "m", "(did you mean \"starts_with\"?)", 2},
      {Kind::string, "{has: a}", "m", "unknown operator of a string matcher \"has\"", 2},
      {Kind::string, "{is: a, regex: b}", "m", "unknown operator of a string matcher \"regex\"", 9},
      {Kind::string, "{is: [a]}", "m.is", "must be a string, not a list", 6},
      {Kind::string, "{is: }", "m.is", "must be a string, not nothing", 6},
      {Kind::string, "{is: off}", "m.is", "put it in quotes", 6},
      {Kind::string, "{contains: \"\"}", "m.contains", "hold for everything", 12},
      {Kind::string, "{starts_with: ''}", "m.starts_with", "hold for everything", 15},
      {Kind::string, "{ends_with: ''}", "m.ends_with", "hold for everything", 13},
      {Kind::string, "{in: a}", "m.in", "must be a list of at least one string", 6},
      {Kind::string, "{in: []}", "m.in", "must be a list of at least one string", 6},
      {Kind::string, "{not_in: []}", "m.not_in", "must be a list of at least one string", 10},
      {Kind::string, "{in: [a, 1e3]}", "m.in[1]", "put it in quotes", 10},
      {Kind::string, "{in: [a, {b: c}]}", "m.in[1]", "must be a string, not a mapping", 10},
      {Kind::list, "{}", "m", "must be a string or an object with has, is or exclude", 1},
      {Kind::list, "[a]", "m", "must be a string or an object with has, is or exclude", 1},
      {Kind::list, "{hass: a}", "m", "(did you mean \"has\"?)", 2},
      {Kind::list, "{in: [a]}", "m", "unknown operator of a list matcher \"in\"", 2},
      {Kind::list, "{has: [a]}", "m.has", "must be a string, not a list", 7},
      {Kind::list, "{exclude: no}", "m.exclude", "put it in quotes", 11},
      {Kind::certificate, "{}", "m", "must be an object with fingerprint, spki_hash, san_dns, san_email or san_uri", 1},
      {Kind::certificate, "a", "m", "must be an object with", 1},
      {Kind::certificate, "{finger_print: a}", "m", "(did you mean \"fingerprint\"?)", 2},
      {Kind::certificate, "{fingerprint: ''}", "m.fingerprint", "SHA-256 fingerprint", 15},
      {Kind::certificate, "{fingerprint: abc}", "m.fingerprint", "SHA-256 fingerprint", 15},
      {Kind::certificate, "{fingerprint: " + S(64, 'A') + "}", "m.fingerprint", "SHA-256 fingerprint", 15},
      {Kind::certificate, "{fingerprint: " + S(64, 'g') + "}", "m.fingerprint", "SHA-256 fingerprint", 15},
      {Kind::certificate, "{fingerprint: " + S(95, 'A') + "}", "m.fingerprint", "SHA-256 fingerprint", 15},
      {Kind::certificate, "{fingerprint: []}", "m.fingerprint", "list of at least one string", 15},
      {Kind::certificate, "{fingerprint: [" + fingerprint + ", x]}", "m.fingerprint", "SHA-256 fingerprint", 15},
      {Kind::certificate, "{spki_hash: abc}", "m.spki_hash", "base64 of a SHA-256 hash", 13},
      {Kind::certificate, "{spki_hash: " + bad_spki + "}", "m.spki_hash", "base64 of a SHA-256 hash", 13},
      {Kind::certificate, "{spki_hash: " + S(42, 'A') + "B=}", "m.spki_hash", "base64 of a SHA-256 hash", 13},
      {Kind::certificate, "{spki_hash: " + S(42, '-') + "A=}", "m.spki_hash", "base64 of a SHA-256 hash", 13},
      {Kind::certificate, "{san_dns: {is: [a]}}", "m.san_dns.is", "must be a string", 16},
      {Kind::certificate, "{san_uri: {}}", "m.san_uri", "must be a string or an object", 11},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.text);
    yaml::Faults faults;
    switch (row.kind) {
      case Kind::string:
        EXPECT_FALSE(read<StringMatcher>(row.text, faults));
        break;
      case Kind::list:
        EXPECT_FALSE(read<ListMatcher>(row.text, faults));
        break;
      case Kind::certificate:
        EXPECT_FALSE(read<CertificateMatcher>(row.text, faults));
        break;
    }
    ASSERT_EQ(faults.list().size(), 1u) << faults.text("m");
    EXPECT_EQ(faults.list()[0].key, row.key);
    EXPECT_NE(faults.list()[0].reason.find(row.reason), std::string::npos) << faults.list()[0].reason;
    EXPECT_EQ(faults.list()[0].mark.column, row.column);
  }
}

TEST(Matchers, EveryFaultOfOne) {
  yaml::Faults faults;
  EXPECT_FALSE(read<StringMatcher>("{iz: a, in: b, contains: ''}", faults));
  EXPECT_EQ(faults.list().size(), 3u);
  yaml::Faults more;
  EXPECT_FALSE(read<CertificateMatcher>("{fingerprint: x, spki_hash: x, other: x, san_dns: [x]}", more));
  EXPECT_EQ(more.list().size(), 4u);
}

TEST(Matchers, Equality) {
  EXPECT_TRUE(read_good<StringMatcher>("a") == read_good<StringMatcher>("{is: a}"));
  EXPECT_TRUE(read_good<StringMatcher>("{in: [a, b]}") == read_good<StringMatcher>("{in: [b, a, a]}"));
  EXPECT_FALSE(read_good<StringMatcher>("{in: [a, b]}") == read_good<StringMatcher>("{not_in: [a, b]}"));
  EXPECT_FALSE(read_good<ListMatcher>("a") == read_good<ListMatcher>("{is: a}"));
}

}  // namespace
}  // namespace cardea::policy
