// When checks begin and end, what a host's checks say together, targets that come and go, custom checks.
#include <algorithm>
#include <map>

#include "health_fixture.h"

namespace cardea::health {
namespace {

// Answers custom checks at once: the shortest checks there are.
class CustomTest : public HealthTest {
 protected:
  // What each host says from now on.
  void answer_all(bool healthy = true) {
    says_ = healthy;
    at_custom = [this](uint64_t, uint64_t token) {
      checker->complete(token, says_);
      return true;
    };
  }
  std::vector<Millis> begins() const {
    std::vector<Millis> out;
    for (auto& [when, token] : asked) out.push_back(when);
    return out;
  }
  std::vector<Millis> gaps() const {
    std::vector<Millis> out;
    for (size_t i = 1; i < asked.size(); ++i) out.push_back(asked[i].first - asked[i - 1].first);
    return out;
  }
  static size_t most_at_once(const std::vector<Millis>& begins) {
    std::map<Millis, size_t> count;
    size_t most = 0;
    for (const Millis m : begins) most = std::max(most, ++count[m]);
    return most;
  }
  bool says_ = true;
};

// ---- intervals ------------------------------------------------------------------------------------

TEST_F(CustomTest, ChecksAgainAfterTheInterval) {
  add(Kind::custom).interval = 700;
  answer_all();
  make();
  checker->set_used();
  loop.advance(2200);
  EXPECT_EQ(gaps(), (std::vector<Millis>{700, 700, 700}));
  EXPECT_EQ(verdicts, Strings{"1 healthy: passed"});
}

TEST_F(CustomTest, TheIntervalBeginsWithTheAnswer) {
  add(Kind::custom);
  make();
  loop.advance(200);
  checker->complete(asked[0].second, true);
  loop.advance(999);
  EXPECT_EQ(asked.size(), 1u);
  loop.advance(1);
  EXPECT_EQ(asked.size(), 2u);
}

TEST_F(CustomTest, EdgesHaveIntervalsOfTheirOwn) {
  CheckConfig& c = add(Kind::custom);
  c.healthy_edge_interval = 100;
  c.unhealthy_interval = 300;
  c.unhealthy_edge_interval = 50;
  answer_all();
  make();
  checker->set_used();
  loop.advance(150);  // checked at 0 and 100
  says_ = false;
  loop.advance(1000 + 1000 + 50 + 300 - 50);
  EXPECT_EQ(gaps(), (std::vector<Millis>{100, 1000, 1000, 50, 300}));
  EXPECT_EQ(verdicts, (Strings{"1 healthy: passed", "1 unhealthy: failed"}));
}

TEST_F(CustomTest, WithoutTrafficThereIsLessToCheck) {
  CheckConfig& c = add(Kind::custom);
  c.no_traffic_interval = 60'000;
  c.no_traffic_healthy_interval = 20'000;
  answer_all();
  make();
  loop.advance(20'000);
  EXPECT_EQ(gaps(), std::vector<Millis>{20'000});
  loop.advance(400);
  checker->set_used();  // the wait ends with the interval, counted from the last check
  loop.advance(1600);
  EXPECT_EQ(gaps(), (std::vector<Millis>{20'000, 1000, 1000}));
}

TEST_F(CustomTest, TrafficAfterALongWaitChecksAtOnce) {
  add(Kind::custom).no_traffic_interval = 60'000;
  answer_all();
  make();
  loop.advance(30'000);
  checker->set_used();
  loop.run();
  EXPECT_EQ(gaps(), std::vector<Millis>{30'000});
  checker->set_used();  // means nothing the second time
  loop.advance(999);
  EXPECT_EQ(asked.size(), 2u);
}

TEST_F(CustomTest, TrafficNeverDelaysACheck) {
  CheckConfig& c = add(Kind::custom);
  c.interval = 5000;
  c.no_traffic_interval = 100;
  answer_all();
  make();
  loop.advance(50);
  checker->set_used();
  loop.advance(50);
  EXPECT_EQ(gaps(), std::vector<Millis>{100});
}

TEST_F(CustomTest, FirstChecksWaitForTheirJitter) {
  add(Kind::custom).initial_jitter = 1000;
  answer_all();
  std::vector<uint64_t> ids;
  for (uint64_t id = 0; id < 100; ++id) ids.push_back(id);
  make(ids);
  loop.advance(999);
  const std::vector<Millis> all = begins();
  ASSERT_EQ(all.size(), 100u);
  EXPECT_GT(all.back() - all.front(), 800u);
}

TEST_F(CustomTest, AnIntervalOfZeroStillLetsTheLoopRest) {
  CheckConfig& c = add(Kind::custom);
  c.interval = c.no_traffic_interval = 0;
  answer_all();
  make();
  loop.advance(10);
  EXPECT_EQ(asked.size(), 11u);
}

// ---- spread ---------------------------------------------------------------------------------------

std::vector<uint64_t> many(uint64_t n) {
  std::vector<uint64_t> ids;
  for (uint64_t id = 0; id < n; ++id) ids.push_back(id);
  return ids;
}

TEST_F(CustomTest, FirstChecksAreSpread) {
  for (const size_t n : {1u, 19u, 20u, 200u, 1000u}) {
    checks.clear();
    asked.clear();
    drop();
    add(Kind::custom);
    answer_all();
    make(many(n));
    loop.advance(30);
    EXPECT_EQ(asked.size(), n);
    EXPECT_LE(most_at_once(begins()), n / 20 + 1) << n;
    EXPECT_LE(begins().back() - begins().front(), 20u) << "and not longer than needed";
  }
}

TEST_F(CustomTest, TwoHundredTargetsNeverBurst) {
  for (const Millis jitter : {0, 3, 100}) {
    checks.clear();
    asked.clear();
    drop();
    add(Kind::custom).interval_jitter = jitter;
    answer_all();
    make(many(200));
    checker->set_used();
    loop.advance(100'000);
    EXPECT_GT(asked.size(), 200u * 88u);
    EXPECT_LE(most_at_once(begins()), 20u) << "jitter " << jitter;
  }
}

// Hosts that all stop and go on together bring their checks together.
TEST_F(CustomTest, WhatComesTogetherIsSpreadAgain) {
  add(Kind::custom);
  make(many(200));
  checker->set_used();
  loop.advance(100);
  const auto first = asked;
  ASSERT_EQ(first.size(), 200u);
  for (auto& [when, token] : first) checker->complete(token, true);
  loop.advance(5000);
  EXPECT_EQ(most_at_once(begins()), 11u);
  EXPECT_EQ(begins()[399] - begins()[200], 18u);  // 200 at 11 in a millisecond
}

TEST_F(CustomTest, ALoopThatWasHeldUpSpreadsWhatIsOverdue) {
  add(Kind::custom).interval_jitter = 900;
  answer_all();
  make(many(200));
  checker->set_used();
  loop.advance(3000);
  asked.clear();
  loop.clock().move(5000);
  loop.advance(100);
  EXPECT_GE(asked.size(), 200u);
  EXPECT_LE(most_at_once(begins()), 11u);
}

// ---- custom checks --------------------------------------------------------------------------------

TEST_F(CustomTest, AnswersMayComeLater) {
  add(Kind::custom);
  make();
  EXPECT_TRUE(verdicts.empty());
  loop.advance(299);
  checker->complete(asked[0].second, true);
  EXPECT_EQ(verdicts, Strings{"1 healthy: passed"});
}

TEST_F(CustomTest, SilenceIsATimeoutAndLateAnswersMeanNothing) {
  add(Kind::custom);
  make();
  loop.advance(300);
  EXPECT_EQ(take_verdicts(), Strings{"1 unhealthy: timeout"});
  checker->complete(asked[0].second, true);
  checker->complete(asked[0].second + 1, true);
  checker->complete(0, true);
  EXPECT_EQ(attempts.size(), 1u);
  loop.advance(1000);
  ASSERT_EQ(asked.size(), 2u);
  checker->complete(asked[0].second, true);  // of the check before
  EXPECT_EQ(attempts.size(), 1u);
  checker->complete(asked[1].second, true);
  checker->complete(asked[1].second, false);  // twice
  EXPECT_EQ(take_verdicts(), Strings{"1 healthy: passed"});
  EXPECT_EQ(attempts.size(), 2u);
}

TEST_F(CustomTest, NobodyWhoChecksIsAFailure) {
  add(Kind::custom);
  at_custom = [](uint64_t, uint64_t) { return false; };
  make();
  EXPECT_EQ(verdicts, Strings{"1 unhealthy: nobody checks"});
  // Who has answered and then says no has answered.
  at_custom = [this](uint64_t, uint64_t token) {
    checker->complete(token, true);
    return false;
  };
  loop.advance(1000);
  EXPECT_EQ(attempts.size(), 2u);
  EXPECT_EQ(last_attempt, "success: passed");
}

TEST_F(CustomTest, TokensOfRemovedTargetsMeanNothing) {
  add(Kind::custom);
  make({1, 2});
  loop.advance(2);
  ASSERT_EQ(asked.size(), 2u);
  make({2});
  checker->complete(asked[0].second, true);
  checker->complete(asked[1].second, true);
  EXPECT_EQ(verdicts, Strings{"2 healthy: passed"});
}

// ---- several checks -------------------------------------------------------------------------------

TEST_F(CustomTest, HealthyOnlyIfAllSaySo) {
  add(Kind::custom);
  add(Kind::custom);
  add(Kind::tcp);
  make();
  loop.advance(5);
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(take_verdicts(), Strings{"1 unhealthy: connect ECONNREFUSED"});
  checker->complete(asked[0].second, true);
  checker->complete(asked[1].second, true);
  EXPECT_EQ(take_verdicts(), Strings{});
  network.serve(address(1));
  loop.advance(1005);
  EXPECT_EQ(take_verdicts(), Strings{"1 healthy: passed"});
  ASSERT_EQ(asked.size(), 4u);
  checker->complete(asked[2].second, false);  // below the threshold
  EXPECT_EQ(take_verdicts(), Strings{});
  loop.advance(1300);  // and silence
  EXPECT_EQ(take_verdicts(), Strings{"1 unhealthy: timeout"}) << "once, though two checks say so";
}

TEST_F(CustomTest, UncheckedUntilEveryCheckHasEnded) {
  add(Kind::custom);
  add(Kind::custom);
  make();
  loop.advance(5);
  ASSERT_EQ(asked.size(), 2u);
  checker->complete(asked[1].second, true);
  EXPECT_EQ(verdicts, Strings{});
  checker->complete(asked[0].second, true);
  EXPECT_EQ(verdicts, Strings{"1 healthy: passed"});
}

TEST_F(CustomTest, UnhealthyUntilEveryCheckSaysOtherwise) {
  add(Kind::custom).timeout = 5000;
  add(Kind::custom).timeout = 5000;
  make();
  loop.advance(5);
  ASSERT_EQ(asked.size(), 2u);
  checker->complete(asked[0].second, false);
  EXPECT_EQ(take_verdicts(), Strings{"1 unhealthy: failed"});
  loop.advance(1000);
  ASSERT_EQ(asked.size(), 3u);
  checker->complete(asked[2].second, true);
  EXPECT_EQ(take_verdicts(), Strings{}) << "the second has not said anything yet";
  checker->complete(asked[1].second, true);
  EXPECT_EQ(take_verdicts(), Strings{"1 healthy: passed"});
}

// ---- targets --------------------------------------------------------------------------------------

TEST_F(CustomTest, ThoseThatStayKeepTheirState) {
  add(Kind::custom);
  answer_all(false);
  make({1, 2});
  loop.advance(10);
  EXPECT_EQ(take_verdicts(), (Strings{"1 unhealthy: failed", "2 unhealthy: failed"}));
  make({2, 3, 3});  // a number twice is one target
  loop.advance(10);
  EXPECT_EQ(take_verdicts(), Strings{"3 unhealthy: failed"});
  asked.clear();
  loop.advance(985);
  EXPECT_EQ(asked.size(), 1u) << "2 goes on in its rhythm";
  make({});
  asked.clear();
  loop.advance(10'000);
  EXPECT_TRUE(asked.empty());
  make({2});
  EXPECT_EQ(take_verdicts(), Strings{"2 unhealthy: failed"}) << "who comes back is new";
}

TEST_F(CustomTest, TargetsMayGoInsideEveryEvent) {
  for (int where = 0; where < 3; ++where) {
    checks.clear();
    attempts.clear();
    verdicts.clear();
    drop();
    add(Kind::custom);
    add(Kind::custom);
    const auto go = [&] { checker->set_targets({}); };
    answer_all();
    if (where == 0) {
      at_custom = [&](uint64_t, uint64_t token) {
        go();
        checker->complete(token, true);
        return false;
      };
    }
    at_attempt = [&](uint64_t) { where == 1 ? go() : void(); };
    at_verdict = [&](uint64_t) { where == 2 ? go() : void(); };
    make({1, 2});
    loop.advance(5000);
    EXPECT_EQ(attempts.size(), where == 0 ? 0u : where == 1 ? 1u : attempts.size());
    EXPECT_EQ(verdicts.size(), where == 2 ? 1u : 0u);
    at_attempt = at_verdict = nullptr;
  }
}

TEST_F(CustomTest, MayBeDeletedInsideItsEvents) {
  add(Kind::tcp);
  network.serve(address(1));
  network.serve(address(2));
  at_verdict = [&](uint64_t) { loop.defer_delete(std::move(checker)); };
  make({1, 2});
  loop.advance(5000);
  EXPECT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(checker, nullptr);
}

TEST_F(CustomTest, DeletingEndsChecksUnderWay) {
  add(Kind::tcp).receive = {"never"};
  network.serve(address(1));
  network.blackhole(address(2));
  make({1, 2});
  loop.advance(100);
  EXPECT_EQ(network.open_streams(), 1u);
  drop();
  loop.run();
  EXPECT_EQ(network.open_streams(), 0u);
  loop.advance(5000);
  EXPECT_TRUE(attempts.empty());
}

TEST_F(CustomTest, RemovingATargetEndsItsCheck) {
  CheckConfig& c = add(Kind::tcp);
  c.send = "ping";
  c.receive = {"pong"};
  auto& service = network.serve(address(1));
  make({1});
  loop.advance(50);
  ASSERT_EQ(service.open(), 1u);
  make({});
  EXPECT_EQ(service.open(), 0u);
  loop.advance(5000);
  EXPECT_TRUE(attempts.empty());
  EXPECT_EQ(service.attempts, 1u);
}

TEST_F(CustomTest, ATargetThatChangesGetsANewConnection) {
  CheckConfig& c = add(Kind::tcp);
  c.receive = {"hello"};
  auto& service = network.serve(address(1));
  service.on_connect = [](auto peer) { peer->send("hello"); };
  make();
  EXPECT_EQ(service.open(), 1u);
  make();  // the same again
  EXPECT_EQ(service.open(), 1u);
  shape = [](Target t) {
    t.server_name = "other.example";
    return t;
  };
  make();
  loop.advance(1001);
  EXPECT_EQ(service.connections.size(), 2u);
  EXPECT_EQ(service.open(), 1u);
  EXPECT_EQ(verdicts, Strings{"1 healthy: passed"}) << "its state stays";
}

}  // namespace
}  // namespace cardea::health
