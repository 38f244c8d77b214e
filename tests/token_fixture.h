// What tests of tokens share: a key that signs whatever it is told, independent of the library's own signer.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <memory>
#include <string>

#include "token/token.h"

namespace cardea::token {

constexpr int64_t kNow = 1'700'000'000;  // seconds

// By the bits, without the library's code.
inline std::string base64url_of(Bytes bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                reinterpret_cast<const unsigned char*>(bytes.data()), int(bytes.size()));
  out.resize(size_t(n));
  while (!out.empty() && out.back() == '=') out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

// Ed25519: the cheapest to make and to use.
class TestIssuer {
 public:
  explicit TestIssuer(std::string kid = "test")
      : kid_(std::move(kid)), key_(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")) {}
  ~TestIssuer() { EVP_PKEY_free(key_); }
  TestIssuer(const TestIssuer&) = delete;
  TestIssuer& operator=(const TestIssuer&) = delete;

  std::string jwk(Bytes more = {}) const {
    std::string x(32, '\0');
    size_t n = x.size();
    EVP_PKEY_get_raw_public_key(key_, reinterpret_cast<unsigned char*>(x.data()), &n);
    return R"({"kty":"OKP","crv":"Ed25519","x":")" + base64url_of(x) + R"(")" +
           (kid_.empty() ? "" : R"(,"kid":")" + kid_ + '"') + std::string(more) + '}';
  }
  KeySetPtr keys() const {
    auto set = KeySet::parse(R"({"keys":[)" + jwk() + "]}");
    EXPECT_TRUE(set) << set.error().message;
    return set ? *set : nullptr;
  }
  // Over two parts that are what they are.
  std::string sign_parts(const std::string& header, const std::string& payload) const {
    const std::string text = header + '.' + payload;
    std::string signature(64, '\0');
    size_t n = signature.size();
    EVP_MD_CTX* ctx = EVP_MD_CTX_new();
    EVP_DigestSignInit(ctx, nullptr, nullptr, nullptr, key_);
    EVP_DigestSign(ctx, reinterpret_cast<unsigned char*>(signature.data()), &n,
                   reinterpret_cast<const unsigned char*>(text.data()), text.size());
    EVP_MD_CTX_free(ctx);
    return text + '.' + base64url_of(signature);
  }
  std::string sign(Bytes header, Bytes payload) const {
    return sign_parts(base64url_of(header), base64url_of(payload));
  }
  std::string sign(Bytes payload) const { return sign(R"({"alg":"EdDSA","kid":"test"})", payload); }

 private:
  std::string kid_;
  EVP_PKEY* key_;
};

// A payload that is fine, with `more` after it.
inline std::string claims_with(Bytes more = {}) {
  return R"({"sub":"user-1","exp":)" + std::to_string(kNow + 600) + (more.empty() ? "" : ",") + std::string(more) + '}';
}

}  // namespace cardea::token
