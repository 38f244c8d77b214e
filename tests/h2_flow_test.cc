// HTTP/2 windows and back pressure: who waits for whom, and what is held meanwhile.
#include <gtest/gtest.h>

#include "h2_peer.h"

namespace cardea::http::test {
namespace {

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

}  // namespace
}  // namespace cardea::http::test
