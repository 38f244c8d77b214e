// How much of the load each priority and fitness gets.
#pragma once

#include <cstdint>
#include <vector>

#include "balance/balance.h"

namespace cardea::balance {

// Hosts of one priority that have a weight.
struct Census {
  uint32_t priority = 0;
  uint64_t healthy = 0, degraded = 0, unchecked = 0, unhealthy = 0;
  uint64_t all() const { return healthy + degraded + unchecked + unhealthy; }
};

// A part of the load and those hosts of a priority that share it.
struct Load {
  enum class Part : uint8_t { healthy, degraded, unchecked, all } part;
  uint32_t priority;
  uint64_t share;  // of all shares together; > 0
  bool operator==(const Load&) const = default;
};

// In the order of preference. `levels`: by priority, each with hosts. See Balancer for the rules.
std::vector<Load> distribute(const std::vector<Census>& levels, const Options& options);

}  // namespace cardea::balance
