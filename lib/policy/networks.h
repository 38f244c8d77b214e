// Sets of IP addresses, written as addresses and prefixes. Immutable once read.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/base.h"
#include "yaml/yaml.h"

namespace cardea::policy {

// IPv4 and its IPv6-mapped form (::ffff:a.b.c.d) are one; no other prefix of IPv6 covers IPv4 addresses.
class Networks {
 public:
  bool contains(const std::array<uint8_t, 16>& address) const;
  // A string or a list of strings: "192.0.2.1", "10.0.0.0/8", "2001:db8::/32". What is not one is a fault.
  static std::optional<Networks> read(const yaml::Node& node, const std::string& key, yaml::Faults& faults);
  bool operator==(const Networks&) const = default;

 private:
  __extension__ typedef unsigned __int128 Number;
  struct Range {
    Number first, last;
    bool operator==(const Range&) const = default;
  };
  bool add(Bytes text);
  void settle();

  std::vector<Range> ranges_;  // sorted, apart
};

}  // namespace cardea::policy
