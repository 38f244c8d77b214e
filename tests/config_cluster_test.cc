// The configuration of clusters: balancing, health, limits, retries, affinity, endpoints; from files and by hand.
#include <gtest/gtest.h>

#include "config_cluster_fault_rows.h"
#include "config_cluster_rows.h"
#include "folder.h"

namespace cardea::config {
namespace {

using Scheme = cluster::EndpointConfig::Scheme;

void expect_rows(const ClusterRow* begin, const ClusterRow* end) {
  for (const ClusterRow* row = begin; row != end; ++row) {
    auto [s, faults] = with_route(row->lines);
    ASSERT_TRUE(s) << faults << "\n" << row->lines;
    EXPECT_TRUE(row->check(s->routes[0])) << row->lines;
  }
}
// A route's lines instead of `to`, beginning in line 5.
Loaded route_alone(const std::string& from, const std::string& lines, const std::string& base_dir = "") {
  std::string text;
  for (char c : lines) text += c == '\n' ? std::string("\n  ") : std::string(1, c);
  return load_text(kListener + "routes:\n- from: " + from + "\n  " + text + "\n", base_dir);
}
std::vector<cluster::EndpointConfig> endpoints_of(const std::string& to) {
  auto [s, faults] = route_alone("https://a.example", "to: " + to);
  EXPECT_TRUE(s) << faults;
  return s ? s->routes[0].cluster->endpoints : std::vector<cluster::EndpointConfig>();
}
std::string faults_of(const std::string& to) {
  return route_alone("https://a.example", "to: " + to).faults;
}

TEST(ClusterKeys, Balance) {
  expect_rows(std::begin(kBalanceRows), std::end(kBalanceRows));
}
TEST(ClusterKeys, Health) {
  expect_rows(std::begin(kHealthRows), std::end(kHealthRows));
}
TEST(ClusterKeys, Retries) {
  expect_rows(std::begin(kRetryRows), std::end(kRetryRows));
}

TEST(ClusterKeys, EveryOptionHasARow) {
  std::string all =
      "endpoints_file:\nhttp2_keepalive:\nlimits:\nserved_by_host:\nallow_upgrades:\nallow_spdy:\n";  // in other tests
  for (const ClusterRow& row : kBalanceRows) all += std::string(row.lines) + "\n";
  for (const ClusterRow& row : kHealthRows) all += std::string(row.lines) + "\n";
  for (const ClusterRow& row : kRetryRows) all += std::string(row.lines) + "\n";
  for (const OptionRow* row = option_next(nullptr); row; row = option_next(row)) {
    const bool here = (row->owner == Owner::cluster && row->id > OPT_CLUSTER_TLS_CLIENT_KEY_FILE) ||
                      (row->owner == Owner::route && row->id > OPT_ROUTE_ALLOW_WEBSOCKETS);
    EXPECT_EQ(here, here && all.find(row->key + std::string(":")) != std::string::npos) << row->key;
  }
}

TEST(ClusterKeys, Defaults) {
  auto [s, faults] = load_text(kListener + kRoutes);
  ASSERT_TRUE(s) << faults;
  const Route& r = s->routes[0];
  const cluster::ClusterConfig plain;
  EXPECT_EQ(r.cluster->balance, balance::Options{});
  EXPECT_EQ(r.cluster->thresholds, plain.thresholds);
  EXPECT_EQ(r.cluster->per_endpoint, plain.per_endpoint);
  EXPECT_TRUE(r.cluster->health_checks.empty());
  EXPECT_FALSE(r.cluster->outlier_detection || r.retry || !r.hash_policy.empty());
  EXPECT_EQ(option_by_id(OPT_CLUSTER_HEALTHY_PANIC_THRESHOLD)->default_value, plain.balance.healthy_panic_threshold);
  EXPECT_EQ(Millis(option_by_id(OPT_CLUSTER_UPSTREAM_IDLE_TIMEOUT)->default_value), plain.idle_timeout);
  EXPECT_EQ(r.cluster->idle_timeout, plain.idle_timeout);
  EXPECT_EQ(r.cluster->pending_timeout, 0u);
}

TEST(ClusterKeys, Faults) {
  for (const ClusterFaultRow& row : kClusterFaults) EXPECT_EQ(with_route(row.lines).faults, row.fault) << row.lines;
}

TEST(ClusterKeys, ThresholdsOfTheFileAndOfARoute) {
  auto [s, faults] =
      load_text(kListener +
                "circuit_breaker_thresholds: {max_requests: 9, max_retries: 8, per_host_thresholds: {max_requests: 7, "
                "max_retries: 6}}\n"
                "routes:\n- {from: https://a, to: http://u}\n- from: https://b\n  to: http://u\n"
                "  circuit_breaker_thresholds: {max_retries: 1, per_host_thresholds: {max_retries: 2}}\n");
  ASSERT_TRUE(s) << faults;
  EXPECT_EQ(s->routes[0].cluster->thresholds, (cluster::Thresholds{1024, 1024, 9, 8, 0, 3}));
  EXPECT_EQ(s->routes[0].cluster->per_endpoint, (cluster::EndpointThresholds{kUnlimited, kUnlimited, 7, 6}));
  EXPECT_EQ(s->routes[1].cluster->thresholds, (cluster::Thresholds{1024, 1024, 9, 1, 0, 3}));
  EXPECT_EQ(s->routes[1].cluster->per_endpoint, (cluster::EndpointThresholds{kUnlimited, kUnlimited, 7, 2}));
  EXPECT_EQ(with_global("circuit_breaker_thresholds: {max_conections: 1}").faults,
            "f:6:30: circuit_breaker_thresholds.max_conections: unknown key, did you mean max_connections?");
  EXPECT_EQ(with_global("circuit_breaker_thresholds: 1").faults,
            "f:6:29: circuit_breaker_thresholds: must be a mapping with max_connections, max_pending_requests, "
            "max_requests, max_retries, per_host_thresholds, retry_budget");
}

TEST(ClusterKeys, Http2Keepalive) {
  auto [s, faults] = route_alone("https://a", "to: h2c://u\nhttp2_keepalive: {interval: 1s, timeout: 2s}");
  ASSERT_TRUE(s) << faults;
  EXPECT_EQ(s->routes[0].cluster->keepalive_interval, 1000u);
  EXPECT_EQ(s->routes[0].cluster->keepalive_timeout, 2000u);
  auto only = route_alone("https://a", "to: h2c://u\nhttp2_keepalive: {interval: 1s}");
  ASSERT_TRUE(only.snapshot) << only.faults;
  EXPECT_EQ(only.snapshot->routes[0].cluster->keepalive_timeout, 10'000u);
  EXPECT_EQ(route_alone("https://a", "to: h2c://u\nhttp2_keepalive: {timeout: 1s}").faults,
            "f:6:20: routes[0].http2_keepalive: has no interval");
}

// ---- endpoints ------------------------------------------------------------------------------------

TEST(ClusterEndpoints, Mappings) {
  const cluster::EndpointConfig b{Scheme::http, "b", 80, false, false, 5, 0, "b"};
  const cluster::EndpointConfig c{Scheme::http, "c", 81, false, false, 1, 127, "c:81"};
  EXPECT_EQ(endpoints_of("{url: http://b, weight: 5}"), std::vector{b});
  EXPECT_EQ(endpoints_of("[{url: 'http://c:81', priority: 127}]"), std::vector{c});
  EXPECT_EQ(endpoints_of("['http://b,5', {url: 'http://c:81,1', priority: 127}]"), (std::vector{b, c}));
  EXPECT_EQ(endpoints_of("[{url: http://b, weight: 5}, {url: 'http://c:81', weight: 1, priority: 127}]"),
            (std::vector{b, c}));
  const auto srv = endpoints_of("[srv+h2c://_grpc._tcp.s.example, {url: 'h2c://b', weight: 2}]");
  ASSERT_EQ(srv.size(), 2u);
  EXPECT_TRUE(srv[0].srv && srv[0].scheme == Scheme::h2c && srv[0].authority == "s.example");
  auto secure = route_alone("https://a", "to: srv+https://s.example\ntls_skip_verify: true");
  ASSERT_TRUE(secure.snapshot) << secure.faults;
  EXPECT_TRUE(secure.snapshot->routes[0].cluster->tls);
}

TEST(ClusterEndpoints, Faults) {
  struct Row {
    const char* to;
    const char* fault;
  } rows[] = {
      {"{weight: 5}", "f:5:7: routes[0].to: has no url"},
      {"[{url: http://b, weigth: 5}]", "f:5:24: routes[0].to.weigth: unknown key, did you mean weight?"},
      {"[{url: b}]", "f:5:14: routes[0].to.url: must be a URL such as https://host:443"},
      {"[http://x, {url: ''}]", "f:5:24: routes[0].to[1].url: is empty"},
      {"{url: http://b, weight: 0}", "f:5:31: routes[0].to.weight: must be between 1 and 4294967295, not 0"},
      {"{url: http://b, priority: 128}", "f:5:33: routes[0].to.priority: must be between 0 and 127, not 128"},
      {"{url: 'http://b,5', weight: 5}", "f:5:35: routes[0].to.weight: is given twice: the URL has one too"},
      {"{url: srv://b, weight: 5}", "f:5:30: routes[0].to.weight: has no effect: SRV records have their own"},
      {"{url: srv://b, priority: 5}", "f:5:32: routes[0].to.priority: has no effect: SRV records have their own"},
      {"'srv://b,5'", "f:5:7: routes[0].to: may not have a weight: SRV records have their own"},
      {"srv+https://b", nullptr},
      {"[{url: http://b, weight: 5}, http://c]", "f:5:7: routes[0].to: needs a weight for every URL or for none"},
      {"[h2c://b, srv+https://c]", "f:5:7: routes[0].to: may not mix h2c with https"},
      {"[[http://b]]", "f:5:8: routes[0].to[0]: must be a string, not a list"},
  };
  for (const Row& row : rows) EXPECT_EQ(faults_of(row.to), row.fault ? row.fault : "") << row.to;
}

TEST(ClusterEndpoints, FilesAreNamedNotRead) {
  test::Folder folder;
  folder.write("endpoints.json", "not even JSON");
  auto [s, faults] = route_alone("https://a", "endpoints_file: endpoints.json", folder.path());
  ASSERT_TRUE(s) << faults;
  const cluster::ClusterConfig& c = *s->routes[0].cluster;
  EXPECT_EQ(c.endpoints_file, folder.path() + "/endpoints.json");
  EXPECT_TRUE(c.endpoints.empty());
  EXPECT_TRUE(c.tls);  // the file may name https
  EXPECT_FALSE(c.tcp);
  EXPECT_TRUE(s->files.empty());
  EXPECT_FALSE(s->routes[0].rewrite.has_prefix);
  auto both = route_alone("https://a", "to: http://b\nendpoints_file: endpoints.json", folder.path());
  ASSERT_TRUE(both.snapshot) << both.faults;
  EXPECT_EQ(both.snapshot->routes[0].cluster->endpoints.size(), 1u);
  EXPECT_NE(both.snapshot->routes[0].cluster, s->routes[0].cluster);
  auto tunnel = route_alone("tcp+https://a:22", "endpoints_file: endpoints.json", folder.path());
  ASSERT_TRUE(tunnel.snapshot) << tunnel.faults;
  EXPECT_TRUE(tunnel.snapshot->routes[0].cluster->tcp);
  EXPECT_FALSE(tunnel.snapshot->routes[0].cluster->tls);
  auto h2c = route_alone("https://a", "to: h2c://b\nendpoints_file: endpoints.json", folder.path());
  ASSERT_TRUE(h2c.snapshot) << h2c.faults;
  EXPECT_FALSE(h2c.snapshot->routes[0].cluster->tls);
  EXPECT_EQ(route_alone("tcp+https://a:22", "endpoints_file: endpoints.json\ntls_server_name: b", folder.path()).faults,
            "f:6:20: routes[0].tls_server_name: has no effect with from: tcp+https: there is no TLS to the upstream");
  EXPECT_EQ(route_alone("https://a", "endpoints_file: other", folder.path()).faults,
            "f:5:19: routes[0].endpoints_file: cannot read " + folder.path() + "/other: No such file or directory");
}

// ---- where a key means nothing --------------------------------------------------------------------

TEST(ClusterKeys, WithoutTo) {
  std::string lines = "redirect: {path_redirect: /x}", want;
  int line = 5;
  auto add = [&](const char* key, const char* value) {
    lines += std::string("\n") + key + ": " + value;
    if (!want.empty()) want += "\n";
    want += "f:" + std::to_string(++line) + ":3: routes[0]." + key + ": has no effect without to";
  };
  add("lb_policy", "random");
  add("retry_policy", "{retry_on: reset}");
  add("hash_policy", "[]");
  add("health_checks", "[]");
  add("outlier_detection", "{}");
  add("circuit_breaker_thresholds", "{}");
  add("pool_per_user", "true");
  EXPECT_EQ(route_alone("https://a", lines + "\nclose_connections_on_host_health_failure: false").faults, want);
}

TEST(ClusterKeys, OfTunnels) {
  auto tunnel = [](const std::string& lines) { return route_alone("tcp+https://a:22", "to: tcp://b:22\n" + lines); };
  auto [s, faults] = tunnel(
      "lb_policy: maglev\nhash_policy: [{identity: true}, {connection_properties: {source_ip: true}}]\n"
      "pool_per_user: true\nhealth_checks: [{timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1,\n"
      "  tcp_health_check: {}}]\noutlier_detection: {}\nclose_connections_on_host_health_failure: true");
  ASSERT_TRUE(s) << faults;
  EXPECT_TRUE(s->routes[0].cluster->pool_per_user && s->routes[0].cluster->close_connections_on_health_failure);
  const std::string about = "has no effect with from: tcp+https: it is about HTTP requests",
                    own = "has no effect with from: tcp+https: a tunnel has a connection of its own";
  EXPECT_EQ(tunnel("retry_policy: {retry_on: reset}").faults, "f:6:17: routes[0].retry_policy: " + about);
  EXPECT_EQ(tunnel("preconnect_policy: {per_upstream_preconnect_ratio: 2}").faults,
            "f:6:22: routes[0].preconnect_policy: " + own);
  EXPECT_EQ(tunnel("max_requests_per_connection: 2").faults, "f:6:32: routes[0].max_requests_per_connection: " + own);
  EXPECT_EQ(tunnel("max_upstream_connection_duration: 2s").faults,
            "f:6:37: routes[0].max_upstream_connection_duration: " + own);
  EXPECT_EQ(tunnel("upstream_idle_timeout: 2s").faults, "f:6:26: routes[0].upstream_idle_timeout: " + own);
  EXPECT_EQ(tunnel("http2_keepalive: {interval: 2s}").faults, "f:6:20: routes[0].http2_keepalive: " + own);
  EXPECT_EQ(tunnel("lb_policy: maglev\nhash_policy: [{cookie: {name: a}}, {header: {header_name: b}}]").faults,
            "f:7:16: routes[0].hash_policy: may not use headers and cookies with from: tcp+https: nobody sees them");
}

// ---- equal clusters, drafts by hand, whole files --------------------------------------------------

TEST(ClusterKeys, EqualOnesAreOne) {
  const std::string more =
      ", lb_policy: least_request, least_request_lb_config: {choice_count: 4}, outlier_detection: {}, health_checks: "
      "[{timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {}}]";
  auto [s, faults] =
      load_text(kListener + "routes:\n- {from: https://a, to: http://u" + more + "}\n- {from: https://b, to: http://u" +
                more + ", retry_policy: {retry_on: reset}}\n- {from: https://c, to: http://u" + more +
                ", retry_policy: {retry_on: reset, retry_budget: {}}}\n- {from: https://d, to: http://u" + more +
                ", pool_per_user: true}\n- {from: https://e, to: {url: http://u, priority: 1}" + more + "}\n");
  ASSERT_TRUE(s) << faults;
  EXPECT_EQ(s->routes[0].cluster, s->routes[1].cluster);
  for (size_t i = 2; i < 5; ++i) EXPECT_NE(s->routes[0].cluster, s->routes[i].cluster) << i;
}

std::shared_ptr<ConfigDraft> hand_made() {
  auto draft = std::make_shared<ConfigDraft>();
  draft->listeners.push_back(std::make_shared<ListenerDraft>());
  EXPECT_TRUE(set_str(*draft->listeners[0], OPT_LISTENER_ADDRESS, "127.0.0.1:0"));
  draft->routes.push_back(std::make_shared<RouteDraft>());
  EXPECT_TRUE(set_str(*draft->routes[0], OPT_ROUTE_NAME, "one"));
  EXPECT_TRUE(set_str(*draft->routes[0], OPT_ROUTE_FROM, "https://a.example"));
  draft->routes[0]->cluster = std::make_shared<ClusterDraft>();
  EXPECT_TRUE(
      set_str(*draft->routes[0]->cluster, OPT_CLUSTER_TO, R"({"url": "http://b:1", "weight": 10, "priority": 2})"));
  return draft;
}

TEST(ClusterDrafts, ByHand) {
  auto draft = hand_made();
  RouteDraft& route = *draft->routes[0];
  ClusterDraft& c = *route.cluster;
  EXPECT_TRUE(set_str(*draft, OPT_GLOBAL_CIRCUIT_BREAKER_THRESHOLDS, R"({"max_requests": 5})"));
  EXPECT_TRUE(set_str(route, OPT_ROUTE_RETRY_POLICY, R"({"retry_on": "5xx", "retry_budget": {"budget_percent": 30}})"));
  EXPECT_TRUE(set_str(route, OPT_ROUTE_HASH_POLICY, R"({"identity": true})"));
  EXPECT_TRUE(set_str(route, OPT_ROUTE_HASH_POLICY, R"({"cookie": {"name": "c", "ttl": "1h"}})"));
  EXPECT_TRUE(set_str(c, OPT_CLUSTER_TO, "http://c:2,20"));
  EXPECT_TRUE(set_str(c, OPT_CLUSTER_LOAD_BALANCING_POLICY, "RING_HASH"));
  EXPECT_TRUE(set_str(c, OPT_CLUSTER_RING_HASH_LB_CONFIG, R"({"minimum_ring_size": 64})"));
  EXPECT_TRUE(set_int(c, OPT_CLUSTER_HEALTHY_PANIC_THRESHOLD, 10));
  EXPECT_TRUE(set_int(c, OPT_CLUSTER_POOL_PER_USER, 1));
  EXPECT_TRUE(set_int(c, OPT_CLUSTER_PENDING_TIMEOUT, 7));
  EXPECT_TRUE(set_int(c, OPT_CLUSTER_UPSTREAM_IDLE_TIMEOUT, 8));
  EXPECT_TRUE(set_int(c, OPT_CLUSTER_MAX_REQUESTS_PER_CONNECTION, 9));
  EXPECT_TRUE(set_int(c, OPT_CLUSTER_MAX_UPSTREAM_CONNECTION_DURATION, 11));
  EXPECT_TRUE(set_int(c, OPT_CLUSTER_CLOSE_CONNECTIONS_ON_HOST_HEALTH_FAILURE, 1));
  EXPECT_TRUE(set_str(c, OPT_CLUSTER_OUTLIER_DETECTION, R"({"consecutive_5xx": 2})"));
  for (const char* check : {R"("tcp_health_check": {})", R"("custom_health_check": {})"}) {
    const std::string common =
        R"({"timeout": "1s", "interval": "1s", "unhealthy_threshold": 1, "healthy_threshold": 1, )";
    EXPECT_TRUE(set_str(c, OPT_CLUSTER_HEALTH_CHECKS, common + check + "}"));
  }
  yaml::Faults faults;
  auto s = freeze(*draft, {}, faults);
  ASSERT_TRUE(s) << faults.text("");
  const cluster::ClusterConfig& out = *s->routes[0].cluster;
  EXPECT_EQ(out.endpoints[0].priority, 2u);
  EXPECT_EQ(out.endpoints[0].weight, 10u);
  EXPECT_EQ(out.endpoints[1].weight, 20u);
  EXPECT_EQ(out.thresholds, (cluster::Thresholds{1024, 1024, 5, 3, 30, 3}));
  EXPECT_EQ(out.balance.algorithm, "ring_hash");
  EXPECT_EQ(out.balance.ring_hash.minimum_ring_size, 64u);
  EXPECT_EQ(out.balance.healthy_panic_threshold, 10);
  EXPECT_TRUE(out.pool_per_user && out.close_connections_on_health_failure);
  EXPECT_EQ(out.pending_timeout, 7u);
  EXPECT_EQ(out.idle_timeout, 8u);
  EXPECT_EQ(out.max_requests_per_connection, 9u);
  EXPECT_EQ(out.max_connection_duration, 11u);
  EXPECT_EQ(out.outlier_detection->consecutive_5xx, 2u);
  ASSERT_EQ(out.health_checks.size(), 2u);
  EXPECT_EQ(out.health_checks[1].kind, Kind::custom);
  EXPECT_EQ(s->routes[0].hash_policy.size(), 2u);
  EXPECT_EQ(s->routes[0].retry->on, On::server_error);
}

TEST(ClusterDrafts, FaultsNameTheObject) {
  auto draft = hand_made();
  RouteDraft& route = *draft->routes[0];
  ClusterDraft& c = *route.cluster;
  EXPECT_TRUE(set_str(c, OPT_CLUSTER_TO, R"({"url": "x"})"));
  EXPECT_TRUE(set_str(c, OPT_CLUSTER_OUTLIER_DETECTION, "{}"));
  EXPECT_TRUE(set_str(c, OPT_CLUSTER_OUTLIER_DETECTION, "{}"));
  EXPECT_TRUE(set_str(c, OPT_CLUSTER_HEALTH_CHECKS, "[not json"));
  EXPECT_TRUE(set_str(c, OPT_CLUSTER_HTTP2_KEEPALIVE, ""));
  EXPECT_TRUE(set_str(route, OPT_ROUTE_RETRY_POLICY, R"({"retry_on": "5xx", "num_retries": -1})"));
  draft->routes.push_back(std::make_shared<RouteDraft>());
  RouteDraft& other = *draft->routes[1];
  EXPECT_TRUE(set_str(other, OPT_ROUTE_FROM, "https://b.example"));
  EXPECT_TRUE(set_str(other, OPT_ROUTE_RESPONSE_BODY, "x"));
  EXPECT_TRUE(set_str(other, OPT_ROUTE_RETRY_POLICY, R"({"retry_on": "5xx"})"));
  EXPECT_TRUE(set_str(other, OPT_ROUTE_HASH_POLICY, R"({"identity": true})"));
  yaml::Faults faults;
  EXPECT_FALSE(freeze(*draft, {}, faults));
  const std::string text = faults.text("");
  for (const char* line : {"route 'one'.to[1].url: must be a URL such as https://host:443",
                           "route 'one'.outlier_detection: is given twice: it is one object",
                           "route 'one'.health_checks[0]: is not a JSON object: ", "route 'one'.http2_keepalive: ",
                           "route 'one'.retry_policy.num_retries: must be between 0 and 100, not -1",
                           "route[1].retry_policy: has no effect without to", "route[1].hash_policy: has no effect"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
  EXPECT_FALSE(set_int(c, OPT_CLUSTER_HEALTHY_PANIC_THRESHOLD, 101));
  EXPECT_FALSE(set_int(c, OPT_CLUSTER_OUTLIER_DETECTION, 1));
  EXPECT_FALSE(set_str(c, OPT_CLUSTER_LOAD_BALANCING_POLICY, "fastest"));
}

// As people write them for Pomerium.
TEST(ClusterKeys, PomeriumsFile) {
  auto [s, faults] = load_text(R"(
address: 127.0.0.1:0
insecure_server: true
circuit_breaker_thresholds:
  max_connections: 2000
  max_pending_requests: 500
routes:
  - from: https://app.corp.example.com
    to:
      - http://app-1:8080,10
      - http://app-2:8080,20
    load_balancing_policy: least_request
    healthy_panic_threshold: 25
    timeout: 60s
    health_checks:
      - timeout: 10s
        interval: 60s
        initial_jitter: 100ms
        interval_jitter_percent: 10
        healthy_threshold: 1
        unhealthy_threshold: 2
        http_health_check:
          path: "/"
          expected_statuses:
            - start: 200
              end: 400
          receive:
            - text: "6f6b"
      - timeout: 5s
        interval: 5s
        healthy_threshold: 1
        unhealthy_threshold: 2
        tcp_health_check:
          send:
            text: '000000FF'
          receive:
            - binary: AAAA/w==
    outlier_detection:
      consecutive_5xx: 12
      interval: 10s
      base_ejection_time: 30s
      max_ejection_percent: 100
      enforcing_success_rate: 100
      success_rate_minimum_hosts: 2
    circuit_breaker_thresholds:
      max_requests: 100
    retry_policy:
      retry_on: 5xx,reset,connect-failure
      num_retries: 2
      per_try_timeout: 5s
)");
  ASSERT_TRUE(s) << faults;
  const Route& r = s->routes[0];
  ASSERT_EQ(r.cluster->health_checks.size(), 2u);
  EXPECT_EQ(first_check(r).expected_statuses, (std::vector<Range>{{200, 400}}));
  EXPECT_EQ(first_check(r).receive, std::vector<std::string>{"ok"});
  EXPECT_EQ(r.cluster->health_checks[1].send, std::string("\0\0\0\xff", 4));
  EXPECT_EQ(r.cluster->health_checks[1].receive, std::vector<std::string>{std::string("\0\0\0\xff", 4)});
  EXPECT_EQ(outliers(r).success_rate_minimum_hosts, 2u);
  EXPECT_EQ(r.cluster->thresholds, (cluster::Thresholds{2000, 500, 100, 3, 0, 3}));
  EXPECT_EQ(r.cluster->balance.healthy_panic_threshold, 25);
  EXPECT_EQ(r.retry->num_retries, 2u);
}

}  // namespace
}  // namespace cardea::config
