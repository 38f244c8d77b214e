// The identity of configurations: no loop, no network.
#include <gtest/gtest.h>

#include "cluster/cluster.h"

namespace cardea::cluster {
namespace {

using Scheme = EndpointConfig::Scheme;

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
      {"priority", [](ClusterConfig& c) { c.endpoints[0].priority = 1; }},
      {"srv", [](ClusterConfig& c) { c.endpoints[0].srv = true; }},
      {"endpoints_file", [](ClusterConfig& c) { c.endpoints_file = "/f"; }},
      {"tcp", [](ClusterConfig& c) { c.tcp = true; }},
      {"algorithm", [](ClusterConfig& c) { c.balance.algorithm = "other"; }},
      {"choice_count", [](ClusterConfig& c) { c.balance.least_request.choice_count = 9; }},
      {"active_request_bias", [](ClusterConfig& c) { c.balance.least_request.active_request_bias = 9; }},
      {"minimum_ring_size", [](ClusterConfig& c) { c.balance.ring_hash.minimum_ring_size = 9; }},
      {"maximum_ring_size", [](ClusterConfig& c) { c.balance.ring_hash.maximum_ring_size = 9; }},
      {"hash_function",
       [](ClusterConfig& c) {
         c.balance.ring_hash.hash_function = balance::Options::RingHash::Function::murmur_hash_2;
       }},
      {"table_size", [](ClusterConfig& c) { c.balance.maglev.table_size = 7; }},
      {"slow start", [](ClusterConfig& c) { c.balance.slow_start.window = 1; }},
      {"aggression", [](ClusterConfig& c) { c.balance.slow_start.aggression = 2; }},
      {"min_weight_percent", [](ClusterConfig& c) { c.balance.slow_start.min_weight_percent = 1; }},
      {"healthy_panic_threshold", [](ClusterConfig& c) { c.balance.healthy_panic_threshold = 1; }},
      {"overprovisioning_factor", [](ClusterConfig& c) { c.balance.overprovisioning_factor = 100; }},
      {"health_checks", [](ClusterConfig& c) { c.health_checks.emplace_back(); }},
      {"outlier_detection", [](ClusterConfig& c) { c.outlier_detection.emplace(); }},
      {"close_connections", [](ClusterConfig& c) { c.close_connections_on_health_failure = true; }},
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
      {"max_connections", [](ClusterConfig& c) { c.thresholds.max_connections = 1; }},
      {"max_pending_requests", [](ClusterConfig& c) { c.thresholds.max_pending_requests = 1; }},
      {"max_requests", [](ClusterConfig& c) { c.thresholds.max_requests = 1; }},
      {"max_retries", [](ClusterConfig& c) { c.thresholds.max_retries = 1; }},
      {"budget_percent", [](ClusterConfig& c) { c.thresholds.budget_percent = 1; }},
      {"min_retry_concurrency", [](ClusterConfig& c) { c.thresholds.min_retry_concurrency = 1; }},
      {"per_endpoint", [](ClusterConfig& c) { c.per_endpoint.max_connections = 1; }},
      {"pool_per_user", [](ClusterConfig& c) { c.pool_per_user = true; }},
      {"preconnect_ratio", [](ClusterConfig& c) { c.preconnect_ratio = 2; }},
      {"pending_timeout", [](ClusterConfig& c) { c.pending_timeout = 1; }},
      {"max_requests_per_connection", [](ClusterConfig& c) { c.max_requests_per_connection = 1; }},
      {"max_connection_duration", [](ClusterConfig& c) { c.max_connection_duration = 1; }},
      {"keepalive_interval", [](ClusterConfig& c) { c.keepalive_interval = 1; }},
      {"keepalive_timeout", [](ClusterConfig& c) { c.keepalive_timeout = 1; }},
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
