// A bounded memory of what was expensive to find out: the latest used stays.
#pragma once

#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace cardea {

// Text to Value. Not thread-safe. Values stay in place until they are forgotten.
template <class Value>
class Lru {
 public:
  // Bounds: entries, and bytes of all keys.
  Lru(size_t max_entries, size_t max_bytes) : max_entries_(max_entries), max_bytes_(max_bytes) {}

  Value* find(std::string_view key) {  // null: not here
    auto it = index_.find(key);
    if (it == index_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, it->second);
    return &it->second->second;
  }
  Value& put(std::string key, Value value) {
    erase(key);
    bytes_ += key.size();
    entries_.emplace_front(std::move(key), std::move(value));
    index_[entries_.front().first] = entries_.begin();
    while (entries_.size() > 1 && (entries_.size() > max_entries_ || bytes_ > max_bytes_)) erase(entries_.back().first);
    return entries_.front().second;
  }
  void erase(std::string_view key) {
    auto it = index_.find(key);
    if (it == index_.end()) return;
    const auto entry = it->second;
    bytes_ -= entry->first.size();
    index_.erase(it);
    entries_.erase(entry);
  }
  size_t size() const { return entries_.size(); }

 private:
  using Entry = std::pair<const std::string, Value>;
  const size_t max_entries_, max_bytes_;
  std::list<Entry> entries_;  // latest used first
  std::unordered_map<std::string_view, typename std::list<Entry>::iterator> index_;
  size_t bytes_ = 0;
};

}  // namespace cardea
