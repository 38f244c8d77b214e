// Passive health: what every field of outlier_detection changes, and what ejections do.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "health/outliers.h"

namespace cardea::health {
namespace {

// Hosts are numbered from 0. Notes edges as "0 out consecutive_5xx", "0 would consecutive_5xx", "0 in time".
class Ward {
 public:
  explicit Ward(const OutlierConfig& config, size_t n = 5, uint64_t seed = 1)
      : outliers_(config, seed, [this](const Outliers::Edge& e) { note(e); }) {
    for (size_t i = 0; i < n; ++i) hosts.push_back(std::make_shared<OutlierRecord>());
    outliers_.set_hosts(hosts);
  }
  void tell(size_t host, Sign sign, int times = 1) {
    for (int i = 0; i < times; ++i) outliers_.record(*hosts[host], sign, now);
  }
  // Exchanges of which so many fail, never several in a row.
  void mix(size_t host, int total, int failures, Sign good = Sign::success, Sign bad = Sign::server_error) {
    for (int i = 0; i < total; ++i) tell(host, i * failures / total != (i + 1) * failures / total ? bad : good);
  }
  void sweep(Millis after = 0) {
    now += after;
    outliers_.sweep(now);
  }
  // How long the host stays out, in sweeps of a tenth of a second.
  std::string time_out(size_t host) {
    for (Millis waited = 0; waited < 10'000'000; waited += 100) {
      sweep();
      if (!hosts[host]->ejected()) return std::to_string(waited);
      now += 100;
    }
    return "for ever";
  }
  std::string seen() {
    std::string out = std::exchange(seen_, {});
    if (!out.empty()) out.pop_back();
    return out;
  }
  Outliers& outliers() { return outliers_; }

  Millis now = 1'000'000;
  std::vector<std::shared_ptr<OutlierRecord>> hosts;

 private:
  void note(const Outliers::Edge& e) {
    size_t host = 0;
    while (hosts[host].get() != e.record) ++host;
    if (e.enforced) {
      EXPECT_EQ(e.record->ejected(), e.ejected);
    }
    seen_ += std::to_string(host) + (!e.ejected ? " in " : e.enforced ? " out " : " would ") + e.cause + ",";
  }
  std::string seen_;
  Outliers outliers_;
};

// ---- a row for each field -------------------------------------------------------------------------

struct FieldRow {
  const char* field;
  void (*given)(OutlierConfig&);  // what the story needs
  void (*set)(OutlierConfig&);
  std::string (*story)(Ward&);
  const char* before;
  const char* after;  // with the field set
};

template <Sign sign, int times>
std::string repeat(Ward& w) {
  w.tell(0, sign, times);
  return w.seen();
}
// Four good hosts and one that fails a fifth of its exchanges.
template <int requests, bool local>
std::string one_bad(Ward& w) {
  const Sign good = local ? Sign::local_origin_success : Sign::success;
  const Sign bad = local ? Sign::local_origin_failure : Sign::server_error;
  for (size_t i = 0; i < 4; ++i) w.mix(i, requests, 0, good, bad);
  w.mix(4, requests, requests / 5, good, bad);
  w.sweep();
  return w.seen();
}
// All fail nearly always: none stands out.
template <int requests, bool local>
std::string all_bad(Ward& w) {
  const Sign good = local ? Sign::local_origin_success : Sign::success;
  const Sign bad = local ? Sign::local_origin_failure : Sign::server_error;
  for (size_t i = 0; i < w.hosts.size(); ++i) {
    for (int k = 0; k < requests; ++k) w.tell(i, k % 10 == 0 ? good : bad);
  }
  w.seen();
  w.sweep();
  const std::string all = w.seen();
  return all.substr(0, all.find(','));
}
std::string how_long_first(Ward& w) {
  w.tell(0, Sign::server_error, 5);
  return w.time_out(0);
}
std::string how_long_often(Ward& w) {
  for (int i = 0; i < 20; ++i) {
    w.tell(0, Sign::server_error, 5);
    w.sweep(10'000'000);
  }
  w.tell(0, Sign::server_error, 5);
  return w.time_out(0);
}
std::string how_many(Ward& w) {
  for (size_t i = 0; i < 5; ++i) w.tell(i, Sign::server_error, 5);
  size_t out = 0;
  for (auto& host : w.hosts) out += host->ejected();
  return std::to_string(out);
}
std::string check_passes(Ward& w) {
  w.tell(0, Sign::server_error, 5);
  w.seen();
  w.outliers().on_check_passed(*w.hosts[0], w.now);
  return w.seen();
}
void nothing(OutlierConfig&) {}
void split(OutlierConfig& c) {
  c.split_external_local_origin_errors = true;
}
void local_rates(OutlierConfig& c) {
  split(c);
  c.consecutive_local_origin_failure = 0;
}
void rates_alone(OutlierConfig& c) {
  c.consecutive_5xx = c.consecutive_gateway_failure = 0;
}
void by_percentage(OutlierConfig& c) {
  rates_alone(c);
  c.enforcing_failure_percentage = 100;
}
using C = OutlierConfig;

const FieldRow kFields[] = {
    {"consecutive_5xx", nothing, [](C& c) { c.consecutive_5xx = 3; }, repeat<Sign::server_error, 4>, "",
     "0 out consecutive_5xx"},
    {"consecutive_5xx: off", nothing, [](C& c) { c.consecutive_5xx = 0; }, repeat<Sign::server_error, 5>,
     "0 out consecutive_5xx", ""},
    {"enforcing_consecutive_5xx", nothing, [](C& c) { c.enforcing_consecutive_5xx = 0; }, repeat<Sign::server_error, 5>,
     "0 out consecutive_5xx", "0 would consecutive_5xx"},
    {"consecutive_gateway_failure", nothing, [](C& c) { c.consecutive_gateway_failure = 2; },
     repeat<Sign::gateway_error, 4>, "", "0 would consecutive_gateway_failure,0 would consecutive_gateway_failure"},
    {"enforcing_consecutive_gateway_failure", nothing, [](C& c) { c.enforcing_consecutive_gateway_failure = 100; },
     repeat<Sign::gateway_error, 5>, "0 would consecutive_gateway_failure,0 out consecutive_5xx",
     "0 out consecutive_gateway_failure"},
    {"split_external_local_origin_errors", nothing, split, repeat<Sign::local_origin_failure, 5>,
     "0 would consecutive_gateway_failure,0 out consecutive_5xx", "0 out consecutive_local_origin_failure"},
    {"consecutive_local_origin_failure", split, [](C& c) { c.consecutive_local_origin_failure = 4; },
     repeat<Sign::local_origin_failure, 4>, "", "0 out consecutive_local_origin_failure"},
    {"enforcing_consecutive_local_origin_failure", split,
     [](C& c) { c.enforcing_consecutive_local_origin_failure = 0; }, repeat<Sign::local_origin_failure, 5>,
     "0 out consecutive_local_origin_failure", "0 would consecutive_local_origin_failure"},
    {"enforcing_local_origin_success_rate", local_rates, [](C& c) { c.enforcing_local_origin_success_rate = 0; },
     one_bad<100, true>, "4 out local_origin_success_rate", "4 would local_origin_success_rate"},
    {"base_ejection_time", nothing, [](C& c) { c.base_ejection_time = 7000; }, how_long_first, "30000", "7000"},
    {"max_ejection_time", nothing, [](C& c) { c.max_ejection_time = 45'000; }, how_long_often, "300000", "45000"},
    {"max_ejection_time: below the base", nothing, [](C& c) { c.max_ejection_time = 5; }, how_long_first, "30000",
     "30000"},
    {"max_ejection_percent", nothing, [](C& c) { c.max_ejection_percent = 40; }, how_many, "5", "2"},
    {"max_ejection_percent: above all", nothing, [](C& c) { c.max_ejection_percent = 1000; }, how_many, "5", "5"},
    {"max_ejection_percent: too low for one", nothing, [](C& c) { c.max_ejection_percent = 19; }, how_many, "5", "0"},
    {"always_eject_one_host", [](C& c) { c.max_ejection_percent = 10; }, [](C& c) { c.always_eject_one_host = true; },
     how_many, "0", "1"},
    {"enforcing_success_rate", nothing, [](C& c) { c.enforcing_success_rate = 0; }, one_bad<100, false>,
     "4 out success_rate", "4 would success_rate"},
    {"success_rate_minimum_hosts", nothing, [](C& c) { c.success_rate_minimum_hosts = 6; }, one_bad<100, false>,
     "4 out success_rate", ""},
    {"success_rate_request_volume", nothing, [](C& c) { c.success_rate_request_volume = 101; }, one_bad<100, false>,
     "4 out success_rate", ""},
    {"success_rate_request_volume: lower", nothing, [](C& c) { c.success_rate_request_volume = 95; },
     one_bad<95, false>, "", "4 out success_rate"},
    // One of five that differs is two standard deviations from the mean, whatever the difference.
    {"success_rate_stdev_factor", nothing, [](C& c) { c.success_rate_stdev_factor = 2001; }, one_bad<100, false>,
     "4 out success_rate", ""},
    {"success_rate_stdev_factor: lower", [](C& c) { c.success_rate_stdev_factor = 2001; },
     [](C& c) { c.success_rate_stdev_factor = 1999; }, one_bad<100, false>, "", "4 out success_rate"},
    {"failure_percentage_threshold", by_percentage, [](C& c) { c.failure_percentage_threshold = 91; },
     all_bad<100, false>, "0 out failure_percentage", ""},
    {"failure_percentage_threshold: reached",
     [](C& c) {
       by_percentage(c);
       c.failure_percentage_threshold = 91;
     },
     [](C& c) { c.failure_percentage_threshold = 90; }, all_bad<100, false>, "", "0 out failure_percentage"},
    {"enforcing_failure_percentage", rates_alone, by_percentage, all_bad<100, false>, "0 would failure_percentage",
     "0 out failure_percentage"},
    {"enforcing_failure_percentage_local_origin", local_rates,
     [](C& c) { c.enforcing_failure_percentage_local_origin = 100; }, all_bad<100, true>,
     "0 would local_origin_failure_percentage", "0 out local_origin_failure_percentage"},
    {"failure_percentage_minimum_hosts", by_percentage, [](C& c) { c.failure_percentage_minimum_hosts = 6; },
     all_bad<100, false>, "0 out failure_percentage", ""},
    {"failure_percentage_request_volume", by_percentage, [](C& c) { c.failure_percentage_request_volume = 101; },
     all_bad<100, false>, "0 out failure_percentage", ""},
    {"failure_percentage_request_volume: lower", by_percentage, [](C& c) { c.failure_percentage_request_volume = 40; },
     all_bad<40, false>, "", "0 out failure_percentage"},
    {"successful_active_health_check_uneject_host", nothing,
     [](C& c) { c.successful_active_health_check_uneject_host = false; }, check_passes, "0 in health_check", ""},
};

class Fields : public testing::TestWithParam<FieldRow> {};

TEST_P(Fields, ChangeWhatTheySay) {
  const FieldRow& row = GetParam();
  OutlierConfig config;
  config.max_ejection_percent = 100;
  row.given(config);
  Ward before(config);
  EXPECT_EQ(row.story(before), row.before) << row.field;
  row.set(config);
  Ward after(config);
  EXPECT_EQ(row.story(after), row.after) << row.field;
}
INSTANTIATE_TEST_SUITE_P(Rows, Fields, testing::ValuesIn(kFields));

TEST(Outliers, TheIntervalIsTheCallersClock) {
  OutlierConfig config;
  config.interval = 123;
  Ward w(config);
  EXPECT_EQ(w.outliers().config().interval, 123u);
}

TEST(Outliers, JitterIsAddedBeyondTheCap) {
  OutlierConfig config;
  config.max_ejection_percent = 100;
  config.base_ejection_time = config.max_ejection_time = 1000;
  config.max_ejection_time_jitter = 500;
  Millis least = UINT64_MAX, most = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Ward w(config, 5, seed);
    const Millis waited = std::stoull(how_long_first(w));
    least = std::min(least, waited);
    most = std::max(most, waited);
  }
  EXPECT_LE(least, 1100u);  // as sweeps see it: 1000 exactly is one of 501
  EXPECT_EQ(most, 1500u);
}

TEST(Outliers, EnforcingIsAChance) {
  struct Row {
    void (*set)(OutlierConfig&, uint32_t);
    std::string (*story)(Ward&);
  };
  const Row rows[] = {
      {[](OutlierConfig& c, uint32_t p) { c.enforcing_consecutive_5xx = p; }, repeat<Sign::server_error, 5>},
      {[](OutlierConfig& c, uint32_t p) {
         c.enforcing_consecutive_gateway_failure = p;
         c.consecutive_5xx = 0;
       },
       repeat<Sign::gateway_error, 5>},
      {[](OutlierConfig& c, uint32_t p) {
         split(c);
         c.enforcing_consecutive_local_origin_failure = p;
       },
       repeat<Sign::local_origin_failure, 5>},
      {[](OutlierConfig& c, uint32_t p) { c.enforcing_success_rate = p; }, one_bad<100, false>},
      {[](OutlierConfig& c, uint32_t p) {
         local_rates(c);
         c.enforcing_local_origin_success_rate = p;
       },
       one_bad<100, true>},
      {[](OutlierConfig& c, uint32_t p) {
         by_percentage(c);
         c.enforcing_failure_percentage = p;
       },
       all_bad<100, false>},
      {[](OutlierConfig& c, uint32_t p) {
         local_rates(c);
         c.enforcing_failure_percentage_local_origin = p;
       },
       all_bad<100, true>},
  };
  for (const Row& row : rows) {
    for (const uint32_t percent : {0u, 30u, 100u}) {
      OutlierConfig config;
      config.max_ejection_percent = 100;
      row.set(config, percent);
      int out = 0;
      for (uint64_t seed = 1; seed <= 400; ++seed) {
        Ward w(config, 5, seed);
        out += row.story(w).find(" out ") != std::string::npos;
      }
      EXPECT_NEAR(out, 4 * int(percent), percent % 100 ? 40 : 0) << &row - rows;
    }
  }
}

// ---- in a row -------------------------------------------------------------------------------------

OutlierConfig all_may_go() {
  OutlierConfig config;
  config.max_ejection_percent = 100;
  return config;
}

TEST(Outliers, SuccessBreaksARow) {
  Ward w(all_may_go());
  w.tell(0, Sign::server_error, 4);
  w.tell(0, Sign::success);
  w.tell(0, Sign::server_error, 4);
  EXPECT_EQ(w.seen(), "");
  w.tell(0, Sign::server_error);
  EXPECT_EQ(w.seen(), "0 out consecutive_5xx");
}

TEST(Outliers, GatewayErrorsAre5xxToo) {
  Ward w(all_may_go());
  w.tell(0, Sign::gateway_error, 3);
  w.tell(0, Sign::server_error);  // breaks the row of gateway errors
  w.tell(0, Sign::gateway_error);
  EXPECT_EQ(w.seen(), "0 out consecutive_5xx");
}

TEST(Outliers, LocalSuccessSaysNothingUnlessSplit) {
  Ward w(all_may_go());
  w.tell(0, Sign::local_origin_failure, 4);
  w.tell(0, Sign::local_origin_success);
  w.tell(0, Sign::local_origin_failure);
  EXPECT_EQ(w.seen(), "0 would consecutive_gateway_failure,0 out consecutive_5xx");
  OutlierConfig config = all_may_go();
  split(config);
  Ward s(config);
  s.tell(0, Sign::local_origin_failure, 4);
  s.tell(0, Sign::server_error, 4);
  s.tell(0, Sign::local_origin_success);
  s.tell(0, Sign::local_origin_failure, 4);
  EXPECT_EQ(s.seen(), "");
  s.tell(0, Sign::server_error);
  EXPECT_EQ(s.seen(), "0 out consecutive_5xx") << "connecting does not excuse answers";
}

TEST(Outliers, WhoIsOutIsNotEjectedAgain) {
  Ward w(all_may_go());
  w.tell(0, Sign::server_error, 50);
  EXPECT_EQ(w.seen(), "0 out consecutive_5xx");
  w.sweep(30'000);
  EXPECT_EQ(w.seen(), "0 in time");
  w.tell(0, Sign::server_error, 4);
  EXPECT_EQ(w.seen(), "") << "it begins without guilt";
  w.tell(0, Sign::server_error);
  EXPECT_EQ(w.seen(), "0 out consecutive_5xx");
}

TEST(Outliers, WhoStaysInUseIsNoticedAgain) {
  OutlierConfig config = all_may_go();
  config.enforcing_consecutive_5xx = 0;
  Ward w(config);
  w.tell(0, Sign::server_error, 14);
  EXPECT_EQ(w.seen(), "0 would consecutive_5xx,0 would consecutive_5xx");
}

// ---- times ----------------------------------------------------------------------------------------

TEST(Outliers, EjectionsGrowAndDecayByCleanSweeps) {
  Ward w(all_may_go());
  const auto eject = [&] {
    w.tell(0, Sign::server_error, 5);
    return w.time_out(0);
  };
  EXPECT_EQ(eject(), "30000");
  EXPECT_EQ(eject(), "60000");
  EXPECT_EQ(eject(), "90000");
  w.sweep();
  EXPECT_EQ(eject(), "90000");
  for (int i = 0; i < 2; ++i) w.sweep();
  EXPECT_EQ(eject(), "60000");
  for (int i = 0; i < 20; ++i) w.sweep();
  EXPECT_EQ(eject(), "30000");
}

TEST(Outliers, GrowthStopsAtTheCap) {
  OutlierConfig config = all_may_go();
  config.max_ejection_time = 70'000;
  Ward w(config);
  for (const char* expected : {"30000", "60000", "70000", "70000", "70000", "70000"}) {
    w.tell(0, Sign::server_error, 5);
    EXPECT_EQ(w.time_out(0), expected);
  }
  // It did not count on beyond: three steps up come down as three, so that none is left after one more.
  for (int i = 0; i < 3; ++i) w.sweep();
  w.tell(0, Sign::server_error, 5);
  EXPECT_EQ(w.time_out(0), "60000");
}

TEST(Outliers, ASweepBeforeTheTimeChangesNothing) {
  Ward w(all_may_go());
  w.tell(0, Sign::server_error, 5);
  w.seen();
  w.sweep(29'999);
  EXPECT_EQ(w.seen(), "");
  w.sweep(1);
  EXPECT_EQ(w.seen(), "0 in time");
}

TEST(Outliers, APassedCheckSaysNothingOfHostsInUse) {
  Ward w(all_may_go());
  w.tell(0, Sign::server_error, 4);
  w.outliers().on_check_passed(*w.hosts[0], w.now);
  EXPECT_EQ(w.seen(), "");
  w.tell(0, Sign::server_error);
  EXPECT_EQ(w.seen(), "0 out consecutive_5xx");
}

// ---- rates ----------------------------------------------------------------------------------------

TEST(Outliers, RatesAreOfOneInterval) {
  Ward w(all_may_go());
  for (int half = 0; half < 2; ++half) {  // 50 and 50 are not 100
    for (size_t i = 0; i < 5; ++i) w.mix(i, 50, i == 4 ? 10 : 0);
    w.sweep();
  }
  EXPECT_EQ(w.seen(), "");
}

TEST(Outliers, HostsThatAreAlikeAreNotOutliers) {
  for (const int failures : {0, 1, 7, 33, 50, 99}) {
    OutlierConfig config = all_may_go();
    config.success_rate_stdev_factor = 0;
    config.consecutive_5xx = 0;
    config.failure_percentage_threshold = 100;
    Ward w(config, 7);
    for (size_t i = 0; i < 7; ++i) w.mix(i, 101, failures);
    w.sweep();
    EXPECT_EQ(w.seen(), "") << failures;
  }
}

TEST(Outliers, EjectedHostsDoNotTakePart) {
  Ward w(all_may_go(), 6);
  w.tell(0, Sign::server_error, 5);
  w.seen();
  for (size_t i = 0; i < 6; ++i) w.mix(i, 100, i == 5 || i == 0 ? 20 : 0);
  w.sweep();
  EXPECT_EQ(w.seen(), "5 out success_rate");
}

TEST(Outliers, OneHostIsEjectedOnceInASweep) {
  OutlierConfig config = all_may_go();
  by_percentage(config);
  Ward w(config, 6);
  for (size_t i = 0; i < 6; ++i) w.mix(i, 100, i == 5 ? 90 : 0);
  w.sweep();
  EXPECT_EQ(w.seen(), "5 out success_rate");
}

// ---- members --------------------------------------------------------------------------------------

TEST(Outliers, OthersDoNotCount) {
  OutlierConfig config;
  config.max_ejection_percent = 50;
  Ward w(config, 4);
  w.tell(0, Sign::server_error, 5);
  w.tell(1, Sign::server_error, 5);
  EXPECT_EQ(w.seen(), "0 out consecutive_5xx,1 out consecutive_5xx");
  w.outliers().set_hosts({w.hosts[1], w.hosts[2]});
  EXPECT_TRUE(w.hosts[1]->ejected());
  EXPECT_FALSE(w.hosts[0]->ejected());
  w.tell(0, Sign::server_error, 5);
  w.outliers().on_check_passed(*w.hosts[0], w.now);
  EXPECT_EQ(w.seen(), "");
  w.tell(2, Sign::server_error, 5);
  EXPECT_EQ(w.seen(), "2 would consecutive_5xx") << "one of two is out";
  w.outliers().set_hosts(w.hosts);  // 0 comes back as new
  w.tell(0, Sign::server_error, 5);
  EXPECT_EQ(w.seen(), "0 out consecutive_5xx");
  EXPECT_EQ(w.time_out(0), "30000");
}

TEST(Outliers, RecordsMayGoToASuccessor) {
  Ward w(all_may_go(), 2);
  w.tell(0, Sign::server_error, 5);
  std::string edges;
  {
    Outliers next(all_may_go(), 1, [&](const Outliers::Edge& e) { edges += e.cause; });
    next.set_hosts(w.hosts);
    EXPECT_FALSE(w.hosts[0]->ejected());
    w.seen();
    w.tell(0, Sign::server_error, 5);  // the old one has nothing to say any more
    w.outliers().set_hosts({});
    EXPECT_EQ(w.seen(), "");
    for (int i = 0; i < 5; ++i) next.record(*w.hosts[1], Sign::server_error, 1);
    EXPECT_EQ(edges, "consecutive_5xx");
    EXPECT_TRUE(w.hosts[1]->ejected());
  }
  EXPECT_FALSE(w.hosts[1]->ejected()) << "without anybody who would take it back";
}

}  // namespace
}  // namespace cardea::health
