// Assertions for services: JSON, signed with ES256.
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "base/json.h"
#include "token/claims.h"
#include "token/keys.h"

namespace cardea::token {
namespace {

constexpr size_t kMaxPem = 64 * 1024;
constexpr int kCoordinate = 32;

Error unusable(const std::string& origin, const std::string& why) {
  return Error{kEtls, (origin.empty() ? std::string("PEM text") : origin) + ": " + why};
}

// Never asks a terminal. The flag tells an encrypted key from a broken one.
int refuse_password(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

Result<KeyPtr> read_private(Bytes pem, const std::string& origin) {
  const std::string generate = "; make one with \"openssl ecparam -name prime256v1 -genkey -noout\"";
  if (pem.empty()) return unusable(origin, "is empty; expected a P-256 private key in PEM form" + generate);
  if (pem.size() > kMaxPem) return unusable(origin, "is larger than 64 KiB; that is not a private key");
  std::unique_ptr<BIO, Freed<BIO_free_all>> bio(BIO_new_mem_buf(pem.data(), int(pem.size())));
  if (!bio) return Error{kEnomem, "out of memory"};
  bool asked = false;
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, refuse_password, &asked));
  if (asked) return unusable(origin, "the private key is encrypted and there is no password for it");
  if (!key && pem.find("PRIVATE KEY-----") == Bytes::npos)
    return unusable(origin, "has no private key (no \"PRIVATE KEY\" block)");
  if (!key) return unusable(origin, "the private key cannot be read");
  char group[64] = "";
  size_t n = 0;
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_EC || !EVP_PKEY_get_group_name(key.get(), group, sizeof group, &n) ||
      OBJ_txt2nid(group) != NID_X9_62_prime256v1)
    return unusable(origin, "the private key is not an elliptic one on P-256, which ES256 needs" + generate);
  std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>> check(
      EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  if (!check || EVP_PKEY_check(check.get()) != 1)
    return unusable(origin, "the private key is not valid: its halves do not belong together");
  return key;
}

std::string coordinate(const EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  std::array<unsigned char, kCoordinate> bytes{};
  const bool done =
      EVP_PKEY_get_bn_param(key, name, &number) == 1 && BN_bn2binpad(number, bytes.data(), kCoordinate) == kCoordinate;
  BN_free(number);
  return done ? base64url(Bytes(reinterpret_cast<char*>(bytes.data()), bytes.size())) : std::string();
}

void add_member(std::string& json, Bytes name, Bytes text) {
  if (json.back() != '{') json += ',';
  append_json_string(json, name);
  json += ':';
  append_json_string(json, text);
}

void add_number(std::string& json, Bytes name, int64_t number) {
  json += ',';
  append_json_string(json, name);
  json += ':' + std::to_string(number);
}

void add_list(std::string& json, Bytes name, const std::vector<std::string>& texts) {
  json += ',';
  append_json_string(json, name);
  json += ":[";
  for (size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) json += ',';
    append_json_string(json, texts[i]);
  }
  json += ']';
}

// Those that the assertion says itself: no claim of somebody else's replaces them.
bool is_own(Bytes name) {
  static constexpr std::array<Bytes, 12> kOwn = {"iss", "aud",  "iat",   "exp",    "nbf",  "jti",
                                                 "sub", "user", "email", "groups", "name", "sid"};
  return std::find(kOwn.begin(), kOwn.end(), name) != kOwn.end();
}

class Es256 final : public Signer {
 public:
  Es256(KeyPtr key, std::string kid, std::string keys)
      : key_(std::move(key)),
        kid_(std::move(kid)),
        header_(base64url(R"({"alg":"ES256","typ":"JWT","kid":")" + kid_ + "\"}")),
        public_keys_(std::move(keys)) {}

  std::string sign(const identity::Identity& who, Bytes audience, int64_t now_unix_s,
                   const std::vector<std::string>& claims) const override;
  const std::string& public_key_set() const override { return public_keys_; }
  bool same_key(const Signer& other) const override { return kid_ == static_cast<const Es256&>(other).kid_; }

 private:
  std::string payload(const identity::Identity& who, Bytes audience, int64_t now,
                      const std::vector<std::string>& claims) const;
  std::string signature(Bytes text) const;  // r and s; empty when OpenSSL fails
  KeyPtr key_;
  std::string kid_;  // RFC 7638 thumbprint
  std::string header_;
  std::string public_keys_;
};

std::string Es256::payload(const identity::Identity& who, Bytes audience, int64_t now,
                           const std::vector<std::string>& claims) const {
  std::array<unsigned char, 16> random;
  if (RAND_bytes(random.data(), int(random.size())) != 1) return {};
  std::string json = "{";
  json.reserve(512);
  add_member(json, "iss", audience);
  add_member(json, "aud", audience);
  add_number(json, "iat", now);
  add_number(json, "exp", now + kLifetimeSeconds);
  add_member(json, "jti", base64url(Bytes(reinterpret_cast<char*>(random.data()), random.size())));
  add_member(json, "sub", who.user);
  add_member(json, "user", who.user);
  add_member(json, "email", who.email);
  add_list(json, "groups", who.groups);
  if (!who.name.empty()) add_member(json, "name", who.name);
  if (!who.session.empty()) add_member(json, "sid", who.session);
  for (size_t i = 0; i < claims.size(); ++i) {
    const std::string& name = claims[i];
    const identity::Claim* claim = is_own(name) ? nullptr : who.claim(identity::normal_claim_path(name));
    if (!claim || std::find(claims.begin(), claims.begin() + ptrdiff_t(i), name) != claims.begin() + ptrdiff_t(i))
      continue;
    if (claim->values.size() == 1) {
      add_member(json, name, claim->values[0]);
    } else {
      add_list(json, name, claim->values);
    }
  }
  json += '}';
  return json;
}

std::string Es256::signature(Bytes text) const {
  CleanErrors clean;
  DigestPtr digest(EVP_MD_CTX_new());
  std::array<unsigned char, 80> der;  // two integers of 33 octets at most, and their heads
  size_t n = der.size();
  if (!digest || EVP_DigestSignInit_ex(digest.get(), nullptr, "SHA256", nullptr, nullptr, key_.get(), nullptr) != 1 ||
      EVP_DigestSign(digest.get(), der.data(), &n, reinterpret_cast<const unsigned char*>(text.data()), text.size()) !=
          1)
    return {};
  const unsigned char* at = der.data();
  std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>> pair(d2i_ECDSA_SIG(nullptr, &at, long(n)));
  std::string raw(2 * kCoordinate, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  if (!pair || BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), out, kCoordinate) != kCoordinate ||
      BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), out + kCoordinate, kCoordinate) != kCoordinate)
    return {};
  return raw;
}

std::string Es256::sign(const identity::Identity& who, Bytes audience, int64_t now_unix_s,
                        const std::vector<std::string>& claims) const {
  // The escaper would make one id of two that are not text.
  if (!is_utf8(who.user) || !is_utf8(who.email)) return {};
  const std::string said = payload(who, audience, now_unix_s, claims);
  if (said.empty()) return {};
  std::string token = header_ + '.' + base64url(said);
  const std::string raw = signature(token);
  if (raw.empty()) return {};
  return token + '.' + base64url(raw);
}

}  // namespace

Result<std::shared_ptr<const Signer>> Signer::make(Bytes pem, const std::string& origin) {
  CleanErrors clean;
  auto key = read_private(pem, origin);
  if (!key) return key.error();
  const std::string x = coordinate(key->get(), OSSL_PKEY_PARAM_EC_PUB_X);
  const std::string y = coordinate(key->get(), OSSL_PKEY_PARAM_EC_PUB_Y);
  if (x.empty() || y.empty()) return unusable(origin, "the private key has no public half");
  // RFC 7638 3: these members in this order, without blanks.
  const std::string core = R"("crv":"P-256","kty":"EC","x":")" + x + R"(","y":")" + y + '"';
  const std::string kid = base64url(sha256('{' + core + '}'));
  if (kid.empty()) return unusable(origin, "OpenSSL cannot make the key's SHA-256 thumbprint");
  std::string keys = R"({"keys":[{)" + core + R"(,"kid":")" + kid + R"(","use":"sig","alg":"ES256"}]})";
  return std::shared_ptr<const Signer>(std::make_shared<Es256>(std::move(*key), kid, std::move(keys)));
}

}  // namespace cardea::token
