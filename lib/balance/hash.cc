// Hashes of bytes, as published: xxHash64 and MurmurHash64A; and what primes are.
#include <bit>
#include <cstring>

#include "balance/balance.h"
#include "balance/picker.h"

namespace cardea::balance {

namespace {

// Both algorithms are defined over little-endian words.
template <class Word>
Word load(const char* at) {
  Word word;
  memcpy(&word, at, sizeof word);
  if constexpr (std::endian::native == std::endian::big) {
    return sizeof word == 8 ? Word(__builtin_bswap64(word)) : Word(__builtin_bswap32(uint32_t(word)));
  }
  return word;
}

constexpr uint64_t kPrime1 = 0x9e3779b185ebca87, kPrime2 = 0xc2b2ae3d27d4eb4f, kPrime3 = 0x165667b19e3779f9,
                   kPrime4 = 0x85ebca77c2b2ae63, kPrime5 = 0x27d4eb2f165667c5;

uint64_t lane_round(uint64_t lane, uint64_t word) {
  return std::rotl(lane + word * kPrime2, 31) * kPrime1;
}

uint64_t merge(uint64_t hash, uint64_t lane) {
  return (hash ^ lane_round(0, lane)) * kPrime1 + kPrime4;
}

// Four lanes over blocks of 32 bytes; `at` is left behind the last whole block.
uint64_t blocks(const char*& at, const char* end, uint64_t seed) {
  uint64_t lanes[4] = {seed + kPrime1 + kPrime2, seed + kPrime2, seed, seed - kPrime1};
  for (; end - at >= 32; at += 32) {
    for (int i = 0; i < 4; ++i) lanes[i] = lane_round(lanes[i], load<uint64_t>(at + 8 * i));
  }
  uint64_t hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) + std::rotl(lanes[3], 18);
  for (uint64_t lane : lanes) hash = merge(hash, lane);
  return hash;
}

}  // namespace

uint64_t hash64(Bytes bytes, uint64_t seed) {
  const char* at = bytes.data();
  const char* end = at + bytes.size();
  uint64_t hash = (bytes.size() >= 32 ? blocks(at, end, seed) : seed + kPrime5) + bytes.size();
  for (; end - at >= 8; at += 8) {
    hash = std::rotl(hash ^ lane_round(0, load<uint64_t>(at)), 27) * kPrime1 + kPrime4;
  }
  if (end - at >= 4) {
    hash = std::rotl(hash ^ load<uint32_t>(at) * kPrime1, 23) * kPrime2 + kPrime3;
    at += 4;
  }
  for (; at != end; ++at) hash = std::rotl(hash ^ uint8_t(*at) * kPrime5, 11) * kPrime1;
  hash = (hash ^ hash >> 33) * kPrime2;
  hash = (hash ^ hash >> 29) * kPrime3;
  return hash ^ hash >> 32;
}

uint64_t murmur64(Bytes bytes, uint64_t seed) {
  constexpr uint64_t kMultiplier = 0xc6a4a7935bd1e995;
  const char* at = bytes.data();
  const char* end = at + bytes.size();
  uint64_t hash = seed ^ bytes.size() * kMultiplier;
  for (; end - at >= 8; at += 8) {
    uint64_t word = load<uint64_t>(at) * kMultiplier;
    word = (word ^ word >> 47) * kMultiplier;
    hash = (hash ^ word) * kMultiplier;
  }
  if (at != end) {
    uint64_t word = 0;
    for (int shift = 0; at != end; ++at, shift += 8) word |= uint64_t(uint8_t(*at)) << shift;
    hash = (hash ^ word) * kMultiplier;
  }
  hash = (hash ^ hash >> 47) * kMultiplier;
  return hash ^ hash >> 47;
}

uint64_t remix(uint64_t hash) {
  hash = (hash ^ hash >> 33) * kPrime2;
  hash = (hash ^ hash >> 29) * kPrime3;
  return hash ^ hash >> 32;
}

bool is_prime(uint64_t n) {
  if (n < 4) return n >= 2;
  if (n % 2 == 0 || n % 3 == 0) return false;
  for (uint64_t d = 5; d <= n / d; d += 6) {
    if (n % d == 0 || n % (d + 2) == 0) return false;
  }
  return true;
}

}  // namespace cardea::balance
