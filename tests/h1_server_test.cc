// HTTP/1.1 towards clients: how answers are framed, in which order requests are served, how bodies arrive.
#include <gtest/gtest.h>

#include "h1_messages.h"
#include "h1_peer.h"

namespace cardea::http {
namespace {

using testing::ServerPeer;
using Request = ServerPeer::Request;

// ---- server: answers ------------------------------------------------------------------------------

TEST(Server, DeliversAndAnswers) {
  ServerPeer peer;
  peer.receive("GET /x?y HTTP/1.1\r\nHOST: A.example:8\r\nX-MiXed: v \r\ncookie: a\r\n\r\n");
  ASSERT_EQ(peer.requests.size(), 1u);
  Request& r = peer.requests[0];
  EXPECT_EQ(r.canonical(), "GET A.example:8 /x?y {X-MiXed: v; cookie: a}");
  EXPECT_EQ(r.ends, 1);
  EXPECT_EQ(r.head->method, Method::get);
  EXPECT_EQ(r.head->protocol, Protocol::http11);
  EXPECT_EQ(r.head->scheme, "http");
  EXPECT_FALSE(r.head->has_body);
  EXPECT_EQ(peer.codec->active(), 1u);
  ResponsePtr h = response(200, true, 2);
  h->fields.add("X-A", "b");
  h->fields.add("Connection", "x");
  h->fields.add("Transfer-Encoding", "gzip");
  h->fields.add("Content-Length", "7");
  r.sender->send_head(*h);
  r.sender->send_body("ok");
  r.sender->send_end(nullptr);
  r.sender->release();
  peer.end_turn();
  EXPECT_EQ(peer.out.wire, "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(peer.codec->active(), 0u);
  EXPECT_EQ(peer.idles, 1);
  EXPECT_EQ(peer.closes, 0);
  EXPECT_TRUE(peer.codec->wants_read());
}

struct AnswerRow {
  const char* name;
  const char* request;
  uint16_t status;
  bool has_body;
  std::optional<uint64_t> length;
  const char* body;
  const char* wire;
  bool closes;
};
std::ostream& operator<<(std::ostream& o, const AnswerRow& r) {
  return o << r.name;
}
class Answers : public ::testing::TestWithParam<AnswerRow> {};
TEST_P(Answers, AreFramed) {
  const AnswerRow& row = GetParam();
  ServerPeer peer;
  peer.receive(row.request);
  ASSERT_EQ(peer.requests.size(), 1u);
  Request& r = peer.requests[0];
  r.sender->send_head(*response(row.status, row.has_body, row.length));
  r.sender->send_body(row.body);
  r.sender->send_end(nullptr);
  r.sender->release();
  peer.end_turn();
  EXPECT_EQ(peer.out.wire, row.wire);
  EXPECT_EQ(peer.closes, row.closes ? 1 : 0);
}
INSTANTIATE_TEST_SUITE_P(
    Rows, Answers,
    ::testing::ValuesIn(std::vector<AnswerRow>{
        {"length", kGet11, 200, true, 3, "abc", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false},
        {"chunked",
         kGet11,
         200,
         true,
         {},
         "abcdefghijklmnopq",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11\r\nabcdefghijklmnopq\r\n0\r\n\r\n",
         false},
        {"empty chunked",
         kGet11,
         200,
         true,
         {},
         "",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         false},
        {"no body", kGet11, 404, false, {}, "", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", false},
        {"unknown status", kGet11, 299, false, {}, "", "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n", false},
        {"204", kGet11, 204, true, 5, "abcde", "HTTP/1.1 204 No Content\r\n\r\n", false},
        {"304", kGet11, 304, false, 5, "abcde", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false},
        {"head", kHead, 200, false, 5, "abcde", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false},
        {"head with a body offered", kHead, 200, true, {}, "abcde", "HTTP/1.1 200 OK\r\n\r\n", false},
        {"1.0 length", kGet10, 200, true, 1, "a", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\na",
         true},
        {"1.0 until close", kGet10, 200, true, {}, "a", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\na", true},
        {"1.0 keep-alive", kGet10Keep, 200, true, 1, "a",
         "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\na", false},
        {"1.0 keep-alive until close",
         kGet10Keep,
         200,
         true,
         {},
         "a",
         "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\na",
         true},
        {"close",
         "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n",
         200,
         false,
         {},
         "",
         "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
         true},
        {"more than announced", kGet11, 200, true, 2, "abc", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", true},
        {"less than announced", kGet11, 200, true, 4, "abc", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", true},
        {"announced but without body", kGet11, 200, false, 4, "", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", true},
    }));

TEST(Server, HostMayAskToClose) {
  ServerPeer peer;
  peer.receive(kGet + kGet);
  ResponsePtr h = response(503, false);
  h->close = true;
  peer.requests[0].sender->send_head(*h);
  peer.requests[0].sender->release();
  peer.end_turn();
  EXPECT_NE(peer.out.wire.find("Connection: close\r\n"), std::string::npos);
  EXPECT_EQ(peer.requests.size(), 1u) << "what was pipelined behind it is dropped";
  EXPECT_EQ(peer.closes, 1);
  EXPECT_EQ(peer.close.cause, EndCause::none);
  EXPECT_FALSE(peer.codec->wants_read());
}

TEST(Server, FieldsThatBreakTheirLineAreLeftOut) {
  ServerPeer peer;
  peer.receive(kGet);
  ResponsePtr h = response(200, false);
  h->fields.add("A", "1\r\nSet-Cookie: evil");
  h->fields.add("B\r\nX", "1");
  h->fields.add("C:", "1");
  h->fields.add("D d", "1");
  h->fields.add("", "1");
  h->fields.add("E", Bytes("\0", 1));
  h->fields.add("F", "tab\tand \xc3\xa4");
  peer.requests[0].sender->send_head(*h);
  peer.requests[0].sender->release();
  peer.end_turn();
  EXPECT_EQ(peer.out.wire, "HTTP/1.1 200 OK\r\nF: tab\tand \xc3\xa4\r\nContent-Length: 0\r\n\r\n");
}

TEST(Server, TrailersOnlyWhereTheyCanGo) {
  for (bool chunked : {true, false}) {
    ServerPeer peer;
    peer.receive(kGet);
    Fields trailers;
    trailers.add("grpc-status", "0");
    trailers.add("Content-Length", "9");
    trailers.add("X", "a\nb");
    ResponseSender& s = *peer.requests[0].sender;
    s.send_head(*response(200, true, chunked ? std::optional<uint64_t>() : 1));
    s.send_body("x");
    s.send_end(&trailers);
    s.release();
    peer.end_turn();
    EXPECT_EQ(peer.out.wire.find("grpc-status: 0\r\n\r\n") != std::string::npos, chunked);
    EXPECT_EQ(peer.out.wire.find("9"), std::string::npos);
    EXPECT_EQ(peer.closes, 0);
  }
}

TEST(Server, InformationalAnswers) {
  ServerPeer peer;
  peer.receive(kGet);
  ResponseSender& s = *peer.requests[0].sender;
  Fields link;
  link.add("Link", "x");
  s.send_informational(103, link);
  s.send_informational(101, link);
  s.send_informational(100, {});  // nobody waits for it
  s.send_head(*response(200, false));
  s.send_informational(103, link);
  s.release();
  peer.end_turn();
  EXPECT_EQ(peer.out.wire, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ServerPeer old;
  old.receive(kGet10);
  old.requests[0].sender->send_informational(103, link);
  old.end_turn();
  EXPECT_EQ(old.out.wire, "");
}

// ---- server: requests in order --------------------------------------------------------------------

TEST(Server, PipelinedRequestsWaitTheirTurn) {
  ServerPeer peer;
  std::string wire;
  for (char c : {'1', '2', '3'}) wire += std::string("GET /") + c + " HTTP/1.1\r\nHost: a\r\n\r\n";
  peer.receive(wire);
  EXPECT_EQ(peer.requests.size(), 1u);
  EXPECT_FALSE(peer.codec->wants_read()) << "what is held is bounded by one read";
  EXPECT_EQ(peer.reading_changes, 1);
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(peer.requests.size(), i + 1);
    EXPECT_EQ(peer.requests[i].head->target, "/" + std::to_string(i + 1));
    peer.answer(peer.requests[i], 200, std::to_string(i));
    peer.end_turn();
  }
  EXPECT_EQ(count(peer.out.wire, "HTTP/1.1 200 OK"), 3u);
  EXPECT_TRUE(peer.codec->wants_read());
  EXPECT_EQ(peer.idles, 1) << "between pipelined requests nobody is idle";
}

// Row 61.
TEST(Server, NothingAfterCloseIsServed) {
  ServerPeer peer;
  peer.on_ended = [&](Request& r) { peer.answer(r, 200, "ok"); };
  peer.receive(kGet + "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + kGet);
  EXPECT_EQ(peer.requests.size(), 2u);
  EXPECT_EQ(count(peer.out.wire, "HTTP/1.1 200 OK"), 2u);
  EXPECT_EQ(count(peer.out.wire, "Connection: close"), 1u);
  EXPECT_EQ(peer.closes, 1);
}

TEST(Server, PipelinedBodiesComeFromWhatWasHeld) {
  ServerPeer peer;
  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
  peer.receive(kGet + post + post.substr(0, post.size() - 2));
  Bytes lent;
  peer.answer(peer.requests[0], 200, "");
  peer.end_turn();
  ASSERT_EQ(peer.requests.size(), 2u);
  EXPECT_EQ(peer.requests[1].body, "hello");
  peer.answer(peer.requests[1], 200, "");
  peer.end_turn();
  ASSERT_EQ(peer.requests.size(), 3u);
  EXPECT_EQ(peer.requests[2].ends, 0);
  EXPECT_TRUE(peer.codec->wants_read());
  peer.receive("lo");
  EXPECT_EQ(peer.requests[2].body, "hello");
  EXPECT_EQ(peer.requests[2].ends, 1);
}

TEST(Server, BytesThatComeAlthoughReadingIsOffKeepTheirOrder) {
  ServerPeer peer;
  std::string wire = kGet;
  for (int i = 0; i < 50; ++i) {
    wire += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
  }
  for (size_t i = 0; i < wire.size(); i += 7) peer.receive(Bytes(wire).substr(i, 7));
  for (size_t i = 0; i < 51; ++i) {
    ASSERT_EQ(peer.requests.size(), i + 1);
    if (i) {
      EXPECT_EQ(peer.requests[i].head->target, "/" + std::to_string(i - 1));
      EXPECT_EQ(peer.requests[i].body, "abc");
    }
    peer.answer(peer.requests[i], 200, "");
    peer.end_turn();
  }
}

TEST(Server, ReceivingHeadSaysWhenTheHeadDeadlineRuns) {
  ServerPeer peer;
  EXPECT_FALSE(peer.codec->receiving_head());
  peer.receive("\r");
  EXPECT_TRUE(peer.codec->receiving_head());
  peer.receive("\nGET / HT");
  EXPECT_TRUE(peer.codec->receiving_head());
  peer.receive("TP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_FALSE(peer.codec->receiving_head());
  peer.receive("GET /");
  EXPECT_FALSE(peer.codec->receiving_head()) << "it has to wait; that is not the client's doing";
  peer.answer(peer.requests[0], 200, "");
  peer.end_turn();
  EXPECT_TRUE(peer.codec->receiving_head());
}

TEST(Server, ExpiredHead) {
  ServerPeer peer;
  peer.receive("GET / HTTP");
  peer.codec->expire_head({EndCause::client_timeout, "head"});
  peer.end_turn();
  EXPECT_EQ(peer.refused, std::vector<std::string>{"408 head"});
  EXPECT_EQ(peer.out.wire, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(peer.closes, 1);
  ServerPeer silent;
  silent.codec->expire_head({EndCause::client_timeout, "head"});
  silent.end_turn();
  EXPECT_EQ(silent.out.wire, "");
  EXPECT_EQ(silent.closes, 1);
}

TEST(Server, RefusedRequestWithoutAnAnswerStillCloses) {
  ServerPeer peer;
  peer.answers_refused = false;
  peer.receive("GET\r\n");
  EXPECT_EQ(peer.refused.size(), 1u);
  EXPECT_EQ(peer.out.wire, "");
  EXPECT_EQ(peer.closes, 1);
  peer.receive(kGet);
  EXPECT_TRUE(peer.requests.empty());
}

// ---- server: request bodies -----------------------------------------------------------------------

TEST(Server, BodiesEndWithoutAnotherByte) {
  ServerPeer peer;
  peer.receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab");
  EXPECT_EQ(peer.requests[0].ends, 0);
  peer.receive("c");
  EXPECT_EQ(peer.requests[0].ends, 1);
  EXPECT_EQ(peer.requests[0].body, "abc");
}

TEST(Server, LengthZeroIsNoBody) {
  ServerPeer peer;
  peer.receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  EXPECT_FALSE(peer.requests[0].head->has_body);
  EXPECT_EQ(peer.requests[0].head->content_length, 0u);
  EXPECT_EQ(peer.requests[0].ends, 1);
}

TEST(Server, PauseStopsReadingAndResumeGoesOn) {
  ServerPeer peer;
  peer.receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
  Request& r = peer.requests[0];
  r.sender->pause();
  r.sender->pause();
  peer.end_turn();
  EXPECT_FALSE(peer.codec->wants_read());
  EXPECT_EQ(peer.reading_changes, 1);
  r.sender->resume();
  peer.end_turn();
  EXPECT_TRUE(peer.codec->wants_read());
  EXPECT_EQ(peer.reading_changes, 2);
  r.sender->pause();
  peer.answer(r, 200, "");
  peer.end_turn();
  EXPECT_TRUE(peer.codec->wants_read()) << "the rest is read over";
  peer.receive("defghi" + kGet);
  EXPECT_EQ(r.body, "abc");
  EXPECT_EQ(peer.requests.size(), 2u);
}

// Rows 57, 58.
TEST(Server, ExpectContinue) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
  ServerPeer peer;
  peer.receive(head);
  EXPECT_TRUE(peer.requests[0].head->expect_continue);
  peer.requests[0].sender->send_informational(100, {});
  peer.requests[0].sender->send_informational(100, {});
  peer.end_turn();
  EXPECT_EQ(peer.out.wire, "HTTP/1.1 100 Continue\r\n\r\n");
  peer.receive("ok");
  peer.answer(peer.requests[0], 200, "");
  peer.end_turn();
  EXPECT_EQ(peer.closes, 0);

  ServerPeer denied;
  denied.receive(head);
  denied.answer(denied.requests[0], 403, "");
  denied.end_turn();
  EXPECT_EQ(denied.out.wire, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(denied.closes, 1) << "nobody can tell a body from a request now";

  ServerPeer eager;  // the client did not wait
  eager.receive(head + "o");
  eager.answer(eager.requests[0], 403, "");
  eager.end_turn();
  EXPECT_EQ(eager.closes, 0);
  eager.receive("k" + kGet);
  EXPECT_EQ(eager.requests.size(), 2u);
}

TEST(Server, BrokenBodyAfterTheAnswerBegan) {
  ServerPeer peer;
  peer.receive("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  Request& r = peer.requests[0];
  r.sender->send_head(*response(200, true));
  r.sender->send_body("part");
  peer.receive("zz");
  EXPECT_EQ(r.resets, 1);
  EXPECT_STREQ(r.reset.detail, "chunk_size");
  EXPECT_TRUE(peer.refused.empty());
  EXPECT_EQ(peer.closes, 1);
  EXPECT_EQ(peer.out.wire.find("0\r\n\r\n"), std::string::npos) << "no end that was not sent";
}

}  // namespace
}  // namespace cardea::http
