// Request paths: rows 129 to 138 of the hostile input table, idempotence, and what is copied.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "http/http.h"

namespace cardea::http {
namespace {

using Escaped = PathOptions::Escaped;
constexpr PathOptions kDefault;
constexpr PathOptions kRaw{false, false, Escaped::reject_request};
constexpr PathOptions kNoMerge{true, false, Escaped::reject_request};
constexpr PathOptions kMergeOnly{false, true, Escaped::reject_request};
constexpr PathOptions kKeep{true, true, Escaped::keep_unchanged};
constexpr PathOptions kForward{true, true, Escaped::unescape_and_forward};
constexpr PathOptions kRedirect{true, true, Escaped::unescape_and_redirect};
constexpr PathOptions kRawForward{false, false, Escaped::unescape_and_forward};

struct Good {
  const char* target;
  const char* path;
  const char* query = "";
  PathOptions options = kDefault;
  bool redirect = false;
};

const Good kGood[] = {
    {"/", "/"},
    {"/a/b", "/a/b"},
    {"/a/b/", "/a/b/"},
    {"/a?b=c", "/a", "?b=c"},
    {"/?", "/", "?"},
    {"/a??", "/a", "??"},
    // 129: dot segments and slashes
    {"/public/../admin", "/admin"},
    {"/./admin", "/admin"},
    {"//admin", "/admin"},
    {"/public/..//admin", "/admin"},
    {"/public/.././admin", "/admin"},
    {"/a/b/c/../../x", "/a/x"},
    {"/a/..", "/"},
    {"/a/b/..", "/a/"},
    {"/a/.", "/a/"},
    {"/.", "/"},
    {"/..", "/"},
    {"/../..", "/"},
    {"/../../../etc/passwd", "/etc/passwd"},
    {"/a//../b", "/a/b"},
    {"///", "/"},
    {"/a///b//", "/a/b/"},
    {"/a/...", "/a/..."},
    {"/a/..b", "/a/..b"},
    {"/a/.b", "/a/.b"},
    {"/a/b..", "/a/b.."},
    {"/a/b.", "/a/b."},
    {"/.well-known/x", "/.well-known/x"},
    // 130: unreserved characters are decoded before dots are looked at
    {"/%61dmin", "/admin"},
    {"/public/%2e%2e/admin", "/admin"},
    {"/public/%2E./admin", "/admin"},
    {"/public/.%2e/admin", "/admin"},
    {"/%2e/admin", "/admin"},
    {"/%7Euser/%2D%5F", "/~user/-_"},
    {"/%41%5a%30%39", "/AZ09"},
    // RFC 3986 6.2.2.1: what stays escaped is upper case
    {"/a%20b%3f%23", "/a%20b%3F%23"},
    {"/%e2%82%ac", "/%E2%82%AC"},
    {"/%c3%a9%f0%9f%98%80", "/%C3%A9%F0%9F%98%80"},
    {"/%ed%9f%bf%ee%80%80%f4%8f%bf%bf", "/%ED%9F%BF%EE%80%80%F4%8F%BF%BF"},
    // 133: parameters stay
    {"/admin;x=1", "/admin;x=1"},
    {"/a;..", "/a;.."},
    {"/...;x", "/...;x"},
    {"/a/;x", "/a/;x"},
    {"/..a;x", "/..a;x"},
    // 134: case
    {"/ADMIN", "/ADMIN"},
    // 136: once
    {"/%252e%252e/a", "/%252e%252e/a"},
    {"/%25%32%65", "/%252e"},
    {"/%252F", "/%252F"},
    {"/%2525", "/%2525"},
    // 138: the query never touches the path and is never touched
    {"/public?next=/../admin", "/public", "?next=/../admin"},
    {"/?a=%2f%zz%00\\//..", "/", "?a=%2f%zz%00\\//.."},
    {"/a/..?/b/..", "/", "?/b/.."},
    {"/a%3Fb?c", "/a%3Fb", "?c"},
    // raw characters that clients send and that mean nothing
    {"/a|b^c{d}`e'f*(g)!$&+,:@=~", "/a|b^c{d}`e'f*(g)!$&+,:@=~"},
    // switches
    {"/a/../%61//b", "/a/../%61//b", "", kRaw},
    {"/a%3f%e2%82%ac", "/a%3f%e2%82%ac", "", kRaw},
    {"/a//b/../c", "/a//c", "", kNoMerge},
    {"/..//x", "//x", "", kNoMerge},
    {"/a//../b", "/a/b", "", kNoMerge},
    {"//a//../%61", "/a/../%61", "", kMergeOnly},
    {"/a%2fb%5C%2F", "/a%2Fb%5C%2F", "", kKeep},
    {"/a/..%2fb", "/a/..%2Fb", "", kKeep},
    {"/a%2fb", "/a/b", "", kForward},
    {"/public/..%2fadmin", "/admin", "", kForward},
    {"/public%2f..%5cadmin", "/admin", "", kForward},
    {"/public%2f%2e%2e%2fadmin?%2f", "/admin", "?%2f", kForward},
    {"/a%252fb", "/a%252fb", "", kForward},
    {"/a%2f%2f/b", "/a/b", "", kForward},
    {"/a%2fb", "/a/b", "", kRedirect, true},
    {"/a%5cb?q", "/a/b", "?q", kRedirect, true},
    {"/a//b%20", "/a/b%20", "", kRedirect, false},
    {"/%61%2fb", "/%61/b", "", kRawForward},
};

TEST(Path, GoodTargets) {
  for (const Good& row : kGood) {
    SCOPED_TRACE(row.target);
    Arena arena;
    auto result = normalize_path(row.target, row.options, arena);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->path, row.path);
    EXPECT_EQ(result->query, row.query);
    EXPECT_EQ(result->redirect, row.redirect);
  }
}

struct Bad {
  std::string target;
  const char* rule;
  PathOptions options = kDefault;
};

const Bad kBad[] = {
    {"", "path_not_origin"},
    {"*", "path_not_origin"},
    {"a/b", "path_not_origin"},
    {"?a", "path_not_origin"},
    {"http://h/", "path_not_origin"},
    // 131
    {"/a%2fb", "path_escaped_slash"},
    {"/a%2Fb", "path_escaped_slash"},
    {"/a%5cb", "path_escaped_slash"},
    {"/a%2fb", "path_escaped_slash", kRaw},
    {"/a%00", "path_escaped_control"},
    {"/a%0d%0aX: y", "path_character"},
    {"/a%0d%0aX:y", "path_escaped_control"},
    {"/a%1f", "path_escaped_control"},
    {"/a%7F", "path_escaped_control"},
    {"/a%00", "path_escaped_control", kKeep},
    {"/a%00", "path_escaped_control", kForward},
    {"/a%00", "path_escaped_control", kRaw},
    {"/a%zz", "path_escape"},
    {"/a%", "path_escape"},
    {"/a%2", "path_escape"},
    {"/a%2?f", "path_escape"},
    {"/a%g0", "path_escape"},
    {"/a%u0041", "path_escape"},
    {"/a%zz", "path_escape", kRaw},
    // 132
    {"/a\\b", "path_backslash"},
    {"/a\\..\\b", "path_backslash", kRaw},
    // 133
    {"/public/..;/admin", "path_dot_parameters"},
    {"/public/..;x=1/admin", "path_dot_parameters"},
    {"/public/.;/admin", "path_dot_parameters"},
    {"/public/.;", "path_dot_parameters"},
    {"/..;", "path_dot_parameters"},
    {"/public/%2e%2e;/admin", "path_dot_parameters"},
    {"/public/..%3b/admin", "path_dot_parameters"},
    {"/public/..;/admin", "path_dot_parameters", kRaw},
    {"/public/%2e.%3b/admin", "path_dot_parameters", kRaw},
    {"/public%2f..;/admin", "path_dot_parameters", kForward},
    // 135
    {"/%c0%ae%c0%ae/", "path_utf8"},
    {"/%c0%af", "path_utf8"},
    {"/%c1%bf", "path_utf8"},
    {"/%e0%80%af", "path_utf8"},
    {"/%e0%9f%bf", "path_utf8"},
    {"/%f0%8f%bf%bf", "path_utf8"},
    {"/%ff", "path_utf8"},
    {"/%fe", "path_utf8"},
    {"/%80", "path_utf8"},
    {"/%ed%a0%80", "path_utf8"},
    {"/%f4%90%80%80", "path_utf8"},
    {"/%f5%80%80%80", "path_utf8"},
    {"/%e2%82", "path_utf8"},
    {"/%e2%82x", "path_utf8"},
    {"/%e2%82%2f", "path_utf8"},
    {"/%c3", "path_utf8"},
    {"/%c3%", "path_utf8"},
    {"/%ff", "path_utf8", kRaw},
    {"/%ff", "path_utf8", kKeep},
    // what no target may have
    {"/a#b", "path_character"},
    {"/a?x#/admin", "path_character"},
    {"/a b", "path_character"},
    {"/a?b c", "path_character"},
    {"/a\"b", "path_character"},
    {"/a<b", "path_character"},
    {"/a>b", "path_character"},
    {"/a\x7f", "path_character"},
    {"/a\xc3\xa9", "path_character"},
    {"/a?\xc3\xa9", "path_character"},
    {std::string("/a\0b", 4), "path_character"},
    {std::string("/a?\0b", 5), "path_character"},
    {"/a\r\nb", "path_character"},
    {"/a?\r\nb", "path_character"},
};

TEST(Path, BadTargets) {
  for (const Bad& row : kBad) {
    SCOPED_TRACE(row.target);
    Arena arena;
    auto result = normalize_path(row.target, row.options, arena);
    ASSERT_FALSE(result) << result->path;
    EXPECT_EQ(result.error().message, row.rule);
    EXPECT_STREQ(path_rule(result.error()), row.rule);
  }
}

TEST(Path, CleanTargetIsNotCopied) {
  const std::string target = "/api/v1/users;x=1/a.b,c?next=/../x";
  Arena arena;
  auto result = normalize_path(target, kDefault, arena);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->path.data(), target.data());
  EXPECT_EQ(result->query.data(), target.data() + result->path.size());
  EXPECT_EQ(arena.used(), 0u);
}

// Every octet, raw and escaped, behaves by its class and by nothing else.
TEST(Path, EveryOctet) {
  for (int octet = 0; octet < 256; ++octet) {
    SCOPED_TRACE(octet);
    Arena arena;
    const char c = char(octet);
    const bool visible = octet > 0x20 && octet < 0x7f;
    const bool unreserved = octet < 0x80 && (isalnum(octet) || strchr("-._~", c) != nullptr) && octet != 0;
    auto raw = normalize_path(std::string("/x") + c, kDefault, arena);
    EXPECT_EQ(bool(raw), visible && strchr("#\\\"<>%", c) == nullptr);
    char escape[8];
    snprintf(escape, sizeof escape, "/x%%%02x", unsigned(octet));
    auto escaped = normalize_path(escape, kDefault, arena);
    ASSERT_EQ(bool(escaped), octet >= 0x20 && octet < 0x7f && c != '/' && c != '\\');
    if (!escaped) continue;
    snprintf(escape, sizeof escape, "/x%%%02X", unsigned(octet));
    EXPECT_EQ(escaped->path, unreserved ? std::string("/x") + c : std::string(escape));
  }
}

// RFC 3986 5.2.4 as the text has it, over segments.
std::string reference_dots(const std::string& path) {
  std::vector<std::string> in{""}, out;
  for (char c : path.substr(1)) {
    if (c == '/')
      in.emplace_back();
    else
      in.back() += c;
  }
  for (size_t i = 0; i < in.size(); ++i) {
    const bool last = i + 1 == in.size();
    if (in[i] == "..") {
      if (!out.empty()) out.pop_back();
      if (last) out.emplace_back();
    } else if (in[i] == ".") {
      if (last) out.emplace_back();
    } else {
      out.push_back(in[i]);
    }
  }
  std::string result;
  for (const std::string& s : out) result += "/" + s;
  return result.empty() ? "/" : result;
}

TEST(Path, DotSegmentsLikeTheReference) {
  std::mt19937 random(1);
  const char* pieces[] = {"/", "/.", "/..", "/a", "/b.", "/...", "//", "/.c"};
  for (int n = 0; n < 50'000; ++n) {
    std::string path;
    for (unsigned k = 1 + random() % 8; k > 0; --k) path += pieces[random() % std::size(pieces)];
    Arena arena;
    auto result = normalize_path(path, kNoMerge, arena);
    ASSERT_TRUE(result) << path;
    ASSERT_EQ(result->path, reference_dots(path)) << path;
  }
}

TEST(Path, Idempotent) {
  std::mt19937 random(2);
  const char* pieces[] = {"/",   "//",  ".",  "..",    "%2e",       "%2E",    "%2f", "%5C", "a",  "%61", ";x",
                          "%3b", "%25", "2f", "%252e", "%e2%82%ac", "%c0%ae", "%00", "?",   "\\", "~",   "%3F"};
  const PathOptions all[] = {kDefault, kRaw, kNoMerge, kMergeOnly, kKeep, kForward, kRedirect, kRawForward};
  int accepted = 0;
  for (int n = 0; n < 200'000; ++n) {
    std::string target = "/";
    for (unsigned k = random() % 10; k > 0; --k) target += pieces[random() % std::size(pieces)];
    const PathOptions& options = all[random() % std::size(all)];
    Arena arena;
    auto once = normalize_path(target, options, arena);
    if (!once) continue;
    ++accepted;
    const std::string text = std::string(once->path) + std::string(once->query);
    ASSERT_LE(text.size(), target.size());
    auto twice = normalize_path(text, options, arena);
    ASSERT_TRUE(twice) << target << " -> " << text;
    ASSERT_EQ(std::string(twice->path) + std::string(twice->query), text) << target;
    ASSERT_FALSE(twice->redirect) << target;
    if (!options.normalize) continue;
    const std::string path = std::string(once->path) + "/";
    ASSERT_EQ(path.find("/../"), std::string::npos) << target;
    ASSERT_EQ(path.find("/./"), std::string::npos) << target;
    if (options.merge_slashes) {
      ASSERT_EQ(once->path.find("//"), Bytes::npos) << target;
    }
  }
  EXPECT_GT(accepted, 50'000);
}

TEST(Path, LongPathsAreLinear) {
  std::string target = "/x";
  for (int i = 0; i < 20'000; ++i) target += "/..";
  target += "/end";
  Arena arena;
  auto result = normalize_path(target, kDefault, arena);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->path, "/end");
}

}  // namespace
}  // namespace cardea::http
