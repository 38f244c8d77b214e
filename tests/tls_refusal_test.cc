// What ends a TLS connection with an alert: old versions, weak suites, garbage, renegotiation, endless key updates.
#include "tls_peer.h"

namespace cardea {
namespace {

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

}  // namespace
}  // namespace cardea
