// What selectors and revocations mean when they come as JSON, and what is none.
#include "proxy/selector.h"

#include <gtest/gtest.h>

namespace cardea::proxy {
namespace {

const std::string kHex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
std::string colons(std::string hex) {
  for (size_t i = 2; i < hex.size(); i += 3) hex.insert(i, ":");
  return hex;
}
std::string upper(std::string s) {
  for (char& c : s) c = c >= 'a' && c <= 'z' ? char(c - 32) : c;
  return s;
}

TEST(Selector, Everything) {
  for (const char* json : {"", "{}", " {\t} ", "  \r\n\t "}) {
    auto which = parse_selector(json);
    ASSERT_TRUE(which) << json;
    EXPECT_TRUE(which->everything()) << json;
  }
}

TEST(Selector, EachKey) {
  struct {
    const char* json;
    void (*set)(Selector&);
  } const kRows[] = {
      {R"({"user":"alice"})", [](Selector& s) { s.user = "alice"; }},
      {R"({"user":"007"})", [](Selector& s) { s.user = "007"; }},
      {R"({"user":"null"})", [](Selector& s) { s.user = "null"; }},
      {R"({"user":"J\u00fcrgen \"J\""})", [](Selector& s) { s.user = "J\u00fcrgen \"J\""; }},
      {R"({"route":"orders"})", [](Selector& s) { s.route = "orders"; }},
      {R"({"listener":"127.0.0.1:443"})", [](Selector& s) { s.listener = "127.0.0.1:443"; }},
      {R"({"cluster":"c"})", [](Selector& s) { s.cluster = "c"; }},
      {R"({"endpoint":"[::1]:80"})", [](Selector& s) { s.endpoint = "[::1]:80"; }},
      {R"({"exchange":"8b3c"})", [](Selector& s) { s.exchange = "8b3c"; }},
      {R"({"generation":0})", [](Selector& s) { s.generation = 0; }},
      {R"({"generation":12})", [](Selector& s) { s.generation = 12; }},
      {"{ \"user\" : \"a\",\n \"route\" : \"r\" }",
       [](Selector& s) {
         s.user = "a";
         s.route = "r";
       }},
  };
  for (const auto& row : kRows) {
    Selector expected;
    row.set(expected);
    auto which = parse_selector(row.json);
    ASSERT_TRUE(which) << row.json << which.error().message;
    EXPECT_TRUE(*which == expected) << row.json;
    EXPECT_FALSE(which->everything());
  }
}

TEST(Selector, BothSpellingsOfAFingerprint) {
  for (const std::string& text : {kHex, upper(kHex), colons(kHex), upper(colons(kHex))}) {
    auto which = parse_selector("{\"certificate_fingerprint\":\"" + text + "\"}");
    ASSERT_TRUE(which) << text;
    EXPECT_EQ(which->certificate_fingerprint, kHex);
    auto revocation = parse_revocation("{\"certificate_fingerprint\":\"" + text + "\"}");
    ASSERT_TRUE(revocation) << text;
    EXPECT_EQ(revocation->certificate_fingerprint, kHex);
    EXPECT_EQ(revocation->user, "");
  }
}

struct Bad {
  std::string json;
  const char* says;  // somewhere in the message
};

std::vector<Bad> bad_fingerprints() {
  std::string shifted = colons(kHex);
  std::swap(shifted[2], shifted[3]);
  std::vector<Bad> rows;
  for (const std::string& text :
       {std::string("abc"), kHex.substr(1), kHex + "0", kHex.substr(1) + "g", kHex.substr(1) + " ", colons(kHex) + ":",
        colons(kHex).substr(1), shifted, kHex.substr(0, 62) + ":0", std::string(95, ':'), "0x" + kHex}) {
    rows.push_back({"{\"certificate_fingerprint\":\"" + text + "\"}", "certificate_fingerprint: must be a SHA-256"});
  }
  return rows;
}

// What is wrong for both.
std::vector<Bad> bad_for_both() {
  std::vector<Bad> rows = bad_fingerprints();
  const std::string deep = std::string(1000, '[') + std::string(1000, ']');
  std::string many = "{\"user\":\"a\"";
  for (int i = 0; i < 200; ++i) many += ",\"k" + std::to_string(i) + "\":1";
  for (const Bad& row : std::vector<Bad>{
           {"[]", "not a JSON object"},
           {"\"alice\"", "not a JSON object"},
           {"null", "not a JSON object"},
           {"5", "not a JSON object"},
           {"{", "not a JSON object"},
           {"{\"user\"", "not a JSON object"},
           {"{\"user\":\"a\"", "not a JSON object"},
           {"{\"user\":\"a\"}}", "not a JSON object"},
           {"{\"user\":\"a\"}{}", "not a JSON object"},
           {"{\"user\":\"a\"}\n---\n{}", "not a JSON object"},
           {"{\"user\":\"a\",\"user\":\"b\"}", "not a JSON object"},
           {"{\"user\":\"a\\", "not a JSON object"},
           {"{\"user\":&x \"a\",\"route\":*x}", "not a JSON object"},
           {"{\"user\":!!str \"a\"}", "not a JSON object"},
           {std::string("{\"user\":\"\0\"}", 12), "not a JSON object"},
           {"{\"user\":\"\xff\xfe\"}", "not a JSON object"},
           {"{\"user\":" + deep + "}", "not a JSON object"},
           {many + "}", "not a JSON object"},
           {"{\"user\":\"" + std::string(20'000, 'a') + "\"}", "not a JSON object"},
           {"{\"user\":\"\"}", "user: must be a text"},
           {"{\"user\":5}", "user: must be a text"},
           {"{\"user\":null}", "user: must be a text"},
           {"{\"user\":true}", "user: must be a text"},
           {"{\"user\":alice}", "user: must be a text"},
           {"{\"user\":[\"a\"]}", "user: must be a text"},
           {"{\"user\":{\"a\":\"b\"}}", "user: must be a text"},
           {"{\"certificate_fingerprint\":12}", "certificate_fingerprint: must be a text"},
           {"{\"User\":\"a\"}", "User: unknown; known are user"},
           {"{\"email\":\"a\"}", "email: unknown; known are user"},
           {"{\"\":\"a\"}", "unknown; known are user"},
           {"{\"user \":\"a\"}", "unknown; known are user"},
       }) {
    rows.push_back(row);
  }
  return rows;
}

TEST(Selector, WhatIsNone) {
  std::vector<Bad> rows = bad_for_both();
  rows.push_back({"{\"generation\":\"5\"}", "generation: must be a number"});
  rows.push_back({"{\"generation\":-1}", "generation: must be a number"});
  rows.push_back({"{\"generation\":1.5}", "generation: must be a number"});
  rows.push_back({"{\"generation\":1e3}", "generation: must be a number"});
  rows.push_back({"{\"generation\":9223372036854775808}", "generation: must be a number"});
  rows.push_back({"{\"generation\":null}", "generation: must be a number"});
  rows.push_back({"{\"until\":5}", "until: unknown"});
  for (const char* key : {"route", "listener", "cluster", "endpoint", "exchange"}) {
    rows.push_back({"{\"" + std::string(key) + "\":\"\"}", ": must be a text"});
    rows.push_back({"{\"" + std::string(key) + "\":7}", ": must be a text"});
  }
  for (const Bad& row : rows) {
    auto which = parse_selector(row.json);
    ASSERT_FALSE(which) << row.json << " must not mean everything, or anything";
    EXPECT_NE(which.error().message.find(row.says), std::string::npos)
        << row.json.substr(0, 100) << ": " << which.error().message;
  }
}

// ---- revocations ------------------------------------------------------------------------------------

struct TimeRow {
  const char* until;
  int64_t unix_ms;
};
const TimeRow kTimes[] = {
    {"1", 1000},
    {"1900000000", 1'900'000'000'000},
    {"\"2030-01-31T12:00:00Z\"", 1'896'091'200'000},
    {"\"2030-01-31t12:00:00z\"", 1'896'091'200'000},
    {"\"2030-01-31T12:00:00.5Z\"", 1'896'091'200'000},
    {"\"2030-01-31T12:00:00.123456789+00:00\"", 1'896'091'200'000},
    {"\"2030-01-31T12:00:00+01:00\"", 1'896'087'600'000},
    {"\"2030-01-31T12:00:00-05:30\"", 1'896'111'000'000},
    {"\"2030-01-31T12:00:00-00:00\"", 1'896'091'200'000},
    {"\"2028-02-29T00:00:00Z\"", 1'835'395'200'000},
    {"\"1970-01-01T00:00:01Z\"", 1000},
    {"\"9999-12-31T23:59:59Z\"", 253'402'300'799'000},
    {"\"2016-12-31T23:59:60Z\"", 1'483'228'800'000},
};

TEST(Revocation, Times) {
  for (const TimeRow& row : kTimes) {
    auto r = parse_revocation(std::string("{\"user\":\"a\",\"until\":") + row.until + "}");
    ASSERT_TRUE(r) << row.until << r.error().message;
    EXPECT_EQ(r->until_unix_ms, row.unix_ms) << row.until;
    EXPECT_EQ(r->user, "a");
    EXPECT_EQ(r->by, "");
  }
  auto forever = parse_revocation(R"({"user":"a@b.example"})");
  ASSERT_TRUE(forever);
  EXPECT_EQ(forever->until_unix_ms, 0);
  EXPECT_EQ(forever->user, "a@b.example");
}

TEST(Revocation, WhatIsNone) {
  std::vector<Bad> rows = bad_for_both();
  rows.push_back({"", "needs either user or certificate_fingerprint"});
  rows.push_back({"{}", "needs either user or certificate_fingerprint"});
  rows.push_back({"{\"until\":5}", "needs either user or certificate_fingerprint"});
  rows.push_back({"{\"user\":\"a\",\"certificate_fingerprint\":\"" + kHex + "\"}", "needs either"});
  rows.push_back({"{\"route\":\"r\"}", "route: unknown; known are user, certificate_fingerprint, until"});
  rows.push_back({"{\"user\":\"a\",\"by\":\"me\"}", "by: unknown"});
  for (const char* until : {"0",
                            "-5",
                            "1.5",
                            "1e9",
                            "007",
                            "0x7f",
                            "true",
                            "null",
                            "[]",
                            "{}",
                            "1000000000001",
                            "\"\"",
                            "\"5\"",
                            "\"tomorrow\"",
                            "\"2030-01-31\"",
                            "\"2030-01-31T12:00:00\"",
                            "\"2030-01-31 12:00:00Z\"",
                            "\"2030-1-31T12:00:00Z\"",
                            "\"2030-01-31T1:00:00Z\"",
                            "\" 2030-01-31T12:00:00Z\"",
                            "\"2030-01-31T12:00:00Z \"",
                            "\"2030-01-31T12:00:00ZZ\"",
                            "\"2030-01-31T12:00:00.Z\"",
                            "\"2030-01-31T12:00:00,5Z\"",
                            "\"2030-13-01T12:00:00Z\"",
                            "\"2030-00-01T12:00:00Z\"",
                            "\"2030-01-00T12:00:00Z\"",
                            "\"2030-02-30T12:00:00Z\"",
                            "\"2029-02-29T12:00:00Z\"",
                            "\"2030-04-31T12:00:00Z\"",
                            "\"2030-01-31T24:00:00Z\"",
                            "\"2030-01-31T12:60:00Z\"",
                            "\"2030-01-31T12:00:61Z\"",
                            "\"2030-01-31T12:00:00+24:00\"",
                            "\"2030-01-31T12:00:00+1:00\"",
                            "\"2030-01-31T12:00:00+-1:00\"",
                            "\"2030-01-31T12:00:00+01\"",
                            "\"2030-01-31T12:00:00+0100\"",
                            "\"2030-01-31T12:00:00+01:60\"",
                            "\"1969-12-31T23:59:59Z\"",
                            "\"1970-01-01T00:00:00Z\"",
                            "\"1970-01-01T00:00:00+01:00\"",
                            "\"10000-01-01T00:00:00Z\"",
                            "\"+2030-01-31T12:00:00Z\""}) {
    rows.push_back({"{\"user\":\"a\",\"until\":" + std::string(until) + "}", "until: must be Unix seconds or a time"});
  }
  for (const Bad& row : rows) {
    auto r = parse_revocation(row.json);
    EXPECT_FALSE(r) << row.json;
    if (!r) {
      EXPECT_NE(r.error().message.find(row.says), std::string::npos)
          << row.json.substr(0, 100) << ": " << r.error().message;
    }
  }
}

}  // namespace
}  // namespace cardea::proxy
