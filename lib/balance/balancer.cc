// Who takes part, and in which order of preference; the algorithm does the rest.
#include <algorithm>
#include <iterator>
#include <numeric>

#include "balance/balance.h"
#include "balance/load.h"
#include "balance/picker.h"
#include "balance/schedule.h"

namespace cardea::balance {

namespace {

constexpr uint32_t kLevels = 128, kNowhere = UINT32_MAX;

// The hosts that share one part of the load.
struct Layer {
  Load load;
  std::vector<uint32_t> members;  // by slot
  Crowd crowd;
  Millis oldest = UINT64_MAX, newest = 0;  // when the first and the last one became fit
  std::unique_ptr<Picker> picker;          // null: the algorithm is not ours
};

bool member(const Host& host, Load::Part part) {
  switch (part) {
    case Load::Part::healthy:
      return host.fitness == Host::Fitness::healthy;
    case Load::Part::degraded:
      return host.fitness == Host::Fitness::degraded;
    case Load::Part::unchecked:
      return host.fitness == Host::Fitness::unchecked;
    case Load::Part::all:
      return true;
  }
  return false;
}

// The hosts of the last set() and what their keys say about their order.
struct Roll {
  std::vector<Host> hosts;
  std::vector<uint32_t> by_key;        // numbers, in the order of keys, twins in that of the list
  std::vector<uint32_t> ranks, twins;  // by number: see Crowd

  void sort() {
    const auto n = uint32_t(hosts.size());
    by_key.resize(n);
    std::iota(by_key.begin(), by_key.end(), 0);
    std::sort(by_key.begin(), by_key.end(), [&](uint32_t a, uint32_t b) {
      const int order = hosts[a].key.compare(hosts[b].key);
      return order != 0 ? order < 0 : a < b;
    });
    ranks.assign(n, 0);
    twins.assign(n, 0);
    for (uint32_t i = 0; i < n; ++i) {
      ranks[by_key[i]] = i;
      if (i > 0 && hosts[by_key[i]].key == hosts[by_key[i - 1]].key) twins[by_key[i]] = twins[by_key[i - 1]] + 1;
    }
  }

  bool same_keys(const Roll& other) const {
    return std::equal(hosts.begin(), hosts.end(), other.hosts.begin(), other.hosts.end(),
                      [](const Host& a, const Host& b) { return a.key == b.key; });
  }

  // Brings what is known by the numbers of `old` to those of the same hosts here.
  std::vector<Credit> carry(const Roll& old, const std::vector<Credit>& credits) const {
    std::vector<Credit> carried(hosts.size());
    auto at = old.by_key.begin();
    for (uint32_t number : by_key) {
      const auto before = [&](uint32_t o) {
        const int order = old.hosts[o].key.compare(hosts[number].key);
        return order != 0 ? order < 0 : old.twins[o] < twins[number];
      };
      while (at != old.by_key.end() && before(*at)) ++at;
      if (at != old.by_key.end() && old.hosts[*at].key == hosts[number].key && old.twins[*at] == twins[number]) {
        carried[number] = credits[*at];
      }
    }
    return carried;
  }
};

}  // namespace

struct Balancer::Impl {
  Impl(const Options& options, uint64_t seed)
      : options_(options), algorithm_(find_algorithm(options.algorithm)), random_(seed) {}

  void set(std::vector<Host> hosts);
  int pick(const Ask& ask);
  Layer* choose(const Ask& ask, uint64_t hash);
  bool has_other(const Layer& layer, const Ask& ask) const;
  std::vector<Credit> credits() const;
  std::vector<Layer> layers_of(const std::vector<Load>& loads) const;
  std::vector<Load> loads();
  void reuse(std::vector<Layer>& old, const Roll& roll, Layer& layer) const;
  void schedule(const std::vector<Layer>& old);

  const Options options_;
  const Algorithm* const algorithm_;
  Random random_;
  Roll roll_;
  std::vector<Layer> layers_;
  std::vector<uint32_t> layer_of_;  // by number; kNowhere: takes no part
  Schedule turns_;                  // of layers, where hashes do not decide
  uint64_t shares_ = 0;             // of all layers
  bool panics_ = false;
  struct Measure {
    uint64_t sum = 0;
    uint32_t least = UINT32_MAX;
    bool operator==(const Measure&) const = default;
  };
  std::vector<Measure> measures_;  // by priority: weights of all its hosts
};

std::vector<Load> Balancer::Impl::loads() {
  Census census[kLevels];
  measures_.assign(kLevels, {});
  for (Host& host : roll_.hosts) {
    host.priority = std::min(host.priority, kLevels - 1);
    if (host.weight == 0) continue;
    Measure& measure = measures_[host.priority];
    measure.sum += host.weight;
    measure.least = std::min(measure.least, host.weight);
    Census& level = census[host.priority];
    uint64_t* const counts[] = {&level.healthy, &level.degraded, &level.unchecked, &level.unhealthy};
    ++*counts[size_t(host.fitness)];
  }
  std::vector<Census> levels;
  for (uint32_t i = 0; i < kLevels; ++i) {
    census[i].priority = i;
    if (census[i].all() > 0) levels.push_back(census[i]);
  }
  return levels.empty() ? std::vector<Load>() : distribute(levels, options_);
}

std::vector<Credit> Balancer::Impl::credits() const {
  std::vector<Credit> by_number(roll_.hosts.size()), by_slot;
  for (const Layer& layer : layers_) {
    by_slot.assign(layer.members.size(), {});
    if (layer.picker) layer.picker->save(by_slot.data());
    for (size_t slot = 0; slot < by_slot.size(); ++slot) by_number[layer.members[slot]] = by_slot[slot];
  }
  return by_number;
}

std::vector<Layer> Balancer::Impl::layers_of(const std::vector<Load>& loads) const {
  std::vector<Layer> layers(loads.size());
  // At most two parts of a priority carry load.
  std::vector<std::vector<Layer*>> of_priority(kLevels);
  for (size_t i = 0; i < loads.size(); ++i) {
    layers[i].load = loads[i];
    of_priority[loads[i].priority].push_back(&layers[i]);
  }
  for (uint32_t number = 0; number < roll_.hosts.size(); ++number) {
    const Host& host = roll_.hosts[number];
    if (host.weight == 0) continue;
    for (Layer* layer : of_priority[host.priority]) {
      if (!member(host, layer->load.part)) continue;
      layer->members.push_back(number);
      layer->oldest = std::min(layer->oldest, host.fit_since);
      layer->newest = std::max(layer->newest, host.fit_since);
    }
  }
  return layers;
}

// Takes over the picker of a layer of the same hosts: its turns go on, and its tables need not be built again.
void Balancer::Impl::reuse(std::vector<Layer>& old, const Roll& roll, Layer& layer) const {
  for (Layer& candidate : old) {
    if (!candidate.picker || candidate.load.priority != layer.load.priority) continue;
    if (algorithm_->hashes && (candidate.crowd.weight_sum != layer.crowd.weight_sum ||
                               candidate.crowd.weight_least != layer.crowd.weight_least)) {
      continue;
    }
    const bool same = std::equal(layer.members.begin(), layer.members.end(), candidate.members.begin(),
                                 candidate.members.end(), [&](uint32_t a, uint32_t b) {
                                   return roll_.hosts[a].weight == roll.hosts[b].weight &&
                                          roll_.twins[a] == roll.twins[b] && roll_.hosts[a].key == roll.hosts[b].key;
                                 });
    if (!same) continue;
    layer.picker = std::move(candidate.picker);
    return;
  }
}

void Balancer::Impl::schedule(const std::vector<Layer>& old) {
  const bool same = std::equal(old.begin(), old.end(), layers_.begin(), layers_.end(),
                               [](const Layer& a, const Layer& b) { return a.load == b.load; });
  if (same || algorithm_->hashes) return;
  std::vector<Schedule::Item> items;
  for (const Layer& layer : layers_) {
    items.push_back({layer.load.share, 0});
    for (size_t i = 0; i < old.size() && i < turns_.size(); ++i) {
      if (old[i].load.priority == layer.load.priority && old[i].load.part == layer.load.part) {
        items.back().lag = turns_.lag(uint32_t(i));
      }
    }
  }
  turns_.start(items, random_);
}

void Balancer::Impl::set(std::vector<Host> hosts) {
  if (!algorithm_) return;
  const std::vector<Credit> past = credits();
  Roll old_roll = std::move(roll_);
  std::vector<Layer> old = std::move(layers_);
  roll_ = {};
  roll_.hosts = std::move(hosts);
  const std::vector<Load> loads = this->loads();
  std::vector<Credit> carried;
  if (roll_.same_keys(old_roll)) {
    roll_.by_key = old_roll.by_key;
    roll_.ranks = old_roll.ranks;
    roll_.twins = old_roll.twins;
    carried = past;
  } else {
    roll_.sort();
    carried = roll_.carry(old_roll, past);
  }

  layers_ = layers_of(loads);
  layer_of_.assign(roll_.hosts.size(), kNowhere);
  shares_ = 0;
  panics_ = false;
  for (Layer& layer : layers_) {
    const Measure& measure = measures_[layer.load.priority];
    for (uint32_t number : layer.members) layer_of_[number] = uint32_t(&layer - layers_.data());
    layer.crowd = {roll_.hosts.data(),
                   layer.members.data(),
                   roll_.ranks.data(),
                   roll_.twins.data(),
                   uint32_t(layer.members.size()),
                   measure.sum,
                   measure.least,
                   carried.data()};
    if (algorithm_->make) {
      reuse(old, old_roll, layer);
      if (!layer.picker) layer.picker = algorithm_->make(options_, layer.crowd, random_);
    }
    layer.crowd.past = nullptr;
    shares_ += layer.load.share;
    panics_ = panics_ || layer.load.part == Load::Part::all;
  }
  schedule(old);
}

// Whether a host of the layer is not avoided.
bool Balancer::Impl::has_other(const Layer& layer, const Ask& ask) const {
  if (layer.members.size() > ask.avoid_count) return true;
  return std::any_of(layer.members.begin(), layer.members.end(), [&](uint32_t number) {
    return std::find(ask.avoid, ask.avoid + ask.avoid_count, number) == ask.avoid + ask.avoid_count;
  });
}

// Null: every host is avoided.
Layer* Balancer::Impl::choose(const Ask& ask, uint64_t hash) {
  const auto open = [&](uint32_t i) { return ask.avoid_count == 0 || has_other(layers_[i], ask); };
  if (layers_.size() == 1) return open(0) ? &layers_[0] : nullptr;
  if (!algorithm_->hashes) {
    const uint32_t i = turns_.pick(open, &random_);
    return i == Schedule::kNone ? nullptr : &layers_[i];
  }
  // The same key has the same priority for as long as the shares stay, and its place there is another question.
  auto at = uint64_t((unsigned __int128)remix(hash) * shares_ >> 64);
  uint32_t first = 0;
  while (at >= layers_[first].load.share) at -= layers_[first++].load.share;
  for (uint32_t steps = 0, i = first; steps < layers_.size(); ++steps, i = i + 1 == layers_.size() ? 0 : i + 1) {
    if (open(i)) return &layers_[i];
  }
  return nullptr;
}

int Balancer::Impl::pick(const Ask& ask) {
  if (layers_.empty() || !algorithm_->make) return -1;
  const uint64_t hash = ask.hash || !algorithm_->hashes ? ask.hash.value_or(0) : random_.next();
  Ask asked = ask;
  if (!asked.avoid) asked.avoid_count = 0;
  Layer* layer = choose(asked, hash);
  if (!layer) {
    asked.avoid_count = 0;
    layer = choose(asked, hash);
  }
  const Millis window = options_.slow_start.window;
  const bool slow = window > 0 && layer->newest > 0 && (layer->newest >= ask.now || ask.now - layer->newest < window);
  const Ramp ramp(options_.slow_start, slow ? layer->oldest : 0, ask.now);
  const Draw draw{layer->crowd, slow ? &ramp : nullptr, asked.avoid, asked.avoid_count, hash, random_};
  return int(layer->members[layer->picker->pick(draw)]);
}

Balancer::Balancer(const Options& options, uint64_t seed) : impl_(std::make_unique<Impl>(options, seed)) {}
Balancer::~Balancer() = default;

void Balancer::set(std::vector<Host> hosts, Millis) {
  impl_->set(std::move(hosts));
}

int Balancer::pick(const Ask& ask) {
  return impl_->pick(ask);
}

bool Balancer::panics() const {
  return impl_->panics_;
}

bool Balancer::takes_part(size_t host) const {
  return host < impl_->layer_of_.size() && impl_->layer_of_[host] != kNowhere;
}

}  // namespace cardea::balance
