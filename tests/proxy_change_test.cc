// Change and end: new configurations under live connections, drains, closing, and what is left afterwards.
#include "proxy_fixture.h"

namespace cardea::test {
namespace {

class Change : public PairTest {
 protected:
  // A configuration with plain listeners of these names ("127.0.0.2:0").
  config::SnapshotPtr with_listeners(const std::vector<std::string>& names, const std::string& global = "") {
    yaml::Faults faults;
    auto draft = config::load(file(route(to("10.0.0.1:80")), global), "", faults);
    draft->listeners.clear();
    for (const std::string& name : names) {
      auto listener = std::make_shared<config::ListenerDraft>();
      listener->address.value = name;
      listener->address.set = true;
      draft->listeners.push_back(std::move(listener));
    }
    auto snapshot = config::freeze(*draft, {proxy ? proxy->snapshot()->generation + 1 : 1}, faults);
    EXPECT_TRUE(snapshot) << faults.text("f");
    return snapshot;
  }
  void apply_listeners(const std::vector<std::string>& names, const std::string& global = "") {
    EXPECT_TRUE(proxy->apply(with_listeners(names, global)));
    loop.run();
  }
  void round_trip(TestClient& c, const std::string& path = "/trip") {
    const size_t n = c.get(path);
    service->respond(service->expect("GET", path), 200, "ok");
    EXPECT_EQ(c.status(n), 200);
  }
  // The client was told to go, in its protocol's way.
  void expect_told_to_go(TestClient& c, size_t n) {
    if (down_h2()) {
      EXPECT_TRUE(c.goaway());
    } else {
      EXPECT_EQ(c.answer(n).header("connection"), "close");
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Pairs, Change, testing::ValuesIn(kPairs), pair_name);

// ---- a new configuration ----------------------------------------------------------------------------

TEST_P(Change, WhatDidNotChangeKeepsItsConnections) {
  begin();
  round_trip(*client);
  apply(file(route(to("10.0.0.1:80"), "set_request_headers: {X-New: \"1\"}"), "timeout_idle: 100s"));
  const size_t n = client->get("/second");
  auto& r = service->expect("GET", "/second");
  EXPECT_EQ(r.header("x-new"), "1") << "new rules on old connections";
  service->respond(r, 200, "");
  EXPECT_EQ(client->status(n), 200);
  EXPECT_EQ(service->connections(), 1u);
  EXPECT_EQ(counter("downstream_connections_total"), 1u);
  EXPECT_EQ(proxy->snapshot()->generation, 2u);
}

TEST_P(Change, AChangedClusterGetsConnectionsOfItsOwn) {
  begin();
  round_trip(*client);
  EXPECT_EQ(service->open(), 1u);
  auto other = serve("10.0.0.2:80", up_h2());
  apply(file(route(to("10.0.0.2:80"))));
  EXPECT_EQ(service->open(), 0u) << "nobody uses the old one any more";
  const size_t n = client->get("/x");
  other->respond(other->expect("GET", "/x"), 200, "");
  EXPECT_EQ(client->status(n), 200);
  stop();
}

TEST_P(Change, LiveExchangesFinishUnderWhatTheyBeganWith) {
  begin();
  std::weak_ptr<const config::Snapshot> old = proxy->snapshot();
  client->request({.method = "POST", .path = "/live", .open = true});
  auto& r = service->expect("POST", "/live");
  apply(file(route(to("10.0.0.2:80")), "set_response_headers: {X-New: \"1\"}"));
  EXPECT_FALSE(old.expired());
  client->body(0, "more");
  client->end(0);
  EXPECT_EQ(r.body.text, "more");
  service->respond(r, 200, "done");
  EXPECT_EQ(client->answer().body.text, "done");
  EXPECT_FALSE(client->answer().has("x-new"));
  EXPECT_TRUE(old.expired()) << "with its last exchange";
  EXPECT_EQ(service->open(), 0u);
  const size_t n = client->get("/next");
  EXPECT_EQ(client->status(n), 503) << "nobody is at the new address";
  EXPECT_EQ(client->answer(n).header("x-new"), "1");
}

TEST_P(Change, ManyGenerationsLeaveNothing) {
  begin();
  std::vector<std::weak_ptr<const config::Snapshot>> old;
  for (int i = 0; i < 20; ++i) {
    old.push_back(proxy->snapshot());
    apply(file(route(to("10.0.0.1:80"), "set_request_headers: {X-N: \"" + std::to_string(i) + "\"}")));
    const size_t n = client->get("/");
    auto& r = service->expect("GET", "/");
    EXPECT_EQ(r.header("x-n"), std::to_string(i));
    service->respond(r, 200, "");
    EXPECT_EQ(client->status(n), 200);
    EXPECT_TRUE(old.back().expired());
  }
  EXPECT_EQ(service->connections(), 1u);
}

TEST_P(Change, ARequestThatWaitsForItsConnectionIsNotLost) {
  network.delay("10.0.0.1:80", 1000);
  begin();
  client->get("/waits");
  apply(file(route(to("10.0.0.2:80"))));
  loop.advance(1000);
  service->respond(service->expect("GET", "/waits"), 200, "ok");
  EXPECT_EQ(client->status(), 200);
}

// ---- listeners --------------------------------------------------------------------------------------

TEST_P(Change, ARemovedListenerLetsItsOwnSessionsGo) {
  start(with_listeners({"127.0.0.1:0", "127.0.0.2:0"}));
  service = serve("10.0.0.1:80", up_h2());
  const std::string gone = worker->bound_addresses()[1].text();
  client = connect(down_h2(), 0);
  auto busy = connect(down_h2(), 1);
  auto idle = connect(down_h2(), 1);
  round_trip(*idle);
  round_trip(*client);
  busy->get("/busy");
  auto& r = service->expect("GET", "/busy");
  apply_listeners({"127.0.0.1:0"});
  EXPECT_FALSE(network.dial(gone)) << "nobody listens there";
  EXPECT_TRUE(idle->closed());
  EXPECT_FALSE(busy->closed());
  service->respond(r, 200, "served");
  EXPECT_EQ(busy->answer().body.text, "served");
  expect_told_to_go(*busy, 0);
  loop.advance(1000);
  EXPECT_TRUE(busy->closed());
  round_trip(*client);
  EXPECT_FALSE(client->closed() || client->goaway()) << "the other listener's sessions stay";
  EXPECT_EQ(worker->sessions(), 1u);
}

TEST_P(Change, ARemovedListenersSessionsAreCutAtTheDeadline) {
  start(with_listeners({"127.0.0.1:0", "127.0.0.2:0"}));
  service = serve("10.0.0.1:80", up_h2());
  client = connect(down_h2(), 1);
  client->get("/never");
  auto& r = service->expect("GET", "/never");
  service->head(r, 200);
  apply_listeners({"127.0.0.1:0"}, "drain_timeout: 7s");
  loop.advance(6999);
  EXPECT_FALSE(client->answer().reset);
  loop.advance(1);
  EXPECT_TRUE(client->answer().reset);
  EXPECT_EQ(causes(), "truncated:draining:deadline");
  loop.advance(1);
  EXPECT_EQ(worker->sessions(), 0u);
}

TEST_P(Change, ANewListenerServes) {
  start(with_listeners({"127.0.0.1:0"}));
  service = serve("10.0.0.1:80", up_h2());
  client = connect(down_h2());
  round_trip(*client);
  apply_listeners({"127.0.0.2:0", "127.0.0.1:0"});
  ASSERT_EQ(worker->bound_addresses().size(), 2u);
  auto other = connect(down_h2(), 0);
  round_trip(*other);
  round_trip(*client);
  EXPECT_EQ(service->connections(), 1u) << "all of them share the pool";
  EXPECT_EQ(network.listeners(), 2u);
}

TEST_P(Change, AnAddressThatIsTakenChangesNothing) {
  begin();
  // A real socket: what is asked is the kernel.
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(fd, 1), 0);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  const auto before = proxy->snapshot();
  auto result = proxy->apply(with_listeners({"127.0.0.1:0", "127.0.0.1:" + std::to_string(ntohs(address.sin_port))}));
  close(fd);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, kEaddrinuse);
  EXPECT_EQ(proxy->snapshot(), before);
  round_trip(*client);
}

// ---- the number of connections ----------------------------------------------------------------------

TEST_P(Change, MaxConnections) {
  begin("", "max_connections: 2");
  auto second = connect(down_h2());
  round_trip(*client);
  round_trip(*second);
  auto third = dial();
  loop.run();
  EXPECT_TRUE(third->closed);
  EXPECT_EQ(third->received, "");
  EXPECT_EQ(counter("downstream_connections_refused_total"), 1u);
  EXPECT_EQ(counter("downstream_connections_active"), 2u);
  second->close();
  loop.advance(2000);
  auto fourth = connect(down_h2());
  round_trip(*fourth);
  apply(file(route(to("10.0.0.1:80")), "max_connections: 3"));
  auto fifth = connect(down_h2());
  round_trip(*fifth);
  EXPECT_EQ(counter("downstream_connections_active"), 3u);
}

TEST_P(Change, FailedAcceptsAreCounted) {
  begin();
  network.fail_accept(worker->bound_addresses()[0].text(), EMFILE);
  loop.run();
  EXPECT_EQ(counter("accept_errors_total"), 1u);
  round_trip(*client);
}

// ---- draining ---------------------------------------------------------------------------------------

TEST_P(Change, ADrainFinishesWhatRuns) {
  begin();
  auto idle = connect(down_h2());
  round_trip(*idle);
  auto silent = dial();
  auto late = connect(false);
  loop.run();
  client->request({.method = "POST", .path = "/busy", .open = true});
  auto& r = service->expect("POST", "/busy");
  const std::string address = worker->bound_addresses()[0].text();
  int done = 0;
  proxy->drain(60'000, [&] { ++done; });
  loop.run();
  EXPECT_TRUE(proxy->draining());
  EXPECT_FALSE(network.dial(address));
  EXPECT_TRUE(idle->closed());
  EXPECT_FALSE(silent->closed || late->closed()) << "their first requests may be under way";
  late->get("/late");
  service->respond(service->expect("GET", "/late"), 200, "served");
  EXPECT_EQ(late->status(), 200);
  EXPECT_EQ(late->answer().header("connection"), "close");
  EXPECT_TRUE(late->closed());
  EXPECT_EQ(done, 0);
  client->body(0, "rest");
  client->end(0);
  EXPECT_EQ(r.body.text, "rest");
  service->respond(r, 200, "served");
  EXPECT_EQ(client->answer().body.text, "served");
  expect_told_to_go(*client, 0);
  EXPECT_FALSE(silent->closed);
  loop.advance(5000);
  EXPECT_TRUE(silent->closed);
  EXPECT_EQ(done, 1);
  EXPECT_TRUE(client->closed());
  EXPECT_EQ(worker->sessions(), 0u);
  loop.advance(100'000);
  EXPECT_EQ(done, 1);
}

TEST_P(Change, ADrainOfNothingIsDoneAtOnce) {
  begin();
  stop();
  client.reset();
  service.reset();
  start(file(route(to("10.0.0.1:80"))));
  int done = 0;
  proxy->drain(60'000, [&] { ++done; });
  EXPECT_EQ(done, 0) << "in a turn of the worker";
  loop.run();
  EXPECT_EQ(done, 1);
}

TEST_P(Change, TheDrainsDeadlineCuts) {
  begin();
  auto begun = connect(down_h2());
  begun->get("/begun");
  auto& r = service->expect("GET", "/begun");
  service->head(r, 200);
  service->body(r, "part");
  client->get("/silent");
  service->expect("GET", "/silent");
  int done = 0;
  worker->drain(5000, [&] { ++done; });
  loop.advance(4999);
  EXPECT_EQ(done, 0);
  EXPECT_EQ(client->status(), 0);
  loop.advance(1);
  EXPECT_EQ(client->status(), 503) << "who got nothing is told so";
  EXPECT_EQ(client->answer().header("retry-after"), "1");
  EXPECT_TRUE(begun->answer().reset);
  EXPECT_FALSE(begun->answer().end);
  loop.advance(1);
  EXPECT_EQ(done, 1);
  EXPECT_EQ(worker->sessions(), 0u);
  EXPECT_EQ(service->open(), up_h2() ? 1u : 0u);
}

TEST_P(Change, RequestsThatComeDuringADrain) {
  begin();
  client->get("/first");
  auto& r = service->expect("GET", "/first");
  worker->drain(60'000, nullptr);
  loop.run();
  if (down_h2()) {
    EXPECT_TRUE(client->goaway());
    service->respond(r, 200, "");
  } else {
    client->raw("GET /second HTTP/1.1\r\nHost: a.example\r\n\r\n", 0);
    service->respond(r, 200, "");
    expect_told_to_go(*client, 0);
  }
  EXPECT_EQ(client->status(), 200);
  EXPECT_TRUE(service->idle()) << "nothing new";
}

// ---- closing ----------------------------------------------------------------------------------------

TEST_P(Change, CloseEndsEverythingNow) {
  begin();
  auto begun = connect(down_h2());
  begun->get("/begun");
  auto& r = service->expect("GET", "/begun");
  service->head(r, 200);
  service->body(r, "part");
  client->request({.method = "POST", .path = "/up", .open = true});
  auto& up = service->expect("POST", "/up");
  auto silent = dial();
  loop.run();
  bool done = false;
  worker->close([&] { done = true; });
  EXPECT_FALSE(done) << "in a later turn";
  loop.run();
  EXPECT_TRUE(done);
  EXPECT_TRUE(silent->closed);
  EXPECT_TRUE(client->closed() && begun->closed());
  EXPECT_TRUE(begun->answer().reset && client->answer().reset);
  EXPECT_FALSE(up.end) << "an unfinished request never looks complete";
  EXPECT_EQ(counter("requests_active"), 0u);
  EXPECT_EQ(counter("downstream_connections_active"), 0u);
  for (const auto& o : hooks->outcomes) EXPECT_EQ(o.end.cause, EndCause::host_ended);
}

TEST_P(Change, CountersOutliveTheirWorker) {
  begin();
  round_trip(*client);
  auto kept = proxy;
  stop();
  uint64_t requests = 0;
  kept->each_counter([&](const char* name, const char*, const char*, uint64_t v) {
    if (name == std::string("requests_total")) requests = v;
  });
  EXPECT_EQ(requests, 1u);
  EXPECT_FALSE(kept->has_workers());
}

TEST_P(Change, TwoWorkersShareListenersAndLimits) {
  begin("", "max_connections: 2");
  net::FakeLoop loop2;
  net::FakeNetwork network2{loop2};
  auto worker2 = std::make_unique<proxy::Worker>(proxy, loop2, network2);
  {
    net::Loop::Turn turn(loop2);
    ASSERT_TRUE(worker2->open());
  }
  EXPECT_EQ(worker2->bound_addresses()[0], worker->bound_addresses()[0]) << "the port that the first one got";
  auto there = network2.dial(worker2->bound_addresses()[0].text());
  loop2.run();
  EXPECT_FALSE(there->closed);
  auto refused = dial();
  loop.run();
  EXPECT_TRUE(refused->closed) << "the limit is for all";
  int done = 0;
  proxy->drain(1000, [&] { ++done; });
  loop.run();
  EXPECT_EQ(done, 0);
  loop2.run();
  loop2.advance(6000);
  loop.advance(6000);
  EXPECT_EQ(done, 1);
  worker2.reset();
  loop2.run();
}

}  // namespace
}  // namespace cardea::test
