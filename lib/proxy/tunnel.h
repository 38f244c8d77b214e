// An exchange whose heads are followed by another protocol: WebSocket frames, those of another upgrade, or the bytes of
// a CONNECT.
#pragma once

#include <memory>
#include <string>

#include "config/config.h"
#include "http/http.h"
#include "http/websocket.h"

namespace cardea::proxy {

class Tunnel {
 public:
  enum class Kind : uint8_t { websocket, upgrade, tcp };

  // Null: this route takes no such tunnel.
  static std::unique_ptr<Tunnel> make(const http::RequestHead& head, const config::Route& route);

  Kind kind() const { return kind_; }
  bool has_frames() const { return kind_ == Kind::websocket; }  // whose bounds are known
  // Makes of `head` what a service of this protocol is asked: a WebSocket by Upgrade, with a key of our own when the
  // client has none, or by extended CONNECT (RFC 8441), which has no key.
  void ask(http::RequestHead& head, http::Protocol protocol);
  enum class Answer : uint8_t { opened, refused, broken };
  // The service's answer; when it opens the tunnel, `head` becomes what the client gets. `refused`: an ordinary answer.
  Answer answer(http::ResponseHead& head);
  bool is_open() const { return open_; }

  // Where each direction is in its frames (WebSocket only).
  http::websocket::FrameTracker to_client{http::websocket::From::service}, to_service{http::websocket::From::client};
  bool client_closed = false, service_closed = false;  // has got our last byte

 private:
  Tunnel(Kind kind, bool extended) : kind_(kind), extended_(extended) {}
  const Kind kind_;
  const bool extended_;          // came as extended CONNECT
  bool asked_extended_ = false;  // went up as one
  bool open_ = false;
  std::string key_;  // Sec-WebSocket-Key: the client's, or our own when it sent none
};

}  // namespace cardea::proxy
