// HTTP/2 with both roles against each other, whole and byte by byte.
#include <gtest/gtest.h>

#include "h2_peer.h"

namespace cardea::http::test {
namespace {

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
