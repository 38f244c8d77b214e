// Encryption as a Stream over a Stream. OpenSSL is named only in this folder.
//
// Contexts are immutable and shared by workers through shared_ptr; streams belong to one loop.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "identity/identity.h"
#include "net/net.h"

namespace cardea::tls {

// PEM text. Where it came from is for messages ("/etc/x.pem", "certificates[0].cert").
struct Pem {
  std::string text;
  std::string origin;
  bool operator==(const Pem&) const = default;
};

struct KeyPair {
  Pem certificate;  // leaf first, then intermediates
  Pem key;
  bool operator==(const KeyPair&) const = default;
};

// One certificate chain with its private key, checked: they belong together, the key is RSA >= 2048 or
// ECDSA, the leaf is usable by a server. Error messages name `origin` and OpenSSL's reason.
class Certificate {
 public:
  static Result<std::shared_ptr<const Certificate>> load(const KeyPair& pair);
  virtual ~Certificate() = default;
  virtual const std::vector<std::string>& names() const = 0;  // DNS SANs (or CN), lower case
  virtual int64_t not_after_unix() const = 0;
};

// Which client certificates count (downstream_mtls).
struct TrustOptions {
  std::vector<Pem> ca;  // at least one certificate in all; each is a trust anchor, an intermediate as well
  // Complete lists by the issuers themselves (no delta, indirect or partial ones). A list whose issuer is in `ca`
  // must be signed by it; that of another issuer is checked when a client shows that issuer.
  std::vector<Pem> crl;
  // Certificates above the leaf, up to and with the first one of `ca` (as Pomerium counts). 1: the leaf is signed by
  // one of `ca`; 2: one intermediate may be shown; 0: no limit.
  uint32_t max_verify_depth = 1;
  struct Name {  // one of them must match, when there are any
    enum class Kind : uint8_t { dns, email, ip_address, uri, user_principal_name } kind = Kind::dns;
    std::string pattern;  // RE2, of the whole name
    bool operator==(const Name&) const = default;
  };
  std::vector<Name> match_subject_alt_names;
  bool operator==(const TrustOptions&) const = default;
};

// The certificates that a client showed in its handshake. Immutable, any thread.
class PeerCertificates {
 public:
  // From DER, leaf first: when something else than a ServerContext ended the handshake.
  static Result<std::shared_ptr<const PeerCertificates>> from_der(const std::vector<std::string>& certificates);
  virtual ~PeerCertificates() = default;
  virtual const identity::CertificatePtr& leaf() const = 0;  // never null
};

// Judges client certificates; again and again, as time passes and lists change. Immutable, any thread.
class ClientTrust {
 public:
  static Result<std::shared_ptr<const ClientTrust>> make(const TrustOptions& options);
  virtual ~ClientTrust() = default;
  struct Judgement {
    bool trusted = false;
    std::string why;  // OpenSSL's words when it is not
    int64_t next_change_ms =
        0;         // Unix time at which this may be different (a certificate or a list runs out); 0: never
    int code = 0;  // X509_V_ERR_* when it is not
  };
  // Of the lists of one issuer the newest that has begun counts; when its time is over, the issuer's leaves are not
  // trusted. An issuer without list is not checked. Intermediates are refused when a list of their issuer names them;
  // its time does not matter for them. Certificates with too many names, or names that are no text, are not trusted.
  // The first judgement of a client's certificates verifies signatures; later ones, also by a ClientTrust that differs
  // in its lists only, look at the time and the lists.
  virtual Judgement judge(const PeerCertificates& shown, int64_t now_unix_ms) const = 0;
  virtual const TrustOptions& options() const = 0;
};

struct ServerOptions {
  std::vector<KeyPair> certificates;  // the first is the default; none: see self_signed
  std::vector<std::string> alpn;      // in order of preference: {"h2", "http/1.1"}
  // Clients are asked for a certificate. `require`: a handshake without a trusted one fails; else whatever comes is
  // taken and judged later. Sessions are not resumed, so that each connection shows its chain.
  enum class ClientAuth : uint8_t { none, request, require } client_auth = ClientAuth::none;
  TrustOptions trust;  // with client_auth: whose names are sent to the client; what `require` demands
  bool operator==(const ServerOptions&) const = default;
};

// What a listener presents: certificate by SNI (exact, then wildcard of one label, then default), RSA
// and ECDSA side by side by what the client can verify; TLS 1.2 and 1.3 with AEAD suites; tickets;
// no renegotiation, no early data, no compression. A client whose ALPN list shares nothing with ours
// gets no_application_protocol. Without certificates a self-made catch-all (ECDSA P-256) is used.
class ServerContext {
 public:
  static Result<std::shared_ptr<const ServerContext>> make(const ServerOptions& options);
  virtual ~ServerContext() = default;
  // Takes the plain stream. on_open() of its events tells of the handshake's end; the deadline is the
  // caller's (delete the stream).
  virtual std::unique_ptr<net::Stream> wrap(net::Loop& loop, std::unique_ptr<net::Stream> plain) const = 0;
};

struct ClientOptions {
  bool verify = true;
  std::vector<Pem> ca;        // replaces the system's roots when not empty
  std::vector<Pem> extra_ca;  // added to the roots in use
  std::optional<KeyPair> certificate;
  std::vector<std::string> alpn;
  bool operator==(const ClientOptions&) const = default;
};

// What an upstream connection offers and demands: TLS 1.2+, chain and name verification (RFC 9525),
// client certificate, session resumption per (context, server name, address).
class ClientContext {
 public:
  static Result<std::shared_ptr<const ClientContext>> make(const ClientOptions& options);
  virtual ~ClientContext() = default;
  // `name` is sent as SNI (unless an IP literal) and must match the certificate.
  virtual std::unique_ptr<net::Stream> wrap(net::Loop& loop, std::unique_ptr<net::Stream> plain,
                                            const std::string& name) const = 0;
};

}  // namespace cardea::tls
