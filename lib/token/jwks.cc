// Key sets (RFC 7517; key types of RFC 7518 6 and RFC 8037 2).
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include <algorithm>

#include "token/keys.h"

namespace cardea::token {
namespace {

using NumberPtr = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using ParamsPtr = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using ParamsBuilderPtr = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using KeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;

constexpr int kMinRsaBits = 2048, kMaxRsaBits = 8192;
constexpr int kMaxExponentBits = 64;  // as OpenSSL has it for long keys

Error bad(std::string why) {
  return Error{kEinval, std::move(why)};
}

const unsigned char* octets(const std::string& bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// A member in base64url, not longer than `max` octets.
bool read_octets(const json_t* jwk, const char* name, size_t max, std::string& out) {
  const json_t* value = member(jwk, name);
  return json_is_string(value) && decode_base64url(text_of(value), out) && !out.empty() && out.size() <= max;
}

KeyPtr make_key(const char* type, OSSL_PARAM* params) {
  KeyContextPtr ctx(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!ctx || EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
      EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
    return nullptr;
  return KeyPtr(key);
}

Result<KeyPtr> read_rsa(const json_t* jwk) {
  std::string n, e;
  // One octet more than the largest modulus: some write the sign's zero in front.
  if (!read_octets(jwk, "n", kMaxRsaBits / 8 + 1, n)) return bad("its modulus \"n\" is not base64url or too long");
  if (!read_octets(jwk, "e", kMaxExponentBits / 8 + 1, e))
    return bad("its exponent \"e\" is not base64url or too long");
  NumberPtr modulus(BN_bin2bn(octets(n), int(n.size()), nullptr));
  NumberPtr exponent(BN_bin2bn(octets(e), int(e.size()), nullptr));
  if (!modulus || !exponent) return Error{kEnomem, "out of memory"};
  const int bits = BN_num_bits(modulus.get());
  if (bits < kMinRsaBits || bits > kMaxRsaBits)
    return bad("RSA keys have 2048 to 8192 bits, and it has " + std::to_string(bits));
  if (!BN_is_odd(modulus.get())) return bad("its modulus is even");
  if (!BN_is_odd(exponent.get()) || BN_is_one(exponent.get()) || BN_num_bits(exponent.get()) > kMaxExponentBits)
    return bad("its exponent is not an odd number from 3 to 64 bits");
  ParamsBuilderPtr builder(OSSL_PARAM_BLD_new());
  if (!builder || !OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) ||
      !OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()))
    return Error{kEnomem, "out of memory"};
  ParamsPtr params(OSSL_PARAM_BLD_to_param(builder.get()));
  if (!params) return Error{kEnomem, "out of memory"};
  KeyPtr key = make_key("RSA", params.get());
  if (!key) return bad("OpenSSL does not take its modulus and exponent");
  return key;
}

Result<KeyPtr> read_point(const json_t* jwk, KeyType type, size_t coordinate) {
  std::string x, y;
  if (!read_octets(jwk, "x", coordinate, x) || !read_octets(jwk, "y", coordinate, y) || x.size() != coordinate ||
      y.size() != coordinate)
    return bad("its coordinates are not " + std::to_string(coordinate) + " octets of base64url each");
  const std::string point = '\x04' + x + y;
  ParamsBuilderPtr builder(OSSL_PARAM_BLD_new());
  if (!builder || !OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve_name(type), 0) ||
      !OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()))
    return Error{kEnomem, "out of memory"};
  ParamsPtr params(OSSL_PARAM_BLD_to_param(builder.get()));
  if (!params) return Error{kEnomem, "out of memory"};
  KeyPtr key = make_key("EC", params.get());
  if (!key) return bad("its point is not on the curve");
  KeyContextPtr check(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  if (!check || EVP_PKEY_public_check(check.get()) != 1) return bad("its point is not on the curve");
  return key;
}

Result<KeyPtr> read_ed25519(const json_t* jwk) {
  std::string x;
  if (!read_octets(jwk, "x", 32, x) || x.size() != 32) return bad("its \"x\" is not 32 octets of base64url");
  KeyPtr key(EVP_PKEY_new_raw_public_key_ex(nullptr, "ED25519", nullptr, octets(x), x.size()));
  if (!key) return bad("OpenSSL does not take its point");
  return key;
}

// The type by `kty` and `crv`; null: not one of ours.
const KeyType* type_of(const json_t* jwk) {
  static constexpr struct {
    Bytes kty, crv;
    KeyType type;
  } kRows[] = {{"RSA", "", KeyType::rsa},
               {"EC", "P-256", KeyType::p256},
               {"EC", "P-384", KeyType::p384},
               {"EC", "P-521", KeyType::p521},
               {"OKP", "Ed25519", KeyType::ed25519}};
  const json_t *kty = member(jwk, "kty"), *crv = member(jwk, "crv");
  if (!json_is_string(kty)) return nullptr;
  for (const auto& row : kRows) {
    if (text_of(kty) == row.kty && (row.crv.empty() || (json_is_string(crv) && text_of(crv) == row.crv)))
      return &row.type;
  }
  return nullptr;
}

// RFC 7517 4.2, 4.3: what the key says it is for must include checking signatures.
bool is_for_signatures(const json_t* jwk) {
  const json_t *use = member(jwk, "use"), *operations = member(jwk, "key_ops");
  if (use && !(json_is_string(use) && text_of(use) == "sig")) return false;
  if (!operations) return true;
  for (size_t i = 0; i < json_array_size(operations); ++i) {
    const json_t* operation = json_array_get(operations, i);
    if (json_is_string(operation) && text_of(operation) == "verify") return true;
  }
  return false;
}

Result<KeyPtr> read_public(const json_t* jwk, KeyType type) {
  switch (type) {
    case KeyType::rsa:
      return read_rsa(jwk);
    case KeyType::p256:
      return read_point(jwk, type, 32);
    case KeyType::p384:
      return read_point(jwk, type, 48);
    case KeyType::p521:
      return read_point(jwk, type, 66);
    case KeyType::ed25519:
      return read_ed25519(jwk);
  }
  return bad("its type is not supported");
}

}  // namespace

const char* curve_name(KeyType type) {
  switch (type) {
    case KeyType::p256:
      return "P-256";
    case KeyType::p384:
      return "P-384";
    case KeyType::p521:
      return "P-521";
    case KeyType::ed25519:
      return "Ed25519";
    case KeyType::rsa:
      break;
  }
  return "";
}

Result<Key> read_key(const json_t* jwk) {
  if (!json_is_object(jwk)) return bad("it is not an object");
  const KeyType* type = type_of(jwk);
  if (!type) return bad("its \"kty\" and \"crv\" are not RSA, P-256, P-384, P-521 or Ed25519");
  if (!is_for_signatures(jwk)) return bad("its \"use\" or \"key_ops\" is not for checking signatures");
  Key key{*type, std::nullopt, nullptr, nullptr};
  if (const json_t* kid = member(jwk, "kid")) {
    if (!json_is_string(kid)) return bad("its \"kid\" is not a string");
    key.kid = std::string(text_of(kid));
  }
  if (const json_t* alg = member(jwk, "alg")) {
    key.only = json_is_string(alg) ? find_algorithm(text_of(alg)) : nullptr;
    if (!key.only || key.only->type != *type) return bad("its \"alg\" is not one of its type's that are accepted");
  }
  auto made = read_public(jwk, *type);
  if (!made) return made.error();
  key.key = std::move(*made);
  return key;
}

bool Keys::has_key(Bytes kid) const {
  return std::any_of(keys_.begin(), keys_.end(), [&](const Key& key) { return key.kid && *key.kid == kid; });
}

Result<std::shared_ptr<const KeySet>> KeySet::parse(Bytes json) {
  if (json.size() > kMaxKeySet) return bad("the key set is larger than 512 KiB");
  auto root = parse_object(json);
  if (!root) return bad("the key set " + root.error().message);
  const json_t* list = member(root->get(), "keys");
  if (!json_is_array(list)) return bad("the key set has no list \"keys\"");
  const size_t count = json_array_size(list);
  if (count > kMaxKeys) return bad("the key set has more than " + std::to_string(kMaxKeys) + " keys");
  CleanErrors clean;
  std::vector<Key> keys;
  std::string why;
  for (size_t i = 0; i < count; ++i) {
    auto key = read_key(json_array_get(list, i));
    if (key) {
      keys.push_back(std::move(*key));
    } else if (why.empty()) {
      why = "; key " + std::to_string(i + 1) + " is left out: " + key.error().message;
    }
  }
  if (keys.empty()) return bad("the key set has no usable key" + why);
  std::string digest = sha256(json);
  if (digest.empty()) return Error{kEinternal, "OpenSSL cannot make a SHA-256 digest of the key set"};
  return std::shared_ptr<const KeySet>(std::make_shared<Keys>(std::move(keys), std::move(digest)));
}

}  // namespace cardea::token
