// What ties requests together: header, cookie, address, user.
#include "route/affinity.h"

#include <array>
#include <bit>

#include "balance/balance.h"

namespace cardea::route {

namespace {

using balance::hash64;

// Order counts: two entries that give the same hash must not cancel each other out.
void mix(std::optional<uint64_t>& hash, uint64_t next) {
  hash = hash ? std::rotl(*hash, 1) ^ next : next;
}

void mix_header(std::optional<uint64_t>& hash, const http::RequestHead& head, const std::string& name) {
  for (const http::Field& field : head.fields) {
    if (http::equal_no_case(field.name, name)) mix(hash, hash64(field.value));
  }
}

// RFC 6265 4.2: "a=b; c=d". Of several with this name the first, as browsers send the most specific one first.
Bytes find_cookie(const http::RequestHead& head, Bytes name) {
  for (const http::Field& field : head.fields) {
    if (field.id != http::FieldId::cookie) continue;
    Bytes rest = field.value;
    while (!rest.empty()) {
      Bytes pair = rest.substr(0, rest.find(';'));
      rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
      while (!pair.empty() && (pair.front() == ' ' || pair.front() == '\t')) pair.remove_prefix(1);
      while (!pair.empty() && (pair.back() == ' ' || pair.back() == '\t')) pair.remove_suffix(1);
      if (pair.size() > name.size() + 1 && pair[name.size()] == '=' && pair.substr(0, name.size()) == name) {
        return pair.substr(name.size() + 1);
      }
    }
  }
  return {};
}

std::array<char, 16> hex(uint64_t number) {
  std::array<char, 16> out;
  for (char& c : out) {
    c = "0123456789abcdef"[number >> 60];
    number <<= 4;
  }
  return out;
}

void mix_cookie(std::optional<uint64_t>& hash, const HashPolicy& policy, const HashFacts& facts,
                std::string& set_cookie) {
  const Bytes sent = find_cookie(*facts.head, policy.name);
  if (!sent.empty()) return mix(hash, hash64(sent));
  if (!policy.ttl) return;
  const std::array<char, 16> made = hex(facts.random);
  const Bytes value(made.data(), made.size());
  mix(hash, hash64(value));
  set_cookie = policy.name;
  set_cookie.append("=").append(value);
  if (*policy.ttl != 0) set_cookie += "; Max-Age=" + std::to_string((*policy.ttl + 999) / 1000);
  if (!policy.path.empty()) set_cookie += "; Path=" + policy.path;
  set_cookie += facts.secure ? "; HttpOnly; Secure" : "; HttpOnly";
}

}  // namespace

std::optional<uint64_t> hash_of(const std::vector<HashPolicy>& policy, const HashFacts& facts,
                                std::string& set_cookie) {
  set_cookie.clear();
  std::optional<uint64_t> hash;
  if (policy.empty()) {
    const Bytes who = facts.user.empty() ? facts.source_ip : facts.user;
    if (!who.empty()) hash = hash64(who);
    return hash;
  }
  for (const HashPolicy& entry : policy) {
    switch (entry.by) {
      case HashPolicy::By::header:
        mix_header(hash, *facts.head, entry.name);
        break;
      case HashPolicy::By::cookie:
        mix_cookie(hash, entry, facts, set_cookie);
        break;
      case HashPolicy::By::source_ip:
        if (!facts.source_ip.empty()) mix(hash, hash64(facts.source_ip));
        break;
      case HashPolicy::By::identity:
        if (!facts.user.empty()) mix(hash, hash64(facts.user));
        break;
    }
    if (entry.terminal && hash) break;
  }
  return hash;
}

}  // namespace cardea::route
