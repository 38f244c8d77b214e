// ServerContext: which certificate a downstream client sees, what it is asked for, ALPN, tickets.
#include <algorithm>
#include <cstring>
#include <map>

#include "tls/openssl.h"

namespace cardea::tls {
namespace {

struct NameHash {
  using is_transparent = void;
  size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
};
using NameIndex = std::unordered_map<std::string, SSL_CTX*, NameHash, std::equal_to<>>;

// The host name of a ClientHello's server_name extension (RFC 6066 section 3); empty when malformed,
// which OpenSSL itself answers with an alert afterwards.
Bytes server_name(SSL* ssl) {
  const unsigned char* p = nullptr;
  size_t n = 0;
  if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n)) return {};
  if (n < 5 || size_t(p[0] << 8 | p[1]) != n - 2 || p[2] != TLSEXT_NAMETYPE_host_name) return {};
  size_t length = size_t(p[3] << 8 | p[4]);
  if (length > n - 5) return {};
  return Bytes(reinterpret_cast<const char*>(p + 5), length);
}

constexpr long kMaxClientChain = 32 * 1024;       // bytes
constexpr size_t kMaxAuthorityNames = 16 * 1024;  // bytes; more and no names are sent, which means any

void free_names(STACK_OF(X509_NAME) * names) {
  sk_X509_NAME_pop_free(names, X509_NAME_free);
}

// One certificate for each subject of `ca`: what a client chooses its own by. None when the names are too long.
Result<std::vector<X509Ptr>> distinct_authorities(const std::vector<Pem>& ca) {
  std::vector<X509Ptr> distinct;
  size_t bytes = 0;
  for (const Pem& pem : ca) {
    auto chain = read_certificates(pem);
    if (!chain) return chain.error();
    while (X509* x = sk_X509_shift(chain->get())) {
      X509Ptr next(x);
      bool known = false;
      for (const X509Ptr& other : distinct)
        known |= X509_NAME_cmp(X509_get_subject_name(other.get()), X509_get_subject_name(x)) == 0;
      if (known) continue;
      bytes += 2 + size_t(std::max(0, i2d_X509_NAME(X509_get_subject_name(x), nullptr)));
      distinct.push_back(std::move(next));
    }
  }
  if (bytes > kMaxAuthorityNames) distinct.clear();
  return distinct;
}

class Server final : public ServerContext, public std::enable_shared_from_this<Server> {
 public:
  Result<void> build(const ServerOptions& options);
  std::unique_ptr<net::Stream> wrap(net::Loop& loop, std::unique_ptr<net::Stream> plain) const override;

 private:
  using Certificates = std::vector<std::shared_ptr<const LoadedCertificate>>;
  struct Pair {  // what one name is served with; indexes, -1 for none
    int ecdsa = -1, rsa = -1;
    auto operator<=>(const Pair&) const = default;
  };

  Result<void> index_names(const Certificates& certificates);
  Result<SSL_CTX*> make_context(const Certificates& certificates, Pair pair);
  Result<void> ask_for_certificates(SSL_CTX* ctx) const;
  SSL_CTX* find(const std::string& name, bool& matched) const;
  static int on_client_hello(SSL* ssl, int* alert, void* self);
  static int on_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_length, const unsigned char* offered,
                     unsigned offered_length, void* self);
  static int on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                       int encrypt);
  static int on_client_certificates(X509_STORE_CTX* store, void* self);

  std::vector<SslCtxPtr> contexts_;  // all alike but for their certificates; the first is the default
  NameIndex exact_;
  NameIndex wildcard_;  // by what follows "*."
  bool catch_all_ = false;
  std::string alpn_;
  ServerOptions::ClientAuth client_auth_ = ServerOptions::ClientAuth::none;
  std::shared_ptr<const ClientTrust> trust_;  // null without client_auth_
  std::vector<X509Ptr> authorities_;          // whose names are sent
  mutable TicketKeys tickets_;
};

Result<void> Server::build(const ServerOptions& options) {
  auto wire = alpn_wire(options.alpn);
  if (!wire) return wire.error();
  alpn_ = std::move(*wire);
  client_auth_ = options.client_auth;
  if (client_auth_ != ServerOptions::ClientAuth::none) {
    auto trust = ClientTrust::make(options.trust);
    if (!trust) return trust.error();
    trust_ = std::move(*trust);
    auto authorities = distinct_authorities(options.trust.ca);
    if (!authorities) return authorities.error();
    authorities_ = std::move(*authorities);
  }
  Certificates certificates;
  for (const KeyPair& pair : options.certificates) {
    auto loaded = LoadedCertificate::load(pair, Purpose::server);
    if (!loaded) return loaded.error();
    certificates.push_back(std::move(*loaded));
  }
  if (certificates.empty()) {
    auto made = LoadedCertificate::self_signed();
    if (!made) return made.error();
    certificates.push_back(std::move(*made));
    catch_all_ = true;
  }
  return index_names(certificates);
}

// Of several certificates with the same name and key type the first one listed counts.
Result<void> Server::index_names(const Certificates& certificates) {
  std::unordered_map<std::string_view, Pair> names;
  for (size_t i = 0; i < certificates.size(); ++i) {
    bool rsa = certificates[i]->is_rsa();
    for (const std::string& name : certificates[i]->names()) {
      Pair& pair = names[name];
      int& slot = rsa ? pair.rsa : pair.ecdsa;
      if (slot < 0) slot = int(i);
    }
  }
  Pair first;
  (certificates[0]->is_rsa() ? first.rsa : first.ecdsa) = 0;
  if (!certificates[0]->names().empty()) first = names[certificates[0]->names()[0]];
  std::map<Pair, SSL_CTX*> made;
  auto made_first = make_context(certificates, first);
  if (!made_first) return made_first.error();
  made[first] = *made_first;
  for (const auto& [name, pair] : names) {
    SSL_CTX*& ctx = made[pair];
    if (!ctx) {
      auto next = make_context(certificates, pair);
      if (!next) return next.error();
      ctx = *next;
    }
    bool wildcard = name.substr(0, 2) == "*.";
    (wildcard ? wildcard_ : exact_).emplace(wildcard ? name.substr(2) : name, ctx);
  }
  return {};
}

Result<SSL_CTX*> Server::make_context(const Certificates& certificates, Pair pair) {
  auto made = make_ssl_ctx(TLS_server_method());
  if (!made) return made.error();
  SSL_CTX* ctx = made->get();
  static constexpr unsigned char kSessionContext[] = "cardea";
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);  // tickets only: no state grows with clients
  SSL_CTX_set_timeout(ctx, long(TicketKeys::kLifetime / 1000));
  SSL_CTX_set_num_tickets(ctx, 1);
  SSL_CTX_set_client_hello_cb(ctx, on_client_hello, this);
  SSL_CTX_set_app_data(ctx, this);
  if (!alpn_.empty()) SSL_CTX_set_alpn_select_cb(ctx, on_alpn, this);
  if (!SSL_CTX_set_session_id_context(ctx, kSessionContext, sizeof kSessionContext - 1) ||
      // In TLS 1.2 the groups are those of clients' certificates, too.
      !SSL_CTX_set1_groups_list(ctx, trust_ ? "X25519:P-256:P-384:P-521" : "X25519:P-256:P-384") ||
      !SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket))
    return tls_error("cannot set up TLS: " + take_reason().text);
  if (trust_) {
    if (auto asked = ask_for_certificates(ctx); !asked) return asked.error();
  }
  for (int index : {pair.ecdsa, pair.rsa}) {
    if (index < 0) continue;
    if (auto installed = certificates[size_t(index)]->install(ctx); !installed) return installed.error();
  }
  contexts_.push_back(std::move(*made));
  return ctx;
}

// No session outlives its connection: each shows its chain, so that it can be judged at any time. (Renegotiation is off
// for all, and nothing asks for certificates after the handshake.)
Result<void> Server::ask_for_certificates(SSL_CTX* ctx) const {
  const bool required = client_auth_ == ServerOptions::ClientAuth::require;
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(ctx, 0);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  SSL_CTX_set_cert_verify_callback(ctx, on_client_certificates, const_cast<Server*>(this));
  SSL_CTX_set_max_cert_list(ctx, kMaxClientChain);
  std::unique_ptr<STACK_OF(X509_NAME), Freed<free_names>> names(sk_X509_NAME_new_null());
  for (const X509Ptr& authority : authorities_) {
    X509_NAME* name = X509_NAME_dup(X509_get_subject_name(authority.get()));
    if (name && sk_X509_NAME_push(names.get(), name)) continue;
    X509_NAME_free(name);
    return Error{kEnomem, "cannot set up TLS: out of memory"};
  }
  SSL_CTX_set0_CA_list(ctx, names.release());
  return {};
}

// In place of OpenSSL's own verification. That the client has the leaf's key is proven later in the handshake.
int Server::on_client_certificates(X509_STORE_CTX* store, void* self) {
  const auto* server = static_cast<const Server*>(self);
  Link& link = link_of(static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx())));
  link.client = ShownCertificates::make(X509_STORE_CTX_get0_cert(store), X509_STORE_CTX_get0_untrusted(store));
  X509_STORE_CTX_set_error(store, link.client ? X509_V_OK : X509_V_ERR_OUT_OF_MEM);
  if (!link.client) return 0;
  if (server->client_auth_ != ServerOptions::ClientAuth::require) return 1;
  ClientTrust::Judgement judgement = server->trust_->judge(*link.client, link.loop.unix_ms());
  if (judgement.trusted) return 1;
  X509_STORE_CTX_set_error(store, judgement.code);  // chooses the alert
  link.verify_error = std::move(judgement.why);
  return 0;
}

SSL_CTX* Server::find(const std::string& name, bool& matched) const {
  matched = true;
  if (auto it = exact_.find(name); it != exact_.end()) return it->second;
  if (size_t dot = name.find('.'); dot != std::string::npos) {
    if (auto it = wildcard_.find(std::string_view(name).substr(dot + 1)); it != wildcard_.end()) return it->second;
  }
  matched = catch_all_;
  return contexts_.front().get();
}

// Reads the extension itself: on a resumed TLS 1.2 session SSL_get_servername tells the old session's name.
int Server::on_client_hello(SSL* ssl, int*, void* self) {
  const auto* server = static_cast<const Server*>(self);
  Link& link = link_of(ssl);
  SSL_CTX* ctx = server->contexts_.front().get();
  link.name_matched = false;
  if (normalize_name(server_name(ssl), link.name)) ctx = server->find(link.name, link.name_matched);
  if (SSL_get_SSL_CTX(ssl) != ctx && !SSL_set_SSL_CTX(ssl, ctx)) return SSL_CLIENT_HELLO_ERROR;
  return SSL_CLIENT_HELLO_SUCCESS;
}

int Server::on_alpn(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* offered,
                    unsigned offered_length, void* self) {
  const std::string& ours = static_cast<const Server*>(self)->alpn_;
  const auto* mine = reinterpret_cast<const unsigned char*>(ours.data());
  for (size_t i = 0; i < ours.size(); i += 1u + mine[i]) {
    for (size_t j = 0; j < offered_length; j += 1u + offered[j]) {
      if (offered[j] != mine[i] || j + 1u + offered[j] > offered_length) continue;
      if (memcmp(offered + j + 1, mine + i + 1, mine[i]) != 0) continue;
      *out = mine + i + 1;
      *out_length = mine[i];
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301 3.2: no_application_protocol
}

int Server::on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                      int encrypt) {
  const auto* server = static_cast<const Server*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  return server->tickets_.prepare(link_of(ssl).loop.now(), name, iv, cipher, mac, encrypt != 0);
}

std::unique_ptr<net::Stream> Server::wrap(net::Loop& loop, std::unique_ptr<net::Stream> plain) const {
  ERR_clear_error();
  SslPtr ssl(SSL_new(contexts_.front().get()));
  if (ssl) SSL_set_accept_state(ssl.get());
  Link link(loop);
  link.verifies = client_auth_ == ServerOptions::ClientAuth::require;
  return make_stream(std::move(plain), std::move(ssl), shared_from_this(), std::move(link));
}

}  // namespace

Result<std::shared_ptr<const ServerContext>> ServerContext::make(const ServerOptions& options) {
  auto server = std::make_shared<Server>();
  if (auto built = server->build(options); !built) return built.error();
  return std::shared_ptr<const ServerContext>(std::move(server));
}

}  // namespace cardea::tls
