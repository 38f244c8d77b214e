// Least request: the least busy of a few, or in proportion to weight and idleness.
#include <algorithm>
#include <bit>
#include <cmath>

#include "balance/picker.h"

namespace cardea::balance {

namespace {

// With equal weights the least busy one of choice_count different ones.
//
// With unequal ones (and during slow start) a host is drawn in proportion to weight / (active + 1)^bias. A tree of sums
// finds it in O(log n). How busy hosts are changes behind our back, so the tree may be out of date: whoever is drawn is
// looked at again and taken only with the part of its share that is left, and each pick looks at kGlance more hosts
// in turn, so that those who became idle are noticed.
class LeastRequest final : public Picker {
 public:
  LeastRequest(const Options& options, const Crowd& crowd)
      : choices_(std::max(2u, options.least_request.choice_count)),
        bias_(std::max(0.0, options.least_request.active_request_bias)) {
    for (uint32_t i = 1; i < crowd.size && equal_; ++i) equal_ = crowd.host(i).weight == crowd.host(0).weight;
    if (equal_ && options.slow_start.window == 0) return;
    leaves_ = std::bit_ceil(crowd.size);
    sums_.resize(2 * size_t(leaves_));
    seen_.resize(crowd.size);
    for (uint32_t i = 0; i < crowd.size; ++i)
      sums_[leaves_ + i] = share(crowd.host(i), seen_[i] = active(crowd.host(i)));
    for (uint32_t node = leaves_ - 1; node > 0; --node) sums_[node] = sums_[2 * node] + sums_[2 * node + 1];
  }

  uint32_t pick(const Draw& draw) override { return equal_ && !draw.ramp ? least(draw) : weighted(draw); }

 private:
  static constexpr uint32_t kDistinct = 16, kGlance = 8;
  static constexpr int kTries = 48;

  static uint32_t active(const Host& host) { return host.active ? host.active->load(std::memory_order_relaxed) : 0; }
  double share(const Host& host, uint32_t active) const {
    const double busy = double(active) + 1;
    return host.weight / (bias_ == 1 ? busy : std::pow(busy, bias_));
  }

  // The least busy so far; among equals each has the same chance.
  struct Best {
    uint32_t slot = UINT32_MAX, active = 0, equals = 0;
    void see(uint32_t candidate, const Draw& draw) {
      if (draw.avoided(candidate)) return;
      const uint32_t now = LeastRequest::active(draw.crowd.host(candidate));
      if (slot == UINT32_MAX || now < active) {
        *this = {candidate, now, 1};
      } else if (now == active && draw.random.below(++equals) == 0) {
        slot = candidate;
      }
    }
  };

  uint32_t least(const Draw& draw) const {
    const uint32_t n = draw.crowd.size;
    Best best;
    if (choices_ >= n || choices_ > kDistinct) {
      // So many are looked at in a row from a random one on: that needs no memory of who was there.
      auto slot = uint32_t(draw.random.below(n));
      for (uint32_t i = std::min(choices_, n); i > 0; --i, slot = slot + 1 == n ? 0 : slot + 1) best.see(slot, draw);
    } else {
      // Floyd's way to draw different ones: the j-th comes out of the first j + 1, and who is there already gives way
      // to number j.
      uint32_t seen[kDistinct], count = 0;
      for (uint32_t j = n - choices_; j < n; ++j) {
        auto slot = uint32_t(draw.random.below(uint64_t(j) + 1));
        if (std::find(seen, seen + count, slot) != seen + count) slot = j;
        best.see(seen[count++] = slot, draw);
      }
    }
    return best.slot == UINT32_MAX ? draw.any_other() : best.slot;
  }

  uint32_t weighted(const Draw& draw) {
    const uint32_t n = draw.crowd.size;
    for (uint32_t i = std::min(kGlance, n); i > 0; --i) {
      look(glance_, draw);
      glance_ = glance_ + 1 >= n ? 0 : glance_ + 1;
      if (stale_ > 0) --stale_;
    }
    if (draw.ramp) stale_ = n;
    for (int tries = 0; tries < kTries && sums_[1] > 0; ++tries) {
      const uint32_t slot = descend(draw.random.unit() * sums_[1]);
      if (slot >= n) continue;  // rounding
      const double believed = sums_[leaves_ + slot];
      look(slot, draw);
      const double is = sums_[leaves_ + slot];
      if (!draw.avoided(slot) && (is >= believed || draw.random.unit() * believed < is)) return slot;
    }
    return draw.any_other();
  }

  void look(uint32_t slot, const Draw& draw) {
    const Host& host = draw.crowd.host(slot);
    const uint32_t now = active(host);
    if (now == seen_[slot] && stale_ == 0) return;
    seen_[slot] = now;
    set(slot, share(host, now) * (draw.ramp ? draw.ramp->of(host.fit_since) : 1));
  }

  void set(uint32_t slot, double value) {
    uint32_t node = leaves_ + slot;
    if (sums_[node] == value) return;
    sums_[node] = value;
    for (node /= 2; node > 0; node /= 2) sums_[node] = sums_[2 * node] + sums_[2 * node + 1];
  }

  uint32_t descend(double at) const {
    uint32_t node = 1;
    while (node < leaves_) {
      node *= 2;
      if (at >= sums_[node]) at -= sums_[node++];
    }
    return node - leaves_;
  }

  bool equal_ = true;
  uint32_t choices_;
  double bias_;
  uint32_t leaves_ = 0, glance_ = 0;
  uint32_t stale_ = 0;          // leaves that may have been written with a ramp that is no longer true
  std::vector<double> sums_;    // sums_[1] is that of all; a node's children are at 2i and 2i + 1
  std::vector<uint32_t> seen_;  // how busy each was when its leaf was written
};

}  // namespace

std::unique_ptr<Picker> make_least_request(const Options& options, const Crowd& crowd, Random&) {
  return std::make_unique<LeastRequest>(options, crowd);
}

}  // namespace cardea::balance
