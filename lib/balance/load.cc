// How much of the load each priority and fitness gets: see load.h.
#include "balance/load.h"

#include <algorithm>

namespace cardea::balance {

namespace {

constexpr uint64_t kWhole = 1'000'000;  // 100 %, finer than in per cent: one host in thousands is not nothing

using Part = Load::Part;

// What a part of a priority's hosts can carry.
uint64_t capacity(uint64_t fit, const Census& level, uint32_t factor) {
  const uint64_t checked = level.all() - level.unchecked;
  if (fit == 0) return 0;
  const auto carried = (unsigned __int128)fit * factor * (kWhole / 100) / checked;
  return uint64_t(std::clamp<unsigned __int128>(carried, 1, kWhole));
}

// Even if all that are unchecked should turn out healthy.
bool panics(const Census& level, double threshold) {
  return double(level.all() - level.unhealthy) * 100 < std::min(threshold, 100.0) * double(level.all());
}

std::vector<Load> all_hosts_of(const std::vector<Census>& levels) {
  std::vector<Load> loads;
  for (const Census& level : levels) loads.push_back({Part::all, level.priority, level.all()});
  return loads;
}

// Nobody is known to be fit.
std::vector<Load> last_resort(const std::vector<Census>& levels, double threshold) {
  for (const Census& level : levels) {
    if (level.unchecked > 0 && !panics(level, threshold)) return {{Part::unchecked, level.priority, kWhole}};
  }
  return threshold > 0 ? all_hosts_of(levels) : std::vector<Load>();
}

}  // namespace

std::vector<Load> distribute(const std::vector<Census>& levels, const Options& options) {
  const double threshold = options.healthy_panic_threshold;
  uint64_t total = 0;
  const auto carries = [&](const Census& level, Part part) {
    return capacity(part == Part::healthy ? level.healthy : level.degraded, level,
                    std::max(1u, options.overprovisioning_factor));
  };
  for (const Census& level : levels) total += carries(level, Part::healthy) + carries(level, Part::degraded);
  if (total == 0) return last_resort(levels, threshold);

  const bool short_of = total < kWhole;
  const auto in_panic = [&](const Census& level) { return short_of && panics(level, threshold); };
  if (std::all_of(levels.begin(), levels.end(), in_panic)) return all_hosts_of(levels);
  total = std::min(total, kWhole);

  std::vector<Load> loads;
  uint64_t left = kWhole;
  for (Part part : {Part::healthy, Part::degraded}) {
    for (const Census& level : levels) {
      const uint64_t share = std::min(left, carries(level, part) * kWhole / total);
      if (share == 0) continue;
      left -= share;
      const Part taken = in_panic(level) ? Part::all : part;
      const auto same = std::find_if(loads.begin(), loads.end(), [&](const Load& load) {
        return load.part == taken && load.priority == level.priority;
      });
      if (same == loads.end()) {
        loads.push_back({taken, level.priority, share});
      } else {
        same->share += share;
      }
    }
  }
  loads.front().share += left;  // what rounding left
  return loads;
}

}  // namespace cardea::balance
