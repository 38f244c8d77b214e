// The regular expressions of one host: which of those that fit comes first.
#pragma once

#include <re2/re2.h>
#include <re2/set.h>

#include <memory>
#include <string>
#include <vector>

#include "base/base.h"

namespace cardea::route {

// Patterns with their ranks. Filled in the order of rank, frozen, then read from any thread.
class RegexRoutes {
 public:
  // Fails on a pattern that RE2 does not take, in a sentence.
  Result<void> add(const std::string& pattern, uint32_t rank);
  void freeze();
  // The smallest rank below `limit` whose pattern matches all of `path`; else `limit`.
  uint32_t match(Bytes path, uint32_t limit) const;

 private:
  struct One {
    std::unique_ptr<const re2::RE2> regex;
    uint32_t rank;
  };
  uint32_t match_each(Bytes path, uint32_t limit) const;

  std::vector<One> all_;
  std::unique_ptr<const re2::RE2::Set> together_;  // when they are many: one pass for all of them
};

}  // namespace cardea::route
