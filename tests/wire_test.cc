// Wire: one write a turn, backpressure, and every way in which a connection ends.
#include "wire/wire.h"

#include <gtest/gtest.h>

#include <optional>

#include "fake_net.h"

namespace cardea::wire {
namespace {

using http::End;
using http::EndCause;

// A codec that does what the test says and notes what it is told.
class ScriptedCodec final : public http::Codec {
 public:
  void receive(Bytes bytes) override {
    received.append(bytes);
    if (on_receive) on_receive();
  }
  void receive_eof() override { ++eofs; }
  void connection_lost(const End& end) override {
    ++losses;
    lost = end;
    if (on_lost) on_lost();
  }
  bool wants_read() const override { return reads; }
  void produce(http::Output& out, size_t room) override {
    ++produces;
    size_t n = std::min(room, pending.size());
    if (n == 0) return;
    // Two slices, as a head and a body would be.
    out.copy(Bytes(pending).substr(0, 1));
    sent = pending.substr(0, n);
    if (n > 1) out.borrow(Bytes(sent).substr(1));
    pending.erase(0, n);
  }
  void produced(size_t queued) override {
    ++produced_calls;
    last_queued = queued;
  }
  bool receiving_head() const override { return false; }
  size_t active() const override { return exchanges; }
  void drain() override {}
  http::Protocol protocol() const override { return http::Protocol::http11; }

  std::string received, pending, sent;
  std::function<void()> on_receive, on_lost;
  End lost;
  size_t eofs = 0, losses = 0, produces = 0, produced_calls = 0, last_queued = 0, exchanges = 1;
  bool reads = true;
};

class WireTest : public testing::Test, public Wire::Owner {
 protected:
  void make(Side side, bool with_codec = true) {
    auto [stream, far] = network.stream();
    peer = far;
    wire.emplace(loop, std::move(stream), *this, 64 * 1024, side);
    if (!with_codec) return;
    auto owned = std::make_unique<ScriptedCodec>();
    codec = owned.get();
    net::Loop::Turn turn(loop);
    wire->set_codec(std::move(owned));
  }
  template <class Fn>
  void turn(Fn fn) {
    {
      net::Loop::Turn t(loop);
      fn();
    }
    loop.run();
  }
  void say(std::string bytes) {
    turn([&] {
      codec->pending += bytes;
      wire->request_flush();
    });
  }
  void on_received() override { ++receipts; }
  void on_closed(const End& e) override {
    ++closes;
    end = e;
    wire->release_stream();
  }

  net::FakeLoop loop;
  net::FakeNetwork network{loop};
  std::shared_ptr<net::FakePeer> peer;
  std::optional<Wire> wire;
  ScriptedCodec* codec = nullptr;
  size_t receipts = 0, closes = 0;
  End end;
};

TEST_F(WireTest, GathersATurnIntoOneWrite) {
  make(Side::downstream);
  turn([&] {
    codec->pending = "hello ";
    wire->request_flush();
    codec->pending += "world";
    wire->request_flush();
  });
  EXPECT_EQ(peer->received, "hello world");
  EXPECT_EQ(peer->writes, 1u);
  EXPECT_EQ(wire->bytes_written(), 11u);
}

TEST_F(WireTest, ReadsOnlyWhileTheCodecWantsTo) {
  make(Side::downstream);
  peer->send("one");
  loop.run();
  EXPECT_EQ(codec->received, "one");
  EXPECT_EQ(receipts, 1u);
  codec->reads = false;
  turn([&] { wire->reading_changed(); });
  peer->send("two");
  loop.run();
  EXPECT_EQ(codec->received, "one");
  codec->reads = true;
  turn([&] { wire->reading_changed(); });
  EXPECT_EQ(codec->received, "onetwo");
  EXPECT_EQ(wire->bytes_read(), 6u);
}

TEST_F(WireTest, MoreThanOneRoomGoesOutInOneTurn) {
  make(Side::downstream);
  std::string large(1000 * 1000, 'x');
  say(large);
  EXPECT_EQ(peer->received.size(), large.size());
}

TEST_F(WireTest, SlowPeerBoundsWhatIsQueued) {
  make(Side::downstream);
  peer->hold_writes();
  say(std::string(1000 * 1000, 'x'));
  size_t queued = peer->queued();
  EXPECT_GE(queued, 64u * 1024);
  EXPECT_LE(queued, 256u * 1024);
  size_t produces = codec->produces, told = codec->produced_calls;
  // Nothing is asked for, yet the codec must hear of the turn's end to keep what it borrowed.
  turn([&] { wire->request_flush(); });
  EXPECT_EQ(codec->produces, produces);
  EXPECT_EQ(codec->produced_calls, told + 1);
  EXPECT_EQ(codec->last_queued, queued);
  peer->release_writes();
  loop.run();
  EXPECT_EQ(peer->received.size(), 1000u * 1000);
  EXPECT_EQ(codec->last_queued, 0u);
}

TEST_F(WireTest, DownstreamCloseSendsEverythingThenLingers) {
  make(Side::downstream);
  turn([&] {
    codec->pending = "answer";
    wire->request_close({EndCause::bad_request, "rule"});
  });
  EXPECT_EQ(peer->received, "answer");
  EXPECT_TRUE(peer->eof);
  EXPECT_FALSE(peer->closed);
  EXPECT_EQ(closes, 0u);
  peer->send("still sending");
  loop.advance(500);
  EXPECT_EQ(codec->received, "");
  EXPECT_EQ(peer->unread(), 0u);  // read and dropped
  EXPECT_FALSE(peer->closed);
  loop.advance(500);
  EXPECT_TRUE(peer->closed);
  EXPECT_EQ(closes, 1u);
  EXPECT_EQ(codec->losses, 1u);
  EXPECT_EQ(end.cause, EndCause::bad_request);
}

TEST_F(WireTest, LingeringEndsWithThePeersFin) {
  make(Side::downstream);
  turn([&] { wire->request_close({}); });
  EXPECT_FALSE(peer->closed);
  peer->send_eof();
  loop.run();
  EXPECT_TRUE(peer->closed);
  EXPECT_EQ(closes, 1u);
}

TEST_F(WireTest, HalfClosedPeerGetsItsAnswerAndNoLinger) {
  make(Side::downstream);
  peer->send_eof();
  loop.run();
  EXPECT_EQ(codec->eofs, 1u);
  EXPECT_EQ(closes, 0u);
  turn([&] {
    codec->pending = "late answer";
    wire->request_close({});
  });
  EXPECT_EQ(peer->received, "late answer");
  EXPECT_TRUE(peer->closed);
}

TEST_F(WireTest, EofWithoutExchangesCloses) {
  make(Side::upstream);
  codec->exchanges = 0;
  peer->send_eof();
  loop.run();
  EXPECT_EQ(closes, 1u);
  EXPECT_EQ(end.cause, EndCause::upstream_closed);
  EXPECT_TRUE(peer->closed);
}

TEST_F(WireTest, UpstreamCloseWaitsForNobody) {
  make(Side::upstream);
  peer->hold_writes();
  say(std::string(500 * 1000, 'x'));
  turn([&] { wire->request_close({EndCause::upstream_reset, ""}); });
  EXPECT_TRUE(peer->closed);
  EXPECT_EQ(closes, 1u);
}

TEST_F(WireTest, ClosingGivesUpOnAPeerThatTakesNothing) {
  make(Side::downstream);
  peer->hold_writes();
  turn([&] {
    codec->pending = std::string(100, 'x');
    wire->request_close({});
  });
  loop.advance(9'000);
  EXPECT_FALSE(peer->closed);
  loop.advance(11'000);
  EXPECT_TRUE(peer->closed);
  EXPECT_EQ(closes, 1u);
}

TEST_F(WireTest, ClosingWaitsForAPeerThatIsSlow) {
  make(Side::downstream);
  peer->hold_writes();
  turn([&] {
    codec->pending = std::string(300 * 1000, 'x');
    wire->request_close({});
  });
  loop.advance(9'000);
  peer->release_writes();
  loop.run();
  EXPECT_EQ(peer->received.size(), 300u * 1000);
  EXPECT_TRUE(peer->eof);
  EXPECT_FALSE(peer->was_reset);
  loop.advance(1'000);
  EXPECT_EQ(closes, 1u);
}

TEST_F(WireTest, TruncatedEndsAbruptly) {
  for (Side side : {Side::downstream, Side::upstream}) {
    make(side);
    closes = 0;
    turn([&] {
      codec->pending = "half of it";
      wire->request_close({EndCause::upstream_reset, "truncated"});
    });
    EXPECT_EQ(peer->received, "half of it");
    EXPECT_TRUE(peer->was_reset);
    EXPECT_FALSE(peer->eof);
    EXPECT_EQ(closes, 1u);
  }
}

TEST_F(WireTest, ShutdownKeepsReading) {
  make(Side::downstream);
  turn([&] {
    codec->pending = "last words";
    wire->request_shutdown();
  });
  EXPECT_EQ(peer->received, "last words");
  EXPECT_TRUE(peer->eof);
  EXPECT_FALSE(peer->closed);
  peer->send("reply");
  loop.run();
  EXPECT_EQ(codec->received, "reply");
  turn([&] { wire->close_now({}); });
  EXPECT_EQ(closes, 1u);
}

TEST_F(WireTest, CloseNowInsideTheCodecWaitsForItsReturn) {
  make(Side::downstream);
  bool inside = false;
  codec->on_receive = [&] {
    inside = true;
    wire->close_now({EndCause::host_ended, ""});
    EXPECT_EQ(codec->losses, 0u);
    EXPECT_EQ(closes, 0u);
    EXPECT_TRUE(wire->closing());
    inside = false;
  };
  codec->on_lost = [&] { EXPECT_FALSE(inside); };
  peer->send("x");
  loop.run();
  EXPECT_EQ(codec->losses, 1u);
  EXPECT_EQ(closes, 1u);
  EXPECT_EQ(receipts, 0u);
  EXPECT_EQ(end.cause, EndCause::host_ended);
}

TEST_F(WireTest, ErrorsEndOnceWhateverComesAfter) {
  struct Row {
    Side side;
    EndCause cause;
  };
  for (Row row : {Row{Side::downstream, EndCause::downstream_reset}, Row{Side::upstream, EndCause::upstream_reset}}) {
    make(row.side);
    closes = 0;
    codec->on_lost = [&] {
      wire->request_close({EndCause::internal, ""});
      wire->close_now({EndCause::internal, ""});
      wire->request_flush();
      wire->reading_changed();
    };
    peer->reset();
    loop.run();
    EXPECT_EQ(closes, 1u);
    EXPECT_EQ(codec->losses, 1u);
    EXPECT_EQ(end.cause, row.cause);
    EXPECT_EQ(codec->lost.cause, row.cause);
    turn([&] {
      wire->close_now({});
      wire->request_close({});
      codec->pending = "never";
      wire->request_flush();
    });
    EXPECT_EQ(closes, 1u);
    EXPECT_EQ(peer->received, "");
  }
}

TEST_F(WireTest, ErrorWhileClosingKeepsTheReason) {
  make(Side::downstream);
  peer->hold_writes();
  turn([&] {
    codec->pending = "x";
    wire->request_close({EndCause::bad_request, "rule"});
  });
  peer->reset();
  loop.run();
  EXPECT_EQ(closes, 1u);
  EXPECT_EQ(end.cause, EndCause::bad_request);
}

TEST_F(WireTest, ClosesBeforeThereIsACodec) {
  make(Side::downstream, false);
  turn([&] { wire->request_close({EndCause::client_timeout, "handshake"}); });
  EXPECT_EQ(closes, 1u);
  EXPECT_TRUE(peer->closed);
}

TEST_F(WireTest, DestructionIsSilent) {
  make(Side::downstream);
  say("bytes");
  turn([&] {
    wire->request_flush();
    wire.reset();
  });
  EXPECT_EQ(closes, 0u);
  EXPECT_TRUE(peer->closed);
}

}  // namespace
}  // namespace cardea::wire
