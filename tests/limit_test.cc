// Counts of limits: buckets against plain arithmetic, tables against a naive model over long random histories,
// exactness over threads, what is forgotten and what is refused when there is no room.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <thread>

#include "base/random.h"
#include "limit/registry.h"

namespace cardea::limit {
namespace {

using Outcome = Table::Outcome;

Terms requests(uint32_t n, Millis per, uint32_t burst, By by = By::user) {
  Terms t;
  t.by = by;
  t.windows.push_back({n, per, burst});
  return t;
}
Terms concurrent(uint32_t n, By by = By::user) {
  Terms t;
  t.by = by;
  t.concurrent = n;
  return t;
}
Terms bytes(uint64_t per_second, By by = By::user) {
  Terms t;
  t.by = by;
  t.bytes_per_second = per_second;
  return t;
}

// One request that is over at once.
Outcome once(Table& table, Bytes key, Millis now) {
  const Table::Answer a = table.enter(key, now);
  if (a.outcome == Outcome::passed) table.leave(a.entry, now);
  return a.outcome;
}
int passing(Table& table, Bytes key, Millis now, int tries) {
  int n = 0;
  for (int i = 0; i < tries; ++i) n += once(table, key, now) == Outcome::passed;
  return n;
}

// ---- the bucket -----------------------------------------------------------------------------------

TEST(Bucket, Rows) {
  struct Row {
    const char* name;
    Terms::Window window;
    std::vector<std::pair<Millis, int>> passing;  // at this time so many of ten
  };
  const Row rows[] = {
      {"a burst, then one each 100 ms", {10, 1000, 3}, {{1000, 3}, {1099, 0}, {1100, 1}, {1250, 1}, {1300, 1}}},
      {"full again", {10, 1000, 3}, {{1000, 3}, {1300, 3}, {9000, 3}, {9100, 1}}},
      {"a third of a second is not rounded", {3, 1000, 1}, {{1000, 1}, {1333, 0}, {1334, 1}, {1667, 0}, {1668, 1}}},
      {"thirds add up", {3, 1000, 3}, {{1000, 3}, {1333, 0}, {1334, 1}, {1666, 0}, {1667, 1}, {2000, 1}}},
      {"one an hour", {1, 3'600'000, 1}, {{1, 1}, {3'600'000, 0}, {3'600'001, 1}}},
      {"more than one a millisecond", {5000, 1000, 5}, {{10, 5}, {10, 0}, {11, 5}, {13, 5}}},
      {"the longest", {1, 31'536'000'000, 1'000'000}, {{1, 10}, {2, 10}}},
  };
  for (const Row& row : rows) {
    Terms t = requests(1, 1, 1);
    t.windows = {row.window};
    Table table(t, 1);
    for (const auto& [at, n] : row.passing) EXPECT_EQ(passing(table, "u", at, 10), n) << row.name << " at " << at;
  }
}

TEST(Bucket, WaitIsWhenItPasses) {
  Random random(7);
  for (int round = 0; round < 2000; ++round) {
    Table table(requests(uint32_t(1 + random.below(50)), 1 + random.below(5000), uint32_t(1 + random.below(5))), 1);
    Millis now = 1 + random.below(1000);
    while (once(table, "u", now) == Outcome::passed) {
    }
    const Table::Answer refused = table.enter("u", now);
    ASSERT_EQ(refused.outcome, Outcome::requests);
    ASSERT_GT(refused.wait, 0u);
    EXPECT_NE(once(table, "u", now + refused.wait - 1), Outcome::passed);
    EXPECT_EQ(once(table, "u", now + refused.wait), Outcome::passed);
  }
}

// ---- the table against a model --------------------------------------------------------------------

// Says the same with numbers of unlimited size kept for ever: the time at which a request would be conforming.
class Model {
 public:
  explicit Model(const Terms& terms) : terms_(terms) {}
  Outcome enter(const std::string& key, Millis now) {
    User& u = users_[key];
    if (terms_.concurrent && u.active >= terms_.concurrent) return Outcome::concurrent;
    u.due.resize(terms_.windows.size());
    for (size_t i = 0; i < u.due.size(); ++i) {
      const auto& w = terms_.windows[i];
      // GCRA with times in 1 / requests of a millisecond.
      const __int128 at = __int128(now) * w.requests, due = std::max(u.due[i], at);
      if (due - at > __int128(w.burst - 1) * __int128(w.per)) return Outcome::requests;
    }
    for (size_t i = 0; i < u.due.size(); ++i) {
      const auto& w = terms_.windows[i];
      u.due[i] = std::max(u.due[i], __int128(now) * w.requests) + __int128(w.per);
    }
    ++u.active;
    return Outcome::passed;
  }
  void leave(const std::string& key) { --users_[key].active; }
  // Whether it makes a difference that it was here.
  bool matters(const std::string& key, Millis now) const {
    auto u = users_.find(key);
    if (u == users_.end()) return false;
    for (size_t i = 0; i < u->second.due.size(); ++i) {
      if (u->second.due[i] > __int128(now) * terms_.windows[i].requests) return true;
    }
    return u->second.active > 0;
  }
  size_t mattering(Millis now) const {
    size_t n = 0;
    for (const auto& [key, user] : users_) n += matters(key, now);
    return n;
  }

 private:
  struct User {
    uint32_t active = 0;
    std::vector<__int128> due;
  };
  const Terms terms_;
  std::map<std::string, User> users_;
};

TEST(Table, AgreesWithTheModel) {
  size_t seen[4] = {};
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    Terms terms;
    terms.by = random.below(2) ? By::user : By::route;
    if (random.below(2)) terms.concurrent = uint32_t(1 + random.below(4));
    for (uint64_t n = random.below(4); n > 0; --n) {
      terms.windows.push_back(
          {uint32_t(1 + random.below(30)), 100 * n + random.below(90), uint32_t(1 + random.below(8))});
    }
    Table table(terms, random.next());
    Model model(terms);
    std::deque<std::pair<std::string, Table::Entry*>> inside;
    Millis now = random.below(1000);
    for (int step = 0; step < 5000; ++step) {
      if (random.below(4) == 0) now += random.below(random.below(50) ? 60 : 5000);
      if (!inside.empty() && (random.below(2) || inside.size() > 40)) {
        std::swap(inside.front(), inside[random.below(inside.size())]);
        table.leave(inside.front().second, now);
        model.leave(inside.front().first);
        inside.pop_front();
      } else {
        const std::string key = "user" + std::to_string(random.below(20));
        const Table::Answer a = table.enter(key, now);
        ++seen[size_t(a.outcome)];
        ASSERT_EQ(int(a.outcome), int(model.enter(key, now))) << "seed " << seed << " step " << step;
        ASSERT_EQ(a.entry != nullptr, a.outcome == Outcome::passed);
        if (a.entry) inside.emplace_back(key, a.entry);
      }
      ASSERT_LE(table.keys(), 20u);
    }
    for (auto& [key, entry] : inside) table.leave(entry, now);
  }
  EXPECT_GT(seen[0], 10'000u);
  EXPECT_GT(seen[1], 1000u);
  EXPECT_GT(seen[2], 1000u);
}

TEST(Table, AClockThatIsBehindTakesNothingBackAndGivesNothing) {
  Table table(requests(10, 1000, 2), 1);
  EXPECT_EQ(passing(table, "u", 5000, 5), 2);
  EXPECT_EQ(passing(table, "u", 1, 5), 0) << "another worker's turn began earlier";
  EXPECT_EQ(passing(table, "u", 4999, 5), 0);
  EXPECT_EQ(passing(table, "u", 5100, 5), 1);
  EXPECT_EQ(passing(table, "u", UINT64_MAX / 2, 5), 2) << "a jump";
  EXPECT_EQ(passing(table, "u", UINT64_MAX / 2 + 100, 5), 1);
}

TEST(Table, RefusedTakesNothing) {
  Terms terms = requests(1, 1000, 5);
  terms.concurrent = 1;
  terms.windows.push_back({1, 10'000, 5});
  Table table(terms, 1);
  const Table::Answer held = table.enter("u", 1000);
  ASSERT_TRUE(held.entry);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(table.enter("u", 1000).outcome, Outcome::concurrent);
  table.leave(held.entry, 1000);
  EXPECT_EQ(passing(table, "u", 1000, 10), 4) << "only the one that passed was counted";
  for (int i = 0; i < 100; ++i) EXPECT_EQ(table.enter("u", 2000).outcome, Outcome::requests) << "the second window";
  EXPECT_EQ(passing(table, "u", 11'000, 10), 1) << "nor did they put it off";
}

// ---- room -----------------------------------------------------------------------------------------

TEST(Table, ManyAddresses) {
  constexpr size_t kMax = 1600;
  Table table(requests(1, 10'000, 1), 3, kMax);
  const Table::Answer live = table.enter("lives", 1000);
  ASSERT_TRUE(live.entry);
  size_t passed = 0, refused = 0;
  Millis wait = 0;
  for (int i = 0; i < 100'000; ++i) {
    const std::string key = "attacker" + std::to_string(i);
    const Table::Answer a = table.enter(key, 1000);
    if (a.entry) table.leave(a.entry, 1000);
    a.outcome == Outcome::passed ? ++passed : ++refused;
    if (a.outcome != Outcome::passed) {
      ASSERT_EQ(a.outcome, Outcome::keys);
      wait = a.wait;
    }
    ASSERT_LE(table.keys(), kMax);
  }
  EXPECT_EQ(passed, kMax - 1) << "not one more than are remembered: each of them is still limited";
  EXPECT_EQ(wait, 10'000u) << "when the first of them is forgotten";
  EXPECT_EQ(once(table, "attacker0", 1001), Outcome::requests);
  EXPECT_EQ(once(table, "lives", 1001), Outcome::requests);
  // Ten seconds later all of them are as good as new.
  for (int i = 0; i < 100'000; ++i) once(table, "later" + std::to_string(i), 20'000 + Millis(i) * 1000);
  EXPECT_LT(table.keys(), 200u) << "and go, little by little";
  table.leave(live.entry, 1'000'000);
}

TEST(Table, WhatIsForgottenMakesNoDifference) {
  // Room for as many as are under way at once, and a history of many more.
  Random random(11);
  Terms terms = requests(2, 100, 3);
  terms.concurrent = 2;
  Table table(terms, 5, 16 * 64);
  Model model(terms);
  std::deque<std::pair<std::string, Table::Entry*>> inside;
  Millis now = 1000;
  size_t most = 0;
  for (int i = 0; i < 200'000; ++i) {
    now += random.below(2);
    const std::string key = std::to_string(random.below(50) ? i / 50 : random.below(4000));
    const Table::Answer a = table.enter(key, now);
    ASSERT_NE(a.outcome, Outcome::keys);
    ASSERT_EQ(int(a.outcome), int(model.enter(key, now))) << key;
    if (a.entry) inside.emplace_back(key, a.entry);
    while (inside.size() > 20) {
      model.leave(inside.front().first);
      table.leave(inside.front().second, now);
      inside.pop_front();
    }
    most = std::max(most, table.keys());
  }
  for (auto& [key, entry] : inside) table.leave(entry, now);
  EXPECT_LT(most, 500u);
}

TEST(Table, RefusedForWantOfRoomOnlyWhenThereIsNone) {
  constexpr size_t kMax = 25;
  size_t refused = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Random random(seed);
    Terms terms = requests(1, 100 + random.below(300), uint32_t(1 + random.below(10)), By::route);  // one shard
    Table table(terms, seed, kMax);
    Model model(terms);
    std::deque<std::pair<std::string, Table::Entry*>> inside;
    Millis now = 1000;
    for (int step = 0; step < 5000; ++step) {
      now += random.below(8);
      if (!inside.empty() && (random.below(3) || inside.size() > 15)) {
        std::swap(inside.front(), inside[random.below(inside.size())]);
        table.leave(inside.front().second, now);
        model.leave(inside.front().first);
        inside.pop_front();
        continue;
      }
      const std::string key = std::to_string(random.below(60));
      const bool room = model.matters(key, now) || model.mattering(now) < kMax;
      const Table::Answer a = table.enter(key, now);
      ASSERT_EQ(a.outcome != Outcome::keys, room) << "seed " << seed << " step " << step;
      refused += !room;
      if (!room) continue;
      ASSERT_EQ(int(a.outcome), int(model.enter(key, now)));
      if (a.entry) inside.emplace_back(key, a.entry);
    }
    for (auto& [key, entry] : inside) table.leave(entry, now);
  }
  EXPECT_GT(refused, 1000u);
}

TEST(Table, AllInsideLeaveNoRoom) {
  Table table(concurrent(1, By::route), 3, 2);  // one shard
  const auto a = table.enter("a", 1), b = table.enter("b", 1);
  const auto c = table.enter("c", 1);
  EXPECT_EQ(c.outcome, Outcome::keys);
  EXPECT_EQ(c.wait, 1000u);
  table.leave(a.entry, 1);
  const auto d = table.enter("c", 1);
  EXPECT_EQ(d.outcome, Outcome::passed);
  EXPECT_EQ(table.enter("b", 1).outcome, Outcome::concurrent);
  table.leave(b.entry, 1);
  table.leave(d.entry, 1);
}

// ---- several threads ------------------------------------------------------------------------------

TEST(Table, ExactOverThreads) {
  Terms terms = requests(1, 3'600'000, 1000);
  terms.concurrent = 3;
  Table table(terms, 1);
  std::atomic<int> inside{0}, most{0}, passed{0};
  auto run = [&](uint64_t seed) {
    Random random(seed);
    for (int i = 0; i < 4000; ++i) {
      const Table::Answer a = table.enter("u", 1000);
      once(table, "other" + std::to_string(random.below(100)), 1000);
      if (!a.entry) continue;
      const int now = ++inside;
      for (int m = most; now > m && !most.compare_exchange_weak(m, now);) {
      }
      ++passed;
      std::this_thread::yield();
      --inside;
      table.leave(a.entry, 1000);
    }
  };
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 4; ++i) threads.emplace_back(run, i);
  for (auto& t : threads) t.join();
  EXPECT_EQ(passed, 1000) << "the burst, whoever asks";
  EXPECT_LE(most, 3);
}

TEST(Table, TermsChangeUnderThreads) {
  Registry registry(1);
  const Terms one = requests(100, 1000, 10), two = bytes(1000);
  const std::vector<Scoped> a = {{"r", &one}}, b = {{"r", &two}};
  registry.adopt(a);
  std::atomic<bool> stop{false};
  auto use = [&] {
    for (Millis now = 1; !stop; ++now) {
      auto table = registry.find("r", one);
      const Table::Answer e = table->enter("k" + std::to_string(now % 50), now);
      if (!e.entry) continue;
      table->spend(e.entry, Direction::to_client, 100, now);
      table->room(e.entry, Direction::to_service, now);
      table->leave(e.entry, now);
    }
  };
  std::thread first(use), second(use);
  for (int i = 0; i < 300; ++i) registry.adopt(i % 2 ? a : b);
  stop = true;
  first.join();
  second.join();
}

// ---- bytes ----------------------------------------------------------------------------------------

TEST(Bytes, PaceIsExact) {
  for (uint64_t rate : {1000ull, 12'345ull, 100'000ull, 50'000'000ull}) {
    Table table(bytes(rate), 1);
    Table::Entry* const e = table.enter("u", 1).entry;
    const uint64_t burst = table.room(e, Direction::to_client, 1);
    EXPECT_GE(burst, std::min<uint64_t>(rate / 4, 4 << 20));
    Millis now = 1;
    uint64_t sent = 0;
    while (now < 100'001) {
      const uint64_t slice = table.slice();
      now += table.spend(e, Direction::to_client, slice, now);
      sent += slice;
    }
    const double expected = double(rate) * 100 + double(burst);
    EXPECT_NEAR(double(sent), expected, expected * 0.002 + double(2 * table.slice())) << rate;
    EXPECT_EQ(table.room(e, Direction::to_service, now), burst) << "the other direction is another matter";
    table.leave(e, now);
  }
}

TEST(Bytes, TurnsGoRound) {
  Table table(bytes(10'000), 1);
  Table::Entry* const first = table.enter("u", 1).entry;
  Table::Entry* const second = table.enter("u", 1).entry;
  EXPECT_EQ(first, second);
  table.spend(first, Direction::to_client, table.room(first, Direction::to_client, 1), 1);
  EXPECT_EQ(table.room(first, Direction::to_client, 1), 0u);
  const uint64_t slice = table.slice();
  Millis before = 0;
  for (int i = 0; i < 6; ++i) {
    const Millis wait = table.spend(i % 2 ? first : second, Direction::to_client, slice, 1);
    EXPECT_GT(wait, before) << "each after the one before it";
    before = wait;
  }
  table.leave(first, 1);
  table.leave(second, 1);
}

// ---- configurations -------------------------------------------------------------------------------

TEST(Registry, WhatIsTheSameGoesOn) {
  Registry registry(1);
  Terms terms = requests(1, 1000, 5);
  registry.adopt({{"r", &terms}});
  EXPECT_EQ(passing(*registry.find("r", terms), "u", 1000, 10), 5);
  registry.adopt({{"r", &terms}, {"s", &terms}});
  EXPECT_EQ(passing(*registry.find("r", terms), "u", 1000, 10), 0);
  EXPECT_EQ(passing(*registry.find("s", terms), "u", 1000, 10), 5) << "another scope";
  const Terms by_address = requests(1, 1000, 5, By::source_ip);
  EXPECT_EQ(passing(*registry.find("r", by_address), "u", 1000, 10), 5) << "another matter";
}

TEST(Registry, WhatWasTakenStaysTakenUnderNewNumbers) {
  struct Row {
    const char* name;
    Terms::Window before, after;
    int spent, left;
  };
  const Row rows[] = {
      {"more", {1, 1000, 5}, {1, 1000, 8}, 5, 3},       {"fewer", {1, 1000, 8}, {1, 1000, 5}, 3, 2},
      {"too many", {1, 1000, 8}, {1, 1000, 5}, 8, 0},   {"another time", {1, 1000, 5}, {1, 60'000, 5}, 2, 3},
      {"faster", {1, 60'000, 5}, {50, 1000, 10}, 5, 5},
  };
  for (const Row& row : rows) {
    Registry registry(1);
    Terms terms = requests(1, 1, 1);
    terms.windows = {row.before};
    registry.adopt({{"r", &terms}});
    auto table = registry.find("r", terms);
    EXPECT_EQ(passing(*table, "u", 1000, row.spent), row.spent) << row.name;
    terms.windows = {row.after};
    registry.adopt({{"r", &terms}});
    EXPECT_EQ(registry.find("r", terms), table);
    EXPECT_EQ(passing(*table, "u", 1000, 10), row.left) << row.name;
  }
}

TEST(Registry, WindowsAreFoundByTheirLength) {
  Registry registry(1);
  Terms terms = requests(1, 1000, 100);
  terms.windows.push_back({1, 60'000, 7});
  registry.adopt({{"r", &terms}});
  auto table = registry.find("r", terms);
  EXPECT_EQ(passing(*table, "u", 1000, 10), 7);
  terms.windows.erase(terms.windows.begin());
  registry.adopt({{"r", &terms}});
  EXPECT_EQ(passing(*table, "u", 1000, 10), 0) << "what is left is the same";
  terms.windows.push_back({1, 1000, 3});
  registry.adopt({{"r", &terms}});
  terms.windows.erase(terms.windows.begin());
  registry.adopt({{"r", &terms}});
  EXPECT_EQ(passing(*table, "u", 1000, 10), 3) << "a new one begins empty";
}

TEST(Registry, WhoIsInsideIsCountedUnderNewNumbers) {
  Registry registry(1);
  const Terms three = concurrent(3), two = concurrent(2), none = requests(1, 1000, 100);
  registry.adopt({{"r", &none}});
  auto table = registry.find("r", none);
  const auto a = table->enter("u", 1), b = table->enter("u", 1);
  registry.adopt({{"r", &three}});
  const auto c = table->enter("u", 1);
  EXPECT_TRUE(c.entry);
  EXPECT_EQ(table->enter("u", 1).outcome, Outcome::concurrent);
  registry.adopt({{"r", &two}});
  table->leave(a.entry, 1);
  EXPECT_EQ(table->enter("u", 1).outcome, Outcome::concurrent) << "two are still there";
  registry.adopt({});
  EXPECT_EQ(registry.find("r", two), table) << "gone from the configuration, and not over";
  table->leave(b.entry, 1);
  EXPECT_EQ(once(*registry.find("r", two), "u", 1), Outcome::passed);
  table->leave(c.entry, 1);
}

TEST(Registry, WhoIsForgottenFirstChangesWithTheNumbers) {
  Terms terms = requests(1, 100'000, 10, By::route);
  terms.windows.push_back({1, 1000, 10});
  Table table(terms, 1, 500);
  for (int i = 0; i < 250; ++i) passing(table, "old" + std::to_string(i), 1000, 5);
  for (int i = 0; i < 250; ++i) passing(table, "new" + std::to_string(i), 20'000, 1);
  EXPECT_EQ(once(table, "another", 20'001), Outcome::keys);
  terms.windows.erase(terms.windows.begin());
  table.set_terms(terms);
  EXPECT_EQ(once(table, "another", 20'001), Outcome::passed) << "by the window that is left the old ones are";
}

}  // namespace
}  // namespace cardea::limit
