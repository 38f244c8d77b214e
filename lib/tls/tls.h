// Encryption as a Stream over a Stream. OpenSSL is named only in this folder.
//
// Contexts are immutable and shared by workers through shared_ptr; streams belong to one loop.
#pragma once

#include <memory>
#include <string>
#include <vector>

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

struct ServerOptions {
  std::vector<KeyPair> certificates;  // the first is the default; none: see self_signed
  std::vector<std::string> alpn;      // in order of preference: {"h2", "http/1.1"}
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
