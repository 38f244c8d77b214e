// Hostile HTTP/1.1 responses as rows, cut at every position: what a service cannot make us believe.
#include <gtest/gtest.h>

#include "h1_hostile.h"

namespace cardea::http {
namespace {

using testing::ClientPeer;

struct ResponseRow {
  int number;
  const char* name;
  std::string wire;
  std::string expected;  // "rule": reset with upstream_protocol. Else the response, " reusable" when it is.
  const char* method = "GET";
};

struct ResponseRows {
  std::vector<ResponseRow> rows;
  [[gnu::noinline]] void operator()(int number, const char* name, const std::string& wire, const char* expected,
                                    const char* method = "GET") {
    rows.push_back({number, name, wire, expected, method});
  }
  [[gnu::noinline]] void operator()(int number, const char* name, const std::string& wire,
                                    const std::string& expected) {
    rows.push_back({number, name, wire, expected, "GET"});
  }
};

std::ostream& operator<<(std::ostream& o, const ResponseRow& r) {
  return o << r.number << " " << r.name;
}
std::string response_name_of(const ::testing::TestParamInfo<ResponseRow>& p) {
  std::string s = "n" + std::to_string(p.param.number) + "_" + std::to_string(p.index) + "_";
  for (const char* c = p.param.name; *c; ++c) s += isalnum(*c) ? *c : '_';
  return s;
}

std::string fetch(const ResponseRow& row, const std::vector<Bytes>& pieces) {
  ClientPeer peer;
  ClientPeer::Response r;
  peer.get(r, "/", row.method);
  for (Bytes p : pieces) peer.receive(p);
  EXPECT_LE(r.ends + r.resets, 1);
  std::string s;
  for (const std::string& i : r.informational) s += "[" + i + "] ";
  if (r.resets) {
    EXPECT_EQ(r.reset.cause, EndCause::upstream_protocol);
    EXPECT_EQ(peer.closes, 1);
    EXPECT_FALSE(peer.codec->reusable());
    return s + (r.head ? "body " : "") + r.reset.detail;
  }
  s += (r.ends ? "" : "unfinished ") + r.canonical();
  if (peer.codec->reusable() && r.ends) s += " reusable";
  if (!peer.codec->reusable() && r.ends) {
    EXPECT_EQ(peer.closes, 1);
  }
  return s;
}

class Responses : public ::testing::TestWithParam<ResponseRow> {};

TEST_P(Responses, GetOneVerdictHoweverTheyAreCut) {
  const ResponseRow& row = GetParam();
  const Bytes wire = row.wire;
  EXPECT_EQ(fetch(row, {wire}), row.expected);
  EXPECT_EQ(fetch(row, bytewise(wire)), row.expected);
  for (size_t cut = 1; cut < wire.size(); cut += stride(wire.size())) {
    ASSERT_EQ(fetch(row, {wire.substr(0, cut), wire.substr(cut)}), row.expected) << "cut at " << cut;
  }
}

[[gnu::noinline]] std::string ok(const std::string& fields, const std::string& body = "") {
  return "HTTP/1.1 200 OK\r\n" + fields + "\r\n" + body;
}

[[gnu::cold]] std::vector<ResponseRow> response_rows() {
  ResponseRows add;
  add(147, "garbage", "hello world\r\n\r\n", "bad_status_line");
  add(147, "two digits", "HTTP/1.1 20 OK\r\n\r\n", "bad_status_line");
  add(147, "000", "HTTP/1.1 000 OK\r\n\r\n", "bad_status");
  add(147, "600", "HTTP/1.1 600 OK\r\n\r\n", "bad_status");
  add(147, "four digits", "HTTP/1.1 2000 OK\r\n\r\n", "bad_status_line");
  add(147, "letters", "HTTP/1.1 2x0 OK\r\n\r\n", "bad_status");
  add(147, "2.0", "HTTP/2.0 200 OK\r\n\r\n", "bad_status_line");
  add(147, "1.2", "HTTP/1.2 200 OK\r\n\r\n", "version");
  add(147, "0.9", "HTTP/0.9 200 OK\r\n\r\n", "bad_status_line");
  add(147, "icy", "ICY 200 OK\r\n\r\n", "bad_status_line");
  add(147, "nul in reason", "HTTP/1.1 200 O" + kNul + "K\r\n\r\n", "control_byte");
  add(147, "no version", "200 OK\r\n\r\n", "bad_status_line");
  add(147, "two spaces", "HTTP/1.1  200 OK\r\n\r\n", "bad_status_line");
  add(147, "leading empty line", "\r\n" + ok("Content-Length: 0\r\n"), "leading_lines");
  add(147, "no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 length=0 reusable");
  add(147, "empty reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 length=0 reusable");
  add(148, "lf only", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "bare_lf");
  add(148, "lf field", ok("X-A: 1\nContent-Length: 0\r\n"), "bare_lf");
  add(148, "fold", ok("X-A: 1\r\n 2\r\nContent-Length: 0\r\n"), "obs_fold");
  add(148, "bare cr", ok("X-A: 1\rSet-Cookie: x\r\nContent-Length: 0\r\n"), "bare_cr");
  add(148, "nul", ok("X-A: " + kNul + "\r\nContent-Length: 0\r\n"), "control_byte");
  add(148, "empty name", ok(": x\r\nContent-Length: 0\r\n"), "empty_name");
  add(148, "space before colon", ok("Content-Length : 0\r\n"), "space_before_colon");
  add(149, "cl and te", ok("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "cl_and_te");
  add(149, "two lengths", ok("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), "two_content_lengths");
  add(149, "one length twice", ok("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), "two_content_lengths");
  add(149, "gzip", ok("Transfer-Encoding: gzip\r\n", "xx"), "transfer_coding");
  add(149, "chunked twice", ok("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), "chunked_twice");
  add(149, "te on 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "te_on_http10");
  add(149, "bad chunk", ok("Transfer-Encoding: chunked\r\n", "5\r\nhelloXX"), "body chunk_end");
  add(149, "negative length", ok("Content-Length: -1\r\n"), "bad_content_length");
  add(150, "1000 early hints", repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 1000),
      repeat("[103] ", 32) + "too_many_informational");
  add(150, "one early hint", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok("Content-Length: 2\r\n", "ok"),
      "[103 Link: x] 200 length=2 body=ok reusable");
  add(150, "1xx with length", "HTTP/1.1 103 X\r\nContent-Length: 20\r\n\r\n" + ok("Content-Length: 2\r\n", "ok"),
      "[103] 200 length=2 body=ok reusable");
  add(151, "big head", ok("X-A: " + std::string(1 << 20, 'a')), "head_too_large");
  add(151, "5000 fields", ok(repeat("X-A: 1\r\n", 5000)), "too_many_fields");
  add(153, "surplus", ok("Content-Length: 2\r\n", "okHTTP/1.1 200 OK\r\n\r\n"), "200 length=2 body=ok");
  add(153, "second response to head", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "200 length=2", "HEAD");
  add(153, "body after 204", "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", "204");
  add(153, "body after 304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok", "304 length=2");
  add(153, "head", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "200 length=2 reusable", "HEAD");
  add(153, "304", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", "304 reusable");
  add(153, "chunked",
      ok("Transfer-Encoding: chunked\r\nX-A: 1\r\n", "3;x\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 9\r\nHost: b\r\n\r\n"),
      "200 {X-A: 1} body=abcde trailers={X-Sum: 9} reusable");
  add(153, "close", ok("Connection: close\r\nContent-Length: 2\r\n", "ok"), "200 length=2 body=ok");
  add(153, "nominated field", ok("Connection: X-A\r\nX-A: 1\r\nContent-Length: 0\r\n"), "200 length=0 reusable");
  add(153, "1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "200 length=2 body=ok");
  add(153, "1.0 keep-alive", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
      "200 length=2 body=ok reusable");
  add(153, "until close", "HTTP/1.1 200 OK\r\n\r\nabc", "unfinished 200 body=abc");
  add(163, "101 unasked", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
      "unsolicited_101");
  return std::move(add.rows);
}
INSTANTIATE_TEST_SUITE_P(Rows, Responses, ::testing::ValuesIn(response_rows()), response_name_of);

}  // namespace
}  // namespace cardea::http
