// HTTP/1.1 towards clients: how connections end, and what a slow client holds back.
#include <gtest/gtest.h>

#include "h1_messages.h"
#include "h1_peer.h"

namespace cardea::http {
namespace {

using testing::ServerPeer;
using Request = ServerPeer::Request;

// ---- server: ends ---------------------------------------------------------------------------------

TEST(Server, EofBetweenRequestsCloses) {
  ServerPeer peer;
  peer.eof();
  EXPECT_EQ(peer.closes, 1);
  EXPECT_EQ(peer.close.cause, EndCause::none);
}

TEST(Server, EofInAHead) {
  ServerPeer peer;
  peer.receive("GET / HT");
  peer.eof();
  EXPECT_EQ(peer.closes, 1);
  EXPECT_EQ(peer.close.cause, EndCause::downstream_closed);
  EXPECT_TRUE(peer.refused.empty() && peer.requests.empty());
}

TEST(Server, EofInABodyResets) {
  ServerPeer peer;
  peer.receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab");
  peer.eof();
  EXPECT_EQ(peer.requests[0].resets, 1);
  EXPECT_EQ(peer.requests[0].ends, 0);
  EXPECT_EQ(peer.requests[0].reset.cause, EndCause::downstream_closed);
  EXPECT_EQ(peer.closes, 1);
}

TEST(Server, HalfClosedClientGetsItsAnswers) {
  ServerPeer peer;
  peer.receive(kGet + kGet);
  peer.eof();
  EXPECT_EQ(peer.closes, 0);
  EXPECT_FALSE(peer.codec->wants_read());
  peer.answer(peer.requests[0], 200, "one");
  peer.end_turn();
  ASSERT_EQ(peer.requests.size(), 2u);
  peer.answer(peer.requests[1], 200, "two");
  peer.end_turn();
  EXPECT_EQ(count(peer.out.wire, "HTTP/1.1 200 OK"), 2u);
  EXPECT_EQ(peer.closes, 1);
}

TEST(Server, LostConnectionResetsOnce) {
  ServerPeer peer;
  peer.receive(kGet);
  peer.codec->connection_lost({EndCause::downstream_reset, "ECONNRESET"});
  EXPECT_EQ(peer.requests[0].resets, 1);
  peer.requests[0].sender->release();
  peer.codec->connection_lost({EndCause::downstream_reset, "ECONNRESET"});
  EXPECT_EQ(peer.requests[0].resets, 1);
  EXPECT_EQ(peer.closes, 0);
}

struct ResetRow {
  const char* name;
  const char* request;
  bool head, body;
  std::optional<uint64_t> length;
  const char* detail;
};
std::ostream& operator<<(std::ostream& o, const ResetRow& r) {
  return o << r.name;
}
class Resets : public ::testing::TestWithParam<ResetRow> {};
TEST_P(Resets, AreVisibleToTheClient) {
  for (bool by_release : {false, true}) {
    const ResetRow& row = GetParam();
    ServerPeer peer;
    peer.receive(row.request);
    Request& r = peer.requests[0];
    if (row.head) r.sender->send_head(*response(200, true, row.length));
    if (row.body) r.sender->send_body("abc");
    by_release ? r.sender->release() : r.sender->reset(EndCause::upstream_reset);
    r.sender->send_body("more");
    r.sender->send_end(nullptr);
    r.sender->release();
    peer.end_turn();
    EXPECT_EQ(peer.closes, 1);
    EXPECT_EQ(peer.close.cause, by_release ? EndCause::host_ended : EndCause::upstream_reset);
    EXPECT_STREQ(peer.close.detail, row.detail);
    EXPECT_EQ(peer.out.wire.find("more"), std::string::npos);
    EXPECT_EQ(peer.out.wire.find("0\r\n\r\n"), std::string::npos);
    EXPECT_EQ(r.resets, 0);
    EXPECT_EQ(peer.codec->active(), 0u);
  }
}
INSTANTIATE_TEST_SUITE_P(Rows, Resets,
                         ::testing::ValuesIn(std::vector<ResetRow>{
                             {"before the head", kGet11, false, false, {}, "reset"},
                             {"length", kGet11, true, true, 9, "reset"},
                             {"chunked", kGet11, true, true, {}, "reset"},
                             {"until close", kGet10, true, true, {}, "truncated"},
                         }));

TEST(Server, ResetKeepsEarlierAnswers) {
  ServerPeer peer;
  peer.out.blocked = true;
  peer.receive(kGet + kGet);
  peer.answer(peer.requests[0], 200, "first");
  peer.end_turn();
  ASSERT_EQ(peer.requests.size(), 2u);
  peer.requests[1].sender->reset(EndCause::upstream_reset);
  peer.out.blocked = false;
  peer.out.ask();
  peer.end_turn();
  EXPECT_NE(peer.out.wire.find("first"), std::string::npos);
}

TEST(Server, DrainWhenIdleCloses) {
  ServerPeer peer;
  peer.codec->drain();
  peer.end_turn();
  EXPECT_EQ(peer.closes, 1);
}

TEST(Server, DrainFinishesWhatThereIs) {
  ServerPeer peer;
  peer.receive(kGet);
  peer.codec->drain();
  peer.end_turn();
  EXPECT_EQ(peer.closes, 0);
  peer.answer(peer.requests[0], 200, "ok");
  peer.end_turn();
  EXPECT_NE(peer.out.wire.find("Connection: close\r\n"), std::string::npos);
  EXPECT_EQ(peer.closes, 1);
}

TEST(Server, DrainServesARequestWhoseHeadHasBegun) {
  ServerPeer peer;
  peer.receive("GET / HT");
  peer.codec->drain();
  peer.end_turn();
  EXPECT_EQ(peer.closes, 0);
  peer.receive("TP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_EQ(peer.requests.size(), 1u);
  peer.answer(peer.requests[0], 200, "ok");
  peer.end_turn();
  EXPECT_NE(peer.out.wire.find("Connection: close\r\n"), std::string::npos);
  EXPECT_EQ(peer.closes, 1);
}

// ---- server: pressure -----------------------------------------------------------------------------

TEST(Server, BackpressureSignals) {
  ServerPeer peer;
  peer.receive(kGet);
  Request& r = peer.requests[0];
  r.sender->send_head(*response(200, true));
  peer.out.blocked = true;
  const std::string block(10000, 'x');
  for (int i = 0; i < 3; ++i) {
    r.sender->send_body(peer.turn.add(block));
    peer.end_turn();
  }
  EXPECT_EQ(r.blocked, 0);
  r.sender->send_body(peer.turn.add(block));
  EXPECT_EQ(r.blocked, 0) << "never from inside a Sender's method";
  peer.end_turn();
  EXPECT_EQ(r.blocked, 1);
  r.sender->send_body(peer.turn.add(block));
  peer.end_turn();
  EXPECT_EQ(r.blocked, 1);
  peer.out.blocked = false;
  peer.out.stream_holds = 20000;
  peer.out.ask();
  peer.end_turn();
  EXPECT_EQ(r.unblocked, 0) << "what the stream holds counts";
  peer.out.stream_holds = 16000;
  peer.out.ask();
  peer.end_turn();
  EXPECT_EQ(r.unblocked, 1);
  r.sender->send_end(nullptr);
  r.sender->release();
  peer.end_turn();
  EXPECT_EQ(count(peer.out.wire, "2710\r\n"), 5u);
  EXPECT_EQ(count(peer.out.wire, block), 5u);
}

// Whatever the room, and whatever stays behind from turn to turn, the bytes come out once and in order.
TEST(Server, AnyRoomGivesTheSameBytes) {
  std::string expected;
  for (size_t room : {size_t(1) << 20, size_t(1), size_t(7), size_t(4096), size_t(5000)}) {
    ServerPeer peer;
    peer.receive(kGet);
    Request& r = peer.requests[0];
    r.sender->send_head(*response(200, true));
    peer.out.room = room;
    for (int i = 0; i < 60; ++i) {
      peer.out.blocked = i % 3 != 0;
      r.sender->send_body(peer.turn.add(std::string(size_t(1 + i * 37 % 900), char('a' + i % 26))));
      peer.end_turn();
    }
    r.sender->send_end(nullptr);
    r.sender->release();
    peer.out.blocked = false;
    peer.out.ask();
    peer.end_turn();
    if (expected.empty()) expected = peer.out.wire;
    EXPECT_EQ(peer.out.wire, expected) << room;
  }
}

}  // namespace
}  // namespace cardea::http
