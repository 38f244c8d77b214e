// Certificates and the contexts made of them: faults, names, dates, use by many threads.
#include <atomic>
#include <thread>

#include "tls_peer.h"

namespace cardea {
namespace {

// Contexts belong to every worker; the thread sanitizer is the judge.
TEST_F(TlsTest, ThreadsShareContexts) {
  both();
  run();
  ASSERT_EQ(client.opens, 1) << client.error.text;
  std::atomic<int> resumed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        TlsWorld worker;
        worker.ours = ours;
        worker.theirs = theirs;
        worker.clock.now += Millis(i) * 3 * 3600 * 1000;  // rotates the ticket keys meanwhile
        worker.both();
        worker.client.write("ping");
        worker.run();
        if (worker.server.received != "ping") return;
        resumed += worker.client.stream->tls()->resumed;
      }
      resumed += 100;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(resumed, 300);
}

// Certificates.

TEST_F(TlsTest, CertificatesSayWhatIsWrongWithThem) {
  pki::Leaf good = ca().issue({"b.example", "*.B.example"});
  pki::KeyPtr locked = pki::make_key(pki::ecdsa);
  pki::KeyPtr ed25519(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  pki::Leaf weak = ca().issue({"w.example"}, pki::rsa, with([](auto& o) { o.rsa_bits = 1024; }));
  pki::Leaf odd = ca().issue({"o.example"}, pki::ecdsa, with([](auto& o) { o.curve = "secp256k1"; }));
  pki::Leaf client_only = ca().issue({"c.example"}, pki::ecdsa, with([](auto& o) { o.usage = "clientAuth"; }));
  struct {
    std::string certificate, key;
    const char* expected;
  } rows[] = {
      {good.certificate, leaf().key, "the.key: the private key does not belong to the certificate in the.pem"},
      {good.certificate, rsa_leaf().key, "the.key: the private key does not belong"},
      {ca().certificate() + good.certificate, good.key, "belongs to certificate 2 of the file; put that one"},
      {weak.certificate, weak.key, "the.key: the RSA key has 1024 bits"},
      {odd.certificate, odd.key, "the curve secp256k1"},
      {client_only.certificate, client_only.key, "the.pem: the certificate's key usage does not allow a TLS server"},
      {good.certificate, pki::pem_of(ed25519.get()), "keys of the type ED25519 are not supported"},
      {good.certificate, pki::pem_of(locked.get(), "secret"), "the.key: the private key is encrypted"},
      {"", good.key, "the.pem: is empty"},
      {good.certificate, "", "the.key: is empty"},
      {std::string("\x30\x82\x01\x00", 4), good.key, "the.pem: is not PEM"},
      {good.key, good.key, "the.pem: has no certificate, only a private key"},
      {good.certificate, good.certificate, "the.key: has no private key"},
      {"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", good.key, "the.pem: certificate 1 cannot be"},
      {good.certificate + "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n", good.key,
       "the.pem: certificate 2 cannot be"},
      {good.certificate, "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
       "the.key: the private key cannot be read"},
      {std::string(5 << 20, 'a'), good.key, "the.pem: is larger"},
  };
  for (const auto& row : rows) {
    tls::KeyPair pair{{row.certificate, "the.pem"}, {row.key, "the.key"}};
    auto loaded = tls::Certificate::load(pair);
    ASSERT_FALSE(loaded) << row.expected;
    EXPECT_EQ(loaded.error().code, kEtls);
    EXPECT_NE(loaded.error().message.find(row.expected), std::string::npos) << loaded.error().message;
    auto context = tls::ServerContext::make({{key_pair(good), pair}, {}});
    ASSERT_FALSE(context);
    EXPECT_EQ(context.error().message, loaded.error().message);
  }
  EXPECT_EQ(ERR_peek_error(), 0u);
  EXPECT_FALSE(tls::ClientContext::make({true, {{"nonsense", "roots"}}, {}, {}, {}}));
  EXPECT_FALSE(tls::ClientContext::make({true, {}, {{"", "roots"}}, {}, {}}));
  EXPECT_FALSE(tls::ClientContext::make({true, {}, {}, key_pair(good), {}}));  // serverAuth only
  EXPECT_FALSE(tls::ClientContext::make({true, {}, {}, {}, {""}}));
  EXPECT_FALSE(tls::ServerContext::make({{}, {std::string(256, 'a')}}));
}

TEST_F(TlsTest, CertificateTellsItsNamesAndItsEnd) {
  auto loaded = tls::Certificate::load(key_pair(ca().issue({"b.example", "*.B.example", "10.1.1.1"})));
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ((*loaded)->names(), (std::vector<std::string>{"b.example", "*.b.example"}));
  EXPECT_NEAR(double((*loaded)->not_after_unix()), double(time(nullptr)) + 86400 * 365, 60);
  auto named = ca().issue({"Only.Common"}, pki::ecdsa, with([](auto& o) { o.alternative_names = false; }));
  loaded = tls::Certificate::load(key_pair(named));
  ASSERT_TRUE(loaded);
  EXPECT_EQ((*loaded)->names(), std::vector<std::string>{"only.common"});
  auto expired = ca().issue({"old.example"}, pki::ecdsa, with([](auto& o) { o.valid_from = -99, o.valid_until = -9; }));
  loaded = tls::Certificate::load(key_pair(expired));
  ASSERT_TRUE(loaded) << loaded.error().message;  // the owner warns; old is better than none
  EXPECT_LT((*loaded)->not_after_unix(), time(nullptr));
  tls::KeyPair one{{leaf().key + leaf().certificate, "both"}, {leaf().certificate + leaf().key, "both"}};
  EXPECT_TRUE(tls::Certificate::load(one));  // certificate and key in one file
}

}  // namespace
}  // namespace cardea
