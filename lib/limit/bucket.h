// A leaky bucket as a meter, in whole numbers: what was taken leaks away at a steady rate. Pure.
#pragma once

#include <algorithm>

#include "limit/terms.h"

namespace cardea::limit {

// How a bucket fills and leaks. Units are chosen so that nothing is ever rounded: a request costs `per`, a byte 1000.
struct Rate {
  uint64_t cost = 0;      // of one request or byte
  uint64_t leak = 0;      // per millisecond; 0: no limit
  uint64_t capacity = 0;  // a multiple of cost
  bool limits() const { return leak != 0; }

  static Rate of(const Terms::Window& w) { return {w.per, w.requests, w.per * w.burst}; }
  // A quarter of a second at once, within reason.
  static Rate of_bytes(uint64_t per_second) {
    return {1000, per_second, 1000 * std::clamp(per_second / 4, kMinBurst, kMaxBurst)};
  }
  static constexpr uint64_t kMinBurst = 16 * 1024, kMaxBurst = 4 * 1024 * 1024;
};

// Callers bring a clock that never goes back.
class Bucket {
 public:
  // How long until `n` more fit; 0: they do now.
  Millis wait(const Rate& rate, uint64_t n, Millis now) {
    leak(rate, now);
    const uint64_t wanted = level_ + n * rate.cost;
    return wanted <= rate.capacity ? 0 : (wanted - rate.capacity + rate.leak - 1) / rate.leak;
  }
  uint64_t room(const Rate& rate, Millis now) {
    leak(rate, now);
    return level_ >= rate.capacity ? 0 : (rate.capacity - level_) / rate.cost;
  }
  // May go above the capacity: a debt.
  void add(const Rate& rate, uint64_t n, Millis now) {
    leak(rate, now);
    level_ += n * rate.cost;
  }
  void take_back(const Rate& rate, Millis now) {
    leak(rate, now);
    level_ -= std::min(level_, rate.cost);
  }
  // When it will be as if it had never been used, if nothing more comes.
  Millis empty_at(const Rate& rate) const {
    return !rate.limits() || level_ == 0 ? 0 : stamp_ + (level_ + rate.leak - 1) / rate.leak;
  }
  // The numbers have changed: what was taken stays taken, and leaks at the new rate from now on.
  void convert(const Rate& before, const Rate& after, Millis now) {
    leak(before, now);
    const auto level = (unsigned __int128)level_ * after.cost / std::max<uint64_t>(before.cost, 1);
    level_ = uint64_t(std::min<unsigned __int128>(level, after.capacity));
  }

 private:
  void leak(const Rate& rate, Millis now) {
    const Millis passed = now - stamp_;
    stamp_ = now;
    if (level_) level_ -= passed > level_ / std::max<uint64_t>(rate.leak, 1) ? level_ : passed * rate.leak;
  }
  uint64_t level_ = 0;
  Millis stamp_ = 0;
};

}  // namespace cardea::limit
