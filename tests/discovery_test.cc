// Discovery: fixed addresses, names that change and fail, predecessors, the host's own list.
#include <set>

#include "discovery_fixture.h"

namespace cardea::cluster {
namespace {

// ---- fixed ------------------------------------------------------------------------------------------

TEST_F(DiscoveryTest, FixedAddressesAreToldInsideStart) {
  to("http://10.0.0.1:81,5");
  to("https://[::1]:82");
  to("http+unix:///run/app.sock").priority = 1;
  start();
  EXPECT_EQ(seen(), "10.0.0.1:81*5@0 [::1]:82 unix:/run/app.sock*1@1");
  EXPECT_EQ(rosters, 1);
  EXPECT_TRUE(network.resolvers.empty());
  EXPECT_FALSE(discovery->resolving());
  loop.advance(600'000);
  EXPECT_EQ(rosters, 1);
  EXPECT_EQ((*roster)[1].state->config, config.endpoints[1]);
  EXPECT_NE((*roster)[0].state->id, (*roster)[1].state->id);
}

TEST_F(DiscoveryTest, NothingIsNoChange) {
  start();
  EXPECT_EQ(rosters, 0);
  EXPECT_EQ(failure(), "no_upstream:no_endpoint");
  set(std::vector<EndpointConfig>{});
  EXPECT_EQ(rosters, 0);
}

// ---- names ------------------------------------------------------------------------------------------

TEST_F(DiscoveryTest, TheFirstAnswerMayTakeTenSeconds) {
  to("http://app.example");
  config.dns.servers = {"192.0.2.53:53"};
  config.dns_family = net::Family::v6_only;
  network.answer("app.example", {"2001:db8::1"}, 60'000, 10'000);
  start();
  EXPECT_TRUE(discovery->resolving());
  loop.advance(9'999);
  EXPECT_EQ(rosters, 0);
  EXPECT_EQ(resolutions, 1);
  when_resolved = [&] { EXPECT_EQ(rosters, 1); };
  loop.advance(1);
  EXPECT_EQ(seen(), "[2001:db8::1]:80");
  EXPECT_EQ(resolutions, 2);
  EXPECT_FALSE(discovery->resolving());
  ASSERT_EQ(network.resolvers.size(), 1u);
  EXPECT_EQ(network.resolvers[0], config.dns);
  EXPECT_EQ(network.name("app.example").families, std::vector<net::Family>{net::Family::v6_only});
}

TEST_F(DiscoveryTest, RefreshFollowsTtlOrTheFixedInterval) {
  struct Row {
    Millis ttl, fixed, expected;
  };
  for (Row row : {Row{30'000, 0, 30'000}, Row{0, 0, 1'000}, Row{10, 0, 1'000}, Row{30'000, 5'000, 5'000},
                  Row{30'000, 1, 1'000}, Row{1ull << 50, 0, 24 * 3600 * 1000}}) {
    SCOPED_TRACE(row.expected);
    config = {};
    to("http://app.example");
    config.dns_refresh = row.fixed;
    auto& name = network.answer("app.example", {"10.0.0.1"}, row.ttl);
    start();
    loop.run();
    const size_t before = name.lookups;
    loop.advance(row.expected - 1);
    EXPECT_EQ(name.lookups, before);
    loop.advance(1);
    EXPECT_EQ(name.lookups, before + 1);
    loop.advance(row.expected);
    EXPECT_EQ(name.lookups, before + 2);
  }
}

TEST_F(DiscoveryTest, TheLastGoodAnswerStaysWhateverTheResolverSays) {
  to("http://app.example");
  auto& name = network.answer("app.example", {"10.0.0.1"}, 10'000);
  start();
  loop.run();
  const EndpointStatePtr first = state("10.0.0.1:80");
  size_t lookups = 1;
  auto fails = [&](const char* what, Millis after, Millis told_after = 0) {
    SCOPED_TRACE(what);
    loop.advance(after);
    EXPECT_EQ(name.lookups, ++lookups);
    const int before = resolutions;
    loop.advance(told_after);
    EXPECT_EQ(resolutions, before + (told_after != 0));
    EXPECT_EQ(state("10.0.0.1:80"), first);
    EXPECT_EQ(rosters, 1);
  };
  network.fail_name("app.example", 4, "NXDOMAIN");
  fails("nxdomain", 10'000);
  network.fail_name("app.example", 3, "SERVFAIL");
  fails("servfail", 5'000);
  network.answer("app.example", {});
  fails("empty", 5'000);
  network.fail_name("app.example", 12, "timeout", 1'000);
  fails("late failure", 5'000, 1'000);
  network.hang_name("app.example");
  fails("silence", 5'000, 60'000);
  network.answer("app.example", {"10.0.0.1"}, 0);
  fails("back", 5'000);
  network.answer("app.example", {"10.0.0.2"}, 1'000);
  loop.advance(1'000);
  EXPECT_EQ(seen(), "10.0.0.2:80");
}

TEST_F(DiscoveryTest, FailureHasAName) {
  struct Row {
    int status;
    const char* failure;
  };
  for (Row row : {Row{4, "dns_failed:nxdomain"}, Row{3, "dns_failed:servfail"}, Row{12, "dns_failed:timeout"},
                  Row{1, "dns_failed:no_address"}, Row{11, "dns_failed:no_server"}, Row{99, "dns_failed:failed"}}) {
    config = {};
    to("http://app.example");
    network.fail_name("app.example", row.status, "text", 100);
    roster = nullptr;
    start();
    resolutions = 0;
    EXPECT_EQ(failure(), "no_upstream:no_endpoint");
    loop.advance(99);
    EXPECT_EQ(resolutions, 0);
    loop.advance(1);
    EXPECT_EQ(resolutions, 1);
    EXPECT_FALSE(discovery->resolving());
    EXPECT_EQ(failure(), row.failure);
    // And it recovers by itself.
    network.answer("app.example", {"10.0.0.1"});
    loop.advance(5'000);
    EXPECT_EQ(seen(), "10.0.0.1:80");
    EXPECT_EQ(failure(), "no_upstream:no_endpoint");
  }
}

TEST_F(DiscoveryTest, NamesDoNotWaitForEachOther) {
  to("http://bad.example");
  to("http://hangs.example");
  to("http://good.example,3");
  to("http://10.0.0.9");
  network.fail_name("bad.example", 3, "SERVFAIL");
  network.hang_name("hangs.example");
  network.answer("good.example", {"10.0.0.2"}, 60'000, 50);
  start();
  EXPECT_EQ(seen(), "10.0.0.9:80");
  loop.advance(50);
  EXPECT_EQ(seen(), "10.0.0.9:80 10.0.0.2:80*3@0");
  EXPECT_TRUE(discovery->resolving());
}

TEST_F(DiscoveryTest, OtherClustersDoNotWaitForHangingNames) {
  for (int i = 0; i < 100; ++i) {
    network.hang_name(to("http://h" + std::to_string(i) + ".example").host);
  }
  start();
  auto stuck = std::move(discovery);
  config.endpoints.clear();
  to("http://good.example");
  network.answer("good.example", {"10.0.0.1"}, 1'000, 10);
  start();
  loop.advance(10);
  EXPECT_EQ(seen(), "10.0.0.1:80");
  EXPECT_TRUE(stuck->resolving());
  EXPECT_FALSE(discovery->resolving());
}

TEST_F(DiscoveryTest, AResolverThatCannotBeMadeIsTriedAgain) {
  LogLines log;
  network.fail_resolvers = 2;
  to("http://a.example");
  to("srv://b.example");
  network.answer("a.example", {"10.0.0.1"});
  start();
  EXPECT_EQ(resolutions, 1);
  EXPECT_FALSE(discovery->resolving());
  EXPECT_EQ(failure(), "dns_failed:no_resolver");
  loop.advance(5'000);
  EXPECT_EQ(seen(), "10.0.0.1:80");
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_EQ(log.lines[0], "cluster : no resolver: no descriptors");
}

TEST_F(DiscoveryTest, AThousandAddressesAreBoundedAndRepeatedOnesOne) {
  to("http://app.example");
  config.dns.max_addresses = 5;
  std::vector<std::string> many;
  for (int i = 0; i < 1000; ++i) many.push_back("10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250));
  network.answer("app.example", many, 1'000);
  start();
  loop.run();
  EXPECT_EQ(seen(), "10.1.0.0:80 10.1.0.1:80 10.1.0.2:80 10.1.0.3:80 10.1.0.4:80");
  network.answer("app.example", {"10.0.0.1", "10.0.0.1", "10.0.0.2"}, 1'000);
  loop.advance(1'000);
  EXPECT_EQ(seen(), "10.0.0.1:80 10.0.0.2:80");
}

TEST_F(DiscoveryTest, AChangedAnswerIsUsedWhenTheTtlEnds) {
  to("http://app.example");
  network.answer("app.example", {"10.0.0.1"}, 1'000);
  start();
  loop.run();
  const EndpointStatePtr old = state("10.0.0.1:80");
  network.answer("app.example", {"10.0.0.2"}, 1'000);
  loop.advance(999);
  EXPECT_EQ(seen(), "10.0.0.1:80");
  loop.advance(1);
  EXPECT_EQ(seen(), "10.0.0.2:80");
  // What comes back is another endpoint.
  network.answer("app.example", {"10.0.0.1"}, 1'000);
  loop.advance(1'000);
  EXPECT_NE(state("10.0.0.1:80"), old);
  EXPECT_NE(state("10.0.0.1:80")->id, old->id);
}

TEST_F(DiscoveryTest, ThoseThatStayAreTheSameObjectsInTheSameOrder) {
  to("http://10.0.9.9");
  to("http://app.example");
  network.answer("app.example", {"10.0.0.1", "10.0.0.2", "10.0.0.3"}, 1'000);
  start();
  loop.run();
  const EndpointStatePtr one = state("10.0.0.1:80"), three = state("10.0.0.3:80");
  network.answer("app.example", {"10.0.0.4", "10.0.0.3", "10.0.0.1"}, 1'000);
  loop.advance(1'000);
  EXPECT_EQ(seen(), "10.0.9.9:80 10.0.0.1:80 10.0.0.3:80 10.0.0.4:80");
  EXPECT_EQ(state("10.0.0.1:80"), one);
  EXPECT_EQ(state("10.0.0.3:80"), three);
  // Another order of the same is no change.
  const int before = rosters;
  network.answer("app.example", {"10.0.0.1", "10.0.0.4", "10.0.0.3"}, 1'000);
  loop.advance(1'000);
  EXPECT_EQ(rosters, before);
}

TEST_F(DiscoveryTest, EqualAddressesOfTwoNamesAreTwoEndpoints) {
  to("http://a.example");
  to("http://b.example");
  network.answer("a.example", {"10.0.0.1"});
  network.answer("b.example", {"10.0.0.1"});
  start();
  loop.run();
  EXPECT_EQ(seen(), "10.0.0.1:80 10.0.0.1:80");
  EXPECT_NE((*roster)[0].state, (*roster)[1].state);
}

TEST_F(DiscoveryTest, BothFamiliesMakeOneEndpoint) {
  to("http://app.example:81");
  config.dns_family = net::Family::all;
  network.answer("app.example", {"10.0.0.2", "10.0.0.1", "2001:db8::1", "2001:db8::2", "10.0.0.10"}, 1'000);
  start();
  loop.run();
  EXPECT_EQ(seen(), "[2001:db8::1]:81+10.0.0.1:81 [2001:db8::2]:81+10.0.0.2:81 10.0.0.10:81");
  const RosterPtr before = roster;
  // Round robin in the DNS must not make new pairs; nor must a new address before them.
  network.answer("app.example", {"10.0.0.10", "2001:db8::2", "10.0.0.1", "10.0.0.2", "2001:db8::1", "10.0.0.0"}, 1'000);
  loop.advance(1'000);
  EXPECT_EQ(seen(), "[2001:db8::1]:81+10.0.0.1:81 [2001:db8::2]:81+10.0.0.2:81 10.0.0.10:81 10.0.0.0:81");
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ((*roster)[i], (*before)[i]) << i;
  // A single one gets its second address: another endpoint.
  network.answer("app.example", {"10.0.0.1", "2001:db8::1", "10.0.0.10", "2001:db8::a"}, 1'000);
  loop.advance(1'000);
  EXPECT_EQ(seen(), "[2001:db8::1]:81+10.0.0.1:81 [2001:db8::a]:81+10.0.0.10:81");
  EXPECT_EQ((*roster)[0], (*before)[0]);
}

TEST_F(DiscoveryTest, ManyNamesAskAFewAtATime) {
  size_t asked = 0;
  auto count = [&] {
    asked = 0;
    for (int i = 0; i < 200; ++i) asked += network.name("n" + std::to_string(i) + ".example").lookups;
    return asked;
  };
  for (int i = 0; i < 200; ++i) {
    const std::string name = "n" + std::to_string(i) + ".example";
    to("http://" + name);
    network.answer(name, {"10.0.0." + std::to_string(i)}, 600'000, 100);
  }
  start();
  EXPECT_EQ(count(), 64u);
  loop.advance(100);
  EXPECT_EQ(count(), 128u);
  loop.advance(300);
  EXPECT_EQ(roster->size(), 200u);
  // Those that wait are asked although all that were before them hang; deleting leaves nobody behind.
  for (int i = 0; i < 200; ++i) network.hang_name("n" + std::to_string(i) + ".example");
  start();
  EXPECT_EQ(count(), 264u);
  loop.advance(60'000);
  EXPECT_EQ(count(), 328u);
  discovery.reset();
  loop.advance(600'000);
  EXPECT_EQ(count(), 328u);
}

TEST_F(DiscoveryTest, TenThousandEndpointsAreTheMost) {
  LogLines log;
  config.name = "big";
  for (int i = 0; i < 9'999; ++i) {
    to("http://10." + std::to_string(i / 2500) + "." + std::to_string(i / 250 % 10) + "." + std::to_string(i % 250));
  }
  to("http://app.example");
  network.answer("app.example", {"192.0.2.1", "192.0.2.2", "192.0.2.3"}, 1'000);
  start();
  EXPECT_EQ(roster->size(), 9'999u);
  // A large list is not told again at once.
  loop.advance(48);
  EXPECT_EQ(rosters, 1);
  EXPECT_EQ(resolutions, 1);
  EXPECT_TRUE(discovery->resolving());
  loop.advance(2);
  EXPECT_EQ(rosters, 2);
  EXPECT_EQ(resolutions, 2);
  EXPECT_EQ(roster->size(), 10'000u);
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_EQ(log.lines[0], "cluster big: 10002 endpoints; only the first 10000 are used");
  network.answer("app.example", {"192.0.2.2"}, 1'000);
  loop.advance(1'100);
  EXPECT_EQ(roster->size(), 10'000u);
  EXPECT_NE(state("192.0.2.2:80"), nullptr);
  EXPECT_EQ(log.lines.size(), 1u);
}

// ---- a predecessor ----------------------------------------------------------------------------------

TEST_F(DiscoveryTest, WhatAPredecessorFoundGoesOnUntilTheFirstAnswer) {
  to("http://app.example,3");
  to("http://10.0.9.9,2");
  network.answer("app.example", {"10.0.0.1", "10.0.0.2"});
  start();
  loop.run();
  const RosterPtr before = roster;
  const std::string text = seen();
  network.fail_name("app.example", 3, "SERVFAIL", 1'000);
  rosters = 0;
  succeed();
  EXPECT_EQ(rosters, 1);
  EXPECT_EQ(*roster, *before);
  loop.advance(1'000);
  EXPECT_EQ(seen(), text);
  network.answer("app.example", {"10.0.0.3", "10.0.0.2"});
  loop.advance(5'000);
  EXPECT_EQ(seen(), "10.0.9.9:80*2@0 10.0.0.2:80*3@0 10.0.0.3:80*3@0");
  EXPECT_EQ((*roster)[1], (*before)[2]);
  // Another configuration: only what it still has.
  config.endpoints.clear();
  to("http://10.0.9.9,4");
  to("http://10.0.0.2");
  to("http://other.example");
  succeed();
  EXPECT_EQ(seen(), "10.0.9.9:80*4@0 10.0.0.2:80");
  EXPECT_EQ((*roster)[0].state, (*before)[0].state);
  EXPECT_NE((*roster)[1].state, (*before)[2].state);
}

TEST_F(DiscoveryTest, TwoOfOnePlaceStayTwo) {
  to("http://10.0.0.1,2");
  to("http://10.0.0.1,3");
  to("http://a.example");
  to("http://a.example");
  network.answer("a.example", {"10.0.0.2"});
  start();
  loop.run();
  const RosterPtr before = roster;
  EXPECT_EQ(before->size(), 4u);
  succeed();
  loop.run();
  std::set<EndpointStatePtr> old, now;
  for (const Member& m : *before) old.insert(m.state);
  for (const Member& m : *roster) now.insert(m.state);
  EXPECT_EQ(old, now);
}

// ---- the host ---------------------------------------------------------------------------------------

TEST_F(DiscoveryTest, TheHostsListReplacesAllAndGivesWay) {
  to("http://10.0.9.9");
  to("http://app.example");
  network.answer("app.example", {"10.0.0.1"}, 1'000);
  network.answer("host.example", {"10.0.5.1", "10.0.5.2"}, 1'000);
  start();
  loop.run();
  const EndpointStatePtr shared = state("10.0.9.9:80"), own = state("10.0.0.1:80");
  set(std::vector{url("http://10.0.9.9"), url("http://host.example"), url("http://10.0.5.5,7")});
  EXPECT_EQ(seen(), "10.0.9.9:80 10.0.5.5:80*7@0");
  EXPECT_EQ(state("10.0.9.9:80"), shared);
  loop.advance(500);
  EXPECT_EQ(seen(), "10.0.9.9:80 10.0.5.5:80*7@0 10.0.5.1:80 10.0.5.2:80");
  // Names of the others rest meanwhile.
  const size_t lookups = network.name("app.example").lookups;
  loop.advance(60'000);
  EXPECT_EQ(network.name("app.example").lookups, lookups);
  // Back at once with the last answer, as another endpoint, and asked again.
  network.answer("app.example", {"10.0.0.1", "10.0.0.2"}, 1'000, 10);
  set(std::nullopt);
  EXPECT_EQ(seen(), "10.0.9.9:80 10.0.0.1:80");
  EXPECT_EQ(state("10.0.9.9:80"), shared);
  EXPECT_NE(state("10.0.0.1:80"), own);
  loop.advance(10);
  EXPECT_EQ(seen(), "10.0.9.9:80 10.0.0.1:80 10.0.0.2:80");
  const size_t host_lookups = network.name("host.example").lookups;
  loop.advance(60'000);
  EXPECT_EQ(network.name("host.example").lookups, host_lookups);
}

TEST_F(DiscoveryTest, SharesChangeWithoutNewEndpoints) {
  network.answer("app.example", {"10.0.0.1", "10.0.0.2"});
  start();
  set(std::vector{url("http://10.0.5.1"), url("http://app.example")});
  loop.run();
  const RosterPtr before = roster;
  EndpointConfig name = url("http://app.example,0002"), fixed = url("http://10.0.5.1");
  name.priority = 3;
  fixed.weight = 0;  // takes nothing for a while
  set(std::vector{name, fixed});
  EXPECT_EQ(seen(), "10.0.5.1:80*0@0 10.0.0.1:80*2@3 10.0.0.2:80*2@3");
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ((*roster)[i].state, (*before)[i].state);
  EXPECT_EQ(network.name("app.example").lookups, 1u);
  const int told = rosters;
  set(std::vector{name, fixed});
  EXPECT_EQ(rosters, told);
  set(std::vector<EndpointConfig>{});
  EXPECT_EQ(seen(), "");
  EXPECT_EQ(rosters, told + 1);
  EXPECT_EQ(failure(), "no_upstream:no_endpoint");
}

TEST_F(DiscoveryTest, AListMayComeBeforeTheStartOrInsideAnEvent) {
  to("http://10.0.9.9");
  network.answer("app.example", {"10.0.0.1"});
  make();
  set(std::vector{url("http://app.example")});
  EXPECT_EQ(rosters, 0);
  when_roster = [&] {
    when_roster = nullptr;
    discovery->set_endpoints(std::vector{url("http://10.0.5.5")});  // the name that tells this ends
  };
  {
    net::Loop::Turn turn(loop);
    discovery->start();
  }
  EXPECT_EQ(seen(), "");
  loop.run();
  EXPECT_EQ(seen(), "10.0.5.5:80");
  when_resolved = [&] {
    if (discovery->resolving()) return;
    when_resolved = nullptr;
    discovery->set_endpoints(std::nullopt);
  };
  network.fail_name("bad.example", 3, "SERVFAIL");
  set(std::vector{url("http://bad.example")});
  loop.run();
  EXPECT_EQ(seen(), "10.0.9.9:80");
}

TEST_F(DiscoveryTest, AfterStopNothingIsTold) {
  to("http://10.0.9.9");
  to("http://app.example");
  network.answer("app.example", {"10.0.0.1"}, 1'000);
  start();
  when_roster = [&] { discovery->stop(); };  // inside an event: nothing more of that one either
  const int before = resolutions;
  loop.advance(10);
  EXPECT_EQ(rosters, 2);
  network.answer("app.example", {"10.0.0.2"}, 1'000);
  loop.advance(10'000);
  set(std::vector{url("http://10.0.5.5")});
  EXPECT_EQ(rosters, 2);
  EXPECT_EQ(resolutions, before);
}

TEST_F(DiscoveryTest, WhatTheHostGotWrongIsLeftOut) {
  LogLines log;
  to("http://10.0.9.9");
  start();
  auto with = [](void (*change)(EndpointConfig&)) {
    EndpointConfig e = url("http://10.0.0.1");
    change(e);
    return e;
  };
  const EndpointConfig bad[] = {
      with([](auto& e) { e.host = ""; }),
      with([](auto& e) { e.host = "a b"; }),
      with([](auto& e) { e.host = std::string("a\0b", 3); }),
      with([](auto& e) { e.port = 0; }),
      with([](auto& e) { e.srv = true; }),
      with([](auto& e) { e.unix_socket = true, e.host = ""; }),
      with([](auto& e) { e.scheme = Scheme::tcp; }),
      with([](auto& e) { e.scheme = Scheme::https; }),  // there is no TLS
      with([](auto& e) { e.weight = UINT32_MAX; }),
  };
  for (const EndpointConfig& e : bad) {
    log.lines.clear();
    set(std::vector{e, url("http://10.0.0.2")});
    EXPECT_EQ(seen(), "10.0.0.2:80") << log.lines.size();
    EXPECT_EQ(log.lines.size(), 1u) << seen();
  }
  log.lines.clear();
  std::vector<EndpointConfig> many(10'005, url("http://10.0.0.3"));
  set(many);
  EXPECT_EQ(roster->size(), 10'000u);
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_EQ(log.lines[0], "cluster : 5 endpoints of the host are left out: 10.0.0.3 is one too many");
}

}  // namespace
}  // namespace cardea::cluster
