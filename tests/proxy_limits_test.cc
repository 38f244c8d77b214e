// Limits through the whole proxy: how many pass, who is told apart from whom, what is given back when, what a change of
// the configuration leaves, and that workers share.
#include "proxy_tunnel.h"

namespace cardea::test {
namespace {

class Limits : public Access {
 protected:
  // One route under these lines; its policy lets everybody pass.
  void begin(const std::string& lines, const std::string& global = "") {
    start(guarded("allow_public_unauthenticated_access: true\n" + lines, global));
    service = serve("10.0.0.1:80", up_h2());
    client = connect(down_h2());
  }
  // Asks and, when that gets there, answers: the status.
  int ask(TestClient& c, Headers headers = {}, const std::string& path = "/x") {
    last = c.get(path, std::move(headers));
    if (!service->idle()) service->respond(service->expect("GET", path), 200, "ok");
    return c.status(last);
  }
  int ask(Headers headers = {}, const std::string& path = "/x") {
    if (client->closed()) client = connect(down_h2());
    return ask(*client, std::move(headers), path);
  }
  std::string statuses(int n, Headers headers = {}) {
    std::string s;
    for (int i = 0; i < n; ++i) s += (s.empty() ? "" : " ") + std::to_string(ask(headers));
    return s;
  }
  int ask_from(const std::string& address) {
    TestClient other(loop, dial(0, address), down_h2());
    const int status = ask(other);
    other.close();
    return status;
  }
  size_t last = 0;
};
INSTANTIATE_TEST_SUITE_P(All, Limits, testing::ValuesIn(kPairs), pair_name);

// ---- how many -------------------------------------------------------------------------------------

TEST_P(Limits, ABurstAndThenAPace) {
  begin("limits: [{by: route, requests: 3, per: 10s}]");
  EXPECT_EQ(statuses(5), "200 200 200 429 429");
  EXPECT_EQ(client->answer(last).header("retry-after"), "4") << "a third of ten seconds, rounded up";
  EXPECT_TRUE(client->answer(last).has("content-length"));
  EXPECT_EQ(service->requests.size(), 3u);
  EXPECT_EQ(causes(), "ok ok ok limited:route.requests limited:route.requests");
  EXPECT_NE(hooks->records.back().find("\"flags\":\"RL\",\"cause\":\"limited:route.requests\""), std::string::npos)
      << hooks->records.back();
  EXPECT_EQ(counter("requests_limited_total"), 2u);
  EXPECT_EQ(counter("requests_limited_concurrent_total"), 0u);
  loop.advance(3334);
  EXPECT_EQ(statuses(2), "200 429");
  EXPECT_FALSE(client->closed()) << "the connection is of use";
}

TEST_P(Limits, RetryAfterIsWhenItPasses) {
  begin("limits: [{by: route, requests: 1, per: 2500ms, burst: 1}]");
  EXPECT_EQ(statuses(2), "200 429");
  EXPECT_EQ(client->answer(last).header("retry-after"), "3");
  loop.advance(2499);
  EXPECT_EQ(ask(), 429);
  EXPECT_EQ(client->answer(last).header("retry-after"), "1") << "never 0";
  loop.advance(1);
  EXPECT_EQ(ask(), 200);
}

TEST_P(Limits, WhatIsRefusedHasNoCost) {
  begin("limits: [{by: route, requests: 1, per: 1s}]");
  EXPECT_EQ(ask(), 200);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(ask(), 429);
    loop.advance(10);
  }
  loop.advance(500);
  EXPECT_EQ(ask(), 200) << "those that were refused did not put it off";
}

TEST_P(Limits, EveryAnswerOfARouteCounts) {
  start(
      file("- from: https://a.example\n  path: /there\n  redirect: {path_redirect: /here}\n"
           "  allow_public_unauthenticated_access: true\n  limits: [{by: route, requests: 1}]\n"
           "- from: https://a.example\n  path: /text\n  response: {body: hello}\n"
           "  allow_public_unauthenticated_access: true\n  limits: [{by: route, requests: 1}]\n"
           "- from: https://a.example\n  path: /closed\n  to: http://10.0.0.1:80\n"
           "  limits: [{by: route, requests: 1}]\n"));
  service = serve("10.0.0.1:80", up_h2());
  client = connect(down_h2());
  for (const auto& [path, status] : {std::pair{"/there", 301}, {"/text", 200}, {"/closed", 403}}) {
    EXPECT_EQ(ask({}, path), status);
    EXPECT_EQ(ask({}, path), 429) << path;
  }
}

TEST_P(Limits, GrpcIsToldInItsOwnWay) {
  begin("limits: [{by: route, concurrent: 1}]");
  const size_t open = client->get("/open");
  auto other = connect(down_h2());
  const size_t n = other->post("/svc", "", {{"content-type", "application/grpc"}});
  EXPECT_EQ(other->status(n), 200);
  EXPECT_EQ(other->answer(n).header("grpc-status"), "8");
  EXPECT_EQ(other->answer(n).body.size, 0u);
  service->respond(service->expect("GET", "/open"), 200, "");
  EXPECT_EQ(client->status(open), 200);
}

TEST_P(Limits, ABodyOfARefusedRequestIsNoHarm) {
  begin("limits: [{by: route, requests: 1, per: 1h}]");
  EXPECT_EQ(ask(), 200);
  const size_t n = client->post("/up", pattern(0, 300'000));
  EXPECT_EQ(client->status(n), 429);
  EXPECT_EQ(service->requests.size(), 1u);
}

// ---- who ------------------------------------------------------------------------------------------

TEST_P(Limits, UsersAreToldApart) {
  begin("", "limits: [{by: user, requests: 2, per: 1m}]");
  const Headers alice = bearer(token("alice")), bob = bearer(token("bob"));
  EXPECT_EQ(statuses(3, alice), "200 200 429");
  EXPECT_EQ(hooks->causes.back(), "limited:user.requests");
  EXPECT_EQ(statuses(3, bob), "200 200 429");
  EXPECT_EQ(statuses(5), "200 200 200 200 200") << "nobody is no user";
}

TEST_P(Limits, WhoIsDeniedSpendsNothing) {
  start(guarded("prefix: /closed\npolicy: [{allow: {and: [{user: {is: bob}}]}}]",
                "limits: [{by: user, requests: 2, per: 1m}]") +
        "- from: https://a.example\n  to: " + to("10.0.0.1:80") + "\n  allow_any_authenticated_user: true\n");
  service = serve("10.0.0.1:80", up_h2());
  client = connect(down_h2());
  const Headers alice = bearer(token("alice"));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(alice, "/closed"), 403);
  EXPECT_EQ(statuses(3, alice), "200 200 429");
}

TEST_P(Limits, AddressesAreCountedBeforeAnybodyIsAsked) {
  start(guarded("allow_any_authenticated_user: true", "limits: [{by: source_ip, requests: 2, per: 1m}]"));
  service = serve("10.0.0.1:80", up_h2());
  client = connect(down_h2());
  EXPECT_EQ(statuses(4), "401 401 429 429");
  EXPECT_EQ(ask(bearer(token("alice"))), 429) << "the same address";
  EXPECT_EQ(ask_from("203.0.113.8:1"), 401);
}

TEST_P(Limits, OneNetworkOfIpv6IsOneAddress) {
  begin("limits: [{by: source_ip, requests: 1, per: 1m}]");
  EXPECT_EQ(ask_from("[2001:db8:1:2::1]:1000"), 200);
  EXPECT_EQ(ask_from("[2001:db8:1:2:ffff::2]:1000"), 429) << "the same /64";
  EXPECT_EQ(ask_from("[2001:db8:1:3::1]:1000"), 200);
  EXPECT_EQ(ask_from("203.0.113.9:1"), 200);
  EXPECT_EQ(ask_from("[::ffff:203.0.113.9]:1"), 429) << "IPv4, as a socket for both shows it";
  EXPECT_EQ(ask_from("203.0.113.10:1"), 200) << "no /64 of mapped addresses";
}

TEST_P(Limits, TheAddressIsTheOneThatTheLogShows) {
  begin("limits: [{by: source_ip, requests: 1, per: 1m}]", "xff_num_trusted_hops: 1");
  EXPECT_EQ(ask({{"X-Forwarded-For", "198.51.100.1"}}), 200);
  EXPECT_EQ(ask({{"X-Forwarded-For", "198.51.100.2, 198.51.100.1"}}), 429) << "what the trusted hop says";
  EXPECT_EQ(ask({{"X-Forwarded-For", "198.51.100.1, 198.51.100.2"}}), 200);
  EXPECT_NE(hooks->records.back().find("\"client_ip\":\"198.51.100.2\""), std::string::npos);
}

TEST_P(Limits, RoutesAreToldApart) {
  start(file(route(to("10.0.0.1:80"), "prefix: /a\nname: same") + route(to("10.0.0.1:80"), "prefix: /b\nname: same") +
                 route(to("10.0.0.1:80"), "prefix: /c\nlimits: [{by: route, requests: 1, per: 1m}]"),
             "limits: [{by: route, requests: 2, per: 1m}]"));
  service = serve("10.0.0.1:80", up_h2());
  client = connect(down_h2());
  for (const char* path : {"/a", "/b"}) {
    EXPECT_EQ(ask({}, path), 200);
    EXPECT_EQ(ask({}, path), 200);
    EXPECT_EQ(ask({}, path), 429) << path;
  }
  EXPECT_EQ(ask({}, "/c"), 200);
  EXPECT_EQ(ask({}, "/c"), 429) << "both apply";
}

TEST_P(Limits, OneOfManyPaysFirst) {
  begin("limits: [{by: route, requests: 4, per: 1m}]", "limits: [{by: source_ip, requests: 2, per: 1m}]");
  EXPECT_EQ(statuses(6), "200 200 429 429 429 429");
  EXPECT_EQ(hooks->causes.back(), "limited:source_ip.requests");
  EXPECT_EQ(ask_from("203.0.113.8:1"), 200) << "what was refused took nothing of the route's";
  EXPECT_EQ(ask_from("203.0.113.8:1"), 200);
  EXPECT_EQ(ask_from("203.0.113.9:1"), 429);
  EXPECT_EQ(hooks->causes.back(), "limited:route.requests");
}

TEST_P(Limits, WhatOneLimitRefusesTakesNothingOfAnother) {
  begin("limits: [{by: route, requests: 4, per: 1h}, {by: user, requests: 1, per: 1h}]");
  const Headers alice = bearer(token("alice"));
  EXPECT_EQ(ask(alice), 200);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(alice), 429);
  EXPECT_EQ(hooks->causes.back(), "limited:user.requests");
  EXPECT_EQ(ask(bearer(token("bob"))), 200) << "one that asks too often leaves the others theirs";
  EXPECT_EQ(ask(bearer(token("carol"))), 200);
  EXPECT_EQ(ask(bearer(token("dave"))), 200);
  EXPECT_EQ(ask(bearer(token("erin"))), 429);
  EXPECT_EQ(hooks->causes.back(), "limited:route.requests");
}

TEST_P(Limits, WithoutLimitsNothingIsKept) {
  begin("");
  EXPECT_TRUE(worker->generation()->shares_of_route.empty());
  EXPECT_EQ(ask(), 200);
}

// ---- at once --------------------------------------------------------------------------------------

TEST_P(Limits, EveryEndGivesBack) {
  begin("limits: [{by: route, concurrent: 1}]", "timeout_write: 30s");
  using Way = std::function<void(TestService::Request&)>;
  const std::pair<const char*, Way> ends[] = {
      {"an answer", [this](TestService::Request& r) { service->respond(r, 200, "ok"); }},
      {"an answer without a body", [this](TestService::Request& r) { service->head_only(r, 204); }},
      {"the client resets", [this](TestService::Request&) { client->reset(last); }},
      {"the client is gone", [this](TestService::Request&) { client->peer->reset(); }},
      {"the service resets", [this](TestService::Request& r) { service->cut(r); }},
      {"the service breaks off",
       [this](TestService::Request& r) {
         service->head(r, 200);
         service->body(r, "half");
         service->cut(r);
       }},
      {"the service says nonsense", [this](TestService::Request& r) { service->raw(r, "nonsense\r\n\r\n"); }},
      {"time is up", [this](TestService::Request&) { loop.advance(31'000); }},
      {"the host ends it",
       [this](TestService::Request&) {
         proxy::end_exchanges(*proxy, {}, "operator", [](std::string) {});
         loop.run();
       }},
      {"the client is gone in the answer",
       [this](TestService::Request& r) {
         service->head(r, 200);
         service->body(r, "half");
         client->peer->reset();
       }},
  };
  for (const auto& [name, end] : ends) {
    SCOPED_TRACE(name);
    if (client->closed() || client->goaway()) client = connect(down_h2());
    last = client->post("/held", "once");  // not idempotent: nobody tries it again
    auto& held = service->expect("POST", "/held");
    auto other = connect(down_h2());
    EXPECT_EQ(other->status(other->get("/x")), 429);
    EXPECT_EQ(other->answer(0).header("retry-after"), "1");
    EXPECT_EQ(hooks->causes.back(), "limited:route.concurrent");
    end(held);
    loop.run();
    if (client->closed() || client->goaway() || !down_h2()) client = connect(down_h2());
    EXPECT_EQ(ask(), 200);
    EXPECT_EQ(ask(), 200) << "given back once";
  }
  EXPECT_EQ(counter("requests_limited_concurrent_total"), std::size(ends));
}

TEST_P(Limits, WhoWaitsForTheHostHoldsItsPlace) {
  begin_with(file("- from: https://a.example\n  to: " + to("10.0.0.1:80") +
                  "\n  policy: [{allow: {and: [{host: x}]}}]\n  limits: [{by: source_ip, concurrent: 1}]\n"));
  hooks->authorize = [](proxy::Exchange&, uint64_t) { return proxy::Hooks::Answer::pending; };
  const size_t n = client->get("/x");
  auto other = connect(down_h2());
  EXPECT_EQ(other->status(other->get("/x")), 429);
  EXPECT_TRUE(proxy::authorize_complete(hooks->asked.at(0), false, ""));
  EXPECT_EQ(client->status(n), 403);
  other->get("/x");
  EXPECT_EQ(hooks->asked.size(), 2u) << "there is room again";
  EXPECT_TRUE(proxy::authorize_complete(hooks->asked.at(1), false, ""));
  loop.run();
}

// ---- changes --------------------------------------------------------------------------------------

TEST_P(Limits, AChangeElsewhereForgetsNothing) {
  const std::string lines =
      "allow_public_unauthenticated_access: true\nlimits: [{by: source_ip, concurrent: 1, requests: 3, per: 1h}]";
  begin("limits: [{by: source_ip, concurrent: 1, requests: 3, per: 1h}]");
  EXPECT_EQ(statuses(2), "200 200");
  apply(guarded(lines + "\ndescription: another", "timeout_idle: 7m"));
  EXPECT_EQ(statuses(2), "200 429");
  apply(guarded("allow_public_unauthenticated_access: true"));
  EXPECT_EQ(ask(), 200);
  apply(guarded(lines));
  EXPECT_EQ(statuses(4), "200 200 200 429") << "that it was gone, it has forgotten";
}

TEST_P(Limits, WhoIsInsideCountsForTheNextConfiguration) {
  const std::string open = "allow_public_unauthenticated_access: true\n";
  begin("limits: [{by: route, concurrent: 2}]");
  const size_t held = client->get("/held");
  auto& r = service->expect("GET", "/held");
  apply(guarded(open + "limits: [{by: route, concurrent: 1, requests: 100}]"));
  auto other = connect(down_h2());
  EXPECT_EQ(ask(*other), 429);
  apply(guarded(open + "limits: [{by: route, concurrent: 2}]"));
  EXPECT_EQ(ask(*other), 200);
  apply(guarded(open));
  apply(guarded(open + "limits: [{by: route, concurrent: 1}]"));
  EXPECT_EQ(ask(*other), 429) << "though the limit was gone meanwhile: it is still inside";
  service->respond(r, 200, "ok");
  EXPECT_EQ(client->status(held), 200);
  EXPECT_EQ(ask(*other), 200);
}

TEST_P(Limits, WorkersShareExactly) {
  begin("limits: [{by: source_ip, requests: 5, per: 1h, burst: 5}, {by: route, concurrent: 3}]");
  net::FakeLoop loop2;
  net::FakeNetwork network2{loop2};
  auto worker2 = std::make_unique<proxy::Worker>(proxy, loop2, network2);
  {
    net::Loop::Turn turn(loop2);
    ASSERT_TRUE(worker2->open());
  }
  TestService service2(loop2, network2, "10.0.0.1:80", up_h2());
  std::vector<std::unique_ptr<TestClient>> here, there;
  auto add = [&](auto& list, net::FakeLoop& l, net::FakeNetwork& n, proxy::Worker& w) {
    list.push_back(std::make_unique<TestClient>(l, n.dial(w.bound_addresses()[0].text()), down_h2()));
    list.back()->get("/x");
    return list.back()->answer().status;
  };
  EXPECT_EQ(add(here, loop, network, *worker), 0);
  EXPECT_EQ(add(there, loop2, network2, *worker2), 0);
  EXPECT_EQ(add(here, loop, network, *worker), 0);
  EXPECT_EQ(add(there, loop2, network2, *worker2), 429) << "three are inside";
  EXPECT_EQ(hooks->causes.back(), "limited:route.concurrent");
  service2.respond(service2.expect("GET", "/x"), 200, "ok");
  EXPECT_EQ(add(there, loop2, network2, *worker2), 0);
  service2.respond(service2.expect("GET", "/x"), 200, "ok");
  EXPECT_EQ(add(there, loop2, network2, *worker2), 429) << "the sixth attempt of its address";
  EXPECT_EQ(hooks->causes.back(), "limited:source_ip.requests");
  EXPECT_EQ(add(here, loop, network, *worker), 429);
  service->respond(service->expect("GET", "/x"), 200, "ok");
  service->respond(service->expect("GET", "/x"), 200, "ok");
  bool done = false;
  worker2->close([&] { done = true; });
  loop2.run();
  EXPECT_TRUE(done);
  there.clear();
  worker2.reset();
  loop2.run();
  here.clear();
}

// ---- tunnels --------------------------------------------------------------------------------------

class LimitedTunnels : public Tunnels {};
INSTANTIATE_TEST_SUITE_P(From, LimitedTunnels, testing::Values(Pair{false, false}, Pair{true, false}),
                         [](const auto& info) { return info.param.down_h2 ? "h2" : "h1"; });

TEST_P(LimitedTunnels, AWebSocketHoldsItsPlace) {
  begin_sockets("allowed_users: [alice, bob]\nlimits: [{by: user, concurrent: 2}]");
  Socket& a = open("alice");
  RawEnd& fa = far();
  Socket& b = open("alice");
  loop.advance(60'000);
  EXPECT_EQ(ask("alice").status(), 429);
  EXPECT_EQ(open("bob").status(), down_h2() ? 200 : 101);
  fa.peer->send_eof();
  loop.run();
  EXPECT_TRUE(a.ended());
  Socket& c = open("alice");
  EXPECT_EQ(ask("alice").status(), 429);
  b.reset();
  c.reset();
  open("alice");
  open("alice");
  EXPECT_EQ(ask("alice").status(), 429);
  end_all();
  loop.advance(2000);
  open("alice");
  EXPECT_EQ(counter("requests_limited_concurrent_total"), 3u);
}

TEST_P(LimitedTunnels, SoDoesTcp) {
  begin_tunnels("allowed_users: [alice]\nlimits: [{by: source_ip, concurrent: 1}]");
  Socket& a = tunnel("alice");
  EXPECT_EQ(a.status(), 200);
  RawEnd& f = far();
  EXPECT_EQ(tunnel("alice").status(), 429);
  f.peer->send_eof();
  loop.run();
  EXPECT_EQ(tunnel("alice").status(), 429) << "half of it is open";
  a.finish();
  EXPECT_EQ(tunnel("alice").status(), 200);
}

}  // namespace
}  // namespace cardea::test
