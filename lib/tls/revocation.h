// Private to lib/tls: which certificates their issuers took back (RFC 5280 5), as of a moment.
#pragma once

#include "tls/openssl.h"

namespace cardea::tls {

// The lists of a ClientTrust. Immutable once made, but for signatures checked since; any thread.
class RevocationLists {
 public:
  // A list by one of `authorities` must be signed by it; one of an issuer that is not among them waits for that issuer.
  Result<void> load(const std::vector<Pem>& lists, const std::vector<X509Ptr>& authorities);

  struct Status {
    int code = X509_V_OK;  // X509_V_ERR_CERT_REVOKED, X509_V_ERR_CRL_*
    int depth = 0;
    const std::string* origin = nullptr;  // of the list that says so
    int64_t next_change_ms = 0;           // Unix time; 0: never
    int64_t next_end_ms = 0;              // of a list that counts
  };
  Status check(const Proof& proof, int64_t now_unix_ms) const;

 private:
  struct List {
    CrlPtr crl;
    std::string origin;
    std::string key_id;  // the signing key's identifier; empty: not said
    std::string scope;   // DER of the issuing distribution point; empty: everything
    bool of_leaves = true, of_authorities = true;
    int64_t this_update_ms = 0, next_update_ms = 0;  // next_update_ms 0: not said
    mutable std::mutex mutex;
    mutable std::vector<X509Ptr> signers;  // issuers whose signature fits

    Result<void> read(CrlPtr crl, const Pem& pem);
    Result<void> read_distribution_point(const std::string& who);
    bool may_be_by(X509* issuer) const;
    int check_signature(X509* issuer) const;
    bool names(X509* x) const;
  };
  // Editions of one list; the newest first.
  using Editions = std::vector<std::unique_ptr<List>>;

  void check_one(const Proof& proof, int depth, int64_t now_unix_ms, Status& status) const;
  std::unordered_map<unsigned long, std::vector<Editions>> by_issuer_;  // hash of the issuer's name
};

}  // namespace cardea::tls
