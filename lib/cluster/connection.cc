// One upstream connection: TCP, TLS, codec, the exchanges on it, its end.
#include "cluster/connection.h"

#include <algorithm>
#include <cerrno>

#include "cluster/live_cluster.h"
#include "net/happy_eyeballs.h"

namespace cardea::cluster {

namespace {

constexpr unsigned kKeepaliveSeconds = 60;

Millis loop_now(void* loop) {
  return static_cast<net::Loop*>(loop)->now();
}

const char* errno_name(int error) {
  switch (error) {
#define CARDEA_ERRNO(name) \
  case name:               \
    return #name;
    CARDEA_ERRNO(EACCES)
    CARDEA_ERRNO(EADDRINUSE)
    CARDEA_ERRNO(EADDRNOTAVAIL)
    CARDEA_ERRNO(EAFNOSUPPORT)
    CARDEA_ERRNO(EAGAIN)
    CARDEA_ERRNO(ECONNABORTED)
    CARDEA_ERRNO(ECONNREFUSED)
    CARDEA_ERRNO(ECONNRESET)
    CARDEA_ERRNO(EHOSTDOWN)
    CARDEA_ERRNO(EHOSTUNREACH)
    CARDEA_ERRNO(EINVAL)
    CARDEA_ERRNO(EMFILE)
    CARDEA_ERRNO(ENETDOWN)
    CARDEA_ERRNO(ENETUNREACH)
    CARDEA_ERRNO(ENFILE)
    CARDEA_ERRNO(ENOBUFS)
    CARDEA_ERRNO(ENOENT)
    CARDEA_ERRNO(ENOMEM)
    CARDEA_ERRNO(ENOTSOCK)
    CARDEA_ERRNO(EPERM)
    CARDEA_ERRNO(EPIPE)
    CARDEA_ERRNO(EPROTOTYPE)
    CARDEA_ERRNO(ETIMEDOUT)
#undef CARDEA_ERRNO
    default:
      return "other";
  }
}

}  // namespace

Connection::Connection(Pool& pool, EndpointPtr endpoint, net::Loop& loop)
    : pool_(&pool), endpoint_(std::move(endpoint)), loop_(loop), began_at_(loop.now()), timer_(loop, [this] {
        on_timer();
      }) {}

void Connection::connect(net::Network& network) {
  if (config().connect_timeout > 0) timer_.start(config().connect_timeout);
  const auto& addresses = endpoint_->state->addresses;
  connecting_ = addresses.size() == 1 ? network.connect(addresses[0], *this)
                                      : net::connect_first(loop_, network, addresses, *this);
}

void Connection::on_connected(std::unique_ptr<net::Stream> stream) {
  loop_.defer_delete(std::move(connecting_));
  if (!endpoint_->address().is_unix()) stream->set_keepalive(kKeepaliveSeconds);
  const EndpointConfig& to = endpoint_->config();
  bool secure = to.scheme == EndpointConfig::Scheme::https;
  if (secure) {
    if (!config().tls) {
      loop_.defer_delete(std::move(stream));
      return closed({http::EndCause::upstream_tls, "no_context"});
    }
    const std::string& name = config().tls_server_name.empty() ? to.host : config().tls_server_name;
    stream = config().tls->wrap(loop_, std::move(stream), name);
    phase_ = Phase::tls;
  }
  wire_.emplace(loop_, std::move(stream), static_cast<wire::Wire::Owner&>(*this), net::Loop::kReadBuffer,
                wire::Side::upstream);
  if (!secure) open(to.scheme == EndpointConfig::Scheme::h2c ? http::Protocol::http2 : http::Protocol::http11);
}

void Connection::on_connect_failed(int error) {
  loop_.defer_delete(std::move(connecting_));
  closed({http::EndCause::connect_failed, errno_name(error)});
}

void Connection::on_open() {
  const net::TlsSession* session = wire_->stream().tls();
  open(session && session->alpn == "h2" ? http::Protocol::http2 : http::Protocol::http11);
}

void Connection::open(http::Protocol protocol) {
  timer_.stop();
  std::unique_ptr<http::ClientCodec> codec;
  if (endpoint_->config().scheme == EndpointConfig::Scheme::tcp) {
    codec = http::raw_client(*this, config().limits);
  } else if (protocol == http::Protocol::http2) {
    codec = http::h2_client(*this, config().limits, loop_now, &loop_);
  } else {
    codec = http::h1_client(*this, config().limits);
  }
  codec_ = codec.get();
  phase_ = Phase::open;
  wire_->set_codec(std::move(codec));
  start_idle_clock();
  start_age();
  if (protocol == http::Protocol::http2 && config().keepalive_interval) {
    keepalive_ = std::make_unique<net::Timer>(loop_, [this] { keep_alive(); });
    keepalive_->start(config().keepalive_interval);
  }
  pool_->on_open(*this);
}

bool Connection::usable() const {
  return phase_ == Phase::open && !spent() && codec_->capacity() > 0 &&
         (codec_->protocol() == http::Protocol::http2 || attempts_.empty());
}

void Connection::begin(Attempt& attempt, bool made_for_it) {
  attempt.cluster_ = nullptr;
  attempt.connection_ = this;
  attempts_.push_back(attempt);
  ++begun_;
  attempt.protocol_ = codec_->protocol();
  attempt.reused_ = !made_for_it;
  attempt.connect_ms_ = made_for_it ? loop_.now() - attempt.started_ : 0;
  attempt.sender_ = &codec_->start(attempt.receiver_);
  attempt.events_.on_ready(attempt);
}

void Connection::release(Attempt& attempt) {
  http::RequestSender* sender = attempt.sender_;
  lost_ |= wire_->closed();
  attempt.sender_ = nullptr;
  attempt.connection_ = nullptr;
  static_cast<Link&>(attempt).unlink();
  endpoint_->state->requests.give_back();
  endpoint_->shared->requests.give_back();
  if (pool_) pool_->on_exchange_over();
  sender->release();
  if (phase_ == Phase::closed) return die_when_unused();
  if (unused()) start_idle_clock();
  if (pool_) {
    pool_->on_change(*this);
  } else if (unused()) {
    wire_->request_close({http::EndCause::none, "drained"});
  }
}

// Started again on every return: that writes one number; running out while busy means nothing.
void Connection::start_idle_clock() {
  if (config().idle_timeout > 0) timer_.start(config().idle_timeout);
}

// Up to a tenth less, so that connections that began together do not end together.
void Connection::start_age() {
  const Millis most = config().max_connection_duration;
  if (!most) return;
  age_ = std::make_unique<net::Timer>(loop_, [this] { close_politely(); });
  Random random(endpoint_->shared->next_seed());
  age_->start(std::max<Millis>(most - random.below(most / 10 + 1), 1));
}

void Connection::keep_alive() {
  if (phase_ != Phase::open || wire_->closing()) return;
  if (std::exchange(pinged_, false) && codec_->pongs() == pongs_) {
    return close_now({http::EndCause::upstream_reset, "keepalive"});
  }
  if (keepalive_due_) {
    pongs_ = codec_->pongs();
    pinged_ = true;
    codec_->ping();
  }
  keepalive_->start(keepalive_due_ ? config().keepalive_timeout : config().keepalive_interval);
  keepalive_due_ = !keepalive_due_;
}

void Connection::on_timer() {
  if (connecting()) {
    http::End end{http::EndCause::connect_timeout, phase_ == Phase::tcp ? "tcp" : "tls"};
    if (wire_) return wire_->close_now(end);
    if (connecting_) loop_.defer_delete(std::move(connecting_));
    return closed(end);
  }
  if (phase_ == Phase::open && unused()) close_politely();
}

void Connection::request_close(const http::End& end) {
  wire_->request_close(end);
  if (pool_) pool_->on_change(*this);
}

void Connection::on_capacity() {
  // Codecs may speak before open() is through.
  if (pool_ && phase_ == Phase::open) pool_->on_change(*this);
}

void Connection::close_politely() {
  if (phase_ != Phase::open || wire_->closing()) return;
  // Once: a second call hurries HTTP/2 along.
  if (!std::exchange(draining_, true)) codec_->drain();
  if (unused()) wire_->request_close({http::EndCause::none, "idle"});
}

void Connection::close_now(const http::End& end) {
  if (phase_ == Phase::closed) return;
  if (wire_) return wire_->close_now(end);
  if (connecting_) loop_.defer_delete(std::move(connecting_));
  closed(end);
}

void Connection::on_closed(const http::End& end) {
  wire_->release_stream();
  closed(end);
}

void Connection::closed(const http::End& end) {
  bool was_connecting = connecting();
  lost_ |= !unused();
  phase_ = Phase::closed;
  timer_.stop();
  if (age_) age_->stop();
  if (keepalive_) keepalive_->stop();
  // First: what the pool tells others may come back to the attempts on this connection.
  if (Pool* pool = std::exchange(pool_, nullptr)) {
    pool->on_closed(*this, was_connecting, end);
  } else {
    endpoint_->shared->connection_closed(*endpoint_->state);
  }
  die_when_unused();
}

void Connection::die_when_unused() {
  if (!unused() || dying_) return;
  dying_ = true;
  loop_.defer_delete(std::unique_ptr<net::Deferred>(this));
}

}  // namespace cardea::cluster
