// The admin interface: its server by itself, and the proxy's resources behind it.
#include "admin/admin.h"

#include "proxy/cluster_list.h"
#include "proxy/metrics.h"
#include "proxy_access.h"
#include "proxy_rows.h"

namespace cardea::test {
namespace {

using admin::Answer;
using admin::Reply;

class Admin : public testing::Test {
 protected:
  void SetUp() override {
    auto now = [](const admin::Request& r, Answer answer) { answer({200, "{\"path\":\"" + r.path + "\"}"}); };
    auto late = [this](const admin::Request&, Answer answer) { waiting.push_back(std::move(answer)); };
    auto echo = [](const admin::Request& r, Answer answer) { answer({201, r.body, "text/plain"}); };
    auto rest = [](const admin::Request& r, Answer answer) { answer({200, r.rest}); };
    auto big = [](const admin::Request&, Answer answer) { answer({200, pattern(0, 4 << 20), "text/plain"}); };
    auto gone = [this](const admin::Request&, Answer answer) {
      server.reset();
      answer({200, "not seen"});
    };
    server = std::make_unique<admin::Server>(loop, network,
                                             std::vector<admin::Row>{{"GET", "/now", now},
                                                                     {"GET", "/late", late},
                                                                     {"POST", "/late", late},
                                                                     {"POST", "/echo", echo},
                                                                     {"GET", "/things/*", rest},
                                                                     {"DELETE", "/things/*", rest},
                                                                     {"GET", "/big", big},
                                                                     {"POST", "/gone", gone}});
    auto bound = server->listen(*net::Address::parse("127.0.0.1:9901"));
    ASSERT_TRUE(bound) << bound.error().message;
  }
  void TearDown() override {
    server.reset();
    loop.run();
    EXPECT_EQ(network.open_streams(), 0u);
    EXPECT_EQ(network.listeners(), 0u);
    clients.clear();
  }
  TestClient& connect() {
    auto peer = network.dial("127.0.0.1:9901", "127.0.0.1:50000");
    EXPECT_TRUE(peer);
    return *clients.emplace_back(std::make_unique<TestClient>(loop, peer, false));
  }
  void answer(size_t n, Reply reply) {
    waiting.at(n)(std::move(reply));
    loop.run();
  }
  static test::Request local(const std::string& method, const std::string& path, std::optional<std::string> body = {}) {
    return {.method = method, .path = path, .body = std::move(body), .host = "localhost:9901"};
  }

  net::FakeLoop loop;
  net::FakeNetwork network{loop};
  std::unique_ptr<admin::Server> server;
  std::vector<Answer> waiting;
  std::vector<std::unique_ptr<TestClient>> clients;
};

struct Row {
  const char* name;
  std::string text;  // the whole request
  int status;
  std::string says;        // somewhere in the body
  const char* allow = "";  // with 405
  bool closes = false;
};

std::string get(const std::string& path, const std::string& host = "127.0.0.1:9901", const std::string& more = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + more + "\r\n";
}
std::string posts(const std::string& path, const std::string& body, const std::string& more = "") {
  return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         more + "\r\n" + body;
}

std::vector<Row> rows() {
  const char* kHost = "the Host header must be";
  const char* kPage = "requests of web pages";
  std::vector<Row> rows = {
      {"a resource", get("/now"), 200, "{\"path\":\"/now\"}"},
      {"a query is no part of the path", get("/now?a=/late"), 200, "{\"path\":\"/now\"}"},
      {"absolute-form", get("http://127.0.0.1:9901/now"), 200, "{\"path\":\"/now\"}"},
      {"the rest of a path", get("/things/a/b"), 200, "a/b"},
      {"a body", posts("/echo", "text"), 201, "text"},
      {"an empty body", posts("/echo", ""), 201, ""},
      {"chunks",
       "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
       201, "abcde"},
      {"a body that nobody wants", "GET /now HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 2\r\n\r\nxx", 200, "/now"},
      {"an upgrade is not taken", get("/now", "localhost", "Connection: Upgrade\r\nUpgrade: websocket\r\n"), 200,
       "/now"},
      {"unknown", get("/nothing"), 404, "no such resource; there are GET /now GET /late"},
      {"the root", get("/"), 404, "no such resource"},
      {"no prefix", get("/nowhere"), 404, "no such resource"},
      {"a directory without a name", get("/things/"), 404, "no such resource"},
      {"a directory by itself", get("/things"), 404, "no such resource"},
      {"any case", get("/NOW"), 404, "no such resource"},
      {"CONNECT", "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n", 404, "no such resource", "", true},
      {"another method", posts("/now", "x"), 405, "this resource takes GET, HEAD", "GET, HEAD"},
      {"other methods", "PUT /things/a HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "GET, HEAD, DELETE",
       "GET, HEAD, DELETE"},
      {"no HEAD", get("/echo"), 405, "this resource takes POST", "POST"},
      {"methods have a case", "get /now HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "the request is not valid: ", "",
       true},
      {"an origin", get("/now", "localhost", "Origin: https://evil.example\r\n"), 403, kPage},
      {"our own origin", get("/now", "localhost", "Origin: http://localhost:9901\r\n"), 403, kPage},
      {"no origin", get("/now", "localhost", "Origin: null\r\n"), 403, kPage},
      {"an origin that posts", posts("/echo", "x", "Origin: https://evil.example\r\n"), 403, kPage, "", true},
      {"too large",
       "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(admin::kMaxBody + 1) + "\r\n\r\n",
       413, "the body is too large", "", true},
      {"no request", "hello\r\n\r\n", 400, "the request is not valid: ", "", true},
      {"two lengths", "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400,
       "the request is not valid: ", "", true},
      {"no host", "GET /now HTTP/1.1\r\n\r\n", 400, "the request is not valid: ", "", true},
      {"no address", get("/now", "[v1.x]"), 400, "the request is not valid: ", "", true},
      {"broken chunks", "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400,
       "the request is not valid: ", "", true},
  };
  for (const char* host : {"localhost", "LocalHost:1", "127.0.0.1", "[::1]:9901", "192.0.2.1"}) {
    rows.push_back({host, get("/now", host), 200, "/now"});
  }
  for (const char* host : {"evil.example", "evil.example:9901", "localhost.evil.example", "127.0.0.1.evil.example",
                           "localhost.", "notlocalhost", "127.1", "0x7f000001", "2130706433", "127.0.0.1."}) {
    rows.push_back({host, get("/now", host), 403, kHost});
  }
  return rows;
}

TEST_F(Admin, OneAnswerHoweverTheRequestComes) {
  for (const Row& row : rows()) {
    for (bool bytewise : {false, true}) {
      SCOPED_TRACE(row.name + std::string(bytewise ? " byte by byte" : ""));
      TestClient& c = connect();
      if (bytewise) {
        c.peer->send_bytewise(row.text.substr(0, row.text.size() - 1));
        c.raw(row.text.substr(row.text.size() - 1));
      } else {
        c.raw(row.text);
      }
      const Incoming& in = c.answer();
      EXPECT_EQ(in.status, row.status);
      EXPECT_TRUE(in.end);
      EXPECT_NE(in.body.text.find(row.says), std::string::npos) << in.body.text;
      EXPECT_EQ(in.header("allow"), row.allow);
      EXPECT_EQ(in.header("cache-control"), "no-store");
      EXPECT_EQ(in.header("x-content-type-options"), "nosniff");
      if (row.status >= 400) {
        EXPECT_EQ(in.header("content-type"), "application/json");
        EXPECT_TRUE(Json::is_line(in.body.text.substr(0, in.body.text.size() - 1))) << in.body.text;
      }
      if (row.closes) {
        EXPECT_TRUE(c.closed());
      } else {
        EXPECT_EQ(in.header("connection"), "");
        EXPECT_EQ(c.status(c.request(local("GET", "/now"))), 200) << "the connection goes on";
      }
      if (!c.closed()) c.close();
      loop.advance(2000);
    }
    loop.advance(2000);
    ASSERT_EQ(network.open_streams(), 0u) << row.name;
  }
}

TEST_F(Admin, Head) {
  TestClient& c = connect();
  c.request(local("HEAD", "/now"));
  c.request(local("GET", "/now"));
  EXPECT_EQ(c.answer(0).status, 200);
  EXPECT_EQ(c.answer(0).header("content-length"), "15");
  EXPECT_EQ(c.answer(0).body.size, 0u);
  EXPECT_EQ(c.answer(1).body.text, "{\"path\":\"/now\"}");
  EXPECT_EQ(c.status(c.request(local("HEAD", "/echo"))), 405);
  EXPECT_EQ(c.status(c.request(local("HEAD", "/nothing"))), 404);
}

TEST_F(Admin, RequestsInOneSegment) {
  TestClient& c = connect();
  std::string all;
  for (int i = 0; i < 50; ++i) all += posts("/echo", "body " + std::to_string(i) + std::string(40, '.'));
  c.raw(all + get("/nothing") + get("/now"), 52);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(c.answer(size_t(i)).body.text, "body " + std::to_string(i) + std::string(40, '.'));
  }
  EXPECT_EQ(c.status(50), 404);
  EXPECT_EQ(c.status(51), 200);
}

TEST_F(Admin, TheNextRequestWaitsForALateAnswer) {
  TestClient& c = connect();
  c.raw(get("/late") + get("/now"), 2);
  EXPECT_EQ(c.answered(), 0u);
  ASSERT_EQ(waiting.size(), 1u);
  answer(0, {200, "first"});
  EXPECT_EQ(c.answer(0).body.text, "first");
  EXPECT_EQ(c.answer(1).body.text, "{\"path\":\"/now\"}");
  answer(0, {200, "again"});
  EXPECT_EQ(c.status(c.request(local("GET", "/now"))), 200);
  // An answer to a request of before does not answer this one.
  c.request(local("GET", "/late"));
  answer(0, {200, "again"});
  EXPECT_EQ(c.answer(3).status, 0);
  answer(1, {202, "second"});
  EXPECT_EQ(c.answer(3).status, 202);
}

TEST_F(Admin, ALateAnswerHasAllTheTimeItNeeds) {
  TestClient& a = connect();
  TestClient& b = connect();
  a.request(local("GET", "/late"));
  const std::string post = posts("/late", "body");
  b.raw(post.substr(0, post.size() - 1), 1);
  loop.advance(5000);
  b.raw(post.substr(post.size() - 1), 0);
  loop.advance(3600'000);
  ASSERT_EQ(waiting.size(), 2u);
  answer(0, {200, "a"});
  answer(1, {200, "b"});
  EXPECT_EQ(a.answer().body.text, "a");
  EXPECT_EQ(b.answer().body.text, "b");
}

TEST_F(Admin, TheClientGoesBeforeTheAnswer) {
  for (bool reset : {false, true}) {
    TestClient& c = connect();
    c.request(local("GET", "/late"));
    reset ? c.peer->reset() : c.peer->close();
    loop.advance(100);
    answer(waiting.size() - 1, {200, std::string(100'000, 'x')});
    loop.advance(70'000);
    EXPECT_TRUE(c.peer->closed);
  }
  EXPECT_EQ(network.open_streams(), 0u);
  TestClient& next = connect();
  EXPECT_EQ(next.status(next.request(local("GET", "/now"))), 200);
}

TEST_F(Admin, AClientThatOnlyStoppedSendingGetsItsAnswer) {
  TestClient& c = connect();
  c.request(local("GET", "/late"));
  c.peer->send_eof();
  loop.run();
  answer(0, {200, "still"});
  EXPECT_EQ(c.answer().body.text, "still");
  loop.advance(2000);
  EXPECT_TRUE(c.closed());
}

TEST_F(Admin, ABodyUpToTheLimit) {
  TestClient& c = connect();
  c.request(local("POST", "/echo", pattern(0, admin::kMaxBody)));
  EXPECT_EQ(c.answer().status, 201);
  EXPECT_EQ(c.answer().body.size, admin::kMaxBody);
  EXPECT_TRUE(c.answer().body.is_pattern);
}

TEST_F(Admin, ChunksPastTheLimit) {
  TestClient& c = connect();
  test::Request r = local("POST", "/echo");
  r.open = true;
  c.request(r);
  const std::string piece(1 << 20, 'x');
  for (size_t i = 0; i <= admin::kMaxBody / piece.size() && !c.closed(); ++i) c.body(0, piece);
  EXPECT_EQ(c.status(), 413);
  EXPECT_TRUE(c.closed());
}

TEST_F(Admin, ExpectContinue) {
  TestClient& c = connect();
  test::Request r = local("POST", "/echo");
  r.open = true;
  r.headers = {{"Expect", "100-continue"}, {"Content-Length", "3"}};
  c.request(r);
  EXPECT_EQ(c.answer().informational, (std::vector<int>{100}));
  c.body(0, "abc");
  EXPECT_EQ(c.answer().body.text, "abc");
  r.headers.emplace_back("Origin", "https://evil.example");
  c.request(r);
  EXPECT_EQ(c.answer(1).status, 403);
  EXPECT_TRUE(c.answer(1).informational.empty());
}

TEST_F(Admin, ASlowReaderGetsABigAnswer) {
  TestClient& c = connect();
  c.peer->hold_writes();
  c.request(local("GET", "/big"));
  EXPECT_LE(c.peer->queued(), 256u * 1024);
  c.peer->release_writes();
  EXPECT_EQ(c.answer().body.size, 4u << 20);
  EXPECT_TRUE(c.answer().body.is_pattern);
}

TEST_F(Admin, SixteenClientsAndNoMore) {
  for (size_t i = 0; i < admin::kMaxClients; ++i)
    EXPECT_EQ(connect().status(clients[i]->request(local("GET", "/now"))), 200);
  TestClient& late = connect();
  loop.run();
  EXPECT_TRUE(late.peer->closed);
  clients[3]->close();
  loop.advance(2000);
  TestClient& next = connect();
  EXPECT_EQ(next.status(next.request(local("GET", "/now"))), 200);
  EXPECT_FALSE(clients[0]->closed());
}

TEST_F(Admin, HeadsAndBodiesInTime) {
  TestClient& head = connect();
  TestClient& body = connect();
  loop.advance(30'000);  // both were silent until now
  head.raw("GET /now HT", 1);
  const std::string post = posts("/echo", "twelve bytes");
  body.raw(post.substr(0, post.size() - 10), 1);
  for (int i = 0; i < 9; ++i) {
    loop.advance(1000);
    head.raw("x", 0);
    body.raw("x", 0);
  }
  loop.advance(999);
  EXPECT_EQ(head.status() + body.status(), 0);
  loop.advance(1);
  for (TestClient* c : {&head, &body}) {
    EXPECT_EQ(c->status(), 408);
    EXPECT_EQ(c->answer().header("connection"), "close");
    loop.advance(2000);
    EXPECT_TRUE(c->closed());
  }
}

TEST_F(Admin, IdleClientsGo) {
  TestClient& silent = connect();
  TestClient& used = connect();
  loop.advance(30'000);
  used.request(local("GET", "/now"));
  loop.advance(29'999);
  EXPECT_FALSE(silent.closed());
  loop.advance(1);
  EXPECT_TRUE(silent.closed());
  EXPECT_EQ(silent.peer->received, "");
  loop.advance(29'999);
  EXPECT_FALSE(used.closed());
  loop.advance(1);
  EXPECT_TRUE(used.closed());
}

TEST_F(Admin, TheServerGoesWhileAnswersArePending) {
  TestClient& a = connect();
  TestClient& b = connect();
  TestClient& idle = connect();
  a.request(local("GET", "/late"));
  b.raw(get("/now").substr(0, 20));
  server.reset();
  loop.run();
  EXPECT_TRUE(a.peer->closed && b.peer->closed && idle.peer->closed);
  EXPECT_EQ(network.listeners(), 0u);
  answer(0, {200, "nobody is there"});
  loop.advance(100'000);
}

TEST_F(Admin, AHandlerMayDeleteTheServer) {
  TestClient& a = connect();
  TestClient& b = connect();
  a.raw(posts("/gone", "") + get("/now") + get("/nothing"), 3);
  loop.run();
  EXPECT_TRUE(a.peer->closed && b.peer->closed);
  EXPECT_EQ(a.answered(), 0u);
}

TEST_F(Admin, AcceptErrorsAreSurvived) {
  network.fail_accept("127.0.0.1:9901", EMFILE);
  TestClient& c = connect();
  EXPECT_EQ(c.status(c.request(local("GET", "/now"))), 200);
}

TEST_F(Admin, AnAddressInUse) {
  admin::Server second(loop, network, {});
  EXPECT_FALSE(second.listen(*net::Address::parse("127.0.0.1:9901")));
}

// ---- the proxy's resources --------------------------------------------------------------------------

class AdminRoutes : public Access {
 protected:
  static std::string global() { return "admin_address: 127.0.0.1:9901"; }
  std::string users(const std::string& allowed) const {
    return guarded("name: events\nallowed_users: [" + allowed + "]", global());
  }
  void begin_admin() {
    begin_with(users("alice, bob"));
    auto peer = network.dial("127.0.0.1:9901", "127.0.0.1:50000");
    ASSERT_TRUE(peer);
    admin = std::make_unique<TestClient>(loop, peer, false);
  }
  const Incoming& ask(const std::string& method, const std::string& path, std::optional<std::string> body = {}) {
    const Incoming& in = admin->answer(
        admin->request({.method = method, .path = path, .body = std::move(body), .host = "127.0.0.1:9901"}));
    if (in.header("content-type") == "application/json") {
      EXPECT_TRUE(Json::is_line(in.body.text.substr(0, in.body.text.find('\n')))) << in.body.text;
      EXPECT_EQ(in.body.text.find('\n'), in.body.text.size() - 1);
    }
    return in;
  }
  std::string id_of(size_t n) {
    const std::string text = list();
    const std::string user = n == 0 ? "\"user\":\"alice\"" : "\"user\":\"bob\"";
    const size_t at = text.rfind("{\"id\":\"", text.find(user));
    return text.substr(at + 7, 36);
  }
  std::unique_ptr<TestClient> admin;
};
INSTANTIATE_TEST_SUITE_P(One, AdminRoutes, testing::Values(Pair{true, false}), pair_name);

TEST_P(AdminRoutes, HealthAndReadiness) {
  begin_admin();
  open_stream("alice");
  EXPECT_EQ(ask("GET", "/healthz").body.text, "{\"status\":\"ok\"}\n");
  EXPECT_EQ(ask("GET", "/ready").body.text, "{\"status\":\"ready\"}\n");
  proxy->drain(60'000, [] {});
  loop.run();
  const Incoming& in = ask("GET", "/ready");
  EXPECT_EQ(in.status, 503);
  EXPECT_EQ(in.body.text, "{\"status\":\"draining\"}\n");
  EXPECT_EQ(ask("GET", "/healthz").status, 200);
}

TEST_P(AdminRoutes, Metrics) {
  begin_admin();
  open_stream("alice");
  const Incoming& in = ask("GET", "/metrics");
  EXPECT_EQ(in.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const std::string text = in.body.text;
  EXPECT_NE(text.find("\n# TYPE cardea_requests_total counter\ncardea_requests_total 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\n# TYPE cardea_requests_active gauge\ncardea_requests_active 1\n"), std::string::npos) << text;
  EXPECT_EQ(text, metrics_text(*proxy)) << "as on metrics_address";
}

TEST_P(AdminRoutes, Configuration) {
  begin_admin();
  const std::string text = ask("GET", "/config").body.text;
  EXPECT_NE(text.find("\"generation\":1,"), std::string::npos) << text;
  EXPECT_NE(text.find("\"routes\":[\"events\"]"), std::string::npos) << text;
  EXPECT_EQ(text.find("keys"), std::string::npos) << text;
  EXPECT_NE(text.find("\"generations\":[{\"generation\":1,\"exchanges\":0}]}"), std::string::npos) << text;
  apply(users("alice"));
  EXPECT_NE(ask("GET", "/config").body.text.find("\"generation\":2,"), std::string::npos)
      << "and the same connection goes on";
}

TEST_P(AdminRoutes, GenerationsThatLive) {
  begin_admin();
  auto generations = [&] {
    const std::string text = ask("GET", "/config").body.text;
    const size_t at = text.find("\"generations\":");
    return at == std::string::npos ? text : text.substr(at + 14, text.size() - at - 16);
  };
  std::weak_ptr<const config::Snapshot> first = proxy->snapshot();
  open_stream("alice");
  open_stream("bob");
  apply(users("alice, bob"));
  std::weak_ptr<const config::Snapshot> second = proxy->snapshot();
  EXPECT_EQ(generations(), "[{\"generation\":1,\"exchanges\":2},{\"generation\":2,\"exchanges\":0}]");
  const size_t late = open_stream("alice");
  apply(users("alice, bob"));
  EXPECT_EQ(
      generations(),
      "[{\"generation\":1,\"exchanges\":2},{\"generation\":2,\"exchanges\":1},{\"generation\":3,\"exchanges\":0}]");
  service->end(*upstream[0]);
  loop.run();
  EXPECT_FALSE(first.expired()) << "bob's still goes by it";
  service->end(*upstream[1]);
  loop.run();
  EXPECT_TRUE(first.expired()) << "its last exchange is over";
  EXPECT_EQ(generations(), "[{\"generation\":2,\"exchanges\":1},{\"generation\":3,\"exchanges\":0}]");
  EXPECT_FALSE(second.expired());
  service->end(*upstream[late]);
  loop.run();
  EXPECT_TRUE(second.expired());
  EXPECT_EQ(generations(), "[{\"generation\":3,\"exchanges\":0}]");
}

TEST_P(AdminRoutes, Clusters) {
  begin_admin();
  open_stream("alice");
  const std::string text = ask("GET", "/clusters").body.text;
  EXPECT_EQ(text, list_clusters(*proxy) + "\n");
  EXPECT_NE(text.find("{\"clusters\":[{\"name\":\"events\","), std::string::npos) << text;
  EXPECT_NE(text.find("\"requests\":1,"), std::string::npos) << text;
  EXPECT_NE(text.find("{\"address\":\"10.0.0.1:80\",\"weight\":1,"), std::string::npos) << text;
  EXPECT_EQ(ask("POST", "/clusters").status, 405);
}

TEST_P(AdminRoutes, ListingAndEnding) {
  begin_admin();
  EXPECT_EQ(ask("GET", "/exchanges").body.text, "{\"exchanges\":[],\"count\":0}\n");
  const size_t alice = open_stream("alice"), bob = open_stream("bob");
  EXPECT_EQ(ask("GET", "/exchanges").body.text, list() + "\n");
  const std::string id = id_of(1);
  EXPECT_EQ(ask("DELETE", "/exchanges/" + id + "x").status, 404);
  EXPECT_EQ(ask("DELETE", "/exchanges/").status, 404) << "not everything";
  expect_lives(bob);
  EXPECT_EQ(ask("DELETE", "/exchanges/" + id).body.text, "{\"ended\":1}\n");
  expect_cut(bob);
  expect_lives(alice);
  EXPECT_NE(hooks->records[0].find("\"ended_by\":\"admin\""), std::string::npos) << hooks->records[0];
  EXPECT_EQ(ask("DELETE", "/exchanges/" + id).status, 404);
  EXPECT_EQ(ask("GET", "/exchanges/" + id).status, 405);
}

TEST_P(AdminRoutes, Reauthorizing) {
  begin_admin();
  const size_t alice = open_stream("alice");
  open_stream("bob");
  const uint64_t before = counter("judgements_total");
  EXPECT_EQ(ask("POST", "/reauthorize", "{\"user\":\"alice\"}").status, 202);
  EXPECT_EQ(counter("judgements_total"), before + 1);
  EXPECT_EQ(ask("POST", "/reauthorize").status, 202);
  EXPECT_EQ(counter("judgements_total"), before + 3);
  const Incoming& in = ask("POST", "/reauthorize", "{\"user\":5}");
  EXPECT_EQ(in.status, 400);
  EXPECT_EQ(in.body.text, "{\"error\":\"user: must be a text\"}\n");
  EXPECT_EQ(counter("judgements_total"), before + 3);
  expect_lives(alice);
}

TEST_P(AdminRoutes, Revoking) {
  begin_admin();
  const size_t alice = open_stream("alice"), bob = open_stream("bob");
  for (const char* body : {"", "{}", "{\"user\":null}", "{\"user\":\"bob\",\"until\":\"soon\"}", "[\"bob\"]"}) {
    EXPECT_EQ(ask("POST", "/revoke", body).status, 400) << body;
  }
  expect_lives(bob);
  EXPECT_EQ(ask("POST", "/revoke", "{\"user\":\"bob\"}").status, 202);
  expect_cut(bob);
  expect_lives(alice);
  EXPECT_NE(hooks->records[0].find("\"ended_by\":\"admin\""), std::string::npos) << hooks->records[0];
  const size_t n = client->get("/again", bearer(token("bob")));
  EXPECT_EQ(client->status(n), 403);
}

TEST_P(AdminRoutes, DryRuns) {
  begin_admin();
  const size_t alice = open_stream("alice"), bob = open_stream("bob");
  const std::string ends = ask("POST", "/policy/dry-run", users("alice")).body.text;
  EXPECT_EQ(ends, "{\"would_end\":[{\"id\":\"" + id_of(1) +
                      "\",\"route\":\"events\",\"user\":\"bob\"}],\"would_ask_host\":[],\"judged\":2}\n");
  EXPECT_EQ(ask("POST", "/policy/dry-run", users("alice, bob, carol")).body.text,
            "{\"would_end\":[],\"would_ask_host\":[],\"judged\":2}\n");
  EXPECT_EQ(proxy->snapshot()->generation, 1u);
  for (const std::string& bad : {std::string(), users("alice") + "nonsense: 1\n", users("alice") + "routes: [\n",
                                 guarded("policy: {allow: {or: [{usr: alice}]}}", global())}) {
    const Incoming& in = ask("POST", "/policy/dry-run", bad);
    EXPECT_EQ(in.status, 422) << bad;
    EXPECT_NE(in.body.text.find("{\"error\":\"body"), std::string::npos) << in.body.text;
  }
  const Incoming& in = ask("POST", "/policy/dry-run", "address: 127.0.0.1:0\ninsecure_server: true\nroutez: []\n");
  EXPECT_NE(in.body.text.find("body:3:1: routez: "), std::string::npos) << in.body.text;
  expect_lives(alice);
  expect_lives(bob);
}

TEST_P(AdminRoutes, ItFollowsTheConfiguration) {
  begin_admin();
  apply(guarded("allowed_users: [alice]"));
  EXPECT_TRUE(admin->closed());
  EXPECT_FALSE(network.dial("127.0.0.1:9901"));
  apply(guarded("allowed_users: [alice]", "admin_address: 127.0.0.1:9902"));
  auto peer = network.dial("127.0.0.1:9902", "127.0.0.1:50000");
  ASSERT_TRUE(peer);
  admin = std::make_unique<TestClient>(loop, peer, false);
  EXPECT_EQ(ask("GET", "/healthz").status, 200);
}

TEST_P(AdminRoutes, AnAnswerThatComesAfterTheWorkerWent) {
  begin_admin();
  open_stream("alice");
  admin->peer->send("GET /exchanges HTTP/1.1\r\nHost: localhost\r\n\r\n");
  stop();
  EXPECT_TRUE(admin->peer->closed);
}

}  // namespace
}  // namespace cardea::test
