// The table of algorithms, and the one that needs no file of its own.
#include <algorithm>
#include <cmath>

#include "balance/picker.h"

namespace cardea::balance {

namespace {

constexpr Algorithm kAlgorithms[] = {
    {"round_robin", false, make_round_robin},
    {"least_request", false, make_least_request},
    {"random", false, make_random},
    {"ring_hash", true, make_ring_hash},
    {"maglev", true, make_maglev},
    {"host", false, nullptr},
};

// By weight in O(1), with the alias method (Walker, Vose) in whole numbers: each column is as high as the sum of all
// weights and holds a host and, above `limit`, one other. Equal weights need no table.
class Chance final : public Picker {
 public:
  explicit Chance(const Crowd& crowd) {
    bool equal = true;
    for (uint32_t i = 1; i < crowd.size && equal; ++i) equal = crowd.host(i).weight == crowd.host(0).weight;
    if (equal) return;
    std::vector<uint32_t> small, large;
    columns_.resize(crowd.size);
    for (uint32_t i = 0; i < crowd.size; ++i) height_ += crowd.host(i).weight;
    for (uint32_t i = 0; i < crowd.size; ++i) {
      columns_[i] = {uint64_t(crowd.host(i).weight) * crowd.size, i};
      (columns_[i].limit < height_ ? small : large).push_back(i);
    }
    while (!small.empty() && !large.empty()) {
      const uint32_t low = small.back(), high = large.back();
      small.pop_back();
      columns_[low].above = high;
      columns_[high].limit -= height_ - columns_[low].limit;
      if (columns_[high].limit >= height_) continue;
      large.pop_back();
      small.push_back(high);
    }
  }

  uint32_t pick(const Draw& draw) override {
    for (int tries = 0; tries < kTries; ++tries) {
      const auto column = uint32_t(draw.random.below(draw.crowd.size));
      const bool below = columns_.empty() || draw.random.below(height_) < columns_[column].limit;
      const uint32_t slot = below ? column : columns_[column].above;
      if (draw.avoid_count == 0 || !draw.avoided(slot)) return slot;
    }
    return draw.any_other();
  }

 private:
  static constexpr int kTries = 32;
  struct Column {
    uint64_t limit;
    uint32_t above;
  };
  std::vector<Column> columns_;
  uint64_t height_ = 0;
};

}  // namespace

std::unique_ptr<Picker> make_random(const Options&, const Crowd& crowd, Random&) {
  return std::make_unique<Chance>(crowd);
}

const Algorithm* find_algorithm(Bytes name) {
  const auto row = std::find_if(std::begin(kAlgorithms), std::end(kAlgorithms),
                                [&](const Algorithm& algorithm) { return algorithm.name == name; });
  return row == std::end(kAlgorithms) ? nullptr : row;
}

bool known_algorithm(Bytes name) {
  return find_algorithm(name) != nullptr;
}

bool hashes(Bytes name) {
  const Algorithm* algorithm = find_algorithm(name);
  return algorithm && algorithm->hashes;
}

double Ramp::height(Millis fit_since) const {
  if (fit_since == 0) return 1;
  // Clocks of two threads may differ a little, so it may not have begun yet. At least one millisecond and 1 %, so that
  // nobody is left out and no search is long.
  const Millis passed = now_ > fit_since ? now_ - fit_since : 1;
  if (passed >= options_.window) return 1;
  const double time = double(passed) / double(options_.window);
  const double share = options_.aggression == 1 ? time : std::pow(time, 1 / options_.aggression);
  const double least = std::min(1.0, std::max(0.01, options_.min_weight_percent / 100));
  return share > least ? std::min(share, 1.0) : least;
}

}  // namespace cardea::balance
