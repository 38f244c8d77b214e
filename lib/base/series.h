// Tallies by name, each written by several threads in parts of their own; bounded, and never less than they were.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace cardea {

// All parts of one tally, and what those that are gone have left. T has add(const T&) and atomic members. Any thread.
template <class T>
class Series : public std::enable_shared_from_this<Series<T>> {
 public:
  // One writer's own. It keeps the series; what it has counted stays when it goes.
  std::shared_ptr<T> part() {
    auto mine = std::make_unique<T>();
    T* const part = mine.get();
    {
      std::lock_guard lock(mutex_);
      parts_.push_back(std::move(mine));
    }
    // Without the lock: when there is no memory for the pointer, it folds at once.
    return {part, [self = this->shared_from_this()](T* gone) { self->fold(gone); }};
  }
  void add_to(T& sum) const {
    std::lock_guard lock(mutex_);
    sum.add(past_);
    for (const auto& part : parts_) sum.add(*part);
  }

 private:
  void fold(const T* gone) {
    std::lock_guard lock(mutex_);
    past_.add(*gone);
    std::erase_if(parts_, [gone](const auto& part) { return part.get() == gone; });
  }
  mutable std::mutex mutex_;
  T past_;
  std::vector<std::unique_ptr<T>> parts_;
};

// At most kMax names have a series of their own; the others share that of kOther, which is never given up. Any thread.
template <class T>
class SeriesByName {
 public:
  using Ptr = std::shared_ptr<Series<T>>;
  static constexpr size_t kMax = 1000;
  static constexpr const char* kOther = "other";

  // That of this name, while anybody keeps it.
  Ptr find(const std::string& name) {
    std::lock_guard lock(mutex_);
    return find_locked(name);
  }
  // These names keep theirs until the next call: the first of them get one first.
  void keep(const std::vector<std::string>& names) {
    const std::unordered_set<std::string> wanted(names.begin(), names.end());
    std::lock_guard lock(mutex_);
    std::erase_if(kept_, [&](const auto& row) { return !wanted.count(row.first); });
    for (const std::string& name : names) {
      auto row = kept_.find(name);
      if (row != kept_.end() && row->second != other_) continue;
      kept_.insert_or_assign(name, find_locked(name));
    }
  }
  // By name, kOther among them.
  std::vector<std::pair<std::string, Ptr>> all() const {
    std::lock_guard lock(mutex_);
    std::vector<std::pair<std::string, Ptr>> out;
    for (const auto& [name, weak] : series_) {
      if (Ptr series = weak.lock()) out.emplace_back(name, std::move(series));
    }
    if (other_) out.emplace_back(kOther, other_);
    return out;
  }
  // What the series of this name is called in all().
  std::string label(const std::string& name) const {
    std::lock_guard lock(mutex_);
    auto row = series_.find(name);
    return row != series_.end() && !row->second.expired() ? name : kOther;
  }

 private:
  Ptr find_locked(const std::string& name) {
    auto row = series_.find(name);
    if (row != series_.end()) {
      if (Ptr known = row->second.lock()) return known;
      series_.erase(row);
    }
    if (series_.size() >= kMax) std::erase_if(series_, [](const auto& old) { return old.second.expired(); });
    if (series_.size() >= kMax || name == kOther) {
      if (!other_) other_ = std::make_shared<Series<T>>();
      return other_;
    }
    auto fresh = std::make_shared<Series<T>>();
    series_.emplace(name, fresh);
    return fresh;
  }
  mutable std::mutex mutex_;
  std::map<std::string, std::weak_ptr<Series<T>>> series_;
  std::map<std::string, Ptr> kept_;
  Ptr other_;
};

}  // namespace cardea
