// What tokens and hosts say of somebody: payloads whose signature holds, and the texts of hooks.
#include <algorithm>
#include <climits>

#include "token/token.h"
#include "token_fixture.h"

namespace cardea::token {
namespace {

const TestIssuer& issuer() {
  static const TestIssuer made;
  return made;
}

Verified judge(Bytes payload, const Rules& rules = {}, int64_t now_ms = kNow * 1000) {
  static const KeySetPtr keys = issuer().keys();
  return verify(issuer().sign(payload), rules, *keys, now_ms);
}

std::vector<std::string> values(const identity::Identity& who, Bytes path) {
  const identity::Claim* claim = who.claim(identity::normal_claim_path(path));
  return claim ? claim->values : std::vector<std::string>{"(none)"};
}

using Texts = std::vector<std::string>;

struct Row {
  std::string payload;
  Fault fault;
};

TEST(TokenPayload, Form) {
  const std::string exp = R"("exp":1700000600)";
  const auto deep = [](size_t levels) {
    std::string text;
    for (size_t i = 0; i < levels; ++i) text += R"({"a":)";
    return text + '1' + std::string(levels, '}');
  };
  const auto many = [](size_t count) {
    std::string text = "\"c0\":1";
    for (size_t i = 1; i < count; ++i) text += ",\"c" + std::to_string(i) + "\":1";
    return text;
  };
  const Row rows[] = {
      {claims_with(), Fault::none},
      {"", Fault::malformed},
      {"null", Fault::malformed},
      {"[]", Fault::malformed},
      {"\"text\"", Fault::malformed},
      {claims_with() + "x", Fault::malformed},
      {claims_with() + claims_with(), Fault::malformed},
      {issuer().sign(claims_with()), Fault::malformed},  // a token within a token
      {claims_with(R"("sub":"other")"), Fault::malformed},
      {claims_with(R"("s\u0075b":"other")"), Fault::malformed},
      {claims_with(R"("exp":9999999999)"), Fault::malformed},
      {claims_with(R"("x":{"a":1,"a":2})"), Fault::malformed},
      {claims_with(R"("x":"\u0000")"), Fault::malformed},
      {claims_with(R"("\u0000":1)"), Fault::malformed},
      {claims_with("\"x\":\"\xff\""), Fault::malformed},
      {claims_with("\"x\":\"\xc0\x80\""), Fault::malformed},
      {claims_with("\"x\":\"\xed\xa0\x80\""), Fault::malformed},
      {claims_with(R"("x":"\ud800")"), Fault::malformed},
      {claims_with("\"x\":\"a\nb\""), Fault::malformed},
      {claims_with(R"("x":1e400)"), Fault::malformed},
      {claims_with(R"("x":99999999999999999999)"), Fault::malformed},
      {claims_with(R"("x":NaN)"), Fault::malformed},
      {claims_with(R"("x":01)"), Fault::malformed},
      {claims_with("\"x\":" + deep(5)), Fault::none},
      {claims_with("\"x\":" + deep(31)), Fault::none},
      {claims_with("\"x\":" + deep(32)), Fault::malformed},
      {claims_with("\"x\":" + deep(500)), Fault::malformed},
      {claims_with("\"x\":" + std::string(500, '[') + std::string(500, ']')), Fault::malformed},
      {claims_with("\"x\":" + std::string(10000, '[')), Fault::malformed},
      {claims_with("\"x\":\"" + std::string(1000, '[') + '"'), Fault::none},  // brackets in a text
      {claims_with("\"x\":\"\\\"" + std::string(1000, '{') + '"'), Fault::none},
      {claims_with(many(998)), Fault::none},  // with sub and exp the most there may be
      {claims_with(many(999)), Fault::malformed},
      {claims_with(many(10000)), Fault::malformed},  // too long as well
      {claims_with('"' + std::string(1024, 'k') + "\":1"), Fault::none},
      {claims_with('"' + std::string(1025, 'k') + "\":1"), Fault::malformed},
      {claims_with('"' + std::string(600, 'k') + "\":{\"" + std::string(600, 'k') + "\":1}"), Fault::malformed},
  };
  for (const auto& row : rows) {
    EXPECT_STREQ(fault_name(judge(row.payload).fault), fault_name(row.fault)) << row.payload.substr(0, 200);
  }
}

TEST(TokenPayload, Time) {
  const auto at = [](const std::string& more) { return R"({"sub":"u",)" + more + '}'; };
  const std::string exp = R"("exp":1700000600)";
  const Row rows[] = {
      {at(exp), Fault::none},
      {R"({"sub":"u"})", Fault::no_expiry},
      {at(R"("exp":null)"), Fault::malformed},
      {at(R"("exp":"1700000600")"), Fault::malformed},
      {at(R"("exp":true)"), Fault::malformed},
      {at(R"("exp":[1700000600])"), Fault::malformed},
      {at(R"("exp":1e400)"), Fault::malformed},
      {at(R"("exp":-1e400)"), Fault::malformed},
      {at(R"("exp":1700000600000)"), Fault::malformed},  // milliseconds
      {at(R"("exp":9223372036854775807)"), Fault::malformed},
      {at(R"("exp":9223372036854775808)"), Fault::malformed},
      {at(R"("exp":-9223372036854775808)"), Fault::malformed},
      {at(R"("exp":1e300)"), Fault::malformed},
      {at(R"("exp":253402300799)"), Fault::none},
      {at(R"("exp":253402300800)"), Fault::malformed},
      {at(R"("exp":1700000600.5)"), Fault::none},
      {at(R"("exp":1.7000006e9)"), Fault::none},
      {at(R"("exp":1700000000)"), Fault::none},  // now, within the skew of 60 s
      {at(R"("exp":1699999941)"), Fault::none},  // 59 s ago
      {at(R"("exp":1699999940.001)"), Fault::none},
      {at(R"("exp":1699999940)"), Fault::expired},  // 60 s ago
      {at(R"("exp":0)"), Fault::expired},
      {at(R"("exp":-60)"), Fault::expired},
      {at(R"("exp":-1)"), Fault::expired},
      {at(R"("exp":-1.5e11)"), Fault::expired},
      {at(exp + R"(,"nbf":1700000060)"), Fault::none},
      {at(exp + R"(,"nbf":1700000061)"), Fault::not_yet_valid},
      {at(exp + R"(,"nbf":1700000060.5)"), Fault::not_yet_valid},
      {at(exp + R"(,"nbf":0)"), Fault::none},
      {at(exp + R"(,"nbf":"0")"), Fault::malformed},
      {at(exp + R"(,"nbf":null)"), Fault::malformed},
      {at(exp + R"(,"iat":1700000060)"), Fault::none},
      {at(exp + R"(,"iat":1700000061)"), Fault::not_yet_valid},
      {at(exp + R"(,"iat":"now")"), Fault::malformed},
      {at(exp + R"(,"iat":-1)"), Fault::none},
  };
  for (const auto& row : rows) {
    const Verified v = judge(row.payload);
    EXPECT_STREQ(fault_name(v.fault), fault_name(row.fault)) << row.payload;
    if (v.identity) {
      EXPECT_GT(v.identity->not_after_ms, kNow * 1000) << row.payload;
    }
  }
}

TEST(TokenPayload, SkewIsTheRules) {
  const std::string payload = R"({"sub":"u","exp":1700000000,"nbf":1700000000})";
  const struct {
    int64_t skew, now;
    Fault fault;
  } rows[] = {
      {0, kNow - 1, Fault::not_yet_valid}, {0, kNow, Fault::expired},
      {1, kNow - 1, Fault::none},          {1, kNow, Fault::none},
      {1, kNow + 1, Fault::expired},       {300, kNow - 300, Fault::none},
      {300, kNow + 299, Fault::none},      {300, kNow + 300, Fault::expired},
      {-5, kNow, Fault::expired},          {INT64_MAX, kNow, Fault::none},
      {INT64_MIN, kNow, Fault::expired},   {60, INT64_MAX / 1000, Fault::expired},
      {60, 0, Fault::not_yet_valid},
  };
  for (const auto& row : rows) {
    const Verified v = judge(payload, {"", {}, row.skew}, row.now * 1000);
    EXPECT_STREQ(fault_name(v.fault), fault_name(row.fault)) << row.skew << ' ' << row.now;
  }
  EXPECT_EQ(judge(payload, {"", {}, 30}).identity->not_after_ms, (kNow + 30) * 1000);
}

TEST(TokenPayload, IssuerAndAudience) {
  const Rules rules{"https://a.example", {"cardea", "other"}, 60};
  const struct {
    const char* more;
    Fault fault, without;  // with these rules, and with none
  } rows[] = {
      {R"("iss":"https://a.example","aud":"cardea")", Fault::none, Fault::none},
      {R"("iss":"https://a.example","aud":["x","other"])", Fault::none, Fault::none},
      {R"("iss":"https://a.example","aud":["x","y"])", Fault::audience, Fault::none},
      {R"("iss":"https://a.example","aud":[])", Fault::audience, Fault::none},
      {R"("iss":"https://a.example","aud":"cardea ")", Fault::audience, Fault::none},
      {R"("iss":"https://a.example","aud":"Cardea")", Fault::audience, Fault::none},
      {R"("iss":"https://a.example","aud":"")", Fault::audience, Fault::none},
      {R"("iss":"https://a.example")", Fault::audience, Fault::none},
      {R"("iss":"https://a.example","aud":1)", Fault::malformed, Fault::malformed},
      {R"("iss":"https://a.example","aud":null)", Fault::malformed, Fault::malformed},
      {R"("iss":"https://a.example","aud":["cardea",1])", Fault::malformed, Fault::malformed},
      {R"("iss":"https://a.example","aud":{"cardea":1})", Fault::malformed, Fault::malformed},
      {R"("iss":"https://a.example/","aud":"cardea")", Fault::issuer, Fault::none},
      {R"("iss":"HTTPS://a.example","aud":"cardea")", Fault::issuer, Fault::none},
      {R"("iss":"","aud":"cardea")", Fault::issuer, Fault::none},
      {R"("iss":null,"aud":"cardea")", Fault::issuer, Fault::none},
      {R"("aud":"cardea")", Fault::issuer, Fault::none},
      {R"("iss":["https://a.example"],"aud":"cardea")", Fault::malformed, Fault::malformed},
      {R"("iss":1,"aud":"cardea")", Fault::malformed, Fault::malformed},
  };
  for (const auto& row : rows) {
    EXPECT_STREQ(fault_name(judge(claims_with(row.more), rules).fault), fault_name(row.fault)) << row.more;
    EXPECT_STREQ(fault_name(judge(claims_with(row.more)).fault), fault_name(row.without)) << row.more;
  }
}

TEST(TokenPayload, Fields) {
  const auto with = [](const std::string& more) { return R"({"exp":1700000600,)" + more + '}'; };
  const std::string sub = R"("sub":"u",)", long_one(1024, 's');
  const Row rows[] = {
      {R"({"exp":1700000600})", Fault::no_subject},
      {with(R"("sub":"")"), Fault::no_subject},
      {with(R"("sub":null)"), Fault::no_subject},
      {with(R"("sub":1)"), Fault::malformed},
      {with(R"("sub":["u"])"), Fault::malformed},
      {with(R"("sub":")" + long_one + '"'), Fault::none},
      {with(R"("sub":")" + long_one + "s\""), Fault::malformed},
      {with(R"("sub":"a\u0000b")"), Fault::malformed},
      {with(R"("sub":"a\nb")"), Fault::malformed},
      {with(R"("sub":"a\u001fb")"), Fault::malformed},
      {with(R"("sub":"a\u007fb")"), Fault::malformed},
      {with(R"("sub":"a\u0080b")"), Fault::malformed},
      {with(R"("sub":"a\u009fb")"), Fault::malformed},
      {with(R"("sub":"a\u00a0b")"), Fault::none},
      {with("\"sub\":\"\xc3\xa9\xf0\x9f\x98\x80\""), Fault::none},
      {with(sub + R"("email":"a\r\nX-Y: z")"), Fault::malformed},
      {with(sub + R"("email":1)"), Fault::malformed},
      {with(sub + R"("email":null)"), Fault::none},
      {with(sub + R"("name":{})"), Fault::malformed},
      {with(sub + R"("name":"a\tb")"), Fault::malformed},
      {with(sub + R"("sid":1)"), Fault::malformed},
      {with(sub + R"("jti":1)"), Fault::malformed},
      {with(sub + R"("groups":["a","b\n"])"), Fault::malformed},
      {with(sub + R"("groups":["a",null])"), Fault::malformed},
      {with(sub + R"("groups":["a",{"id":"b"}])"), Fault::malformed},
      {with(sub + R"("groups":{"a":true})"), Fault::malformed},
      {with(sub + R"("groups":true)"), Fault::malformed},
      {with(sub + R"("groups":[true])"), Fault::malformed},
      {with(sub + R"("groups":null)"), Fault::none},
      {with(sub + R"("groups":[])"), Fault::none},
      {with(sub + R"("groups":["a",7])"), Fault::none},
      {with(sub + R"("note":"a\nb")"), Fault::none},  // only a claim
  };
  for (const auto& row : rows) {
    EXPECT_STREQ(fault_name(judge(row.payload).fault), fault_name(row.fault)) << row.payload.substr(0, 100);
  }
}

TEST(TokenPayload, EmailCountsUnlessItIsNotVerified) {
  const struct {
    const char* more;
    const char* email;
  } rows[] = {
      {R"("email":"a@b.example")", "a@b.example"},
      {R"("email":"a@b.example","email_verified":true)", "a@b.example"},
      {R"("email":"a@b.example","email_verified":"true")", "a@b.example"},
      {R"("email":"a@b.example","email_verified":false)", ""},
      {R"("email":"a@b.example","email_verified":"false")", ""},
      {R"("email":"a@b.example","email_verified":null)", ""},
      {R"("email":"a@b.example","email_verified":1)", ""},
      {R"("email":"a@b.example","email_verified":[true])", ""},
      {R"("email_verified":false)", ""},
      {R"("email":"")", ""},
  };
  for (const auto& row : rows) {
    const Verified v = judge(claims_with(row.more));
    ASSERT_TRUE(v.identity) << row.more;
    EXPECT_EQ(v.identity->email, row.email) << row.more;
    const Bytes claim = v.identity->claim("email") ? Bytes(v.identity->claim("email")->values[0]) : Bytes();
    EXPECT_EQ(claim, row.email) << row.more << ": as a claim too";
  }
}

TEST(TokenPayload, Claims) {
  const Verified v = judge(claims_with(R"(
      "email":"a@b.example","name":"A B","groups":["g1",2],"sid":"session-1","jti":"id-1","iss":"i","aud":["x","y"],
      "text":"t","empty":"","whole":-7,"half":0.5,"big":1e20,"round":1e3,"round2":1000.0,"yes":true,"no":false,"nothing":null,
      "none":[],"void":{},"list":["a",1,true,null,["in"],{"b":1}],
      "address":{"country":"XX","street.name":"s","l3":{"l4":{"l5":"deep","more":{"l6":"too deep"}}}},
      "realm_access":{"roles":["r1","r2"]},"a.b":"dotted","https://example.com/roles":["admin"])"));
  ASSERT_TRUE(v.identity);
  const identity::Identity& who = *v.identity;
  EXPECT_EQ(who.user, "user-1");
  EXPECT_EQ(who.name, "A B");
  EXPECT_EQ(who.session, "session-1");
  EXPECT_EQ(who.groups, (Texts{"g1", "2"}));
  const struct {
    const char* path;
    Texts values;
  } rows[] = {
      {"sub", {"user-1"}},
      {"exp", {"1700000600"}},
      {"aud", {"x", "y"}},
      {"groups", {"g1", "2"}},
      {"text", {"t"}},
      {"empty", {""}},
      {"whole", {"-7"}},
      {"half", {"0.5"}},
      {"big", {"1e+20"}},
      {"round", {"1000"}},
      {"round2", {"1000"}},
      {"yes", {"true"}},
      {"no", {"false"}},
      {"nothing", {"(none)"}},
      {"none", {"(none)"}},
      {"void", {"(none)"}},
      {"list", {"a", "1", "true"}},
      {"address/country", {"XX"}},
      {"address/street/name", {"s"}},
      {"address/l3/l4/l5", {"deep"}},
      {"address/l3/l4/more/l6", {"too deep"}},
      {"realm_access/roles", {"r1", "r2"}},
      {"a/b", {"dotted"}},
      {"a.b", {"dotted"}},
      {"https://example.com/roles", {"admin"}},
  };
  for (const auto& row : rows) EXPECT_EQ(values(who, row.path), row.values) << row.path;
  EXPECT_TRUE(std::is_sorted(who.claims.begin(), who.claims.end(),
                             [](const auto& a, const auto& b) { return a.path < b.path; }));
}

TEST(TokenPayload, ClaimsEndAtFiveLevels) {
  const Verified v = judge(claims_with(R"("a":{"b":{"c":{"d":{"e":"five","f":{"g":"six"},"h":["five"]}}}})"));
  ASSERT_TRUE(v.identity);
  EXPECT_EQ(values(*v.identity, "a/b/c/d/e"), Texts{"five"});
  EXPECT_EQ(values(*v.identity, "a/b/c/d/h"), Texts{"five"});
  EXPECT_EQ(values(*v.identity, "a/b/c/d/f/g"), Texts{"(none)"});
}

TEST(TokenPayload, SessionIsSidOrJti) {
  EXPECT_EQ(judge(claims_with(R"("jti":"j")")).identity->session, "j");
  EXPECT_EQ(judge(claims_with(R"("jti":"j","sid":"s")")).identity->session, "s");
  EXPECT_EQ(judge(claims_with()).identity->session, "");
}

TEST(ClaimedIssuer, IsWhatThePayloadSays) {
  const struct {
    std::string token;
    const char* issuer;
  } rows[] = {
      {issuer().sign(claims_with(R"("iss":"https://a.example")")), "https://a.example"},
      {"." + base64url_of(R"({"iss":"x"})") + ".", "x"},
      {issuer().sign(claims_with()), ""},
      {issuer().sign(claims_with(R"("iss":1)")), ""},
      {issuer().sign(claims_with(R"("iss":null)")), ""},
      {issuer().sign(claims_with(R"("iss":"a","iss":"b")")), ""},
      {issuer().sign(claims_with(R"("iss":"a\nb")")), ""},
      {issuer().sign(claims_with("\"iss\":\"" + std::string(1025, 'i') + '"')), ""},
      {issuer().sign("[]"), ""},
      {"", ""},
      {"a.b", ""},
      {"a.!!.c", ""},
      {"." + base64url_of(R"({"iss":"x"})") + "=.", ""},
      {"." + base64url_of("{\"iss\":\"x\"," + std::string(20000, ' ') + "\"a\":1}") + ".", ""},
  };
  for (const auto& row : rows) EXPECT_EQ(claimed_issuer(row.token), row.issuer) << row.token.substr(0, 80);
}

TEST(HostIdentity, Ids) {
  const std::string longest(1024, 'u');
  for (const std::string& id :
       {std::string("alice"), std::string("user@example\""), std::string(" a b "), std::string("[1]"),
        std::string("\"quoted\""), std::string("null"), std::string("\xc3\xa9"), longest}) {
    const auto who = identity_from_host(id);
    ASSERT_TRUE(who) << id;
    EXPECT_EQ((*who)->source, identity::Source::host);
    EXPECT_EQ((*who)->user, id);
    EXPECT_EQ((*who)->not_after_ms, 0);
    EXPECT_TRUE((*who)->claims.empty());
  }
  const auto nobody = identity_from_host("");
  ASSERT_TRUE(nobody);
  EXPECT_EQ(*nobody, nullptr);
}

TEST(HostIdentity, Object) {
  const auto made = identity_from_host(R"( {"user":"u1","email":"a@b.example","name":"A","groups":["g","h"],
      "claims":{"dept":"x","address":{"country":"XX"},"n":[1,2]},"expires_at":1700000600.25} )");
  ASSERT_TRUE(made) << made.error().message;
  const identity::Identity& who = **made;
  EXPECT_EQ(who.source, identity::Source::host);
  EXPECT_EQ(who.user, "u1");
  EXPECT_EQ(who.email, "a@b.example");
  EXPECT_EQ(who.name, "A");
  EXPECT_EQ(who.groups, (Texts{"g", "h"}));
  EXPECT_EQ(values(who, "dept"), Texts{"x"});
  EXPECT_EQ(values(who, "address.country"), Texts{"XX"});
  EXPECT_EQ(values(who, "n"), (Texts{"1", "2"}));
  EXPECT_EQ(who.not_after_ms, 1'700'000'600'250);
  const auto bare = identity_from_host(R"({"user":"u","email":null,"groups":null,"claims":null,"expires_at":null})");
  ASSERT_TRUE(bare) << bare.error().message;
  EXPECT_EQ((*bare)->not_after_ms, 0);
}

TEST(HostIdentity, WhatHasEndedIsNotForEver) {
  for (const char* when : {"0", "0.0", "0.0001", "-5", "1"}) {
    const auto who = identity_from_host(R"({"user":"u","expires_at":)" + std::string(when) + '}');
    ASSERT_TRUE(who) << when;
    EXPECT_NE((*who)->not_after_ms, 0) << when;
    EXPECT_LE((*who)->not_after_ms, 1000) << when;
  }
}

TEST(HostIdentity, Errors) {
  const std::string lots = [] {
    std::string text = R"({"user":"u","claims":{"c":1)";
    for (int i = 0; i < 1000; ++i) text += ",\"c" + std::to_string(i) + "\":1";
    return text + "}}";
  }();
  const struct {
    std::string text;
    const char* says;
  } rows[] = {
      {"{", "line 1, column 1"},
      {R"({"user":"u",})", "is not JSON"},
      {R"({"user":"u"} trailing)", "is not JSON"},
      {R"({"user":"u","user":"v"})", "has a member twice"},
      {R"({})", "has no \"user\""},
      {R"({"user":""})", "has no \"user\""},
      {R"({"user":null})", "has no \"user\""},
      {R"({"email":"a@b.example"})", "has no \"user\""},
      {R"({"user":1})", "\"user\" that is not a string"},
      {R"({"user":"a\nb"})", "\"user\" that is not a string"},
      {R"({"user":")" + std::string(1025, 'u') + "\"}", "\"user\" that is not a string"},
      {R"({"user":"u","email":[]})", "\"email\" that is not a string"},
      {R"({"user":"u","name":false})", "\"name\" that is not a string"},
      {R"({"user":"u","groups":{"a":1}})", "\"groups\""},
      {R"({"user":"u","groups":[[]]})", "\"groups\""},
      {R"({"user":"u","claims":[]})", "\"claims\""},
      {R"({"user":"u","claims":"x"})", "\"claims\""},
      {lots, "more than 1000 claims"},
      {R"({"user":"u","expires_at":"soon"})", "\"expires_at\""},
      {R"({"user":"u","expires_at":1700000600000})", "\"expires_at\""},
      {R"({"user":"u","expires_at":1e400})", "is not JSON"},
      {R"({"user":"u","group":["a"]})", "is not user, email"},
      {R"({"sub":"u"})", "is not user, email"},
      {R"({"user":"u","claims":)" + std::string(40, '[') + std::string(40, ']') + "}", "deeper than 32"},
      {"{\"user\":\"\xff\"}", "is not JSON"},
      {"a\nb", "no id"},
      {std::string("a\0b", 3), "no id"},
      {"a\x7f", "no id"},
      {"\xff", "no id"},
      {"\xc2\x85", "no id"},
      {"   ", "no id"},
      {std::string(1025, 'u'), "no id"},
      {R"({"user":"u","name":")" + std::string(65536, 'x') + "\"}", "larger than 64 KiB"},
  };
  for (const auto& row : rows) {
    const auto who = identity_from_host(row.text);
    ASSERT_FALSE(who) << row.text.substr(0, 100);
    EXPECT_EQ(who.error().code, kEinval);
    EXPECT_NE(who.error().message.find(row.says), std::string::npos) << who.error().message << "\n"
                                                                     << row.text.substr(0, 100);
  }
}

}  // namespace
}  // namespace cardea::token
