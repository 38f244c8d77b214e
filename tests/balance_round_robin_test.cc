// Round robin: exact counts over windows, against the definition.
#include <numeric>

#include "balance_fixture.h"

namespace cardea::balance {
namespace {

std::vector<int> picks_of(Balancer& balancer, size_t count) {
  std::vector<int> picks;
  for (size_t i = 0; i < count; ++i) picks.push_back(balancer.pick({}));
  return picks;
}

void expect_exact_windows(const std::vector<int>& picks, const std::vector<uint32_t>& weights, size_t from = 0) {
  const size_t sum = std::accumulate(weights.begin(), weights.end(), size_t(0));
  std::vector<uint32_t> seen(weights.size());
  for (size_t i = from; i < picks.size(); ++i) {
    ++seen[size_t(picks[i])];
    if (i >= from + sum) --seen[size_t(picks[i - sum])];
    ASSERT_TRUE(i + 1 < from + sum || seen == weights) << "window that ends at " << i;
  }
}

std::vector<std::vector<uint32_t>> weight_rows() {
  std::vector<std::vector<uint32_t>> rows = {{1},          {1, 1},   {7, 7, 7}, {5, 1, 1},         {3, 2},
                                             {1, 2, 3, 4}, {100, 1}, {0, 1, 2}, {13, 7, 1, 1, 29}, {2, 2, 1}};
  rows.push_back(std::vector<uint32_t>(101, 1));
  rows.back()[0] = 100;  // one heavy among many light ones: the order must not clump
  Random random(7);
  for (int i = 0; i < 40; ++i) {
    std::vector<uint32_t> weights(2 + random.below(12));
    for (uint32_t& weight : weights) weight = uint32_t(random.below(40));
    weights[0] = 1;
    rows.push_back(weights);
  }
  return rows;
}

TEST(RoundRobin, EveryWindowIsExactAndEveryMomentWithinOnePick) {
  for (const auto& weights : weight_rows()) {
    SCOPED_TRACE(testing::PrintToString(weights));
    const size_t sum = std::accumulate(weights.begin(), weights.end(), size_t(0));
    Balancer balancer(with("round_robin"), sum);
    balancer.set(weighted(weights), 0);
    const std::vector<int> picks = picks_of(balancer, 4 * sum);
    expect_exact_windows(picks, weights);
    std::vector<double> count(weights.size()), lowest(weights.size()), highest(weights.size());
    for (size_t i = 0; i < picks.size(); ++i) {
      ++count[size_t(picks[i])];
      for (size_t e = 0; e < weights.size(); ++e) {
        const double off = count[e] - double(i + 1) * weights[e] / double(sum);
        ASSERT_LT(std::abs(off), 1 + 1e-9) << "after " << i + 1;
        lowest[e] = std::min(lowest[e], off);
        highest[e] = std::max(highest[e], off);
      }
    }
    // So over any window at all, however short, nobody is two picks off.
    for (size_t e = 0; e < weights.size(); ++e) ASSERT_LT(highest[e] - lowest[e], 2);
  }
}

TEST(RoundRobin, EqualWeightsAreWithinOnePickOverAnyWindow) {
  Balancer balancer(with("round_robin"), 3);
  balancer.set(equal_hosts(7), 0);
  const std::vector<int> picks = picks_of(balancer, 70);
  for (size_t begin = 0; begin < picks.size(); ++begin) {
    std::vector<size_t> seen(7);
    for (size_t end = begin; end < picks.size(); ++end) {
      ++seen[size_t(picks[end])];
      for (size_t n : seen) ASSERT_LT(std::abs(double(n) - double(end - begin + 1) / 7), 1);
    }
  }
}

// Exact shares of priorities too: 5 of 10 healthy carry 70 %, the next priority the rest.
TEST(RoundRobin, PrioritiesAndHostsAreExact) {
  const auto first = weighted({2, 2, 2, 1, 3}) + weighted(std::vector<uint32_t>(5, 1), 0, Fitness::unhealthy);
  const auto hosts = first + weighted({1, 2}, 1);
  Balancer balancer(with("round_robin"), 1);
  balancer.set(hosts, 0);
  EXPECT_FALSE(balancer.panics());
  const std::vector<uint64_t> expected = {140, 140, 140, 70, 210, 0, 0, 0, 0, 0, 100, 200};
  for (int window = 0; window < 20; ++window) EXPECT_EQ(count_picks(balancer, 12, 1000), expected);
  Balancer fresh(with("round_robin"), 2);
  fresh.set(hosts, 0);
  double of_first = 0;
  for (int i = 1; i <= 5000; ++i) {
    of_first += fresh.pick({}) < 10;
    ASSERT_LT(std::abs(of_first - 0.7 * i), 1) << i;
  }
}

TEST(RoundRobin, LargestWeightsDoNotOverflow) {
  Balancer balancer(with("round_robin"), 1);
  balancer.set(weighted({UINT32_MAX, UINT32_MAX, 1, UINT32_MAX / 2}), 0);
  EXPECT_EQ(count_picks(balancer, 4, 500'000), (std::vector<uint64_t>{200'000, 200'000, 0, 100'000}));
  std::vector<uint32_t> heavy(10'000, UINT32_MAX);
  for (size_t i = 0; i < heavy.size(); ++i) heavy[i] -= uint32_t(i % 3);
  balancer.set(weighted(heavy), 0);
  const auto counts = count_picks(balancer, heavy.size(), 30'000);
  for (uint64_t n : counts) ASSERT_NEAR(double(n), 3, 1);
}

TEST(RoundRobin, TenThousandDifferentWeights) {
  std::vector<uint32_t> weights(10'000);
  std::iota(weights.begin(), weights.end(), 1);
  Balancer balancer(with("round_robin"), 1);
  balancer.set(weighted(weights), 0);
  const size_t picks = 1'000'000;
  const double sum = 10'000.0 * 10'001 / 2;
  const auto counts = count_picks(balancer, weights.size(), picks);
  for (size_t i = 0; i < weights.size(); ++i) ASSERT_LT(std::abs(double(counts[i]) - picks * weights[i] / sum), 1);
}

TEST(RoundRobin, AvoidedHostLosesNoShare) {
  for (const std::vector<uint32_t>& weights :
       {std::vector<uint32_t>{1, 1, 1}, {1, 1}, {5, 1, 1}, {1, 2, 3, 4}, {3, 3, 2, 2}}) {
    SCOPED_TRACE(testing::PrintToString(weights));
    Balancer balancer(with("round_robin"), 5);
    balancer.set(weighted(weights), 0);
    const size_t sum = std::accumulate(weights.begin(), weights.end(), size_t(0));
    std::vector<uint32_t> count(weights.size());
    for (size_t i = 0; i < 100 * sum; ++i) {
      const auto avoid = uint32_t(i / 5 % weights.size());
      Ask ask;
      if (i % 5 == 0) ask = {.avoid = &avoid, .avoid_count = 1};
      const int picked = balancer.pick(ask);
      ASSERT_FALSE(ask.avoid_count > 0 && picked == int(avoid));
      ++count[size_t(picked)];
    }
    for (size_t i = 0; i < count.size(); ++i) EXPECT_NEAR(count[i], 100.0 * weights[i], 2);
  }
}

TEST(RoundRobin, AvoidedForLongComesBackWithoutABurst) {
  Balancer balancer(with("round_robin"), 5);
  balancer.set(weighted({9, 1, 2}), 0);
  const uint32_t avoid = 0;
  const auto others = count_picks(balancer, 3, 30'000, {.avoid = &avoid, .avoid_count = 1});
  EXPECT_EQ(others[0], 0u);
  EXPECT_NEAR(double(others[1]), 10'000, 400);
  const auto back = count_picks(balancer, 3, 1'200);
  EXPECT_NEAR(double(back[0]), 900, 100);  // of 27,000 turns that passed few are made up for
  EXPECT_EQ(count_picks(balancer, 3, 12), (std::vector<uint64_t>{9, 1, 2}));
}

TEST(RoundRobin, ManySetsOfTheSameHostsChangeNothing) {
  const std::vector<uint32_t> weights = {3, 1, 1, 2};
  Balancer balancer(with("round_robin"), 4);
  std::vector<int> picks;
  for (int i = 0; i < 700; ++i) {
    if (i % 2 == 0) balancer.set(weighted(weights), 0);
    picks.push_back(balancer.pick({}));
  }
  expect_exact_windows(picks, weights);
}

// Before every pick the last host comes or goes, so turns are carried from one order to the next all the time. Whoever
// goes leaves its turns behind, and so shares hold roughly only; what must not be is that some get all and some
// nothing.
TEST(RoundRobin, ManyChangesStarveNobody) {
  for (const std::vector<uint32_t>& weights :
       {std::vector<uint32_t>{1, 1, 1, 1, 1}, {4, 3, 2, 1, 1}, {20, 1, 1, 1, 1}}) {
    SCOPED_TRACE(testing::PrintToString(weights));
    Balancer balancer(with("round_robin"), 9);
    std::vector<double> count(5), due(5);
    double sum = 0;
    for (uint32_t weight : weights) sum += weight;
    for (int i = 0; i < 20'000; ++i) {
      auto hosts = weighted(weights);
      const bool all = i % 2 == 0;
      if (!all) hosts.pop_back();
      balancer.set(hosts, 0);
      ++count[size_t(balancer.pick({}))];
      for (size_t h = 0; h < hosts.size(); ++h) due[h] += weights[h] / (all ? sum : sum - weights[4]);
    }
    for (size_t h = 0; h < 4; ++h) EXPECT_NEAR(count[h], due[h], 0.25 * due[h]) << h;
    EXPECT_NEAR(count[4], due[4], 0.5 * due[4]);
  }
}

TEST(RoundRobin, IsExactAgainSoonAfterAChange) {
  Random random(11);
  for (int round = 0; round < 60; ++round) {
    std::vector<uint32_t> weights(3 + random.below(6));
    for (uint32_t& weight : weights) weight = uint32_t(1 + random.below(9));
    Balancer balancer(with("round_robin"), uint64_t(round));
    balancer.set(weighted(weights), 0);
    picks_of(balancer, random.below(50));
    weights[0] += 1;
    weights.pop_back();
    balancer.set(weighted(weights), 0);
    const size_t sum = std::accumulate(weights.begin(), weights.end(), size_t(0));
    expect_exact_windows(picks_of(balancer, 5 * sum), weights, sum);
  }
}

TEST(RoundRobin, BalancersThatStartTogetherDoNotAllBeginWithTheFirst) {
  std::vector<uint64_t> first(5);
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    Balancer balancer(with("round_robin"), seed);
    balancer.set(equal_hosts(5), 0);
    ++first[size_t(balancer.pick({}))];
  }
  expect_spread(first, {1, 1, 1, 1, 1});
}

}  // namespace
}  // namespace cardea::balance
