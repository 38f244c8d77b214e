// HTTP/2 peers that mean harm: malformed requests as a table, floods as budgets. Numbers in the first column
// are rows of the catalogue of hostile input.
#include <gtest/gtest.h>

#include "h2_peer.h"

namespace cardea::http::test {
namespace {

// ---- malformed requests ----------------------------------------------------------------------------

struct Want {
  enum Kind { refused, reset, goaway, delivered, broken } kind;
  uint32_t code = 0;    // status, RST_STREAM or GOAWAY code
  std::string verdict;  // delivered; broken: what was delivered before on_reset
};
struct Row {
  int number;
  std::string name;
  std::string bytes;  // stream 1, after the preface
  Want want;
};

const Want kRst = {Want::reset, NGHTTP2_PROTOCOL_ERROR, ""};
Want refused(uint32_t status = 400) {
  return {Want::refused, status, ""};
}
Want goaway(uint32_t code) {
  return {Want::goaway, code, ""};
}
Want delivered(std::string verdict) {
  return {Want::delivered, 0, std::move(verdict)};
}
Want broken(std::string verdict) {
  return {Want::broken, NGHTTP2_PROTOCOL_ERROR, std::move(verdict)};
}

List replaced(Bytes name, Bytes value) {
  List list = get();
  for (auto& [n, v] : list) {
    if (n == name) v = value;
  }
  return list;
}
List without(Bytes name) {
  List list = get();
  std::erase_if(list, [&](const auto& f) { return f.first == name; });
  return list;
}
std::string field(Bytes name, Bytes value) {
  return headers(1, with(get(), {{std::string(name), std::string(value)}}));
}
std::string post(const List& more, uint8_t flags = kEndHeaders) {
  return headers(1, with(get("/", "POST"), more), flags);
}
std::string split_headers(const std::string& b) {
  std::string s = frame(kHeaders, kEndStream | (b.size() <= 16'000 ? kEndHeaders : 0), 1, Bytes(b).substr(0, 16'000));
  for (size_t at = 16'000; at < b.size(); at += 16'000) {
    s += frame(kContinuation, at + 16'000 >= b.size() ? kEndHeaders : 0, 1, Bytes(b).substr(at, 16'000));
  }
  return s;
}

std::vector<Row> malformed() {
  std::vector<Row> rows;
  auto add = [&](int n, std::string name, std::string bytes, Want want) {
    rows.push_back({n, std::move(name), std::move(bytes), std::move(want)});
  };
  for (Bytes bad :
       {Bytes("a\rb"), Bytes("a\nb"), Bytes("a\r\nb: c"), Bytes("a\0b", 3), Bytes("a\x01"), Bytes("a\x7f")}) {
    add(71, "value", field("x", bad), kRst);
    add(71, "cookie", field("cookie", bad), kRst);
  }
  for (Bytes bad : {Bytes("transfer-encoding: chunked\r\nx"), Bytes("foo:bar"), Bytes("Foo"), Bytes("a b"), Bytes(""),
                    Bytes("\x80xy"), Bytes("a\0", 2), Bytes("a\t")}) {
    add(72, "name", field(bad, "v"), kRst);
  }
  for (Bytes bad : {" a", "a ", "\ta", "a\t"}) add(73, "padded value", field("x", bad), kRst);
  for (Bytes name : {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}) {
    add(74, std::string(name), field(name, "x"), kRst);
  }
  add(75, "http2-settings", field("http2-settings", "AAMAAABk"),
      delivered("GET https a.test / 0 {} cl=- body= trailers= end=1"));
  add(75, "te gzip", field("te", "gzip"), kRst);
  add(75, "te trailers, gzip", field("te", "trailers, gzip"), kRst);
  for (Bytes bad : {Bytes("/a b"), Bytes("/\r\nx"), Bytes("/\t"), Bytes("/\0", 2), Bytes(""), Bytes("foo"),
                    Bytes("http://x/"), Bytes("*")}) {
    add(76, "path " + std::string(bad), headers(1, replaced(":path", bad)), kRst);
  }
  for (Bytes bad : {"/a#b", "/?a#b", "/a\\b", "/\"a", "/a<", "/a>", "/\xe4", "/?\xe4", "/a^", "/a{", "/a`"}) {
    add(77, "path " + std::string(bad), headers(1, replaced(":path", bad)), refused());
  }
  add(77, "long path", headers(1, get("/" + std::string(9000, 'x'))), refused(414));
  for (Bytes bad : {"GET /x HTTP/1.1\r\nA: b", "", "G ET", "GET\t"}) {
    add(78, "method", headers(1, replaced(":method", bad)), kRst);
  }
  for (Bytes method : {"TRACE", "TRACK"}) add(78, "trace", headers(1, replaced(":method", method)), refused(405));
  for (Bytes bad : {"http://x/?", "", "1http", "ht tp"}) add(79, "scheme", headers(1, replaced(":scheme", bad)), kRst);
  for (Bytes bad : {"ftp", "javascript", "httpsx"}) add(79, "scheme", headers(1, replaced(":scheme", bad)), refused());
  // For other schemes nghttp2 does not look at the form of the path.
  add(79, "scheme without path rules",
      headers(1, {{":method", "GET"}, {":scheme", "ftp"}, {":path", "x"}, {":authority", "a"}}), refused());
  for (Bytes bad : {Bytes("a/b"), Bytes("a b"), Bytes("a\r\nb"), Bytes("")}) {
    add(80, "authority", headers(1, replaced(":authority", bad)), kRst);
  }
  for (Bytes bad : {"u@a", "u:p@a", "a:b", "a:99999", "[::1", "a%41", "a,b", "[1.2.3.4]"}) {
    add(81, "authority " + std::string(bad), headers(1, replaced(":authority", bad)), refused());
    add(81, "host " + std::string(bad), headers(1, with(without(":authority"), {{"host", std::string(bad)}})),
        refused());
  }
  add(82, "other host", field("host", "evil"), refused());
  add(82, "other port", field("host", "a.test:81"), refused());
  add(82, "same host", field("host", "A.test"), delivered("GET https a.test / 0 {} cl=- body= trailers= end=1"));
  add(82, "two hosts", headers(1, with(get(), {{"host", "a.test"}, {"host", "a.test"}})), kRst);
  add(83, "no authority", headers(1, without(":authority")), kRst);
  for (Bytes name : {":path", ":method", ":scheme"})
    add(83, "no " + std::string(name), headers(1, without(name)), kRst);
  for (const auto& [n, v] : get()) add(83, "two " + n, headers(1, with(get(), {{n, v}})), kRst);
  add(83, "late pseudo",
      headers(1, {{":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {"x", "y"}, {":authority", "a"}}), kRst);
  add(83, "unknown pseudo", headers(1, with({{":foo", "x"}}, get())), kRst);
  add(83, ":status", headers(1, with({{":status", "200"}}, get())), kRst);
  const std::string p = "POST https a.test / 0 {} ";
  add(84, "3 of 5", post({{"content-length", "5"}}) + data(1, "abc", true),
      broken(p + "cl=5 body=abc trailers= end=0"));
  add(84, "6 of 5", post({{"content-length", "5"}}) + data(1, "abcde") + data(1, "f"),
      broken(p + "cl=5 body=abcde trailers= end=0"));
  add(84, "0 of 5", post({{"content-length", "5"}}) + data(1, "", true), broken(p + "cl=5 body= trailers= end=0"));
  add(84, "END_STREAM on HEADERS", post({{"content-length", "5"}}, kEndHeaders | kEndStream), kRst);
  add(84, "trailers too early", post({{"content-length", "5"}}) + headers(1, {{"x", "y"}}),
      broken(p + "cl=5 body= trailers= end=0"));
  add(85, "twice", post({{"content-length", "5"}, {"content-length", "5"}}), kRst);
  for (Bytes bad : {"5, 5", "+5", "-0", "0x5", "", "5 5", "18446744073709551616", "9223372036854775808"}) {
    add(85, "length " + std::string(bad), post({{"content-length", std::string(bad)}}), kRst);
  }
  add(86, "pseudo in trailers", post({}) + headers(1, {{":path", "/"}}), broken(p + "cl=- body= trailers= end=0"));
  add(86, "trailers without END_STREAM", post({}) + headers(1, {{"x", "y"}}, kEndHeaders),
      broken(p + "cl=- body= trailers= end=0"));
  add(86, "connection in trailers", post({}) + headers(1, {{"connection", "x"}}),
      broken(p + "cl=- body= trailers= end=0"));
  add(87, "forbidden trailers",
      post({}) + headers(1, {{"authorization", "x"},
                             {"x-forwarded-for", "1"},
                             {"forwarded", "for=1"},
                             {"host", "evil"},
                             {"cookie", "a=b"},
                             {"x-ok", "1"},
                             {"http2-settings", "x"},
                             {"te", "trailers"}}),
      delivered(p + "cl=- body= trailers=x-ok=1| end=1"));
  add(88, "empty POST", post({}, kEndHeaders | kEndStream), delivered(p + "cl=- body= trailers= end=1"));
  add(90, "CONNECT with path", headers(1, replaced(":method", "CONNECT")), kRst);
  add(90, "extended CONNECT", headers(1, with({{":protocol", "websocket"}}, replaced(":method", "CONNECT"))), kRst);
  add(90, "CONNECT without port", headers(1, {{":method", "CONNECT"}, {":authority", "a"}}), refused());
  add(90, "CONNECT with a length", headers(1, {{":method", "CONNECT"}, {":authority", "a:1"}, {"content-length", "3"}}),
      refused());
  List crumbs = get(), few = get();
  std::string joined;
  for (int i = 0; i < 200; ++i) {
    crumbs.push_back({"cookie", "c" + std::to_string(i)});
    if (i < 90) few.push_back(crumbs.back());
    if (i < 90) joined += (i ? "; c" : "c") + std::to_string(i);
  }
  add(91, "200 crumbs", headers(1, crumbs), refused(431));
  add(91, "90 crumbs", headers(1, few),
      delivered("GET https a.test / 0 {cookie=" + joined + "|} cl=- body= trailers= end=1"));
  List fat = get();
  for (int i = 0; i < 20; ++i) fat.push_back({"x", std::string(4000, 'x')});
  add(92, "80 KiB through CONTINUATION", split_headers(block(fat)), refused(431));
  add(92, "one field of 70 KiB", split_headers(block(with(get(), {{"x", std::string(70'000, 'x')}}))),
      goaway(NGHTTP2_COMPRESSION_ERROR));
  add(93, "PUSH_PROMISE", frame(kPush, kEndHeaders, 1, u32(2) + block(get())), goaway(NGHTTP2_PROTOCOL_ERROR));
  add(93, "even stream", headers(2, get()), goaway(NGHTTP2_PROTOCOL_ERROR));
  add(93, "stream 0", headers(0, get()), goaway(NGHTTP2_PROTOCOL_ERROR));
  add(93, "DATA before HEADERS", data(1, "x"), goaway(NGHTTP2_PROTOCOL_ERROR));
  add(93, "DATA on stream 0", data(0, "x"), goaway(NGHTTP2_PROTOCOL_ERROR));
  add(93, "lone CONTINUATION", frame(kContinuation, kEndHeaders, 1, block(get())), goaway(NGHTTP2_PROTOCOL_ERROR));
  add(93, "frame inside a block", frame(kHeaders, 0, 1, block(get())) + frame(kPing, 0, 0, "12345678"),
      goaway(NGHTTP2_PROTOCOL_ERROR));
  add(93, "too large a frame", frame(kData, 0, 1, std::string(16'385, 'x')), goaway(NGHTTP2_FRAME_SIZE_ERROR));
  add(57, "bad Expect", field("expect", "200-ok"), refused(417));
  add(57, "two Expects", headers(1, with(get(), {{"expect", "100-continue"}, {"expect", "100-continue"}})),
      refused(417));
  add(30, "underscore", field("x_real_ip", "1"), refused());
  return rows;
}

TEST(H2Hostile, MalformedRequests) {
  for (const Row& row : malformed()) {
    for (size_t step : {0, 1}) {
      SCOPED_TRACE(std::to_string(row.number) + " " + row.name + ", step " + std::to_string(step));
      Server s;
      s.feed(preface() + row.bytes, step);
      EXPECT_FALSE(s.reader->broken);
      const Want& w = row.want;
      const bool passes = w.kind == Want::delivered || w.kind == Want::broken;
      ASSERT_EQ(s.requests.size(), passes ? 1u : 0u);
      EXPECT_EQ(s.bad.size(), w.kind == Want::refused ? 1u : 0u);
      EXPECT_EQ(s.reader->goaway_code(), w.kind == Want::goaway ? int64_t(w.code) : -1);
      EXPECT_EQ(s.closes, w.kind == Want::goaway ? 1 : 0);
      switch (w.kind) {
        case Want::refused:
          EXPECT_EQ(s.reader->field(1, ":status"), std::to_string(w.code));
          EXPECT_TRUE(s.reader->ended(1));
          break;
        case Want::reset:
          EXPECT_EQ(s.reader->reset_code(1), w.code);
          EXPECT_TRUE(s.reader->all(kHeaders, 1).empty());
          break;
        case Want::goaway:
          EXPECT_STRNE(s.close_end.detail, "");
          break;
        case Want::delivered:
          EXPECT_EQ(s.requests[0].verdict(), w.verdict);
          EXPECT_EQ(s.reader->reset_code(1), -1);
          break;
        case Want::broken:
          EXPECT_EQ(s.requests[0].verdict(), w.verdict + " reset=bad_request:protocol_error");
          EXPECT_EQ(s.reader->reset_code(1), w.code);
          break;
      }
      if (w.kind == Want::goaway) continue;
      s.feed(headers(101, get("/sibling")));  // the next request is its own
      ASSERT_EQ(s.requests.size(), passes ? 2u : 1u);
      EXPECT_EQ(s.requests.back().target, "/sibling");
    }
  }
}

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
