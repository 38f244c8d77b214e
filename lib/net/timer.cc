// Timer and TimerWheel: many deadlines, most of which are moved before they come.
#include <algorithm>
#include <bit>

#include "net/net.h"

namespace cardea::net {

namespace {

// Lists keep their last entry in the first one's prev_: appending needs no second array of heads.
template <class T>
void append(T*& head, T& t, T* T::*next, T* T::*prev) {
  t.*next = nullptr;
  if (head == nullptr) {
    t.*prev = &t;
    head = &t;
    return;
  }
  T* last = head->*prev;
  last->*next = &t;
  t.*prev = last;
  head->*prev = &t;
}

template <class T>
void unlink(T*& head, T& t, T* T::*next, T* T::*prev) {
  if (head == &t) {
    head = t.*next;
    if (head != nullptr) head->*prev = t.*prev;
  } else {
    (t.*prev)->*next = t.*next;  // NOLINT(clang-analyzer-core.NullDereference): only the head has none
    (t.*next != nullptr ? t.*next : head)->*prev = t.*prev;
  }
  t.*next = t.*prev = nullptr;
}

}  // namespace

Timer::Timer(Loop& loop, std::function<void()> fn) : loop_(loop), fn_(std::move(fn)) {}

Timer::~Timer() {
  if (queued_ != 0) loop_.wheel_.remove(*this);
}

void Timer::start(Millis delay) {
  if (!loop_.in_turn()) loop_.update_time();  // a host may call in long after the last turn
  const Millis now = loop_.now();
  start_at(delay < ~Millis{0} - now ? now + delay : ~Millis{0});
}

void Timer::start_at(Millis when) {
  deadline_ = std::max<Millis>(when, 1);
  if (queued_ != 0) {
    if (queued_ <= deadline_) return;
    loop_.wheel_.remove(*this);
  }
  loop_.wheel_.insert(*this, deadline_);
  loop_.deadline_moved();
}

// The entry stays in the wheel: most timers that stop are soon started again for a later moment.
void Timer::stop() {
  deadline_ = 0;
}

Timer*& TimerWheel::list_of(const Timer& t) {
  return t.level_ == kDueLevel ? due_ : slots_[t.level_][t.slot_];
}

void TimerWheel::place(Timer& t) {
  // Beyond the horizon an entry waits in its last slot and is placed again from there.
  const Millis at = std::clamp(t.queued_, now_, now_ | kHorizon);
  const Millis differs = at ^ now_;
  t.level_ = differs == 0 ? 0 : uint8_t((std::bit_width(differs) - 1) / kBits);
  t.slot_ = uint8_t((at >> (t.level_ * kBits)) & (kSlots - 1));
  append(slots_[t.level_][t.slot_], t, &Timer::next_, &Timer::prev_);
  used_[t.level_] |= uint64_t{1} << t.slot_;
}

void TimerWheel::insert(Timer& t, Millis when) {
  t.queued_ = std::max({when, now_, Millis{1}});
  place(t);
  ++count_;
}

void TimerWheel::remove(Timer& t) {
  Timer*& head = list_of(t);
  unlink(head, t, &Timer::next_, &Timer::prev_);
  if (head == nullptr && t.level_ != kDueLevel) used_[t.level_] &= ~(uint64_t{1} << t.slot_);
  t.queued_ = 0;
  --count_;
}

// The start of the first slot in use at or after slot `first` of level 0, or after the present slot of
// the levels above; 0 for none. The levels are aligned to the clock, so a lower one is always earlier.
Millis TimerWheel::next_slot(unsigned first, int& level) const {
  for (level = 0; level < kLevels; ++level) {
    const int shift = level * kBits;
    const unsigned from = level == 0 ? first : unsigned((now_ >> shift) & (kSlots - 1)) + 1;
    if (from >= kSlots) continue;
    const uint64_t later = used_[level] >> from;
    if (later == 0) continue;
    const Millis slot = from + unsigned(std::countr_zero(later));
    const Millis base = now_ >> (shift + kBits) << (shift + kBits);
    return std::max<Millis>(base | slot << shift, 1);
  }
  return 0;
}

Millis TimerWheel::next() const {
  if (due_ != nullptr) return std::max<Millis>(now_, 1);
  int level;
  return next_slot(unsigned(now_ & (kSlots - 1)), level);
}

// Moves what is due at now_ to the due list. True when it had to step over the horizon's end, so that
// now_ is another moment.
bool TimerWheel::collect() {
  const unsigned slot = unsigned(now_ & (kSlots - 1));
  Timer* taken = slots_[0][slot];
  if (taken == nullptr) return false;
  slots_[0][slot] = nullptr;
  used_[0] &= ~(uint64_t{1} << slot);
  Timer* beyond = nullptr;
  while (taken != nullptr) {
    Timer& t = *taken;
    unlink(taken, t, &Timer::next_, &Timer::prev_);
    if (t.deadline_ == 0) {
      t.queued_ = 0;
      --count_;
      continue;
    }
    t.queued_ = std::max(t.queued_, t.deadline_);
    if (t.queued_ <= now_) {
      t.level_ = kDueLevel;
      append(due_, t, &Timer::next_, &Timer::prev_);
    } else if ((now_ & kHorizon) == kHorizon) {
      append(beyond, t, &Timer::next_, &Timer::prev_);
    } else {
      place(t);
    }
  }
  if (beyond == nullptr) return false;
  ++now_;
  while (beyond != nullptr) {
    Timer& t = *beyond;
    unlink(beyond, t, &Timer::next_, &Timer::prev_);
    place(t);
  }
  return true;
}

void TimerWheel::advance(Millis now, const std::function<void(Timer&)>& due) {
  while (now_ <= now) {
    if (collect()) continue;
    int level;
    const Millis at = next_slot(unsigned(now_ & (kSlots - 1)) + 1, level);
    if (at == 0 || at > now) break;
    now_ = at;
    if (level == 0) continue;
    const unsigned slot = unsigned((at >> (level * kBits)) & (kSlots - 1));
    Timer* taken = slots_[level][slot];
    slots_[level][slot] = nullptr;
    used_[level] &= ~(uint64_t{1} << slot);
    while (taken != nullptr) {
      Timer& t = *taken;
      unlink(taken, t, &Timer::next_, &Timer::prev_);
      place(t);
    }
  }
  now_ = std::max(now, now_);
  while (due_ != nullptr) {
    Timer& t = *due_;
    remove(t);
    if (t.deadline_ > now_) {
      insert(t, t.deadline_);
    } else if (t.deadline_ != 0) {
      due(t);
    }
  }
}

}  // namespace cardea::net
