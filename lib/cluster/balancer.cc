// Balancing algorithms and their table.
#include <algorithm>

#include "cluster/cluster.h"

namespace cardea::cluster {

namespace {

// The endpoint whose next pick is due first wins. With k picks so far, weight w and the sum S, the next one is due
// at (2k + 1) / 2w of a round of S picks: the middle of its share, which spreads picks evenly. After S picks every
// k has grown by its w and every due time by one, so the order repeats and any window of S picks is exact.
class RoundRobin final : public Balancer {
 public:
  void set(const std::vector<EndpointPtr>& endpoints) override {
    slots_.clear();
    next_ = 0;
    for (const EndpointPtr& e : endpoints) {
      if (e->weight > 0) slots_.push_back({e, 0, uint32_t(slots_.size())});
    }
    equal_ = std::all_of(slots_.begin(), slots_.end(),
                         [this](const Slot& s) { return s.endpoint->weight == slots_[0].endpoint->weight; });
    if (!equal_) std::make_heap(slots_.begin(), slots_.end(), later);
  }

  EndpointPtr pick(const Endpoint* avoid) override {
    if (slots_.empty()) return nullptr;
    return equal_ ? pick_equal(avoid) : pick_weighted(avoid);
  }

 private:
  struct Slot {
    EndpointPtr endpoint;
    uint64_t picked;
    uint32_t order;
  };

  static bool later(const Slot& a, const Slot& b) {
    using Wide = unsigned __int128;
    Wide due_a = Wide(2 * a.picked + 1) * b.endpoint->weight;
    Wide due_b = Wide(2 * b.picked + 1) * a.endpoint->weight;
    return due_a != due_b ? due_a > due_b : a.order > b.order;
  }

  EndpointPtr pick_equal(const Endpoint* avoid) {
    size_t i = next_;
    next_ = i + 1 == slots_.size() ? 0 : i + 1;
    // The avoided one changes places with its successor and is next: nobody's share is lost.
    if (slots_[i].endpoint.get() == avoid && slots_.size() > 1) std::swap(slots_[i], slots_[next_]);
    return slots_[i].endpoint;
  }

  EndpointPtr pick_weighted(const Endpoint* avoid) {
    std::pop_heap(slots_.begin(), slots_.end(), later);
    if (slots_.back().endpoint.get() != avoid || slots_.size() == 1) return count(slots_.end() - 1);
    // The avoided one stays the first in order and is picked as soon as nobody avoids it.
    std::pop_heap(slots_.begin(), slots_.end() - 1, later);
    EndpointPtr picked = count(slots_.end() - 2);
    std::push_heap(slots_.begin(), slots_.end(), later);
    return picked;
  }

  // Counts a pick of the slot that pop_heap has moved to `at` and puts it back into the heap before it.
  EndpointPtr count(std::vector<Slot>::iterator at) {
    ++at->picked;
    EndpointPtr picked = at->endpoint;
    std::push_heap(slots_.begin(), at + 1, later);
    return picked;
  }

  std::vector<Slot> slots_;  // a ring when all weights are equal, a heap otherwise
  size_t next_ = 0;
  bool equal_ = true;
};

std::unique_ptr<Balancer> make_round_robin() {
  return std::make_unique<RoundRobin>();
}

struct BalancerRow {
  const char* name;
  std::unique_ptr<Balancer> (*make)();
};
constexpr BalancerRow kBalancers[] = {
    {"round_robin", make_round_robin},
};

}  // namespace

std::unique_ptr<Balancer> make_balancer(const std::string& name) {
  for (const BalancerRow& row : kBalancers) {
    if (name == row.name) return row.make();
  }
  return nullptr;
}

bool known_balancer(const std::string& name) {
  return std::any_of(std::begin(kBalancers), std::end(kBalancers),
                     [&](const BalancerRow& row) { return name == row.name; });
}

}  // namespace cardea::cluster
