// Signatures: which algorithms there are (RFC 7518 3, RFC 8037 3.1), and whether one holds.
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

#include <array>

#include "token/keys.h"

namespace cardea::token {
namespace {

constexpr std::array<Algorithm, 10> kAlgorithms = {{
    {"RS256", KeyType::rsa, "SHA256", false, 0},
    {"RS384", KeyType::rsa, "SHA384", false, 0},
    {"RS512", KeyType::rsa, "SHA512", false, 0},
    {"PS256", KeyType::rsa, "SHA256", true, 0},
    {"PS384", KeyType::rsa, "SHA384", true, 0},
    {"PS512", KeyType::rsa, "SHA512", true, 0},
    {"ES256", KeyType::p256, "SHA256", false, 64},
    {"ES384", KeyType::p384, "SHA384", false, 96},
    {"ES512", KeyType::p521, "SHA512", false, 132},
    {"EdDSA", KeyType::ed25519, nullptr, false, 64},
}};

const unsigned char* octets(Bytes bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// r and s side by side (RFC 7518 3.4) as the DER that OpenSSL takes; empty when it has no memory.
std::string der_of(Bytes raw) {
  const size_t half = raw.size() / 2;
  std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>> pair(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(octets(raw), int(half), nullptr);
  BIGNUM* s = BN_bin2bn(octets(raw.substr(half)), int(half), nullptr);
  if (!pair || !r || !s || !ECDSA_SIG_set0(pair.get(), r, s)) {
    BN_free(r);
    BN_free(s);
    return {};
  }
  std::array<unsigned char, 160> der;  // two integers of 67 octets at most, and their heads
  if (i2d_ECDSA_SIG(pair.get(), nullptr) > int(der.size())) return {};
  unsigned char* end = der.data();
  const int n = i2d_ECDSA_SIG(pair.get(), &end);
  return n > 0 ? std::string(reinterpret_cast<char*>(der.data()), size_t(n)) : std::string();
}

// RFC 7518 3.5: the mask's digest is the message's, the salt exactly as long as it.
bool use_pss(EVP_PKEY_CTX* ctx, const char* digest) {
  return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, digest, nullptr) > 0 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0;
}

}  // namespace

const Algorithm* find_algorithm(Bytes name) {
  for (const Algorithm& a : kAlgorithms) {
    if (a.name == name) return &a;
  }
  return nullptr;
}

std::string sha256(Bytes bytes) {
  CleanErrors clean;
  std::string out(32, '\0');
  size_t n = 0;
  const bool done = EVP_Q_digest(nullptr, "SHA256", nullptr, bytes.data(), bytes.size(),
                                 reinterpret_cast<unsigned char*>(out.data()), &n) == 1;
  return done && n == out.size() ? out : std::string();
}

bool holds(const Key& key, const Algorithm& algorithm, Bytes text, Bytes signature) {
  const size_t expected =
      algorithm.signature_size != 0 ? algorithm.signature_size : size_t(EVP_PKEY_get_size(key.key.get()));
  if (!key.fits(algorithm) || signature.size() != expected) return false;
  CleanErrors clean;
  std::string der;
  if (algorithm.type == KeyType::p256 || algorithm.type == KeyType::p384 || algorithm.type == KeyType::p521) {
    der = der_of(signature);
    if (der.empty()) return false;
    signature = der;
  }
  DigestPtr digest(EVP_MD_CTX_new());
  EVP_PKEY_CTX* ctx = nullptr;
  if (!digest ||
      EVP_DigestVerifyInit_ex(digest.get(), &ctx, algorithm.digest, nullptr, nullptr, key.key.get(), nullptr) != 1)
    return false;
  if (algorithm.pss && !use_pss(ctx, algorithm.digest)) return false;
  // Negative is an error, not a yes.
  return EVP_DigestVerify(digest.get(), octets(signature), signature.size(), octets(text), text.size()) == 1;
}

}  // namespace cardea::token
