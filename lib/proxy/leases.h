// When live exchanges are to be judged again: in buckets of time, one timer for all.
#pragma once

#include <functional>
#include <map>

#include "base/list.h"
#include "net/net.h"

namespace cardea::proxy {

class Exchange;
// An exchange's places in a worker's lists.
struct LivePlace : Link {};   // every one
struct LeasePlace : Link {};  // in one bucket of the table below
struct KeysPlace : Link {};   // waiting for a provider's keys

// Why a live exchange is judged again; `host`: its hook is asked again too.
enum class Again : uint8_t { change, host };

// One worker's. Entries leave by unlinking.
class Leases {
 public:
  // `judge` is called for what is due; it may end the exchange or renew it here.
  Leases(net::Loop& loop, std::function<void(Exchange&)> judge);
  void renew(Exchange& exchange, Millis when);  // in Loop::now() time; replaces an earlier one; 0: never
  // At most so many are judged in a turn; the rest follow in the next ones.
  static constexpr size_t kPerTurn = 1000;

 private:
  void due();
  std::map<Millis, List<Exchange, LeasePlace>> buckets_;  // by their end
  std::function<void(Exchange&)> judge_;
  net::Loop& loop_;
  net::Timer timer_;
};

}  // namespace cardea::proxy
