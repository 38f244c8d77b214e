// What passes between client and service over all four pairs of protocols, and on which connections.
#include "proxy_exchange.h"

namespace cardea::test {
namespace {

INSTANTIATE_TEST_SUITE_P(Pairs, Proxy, testing::ValuesIn(kPairs), pair_name);
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
