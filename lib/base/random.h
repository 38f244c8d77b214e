// A small fast source of random numbers: for spreading load, never for secrets.
#pragma once

#include <sys/random.h>

#include <cstdint>
#include <ctime>

namespace cardea {

// xoshiro256** of Blackman and Vigna, seeded through SplitMix64. Equal seeds give equal sequences. One thread.
class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15ull;
      uint64_t z = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9ull;
      z = (z ^ z >> 27) * 0x94d049bb133111ebull;
      word = z ^ z >> 31;
    }
  }
  uint64_t next() {
    const uint64_t result = rotate(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotate(state_[3], 45);
    return result;
  }
  // Evenly spread over [0, n); n > 0.
  uint64_t below(uint64_t n) { return uint64_t((unsigned __int128)next() * n >> 64); }
  double unit() { return double(next() >> 11) * 0x1p-53; }  // [0, 1)

 private:
  static uint64_t rotate(uint64_t x, int k) { return x << k | x >> (64 - k); }
  uint64_t state_[4];
};

// A seed that differs from process to process and from call to call.
inline uint64_t random_seed() {
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) == ssize_t(sizeof seed)) return seed;
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return uint64_t(t.tv_nsec) << 32 ^ uint64_t(t.tv_sec) ^ reinterpret_cast<uintptr_t>(&seed);
}

}  // namespace cardea
