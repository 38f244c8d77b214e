// Backpressure over all four pairs of protocols: a slow side holds the other back, and little is held meanwhile.
#include "proxy_exchange.h"

namespace cardea::test {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr size_t kPiece = 64 * 1024;
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

}  // namespace
}  // namespace cardea::test
