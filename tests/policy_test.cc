// Policies: the grammar and its faults, truth tables against a naive evaluator, what the host is asked.
#include "policy/policy.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace cardea::policy {
namespace {

using Host = Facts::Host;

std::shared_ptr<const Policy> parse(const std::string& text, yaml::Faults& faults) {
  auto node = yaml::parse_yaml(text, faults);
  return node ? Policy::parse(*node, "policy", faults) : nullptr;
}

std::shared_ptr<const Policy> good(const std::string& text) {
  yaml::Faults faults;
  auto policy = parse(text, faults);
  EXPECT_TRUE(faults.empty()) << text << "\n" << faults.text("p");
  EXPECT_TRUE(policy) << text;
  return policy;
}

std::string reasons(const Decision& d) {
  std::string all;
  for (std::string_view r : d.reasons) all += (all.empty() ? "" : " ") + std::string(r);
  return all;
}

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
    const Decision d = policy->evaluate({row.host});
    EXPECT_EQ(d.verdict, row.verdict);
    EXPECT_EQ(d.denied_by_rule, row.by_rule);
    EXPECT_EQ(reasons(d), row.reasons);
  }
}

TEST(Policy, OpenAndClosed) {
  for (Host h : {Host::unknown, Host::no, Host::yes}) {
    EXPECT_EQ(Policy::open()->evaluate({h}).verdict, Verdict::allow);
    EXPECT_EQ(reasons(Policy::open()->evaluate({h})), "accept");
    EXPECT_EQ(Policy::closed()->evaluate({h}).verdict, Verdict::deny);
    EXPECT_TRUE(Policy::closed()->evaluate({h}).reasons.empty());
  }
  EXPECT_FALSE(Policy::open()->names_host());
  EXPECT_TRUE(*Policy::open() == *good("{allow: {or: [{accept: true}]}}"));
  EXPECT_TRUE(*Policy::closed() == *good("[]"));
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
  EXPECT_TRUE(*good(base) == *good("[{allow: {or: [ {host: 1} ]}}]"));
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
      {"{allow: {or: [{claim/groups: a}]}}", "policy.allow.or[0]", "not supported yet: claim"},
      {"{allow: {or: [{host: 1}], and: [{host: 2}]}}", "policy.allow.and[0]", "same data"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.text);
    yaml::Faults faults;
    EXPECT_EQ(parse(row.text, faults), nullptr);
    ASSERT_EQ(faults.list().size(), 1u) << faults.text("p");
    EXPECT_EQ(faults.list()[0].key, row.key);
    EXPECT_NE(faults.list()[0].reason.find(row.reason), std::string::npos) << faults.list()[0].reason;
    EXPECT_EQ(faults.list()[0].mark.line, 1u);
  }
}

TEST(Policy, KnownCriteriaAreRefusedByName) {
  for (const char* name : {"authenticated_user",
                           "user",
                           "email",
                           "domain",
                           "claim",
                           "groups",
                           "device",
                           "http_method",
                           "http_path",
                           "cors_preflight",
                           "source_ip",
                           "client_certificate",
                           "invalid_client_certificate",
                           "mcp_tool",
                           "ssh_username",
                           "ssh_username_matches_email",
                           "ssh_username_matches_claim",
                           "ssh_publickey",
                           "ssh_ca",
                           "date",
                           "day_of_week",
                           "time_of_day",
                           "record",
                           "pomerium_routes"}) {
    yaml::Faults faults;
    EXPECT_EQ(parse("{allow: {or: [{accept: 1}, {" + std::string(name) + ": x}]}}", faults), nullptr);
    ASSERT_EQ(faults.list().size(), 1u);
    EXPECT_EQ(faults.list()[0].reason, "not supported yet: " + std::string(name));
  }
}

TEST(Policy, EveryFaultWithItsPlace) {
  yaml::Faults faults;
  EXPECT_EQ(parse("- allow:\n    or:\n      - acept: 1\n      - email: x\n- dney:\n    or: []\n", faults), nullptr);
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
  EXPECT_EQ(parse(with(9000), faults), nullptr);
  ASSERT_EQ(faults.list().size(), 1u);
  EXPECT_NE(faults.list()[0].reason.find("at most 4096"), std::string::npos);
}

TEST(Policy, QuotedTextIsBoundedAndPrintable) {
  yaml::Faults faults;
  EXPECT_EQ(parse("{allow: {or: [{\"" + std::string(500, 'x') + "\": 1}, {\"a\\e[31mb\": 1}]}}", faults), nullptr);
  ASSERT_EQ(faults.list().size(), 2u);
  EXPECT_LT(faults.list()[0].reason.size(), 200u);
  EXPECT_EQ(faults.list()[1].reason.find('\x1b'), std::string::npos);
}

// ---- against a naive evaluator --------------------------------------------------------------------

constexpr const char* kNames[] = {"accept", "reject", "host"};
constexpr const char* kOps[] = {"and", "or", "not", "nor"};

struct Naive {
  struct Body {
    bool deny;
    std::vector<std::pair<int, std::vector<int>>> ops;  // operator, criteria
  };
  std::vector<std::vector<Body>> rules;

  static bool criterion(int c, bool host) { return c == 0 || (c == 2 && host); }
  static bool op_holds(int op, const std::vector<int>& criteria, bool host) {
    size_t held = 0;
    for (int c : criteria) held += criterion(c, host);
    switch (op) {
      case 0:
        return held == criteria.size();
      case 1:
        return held > 0;
      case 2:
        return held == 0;
      default:
        return held < criteria.size();
    }
  }
  bool side(bool deny, bool host) const {
    for (const auto& rule : rules) {
      for (const Body& body : rule) {
        if (body.deny != deny) continue;
        for (const auto& [op, criteria] : body.ops) {
          if (op_holds(op, criteria, host)) return true;
        }
      }
    }
    return false;
  }
  bool allows(bool host) const { return side(false, host) && !side(true, host); }
  std::string text() const {
    std::string out = "[";
    for (const auto& rule : rules) {
      out += "{";
      for (const Body& body : rule) {
        out += std::string(body.deny ? "deny" : "allow") + ": {";
        for (const auto& [op, criteria] : body.ops) {
          out += std::string(kOps[op]) + ": [";
          for (int c : criteria) out += "{" + std::string(kNames[c]) + ": 1}, ";
          out += "], ";
        }
        out += "}, ";
      }
      out += "}, ";
    }
    return out + "]";
  }
};

Naive random_policy(std::mt19937& random) {
  Naive p;
  for (unsigned r = random() % 4; r > 0; --r) {
    std::vector<Naive::Body> rule;
    const unsigned sides = 1 + random() % 3;
    for (bool deny : {false, true}) {
      if (!(sides & (deny ? 2 : 1))) continue;
      Naive::Body body{deny, {}};
      const unsigned ops = 1 + random() % 15;
      for (int op = 0; op < 4; ++op) {
        if (!((ops >> op) & 1)) continue;
        std::vector<int> criteria;
        for (unsigned c = 1 + random() % 4; c > 0; --c) criteria.push_back(int(random() % 3));
        body.ops.push_back({op, criteria});
      }
      rule.push_back(body);
    }
    p.rules.push_back(rule);
  }
  return p;
}

TEST(Policy, SameAsTheNaiveEvaluator) {
  std::mt19937 random(4);
  std::map<Verdict, int> seen;
  for (int n = 0; n < 2'000; ++n) {
    const Naive naive = random_policy(random);
    auto policy = good(naive.text());
    ASSERT_TRUE(policy);
    const bool with = naive.allows(true), without = naive.allows(false);
    for (bool host : {false, true}) {
      const Decision d = policy->evaluate({host ? Host::yes : Host::no});
      ASSERT_EQ(d.verdict, naive.allows(host) ? Verdict::allow : Verdict::deny) << naive.text();
      ASSERT_EQ(d.denied_by_rule, naive.side(true, host)) << naive.text();
      ASSERT_FALSE(d.verdict == Verdict::allow && d.reasons.empty()) << naive.text();
    }
    const Verdict want = with != without ? Verdict::ask_host : with ? Verdict::allow : Verdict::deny;
    const Decision open = policy->evaluate({Host::unknown});
    ASSERT_EQ(open.verdict, want) << naive.text();
    ++seen[want];
    for (bool host : {false, true}) {  // what is said without asking stays true whatever the answer
      const Decision d = policy->evaluate({host ? Host::yes : Host::no});
      ASSERT_EQ(open.reasons.common(d.reasons), open.reasons) << naive.text();
    }
  }
  for (Verdict v : {Verdict::deny, Verdict::allow, Verdict::ask_host}) EXPECT_GT(seen[v], 50);
}

TEST(Policy, AnotherDenyRuleNeverAllows) {
  std::mt19937 random(5);
  for (int n = 0; n < 2'000; ++n) {
    Naive p = random_policy(random);
    auto before = good(p.text());
    Naive extra = random_policy(random);
    for (auto& rule : extra.rules) {
      std::erase_if(rule, [](const Naive::Body& b) { return !b.deny; });
      if (!rule.empty()) p.rules.insert(p.rules.begin() + long(random() % (p.rules.size() + 1)), rule);
    }
    auto after = good(p.text());
    ASSERT_TRUE(before && after);
    for (Host h : {Host::no, Host::yes}) {
      if (before->evaluate({h}).verdict == Verdict::deny) {
        ASSERT_EQ(after->evaluate({h}).verdict, Verdict::deny) << p.text();
      }
    }
    if (before->evaluate({Host::unknown}).verdict == Verdict::deny) {
      ASSERT_EQ(after->evaluate({Host::unknown}).verdict, Verdict::deny) << p.text();
    }
    if (before->evaluate({Host::unknown}).verdict == Verdict::ask_host) {
      ASSERT_NE(after->evaluate({Host::unknown}).verdict, Verdict::allow) << p.text();
    }
  }
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
