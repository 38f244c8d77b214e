// Endpoints without a protocol: what comes and goes on their connections, and that none is ever pooled.
#include <gtest/gtest.h>

#include <cerrno>

#include "cluster_fixture.h"

namespace cardea::cluster {
namespace {

class TcpUpstream : public ClusterTest {
 protected:
  TcpUpstream() {
    to("10.0.0.1", 22, Scheme::tcp);
    make();
  }
  Exchange& open() {
    exchanges.push_back(std::make_unique<Exchange>());
    Exchange& x = *exchanges.back();
    x.release_at_end = false;
    x.send = false;
    x.when_ready = [&x] { x.attempt.sender()->send_head(*http::make_request()); };
    turn([&] { x.attempt.start(*cluster, {}); });
    return x;
  }
  void send(Exchange& x, Bytes bytes) {
    turn([&] { x.attempt.sender()->send_body(bytes); });
  }
  void end(Exchange& x) {
    turn([&] { x.attempt.sender()->send_end(nullptr); });
  }
};

TEST_F(TcpUpstream, BytesPassRaw) {
  auto& service = network.serve("10.0.0.1:22");
  Exchange& x = open();
  EXPECT_EQ(x.seen(), "ready");
  EXPECT_EQ(x.status, 200) << "as soon as there is a connection";
  auto peer = service.last();
  EXPECT_EQ(peer->received, "") << "no head is sent";
  EXPECT_FALSE(x.attempt.sender()->anything_sent());
  send(x, "GET / HTTP/1.1\r\n\n");
  send(x, std::string("\0\xff", 2));
  EXPECT_EQ(peer->received, std::string("GET / HTTP/1.1\r\n\n\0\xff", 19));
  EXPECT_TRUE(x.attempt.sender()->anything_sent());
  peer->send_bytewise("SSH-2.0\r\n");
  loop.run();
  EXPECT_EQ(x.body, "SSH-2.0\r\n");
  EXPECT_FALSE(peer->eof);
  cancel(x);
  EXPECT_TRUE(peer->closed && peer->was_reset) << "an open tunnel must not look finished";
  EXPECT_EQ(stats().connections, 0u);
}

TEST_F(TcpUpstream, AServiceMaySpeakFirst) {
  auto& service = network.serve("10.0.0.1:22");
  network.delay("10.0.0.1:22", 50);
  Exchange& x = open();
  EXPECT_EQ(x.seen(), "waits");
  loop.advance(50);
  service.last()->send("banner");
  loop.run();
  EXPECT_EQ(x.status, 200);
  EXPECT_EQ(x.body, "banner");
}

TEST_F(TcpUpstream, HalfCloseBothWays) {
  for (bool ours_first : {true, false}) {
    auto& service = network.serve("10.0.0.1:22");
    Exchange& x = open();
    auto peer = service.last();
    if (ours_first) {
      send(x, "ask");
      end(x);
      EXPECT_EQ(peer->received, "ask");
      EXPECT_TRUE(peer->eof);
      EXPECT_FALSE(peer->closed);
      peer->send("answer");
      peer->send_eof();
    } else {
      peer->send("answer");
      peer->send_eof();
      loop.run();
      EXPECT_TRUE(x.complete);
      EXPECT_FALSE(peer->eof);
      send(x, "still");
      EXPECT_EQ(peer->received, "still");
      end(x);
    }
    loop.run();
    EXPECT_EQ(x.body, "answer");
    EXPECT_TRUE(x.complete);
    EXPECT_EQ(x.resets, 0);
    EXPECT_TRUE(peer->closed);
    EXPECT_FALSE(peer->was_reset);
    cancel(x);
    EXPECT_EQ(stats().connections, 0u);
  }
}

TEST_F(TcpUpstream, ResetsPassBothWays) {
  auto& service = network.serve("10.0.0.1:22");
  Exchange& x = open();
  send(x, "half");
  service.last()->reset();
  loop.run();
  EXPECT_EQ(x.resets, 1);
  EXPECT_EQ(x.end.cause, EndCause::upstream_reset);
  cancel(x);
  Exchange& y = open();
  turn([&] { y.attempt.sender()->reset(EndCause::downstream_reset); });
  EXPECT_TRUE(service.last()->was_reset);
  EXPECT_EQ(y.resets, 0);
  cancel(y);
}

TEST_F(TcpUpstream, FinishThenReset) {
  auto& service = network.serve("10.0.0.1:22");
  Exchange& x = open();
  turn([&] {
    x.attempt.sender()->send_body("promised");
    x.attempt.sender()->finish_then_reset(EndCause::revoked);
    x.attempt.sender()->send_body("not any more");
  });
  EXPECT_EQ(service.last()->received, "promised");
  EXPECT_TRUE(service.last()->closed);
  EXPECT_EQ(x.resets + x.complete, 0);
  cancel(x);
}

TEST_F(TcpUpstream, PauseKeepsBytesBelow) {
  auto& service = network.serve("10.0.0.1:22");
  Exchange& x = open();
  turn([&] { x.attempt.sender()->pause(); });
  service.last()->send("later");
  service.last()->send_eof();
  loop.run();
  EXPECT_EQ(x.body, "");
  EXPECT_FALSE(x.complete);
  turn([&] { x.attempt.sender()->resume(); });
  EXPECT_EQ(x.body, "later");
  EXPECT_TRUE(x.complete);
}

TEST_F(TcpUpstream, EveryExchangeHasItsConnection) {
  auto& service = network.serve("10.0.0.1:22");
  for (int i = 1; i <= 3; ++i) {
    Exchange& x = open();
    EXPECT_FALSE(x.attempt.reused());
    service.last()->send_eof();
    loop.run();
    end(x);
    cancel(x);
    EXPECT_EQ(service.attempts, size_t(i));
    EXPECT_EQ(stats().connections, 0u);
  }
  Exchange &a = open(), &b = open();
  EXPECT_EQ(service.attempts, 5u);
  EXPECT_NE(service.connections[3], service.connections[4]);
  EXPECT_EQ(a.seen() + b.seen(), "readyready");
}

TEST_F(TcpUpstream, AConnectionThatNobodyWantsAnyMoreIsNotKept) {
  auto& service = network.serve("10.0.0.1:22");
  network.delay("10.0.0.1:22", 50);
  Exchange& x = open();
  cancel(x);
  loop.advance(50);
  EXPECT_EQ(stats().idle, 0u);
  EXPECT_EQ(stats().connections, 0u);
  EXPECT_EQ(service.attempts, 1u);
}

TEST_F(TcpUpstream, ConnectErrorsAreThoseOfHttp) {
  network.refuse("10.0.0.1:22", ECONNREFUSED);
  EXPECT_EQ(open().seen(), "connect_failed:ECONNREFUSED");
  network.delay("10.0.0.1:22", 60'000);
  Exchange& x = open();
  loop.advance(10'000);
  EXPECT_EQ(x.seen(), "connect_timeout:tcp");
}

TEST_F(TcpUpstream, ClosesWhenItsExchangesEnd) {
  auto& service = network.serve("10.0.0.1:22");
  Exchange& x = open();
  bool done = false;
  turn([&] { cluster->close_when_idle([&] { done = true; }); });
  send(x, "goes on");
  EXPECT_EQ(service.last()->received, "goes on");
  EXPECT_FALSE(done);
  cancel(x);
  loop.run();
  EXPECT_TRUE(done);
}

}  // namespace
}  // namespace cardea::cluster
