// Requests that the host answers itself: whole, in pieces, late, never; with bodies that it reads at its leisure.
#include <thread>

#include "proxy/host_stream.h"
#include "proxy_fixture.h"

namespace cardea::test {
namespace {

using proxy::HostStream;

constexpr uint64_t kMiB = 1 << 20;
constexpr size_t kLimit = 32 * 1024;  // per_connection_buffer_limit_bytes

class ProxyServed : public testing::TestWithParam<bool>, protected ProxyFixture {
 protected:
  void begin(const std::string& lines = "", const std::string& access = "allow_public_unauthenticated_access: true") {
    const std::string text =
        file("- from: https://a.example\n  name: app\n  served_by_host: true\n  " + access + "\n" + indent(lines));
    start(freeze(text), [this](proxy::Exchange& x, uint64_t token) {
      tokens.push_back(token);
      return in_serve ? in_serve(x, *HostStream::find(token)) : true;
    });
    client = connect(GetParam());
  }
  // The request that came last, after a turn.
  std::shared_ptr<HostStream> stream() {
    loop.run();
    return tokens.empty() ? nullptr : HostStream::find(tokens.back());
  }
  // All of the body that is there now, and what read() says then.
  std::string read(HostStream& s, int& code, size_t most = 4096) {
    std::string all;
    std::vector<char> buffer(most);
    for (size_t n = 0; (code = s.read(buffer.data(), buffer.size(), n)) == 0;) {
      EXPECT_GT(n, 0u);
      all.append(buffer.data(), n);
      loop.run();
    }
    return all;
  }
  void TearDown() override {
    stop();
    client.reset();
    for (uint64_t token : tokens) EXPECT_FALSE(HostStream::find(token)) << "a token outlives its request";
  }

  std::function<bool(proxy::Exchange&, HostStream&)> in_serve;
  std::vector<uint64_t> tokens;
  std::unique_ptr<TestClient> client;
};
INSTANTIATE_TEST_SUITE_P(Downstream, ProxyServed, testing::Bool(),
                         [](const auto& info) { return std::string(info.param ? "h2" : "h1"); });

TEST_P(ProxyServed, AnswersWithinTheHook) {
  std::string seen;
  in_serve = [&](proxy::Exchange& x, HostStream& s) {
    seen = std::string(x.path()) + std::string(x.query()) + " " +
           std::string(x.head().fields.value(http::FieldId::x_request_id));
    EXPECT_EQ(s.answer(201, {{"Content-Type", "text/plain"}, {"X-Own", "1"}}, "made"), 0);
    return true;
  };
  begin("set_response_headers: {X-Added: '2'}");
  client->get("/a?b=c");
  EXPECT_EQ(client->status(), 201);
  const Incoming& in = client->answer();
  EXPECT_EQ(in.body.text, "made");
  EXPECT_EQ(in.header("content-length"), "4");
  EXPECT_EQ(in.header("x-own"), "1");
  EXPECT_EQ(in.header("x-added"), "2") << "what the route adds to any service's answer";
  EXPECT_FALSE(in.header("date").empty());
  EXPECT_EQ(seen.substr(0, 7), "/a?b=c ");
  EXPECT_GT(seen.size(), 20u) << "the request has what a service would have got";
  EXPECT_EQ(causes(), "ok");
  EXPECT_EQ(hooks->started, (std::vector<std::string>{"app"}));
  client->get("/again");
  EXPECT_EQ(client->status(1), 201) << "the connection goes on";
}

TEST_P(ProxyServed, AnswersLaterAndInPieces) {
  begin();
  client->get("/");
  auto s = stream();
  ASSERT_TRUE(s);
  EXPECT_EQ(s->begin(103, {{"Link", "</a>"}}), 0);
  EXPECT_EQ(s->begin(103, {{"Link", "</b>"}}), 0);
  loop.run();
  EXPECT_EQ(client->answer().informational, (std::vector<int>{103, 103}));
  EXPECT_EQ(s->begin(200, {{"X", "y"}}), 0);
  loop.run();
  EXPECT_TRUE(client->answer().head);
  EXPECT_EQ(s->write("one ", nullptr, nullptr), 0);
  EXPECT_EQ(s->write("two ", nullptr, nullptr), 0);
  loop.run();
  EXPECT_EQ(client->answer().body.text, "one two ");
  EXPECT_FALSE(client->answer().end);
  EXPECT_EQ(s->write("three", nullptr, nullptr), 0);
  EXPECT_EQ(s->end({{"X-Sum", "11"}}), 0);
  EXPECT_TRUE(client->answer().end);
  EXPECT_EQ(client->answer().body.text, "one two three");
  EXPECT_EQ(value(client->answer().trailers, "x-sum"), "11");
  EXPECT_EQ(s->end({}), kEstale);
  EXPECT_EQ(s->write("x", nullptr, nullptr), kEstale);
  EXPECT_EQ(causes(), "ok");
}

TEST_P(ProxyServed, ASlowClientHoldsTheHostBack) {
  begin();
  client->get("/big");
  auto s = stream();
  EXPECT_EQ(s->begin(200, {}), 0);
  client->peer->hold_writes();
  int code = 0;
  uint64_t given = 0;
  for (int i = 0; i < 1000 && code == 0; ++i) {
    code = s->write(pattern(given, 8192), nullptr, nullptr);
    given += 8192;
    loop.run();
  }
  EXPECT_EQ(code, 1);
  EXPECT_LE(given, kMiB) << "little is held";
  EXPECT_EQ(s->write("x", nullptr, nullptr), kEagain);
  EXPECT_EQ(hooks->writable, 0);
  client->peer->release_writes();
  loop.run();
  EXPECT_EQ(hooks->writable, 1) << "told once";
  EXPECT_EQ(client->answer().body.size, given);
  EXPECT_EQ(s->end({}), 0);
  EXPECT_TRUE(client->answer().body.is_pattern && client->answer().end);
}

// A piece may be of any size; it is given back once, when it has left or is of no use.
TEST_P(ProxyServed, ALentPieceComesBackOnce) {
  const std::string big = pattern(0, 20 * kMiB);
  int back = 0;
  const auto release = [](void* ud) { ++*static_cast<int*>(ud); };
  begin();
  client->get("/big");
  auto s = stream();
  EXPECT_EQ(s->write("early", release, &back), kEinval) << "before the head";
  EXPECT_EQ(s->begin(200, {{"Content-Length", std::to_string(big.size())}}), 0);
  EXPECT_EQ(s->write(big, release, &back), 1);
  EXPECT_EQ(s->write("more", release, &back), kEinval) << "past its length";
  EXPECT_EQ(s->end({}), 0);
  EXPECT_EQ(back, 0);
  EXPECT_TRUE(client->answer().end);
  EXPECT_TRUE(client->answer().body.is_pattern);
  EXPECT_EQ(client->answer().body.size, big.size());
  EXPECT_EQ(back, 1);

  client->get("/cut");
  s = stream();
  EXPECT_EQ(s->begin(200, {}), 0);
  client->peer->hold_writes();
  EXPECT_EQ(s->write(big, release, &back), 1);
  loop.run();
  EXPECT_EQ(back, 1);
  client->reset(1);
  EXPECT_EQ(back, 2);
  EXPECT_EQ(s->write("x", release, &back), kEstale);
  EXPECT_EQ(back, 2);
}

TEST_P(ProxyServed, ReadsTheBodyAsItComes) {
  begin();
  client->request({.method = "POST", .path = "/up", .open = true});
  auto s = stream();
  int code = 0;
  EXPECT_EQ(read(*s, code), "");
  EXPECT_EQ(code, kEagain);
  EXPECT_EQ(hooks->readable, 0);
  client->body(0, "abc");
  client->body(0, "def");
  EXPECT_EQ(hooks->readable, 1) << "news is told once until it is read";
  EXPECT_EQ(read(*s, code, 4), "abcdef");
  EXPECT_EQ(code, kEagain);
  client->end(0, {{"X-Trailer", "t"}});
  EXPECT_EQ(hooks->readable, 2);
  EXPECT_EQ(read(*s, code), "");
  EXPECT_EQ(code, 1);
  EXPECT_EQ(s->answer(200, {}, "thanks"), 0);
  EXPECT_EQ(client->status(), 200);
  client->get("/none");
  s = stream();
  EXPECT_EQ(read(*s, code), "");
  EXPECT_EQ(code, 1) << "a request without a body";
  EXPECT_EQ(hooks->readable, 2);
  EXPECT_EQ(s->answer(204, {}, ""), 0);
  EXPECT_EQ(client->status(1), 204);
}

TEST_P(ProxyServed, ABodyThatNobodyReadsStopsTheClient) {
  const uint64_t kSize = 20 * kMiB;
  begin();
  client->request(
      {.method = "PUT", .path = "/up", .headers = {{"Content-Length", std::to_string(kSize)}}, .open = true});
  auto s = stream();
  for (uint64_t at = 0; at < kSize; at += kMiB) client->body(0, pattern(at, kMiB));
  client->end(0);
  EXPECT_LE(client->taken(), kMiB);
  int code = 0;
  const std::string all = read(*s, code, 50'000);
  EXPECT_EQ(code, 1);
  EXPECT_TRUE(all == pattern(0, kSize)) << all.size();
  EXPECT_EQ(s->answer(200, {}, ""), 0);
  EXPECT_EQ(client->status(), 200);
}

TEST_P(ProxyServed, AnswersBeforeTheBodyIsThere) {
  in_serve = [&](proxy::Exchange&, HostStream& s) { return s.answer(403, {}, "no") == 0; };
  begin();
  client->request({.method = "POST",
                   .path = "/up",
                   .headers = {{"Expect", "100-continue"}, {"Content-Length", "1000000"}},
                   .open = true});
  EXPECT_EQ(client->status(), 403);
  EXPECT_TRUE(client->answer().informational.empty()) << "nobody asked for the body";
}

TEST_P(ProxyServed, AnswersToHeadHaveNoBody) {
  begin();
  client->request({.method = "HEAD", .path = "/"});
  EXPECT_EQ(stream()->answer(200, {{"Content-Length", "1234"}}, ""), 0);
  EXPECT_EQ(client->status(), 200);
  EXPECT_EQ(client->answer().header("content-length"), "1234");
  client->request({.method = "HEAD", .path = "/"});
  auto s = stream();
  EXPECT_EQ(s->begin(200, {}), 0);
  EXPECT_EQ(s->write("dropped", nullptr, nullptr), 0);
  EXPECT_EQ(s->end({}), 0);
  EXPECT_EQ(client->status(1), 200);
  client->get("/");
  EXPECT_EQ(stream()->answer(304, {{"ETag", "\"x\""}}, "dropped"), 0);
  EXPECT_EQ(client->status(2), 304);
  EXPECT_EQ(client->answer(2).body.size, 0u);
  EXPECT_EQ(causes(), "ok ok ok");
}

struct BadHead {
  const char* name;
  int status;
  proxy::FieldList fields;
};
TEST_P(ProxyServed, RefusesHeadsThatMayNotBe) {
  const BadHead rows[] = {
      {"status 99", 99, {}},
      {"status 100 is ours", 100, {}},
      {"status 101", 101, {}},
      {"status 600", 600, {}},
      {"empty name", 200, {{"", "x"}}},
      {"name with a space", 200, {{"a b", "x"}}},
      {"pseudo field", 200, {{":status", "200"}}},
      {"splitting", 200, {{"a", "x\r\nSet-Cookie: y"}}},
      {"NUL", 200, {{"a", std::string("x\0y", 3)}}},
      {"connection", 200, {{"Connection", "close"}}},
      {"transfer-encoding", 200, {{"Transfer-Encoding", "chunked"}}},
      {"upgrade", 200, {{"Upgrade", "websocket"}}},
      {"two lengths", 200, {{"Content-Length", "1"}, {"content-length", "1"}}},
      {"no number", 200, {{"Content-Length", "1x"}}},
      {"negative", 200, {{"Content-Length", "-1"}}},
      {"length with 204", 204, {{"Content-Length", "1"}}},
      {"length with 103", 103, {{"Content-Length", "1"}}},
      {"201 fields", 200, proxy::FieldList(201, {"a", "b"})},
      {"too many bytes", 200, {{"a", std::string(65'536, 'x')}}},
  };
  begin();
  client->get("/");
  auto s = stream();
  for (const BadHead& row : rows) EXPECT_EQ(s->begin(row.status, row.fields), kEinval) << row.name;
  EXPECT_EQ(s->answer(200, {{"Content-Length", "3"}}, "four"), kEinval);
  EXPECT_EQ(s->answer(103, {}, ""), kEinval);
  EXPECT_EQ(s->end({}), kEinval) << "before a head";
  EXPECT_EQ(s->begin(200, {}), 0);
  EXPECT_EQ(s->begin(200, {}), kEinval) << "a second head";
  EXPECT_EQ(s->answer(200, {}, ""), kEinval);
  for (const auto& field :
       proxy::FieldList{{"Content-Length", "1"}, {"Connection", "x"}, {"a b", "c"}, {"Authorization", "x"}}) {
    EXPECT_EQ(s->end({field}), kEinval) << field.first;
  }
  EXPECT_EQ(s->end({}), 0);
  EXPECT_TRUE(client->answer().end);
}

TEST_P(ProxyServed, TheClientSeesWhatIsNotComplete) {
  begin();
  client->get("/early");
  EXPECT_EQ(stream()->abort(), 0);
  EXPECT_EQ(client->status(), 502);
  client->get("/short");
  auto s = stream();
  EXPECT_EQ(s->begin(200, {{"Content-Length", "10"}}), 0);
  EXPECT_EQ(s->write("12345", nullptr, nullptr), 0);
  EXPECT_EQ(s->end({}), kEinval);
  EXPECT_EQ(client->status(1), 200);
  EXPECT_TRUE(client->answer(1).reset);
  EXPECT_FALSE(client->answer(1).end);
  if (GetParam()) {
    client->get("/cut");
    s = stream();
    EXPECT_EQ(s->begin(200, {}), 0);
    EXPECT_EQ(s->write("12345", nullptr, nullptr), 0);
    EXPECT_EQ(s->abort(), 0);
    EXPECT_TRUE(client->answer(2).reset);
    EXPECT_EQ(client->answer(2).body.text, "12345") << "what came before it is sent";
  }
  EXPECT_EQ(hooks->causes[0], "upstream_reset:host");
  EXPECT_EQ(hooks->causes[1], "truncated:upstream_reset:host");
}

TEST_P(ProxyServed, TheRoutesClocksGoOn) {
  begin("timeout: 5s");
  client->get("/never");
  auto s = stream();
  loop.advance(4'999);
  EXPECT_FALSE(client->answer().head);
  loop.advance(1);
  EXPECT_EQ(client->status(), 504);
  EXPECT_EQ(causes(), "upstream_timeout:response");
  EXPECT_EQ(s->answer(200, {}, "late"), kEstale);
  size_t n = 0;
  char c = 0;
  EXPECT_EQ(s->read(&c, 1, n), kEstale);
}

TEST_P(ProxyServed, AClientThatLeavesEndsIt) {
  begin();
  client->get("/");
  auto s = stream();
  EXPECT_EQ(s->begin(200, {}), 0);
  loop.run();
  client->reset(0);
  EXPECT_EQ(s->write("x", nullptr, nullptr), kEstale);
  ASSERT_EQ(hooks->causes.size(), 1u);
  EXPECT_TRUE(hooks->causes[0].starts_with("truncated:downstream_") || hooks->causes[0].starts_with("downstream_"));
}

TEST_P(ProxyServed, AHostThatCannotBeToldAnswersNothing) {
  in_serve = [](proxy::Exchange&, HostStream&) { return false; };
  begin();
  client->get("/");
  EXPECT_EQ(client->status(), 503);
  EXPECT_EQ(causes(), "no_upstream:host");
  in_serve = {};
  hooks->hears = false;
  client->request({.method = "POST", .path = "/", .open = true});
  client->body(1, "news that nobody hears");
  EXPECT_EQ(client->status(1), 502);
  EXPECT_EQ(hooks->causes[1], "upstream_reset:host_readable");
}

TEST_P(ProxyServed, NeedsAHostThatServes) {
  begin();
  auto snapshot = freeze(file("- {from: 'https://a.example', name: app, served_by_host: true}\n"), 2);
  ASSERT_TRUE(snapshot);
  proxy::Proxy other(snapshot, std::make_unique<TestHooks>());
  auto applied = other.apply(snapshot);
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().code, kEconfig);
  EXPECT_NE(applied.error().message.find("route 'app': served_by_host"), std::string::npos) << applied.error().message;
  EXPECT_FALSE(other.check_served(*snapshot));
}

TEST_P(ProxyServed, APolicyComesFirst) {
  begin("", "allowed_users: [ann]");
  client->get("/");
  EXPECT_EQ(client->status(), 401);
  EXPECT_TRUE(tokens.empty());
}

// Threads of the host answer while the loop runs: everything arrives, in order.
TEST_P(ProxyServed, ThreadsMayAnswer) {
  const uint64_t kSize = 2 * kMiB;
  begin();
  client->get("/big");
  auto s = stream();
  std::atomic<bool> over{false};
  std::thread writer([&] {
    EXPECT_EQ(s->begin(200, {}), 0);
    for (uint64_t at = 0; at < kSize;) {
      const int code = s->write(pattern(at, 4096), nullptr, nullptr);
      if (code == kEagain) {
        std::this_thread::yield();
        continue;
      }
      at += 4096;
    }
    EXPECT_EQ(s->end({}), 0);
    over = true;
  });
  while (!over) loop.run();
  writer.join();
  EXPECT_TRUE(client->answer().end);
  EXPECT_TRUE(client->answer().body.is_pattern);
  EXPECT_EQ(client->answer().body.size, kSize);
}

}  // namespace
}  // namespace cardea::test
