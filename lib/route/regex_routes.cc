// The regular expressions of one host, singly while they are few and as one automaton when they are many.
#include "route/regex_routes.h"

#include <algorithm>

namespace cardea::route {
namespace {

constexpr size_t kFew = 4;  // below, single matches cost less than the set's result list
constexpr int64_t kSetMemory = 16 << 20, kSetMemoryEach = 16 << 10, kSetMemoryMost = 256 << 20;

re2::RE2::Options quiet() {
  re2::RE2::Options options;
  options.set_log_errors(false);  // a library does not write to its host's standard error
  return options;
}

}  // namespace

Result<void> RegexRoutes::add(const std::string& pattern, uint32_t rank) {
  auto regex = std::make_unique<const re2::RE2>(pattern, quiet());
  if (!regex->ok()) return Error{kEconfig, "regular expression: " + regex->error(), 0};
  all_.push_back({std::move(regex), rank});
  return {};
}

void RegexRoutes::freeze() {
  if (all_.size() <= kFew) return;
  re2::RE2::Options options = quiet();
  options.set_max_mem(std::min(kSetMemoryMost, kSetMemory + kSetMemoryEach * int64_t(all_.size())));
  auto set = std::make_unique<re2::RE2::Set>(options, re2::RE2::ANCHOR_BOTH);
  for (const One& one : all_) {
    if (set->Add(one.regex->pattern(), nullptr) < 0) return;
  }
  // Too large for one automaton: they stay single, slower and just as right.
  if (set->Compile()) together_ = std::move(set);
}

uint32_t RegexRoutes::match(Bytes path, uint32_t limit) const {
  if (all_.empty() || all_.front().rank >= limit) return limit;
  if (!together_) return match_each(path, limit);
  thread_local std::vector<int> found;
  found.clear();
  re2::RE2::Set::ErrorInfo error{re2::RE2::Set::kNoError};
  if (!together_->Match({path.data(), path.size()}, &found, &error)) {
    return error.kind == re2::RE2::Set::kNoError ? limit : match_each(path, limit);
  }
  const int first = *std::min_element(found.begin(), found.end());
  return std::min(limit, all_[size_t(first)].rank);
}

uint32_t RegexRoutes::match_each(Bytes path, uint32_t limit) const {
  for (const One& one : all_) {
    if (one.rank >= limit) break;
    if (one.regex->Match({path.data(), path.size()}, 0, path.size(), re2::RE2::ANCHOR_BOTH, nullptr, 0)) {
      return one.rank;
    }
  }
  return limit;
}

}  // namespace cardea::route
