// WebSocket's frames, close frames and handshake, and what HTTP/1.1 connections do for tunnels that end early.
#include "http/websocket.h"

#include <gtest/gtest.h>

#include <random>

#include "base/sha1.h"
#include "h1_peer.h"

namespace cardea::http::websocket {
namespace {

std::string hex(Bytes s) {
  std::string out;
  for (char c : s) {
    for (int shift : {4, 0}) out += "0123456789abcdef"[uint8_t(c) >> shift & 15];
  }
  return out;
}

// ---- frames ---------------------------------------------------------------------------------------

enum : uint8_t { kFin = 0x80 };

std::string head(From from, uint8_t first, uint64_t size) {
  const uint8_t mask = from == From::client ? 0x80 : 0;
  std::string s = {char(first)};
  const int digits = size < 126 ? 0 : size < 65536 ? 2 : 8;
  s += char(mask | (digits == 0 ? size : digits == 2 ? 126 : 127));
  for (int i = digits - 1; i >= 0; --i) s += char(size >> (8 * i));
  if (mask) s += "MASK";
  return s;
}
std::string frame(From from, uint8_t first, size_t size) {
  return head(from, first, size) + std::string(size, 'p');
}

struct FrameRow {
  const char* name;
  From from;
  std::string bytes;
  size_t taken;       // how many of them pass; all: SIZE_MAX
  const char* fault;  // null: none
  bool at_boundary = true, close_seen = false;
};

std::vector<FrameRow> frame_rows() {
  constexpr From C = From::client, S = From::service;
  constexpr size_t kAll = SIZE_MAX;
  std::vector<FrameRow> rows = {
      {"nothing", C, "", kAll, nullptr},
      {"empty text", C, frame(C, kFin | 1, 0), kAll, nullptr},
      {"empty text of a service", S, frame(S, kFin | 1, 0), kAll, nullptr},
      {"125", C, frame(C, kFin | 2, 125), kAll, nullptr},
      {"126", C, frame(C, kFin | 2, 126), kAll, nullptr},
      {"300", S, frame(S, kFin | 2, 300), kAll, nullptr},
      {"compressed", C, frame(C, kFin | 0x40 | 1, 3), kAll, nullptr},
      {"fragments", C, frame(C, 1, 2) + frame(C, 0, 0) + frame(C, kFin | 0, 3), kAll, nullptr},
      {"ping between fragments", S, frame(S, 1, 2) + frame(S, kFin | 9, 4) + frame(S, kFin, 3), kAll, nullptr},
      {"boundary inside a message", S, frame(S, 1, 2), kAll, nullptr},
      {"close", C, frame(C, kFin | 8, 2), kAll, nullptr, true, true},
      {"close without a code", S, frame(S, kFin | 8, 0), kAll, nullptr, true, true},
      {"close between fragments", S, frame(S, 1, 1) + frame(S, kFin | 8, 5), kAll, nullptr, true, true},
      {"half a close", S, head(S, kFin | 8, 2) + "a", kAll, nullptr, false},
      {"half a head", C, frame(C, kFin | 2, 126).substr(0, 3), kAll, nullptr, false},
      {"half a mask", C, frame(C, kFin | 2, 1).substr(0, 4), kAll, nullptr, false},
      {"half a payload", C, frame(C, kFin | 2, 9).substr(0, 9), kAll, nullptr, false},
      {"the largest", S, head(S, kFin | 2, INT64_MAX) + "x", kAll, nullptr, false},
      {"65536", S, head(S, kFin | 2, 65536) + "x", kAll, nullptr, false},
      {"2^63", S, head(S, kFin | 2, uint64_t(1) << 63) + "x", 9, "length_too_big", false},
      {"all ones", S, head(S, kFin | 2, UINT64_MAX) + "x", 9, "length_too_big", false},
      {"125 in 16 bits", S, std::string("\x82\x7e\x00\x7d", 4) + std::string(125, 'x'), 3, "length_not_minimal", false},
      {"0 in 16 bits", S, std::string("\x82\x7e\x00\x00", 4), 3, "length_not_minimal", false},
      {"65535 in 64 bits", S, std::string("\x82\x7f\0\0\0\0\0\0\xff\xff", 10), 9, "length_not_minimal", false},
      {"masked by a service", S, frame(C, kFin | 1, 1), 1, "masked", false},
      {"not masked by a client", C, frame(S, kFin | 1, 1), 1, "not_masked", false},
      {"fragmented ping", C, frame(C, 9, 1), 0, "fragmented_control", false},
      {"fragmented close", C, frame(C, 8, 2), 0, "fragmented_control", false},
      {"long ping", C, frame(C, kFin | 9, 126), 1, "control_too_long", false},
      {"long close", S, frame(S, kFin | 8, 70000), 1, "control_too_long", false},
      {"half a code", S, frame(S, kFin | 8, 1), 1, "half_a_close_code", false},
      {"continuation of nothing", C, frame(C, kFin | 0, 1), 0, "continuation_of_nothing", false},
      {"continuation of a whole message", S, frame(S, kFin | 1, 1) + frame(S, kFin, 1), 3, "continuation_of_nothing",
       false},
      {"message in a message", S, frame(S, 1, 1) + frame(S, kFin | 1, 1), 3, "message_in_message", false},
      {"after close", S, frame(S, kFin | 8, 0) + frame(S, kFin | 1, 1), 2, "frame_after_close", false, true},
      {"http", C, "GET / HTTP/1.1\r\n", 0, "reserved_opcode", false},
  };
  for (uint8_t op : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    rows.push_back({"reserved", S, frame(S, uint8_t(kFin | op), 1), 0, "reserved_opcode", false});
  }
  return rows;
}

TEST(Frames, OneVerdictHoweverTheyAreCut) {
  for (const FrameRow& row : frame_rows()) {
    const size_t expected = row.taken == SIZE_MAX ? row.bytes.size() : row.taken;
    for (size_t cut = 0; cut <= row.bytes.size() + 1; ++cut) {
      SCOPED_TRACE(std::string(row.name) + " cut at " + std::to_string(cut));
      FrameTracker t(row.from);
      size_t taken = 0;
      if (cut > row.bytes.size()) {  // bytewise
        for (char c : row.bytes) taken += t.advance({&c, 1});
      } else {
        taken = t.advance(Bytes(row.bytes).substr(0, cut));
        taken += t.advance(Bytes(row.bytes).substr(cut));
      }
      EXPECT_EQ(taken, expected);
      EXPECT_EQ(t.broken(), row.fault != nullptr);
      EXPECT_STREQ(t.fault(), row.fault);
      EXPECT_EQ(t.at_boundary(), row.at_boundary);
      EXPECT_EQ(t.close_seen(), row.close_seen);
      if (row.fault) {
        EXPECT_EQ(t.advance(frame(row.from, kFin | 1, 1)), 0u) << "for good";
      }
    }
  }
}

TEST(Frames, UntilBoundary) {
  const std::string first = frame(From::client, kFin | 2, 200), second = frame(From::client, kFin | 1, 5);
  const std::string both = first + second;
  for (size_t at = 0; at <= first.size(); ++at) {
    FrameTracker t(From::client);
    t.advance(Bytes(both).substr(0, at));
    const Bytes rest = Bytes(both).substr(at);
    EXPECT_EQ(t.until_boundary(rest), at == 0 || at == first.size() ? 0 : first.size() - at) << at;
    EXPECT_EQ(t.until_boundary(rest.substr(0, 1)), at == 0 || at == first.size() ? 0u : 1u) << at;
    EXPECT_EQ(t.until_boundary(""), 0u);
    EXPECT_EQ(t.payload_left(), at >= 8 ? first.size() - at : 0) << at;
  }
  FrameTracker empty(From::client);
  empty.advance(frame(From::client, kFin | 9, 0).substr(0, 3));
  EXPECT_EQ(empty.until_boundary("SKxyz"), 3u) << "a mask may be a frame's end";
  FrameTracker bad(From::client);
  bad.advance("\x82");
  EXPECT_EQ(bad.until_boundary("\x01xyz"), 4u) << "no boundary ever comes";
}

// All that there is to know of one direction, by reading it whole: where frames end, and what is wrong first.
struct Naive {
  std::vector<size_t> ends;
  size_t taken = 0;
  bool broken = false, closed = false;
  Naive(Bytes s, bool masked) { read(s, masked); }
  void read(Bytes s, bool masked) {
    bool fragments = false;
    for (size_t at = 0; at < s.size();) {
      auto bad = [&](size_t where) { taken = where, broken = true; };
      const uint8_t b0 = uint8_t(s[at]);
      const int op = b0 & 15;
      const bool fin = b0 & 128, control = op >= 8;
      if (closed || !(op <= 2 || (op >= 8 && op <= 10)) || (control && !fin) || (op == 0 && !fragments) ||
          ((op == 1 || op == 2) && fragments)) {
        return bad(at);
      }
      taken = at + 1;
      if (at + 1 >= s.size()) return;
      const uint8_t b1 = uint8_t(s[at + 1]);
      uint64_t size = b1 & 127;
      if (bool(b1 & 128) != masked || (control && size > 125) || (op == 8 && size == 1)) return bad(at + 1);
      const size_t digits = size == 126 ? 2 : size == 127 ? 8 : 0;
      if (digits) {
        if (s.size() < at + 2 + digits) return void(taken = s.size());
        size = 0;
        for (size_t i = 0; i < digits; ++i) size = size * 256 + uint8_t(s[at + 2 + i]);
        if (size >> 63 || size < (digits == 2 ? 126u : 65536u)) return bad(at + 1 + digits);
      }
      const size_t payload = at + 2 + digits + (masked ? 4 : 0);
      if (s.size() < payload || s.size() - payload < size) return void(taken = s.size());
      at = payload + size_t(size);
      ends.push_back(at);
      taken = at;
      closed |= op == 8;
      if (!control) fragments = !fin;
    }
  }
};

TEST(Frames, AgreeWithANaiveReader) {
  std::mt19937 random(20261124);
  size_t broken = 0, whole = 0;
  for (int round = 0; round < 20'000; ++round) {
    const From from = random() % 2 ? From::client : From::service;
    std::string bytes;
    bool fragments = false;
    for (size_t n = random() % 6; n > 0; --n) {
      // Mostly what is allowed, now and then anything.
      uint8_t first;
      if (random() % 12 == 0) {
        first = uint8_t(random());
      } else if (random() % 4 == 0) {
        first = uint8_t(kFin | (9 + random() % 2));
      } else {
        const bool last = random() % 2;
        first = uint8_t((last ? kFin : 0) | (fragments ? 0 : 1 + random() % 2));
        fragments = !last;
      }
      const size_t sizes[] = {0, 1, 2, random() % 126, 125, 126, random() % 400, random() % 30 == 0 ? 66000u : 127u};
      bytes += frame(random() % 40 ? from : From::client, first, first & 8 ? random() % 126 : sizes[random() % 8]);
    }
    if (random() % 3 == 0) bytes.resize(bytes.size() - random() % (bytes.size() + 1));
    if (random() % 8 == 0 && !bytes.empty()) bytes[random() % bytes.size()] ^= char(1 << random() % 8);

    const Naive naive(bytes, from == From::client);
    FrameTracker t(from);
    std::vector<size_t> ends;
    size_t at = 0;
    while (at < bytes.size() && !t.broken()) {
      const size_t n = std::min<size_t>(bytes.size() - at, 1 + random() % 64);
      const Bytes piece = Bytes(bytes).substr(at, n);
      const size_t until = t.until_boundary(piece);
      const auto next = std::find_if(naive.ends.begin(), naive.ends.end(), [&](size_t e) { return e > at; });
      const bool known = next != naive.ends.end() && *next <= at + n;
      EXPECT_EQ(until, t.at_boundary() ? 0 : known ? *next - at : n);
      size_t taken = 0;
      for (char c : piece) {  // ends are seen one by one
        const bool took = t.advance({&c, 1}) == 1;
        if (!took) break;
        ++taken;
        if (t.at_boundary()) ends.push_back(at + taken);
      }
      at += taken;
    }
    FrameTracker at_once(from);
    EXPECT_EQ(at_once.advance(bytes), naive.taken);
    EXPECT_EQ(at_once.at_boundary(), t.at_boundary());
    EXPECT_EQ(at, naive.taken) << hex(bytes);
    EXPECT_EQ(ends, naive.ends);
    EXPECT_EQ(t.broken(), naive.broken) << hex(bytes);
    EXPECT_EQ(t.close_seen(), naive.closed);
    ++(t.broken() ? broken : whole);
  }
  EXPECT_GT(broken, 1000u);
  EXPECT_GT(whole, 1000u);
}

TEST(CloseFrame, Bytes) {
  EXPECT_EQ(hex(close_frame(1008, "", nullptr)), "880203f0");
  EXPECT_EQ(hex(close_frame(1001, "bye", nullptr)), "880503e9627965");
  const Mask mask{{1, 2, 3, 4}};
  EXPECT_EQ(hex(close_frame(1008, "abc", &mask)),
            "8885"
            "01020304"
            "02f2"
            "6266"
            "62");
  for (From from : {From::client, From::service}) {
    FrameTracker t(from);
    const std::string f = close_frame(kPolicyViolation, std::string(1000, 'r'), from == From::client ? &mask : nullptr);
    EXPECT_EQ(t.advance(f), f.size());
    EXPECT_TRUE(t.close_seen() && t.at_boundary());
    EXPECT_EQ(f.size(), 2 + (from == From::client ? 4u : 0u) + 125);
  }
  // Cut between characters: of one, two, three and four bytes.
  const std::pair<std::string, size_t> rows[] = {
      {std::string(122, 'a') + "\xc3\xa9", 122},
      {std::string(121, 'a') + "\xc3\xa9zz", 123},
      {std::string(121, 'a') + "\xe2\x82\xac", 121},
      {std::string(120, 'a') + "\xf0\x9f\x98\x80", 120},
      {std::string(123, 'a'), 123},
      {std::string(200, '\x80'), 0},
  };
  for (const auto& [reason, kept] : rows) {
    EXPECT_EQ(close_frame(1008, reason, nullptr).substr(4), reason.substr(0, kept));
  }
}

// ---- handshake ------------------------------------------------------------------------------------

TEST(Handshake, Digests) {
  const std::pair<std::string, const char*> rows[] = {
      {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
      {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
      {std::string(55, 'a'), "c1c8bbdc22796e28c0e15163d20899b65621d65a"},
      {std::string(64, 'a'), "0098ba824b5c16427bd7a1122a5a442a25ec644d"},
      {std::string(1'000'000, 'a'), "34aa973cd4c4daa4f61eeb2bdbad27316534016f"},
  };
  for (const auto& [message, digest] : rows) {
    const auto d = sha1(message);
    EXPECT_EQ(hex({reinterpret_cast<const char*>(d.data()), d.size()}), digest) << message.size();
  }
}

TEST(Handshake, Keys) {
  EXPECT_EQ(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");  // RFC 6455 1.3
  const uint8_t bytes[16] = {'t', 'h', 'e', ' ', 's', 'a', 'm', 'p', 'l', 'e', ' ', 'n', 'o', 'n', 'c', 'e'};
  EXPECT_EQ(make_key(bytes), "dGhlIHNhbXBsZSBub25jZQ==");
  const std::pair<const char*, bool> rows[] = {
      {"dGhlIHNhbXBsZSBub25jZQ==", true},  {"dGhlIHNhbXBsZSBub25jZQ=", false},  {"", false},
      {"dGhlIHNhbXBsZSBub25jZQ", false},   {"dGhlIHNhbXBsZSBub25jZQA=", false}, {"dGhlIHNhbXBsZSBub25jZQAA", false},
      {"dGhlIHNhbXBsZSBub25-ZQ==", false}, {"dGhlIHNhbXBsZSBub2=jZQ==", false}, {"dGhlIHNhbXBsZSBub25jZQ== ", false},
  };
  for (auto [key, good] : rows) EXPECT_EQ(is_key(key), good) << key;
}

TEST(Handshake, Requests) {
  constexpr const char* kKey = "dGhlIHNhbXBsZSBub25jZQ==";
  struct Row {
    const char* name;
    Method method;
    const char* upgrade;
    std::vector<std::pair<const char*, const char*>> fields;
    bool good;
  };
  const Row rows[] = {
      {"good", Method::get, "websocket", {{"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", kKey}}, true},
      {"case", Method::get, "WebSocket", {{"SEC-WEBSOCKET-VERSION", "13"}, {"sec-websocket-key", kKey}}, true},
      {"extended", Method::connect, "websocket", {{"sec-websocket-version", "13"}}, true},
      {"plain connect", Method::connect, "", {{"sec-websocket-version", "13"}}, false},
      {"other protocol", Method::get, "chat", {{"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", kKey}}, false},
      {"versioned", Method::get, "websocket/13", {{"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", kKey}}, false},
      {"no version", Method::get, "websocket", {{"Sec-WebSocket-Key", kKey}}, false},
      {"old version", Method::get, "websocket", {{"Sec-WebSocket-Version", "8"}, {"Sec-WebSocket-Key", kKey}}, false},
      {"two versions",
       Method::get,
       "websocket",
       {{"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", kKey}},
       false},
      {"no key", Method::get, "websocket", {{"Sec-WebSocket-Version", "13"}}, false},
      {"bad key", Method::get, "websocket", {{"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", "x"}}, false},
      {"two keys",
       Method::get,
       "websocket",
       {{"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", kKey}, {"Sec-WebSocket-Key", kKey}},
       false},
      {"post", Method::post, "websocket", {{"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", kKey}}, false},
      {"extended without version", Method::connect, "websocket", {}, false},
  };
  for (const Row& row : rows) {
    RequestPtr head = make_request();
    head->method = row.method;
    head->upgrade = row.upgrade;
    for (auto [n, v] : row.fields) head->fields.add(n, v);
    EXPECT_EQ(is_websocket_request(*head), row.good) << row.name;
  }
}

TEST(Handshake, Answers) {
  const Bytes key = "dGhlIHNhbXBsZSBub25jZQ==", accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
  struct Row {
    uint16_t status;
    std::vector<Bytes> accepts;
    bool good;
  };
  for (const Row& row : {Row{101, {accept}, true}, Row{200, {accept}, false}, Row{101, {}, false},
                         Row{101, {accept, accept}, false}, Row{101, {"S3pPLMBiTxaQ9kYGzzhZRbK+xOo="}, false}}) {
    ResponsePtr head = make_response();
    head->status = row.status;
    for (Bytes a : row.accepts) head->fields.add("Sec-WebSocket-Accept", a);
    EXPECT_EQ(is_websocket_answer(*head, key), row.good);
  }
}

// ---- HTTP/1.1's part ------------------------------------------------------------------------------

using http::testing::ClientPeer;
using http::testing::ServerPeer;

ResponsePtr answer(uint16_t status, bool body = true) {
  ResponsePtr h = make_response();
  h->status = status;
  h->has_body = body;
  return h;
}

TEST(Http1, WebSocketThroughBothSides) {
  ServerPeer down;
  down.receive(
      "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, X-Hop\r\nX-Hop: 1\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  ServerPeer::Request& r = down.requests.at(0);
  EXPECT_TRUE(is_websocket_request(*r.head));

  ClientPeer up;
  ClientPeer::Response s;
  s.release_at_end = false;
  up.start(s).send_head(*r.head);
  up.end_turn();
  EXPECT_EQ(up.out.wire,
            "GET /chat HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  up.receive(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x01x");
  ASSERT_TRUE(s.head);
  EXPECT_TRUE(is_websocket_answer(*s.head, r.head->fields.value(FieldId::sec_websocket_key)));
  EXPECT_EQ(s.body, "\x81\x01x");

  r.sender->send_head(*s.head);
  r.sender->send_body(s.body);
  // The end that a revoked one gets: the frame in progress is over, a close frame, FIN after them.
  const std::string close = close_frame(kPolicyViolation, "", nullptr);
  r.sender->send_body(close);
  r.sender->send_end(nullptr);
  down.end_turn();
  EXPECT_EQ(down.out.wire,
            "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x01x\x88\x02\x03\xf0");
  EXPECT_EQ(down.shutdowns, 1);
  r.sender->release();
  down.end_turn();
  EXPECT_EQ(down.closes, 1);
  EXPECT_STREQ(down.close.detail, "");
  s.sender->release();
  up.end_turn();
}

TEST(Http1, AcceptedConnectHasNoFraming) {
  ServerPeer peer;
  peer.receive("CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n");
  ResponsePtr h = answer(200);
  h->content_length = 5;
  h->fields.add("Transfer-Encoding", "chunked");
  h->fields.add("Content-Length", "5");
  peer.requests[0].sender->send_head(*h);
  peer.requests[0].sender->send_body("0123456789");
  peer.end_turn();
  EXPECT_EQ(peer.out.wire, "HTTP/1.1 200 OK\r\n\r\n0123456789");
}

TEST(Http1, FinishThenResetOfAnAnswer) {
  ServerPeer peer;
  peer.out.blocked = true;  // nothing leaves in the turn of the reset
  peer.receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ServerPeer::Request& r = peer.requests[0];
  r.sender->send_head(*answer(200));
  r.sender->send_body(peer.turn.add("promised"));
  peer.end_turn();
  r.sender->finish_then_reset(EndCause::revoked);
  r.sender->send_body("not any more");
  r.sender->release();
  peer.end_turn();
  peer.out.blocked = false;
  peer.out.ask();
  peer.end_turn();
  EXPECT_EQ(peer.out.wire, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\npromised\r\n") << "no last chunk";
  EXPECT_EQ(peer.closes, 1);
  EXPECT_EQ(peer.close.cause, EndCause::revoked);
  EXPECT_EQ(r.resets + r.ends, 1) << "the request's own end";
}

TEST(Http1, FinishThenResetOfARequest) {
  for (bool left : {false, true}) {
    ClientPeer peer;
    ClientPeer::Response s;
    RequestPtr h = make_request();
    h->method_name = "POST";
    h->method = Method::post;
    h->authority = "a";
    h->target = "/";
    h->has_body = true;
    RequestSender& sender = peer.start(s);
    sender.send_head(*h);
    if (left) peer.end_turn();
    sender.send_body("promised");
    sender.finish_then_reset(EndCause::revoked);
    sender.send_body("not any more");
    sender.release();
    peer.end_turn();
    EXPECT_EQ(peer.out.wire.find("promised") != std::string::npos, left) << "one that never left is taken back";
    EXPECT_EQ(peer.out.wire.find("0\r\n\r\n"), std::string::npos);
    EXPECT_EQ(peer.closes, left ? 1 : 0);
    EXPECT_EQ(peer.codec->capacity(), left ? 0u : 1u);
    EXPECT_EQ(s.resets + s.ends, 0);
  }
}

TEST(Http1, ExtendedConnectCannotBeSaid) {
  ClientPeer peer;
  ClientPeer::Response s;
  RequestPtr h = make_request();
  h->method_name = "CONNECT";
  h->method = Method::connect;
  h->authority = "a";
  h->target = "/chat";
  h->upgrade = "websocket";
  h->has_body = true;
  EXPECT_FALSE(peer.codec->takes_extended_connect());
  peer.start(s).send_head(*h);
  peer.end_turn();
  EXPECT_EQ(peer.out.wire, "");
  EXPECT_EQ(s.reset_text(), "500 unsendable_head");
}

}  // namespace
}  // namespace cardea::http::websocket
