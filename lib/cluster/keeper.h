// What one worker does for a cluster in the name of all: names, checks, sweeps.
#pragma once

#include "cluster/shared.h"
#include "health/checker.h"

namespace cardea::cluster {

// One loop, one thread. Owned by its Shared.
class Keeper final : public net::Deferred, private DiscoveryEvents, private health::CheckerEvents {
 public:
  Keeper(Shared& shared, net::Loop& loop, net::Network& network, RosterPtr known);
  ~Keeper() override;
  void start();
  void retire();  // its Shared may be gone from now on, before this is
  void set_used();
  void set_endpoints(std::optional<std::vector<EndpointConfig>> endpoints);
  void complete(uint64_t token, bool healthy);

 private:
  void on_roster(RosterPtr roster) override;
  void on_resolution() override;
  void on_verdict(uint64_t target, health::CheckState::Verdict verdict, bool degraded,
                  const std::string& cause) override;
  void on_attempt(uint64_t target, health::Outcome outcome, const std::string& cause) override;
  bool on_custom(uint64_t target, const health::Target& which, uint64_t token) override;
  void inherit(EndpointState& state) const;
  health::Target target(const EndpointState& state) const;
  EndpointState* find(uint64_t id) const;
  const ClusterConfig& config() const { return *shared_.config(); }

  Shared& shared_;
  net::Loop& loop_;
  RosterPtr roster_;
  std::unique_ptr<Discovery> discovery_;
  std::unique_ptr<health::Checker> checker_;  // null: no checks
  net::Timer sweep_;
  const uint64_t first_token_;  // of checks that are the host's; those of earlier keepers are below
  bool retired_ = false;
};

}  // namespace cardea::cluster
