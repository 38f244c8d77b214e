// Pools of HTTP/1.1 connections: reuse, waiting, limits, and what the hot path costs.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <new>
#include <random>

#include "cluster_fixture.h"

namespace {
size_t allocations = 0;
}  // namespace

void* operator new(size_t n) {
  ++allocations;
  if (void* p = malloc(n ? n : 1)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept {
  free(p);
}
void operator delete(void* p, size_t) noexcept {
  free(p);
}

namespace cardea::cluster {
namespace {

// ---- HTTP/1.1 pools ---------------------------------------------------------------------------------

TEST_F(ClusterTest, ReusesTheConnectionThatWasUsedLast) {
  to("10.0.0.1");
  auto& service = network.serve("10.0.0.1:80");
  make();
  Exchange &a = get(), &b = get();
  EXPECT_FALSE(a.attempt.reused());
  EXPECT_EQ(service.attempts, 2u);
  answer(service.connections[0]);
  answer(service.connections[1]);
  EXPECT_TRUE(a.complete && b.complete);
  EXPECT_EQ(stats().idle, 2u);
  service.connections[0]->take();
  service.connections[1]->take();
  Exchange& c = get();
  EXPECT_TRUE(c.attempt.reused());
  EXPECT_EQ(c.attempt.connect_ms(), 0u);
  EXPECT_EQ(service.connections[0]->received, "");
  EXPECT_NE(service.connections[1]->received, "");
  EXPECT_EQ(service.attempts, 2u);
}

TEST_F(ClusterTest, FreshAttemptTakesNoPooledConnection) {
  to("10.0.0.1");
  auto& service = network.serve("10.0.0.1:80");
  make();
  round_trip("10.0.0.1:80");
  Exchange& a = get({.fresh = true});
  EXPECT_EQ(a.seen(), "ready");
  EXPECT_FALSE(a.attempt.reused());
  EXPECT_EQ(service.attempts, 2u);
  // Nor one that comes back while it waits.
  network.delay("10.0.0.1:80", 100);
  Exchange& busy = get();
  EXPECT_TRUE(busy.attempt.reused());
  Exchange& b = get({.fresh = true});
  answer(service.connections[0]);
  EXPECT_EQ(b.seen(), "waits");
  loop.advance(100);
  EXPECT_EQ(b.seen(), "ready");
  EXPECT_FALSE(b.attempt.reused());
}

TEST_F(ClusterTest, DeadIdleConnectionsAreNoticedAtOnce) {
  using Peer = std::shared_ptr<net::FakePeer>;
  const std::pair<const char*, std::function<void(const Peer&)>> rows[] = {
      {"eof", [](const Peer& p) { p->send_eof(); }},
      {"reset", [](const Peer& p) { p->reset(); }},
      {"unasked bytes", [](const Peer& p) { p->send(kOk); }},
      {"one byte", [](const Peer& p) { p->send("x"); }},
  };
  for (auto& [what, act] : rows) {
    SCOPED_TRACE(what);
    config = {};
    to("10.0.0.1");
    auto& service = network.serve("10.0.0.1:80");
    make();
    round_trip("10.0.0.1:80");
    auto peer = service.last();
    EXPECT_EQ(stats().idle, 1u);
    act(peer);
    loop.run();
    EXPECT_TRUE(peer->closed);
    EXPECT_EQ(stats().connections, 0u);
    Exchange& x = round_trip("10.0.0.1:80");
    EXPECT_FALSE(x.attempt.reused());
    exchanges.clear();
  }
}

TEST_F(ClusterTest, AnswerWithExtraBytesPoisonsItsConnection) {
  to("10.0.0.1");
  auto& service = network.serve("10.0.0.1:80");
  make();
  Exchange& a = get();
  Exchange* b = nullptr;
  exchanges.push_back(std::make_unique<Exchange>());
  b = exchanges.back().get();
  // The next request begins while the codec is still reading the answer to the last.
  a.release_at_end = true;
  std::string twice = std::string(kOk) + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
  service.last()->send(twice);
  turn([&] { b->attempt.start(*cluster, {}); });
  EXPECT_EQ(a.status, 200);
  EXPECT_EQ(service.attempts, 2u);
  EXPECT_TRUE(service.connections[0]->closed);
  answer(service.last());
  EXPECT_EQ(b->status, 200);
  EXPECT_EQ(b->body, "");
}

TEST_F(ClusterTest, NextRequestFromInsideTheAnswerReusesTheConnection) {
  to("10.0.0.1");
  auto& service = network.serve("10.0.0.1:80");
  make();
  Exchange& a = get();
  Exchange b;
  a.when_ended = [&] {
    b.attempt.start(*cluster, {});
    EXPECT_EQ(b.readies, 0) << "the codec is not done with its bytes";
  };
  answer(service.last());
  EXPECT_EQ(b.readies, 1);
  EXPECT_TRUE(b.attempt.reused());
  EXPECT_EQ(service.attempts, 1u);
  cancel(b);
}

TEST_F(ClusterTest, ConnectionIsNobodyElsesBeforeItsRelease) {
  to("10.0.0.1");
  auto& service = network.serve("10.0.0.1:80");
  make();
  Exchange& a = get();
  a.release_at_end = false;
  answer(service.last());
  EXPECT_TRUE(a.complete);
  Exchange& b = get();
  EXPECT_EQ(b.seen(), "ready");
  EXPECT_EQ(service.attempts, 2u);
  cancel(a);
  EXPECT_TRUE(get().attempt.reused());
  EXPECT_EQ(service.attempts, 2u);
}

TEST_F(ClusterTest, IdleTimeoutRunsFromTheLastUse) {
  to("10.0.0.1");
  config.idle_timeout = 10'000;
  auto& service = network.serve("10.0.0.1:80");
  make();
  round_trip("10.0.0.1:80");
  loop.advance(9'000);
  round_trip("10.0.0.1:80");
  loop.advance(9'999);
  EXPECT_FALSE(service.last()->closed);
  // Busy ones have no idle timeout.
  Exchange& a = get();
  loop.advance(60'000);
  EXPECT_FALSE(service.last()->closed);
  answer(service.last());
  EXPECT_EQ(a.status, 200);
  loop.advance(9'999);
  EXPECT_FALSE(service.last()->closed);
  loop.advance(1);
  EXPECT_TRUE(service.last()->closed);
  EXPECT_EQ(service.attempts, 1u);
}

TEST_F(ClusterTest, OneConnectForEachThatWaits) {
  to("10.0.0.1");
  auto& service = network.serve("10.0.0.1:80");
  network.delay("10.0.0.1:80", 100);
  make();
  turn([&] {
    for (int i = 0; i < 5; ++i) begin();
  });
  EXPECT_EQ(service.attempts, 5u);
  EXPECT_EQ(stats().pending, 5u);
  cancel(*exchanges[0]);
  cancel(*exchanges[1]);
  EXPECT_EQ(stats().pending, 3u);
  // Their connections are still under way: the next two need none of their own.
  turn([&] {
    begin();
    begin();
  });
  EXPECT_EQ(service.attempts, 5u);
  loop.advance(100);
  for (int i = 2; i < 7; ++i) EXPECT_EQ(exchanges[size_t(i)]->seen(), "ready") << i;
  EXPECT_EQ(stats().pending, 0u);
}

TEST_F(ClusterTest, ReturnedConnectionServesWhoeverWaitsFirst) {
  to("10.0.0.1");
  auto& service = network.serve("10.0.0.1:80");
  make();
  Exchange& a = get();
  network.delay("10.0.0.1:80", 100);
  Exchange &b = get(), &c = get();
  answer(service.connections[0]);
  EXPECT_TRUE(a.complete);
  EXPECT_EQ(b.seen(), "ready");
  EXPECT_TRUE(b.attempt.reused());
  EXPECT_EQ(c.seen(), "waits");
  loop.advance(100);
  EXPECT_EQ(c.seen(), "ready");
  EXPECT_EQ(stats().idle, 1u);  // b's connection came too late and waits for the next
}

TEST_F(ClusterTest, CancelledAttemptsConnectionBecomesIdle) {
  to("10.0.0.1");
  auto& service = network.serve("10.0.0.1:80");
  network.delay("10.0.0.1:80", 100);
  make();
  cancel(get());
  loop.advance(100);
  EXPECT_EQ(stats().idle, 1u);
  Exchange& a = get();
  EXPECT_EQ(a.seen(), "ready");
  EXPECT_TRUE(a.attempt.reused());
  EXPECT_EQ(service.attempts, 1u);
}

TEST_F(ClusterTest, CancelAtEveryStage) {
  to_tls("app.example");
  network.answer("app.example", {"10.0.0.1"}, 600'000, 100);
  auto& service = network.serve("10.0.0.1:443");
  network.delay("10.0.0.1:443", 100);
  make();
  cancel(get());  // name
  loop.advance(100);
  EXPECT_EQ(service.attempts, 0u);
  cancel(get());  // TCP
  loop.advance(100);
  Exchange& tls = get();  // TLS, on the connection of the last
  EXPECT_EQ(service.attempts, 1u);
  cancel(tls);
  service.last()->send("open http/1.1");
  loop.run();
  EXPECT_EQ(stats().idle, 1u);
  Exchange& sent = get();  // request sent, no answer: the connection is lost with it
  ASSERT_EQ(sent.seen(), "ready");
  cancel(sent);
  EXPECT_TRUE(service.last()->closed);
  EXPECT_EQ(sent.attempt.sender(), nullptr);
  Exchange& body = get();
  loop.advance(100);
  service.last()->send("open http/1.1");
  loop.run();
  service.last()->send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
  loop.run();
  EXPECT_EQ(body.body, "12345");
  cancel(body);
  EXPECT_TRUE(service.last()->closed);
  EXPECT_EQ(stats().connections, 0u);
  EXPECT_EQ(stats().pending, 0u);
}

TEST_F(ClusterTest, AttemptsMayDieInTheirOwnEvents) {
  to("10.0.0.1");
  network.serve("10.0.0.1:80");
  make();
  Exchange& a = begin();
  a.send = false;
  a.when_ready = [&] { exchanges.clear(); };
  loop.run();
  EXPECT_TRUE(exchanges.empty());
  network.refuse("10.0.0.1:80");
  for (int i = 0; i < 3; ++i) begin({.fresh = true}).when_failed = [&] { exchanges.clear(); };
  loop.run();
  EXPECT_TRUE(exchanges.empty());
  EXPECT_EQ(stats().pending, 0u);
}

TEST_F(ClusterTest, AttemptMayStartAgainInsideItsFailure) {
  to("10.0.0.1");
  to("10.0.0.2");
  network.refuse("10.0.0.1:80");
  network.serve("10.0.0.2:80");
  make();
  Exchange& a = begin();
  a.when_failed = [&] { a.attempt.start(*cluster, {.fresh = true}); };
  loop.run();
  EXPECT_EQ(a.failures, 1);
  EXPECT_EQ(a.readies, 1);
  EXPECT_EQ(a.attempt.endpoint()->text(), "10.0.0.2:80");
}

TEST_F(ClusterTest, SenderLastsUntilCancel) {
  to("10.0.0.1");
  auto& service = network.serve("10.0.0.1:80");
  make();
  Exchange& a = get();
  service.last()->reset();
  loop.run();
  EXPECT_EQ(a.resets, 1);
  loop.advance(1'000);
  ASSERT_NE(a.attempt.sender(), nullptr);
  turn([&] {
    a.attempt.sender()->send_body("ignored");
    a.attempt.sender()->reset(EndCause::downstream_reset);
  });
  EXPECT_EQ(stats().connections, 0u);
  cancel(a);
  EXPECT_EQ(a.attempt.sender(), nullptr);
  EXPECT_EQ(a.resets, 1);
}

// ---- limits -----------------------------------------------------------------------------------------

TEST_F(ClusterTest, PendingIsBounded) {
  to("10.0.0.1");
  config.thresholds.max_pending_requests = 2;
  network.blackhole("10.0.0.1:80");
  make();
  Exchange &a = get(), &b = get(), &c = get();
  EXPECT_EQ(a.seen(), "waits");
  EXPECT_EQ(c.seen(), "overload:max_pending");
  EXPECT_EQ(stats().pending_overflow, 1u);
  cancel(b);
  EXPECT_EQ(get().seen(), "waits");
}

TEST_F(ClusterTest, PendingIsBoundedWhileTheNameIsUnknown) {
  to("app.example");
  config.thresholds.max_pending_requests = 1;
  network.hang_name("app.example");
  make();
  EXPECT_EQ(get().seen(), "waits");
  EXPECT_EQ(get().seen(), "overload:max_pending");
}

TEST_F(ClusterTest, ConnectionsAreBounded) {
  to("10.0.0.1");
  config.thresholds.max_connections = 2;
  config.connect_timeout = 3'000;
  auto& service = network.serve("10.0.0.1:80");
  make();
  Exchange &a = get(), &b = get(), &c = get(), &d = get();
  EXPECT_EQ(b.seen(), "ready");
  EXPECT_EQ(c.seen(), "waits");
  EXPECT_EQ(service.attempts, 2u);
  answer(service.connections[0]);
  EXPECT_TRUE(a.complete);
  EXPECT_EQ(c.seen(), "ready");
  loop.advance(3'000);
  EXPECT_EQ(d.seen(), "overload:max_connections");
  // A connection that ends makes room for a new one.
  Exchange& e = get();
  cancel(b);
  EXPECT_EQ(e.seen(), "ready");
  EXPECT_FALSE(e.attempt.reused());
  EXPECT_EQ(service.attempts, 3u);
}

TEST_F(ClusterTest, LimitTakesIdleConnectionsOfOthersFirst) {
  to("10.0.0.1");
  to("10.0.0.2");
  config.thresholds.max_connections = 1;
  auto& first = network.serve("10.0.0.1:80");
  auto& second = network.serve("10.0.0.2:80");
  make();
  Exchange& a = get();
  EXPECT_EQ(get().seen(), "overload:max_connections");  // nothing there would ever come free
  answer(first.last());
  EXPECT_TRUE(a.complete);
  round_trip("10.0.0.1:80");
  Exchange& c = get();
  EXPECT_EQ(c.seen(), "ready");
  EXPECT_EQ(c.attempt.endpoint()->text(), "10.0.0.2:80");
  EXPECT_TRUE(first.last()->closed);
  EXPECT_EQ(second.open(), 1u);
  EXPECT_EQ(stats().connections, 1u);
}

TEST_F(ClusterTest, ConnectionThatBecomesIdleElsewhereMakesRoom) {
  to("10.0.0.1");
  to("10.0.0.2");
  config.thresholds.max_connections = 2;
  auto& first = network.serve("10.0.0.1:80");
  auto& second = network.serve("10.0.0.2:80");
  make();
  Exchange &a = get(), &b = get(), &c = get();
  EXPECT_EQ(a.seen(), "ready");
  EXPECT_EQ(c.seen(), "waits");  // for 10.0.0.1, which has a busy one
  answer(second.last());
  EXPECT_TRUE(b.complete);
  EXPECT_EQ(c.seen(), "ready");
  EXPECT_EQ(first.attempts, 2u);
  EXPECT_TRUE(second.last()->closed);
}

// ---- everything at once -----------------------------------------------------------------------------

// Long random lives: whatever happens in whatever order, counts add up, limits hold, and nothing is told twice.
TEST_F(ClusterTest, RandomLives) {
  const char* services[] = {"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"};
  size_t served = 0, failed = 0, reset = 0;
  for (uint32_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(seed);
    std::minstd_rand random(seed);
    auto below = [&](size_t n) { return size_t(random() >> 8) % n; };
    config = {};
    to("app.example");
    to("10.0.0.3");
    config.thresholds.max_connections = uint32_t(1 + below(4));
    config.thresholds.max_pending_requests = uint32_t(1 + below(6));
    config.connect_timeout = 2'000;
    config.idle_timeout = 3'000;
    network.answer("app.example", {"10.0.0.1"}, 1'500, below(500));
    for (auto s : services) {
      network.serve(s).delay = below(300);
      network.service(s).connections.clear();
    }
    make();
    for (int step = 0; step < 120; ++step) {
      auto& service = network.service(services[below(3)]);
      auto peer = service.connections.empty() ? nullptr : service.connections[below(service.connections.size())];
      bool usable = peer && !peer->closed && !peer->eof;
      switch (below(14)) {
        case 0:
        case 1:
        case 2: {
          Exchange& x = begin({.fresh = below(4) == 0});
          x.release_at_end = below(4) != 0;
          if (below(3) == 0) {
            x.when_failed = [this, &x] {
              x.when_failed = nullptr;
              x.attempt.start(*cluster, {.fresh = true});
            };
          }
          if (below(2) == 0) x.when_reset = [&x] { x.attempt.cancel(); };
          break;
        }
        case 3:
          if (!exchanges.empty())
            turn([&] { exchanges.erase(exchanges.begin() + ptrdiff_t(below(exchanges.size()))); });
          break;
        case 4:
          if (!exchanges.empty()) cancel(*exchanges[below(exchanges.size())]);
          break;
        case 5:
        case 6:
        case 7:
          if (usable && peer->take() != "") peer->send(kOk);
          break;
        case 8:
          if (usable) peer->reset();
          if (usable) service.connections.clear();
          break;
        case 9:
          service.refuse = below(2) ? ECONNREFUSED : 0;
          service.blackhole = below(4) == 0;
          service.delay = below(300);
          break;
        case 10: {
          std::vector<std::string> names;
          if (below(2)) names.push_back("10.0.0.1");
          if (below(2)) names.push_back("10.0.0.2");
          network.answer("app.example", names, 1'000, below(500));
          break;
        }
        case 11:
          loop.advance(below(2'500));
          break;
        default:
          loop.advance(below(100));
      }
      loop.run();
      ClusterStats now = stats();
      ASSERT_LE(now.connections, config.thresholds.max_connections);
      ASSERT_LE(now.pending, config.thresholds.max_pending_requests);
      ASSERT_LE(network.open_streams(), now.connections);
      ASSERT_LE(now.pending, exchanges.size());
      for (auto& x : exchanges) {
        ASSERT_LE(x->readies, 1 + x->failures);
        ASSERT_LE(x->resets, x->readies);
      }
    }
    for (auto& x : exchanges) {
      served += size_t(x->complete);
      failed += size_t(x->failures);
      reset += size_t(x->resets);
    }
    bool done = false;
    turn([&] { cluster->close_when_idle([&] { done = true; }); });
    if (below(2) == 0) turn([&] { cluster->close_now(); });
    exchanges.clear();
    loop.advance(10'000);
    EXPECT_TRUE(done);
    EXPECT_EQ(stats().pending, 0u);
    EXPECT_EQ(stats().connections, 0u);
    EXPECT_EQ(network.open_streams(), 0u);
    for (auto& e : cluster->endpoints()) EXPECT_EQ(e->state->requests.value(), 0u);
  }
  // The lives were lively.
  EXPECT_GT(served, 150u);
  EXPECT_GT(failed, 300u);
  EXPECT_GT(reset, 50u);
}

// ---- cost -------------------------------------------------------------------------------------------

TEST_F(ClusterTest, TakingAndReturningDoesNotAllocate) {
  to("10.0.0.1");
  auto& service = network.serve("10.0.0.1:80");
  make();
  for (int i = 0; i < 3; ++i) round_trip("10.0.0.1:80");
  exchanges.push_back(std::make_unique<Exchange>());
  Exchange& x = *exchanges.back();
  x.release_at_end = false;
  x.send = false;
  size_t before = 0, taking = 0, returning = 0;
  {
    net::Loop::Turn t(loop);
    before = allocations;
    x.attempt.start(*cluster, {});
    taking = allocations - before;
    http::RequestPtr head = http::make_request();
    head->method = http::Method::get;
    head->method_name = "GET";
    head->authority = "a.example";
    head->target = "/";
    x.attempt.sender()->send_head(*head);
    x.attempt.sender()->send_end(nullptr);
  }
  loop.run();
  answer(service.last());
  ASSERT_TRUE(x.complete);
  {
    net::Loop::Turn t(loop);
    before = allocations;
    x.attempt.cancel();
  }
  returning = allocations - before;  // with everything that the end of the turn does
  EXPECT_EQ(taking, 0u);
  EXPECT_EQ(returning, 0u);
  EXPECT_EQ(stats().idle, 1u);
  EXPECT_TRUE(x.attempt.reused());
}

}  // namespace
}  // namespace cardea::cluster
