// RevocationLists: reading lists at load with what we can honour, asking them in the time of a map look-up.
#include "tls/revocation.h"

#include <algorithm>

namespace cardea::tls {
namespace {

constexpr size_t kMaxSigners = 16;  // remembered per list; further ones are checked each time

unsigned long hash_of(const X509_NAME* name) {
  int ok = 0;
  return X509_NAME_hash_ex(name, nullptr, nullptr, &ok);
}

std::string bytes_of(const ASN1_OCTET_STRING* s) {
  if (!s) return {};
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(s)), size_t(ASN1_STRING_length(s))};
}

int check_list_signature(X509_CRL* crl, X509* issuer) {
  if ((X509_get_key_usage(issuer) & KU_CRL_SIGN) == 0) return X509_V_ERR_KEYUSAGE_NO_CRL_SIGN;
  EVP_PKEY* key = X509_get0_pubkey(issuer);
  const bool fits = key && X509_CRL_verify(crl, key) == 1;
  ERR_clear_error();
  return fits ? X509_V_OK : X509_V_ERR_CRL_SIGNATURE_FAILURE;
}

// The earlier of two moments, of which 0 is never.
int64_t earlier(int64_t a, int64_t b) {
  return a == 0 ? b : b == 0 ? a : std::min(a, b);
}

// RFC 5280 5.2 and 5.3: a list with a critical extension that we do not know must not be used.
bool has_unknown_critical(X509_CRL* crl) {
  for (int i = 0; i < X509_CRL_get_ext_count(crl); ++i) {
    X509_EXTENSION* extension = X509_CRL_get_ext(crl, i);
    if (!X509_EXTENSION_get_critical(extension)) continue;
    const int kind = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
    if (kind != NID_issuing_distribution_point && kind != NID_authority_key_identifier && kind != NID_crl_number)
      return true;
  }
  STACK_OF(X509_REVOKED)* revoked = X509_CRL_get_REVOKED(crl);
  for (int i = 0; i < sk_X509_REVOKED_num(revoked); ++i) {
    const X509_REVOKED* entry = sk_X509_REVOKED_value(revoked, i);
    for (int k = 0; k < X509_REVOKED_get_ext_count(entry); ++k) {
      X509_EXTENSION* extension = X509_REVOKED_get_ext(entry, k);
      if (X509_EXTENSION_get_critical(extension) && OBJ_obj2nid(X509_EXTENSION_get_object(extension)) != NID_crl_reason)
        return true;
    }
  }
  return false;
}

}  // namespace

Result<void> RevocationLists::List::read(CrlPtr from, const Pem& pem) {
  crl = std::move(from);
  origin = pem.origin;
  char issuer[256];
  if (!X509_NAME_oneline(X509_CRL_get_issuer(crl.get()), issuer, sizeof issuer)) issuer[0] = '\0';
  const std::string who = pem.origin + ": the list of " + issuer;
  if (X509_CRL_get_ext_by_NID(crl.get(), NID_delta_crl, -1) >= 0)
    return tls_error(who + " is a delta list; only complete lists can be used");
  if (auto point = read_distribution_point(who); !point) return point;
  if (has_unknown_critical(crl.get())) return tls_error(who + " has a critical extension that is not supported");
  this_update_ms = unix_time(X509_CRL_get0_lastUpdate(crl.get())) * 1000;
  const ASN1_TIME* next = X509_CRL_get0_nextUpdate(crl.get());
  next_update_ms = unix_time(next) * 1000;
  if (this_update_ms == 0 || (next && next_update_ms == 0)) return tls_error(who + " has a malformed date");
  int found = -1;
  auto* key =
      static_cast<AUTHORITY_KEYID*>(X509_CRL_get_ext_d2i(crl.get(), NID_authority_key_identifier, &found, nullptr));
  if (!key && found != -1) return tls_error(who + " has an authority key identifier that cannot be read");
  if (key) key_id = bytes_of(key->keyid);
  AUTHORITY_KEYID_free(key);
  // The first look-up sorts the list: here, where nobody shares it yet.
  X509_REVOKED* entry = nullptr;
  std::unique_ptr<ASN1_INTEGER, Freed<ASN1_INTEGER_free>> zero(ASN1_INTEGER_new());
  if (zero) X509_CRL_get0_by_serial(crl.get(), &entry, zero.get());
  return {};
}

Result<void> RevocationLists::List::read_distribution_point(const std::string& who) {
  int found = -1;
  std::unique_ptr<ISSUING_DIST_POINT, Freed<ISSUING_DIST_POINT_free>> point(static_cast<ISSUING_DIST_POINT*>(
      X509_CRL_get_ext_d2i(crl.get(), NID_issuing_distribution_point, &found, nullptr)));
  if (!point) {
    if (found == -1) return {};
    return tls_error(who + " has an issuing distribution point that cannot be read");
  }
  if (point->indirectCRL > 0) return tls_error(who + " is an indirect list, which is not supported");
  if (point->onlysomereasons) return tls_error(who + " is for some reasons only, which is not supported");
  if (point->onlyattr > 0) return tls_error(who + " is of attribute certificates, which are not supported");
  of_leaves = point->onlyCA <= 0;
  of_authorities = point->onlyuser <= 0;
  scope = bytes_of(X509_EXTENSION_get_data(
      X509_CRL_get_ext(crl.get(), X509_CRL_get_ext_by_NID(crl.get(), NID_issuing_distribution_point, -1))));
  return {};
}

// False when both say which key they mean and it is not the same.
bool RevocationLists::List::may_be_by(X509* issuer) const {
  if (key_id.empty()) return true;
  const ASN1_OCTET_STRING* id = X509_get0_subject_key_id(issuer);
  return !id || (size_t(ASN1_STRING_length(id)) == key_id.size() &&
                 std::equal(key_id.begin(), key_id.end(), reinterpret_cast<const char*>(ASN1_STRING_get0_data(id))));
}

int RevocationLists::List::check_signature(X509* issuer) const {
  {
    std::lock_guard lock(mutex);
    for (const X509Ptr& signer : signers) {
      if (signer.get() == issuer || X509_cmp(signer.get(), issuer) == 0) return X509_V_OK;
    }
  }
  const int code = check_list_signature(crl.get(), issuer);
  if (code != X509_V_OK) return code;
  std::lock_guard lock(mutex);
  if (signers.size() < kMaxSigners && X509_up_ref(issuer)) signers.emplace_back(issuer);
  return X509_V_OK;
}

bool RevocationLists::List::names(X509* x) const {
  constexpr int kRevoked = 1;  // 2: "remove from CRL", which takes nothing back
  X509_REVOKED* entry = nullptr;
  return X509_CRL_get0_by_serial(crl.get(), &entry, X509_get0_serialNumber(x)) == kRevoked;
}

Result<void> RevocationLists::load(const std::vector<Pem>& lists, const std::vector<X509Ptr>& authorities) {
  for (const Pem& pem : lists) {
    auto read = read_lists(pem);
    if (!read) return read.error();
    for (CrlPtr& crl : *read) {
      auto list = std::make_unique<List>();
      if (auto done = list->read(std::move(crl), pem); !done) return done;
      const X509_NAME* name = X509_CRL_get_issuer(list->crl.get());
      int code = X509_V_OK;
      for (const X509Ptr& authority : authorities) {
        if (X509_NAME_cmp(X509_get_subject_name(authority.get()), name) != 0 || !list->may_be_by(authority.get()))
          continue;
        code = list->check_signature(authority.get());
        if (code == X509_V_OK) break;
      }
      if (code != X509_V_OK)
        return tls_error(pem.origin + ": a list cannot be used: " + X509_verify_cert_error_string(code));
      std::vector<Editions>& all = by_issuer_[hash_of(name)];
      auto same = std::find_if(all.begin(), all.end(), [&](const Editions& editions) {
        const List& other = *editions.front();
        return other.key_id == list->key_id && other.scope == list->scope &&
               X509_NAME_cmp(X509_CRL_get_issuer(other.crl.get()), name) == 0;
      });
      if (same == all.end()) same = all.emplace(all.end());
      auto at = std::find_if(same->begin(), same->end(),
                             [&](const auto& other) { return other->this_update_ms < list->this_update_ms; });
      same->insert(at, std::move(list));
    }
  }
  return {};
}

RevocationLists::Status RevocationLists::check(const Proof& proof, int64_t now_unix_ms) const {
  Status status;
  if (by_issuer_.empty()) return status;
  const int count = sk_X509_num(proof.chain.get());
  // The anchor is trusted as it is, unless it is the leaf itself.
  for (int depth = 0; depth < std::max(1, count - 1) && status.code == X509_V_OK; ++depth)
    check_one(proof, depth, now_unix_ms, status);
  // What is refused stays so when a list ends; only one that begins can say otherwise.
  if (status.code == X509_V_OK) status.next_change_ms = earlier(status.next_change_ms, status.next_end_ms);
  return status;
}

void RevocationLists::check_one(const Proof& proof, int depth, int64_t now_unix_ms, Status& status) const {
  auto found = by_issuer_.find(proof.issuers[size_t(depth)]);
  if (found == by_issuer_.end()) return;
  X509* x = sk_X509_value(proof.chain.get(), depth);
  X509* issuer = sk_X509_value(proof.chain.get(), depth + 1);  // null: x is the anchor
  auto object = [&](int code, const List& list) {
    if (status.code == X509_V_OK || code == X509_V_ERR_CERT_REVOKED) {
      status.code = code;
      status.depth = depth;
      status.origin = &list.origin;
    }
  };
  for (const Editions& editions : found->second) {
    const List& any = *editions.front();
    if (X509_NAME_cmp(X509_CRL_get_issuer(any.crl.get()), X509_get_issuer_name(x)) != 0) continue;
    if (issuer && !any.may_be_by(issuer)) continue;
    if (depth == 0 ? !any.of_leaves : !any.of_authorities) continue;
    const List* list = nullptr;
    for (const auto& edition : editions) {
      if (edition->this_update_ms <= now_unix_ms) {
        list = edition.get();
        break;
      }
      status.next_change_ms = earlier(status.next_change_ms, edition->this_update_ms);
    }
    if (list && list->names(x)) object(X509_V_ERR_CERT_REVOKED, *list);
    if (depth > 0) continue;  // for authorities a list can only take away
    if (!list) {
      object(X509_V_ERR_CRL_NOT_YET_VALID, any);
    } else if (list->next_update_ms != 0 && list->next_update_ms <= now_unix_ms) {
      object(X509_V_ERR_CRL_HAS_EXPIRED, *list);
    } else {
      status.next_end_ms = earlier(status.next_end_ms, list->next_update_ms);
      if (int code = issuer ? list->check_signature(issuer) : X509_V_OK; code != X509_V_OK) object(code, *list);
    }
  }
}

}  // namespace cardea::tls
