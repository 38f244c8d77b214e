// Who is ejected, for how long, and who comes back.
#include "health/outliers.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

namespace cardea::health {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
// Percent. Hosts that are all alike differ from their mean by rounding.
constexpr double kRounding = 1e-9;

// Success is the rule: it reads, and writes only after a failure.
void clear(std::atomic<uint32_t>& counter) {
  if (counter.load(kRelaxed) != 0) counter.store(0, kRelaxed);
}

}  // namespace

Outliers::Outliers(const OutlierConfig& config, uint64_t seed, std::function<void(const Edge&)> on_edge)
    : config_(config), on_edge_(std::move(on_edge)), random_(seed) {}

Outliers::~Outliers() {
  set_hosts({});
}

void Outliers::set_hosts(std::vector<std::shared_ptr<OutlierRecord>> hosts) {
  std::lock_guard lock(mutex_);
  std::unordered_set<const OutlierRecord*> stay;
  for (auto& host : hosts) {
    if (host->owner_.load(kRelaxed) == this) {
      stay.insert(host.get());
    } else {
      begin_anew(*host);
      host->owner_.store(this, kRelaxed);
    }
  }
  for (auto& host : hosts_) {
    // A successor with another configuration may have taken it over already.
    if (stay.contains(host.get()) || host->owner_.load(kRelaxed) != this) continue;
    begin_anew(*host);
    host->owner_.store(nullptr, kRelaxed);
  }
  hosts_ = std::move(hosts);
  ejected_ = size_t(std::count_if(hosts_.begin(), hosts_.end(), [](auto& host) { return host->ejected(); }));
}

void Outliers::begin_anew(OutlierRecord& host) {
  clear_failures(host);
  host.ejected_.store(false, std::memory_order_release);
  host.multiplier_.store(0, kRelaxed);
  for (OutlierRecord::Tally* tally : {&host.external_, &host.local_}) {
    tally->requests.store(0, kRelaxed);
    tally->failures.store(0, kRelaxed);
  }
}

void Outliers::clear_failures(OutlierRecord& host) {
  host.consecutive_5xx_.store(0, kRelaxed);
  host.consecutive_gateway_.store(0, kRelaxed);
  host.consecutive_local_.store(0, kRelaxed);
}

// ---- one exchange ---------------------------------------------------------------------------------

void Outliers::record(OutlierRecord& host, Sign sign, Millis now) {
  const bool split = config_.split_external_local_origin_errors;
  switch (sign) {
    case Sign::success:
      host.external_.requests.fetch_add(1, kRelaxed);
      clear(host.consecutive_5xx_);
      clear(host.consecutive_gateway_);
      return;
    case Sign::server_error:
      return count_5xx(host, false, now);
    case Sign::gateway_error:
      return count_5xx(host, true, now);
    case Sign::local_origin_success:
      if (!split) return;
      host.local_.requests.fetch_add(1, kRelaxed);
      return clear(host.consecutive_local_);
    case Sign::local_origin_failure:
      // Unless the two are told apart it counts as the 503 or 504 that clients see.
      if (!split) return count_5xx(host, true, now);
      host.local_.requests.fetch_add(1, kRelaxed);
      host.local_.failures.fetch_add(1, kRelaxed);
      if (host.consecutive_local_.fetch_add(1, kRelaxed) + 1 == config_.consecutive_local_origin_failure) {
        too_many(host, host.consecutive_local_, "consecutive_local_origin_failure",
                 config_.enforcing_consecutive_local_origin_failure, now);
      }
      return;
  }
}

void Outliers::count_5xx(OutlierRecord& host, bool gateway, Millis now) {
  host.external_.requests.fetch_add(1, kRelaxed);
  host.external_.failures.fetch_add(1, kRelaxed);
  if (!gateway) {
    clear(host.consecutive_gateway_);
  } else if (host.consecutive_gateway_.fetch_add(1, kRelaxed) + 1 == config_.consecutive_gateway_failure) {
    too_many(host, host.consecutive_gateway_, "consecutive_gateway_failure",
             config_.enforcing_consecutive_gateway_failure, now);
  }
  if (host.consecutive_5xx_.fetch_add(1, kRelaxed) + 1 == config_.consecutive_5xx) {
    too_many(host, host.consecutive_5xx_, "consecutive_5xx", config_.enforcing_consecutive_5xx, now);
  }
}

// The threshold was hit exactly, so of all threads by one.
void Outliers::too_many(OutlierRecord& host, std::atomic<uint32_t>& counter, const char* cause, uint32_t enforcing,
                        Millis now) {
  Edge edge;
  {
    std::lock_guard lock(mutex_);
    if (host.owner_.load(kRelaxed) != this || host.ejected()) return;
    edge = eject(host, cause, enforcing, now);
    // A host that stays in use is noticed again after as many failures as the first time.
    counter.store(0, kRelaxed);
  }
  on_edge_(edge);
}

// ---- in and out -----------------------------------------------------------------------------------

bool Outliers::has_room() const {
  const uint64_t percent = std::min<uint32_t>(config_.max_ejection_percent, 100);
  return (ejected_ + 1) * 100 <= percent * hosts_.size() || (config_.always_eject_one_host && ejected_ == 0);
}

Outliers::Edge Outliers::eject(OutlierRecord& host, const char* cause, uint32_t enforcing, Millis now) {
  const Edge edge{&host, true, cause, has_room() && random_.below(100) < enforcing};
  if (!edge.enforced) return edge;
  const Millis base = config_.base_ejection_time, longest = std::max(config_.max_ejection_time, base);
  // Grows no further than what the cap needs, or decay would have to bring back more than was ever used.
  uint32_t multiplier = host.multiplier_.load(kRelaxed);
  if (multiplier * base < longest + base) ++multiplier;
  host.multiplier_.store(multiplier, kRelaxed);
  const Millis jitter = config_.max_ejection_time_jitter > 0 ? random_.below(config_.max_ejection_time_jitter + 1) : 0;
  host.ejected_until_.store(now + std::min(multiplier * base, longest) + jitter, kRelaxed);
  host.ejected_.store(true, std::memory_order_release);
  ++ejected_;
  return edge;
}

// It begins without guilt: the next failure alone must not send it away again.
void Outliers::take_back(OutlierRecord& host) {
  clear_failures(host);
  host.ejected_.store(false, std::memory_order_release);
  --ejected_;
}

void Outliers::on_check_passed(OutlierRecord& host, Millis) {
  if (!config_.successful_active_health_check_uneject_host || !host.ejected()) return;
  {
    std::lock_guard lock(mutex_);
    if (host.owner_.load(kRelaxed) != this || !host.ejected()) return;
    take_back(host);
  }
  on_edge_({&host, false, "health_check", true});
}

// ---- the sweep ------------------------------------------------------------------------------------

void Outliers::sweep(Millis now) {
  std::vector<Told> told;
  {
    std::lock_guard lock(mutex_);
    for (auto& host : hosts_) {
      if (!host->ejected()) {
        if (const uint32_t multiplier = host->multiplier_.load(kRelaxed))
          host->multiplier_.store(multiplier - 1, kRelaxed);
      } else if (now >= host->ejected_until_.load(kRelaxed)) {
        take_back(*host);
        told.push_back({{host.get(), false, "time", true}, host});
      }
    }
    judge(&OutlierRecord::external_, now, told);
    judge(&OutlierRecord::local_, now, told);
  }
  for (const Told& one : told) on_edge_(one.edge);
}

// The interval that ends, and every tally starts anew: also those of ejected hosts, whose numbers mean little.
void Outliers::judge(OutlierRecord::Tally OutlierRecord::*tally, Millis now, std::vector<Told>& told) {
  std::vector<Rated> rated;
  rated.reserve(hosts_.size());
  for (auto& host : hosts_) {
    OutlierRecord::Tally& counted = (*host).*tally;
    const uint64_t requests = counted.requests.exchange(0, kRelaxed);
    // A thread may be between its two additions.
    const uint64_t failures = std::min(counted.failures.exchange(0, kRelaxed), requests);
    if (host->ejected() || requests == 0) continue;
    rated.push_back({&host, requests, 100.0 * double(requests - failures) / double(requests)});
  }
  const bool local = tally == &OutlierRecord::local_;
  judge_success_rates(rated, local, now, told);
  judge_failures(rated, local, now, told);
}

void Outliers::judge_success_rates(const std::vector<Rated>& rated, bool local, Millis now, std::vector<Told>& told) {
  const auto counts = [&](const Rated& r) { return r.requests >= config_.success_rate_request_volume; };
  double sum = 0, squares = 0;
  size_t n = 0;
  for (const Rated& r : rated) {
    if (!counts(r)) continue;
    sum += r.success_rate;
    ++n;
  }
  if (n == 0 || n < config_.success_rate_minimum_hosts) return;
  const double mean = sum / double(n);
  for (const Rated& r : rated) {
    if (counts(r)) squares += (r.success_rate - mean) * (r.success_rate - mean);
  }
  const double least = mean - config_.success_rate_stdev_factor / 1000.0 * std::sqrt(squares / double(n));
  for (const Rated& r : rated) {
    if (!counts(r) || r.success_rate >= least - kRounding) continue;
    told.push_back({eject(**r.host, local ? "local_origin_success_rate" : "success_rate",
                          local ? config_.enforcing_local_origin_success_rate : config_.enforcing_success_rate, now),
                    *r.host});
  }
}

void Outliers::judge_failures(const std::vector<Rated>& rated, bool local, Millis now, std::vector<Told>& told) {
  const auto counts = [&](const Rated& r) { return r.requests >= config_.failure_percentage_request_volume; };
  const auto n = size_t(std::count_if(rated.begin(), rated.end(), counts));
  if (n == 0 || n < config_.failure_percentage_minimum_hosts) return;
  for (const Rated& r : rated) {
    if (!counts(r) || 100.0 - r.success_rate < config_.failure_percentage_threshold || (*r.host)->ejected()) continue;
    told.push_back(
        {eject(**r.host, local ? "local_origin_failure_percentage" : "failure_percentage",
               local ? config_.enforcing_failure_percentage_local_origin : config_.enforcing_failure_percentage, now),
         *r.host});
  }
}

}  // namespace cardea::health
