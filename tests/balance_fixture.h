// Hosts for balancers, and whether counts of picks are what they should be.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <deque>
#include <string>
#include <vector>

#include "balance/balance.h"

namespace cardea::balance {

using Fitness = Host::Fitness;

inline Options with(const std::string& algorithm) {
  Options options;
  options.algorithm = algorithm;
  return options;
}

inline std::vector<Host> weighted(const std::vector<uint32_t>& weights, uint32_t priority = 0,
                                  Fitness fitness = Fitness::healthy) {
  std::vector<Host> hosts;
  for (uint32_t weight : weights) {
    hosts.push_back(
        {"10." + std::to_string(priority) + ".0." + std::to_string(hosts.size()) + ":80", weight, priority, fitness});
  }
  return hosts;
}

inline std::vector<Host> equal_hosts(size_t count) {
  return weighted(std::vector<uint32_t>(count, 1));
}

inline std::vector<Host> operator+(std::vector<Host> a, const std::vector<Host>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

inline std::vector<uint64_t> count_picks(Balancer& balancer, size_t hosts, size_t picks, const Ask& ask = {}) {
  std::vector<uint64_t> counts(hosts);
  for (size_t i = 0; i < picks; ++i) {
    const int picked = balancer.pick(ask);
    if (picked < 0 || size_t(picked) >= hosts) {
      ADD_FAILURE() << "picked " << picked;
      break;
    }
    ++counts[size_t(picked)];
  }
  return counts;
}

// Pearson's test: counts could have come from these shares (of any sum), but for one case in 30,000.
inline void expect_spread(const std::vector<uint64_t>& counts, const std::vector<double>& shares) {
  ASSERT_EQ(counts.size(), shares.size());
  double picks = 0, sum = 0, chi = 0;
  for (uint64_t n : counts) picks += double(n);
  for (double share : shares) sum += share;
  int freedom = -1;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double expected = picks * shares[i] / sum;
    if (expected == 0) {
      EXPECT_EQ(counts[i], 0u) << "host " << i;
      continue;
    }
    ASSERT_GE(expected, 5) << "too few picks for the test to mean anything";
    chi += (double(counts[i]) - expected) * (double(counts[i]) - expected) / expected;
    ++freedom;
  }
  if (freedom <= 0) return;
  const double k = freedom, a = 2 / (9 * k);
  EXPECT_LT(chi, k * std::pow(1 - a + 4 * std::sqrt(a), 3)) << testing::PrintToString(counts);  // Wilson, Hilferty
}

}  // namespace cardea::balance
