// Private to lib/token: algorithms, public keys and the check of one signature.
#pragma once

#include <openssl/err.h>
#include <openssl/evp.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "token/encoding.h"
#include "token/token.h"

namespace cardea::token {

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* p) const {
    kFree(p);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using DigestPtr = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;

// OpenSSL's queue of errors is the thread's: what fails here must not be there when TLS looks into it.
struct CleanErrors {
  ~CleanErrors() { ERR_clear_error(); }
};

enum class KeyType : uint8_t { rsa, p256, p384, p521, ed25519 };
const char* curve_name(KeyType type);  // of JWK's `crv`; empty for RSA

// A row of the algorithms that are accepted; everything else, `none` and HMAC first of all, does not exist here.
struct Algorithm {
  Bytes name;
  KeyType type;
  const char* digest;  // null: the signature has its own
  bool pss;
  size_t signature_size;  // 0: as long as the modulus
};
const Algorithm* find_algorithm(Bytes name);  // exact spelling; null: not accepted

// Made by jwks.cc, checked: fit for signatures, strong enough, on its curve.
struct Key {
  KeyType type;
  std::optional<std::string> kid;
  const Algorithm* only = nullptr;  // its `alg`; null: any that its type allows
  KeyPtr key;
  bool fits(const Algorithm& algorithm) const {
    return type == algorithm.type && (only == nullptr || only == &algorithm);
  }
};
Result<Key> read_key(const json_t* jwk);

// The only KeySet there is.
class Keys final : public KeySet {
 public:
  Keys(std::vector<Key> keys, std::string digest) : keys_(std::move(keys)), digest_(std::move(digest)) {}
  size_t size() const override { return keys_.size(); }
  bool has_key(Bytes kid) const override;
  bool same(const KeySet& other) const override { return digest_ == static_cast<const Keys&>(other).digest_; }
  const std::vector<Key>& all() const { return keys_; }

 private:
  std::vector<Key> keys_;
  std::string digest_;  // of the text that they were read from
};
// SHA-256; empty when OpenSSL fails.
std::string sha256(Bytes bytes);

// Whether `signature` is one of `text` by the holder of `key`, which fits `algorithm`.
bool holds(const Key& key, const Algorithm& algorithm, Bytes text, Bytes signature);

}  // namespace cardea::token
