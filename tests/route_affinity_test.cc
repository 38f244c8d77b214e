// hash_policy: what a request's hash depends on, and the cookie that is made.
#include "route/affinity.h"

#include <gtest/gtest.h>

#include <set>

#include "balance/balance.h"

namespace cardea::route {
namespace {

using balance::hash64;
using By = HashPolicy::By;
using Policy = std::vector<HashPolicy>;

struct Request {
  http::RequestPtr head = http::make_request();
  std::string source_ip = "192.0.2.1", user = "ada", set_cookie = "old";
  uint64_t random = 0x0123456789abcdef;
  bool secure = false;
  std::optional<uint64_t> hash(const Policy& policy) {
    return hash_of(policy, {head.get(), source_ip, user, random, secure}, set_cookie);
  }
};

HashPolicy by_header(const char* name, bool terminal = false) {
  return {By::header, name, {}, "", terminal};
}
HashPolicy by_cookie(const char* name, std::optional<Millis> ttl, const char* path = "") {
  return {By::cookie, name, ttl, path, false};
}
const HashPolicy kIp{By::source_ip, "", {}, "", false}, kUser{By::identity, "", {}, "", false};

TEST(Affinity, WithoutEntriesTheUserElseTheAddress) {
  Request r;
  EXPECT_EQ(r.hash({}), hash64("ada"));
  EXPECT_EQ(r.set_cookie, "");
  r.user.clear();
  EXPECT_EQ(r.hash({}), hash64("192.0.2.1"));
  r.source_ip.clear();
  EXPECT_EQ(r.hash({}), std::nullopt);
}

TEST(Affinity, OneEntry) {
  Request r;
  EXPECT_EQ(r.hash({kIp}), hash64("192.0.2.1"));
  EXPECT_EQ(r.hash({kUser}), hash64("ada"));
  EXPECT_EQ(r.hash({by_header("x-key")}), std::nullopt);
  r.head->fields.add("X-Key", "one");
  EXPECT_EQ(r.hash({by_header("x-key")}), hash64("one"));
  r.head->fields.add("x-key", "two");
  const auto both = r.hash({by_header("x-key")});
  EXPECT_NE(both, hash64("one"));
  EXPECT_NE(both, hash64("two"));
  EXPECT_EQ(both, r.hash({by_header("x-key")}));
  r.user = r.source_ip = "";
  EXPECT_EQ(r.hash({kIp, kUser}), std::nullopt);
}

TEST(Affinity, EveryEntryCounts) {
  Request r;
  r.head->fields.add("x-key", "one");
  const Policy policy = {by_header("x-key"), kIp, kUser};
  std::set<uint64_t> seen = {*r.hash(policy)};
  EXPECT_EQ(r.hash(policy), *seen.begin());
  Request other = {};
  other.head->fields.add("x-key", "two");
  EXPECT_TRUE(seen.insert(*other.hash(policy)).second);
  r.source_ip = "192.0.2.2";
  EXPECT_TRUE(seen.insert(*r.hash(policy)).second);
  r.user = "bob";
  EXPECT_TRUE(seen.insert(*r.hash(policy)).second);
  // Equal values in two places do not cancel each other out.
  r.source_ip = r.user = "same";
  EXPECT_NE(r.hash({kIp, kUser}), 0u);
  EXPECT_NE(r.hash({kIp, kUser}), r.hash({kIp}));
}

TEST(Affinity, TerminalEndsWhenThereIsAHash) {
  Request r;
  EXPECT_EQ(r.hash({by_header("x-key", true), kIp}), hash64("192.0.2.1"));
  r.head->fields.add("x-key", "one");
  EXPECT_EQ(r.hash({by_header("x-key", true), kIp}), hash64("one"));
  EXPECT_NE(r.hash({by_header("x-key", false), kIp}), hash64("one"));
  EXPECT_EQ(r.hash({by_header("x-key", true), by_cookie("c", 0)}), hash64("one"));
  EXPECT_EQ(r.set_cookie, "");
}

TEST(Affinity, CookiesOfTheRequest) {
  struct Row {
    const char* header;
    const char* value;  // empty: none
  } rows[] = {
      {"c=v", "v"},
      {"a=b; c=v", "v"},
      {"a=b;c=v;d=e", "v"},
      {" \tc=v \t; x=y", "v"},
      {"c=v=w", "v=w"},
      {"c=\"v\"", "\"v\""},
      {"c=1; c=2", "1"},
      {"c=", ""},
      {"cc=v", ""},
      {"xc=v", ""},
      {"c", ""},
      {"", ""},
      {"C=v", ""},
      {"c =v", ""},
      {";;; c=v", "v"},
      {"c=; c=v", "v"},
      {";", ""},
  };
  for (const Row& row : rows) {
    Request r;
    r.head->fields.add(http::FieldId::cookie, row.header);
    const auto hash = r.hash({by_cookie("c", std::nullopt)});
    EXPECT_EQ(hash, *row.value ? std::optional(hash64(row.value)) : std::nullopt) << row.header;
    EXPECT_EQ(r.set_cookie, "") << row.header;
  }
  Request r;
  r.head->fields.add(http::FieldId::cookie, "a=b");
  r.head->fields.add(http::FieldId::cookie, "c=v");
  EXPECT_EQ(r.hash({by_cookie("c", 5000, "/")}), hash64("v"));
  EXPECT_EQ(r.set_cookie, "");
}

TEST(Affinity, CookiesThatAreMade) {
  struct Row {
    HashPolicy policy;
    const char* set_cookie;
  } rows[] = {
      {by_cookie("c", 0), "c=0123456789abcdef; HttpOnly"},
      {by_cookie("c", 3'600'000, "/app"), "c=0123456789abcdef; Max-Age=3600; Path=/app; HttpOnly"},
      {by_cookie("c", 1), "c=0123456789abcdef; Max-Age=1; HttpOnly"},
      {by_cookie("c", 1001), "c=0123456789abcdef; Max-Age=2; HttpOnly"},
  };
  for (const Row& row : rows) {
    Request r;
    const auto hash = r.hash({row.policy});
    EXPECT_EQ(r.set_cookie, row.set_cookie);
    Request tls;
    tls.secure = true;
    tls.hash({row.policy});
    EXPECT_EQ(tls.set_cookie, std::string(row.set_cookie) + "; Secure");
    // Who comes back with it is where it was.
    Request next;
    next.head->fields.add(http::FieldId::cookie, "c=0123456789abcdef");
    EXPECT_EQ(next.hash({row.policy}), hash);
    EXPECT_EQ(next.set_cookie, "");
  }
}

}  // namespace
}  // namespace cardea::route
