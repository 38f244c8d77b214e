// What a limit says: whom it tells apart, and how much each of them may have.
#pragma once

#include <vector>

#include "base/base.h"

namespace cardea::limit {

// Who shares one count: all requests of a route, those of a user, those of a source address (IPv6: of its /64).
enum class By : uint8_t { route, user, source_ip };
inline const char* name(By by) {
  return by == By::route ? "route" : by == By::user ? "user" : "source_ip";
}

// All limits of one list that have the same `by`.
struct Terms {
  // So many requests per so long, at a steady pace; after a pause so many at once.
  struct Window {
    uint32_t requests = 0;
    Millis per = 1000;
    uint32_t burst = 0;  // at least 1
    bool operator==(const Window&) const = default;
  };
  static constexpr size_t kMaxWindows = 4;
  static constexpr uint32_t kMaxRequests = 1'000'000;          // of requests and burst
  static constexpr uint64_t kMaxBytes = 1'000'000'000'000ull;  // per second

  By by = By::route;
  uint32_t concurrent = 0;        // exchanges at once; 0: no limit
  std::vector<Window> windows;    // each with another `per`; a request has to fit all of them
  uint64_t bytes_per_second = 0;  // of bodies and tunnels, each direction by itself; 0: no limit
  bool operator==(const Terms&) const = default;
};

}  // namespace cardea::limit
