// Who is calling: plain values, the same whatever said so. Immutable once shared.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/base.h"

namespace cardea::identity {

// One claim with its values as text, in the order of the source. Paths have '/' between levels; a '.' of a name counts
// as '/' too, so `claim/address.country` and `claim/address/country` are one.
struct Claim {
  std::string path;
  std::vector<std::string> values;
  bool operator==(const Claim&) const = default;
};

enum class Source : uint8_t { token, certificate, host };
const char* source_name(Source source);  // "token"

struct Identity {
  Source source = Source::host;
  std::string user;   // the id: `sub` of a token
  std::string email;  // as given; empty: none, or not verified
  std::string name;
  std::vector<std::string> groups;
  std::vector<Claim> claims;             // sorted by path
  int64_t not_after_ms = 0;              // Unix time from which on it counts no more; 0: never
  std::string issuer;                    // of a token
  std::string session;                   // `sid` of a token, or its `jti`
  const Claim* claim(Bytes path) const;  // `path` normalised; null: no such claim
  Bytes domain() const;                  // of the e-mail address: after the last '@'; empty without
  bool operator==(const Identity&) const = default;
};
using IdentityPtr = std::shared_ptr<const Identity>;

// '.' becomes '/': what claim() takes and claims are sorted by.
std::string normal_claim_path(Bytes path);
// Sorts, joins equal paths. At most kMaxClaims remain (false: there were more, and what is past the limit is gone).
constexpr size_t kMaxClaims = 1000;
bool settle_claims(std::vector<Claim>& claims);

// What a client's leaf certificate says, whether anybody vouches for it or not.
struct Certificate {
  std::string fingerprint;                                      // SHA-256 of the DER, 64 lower-case hex digits
  std::string spki_hash;                                        // base64 of the SHA-256 of the SubjectPublicKeyInfo
  std::vector<std::string> dns, emails, uris, ips, principals;  // subject alternative names; principals: UPN
  std::string common_name;
  std::vector<std::string> units;  // OU of the subject
  std::string serial;              // hex
  int64_t not_before_ms = 0, not_after_ms = 0;
  bool operator==(const Certificate&) const = default;
};
using CertificatePtr = std::shared_ptr<const Certificate>;

// The identity that a trusted certificate gives. user: the first of UPN, e-mail, URI, common name, DNS name; email: the
// first e-mail name; groups: the subject's OUs. Null when it names nobody.
IdentityPtr identity_of(const Certificate& certificate);

}  // namespace cardea::identity
