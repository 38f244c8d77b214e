// Keys of token providers that are fetched: one set an address, shared by workers, asked for by one of them at a time.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "config/config.h"

namespace cardea::proxy {

// What is known of one address. Thread-safe; the arguments are any worker's Loop::now(), which is one clock.
class RemoteKeySet {
 public:
  // Asked again no sooner than this after a try, whoever sends unknown keys.
  static constexpr Millis kBetweenTries = 5'000;
  // While fetching fails the last good keys stay, but not for ever: a withdrawn key must end some day.
  static constexpr Millis kLongestStale = 24 * 3600'000;

  explicit RemoteKeySet(Millis cache_duration) : cache_duration_(cache_duration) {}
  token::KeySetPtr keys(Millis now) const;  // null: none yet, or too old
  // True when somebody should fetch now, and that is the caller; `unknown_key`: a token named a key that is not here.
  bool begin_fetch(Millis now, bool unknown_key);
  bool fetching() const;
  void end_fetch(token::KeySetPtr keys, Millis now);  // null: it failed

 private:
  mutable std::mutex mutex_;
  const Millis cache_duration_;
  token::KeySetPtr keys_;
  Millis fetched_at_ = 0, tried_at_ = 0;
  bool tried_ = false, fetching_ = false;
};
using RemoteKeySetPtr = std::shared_ptr<RemoteKeySet>;

// One GET for a key set, on one worker. Deleting it cancels. Everything is bounded: time, head, body.
class KeyFetch : public net::Deferred {
 public:
  // `done` gets the keys or why there are none ("https://idp/jwks: status 404"); it may delete the fetch through
  // Loop::defer_delete.
  static std::unique_ptr<KeyFetch> start(net::Loop& loop, net::Network& network, const config::RemoteKeys& from,
                                         std::function<void(Result<token::KeySetPtr>)> done);
};

}  // namespace cardea::proxy
