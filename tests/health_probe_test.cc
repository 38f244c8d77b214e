// Checks that connect, shake hands, and exchange bytes.
#include <algorithm>

#include "health_fixture.h"

namespace cardea::health {
namespace {

// ---- connecting -----------------------------------------------------------------------------------

TEST_F(ProbeTest, ConnectingIsEnough) {
  add(Kind::tcp);
  auto& at = serve();
  make();
  EXPECT_EQ(verdicts, Strings{"1 healthy: passed"});
  EXPECT_EQ(at.open(), 0u) << "and nothing is kept";
  EXPECT_EQ(at.last()->received, "");
}

TEST_F(ProbeTest, RefusedConnectionsAreNamed) {
  for (const auto& [error, cause] : {std::pair{ECONNREFUSED, "failure: connect ECONNREFUSED"},
                                     {EHOSTUNREACH, "failure: connect EHOSTUNREACH"},
                                     {99999, "failure: connect errno 99999"}}) {
    drop();
    checks.clear();
    add(Kind::http);
    network.refuse(address(1), error);
    make();
    EXPECT_EQ(last(), cause);
  }
}

TEST_F(ProbeTest, NoAnswerIsATimeoutWhereverItHangs) {
  for (const Kind kind : {Kind::tcp, Kind::http, Kind::grpc}) {
    for (const bool connects : {false, true}) {
      drop();
      checks.clear();
      verdicts.clear();
      add(kind).receive = {"x"};
      serve().blackhole = !connects;
      make();
      loop.advance(299);
      EXPECT_TRUE(attempts.empty());
      loop.advance(1);
      EXPECT_EQ(last(), "failure: timeout");
      EXPECT_EQ(serve().open(), 0u);
      attempts.clear();
    }
  }
}

// ---- TCP ------------------------------------------------------------------------------------------

struct TcpRow {
  std::string send;
  Strings receive, pieces;
  bool ends;
  const char* attempt;
};

class Tcp : public ProbeTest, public testing::WithParamInterface<TcpRow> {};

TEST_P(Tcp, LooksForTextsInOrder) {
  CheckConfig& c = add(Kind::tcp);
  c.send = GetParam().send;
  c.receive = GetParam().receive;
  auto& at = serve();
  at.on_connect = [](std::shared_ptr<net::FakePeer> peer) {
    for (auto& piece : GetParam().pieces) peer->send(piece);
    if (GetParam().ends) peer->send_eof();
  };
  make();
  loop.advance(300);
  EXPECT_EQ(last(), GetParam().attempt);
  EXPECT_EQ(at.last()->received, GetParam().send);
}

const TcpRow kTcp[] = {
    {"ping", {"pong"}, {"pong"}, false, "success: passed"},
    {"ping", {"pong"}, {"po", "ng"}, false, "success: passed"},
    {"", {"pong"}, {"xxpo", "po", "ngyy"}, false, "success: passed"},
    {"", {"aab"}, {"a", "a", "a", "b"}, false, "success: passed"},
    {"", {"one", "two"}, {"one and two"}, false, "success: passed"},
    {"", {"one", "two"}, {"two one"}, false, "failure: timeout"},
    {"", {"one", "two"}, {"two one", "tw", "o"}, false, "success: passed"},
    {"", {"aa", "aa"}, {"aaa"}, false, "failure: timeout"},
    {"", {"aa", "", "aa"}, {"aaaa"}, false, "success: passed"},
    {"", {""}, {}, false, "success: passed"},
    {"only sent", {}, {}, false, "success: passed"},
    {"", {std::string("\0\xff", 2)}, {std::string("a\0\xff", 3)}, false, "success: passed"},
    {"", {"pong"}, {"po"}, true, "failure: receive: \"pong\" not found before the end"},
    {"", {"pong"}, {}, true, "failure: receive: \"pong\" not found before the end"},
    {"", {"pong"}, {"pong"}, true, "success: passed"},
    {"", {std::string("\"\n", 2)}, {"x"}, true, "failure: receive: \"\\x22\\x0a\" not found before the end"},
    {"",
     {std::string(40, 'a')},
     {"x"},
     true,
     "failure: receive: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"... not found before the end"},
};
INSTANTIATE_TEST_SUITE_P(Rows, Tcp, testing::ValuesIn(kTcp));

TEST_F(ProbeTest, WhatIsSentHasToLeave) {
  add(Kind::tcp).send = "only sent";
  auto& at = serve();
  at.on_connect = [](auto peer) { peer->hold_writes(); };
  make();
  loop.advance(299);
  EXPECT_TRUE(attempts.empty());
  at.last()->release_writes();
  loop.run();
  EXPECT_EQ(last(), "success: passed");
}

TEST_F(ProbeTest, TcpConnectionsAreKept) {
  CheckConfig& c = add(Kind::tcp);
  c.send = "ping";
  c.receive = {"pong"};
  auto& at = serve_raw("pong and more");
  make();
  for (int i = 0; i < 3; ++i) next_check();
  EXPECT_EQ(attempts.size(), 4u);
  EXPECT_EQ(at.attempts, 1u);
  EXPECT_EQ(verdicts, Strings{"1 healthy: passed"});
}

TEST_F(ProbeTest, TcpPeersMayNotTalkForEverBetweenChecks) {
  add(Kind::tcp).receive = {"pong"};
  auto& at = serve();
  at.on_connect = [](auto peer) { peer->send("pong"); };
  make();
  ASSERT_EQ(at.open(), 1u);
  at.last()->send(std::string(60'000, 'x'));
  loop.run();
  EXPECT_EQ(at.open(), 1u);
  at.last()->send(std::string(6'000, 'x'));
  loop.run();
  EXPECT_EQ(at.open(), 0u);
  next_check();
  EXPECT_EQ(last(), "success: passed") << "on another connection";
}

TEST_F(ProbeTest, TcpAnswersWithoutEndAreCutOff) {
  add(Kind::tcp).receive = {"pong"};
  auto& at = serve();
  make();
  for (int i = 0; i < 17; ++i) at.last()->send(std::string(64 * 1024, 'x'));
  loop.run();
  EXPECT_EQ(last(), "failure: receive: \"pong\" not found in 1048576 bytes");
  EXPECT_EQ(at.open(), 0u);
}

// ---- TLS ------------------------------------------------------------------------------------------

TEST_F(ProbeTest, HandshakesFailByName) {
  for (const Kind kind : {Kind::tcp, Kind::http, Kind::grpc}) {
    for (const auto& [words, attempt] : {std::pair{"verify", "failure: tls verify: certificate has expired"},
                                         {"handshake", "failure: tls handshake: no shared cipher"},
                                         {"protocol", "failure: tls: unexpected message"},
                                         {"reset", "failure: tls handshake: ECONNRESET"},
                                         {"", "failure: tls handshake: closed"}}) {
      checks.clear();
      add(kind);
      use_tls();
      auto& at = serve();
      at.on_connect = [words = std::string(words)](auto peer) {
        if (words.empty()) return peer->send_eof();
        if (words == "reset") return peer->reset();
        peer->send(words);
      };
      make();
      EXPECT_EQ(last(), attempt);
      EXPECT_EQ(at.open(), 0u);
      EXPECT_EQ(tls->names, Strings{"tls.example"});
      drop();
      at.on_connect = nullptr;
    }
  }
}

TEST_F(ProbeTest, TheHandshakeIsPartOfATcpCheck) {
  add(Kind::tcp);
  use_tls();
  auto& at = serve();
  make();
  EXPECT_TRUE(attempts.empty());
  at.last()->send("open");
  loop.run();
  EXPECT_EQ(last(), "success: passed");
}

TEST_F(ProbeTest, AlpnDecides) {
  struct Row {
    Kind kind;
    bool http2;
    const char* words;
    const char* begins;  // what the check says
  };
  const Row rows[] = {
      {Kind::http, false, "open http/1.1", "GET / HTTP/1.1"}, {Kind::http, false, "open", "GET / HTTP/1.1"},
      {Kind::http, false, "open h2", "PRI * HTTP/2.0"},       {Kind::http, true, "open h2", "PRI * HTTP/2.0"},
      {Kind::http, true, "open", "PRI * HTTP/2.0"},           {Kind::http, true, "open http/1.1", ""},
      {Kind::grpc, false, "open", "PRI * HTTP/2.0"},          {Kind::grpc, false, "open http/1.1", ""},
  };
  for (const Row& row : rows) {
    checks.clear();
    add(row.kind).http2 = row.http2;
    use_tls();
    auto& at = serve();
    at.on_connect = [&](auto peer) { peer->send(row.words); };
    make();
    EXPECT_EQ(at.last()->received.substr(0, 14), row.begins) << row.words;
    EXPECT_EQ(last(), *row.begins ? "" : "failure: tls: no HTTP/2 but http/1.1");
    drop();
    at.on_connect = nullptr;
  }
}

TEST_F(ProbeTest, PriorKnowledgeOfTheTarget) {
  http();
  shape = [](Target t) {
    t.http2 = true;
    return t;
  };
  TestService& s = serve_http(true);
  make();
  s.respond(s.expect("GET", "/"), 200, "");
  EXPECT_EQ(last(), "success: passed");
}

}  // namespace
}  // namespace cardea::health
