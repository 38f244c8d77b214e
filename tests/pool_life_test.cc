// How long connections live and whose they are: wear, age, keepalive, spares, users, patience, addresses, choice.
#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "cluster/live_cluster.h"
#include "cluster_fixture.h"

namespace cardea::cluster {
namespace {

class PoolLife : public ClusterTest {
 protected:
  net::FakeService& make_one(Scheme scheme = Scheme::http) {
    to("10.0.0.1", 80, scheme);
    auto& service = network.serve("10.0.0.1:80");
    make();
    return service;
  }
  Exchange& choose(std::function<int(const std::vector<EndpointPtr>&)> fn) {
    exchanges.push_back(std::make_unique<Exchange>());
    Exchange& x = *exchanges.back();
    x.choose = std::move(fn);
    turn([&] { x.attempt.start(*cluster, {}); });
    return x;
  }
  static std::string where(Exchange& x) { return x.attempt.endpoint() ? x.attempt.endpoint()->text() : ""; }
};

// ---- wear and age -----------------------------------------------------------------------------------

TEST_F(PoolLife, ConnectionIsWornOutByItsLastExchange) {
  config.max_requests_per_connection = 3;
  auto& service = make_one();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(service.attempts, i ? 1u : 0u);
    round_trip("10.0.0.1:80");
  }
  EXPECT_TRUE(service.connections[0]->closed) << "at once, not when it is next looked at";
  EXPECT_EQ(stats().connections, 0u);
  Exchange& next = round_trip("10.0.0.1:80");
  EXPECT_FALSE(next.attempt.reused());
  EXPECT_EQ(service.attempts, 2u);
}

TEST_F(PoolLife, AgeEndsIdleOnesAtOnceAndBusyOnesAfterTheirExchange) {
  config.max_connection_duration = 100'000;
  config.idle_timeout = 0;
  auto& service = make_one();
  Exchange& busy = get();
  get();
  answer(service.connections[1]);
  loop.advance(89'999);
  EXPECT_EQ(service.open(), 2u);
  loop.advance(10'001);
  EXPECT_TRUE(service.connections[1]->closed);
  EXPECT_FALSE(service.connections[0]->closed);
  Exchange& next = get();
  EXPECT_FALSE(next.attempt.reused());
  answer(service.connections[0]);
  EXPECT_EQ(busy.status, 200);
  EXPECT_TRUE(service.connections[0]->closed);
}

TEST_F(PoolLife, AgesOfThoseThatBeganTogetherDiffer) {
  config.max_connection_duration = 100'000;
  config.idle_timeout = 0;
  auto& service = make_one();
  for (int i = 0; i < 40; ++i) get();
  for (auto& c : service.connections) answer(c);
  loop.advance(89'999);
  EXPECT_EQ(service.open(), 40u);
  std::set<size_t> counts;
  for (int i = 0; i < 100; ++i) {
    loop.advance(100);
    counts.insert(service.open());
  }
  loop.advance(1);
  EXPECT_EQ(service.open(), 0u);
  EXPECT_GT(counts.size(), 15u);
}

// ---- keepalive --------------------------------------------------------------------------------------

std::string frame(uint8_t type, uint8_t flags, uint32_t stream, const std::string& payload) {
  std::string f;
  for (int shift : {16, 8, 0}) f += char(payload.size() >> shift & 0xff);
  f += char(type);
  f += char(flags);
  for (int shift : {24, 16, 8, 0}) f += char(stream >> shift & 0xff);
  return f + payload;
}

const std::string kSettings = frame(4, 0, 0, ""), kCode = std::string("\0\0\0", 3);

// Payloads of the PINGs that have come since the last look.
std::vector<std::string> pings(net::FakePeer& peer) {
  std::vector<std::string> out;
  std::string in = peer.take();
  if (in.substr(0, 3) == "PRI") in.erase(0, 24);
  while (in.size() >= 9) {
    const auto byte = [&](size_t i) { return size_t(uint8_t(in[i])); };
    const size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
    if (byte(3) == 6 && byte(4) == 0) out.push_back(in.substr(9, size));
    in.erase(0, 9 + size);
  }
  return out;
}

TEST_F(PoolLife, AnsweredPingsKeepAConnection) {
  config.keepalive_interval = 10'000;
  config.keepalive_timeout = 2'000;
  config.idle_timeout = 0;
  auto& service = make_one(Scheme::h2c);
  Exchange& a = get();
  auto peer = service.last();
  peer->send(kSettings);
  loop.run();
  EXPECT_TRUE(pings(*peer).empty());
  for (int i = 0; i < 5; ++i) {
    loop.advance(9'999);
    EXPECT_TRUE(pings(*peer).empty()) << i;
    loop.advance(1);
    const auto sent = pings(*peer);
    ASSERT_EQ(sent.size(), 1u) << i;
    loop.advance(1'999);
    peer->send(frame(6, 1, 0, sent[0]));
    loop.advance(1);
    ASSERT_FALSE(peer->closed) << i;
  }
  EXPECT_EQ(a.resets, 0);
}

TEST_F(PoolLife, UnansweredPingEndsAConnectionAndItsExchanges) {
  config.keepalive_interval = 10'000;
  config.keepalive_timeout = 2'000;
  auto& service = make_one(Scheme::h2c);
  Exchange &a = get(), &b = get();
  service.last()->send(kSettings);
  loop.advance(11'999);
  EXPECT_FALSE(service.last()->closed);
  EXPECT_EQ(a.resets, 0);
  loop.advance(1);
  EXPECT_TRUE(service.last()->closed);
  for (Exchange* x : {&a, &b}) {
    EXPECT_EQ(x->resets, 1);
    EXPECT_EQ(x->end.cause, EndCause::upstream_reset);
    EXPECT_EQ(std::string(x->end.detail), "keepalive");
  }
  EXPECT_FALSE(get().attempt.reused());
}

TEST_F(PoolLife, PingsAreForHttp2Alone) {
  config.keepalive_interval = 10'000;
  config.keepalive_timeout = 2'000;
  config.idle_timeout = 0;
  auto& service = make_one();
  Exchange& a = get();
  service.last()->take();
  loop.advance(60'000);
  EXPECT_FALSE(service.last()->closed);
  EXPECT_EQ(service.last()->take(), "");
  EXPECT_EQ(a.resets, 0);
}

// ---- spares -----------------------------------------------------------------------------------------

TEST_F(PoolLife, SparesAreThereWhileThereIsTraffic) {
  config.preconnect_ratio = 2;
  auto& service = make_one();
  EXPECT_EQ(service.attempts, 0u);
  get();
  EXPECT_EQ(service.attempts, 2u);
  EXPECT_EQ(stats().idle, 1u);
  Exchange& b = get();
  EXPECT_TRUE(b.attempt.reused()) << "the spare one";
  EXPECT_EQ(service.attempts, 4u);
  for (auto& c : service.connections) {
    if (!c->take().empty()) answer(c);
  }
  EXPECT_EQ(stats().idle, 4u);
  service.connections[0]->reset();
  loop.run();
  EXPECT_EQ(service.attempts, 4u) << "nobody is busy";
}

TEST_F(PoolLife, SparesTakeNobodysPlace) {
  config.preconnect_ratio = 3;
  config.thresholds.max_connections = 2;
  to("10.0.0.1");
  to("10.0.0.2");
  auto &one = network.serve("10.0.0.1:80"), &two = network.serve("10.0.0.2:80");
  make();
  get();
  EXPECT_EQ(one.attempts, 2u);
  // The spare one gives way to whoever needs it, and is not made again at the other's price.
  EXPECT_EQ(get().seen(), "ready");
  EXPECT_EQ(one.open(), 1u);
  EXPECT_EQ(two.open(), 1u);
  EXPECT_EQ(one.attempts + two.attempts, 3u);
}

TEST_F(PoolLife, RefusedSparesAreNotAskedForAgainAndAgain) {
  config.preconnect_ratio = 3;
  auto& service = make_one();
  get();
  EXPECT_EQ(service.attempts, 3u);
  service.refuse = ECONNREFUSED;
  service.connections[1]->reset();
  loop.advance(5'000);
  EXPECT_LE(service.attempts, 5u);
  // What is needed is tried, and with its success they come back.
  Exchange& b = get({.fresh = true});
  EXPECT_EQ(b.seen(), "connect_failed:ECONNREFUSED");
  service.refuse = 0;
  const size_t before = service.attempts;
  EXPECT_EQ(get({.fresh = true}).seen(), "ready");
  EXPECT_GT(service.attempts, before + 1);
}

// ---- users ------------------------------------------------------------------------------------------

TEST_F(PoolLife, OneUsersConnectionNeverServesAnother) {
  config.pool_per_user = true;
  auto& service = make_one();
  struct Row {
    const char* user;
    bool reused;
    size_t connections;
  };
  for (const Row& row : {Row{"ann", false, 1}, Row{"bob", false, 2}, Row{"ann", true, 2}, Row{"", false, 3},
                         Row{"bob", true, 3}, Row{"an", false, 4}, Row{"", true, 4}}) {
    SCOPED_TRACE(row.user);
    Exchange& x = get({.user = row.user});
    EXPECT_EQ(x.attempt.reused(), row.reused);
    EXPECT_EQ(service.attempts, row.connections);
    for (auto& c : service.connections) {
      if (!c->take().empty()) answer(c);
    }
    EXPECT_TRUE(x.complete);
  }
  // Nor one that was made for somebody who went away.
  network.delay("10.0.0.1:80", 100);
  cancel(get({.user = "cid"}));
  Exchange& dan = get({.user = "dan"});
  loop.advance(100);
  EXPECT_FALSE(dan.attempt.reused());
  EXPECT_EQ(service.attempts, 6u);
}

TEST_F(PoolLife, UsersPoolsGoAwayWithTheirLastConnection) {
  config.pool_per_user = true;
  config.idle_timeout = 1'000;
  auto& service = make_one();
  auto* live = static_cast<LiveCluster*>(cluster.get());
  for (const char* user : {"ann", "bob"}) {
    get({.user = user});
    answer(service.last());
  }
  EXPECT_EQ(live->pool_count(), 2u);
  loop.advance(1'000);
  EXPECT_EQ(service.open(), 0u);
  EXPECT_EQ(live->pool_count(), 0u);
  // So do those that never had one.
  service.refuse = ECONNREFUSED;
  EXPECT_EQ(get({.user = "cid"}).seen(), "connect_failed:ECONNREFUSED");
  EXPECT_EQ(live->pool_count(), 0u);
  service.refuse = 0;
  EXPECT_EQ(get({.user = "ann"}).seen(), "ready");
}

TEST_F(PoolLife, RefusedUserLeavesNoPool) {
  config.pool_per_user = true;
  config.thresholds.max_pending_requests = 0;
  make_one();
  auto* live = static_cast<LiveCluster*>(cluster.get());
  EXPECT_EQ(get({.user = "ann"}).seen(), "overload:max_pending");
  EXPECT_EQ(live->pool_count(), 0u);
}

TEST_F(PoolLife, IdleConnectionsOfOtherUsersGiveWay) {
  config.pool_per_user = true;
  config.per_endpoint.max_connections = 1;
  auto& service = make_one();
  get({.user = "ann"});
  answer(service.last());
  EXPECT_EQ(get({.user = "bob"}).seen(), "ready");
  EXPECT_TRUE(service.connections[0]->closed);
}

// ---- patience ---------------------------------------------------------------------------------------

TEST_F(PoolLife, PendingTimeoutEndsWaitingNotConnecting) {
  config.pending_timeout = 1'000;
  config.connect_timeout = 5'000;
  auto& service = make_one();
  network.delay("10.0.0.1:80", 3'000);
  Exchange& a = get();
  loop.advance(999);
  EXPECT_EQ(a.seen(), "waits");
  loop.advance(1);
  EXPECT_EQ(a.seen(), "overload:pending_timeout");
  loop.advance(1'500);
  Exchange& b = get();
  loop.advance(500);
  EXPECT_EQ(b.seen(), "ready") << "the connection went on";
  EXPECT_EQ(service.attempts, 1u);
}

TEST_F(PoolLife, ConnectTimeoutEndsAnExchangeWhosePendingTimeoutIsLonger) {
  config.pending_timeout = 8'000;
  config.connect_timeout = 2'000;
  auto& service = make_one();
  service.blackhole = true;
  Exchange& a = get();
  loop.advance(2'000);
  EXPECT_EQ(a.seen(), "connect_timeout:tcp") << "its connection ran out of time";
}

// ---- addresses --------------------------------------------------------------------------------------

TEST_F(PoolLife, EndpointWithTwoAddressesIsRaced) {
  to("app.example");
  config.dns_family = net::Family::all;
  network.answer("app.example", {"2001:db8::1", "10.0.0.1"});
  network.blackhole("[2001:db8::1]:80");
  network.serve("10.0.0.1:80");
  make();
  Exchange& a = get();
  loop.advance(249);
  EXPECT_EQ(a.seen(), "waits");
  loop.advance(1);
  EXPECT_EQ(a.seen(), "ready");
  EXPECT_EQ(a.attempt.connect_ms(), 250u);
  EXPECT_EQ(where(a), "[2001:db8::1]:80");
  EXPECT_EQ(stats().connections, 1u);
  network.refuse("[2001:db8::1]:80", EHOSTUNREACH);
  network.service("[2001:db8::1]:80").blackhole = false;
  EXPECT_EQ(get().seen(), "ready") << "a refusal costs no time";
  network.refuse("10.0.0.1:80", ECONNREFUSED);
  EXPECT_EQ(get().seen(), "connect_failed:EHOSTUNREACH");
}

TEST_F(PoolLife, TimeoutCoversTheRace) {
  to("app.example");
  config.dns_family = net::Family::all;
  config.connect_timeout = 1'000;
  network.answer("app.example", {"2001:db8::1", "10.0.0.1"});
  network.blackhole("[2001:db8::1]:80");
  network.blackhole("10.0.0.1:80");
  make();
  Exchange& a = get();
  loop.advance(1'000);
  EXPECT_EQ(a.seen(), "connect_timeout:tcp");
  EXPECT_EQ(stats().connections, 0u);
}

// ---- elsewhere --------------------------------------------------------------------------------------

class Elsewhere : public PoolLife, public testing::WithParamInterface<bool> {};

TEST_P(Elsewhere, RefusedStreamStartsAgainOnAnotherEndpoint) {
  to("10.0.0.1", 80, Scheme::h2c);
  to("10.0.0.2", 80, Scheme::h2c);
  auto &one = network.serve("10.0.0.1:80"), &two = network.serve("10.0.0.2:80");
  make();
  Exchange& a = get();
  ASSERT_EQ(where(a), "10.0.0.1:80");
  a.when_reset = [&] { a.attempt.start(*cluster, {}); };
  one.last()->send(kSettings);
  const bool goaway = GetParam();
  // Last stream 0; or RST_STREAM with REFUSED_STREAM.
  one.last()->send(goaway ? frame(7, 0, 0, std::string(8, '\0')) : frame(3, 0, 1, kCode + '\x07'));
  loop.run();
  EXPECT_EQ(a.resets, 1);
  EXPECT_EQ(std::string(a.end.detail), "refused_stream");
  EXPECT_EQ(a.readies, 2);
  EXPECT_EQ(where(a), "10.0.0.2:80");
  EXPECT_EQ(one.open(), goaway ? 0u : 1u);
  EXPECT_EQ(two.open(), 1u);
  Exchange &b = get(), &c = get();
  EXPECT_EQ(where(b) == "10.0.0.1:80" || where(c) == "10.0.0.1:80", true) << "it is no worse for that";
}

INSTANTIATE_TEST_SUITE_P(Refusals, Elsewhere, testing::Bool(),
                         [](const auto& row) { return row.param ? "Goaway" : "RstStream"; });

TEST_F(PoolLife, TriedEndpointsAreAvoidedWhileOthersAreThere) {
  for (auto a : {"10.0.0.1", "10.0.0.2", "10.0.0.3"}) {
    to(a);
    network.refuse(std::string(a) + ":80");
  }
  make();
  for (int round = 0; round < 20; ++round) {
    Exchange& a = get();
    std::set<std::string> tried{where(a)};
    for (int i = 0; i < 2; ++i) {
      turn([&] { a.attempt.start(*cluster, {}); });
      tried.insert(where(a));
    }
    EXPECT_EQ(tried.size(), 3u);
    turn([&] { a.attempt.start(*cluster, {}); });
    EXPECT_EQ(a.failures, 4) << "all were tried: again";
  }
}

// ---- the host chooses -------------------------------------------------------------------------------

TEST_F(PoolLife, HostChooses) {
  config.balance.algorithm = "host";
  for (auto a : {"10.0.0.1", "10.0.0.2", "10.0.0.3"}) {
    to(a);
    network.serve(std::string(a) + ":80");
  }
  make();
  struct Row {
    int chosen;
    const char* where;
    const char* seen;
  };
  for (const Row& row : {Row{0, "10.0.0.1:80", "ready"}, Row{2, "10.0.0.3:80", "ready"},
                         Row{-1, "", "no_upstream:unhealthy"}, Row{3, "", "no_upstream:unhealthy"},
                         Row{INT32_MIN, "", "no_upstream:unhealthy"}, Row{INT32_MAX, "", "no_upstream:unhealthy"}}) {
    SCOPED_TRACE(row.chosen);
    size_t offered = 0;
    Exchange& x = choose([&](const auto& of) {
      offered = of.size();
      return row.chosen;
    });
    EXPECT_EQ(offered, 3u);
    EXPECT_EQ(where(x), row.where);
    EXPECT_EQ(x.seen(), row.seen);
  }
  EXPECT_EQ(stats().pending, 0u);
}

}  // namespace
}  // namespace cardea::cluster
