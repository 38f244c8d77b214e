// Words of fault messages: what somebody wrote, and which known name is near to it.
#pragma once

#include <string>

#include "base/base.h"

namespace cardea::policy {

// What a message quotes of a text that anybody may have written: printable ASCII, at most 64 bytes of it.
std::string quoted(Bytes text);

// The known name that needs the fewest edits, when it is near enough to be meant.
class Nearest {
 public:
  explicit Nearest(Bytes wrong);
  void offer(Bytes name);
  std::string text() const;  // ` (did you mean "email"?)`, or nothing

 private:
  Bytes wrong_, best_;
  size_t best_distance_;
};

// "policy.allow", or "allow" below nothing.
std::string below(const std::string& key, Bytes name);

}  // namespace cardea::policy
