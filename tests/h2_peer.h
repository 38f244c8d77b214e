// Hand-made HTTP/2 frames, a decoder for what a codec sends, and hosts that record what a codec delivers.
#pragma once

#include <nghttp2/nghttp2.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "http/http.h"

// How a broken promise of the codec is reported; fuzzers have another way.
#ifndef CARDEA_CHECK
#include <gtest/gtest.h>
#define CARDEA_CHECK(what) EXPECT_TRUE(what)
#endif

namespace cardea::http::test {

// ---- frames ----------------------------------------------------------------------------------------

enum : uint8_t { kData, kHeaders, kPriority, kRst, kSettings, kPush, kPing, kGoaway, kWindow, kContinuation };
enum : uint8_t { kEndStream = 1, kAck = 1, kEndHeaders = 4, kPadded = 8 };

inline std::string u32(uint32_t n) {
  return {char(n >> 24), char(n >> 16), char(n >> 8), char(n)};
}
inline std::string frame(uint8_t type, uint8_t flags, uint32_t id, Bytes payload = {}) {
  std::string f = {char(payload.size() >> 16), char(payload.size() >> 8), char(payload.size()), char(type),
                   char(flags)};
  return f.append(u32(id)).append(payload);
}
inline std::string hpack_int(uint64_t n, int bits, uint8_t top) {
  const uint64_t max = (1u << bits) - 1;
  if (n < max) return {char(top | n)};
  std::string s = {char(top | max)};
  for (n -= max; n >= 128; n >>= 7) s += char(0x80 | (n & 0x7f));
  return s += char(n);
}
// A literal without indexing, its name new, nothing Huffman-coded (RFC 7541 6.2.2).
inline std::string literal(Bytes name, Bytes value) {
  std::string s(1, '\0');
  s += hpack_int(name.size(), 7, 0);
  s += name;
  s += hpack_int(value.size(), 7, 0);
  return s += value;
}
using List = std::vector<std::pair<std::string, std::string>>;
inline std::string block(const List& fields) {
  std::string s;
  for (const auto& [name, value] : fields) s += literal(name, value);
  return s;
}
inline std::string headers(uint32_t id, const List& fields, uint8_t flags = kEndHeaders | kEndStream) {
  return frame(kHeaders, flags, id, block(fields));
}
// HEADERS and as many CONTINUATIONs as the block needs.
inline std::string split_headers(const std::string& b) {
  std::string s = frame(kHeaders, kEndStream | (b.size() <= 16'000 ? kEndHeaders : 0), 1, Bytes(b).substr(0, 16'000));
  for (size_t at = 16'000; at < b.size(); at += 16'000) {
    s += frame(kContinuation, at + 16'000 >= b.size() ? kEndHeaders : 0, 1, Bytes(b).substr(at, 16'000));
  }
  return s;
}
inline std::string data(uint32_t id, Bytes bytes, bool end = false) {
  return frame(kData, end ? kEndStream : 0, id, bytes);
}
inline std::string rst(uint32_t id, uint32_t code) {
  return frame(kRst, 0, id, u32(code));
}
inline std::string window(uint32_t id, uint32_t n) {
  return frame(kWindow, 0, id, u32(n));
}
inline std::string setting(uint16_t id, uint32_t value) {
  return std::string{char(id >> 8), char(id)} + u32(value);
}
inline std::string settings(Bytes entries = {}) {
  return frame(kSettings, 0, 0, entries);
}
inline std::string preface(Bytes entries = {}) {
  return std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") + settings(entries) + frame(kSettings, kAck, 0);
}
inline List get(Bytes path = "/", Bytes method = "GET") {
  return {
      {":method", std::string(method)}, {":scheme", "https"}, {":path", std::string(path)}, {":authority", "a.test"}};
}
inline List with(List list, const List& more) {
  list.insert(list.end(), more.begin(), more.end());
  return list;
}

struct Frame {
  uint8_t type = 0, flags = 0;
  uint32_t id = 0;
  std::string payload;
  List fields;  // HEADERS
  uint32_t number(size_t at = 0) const {
    uint32_t n = 0;
    for (size_t i = at; i < at + 4 && i < payload.size(); ++i) n = n << 8 | uint8_t(payload[i]);
    return n;
  }
};

// Reads the bytes that a codec sends; what breaks framing or HPACK is noted in `broken`.
class FrameReader {
 public:
  explicit FrameReader(bool client_preface = false) : preface_(client_preface ? 24 : 0) {
    nghttp2_hd_inflate_new(&inflater_);
  }
  ~FrameReader() { nghttp2_hd_inflate_del(inflater_); }
  FrameReader(const FrameReader&) = delete;

  void feed(Bytes bytes) {
    rest_ += bytes;
    if (preface_ && rest_.size() >= preface_) {
      broken |= rest_.compare(0, 24, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") != 0;
      rest_.erase(0, preface_);
      preface_ = 0;
    }
    while (!preface_ && rest_.size() >= 9) {
      size_t length = size_t(uint8_t(rest_[0])) << 16 | size_t(uint8_t(rest_[1])) << 8 | uint8_t(rest_[2]);
      if (rest_.size() < 9 + length) break;
      Frame f;
      f.type = uint8_t(rest_[3]);
      f.flags = uint8_t(rest_[4]);
      f.payload = rest_.substr(5, 4);
      f.id = f.number();
      f.payload = rest_.substr(9, length);
      rest_.erase(0, 9 + length);
      take(std::move(f));
    }
  }
  bool at_frame_boundary() const { return rest_.empty(); }

  std::vector<Frame> frames;
  bool broken = false;

  // Frames of one type (and stream), in order.
  std::vector<const Frame*> all(uint8_t type, int64_t id = -1) const {
    std::vector<const Frame*> out;
    for (const Frame& f : frames) {
      if (f.type == type && (id < 0 || f.id == uint64_t(id))) out.push_back(&f);
    }
    return out;
  }
  const Frame* last(uint8_t type, int64_t id = -1) const {
    auto found = all(type, id);
    return found.empty() ? nullptr : found.back();
  }
  std::string body(uint32_t id) const {
    std::string s;
    for (const Frame* f : all(kData, id)) s += f->payload;
    return s;
  }
  bool ended(uint32_t id) const {
    for (const Frame& f : frames) {
      if (f.id == id && (f.type == kData || f.type == kHeaders) && (f.flags & kEndStream)) return true;
    }
    return false;
  }
  std::string field(uint32_t id, Bytes name) const {
    for (const Frame* f : all(kHeaders, id)) {
      for (const auto& [n, v] : f->fields) {
        if (n == name) return v;
      }
    }
    return "";
  }
  int64_t reset_code(uint32_t id) const {
    const Frame* f = last(kRst, id);
    return f ? int64_t(f->number()) : -1;
  }
  int64_t goaway_code() const {
    const Frame* f = last(kGoaway);
    return f ? int64_t(f->number(4)) : -1;
  }

 private:
  void take(Frame f) {
    if (f.type == kContinuation) {
      if (frames.empty() || frames.back().type != kHeaders) {
        broken = true;
        return;
      }
      frames.back().payload += f.payload;
      frames.back().flags |= f.flags & kEndHeaders;
    } else {
      frames.push_back(std::move(f));
    }
    Frame& last = frames.back();
    if (last.type != kHeaders || !(last.flags & kEndHeaders)) return;
    const uint8_t* in = reinterpret_cast<const uint8_t*>(last.payload.data());
    size_t left = last.payload.size();
    for (;;) {
      nghttp2_nv nv;
      int flags = 0;
      ssize_t n = nghttp2_hd_inflate_hd2(inflater_, &nv, &flags, in, left, 1);
      if (n < 0) {
        broken = true;
        return;
      }
      in += n;
      left -= size_t(n);
      if (flags & NGHTTP2_HD_INFLATE_EMIT) {
        last.fields.emplace_back(std::string(reinterpret_cast<char*>(nv.name), nv.namelen),
                                 std::string(reinterpret_cast<char*>(nv.value), nv.valuelen));
      }
      if (flags & NGHTTP2_HD_INFLATE_FINAL) break;
      if (!(flags & NGHTTP2_HD_INFLATE_EMIT) && left == 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater_);
  }

  std::string rest_;
  size_t preface_;
  nghttp2_hd_inflater* inflater_ = nullptr;
};

// ---- receivers -------------------------------------------------------------------------------------

inline std::string text(const Fields& fields) {
  std::string s;
  for (const Field& f : fields) s.append(f.name).append("=").append(f.value).append("|");
  return s;
}

// What one exchange was told. A receiver of either role.
struct Record final : ResponseReceiver {
  std::string method, scheme, authority, target, fields, body, trailers;
  std::optional<uint64_t> content_length;
  uint16_t status = 0;
  bool has_body = false, expect_continue = false, te_trailers = false;
  std::vector<uint16_t> informational;
  int heads = 0, ends = 0, resets = 0, blocked = 0, unblocked = 0;
  End reset;
  bool in_sender = false;  // a Sender's method is on the stack: nothing may be told
  bool told_in_sender = false;
  std::function<void(Bytes)> body_hook;
  std::function<void()> end_hook, reset_hook;
  ResponseSender* down = nullptr;
  RequestSender* up = nullptr;
  bool released = false;
  size_t largest = 0;

  Sender& sender() { return down ? static_cast<Sender&>(*down) : static_cast<Sender&>(*up); }
  template <class Fn>
  void call(Fn fn) {
    in_sender = true;
    fn();
    in_sender = false;
  }
  void release() {
    if (released) return;
    released = true;
    call([&] { sender().release(); });
  }

  void check() {
    told_in_sender |= in_sender;
    CARDEA_CHECK(!released);
    CARDEA_CHECK(resets == 0);
  }
  void on_body(Bytes bytes) override {
    check();
    CARDEA_CHECK(ends == 0);
    largest = std::max(largest, bytes.size());
    body += bytes;
    if (body_hook) body_hook(bytes);
  }
  void on_trailers(const Fields& f) override {
    check();
    trailers = text(f);
  }
  void on_end() override {
    check();
    ++ends;
    if (end_hook) end_hook();
  }
  void on_reset(const End& end) override {
    check();
    ++resets;
    reset = end;
    if (reset_hook) reset_hook();
  }
  void on_blocked() override {
    check();
    ++blocked;
  }
  void on_unblocked() override {
    check();
    ++unblocked;
  }
  void on_informational(ResponsePtr head) override {
    check();
    informational.push_back(head->status);
  }
  void on_head(ResponsePtr head) override {
    check();
    ++heads;
    status = head->status;
    fields = text(head->fields);
    content_length = head->content_length;
    has_body = head->has_body;
  }
  std::string verdict() const {
    std::string s = method + " " + scheme + " " + authority + " " + target + " " + std::to_string(status) + " {" +
                    fields + "} cl=" + (content_length ? std::to_string(*content_length) : "-") + " body=" + body +
                    " trailers=" + trailers + " end=" + std::to_string(ends);
    for (uint16_t i : informational) s += " i" + std::to_string(i);
    if (resets) s += std::string(" reset=") + row(reset.cause).name + ":" + reset.detail;
    return s;
  }
};

struct Clock {
  Millis now = 1'000'000;
  static Millis read(void* clock) { return static_cast<Clock*>(clock)->now; }
};

// ---- a codec with its host -------------------------------------------------------------------------

// Does what a connection does: feeds, and flushes at the end of every turn. Bytes that were lent to the codec
// or by it are overwritten when the turn ends.
template <class Host>
class Side : public Host {
 public:
  void request_flush() override { flush_wanted = true; }
  void reading_changed() override { ++reading_changes; }
  void request_close(const End& end) override {
    ++closes;
    close_end = end;
  }

  // One turn: bytes in (`step` at a time, 0 = whole), then a flush.
  void feed(Bytes bytes, size_t step = 0) {
    for (size_t at = 0; at < bytes.size();) {
      size_t n = step ? std::min(step, bytes.size() - at) : bytes.size();
      std::unique_ptr<char[]> copy(new char[n]);  // its own allocation: what reads past it is found
      bytes.copy(copy.get(), n, at);
      codec().receive({copy.get(), n});
      flush();
      at += n;
    }
  }
  void flush() {
    for (int i = 0; i < 1000 && flush_wanted; ++i) {
      flush_wanted = false;
      Output out;
      codec().produce(out, room);
      for (Bytes b : out.slices()) wire.append(b);
      largest_output = std::max(largest_output, out.size());
      total_out += out.size();
      codec().produced(queued);
    }
    CARDEA_CHECK(!flush_wanted);  // flushes without end
    lent.clear();
    if (reader) {
      reader->feed(wire);
      wire.clear();
    }
  }
  // Bytes that live until the end of this turn.
  Bytes lend(std::string s) { return *lent.emplace_back(std::make_unique<std::string>(std::move(s))); }

  virtual Codec& codec() = 0;

  std::string wire;  // what was written and not yet taken
  std::unique_ptr<FrameReader> reader;
  size_t room = 128 * 1024, queued = 0;
  bool flush_wanted = true;
  int closes = 0, reading_changes = 0;
  End close_end;
  size_t largest_output = 0;
  uint64_t total_out = 0;
  std::vector<std::unique_ptr<std::string>> lent;
  Clock clock;
};

struct Server : Side<ServerHost> {
  explicit Server(CodecLimits limits = {}, bool read_frames = true) {
    if (read_frames) reader = std::make_unique<FrameReader>();
    codec_ = h2_server(*this, limits, Clock::read, &clock);
  }
  ~Server() { codec_.reset(); }
  Codec& codec() override { return *codec_; }

  RequestReceiver* on_request(RequestPtr head, ResponseSender& sender) override {
    Record& r = requests.emplace_back();
    r.down = &sender;
    r.method = head->method_name;
    r.scheme = head->scheme;
    r.authority = head->authority;
    r.target = head->target;
    r.fields = text(head->fields);
    r.content_length = head->content_length;
    r.has_body = head->has_body;
    r.expect_continue = head->expect_continue;
    r.te_trailers = head->te_trailers;
    r.reset_hook = [&r, this] {
      if (release_on_reset) r.release();
    };
    most_active = std::max(most_active, codec_->active());
    if (request_hook) request_hook(r);
    return &r;
  }
  void on_bad_request(const End& end, ResponseSender& sender) override {
    bad.push_back(end);
    if (!answer_bad) return;
    ResponsePtr head = make_response();
    head->status = end.http_status();
    head->has_body = true;
    Bytes body = lend(std::string("refused: ") + end.detail);
    head->content_length = body.size();
    sender.send_head(*head);
    sender.send_body(body);
    sender.send_end(nullptr);
  }
  void on_idle() override { ++idles; }

  // A complete answer.
  void answer(Record& r, uint16_t status = 200, Bytes body = "", const List& fields = {}) {
    r.call([&] {
      ResponsePtr head = make_response();
      head->status = status;
      head->has_body = !body.empty();
      head->content_length = body.size();
      for (const auto& [n, v] : fields) head->fields.add(n, v);
      r.down->send_head(*head);
      if (!body.empty()) r.down->send_body(lend(std::string(body)));
      if (!body.empty()) r.down->send_end(nullptr);
    });
  }
  // An open one.
  void begin(Record& r, std::optional<uint64_t> length = {}) {
    r.call([&] {
      ResponsePtr head = make_response();
      head->status = 200;
      head->has_body = true;
      head->content_length = length;
      r.down->send_head(*head);
    });
  }
  void body(Record& r, std::string bytes) {
    r.call([&] { r.down->send_body(lend(std::move(bytes))); });
  }
  void end(Record& r, const Fields* trailers = nullptr) {
    r.call([&] { r.down->send_end(trailers); });
  }

  std::unique_ptr<ServerCodec> codec_;
  std::deque<Record> requests;
  std::vector<End> bad;
  std::function<void(Record&)> request_hook;
  bool answer_bad = true, release_on_reset = true;
  int idles = 0;
  size_t most_active = 0;
};

struct Client : Side<ClientHost> {
  explicit Client(CodecLimits limits = {}, bool read_frames = true) {
    if (read_frames) reader = std::make_unique<FrameReader>(true);
    codec_ = h2_client(*this, limits, Clock::read, &clock);
  }
  ~Client() { codec_.reset(); }
  Codec& codec() override { return *codec_; }
  void on_capacity() override { ++capacities; }

  Record& start() {
    Record& r = responses.emplace_back();
    r.up = &codec_->start(r);
    r.reset_hook = [&r, this] {
      if (release_on_reset) r.release();
    };
    return r;
  }
  Record& request(Bytes method = "GET", Bytes path = "/", bool has_body = false, std::optional<uint64_t> length = {},
                  const List& fields = {}) {
    Record& r = start();
    r.call([&] {
      RequestPtr head = make_request();
      head->method_name = method;
      head->method = method_of(method);
      head->scheme = "https";
      head->authority = "a.test";
      head->target = path;
      head->has_body = has_body;
      head->content_length = length;
      for (const auto& [n, v] : fields) head->fields.add(n, v);
      r.up->send_head(*head);
    });
    return r;
  }
  void body(Record& r, std::string bytes) {
    r.call([&] { r.up->send_body(lend(std::move(bytes))); });
  }
  void end(Record& r, const Fields* trailers = nullptr) {
    r.call([&] { r.up->send_end(trailers); });
  }

  std::unique_ptr<ClientCodec> codec_;
  std::deque<Record> responses;
  bool release_on_reset = true;
  int capacities = 0;
};

}  // namespace cardea::http::test
