// ClientTrust: whether a client's certificates count, and until when.
#include <openssl/sha.h>
#include <re2/re2.h>

#include <algorithm>

#include "tls/revocation.h"

namespace cardea::tls {
namespace {

// RSA from 2048 bits, no SHA-1: as in our handshakes.
constexpr int kSecurityLevel = 2;

using Names = std::vector<std::string> identity::Certificate::*;
struct Kind {
  const char* text;
  Names names;
};
// In the order of TrustOptions::Name::Kind.
constexpr Kind kKinds[] = {{"dns", &identity::Certificate::dns},
                           {"email", &identity::Certificate::emails},
                           {"ip_address", &identity::Certificate::ips},
                           {"uri", &identity::Certificate::uris},
                           {"user_principal_name", &identity::Certificate::principals}};

using StoreCtxPtr = std::unique_ptr<X509_STORE_CTX, Freed<X509_STORE_CTX_free>>;

std::string words(int code, X509* x, int depth) {
  std::string text = X509_verify_cert_error_string(code);
  if (x) text += " (subject " + subject_of(x) + ", depth " + std::to_string(depth) + ")";
  return text;
}

class Trust final : public ClientTrust {
 public:
  Result<void> build(const TrustOptions& options);
  Judgement judge(const PeerCertificates& shown, int64_t now_unix_ms) const override;
  const TrustOptions& options() const override { return options_; }

 private:
  struct Matcher {
    Names names;
    std::unique_ptr<RE2> pattern;
  };
  Result<void> add_authorities();
  Result<void> add_matchers();
  void set_scope();
  std::shared_ptr<const Proof> prove(const ShownCertificates& shown, int64_t now_unix_ms, Judgement& refused) const;
  std::shared_ptr<const Proof> make_proof(X509_STORE_CTX* ctx) const;
  bool matches(const identity::Certificate& leaf) const;
  int64_t next_beginning(const ShownCertificates& shown, int64_t now_unix_ms) const;

  TrustOptions options_;
  StorePtr store_;
  std::vector<X509Ptr> authorities_;
  std::vector<Matcher> matchers_;
  RevocationLists lists_;
  std::string scope_;  // digest of everything that a Proof depends on
};

Result<void> Trust::build(const TrustOptions& options) {
  ERR_clear_error();
  options_ = options;
  if (auto added = add_authorities(); !added) return added;
  if (auto added = add_matchers(); !added) return added;
  if (auto loaded = lists_.load(options_.crl, authorities_); !loaded) return loaded;
  set_scope();
  ERR_clear_error();
  return {};
}

Result<void> Trust::add_authorities() {
  store_.reset(X509_STORE_new());
  if (!store_) return Error{kEnomem, "out of memory"};
  for (const Pem& pem : options_.ca) {
    auto chain = read_certificates(pem);
    if (!chain) return chain.error();
    while (X509* x = sk_X509_shift(chain->get())) {
      authorities_.emplace_back(x);
      X509_check_purpose(x, -1, 0);  // before threads share it
      if (!X509_STORE_add_cert(store_.get(), x))
        return tls_error(pem.origin + ": certificate " + std::to_string(authorities_.size()) +
                         " cannot be trusted: " + take_reason().text);
    }
  }
  if (authorities_.empty()) return tls_error("client certificates cannot be verified: there is no authority (ca)");
  return {};
}

Result<void> Trust::add_matchers() {
  for (const TrustOptions::Name& name : options_.match_subject_alt_names) {
    RE2::Options options;
    options.set_log_errors(false);
    auto pattern = std::make_unique<RE2>(name.pattern, options);
    const Kind& kind = kKinds[size_t(name.kind)];
    if (name.pattern.empty() || !pattern->ok())
      return Error{kEinval, "the pattern \"" + name.pattern + "\" for alternative names (" + kind.text + ") " +
                                (name.pattern.empty() ? "is empty" : "is not valid: " + pattern->error())};
    matchers_.push_back({kind.names, std::move(pattern)});
  }
  return {};
}

void Trust::set_scope() {
  std::string all = std::to_string(options_.max_verify_depth);
  auto add = [&all](char kind, const std::string& text) {
    all += kind;
    all += std::to_string(text.size()) + ':' + text;
  };
  for (const Pem& pem : options_.ca) add('c', pem.text);
  for (const TrustOptions::Name& name : options_.match_subject_alt_names) add(char('0' + int(name.kind)), name.pattern);
  scope_.resize(SHA256_DIGEST_LENGTH);
  SHA256(reinterpret_cast<const unsigned char*>(all.data()), all.size(),
         reinterpret_cast<unsigned char*>(scope_.data()));
}

ClientTrust::Judgement Trust::judge(const PeerCertificates& peer, int64_t now_unix_ms) const {
  const auto* shown = dynamic_cast<const ShownCertificates*>(&peer);
  if (!shown) return {false, "these certificates were not shown in a handshake", 0, X509_V_ERR_CERT_REJECTED};
  if (shown->flaw()) return {false, shown->flaw(), 0, X509_V_ERR_CERT_REJECTED};
  std::shared_ptr<const Proof> proof = shown->proof(scope_);
  if (!proof || now_unix_ms < proof->not_before_ms || now_unix_ms >= proof->not_after_ms) {
    Judgement refused;
    proof = prove(*shown, now_unix_ms, refused);
    if (!proof) return refused;
    shown->keep(proof);
  }
  Judgement judgement;
  RevocationLists::Status status = lists_.check(*proof, now_unix_ms);
  judgement.next_change_ms = status.next_change_ms;
  judgement.code = status.code;
  judgement.trusted = status.code == X509_V_OK;
  if (judgement.trusted) {
    if (judgement.next_change_ms == 0 || judgement.next_change_ms > proof->not_after_ms)
      judgement.next_change_ms = proof->not_after_ms;
  } else {
    judgement.why = words(status.code, sk_X509_value(proof->chain.get(), status.depth), status.depth);
    if (status.origin && !status.origin->empty()) judgement.why += ", says " + *status.origin;
  }
  return judgement;
}

// Everything but revocation; signatures are what it costs.
std::shared_ptr<const Proof> Trust::prove(const ShownCertificates& shown, int64_t now_unix_ms,
                                          Judgement& refused) const {
  ERR_clear_error();
  refused = {false, "out of memory", now_unix_ms + 1000, X509_V_ERR_OUT_OF_MEM};
  StoreCtxPtr ctx(X509_STORE_CTX_new());
  if (!ctx || !X509_STORE_CTX_init(ctx.get(), store_.get(), shown.x509(), shown.more())) return nullptr;
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(ctx.get());
  // Whoever lists an intermediate as an authority means that one, not its root.
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_time(param, time_t(now_unix_ms / 1000));
  X509_VERIFY_PARAM_set_auth_level(param, kSecurityLevel);
  if (!X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT) ||
      !X509_VERIFY_PARAM_set_trust(param, X509_TRUST_SSL_CLIENT))
    return nullptr;
  const bool verified = X509_verify_cert(ctx.get()) == 1;
  const int chain = sk_X509_num(X509_STORE_CTX_get0_chain(ctx.get()));
  refused.next_change_ms = next_beginning(shown, now_unix_ms);
  refused.code = X509_STORE_CTX_get_error(ctx.get());
  if (!verified) {
    if (refused.code == X509_V_OK) refused.code = X509_V_ERR_UNSPECIFIED;
    refused.why =
        words(refused.code, X509_STORE_CTX_get_current_cert(ctx.get()), X509_STORE_CTX_get_error_depth(ctx.get()));
  } else if (options_.max_verify_depth != 0 && uint32_t(chain - 1) > options_.max_verify_depth) {
    refused.code = X509_V_ERR_CERT_CHAIN_TOO_LONG;
    refused.why = words(refused.code, shown.x509(), 0) + ": depth " + std::to_string(chain - 1) +
                  ", max_verify_depth " + std::to_string(options_.max_verify_depth);
  } else if (!matches(*shown.leaf())) {
    refused.code = X509_V_ERR_CERT_REJECTED;
    refused.why = "no subject alternative name matches (subject " + subject_of(shown.x509()) + ")";
  } else if (auto proof = make_proof(ctx.get())) {
    ERR_clear_error();
    return proof;
  }
  ERR_clear_error();
  return nullptr;
}

std::shared_ptr<const Proof> Trust::make_proof(X509_STORE_CTX* ctx) const {
  auto proof = std::make_shared<Proof>();
  proof->scope = scope_;
  proof->chain.reset(X509_STORE_CTX_get1_chain(ctx));
  if (!proof->chain) return nullptr;
  for (int i = 0; i < sk_X509_num(proof->chain.get()); ++i) {
    X509* x = sk_X509_value(proof->chain.get(), i);
    const int64_t from = unix_time(X509_get0_notBefore(x)) * 1000, until = unix_time(X509_get0_notAfter(x)) * 1000;
    proof->not_before_ms = i == 0 ? from : std::max(proof->not_before_ms, from);
    proof->not_after_ms = i == 0 ? until : std::min(proof->not_after_ms, until);
    int ok = 0;
    proof->issuers.push_back(X509_NAME_hash_ex(X509_get_issuer_name(x), nullptr, nullptr, &ok));
    if (!ok) return nullptr;
  }
  return proof;
}

bool Trust::matches(const identity::Certificate& leaf) const {
  if (matchers_.empty()) return true;
  for (const Matcher& matcher : matchers_) {
    for (const std::string& name : leaf.*matcher.names) {
      if (RE2::FullMatch(name, *matcher.pattern)) return true;
    }
  }
  return false;
}

// When a certificate that is refused now may count: only something that begins can make it so.
int64_t Trust::next_beginning(const ShownCertificates& shown, int64_t now_unix_ms) const {
  int64_t next = 0;
  auto consider = [&](X509* x) {
    const int64_t from = unix_time(X509_get0_notBefore(x)) * 1000;
    if (from > now_unix_ms && (next == 0 || from < next)) next = from;
  };
  consider(shown.x509());
  for (int i = 0; i < sk_X509_num(shown.more()); ++i) consider(sk_X509_value(shown.more(), i));
  for (const X509Ptr& authority : authorities_) consider(authority.get());
  return next;
}

}  // namespace

Result<std::shared_ptr<const ClientTrust>> ClientTrust::make(const TrustOptions& options) {
  auto trust = std::make_shared<Trust>();
  if (auto built = trust->build(options); !built) return built.error();
  return std::shared_ptr<const ClientTrust>(std::move(trust));
}

}  // namespace cardea::tls
