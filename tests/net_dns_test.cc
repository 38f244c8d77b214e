// Names: families, transports, retries, bounds, and lookups that nobody waits for any more.
#include "dns_server.h"
#include "uv_net.h"

namespace cardea::net {
namespace {

class Dns : public UvNet {
 protected:
  void open(ResolverOptions options = {}) {
    server.start();
    if (options.servers.empty()) options.servers = {server.address};
    auto made = network->resolver(options);
    ASSERT_TRUE(made) << made.error().message;
    resolver = std::move(*made);
  }
  void resolve(Resolution& r, const std::string& name, Family family) {
    r.resolving = resolver->resolve(name, family, r);
    EXPECT_EQ(r.calls, 0);
    ASSERT_TRUE(spin([&] { return r.calls > 0; })) << name;
  }
  DnsServer server;
  std::unique_ptr<Resolver> resolver;
};

TEST_F(Dns, AnswersByFamily) {
  server.names["both.test"].v4 = {"10.0.0.1", "10.0.0.2"};
  server.names["both.test"].v6 = {"2001:db8::1"};
  server.names["four.test"].v4 = {"10.0.0.4"};
  server.names["six.test"].v6 = {"2001:db8::6"};
  server.names["empty.test"];
  server.names["broken.test"].rcode = 2;
  server.names["broken6.test"].v4 = {"10.0.0.6"};
  server.names["broken6.test"].rcode6 = 2;
  server.names["alias.test"].v4 = {"10.0.0.9"};
  server.names["alias.test"].alias = "target.test";
  server.names["alias.test"].alias_ttl = 7;
  server.names["loop.test"].alias = "loop.test";
  server.names["repeated.test"].v4 = {"10.0.0.1", "10.0.0.1", "10.0.0.3"};
  server.names["instant.test"].v4 = {"10.0.0.5"};
  server.names["instant.test"].ttl = 0;
  open();
  const std::string both6 = "2001:db8::1", both4 = "10.0.0.1 10.0.0.2";
  const struct {
    const char* name;
    Family family;
    std::string text;  // empty: fails with `status`
    Millis ttl;
    int status;
  } rows[] = {
      {"both.test", Family::v4_only, both4, 300000, 0},
      {"both.test", Family::v4_preferred, both4, 300000, 0},
      {"both.test", Family::v6_only, both6, 300000, 0},
      {"both.test", Family::automatic, both6, 300000, 0},
      {"four.test", Family::automatic, "10.0.0.4", 300000, 0},
      {"four.test", Family::v6_only, "", 0, kNoData},
      {"four.test", Family::all, "10.0.0.4", 300000, 0},
      {"six.test", Family::v4_preferred, "2001:db8::6", 300000, 0},
      {"six.test", Family::v4_only, "", 0, kNoData},
      {"six.test", Family::all, "2001:db8::6", 300000, 0},
      {"empty.test", Family::v4_preferred, "", 0, kNoData},
      {"empty.test", Family::all, "", 0, kNoData},
      {"missing.test", Family::v4_only, "", 0, kNotFound},
      {"missing.test", Family::v4_preferred, "", 0, kNotFound},
      {"missing.test", Family::all, "", 0, kNotFound},
      {"broken.test", Family::v4_only, "", 0, kNoServer},
      {"broken.test", Family::automatic, "", 0, kNoServer},
      {"broken6.test", Family::automatic, "10.0.0.6", 300000, 0},
      {"broken6.test", Family::all, "10.0.0.6", 300000, 0},
      {"alias.test", Family::v4_only, "10.0.0.9", 7000, 0},
      {"loop.test", Family::v4_only, "", 0, kNoData},
      {"loop.test", Family::all, "", 0, kNoData},
      {"repeated.test", Family::v4_only, "10.0.0.1 10.0.0.3", 300000, 0},
      {"instant.test", Family::v4_only, "10.0.0.5", 0, 0},
      {"", Family::v4_only, "", 0, kBadName},
  };
  for (auto& row : rows) {
    Resolution r;
    resolve(r, row.name, row.family);
    EXPECT_EQ(r.status, row.status) << row.name << ": " << r.text;
    if (row.status == 0) {
      EXPECT_EQ(r.text, row.text) << row.name;
      EXPECT_EQ(r.ttl, row.ttl) << row.name;
    }
  }
  Resolution all;
  resolve(all, "both.test", Family::all);
  EXPECT_EQ(all.text, "2001:db8::1 10.0.0.1 10.0.0.2");
  Resolution zero;
  resolve(zero, std::string("a\0b", 3), Family::all);
  EXPECT_EQ(zero.status, kBadName);
  Resolution longest;
  resolve(longest, std::string(254, 'a'), Family::all);
  EXPECT_EQ(longest.status, kBadName);
}

TEST_F(Dns, PreferredFamilyAsksForTheOtherOnlyWhenNeeded) {
  server.names["both.test"].v4 = {"10.0.0.1"};
  server.names["both.test"].v6 = {"2001:db8::1"};
  open();
  Resolution r;
  resolve(r, "both.test", Family::v4_preferred);
  EXPECT_EQ(server.a_queries, 1);
  EXPECT_EQ(server.aaaa_queries, 0);
}

TEST_F(Dns, ManyAddressesAreBoundedAndComeOverTcp) {
  for (int i = 1; i <= 200; ++i) server.names["many.test"].v4.push_back("10.0.1." + std::to_string(i));
  server.names["many.test"].v6 = {"2001:db8::1", "2001:db8::2"};
  ResolverOptions options;
  options.max_addresses = 3;
  open(options);
  Resolution r;
  resolve(r, "many.test", Family::v4_only);
  EXPECT_EQ(r.text, "10.0.1.1 10.0.1.2 10.0.1.3");
  EXPECT_EQ(server.udp_queries, 1);
  EXPECT_EQ(server.tcp_queries, 1);
  Resolution both;  // no family is crowded out by the other
  resolve(both, "many.test", Family::all);
  EXPECT_EQ(both.text, "2001:db8::1 10.0.1.1 2001:db8::2 10.0.1.2 10.0.1.3");
}

TEST_F(Dns, ServicesOfAName) {
  using Service = DnsServer::Answer::Service;
  auto serve = [this](const char* name, std::vector<Service> services) -> DnsServer::Answer& {
    server.names[name].services = std::move(services);
    return server.names[name];
  };
  serve("_http._tcp.a.test", {{20, 0, 82, "Two.A.test"}, {10, 5, 81, "one.a.test"}, {10, 6, 80, "one.a.test"}}).ttl = 9;
  serve("alias.test", {{1, 2, 3, "x.test"}}).alias = "_http._tcp.a.test";
  server.names["alias.test"].alias_ttl = 7;
  serve("none.test", {{0, 0, 0, "."}});
  serve("port.test", {{0, 0, 0, "x.test"}, {0, 0, 1, "y.test"}});
  serve("same.test", {{2, 1, 80, "x.test"}, {1, 3, 80, "x.test"}});
  serve("names.test", {{0, 1, 1, "a b.test"}, {0, 1, 1, "a/b.test"}, {0, 1, 1, "a_b-1.test"}});
  serve("bad.test", {{0, 1, 1, "a b.test"}});
  serve("instant.test", {{0, 0, 1, "x.test"}}).ttl = 0;
  serve("past.test", {{0, 0, 1, "x.test"}}).ttl = 0x80000001;
  server.names["address.test"].v4 = {"10.0.0.1"};
  server.names["loop.test"].alias = "loop.test";
  server.names["broken.test"].rcode = 2;
  server.names["silent.test"].silent = true;
  serve("padded.test", {{0, 0, 1, "x.test"}}).padding = 2;
  for (size_t cut : {1, 6, 10, 20}) serve(("cut" + std::to_string(cut)).c_str(), {{0, 0, 1, "x.test"}}).cut = cut;
  ResolverOptions options;
  options.query_timeout = 50;
  open(options);
  const struct {
    const char* name;
    std::string text;  // empty: fails with `status`
    Millis ttl;
    int status;
  } rows[] = {
      {"_http._tcp.a.test", "10/5/one.a.test:81 10/6/one.a.test:80 20/0/two.a.test:82", 9000, 0},
      {"alias.test", "1/2/x.test:3", 7000, 0},
      {"none.test", "0/0/.:0", 300000, 0},
      {"port.test", "0/0/y.test:1", 300000, 0},
      {"same.test", "1/3/x.test:80", 300000, 0},
      {"names.test", "0/1/a_b-1.test:1", 300000, 0},
      {"bad.test", "", 0, kNoData},
      {"instant.test", "0/0/x.test:1", 0, 0},
      {"past.test", "0/0/x.test:1", 0, 0},
      {"address.test", "", 0, kNoData},
      {"loop.test", "", 0, kNoData},
      {"missing.test", "", 0, kNotFound},
      {"broken.test", "", 0, kNoServer},
      {"silent.test", "", 0, kTimeout},
      {"padded.test", "", 0, kBadAnswer},
      {"cut1", "", 0, kBadAnswer},
      {"cut6", "", 0, kBadAnswer},
      {"cut10", "", 0, kBadAnswer},
      {"cut20", "", 0, kBadAnswer},
      {"", "", 0, kBadName},
      {"some.localhost", "", 0, kNotFound},
  };
  for (auto& row : rows) {
    SrvResolution r;
    r.resolving = resolver->resolve_srv(row.name, r);
    EXPECT_EQ(r.calls, 0);
    ASSERT_TRUE(spin([&] { return r.calls > 0; })) << row.name;
    EXPECT_EQ(r.status, row.status) << row.name << ": " << r.text;
    if (row.status != 0) continue;
    EXPECT_EQ(r.text, row.text) << row.name;
    EXPECT_EQ(r.ttl, row.ttl) << row.name;
  }
}

TEST_F(Dns, ManyServicesAreBoundedByPriority) {
  for (unsigned i = 0; i < 1000; ++i) {
    server.names["many.test"].services.push_back({1000 - i, 1, 80, "t" + std::to_string(i) + ".test"});
  }
  ResolverOptions options;
  options.max_addresses = 2;
  open(options);
  SrvResolution r;
  r.resolving = resolver->resolve_srv("many.test", r);
  ASSERT_TRUE(spin([&] { return r.calls > 0; }));
  EXPECT_EQ(r.text, "1/1/t999.test:80 2/1/t998.test:80");
  EXPECT_EQ(server.tcp_queries, 1);
}

TEST_F(Dns, ServiceLookupsEndSilentlyOrWithTheirResolver) {
  server.names["a.test"].services = {{0, 0, 1, "x.test"}};
  server.names["silent.test"].silent = true;
  open();
  SrvResolution cancelled, dropped, kept, waits;
  cancelled.resolving = resolver->resolve_srv("a.test", cancelled);
  dropped.resolving = resolver->resolve_srv("some.localhost", dropped);  // answered already, not told yet
  kept.resolving = resolver->resolve_srv("a.test", kept);
  waits.resolving = resolver->resolve_srv("silent.test", waits);
  cancelled.resolving.reset();
  dropped.resolving.reset();
  ASSERT_TRUE(spin([&] { return kept.calls == 1; }));
  EXPECT_EQ(kept.text, "0/0/x.test:1");
  resolver.reset();
  ASSERT_TRUE(spin([&] { return waits.calls == 1; }));
  EXPECT_EQ(waits.status, kDestroyed);
  EXPECT_EQ(cancelled.calls + dropped.calls, 0);
}

TEST_F(Dns, UsesTcpWhenTold) {
  server.names["a.test"].v4 = {"10.0.0.1"};
  ResolverOptions options;
  options.servers = {"tcp://" + server.address};
  open(options);
  Resolution r;
  resolve(r, "a.test", Family::v4_only);
  EXPECT_EQ(r.text, "10.0.0.1");
  EXPECT_EQ(server.udp_queries, 0);
  EXPECT_EQ(server.tcp_queries, 1);
}

TEST_F(Dns, SilenceEndsAfterTheTriesAndIsNotAbsence) {
  server.names["silent.test"].silent = true;
  ResolverOptions options;
  options.query_timeout = 20;
  options.tries = 2;
  open(options);
  Resolution r;
  resolve(r, "silent.test", Family::v4_preferred);
  EXPECT_EQ(r.status, kTimeout);
  EXPECT_EQ(server.udp_queries, 2);
}

TEST_F(Dns, NoServerIsAFailure) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof in;
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&in), size), 0);
  getsockname(fd, reinterpret_cast<sockaddr*>(&in), &size);
  close(fd);
  ResolverOptions options;
  options.servers = {Address::from(reinterpret_cast<sockaddr*>(&in), size).text()};
  options.query_timeout = 100;
  open(options);
  Resolution r;
  resolve(r, "a.test", Family::v4_only);
  EXPECT_NE(r.status, 0);
}

TEST_F(Dns, LocalhostNeedsNoServer) {
  open();
  for (const char* name : {"localhost", "LocalHost", "some.localhost", "some.LOCALHOST."}) {
    Resolution r;
    resolve(r, name, Family::v4_only);
    EXPECT_EQ(r.text, "127.0.0.1") << name;
    Resolution any;
    resolve(any, name, Family::v4_preferred);
    EXPECT_EQ(any.text, "127.0.0.1") << name;
  }
  Resolution six;
  resolve(six, "six.localhost", Family::v6_only);
  EXPECT_EQ(six.text, "::1");
  EXPECT_EQ(server.udp_queries, 0);
  Resolution other;
  resolve(other, "notlocalhost", Family::v4_only);
  EXPECT_EQ(other.status, kNotFound);
  EXPECT_GT(server.udp_queries, 0);
}

TEST_F(Dns, CancelledLookupsAreSilent) {
  server.names["a.test"].v4 = {"10.0.0.1"};
  open();
  Resolution cancelled[20], kept, local;
  for (auto& r : cancelled) r.resolving = resolver->resolve("a.test", Family::all, r);
  local.resolving = resolver->resolve("localhost", Family::all, local);  // answered already, not told yet
  kept.resolving = resolver->resolve("a.test", Family::v4_only, kept);
  for (auto& r : cancelled) r.resolving.reset();
  local.resolving.reset();
  ASSERT_TRUE(spin([&] { return kept.calls == 1; }));
  EXPECT_EQ(kept.text, "10.0.0.1");
  EXPECT_EQ(cancelled[0].calls + local.calls, 0);
}

TEST_F(Dns, DeletingTheResolverFailsItsLookupsOnce) {
  server.names["silent.test"].silent = true;
  open();
  Resolution a, b;
  a.resolving = resolver->resolve("silent.test", Family::all, a);
  b.resolving = resolver->resolve("silent.test", Family::v4_preferred, b);
  resolver.reset();
  EXPECT_EQ(a.calls + b.calls, 0);
  ASSERT_TRUE(spin([&] { return a.calls + b.calls == 2; }));
  EXPECT_EQ(a.status, kDestroyed);
  EXPECT_EQ(b.status, kDestroyed);
}

TEST_F(Dns, AResolverMayBeDeletedAndAskedInItsEvents) {
  server.names["a.test"].v4 = {"10.0.0.1"};
  open();
  struct Restless final : ResolveEvents {
    void on_resolved(Resolved) override {
      if (++answers < 5) {
        resolving = dns->resolve("a.test", Family::v4_only, *this);
      } else {
        dns.reset();
      }
    }
    void on_resolve_failed(int, const char*) override { ++failures; }
    std::unique_ptr<Resolver> dns;
    std::unique_ptr<Resolving> resolving;
    int answers = 0, failures = 0;
  } restless;
  restless.dns = std::move(resolver);
  restless.resolving = restless.dns->resolve("a.test", Family::v4_only, restless);
  ASSERT_TRUE(spin([&] { return restless.dns == nullptr; }));
  EXPECT_EQ(restless.answers, 5);
  EXPECT_EQ(restless.failures, 0);
}

TEST_F(Dns, ManyLookupsAtOnceAreBounded) {
  server.names["silent.test"].silent = true;
  open();
  std::vector<std::unique_ptr<Resolution>> all;
  for (int i = 0; i < 4097; ++i) {
    all.push_back(std::make_unique<Resolution>());
    all.back()->resolving = resolver->resolve("silent.test", Family::v4_only, *all.back());
  }
  ASSERT_TRUE(spin([&] { return all.back()->calls == 1; }));
  EXPECT_EQ(all.back()->status, kNoMemory);
  EXPECT_EQ(all.front()->calls, 0);
}

TEST_F(Dns, SocketsAreRenewedAfterSoManyQuestions) {
  server.names["silent.test"].silent = true;
  server.names["a.test"].v4 = {"10.0.0.1"};
  ResolverOptions options;
  options.udp_max_queries = 3;
  open(options);
  // One that stays unanswered keeps the first socket open.
  Resolution stuck, answers[8];
  stuck.resolving = resolver->resolve("silent.test", Family::v4_only, stuck);
  for (auto& r : answers) resolve(r, "a.test", Family::v4_only);
  for (auto& r : answers) EXPECT_EQ(r.text, "10.0.0.1");
  std::lock_guard<std::mutex> lock(server.mutex);
  ASSERT_EQ(server.ports.size(), 9u);
  EXPECT_EQ(server.ports[0], server.ports[2]);
  EXPECT_NE(server.ports[0], server.ports[3]);
}

TEST_F(Dns, ServersAreChecked) {
  const struct {
    std::vector<std::string> servers;
    bool use_tcp;
    bool good;
  } rows[] = {
      {{"1.1.1.1"}, false, true},
      {{"udp://1.1.1.1:5353", "::1"}, false, true},
      {{"tcp://[::1]:53", "1.1.1.1:53"}, false, true},
      {{"[2001:db8::1]"}, true, true},
      {{"tcp://1.1.1.1", "udp://1.1.1.1"}, false, false},
      {{"udp://1.1.1.1"}, true, false},
      {{"dns.example:53"}, false, false},
      {{"tls://1.1.1.1"}, false, false},
      {{"1.1.1.1:0"}, false, false},
      {{"unix:/x"}, false, false},
      {{":53"}, false, false},
      {{""}, false, false},
      {std::vector<std::string>(17, "1.1.1.1"), false, false},
  };
  for (auto& row : rows) {
    ResolverOptions options;
    options.servers = row.servers;
    options.use_tcp = row.use_tcp;
    auto made = network->resolver(options);
    EXPECT_EQ(bool(made), row.good) << row.servers[0];
  }
  ResolverOptions none;
  none.tries = 0;
  EXPECT_FALSE(network->resolver(none));
}

}  // namespace
}  // namespace cardea::net
