// A count with a limit that several threads share.
#pragma once

#include <atomic>
#include <cstdint>

namespace cardea::cluster {

// Taken and given back by every worker; never past its limit, and never refused below it.
class Gauge {
 public:
  static constexpr uint32_t kNoLimit = UINT32_MAX;
  bool take(uint32_t limit) {
    if (limit == kNoLimit) {
      value_.fetch_add(1, std::memory_order_relaxed);
      return true;
    }
    uint32_t now = value();
    do {
      if (now >= limit) return false;
    } while (!value_.compare_exchange_weak(now, now + 1, std::memory_order_relaxed));
    return true;
  }
  void give_back() { value_.fetch_sub(1); }
  uint32_t value() const { return value_.load(std::memory_order_relaxed); }
  // In one order with every give_back() and other such operations.
  uint32_t exact() const { return value_.load(); }
  const std::atomic<uint32_t>* watched() const { return &value_; }  // for balance::Host

 private:
  std::atomic<uint32_t> value_{0};
};

}  // namespace cardea::cluster
