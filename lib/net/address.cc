// Address: text to socket address and back.
#include <arpa/inet.h>
#include <net/if.h>

#include <cstddef>
#include <cstring>

#include "net/net.h"

namespace cardea::net {

namespace {

constexpr size_t kUnixHead = offsetof(sockaddr_un, sun_path);
constexpr size_t kUnixMax = sizeof(sockaddr_un::sun_path);

Error bad_address(Bytes text, const char* why) {
  return {kEinval, "address \"" + std::string(text.substr(0, 256)) + "\": " + why};
}

bool parse_port(Bytes text, uint16_t& port) {
  if (text.empty() || text.size() > 5) return false;
  unsigned value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + unsigned(c - '0');
  }
  port = uint16_t(value);
  return value <= 65535;
}

// The number of an IPv6 zone: "2" or "eth0". 0 when there is no such interface.
unsigned scope_of(const char* zone) {
  unsigned value = 0;
  const char* p = zone;
  while (*p >= '0' && *p <= '9' && value < 100000000) value = value * 10 + unsigned(*p++ - '0');
  return p != zone && *p == '\0' ? value : if_nametoindex(zone);
}

}  // namespace

Result<Address> Address::parse(Bytes text) {
  if (text.substr(0, 5) == "unix:") {
    const Bytes path = text.substr(5);
    if (path.empty() || path == "@") return bad_address(text, "the path of the unix socket is empty");
    if (path.size() >= kUnixMax) return bad_address(text, "a unix socket's path may have at most 107 bytes");
    if (path.find('\0') != Bytes::npos) return bad_address(text, "a path cannot contain a zero byte");
    Address a;
    auto* un = reinterpret_cast<sockaddr_un*>(&a.storage_);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path.data(), path.size());
    const bool abstract = path[0] == '@';
    if (abstract) un->sun_path[0] = '\0';
    a.len_ = socklen_t(kUnixHead + path.size() + (abstract ? 0 : 1));
    return a;
  }
  const size_t colon = text.rfind(':');
  if (colon == Bytes::npos) return bad_address(text, "expected HOST:PORT, [IPV6]:PORT, :PORT or unix:PATH");
  uint16_t port = 0;
  if (!parse_port(text.substr(colon + 1), port)) return bad_address(text, "the port must be a number up to 65535");
  Bytes host = text.substr(0, colon);
  if (host.empty()) {
    Address a;
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&a.storage_);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    a.len_ = sizeof *in6;
    a.dual_ = true;
    return a;
  }
  const bool bracketed = host.front() == '[';
  if (bracketed) {
    if (host.size() < 2 || host.back() != ']') return bad_address(text, "the bracket is not closed before the port");
    host = host.substr(1, host.size() - 2);
  }
  if (bracketed != (host.find(':') != Bytes::npos)) return bad_address(text, "IPv6 is written [ADDRESS]:PORT");
  Result<Address> a = ip(host, port);
  if (!a) return bad_address(text, "not an IP address");
  return a;
}

Result<Address> Address::ip(Bytes ip, uint16_t port) {
  char buf[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
  if (ip.empty() || ip.size() >= sizeof buf || ip.find('\0') != Bytes::npos) {
    return bad_address(ip, "not an IP address");
  }
  memcpy(buf, ip.data(), ip.size());
  buf[ip.size()] = '\0';
  sockaddr_in in{};
  if (inet_pton(AF_INET, buf, &in.sin_addr) == 1) {
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    return from(reinterpret_cast<sockaddr*>(&in), sizeof in);
  }
  sockaddr_in6 in6{};
  if (char* zone = strchr(buf, '%')) {
    *zone++ = '\0';
    in6.sin6_scope_id = scope_of(zone);
    if (in6.sin6_scope_id == 0) return bad_address(ip, "this machine has no such network interface");
  }
  if (inet_pton(AF_INET6, buf, &in6.sin6_addr) != 1) return bad_address(ip, "not an IP address");
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(port);
  return from(reinterpret_cast<sockaddr*>(&in6), sizeof in6);
}

Address Address::from(const sockaddr* sa, socklen_t len) {
  Address a;
  if (sa == nullptr || len < sizeof(sa_family_t)) return a;
  a.len_ = len < sizeof a.storage_ ? len : socklen_t(sizeof a.storage_);
  memcpy(&a.storage_, sa, a.len_);
  if (a.family() == AF_INET6 && a.len_ >= sizeof(sockaddr_in6)) {
    const auto* in6 = reinterpret_cast<const sockaddr_in6*>(&a.storage_);
    // One address has one form, whichever socket it came through: address rules must not be passed by
    // writing 10.0.0.1 as ::ffff:10.0.0.1.
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
      sockaddr_in in{};
      in.sin_family = AF_INET;
      in.sin_port = in6->sin6_port;
      memcpy(&in.sin_addr, in6->sin6_addr.s6_addr + 12, 4);
      a.storage_ = {};
      memcpy(&a.storage_, &in, sizeof in);
      a.len_ = sizeof in;
    }
  }
  return a;
}

bool Address::is_loopback() const {
  if (family() == AF_INET) {
    return ntohl(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_addr.s_addr) >> 24 == 127;
  }
  return family() == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_addr);
}

uint16_t Address::port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_port);
  return 0;
}

void Address::set_port(uint16_t port) {
  if (family() == AF_INET) reinterpret_cast<sockaddr_in*>(&storage_)->sin_port = htons(port);
  if (family() == AF_INET6) reinterpret_cast<sockaddr_in6*>(&storage_)->sin6_port = htons(port);
}

std::string Address::ip_text() const {
  char buf[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage_)->sin_addr, buf, sizeof buf);
  } else if (family() == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_addr, buf, sizeof buf);
  } else if (is_unix() && len_ > kUnixHead) {
    const auto* un = reinterpret_cast<const sockaddr_un*>(&storage_);
    const size_t size = len_ - kUnixHead;
    if (un->sun_path[0] != '\0') return std::string(un->sun_path, strnlen(un->sun_path, size));
    std::string name(un->sun_path, size);
    for (char& c : name) c = c == '\0' ? '@' : c;
    return name;
  }
  return buf;
}

std::string Address::text() const {
  if (family() == AF_INET) return ip_text().append(":").append(std::to_string(port()));
  if (family() == AF_INET6) {
    std::string out(dual_ ? ":" : "[");
    if (dual_) return out.append(std::to_string(port()));
    const unsigned scope = reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_scope_id;
    out += ip_text();
    if (scope) out.append("%").append(std::to_string(scope));
    return out.append("]:").append(std::to_string(port()));
  }
  return is_unix() ? "unix:" + ip_text() : std::string();
}

bool Address::operator==(const Address& o) const {
  if (family() != o.family() || dual_ != o.dual_) return false;
  if (family() == AF_INET) {
    const auto *a = reinterpret_cast<const sockaddr_in*>(&storage_), *b = reinterpret_cast<const sockaddr_in*>(o.sa());
    return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
  }
  if (family() == AF_INET6) {
    const auto* a = reinterpret_cast<const sockaddr_in6*>(&storage_);
    const auto* b = reinterpret_cast<const sockaddr_in6*>(o.sa());
    return a->sin6_port == b->sin6_port && a->sin6_scope_id == b->sin6_scope_id &&
           memcmp(&a->sin6_addr, &b->sin6_addr, sizeof a->sin6_addr) == 0;
  }
  return len_ == o.len_ && memcmp(&storage_, &o.storage_, len_) == 0;
}

}  // namespace cardea::net
