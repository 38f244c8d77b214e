// Assertions for services are signed once for an identity on a route: what is used again, what never is, for how long.
#include "proxy/assertions.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "proxy_access.h"

namespace cardea::test {
namespace {

constexpr int64_t kBegin = 1'700'000'000;

std::string p256_pem() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* bytes = nullptr;
  const long n = BIO_get_mem_data(bio, &bytes);
  std::string text(bytes, size_t(n));
  BIO_free(bio);
  EVP_PKEY_free(key);
  return text;
}

std::string base64(Bytes text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                reinterpret_cast<const unsigned char*>(text.data()), int(text.size()));
  out.resize(size_t(n));
  return out;
}

// What an assertion says, by the key set that services read.
token::Verified read(const std::string& assertion, const std::string& keys, const std::string& host, int64_t now) {
  auto set = token::KeySet::parse(keys);
  EXPECT_TRUE(set) << keys;
  return token::verify(assertion, {host, {host}, 0}, **set, now * 1000);
}

// Counts what the real one signs; without a real one it numbers its texts.
class CountingSigner final : public token::Signer {
 public:
  explicit CountingSigner(token::SignerPtr real) : real_(std::move(real)) {}
  std::string sign(const identity::Identity& who, Bytes audience, int64_t now,
                   const std::vector<std::string>& claims) const override {
    ++signatures;
    if (broken) return {};
    return real_ ? real_->sign(who, audience, now, claims) : std::to_string(signatures);
  }
  const std::string& public_key_set() const override { return real_->public_key_set(); }
  bool same_key(const Signer& other) const override {
    const auto& real = static_cast<const CountingSigner&>(other).real_;
    return real_ && real ? real_->same_key(*real) : real_ == real;
  }
  mutable int signatures = 0;
  bool broken = false;

 private:
  const token::SignerPtr real_;
};

std::shared_ptr<CountingSigner> signer_of(const std::string& pem) {
  auto made = token::Signer::make(pem, "key.pem");
  EXPECT_TRUE(made) << made.error().message;
  return std::make_shared<CountingSigner>(made ? *made : nullptr);
}

identity::Identity alice() {
  identity::Identity who;
  who.user = "alice";
  who.email = "alice@example.com";
  who.name = "Alice";
  who.groups = {"staff"};
  who.session = "s1";
  who.claims = {{"role", {"reader"}}, {"team", {"red"}}};
  return who;
}

identity::IdentityPtr shared(identity::Identity who) {
  return std::make_shared<const identity::Identity>(std::move(who));
}

class AssertionCache : public testing::Test {
 protected:
  AssertionCache() {
    route.name = "web";
    route.claim_headers = {{"X-Team", "team"}};
  }
  std::string get(const identity::IdentityPtr& who, const config::Route& on, Bytes host = "a.example") {
    Arena arena;
    return std::string(assertions.get(signer, who, on, host, now, arena));
  }
  std::string get() { return get(who, route); }
  std::vector<std::string> claim(const std::string& assertion, const std::string& name) {
    auto said = read(assertion, signer->public_key_set(), "a.example", now);
    EXPECT_EQ(said.fault, token::Fault::none) << token::fault_text(said.fault);
    const identity::Claim* c = said.identity ? said.identity->claim(name) : nullptr;
    return c ? c->values : std::vector<std::string>();
  }

  proxy::Assertions assertions;
  std::shared_ptr<CountingSigner> signer = signer_of(p256_pem());
  identity::IdentityPtr who = shared(alice());
  config::Route route;
  int64_t now = kBegin;
};

TEST_F(AssertionCache, SignsOnceForAnIdentityOnARoute) {
  const std::string first = get();
  EXPECT_EQ(claim(first, "team"), (std::vector<std::string>{"red"}));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(get(), first);
  EXPECT_EQ(signer->signatures, 1);
}

// No answer is ever somebody else's, or of another route: and each is remembered beside the others.
TEST_F(AssertionCache, WhateverDiffersIsSignedAnew) {
  std::vector<std::string> all = {get()};
  void (*const kChanges[])(identity::Identity&) = {
      [](identity::Identity& i) { i.user = "bob"; },
      [](identity::Identity& i) { i.email = "alice@example.net"; },
      [](identity::Identity& i) { i.name = "A."; },
      [](identity::Identity& i) {
        i.groups = {"staff", "admin"};
      },
      [](identity::Identity& i) { i.session = "s2"; },
      [](identity::Identity& i) { i.claims[0].values = {"writer"}; },
      [](identity::Identity& i) {
        i.claims[1].values = {"red", "blue"};
      },
      [](identity::Identity& i) { i.claims.pop_back(); },
      [](identity::Identity& i) { i.not_after_ms = 1; },
  };
  std::vector<std::function<std::string()>> ways = {[this] { return get(); }};
  for (const auto change : kChanges) {
    identity::Identity other = alice();
    change(other);
    ways.emplace_back([this, who = shared(other)] { return get(who, route); });
  }
  config::Route other_route = route;
  other_route.name = "web2";
  ways.emplace_back([&] { return get(who, other_route); });
  ways.emplace_back([&] { return get(who, route, "b.example"); });
  ways.emplace_back([&] { return get(who, route, "a.example2"); });
  for (size_t i = 1; i < ways.size(); ++i) {
    all.push_back(ways[i]());
    for (size_t j = 0; j < i; ++j) EXPECT_NE(all[i], all[j]) << i << " and " << j;
  }
  EXPECT_EQ(size_t(signer->signatures), ways.size());
  for (size_t i = 0; i < ways.size(); ++i) EXPECT_EQ(ways[i](), all[i]) << i;
  EXPECT_EQ(size_t(signer->signatures), ways.size());
  EXPECT_EQ(claim(all[7], "team"), (std::vector<std::string>{"red", "blue"}));
  EXPECT_EQ(claim(all[8], "team"), (std::vector<std::string>{}));
  EXPECT_EQ(claim(all[1], "sub"), (std::vector<std::string>{"bob"}));
}

// Where an identity was, another one may come to be: not while the first one is remembered.
TEST_F(AssertionCache, HoldsTheIdentityThatItKnows) {
  const std::weak_ptr<const identity::Identity> weak = who;
  const std::string first = get();
  who.reset();
  EXPECT_FALSE(weak.expired());
  who = weak.lock();
  ASSERT_TRUE(who);
  EXPECT_EQ(get(), first);
}

TEST_F(AssertionCache, AtLeastHalfOfItsLifeIsLeft) {
  std::string last;
  int64_t signed_at = 0;
  for (; now < kBegin + 1000; ++now) {
    const std::string a = get();
    if (a != last) {
      if (signed_at) EXPECT_EQ(now - signed_at, 150);
      signed_at = now;
      last = a;
      EXPECT_EQ(claim(a, "exp"), (std::vector<std::string>{std::to_string(now + 300)}));
    }
    EXPECT_GE(signed_at + 300 - now, 150);
  }
  EXPECT_EQ(signer->signatures, 7);
}

TEST_F(AssertionCache, AClockThatGoesBackMakesNobodyWait) {
  const std::string first = get();
  now -= 1;
  const std::string second = get();
  EXPECT_NE(second, first) << "a service would read it as issued in the future";
  EXPECT_EQ(get(), second);
}

TEST_F(AssertionCache, AnotherKeySignsAnew) {
  const std::string pem = p256_pem();
  const std::string old_keys = signer->public_key_set(), first = get();
  signer = signer_of(pem);
  const std::string second = get();
  EXPECT_NE(second, first);
  EXPECT_EQ(read(second, signer->public_key_set(), "a.example", now).fault, token::Fault::none);
  EXPECT_NE(read(second, old_keys, "a.example", now).fault, token::Fault::none);
  // The same key in the next configuration is no change.
  signer = signer_of(pem);
  EXPECT_EQ(get(), second);
  EXPECT_EQ(signer->signatures, 0);
}

// The next configuration, or a route with the same name, may pass on other claims.
TEST_F(AssertionCache, ClaimsOfTheRouteThatChangeAreSignedAnew) {
  const std::vector<std::string> none, red = {"red"}, reader = {"reader"};
  EXPECT_EQ(claim(get(), "team"), red);
  EXPECT_EQ(claim(get(), "role"), none);
  route.claim_headers.push_back({"X-Role", "role"});
  EXPECT_EQ(claim(get(), "team"), red);
  EXPECT_EQ(claim(get(), "role"), reader);
  route.claim_headers.erase(route.claim_headers.begin());
  EXPECT_EQ(claim(get(), "team"), none) << "what is passed on no more";
  EXPECT_EQ(claim(get(), "role"), reader);
  route.claim_headers.clear();
  EXPECT_EQ(claim(get(), "role"), none);
  EXPECT_EQ(signer->signatures, 4);
}

TEST_F(AssertionCache, FailuresAreNotRemembered) {
  signer->broken = true;
  EXPECT_EQ(get(), "");
  signer->broken = false;
  const std::string first = get();
  EXPECT_NE(first, "");
  // The one before has done its time when the next cannot be made.
  now += 150;
  signer->broken = true;
  EXPECT_EQ(get(), "");
}

TEST_F(AssertionCache, IsBounded) {
  constexpr size_t kMax = 4096;
  signer = std::make_shared<CountingSigner>(nullptr);
  std::vector<identity::IdentityPtr> all;
  for (size_t i = 0; i < kMax; ++i) all.push_back(shared(alice()));
  for (const auto& i : all) get(i, route);
  EXPECT_EQ(signer->signatures, int(kMax));
  for (const auto& i : all) get(i, route);
  EXPECT_EQ(signer->signatures, int(kMax)) << "all of them fit";
  get(all[0], route);
  get(shared(alice()), route);  // one too many: the one that was not used for longest goes
  get(all[0], route);
  EXPECT_EQ(signer->signatures, int(kMax) + 1);
  EXPECT_EQ(all[1].use_count(), 1) << "and nothing holds its identity";
  get(all[1], route);
  EXPECT_EQ(signer->signatures, int(kMax) + 2);
}

TEST_F(AssertionCache, IsBoundedInBytes) {
  signer = std::make_shared<CountingSigner>(nullptr);
  auto host = [](int i) { return std::to_string(i) + std::string(60'000, 'a'); };
  for (int i = 0; i < 20; ++i) get(who, route, host(i));
  EXPECT_EQ(signer->signatures, 20);
  get(who, route, host(19));
  EXPECT_EQ(signer->signatures, 20);
  get(who, route, host(0));
  EXPECT_EQ(signer->signatures, 21);
}

// ---- through the proxy ------------------------------------------------------------------------------

class Assertion : public Access {
 protected:
  std::string config(const std::string& pem, const std::string& claims, const std::string& more = "") const {
    return guarded(
        "name: web\nallow_any_authenticated_user: true\npass_identity_headers: true\njwt_claims_headers: " + claims,
        "signing_key: " + base64(pem) + more);
  }
  std::string asserted(const std::string& bearer_token) {
    client->get("/", bearer(bearer_token));
    auto& r = service->expect("GET", "/");
    const std::string assertion = r.header("x-pomerium-jwt-assertion");
    service->respond(r, 200, "");
    EXPECT_NE(assertion, "");
    return assertion;
  }
};
INSTANTIATE_TEST_SUITE_P(Pairs, Assertion, testing::ValuesIn(kPairs), pair_name);

TEST_P(Assertion, IsTheSameUntilSomethingChanges) {
  const std::string pem = p256_pem();
  const std::string a = token("alice", 600, "\"team\":\"red\""), b = token("bob");
  begin_with(config(pem, "{X-Email: email}"));
  const std::string first = asserted(a);
  EXPECT_EQ(asserted(a), first);
  const std::string bobs = asserted(b);
  EXPECT_NE(bobs, first);
  loop.advance(149'000);
  EXPECT_EQ(asserted(a), first);
  EXPECT_EQ(asserted(b), bobs);
  loop.advance(1'000);
  const std::string second = asserted(a);
  EXPECT_NE(second, first);
  apply(config(pem, "{X-Email: email}", "\ntimeout_idle: 1m"));
  EXPECT_EQ(asserted(a), second) << "nothing of it has changed";
  apply(config(pem, "{X-Email: email, X-Team: team}"));
  const std::string third = asserted(a);
  const std::string keys = proxy->snapshot()->signer->public_key_set();
  auto said = read(third, keys, "a.example", kNow + 150);
  ASSERT_TRUE(said.identity) << token::fault_text(said.fault);
  ASSERT_TRUE(said.identity->claim("team"));
  EXPECT_EQ(said.identity->user, "alice");
  apply(config(p256_pem(), "{X-Email: email, X-Team: team}"));
  const std::string fourth = asserted(a);
  EXPECT_NE(read(fourth, keys, "a.example", kNow + 150).fault, token::Fault::none) << "another key";
  EXPECT_EQ(asserted(a), fourth);
}

}  // namespace
}  // namespace cardea::test
