// Who may pass no more although a policy would let them: asked for every request, so nothing to ask is one load.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "identity/identity.h"
#include "proxy/selector.h"

namespace cardea::proxy {

// Thread-safe. Entries past their time leave when another comes.
class Revocations {
 public:
  static constexpr size_t kMax = 100'000;
  // False when there is no room: kMax are in force.
  bool add(const Revocation& revocation, int64_t now_unix_ms);
  bool empty() const { return count_.load(std::memory_order_acquire) == 0; }
  // What it hit and who said so; `what` null: nothing.
  struct Hit {
    const char* what = nullptr;  // "user", "certificate"
    std::string by;
  };
  Hit find(const identity::Identity* who, const identity::Certificate* certificate, int64_t now_unix_ms) const;

 private:
  struct Entry {
    int64_t until = 0;
    std::string by;
  };
  using Table = std::unordered_map<std::string, Entry>;
  static bool holds(const Table& table, const std::string& key, int64_t now, Hit& hit, const char* what);
  mutable std::mutex mutex_;
  Table users_, certificates_;
  std::atomic<size_t> count_{0};
};

}  // namespace cardea::proxy
