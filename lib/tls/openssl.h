// Private to lib/tls: owners of OpenSSL's objects, and what contexts and streams share.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "tls/tls.h"

namespace cardea::tls {

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* p) const {
    kFree(p);
  }
};
inline void free_chain(STACK_OF(X509) * chain) {
  sk_X509_pop_free(chain, X509_free);
}

using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using SslPtr = std::unique_ptr<SSL, Freed<SSL_free>>;
using SslCtxPtr = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using SessionPtr = std::unique_ptr<SSL_SESSION, Freed<SSL_SESSION_free>>;
using X509Ptr = std::unique_ptr<X509, Freed<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using ChainPtr = std::unique_ptr<STACK_OF(X509), Freed<free_chain>>;
using CrlPtr = std::unique_ptr<X509_CRL, Freed<X509_CRL_free>>;
using StorePtr = std::unique_ptr<X509_STORE, Freed<X509_STORE_free>>;
using CipherPtr = std::unique_ptr<EVP_CIPHER, Freed<EVP_CIPHER_free>>;

// OpenSSL's oldest error of this thread in its own words ("key values mismatch"). Empties the queue.
struct Reason {
  unsigned long code = 0;
  std::string text;
};
Reason take_reason();
Error tls_error(std::string message);  // kEtls

// What a certificate is to be used for; decides which extended key usage it needs.
enum class Purpose : uint8_t { server, client };

// A checked certificate with its chain and key. Immutable, shared by contexts, any thread.
class LoadedCertificate final : public Certificate {
 public:
  static Result<std::shared_ptr<const LoadedCertificate>> load(const KeyPair& pair, Purpose purpose);
  // ECDSA P-256, signed by itself, good for no name: what a listener without certificates shows.
  static Result<std::shared_ptr<const LoadedCertificate>> self_signed();

  const std::vector<std::string>& names() const override { return names_; }
  int64_t not_after_unix() const override { return not_after_; }
  bool is_rsa() const { return EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA; }
  Result<void> install(SSL_CTX* ctx) const;
  // Tells the log when the certificate is out of its time. Old is better than none, so that is all.
  void warn_of_time(const Pem& pem) const;

 private:
  Result<void> check(const KeyPair& pair, Purpose purpose);
  void read_names();
  X509Ptr leaf_;
  ChainPtr chain_;
  KeyPtr key_;
  std::vector<std::string> names_;
  int64_t not_after_ = 0;
};

// Every certificate of a PEM text; an error when there is none or one of them cannot be read.
Result<ChainPtr> read_certificates(const Pem& pem);
// The same for revocation lists.
Result<std::vector<CrlPtr>> read_lists(const Pem& pem);
int64_t unix_time(const ASN1_TIME* time);  // 0 when it is malformed
std::string subject_of(X509* x);           // one printable line, shortened

// "A.Example." -> "a.example". False, with `out` empty, when it cannot be a DNS name.
bool normalize_name(Bytes raw, std::string& out);
// Length-prefixed list as ALPN has it on the wire.
Result<std::string> alpn_wire(const std::vector<std::string>& protocols);
// What both roles have in common: versions, suites, no renegotiation, small idle connections.
Result<SslCtxPtr> make_ssl_ctx(const SSL_METHOD* method);

// Keys that encrypt session tickets: one in use, its predecessor still accepted. Shared by workers.
class TicketKeys {
 public:
  static constexpr Millis kLifetime = 12 * 3600 * 1000;
  TicketKeys();
  // OpenSSL's contract of SSL_CTX_set_tlsext_ticket_key_evp_cb.
  int prepare(Millis now, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
              bool encrypt);

 private:
  struct Key;
  bool rotate(Millis now);
  CipherPtr aes_;
  std::mutex mutex_;
  std::shared_ptr<const Key> current_, previous_;
};

// Sessions that upstream connections may resume; newest one per key. Bounded, shared by workers.
class SessionCache {
 public:
  static constexpr size_t kMaxSessions = 256;
  struct Found {
    SessionPtr session;  // a copy of its own: OpenSSL writes into sessions in use
    int64_t not_after_ms = 0;
  };
  // `not_after_ms`: Unix time from which on the session's peer has to show its certificate again; 0: never.
  void put(const std::string& key, const SSL_SESSION* session, int64_t not_after_ms);
  Found find(const std::string& key, int64_t now_unix_ms);

 private:
  struct Entry {
    std::string key;
    SessionPtr session;
    int64_t not_after_ms;
  };
  std::mutex mutex_;
  std::list<Entry> entries_;  // newest first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> index_;
};

// Why a certificate is trusted, but for time and revocation: what will not change any more.
struct Proof {
  std::string scope;                            // of the ClientTrust that found it
  ChainPtr chain;                               // leaf first, trust anchor last
  std::vector<unsigned long> issuers;           // hash of each one's issuer name
  int64_t not_before_ms = 0, not_after_ms = 0;  // the time in which all of them are valid
};

// What a client showed, parsed, with what was found out about it. Any thread.
class ShownCertificates final : public PeerCertificates {
 public:
  static constexpr int kMaxCertificates = 10;         // with the leaf
  static constexpr size_t kMaxNames = 256;            // of the leaf
  static constexpr size_t kMaxNameBytes = 64 * 1024;  // of all of them
  // `shown` may begin with the leaf, as TLS has it. Null: out of memory.
  static std::shared_ptr<const ShownCertificates> make(X509* leaf, const STACK_OF(X509) * shown);

  const identity::CertificatePtr& leaf() const override { return leaf_; }
  X509* x509() const { return x509_.get(); }
  STACK_OF(X509) * more() const { return more_.get(); }
  const char* flaw() const { return flaw_; }  // why it must not be trusted whoever signed it; null: nothing
  // Of the last few ClientTrusts that judged it.
  std::shared_ptr<const Proof> proof(const std::string& scope) const;
  void keep(std::shared_ptr<const Proof> proof) const;

 private:
  static constexpr size_t kMaxProofs = 4;
  X509Ptr x509_;
  ChainPtr more_;
  const char* flaw_ = nullptr;
  identity::CertificatePtr leaf_;
  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<const Proof>> proofs_;  // newest last
};

// What OpenSSL's callbacks see of the stream that they work for (SSL_get_app_data). The stream's thread.
struct Link {
  explicit Link(net::Loop& l) : loop(l) {}
  net::Loop& loop;
  std::string name;                                // server role: SNI received; client role: SNI sent
  bool name_matched = false;                       // server role: a certificate fits `name`
  bool verifies = false;                           // without a trusted peer the handshake fails
  bool open = false;                               // the handshake is done
  bool reading = false;                            // inside SSL_read
  uint8_t control = 0;                             // handshake messages since the last application byte
  uint8_t warnings = 0;                            // alerts that the peer made us send after the handshake
  bool flooded = false;                            // one of the two passed its limit: read nothing more
  std::string verify_error;                        // what certificate verification objected to
  std::shared_ptr<const PeerCertificates> client;  // server role: what was shown; proven at the handshake's end
  std::string session_key;                         // client role
  int64_t session_not_after_ms = 0;                // of the session that is being resumed
  SessionCache* sessions = nullptr;
};
inline Link& link_of(const SSL* ssl) {
  return *static_cast<Link*>(SSL_get_app_data(ssl));
}

// A stream that runs `ssl` over `plain`. `owner` keeps alive what the callbacks of `ssl` use. `ssl` may
// be null or `refusal` not empty: then the stream does nothing but report that in the next turn.
std::unique_ptr<net::Stream> make_stream(std::unique_ptr<net::Stream> plain, SslPtr ssl,
                                         std::shared_ptr<const void> owner, Link link, net::StreamError refusal = {});

}  // namespace cardea::tls
