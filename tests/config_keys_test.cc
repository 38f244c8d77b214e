// Every key of the configuration and its effect.
#include <gtest/gtest.h>

#include <string>

#include "config_fixture.h"
#include "config_key_rows.h"

namespace cardea::config {
namespace {

TEST(Keys, Defaults) {
  auto [s, faults] = load_text(kListener + kRoutes);
  ASSERT_TRUE(s) << faults;
  EXPECT_EQ(s->generation, 7u);
  ASSERT_EQ(s->listeners.size(), 1u);
  EXPECT_EQ(s->listeners[0].name, "127.0.0.1:0");
  EXPECT_EQ(s->listeners[0].codec, Codec::automatic);
  EXPECT_FALSE(s->listeners[0].tls);
  EXPECT_FALSE(s->listeners[0].proxy_protocol);
  Snapshot plain;
  EXPECT_EQ(s->limits, http::CodecLimits{});
  EXPECT_EQ(s->path, http::PathOptions{});
  EXPECT_EQ(s->forwarding, route::ForwardingOptions{});
  EXPECT_EQ(s->timeout_read, plain.timeout_read);
  EXPECT_EQ(s->timeout_write, plain.timeout_write);
  EXPECT_EQ(s->timeout_idle, plain.timeout_idle);
  EXPECT_EQ(s->request_headers_timeout, plain.request_headers_timeout);
  EXPECT_EQ(s->tls_handshake_timeout, plain.tls_handshake_timeout);
  EXPECT_EQ(s->authorize_timeout, plain.authorize_timeout);
  EXPECT_EQ(s->max_connection_duration, plain.max_connection_duration);
  EXPECT_EQ(s->drain_timeout, plain.drain_timeout);
  EXPECT_EQ(s->max_connections, plain.max_connections);
  EXPECT_EQ(s->workers, plain.workers);
  EXPECT_EQ(s->access_log, "");
  ASSERT_EQ(s->routes.size(), 1u);
  const Route& r = s->routes[0];
  EXPECT_EQ(r.name, "https://a.example");
  EXPECT_EQ(r.match.host, "a.example");
  EXPECT_EQ(r.match.port, 0);
  EXPECT_EQ(r.match.kind, route::Match::Path::any);
  EXPECT_TRUE(*r.policy == *policy::Policy::closed());
  Route plain_route;
  EXPECT_EQ(r.timeout, plain_route.timeout);
  EXPECT_EQ(r.idle_timeout, plain_route.idle_timeout);
  EXPECT_EQ(r.max_stream_duration, plain_route.max_stream_duration);
  EXPECT_EQ(r.buffer_limit, plain_route.buffer_limit);
  cluster::ClusterConfig c;
  c.endpoints = {{cluster::EndpointConfig::Scheme::http, "b.example", 81, false, false, 1, 0, "b.example:81"}};
  c.limits.underscores = http::CodecLimits::Underscores::allow;
  ASSERT_TRUE(r.cluster);
  EXPECT_TRUE(r.cluster->same(c));
  EXPECT_EQ(r.cluster->name, r.name);
  EXPECT_EQ(s->table->match("a.example", 443, "/x"), 0);
  EXPECT_EQ(s->table->match("b.example", 443, "/x"), -1);
  for (const OptionRow* row = option_next(nullptr); row; row = option_next(row)) {
    if (row->owner == Owner::global && row->type < Type::string) {
      EXPECT_EQ(s->option(row->id), row->default_value) << row->key;
    }
  }
}

TEST(Keys, Global) {
  for (const GlobalRow& row : kGlobals) {
    auto [s, faults] = with_global(row.lines);
    ASSERT_TRUE(s) << faults;
    EXPECT_TRUE(row.check(*s)) << row.lines;
  }
}

TEST(Keys, EveryGlobalOptionHasARow) {
  std::string all;
  for (const GlobalRow& row : kGlobals) all += std::string(row.lines) + "\n";
  for (const OptionRow* row = option_next(nullptr); row; row = option_next(row)) {
    if (row->owner != Owner::global || row->id > OPT_GLOBAL_ACCESS_LOG_PATH) continue;  // the rest: config_access_test
    std::string key = Bytes(row->key).substr(0, Bytes(row->key).find('.')).data();
    key = key.substr(0, key.find('.'));
    if (key.find("certificate_authority") == 0) continue;  // in Tls
    EXPECT_NE(all.find(key + ":"), std::string::npos) << key;
  }
}

TEST(Keys, Listeners) {
  auto [s, faults] = load_text("insecure_server: true\naddress: 'unix:/run/x.sock'\n" + kRoutes);
  ASSERT_TRUE(s) << faults;
  EXPECT_TRUE(s->listeners[0].address.is_unix());
  EXPECT_EQ(s->listeners[0].unix_mode, 0666u);
  auto local = load_text("insecure_server: true\naddress: localhost:8443\n" + kRoutes);
  ASSERT_TRUE(local.snapshot) << local.faults;
  EXPECT_EQ(local.snapshot->listeners[0].address.text(), "127.0.0.1:8443");
  EXPECT_EQ(local.snapshot->listeners[0].name, "localhost:8443");
  auto plain = load_text("insecure_server: true\n" + kRoutes);
  ASSERT_TRUE(plain.snapshot) << plain.faults;
  EXPECT_EQ(plain.snapshot->listeners[0].address.port(), 443);
}

TEST(Keys, Route) {
  for (const RouteRow& row : kRouteRows) {
    auto [s, faults] = with_route(row.lines);
    ASSERT_TRUE(s) << faults << "\n" << row.lines;
    EXPECT_TRUE(row.check(s->routes[0])) << row.lines;
  }
}

TEST(Keys, EveryRouteOptionHasARow) {
  std::string all;
  for (const RouteRow& row : kRouteRows) all += std::string(row.lines) + "\n";
  for (const OptionRow* row = option_next(nullptr); row; row = option_next(row)) {
    std::string key = row->key;
    bool elsewhere = (row->owner == Owner::route && row->id > OPT_ROUTE_ALLOW_PUBLIC_UNAUTHENTICATED_ACCESS) ||
                     (row->owner == Owner::cluster && row->id > OPT_CLUSTER_TLS_CLIENT_KEY_FILE) || key == "from" ||
                     key == "to" || key.find("tls_") == 0 || key.find('.') != std::string::npos;
    if ((row->owner != Owner::route && row->owner != Owner::cluster) || elsewhere) continue;
    EXPECT_NE(all.find(key + ":"), std::string::npos) << key;
  }
}

TEST(Keys, OldNameOfRoutes) {
  auto [s, faults] = load_text(kListener + "policy:\n- from: https://a.example\n  to: http://b\n");
  ASSERT_TRUE(s) << faults;
  EXPECT_EQ(s->routes.size(), 1u);
}

TEST(Keys, From) {
  struct Row {
    const char* from;
    const char* host;
    uint16_t port;
  } rows[] = {
      {"https://A.Example", "a.example", 0},
      {"https://a.example/", "a.example", 0},
      {"https://a.example:443", "a.example", 0},
      {"https://a.example:8443", "a.example", 8443},
      {"http://a.example:80", "a.example", 0},
      {"http://a.example:443", "a.example", 443},
      {"https://*.a.example", "*.a.example", 0},
      {"https://*", "*", 0},
      {"https://*:8443", "*", 8443},
      {"https://127.0.0.1", "127.0.0.1", 0},
      {"https://[::1]:1", "[::1]", 1},
      {"HTTPS://a_b.example", "a_b.example", 0},
  };
  for (const Row& row : rows) {
    auto [s, faults] = load_text(kListener + "routes:\n- from: '" + row.from + "'\n  to: http://b\n");
    ASSERT_TRUE(s) << faults;
    EXPECT_EQ(s->routes[0].match.host, row.host) << row.from;
    EXPECT_EQ(s->routes[0].match.port, row.port) << row.from;
  }
}

TEST(Keys, To) {
  using Scheme = cluster::EndpointConfig::Scheme;
  struct Row {
    const char* to;
    cluster::EndpointConfig endpoint;
  } rows[] = {
      {"http://b", {Scheme::http, "b", 80, false, false, 1, 0, "b"}},
      {"http://B.example:8080", {Scheme::http, "b.example", 8080, false, false, 1, 0, "b.example:8080"}},
      {"h2c://b:80", {Scheme::h2c, "b", 80, false, false, 1, 0, "b"}},
      {"http://[::1]:81", {Scheme::http, "::1", 81, false, false, 1, 0, "[::1]:81"}},
      {"https://b", {Scheme::https, "b", 443, false, false, 1, 0, "b"}},
      {"https://b:80,7", {Scheme::https, "b", 80, false, false, 7, 0, "b:80"}},
      {"http+unix:///run/s.sock", {Scheme::http, "/run/s.sock", 0, true, false, 1, 0, "localhost"}},
  };
  for (const Row& row : rows) {
    auto [s, faults] = load_text(kListener + "routes:\n- from: https://a\n  to: '" + row.to + "'\n");
    ASSERT_TRUE(s) << faults;
    ASSERT_EQ(s->routes[0].cluster->endpoints.size(), 1u);
    EXPECT_EQ(s->routes[0].cluster->endpoints[0], row.endpoint) << row.to;
    EXPECT_EQ(s->routes[0].cluster->tls != nullptr, row.endpoint.scheme == Scheme::https) << row.to;
  }
  auto [s, faults] = load_text(
      kListener +
      "routes:\n- from: https://a\n  prefix: /p\n  to: ['http://b/x/,10', 'https://c/x/,20', 'http://d,1']\n");
  ASSERT_TRUE(s) << faults;
  EXPECT_EQ(s->routes[0].cluster->endpoints[1].weight, 20u);
  EXPECT_TRUE(s->routes[0].rewrite.has_prefix);
  EXPECT_EQ(s->routes[0].rewrite.prefix, "/x/");
}

TEST(Keys, RedirectAndResponse) {
  auto [s, faults] = without_to(
      "redirect: {https_redirect: true, host_redirect: b.example, port_redirect: 8443, prefix_rewrite: /q,\n"
      "    response_code: 308, strip_query: true}\n  prefix: /p");
  ASSERT_TRUE(s) << faults;
  route::Redirect want;
  want.https_redirect = want.has_prefix = want.strip_query = true;
  want.host = "b.example";
  want.port = 8443;
  want.prefix_rewrite = "/q";
  want.status = 308;
  EXPECT_EQ(s->routes[0].redirect, want);
  EXPECT_FALSE(s->routes[0].cluster);
  auto path = without_to("redirect: {scheme_redirect: http, path_redirect: '/x?y=1'}");
  ASSERT_TRUE(path.snapshot) << path.faults;
  EXPECT_EQ(path.snapshot->routes[0].redirect->scheme, "http");
  EXPECT_TRUE(path.snapshot->routes[0].redirect->has_path);
  EXPECT_EQ(path.snapshot->routes[0].redirect->path, "/x?y=1");
  EXPECT_EQ(path.snapshot->routes[0].redirect->status, 301);
  auto response = without_to("response: {status: 418, body: \"tea\\n\"}");
  ASSERT_TRUE(response.snapshot) << response.faults;
  EXPECT_EQ(response.snapshot->routes[0].response, (route::DirectResponse{418, "tea\n"}));
}

TEST(Keys, Json) {
  auto [s, faults] = load_text(
      R"({"address": "127.0.0.1:0", "insecure_server": true, "timeout_read": "1s",
          "routes": [{"from": "https://a.example", "to": ["http://b"], "policy": [{"allow": {"or": [{"accept": true}]}}]}]})");
  ASSERT_TRUE(s) << faults;
  EXPECT_EQ(s->timeout_read, 1000u);
  EXPECT_EQ(s->routes[0].policy->evaluate({}).verdict, policy::Verdict::allow);
}

TEST(Keys, Aliases) {
  auto [s, faults] =
      load_text(kListener +
                "routes:\n- from: https://a\n  to: http://b\n  policy: &p {allow: {or: [{accept: true}]}}\n"
                "- from: https://c\n  to: http://b\n  policy: *p\n");
  ASSERT_TRUE(s) << faults;
  EXPECT_EQ(s->routes[1].policy->evaluate({}).verdict, policy::Verdict::allow);
  EXPECT_EQ(s->routes[0].cluster, s->routes[1].cluster);
}

}  // namespace
}  // namespace cardea::config
