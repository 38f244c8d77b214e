// Hostile request heads: lines, fields, targets, hop-by-hop fields, and which fault counts.
#include <gtest/gtest.h>

#include "h1_hostile.h"

namespace cardea::http {
namespace {

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

// Row 17 with the other settings.
TEST(Underscores, FollowTheLimits) {
  CodecLimits limits;
  limits.underscores = CodecLimits::Underscores::drop_field;
  EXPECT_EQ(serve({get("x_y: 1\r\nX-A: 2\r\n")}, limits).verdict, "GET a / {X-A: 2}");
  limits.underscores = CodecLimits::Underscores::allow;
  EXPECT_EQ(serve({get("x_y: 1\r\n")}, limits).verdict, "GET a / {x_y: 1}");
}

}  // namespace
}  // namespace cardea::http
