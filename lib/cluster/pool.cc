// The upstream connections of one endpoint: reuse, waiting, opening, retiring.
#include "cluster/pool.h"

#include <algorithm>
#include <cmath>

#include "cluster/live_cluster.h"

namespace cardea::cluster {

namespace {

bool offers_http2(const ClusterConfig& config) {
  const auto& alpn = config.tls_options.alpn;
  return std::find(alpn.begin(), alpn.end(), "h2") != alpn.end();
}

}  // namespace

Pool::Pool(LiveCluster& cluster, EndpointPtr endpoint, std::string user)
    : cluster_(cluster),
      endpoint_(std::move(endpoint)),
      user_(std::move(user)),
      expiry_(cluster.loop(), [this] { expire(nullptr); }),
      streams_(std::max<size_t>(cluster.config().limits.max_concurrent_streams, 1)) {
  switch (endpoint_->config().scheme) {
    case EndpointConfig::Scheme::http:
      speaks_ = Speaks::http1;
      break;
    case EndpointConfig::Scheme::h2c:
      speaks_ = Speaks::http2;
      break;
    case EndpointConfig::Scheme::https:
      speaks_ = offers_http2(cluster.config()) ? Speaks::unknown : Speaks::http1;
      break;
    case EndpointConfig::Scheme::tcp:
      speaks_ = Speaks::nothing;
      break;
  }
  if (!cluster.config().pool_per_user) endpoint_->pool = this;
}

Pool::~Pool() {
  if (endpoint_->pool == this) endpoint_->pool = nullptr;
  while (Connection* c = all_.front()) {
    static_cast<InPool&>(*c).unlink();
    static_cast<InState&>(*c).unlink();
    c->leave_pool();
    if (c->connecting()) {
      c->close_now({http::EndCause::draining, "cluster"});
    } else {
      c->close_politely();
    }
  }
}

void Pool::schedule() {
  cluster_.loop().flush_later(*this);
}

// ---- attempts ---------------------------------------------------------------------------------------

void Pool::start(Attempt& attempt, bool counted) {
  if (!attempt.wish_.fresh) {
    while (Connection* c = ready_.front()) {
      if (c->in_codec()) break;  // flush() comes after the codec
      if (c->usable()) {
        if (counted) cluster_.on_wait_over(endpoint_.get());
        return give(*c, attempt, false);
      }
      static_cast<InState&>(*c).unlink();
    }
  }
  if (!counted && !cluster_.may_wait(*endpoint_)) {
    schedule();
    return cluster_.fail(attempt, {http::EndCause::overload, "max_pending"});
  }
  attempt.pool_ = this;
  attempt.serial_ = ++serial_;
  // Those that come from another queue are older than the last ones of this.
  Attempt* before = waiting_.back();
  while (before && before->started_ > attempt.started_) before = waiting_.before(*before);
  if (before) {
    waiting_.insert_after(attempt, *before);
  } else {
    waiting_.push_front(attempt);
  }
  ++waiting_count_;
  arm_expiry();
  schedule();
}

void Pool::leave_queue(Attempt& attempt) {
  static_cast<Link&>(attempt).unlink();
  --waiting_count_;
  if (cluster_.closing() || waiting_count_ == 0) schedule();
}

void Pool::give(Connection& connection, Attempt& attempt, bool made_for_it) {
  attempt.pool_ = nullptr;
  if (!cluster_.may_send(*endpoint_)) return cluster_.fail(attempt, {http::EndCause::overload, "max_requests"});
  // Before on_ready, which may start others.
  if (connection.capacity() <= 1) static_cast<InState&>(connection).unlink();
  ++exchange_count_;
  if (connection.on_its_last()) add(cluster_.tally().connections_max_requests_total);
  connection.begin(attempt, made_for_it);
  if (wants_spare()) schedule();
}

void Pool::fail_waiting(const http::End& end) {
  fail_first(waiting_count_, end);
}

// Those that begin to wait meanwhile are not meant.
void Pool::fail_first(size_t count, const http::End& end) {
  uint64_t last = serial_;
  for (; count > 0; --count) {
    Attempt* attempt = waiting_.front();
    if (!attempt || attempt->serial_ > last) return;
    leave_queue(*attempt);
    cluster_.on_wait_over(endpoint_.get());
    cluster_.fail(*attempt, end);
  }
}

// How long an attempt waits here; 0: for ever.
Millis Pool::patience() const {
  const ClusterConfig& config = cluster_.config();
  return config.pending_timeout ? config.pending_timeout : config.connect_timeout;
}

void Pool::arm_expiry() {
  Millis timeout = patience();
  Attempt* first = waiting_.front();
  if (timeout == 0 || !first) return;
  Millis due = first->started_ + timeout;
  if (!expiry_.active() || expiry_.deadline() > due) expiry_.start_at(due);
}

// `phase`: of the connection that ran out of time; null when it is the attempts' own time.
void Pool::expire(const char* phase) {
  Millis timeout = phase ? cluster_.config().connect_timeout : patience(), now = cluster_.loop().now();
  if (timeout == 0) return;
  http::End end{http::EndCause::connect_timeout, phase};
  if (!phase && cluster_.config().pending_timeout) {
    end = {http::EndCause::overload, "pending_timeout"};
  } else if (!phase) {
    Connection* oldest = connecting_.front();
    end.detail = oldest && oldest->phase() == Connection::Phase::tls ? "tls" : "tcp";
    if (!oldest) end = {http::EndCause::overload, "max_connections"};
  }
  size_t due = 0;
  for (Attempt* a = waiting_.front(); a && a->started_ + timeout <= now; a = waiting_.after(*a)) ++due;
  fail_first(due, end);
  arm_expiry();
}

// ---- connections ------------------------------------------------------------------------------------

void Pool::on_open(Connection& connection) {
  static_cast<InState&>(connection).unlink();
  --connecting_count_;
  report(health::Sign::local_origin_success);
  cluster_.tally().connect_duration.observe(connection.age());
  spares_fail_ = false;
  if (speaks_ == Speaks::nothing) {
    // Stays so: bytes without a protocol do not tell one.
  } else if (connection.protocol() == http::Protocol::http2) {
    speaks_ = Speaks::http2;
    streams_ = std::max<size_t>(connection.capacity(), 1);
  } else {
    speaks_ = Speaks::http1;
  }
  while (Attempt* attempt = waiting_.front()) {
    if (!connection.usable()) break;
    leave_queue(*attempt);
    cluster_.on_wait_over(endpoint_.get());
    give(connection, *attempt, true);
  }
  on_change(connection);
  schedule();
}

void Pool::on_change(Connection& connection) {
  if (connection.phase() != Connection::Phase::open) return;
  // An HTTP/2 connection that still has room stays where it is.
  if (static_cast<InState&>(connection).linked() && connection.usable()) {
    if (connection.unused()) cluster_.on_idle(*endpoint_);
    return;
  }
  changed_.push_back(connection);
  schedule();
}

void Pool::on_closed(Connection& connection, bool was_connecting, const http::End& end) {
  static_cast<InPool&>(connection).unlink();
  static_cast<InState&>(connection).unlink();
  --connection_count_;
  if (connection.lost()) add(cluster_.tally().connections_lost_total);
  cluster_.on_connection_closed(*endpoint_);
  schedule();
  if (!was_connecting) return;
  --connecting_count_;
  spares_fail_ = true;
  if (end.cause != http::EndCause::draining) report(health::Sign::local_origin_failure);
  if (end.cause == http::EndCause::connect_timeout) {
    // Attempts that are younger than the connection get another one.
    add(cluster_.tally().connect_timeouts_total);
    return expire(end.detail);
  }
  add(cluster_.tally().connect_failures_total);
  // A connection for one exchange would have served one; the others wait for theirs.
  size_t hopes = speaks_ == Speaks::http2 ? streams_ : speaks_ == Speaks::unknown ? waiting_count_ : 1;
  fail_first(std::min(hopes, excess()), end);
}

void Pool::flush() {
  settle();
  serve();
  if (!retired_) grow();
  if (leaving() && !std::exchange(swept_, true)) sweep();
  if (leaving() || (cluster_.config().pool_per_user && empty())) cluster_.schedule();
}

// Puts connections whose exchanges ended where they belong now.
void Pool::settle() {
  bool leave = leaving();
  while (Connection* c = changed_.front()) {
    static_cast<InState&>(*c).unlink();
    if (c->phase() != Connection::Phase::open) continue;
    // A service that speaks first would talk to nobody on a tcp connection that waits in a pool.
    if (leave || c->spent() || speaks_ == Speaks::nothing) {
      if (leave || c->unused()) c->close_politely();
    } else if (c->usable()) {
      ready_.push_front(*c);
      if (c->unused()) cluster_.on_idle(*endpoint_);
    }
  }
}

void Pool::serve() {
  Attempt* attempt = waiting_.front();
  while (attempt) {
    // Returned connections are not what a fresh attempt wants.
    if (attempt->wish_.fresh) {
      attempt = waiting_.after(*attempt);
      continue;
    }
    Connection* c = ready_.front();
    if (!c) return;
    if (!c->usable()) {
      static_cast<InState&>(*c).unlink();
      continue;
    }
    leave_queue(*attempt);
    cluster_.on_wait_over(endpoint_.get());
    give(*c, *attempt, false);
    attempt = waiting_.front();  // anything may have happened to the others
  }
}

size_t Pool::excess() const {
  size_t covered = connecting_count_;
  // What the first connection says decides how many are needed; until then one is enough.
  if (speaks_ == Speaks::unknown && connecting_count_ > 0) return 0;
  if (speaks_ == Speaks::http2) covered *= streams_;
  return waiting_count_ > covered ? waiting_count_ - covered : 0;
}

void Pool::grow() {
  while (excess() > 0) {
    if (open_one(true)) continue;
    // Without any connection here nothing would ever come free.
    if (!cluster_.starve(*endpoint_, !all_.empty())) return fail_waiting({http::EndCause::overload, "max_connections"});
    starved_ = true;
    return;
  }
  // Spare ones only where there is room without asking anybody to give way.
  while (wants_spare() && open_one(false)) continue;
}

bool Pool::open_one(bool may_evict) {
  if (!cluster_.may_connect(*endpoint_, may_evict)) return false;
  auto* connection = new Connection(*this, endpoint_, cluster_.loop());  // owns itself
  all_.push_back(*connection);
  connecting_.push_back(*connection);
  ++connecting_count_;
  ++connection_count_;
  cluster_.on_connection_opened();
  connection->connect(cluster_.network());
  return true;
}

// preconnect_ratio: connections for exchanges that are likely to come, while there are any.
bool Pool::wants_spare() const {
  const double ratio = cluster_.config().preconnect_ratio;
  const size_t busy = exchange_count_ + waiting_count_;
  if (ratio <= 1 || busy == 0 || spares_fail_ || leaving() || speaks_ == Speaks::nothing || speaks_ == Speaks::unknown)
    return false;
  const size_t room = connection_count_ * (speaks_ == Speaks::http2 ? streams_ : 1);
  return double(room) < std::ceil(ratio * double(busy)) && endpoint_->fit;
}

void Pool::report(health::Sign sign) {
  if (health::Outliers* outliers = cluster_.shared().outliers()) {
    outliers->record(*endpoint_->state->record, sign, cluster_.loop().now());
  }
}

// ---- leaving ----------------------------------------------------------------------------------------

bool Pool::leaving() const {
  return retired_ || (cluster_.closing() && waiting_count_ == 0);
}

void Pool::retire() {
  retired_ = true;
  schedule();
}

// What opens or comes back later is up to settle().
void Pool::sweep() {
  List<Connection, InPool> left;
  while (Connection* c = all_.front()) left.push_back(*c);
  while (Connection* c = left.front()) {
    all_.push_back(*c);
    if (c->connecting()) {
      c->close_now({http::EndCause::draining, "cluster"});
    } else {
      c->close_politely();
    }
  }
}

void Pool::close_now(const http::End& end) {
  fail_waiting(end);
  List<Connection, InPool> left;
  while (Connection* c = all_.front()) left.push_back(*c);
  while (Connection* c = left.front()) {
    all_.push_back(*c);
    c->close_now(end);
  }
}

bool Pool::evict_idle() {
  for (Connection* c = ready_.back(); c; c = ready_.before(*c)) {
    if (!c->unused() || c->spent()) continue;
    c->close_now({http::EndCause::none, "evicted"});
    return true;
  }
  return false;
}

size_t Pool::idle() {
  size_t n = 0;
  for (Connection* c = all_.front(); c; c = all_.after(*c)) {
    if (c->phase() == Connection::Phase::open && c->unused()) ++n;
  }
  return n;
}

}  // namespace cardea::cluster
