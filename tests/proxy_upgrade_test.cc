// Protocols other than WebSocket that follow an upgrade: which are taken, and that their bytes pass as they are.
#include "proxy_tunnel.h"

namespace cardea::test {
namespace {

class Upgrades : public Tunnels {
 protected:
  void begin_upgrades(const std::string& lines = "allow_upgrades: [foo/1]", const std::string& global = "",
                      const std::string& to = "http://10.0.0.1:80") {
    start(file("- from: https://a.example\n  to: " + to + "\n  allowed_users: [alice]\n" + indent(lines),
               provider() + (global.empty() ? "" : "\n") + global));
    serve_raw("10.0.0.1:80", true);
  }
  void switch_to(RawEnd& f, const std::string& protocol, const std::string& first_bytes = "") {
    send(f, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: " + protocol + "\r\nConnection: Upgrade\r\nX-Own: 1\r\n\r\n" +
                first_bytes);
  }
  // The status that somebody who asks for this protocol gets from the proxy itself.
  int refusal(const std::string& protocol) {
    const size_t before = fars.size();
    const int status = ask("alice", 600, protocol).status();
    EXPECT_EQ(fars.size(), before) << protocol << " went to the service";
    return status;
  }
};
INSTANTIATE_TEST_SUITE_P(From, Upgrades, testing::Values(Pair{false, false}, Pair{true, false}),
                         [](const auto& info) { return info.param.down_h2 ? "h2" : "h1"; });

TEST_P(Upgrades, BytesPassAsTheyAre) {
  begin_upgrades();
  Socket& s = ask("alice", 600, "foo/1");
  RawEnd& f = far();
  EXPECT_EQ(f.head.substr(0, 17), "GET /ws HTTP/1.1\r");
  EXPECT_NE(f.head.find("\r\nUpgrade: foo/1\r\n"), std::string::npos) << f.head;
  switch_to(f, "foo/1", "hello");
  EXPECT_EQ(s.status(), down_h2() ? 200 : 101);
  if (!down_h2()) EXPECT_NE(lower(s.h1->head).find("\r\nupgrade: foo/1\r\n"), std::string::npos) << s.h1->head;
  EXPECT_EQ(s.text(), "hello") << "bytes behind the head are the protocol's";
  const std::string odd("\x88\x02\x03\xe8 no frame \0\r\n\r\n", 18);  // nobody looks into them
  s.send(odd);
  send(f, odd);
  EXPECT_EQ(f.body.text, odd);
  EXPECT_EQ(s.text(), "hello" + odd);
  EXPECT_NE(list().find("\"kind\":\"upgrade\""), std::string::npos) << list();
  s.finish();
  EXPECT_TRUE(f.ended);
  EXPECT_FALSE(s.ended()) << "each direction ends by itself";
  send(f, "rest");
  f.peer->send_eof();
  EXPECT_EQ(s.text(), "hello" + odd + "rest");
  EXPECT_TRUE(s.ended());
  EXPECT_EQ(causes(), "ok");
}

TEST_P(Upgrades, OnlyWhatIsListed) {
  begin_upgrades("allow_upgrades: [foo/1, BAR]");
  EXPECT_EQ(refusal("foo"), 403);
  EXPECT_EQ(refusal("foo/2"), 403);
  EXPECT_EQ(refusal("websocket"), 403);
  EXPECT_EQ(causes(), "upgrade_refused upgrade_refused upgrade_refused");
  Socket& s = ask("alice", 600, "bar");
  switch_to(far(), "bar");
  EXPECT_EQ(s.status(), down_h2() ? 200 : 101) << "tokens have no case (RFC 9110 7.8)";
}

TEST_P(Upgrades, GlobalOnesAndTheRoutesInstead) {
  begin_upgrades("", "allow_upgrades: [foo/1, websocket]");
  switch_to((ask("alice", 600, "foo/1"), far()), "foo/1");
  EXPECT_EQ(all.back()->status(), down_h2() ? 200 : 101);
  Socket& s = ask("alice");
  accept(far());
  EXPECT_EQ(s.status(), down_h2() ? 200 : 101);
  expect_lives(s, far());
  restart();
  begin_upgrades("allow_upgrades: []", "allow_upgrades: [foo/1, websocket]");
  EXPECT_EQ(refusal("foo/1"), 403);
  EXPECT_EQ(refusal("websocket"), 403);
  restart();
  begin_upgrades("allow_spdy: true");
  Socket& spdy = ask("alice", 600, "SPDY/3.1");
  switch_to(far(), "SPDY/3.1");
  EXPECT_EQ(spdy.status(), down_h2() ? 200 : 101);
}

TEST_P(Upgrades, APolicyComesFirst) {
  begin_upgrades();
  EXPECT_EQ(ask("mallory", 600, "foo/1").status(), 403);
  EXPECT_TRUE(fars.empty());
  EXPECT_EQ(causes().substr(0, 6), "denied");
}

TEST_P(Upgrades, AnotherProtocolThanAskedFor) {
  begin_upgrades();
  Socket& s = ask("alice", 600, "foo/1");
  switch_to(far(), "bar");
  EXPECT_EQ(s.status(), 502);
  EXPECT_EQ(causes().substr(0, 17), "upstream_protocol");
}

TEST_P(Upgrades, AServiceThatDoesNotSwitch) {
  begin_upgrades();
  Socket& s = ask("alice", 600, "foo/1");
  send(far(), "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno");
  EXPECT_EQ(s.status(), 426);
  EXPECT_EQ(s.text(), "no");
}

TEST_P(Upgrades, PermissionEndsIt) {
  begin_upgrades();
  Socket& s = ask("alice", 600, "foo/1");
  RawEnd& f = far();
  switch_to(f, "foo/1");
  end_all();
  EXPECT_EQ(s.text(), "") << "no words of another protocol";
  EXPECT_TRUE(f.ended || f.cut);
  f.peer->send_eof();
  loop.advance(10'000);
  EXPECT_TRUE(s.ended() || s.cut());
  EXPECT_EQ(hooks->causes.size(), 1u);
}

}  // namespace
}  // namespace cardea::test
