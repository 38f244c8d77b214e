// Time and turns of a loop: timers against a naive model, and the order in which a turn ends.
#include <random>

#include "fake_loop.h"

namespace cardea::net {
namespace {

// --- timers

// Long random histories against a list that is searched from one end to the other.
void compare_with_model(unsigned seed, Millis start) {
  std::mt19937_64 random(seed);
  FakeLoop loop;
  loop.clock().monotonic = start;
  loop.run();
  struct Entry {
    std::unique_ptr<Timer> timer;
    Millis deadline = 0;
    uint64_t order = 0;
  };
  constexpr size_t kTimers = 50;
  std::vector<Entry> entries(kTimers);
  std::vector<size_t> fired;
  for (size_t i = 0; i < kTimers; ++i) {
    entries[i].timer = std::make_unique<Timer>(loop, [&, i] { fired.push_back(i); });
  }
  for (int step = 0; step < 4000; ++step) {
    Entry& e = entries[random() % kTimers];
    const unsigned kind = unsigned(random() % 10);
    if (kind < 6) {
      const Millis delay = random() % (Millis{1} << (random() % 40));
      e.timer->start(delay);
      e.deadline = loop.clock().monotonic + delay;
    } else if (kind < 7) {
      e.timer->stop();
      e.deadline = 0;
    } else if (kind < 8) {
      const size_t i = size_t(&e - entries.data());
      e.timer = std::make_unique<Timer>(loop, [&fired, i] { fired.push_back(i); });
      e.deadline = 0;
    } else {
      // One jump over many deadlines: all fire, in order of time.
      loop.clock().move(random() % (Millis{1} << (random() % 38)));
      const Millis now = loop.clock().monotonic;
      std::vector<std::pair<Millis, size_t>> expected, got;
      for (size_t i = 0; i < kTimers; ++i) {
        if (entries[i].deadline != 0 && entries[i].deadline <= now) expected.push_back({entries[i].deadline, i});
      }
      std::sort(expected.begin(), expected.end());
      fired.clear();
      loop.run();
      for (size_t i : fired) got.push_back({entries[i].deadline, i});
      EXPECT_TRUE(std::is_sorted(got.begin(), got.end(), [](auto& a, auto& b) { return a.first < b.first; }));
      std::sort(got.begin(), got.end());
      ASSERT_EQ(got, expected) << "seed " << seed << " step " << step;
      for (size_t i : fired) entries[i].deadline = 0;
    }
    Millis earliest = 0;
    for (auto& x : entries) {
      ASSERT_EQ(x.timer->active(), x.deadline != 0);
      if (x.deadline != 0 && (earliest == 0 || x.deadline < earliest)) earliest = x.deadline;
    }
    if (earliest != 0) {
      ASSERT_NE(loop.next_deadline(), 0u);
      ASSERT_LE(loop.next_deadline(), std::max(earliest, loop.now()));
    }
  }
}

TEST(Timers, MatchANaiveModel) {
  for (unsigned seed = 1; seed <= 20; ++seed) compare_with_model(seed, 1 + seed * 7777777);
}

TEST(Timers, MatchANaiveModelOverTheHorizonOfTheWheel) {
  for (unsigned seed = 1; seed <= 10; ++seed) compare_with_model(seed, (Millis{1} << 36) - 5000);
}

TEST(Timers, StepByStepEachFiresAtItsMillisecond) {
  FakeLoop loop;
  loop.clock().monotonic = (Millis{1} << 36) - 20000;
  std::vector<std::unique_ptr<Timer>> timers;
  std::mt19937 random(5);
  int fired = 0;
  for (int i = 0; i < 500; ++i) {
    const Millis when = loop.clock().monotonic + random() % 40000;
    timers.push_back(std::make_unique<Timer>(loop, [&loop, &fired, when] {
      EXPECT_EQ(loop.now(), when);
      ++fired;
    }));
    timers.back()->start_at(when);
  }
  loop.advance(40000);
  EXPECT_EQ(fired, 500);
  EXPECT_EQ(loop.next_deadline(), 0u);
}

TEST(Timers, ZeroFiresInTheNextTurnWithoutTimeMoving) {
  FakeLoop loop;
  int fired = 0;
  Timer* again = nullptr;
  Timer timer(loop, [&] {
    if (++fired < 3) again->start(0);
  });
  again = &timer;
  timer.start(0);
  EXPECT_EQ(fired, 0);
  loop.run_due();
  EXPECT_EQ(fired, 1);
  loop.run_due();
  EXPECT_EQ(fired, 2);
  loop.run();
  EXPECT_EQ(fired, 3);
}

TEST(Timers, LaterStartMovesNothingAndStillFiresOnce) {
  FakeLoop loop;
  std::vector<Millis> at;
  Timer timer(loop, [&] { at.push_back(loop.now()); });
  const Millis start = loop.now();
  timer.start(100);
  for (int i = 0; i < 50; ++i) {
    loop.advance(10);
    timer.start(100);
  }
  EXPECT_TRUE(at.empty());
  loop.advance(99);
  EXPECT_TRUE(at.empty());
  loop.advance(1000);
  EXPECT_EQ(at, std::vector<Millis>{start + 600});
  EXPECT_FALSE(timer.active());
}

TEST(Timers, MayStopDeleteAndRestartEachOtherWhenDueTogether) {
  FakeLoop loop;
  std::vector<int> fired;
  std::unique_ptr<Timer> victim;
  Timer stopped(loop, [&] { fired.push_back(2); });
  Timer moved(loop, [&] { fired.push_back(4); });
  Timer first(loop, [&] {
    fired.push_back(1);
    stopped.stop();
    victim.reset();
    moved.start(50);
  });
  victim = std::make_unique<Timer>(loop, [&] { fired.push_back(3); });
  first.start(10);
  stopped.start(10);
  victim->start(10);
  moved.start(10);
  loop.clock().move(20);
  loop.run();
  EXPECT_EQ(fired, std::vector<int>{1});
  loop.advance(50);
  EXPECT_EQ(fired, (std::vector<int>{1, 4}));
}

TEST(Timers, EndlessDelayIsNeverDue) {
  FakeLoop loop;
  bool fired = false;
  Timer timer(loop, [&] { fired = true; });
  timer.start(~Millis{0});
  loop.clock().move(Millis{1} << 50);
  loop.run();
  EXPECT_FALSE(fired);
  EXPECT_TRUE(timer.active());
}

// --- turns

struct Logger : Flushable, Deferred {
  Logger(std::vector<std::string>& log, std::string name) : log(log), name(std::move(name)) {}
  ~Logger() override { log.push_back("~" + name); }
  void flush() override {
    log.push_back(name);
    if (then) then();
  }
  std::vector<std::string>& log;
  std::string name;
  std::function<void()> then;
};

TEST(Turn, EndsWithFlushesThenDeletions) {
  FakeLoop loop;
  std::vector<std::string> log;
  Logger b(log, "b");
  auto a = std::make_unique<Logger>(log, "a");
  auto gone = std::make_unique<Logger>(log, "gone");
  a->then = [&] { loop.flush_later(b); };  // queued while flushing: still in this turn
  {
    Loop::Turn outer(loop);
    {
      Loop::Turn inner(loop);
      loop.flush_later(*a);
      loop.flush_later(*a);
      loop.flush_later(*gone);
      gone.reset();  // leaves the list
      loop.defer_delete(std::move(a));
    }
    EXPECT_EQ(log, std::vector<std::string>{"~gone"});
    log.clear();
  }
  EXPECT_EQ(log, (std::vector<std::string>{"a", "b", "~a"}));
}

TEST(Turn, DeletionsMayFlushAndDelete) {
  FakeLoop loop;
  std::vector<std::string> log;
  struct Chain : Deferred {
    explicit Chain(std::function<void()> end) : end(std::move(end)) {}
    ~Chain() override { end(); }
    std::function<void()> end;
  };
  Logger word(log, "last word");
  {
    Loop::Turn turn(loop);
    loop.defer_delete(std::make_unique<Chain>([&] {
      log.push_back("first");
      loop.flush_later(word);
      loop.defer_delete(std::make_unique<Chain>([&] { log.push_back("second"); }));
    }));
  }
  EXPECT_EQ(log, (std::vector<std::string>{"first", "last word", "second"}));
}

TEST(Turn, WorkLeftOutsideATurnIsDoneInTheNext) {
  FakeLoop loop;
  std::vector<std::string> log;
  Logger f(log, "f");
  loop.flush_later(f);
  loop.defer_delete(std::make_unique<Logger>(log, "d"));
  EXPECT_NE(loop.next_deadline(), 0u);
  loop.run();
  EXPECT_EQ(log, (std::vector<std::string>{"f", "~d"}));
  EXPECT_EQ(loop.next_deadline(), 0u);
}

TEST(Turn, NextTurnIsNotThisTurn) {
  FakeLoop loop;
  int runs = 0;
  std::function<void()> again = [&] {
    if (++runs < 3) loop.next_turn(again);
  };
  loop.next_turn(again);
  { Loop::Turn turn(loop); }
  EXPECT_EQ(runs, 0);
  loop.run_due();
  EXPECT_EQ(runs, 1);
  loop.run();
  EXPECT_EQ(runs, 3);
}

}  // namespace
}  // namespace cardea::net
