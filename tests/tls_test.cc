// TLS streams: handshakes, data, ends and failures, against ourselves and against plain OpenSSL.
#include <atomic>
#include <thread>

#include "tls_peer.h"

namespace cardea {
namespace {

std::string pattern(size_t n) {
  std::string text(n, '\0');
  for (size_t i = 0; i < n; ++i) text[i] = char(i * 7 + i / 251);
  return text;
}
size_t count_records(const std::string& wire) {  // of application data
  size_t n = 0;
  for (size_t at = 0; at + 5 <= wire.size();) {
    n += wire[at] == 23;
    at += 5 + (size_t(uint8_t(wire[at + 3])) << 8 | uint8_t(wire[at + 4]));
  }
  return n;
}

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

// Refusals.

TEST_F(TlsTest, OldVersionsAndWeakSuitesAreRefusedWithAnAlert) {
  ours = server_context({key_pair(rsa_leaf()), key_pair(leaf())});
  struct {
    int version;
    const char* suites;
    const char* reason;
  } rows[] = {
      {TLS1_VERSION, "ALL:@SECLEVEL=0", "tlsv1 alert protocol version"},
      {TLS1_1_VERSION, "ALL:@SECLEVEL=0", "tlsv1 alert protocol version"},
      {TLS1_2_VERSION, "ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA", "sslv3 alert handshake failure"},
      {TLS1_2_VERSION, "AES256-GCM-SHA384:AES128-SHA", "sslv3 alert handshake failure"},
      {TLS1_2_VERSION, "NULL:aNULL:@SECLEVEL=0", "sslv3 alert handshake failure"},
      {TLS1_2_VERSION, "DHE-RSA-AES256-GCM-SHA384", "sslv3 alert handshake failure"},
  };
  for (const auto& row : rows) {
    Raw raw(false, loop);
    SSL_CTX_set_min_proto_version(raw.ctx, row.version);
    SSL_CTX_set_max_proto_version(raw.ctx, row.version);
    ASSERT_EQ(SSL_CTX_set_cipher_list(raw.ctx, row.suites), 1);
    auto ends = connect();
    Owner owner(loop);
    owner.at_error = [&] { owner.leave(); };  // the alert must be on its way by now
    owner.take(ours->wrap(loop, std::move(ends[1])));
    raw.take(std::move(ends[0]));
    run();
    EXPECT_EQ(owner.opens, 0) << row.suites;
    EXPECT_EQ(owner.errors, 1);
    EXPECT_EQ(owner.error.kind, net::StreamError::tls_handshake);
    EXPECT_NE(owner.error.code, 0);
    EXPECT_EQ(raw.reason, row.reason) << row.suites;
  }
}

TEST_F(TlsTest, OurClientRefusesOldServers) {
  tls::ClientOptions options;
  options.ca = {{ca().certificate(), "ca.pem"}};
  theirs = client_context(options);
  struct {
    int version;
    const char* suites;
  } rows[] = {{TLS1_1_VERSION, "ALL:@SECLEVEL=0"}, {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA384"}};
  for (const auto& row : rows) {
    Raw raw(true, loop);
    SSL_CTX_set_min_proto_version(raw.ctx, row.version);
    SSL_CTX_set_max_proto_version(raw.ctx, row.version);
    ASSERT_EQ(SSL_CTX_set_cipher_list(raw.ctx, row.suites), 1);
    raw.use(leaf());
    auto ends = connect();
    raw.take(std::move(ends[1]));
    Owner owner(loop);
    owner.take(theirs->wrap(loop, std::move(ends[0]), "a.example"));
    run();
    EXPECT_EQ(owner.opens, 0) << row.suites;
    EXPECT_EQ(owner.error.kind, net::StreamError::tls_handshake);
  }
}

TEST_F(TlsTest, GarbageInsteadOfAClientHello) {
  ours = server_context({key_pair(leaf())});
  std::string oversized = std::string("\x16\x03\x01\x44\x01", 5) + std::string(0x4401, 'a');
  const std::string rows[] = {"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
                              "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                              std::string(4096, '\0'),
                              pattern(3000),
                              oversized,
                              std::string("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", 11) + std::string(60, 'x')};
  for (const std::string& row : rows) {
    for (size_t step : {SIZE_MAX, size_t{1}}) {
      chunk = step;
      auto ends = connect();
      Owner plain(loop), owner(loop);
      owner.at_error = [&] { owner.leave(); };
      owner.take(ours->wrap(loop, std::move(ends[1])));
      plain.take(std::move(ends[0]));
      plain.write(row);
      run();
      EXPECT_EQ(owner.errors, 1) << row.substr(0, 20);
      EXPECT_EQ(owner.error.kind, net::StreamError::tls_handshake);
      EXPECT_EQ(plain.eofs, 1);
    }
  }
  EXPECT_EQ(ERR_peek_error(), 0u);  // nothing is left for the host to stumble over
}

TEST_F(TlsTest, RenegotiationIsRefused) {
  ours = server_context({key_pair(leaf())});
  Raw raw(false, loop);
  SSL_CTX_set_max_proto_version(raw.ctx, TLS1_2_VERSION);
  auto ends = connect();
  server.take(ours->wrap(loop, std::move(ends[1])));
  raw.take(std::move(ends[0]));
  run();
  ASSERT_EQ(server.opens, 1);
  size_t before = wire[1]->sent.size();
  SSL_renegotiate(raw.ssl);
  raw.step();
  run();
  EXPECT_EQ(server.opens, 1);
  EXPECT_LT(wire[1]->sent.size() - before, 100u);  // an alert, no second handshake
}

TEST_F(TlsTest, EndlessKeyUpdatesEndTheConnection) {
  ours = server_context({key_pair(leaf())});
  Raw raw(false, loop);
  auto ends = connect();
  server.take(ours->wrap(loop, std::move(ends[1])));
  raw.take(std::move(ends[0]));
  run();
  for (int i = 0; i < 100; ++i) {  // with data between them they are fine
    SSL_key_update(raw.ssl, SSL_KEY_UPDATE_REQUESTED);
    raw.write("a");
    run();
  }
  ASSERT_EQ(server.errors, 0) << server.error.text;
  EXPECT_EQ(server.received, std::string(100, 'a'));
  server.write("still here");
  run();
  EXPECT_EQ(raw.received, "still here");
  for (int i = 0; i < 100; ++i) {
    SSL_key_update(raw.ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
    SSL_do_handshake(raw.ssl);
  }
  raw.flush();
  run();
  EXPECT_EQ(server.errors, 1);
  EXPECT_EQ(server.error.kind, net::StreamError::tls_protocol);
  EXPECT_EQ(server.received.size(), 100u);
}

// Verification by our client.

struct VerifyCase {
  const char* label;
  std::vector<std::string> names;
  const char* asked;
  pki::IssueOptions options;
  int code;  // X509_V_OK: accepted
};
struct Verify : TlsTest, testing::WithParamInterface<VerifyCase> {};

TEST_P(Verify, ByOurClient) {
  const VerifyCase& row = GetParam();
  ours = server_context({});
  pki::Leaf made = ca().intermediate().issue(row.names, pki::ecdsa, row.options);
  Raw raw(true, loop);
  raw.use(made);
  tls::ClientOptions options;
  options.ca = {{ca().certificate(), "ca.pem"}};
  for (bool verify : {true, false}) {
    options.verify = verify;
    auto context = client_context(options);
    Raw peer(true, loop);
    peer.use(made);
    auto ends = connect();
    peer.take(std::move(ends[1]));
    Owner owner(loop);
    owner.take(context->wrap(loop, std::move(ends[0]), row.asked));
    EXPECT_EQ(owner.errors, 0);  // never from inside wrap()
    run();
    bool accepted = !verify || row.code == X509_V_OK;
    EXPECT_EQ(owner.opens, accepted ? 1 : 0) << owner.error.text;
    EXPECT_EQ(owner.errors, accepted ? 0 : 1);
    if (accepted) continue;
    EXPECT_EQ(owner.error.kind, net::StreamError::tls_verify) << owner.error.text;
    EXPECT_EQ(owner.error.code, row.code) << owner.error.text;
    EXPECT_NE(owner.error.text, "");
  }
}

pki::IssueOptions with(std::function<void(pki::IssueOptions&)> change) {
  pki::IssueOptions options;
  change(options);
  return options;
}
INSTANTIATE_TEST_SUITE_P(
    Tls, Verify,
    testing::Values(VerifyCase{"name", {"a.example"}, "a.example", {}, X509_V_OK},
                    VerifyCase{"case_and_dot", {"a.example"}, "A.Example.", {}, X509_V_OK},
                    VerifyCase{"wildcard", {"*.a.example"}, "x.a.example", {}, X509_V_OK},
                    VerifyCase{
                        "wildcard_two_labels", {"*.a.example"}, "y.x.a.example", {}, X509_V_ERR_HOSTNAME_MISMATCH},
                    VerifyCase{"wildcard_itself", {"*.a.example"}, "a.example", {}, X509_V_ERR_HOSTNAME_MISMATCH},
                    VerifyCase{"partial_wildcard", {"x*.a.example"}, "xy.a.example", {}, X509_V_ERR_HOSTNAME_MISMATCH},
                    VerifyCase{"other_name", {"b.example"}, "a.example", {}, X509_V_ERR_HOSTNAME_MISMATCH},
                    VerifyCase{"ipv4", {"127.0.0.1"}, "127.0.0.1", {}, X509_V_OK},
                    VerifyCase{"ipv6", {"::1"}, "[::1]", {}, X509_V_OK},
                    VerifyCase{"ip_is_no_name", {"a.example"}, "127.0.0.1", {}, X509_V_ERR_IP_ADDRESS_MISMATCH},
                    VerifyCase{"no_name", {"a.example"}, "", {}, X509_V_ERR_HOSTNAME_MISMATCH},
                    VerifyCase{"bad_name", {"a.example"}, "a example", {}, X509_V_ERR_HOSTNAME_MISMATCH},
                    VerifyCase{"common_name_only",
                               {"a.example"},
                               "a.example",
                               with([](auto& o) { o.alternative_names = false; }),
                               X509_V_ERR_HOSTNAME_MISMATCH},
                    VerifyCase{"expired",
                               {"a.example"},
                               "a.example",
                               with([](auto& o) { o.valid_from = -7200, o.valid_until = -3600; }),
                               X509_V_ERR_CERT_HAS_EXPIRED},
                    VerifyCase{"not_yet",
                               {"a.example"},
                               "a.example",
                               with([](auto& o) { o.valid_from = 3600; }),
                               X509_V_ERR_CERT_NOT_YET_VALID},
                    VerifyCase{"wrong_usage",
                               {"a.example"},
                               "a.example",
                               with([](auto& o) { o.usage = "clientAuth"; }),
                               X509_V_ERR_INVALID_PURPOSE}),
    [](const auto& info) { return std::string(info.param.label); });

TEST_F(TlsTest, OnlyListedRootsAreTrusted) {
  pki::Authority other("Other Root");
  pki::Authority below = other.intermediate();
  pki::Leaf made = below.issue({"a.example"});
  struct {
    const char* label;
    std::vector<tls::Pem> ca, extra;
    bool trusted;
  } rows[] = {
      {"system's roots", {}, {}, false},
      {"another root", {{ca().certificate(), "ca"}}, {}, false},
      {"extra root", {}, {{other.certificate(), "extra"}}, true},
      {"both", {{ca().certificate(), "ca"}}, {{other.certificate(), "extra"}}, true},
      {"bundle", {{ca().certificate() + other.certificate(), "bundle"}}, {}, true},
      {"only the intermediate", {{below.certificate(), "ca"}}, {}, true},
      {"the leaf itself", {{made.certificate, "ca"}}, {}, true},
  };
  for (const auto& row : rows) {
    tls::ClientOptions options;
    options.ca = row.ca;
    options.extra_ca = row.extra;
    Raw raw(true, loop);
    raw.use(made);
    auto ends = connect();
    raw.take(std::move(ends[1]));
    Owner owner(loop);
    owner.at_error = [&] { owner.leave(); };
    owner.take(client_context(options)->wrap(loop, std::move(ends[0]), "a.example"));
    run();
    EXPECT_EQ(owner.opens, row.trusted ? 1 : 0) << row.label << owner.error.text;
    if (row.trusted) continue;
    EXPECT_EQ(owner.error.kind, net::StreamError::tls_verify) << row.label;
    EXPECT_EQ(owner.error.code, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY) << owner.error.text;
    EXPECT_EQ(raw.reason, "tlsv1 alert unknown ca");
  }
}

TEST_F(TlsTest, ClientCertificate) {
  pki::Leaf own = ca().issue({"proxy.example"}, pki::ecdsa, with([](auto& o) { o.usage = "clientAuth"; }));
  for (bool present : {true, false}) {
    tls::ClientOptions options;
    options.ca = {{ca().certificate(), "ca.pem"}};
    if (present) options.certificate = key_pair(own);
    Raw raw(true, loop);
    raw.use(leaf());
    SSL_CTX_set_verify(raw.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       [](int, X509_STORE_CTX*) { return 1; });
    auto ends = connect();
    raw.take(std::move(ends[1]));
    Owner owner(loop);
    owner.take(client_context(options)->wrap(loop, std::move(ends[0]), "a.example"));
    run();
    EXPECT_EQ(raw.open(), present);
    EXPECT_EQ(owner.errors, present ? 0 : 1);
    if (present) {
      EXPECT_EQ(raw.peer_name(), "proxy.example");
    } else {
      EXPECT_NE(owner.error.text.find("certificate required"), std::string::npos) << owner.error.text;
    }
  }
}

// Data.

TEST_F(TlsTest, MebibyteBothWaysThroughANarrowWire) {
  window = 3000;
  chunk = 1500;
  std::string up = pattern(1 << 20), down = pattern((1 << 20) + 12345);
  both();
  client.write(up);  // before the handshake: kept, sent, told as queued
  EXPECT_GE(client.stream->queued(), up.size());
  run();
  ASSERT_EQ(server.opens, 1) << server.error.text;
  EXPECT_EQ(server.received, up);
  EXPECT_GE(client.drains, 1);
  EXPECT_EQ(client.stream->queued(), 0u);
  server.write(down);
  EXPECT_GT(server.stream->queued(), down.size() - window);
  run();
  EXPECT_EQ(client.received, down);
  EXPECT_EQ(server.drains, 2);  // the other one: the ticket
  EXPECT_EQ(server.stream->queued(), 0u);
}

TEST_F(TlsTest, HeadAndBodyShareOneRecordAndOneWrite) {
  both();
  run();
  struct {
    std::vector<size_t> sizes;
    size_t records;
  } rows[] = {{{100}, 1},
              {{200, 1024}, 1},
              {{10, 0, 20, 30}, 1},
              {{16384}, 1},
              {{200, 16384}, 2},
              {{16385}, 2},
              {{65536}, 4},
              {{200, 65536}, 5},
              {{9, 65536, 9}, 5},
              {{8000, 8000, 384}, 1},
              {{8000, 8000, 400, 1}, 2},
              {{0}, 0},
              {{0, 16384, 0}, 1}};
  std::string body = pattern(65536 + 100);
  for (const auto& row : rows) {
    std::vector<net::Slice> slices;
    std::string expected;
    size_t at = 0;
    for (size_t n : row.sizes) {
      slices.push_back({body.data() + at % 100, n});
      expected.append(slices.back().data, n);
      at += 7;
    }
    wire[1]->writes = 0;
    wire[1]->sent.clear();
    client.received.clear();
    client.reads = 0;
    server.stream->write(slices.data(), slices.size());
    EXPECT_EQ(wire[1]->writes, row.records ? 1u : 0u);
    EXPECT_EQ(count_records(wire[1]->sent), row.records) << row.sizes[0];
    run();
    EXPECT_EQ(client.received, expected);
  }
}

TEST_F(TlsTest, ManyRecordsBecomeOneRead) {
  both();
  run();
  client.reads = 0;
  server.write(pattern(60000));
  run();
  EXPECT_EQ(client.received, pattern(60000));
  EXPECT_EQ(client.reads, 1);
}

TEST_F(TlsTest, FinishedAndFirstRequestLeaveTogether) {
  client.at_open = [&] { client.write("GET"); };
  both();
  run();
  EXPECT_EQ(server.received, "GET");
  EXPECT_EQ(wire[0]->writes, 2u);  // ClientHello; Finished with the request
}

TEST_F(TlsTest, StopReadInTheMiddleKeepsTheRest) {
  both();
  run();
  std::string text = pattern(40000);
  client.stream->start_read(1000);
  client.at_data = [&] { client.stream->stop_read(); };
  server.write(text);
  size_t rounds = 0;
  run();
  while (client.received.size() < text.size() && ++rounds < 100) {
    EXPECT_EQ(client.received.size(), rounds * 1000);
    EXPECT_FALSE(wire[0]->reading);
    client.stream->start_read(1000);
    EXPECT_EQ(client.received.size(), rounds * 1000);  // a later turn, never inside the call
    run();
  }
  EXPECT_EQ(client.received, text);
  EXPECT_EQ(client.largest, 1000u);
  EXPECT_EQ(client.reads, 40);
  server.stream->shutdown();
  run();
  EXPECT_EQ(client.eofs, 0);  // unseen while reading is stopped
  client.stream->start_read(1000);
  run();
  EXPECT_EQ(client.eofs, 1);
  EXPECT_EQ(client.errors, 0);
}

TEST_F(TlsTest, DataWithTheHandshakeWaitsForAReader) {
  ours = server_context({key_pair(leaf())});
  tls::ClientOptions options;
  options.ca = {{ca().certificate(), "ca.pem"}};
  theirs = client_context(options);
  auto ends = connect();
  server.take(ours->wrap(loop, std::move(ends[1])), 0);
  client.take(theirs->wrap(loop, std::move(ends[0]), "a.example"));
  client.write("early");
  run();
  EXPECT_EQ(server.opens, 1);
  EXPECT_EQ(server.received, "");
  EXPECT_FALSE(wire[1]->reading);
  server.stream->start_read(3);
  run();
  EXPECT_EQ(server.received, "early");
  EXPECT_EQ(server.reads, 2);
}

TEST_F(TlsTest, ReplyFromInsideOnData) {
  both();
  run();
  server.at_data = [&] { server.write("pong"); };
  size_t writes = wire[1]->writes;
  client.write("ping");
  run();
  EXPECT_EQ(client.received, "pong");
  EXPECT_EQ(wire[1]->writes, writes + 1);
  EXPECT_EQ(server.stream->queued(), 0u);
}

// Ends.

TEST_F(TlsTest, CloseNotifyIsAnEnd) {
  both();
  run();
  client.write("last words");
  client.stream->shutdown();
  client.write("nobody hears this");
  client.stream->shutdown();
  EXPECT_TRUE(wire[0]->fin);
  run();
  EXPECT_EQ(server.received, "last words");
  EXPECT_EQ(server.eofs, 1);
  EXPECT_EQ(server.errors, 0);
  server.write("answer");  // the other direction is still open
  run();
  EXPECT_EQ(client.received, "answer");
  server.stream->shutdown();
  run();
  EXPECT_EQ(client.eofs, 1);
  EXPECT_EQ(client.errors, 0);
}

TEST_F(TlsTest, ShutdownBeforeTheHandshakeIsDone) {
  both();
  client.write("hello");
  client.stream->shutdown();
  EXPECT_FALSE(wire[0]->fin);
  run();
  EXPECT_EQ(server.received, "hello");
  EXPECT_EQ(server.eofs, 1);
  EXPECT_TRUE(wire[0]->fin);
}

TEST_F(TlsTest, EndWithoutCloseNotifyIsTruncation) {
  both();
  run();
  client.write("half a mess");
  client.stream.reset();
  run();
  EXPECT_EQ(server.received, "half a mess");
  EXPECT_EQ(server.eofs, 0);
  EXPECT_EQ(server.errors, 1);
  EXPECT_EQ(server.error.kind, net::StreamError::tls_protocol);
  EXPECT_NE(server.error.text.find("truncated"), std::string::npos);
}

TEST_F(TlsTest, EndDuringTheHandshake) {
  ours = server_context({key_pair(leaf())});
  auto ends = connect();
  server.take(ours->wrap(loop, std::move(ends[1])));
  Owner plain(loop);
  plain.take(std::move(ends[0]));
  plain.write(Bytes("\x16\x03\x01", 3));
  plain.stream->shutdown();
  run();
  EXPECT_EQ(server.errors, 1);
  EXPECT_EQ(server.error.kind, net::StreamError::tls_handshake);
}

TEST_F(TlsTest, DamagedRecordEndsTheConnection) {
  both();
  run();
  wire[0]->tamper = [](std::string& bytes) { bytes.back() ^= 1; };
  client.write("to be damaged");
  run();
  EXPECT_EQ(server.received, "");
  EXPECT_EQ(server.errors, 1);
  EXPECT_EQ(server.error.kind, net::StreamError::tls_protocol);
  EXPECT_EQ(client.errors, 1);
  EXPECT_NE(client.error.text.find("bad record mac"), std::string::npos) << client.error.text;
  server.write("ignored");
  server.stream->shutdown();
  run();
  EXPECT_EQ(client.received, "");
}

TEST_F(TlsTest, DataBeforeDamageIsDelivered) {
  both();
  run();
  size_t seen = 0;
  wire[0]->tamper = [&](std::string& bytes) {
    if (++seen == 2) bytes.back() ^= 1;
  };
  client.write("good");
  client.write("bad");
  run();
  EXPECT_EQ(server.received, "good");
  EXPECT_EQ(server.errors, 1);
}

// Every event may be the stream's last; the sanitizer is the judge.
TEST_F(TlsTest, LeavingInsideEveryEvent) {
  for (int event = 0; event < 5; ++event) {
    for (size_t step : {SIZE_MAX, size_t{1}}) {
      chunk = step;
      window = event == 3 ? 500 : SIZE_MAX;
      Owner c(loop), s(loop);
      std::function<void()>* hooks[] = {&s.at_open, &s.at_data, &s.at_eof, &s.at_drained, &s.at_error};
      *hooks[event] = [&] { s.leave(); };
      both();
      client.stream.reset();
      server.stream.reset();
      auto ends = connect();
      s.take(ours->wrap(loop, std::move(ends[1])), 100);
      c.take(theirs->wrap(loop, std::move(ends[0]), "a.example"));
      c.write(pattern(1000));
      run();
      if (event == 2) c.stream->shutdown();
      if (event == 3 && s.stream) s.write(pattern(100000));
      if (event == 4) c.stream.reset();
      run();
      EXPECT_EQ(s.stream, nullptr) << event;
      EXPECT_FALSE(wire[1]->alive) << event;
      if (event == 1) {
        EXPECT_EQ(s.reads, 1);
      }
    }
  }
}

TEST_F(TlsTest, DeletingBetweenTurnsForgetsWhatWaits) {
  both();
  run();
  client.stream->start_read(10);
  client.at_data = [&] { client.stream->stop_read(); };
  server.write(pattern(100));
  run();
  client.stream->start_read(10);
  client.stream.reset();
  run();
  EXPECT_EQ(client.received.size(), 10u);
}

TEST_F(TlsTest, TlsInsideTls) {
  both();
  run();
  Owner c(loop), s(loop);
  s.take(ours->wrap(loop, std::move(server.stream)));
  c.take(theirs->wrap(loop, std::move(client.stream), "a.example"));
  run();
  ASSERT_EQ(c.opens + s.opens, 2) << c.error.text << s.error.text;
  c.write(pattern(100000));
  run();
  EXPECT_EQ(s.received, pattern(100000));
  c.stream->shutdown();
  run();
  EXPECT_EQ(s.eofs, 1);
}

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
