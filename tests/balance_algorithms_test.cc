// Random and least request against models of their shares; slow start.
#include "balance_fixture.h"

namespace cardea::balance {
namespace {

// ---- random -----------------------------------------------------------------------------------------

TEST(RandomPick, SpreadsByWeight) {
  for (const std::vector<uint32_t>& weights : {std::vector<uint32_t>{1},
                                               {1, 1, 1, 1},
                                               {1, 2, 3, 4},
                                               {0, 5, 1},
                                               {100, 1, 1, 50, 7, 7, 7},
                                               {UINT32_MAX, UINT32_MAX, UINT32_MAX / 2}}) {
    SCOPED_TRACE(testing::PrintToString(weights));
    Balancer balancer(with("random"), 17);
    balancer.set(weighted(weights), 0);
    expect_spread(count_picks(balancer, weights.size(), 100'000), {weights.begin(), weights.end()});
  }
}

TEST(RandomPick, PicksAreIndependent) {
  Balancer balancer(with("random"), 17);
  balancer.set(weighted({1, 2, 1}), 0);
  std::vector<uint64_t> pairs(9);
  int last = balancer.pick({});
  for (int i = 0; i < 50'000; ++i) {
    const int now = balancer.pick({});
    ++pairs[size_t(last * 3 + now)];
    last = now;
  }
  expect_spread(pairs, {1, 2, 1, 2, 4, 2, 1, 2, 1});
}

TEST(RandomPick, WithoutTheAvoidedTheOthersKeepTheirProportions) {
  Balancer balancer(with("random"), 17);
  balancer.set(weighted({5, 1, 2, 2}), 0);
  const uint32_t avoid[] = {0, 2};
  expect_spread(count_picks(balancer, 4, 30'000, {.avoid = avoid, .avoid_count = 2}), {0, 1, 0, 2});
}

TEST(RandomPick, SameSeedSamePicks) {
  Balancer a(with("random"), 5), b(with("random"), 5), c(with("random"), 6);
  for (Balancer* balancer : {&a, &b, &c}) balancer->set(equal_hosts(10), 0);
  int same = 0;
  for (int i = 0; i < 100; ++i) {
    const int picked = a.pick({});
    EXPECT_EQ(picked, b.pick({}));
    same += picked == c.pick({});
  }
  EXPECT_LT(same, 40);
}

// ---- least request ----------------------------------------------------------------------------------

class LeastRequestTest : public testing::Test {
 protected:
  std::vector<Host> busy(const std::vector<uint32_t>& weights, const std::vector<uint32_t>& active) {
    auto hosts = weighted(weights);
    for (size_t i = 0; i < hosts.size(); ++i) {
      if (actives.size() <= i) actives.emplace_back(0);
      actives[i] = active[i];
      hosts[i].active = &actives[i];
    }
    return hosts;
  }
  std::deque<std::atomic<uint32_t>> actives;
};

// The chance to be the least busy of `choices` different ones, by looking at every set of them.
std::vector<double> least_of_sets(const std::vector<uint32_t>& active, uint32_t choices) {
  std::vector<double> shares(active.size());
  for (uint32_t set = 0; set < 1u << active.size(); ++set) {
    if (uint32_t(__builtin_popcount(set)) != std::min<uint32_t>(choices, uint32_t(active.size()))) continue;
    uint32_t least = UINT32_MAX;
    double equals = 0;
    for (size_t i = 0; i < active.size(); ++i) {
      if (!(set >> i & 1)) continue;
      if (active[i] < least) equals = 0;
      least = std::min(least, active[i]);
      equals += active[i] == least;
    }
    for (size_t i = 0; i < active.size(); ++i) {
      if (set >> i & 1 && active[i] == least) shares[i] += 1 / equals;
    }
  }
  return shares;
}

TEST_F(LeastRequestTest, EqualWeightsTakeTheLeastBusyOfAFew) {
  for (uint32_t choices : {0u, 2u, 3u, 5u, 8u, 100u}) {
    for (const std::vector<uint32_t>& active :
         {std::vector<uint32_t>{0, 0, 0, 0, 0, 0}, {5, 4, 3, 2, 1, 0}, {1, 1, 0, 7, 7, 0}, {9, 9}}) {
      SCOPED_TRACE(testing::PrintToString(active) + " of " + std::to_string(choices));
      Options options = with("least_request");
      options.least_request.choice_count = choices;
      Balancer balancer(options, 23);
      balancer.set(busy(std::vector<uint32_t>(active.size(), 3), active), 0);
      expect_spread(count_picks(balancer, active.size(), 60'000), least_of_sets(active, std::max(2u, choices)));
    }
  }
}

TEST_F(LeastRequestTest, HostsWithoutACountAreIdle) {
  Balancer balancer(with("least_request"), 23);
  auto hosts = busy({1, 1}, {3, 3});
  hosts[1].active = nullptr;
  balancer.set(hosts, 0);
  EXPECT_EQ(count_picks(balancer, 2, 100), (std::vector<uint64_t>{0, 100}));
}

TEST_F(LeastRequestTest, UnequalWeightsAreDividedByHowBusyTheyAre) {
  for (double bias : {1.0, 0.0, 0.5, 2.0}) {
    Options options = with("least_request");
    options.least_request.active_request_bias = bias;
    Balancer balancer(options, 29);
    const std::vector<uint32_t> weights = {1, 2, 3, 4, 8}, active = {0, 3, 1, 0, 20};
    balancer.set(busy(weights, active), 0);
    std::vector<double> shares;
    for (size_t i = 0; i < weights.size(); ++i) shares.push_back(weights[i] / std::pow(active[i] + 1, bias));
    SCOPED_TRACE(bias);
    expect_spread(count_picks(balancer, weights.size(), 100'000), shares);
  }
}

// The tree is told nothing, so it must notice: busier at once, idle after a look at all.
TEST_F(LeastRequestTest, ChangesAreNoticed) {
  const size_t n = 300;
  std::vector<uint32_t> weights(n, 2), active(n, 1);
  weights[0] = 1;
  Balancer balancer(with("least_request"), 31);
  balancer.set(busy(weights, active), 0);
  for (size_t i = 0; i < n / 2; ++i) actives[i] = 19;
  count_picks(balancer, n, n);
  for (size_t i = 0; i < n; ++i) actives[i] = i < n / 2 ? 0 : 9;
  count_picks(balancer, n, n);
  std::vector<double> shares;
  for (size_t i = 0; i < n; ++i) shares.push_back(weights[i] / (i < n / 2 ? 1.0 : 10.0));
  expect_spread(count_picks(balancer, n, 200'000), shares);
}

TEST_F(LeastRequestTest, BusierSinceTheLastPickCountsAtOnce) {
  const size_t n = 1000;
  std::vector<uint32_t> weights(n, 1), active(n, 0);
  weights[1] = 2;
  std::vector<uint64_t> count(2);
  for (uint64_t seed = 0; seed < 400; ++seed) {
    Balancer balancer(with("least_request"), seed);
    balancer.set(busy(weights, active), 0);
    for (size_t i = 0; i < n / 2; ++i) actives[i] = 99;
    ++count[balancer.pick({}) < int(n / 2)];
  }
  EXPECT_LT(count[1], 20u);  // 1 % would be right; unnoticed it would be half of them
}

TEST_F(LeastRequestTest, ExtremesEndAndPickSomebody) {
  for (double bias : {1e6, -3.0, 1e300}) {
    Options options = with("least_request");
    options.least_request.active_request_bias = bias;
    Balancer balancer(options, 37);
    balancer.set(busy({1, UINT32_MAX}, {UINT32_MAX, UINT32_MAX - 1}), 0);
    count_picks(balancer, 2, 1000);
  }
  Balancer balancer(with("least_request"), 37);
  balancer.set(busy({UINT32_MAX, 1}, {0, 0}), 0);
  const uint32_t avoid = 0;
  EXPECT_EQ(count_picks(balancer, 2, 1000, {.avoid = &avoid, .avoid_count = 1})[1], 1000u);
}

// ---- slow start -------------------------------------------------------------------------------------

struct Slow {
  const char* algorithm;
  std::vector<uint32_t> weights;
};

class SlowStartTest : public testing::TestWithParam<Slow> {
 protected:
  SlowStartTest() : options(with(GetParam().algorithm)) { options.slow_start.window = 10'000; }
  // The last two hosts became fit at 100,000.
  std::vector<Host> hosts() {
    auto all = weighted(GetParam().weights);
    all[all.size() - 2].fit_since = all[all.size() - 1].fit_since = 100'000;
    return all;
  }
  void expect_shares(Millis now, double factor) {
    SCOPED_TRACE(now);
    Balancer balancer(options, now);
    balancer.set(hosts(), now);
    expect_shares(balancer, now, factor);
  }
  void expect_shares(Balancer& balancer, Millis now, double factor) {
    std::vector<double> shares(GetParam().weights.begin(), GetParam().weights.end());
    shares[shares.size() - 1] *= factor;
    shares[shares.size() - 2] *= factor;
    const auto counts = count_picks(balancer, shares.size(), 60'000, {.now = now});
    expect_spread(counts, shares);
    if (options.algorithm != "round_robin") return;
    double sum = 0;
    for (double share : shares) sum += share;
    for (size_t i = 0; i < shares.size(); ++i) EXPECT_NEAR(double(counts[i]), 60'000 * shares[i] / sum, 8) << i;
  }
  Options options;
};

TEST_P(SlowStartTest, WeightGrowsWithTime) {
  expect_shares(90'000, 0.1);  // another thread's clock may be ahead
  expect_shares(100'000, 0.1);
  expect_shares(100'500, 0.1);
  expect_shares(102'500, 0.25);
  expect_shares(105'000, 0.5);
}

TEST_P(SlowStartTest, AggressionAndLeastWeight) {
  options.slow_start.aggression = 2;
  options.slow_start.min_weight_percent = 30;
  expect_shares(100'100, 0.3);
  expect_shares(102'500, 0.5);
  options.slow_start.aggression = 0.5;
  expect_shares(107'000, 0.49);
  options.slow_start.min_weight_percent = 0;
  options.slow_start.aggression = 1;
  expect_shares(100'000, 0.01);
}

TEST_P(SlowStartTest, OneBalancerThroughTheWholeRamp) {
  Balancer balancer(options, 1);
  balancer.set(hosts(), 100'000);
  expect_shares(balancer, 102'000, 0.2);
  expect_shares(balancer, 108'000, 0.8);
  count_picks(balancer, hosts().size(), 10'000, {.now = 120'000});
  const double sum = [&] {
    double all = 0;
    for (uint32_t weight : GetParam().weights) all += weight;
    return all;
  }();
  const auto after = count_picks(balancer, hosts().size(), 60'000, {.now = 120'000});
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_NEAR(double(after[i]), 60'000 * GetParam().weights[i] / sum, 1'000) << i;
  }
}

TEST_P(SlowStartTest, WhereAllAreNewNobodyIsSlow) {
  auto all = hosts();
  for (Host& host : all) host.fit_since = 100'000;
  Balancer balancer(options, 1);
  balancer.set(all, 100'000);
  const auto counts = count_picks(balancer, all.size(), 60'000, {.now = 100'001});
  expect_spread(counts, {GetParam().weights.begin(), GetParam().weights.end()});
}

INSTANTIATE_TEST_SUITE_P(All, SlowStartTest,
                         testing::Values(Slow{"round_robin", {1, 1, 1, 1}}, Slow{"round_robin", {3, 1, 2, 5}},
                                         Slow{"least_request", {1, 1, 1, 1}}, Slow{"least_request", {3, 1, 2, 5}}));

TEST(SlowStart, OtherAlgorithmsHaveNone) {
  Options options = with("random");
  options.slow_start.window = 10'000;
  auto hosts = equal_hosts(4);
  hosts[0].fit_since = 100'000;
  Balancer balancer(options, 1);
  balancer.set(hosts, 100'000);
  expect_spread(count_picks(balancer, 4, 20'000, {.now = 100'001}), {1, 1, 1, 1});
}

// One old host among many new ones is the longest search there is.
TEST(SlowStart, ManyNewOnes) {
  Options options = with("round_robin");
  options.slow_start = {.window = 1'000'000, .aggression = 1, .min_weight_percent = 0};
  auto hosts = equal_hosts(1'000);
  for (size_t i = 1; i < hosts.size(); ++i) hosts[i].fit_since = 5'000'000;
  Balancer balancer(options, 1);
  balancer.set(hosts, 5'000'000);
  const auto counts = count_picks(balancer, hosts.size(), 10'000, {.now = 5'000'001});
  EXPECT_NEAR(double(counts[0]), 10'000 / 10.99, 10);
}

}  // namespace
}  // namespace cardea::balance
