// Turns in exact proportion to weights.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/random.h"

namespace cardea::balance {

// Of n items with weights w and the sum S, the k-th turn of one (k from 0) may be taken from tick k S/w on and must be
// before tick (k + 1) S/w; a tick is one pick, and of those that may, the one that must first is next. With integer
// bounds this always works out (as unit jobs on one machine under earliest deadline first), so after any number of
// ticks each item is less than one turn away from its exact share, and any S ticks give it exactly w turns.
//
// A pick costs O(log n) on average; one in S ticks, when all rounds end together, O(n log n). Nothing is allocated
// after start().
class Schedule {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Item {
    uint64_t weight;  // > 0; the sum of all stays below 2^62
    double lag = 0;   // turns that it has coming from before
  };
  // Whole turns of the lags are kept exactly, fractions by chance, so that nobody gains by many starts.
  void start(const std::vector<Item>& items, Random& random);
  size_t size() const { return turns_.size(); }
  double lag(uint32_t item) const;  // turns that it has coming

  uint32_t next() {
    return pick([](uint32_t) { return true; }, nullptr);
  }
  // The next that `accept` likes. The others keep their turns and have them as soon as they are liked. Should only few
  // be liked for long, they are not charged for more than kAhead turns, and then `random` decides among them by weight.
  template <class Accept>
  uint32_t pick(const Accept& accept, Random* random) {
    release();
    uint32_t item = take(may_, accept);
    if (item == kNone) {
      item = take(later_, accept);
      if (item == kNone) return kNone;
      if (random && turns_[item].begin - tick_ > kAhead * (turns_[item].stride + 1)) {
        enter(item);
        return draw(accept, *random);
      }
    }
    count(item);
    return item;
  }

 private:
  static constexpr int64_t kAhead = 4;
  // The turn of an item that comes next begins at begin + part / weight.
  struct Turn {
    int64_t begin;
    uint64_t part, weight;
    int64_t stride;   // S / weight
    uint64_t excess;  // S % weight
  };
  struct Entry {
    int64_t when;
    uint32_t item;
  };
  static bool after(const Entry& a, const Entry& b) { return a.when != b.when ? a.when > b.when : a.item > b.item; }

  // Takes the first liked one out of a heap; those before it go back.
  template <class Accept>
  static uint32_t take(std::vector<Entry>& heap, const Accept& accept) {
    size_t end = heap.size();
    uint32_t found = kNone;
    while (end > 0 && found == kNone) {
      std::pop_heap(heap.begin(), heap.begin() + std::ptrdiff_t(end), after);
      --end;
      if (accept(heap[end].item)) found = heap[end].item;
    }
    if (found != kNone) {
      heap[end] = heap.back();
      heap.pop_back();
    }
    while (end < heap.size()) std::push_heap(heap.begin(), heap.begin() + std::ptrdiff_t(++end), after);
    return found;
  }
  template <class Accept>
  uint32_t draw(const Accept& accept, Random& random) const {
    for (int tries = 0; tries < 8; ++tries) {
      const uint64_t at = random.below(sums_.back());
      const auto item = uint32_t(std::upper_bound(sums_.begin(), sums_.end(), at) - sums_.begin());
      if (accept(item)) return item;
    }
    auto item = uint32_t(random.below(turns_.size()));
    for (size_t steps = turns_.size(); steps > 0; --steps, item = item + 1 == turns_.size() ? 0 : item + 1) {
      if (accept(item)) return item;
    }
    return kNone;
  }
  void release();
  void count(uint32_t item);
  void enter(uint32_t item);

  int64_t tick_ = 0;
  std::vector<Turn> turns_;
  std::vector<Entry> may_, later_;  // heaps: by the end of the turn; by its beginning
  std::vector<uint64_t> sums_;      // of weights up to and with each item
};

}  // namespace cardea::balance
