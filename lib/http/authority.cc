// Authorities (host[:port]) of requests, read strictly: what this accepts, every origin reads in the same way.
#include <arpa/inet.h>

#include <array>
#include <cstring>

#include "http/http.h"

namespace cardea::http {
namespace {

constexpr size_t kMaxHost = 255;                  // RFC 1035 2.3.4
constexpr size_t kMaxName = 253, kMaxLabel = 63;  // the same, as text

// RFC 3986 reg-name without percent-encoding and without the comma: no host of the DNS has either, an escape
// means different hosts to different readers, and a comma is what folding two Host fields leaves behind.
constexpr std::array<bool, 256> make_host() {
  std::array<bool, 256> t{};
  for (int c = '0'; c <= '9'; ++c) t[size_t(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) t[size_t(c)] = t[size_t(c - 32)] = true;
  for (char c : Bytes("-._~!$&'()*+;=")) t[uint8_t(c)] = true;
  return t;
}
constexpr std::array<bool, 256> kHost = make_host();

Error refuse(const char* why) {
  return {kEinval, why, 0};
}

bool is_ipv6(Bytes s) {
  char text[INET6_ADDRSTRLEN];
  if (s.size() >= sizeof text || s.find('\0') != Bytes::npos) return false;
  memcpy(text, s.data(), s.size());
  text[s.size()] = 0;
  in6_addr ignored;
  return inet_pton(AF_INET6, text, &ignored) == 1;
}

}  // namespace

Result<HostPort> parse_authority(Bytes authority) {
  HostPort out;
  size_t end = 0;  // of the host
  if (!authority.empty() && authority[0] == '[') {
    end = authority.find(']');
    if (end == Bytes::npos || !is_ipv6(authority.substr(1, end - 1))) return refuse("bad IPv6 literal");
    ++end;
  } else {
    while (end < authority.size() && kHost[uint8_t(authority[end])]) ++end;
    if (end == 0) return refuse("no host");
    if (end > kMaxHost) return refuse("host too long");
  }
  out.host = authority.substr(0, end);
  if (end == authority.size()) return out;
  if (authority[end] != ':') return refuse("bad character in host");
  const Bytes digits = authority.substr(end + 1);
  if (digits.empty()) return out;  // "host:" is "host" (RFC 3986 3.2.3)
  if (digits.size() > 5) return refuse("bad port");
  uint32_t port = 0;
  for (char c : digits) {
    if (c < '0' || c > '9') return refuse("bad port");
    port = port * 10 + uint32_t(c - '0');
  }
  if (port == 0 || port > 65535) return refuse("bad port");
  out.port = uint16_t(port);
  out.has_port = true;
  return out;
}

bool is_host(Bytes host) {
  if (!host.empty() && host.front() == '[') {
    return host.size() > 2 && host.back() == ']' && is_ipv6(host.substr(1, host.size() - 2));
  }
  if (host.empty() || host.size() > kMaxName) return false;
  size_t label = 0;
  for (char c : host) {
    bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (c == '.' ? label == 0 : !ok || ++label > kMaxLabel) return false;
    if (c == '.') label = 0;
  }
  return label != 0;
}

}  // namespace cardea::http
