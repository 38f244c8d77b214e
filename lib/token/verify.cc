// Verification of tokens: form, header, signature, and only then what they say (RFC 7515 5.2, RFC 7519 7.2, RFC 8725).
#include <algorithm>
#include <array>
#include <optional>

#include "token/claims.h"
#include "token/keys.h"
#include "token/token.h"

namespace cardea::token {
namespace {

constexpr size_t kMaxTries = 8;  // keys for a token that names none: each costs an operation
constexpr int64_t kMaxSkewSeconds = 365 * 24 * 3600;

struct Parts {
  Bytes header, payload, signature;
  Bytes signed_text;  // what the signature is of
};

bool split(Bytes token, Parts& parts) {
  if (token.size() > kMaxToken) return false;
  const size_t first = token.find('.');
  if (first == Bytes::npos) return false;
  const size_t second = token.find('.', first + 1);
  // Five parts are an encrypted token.
  if (second == Bytes::npos || token.find('.', second + 1) != Bytes::npos) return false;
  parts = {token.substr(0, first), token.substr(first + 1, second - first - 1), token.substr(second + 1),
           token.substr(0, second)};
  return true;
}

JsonPtr decode_object(Bytes part) {
  std::string text;
  if (!decode_base64url(part, text)) return nullptr;
  auto json = parse_object(text);
  return json ? std::move(*json) : nullptr;
}

bool equal_ignoring_case(Bytes a, Bytes lower) {
  return a.size() == lower.size() && std::equal(a.begin(), a.end(), lower.begin(), [](char c, char l) {
           return (c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c) == l;
         });
}

// RFC 7515 4.1.9: "application/" may be left out of a media type.
bool is_media_type(Bytes value, Bytes lower) {
  constexpr Bytes kPrefix = "application/";
  if (equal_ignoring_case(value.substr(0, kPrefix.size()), kPrefix)) value.remove_prefix(kPrefix.size());
  return equal_ignoring_case(value, lower);
}

// What a header must not have: extensions that change what the signature is of or what the payload is (crit, b64, zip),
// and other kinds of tokens (RFC 8725 3.11). Keys and addresses of keys in it are not even looked at.
bool has_plain_form(const json_t* header) {
  for (const char* name : {"crit", "b64", "zip"}) {
    if (member(header, name)) return false;
  }
  const json_t *typ = member(header, "typ"), *cty = member(header, "cty");
  if (typ && !(json_is_string(typ) && (is_media_type(text_of(typ), "jwt") || is_media_type(text_of(typ), "at+jwt"))))
    return false;
  // A token within the token.
  return !cty || (json_is_string(cty) && !is_media_type(text_of(cty), "jwt"));
}

Fault check_keyed(const Keys& keys, const Algorithm& algorithm, Bytes kid, Bytes text, Bytes signature) {
  bool named = false, fitting = false;
  for (const Key& key : keys.all()) {
    if (!key.kid || *key.kid != kid) continue;
    named = true;
    if (!key.fits(algorithm)) continue;
    fitting = true;
    if (holds(key, algorithm, text, signature)) return Fault::none;
  }
  if (fitting) return Fault::signature;
  return named ? Fault::algorithm : Fault::unknown_key;
}

Fault check_unkeyed(const Keys& keys, const Algorithm& algorithm, Bytes text, Bytes signature) {
  size_t tries = 0;
  for (const Key& key : keys.all()) {
    if (!key.fits(algorithm)) continue;
    if (++tries > kMaxTries) break;
    if (holds(key, algorithm, text, signature)) return Fault::none;
  }
  return tries > 0 ? Fault::signature : Fault::unknown_key;
}

// Fault::none: somebody of `keys` made this token.
Fault check_signature(const Parts& parts, const Keys& keys) {
  const JsonPtr header = decode_object(parts.header);
  if (!header) return Fault::malformed;
  const json_t *alg = member(header.get(), "alg"), *kid = member(header.get(), "kid");
  if (!json_is_string(alg) || (kid && !json_is_string(kid)) || !has_plain_form(header.get())) return Fault::malformed;
  const Algorithm* algorithm = find_algorithm(text_of(alg));
  if (!algorithm) return Fault::algorithm;
  std::string signature;
  if (!decode_base64url(parts.signature, signature)) return Fault::malformed;
  return kid ? check_keyed(keys, *algorithm, text_of(kid), parts.signed_text, signature)
             : check_unkeyed(keys, *algorithm, parts.signed_text, signature);
}

Fault check_audience(const json_t* payload, const std::vector<std::string>& accepted) {
  const json_t* aud = member(payload, "aud");
  const bool list = json_is_array(aud);
  const size_t count = list ? json_array_size(aud) : aud ? 1 : 0;
  bool found = accepted.empty();
  for (size_t i = 0; i < count; ++i) {
    const json_t* one = list ? json_array_get(aud, i) : aud;
    if (!json_is_string(one)) return Fault::malformed;
    found = found || std::find(accepted.begin(), accepted.end(), text_of(one)) != accepted.end();
  }
  return found ? Fault::none : Fault::audience;
}

Fault check_time(const json_t* payload, int64_t skew_ms, int64_t now_ms, int64_t& not_after_ms) {
  std::optional<int64_t> end, begin, issued;
  if (!read_time(payload, "exp", end) || !read_time(payload, "nbf", begin) || !read_time(payload, "iat", issued))
    return Fault::malformed;
  if (!end) return Fault::no_expiry;
  not_after_ms = *end + skew_ms;
  // Also keeps from 0 and below, which would mean never.
  if (now_ms >= not_after_ms || not_after_ms <= 0) return Fault::expired;
  const bool early = (begin && now_ms < *begin - skew_ms) || (issued && now_ms < *issued - skew_ms);
  return early ? Fault::not_yet_valid : Fault::none;
}

// OpenID Connect Core 5.1, and those who write the boolean as a string. What cannot be read is not verified.
bool is_email_verified(const json_t* payload) {
  const json_t* verified = member(payload, "email_verified");
  return !verified || json_is_true(verified) || (json_is_string(verified) && text_of(verified) == "true");
}

Fault read_identity(json_t* payload, identity::Identity& who) {
  who.source = identity::Source::token;
  if (!is_email_verified(payload)) json_object_del(payload, "email");
  std::string jti;
  if (!read_text(payload, "sub", who.user) || !read_text(payload, "email", who.email) ||
      !read_text(payload, "name", who.name) || !read_text(payload, "sid", who.session) ||
      !read_text(payload, "jti", jti) || !read_list(payload, "groups", who.groups) || !read_claims(payload, who.claims))
    return Fault::malformed;
  if (who.user.empty()) return Fault::no_subject;
  if (who.session.empty()) who.session = std::move(jti);
  return Fault::none;
}

Fault check_payload(Bytes part, const Rules& rules, int64_t now_ms, identity::Identity& who) {
  const JsonPtr payload = decode_object(part);
  if (!payload || !read_text(payload.get(), "iss", who.issuer)) return Fault::malformed;
  if (!rules.issuer.empty() && who.issuer != rules.issuer) return Fault::issuer;
  if (const Fault fault = check_audience(payload.get(), rules.audiences); fault != Fault::none) return fault;
  const int64_t skew_ms = std::clamp<int64_t>(rules.skew_seconds, 0, kMaxSkewSeconds) * 1000;
  if (const Fault fault = check_time(payload.get(), skew_ms, now_ms, who.not_after_ms); fault != Fault::none)
    return fault;
  return read_identity(payload.get(), who);
}

constexpr struct {
  const char *name, *text;
} kFaults[] = {
#define X(name, text) {#name, text},
    CARDEA_TOKEN_FAULTS(X)
#undef X
};

}  // namespace

const char* fault_text(Fault fault) {
  return kFaults[size_t(fault)].text;
}

const char* fault_name(Fault fault) {
  return kFaults[size_t(fault)].name;
}

Verified verify(Bytes token, const Rules& rules, const KeySet& keys, int64_t now_unix_ms) {
  Parts parts;
  if (!split(token, parts)) return {nullptr, Fault::malformed};
  const Fault forged = check_signature(parts, static_cast<const Keys&>(keys));
  if (forged != Fault::none) return {nullptr, forged};
  auto who = std::make_shared<identity::Identity>();
  const Fault fault = check_payload(parts.payload, rules, now_unix_ms, *who);
  if (fault != Fault::none) return {nullptr, fault};
  return {std::move(who), Fault::none};
}

std::string claimed_issuer(Bytes token) {
  Parts parts;
  std::string issuer;
  if (!split(token, parts)) return issuer;
  const JsonPtr payload = decode_object(parts.payload);
  if (!payload || !read_text(payload.get(), "iss", issuer)) return {};
  return issuer;
}

}  // namespace cardea::token
