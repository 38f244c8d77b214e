// Names of pending decisions that outlive what they name: 64 bits of worker, slot and generation.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "base/base.h"

namespace cardea::proxy {

class Exchange;

// One worker's pending authorizations. complete() comes from any thread, the rest from the worker's.
class TokenTable {
 public:
  TokenTable();  // takes a free index among the process's workers
  ~TokenTable();
  TokenTable(const TokenTable&) = delete;
  TokenTable& operator=(const TokenTable&) = delete;

  // 0 when there is no room (kSlots decisions are pending, or kTables workers live).
  uint64_t open(Exchange& exchange);
  // The exchange is over or was decided: the token is stale from now on. False: it was already.
  bool close(uint64_t token);
  // Claims the answer; only the first caller gets true. The exchange still has to take it in.
  bool answer(uint64_t token);
  // The exchange of an answered token, which is closed by this; null when it ended meanwhile.
  Exchange* take_answered(uint64_t token);
  uint32_t index() const { return index_; }  // the token_table() of its tokens

 private:
  struct Slot {
    uint32_t generation = 1;
    bool answered = false;
    Exchange* exchange = nullptr;
  };
  Slot* find(uint64_t token);
  std::mutex mutex_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  uint32_t index_ = 0;
};

constexpr uint32_t kTables = 4095, kSlots = (1u << 20) - 1;
inline uint32_t token_table(uint64_t token) {
  return uint32_t(token >> 52);
}

}  // namespace cardea::proxy
