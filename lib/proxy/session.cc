// One downstream connection, from accept to close.
#include "proxy/session.h"

#include "base/log.h"
#include "net/prefix.h"
#include "proxy/exchange.h"
#include "proxy/worker.h"

namespace cardea::proxy {

using http::End;
using http::EndCause;

namespace {

constexpr std::string_view kH2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";  // RFC 9113 3.4
constexpr size_t kSniff = 4;  // "PRI " is no method of HTTP/1.1 that we take
// A client that is told of a drain has this long to let go of the connection by itself.
constexpr Millis kGoodbye = 5000;

uint64_t next_session_id() {
  static std::atomic<uint64_t> id{0};
  return ++id;
}

Millis loop_now(void* loop) {
  return static_cast<net::Loop*>(loop)->now();
}

}  // namespace

// Stands in for a codec until a plain connection has shown which protocol it speaks.
class Session::Sniffer final : public http::ServerCodec {
 public:
  explicit Sniffer(Session& session) : session_(session) {}
  void receive(Bytes bytes) override {
    if (!first_.empty()) {
      first_.append(bytes);
      bytes = first_;
    }
    const size_t n = std::min(bytes.size(), kSniff);
    const bool may_be_h2 = kH2Preface.substr(0, n) == bytes.substr(0, n);
    if (may_be_h2 && n < kSniff) {
      if (first_.empty()) first_ = bytes;
      return;
    }
    // This codec ends inside the next call; what it received must last until the end of the turn.
    struct Kept final : net::Deferred {
      std::string bytes;
    };
    if (!first_.empty()) {
      auto kept = std::make_unique<Kept>();
      kept->bytes = std::move(first_);
      bytes = kept->bytes;
      session_.worker_.loop().defer_delete(std::move(kept));
    }
    session_.sniffed(may_be_h2, bytes);
  }
  void receive_eof() override { session_.request_close({EndCause::downstream_closed, "before_request"}); }
  void connection_lost(const End&) override {}
  bool wants_read() const override { return true; }
  void produce(http::Output&, size_t) override {}
  void produced(size_t) override {}
  bool receiving_head() const override { return !first_.empty(); }
  size_t active() const override { return 0; }
  void drain() override { session_.request_close({EndCause::draining}); }
  void expire_head(const End& end) override { session_.request_close(end); }
  http::Protocol protocol() const override { return http::Protocol::http11; }

 private:
  Session& session_;
  std::string first_;
};

Session::Session(Worker& worker, const config::Listener& listener, std::unique_ptr<net::Stream> stream)
    : worker_(worker),
      listener_name_(listener.name),
      codec_type_(listener.codec),
      tls_(listener.tls != nullptr),
      redirect_(listener.redirect_to_https),
      id_(next_session_id()),
      certificate_generation_(listener.certificate_generation),
      opened_at_(worker.loop().now()),
      clock_(worker.loop(), [this] { on_clock(); }) {
  net::Loop& loop = worker.loop();
  if (!stream->peer().is_unix()) stream->set_keepalive(60);
  if (listener.proxy_protocol) stream = net::expect_proxy_header(loop, std::move(stream));
  if (listener.tls) stream = listener.tls->wrap(loop, std::move(stream));
  wire_.emplace(loop, std::move(stream), *this, worker.generation()->snapshot->limits.buffer_limit);
  worker.session_began(*this);
  if (tls_) {
    handshake_since_ = opened_at_;
  } else {
    try {
      open();
    } catch (const std::bad_alloc&) {  // from here on the worker has it, and it ends as any other does
      wire_->request_close({EndCause::overload, "no memory"});
    }
  }
  arm_clock();
}

Session::~Session() = default;

// ---- handshake and protocol -----------------------------------------------------------------------

void Session::on_open() {
  handshake_since_ = 0;
  add(worker_.counters().downstream_tls_handshakes_total);
  const net::TlsSession* tls = wire_->stream().tls();
  if (tls && !tls->sni.empty() && !tls->sni_matched) add(worker_.counters().downstream_tls_unknown_names_total);
  open();
}

void Session::open() {
  idle_since_ = worker_.loop().now();
  first_head_since_ = idle_since_;
  if (tls_) {
    const std::string_view alpn = wire_->stream().tls()->alpn;
    return choose_codec(alpn == "h2" || (alpn.empty() && codec_type_ == config::Codec::http2));
  }
  if (codec_type_ == config::Codec::automatic) return wire_->set_codec(std::make_unique<Sniffer>(*this));
  choose_codec(codec_type_ == config::Codec::http2);
}

void Session::choose_codec(bool h2) {
  const http::CodecLimits& limits = worker_.generation()->snapshot->limits;
  std::unique_ptr<http::ServerCodec> codec =
      h2 ? http::h2_server(*this, limits, loop_now, &worker_.loop()) : http::h1_server(*this, limits);
  open_ = true;
  add(h2 ? worker_.counters().downstream_connections_http2_active
         : worker_.counters().downstream_connections_http1_active);
  codec_ = codec.get();
  wire_->set_codec(std::move(codec));
  worker_.proxy().hooks().on_conn_open(*this);
  if (draining_ && !is_new()) codec_->drain();
}

void Session::sniffed(bool h2, Bytes first_bytes) {
  choose_codec(h2);
  wire_->receive(first_bytes);
}

// ---- requests -------------------------------------------------------------------------------------

http::RequestReceiver* Session::on_request(http::RequestPtr head, http::ResponseSender& sender) {
  idle_since_ = unread_since_ = 0;
  if (draining_ && is_new()) codec_->drain();  // its answer is the last
  first_head_since_ = 0;
  if (!peer_ip_known_) {  // not before: a PROXY header may have named another peer
    peer_ip_known_ = true;
    const net::Address& peer = wire_->stream().peer();
    if (!peer.is_unix()) peer_ip_ = peer.ip_text();
  }
  return Exchange::begin(*this, std::move(head), sender);
}

void Session::on_bad_request(const End& end, http::ResponseSender& sender) {
  add(worker_.counters().downstream_bad_requests_total);
  count_protocol_error();
  if (log::wanted(log::notice)) {
    log::write(log::notice, "request from " + wire_->stream().peer().text() + " on " + listener_name_ +
                                " refused: " + http::row(end.cause).word + ":" + end.detail);
  }
  http::ResponsePtr head = http::make_response();
  head->status = end.http_status();
  Bytes text = concat(head->arena, {std::to_string(head->status), " the request is not valid: ", end.detail, "\n"});
  head->fields.add(http::FieldId::server, "cardea");
  head->fields.add(http::FieldId::date, worker_.http_date());
  head->fields.add(http::FieldId::cache_control, "no-store");
  head->fields.add(http::FieldId::content_type, "text/plain; charset=utf-8");
  head->fields.add(http::FieldId::x_request_id, worker_.new_request_id(head->arena));
  head->content_length = text.size();
  head->has_body = true;
  head->close = true;
  sender.send_head(*head);
  sender.send_body(text);
  sender.send_end(nullptr);
  refusal_ = std::move(head);  // its text is borrowed until the end of the turn
}

void Session::on_idle() {
  unread_since_ = 0;
  idle_since_ = progress_at_ = worker_.loop().now();
  progress_bytes_ = wire_->bytes_written();
}

void Session::exchange_ended(bool request_complete) {
  --exchanges_;
  if (request_complete) return;
  // The codec may read the rest of the request to save the connection, but not for ever.
  unread_since_ = worker_.loop().now();
  arm_clock();
}

// ---- the client's certificate ---------------------------------------------------------------------

const identity::Certificate* Session::shown_certificate() const {
  const net::TlsSession* tls = wire_->stream().tls();
  return tls && tls->client ? tls->client->leaf().get() : nullptr;
}

Session::Certificate Session::certificate(const std::shared_ptr<const tls::ClientTrust>& trust) {
  const identity::Certificate* leaf = shown_certificate();
  if (!leaf || !trust) return {leaf, false, 0, {}};
  const int64_t now = worker_.loop().unix_ms();
  // Lists that are equal to those before, of a configuration that was read again, say the same.
  const bool same = judged_ && (judged_->trust == trust || judged_->trust->options() == trust->options());
  const bool current =
      same && judged_->at_ms <= now && (!judged_->judgement.next_change_ms || now < judged_->judgement.next_change_ms);
  if (!current) {
    auto next = std::make_unique<Judged>(Judged{trust, trust->judge(*wire_->stream().tls()->client, now), {}, now});
    if (next->judgement.trusted) next->identity = judged_ ? judged_->identity : nullptr;
    if (next->judgement.trusted && !next->identity) next->identity = identity::identity_of(*leaf);
    judged_ = std::move(next);
  }
  judged_->trust = trust;
  return {leaf, judged_->judgement.trusted, judged_->judgement.next_change_ms, judged_->identity};
}

// ---- clocks ---------------------------------------------------------------------------------------

void Session::on_received() {
  const bool head = codec_ && codec_->receiving_head();
  if (head == (head_since_ != 0)) return;
  head_since_ = head ? worker_.loop().now() : 0;
  if (head) arm_clock();
}

// The earliest moment at which on_clock() may have something to do. Clocks that start later than the
// timer's moment need no rearming: on_clock() looks again.
void Session::arm_clock() {
  const config::Snapshot& s = *worker_.generation()->snapshot;
  Millis next = 0;
  auto consider = [&next](Millis since, Millis limit) {
    if (since && limit && (!next || since + limit < next)) next = since + limit;
  };
  consider(handshake_since_, s.tls_handshake_timeout);
  consider(head_since_, s.request_headers_timeout);
  consider(first_head_since_, s.request_headers_timeout);
  consider(unread_since_, s.request_headers_timeout);
  consider(idle_since_, s.timeout_idle);
  consider(draining_ ? 0 : opened_at_, s.max_connection_duration);
  consider(drained_at_, kGoodbye);
  if (cut_at_ && (!next || cut_at_ < next)) next = cut_at_;
  if (!idle_since_ && !handshake_since_) consider(worker_.loop().now(), s.timeout_idle);
  if (next) clock_.start_at(next);
}

void Session::each_clock(const std::function<void(const char*, Millis, config::Origin)>& fn) const {
  const config::Snapshot& s = *worker_.generation()->snapshot;
  if (!draining_ && s.max_connection_duration) {
    fn("max_connection_duration", opened_at_ + s.max_connection_duration, s.origins.max_connection_duration);
  }
  if (cut_at_) fn("drain_timeout", cut_at_, s.origins.drain_timeout);
}

void Session::on_clock() {
  const config::Snapshot& s = *worker_.generation()->snapshot;
  const Millis now = worker_.loop().now();
  auto due = [now](Millis since, Millis limit) { return since && limit && since + limit <= now; };
  if (due(handshake_since_, s.tls_handshake_timeout)) {
    add(worker_.counters().downstream_handshake_failures_total);
    return close({EndCause::client_timeout, "handshake"});
  }
  if (due(first_head_since_, s.request_headers_timeout) || due(head_since_, s.request_headers_timeout)) {
    add(worker_.counters().downstream_head_timeouts_total);
    const End late{EndCause::client_timeout, "head"};
    head_since_ = first_head_since_ = 0;
    if (!codec_) return close(late);
    codec_->expire_head(late);
    return arm_clock();
  }
  if (due(unread_since_, s.request_headers_timeout)) {
    unread_since_ = 0;
    if (exchanges_ == 0 && codec_ && codec_->protocol() != http::Protocol::http2) {
      return close({EndCause::client_timeout, "unread_body"});
    }
  }
  if (cut_at_ && cut_at_ <= now) {
    const End late{EndCause::draining, "deadline"};
    if (exchanges_ == 0) return close(late);
    worker_.end_exchanges(*this, late);
    cut_at_ = now + 1;  // what they say leaves first
  }
  if (!draining_ && due(opened_at_, s.max_connection_duration)) {
    add(worker_.counters().downstream_connections_max_duration_total);
    leave(s.drain_timeout);
  }
  if (due(drained_at_, kGoodbye)) hurry();
  // Exchanges are over, yet their answers are still here: the client does not read.
  if (exchanges_ == 0 && (wire_->stream().queued() || (codec_ && codec_->active()))) {
    if (wire_->bytes_written() - wire_->stream().queued() != progress_bytes_) {
      progress_bytes_ = wire_->bytes_written() - wire_->stream().queued();
      progress_at_ = now;
    } else if (due(progress_at_, s.timeout_idle)) {
      return close({EndCause::client_timeout, "write"});
    }
    if (due(idle_since_, s.timeout_idle)) idle_since_ = now;  // it is not idle yet
  } else if (exchanges_ == 0 && due(idle_since_, s.timeout_idle)) {
    add(worker_.counters().downstream_connections_idle_timeout_total);
    idle_since_ = first_head_since_ = 0;
    if (!codec_) return close({EndCause::draining});
    leave(0);
  }
  arm_clock();
}

// ---- the end --------------------------------------------------------------------------------------

void Session::drain(Millis allowed) {
  if (!std::exchange(told_to_drain_, true)) {
    add(worker_.counters().downstream_connections_draining);
    worker_.proxy().listener_drains(listener_name_);
  }
  leave(allowed);
}

void Session::leave(Millis allowed) {
  const Millis now = worker_.loop().now();
  draining_ = true;
  if (!drained_at_) drained_at_ = now;
  if (allowed && (!cut_at_ || now + allowed < cut_at_)) cut_at_ = now + allowed;
  if (!is_new()) codec_->drain();
  arm_clock();
}

// Its first request may be under way, and nobody would answer that: HTTP/1.1 has no word for it. Until kGoodbye.
bool Session::is_new() const {
  return !codec_ || (first_head_since_ && codec_->protocol() != http::Protocol::http2);
}

// The time for goodbyes is over: HTTP/2 gets its last GOAWAY, and what is idle goes.
void Session::hurry() {
  drained_at_ = 0;
  if (!codec_) return close({EndCause::draining});
  codec_->drain();
  if (exchanges_ == 0 && codec_->active() == 0) wire_->request_close({EndCause::draining, "idle"});
}

// A message that has begun must not look complete: where something is unsent, the connection ends in a reset.
void Session::close(const End& end) {
  if (exchanges_ || (codec_ && codec_->active()) || wire_->stream().queued()) wire_->stream().set_reset_on_close();
  wire_->close_now(end);
}

void Session::request_close(const End& end) {
  if (end.cause == EndCause::bad_request) count_protocol_error();
  wire_->request_close(end);
}

void Session::count_protocol_error() {
  if (!std::exchange(protocol_error_, true)) add(worker_.counters().downstream_protocol_errors_total);
}

void Session::count_end(const End& end) {
  Counters& c = worker_.counters();
  const std::string_view detail = end.detail;
  if (tls_ && detail.substr(0, 3) == "tls") add(c.downstream_tls_errors_total);
  if (detail == "tls_no_certificate") add(c.downstream_tls_no_client_certificate_total);
  if (detail == "tls_verify") add(c.downstream_tls_client_certificate_errors_total);
  if (open_) {
    sub(codec_->protocol() == http::Protocol::http2 ? c.downstream_connections_http2_active
                                                    : c.downstream_connections_http1_active);
  }
  if (told_to_drain_) {
    sub(c.downstream_connections_draining);
    add(c.downstream_connections_drain_closed_total);
    worker_.proxy().listener_drained(listener_name_);
  }
  c.downstream_connection_duration_seconds.observe(worker_.loop().now() - opened_at_);
}

void Session::on_broken(const net::StreamError& error) {
  if (!handshake_since_ || !log::wanted(log::notice)) return;
  log::write(log::notice,
             "handshake with " + wire_->stream().peer().text() + " on " + listener_name_ + " failed: " + error.text);
}

void Session::on_closed(const End& end) {
  count_end(end);
  if (handshake_since_ && end.cause != EndCause::client_timeout && end.cause != EndCause::draining) {
    add(worker_.counters().downstream_handshake_failures_total);
  }
  clock_.stop();
  if (open_) worker_.proxy().hooks().on_conn_close(*this);
  worker_.session_ended(*this);
  worker_.loop().defer_delete(std::unique_ptr<net::Deferred>(this));
}

}  // namespace cardea::proxy
