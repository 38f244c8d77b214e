// Finds the table of a limit again when the configuration has changed around it.
#include "limit/registry.h"

namespace cardea::limit {

std::shared_ptr<Table> Registry::find_locked(const std::string& scope, const Terms& terms) {
  Known& known = known_[{scope, terms.by}];
  if (auto table = known.table.lock()) return table;
  auto made = std::make_shared<Table>(terms, seed_);
  known = {made, terms};
  return made;
}

std::shared_ptr<Table> Registry::find(const std::string& scope, const Terms& terms) {
  std::lock_guard lock(mutex_);
  return find_locked(scope, terms);
}

void Registry::adopt(const std::vector<Scoped>& all) {
  std::vector<std::shared_ptr<Table>> before;  // let go without the lock
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Table>> next;
  next.reserve(all.size());
  for (const Scoped& one : all) {
    auto table = find_locked(one.scope, *one.terms);
    Known& known = known_[{one.scope, one.terms->by}];
    if (known.terms != *one.terms) {
      table->set_terms(*one.terms);
      known.terms = *one.terms;
    }
    next.push_back(std::move(table));
  }
  before = std::exchange(kept_, std::move(next));
  std::erase_if(known_, [](const auto& row) { return row.second.table.expired(); });
}

}  // namespace cardea::limit
