// A certificate authority for tests: makes roots, intermediates and leaves as PEM text.
//
//   pki::Authority ca;
//   pki::Leaf leaf = ca.issue({"a.example", "*.a.example", "127.0.0.1"}, pki::ecdsa);
//   tls::KeyPair pair{{leaf.certificate, "leaf"}, {leaf.key, "leaf key"}};
//   std::string crl = ca.revoke({leaf.serial});
#pragma once

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace pki {

enum KeyKind { ecdsa, rsa };

// PEM texts. `certificate` has the leaf first, then the intermediates; never the root.
struct Leaf {
  std::string certificate;
  std::string key;
  long serial = 0;
};

struct IssueOptions {
  int64_t valid_from = -3600;         // seconds from now
  int64_t valid_until = 86400 * 365;  // negative: expired
  std::string usage = "serverAuth";   // extended key usage; empty: no such extension
  int rsa_bits = 2048;
  std::string curve = "P-256";
  std::string common_name;        // default: the first name
  bool alternative_names = true;  // false: only the common name says who it is
  // Beside the names, in OpenSSL's words: "email:a@b.example", "URI:spiffe://a/b", "otherName:msUPN;UTF8:a@b".
  std::vector<std::string> alternatives;
  std::vector<std::string> units;             // OU of the subject
  std::string key_usage;                      // of an authority; default: both of what one may sign
  bool key_id = false;                        // an authority says which its key is, a leaf says which its issuer's
  std::function<void(X509*)> before_signing;  // changes anything
};

// A revocation list.
struct ListOptions {
  int64_t this_update = -60;                      // seconds from now
  int64_t next_update = 86400;                    // 0: not said
  std::string point;                              // issuing distribution point in OpenSSL's words: "onlyuser:TRUE"
  long delta = 0;                                 // number of its base; 0: it is complete
  bool key_id = false;                            // with authority key identifier; the issuer needs its own
  EVP_PKEY* key = nullptr;                        // signs instead of the authority
  std::function<void(X509_CRL*)> before_signing;  // changes anything
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

inline std::string pem_of(X509_CRL* list) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509_CRL(bio, list);
  char* p = nullptr;
  long n = BIO_get_mem_data(bio, &p);
  std::string text(p, size_t(n));
  BIO_free(bio);
  return text;
}

// The certificates of a PEM text, each as DER.
inline std::vector<std::string> ders_of(const std::string& pem) {
  std::vector<std::string> ders;
  BIO* bio = BIO_new_mem_buf(pem.data(), int(pem.size()));
  while (X509* x = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr)) {
    unsigned char* der = nullptr;
    int n = i2d_X509(x, &der);
    ders.emplace_back(reinterpret_cast<char*>(der), size_t(n));
    OPENSSL_free(der);
    X509_free(x);
  }
  ERR_clear_error();
  BIO_free(bio);
  return ders;
}

inline std::string first_of(const std::string& pem) {
  constexpr char kEnd[] = "-----END CERTIFICATE-----\n";
  return pem.substr(0, pem.find(kEnd) + sizeof kEnd - 1);
}

inline KeyPtr make_key(KeyKind kind, const IssueOptions& options = {}) {
  return KeyPtr(kind == rsa ? EVP_RSA_gen(unsigned(options.rsa_bits)) : EVP_EC_gen(options.curve.c_str()));
}

class Authority {
 public:
  explicit Authority(const std::string& name = "Test Root", const IssueOptions& options = {}, KeyKind kind = ecdsa)
      : key_(make_key(kind, options)) {
    certificate_ = make(name, key_.get(), options, nullptr, *this);
  }

  std::string certificate() const { return pem_of(certificate_.get()); }
  // An authority below this one; what it issues carries its certificate in the chain.
  Authority intermediate(const std::string& name = "Test Intermediate", const IssueOptions& options = {}) const {
    Authority below{Empty{}};
    below.key_ = make_key(ecdsa);
    below.certificate_ = make(name, below.key_.get(), options, nullptr, *this);
    below.chain_ = below.certificate() + chain_;
    return below;
  }
  Leaf issue(const std::vector<std::string>& names, KeyKind kind = ecdsa, const IssueOptions& options = {}) const {
    KeyPtr key = make_key(kind, options);
    X509Ptr x = make(options.common_name.empty() && !names.empty() ? names[0] : options.common_name, key.get(), options,
                     &names, *this);
    return {pem_of(x.get()) + chain_, pem_of(key.get()), ASN1_INTEGER_get(X509_get0_serialNumber(x.get()))};
  }
  long serial() const { return ASN1_INTEGER_get(X509_get0_serialNumber(certificate_.get())); }
  EVP_PKEY* key() const { return key_.get(); }
  // A list of what this authority takes back.
  std::string revoke(const std::vector<long>& serials, const ListOptions& options = {}) const {
    std::unique_ptr<X509_CRL, void (*)(X509_CRL*)> list(X509_CRL_new(), X509_CRL_free);
    X509_CRL_set_version(list.get(), X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(certificate_.get()));
    ASN1_TIME* when = X509_gmtime_adj(nullptr, long(options.this_update));
    X509_CRL_set1_lastUpdate(list.get(), when);
    if (options.next_update) X509_CRL_set1_nextUpdate(list.get(), X509_gmtime_adj(when, long(options.next_update)));
    for (long serial : serials) {
      X509_REVOKED* entry = X509_REVOKED_new();
      ASN1_INTEGER* number = ASN1_INTEGER_new();
      ASN1_INTEGER_set(number, serial);
      X509_REVOKED_set_serialNumber(entry, number);
      X509_REVOKED_set_revocationDate(entry, X509_gmtime_adj(when, -120));
      ASN1_INTEGER_free(number);
      X509_CRL_add0_revoked(list.get(), entry);
    }
    ASN1_TIME_free(when);
    add_number(list.get(), NID_crl_number, 1, false);
    if (options.key_id) add(list.get(), NID_authority_key_identifier, "keyid:always");
    if (!options.point.empty()) add(list.get(), NID_issuing_distribution_point, "critical," + options.point);
    if (options.delta) add_number(list.get(), NID_delta_crl, options.delta, true);
    if (options.before_signing) options.before_signing(list.get());
    X509_CRL_sort(list.get());
    if (X509_CRL_sign(list.get(), options.key ? options.key : key_.get(), EVP_sha256()) <= 0) abort();
    return pem_of(list.get());
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
  void add(X509_CRL* list, int nid, const std::string& value) const {
    X509V3_CTX v3;
    X509V3_set_ctx(&v3, certificate_.get(), nullptr, nullptr, list, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &v3, nid, value.c_str());
    if (!extension || !X509_CRL_add_ext(list, extension, -1)) abort();
    X509_EXTENSION_free(extension);
  }
  static void add_number(X509_CRL* list, int nid, long value, bool critical) {
    ASN1_INTEGER* number = ASN1_INTEGER_new();
    ASN1_INTEGER_set(number, value);
    if (X509_CRL_add1_ext_i2d(list, nid, number, critical, 0) != 1) abort();
    ASN1_INTEGER_free(number);
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
    for (const std::string& unit : options.units)
      X509_NAME_add_entry_by_txt(name, "OU", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(unit.c_str()), -1,
                                 -1, 0);
    X509* parent = issuer.certificate_ ? issuer.certificate_.get() : x.get();
    X509_set_issuer_name(x.get(), X509_get_subject_name(parent));
    X509_set_pubkey(x.get(), key);
    if (!names) {
      add(x.get(), parent, NID_basic_constraints, "critical,CA:TRUE");
      add(x.get(), parent, NID_key_usage,
          "critical," + (options.key_usage.empty() ? "keyCertSign,cRLSign" : options.key_usage));
    } else {
      add(x.get(), parent, NID_basic_constraints, "critical,CA:FALSE");
      if (!options.usage.empty()) add(x.get(), parent, NID_ext_key_usage, options.usage);
      std::string alternatives;
      for (const std::string& n : *names)
        alternatives += (alternatives.empty() ? "" : ",") + std::string(is_address(n) ? "IP:" : "DNS:") + n;
      for (const std::string& more : options.alternatives) alternatives += (alternatives.empty() ? "" : ",") + more;
      if (options.alternative_names && !alternatives.empty()) add(x.get(), parent, NID_subject_alt_name, alternatives);
    }
    if (options.key_id)
      names ? add(x.get(), parent, NID_authority_key_identifier, "keyid:always")
            : add(x.get(), parent, NID_subject_key_identifier, "hash");
    if (options.before_signing) options.before_signing(x.get());
    if (X509_sign(x.get(), issuer.key_.get(), EVP_sha256()) <= 0) abort();
    return x;
  }

  KeyPtr key_;
  X509Ptr certificate_;
  std::string chain_;
};

}  // namespace pki
