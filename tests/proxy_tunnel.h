// What the tests of tunnels share: raw ends behind heads of HTTP/1.1, tunnels as their clients see them, frames.
#pragma once

#include "http/websocket.h"
#include "proxy_access.h"

namespace cardea::test {

constexpr uint64_t kMiB = 1 << 20;
constexpr size_t kPiece = 64 * 1024;
constexpr uint64_t kHeld = 768 * 1024;  // what the proxy may hold of one direction

// One end of a connection whose bytes follow a head of HTTP/1.1, or none.
class RawEnd {
 public:
  RawEnd(std::shared_ptr<net::FakePeer> p, bool head) : peer(std::move(p)), in_head_(head) {
    peer->on_change = [this](net::FakePeer&) { pump(); };
  }
  ~RawEnd() { peer->on_change = nullptr; }
  RawEnd(const RawEnd&) = delete;

  std::shared_ptr<net::FakePeer> peer;
  std::string head;
  Body body;
  bool ended = false, cut = false;

 private:
  void pump() {
    std::string bytes = peer->take();
    if (in_head_) {
      head += bytes;
      const size_t end = head.find("\r\n\r\n");
      bytes.clear();
      if (end != std::string::npos) {
        bytes = head.substr(end + 4);
        head.erase(end + 4);
        in_head_ = false;
      }
    }
    body.add(bytes);
    ended |= peer->eof;
    cut |= peer->was_reset;
  }
  bool in_head_;
};

// A tunnel as its client sees it.
struct Socket {
  std::unique_ptr<RawEnd> h1;
  TestClient* h2 = nullptr;
  size_t n = 0;
  net::FakeLoop& loop;

  explicit Socket(net::FakeLoop& l) : loop(l) {}
  net::FakePeer& peer() { return h1 ? *h1->peer : *h2->peer; }
  void send(Bytes bytes) {
    h1 ? h1->peer->send(bytes) : h2->body(n, bytes);
    loop.run();
  }
  void finish() {
    h1 ? h1->peer->send_eof() : h2->end(n);
    loop.run();
  }
  void reset() {
    h1 ? h1->peer->reset() : h2->reset(n);
    loop.run();
  }
  const Body& body() { return h1 ? h1->body : h2->answer(n).body; }
  std::string text() {
    loop.run();
    return body().text;
  }
  int status() {
    loop.run();
    return h1 ? h1->head.size() > 12 ? atoi(h1->head.c_str() + 9) : 0 : h2->answer(n).status;
  }
  bool ended() const { return h1 ? h1->ended : h2->answer(n).end; }
  bool cut() const { return h1 ? h1->cut : h2->answer(n).reset; }
};

inline std::string frame(uint8_t first, const std::string& payload, bool masked) {
  std::string s = {char(first)};
  const size_t n = payload.size();
  const int digits = n < 126 ? 0 : n < 65536 ? 2 : 8;
  s += char((masked ? 0x80 : 0) | (digits == 0 ? n : digits == 2 ? 126 : 127));
  for (int i = digits - 1; i >= 0; --i) s += char(uint64_t(n) >> (8 * i));
  if (!masked) return s + payload;
  s += "MASK";
  for (size_t i = 0; i < n; ++i) s += char(payload[i] ^ "MASK"[i % 4]);
  return s;
}
inline std::string down(const std::string& payload) {
  return frame(0x81, payload, false);
}
inline std::string up(const std::string& payload) {
  return frame(0x81, payload, true);
}
// What a close frame says, which must be all of `bytes`: "1008 denied".
inline std::string close_in(const std::string& bytes, bool masked) {
  const size_t at = masked ? 6 : 2;
  if (bytes.size() < at + 2 || uint8_t(bytes[0]) != 0x88) return "no close frame: " + bytes;
  if (uint8_t(bytes[1]) != (masked ? 0x80 : 0) + bytes.size() - at) return "not one frame: " + bytes;
  std::string payload = bytes.substr(at);
  for (size_t i = 0; masked && i < payload.size(); ++i) payload[i] = char(payload[i] ^ bytes[2 + i % 4]);
  const std::string code = std::to_string(uint8_t(payload[0]) << 8 | uint8_t(payload[1]));
  return payload.size() == 2 ? code : code + " " + payload.substr(2);
}

class Tunnels : public Access {
 protected:
  static constexpr const char* kKey = "dGhlIHNhbXBsZSBub25jZQ==";  // RFC 6455 1.3, with its answer
  static constexpr const char* kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

  void begin_sockets(const std::string& lines = "allowed_users: [alice, bob]", const std::string& global = "") {
    start(sockets(lines, global));
    serve_raw("10.0.0.1:80", true);
  }
  std::string sockets(const std::string& lines, const std::string& global = "") const {
    return file("- from: https://a.example\n  to: http://10.0.0.1:80\n  allow_websockets: true\n" + indent(lines),
                provider() + (global.empty() ? "" : "\n") + global);
  }
  std::string tunnels(const std::string& lines, const std::string& global = "") const {
    return file("- from: tcp+https://host.example:22\n  to: tcp://10.0.0.1:22\n" + indent(lines),
                provider() + (global.empty() ? "" : "\n") + global);
  }
  void begin_tunnels(const std::string& lines = "allowed_users: [alice, bob]", const std::string& global = "") {
    start(tunnels(lines, global));
    serve_raw("10.0.0.1:22", false);
  }
  void serve_raw(const std::string& address, bool heads) {
    network.serve(address).on_connect = [this, heads](std::shared_ptr<net::FakePeer> p) {
      fars.push_back(std::make_unique<RawEnd>(std::move(p), heads));
    };
  }
  void send_request(Socket& s, const Request& h1, const Request& h2) {
    if (down_h2()) {
      if (!client) client = connect(true);
      s.h2 = client.get();
      s.n = client->request(h2);
    } else {
      s.h1 = std::make_unique<RawEnd>(dial(), true);
      s.h1->peer->send(h1.method + " " + h1.path + " HTTP/1.1\r\nHost: " + h1.host + "\r\n" + h1_fields(h1.headers) +
                       "\r\n");
    }
    loop.run();
  }
  // Asks for a WebSocket.
  Socket& ask(const std::string& user, int64_t seconds = 600, const std::string& protocol = "websocket",
              const Headers& more = {}) {
    Socket& s = *all.emplace_back(std::make_unique<Socket>(loop));
    Headers fields = bearer(token(user, seconds), more);
    fields.emplace_back("Sec-WebSocket-Version", "13");
    Headers h1 = fields, h2 = {{":protocol", protocol}};
    h1.insert(h1.end(), {{"Connection", "Upgrade"}, {"Upgrade", protocol}, {"Sec-WebSocket-Key", kKey}});
    h2.insert(h2.end(), fields.begin(), fields.end());
    send_request(s, {.path = "/ws", .headers = h1}, {.method = "CONNECT", .path = "/ws", .headers = h2, .open = true});
    return s;
  }
  std::string key_sent(const RawEnd& f) const {
    const std::string name = "\r\nSec-WebSocket-Key: ";
    const size_t at = f.head.find(name);
    if (at == std::string::npos) return "none";
    return f.head.substr(at + name.size(), f.head.find('\r', at + 2) - at - name.size());
  }
  void accept(RawEnd& f, const std::string& more = "") {
    f.peer->send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + more +
                 "Sec-WebSocket-Accept: " + http::websocket::accept_key(key_sent(f)) + "\r\n\r\n");
    loop.run();
  }
  Socket& open(const std::string& user, int64_t seconds = 600) {
    Socket& s = ask(user, seconds);
    EXPECT_FALSE(fars.empty());
    accept(far());
    EXPECT_EQ(s.status(), down_h2() ? 200 : 101);
    return s;
  }
  // A CONNECT tunnel.
  Socket& tunnel(const std::string& user, const std::string& to = "host.example:22") {
    Socket& s = *all.emplace_back(std::make_unique<Socket>(loop));
    const Headers fields = bearer(token(user));
    send_request(s, {.method = "CONNECT", .path = to, .headers = fields, .host = to},
                 {.method = "CONNECT", .path = "", .headers = fields, .open = true, .host = to});
    return s;
  }
  RawEnd& far() { return *fars.back(); }
  void send(RawEnd& f, Bytes bytes) {
    f.peer->send(bytes);
    loop.run();
  }
  void end_all(const std::string& by = "operator") {
    proxy::end_exchanges(*proxy, {}, by, [](std::string) {});
    loop.run();
  }
  void expect_lives(Socket& s, RawEnd& f) {
    const std::string before = s.text(), there = f.body.text;
    send(f, down("news"));
    s.send(up("more"));
    EXPECT_EQ(s.text(), before + down("news"));
    EXPECT_EQ(f.body.text, there + up("more"));
    EXPECT_FALSE(s.ended() || s.cut() || f.ended || f.cut);
  }
  // Another request of the same client is served.
  void expect_served() {
    auto plain = connect(down_h2());
    const size_t n = plain->get("/x", bearer(token("alice")));
    far().peer->send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    loop.run();
    EXPECT_EQ(plain->answer(n).body.text, "ok");
  }
  void restart() {
    stop();
    all.clear();
    fars.clear();
    client.reset();
  }
  void TearDown() override { restart(); }

  std::vector<std::unique_ptr<Socket>> all;
  std::vector<std::unique_ptr<RawEnd>> fars;
};

}  // namespace cardea::test
