// Which endpoint a request goes to over the whole proxy: what ties requests together, pools of users, the host's
// choice.
#include <set>

#include "proxy_access.h"

namespace cardea::test {
namespace {

class ProxyAffinity : public Access {
 protected:
  static constexpr size_t kServices = 4;
  std::string all() const {
    std::string list = "[";
    for (size_t i = 0; i < kServices; ++i) {
      list += std::string(i ? ", " : "") + "\"" + to("10.0.0." + std::to_string(i + 1) + ":80") + "\"";
    }
    return list + "]";
  }
  void begin_affinity(const std::string& lines) { begin_services(file(route(all(), lines))); }
  void begin_users(const std::string& lines) {
    begin_services(
        file("- from: https://a.example\n  to: " + all() + "\n  allow_any_authenticated_user: true\n" + indent(lines),
             provider()));
  }
  void begin_services(const std::string& text) {
    start(text);
    for (size_t i = 0; i < kServices; ++i) {
      services.push_back(serve("10.0.0." + std::to_string(i + 1) + ":80", up_h2()));
    }
    client = connect(down_h2());
  }
  // The number of the service that got it, which answers. The answer is `last`.
  size_t where(TestClient& by, const Headers& headers = {}) {
    const size_t n = by.get("/x", headers);
    for (size_t i = 0; i < services.size(); ++i) {
      if (services[i]->idle()) continue;
      request = &services[i]->expect("GET", "/x");
      services[i]->respond(*request, 200, "");
      EXPECT_EQ(by.status(n), 200);
      last = by.answer(n).headers;
      return i;
    }
    ADD_FAILURE() << "it came nowhere: " << by.status(n);
    return kServices;
  }
  size_t where(const Headers& headers = {}) { return where(*client, headers); }
  void TearDown() override {
    stop();
    clients.clear();
    client.reset();
    services.clear();
  }

  std::vector<std::unique_ptr<TestService>> services;
  TestService::Request* request = nullptr;
  Headers last;
};
INSTANTIATE_TEST_SUITE_P(Pairs, ProxyAffinity, testing::ValuesIn(kPairs), pair_name);

const char* const kAlgorithms[] = {"ring_hash", "maglev"};

TEST_P(ProxyAffinity, ByHeader) {
  for (const char* algorithm : kAlgorithms) {
    SCOPED_TRACE(algorithm);
    TearDown();
    begin_affinity(std::string("load_balancing_policy: ") + algorithm +
                   "\nhash_policy: [{header: {header_name: X-Key}}]");
    std::set<size_t> seen;
    for (int key = 0; key < 40; ++key) {
      const Headers headers = {{"x-key", "key" + std::to_string(key)}};
      const size_t first = where(headers);
      seen.insert(first);
      EXPECT_EQ(where(headers), first);
      EXPECT_EQ(count(last, "set-cookie"), 0u);
    }
    EXPECT_EQ(seen.size(), kServices);
  }
}

TEST_P(ProxyAffinity, ACookieIsMadeOnceAndKept) {
  begin_affinity("load_balancing_policy: maglev\nhash_policy: [{cookie: {name: to, ttl: 1h, path: /}}]");
  std::set<size_t> seen;
  std::set<std::string> made;
  for (int i = 0; i < 40; ++i) {
    const size_t first = where();
    ASSERT_EQ(count(last, "set-cookie"), 1u);
    const std::string cookie = value(last, "set-cookie");
    EXPECT_EQ(cookie.substr(19), "; Max-Age=3600; Path=/; HttpOnly") << "not Secure without TLS";
    EXPECT_TRUE(made.insert(cookie).second) << "not made for this one: " << cookie;
    seen.insert(first);
    const Headers with = {{"cookie", "a=b; " + cookie.substr(0, 19)}};
    for (int k = 0; k < 2; ++k) {
      EXPECT_EQ(where(with), first);
      EXPECT_EQ(count(last, "set-cookie"), 0u);
    }
  }
  EXPECT_EQ(seen.size(), kServices);
}

TEST_P(ProxyAffinity, BySourceIp) {
  begin_affinity("load_balancing_policy: ring_hash\nhash_policy: [{connection_properties: {source_ip: true}}]");
  std::set<size_t> seen;
  for (int i = 1; i <= 40; ++i) {
    const std::string ip = "203.0.113." + std::to_string(i);
    TestClient one(loop, dial(0, ip + ":40000"), down_h2()), two(loop, dial(0, ip + ":40001"), down_h2());
    const size_t first = where(one);
    seen.insert(first);
    EXPECT_EQ(where(two), first) << "the port is not part of it";
  }
  EXPECT_EQ(seen.size(), kServices);
}

TEST_P(ProxyAffinity, ByIdentityAndByDefault) {
  for (const char* hash : {"", "\nhash_policy: [{identity: true}]"}) {
    SCOPED_TRACE(hash);
    TearDown();
    begin_users(std::string("load_balancing_policy: maglev") + hash);
    std::set<size_t> seen;
    for (int i = 0; i < 40; ++i) {
      const std::string user = "user" + std::to_string(i);
      TestClient one(loop, dial(0, "203.0.113.1:40000"), down_h2()), two(loop, dial(0, "198.51.100.1:1"), down_h2());
      const size_t first = where(one, bearer(token(user)));
      seen.insert(first);
      EXPECT_EQ(where(two, bearer(token(user))), first);
    }
    EXPECT_EQ(seen.size(), kServices);
  }
}

TEST_P(ProxyAffinity, ByDefaultTheAddressOfWhomNobodyKnows) {
  begin_affinity("load_balancing_policy: maglev");
  std::set<size_t> seen;
  for (int i = 1; i <= 40; ++i) {
    TestClient one(loop, dial(0, "203.0.113." + std::to_string(i) + ":40000"), down_h2());
    const size_t first = where(one);
    seen.insert(first);
    EXPECT_EQ(where(one), first);
  }
  EXPECT_EQ(seen.size(), kServices);
}

// ---- pool_per_user ----------------------------------------------------------------------------------

TEST_P(ProxyAffinity, AConnectionServesOneUser) {
  begin_users("pool_per_user: true\nload_balancing_policy: maglev");
  std::map<TestService::Connection*, std::set<std::string>> users;
  for (int i = 0; i < 24; ++i) {
    const std::string user = i % 2 ? "alice" : "bob";
    where(bearer(token(user)));
    users[request->connection].insert(user);
  }
  EXPECT_EQ(users.size(), 2u) << "each keeps its own, and uses it again";
  for (const auto& [connection, its] : users) EXPECT_EQ(its.size(), 1u);
}

// ---- the host's choice ------------------------------------------------------------------------------

class ChoosingHooks final : public proxy::Hooks {
 public:
  int on_pick(proxy::Exchange& x, const std::vector<cluster::EndpointPtr>& endpoints) override {
    asked.emplace_back(x.path());
    count = endpoints.size();
    return answer;
  }
  std::vector<std::string> asked;
  size_t count = 0;
  int answer = 0;
};

TEST_P(ProxyAffinity, TheHostChooses) {
  auto owned = std::make_unique<ChoosingHooks>();
  ChoosingHooks& host = *owned;
  auto its =
      std::make_shared<proxy::Proxy>(freeze(file(route(all(), "load_balancing_policy: host"))), std::move(owned));
  std::unique_ptr<proxy::Worker> w;
  {
    net::Loop::Turn turn(loop);
    w = std::make_unique<proxy::Worker>(its, loop, network);
    ASSERT_TRUE(w->open());
  }
  loop.run();
  for (size_t i = 0; i < kServices; ++i) {
    services.push_back(serve("10.0.0." + std::to_string(i + 1) + ":80", up_h2()));
  }
  TestClient one(loop, network.dial(w->bound_addresses().at(0).text()), down_h2());
  for (int i : {2, 0, 3, 3, 1}) {
    host.answer = i;
    EXPECT_EQ(where(one), size_t(i));
    EXPECT_EQ(host.asked.back(), "/x");
    EXPECT_EQ(host.count, kServices);
  }
  EXPECT_EQ(host.asked.size(), 5u);
  for (int none : {-1, int(kServices), -7, 1 << 30}) {
    host.answer = none;
    TestClient other(loop, network.dial(w->bound_addresses().at(0).text()), down_h2());
    other.get("/x");
    EXPECT_EQ(other.status(), 503);
  }
  w->close([] {});
  loop.run();
  w.reset();
  loop.run();
  its.reset();
}

}  // namespace
}  // namespace cardea::test
