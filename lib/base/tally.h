// Numbers that one thread counts and any thread reads.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace cardea {

using Count = std::atomic<uint64_t>;

// By the one writer: no locked instruction.
inline void add(Count& c, uint64_t n = 1) {
  c.store(c.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}
inline void sub(Count& c, uint64_t n = 1) {
  c.store(c.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
}
// By any thread.
inline void add_shared(Count& c, uint64_t n = 1) {
  c.fetch_add(n, std::memory_order_relaxed);
}

// Milliseconds, sorted into buckets; the last one has no upper bound. One writer, as above.
template <const auto& kBounds>
class Histogram {
 public:
  static constexpr size_t kBuckets = kBounds.size() + 1;
  static constexpr const auto& bounds() { return kBounds; }  // inclusive

  void observe(uint64_t ms) {
    size_t i = 0;
    while (i < kBounds.size() && ms > kBounds[i]) ++i;
    cardea::add(buckets_[i]);
    cardea::add(sum_, ms);
  }
  void add(const Histogram& other) {
    for (size_t i = 0; i < kBuckets; ++i) cardea::add(buckets_[i], other.bucket(i));
    cardea::add(sum_, other.sum());
  }
  uint64_t bucket(size_t i) const { return buckets_[i].load(std::memory_order_relaxed); }
  uint64_t sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::array<Count, kBuckets> buckets_{};
  Count sum_{0};
};

inline constexpr std::array<uint64_t, 14> kLatencyBounds{1,   5,    10,   25,   50,     100,    250,
                                                         500, 1000, 2500, 5000, 10'000, 30'000, 60'000};
inline constexpr std::array<uint64_t, 9> kLifetimeBounds{100,     1000,      10'000,     60'000,    300'000,
                                                         600'000, 3'600'000, 21'600'000, 86'400'000};
using LatencyHistogram = Histogram<kLatencyBounds>;
using LifetimeHistogram = Histogram<kLifetimeBounds>;

}  // namespace cardea
