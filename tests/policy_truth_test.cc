// Truth tables against a naive evaluator, properties of random policies, nothing allocated, any text survived.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <new>
#include <random>
#include <set>

#include "policy_fixture.h"

namespace {
thread_local size_t allocations = 0;
}
void* operator new(size_t n) {
  ++allocations;
  if (void* p = malloc(n)) return p;
  abort();
}
void* operator new(size_t n, const std::nothrow_t&) noexcept {
  ++allocations;
  return malloc(n);
}
void operator delete(void* p) noexcept {
  free(p);
}
void operator delete(void* p, size_t) noexcept {
  free(p);
}

namespace cardea::policy {
namespace {

using Host = Facts::Host;

// ---- against a naive evaluator --------------------------------------------------------------------

constexpr const char* kCriteria[] = {
    "accept: 1",
    "reject: 1",
    "host: 1",
    "email: anna@example.com",
    "authenticated_user: 1",
    "source_ip: 10.0.0.0/8",
    "invalid_client_certificate: 1",
};
constexpr const char* kOps[] = {"and", "or", "not", "nor"};

struct Naive {
  using Result = std::pair<bool, std::set<std::string>>;
  using Group = std::pair<int, std::vector<int>>;  // operator, criteria
  struct Body {
    bool deny;
    std::vector<Group> groups;
  };
  std::vector<std::vector<Body>> rules;

  static Result criterion(int c, const Facts& f) {
    const std::string nobody = "user-unauthenticated";
    const bool ip = f.source_ip_known && f.source_ip[12] == 10;
    switch (c) {
      case 0:
        return {true, {"accept"}};
      case 1:
        return {false, {"reject"}};
      case 2:
        return f.host == Host::yes ? Result{true, {"host-ok"}} : Result{false, {"host-unauthorized"}};
      case 3:
        if (!f.identity) return {false, {nobody}};
        return f.identity->email == "anna@example.com" ? Result{true, {"email-ok"}}
                                                       : Result{false, {"email-unauthorized"}};
      case 4:
        return f.identity ? Result{true, {"user-ok"}} : Result{false, {nobody}};
      case 5:
        return ip ? Result{true, {"source-ip-ok"}} : Result{false, {"source-ip-unauthorized"}};
      default:
        if (!f.certificate) return {true, {"client-certificate-required"}};
        return f.certificate_trusted ? Result{false, {"client-certificate-ok"}}
                                     : Result{true, {"invalid-client-certificate"}};
    }
  }
  static Result merge(const std::vector<Result>& parts, bool all) {
    size_t held = 0;
    for (const Result& part : parts) held += part.first;
    Result merged{all ? held == parts.size() : held > 0, {}};
    for (const Result& part : parts) {
      if (part.first == merged.first) merged.second.insert(part.second.begin(), part.second.end());
    }
    return merged;
  }
  static Result group(const Group& g, const Facts& f) {
    std::vector<Result> parts;
    for (int c : g.second) {
      parts.push_back(criterion(c, f));
      if (g.first >= 2) parts.back().first = !parts.back().first;
    }
    return merge(parts, g.first == 0 || g.first == 2);
  }
  Result side(bool deny, const Facts& f) const {
    std::vector<Result> parts;
    for (const auto& rule : rules) {
      for (const Body& body : rule) {
        if (body.deny != deny) continue;
        for (const Group& g : body.groups) parts.push_back(group(g, f));
      }
    }
    return merge(parts, false);
  }
  static Verdict verdict(const Result& deny, const Result& allow) {
    if (deny.second.count("client-certificate-required") || deny.second.count("invalid-client-certificate")) {
      return Verdict::bad_certificate;
    }
    if (deny.second.count("user-unauthenticated") || allow.second.count("user-unauthenticated")) {
      return Verdict::sign_in;
    }
    return !deny.first && allow.first ? Verdict::allow : Verdict::deny;
  }
  bool names_host() const {
    for (const auto& rule : rules) {
      for (const Body& body : rule) {
        for (const Group& g : body.groups) {
          if (std::count(g.second.begin(), g.second.end(), 2) > 0) return true;
        }
      }
    }
    return false;
  }
  Verdict verdict(Facts f) const {
    if (f.host != Host::unknown) return verdict(side(true, f), side(false, f));
    f.host = Host::no;
    const Verdict without = verdict(f);
    f.host = Host::yes;
    const Verdict with = verdict(f);
    const bool asks = without != with || (with == Verdict::sign_in && names_host());
    return asks ? Verdict::ask_host : with;
  }
  std::string text() const {
    std::string out = "[";
    for (const auto& rule : rules) {
      out += "{";
      for (const Body& body : rule) {
        out += std::string(body.deny ? "deny" : "allow") + ": {";
        for (const auto& [op, criteria] : body.groups) {
          out += std::string(kOps[op]) + ": [";
          for (int c : criteria) out += "{" + std::string(kCriteria[c]) + "}, ";
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
        for (unsigned c = 1 + random() % 3; c > 0; --c) criteria.push_back(int(random() % std::size(kCriteria)));
        body.groups.push_back({op, criteria});
      }
      rule.push_back(body);
    }
    p.rules.push_back(rule);
  }
  return p;
}

// Every combination of what the criteria above look at.
std::vector<Facts> all_facts(bool host_unknown) {
  static const identity::Identity one = anna(), other = [] {
    identity::Identity who = anna();
    who.email = "ben@example.com";
    return who;
  }();
  static const identity::Certificate shown = leaf();
  std::vector<Facts> all;
  for (Host host : {Host::no, Host::yes, Host::unknown}) {
    if (host == Host::unknown && !host_unknown) continue;
    for (const identity::Identity* who : {static_cast<const identity::Identity*>(nullptr), &one, &other}) {
      for (int certificate = 0; certificate < 3; ++certificate) {
        for (uint8_t first : {uint8_t{10}, uint8_t{11}}) {
          Facts f;
          f.host = host;
          f.identity = who;
          f.certificate = certificate > 0 ? &shown : nullptr;
          f.certificate_trusted = certificate > 1;
          f.source_ip = v4(first, 0, 0, 1);
          f.source_ip_known = true;
          all.push_back(f);
        }
      }
    }
  }
  return all;
}

std::set<std::string> words(Reasons reasons) {
  std::set<std::string> all;
  for (std::string_view r : reasons) all.emplace(r);
  return all;
}

TEST(Truth, SameAsTheNaiveEvaluator) {
  std::mt19937 random(4);
  const std::vector<Facts> facts = all_facts(true);
  std::map<Verdict, int> seen;
  for (int n = 0; n < 400; ++n) {
    const Naive naive = random_policy(random);
    SCOPED_TRACE(naive.text());
    const auto policy = good(naive.text());
    for (const Facts& f : facts) {
      const Decision d = policy->evaluate(f);
      ASSERT_EQ(d.verdict, naive.verdict(f));
      ++seen[d.verdict];
      if (f.host == Host::unknown) continue;
      const auto deny = naive.side(true, f), allow = naive.side(false, f);
      ASSERT_EQ(d.denied_by_rule, deny.first);
      const bool denies = d.verdict == Verdict::bad_certificate || (d.verdict == Verdict::deny && deny.first) ||
                          (d.verdict == Verdict::sign_in && deny.second.count("user-unauthenticated"));
      ASSERT_EQ(words(d.reasons), denies ? deny.second : allow.second);
      ASSERT_EQ(d.rule.empty(), !denies && !allow.first);
    }
  }
  for (Verdict v : {Verdict::deny, Verdict::allow, Verdict::bad_certificate, Verdict::sign_in, Verdict::ask_host}) {
    EXPECT_GT(seen[v], 500) << name_of(v);
  }
}

// What is said without asking the host stays true whatever it answers.
TEST(Truth, WhatIsSettledWithoutTheHostStays) {
  std::mt19937 random(6);
  const std::vector<Facts> facts = all_facts(false);
  int settled = 0;
  for (int n = 0; n < 500; ++n) {
    const Naive naive = random_policy(random);
    const auto policy = good(naive.text());
    for (Facts f : facts) {
      const Decision d = policy->evaluate(f);
      f.host = Host::unknown;
      const Decision open = policy->evaluate(f);
      ASSERT_EQ(open.reasons.common(d.reasons), open.reasons) << naive.text();
      if (open.verdict == Verdict::ask_host) continue;
      ++settled;
      ASSERT_EQ(open.verdict, d.verdict) << naive.text();
      if (!open.rule.empty()) {
        ASSERT_EQ(open.rule, d.rule) << naive.text();
      }
    }
  }
  EXPECT_GT(settled, 1'000);
}

TEST(Truth, AnotherDenyRuleNeverAllows) {
  std::mt19937 random(5);
  const std::vector<Facts> facts = all_facts(true);
  int changed = 0;
  for (int n = 0; n < 400; ++n) {
    Naive p = random_policy(random);
    const auto before = good(p.text());
    Naive extra = random_policy(random);
    for (auto& rule : extra.rules) {
      std::erase_if(rule, [](const Naive::Body& b) { return !b.deny; });
      if (!rule.empty()) p.rules.insert(p.rules.begin() + long(random() % (p.rules.size() + 1)), rule);
    }
    const auto after = good(p.text());
    for (const Facts& f : facts) {
      const Verdict was = before->evaluate(f).verdict, is = after->evaluate(f).verdict;
      changed += was != is;
      if (was != Verdict::allow) {
        ASSERT_NE(is, Verdict::allow) << p.text();
      }
      if (was == Verdict::deny && f.identity != nullptr) {
        ASSERT_NE(is, Verdict::sign_in) << p.text();
      }
    }
  }
  EXPECT_GT(changed, 1'000);
}

// ---- cost -----------------------------------------------------------------------------------------

constexpr const char* kTypical = R"(
- allow:
    or:
      - email: anna@example.com
      - domain: {in: [example.com, example.org]}
      - groups: admins
      - claim/address/country: NL
      - user: {starts_with: u-}
    and:
      - source_ip: [10.0.0.0/8, 2001:db8::/32]
      - time_of_day: {timezone: Europe/Berlin, after: 9am, before: 5pm}
      - day_of_week: mon-fri
      - date: {after: 2026-01-01}
      - client_certificate: {san_dns: {ends_with: .example.com}}
- deny:
    or:
      - http_path: {starts_with: /internal/}
      - http_method: TRACE
      - host: {a: 1}
    not:
      - cors_preflight: true
      - invalid_client_certificate: true
)";

TEST(Evaluate, AllocatesNothing) {
  const auto policy = good(kTypical);
  size_t count = 0;
  for (Facts f : all_facts(true)) {
    for (int64_t now : {int64_t{0}, int64_t{1'800'000'000'000}, INT64_MAX}) {
      f.now_unix_ms = now;
      f.path = "/internal/x";
      const size_t before = allocations;
      const Decision d = policy->evaluate(f);
      const int64_t next = policy->next_change_ms(now);
      count += allocations - before;
      ASSERT_LE(size_t(d.verdict), size_t(Verdict::ask_host));
      ASSERT_TRUE(next == 0 || next > now);
    }
  }
  EXPECT_EQ(count, 0u);
  const size_t before = allocations;
  delete new int;
  EXPECT_GT(allocations, before) << "the counter counts";
}

// ---- any text -------------------------------------------------------------------------------------

TEST(Policy, AnyTextIsAPolicyOrHasAFault) {
  const std::string seeds[] = {
      kTypical, random_policy(*std::make_unique<std::mt19937>(8)).text(),
      "{allow: {nor: [{claim/a.b/c: {exclude: x}}, {email: {in: [a, b], not_in: [c]}}]}}",
      "[{deny: {not: [{client_certificate: {fingerprint: " + std::string(64, 'a') + ", san_uri: {contains: x}}}]}}]"};
  const char* const kPieces[] = {"allow", "deny", "{",   "}",   "[",       "]",   ": ", ", ",     "\n",
                                 "  ",    "- ",   "not", "nor", "host: 1", "&a ", "*a", "!!str ", "\"",
                                 "'",     "no",   "1e3", "~",   "is",      "in",  "*",  "\0",     "\xff"};
  std::mt19937 random(9);
  const std::vector<Facts> facts = all_facts(true);
  int policies = 0, refused = 0;
  for (int n = 0; n < 3'000; ++n) {
    std::string text = seeds[random() % std::size(seeds)];
    for (unsigned edits = 1 + random() % 3; edits > 0; --edits) {
      const size_t at = random() % (text.size() + 1);
      switch (random() % 4) {
        case 0:
          text.erase(at, random() % 8);
          break;
        case 1:
          text.insert(at, kPieces[random() % std::size(kPieces)]);
          break;
        case 2:
          if (at < text.size()) text[at] = char(random());
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 40));
      }
    }
    yaml::Faults faults;
    const auto node = yaml::parse_yaml(text, faults);
    if (!node || !faults.empty()) continue;
    const auto policy = Policy::make(&*node, "policy", {}, faults);
    ASSERT_EQ(policy == nullptr, !faults.empty()) << text;
    if (!policy) {
      ++refused;
      for (const yaml::Fault& fault : faults.list()) ASSERT_GT(fault.mark.line, 0u) << fault.reason;
      continue;
    }
    ++policies;
    yaml::Faults none;
    ASSERT_TRUE(*policy == *make(text, none)) << text;
    for (const Facts& f : facts) {
      const Decision d = policy->evaluate(f);
      ASSERT_FALSE(d.verdict == Verdict::allow && text.find("allow") == std::string::npos) << text;
    }
  }
  EXPECT_GT(policies, 100);
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace cardea::policy
