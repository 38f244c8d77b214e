// Who has taken how much of a limit, over all workers.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "limit/bucket.h"

namespace cardea::limit {

enum class Direction : uint8_t { to_service, to_client };

// The counts of one limit, one entry for each user, address or route. Exact: an entry has one lock for all threads,
// shared with a part of the others. Any thread. Time is an argument, milliseconds of a clock that all threads share;
// one that is behind another counts as being level with it.
//
// Bounded: an entry that nobody uses and whose buckets are empty again makes no difference, and makes room when room is
// needed. Without such a one a new key is refused until there is: however many addresses somebody has, the limit holds
// for each of them.
class Table {
 public:
  class Entry;
  enum class Outcome : uint8_t { passed, concurrent, requests, keys };
  struct Answer {
    Outcome outcome = Outcome::passed;
    Entry* entry = nullptr;  // with `passed`: stays until leave()
    Millis wait = 0;         // else: it may pass after this
  };
  static constexpr size_t kMaxKeys = 100'000;

  explicit Table(const Terms& terms, uint64_t seed, size_t max_keys = kMaxKeys);
  ~Table();
  Table(const Table&) = delete;

  // One exchange more under this key. Refused, it has taken nothing.
  Answer enter(Bytes key, Millis now);
  // Once for each that passed. `undo`: another limit has refused it, this one has given nothing.
  void leave(Entry* entry, Millis now, bool undo = false);
  // Other numbers for everybody, those that are inside too. What was taken stays taken.
  void set_terms(const Terms& terms);

  bool shapes() const { return shapes_.load(std::memory_order_relaxed); }
  // Of bytes_per_second: how many bytes fit now; and they are taken, fit or not: how long to wait before they pass.
  uint64_t room(Entry* entry, Direction direction, Millis now);
  Millis spend(Entry* entry, Direction direction, uint64_t bytes, Millis now);
  // As much as is worth a pause of its own.
  uint64_t slice() const { return slice_.load(std::memory_order_relaxed); }

  size_t keys() const;

 private:
  struct Rates {
    uint32_t concurrent = 0;
    size_t windows = 0;
    std::array<Rate, Terms::kMaxWindows> window;
    std::array<Millis, Terms::kMaxWindows> per{};
    Rate bytes;
  };
  struct Shard;
  static Rates rates_of(const Terms& terms);
  Shard& shard_of(uint64_t hash);
  uint64_t hash(Bytes key) const;

  const uint64_t seed_[2];
  const size_t shard_count_;  // a power of two
  std::unique_ptr<Shard[]> shards_;
  std::atomic<bool> shapes_{false};
  std::atomic<uint64_t> slice_{0};
};

}  // namespace cardea::limit
