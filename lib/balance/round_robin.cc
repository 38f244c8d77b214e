// Weighted round robin, exact.
#include <algorithm>
#include <numeric>
#include <utility>

#include "balance/picker.h"
#include "balance/schedule.h"

namespace cardea::balance {

namespace {

// Hosts of one weight form a group and take turns within it; groups take turns by their weights. Both are exact, and so
// is what comes of it: a host is never a whole pick away from its share, and any window of as many picks as the weights
// sum up to has each host as often as it weighs. With equal weights there is one group, and a pick is one step.
class RoundRobin final : public Picker {
 public:
  RoundRobin(const Options& options, const Crowd& crowd, Random& random) {
    order_.resize(crowd.size);
    std::iota(order_.begin(), order_.end(), 0);
    std::sort(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) {
      const uint32_t weight_a = crowd.host(a).weight, weight_b = crowd.host(b).weight;
      return weight_a != weight_b ? weight_a > weight_b : a < b;
    });
    std::vector<Schedule::Item> items;
    for (uint32_t at = 0; at < crowd.size;) {
      const uint32_t begin = at, weight = crowd.host(order_[at]).weight;
      double lag = 0;
      for (; at < crowd.size && crowd.host(order_[at]).weight == weight; ++at) lag += crowd.credit(order_[at]).turns;
      groups_.push_back({begin, at - begin});
      items.push_back({uint64_t(weight) * (at - begin), lag});
      line_up(groups_.back(), crowd, random);
    }
    schedule_.start(items, random);
    if (options.slow_start.window > 0) {
      climbed_.resize(crowd.size);
      for (double& climbed : climbed_) climbed = random.unit();
    }
  }

  uint32_t pick(const Draw& draw) override {
    uint32_t slot = turn(draw);
    // A host on the ramp takes only that share of its turns: the rest of the order stays as it is.
    for (int skipped = 0; draw.ramp && !takes(slot, draw) && skipped < kSkips; ++skipped) slot = turn(draw);
    return slot;
  }

  void save(Credit* by_slot) const override {
    for (uint32_t g = 0; g < groups_.size(); ++g) {
      const Group& group = groups_[g];
      const double each = (schedule_.lag(g) + group.next - group.owed) / group.size;
      for (uint32_t i = 0; i < group.size; ++i) {
        const bool had = i < group.next;
        by_slot[order_[group.begin + i]] = {each - had, had ? i + group.size : i};
      }
      for (uint32_t i = 0; i < group.owed; ++i) {
        by_slot[group.owes[i]].turns += 1;
        by_slot[group.owes[i]].place = i;
      }
    }
  }

 private:
  static constexpr int kSkips = 512;  // ramps are no lower than 1 %, so this is for the unlikely
  static constexpr uint32_t kOwed = 8;
  struct Group {
    uint32_t begin, size;  // in order_
    uint32_t next = 0;     // whose turn it is, from begin
    uint32_t owed = 0;     // turns that passed because their hosts were avoided: those come first, once each
    uint32_t owes[kOwed] = {};
  };

  // Who has been there goes on in the old order, with newcomers anywhere in between: behind all others they would never
  // have a turn if sets come often, and before them too many.
  void line_up(Group& group, const Crowd& crowd, Random& random) {
    const auto begin = order_.begin() + group.begin, end = begin + group.size;
    const auto known =
        std::partition(begin, end, [&](uint32_t slot) { return crowd.credit(slot).place != UINT32_MAX; });
    if (known == begin) {
      group.next = uint32_t(random.below(group.size));  // many that start together must not all begin with the first
      return;
    }
    std::sort(begin, known, [&](uint32_t a, uint32_t b) {
      const Credit &of_a = crowd.credit(a), &of_b = crowd.credit(b);
      if (of_a.turns != of_b.turns) return of_a.turns > of_b.turns;
      return of_a.place != of_b.place ? of_a.place < of_b.place : a < b;
    });
    if (known == end) return;
    std::vector<std::pair<double, uint32_t>> places;
    for (auto at = begin; at != end; ++at) {
      places.emplace_back(at < known ? (double(at - begin) + random.unit()) / double(known - begin) : random.unit(),
                          *at);
    }
    std::sort(places.begin(), places.end());
    for (uint32_t i = 0; i < group.size; ++i) begin[i] = places[i].second;
  }

  uint32_t turn(const Draw& draw) {
    if (groups_.size() == 1) return turn_of(groups_[0], draw);
    if (draw.avoid_count == 0) return turn_of(groups_[schedule_.next()], draw);
    const uint32_t group = schedule_.pick([&](uint32_t g) { return open(groups_[g], draw); }, &draw.random);
    return turn_of(groups_[group], draw);
  }

  // Whether one of the group is not avoided. Each step uses up an entry of `avoid`.
  bool open(const Group& group, const Draw& draw) const {
    const auto begin = order_.begin() + group.begin;
    return std::any_of(begin, begin + group.size, [&](uint32_t slot) { return !draw.avoided(slot); });
  }

  uint32_t turn_of(Group& group, const Draw& draw) {
    for (uint32_t i = 0; i < group.owed; ++i) {
      const uint32_t slot = group.owes[i];
      if (draw.avoided(slot)) continue;
      std::copy(group.owes + i + 1, group.owes + group.owed, group.owes + i);
      --group.owed;
      return slot;
    }
    for (;;) {
      const uint32_t slot = order_[group.begin + group.next];
      group.next = group.next + 1 == group.size ? 0 : group.next + 1;
      if (draw.avoid_count == 0 || !draw.avoided(slot)) return slot;
      owe(group, slot);
    }
  }

  static void owe(Group& group, uint32_t slot) {
    if (group.owed == kOwed || std::find(group.owes, group.owes + group.owed, slot) != group.owes + group.owed) return;
    group.owes[group.owed++] = slot;
  }

  bool takes(uint32_t slot, const Draw& draw) {
    const double share = draw.ramp->of(draw.crowd.host(slot).fit_since);
    if (share >= 1) return true;
    climbed_[slot] += share;
    if (climbed_[slot] < 1) return false;
    climbed_[slot] -= 1;
    return true;
  }

  std::vector<uint32_t> order_;  // slots, group after group
  std::vector<Group> groups_;
  Schedule schedule_;
  std::vector<double> climbed_;  // parts of turns that slow hosts have collected
};

}  // namespace

std::unique_ptr<Picker> make_round_robin(const Options& options, const Crowd& crowd, Random& random) {
  return std::make_unique<RoundRobin>(options, crowd, random);
}

}  // namespace cardea::balance
