// What goes wrong between client and service over all four pairs of protocols, and what is tried again.
#include "proxy_exchange.h"

namespace cardea::test {
namespace {

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

}  // namespace
}  // namespace cardea::test
