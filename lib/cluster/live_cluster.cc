// One cluster at work: picking, waiting for endpoints, limits, news, closing.
#include "cluster/live_cluster.h"

#include <algorithm>
#include <unordered_map>

namespace cardea::cluster {

using Fitness = balance::Host::Fitness;
using Verdict = health::CheckState::Verdict;

LiveCluster::LiveCluster(net::Loop& loop, net::Network& network, std::shared_ptr<Shared> shared)
    : loop_(loop),
      network_(network),
      shared_(std::move(shared)),
      config_(*shared_->config()),
      balancer_(config_.balance, shared_->next_seed()),
      host_chooses_(config_.balance.algorithm == "host"),
      tally_(shared_->tallies()->part()),
      expiry_(loop, [this] { expire(); }) {
  net::Loop::Turn turn(loop_);
  shared_->join(*this, loop, network);
}

LiveCluster::~LiveCluster() {
  closing_ = true;
  done_.clear();
  shared_->leave(*this);
  fail_all({http::EndCause::draining, "cluster"});
}

void LiveCluster::fail(Attempt& attempt, const http::End& end) {
  attempt.cluster_ = nullptr;
  attempt.pool_ = nullptr;
  attempt.events_.on_failed(attempt, end);
}

// ---- picking ----------------------------------------------------------------------------------------

void LiveCluster::start(Attempt& attempt) {
  attempt.started_ = loop_.now();
  if (closing_) return fail(attempt, {http::EndCause::draining, "cluster"});
  shared_->mark_used();
  place(attempt, false);
}

// `counted`: it waits already, and its place in line is by started_.
void LiveCluster::place(Attempt& attempt, bool counted) {
  if (EndpointPtr picked = pick(attempt)) {
    add(tally_->picks_total);
    attempt.endpoint_ = picked;
    // The pending count of the cluster is kept; that of the endpoint begins here.
    if (counted) {
      if (!picked->state->pending.take(config_.per_endpoint.max_pending_requests)) {
        shared_->pending.give_back();
        --pending_;
        add(tally_->pending_overflow_total);
        return fail(attempt, {http::EndCause::overload, "max_pending"});
      }
    }
    return pool_of(picked, attempt.wish_.user).start(attempt, counted);
  }
  if (endpoints_.empty() && shared_->resolving()) {
    if (!counted) {
      if (!shared_->pending.take(config_.thresholds.max_pending_requests)) {
        add(tally_->pending_overflow_total);
        return fail(attempt, {http::EndCause::overload, "max_pending"});
      }
      ++pending_;
    }
    return wait_for_endpoint(attempt);
  }
  if (counted) on_wait_over(nullptr);
  fail(attempt, endpoints_.empty() ? shared_->failure() : http::End{http::EndCause::no_upstream, "unhealthy"});
}

EndpointPtr LiveCluster::pick(Attempt& attempt) {
  if (endpoints_.empty()) return nullptr;
  if (host_chooses_) return ask_host(attempt);
  balance::Ask ask;
  ask.hash = attempt.wish_.hash;
  ask.now = loop_.now();
  uint32_t avoid[16];
  for (const EndpointPtr& tried : attempt.tried_) {
    if (!tried->removed && ask.avoid_count < std::size(avoid)) avoid[ask.avoid_count++] = tried->index;
  }
  ask.avoid = avoid;
  const int n = balancer_.pick(ask);
  if (balancer_.panics()) add(tally_->panic_picks_total);
  return n < 0 ? nullptr : endpoints_[size_t(n)];
}

EndpointPtr LiveCluster::ask_host(Attempt& attempt) {
  std::vector<EndpointPtr> candidates;
  for (const EndpointPtr& e : endpoints_) {
    if (balancer_.takes_part(e->index)) candidates.push_back(e);
  }
  if (candidates.empty()) return nullptr;
  const int n = attempt.events_.on_choose(attempt, candidates);
  return n < 0 || size_t(n) >= candidates.size() ? nullptr : candidates[size_t(n)];
}

Pool& LiveCluster::pool_of(const EndpointPtr& endpoint, Bytes user) {
  if (!config_.pool_per_user) return *endpoint->pool;
  for (const auto& pool : pools_) {
    if (&pool->endpoint() == endpoint.get() && pool->user() == user && !pool->retired()) return *pool;
  }
  pools_.push_back(std::make_unique<Pool>(*this, endpoint, std::string(user)));
  return *pools_.back();
}

// ---- waiting for the first endpoint -----------------------------------------------------------------

void LiveCluster::wait_for_endpoint(Attempt& attempt) {
  attempt.endpoint_ = nullptr;
  attempt.pool_ = nullptr;
  Attempt* before = for_endpoint_.back();
  while (before && before->started_ > attempt.started_) before = for_endpoint_.before(*before);
  if (before) {
    for_endpoint_.insert_after(attempt, *before);
  } else {
    for_endpoint_.push_front(attempt);
  }
  arm_expiry();
}

void LiveCluster::cancel(Attempt& attempt) {
  attempt.cluster_ = nullptr;
  if (Pool* pool = std::exchange(attempt.pool_, nullptr)) {
    pool->leave_queue(attempt);
    on_wait_over(attempt.endpoint_.get());
  } else {
    static_cast<Link&>(attempt).unlink();
    on_wait_over(nullptr);
  }
}

void LiveCluster::arm_expiry() {
  Attempt* first = for_endpoint_.front();
  if (config_.connect_timeout == 0 || !first) return;
  Millis due = first->started_ + config_.connect_timeout;
  if (!expiry_.active() || expiry_.deadline() > due) expiry_.start_at(due);
}

void LiveCluster::expire() {
  while (Attempt* first = for_endpoint_.front()) {
    if (first->started_ + config_.connect_timeout > loop_.now()) break;
    static_cast<Link&>(*first).unlink();
    on_wait_over(nullptr);
    fail(*first, {http::EndCause::connect_timeout, "dns"});
  }
  arm_expiry();
}

void LiveCluster::place_waiting() {
  while (Attempt* attempt = for_endpoint_.front()) {
    static_cast<Link&>(*attempt).unlink();
    place(*attempt, true);
  }
}

// ---- limits -----------------------------------------------------------------------------------------

bool LiveCluster::may_wait(Endpoint& endpoint) {
  if (!shared_->pending.take(config_.thresholds.max_pending_requests)) {
    add(tally_->pending_overflow_total);
    return false;
  }
  if (!endpoint.state->pending.take(config_.per_endpoint.max_pending_requests)) {
    shared_->pending.give_back();
    add(tally_->pending_overflow_total);
    return false;
  }
  ++pending_;
  return true;
}

void LiveCluster::on_wait_over(Endpoint* endpoint) {
  shared_->pending.give_back();
  if (endpoint) endpoint->state->pending.give_back();
  --pending_;
  if (closing_) schedule();
}

bool LiveCluster::may_send(Endpoint& endpoint) {
  if (shared_->requests.take(config_.thresholds.max_requests)) {
    if (endpoint.state->requests.take(config_.per_endpoint.max_requests)) {
      add(tally_->requests_total);
      return true;
    }
    shared_->requests.give_back();
  }
  add(tally_->request_overflow_total);
  return false;
}

bool LiveCluster::may_connect(Endpoint& endpoint, bool may_evict) {
  if (endpoint.state->connections.value() >= config_.per_endpoint.max_connections &&
      !(may_evict && evict_idle(&endpoint))) {
    add(tally_->connection_overflow_total);
    return false;
  }
  bool room = shared_->connections.take(config_.thresholds.max_connections);
  if (!room && may_evict && evict_idle(nullptr)) room = shared_->connections.take(config_.thresholds.max_connections);
  if (room && !endpoint.state->connections.take(config_.per_endpoint.max_connections)) {
    shared_->connections.give_back();
    shared_->room_again(*endpoint.state);
    room = false;
  }
  room ? void(++connections_) : add(tally_->connection_overflow_total);
  return room;
}

void LiveCluster::on_connection_closed(Endpoint& endpoint) {
  --connections_;
  shared_->connection_closed(*endpoint.state);
  wake_starved();
  if (closing_) schedule();
}

bool LiveCluster::evict_idle(const Endpoint* of) {
  return std::any_of(pools_.begin(), pools_.end(),
                     [of](const auto& pool) { return (!of || &pool->endpoint() == of) && pool->evict_idle(); });
}

bool LiveCluster::starve(Endpoint& endpoint, bool has_connections) {
  const bool others = shared_->shared_with_others();
  if (!has_connections && !others) return false;
  starved_ = true;
  const bool its_own = endpoint.state->connections.value() >= config_.per_endpoint.max_connections;
  if (others) shared_->want_room(*this, its_own ? endpoint.state.get() : nullptr);
  return true;
}

void LiveCluster::on_room_wanted() {
  give_way();
}

void LiveCluster::give_way() {
  if (shared_->wants_room()) evict_idle(nullptr);
  if (config_.per_endpoint.max_connections == Gauge::kNoLimit) return;
  for (const EndpointPtr& e : endpoints_) {
    if (e->state->starved.load(std::memory_order_relaxed)) evict_idle(e.get());
  }
}

// Others get it in flush(), after whoever waits here had the chance: this may be inside its codec.
void LiveCluster::on_idle(const Endpoint& endpoint) {
  wake_starved();
  if (shared_->wants_room() || endpoint.state->starved.load(std::memory_order_relaxed)) schedule();
}

void LiveCluster::wake_starved() {
  if (!starved_) return;
  starved_ = false;
  for (auto& pool : pools_) {
    if (pool->take_starved()) pool->schedule();
  }
}

bool LiveCluster::may_retry(const Endpoint* endpoint) {
  if (shared_->retries.take(shared_->retry_limit())) {
    if (!endpoint || endpoint->state->retries.take(config_.per_endpoint.max_retries)) return true;
    shared_->retries.give_back();
  }
  add(tally_->retry_overflow_total);
  return false;
}

void LiveCluster::retry_over(const Endpoint* endpoint) {
  shared_->retries.give_back();
  if (endpoint) endpoint->state->retries.give_back();
}

// ---- news -------------------------------------------------------------------------------------------

void LiveCluster::on_news() {
  std::vector<EndpointPtr> removed;
  update_members(removed);
  rebalance();
  for (const EndpointPtr& e : removed) leave_endpoint(*e);
  update_fitness();
  if (!endpoints_.empty()) return place_waiting();
  if (shared_->resolving()) return;
  const http::End end = shared_->failure();
  while (Attempt* attempt = for_endpoint_.front()) {
    static_cast<Link&>(*attempt).unlink();
    on_wait_over(nullptr);
    fail(*attempt, end);
  }
}

bool LiveCluster::update_members(std::vector<EndpointPtr>& removed) {
  RosterPtr roster = shared_->roster();
  if (roster == roster_) return false;
  roster_ = std::move(roster);
  std::unordered_map<const EndpointState*, EndpointPtr> old;
  for (EndpointPtr& e : endpoints_) old.emplace(e->state.get(), std::move(e));
  endpoints_.clear();
  for (const Member& m : *roster_) {
    EndpointPtr& e = old[m.state.get()];
    const bool added = !e;
    if (added) e = std::make_shared<Endpoint>();
    e->state = m.state;
    e->shared = shared_;
    e->weight = m.weight;
    e->priority = m.priority;
    e->index = uint32_t(endpoints_.size());
    if (added) {
      e->fit = m.state->fit();
      if (!config_.pool_per_user) pools_.push_back(std::make_unique<Pool>(*this, e, std::string()));
    }
    endpoints_.push_back(std::move(e));
  }
  for (auto& [state, e] : old) {
    if (!e) continue;
    e->removed = true;
    removed.push_back(e);
  }
  return true;
}

void LiveCluster::rebalance() {
  std::vector<balance::Host> hosts;
  hosts.reserve(endpoints_.size());
  for (const EndpointPtr& e : endpoints_) {
    const EndpointState& state = *e->state;
    balance::Host& h = hosts.emplace_back();
    h.key = state.text;
    h.weight = e->weight;
    h.priority = e->priority;
    h.active = state.requests.watched();
    h.fit_since = state.fit_since;
    const Verdict verdict = state.verdict;
    h.fitness = !state.fit()                    ? Fitness::unhealthy
                : verdict == Verdict::unchecked ? Fitness::unchecked
                : state.degraded                ? Fitness::degraded
                                                : Fitness::healthy;
  }
  balancer_.set(std::move(hosts), loop_.now());
}

// Whoever became unfit gives up its connections, unless a panic keeps it in use.
void LiveCluster::update_fitness() {
  for (size_t i = 0; i < endpoints_.size(); ++i) {
    const EndpointPtr e = endpoints_[i];
    e->fit = e->state->fit();
    const bool left = !e->fit && !balancer_.takes_part(i);
    if (std::exchange(e->left, left) || !left) continue;
    leave_endpoint(*e);
    if (i >= endpoints_.size() || endpoints_[i] != e) return;  // what was told came back with other news
  }
}

void LiveCluster::leave_endpoint(Endpoint& endpoint) {
  for (size_t i = 0; i < pools_.size(); ++i) {
    Pool& pool = *pools_[i];
    if (&pool.endpoint() != &endpoint) continue;
    if (endpoint.removed) pool.retire();
    while (Attempt* attempt = pool.first_waiting()) {
      pool.leave_queue(*attempt);
      attempt->pool_ = nullptr;
      endpoint.state->pending.give_back();
      place(*attempt, true);
    }
    if (endpoint.removed) continue;
    config_.close_connections_on_health_failure ? pool.close_now({http::EndCause::upstream_reset, "unhealthy"})
                                                : pool.sweep();
  }
}

// ---- closing ----------------------------------------------------------------------------------------

void LiveCluster::flush() {
  give_way();
  for (size_t i = 0; i < pools_.size();) {
    Pool& pool = *pools_[i];
    if (pool.empty() && (pool.retired() || config_.pool_per_user)) {
      if (pool.endpoint().pool == &pool) pool.endpoint().pool = nullptr;
      loop_.defer_delete(std::move(pools_[i]));
      pools_.erase(pools_.begin() + ptrdiff_t(i));
    } else {
      ++i;
    }
  }
  if (!closing_ || connections_ > 0 || pending_ > 0) return;
  for (auto& done : std::exchange(done_, {})) loop_.next_turn(std::move(done));
}

void LiveCluster::close_when_idle(std::function<void()> done) {
  closing_ = true;
  if (done) done_.push_back(std::move(done));
  for (auto& pool : pools_) pool->schedule();
  schedule();
}

void LiveCluster::close_now() {
  closing_ = true;
  http::End end{http::EndCause::draining, "closed"};
  fail_all(end);
  // By number: resets may come back here, and pools are only ever added at the end or dropped in flush().
  for (size_t i = 0; i < pools_.size(); ++i) pools_[i]->close_now(end);
  schedule();
}

void LiveCluster::fail_all(const http::End& end) {
  while (Attempt* attempt = for_endpoint_.front()) {
    static_cast<Link&>(*attempt).unlink();
    on_wait_over(nullptr);
    fail(*attempt, end);
  }
  for (size_t i = 0; i < pools_.size(); ++i) pools_[i]->fail_waiting(end);
}

ClusterStats LiveCluster::stats() const {
  ClusterStats stats;
  const Tally& t = *tally_;
  stats.connects = t.connections_total;
  stats.connect_failures = t.connect_failures_total;
  stats.connect_timeouts = t.connect_timeouts_total;
  stats.connections = connections_;
  stats.pending = pending_;
  stats.pending_overflow = t.pending_overflow_total;
  stats.connection_overflow = t.connection_overflow_total;
  stats.request_overflow = t.request_overflow_total;
  stats.retry_overflow = t.retry_overflow_total;
  stats.requests = t.requests_total;
  stats.max_requests_reached = t.connections_max_requests_total;
  stats.panics = t.panic_picks_total;
  stats.picks = t.picks_total;
  for (const auto& pool : pools_) stats.idle += pool->idle();
  return stats;
}

}  // namespace cardea::cluster
