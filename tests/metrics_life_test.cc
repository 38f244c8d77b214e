// Metrics over workers, changes and ends; names and bounds; where they are told.
#include "metrics_fixture.h"
#include "proxy/exposition.h"

namespace cardea::test {
namespace {

// ---- several workers, changes, ends -------------------------------------------------------------------

TEST_F(Metrics, OfAllWorkersAndOfThoseThatAreGone) {
  begin();
  net::FakeNetwork other(loop);
  TestService there(loop, other, "10.0.0.1:80", false);
  auto second = std::make_unique<proxy::Worker>(proxy, loop, other);
  ASSERT_TRUE(second->open());
  client().get("/");
  answer();
  TestClient far(loop, other.dial(second->bound_addresses()[0].text()), false);
  for (int i = 0; i < 2; ++i) {
    far.get("/");
    there.respond(there.expect("GET", "/"), 200, "ok");
  }
  const char* const kThree[] = {"cardea_requests_total", "cardea_route_requests_total{route=\"a\",class=\"2xx\"}",
                                "cardea_cluster_requests_total{cluster=\"a\"}",
                                "cardea_request_duration_seconds_count"};
  for (const char* sample : kThree) EXPECT_EQ(value(sample), 3) << sample;
  EXPECT_EQ(value("cardea_cluster_connections_active{cluster=\"a\"}"), 2);
  EXPECT_EQ(value("cardea_cluster_endpoints{cluster=\"a\"}"), 1) << "which they share";
  second->close(nullptr);
  loop.run();
  second.reset();
  loop.run();
  for (const char* sample : kThree) EXPECT_EQ(value(sample), 3) << sample;
  // And when nobody is left.
  worker->close(nullptr);
  loop.run();
  clients.clear();
  worker.reset();
  loop.run();
  for (const char* sample : kThree) EXPECT_EQ(value(sample), 3) << sample;
  EXPECT_EQ(value("cardea_cluster_connections_active{cluster=\"a\"}"), 0);
}

TEST_F(Metrics, ChangesTakeNothingAway) {
  begin();
  client().get("/");
  answer();
  const char* kRoute = "cardea_route_requests_total{route=\"a\",class=\"2xx\"}";
  const char* kCluster = "cardea_cluster_requests_total{cluster=\"a\"}";
  apply(file(route("http://10.0.0.1:80", "name: a\nconnect_timeout: 3s")));  // another cluster by the same name
  EXPECT_EQ(value(kRoute), 1);
  EXPECT_EQ(value(kCluster), 1);
  clients[0]->get("/");
  answer();
  EXPECT_EQ(value(kRoute), 2);
  EXPECT_EQ(value(kCluster), 2);
  EXPECT_EQ(value("cardea_cluster_endpoints{cluster=\"a\"}"), 1);
  // A name that is gone lasts as long as its last exchange.
  clients[0]->get("/");
  apply(file(route("http://10.0.0.1:80", "name: b\nconnect_timeout: 4s")));
  EXPECT_EQ(value(kRoute), 2);
  answer();
  loop.run();
  EXPECT_EQ(value(kRoute), -1);
  EXPECT_EQ(value("cardea_route_requests_total{route=\"b\",class=\"2xx\"}"), 0);
}

// ---- labels ---------------------------------------------------------------------------------------------

TEST_F(Metrics, NamesAreEscaped) {
  start(file(route("http://10.0.0.1:80", R"(name: "a\"b\\c\nd{},é")")));
  service = serve("10.0.0.1:80", false);
  client().get("/");
  answer();
  EXPECT_EQ(value("cardea_route_requests_total{route=\"a\"b\\c\nd{},é\",class=\"2xx\"}"), 1);
  EXPECT_NE(metrics_text(*proxy).find(R"({cluster="a\"b\\c\nd{},é"})"), std::string::npos);
  EXPECT_EQ(proxy::label_text("a\xff\xc3(\xe2\x82"), "a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd");
}

struct Number {
  Count n{0};
  void add(const Number& o) { cardea::add(n, o.n); }
};
uint64_t sum_of(const Series<Number>& series) {
  Number sum;
  series.add_to(sum);
  return sum.n;
}

TEST(SeriesByName, AThousandNamesAndTheOthers) {
  SeriesByName<Number> all;
  std::vector<std::string> names;
  for (int i = 0; i < 1200; ++i) names.push_back("r" + std::to_string(i));
  all.keep(names);
  EXPECT_EQ(all.all().size(), 1001u);
  EXPECT_EQ(all.label("r999"), "r999");
  EXPECT_EQ(all.label("r1000"), "other");
  EXPECT_EQ(all.find("r1000"), all.find("r1199"));
  EXPECT_EQ(all.find("r1000"), all.find("other"));
  add(all.find("r1000")->part()->n, 5);
  auto held = all.find("r7")->part();
  // Room comes with names that go, but not while somebody counts under them.
  names.erase(names.begin(), names.begin() + 10);
  all.keep(names);
  EXPECT_EQ(all.label("r7"), "r7");
  EXPECT_EQ(all.label("r8"), "other");
  EXPECT_EQ(all.label("r1008"), "r1008");
  EXPECT_EQ(all.label("r1009"), "other");
  EXPECT_EQ(sum_of(*all.find("other")), 5u) << "what they counted together stays";
  add(held->n, 2);
  EXPECT_EQ(sum_of(*all.find("r7")), 2u);
  EXPECT_EQ(all.find("r2000"), all.find("other"));
  held.reset();
  EXPECT_NE(all.find("r2000"), all.find("other"));
}

TEST(Series, PartsThatGoLeaveTheirNumbers) {
  auto series = std::make_shared<Series<Number>>();
  auto a = series->part(), b = series->part();
  add(a->n, 3);
  add(b->n, 4);
  EXPECT_EQ(sum_of(*series), 7u);
  a.reset();
  EXPECT_EQ(sum_of(*series), 7u);
  std::weak_ptr<Series<Number>> weak = series;
  series.reset();
  EXPECT_FALSE(weak.expired()) << "the last part keeps it";
  b.reset();
  EXPECT_TRUE(weak.expired());
}

// ---- where it is told ---------------------------------------------------------------------------------------

class Address : public Metrics {
 protected:
  Incoming ask(const std::string& address, const std::string& path, const std::string& method = "GET",
               Headers headers = {}) {
    auto peer = network.dial(address, "198.51.100.9:40000");
    if (!peer) return {};
    TestClient c(loop, peer, false);
    Incoming in = c.answer(
        c.request({.method = method, .path = path, .headers = std::move(headers), .host = "cardea.internal:9090"}));
    c.close();
    loop.advance(2000);
    return in;
  }
};

TEST_F(Address, ServesTheMetricsAndNothingElse) {
  begin("", "metrics_address: 192.0.2.1:9090\nadmin_address: 127.0.0.1:9901");
  ASSERT_TRUE(worker->metrics_address());
  EXPECT_EQ(worker->metrics_address()->text(), "192.0.2.1:9090");
  const Incoming in = ask("192.0.2.1:9090", "/metrics");
  EXPECT_EQ(in.status, 200) << "by whatever name";
  EXPECT_EQ(in.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(in.body.text, metrics_text(*proxy));
  EXPECT_EQ(Scrape(in.body.text).fault, "");
  EXPECT_EQ(ask("192.0.2.1:9090", "/metrics?x=1", "HEAD").status, 200);
  EXPECT_EQ(ask("192.0.2.1:9090", "/metrics", "POST").status, 405);
  for (const char* path : {"/", "/healthz", "/exchanges", "/config", "/metrics/"}) {
    EXPECT_EQ(ask("192.0.2.1:9090", path).status, 404) << path;
  }
  EXPECT_EQ(ask("192.0.2.1:9090", "/metrics", "GET", {{"Origin", "https://evil.example"}}).status, 403);
  EXPECT_EQ(ask("127.0.0.1:9901", "/metrics").status, 403) << "the admin interface keeps its door";
}

TEST_F(Address, FollowsTheConfiguration) {
  begin("", "metrics_address: 192.0.2.1:9090");
  // A second worker leaves it to the first.
  net::FakeNetwork other(loop);
  auto second = std::make_unique<proxy::Worker>(proxy, loop, other);
  ASSERT_TRUE(second->open());
  EXPECT_FALSE(second->metrics_address());
  auto config = [](const std::string& global) { return file(route("http://10.0.0.1:80", "name: a"), global); };
  auto kept = network.dial("192.0.2.1:9090", "198.51.100.9:40001");
  loop.run();
  apply(config("metrics_address: 192.0.2.1:9090\ntimeout_idle: 9s"));
  EXPECT_FALSE(kept->closed) << "what did not change stays";
  apply(config("metrics_address: 192.0.2.1:9091"));
  EXPECT_TRUE(kept->closed);
  EXPECT_EQ(ask("192.0.2.1:9091", "/metrics").status, 200);
  EXPECT_FALSE(network.dial("192.0.2.1:9090"));
  apply(config(""));
  EXPECT_FALSE(network.dial("192.0.2.1:9091"));
  EXPECT_FALSE(worker->metrics_address());
  apply(config("metrics_address: 192.0.2.1:9092"));
  EXPECT_EQ(ask("192.0.2.1:9092", "/metrics").status, 200);
  second->close(nullptr);
  loop.run();
}

TEST_F(Address, OneThatIsTakenChangesNothing) {
  struct Nobody final : net::AcceptEvents {
    void on_accept(std::unique_ptr<net::Stream>) override {}
    void on_accept_error(int) override {}
  } nobody;
  auto taken = network.listen(*net::Address::parse("192.0.2.1:9091"), {}, nobody);
  begin("", "metrics_address: 192.0.2.1:9090");
  apply(file(route("http://10.0.0.1:80", "name: a"), "metrics_address: 192.0.2.1:9091"));
  EXPECT_EQ(ask("192.0.2.1:9090", "/metrics").status, 200);
}

}  // namespace
}  // namespace cardea::test
