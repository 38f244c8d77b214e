// What a worker takes over from one configuration to the next: connections of clusters, tickets of TLS listeners.
#include "folder.h"
#include "pki.h"
#include "proxy_fixture.h"
#include "tls_peer.h"

namespace cardea::test {
namespace {

class Reuse : public PairTest {
 protected:
  // The upstream connection that a request for this host takes.
  TestService::Connection* ask(TestService& at, const std::string& host) {
    const size_t n = client->request({.path = "/" + host, .host = host});
    auto& r = at.expect("GET", "/" + host);
    at.respond(r, 200, "");
    EXPECT_EQ(client->status(n), 200);
    return r.connection;
  }
};
INSTANTIATE_TEST_SUITE_P(Pairs, Reuse, testing::ValuesIn(kPairs), pair_name);

TEST_P(Reuse, ApplyIsADiff) {
  const std::string a = route(to("10.0.0.1:80"));
  const std::string b = route(to("10.0.0.1:80"), "policy: {deny: {or: [{accept: true}]}}", "https://b.example");
  const std::string open_b = route(to("10.0.0.1:80"), "", "https://b.example");
  const std::string c = route(to("10.0.0.1:80"), "connect_timeout: 1s", "https://c.example");
  begin_with(file(a + open_b + c));
  auto* shared = ask(*service, "a.example");
  EXPECT_EQ(ask(*service, "b.example"), shared);
  auto* own = ask(*service, "c.example");
  EXPECT_NE(own, shared);
  // Another order, another header, another time: connections stay.
  apply(file(c + open_b + a, "set_response_headers: {X-New: \"1\"}\ntimeout_read: 1s"));
  EXPECT_EQ(ask(*service, "c.example"), own);
  EXPECT_EQ(ask(*service, "b.example"), shared);
  EXPECT_EQ(ask(*service, "a.example"), shared);
  // A kept connection says nothing about who may use it.
  apply(file(a + b + c));
  EXPECT_EQ(ask(*service, "a.example"), shared);
  const size_t denied = client->request({.path = "/b", .host = "b.example"});
  EXPECT_EQ(client->status(denied), 403);
  // Another timeout makes another cluster, except where the route has its own.
  apply(file(a + c, "connect_timeout: 2s"));
  auto* other = ask(*service, "a.example");
  EXPECT_NE(other, shared);
  EXPECT_NE(other, own);
  EXPECT_EQ(ask(*service, "c.example"), own);
  EXPECT_EQ(service->connections(), 3u);
  EXPECT_EQ(service->open(), 2u) << "the old cluster took its connection along";
}

TEST_P(Reuse, AddressesDoNotCareAboutDns) {
  network.answer("name.example", {"10.0.0.2"});
  auto named = serve("10.0.0.2:80", up_h2());
  const std::string routes = route(to("10.0.0.1")) + route(to("name.example"), "", "https://b.example");
  begin_with(file(routes));
  auto* by_address = ask(*service, "a.example");
  auto* by_name = ask(*named, "b.example");
  apply(file(routes, "dns_use_tcp: true"));
  EXPECT_EQ(ask(*service, "a.example"), by_address);
  EXPECT_NE(ask(*named, "b.example"), by_name);
  EXPECT_TRUE(network.resolvers.back().use_tcp);
  stop();
}

// ---- TLS --------------------------------------------------------------------------------------------

// The test's end of a connection in memory as a stream, for OpenSSL to speak on.
class PeerStream final : public net::Stream {
 public:
  explicit PeerStream(std::shared_ptr<net::FakePeer> peer) : peer_(std::move(peer)) {
    peer_->on_change = [this](net::FakePeer&) { deliver(); };
  }
  ~PeerStream() override { peer_->on_change = nullptr; }

  void set_events(net::StreamEvents* events) override { events_ = events; }
  void start_read(size_t) override {}
  void stop_read() override {}
  void write(const net::Slice* slices, size_t count) override {
    for (size_t i = 0; i < count; ++i) peer_->send({slices[i].data, slices[i].size});
  }
  size_t queued() const override { return 0; }
  void shutdown() override { peer_->send_eof(); }
  void set_reset_on_close() override {}
  const net::Address& peer() const override { return nowhere_; }
  const net::Address& local() const override { return nowhere_; }

 private:
  void deliver() {
    std::string bytes = peer_->take();
    if (!bytes.empty()) events_->on_data(bytes.data(), bytes.size());
  }

  std::shared_ptr<net::FakePeer> peer_;
  const net::Address nowhere_;
  net::StreamEvents* events_ = nullptr;
};

class ReuseTls : public testing::Test, protected ProxyFixture {
 protected:
  // A client that has shaken hands, or resumed a session of another one.
  std::unique_ptr<Raw> shake_hands(SSL_SESSION* session = nullptr) {
    auto raw = std::make_unique<Raw>(false, loop);
    SSL* ssl = raw->prepare();
    if (session) SSL_set_session(ssl, session);
    raw->take(std::make_unique<PeerStream>(dial()));
    loop.run();
    EXPECT_TRUE(raw->open()) << raw->reason;
    return raw;
  }
  void TearDown() override { stop(); }

  Folder folder_;
  pki::Authority ca_;
};

TEST_F(ReuseTls, TicketsLastAsLongAsTheCertificates) {
  const auto write = [&](const std::string& name) {
    pki::IssueOptions options;
    options.common_name = name;
    const pki::Leaf leaf = ca_.issue({"a.example"}, pki::ecdsa, options);
    folder_.write("c.pem", leaf.certificate);
    folder_.write("k.pem", leaf.key);
  };
  write("first");
  const std::string text = "address: 127.0.0.1:0\ncertificate_file: " + folder_.path() +
                           "/c.pem\ncertificate_key_file: " + folder_.path() + "/k.pem\n";
  const std::string routes = "routes:\n" + route("http://10.0.0.1");
  start(text + routes);
  auto first = shake_hands();
  EXPECT_EQ(first->peer_name(), "first");
  ASSERT_TRUE(first->session);
  apply(text + "set_response_headers: {X-New: \"1\"}\ntimeout_read: 1s\n" + routes);
  auto again = shake_hands(first->session);
  EXPECT_TRUE(SSL_session_reused(again->ssl));
  // The same name with other content is another certificate.
  write("renewed");
  apply(text + routes);
  auto renewed = shake_hands(first->session);
  EXPECT_FALSE(SSL_session_reused(renewed->ssl));
  EXPECT_EQ(renewed->peer_name(), "renewed");
}

TEST_F(ReuseTls, ConnectionsLastAsLongAsTheTrustInThem) {
  const std::string ca = folder_.write("ca.pem", ca_.certificate());
  const std::string lines = "tls_custom_ca_file: " + ca;
  std::vector<std::unique_ptr<Raw>> services;
  network.serve("10.0.0.1:443").on_connect = [&](std::shared_ptr<net::FakePeer> peer) {
    auto& raw = services.emplace_back(std::make_unique<Raw>(true, loop));
    raw->use(ca_.issue({"10.0.0.1"}));
    raw->take(std::make_unique<PeerStream>(std::move(peer)));
  };
  start(file(route("https://10.0.0.1", lines)));
  auto client = connect(false);
  const auto ask = [&](const std::string& path, size_t connection) {
    const size_t n = client->get(path);
    ASSERT_EQ(services.size(), connection + 1) << path;
    Raw& service = *services[connection];
    EXPECT_NE(service.received.find("GET " + path + " "), std::string::npos) << path;
    service.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(client->status(n), 200);
  };
  ask("/first", 0);
  apply(file(route("https://10.0.0.1", lines), "set_response_headers: {X-New: \"1\"}"));
  ask("/second", 0);
  apply(file(route("https://10.0.0.1", lines), "connect_timeout: 2s"));
  ask("/third", 1);
  // The same name with other content is other trust.
  folder_.write("ca.pem", pki::Authority("Other Root").certificate());
  apply(file(route("https://10.0.0.1", lines), "connect_timeout: 2s"));
  const size_t n = client->get("/fourth");
  EXPECT_EQ(client->status(n), 502);
  ASSERT_EQ(services.size(), 3u);
  EXPECT_EQ(services[2]->received, "");
  EXPECT_EQ(services[1]->received.find("/fourth"), std::string::npos);
  stop();
}

}  // namespace
}  // namespace cardea::test
