// Drains: who goes, how each kind is told, when, and how far they are.
#include "proxy/drains.h"

#include "proxy_tunnel.h"

namespace cardea::test {
namespace {

class Draining : public Tunnels {
 protected:
  // One route of each kind; a WebSocket and two waiting requests can be had.
  void begin(const std::string& global = "drain_strategy: immediate") {
    start(
        file("- from: https://a.example\n  prefix: /ws\n  to: http://10.0.0.1:80\n  allow_websockets: true\n  name: "
             "sockets\n"
             "  allowed_users: [alice, bob]\n"
             "- from: https://a.example\n  to: http://10.0.0.2:80\n  name: plain\n  timeout: 0s\n  idle_timeout: 0s\n"
             "  allowed_users: [alice, bob]\n",
             provider() + "\nstream_idle_timeout: 0s\n" + global));
    serve_raw("10.0.0.1:80", true);
    service = serve("10.0.0.2:80", up_h2_ = false);
  }
  proxy::DrainPtr drain(const std::string& json, Millis allowed = 60'000) {
    auto order = proxy::parse_drain_order(json, allowed, proxy->snapshot()->drain_gradual);
    EXPECT_TRUE(order) << order.error().message;
    auto begun = proxy->drains().begin(*proxy, *order, [this](const proxy::Drain& d) { over.push_back(d.id); });
    loop.run();
    return begun;
  }
  std::string state(const proxy::Drain& d) {
    const std::string json = d.json(d.began_unix_ms);
    return json.substr(json.find("\"left\""));
  }
  static std::string numbers(int http, int grpc, int websocket, int tcp, int sessions, int finished, int told,
                             int cut) {
    auto n = [](int v) { return std::to_string(v); };
    return "\"left\":{\"http\":" + n(http) + ",\"grpc\":" + n(grpc) + ",\"websocket\":" + n(websocket) +
           ",\"tcp\":" + n(tcp) + ",\"sessions\":" + n(sessions) + "},\"finished\":" + n(finished) +
           ",\"told\":" + n(told) + ",\"cut\":" + n(cut) + "}";
  }
  void TearDown() override {
    Tunnels::TearDown();
    service.reset();
  }
  bool up_h2_ = false;
  std::unique_ptr<TestService> service;
  std::vector<uint64_t> over;
};
INSTANTIATE_TEST_SUITE_P(From, Draining, testing::Values(Pair{false, false}, Pair{true, false}),
                         [](const auto& info) { return info.param.down_h2 ? "h2" : "h1"; });

TEST_P(Draining, OneUserGoesAndNobodyElseNotices) {
  begin();
  Socket& alice = open("alice");
  RawEnd& far_alice = far();
  Socket& bob = open("bob");
  RawEnd& far_bob = far();
  auto request = connect(down_h2());
  request->get("/x", bearer(token("alice")));
  auto& r = service->expect("GET", "/x");
  auto d = drain("{\"selector\": {\"user\": \"alice\"}}");
  EXPECT_EQ(close_in(alice.text(), false), "1001 draining");
  EXPECT_EQ(close_in(far_alice.body.text, true), "1001");
  expect_lives(bob, far_bob);
  EXPECT_TRUE(over.empty());
  alice.finish();
  far_alice.peer->send_eof();
  loop.advance(100);
  EXPECT_EQ(state(*d), numbers(1, 0, 0, 0, 0, 1, 1, 0));
  service->respond(r, 200, "served");
  EXPECT_EQ(request->answer().body.text, "served");
  loop.advance(100);
  EXPECT_EQ(over, (std::vector<uint64_t>{d->id}));
  EXPECT_EQ(d->state, proxy::Drain::State::done);
  EXPECT_EQ(state(*d), numbers(0, 0, 0, 0, 0, 2, 1, 0));
  // New ones of hers are served: it was about those that lived.
  request->get("/y", bearer(token("alice")));
  service->respond(service->expect("GET", "/y"), 200, "again");
  EXPECT_EQ(request->answer(1).body.text, "again");
  expect_lives(bob, far_bob);
}

TEST_P(Draining, TheDeadlineCutsWhatIsLeft) {
  begin();
  auto waits = connect(down_h2()), half = connect(down_h2()), other = connect(down_h2());
  waits->get("/waits", bearer(token("alice")));
  service->expect("GET", "/waits");
  half->get("/half", bearer(token("alice")));
  auto& h = service->expect("GET", "/half");
  service->head(h, 200);
  service->body(h, "half");
  other->get("/other", bearer(token("bob")));
  auto& o = service->expect("GET", "/other");
  auto d = drain("{\"selector\": {\"user\": \"alice\"}, \"deadline\": \"5s\"}");
  loop.advance(4999);
  EXPECT_EQ(waits->status(), 0);
  EXPECT_EQ(state(*d), numbers(2, 0, 0, 0, 0, 0, 0, 0));
  loop.advance(1);
  EXPECT_EQ(waits->status(), 503);
  EXPECT_EQ(waits->answer().header("retry-after"), "1");
  EXPECT_TRUE(half->answer().reset);
  loop.advance(100);
  EXPECT_EQ(over.size(), 1u);
  EXPECT_EQ(state(*d), numbers(0, 0, 0, 0, 0, 0, 0, 2));
  service->respond(o, 200, "fine");
  EXPECT_EQ(other->answer().body.text, "fine");
}

TEST_P(Draining, ARouteGraduallyOverTheTime) {
  begin();
  std::vector<Socket*> sockets;
  for (int i = 0; i < 40; ++i) sockets.push_back(&open("alice"));
  auto d = drain("{\"selector\": {\"route\": \"sockets\"}, \"deadline\": 100000, \"strategy\": \"gradual\"}");
  size_t before = 0;
  int steps = 0;
  for (int i = 1; i <= 9; ++i) {
    loop.advance(10'000);
    size_t told = d->told;
    steps += told > before;
    before = told;
  }
  EXPECT_GE(steps, 6) << "not all at once";
  EXPECT_EQ(before, 40u) << "before the deadline";
  EXPECT_EQ(d->cut, 0u);
  for (Socket* s : sockets) EXPECT_EQ(close_in(s->text(), false), "1001 draining");
}

TEST_P(Draining, ARestartSaysSo) {
  begin();
  Socket& s = open("alice");
  drain("{\"restart\": true}");
  EXPECT_EQ(close_in(s.text(), false), "1012 draining");
}

TEST_P(Draining, GrpcAndEventStreams) {
  begin();
  auto call = connect(true);
  call->request({.method = "POST",
                 .path = "/svc/Watch",
                 .headers = bearer(token("alice"), {{"content-type", "application/grpc"}, {"te", "trailers"}}),
                 .open = true});
  auto& g = service->expect("POST", "/svc/Watch");
  service->head(g, 200, {{"content-type", "application/grpc"}});
  auto events = connect(down_h2());
  events->get("/events", bearer(token("alice")));
  auto& e = service->expect("GET", "/events");
  service->head(e, 200, {{"content-type", "text/event-stream"}});
  service->body(e, "data: 1\n\n");
  loop.advance(2000);
  auto d = drain("{\"selector\": {\"user\": \"alice\"}}");
  EXPECT_EQ(value(call->answer().trailers, "grpc-status"), "14");
  EXPECT_TRUE(call->answer().end && !call->answer().reset);
  EXPECT_EQ(events->answer().body.text, "data: 1\n\n");
  EXPECT_TRUE(events->answer().reset);
  EXPECT_EQ(d->told, 2u);
}

TEST_P(Draining, AYoungCallIsLeftToEnd) {
  begin();
  auto call = connect(true);
  call->request({.method = "POST",
                 .path = "/svc/Get",
                 .headers = bearer(token("alice"), {{"content-type", "application/grpc"}, {"te", "trailers"}}),
                 .body = "x"});
  auto& g = service->expect("POST", "/svc/Get");
  service->head(g, 200, {{"content-type", "application/grpc"}});
  drain("{\"selector\": {\"user\": \"alice\"}}");
  service->body(g, "answer");
  service->end(g, {{"grpc-status", "0"}});
  EXPECT_EQ(value(call->answer().trailers, "grpc-status"), "0");
}

TEST_P(Draining, EverythingAndBack) {
  begin();
  auto idle = connect(down_h2());
  idle->get("/x", bearer(token("alice")));
  service->respond(service->expect("GET", "/x"), 200, "");
  Socket& s = open("alice");
  const std::string address = worker->bound_addresses()[0].text();
  auto d = drain("");
  EXPECT_TRUE(proxy->draining());
  EXPECT_FALSE(network.dial(address));
  EXPECT_TRUE(idle->closed());
  EXPECT_EQ(close_in(s.text(), false), "1001 draining");
  EXPECT_TRUE(proxy->drains().cancel(*proxy, d->id));
  EXPECT_FALSE(proxy->drains().cancel(*proxy, d->id)) << "it does not run";
  loop.run();
  EXPECT_FALSE(proxy->draining());
  EXPECT_EQ(over, (std::vector<uint64_t>{d->id}));
  EXPECT_EQ(d->state, proxy::Drain::State::cancelled);
  auto again = connect(down_h2());
  again->get("/y", bearer(token("alice")));
  service->respond(service->expect("GET", "/y"), 200, "back");
  EXPECT_EQ(again->answer().body.text, "back");
}

TEST_P(Draining, ExtendedAndCancelled) {
  begin();
  auto waits = connect(down_h2());
  waits->get("/waits", bearer(token("alice")));
  auto& r = service->expect("GET", "/waits");
  auto d = drain("{\"selector\": {\"user\": \"alice\"}, \"deadline\": \"5s\"}");
  loop.advance(4000);
  EXPECT_TRUE(proxy->drains().extend(*proxy, d->id, 5000));
  loop.advance(4999);
  EXPECT_EQ(waits->status(), 0);
  EXPECT_TRUE(proxy->drains().cancel(*proxy, d->id));
  loop.advance(60'000);
  EXPECT_EQ(waits->status(), 0);
  EXPECT_EQ(over.size(), 1u);
  EXPECT_FALSE(proxy->drains().extend(*proxy, d->id, 5000));
  service->respond(r, 200, "late");
  EXPECT_EQ(waits->answer().body.text, "late");
}

TEST_P(Draining, OneListener) {
  start(freeze("address: 127.0.0.1:0\ninsecure_server: true\nhttp_redirect_addr: 127.0.0.2:0\n" + provider() +
               "\nroutes:\n- from: https://a.example\n  to: http://10.0.0.2:80\n  allowed_users: [alice]\n"));
  service = serve("10.0.0.2:80", false);
  auto one = connect(down_h2(), 0), two = connect(false, 1);
  two->get("/");
  EXPECT_EQ(two->status(), 301);
  const std::string first = worker->bound_addresses()[0].text(), second = worker->bound_addresses()[1].text();
  one->get("/x", bearer(token("alice")));
  auto& r = service->expect("GET", "/x");
  auto d = drain("{\"selector\": {\"listener\": \"127.0.0.2:0\"}}");
  EXPECT_TRUE(two->closed());
  EXPECT_FALSE(network.dial(second));
  EXPECT_TRUE(network.dial(first));
  EXPECT_EQ(worker->bound_addresses().size(), 2u);
  service->respond(r, 200, "fine");
  EXPECT_EQ(one->answer().body.text, "fine");
  EXPECT_FALSE(one->closed());
  loop.advance(10'000);  // its client has not said goodbye
  EXPECT_EQ(d->state, proxy::Drain::State::done);
}

TEST(DrainOrder, WhatItIsAskedFor) {
  struct {
    const char* json;
    const char* fault;  // null: none
    Millis allowed;
    bool gradual, restart;
  } const kRows[] = {
      {"", nullptr, 7, true, false},
      {"{}", nullptr, 7, true, false},
      {"{\"deadline\": 1500}", nullptr, 1500, true, false},
      {"{\"deadline\": \"1m30s\"}", nullptr, 90'000, true, false},
      {"{\"strategy\": \"immediate\", \"restart\": true}", nullptr, 7, false, true},
      {"[]", "not a JSON object", 0, false, false},
      {"{\"deadline\": \"soon\"}", "deadline: must be", 0, false, false},
      {"{\"deadline\": -1}", "deadline: must be", 0, false, false},
      {"{\"deadline\": \"8000h\"}", "deadline: must be", 0, false, false},
      {"{\"strategy\": \"slow\"}", "strategy: must be", 0, false, false},
      {"{\"restart\": 1}", "restart: must be", 0, false, false},
      {"{\"user\": \"alice\"}", "user: unknown; known are selector", 0, false, false},
      {"{\"selector\": {\"who\": \"alice\"}}", "selector: who: unknown", 0, false, false},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.json);
    auto order = proxy::parse_drain_order(row.json, 7, true);
    ASSERT_EQ(bool(order), !row.fault);
    if (row.fault) {
      EXPECT_EQ(order.error().message.substr(0, strlen(row.fault)), row.fault) << order.error().message;
      continue;
    }
    EXPECT_EQ(order->allowed, row.allowed);
    EXPECT_EQ(order->gradual, row.gradual);
    EXPECT_EQ(order->restart, row.restart);
  }
}

}  // namespace
}  // namespace cardea::test
