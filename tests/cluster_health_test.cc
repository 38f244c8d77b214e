// What unfit endpoints mean to a cluster: pools, waiting attempts, panic, ejection, and who hears of it.
#include <gtest/gtest.h>

#include <cerrno>
#include <map>

#include "cluster_fixture.h"

namespace cardea::cluster {
namespace {

using Verdict = health::CheckState::Verdict;
using health::Sign;
using Texts = std::vector<std::string>;

class HealthTest : public ClusterTest, public HealthObserver {
 protected:
  HealthTest() {
    config.name = "app";
    config.balance.healthy_panic_threshold = 0;
  }
  ~HealthTest() override {
    exchanges.clear();
    cluster.reset();
  }
  void on_health(const HealthEvent& e) override {
    EXPECT_EQ(e.cluster, "app");
    std::string text(e.endpoint);
    text += e.healthy ? " up " : e.enforced ? " down " : " would go down ";
    events.push_back(text + std::string(e.cause) + (e.outlier ? " (traffic)" : ""));
  }
  bool on_custom_check(Bytes, Bytes endpoint, uint64_t token) override {
    const auto answer = answers.find(std::string(endpoint));
    if (answer == answers.end()) return true;
    shared->complete_check(token, answer->second);
    return answer->second || checks_are_made;
  }

  void check_often(health::CheckConfig::Kind kind = health::CheckConfig::Kind::custom) {
    health::CheckConfig check;
    check.kind = kind;
    check.interval = check.no_traffic_interval = 1'000;
    check.timeout = 500;
    check.unhealthy_threshold = 1;
    check.reuse_connection = false;
    config.health_checks = {check};
  }
  void watch_traffic() {
    config.outlier_detection.emplace();
    auto& o = *config.outlier_detection;
    o.consecutive_5xx = 3;
    o.interval = 1'000;
    o.base_ejection_time = 10'000;
    o.max_ejection_percent = 50;
  }
  void start() {
    shared = std::make_shared<Shared>(std::make_shared<const ClusterConfig>(config), this,
                                      seed() - (config.outlier_detection ? 1 : 0));  // outliers take the first one
    turn([&] { cluster = Cluster::make(loop, network, shared); });
  }
  // Two endpoints, both healthy.
  void start_two() {
    to("10.0.0.1");
    to("10.0.0.2");
    check_often();
    answers = {{"10.0.0.1:80", true}, {"10.0.0.2:80", true}};
    one = &network.serve("10.0.0.1:80");
    two = &network.serve("10.0.0.2:80");
    start();
    loop.advance(5);  // first checks are spread
    EXPECT_EQ(events.size(), 2u);
    events.clear();
  }
  void set(const std::string& endpoint, bool healthy) {
    answers[endpoint] = healthy;
    loop.advance(1'005);
  }
  static std::string where(Exchange& x) { return x.attempt.endpoint() ? x.attempt.endpoint()->text() : ""; }

  Texts events;
  std::map<std::string, bool> answers;  // to checks; none: nothing comes
  bool checks_are_made = true;
  std::shared_ptr<Shared> shared;
  net::FakeService *one = nullptr, *two = nullptr;
};

// ---- leaving ----------------------------------------------------------------------------------------

TEST_F(HealthTest, UnhealthyEndpointLeavesItsPoolAtOnce) {
  start_two();
  Exchange& a1 = get();
  get();
  Exchange& a2 = get();
  get();
  ASSERT_EQ(where(a1), "10.0.0.1:80");
  ASSERT_EQ(where(a2), "10.0.0.1:80");
  answer(one->connections[0]);
  network.delay("10.0.0.1:80", 5'000);
  Exchange& waits = get({.fresh = true});
  ASSERT_EQ(where(waits), "10.0.0.1:80");
  EXPECT_EQ(waits.seen(), "waits");
  const auto state = cluster->endpoints()[0]->state;
  EXPECT_EQ(state->pending.value(), 1u);

  set("10.0.0.1:80", false);
  EXPECT_EQ(events, (Texts{"10.0.0.1:80 down failed"}));
  EXPECT_TRUE(one->connections[0]->closed);
  EXPECT_FALSE(one->connections[1]->closed) << "busy ones finish";
  EXPECT_EQ(waits.seen(), "ready");
  EXPECT_EQ(where(waits), "10.0.0.2:80");
  EXPECT_EQ(state->pending.value(), 0u);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(where(get()), "10.0.0.2:80");
  answer(one->connections[1]);
  EXPECT_EQ(a2.status, 200);
  EXPECT_TRUE(one->connections[1]->closed);
  EXPECT_EQ(state->connections.value(), 0u);

  network.delay("10.0.0.1:80", 0);
  set("10.0.0.1:80", true);
  EXPECT_EQ(events.back(), "10.0.0.1:80 up passed");
  std::map<std::string, int> picks;
  for (int i = 0; i < 4; ++i) ++picks[where(get())];
  EXPECT_EQ(picks["10.0.0.1:80"], 2);
  set("10.0.0.1:80", true);
  EXPECT_EQ(events.size(), 2u) << "each edge once";
}

TEST_F(HealthTest, BusyConnectionsEndWhereThatIsWanted) {
  config.close_connections_on_health_failure = true;
  start_two();
  Exchange &a = get(), &b = get();
  set("10.0.0.1:80", false);
  EXPECT_EQ(a.resets, 1);
  EXPECT_EQ(a.end.cause, EndCause::upstream_reset);
  EXPECT_EQ(std::string(a.end.detail), "unhealthy");
  EXPECT_TRUE(one->last()->closed);
  EXPECT_EQ(b.resets, 0);
  EXPECT_FALSE(two->last()->closed);
}

TEST_F(HealthTest, NobodyIsLeft) {
  start_two();
  network.delay("10.0.0.1:80", 5'000);
  network.delay("10.0.0.2:80", 5'000);
  Exchange &a = get(), &b = get();
  answers["10.0.0.1:80"] = false;
  set("10.0.0.2:80", false);
  EXPECT_EQ(a.seen(), "no_upstream:unhealthy");
  EXPECT_EQ(b.seen(), "no_upstream:unhealthy");
  EXPECT_EQ(get().seen(), "no_upstream:unhealthy");
  EXPECT_EQ(stats().pending, 0u);
  EXPECT_EQ(stats().panics, 0u);
  EXPECT_EQ(shared->pending.value(), 0u);
  EXPECT_EQ(cluster->endpoints()[0]->state->pending.value(), 0u);
}

TEST_F(HealthTest, PanicKeepsAllInUseUntilItEnds) {
  config.balance.healthy_panic_threshold = 50;
  start_two();
  answers["10.0.0.1:80"] = false;
  set("10.0.0.2:80", false);
  std::map<std::string, int> picks;
  for (int i = 0; i < 4; ++i) ++picks[where(get())];
  for (auto& peer : one->connections) answer(peer);
  EXPECT_EQ(one->open(), 2u);
  EXPECT_EQ(picks["10.0.0.1:80"], 2);
  EXPECT_EQ(picks["10.0.0.2:80"], 2);
  EXPECT_GE(stats().panics, 4u);
  // Who is still unfit when it ends leaves then.
  network.delay("10.0.0.1:80", 5'000);
  Exchange &c = get({.fresh = true}), &d = get({.fresh = true});
  set("10.0.0.2:80", true);
  EXPECT_EQ(one->open(), 0u);
  for (Exchange* x : {&c, &d}) {
    EXPECT_EQ(x->seen(), "ready");
    EXPECT_EQ(where(*x), "10.0.0.2:80");
  }
}

TEST_F(HealthTest, UncheckedEndpointsServeUntilSomebodyIsHealthy) {
  to("10.0.0.1");
  to("10.0.0.2");
  check_often();
  network.serve("10.0.0.1:80");
  network.serve("10.0.0.2:80");
  start();
  for (auto& e : cluster->endpoints()) EXPECT_EQ(e->state->verdict, Verdict::unchecked);
  EXPECT_EQ(get().seen(), "ready");
  EXPECT_EQ(get().seen(), "ready");
  answers["10.0.0.2:80"] = true;
  loop.advance(1'600);
  EXPECT_EQ(cluster->endpoints()[0]->state->verdict, Verdict::unhealthy) << "no answer is one, too";
  for (int i = 0; i < 4; ++i) EXPECT_EQ(where(get()), "10.0.0.2:80");
  EXPECT_EQ(events, (Texts{"10.0.0.2:80 up passed", "10.0.0.1:80 down timeout"}));
}

// ---- checks that connect ----------------------------------------------------------------------------

TEST_F(HealthTest, CheckReachesAHostByEitherOfItsAddresses) {
  to("app.example");
  check_often(health::CheckConfig::Kind::tcp);
  config.dns_family = net::Family::all;
  network.answer("app.example", {"2001:db8::1", "10.0.0.1"});
  network.blackhole("[2001:db8::1]:80");
  network.serve("10.0.0.1:80");
  start();
  loop.advance(400);
  ASSERT_EQ(cluster->endpoints().size(), 1u);
  EXPECT_EQ(cluster->endpoints()[0]->state->addresses.size(), 2u);
  EXPECT_EQ(events, (Texts{"[2001:db8::1]:80 up passed"}));
  network.refuse("10.0.0.1:80");
  loop.advance(2'000);
  EXPECT_EQ(events.back(), "[2001:db8::1]:80 down timeout");
  network.service("[2001:db8::1]:80").blackhole = false;
  network.refuse("[2001:db8::1]:80", EHOSTUNREACH);
  loop.advance(1'500);
  network.serve("[2001:db8::1]:80");
  loop.advance(1'500);
  EXPECT_EQ(events.back(), "[2001:db8::1]:80 up passed");
}

TEST_F(HealthTest, ChecksAreNoneOfThePoolsConnections) {
  to("10.0.0.1");
  check_often(health::CheckConfig::Kind::tcp);
  config.thresholds.max_connections = 1;
  network.serve("10.0.0.1:80");
  start();
  EXPECT_EQ(get().seen(), "ready");
  loop.advance(3'000);
  EXPECT_EQ(cluster->endpoints()[0]->state->checks, 4u);
  EXPECT_EQ(cluster->endpoints()[0]->state->failed_checks, 0u);
  EXPECT_EQ(shared->connections.value(), 1u);
  network.refuse("10.0.0.1:80");
  loop.advance(1'000);
  EXPECT_EQ(events.back(), "10.0.0.1:80 down connect ECONNREFUSED");
  EXPECT_EQ(cluster->endpoints()[0]->state->failed_checks, 1u);
}

// ---- traffic ----------------------------------------------------------------------------------------

TEST_F(HealthTest, AnswersEjectUntilTheTimeIsOver) {
  to("10.0.0.1");
  to("10.0.0.2");
  watch_traffic();
  one = &network.serve("10.0.0.1:80");
  two = &network.serve("10.0.0.2:80");
  start();
  Exchange& a = get();
  ASSERT_EQ(where(a), "10.0.0.1:80");
  a.release_at_end = false;  // what is over reports nothing
  answer(one->last());
  turn([&] {
    for (int i = 0; i < 3; ++i) a.attempt.report(Sign::server_error);
  });
  EXPECT_EQ(events, (Texts{"10.0.0.1:80 down consecutive_5xx (traffic)"}));
  turn([&] {
    for (int i = 0; i < 3; ++i) a.attempt.report(Sign::server_error);
  });
  EXPECT_EQ(events.size(), 1u) << "it is out already";
  cancel(a);
  EXPECT_TRUE(one->last()->closed);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(where(get()), "10.0.0.2:80");
  // Half of them and no more.
  Exchange& b = get();
  turn([&] {
    for (int i = 0; i < 3; ++i) b.attempt.report(Sign::server_error);
  });
  EXPECT_EQ(events.back(), "10.0.0.2:80 would go down consecutive_5xx (traffic)");
  EXPECT_EQ(where(get()), "10.0.0.2:80");
  loop.advance(8'900);
  EXPECT_EQ(events.size(), 2u);
  loop.advance(2'100);
  EXPECT_EQ(events.size(), 3u);
  EXPECT_EQ(events.back(), "10.0.0.1:80 up time (traffic)");
  std::map<std::string, int> picks;
  for (int i = 0; i < 4; ++i) ++picks[where(get())];
  EXPECT_EQ(picks["10.0.0.1:80"], 2);
}

TEST_F(HealthTest, FailedConnectsEject) {
  for (const bool split : {false, true}) {
    SCOPED_TRACE(split);
    exchanges.clear();
    cluster.reset();
    events.clear();
    config = {};
    config.name = "app";
    config.balance.healthy_panic_threshold = 0;
    to("10.0.0.1");
    to("10.0.0.2");
    watch_traffic();
    config.outlier_detection->split_external_local_origin_errors = split;
    config.outlier_detection->consecutive_local_origin_failure = 2;
    network.refuse("10.0.0.1:80");
    network.serve("10.0.0.2:80");
    start();
    const int needed = split ? 2 : 3;
    for (int i = 0; i < needed; ++i) {
      EXPECT_TRUE(events.empty());
      EXPECT_EQ(get().seen(), "connect_failed:ECONNREFUSED");
      EXPECT_EQ(get().seen(), "ready");
    }
    const std::string cause = split ? "consecutive_local_origin_failure" : "consecutive_5xx";
    EXPECT_EQ(events, (Texts{"10.0.0.1:80 down " + cause + " (traffic)"}));
    for (int i = 0; i < 4; ++i) EXPECT_EQ(where(get()), "10.0.0.2:80");
  }
}

TEST_F(HealthTest, PassedCheckTakesAnEjectedOneBack) {
  watch_traffic();
  start_two();
  Exchange& a = get();
  turn([&] {
    for (int i = 0; i < 3; ++i) a.attempt.report(Sign::server_error);
  });
  EXPECT_EQ(events, (Texts{"10.0.0.1:80 down consecutive_5xx (traffic)"}));
  loop.advance(1'000);
  EXPECT_EQ(events.back(), "10.0.0.1:80 up health_check (traffic)");
  EXPECT_EQ(events.size(), 2u);
}

TEST_F(HealthTest, EjectionOfARemovedEndpointIsNobodysBusiness) {
  to("app.example");
  watch_traffic();
  network.answer("app.example", {"10.0.0.1"}, 1'000);
  network.serve("10.0.0.1:80");
  network.serve("10.0.0.2:80");
  config.outlier_detection->always_eject_one_host = true;
  start();
  Exchange& a = get();
  network.answer("app.example", {"10.0.0.2"}, 1'000);
  loop.advance(1'000);
  turn([&] {
    for (int i = 0; i < 3; ++i) a.attempt.report(Sign::server_error);
  });
  EXPECT_TRUE(events.empty());
  EXPECT_EQ(get().seen(), "ready");
}

}  // namespace
}  // namespace cardea::cluster
