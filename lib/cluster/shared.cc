// What workers share of a cluster: publishing, limits over all of them, and who keeps it.
#include "cluster/shared.h"

#include <algorithm>

#include "base/log.h"
#include "cluster/endpoints_file.h"
#include "cluster/keeper.h"

namespace cardea::cluster {

namespace {
std::atomic<uint64_t> next_number{1};
}  // namespace

Shared::Shared(std::shared_ptr<const ClusterConfig> config, HealthObserver* observer, uint64_t seed, RosterPtr previous,
               std::shared_ptr<TallySeries> tallies)
    : number_(next_number++),
      config_(std::move(config)),
      observer_(observer),
      tallies_(tallies ? std::move(tallies) : std::make_shared<TallySeries>()),
      tally_(tallies_->part()),
      seed_(seed),
      previous_(std::move(previous)) {
  if (config_->outlier_detection) {
    outliers_ = std::make_unique<health::Outliers>(*config_->outlier_detection, next_seed(),
                                                   [this](const health::Outliers::Edge& edge) { on_edge(edge); });
  }
}

Shared::~Shared() = default;

// ---- who follows ------------------------------------------------------------------------------------

void Shared::join(Follower& follower, net::Loop& loop, net::Network& network) {
  bool first = false;
  {
    std::lock_guard lock(mutex_);
    auto place = std::make_unique<Place>();
    place->follower = &follower;
    place->loop = &loop;
    place->network = &network;
    place->alive = std::make_shared<bool>(true);
    followers_.push_back(std::move(place));
    followers_count_ = followers_.size();
    if (!keeper_place_) {
      keeper_place_ = followers_.back().get();
      first = true;
    }
  }
  if (first) {
    become_keeper(follower);
  } else {
    follower.on_news();
  }
}

void Shared::leave(Follower& follower) {
  std::unique_ptr<Keeper> gone;
  net::Loop* loop = nullptr;
  bool kept = false;
  {
    std::lock_guard lock(mutex_);
    auto at =
        std::find_if(followers_.begin(), followers_.end(), [&](const auto& p) { return p->follower == &follower; });
    if (at == followers_.end()) return;
    *(*at)->alive = false;
    loop = (*at)->loop;
    if (keeper_place_ == at->get()) {
      kept = true;
      keeper_place_ = nullptr;
      gone = std::move(keeper_);
    }
    followers_.erase(at);
    followers_count_ = followers_.size();
  }
  if (gone) {
    gone->retire();
    loop->defer_delete(std::move(gone));
  }
  if (kept) appoint();
}

// In a turn of its own loop: what a keeper does belongs there.
void Shared::appoint() {
  std::lock_guard lock(mutex_);
  for (const auto& place : followers_) {
    const bool posted = place->loop->post([self = weak_from_this(), alive = place->alive, f = place->follower] {
      auto shared = self.lock();
      if (*alive && shared) shared->become_keeper(*f);
    });
    if (!posted) continue;
    keeper_place_ = place.get();
    return;
  }
}

void Shared::become_keeper(Follower& follower) {
  Keeper* keeper = nullptr;
  std::optional<std::vector<EndpointConfig>> endpoints;
  bool used = false;
  {
    std::lock_guard lock(mutex_);
    if (!keeper_place_ || keeper_place_->follower != &follower || keeper_) return;
    keeper_ = std::make_unique<Keeper>(*this, *keeper_place_->loop, *keeper_place_->network, roster_);
    keeper = keeper_.get();
    if (host_set_) endpoints = host_endpoints_;
    used = used_;
  }
  if (endpoints) keeper->set_endpoints(std::move(endpoints));
  keeper->start();
  if (used) keeper->set_used();
}

void Shared::post_to_keeper(std::function<void(Keeper&)> fn) {
  std::lock_guard lock(mutex_);
  if (!keeper_place_) return;
  keeper_place_->loop->post([self = weak_from_this(), alive = keeper_place_->alive, fn = std::move(fn)] {
    auto shared = self.lock();
    if (*alive && shared && shared->keeper_) fn(*shared->keeper_);
  });
}

// ---- news -------------------------------------------------------------------------------------------

void Shared::tell(News news, const Follower* but) {
  std::lock_guard lock(mutex_);
  for (const auto& place : followers_) {
    bool& told = place->told[size_t(news)];
    if (place->follower == but || told) continue;
    told = place->loop->post([self = weak_from_this(), alive = place->alive, p = place.get(), news] {
      auto shared = self.lock();
      if (!*alive || !shared) return;
      {
        std::lock_guard inner(shared->mutex_);
        p->told[size_t(news)] = false;
      }
      switch (news) {
        case News::endpoints:
          return p->follower->on_news();
        case News::room:
          return p->follower->on_room();
        case News::room_wanted:
          return p->follower->on_room_wanted();
      }
    });
  }
}

// The keeper's own worker hears at once: what it knew before it asked must not cost a turn.
void Shared::publish(RosterPtr roster) {
  Follower* own = nullptr;
  {
    std::lock_guard lock(mutex_);
    roster_ = std::move(roster);
    if (keeper_place_) own = keeper_place_->follower;
  }
  tell(News::endpoints, own);
  if (own) own->on_news();
}

void Shared::publish(bool resolving, const http::End& failure) {
  Follower* own = nullptr;
  {
    std::lock_guard lock(mutex_);
    resolving_ = resolving;
    failure_ = failure;
    if (keeper_place_) own = keeper_place_->follower;
  }
  tell(News::endpoints, own);
  if (own) own->on_news();
}

uint32_t Shared::retry_limit() const {
  const Thresholds& t = config_->thresholds;
  if (t.budget_percent <= 0) return t.max_retries;
  const double busy = double(requests.value()) + pending.value();
  return std::max(t.min_retry_concurrency, uint32_t(std::min(busy * t.budget_percent / 100, 4e9)));
}

RosterPtr Shared::roster() const {
  std::lock_guard lock(mutex_);
  return roster_;
}

bool Shared::resolving() const {
  std::lock_guard lock(mutex_);
  return resolving_;
}

http::End Shared::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

void Shared::on_edge(const health::Outliers::Edge& edge) {
  EndpointStatePtr state;
  const RosterPtr now = roster();
  for (const Member& m : *now) {
    if (m.state->record.get() == edge.record) state = m.state;
  }
  if (!state) return;
  if (edge.enforced) {
    add_shared(tally_->health_changes_total);
    if (edge.ejected) add_shared(tally_->ejections_total);
  }
  const char* verb = edge.ejected ? edge.enforced ? " is ejected: " : " would be ejected: " : " is back: ";
  log::write(edge.ejected ? log::warning : log::notice,
             "cluster " + config_->name + ": endpoint " + state->text + verb + edge.cause);
  if (observer_) observer_->on_health({config_->name, state->text, !edge.ejected, edge.cause, true, edge.enforced});
  if (edge.enforced) tell(News::endpoints, nullptr);
}

// ---- what is asked of it ----------------------------------------------------------------------------

void Shared::mark_used() {
  if (used_.load(std::memory_order_relaxed) || used_.exchange(true)) return;
  post_to_keeper([](Keeper& k) { k.set_used(); });
}

void Shared::want_room(const Follower& asker, EndpointState* endpoint) {
  const Gauge& full = endpoint ? endpoint->connections : connections;
  const uint32_t limit = endpoint ? config_->per_endpoint.max_connections : config_->thresholds.max_connections;
  std::atomic<bool>& starved = endpoint ? endpoint->starved : starved_;
  starved = true;
  // One that was given back between the refusal and this has told nobody. Here and in connection_closed() all is
  // sequentially consistent: one of the two sides sees what the other has written.
  if (full.exact() < limit && starved.exchange(false)) return tell(News::room, nullptr);
  tell(News::room_wanted, &asker);
}

void Shared::connection_closed(EndpointState& endpoint) {
  endpoint.connections.give_back();
  connections.give_back();
  room_again(endpoint);
}

void Shared::room_again(EndpointState& endpoint) {
  const bool here = endpoint.starved.load() && endpoint.starved.exchange(false);
  const bool anywhere = starved_.load() && starved_.exchange(false);
  if (here || anywhere) tell(News::room, nullptr);
}

void Shared::set_endpoints(std::optional<std::vector<EndpointConfig>> endpoints) {
  {
    std::lock_guard lock(mutex_);
    host_set_ = endpoints.has_value();
    host_endpoints_ = endpoints;
  }
  post_to_keeper([endpoints = std::move(endpoints)](Keeper& k) { k.set_endpoints(endpoints); });
}

void Shared::expect_check(uint64_t token) {
  Millis timeout = 0;
  for (const health::CheckConfig& c : config_->health_checks) {
    if (c.kind == health::CheckConfig::Kind::custom) timeout = std::max(timeout, c.timeout);
  }
  const Millis now = net::real_clock().monotonic_ms();
  std::lock_guard lock(mutex_);
  std::erase_if(asked_, [now](const auto& row) { return row.second < now; });
  asked_.emplace_back(token, now + timeout);
}

bool Shared::complete_check(uint64_t token, bool healthy) {
  if (token >> kTokenBits != number_) return false;
  const uint64_t own = token & ((uint64_t{1} << kTokenBits) - 1);
  {
    const Millis now = net::real_clock().monotonic_ms();
    std::lock_guard lock(mutex_);
    if (std::erase_if(asked_, [&](const auto& row) { return row.first == own && row.second >= now; }) == 0)
      return false;
  }
  post_to_keeper([own, healthy](Keeper& k) { k.complete(own, healthy); });
  return true;
}

// ---- Registry ---------------------------------------------------------------------------------------

std::shared_ptr<Shared> Registry::find(const std::shared_ptr<const ClusterConfig>& config) {
  std::lock_guard lock(mutex_);
  RosterPtr previous;
  std::shared_ptr<Shared> found;
  std::erase_if(all_, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : all_) {
    auto shared = weak.lock();
    if (!shared) continue;
    if (shared->config()->same(*config)) return shared;
    if (shared->config()->name == config->name && shared->config()->health_checks == config->health_checks) {
      previous = shared->roster();
    }
  }
  found = std::make_shared<Shared>(config, observer_, random_.next(), std::move(previous), tallies_.find(config->name));
  for (const auto& [name, list] : by_host_) {
    if (name != config->name) continue;
    yaml::Faults faults;
    auto endpoints = read_endpoints(list, *config, faults);
    if (!endpoints) {
      log::write(log::warning, "cluster " + name +
                                   ": the host's endpoints are not for this configuration, its own are used: " +
                                   faults.text("endpoints"));
    }
    found->set_endpoints(std::move(endpoints));
  }
  all_.push_back(found);
  return found;
}

std::vector<std::shared_ptr<Shared>> Registry::all() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Shared>> out;
  for (const auto& weak : all_) {
    if (auto shared = weak.lock()) out.push_back(std::move(shared));
  }
  return out;
}

Result<void> Registry::set_endpoints(const std::string& cluster, std::optional<Bytes> list) {
  // Nothing else between a cluster and its list: not a find(), nor another list.
  std::lock_guard lock(mutex_);
  std::vector<std::pair<std::shared_ptr<Shared>, std::optional<std::vector<EndpointConfig>>>> named;
  for (const auto& weak : all_) {
    auto shared = weak.lock();
    if (!shared || shared->config()->name != cluster) continue;
    auto& [to, endpoints] = named.emplace_back(std::move(shared), std::nullopt);
    if (!list) continue;
    yaml::Faults faults;
    endpoints = read_endpoints(*list, *to->config(), faults);
    if (!endpoints) return Error{kEinval, faults.text("endpoints")};
  }
  if (named.empty()) return Error{kEnotfound, "set_endpoints: no cluster is called " + cluster};
  std::erase_if(by_host_, [&](const auto& row) { return row.first == cluster; });
  if (list) by_host_.emplace_back(cluster, *list);
  for (auto& [shared, endpoints] : named) shared->set_endpoints(std::move(endpoints));
  return {};
}

bool Registry::complete_check(uint64_t token, bool healthy) {
  const auto clusters = all();
  return std::any_of(clusters.begin(), clusters.end(),
                     [&](const auto& s) { return s->complete_check(token, healthy); });
}

}  // namespace cardea::cluster
