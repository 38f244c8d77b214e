// TLS handshakes that succeed: versions, resumption, the choice of certificate and protocol.
#include "tls_peer.h"

namespace cardea {
namespace {

// Handshakes.

struct VersionCase {
  int version;
  const char* text;
  size_t chunk;
};
struct Versions : TlsTest, testing::WithParamInterface<VersionCase> {};

TEST_P(Versions, OurServer) {
  chunk = GetParam().chunk;
  ours = server_context({key_pair(leaf())}, {"h2", "http/1.1"});
  Raw raw(false, loop);
  SSL_CTX_set_max_proto_version(raw.ctx, GetParam().version);
  SSL_set_tlsext_host_name(raw.prepare(), "a.example");
  auto ends = connect();
  server.take(ours->wrap(loop, std::move(ends[1])));
  raw.take(std::move(ends[0]));
  EXPECT_EQ(server.stream->tls(), nullptr);
  run();
  ASSERT_EQ(server.opens, 1) << server.error.text;
  ASSERT_TRUE(raw.open());
  EXPECT_STREQ(server.stream->tls()->version, GetParam().text);
  EXPECT_EQ(server.stream->tls()->sni, "a.example");
  EXPECT_TRUE(server.stream->tls()->sni_matched);
  EXPECT_FALSE(server.stream->tls()->resumed);
  EXPECT_EQ(server.stream->tls()->alpn, "");
  raw.write("ping");
  run();
  EXPECT_EQ(server.received, "ping");
  server.write("pong");
  run();
  EXPECT_EQ(raw.received, "pong");
  EXPECT_EQ(server.errors, 0);
}

TEST_P(Versions, OurClient) {
  chunk = GetParam().chunk;
  tls::ClientOptions options;
  options.ca = {{ca().certificate(), "ca.pem"}};
  theirs = client_context(options);
  Raw raw(true, loop);
  SSL_CTX_set_max_proto_version(raw.ctx, GetParam().version);
  raw.use(leaf());
  auto ends = connect();
  raw.take(std::move(ends[1]));
  client.take(theirs->wrap(loop, std::move(ends[0]), "A.example."));
  run();
  ASSERT_EQ(client.opens, 1) << client.error.text;
  EXPECT_STREQ(client.stream->tls()->version, GetParam().text);
  EXPECT_STREQ(SSL_get_servername(raw.ssl, TLSEXT_NAMETYPE_host_name), "a.example");
  client.write("ping");
  run();
  EXPECT_EQ(raw.received, "ping");
  raw.write("pong");
  run();
  EXPECT_EQ(client.received, "pong");
}

// A ticket resumes while its key lives, also after one rotation, and not after two.
TEST_P(Versions, TicketsAndTheirKeys) {
  chunk = GetParam().chunk;
  ours = server_context({key_pair(leaf())});
  constexpr Millis kHour = 3600 * 1000;
  auto visit = [&](SSL_SESSION* session, SSL_SESSION** next) {
    Raw raw(false, loop);
    SSL_CTX_set_max_proto_version(raw.ctx, GetParam().version);
    if (session) {  // a copy: OpenSSL marks the session that it used as spent
      SSL_SESSION* copy = SSL_SESSION_dup(session);
      SSL_set_session(raw.prepare(), copy);
      SSL_SESSION_free(copy);
    }
    auto ends = connect();
    Owner owner(loop);
    owner.take(ours->wrap(loop, std::move(ends[1])));
    raw.take(std::move(ends[0]));
    run();
    EXPECT_EQ(owner.opens, 1) << owner.error.text;
    bool resumed = owner.opens == 1 && owner.stream->tls()->resumed;
    EXPECT_EQ(SSL_session_reused(raw.ssl) == 1, resumed);
    if (next) *next = SSL_get1_session(raw.ssl);
    return resumed;
  };
  SSL_SESSION *old = nullptr, *renewed = nullptr;
  EXPECT_FALSE(visit(nullptr, &old));
  ASSERT_NE(old, nullptr);
  EXPECT_TRUE(visit(old, nullptr));
  clock.now += 13 * kHour;
  EXPECT_TRUE(visit(old, &renewed));  // under the previous key: works, and is renewed
  ASSERT_NE(renewed, nullptr);
  clock.now += 13 * kHour;
  EXPECT_FALSE(visit(old, nullptr));
  EXPECT_TRUE(visit(renewed, nullptr));
  clock.now += 48 * kHour;
  EXPECT_FALSE(visit(renewed, nullptr));
  SSL_SESSION_free(old);
  SSL_SESSION_free(renewed);
}

TEST_P(Versions, OurClientResumes) {
  chunk = GetParam().chunk;
  tls::ClientOptions options;
  options.ca = {{ca().certificate(), "ca.pem"}};
  theirs = client_context(options);
  Raw keys(true, loop);  // its context, and so its ticket keys, serves every visit
  SSL_CTX_set_max_proto_version(keys.ctx, GetParam().version);
  SSL_CTX_set_session_id_context(keys.ctx, reinterpret_cast<const unsigned char*>("t"), 1);
  keys.use(ca().issue({"a.example", "b.example"}));
  auto visit = [&](const char* name, const char* address) {
    Raw raw(true, loop);
    std::swap(raw.ctx, keys.ctx);
    auto ends = connect();
    static_cast<memory::Stream&>(*ends[0]).set_peer(*net::Address::parse(address));
    raw.take(std::move(ends[1]));
    Owner owner(loop);
    owner.take(theirs->wrap(loop, std::move(ends[0]), name));
    run();
    raw.write("x");  // a TLS 1.3 ticket comes with data at the latest
    run();
    EXPECT_EQ(owner.opens, 1) << owner.error.text;
    bool resumed = owner.opens == 1 && owner.stream->tls()->resumed;
    std::swap(raw.ctx, keys.ctx);
    return resumed;
  };
  EXPECT_FALSE(visit("a.example", "10.0.0.1:443"));
  EXPECT_TRUE(visit("a.example", "10.0.0.1:443"));
  EXPECT_TRUE(visit("a.example", "10.0.0.1:443"));
  EXPECT_FALSE(visit("b.example", "10.0.0.1:443"));
  EXPECT_FALSE(visit("a.example", "10.0.0.2:443"));
  EXPECT_TRUE(visit("b.example", "10.0.0.1:443"));
}

INSTANTIATE_TEST_SUITE_P(Tls, Versions,
                         testing::Values(VersionCase{TLS1_2_VERSION, "TLSv1.2", SIZE_MAX},
                                         VersionCase{TLS1_2_VERSION, "TLSv1.2", 1},
                                         VersionCase{TLS1_3_VERSION, "TLSv1.3", SIZE_MAX},
                                         VersionCase{TLS1_3_VERSION, "TLSv1.3", 1}),
                         [](const auto& info) {
                           return std::string(info.param.version == TLS1_2_VERSION ? "tls12" : "tls13") +
                                  (info.param.chunk == 1 ? "_bytewise" : "");
                         });

// Which certificate.

TEST_F(TlsTest, ServerNamePicksTheCertificate) {
  pki::IssueOptions named;
  named.common_name = "default";
  pki::Leaf first = ca().issue({"default.example"}, pki::ecdsa, named);
  named.common_name = "exact";
  pki::Leaf exact = ca().issue({"a.example", "w.b.example"}, pki::ecdsa, named);
  named.common_name = "wild";
  pki::Leaf wild = ca().issue({"*.b.example", "*.C.Example"}, pki::ecdsa, named);
  ours = server_context({key_pair(first), key_pair(exact), key_pair(wild)});
  struct {
    std::string sent;
    const char* served;
    bool matched;
    const char* name;
  } rows[] = {
      {"a.example", "exact", true, "a.example"},
      {"A.EXAMPLE", "exact", true, "a.example"},
      {"x.b.example", "wild", true, "x.b.example"},
      {"w.b.example", "exact", true, "w.b.example"},
      {"x.c.example", "wild", true, "x.c.example"},
      {"x.y.b.example", "default", false, "x.y.b.example"},
      {"b.example", "default", false, "b.example"},
      {"default.example", "default", true, "default.example"},
      {"unknown", "default", false, "unknown"},
      {"", "default", false, ""},
      {"10.0.0.1", "default", false, ""},
      {"*.b.example", "default", false, ""},
      {"a..example", "default", false, ""},
      {"a.example/..", "default", false, ""},
      {std::string(64, 'l') + ".b.example", "default", false, ""},
      {std::string(255, 'l'), "default", false, ""},
  };
  for (const auto& row : rows) {
    for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      Raw raw(false, loop);
      SSL_CTX_set_max_proto_version(raw.ctx, version);
      raw.prepare();
      if (!row.sent.empty()) {
        ASSERT_EQ(SSL_set_tlsext_host_name(raw.ssl, row.sent.c_str()), 1);
      }
      auto ends = connect();
      Owner owner(loop);
      owner.take(ours->wrap(loop, std::move(ends[1])));
      raw.take(std::move(ends[0]));
      run();
      ASSERT_EQ(owner.opens, 1) << row.sent << ": " << owner.error.text;
      EXPECT_EQ(raw.peer_name(), row.served) << row.sent;
      EXPECT_EQ(owner.stream->tls()->sni_matched, row.matched) << row.sent;
      EXPECT_EQ(owner.stream->tls()->sni, row.name) << row.sent;
    }
  }
}

TEST_F(TlsTest, ServerNameWithNulIsRefused) {
  ours = server_context({key_pair(leaf())});
  Raw raw(false, loop);
  SSL_set_tlsext_host_name(raw.prepare(), "a.exa?ple");
  auto ends = connect();
  wire[0]->tamper = [](std::string& bytes) {
    if (size_t at = bytes.find("a.exa?ple"); at != std::string::npos) bytes[at + 5] = '\0';
  };
  server.take(ours->wrap(loop, std::move(ends[1])));
  raw.take(std::move(ends[0]));
  run();
  EXPECT_EQ(server.opens, 0);
  EXPECT_EQ(server.errors, 1);
  EXPECT_NE(raw.reason, "");
}

TEST_F(TlsTest, KeyTypeFollowsWhatTheClientCanVerify) {
  ours = server_context({key_pair(rsa_leaf()), key_pair(leaf())});
  struct {
    int version;
    const char* algorithms;
    const char* suites;  // of TLS 1.2
    int key;
  } rows[] = {
      {TLS1_3_VERSION, "RSA-PSS+SHA256:RSA+SHA256", nullptr, EVP_PKEY_RSA},
      {TLS1_3_VERSION, "ECDSA+SHA256", nullptr, EVP_PKEY_EC},
      {TLS1_3_VERSION, "RSA-PSS+SHA256:ECDSA+SHA256", nullptr, EVP_PKEY_EC},
      {TLS1_2_VERSION, "RSA-PSS+SHA256:RSA+SHA256", nullptr, EVP_PKEY_RSA},
      {TLS1_2_VERSION, "ECDSA+SHA256", nullptr, EVP_PKEY_EC},
      {TLS1_2_VERSION, "RSA-PSS+SHA256:RSA+SHA256:ECDSA+SHA256", "ECDHE-RSA-AES128-GCM-SHA256", EVP_PKEY_RSA},
      {TLS1_2_VERSION, "RSA-PSS+SHA256:RSA+SHA256:ECDSA+SHA256", nullptr, EVP_PKEY_EC},
  };
  for (const char* name : {"a.example", "other.example"}) {  // by name and as the default
    for (const auto& row : rows) {
      Raw raw(false, loop);
      SSL_CTX_set_max_proto_version(raw.ctx, row.version);
      ASSERT_EQ(SSL_CTX_set1_sigalgs_list(raw.ctx, row.algorithms), 1);
      if (row.suites) SSL_CTX_set_cipher_list(raw.ctx, row.suites);
      SSL_set_tlsext_host_name(raw.prepare(), name);
      auto ends = connect();
      Owner owner(loop);
      owner.take(ours->wrap(loop, std::move(ends[1])));
      raw.take(std::move(ends[0]));
      run();
      ASSERT_EQ(owner.opens, 1) << row.algorithms << ": " << owner.error.text;
      EXPECT_EQ(raw.peer_key(), row.key) << row.version << " " << row.algorithms;
    }
  }
}

TEST_F(TlsTest, NoCertificateMeansSelfMadeOne) {
  ours = server_context({});
  tls::ClientOptions options;
  options.verify = false;
  theirs = client_context(options);
  both("whatever.example");
  run();
  ASSERT_EQ(client.opens, 1) << client.error.text;
  EXPECT_TRUE(server.stream->tls()->sni_matched);
  EXPECT_EQ(server.stream->tls()->sni, "whatever.example");
}

TEST_F(TlsTest, AlpnMatrix) {
  struct {
    std::vector<std::string> server, client;
    const char* chosen;  // nullptr: refused
  } rows[] = {
      {{"h2", "http/1.1"}, {"http/1.1", "h2"}, "h2"},
      {{"http/1.1", "h2"}, {"h2", "http/1.1"}, "http/1.1"},
      {{"h2", "http/1.1"}, {"http/1.1"}, "http/1.1"},
      {{"h2", "http/1.1"}, {"spdy/3", "http/1.1"}, "http/1.1"},
      {{"h2", "http/1.1"}, {}, ""},
      {{}, {"h2"}, ""},
      {{"h2", "http/1.1"}, {"foo"}, nullptr},
      {{"h2", "http/1.1"}, {"h"}, nullptr},
      {{"h2"}, {"h2c", "http/1.1"}, nullptr},
  };
  for (const auto& row : rows) {
    auto context = server_context({key_pair(leaf())}, row.server);
    tls::ClientOptions options;
    options.ca = {{ca().certificate(), "ca.pem"}};
    options.alpn = row.client;
    auto ends = connect();
    Owner s(loop), c(loop);
    s.take(context->wrap(loop, std::move(ends[1])));
    c.take(client_context(options)->wrap(loop, std::move(ends[0]), "a.example"));
    run();
    std::string label = (row.client.empty() ? "none" : row.client[0]);
    if (row.chosen) {
      ASSERT_EQ(s.opens + c.opens, 2) << label << s.error.text << c.error.text;
      EXPECT_EQ(s.stream->tls()->alpn, row.chosen) << label;
      EXPECT_EQ(c.stream->tls()->alpn, row.chosen) << label;
    } else {
      EXPECT_EQ(s.opens + c.opens, 0) << label;
      EXPECT_EQ(s.error.kind, net::StreamError::tls_handshake);
      EXPECT_NE(c.error.text.find("no application protocol"), std::string::npos) << c.error.text;
    }
  }
}

}  // namespace
}  // namespace cardea
