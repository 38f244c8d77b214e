// Identities: claims by path, what a certificate says about its holder.
#include "identity/identity.h"

#include <algorithm>

namespace cardea::identity {
namespace {

// Names with control characters (a NUL that ends the text for somebody else) name nobody.
bool usable(const std::string& name) {
  return !name.empty() && std::none_of(name.begin(), name.end(),
                                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

std::string first_usable(const std::vector<std::string>& names) {
  const auto found = std::find_if(names.begin(), names.end(), usable);
  return found == names.end() ? std::string() : *found;
}

}  // namespace

const char* source_name(Source source) {
  switch (source) {
    case Source::token:
      return "token";
    case Source::certificate:
      return "certificate";
    case Source::host:
      return "host";
  }
  return "";
}

const Claim* Identity::claim(Bytes path) const {
  const auto at =
      std::lower_bound(claims.begin(), claims.end(), path, [](const Claim& claim, Bytes p) { return claim.path < p; });
  return at != claims.end() && at->path == path ? &*at : nullptr;
}

Bytes Identity::domain() const {
  const size_t at = email.rfind('@');
  return at == std::string::npos ? Bytes() : Bytes(email).substr(at + 1);
}

std::string normal_claim_path(Bytes path) {
  std::string normal(path);
  std::replace(normal.begin(), normal.end(), '.', '/');
  return normal;
}

bool settle_claims(std::vector<Claim>& claims) {
  std::stable_sort(claims.begin(), claims.end(), [](const Claim& a, const Claim& b) { return a.path < b.path; });
  size_t kept = 0;
  for (size_t i = 0; i < claims.size(); ++i) {
    if (kept > 0 && claims[kept - 1].path == claims[i].path) {
      auto& values = claims[kept - 1].values;
      values.insert(values.end(), std::make_move_iterator(claims[i].values.begin()),
                    std::make_move_iterator(claims[i].values.end()));
    } else {
      if (kept != i) claims[kept] = std::move(claims[i]);
      ++kept;
    }
  }
  claims.resize(std::min(kept, kMaxClaims));
  return kept <= kMaxClaims;
}

IdentityPtr identity_of(const Certificate& certificate) {
  auto who = std::make_shared<Identity>();
  who->source = Source::certificate;
  who->email = first_usable(certificate.emails);
  if (usable(certificate.common_name)) who->name = certificate.common_name;
  for (const std::string& name : {first_usable(certificate.principals), who->email, first_usable(certificate.uris),
                                  who->name, first_usable(certificate.dns)}) {
    if (who->user.empty()) who->user = name;
  }
  if (who->user.empty()) return nullptr;
  std::copy_if(certificate.units.begin(), certificate.units.end(), std::back_inserter(who->groups), usable);
  who->not_after_ms = certificate.not_after_ms;
  return who;
}

}  // namespace cardea::identity
