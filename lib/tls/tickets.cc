// Session resumption: ticket keys of listeners, remembered sessions of upstream connections.
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <cstring>

#include "tls/openssl.h"

namespace cardea::tls {

struct TicketKeys::Key {
  unsigned char name[16];
  unsigned char aes[32];
  unsigned char hmac[32];
  Millis born;
  ~Key() { OPENSSL_cleanse(this, sizeof *this); }
};

TicketKeys::TicketKeys() : aes_(EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr)) {}

// Called with the lock held. Workers' clocks may differ by a turn, so a key can look younger than zero.
bool TicketKeys::rotate(Millis now) {
  Millis age = current_ && now > current_->born ? now - current_->born : 0;
  if (current_ && age < kLifetime) return true;
  auto next = std::make_shared<Key>();
  if (RAND_bytes(next->name, sizeof next->name) <= 0 || RAND_priv_bytes(next->aes, sizeof next->aes) <= 0 ||
      RAND_priv_bytes(next->hmac, sizeof next->hmac) <= 0)
    return false;
  next->born = now;
  // Nobody came for a whole lifetime: what the old key encrypted is too old by now.
  previous_ = age < 2 * kLifetime ? std::move(current_) : nullptr;
  current_ = std::move(next);
  return true;
}

int TicketKeys::prepare(Millis now, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                        bool encrypt) {
  std::shared_ptr<const Key> key;
  bool renew = false;
  {
    std::lock_guard lock(mutex_);
    if (!aes_ || !rotate(now)) return 0;  // no ticket; the connection itself is fine
    key = current_;
    if (!encrypt && memcmp(name, key->name, sizeof key->name) != 0) {
      key = previous_;
      renew = true;
      if (!key || memcmp(name, key->name, sizeof key->name) != 0) return 0;
    }
  }
  if (encrypt) {
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(aes_.get())) <= 0) return 0;
    memcpy(name, key->name, sizeof key->name);
  }
  char digest[] = "SHA256";
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, const_cast<unsigned char*>(key->hmac), sizeof key->hmac),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  if (!EVP_CipherInit_ex2(cipher, aes_.get(), key->aes, iv, encrypt ? 1 : 0, nullptr) ||
      !EVP_MAC_CTX_set_params(mac, params))
    return -1;
  return renew ? 2 : 1;
}

void SessionCache::put(const std::string& key, const SSL_SESSION* session, int64_t not_after_ms) {
  SessionPtr copy(SSL_SESSION_dup(session));
  if (!copy) return ERR_clear_error();
  std::lock_guard lock(mutex_);
  if (auto it = index_.find(key); it != index_.end()) {
    it->second->session.swap(copy);
    it->second->not_after_ms = not_after_ms;
    entries_.splice(entries_.begin(), entries_, it->second);
    return;
  }
  if (entries_.size() >= kMaxSessions) {
    index_.erase(entries_.back().key);
    entries_.pop_back();
  }
  entries_.push_front(Entry{key, std::move(copy), not_after_ms});
  index_.emplace(entries_.front().key, entries_.begin());
}

SessionCache::Found SessionCache::find(const std::string& key, int64_t now_unix_ms) {
  std::lock_guard lock(mutex_);
  auto it = index_.find(key);
  if (it == index_.end()) return {};
  auto entry = it->second;
  if (entry->not_after_ms != 0 && now_unix_ms >= entry->not_after_ms) {
    index_.erase(it);
    entries_.erase(entry);
    return {};
  }
  return {SessionPtr(SSL_SESSION_dup(entry->session.get())), entry->not_after_ms};
}

}  // namespace cardea::tls
