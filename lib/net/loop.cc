// Loop: the turn (time, flushes, deferred deletion) and what waits for the next one.
#include <time.h>

#include <new>
#include <utility>

#include "net/net.h"

namespace cardea::net {

namespace {

class RealClock final : public Clock {
 public:
  Millis monotonic_ms() override { return Millis(read(CLOCK_MONOTONIC)); }
  int64_t unix_ms() override { return read(CLOCK_REALTIME); }

 private:
  static int64_t read(clockid_t id) {
    timespec t;
    clock_gettime(id, &t);
    return int64_t{t.tv_sec} * 1000 + t.tv_nsec / 1000000;
  }
};

// What fails for want of memory ends alone; the rest of the turn goes on, and nothing is thrown through libuv.
template <class Fn>
void contained(Fn&& fn) {
  try {
    fn();
  } catch (const std::bad_alloc&) {
  }
}

}  // namespace

Clock& real_clock() {
  static RealClock clock;
  return clock;
}

Flushable::~Flushable() {
  if (flush_loop_ == nullptr) return;
  (flush_prev_ != nullptr ? flush_prev_->flush_next_ : flush_loop_->flush_head_) = flush_next_;
  (flush_next_ != nullptr ? flush_next_->flush_prev_ : flush_loop_->flush_tail_) = flush_prev_;
}

Loop::Loop(Clock& clock) : clock_(clock), now_(clock.monotonic_ms()), read_buffer_(new char[kReadBuffer]) {
  wheel_.advance(now_, [](Timer&) {});  // it begins at 0
}

Loop::~Loop() {
  shut();
  next_.clear();
  while (dead_ != nullptr) bury();
}

Loop::Turn::Turn(Loop& loop) : loop_(loop) {
  static thread_local uint64_t turns = 0;
  if (loop_.depth_++ > 0) return;
  loop_.turn_ = ++turns;
  loop_.update_time();
}

Loop::Turn::~Turn() {
  if (loop_.depth_ == 1) loop_.end_turn();
  --loop_.depth_;
  if (loop_.depth_ == 0 && loop_.rearm_wanted_) {
    loop_.rearm_wanted_ = false;
    loop_.rearm();
  }
}

void Loop::run_flushes() {
  while (Flushable* f = flush_head_) {
    flush_head_ = f->flush_next_;
    (flush_head_ != nullptr ? flush_head_->flush_prev_ : flush_tail_) = nullptr;
    f->flush_loop_ = nullptr;
    f->flush_next_ = nullptr;
    contained([f] { f->flush(); });
  }
}

void Loop::end_turn() {
  // A flush may end an object, and an object's end may write a last word somewhere else.
  for (;;) {
    run_flushes();
    if (dead_ == nullptr) return;
    bury();
  }
}

void Loop::bury() {
  Deferred* next = std::exchange(dead_, nullptr);
  last_dead_ = nullptr;
  while (Deferred* object = next) {
    next = object->next_dead_;
    delete object;
  }
}

void Loop::deadline_moved() {
  if (depth_ > 0) {
    rearm_wanted_ = true;
  } else {
    rearm();
  }
}

void Loop::flush_later(Flushable& f) {
  if (f.flush_loop_ != nullptr) return;
  f.flush_loop_ = this;
  f.flush_prev_ = flush_tail_;
  f.flush_next_ = nullptr;
  (flush_tail_ != nullptr ? flush_tail_->flush_next_ : flush_head_) = &f;
  flush_tail_ = &f;
  if (depth_ == 0) rearm();
}

void Loop::defer_delete(std::unique_ptr<Deferred> object) {
  if (object == nullptr) return;
  Deferred* const last = object.release();
  (last_dead_ != nullptr ? last_dead_->next_dead_ : dead_) = last;
  last_dead_ = last;
  if (depth_ == 0) rearm();
}

bool Loop::post(std::function<void()> fn) {
  std::lock_guard<std::mutex> lock(inbox_mutex_);
  if (!inbox_open_) return false;
  inbox_.push_back(std::move(fn));
  // Under the lock, so that shut() divides the wake-ups from the end of what they wake.
  if (inbox_.size() == 1) wake();
  return true;
}

void Loop::next_turn(std::function<void()> fn) {
  next_.push_back(std::move(fn));
  deadline_moved();
}

void Loop::shut() {
  std::vector<std::function<void()>> dropped;
  std::lock_guard<std::mutex> lock(inbox_mutex_);
  inbox_open_ = false;
  dropped.swap(inbox_);
}

void Loop::run_due() {
  if (running_due_) return;
  running_due_ = true;
  {
    Turn turn(*this);
    rearm_wanted_ = true;
    std::vector<std::function<void()>> posted;
    {
      std::lock_guard<std::mutex> lock(inbox_mutex_);
      posted.swap(inbox_);
    }
    for (auto& fn : posted) contained(fn);
    auto next = std::move(next_);
    next_.clear();
    for (auto& fn : next) contained(fn);
    wheel_.advance(now_, [](Timer& t) {
      t.deadline_ = 0;
      contained(t.fn_);
    });
    // Closures may own objects whose end is part of this turn.
    posted.clear();
    next.clear();
  }
  running_due_ = false;
}

Millis Loop::next_deadline() const {
  if (has_pending()) return now_ > 0 ? now_ : 1;
  return wheel_.next();
}

}  // namespace cardea::net
