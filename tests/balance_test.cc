// Priorities, panic, fitness, avoiding, sets; and what holds for every algorithm.
#include <cstdlib>
#include <new>

#include "balance_fixture.h"

namespace {
thread_local uint64_t allocations = 0;
}  // namespace

// Not inlined: the compiler would take the pair for a mismatch.
__attribute__((noinline)) void* operator new(size_t n) {
  ++allocations;
  if (void* p = malloc(n ? n : 1)) return p;
  throw std::bad_alloc();
}
__attribute__((noinline)) void* operator new(size_t n, const std::nothrow_t&) noexcept {
  ++allocations;
  return malloc(n ? n : 1);
}
__attribute__((noinline)) void operator delete(void* p) noexcept {
  free(p);
}
__attribute__((noinline)) void operator delete(void* p, size_t) noexcept {
  free(p);
}

namespace cardea::balance {
namespace {

// ---- loads ------------------------------------------------------------------------------------------

struct Level {
  uint32_t healthy = 0, degraded = 0, unchecked = 0, unhealthy = 0;
};
struct LoadRow {
  const char* what;
  std::vector<Level> levels;
  // In hundredths of a per cent: what each level's hosts get by fitness, in the order of Level.
  std::vector<std::vector<uint32_t>> shares;
  bool panics = false;
  double threshold = 50;
  uint32_t factor = 140;
};

// The loads of Envoy's documentation, where they are rounded to per cents, and those at the edges.
const LoadRow kLoads[] = {
    {"all healthy", {{100}, {100}}, {{10000, 0, 0, 0}, {0, 0, 0, 0}}},
    {"overprovisioned", {{72, 0, 0, 28}, {100}}, {{10000, 0, 0, 0}, {0, 0, 0, 0}}},
    {"first spills", {{71, 0, 0, 29}, {100}}, {{9940, 0, 0, 0}, {60, 0, 0, 0}}},
    {"half", {{50, 0, 0, 50}, {100}}, {{7000, 0, 0, 0}, {3000, 0, 0, 0}}},
    {"a quarter", {{25, 0, 0, 75}, {100}}, {{3500, 0, 0, 0}, {6500, 0, 0, 0}}},
    {"none", {{0, 0, 0, 100}, {100}}, {{0, 0, 0, 0}, {10000, 0, 0, 0}}},
    {"three", {{25, 0, 0, 75}, {25, 0, 0, 75}, {25, 0, 0, 75}}, {{3500, 0, 0, 0}, {3500, 0, 0, 0}, {3000, 0, 0, 0}}},
    {"total below, no panic", {{20, 0, 0, 80}, {20, 0, 0, 80}}, {{5000, 0, 0, 0}, {5000, 0, 0, 0}}, false, 10},
    {"all panic: by hosts", {{20, 0, 0, 80}, {60, 0, 0, 240}}, {{500, 0, 0, 2000}, {1500, 0, 0, 6000}}, true},
    {"one panics", {{2, 0, 0, 8}, {5, 0, 0, 5}}, {{571, 0, 0, 2286}, {7143, 0, 0, 0}}, true, 25},
    {"one panics below 50", {{1, 0, 0, 9}, {6, 0, 0, 4}}, {{143, 0, 0, 1286}, {8571, 0, 0, 0}}, true},
    {"panic with others well", {{10, 0, 0, 90}, {100}}, {{1400, 0, 0, 0}, {8600, 0, 0, 0}}},
    {"degraded after all healthy", {{50, 50}, {50, 50}}, {{7000, 0, 0, 0}, {3000, 0, 0, 0}}},
    {"degraded carry the rest", {{30, 70}}, {{4200, 5800, 0, 0}}},
    {"degraded of the first first", {{0, 50, 0, 50}, {20, 0, 0, 80}}, {{0, 7143, 0, 0}, {2857, 0, 0, 0}}, false, 10},
    {"only degraded", {{0, 10}}, {{0, 10000, 0, 0}}},
    {"panic counts degraded", {{1, 2, 0, 7}}, {{1000, 2000, 0, 7000}}, true},
    {"no panic at the threshold", {{5, 0, 0, 5}}, {{10000, 0, 0, 0}}},
    {"panic never", {{1, 0, 0, 99}}, {{10000, 0, 0, 0}}, false, 0},
    {"panic never, and none", {{0, 0, 0, 10}, {0, 0, 0, 10}}, {}, false, 0},
    {"all are ill", {{0, 0, 0, 1}, {0, 0, 0, 3}}, {{0, 0, 0, 2500}, {0, 0, 0, 7500}}, true},
    {"always panic when short", {{99, 0, 0, 1}}, {{10000, 0, 0, 0}}, false, 100},
    {"threshold above 100", {{1, 0, 0, 3}}, {{2500, 0, 0, 7500}}, true, 900},
    {"nobody checked yet", {{0, 0, 4}, {0, 0, 4}}, {{0, 0, 10000, 0}, {0, 0, 0, 0}}},
    {"known before unknown", {{0, 0, 4}, {2}}, {{0, 0, 0, 0}, {10000, 0, 0, 0}}},
    {"new ones take nothing away", {{3, 0, 97}, {10}}, {{10000, 0, 0, 0}, {0, 0, 0, 0}}},
    {"unknown before ill", {{0, 0, 2, 1}}, {{0, 0, 10000, 0}}},
    {"too many ill", {{0, 0, 1, 3}}, {{0, 0, 2500, 7500}}, true},
    {"unknown of the second", {{0, 0, 0, 4}, {0, 0, 4}}, {{0, 0, 0, 0}, {0, 0, 10000, 0}}},
    {"unchecked without panic", {{0, 0, 1, 3}}, {{0, 0, 10000, 0}}, false, 0},
    {"no overprovisioning", {{50, 0, 0, 50}, {10}}, {{5000, 0, 0, 0}, {5000, 0, 0, 0}}, false, 50, 100},
    {"one in ten thousand", {{1, 0, 0, 9999}, {10}}, {{1, 0, 0, 0}, {9999, 0, 0, 0}}},
    {"empty levels between", {{0}, {0}, {5}}, {{0, 0, 0, 0}, {0, 0, 0, 0}, {10000, 0, 0, 0}}},
};

TEST(Balancer, LoadsOfPrioritiesAndFitness) {
  for (const LoadRow& row : kLoads) {
    SCOPED_TRACE(row.what);
    std::vector<Host> hosts;
    std::vector<std::pair<size_t, size_t>> place;
    for (uint32_t p = 0; p < row.levels.size(); ++p) {
      const Level& level = row.levels[p];
      const uint32_t counts[] = {level.healthy, level.degraded, level.unchecked, level.unhealthy};
      for (size_t f = 0; f < 4; ++f) {
        hosts = std::move(hosts) + weighted(std::vector<uint32_t>(counts[f], 1), p, Fitness(f));
        place.resize(hosts.size(), {p, f});
      }
    }
    Options options = with("round_robin");
    options.healthy_panic_threshold = row.threshold;
    options.overprovisioning_factor = row.factor;
    Balancer balancer(options, 1);
    balancer.set(hosts, 0);
    EXPECT_EQ(balancer.panics(), row.panics);
    if (row.shares.empty()) {
      EXPECT_EQ(balancer.pick({}), -1);
      continue;
    }
    std::vector<std::vector<double>> shares(row.levels.size(), std::vector<double>(4));
    const size_t picks = 100'000;
    for (size_t i = 0; i < picks; ++i) {
      const auto picked = size_t(balancer.pick({}));
      ASSERT_LT(picked, hosts.size());
      ASSERT_TRUE(balancer.takes_part(picked));
      shares[place[picked].first][place[picked].second] += 1e4 / picks;
    }
    for (size_t p = 0; p < shares.size(); ++p) {
      for (size_t f = 0; f < 4; ++f)
        EXPECT_NEAR(shares[p][f], row.shares[p][f], 1.01) << "level " << p << " fitness " << f;
    }
    for (size_t i = 0; i < hosts.size(); ++i) {
      EXPECT_EQ(balancer.takes_part(i), row.shares[place[i].first][place[i].second] > 0) << i;
    }
  }
}

TEST(Balancer, PrioritiesAboveTheLastAreTheLast) {
  Balancer balancer(with("round_robin"), 1);
  auto hosts = weighted({1}, 127) + weighted({1}, 128) + weighted({1}, UINT32_MAX);
  balancer.set(hosts, 0);
  EXPECT_EQ(count_picks(balancer, 3, 300), (std::vector<uint64_t>{100, 100, 100}));
  hosts.push_back(weighted({1}, 126)[0]);
  balancer.set(hosts, 0);
  EXPECT_EQ(count_picks(balancer, 4, 300), (std::vector<uint64_t>{0, 0, 0, 300}));
}

TEST(Balancer, AllLevelsAtOnce) {
  std::vector<Host> hosts;
  for (uint32_t p = 0; p < 128; ++p) hosts = std::move(hosts) + weighted({1, 1, 1}, p, Fitness::unhealthy);
  for (size_t i = 0; i < hosts.size(); i += 3) hosts[i].key += "/healthy";
  Balancer balancer(with("round_robin"), 1);
  balancer.set(hosts, 0);
  EXPECT_TRUE(balancer.panics());
  for (uint64_t n : count_picks(balancer, hosts.size(), hosts.size() * 10)) EXPECT_EQ(n, 10u);
}

// ---- every algorithm --------------------------------------------------------------------------------

class Every : public testing::TestWithParam<const char*> {
 protected:
  static Options modest() {
    Options options = with(GetParam());
    options.ring_hash.maximum_ring_size = 1 << 14;
    options.maglev.table_size = 9973;
    return options;
  }
  Options options = modest();
  Balancer balancer{options, 42};
};

TEST_P(Every, NobodyOneAndWeightless) {
  EXPECT_EQ(balancer.pick({}), -1);
  EXPECT_FALSE(balancer.takes_part(0));
  balancer.set({}, 0);
  EXPECT_EQ(balancer.pick({}), -1);
  EXPECT_FALSE(balancer.panics());
  balancer.set(weighted({0, 0}), 0);
  EXPECT_EQ(balancer.pick({}), -1);
  balancer.set(weighted({1}), 0);
  const uint32_t avoid[] = {0, 0, 7, UINT32_MAX};
  for (size_t n = 0; n <= 4; ++n) EXPECT_EQ(balancer.pick({.avoid = avoid, .avoid_count = n}), 0);
  EXPECT_EQ(balancer.pick({.avoid = nullptr, .avoid_count = 3}), 0);
  balancer.set(weighted({0, 3, 0, 1}), 0);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(balancer.pick({}) % 2, 1);
  EXPECT_FALSE(balancer.takes_part(0));
  EXPECT_TRUE(balancer.takes_part(1));
  EXPECT_FALSE(balancer.takes_part(4));
}

TEST_P(Every, AvoidsAnyNumberWhereAnotherIs) {
  Random random(3);
  for (int round = 0; round < 400; ++round) {
    std::vector<uint32_t> weights(1 + random.below(12));
    for (uint32_t& weight : weights) weight = uint32_t(random.below(3) == 0 ? UINT32_MAX : random.below(4));
    auto hosts = weighted(weights);
    for (Host& host : hosts) host.priority = uint32_t(random.below(3)), host.fitness = Fitness(random.below(4));
    balancer.set(hosts, 0);
    for (int i = 0; i < 30; ++i) {
      std::vector<uint32_t> avoid;
      for (uint32_t h = 0; h < hosts.size(); ++h) {
        if (random.below(2)) avoid.insert(avoid.end(), 1 + random.below(2), h);
      }
      std::vector<bool> avoided(hosts.size());
      for (uint32_t h : avoid) avoided[h] = true;
      bool any = false, other = false;
      for (size_t h = 0; h < hosts.size(); ++h) {
        any = any || balancer.takes_part(h);
        other = other || (balancer.takes_part(h) && !avoided[h]);
      }
      const int picked = balancer.pick({.hash = random.next(), .avoid = avoid.data(), .avoid_count = avoid.size()});
      ASSERT_EQ(picked >= 0, any);
      ASSERT_TRUE(picked < 0 || balancer.takes_part(size_t(picked)));
      ASSERT_FALSE(other && avoided[size_t(picked)]) << "round " << round;
    }
  }
}

TEST_P(Every, HeavyOneAvoidedAmongTenThousand) {
  std::vector<uint32_t> weights(10'000, 1);
  weights[77] = UINT32_MAX;
  balancer.set(weighted(weights), 0);
  const uint32_t avoid = 77;
  for (int i = 0; i < 200; ++i) {
    EXPECT_NE(balancer.pick({.avoid = &avoid, .avoid_count = 1}), 77);
  }
}

TEST_P(Every, PicksAllocateNothing) {
  std::atomic<uint32_t> active{3};
  for (bool equal : {true, false}) {
    options.slow_start.window = 1'000;
    Balancer slow(options, 1);
    std::vector<Host> hosts;
    for (uint32_t p = 0; p < 3; ++p) hosts = std::move(hosts) + weighted({1, equal ? 1u : 7u, equal ? 1u : 2u, 1}, p);
    for (size_t i = 0; i < hosts.size(); ++i) {
      hosts[i].fitness = i % 2 ? Fitness::unhealthy : Fitness::healthy;
      hosts[i].active = i % 3 ? &active : nullptr;
      hosts[i].fit_since = i % 5 * 1'000;
    }
    slow.set(hosts, 4'000);
    const uint32_t avoid[] = {0, 2, 4};
    const uint64_t before = allocations;
    for (size_t i = 0; i < 5'000; ++i) {
      Ask ask{.avoid = avoid, .avoid_count = i % 4, .now = 4'000 + i};
      if (i % 2) ask.hash = i * 0x9e3779b97f4a7c15;
      slow.pick(ask);
    }
    EXPECT_EQ(allocations, before);
  }
}

TEST_P(Every, SetsOfAllSortsOneAfterTheOther) {
  Random random(8);
  for (int round = 0; round < 300; ++round) {
    std::vector<Host> hosts;
    for (uint64_t left = random.below(20); left > 0; --left) {
      hosts.push_back({"key" + std::to_string(random.below(12)), uint32_t(random.below(4)), uint32_t(random.below(3)),
                       Fitness(random.below(4))});
    }
    balancer.set(hosts, 0);
    bool any = false;
    for (size_t h = 0; h < hosts.size(); ++h) {
      any = any || balancer.takes_part(h);
      ASSERT_FALSE(balancer.takes_part(h) && hosts[h].weight == 0);
    }
    for (int i = 0; i < 10; ++i) {
      const int picked = balancer.pick({});
      ASSERT_EQ(picked >= 0, any);
      ASSERT_TRUE(picked < 0 || balancer.takes_part(size_t(picked)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Every, testing::Values("round_robin", "least_request", "random", "ring_hash", "maglev"));

// ---- the table --------------------------------------------------------------------------------------

TEST(Algorithms, Names) {
  for (const char* name : {"round_robin", "least_request", "random", "ring_hash", "maglev", "host"}) {
    EXPECT_TRUE(known_algorithm(name)) << name;
    EXPECT_EQ(hashes(name), name == std::string("ring_hash") || name == std::string("maglev")) << name;
  }
  for (const char* name : {"", "round", "ROUND_ROBIN", "round_robin ", "magle"}) {
    EXPECT_FALSE(known_algorithm(name)) << name;
    EXPECT_FALSE(hashes(name)) << name;
  }
  Balancer unknown(with("nothing"), 1);
  unknown.set(equal_hosts(2), 0);
  EXPECT_EQ(unknown.pick({}), -1);
  EXPECT_FALSE(unknown.takes_part(0));
}

TEST(Algorithms, HostIsOnlyToldWhoTakesPart) {
  Balancer balancer(with("host"), 1);
  auto hosts = weighted({1, 1, 0, 1});
  hosts[1].fitness = Fitness::unhealthy;
  balancer.set(hosts, 0);
  EXPECT_EQ(balancer.pick({}), -1);
  const bool expected[] = {true, false, false, true};
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(balancer.takes_part(i), expected[i]) << i;
  balancer.set(hosts + weighted({1}, 1), 0);
  EXPECT_EQ(balancer.pick({}), -1);
}

}  // namespace
}  // namespace cardea::balance
