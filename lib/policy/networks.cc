// Sets of IP addresses, written as addresses and prefixes.
#include "policy/networks.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "policy/spelling.h"

namespace cardea::policy {
namespace {

__extension__ typedef unsigned __int128 Number;

constexpr Number kMappedFirst = Number{0xffff} << 32, kMappedLast = kMappedFirst | 0xffffffff;

Number number_of(const uint8_t (&bytes)[16]) {
  Number n = 0;
  for (uint8_t b : bytes) n = n << 8 | b;
  return n;
}

}  // namespace

bool Networks::contains(const std::array<uint8_t, 16>& address) const {
  Number n = 0;
  for (uint8_t b : address) n = n << 8 | b;
  const auto above =
      std::upper_bound(ranges_.begin(), ranges_.end(), n, [](Number x, const Range& range) { return x < range.first; });
  return above != ranges_.begin() && n <= std::prev(above)->last;
}

bool Networks::add(Bytes text) {
  const size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  if (address.size() > INET6_ADDRSTRLEN || address.find('\0') != std::string::npos) return false;
  uint8_t bytes[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool v4 = inet_pton(AF_INET, address.c_str(), bytes + 12) == 1;
  if (!v4 && inet_pton(AF_INET6, address.c_str(), bytes) != 1) return false;
  unsigned bits = v4 ? 32 : 128;
  if (slash != Bytes::npos) {
    const Bytes length = text.substr(slash + 1);
    if (length.empty() || (length.size() > 1 && length[0] == '0')) return false;
    const unsigned most = bits;
    auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), bits);
    if (error != std::errc() || end != length.data() + length.size() || bits > most) return false;
  }
  if (v4) bits += 96;
  const Number below = bits == 0 ? ~Number{0} : bits == 128 ? 0 : (Number{1} << (128 - bits)) - 1;
  const Number first = number_of(bytes) & ~below, last = first | below;
  // "::/0" is all of IPv6: whoever means IPv4 writes IPv4.
  if (bits < 96 && first <= kMappedFirst && kMappedLast <= last) {
    ranges_.push_back({first, kMappedFirst - 1});
    ranges_.push_back({kMappedLast + 1, last});
  } else {
    ranges_.push_back({first, last});
  }
  return true;
}

void Networks::settle() {
  std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
  std::vector<Range> apart;
  for (const Range& range : ranges_) {
    if (!apart.empty() && (range.first <= apart.back().last || range.first - 1 == apart.back().last)) {
      apart.back().last = std::max(apart.back().last, range.last);
    } else {
      apart.push_back(range);
    }
  }
  ranges_ = std::move(apart);
}

std::optional<Networks> Networks::read(const yaml::Node& node, const std::string& key, yaml::Faults& faults) {
  using Kind = yaml::Node::Kind;
  const bool list = node.kind == Kind::sequence;
  if ((!list && node.kind != Kind::scalar) || (list && node.items.empty())) {
    faults.add(node.mark, key, "must be an IP address or prefix, or a list of at least one");
    return std::nullopt;
  }
  Networks networks;
  bool good = true;
  const size_t count = list ? node.items.size() : 1;
  for (size_t i = 0; i < count; ++i) {
    const yaml::Node& item = list ? node.items[i] : node;
    const std::string at = list ? key + "[" + std::to_string(i) + "]" : key;
    const auto text = yaml::as_string(item, at, faults);
    if (text && !networks.add(*text)) {
      faults.add(item.mark, at, "must be an IP address or prefix such as 192.0.2.0/24, not " + quoted(*text));
      good = false;
    }
    good = good && text;
  }
  if (!good) return std::nullopt;
  networks.settle();
  return networks;
}

}  // namespace cardea::policy
