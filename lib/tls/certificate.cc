// Reading and checking certificates, chains and private keys from PEM text.
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "base/log.h"
#include "tls/openssl.h"

namespace cardea::tls {
namespace {

constexpr int kMaxChain = 32;

// Never asks a terminal. The flag tells an encrypted key from a broken one.
int refuse_password(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

std::string quoted(const Pem& pem) {
  return pem.origin.empty() ? std::string("PEM text") : pem.origin;
}

// What a PEM text should have: how to call it, the tool that converts it, how large it may be.
struct Expected {
  const char* what;
  const char* tool;
  size_t mebibytes;
};
constexpr Expected kCertificate{"certificate", "x509", 4};  // a bundle of every public root has 0.2 MiB
constexpr Expected kPrivateKey{"private key", "pkey", 4};
constexpr Expected kList{"certificate revocation list", "crl", 64};

Result<BioPtr> open_pem(const Pem& pem, const Expected& expected) {
  ERR_clear_error();
  if (pem.text.empty()) return tls_error(quoted(pem) + ": is empty; expected a " + expected.what + " in PEM form");
  if (pem.text.size() > expected.mebibytes * 1024 * 1024)
    return tls_error(quoted(pem) + ": is larger than " + std::to_string(expected.mebibytes) + " MiB; that is not a " +
                     expected.what);
  if (pem.text.find("-----BEGIN ") == std::string::npos)
    return tls_error(quoted(pem) + ": is not PEM (no -----BEGIN line); convert DER with \"openssl " + expected.tool +
                     " -inform DER\"");
  BioPtr bio(BIO_new_mem_buf(pem.text.data(), int(pem.text.size())));
  if (!bio) return Error{kEnomem, quoted(pem) + ": out of memory"};
  return bio;
}

Result<KeyPtr> read_key(const Pem& pem) {
  auto bio = open_pem(pem, kPrivateKey);
  if (!bio) return bio.error();
  bool asked = false;
  KeyPtr key(PEM_read_bio_PrivateKey(bio->get(), nullptr, refuse_password, &asked));
  if (key) return key;
  Reason reason = take_reason();
  if (asked)
    return tls_error(quoted(pem) +
                     ": the private key is encrypted and there is no password for it; decrypt it with "
                     "\"openssl pkey -in KEY -out PLAIN\"");
  if (pem.text.find("PRIVATE KEY-----") == std::string::npos)
    return tls_error(quoted(pem) + ": has no private key (no \"PRIVATE KEY\" block)");
  return tls_error(quoted(pem) + ": the private key cannot be read: " + reason.text);
}

Result<void> check_strength(EVP_PKEY* key, const Pem& pem) {
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) {
    int bits = EVP_PKEY_get_bits(key);
    if (bits >= 2048) return {};
    return tls_error(quoted(pem) + ": the RSA key has " + std::to_string(bits) +
                     " bits; 2048 is the least that clients accept");
  }
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
    char group[64] = "";
    size_t n = 0;
    EVP_PKEY_get_group_name(key, group, sizeof group, &n);
    int nid = OBJ_txt2nid(group);
    if (nid == NID_X9_62_prime256v1 || nid == NID_secp384r1 || nid == NID_secp521r1) return {};
    return tls_error(quoted(pem) + ": the curve " + group + " is not used in TLS; use P-256, P-384 or P-521");
  }
  const char* type = EVP_PKEY_get0_type_name(key);
  return tls_error(quoted(pem) + ": keys of the type " + (type ? type : "?") + " are not supported; use RSA or ECDSA");
}

// True when reading blocks ended with the text, not with one that cannot be read.
bool pem_ended() {
  unsigned long code = ERR_peek_last_error();
  return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

std::string date_text(const ASN1_TIME* time) {
  tm parts{};
  char text[64];
  if (!ASN1_TIME_to_tm(time, &parts) || !strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts)) return "?";
  return text;
}

// "*.a.example" and "a.example"; anything that could never match is left out.
void add_name(std::vector<std::string>& names, Bytes raw) {
  std::string name;
  bool wildcard = raw.substr(0, 2) == "*.";
  if (!normalize_name(wildcard ? raw.substr(2) : raw, name)) return;
  if (wildcard) name.insert(0, "*.");
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
}

bool add_extension(X509* x, int nid, const char* value) {
  X509V3_CTX v3;
  X509V3_set_ctx(&v3, x, x, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &v3, nid, value);
  bool done = extension && X509_add_ext(x, extension, -1);
  X509_EXTENSION_free(extension);
  return done;
}

bool fill_self_signed(X509* x, EVP_PKEY* key) {
  unsigned char serial[16];
  if (RAND_bytes(serial, sizeof serial) <= 0) return false;
  serial[0] &= 0x7f;
  std::unique_ptr<BIGNUM, Freed<BN_free>> number(BN_bin2bn(serial, sizeof serial, nullptr));
  X509_NAME* name = X509_get_subject_name(x);
  const auto* common = reinterpret_cast<const unsigned char*>("cardea catch-all");
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x)) && X509_set_version(x, X509_VERSION_3) &&
         X509_gmtime_adj(X509_getm_notBefore(x), -3600) && X509_time_adj_ex(X509_getm_notAfter(x), 3650, 0, nullptr) &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common, -1, -1, 0) && X509_set_issuer_name(x, name) &&
         X509_set_pubkey(x, key) && add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(x, NID_ext_key_usage, "serverAuth") && X509_sign(x, key, EVP_sha256()) > 0;
}

}  // namespace

int64_t unix_time(const ASN1_TIME* time) {
  tm parts{};
  return time && ASN1_TIME_to_tm(time, &parts) ? int64_t(timegm(&parts)) : 0;
}

std::string subject_of(X509* x) {
  char text[256];
  return X509_NAME_oneline(X509_get_subject_name(x), text, sizeof text) ? text : "?";
}

Result<ChainPtr> read_certificates(const Pem& pem) {
  auto bio = open_pem(pem, kCertificate);
  if (!bio) return bio.error();
  ChainPtr chain(sk_X509_new_null());
  bool asked = false;
  while (X509* x = PEM_read_bio_X509_AUX(bio->get(), nullptr, refuse_password, &asked)) {
    if (!chain || !sk_X509_push(chain.get(), x)) {
      X509_free(x);
      return Error{kEnomem, quoted(pem) + ": out of memory"};
    }
  }
  bool ended = pem_ended();
  Reason reason = take_reason();
  int count = sk_X509_num(chain.get());
  if (!ended)
    return tls_error(quoted(pem) + ": certificate " + std::to_string(count + 1) + " cannot be read: " + reason.text);
  if (count <= 0)
    return tls_error(quoted(pem) + ": has no certificate" +
                     (pem.text.find("PRIVATE KEY-----") == std::string::npos ? "" : ", only a private key"));
  return chain;
}

Result<std::vector<CrlPtr>> read_lists(const Pem& pem) {
  auto bio = open_pem(pem, kList);
  if (!bio) return bio.error();
  std::vector<CrlPtr> lists;
  bool asked = false;
  while (X509_CRL* list = PEM_read_bio_X509_CRL(bio->get(), nullptr, refuse_password, &asked)) lists.emplace_back(list);
  bool ended = pem_ended();
  Reason reason = take_reason();
  if (!ended)
    return tls_error(quoted(pem) + ": list " + std::to_string(lists.size() + 1) + " cannot be read: " + reason.text);
  if (lists.empty()) return tls_error(quoted(pem) + ": has no certificate revocation list (no \"X509 CRL\" block)");
  return lists;
}

Result<std::shared_ptr<const Certificate>> Certificate::load(const KeyPair& pair) {
  auto loaded = LoadedCertificate::load(pair, Purpose::server);
  if (!loaded) return loaded.error();
  (*loaded)->warn_of_time(pair.certificate);
  return std::shared_ptr<const Certificate>(std::move(*loaded));
}

Result<std::shared_ptr<const LoadedCertificate>> LoadedCertificate::load(const KeyPair& pair, Purpose purpose) {
  auto certificate = std::make_shared<LoadedCertificate>();
  auto chain = read_certificates(pair.certificate);
  if (!chain) return chain.error();
  auto key = read_key(pair.key);
  if (!key) return key.error();
  certificate->chain_ = std::move(*chain);
  certificate->leaf_.reset(sk_X509_shift(certificate->chain_.get()));
  certificate->key_ = std::move(*key);
  auto checked = certificate->check(pair, purpose);
  ERR_clear_error();
  if (!checked) return checked.error();
  certificate->read_names();
  certificate->not_after_ = unix_time(X509_get0_notAfter(certificate->leaf_.get()));
  return std::shared_ptr<const LoadedCertificate>(std::move(certificate));
}

Result<void> LoadedCertificate::check(const KeyPair& pair, Purpose purpose) {
  int more = sk_X509_num(chain_.get());
  if (more > kMaxChain)
    return tls_error(quoted(pair.certificate) + ": has " + std::to_string(more + 1) +
                     " certificates; expected the leaf and its intermediates, not a bundle of roots");
  if (auto strong = check_strength(key_.get(), pair.key); !strong) return strong;
  if (!X509_check_private_key(leaf_.get(), key_.get())) {
    for (int i = 0; i < more; ++i) {
      if (X509_check_private_key(sk_X509_value(chain_.get(), i), key_.get()))
        return tls_error(quoted(pair.certificate) + ": the private key in " + quoted(pair.key) +
                         " belongs to certificate " + std::to_string(i + 2) +
                         " of the file; put that one (the leaf) first");
    }
    return tls_error(quoted(pair.key) + ": the private key does not belong to the certificate in " +
                     quoted(pair.certificate) + " (" + take_reason().text + ")");
  }
  bool server = purpose == Purpose::server;
  if (X509_check_purpose(leaf_.get(), server ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT, 0) != 1)
    return tls_error(quoted(pair.certificate) + ": the certificate's key usage does not allow " +
                     (server ? "a TLS server (extended key usage serverAuth is missing)"
                             : "a TLS client (extended key usage clientAuth is missing)"));
  return {};
}

void LoadedCertificate::warn_of_time(const Pem& pem) const {
  if (!log::wanted(log::warning)) return;
  const int64_t now = net::real_clock().unix_ms() / 1000;
  const ASN1_TIME* begin = X509_get0_notBefore(leaf_.get());
  if (now >= not_after_)
    log::write(log::warning,
               quoted(pem) + ": the certificate expired on " + date_text(X509_get0_notAfter(leaf_.get())));
  else if (now < unix_time(begin))
    log::write(log::warning, quoted(pem) + ": the certificate is not valid before " + date_text(begin));
}

void LoadedCertificate::read_names() {
  auto* all = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf_.get(), NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
    const GENERAL_NAME* general = sk_GENERAL_NAME_value(all, i);
    if (general->type != GEN_DNS) continue;
    const ASN1_IA5STRING* dns = general->d.dNSName;
    add_name(names_, Bytes(reinterpret_cast<const char*>(ASN1_STRING_get0_data(dns)), size_t(ASN1_STRING_length(dns))));
  }
  bool has_alternatives = all != nullptr;
  GENERAL_NAMES_free(all);
  if (has_alternatives) return;
  const X509_NAME* subject = X509_get_subject_name(leaf_.get());
  int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return;
  unsigned char* text = nullptr;
  int n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (n > 0) add_name(names_, Bytes(reinterpret_cast<char*>(text), size_t(n)));
  OPENSSL_free(text);
}

Result<std::shared_ptr<const LoadedCertificate>> LoadedCertificate::self_signed() {
  ERR_clear_error();
  auto certificate = std::make_shared<LoadedCertificate>();
  certificate->key_.reset(EVP_EC_gen("P-256"));
  certificate->leaf_.reset(X509_new());
  certificate->chain_.reset(sk_X509_new_null());
  if (!certificate->key_ || !certificate->leaf_ || !certificate->chain_ ||
      !fill_self_signed(certificate->leaf_.get(), certificate->key_.get()))
    return tls_error("cannot make a certificate for a listener without one: " + take_reason().text);
  certificate->not_after_ = unix_time(X509_get0_notAfter(certificate->leaf_.get()));
  return std::shared_ptr<const LoadedCertificate>(std::move(certificate));
}

Result<void> LoadedCertificate::install(SSL_CTX* ctx) const {
  ERR_clear_error();
  if (SSL_CTX_use_cert_and_key(ctx, leaf_.get(), key_.get(), chain_.get(), 1)) return {};
  return tls_error("a certificate cannot be used: " + take_reason().text);
}

}  // namespace cardea::tls
