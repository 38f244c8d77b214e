// The forwarding headers: whose claims are believed, and what the service is told.
#include "route/route.h"

#include <gtest/gtest.h>

namespace cardea::route {
namespace {

using Names = std::vector<std::pair<std::string, std::string>>;

struct Forwarded {
  Names fields;
  std::string client;
};

Forwarded forward(const Names& sent, const ForwardingOptions& options, const ForwardingFacts& facts) {
  auto head = http::make_request();
  for (const auto& [name, value] : sent) head->fields.add(name, value);
  Forwarded result;
  result.client = apply_forwarding(*head, options, facts);
  for (const http::Field& f : head->fields) result.fields.push_back({std::string(f.name), std::string(f.value)});
  return result;
}

const ForwardingFacts kFacts{"192.0.2.9", true, "asked.test", false, "id-1"};

TEST(Forwarding, UntrustedClaimsAreReplaced) {
  const auto r = forward({{"X-Forwarded-For", "1.1.1.1"},
                          {"x-forwarded-for", "2.2.2.2"},
                          {"X-FORWARDED-PROTO", "http"},
                          {"X-Forwarded-Host", "evil"},
                          {"X-Forwarded-Port", "1"},
                          {"X-Forwarded-Prefix", "/x"},
                          {"X-Forwarded-Client-Cert", "Hash=1"},
                          {"X-Real-IP", "3.3.3.3"},
                          {"Forwarded", "for=4.4.4.4"},
                          {"X-Original-URL", "/admin"},
                          {"x-rewrite-url", "/admin"},
                          {"X-Request-ID", "theirs"},
                          {"Via", "1.1 me"},
                          {"X-Other", "stays"},
                          {"Fine", "stays"}},
                         {}, kFacts);
  EXPECT_EQ(r.client, "192.0.2.9");
  EXPECT_EQ(r.fields, (Names{{"Via", "1.1 me"},
                             {"X-Other", "stays"},
                             {"Fine", "stays"},
                             {"x-forwarded-for", "192.0.2.9"},
                             {"x-forwarded-proto", "https"},
                             {"x-real-ip", "192.0.2.9"},
                             {"x-request-id", "id-1"}}));
}

TEST(Forwarding, OtherSpellings) {
  for (const char* name : {"X_Forwarded_For", "x-forwarded_for", "X_FORWARDED-PROTO", "x_forwarded_host", "X_Real_IP",
                           "x-real_ip", "X_Request_Id", "x_forwarded_client_cert", "x-forwarded_client-cert"}) {
    for (uint32_t hops : {0u, 1u}) {
      const auto r = forward({{name, "1.1.1.1"}}, {false, hops}, kFacts);
      EXPECT_EQ(r.client, "192.0.2.9") << name;
      EXPECT_EQ(r.fields,
                (Names{{"x-forwarded-for", "192.0.2.9"}, {"x-forwarded-proto", "https"}, {"x-request-id", "id-1"}}))
          << name;
    }
  }
}

// Rows 140 and 141.
TEST(Forwarding, IdentityHeadersNeverPass) {
  for (const char* name : {"X-Pomerium-Claim-Email", "x-pomerium-claim-groups", "X-Pomerium-Jwt-Assertion",
                           "x-pomerium-jwt-assertion-for", "X-Pomerium-Authorization", "X-Pomerium-Reproxy-Policy",
                           "x-pomerium-reproxy-policy-hmac", "X-Pomerium-Routing-Key", "X_Pomerium_Claim_Email",
                           "x-pomerium_claim-email", "x_pomerium-jwt_assertion", "X-POMERIUM-ANYTHING"}) {
    for (uint32_t hops : {0u, 3u}) {
      const auto r = forward({{name, "a@b"}}, {false, hops}, kFacts);
      for (const auto& [kept, value] : r.fields) EXPECT_NE(kept, name);
      EXPECT_EQ(r.fields.size(), 3u);
    }
  }
  EXPECT_EQ(forward({{"X-Pomeriumx", "1"}}, {}, kFacts).fields[0].first, "X-Pomeriumx");
  EXPECT_EQ(forward({{"My-X-Pomerium-Claim", "1"}}, {}, kFacts).fields[0].first, "My-X-Pomerium-Claim");
}

TEST(Forwarding, TrustedHops) {
  const struct {
    std::vector<const char*> sent;
    uint32_t hops;
    bool skip;
    const char* client;
    const char* forwarded_for;
  } rows[] = {
      {{}, 0, false, "192.0.2.9", "192.0.2.9"},
      {{}, 0, true, "192.0.2.9", ""},
      {{"1.1.1.1"}, 0, true, "192.0.2.9", ""},
      {{}, 1, false, "192.0.2.9", "192.0.2.9"},
      {{"1.1.1.1"}, 1, false, "1.1.1.1", "1.1.1.1, 192.0.2.9"},
      {{"1.1.1.1"}, 1, true, "1.1.1.1", "1.1.1.1"},
      {{"9.9.9.9, 1.1.1.1"}, 1, false, "1.1.1.1", "9.9.9.9, 1.1.1.1, 192.0.2.9"},
      {{"9.9.9.9,1.1.1.1 , 2.2.2.2"}, 2, false, "1.1.1.1", "9.9.9.9,1.1.1.1 , 2.2.2.2, 192.0.2.9"},
      {{"9.9.9.9", "1.1.1.1", "2.2.2.2"}, 2, false, "1.1.1.1", "9.9.9.9, 1.1.1.1, 2.2.2.2, 192.0.2.9"},
      {{"1.1.1.1"}, 2, false, "192.0.2.9", "1.1.1.1, 192.0.2.9"},
      {{"1.1.1.1"}, UINT32_MAX, false, "192.0.2.9", "1.1.1.1, 192.0.2.9"},
      {{"unknown"}, 1, false, "192.0.2.9", "unknown, 192.0.2.9"},
      {{"1.1.1.1:80"}, 1, false, "1.1.1.1", "1.1.1.1:80, 192.0.2.9"},
      {{"[2001:db8::7]:80"}, 1, false, "2001:db8::7", "[2001:db8::7]:80, 192.0.2.9"},
      {{"[2001:db8::7]"}, 1, false, "2001:db8::7", "[2001:db8::7], 192.0.2.9"},
      {{"2001:db8::7"}, 1, false, "2001:db8::7", "2001:db8::7, 192.0.2.9"},
      {{"1.1.1.1:x"}, 1, false, "192.0.2.9", "1.1.1.1:x, 192.0.2.9"},
      {{"[2001:db8::7]x"}, 1, false, "192.0.2.9", "[2001:db8::7]x, 192.0.2.9"},
      {{"1.1.1"}, 1, false, "192.0.2.9", "1.1.1, 192.0.2.9"},
      {{"1.1.1.1,"}, 1, false, "192.0.2.9", "1.1.1.1,, 192.0.2.9"},
      {{""}, 1, false, "192.0.2.9", "192.0.2.9"},
  };
  for (const auto& row : rows) {
    Names sent;
    for (const char* v : row.sent) sent.push_back({"X-Forwarded-For", v});
    SCOPED_TRACE(std::string(row.forwarded_for) + " hops " + std::to_string(row.hops));
    const auto r = forward(sent, {row.skip, row.hops}, kFacts);
    EXPECT_EQ(r.client, row.client);
    std::string got;
    size_t count = 0;
    for (const auto& [name, value] : r.fields) {
      if (name == "x-forwarded-for") got = value, ++count;
    }
    EXPECT_EQ(got, row.forwarded_for);
    EXPECT_LE(count, 1u);
  }
}

TEST(Forwarding, SchemeAndHost) {
  const auto value = [](const Forwarded& r, const char* name) {
    std::string all;
    for (const auto& [n, v] : r.fields) {
      if (n == name) all += "[" + v + "]";
    }
    return all;
  };
  ForwardingFacts plain = kFacts;
  plain.tls = false;
  const ForwardingOptions trusting{false, 1};
  EXPECT_EQ(value(forward({{"X-Forwarded-Proto", "https"}}, {}, plain), "x-forwarded-proto"), "[http]");
  EXPECT_EQ(value(forward({{"X-Forwarded-Proto", "HTTPS"}}, trusting, plain), "x-forwarded-proto"), "[https]");
  EXPECT_EQ(value(forward({{"X-Forwarded-Proto", "http"}}, trusting, kFacts), "x-forwarded-proto"), "[http]");
  EXPECT_EQ(value(forward({{"X-Forwarded-Proto", "gopher"}}, trusting, plain), "x-forwarded-proto"), "[http]");
  EXPECT_EQ(value(forward({{"X-Forwarded-Proto", "http"}, {"X-Forwarded-Proto", "https"}}, trusting, plain),
                  "x-forwarded-proto"),
            "[http]");
  ForwardingFacts rewritten = kFacts;
  rewritten.host_rewritten = true;
  EXPECT_EQ(value(forward({}, {}, rewritten), "x-forwarded-host"), "[asked.test]");
  EXPECT_EQ(value(forward({{"x-forwarded-host", "evil"}}, {}, rewritten), "x-forwarded-host"), "[asked.test]");
  EXPECT_EQ(value(forward({{"x-forwarded-host", "evil"}}, {}, kFacts), "x-forwarded-host"), "");
  EXPECT_EQ(value(forward({{"x-forwarded-host", "front"}}, trusting, kFacts), "x-forwarded-host"), "[front]");
  EXPECT_EQ(value(forward({{"x-forwarded-host", "front"}}, trusting, rewritten), "x-forwarded-host"),
            "[front, asked.test]");
  EXPECT_EQ(value(forward({{"x-forwarded-host", "Asked.test"}}, trusting, rewritten), "x-forwarded-host"),
            "[Asked.test]");
  EXPECT_EQ(value(forward({{"x-real-ip", "9.9.9.9"}, {"X-Forwarded-For", "1.1.1.1"}}, trusting, kFacts), "x-real-ip"),
            "[1.1.1.1]");
}

TEST(Forwarding, PeerWithoutAddress) {
  ForwardingFacts local = kFacts;
  local.peer_ip = {};
  const auto r = forward({{"X-Forwarded-For", "1.1.1.1"}, {"X-Real-IP", "1.1.1.1"}}, {}, local);
  EXPECT_EQ(r.client, "");
  EXPECT_EQ(r.fields, (Names{{"x-forwarded-proto", "https"}, {"x-request-id", "id-1"}}));
}

}  // namespace
}  // namespace cardea::route
