// Malformed HTTP/2 requests as a table: each has one verdict, and the next request is its own. Numbers in the first
// column are rows of the catalogue of hostile input.
#include <gtest/gtest.h>

#include "h2_peer.h"

namespace cardea::http::test {
namespace {

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
  add(90, "extended CONNECT", headers(1, with({{":protocol", "websocket"}}, replaced(":method", "CONNECT"))),
      delivered("CONNECT https a.test / 0 {} cl=- body= trailers= end=0"));
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

}  // namespace
}  // namespace cardea::http::test
