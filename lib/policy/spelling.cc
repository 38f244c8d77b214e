// Words of fault messages: what somebody wrote, and which known name is near to it.
#include "policy/spelling.h"

#include <algorithm>
#include <array>

namespace cardea::policy {
namespace {

// Edits (insert, delete, replace) between two short names.
size_t distance(Bytes a, Bytes b) {
  constexpr size_t kMax = 40;
  if (a.size() > kMax || b.size() > kMax) return kMax;
  std::array<size_t, kMax + 1> row;
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string quoted(Bytes text) {
  constexpr size_t kMax = 64;
  std::string result = "\"";
  for (char c : text.substr(0, kMax)) result += (c >= 0x20 && c < 0x7f) ? c : '?';
  return result + (text.size() > kMax ? "...\"" : "\"");
}

Nearest::Nearest(Bytes wrong) : wrong_(wrong), best_distance_(std::max<size_t>(2, wrong.size() / 3) + 1) {}

void Nearest::offer(Bytes name) {
  const size_t d = distance(wrong_, name);
  if (d >= best_distance_) return;
  best_distance_ = d;
  best_ = name;
}

std::string Nearest::text() const {
  return best_.empty() ? std::string() : " (did you mean \"" + std::string(best_) + "\"?)";
}

std::string below(const std::string& key, Bytes name) {
  return key.empty() ? std::string(name) : key + "." + std::string(name);
}

}  // namespace cardea::policy
