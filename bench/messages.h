// The messages that the benchmarks send, as bytes of HTTP/1.1 and of HTTP/2, made before anything is measured.
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <string>
#include <vector>

#define CARDEA_CHECK(what) (void)(what)
#include "h2_peer.h"  // of the tests: frames

namespace cardea::bench {

using List = http::test::List;

struct Body {
  enum Framing : uint8_t { none, length, open } framing = none;  // open: chunked, or HTTP/2 without a length
  size_t size = 0;
};
constexpr size_t kPiece = 16 * 1024;  // of a body: a chunk, a DATA frame

inline const std::string& body_bytes() {
  static const std::string bytes(64 * 1024, 'x');
  return bytes;
}
template <class Fn>
void each_piece(size_t size, Fn fn) {
  for (size_t at = 0; at < size; at += kPiece) {
    const size_t n = std::min(kPiece, size - at);
    fn(Bytes(body_bytes()).substr(at, n), at + n == size);
  }
}

inline List request_fields(bool browser) {
  if (!browser) return {{"user-agent", "curl/7.88.1"}, {"accept", "*/*"}};
  return {
      {"sec-ch-ua", R"("Chromium";v="124", "Google Chrome";v="124", "Not-A.Brand";v="99")"},
      {"sec-ch-ua-mobile", "?0"},
      {"sec-ch-ua-platform", "\"Linux\""},
      {"user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0"},
      {"accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
      {"sec-fetch-site", "same-origin"},
      {"sec-fetch-mode", "navigate"},
      {"sec-fetch-dest", "document"},
      {"referer", "https://app00000.example.com/items?page=1&sort=created"},
      {"accept-encoding", "gzip, deflate, br, zstd"},
      {"accept-language", "en-GB,en;q=0.9,de;q=0.8"},
      {"cookie", "session=5f0c1e7bb3a94f6d8f8c2f1d7a0e4b65; theme=dark; _ga=GA1.1.1234567890.1700000000"},
  };
}
inline List answer_fields() {
  return {{"server", "service"},
          {"date", "Tue, 14 Nov 2023 22:13:20 GMT"},
          {"content-type", "application/json"},
          {"cache-control", "no-cache"},
          {"x-served-by", "service-7"}};
}
inline const std::string kTarget = "/items/12345/orders?page=2&sort=asc";

// A whole message of HTTP/1.1. An answer always says where it ends.
inline std::string h1_message(const std::string& first_line, const List& fields, const Body& body, bool answer) {
  std::string s = first_line + "\r\n";
  for (const auto& [name, value] : fields) s += name + ": " + value + "\r\n";
  if (body.framing == Body::open) {
    s += "transfer-encoding: chunked\r\n";
  } else if (body.framing == Body::length || answer) {
    s += "content-length: " + std::to_string(body.size) + "\r\n";
  }
  s += "\r\n";
  if (body.framing != Body::open) return s.append(body_bytes(), 0, body.size);
  each_piece(body.size, [&](Bytes piece, bool) {
    char size[20];
    snprintf(size, sizeof size, "%zx\r\n", piece.size());
    s.append(size).append(piece).append("\r\n");
  });
  return s += "0\r\n\r\n";
}
inline std::string h1_request(const std::string& host, bool browser, const Body& body) {
  List fields = request_fields(browser);
  fields.insert(fields.begin(), {"host", host});
  return h1_message((body.size ? "POST " : "GET ") + kTarget + " HTTP/1.1", fields, body, false);
}
inline std::string h1_answer(const Body& body) {
  return h1_message("HTTP/1.1 200 OK", answer_fields(), body, true);
}

// A message of HTTP/2 that is sent again and again, each time on another stream.
class H2Message {
 public:
  H2Message(Bytes block, const Body& body) {
    add(http::test::kHeaders, http::test::kEndHeaders | (body.size ? 0 : http::test::kEndStream), block);
    each_piece(body.size,
               [&](Bytes piece, bool last) { add(http::test::kData, last ? http::test::kEndStream : 0, piece); });
  }
  const std::string& on(uint32_t id) {
    for (size_t at : ids_) {
      for (int i = 0; i < 4; ++i) bytes_[at + size_t(i)] = char(id >> (24 - 8 * i));
    }
    return bytes_;
  }

 private:
  void add(uint8_t type, int flags, Bytes payload) {
    ids_.push_back(bytes_.size() + 5);
    bytes_ += http::test::frame(type, uint8_t(flags), 0, payload);
  }
  std::string bytes_;
  std::vector<size_t> ids_;
};

// The sending side's HPACK state of one connection. The first message of a kind fills the dynamic table, the ones
// after it refer to it, and those are all the same: a connection begins with one opening() message, then sends others.
class H2Encoder {
 public:
  H2Encoder() { nghttp2_hd_deflate_new(&deflater_, 4096); }
  ~H2Encoder() { nghttp2_hd_deflate_del(deflater_); }
  H2Encoder(const H2Encoder&) = delete;

  H2Message request(const std::string& host, bool browser, const Body& body) {
    return message(
        {{":method", body.size ? "POST" : "GET"}, {":scheme", "http"}, {":path", kTarget}, {":authority", host}},
        request_fields(browser), body);
  }
  H2Message answer(const Body& body) { return message({{":status", "200"}}, answer_fields(), body); }

 private:
  H2Message message(List fields, const List& more, const Body& body) {
    fields.insert(fields.end(), more.begin(), more.end());
    if (body.framing == Body::length) fields.emplace_back("content-length", std::to_string(body.size));
    std::vector<nghttp2_nv> nva;
    for (auto& [name, value] : fields) {
      // Hosts that take turns would push everything else out of the table.
      const uint8_t flags = name == ":authority" ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
      nva.push_back({reinterpret_cast<uint8_t*>(name.data()), reinterpret_cast<uint8_t*>(value.data()), name.size(),
                     value.size(), flags});
    }
    std::string block(nghttp2_hd_deflate_bound(deflater_, nva.data(), nva.size()), '\0');
    const ssize_t n = nghttp2_hd_deflate_hd(deflater_, reinterpret_cast<uint8_t*>(block.data()), block.size(),
                                            nva.data(), nva.size());
    return H2Message(Bytes(block).substr(0, size_t(std::max<ssize_t>(n, 0))), body);
  }
  nghttp2_hd_deflater* deflater_ = nullptr;
};

// What an end of HTTP/2 says first: room for large bodies, and as much of the connection's window as there is.
inline std::string h2_greeting(bool client) {
  const std::string room = http::test::setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20);
  const std::string settings =
      http::test::settings(room) + http::test::frame(http::test::kSettings, http::test::kAck, 0);
  return (client ? http::test::preface(room) : settings) + http::test::window(0, 0x7fffffff - 65535);
}
// Gives the connection's window back, now and then, as bytes of bodies have come.
class H2Window {
 public:
  bool is_due() const { return taken_ >= kStep; }
  void take(size_t n) { taken_ += n; }
  const std::string& update() {
    taken_ -= kStep;
    return frame_;
  }

 private:
  static constexpr size_t kStep = size_t{1} << 29;
  size_t taken_ = 0;
  const std::string frame_ = http::test::window(0, kStep);
};

}  // namespace cardea::bench
