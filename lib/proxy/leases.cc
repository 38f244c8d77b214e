// Leases in buckets of time.
#include "proxy/leases.h"

#include "proxy/exchange.h"

namespace cardea::proxy {

namespace {
constexpr Millis kGrain = 250;
}

Leases::Leases(net::Loop& loop, std::function<void(Exchange&)> judge)
    : judge_(std::move(judge)), loop_(loop), timer_(loop, [this] { due(); }) {}

// Never early: what ends at a boundary still holds right before it. Never in a bucket that is being emptied.
void Leases::renew(Exchange& exchange, Millis when) {
  static_cast<LeasePlace&>(exchange).unlink();
  if (!when) return;
  when = std::max(when, loop_.now() + 1);
  const Millis end = (when + kGrain - 1) / kGrain * kGrain;
  buckets_[end].push_back(exchange);
  if (!timer_.active() || end < timer_.deadline()) timer_.start_at(end);
}

void Leases::due() {
  const Millis now = loop_.now();
  size_t judged = 0;
  while (!buckets_.empty() && buckets_.begin()->first <= now) {
    auto& list = buckets_.begin()->second;
    while (Exchange* x = list.front()) {
      if (judged++ == kPerTurn) return timer_.start(0);
      static_cast<LeasePlace&>(*x).unlink();
      judge_(*x);
    }
    buckets_.erase(buckets_.begin());
  }
  // A bucket whose exchanges are all gone still costs a wake-up, no more.
  if (!buckets_.empty()) timer_.start_at(buckets_.begin()->first);
}

}  // namespace cardea::proxy
