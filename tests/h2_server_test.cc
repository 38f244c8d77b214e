// HTTP/2 towards clients: how requests arrive, how answers are framed, what a refusal costs.
#include <gtest/gtest.h>

#include "h2_peer.h"

namespace cardea::http::test {
namespace {

// ---- server: messages ------------------------------------------------------------------------------

TEST(H2Server, GreetsWithItsLimits) {
  Server s;
  s.flush();
  const Frame* f = s.reader->last(kSettings);
  ASSERT_TRUE(f);
  EXPECT_EQ(f->payload, setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100) +
                            setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 64 * 1024) +
                            setting(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 64 * 1024) +
                            setting(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1) +
                            setting(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1));
  const Frame* w = s.reader->last(kWindow, 0);
  ASSERT_TRUE(w);
  EXPECT_EQ(w->number(), 1024 * 1024 - 65535u);
  EXPECT_TRUE(s.codec().wants_read());
  EXPECT_EQ(s.codec().protocol(), Protocol::http2);
}

TEST(H2Server, DeliversANeutralHead) {
  Server s;
  s.feed(preface() +
         headers(1,
                 with(get("/x?y=1", "POST"), {{"te", "trailers"},
                                              {"content-length", "3"},
                                              {"user-agent", "u"},
                                              {"x-y", "z"},
                                              {"http2-settings", "AAA"},
                                              {"expect", "100-Continue"},
                                              {"cookie", "a=1"},
                                              {"x-y", "w"},
                                              {"cookie", "b=2"},
                                              {"cookie", "c=3"}}),
                 kEndHeaders) +
         data(1, "abc", true));
  ASSERT_EQ(s.requests.size(), 1u);
  const Record& r = s.requests[0];
  EXPECT_EQ(
      r.verdict(),
      "POST https a.test /x?y=1 0 {user-agent=u|x-y=z|cookie=a=1; b=2; c=3|x-y=w|} cl=3 body=abc trailers= end=1");
  EXPECT_TRUE(r.has_body);
  EXPECT_TRUE(r.te_trailers);
  EXPECT_TRUE(r.expect_continue);
}

TEST(H2Server, TakesHostWhenThereIsNoAuthority) {
  Server s;
  s.feed(preface() + headers(1, {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", "b.test:80"}}));
  ASSERT_EQ(s.requests.size(), 1u);
  EXPECT_EQ(s.requests[0].verdict(), "GET http b.test:80 / 0 {} cl=- body= trailers= end=1");
  EXPECT_FALSE(s.requests[0].has_body);
}

TEST(H2Server, EscapesRawQueriesOnceAndKeepsEscapes) {
  Server s;
  s.feed(preface() + headers(1, get("/a%20b?q={\"x\"}|^")));
  ASSERT_EQ(s.requests.size(), 1u);
  EXPECT_EQ(s.requests[0].target, "/a%20b?q=%7B%22x%22%7D|%5E");
}

// The same bytes in any pieces mean the same.
TEST(H2Server, VerdictDoesNotDependOnChunking) {
  const std::string padded = frame(kData, kPadded, 1, std::string("\x03") + "pad" + std::string(3, '\0'));
  const std::string long_block = block(with(get("/long"), {{"x-long", std::string(3000, 'v')}}));
  const std::string bytes = preface() + headers(1, with(get("/up", "PUT"), {{"content-length", "8"}}), kEndHeaders) +
                            data(1, "ab") + padded + frame(kHeaders, kEndStream, 3, Bytes(long_block).substr(0, 1000)) +
                            frame(kContinuation, 0, 3, Bytes(long_block).substr(1000, 1000)) +
                            frame(kContinuation, kEndHeaders, 3, Bytes(long_block).substr(2000)) +
                            frame(kPing, 0, 0, "12345678") + data(1, "cde") +
                            headers(1, {{"x-sum", "1"}, {"authorization", "no"}}) + headers(5, get("/bad#x")) +
                            headers(7, get("/last")) + frame(0xee, 0, 0, "unknown");
  std::string first;
  for (size_t step : {0, 1, 2, 3, 5, 7, 8, 9, 10, 13, 64, 1000}) {
    Server s;
    s.request_hook = [&](Record& r) { s.answer(r, 200, "hello"); };
    s.feed(bytes, step);
    std::string all;
    for (const Record& r : s.requests) all += r.verdict() + "\n";
    std::erase(all, 'v');
    for (const End& e : s.bad) all += std::string("bad ") + e.detail + "\n";
    for (uint32_t id : {1, 3, 5, 7}) all += s.reader->body(id) + (s.reader->ended(id) ? "." : "!");
    all += " goaway=" + std::to_string(s.reader->goaway_code()) + " closes=" + std::to_string(s.closes);
    EXPECT_FALSE(s.reader->broken);
    if (first.empty()) {
      first = all;
      EXPECT_EQ(all,
                "PUT https a.test /up 0 {} cl=8 body=abpadcde trailers=x-sum=1| end=1\n"
                "GET https a.test /long 0 {x-long=|} cl=- body= trailers= end=1\n"
                "GET https a.test /last 0 {} cl=- body= trailers= end=1\n"
                "bad fragment\nhello.hello.refused: fragment.hello. goaway=-1 closes=0");
    }
    EXPECT_EQ(all, first) << "step " << step;
  }
}

struct AnswerRow {
  const char* name;
  Bytes method;
  uint16_t status;
  bool has_body;
  std::optional<uint64_t> length;
  Bytes body;
  Bytes want_length;  // the field's value; empty: none
  Bytes want_body;
};

TEST(H2Server, FramesAnswers) {
  const AnswerRow rows[] = {
      {"plain", "GET", 200, true, 5, "hello", "5", "hello"},
      {"open length", "GET", 200, true, {}, "hello", "", "hello"},
      {"empty", "GET", 200, false, 0, "", "0", ""},
      {"no length, no body", "GET", 200, false, {}, "", "", ""},
      {"HEAD keeps the length", "HEAD", 200, false, 5, "", "5", ""},
      {"HEAD never has a body", "HEAD", 200, true, 5, "hello", "5", ""},
      {"204", "GET", 204, true, 5, "hello", "", ""},
      {"304 keeps the length", "GET", 304, false, 5, "", "5", ""},
      {"304 never has a body", "GET", 304, true, {}, "hello", "", ""},
  };
  for (const AnswerRow& row : rows) {
    SCOPED_TRACE(row.name);
    Server s;
    s.feed(preface() + headers(1, get("/", row.method)));
    ASSERT_EQ(s.requests.size(), 1u);
    ResponsePtr head = make_response();
    head->status = row.status;
    head->has_body = row.has_body;
    head->content_length = row.length;
    head->fields.add("Connection", "x");
    head->fields.add("Transfer-Encoding", "chunked");
    head->fields.add("Content-Length", "77");
    head->fields.add("X-Mixed-Case", "v");
    s.requests[0].down->send_head(*head);
    if (!row.body.empty()) s.requests[0].down->send_body(row.body);
    s.requests[0].down->send_end(nullptr);
    head.reset();
    s.flush();
    const Frame* h = s.reader->last(kHeaders, 1);
    ASSERT_TRUE(h);
    List want = {{":status", std::to_string(row.status)}, {"x-mixed-case", "v"}};
    if (!row.want_length.empty()) want.push_back({"content-length", std::string(row.want_length)});
    EXPECT_EQ(h->fields, want);
    EXPECT_EQ(s.reader->body(1), row.want_body);
    EXPECT_TRUE(s.reader->ended(1));
    EXPECT_EQ(s.reader->reset_code(1), -1);
    s.requests[0].release();
    s.flush();
    EXPECT_EQ(s.codec().active(), 0u);
    EXPECT_EQ(s.idles, 1);
    EXPECT_EQ(s.requests[0].resets, 0);
  }
}

TEST(H2Server, SendsInformationalAndTrailers) {
  Server s;
  s.feed(preface() + headers(1, get()));
  Record& r = s.requests.at(0);
  Fields links, trailers;
  links.add("link", "</a>");
  trailers.add("Grpc-Status", "0");
  trailers.add("content-length", "9");
  r.down->send_informational(103, links);
  r.down->send_informational(101, links);  // never
  s.begin(r);
  r.down->send_informational(103, links);  // too late
  s.body(r, "hello");
  r.down->send_end(&trailers);
  s.flush();
  auto h = s.reader->all(kHeaders, 1);
  ASSERT_EQ(h.size(), 3u);
  EXPECT_EQ(h[0]->fields, (List{{":status", "103"}, {"link", "</a>"}}));
  EXPECT_EQ(h[1]->fields, (List{{":status", "200"}}));
  EXPECT_EQ(h[2]->fields, (List{{"grpc-status", "0"}}));
  EXPECT_EQ(h[2]->flags & kEndStream, kEndStream);
  EXPECT_EQ(s.reader->body(1), "hello");
  ASSERT_EQ(s.reader->all(kData, 1).size(), 1u);
  EXPECT_EQ(s.reader->all(kData, 1)[0]->flags & kEndStream, 0);
}

TEST(H2Server, TrailersAloneAfterTheBodyWasSent) {
  Server s;
  s.feed(preface() + headers(1, get()));
  Fields trailers;
  trailers.add("x-t", "1");
  s.begin(s.requests.at(0));
  s.flush();
  s.end(s.requests[0], &trailers);
  s.flush();
  auto h = s.reader->all(kHeaders, 1);
  ASSERT_EQ(h.size(), 2u);
  EXPECT_EQ(h[1]->fields, (List{{"x-t", "1"}}));
  EXPECT_TRUE(s.reader->all(kData, 1).empty());
}

TEST(H2Server, TunnelBytesWaitForTheAnswer) {
  Server s;
  s.feed(preface() + headers(1, {{":method", "CONNECT"}, {":authority", "db.test:5432"}}, kEndHeaders) +
         data(1, "early"));
  ASSERT_EQ(s.requests.size(), 1u);
  Record& r = s.requests[0];
  EXPECT_EQ(r.verdict(), "CONNECT http db.test:5432 db.test:5432 0 {} cl=- body= trailers= end=0");
  EXPECT_TRUE(r.has_body);
  s.begin(r);
  s.flush();
  EXPECT_EQ(r.body, "early");
  s.feed(data(1, "more", true));
  EXPECT_EQ(r.body, "earlymore");
  EXPECT_EQ(r.ends, 1);
  s.body(r, "back");
  s.end(r);
  s.flush();
  EXPECT_EQ(s.reader->body(1), "back");
  EXPECT_FALSE(r.told_in_sender);
}

// ---- server: refusals ------------------------------------------------------------------------------

TEST(H2Server, RefusalsAreAnsweredAndSiblingsGoOn) {
  Server s;
  s.feed(preface() + headers(1, get()) + headers(3, get("/a#b")) + headers(5, get("/c#d", "POST"), kEndHeaders) +
         headers(7, get()));
  ASSERT_EQ(s.bad.size(), 2u);
  EXPECT_EQ(s.bad[0].http_status(), 400);
  EXPECT_STREQ(s.bad[0].detail, "fragment");
  EXPECT_EQ(s.reader->body(3), "refused: fragment");
  EXPECT_EQ(s.reader->body(5), "refused: fragment");
  EXPECT_EQ(s.reader->field(3, ":status"), "400");
  EXPECT_EQ(s.reader->reset_code(3), -1);
  EXPECT_EQ(s.reader->reset_code(5), NGHTTP2_NO_ERROR);
  EXPECT_EQ(s.requests.size(), 2u);
  EXPECT_EQ(s.codec().active(), 2u);
}

TEST(H2Server, RefusalsThatNobodyAnswersAreReset) {
  Server s;
  s.answer_bad = false;
  s.feed(preface() + headers(1, get("/a#b")));
  EXPECT_EQ(s.reader->reset_code(1), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(s.codec().active(), 0u);
}

TEST(H2Server, UnderscoresFollowTheLimits) {
  using U = CodecLimits::Underscores;
  for (U u : {U::allow, U::reject_request, U::drop_field}) {
    CodecLimits limits;
    limits.underscores = u;
    Server s(limits);
    s.feed(preface() + headers(1, with(get(), {{"x_y", "1"}})));
    EXPECT_EQ(s.bad.size(), u == U::reject_request ? 1u : 0u);
    ASSERT_EQ(s.requests.size(), u == U::reject_request ? 0u : 1u);
    for (const Record& r : s.requests) EXPECT_EQ(r.fields, u == U::allow ? "x_y=1|" : "");
  }
}

}  // namespace
}  // namespace cardea::http::test
