// An endpoint as all workers of a proxy know it, and the list of a cluster's endpoints.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "cluster/cluster.h"
#include "cluster/gauge.h"
#include "health/check_state.h"
#include "health/outliers.h"

namespace cardea::cluster {

// Made by Discovery; the same object for as long as the endpoint stays in the answers. Any thread.
struct EndpointState {
  EndpointState(uint64_t id, EndpointConfig config, std::vector<net::Address> addresses)
      : id(id), config(std::move(config)), addresses(std::move(addresses)), text(this->addresses[0].text()) {}
  const uint64_t id;            // never used again in this process
  const EndpointConfig config;  // weight and priority are the Member's
  const std::vector<net::Address>
      addresses;           // never empty; several: the same host in both families, to be raced (RFC 8305)
  const std::string text;  // "127.0.0.1:9001": of the first, for logs and as key on rings

  // In use, over all workers.
  Gauge requests, connections, pending, retries;
  std::atomic<bool> starved{false};  // some worker wants a connection, and the endpoint is at its limit
  // Fitness. Written by the cluster's keeper and by traffic.
  std::atomic<health::CheckState::Verdict> verdict{health::CheckState::Verdict::healthy};  // without checks: healthy
  std::atomic<bool> degraded{false};
  std::atomic<uint64_t> checks{0}, failed_checks{0};  // active ones
  std::atomic<Millis> fit_since{0};                   // Loop::now() of the keeper when it became fit; 0: always was
  const std::shared_ptr<health::OutlierRecord> record = std::make_shared<health::OutlierRecord>();
  bool fit() const {
    return verdict.load(std::memory_order_acquire) != health::CheckState::Verdict::unhealthy && !record->ejected();
  }
};
using EndpointStatePtr = std::shared_ptr<EndpointState>;

struct Member {
  EndpointStatePtr state;
  uint32_t weight = 1, priority = 0;
  bool operator==(const Member&) const = default;
};
using Roster = std::vector<Member>;  // in a stable order: those that stay keep their places among each other
using RosterPtr = std::shared_ptr<const Roster>;

}  // namespace cardea::cluster
