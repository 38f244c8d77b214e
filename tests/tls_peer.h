// The fixture of the TLS tests: both ends of a connection in memory, each ours or plain OpenSSL's.
#pragma once

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <functional>
#include <string>

#include "memory_stream.h"
#include "pki.h"
#include "tls/tls.h"

namespace cardea {

inline tls::KeyPair key_pair(const pki::Leaf& leaf) {
  return {{leaf.certificate, "leaf.pem"}, {leaf.key, "leaf.key"}};
}

inline std::string pattern(size_t n) {
  std::string text(n, '\0');
  for (size_t i = 0; i < n; ++i) text[i] = char(i * 7 + i / 251);
  return text;
}
inline pki::IssueOptions with(std::function<void(pki::IssueOptions&)> change) {
  pki::IssueOptions options;
  change(options);
  return options;
}

// The owner of one of our streams: records what it is told, and acts when told to.
struct Owner : net::StreamEvents {
  explicit Owner(net::Loop& l) : loop(l) {}

  void on_open() override {
    ++opens;
    if (at_open) at_open();
  }
  void on_data(char* bytes, size_t n) override {
    ++reads;
    largest = std::max(largest, n);
    received.append(bytes, n);
    memset(bytes, 'x', n);  // the bytes are the reader's to change
    if (at_data) at_data();
  }
  void on_eof() override {
    ++eofs;
    if (at_eof) at_eof();
  }
  void on_drained() override {
    ++drains;
    if (at_drained) at_drained();
  }
  void on_error(const net::StreamError& e) override {
    ++errors;
    error = e;
    if (at_error) at_error();
  }

  void take(std::unique_ptr<net::Stream> s, size_t max_bytes = 65536) {
    stream = std::move(s);
    stream->set_events(this);
    if (max_bytes) stream->start_read(max_bytes);
  }
  void write(Bytes text) {
    net::Slice slice{text.data(), text.size()};
    stream->write(&slice, 1);
  }
  void leave() {
    stream->set_events(nullptr);
    loop.defer_delete(std::move(stream));
  }

  net::Loop& loop;
  std::unique_ptr<net::Stream> stream;
  std::string received;
  net::StreamError error;
  int opens = 0, reads = 0, eofs = 0, drains = 0, errors = 0;
  size_t largest = 0;
  std::function<void()> at_open, at_data, at_eof, at_drained, at_error;
};

// Plain OpenSSL on the other end, so that our ends are not only tested against each other.
struct Raw : net::StreamEvents {
  explicit Raw(bool server, net::Loop&) : ctx(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method())) {
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_BOTH | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_ex_data(ctx, 0, this);
    SSL_CTX_sess_set_new_cb(ctx, [](SSL* ssl, SSL_SESSION* s) {
      auto* self = static_cast<Raw*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0));
      SSL_SESSION_free(self->session);
      self->session = s;
      return 1;
    });
    is_server = server;
  }
  ~Raw() {
    if (ssl) SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN);  // or OpenSSL would spoil the session that a test keeps
    SSL_free(ssl);
    SSL_SESSION_free(session);
    SSL_CTX_free(ctx);
  }
  void use(const pki::Leaf& leaf) {
    BIO* bio = BIO_new_mem_buf(leaf.certificate.data(), int(leaf.certificate.size()));
    X509* x = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    STACK_OF(X509)* chain = sk_X509_new_null();
    while (X509* more = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr)) sk_X509_push(chain, more);
    BIO_free(bio);
    bio = BIO_new_mem_buf(leaf.key.data(), int(leaf.key.size()));
    EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    ASSERT_EQ(SSL_CTX_use_cert_and_key(ctx, x, key, chain, 1), 1);
    EVP_PKEY_free(key);
    X509_free(x);
    sk_X509_pop_free(chain, X509_free);
  }
  SSL* prepare() {  // for settings of one connection, before take()
    ssl = SSL_new(ctx);
    is_server ? SSL_set_accept_state(ssl) : SSL_set_connect_state(ssl);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    return ssl;
  }
  void take(std::unique_ptr<net::Stream> s) {
    if (!ssl) prepare();
    stream = std::move(s);
    stream->set_events(this);
    stream->start_read(65536);
    step();
  }
  void step() {
    ERR_clear_error();
    int ret = SSL_do_handshake(ssl);
    char bytes[4096];
    while (ret > 0 && (ret = SSL_read(ssl, bytes, sizeof bytes)) > 0) received.append(bytes, size_t(ret));
    if (SSL_get_error(ssl, ret) == SSL_ERROR_SSL && reason.empty()) {
      const char* text = ERR_reason_error_string(ERR_peek_error());
      reason = text ? text : "?";
    }
    flush();
  }
  void flush() {
    char bytes[16384];
    int n;
    while ((n = BIO_read(SSL_get_wbio(ssl), bytes, sizeof bytes)) > 0) {
      net::Slice slice{bytes, size_t(n)};
      stream->write(&slice, 1);
    }
  }
  void write(Bytes text) {
    SSL_write(ssl, text.data(), int(text.size()));
    flush();
  }
  void on_data(char* bytes, size_t n) override {
    BIO_write(SSL_get_rbio(ssl), bytes, int(n));
    step();
  }
  void on_eof() override { ++eofs; }
  void on_drained() override {}
  void on_error(const net::StreamError&) override {}
  bool open() const { return ssl && SSL_is_init_finished(ssl); }
  std::string peer_name() const {
    char text[256] = "";
    if (X509* x = SSL_get0_peer_certificate(ssl))
      X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, text, sizeof text);
    return text;
  }
  int peer_key() const { return EVP_PKEY_get_base_id(X509_get0_pubkey(SSL_get0_peer_certificate(ssl))); }

  SSL_CTX* ctx;
  SSL* ssl = nullptr;
  SSL_SESSION* session = nullptr;
  bool is_server = false;
  std::unique_ptr<net::Stream> stream;
  std::string received;
  std::string reason;  // of the first failure
  int eofs = 0;
};

struct TlsWorld {
  // The two ends of a new connection: [0] for the client, [1] for the server.
  std::array<std::unique_ptr<net::Stream>, 2> connect() {
    std::array<std::unique_ptr<net::Stream>, 2> ends;
    memory::Stream* raw[2];
    for (int i = 0; i < 2; ++i) {
      wire[i] = std::make_shared<memory::Wire>();
      wire[i]->chunk = chunk;
      wire[i]->window = window;
      auto stream = std::make_unique<memory::Stream>(wire[i]);
      raw[i] = stream.get();
      links.push_back({raw[i], wire[i]});
      ends[size_t(i)] = std::move(stream);
    }
    memory::Stream::join(*raw[0], *raw[1]);
    return ends;
  }
  // Until nothing moves any more.
  void run() {
    for (bool worked = true; worked;) {
      loop.run_due();
      worked = false;
      for (size_t i = 0; i < links.size(); ++i) {
        if (links[i].second->alive) worked |= links[i].first->step(loop);
      }
      if (!worked && loop.next_deadline() != 0 && loop.next_deadline() <= loop.now()) worked = true;
      if (!worked && ++idle < 3) {
        clock.now += 1;
        worked = true;
      } else if (worked) {
        idle = 0;
      }
    }
    idle = 0;
  }
  std::shared_ptr<const tls::ServerContext> server_context(std::vector<tls::KeyPair> certificates,
                                                           std::vector<std::string> alpn = {}) {
    auto made = tls::ServerContext::make({std::move(certificates), std::move(alpn)});
    EXPECT_TRUE(made) << (made ? "" : made.error().message);
    return *made;
  }
  std::shared_ptr<const tls::ClientContext> client_context(tls::ClientOptions options) {
    auto made = tls::ClientContext::make(options);
    EXPECT_TRUE(made) << (made ? "" : made.error().message);
    return *made;
  }
  // Both ends ours, trusting `ca`.
  void both(const std::string& name = "a.example") {
    if (!ours) ours = server_context({key_pair(ca().issue({"a.example"}))}, {"h2", "http/1.1"});
    if (!theirs) {
      tls::ClientOptions options;
      options.ca = {{ca().certificate(), "ca.pem"}};
      options.alpn = {"h2"};
      theirs = client_context(options);
    }
    auto ends = connect();
    server.take(ours->wrap(loop, std::move(ends[1])));
    client.take(theirs->wrap(loop, std::move(ends[0]), name));
  }
  static const pki::Authority& ca() {
    static const pki::Authority authority;
    return authority;
  }
  static const pki::Leaf& leaf() {
    static const pki::Leaf made = ca().issue({"a.example"});
    return made;
  }
  static const pki::Leaf& rsa_leaf() {
    static const pki::Leaf made = ca().issue({"a.example"}, pki::rsa);
    return made;
  }

  memory::ManualClock clock;
  memory::Loop loop{clock};
  size_t chunk = SIZE_MAX, window = SIZE_MAX;
  std::shared_ptr<memory::Wire> wire[2];  // of the last connect()
  std::vector<std::pair<memory::Stream*, std::shared_ptr<memory::Wire>>> links;
  std::shared_ptr<const tls::ServerContext> ours;
  std::shared_ptr<const tls::ClientContext> theirs;
  Owner client{loop}, server{loop};
  int idle = 0;
};
struct TlsTest : TlsWorld, testing::Test {};

}  // namespace cardea
