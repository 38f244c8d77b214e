// Hostile HTTP/1.1 input as rows: what each side refuses, by which rule, and what it makes of what it takes.
//
// Every row is delivered whole, one byte at a time, and cut in two at every position; the verdict is the same.
#include <gtest/gtest.h>

#include "h1_peer.h"

namespace cardea::http {
namespace {

using testing::ClientPeer;
using testing::ServerPeer;

struct Row {
  int number;  // of the catalogue of hostile input
  const char* name;
  std::string wire;
  // "400 rule": refused before anything was delivered. "body 400 rule": delivered, then broken, never complete.
  // Anything else: the requests as they were delivered, joined with " | "; a refusal behind them likewise.
  std::string expected;
};

// Collects rows; one call a row compiles much faster than one list of them all.
struct Rows {
  std::vector<Row> rows;
  [[gnu::noinline]] void operator()(int number, const char* name, const std::string& wire, const char* expected) {
    rows.push_back({number, name, wire, expected});
  }
  [[gnu::noinline]] void operator()(int number, const char* name, const std::string& wire,
                                    const std::string& expected) {
    rows.push_back({number, name, wire, expected});
  }
};

std::ostream& operator<<(std::ostream& o, const Row& r) {
  return o << r.number << " " << r.name;
}

std::string name_of(const ::testing::TestParamInfo<Row>& p) {
  std::string s = "n" + std::to_string(p.param.number) + "_" + std::to_string(p.index) + "_";
  for (const char* c = p.param.name; *c; ++c) s += isalnum(*c) ? *c : '_';
  return s;
}

void join(std::string& s, const std::string& part) {
  s += (s.empty() ? "" : " | ") + part;
}

struct Seen {
  std::string verdict;
  bool closed = false;
  std::string wire;
};

// One connection that gets `pieces`, whose host answers each complete request with 200.
Seen serve(const std::vector<Bytes>& pieces, CodecLimits limits = {}) {
  ServerPeer peer(limits);
  peer.on_ended = [&](ServerPeer::Request& r) { peer.answer(r, 200, "ok"); };
  for (Bytes p : pieces) peer.receive(p);
  Seen seen;
  for (ServerPeer::Request& r : peer.requests) {
    EXPECT_LE(r.ends + r.resets, 1);
    if (r.resets) {
      EXPECT_EQ(r.ends, 0);
      join(seen.verdict, "body " + r.reset_text());
    } else {
      join(seen.verdict, (r.ends ? "" : "unfinished ") + r.canonical());
    }
  }
  const bool reset = !peer.requests.empty() && peer.requests.back().resets;
  for (const std::string& v : peer.refused) {
    if (reset) {
      EXPECT_EQ("body " + v, "body " + peer.requests.back().reset_text()) << "the client hears what was recorded";
    } else {
      join(seen.verdict, v);
    }
  }
  seen.closed = peer.closes > 0;
  EXPECT_LE(peer.closes, 1);
  seen.wire = peer.out.wire;
  return seen;
}

std::vector<Bytes> bytewise(Bytes s) {
  std::vector<Bytes> v;
  for (size_t i = 0; i < s.size(); ++i) v.push_back(s.substr(i, 1));
  return v;
}

// Cuts of long inputs are taken from all over them; of short ones, all.
size_t stride(size_t n) {
  return n <= 2048 ? 1 : n / 97;
}

class Requests : public ::testing::TestWithParam<Row> {};

TEST_P(Requests, GetOneVerdictHoweverTheyAreCut) {
  const Row& row = GetParam();
  const Bytes wire = row.wire;
  const Seen whole = serve({wire});
  EXPECT_EQ(whole.verdict, row.expected);
  const bool refused = isdigit(row.expected[0]) || row.expected.rfind("body ", 0) == 0;
  if (refused) {
    EXPECT_TRUE(whole.closed);
    const size_t at = row.expected.find_first_of("45");
    EXPECT_EQ(whole.wire.substr(0, 13), "HTTP/1.1 " + row.expected.substr(at, 3) + " ");
    EXPECT_NE(whole.wire.find("Connection: close\r\n"), std::string::npos);
    EXPECT_EQ(whole.wire.find("HTTP/1.1", 5), std::string::npos) << "one answer";
  }
  const Seen bytes = serve(bytewise(wire));
  EXPECT_EQ(bytes.verdict, row.expected);
  EXPECT_EQ(bytes.closed, whole.closed);
  EXPECT_EQ(bytes.wire, whole.wire);
  for (size_t cut = 1; cut < wire.size(); cut += stride(wire.size())) {
    const Seen two = serve({wire.substr(0, cut), wire.substr(cut)});
    ASSERT_EQ(two.verdict, row.expected) << "cut at " << cut;
    ASSERT_EQ(two.closed, whole.closed) << "cut at " << cut;
    ASSERT_EQ(two.wire, whole.wire) << "cut at " << cut;
  }
}

[[gnu::noinline]] std::string get(const std::string& fields) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}
[[gnu::noinline]] std::string post(const std::string& fields, const std::string& body) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body;
}
[[gnu::noinline]] std::string chunked(const std::string& body) {
  return post("Transfer-Encoding: chunked\r\n", body);
}
[[gnu::noinline]] std::string line(const std::string& request_line) {
  return request_line + "\r\nHost: a\r\n\r\n";
}
[[gnu::noinline]] std::string repeat(const std::string& s, int n) {
  std::string r;
  for (int i = 0; i < n; ++i) r += s;
  return r;
}
const std::string kNul(1, '\0');

[[gnu::cold]] std::vector<Row> framing_rows() {
  Rows add;
  add(1, "cl.te", post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nG"), "400 cl_and_te");
  add(2, "te.cl", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "5c\r\nGPOST"), "400 cl_and_te");
  add(3, "two lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"), "400 two_content_lengths");
  add(4, "one length twice", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), "400 two_content_lengths");
  add(4, "length list", post("Content-Length: 5, 5\r\n", "hello"), "400 bad_content_length");
  add(5, "plus", post("Content-Length: +5\r\n", "hello"), "400 bad_content_length");
  add(5, "minus", post("Content-Length: -5\r\n", "hello"), "400 bad_content_length");
  add(5, "minus zero", post("Content-Length: -0\r\n", ""), "400 bad_content_length");
  add(5, "hex", post("Content-Length: 0x5\r\n", "hello"), "400 bad_content_length");
  add(5, "underscore", post("Content-Length: 1_0\r\n", "helloworld"), "400 bad_content_length");
  add(5, "space inside", post("Content-Length: 1 0\r\n", "helloworld"), "400 bad_content_length");
  add(5, "semicolon", post("Content-Length: 5;\r\n", "hello"), "400 bad_content_length");
  add(5, "vt", post("Content-Length: 5\x0b\r\n", "hello"), "400 control_byte");
  add(6, "empty length", post("Content-Length:\r\n", ""), "400 empty_content_length");
  add(6, "empty then number", post("Content-Length: \r\nContent-Length: 5\r\n", "hello"), "400 empty_content_length");
  add(7, "2^64", post("Content-Length: 18446744073709551616\r\n", ""), "400 content_length_too_big");
  add(7, "2^64-1", post("Content-Length: 18446744073709551615\r\n", ""), "400 content_length_too_big");
  add(7, "2^63", post("Content-Length: 9223372036854775808\r\n", ""), "400 content_length_too_big");
  add(7, "40 digits", post("Content-Length: " + repeat("9", 40) + "\r\n", ""), "400 content_length_too_big");
  add(8, "leading zeros", post("Content-Length: 005\r\n", "hello"), "POST a / length=5 body=hello");
  add(8, "space padding", post("Content-Length:   5  \r\n", "hello"), "POST a / length=5 body=hello");
  // llhttp 8 takes no tab here; two readers that disagree are reason enough to refuse.
  add(8, "tab padding", post("Content-Length: \t5\t\r\n", "hello"), "400 syntax");
  add(9, "xchunked", post("Transfer-Encoding: xchunked\r\n", ""), "501 transfer_coding");
  add(9, "gzip", post("Transfer-Encoding: gzip\r\n", ""), "501 transfer_coding");
  add(9, "parameter", post("Transfer-Encoding: chunked;q=1\r\n", ""), "400 bad_transfer_encoding");
  add(9, "quoted", post("Transfer-Encoding: \"chunked\"\r\n", ""), "400 bad_transfer_encoding");
  add(9, "identity", post("Transfer-Encoding: identity\r\n", ""), "501 transfer_coding");
  add(10, "gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), "501 transfer_coding");
  add(11, "chunked, gzip", post("Transfer-Encoding: chunked, gzip\r\n", ""), "400 chunked_not_last");
  add(11, "chunked, chunked", post("Transfer-Encoding: chunked, chunked\r\n", ""), "400 chunked_twice");
  add(11, "chunked,", post("Transfer-Encoding: chunked,\r\n", ""), "400 bad_transfer_encoding");
  add(12, ",chunked", post("Transfer-Encoding: ,chunked\r\n", ""), "400 bad_transfer_encoding");
  add(13, "two lines", post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
      "501 transfer_coding");
  add(13, "chunked twice on lines", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", ""),
      "400 two_transfer_encodings");
  add(14, "empty and length", post("Transfer-Encoding:\r\nContent-Length: 5\r\n", "hello"),
      "400 empty_transfer_encoding");
  add(15, "vt before",
      post("Transfer-Encoding: \x0b"
           "chunked\r\n",
           ""),
      "400 control_byte");
  add(15, "ff before",
      post("Transfer-Encoding: \x0c"
           "chunked\r\n",
           ""),
      "400 control_byte");
  add(15, "a0 before",
      post("Transfer-Encoding: \xa0"
           "chunked\r\n",
           ""),
      "400 bad_transfer_encoding");
  add(15, "85 before",
      post("Transfer-Encoding: \x85"
           "chunked\r\n",
           ""),
      "400 bad_transfer_encoding");
  add(16, "space before colon", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), "400 space_before_colon");
  add(16, "tab before colon", post("Transfer-Encoding\t: chunked\r\n", "0\r\n\r\n"), "400 space_before_colon");
  add(17, "underscore", post("Transfer_Encoding: chunked\r\nContent-Length: 5\r\n", "hello"), "400 underscore");
  add(17, "any underscore", get("x_y: 1\r\n"), "400 underscore");
  add(18, "te on 1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 te_on_http10");
  add(19, "folded te", post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), "400 obs_fold");
  add(20, "fold", get("X-A: 1\r\n 2\r\n"), "400 obs_fold");
  add(20, "tab fold", get("X-A: 1\r\n\t2\r\n"), "400 obs_fold");
  add(20, "fold after request line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400 obs_fold");
  add(20, "fold of nothing", get("X-A: 1\r\n \r\n"), "400 obs_fold");
  return std::move(add.rows);
}
INSTANTIATE_TEST_SUITE_P(Framing, Requests, ::testing::ValuesIn(framing_rows()), name_of);

[[gnu::cold]] std::vector<Row> chunks_rows() {
  Rows add;
  add(22, "0x5", chunked("0x5\r\nhello\r\n0\r\n\r\n"), "body 400 chunk_size");
  add(22, "+5", chunked("+5\r\nhello\r\n0\r\n\r\n"), "body 400 chunk_size");
  add(22, "-1", chunked("-1\r\n"), "body 400 chunk_size");
  add(22, " 5", chunked(" 5\r\nhello\r\n"), "body 400 chunk_size");
  add(22, "5 ", chunked("5 \r\nhello\r\n"), "body 400 chunk_size");
  add(22, "1_0", chunked("1_0\r\nhello\r\n"), "body 400 chunk_size");
  add(22, "5 x", chunked("5 x\r\nhello\r\n"), "body 400 chunk_size");
  add(22, "empty", chunked("\r\nhello\r\n"), "body 400 chunk_size");
  add(22, "g", chunked("g\r\nhello\r\n"), "body 400 chunk_size");
  add(23, "17 digits", chunked("FFFFFFFFFFFFFFFF0\r\n"), "body 400 chunk_size_digits");
  add(23, "wrap", chunked("10000000000000005\r\nhello"), "body 400 chunk_size_digits");
  add(23, "16 f", chunked("FFFFFFFFFFFFFFFF\r\n"), "body 400 chunk_size_too_big");
  add(24, "40 zeros", chunked(repeat("0", 40) + "5\r\nhello\r\n"), "body 400 chunk_size_digits");
  add(24, "16 digits", chunked("0000000000000005\r\nhello\r\n0\r\n\r\n"), "POST a / body=hello");
  add(24, "endless size", chunked(repeat("0", 40000)), "body 400 chunk_size_digits");
  add(25, "extension", chunked("5;a=b\r\nhello\r\n0;x\r\n\r\n"), "POST a / body=hello");
  add(25, "quoted extension", chunked("5;a=\"q;\\\"\"\r\nhello\r\n0\r\n\r\n"), "POST a / body=hello");
  add(25, "upper case size", chunked("A\r\n0123456789\r\n0\r\n\r\n"), "POST a / body=0123456789");
  add(26, "extension flood", chunked(repeat("1;" + std::string(1024, 'x') + "\r\nX\r\n", 40)),
      "body 400 chunk_overhead");
  add(26, "endless extension", chunked("1;" + std::string(40000, 'x')), "body 400 chunk_overhead");
  add(26, "one-byte chunks", chunked(repeat("1\r\nX\r\n", 6000)), "body 400 chunk_overhead");
  add(27, "size bare lf", chunked("5\nhello\r\n"), "body 400 chunk_bare_lf");
  add(27, "extension bare lf", chunked("5;\nhello\r\n"), "body 400 chunk_bare_lf");
  add(27, "extension with name bare lf", chunked("5;a=b\nhello\r\n"), "body 400 chunk_bare_lf");
  add(27, "cr in extension", chunked("5;a\rX\r\nhello\r\n"), "body 400 chunk_bare_cr");
  add(27, "cr cr", chunked("5\r\r;\r\nhello\r\n"), "body 400 chunk_bare_cr");
  add(27, "nul in extension", chunked("5;a" + kNul + "\r\nhello\r\n"), "body 400 chunk_extension");
  add(28, "data ended by lf", chunked("5\r\nhello\n0\r\n\r\n"), "body 400 chunk_bare_lf");
  add(28, "data ended by nothing", chunked("5\r\nhello0\r\n\r\n"), "body 400 chunk_end");
  add(28, "data ended by XX", chunked("5\r\nhelloXX0\r\n\r\n"), "body 400 chunk_end");
  add(28, "data ended by cr X", chunked("5\r\nhello\rX0\r\n\r\n"), "body 400 chunk_end");
  add(29, "size line cr X", chunked("5\rXhello\r\n0\r\n\r\n"), "body 400 chunk_bare_cr");
  add(30, "last chunk crlf lf", chunked("0\r\n\n"), "body 400 bare_lf");
  add(30, "last chunk lf", chunked("0\n\r\n"), "body 400 chunk_bare_lf");
  add(31, "trailers",
      chunked("1\r\nx\r\n0\r\nContent-Length: 5\r\nHost: b\r\nX-Sum: 1\r\nAuthorization: x\r\n"
              "Transfer-Encoding: chunked\r\nCookie: a\r\nX-Forwarded-For: 1\r\n\r\n"),
      "POST a / body=x trailers={X-Sum: 1}");
  add(31, "forbidden trailers only", chunked("1\r\nx\r\n0\r\nX-Pomerium-Claim-Email: root\r\n\r\n"), "POST a / body=x");
  add(32, "trailer bytes", chunked("0\r\n" + repeat("X-A: " + std::string(1000, 'x') + "\r\n", 9) + "\r\n"),
      "body 431 trailers_too_large");
  add(32, "one endless trailer", chunked("0\r\nX-A: " + std::string(20000, 'x')), "body 431 trailers_too_large");
  add(32, "trailer count", chunked("0\r\n" + repeat("X-A: 1\r\n", 33) + "\r\n"), "body 431 too_many_trailers");
  add(32, "folded trailer", chunked("0\r\nX-A: 1\r\n 2\r\n\r\n"), "body 400 obs_fold");
  add(32, "fold as first trailer", chunked("0\r\n X: 1\r\n\r\n"), "body 400 obs_fold");
  add(32, "trailer without colon", chunked("0\r\nGET / HTTP/1.1\r\n\r\n"), "body 400 no_colon");
  add(32, "trailer name", chunked("0\r\nX A: 1\r\n\r\n"), "body 400 bad_name");
  add(32, "trailer nul", chunked("0\r\nX-A: " + kNul + "\r\n\r\n"), "body 400 control_byte");
  return std::move(add.rows);
}
INSTANTIATE_TEST_SUITE_P(Chunks, Requests, ::testing::ValuesIn(chunks_rows()), name_of);

[[gnu::cold]] std::vector<Row> lines_rows() {
  Rows add;
  add(33, "lf after request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", "400 bare_lf");
  add(34, "lf after field", "GET / HTTP/1.1\r\nHost: a\n\r\n", "400 bare_lf");
  add(34, "all lf", "GET / HTTP/1.1\nHost: a\n\n", "400 bare_lf");
  add(35, "crlf lf", "GET / HTTP/1.1\r\nHost: a\r\n\n", "400 bare_lf");
  add(36, "cr in value", get("X-A: b\rc\r\n"), "400 bare_cr");
  add(36, "cr cr lf", get("X-A: b\r\r\n"), "400 bare_cr");
  add(36, "cr after request line", "GET / HTTP/1.1\rHost: a\r\n\r\n", "400 bare_cr");
  add(37, "cr Z", "GET / HTTP/1.1\r\nHost: a\r\n\rZGET /evil HTTP/1.1\r\nHost: a\r\n\r\n", "400 bare_cr");
  add(38, "cr hides te", post("X-A:\rTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "400 bare_cr");
  add(39, "nul in value", get("X-A: b" + kNul + "c\r\n"), "400 control_byte");
  add(39, "01 in value", get("X-A: \x01\r\n"), "400 control_byte");
  add(39, "08 in value", get("X-A: a\x08\r\n"), "400 control_byte");
  add(39, "del in value", get("X-A: \x7f\r\n"), "400 control_byte");
  add(39, "tab and obs-text in value", get("X-A: a\tb\xc3\xa4\r\n"), "GET a / {X-A: a\tb\xc3\xa4}");
  add(40, "space in name", get("X A: 1\r\n"), "400 bad_name");
  add(40, "bracket in name", get("X[]: 1\r\n"), "400 bad_name");
  add(40, "8 bit in name", get("X\xe4: 1\r\n"), "400 bad_name");
  add(40, "tab in name", get("X\tA: 1\r\n"), "400 bad_name");
  add(40, "no colon", get("X-A\r\n"), "400 no_colon");
  add(40, "empty name", get(": x\r\n"), "400 empty_name");
  add(40, "only colon", get(":\r\n"), "400 empty_name");
  add(40, "empty value", get("X-A:\r\n"), "GET a / {X-A: }");
  add(41, "two spaces before target", line("GET  / HTTP/1.1"), "400 two_spaces");
  add(41, "two spaces after target", line("GET /  HTTP/1.1"), "400 two_spaces");
  add(41, "tab", line("GET\t/ HTTP/1.1"), "400 tab_in_request_line");
  add(41, "trailing space", line("GET / HTTP/1.1 "), "400 trailing_space");
  add(42, "nul in target", line("GET /" + kNul + " HTTP/1.1"), "400 control_byte");
  add(42, "ctl in target", line("GET /\x01 HTTP/1.1"), "400 control_byte");
  add(42, "space in target", line("GET /a b HTTP/1.1"), "400 bad_version");
  add(42, "8 bit in target", line("GET /\xc3\xa4 HTTP/1.1"), "400 bad_target");
  add(42, "8 bit in query", line("GET /?\xc3\xa4 HTTP/1.1"), "400 bad_target");
  add(43, "quote", line("GET /a\"b HTTP/1.1"), "400 bad_target");
  add(43, "less", line("GET /a<b HTTP/1.1"), "400 bad_target");
  add(43, "greater", line("GET /a>b HTTP/1.1"), "400 bad_target");
  add(43, "brace", line("GET /a{b} HTTP/1.1"), "400 bad_target");
  add(43, "caret", line("GET /a^b HTTP/1.1"), "400 bad_target");
  add(43, "backtick", line("GET /a`b HTTP/1.1"), "400 bad_target");
  add(43, "backslash", line("GET /a\\b HTTP/1.1"), "400 bad_target");
  add(43, "encoded once in query", line("GET /a?f={\"x\"}^`\\<> HTTP/1.1"), "GET a /a?f=%7B%22x%22%7D%5E%60%5C%3C%3E");
  add(44, "fragment", line("GET /a#b HTTP/1.1"), "400 fragment");
  add(44, "fragment and dots", line("GET /a#/../admin HTTP/1.1"), "400 fragment");
  add(44, "fragment in query", line("GET /a?b#c HTTP/1.1"), "400 fragment");
  return std::move(add.rows);
}
INSTANTIATE_TEST_SUITE_P(Lines, Requests, ::testing::ValuesIn(lines_rows()), name_of);

[[gnu::cold]] std::vector<Row> targets_rows() {
  Rows add;
  add(45, "absolute wins", "GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", "GET b /x");
  add(46, "userinfo", line("GET http://u@b/ HTTP/1.1"), "400 bad_target_authority");
  add(46, "foo scheme", line("GET foo://b/ HTTP/1.1"), "400 bad_target_scheme");
  add(46, "no slashes", line("GET http:b HTTP/1.1"), "400 bad_target_form");
  add(46, "no path", line("GET http://b HTTP/1.1"), "GET b /");
  add(46, "query without path", line("GET HTTPS://b?x=1 HTTP/1.1"), "GET b /?x=1");
  add(46, "port", line("GET http://b:8080/ HTTP/1.1"), "GET b:8080 /");
  add(46, "empty authority", line("GET http:///x HTTP/1.1"), "400 bad_target_authority");
  add(46, "relative", line("GET foo HTTP/1.1"), "400 bad_target_form");
  add(46, "relative with dots", line("GET ../x HTTP/1.1"), "400 bad_target_form");
  add(47, "no host", "GET / HTTP/1.1\r\n\r\n", "400 no_host");
  add(47, "no host 1.0", "GET / HTTP/1.0\r\n\r\n", "400 no_host");
  add(47, "no host but absolute", "GET http://b/ HTTP/1.1\r\n\r\n", "400 no_host");
  add(47, "empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "400 empty_host");
  add(47, "two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 two_hosts");
  add(47, "one host twice", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", "400 two_hosts");
  add(47, "host list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400 bad_host");
  add(47, "host list without space", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", "400 bad_host");
  add(48, "userinfo", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "400 bad_host");
  add(48, "slash", "GET / HTTP/1.1\r\nHost: a/x\r\n\r\n", "400 bad_host");
  add(48, "space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400 bad_host");
  add(48, "escape", "GET / HTTP/1.1\r\nHost: a%00\r\n\r\n", "400 bad_host");
  add(48, "open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "400 bad_host");
  add(48, "port", "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", "400 bad_host");
  add(48, "empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", "GET a /");
  add(48, "bad host under absolute", "GET http://b/ HTTP/1.1\r\nHost: a/x\r\n\r\n", "400 bad_host");
  add(49, "get", line("get / HTTP/1.1"), "501 unknown_method");
  add(49, "GETX", line("GETX / HTTP/1.1"), "501 unknown_method");
  add(49, "FOO", line("FOO / HTTP/1.1"), "501 unknown_method");
  add(49, "200 bytes", line(std::string(200, 'A') + " / HTTP/1.1"), "501 unknown_method");
  add(49, "not a token", line("G(T / HTTP/1.1"), "400 bad_method");
  add(49, "PROPFIND", line("PROPFIND / HTTP/1.1"), "PROPFIND a /");
  add(50, "ice", line("SOURCE /x ICE/1.0"), "501 unknown_method");
  add(50, "ice get", line("GET /x ICE/1.0"), "400 bad_version");
  add(50, "rtsp", line("DESCRIBE rtsp://a/ RTSP/1.0"), "501 unknown_method");
  add(50, "rtsp options", line("OPTIONS rtsp://a/ RTSP/1.0"), "400 bad_version");
  add(51, "2.0", line("GET / HTTP/2.0"), "505 version");
  add(51, "0.9", line("GET / HTTP/0.9"), "505 version");
  add(51, "1.2", line("GET / HTTP/1.2"), "505 version");
  add(51, "11.1", line("GET / HTTP/11.1"), "400 bad_version");
  add(51, "lower case", line("GET / http/1.1"), "400 bad_version");
  add(51, "space", line("GET / HTTP/ 1.1"), "400 bad_version");
  add(52, "0.9 style", "GET /\r\n", "400 no_version");
  add(52, "method only", "GET\r\n", "400 no_target");
  add(53, "h2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 h2_preface");
  add(54, "request line", line("GET /" + std::string(8192 - 13, 'a') + " HTTP/1.1"), "414 request_line_too_long");
  add(54, "endless request line", "GET /" + std::string(20000, 'a'), "414 request_line_too_long");
  add(54, "long request line", line("GET /" + std::string(8192 - 14, 'a') + " HTTP/1.1"),
      "GET a /" + std::string(8192 - 14, 'a'));
  add(54, "one big field", get("X-A: " + std::string(64 * 1024, 'a') + "\r\n"), "431 head_too_large");
  add(54, "endless field", "GET / HTTP/1.1\r\nHost: a\r\nX-A: " + std::string(80000, 'a'), "431 head_too_large");
  add(54, "101 fields", get(repeat("X-A: 1\r\n", 100)), "431 too_many_fields");
  add(54, "100 fields", get(repeat("A:\r\n", 99)), "GET a / {" + repeat("A: ; ", 98) + "A: }");
  add(54, "endless fields", "GET / HTTP/1.1\r\n" + repeat("X-A: 1\r\n", 5000), "431 too_many_fields");
  add(55, "get star", line("GET * HTTP/1.1"), "400 asterisk_form");
  add(55, "options star x", line("OPTIONS */x HTTP/1.1"), "400 bad_target_form");
  add(55, "options star", line("OPTIONS * HTTP/1.1"), "OPTIONS a *");
  add(55, "options absolute", line("OPTIONS http://b HTTP/1.1"), "OPTIONS b *");
  add(56, "one empty line", "\r\n" + line("GET / HTTP/1.1"), "GET a /");
  add(56, "two empty lines", "\r\n\r\n" + line("GET / HTTP/1.1"), "GET a /");
  add(56, "10000 empty lines", repeat("\r\n", 10000), "400 leading_lines");
  add(56, "leading cr", "\r" + line("GET / HTTP/1.1"), "400 bare_cr");
  add(56, "leading space", " " + line("GET / HTTP/1.1"), "400 leading_space");
  add(56, "leading lf", "\n" + line("GET / HTTP/1.1"), "400 bare_lf");
  return std::move(add.rows);
}
INSTANTIATE_TEST_SUITE_P(Targets, Requests, ::testing::ValuesIn(targets_rows()), name_of);

const std::string kWebSocket = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
[[gnu::cold]] std::vector<Row> connection_rows() {
  Rows add;
  add(59, "unknown expectation", post("Expect: 200-ok\r\nContent-Length: 1\r\n", "x"), "417 bad_expect");
  add(59, "expectation list", post("Expect: 100-continue, x\r\nContent-Length: 1\r\n", "x"), "417 bad_expect");
  add(59, "two expectations", post("Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 1\r\n", "x"),
      "417 two_expects");
  add(59, "case and space", post("Expect:  100-Continue\t\r\nContent-Length: 1\r\n", "x"),
      "POST a / length=1 expect body=x");
  add(60, "expectation from 1.0", "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
      "POST a / length=1 body=x");
  add(60, "expectation without body", get("Expect: 100-continue\r\n"), "GET a /");
  add(63, "close x", get("Connection: close x\r\n"), "400 bad_connection");
  add(63, "500 tokens", get("Connection: x" + repeat(", x", 499) + "\r\n"), "431 too_many_connection_options");
  add(63, "nominated fields go", get("Connection: X-A, keep-alive\r\nX-A: 1\r\nX-B: 2\r\nKeep-Alive: 5\r\n"),
      "GET a / {X-B: 2}");
  add(63, "nominated before it comes", get("X-A: 1\r\nConnection: x-a,,\r\nx-A: 2\r\n"), "GET a /");
  add(63, "nominated host", get("Connection: Host\r\n"), "400 nominated_essential");
  add(63, "nominated length", post("Connection: content-length\r\nContent-Length: 2\r\n", "GE"),
      "400 nominated_essential");
  add(63, "nominated te keeps framing",
      post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "POST a /");
  add(64, "h2c", get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"), "GET a /");
  add(64, "h2c with body",
      post("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\nContent-Length: 1\r\n", "x"),
      "POST a / length=1 body=x");
  add(64, "proxy-connection", get("Proxy-Connection: keep-alive\r\nX-B: 2\r\n"), "GET a / {X-B: 2}");
  add(64, "te", get("TE: trailers, gzip;q=0.5\r\nConnection: TE\r\n"), "GET a / te");
  add(67, "upgrade with length", get(kWebSocket + "Content-Length: 5\r\n"), "400 upgrade_with_body");
  add(67, "upgrade with te", get(kWebSocket + "Transfer-Encoding: chunked\r\n"), "400 upgrade_with_body");
  add(67, "post", post(kWebSocket, ""), "POST a /");
  add(67, "post with body", post(kWebSocket + "Content-Length: 1\r\n", "x"), "400 upgrade_with_body");
  add(67, "1.0", "GET / HTTP/1.0\r\nHost: a\r\n" + kWebSocket + "\r\n", "GET a /");
  add(67, "no connection token", get("Upgrade: websocket\r\n"), "GET a /");
  add(67, "two protocols", get("Connection: Upgrade\r\nUpgrade: websocket, foo\r\n"), "GET a /");
  add(67, "two lines", get(kWebSocket + "Upgrade: foo\r\n"), "GET a /");
  add(67, "long token", get("Connection: Upgrade\r\nUpgrade: " + std::string(33, 'a') + "\r\n"),
      "400 upgrade_token_too_long");
  add(68, "connect path", line("CONNECT / HTTP/1.1"), "400 bad_connect_target");
  add(68, "connect without port", line("CONNECT a HTTP/1.1"), "400 bad_connect_target");
  add(68, "connect absolute", line("CONNECT http://a:1/ HTTP/1.1"), "400 bad_connect_target");
  add(68, "connect with length", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 0\r\n\r\n",
      "400 connect_with_body");
  add(68, "connect chunked", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nTransfer-Encoding: chunked\r\n\r\n",
      "400 connect_with_body");
  add(70, "trace", line("TRACE / HTTP/1.1"), "405 trace");
  add(70, "track", line("TRACK / HTTP/1.1"), "405 trace");
  return std::move(add.rows);
}
INSTANTIATE_TEST_SUITE_P(Connection, Requests, ::testing::ValuesIn(connection_rows()), name_of);

// The first fault of a head decides, not the one that happens to be looked for first.
[[gnu::cold]] std::vector<Row> order_rows() {
  Rows add;
  add(51, "bad line, then bare lf", "GET / HTTP/3.0\r\nX: \n\r\n", "505 version");
  add(34, "bare lf, then bad name", "GET / HTTP/1.1\r\nA: b\nX Y: 1\r\n\r\n", "400 bare_lf");
  add(40, "bad name, then two hosts", "GET / HTTP/1.1\r\nX Y: 1\r\nHost: a\r\nHost: a\r\n\r\n", "400 bad_name");
  add(47, "two hosts, then bad name", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\nX Y: 1\r\n\r\n", "400 two_hosts");
  add(54, "too many fields, then nul", get(repeat("A: 1\r\n", 100) + "B: " + kNul), "431 too_many_fields");
  return std::move(add.rows);
}
INSTANTIATE_TEST_SUITE_P(Order, Requests, ::testing::ValuesIn(order_rows()), name_of);

// Row 21: what a client hides in a body that nobody reads is never a request.
TEST(Smuggling, BodyOfALocallyAnsweredRequestIsReadOver) {
  const std::string inner = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string wire =
      post("Content-Length: " + std::to_string(inner.size()) + "\r\n", inner) + "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
  for (size_t cut = 0; cut <= wire.size(); ++cut) {
    ServerPeer peer;
    peer.on_new = [&](ServerPeer::Request& r) { peer.answer(r, 403, "no"); };
    peer.receive(Bytes(wire).substr(0, cut));
    peer.receive(Bytes(wire).substr(cut));
    ASSERT_EQ(peer.requests.size(), 2u) << cut;
    EXPECT_EQ(peer.requests[1].head->target, "/next");
    EXPECT_EQ(peer.closes, 0);
  }
}

TEST(Smuggling, BodyTooLargeToReadOverClosesTheConnection) {
  for (bool chunks : {false, true}) {
    ServerPeer peer;
    peer.on_new = [&](ServerPeer::Request& r) { peer.answer(r, 403, "no"); };
    peer.receive(post(chunks ? "Transfer-Encoding: chunked\r\n" : "Content-Length: 70000\r\n", ""));
    const std::string piece = "8000\r\n" + std::string(0x8000, 'x') + "\r\n";
    for (int i = 0; i < 4; ++i) peer.receive(chunks ? Bytes(piece) : Bytes("GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT_EQ(peer.requests.size(), 1u);
    EXPECT_EQ(peer.closes, 1);
    EXPECT_FALSE(peer.codec->wants_read());
  }
}

TEST(Smuggling, TooBigKnownBodyIsClosedAtOnce) {
  ServerPeer peer;
  peer.on_new = [&](ServerPeer::Request& r) { peer.answer(r, 403, "no"); };
  peer.receive(post("Content-Length: 65537\r\n", ""));
  EXPECT_EQ(peer.closes, 1);
}

// Row 17 with the other settings.
TEST(Underscores, FollowTheLimits) {
  CodecLimits limits;
  limits.underscores = CodecLimits::Underscores::drop_field;
  EXPECT_EQ(serve({get("x_y: 1\r\nX-A: 2\r\n")}, limits).verdict, "GET a / {X-A: 2}");
  limits.underscores = CodecLimits::Underscores::allow;
  EXPECT_EQ(serve({get("x_y: 1\r\n")}, limits).verdict, "GET a / {x_y: 1}");
}

// Row 62: what one client pipelines, and never reads, stays small.
TEST(Pipelining, TenThousandRequestsAnsweredOnTheSpot) {
  std::string wire;
  for (int i = 0; i < 10000; ++i) wire += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  ServerPeer peer;
  size_t seen = 0;
  peer.on_new = [&](ServerPeer::Request& r) {
    EXPECT_EQ(r.head->target, "/" + std::to_string(seen++));
    peer.answer(r, 200, "ok");
  };
  peer.receive(wire);
  EXPECT_EQ(seen, 10000u);
  EXPECT_EQ(peer.closes, 0);
  EXPECT_EQ(peer.codec->active(), 0u);
}

TEST(Pipelining, StopsWhenTheClientDoesNotRead) {
  std::string wire;
  for (int i = 0; i < 10000; ++i) wire += line("GET / HTTP/1.1");
  ServerPeer peer;
  peer.out.blocked = true;
  peer.on_new = [&](ServerPeer::Request& r) { peer.answer(r, 200, std::string(1000, 'x')); };
  peer.receive(wire);
  const size_t begun = peer.requests.size();
  EXPECT_LT(begun, 64u) << "about a buffer limit's worth of answers";
  EXPECT_FALSE(peer.codec->wants_read());
  // The client reads: everything comes, in order.
  peer.out.blocked = false;
  peer.out.ask();
  peer.end_turn();
  EXPECT_EQ(peer.requests.size(), 10000u);
  EXPECT_TRUE(peer.codec->wants_read());
}

// ---- responses ------------------------------------------------------------------------------------

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
