// A bump allocator for the strings of one message. One thread.
#pragma once

#include <cstring>
#include <initializer_list>
#include <memory>
#include <vector>

#include "base/base.h"

namespace cardea {

// Memory that is given back all at once. The first block is kept by reset(), so an arena that is
// used again costs no allocation for a typical message head.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `n` bytes that live until reset(); unaligned, never null.
  char* take(size_t n) {
    if (n > left_) return grow(n);
    char* p = next_;
    next_ += n;
    left_ -= n;
    return p;
  }
  Bytes copy(Bytes s) {
    if (s.empty()) return {};
    char* p = take(s.size());
    memcpy(p, s.data(), s.size());
    return {p, s.size()};
  }
  // Bytes taken since the last reset, for budgets.
  size_t used() const { return used_before_ + (blocks_.empty() ? 0 : size_t(next_ - blocks_.back().get())); }
  void reset() {
    if (blocks_.empty()) return;
    if (blocks_.size() > 1) blocks_.resize(1);
    next_ = blocks_[0].get();
    left_ = kFirst;
    used_before_ = 0;
  }

 private:
  static constexpr size_t kFirst = 4096;
  char* grow(size_t n) {
    size_t size = blocks_.empty() ? kFirst : kFirst * 4;
    if (size < n) {
      if (blocks_.empty()) {  // keep the first block at its fixed size
        blocks_.emplace_back(new char[kFirst]);
        next_ = blocks_[0].get();
      }
      size = n;
    }
    if (!blocks_.empty()) used_before_ += size_t(next_ - blocks_.back().get());
    blocks_.emplace_back(new char[size]);
    next_ = blocks_.back().get() + n;
    left_ = size - n;
    return blocks_.back().get();
  }

  std::vector<std::unique_ptr<char[]>> blocks_;
  char* next_ = nullptr;
  size_t left_ = 0;
  size_t used_before_ = 0;
};

// The parts one after the other, in `arena`.
inline Bytes concat(Arena& arena, std::initializer_list<Bytes> parts) {
  size_t n = 0;
  for (Bytes p : parts) n += p.size();
  char* out = arena.take(n);
  char* next = out;
  for (Bytes p : parts) {
    if (!p.empty()) memcpy(next, p.data(), p.size());
    next += p.size();
  }
  return {out, n};
}

}  // namespace cardea
