// Listeners, sessions and clusters of one loop; change and end of them.
#include "proxy/worker.h"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <unordered_map>

#include "base/log.h"
#include "net/prefix.h"
#include "proxy/exchange.h"

namespace cardea::proxy {

using http::End;
using http::EndCause;

namespace {

// Who answers to a token; guarded by its mutex for the length of a completion.
std::mutex registry_mutex;
std::unordered_map<uint32_t, Worker*> registry;

// Narrows the search for an equal cluster.
const std::string& cluster_key(const cluster::ClusterConfig& config) {
  return config.endpoints.empty() ? config.endpoints_file : config.endpoints.front().authority;
}

}  // namespace

Worker::Worker(std::shared_ptr<Proxy> proxy, net::Loop& loop, net::Network& network)
    : proxy_(std::move(proxy)),
      loop_(loop),
      network_(network),
      listening_(*this),
      admin_(AdminPlace::Kind::admin),
      metrics_(AdminPlace::Kind::metrics),
      identifier_([this](const ProviderPtr& p, bool unknown_key) { fetch_keys(p, unknown_key); }),
      leases_(loop, [](Exchange& x) { x.judge_again(Again::host); }),
      young_timer_(loop, [this] { settle_young(); }),
      drain_timer_(loop, [this] { cut_late(); }),
      drains_(*this),
      alive_(std::make_shared<bool>(true)),
      random_(random_seed()) {
  version_ = proxy_->version();
  generation_ = make_generation(proxy_->snapshot());
  proxy_->add_worker(*this);
  loop_.post(guarded([this] { fetch_missing_keys(); }));
  post_adopt();  // a configuration may have been applied between those two lines
  std::lock_guard lock(registry_mutex);
  registry[tokens_.index()] = this;
}

Worker::~Worker() {
  {
    std::lock_guard lock(registry_mutex);
    registry.erase(tokens_.index());
  }
  *alive_ = false;
  proxy_->remove_worker(*this);
}

// ---- listeners and configuration ------------------------------------------------------------------

Result<void> Worker::open() {
  if (auto served = proxy_->check_served(*generation_->snapshot); !served) return served;
  if (auto bound = listening_.open(*generation_->snapshot); !bound) return bound;
  if (auto admin = open_admin(*generation_->snapshot); !admin) {
    listening_.stop();
    return admin;
  }
  listened_ = generation_->snapshot;
  return {};
}

// The first worker that asks has both until it closes.
Result<void> Worker::open_admin(const config::Snapshot& snapshot) {
  const bool ours = (snapshot.admin || snapshot.metrics) && proxy_->claim_admin(*this);
  auto admin = admin_.open(*this, ours ? snapshot.admin : std::nullopt);
  auto metrics = metrics_.open(*this, ours ? snapshot.metrics : std::nullopt);
  return admin ? metrics : admin;
}

// Reuses the clusters of the generation before where nothing changed, with their pools.
GenerationPtr Worker::make_generation(config::SnapshotPtr snapshot) {
  auto next = std::make_shared<Generation>();
  std::unordered_multimap<std::string, std::shared_ptr<cluster::Cluster>> old;
  if (generation_) {
    for (const auto& c : generation_->clusters) old.emplace(cluster_key(c->config()), c);
  }
  std::unordered_map<const cluster::ClusterConfig*, cluster::Cluster*> made;
  next->cluster_of_route.resize(snapshot->routes.size());
  for (const config::Route& route : snapshot->routes) {
    if (!route.cluster) continue;
    cluster::Cluster*& mine = made[route.cluster.get()];
    if (!mine) {
      std::shared_ptr<cluster::Cluster> found;
      auto [first, last] = old.equal_range(cluster_key(*route.cluster));
      for (auto it = first; it != last && !found; ++it) {
        if (it->second->config().same(*route.cluster)) found = it->second;
      }
      if (!found) found = cluster::Cluster::make(loop_, network_, proxy_->clusters().find(route.cluster));
      mine = found.get();
      next->clusters.push_back(std::move(found));
    }
    next->cluster_of_route[route.index] = mine;
  }
  next->providers = make_providers(*snapshot);
  next->shares_of_route = find_shares(proxy_->limits(), *snapshot);
  next->snapshot = std::move(snapshot);
  make_tallies(*next);
  return next;
}

// Those of the generation before where nothing changed: what they vouched for stays.
std::vector<ProviderPtr> Worker::make_providers(const config::Snapshot& snapshot) const {
  std::vector<ProviderPtr> all;
  for (const auto& p : snapshot.token_providers) {
    ProviderPtr kept;
    for (const ProviderPtr& old : generation_ ? generation_->providers : std::vector<ProviderPtr>()) {
      if (Provider::same(*old->config, *p)) kept = old;
    }
    if (!kept) {
      kept = std::make_shared<Provider>(Provider{p, nullptr});
      if (p->remote) kept->remote = proxy_->remote_keys(*p->remote);
    }
    all.push_back(std::move(kept));
  }
  return all;
}

// Those of the generation before where the series stayed.
void Worker::make_tallies(Generation& next) const {
  next.tally_of_route.resize(next.snapshot->routes.size());
  for (const config::Route& route : next.snapshot->routes) {
    const auto series = proxy_->route_tallies().find(route.name);
    auto& part = next.tallies[series.get()];
    if (!part && generation_) {
      auto known = generation_->tallies.find(series.get());
      if (known != generation_->tallies.end()) part = known->second;
    }
    if (!part) part = series->part();
    next.tally_of_route[route.index] = part.get();
  }
}

const GenerationPtr& Worker::current_generation() {
  const uint64_t version = proxy_->version();
  if (version != version_) {
    version_ = version;
    config::SnapshotPtr next = proxy_->snapshot();
    if (next != generation_->snapshot) {
      generation_ = make_generation(std::move(next));
      fetch_missing_keys();
    }
  }
  return generation_;
}

void Worker::adopt_snapshot() {
  if (closing_) return;
  config::SnapshotPtr next = current_generation()->snapshot;
  if (next == listened_) return;
  listened_ = next;
  start_round({}, Again::change);
  if (draining_) return;
  if (auto admin = open_admin(*next); !admin) log::write(log::error, admin.error().message);
  for (const std::string& gone : listening_.change(*next)) {
    sessions_.each([&](Session& s) {
      if (s.listener() == gone) s.drain(next->drain_timeout);
    });
  }
}

void Worker::post_adopt() {
  loop_.post(guarded([this] { adopt_snapshot(); }));
}

void Worker::post(std::function<void(Worker&)> fn) {
  loop_.post(guarded([this, fn = std::move(fn)] { fn(*this); }));
}

std::function<void(std::function<void()>)> Worker::returning() {
  // The loop may be gone with the worker; the proxy knows whether it is.
  return [weak = std::weak_ptr<Proxy>(proxy_), self = alive_](std::function<void()> fn) {
    auto proxy = weak.lock();
    if (!proxy) return;
    proxy->each_worker([&](Worker& w) {
      if (w.alive_ == self) w.post([fn](Worker&) { fn(); });
    });
  };
}

std::function<void()> Worker::guarded(std::function<void()> fn) {
  return [alive = alive_, fn = std::move(fn)] {
    if (*alive) fn();
  };
}

// ---- sessions and exchanges -----------------------------------------------------------------------

void Worker::accept(const config::Listener& listener, std::unique_ptr<net::Stream> stream) {
  if (!proxy_->admit_connection()) {
    add(counters_.downstream_connections_refused_total);
    loop_.defer_delete(std::move(stream));
    return;
  }
  try {
    new Session(*this, listener, std::move(stream));  // lives in sessions_ until its wire closes
  } catch (const std::bad_alloc&) {
    proxy_->release_connection();
  }
}

Result<void> Worker::adopt_fd(int fd, size_t listener, Bytes preread) {
  auto stream = network_.adopt(fd);
  if (!stream) return stream.error();
  if (closing_ || draining_) return Error{kEclosed, "adopt_fd: the worker is closing"};
  const config::Listener* taking = listening_.listener(listener);
  if (!taking) return Error{kEinval, "adopt_fd: no listener has this number"};
  net::Loop::Turn turn(loop_);
  if (!preread.empty()) *stream = net::with_preread(loop_, std::move(*stream), std::string(preread));
  accept(*taking, std::move(*stream));
  return {};
}

void Worker::session_began(Session& session) {
  add(counters_.downstream_connections_total);
  add(counters_.downstream_connections_active);
  sessions_.push_back(session);
  ++session_count_;
}

void Worker::session_ended(Session& session) {
  sub(counters_.downstream_connections_active);
  session.unlink();
  --session_count_;
  proxy_->release_connection();
  check_drained();
}

void Worker::exchange_began(Exchange& exchange) {
  add(counters_.requests_total);
  add(counters_.requests_active);
  exchange.set_judged_in(last_round_);
  young_.push_back(exchange);
  watch_young();
}

void Worker::exchange_ended(Exchange& exchange) {
  static_cast<LivePlace&>(exchange).unlink();
  drains_.on_exchange_over(exchange);
}

void Worker::end_exchanges(Session& session, const End& end) {
  each_exchange([&](Exchange& x) {
    if (&x.session() == &session) x.end(end);
  });
}

bool Worker::complete(uint64_t token, bool allow, Bytes identity) {
  if (!tokens_.answer(token)) return false;
  return loop_.post(guarded([this, token, allow, id = std::string(identity)] {
    if (Exchange* x = tokens_.take_answered(token)) x->on_authorized(allow, id);
  }));
}

bool authorize_complete(uint64_t token, bool allow, Bytes identity) {
  std::lock_guard lock(registry_mutex);
  auto it = registry.find(token_table(token));
  return it != registry.end() && it->second->complete(token, allow, identity);
}

// ---- the end --------------------------------------------------------------------------------------

void Worker::drain(Millis deadline, std::function<void()> done) {
  net::Loop::Turn turn(loop_);
  if (done) drained_.push_back(std::move(done));
  if (!draining_) {
    draining_ = true;
    listening_.stop();
    sessions_.each([](Session& s) { s.drain(); });
  }
  late_ = false;
  drain_timer_.start(deadline);
  check_drained();
}

void Worker::extend_drain(Millis deadline) {
  if (draining_ && !late_) drain_timer_.start(deadline);
}

void Worker::stop_listening(const std::string& listener) {
  listening_.stop(listener);
}

// Takes new connections again where a drain had stopped that. What was told to go goes all the same.
void Worker::listen_again() {
  if (closing_) return;
  listening_.again(*generation_->snapshot);
  listened_ = generation_->snapshot;
  draining_ = late_ = false;
  drain_timer_.stop();
}

void Worker::post_drain(Millis deadline, std::function<void()> done) {
  loop_.post(guarded([this, deadline, done = std::move(done)] { drain(deadline, done); }));
}

void Worker::close(std::function<void()> done) {
  net::Loop::Turn turn(loop_);
  if (done) drained_.push_back(std::move(done));
  draining_ = closing_ = true;
  listening_.stop();
  admin_.close();
  metrics_.close();
  cut_sessions({EndCause::host_ended, "close"});
  check_drained();
}

// Whoever still waits for an answer gets one that says so, and a moment in which it can leave.
void Worker::cut_late() {
  const End late{EndCause::draining, "deadline"};
  if (std::exchange(late_, true)) return cut_sessions(late);
  each_exchange([&](Exchange& x) { x.end(late); });
  drain_timer_.start(1);
}

void Worker::cut_sessions(const End& end) {
  each_exchange([&](Exchange& x) { x.end(end); });
  sessions_.each([&](Session& s) { s.close(end); });
}

void Worker::check_drained() {
  if (session_count_ || drained_.empty()) return;
  drain_timer_.stop();
  for (auto& done : drained_) loop_.next_turn(std::move(done));
  drained_.clear();
}

// ---- small things that every exchange needs --------------------------------------------------------

Bytes Worker::http_date() {
  if (date_.empty() || loop_.now() - date_at_ >= 1000) {
    const time_t seconds = time_t(loop_.unix_ms() / 1000);
    tm t{};
    gmtime_r(&seconds, &t);
    static const char* const kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char* const kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char text[64];
    snprintf(text, sizeof text, "%s, %02d %s %d %02d:%02d:%02d GMT", kDays[t.tm_wday], t.tm_mday, kMonths[t.tm_mon],
             t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    date_ = text;
    date_at_ = loop_.now();
  }
  return date_;
}

// Ids must be unique and hard to guess by accident; they protect nothing.
Bytes Worker::new_request_id(Arena& arena) {
  static const char kHex[] = "0123456789abcdef";
  char* out = arena.take(36);
  char* p = out;
  for (int half = 0; half < 2; ++half) {
    uint64_t r = random_.next();
    r = half == 0 ? (r & ~0xf000ull) | 0x4000ull : (r & ~(3ull << 62)) | 2ull << 62;  // RFC 9562 5.4
    for (int i = 15; i >= 0; --i) {
      const int n = half * 16 + 15 - i;
      if (n == 8 || n == 12 || n == 16 || n == 20) *p++ = '-';
      *p++ = kHex[r >> (4 * i) & 15];
    }
  }
  return {out, 36};
}

}  // namespace cardea::proxy
