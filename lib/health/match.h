// Texts that must come in their order in a stream of bytes, with anything between them. Inside this folder only.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/base.h"

namespace cardea::health {

// Keeps no more than one piece and the beginning of the text that it looks for. The texts outlive it.
class Match {
 public:
  explicit Match(const std::vector<std::string>& texts) : texts_(texts) { restart(); }
  void restart() {
    next_ = 0;
    tail_.clear();
    skip_empty();
  }
  void feed(Bytes piece) {
    if (complete()) return;
    tail_.append(piece);
    size_t at = 0;
    while (!complete()) {
      const std::string& text = texts_[next_];
      const size_t found = tail_.find(text, at);
      if (found == std::string::npos) {
        // What is left may be the beginning of it.
        at = std::max(at, tail_.size() - std::min(tail_.size(), text.size() - 1));
        break;
      }
      at = found + text.size();
      ++next_;
      skip_empty();
    }
    tail_.erase(0, complete() ? tail_.size() : at);
  }
  bool complete() const { return next_ == texts_.size(); }
  // The first that has not come, for people: printable, and not longer than a line. !complete()
  std::string missing() const {
    constexpr size_t kShown = 32;
    static constexpr char kHex[] = "0123456789abcdef";
    const std::string& text = texts_[next_];
    std::string shown = "\"";
    for (const char c : text.substr(0, kShown)) {
      if (c >= ' ' && c < 0x7f && c != '"' && c != '\\') {
        shown += c;
      } else {
        shown.append("\\x") += kHex[uint8_t(c) >> 4];
        shown += kHex[uint8_t(c) & 15];
      }
    }
    return shown + (text.size() > kShown ? "\"..." : "\"");
  }

 private:
  void skip_empty() {
    while (!complete() && texts_[next_].empty()) ++next_;
  }
  const std::vector<std::string>& texts_;
  size_t next_ = 0;
  std::string tail_;
};

}  // namespace cardea::health
