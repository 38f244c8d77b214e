// Cluster: addresses, names, connecting and closing, on a network in memory with a manual clock.
#include <gtest/gtest.h>

#include <cerrno>

#include "cluster_fixture.h"

namespace cardea::cluster {
namespace {

// ---- members and names ------------------------------------------------------------------------------

TEST_F(ClusterTest, FixedAddressesOfEveryKind) {
  to("10.0.0.1", 81);
  to("::1", 82);
  to("/run/app.sock").unix_socket = true;
  make();
  std::vector<std::string> texts;
  for (auto& e : cluster->endpoints()) texts.push_back(e->text());
  EXPECT_EQ(texts, (std::vector<std::string>{"10.0.0.1:81", "[::1]:82", "unix:/run/app.sock"}));
  EXPECT_TRUE(network.resolvers.empty());
  for (auto& text : texts) network.serve(text);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(get().seen(), "ready");
  for (auto& text : texts) EXPECT_EQ(network.service(text).attempts, 1u) << text;
  EXPECT_EQ(network.service("10.0.0.1:81").last()->keepalive, 60u);
}

TEST_F(ClusterTest, AttemptsWaitForTheFirstAnswer) {
  to("app.example");
  config.dns.servers = {"192.0.2.53:53"};
  network.answer("app.example", {"10.0.0.1"}, 60'000, 300);
  network.serve("10.0.0.1:80");
  make();
  Exchange& a = get();
  Exchange& b = get();
  EXPECT_EQ(a.seen(), "waits");
  EXPECT_EQ(stats().pending, 2u);
  loop.advance(300);
  EXPECT_EQ(a.seen(), "ready");
  EXPECT_EQ(b.seen(), "ready");
  EXPECT_EQ(a.attempt.connect_ms(), 300u);
  EXPECT_EQ(stats().pending, 0u);
  ASSERT_EQ(network.resolvers.size(), 1u);
  EXPECT_EQ(network.resolvers[0], config.dns);
}

TEST_F(ClusterTest, FirstFailureFailsThoseThatWaitAndNextOnesAtOnce) {
  struct Row {
    int status;
    const char* seen;
  };
  for (Row row : {Row{4, "dns_failed:nxdomain"}, Row{3, "dns_failed:servfail"}, Row{12, "dns_failed:timeout"},
                  Row{1, "dns_failed:no_address"}, Row{99, "dns_failed:failed"}}) {
    config = {};
    to("app.example");
    network.fail_name("app.example", row.status, "text", 100);
    make();
    Exchange& a = get();
    EXPECT_EQ(a.seen(), "waits");
    loop.advance(100);
    EXPECT_EQ(a.seen(), row.seen);
    EXPECT_EQ(get().seen(), row.seen);
    EXPECT_EQ(stats().pending, 0u);
    // And it recovers by itself.
    network.answer("app.example", {"10.0.0.1"});
    network.serve("10.0.0.1:80");
    loop.advance(5'000);
    EXPECT_EQ(get().seen(), "ready");
    exchanges.clear();
  }
}

TEST_F(ClusterTest, OneNameOfSeveralIsEnough) {
  to("bad.example");
  to("good.example");
  network.fail_name("bad.example", 4, "not found");
  network.answer("good.example", {"10.0.0.2"}, 60'000, 50);
  network.serve("10.0.0.2:80");
  make();
  Exchange& a = get();
  EXPECT_EQ(a.seen(), "waits");
  loop.advance(50);
  EXPECT_EQ(a.seen(), "ready");
}

TEST_F(ClusterTest, ChangedAnswerKeepsSomeAndDrainsTheOthers) {
  to("app.example");
  network.answer("app.example", {"10.0.0.1", "10.0.0.2"}, 10'000);
  for (auto a : {"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"}) network.serve(a);
  make();
  // Two idle connections, and one busy on each endpoint.
  Exchange &a1 = get(), &a2 = get(), &b1 = get(), &b2 = get();
  EndpointPtr removed = b1.attempt.endpoint(), kept = b2.attempt.endpoint();
  ASSERT_NE(removed, kept);
  auto old_peers = network.service(removed->text()).connections, kept_peers = network.service(kept->text()).connections;
  ASSERT_EQ(old_peers.size(), 2u);
  answer(old_peers[0]);
  answer(kept_peers[0]);
  EXPECT_TRUE(a1.complete && a2.complete);
  EXPECT_EQ(removed->state->requests.value(), 1u);

  network.answer("app.example", {"10.0.0.3", kept->text().substr(0, 8)}, 10'000);
  loop.advance(10'000);
  EXPECT_TRUE(removed->removed);
  EXPECT_TRUE(old_peers[0]->closed);   // idle: at once
  EXPECT_FALSE(old_peers[1]->closed);  // busy: finishes
  EXPECT_FALSE(kept_peers[0]->closed);
  EXPECT_EQ(cluster->endpoints()[0], kept);  // the same object, with its pool
  for (int i = 0; i < 4; ++i) EXPECT_NE(get().attempt.endpoint(), removed);
  EXPECT_EQ(network.service(kept->text()).attempts, 3u);  // one of two picks reused
  answer(old_peers[1]);
  EXPECT_EQ(b1.status, 200);
  EXPECT_TRUE(old_peers[1]->closed);
  EXPECT_EQ(removed->state->requests.value(), 0u);
}

TEST_F(ClusterTest, AttemptsMoveWhenTheirEndpointIsRemoved) {
  to("app.example");
  network.answer("app.example", {"10.0.0.1"}, 2'000);
  network.blackhole("10.0.0.1:80");
  network.serve("10.0.0.2:80");
  make();
  Exchange& a = get();
  network.answer("app.example", {"10.0.0.2"}, 2'000);
  loop.advance(2'000);
  EXPECT_EQ(a.seen(), "ready");
  EXPECT_EQ(a.attempt.endpoint()->text(), "10.0.0.2:80");
  EXPECT_EQ(a.attempt.connect_ms(), 2'000u);
  EXPECT_EQ(stats().connections, 1u);
}

// ---- connecting -------------------------------------------------------------------------------------

TEST_F(ClusterTest, TimeoutNamesItsPhase) {
  config.connect_timeout = 3'000;
  {
    to("app.example");
    network.hang_name("app.example");
    make();
    Exchange& a = get();
    loop.advance(2'999);
    EXPECT_EQ(a.seen(), "waits");
    loop.advance(1);
    EXPECT_EQ(a.seen(), "connect_timeout:dns");
  }
  {
    config.endpoints.clear();
    to("10.0.0.1");
    network.blackhole("10.0.0.1:80");
    make();
    Exchange& a = get();
    loop.advance(2'999);
    EXPECT_EQ(a.seen(), "waits");
    loop.advance(1);
    EXPECT_EQ(a.seen(), "connect_timeout:tcp");
    EXPECT_EQ(stats().connections, 0u);
    EXPECT_EQ(stats().connect_timeouts, 1u);
  }
  {
    config.endpoints.clear();
    to_tls();
    network.serve("10.0.0.1:443");
    make();
    Exchange& a = get();
    loop.advance(3'000);
    EXPECT_EQ(a.seen(), "connect_timeout:tls");
    EXPECT_TRUE(network.service("10.0.0.1:443").last()->closed);
  }
}

TEST_F(ClusterTest, TimeoutCoversAllPhasesTogether) {
  config.connect_timeout = 3'000;
  to_tls("app.example");
  network.answer("app.example", {"10.0.0.1"}, 60'000, 1'000);
  network.serve("10.0.0.1:443");
  network.delay("10.0.0.1:443", 1'000);
  make();
  Exchange& a = get();
  loop.advance(2'999);
  EXPECT_EQ(a.seen(), "waits");
  loop.advance(1);
  EXPECT_EQ(a.seen(), "connect_timeout:tls");
}

TEST_F(ClusterTest, ConnectErrorsHaveNames) {
  struct Row {
    int error;
    const char* seen;
  };
  for (Row row : {Row{ECONNREFUSED, "connect_failed:ECONNREFUSED"}, Row{EHOSTUNREACH, "connect_failed:EHOSTUNREACH"},
                  Row{EMFILE, "connect_failed:EMFILE"}, Row{ETIMEDOUT, "connect_failed:ETIMEDOUT"},
                  Row{ENOENT, "connect_failed:ENOENT"}, Row{9999, "connect_failed:other"}}) {
    config.endpoints.clear();
    to("10.0.0.1");
    network.refuse("10.0.0.1:80", row.error);
    make();
    EXPECT_EQ(get().seen(), row.seen);
    EXPECT_EQ(stats().connect_failures, 1u);
    EXPECT_EQ(stats().connections, 0u);
  }
}

TEST_F(ClusterTest, FailedConnectFailsOneOfHttp1) {
  to("10.0.0.1");
  network.refuse("10.0.0.1:80");
  network.delay("10.0.0.1:80", 100);
  make();
  Exchange& a = get();
  loop.advance(50);
  Exchange& b = get();
  loop.advance(50);
  EXPECT_EQ(a.seen(), "connect_failed:ECONNREFUSED");
  EXPECT_EQ(b.seen(), "waits");
  network.serve("10.0.0.1:80");
  loop.advance(50);
  EXPECT_EQ(b.seen(), "ready");
}

TEST_F(ClusterTest, TlsFailures) {
  struct Row {
    const char* service_says;
    const char* seen;
  };
  for (Row row : {Row{"verify", "upstream_tls:verify"}, Row{"handshake", "upstream_tls:handshake"},
                  Row{"", "upstream_tls:handshake"}}) {
    config = {};
    to_tls();
    network.serve("10.0.0.1:443");
    make();
    Exchange &a = get(), &b = get();
    auto peer = network.service("10.0.0.1:443").last();
    if (*row.service_says) {
      peer->send(row.service_says);
    } else {
      peer->close();
    }
    loop.run();
    // The only connection under way: whoever waited for it fails with it.
    EXPECT_EQ(a.seen(), row.seen);
    EXPECT_EQ(b.seen(), row.seen);
    EXPECT_EQ(peer->received, "");
    exchanges.clear();
  }
  config.tls = nullptr;
  make();
  EXPECT_EQ(get().seen(), "upstream_tls:no_context");
}

TEST_F(ClusterTest, ServerNameIsTheHostUnlessOverridden) {
  to_tls("app.example");
  network.answer("app.example", {"10.0.0.1"});
  network.serve("10.0.0.1:443");
  make();
  get();
  config.tls_server_name = "other.example";
  exchanges.clear();
  make();
  get();
  EXPECT_EQ(context->names, (std::vector<std::string>{"app.example", "other.example"}));
}

// ---- closing ----------------------------------------------------------------------------------------

TEST_F(ClusterTest, CloseWhenIdle) {
  to("10.0.0.1");
  auto& service = network.serve("10.0.0.1:80");
  make();
  Exchange &a = get(), &idle = get();
  answer(service.connections[1]);
  EXPECT_TRUE(idle.complete);
  network.delay("10.0.0.1:80", 100);
  Exchange& reuse = get();
  Exchange& waits = get();
  answer(service.connections[1]);
  EXPECT_TRUE(reuse.complete);
  EXPECT_EQ(waits.seen(), "ready");  // took the returned one; its own is still under way
  bool done = false;
  turn([&] {
    cluster->close_when_idle([&] { done = true; });
    EXPECT_FALSE(done);
  });
  EXPECT_EQ(get().seen(), "draining:cluster");
  loop.advance(100);
  EXPECT_EQ(stats().connections, 2u);
  answer(service.connections[0]);
  EXPECT_EQ(a.status, 200);
  EXPECT_FALSE(done);
  EXPECT_TRUE(service.connections[0]->closed);
  answer(service.connections[1]);
  EXPECT_EQ(waits.status, 200);
  EXPECT_TRUE(done);
}

TEST_F(ClusterTest, CloseWhenIdleServesThoseThatWait) {
  to("10.0.0.1");
  auto& service = network.serve("10.0.0.1:80");
  network.delay("10.0.0.1:80", 100);
  make();
  Exchange& a = get();
  bool done = false;
  turn([&] { cluster->close_when_idle([&] { done = true; }); });
  loop.advance(100);
  EXPECT_EQ(a.seen(), "ready");
  EXPECT_FALSE(done);
  answer(service.last());
  EXPECT_EQ(a.status, 200);
  EXPECT_TRUE(done);
  EXPECT_TRUE(service.last()->closed);
}

TEST_F(ClusterTest, CloseWhenIdleWithNothingOpen) {
  to("10.0.0.1");
  make();
  int done = 0;
  turn([&] {
    cluster->close_when_idle([&] { ++done; });
    cluster->close_when_idle([&] { ++done; });
    EXPECT_EQ(done, 0);
  });
  EXPECT_EQ(done, 2);
}

TEST_F(ClusterTest, CloseNowEndsEverything) {
  to("10.0.0.1");
  auto& service = network.serve("10.0.0.1:80");
  make();
  Exchange &busy = get(), &idle = get();
  answer(service.connections[1]);
  EXPECT_TRUE(idle.complete);
  Exchange& taken = get();
  network.blackhole("10.0.0.1:80");
  Exchange& waits = get();
  waits.when_failed = [&] { waits.attempt.start(*cluster, {}); };  // fails again, at once
  busy.when_reset = [&] { cluster->close_now(); };                 // from inside
  waits.when_failed = nullptr;
  bool done = false;
  turn([&] {
    cluster->close_when_idle([&] { done = true; });
    cluster->close_now();
  });
  EXPECT_EQ(busy.resets, 1);
  EXPECT_EQ(taken.resets, 1);
  EXPECT_EQ(waits.seen(), "draining:closed");
  EXPECT_EQ(stats().connections, 0u);
  EXPECT_EQ(service.open(), 0u);
  EXPECT_TRUE(done);
  EXPECT_EQ(get().seen(), "draining:cluster");
}

TEST_F(ClusterTest, DeletionLetsBusyConnectionsFinish) {
  to("10.0.0.1");
  auto& service = network.serve("10.0.0.1:80");
  make();
  Exchange &busy = get(), &idle = get();
  answer(service.connections[1]);
  EXPECT_TRUE(idle.complete);
  Exchange& taken = get();
  answer(service.connections[1]);
  EXPECT_TRUE(taken.complete);
  network.blackhole("10.0.0.1:80");
  Exchange& connects = get({.fresh = true});
  config.endpoints.clear();  // the endpoint's configuration must not depend on ours
  turn([&] { cluster.reset(); });
  EXPECT_EQ(connects.seen(), "draining:cluster");
  EXPECT_TRUE(service.connections[1]->closed);
  EXPECT_FALSE(service.connections[0]->closed);
  EXPECT_EQ(busy.attempt.endpoint()->config().host, "10.0.0.1");
  answer(service.connections[0]);
  EXPECT_EQ(busy.status, 200);
  EXPECT_TRUE(service.connections[0]->closed);
}

TEST_F(ClusterTest, DeletionWhileAttemptsWaitForAName) {
  to("app.example");
  network.hang_name("app.example");
  make();
  Exchange& a = get();
  turn([&] { cluster.reset(); });
  EXPECT_EQ(a.seen(), "draining:cluster");
}

}  // namespace
}  // namespace cardea::cluster
