// Small questions about ASCII text.
#include "base/text.h"

#include <algorithm>

namespace cardea {

std::string lower(Bytes text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

bool is_visible(Bytes text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace cardea
