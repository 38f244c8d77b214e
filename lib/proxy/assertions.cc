// Signed assertions, remembered.
#include "proxy/assertions.h"

#include <algorithm>

namespace cardea::proxy {

namespace {
// A route's name stays when a configuration changes its claims, and two routes may share one.
bool same_claims(const std::vector<std::string>& known, const std::vector<config::ClaimHeader>& now) {
  return std::equal(known.begin(), known.end(), now.begin(), now.end(),
                    [](const std::string& claim, const config::ClaimHeader& h) { return claim == h.claim; });
}
}  // namespace

Bytes Assertions::get(const token::SignerPtr& signer, const identity::IdentityPtr& who, const config::Route& route,
                      Bytes host, int64_t now, Arena& arena) {
  // The entry holds the identity, so its address names no other one meanwhile.
  std::string key = std::to_string(reinterpret_cast<uintptr_t>(who.get()));
  key.append(" ").append(host).append(" ").append(route.name);
  Signed* known = signed_.find(key);
  const bool good = known && known->who == who && known->signer->same_key(*signer) &&
                    same_claims(known->claims, route.claim_headers) && known->at <= now &&
                    now - known->at < token::Signer::kLifetimeSeconds / 2;
  if (!good) {
    std::vector<std::string> claims;
    for (const config::ClaimHeader& h : route.claim_headers) claims.push_back(h.claim);
    std::string text = signer->sign(*who, host, now, claims);
    if (text.empty()) return {};
    known = &signed_.put(std::move(key), {signer, who, std::move(claims), now, std::move(text)});
  }
  return arena.copy(known->text);
}

}  // namespace cardea::proxy
