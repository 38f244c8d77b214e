// HTTP/1.1 towards services: how requests are framed, how responses are read, when a connection serves again.
#include <gtest/gtest.h>

#include "h1_messages.h"
#include "h1_peer.h"

namespace cardea::http {
namespace {

using testing::ClientPeer;
using Response = ClientPeer::Response;

// ---- client: requests -----------------------------------------------------------------------------

struct SendRow {
  const char* name;
  Method method;
  const char* method_name;
  bool has_body;
  std::optional<uint64_t> length;
  const char* wire;
};
std::ostream& operator<<(std::ostream& o, const SendRow& r) {
  return o << r.name;
}
class Sends : public ::testing::TestWithParam<SendRow> {};
TEST_P(Sends, AreFramed) {
  const SendRow& row = GetParam();
  ClientPeer peer;
  Response r;
  RequestSender& s = peer.start(r);
  EXPECT_FALSE(s.anything_sent());
  s.send_head(*request(row.method, row.method_name, row.has_body, row.length));
  EXPECT_FALSE(s.anything_sent());
  if (row.has_body) {
    s.send_body("abc");
    s.send_end(nullptr);
  }
  peer.end_turn();
  EXPECT_TRUE(s.anything_sent());
  EXPECT_EQ(peer.out.wire, row.wire);
  peer.receive("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(peer.codec->capacity(), 1u);
}
INSTANTIATE_TEST_SUITE_P(
    Rows, Sends,
    ::testing::ValuesIn(std::vector<SendRow>{
        {"get", Method::get, "GET", false, {}, "GET /a?b HTTP/1.1\r\nHost: up.example:81\r\n\r\n"},
        {"get length zero", Method::get, "GET", false, 0,
         "GET /a?b HTTP/1.1\r\nHost: up.example:81\r\nContent-Length: 0\r\n\r\n"},
        {"post",
         Method::post,
         "POST",
         false,
         {},
         "POST /a?b HTTP/1.1\r\nHost: up.example:81\r\nContent-Length: 0\r\n\r\n"},
        {"length", Method::post, "POST", true, 3,
         "POST /a?b HTTP/1.1\r\nHost: up.example:81\r\nContent-Length: 3\r\n\r\nabc"},
        {"chunked",
         Method::other,
         "REPORT",
         true,
         {},
         "REPORT /a?b HTTP/1.1\r\nHost: up.example:81\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
        {"delete without body",
         Method::delete_,
         "DELETE",
         false,
         {},
         "DELETE /a?b HTTP/1.1\r\nHost: up.example:81\r\n\r\n"},
    }));

TEST(Client, OwnFieldsAreItsOwn) {
  ClientPeer peer;
  Response r;
  RequestPtr h = request(Method::post, "POST", true);
  for (Bytes name : {"Host", "Connection", "Transfer-Encoding", "Content-Length", "Upgrade", "TE", "Expect",
                     "Keep-Alive", "Proxy-Connection", "HTTP2-Settings"}) {
    h->fields.add(name, "evil");
  }
  h->fields.add("X-A", "b");
  h->expect_continue = h->te_trailers = true;
  peer.start(r).send_head(*h);
  peer.end_turn();
  EXPECT_EQ(peer.out.wire,
            "POST /a?b HTTP/1.1\r\nHost: up.example:81\r\nX-A: b\r\nTransfer-Encoding: chunked\r\nExpect: "
            "100-continue\r\nConnection: TE\r\nTE: trailers\r\n\r\n");
}

TEST(Client, RequestsThatCannotBeSentFail) {
  for (Bytes target : {"", "/a b", "/a\r\nX: y", "/\x7f"}) {
    ClientPeer peer;
    Response r;
    RequestPtr h = request(Method::get, "GET");
    h->target = target;
    peer.start(r).send_head(*h);
    EXPECT_EQ(r.resets, 0) << "never from inside a Sender's method";
    peer.end_turn();
    EXPECT_EQ(r.resets, 1);
    EXPECT_EQ(r.reset.cause, EndCause::internal);
    EXPECT_EQ(peer.out.wire, "");
  }
}

TEST(Client, SurplusBodyIsNeverTheNextRequest) {
  ClientPeer peer;
  Response r;
  RequestSender& s = peer.start(r);
  s.send_head(*request(Method::post, "POST", true, 2));
  s.send_body("okGET /evil HTTP/1.1\r\n\r\n");
  s.send_end(nullptr);
  peer.end_turn();
  EXPECT_EQ(peer.out.wire.substr(peer.out.wire.size() - 6), "\r\n\r\nok");
  peer.receive("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(r.ends, 1);
  EXPECT_FALSE(peer.codec->reusable());
}

TEST(Client, ShortBodyBreaksTheExchange) {
  ClientPeer peer;
  Response r;
  RequestSender& s = peer.start(r);
  s.send_head(*request(Method::post, "POST", true, 5));
  s.send_body("abc");
  peer.end_turn();
  s.send_end(nullptr);
  peer.end_turn();
  EXPECT_EQ(r.resets, 1);
  EXPECT_EQ(peer.closes, 1);
}

// Row 89.
TEST(Client, ResetRequestHasNoLastChunk) {
  ClientPeer peer;
  Response r;
  RequestSender& s = peer.start(r);
  s.send_head(*request(Method::post, "POST", true));
  s.send_body("abc");
  peer.end_turn();
  s.reset(EndCause::downstream_reset);
  s.release();
  peer.end_turn();
  EXPECT_EQ(peer.closes, 1);
  EXPECT_EQ(peer.out.wire.find("0\r\n\r\n"), std::string::npos);
  EXPECT_EQ(peer.codec->capacity(), 0u);
  EXPECT_EQ(r.resets, 0);
}

TEST(Client, RequestTakenBackBeforeItLeft) {
  ClientPeer peer;
  Response r;
  RequestSender& s = peer.start(r);
  EXPECT_EQ(peer.codec->capacity(), 0u);
  s.send_head(*request(Method::get, "GET"));
  s.release();
  peer.end_turn();
  EXPECT_EQ(peer.out.wire, "");
  EXPECT_EQ(peer.closes, 0);
  EXPECT_EQ(peer.codec->capacity(), 1u);
  EXPECT_EQ(peer.capacities, 1);
}

// ---- client: responses ----------------------------------------------------------------------------

TEST(Client, KeepsAliveAndDeliversInOrder) {
  ClientPeer peer;
  for (int i = 0; i < 3; ++i) {
    Response r;
    ASSERT_EQ(peer.codec->capacity(), 1u);
    peer.get(r, "/" + std::to_string(i));
    peer.receive("HTTP/1.1 200 OK\r\nX-I: " + std::to_string(i) + "\r\nContent-Length: 1\r\n\r\n" + std::to_string(i));
    EXPECT_EQ(r.canonical(), "200 {X-I: " + std::to_string(i) + "} length=1 body=" + std::to_string(i));
    EXPECT_EQ(r.ends, 1);
    EXPECT_EQ(peer.capacities, i + 1);
  }
  EXPECT_EQ(peer.closes, 0);
}

TEST(Client, CapacityComesBackOnlyWithRelease) {
  ClientPeer peer;
  Response r;
  r.release_at_end = false;
  peer.get(r);
  peer.receive("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(r.ends, 1);
  EXPECT_EQ(peer.codec->capacity(), 0u);
  r.sender->release();
  peer.end_turn();
  EXPECT_EQ(peer.codec->capacity(), 1u);
}

TEST(Client, UntilCloseBodies) {
  ClientPeer peer;
  Response r;
  peer.get(r);
  peer.receive("HTTP/1.0 200 OK\r\n\r\nabc");
  EXPECT_TRUE(r.head->has_body);
  EXPECT_EQ(r.ends, 0);
  peer.eof();
  EXPECT_EQ(r.ends, 1);
  EXPECT_EQ(r.body, "abc");
  EXPECT_EQ(peer.closes, 1);
  ClientPeer lost;
  Response l;
  lost.get(l);
  lost.receive("HTTP/1.0 200 OK\r\n\r\nabc");
  lost.codec->connection_lost({EndCause::upstream_reset, "ECONNRESET"});
  EXPECT_EQ(l.ends, 0);
  EXPECT_EQ(l.resets, 1) << "a reset is no end";
}

struct EofRow {
  const char* name;
  const char* wire;
  EndCause cause;
  const char* detail;
};
std::ostream& operator<<(std::ostream& o, const EofRow& r) {
  return o << r.name;
}
class Eofs : public ::testing::TestWithParam<EofRow> {};
TEST_P(Eofs, BreakTheResponse) {
  ClientPeer peer;
  Response r;
  peer.get(r);
  peer.receive(GetParam().wire);
  peer.eof();
  EXPECT_EQ(r.ends, 0);
  EXPECT_EQ(r.resets, 1);
  EXPECT_EQ(r.reset.cause, GetParam().cause);
  EXPECT_STREQ(r.reset.detail, GetParam().detail);
  EXPECT_EQ(peer.closes, 1);
}
INSTANTIATE_TEST_SUITE_P(
    Rows, Eofs,
    ::testing::ValuesIn(std::vector<EofRow>{
        {"nothing", "", EndCause::upstream_closed, ""},
        {"after 100", "HTTP/1.1 100 Continue\r\n\r\n", EndCause::upstream_closed, ""},
        {"in the head", "HTTP/1.1 200 OK\r\nContent-Le", EndCause::upstream_closed, "in_head"},
        {"in a body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", EndCause::upstream_reset, "truncated"},
        {"between chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
         EndCause::upstream_reset, "truncated"},
        {"before the trailers end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n",
         EndCause::upstream_reset, "truncated"},
    }));

TEST(Client, UnsolicitedBytesSpoilAnIdleConnection) {
  ClientPeer peer;
  peer.receive("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_FALSE(peer.codec->reusable());
  EXPECT_EQ(peer.codec->capacity(), 0u);
  EXPECT_EQ(peer.closes, 1);
  EXPECT_EQ(peer.capacities, 1);
}

TEST(Client, AnswerBeforeTheRequestIsNotItsAnswer) {
  ClientPeer peer;
  Response r;
  RequestSender& s = peer.start(r);
  s.send_head(*request(Method::get, "GET"));
  peer.codec->receive("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(r.resets, 1);
  EXPECT_STREQ(r.reset.detail, "unsolicited");
  EXPECT_FALSE(s.anything_sent()) << "so it may be sent elsewhere";
  EXPECT_EQ(peer.closes, 1);
}

TEST(Client, IdleEofEndsTheConnection) {
  ClientPeer peer;
  peer.eof();
  EXPECT_FALSE(peer.codec->reusable());
  EXPECT_EQ(peer.closes, 1);
}

// Row 154.
TEST(Client, EarlyAnswerIsRelayedAndTheConnectionEnds) {
  ClientPeer peer;
  Response r;
  r.release_at_end = false;
  RequestSender& s = peer.start(r);
  s.send_head(*request(Method::post, "POST", true));
  s.send_body("abc");
  peer.end_turn();
  peer.receive("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno");
  EXPECT_EQ(r.canonical(), "413 length=2 body=no");
  EXPECT_EQ(r.ends, 1);
  const size_t sent = peer.out.wire.size();
  s.send_body("def");
  s.send_end(nullptr);
  s.release();
  peer.end_turn();
  EXPECT_EQ(peer.out.wire.size(), sent) << "nobody reads the rest";
  EXPECT_FALSE(peer.codec->reusable());
  EXPECT_EQ(peer.closes, 1);
}

TEST(Client, BothDirectionsAtOnce) {
  ClientPeer peer;
  Response r;
  RequestSender& s = peer.start(r);
  s.send_head(*request(Method::post, "POST", true));
  s.send_body("a");
  peer.end_turn();
  peer.receive("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n");
  s.send_body("b");
  s.send_end(nullptr);
  peer.end_turn();
  EXPECT_NE(peer.out.wire.find("1\r\na\r\n1\r\nb\r\n0\r\n\r\n"), std::string::npos);
  peer.receive("1\r\nB\r\n0\r\n\r\n");
  EXPECT_EQ(r.body, "AB");
  EXPECT_EQ(r.ends, 1);
  EXPECT_FALSE(peer.codec->reusable());
}

TEST(Client, PauseAndPressure) {
  ClientPeer peer;
  Response r;
  RequestSender& s = peer.start(r);
  s.send_head(*request(Method::post, "POST", true, 200000));
  peer.end_turn();
  peer.out.blocked = true;
  s.send_body(peer.turn.add(std::string(40000, 'x')));
  EXPECT_EQ(r.blocked, 0);
  peer.end_turn();
  EXPECT_EQ(r.blocked, 1);
  peer.out.blocked = false;
  peer.out.ask();
  peer.end_turn();
  EXPECT_EQ(r.unblocked, 1);
  s.pause();
  peer.end_turn();
  EXPECT_FALSE(peer.codec->wants_read());
  s.resume();
  peer.end_turn();
  EXPECT_TRUE(peer.codec->wants_read());
  EXPECT_EQ(peer.reading_changes, 2);
}

TEST(Client, Drain) {
  ClientPeer idle;
  idle.codec->drain();
  idle.end_turn();
  EXPECT_EQ(idle.closes, 1);
  ClientPeer peer;
  Response r;
  peer.get(r);
  peer.codec->drain();
  peer.end_turn();
  EXPECT_EQ(peer.closes, 0);
  peer.receive("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(r.ends, 1);
  EXPECT_EQ(peer.closes, 1);
  EXPECT_EQ(peer.codec->capacity(), 0u);
}

TEST(Client, LostConnection) {
  ClientPeer peer;
  Response r;
  peer.get(r);
  peer.codec->connection_lost({EndCause::upstream_reset, "ECONNRESET"});
  EXPECT_EQ(r.resets, 1);
  EXPECT_TRUE(r.sender->anything_sent());
  EXPECT_EQ(peer.codec->capacity(), 0u);
  EXPECT_EQ(peer.closes, 0);
}

TEST(Client, OwnerMayLetGoInsideAnyCall) {
  ClientPeer peer;
  Response r;
  peer.get(r);
  r.on_head_told = [&] { r.sender->release(); };
  peer.receive("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(r.body, "");
  EXPECT_EQ(r.ends, 0);
  EXPECT_EQ(peer.closes, 1);
}

}  // namespace
}  // namespace cardea::http
