// Of one host and one check: healthy or not, and when the next check is due. Pure.
#pragma once

#include "base/random.h"
#include "health/health.h"

namespace cardea::health {

enum class Outcome : uint8_t {
  success,
  failure,    // counts towards unhealthy_threshold: time-outs, refused connections, retriable statuses
  immediate,  // an answer that says no: unhealthy at once
};

class CheckState {
 public:
  // Until the first outcome: neither. At the start one success is enough, and one failure too.
  enum class Verdict : uint8_t { unchecked, healthy, unhealthy };
  // `known`: what an earlier one has found out.
  explicit CheckState(const CheckConfig& config, Verdict known = Verdict::unchecked)
      : config_(config), verdict_(known) {}
  Verdict verdict() const { return verdict_; }
  // True when the verdict changed: an edge.
  bool record(Outcome outcome);
  // Time until the first check, and from the end of one to the next; jitter included. `used`: the cluster has had
  // traffic.
  Millis first_delay(Random& random) const;
  Millis next_delay(bool used, Random& random) const;

 private:
  const CheckConfig& config_;
  Verdict verdict_;
  uint32_t in_a_row_ = 0;  // outcomes that speak against the verdict
  bool edge_ = false;      // the last outcome changed it
};

}  // namespace cardea::health
