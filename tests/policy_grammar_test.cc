// Policies: the grammar and its faults, operators and rules, what the host is asked, shorthand keys.
#include <set>

#include "policy_fixture.h"

namespace cardea::policy {
namespace {

using Host = Facts::Host;

// ---- rows -----------------------------------------------------------------------------------------

struct Row {
  const char* text;
  Host host;
  Verdict verdict;
  bool by_rule;
  const char* reasons;
};

const Row kRows[] = {
    {"[]", Host::yes, Verdict::deny, false, ""},
    {"{allow: {or: [{accept: true}]}}", Host::no, Verdict::allow, false, "accept"},
    {"{allow: {or: [{accept: 1}]}}", Host::unknown, Verdict::allow, false, "accept"},
    {"[{allow: {and: [{accept: true}]}}]", Host::no, Verdict::allow, false, "accept"},
    {"{allow: {or: [{reject: true}]}}", Host::no, Verdict::deny, false, "reject"},
    {"{allow: {or: [{reject: 1}, {accept: 1}]}}", Host::no, Verdict::allow, false, "accept"},
    {"{allow: {and: [{reject: 1}, {accept: 1}]}}", Host::no, Verdict::deny, false, "reject"},
    {"{allow: {and: [{accept: 1}, {host: x}]}}", Host::yes, Verdict::allow, false, "accept host-ok"},
    {"{allow: {and: [{accept: 1}, {host: x}]}}", Host::no, Verdict::deny, false, "host-unauthorized"},
    {"{allow: {and: [{accept: 1}, {host: x}]}}", Host::unknown, Verdict::ask_host, false, ""},
    {"{allow: {and: [{reject: 1}, {host: x}]}}", Host::unknown, Verdict::deny, false, "reject"},
    {"{allow: {or: [{accept: 1}, {host: x}]}}", Host::unknown, Verdict::allow, false, "accept"},
    {"{allow: {or: [{accept: 1}, {host: x}]}}", Host::yes, Verdict::allow, false, "accept host-ok"},
    // not: none of; nor: not all of
    {"{allow: {not: [{accept: 1}]}}", Host::no, Verdict::deny, false, "accept"},
    {"{allow: {not: [{reject: 1}]}}", Host::no, Verdict::allow, false, "reject"},
    {"{allow: {not: [{reject: 1}, {accept: 1}]}}", Host::no, Verdict::deny, false, "accept"},
    {"{allow: {nor: [{reject: 1}, {accept: 1}]}}", Host::no, Verdict::allow, false, "reject"},
    {"{allow: {nor: [{accept: 1}, {accept: 1}]}}", Host::no, Verdict::deny, false, "accept"},
    {"{allow: {not: [{host: x}]}}", Host::no, Verdict::allow, false, "host-unauthorized"},
    {"{allow: {not: [{host: x}]}}", Host::unknown, Verdict::ask_host, false, ""},
    // several operators and several rules are alternatives
    {"{allow: {and: [{reject: 1}], or: [{accept: 1}]}}", Host::no, Verdict::allow, false, "accept"},
    {"{allow: {and: [{reject: 1}], or: [{host: x}]}}", Host::no, Verdict::deny, false, "reject host-unauthorized"},
    {"[{allow: {or: [{reject: 1}]}}, {allow: {or: [{accept: 1}]}}]", Host::no, Verdict::allow, false, "accept"},
    {"{allow: {or: [{host: x}], not: [{host: x}]}}", Host::unknown, Verdict::allow, false, ""},
    // deny wins
    {"{allow: {or: [{accept: 1}]}, deny: {or: [{accept: 1}]}}", Host::no, Verdict::deny, true, "accept"},
    {"{allow: {or: [{accept: 1}]}, deny: {or: [{reject: 1}]}}", Host::no, Verdict::allow, false, "accept"},
    {"[{allow: {or: [{accept: 1}]}}, {deny: {not: [{reject: 1}]}}]", Host::no, Verdict::deny, true, "reject"},
    {"[{deny: {or: [{host: x}]}}, {allow: {or: [{accept: 1}]}}]", Host::yes, Verdict::deny, true, "host-ok"},
    {"[{deny: {or: [{host: x}]}}, {allow: {or: [{accept: 1}]}}]", Host::no, Verdict::allow, false, "accept"},
    {"[{deny: {or: [{host: x}]}}, {allow: {or: [{accept: 1}]}}]", Host::unknown, Verdict::ask_host, false, ""},
    {"[{deny: {or: [{host: x}]}}, {allow: {or: [{reject: 1}]}}]", Host::unknown, Verdict::deny, false, ""},
    {"[{deny: {or: [{host: x}, {accept: 1}]}}, {allow: {or: [{accept: 1}]}}]", Host::unknown, Verdict::deny, true,
     "accept"},
    {"{deny: {or: [{reject: 1}]}}", Host::yes, Verdict::deny, false, ""},
    {"[{deny: {or: [{host: x}]}}, {allow: {or: [{host: x}]}}]", Host::unknown, Verdict::deny, false, ""},
};

TEST(Policy, Rows) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.text);
    auto policy = good(row.text);
    ASSERT_TRUE(policy);
    const Decision d = policy->evaluate(Facts{row.host});
    EXPECT_EQ(d.verdict, row.verdict);
    EXPECT_EQ(d.denied_by_rule, row.by_rule);
    EXPECT_EQ(reasons(d), row.reasons);
  }
}

TEST(Policy, OpenAndClosed) {
  for (Host h : {Host::unknown, Host::no, Host::yes}) {
    EXPECT_EQ(Policy::open()->evaluate(Facts{h}).verdict, Verdict::allow);
    EXPECT_EQ(reasons(Policy::open()->evaluate(Facts{h})), "accept");
    EXPECT_EQ(Policy::closed()->evaluate(Facts{h}).verdict, Verdict::deny);
    EXPECT_TRUE(Policy::closed()->evaluate(Facts{h}).reasons.empty());
  }
  EXPECT_FALSE(Policy::open()->names_host());
  EXPECT_TRUE(*Policy::open() == *short_form({.allow_public_unauthenticated_access = true}));
  EXPECT_TRUE(*Policy::closed() == *good("[]"));
  EXPECT_TRUE(*Policy::closed() == *short_form({}));
  EXPECT_FALSE(*Policy::open() == *Policy::closed());
}

TEST(Policy, HostData) {
  EXPECT_FALSE(good("{allow: {or: [{accept: true}]}}")->names_host());
  EXPECT_EQ(good("{allow: {or: [{accept: true}]}}")->host_data(), "");
  auto policy = good("{allow: {or: [{host: {team: \"a\\\"b\", level: 3}}]}}");
  EXPECT_TRUE(policy->names_host());
  EXPECT_EQ(policy->host_data(), "{\"team\":\"a\\\"b\",\"level\":3}");
  EXPECT_TRUE(good("{allow: {or: [{host: [1]}]}, deny: {not: [{host: [1]}]}}"));
}

TEST(Policy, Equality) {
  const std::string base = "{allow: {or: [{host: 1}]}}";
  EXPECT_TRUE(*good(base) == *good("allow:\n  or:\n    - host: 1\n"));
  for (const char* other : {"{allow: {or: [{host: 2}]}}", "{allow: {and: [{host: 1}]}}", "{deny: {or: [{host: 1}]}}",
                            "{allow: {or: [{host: 1}, {host: 1}]}}", "{allow: {or: [{accept: 1}]}}"}) {
    EXPECT_FALSE(*good(base) == *good(other)) << other;
  }
}

// ---- faults ---------------------------------------------------------------------------------------

TEST(Policy, Faults) {
  const struct {
    const char* text;
    const char* key;
    const char* reason;
  } rows[] = {
      {"x", "policy", "\"allow\", \"deny\" or both"},
      {"{}", "policy", "\"allow\", \"deny\" or both"},
      {"[[]]", "policy[0]", "\"allow\", \"deny\" or both"},
      {"[{}]", "policy[0]", "\"allow\", \"deny\" or both"},
      {"{alow: {or: [{accept: 1}]}}", "policy", "unknown action \"alow\" (did you mean \"allow\"?)"},
      {"{permit: {or: [{accept: 1}]}}", "policy", "unknown action \"permit\""},
      {"{allow: [{accept: 1}]}", "policy.allow", "\"and\", \"or\", \"not\" or \"nor\""},
      {"{allow: {}}", "policy.allow", "\"and\", \"or\", \"not\" or \"nor\""},
      {"{allow: }", "policy.allow", "\"and\", \"or\", \"not\" or \"nor\""},
      {"{allow: {nand: [{accept: 1}]}}", "policy.allow", "unknown operator \"nand\" (did you mean \"and\"?)"},
      {"{allow: {or: {accept: 1}}}", "policy.allow.or", "list of at least one criterion"},
      {"{allow: {or: []}}", "policy.allow.or", "list of at least one criterion"},
      {"{deny: {not: []}}", "policy.deny.not", "list of at least one criterion"},
      {"[{allow: {or: [accept]}}]", "policy[0].allow.or[0]", "exactly one key"},
      {"{allow: {or: [{accept: 1, reject: 1}]}}", "policy.allow.or[0]", "exactly one key"},
      {"{allow: {or: [{}]}}", "policy.allow.or[0]", "exactly one key"},
      {"{allow: {or: [{accept: 1}, {acept: 1}]}}", "policy.allow.or[1]",
       "unknown criterion \"acept\" (did you mean \"accept\"?)"},
      {"{allow: {or: [{e_mail: a}]}}", "policy.allow.or[0]", "(did you mean \"email\"?)"},
      {"{allow: {or: [{zzzzzzzzzzzz: a}]}}", "policy.allow.or[0]", "unknown criterion \"zzzzzzzzzzzz\""},
      {"{allow: {or: [{accept/x: 1}]}}", "policy.allow.or[0]", "takes no path"},
      {"{allow: {or: [{host: 1}], and: [{host: 2}]}}", "policy.allow.and[0]", "same data"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.text);
    yaml::Faults faults;
    EXPECT_EQ(make(row.text, faults), nullptr);
    ASSERT_EQ(faults.list().size(), 1u) << faults.text("p");
    EXPECT_EQ(faults.list()[0].key, row.key);
    EXPECT_NE(faults.list()[0].reason.find(row.reason), std::string::npos) << faults.list()[0].reason;
    EXPECT_EQ(faults.list()[0].mark.line, 1u);
  }
}

TEST(Policy, WhatPomeriumHasBesidesIsRefusedByName) {
  for (const char* name : {"device", "mcp_tool", "pomerium_routes", "record", "ssh_ca", "ssh_publickey", "ssh_username",
                           "ssh_username_matches_claim", "ssh_username_matches_email"}) {
    for (const std::string& path : {std::string(), std::string("/x")}) {
      yaml::Faults faults;
      EXPECT_EQ(make("{allow: {or: [{accept: 1}, {" + (name + path) + ": x}]}}", faults), nullptr);
      ASSERT_EQ(faults.list().size(), 1u);
      EXPECT_EQ(faults.list()[0].reason, "not supported by cardea: " + std::string(name));
    }
  }
}

TEST(Policy, EveryFaultWithItsPlace) {
  yaml::Faults faults;
  EXPECT_EQ(make("- allow:\n    or:\n      - acept: 1\n      - device: x\n- dney:\n    or: []\n", faults), nullptr);
  ASSERT_EQ(faults.list().size(), 3u);
  EXPECT_EQ(faults.list()[0].mark.line, 3u);
  EXPECT_EQ(faults.list()[0].mark.column, 9u);
  EXPECT_EQ(faults.list()[1].mark.line, 4u);
  EXPECT_EQ(faults.list()[2].mark.line, 5u);
}

TEST(Policy, SizeIsBounded) {
  const auto with = [](int n) {
    std::string text = "{allow: {or: [{accept: 1}";
    for (int i = 1; i < n; ++i) text += ", {reject: 1}";
    return text + "]}}";
  };
  EXPECT_EQ(good(with(4096))->evaluate({}).verdict, Verdict::allow);
  yaml::Faults faults;
  EXPECT_EQ(make(with(9000), faults), nullptr);
  ASSERT_EQ(faults.list().size(), 1u);
  EXPECT_NE(faults.list()[0].reason.find("at most 4096"), std::string::npos);
}

TEST(Policy, QuotedTextIsBoundedAndPrintable) {
  yaml::Faults faults;
  EXPECT_EQ(make("{allow: {or: [{\"" + std::string(500, 'x') + "\": 1}, {\"a\\e[31mb\": 1}]}}", faults), nullptr);
  ASSERT_EQ(faults.list().size(), 2u);
  EXPECT_LT(faults.list()[0].reason.size(), 200u);
  EXPECT_EQ(faults.list()[1].reason.find('\x1b'), std::string::npos);
}

// ---- rules and shorthand --------------------------------------------------------------------------

TEST(Policy, TheRuleThatDecides) {
  const struct {
    const char* text;
    Verdict verdict;
    const char* rule;
  } rows[] = {
      {"{allow: {or: [{accept: 1}]}}", Verdict::allow, "policy.allow.or"},
      {"[{allow: {and: [{accept: 1}]}}]", Verdict::allow, "policy[0].allow.and"},
      {"[{allow: {or: [{reject: 1}], nor: [{reject: 1}]}}, {allow: {or: [{accept: 1}]}}]", Verdict::allow,
       "policy[0].allow.nor"},
      {"[{allow: {or: [{accept: 1}]}}, {deny: {not: [{reject: 1}]}}]", Verdict::deny, "policy[1].deny.not"},
      {"{allow: {or: [{reject: 1}]}}", Verdict::deny, ""},
      {"{allow: {or: [{accept: 1}, {host: 1}]}}", Verdict::allow, "policy.allow.or"},
      {"{allow: {or: [{host: 1}], not: [{host: 1}]}}", Verdict::allow, ""},  // each answer has its own
      {"{allow: {or: [{host: 1}]}}", Verdict::ask_host, ""},
      {"{allow: {or: [{email: a}]}}", Verdict::sign_in, ""},
      {"{allow: {not: [{email: a}]}}", Verdict::sign_in, "policy.allow.not"},
      {"[{allow: {or: [{accept: 1}]}}, {deny: {or: [{reject: 1}]}}, {deny: {or: [{email: a}]}}]", Verdict::sign_in,
       "policy[2].deny.or"},
      {"[{deny: {or: [{reject: 1}]}}, {deny: {or: [{invalid_client_certificate: 1}]}}]", Verdict::bad_certificate,
       "policy[1].deny.or"},
  };
  for (const auto& row : rows) {
    const auto policy = good(row.text);
    const Decision d = policy->evaluate({});
    EXPECT_EQ(d.verdict, row.verdict) << row.text;
    EXPECT_EQ(d.rule, row.rule) << row.text;
  }
}

TEST(Policy, ARuleIsNamedWithoutItsRoute) {
  for (const char* key : {"routes[3].policy", ""}) {
    yaml::Faults faults;
    auto node = yaml::parse_yaml("[{allow: {or: [{accept: 1}]}}]", faults);
    auto policy = Policy::make(&*node, key, {}, faults);
    ASSERT_TRUE(policy);
    EXPECT_EQ(policy->evaluate({}).rule, "policy[0].allow.or");
    node = yaml::parse_yaml("{allow: {or: [{accept: 1}]}}", faults);
    policy = Policy::make(&*node, key, {}, faults);
    ASSERT_TRUE(policy);
    EXPECT_EQ(policy->evaluate({}).rule, "policy.allow.or");
    node = yaml::parse_yaml("{allow: {or: [{email: {iz: 1}}]}}", faults);
    EXPECT_FALSE(Policy::make(&*node, key, {}, faults));
    ASSERT_EQ(faults.list().size(), 1u);
    EXPECT_EQ(faults.list()[0].key, std::string(key) + (*key ? "." : "") + "allow.or[0].email");
  }
}

TEST(Shorthand, EachKeyIsOneMoreRule) {
  const identity::Identity who = anna();
  const identity::Certificate certificate = leaf();
  Facts nobody, known, preflight;
  known.identity = &who;
  known.certificate = &certificate;
  known.certificate_trusted = true;
  preflight.cors_preflight = true;
  const struct {
    Shorthand keys;
    const Facts& facts;
    Verdict verdict;
    const char* rule;
    const char* reasons;
  } rows[] = {
      {{}, known, Verdict::deny, "", ""},
      {{.allow_public_unauthenticated_access = true},
       nobody,
       Verdict::allow,
       "allow_public_unauthenticated_access",
       "accept"},
      {{.allow_any_authenticated_user = true}, known, Verdict::allow, "allow_any_authenticated_user", "user-ok"},
      {{.allow_any_authenticated_user = true}, nobody, Verdict::sign_in, "", "user-unauthenticated"},
      {{.cors_allow_preflight = true}, preflight, Verdict::allow, "cors_allow_preflight", "cors-request"},
      {{.cors_allow_preflight = true}, nobody, Verdict::deny, "", "non-cors-request"},
      {{.allow_any_authenticated_user = true, .cors_allow_preflight = true},
       preflight,
       Verdict::allow,
       "cors_allow_preflight",
       "cors-request"},
      {{.allowed_users = {"x", "anna@example.com"}}, known, Verdict::allow, "allowed_users", "email-ok"},
      {{.allowed_users = {"x", "u-1"}}, known, Verdict::allow, "allowed_users", "user-ok"},
      {{.allowed_users = {"ANNA@example.com"}}, known, Verdict::deny, "", "user-unauthorized email-unauthorized"},
      {{.allowed_users = {"x"}}, nobody, Verdict::sign_in, "", "user-unauthenticated"},
      {{.allowed_domains = {"example.org", "example.com"}}, known, Verdict::allow, "allowed_domains", "domain-ok"},
      {{.allowed_domains = {"ample.com"}}, known, Verdict::deny, "", "domain-unauthorized"},
      {{.allowed_groups = {"x", "staff"}}, known, Verdict::allow, "allowed_groups", "groups-ok"},
      {{.allowed_groups = {"x"}}, known, Verdict::deny, "", "groups-unauthorized"},
      {{.allowed_idp_claims = {{"department", {"hr", "ops"}}}},
       known,
       Verdict::allow,
       "allowed_idp_claims",
       "claim-ok"},
      {{.allowed_idp_claims = {{"address.country", {"NL"}}}}, known, Verdict::allow, "allowed_idp_claims", "claim-ok"},
      {{.allowed_idp_claims = {{"department", {"hr"}}}}, known, Verdict::deny, "", "claim-unauthorized"},
      {{.allowed_idp_claims = {{"department", {}}}}, known, Verdict::deny, "", ""},
      {{.allow_public_unauthenticated_access = true, .deny_invalid_certificate = true},
       nobody,
       Verdict::bad_certificate,
       "downstream_mtls",
       "client-certificate-required"},
      {{.allow_public_unauthenticated_access = true, .deny_invalid_certificate = true},
       known,
       Verdict::allow,
       "allow_public_unauthenticated_access",
       "accept"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(&row - rows);
    const auto policy = short_form(row.keys);
    const Decision d = policy->evaluate(row.facts);
    EXPECT_EQ(d.verdict, row.verdict);
    EXPECT_EQ(d.rule, row.rule);
    EXPECT_EQ(reasons(d), row.reasons);
  }
}

TEST(Shorthand, JoinsThePolicy) {
  const Shorthand keys{.allowed_domains = {"example.com"}};
  const identity::Identity who = anna();
  Facts facts;
  facts.identity = &who;
  EXPECT_EQ(good("[]", keys)->evaluate(facts).verdict, Verdict::allow);
  EXPECT_EQ(good("{allow: {or: [{reject: 1}]}}", keys)->evaluate(facts).verdict, Verdict::allow);
  EXPECT_EQ(good("{deny: {or: [{user: u-1}]}}", keys)->evaluate(facts).verdict, Verdict::deny);
  EXPECT_FALSE(*good("[]", keys) == *good("[]"));
}

TEST(Policy, DependsOn) {
  const struct {
    const char* criterion;
    unsigned bits;
  } rows[] = {
      {"accept: 1", 0},
      {"reject: 1", 0},
      {"host: 1", on_host},
      {"authenticated_user: 1", on_identity},
      {"user: a", on_identity},
      {"email: a", on_identity},
      {"domain: a", on_identity},
      {"claim/a: a", on_identity},
      {"groups: a", on_identity},
      {"http_method: GET", on_request},
      {"http_path: /", on_request},
      {"cors_preflight: 1", on_request},
      {"source_ip: 10.0.0.1", on_request},
      {"client_certificate: {san_dns: a}", on_certificate},
      {"invalid_client_certificate: 1", on_certificate},
      {"date: {after: 2026-01-01}", on_time},
      {"day_of_week: mon", on_time},
      {"time_of_day: {timezone: UTC, after: 4pm}", on_time},
  };
  unsigned all = 0;
  std::string text;
  for (const auto& row : rows) {
    EXPECT_EQ(good(allow(row.criterion))->depends_on(), row.bits) << row.criterion;
    all |= row.bits;
    text += "{" + std::string(row.criterion) + "}, ";
  }
  EXPECT_EQ(good("{deny: {not: [" + text + "]}}")->depends_on(), all);
  EXPECT_EQ(short_form({.deny_invalid_certificate = true})->depends_on(), on_certificate);
}

TEST(Reasons, IsASetOfWords) {
  Reasons r{Reason::host_ok, Reason::accept, Reason::host_ok};
  EXPECT_EQ(r.size(), 2u);
  EXPECT_TRUE(r.has(Reason::accept));
  EXPECT_FALSE(r.has(Reason::reject));
  std::set<std::string> all;
  for (unsigned i = 0; i < unsigned(Reason::count_); ++i) all.insert(reason_text(Reason(i)));
  EXPECT_EQ(all.size(), size_t(Reason::count_));
  EXPECT_STREQ(reason_text(Reason::count_), "");
}

}  // namespace
}  // namespace cardea::policy
