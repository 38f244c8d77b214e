// Hooks through the C++ wrapper: objects, lambdas, interfaces, the queue; live requests. Nothing is allocated on their
// way.
#include <array>
#include <memory>
#include <stdexcept>
#include <thread>

#include "cpp_binding.h"

using namespace std::chrono_literals;
using cardea::Conn;
using cardea::Decision;
using cardea::Endpoints;
using cardea::Request;
using cardea::Token;

namespace {

// An object with some of the hooks' functions, owned by the proxy.
struct Counting {
  explicit Counting(int* deleted) : deleted_(deleted) {}
  ~Counting() { ++*deleted_; }
  Decision on_authorize(Request& r, Token t) {
    const int before = allocations;
    CHECK(r.method() == "GET" && r.host() == "app.test" && r.path() == "/one" && r.query() == "?a=b");
    CHECK(r.route() == "app" && r.client_ip() == "127.0.0.1" && r.policy_data() == "\"d\"" && !r.reauthorized());
    CHECK(r.header("x-mine") == "yes" && !r.header("x-theirs"));
    bool seen = false;
    CHECK(r.each_header([&](std::string_view name, std::string_view) { seen = seen || name == "X-Mine"; }) >= 1);
    CHECK(seen && t.c() != 0 && r.conn().id() == conn);
    SAME(r.set_data(this), CARDEA_OK);
    CHECK(r.id().size() == 36 && r.identity().empty());
    SAME(allocations - before, 0);
    SAME(t.allow("me"), CARDEA_OK);
    SAME(t.deny(), CARDEA_ESTALE);
    return Decision::pending;
  }
  void on_request_end(Request& r) {
    ++ended;
    CHECK(r.status() == 200 && r.cause() == "ok" && r.identity() == "me" && r.data() == this);
    CHECK(r.access_record().find("\"path\":\"/one\"") != std::string_view::npos && r.num(CARDEA_INT_ATTEMPTS) == 1);
  }
  void on_conn_open(Conn& c) {
    conn = c.id();
    CHECK(c.str(CARDEA_STR_PROTOCOL) == "HTTP/1.1" && c.data() == nullptr);
    SAME(c.set_data(this), CARDEA_OK);
  }
  void on_conn_close(Conn& c) { closed += c.id() == conn && c.data() == this && c.c() != nullptr; }
  std::uint64_t conn = 0;
  int ended = 0, closed = 0;

 private:
  int* deleted_;
};

void an_object_with_hooks() {
  int deleted = 0;
  {
    auto owned = std::make_unique<Counting>(&deleted);
    Counting* host = owned.get();
    auto proxy = cardea::Proxy::create(config_of(cardea::Policy::host("d").value()), std::move(owned)).value();
    auto worker = cardea::Worker::create(proxy).value();
    EpollLoop loop(worker);
    SAYS(loop.get("/one?a=b"), "GET /one?a=b");
    CHECK(loop.until([&] { return host->closed == 1; }));
    SAME(host->ended, 1);
    SAME(deleted, 0);
  }
  SAME(deleted, 1);
  auto draft = cardea::Config::create().value();
  SAME(cardea::Proxy::create(draft, std::make_unique<Counting>(&deleted)).code(), CARDEA_EINVAL);
  SAME(deleted, 2);
}

// Answers from another thread, while the loop goes on.
void lambdas_and_late_answers() {
  std::thread other;
  int ended = 0;
  cardea::Hooks hooks;
  hooks.authorize = [&](Request& r, Token t) {
    const bool yes = r.path() == "/yes";
    if (other.joinable()) other.join();
    other =
        std::thread([yes, t] { SAME(yes ? t.allow(R"({"user":"u","email":"u@example.com"})") : t.deny(), CARDEA_OK); });
    return Decision::pending;
  };
  hooks.request_end = [&](Request&) { ++ended; };
  auto proxy = cardea::Proxy::create(config_of(cardea::Policy::host().value()), std::move(hooks)).value();
  auto worker = cardea::Worker::create(proxy).value();
  EpollLoop loop(worker);
  SAYS(loop.get("/yes"), "200 OK");
  SAYS(loop.get("/no"), "403 ");
  SAME(ended, 2);
  other.join();
}

// An interface whose functions throw: denied, and told.
struct Thrower final : cardea::Host {
  Decision on_authorize(Request&, Token) override { throw std::runtime_error("oh dear"); }
  void on_conn_open(Conn&) override { throw 1; }
  Decision on_health_check(std::string_view, std::string_view, cardea_token) override {
    return ++checks, Decision::allow;
  }
  int on_pick_endpoint(Request&, const Endpoints& e) override {
    picked +=
        e.size() == 1 && e.weight(0) == 1 && e.active(0) < 9 && origin_url() == "http://" + std::string(e.address(0));
    return 0;
  }
  void on_health(std::string_view cluster, std::string_view, int health, std::string_view why) override {
    healthy += cluster == "app" && health == CARDEA_HEALTH_HEALTHY && why == "passed";
  }
  void on_exception(const char* hook) override {
    said += hook;
    said += ' ';
    throw 2;
  }
  std::string said;
  int checks = 0, picked = 0, healthy = 0;
};

void an_interface_that_throws() {
  Thrower host;
  auto proxy = cardea::Proxy::create(config_of(cardea::Policy::host().value(), "host", true), host).value();
  auto worker = cardea::Worker::create(proxy).value();
  EpollLoop loop(worker);
  CHECK(loop.until([&] { return host.checks > 0; }));
  SAYS(loop.get("/"), "403 ");
  SAYS(host.said.c_str(), "on_conn_open on_authorize ");
  proxy.apply(config_of(cardea::Policy::everybody().value(), "host", true)).value();
  CHECK(loop.until([&] { return strstr(loop.get("/"), "200 OK") != nullptr; }));
  CHECK(host.picked > 0);
  SAME(proxy.complete_health_check(7, true), CARDEA_ESTALE);
}

void a_queue() {
  auto queue = cardea::Queue::create(16).value();
  auto proxy = cardea::Proxy::create(config_of(cardea::Policy::host().value())).value();
  proxy.set_queue(queue, 1u << CARDEA_EVENT_AUTHORIZE | 1u << CARDEA_EVENT_REQUEST_END).value();
  auto worker = cardea::Worker::start_thread(proxy).value();
  SAME(worker.fd(), CARDEA_ENOTSUP);
  client c;
  client_open(&c, worker.bound_port(0).value());
  client_get(&c, "/queued", 1);
  std::array<cardea_event, 8> events;
  std::size_t n = 0;
  for (int i = 0; i < 2; ++i) {
    for (int turn = 0; turn < 10000 && (n = queue.poll(events).value()) == 0; ++turn) usleep(1000);
    SAME(n, 1);
    CHECK(queue.str(events[0], CARDEA_STR_PATH) == "/queued" && !queue.str(events[0], 99));
    if (i == 0) SAME(Token(events[0].token).allow(), CARDEA_OK);
  }
  SAME(events[0].value, 200);
  client_wait(&c);
  client_close(&c);
  SAME(proxy.set_queue(queue, 0).code(), CARDEA_ESEALED);
}

void live_requests() {
  cardea::Hooks hooks;
  hooks.authorize = [](Request&, Token t) { return t.allow("ann") == CARDEA_OK ? Decision::pending : Decision::deny; };
  auto config = config_of(cardea::Policy::host().value());
  auto proxy = cardea::Proxy::create(config, std::move(hooks)).value();
  auto worker = cardea::Worker::create(proxy).value();
  EpollLoop loop(worker);
  client c;
  client_open(&c, worker.bound_port(0).value());
  client_get(&c, "/cut", 0);
  CHECK(loop.until([&] { return strstr(c.text, "part") != nullptr; }, &c));
  std::string said;
  auto heard = [&said, held = std::make_unique<int>(1)](std::string_view json) { said = json; };
  auto next = [&](auto call) {
    said.clear();
    call();
    CHECK(loop.until([&] { return !said.empty(); }));
    return said.c_str();
  };
  auto keep = [&](std::string_view json) { said = json; };
  SAYS(next([&] { proxy.list(R"({"user":"ann"})", std::move(heard)).value(); }), "\"count\":1");
  SAYS(next([&] { proxy.dry_run(config, keep).value(); }), "\"judged\":1");
  SAYS(next([&] { proxy.clusters(keep).value(); }), "\"name\":\"app\"");
  SAYS(proxy.list(R"({"colour":1})", keep).error().message(), "colour");
  proxy.reauthorize({}).value();
  SAYS(next([&] { proxy.end(R"({"route":"app"})", "me", keep).value(); }), "{\"ended\":1}");
  CHECK(loop.until([&] { return c.eof != 0; }, &c));
  client_close(&c);
  proxy.end({}).value();
  proxy.revoke(R"({"user":"ann"})", "me").value();
  SAYS(loop.get("/"), "403 ");
  SAME(proxy.revoke("{}").code(), CARDEA_EINVAL);
  proxy.set_endpoints("app", R"(["http://127.0.0.1:1"])").value();
  proxy.set_endpoints("app", std::nullopt).value();
  SAME(proxy.set_endpoints("none", std::nullopt).code(), CARDEA_ENOTFOUND);
  int metrics = 0;
  proxy.each_metric([&](const cardea::Metric& m) { metrics += !m.name.empty() && !m.kind.empty() && !m.help.empty(); })
      .value();
  CHECK(metrics > 10);
  const auto before = proxy.generation().value();
  proxy.apply(config_of(cardea::Policy::everybody().value())).value();
  CHECK(proxy.generation().value() != before);
  int drained = 0;
  proxy.drain(5s, [&](int status) { drained += status == CARDEA_OK; }).value();
  CHECK(loop.until([&] { return drained == 1; }));
}

// Some go and some stay; a drain is seen, given more time, cancelled.
void drains_and_metrics() {
  auto proxy = cardea::Proxy::create(config_of(cardea::Policy::everybody().value())).value();
  auto worker = cardea::Worker::create(proxy).value();
  EpollLoop loop(worker);
  client c;
  client_open(&c, worker.bound_port(0).value());
  client_get(&c, "/cut", 0);
  CHECK(loop.until([&] { return strstr(c.text, "part") != nullptr; }, &c));
  std::string said;
  const auto now = [&] {
    said.clear();
    proxy.drains([&](std::string_view json) { said = json; }).value();
    return said.c_str();
  };
  SAYS(now(), "{\"drains\":[]}");
  int over = 0;
  cardea::DrainOptions how;
  how.deadline = 1h;
  how.flags = CARDEA_DRAIN_GRADUAL | CARDEA_DRAIN_RESTART;
  how.by = "me";
  const auto id =
      proxy.drain_start({}, how, [&over, held = std::make_unique<int>(1)](int s) { over += s == CARDEA_OK; }).value();
  CHECK(loop.until([&] { return strstr(now(), "\"http\":1") != nullptr; }));
  SAYS(said.c_str(), "\"by\":\"me\"");
  proxy.drain_extend(id, 2h).value();
  proxy.drain_cancel(id).value();
  CHECK(loop.until([&] { return over == 1; }));
  SAYS(now(), "\"state\":\"cancelled\"");
  SAME(proxy.drain_cancel(id).code(), CARDEA_ESTALE);
  SAME(proxy.drain_extend(id, 1s).code(), CARDEA_ESTALE);
  SAYS(loop.get("/"), "200 OK");

  how.deadline = 0s;
  how.flags = 0;
  CHECK(proxy.drain_start(R"({"route":"app"})", how).value() != id);
  CHECK(loop.until([&] { return c.eof != 0; }, &c));
  client_close(&c);
  SAYS(proxy.drain_start(R"({"colour":1})").error().message(), "colour");
  how.flags = CARDEA_DRAIN_GRADUAL | CARDEA_DRAIN_IMMEDIATE;
  SAME(proxy.drain_start({}, how, [&](int) { over = 100; }).code(), CARDEA_EINVAL);
  SAME(over, 1);
  proxy.metrics([&](std::string_view text) { said = text; }).value();
  SAYS(said.c_str(), "route=\"app\"");
}

}  // namespace

const test_case hook_cases[] = {{"an_object_with_hooks", an_object_with_hooks},
                                {"lambdas_and_late_answers", lambdas_and_late_answers},
                                {"an_interface_that_throws", an_interface_that_throws},
                                {"a_queue", a_queue},
                                {"live_requests", live_requests},
                                {"drains_and_metrics", drains_and_metrics},
                                {nullptr, nullptr}};
