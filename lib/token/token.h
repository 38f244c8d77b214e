// Tokens that say who is calling (JWT, RFC 7519) and those that tell it to services. Pure: keys and time are
// arguments. Every text is hostile until its signature holds.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/base.h"
#include "identity/identity.h"

namespace cardea::token {

constexpr size_t kMaxToken = 16 * 1024;
constexpr size_t kMaxKeySet = 512 * 1024;
constexpr size_t kMaxKeys = 100;

// Public keys of a JWK set (RFC 7517). Immutable, any thread. Keys that are of no use here (symmetric, `use` other than
// "sig", unknown curves, RSA under 2048 bits) are left out; a set without a usable key is an error.
class KeySet {
 public:
  static Result<std::shared_ptr<const KeySet>> parse(Bytes json);
  virtual ~KeySet() = default;
  virtual size_t size() const = 0;
  virtual bool has_key(Bytes kid) const = 0;
  virtual bool same(const KeySet& other) const = 0;  // made from the same text
};
using KeySetPtr = std::shared_ptr<const KeySet>;

// What a token must be.
struct Rules {
  std::string issuer;                  // equal to `iss`; empty: any
  std::vector<std::string> audiences;  // one of them in `aud`; empty: any
  int64_t skew_seconds = 60;           // added to both ends of its time
  bool operator==(const Rules&) const = default;
};

#define CARDEA_TOKEN_FAULTS(X)                          \
  X(none, "")                                           \
  X(malformed, "the token is malformed")                \
  X(algorithm, "the token's algorithm is not accepted") \
  X(unknown_key, "the token's key is not known")        \
  X(signature, "the token's signature does not hold")   \
  X(issuer, "the token's issuer is not accepted")       \
  X(audience, "the token is for another audience")      \
  X(expired, "the token has expired")                   \
  X(not_yet_valid, "the token is not valid yet")        \
  X(no_expiry, "the token never expires")               \
  X(no_subject, "the token names nobody")
enum class Fault : uint8_t {
#define X(name, text) name,
  CARDEA_TOKEN_FAULTS(X)
#undef X
};
const char* fault_text(Fault fault);
const char* fault_name(Fault fault);

struct Verified {
  identity::IdentityPtr identity;  // null with a fault
  Fault fault = Fault::none;
};
// A JWS in compact form with one of RS256/384/512, PS256/384/512, ES256/384/512, EdDSA (Ed25519), checked with the key
// that its `kid` names, or, without `kid`, with any key whose type and `alg` fit (eight tries at most). The algorithm
// must be one that the key's own type, curve and `alg` allow: `none`, HMAC and key-type confusion are refused; so are
// `crit`, `b64`, `zip`, duplicate members, nested tokens and a missing `exp`. Keys in the token are never used.
//
// user: `sub`; email: `email` unless `email_verified` is false; groups: `groups`; claims: everything (but an e-mail
// address that is not verified), objects nested to five levels, arrays of scalars as several values; not_after_ms:
// `exp` plus the skew. More claims than kMaxClaims and control characters in a field of the identity are malformed.
Verified verify(Bytes token, const Rules& rules, const KeySet& keys, int64_t now_unix_ms);
// `iss` of a token that nothing vouches for; empty when it cannot be read. Only to choose whose rules apply.
std::string claimed_issuer(Bytes token);

// What a host's hook said: a JSON object {"user", "email", "name", "groups", "claims", "expires_at" (Unix seconds)}, or
// any other text, which is the user's id. Null for an empty text; an error for an object that is not as said (without
// "user", with other members), and for a text that cannot be an id: over 1024 octets, control characters, not UTF-8.
Result<identity::IdentityPtr> identity_from_host(Bytes text);

// Signs x-pomerium-jwt-assertion with ES256. Immutable, any thread.
class Signer {
 public:
  static constexpr int64_t kLifetimeSeconds = 300;
  // PEM of a P-256 private key (PKCS#8 or SEC 1); errors name `origin`.
  static Result<std::shared_ptr<const Signer>> make(Bytes pem, const std::string& origin);
  virtual ~Signer() = default;
  // iss and aud: `audience` (the route's host); iat, exp = iat + 5 min, jti, sub, user, email, groups, name, sid, and
  // those of `claims` that the identity has, under these names (as configured; the ones before are not replaced), as a
  // string or, with several values, a list. Empty when OpenSSL fails or the user's id or address is not UTF-8.
  virtual std::string sign(const identity::Identity& who, Bytes audience, int64_t now_unix_s,
                           const std::vector<std::string>& claims = {}) const = 0;
  // {"keys": [...]}: what services verify with.
  virtual const std::string& public_key_set() const = 0;
  virtual bool same_key(const Signer& other) const = 0;
};
using SignerPtr = std::shared_ptr<const Signer>;

}  // namespace cardea::token
