// Passive health: hosts that fail their traffic are ejected for a while. Pure; Envoy's rules (anchors: 4.5).
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/random.h"
#include "health/health.h"

namespace cardea::health {

// What one exchange said about its host.
enum class Sign : uint8_t {
  success,               // an answer below 500
  server_error,          // 5xx from the host, other than:
  gateway_error,         // 502, 503, 504 from the host
  local_origin_success,  // connected (only where external and local errors are split)
  local_origin_failure,  // no connection, reset, time-out: no answer
};

class Outliers;

// A host's record. Kept alive by whoever has traffic on it.
class OutlierRecord {
 public:
  bool ejected() const { return ejected_.load(std::memory_order_acquire); }

 private:
  friend class Outliers;
  // What one interval's exchanges came to. Failures instead of successes: what goes well costs one atomic addition.
  struct Tally {
    std::atomic<uint64_t> requests{0}, failures{0};
  };
  // Counters are touched by every worker; the rest by its owner under the mutex, and by an owner's successor.
  std::atomic<bool> ejected_{false};
  std::atomic<uint32_t> consecutive_5xx_{0}, consecutive_gateway_{0}, consecutive_local_{0};
  Tally external_, local_;
  std::atomic<const Outliers*> owner_{nullptr};  // whose member it is
  std::atomic<Millis> ejected_until_{0};
  std::atomic<uint32_t> multiplier_{0};  // of base_ejection_time
};

// The hosts of one cluster. record() from any thread, costs a few atomics while all goes well; the rest is serialised
// inside. `on_edge` runs inside record(), sweep() and on_check_passed(), on their thread, without the lock.
class Outliers {
 public:
  struct Edge {
    OutlierRecord* record;
    bool ejected;       // false: taken back
    const char* cause;  // "consecutive_5xx", "consecutive_gateway_failure", "consecutive_local_origin_failure",
                        // "success_rate", "failure_percentage", "local_origin_success_rate",
                        // "local_origin_failure_percentage"; "time", "health_check"
    bool enforced;      // false: it would have been, but enforcing_… or max_ejection_percent said no
  };
  Outliers(const OutlierConfig& config, uint64_t seed, std::function<void(const Edge&)> on_edge);
  ~Outliers();  // records may outlive it
  Outliers(const Outliers&) = delete;
  Outliers& operator=(const Outliers&) = delete;
  // Members; others' records no longer count. Those that stay keep what is known of them, ejection included; one that
  // comes (back) begins anew and in use.
  void set_hosts(std::vector<std::shared_ptr<OutlierRecord>> hosts);
  void record(OutlierRecord& host, Sign sign, Millis now);
  void sweep(Millis now);                                 // every config.interval
  void on_check_passed(OutlierRecord& host, Millis now);  // an active check did
  const OutlierConfig& config() const { return config_; }

 private:
  // Told once the lock is given back; `keeps` holds the record where its host may be removed meanwhile.
  struct Told {
    Edge edge;
    std::shared_ptr<OutlierRecord> keeps;
  };
  struct Rated {
    const std::shared_ptr<OutlierRecord>* host;
    uint64_t requests;
    double success_rate;  // percent
  };
  static void begin_anew(OutlierRecord& host);
  static void clear_failures(OutlierRecord& host);
  void count_5xx(OutlierRecord& host, bool gateway, Millis now);
  void too_many(OutlierRecord& host, std::atomic<uint32_t>& counter, const char* cause, uint32_t enforcing, Millis now);
  Edge eject(OutlierRecord& host, const char* cause, uint32_t enforcing, Millis now);
  void take_back(OutlierRecord& host);
  bool has_room() const;
  void judge(OutlierRecord::Tally OutlierRecord::*tally, Millis now, std::vector<Told>& told);
  void judge_success_rates(const std::vector<Rated>& rated, bool local, Millis now, std::vector<Told>& told);
  void judge_failures(const std::vector<Rated>& rated, bool local, Millis now, std::vector<Told>& told);

  const OutlierConfig config_;
  std::function<void(const Edge&)> on_edge_;
  std::mutex mutex_;  // guards what follows, and of records all that is not atomic
  Random random_;
  std::vector<std::shared_ptr<OutlierRecord>> hosts_;
  size_t ejected_ = 0;  // of hosts_
};

}  // namespace cardea::health
