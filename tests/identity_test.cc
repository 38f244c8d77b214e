// Identities: claims by path, domains, what a certificate says about its holder.
#include "identity/identity.h"

#include <gtest/gtest.h>

namespace cardea::identity {
namespace {

TEST(Identity, ClaimsByPath) {
  Identity who;
  who.claims = {{"b", {"1"}}, {"a/c", {"2"}}, {"a", {}}, {"a/b", {"3", "4"}}};
  EXPECT_TRUE(settle_claims(who.claims));
  for (const char* path : {"a", "a/b", "a/c", "b"}) {
    ASSERT_TRUE(who.claim(path)) << path;
    EXPECT_EQ(who.claim(path)->path, path);
  }
  EXPECT_EQ(who.claim("a/b")->values, (std::vector<std::string>{"3", "4"}));
  for (const char* path : {"", "a/", "a/a", "a/d", "A", "c", "a.b"}) EXPECT_EQ(who.claim(path), nullptr) << path;
  EXPECT_EQ(Identity().claim("a"), nullptr);
}

TEST(Identity, PathsAreNormalised) {
  EXPECT_EQ(normal_claim_path("address.country"), "address/country");
  EXPECT_EQ(normal_claim_path("address/country"), "address/country");
  EXPECT_EQ(normal_claim_path("https://example.com/roles"), "https://example/com/roles");
  EXPECT_EQ(normal_claim_path(""), "");
}

TEST(Identity, EqualPathsJoinInOrder) {
  std::vector<Claim> claims = {{"b", {"1"}}, {"a", {"2"}}, {"b", {"3", "1"}}, {"a", {}}, {"b", {"0"}}};
  EXPECT_TRUE(settle_claims(claims));
  EXPECT_EQ(claims, (std::vector<Claim>{{"a", {"2"}}, {"b", {"1", "3", "1", "0"}}}));
  std::vector<Claim> none;
  EXPECT_TRUE(settle_claims(none));
  EXPECT_TRUE(none.empty());
}

TEST(Identity, ClaimsAreBounded) {
  const auto many = [](size_t n) {
    std::vector<Claim> claims;
    for (size_t i = n; i > 0; --i) claims.push_back({std::to_string(10'000 + i), {std::to_string(i)}});
    return claims;
  };
  auto claims = many(kMaxClaims);
  claims.push_back(claims.front());  // joined, not one more
  EXPECT_TRUE(settle_claims(claims));
  EXPECT_EQ(claims.size(), kMaxClaims);
  claims = many(kMaxClaims + 1);
  EXPECT_FALSE(settle_claims(claims));
  EXPECT_EQ(claims.size(), kMaxClaims);
  EXPECT_EQ(claims.front().path, "10001");
}

TEST(Identity, Domain) {
  const struct {
    const char* email;
    const char* domain;
  } rows[] = {{"a@example.com", "example.com"}, {"\"a@b\"@c", "c"}, {"a@", ""}, {"a", ""}, {"", ""}, {"@x", "x"}};
  for (const auto& row : rows) {
    Identity who;
    who.email = row.email;
    EXPECT_EQ(who.domain(), row.domain) << row.email;
  }
}

TEST(Identity, SourceNames) {
  EXPECT_STREQ(source_name(Source::token), "token");
  EXPECT_STREQ(source_name(Source::certificate), "certificate");
  EXPECT_STREQ(source_name(Source::host), "host");
}

TEST(Identity, OfACertificate) {
  Certificate all;
  all.principals = {"anna@corp", "second"};
  all.emails = {"anna@example.com", "a@example.com"};
  all.uris = {"spiffe://example.com/anna"};
  all.common_name = "Anna";
  all.dns = {"anna.example.com"};
  all.units = {"admins", "", "staff"};
  all.not_after_ms = 99;
  const auto who = identity_of(all);
  ASSERT_TRUE(who);
  EXPECT_EQ(who->source, Source::certificate);
  EXPECT_EQ(who->user, "anna@corp");
  EXPECT_EQ(who->email, "anna@example.com");
  EXPECT_EQ(who->name, "Anna");
  EXPECT_EQ(who->groups, (std::vector<std::string>{"admins", "staff"}));
  EXPECT_EQ(who->not_after_ms, 99);
  // Each kind of name is next when those before it are missing.
  Certificate rest = all;
  rest.principals.clear();
  EXPECT_EQ(identity_of(rest)->user, "anna@example.com");
  rest.emails.clear();
  EXPECT_EQ(identity_of(rest)->user, "spiffe://example.com/anna");
  EXPECT_EQ(identity_of(rest)->email, "");
  rest.uris.clear();
  EXPECT_EQ(identity_of(rest)->user, "Anna");
  rest.common_name.clear();
  EXPECT_EQ(identity_of(rest)->user, "anna.example.com");
  rest.dns.clear();
  EXPECT_EQ(identity_of(rest), nullptr);  // an OU names nobody
}

TEST(Identity, NamesWithControlCharactersNameNobody) {
  using S = std::string;
  for (const S& bad : {S("root\0@example.com", 17), S("a\nb"), S("\x7f"), S("a\x1b[0m")}) {
    Certificate certificate;
    certificate.principals = {bad};
    certificate.emails = {bad};
    certificate.units = {bad};
    certificate.common_name = bad;
    EXPECT_EQ(identity_of(certificate), nullptr);
    certificate.dns = {bad, "x"};
    ASSERT_TRUE(identity_of(certificate));
    EXPECT_EQ(identity_of(certificate)->user, "x");
    EXPECT_EQ(identity_of(certificate)->email, "");
    EXPECT_EQ(identity_of(certificate)->name, "");
    EXPECT_TRUE(identity_of(certificate)->groups.empty());
  }
  Certificate utf8;
  utf8.common_name = "J\xc3\xbcrgen";
  EXPECT_EQ(identity_of(utf8)->user, "J\xc3\xbcrgen");
}

}  // namespace
}  // namespace cardea::identity
