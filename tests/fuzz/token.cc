// Fuzz: tokens. The first byte chooses: the rest is a whole token, or the payload of one, or header, newline and
// payload, which are signed with a key that is known.
#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

#include "token/token.h"

using cardea::Bytes;
using cardea::token::Fault;

namespace {

constexpr int64_t kNow = 1'700'000'000'000;

void require(bool holds) {
  if (!holds) abort();
}

std::string base64url(Bytes bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  out.resize(size_t(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                    reinterpret_cast<const unsigned char*>(bytes.data()), int(bytes.size()))));
  while (!out.empty() && out.back() == '=') out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

EVP_PKEY* signing_key() {
  static const std::array<unsigned char, 32> seed = {1, 2, 3};
  static EVP_PKEY* key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size());
  return key;
}

const cardea::token::KeySet& keys() {
  static const auto set = [] {
    std::array<unsigned char, 32> x;
    size_t n = x.size();
    EVP_PKEY_get_raw_public_key(signing_key(), x.data(), &n);
    // RFC 7515 A.2 and A.3 beside it, so that every kind of key is asked.
    return *cardea::token::KeySet::parse(
        R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"ed","x":")" +
        base64url(Bytes(reinterpret_cast<char*>(x.data()), n)) +
        R"("},{"kty":"EC","crv":"P-256","kid":"ec","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
        R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},{"kty":"RSA","kid":"rsa","e":"AQAB",)"
        R"("n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT)"
        R"(-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo)"
        R"(7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs9)"
        R"(1kzk2PAcDTW9gb54h4FRWyuXpoQ"}]})");
  }();
  return *set;
}

std::string sign(Bytes header, Bytes payload) {
  const std::string text = base64url(header) + '.' + base64url(payload);
  std::string signature(64, '\0');
  size_t n = signature.size();
  EVP_MD_CTX* ctx = EVP_MD_CTX_new();
  EVP_DigestSignInit(ctx, nullptr, nullptr, nullptr, signing_key());
  EVP_DigestSign(ctx, reinterpret_cast<unsigned char*>(signature.data()), &n,
                 reinterpret_cast<const unsigned char*>(text.data()), text.size());
  EVP_MD_CTX_free(ctx);
  return text + '.' + base64url(signature);
}

bool is_clean(Bytes text) {
  return text.size() <= 1024 &&
         std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

void check(const cardea::identity::Identity& who) {
  require(!who.user.empty() && is_clean(who.user) && is_clean(who.email) && is_clean(who.name) &&
          is_clean(who.session));
  require(std::all_of(who.groups.begin(), who.groups.end(), is_clean));
  require(who.not_after_ms > kNow && who.claims.size() <= cardea::identity::kMaxClaims);
  for (size_t i = 0; i < who.claims.size(); ++i) {
    require(!who.claims[i].values.empty() && (i == 0 || who.claims[i - 1].path < who.claims[i].path));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const Bytes rest(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const size_t line = rest.find('\n');
  std::string token(rest);
  if (bytes[0] % 3 == 1) token = sign(R"({"alg":"EdDSA"})", rest);
  if (bytes[0] % 3 == 2 && line != Bytes::npos) token = sign(rest.substr(0, line), rest.substr(line + 1));
  const auto verified = cardea::token::verify(token, {}, keys(), kNow);
  require((verified.fault == Fault::none) == (verified.identity != nullptr));
  require(ERR_peek_error() == 0);
  const std::string issuer = cardea::token::claimed_issuer(token);
  if (verified.identity) {
    check(*verified.identity);
    require(issuer == verified.identity->issuer);
  }
  return 0;
}
