// What a decision costs, and judging ten thousand live exchanges again.
//
//   g++ -std=c++20 -O2 -DNDEBUG -Ilib bench/policy_bench.cc lib/{policy,identity,yaml}/*.cc lib/base/json.cc
//     -lyaml -ldate-tz -lbenchmark -lpthread -o policy_bench
#include <benchmark/benchmark.h>

#include "policy/policy.h"

namespace {

using namespace cardea;

std::shared_ptr<const policy::Policy> read(const std::string& text) {
  yaml::Faults faults;
  auto node = yaml::parse_yaml(text, faults);
  return node ? policy::Policy::make(&*node, "policy", {}, faults) : nullptr;
}

// Rules as people write them: of `count`, the last is the one that allows.
std::string rules(int count) {
  constexpr const char* kRules[] = {
      "{allow: {or: [{email: {in: [a@example.com, b@example.com, c@example.com]}}]}}",
      "{allow: {or: [{domain: partner.example}]}}",
      "{allow: {and: [{groups: admins}, {source_ip: [10.0.0.0/8, 192.168.0.0/16, 2001:db8::/32]}]}}",
      "{allow: {and: [{claim/department: finance}, {day_of_week: mon-fri}]}}",
      "{allow: {and: [{domain: example.com}, {time_of_day: {timezone: Europe/Berlin, after: 3am, before: 4am}}]}}",
      "{deny: {or: [{http_path: {starts_with: /internal/}}, {http_method: TRACE}]}}",
      "{deny: {and: [{user: {starts_with: robot-}}, {http_path: {starts_with: /admin/}}]}}",
      "{allow: {and: [{authenticated_user: true}, {date: {before: 2026-01-01}}]}}",
      "{allow: {and: [{email: {ends_with: \"@contractor.example\"}}, {source_ip: 203.0.113.0/24}]}}",
  };
  std::string text = "[";
  for (int i = 0; i + 1 < count; ++i) text += std::string(kRules[size_t(i) % std::size(kRules)]) + ", ";
  return text + "{allow: {or: [{email: anna@example.com}, {groups: owners}]}}]";
}

identity::Identity anna() {
  identity::Identity who;
  who.user = "6f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
  who.email = "anna@example.com";
  who.groups = {"staff", "engineering", "berlin", "on-call"};
  who.claims = {{"address/country", {"DE"}}, {"department", {"it"}}, {"locale", {"de"}}, {"office", {"berlin"}}};
  return who;
}

policy::Facts facts_of(const identity::Identity& who) {
  policy::Facts facts;
  facts.identity = &who;
  facts.method = "GET";
  facts.path = "/api/v1/users/12345/orders";
  facts.source_ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 7};
  facts.source_ip_known = true;
  facts.now_unix_ms = 1'795'526'400'000;
  return facts;
}

void evaluate(benchmark::State& state) {
  const auto policy = read(rules(int(state.range(0))));
  const identity::Identity who = anna();
  const policy::Facts facts = facts_of(who);
  if (!policy || policy->evaluate(facts).verdict != policy::Verdict::allow) return state.SkipWithError("not allowed");
  for (auto _ : state) benchmark::DoNotOptimize(policy->evaluate(facts));
}
BENCHMARK(evaluate)->Arg(1)->Arg(10)->Arg(100);

void evaluate_anonymous(benchmark::State& state) {
  const auto policy = read(rules(10));
  policy::Facts facts = facts_of(anna());
  facts.identity = nullptr;
  for (auto _ : state) benchmark::DoNotOptimize(policy->evaluate(facts));
}
BENCHMARK(evaluate_anonymous);

void next_change(benchmark::State& state) {
  const auto policy = read(rules(10));
  for (auto _ : state) benchmark::DoNotOptimize(policy->next_change_ms(1'795'526'400'000));
}
BENCHMARK(next_change);

// Ten thousand streams of as many people, each with an identity of its own, under a policy of ten rules.
void judge_again(benchmark::State& state) {
  const auto policy = read(rules(10));
  std::vector<identity::Identity> people(10'000, anna());
  for (size_t i = 0; i < people.size(); ++i) {
    people[i].user += std::to_string(i);
    if (i % 2) people[i].email = "user" + std::to_string(i) + "@example.com";
  }
  for (auto _ : state) {
    size_t allowed = 0;
    for (const identity::Identity& who : people) {
      allowed += policy->evaluate(facts_of(who)).verdict == policy::Verdict::allow;
    }
    if (allowed != people.size() / 2) state.SkipWithError("not the expected people");
    benchmark::DoNotOptimize(allowed);
  }
}
BENCHMARK(judge_again)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
