// Runs the active checks of one cluster on one loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "health/check_state.h"
#include "net/net.h"
#include "tls/tls.h"

namespace cardea::health {

// What is checked. Compared by `id`.
struct Target {
  uint64_t id = 0;                                // never used again for another
  std::vector<net::Address> addresses;            // several: to be raced (RFC 8305); never empty
  std::string authority;                          // what Host says unless the check does
  std::string server_name;                        // for SNI and verification
  std::shared_ptr<const tls::ClientContext> tls;  // null: plain
  bool http2 = false;                             // h2c: prior knowledge
  // What an earlier checker found, to begin with: it changes by the thresholds, and only changes are told.
  CheckState::Verdict known = CheckState::Verdict::unchecked;
  bool known_degraded = false;
};

class CheckerEvents {
 public:
  // Of the host as a whole: it is healthy while every check says so; never `unchecked`. `degraded`: it is healthy, and
  // the answer to one of its checks asked for less traffic (x-envoy-degraded). Told when either changes, with the cause
  // of that: "http 503", "connect ECONNREFUSED", "timeout", "passed", "degraded"; lent.
  virtual void on_verdict(uint64_t target, CheckState::Verdict verdict, bool degraded, const std::string& cause) = 0;
  virtual void on_attempt(uint64_t target, Outcome outcome, const std::string& cause) = 0;  // every single check
  // A custom check is due: answer with Checker::complete(token), which may be in this call. False: nobody will (counts
  // as a failure). Tokens of one checker count from 1.
  virtual bool on_custom(uint64_t target, const Target& which, uint64_t token) = 0;

 protected:
  ~CheckerEvents() = default;
};

// One thread. Deleting it ends all checks; inside its events only through Loop::defer_delete. First checks are spread:
// with n targets no more than n/20 + 1 begin within the same millisecond, whatever the jitter says.
class Checker : public net::Deferred {
 public:
  static std::unique_ptr<Checker> make(net::Loop& loop, net::Network& network, std::vector<CheckConfig> checks,
                                       CheckerEvents& events, uint64_t seed);
  // These from now on. Those that stay keep their state.
  virtual void set_targets(std::vector<Target> targets) = 0;
  virtual void set_used() = 0;                              // the cluster has traffic: no_traffic_… intervals end
  virtual void complete(uint64_t token, bool healthy) = 0;  // unknown and late tokens are ignored
};

}  // namespace cardea::health
