// Drains: who is to go, in which time, and how far that is. Each is an object that lives until it is over, and its last
// numbers a while longer.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/net.h"
#include "proxy/selector.h"

namespace cardea::proxy {

class Exchange;
class Proxy;
class Worker;

// Who is meant. Selectors of connections (everything, listener, certificate_generation) let connections go: idle ones
// now, HTTP/1.1 with its last answer, HTTP/2 by GOAWAY; a listener stops to listen. All others let exchanges go that
// live when it begins. Requests finish by themselves; WebSockets get close code 1001 (1012: restart), gRPC streams
// status 14, tunnels FIN, event streams end: at once, or `gradual`, spread over the time. What is left at the deadline
// is cut.
struct DrainOrder {
  Selector which;
  std::string selector;  // its text, for lists
  Millis allowed = 0;
  bool gradual = false, restart = false;
  std::string by;  // who said so, for the record
};

// Its state. Any thread.
class Drain {
 public:
  Drain(uint64_t id, DrainOrder order, int64_t now_unix_ms)
      : id(id), order(std::move(order)), began_unix_ms(now_unix_ms), allowed(this->order.allowed) {}
  enum class State : uint8_t { running, done, cancelled };
  const uint64_t id;
  const DrainOrder order;
  const int64_t began_unix_ms;
  std::atomic<Millis> allowed;  // from its beginning
  std::atomic<State> state{State::running};
  // Kinds as in Exchange::kind(); what is left, and what became of the others.
  static constexpr size_t kKinds = 4;
  std::atomic<uint64_t> left[kKinds] = {}, sessions_left{0}, finished{0}, told{0}, cut{0};
  // {"id", "selector", "state", "strategy", "by", "age_ms", "left_ms", "left": {"http", …, "sessions"}, "finished",
  // "told", "cut"}
  std::string json(int64_t now_unix_ms) const;
};
using DrainPtr = std::shared_ptr<Drain>;

// One worker's part of the drains that run. Its thread.
class WorkerDrains {
 public:
  explicit WorkerDrains(Worker& worker);
  // `last`: the completion is its end.
  void begin(DrainPtr drain, std::shared_ptr<void> last);
  void on_exchange_over(Exchange& exchange);
  void extend(uint64_t id, Millis from_now);
  void look();  // something has changed: soon

 private:
  struct Part {
    DrainPtr drain;
    std::shared_ptr<void> last;
    Millis began = 0, deadline = 0;
    uint64_t left[Drain::kKinds] = {}, sessions = 0;  // as they were reported
    bool cut = false;
  };
  void tick();
  bool advance(Part& part);  // false: it is over here
  void report(Part& part, const uint64_t (&left)[Drain::kKinds], uint64_t sessions);
  void drop(Part& part);

  Worker& worker_;
  net::Timer timer_;
  std::vector<std::unique_ptr<Part>> parts_;
};

// The drains of a proxy. Any thread.
class Drains {
 public:
  static constexpr size_t kMaxRunning = 100, kKept = 100;
  // `done` runs once, on a worker's thread (on the caller's when there is no worker), also when it is cancelled. Null:
  // too many run.
  DrainPtr begin(Proxy& proxy, DrainOrder order, std::function<void(const Drain&)> done);
  // Those that are to go and have not been told stay. False: no such drain runs.
  bool cancel(Proxy& proxy, uint64_t id);
  bool extend(Proxy& proxy, uint64_t id, Millis from_now);
  std::string json() const;  // {"drains": [...]}, newest first

 private:
  DrainPtr find(uint64_t id) const;
  mutable std::mutex mutex_;
  std::deque<DrainPtr> all_;
  uint64_t next_ = 1;
};

// {"selector": {…}, "deadline": "30s" or milliseconds, "strategy": "gradual" or "immediate", "restart": true}; all
// optional.
Result<DrainOrder> parse_drain_order(Bytes json, Millis default_allowed, bool default_gradual);

}  // namespace cardea::proxy
