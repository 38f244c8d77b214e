// HTTP/2 towards clients: how streams end early, and how the connection ends.
#include <gtest/gtest.h>

#include "h2_peer.h"

namespace cardea::http::test {
namespace {

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

}  // namespace
}  // namespace cardea::http::test
