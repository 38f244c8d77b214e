// Consistent hashing: the ring and the table of Maglev.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "balance/picker.h"

namespace cardea::balance {

namespace {

constexpr uint64_t kMaximumRing = 8ull << 20, kMaximumTable = 5000011;
constexpr int kSteps = 64;  // to find another than the avoided ones along the ring or in the table

// Each host has places on a ring of 2^64, as many as its weight asks for; a key belongs to the first place at or behind
// it. The host with the least weight of its priority has ceil(minimum_ring_size * weight / sum), and others as many
// more as they weigh, unless the ring would be larger than maximum_ring_size: then all have as much less, but one.
//
// The measure is the whole priority, whoever takes part at the moment. So a host that falls ill takes its places with
// it and all others keep exactly theirs.
class Ring final : public Picker {
 public:
  Ring(const Options::RingHash& options, const Crowd& crowd) {
    const uint64_t maximum = std::clamp<uint64_t>(options.maximum_ring_size, 1, kMaximumRing);
    const uint64_t minimum = std::clamp<uint64_t>(options.minimum_ring_size, 1, maximum);
    using Wide = unsigned __int128;
    const Wide sum = crowd.weight_sum, least = crowd.weight_least;
    const Wide unit = (least * minimum + sum - 1) / sum;
    const bool cut = unit * sum > least * maximum;
    const auto places = [&](uint32_t slot) {
      const Wide weight = crowd.host(slot).weight;
      return std::max<uint64_t>(1, uint64_t(cut ? weight * maximum / sum : (weight * unit + least / 2) / least));
    };
    uint64_t total = 0;
    for (uint32_t i = 0; i < crowd.size; ++i) total += places(i);
    places_.reserve(total);
    std::string name;
    for (uint32_t i = 0; i < crowd.size; ++i) {
      name.assign(crowd.host(i).key).push_back('_');
      const size_t stem = name.size();
      // A twin would otherwise hide behind the first one of its key.
      const uint64_t twin = crowd.twins[crowd.numbers[i]];
      for (uint64_t n = 0, count = places(i); n < count; ++n) {
        char digits[20];
        name.resize(stem);
        name.append(digits, std::to_chars(digits, digits + sizeof digits, n).ptr);
        places_.push_back({options.hash_function == Options::RingHash::Function::xx_hash
                               ? hash64(name, twin)
                               : murmur64(name, kMurmurSeed + twin),
                           i});
      }
    }
    std::sort(places_.begin(), places_.end(),
              [](const Place& a, const Place& b) { return a.at != b.at ? a.at < b.at : a.slot < b.slot; });
  }

  uint32_t pick(const Draw& draw) override {
    auto place = std::lower_bound(places_.begin(), places_.end(), draw.hash,
                                  [](const Place& p, uint64_t hash) { return p.at < hash; });
    for (int steps = 0; steps < kSteps; ++steps, ++place) {
      if (place == places_.end()) place = places_.begin();
      if (draw.avoid_count == 0 || !draw.avoided(place->slot)) return place->slot;
    }
    return draw.other(uint32_t(remix(draw.hash) % draw.crowd.size));
  }

 private:
  static constexpr uint64_t kMurmurSeed = 0xc70f6907;  // that of GNU's std::hash, which Envoy's rings are made with
  struct Place {
    uint64_t at;
    uint32_t slot;
  };
  std::vector<Place> places_;
};

// Maglev (Eisenbud and others, NSDI 2016, 3.4): each host has an order in which it prefers the rows of a table, and
// they take rows in turn until none is free. Turns come in proportion to weight: the k-th of a host is due at
// (2k + 1) / 2w, which does not depend on who else is there. Equals take turns in the order of their keys. With fewer
// rows than hosts the last ones have none.
class Maglev final : public Picker {
 public:
  Maglev(const Options::Maglev& options, const Crowd& crowd) {
    uint64_t rows = std::clamp<uint64_t>(options.table_size, 2, kMaximumTable);
    while (!is_prime(rows)) ++rows;
    rows_.assign(rows, kFree);
    fill(makers(crowd));
  }

  uint32_t pick(const Draw& draw) override {
    uint64_t hash = draw.hash;
    for (int steps = 0; steps < kSteps; ++steps, hash = remix(hash + 1)) {
      const uint32_t slot = rows_[hash % rows_.size()];
      if (draw.avoid_count == 0 || !draw.avoided(slot)) return slot;
    }
    return draw.other(uint32_t(hash % draw.crowd.size));
  }

 private:
  static constexpr uint32_t kFree = UINT32_MAX;
  struct Maker {
    uint64_t row, skip;
    uint64_t turns;  // taken
    uint32_t slot, weight, rank;
  };

  std::vector<Maker> makers(const Crowd& crowd) const {
    std::vector<Maker> all;
    all.reserve(crowd.size);
    for (uint32_t i = 0; i < crowd.size; ++i) {
      const uint32_t number = crowd.numbers[i];
      const uint64_t twin = uint64_t(crowd.twins[number]) * 2;
      const Host& host = crowd.hosts[number];
      all.push_back({hash64(host.key, twin) % rows_.size(), hash64(host.key, twin + 1) % (rows_.size() - 1) + 1, 0, i,
                     host.weight, crowd.ranks[number]});
    }
    std::sort(all.begin(), all.end(), [](const Maker& a, const Maker& b) { return a.rank < b.rank; });
    return all;
  }

  void fill(std::vector<Maker> all) {
    const bool equal =
        std::all_of(all.begin(), all.end(), [&](const Maker& maker) { return maker.weight == all[0].weight; });
    if (equal) {
      for (size_t left = rows_.size(), i = 0; left > 0; --left, i = i + 1 == all.size() ? 0 : i + 1) take(all[i]);
      return;
    }
    const auto later = [](const Maker& a, const Maker& b) {
      const auto due_a = (unsigned __int128)(2 * a.turns + 1) * b.weight;
      const auto due_b = (unsigned __int128)(2 * b.turns + 1) * a.weight;
      return due_a != due_b ? due_a > due_b : a.rank > b.rank;
    };
    std::make_heap(all.begin(), all.end(), later);
    for (size_t left = rows_.size(); left > 0; --left) {
      std::pop_heap(all.begin(), all.end(), later);
      take(all.back());
      std::push_heap(all.begin(), all.end(), later);
    }
  }

  void take(Maker& maker) {
    while (rows_[maker.row] != kFree) advance(maker);
    rows_[maker.row] = maker.slot;
    ++maker.turns;
  }
  void advance(Maker& maker) const {
    maker.row += maker.skip;
    if (maker.row >= rows_.size()) maker.row -= rows_.size();
  }

  std::vector<uint32_t> rows_;  // slots
};

}  // namespace

std::unique_ptr<Picker> make_ring_hash(const Options& options, const Crowd& crowd, Random&) {
  return std::make_unique<Ring>(options.ring_hash, crowd);
}

std::unique_ptr<Picker> make_maglev(const Options& options, const Crowd& crowd, Random&) {
  return std::make_unique<Maglev>(options.maglev, crowd);
}

}  // namespace cardea::balance
