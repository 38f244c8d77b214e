// Tunnels through the whole proxy: WebSocket and CONNECT from either protocol.
#include "proxy_tunnel.h"

namespace cardea::test {
namespace {

INSTANTIATE_TEST_SUITE_P(From, Tunnels, testing::Values(Pair{false, false}, Pair{true, false}),
                         [](const auto& info) { return info.param.down_h2 ? "h2" : "h1"; });

// ---- WebSocket --------------------------------------------------------------------------------------

TEST_P(Tunnels, AWebSocket) {
  begin_sockets();
  Socket& s = ask("alice", 600, "websocket", {{"Sec-WebSocket-Protocol", "chat"}, {"Origin", "https://a.example"}});
  RawEnd& f = far();
  EXPECT_EQ(f.head.substr(0, 17), "GET /ws HTTP/1.1\r");
  EXPECT_NE(f.head.find("\r\nUpgrade: websocket\r\n"), std::string::npos) << f.head;
  EXPECT_NE(f.head.find("\r\nConnection: Upgrade\r\n"), std::string::npos) << f.head;
  EXPECT_NE(lower(f.head).find("\r\nsec-websocket-version: 13\r\n"), std::string::npos) << f.head;
  EXPECT_NE(lower(f.head).find("\r\nsec-websocket-protocol: chat\r\n"), std::string::npos) << f.head;
  EXPECT_EQ(f.head.find(":protocol"), std::string::npos);
  EXPECT_TRUE(http::websocket::is_key(key_sent(f))) << f.head;
  EXPECT_EQ(s.status(), 0);
  accept(f, "Sec-WebSocket-Protocol: chat\r\n");
  if (down_h2()) {
    EXPECT_EQ(client->answer(s.n).header("sec-websocket-protocol"), "chat");
    EXPECT_FALSE(client->answer(s.n).has("sec-websocket-accept") || client->answer(s.n).has("upgrade"));
  } else {
    EXPECT_EQ(key_sent(f), kKey);
    EXPECT_NE(s.h1->head.find(std::string("\r\nSec-WebSocket-Accept: ") + kAccept), std::string::npos) << s.h1->head;
    EXPECT_NE(s.h1->head.find("\r\nUpgrade: websocket\r\n"), std::string::npos) << s.h1->head;
  }
  expect_lives(s, f);
  EXPECT_NE(list().find("\"kind\":\"websocket\""), std::string::npos) << list();
  // Its own closing.
  s.send(frame(0x88, "\x03\xe8", true));
  send(f, frame(0x88, "\x03\xe8", false));
  f.peer->send_eof();
  s.finish();
  EXPECT_TRUE(s.ended() && f.ended);
  EXPECT_EQ(causes(), "ok");
  EXPECT_EQ(hooks->outcomes[0].bytes_in, up("more").size() + 8);
  EXPECT_EQ(hooks->outcomes[0].bytes_out, down("news").size() + 4);
}

TEST_P(Tunnels, EitherEndMayCloseAWebSocketFirst) {
  begin_sockets();
  Socket& a = open("alice");
  RawEnd& fa = far();
  send(fa, down("last"));
  fa.peer->send_eof();
  loop.run();
  EXPECT_EQ(a.text(), down("last"));
  EXPECT_TRUE(a.ended());
  EXPECT_EQ(causes(), "ok");
  Socket& b = open("bob");
  RawEnd& fb = far();
  b.send(up("last"));
  b.finish();
  EXPECT_EQ(fb.body.text, up("last"));
  EXPECT_TRUE(fb.ended);
  send(fb, down("answer"));
  EXPECT_EQ(b.text(), down("answer")) << "half-closed";
  fb.peer->send_eof();
  loop.run();
  EXPECT_TRUE(b.ended());
  EXPECT_EQ(causes(), "ok ok");
}

TEST_P(Tunnels, AHalfClosedTunnelIsNotKeptForEver) {
  begin_sockets();
  Socket& s = open("alice", 7200);
  s.finish();
  loop.advance(5 * 60'000 - 1);
  EXPECT_EQ(causes(), "");
  loop.advance(1);
  EXPECT_EQ(close_in(s.text(), false).substr(0, 4), "1001");
  loop.advance(1000);
  EXPECT_EQ(causes(), "truncated:stream_idle");
}

TEST_P(Tunnels, BreakingOffIsPassedOn) {
  begin_sockets();
  Socket& a = open("alice");
  RawEnd& fa = far();
  a.reset();
  EXPECT_TRUE(fa.cut || fa.ended);
  EXPECT_TRUE(fa.peer->closed);
  EXPECT_EQ(causes().substr(0, 16), "downstream_reset");
  Socket& b = open("bob");
  send(far(), down("half").substr(0, 3));
  far().peer->reset();
  loop.run();
  EXPECT_EQ(b.text(), down("half").substr(0, 3));
  EXPECT_TRUE(b.cut()) << "in the middle of a frame there is no place for a word";
  Socket& c = open("bob");
  far().peer->reset();
  loop.run();
  EXPECT_EQ(close_in(c.text(), false), "1001 upstream_reset");
}

TEST_P(Tunnels, ASilentWebSocketLivesForHours) {
  begin_sockets();
  Socket& s = open("alice", 7200);
  loop.advance(3600'000);
  expect_lives(s, far());
  EXPECT_EQ(causes(), "");
}

TEST_P(Tunnels, IdleTimeoutWhereOneIsSet) {
  begin_sockets("allowed_users: [alice]\nidle_timeout: 5s");
  Socket& s = open("alice");
  loop.advance(4000);
  send(far(), down("x"));
  loop.advance(4999);
  EXPECT_FALSE(s.ended());
  loop.advance(1);
  EXPECT_EQ(close_in(s.text().substr(3), false), "1001 stream_idle");
  EXPECT_TRUE(s.ended());
}

TEST_P(Tunnels, BigFramesWithBackpressure) {
  const uint64_t kSize = 20 * kMiB;
  begin_sockets();
  Socket& s = open("alice");
  RawEnd& f = far();
  const std::string head = std::string("\x82\x7f\0\0\0\0", 6) + std::string("\x01\x40\0\0", 4);
  send(f, head);
  s.peer().hold_writes();
  for (uint64_t at = 0; at < kSize; at += kPiece) f.peer->send(pattern(at, kPiece));
  loop.run();
  EXPECT_LE(kSize - f.peer->unread(), kHeld);
  s.peer().release_writes();
  loop.run();
  EXPECT_EQ(s.body().size, kSize + head.size());
  const std::string& got = s.body().text;
  EXPECT_TRUE(got.substr(head.size()) == pattern(0, got.size() - head.size()));

  std::string up_head = head;
  up_head[1] = char(0xff);
  s.send(up_head + "MASK");
  f.peer->hold_writes();
  for (uint64_t at = 0; at < kSize; at += kPiece) s.send(pattern(at, kPiece));
  EXPECT_LE(f.peer->queued(), kHeld);
  if (!down_h2()) {
    EXPECT_LE(kSize - s.peer().unread(), kHeld);
  }
  f.peer->release_writes();
  loop.run();
  EXPECT_EQ(f.body.size, kSize + up_head.size() + 4);
  end_all();  // both directions are at a boundary still
  EXPECT_TRUE(s.ended() && f.ended);
  EXPECT_EQ(s.body().size, kSize + head.size() + strlen("\x88\x09\x03\xf0revoked"));
}

TEST_P(Tunnels, ARefusedUpgradeIsAnAnswer) {
  begin_sockets();
  Socket& s = ask("alice");
  far().peer->send("HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\nX-Why: because\r\n\r\nnot ");
  loop.run();
  EXPECT_EQ(s.status(), 403);
  loop.advance(60'000);  // an ordinary answer may take its time
  send(far(), "today.");
  EXPECT_EQ(s.text(), "not today.");
  EXPECT_EQ(causes(), "ok");
  EXPECT_EQ(hooks->outcomes[0].status, 403);
  expect_served();
}

TEST_P(Tunnels, AWrongAcceptIsNotPassedToWhoCannotSeeIt) {
  begin_sockets();
  Socket& s = ask("alice");
  send(far(),
       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
           std::string(down_h2() ? kAccept : "c29tZXRoaW5nIGVsc2Ugb2YgMjA=") + "\r\n\r\n");
  EXPECT_EQ(s.status(), down_h2() ? 502 : 101) << "with HTTP/1.1 the client checks its own key";
  if (down_h2()) {
    EXPECT_EQ(causes(), "upstream_protocol:websocket");
    EXPECT_TRUE(far().peer->closed);
  }
}

TEST_P(Tunnels, NoAnswerToAnUpgrade) {
  begin_sockets();
  Socket& s = ask("alice");
  loop.advance(29'999);
  EXPECT_EQ(s.status(), 0);
  loop.advance(1);
  EXPECT_EQ(s.status(), 504);
}

TEST_P(Tunnels, WhatNoRouteTakes) {
  struct {
    const char* name;
    const char* allow;
    const char* protocol;
    Headers more;
    const char* user;
    int status;
  } const kRows[] = {
      {"no WebSockets here", "false", "websocket", {}, "alice", 403},
      {"a token like it", "true", "websockets", {}, "alice", 403},
      {"another token", "true", "connect-udp", {}, "alice", 403},
      {"two versions", "true", "websocket", {{"Sec-WebSocket-Version", "12"}}, "alice", 403},
      {"not this user", "true", "websocket", {}, "mallory", 403},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.name);
    start(file("- from: https://a.example\n  to: http://10.0.0.1:80\n  allow_websockets: " + std::string(row.allow) +
                   "\n  allowed_users: [alice]\n",
               provider()));
    serve_raw("10.0.0.1:80", true);
    EXPECT_EQ(ask(row.user, 600, row.protocol, row.more).status(), row.status);
    EXPECT_TRUE(fars.empty()) << "no service hears of it";
    restart();
  }
}

// ---- CONNECT ----------------------------------------------------------------------------------------

TEST_P(Tunnels, Connect) {
  begin_tunnels();
  Socket& s = tunnel("alice");
  EXPECT_EQ(s.status(), 200);
  RawEnd& f = far();
  EXPECT_EQ(f.body.text, "") << "no head";
  send(f, "SSH-2.0-x\r\n");
  s.send(std::string("\0\xffGET / HTTP/1.1\r\n\r\n", 20));
  EXPECT_EQ(s.text(), "SSH-2.0-x\r\n");
  EXPECT_EQ(f.body.text, std::string("\0\xffGET / HTTP/1.1\r\n\r\n", 20));
  EXPECT_NE(list().find("\"kind\":\"tcp\""), std::string::npos) << list();
  s.finish();
  EXPECT_TRUE(f.ended && !f.cut);
  EXPECT_FALSE(s.ended());
  send(f, "after");
  EXPECT_EQ(s.text(), "SSH-2.0-x\r\nafter");
  f.peer->send_eof();
  loop.run();
  EXPECT_TRUE(s.ended() && !s.cut());
  EXPECT_EQ(causes(), "ok");
}

TEST_P(Tunnels, AConnectThatTheServiceHalfCloses) {
  begin_tunnels();
  Socket& s = tunnel("alice");
  RawEnd& f = far();
  f.peer->send("bye");
  f.peer->send_eof();
  loop.run();
  EXPECT_EQ(s.text(), "bye");
  EXPECT_TRUE(s.ended());
  EXPECT_FALSE(f.ended);
  s.send("still");
  EXPECT_EQ(f.body.text, "still");
  s.finish();
  EXPECT_TRUE(f.ended && !f.cut);
  EXPECT_EQ(causes(), "ok");
}

TEST_P(Tunnels, AResetIsNoEnd) {
  begin_tunnels();
  Socket& a = tunnel("alice");
  send(far(), "some");
  far().peer->reset();
  EXPECT_EQ(a.text(), "some");
  EXPECT_TRUE(a.cut());
  EXPECT_FALSE(a.ended());
  EXPECT_EQ(causes(), "truncated:upstream_reset");
  Socket& b = tunnel("bob");
  b.reset();
  EXPECT_TRUE(far().cut);
}

TEST_P(Tunnels, ABigConnectWithBackpressure) {
  const uint64_t kSize = 20 * kMiB;
  begin_tunnels();
  Socket& s = tunnel("alice");
  RawEnd& f = far();
  s.peer().hold_writes();
  for (uint64_t at = 0; at < kSize; at += kPiece) f.peer->send(pattern(at, kPiece));
  loop.run();
  EXPECT_LE(kSize - f.peer->unread(), kHeld);
  s.peer().release_writes();
  f.peer->hold_writes();
  for (uint64_t at = 0; at < kSize; at += kPiece) s.send(pattern(at, kPiece));
  EXPECT_EQ(s.body().size, kSize);
  EXPECT_TRUE(s.body().is_pattern);
  EXPECT_LE(f.peer->queued(), kHeld);
  if (!down_h2()) {
    EXPECT_LE(kSize - s.peer().unread(), kHeld);
  }
  f.peer->release_writes();
  loop.run();
  EXPECT_EQ(f.body.size, kSize);
  EXPECT_TRUE(f.body.is_pattern);
}

TEST_P(Tunnels, ConnectsThatAreRefused) {
  begin_tunnels();
  EXPECT_EQ(tunnel("mallory").status(), 403);
  EXPECT_EQ(tunnel("alice", "host.example:23").status(), 404);
  EXPECT_EQ(tunnel("alice", "other.example:22").status(), 404);
  EXPECT_TRUE(fars.empty());
  network.refuse("10.0.0.1:22");
  EXPECT_EQ(tunnel("alice").status(), 503);
  restart();
  begin_sockets();
  EXPECT_EQ(tunnel("alice").status(), 405) << "no route takes any";
}

}  // namespace
}  // namespace cardea::test
