// An exchange whose heads are followed by another protocol: WebSocket frames, or the bytes of a CONNECT.
#pragma once

#include <memory>
#include <string>

#include "config/config.h"
#include "http/http.h"
#include "http/websocket.h"

namespace cardea::proxy {

class Tunnel {
 public:
  enum class Kind : uint8_t { websocket, tcp };

  // Null: this route takes no such tunnel. Otherwise the head has become what goes up: a WebSocket that came by HTTP/2
  // (RFC 8441) is asked for by Upgrade, with a key of our own.
  static std::unique_ptr<Tunnel> make(http::RequestHead& head, const config::Route& route);

  Kind kind() const { return kind_; }
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
  const bool extended_;  // came as extended CONNECT
  bool open_ = false;
  std::string key_;  // our own Sec-WebSocket-Key, when the client sent none
};

}  // namespace cardea::proxy
