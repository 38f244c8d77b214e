// Key sets, and the assertions that the library signs itself.
#include <openssl/ec.h>
#include <openssl/pem.h>

#include <algorithm>
#include <set>
#include <thread>

#include "token/token.h"
#include "token_fixture.h"
#include "token_vectors.h"

namespace cardea::token {
namespace {

std::string rsa(size_t octets, const std::string& e, unsigned char first = 0x80, unsigned char last = 1) {
  std::string n(octets, '\x55');
  n[0] = char(first);
  if (first == 0) n[1] = char(0x80);
  n.back() = char(last);
  return R"("kty":"RSA","n":")" + base64url_of(n) + R"(","e":")" + base64url_of(e) + '"';
}

constexpr char kP256[] =
    R"("kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")";

TEST(KeySet, Rows) {
  const std::string e65537("\x01\x00\x01", 3), ok = rsa(256, e65537);
  const std::string ed = R"("kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")";
  const std::string p256 = kP256;
  const auto without = [](std::string text, Bytes what, Bytes by) {
    const size_t at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return text.replace(at, what.size(), by);
  };
  const struct {
    const char* name;
    std::string key;
    const char* says;  // empty: it is usable
  } rows[] = {
      {"RSA 2048", ok, ""},
      {"RSA 4096", rsa(512, e65537), ""},
      {"RSA 8192", rsa(1024, e65537), ""},
      {"RSA 2047", rsa(256, e65537, 0x40), "it has 2047"},
      {"RSA 1024", rsa(128, e65537), "it has 1024"},
      {"RSA 8200", rsa(1025, e65537), "it has 8200"},
      {"RSA 16384", rsa(2048, e65537), "too long"},
      {"RSA with the sign's zero", rsa(257, e65537, 0), ""},
      {"RSA 2040 with the sign's zero", rsa(256, e65537, 0), "it has 2040"},
      {"RSA even", rsa(256, e65537, 0x80, 2), "even"},
      {"e = 3", rsa(256, "\x03"), ""},
      {"e = 1", rsa(256, "\x01"), "exponent"},
      {"e = 0", rsa(256, std::string(1, '\0')), "exponent"},
      {"e = 2", rsa(256, "\x02"), "exponent"},
      {"e = 65536", rsa(256, std::string("\x01\x00\x00", 3)), "exponent"},
      {"e of 64 bits", rsa(256, "\xff\xff\xff\xff\xff\xff\xff\xff"), ""},
      {"e of 65 bits", rsa(256, std::string("\x01\0\0\0\0\0\0\0\x01", 9)), "exponent"},
      {"e of 80 bits", rsa(256, std::string(10, '\xff')), "exponent"},
      {"no e", without(ok, R"("e")", R"("f")"), "exponent"},
      {"no n", without(ok, R"("n")", R"("m")"), "modulus"},
      {"n with padding", without(ok, R"(","e")", R"(=","e")"), "modulus"},
      {"n as a number", R"("kty":"RSA","n":5,"e":"AQAB")", "modulus"},
      {"P-256", p256, ""},
      {"P-256 called P-384", without(p256, "P-256", "P-384"), "48 octets"},
      {"P-256 off the curve", without(p256, "x_FE", "x_FF"), "not on the curve"},
      {"P-256 at zero",
       R"("kty":"EC","crv":"P-256","x":")" + base64url_of(std::string(32, '\0')) + R"(","y":")" +
           base64url_of(std::string(32, '\0')) + '"',
       "not on the curve"},
      {"P-256 beyond the field",
       R"("kty":"EC","crv":"P-256","x":")" + base64url_of(std::string(32, '\xff')) + R"(","y":")" +
           base64url_of(std::string(32, '\xff')) + '"',
       "not on the curve"},
      {"P-256 short x", without(p256, "f83OJ3D2", "f83O"), "32 octets"},
      {"P-256 without y", without(p256, R"("y")", R"("z")"), "32 octets"},
      {"secp256k1", without(p256, "P-256", "secp256k1"), "kty"},
      {"Ed25519", ed, ""},
      {"Ed25519 short", without(ed, "11qY", ""), "32 octets"},
      {"Ed25519 as EC", without(ed, "OKP", "EC"), "kty"},
      {"X25519", without(ed, "Ed25519", "X25519"), "kty"},
      {"Ed448", without(ed, "Ed25519", "Ed448"), "kty"},
      {"symmetric", R"("kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ")", "kty"},
      {"no kty", R"("crv":"P-256")", "kty"},
      {"kty as a list", R"("kty":["RSA"])", "kty"},
      {"kty in lower case", without(ok, "RSA", "rsa"), "kty"},
      {"use sig", ok + R"(,"use":"sig")", ""},
      {"use enc", ok + R"(,"use":"enc")", "use"},
      {"use null", ok + R"(,"use":null)", "use"},
      {"key_ops verify", ok + R"(,"key_ops":["verify"])", ""},
      {"key_ops sign and verify", ok + R"(,"key_ops":["sign","verify"])", ""},
      {"key_ops sign", ok + R"(,"key_ops":["sign"])", "key_ops"},
      {"key_ops empty", ok + R"(,"key_ops":[])", "key_ops"},
      {"key_ops text", ok + R"(,"key_ops":"verify")", "key_ops"},
      {"alg RS256", ok + R"(,"alg":"RS256")", ""},
      {"alg ES256 of RSA", ok + R"(,"alg":"ES256")", "alg"},
      {"alg ES384 of P-256", p256 + R"(,"alg":"ES384")", "alg"},
      {"alg RSA-OAEP", ok + R"(,"alg":"RSA-OAEP")", "alg"},
      {"alg none", ok + R"(,"alg":"none")", "alg"},
      {"alg HS256", ok + R"(,"alg":"HS256")", "alg"},
      {"alg number", ok + R"(,"alg":1)", "alg"},
      {"kid number", ok + R"(,"kid":1)", "kid"},
      {"x5c is nobody's business", ok + R"(,"x5c":["!"],"x5t":1)", ""},
  };
  for (const auto& row : rows) {
    const auto set = KeySet::parse(R"({"keys":[{)" + row.key + "}]}");
    EXPECT_EQ(bool(set), *row.says == '\0') << row.name << (set ? "" : ": " + set.error().message);
    if (!set) {
      EXPECT_NE(set.error().message.find(row.says), std::string::npos) << row.name << ": " << set.error().message;
    }
    // A key that is of no use spoils no other.
    const auto both = KeySet::parse(R"({"keys":[{)" + row.key + R"(},{)" + ed + R"(,"kid":"fine"}]})");
    ASSERT_TRUE(both) << row.name;
    EXPECT_EQ((*both)->size(), *row.says == '\0' ? 2u : 1u) << row.name;
    EXPECT_TRUE((*both)->has_key("fine"));
  }
}

TEST(KeySet, Form) {
  const std::string key = std::string("{") + kP256 + "}";
  const auto list = [&](size_t count) {
    std::string text = R"({"keys":[)" + key;
    for (size_t i = 1; i < count; ++i) text += ',' + key;
    return text + "]}";
  };
  const struct {
    std::string text;
    const char* says;
  } rows[] = {
      {"", "is not JSON"},
      {"-----BEGIN PUBLIC KEY-----", "is not JSON"},
      {"[]", "is not an object"},
      {"[" + key + "]", "is not an object"},
      {key, "no list \"keys\""},
      {"{}", "no list \"keys\""},
      {R"({"keys":{}})", "no list \"keys\""},
      {R"({"keys":[]})", "has no usable key"},
      {R"({"keys":[1,null,"x",[]]})", "key 1 is left out: it is not an object"},
      {R"({"keys":[)" + key + R"(],"keys":[]})", "has a member twice"},
      {R"({"keys":[)" + key + "]} x", "is not JSON (line 1"},
      {R"({"keys":)" + std::string(40, '[') + std::string(40, ']') + "}", "deeper than 32"},
      {list(kMaxKeys + 1), "more than 100 keys"},
      {list(1) + std::string(kMaxKeySet, ' '), "larger than 512 KiB"},
      {"{\"keys\":[\"\xff\"]}", "is not JSON"},
  };
  for (const auto& row : rows) {
    const auto set = KeySet::parse(row.text);
    ASSERT_FALSE(set) << row.text.substr(0, 60);
    EXPECT_NE(set.error().message.find(row.says), std::string::npos) << set.error().message;
    EXPECT_TRUE(set.error().message.starts_with("the key set ")) << set.error().message;
  }
  const auto most = KeySet::parse(list(kMaxKeys));
  ASSERT_TRUE(most) << most.error().message;
  EXPECT_EQ((*most)->size(), kMaxKeys);
}

TEST(KeySet, KnowsItsKeys) {
  const auto set = KeySet::parse(kVectorKeys), again = KeySet::parse(kVectorKeys),
             other = KeySet::parse(kVectorKeysWithoutIds);
  ASSERT_TRUE(set && again && other);
  for (const char* kid : {"rsa", "p256", "p384", "p521", "ed"}) EXPECT_TRUE((*set)->has_key(kid)) << kid;
  for (const char* kid : {"", "RSA", "rsa ", "ed448"}) EXPECT_FALSE((*set)->has_key(kid)) << kid;
  EXPECT_FALSE((*other)->has_key(""));
  EXPECT_TRUE((*set)->same(**again));
  EXPECT_FALSE((*set)->same(**other));
}

// ---- assertions -------------------------------------------------------------------------------------

std::string pem_of(EVP_PKEY* key, const char* password = nullptr, bool traditional = false) {
  BIO* bio = BIO_new(BIO_s_mem());
  const EVP_CIPHER* cipher = password ? EVP_aes_128_cbc() : nullptr;
  const auto* word = reinterpret_cast<const unsigned char*>(password);
  const int length = password ? int(strlen(password)) : 0;
  if (traditional) {
    PEM_write_bio_PrivateKey_traditional(bio, key, cipher, word, length, nullptr, nullptr);
  } else {
    PEM_write_bio_PrivateKey(bio, key, cipher, word, length, nullptr, nullptr);
  }
  char* bytes = nullptr;
  const long n = BIO_get_mem_data(bio, &bytes);
  std::string text(bytes, size_t(n));
  BIO_free(bio);
  EVP_PKEY_free(key);
  return text;
}

std::string p256_pem() {
  return pem_of(EVP_EC_gen("P-256"));
}

SignerPtr make_signer(const std::string& pem) {
  auto made = Signer::make(pem, "key.pem");
  EXPECT_TRUE(made) << made.error().message;
  return made ? *made : nullptr;
}

identity::Identity somebody() {
  identity::Identity who;
  who.user = "user-1";
  who.email = "a@b.example";
  who.name = "A \"B\"";
  who.groups = {"g1", "g,2"};
  who.session = "s1";
  who.claims = {
      {"address/country", {"XX"}}, {"exp", {"1"}}, {"iss", {"evil"}}, {"roles", {"r1", "r2"}}, {"sub", {"root"}}};
  return who;
}

TEST(Signer, SaysWhoItIs) {
  const SignerPtr signer = make_signer(p256_pem());
  const std::string token =
      signer->sign(somebody(), "a.example", kNow, {"roles", "address.country", "sub", "iss", "exp", "gone", "roles"});
  const auto keys = KeySet::parse(signer->public_key_set());
  ASSERT_TRUE(keys) << keys.error().message;
  const Rules rules{"a.example", {"a.example"}, 0};
  const Verified v = verify(token, rules, **keys, kNow * 1000);
  ASSERT_TRUE(v.identity) << fault_text(v.fault);
  const identity::Identity& who = *v.identity;
  EXPECT_EQ(who.user, "user-1");
  EXPECT_EQ(who.email, "a@b.example");
  EXPECT_EQ(who.name, "A \"B\"");
  EXPECT_EQ(who.groups, (std::vector<std::string>{"g1", "g,2"}));
  EXPECT_EQ(who.session, "s1");
  EXPECT_EQ(who.issuer, "a.example");
  EXPECT_EQ(who.not_after_ms, (kNow + 300) * 1000);
  EXPECT_EQ(who.claim("user")->values, std::vector<std::string>{"user-1"});
  EXPECT_EQ(who.claim("roles")->values, (std::vector<std::string>{"r1", "r2"}));
  EXPECT_EQ(who.claim("address/country")->values, std::vector<std::string>{"XX"});
  EXPECT_EQ(who.claim("iat")->values, std::vector<std::string>{std::to_string(kNow)});
  EXPECT_EQ(who.claim("exp")->values, std::vector<std::string>{std::to_string(kNow + 300)});
  EXPECT_EQ(who.claim("gone"), nullptr);
  EXPECT_EQ(who.claim("jti")->values[0].size(), 22u);
  EXPECT_EQ(verify(token, rules, **keys, (kNow + 299) * 1000).fault, Fault::none);
  EXPECT_EQ(verify(token, rules, **keys, (kNow + 300) * 1000).fault, Fault::expired);
  const SignerPtr other = make_signer(p256_pem());
  EXPECT_EQ(verify(other->sign(somebody(), "a.example", kNow), rules, **keys, kNow * 1000).fault, Fault::unknown_key);
}

// r and s have leading zeros once in 128: all of these have 64 octets and hold.
TEST(Signer, HoldsEveryTime) {
  const SignerPtr signer = make_signer(p256_pem());
  const auto keys = KeySet::parse(signer->public_key_set());
  ASSERT_TRUE(keys);
  std::set<std::string> ids;
  for (int i = 0; i < 500; ++i) {
    const std::string token = signer->sign(somebody(), "h", kNow);
    const Verified v = verify(token, {}, **keys, kNow * 1000);
    ASSERT_EQ(v.fault, Fault::none);
    EXPECT_EQ(token.size() - token.rfind('.') - 1, 86u);
    ids.insert(v.identity->claim("jti")->values[0]);
  }
  EXPECT_EQ(ids.size(), 500u) << "jti is never the same";
}

TEST(Signer, WorksInManyThreads) {
  const SignerPtr signer = make_signer(p256_pem());
  const auto keys = KeySet::parse(signer->public_key_set());
  ASSERT_TRUE(keys);
  std::vector<std::thread> threads;
  std::array<int, 4> held{};
  for (size_t t = 0; t < held.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        held[t] += verify(signer->sign(somebody(), "h", kNow), {}, **keys, kNow * 1000).fault == Fault::none;
      }
    });
  }
  for (auto& t : threads) t.join();
  for (int n : held) EXPECT_EQ(n, 50);
}

// RFC 7515 A.3's key, whose thumbprint (RFC 7638) another library has made.
TEST(Signer, PublishesItsKey) {
  const SignerPtr signer = make_signer(
      "-----BEGIN PRIVATE KEY-----\n"
      "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\n"
      "H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp\n"
      "7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt\n"
      "-----END PRIVATE KEY-----\n");
  ASSERT_TRUE(signer);
  EXPECT_EQ(signer->public_key_set(),
            R"({"keys":[{"crv":"P-256","kty":"EC","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
            R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","kid":"oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",)"
            R"("use":"sig","alg":"ES256"}]})");
}

TEST(Signer, TextIsEscaped) {
  const SignerPtr signer = make_signer(p256_pem());
  const auto keys = KeySet::parse(signer->public_key_set());
  identity::Identity who;
  who.user = R"(a","sub":"root)";
  Verified v = verify(signer->sign(who, "h", kNow), {}, **keys, kNow * 1000);
  ASSERT_TRUE(v.identity) << fault_text(v.fault);
  EXPECT_EQ(v.identity->user, who.user);
  EXPECT_EQ(v.identity->email, "");
  who.user = "a\xff";
  EXPECT_EQ(signer->sign(who, "h", kNow), "") << "two ids would become one";
  who.user = "a";
  who.email = "\xff@b.example";
  EXPECT_EQ(signer->sign(who, "h", kNow), "");
}

TEST(Signer, SameKeyWhateverItsForm) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  EVP_PKEY_up_ref(key);
  EVP_PKEY_up_ref(key);
  const std::string pkcs8 = pem_of(key), sec1 = pem_of(key, nullptr, true);
  ASSERT_NE(sec1.find("BEGIN EC PRIVATE KEY"), std::string::npos);
  EVP_PKEY_set_utf8_string_param(key, "point-format", "compressed");
  const std::string compressed = pem_of(key);
  ASSERT_LT(compressed.size(), pkcs8.size());
  const std::string parameters =
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + sec1;
  const SignerPtr first = make_signer(pkcs8);
  for (const std::string& form : {pkcs8, sec1, compressed, parameters, "A comment\n" + pkcs8}) {
    const SignerPtr again = make_signer(form);
    ASSERT_TRUE(again) << form;
    EXPECT_TRUE(first->same_key(*again)) << form;
    EXPECT_EQ(first->public_key_set(), again->public_key_set());
  }
  EXPECT_FALSE(first->same_key(*make_signer(p256_pem())));
}

TEST(Signer, Errors) {
  std::string damaged = p256_pem();
  damaged.erase(60, 20);
  const std::string certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  const struct {
    std::string pem;
    const char* says;
  } rows[] = {
      {"", "is empty"},
      {"nonsense", "has no private key"},
      {certificate, "has no private key"},
      {std::string(65 * 1024, 'x'), "larger than 64 KiB"},
      {damaged, "cannot be read"},
      {pem_of(EVP_EC_gen("P-256"), "secret"), "encrypted"},
      {pem_of(EVP_EC_gen("P-256"), "secret", true), "encrypted"},
      {pem_of(EVP_EC_gen("P-384")), "not an elliptic one on P-256"},
      {pem_of(EVP_EC_gen("secp256k1")), "not an elliptic one on P-256"},
      {pem_of(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")), "not an elliptic one on P-256"},
      {pem_of(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t(2048))), "not an elliptic one on P-256"},
      // The private half of RFC 7515 A.3 with somebody else's public one.
      {"-----BEGIN PRIVATE KEY-----\n"
       "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\n"
       "H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR5Fd45rZE4VhxIXpStVZVJLoypnG6O\n"
       "1ddtDVppfIq50uUphvQaCtZvp+0PI9teTxKpuxtJa/qefS9cN3cH/363\n"
       "-----END PRIVATE KEY-----\n",
       "do not belong together"},
  };
  for (const auto& row : rows) {
    const auto made = Signer::make(row.pem, "signing.pem");
    ASSERT_FALSE(made) << row.says;
    EXPECT_EQ(made.error().code, kEtls);
    EXPECT_TRUE(made.error().message.starts_with("signing.pem: ")) << made.error().message;
    EXPECT_NE(made.error().message.find(row.says), std::string::npos) << made.error().message;
  }
}

}  // namespace
}  // namespace cardea::token
