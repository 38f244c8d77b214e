// A certificate authority for tests: makes roots, intermediates and leaves as PEM text.
//
//   pki::Authority ca;
//   pki::Leaf leaf = ca.issue({"a.example", "*.a.example", "127.0.0.1"}, pki::ecdsa);
//   tls::KeyPair pair{{leaf.certificate, "leaf"}, {leaf.key, "leaf key"}};
#pragma once

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace pki {

enum KeyKind { ecdsa, rsa };

// PEM texts. `certificate` has the leaf first, then the intermediates; never the root.
struct Leaf {
  std::string certificate;
  std::string key;
};

struct IssueOptions {
  int64_t valid_from = -3600;         // seconds from now
  int64_t valid_until = 86400 * 365;  // negative: expired
  std::string usage = "serverAuth";   // extended key usage; empty: no such extension
  int rsa_bits = 2048;
  std::string curve = "P-256";
  std::string common_name;        // default: the first name
  bool alternative_names = true;  // false: only the common name says who it is
};

struct FreeX509 {
  void operator()(X509* x) const { X509_free(x); }
};
struct FreeKey {
  void operator()(EVP_PKEY* k) const { EVP_PKEY_free(k); }
};
using X509Ptr = std::unique_ptr<X509, FreeX509>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeKey>;

inline std::string pem_of(X509* x) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, x);
  char* p = nullptr;
  long n = BIO_get_mem_data(bio, &p);
  std::string text(p, size_t(n));
  BIO_free(bio);
  return text;
}

// With a password the key is encrypted.
inline std::string pem_of(EVP_PKEY* key, const char* password = nullptr) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PKCS8PrivateKey(bio, key, password ? EVP_aes_128_cbc() : nullptr, password,
                                password ? int(std::char_traits<char>::length(password)) : 0, nullptr, nullptr);
  char* p = nullptr;
  long n = BIO_get_mem_data(bio, &p);
  std::string text(p, size_t(n));
  BIO_free(bio);
  return text;
}

inline KeyPtr make_key(KeyKind kind, const IssueOptions& options = {}) {
  return KeyPtr(kind == rsa ? EVP_RSA_gen(unsigned(options.rsa_bits)) : EVP_EC_gen(options.curve.c_str()));
}

class Authority {
 public:
  explicit Authority(const std::string& name = "Test Root") : key_(make_key(ecdsa)) {
    certificate_ = make(name, key_.get(), {}, nullptr, *this);
  }

  std::string certificate() const { return pem_of(certificate_.get()); }
  // An authority below this one; what it issues carries its certificate in the chain.
  Authority intermediate(const std::string& name = "Test Intermediate") const {
    Authority below{Empty{}};
    below.key_ = make_key(ecdsa);
    below.certificate_ = make(name, below.key_.get(), {}, nullptr, *this);
    below.chain_ = below.certificate() + chain_;
    return below;
  }
  Leaf issue(const std::vector<std::string>& names, KeyKind kind = ecdsa, const IssueOptions& options = {}) const {
    KeyPtr key = make_key(kind, options);
    X509Ptr x = make(options.common_name.empty() && !names.empty() ? names[0] : options.common_name, key.get(), options,
                     &names, *this);
    return {pem_of(x.get()) + chain_, pem_of(key.get())};
  }

 private:
  struct Empty {};
  explicit Authority(Empty) {}

  static void add(X509* x, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX v3;
    X509V3_set_ctx(&v3, issuer, x, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &v3, nid, value.c_str());
    if (!extension || !X509_add_ext(x, extension, -1)) abort();
    X509_EXTENSION_free(extension);
  }
  static bool is_address(const std::string& name) {
    return name.find(':') != std::string::npos || name.find_first_not_of("0123456789.") == std::string::npos;
  }
  // A certificate authority when `names` is null.
  static X509Ptr make(const std::string& subject, EVP_PKEY* key, const IssueOptions& options,
                      const std::vector<std::string>* names, const Authority& issuer) {
    static long serial = 1000;
    X509Ptr x(X509_new());
    X509_set_version(x.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x.get()), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x.get()), long(options.valid_from));
    X509_gmtime_adj(X509_getm_notAfter(x.get()), long(options.valid_until));
    X509_NAME* name = X509_get_subject_name(x.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(subject.c_str()), -1,
                               -1, 0);
    X509* parent = issuer.certificate_ ? issuer.certificate_.get() : x.get();
    X509_set_issuer_name(x.get(), X509_get_subject_name(parent));
    X509_set_pubkey(x.get(), key);
    if (!names) {
      add(x.get(), parent, NID_basic_constraints, "critical,CA:TRUE");
      add(x.get(), parent, NID_key_usage, "critical,keyCertSign,cRLSign");
    } else {
      add(x.get(), parent, NID_basic_constraints, "critical,CA:FALSE");
      if (!options.usage.empty()) add(x.get(), parent, NID_ext_key_usage, options.usage);
      std::string alternatives;
      for (const std::string& n : *names)
        alternatives += (alternatives.empty() ? "" : ",") + std::string(is_address(n) ? "IP:" : "DNS:") + n;
      if (options.alternative_names && !alternatives.empty()) add(x.get(), parent, NID_subject_alt_name, alternatives);
    }
    if (X509_sign(x.get(), issuer.key_.get(), EVP_sha256()) <= 0) abort();
    return x;
  }

  KeyPtr key_;
  X509Ptr certificate_;
  std::string chain_;
};

}  // namespace pki
