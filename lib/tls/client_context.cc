// ClientContext: what an upstream connection demands of its peer, and what it offers.
#include <arpa/inet.h>

#include "tls/openssl.h"

namespace cardea::tls {
namespace {

constexpr int kMaxVerifyDepth = 16;

// The names that a certificate does have, for the reader of "hostname mismatch".
std::string names_of(X509* x) {
  constexpr size_t kEnough = 200;
  std::string text;
  auto* all = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(x, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all) && text.size() < kEnough; ++i) {
    const GENERAL_NAME* general = sk_GENERAL_NAME_value(all, i);
    if (general->type != GEN_DNS) continue;
    if (!text.empty()) text += ", ";
    const unsigned char* p = ASN1_STRING_get0_data(general->d.dNSName);
    for (int k = 0; k < ASN1_STRING_length(general->d.dNSName) && text.size() < kEnough; ++k)
      text.push_back(p[k] > ' ' && p[k] < 0x7f ? char(p[k]) : '?');
  }
  GENERAL_NAMES_free(all);
  return text.empty() ? "none" : text;
}

// Changes no verdict; keeps the words for the error.
int on_verify(int ok, X509_STORE_CTX* store) {
  if (ok) return 1;
  const auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  int code = X509_STORE_CTX_get_error(store);
  std::string text = X509_verify_cert_error_string(code);
  if (X509* x = X509_STORE_CTX_get_current_cert(store)) {
    text += " (subject " + subject_of(x);
    if (code == X509_V_ERR_HOSTNAME_MISMATCH) text += ", names " + names_of(x);
    text += ", depth " + std::to_string(X509_STORE_CTX_get_error_depth(store)) + ")";
  }
  link_of(ssl).verify_error = std::move(text);
  return 0;
}

// A resumed session's peer shows no certificate. It was verified against the same name (the cache's key has it) and
// the same roots (the context's never change); only the time has moved, so the session ends with what was verified.
int64_t verified_until_ms(SSL* ssl) {
  STACK_OF(X509)* chain = SSL_get0_verified_chain(ssl);
  int64_t first = 0;
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    int64_t end = unix_time(X509_get0_notAfter(sk_X509_value(chain, i))) * 1000;
    if (i == 0 || end < first) first = end;
  }
  return first;
}

int on_session(SSL* ssl, SSL_SESSION* session) {
  Link& link = link_of(ssl);
  if (!link.sessions || !SSL_SESSION_is_resumable(session)) return 0;
  const bool resumed = SSL_session_reused(ssl) == 1;
  const int64_t until = resumed ? link.session_not_after_ms : link.verifies ? verified_until_ms(ssl) : 0;
  if (!link.verifies || until > 0) link.sessions->put(link.session_key, session, until);
  return 0;  // the reference stays OpenSSL's
}

Result<void> add_roots(X509_STORE* store, const std::vector<Pem>& roots) {
  for (const Pem& pem : roots) {
    auto chain = read_certificates(pem);
    if (!chain) return chain.error();
    for (int i = 0; i < sk_X509_num(chain->get()); ++i) {
      if (!X509_STORE_add_cert(store, sk_X509_value(chain->get(), i)))
        return tls_error(pem.origin + ": certificate " + std::to_string(i + 1) +
                         " cannot be trusted: " + take_reason().text);
    }
  }
  return {};
}

class Client final : public ClientContext, public std::enable_shared_from_this<Client> {
 public:
  Result<void> build(const ClientOptions& options);
  std::unique_ptr<net::Stream> wrap(net::Loop& loop, std::unique_ptr<net::Stream> plain,
                                    const std::string& name) const override;

 private:
  net::StreamError expect_name(SSL* ssl, Link& link, const std::string& name) const;
  SslCtxPtr ctx_;
  bool verify_ = true;
  mutable SessionCache sessions_;
};

Result<void> Client::build(const ClientOptions& options) {
  auto made = make_ssl_ctx(TLS_client_method());
  if (!made) return made.error();
  ctx_ = std::move(*made);
  SSL_CTX* ctx = ctx_.get();
  verify_ = options.verify;
  SSL_CTX_set_verify(ctx, verify_ ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, verify_ ? on_verify : nullptr);
  SSL_CTX_set_verify_depth(ctx, kMaxVerifyDepth);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx, on_session);
  X509_STORE* store = SSL_CTX_get_cert_store(ctx);
  // Whoever lists an intermediate or a self-signed leaf as trusted means exactly that certificate.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  if (!SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384:P-521"))
    return tls_error("cannot set up TLS: " + take_reason().text);
  if (verify_ && options.ca.empty() && !SSL_CTX_set_default_verify_paths(ctx))
    return tls_error("cannot load the system's trusted certificates: " + take_reason().text);
  if (auto added = add_roots(store, options.ca); !added) return added;
  if (auto added = add_roots(store, options.extra_ca); !added) return added;
  if (options.certificate) {
    auto loaded = LoadedCertificate::load(*options.certificate, Purpose::client);
    if (!loaded) return loaded.error();
    (*loaded)->warn_of_time(options.certificate->certificate);
    if (auto installed = (*loaded)->install(ctx); !installed) return installed;
  }
  auto wire = alpn_wire(options.alpn);
  if (!wire) return wire.error();
  // This function, unlike its neighbours, returns 0 when it worked.
  if (!wire->empty() &&
      SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const unsigned char*>(wire->data()), unsigned(wire->size())) != 0)
    return tls_error("cannot set up ALPN: " + take_reason().text);
  ERR_clear_error();
  return {};
}

// Sets SNI and what the certificate must say (RFC 9525: never the common name). An error in the result
// means that the connection must not be tried.
net::StreamError Client::expect_name(SSL* ssl, Link& link, const std::string& name) const {
  net::StreamError refused{net::StreamError::tls_verify, X509_V_ERR_HOSTNAME_MISMATCH, {}};
  X509_VERIFY_PARAM* param = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  std::string literal = name.substr(0, name.find('\0') == std::string::npos ? name.size() : 0);
  if (literal.size() > 2 && literal.front() == '[' && literal.back() == ']')
    literal = literal.substr(1, literal.size() - 2);
  in6_addr scratch;
  if (inet_pton(AF_INET, literal.c_str(), &scratch) == 1 || inet_pton(AF_INET6, literal.c_str(), &scratch) == 1) {
    if (X509_VERIFY_PARAM_set1_ip_asc(param, literal.c_str())) return {};
    refused.text = "cannot verify the address " + literal;
    return refused;
  }
  if (normalize_name(name, link.name)) {
    if (SSL_set_tlsext_host_name(ssl, link.name.c_str()) &&
        X509_VERIFY_PARAM_set1_host(param, link.name.data(), link.name.size()))
      return {};
    refused.text = "cannot verify the name " + link.name + ": " + take_reason().text;
    return refused;
  }
  // An empty name would switch OpenSSL's name check off.
  if (verify_) refused.text = "there is no valid name to verify the certificate against";
  return refused;
}

std::unique_ptr<net::Stream> Client::wrap(net::Loop& loop, std::unique_ptr<net::Stream> plain,
                                          const std::string& name) const {
  ERR_clear_error();
  Link link(loop);
  link.verifies = verify_;
  SslPtr ssl(SSL_new(ctx_.get()));
  net::StreamError refusal;
  if (ssl) {
    SSL_set_connect_state(ssl.get());
    refusal = expect_name(ssl.get(), link, name);
    const net::Address& peer = plain->peer();
    link.session_key = name;
    link.session_key.push_back('\0');
    link.session_key.append(reinterpret_cast<const char*>(peer.sa()), peer.len());
    link.sessions = &sessions_;
    SessionCache::Found found = sessions_.find(link.session_key, loop.unix_ms());
    if (found.session && SSL_set_session(ssl.get(), found.session.get()))
      link.session_not_after_ms = found.not_after_ms;
  }
  return make_stream(std::move(plain), std::move(ssl), shared_from_this(), std::move(link), std::move(refusal));
}

}  // namespace

Result<std::shared_ptr<const ClientContext>> ClientContext::make(const ClientOptions& options) {
  auto client = std::make_shared<Client>();
  if (auto built = client->build(options); !built) return built.error();
  return std::shared_ptr<const ClientContext>(std::move(client));
}

}  // namespace cardea::tls
