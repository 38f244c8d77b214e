// SHA-1 of a message that lies in memory. RFC 3174.
#include "base/sha1.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace cardea {

namespace {

constexpr size_t kBlock = 64;
using State = std::array<uint32_t, 5>;

void put_big_endian(uint8_t* p, uint64_t value, size_t size) {
  while (size > 0) {
    p[--size] = uint8_t(value);
    value >>= 8;
  }
}

void absorb(State& state, const uint8_t* block) {
  uint32_t w[80];
  for (size_t t = 0; t < 16; ++t) {
    const uint8_t* const p = block + 4 * t;
    w[t] = uint32_t(p[0]) << 24 | uint32_t(p[1]) << 16 | uint32_t(p[2]) << 8 | p[3];
  }
  for (size_t t = 16; t < 80; ++t) w[t] = std::rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
  auto [a, b, c, d, e] = state;
  for (size_t t = 0; t < 80; ++t) {
    uint32_t mixed;
    if (t < 20) {
      mixed = ((b & c) | (~b & d)) + 0x5a827999u;
    } else if (t < 40) {
      mixed = (b ^ c ^ d) + 0x6ed9eba1u;
    } else if (t < 60) {
      mixed = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdcu;
    } else {
      mixed = (b ^ c ^ d) + 0xca62c1d6u;
    }
    const uint32_t next = std::rotl(a, 5) + mixed + e + w[t];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  const uint32_t sum[] = {a, b, c, d, e};
  for (size_t i = 0; i < state.size(); ++i) state[i] += sum[i];
}

}  // namespace

std::array<uint8_t, 20> sha1(Bytes message) {
  State state = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u};
  const auto* p = reinterpret_cast<const uint8_t*>(message.data());
  size_t left = message.size();
  for (; left >= kBlock; p += kBlock, left -= kBlock) absorb(state, p);
  // What is left, a one bit, zeros, the length in bits: one block or two.
  uint8_t last[2 * kBlock] = {};
  std::copy_n(p, left, last);
  last[left] = 0x80;
  const size_t size = left + 9 <= kBlock ? kBlock : 2 * kBlock;
  put_big_endian(last + size - 8, uint64_t(message.size()) * 8, 8);
  for (size_t at = 0; at < size; at += kBlock) absorb(state, last + at);
  std::array<uint8_t, 20> digest;
  for (size_t i = 0; i < state.size(); ++i) put_big_endian(digest.data() + 4 * i, state[i], 4);
  return digest;
}

}  // namespace cardea
