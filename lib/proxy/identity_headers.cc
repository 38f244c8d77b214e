// Claims and assertions in request heads.
#include "proxy/identity_headers.h"

#include <algorithm>

namespace cardea::proxy {

namespace {

char fold(char c) {
  if (c >= 'A' && c <= 'Z') return char(c + ('a' - 'A'));
  return c == '_' ? '-' : c;
}
// `known` is lower case; services behind CGI read `_` and `-` as the same.
bool same_folded(Bytes name, Bytes known) {
  return name.size() == known.size() &&
         std::equal(name.begin(), name.end(), known.begin(), [](char a, char b) { return fold(a) == fold(b); });
}

Bytes joined(const std::vector<std::string>& values, Arena& arena) {
  if (values.size() == 1) return arena.copy(values[0]);
  std::string all;
  for (const std::string& v : values) all.append(all.empty() ? "" : ",").append(v);
  return arena.copy(all);
}

// What a header may carry of a claim; empty: nothing of it.
Bytes claim_value(const identity::Identity& who, const std::string& path, Arena& arena) {
  Bytes value;
  if (const identity::Claim* claim = who.claim(path)) {
    value = joined(claim->values, arena);
  } else if (path == "email") {
    value = arena.copy(who.email);
  } else if (path == "sub" || path == "user") {
    value = arena.copy(who.user);
  } else if (path == "groups") {
    value = joined(who.groups, arena);
  } else if (path == "name") {
    value = arena.copy(who.name);
  }
  return http::is_field_value(value) ? value : Bytes();
}

Bytes first_of(const std::vector<std::string>& values) {
  return values.empty() ? Bytes() : Bytes(values[0]);
}

}  // namespace

void IdentityHeaders::replace(http::Fields& fields) {
  const auto& names = snapshot.identity_header_names;
  if (!names.empty()) {
    fields.remove_if([&](const http::Field& f) {
      return std::any_of(names.begin(), names.end(), [&](const std::string& n) { return same_folded(f.name, n); });
    });
  }
  if (!who || !route.pass_identity_headers) return;
  for (const config::ClaimHeader& h : route.claim_headers) {
    const Bytes value = claim_value(*who, h.claim, arena);
    if (!value.empty()) fields.add(h.name, value);
  }
  const Bytes signed_one = assertion();
  if (!signed_one.empty()) fields.add("X-Pomerium-Jwt-Assertion", signed_one);
}

Bytes IdentityHeaders::assertion() {
  if (!who || !snapshot.signer) return {};
  char* lower = arena.take(host.size());
  std::transform(host.begin(), host.end(), lower, [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return assertions.get(snapshot.signer, who, route, {lower, host.size()}, now_unix_s, arena);
}

Bytes IdentityHeaders::token_value(void* self, Bytes token) {
  auto& h = *static_cast<IdentityHeaders*>(self);
  if (token == "pomerium.jwt") return h.assertion();
  if (token == "pomerium.id_token" || token == "pomerium.access_token") return h.credential;
  if (!h.certificate) return {};
  if (token == "pomerium.client_cert_fingerprint") return h.certificate->fingerprint;
  if (token == "pomerium.client_cert_san_dns") return first_of(h.certificate->dns);
  if (token == "pomerium.client_cert_san_email") return first_of(h.certificate->emails);
  return {};
}

}  // namespace cardea::proxy
