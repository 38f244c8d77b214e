// The two wire formats as the proxy's tests read and write them: raw bytes of HTTP/1.1, and nghttp2. Nothing of
// Cardea's codecs is used here: what the proxy writes is read by other code.
#pragma once

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fake_net.h"

namespace cardea::test {

using Headers = std::vector<std::pair<std::string, std::string>>;

inline std::string lower(std::string s) {
  for (char& c : s) c = c >= 'A' && c <= 'Z' ? char(c | 0x20) : c;
  return s;
}
inline std::string value(const Headers& headers, const std::string& name) {
  std::string out;
  for (const auto& [n, v] : headers) {
    if (lower(n) == lower(name)) out += (out.empty() ? "" : ", ") + v;
  }
  return out;
}
inline size_t count(const Headers& headers, const std::string& name) {
  return size_t(std::count_if(headers.begin(), headers.end(), [&](auto& h) { return lower(h.first) == lower(name); }));
}

// Bytes whose place can be told, so that losing, repeating or mixing them is found at any size.
constexpr size_t kPeriod = 65521;
inline const std::string& pattern_block() {
  static const std::string block = [] {
    std::string s(2 * kPeriod, '\0');
    for (size_t i = 0; i < s.size(); ++i) s[i] = char(uint32_t(i % kPeriod + 1) * 2654435761u >> 24);
    return s;
  }();
  return block;
}
inline std::string pattern(uint64_t at, size_t n) {
  std::string s;
  while (s.size() < n) s.append(pattern_block(), (at + s.size()) % kPeriod, std::min(kPeriod, n - s.size()));
  return s;
}

struct Body {
  std::string text;  // the first MiB
  uint64_t size = 0;
  bool is_pattern = true;
  void add(Bytes b) {
    if (text.size() < (size_t{1} << 20)) text.append(b);
    while (!b.empty()) {
      const size_t n = std::min(b.size(), kPeriod);
      is_pattern &= memcmp(pattern_block().data() + size % kPeriod, b.data(), n) == 0;
      size += n;
      b.remove_prefix(n);
    }
  }
};

// A message as far as it has come.
struct Incoming {
  Headers pseudo, headers, trailers;
  Body body;
  int status = 0;  // of an answer
  std::vector<int> informational;
  Headers hints;       // fields of informational answers
  bool head = false;   // its head is complete
  bool end = false;    // the whole of it came, and its framing says so
  bool reset = false;  // it was cut: h1 the connection ended in it, h2 RST_STREAM
  uint32_t code = 0;   // of RST_STREAM
  bool chunked = false;
  std::string header(const std::string& name) const { return value(headers, name); }
  bool has(const std::string& name) const { return count(headers, name) > 0; }
};

// ---- HTTP/1.1 ---------------------------------------------------------------------------------------

// A strict reader of either side's messages: what it does not understand fails the test.
class H1Reader {
 public:
  struct Begun {
    Incoming* in = nullptr;  // null: this head stands for itself (1xx)
    bool bodiless = false;
  };
  H1Reader(bool answers, std::function<Begun(const std::string& line, Headers headers)> on_head)
      : answers_(answers), on_head_(std::move(on_head)) {}

  void feed(std::string bytes) {
    rest_ += bytes;
    size_t at = 0;
    while (step(at)) {
    }
    rest_.erase(0, at);
  }
  void eof() {
    const State last = std::exchange(state_, State::over);
    if (!in_) return;
    if (last == State::until_close) {
      in_->end = true;
    } else {
      in_->reset = true;
    }
    in_ = nullptr;
  }
  Incoming* current() const { return in_; }
  size_t unparsed() const { return rest_.size(); }

 private:
  enum class State { head, length, size, chunk, chunk_end, trailers, until_close, over };

  bool line(size_t& at, std::string& out) {
    const size_t end = rest_.find("\r\n", at);
    if (end == std::string::npos) return false;
    out = rest_.substr(at, end - at);
    if (out.find_first_of("\r\n") != std::string::npos) ADD_FAILURE() << "bare CR or LF: " << out;
    at = end + 2;
    return true;
  }
  static Headers fields(const std::string& block) {
    Headers out;
    for (size_t at = 0; at < block.size();) {
      const size_t end = block.find("\r\n", at), colon = block.find(": ", at);
      if (end == std::string::npos || colon == std::string::npos || colon > end) {
        ADD_FAILURE() << "not a field: " << block.substr(at);
        break;
      }
      out.emplace_back(block.substr(at, colon - at), block.substr(colon + 2, end - colon - 2));
      at = end + 2;
    }
    return out;
  }
  // The whole section of fields, with its empty line.
  bool section(size_t& at, std::string& block) {
    if (rest_.compare(at, 2, "\r\n") == 0) {
      at += 2;
      return true;
    }
    const size_t end = rest_.find("\r\n\r\n", at);
    if (end == std::string::npos) return false;
    block = rest_.substr(at, end + 2 - at);
    at = end + 4;
    return true;
  }
  bool take(size_t& at) {
    const size_t n = size_t(std::min<uint64_t>(left_, rest_.size() - at));
    in_->body.add(Bytes(rest_).substr(at, n));
    at += n;
    left_ -= n;
    return n > 0;
  }
  void finish() {
    in_->end = true;
    in_ = nullptr;
    state_ = State::head;
  }
  bool step(size_t& at) {
    std::string text;
    switch (state_) {
      case State::head:
        return at < rest_.size() && read_head(at);
      case State::length:
        if (left_ > 0) take(at);
        if (left_ > 0) return false;
        finish();
        return true;
      case State::size:
        if (!line(at, text)) return false;
        left_ = std::stoull(text, nullptr, 16);
        if (text.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) ADD_FAILURE() << text;
        state_ = left_ > 0 ? State::chunk : State::trailers;
        return true;
      case State::chunk:
        take(at);
        if (left_ > 0) return false;
        state_ = State::chunk_end;
        return true;
      case State::chunk_end:
        if (rest_.size() - at < 2) return false;
        if (rest_.compare(at, 2, "\r\n") != 0) ADD_FAILURE() << "a chunk without its end";
        at += 2;
        state_ = State::size;
        return true;
      case State::trailers:
        if (rest_.size() - at < 2 || !section(at, text)) return false;
        in_->trailers = fields(text);
        finish();
        return true;
      case State::until_close:
        in_->body.add(Bytes(rest_).substr(at));
        at = rest_.size();
        return false;
      case State::over:
        if (!rest_.empty()) ADD_FAILURE() << "bytes behind the end: " << rest_;
        return false;
    }
    return false;
  }
  bool read_head(size_t& at) {
    const size_t end = rest_.find("\r\n\r\n", at);
    if (end == std::string::npos) return false;
    std::string start, block;
    line(at, start);
    section(at, block);
    Headers all = fields(block);
    const std::string length = value(all, "content-length"), coding = value(all, "transfer-encoding");
    if (!length.empty() && !coding.empty()) ADD_FAILURE() << "two framings: " << block;
    if (count(all, "content-length") > 1) ADD_FAILURE() << "two lengths: " << block;
    const Begun begun = on_head_(start, std::move(all));
    in_ = begun.in;
    if (!in_) return true;
    in_->head = true;
    in_->chunked = !coding.empty();
    left_ = 0;
    if (begun.bodiless) {
      state_ = State::length;
    } else if (!coding.empty()) {
      EXPECT_EQ(lower(coding), "chunked");
      state_ = State::size;
    } else if (!length.empty()) {
      left_ = std::stoull(length);
      state_ = State::length;
    } else {
      state_ = answers_ ? State::until_close : State::length;
    }
    return true;
  }

  const bool answers_;
  std::function<Begun(const std::string&, Headers)> on_head_;
  std::string rest_;
  State state_ = State::head;
  Incoming* in_ = nullptr;
  uint64_t left_ = 0;
};

inline std::string h1_fields(const Headers& headers) {
  std::string s;
  for (const auto& [n, v] : headers) s += n + ": " + v + "\r\n";
  return s;
}
inline std::string chunk(Bytes bytes) {
  char size[20];
  snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return std::string(size).append(bytes).append("\r\n");
}

// ---- HTTP/2 -----------------------------------------------------------------------------------------

// One end of an HTTP/2 connection: nghttp2 on a peer.
class H2End {
 public:
  struct Stream {
    Incoming* in = nullptr;
    std::string out;
    size_t out_at = 0;
    bool out_end = false, deferred = false;
    Headers trailers;
  };

  // `extended`: a service that takes extended CONNECT (RFC 8441).
  H2End(std::shared_ptr<net::FakePeer> peer, bool server, std::function<Incoming*(int32_t id)> on_request,
        bool extended = false)
      : peer_(std::move(peer)), server_(server), on_request_(std::move(on_request)) {
    nghttp2_session_callbacks* c = nullptr;
    nghttp2_session_callbacks_new(&c);
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(c, header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, stream_close);
    nghttp2_option* o = nullptr;
    nghttp2_option_new(&o);
    nghttp2_option_set_no_http_messaging(o, server ? 0 : 1);  // the tests look at odd answers themselves
    if (server_) {
      nghttp2_session_server_new2(&ng, c, this, o);
    } else {
      nghttp2_session_client_new2(&ng, c, this, o);
    }
    nghttp2_option_del(o);
    nghttp2_session_callbacks_del(c);
    const nghttp2_settings_entry connect{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};
    nghttp2_submit_settings(ng, 0, &connect, extended ? 1 : 0);
  }
  ~H2End() { nghttp2_session_del(ng); }
  H2End(const H2End&) = delete;

  // What came, and what has to be said to it.
  void pump() {
    const std::string bytes = peer_->take();
    if (!bytes.empty()) {
      const ssize_t n = nghttp2_session_mem_recv(ng, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
      if (n < 0) ADD_FAILURE() << "the proxy sent broken HTTP/2: " << nghttp2_strerror(int(n));
    }
    flush();
    if (peer_->closed) {
      for (auto& [id, s] : streams) {
        if (s.in && !s.in->end) s.in->reset = true;
      }
    }
  }
  void flush() {
    for (;;) {
      const uint8_t* bytes = nullptr;
      const ssize_t n = nghttp2_session_mem_send(ng, &bytes);
      if (n <= 0) break;
      if (!ended) peer_->send({reinterpret_cast<const char*>(bytes), size_t(n)});
      sent += size_t(n);
    }
  }
  nghttp2_data_provider provider(Stream& s) {
    nghttp2_data_provider p;
    p.source.ptr = &s;
    p.read_callback = read_body;
    return p;
  }
  static std::vector<nghttp2_nv> nva(const Headers& headers) {
    std::vector<nghttp2_nv> out;
    for (const auto& [n, v] : headers) {
      out.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(n.data())),
                     reinterpret_cast<uint8_t*>(const_cast<char*>(v.data())), n.size(), v.size(),
                     NGHTTP2_NV_FLAG_NONE});
    }
    return out;
  }
  void body(int32_t id, Bytes bytes) {
    Stream& s = streams[id];
    if (s.out_at > (size_t{1} << 20)) s.out.erase(0, std::exchange(s.out_at, 0));
    s.out.append(bytes);
    wake(id);
  }
  void end(int32_t id, const Headers& trailers) {
    streams[id].out_end = true;
    streams[id].trailers = trailers;
    wake(id);
  }
  void reset(int32_t id, uint32_t code) {
    nghttp2_submit_rst_stream(ng, 0, id, code);
    flush();
  }

  nghttp2_session* ng = nullptr;
  std::map<int32_t, Stream> streams;
  bool goaway = false, ended = false;
  uint32_t goaway_code = 0;
  int32_t goaway_last = 0;
  uint64_t sent = 0;

 private:
  void wake(int32_t id) {
    if (std::exchange(streams[id].deferred, false)) nghttp2_session_resume_data(ng, id);
    flush();
  }
  static H2End& of(void* user) { return *static_cast<H2End*>(user); }
  Incoming* find(int32_t id) {
    auto it = streams.find(id);
    return it == streams.end() ? nullptr : it->second.in;
  }
  static std::string text(const uint8_t* p, size_t n) { return {reinterpret_cast<const char*>(p), n}; }
  static int begin_headers(nghttp2_session*, const nghttp2_frame* f, void* user) {
    H2End& e = of(user);
    if (e.server_ && f->headers.cat == NGHTTP2_HCAT_REQUEST) {
      e.streams[f->hd.stream_id].in = e.on_request_(f->hd.stream_id);
    }
    return 0;
  }
  static int header(nghttp2_session*, const nghttp2_frame* f, const uint8_t* name, size_t name_size,
                    const uint8_t* value, size_t value_size, uint8_t, void* user) {
    Incoming* in = of(user).find(f->hd.stream_id);
    if (!in) return 0;
    auto& into = in->head ? in->trailers : *name == ':' ? in->pseudo : in->headers;
    into.emplace_back(text(name, name_size), text(value, value_size));
    return 0;
  }
  static int frame_recv(nghttp2_session*, const nghttp2_frame* f, void* user) {
    H2End& e = of(user);
    if (f->hd.type == NGHTTP2_GOAWAY) {
      e.goaway = true;
      e.goaway_code = f->goaway.error_code;
      e.goaway_last = f->goaway.last_stream_id;
    }
    Incoming* in = e.find(f->hd.stream_id);
    if (!in || (f->hd.type != NGHTTP2_HEADERS && f->hd.type != NGHTTP2_DATA)) return 0;
    if (f->hd.type == NGHTTP2_HEADERS && !in->head) {
      if (!e.server_) in->status = atoi(test::value(in->pseudo, ":status").c_str());
      if (!e.server_ && in->status < 200) {
        in->informational.push_back(in->status);
        in->hints.insert(in->hints.end(), in->headers.begin(), in->headers.end());
        in->pseudo.clear();
        in->headers.clear();
        in->status = 0;
      } else {
        in->head = true;
      }
    }
    if (f->hd.flags & NGHTTP2_FLAG_END_STREAM) in->end = true;
    return 0;
  }
  static int data_chunk(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t size, void* user) {
    if (Incoming* in = of(user).find(id)) in->body.add({reinterpret_cast<const char*>(bytes), size});
    return 0;
  }
  static int stream_close(nghttp2_session*, int32_t id, uint32_t code, void* user) {
    Incoming* in = of(user).find(id);
    if (!in) return 0;
    in->code = code;
    in->reset |= code != NGHTTP2_NO_ERROR || !in->end;
    return 0;
  }
  static ssize_t read_body(nghttp2_session* ng, int32_t id, uint8_t* to, size_t length, uint32_t* flags,
                           nghttp2_data_source* source, void*) {
    Stream& s = *static_cast<Stream*>(source->ptr);
    const size_t n = std::min(length, s.out.size() - s.out_at);
    if (n == 0 && !s.out_end) {
      s.deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    memcpy(to, s.out.data() + s.out_at, n);
    s.out_at += n;
    if (s.out_end && s.out_at == s.out.size()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!s.trailers.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        auto nva = H2End::nva(s.trailers);
        nghttp2_submit_trailer(ng, id, nva.data(), nva.size());
      }
    }
    return ssize_t(n);
  }

  std::shared_ptr<net::FakePeer> peer_;
  const bool server_;
  std::function<Incoming*(int32_t)> on_request_;
};

}  // namespace cardea::test
