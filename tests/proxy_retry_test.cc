// Tries that clients do not see: retry_policy over all four pairs of protocols, its clocks and its limits.
#include "proxy_access.h"

namespace cardea::test {
namespace {

class Retry : public Access {
 protected:
  static std::string policy(const std::string& more, const std::string& lines = "") {
    return "retry_policy: {" + more + "}" + (lines.empty() ? "" : "\n" + lines);
  }
  // One service and this policy.
  void begin_retry(const std::string& more, const std::string& lines = "") { begin(policy(more, lines)); }
  void again(const std::string& text) {
    stop();
    client.reset();
    start(text);
    client = connect(down_h2());
  }
  uint32_t retries() const {
    uint32_t n = 0;
    for (const auto& shared : proxy->clusters().all()) n += shared->retries.value();
    return n;
  }
  // The service's answer (or its lack) to the next request.
  TestService::Request& fail(const std::string& path, int status, const std::string& method = "GET",
                             const Headers& headers = {}) {
    auto& r = service->expect(method, path);
    status ? service->respond(r, status, "no", headers) : service->cut(r);
    return r;
  }
  void succeed(const std::string& path, size_t n = 0, const std::string& method = "GET") {
    service->respond(service->expect(method, path), 200, "yes");
    EXPECT_EQ(client->status(n), 200);
    EXPECT_EQ(client->answer(n).body.text, "yes");
    EXPECT_TRUE(client->answer(n).end);
  }
  // Between two tries: nothing is under way but the wait.
  void expect_back_off() {
    EXPECT_TRUE(service->idle());
    EXPECT_EQ(client->answered(), 0u);
    EXPECT_EQ(retries(), 1u);
    EXPECT_NE(list().find("\"retry_back_off\":"), std::string::npos) << list();
  }
  void expect_slots_free() { EXPECT_EQ(retries(), 0u); }
};
INSTANTIATE_TEST_SUITE_P(Pairs, Retry, testing::ValuesIn(kPairs), pair_name);
class RetryToHttp1 : public Retry {};
INSTANTIATE_TEST_SUITE_P(Pairs, RetryToHttp1, testing::Values(Pair{false, false}, Pair{true, false}), pair_name);
class RetryToHttp2 : public Retry {};
INSTANTIATE_TEST_SUITE_P(Pairs, RetryToHttp2, testing::Values(Pair{false, true}, Pair{true, true}), pair_name);

// ---- when -------------------------------------------------------------------------------------------

TEST_P(Retry, EachWordAndNothingElse) {
  struct {
    const char* policy;
    int status;  // 0: the connection (stream) ends without an answer
    bool again;
    Headers headers;
  } const kRows[] = {
      {"retry_on: 5xx", 500, true, {}},
      {"retry_on: 5xx", 0, true, {}},
      {"retry_on: 5xx", 409, false, {}},
      {"retry_on: 5xx", 503, false, {{"x-envoy-ratelimited", "true"}}},
      {"retry_on: gateway-error", 502, true, {}},
      {"retry_on: gateway-error", 503, true, {}},
      {"retry_on: gateway-error", 504, true, {}},
      {"retry_on: gateway-error", 500, false, {}},
      {"retry_on: gateway-error", 0, true, {}},
      {"retry_on: reset", 0, true, {}},
      {"retry_on: reset", 503, false, {}},
      {"retry_on: connect-failure", 0, false, {}},
      {"retry_on: refused-stream", 0, false, {}},
      {"retry_on: reset-before-request", 0, false, {}},
      {"retry_on: retriable-4xx", 409, true, {}},
      {"retry_on: retriable-4xx", 404, false, {}},
      {"retry_on: retriable-status-codes, retriable_status_codes: [418]", 418, true, {}},
      {"retry_on: retriable-status-codes, retriable_status_codes: [418]", 503, false, {}},
      {"retry_on: retriable-headers, retriable_headers: [X-Again]", 200, true, {{"x-again", "1"}}},
      {"retry_on: retriable-headers, retriable_headers: [X-Again]", 503, false, {}},
      {"retry_on: envoy-ratelimited", 429, true, {{"x-envoy-ratelimited", "true"}}},
      {"retry_on: envoy-ratelimited", 429, false, {}},
      {"retry_on: cancelled", 200, true, {{"grpc-status", "1"}}},
      {"retry_on: deadline-exceeded", 200, true, {{"grpc-status", "4"}}},
      {"retry_on: internal", 200, true, {{"grpc-status", "13"}}},
      {"retry_on: resource-exhausted", 200, true, {{"grpc-status", "8"}}},
      {"retry_on: unavailable", 200, true, {{"grpc-status", "14"}}},
      {"retry_on: unavailable", 200, false, {{"grpc-status", "13"}}},
      {"retry_on: unavailable", 200, false, {{"grpc-status", "0"}}},
  };
  begin();
  for (const auto& row : kRows) {
    SCOPED_TRACE(std::string(row.policy) + " " + std::to_string(row.status));
    again(file(route(to("10.0.0.1:80"), policy(row.policy))));
    client->get("/x");
    fail("/x", row.status, "GET", row.headers);
    if (row.again) {
      expect_back_off();
      loop.advance(25);
      succeed("/x");
    } else {
      loop.advance(1000);
      EXPECT_TRUE(service->idle());
      EXPECT_EQ(client->status(), row.status ? row.status : 502);
    }
    EXPECT_EQ(hooks->outcomes.back().attempts, row.again ? 2u : 1u);
    EXPECT_NE(hooks->records.back().find(row.again ? "\"attempts\":2," : "\"attempts\":1,"), std::string::npos);
    EXPECT_EQ(counter("upstream_retries_total"), row.again ? 1u : 0u);
    expect_slots_free();
  }
}

TEST_P(Retry, ARefusedConnectionEvenOfTheOnlyEndpointAndWithAPost) {
  struct {
    const char* on;
    bool again;
  } const kRows[] = {{"connect-failure", true},      {"5xx", true},
                     {"gateway-error", true},        {"reset", true},
                     {"reset-before-request", true}, {"retriable-4xx", false},
                     {"refused-stream", false}};
  begin();
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.on);
    network.refuse("10.0.0.1:80");
    again(file(route(to("10.0.0.1:80"), policy(std::string("retry_on: ") + row.on))));
    client->post("/x", "body");
    network.serve("10.0.0.1:80");
    if (!row.again) {
      EXPECT_EQ(client->status(), 503);
      continue;
    }
    expect_back_off();
    loop.advance(25);
    auto& r = service->expect("POST", "/x");
    EXPECT_EQ(r.body.text, "body");
    EXPECT_TRUE(r.end);
    service->respond(r, 200, "");
    EXPECT_EQ(client->status(), 200);
    expect_slots_free();
  }
}

// Without a body the implicit try comes first, with one only the policy can send it again.
TEST_P(RetryToHttp2, ARefusedStreamIsSentAgainWithItsBody) {
  for (const char* on : {"refused-stream", "5xx", "gateway-error", "reset", "reset-before-request", "retriable-4xx"}) {
    SCOPED_TRACE(on);
    if (!service) begin();
    again(file(route(to("10.0.0.1:80"), policy(std::string("retry_on: ") + on))));
    client->post("/x", "body");
    service->cut(service->expect("POST", "/x"), NGHTTP2_REFUSED_STREAM);
    loop.advance(25);
    if (on == std::string("retriable-4xx")) {
      EXPECT_EQ(client->status(), 502);
      EXPECT_TRUE(service->idle());
      continue;
    }
    auto& r = service->expect("POST", "/x");
    EXPECT_EQ(r.body.text, "body");
    EXPECT_TRUE(r.end);
    service->respond(r, 200, "");
    EXPECT_EQ(client->status(), 200);
    expect_slots_free();
  }
}

const char kEverything[] =
    "retry_on: '5xx,gateway-error,reset,reset-before-request,connect-failure,refused-stream,retriable-4xx,"
    "retriable-status-codes,retriable-headers,envoy-ratelimited,cancelled,deadline-exceeded,internal,"
    "resource-exhausted,unavailable', retriable_status_codes: [418], retriable_headers: [X-Again], num_retries: 5";

TEST_P(Retry, APostThatMayHaveBeenSeenIsNeverSentTwice) {
  begin_retry(kEverything, "timeout: 5s");
  size_t n = 0;
  for (const char* method : {"POST", "PATCH"}) {
    for (int status : {0, 500, 502, 503, 504, 409, 418}) {
      SCOPED_TRACE(std::string(method) + std::to_string(status));
      if (client->closed()) client = connect(down_h2()), n = 0;
      client->request({method, "/pay", {}, "money"});
      fail("/pay", status, method, {{"x-again", "1"}, {"x-envoy-ratelimited", "1"}, {"grpc-status", "14"}});
      loop.advance(1000);
      EXPECT_TRUE(service->idle());
      EXPECT_EQ(client->status(n++), status ? status : 502);
      EXPECT_EQ(hooks->outcomes.back().attempts, 1u);
      expect_slots_free();
    }
  }
}

TEST_P(Retry, APostWithoutAnAnswerInTimeIsNotSentTwice) {
  begin_retry(std::string(kEverything) + ", per_try_timeout: 1s");
  client->post("/pay", "money");
  service->expect("POST", "/pay");
  loop.advance(1000);
  EXPECT_EQ(client->status(), 504);
  EXPECT_EQ(causes(), "upstream_timeout:per_try_timeout");
  loop.advance(5000);
  EXPECT_TRUE(service->idle());
}

// ---- how often, and when ----------------------------------------------------------------------------

TEST_P(Retry, NumRetriesAndThenTheLastAnswer) {
  for (unsigned most : {0u, 1u, 3u}) {
    SCOPED_TRACE(most);
    if (!service) begin();
    again(file(route(to("10.0.0.1:80"), policy("retry_on: 5xx, num_retries: " + std::to_string(most)))));
    client->get("/x");
    for (unsigned i = 0; i < most; ++i) {
      fail("/x", 500);
      loop.advance(250);
    }
    fail("/x", 503);
    EXPECT_EQ(client->status(), 503);
    EXPECT_EQ(client->answer().body.text, "no");
    loop.advance(1000);
    EXPECT_TRUE(service->idle());
    EXPECT_EQ(hooks->outcomes.back().attempts, most + 1);
    EXPECT_EQ(counter("upstream_retries_total"), most);
    expect_slots_free();
  }
}

// Full jitter: never later than the bound, which doubles up to the maximum; sometimes well before.
TEST_P(Retry, BackOffByTheClock) {
  begin_retry("retry_on: 5xx, num_retries: 4, retry_back_off: {base_interval: 100ms, max_interval: 300ms}");
  const Millis kMost[] = {100, 200, 300, 300};
  Millis longest[4] = {};
  for (int round = 0; round < 20; ++round) {
    const size_t n = client->get("/x");
    for (size_t i = 0; i < 4; ++i) {
      fail("/x", 500);
      Millis waited = 0;
      for (; service->idle() && waited <= 1000; ++waited) loop.advance(1);
      EXPECT_GE(waited, 1u);
      EXPECT_LE(waited, kMost[i]);
      longest[i] = std::max(longest[i], waited);
    }
    succeed("/x", n);
  }
  for (size_t i = 0; i < 4; ++i) EXPECT_GT(longest[i], kMost[i] / 2);
}

TEST_P(Retry, PerTryTimeoutIsTheTrysOwn) {
  begin_retry("retry_on: 5xx, num_retries: 1, per_try_timeout: 1s");
  client->get("/x");
  auto& first = service->expect("GET", "/x");
  EXPECT_NE(list().find("\"per_try_timeout\":{\"left_ms\":1000,\"from\":\"route\"}"), std::string::npos) << list();
  loop.advance(999);
  EXPECT_FALSE(first.reset);
  loop.advance(1);
  EXPECT_TRUE(up_h2() ? first.reset : first.connection->peer->closed) << "the service is told that nobody waits";
  expect_back_off();
  loop.advance(25);
  service->expect("GET", "/x");
  loop.advance(1000);
  EXPECT_EQ(client->status(), 504);
  EXPECT_EQ(causes(), "upstream_timeout:per_try_timeout");
  expect_slots_free();
}

// An answer that has begun is not measured any more.
TEST_P(Retry, PerTryClocksEndWithTheHead) {
  begin_retry("retry_on: 5xx, per_try_timeout: 1s, per_try_idle_timeout: 500ms");
  client->get("/x");
  auto& r = service->expect("GET", "/x");
  loop.advance(400);
  service->head(r, 200);
  EXPECT_EQ(list().find("per_try"), std::string::npos) << list();
  loop.advance(5000);
  service->body(r, "late");
  service->end(r);
  EXPECT_EQ(client->answer().body.text, "late");
  EXPECT_EQ(causes(), "ok");
}

TEST_P(Retry, PerTryIdleTimeoutStartsAgainWithEveryByte) {
  begin_retry("retry_on: 5xx, per_try_idle_timeout: 1s");
  client->request({.method = "PUT", .path = "/x", .open = true});
  auto& r = service->expect("PUT", "/x");
  for (int i = 0; i < 3; ++i) {
    loop.advance(900);
    client->body(0, "ab");
  }
  EXPECT_NE(list().find("\"per_try_idle_timeout\":"), std::string::npos) << list();
  EXPECT_FALSE(r.reset);
  loop.advance(1000);
  EXPECT_TRUE(r.reset);
  loop.advance(25);
  auto& next = service->expect("PUT", "/x");
  EXPECT_EQ(next.body.text, "ababab");
  client->end(0);
  service->respond(next, 200, "");
  EXPECT_EQ(client->status(), 200);
}

TEST_P(Retry, TheRoutesTimeoutBoundsAllTriesAndWaits) {
  begin_retry("retry_on: 5xx, num_retries: 50, per_try_timeout: 1s", "timeout: 2500ms");
  client->get("/x");
  loop.advance(2499);
  EXPECT_EQ(client->answered(), 0u);
  loop.advance(1);
  EXPECT_EQ(client->status(), 504);
  EXPECT_EQ(causes(), "upstream_timeout:response");
  expect_slots_free();
}

TEST_P(Retry, TheNextTryGoesElsewhere) {
  service = serve("10.0.0.1:80", up_h2());
  auto second = serve("10.0.0.2:80", up_h2());
  start(file(route("[\"" + to("10.0.0.1:80") + "\", \"" + to("10.0.0.2:80") + "\"]", policy("retry_on: 5xx"))));
  client = connect(down_h2());
  for (int i = 0; i < 10; ++i) {
    const size_t n = client->get("/x");
    TestService* const first = service->idle() ? second.get() : service.get();
    first->respond(first->expect("GET", "/x"), 503, "");
    loop.advance(25);
    TestService* const other = first == service.get() ? second.get() : service.get();
    other->respond(other->expect("GET", "/x"), 200, "");
    EXPECT_EQ(client->status(n), 200);
  }
  stop();
}

// ---- the body ---------------------------------------------------------------------------------------

TEST_P(Retry, BodiesAndTrailersAreReplayedExactly) {
  begin_retry("retry_on: 5xx, num_retries: 3");
  client->request({.method = "PUT", .path = "/x", .open = true});
  client->body(0, "first ");
  fail("/x", 0, "PUT");
  loop.advance(250);
  auto& half = service->expect("PUT", "/x");
  EXPECT_EQ(half.body.text, "first ");
  client->body(0, "second ");
  EXPECT_EQ(half.body.text, "first second ");
  service->cut(half);
  client->body(0, "third");  // while it waits
  loop.advance(250);
  auto& whole = service->expect("PUT", "/x");
  client->end(0, {{"x-sum", "42"}});
  EXPECT_EQ(whole.body.text, "first second third");
  EXPECT_TRUE(whole.end);
  service->respond(whole, 500, "no");
  loop.advance(250);
  auto& last = service->expect("PUT", "/x");
  EXPECT_EQ(last.body.text, "first second third");
  EXPECT_EQ(value(last.trailers, "x-sum"), "42");
  EXPECT_EQ(last.trailers.size(), whole.trailers.size());
  EXPECT_TRUE(last.end);
  service->respond(last, 200, "");
  EXPECT_EQ(client->status(), 200);
  EXPECT_EQ(hooks->outcomes.back().bytes_in, 18u);
}

TEST_P(Retry, ABodyOverTheBufferLimitIsSentOnce) {
  begin_retry("retry_on: 5xx, num_retries: 3", "per_connection_buffer_limit_bytes: 16384");
  const std::string big(100'000, 'b');
  const size_t n = client->request({"PUT", "/x", {}, big});
  auto& r = service->expect("PUT", "/x");
  EXPECT_EQ(r.body.text.size(), big.size());
  service->respond(r, 503, "no");
  loop.advance(1000);
  EXPECT_TRUE(service->idle());
  EXPECT_EQ(client->status(n), 503);
  EXPECT_EQ(hooks->outcomes.back().attempts, 1u);
}

TEST_P(Retry, ContinueIsSaidOnce) {
  begin_retry("retry_on: 5xx, num_retries: 3");
  client->request({.method = "PUT", .path = "/x", .headers = {{"Expect", "100-continue"}}, .open = true});
  fail("/x", 503, "PUT");
  loop.advance(25);
  auto& r = service->expect("PUT", "/x");
  client->body(0, "body");
  client->end(0);
  EXPECT_EQ(r.body.text, "body");
  service->respond(r, 200, "");
  EXPECT_EQ(client->status(), 200);
  EXPECT_EQ(client->answer().informational, std::vector<int>{100});
}

// ---- answers that nobody gets -----------------------------------------------------------------------

TEST_P(Retry, ADroppedAnswerLeavesNothingBehind) {
  begin_retry("retry_on: 5xx");
  client->get("/x");
  auto& r = service->expect("GET", "/x");
  service->head(r, 503, {{"x-first", "1"}});
  service->body(r, "never seen");
  if (up_h2()) {
    EXPECT_TRUE(r.reset);
  } else {
    EXPECT_EQ(service->open(), 0u) << "a half-read answer lies in between";
  }
  loop.advance(25);
  succeed("/x");
  EXPECT_EQ(count(client->answer().headers, "x-first"), 0u);
  EXPECT_EQ(hooks->outcomes.back().bytes_out, 3u);
}

TEST_P(RetryToHttp1, AWholeAnswerInOnePieceIsDroppedToo) {
  begin_retry("retry_on: 5xx");
  client->get("/x");
  auto& r = service->expect("GET", "/x");
  service->raw(r, "HTTP/1.1 503 x\r\nContent-Length: 27\r\n\r\nHTTP/1.1 200 OK\r\nEvil: 1\r\n\r\n");
  loop.advance(25);
  succeed("/x");
  EXPECT_EQ(count(client->answer().headers, "evil"), 0u);
}

// ---- limits -----------------------------------------------------------------------------------------

TEST_P(Retry, MaxRetriesOfTheCluster) {
  begin_retry("retry_on: 5xx, retry_back_off: {base_interval: 10s}", "circuit_breaker_thresholds: {max_retries: 2}");
  std::vector<std::unique_ptr<TestClient>> all;
  for (int i = 0; i < 3; ++i) {
    all.push_back(connect(down_h2()));
    all.back()->get("/x");
    fail("/x", 500);
  }
  EXPECT_EQ(retries(), 2u);
  EXPECT_EQ(all[2]->status(), 500) << "no room for its retry: the answer that there is";
  loop.advance(10'000);
  for (int i = 0; i < 2; ++i) service->respond(service->expect("GET", "/x"), 200, "");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(all[size_t(i)]->status(), 200);
  expect_slots_free();
}

TEST_P(Retry, ABudgetReplacesMaxRetries) {
  begin_retry(
      "retry_on: 5xx, retry_back_off: {base_interval: 10s}, "
      "retry_budget: {budget_percent: {value: 1}, min_retry_concurrency: 1}");
  auto other = connect(down_h2());
  client->get("/x");
  fail("/x", 500);
  EXPECT_EQ(retries(), 1u);
  other->get("/x");
  fail("/x", 500);
  EXPECT_EQ(other->status(), 500);
}

// A retry is over when its answer has begun: long answers must not use up everybody's retries.
TEST_P(Retry, ALongAnswerHoldsNoSlot) {
  begin_retry("retry_on: 5xx", "circuit_breaker_thresholds: {max_retries: 1}");
  client->get("/stream");
  fail("/stream", 500);
  loop.advance(25);
  auto& r = service->expect("GET", "/stream");
  EXPECT_EQ(retries(), 1u);
  service->head(r, 200);
  service->body(r, "data");
  EXPECT_EQ(client->answer().body.text, "data");
  expect_slots_free();
  service->end(r);
  EXPECT_TRUE(client->answer().end);
  expect_slots_free();
}

// Another try does not need another connection when the first one is fine.
TEST_P(RetryToHttp2, ARetryAfterAnAnswerSharesTheOnlyConnection) {
  begin_retry("retry_on: 5xx", "circuit_breaker_thresholds: {max_connections: 1}");
  auto other = connect(down_h2());
  other->get("/long");
  auto& held = service->expect("GET", "/long");
  client->get("/x");
  fail("/x", 503);
  loop.advance(25);
  succeed("/x");
  EXPECT_EQ(service->connections(), 1u);
  service->respond(held, 200, "");
  EXPECT_EQ(other->status(), 200);
}

// ---- ends during the wait ---------------------------------------------------------------------------

TEST_P(Retry, TheClientLeavesDuringTheWait) {
  begin_retry("retry_on: 5xx, retry_back_off: {base_interval: 10s}");
  for (bool gone : {false, true}) {
    if (client->closed() || gone) client = connect(down_h2());
    const size_t n = client->get("/x");
    fail("/x", 500);
    EXPECT_EQ(retries(), 1u);
    gone&& down_h2() ? client->close() : client->reset(n);  // over HTTP/1.1 a FIN alone may be a half-close
    expect_slots_free();
    EXPECT_EQ(hooks->causes.back().substr(0, 10), "downstream");
    loop.advance(20'000);
    EXPECT_TRUE(service->idle());
  }
}

TEST_P(Retry, PermissionIsWithdrawnDuringTheWait) {
  begin_with(
      guarded("allow_any_authenticated_user: true\n" + policy("retry_on: 5xx, retry_back_off: {base_interval: 10s}")));
  client->get("/x", bearer(token("bob")));
  fail("/x", 500);
  expect_back_off();
  proxy::Revocation revocation;
  revocation.user = "bob@example.com";
  revocation.until_unix_ms = (kNow + 100) * 1000;
  EXPECT_TRUE(proxy->revoke(revocation, kNow * 1000));
  loop.run();
  EXPECT_EQ(client->status(), 403);
  EXPECT_EQ(causes(), "revoked:user");
  expect_slots_free();
  loop.advance(20'000);
  EXPECT_TRUE(service->idle());
}

TEST_P(Retry, ADrainWaitsForTheNextTry) {
  begin_retry("retry_on: 5xx, retry_back_off: {base_interval: 10s}");
  client->get("/x");
  fail("/x", 500);
  int done = 0;
  proxy->drain(60'000, [&] { ++done; });
  loop.advance(10'000);
  EXPECT_EQ(done, 0);
  succeed("/x");
  expect_slots_free();
  loop.advance(1000);
  EXPECT_EQ(done, 1);
}

TEST_P(Retry, ADrainsDeadlineCutsTheWait) {
  begin_retry("retry_on: 5xx, retry_back_off: {base_interval: 100s}");
  client->get("/x");
  fail("/x", 500);
  int done = 0;
  proxy->drain(500, [&] { ++done; });
  loop.advance(2000);
  // The wait may have been shorter than the deadline; then the try is what is cut.
  EXPECT_EQ(done, 1);
  expect_slots_free();
}

// ---- what is left alone -----------------------------------------------------------------------------

TEST_P(Retry, TunnelsAreNotTriedAgain) {
  if (down_h2()) GTEST_SKIP() << "asks with Upgrade";
  if (up_h2()) GTEST_SKIP() << "the service takes Upgrade";
  begin_retry("retry_on: 5xx, num_retries: 3", "allow_websockets: true");
  client->request({.method = "GET",
                   .path = "/ws",
                   .headers = {{"Connection", "Upgrade"},
                               {"Upgrade", "websocket"},
                               {"Sec-WebSocket-Version", "13"},
                               {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}}});
  fail("/ws", 503);
  loop.advance(1000);
  EXPECT_TRUE(service->idle());
  EXPECT_EQ(client->status(), 503);
  expect_slots_free();
}

}  // namespace
}  // namespace cardea::test
