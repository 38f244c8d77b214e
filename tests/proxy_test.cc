// The life of an exchange over all four pairs of protocols: what passes, how fast, and what goes wrong.
#include "proxy_fixture.h"

namespace cardea::test {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr size_t kPiece = 64 * 1024;

class Proxy : public PairTest {
 protected:
  // Another exchange works.
  void expect_alive(const std::string& path = "/alive") {
    if (client->closed() || client->goaway()) client = connect(down_h2());
    const size_t n = client->get(path);
    service->respond(service->expect("GET", path), 200, path);
    EXPECT_EQ(client->status(n), 200);
    EXPECT_EQ(client->answer(n).body.text, path);
  }
  // What the service has sent that the proxy has taken, as bytes of its connection.
  uint64_t taken_from(TestService::Request& r, uint64_t sent) const {
    net::FakePeer& peer = *r.connection->peer;
    return (r.connection->h2 ? r.connection->h2->sent : sent) - peer.unread();
  }
};
INSTANTIATE_TEST_SUITE_P(Pairs, Proxy, testing::ValuesIn(kPairs), pair_name);

// What only one protocol on one side has.
class FromHttp1 : public Proxy {};
class FromHttp2 : public Proxy {};
class ToHttp1 : public Proxy {};
class ToHttp2 : public Proxy {};
INSTANTIATE_TEST_SUITE_P(Pairs, FromHttp1, testing::Values(Pair{false, false}, Pair{false, true}), pair_name);
INSTANTIATE_TEST_SUITE_P(Pairs, FromHttp2, testing::Values(Pair{true, false}, Pair{true, true}), pair_name);
INSTANTIATE_TEST_SUITE_P(Pairs, ToHttp1, testing::Values(Pair{false, false}, Pair{true, false}), pair_name);
INSTANTIATE_TEST_SUITE_P(Pairs, ToHttp2, testing::Values(Pair{false, true}, Pair{true, true}), pair_name);

// ---- messages ---------------------------------------------------------------------------------------

TEST_P(Proxy, GetIsForwardedAndAnswered) {
  begin();
  client->get("/x?y=1", {{"Accept", "a/b"}});
  auto& r = service->expect("GET", "/x?y=1");
  EXPECT_EQ(r.authority, "10.0.0.1");
  EXPECT_EQ(r.header("accept"), "a/b");
  EXPECT_TRUE(r.end);
  EXPECT_EQ(r.body.size, 0u);
  service->respond(r, 200, "hello", {{"X-From", "service"}});
  const Incoming& a = client->answer();
  EXPECT_EQ(a.status, 200);
  EXPECT_EQ(a.body.text, "hello");
  EXPECT_EQ(a.header("content-length"), "5");
  EXPECT_EQ(a.header("x-from"), "service");
  EXPECT_TRUE(a.has("date"));
  EXPECT_FALSE(a.has("server")) << "only our own answers say who we are";
  EXPECT_TRUE(a.end);
  EXPECT_EQ(causes(), "ok");
}

TEST_P(Proxy, BodiesOfKnownLengthKeepIt) {
  begin();
  for (size_t size : {size_t{0}, size_t{1}, size_t{16384}, size_t{100'000}}) {
    const size_t n = client->post("/upload", pattern(0, size));
    auto& r = service->expect("POST", "/upload");
    EXPECT_EQ(r.header("content-length"), std::to_string(size));
    EXPECT_EQ(r.body.size, size);
    EXPECT_TRUE(r.body.is_pattern && r.end && !r.chunked);
    service->respond(r, 200, pattern(0, size));
    EXPECT_EQ(client->answer(n).header("content-length"), std::to_string(size));
    EXPECT_EQ(client->answer(n).body.size, size);
    EXPECT_TRUE(client->answer(n).body.is_pattern && client->answer(n).end);
  }
  EXPECT_EQ(counter("request_bytes_total"), 116'385u);
  EXPECT_EQ(counter("response_bytes_total"), 116'385u);
}

TEST_P(Proxy, OpenBodiesPassPieceByPiece) {
  begin();
  client->request({.method = "POST", .path = "/open", .open = true});
  auto& r = service->expect("POST", "/open");
  EXPECT_FALSE(r.has("content-length"));
  client->body(0, "ab");
  EXPECT_EQ(r.body.text, "ab");
  client->body(0, "cd");
  EXPECT_EQ(r.body.text, "abcd");
  EXPECT_FALSE(r.end);
  client->end(0);
  EXPECT_TRUE(r.end);
  service->head(r, 200);
  EXPECT_EQ(client->status(), 200);
  service->body(r, "12");
  EXPECT_EQ(client->answer().body.text, "12");
  service->body(r, "34");
  EXPECT_EQ(client->answer().body.text, "1234");
  EXPECT_FALSE(client->answer().end);
  service->end(r);
  EXPECT_TRUE(client->answer().end);
  EXPECT_FALSE(client->answer().has("content-length"));
  expect_alive();
}

TEST_P(Proxy, AnEmptyOpenBodyEnds) {
  begin();
  client->request({.method = "POST", .path = "/", .open = true});
  auto& r = service->expect("POST", "/");
  client->end(0);
  EXPECT_TRUE(r.end);
  EXPECT_EQ(r.body.size, 0u);
  service->head(r, 200);
  service->end(r);
  EXPECT_TRUE(client->answer().end);
  expect_alive();
}

TEST_P(Proxy, AnswersThatHaveNoBody) {
  struct {
    const char* method;
    int status;
    Headers headers;
  } const kRows[] = {
      {"HEAD", 200, {{"Content-Length", "123"}}},
      {"HEAD", 200, {}},
      {"HEAD", 404, {{"Content-Length", "9"}}},
      {"GET", 204, {}},
      {"GET", 304, {{"ETag", "\"a\""}, {"Content-Length", "77"}}},
      {"DELETE", 204, {}},
  };
  begin();
  for (const auto& row : kRows) {
    SCOPED_TRACE(std::string(row.method) + " " + std::to_string(row.status));
    const size_t n = client->request({row.method, "/"});
    service->head_only(service->expect(row.method, "/"), row.status, row.headers);
    EXPECT_EQ(client->status(n), row.status);
    EXPECT_TRUE(client->answer(n).end);
    EXPECT_EQ(client->answer(n).body.size, 0u);
    EXPECT_EQ(client->answer(n).header("content-length"), value(row.headers, "content-length"));
    EXPECT_EQ(client->answer(n).header("etag"), value(row.headers, "etag"));
  }
  expect_alive();
  EXPECT_EQ(service->connections(), 1u) << "the connections were in order throughout";
}

TEST_P(Proxy, TrailersPassBothWaysButNotThoseThatDecide) {
  begin();
  client->request({.method = "POST", .path = "/t", .open = true});
  auto& r = service->expect("POST", "/t");
  client->body(0, "x");
  client->end(0, {{"x-sum", "1"}, {"authorization", "evil"}, {"x-pomerium-claim-email", "evil"}, {"host", "evil"}});
  EXPECT_TRUE(r.end);
  EXPECT_EQ(value(r.trailers, "x-sum"), "1");
  EXPECT_EQ(r.trailers.size(), 1u);
  service->head(r, 200);
  service->body(r, "y");
  service->end(r, {{"grpc-status", "0"}, {"set-cookie", "evil=1"}});
  EXPECT_TRUE(client->answer().end);
  EXPECT_EQ(client->answer().body.text, "y");
  EXPECT_EQ(value(client->answer().trailers, "grpc-status"), "0");
  EXPECT_EQ(client->answer().trailers.size(), 1u);
}

TEST_P(Proxy, TrailersWithoutABody) {
  begin();
  client->request({.method = "POST", .path = "/t", .open = true});
  auto& r = service->expect("POST", "/t");
  client->end(0, {{"x-sum", "1"}});
  EXPECT_TRUE(r.end);
  EXPECT_EQ(value(r.trailers, "x-sum"), "1");
  service->head(r, 200);
  service->end(r, {{"x-sum", "2"}});
  EXPECT_TRUE(client->answer().end);
  EXPECT_EQ(value(client->answer().trailers, "x-sum"), "2");
}

TEST_P(Proxy, InformationalAnswersPassBeforeTheFinalOne) {
  begin();
  client->get("/hints");
  auto& r = service->expect("GET", "/hints");
  service->informational(r, 103, {{"Link", "</a.css>"}});
  EXPECT_EQ(client->answer().informational, std::vector<int>{103});
  EXPECT_EQ(value(client->answer().hints, "link"), "</a.css>");
  service->informational(r, 103);
  service->respond(r, 200, "ok");
  EXPECT_EQ(client->answer().informational, (std::vector<int>{103, 103}));
  EXPECT_EQ(client->answer().body.text, "ok");
}

TEST_P(Proxy, TooManyInformationalAnswersAreAFault) {
  begin();
  client->get("/");
  auto& r = service->expect("GET", "/");
  for (int i = 0; i < 33 && !r.connection->peer->closed && !r.reset; ++i) service->informational(r, 103);
  EXPECT_EQ(client->status(), 502);
  EXPECT_LE(client->answer().informational.size(), 32u);
  expect_alive();
}

TEST_P(Proxy, ExpectContinueIsAnsweredOnce) {
  begin();
  client->request({.method = "POST", .path = "/e", .headers = {{"Expect", "100-continue"}}, .open = true});
  EXPECT_EQ(client->answer().informational, std::vector<int>{100});
  auto& r = service->expect("POST", "/e");
  service->informational(r, 100);
  EXPECT_EQ(client->answer().informational, std::vector<int>{100});
  client->body(0, "body");
  client->end(0);
  EXPECT_EQ(r.body.text, "body");
  service->respond(r, 200, "");
  EXPECT_EQ(client->status(), 200);
  EXPECT_EQ(client->answer().informational, std::vector<int>{100});
  expect_alive();
}

TEST_P(Proxy, ExpectContinueOnADeniedRouteGetsNo100) {
  begin_with(file("- from: https://a.example\n  to: " + to("10.0.0.1:80") + "\n"));
  client->request({.method = "POST", .path = "/e", .headers = {{"Expect", "100-continue"}}, .open = true});
  EXPECT_EQ(client->status(), 403);
  EXPECT_TRUE(client->answer().informational.empty());
  EXPECT_TRUE(client->answer().end);
  EXPECT_TRUE(service->idle());
  EXPECT_EQ(service->connections(), 0u);
  EXPECT_EQ(client->answer().header("connection"), down_h2() ? "" : "close") << "its next byte could be either";
}

// ---- backpressure -----------------------------------------------------------------------------------

// What the proxy may hold of one direction: its codecs' buffers, one read, the queues of its streams, and a window.
constexpr uint64_t kHeld = 768 * 1024;
constexpr size_t kQueued = 256 * 1024;

TEST_P(Proxy, ASlowClientHoldsTheServiceBack) {
  const uint64_t kSize = 50 * kMiB;
  begin();
  client->get("/big");
  auto& r = service->expect("GET", "/big");
  service->head(r, 200, {{"Content-Length", std::to_string(kSize)}});
  EXPECT_EQ(client->status(), 200);
  client->peer->hold_writes();
  for (uint64_t at = 0; at < kSize; at += kPiece) service->body(r, pattern(at, kPiece));
  service->end(r);
  EXPECT_LE(taken_from(r, kSize), kHeld);
  EXPECT_LE(client->peer->queued(), kQueued);
  // A client that takes some of it moves just that much.
  for (uint64_t part = 1; part <= 4; ++part) {
    client->peer->set_window(5 * kMiB);
    client->run();
    EXPECT_LE(client->peer->queued(), kQueued);
    EXPECT_GE(client->answer().body.size, part * 5 * kMiB - kMiB);
    EXPECT_LE(taken_from(r, kSize), part * 5 * kMiB + kHeld);
  }
  EXPECT_FALSE(client->answer().end);
  client->peer->release_writes();
  EXPECT_EQ(client->answer().body.size, kSize);
  EXPECT_TRUE(client->answer().body.is_pattern && client->answer().end);
  EXPECT_EQ(causes(), "ok");
  expect_alive();
}

TEST_P(Proxy, ASlowServiceHoldsTheClientBack) {
  const uint64_t kSize = 50 * kMiB;
  begin();
  client->request(
      {.method = "PUT", .path = "/big", .headers = {{"Content-Length", std::to_string(kSize)}}, .open = true});
  auto& r = service->expect("PUT", "/big");
  r.connection->peer->hold_writes();
  for (uint64_t at = 0; at < kSize; at += kPiece) client->body(0, pattern(at, kPiece));
  client->end(0);
  EXPECT_LE(client->taken(), kHeld);
  EXPECT_LE(r.connection->peer->queued(), kQueued);
  for (uint64_t part = 1; part <= 4; ++part) {
    r.connection->peer->set_window(5 * kMiB);
    client->run();
    EXPECT_LE(r.connection->peer->queued(), kQueued);
    EXPECT_GE(r.body.size, part * 5 * kMiB - kMiB);
    EXPECT_LE(client->taken(), part * 5 * kMiB + kHeld);
  }
  EXPECT_FALSE(r.end);
  r.connection->peer->release_writes();
  client->run();
  EXPECT_EQ(r.body.size, kSize);
  EXPECT_TRUE(r.body.is_pattern && r.end);
  service->respond(r, 201, "");
  EXPECT_EQ(client->status(), 201);
  expect_alive();
}

// A body that nobody can take yet stays with the client.
TEST_P(Proxy, ABodyWaitsForTheServicesConnection) {
  network.blackhole("10.0.0.1:80");
  start(file(route(to("10.0.0.1:80"))));
  client = connect(down_h2());
  client->request({.method = "PUT", .path = "/", .open = true});
  for (uint64_t at = 0; at < 4 * kMiB; at += kPiece) client->body(0, pattern(at, kPiece));
  EXPECT_LE(client->taken(), kHeld);
  service = serve("10.0.0.1:80", up_h2());
  loop.advance(10'000);
  EXPECT_EQ(client->status(), 504);
}

TEST_P(Proxy, BothDirectionsStreamAtOnce) {
  begin();
  client->request({.method = "POST", .path = "/both", .open = true});
  auto& r = service->expect("POST", "/both");
  service->head(r, 200);
  for (uint64_t at = 0; at < 2 * kMiB; at += kPiece) {
    client->body(0, pattern(at, kPiece));
    service->body(r, pattern(at, kPiece));
    EXPECT_EQ(r.body.size, at + kPiece);
    EXPECT_EQ(client->answer().body.size, at + kPiece);
  }
  client->end(0);
  service->end(r);
  EXPECT_TRUE(r.end && r.body.is_pattern);
  EXPECT_TRUE(client->answer().end && client->answer().body.is_pattern);
  expect_alive();
}

// ---- ends before the end ----------------------------------------------------------------------------

TEST_P(Proxy, AnAnswerBeforeTheRequestsEnd) {
  begin();
  client->request({.method = "POST", .path = "/early", .open = true});
  auto& r = service->expect("POST", "/early");
  client->body(0, "part");
  service->respond(r, 413, "too big");
  EXPECT_EQ(client->status(), 413);
  EXPECT_TRUE(client->answer().end);
  EXPECT_EQ(client->answer().body.text, "too big");
  EXPECT_FALSE(r.end) << "what the client did not send must not look complete";
  if (up_h2()) {
    EXPECT_TRUE(r.reset);
  } else {
    EXPECT_EQ(service->open(), 0u) << "the rest of the request lies in between";
  }
  if (!down_h2()) {
    client->body(0, "rest");
    client->end(0);
  }
  EXPECT_EQ(causes(), "ok");
  expect_alive();
}

TEST_P(Proxy, GarbageInsteadOfAHeadIs502) {
  const std::vector<std::string> h1 = {
      "garbage\r\n\r\n",
      "HTTP/1.1 20 OK\r\n\r\n",
      "HTTP/1.1 000 OK\r\n\r\n",
      "HTTP/2.0 200 OK\r\n\r\n",
      "ICY 200 OK\r\n\r\n",
      "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
      "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
      std::string("HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n", 27),
      "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
  };
  const std::vector<std::string> h2 = {
      std::string("\0\0\4\1\4\0\0\0\1\x7f\x7f\x7f\x7f", 13),  // HEADERS that are no HPACK
      std::string("\0\0\1\5\4\0\0\0\1\0", 10),                // PUSH_PROMISE
      std::string("\0\0\1\0\0\0\0\0\1x", 10),                 // DATA before HEADERS
  };
  begin();
  for (std::string bytes : up_h2() ? h2 : h1) {
    SCOPED_TRACE(testing::PrintToString(bytes));
    const size_t n = client->get("/");
    auto& r = service->expect("GET", "/");
    if (up_h2()) bytes[8] = char(r.id);
    service->raw(r, bytes);
    EXPECT_EQ(client->status(n), 502);
    EXPECT_TRUE(client->answer(n).end);
    EXPECT_TRUE(up_h2() || r.connection->peer->closed);
    EXPECT_EQ(hooks->causes.back().substr(0, 9), "upstream_");
    expect_alive();
  }
}

TEST_P(Proxy, AServiceThatEndsBeforeItsHeadIs502) {
  begin();
  for (bool reset : {false, true}) {
    const size_t n = client->post("/", "x");
    auto& r = service->expect("POST", "/");
    reset && !up_h2() ? r.connection->peer->reset() : service->cut(r);
    EXPECT_EQ(client->status(n), 502);
    EXPECT_TRUE(service->idle()) << "the request was acted upon, perhaps";
    EXPECT_EQ(hooks->outcomes.back().attempts, 1u);
  }
  expect_alive();
}

TEST_P(Proxy, ATruncatedAnswerCanBeTold) {
  begin();
  struct {
    const char* name;
    Headers headers;
  } const kRows[] = {{"length", {{"Content-Length", "10"}}}, {"open", {}}};
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.name);
    if (client->closed()) client = connect(down_h2());
    const size_t n = client->get("/");
    const size_t on_this = down_h2() ? n : 0;
    auto& r = service->expect("GET", "/");
    service->head(r, 200, row.headers);
    service->body(r, "abc");
    service->cut(r);
    const Incoming& a = client->answer(on_this);
    EXPECT_EQ(a.status, 200);
    EXPECT_EQ(a.body.text, "abc");
    EXPECT_TRUE(a.reset);
    EXPECT_FALSE(a.end);
    if (down_h2()) {
      EXPECT_NE(a.code, uint32_t(NGHTTP2_NO_ERROR));
    } else {
      EXPECT_TRUE(client->peer->eof || client->closed());
    }
    EXPECT_EQ(hooks->causes.back().substr(0, 10), "truncated:") << hooks->causes.back();
  }
  EXPECT_EQ(counter("responses_truncated_total"), 2u);
  expect_alive();
}

// HTTP/1.0 clients see the end of a body by the end of the connection only.
TEST_P(FromHttp1, ATruncatedAnswerToHttp10EndsInAReset) {
  begin();
  client->raw("GET / HTTP/1.0\r\nHost: a.example\r\n\r\n");
  auto& r = service->expect("GET", "/");
  service->head(r, 200);
  service->body(r, "abc");
  EXPECT_EQ(client->answer().body.text, "abc");
  service->cut(r);
  EXPECT_TRUE(client->closed());
  EXPECT_TRUE(client->peer->was_reset);
}

TEST_P(Proxy, AClientThatGivesUpItsUpload) {
  begin();
  for (bool gone : {false, true}) {
    if (client->closed() || gone) client = connect(down_h2());
    const size_t n = client->request({.method = "POST", .path = "/", .open = true});
    auto& r = service->expect("POST", "/");
    client->body(n, "part");
    EXPECT_EQ(r.body.text, "part");
    gone ? client->close() : client->reset(n);
    EXPECT_FALSE(r.end) << "no last chunk, no END_STREAM";
    EXPECT_TRUE(r.reset);
    EXPECT_TRUE(up_h2() || r.connection->peer->closed);
    EXPECT_EQ(hooks->causes.back().substr(0, 10), "downstream");
    EXPECT_EQ(hooks->outcomes.back().status, 0);
  }
  client = connect(down_h2());
  expect_alive();
}

TEST_P(Proxy, AClientThatLeavesDuringItsAnswer) {
  begin();
  client->get("/");
  auto& r = service->expect("GET", "/");
  service->head(r, 200);
  service->body(r, "part");
  client->reset(0);
  if (up_h2()) {
    EXPECT_TRUE(r.reset || r.code == NGHTTP2_CANCEL || r.connection->h2->streams[r.id].in->reset);
  } else {
    EXPECT_TRUE(r.connection->peer->closed);
  }
  EXPECT_EQ(hooks->causes.back().substr(0, 16), "downstream_reset");
  client = connect(down_h2());
  expect_alive();
}

// ---- again ------------------------------------------------------------------------------------------

TEST_P(Proxy, ARefusedConnectionIsTriedElsewhere) {
  network.refuse("10.0.0.2:80");
  begin_with(file(route("[\"" + to("10.0.0.1:80") + "\", \"" + to("10.0.0.2:80") + "\"]")));
  for (int i = 0; i < 4; ++i) {
    const size_t n = client->post("/" + std::to_string(i), "body");
    auto& r = service->expect("POST", "/" + std::to_string(i));
    EXPECT_EQ(r.body.text, "body");
    service->respond(r, 200, "");
    EXPECT_EQ(client->status(n), 200);
  }
  EXPECT_GT(network.service("10.0.0.2:80").attempts, 0u);
  EXPECT_EQ(counter("upstream_retries_total"), network.service("10.0.0.2:80").attempts);
}

TEST_P(Proxy, AllEndpointsRefuse) {
  network.refuse("10.0.0.1:80");
  network.refuse("10.0.0.2:80");
  start(file(route("[\"" + to("10.0.0.1:80") + "\", \"" + to("10.0.0.2:80") + "\"]", "name: shop")));
  client = connect(down_h2());
  client->get("/");
  EXPECT_EQ(client->status(), 503);
  EXPECT_NE(client->answer().body.text.find("route shop"), std::string::npos);
  EXPECT_EQ(causes(), "connect:ECONNREFUSED");
  EXPECT_EQ(hooks->outcomes[0].attempts, 2u);
}

TEST_P(Proxy, TheOnlyEndpointIsAskedOnce) {
  network.refuse("10.0.0.1:80");
  start(file(route(to("10.0.0.1:80"))));
  client = connect(down_h2());
  client->get("/");
  EXPECT_EQ(client->status(), 503);
  EXPECT_EQ(network.service("10.0.0.1:80").attempts, 1u);
}

// The pool's connection dies when the request reaches it.
TEST_P(Proxy, ADeadPooledConnectionIsReplacedWhereThatDoesNoHarm) {
  struct {
    const char* method;
    bool again;
  } const kRows[] = {{"GET", true}, {"DELETE", true}, {"POST", false}, {"PATCH", false}};
  begin();
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.method);
    expect_alive("/first");
    auto& pooled = service->connection(service->connections() - 1);
    pooled.peer->on_change = [](net::FakePeer& p) {
      if (!p.take().empty()) p.reset();
    };
    const size_t n = client->request({row.method, "/second"});
    if (row.again) {
      auto& r = service->expect(row.method, "/second");
      EXPECT_NE(r.connection, &pooled);
      service->respond(r, 200, "");
      EXPECT_EQ(client->status(n), 200);
      EXPECT_EQ(hooks->outcomes.back().attempts, 2u);
    } else {
      EXPECT_EQ(client->status(n), 502);
      EXPECT_TRUE(service->idle());
    }
  }
}

TEST_P(Proxy, ANewConnectionThatDiesIsNoReasonToRepeat) {
  begin();
  client->get("/");
  auto& r = service->expect("GET", "/");
  r.connection->peer->reset();
  EXPECT_EQ(client->status(), 502);
  EXPECT_TRUE(service->idle());
  EXPECT_EQ(counter("upstream_retries_total"), 0u);
}

TEST_P(ToHttp2, WhatTheServiceRefusedIsSentAgain) {
  begin();
  for (bool goaway : {false, true}) {
    SCOPED_TRACE(goaway);
    const size_t n = client->request({"POST", "/", {{"Content-Length", "0"}}});
    auto& r = service->expect("POST", "/");
    goaway ? service->goaway(r, 0) : service->cut(r, NGHTTP2_REFUSED_STREAM);
    auto& again = service->expect("POST", "/");
    EXPECT_EQ(again.connection != r.connection, true) << "a fresh connection";
    service->respond(again, 200, "");
    EXPECT_EQ(client->status(n), 200);
  }
  // What of the body is gone cannot be sent again.
  const size_t n = client->post("/", "body");
  service->cut(service->expect("POST", "/"), NGHTTP2_REFUSED_STREAM);
  EXPECT_EQ(client->status(n), 502);
  EXPECT_TRUE(service->idle());
}

// ---- connections ------------------------------------------------------------------------------------

TEST_P(Proxy, OneConnectionServesManyExchanges) {
  begin();
  for (int i = 0; i < 5; ++i) expect_alive();
  EXPECT_EQ(service->connections(), 1u);
  EXPECT_EQ(counter("downstream_connections_total"), 1u);
  EXPECT_EQ(counter("requests_total"), 5u);
  EXPECT_EQ(counter("responses_2xx_total"), 5u);
  EXPECT_EQ(hooks->opened, 1);
}

TEST_P(FromHttp2, ExchangesAtTheSameTime) {
  begin();
  for (int i = 0; i < 3; ++i) client->get("/" + std::to_string(i));
  for (int i = 0; i < 3; ++i) service->expect("GET", "/" + std::to_string(i));
  for (size_t i = 3; i-- > 0;) service->respond(service->requests[i], 200, std::to_string(i));
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(client->answer(i).body.text, std::to_string(i));
  EXPECT_EQ(service->connections(), up_h2() ? 1u : 3u);
  EXPECT_EQ(service->open(), up_h2() ? 1u : 3u) << "they stay for the next ones";
}

TEST_P(FromHttp1, PipelinedRequestsAreServedOneAfterTheOther) {
  begin();
  const std::string host = " HTTP/1.1\r\nHost: a.example\r\n";
  client->raw("GET /1" + host + "\r\nGET /2" + host + "Connection: close\r\n\r\nGET /3" + host + "\r\n", 2);
  auto& one = service->expect("GET", "/1");
  EXPECT_TRUE(service->idle()) << "the second waits for the first";
  service->respond(one, 200, "one");
  service->respond(service->expect("GET", "/2"), 200, "two");
  EXPECT_EQ(client->answer(0).body.text, "one");
  EXPECT_EQ(client->answer(1).body.text, "two");
  EXPECT_EQ(client->answer(1).header("connection"), "close");
  EXPECT_TRUE(service->idle()) << "nothing comes after a close";
  loop.advance(1000);
  EXPECT_TRUE(client->closed());
}

TEST_P(ToHttp1, ASurplusAnswerPoisonsNobody) {
  begin();
  const size_t n = client->get("/1");
  auto& r = service->expect("GET", "/1");
  service->raw(r, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\noneHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
  EXPECT_EQ(client->answer(n).body.text, "one");
  EXPECT_TRUE(r.connection->peer->closed);
  expect_alive();
  // And one that comes while the connection is idle.
  service->raw(service->requests.back(), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
  EXPECT_EQ(service->open(), 0u);
  expect_alive();
}

TEST_P(Proxy, BytesInAnySlicesAreTheSame) {
  begin();
  client->peer->limit_reads(1);
  client->post("/slices", "body");
  auto& r = service->expect("POST", "/slices");
  EXPECT_EQ(r.body.text, "body");
  r.connection->peer->limit_reads(1);
  client->peer->limit_writes(1);
  service->head(r, 200);
  service->body(r, "an");
  service->body(r, "swer");
  service->end(r, {{"x-t", "1"}});
  EXPECT_EQ(client->answer().body.text, "answer");
  EXPECT_EQ(value(client->answer().trailers, "x-t"), "1");
  EXPECT_TRUE(client->answer().end);
}

}  // namespace
}  // namespace cardea::test
