// Names, checks and sweeps of one cluster, on one worker.
#include "cluster/keeper.h"

#include <algorithm>

#include "base/log.h"

namespace cardea::cluster {

using Verdict = health::CheckState::Verdict;

Keeper::Keeper(Shared& shared, net::Loop& loop, net::Network& network, RosterPtr known)
    : shared_(shared),
      loop_(loop),
      roster_(known),
      discovery_(Discovery::make(loop, network, shared.config(), *this, std::move(known))),
      sweep_(loop,
             [this] {
               shared_.outliers()->sweep(loop_.now());
               sweep_.start(shared_.outliers()->config().interval);
             }),
      first_token_(shared.last_token_) {
  if (!config().health_checks.empty()) {
    checker_ = health::Checker::make(loop, network, config().health_checks, *this, shared.next_seed());
  }
  if (shared_.outliers()) sweep_.start(shared_.outliers()->config().interval);
}

Keeper::~Keeper() {
  // It may be below us on the stack.
  if (checker_) loop_.defer_delete(std::move(checker_));
  loop_.defer_delete(std::move(discovery_));
}

void Keeper::retire() {
  retired_ = true;
  discovery_->stop();
  sweep_.stop();
}

void Keeper::start() {
  if (!roster_->empty()) on_roster(roster_);  // of a predecessor: its endpoints are checked from now on
  discovery_->start();
}

void Keeper::set_used() {
  if (checker_) checker_->set_used();
}

void Keeper::set_endpoints(std::optional<std::vector<EndpointConfig>> endpoints) {
  discovery_->set_endpoints(std::move(endpoints));
}

void Keeper::complete(uint64_t token, bool healthy) {
  if (checker_ && token > first_token_) checker_->complete(token - first_token_, healthy);
}

// ---- who is there -----------------------------------------------------------------------------------

void Keeper::on_roster(RosterPtr roster) {
  if (retired_) return;
  std::vector<health::Target> targets;
  std::vector<std::shared_ptr<health::OutlierRecord>> records;
  for (const Member& m : *roster) {
    if (!find(m.state->id)) inherit(*m.state);
    if (checker_) targets.push_back(target(*m.state));
    records.push_back(m.state->record);
  }
  roster_ = std::move(roster);
  if (shared_.outliers()) shared_.outliers()->set_hosts(std::move(records));
  shared_.publish(roster_);
  if (checker_) checker_->set_targets(std::move(targets));
}

// A change of the configuration is no reason to forget what is known of an address.
void Keeper::inherit(EndpointState& state) const {
  if (!checker_) return;
  state.verdict = Verdict::unchecked;
  if (shared_.previous_) {
    for (const Member& old : *shared_.previous_) {
      if (old.state->text != state.text) continue;
      state.verdict = old.state->verdict.load();
      state.degraded = old.state->degraded.load();
    }
  }
}

void Keeper::on_resolution() {
  if (retired_) return;
  shared_.publish(discovery_->resolving(), discovery_->failure());
}

health::Target Keeper::target(const EndpointState& state) const {
  using Scheme = EndpointConfig::Scheme;
  health::Target t;
  t.id = state.id;
  t.addresses = state.addresses;
  t.authority = state.config.authority;
  t.server_name = config().tls_server_name.empty() ? state.config.host : config().tls_server_name;
  if (state.config.scheme == Scheme::https) t.tls = config().tls;
  t.http2 = state.config.scheme == Scheme::h2c;
  t.known = state.verdict;
  t.known_degraded = state.degraded;
  return t;
}

EndpointState* Keeper::find(uint64_t id) const {
  auto at = std::find_if(roster_->begin(), roster_->end(), [id](const Member& m) { return m.state->id == id; });
  return at == roster_->end() ? nullptr : at->state.get();
}

// ---- how they are -----------------------------------------------------------------------------------

void Keeper::on_verdict(uint64_t id, Verdict verdict, bool degraded, const std::string& cause) {
  if (retired_) return;
  EndpointState* state = find(id);
  if (!state) return;
  const Verdict before = state->verdict.exchange(verdict);
  state->degraded = degraded;
  const bool healthy = verdict == Verdict::healthy;
  if (verdict != before) add_shared(shared_.tally().health_changes_total);
  if (healthy && before != Verdict::healthy) state->fit_since = loop_.now();
  if (healthy && shared_.outliers()) shared_.outliers()->on_check_passed(*state->record, loop_.now());
  log::write(healthy ? log::notice : log::warning, "cluster " + config().name + ": endpoint " + state->text + " is " +
                                                       (healthy ? degraded ? "degraded" : "healthy" : "unhealthy") +
                                                       ": " + cause);
  if (shared_.observer_) shared_.observer_->on_health({config().name, state->text, healthy, cause, false, true});
  shared_.tell(Shared::News::endpoints, nullptr);
}

void Keeper::on_attempt(uint64_t id, health::Outcome outcome, const std::string& cause) {
  if (retired_) return;
  EndpointState* state = find(id);
  if (!state) return;
  const bool passed = outcome == health::Outcome::success;
  state->checks.fetch_add(1, std::memory_order_relaxed);
  add_shared(shared_.tally().health_checks_total);
  add_shared(passed ? shared_.tally().health_check_successes_total : shared_.tally().health_check_failures_total);
  if (!passed) state->failed_checks.fetch_add(1, std::memory_order_relaxed);
  if (passed && shared_.outliers()) shared_.outliers()->on_check_passed(*state->record, loop_.now());
  const bool wanted =
      std::any_of(config().health_checks.begin(), config().health_checks.end(),
                  [&](const health::CheckConfig& c) { return passed ? c.always_log_success : c.always_log_failures; });
  if (wanted) {
    log::write(passed ? log::notice : log::warning,
               "cluster " + config().name + ": check of " + state->text + ": " + cause);
  }
}

bool Keeper::on_custom(uint64_t id, const health::Target&, uint64_t token) {
  EndpointState* state = retired_ ? nullptr : find(id);
  if (!state) return false;
  shared_.last_token_ = first_token_ + token;
  const uint64_t ours = shared_.number_ << Shared::kTokenBits | shared_.last_token_;
  shared_.expect_check(shared_.last_token_);
  return shared_.observer_ && shared_.observer_->on_custom_check(config().name, state->text, ours);
}

}  // namespace cardea::cluster
