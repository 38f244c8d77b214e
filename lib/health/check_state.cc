// When a host's verdict changes, and when it is looked at next.
#include "health/check_state.h"

namespace cardea::health {

bool CheckState::record(Outcome outcome) {
  const bool good = outcome == Outcome::success;
  const Verdict said = good ? Verdict::healthy : Verdict::unhealthy;
  edge_ = false;
  if (said == verdict_) {
    in_a_row_ = 0;
    return false;
  }
  const uint32_t threshold = good ? config_.healthy_threshold : config_.unhealthy_threshold;
  const bool decides = verdict_ == Verdict::unchecked || outcome == Outcome::immediate || ++in_a_row_ >= threshold;
  if (!decides) return false;
  verdict_ = said;
  in_a_row_ = 0;
  edge_ = true;
  return true;
}

Millis CheckState::first_delay(Random& random) const {
  return config_.initial_jitter > 0 ? random.below(config_.initial_jitter) : 0;
}

Millis CheckState::next_delay(bool used, Random& random) const {
  const auto first_set = [](Millis a, Millis b) { return a > 0 ? a : b; };
  const bool healthy = verdict_ == Verdict::healthy;
  Millis delay = config_.interval;
  if (!used) {
    delay = healthy ? first_set(config_.no_traffic_healthy_interval, config_.no_traffic_interval)
                    : config_.no_traffic_interval;
  } else if (healthy) {
    if (edge_) delay = first_set(config_.healthy_edge_interval, config_.interval);
  } else if (verdict_ == Verdict::unhealthy) {
    delay = first_set(config_.unhealthy_interval, config_.interval);
    if (edge_) delay = first_set(config_.unhealthy_edge_interval, delay);
  }
  // Of the interval alone: the two jitters add to it, not to each other.
  const Millis share = delay * config_.interval_jitter_percent / 100;
  if (share > 0) delay += random.below(share);
  if (config_.interval_jitter > 0) delay += random.below(config_.interval_jitter);
  return delay;
}

}  // namespace cardea::health
