// What an HTTP check asks and makes of the answer, over both versions and with hostile peers; its connections.
#include <algorithm>

#include "health_fixture.h"

namespace cardea::health {
namespace {

// ---- HTTP: the request ----------------------------------------------------------------------------

class Http : public ProbeTest, public testing::WithParamInterface<bool> {
 protected:
  bool h2() const { return GetParam(); }
  CheckConfig& http() {
    CheckConfig& c = ProbeTest::http();
    c.http2 = h2();
    return c;
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, Http, testing::Bool());

TEST_P(Http, AsksAsItIsTold) {
  CheckConfig& c = http();
  c.host = "health.example";
  c.path = "/healthz?full";
  c.method = "POST";
  c.send = "are you well?";
  c.add_headers = {{"X-Probe", "1"}, {"User-Agent", "mine"}};
  c.remove_headers = {"user-agent"};
  TestService& s = serve_http(h2());
  make();
  auto& r = s.expect("POST", "/healthz?full");
  EXPECT_EQ(r.authority, "health.example");
  EXPECT_EQ(r.body.text, "are you well?");
  EXPECT_EQ(r.header("x-probe"), "1");
  EXPECT_EQ(r.header("user-agent"), "mine");
  EXPECT_EQ(r.header("content-length"), "13");
  s.respond(r, 200, "");
  EXPECT_EQ(verdicts, Strings{"1 healthy: passed"});
}

TEST_P(Http, AsksForTheEndpointsName) {
  http();
  TestService& s = serve_http(h2());
  make();
  auto& r = s.expect("GET", "/");
  EXPECT_EQ(r.authority, "service.example");
  EXPECT_EQ(r.header("user-agent"), "cardea-health");
  EXPECT_TRUE(r.end);
}

// ---- HTTP: the answer -----------------------------------------------------------------------------

TEST_P(Http, StatusesDecide) {
  struct Row {
    std::vector<CheckConfig::Range> expected, retriable;
    int status;
    const char* attempt;
  };
  const Row rows[] = {
      {{}, {}, 200, "success: passed"},
      {{}, {}, 201, "immediate: http 201"},
      {{}, {}, 503, "immediate: http 503"},
      {{}, {}, 199 + 100, "immediate: http 299"},
      {{{200, 300}}, {}, 299, "success: passed"},
      {{{200, 300}}, {}, 300, "immediate: http 300"},
      {{{201, 202}}, {}, 200, "immediate: http 200"},
      {{{200, 201}, {404, 405}}, {}, 404, "success: passed"},
      {{}, {{500, 504}}, 503, "failure: http 503"},
      {{}, {{500, 504}}, 504, "immediate: http 504"},
      {{}, {{200, 600}}, 200, "success: passed"},
  };
  for (const Row& row : rows) {
    drop();
    checks.clear();
    CheckConfig& c = http();
    c.expected_statuses = row.expected;
    c.retriable_statuses = row.retriable;
    TestService& s = serve_http(h2());
    make();
    s.respond(s.expect("GET", "/"), row.status, "body");
    EXPECT_EQ(last(), row.attempt);
    drop();
    loop.run();
  }
}

TEST_P(Http, ImmediateIsAtOnceAndRetriableWaits) {
  CheckConfig& c = http();
  c.retriable_statuses = {{503, 504}};
  TestService& s = serve_http(h2());
  make();
  s.respond(s.expect("GET", "/"), 200, "");
  next_check();
  s.respond(s.expect("GET", "/"), 503, "");
  EXPECT_EQ(take_verdicts(), Strings{"1 healthy: passed"});
  next_check();
  s.respond(s.expect("GET", "/"), 503, "");
  EXPECT_EQ(take_verdicts(), Strings{"1 unhealthy: http 503"});
  next_check();
  s.respond(s.expect("GET", "/"), 200, "");
  next_check();
  s.respond(s.expect("GET", "/"), 500, "");
  EXPECT_EQ(take_verdicts(), (Strings{"1 healthy: passed", "1 unhealthy: http 500"}));
  EXPECT_EQ(s.connections(), 1u) << "an answer that says no is an answer";
}

TEST_P(Http, BodiesMustHaveWhatIsExpected) {
  struct Row {
    Strings receive;
    uint32_t size;
    std::string body;
    const char* attempt;
  };
  const Row rows[] = {
      {{"ok"}, 1024, "all ok", "success: passed"},
      {{"a", "b"}, 1024, "a-b", "success: passed"},
      {{"a", "b"}, 1024, "b-a", "immediate: receive: \"b\" not found"},
      {{"ok"}, 1024, std::string(1022, 'x') + "ok", "success: passed"},
      {{"ok"}, 1024, std::string(1023, 'x') + "ok", "immediate: receive: \"ok\" not found"},
      {{"ok"}, 4, "xxok", "success: passed"},
      {{"ok"}, 3, "xxok", "immediate: receive: \"ok\" not found"},
      {{"ok"}, 0, std::string(300'000, 'x') + "ok", "success: passed"},
      {{"ok"}, 0, "", "immediate: receive: \"ok\" not found"},
      {{}, 1, std::string(300'000, 'x'), "success: passed"},
  };
  for (const Row& row : rows) {
    checks.clear();
    CheckConfig& c = http();
    c.receive = row.receive;
    c.response_buffer_size = row.size;
    TestService& s = serve_http(h2());
    make();
    s.respond(s.expect("GET", "/"), 200, row.body);
    EXPECT_EQ(last(), row.attempt) << row.body.size();
    drop();
    loop.run();
  }
}

TEST_P(Http, DegradedIsReported) {
  http();
  TestService& s = serve_http(h2());
  make();
  s.respond(s.expect("GET", "/"), 200, "", {{"x-envoy-degraded", "true"}});
  EXPECT_EQ(take_verdicts(), Strings{"1 healthy degraded: passed"});
  next_check();
  s.respond(s.expect("GET", "/"), 200, "", {{"x-envoy-degraded", ""}});
  EXPECT_EQ(take_verdicts(), Strings{});
  next_check();
  s.respond(s.expect("GET", "/"), 200, "");
  EXPECT_EQ(take_verdicts(), Strings{"1 healthy: passed"});
  next_check();
  s.respond(s.expect("GET", "/"), 200, "", {{"X-Envoy-Degraded", "1"}});
  EXPECT_EQ(take_verdicts(), Strings{"1 healthy degraded: degraded"});
  next_check();
  s.respond(s.expect("GET", "/"), 500, "", {{"x-envoy-degraded", "1"}});
  EXPECT_EQ(take_verdicts(), Strings{"1 unhealthy: http 500"});
}

TEST_P(Http, InformationalAnswersAreNotTheAnswer) {
  http();
  TestService& s = serve_http(h2());
  make();
  auto& r = s.expect("GET", "/");
  s.informational(r, 103);
  EXPECT_TRUE(attempts.empty());
  s.respond(r, 200, "");
  EXPECT_EQ(last(), "success: passed");
}

TEST_P(Http, AnswersWithoutEndAreJudgedAfterAMebibyte) {
  http().receive = {"x"};
  TestService& s = serve_http(h2());
  make();
  auto& r = s.expect("GET", "/");
  s.head(r, 200);
  for (int i = 0; i < 20 && attempts.empty(); ++i) s.body(r, std::string(64 * 1024, 'x'));
  EXPECT_EQ(last(), "success: passed");
  EXPECT_EQ(s.open(), h2() ? 1u : 0u) << "HTTP/2 gives up the stream only";
}

TEST_P(Http, HeadsWithoutEndAreCutOff) {
  http();
  TestService& s = serve_http(h2());
  make();
  auto& r = s.expect("GET", "/");
  if (h2()) {
    Headers many;
    for (int i = 0; i < 300; ++i) many.emplace_back("x-" + std::to_string(i), "value");
    s.head_only(r, 200, many);
  } else {
    s.raw(r, "HTTP/1.1 200 OK\r\nX: " + std::string(80'000, 'x'));
  }
  EXPECT_EQ(last().substr(0, 18), "failure: protocol:");
}

TEST_P(Http, AnswersThatBreakOffAreFailures) {
  http();
  TestService& s = serve_http(h2());
  make();
  auto& r = s.expect("GET", "/");
  s.head(r, 200, {{"content-length", "10"}});
  s.body(r, "five!");
  s.cut(r);
  EXPECT_EQ(last().substr(0, 14), "failure: reset");
}

// ---- HTTP: connections ----------------------------------------------------------------------------

TEST_P(Http, ConnectionsAreKept) {
  http();
  TestService& s = serve_http(h2());
  make();
  for (int i = 0; i < 5; ++i) {
    s.respond(s.expect("GET", "/"), 200, "ok");
    next_check();
  }
  EXPECT_EQ(s.connections(), 1u);
}

TEST_P(Http, OrNot) {
  http().reuse_connection = false;
  TestService& s = serve_http(h2());
  make();
  for (size_t i = 1; i <= 3; ++i) {
    s.respond(s.expect("GET", "/"), 200, "ok");
    EXPECT_EQ(s.open(), 0u);
    EXPECT_EQ(s.connections(), i);
    if (h2()) {
      EXPECT_TRUE(s.connection(i - 1).h2->goaway) << "with a goodbye";
    }
    next_check();
  }
}

TEST_P(Http, WhatDiedWhileIdleIsReplaced) {
  http();
  TestService& s = serve_http(h2());
  make();
  s.respond(s.expect("GET", "/"), 200, "");
  s.connection(0).peer->reset();
  loop.run();
  EXPECT_EQ(s.open(), 0u);
  next_check();
  s.respond(s.expect("GET", "/"), 200, "");
  EXPECT_EQ(last(), "success: passed");
  EXPECT_EQ(attempts.size(), 2u);
}

TEST_P(Http, WhatDiesUnderTheQuestionIsTriedOnceMore) {
  http();
  TestService& s = serve_http(h2());
  make();
  s.respond(s.expect("GET", "/"), 200, "");
  next_check();
  s.expect("GET", "/");
  loop.advance(100);
  s.connection(0).peer->reset();  // it had been dead for long, and answers so
  loop.run();
  EXPECT_EQ(attempts.size(), 1u);
  EXPECT_EQ(s.connections(), 2u);
  s.expect("GET", "/");
  loop.advance(199);
  EXPECT_EQ(attempts.size(), 1u);
  loop.advance(1);
  EXPECT_EQ(last(), "failure: timeout") << "within the same time";
  next_check();
  s.expect("GET", "/");
  s.connection(2).peer->reset();
  loop.run();
  EXPECT_EQ(last(), "failure: reset") << "a fresh connection has no excuse";
  EXPECT_EQ(s.connections(), 3u);
}

TEST_P(Http, ATimeoutGivesUpTheConnection) {
  http();
  TestService& s = serve_http(h2());
  make();
  s.respond(s.expect("GET", "/"), 200, "");
  next_check();
  auto& r = s.expect("GET", "/");
  loop.advance(300);
  EXPECT_EQ(last(), "failure: timeout");
  EXPECT_TRUE(r.reset || !h2());
  EXPECT_EQ(s.open(), 0u);
}

TEST_F(ProbeTest, ConnectionCloseIsHeeded) {
  http();
  TestService& s = serve_http(false);
  make();
  s.respond(s.expect("GET", "/"), 200, "", {{"connection", "close"}});
  EXPECT_EQ(last(), "success: passed");
  EXPECT_EQ(s.open(), 0u);
}

TEST_F(ProbeTest, GoawayIsHeeded) {
  http().http2 = true;
  TestService& s = serve_http(true);
  make();
  auto& r = s.expect("GET", "/");
  s.goaway(r, r.id);
  s.respond(r, 200, "");
  EXPECT_EQ(last(), "success: passed");
  EXPECT_EQ(s.open(), 0u);
  next_check();
  s.respond(s.expect("GET", "/"), 200, "");
  EXPECT_EQ(s.connections(), 2u);
}

TEST_F(ProbeTest, WhatIsToldToHttp1) {
  struct Row {
    const char* answer;
    bool end;
    const char* attempt;
  };
  const Row rows[] = {
      {"garbage\r\n\r\n", false, "failure: protocol:"},
      {"SSH-2.0-OpenSSH_9.2\r\n", false, "failure: protocol:"},
      {"HTTP/1.1 999999 x\r\n\r\n", false, "failure: protocol:"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\n", false, "failure: protocol:"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false, "failure: protocol:"},
      {"HTTP/1.1 101 x\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", false, "failure: protocol:"},
      {"", true, "failure: closed"},
      {"HTTP/1.1 200", true, "failure: closed: in_head"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", true, "failure: reset: truncated"},
      {"HTTP/1.1 200 OK\r\n\r\nuntil the end", true, "success: passed"},
      {"HTTP/1.1 204 x\r\n\r\n", false, "immediate: http 204"},
      {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, "success: passed"},
  };
  for (const Row& row : rows) {
    checks.clear();
    http();
    auto& at = serve_raw(row.answer, row.end);
    make();
    const std::string attempt = last();
    EXPECT_EQ(attempt.substr(0, std::string(row.attempt).size()), row.attempt) << row.answer;
    drop();
    loop.run();
    EXPECT_EQ(at.open(), 0u);
  }
}

TEST_F(ProbeTest, WhatIsToldToHttp2) {
  for (const char* answer :
       {"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "\xff\xff\xff\xff\xff\xff\xff\xff\xff"}) {
    checks.clear();
    http().http2 = true;
    auto& at = serve_raw(answer);
    make();
    EXPECT_EQ(last().substr(0, 18), "failure: protocol:");
    EXPECT_EQ(at.open(), 0u);
    drop();
  }
}

}  // namespace
}  // namespace cardea::health
