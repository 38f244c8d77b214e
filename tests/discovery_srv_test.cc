// Discovery: SRV records, their priorities, weights and targets, and what happens while targets are not known.
#include "discovery_fixture.h"

namespace cardea::cluster {
namespace {

class DiscoverySrv : public DiscoveryTest {
 protected:
  static constexpr const char* kName = "_http._tcp.app.example";
  void records(std::vector<net::SrvRecord> list, Millis ttl = 1'000) {
    network.answer_srv(kName, std::move(list), ttl);
  }
};

TEST_F(DiscoverySrv, RecordsSayPortsPrioritiesAndWeights) {
  to("srv+https://_http._tcp.app.example");
  records({{"one.test", 8001, 0, 10}, {"two.test", 8002, 0, 0}, {"one.test", 8003, 5, 65535}});
  network.answer("one.test", {"10.0.0.1", "10.0.0.11"});
  network.answer("two.test", {"10.0.0.2"});
  start();
  EXPECT_TRUE(discovery->resolving());
  loop.run();
  EXPECT_EQ(seen(),
            "10.0.0.1:8001*10@0 10.0.0.11:8001*10@0 10.0.0.1:8003*65535@5 10.0.0.11:8003*65535@5 10.0.0.2:8002");
  EXPECT_EQ(network.name("one.test").lookups, 1u);
  // To the service all are the domain that was asked for.
  const EndpointConfig& config = state("10.0.0.2:8002")->config;
  EXPECT_EQ(config.host, "app.example");
  EXPECT_EQ(config.authority, "app.example");
  EXPECT_EQ(config.port, 8002);
  EXPECT_EQ(config.scheme, Scheme::https);
}

TEST_F(DiscoverySrv, SharesChangeWithoutNewEndpoints) {
  to("srv://_http._tcp.app.example");
  records({{"one.test", 80, 0, 1}, {"two.test", 80, 0, 1}});
  network.answer("one.test", {"10.0.0.1"});
  network.answer("two.test", {"10.0.0.2"});
  start();
  loop.run();
  const RosterPtr before = roster;
  records({{"two.test", 80, 0, 7}, {"one.test", 80, 3, 1}});
  loop.advance(1'000);
  EXPECT_EQ(seen(), "10.0.0.1:80*1@3 10.0.0.2:80*7@0");
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ((*roster)[i].state, (*before)[i].state);
  EXPECT_EQ(network.name("one.test").lookups, 1u);
  // Another port is another endpoint.
  records({{"two.test", 81, 0, 7}});
  loop.advance(1'000);
  EXPECT_EQ(seen(), "10.0.0.2:81*7@0");
}

TEST_F(DiscoverySrv, EachNameHasItsOwnTime) {
  to("srv://_http._tcp.app.example");
  records({{"one.test", 80, 0, 1}}, 10'000);
  network.answer("one.test", {"10.0.0.1"}, 2'000);
  start();
  loop.advance(8'000);
  EXPECT_EQ(network.srv(kName).lookups, 1u);
  EXPECT_EQ(network.name("one.test").lookups, 5u);
  network.answer("one.test", {"10.0.0.2"}, 60'000);
  loop.advance(2'000);
  EXPECT_EQ(network.srv(kName).lookups, 2u);
  EXPECT_EQ(seen(), "10.0.0.2:80");
  // A target that has gone is asked for no more.
  records({{"two.test", 80, 0, 1}}, 600'000);
  network.answer("two.test", {"10.0.0.3"}, 600'000);
  loop.advance(10'000);
  const size_t lookups = network.name("one.test").lookups;
  loop.advance(300'000);
  EXPECT_EQ(network.name("one.test").lookups, lookups);
}

TEST_F(DiscoverySrv, FailuresKeepTheLastGoodAnswer) {
  to("srv://_http._tcp.app.example");
  records({{"one.test", 80, 0, 1}});
  network.answer("one.test", {"10.0.0.1"}, 1'000);
  start();
  loop.run();
  const EndpointStatePtr first = state("10.0.0.1:80");
  for (int status : {3, 4, 1, 12}) {
    network.srv(kName).records.clear();
    network.srv(kName).status = status;
    network.fail_name("one.test", status, "failed");
    loop.advance(6'000);
    EXPECT_EQ(state("10.0.0.1:80"), first) << status;
  }
  EXPECT_EQ(rosters, 1);
  // New targets that cannot be resolved are no answer either.
  records({{"two.test", 80, 0, 1}});
  loop.advance(6'000);
  EXPECT_EQ(state("10.0.0.1:80"), first);
  network.answer("two.test", {"10.0.0.2"});
  loop.advance(6'000);
  EXPECT_EQ(seen(), "10.0.0.2:80");
}

TEST_F(DiscoverySrv, NoServiceIsAnAnswer) {
  to("srv://_http._tcp.app.example");
  records({{".", 0, 0, 0}});
  start();
  loop.run();
  EXPECT_EQ(rosters, 0);
  EXPECT_EQ(resolutions, 2);
  EXPECT_EQ(failure(), "dns_failed:no_service");
  records({{"one.test", 80, 0, 1}, {".", 0, 0, 0}});
  network.answer("one.test", {"10.0.0.1"});
  loop.advance(1'000);
  EXPECT_EQ(seen(), "10.0.0.1:80");
  records({{".", 0, 0, 0}});
  loop.advance(1'000);
  EXPECT_EQ(rosters, 2);
  EXPECT_EQ(seen(), "");
}

TEST_F(DiscoverySrv, TheFirstKnownTargetServesAtOnce) {
  to("srv://_http._tcp.app.example");
  records({{"slow.test", 80, 0, 1}, {"one.test", 80, 0, 1}, {"bad.test", 80, 0, 1}}, 600'000);
  network.answer("one.test", {"10.0.0.1"});
  network.answer("slow.test", {"10.0.0.2"}, 60'000, 4'000);
  network.fail_name("bad.test", 3, "SERVFAIL");
  start();
  loop.advance(10);
  EXPECT_EQ(seen(), "10.0.0.1:80");
  EXPECT_TRUE(discovery->resolving());
  loop.advance(4'000);
  EXPECT_EQ(seen(), "10.0.0.1:80 10.0.0.2:80");
}

TEST_F(DiscoverySrv, ANewAnswerWaitsForItsTargets) {
  to("srv://_http._tcp.app.example");
  records({{"one.test", 80, 0, 1}});
  network.answer("one.test", {"10.0.0.1"});
  network.answer("two.test", {"10.0.0.2"});
  network.hang_name("three.test");
  start();
  loop.run();
  records({{"two.test", 80, 0, 1}, {"three.test", 80, 0, 1}}, 600'000);
  loop.advance(1'000);
  EXPECT_EQ(seen(), "10.0.0.1:80");
  loop.advance(60'000);  // three.test is given up
  EXPECT_EQ(seen(), "10.0.0.2:80");
  // And later it is no reason to wait any more.
  network.answer("two.test", {"10.0.0.4"}, 600'000);
  loop.advance(60'000);
  EXPECT_EQ(seen(), "10.0.0.4:80");
}

TEST_F(DiscoverySrv, TargetsAndAddressesAreBounded) {
  to("srv://_http._tcp.app.example");
  config.dns.max_addresses = 4;
  std::vector<net::SrvRecord> many;
  for (uint16_t i = 0; i < 100; ++i) {
    const std::string target = "t" + std::to_string(i) + ".test", address = "10.0." + std::to_string(i) + ".";
    many.push_back({target, 80, i, 1});
    network.answer(target, {address + "1", address + "2", address + "3"});
  }
  records(many);
  start();
  loop.run();
  EXPECT_EQ(seen(), "10.0.0.1:80 10.0.0.2:80 10.0.0.3:80 10.0.1.1:80*1@1");
  EXPECT_EQ(network.name("t3.test").lookups, 1u);
  EXPECT_EQ(network.name("t4.test").lookups, 0u);
}

TEST_F(DiscoverySrv, BothFamiliesAndARepeatedPlace) {
  to("srv://_http._tcp.app.example");
  config.dns_family = net::Family::all;
  records({{"one.test", 80, 0, 1}, {"alias.test", 80, 0, 9}});
  for (const char* name : {"one.test", "alias.test"}) network.answer(name, {"10.0.0.1", "2001:db8::1"});
  start();
  loop.run();
  EXPECT_EQ(seen(), "[2001:db8::1]:80+10.0.0.1:80");
}

TEST_F(DiscoverySrv, APredecessorsEndpointsStay) {
  to("srv://_http._tcp.app.example");
  to("srv://_http._tcp.other.example");
  to("http://app.example:8001");
  records({{"one.test", 8001, 2, 10}, {"two.test", 8002, 0, 1}});
  network.answer("one.test", {"10.0.0.1"});
  network.answer("two.test", {"10.0.0.2"});
  network.answer("app.example", {"10.0.0.1"});
  start();
  loop.run();
  const RosterPtr before = roster;
  ASSERT_EQ(before->size(), 3u);
  network.srv(kName).delay = 500;
  network.hang_name("app.example");
  succeed();
  EXPECT_EQ(*roster, *before);
  loop.advance(1'000);
  EXPECT_EQ(*roster, *before);
  records({{"two.test", 8002, 0, 3}}, 600'000);
  loop.advance(2'000);
  ASSERT_EQ(roster->size(), 2u);
  EXPECT_NE(state("10.0.0.2:8002"), nullptr);
  EXPECT_NE(state("10.0.0.1:8001"), nullptr);  // of the plain name
  EXPECT_EQ(state("10.0.0.1:8001")->config.srv, false);
}

TEST_F(DiscoverySrv, TheHostsListRestsThemAndTheyComeBack) {
  to("srv://_http._tcp.app.example");
  records({{"one.test", 80, 4, 2}});
  network.answer("one.test", {"10.0.0.1"}, 1'000);
  start();
  loop.run();
  set(std::vector{url("http://10.0.5.5")});
  const size_t lookups = network.srv(kName).lookups + network.name("one.test").lookups;
  loop.advance(60'000);
  EXPECT_EQ(network.srv(kName).lookups + network.name("one.test").lookups, lookups);
  network.srv(kName).hang = true;
  network.hang_name("one.test");
  set(std::nullopt);
  EXPECT_EQ(seen(), "10.0.0.1:80*2@4");
  EXPECT_TRUE(discovery->resolving());
}

TEST_F(DiscoverySrv, DeletionInTheMiddleOfEverything) {
  to("srv://_http._tcp.app.example");
  to("http://app.example");
  records({{"one.test", 80, 0, 1}, {"two.test", 80, 0, 1}});
  network.answer("one.test", {"10.0.0.1"});
  network.answer("app.example", {"10.0.0.3"}, 1'000, 7);
  network.hang_name("two.test");
  when_roster = [&] {
    if (discovery) loop.defer_delete(std::move(discovery));
  };
  start();
  loop.advance(60'000);
  EXPECT_EQ(rosters, 1);
  EXPECT_EQ(discovery, nullptr);
}

}  // namespace
}  // namespace cardea::cluster
