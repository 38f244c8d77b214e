// A worker's live exchanges as a whole: their leases, rounds of judging, keys that they wait for.
#include "base/log.h"
#include "proxy/exchange.h"
#include "proxy/worker.h"

namespace cardea::proxy {

namespace {
constexpr Millis kYoung = 1000;          // an exchange that is older has a lease
constexpr size_t kJudgedPerTurn = 1000;  // then others have their turn
}  // namespace

// ---- leases ---------------------------------------------------------------------------------------

void Worker::watch_young() {
  if (!young_timer_.active()) young_timer_.start(kYoung);
}

// Most exchanges are over before anything could change for them. Those that are not get an entry in the leases now.
void Worker::settle_young() {
  const Millis now = loop_.now();
  while (Exchange* x = young_.front()) {
    if (x->started_at() + kYoung > now) return young_timer_.start_at(x->started_at() + kYoung);
    settled_.push_front(*x);  // where a round of judging looks first
    x->begin_lease();
    x->log_stream();
  }
}

// ---- rounds ---------------------------------------------------------------------------------------

void Worker::post_judge(Selector which, Again why) {
  loop_.post(guarded([this, which = std::move(which), why] { start_round(which, why); }));
}

void Worker::start_round(Selector which, Again why) {
  rounds_.push_back({++last_round_, std::move(which), why});
  if (rounds_.size() == 1) judge_some();
}

// Those that a round has seen carry its number; settled ones that it has seen go to the back.
void Worker::judge_some() {
  net::Loop::Turn turn(loop_);
  size_t left = kJudgedPerTurn;
  while (!rounds_.empty()) {
    const Round& round = rounds_.front();
    auto visit = [&](Exchange& x) {
      x.set_judged_in(round.number);
      if (!x.holds_lease() || !round.which.fits(x)) return;
      --left;
      x.judge_again(round.why);
    };
    young_.each([&](Exchange& x) {
      if (left && x.judged_in() < round.number) visit(x);
    });
    for (Exchange* x = settled_.front(); left && x && x->judged_in() < round.number; x = settled_.front()) {
      settled_.push_back(*x);
      visit(*x);
    }
    if (!left) return loop_.next_turn(guarded([this] { judge_some(); }));
    rounds_.pop_front();
  }
}

size_t Worker::withdraw(const Selector& which, const http::End& end, const std::string& by) {
  net::Loop::Turn turn(loop_);
  size_t n = 0;
  each_exchange([&](Exchange& x) {
    if (x.ending() || !which.fits(x)) return;
    ++n;
    x.withdraw(end, by);
  });
  return n;
}

GenerationPtr Worker::trial_generation(config::SnapshotPtr snapshot) const {
  auto trial = std::make_shared<Generation>();
  trial->providers = make_providers(*snapshot);
  trial->snapshot = std::move(snapshot);
  return trial;
}

// ---- keys -----------------------------------------------------------------------------------------

void Worker::fetch_missing_keys() {
  for (const ProviderPtr& p : generation_->providers) {
    if (p->remote) fetch_keys(p, false);
  }
}

void Worker::fetch_keys(const ProviderPtr& provider, bool unknown_key) {
  const RemoteKeySetPtr& set = provider->remote;
  if (closing_ || !set->begin_fetch(loop_.now(), unknown_key)) return;
  add(counters_.key_fetches_total);
  auto done = [this, alive = alive_, set](Result<token::KeySetPtr> keys) {
    if (*alive) keys_fetched(set, std::move(keys));
  };
  fetches_[set.get()] = KeyFetch::start(loop_, network_, *provider->config->remote, std::move(done));
}

void Worker::keys_fetched(const RemoteKeySetPtr& set, Result<token::KeySetPtr> keys) {
  if (!keys) {
    add(counters_.key_fetch_failures_total);
    log::write(log::error, "keys of tokens: " + keys.error().message);
  }
  set->end_fetch(keys ? std::move(*keys) : nullptr, loop_.now());
  auto fetch = fetches_.find(set.get());
  loop_.defer_delete(std::move(fetch->second));
  fetches_.erase(fetch);
  proxy_->keys_settled();
}

void Worker::wait_for_keys(Exchange& exchange) {
  waiting_for_keys_.push_back(exchange);
}

void Worker::post_keys_settled() {
  loop_.post(guarded([this] { keys_settled(); }));
}

void Worker::keys_settled() {
  List<Exchange, KeysPlace> waiting;  // who has to wait on comes back into the other list
  while (Exchange* x = waiting_for_keys_.front()) waiting.push_back(*x);
  while (Exchange* x = waiting.front()) {
    static_cast<KeysPlace&>(*x).unlink();
    x->on_keys();
  }
  start_round({}, Again::change);
}

}  // namespace cardea::proxy
