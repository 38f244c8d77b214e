// HTTP/1.1 messages that several tests send.
#pragma once

#include <optional>
#include <string>

#include "http/http.h"

namespace cardea::http {

inline const std::string kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
inline constexpr char kHead[] = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
inline constexpr char kGet11[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
inline constexpr char kGet10[] = "GET / HTTP/1.0\r\nHost: a\r\n\r\n";
inline constexpr char kGet10Keep[] = "GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n";

inline ResponsePtr response(uint16_t status, bool has_body, std::optional<uint64_t> length = {}) {
  ResponsePtr h = make_response();
  h->status = status;
  h->has_body = has_body;
  h->content_length = length;
  return h;
}

inline RequestPtr request(Method m, Bytes name, bool has_body = false, std::optional<uint64_t> length = {}) {
  RequestPtr h = make_request();
  h->method = m;
  h->method_name = name;
  h->authority = "up.example:81";
  h->target = "/a?b";
  h->has_body = has_body;
  h->content_length = length;
  return h;
}

inline size_t count(Bytes text, Bytes what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != Bytes::npos; at = text.find(what, at + what.size())) ++n;
  return n;
}

}  // namespace cardea::http
