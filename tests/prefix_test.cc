// Streams with a special beginning: PROXY protocol headers of both versions, and bytes that were read before.
#include "net/prefix.h"

#include <gtest/gtest.h>

#include "fake_net.h"

namespace cardea::net {
namespace {

using namespace std::string_literals;
using State = ProxyHeader::State;

std::string v2(uint8_t version_command, uint8_t family, const std::string& rest, int length = -1) {
  const size_t n = length < 0 ? rest.size() : size_t(length);
  return "\r\n\r\n\0\r\nQUIT\n"s + char(version_command) + char(family) + char(n >> 8) + char(n & 255) + rest;
}
const std::string kV4 = "\xcb\0\x71\x07\xc0\0\2\1\x9c\x40\x01\xbb"s;  // 203.0.113.7:40000 -> 192.0.2.1:443
const std::string kV6 = "\x20\1\x0d\xb8"s + std::string(11, '\0') + "\1" + "\x20\1\x0d\xb8"s + std::string(11, '\0') +
                        "\2" + "\x9c\x40\x01\xbb"s;

struct Good {
  const char* name;
  std::string bytes;
  const char* source;  // empty: the socket's own addresses
  const char* destination;
};
const Good kGood[] = {
    {"v1 tcp4", "PROXY TCP4 203.0.113.7 192.0.2.1 40000 443\r\n", "203.0.113.7:40000", "192.0.2.1:443"},
    {"v1 tcp6", "PROXY TCP6 2001:db8::1 2001:db8::2 40000 443\r\n", "[2001:db8::1]:40000", "[2001:db8::2]:443"},
    {"v1 port 0", "PROXY TCP4 203.0.113.7 192.0.2.1 0 65535\r\n", "203.0.113.7:0", "192.0.2.1:65535"},
    {"v1 unknown", "PROXY UNKNOWN\r\n", "", ""},
    {"v1 unknown with more", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "", ""},
    {"v1 107 bytes", "PROXY UNKNOWN " + std::string(91, 'x') + "\r\n", "", ""},
    {"v2 tcp4", v2(0x21, 0x11, kV4), "203.0.113.7:40000", "192.0.2.1:443"},
    {"v2 tcp6", v2(0x21, 0x21, kV6), "[2001:db8::1]:40000", "[2001:db8::2]:443"},
    {"v2 tcp4 with tlvs", v2(0x21, 0x11, kV4 + "\4\0\3abc\2\0\0"s), "203.0.113.7:40000", "192.0.2.1:443"},
    {"v2 local", v2(0x20, 0x00, ""), "", ""},
    {"v2 local with addresses", v2(0x20, 0x11, kV4), "", ""},
    {"v2 unspecified", v2(0x21, 0x00, ""), "", ""},
    {"v2 unix", v2(0x21, 0x31, std::string(216, 'u')), "", ""},
    {"v2 udp", v2(0x21, 0x12, kV4), "", ""},
    {"v2 4 KiB", v2(0x21, 0x11, kV4 + "\4\x0f\xe1"s + std::string(4065, 'x')), "203.0.113.7:40000", "192.0.2.1:443"},
};

struct Bad {
  const char* name;
  std::string bytes;
  const char* rule;
};
const Bad kBad[] = {
    {"HTTP", "GET / HTTP/1.1\r\n\r\n", "no_header"},
    {"TLS", "\x16\x03\x01\x02\0"s, "no_header"},
    {"lower case", "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "no_header"},
    {"leading space", " PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "no_header"},
    {"v1 108 bytes", "PROXY UNKNOWN " + std::string(92, 'x') + "\r\n", "v1_too_long"},
    {"v1 without CRLF", "PROXY UNKNOWN " + std::string(200, 'x'), "v1_too_long"},
    {"v1 LF only", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n" + std::string(100, 'x'), "v1_too_long"},
    {"v1 LF before CRLF", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\nGET /\r\n", "v1_control"},
    {"v1 CR", "PROXY TCP4 1.2.3.4\r1.2.3.4 1 2\r\n", "v1_control"},
    {"v1 NUL", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\0\r\n"s, "v1_control"},
    {"v1 family", "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", "v1_family"},
    {"v1 no family", "PROXY \r\n", "v1_family"},
    {"v1 UDP", "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "v1_family"},
    {"v1 unknown glued", "PROXY UNKNOWNX 1\r\n", "v1_family"},
    {"v1 four fields", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "v1_port"},
    {"v1 six fields", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "v1_fields"},
    {"v1 trailing space", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", "v1_fields"},
    {"v1 two spaces", "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", "v1_fields"},
    {"v1 tab", "PROXY TCP4\t1.2.3.4 1.2.3.4 1 2\r\n", "v1_family"},
    {"v1 port 65536", "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", "v1_port"},
    {"v1 port 01", "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "v1_port"},
    {"v1 port -1", "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", "v1_port"},
    {"v1 port +1", "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", "v1_port"},
    {"v1 port hex", "PROXY TCP4 1.2.3.4 1.2.3.4 0x1 2\r\n", "v1_port"},
    {"v1 port name", "PROXY TCP4 1.2.3.4 1.2.3.4 1 http\r\n", "v1_port"},
    {"v1 address name", "PROXY TCP4 localhost 1.2.3.4 1 2\r\n", "v1_address"},
    {"v1 address short", "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", "v1_address"},
    {"v1 v6 in TCP4", "PROXY TCP4 ::1 ::1 1 2\r\n", "v1_address"},
    {"v1 v4 in TCP6", "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", "v1_address"},
    {"v2 version 1", v2(0x11, 0x11, kV4), "v2_version"},
    {"v2 version 3", v2(0x31, 0x11, kV4), "v2_version"},
    {"v2 command 2", v2(0x22, 0x11, kV4), "v2_command"},
    {"v2 family 4", v2(0x21, 0x41, kV4), "v2_family"},
    {"v2 transport 3", v2(0x21, 0x13, kV4), "v2_family"},
    {"v2 length below addresses", v2(0x21, 0x11, kV4.substr(0, 11)), "v2_length"},
    {"v2 v6 length of v4", v2(0x21, 0x21, kV4), "v2_length"},
    {"v2 tlv past the end", v2(0x21, 0x11, kV4 + "\4\0\4abc"s), "v2_tlv"},
    {"v2 tlv without length", v2(0x21, 0x11, kV4 + "\4\0"s), "v2_tlv"},
    {"v2 above 4 KiB", v2(0x21, 0x11, kV4, 4081), "v2_too_long"},
    {"v2 64 KiB", v2(0x21, 0x11, kV4, 65535), "v2_too_long"},
};

std::string text(const Address& a, bool known) {
  return known ? a.text() : "";
}

TEST(ProxyHeader, GoodOnes) {
  for (const Good& row : kGood) {
    SCOPED_TRACE(row.name);
    for (const std::string& behind : {""s, "GET / HTTP/1.1\r\n"s}) {
      const ProxyHeader h = parse_proxy_header(row.bytes + behind);
      ASSERT_EQ(h.state, State::ok) << h.rule;
      EXPECT_EQ(h.size, row.bytes.size());
      EXPECT_EQ(text(h.source, h.has_addresses), row.source);
      EXPECT_EQ(text(h.destination, h.has_addresses), row.destination);
    }
    for (size_t n = 0; n < row.bytes.size(); ++n) {
      ASSERT_EQ(parse_proxy_header(row.bytes.substr(0, n)).state, State::incomplete) << n;
    }
  }
}

TEST(ProxyHeader, BadOnes) {
  for (const Bad& row : kBad) {
    SCOPED_TRACE(row.name);
    const ProxyHeader h = parse_proxy_header(row.bytes);
    EXPECT_EQ(h.state, State::bad);
    EXPECT_STREQ(h.rule, row.rule);
    // No part of it is taken for a whole header.
    for (size_t n = 0; n < row.bytes.size(); ++n) {
      ASSERT_NE(parse_proxy_header(row.bytes.substr(0, n)).state, State::ok) << n;
    }
  }
}

// What the owner of a stream is told.
struct Owner final : StreamEvents {
  explicit Owner(std::unique_ptr<Stream> s) : stream(std::move(s)) { stream->set_events(this); }
  void on_data(char* bytes, size_t n) override {
    if (seen.empty()) peer_at_first = stream->peer().text();
    seen.append(bytes, n);
    largest = std::max(largest, n);
    if (stop_at && seen.size() >= stop_at) stream->stop_read();
  }
  void on_eof() override { ++eofs; }
  void on_drained() override { ++drained; }
  void on_error(const StreamError& e) override {
    ++errors;
    error = e;
  }
  std::unique_ptr<Stream> stream;
  std::string seen, peer_at_first;
  StreamError error;
  size_t largest = 0, stop_at = 0;
  int eofs = 0, errors = 0, drained = 0;
};

class Prefix : public testing::Test {
 protected:
  void make_proxy() {
    auto [stream, far] = network.stream();
    peer = far;
    owner = std::make_unique<Owner>(expect_proxy_header(loop, std::move(stream)));
    owner->stream->start_read(32 * 1024);
    loop.run();
  }
  void make_preread(std::string bytes, size_t max = 32 * 1024) {
    auto [stream, far] = network.stream();
    peer = far;
    owner = std::make_unique<Owner>(with_preread(loop, std::move(stream), std::move(bytes)));
    owner->stream->start_read(max);
  }
  FakeLoop loop;
  FakeNetwork network{loop};
  std::shared_ptr<FakePeer> peer;
  std::unique_ptr<Owner> owner;
};

TEST_F(Prefix, ProxyHeadersWholeAndBytewise) {
  for (const Good& row : kGood) {
    SCOPED_TRACE(row.name);
    for (bool bytewise : {false, true}) {
      make_proxy();
      const std::string all = row.bytes + "hello";
      bytewise ? peer->send_bytewise(all) : peer->send(all);
      loop.run();
      EXPECT_EQ(owner->seen, "hello");
      EXPECT_EQ(owner->errors, 0);
      EXPECT_EQ(owner->stream->peer().text(), *row.source ? row.source : "203.0.113.7:40000");
      EXPECT_EQ(owner->peer_at_first, owner->stream->peer().text()) << "known before the first byte";
      EXPECT_EQ(owner->stream->local().text(), *row.destination ? row.destination : "192.0.2.1:443");
      peer->send_eof();
      loop.run();
      EXPECT_EQ(owner->eofs, 1);
    }
  }
}

TEST_F(Prefix, BadProxyHeadersWholeAndBytewise) {
  for (const Bad& row : kBad) {
    SCOPED_TRACE(row.name);
    for (bool bytewise : {false, true}) {
      make_proxy();
      bytewise ? peer->send_bytewise(row.bytes) : peer->send(row.bytes);
      peer->send("GET / HTTP/1.1\r\n\r\n");
      loop.run();
      EXPECT_EQ(owner->errors, 1);
      EXPECT_EQ(owner->error.code, EPROTO);
      EXPECT_EQ(owner->error.text, std::string("PROXY header: ") + row.rule);
      EXPECT_EQ(owner->seen, "") << "nothing of it is passed on";
    }
  }
}

TEST_F(Prefix, TheEndInAProxyHeader) {
  for (const std::string& part : {""s, "PROXY TCP4"s, v2(0x21, 0x11, kV4).substr(0, 20)}) {
    make_proxy();
    peer->send(part);
    peer->send_eof();
    loop.run();
    EXPECT_EQ(owner->errors, 1);
    EXPECT_EQ(owner->eofs, 0);
    EXPECT_EQ(owner->seen, "");
  }
}

TEST_F(Prefix, ABrokenStreamInAProxyHeader) {
  make_proxy();
  peer->send("PROXY TCP4");
  peer->reset();
  loop.run();
  EXPECT_EQ(owner->errors, 1);
  EXPECT_EQ(owner->error.code, ECONNRESET);
}

TEST_F(Prefix, WhatIsBehindAHeaderInOneReadIsAllThere) {
  make_proxy();
  const std::string body(30'000, 'b');
  peer->send(v2(0x21, 0x11, kV4) + body);
  loop.run();
  EXPECT_EQ(owner->seen, body);
}

TEST_F(Prefix, TheOtherDirectionPassesThrough) {
  make_proxy();
  const Slice slice{"answer", 6};
  owner->stream->write(&slice, 1);
  loop.run();
  EXPECT_EQ(peer->received, "answer");
  peer->hold_writes();
  owner->stream->write(&slice, 1);
  EXPECT_EQ(owner->stream->queued(), 6u);
  peer->release_writes();
  loop.run();
  EXPECT_EQ(owner->drained, 1);
  owner->stream->shutdown();
  loop.run();
  EXPECT_TRUE(peer->eof);
  owner->stream->set_reset_on_close();
  owner.reset();
  EXPECT_TRUE(peer->was_reset);
}

TEST_F(Prefix, PrereadBytesComeFirst) {
  make_preread("before ");
  EXPECT_EQ(owner->seen, "") << "in a later turn";
  peer->send("after");
  peer->send_eof();
  loop.run();
  EXPECT_EQ(owner->seen, "before after");
  EXPECT_EQ(owner->eofs, 1);
}

TEST_F(Prefix, PrereadBytesKeepToTheReadersSize) {
  make_preread("0123456789", 4);
  loop.run();
  EXPECT_EQ(owner->seen, "0123456789");
  EXPECT_EQ(owner->largest, 4u);
}

TEST_F(Prefix, PrereadBytesWaitForAReader) {
  make_preread("0123456789", 4);
  owner->stop_at = 4;
  peer->send("after");
  loop.run();
  EXPECT_EQ(owner->seen, "0123");
  loop.advance(1000);
  EXPECT_EQ(owner->seen, "0123");
  owner->stop_at = 0;
  owner->stream->start_read(100);
  loop.run();
  EXPECT_EQ(owner->seen, "0123456789after");
}

TEST_F(Prefix, NoPrereadBytes) {
  make_preread("");
  peer->send("x");
  loop.run();
  EXPECT_EQ(owner->seen, "x");
}

TEST_F(Prefix, DeletedBeforeItsBytesCame) {
  make_preread("lost");
  owner.reset();
  loop.run();
  EXPECT_EQ(network.open_streams(), 0u);
  EXPECT_TRUE(peer->closed);
}

// A header in what was read before, and TLS or HTTP behind it: the two compose.
TEST_F(Prefix, AProxyHeaderInPrereadBytes) {
  auto [stream, far] = network.stream();
  auto preread = with_preread(loop, std::move(stream), kGood[0].bytes.substr(0, 20));
  owner = std::make_unique<Owner>(expect_proxy_header(loop, std::move(preread)));
  owner->stream->start_read(1000);
  far->send(kGood[0].bytes.substr(20) + "hello");
  loop.run();
  EXPECT_EQ(owner->seen, "hello");
  EXPECT_EQ(owner->peer_at_first, "203.0.113.7:40000");
}

}  // namespace
}  // namespace cardea::net
