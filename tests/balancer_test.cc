// Balancing and the identity of configurations: no loop, no network.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "cluster/cluster.h"

namespace cardea::cluster {
namespace {

using Scheme = EndpointConfig::Scheme;

// ---- balancer ---------------------------------------------------------------------------------------

std::vector<EndpointPtr> weighted(const std::vector<uint32_t>& weights) {
  std::vector<EndpointPtr> all;
  for (uint32_t w : weights) {
    all.push_back(std::make_shared<Endpoint>());
    all.back()->weight = w;
  }
  return all;
}

TEST(Balancer, EveryWindowIsExactAndEvenlySpread) {
  const std::vector<std::vector<uint32_t>> rows = {{1},          {1, 1},   {7, 7, 7}, {5, 1, 1},        {3, 2},
                                                   {1, 2, 3, 4}, {100, 1}, {0, 1, 2}, {13, 7, 1, 1, 29}};
  for (const auto& weights : rows) {
    SCOPED_TRACE(testing::PrintToString(weights));
    auto all = weighted(weights);
    auto balancer = make_balancer("round_robin");
    balancer->set(all);
    size_t sum = 0;
    for (uint32_t w : weights) sum += w;
    std::vector<size_t> picks;
    for (size_t i = 0; i < 4 * sum; ++i) {
      EndpointPtr e = balancer->pick(nullptr);
      picks.push_back(size_t(std::find(all.begin(), all.end(), e) - all.begin()));
    }
    for (size_t start = 0; start + sum <= picks.size(); ++start) {
      std::vector<uint32_t> seen(weights.size());
      for (size_t i = start; i < start + sum; ++i) ++seen[picks[i]];
      ASSERT_EQ(seen, weights) << "window at " << start;
    }
    std::vector<double> count(weights.size());
    for (size_t i = 0; i < sum; ++i) {
      ++count[picks[i]];
      for (size_t e = 0; e < weights.size(); ++e) {
        ASSERT_LE(std::abs(count[e] - double(i + 1) * weights[e] / double(sum)), 1.5) << "after " << i + 1;
      }
    }
  }
}

TEST(Balancer, AvoidedEndpointLosesNoShare) {
  for (const std::vector<uint32_t>& weights : {std::vector<uint32_t>{1, 1, 1}, {5, 1, 1}, {1, 2, 3, 4}}) {
    SCOPED_TRACE(testing::PrintToString(weights));
    auto all = weighted(weights);
    auto balancer = make_balancer("round_robin");
    balancer->set(all);
    std::map<Endpoint*, int> count;
    size_t sum = 0;
    for (uint32_t w : weights) sum += w;
    for (size_t i = 0; i < 100 * sum; ++i) {
      const Endpoint* avoid = i % 5 == 0 ? all[i / 5 % all.size()].get() : nullptr;
      EndpointPtr e = balancer->pick(avoid);
      ASSERT_NE(e.get(), avoid);
      ++count[e.get()];
    }
    for (size_t i = 0; i < all.size(); ++i) EXPECT_NEAR(count[all[i].get()], 100.0 * weights[i], 3.0);
  }
}

TEST(Balancer, EdgesAndNames) {
  auto balancer = make_balancer("round_robin");
  EXPECT_EQ(balancer->pick(nullptr), nullptr);
  auto one = weighted({1});
  balancer->set(one);
  EXPECT_EQ(balancer->pick(one[0].get()), one[0]);  // no other exists
  auto heavy = weighted({9, 1});
  balancer->set(heavy);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(balancer->pick(heavy[0].get()), heavy[1]);
  balancer->set(weighted({0, 0}));
  EXPECT_EQ(balancer->pick(nullptr), nullptr);
  balancer->set({});
  EXPECT_EQ(balancer->pick(nullptr), nullptr);
  EXPECT_TRUE(known_balancer("round_robin"));
  EXPECT_FALSE(known_balancer("round"));
  EXPECT_EQ(make_balancer("maglev"), nullptr);
}

// ---- identity ---------------------------------------------------------------------------------------

TEST(ClusterConfig, SameComparesEverythingButNameAndPointer) {
  ClusterConfig base;
  base.endpoints = {{.host = "a.example", .port = 80, .authority = "a.example"}};
  struct Row {
    const char* name;
    void (*change)(ClusterConfig&);
  };
  const Row different[] = {
      {"scheme", [](ClusterConfig& c) { c.endpoints[0].scheme = Scheme::https; }},
      {"host", [](ClusterConfig& c) { c.endpoints[0].host = "b.example"; }},
      {"port", [](ClusterConfig& c) { c.endpoints[0].port = 81; }},
      {"unix", [](ClusterConfig& c) { c.endpoints[0].unix_socket = true; }},
      {"weight", [](ClusterConfig& c) { c.endpoints[0].weight = 2; }},
      {"authority", [](ClusterConfig& c) { c.endpoints[0].authority = "x"; }},
      {"endpoints", [](ClusterConfig& c) { c.endpoints.push_back(c.endpoints[0]); }},
      {"lb_policy", [](ClusterConfig& c) { c.lb_policy = "other"; }},
      {"connect_timeout", [](ClusterConfig& c) { c.connect_timeout = 1; }},
      {"idle_timeout", [](ClusterConfig& c) { c.idle_timeout = 1; }},
      {"dns_family", [](ClusterConfig& c) { c.dns_family = net::Family::v6_only; }},
      {"dns servers", [](ClusterConfig& c) { c.dns.servers = {"1.1.1.1:53"}; }},
      {"dns query_timeout", [](ClusterConfig& c) { c.dns.query_timeout = 1; }},
      {"dns tries", [](ClusterConfig& c) { c.dns.tries = 9; }},
      {"dns use_tcp", [](ClusterConfig& c) { c.dns.use_tcp = true; }},
      {"dns udp_max_queries", [](ClusterConfig& c) { c.dns.udp_max_queries = 1; }},
      {"dns max_addresses", [](ClusterConfig& c) { c.dns.max_addresses = 1; }},
      {"dns_refresh", [](ClusterConfig& c) { c.dns_refresh = 1; }},
      {"dns_failure_refresh", [](ClusterConfig& c) { c.dns_failure_refresh = 1; }},
      {"tls verify", [](ClusterConfig& c) { c.tls_options.verify = false; }},
      {"tls ca",
       [](ClusterConfig& c) {
         c.tls_options.ca = {{"pem", "ca"}};
       }},
      {"tls extra_ca",
       [](ClusterConfig& c) {
         c.tls_options.extra_ca = {{"pem", "ca"}};
       }},
      {"tls certificate", [](ClusterConfig& c) { c.tls_options.certificate.emplace(); }},
      {"tls alpn", [](ClusterConfig& c) { c.tls_options.alpn = {"h2"}; }},
      {"tls_server_name", [](ClusterConfig& c) { c.tls_server_name = "n"; }},
      {"limits head", [](ClusterConfig& c) { c.limits.max_head_bytes = 1; }},
      {"limits streams", [](ClusterConfig& c) { c.limits.max_concurrent_streams = 1; }},
      {"limits buffer", [](ClusterConfig& c) { c.limits.buffer_limit = 1; }},
      {"max_connections", [](ClusterConfig& c) { c.max_connections = 1; }},
      {"max_pending", [](ClusterConfig& c) { c.max_pending = 1; }},
  };
  for (const Row& row : different) {
    ClusterConfig other = base;
    row.change(other);
    EXPECT_FALSE(base.same(other)) << row.name;
    EXPECT_FALSE(other.same(base)) << row.name;
    EXPECT_TRUE(other.same(other)) << row.name;
  }
  ClusterConfig other = base;
  other.name = "another route";
  class NoContext final : public tls::ClientContext {
    std::unique_ptr<net::Stream> wrap(net::Loop&, std::unique_ptr<net::Stream> plain,
                                      const std::string&) const override {
      return plain;
    }
  };
  other.tls = std::make_shared<NoContext>();
  EXPECT_TRUE(base.same(other));
}

}  // namespace
}  // namespace cardea::cluster
