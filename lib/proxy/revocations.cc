// Revoked users and certificates.
#include "proxy/revocations.h"

namespace cardea::proxy {

bool Revocations::add(const Revocation& revocation, int64_t now) {
  std::lock_guard lock(mutex_);
  auto over = [now](const auto& entry) { return entry.second.until && entry.second.until <= now; };
  std::erase_if(users_, over);
  std::erase_if(certificates_, over);
  const bool user = !revocation.user.empty();
  Table& table = user ? users_ : certificates_;
  const std::string& key = user ? revocation.user : revocation.certificate_fingerprint;
  if (users_.size() + certificates_.size() >= kMax && !table.contains(key)) return false;
  table[key] = {revocation.until_unix_ms, revocation.by};
  count_.store(users_.size() + certificates_.size(), std::memory_order_release);
  return true;
}

bool Revocations::holds(const Table& table, const std::string& key, int64_t now, Hit& hit, const char* what) {
  if (key.empty()) return false;
  auto it = table.find(key);
  if (it == table.end() || (it->second.until && it->second.until <= now)) return false;
  hit = {what, it->second.by};
  return true;
}

Revocations::Hit Revocations::find(const identity::Identity* who, const identity::Certificate* certificate,
                                   int64_t now) const {
  Hit hit;
  if (empty() || (!who && !certificate)) return hit;
  std::lock_guard lock(mutex_);
  if (who && (holds(users_, who->user, now, hit, "user") || holds(users_, who->email, now, hit, "user"))) return hit;
  if (certificate) holds(certificates_, certificate->fingerprint, now, hit, "certificate");
  return hit;
}

}  // namespace cardea::proxy
