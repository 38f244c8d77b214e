// The list of a configuration's mistakes: bounded, in order of place, safe to print.
#include <algorithm>

#include "yaml/yaml.h"

namespace cardea::yaml {

namespace {

constexpr size_t kMaxFaults = 100;
constexpr size_t kMaxText = 512;  // of one key or reason

bool before(const Mark& a, const Mark& b) {
  return a.line != b.line ? a.line < b.line : a.column < b.column;
}

// Keys and reasons quote what the text says: no line may be forged by it, none may be endless.
std::string printable(const std::string& text) {
  static const char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(std::min(text.size(), kMaxText));
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    if (out.size() >= kMaxText && (c & 0xc0) != 0x80) {
      out += "...";
      break;
    }
    if (out.size() >= kMaxText + 8) break;
    if (c < 0x20 || c == 0x7f) {
      out += "\\x";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

void Faults::add(Mark mark, const std::string& key, const std::string& reason) {
  auto at = std::upper_bound(list_.begin(), list_.end(), mark,
                             [](const Mark& m, const Fault& f) { return before(m, f.mark); });
  if (list_.size() == kMaxFaults) {
    ++dropped_;
    if (at == list_.end()) return;
    size_t index = static_cast<size_t>(at - list_.begin());
    list_.pop_back();
    at = list_.begin() + static_cast<ptrdiff_t>(index);
  }
  list_.insert(at, Fault{mark, printable(key), printable(reason)});
}

std::string Faults::text(const std::string& source) const {
  std::string out;
  for (const Fault& fault : list_) {
    if (!out.empty()) out += '\n';
    out += source;
    if (fault.mark.line != 0) {
      if (!source.empty()) out += ':';
      out += std::to_string(fault.mark.line) + ':' + std::to_string(fault.mark.column);
    }
    if (!source.empty() || fault.mark.line != 0) out += ": ";
    if (!fault.key.empty()) out += fault.key + ": ";
    out += fault.reason;
  }
  if (dropped_ != 0) {
    out += '\n' + source + (source.empty() ? "" : ": ") + "and " + std::to_string(dropped_) + " more";
  }
  return out;
}

}  // namespace cardea::yaml
