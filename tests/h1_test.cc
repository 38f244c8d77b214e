// What HTTP/1.1 connections do: keep-alive, pipelining, bodies, tunnels, backpressure, drain; both sides.
#include <gtest/gtest.h>

#include "h1_peer.h"

namespace cardea::http {
namespace {

using testing::ClientPeer;
using testing::ServerPeer;
using Request = ServerPeer::Request;
using Response = ClientPeer::Response;

const std::string kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

ResponsePtr response(uint16_t status, bool has_body, std::optional<uint64_t> length = {}) {
  ResponsePtr h = make_response();
  h->status = status;
  h->has_body = has_body;
  h->content_length = length;
  return h;
}

RequestPtr request(Method m, Bytes name, bool has_body = false, std::optional<uint64_t> length = {}) {
  RequestPtr h = make_request();
  h->method = m;
  h->method_name = name;
  h->authority = "up.example:81";
  h->target = "/a?b";
  h->has_body = has_body;
  h->content_length = length;
  return h;
}

size_t count(Bytes text, Bytes what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != Bytes::npos; at = text.find(what, at + what.size())) ++n;
  return n;
}

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
constexpr char kHead[] = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr char kGet11[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr char kGet10[] = "GET / HTTP/1.0\r\nHost: a\r\n\r\n";
constexpr char kGet10Keep[] = "GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n";
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

// ---- server: tunnels ------------------------------------------------------------------------------

const std::string kUpgrade =
    "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: "
    "k\r\n\r\n";

TEST(Server, UpgradeBecomesATunnel) {
  ServerPeer peer;
  peer.receive(kUpgrade + "early");
  Request& r = peer.requests[0];
  EXPECT_EQ(r.head->upgrade, "WebSocket");
  EXPECT_TRUE(r.head->has_body);
  EXPECT_EQ(r.ends, 0);
  EXPECT_EQ(r.body, "") << "nothing passes before both sides agreed";
  EXPECT_FALSE(peer.codec->wants_read());
  ResponsePtr h = response(101, true);
  h->fields.add("Sec-WebSocket-Accept", "x");
  r.sender->send_head(*h);
  EXPECT_EQ(r.body, "") << "never from inside a Sender's method";
  peer.end_turn();
  EXPECT_EQ(peer.out.wire,
            "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nConnection: Upgrade\r\nUpgrade: "
            "WebSocket\r\n\r\n");
  EXPECT_EQ(r.body, "early");
  peer.receive("GET / HTTP/1.1\r\n\n\n\n");
  EXPECT_EQ(r.body, "earlyGET / HTTP/1.1\r\n\n\n\n");
  r.sender->send_body("raw");
  peer.end_turn();
  EXPECT_EQ(peer.out.wire.substr(peer.out.wire.size() - 7), "\r\n\r\nraw");
  r.sender->send_end(nullptr);
  peer.end_turn();
  EXPECT_EQ(peer.shutdowns, 1);
  EXPECT_EQ(peer.closes, 0);
  peer.receive("last");
  peer.eof();
  EXPECT_EQ(r.ends, 1);
  EXPECT_EQ(r.body.substr(r.body.size() - 4), "last");
  r.sender->release();
  peer.end_turn();
  EXPECT_EQ(peer.closes, 1);
  EXPECT_EQ(peer.requests.size(), 1u);
}

// Rows 65, 66.
TEST(Server, RefusedUpgradeIsAnOrdinaryRequest) {
  ServerPeer peer;
  peer.receive(kUpgrade + "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
  Request& r = peer.requests[0];
  r.sender->send_head(*response(200, false));
  EXPECT_EQ(r.ends, 0);
  peer.end_turn();
  EXPECT_EQ(r.ends, 1) << "the tunnel's end that never was";
  EXPECT_EQ(r.body, "");
  EXPECT_EQ(peer.requests.size(), 1u);
  r.sender->release();
  peer.end_turn();
  ASSERT_EQ(peer.requests.size(), 2u);
  EXPECT_EQ(peer.requests[1].head->target, "/next");
}

TEST(Server, SwitchingNobodyAskedForIsRefused) {
  ServerPeer peer;
  peer.receive(kGet);
  peer.requests[0].sender->send_head(*response(101, true));
  peer.end_turn();
  EXPECT_EQ(peer.out.wire, "");
  EXPECT_EQ(peer.closes, 1);
}

TEST(Server, TunnelThatBreaksIsTruncated) {
  ServerPeer peer;
  peer.receive(kUpgrade);
  Request& r = peer.requests[0];
  r.sender->send_head(*response(101, true));
  r.sender->send_body("x");
  r.sender->reset(EndCause::upstream_reset);
  r.sender->release();
  peer.end_turn();
  EXPECT_STREQ(peer.close.detail, "truncated");
}

// Rows 68, 69.
TEST(Server, Connect) {
  ServerPeer peer;
  peer.receive("CONNECT b.example:22 HTTP/1.1\r\nHost: b.example:22\r\n\r\nSSH-2.0");
  Request& r = peer.requests[0];
  EXPECT_EQ(r.head->method, Method::connect);
  EXPECT_EQ(r.head->target, "b.example:22");
  EXPECT_EQ(r.head->authority, "b.example:22");
  EXPECT_EQ(r.body, "");
  r.sender->send_head(*response(200, true));
  peer.end_turn();
  EXPECT_EQ(peer.out.wire, "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(r.body, "SSH-2.0");
  peer.eof();
  EXPECT_EQ(r.ends, 1);
  EXPECT_EQ(peer.closes, 0) << "the other direction goes on";
  r.sender->send_body("bye");
  r.sender->send_end(nullptr);
  r.sender->release();
  peer.end_turn();
  EXPECT_EQ(peer.closes, 1);
  EXPECT_EQ(peer.shutdowns, 0);
  EXPECT_EQ(peer.out.wire, "HTTP/1.1 200 OK\r\n\r\nbye");
}

TEST(Server, RefusedConnect) {
  ServerPeer peer;
  peer.receive("CONNECT b.example:22 HTTP/1.1\r\nHost: b.example:22\r\n\r\n" + kGet);
  peer.answer(peer.requests[0], 405, "");
  peer.end_turn();
  EXPECT_EQ(peer.requests.size(), 2u);
  EXPECT_EQ(peer.requests[0].body, "");
}

TEST(Server, HalfClosedBeforeTheTunnelOpens) {
  ServerPeer peer;
  peer.receive("CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\nrequest");
  peer.eof();
  EXPECT_EQ(peer.closes, 0);
  Request& r = peer.requests[0];
  r.sender->send_head(*response(200, true));
  peer.end_turn();
  EXPECT_EQ(r.body, "request");
  EXPECT_EQ(r.ends, 1);
  EXPECT_EQ(peer.closes, 0);
}

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

// ---- client: tunnels ------------------------------------------------------------------------------

RequestPtr upgrade_request() {
  RequestPtr h = request(Method::get, "GET", true);
  h->upgrade = "websocket";
  h->fields.add("Sec-WebSocket-Key", "k");
  return h;
}

TEST(Client, UpgradeBecomesATunnel) {
  ClientPeer peer;
  Response r;
  r.release_at_end = false;
  RequestSender& s = peer.start(r);
  s.send_head(*upgrade_request());
  s.send_body("early");
  peer.end_turn();
  EXPECT_EQ(peer.out.wire,
            "GET /a?b HTTP/1.1\r\nHost: up.example:81\r\nSec-WebSocket-Key: k\r\nConnection: Upgrade\r\nUpgrade: "
            "websocket\r\n\r\n")
      << "nothing enters a tunnel that is not open";
  peer.receive("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: y\r\n\r\nfirst");
  EXPECT_EQ(r.head->status, 101);
  EXPECT_EQ(r.canonical(), "101 {Sec-WebSocket-Accept: y} body=first");
  EXPECT_EQ(peer.out.wire.substr(peer.out.wire.size() - 9), "\r\n\r\nearly");
  s.send_body("more");
  peer.end_turn();
  EXPECT_EQ(peer.out.wire.substr(peer.out.wire.size() - 9), "earlymore");
  s.send_end(nullptr);
  peer.end_turn();
  EXPECT_EQ(peer.shutdowns, 1);
  EXPECT_EQ(peer.closes, 0);
  peer.eof();
  EXPECT_EQ(r.ends, 1);
  s.release();
  peer.end_turn();
  EXPECT_EQ(peer.closes, 1);
  EXPECT_FALSE(peer.codec->reusable());
}

TEST(Client, RefusedUpgradeKeepsTheConnection) {
  ClientPeer peer;
  Response r;
  RequestSender& s = peer.start(r);
  s.send_head(*upgrade_request());
  s.send_body("GET /evil HTTP/1.1\r\n\r\n");
  peer.end_turn();
  peer.receive("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(r.ends, 1);
  EXPECT_EQ(peer.out.wire.find("evil"), std::string::npos);
  EXPECT_EQ(peer.codec->capacity(), 1u);
}

struct SwitchRow {
  const char* name;
  const char* fields;
};
std::ostream& operator<<(std::ostream& o, const SwitchRow& r) {
  return o << r.name;
}
class Switches : public ::testing::TestWithParam<SwitchRow> {};
TEST_P(Switches, ThatDoNotFitAreRefused) {
  ClientPeer peer;
  Response r;
  peer.start(r).send_head(*upgrade_request());
  peer.end_turn();
  peer.receive("HTTP/1.1 101 Switching Protocols\r\n" + std::string(GetParam().fields) + "\r\n");
  EXPECT_EQ(r.resets, 1);
  EXPECT_STREQ(r.reset.detail, "upgrade_mismatch");
}
INSTANTIATE_TEST_SUITE_P(Rows, Switches,
                         ::testing::ValuesIn(std::vector<SwitchRow>{
                             {"another protocol", "Connection: upgrade\r\nUpgrade: other\r\n"},
                             {"no protocol", "Connection: upgrade\r\n"},
                             {"no token", "Upgrade: websocket\r\n"},
                             {"two", "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n"},
                         }));

TEST(Client, ConnectTunnel) {
  ClientPeer peer;
  Response r;
  RequestPtr h = request(Method::connect, "CONNECT", true);
  h->target = h->authority = "b:1";
  RequestSender& s = peer.start(r);
  s.send_head(*h);
  peer.end_turn();
  EXPECT_EQ(peer.out.wire, "CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n");
  peer.receive("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcdefgh");
  EXPECT_EQ(r.body, "abcdefgh") << "a tunnel has no length";
  EXPECT_FALSE(r.head->content_length);
}

TEST(Client, EarlyTunnelBytesAreBounded) {
  ClientPeer peer;
  Response r;
  RequestSender& s = peer.start(r);
  s.send_head(*upgrade_request());
  peer.end_turn();
  for (int i = 0; i < 100 && !r.resets; ++i) {
    s.send_body(peer.turn.add(std::string(16384, 'x')));
    peer.end_turn();
  }
  EXPECT_EQ(r.blocked, 1);
  EXPECT_EQ(r.resets, 1);
}

// ---- through both ---------------------------------------------------------------------------------

// What the client side writes, the server side reads as the same message, and back.
TEST(BothSides, RoundTrip) {
  for (bool with_length : {true, false}) {
    ClientPeer up;
    ServerPeer down;
    Response answer;
    RequestPtr h = request(Method::put, "PUT", true, with_length ? std::optional<uint64_t>(6) : std::nullopt);
    h->fields.add("X-A", "1");
    h->te_trailers = true;
    RequestSender& s = up.start(answer);
    s.send_head(*h);
    s.send_body("abc");
    s.send_body("def");
    Fields trailers;
    trailers.add("X-Sum", "9");
    s.send_end(&trailers);
    up.end_turn();
    down.on_ended = [&](Request& r) { down.answer(r, 201, "made", with_length); };
    down.receive(up.out.wire);
    ASSERT_EQ(down.requests.size(), 1u);
    EXPECT_EQ(down.requests[0].canonical(), with_length
                                                ? "PUT up.example:81 /a?b {X-A: 1} length=6 te body=abcdef"
                                                : "PUT up.example:81 /a?b {X-A: 1} te body=abcdef trailers={X-Sum: 9}");
    up.receive(down.out.wire);
    EXPECT_EQ(answer.canonical(), with_length ? "201 length=4 body=made" : "201 body=made");
    EXPECT_EQ(up.codec->capacity(), 1u);
  }
}

}  // namespace
}  // namespace cardea::http
