// HTTP/2 peers that mean harm with well-formed frames: floods as budgets. Numbers are rows of the catalogue of hostile
// input.
#include <gtest/gtest.h>

#include "h2_peer.h"

namespace cardea::http::test {
namespace {

// ---- floods ----------------------------------------------------------------------------------------

// Feeds `n` pieces made by `make`, as many to a turn as fit into `batch` bytes; stops when the codec gives up.
template <class Make>
int flood(Server& s, int n, size_t batch, Make make) {
  int i = 0;
  while (i < n && s.closes == 0) {
    std::string bytes;
    do {
      bytes += make(i++);
    } while (i < n && bytes.size() < batch);
    s.feed(bytes);
  }
  return i;
}

void expect_calm(Server& s, const char* detail) {
  EXPECT_EQ(s.closes, 1);
  EXPECT_EQ(s.reader->goaway_code(), NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_EQ(s.close_end.cause, EndCause::bad_request);
  EXPECT_STREQ(s.close_end.detail, detail);
  EXPECT_FALSE(s.reader->broken);
  EXPECT_TRUE(s.reader->at_frame_boundary());
  EXPECT_FALSE(s.codec().wants_read());
  for (Record& r : s.requests) EXPECT_TRUE(r.released || r.resets == 1);
  EXPECT_EQ(s.codec().active(), 0u);
  const size_t requests = s.requests.size();
  s.feed(headers(1'000'001, get()));
  EXPECT_EQ(s.requests.size(), requests);  // nothing more comes through
}

constexpr size_t kOneByOne = 1, kReadBuffer = 64 * 1024, kAll = size_t(-1);

TEST(H2Hostile, Row94RapidReset) {
  for (size_t batch : {kOneByOne, kReadBuffer, kAll}) {
    Server s;
    s.feed(preface());
    flood(s, 10'000, batch, [](int i) {
      uint32_t id = uint32_t(2 * i + 1);
      return headers(id, get()) + rst(id, NGHTTP2_CANCEL);
    });
    expect_calm(s, "h2_reset_flood");
    EXPECT_LE(s.requests.size(), 101u);
    EXPECT_LE(s.most_active, 100u);
  }
}

TEST(H2Hostile, Row94OrdinaryCancelsAreFine) {
  Server s;
  s.feed(preface());
  // A user who closes one page a second.
  flood(s, 600, kOneByOne, [&](int i) {
    s.clock.now += 200;
    uint32_t id = uint32_t(2 * i + 1);
    return headers(id, get()) + rst(id, NGHTTP2_CANCEL);
  });
  EXPECT_EQ(s.closes, 0);
  // Downloads that are cancelled, and cancels that cross the end of the answer.
  s.request_hook = [&](Record& r) {
    s.begin(r);
    s.body(r, "x");
    if (s.requests.size() % 2) s.end(r);
    if (s.requests.size() % 2) r.release();
  };
  flood(s, 2000, kOneByOne,
        [](int i) { return headers(uint32_t(2 * i + 10'001), get()) + rst(uint32_t(2 * i + 10'001), 8); });
  EXPECT_EQ(s.closes, 0);
  EXPECT_EQ(s.requests.size(), 2600u);
}

// In one batch the acknowledged limit of streams ends it even earlier: what was reset still counts until the
// reset is sent.
TEST(H2Hostile, Row95ResetsThatThePeerProvokes) {
  for (size_t batch : {kOneByOne, kReadBuffer, kAll}) {
    for (bool by_window : {true, false}) {
      Server s;
      s.feed(preface());
      flood(s, 1500, batch, [&](int i) {
        uint32_t id = uint32_t(2 * i + 1);
        return headers(id, with(get("/", "POST"), {{"content-length", "1"}}), kEndHeaders) +
               (by_window ? window(id, 0x7fffffff) : data(id, "too long"));
      });
      if (batch == kOneByOne) expect_calm(s, "h2_provoked_resets");
      EXPECT_EQ(s.closes, 1);
      EXPECT_LE(s.requests.size(), 101u);
      EXPECT_LE(s.most_active, 100u);
      EXPECT_EQ(s.codec().active(), 0u);
    }
  }
}

TEST(H2Hostile, Row95BadRequestsSpendTheBudgetToo) {
  for (size_t batch : {kOneByOne, kReadBuffer}) {
    Server s;
    s.feed(preface());
    flood(s, 1500, batch, [](int i) { return headers(uint32_t(2 * i + 1), get("/#")); });
    if (batch == kOneByOne) expect_calm(s, "h2_bad_requests");
    EXPECT_EQ(s.closes, 1);
    EXPECT_LE(s.bad.size(), 101u);
  }
}

TEST(H2Hostile, Row96Continuations) {
  for (size_t step : {0, 1, 4}) {
    for (int n : {8, 9}) {
      Server s;
      std::string bytes = preface() + frame(kHeaders, kEndStream, 1, block(get()));
      for (int i = 0; i < n; ++i) bytes += frame(kContinuation, i == n - 1 ? kEndHeaders : 0, 1);
      s.feed(bytes, step);
      EXPECT_EQ(s.requests.size(), n == 8 ? 1u : 0u);
      if (n == 9) expect_calm(s, "h2_continuations");
    }
  }
  Server t;  // the same for a block that is not wanted
  std::string bytes = preface() + headers(1, get()) + rst(1, 8) + frame(kHeaders, kEndStream, 1, block(get()));
  for (int i = 0; i < 9; ++i) bytes += frame(kContinuation, 0, 1);
  t.feed(bytes);
  EXPECT_EQ(t.closes, 1);
}

struct Nuisance {
  int number;
  const char* name;
  std::string bytes;
  int harmless, flood;  // so many are taken; so many are not
  const char* detail;
};

TEST(H2Hostile, Rows98To103Nuisances) {
  const std::string priority = frame(kPriority, 0, 3, u32(0) + "\x10");
  const Nuisance rows[] = {
      {98, "PING", frame(kPing, 0, 0, "12345678"), 500, 1500, "h2_ping_flood"},
      {98, "PING answers", frame(kPing, kAck, 0, "12345678"), 500, 1500, "h2_ping_flood"},
      {99, "SETTINGS", settings(), 80, 1500, "h2_settings_flood"},
      {101, "PRIORITY", priority, 500, 20'000, "h2_priority_flood"},
      {102, "unknown", frame(0xfa, 0x55, 7, "x"), 500, 10'000, "h2_useless_frames"},
      {102, "PRIORITY_UPDATE", frame(0x10, 0, 0, u32(1) + "u=1"), 500, 10'000, "h2_useless_frames"},
      {102, "ALTSVC", frame(0x0a, 0, 1, "xxxx"), 500, 10'000, "h2_useless_frames"},
      {103, "WINDOW_UPDATE", window(0, 1), 500, 100'000, "h2_window_flood"},
  };
  for (const Nuisance& row : rows) {
    for (size_t batch : {kOneByOne, kReadBuffer}) {
      SCOPED_TRACE(row.name);
      Server s;
      s.feed(preface());
      int sent = flood(s, row.harmless, batch, [&](int) { return row.bytes; });
      EXPECT_EQ(s.closes, 0);
      s.feed(headers(1, get()));
      EXPECT_EQ(s.requests.size(), 1u);
      s.clock.now += 10'000;  // the budget is whole again
      EXPECT_EQ(flood(s, row.harmless, batch, [&](int) { return row.bytes; }), row.harmless);
      EXPECT_EQ(s.closes, 0);
      sent = flood(s, row.flood, batch, [&](int) { return row.bytes; });
      expect_calm(s, row.detail);
      EXPECT_LT(sent, batch == kOneByOne ? 1100 : row.flood + 1);
    }
  }
}

TEST(H2Hostile, Row98AcknowledgementsOfAPeerThatDoesNotReadAreBounded) {
  for (const std::string& one : {frame(kPing, 0, 0, "12345678"), settings()}) {
    CodecLimits limits;
    limits.h2_error_budget = 1'000'000;  // nghttp2's own queue is the bound
    Server s(limits);
    s.feed(preface());
    std::string bytes;
    for (int i = 0; i < 1500; ++i) bytes += one;
    s.codec().receive(bytes);
    s.flush();
    expect_calm(s, "h2_ack_flood");
  }
}

TEST(H2Hostile, Row99TooManySettings) {
  std::string entries;
  for (int i = 0; i < 33; ++i) entries += setting(uint16_t(1000 + i), 1);
  Server s;
  s.feed(preface() + headers(1, get()) + settings(entries));
  EXPECT_EQ(s.reader->goaway_code(), NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_EQ(s.closes, 1);
  EXPECT_EQ(s.requests.at(0).resets, 1);
}

TEST(H2Hostile, Row100EmptyData) {
  const std::string padding(20, '\0');
  for (const std::string& empty : {data(1, ""), frame(kData, kPadded, 1, "\x13" + padding.substr(1))}) {
    for (size_t batch : {kOneByOne, kReadBuffer}) {
      Server s;
      s.feed(preface() + headers(1, get("/", "POST"), kEndHeaders));
      EXPECT_LE(flood(s, 5000, batch, [&](int) { return empty; }), batch == 1 ? 11 : 5000);
      expect_calm(s, "h2_empty_data");
    }
  }
  Server s;  // a few now and then are ordinary
  s.feed(preface() + headers(1, get("/", "POST"), kEndHeaders));
  for (int i = 0; i < 9; ++i) s.feed(data(1, "") + data(1, "x") + data(1, ""));
  EXPECT_EQ(s.closes, 0);
  EXPECT_EQ(s.requests.at(0).body, "xxxxxxxxx");
}

TEST(H2Hostile, Row103ZeroIncrementAndOverflow) {
  Server s;
  s.feed(preface() + window(0, 0));
  EXPECT_EQ(s.reader->goaway_code(), NGHTTP2_PROTOCOL_ERROR);
  Server t;
  t.feed(preface() + window(0, 0x7fffffff));
  EXPECT_EQ(t.reader->goaway_code(), NGHTTP2_FLOW_CONTROL_ERROR);
}

TEST(H2Hostile, Row103BigDownloadsAcknowledgeFreely) {
  Server s;
  s.feed(preface() + headers(1, get()));
  Record& r = s.requests.at(0);
  s.begin(r);
  size_t seen = 0;
  for (int i = 0; i < 3000; ++i) {  // 48 MB within one instant of the clock
    s.body(r, std::string(16'000, 'x'));
    s.flush();
    std::string acks;
    for (; seen < s.reader->frames.size(); ++seen) {
      const Frame& f = s.reader->frames[seen];
      if (f.type != kData) continue;
      acks += window(0, uint32_t(f.payload.size())) + window(1, uint32_t(f.payload.size())) +
              frame(kPing, 0, 0, "bdp-ping");
    }
    s.feed(acks);
    ASSERT_EQ(s.closes, 0) << i;
    s.reader->frames.clear();
    seen = 0;
  }
  EXPECT_EQ(s.total_out > 48'000'000, true);
}

TEST(H2Hostile, Row103OneByteWindowsEarnNothing) {
  Server s;
  s.feed(preface(setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0)) + headers(1, get()));
  s.answer(s.requests.at(0), 200, std::string(100'000, 'x'));
  flood(s, 100'000, kReadBuffer, [](int) { return window(1, 1); });
  expect_calm(s, "h2_window_flood");
}

TEST(H2Hostile, Row104ShutWindowsHoldNoMoreThanTheLimit) {
  Server s;
  std::string bytes = preface(setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0));
  for (uint32_t i = 0; i < 100; ++i) bytes += headers(2 * i + 1, get());
  s.feed(bytes);
  ASSERT_EQ(s.requests.size(), 100u);
  size_t pushed = 0;
  for (Record& r : s.requests) {
    s.begin(r);
    while (r.blocked == 0) {  // what a well-behaved exchange does
      s.body(r, std::string(8192, 'x'));
      pushed += 8192;
      s.flush();
    }
  }
  EXPECT_LE(pushed, 100 * (32 * 1024 + 8192u));
  EXPECT_TRUE(s.reader->all(kData).empty());
}

// One field into the dynamic table, then references to it.
std::string bomb(Bytes name, Bytes value, int references) {
  std::string b = block(get());
  b += '\x40';
  b += hpack_int(name.size(), 7, 0);
  b += name;
  b += hpack_int(value.size(), 7, 0);
  b += value;
  b += std::string(size_t(references), '\xbe');
  return split_headers(b);
}

TEST(H2Hostile, Rows105And106HpackBombs) {
  struct {
    const char* name;
    Bytes field;
    size_t value;
    int references;
    bool dies;
  } rows[] = {
      {"under every limit", "x", 10, 98, false},       {"4 KiB x 20: too long", "x", 4000, 20, false},
      {"4 KiB x 3000", "x", 4000, 3000, true},         {"cookie x 500: too many", "cookie", 1, 500, false},
      {"cookie x 120000", "cookie", 1, 120'000, true}, {"empty value x 2000", "x", 0, 2000, true},
  };
  for (const auto& row : rows) {
    for (size_t step : {0, 97}) {
      SCOPED_TRACE(row.name);
      Server s;
      s.feed(preface() + bomb(row.field, std::string(row.value, 'x'), row.references), step);
      if (row.dies) {
        EXPECT_TRUE(s.requests.empty());
        EXPECT_TRUE(s.bad.empty());
        expect_calm(s, "h2_header_flood");
      } else {
        EXPECT_EQ(s.closes, 0);
        EXPECT_EQ(s.requests.size(), row.references < 99 && row.value < 100 ? 1u : 0u);
        EXPECT_EQ(s.reader->field(1, ":status"), s.requests.empty() ? "431" : "");
      }
    }
  }
}

TEST(H2Hostile, Rows105And106InTrailers) {
  Server s;
  List many;
  for (int i = 0; i < 40; ++i) many.push_back({"x", "y"});
  s.feed(preface() + headers(1, get("/", "POST"), kEndHeaders) + headers(3, get()) + headers(1, many));
  EXPECT_EQ(s.requests.at(0).resets, 1);
  EXPECT_STREQ(s.requests[0].reset.detail, "trailer_limit");
  EXPECT_EQ(s.reader->reset_code(1), NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_EQ(s.requests.at(1).resets, 0);
}

TEST(H2Hostile, Row107HpackTables) {
  Server s;
  s.feed(preface() + frame(kHeaders, kEndHeaders | kEndStream, 1, hpack_int(1'000'000, 5, 0x20) + block(get())));
  EXPECT_EQ(s.reader->goaway_code(), NGHTTP2_COMPRESSION_ERROR);
  EXPECT_TRUE(s.requests.empty());
  Server t;
  t.feed(preface(setting(NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0xffffffff)) + headers(1, get()));
  t.answer(t.requests.at(0), 200, "x", {{"x-a", std::string(3000, 'a')}, {"x-b", std::string(3000, 'b')}});
  t.flush();
  EXPECT_FALSE(t.reader->broken);  // its table has 4096 bytes
  EXPECT_TRUE(t.reader->ended(1));
}

TEST(H2Hostile, Row108FlippingWindows) {
  Server s;
  std::string bytes = preface();
  for (uint32_t i = 0; i < 100; ++i) bytes += headers(2 * i + 1, get());
  s.feed(bytes);
  flood(s, 1000, kReadBuffer,
        [](int i) { return settings(setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, i % 2 ? 0x7fffffff : 0)); });
  expect_calm(s, "h2_settings_flood");
  Server t;
  t.feed(preface() + settings(setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0x80000000)));
  EXPECT_EQ(t.reader->goaway_code(), NGHTTP2_FLOW_CONTROL_ERROR);
}

TEST(H2Hostile, Row109MoreStreamsThanAllowed) {
  std::string bytes;
  for (uint32_t i = 0; i < 150; ++i) bytes += headers(2 * i + 1, get());
  Server s;  // the client cannot know the limit yet
  s.feed("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings() + bytes);
  EXPECT_EQ(s.requests.size(), 100u);
  EXPECT_EQ(s.reader->reset_code(199), -1);
  EXPECT_EQ(s.reader->reset_code(201), NGHTTP2_REFUSED_STREAM);
  EXPECT_EQ(s.reader->reset_code(299), NGHTTP2_REFUSED_STREAM);
  EXPECT_EQ(s.closes, 0);
  flood(s, 150, kReadBuffer, [](int i) { return headers(uint32_t(2 * i + 1001), get()); });
  expect_calm(s, "h2_provoked_resets");
  EXPECT_EQ(s.requests.size(), 100u);
  Server t;  // it does
  t.feed(preface() + bytes);
  EXPECT_EQ(t.reader->goaway_code(), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(t.requests.size(), 100u);
}

TEST(H2Hostile, Row111FramesOnDeadStreams) {
  for (const std::string& late : {data(1, "late"), headers(1, {{"x", "y"}})}) {
    Server s;  // after END_STREAM
    s.feed(preface() + headers(1, get()) + late);
    EXPECT_EQ(s.reader->goaway_code(), NGHTTP2_STREAM_CLOSED);
    EXPECT_EQ(s.requests.at(0).resets, 1);
    Server t;  // after our own reset, in the same packet
    t.request_hook = [&](Record& r) {
      r.down->reset(EndCause::overload);
      r.release();
    };
    t.feed(preface() + headers(1, get("/", "POST"), kEndHeaders) + late + late);
    EXPECT_EQ(t.requests.at(0).body, "");
    EXPECT_EQ(t.reader->reset_code(1), NGHTTP2_REFUSED_STREAM);
    EXPECT_EQ(t.codec().active(), 0u);
    EXPECT_EQ(t.closes, 0);
    Server u;  // after the peer's
    u.feed(preface() + headers(1, get("/", "POST"), kEndHeaders) + rst(1, 8) + late);
    EXPECT_EQ(u.requests.at(0).resets, 1);
    EXPECT_EQ(u.requests[0].body, "");
    EXPECT_EQ(u.closes, 0);
  }
}

TEST(H2Hostile, WhatIsNotHttp2) {
  for (Bytes bytes :
       {"GET / HTTP/1.1\r\nHost: a\r\n\r\n                ", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r!", "\x16\x03\x01\x02"}) {
    for (size_t step : {0, 1}) {
      Server s;
      s.feed(bytes, step);
      EXPECT_EQ(s.closes, 1);
      EXPECT_STREQ(s.close_end.detail, "h2_preface");
      ASSERT_FALSE(s.reader->frames.empty());
      EXPECT_EQ(s.reader->frames[0].type, kSettings);  // a server's first frame, whatever comes
      EXPECT_EQ(s.reader->goaway_code(), NGHTTP2_PROTOCOL_ERROR);
    }
  }
  Server s;
  s.feed(Bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
  s.feed(headers(1, get()));
  EXPECT_EQ(s.reader->goaway_code(), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_TRUE(s.requests.empty());
}

// ---- hostile services ------------------------------------------------------------------------------

TEST(H2Hostile, Row161ServicesSpendABudgetToo) {
  const std::string floods[] = {settings(), frame(kPing, 0, 0, "12345678"), frame(0xfa, 0, 0, "x"), window(0, 1),
                                frame(kPriority, 0, 3, u32(0) + "\x10")};
  for (const std::string& one : floods) {
    Client c;
    Record& r = c.request();
    c.flush();
    c.feed(settings() + frame(kSettings, kAck, 0));
    for (int i = 0; i < 2000 && c.closes == 0; ++i) c.feed(one);
    EXPECT_EQ(c.closes, 1);
    EXPECT_EQ(r.resets, 1);
    EXPECT_EQ(r.reset.cause, EndCause::upstream_protocol);
    EXPECT_EQ(c.reader->goaway_code(), NGHTTP2_ENHANCE_YOUR_CALM);
    EXPECT_FALSE(c.codec_->reusable());
    EXPECT_EQ(c.codec().active(), 0u);
  }
}

TEST(H2Hostile, Row161ServicesThatNeverStopTheirHead) {
  Client c;
  Record& r = c.request();
  c.flush();
  std::string b = literal(":status", "200") + std::string("\x40\x01x\x01y", 5) + std::string(16'000, '\xbe');
  c.feed(settings() + frame(kHeaders, 0, 1, b));
  EXPECT_EQ(r.heads, 0);
  EXPECT_EQ(r.resets, 1);
  EXPECT_STREQ(r.reset.detail, "h2_header_flood");
  EXPECT_EQ(c.closes, 1);
}

}  // namespace
}  // namespace cardea::http::test
