// The upstream connections of one endpoint: reuse, waiting, opening, retiring.
#include "cluster/pool.h"

#include <algorithm>

#include "cluster/live_cluster.h"

namespace cardea::cluster {

namespace {

bool offers_http2(const ClusterConfig& config) {
  const auto& alpn = config.tls_options.alpn;
  return std::find(alpn.begin(), alpn.end(), "h2") != alpn.end();
}

}  // namespace

Pool::Pool(LiveCluster& cluster, EndpointPtr endpoint)
    : cluster_(cluster),
      endpoint_(std::move(endpoint)),
      expiry_(cluster.loop(), [this] { expire(nullptr); }),
      streams_(std::max<size_t>(cluster.config().limits.max_concurrent_streams, 1)) {
  switch (endpoint_->config->scheme) {
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
  endpoint_->pool = this;
}

Pool::~Pool() {
  endpoint_->pool = nullptr;
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
  if (!attempt.fresh_) {
    while (Connection* c = ready_.front()) {
      if (c->in_codec()) break;  // flush() comes after the codec
      if (c->usable()) {
        if (counted) cluster_.on_wait_over();
        return give(*c, attempt, false);
      }
      static_cast<InState&>(*c).unlink();
    }
  }
  if (!counted && !cluster_.may_wait()) return cluster_.fail(attempt, {http::EndCause::overload, "max_pending"});
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
  if (cluster_.closing()) schedule();
}

void Pool::give(Connection& connection, Attempt& attempt, bool made_for_it) {
  // Before on_ready, which may start others.
  if (connection.capacity() <= 1) static_cast<InState&>(connection).unlink();
  connection.begin(attempt, made_for_it);
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
    cluster_.on_wait_over();
    cluster_.fail(*attempt, end);
  }
}

void Pool::arm_expiry() {
  Millis timeout = cluster_.config().connect_timeout;
  Attempt* first = waiting_.front();
  if (timeout == 0 || !first) return;
  Millis due = first->started_ + timeout;
  if (!expiry_.active() || expiry_.deadline() > due) expiry_.start_at(due);
}

// `phase`: of the connection that ran out of time; null when it is the attempts' own time.
void Pool::expire(const char* phase) {
  Millis timeout = cluster_.config().connect_timeout, now = cluster_.loop().now();
  if (timeout == 0) return;
  http::End end{http::EndCause::connect_timeout, phase};
  if (!phase) {
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
    cluster_.on_wait_over();
    give(connection, *attempt, true);
  }
  on_change(connection);
  schedule();
}

void Pool::on_change(Connection& connection) {
  if (connection.phase() != Connection::Phase::open) return;
  // An HTTP/2 connection that still has room stays where it is.
  if (static_cast<InState&>(connection).linked() && connection.usable()) {
    if (connection.unused()) cluster_.wake_starved();
    return;
  }
  changed_.push_back(connection);
  schedule();
}

void Pool::on_closed(Connection& connection, bool was_connecting, const http::End& end) {
  static_cast<InPool&>(connection).unlink();
  static_cast<InState&>(connection).unlink();
  cluster_.on_connection_closed();
  schedule();
  if (!was_connecting) return;
  --connecting_count_;
  if (end.cause == http::EndCause::connect_timeout) {
    // Attempts that are younger than the connection get another one.
    ++cluster_.counters().connect_timeouts;
    return expire(end.detail);
  }
  ++cluster_.counters().connect_failures;
  // A connection for one exchange would have served one; the others wait for theirs.
  size_t hopes = speaks_ == Speaks::http2 ? streams_ : speaks_ == Speaks::unknown ? waiting_count_ : 1;
  fail_first(std::min(hopes, excess()), end);
}

void Pool::flush() {
  settle();
  serve();
  if (!retired_) grow();
  if (leaving()) {
    if (!std::exchange(swept_, true)) sweep();
    cluster_.schedule();
  }
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
      if (c->unused()) cluster_.wake_starved();
    }
  }
}

void Pool::serve() {
  Attempt* attempt = waiting_.front();
  while (attempt) {
    // Returned connections are not what a fresh attempt wants.
    if (attempt->fresh_) {
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
    cluster_.on_wait_over();
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
    if (!cluster_.may_connect()) {
      // Without any connection here nothing would ever come free.
      if (all_.empty()) return fail_waiting({http::EndCause::overload, "max_connections"});
      starved_ = true;
      cluster_.on_starved();
      return;
    }
    auto* connection = new Connection(*this, endpoint_, cluster_.loop());  // owns itself
    all_.push_back(*connection);
    connecting_.push_back(*connection);
    ++connecting_count_;
    cluster_.on_connection_opened();
    connection->connect(cluster_.network());
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

// Closes what nobody uses and lets the rest finish. What opens or comes back later is up to settle().
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
