// Forwarding and identity headers: what a client claims about itself is replaced by what is known.
#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "route/route.h"

namespace cardea::route {
namespace {

using http::Field;
using http::FieldId;

// ---- names ----------------------------------------------------------------------------------------

// Origins behind CGI and WSGI read `_` and `-` in a name as the same.
char fold(char c) {
  if (c >= 'A' && c <= 'Z') return char(c + ('a' - 'A'));
  return c == '_' ? '-' : c;
}

bool starts_folded(Bytes name, Bytes prefix) {
  return name.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), name.begin(), [](char p, char c) { return p == fold(c); });
}
bool equal_folded(Bytes name, Bytes wanted) {
  return name.size() == wanted.size() && starts_folded(name, wanted);
}

enum class Claim : uint8_t {
  none,      // not ours to judge
  always,    // no client may send it
  untrusted  // only a trusted hop may send it
};

// What a field whose name no FieldId stands for claims.
Claim claim_of(Bytes name) {
  const char first = char(name.empty() ? 0 : name[0] | 0x20);
  if (first == 'f') return equal_folded(name, "forwarded") ? Claim::always : Claim::none;
  if (first != 'x' || name.size() < 6 || fold(name[1]) != '-') return Claim::none;
  if (starts_folded(name, "x-pomerium-")) return Claim::always;
  if (starts_folded(name, "x-forwarded-")) {
    if (equal_folded(name, "x-forwarded-client-cert")) return Claim::always;
    // The spelling with `-` of these would have had a FieldId.
    const Bytes rest = name.substr(12);
    if (equal_folded(rest, "for") || equal_folded(rest, "proto") || equal_folded(rest, "host")) return Claim::always;
    return Claim::untrusted;  // -port, -prefix, -server, -ssl, -user, ...
  }
  if (equal_folded(name, "x-real-ip") || equal_folded(name, "x-request-id")) return Claim::always;
  // Some frameworks take the path from these, past every rule for the path that was sent.
  if (equal_folded(name, "x-original-url") || equal_folded(name, "x-rewrite-url")) return Claim::untrusted;
  return Claim::none;
}

// ---- values ---------------------------------------------------------------------------------------

Bytes trim(Bytes s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

bool is_ip(int family, Bytes s) {
  char text[INET6_ADDRSTRLEN];
  if (s.empty() || s.size() >= sizeof text || s.find('\0') != Bytes::npos) return false;
  memcpy(text, s.data(), s.size());
  text[s.size()] = 0;
  in6_addr address;  // room for either
  return inet_pton(family, text, &address) == 1;
}

bool is_port(Bytes s) {
  return !s.empty() && s.size() <= 5 && std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The address of one entry of a list: 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1], [2001:db8::1]:80.
// Empty for anything else ("unknown", obfuscated names, garbage).
Bytes entry_ip(Bytes entry) {
  if (is_ip(AF_INET, entry) || is_ip(AF_INET6, entry)) return entry;
  if (entry.starts_with('[')) {
    const size_t close = entry.find(']');
    if (close == Bytes::npos || !is_ip(AF_INET6, entry.substr(1, close - 1))) return {};
    const Bytes rest = entry.substr(close + 1);
    if (!rest.empty() && (rest[0] != ':' || !is_port(rest.substr(1)))) return {};
    return entry.substr(1, close - 1);
  }
  const size_t colon = entry.find(':');
  if (colon == Bytes::npos || !is_port(entry.substr(colon + 1)) || !is_ip(AF_INET, entry.substr(0, colon))) return {};
  return entry.substr(0, colon);
}

// The nth entry from the right of a comma-separated list, from 1; empty when there are fewer.
Bytes nth_from_right(Bytes list, uint32_t n) {
  for (;; --n) {
    const size_t comma = list.rfind(',');
    if (n == 1) return trim(comma == Bytes::npos ? list : list.substr(comma + 1));
    if (comma == Bytes::npos) return {};
    list = list.substr(0, comma);
  }
}

// Values joined by ", ", in `arena` unless one of them is all there is.
Bytes join(Bytes a, Bytes b, Arena& arena) {
  if (a.empty() || b.empty()) return a.empty() ? b : a;
  char* p = arena.take(a.size() + 2 + b.size());
  char* at = std::copy(a.begin(), a.end(), p);
  at = std::copy_n(", ", 2, at);
  std::copy(b.begin(), b.end(), at);
  return {p, a.size() + 2 + b.size()};
}

// ---- the request ----------------------------------------------------------------------------------

// What the client's own fields said; they are out of the head.
struct Claims {
  Bytes forwarded_for, forwarded_host, proto;
  uint32_t protos = 0;
  bool real_ip = false;
};

// Several fields of one name are one list (RFC 9110 5.3), in one copy whatever their number.
Bytes joined_values(const http::Fields& fields, FieldId id, Arena& arena) {
  size_t count = 0, size = 0;
  Bytes last;
  for (const Field& f : fields) {
    if (f.id != id) continue;
    ++count;
    size += f.value.size() + 2;
    last = f.value;
  }
  if (count <= 1) return last;
  char* out = arena.take(size);
  const char* begin = out;
  for (const Field& f : fields) {
    if (f.id != id || f.value.empty()) continue;
    if (out != begin) out = std::copy_n(", ", 2, out);
    out = std::copy(f.value.begin(), f.value.end(), out);
  }
  return {begin, size_t(out - begin)};
}

Claims take_claims(http::RequestHead& head, bool trusted) {
  Claims claims;
  if (trusted) {
    claims.forwarded_for = joined_values(head.fields, FieldId::x_forwarded_for, head.arena);
    claims.forwarded_host = joined_values(head.fields, FieldId::x_forwarded_host, head.arena);
  }
  head.fields.remove_if([&](const Field& f) {
    switch (f.id) {
      case FieldId::x_forwarded_proto:
        claims.proto = f.value;
        ++claims.protos;
        return true;
      case FieldId::x_real_ip:
        claims.real_ip = true;
        return true;
      case FieldId::x_forwarded_for:
      case FieldId::x_forwarded_host:
      case FieldId::x_request_id:
      case FieldId::forwarded:
        return true;
      case FieldId::other: {
        const Claim claim = claim_of(f.name);
        return claim == Claim::always || (claim == Claim::untrusted && !trusted);
      }
      default:
        return false;
    }
  });
  return claims;
}

Bytes scheme_of(const Claims& claims, bool trusted, bool tls) {
  if (trusted && claims.protos == 1) {
    const Bytes said = trim(claims.proto);
    if (http::equal_no_case(said, "https")) return "https";
    if (http::equal_no_case(said, "http")) return "http";
  }
  return tls ? "https" : "http";
}

}  // namespace

Bytes client_address(http::RequestHead& head, const ForwardingOptions& options, std::string_view peer_ip) {
  if (options.xff_num_trusted_hops > 0) {
    const Bytes list = joined_values(head.fields, FieldId::x_forwarded_for, head.arena);
    const Bytes said = entry_ip(nth_from_right(list, options.xff_num_trusted_hops));
    if (!said.empty()) return said;
  }
  return peer_ip;
}

Bytes apply_forwarding(http::RequestHead& head, const ForwardingOptions& options, const ForwardingFacts& facts) {
  const bool trusted = options.xff_num_trusted_hops > 0;
  const Claims claims = take_claims(head, trusted);
  const Bytes peer = head.arena.copy(facts.peer_ip);

  Bytes client = peer;
  if (trusted) {
    const Bytes said = entry_ip(nth_from_right(claims.forwarded_for, options.xff_num_trusted_hops));
    if (!said.empty()) client = said;
  }
  const Bytes forwarded_for =
      options.skip_xff_append ? claims.forwarded_for : join(claims.forwarded_for, peer, head.arena);
  if (!forwarded_for.empty()) head.fields.add(FieldId::x_forwarded_for, forwarded_for);
  head.fields.add(FieldId::x_forwarded_proto, scheme_of(claims, trusted, facts.tls));
  const Bytes original = facts.host_rewritten ? head.arena.copy(facts.original_authority) : Bytes();
  const bool repeated = http::equal_no_case(nth_from_right(claims.forwarded_host, 1), original);
  const Bytes forwarded_host = repeated ? claims.forwarded_host : join(claims.forwarded_host, original, head.arena);
  if (!forwarded_host.empty()) head.fields.add(FieldId::x_forwarded_host, forwarded_host);
  if (claims.real_ip && !client.empty()) head.fields.add(FieldId::x_real_ip, client);
  if (!facts.request_id.empty()) head.fields.add(FieldId::x_request_id, head.arena.copy(facts.request_id));
  return client;
}

}  // namespace cardea::route
