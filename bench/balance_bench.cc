// What a pick costs with 10, 1,000 and 10,000 hosts, and what building rings and tables of them does.
//
//   g++ -std=c++20 -O2 -DNDEBUG -Ilib -Ibench bench/balance_bench.cc lib/balance/*.cc -lbenchmark -lpthread
//     -o balance_bench
#include <benchmark/benchmark.h>

#include <atomic>
#include <deque>

#include "balance/balance.h"
#include "meter.h"
#include "run.h"

namespace {

using namespace cardea;

constexpr const char* kAlgorithms[] = {"round_robin", "least_request", "random", "ring_hash", "maglev"};
enum Weights { kEqual, kUnequal };

struct Hosts {
  Hosts(int count, Weights weights) : active(size_t(count)) {
    for (int i = 0; i < count; ++i) {
      active[size_t(i)] = uint32_t(i % 5);
      list.push_back({"10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250) + ":8080",
                      weights == kEqual ? 1 : 1 + uint32_t(i * 7919LL % 100)});
      list.back().active = &active[size_t(i)];
    }
  }
  std::deque<std::atomic<uint32_t>> active;
  std::vector<balance::Host> list;
};

balance::Options options_of(benchmark::State& state) {
  balance::Options options;
  options.algorithm = kAlgorithms[state.range(0)];
  state.SetLabel(options.algorithm + (state.range(2) == kEqual ? ", equal" : ", unequal"));
  return options;
}

void picks(benchmark::State& state, balance::Balancer& balancer, balance::Ask ask) {
  uint64_t key = 0;
  const bench::Meter meter;
  for (auto _ : state) {
    ask.hash = key += 0x9e3779b97f4a7c15;
    const int picked = balancer.pick(ask);
    if (picked < 0) {
      bench::fail(state, "nobody");
      break;
    }
    benchmark::DoNotOptimize(picked);
  }
  meter.report(state);
}

// Arguments: algorithm, hosts, weights.
void pick(benchmark::State& state) {
  Hosts hosts(int(state.range(1)), Weights(state.range(2)));
  balance::Balancer balancer(options_of(state), 1);
  balancer.set(hosts.list, 0);
  picks(state, balancer, {});
}

void pick_another(benchmark::State& state) {
  Hosts hosts(int(state.range(1)), Weights(state.range(2)));
  balance::Balancer balancer(options_of(state), 1);
  balancer.set(hosts.list, 0);
  const uint32_t avoid[] = {0, 3};
  picks(state, balancer, {.avoid = avoid, .avoid_count = 2});
}

// Two priorities share the load, and one host in three has become fit a moment ago.
void pick_in_trouble(benchmark::State& state) {
  Hosts hosts(int(state.range(1)), Weights(state.range(2)));
  for (size_t i = 0; i < hosts.list.size(); ++i) {
    if (i % 2) hosts.list[i].fitness = balance::Host::Fitness::unhealthy;
    if (i % 3 == 0) hosts.list[i].fit_since = 100'000;
    if (i % 10 > 7) hosts.list[i].priority = 1;
  }
  balance::Options options = options_of(state);
  options.slow_start.window = 10'000;
  balance::Balancer balancer(options, 1);
  balancer.set(hosts.list, 100'000);
  picks(state, balancer, {.now = 101'500});
}

// A host falls ill and is well again.
void change(benchmark::State& state) {
  Hosts hosts(int(state.range(1)), Weights(state.range(2)));
  balance::Balancer balancer(options_of(state), 1);
  balancer.set(hosts.list, 0);
  for (auto _ : state) {
    auto& fitness = hosts.list[3].fitness;
    fitness = fitness == balance::Host::Fitness::healthy ? balance::Host::Fitness::unhealthy
                                                         : balance::Host::Fitness::healthy;
    balancer.set(hosts.list, 0);
  }
}

// Everything from nothing.
void build(benchmark::State& state) {
  Hosts hosts(int(state.range(1)), Weights(state.range(2)));
  const balance::Options options = options_of(state);
  for (auto _ : state) {
    balance::Balancer balancer(options, 1);
    balancer.set(hosts.list, 0);
    benchmark::DoNotOptimize(balancer.takes_part(0));
  }
}

// The largest ring and table that can be asked for.
void build_largest(benchmark::State& state) {
  Hosts hosts(int(state.range(1)), Weights(state.range(2)));
  balance::Options options = options_of(state);
  options.ring_hash.minimum_ring_size = options.ring_hash.maximum_ring_size;
  options.maglev.table_size = 5000011;
  for (auto _ : state) {
    balance::Balancer balancer(options, 1);
    balancer.set(hosts.list, 0);
    benchmark::DoNotOptimize(balancer.takes_part(0));
  }
}

const std::vector<std::vector<int64_t>> kAll = {{0, 1, 2, 3, 4}, {10, 1'000, 10'000}, {kEqual, kUnequal}};
BENCHMARK(pick)->ArgsProduct(kAll);
BENCHMARK(pick_another)->ArgsProduct(kAll);
BENCHMARK(pick_in_trouble)->ArgsProduct(kAll);
BENCHMARK(change)->ArgsProduct(kAll)->Unit(benchmark::kMicrosecond);
BENCHMARK(build)->ArgsProduct(kAll)->Unit(benchmark::kMicrosecond);
BENCHMARK(build_largest)->ArgsProduct({{3, 4}, {1'000}, {kEqual, kUnequal}})->Unit(benchmark::kMillisecond);

}  // namespace

int main(int argc, char** argv) {
  return cardea::bench::run(argc, argv);
}
