// Tokens: form, header, algorithm, key and signature. What they say is token_claims_test's.
#include "token/token.h"

#include <openssl/err.h>

#include <algorithm>

#include "token_fixture.h"
#include "token_vectors.h"

namespace cardea::token {
namespace {

Rules vector_rules() {
  return {"https://issuer.example", {"cardea"}, 60};
}

KeySetPtr parse(Bytes json) {
  auto set = KeySet::parse(json);
  EXPECT_TRUE(set) << set.error().message;
  return set ? *set : nullptr;
}

std::string vector_token(Bytes name) {
  for (const auto& v : kVectors) {
    if (v.name == name) return v.token;
  }
  ADD_FAILURE() << "no vector " << name;
  return {};
}

Fault judge(Bytes token, const KeySet& keys) {
  const Verified v = verify(token, vector_rules(), keys, kVectorTime * 1000);
  EXPECT_EQ(v.fault == Fault::none, v.identity != nullptr);
  EXPECT_EQ(ERR_peek_error(), 0u) << "errors are left to the thread's TLS";
  return v.fault;
}

std::string replaced(std::string text, Bytes what, Bytes by) {
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

// Of another library (token_vectors.py).
TEST(TokenVectors, AreJudgedAsTheyWereMade) {
  const KeySetPtr keys = parse(kVectorKeys), nameless = parse(kVectorKeysWithoutIds);
  ASSERT_EQ(keys->size(), 5u);
  size_t good = 0;
  for (const auto& v : kVectors) {
    SCOPED_TRACE(v.name);
    EXPECT_STREQ(fault_name(judge(v.token, *keys)), v.fault);
    const Fault without = judge(v.token, *nameless);
    if (Bytes(v.name).ends_with("without kid")) {
      EXPECT_STREQ(fault_name(without), v.fault);
    } else {
      EXPECT_NE(without, Fault::none) << "a kid names one key, and none has this name";
    }
    good += Bytes(v.fault) == "none";
  }
  EXPECT_EQ(good, 22u);
}

TEST(TokenVectors, GiveTheIdentity) {
  const Verified v = verify(vector_token("PS384"), vector_rules(), *parse(kVectorKeys), kVectorTime * 1000);
  ASSERT_TRUE(v.identity);
  EXPECT_EQ(v.identity->source, identity::Source::token);
  EXPECT_EQ(v.identity->user, "user-1");
  EXPECT_EQ(v.identity->email, "a@example.com");
  EXPECT_EQ(v.identity->groups, (std::vector<std::string>{"staff", "ops"}));
  EXPECT_EQ(v.identity->issuer, "https://issuer.example");
  EXPECT_EQ(v.identity->not_after_ms, (kVectorTime + 660) * 1000);
}

// One octet changed anywhere, every prefix, and every suffix: never an identity.
TEST(TokenVectors, NoneSurvivesDamage) {
  const KeySetPtr keys = parse(kVectorKeys);
  for (const char* name : {"EdDSA", "ES256", "RS256"}) {
    const std::string token = vector_token(name);
    ASSERT_EQ(judge(token, *keys), Fault::none);
    for (size_t i = 0; i < token.size(); ++i) {
      std::string damaged = token;
      damaged[i] = damaged[i] == 'A' ? 'B' : 'A';
      ASSERT_NE(judge(damaged, *keys), Fault::none) << name << " changed at " << i;
      damaged[i] = '.';
      if (token[i] != '.') {
        ASSERT_NE(judge(damaged, *keys), Fault::none) << name << " split at " << i;
      }
      ASSERT_NE(judge(Bytes(token).substr(0, i), *keys), Fault::none) << name << " cut at " << i;
      if (i > 0) {
        ASSERT_NE(judge(Bytes(token).substr(i), *keys), Fault::none) << name << " from " << i;
      }
    }
  }
}

TEST(TokenVectors, SpellingIsStrict) {
  const KeySetPtr keys = parse(kVectorKeys);
  const std::string token = vector_token("RS256");
  const size_t first = token.find('.'), second = token.rfind('.');
  const std::string header = token.substr(0, first), payload = token.substr(first + 1, second - first - 1),
                    signature = token.substr(second + 1);
  std::string standard = signature;
  for (char& c : standard) c = c == '-' ? '+' : c == '_' ? '/' : c;
  ASSERT_NE(standard, signature);
  std::string stray = signature;  // 256 octets leave four bits that must be zero
  stray.back() = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[(
      std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_").find(stray.back()) | 1)];
  ASSERT_NE(stray, signature);
  const struct {
    const char* name;
    std::string token;
    Fault fault;
  } rows[] = {
      {"nothing", "", Fault::malformed},
      {"one dot", ".", Fault::malformed},
      {"two dots", "..", Fault::malformed},
      {"one part", header, Fault::malformed},
      {"two parts", header + '.' + payload, Fault::malformed},
      {"four parts", token + ".", Fault::malformed},
      {"five parts", token + "..", Fault::malformed},
      {"no signature", header + '.' + payload + '.', Fault::signature},
      {"no payload", header + ".." + signature, Fault::signature},
      {"no header", '.' + payload + '.' + signature, Fault::malformed},
      {"header and payload swapped", payload + '.' + header + '.' + signature, Fault::malformed},
      {"signature and payload swapped", header + '.' + signature + '.' + payload, Fault::signature},
      {"padding", token + "==", Fault::malformed},
      {"padding of the header", header + '=' + '.' + payload + '.' + signature, Fault::malformed},
      {"standard alphabet", header + '.' + payload + '.' + standard, Fault::malformed},
      {"stray bits", header + '.' + payload + '.' + stray, Fault::malformed},
      {"blank in front", ' ' + token, Fault::malformed},
      {"blank behind", token + ' ', Fault::malformed},
      {"newline behind", token + '\n', Fault::malformed},
      {"blank in the signature", header + '.' + payload + '.' + signature.substr(0, 8) + ' ' + signature.substr(8),
       Fault::malformed},
      {"newline in the header", header.substr(0, 4) + '\n' + header.substr(4) + '.' + payload + '.' + signature,
       Fault::malformed},
      {"NUL behind", token + '\0', Fault::malformed},
      {"Bearer", "Bearer " + token, Fault::malformed},
      {"the JSON form",
       R"({"payload":")" + payload + R"(","protected":")" + header + R"(","signature":")" + signature + "\"}",
       Fault::malformed},
      {"17 KiB", token + std::string(17 * 1024 - token.size(), 'A'), Fault::malformed},
      {"17 KiB of dots", std::string(17 * 1024, '.'), Fault::malformed},
  };
  for (const auto& row : rows) {
    EXPECT_STREQ(fault_name(judge(row.token, *keys)), fault_name(row.fault)) << row.name;
  }
}

TEST(TokenSize, SixteenKibibytesAreTheLimit) {
  const TestIssuer issuer;
  const KeySetPtr keys = issuer.keys();
  std::string fill(kMaxToken * 3 / 4 - 300, 'x'), token = issuer.sign(claims_with(R"("x":")" + fill + '"'));
  while (token.size() < kMaxToken - 2) token = issuer.sign(claims_with(R"("x":")" + (fill += 'x') + '"'));
  ASSERT_LE(token.size(), kMaxToken);
  EXPECT_EQ(verify(token, {}, *keys, kNow * 1000).fault, Fault::none);
  token = issuer.sign(claims_with(R"("x":")" + (fill += "xx") + '"'));
  ASSERT_GT(token.size(), kMaxToken);
  EXPECT_EQ(verify(token, {}, *keys, kNow * 1000).fault, Fault::malformed);
}

// RFC 7515 A.2 to A.4, RFC 8037 A.4. Their payloads name nobody or are no JSON at all: how far each comes shows that
// its signature holds, and with one bit less it does not.
TEST(TokenRfc, SignaturesHold) {
  const char* joe = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
  const struct {
    const char* name;
    std::string jwk, token;
    Fault fault;
  } rows[] = {
      {"RFC 7515 A.2",
       R"("kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPM)"
       R"(EzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsL)"
       R"(A9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8)"
       R"(q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ")",
       std::string("eyJhbGciOiJSUzI1NiJ9.") + joe +
           ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9"
           "CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_"
           "eSN9383LcOLn6"
           "_dO--xi12jzDwusC-"
           "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0"
           "igcN_IoypGlUPQGe77Rw",
       Fault::no_subject},
      {"RFC 7515 A.3",
       R"("kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
       R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")",
       std::string("eyJhbGciOiJFUzI1NiJ9.") + joe +
           ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
       Fault::no_subject},
      {"RFC 7515 A.4",
       R"("kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxc)"
       R"(WceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2")",
       "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34"
       "XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
       Fault::malformed},
      {"RFC 8037 A.4", R"("kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")",
       "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4"
       "ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
       Fault::malformed},
  };
  const int64_t then = 1'300'000'000'000;
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const KeySetPtr keys = parse(R"({"keys":[{)" + row.jwk + "}]}");
    EXPECT_STREQ(fault_name(verify(row.token, {}, *keys, then).fault), fault_name(row.fault));
    std::string damaged = row.token;
    char& c = damaged[damaged.rfind('.') + 10];
    c = c == 'A' ? 'B' : 'A';
    EXPECT_EQ(verify(damaged, {}, *keys, then).fault, Fault::signature);
  }
}

TEST(TokenHeader, Rows) {
  const TestIssuer issuer;
  const KeySetPtr keys = issuer.keys();
  const struct {
    const char* header;
    Fault fault;
  } rows[] = {
      {R"({"alg":"EdDSA"})", Fault::none},
      {R"({"alg":"EdDSA","kid":"test","typ":"JWT"})", Fault::none},
      {R"( { "typ" : "jwt" , "alg" : "EdDSA" } )", Fault::none},
      {R"({"alg":"EdDSA","typ":"at+jwt"})", Fault::none},
      {R"({"alg":"EdDSA","typ":"AT+JWT"})", Fault::none},
      {R"({"alg":"EdDSA","typ":"application/at+jwt"})", Fault::none},
      {R"({"alg":"EdDSA","typ":"Application/JWT"})", Fault::none},
      {R"({"alg":"EdDSA","typ":"dpop+jwt"})", Fault::malformed},
      {R"({"alg":"EdDSA","typ":"logout+jwt"})", Fault::malformed},
      {R"({"alg":"EdDSA","typ":"JOSE"})", Fault::malformed},
      {R"({"alg":"EdDSA","typ":"application/"})", Fault::malformed},
      {R"({"alg":"EdDSA","typ":"application/application/jwt"})", Fault::malformed},
      {R"({"alg":"EdDSA","typ":""})", Fault::malformed},
      {R"({"alg":"EdDSA","typ":null})", Fault::malformed},
      {R"({"alg":"EdDSA","typ":["JWT"]})", Fault::malformed},
      {R"({"alg":"EdDSA","cty":"JWT"})", Fault::malformed},
      {R"({"alg":"EdDSA","cty":"application/jwt"})", Fault::malformed},
      {R"({"alg":"EdDSA","cty":1})", Fault::malformed},
      {R"({"alg":"EdDSA","cty":"json"})", Fault::none},
      {R"({"alg":"EdDSA","crit":["exp"],"exp":1})", Fault::malformed},
      {R"({"alg":"EdDSA","crit":[]})", Fault::malformed},
      {R"({"alg":"EdDSA","b64":false})", Fault::malformed},
      {R"({"alg":"EdDSA","b64":true})", Fault::malformed},
      {R"({"alg":"EdDSA","crit":["b64"],"b64":false})", Fault::malformed},
      {R"({"alg":"EdDSA","zip":"DEF"})", Fault::malformed},
      {R"({"alg":"none","alg":"EdDSA"})", Fault::malformed},
      {R"({"alg":"EdDSA","alg":"EdDSA"})", Fault::malformed},
      {R"({"alg":"EdDSA","\u0061lg":"none"})", Fault::malformed},
      {R"({"\u0061lg":"EdDSA"})", Fault::none},
      {R"({"alg":"EdDSA","kid":"test","kid":"test"})", Fault::malformed},
      {R"({"alg":"eddsa"})", Fault::algorithm},
      {R"({"alg":"EDDSA"})", Fault::algorithm},
      {R"({"alg":"EdDSA "})", Fault::algorithm},
      {R"({"alg":"EdDSA\u0000"})", Fault::malformed},
      {R"({"alg":""})", Fault::algorithm},
      {R"({"alg":"Ed448"})", Fault::algorithm},
      {R"({"alg":"ES256K"})", Fault::algorithm},
      {R"({"alg":"RS1"})", Fault::algorithm},
      {R"({"alg":"HS512"})", Fault::algorithm},
      {R"({"alg":"dir","enc":"A256GCM"})", Fault::algorithm},
      {R"({"alg":"RS256"})", Fault::unknown_key},
      {R"({"alg":"RS256","kid":"test"})", Fault::algorithm},
      {R"({"alg":"EdDSA","kid":"other"})", Fault::unknown_key},
      {R"({"alg":null})", Fault::malformed},
      {R"({"alg":["EdDSA"]})", Fault::malformed},
      {R"({"alg":1})", Fault::malformed},
      {R"({"Alg":"EdDSA"})", Fault::malformed},
      {R"({})", Fault::malformed},
      {R"([])", Fault::malformed},
      {R"(["alg","EdDSA"])", Fault::malformed},
      {R"("EdDSA")", Fault::malformed},
      {R"(null)", Fault::malformed},
      {R"({"alg":"EdDSA"}x)", Fault::malformed},
      {R"({"alg":"EdDSA"}{})", Fault::malformed},
      {R"({"alg":"EdDSA",})", Fault::malformed},
      {R"({'alg':'EdDSA'})", Fault::malformed},
      {"{\"alg\":\"EdDSA\",\"x\":\"\xff\"}", Fault::malformed},
      {"\xef\xbb\xbf{\"alg\":\"EdDSA\"}", Fault::malformed},
  };
  for (const auto& row : rows) {
    EXPECT_STREQ(fault_name(verify(issuer.sign(row.header, claims_with()), {}, *keys, kNow * 1000).fault),
                 fault_name(row.fault))
        << row.header;
  }
}

TEST(TokenKeys, EveryKeyOfOneNameIsTried) {
  const TestIssuer old("test"), current("test"), third("test");
  const KeySetPtr keys = parse(R"({"keys":[)" + old.jwk() + ',' + current.jwk() + "]}");
  EXPECT_EQ(verify(old.sign(claims_with()), {}, *keys, kNow * 1000).fault, Fault::none);
  EXPECT_EQ(verify(current.sign(claims_with()), {}, *keys, kNow * 1000).fault, Fault::none);
  EXPECT_EQ(verify(third.sign(claims_with()), {}, *keys, kNow * 1000).fault, Fault::signature);
}

TEST(TokenKeys, EightAreTriedForATokenThatNamesNone) {
  std::vector<std::unique_ptr<TestIssuer>> issuers;
  // Keys of other types do not count.
  std::string list = std::string(kVectorKeys).substr(0, std::string(kVectorKeys).find(R"(, {"kty": "OKP")"));
  for (int i = 0; i < 9; ++i) {
    issuers.push_back(std::make_unique<TestIssuer>("k" + std::to_string(i)));
    list += ',' + issuers.back()->jwk();
  }
  const KeySetPtr keys = parse(list + "]}");
  ASSERT_EQ(keys->size(), 13u);
  for (int i = 0; i < 9; ++i) {
    const std::string nameless = issuers[size_t(i)]->sign(R"({"alg":"EdDSA"})", claims_with());
    EXPECT_EQ(verify(nameless, {}, *keys, kNow * 1000).fault, i < 8 ? Fault::none : Fault::signature) << i;
    const std::string named =
        issuers[size_t(i)]->sign(R"({"alg":"EdDSA","kid":"k)" + std::to_string(i) + "\"}", claims_with());
    EXPECT_EQ(verify(named, {}, *keys, kNow * 1000).fault, Fault::none) << i;
  }
}

TEST(TokenKeys, AlgOfAKeyIsTheOnlyOne) {
  const std::string token = vector_token("RS256"), nameless = vector_token("RS256 without kid");
  const std::string set = kVectorKeys;
  const auto with = [&](Bytes alg) {
    return parse(replaced(set, R"("kty": "RSA")", R"("kty": "RSA", "alg": ")" + std::string(alg) + '"'));
  };
  EXPECT_EQ(judge(token, *with("RS256")), Fault::none);
  EXPECT_EQ(judge(token, *with("PS256")), Fault::algorithm);
  EXPECT_EQ(judge(token, *with("RS512")), Fault::algorithm);
  EXPECT_EQ(judge(nameless, *with("RS512")), Fault::unknown_key);
  EXPECT_EQ(judge(token, *with("RSA-OAEP")), Fault::unknown_key) << "a key for encryption is left out";
}

TEST(TokenFaults, HaveNamesAndTexts) {
  EXPECT_STREQ(fault_name(Fault::none), "none");
  EXPECT_STREQ(fault_text(Fault::none), "");
  EXPECT_STREQ(fault_name(Fault::no_subject), "no_subject");
  EXPECT_STREQ(fault_text(Fault::no_subject), "the token names nobody");
}

}  // namespace
}  // namespace cardea::token
