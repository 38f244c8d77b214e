// The limits of a proxy, over its workers and its configurations.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "limit/table.h"

namespace cardea::limit {

// A limit and the text that says whose it is: a later configuration with the same scope and `by` means the same one.
struct Scoped {
  std::string scope;
  const Terms* terms;
};

// Any thread.
class Registry {
 public:
  explicit Registry(uint64_t seed) : seed_(seed) {}
  // These are the limits from now on. One that was there keeps what it has counted; where its numbers are others, they
  // are others for everybody at once. One that is gone is over when nobody is inside any more.
  void adopt(const std::vector<Scoped>& all);
  // That of this scope; made with these terms if there is none.
  std::shared_ptr<Table> find(const std::string& scope, const Terms& terms);

 private:
  using Id = std::pair<std::string, By>;
  struct Known {
    std::weak_ptr<Table> table;
    Terms terms;
  };
  std::shared_ptr<Table> find_locked(const std::string& scope, const Terms& terms);

  const uint64_t seed_;
  std::mutex mutex_;
  std::map<Id, Known> known_;
  std::vector<std::shared_ptr<Table>> kept_;  // of the configuration
};

}  // namespace cardea::limit
