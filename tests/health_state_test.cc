// Thresholds, edges and intervals of one check, by rows and against a model over long random histories.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "health/check_state.h"

namespace cardea::health {
namespace {

using Verdict = CheckState::Verdict;

char letter(Verdict verdict) {
  return "?hu"[size_t(verdict)];
}
Outcome outcome(char c) {
  return c == 's' ? Outcome::success : c == 'f' ? Outcome::failure : Outcome::immediate;
}

// ---- verdicts -------------------------------------------------------------------------------------

struct VerdictRow {
  uint32_t unhealthy, healthy;
  const char* outcomes;  // success, failure, immediate
  const char* verdicts;  // after each; an upper-case letter is an edge
};

class Verdicts : public testing::TestWithParam<VerdictRow> {};

TEST_P(Verdicts, FollowTheOutcomes) {
  const VerdictRow& row = GetParam();
  CheckConfig config;
  config.unhealthy_threshold = row.unhealthy;
  config.healthy_threshold = row.healthy;
  CheckState state(config);
  EXPECT_EQ(state.verdict(), Verdict::unchecked);
  std::string seen;
  for (const char* c = row.outcomes; *c; ++c) {
    const bool edge = state.record(outcome(*c));
    const char l = letter(state.verdict());
    seen += edge ? char(l - 'a' + 'A') : l;
  }
  EXPECT_EQ(seen, row.verdicts);
}

constexpr VerdictRow kVerdicts[] = {
    {3, 2, "s", "H"},                  // the first success decides
    {3, 2, "f", "U"},                  // so does the first failure
    {3, 2, "i", "U"},                  //
    {3, 2, "sfff", "HhhU"},            // as many as the threshold
    {3, 2, "sffsfff", "HhhhhhU"},      // in a row
    {3, 2, "si", "HU"},                // an answer that says no does not wait
    {3, 2, "sfi", "HhU"},              //
    {3, 2, "fss", "UuH"},              //
    {3, 2, "fsfss", "UuuuH"},          // back in a row, too
    {3, 2, "fsiss", "UuuuH"},          //
    {3, 2, "sfffssfff", "HhhUuHhhU"},  // and again
    {3, 3, "sffssff", "Hhhhhhh"},      // what was before a success is forgotten
    {1, 1, "sfsf", "HUHU"},            //
    {0, 0, "sfs", "HUH"},              // no threshold is the smallest
    {1, 4, "fsss", "Uuuu"},            //
    {1, 4, "fssss", "UuuuH"},          //
    {4, 1, "siss", "HUHh"},            //
};
INSTANTIATE_TEST_SUITE_P(Rows, Verdicts, testing::ValuesIn(kVerdicts));

// ---- intervals ------------------------------------------------------------------------------------

struct IntervalRow {
  const char* what;
  void (*set)(CheckConfig&);
  bool used;
  const char* outcomes;
  Millis delay;
};

CheckConfig every_interval() {
  CheckConfig c;
  c.unhealthy_threshold = c.healthy_threshold = 2;
  c.interval = 1000;
  c.no_traffic_interval = 2000;
  c.no_traffic_healthy_interval = 3000;
  c.unhealthy_interval = 4000;
  c.unhealthy_edge_interval = 5000;
  c.healthy_edge_interval = 6000;
  return c;
}

class Intervals : public testing::TestWithParam<IntervalRow> {};

TEST_P(Intervals, FollowTheVerdict) {
  const IntervalRow& row = GetParam();
  CheckConfig config = every_interval();
  row.set(config);
  CheckState state(config);
  Random random(1);
  for (const char* c = row.outcomes; *c; ++c) state.record(outcome(*c));
  EXPECT_EQ(state.next_delay(row.used, random), row.delay) << row.what;
}

void as_it_is(CheckConfig&) {}
constexpr IntervalRow kIntervals[] = {
    {"healthy", as_it_is, true, "ss", 1000},
    {"just healthy", as_it_is, true, "s", 6000},
    {"just healthy again", as_it_is, true, "fss", 6000},
    {"then healthy", as_it_is, true, "fsss", 1000},
    {"unhealthy", as_it_is, true, "ff", 4000},
    {"just unhealthy", as_it_is, true, "f", 5000},
    {"just unhealthy after success", as_it_is, true, "sff", 5000},
    {"just unhealthy at once", as_it_is, true, "ssi", 5000},
    {"a failure below the threshold", as_it_is, true, "ssf", 1000},
    {"a success below the threshold", as_it_is, true, "ffs", 4000},
    {"no traffic, healthy", as_it_is, false, "ss", 3000},
    {"no traffic, just healthy", as_it_is, false, "s", 3000},
    {"no traffic, unhealthy", as_it_is, false, "f", 2000},
    {"no traffic, unchecked", as_it_is, false, "", 2000},
    {"unchecked", as_it_is, true, "", 1000},
    {"healthy edge: else the interval", [](CheckConfig& c) { c.healthy_edge_interval = 0; }, true, "s", 1000},
    {"unhealthy: else the interval", [](CheckConfig& c) { c.unhealthy_interval = 0; }, true, "ff", 1000},
    {"unhealthy edge: else unhealthy", [](CheckConfig& c) { c.unhealthy_edge_interval = 0; }, true, "f", 4000},
    {"unhealthy edge: else the interval", [](CheckConfig& c) { c.unhealthy_edge_interval = c.unhealthy_interval = 0; },
     true, "f", 1000},
    {"no traffic, healthy: else no traffic", [](CheckConfig& c) { c.no_traffic_healthy_interval = 0; }, false, "s",
     2000},
};
INSTANTIATE_TEST_SUITE_P(Rows, Intervals, testing::ValuesIn(kIntervals));

struct JitterRow {
  const char* what;
  void (*set)(CheckConfig&);
  bool first;
  bool used;
  const char* outcomes;
  Millis least, most;  // both are reached
};

class Jitters : public testing::TestWithParam<JitterRow> {};

TEST_P(Jitters, SpreadOverAllOfTheirRange) {
  const JitterRow& row = GetParam();
  CheckConfig config = every_interval();
  row.set(config);
  CheckState state(config);
  Random random(7);
  for (const char* c = row.outcomes; *c; ++c) state.record(outcome(*c));
  std::vector<Millis> drawn(50'000);
  for (Millis& d : drawn) d = row.first ? state.first_delay(random) : state.next_delay(row.used, random);
  EXPECT_EQ(*std::min_element(drawn.begin(), drawn.end()), row.least) << row.what;
  EXPECT_EQ(*std::max_element(drawn.begin(), drawn.end()), row.most) << row.what;
  // Evenly: every tenth of the range gets its share.
  if (row.most < row.least + 10) return;
  std::array<size_t, 10> tenths{};
  for (const Millis d : drawn) ++tenths[(d - row.least) * 10 / (row.most - row.least + 1)];
  if (row.what[0] == '+') return;  // the sum of two is not even
  for (const size_t n : tenths) EXPECT_NEAR(double(n), 5000.0, 400.0) << row.what;
}

constexpr JitterRow kJitters[] = {
    {"first: none", as_it_is, true, true, "", 0, 0},
    {"first", [](CheckConfig& c) { c.initial_jitter = 200; }, true, true, "", 0, 199},
    {"first: intervals have another", [](CheckConfig& c) { c.interval_jitter = 200; }, true, true, "", 0, 0},
    {"interval_jitter", [](CheckConfig& c) { c.interval_jitter = 100; }, false, true, "ss", 1000, 1099},
    {"interval_jitter_percent", [](CheckConfig& c) { c.interval_jitter_percent = 10; }, false, true, "ss", 1000, 1099},
    {"of the interval in force", [](CheckConfig& c) { c.interval_jitter_percent = 5; }, false, true, "ff", 4000, 4199},
    {"without traffic", [](CheckConfig& c) { c.interval_jitter_percent = 5; }, false, false, "ff", 2000, 2099},
    {"+both",
     [](CheckConfig& c) {
       c.interval_jitter = 10;
       c.interval_jitter_percent = 1;
     },
     false, true, "ss", 1000, 1018},
    {"initial_jitter is for the first", [](CheckConfig& c) { c.initial_jitter = 500; }, false, true, "ss", 1000, 1000},
};
INSTANTIATE_TEST_SUITE_P(Rows, Jitters, testing::ValuesIn(kJitters));

// ---- the model ------------------------------------------------------------------------------------

// Knows nothing but the whole history, and reads it anew each time.
struct Model {
  const CheckConfig& config;
  std::string history;

  struct Reading {
    char verdict = '?';
    bool edge = false;
  };
  Reading read() const {
    Reading now;
    size_t since = 0;  // where the present verdict began
    for (size_t i = 0; i < history.size(); ++i) {
      const char wanted = history[i] == 's' ? 'h' : 'u';
      now.edge = false;
      if (now.verdict == wanted) continue;
      size_t against = 0;
      for (size_t k = i + 1; k > since && (history[k - 1] == 's') == (wanted == 'h'); --k) ++against;
      const size_t threshold = wanted == 'h' ? config.healthy_threshold : config.unhealthy_threshold;
      if (now.verdict != '?' && history[i] != 'i' && against < threshold) continue;
      now = {wanted, true};
      since = i + 1;
    }
    return now;
  }
  Millis delay(bool used) const {
    const Reading now = read();
    std::vector<Millis> wanted;  // the first that is set
    if (!used && now.verdict == 'h') wanted = {config.no_traffic_healthy_interval, config.no_traffic_interval};
    if (!used && now.verdict != 'h') wanted = {config.no_traffic_interval};
    if (used && now.verdict == 'h' && now.edge) wanted = {config.healthy_edge_interval};
    if (used && now.verdict == 'u' && now.edge) wanted = {config.unhealthy_edge_interval};
    if (used && now.verdict == 'u') wanted.push_back(config.unhealthy_interval);
    wanted.push_back(config.interval);
    return *std::find_if(wanted.begin(), wanted.end(), [](Millis m) { return m > 0; });
  }
};

TEST(CheckStateModel, AgreesOverLongRandomHistories) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    CheckConfig config;
    config.unhealthy_threshold = uint32_t(1 + random.below(5));
    config.healthy_threshold = uint32_t(1 + random.below(5));
    for (Millis* m : {&config.no_traffic_healthy_interval, &config.unhealthy_interval, &config.unhealthy_edge_interval,
                      &config.healthy_edge_interval}) {
      *m = random.below(2) * (1 + random.below(9999));
    }
    config.interval = 1 + random.below(9999);
    config.no_traffic_interval = 1 + random.below(9999);
    const uint64_t success_of_ten = 2 + random.below(7), immediate_of_ten = random.below(3);
    CheckState state(config);
    Model model{config, {}};
    for (int step = 0; step < 250; ++step) {
      // Long runs of the same, as hosts have them, and quick changes.
      const char last = model.history.empty() ? 's' : model.history.back();
      const char c = random.below(3) == 0                  ? last
                     : random.below(10) < success_of_ten   ? 's'
                     : random.below(10) < immediate_of_ten ? 'i'
                                                           : 'f';
      model.history += c;
      const Model::Reading now = model.read();
      ASSERT_EQ(state.record(outcome(c)), now.edge) << "seed " << seed << ": " << model.history;
      ASSERT_EQ(letter(state.verdict()), now.verdict) << "seed " << seed << ": " << model.history;
      for (const bool used : {false, true}) {
        ASSERT_EQ(state.next_delay(used, random), model.delay(used)) << "seed " << seed << ": " << model.history;
      }
    }
  }
}

}  // namespace
}  // namespace cardea::health
