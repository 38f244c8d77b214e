// WebSockets to services that speak HTTP/2 (RFC 8441), from either protocol.
#include "proxy_tunnel.h"

namespace cardea::test {
namespace {

class ServiceH2 : public Tunnels {
 protected:
  void begin_sockets(bool takes = true) {
    start(file(
        "- from: https://a.example\n  to: h2c://10.0.0.1:80\n  allow_websockets: true\n  allowed_users: [alice, bob]\n",
        provider()));
    service = serve("10.0.0.1:80", true);
    service->takes_extended_connect = takes;
  }
  void accept(TestService::Request& r) { service->head(r, 200, {{"sec-websocket-protocol", "chat"}}); }
  void TearDown() override {
    Tunnels::TearDown();
    service.reset();
  }
  std::unique_ptr<TestService> service;
};
INSTANTIATE_TEST_SUITE_P(From, ServiceH2, testing::Values(Pair{false, true}, Pair{true, true}),
                         [](const auto& info) { return info.param.down_h2 ? "h2" : "h1"; });

TEST_P(ServiceH2, AWebSocket) {
  begin_sockets();
  Socket& s = ask("alice", 600, "websocket", {{"Sec-WebSocket-Protocol", "chat"}});
  auto& r = service->expect("CONNECT", "/ws");
  EXPECT_EQ(value(r.pseudo, ":protocol"), "websocket");
  EXPECT_EQ(value(r.pseudo, ":scheme"), "http");
  EXPECT_EQ(r.authority, "10.0.0.1");
  EXPECT_EQ(value(r.headers, "sec-websocket-version"), "13");
  EXPECT_EQ(value(r.headers, "sec-websocket-protocol"), "chat");
  EXPECT_EQ(count(r.headers, "sec-websocket-key"), 0u) << "RFC 8441 5";
  EXPECT_EQ(count(r.headers, "connection") + count(r.headers, "upgrade"), 0u);
  EXPECT_EQ(s.status(), 0);
  accept(r);
  EXPECT_EQ(s.status(), down_h2() ? 200 : 101);
  if (down_h2()) {
    EXPECT_EQ(client->answer(s.n).header("sec-websocket-protocol"), "chat");
    EXPECT_FALSE(client->answer(s.n).has("sec-websocket-accept"));
  } else {
    EXPECT_NE(lower(s.h1->head).find("\r\nsec-websocket-protocol: chat\r\n"), std::string::npos) << s.h1->head;
    EXPECT_NE(s.h1->head.find(std::string("\r\nSec-WebSocket-Accept: ") + kAccept + "\r\n"), std::string::npos)
        << s.h1->head;
    EXPECT_NE(s.h1->head.find("\r\nUpgrade: websocket\r\n"), std::string::npos) << s.h1->head;
    EXPECT_NE(s.h1->head.find("\r\nConnection: Upgrade\r\n"), std::string::npos) << s.h1->head;
  }
  service->body(r, down("news"));
  s.send(up("more"));
  EXPECT_EQ(s.text(), down("news"));
  EXPECT_EQ(r.body.text, up("more"));
  // Its own closing.
  s.send(frame(0x88, "\x03\xe8", true));
  service->body(r, frame(0x88, "\x03\xe8", false));
  service->end(r);
  s.finish();
  EXPECT_TRUE(s.ended() && r.end && !r.reset);
  EXPECT_EQ(causes(), "ok");
  EXPECT_EQ(service->connections(), 1u);
}

TEST_P(ServiceH2, ManyOnOneConnectionAndOneIsEnded) {
  begin_sockets();
  std::vector<Socket*> sockets;
  for (int i = 0; i < 5; ++i) {
    sockets.push_back(&ask(i == 2 ? "bob" : "alice"));
    accept(service->expect("CONNECT", "/ws"));
  }
  EXPECT_EQ(service->connections(), 1u);
  proxy::end_exchanges(*proxy, *proxy::parse_selector("{\"user\":\"bob\"}"), "operator", [](std::string) {});
  loop.run();
  for (int i = 0; i < 5; ++i) {
    SCOPED_TRACE(i);
    auto& r = service->requests[size_t(i)];
    if (i == 2) {
      EXPECT_EQ(close_in(sockets[size_t(i)]->text(), false).substr(0, 4), "1008");
      EXPECT_EQ(close_in(r.body.text, true), "1001");
      EXPECT_TRUE(sockets[size_t(i)]->ended() && r.end);
      continue;
    }
    service->body(r, down("on"));
    EXPECT_EQ(sockets[size_t(i)]->text(), down("on"));
    EXPECT_FALSE(sockets[size_t(i)]->ended() || r.end || r.reset);
  }
}

TEST_P(ServiceH2, OneThatTakesNone) {
  begin_sockets(false);
  Socket& s = ask("alice");
  EXPECT_EQ(s.status(), 502);
  EXPECT_TRUE(service->idle()) << "nothing was sent";
  EXPECT_EQ(causes(), "upstream_protocol:extended_connect");
}

TEST_P(ServiceH2, ARefusal) {
  begin_sockets();
  Socket& s = ask("alice");
  service->respond(service->expect("CONNECT", "/ws"), 403, "not today.", {{"x-why", "because"}});
  EXPECT_EQ(s.status(), 403);
  EXPECT_EQ(s.text(), "not today.");
  EXPECT_EQ(causes(), "ok");
}

TEST_P(ServiceH2, AResetInTheMiddleOfAFrame) {
  begin_sockets();
  Socket& s = ask("alice");
  auto& r = service->expect("CONNECT", "/ws");
  accept(r);
  service->body(r, down("half").substr(0, 3));
  service->cut(r);
  EXPECT_EQ(s.text(), down("half").substr(0, 3));
  EXPECT_TRUE(s.cut());
  EXPECT_EQ(causes(), "truncated:upstream_reset:internal_error");
}

}  // namespace
}  // namespace cardea::test
