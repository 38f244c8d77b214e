// Where one hostile request ends and the next begins: lengths, chunks, hidden bodies, endless pipelines.
#include <gtest/gtest.h>

#include "h1_hostile.h"

namespace cardea::http {
namespace {

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

}  // namespace
}  // namespace cardea::http
