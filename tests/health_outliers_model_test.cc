// Outliers against an independent model over long random histories, and under threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "health/outliers.h"

namespace cardea::health {
namespace {

// ---- the model ------------------------------------------------------------------------------------

// Remembers every exchange of the interval and every failure since the last success, and counts anew each time. Knows
// no chances: percentages are 0 or 100, jitter is none.
struct Model {
  struct HostModel {
    bool member = false, out = false;
    Millis since = 0, stay = 0;
    uint32_t level = 0;
    std::string outer, local;  // of the interval: 'g'ood, 'b'ad
    size_t row_5xx = 0, row_gateway = 0, row_local = 0;
  };
  const OutlierConfig& c;
  std::vector<HostModel> hosts;
  std::vector<std::string> said = {};

  void out(size_t i, const std::string& why, uint32_t enforcing, Millis now) {
    double members = 0, gone = 0;
    for (auto& h : hosts) {
      members += h.member;
      gone += h.member && h.out;
    }
    const bool fits = 100 * (gone + 1) / members <= std::min(100u, c.max_ejection_percent) + 1e-9;
    const bool yes = (fits || (c.always_eject_one_host && gone == 0)) && enforcing == 100;
    said.push_back(std::to_string(i) + (yes ? " out " : " would ") + why);
    if (!yes) return;
    HostModel& h = hosts[i];
    const Millis cap = std::max(c.max_ejection_time, c.base_ejection_time);
    if (h.level * c.base_ejection_time < cap + c.base_ejection_time) ++h.level;
    h.out = true;
    h.since = now;
    h.stay = std::min(h.level * c.base_ejection_time, cap);
  }
  void in(size_t i, const std::string& why) {
    hosts[i].out = false;
    hosts[i].row_5xx = hosts[i].row_gateway = hosts[i].row_local = 0;
    said.push_back(std::to_string(i) + " in " + why);
  }
  void row_of(size_t i, size_t& row, uint32_t limit, const std::string& why, uint32_t enforcing, Millis now) {
    if (++row != limit || !hosts[i].member || hosts[i].out) return;
    out(i, why, enforcing, now);
    row = 0;
  }
  void record(size_t i, Sign sign, Millis now) {
    HostModel& h = hosts[i];
    const bool split = c.split_external_local_origin_errors;
    if (split && (sign == Sign::local_origin_success || sign == Sign::local_origin_failure)) {
      const bool good = sign == Sign::local_origin_success;
      h.local += good ? 'g' : 'b';
      if (good) h.row_local = 0;
      if (good) return;
      return row_of(i, h.row_local, c.consecutive_local_origin_failure, "consecutive_local_origin_failure",
                    c.enforcing_consecutive_local_origin_failure, now);
    }
    if (sign == Sign::local_origin_success) return;
    h.outer += sign == Sign::success ? 'g' : 'b';
    if (sign == Sign::success) h.row_5xx = h.row_gateway = 0;
    if (sign == Sign::success) return;
    if (sign == Sign::server_error) h.row_gateway = 0;
    if (sign != Sign::server_error) {
      row_of(i, h.row_gateway, c.consecutive_gateway_failure, "consecutive_gateway_failure",
             c.enforcing_consecutive_gateway_failure, now);
    }
    row_of(i, h.row_5xx, c.consecutive_5xx, "consecutive_5xx", c.enforcing_consecutive_5xx, now);
  }
  void rates(bool local, const std::vector<size_t>& order, Millis now) {
    const std::string prefix = local ? "local_origin_" : "";
    std::vector<std::pair<size_t, double>> rate, share;  // per cent of success; of failure
    for (const size_t i : order) {
      const std::string& all = local ? hosts[i].local : hosts[i].outer;
      if (hosts[i].out || all.empty()) continue;
      const double good = 100.0 * double(std::count(all.begin(), all.end(), 'g')) / double(all.size());
      if (all.size() >= c.success_rate_request_volume) rate.emplace_back(i, good);
      if (all.size() >= c.failure_percentage_request_volume) share.emplace_back(i, 100 - good);
    }
    if (!rate.empty() && rate.size() >= c.success_rate_minimum_hosts) {
      double mean = 0, variance = 0;
      for (auto& [i, r] : rate) mean += r / double(rate.size());
      for (auto& [i, r] : rate) variance += std::pow(r - mean, 2) / double(rate.size());
      const double least = mean - std::sqrt(variance) * c.success_rate_stdev_factor / 1000;
      for (auto& [i, r] : rate) {
        if (r < least - 1e-9) {
          out(i, prefix + "success_rate", local ? c.enforcing_local_origin_success_rate : c.enforcing_success_rate,
              now);
        }
      }
    }
    if (!share.empty() && share.size() >= c.failure_percentage_minimum_hosts) {
      for (auto& [i, s] : share) {
        if (s < c.failure_percentage_threshold || hosts[i].out) continue;
        out(i, prefix + "failure_percentage",
            local ? c.enforcing_failure_percentage_local_origin : c.enforcing_failure_percentage, now);
      }
    }
  }
  void sweep(const std::vector<size_t>& order, Millis now) {
    for (const size_t i : order) {
      HostModel& h = hosts[i];
      if (!h.out && h.level > 0) {
        --h.level;
      } else if (h.out && now - h.since >= h.stay) {
        in(i, "time");
      }
    }
    rates(false, order, now);
    rates(true, order, now);
    for (const size_t i : order) hosts[i].outer = hosts[i].local = "";
  }
  void members(const std::vector<size_t>& order) {
    for (size_t i = 0; i < hosts.size(); ++i) {
      const bool is = std::find(order.begin(), order.end(), i) != order.end();
      if (is != hosts[i].member) hosts[i] = HostModel{.member = is};
    }
  }
};

OutlierConfig any_config(Random& random) {
  OutlierConfig c;
  for (uint32_t* percent :
       {&c.enforcing_consecutive_5xx, &c.enforcing_consecutive_gateway_failure,
        &c.enforcing_consecutive_local_origin_failure, &c.enforcing_local_origin_success_rate,
        &c.enforcing_success_rate, &c.enforcing_failure_percentage, &c.enforcing_failure_percentage_local_origin}) {
    *percent = random.below(3) == 0 ? 0 : 100;
  }
  for (uint32_t* n : {&c.consecutive_5xx, &c.consecutive_gateway_failure, &c.consecutive_local_origin_failure}) {
    *n = uint32_t(random.below(7));
  }
  c.split_external_local_origin_errors = random.below(2) == 0;
  c.base_ejection_time = 1 + random.below(40'000);
  c.max_ejection_time = 1 + random.below(200'000);
  c.max_ejection_percent = uint32_t(random.below(13) * 10);
  c.always_eject_one_host = random.below(2) == 0;
  c.success_rate_minimum_hosts = uint32_t(random.below(6));
  c.success_rate_request_volume = uint32_t(random.below(20));
  c.success_rate_stdev_factor = uint32_t(random.below(2500));
  c.failure_percentage_threshold = uint32_t(20 + random.below(80));
  c.failure_percentage_minimum_hosts = uint32_t(random.below(6));
  c.failure_percentage_request_volume = uint32_t(random.below(20));
  c.successful_active_health_check_uneject_host = random.below(2) == 0;
  return c;
}

TEST(OutliersModel, AgreesOverLongRandomHistories) {
  size_t edges = 0, causes = 0;
  std::string seen_causes;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    Random random(seed);
    const OutlierConfig config = any_config(random);
    constexpr size_t kHosts = 10;
    std::vector<std::shared_ptr<OutlierRecord>> records;
    for (size_t i = 0; i < kHosts; ++i) records.push_back(std::make_shared<OutlierRecord>());
    std::vector<std::string> said;
    Outliers outliers(config, seed, [&](const Outliers::Edge& e) {
      const auto at = std::find_if(records.begin(), records.end(), [&](auto& r) { return r.get() == e.record; });
      said.push_back(std::to_string(at - records.begin()) +
                     (!e.ejected   ? " in "
                      : e.enforced ? " out "
                                   : " would ") +
                     e.cause);
      if (seen_causes.find(e.cause) == std::string::npos) ++causes, seen_causes.append(e.cause).append(" ");
    });
    Model model{config, std::vector<Model::HostModel>(kHosts)};
    std::vector<size_t> order;
    const auto choose = [&] {
      order.clear();
      for (size_t i = 0; i < kHosts; ++i) {
        if (random.below(5) > 0) order.push_back(i);
      }
      std::vector<std::shared_ptr<OutlierRecord>> members;
      for (const size_t i : order) members.push_back(records[i]);
      outliers.set_hosts(members);
      model.members(order);
    };
    choose();
    Millis now = 1'000'000;
    std::vector<uint64_t> badness(kHosts);
    for (int step = 0; step < 4000; ++step) {
      now += random.below(400);
      const size_t i = random.below(kHosts);
      switch (random.below(100)) {
        case 0:
          for (uint64_t& b : badness) b = random.below(3) == 0 ? random.below(100) : random.below(10);
          break;
        case 1:
          if (random.below(5) == 0) choose();
          break;
        case 2:
          if (config.successful_active_health_check_uneject_host && model.hosts[i].member && model.hosts[i].out) {
            model.in(i, "health_check");
          }
          outliers.on_check_passed(*records[i], now);
          break;
        case 3:
          outliers.sweep(now);
          model.sweep(order, now);
          break;
        default: {
          const Sign bad[] = {Sign::server_error, Sign::gateway_error, Sign::local_origin_failure};
          const Sign good[] = {Sign::success, Sign::success, Sign::local_origin_success};
          const size_t kind = random.below(3);
          const Sign sign = random.below(100) < badness[i] ? bad[kind] : good[kind];
          // What hosts that are no members are told must leave no trace either.
          if (!model.hosts[i].member) {
            outliers.record(*records[i], sign, now);
            break;
          }
          outliers.record(*records[i], sign, now);
          model.record(i, sign, now);
        }
      }
      ASSERT_EQ(said, model.said) << "seed " << seed << ", step " << step;
      for (size_t k = 0; k < kHosts; ++k) {
        ASSERT_EQ(records[k]->ejected(), model.hosts[k].out) << "seed " << seed << ", step " << step;
      }
      edges += said.size();
      said.clear();
      model.said.clear();
    }
  }
  EXPECT_GT(edges, 5000u);
  EXPECT_EQ(causes, 9u) << "every cause was met: " << seen_causes;
}

// ---- threads --------------------------------------------------------------------------------------

TEST(OutliersThreads, EveryEdgeOnceAndNeverTooMany) {
  OutlierConfig config;
  config.max_ejection_percent = 50;
  config.base_ejection_time = 3;
  config.max_ejection_time = 10;
  constexpr size_t kHosts = 8;
  std::vector<std::shared_ptr<OutlierRecord>> records;
  for (size_t i = 0; i < kHosts; ++i) records.push_back(std::make_shared<OutlierRecord>());
  std::atomic<int64_t> balance[kHosts] = {};
  std::atomic<uint64_t> ejections{0};
  Outliers outliers(config, 1, [&](const Outliers::Edge& e) {
    if (!e.enforced) return;
    size_t i = 0;
    while (records[i].get() != e.record) ++i;
    balance[i] += e.ejected ? 1 : -1;
    ejections += e.ejected;
  });
  outliers.set_hosts(records);
  std::atomic<Millis> now{1000};
  std::vector<std::thread> workers;
  for (uint64_t w = 0; w < 3; ++w) {
    workers.emplace_back([&, w] {
      Random random(w + 1);
      for (int i = 0; i < 30'000; ++i) {
        const Sign sign = random.below(4) == 0 ? Sign::success : Sign::gateway_error;
        outliers.record(*records[random.below(kHosts)], sign, now.load());
        if (random.below(50) == 0) outliers.on_check_passed(*records[random.below(kHosts)], now.load());
      }
    });
  }
  workers.emplace_back([&] {
    for (int i = 0; i < 3000; ++i) {
      outliers.sweep(++now);
      if (i % 10 == 0) outliers.set_hosts(records);
    }
  });
  for (auto& worker : workers) worker.join();
  size_t out = 0;
  for (size_t i = 0; i < kHosts; ++i) {
    EXPECT_EQ(balance[i].load(), records[i]->ejected() ? 1 : 0) << "host " << i;
    out += records[i]->ejected();
  }
  EXPECT_LE(out, kHosts / 2);
  EXPECT_GT(ejections.load(), 100u);
}

}  // namespace
}  // namespace cardea::health
