// Pools of HTTP/2 connections: sharing, capacity, GOAWAY, learning the protocol.
#include <gtest/gtest.h>

#include <set>

#include "cluster_fixture.h"

namespace cardea::cluster {
namespace {

// ---- HTTP/2 -----------------------------------------------------------------------------------------

// Just enough of a service's side of HTTP/2: frames in, frames out.
struct H2Peer {
  explicit H2Peer(std::shared_ptr<net::FakePeer> peer) : peer(std::move(peer)) {}
  static std::string frame(uint8_t type, uint8_t flags, uint32_t stream, const std::string& payload) {
    std::string f;
    for (int shift : {16, 8, 0}) f += char(payload.size() >> shift & 0xff);
    f += char(type);
    f += char(flags);
    for (int shift : {24, 16, 8, 0}) f += char(stream >> shift & 0xff);
    return f + payload;
  }
  static std::string u32(uint32_t v) {
    std::string s;
    for (int shift : {24, 16, 8, 0}) s += char(v >> shift & 0xff);
    return s;
  }
  void settings(uint32_t max_streams) { peer->send(frame(4, 0, 0, std::string("\0\3", 2) + u32(max_streams))); }
  void ok(uint32_t stream) { peer->send(frame(1, 5, stream, "\x88")); }  // HEADERS: END_STREAM, END_HEADERS
  void goaway(uint32_t last) { peer->send(frame(7, 0, 0, u32(last) + u32(0))); }
  // Streams on which a request head has come, and types of all frames.
  void read() {
    std::string& in = peer->received;
    if (!preface && in.size() >= 24) {
      EXPECT_EQ(in.substr(0, 24), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
      preface = true;
      in.erase(0, 24);
    }
    while (preface && in.size() >= 9) {
      auto byte = [&](size_t i) { return uint32_t(uint8_t(in[i])); };
      size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
      if (in.size() < 9 + size) return;
      uint32_t stream = byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8);
      if (byte(3) == 1) requests.push_back(stream);
      types.insert(int(byte(3)));
      in.erase(0, 9 + size);
    }
  }
  std::shared_ptr<net::FakePeer> peer;
  std::vector<uint32_t> requests;
  std::set<int> types;
  bool preface = false;
};

class Http2Test : public ClusterTest {
 protected:
  void make_h2c() {
    to("10.0.0.1", 80, Scheme::h2c);
    service = &network.serve("10.0.0.1:80");
    make();
  }
  net::FakeService* service = nullptr;
};

TEST_F(Http2Test, ExchangesShareOneConnection) {
  make_h2c();
  network.delay("10.0.0.1:80", 100);
  turn([&] {
    for (int i = 0; i < 50; ++i) begin();
  });
  EXPECT_EQ(service->attempts, 1u);
  loop.advance(100);
  H2Peer h2(service->last());
  h2.settings(100);
  for (auto& x : exchanges) ASSERT_EQ(x->seen(), "ready");
  EXPECT_EQ(exchanges[0]->attempt.protocol(), http::Protocol::http2);
  EXPECT_FALSE(exchanges[49]->attempt.reused());
  EXPECT_EQ(exchanges[49]->attempt.connect_ms(), 100u);
  h2.read();
  EXPECT_EQ(h2.requests.size(), 50u);
  for (uint32_t s : h2.requests) h2.ok(s);
  loop.run();
  for (auto& x : exchanges) ASSERT_EQ(x->status, 200);
  EXPECT_EQ(stats().idle, 1u);
  Exchange& more = get();
  EXPECT_TRUE(more.attempt.reused());
  EXPECT_EQ(service->attempts, 1u);
}

TEST_F(Http2Test, PeersLimitOpensAnotherConnection) {
  make_h2c();
  Exchange& a = get();
  H2Peer first(service->last());
  first.settings(2);
  loop.run();
  Exchange& b = get();
  EXPECT_EQ(service->attempts, 1u);
  network.delay("10.0.0.1:80", 100);
  Exchange& c = get();
  EXPECT_EQ(c.seen(), "waits");
  EXPECT_EQ(service->attempts, 2u);
  // Room on the first connection comes before the second one opens.
  first.read();
  first.ok(first.requests[0]);
  loop.run();
  EXPECT_EQ(a.status, 200);
  EXPECT_EQ(c.seen(), "ready");
  EXPECT_TRUE(c.attempt.reused());
  loop.advance(100);
  EXPECT_EQ(stats().connections, 2u);
  EXPECT_EQ(b.seen(), "ready");
}

TEST_F(Http2Test, GoawayFinishesAndTakesNothingNew) {
  make_h2c();
  Exchange& a = get();
  H2Peer first(service->last());
  first.settings(100);
  first.goaway(1);
  loop.run();
  Exchange& b = get();
  EXPECT_EQ(service->attempts, 2u);
  EXPECT_EQ(b.seen(), "ready");
  EXPECT_FALSE(first.peer->closed);
  first.read();
  first.ok(1);
  loop.run();
  EXPECT_EQ(a.status, 200);
  EXPECT_TRUE(first.peer->closed);
  EXPECT_EQ(stats().connections, 1u);
}

TEST_F(Http2Test, GoawayRefusesLaterStreams) {
  make_h2c();
  Exchange &a = get(), &b = get();
  H2Peer first(service->last());
  first.settings(100);
  first.goaway(1);
  loop.run();
  EXPECT_EQ(a.resets, 0);
  EXPECT_EQ(b.resets, 1);
  EXPECT_STREQ(b.end.detail, "refused_stream");
  cancel(b);
}

TEST_F(Http2Test, NextRequestFromInsideTheAnswerWaitsForTheCodec) {
  make_h2c();
  Exchange& a = get();
  H2Peer h2(service->last());
  h2.settings(100);
  loop.run();
  Exchange b;
  a.when_ended = [&] {
    b.attempt.start(*cluster, {});
    EXPECT_EQ(b.readies, 0);
  };
  h2.ok(1);
  loop.run();
  EXPECT_TRUE(a.complete);
  EXPECT_EQ(b.readies, 1);
  EXPECT_EQ(service->attempts, 1u);
  cancel(b);
}

TEST_F(Http2Test, IdleConnectionTimesOut) {
  config.idle_timeout = 10'000;
  make_h2c();
  Exchange& a = get();
  H2Peer h2(service->last());
  h2.settings(100);
  h2.read();
  h2.ok(1);
  loop.run();
  EXPECT_TRUE(a.complete);
  loop.advance(9'999);
  EXPECT_FALSE(h2.peer->closed);
  loop.advance(1);
  EXPECT_TRUE(h2.peer->closed);
}

TEST_F(Http2Test, UnknownProtocolOpensOneConnectionAndLearnsHttp2) {
  to_tls();
  auto& service = network.serve("10.0.0.1:443");
  make();
  turn([&] {
    for (int i = 0; i < 10; ++i) begin();
  });
  EXPECT_EQ(service.attempts, 1u);
  service.last()->send("open h2");
  loop.run();
  EXPECT_EQ(service.attempts, 1u);
  for (auto& x : exchanges) EXPECT_EQ(x->seen(), "ready");
}

TEST_F(Http2Test, UnknownProtocolOpensOneConnectionAndLearnsHttp1) {
  to_tls();
  auto& service = network.serve("10.0.0.1:443");
  make();
  turn([&] {
    for (int i = 0; i < 4; ++i) begin();
  });
  EXPECT_EQ(service.attempts, 1u);
  service.last()->send("open http/1.1");
  loop.run();
  EXPECT_EQ(service.attempts, 4u);
  EXPECT_EQ(stats().pending, 3u);
  for (size_t i = 1; i < 4; ++i) service.connections[i]->send("open http/1.1");
  loop.run();
  for (auto& x : exchanges) EXPECT_EQ(x->seen(), "ready");
  // What was learned stays.
  exchanges.clear();
  loop.run();
  turn([&] {
    begin();
    begin();
  });
  EXPECT_EQ(service.attempts, 6u);
}

TEST_F(Http2Test, WithoutAnOfferHttpsIsHttp1) {
  to_tls();
  config.tls_options.alpn = {"http/1.1"};
  auto& service = network.serve("10.0.0.1:443");
  make();
  turn([&] {
    begin();
    begin();
  });
  EXPECT_EQ(service.attempts, 2u);
}

TEST_F(Http2Test, FailedConnectFailsAllThatWaitedForIt) {
  make_h2c();
  network.refuse("10.0.0.1:80");
  turn([&] {
    for (int i = 0; i < 5; ++i) begin();
  });
  for (auto& x : exchanges) EXPECT_EQ(x->seen(), "connect_failed:ECONNREFUSED");
  EXPECT_EQ(service->attempts, 1u);
}

}  // namespace
}  // namespace cardea::cluster
