// A clock that stands still and a loop that runs on it: time moves only when a test says so.
#pragma once

#include <gtest/gtest.h>

#include <atomic>

#include "net/net.h"

namespace cardea::net {

// Time that stands still until it is told to move.
class FakeClock : public Clock {
 public:
  Millis monotonic = 1000000;
  int64_t unix_time = 1700000000000;

  Millis monotonic_ms() override { return monotonic; }
  int64_t unix_ms() override { return unix_time; }
  void move(Millis by) {
    monotonic += by;
    unix_time += int64_t(by);
  }
};

class FakeLoop final : private FakeClock, public Loop {
 public:
  FakeLoop() : Loop(static_cast<FakeClock&>(*this)) {}

  FakeClock& clock() { return *this; }
  // Runs turns until nothing is due. A loop that never comes to rest is a failure of the test.
  void run() {
    for (int turns = 0; turns < 1000000; ++turns) {
      update_time();
      const bool woken = woken_.exchange(false);
      const Millis next = next_deadline();
      if (!woken && (next == 0 || next > now())) return;
      run_due();
    }
    ADD_FAILURE() << "the loop never comes to rest";
  }
  // Moves time on, stopping wherever something is due.
  void advance(Millis by) {
    run();
    const Millis end = monotonic + by;
    for (;;) {
      const Millis next = next_deadline();
      if (next == 0 || next > end) break;
      move(next > monotonic ? next - monotonic : 0);
      run();
    }
    move(end - monotonic);
    run();
  }

 protected:
  void wake() override { woken_ = true; }
  void rearm() override {}

 private:
  std::atomic<bool> woken_{false};
};

}  // namespace cardea::net
