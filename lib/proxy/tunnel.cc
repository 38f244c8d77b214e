// Tunnels: their heads, and how an exchange ends one politely.
#include "proxy/tunnel.h"

#include <sys/random.h>

#include "proxy/exchange.h"

namespace cardea::proxy {

using http::End;
using http::EndCause;
namespace websocket = http::websocket;

namespace {

// Peers that are told of the end have this long to let go of the tunnel by themselves.
constexpr Millis kFarewell = 1000;
// A tunnel of which one half is closed is not kept open for ever, whatever idle_timeout says.
constexpr Millis kHalfClosed = 5 * 60'000;

uint16_t close_code(const End& end) {
  if (end.cause == EndCause::draining && Bytes(end.detail) == "restart") return websocket::kServiceRestart;
  switch (end.cause) {
    case EndCause::denied:
    case EndCause::revoked:
    case EndCause::unauthenticated:
    case EndCause::client_certificate:
    case EndCause::authorize_timeout:
      return websocket::kPolicyViolation;
    default:
      return websocket::kGoingAway;
  }
}

}  // namespace

std::unique_ptr<Tunnel> Tunnel::make(const http::RequestHead& head, const config::Route& route) {
  if (route.tcp) return std::unique_ptr<Tunnel>(new Tunnel(Kind::tcp, false));
  const bool extended = head.method == http::Method::connect;
  if (!websocket::is_websocket_request(head)) {
    const bool taken = route.takes_upgrade(head.upgrade) && !http::equal_no_case(head.upgrade, "websocket");
    return taken ? std::unique_ptr<Tunnel>(new Tunnel(Kind::upgrade, extended)) : nullptr;
  }
  if (!route.allow_websockets && !route.takes_upgrade("websocket")) return nullptr;
  auto tunnel = std::unique_ptr<Tunnel>(new Tunnel(Kind::websocket, extended));
  if (extended) {
    uint8_t nonce[16];
    if (getrandom(nonce, sizeof nonce, 0) != ssize_t(sizeof nonce)) return nullptr;
    tunnel->key_ = websocket::make_key(nonce);
  } else {
    tunnel->key_ = head.fields.find(http::FieldId::sec_websocket_key)->value;
  }
  return tunnel;
}

void Tunnel::ask(http::RequestHead& head, http::Protocol protocol) {
  if (kind_ == Kind::tcp) return;
  if (kind_ == Kind::upgrade) {  // HTTP/1.1 alone has it: routes that take it speak no other
    head.method = http::Method::get;
    head.method_name = "GET";
    return;
  }
  asked_extended_ = protocol == http::Protocol::http2;
  head.method = asked_extended_ ? http::Method::connect : http::Method::get;
  head.method_name = asked_extended_ ? "CONNECT" : "GET";
  if (asked_extended_) {
    head.fields.remove("sec-websocket-key");
  } else {
    head.fields.set("Sec-WebSocket-Key", head.arena.copy(key_));
  }
}

Tunnel::Answer Tunnel::answer(http::ResponseHead& head) {
  if (kind_ == Kind::tcp || asked_extended_) {
    if (head.status / 100 != 2) return Answer::refused;
  } else {
    if (head.status != 101) return Answer::refused;
    // A client that sent the key checks the answer to it.
    if (has_frames() && extended_ && !websocket::is_websocket_answer(head, key_)) return Answer::broken;
  }
  if (kind_ == Kind::upgrade) head.status = extended_ ? 200 : 101;
  if (kind_ == Kind::websocket) {
    if (extended_) head.fields.remove("sec-websocket-accept");
    if (!extended_ && asked_extended_) {
      head.fields.set("Sec-WebSocket-Accept", head.arena.copy(websocket::accept_key(key_)));
    }
    head.status = extended_ ? 200 : 101;
  }
  head.has_body = true;
  open_ = true;
  return Answer::opened;
}

// ---- the exchange's part --------------------------------------------------------------------------

void Exchange::open_tunnel() {
  add(worker_.counters().upgrades_active);
  read_by_ = write_by_ = respond_by_ = 0;
}

// Relays a piece of a direction while the tunnel ends: up to the end of the frame that the receiver is in.
Bytes Exchange::last_piece(websocket::FrameTracker& frames, Bytes bytes) {
  if (!tunnel_->has_frames() || frames.broken()) return {};
  const Bytes last = bytes.substr(0, frames.until_boundary(bytes));
  frames.advance(last);
  return last;
}

void Exchange::tell_tunnel_client() {
  if (tunnel_->client_closed || (tunnel_->has_frames() && !tunnel_->to_client.at_boundary())) {
    return;
  }
  tunnel_->client_closed = true;
  if (tunnel_->has_frames() && !tunnel_->to_client.close_seen()) {
    down_.send_body(head_->arena.copy(
        websocket::close_frame(close_code(farewell_end_), http::row(farewell_end_.cause).word, nullptr)));
  }
  if (!response_complete_) down_.send_end(nullptr);
  response_complete_ = true;
}

void Exchange::tell_tunnel_service() {
  if (tunnel_->service_closed || !up_) return;
  if (tunnel_->has_frames() && !tunnel_->to_service.at_boundary()) return;
  tunnel_->service_closed = true;
  if (tunnel_->has_frames() && !tunnel_->to_service.close_seen()) {
    websocket::Mask mask{};
    if (getrandom(mask.bytes, sizeof mask.bytes, 0) != ssize_t(sizeof mask.bytes)) mask.bytes[0] = 1;
    up_->send_body(head_->arena.copy(websocket::close_frame(websocket::kGoingAway, {}, &mask)));
  }
  if (!request_complete_) up_->send_end(nullptr);
}

// Both ends are told in the place where each of them can understand it; what does not close by itself is cut soon.
void Exchange::end_tunnel(const End& why) {
  flush_flows();
  const bool client_done = shares_ && shares_->to_service.over, service_done = shares_ && shares_->to_client.over;
  if (client_done && up_) up_->send_end(nullptr);
  request_complete_ = request_complete_ || client_done;
  farewell_end_ = why;
  ending_ = true;
  service_done_ = !up_ || response_complete_ || service_done;
  if (!up_ && !tunnel_->has_frames()) {
    // Bytes have no end of their own: the service's reset must not look like its last word (RFC 9113 8.5).
    down_.finish_then_reset(why.cause);
    return finish(why);
  }
  idle_timeout_ = read_by_ = write_by_ = respond_by_ = authorize_by_ = stop_at_ = idle_at_ = log_at_ = 0;
  end_by_ = loop().now() + kFarewell;
  tell_tunnel_client();
  tell_tunnel_service();
  arm();
  check_farewell();
}

// Over once both have let go too; or when the place where the client could be told will never come.
void Exchange::check_farewell() {
  if (finished_) return;
  if (!tunnel_->client_closed && (service_done_ || tunnel_->to_client.broken())) {
    down_.finish_then_reset(farewell_end_.cause);
    return finish(farewell_end_);
  }
  if (tunnel_->client_closed && request_complete_ && service_done_) finish(farewell_end_);
}

void Exchange::bound_half_closed() {
  if (!tunnel_ || !tunnel_->is_open()) return;
  if (!idle_timeout_ || idle_timeout_ > kHalfClosed) idle_timeout_ = kHalfClosed;
  touch();
  arm();
}

}  // namespace cardea::proxy
