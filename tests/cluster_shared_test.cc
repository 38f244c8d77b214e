// Several workers, each with its loop and network, and one cluster that all of them use: who keeps it, and what is
// counted over all.
#include <gtest/gtest.h>

#include <map>

#include "cluster_fixture.h"

namespace cardea::cluster {
namespace {

using Verdict = health::CheckState::Verdict;

struct Worker {
  ~Worker() {
    cluster.reset();
    loop.run();
  }
  net::FakeLoop loop;
  net::FakeNetwork network{loop};
  std::unique_ptr<Cluster> cluster;
};

class SharedTest : public testing::Test, public HealthObserver {
 protected:
  ~SharedTest() override {
    exchanges.clear();
    for (auto& w : workers) w->cluster.reset();
    advance(100'000);
    for (auto& w : workers) EXPECT_EQ(w->network.open_streams(), 0u);
    if (!shared) return;
    EXPECT_EQ(shared->connections.value(), 0u);
    EXPECT_EQ(shared->pending.value(), 0u);
    EXPECT_EQ(shared->requests.value(), 0u);
    EXPECT_EQ(shared->retries.value(), 0u);
  }
  void on_health(const HealthEvent& e) override {
    events.push_back(std::string(e.endpoint) + (e.healthy ? " up " : " down ") + std::string(e.cause));
  }
  bool on_custom_check(Bytes, Bytes endpoint, uint64_t token) override {
    asked.emplace_back(endpoint, token);
    const auto answer = answers.find(std::string(endpoint));
    if (answer != answers.end()) registry.complete_check(token, answer->second);
    return true;
  }

  void to(const std::string& host, uint16_t port = 80) {
    config.endpoints.push_back({.host = host, .port = port, .authority = host});
  }
  void check_often() {
    health::CheckConfig check;
    check.kind = health::CheckConfig::Kind::custom;
    check.interval = check.no_traffic_interval = 1'000;
    check.timeout = 500;
    check.unhealthy_threshold = 2;
    config.health_checks = {check};
  }
  Worker& add() {
    workers.push_back(std::make_unique<Worker>());
    Worker& w = *workers.back();
    for (auto a : {"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"}) w.network.serve(a);
    w.network.answer("app.example", names, 2'000);
    return w;
  }
  void join(Worker& w) {
    w.cluster = Cluster::make(w.loop, w.network, shared);
    run();
  }
  void make(size_t count) {
    shared = registry.find(std::make_shared<const ClusterConfig>(config));
    for (size_t i = 0; i < count; ++i) join(add());
  }
  // Until nobody has anything to say to anybody.
  void run() {
    for (int round = 0; round < 6; ++round) {
      for (auto& w : workers) w->loop.run();
    }
  }
  void advance(Millis by) {
    run();
    for (Millis step = 0; by > 0; by -= step) {
      step = std::min<Millis>(by, 50);
      for (auto& w : workers) w->loop.advance(step);
      run();
    }
  }
  Exchange& get(size_t worker, Wish wish = {}) {
    exchanges.push_back(std::make_unique<Exchange>());
    Worker& w = *workers[worker];
    {
      net::Loop::Turn turn(w.loop);
      exchanges.back()->attempt.start(*w.cluster, wish);
    }
    run();
    return *exchanges.back();
  }
  void cancel(size_t worker, Exchange& x) {
    {
      net::Loop::Turn turn(workers[worker]->loop);
      x.attempt.cancel();
    }
    run();
  }
  void answer(const std::shared_ptr<net::FakePeer>& peer) {
    peer->send(kOk);
    run();
  }
  net::FakeService& service(size_t worker, const char* address = "10.0.0.1:80") {
    return workers[worker]->network.service(address);
  }
  size_t lookups(size_t worker) { return workers[worker]->network.name("app.example").lookups; }
  std::vector<std::string> seen_by(size_t worker) {
    std::vector<std::string> texts;
    for (auto& e : workers[worker]->cluster->endpoints()) texts.push_back(e->text());
    return texts;
  }
  using Texts = std::vector<std::string>;

  Texts events, names{"10.0.0.1", "10.0.0.2"};
  std::vector<std::pair<std::string, uint64_t>> asked;
  std::map<std::string, bool> answers;  // to checks; none: nothing comes
  Registry registry{this, 7};
  ClusterConfig config;
  std::vector<std::unique_ptr<Worker>> workers;
  std::shared_ptr<Shared> shared;
  std::vector<std::unique_ptr<Exchange>> exchanges;
};

// ---- who keeps it -----------------------------------------------------------------------------------

TEST_F(SharedTest, OneAsksForNamesAndAllHear) {
  to("app.example");
  make(3);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(seen_by(i), (Texts{"10.0.0.1:80", "10.0.0.2:80"})) << i;
  EXPECT_EQ(workers[0]->cluster->endpoints()[0]->state, workers[2]->cluster->endpoints()[0]->state);
  for (auto& w : workers) w->network.answer("app.example", {"10.0.0.2", "10.0.0.3"}, 60'000);
  advance(2'000);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(seen_by(i), (Texts{"10.0.0.2:80", "10.0.0.3:80"})) << i;
  EXPECT_EQ(lookups(0), 2u);
  EXPECT_EQ(lookups(1) + lookups(2), 0u);
}

TEST_F(SharedTest, ChecksAreMadeOnce) {
  to("10.0.0.1");
  check_often();
  answers["10.0.0.1:80"] = true;
  make(3);
  EXPECT_EQ(asked.size(), 1u);
  advance(5'000);
  EXPECT_EQ(asked.size(), 6u);
  EXPECT_EQ(events, (Texts{"10.0.0.1:80 up passed"}));
  EXPECT_EQ(workers[2]->cluster->endpoints()[0]->state->checks, 6u);
}

TEST_F(SharedTest, WhenTheKeeperLeavesAnotherGoesOnWithWhatIsKnown) {
  to("app.example");
  check_often();
  answers = {{"10.0.0.1:80", true}, {"10.0.0.2:80", false}};
  make(3);
  advance(5);  // first checks are spread
  EXPECT_EQ(events.size(), 2u);
  const auto state = workers[1]->cluster->endpoints()[0]->state;
  const auto endpoint = workers[1]->cluster->endpoints()[0];
  workers[0]->cluster.reset();
  run();
  EXPECT_EQ(lookups(1) + lookups(2), 1u);
  advance(3'000);
  EXPECT_EQ(lookups(0), 1u);
  EXPECT_EQ(workers[1]->cluster->endpoints()[0], endpoint);
  EXPECT_EQ(endpoint->state, state);
  EXPECT_EQ(state->verdict, Verdict::healthy);
  EXPECT_GE(state->checks, 3u);
  EXPECT_EQ(events.size(), 2u) << "nothing has changed";
  // And thresholds go on: one failure does not make a healthy one unhealthy.
  answers["10.0.0.1:80"] = false;
  workers[1]->cluster.reset();
  run();
  EXPECT_EQ(state->verdict, Verdict::healthy);
  advance(1'000);
  EXPECT_EQ(state->verdict, Verdict::unhealthy);
  EXPECT_EQ(events.size(), 3u);
}

TEST_F(SharedTest, LateAnswersToAnEarlierKeepersQuestionsCountForNobody) {
  to("10.0.0.1");
  check_often();
  make(2);
  ASSERT_EQ(asked.size(), 1u);
  const uint64_t old = asked[0].second;
  workers[0]->cluster.reset();
  run();
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_NE(asked[1].second, old);
  registry.complete_check(old, true);
  run();
  EXPECT_TRUE(events.empty());
  registry.complete_check(asked[1].second, true);
  run();
  EXPECT_EQ(events, (Texts{"10.0.0.1:80 up passed"}));
}

TEST_F(SharedTest, AFollowerThatWasAppointedMayLeaveBeforeItKnows) {
  to("app.example");
  make(3);
  workers[0]->cluster.reset();
  workers[1]->cluster.reset();
  run();
  EXPECT_EQ(lookups(1), 0u);
  EXPECT_EQ(lookups(2), 1u);
  workers[2]->cluster.reset();
  advance(10'000);
  EXPECT_EQ(lookups(2), 1u) << "nobody is left to ask";
  // Whoever comes finds what was known, and keeps it.
  join(*workers[0]);
  EXPECT_EQ(seen_by(0).size(), 2u);
  EXPECT_EQ(lookups(0), 2u);
}

TEST_F(SharedTest, WorkerThatLeavesGivesBackWhatItHeld) {
  to("10.0.0.1");
  config.thresholds.max_connections = 2;
  make(2);
  Exchange& idle = get(0);
  Exchange& busy = get(0);
  answer(service(0).connections[0]);
  EXPECT_TRUE(idle.complete);
  EXPECT_EQ(shared->connections.value(), 2u);
  const auto state = workers[1]->cluster->endpoints()[0]->state;
  workers[0]->cluster.reset();
  run();
  EXPECT_EQ(shared->connections.value(), 1u);  // the busy one goes on
  answer(service(0).connections[1]);
  EXPECT_EQ(busy.status, 200);
  EXPECT_EQ(shared->connections.value(), 0u);
  EXPECT_EQ(state->connections.value(), 0u);
  EXPECT_EQ(get(1).seen(), "ready");
  EXPECT_EQ(get(1).seen(), "ready");
}

// ---- configurations ---------------------------------------------------------------------------------

TEST_F(SharedTest, SameConfigurationIsTheSameCluster) {
  to("10.0.0.1");
  make(1);
  auto again = std::make_shared<ClusterConfig>(config);
  again->name = "other";
  EXPECT_EQ(registry.find(again), shared);
  again->idle_timeout = 5;
  EXPECT_NE(registry.find(again), shared);
}

TEST_F(SharedTest, FitnessOutlivesAChangeOfTheConfiguration) {
  to("10.0.0.1");
  to("10.0.0.2");
  config.name = "app";
  check_often();
  answers = {{"10.0.0.1:80", true}, {"10.0.0.2:80", false}};
  make(1);
  advance(5);
  auto before = shared;
  to("10.0.0.3");
  answers.clear();
  shared = registry.find(std::make_shared<const ClusterConfig>(config));
  ASSERT_NE(shared, before);
  Worker next;
  next.cluster = Cluster::make(next.loop, next.network, shared);
  const auto& now = next.cluster->endpoints();
  ASSERT_EQ(now.size(), 3u);
  EXPECT_EQ(now[0]->state->verdict, Verdict::healthy);
  EXPECT_EQ(now[1]->state->verdict, Verdict::unhealthy);
  EXPECT_EQ(now[2]->state->verdict, Verdict::unchecked);
  EXPECT_EQ(events.size(), 2u);
  // Silence of its check takes a healthy one out by the threshold, not at once.
  next.loop.advance(600);
  EXPECT_EQ(now[0]->state->verdict, Verdict::healthy);
  next.loop.advance(2'000);
  EXPECT_EQ(now[0]->state->verdict, Verdict::unhealthy);
  // Other checks know nothing of it.
  config.health_checks[0].timeout = 400;
  auto other = registry.find(std::make_shared<const ClusterConfig>(config));
  Worker third;
  third.cluster = Cluster::make(third.loop, third.network, other);
  EXPECT_EQ(third.cluster->endpoints()[0]->state->verdict, Verdict::unchecked);
}

TEST_F(SharedTest, HostsEndpointsNowLaterAndBack) {
  to("10.0.0.1");
  config.name = "app";
  make(2);
  ASSERT_TRUE(registry.set_endpoints("app", R"(["http://10.0.0.2:80", "http://10.0.0.3:80"])"));
  run();
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(seen_by(i), (Texts{"10.0.0.2:80", "10.0.0.3:80"})) << i;
  // A keeper that comes later knows of it.
  workers[0]->cluster.reset();
  run();
  EXPECT_EQ(seen_by(1), (Texts{"10.0.0.2:80", "10.0.0.3:80"}));
  // So does the next configuration.
  config.idle_timeout = 1'000;
  auto later = registry.find(std::make_shared<const ClusterConfig>(config));
  Worker next;
  next.cluster = Cluster::make(next.loop, next.network, later);
  next.loop.run();
  ASSERT_EQ(next.cluster->endpoints().size(), 2u);
  EXPECT_EQ(next.cluster->endpoints()[0]->text(), "10.0.0.2:80");
  ASSERT_TRUE(registry.set_endpoints("app", std::nullopt));
  run();
  next.loop.run();
  EXPECT_EQ(seen_by(1), (Texts{"10.0.0.1:80"}));
  EXPECT_EQ(next.cluster->endpoints().size(), 1u);
  config.idle_timeout = 2'000;
  auto last = registry.find(std::make_shared<const ClusterConfig>(config));
  Worker third;
  third.cluster = Cluster::make(third.loop, third.network, last);
  EXPECT_EQ(third.cluster->endpoints()[0]->text(), "10.0.0.1:80");
}

TEST_F(SharedTest, HostsEndpointsAreReadByEachConfigurationForItself) {
  to("10.0.0.1");
  config.name = "app";
  make(1);
  ASSERT_TRUE(registry.set_endpoints("app", R"(["http://10.0.0.2:80"])"));
  config.endpoints[0].scheme = Scheme::tcp;
  config.tcp = true;
  auto later = registry.find(std::make_shared<const ClusterConfig>(config));
  Worker next;
  next.cluster = Cluster::make(next.loop, next.network, later);
  ASSERT_EQ(next.cluster->endpoints().size(), 1u);
  EXPECT_EQ(next.cluster->endpoints()[0]->text(), "10.0.0.1:80") << "HTTP has no place in a tcp cluster";
}

TEST_F(SharedTest, FaultyListChangesNothing) {
  to("10.0.0.1");
  config.name = "app";
  make(1);
  auto unknown = registry.set_endpoints("nobody", R"(["http://10.0.0.2:80"])");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, kEnotfound);
  for (const char* list : {"", "[", "[1]", R"(["http://10.0.0.2:80", "tcp://10.0.0.2:81"])", R"(["gopher://x"])"}) {
    auto result = registry.set_endpoints("app", list);
    ASSERT_FALSE(result) << list;
    EXPECT_EQ(result.error().code, kEinval);
    run();
    EXPECT_EQ(seen_by(0), (Texts{"10.0.0.1:80"}));
  }
  ASSERT_TRUE(registry.set_endpoints("app", "[]"));
  run();
  EXPECT_EQ(get(0).seen(), "no_upstream:no_endpoint");
}

TEST_F(SharedTest, TokensOfOthersAreRefused) {
  to("10.0.0.1");
  check_often();
  make(1);
  const uint64_t token = asked.at(0).second;
  EXPECT_FALSE(registry.complete_check(0, true));
  EXPECT_FALSE(registry.complete_check(token + (uint64_t{1} << 50), true));
  EXPECT_FALSE(registry.complete_check(token & 0xffffffff, true));
  registry.complete_check(token + 1, true);
  run();
  EXPECT_TRUE(events.empty());
  EXPECT_TRUE(registry.complete_check(token, false));
  registry.complete_check(token, true);
  run();
  EXPECT_EQ(events, (Texts{"10.0.0.1:80 down failed"}));
  shared.reset();
  workers[0]->cluster.reset();
  EXPECT_FALSE(registry.complete_check(token, true));
}

// ---- limits over all workers ------------------------------------------------------------------------

TEST_F(SharedTest, EveryLimitIsOverAllWorkers) {
  struct Row {
    const char* what;
    uint32_t Thresholds::*all;
    uint32_t EndpointThresholds::*one;
    const char* seen;
  };
  const Row rows[] = {
      {"pending", &Thresholds::max_pending_requests, &EndpointThresholds::max_pending_requests, "overload:max_pending"},
      {"requests", &Thresholds::max_requests, &EndpointThresholds::max_requests, "overload:max_requests"},
      {"connections", &Thresholds::max_connections, &EndpointThresholds::max_connections, "waits"},
  };
  for (const Row& row : rows) {
    for (const bool per_endpoint : {false, true}) {
      SCOPED_TRACE(std::string(row.what) + (per_endpoint ? " of the endpoint" : ""));
      exchanges.clear();
      for (auto& w : workers) w->cluster.reset();
      run();
      workers.clear();
      config = {};
      to("10.0.0.1");
      (per_endpoint ? config.per_endpoint.*row.one : config.thresholds.*row.all) = 3;
      make(2);
      const bool hangs = row.all == &Thresholds::max_pending_requests;
      for (size_t i = 0; i < 2 && hangs; ++i) workers[i]->network.blackhole("10.0.0.1:80");
      for (size_t i : {0, 1, 1}) EXPECT_EQ(get(i).seen(), hangs ? "waits" : "ready");
      EXPECT_EQ(get(0).seen(), row.seen);
      EXPECT_EQ(get(1).seen(), row.seen);
      // One given back anywhere is there for everyone, once.
      cancel(1, *exchanges[2]);
      if (row.all == &Thresholds::max_connections) {
        EXPECT_EQ((exchanges[3]->readies != 0) + (exchanges[4]->readies != 0), 1);
        EXPECT_EQ(shared->connections.value(), 3u);
      } else {
        EXPECT_EQ(get(0).seen(), hangs ? "waits" : "ready");
        EXPECT_EQ(get(1).seen(), row.seen);
      }
    }
  }
}

TEST_F(SharedTest, RetriesAreCountedOverAllWorkers) {
  to("10.0.0.1");
  config.thresholds.max_retries = 3;
  config.per_endpoint.max_retries = 2;
  make(2);
  const Endpoint* endpoint[] = {workers[0]->cluster->endpoints()[0].get(), workers[1]->cluster->endpoints()[0].get()};
  EXPECT_TRUE(workers[0]->cluster->may_retry(endpoint[0]));
  EXPECT_TRUE(workers[1]->cluster->may_retry(endpoint[1]));
  EXPECT_FALSE(workers[0]->cluster->may_retry(endpoint[0]));
  EXPECT_TRUE(workers[0]->cluster->may_retry(nullptr));
  EXPECT_FALSE(workers[1]->cluster->may_retry(nullptr));
  EXPECT_EQ(workers[1]->cluster->stats().retry_overflow, 1u);
  workers[0]->cluster->retry_over(nullptr);
  workers[0]->cluster->retry_over(endpoint[0]);
  EXPECT_TRUE(workers[1]->cluster->may_retry(endpoint[1]));
  workers[1]->cluster->retry_over(endpoint[1]);
  workers[1]->cluster->retry_over(endpoint[1]);
}

TEST_F(SharedTest, RetryBudgetIsAShareOfAllExchanges) {
  to("10.0.0.1");
  config.thresholds.budget_percent = 50;
  config.thresholds.min_retry_concurrency = 1;
  make(2);
  auto take = [&] { return workers[0]->cluster->may_retry(nullptr); };
  EXPECT_TRUE(take());
  EXPECT_FALSE(take());
  for (int i = 0; i < 4; ++i) get(1);
  EXPECT_TRUE(take());
  EXPECT_FALSE(take());
  for (int i = 0; i < 2; ++i) workers[1]->cluster->retry_over(nullptr);
}

class Starvation : public SharedTest, public testing::WithParamInterface<bool> {
 protected:
  void make_full(uint32_t limit) {
    to("10.0.0.1");
    (GetParam() ? config.per_endpoint.max_connections : config.thresholds.max_connections) = limit;
    make(2);
  }
};

TEST_P(Starvation, IdleConnectionElsewhereGivesWay) {
  make_full(1);
  get(0);
  answer(service(0).last());
  EXPECT_EQ(workers[0]->cluster->stats().idle, 1u);
  EXPECT_EQ(get(1).seen(), "ready");
  EXPECT_TRUE(service(0).last()->closed);
  EXPECT_EQ(shared->connections.value(), 1u);
}

TEST_P(Starvation, ConnectionThatBecomesIdleElsewhereGivesWay) {
  make_full(1);
  get(0);
  Exchange& x = get(1);
  EXPECT_EQ(x.seen(), "waits");
  answer(service(0).last());
  EXPECT_EQ(x.seen(), "ready");
  // Whoever waits there is served first.
  Exchange& a = get(0);
  EXPECT_EQ(a.seen(), "waits");
  Exchange& b = get(1);
  answer(service(1).last());
  EXPECT_TRUE(x.complete);
  EXPECT_EQ(b.seen(), "ready");
  EXPECT_EQ(a.seen(), "waits");
  answer(service(1).last());
  EXPECT_EQ(a.seen(), "ready");
}

TEST_P(Starvation, ConnectionThatEndsElsewhereMakesRoom) {
  make_full(2);
  Exchange& a = get(0);
  get(0);
  Exchange& x = get(1);
  EXPECT_EQ(x.seen(), "waits");
  cancel(0, a);
  EXPECT_EQ(x.seen(), "ready");
}

// That somebody waited is remembered until room is made once.
TEST_P(Starvation, OneAtMostGivesWayForOneThatWaitsNoMore) {
  make_full(2);
  get(0);
  get(0);
  cancel(1, get(1));
  answer(service(0).connections[0]);
  answer(service(0).connections[1]);
  EXPECT_EQ(workers[0]->cluster->stats().idle, 1u);
}

INSTANTIATE_TEST_SUITE_P(Limits, Starvation, testing::Bool(),
                         [](const auto& row) { return row.param ? "OfTheEndpoint" : "OfTheCluster"; });

TEST_F(SharedTest, OnlyConnectionsOfTheFullEndpointGiveWay) {
  to("10.0.0.1");
  to("10.0.0.2");
  config.per_endpoint.max_connections = 1;
  make(2);
  // One idle connection to each, both of the first worker.
  get(0);
  get(0);
  answer(service(0, "10.0.0.1:80").last());
  answer(service(0, "10.0.0.2:80").last());
  Exchange& x = get(1);
  EXPECT_EQ(x.seen(), "ready");
  EXPECT_EQ(shared->connections.value(), 2u);
  EXPECT_EQ(service(0, "10.0.0.1:80").open() + service(0, "10.0.0.2:80").open(), 1u);
  EXPECT_EQ(service(0, x.attempt.endpoint()->text().c_str()).open(), 0u);
}

}  // namespace
}  // namespace cardea::cluster
