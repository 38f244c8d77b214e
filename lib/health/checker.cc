// When each check of each host begins, what a host's checks together say, and who is told.
#include "health/checker.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/list.h"
#include "health/probe.h"

namespace cardea::health {

namespace {

using Verdict = CheckState::Verdict;

class ActiveChecker;
class Host;

// One check of one host: waits, is due, runs.
class Check final : public Link, private Probe::Owner {
 public:
  Check(Host& host, std::shared_ptr<const CheckConfig> config);

  void arm();      // for its first time
  void begin();    // it was due, and now is its turn
  void traffic();  // the cluster has some: the next time may be earlier
  void end_custom(bool healthy);
  void silence();  // its host is no longer checked
  Verdict verdict() const { return state_.verdict(); }
  bool degraded() const { return degraded_; }

 private:
  void on_report(const Report& report) override;
  void on_clock();
  void ask_host();
  void forget_token();
  void wait();

  Host& host_;
  const std::shared_ptr<const CheckConfig> config_;
  CheckState state_;
  Probe probe_;
  net::Timer clock_;  // until it is due; while it runs, until it has taken too long
  Millis ended_at_ = 0;
  uint64_t token_ = 0;  // of the custom check under way; 0: none
  bool running_ = false, degraded_;
};

// One target with its checks. Lives on until the end of the turn in which it is removed: events may be about it.
class Host final : public net::Deferred {
 public:
  Host(ActiveChecker& checker, std::shared_ptr<const Target> target);
  void renew(Target target);
  void arm();
  void traffic();
  void silence();
  void on_outcome(const Report& report);
  ActiveChecker& checker() { return checker_; }
  const std::shared_ptr<const Target>& target() const { return target_; }

 private:
  ActiveChecker& checker_;
  std::shared_ptr<const Target> target_;
  std::vector<std::unique_ptr<Check>> checks_;
  Verdict verdict_;
  bool degraded_, removed_ = false;
};

class ActiveChecker final : public Checker {
 public:
  ActiveChecker(net::Loop& loop, net::Network& network, std::vector<CheckConfig> checks, CheckerEvents& events,
                uint64_t seed);
  ~ActiveChecker() override;

  void set_targets(std::vector<Target> targets) override;
  void set_used() override;
  void complete(uint64_t token, bool healthy) override;

  void due(Check& check);  // it begins when its turn comes: at most so many in a millisecond
  uint64_t give_token(Check& check);
  void take_token(uint64_t token) { tokens_.erase(token); }

  net::Loop& loop() { return loop_; }
  net::Network& network() { return network_; }
  CheckerEvents& events() { return events_; }
  Random& random() { return random_; }
  bool used() const { return used_; }
  const std::vector<std::shared_ptr<const CheckConfig>>& checks() const { return checks_; }

 private:
  void begin_due();

  net::Loop& loop_;
  net::Network& network_;
  std::vector<std::shared_ptr<const CheckConfig>> checks_;
  CheckerEvents& events_;
  Random random_;
  net::Timer pace_;
  List<Check> due_;
  Millis moment_ = 0;  // in which `begun_` checks began
  size_t begun_ = 0;
  uint64_t last_token_ = 0;
  std::unordered_map<uint64_t, Check*> tokens_;  // of custom checks under way
  std::unordered_map<uint64_t, std::unique_ptr<Host>> hosts_;
  bool used_ = false;
};

// ---- one check ------------------------------------------------------------------------------------

Check::Check(Host& host, std::shared_ptr<const CheckConfig> config)
    : host_(host),
      config_(std::move(config)),
      state_(*config_, host.target()->known),
      probe_(host.checker().loop(), host.checker().network(), config_, *this),
      clock_(host.checker().loop(), [this] { on_clock(); }),
      degraded_(host.target()->known_degraded) {}

void Check::arm() {
  clock_.start(state_.first_delay(host_.checker().random()));
}

void Check::on_clock() {
  if (!running_) return host_.checker().due(*this);
  probe_.stop();
  on_report({.cause = "timeout"});
}

void Check::begin() {
  running_ = true;
  clock_.start(std::max<Millis>(config_->timeout, 1));
  if (config_->kind == CheckConfig::Kind::custom) return ask_host();
  probe_.start(host_.target());
}

void Check::ask_host() {
  const auto target = host_.target();  // another may be set in this very call
  const uint64_t token = token_ = host_.checker().give_token(*this);
  const bool asked = host_.checker().events().on_custom(target->id, *target, token);
  if (!asked && token_ == token) on_report({.cause = "nobody checks"});
}

void Check::end_custom(bool healthy) {
  on_report({healthy ? Outcome::success : Outcome::failure, healthy ? "passed" : "failed"});
}

void Check::forget_token() {
  if (token_ != 0) host_.checker().take_token(std::exchange(token_, 0));
}

void Check::on_report(const Report& report) {
  forget_token();
  running_ = false;
  ended_at_ = host_.checker().loop().now();
  state_.record(report.outcome);
  if (report.outcome == Outcome::success) degraded_ = report.degraded;
  wait();
  host_.on_outcome(report);
}

void Check::wait() {
  const Millis delay = state_.next_delay(host_.checker().used(), host_.checker().random());
  clock_.start_at(std::max(ended_at_ + std::max<Millis>(delay, 1), host_.checker().loop().now()));
}

void Check::traffic() {
  if (running_ || linked() || ended_at_ == 0) return;
  const Millis before = clock_.deadline();
  wait();
  if (clock_.deadline() > before) clock_.start_at(before);
}

void Check::silence() {
  unlink();
  clock_.stop();
  forget_token();
  probe_.stop();
}

// ---- one host -------------------------------------------------------------------------------------

Host::Host(ActiveChecker& checker, std::shared_ptr<const Target> target)
    : checker_(checker), target_(std::move(target)), verdict_(target_->known), degraded_(target_->known_degraded) {
  for (auto& config : checker.checks()) checks_.push_back(std::make_unique<Check>(*this, config));
}

void Host::renew(Target target) {
  const Target& t = *target_;
  if (target.addresses == t.addresses && target.authority == t.authority && target.server_name == t.server_name &&
      target.tls == t.tls && target.http2 == t.http2) {
    return;
  }
  target_ = std::make_shared<const Target>(std::move(target));
}

void Host::arm() {
  for (auto& check : checks_) check->arm();
}

void Host::traffic() {
  for (auto& check : checks_) check->traffic();
}

void Host::silence() {
  removed_ = true;
  for (auto& check : checks_) check->silence();
}

void Host::on_outcome(const Report& report) {
  const auto any = [this](Verdict verdict) {
    return std::any_of(checks_.begin(), checks_.end(), [&](auto& check) { return check->verdict() == verdict; });
  };
  // A host with a verdict keeps it while a check that could change it has not ended for the first time.
  const Verdict verdict = any(Verdict::unhealthy)   ? Verdict::unhealthy
                          : any(Verdict::unchecked) ? verdict_
                                                    : Verdict::healthy;
  const bool degraded = verdict == Verdict::healthy &&
                        std::any_of(checks_.begin(), checks_.end(), [](auto& check) { return check->degraded(); });
  const bool turned = verdict != std::exchange(verdict_, verdict);
  const bool changed = degraded != std::exchange(degraded_, degraded) || turned;
  checker_.events().on_attempt(target_->id, report.outcome, report.cause);
  if (!changed || removed_) return;
  checker_.events().on_verdict(target_->id, verdict, degraded, !turned && degraded ? "degraded" : report.cause);
}

// ---- all of them ----------------------------------------------------------------------------------

ActiveChecker::ActiveChecker(net::Loop& loop, net::Network& network, std::vector<CheckConfig> checks,
                             CheckerEvents& events, uint64_t seed)
    : loop_(loop), network_(network), events_(events), random_(seed), pace_(loop, [this] { begin_due(); }) {
  for (CheckConfig& config : checks) checks_.push_back(std::make_shared<const CheckConfig>(std::move(config)));
}

ActiveChecker::~ActiveChecker() {
  net::Loop::Turn turn(loop_);
  for (auto& [id, host] : hosts_) host->silence();
}

void ActiveChecker::set_targets(std::vector<Target> targets) {
  net::Loop::Turn turn(loop_);
  auto before = std::exchange(hosts_, {});
  std::vector<Host*> fresh;
  for (Target& target : targets) {
    const uint64_t id = target.id;
    if (hosts_.contains(id)) continue;
    if (auto node = before.extract(id)) {
      node.mapped()->renew(std::move(target));
      hosts_.insert(std::move(node));
    } else {
      auto& host = hosts_[id] = std::make_unique<Host>(*this, std::make_shared<const Target>(std::move(target)));
      fresh.push_back(host.get());
    }
  }
  for (auto& [id, host] : before) {
    host->silence();
    loop_.defer_delete(std::move(host));
  }
  for (Host* host : fresh) host->arm();
}

void ActiveChecker::set_used() {
  if (std::exchange(used_, true)) return;
  for (auto& [id, host] : hosts_) host->traffic();
}

uint64_t ActiveChecker::give_token(Check& check) {
  tokens_.emplace(++last_token_, &check);
  return last_token_;
}

void ActiveChecker::complete(uint64_t token, bool healthy) {
  const auto found = tokens_.find(token);
  if (found == tokens_.end()) return;
  net::Loop::Turn turn(loop_);
  found->second->end_custom(healthy);
}

void ActiveChecker::due(Check& check) {
  due_.push_back(check);
  begin_due();
}

void ActiveChecker::begin_due() {
  const Millis now = loop_.now();
  if (std::exchange(moment_, now) != now) begun_ = 0;
  while (Check* check = due_.front()) {
    if (begun_ > hosts_.size() / 20) return pace_.start_at(now + 1);
    ++begun_;
    check->unlink();
    check->begin();
  }
}

}  // namespace

std::unique_ptr<Checker> Checker::make(net::Loop& loop, net::Network& network, std::vector<CheckConfig> checks,
                                       CheckerEvents& events, uint64_t seed) {
  return std::make_unique<ActiveChecker>(loop, network, std::move(checks), events, seed);
}

}  // namespace cardea::health
