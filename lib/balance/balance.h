// Which of several hosts takes the next exchange. Pure: no sockets, no clock, random numbers from the caller.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/base.h"
#include "base/random.h"

namespace cardea::balance {

// One host as a balancer sees it. Its number is its place in the list of the last set().
struct Host {
  // In the order of preference. `unchecked`: its first health check has not ended.
  enum class Fitness : uint8_t { healthy, degraded, unchecked, unhealthy };
  std::string key;        // its place on rings and in tables: the same host has the same key for ever
  uint32_t weight = 1;    // 0: never picked
  uint32_t priority = 0;  // 0 is the first to be used
  Fitness fitness = Fitness::healthy;
  const std::atomic<uint32_t>* active = nullptr;  // exchanges on it now; null: none ever. Outlives the next set()
  Millis fit_since = 0;                           // slow start begins here; 0: long ago (Millis is unsigned)
};

// What one pick may depend on.
struct Ask {
  std::optional<uint64_t> hash;     // of what ties requests together; none: a random one
  const uint32_t* avoid = nullptr;  // hosts that were tried before: not again where another is there
  size_t avoid_count = 0;
  Millis now = 0;
};

// Envoy's names, meanings and defaults.
struct Options {
  std::string algorithm = "round_robin";  // a name in the table of algorithms.cc
  struct LeastRequest {
    uint32_t choice_count = 2;         // >= 2
    double active_request_bias = 1.0;  // >= 0; only with unequal weights
    bool operator==(const LeastRequest&) const = default;
  } least_request;
  struct RingHash {
    uint64_t minimum_ring_size = 1024, maximum_ring_size = 8ull << 20;
    enum class Function : uint8_t { xx_hash, murmur_hash_2 } hash_function = Function::xx_hash;
    bool operator==(const RingHash&) const = default;
  } ring_hash;
  struct Maglev {
    uint64_t table_size = 65537;  // prime, at most 5000011
    bool operator==(const Maglev&) const = default;
  } maglev;
  struct SlowStart {
    Millis window = 0;  // 0: off. Round robin and least request only
    double aggression = 1.0, min_weight_percent = 10.0;
    bool operator==(const SlowStart&) const = default;
  } slow_start;
  double healthy_panic_threshold = 50.0;   // percent; below it all hosts of a priority take part; 0: never
  uint32_t overprovisioning_factor = 140;  // percent
  bool operator==(const Options&) const = default;
};

// Priorities, panic, fitness and slow start over one algorithm. A pick allocates nothing and costs O(1) or O(log n);
// set() may build tables. One thread.
//
// Hosts without weight do not count. A priority can carry overprovisioning_factor times the share of its hosts that are
// healthy, up to 100 %, and the same again for degraded ones; hosts whose first check has not ended do not count in
// this, so new ones take nothing away. Load goes to the healthy hosts of priority after priority, as much as each can
// carry, and what is left to the degraded ones in the same order; where all together cannot carry 100 %, all shares
// grow in proportion. These are Envoy's rules, but for shares being finer than whole per cents. Then
// - a priority panics if all together cannot carry 100 %, and less than healthy_panic_threshold of its hosts are
//   healthy, degraded or unchecked: all its hosts take the share that its fit ones would have had. If all priorities
//   panic, load goes to all hosts of all of them alike;
// - where nobody is healthy or degraded, the unchecked of the first priority that has some and does not panic take all:
//   whoever starts must begin somewhere; without any, and without panic, nobody takes part.
// Priorities above 127 count as 127.
//
// Round robin takes turns of priorities, too, in exact proportion to their shares; so do least request and random.
// Hashing gives a key the same priority for as long as shares stay. Slow start leaves at least 1 % of a weight.
// An avoided host that was due in round robin has its turn as soon as it is not avoided.
class Balancer {
 public:
  // `options.algorithm` is known_algorithm().
  Balancer(const Options& options, uint64_t seed);
  ~Balancer();
  // From now on these. Turns of those that stay go on, and tables are built only if their hosts changed.
  void set(std::vector<Host> hosts, Millis now);
  int pick(const Ask& ask);  // -1: none takes part, or the algorithm is "host", whose picks are made elsewhere
  bool panics() const;       // some priority does
  // May that host be picked at all, as things are? (Connections to others may close.)
  bool takes_part(size_t host) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

bool known_algorithm(Bytes name);
// Whether picks of this algorithm depend on Ask::hash.
bool hashes(Bytes name);
// For checking table sizes.
bool is_prime(uint64_t n);
// xxHash64: what rings, tables and hash policies use.
uint64_t hash64(Bytes bytes, uint64_t seed = 0);

}  // namespace cardea::balance
