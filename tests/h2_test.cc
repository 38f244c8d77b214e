// HTTP/2 as an exchange sees it: messages, windows, back pressure, early ends, drain; both roles.
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
                            setting(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1));
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

// ---- server: ends ----------------------------------------------------------------------------------

TEST(H2Server, EarlyAnswerStopsTheUpload) {
  Server s;
  s.feed(preface() + headers(1, get("/", "POST"), kEndHeaders) + data(1, "abc"));
  Record& r = s.requests.at(0);
  s.answer(r, 413, "too much");
  r.release();
  s.flush();
  EXPECT_EQ(s.reader->body(1), "too much");
  EXPECT_TRUE(s.reader->ended(1));
  EXPECT_EQ(s.reader->reset_code(1), NGHTTP2_NO_ERROR);
  EXPECT_GT(s.reader->last(kRst, 1), s.reader->last(kData, 1));  // in this order
  EXPECT_EQ(s.codec().active(), 0u);
  s.feed(data(1, "def", true) + headers(3, get()));  // what was on its way does no harm
  EXPECT_EQ(r.body, "abc");
  EXPECT_EQ(s.requests.size(), 2u);
  EXPECT_EQ(s.closes, 0);
}

struct ResetRow {
  EndCause why;
  bool head_sent;
  int64_t code;
};

TEST(H2Server, ResetTellsTheClientWhy) {
  const ResetRow rows[] = {
      {EndCause::overload, false, NGHTTP2_REFUSED_STREAM},    {EndCause::overload, true, NGHTTP2_INTERNAL_ERROR},
      {EndCause::draining, false, NGHTTP2_REFUSED_STREAM},    {EndCause::upstream_reset, true, NGHTTP2_INTERNAL_ERROR},
      {EndCause::client_timeout, false, NGHTTP2_CANCEL},      {EndCause::bad_request, false, NGHTTP2_PROTOCOL_ERROR},
      {EndCause::max_duration, true, NGHTTP2_INTERNAL_ERROR},
  };
  for (const ResetRow& row : rows) {
    SCOPED_TRACE(http::row(row.why).name);
    Server s;
    s.feed(preface() + headers(1, get()));
    Record& r = s.requests.at(0);
    if (row.head_sent) {
      s.begin(r);
      s.body(r, "part");
      s.flush();
    }
    r.call([&] { r.down->reset(row.why); });
    s.body(r, "ignored");
    s.end(r);
    r.release();
    s.flush();
    EXPECT_EQ(s.reader->reset_code(1), row.code);
    EXPECT_FALSE(s.reader->ended(1));
    EXPECT_EQ(s.reader->body(1), row.head_sent ? "part" : "");
    EXPECT_EQ(r.resets, 0);
    EXPECT_EQ(s.codec().active(), 0u);
    s.feed(headers(3, get()));
    EXPECT_EQ(s.requests.size(), 2u);
  }
}

TEST(H2Server, ReleaseBeforeTheEndResets) {
  for (bool head : {false, true}) {
    Server s;
    s.feed(preface() + headers(1, get()));
    if (head) s.begin(s.requests.at(0));
    s.requests.at(0).release();
    s.flush();
    EXPECT_EQ(s.reader->reset_code(1), NGHTTP2_INTERNAL_ERROR);
    EXPECT_FALSE(s.reader->ended(1));
    EXPECT_EQ(s.codec().active(), 0u);
  }
}

TEST(H2Server, AnAnswerOfTheWrongLengthNeverLooksWhole) {
  for (Bytes body : {"hell", "hello!"}) {
    Server s;
    s.feed(preface() + headers(1, get()));
    Record& r = s.requests.at(0);
    s.begin(r, 5);
    s.body(r, std::string(body));
    s.end(r);
    s.flush();
    EXPECT_EQ(s.reader->reset_code(1), NGHTTP2_INTERNAL_ERROR) << body;
    EXPECT_FALSE(s.reader->ended(1)) << body;
    EXPECT_EQ(r.resets, 1);
    EXPECT_EQ(r.reset.cause, EndCause::internal);
    EXPECT_FALSE(r.told_in_sender);
  }
}

TEST(H2Server, ClientCancels) {
  Server s;
  s.feed(preface() + headers(1, get("/", "POST"), kEndHeaders) + headers(3, get()) + data(1, "abc") +
         rst(1, NGHTTP2_CANCEL));
  Record& r = s.requests.at(0);
  EXPECT_EQ(r.verdict(), "POST https a.test / 0 {} cl=- body=abc trailers= end=0 reset=downstream_reset:cancel");
  EXPECT_EQ(s.codec().active(), 1u);
  EXPECT_EQ(s.requests.at(1).resets, 0);
  s.answer(s.requests[1]);
  s.requests[1].release();
  s.flush();
  EXPECT_TRUE(s.reader->ended(3));
  EXPECT_EQ(s.codec().active(), 0u);
}

TEST(H2Server, CancelWhileTheAnswerIsBlocked) {
  Server s;
  s.feed(preface(setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 4)) + headers(1, get()) + headers(3, get()));
  for (Record& r : s.requests) s.answer(r, 200, "0123456789");
  s.requests[0].release();  // flushed by the codec alone from here on
  s.flush();
  EXPECT_EQ(s.reader->body(1), "0123");
  EXPECT_EQ(s.codec().active(), 2u);
  s.feed(rst(1, NGHTTP2_CANCEL) + rst(3, NGHTTP2_CANCEL));
  EXPECT_EQ(s.requests[1].resets, 1);
  EXPECT_EQ(s.codec().active(), 0u);
}

TEST(H2Server, ReleasedExchangesAreFlushedCompletely) {
  Server s;
  s.feed(preface(setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0)) + headers(1, get()));
  Fields trailers;
  trailers.add("x-t", "1");
  s.begin(s.requests.at(0));
  s.body(s.requests[0], std::string(1000, 'x'));
  s.end(s.requests[0], &trailers);
  s.requests[0].release();
  s.flush();
  EXPECT_EQ(s.codec().active(), 1u);
  for (int i = 0; i < 10; ++i) s.feed(window(1, 100));
  EXPECT_EQ(s.reader->body(1), std::string(1000, 'x'));
  EXPECT_TRUE(s.reader->ended(1));
  EXPECT_EQ(s.codec().active(), 0u);
}

TEST(H2Server, ExchangesMayEndInsideAnyCall) {
  // On the request itself.
  Server s;
  s.request_hook = [&](Record& r) {
    s.answer(r, 200, "x");
    r.release();
  };
  s.feed(preface() + headers(1, get("/", "POST"), kEndHeaders) + data(1, "abc") + headers(3, get()));
  EXPECT_EQ(s.requests.at(0).body, "");
  EXPECT_EQ(s.reader->body(1) + s.reader->body(3), "xx");
  EXPECT_EQ(s.codec().active(), 0u);
  // On its body, on its end.
  Server t;
  t.request_hook = [&](Record& r) {
    r.body_hook = [&](Bytes) { r.release(); };
    r.end_hook = [&] { r.release(); };
  };
  t.feed(preface() + headers(1, get("/", "POST"), kEndHeaders) + data(1, "abc") + data(1, "def") + headers(3, get()));
  EXPECT_EQ(t.requests.at(0).body, "abc");
  EXPECT_EQ(t.codec().active(), 0u);
  EXPECT_EQ(t.reader->reset_code(1), NGHTTP2_INTERNAL_ERROR);
}

TEST(H2Server, LostConnectionsResetEveryExchange) {
  for (bool eof : {true, false}) {
    Server s;
    s.feed(preface() + headers(1, get("/", "POST"), kEndHeaders) + headers(3, get()) + headers(5, get()));
    s.requests.at(2).release();
    if (eof) {
      s.codec().receive_eof();
    } else {
      s.codec().connection_lost({EndCause::downstream_reset, "x"});
    }
    for (int i : {0, 1}) {
      EXPECT_EQ(s.requests[i].resets, 1);
      EXPECT_EQ(s.requests[i].reset.cause, eof ? EndCause::downstream_closed : EndCause::downstream_reset);
    }
    if (eof) s.flush();
    EXPECT_EQ(s.codec().active(), 0u);
    EXPECT_EQ(s.closes, eof ? 1 : 0);
    EXPECT_FALSE(s.codec().wants_read());
    s.feed(headers(7, get()));
    EXPECT_EQ(s.requests.size(), 3u);
  }
}

TEST(H2Server, SendersOfLostConnectionsAreHarmless) {
  Server s;
  s.release_on_reset = false;
  s.feed(preface() + headers(1, get()));
  Record& r = s.requests.at(0);
  s.begin(r);
  s.codec().connection_lost({EndCause::downstream_reset});
  EXPECT_EQ(s.codec().active(), 1u);
  s.body(r, "x");
  s.end(r);
  r.down->pause();
  r.down->resume();
  r.down->reset(EndCause::internal);
  r.release();
  s.codec().produced(0);
  EXPECT_EQ(s.codec().active(), 0u);
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

// ---- server: windows and back pressure -------------------------------------------------------------

TEST(H2Server, BodiesKeepToTheWindowAndBlockAboveTheLimit) {
  CodecLimits limits;
  limits.buffer_limit = 1000;
  Server s(limits);
  s.feed(preface(setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 10)) + headers(1, get()));
  Record& r = s.requests.at(0);
  s.begin(r);
  std::string sent;
  for (int i = 0; i < 20; ++i) {
    std::string piece(100, char('a' + i));
    sent += piece;
    s.body(r, piece);
    s.flush();
    EXPECT_EQ(r.blocked, sent.size() - 10 > 1000 ? 1 : 0) << i;
  }
  EXPECT_EQ(s.reader->body(1), sent.substr(0, 10));
  s.end(r);
  s.feed(window(1, 1480));
  EXPECT_EQ(r.unblocked, 0);  // 510 left
  s.feed(window(1, 11));
  EXPECT_EQ(r.unblocked, 1);
  EXPECT_EQ(s.reader->body(1), sent.substr(0, 1501));
  s.feed(window(1, 499));
  EXPECT_EQ(s.reader->body(1), sent);
  EXPECT_TRUE(s.reader->ended(1));
  EXPECT_EQ(r.blocked, 1);
  EXPECT_FALSE(r.told_in_sender);
}

TEST(H2Server, RoomBoundsBodiesButNotControlFrames) {
  Server s;
  s.feed(preface(setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 10'000'000)) + window(0, 10'000'000) +
         headers(1, get()));
  Record& r = s.requests.at(0);
  s.room = 0;
  s.begin(r);
  std::string big(300'000, 'x');
  s.body(r, big);
  s.flush_wanted = false;
  Output out;
  s.codec().produce(out, 0);
  for (Bytes b : out.slices()) s.reader->feed(b);
  EXPECT_EQ(s.reader->field(1, ":status"), "200");
  EXPECT_EQ(s.reader->body(1), "");
  out.clear();
  s.codec().produced(0);
  EXPECT_EQ(r.blocked, 1);
  s.room = 50'000;
  s.largest_output = 0;
  s.flush_wanted = true;
  s.flush();
  EXPECT_EQ(s.reader->body(1), big);
  EXPECT_LE(s.largest_output, 50'000u + 16'384 + 1000);
  EXPECT_EQ(r.unblocked, 1);
}

TEST(H2Server, PausedStreamsHoldTheirWindowAndNobodyElses) {
  Server s;
  s.feed(preface() + headers(1, get("/", "POST"), kEndHeaders) + headers(3, get("/", "POST"), kEndHeaders));
  Record& slow = s.requests.at(0);
  Record& fast = s.requests.at(1);
  slow.call([&] { slow.down->pause(); });
  const std::string piece(16'000, 'p');
  std::string want;
  for (int i = 0; i < 4; ++i) {
    s.feed(data(1, piece));
    want += piece;
  }
  EXPECT_EQ(slow.body, "");
  EXPECT_TRUE(s.reader->all(kWindow, 1).empty());
  for (int i = 0; i < 200; ++i) s.feed(data(3, piece));  // 3.2 MB: three times the connection's window
  EXPECT_EQ(fast.body.size(), 200 * piece.size());
  uint64_t stream = 65536, connection = 65535;
  for (const Frame* f : s.reader->all(kWindow, 3)) stream += f->number();
  for (const Frame* f : s.reader->all(kWindow, 0)) connection += f->number();
  EXPECT_GE(stream, 200 * piece.size());
  EXPECT_GE(connection, 204 * piece.size());
  EXPECT_EQ(s.reader->goaway_code(), -1);

  s.feed(headers(1, {{"x-t", "1"}}));  // trailers wait with the bytes
  EXPECT_EQ(slow.ends, 0);
  slow.call([&] { slow.down->resume(); });
  EXPECT_EQ(slow.body, "");
  s.flush();
  EXPECT_EQ(slow.body, want);
  EXPECT_EQ(slow.trailers, "x-t=1|");
  EXPECT_EQ(slow.ends, 1);
  EXPECT_FALSE(slow.told_in_sender);
}

TEST(H2Server, ResumedStreamsGetTheirWindowBack) {
  Server s;
  s.feed(preface() + headers(1, get("/", "POST"), kEndHeaders));
  Record& r = s.requests.at(0);
  r.down->pause();
  for (int i = 0; i < 4; ++i) s.feed(data(1, std::string(16'000, 'p')));
  r.down->resume();
  r.down->pause();
  r.down->resume();
  s.flush();
  EXPECT_EQ(r.body.size(), 64'000u);
  ASSERT_TRUE(s.reader->last(kWindow, 1));
  EXPECT_EQ(s.reader->last(kWindow, 1)->number(), 64'000u);
  // Paused again by the very bytes that resume() delivers.
  r.down->pause();
  s.feed(data(1, "one"));
  r.body_hook = [&](Bytes) { r.down->pause(); };
  r.down->resume();
  s.flush();
  s.feed(data(1, "two", true));
  EXPECT_EQ(r.body.substr(64'000), "one");
  EXPECT_EQ(r.ends, 0);
  r.down->resume();
  s.flush();
  EXPECT_EQ(r.body.substr(64'000), "onetwo");
  EXPECT_EQ(r.ends, 0);  // the hook paused again
  r.down->resume();
  s.flush();
  EXPECT_EQ(r.ends, 1);
}

TEST(H2Server, AStreamThatOverrunsItsWindowIsReset) {
  Server s;
  s.feed(preface() + headers(1, get("/", "POST"), kEndHeaders));
  Record& r = s.requests.at(0);
  r.down->pause();
  for (int i = 0; i < 5; ++i) s.feed(data(1, std::string(16'000, 'p')));
  EXPECT_EQ(s.reader->reset_code(1), NGHTTP2_FLOW_CONTROL_ERROR);
  EXPECT_EQ(r.resets, 1);
  EXPECT_EQ(r.reset.cause, EndCause::bad_request);
  EXPECT_STREQ(r.reset.detail, "flow_control_error");
}

TEST(H2Server, StopsReadingFromAPeerThatDoesNotRead) {
  Server s;
  s.feed(preface());
  s.codec().produced(1'000'000);
  EXPECT_FALSE(s.codec().wants_read());
  EXPECT_EQ(s.reading_changes, 1);
  s.codec().produced(200'000);
  EXPECT_FALSE(s.codec().wants_read());
  s.codec().produced(1000);
  EXPECT_TRUE(s.codec().wants_read());
  EXPECT_EQ(s.reading_changes, 2);
}

TEST(H2Server, StreamsShareTheConnection) {
  Server s;
  s.feed(preface(setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1'000'000)) + window(0, 10'000'000) + headers(1, get()) +
         headers(3, get()));
  for (Record& r : s.requests) {
    s.begin(r);
    s.body(r, std::string(200'000, 'x'));
  }
  s.flush();
  std::vector<uint32_t> order;
  for (const Frame* f : s.reader->all(kData)) order.push_back(f->id);
  ASSERT_GE(order.size(), 20u);
  EXPECT_NE(order[0], order[1]);
  EXPECT_NE(order[2], order[3]);
}

// ---- server: the connection's end ------------------------------------------------------------------

TEST(H2Server, DrainsInTwoSteps) {
  Server s;
  s.feed(preface() + headers(1, get()));
  s.codec().drain();
  s.flush();
  ASSERT_TRUE(s.reader->last(kGoaway));
  EXPECT_EQ(s.reader->last(kGoaway)->number(), 0x7fffffffu);
  const Frame* ping = s.reader->last(kPing);
  ASSERT_TRUE(ping);
  s.feed(headers(3, get()));  // on its way when the notice went out
  EXPECT_EQ(s.requests.size(), 2u);
  s.feed(frame(kPing, kAck, 0, ping->payload));
  ASSERT_EQ(s.reader->all(kGoaway).size(), 2u);
  EXPECT_EQ(s.reader->last(kGoaway)->number(), 3u);
  EXPECT_EQ(s.reader->goaway_code(), NGHTTP2_NO_ERROR);
  s.feed(headers(5, get()));
  EXPECT_EQ(s.requests.size(), 2u);
  for (Record& r : s.requests) {
    EXPECT_EQ(s.closes, 0);
    s.answer(r, 200, "bye");
    r.release();
    s.flush();
  }
  EXPECT_EQ(s.reader->body(1) + s.reader->body(3), "byebye");
  EXPECT_EQ(s.closes, 1);
  EXPECT_EQ(s.close_end.cause, EndCause::none);
  EXPECT_FALSE(s.codec().wants_read());
}

TEST(H2Server, TheSecondDrainDoesNotWaitForThePing) {
  Server s;
  s.feed(preface());
  s.codec().drain();
  s.flush();
  EXPECT_EQ(s.closes, 0);
  s.codec().drain();
  s.flush();
  EXPECT_EQ(s.reader->all(kGoaway).size(), 2u);
  EXPECT_EQ(s.closes, 1);
}

TEST(H2Server, AClientThatSaysGoodbyeIsServedFirst) {
  Server s;
  s.feed(preface() + headers(1, get()) + frame(kGoaway, 0, 0, u32(0) + u32(0)));
  EXPECT_EQ(s.closes, 0);
  s.answer(s.requests.at(0), 200, "x");
  s.requests[0].release();
  s.flush();
  EXPECT_EQ(s.reader->body(1), "x");
  EXPECT_EQ(s.closes, 1);
}

TEST(H2Server, SaysWhenAHeadIsOnItsWay) {
  Server s;
  EXPECT_TRUE(s.codec().receiving_head());  // the preface counts
  s.feed(Bytes(preface()).substr(0, 30));
  EXPECT_TRUE(s.codec().receiving_head());
  s.feed(Bytes(preface()).substr(30));
  EXPECT_FALSE(s.codec().receiving_head());
  const std::string b = block(get("/", "POST"));
  const std::string bytes =
      frame(kHeaders, 0, 1, Bytes(b).substr(0, 10)) + frame(kContinuation, kEndHeaders, 1, Bytes(b).substr(10));
  for (size_t i = 0; i < bytes.size(); ++i) {
    s.feed(Bytes(bytes).substr(i, 1));
    EXPECT_EQ(s.codec().receiving_head(), i + 1 >= 9 && i + 1 < bytes.size()) << i;
  }
  ASSERT_EQ(s.requests.size(), 1u);
  s.feed(Bytes(data(1, "abcdef")).substr(0, 12));
  EXPECT_FALSE(s.codec().receiving_head());  // a body is not a head
}

TEST(H2Server, SettingsWithoutAcknowledgementCountAsAHead) {
  Server s;
  s.feed(Bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
  s.feed(settings());
  EXPECT_TRUE(s.codec().receiving_head());
  s.feed(frame(kSettings, kAck, 0));
  EXPECT_FALSE(s.codec().receiving_head());
}

TEST(H2Server, LateHeadsEndTheConnectionAfterItsExchanges) {
  Server s;
  s.feed(preface() + headers(1, get()) + frame(kHeaders, kEndStream, 3, "\x82"));
  s.codec_->expire_head({EndCause::client_timeout, "head"});
  s.flush();
  EXPECT_EQ(s.reader->goaway_code(), NGHTTP2_NO_ERROR);
  EXPECT_EQ(s.closes, 0);
  s.answer(s.requests.at(0), 200, "x");
  s.requests[0].release();
  s.flush();
  EXPECT_EQ(s.reader->body(1), "x");
  EXPECT_EQ(s.closes, 1);
  EXPECT_STREQ(s.close_end.detail, "head");
}

// ---- client ----------------------------------------------------------------------------------------

std::string server_preface(Bytes entries = {}) {
  return settings(entries) + frame(kSettings, kAck, 0);
}
List ok(Bytes status = "200") {
  return {{":status", std::string(status)}};
}

TEST(H2Client, GreetsAndRefusesPush) {
  Client c;
  c.flush();
  EXPECT_FALSE(c.reader->broken);
  const Frame* f = c.reader->last(kSettings);
  ASSERT_TRUE(f);
  EXPECT_EQ(f->payload, setting(NGHTTP2_SETTINGS_ENABLE_PUSH, 0) +
                            setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 64 * 1024) +
                            setting(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 64 * 1024));
  EXPECT_TRUE(c.codec_->reusable());
  EXPECT_EQ(c.codec_->capacity(), 100u);
}

TEST(H2Client, SendsRequests) {
  Client c;
  Record& r = c.request("POST", "/p?q", true, 5, {{"Host", "evil"}, {"Connection", "x"}, {"X-A", "B"}, {"TE", "gzip"}});
  EXPECT_FALSE(r.up->anything_sent());
  c.body(r, "hel");
  c.body(r, "lo");
  c.end(r);
  c.flush();
  EXPECT_TRUE(r.up->anything_sent());
  const Frame* h = c.reader->last(kHeaders, 1);
  ASSERT_TRUE(h);
  EXPECT_EQ(h->fields, (List{{":method", "POST"},
                             {":scheme", "https"},
                             {":path", "/p?q"},
                             {":authority", "a.test"},
                             {"x-a", "B"},
                             {"content-length", "5"}}));
  EXPECT_EQ(c.reader->body(1), "hello");
  ASSERT_EQ(c.reader->all(kData, 1).size(), 1u);
  EXPECT_TRUE(c.reader->ended(1));
  Record& t = c.start();
  RequestPtr head = make_request();
  head->method_name = "GET";
  head->method = Method::get;
  head->scheme = "http";
  head->authority = "b.test";
  head->target = "/";
  head->te_trailers = true;
  t.up->send_head(*head);
  head.reset();
  c.flush();
  EXPECT_EQ(
      c.reader->last(kHeaders, 3)->fields,
      (List{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "b.test"}, {"te", "trailers"}}));
  EXPECT_TRUE(c.reader->ended(3));
}

TEST(H2Client, TakesResponsesHoweverTheyAreCut) {
  const std::string bytes = server_preface() + headers(1, ok("103"), kEndHeaders) +
                            headers(1, with(ok(), {{"content-length", "5"}, {"server", "s"}}), kEndHeaders) +
                            data(1, "he") + headers(3, with(ok(), {{"content-length", "5"}})) + data(1, "llo") +
                            headers(1, {{"x-t", "1"}, {"set-cookie", "no"}}) + headers(5, ok("204")) +
                            headers(7, ok("304"), kEndHeaders) + data(7, "", true) + headers(9, ok(), kEndHeaders) +
                            data(9, "x", true);
  for (size_t step : {0, 1, 2, 7, 9, 11}) {
    Client c;
    c.request();
    c.request("HEAD");
    for (int i = 0; i < 3; ++i) c.request();
    c.flush();
    c.feed(bytes, step);
    const char* want[] = {"    200 {server=s|} cl=5 body=hello trailers=x-t=1| end=1 i103",
                          "    200 {} cl=5 body= trailers= end=1", "    204 {} cl=- body= trailers= end=1",
                          "    304 {} cl=- body= trailers= end=1", "    200 {} cl=- body=x trailers= end=1"};
    for (size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(c.responses[i].verdict(), want[i]) << i << " step " << step;
      EXPECT_EQ(c.responses[i].has_body, i == 0 || i == 4);
      c.responses[i].release();
    }
    c.flush();
    EXPECT_EQ(c.codec().active(), 0u);
    EXPECT_EQ(c.codec_->capacity(), 100u);
    EXPECT_TRUE(c.codec_->reusable());
  }
}

struct BadResponse {
  const char* name;
  std::string bytes;  // on stream 1
  const char* detail;
};

TEST(H2Client, RefusesBadResponses) {
  std::string many;
  for (int i = 0; i < 33; ++i) many += headers(1, ok("103"), kEndHeaders);
  List long_list = ok(), fat = ok();
  for (int i = 0; i < 101; ++i) long_list.push_back({"a", "b"});
  for (int i = 0; i < 20; ++i) fat.push_back({"a", std::string(4000, 'x')});
  std::string fat_block = block(fat), fat_bytes = frame(kHeaders, kEndStream, 1, Bytes(fat_block).substr(0, 16000));
  for (size_t at = 16000; at < fat_block.size(); at += 16000) {
    fat_bytes +=
        frame(kContinuation, at + 16000 >= fat_block.size() ? kEndHeaders : 0, 1, Bytes(fat_block).substr(at, 16000));
  }
  const BadResponse rows[] = {
      {"status 099", headers(1, ok("099")), "status"},
      {"status 000", headers(1, ok("000")), "status"},
      {"status 600", headers(1, ok("600")), "status"},
      {"status 20", headers(1, ok("20")), "protocol_error"},
      {"status 2x0", headers(1, ok("2x0")), "protocol_error"},
      {"status 101", headers(1, ok("101"), kEndHeaders), "protocol_error"},
      {"no status", headers(1, {{"a", "b"}}), "protocol_error"},
      {"1xx ends the stream", headers(1, ok("100")), "protocol_error"},
      {"33 x 103", many, "too_many_informational"},
      {"connection field", headers(1, with(ok(), {{"connection", "x"}})), "protocol_error"},
      {"te: chunked", headers(1, with(ok(), {{"transfer-encoding", "chunked"}})), "protocol_error"},
      {"NUL in a value", headers(1, with(ok(), {{"a", std::string("x\0y", 3)}})), "protocol_error"},
      {"CRLF in a value", headers(1, with(ok(), {{"a", "x\r\nb: c"}})), "protocol_error"},
      {"two lengths", headers(1, with(ok(), {{"content-length", "5"}, {"content-length", "6"}})), "protocol_error"},
      {"bad length", headers(1, with(ok(), {{"content-length", "+5"}})), "protocol_error"},
      {"length without DATA", headers(1, with(ok(), {{"content-length", "5"}})), "protocol_error"},
      {"body too short", headers(1, with(ok(), {{"content-length", "5"}}), kEndHeaders) + data(1, "abc", true),
       "protocol_error"},
      {"body too long", headers(1, with(ok(), {{"content-length", "2"}}), kEndHeaders) + data(1, "abc"),
       "protocol_error"},
      {"DATA before HEADERS", data(1, "abc"), "protocol_error"},
      {"too many fields", headers(1, long_list), "head_too_long"},
      {"too many bytes", fat_bytes, "head_too_long"},
      {"trailers without end", headers(1, ok(), kEndHeaders) + headers(1, {{"a", "b"}}, kEndHeaders), "protocol_error"},
      {"trailers with status", headers(1, ok(), kEndHeaders) + headers(1, ok()), "protocol_error"},
  };
  for (const BadResponse& row : rows) {
    for (size_t step : {0, 1}) {
      SCOPED_TRACE(std::string(row.name) + " step " + std::to_string(step));
      Client c;
      Record& r = c.request();
      c.flush();
      c.feed(server_preface() + row.bytes, step);
      EXPECT_EQ(r.resets, 1);
      EXPECT_EQ(r.reset.cause, EndCause::upstream_protocol);
      EXPECT_STREQ(r.reset.detail, row.detail);
      EXPECT_EQ(r.ends, 0);
      EXPECT_EQ(c.codec().active(), 0u);
    }
  }
}

TEST(H2Client, NeverDeliversABodyWhereThereIsNone) {
  for (Bytes status : {"204", "304", "200"}) {
    Client c;
    Record& r = c.request(status == "200" ? "HEAD" : "GET");
    c.flush();
    c.feed(server_preface() + headers(1, ok(status), kEndHeaders) + data(1, "surprise", true));
    EXPECT_EQ(r.body, "");
    EXPECT_EQ(r.ends, 1);
    r.release();
    c.flush();
    EXPECT_EQ(c.codec().active(), 0u);
  }
}

TEST(H2Client, CapacityFollowsBothSides) {
  CodecLimits limits;
  limits.max_concurrent_streams = 5;
  Client c(limits);
  c.flush();
  EXPECT_EQ(c.codec_->capacity(), 5u);
  c.feed(server_preface(setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2)));
  EXPECT_EQ(c.codec_->capacity(), 2u);
  Record& a = c.request();
  c.request();
  EXPECT_EQ(c.codec_->capacity(), 0u);
  c.flush();
  int before = c.capacities;
  c.feed(headers(1, ok()));
  a.release();
  c.flush();
  EXPECT_EQ(c.codec_->capacity(), 1u);
  EXPECT_EQ(c.capacities, before + 1);
  c.feed(settings(setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100)));
  EXPECT_EQ(c.codec_->capacity(), 4u);
  EXPECT_EQ(c.capacities, before + 2);
}

TEST(H2Client, GoawayGivesBackWhatWasNotProcessed) {
  Client c;
  for (int i = 0; i < 3; ++i) c.request();
  c.flush();
  c.feed(server_preface() + frame(kGoaway, 0, 0, u32(1) + u32(0)));
  EXPECT_EQ(c.responses[0].resets, 0);
  for (int i : {1, 2}) {
    EXPECT_EQ(c.responses[i].resets, 1);
    EXPECT_EQ(c.responses[i].reset.cause, EndCause::upstream_reset);
    EXPECT_STREQ(c.responses[i].reset.detail, "refused_stream");
  }
  EXPECT_FALSE(c.codec_->reusable());
  EXPECT_EQ(c.codec_->capacity(), 0u);
  EXPECT_GE(c.capacities, 1);
  EXPECT_EQ(c.closes, 0);
  c.feed(headers(1, ok(), kEndHeaders) + data(1, "done", true));
  EXPECT_EQ(c.responses[0].body, "done");
  c.responses[0].release();
  c.flush();
  EXPECT_EQ(c.closes, 1);
}

TEST(H2Client, RequestsThatNeverLeftAreGivenBackToo) {
  Client c;
  c.flush();
  c.feed(server_preface());
  Record& r = c.request();
  // GOAWAY arrives before the request was written.
  std::string bytes = frame(kGoaway, 0, 0, u32(0) + u32(0));
  c.codec().receive(bytes);
  c.flush();
  EXPECT_EQ(r.resets, 1);
  EXPECT_STREQ(r.reset.detail, "refused_stream");
  EXPECT_TRUE(c.reader->all(kHeaders).empty());
}

struct UpstreamEnd {
  const char* name;
  std::string bytes;
  EndCause cause;
  const char* detail;
};

TEST(H2Client, TellsHowTheServiceBrokeOff) {
  const UpstreamEnd rows[] = {
      {"refused", rst(1, NGHTTP2_REFUSED_STREAM), EndCause::upstream_reset, "refused_stream"},
      {"reset", rst(1, NGHTTP2_INTERNAL_ERROR), EndCause::upstream_reset, "internal_error"},
      {"mid-body", headers(1, ok(), kEndHeaders) + data(1, "x") + rst(1, NGHTTP2_CANCEL), EndCause::upstream_reset,
       "cancel"},
      {"no error, no answer", rst(1, NGHTTP2_NO_ERROR), EndCause::upstream_reset, "no_error"},
      {"unknown code", rst(1, 12345), EndCause::upstream_reset, "unknown_error"},
      {"push", frame(kPush, kEndHeaders, 1, u32(2) + block(get())), EndCause::upstream_protocol, "h2_push"},
      {"garbage", "HTTP/1.1 400 Bad Request\r\n\r\n", EndCause::upstream_protocol, "protocol_error"},
      {"even stream", headers(2, ok()), EndCause::upstream_protocol, "protocol_error"},
  };
  for (const UpstreamEnd& row : rows) {
    for (size_t step : {0, 1}) {
      SCOPED_TRACE(row.name);
      Client c;
      Record& r = c.request();
      c.flush();
      c.feed((Bytes(row.name) == "garbage" ? "" : server_preface()) + row.bytes, step);
      EXPECT_EQ(r.resets, 1);
      EXPECT_EQ(r.reset.cause, row.cause);
      EXPECT_STREQ(r.reset.detail, row.detail);
      EXPECT_EQ(c.codec().active(), 0u);
    }
  }
}

TEST(H2Client, EndOfStreamTruncates) {
  Client c;
  Record& r = c.request();
  c.flush();
  c.feed(server_preface() + headers(1, ok(), kEndHeaders) + data(1, "x"));
  c.codec().receive_eof();
  EXPECT_EQ(r.resets, 1);
  EXPECT_EQ(r.reset.cause, EndCause::upstream_closed);
  EXPECT_EQ(r.ends, 0);
  EXPECT_EQ(c.closes, 1);
  EXPECT_FALSE(c.codec_->reusable());
}

TEST(H2Client, ReleaseAndResetCancel) {
  Client c;
  Record& a = c.request();
  Record& b = c.request("POST", "/", true);
  Record& never = c.start();
  Record& unsent = c.request();
  unsent.release();  // its head has not left: the service hears nothing
  c.flush();
  a.release();
  b.call([&] { b.up->reset(EndCause::downstream_reset); });
  b.release();
  never.release();
  c.flush();
  EXPECT_EQ(c.reader->reset_code(1), NGHTTP2_CANCEL);
  EXPECT_EQ(c.reader->reset_code(3), NGHTTP2_CANCEL);
  EXPECT_EQ(c.reader->all(kHeaders).size(), 2u);
  EXPECT_EQ(c.codec().active(), 0u);
  EXPECT_TRUE(c.codec_->reusable());
  c.feed(server_preface() + headers(1, ok()));  // crossed the cancel
  EXPECT_EQ(a.heads, 0);
  EXPECT_EQ(c.closes, 0);
}

TEST(H2Client, AnswersBeforeTheRequestEnds) {
  Client c;
  Record& r = c.request("POST", "/", true);
  c.body(r, "abc");
  c.flush();
  c.feed(server_preface() + headers(1, ok("413"), kEndHeaders) + data(1, "no", true) + rst(1, NGHTTP2_NO_ERROR));
  EXPECT_EQ(r.verdict(), "    413 {} cl=- body=no trailers= end=1" + std::string());
  c.body(r, "more");
  c.end(r);
  r.release();
  c.flush();
  EXPECT_EQ(c.reader->body(1), "abc");
  EXPECT_EQ(c.codec().active(), 0u);
  EXPECT_TRUE(c.codec_->reusable());
}

TEST(H2Client, UploadsKeepToTheWindow) {
  Client c;
  c.flush();
  c.feed(server_preface(setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1000)));
  Record& r = c.request("PUT", "/", true, 100'000);
  c.body(r, std::string(100'000, 'u'));
  c.end(r);
  c.flush();
  EXPECT_EQ(c.reader->body(1).size(), 1000u);
  EXPECT_EQ(r.blocked, 1);
  c.feed(window(1, 99'000) + window(0, 99'000));
  EXPECT_EQ(c.reader->body(1).size(), 100'000u);
  EXPECT_EQ(r.unblocked, 1);
  EXPECT_TRUE(c.reader->ended(1));
}

TEST(H2Client, HeldBytesOutliveTheStream) {
  Client c;
  Record& r = c.request();
  r.call([&] { r.up->pause(); });
  c.flush();
  c.feed(server_preface() + headers(1, ok(), kEndHeaders) + data(1, "held"));
  c.feed(data(1, " back", true));
  EXPECT_EQ(r.heads, 1);
  EXPECT_EQ(r.body, "");
  EXPECT_EQ(r.resets, 0);
  r.call([&] { r.up->resume(); });
  c.flush();
  EXPECT_EQ(r.body, "held back");
  EXPECT_EQ(r.ends, 1);
  EXPECT_FALSE(r.told_in_sender);
}

TEST(H2Client, TunnelsThroughConnect) {
  Client c;
  Record& r = c.start();
  RequestPtr head = make_request();
  head->method_name = "CONNECT";
  head->method = Method::connect;
  head->authority = head->target = "db.test:5432";
  head->has_body = true;
  r.up->send_head(*head);
  c.flush();
  EXPECT_EQ(c.reader->last(kHeaders, 1)->fields, (List{{":method", "CONNECT"}, {":authority", "db.test:5432"}}));
  c.feed(server_preface() + headers(1, ok(), kEndHeaders) + data(1, "from"));
  EXPECT_TRUE(r.has_body);
  c.body(r, "to");
  c.end(r);
  c.feed(data(1, ".", true));
  EXPECT_EQ(r.body, "from.");
  EXPECT_EQ(r.ends, 1);
  EXPECT_EQ(c.reader->body(1), "to");
}

TEST(H2Client, DrainFinishesAndCloses) {
  Client c;
  Record& r = c.request();
  c.flush();
  c.codec().drain();
  c.flush();
  EXPECT_FALSE(c.codec_->reusable());
  EXPECT_EQ(c.closes, 0);
  c.feed(server_preface() + headers(1, ok(), kEndHeaders) + data(1, "x", true));
  EXPECT_EQ(r.body, "x");
  r.release();
  c.flush();
  EXPECT_EQ(c.closes, 1);
  EXPECT_EQ(c.reader->goaway_code(), NGHTTP2_NO_ERROR);
}

// ---- both roles against each other -----------------------------------------------------------------

void exchange_bytes(Client& c, Server& s, size_t step) {
  for (int i = 0; i < 100'000; ++i) {
    c.flush();
    s.flush();
    if (c.wire.empty() && s.wire.empty()) return;
    std::string up, down;
    up.swap(c.wire);
    down.swap(s.wire);
    s.feed(up, step);
    c.feed(down, step);
  }
  FAIL() << "never quiet";
}

TEST(H2Pair, AHundredStreamsInterleaved) {
  for (size_t step : {0, 1021, 17}) {
    Server s({}, false);
    Client c({}, false);
    s.request_hook = [&s](Record& r) {
      s.begin(r);
      r.body_hook = [&](Bytes b) { s.body(r, std::string(b)); };
      r.end_hook = [&] {
        Fields trailers;
        trailers.add("x-path", r.target);
        s.end(r, &trailers);
        r.release();
      };
    };
    std::vector<std::string> want(100);
    for (int i = 0; i < 100; ++i) c.request("POST", "/" + std::to_string(i), true);
    for (int round = 0; round < 20; ++round) {
      for (int i = 0; i < 100; ++i) {
        std::string piece(size_t(1 + (i * 37 + round * 101) % 900), char('a' + (i + round) % 26));
        want[size_t(i)] += piece;
        c.body(c.responses[size_t(i)], piece);
      }
      exchange_bytes(c, s, step);
    }
    for (Record& r : c.responses) c.end(r);
    exchange_bytes(c, s, step);
    ASSERT_EQ(s.requests.size(), 100u);
    for (size_t i = 0; i < 100; ++i) {
      Record& r = c.responses[i];
      EXPECT_EQ(r.body, want[i]);
      EXPECT_EQ(r.trailers, "x-path=/" + std::to_string(i) + "|");
      EXPECT_EQ(r.ends, 1);
      r.release();
    }
    exchange_bytes(c, s, step);
    EXPECT_EQ(s.codec().active() + c.codec().active(), 0u);
    EXPECT_EQ(s.closes + c.closes, 0);
  }
}

// A megabyte each way on every stream, through windows of 64 KiB, one side pausing now and then.
TEST(H2Pair, BulkInBothDirectionsWithPauses) {
  Server s({}, false);
  Client c({}, false);
  constexpr size_t kSize = 1'000'000;
  int turn = 0;
  s.request_hook = [&](Record& r) {
    s.begin(r, kSize);
    r.body_hook = [&](Bytes b) {
      s.body(r, std::string(b));
      if (++turn % 3 == 0) r.call([&] { r.down->pause(); });
    };
    r.end_hook = [&] {
      s.end(r);
      r.release();
    };
  };
  for (int i = 0; i < 4; ++i) c.request("POST", "/", true, kSize);
  size_t sent = 0;
  while (sent < kSize) {
    size_t n = std::min<size_t>(20'000, kSize - sent);
    for (Record& r : c.responses) c.body(r, std::string(n, char('a' + sent / 20'000 % 26)));
    sent += n;
    exchange_bytes(c, s, 5000);
    for (Record& r : s.requests) {
      if (!r.released) r.call([&] { r.down->resume(); });
    }
    exchange_bytes(c, s, 5000);
  }
  for (Record& r : c.responses) c.end(r);
  for (int i = 0; i < 100; ++i) {
    exchange_bytes(c, s, 5000);
    for (Record& r : s.requests) {
      if (!r.released) r.call([&] { r.down->resume(); });
    }
  }
  for (Record& r : c.responses) {
    EXPECT_EQ(r.body.size(), kSize);
    for (size_t at = 0; at < r.body.size(); at += 1000) ASSERT_EQ(r.body[at], char('a' + at / 20'000 % 26)) << at;
    EXPECT_EQ(r.ends, 1);
    r.release();
  }
  exchange_bytes(c, s, 0);
  EXPECT_EQ(s.codec().active() + c.codec().active(), 0u);
}

}  // namespace
}  // namespace cardea::http::test
