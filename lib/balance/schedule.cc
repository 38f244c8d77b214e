// Turns in exact proportion to weights: see schedule.h.
#include "balance/schedule.h"

#include <cmath>

namespace cardea::balance {

void Schedule::start(const std::vector<Item>& items, Random& random) {
  turns_.clear();
  may_.clear();
  later_.clear();
  sums_.clear();
  tick_ = 0;
  uint64_t sum = 0;
  for (const Item& item : items) sums_.push_back(sum += item.weight);
  may_.reserve(items.size());
  later_.reserve(items.size());
  turns_.reserve(items.size());
  // Rounding the running sum and not each lag keeps the total, and with a random threshold nobody's expectation moves.
  double running = random.unit();
  for (const Item& item : items) {
    const double before = std::floor(running);
    running += item.lag;
    const auto taken = int64_t(before - std::floor(running));
    using Wide = __int128;
    const Wide position = Wide(taken) * Wide(sum);
    const Wide weight = Wide(item.weight);
    const Wide begin = position >= 0 ? position / weight : -((-position + weight - 1) / weight);
    turns_.push_back({int64_t(begin), uint64_t(position - begin * weight), item.weight, int64_t(sum / item.weight),
                      sum % item.weight});
    tick_ += taken;
  }
  for (uint32_t i = 0; i < turns_.size(); ++i) enter(i);
}

double Schedule::lag(uint32_t item) const {
  const Turn& turn = turns_[item];
  const double late = double(tick_ - turn.begin) - double(turn.part) / double(turn.weight);
  return late * double(turn.weight) / double(sums_.back());
}

void Schedule::enter(uint32_t item) {
  const Turn& turn = turns_[item];
  if (turn.begin > tick_) {
    later_.push_back({turn.begin, item});
    std::push_heap(later_.begin(), later_.end(), after);
    return;
  }
  const bool carries = turn.part + turn.excess >= turn.weight;
  const uint64_t part = turn.part + turn.excess - (carries ? turn.weight : 0);
  may_.push_back({turn.begin + turn.stride + carries + (part > 0), item});
  std::push_heap(may_.begin(), may_.end(), after);
}

void Schedule::release() {
  while (!later_.empty() && later_.front().when <= tick_) {
    const uint32_t item = later_.front().item;
    std::pop_heap(later_.begin(), later_.end(), after);
    later_.pop_back();
    enter(item);
  }
}

void Schedule::count(uint32_t item) {
  Turn& turn = turns_[item];
  ++tick_;
  turn.begin += turn.stride;
  turn.part += turn.excess;
  if (turn.part >= turn.weight) {
    turn.part -= turn.weight;
    ++turn.begin;
  }
  enter(item);
}

}  // namespace cardea::balance
