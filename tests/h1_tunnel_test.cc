// HTTP/1.1 connections that become tunnels, and those that are refused that; both sides.
#include <gtest/gtest.h>

#include "h1_messages.h"
#include "h1_peer.h"

namespace cardea::http {
namespace {

using testing::ClientPeer;
using testing::ServerPeer;
using Request = ServerPeer::Request;
using Response = ClientPeer::Response;

// ---- server: tunnels ------------------------------------------------------------------------------

const std::string kUpgrade =
    "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: "
    "k\r\n\r\n";

TEST(Server, UpgradeBecomesATunnel) {
  ServerPeer peer;
  peer.receive(kUpgrade + "early");
  Request& r = peer.requests[0];
  EXPECT_EQ(r.head->upgrade, "WebSocket");
  EXPECT_TRUE(r.head->has_body);
  EXPECT_EQ(r.ends, 0);
  EXPECT_EQ(r.body, "") << "nothing passes before both sides agreed";
  EXPECT_FALSE(peer.codec->wants_read());
  ResponsePtr h = response(101, true);
  h->fields.add("Sec-WebSocket-Accept", "x");
  r.sender->send_head(*h);
  EXPECT_EQ(r.body, "") << "never from inside a Sender's method";
  peer.end_turn();
  EXPECT_EQ(peer.out.wire,
            "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nConnection: Upgrade\r\nUpgrade: "
            "WebSocket\r\n\r\n");
  EXPECT_EQ(r.body, "early");
  peer.receive("GET / HTTP/1.1\r\n\n\n\n");
  EXPECT_EQ(r.body, "earlyGET / HTTP/1.1\r\n\n\n\n");
  r.sender->send_body("raw");
  peer.end_turn();
  EXPECT_EQ(peer.out.wire.substr(peer.out.wire.size() - 7), "\r\n\r\nraw");
  r.sender->send_end(nullptr);
  peer.end_turn();
  EXPECT_EQ(peer.shutdowns, 1);
  EXPECT_EQ(peer.closes, 0);
  peer.receive("last");
  peer.eof();
  EXPECT_EQ(r.ends, 1);
  EXPECT_EQ(r.body.substr(r.body.size() - 4), "last");
  r.sender->release();
  peer.end_turn();
  EXPECT_EQ(peer.closes, 1);
  EXPECT_EQ(peer.requests.size(), 1u);
}

// Rows 65, 66.
TEST(Server, RefusedUpgradeIsAnOrdinaryRequest) {
  ServerPeer peer;
  peer.receive(kUpgrade + "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
  Request& r = peer.requests[0];
  r.sender->send_head(*response(200, false));
  EXPECT_EQ(r.ends, 0);
  peer.end_turn();
  EXPECT_EQ(r.ends, 1) << "the tunnel's end that never was";
  EXPECT_EQ(r.body, "");
  EXPECT_EQ(peer.requests.size(), 1u);
  r.sender->release();
  peer.end_turn();
  ASSERT_EQ(peer.requests.size(), 2u);
  EXPECT_EQ(peer.requests[1].head->target, "/next");
}

TEST(Server, SwitchingNobodyAskedForIsRefused) {
  ServerPeer peer;
  peer.receive(kGet);
  peer.requests[0].sender->send_head(*response(101, true));
  peer.end_turn();
  EXPECT_EQ(peer.out.wire, "");
  EXPECT_EQ(peer.closes, 1);
}

TEST(Server, TunnelThatBreaksIsTruncated) {
  ServerPeer peer;
  peer.receive(kUpgrade);
  Request& r = peer.requests[0];
  r.sender->send_head(*response(101, true));
  r.sender->send_body("x");
  r.sender->reset(EndCause::upstream_reset);
  r.sender->release();
  peer.end_turn();
  EXPECT_STREQ(peer.close.detail, "truncated");
}

// Rows 68, 69.
TEST(Server, Connect) {
  ServerPeer peer;
  peer.receive("CONNECT b.example:22 HTTP/1.1\r\nHost: b.example:22\r\n\r\nSSH-2.0");
  Request& r = peer.requests[0];
  EXPECT_EQ(r.head->method, Method::connect);
  EXPECT_EQ(r.head->target, "b.example:22");
  EXPECT_EQ(r.head->authority, "b.example:22");
  EXPECT_EQ(r.body, "");
  r.sender->send_head(*response(200, true));
  peer.end_turn();
  EXPECT_EQ(peer.out.wire, "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(r.body, "SSH-2.0");
  peer.eof();
  EXPECT_EQ(r.ends, 1);
  EXPECT_EQ(peer.closes, 0) << "the other direction goes on";
  r.sender->send_body("bye");
  r.sender->send_end(nullptr);
  r.sender->release();
  peer.end_turn();
  EXPECT_EQ(peer.closes, 1);
  EXPECT_EQ(peer.shutdowns, 0);
  EXPECT_EQ(peer.out.wire, "HTTP/1.1 200 OK\r\n\r\nbye");
}

TEST(Server, RefusedConnect) {
  ServerPeer peer;
  peer.receive("CONNECT b.example:22 HTTP/1.1\r\nHost: b.example:22\r\n\r\n" + kGet);
  peer.answer(peer.requests[0], 405, "");
  peer.end_turn();
  EXPECT_EQ(peer.requests.size(), 1u) << "what follows was meant for the tunnel";
  EXPECT_EQ(peer.requests[0].body, "");
  EXPECT_NE(peer.out.wire.find("Connection: close\r\n"), std::string::npos);
  EXPECT_EQ(peer.closes, 1);
}

TEST(Server, HalfClosedBeforeTheTunnelOpens) {
  ServerPeer peer;
  peer.receive("CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\nrequest");
  peer.eof();
  EXPECT_EQ(peer.closes, 0);
  Request& r = peer.requests[0];
  r.sender->send_head(*response(200, true));
  peer.end_turn();
  EXPECT_EQ(r.body, "request");
  EXPECT_EQ(r.ends, 1);
  EXPECT_EQ(peer.closes, 0);
}

// ---- client: tunnels ------------------------------------------------------------------------------

RequestPtr upgrade_request() {
  RequestPtr h = request(Method::get, "GET", true);
  h->upgrade = "websocket";
  h->fields.add("Sec-WebSocket-Key", "k");
  return h;
}

TEST(Client, UpgradeBecomesATunnel) {
  ClientPeer peer;
  Response r;
  r.release_at_end = false;
  RequestSender& s = peer.start(r);
  s.send_head(*upgrade_request());
  s.send_body("early");
  peer.end_turn();
  EXPECT_EQ(peer.out.wire,
            "GET /a?b HTTP/1.1\r\nHost: up.example:81\r\nSec-WebSocket-Key: k\r\nConnection: Upgrade\r\nUpgrade: "
            "websocket\r\n\r\n")
      << "nothing enters a tunnel that is not open";
  peer.receive("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: y\r\n\r\nfirst");
  EXPECT_EQ(r.head->status, 101);
  EXPECT_EQ(r.canonical(), "101 {Sec-WebSocket-Accept: y} body=first");
  EXPECT_EQ(peer.out.wire.substr(peer.out.wire.size() - 9), "\r\n\r\nearly");
  s.send_body("more");
  peer.end_turn();
  EXPECT_EQ(peer.out.wire.substr(peer.out.wire.size() - 9), "earlymore");
  s.send_end(nullptr);
  peer.end_turn();
  EXPECT_EQ(peer.shutdowns, 1);
  EXPECT_EQ(peer.closes, 0);
  peer.eof();
  EXPECT_EQ(r.ends, 1);
  s.release();
  peer.end_turn();
  EXPECT_EQ(peer.closes, 1);
  EXPECT_FALSE(peer.codec->reusable());
}

TEST(Client, RefusedUpgradeKeepsTheConnection) {
  ClientPeer peer;
  Response r;
  RequestSender& s = peer.start(r);
  s.send_head(*upgrade_request());
  s.send_body("GET /evil HTTP/1.1\r\n\r\n");
  peer.end_turn();
  peer.receive("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(r.ends, 1);
  EXPECT_EQ(peer.out.wire.find("evil"), std::string::npos);
  EXPECT_EQ(peer.codec->capacity(), 1u);
}

struct SwitchRow {
  const char* name;
  const char* fields;
};
std::ostream& operator<<(std::ostream& o, const SwitchRow& r) {
  return o << r.name;
}
class Switches : public ::testing::TestWithParam<SwitchRow> {};
TEST_P(Switches, ThatDoNotFitAreRefused) {
  ClientPeer peer;
  Response r;
  peer.start(r).send_head(*upgrade_request());
  peer.end_turn();
  peer.receive("HTTP/1.1 101 Switching Protocols\r\n" + std::string(GetParam().fields) + "\r\n");
  EXPECT_EQ(r.resets, 1);
  EXPECT_STREQ(r.reset.detail, "upgrade_mismatch");
}
INSTANTIATE_TEST_SUITE_P(Rows, Switches,
                         ::testing::ValuesIn(std::vector<SwitchRow>{
                             {"another protocol", "Connection: upgrade\r\nUpgrade: other\r\n"},
                             {"no protocol", "Connection: upgrade\r\n"},
                             {"no token", "Upgrade: websocket\r\n"},
                             {"two", "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n"},
                         }));

TEST(Client, ConnectTunnel) {
  ClientPeer peer;
  Response r;
  RequestPtr h = request(Method::connect, "CONNECT", true);
  h->target = h->authority = "b:1";
  RequestSender& s = peer.start(r);
  s.send_head(*h);
  peer.end_turn();
  EXPECT_EQ(peer.out.wire, "CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n");
  peer.receive("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcdefgh");
  EXPECT_EQ(r.body, "abcdefgh") << "a tunnel has no length";
  EXPECT_FALSE(r.head->content_length);
}

TEST(Client, EarlyTunnelBytesAreBounded) {
  ClientPeer peer;
  Response r;
  RequestSender& s = peer.start(r);
  s.send_head(*upgrade_request());
  peer.end_turn();
  for (int i = 0; i < 100 && !r.resets; ++i) {
    s.send_body(peer.turn.add(std::string(16384, 'x')));
    peer.end_turn();
  }
  EXPECT_EQ(r.blocked, 1);
  EXPECT_EQ(r.resets, 1);
}

}  // namespace
}  // namespace cardea::http
