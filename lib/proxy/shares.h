// What an exchange has taken of the limits that apply to it, and its bytes that wait because of them.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "limit/registry.h"

namespace cardea::proxy {

// A limit that applies to a route.
struct Share {
  limit::By by;
  std::shared_ptr<limit::Table> table;
};
// In the order in which they are asked.
struct RouteShares {
  std::vector<Share> anybody;  // before anything is known of the caller: by source address, then by route
  std::vector<Share> user;     // once the policy has let it pass
};
constexpr size_t kMaxShares = 6;  // the global ones and the route's

// The limits of a snapshot, each with the scope that it has in every snapshot: routes go by name, those with the same
// name by their order.
struct ScopedShare {
  static constexpr size_t kEveryRoute = SIZE_MAX;
  std::string scope;
  const limit::Terms* terms;
  size_t route;
};
std::vector<ScopedShare> scoped_shares(const config::Snapshot& snapshot);
// By Route::index; empty when there is no limit at all.
std::vector<RouteShares> find_shares(limit::Registry& registry, const config::Snapshot& snapshot);

// One direction of an exchange whose bytes are counted.
struct Flow {
  // What waits for its turn, at most what one read gave; the first `passed` of it have gone, the next `paid` go at
  // `at`.
  std::vector<char> held;
  size_t passed = 0, paid = 0;
  Millis at = 0;                        // 0: nothing waits
  std::vector<std::vector<char>> lent;  // what some of went in turn `lent_in`, when others may still look at it
  uint64_t lent_in = 0;
  // What came behind it.
  bool over = false, has_trailers = false;
  http::Fields trailers;

  bool waits() const { return at != 0; }
  void append(Bytes bytes, uint64_t turn);
  void lend(uint64_t turn);    // all of `held`
  void let_go(uint64_t turn);  // of what was lent before
  Bytes left() const { return Bytes(held.data(), held.size()).substr(passed); }
};

struct Shares {
  struct Taken {
    limit::By by;
    limit::Table* table;  // the exchange's generation keeps it
    limit::Table::Entry* entry;
  };
  std::array<Taken, kMaxShares> taken;
  size_t count = 0;
  bool shapes = false;         // some of them count bytes
  uint64_t retry_after_s = 1;  // of the refusal
  Flow to_service, to_client;

  Flow& flow(limit::Direction d) { return d == limit::Direction::to_client ? to_client : to_service; }
  bool waits() const { return to_service.waits() || to_client.waits(); }
  // How many bytes may pass now, at most n; and takes so many, which are worth this wait.
  size_t room(limit::Direction direction, size_t n, Millis now) const;
  Millis spend(limit::Direction direction, size_t n, Millis now) const;
  size_t slice() const;
  // Gives all back. `refused`, by another limit: by address every attempt counts, otherwise only what passes.
  void release(Millis now, bool refused = false);
};

}  // namespace cardea::proxy
