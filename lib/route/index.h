// Exact lookups by a running hash: names of hosts and pieces of paths.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/base.h"

namespace cardea::route {

// A hash that grows byte by byte, so that one pass over a text gives the hash of each of its beginnings.
// Only texts of the configuration are ever stored under it, so a client cannot fill a bucket.
class RunningHash {
 public:
  explicit RunningHash(uint32_t owner) : state_(kSeed ^ (owner * 0x9e3779b97f4a7c15u)) {}
  void add(char c) { state_ = (state_ ^ uint8_t(c)) * kPrime; }
  void add(Bytes s) {
    for (char c : s) add(c);
  }
  uint64_t value() const { return state_ ^ (state_ >> 29); }

 private:
  static constexpr uint64_t kSeed = 0xcbf29ce484222325u;
  static constexpr uint64_t kPrime = 0x100000001b3u;
  uint64_t state_;
};

// Maps (owner, text) to a number. Filled once, then read from any thread. Its texts must outlive it.
class HashIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Entry {
    Bytes text;
    uint32_t owner;
    uint32_t value;
    uint64_t hash;
  };
  void add(uint32_t owner, Bytes text, uint64_t hash, uint32_t value) {
    entries_.push_back({text, owner, value, hash});
  }
  void freeze();

  // The number stored under the text, or kNone. `equal(entry text)` has the last word.
  template <class Equal>
  uint32_t find(uint32_t owner, uint64_t hash, Equal equal) const {
    if (slots_.empty()) return kNone;
    for (size_t i = hash & mask_;; i = (i + 1) & mask_) {
      const Slot slot = slots_[i];
      if (slot.entry == kNone) return kNone;
      if (slot.tag != uint32_t(hash >> 32)) continue;
      const Entry& e = entries_[slot.entry];
      if (e.owner == owner && equal(e.text)) return e.value;
    }
  }

 private:
  struct Slot {
    uint32_t tag;    // high half of the hash
    uint32_t entry;  // kNone: free
  };
  std::vector<Entry> entries_;
  std::vector<Slot> slots_;  // at most half full, so every search ends
  size_t mask_ = 0;
};

inline void HashIndex::freeze() {
  if (entries_.empty()) return;
  size_t size = 4;
  while (size < entries_.size() * 2) size *= 2;
  slots_.assign(size, {0, kNone});
  mask_ = size - 1;
  for (uint32_t n = 0; n < entries_.size(); ++n) {
    size_t i = entries_[n].hash & mask_;
    while (slots_[i].entry != kNone) i = (i + 1) & mask_;
    slots_[i] = {uint32_t(entries_[n].hash >> 32), n};
  }
}

// Which lengths occur, for skipping searches that cannot succeed: exact below 63, one bit for all above.
class Lengths {
 public:
  void add(size_t n) {
    bits_ |= bit(n);
    if (n > longest_) longest_ = n;
  }
  bool may_have(size_t n) const { return (bits_ & bit(n)) != 0 && n <= longest_; }
  size_t longest() const { return longest_; }

 private:
  static uint64_t bit(size_t n) { return uint64_t{1} << (n < 63 ? n : 63); }
  uint64_t bits_ = 0;
  size_t longest_ = 0;
};

}  // namespace cardea::route
