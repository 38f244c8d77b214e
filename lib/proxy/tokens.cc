// Token slots with generations, so that a late or a second answer finds nothing.
#include "proxy/tokens.h"

namespace cardea::proxy {

namespace {
std::mutex index_mutex;
std::vector<bool> index_used(kTables + 1);

uint32_t slot_of(uint64_t token) {
  return uint32_t(token >> 32) & kSlots;
}
}  // namespace

TokenTable::TokenTable() {
  std::lock_guard lock(index_mutex);
  for (uint32_t i = 1; i <= kTables; ++i) {
    if (index_used[i]) continue;
    index_used[i] = true;
    index_ = i;
    return;
  }
}

TokenTable::~TokenTable() {
  std::lock_guard lock(index_mutex);
  if (index_) index_used[index_] = false;
}

uint64_t TokenTable::open(Exchange& exchange) {
  std::lock_guard lock(mutex_);
  if (!index_) return 0;
  if (free_.empty()) {
    if (slots_.size() >= kSlots) return 0;
    free_.reserve(slots_.size() + 1);  // a slot without memory for its number, or the other way, is none
    slots_.emplace_back();
    free_.push_back(uint32_t(slots_.size() - 1));
  }
  const uint32_t slot = free_.back();
  free_.pop_back();
  slots_[slot].exchange = &exchange;
  slots_[slot].answered = false;
  return uint64_t(index_) << 52 | uint64_t(slot) << 32 | slots_[slot].generation;
}

TokenTable::Slot* TokenTable::find(uint64_t token) {
  const uint32_t slot = slot_of(token);
  if (token_table(token) != index_ || slot >= slots_.size()) return nullptr;
  Slot& s = slots_[slot];
  return s.exchange && s.generation == uint32_t(token) ? &s : nullptr;
}

bool TokenTable::close(uint64_t token) {
  std::lock_guard lock(mutex_);
  Slot* s = find(token);
  if (!s) return false;
  s->exchange = nullptr;
  ++s->generation;
  free_.push_back(slot_of(token));
  return true;
}

bool TokenTable::answer(uint64_t token) {
  std::lock_guard lock(mutex_);
  Slot* s = find(token);
  if (!s || s->answered) return false;
  s->answered = true;
  return true;
}

Exchange* TokenTable::take_answered(uint64_t token) {
  Exchange* exchange = nullptr;
  {
    std::lock_guard lock(mutex_);
    Slot* s = find(token);
    if (!s || !s->answered) return nullptr;
    exchange = s->exchange;
  }
  close(token);
  return exchange;
}

}  // namespace cardea::proxy
