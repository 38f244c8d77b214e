// Every criterion: what it reads, when it holds, what it says, its faults.
#include "policy_fixture.h"

namespace cardea::policy {
namespace {

// Who asks: somebody with everything.
struct Known : Facts {
  identity::Identity who = anna();
  identity::Certificate shown = leaf();
  Known() {
    identity = &who;
    certificate = &shown;
    certificate_trusted = true;
    method = "GET";
    path = "/admin/users";
    source_ip = v4(192, 0, 2, 7);
    source_ip_known = true;
    now_unix_ms = 1'767'225'600'000 + 12 * 3'600'000;  // Thursday 2026-01-01 12:00 UTC
  }
  Known(const Known&) = delete;
};

TEST(Criteria, HoldsAndSays) {
  const struct {
    const char* criterion;
    bool holds;
    const char* reason;
  } rows[] = {
      {"accept: true", true, "accept"},
      {"accept: {a: 1}", true, "accept"},
      {"accept: ", true, "accept"},
      {"accept: \"false\"", true, "accept"},
      {"reject: true", false, "reject"},
      {"authenticated_user: true", true, "user-ok"},
      {"user: u-1", true, "user-ok"},
      {"user: {is: u-1}", true, "user-ok"},
      {"user: u-2", false, "user-unauthorized"},
      {"user: U-1", false, "user-unauthorized"},
      {"user: anna@example.com", false, "user-unauthorized"},
      {"email: anna@example.com", true, "email-ok"},
      {"email: Anna@example.com", false, "email-unauthorized"},
      {"email: {starts_with: anna, ends_with: example.com}", true, "email-ok"},
      {"domain: example.com", true, "domain-ok"},
      {"domain: EXAMPLE.com", false, "domain-unauthorized"},
      {"domain: ample.com", false, "domain-unauthorized"},
      {"domain: {in: [a.com, example.com]}", true, "domain-ok"},
      {"claim/department: it", true, "claim-ok"},
      {"claim/department: ops", true, "claim-ok"},
      {"claim/department: hr", false, "claim-unauthorized"},
      {"claim/department: {is: it}", false, "claim-unauthorized"},
      {"claim/department: {exclude: it}", false, "claim-unauthorized"},
      {"claim/department: {exclude: hr}", true, "claim-ok"},
      {"claim/address/country: NL", true, "claim-ok"},
      {"claim/address.country: NL", true, "claim-ok"},
      {"claim/address/country: {is: NL}", true, "claim-ok"},
      {"claim/address: NL", false, "claim-unauthorized"},
      {"claim/https://example.com/roles: reader", true, "claim-ok"},
      {"claim/missing: x", false, "claim-unauthorized"},
      {"claim/missing: {exclude: x}", true, "claim-ok"},
      {"claim/none: {is: x}", false, "claim-unauthorized"},
      {"claim/a/b/c/d/e: x", false, "claim-unauthorized"},
      {"groups: admins", true, "groups-ok"},
      {"groups: {has: staff}", true, "groups-ok"},
      {"groups: adm", false, "groups-unauthorized"},
      {"groups: {is: admins}", false, "groups-unauthorized"},
      {"groups: {exclude: guests}", true, "groups-ok"},
      {"http_method: GET", true, "http-method-ok"},
      {"http_method: get", false, "http-method-unauthorized"},
      {"http_method: {in: [GET, HEAD]}", true, "http-method-ok"},
      {"http_path: /admin/users", true, "http-path-ok"},
      {"http_path: {starts_with: /admin/}", true, "http-path-ok"},
      {"http_path: {starts_with: /Admin/}", false, "http-path-unauthorized"},
      {"cors_preflight: true", false, "non-cors-request"},
      {"source_ip: 192.0.2.7", true, "source-ip-ok"},
      {"source_ip: 192.0.2.8", false, "source-ip-unauthorized"},
      {"client_certificate: {fingerprint: 17859273e8a980631d367b2d5a6a6635412b0f22835f69e47b3f65624546a704}", true,
       "client-certificate-ok"},
      {"client_certificate: {fingerprint: 07859273e8a980631d367b2d5a6a6635412b0f22835f69e47b3f65624546a704}", false,
       "client-certificate-unauthorized"},
      {"invalid_client_certificate: true", false, "client-certificate-ok"},
      {"date: {after: 2026-01-01}", true, "date-ok"},
      {"date: {before: 2026-01-01}", false, "date-unauthorized"},
      {"day_of_week: thu", true, "day-of-week-ok"},
      {"day_of_week: fri", false, "day-of-week-unauthorized"},
      {"time_of_day: {timezone: Europe/Berlin, after: 1pm}", true, "time-of-day-ok"},
      {"time_of_day: {timezone: Europe/Berlin, before: 1pm}", false, "time-of-day-unauthorized"},
      {"time_of_day: {timezone: Europe/London, before: 1pm}", true, "time-of-day-ok"},
  };
  const Known facts;
  for (const auto& row : rows) {
    SCOPED_TRACE(row.criterion);
    const auto policy = good(allow(row.criterion));
    const Decision d = policy->evaluate(facts);
    EXPECT_EQ(d.verdict, row.holds ? Verdict::allow : Verdict::deny);
    EXPECT_EQ(reasons(d), row.reason);
    // As a deny rule beside an open door it decides the other way round, with the same word.
    const auto inverse =
        good("{deny: {or: [{" + std::string(row.criterion) + "}]}}", {.allow_public_unauthenticated_access = true});
    EXPECT_EQ(inverse->evaluate(facts).verdict, row.holds ? Verdict::deny : Verdict::allow);
    if (row.holds) {
      EXPECT_EQ(reasons(inverse->evaluate(facts)), row.reason);
    }
  }
}

TEST(Criteria, WithoutIdentityNobodyIsAnybody) {
  for (const char* criterion : {"authenticated_user: 1", "user: {not: x}", "email: {not: x}", "email: \"\"",
                                "domain: {not_in: [x]}", "claim/a: {exclude: x}", "groups: {exclude: x}"}) {
    SCOPED_TRACE(criterion);
    const auto policy = good(allow(criterion));
    Known facts;
    facts.identity = nullptr;
    EXPECT_EQ(policy->evaluate(facts).verdict, Verdict::sign_in);
    EXPECT_EQ(reasons(policy->evaluate(facts)), "user-unauthenticated");
    EXPECT_NE(policy->evaluate(Known()).verdict, Verdict::sign_in);
    // A deny rule about identity asks for one, even where everybody may pass.
    const std::string deny = "{deny: {and: [{" + std::string(criterion) + "}]}}";
    EXPECT_EQ(good(deny, {.allow_public_unauthenticated_access = true})->evaluate(facts).verdict, Verdict::sign_in);
  }
}

TEST(Criteria, AnIdentityWithoutAnAddress) {
  Known facts;
  for (const char* address : {"", "anna", "anna@"}) {
    facts.who.email = address;
    EXPECT_FALSE(holds("domain: {not: example.com}", facts)) << address;
    EXPECT_FALSE(holds("domain: {is: \"\"}", facts)) << address;
    EXPECT_FALSE(holds("email: anna@example.com", facts)) << address;
    EXPECT_TRUE(holds("email: {not: anna@example.com}", facts)) << address;  // as in Pomerium
  }
  facts.who.email = "\"a@b\"@example.org";
  EXPECT_TRUE(holds("domain: example.org", facts));
}

TEST(Criteria, CorsPreflight) {
  Facts facts;
  EXPECT_FALSE(holds("cors_preflight: true", facts));
  facts.cors_preflight = true;
  EXPECT_TRUE(holds("cors_preflight: true", facts));
  EXPECT_EQ(reasons(good(allow("cors_preflight: true"))->evaluate(facts)), "cors-request");
}

TEST(Criteria, ClientCertificates) {
  const identity::Certificate shown = leaf();
  const auto invalid = good(allow("invalid_client_certificate: 1"));
  const auto named = good(allow("client_certificate: {san_dns: a.example.com}"));
  const struct {
    bool present, trusted, is_invalid, is_named;
    const char* reason;
  } rows[] = {
      {false, false, true, false, "client-certificate-required"},
      {false, true, true, false, "client-certificate-required"},
      {true, false, true, true, "invalid-client-certificate"},
      {true, true, false, true, "client-certificate-ok"},
  };
  for (const auto& row : rows) {
    Facts facts;
    facts.certificate = row.present ? &shown : nullptr;
    facts.certificate_trusted = row.trusted;
    EXPECT_EQ(invalid->evaluate(facts).verdict, row.is_invalid ? Verdict::allow : Verdict::deny);
    EXPECT_EQ(reasons(invalid->evaluate(facts)), row.reason);
    EXPECT_EQ(named->evaluate(facts).verdict, row.is_named ? Verdict::allow : Verdict::deny);
    EXPECT_EQ(reasons(named->evaluate(facts)),
              row.is_named ? "client-certificate-ok" : "client-certificate-unauthorized");
    const auto deny = good("{allow: {or: [{email: x}]}, deny: {or: [{invalid_client_certificate: 1}]}}");
    EXPECT_EQ(deny->evaluate(facts).verdict, row.is_invalid ? Verdict::bad_certificate : Verdict::sign_in);
  }
}

// The order of the answers: certificate, sign in, deny, allow, deny.
TEST(Criteria, OrderOfAnswers) {
  const identity::Identity who = anna();
  const struct {
    const char* text;
    bool known;
    Verdict verdict;
    bool by_rule;
    const char* reasons;
  } rows[] = {
      {"{deny: {or: [{invalid_client_certificate: 1}, {accept: 1}]}}", true, Verdict::bad_certificate, true,
       "accept client-certificate-required"},
      {"{deny: {or: [{invalid_client_certificate: 1}]}, allow: {or: [{email: a}]}}", false, Verdict::bad_certificate,
       true, "client-certificate-required"},
      // Its reasons count even where the rule does not hold.
      {"{deny: {not: [{invalid_client_certificate: 1}]}, allow: {or: [{accept: 1}]}}", true, Verdict::bad_certificate,
       false, "client-certificate-required"},
      {"{deny: {and: [{invalid_client_certificate: 1}, {reject: 1}]}, allow: {or: [{accept: 1}]}}", true,
       Verdict::allow, false, "accept"},
      {"{allow: {or: [{invalid_client_certificate: 1}]}}", true, Verdict::allow, false, "client-certificate-required"},
      {"{deny: {or: [{accept: 1}]}, allow: {or: [{email: a}]}}", false, Verdict::sign_in, true, "user-unauthenticated"},
      {"{deny: {or: [{accept: 1}]}, allow: {or: [{email: a}]}}", true, Verdict::deny, true, "accept"},
      {"{deny: {or: [{accept: 1}]}, allow: {or: [{accept: 1}]}}", false, Verdict::deny, true, "accept"},
      {"{deny: {or: [{email: a}]}, allow: {or: [{accept: 1}]}}", false, Verdict::sign_in, false,
       "user-unauthenticated"},
      {"{deny: {or: [{email: a}]}, allow: {or: [{accept: 1}]}}", true, Verdict::allow, false, "accept"},
      {"{deny: {or: [{email: anna@example.com}]}, allow: {or: [{accept: 1}]}}", true, Verdict::deny, true, "email-ok"},
      {"{allow: {or: [{accept: 1}, {email: a}]}}", false, Verdict::allow, false, "accept"},
      {"{allow: {and: [{accept: 1}, {email: a}]}}", false, Verdict::sign_in, false, "user-unauthenticated"},
      {"{allow: {not: [{email: a}]}}", false, Verdict::sign_in, false, "user-unauthenticated"},
      {"{allow: {not: [{email: a}]}}", true, Verdict::allow, false, "email-unauthorized"},
      {"{allow: {nor: [{email: a}, {reject: 1}]}}", false, Verdict::sign_in, false, "reject user-unauthenticated"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.text);
    Facts facts;
    if (row.known) facts.identity = &who;
    const auto policy = good(row.text);
    const Decision d = policy->evaluate(facts);
    EXPECT_EQ(d.verdict, row.verdict);
    EXPECT_EQ(d.denied_by_rule, row.by_rule);
    EXPECT_EQ(reasons(d), row.reasons);
  }
}

TEST(Criteria, TheHostMayBringAnIdentity) {
  const identity::Identity who = anna();
  const struct {
    const char* text;
    bool known;
    Verdict verdict;
  } rows[] = {
      {"{allow: {and: [{host: 1}, {email: anna@example.com}]}}", false, Verdict::ask_host},
      {"{allow: {and: [{host: 1}, {email: anna@example.com}]}}", true, Verdict::ask_host},
      {"{allow: {or: [{host: 1}, {email: anna@example.com}]}}", false, Verdict::ask_host},
      {"{allow: {or: [{host: 1}, {email: anna@example.com}]}}", true, Verdict::allow},
      {"{allow: {and: [{host: 1}, {reject: 1}], or: [{email: b}]}}", false, Verdict::ask_host},
      {"{allow: {and: [{host: 1}, {reject: 1}], or: [{email: b}]}}", true, Verdict::deny},
      {"{allow: {or: [{email: b}]}}", false, Verdict::sign_in},  // does not name the host
      {"{deny: {or: [{invalid_client_certificate: 1}]}, allow: {and: [{host: 1}, {email: a}]}}", false,
       Verdict::bad_certificate},
      {"{deny: {and: [{invalid_client_certificate: 1}, {host: 1}]}, allow: {or: [{email: a}]}}", false,
       Verdict::ask_host},
  };
  for (const auto& row : rows) {
    Facts facts;
    if (row.known) facts.identity = &who;
    EXPECT_EQ(good(row.text)->evaluate(facts).verdict, row.verdict) << row.text;
  }
}

TEST(Criteria, SourceIp) {
  const auto v6 = [](std::initializer_list<uint8_t> head, uint8_t last) {
    std::array<uint8_t, 16> address{};
    std::copy(head.begin(), head.end(), address.begin());
    address[15] = last;
    return address;
  };
  const auto four = v4(10, 1, 2, 3), doc = v6({0x20, 0x01, 0x0d, 0xb8}, 1), loop = v6({}, 1), zero = v6({}, 0),
             top = v6({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0xff);
  const struct {
    const char* networks;
    std::array<uint8_t, 16> address;
    bool holds;
  } rows[] = {
      {"10.1.2.3", four, true},
      {"10.1.2.3/32", four, true},
      {"10.1.2.2", four, false},
      {"10.1.2.4", four, false},
      {"10.1.2.2/31", four, true},
      {"10.1.2.0/31", four, false},
      {"10.0.0.0/8", four, true},
      {"10.9.9.9/8", four, true},  // host bits do not count
      {"11.0.0.0/8", four, false},
      {"0.0.0.0/0", four, true},
      {"0.0.0.0/0", doc, false},
      {"0.0.0.0/0", loop, false},
      {"\"::ffff:10.1.2.3\"", four, true},
      {"\"::ffff:10.0.0.0/104\"", four, true},
      {"\"::ffff:0:0/96\"", four, true},
      {"\"::/0\"", four, false},  // all of IPv6 is not IPv4
      {"\"::/0\"", doc, true},
      {"\"::/0\"", loop, true},
      {"\"::/0\"", zero, true},
      {"\"::/0\"", top, true},
      {"\"::/1\"", four, false},
      {"\"::/1\"", top, false},
      {"\"8000::/1\"", top, true},
      {"2001:db8::/32", doc, true},
      {"2001:DB8::1", doc, true},
      {"2001:db8::1/128", doc, true},
      {"2001:db8::2", doc, false},
      {"2001:db9::/32", doc, false},
      {"\"::1\"", loop, true},
      {"\"::\"", zero, true},
      {"[192.0.2.0/24, 10.0.0.0/8]", four, true},
      {"[192.0.2.0/24, 11.0.0.0/8]", four, false},
      {"[10.0.0.0/8, 10.1.0.0/16, 10.200.0.0/16]", v4(10, 255, 0, 1), true},
      {"[10.0.0.0/32, 10.0.0.1/32, 10.0.0.3/32]", v4(10, 0, 0, 2), false},
      {"[10.0.0.0/32, 10.0.0.1/32, 10.0.0.3/32]", v4(10, 0, 0, 3), true},
      {"[\"::/0\", 0.0.0.0/0]", four, true},
      {"[\"::/0\", 0.0.0.0/0]", top, true},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.networks);
    Facts facts;
    facts.source_ip = row.address;
    EXPECT_FALSE(holds("source_ip: " + std::string(row.networks), facts)) << "the address is not known";
    facts.source_ip_known = true;
    EXPECT_EQ(holds("source_ip: " + std::string(row.networks), facts), row.holds);
  }
}

TEST(Criteria, SourceIpFaults) {
  const struct {
    const char* value;
    const char* key;  // below the criterion
    const char* reason;
  } rows[] = {
      {"example.com", "", "IP address or prefix such as 192.0.2.0/24, not \"example.com\""},
      {"10.0.0", "", "IP address or prefix"},
      {"10.0.0.256", "", "IP address or prefix"},
      {"10.0.0.01", "", "IP address or prefix"},
      {"10.0.0.1/33", "", "IP address or prefix"},
      {"10.0.0.1/", "", "IP address or prefix"},
      {"10.0.0.1/08", "", "IP address or prefix"},
      {"10.0.0.1/-1", "", "IP address or prefix"},
      {"10.0.0.1/4294967304", "", "IP address or prefix"},
      {"10.0.0.1/8/8", "", "IP address or prefix"},
      {"\" 10.0.0.1\"", "", "IP address or prefix"},
      {"\"10.0.0.1\\0\"", "", "IP address or prefix"},
      {"\"\"", "", "IP address or prefix"},
      {"2001:db8::/129", "", "IP address or prefix"},
      {"fe80::1%eth0", "", "IP address or prefix"},
      {"\"[::1]\"", "", "IP address or prefix"},
      {"10", "", "IP address or prefix"},
      {"1.5", "", "put it in quotes"},
      {"[10.0.0.1, x]", "[1]", "IP address or prefix"},
      {"[10.0.0.1, [x]]", "[1]", "must be a string"},
      {"[]", "", "or a list of at least one"},
      {"{is: 10.0.0.1}", "", "or a list of at least one"},
      {"", "", "or a list of at least one"},
  };
  for (const auto& row : rows) {
    yaml::Faults faults;
    EXPECT_EQ(make(allow("source_ip: " + std::string(row.value)), faults), nullptr) << row.value;
    ASSERT_EQ(faults.list().size(), 1u) << row.value << faults.text("p");
    EXPECT_EQ(faults.list()[0].key, "policy.allow.or[0].source_ip" + std::string(row.key));
    EXPECT_NE(faults.list()[0].reason.find(row.reason), std::string::npos) << faults.list()[0].reason;
  }
}

TEST(Criteria, Faults) {
  const FaultRow rows[] = {
      {"accept: false", "accept", "leave the criterion out", 24},
      {"reject: no", "reject", "leave the criterion out", 24},
      {"authenticated_user: False", "authenticated_user", "leave the criterion out", 36},
      {"cors_preflight: off", "cors_preflight", "leave the criterion out", 32},
      {"invalid_client_certificate: false", "invalid_client_certificate", "leave the criterion out", 44},
      {"claim: x", "claim", "must name a claim", 16},
      {"claim/: x", "claim", "must name a claim", 16},
      {"claim/a: [x]", "claim", "must be a string or an object with has, is or exclude", 25},
      {"email: [a]", "email", "must be a string or an object with is, not, contains", 23},
      {"email: no", "email", "YAML readers take no for a boolean, put it in quotes", 23},
      {"user: 007", "user", "put it in quotes", 22},
      {"user: 1e3", "user", "put it in quotes", 22},
      {"groups: ", "groups", "must be a string or an object", 24},
      {"http_method: {is: {a: b}}", "http_method.is", "must be a string", 34},
      {"client_certificate: x", "client_certificate", "must be an object with fingerprint, spki_hash", 36},
      {"date: 2026-01-01", "date", "must be an object with after, before or both", 22},
      {"day_of_week: [mon]", "day_of_week", "must be a string", 29},
      {"time_of_day: 4pm", "time_of_day", "must be an object with timezone and after", 29},
  };
  for (const FaultRow& row : rows) {
    const std::string key = "policy.allow.or[0]." + std::string(row.key);
    expect_fault(allow(row.text), {row.text, key.c_str(), row.reason, row.column});
  }
  const std::string long_path(1025, 'x');
  yaml::Faults faults;
  EXPECT_EQ(make("allow:\n  or:\n    - ? claim/" + long_path + "\n      : x\n", faults), nullptr);
}

TEST(Criteria, NumbersThatAreClearAreText) {
  Known facts;
  facts.who.user = "12345";
  EXPECT_TRUE(holds("user: 12345", facts));
  facts.who.user = "007";
  EXPECT_TRUE(holds("user: \"007\"", facts));
  facts.who.user = "no";
  EXPECT_TRUE(holds("user: 'no'", facts));
}

}  // namespace
}  // namespace cardea::policy
