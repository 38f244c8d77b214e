// Every clock of the proxy, alone and beside all the others, to the millisecond. Time moves by hand.
#include "proxy_fixture.h"

namespace cardea::test {
namespace {

struct Timed {
  bool down_h2, up_h2;
  bool others;  // every other clock runs too, and is due later
};

class Clocks : public testing::TestWithParam<Timed>, protected ProxyFixture {
 protected:
  bool down_h2() const { return GetParam().down_h2; }
  std::string to(const std::string& address) const { return (GetParam().up_h2 ? "h2c://" : "http://") + address; }

  // All clocks off (or an hour away, where they cannot be), but for these lines.
  std::string clocks(const std::string& lines) const {
    static const char* const kKeys[] = {"timeout_read",
                                        "timeout_write",
                                        "timeout_idle",
                                        "stream_idle_timeout",
                                        "max_stream_duration",
                                        "request_headers_timeout",
                                        "default_upstream_timeout",
                                        "max_connection_duration"};
    static const char* const kAlways[] = {"tls_handshake_timeout", "connect_timeout", "authorize_timeout"};
    std::string all = lines;
    auto add = [&](const std::string& key, const std::string& value) {
      if (("\n" + lines).find("\n" + key + ":") == std::string::npos) all += "\n" + key + ": " + value;
    };
    for (const char* key : kKeys) add(key, GetParam().others ? "1h" : "0");
    for (const char* key : kAlways) add(key, "1h");
    return all;
  }
  // The clocks of a try: off, but for these.
  std::string tries(const std::string& own, const std::string& lines = "") const {
    std::string all = own;
    for (const std::string key : {"per_try_timeout", "per_try_idle_timeout"}) {
      // A try may not take longer than all of them.
      const bool may_be = key == "per_try_idle_timeout" || lines.find("default_upstream_timeout") == std::string::npos;
      if (GetParam().others && may_be && own.find(key + ":") == std::string::npos) all += ", " + key + ": 1h";
    }
    return all.empty() ? "" : "retry_policy: {retry_on: retriable-4xx, num_retries: 0" + all + "}";
  }
  void begin(const std::string& lines, const std::string& routes = "") {
    start(file(routes.empty() ? route(to("10.0.0.1:80"), tries("", lines)) : routes, clocks(lines)));
    service = serve("10.0.0.1:80", GetParam().up_h2);
    client = connect(down_h2());
  }
  // It happens when `ms` have passed, and not before.
  template <class Fn>
  void expect_in(Millis ms, Fn happened) {
    loop.advance(ms - 1);
    EXPECT_FALSE(happened()) << "too early";
    loop.advance(1);
    EXPECT_TRUE(happened()) << "too late";
  }
  void expect_status_in(Millis ms, int status, size_t n = 0) {
    expect_in(ms, [&] { return client->status(n) != 0; });
    EXPECT_EQ(client->status(n), status);
    EXPECT_TRUE(client->answer(n).end);
  }
  // The answer that has begun is cut.
  void expect_cut_in(Millis ms, size_t n = 0) {
    expect_in(ms, [&] { return client->answer(n).reset; });
    EXPECT_FALSE(client->answer(n).end);
    EXPECT_EQ(hooks->causes.back().substr(0, 10), "truncated:");
  }
  void round_trip(const std::string& path = "/first") {
    const size_t n = client->get(path);
    service->respond(service->expect("GET", path), 200, "ok");
    EXPECT_EQ(client->status(n), 200);
  }
  TestService::Request& upload() {
    client->request({.method = "POST", .path = "/up", .open = true});
    return service->expect("POST", "/up");
  }
  void TearDown() override {
    stop();
    client.reset();
    service.reset();
  }

  std::unique_ptr<TestService> service;
  std::unique_ptr<TestClient> client;
};

std::vector<Timed> all_timed() {
  std::vector<Timed> all;
  for (const Pair& p : kPairs) {
    for (bool others : {false, true}) all.push_back({p.down_h2, p.up_h2, others});
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(All, Clocks, testing::ValuesIn(all_timed()), [](const auto& info) {
  return pair_name({{info.param.down_h2, info.param.up_h2}, info.index}) + (info.param.others ? "_beside" : "_alone");
});

// ---- the connection ---------------------------------------------------------------------------------

TEST_P(Clocks, ASilentConnection) {
  begin("request_headers_timeout: 5s");
  loop.advance(1000);
  auto peer = dial();
  loop.run();
  expect_in(5000, [&] { return peer->closed || peer->eof; });
  EXPECT_EQ(peer->received, "");
}

TEST_P(Clocks, ConnectionsOfEachCodecThatSayNothing) {
  for (const char* codec : {"auto", "http1", "http2"}) {
    SCOPED_TRACE(codec);
    start(file(route(to("10.0.0.1:80")), clocks("request_headers_timeout: 5s\ncodec_type: " + std::string(codec))));
    auto peer = dial();
    loop.run();
    expect_in(5000, [&] { return peer->closed || peer->eof; });
    EXPECT_EQ(counter("downstream_head_timeouts_total"), 1u);
    stop();
  }
}

TEST_P(Clocks, AHeadThatTrickles) {
  begin("request_headers_timeout: 5s");
  round_trip();
  loop.advance(100'000);
  const std::string head = down_h2() ? std::string("\0\0\x40\1\0\0\0\0\x03\x82\x86\x84\x41", 13) : "GET / HTTP/1.";
  client->raw(head.substr(0, 9), down_h2() ? 0 : 1);
  for (int i = 0; i < 4; ++i) {
    loop.advance(1000);
    client->raw(head.substr(9 + size_t(i), 1), 0);
  }
  if (down_h2()) {
    expect_in(1000, [&] { return client->goaway(); });
    loop.advance(1000);
    EXPECT_TRUE(client->closed());
  } else {
    expect_status_in(1000, 408, 1);
    EXPECT_EQ(client->answer(1).header("connection"), "close");
    EXPECT_TRUE(client->closed());
  }
  EXPECT_EQ(counter("downstream_head_timeouts_total"), 1u);
  EXPECT_TRUE(service->idle());
}

TEST_P(Clocks, Handshake) {
  start("address: 127.0.0.1:0\n" + clocks("tls_handshake_timeout: 5s") + "\nroutes:\n" + route(to("10.0.0.1:80")));
  auto peer = dial();
  peer->send(std::string("\x16\x03\x01\x00\x40", 5));
  loop.run();
  for (int i = 0; i < 4; ++i) {
    loop.advance(1000);
    peer->send("\x01");
  }
  expect_in(1000, [&] { return peer->closed || peer->eof; });
  EXPECT_EQ(counter("downstream_handshake_failures_total"), 1u);
}

TEST_P(Clocks, AnIdleConnection) {
  begin("timeout_idle: 5s");
  loop.advance(3000);
  round_trip();
  loop.advance(4000);
  round_trip();
  if (down_h2()) {
    expect_in(5000, [&] { return client->goaway(); });
  } else {
    expect_in(5000, [&] { return client->closed(); });
  }
  EXPECT_EQ(counter("downstream_connections_idle_timeout_total"), 1u);
  loop.advance(1000);
  EXPECT_TRUE(client->closed());
  EXPECT_EQ(worker->sessions(), 0u);
}

TEST_P(Clocks, AnIdleConnectionThatNeverSpoke) {
  begin("timeout_idle: 5s");
  auto peer = dial();
  loop.run();
  expect_in(5000, [&] { return peer->closed || peer->eof; });
}

TEST_P(Clocks, AnIdleClientThatIgnoresGoodbyes) {
  begin("timeout_idle: 20s");
  round_trip();
  client->peer->on_change = nullptr;
  client->peer->hold_writes();
  loop.advance(20'000);
  EXPECT_EQ(counter("downstream_connections_idle_timeout_total"), 1u);
  loop.advance(30'000);
  EXPECT_TRUE(client->peer->closed);
  EXPECT_EQ(worker->sessions(), 0u);
}

TEST_P(Clocks, AClientThatDoesNotReadItsAnswer) {
  begin("timeout_idle: 5s");
  client->get("/");
  auto& r = service->expect("GET", "/");
  client->peer->hold_writes();
  service->respond(r, 200, std::string(30'000, 'x'));
  EXPECT_EQ(causes(), "ok") << "all of it is in the proxy's buffers";
  EXPECT_EQ(worker->sessions(), 1u);
  loop.advance(20'000);
  EXPECT_TRUE(client->peer->closed);
  EXPECT_TRUE(client->peer->was_reset);
  EXPECT_EQ(worker->sessions(), 0u);
}

TEST_P(Clocks, AClientThatDoesNotFinishARefusedUpload) {
  start(file("- from: https://a.example\n  to: http://10.0.0.1:80\n",
             clocks("request_headers_timeout: 10s\ntimeout_idle: 50s")));
  client = connect(down_h2());
  client->request({.method = "POST", .path = "/", .headers = {{"Content-Length", "1000"}}, .open = true});
  client->body(0, "part");
  EXPECT_EQ(client->status(), 403);
  client->peer->on_change = nullptr;
  if (!down_h2()) {
    loop.advance(12'000);
    EXPECT_TRUE(client->peer->closed) << "nobody waits for the rest for ever";
    EXPECT_EQ(worker->sessions(), 0u);
  }
}

TEST_P(Clocks, AnOldConnection) {
  begin("max_connection_duration: 5s");
  loop.advance(3000);
  client->get("/");
  auto& r = service->expect("GET", "/");
  loop.advance(1999);
  EXPECT_FALSE(client->goaway());
  loop.advance(1);
  EXPECT_EQ(client->goaway(), down_h2());
  service->respond(r, 200, "still");
  EXPECT_EQ(client->answer().body.text, "still");
  EXPECT_EQ(client->answer().header("connection"), down_h2() ? "" : "close");
  loop.advance(1000);
  EXPECT_TRUE(client->closed());
}

TEST_P(Clocks, AnOldConnectionThatIsIdle) {
  begin("max_connection_duration: 5s");
  round_trip();
  expect_in(5000, [&] { return client->closed(); });
}

TEST_P(Clocks, AnOldConnectionWhoseExchangeNeverEnds) {
  begin("max_connection_duration: 5s\ndrain_timeout: 7s");
  client->get("/");
  auto& r = service->expect("GET", "/");
  service->head(r, 200);
  service->body(r, "x");
  loop.advance(5000);
  EXPECT_EQ(worker->sessions(), 1u);
  expect_cut_in(7000);
  EXPECT_EQ(causes(), "truncated:draining:deadline");
  loop.advance(1);
  EXPECT_EQ(worker->sessions(), 0u);
}

// ---- the request ------------------------------------------------------------------------------------

TEST_P(Clocks, TheWholeRequest) {
  begin("timeout_read: 5s");
  loop.advance(10'000);
  auto& r = upload();
  for (int i = 0; i < 4; ++i) {
    loop.advance(1000);
    client->body(0, "x");
  }
  expect_status_in(1000, 408);
  EXPECT_TRUE(r.reset && !r.end);
  EXPECT_EQ(causes(), "client_timeout:body");
  if (!down_h2()) {
    EXPECT_EQ(client->answer().header("connection"), "close");
    loop.advance(1000);
    EXPECT_TRUE(client->closed());
  }
}

TEST_P(Clocks, TheRequestsClockEndsWithIt) {
  begin("timeout_read: 5s");
  auto& r = upload();
  client->body(0, "x");
  loop.advance(4999);
  client->end(0);
  loop.advance(60'000);
  service->respond(r, 200, "late");
  EXPECT_EQ(client->status(), 200);
}

TEST_P(Clocks, TheRequestsClockEndsWithAnAnswersHead) {
  begin("timeout_read: 5s");
  auto& r = upload();
  service->head(r, 200);
  loop.advance(60'000);
  client->body(0, "still");
  EXPECT_EQ(r.body.text, "still");
  client->end(0);
  service->end(r);
  EXPECT_TRUE(client->answer().end);
}

TEST_P(Clocks, TheWholeExchangeWaitsForTheClient) {
  begin("timeout_write: 5s");
  auto& r = upload();
  expect_status_in(5000, 408);
  EXPECT_TRUE(r.reset && !r.end);
  EXPECT_EQ(causes(), "client_timeout:request");
}

TEST_P(Clocks, TheWholeExchangeWaitsForTheService) {
  begin("timeout_write: 5s");
  upload();
  loop.advance(2000);
  client->end(0);
  expect_status_in(3000, 504);
  EXPECT_EQ(causes(), "upstream_timeout:request");
  EXPECT_EQ(counter("upstream_timeouts_total"), 1u);
}

TEST_P(Clocks, TheWholeExchangeIsCut) {
  begin("timeout_write: 5s");
  client->get("/");
  auto& r = service->expect("GET", "/");
  service->head(r, 200);
  service->body(r, "x");
  expect_cut_in(5000);
}

// ---- the response -----------------------------------------------------------------------------------

TEST_P(Clocks, TheRoutesTimeoutRunsFromTheRequestsEnd) {
  begin("default_upstream_timeout: 5s");
  upload();
  loop.advance(30'000);
  client->end(0);
  expect_status_in(5000, 504);
  EXPECT_EQ(causes(), "upstream_timeout:response");
}

TEST_P(Clocks, TheRoutesTimeoutOfARequestWithoutBody) {
  begin("", route(to("10.0.0.1:80"), "timeout: 5s"));
  client->get("/");
  auto& r = service->expect("GET", "/");
  expect_status_in(5000, 504);
  EXPECT_TRUE(r.reset || r.connection->peer->closed) << "the service is told";
}

TEST_P(Clocks, TheRoutesTimeoutRunsToTheResponsesEnd) {
  begin("default_upstream_timeout: 5s");
  client->get("/");
  auto& r = service->expect("GET", "/");
  service->head(r, 200);
  for (int i = 0; i < 4; ++i) {
    loop.advance(1000);
    service->body(r, "x");
  }
  expect_cut_in(1000);
  EXPECT_EQ(client->answer().body.text, "xxxx");
}

TEST_P(Clocks, IdleWithoutAnAnswer) {
  begin("stream_idle_timeout: 5s");
  client->get("/");
  service->expect("GET", "/");
  expect_status_in(5000, 504);
  EXPECT_EQ(causes(), "stream_idle");
}

TEST_P(Clocks, IdleInTheRequest) {
  begin("stream_idle_timeout: 5s");
  auto& r = upload();
  loop.advance(3000);
  client->body(0, "x");
  loop.advance(4999);
  EXPECT_EQ(client->status(), 0);
  client->body(0, "x");
  expect_status_in(5000, 408);
  EXPECT_TRUE(r.reset && !r.end);
  EXPECT_EQ(causes(), "client_timeout:idle");
}

TEST_P(Clocks, IdleInTheAnswer) {
  begin("", route(to("10.0.0.1:80"), "idle_timeout: 5s\ntimeout: 0") + "");
  client->get("/");
  auto& r = service->expect("GET", "/");
  loop.advance(4000);
  service->head(r, 200);
  loop.advance(4000);
  service->body(r, "x");
  expect_cut_in(5000);
}

TEST_P(Clocks, TheLongestExchange) {
  begin("max_stream_duration: 5s");
  client->get("/");
  service->expect("GET", "/");
  expect_status_in(5000, 504);
  EXPECT_EQ(causes(), "max_duration");
}

TEST_P(Clocks, TheLongestExchangeIsCutWhateverPasses) {
  begin("max_stream_duration: 5s");
  auto& r = upload();
  service->head(r, 200);
  for (int i = 0; i < 4; ++i) {
    loop.advance(1000);
    client->body(0, "x");
    service->body(r, "y");
  }
  expect_cut_in(1000);
}

TEST_P(Clocks, OneTry) {
  begin("", route(to("10.0.0.1:80"), tries(", per_try_timeout: 5s")));
  client->get("/");
  auto& r = service->expect("GET", "/");
  expect_status_in(5000, 504);
  EXPECT_TRUE(r.reset || r.connection->peer->closed) << "the service is told";
  EXPECT_EQ(causes(), "upstream_timeout:per_try_timeout");
}

TEST_P(Clocks, ATryThatPassesNothing) {
  begin("", route(to("10.0.0.1:80"), tries(", per_try_idle_timeout: 5s")));
  upload();
  loop.advance(4000);
  client->body(0, "x");
  expect_status_in(5000, 504);
  EXPECT_EQ(causes(), "upstream_timeout:per_try_idle_timeout");
}

// A route's clocks hold instead of the global ones, in either direction where they may.
TEST_P(Clocks, ARoutesOwnClocksWin) {
  begin("default_upstream_timeout: 1s\nstream_idle_timeout: 5s\nmax_stream_duration: 1s",
        route(to("10.0.0.1:80"), "timeout: 3s\nidle_timeout: 2s\nmax_stream_duration: 4s"));
  client->get("/");
  service->expect("GET", "/");
  expect_status_in(2000, 504);
  EXPECT_EQ(causes(), "stream_idle");
  client->get("/");
  auto& r = service->expect("GET", "/");
  loop.advance(1500);
  service->head(r, 200);
  loop.advance(1499);
  service->body(r, "x");
  loop.advance(0);
  EXPECT_FALSE(client->answer(1).reset);
  expect_cut_in(1, 1);
  EXPECT_EQ(hooks->causes.back(), "truncated:upstream_timeout:response");
}

// ---- connecting and deciding ------------------------------------------------------------------------

TEST_P(Clocks, ConnectingByPhase) {
  struct {
    const char* phase;
    const char* to;
  } const kRows[] = {{"dns", "http://svc.example:80"}, {"tcp", "http://10.0.0.8:80"}, {"tls", "https://10.0.0.9:443"}};
  network.hang_name("svc.example");
  network.blackhole("10.0.0.8:80");
  network.serve("10.0.0.9:443");
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.phase);
    begin("connect_timeout: 5s",
          route(row.to, std::string(row.to).starts_with("https") ? "tls_skip_verify: true" : ""));
    client->get("/");
    expect_status_in(5000, 504);
    EXPECT_EQ(causes(), std::string("upstream_timeout:") + row.phase);
    EXPECT_EQ(hooks->outcomes[0].attempts, 1u);
    EXPECT_EQ(counter("upstream_timeouts_total"), 1u);
    stop();
  }
}

TEST_P(Clocks, APendingDecision) {
  begin("authorize_timeout: 5s",
        "- from: https://a.example\n  to: " + to("10.0.0.1:80") + "\n  policy: {allow: {or: [{host: x}]}}\n");
  hooks->authorize = [](proxy::Exchange&, uint64_t) { return proxy::Hooks::Answer::pending; };
  client->request({.method = "POST", .path = "/", .open = true});
  client->body(0, "x");
  expect_status_in(5000, 503);
  EXPECT_EQ(causes(), "authorize_timeout");
  EXPECT_EQ(service->connections(), 0u) << "fails closed";
  ASSERT_EQ(hooks->asked.size(), 1u);
  EXPECT_FALSE(proxy::authorize_complete(hooks->asked[0], true, "")) << "too late";
  loop.run();
  EXPECT_EQ(service->connections(), 0u);
}

TEST_P(Clocks, ADecisionInTimeStopsItsClock) {
  begin("authorize_timeout: 5s",
        "- from: https://a.example\n  to: " + to("10.0.0.1:80") + "\n  policy: {allow: {or: [{host: x}]}}\n");
  hooks->authorize = [](proxy::Exchange&, uint64_t) { return proxy::Hooks::Answer::pending; };
  client->get("/");
  loop.advance(4999);
  EXPECT_TRUE(proxy::authorize_complete(hooks->asked.at(0), true, "user"));
  auto& r = service->expect("GET", "/");
  loop.advance(60'000);
  service->respond(r, 200, "ok");
  EXPECT_EQ(client->status(), 200);
}

}  // namespace
}  // namespace cardea::test
