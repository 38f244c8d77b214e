// What an algorithm is asked and what it answers: the row that each is in the table.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "balance/balance.h"

namespace cardea::balance {

// What a host has coming, in turns of its own; who has not been there has nothing.
struct Credit {
  double turns = 0;
  uint32_t place = UINT32_MAX;  // who is next among equals; UINT32_MAX: was not there
};

// The hosts among which an algorithm picks, never none, and each with a weight. Its number in this list is a host's
// slot; an algorithm speaks of slots only, so that it survives a set() that leaves its hosts as they were.
struct Crowd {
  const Host* hosts;        // of the balancer, by number
  const uint32_t* numbers;  // of those in question, by slot
  const uint32_t* ranks;    // place in the order of keys, by number: does not depend on the order of the list
  const uint32_t* twins;    // how many with the same key come before, by number
  uint32_t size;            // slots
  uint64_t weight_sum;      // of all hosts of the priority, whether or not they take part now
  uint32_t weight_least;    // of the same
  const Credit* past;       // what is kept of the time before, by number; only while a picker is made

  const Host& host(uint32_t slot) const { return hosts[numbers[slot]]; }
  const Credit& credit(uint32_t slot) const { return past[numbers[slot]]; }
};

// Slow start of those that became fit not long ago.
class Ramp {
 public:
  // `oldest`: when the first of a crowd became fit. Where all are new none is slow: the ramp is as high as that one.
  Ramp(const Options::SlowStart& options, Millis oldest, Millis now) : options_(options), now_(now) {
    top_ = height(oldest);
  }
  // (0, 1]: what counts of the weight of a host that is fit since then.
  double of(Millis fit_since) const {
    const double share = height(fit_since) / top_;
    return share < 1 ? share : 1;
  }

 private:
  double height(Millis fit_since) const;
  const Options::SlowStart& options_;
  Millis now_;
  double top_;
};

struct Draw {
  const Crowd& crowd;
  const Ramp* ramp;  // null: nobody is slow
  const uint32_t* avoid;
  size_t avoid_count;  // at least one slot is not avoided
  uint64_t hash;
  Random& random;

  bool avoided(uint32_t slot) const {
    for (size_t i = 0; i < avoid_count; ++i) {
      if (avoid[i] == crowd.numbers[slot]) return true;
    }
    return false;
  }
  // The first one from `slot` on that is not avoided. Every step over an avoided one uses up an entry of `avoid`.
  uint32_t other(uint32_t slot) const {
    for (uint32_t steps = crowd.size; steps > 1 && avoided(slot); --steps) slot = slot + 1 == crowd.size ? 0 : slot + 1;
    return slot;
  }
  uint32_t any_other() const { return other(uint32_t(random.below(crowd.size))); }
};

class Picker {
 public:
  virtual ~Picker() = default;
  virtual uint32_t pick(const Draw& draw) = 0;     // a slot that is not avoided
  virtual void save(Credit* /*by slot*/) const {}  // what the next picker of these hosts gets as `past`
};

struct Algorithm {
  Bytes name;
  bool hashes;
  std::unique_ptr<Picker> (*make)(const Options& options, const Crowd& crowd,
                                  Random& random);  // null: not ours to pick
};
const Algorithm* find_algorithm(Bytes name);  // null: not known

std::unique_ptr<Picker> make_round_robin(const Options& options, const Crowd& crowd, Random& random);
std::unique_ptr<Picker> make_least_request(const Options& options, const Crowd& crowd, Random& random);
std::unique_ptr<Picker> make_random(const Options& options, const Crowd& crowd, Random& random);
std::unique_ptr<Picker> make_ring_hash(const Options& options, const Crowd& crowd, Random& random);
std::unique_ptr<Picker> make_maglev(const Options& options, const Crowd& crowd, Random& random);

uint64_t murmur64(Bytes bytes, uint64_t seed);  // MurmurHash64A
uint64_t remix(uint64_t hash);                  // another one, for a second question about the same key

}  // namespace cardea::balance
