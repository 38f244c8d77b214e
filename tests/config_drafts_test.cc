// The table of options, drafts made by hand, and very many routes.
#include <gtest/gtest.h>

#include <set>

#include "config_fixture.h"

namespace cardea::config {
namespace {

TEST(Table, NumbersAndNamesAreSane) {
  std::set<std::string> names, keys;
  int last = 0;
  for (const OptionRow* row = option_next(nullptr); row; row = option_next(row)) {
    EXPECT_GT(row->id, last);
    EXPECT_EQ(row->id / 1000, static_cast<int>(row->owner) + 1) << row->key;
    last = row->id;
    EXPECT_TRUE(names.insert(row->name).second) << row->name;
    EXPECT_TRUE(keys.insert(std::to_string(row->id / 1000) + row->key).second) << row->key;
    EXPECT_EQ(option_by_id(row->id), row);
    EXPECT_EQ(option_by_key(row->owner, row->key), row);
    EXPECT_GT(std::string(row->doc).size(), 8u) << row->key;
    bool inherits = row->default_value == -1 && row->min >= 0;
    bool unset = row->id == OPT_ROUTE_REDIRECT_PORT_REDIRECT;
    if (row->type < Type::string && !inherits && !unset) {
      EXPECT_GE(row->default_value, row->min) << row->key;
      EXPECT_LE(row->default_value, row->max) << row->key;
    }
  }
  EXPECT_EQ(option_by_id(1), nullptr);
  EXPECT_EQ(option_by_key(Owner::global, "prefix"), nullptr);
}

std::shared_ptr<ConfigDraft> hand_made() {
  auto draft = std::make_shared<ConfigDraft>();
  auto listener = std::make_shared<ListenerDraft>();
  EXPECT_TRUE(set_str(*listener, OPT_LISTENER_ADDRESS, "127.0.0.1:0"));
  draft->listeners.push_back(listener);
  auto route = std::make_shared<RouteDraft>();
  EXPECT_TRUE(set_str(*route, OPT_ROUTE_NAME, "one"));
  EXPECT_TRUE(set_str(*route, OPT_ROUTE_FROM, "https://a.example"));
  route->cluster = std::make_shared<ClusterDraft>();
  EXPECT_TRUE(set_str(*route->cluster, OPT_CLUSTER_TO, "http://b:1,10"));
  EXPECT_TRUE(set_str(*route->cluster, OPT_CLUSTER_TO, "http://c:2,20"));
  draft->routes.push_back(route);
  return draft;
}

TEST(Drafts, ByHand) {
  auto draft = hand_made();
  RouteDraft& route = *draft->routes[0];
  EXPECT_TRUE(set_int(*draft, OPT_GLOBAL_MAX_CONNECTIONS, 5));
  EXPECT_TRUE(set_int(route, OPT_ROUTE_TIMEOUT, 1234));
  EXPECT_TRUE(set_str(route, OPT_ROUTE_SET_REQUEST_HEADERS, "X-A: b: c"));
  EXPECT_TRUE(set_str(route, OPT_ROUTE_REWRITE_RESPONSE_HEADERS, R"({"header": "L", "prefix": "p", "value": "v"})"));
  EXPECT_TRUE(set_int(*draft->listeners[0], OPT_LISTENER_UNIX_MODE, 0600));
  yaml::Faults faults;
  route.policy = parse_policy(R"({"allow": {"or": [{"accept": true}]}})", faults);
  ASSERT_TRUE(route.policy) << faults.text("p");
  auto s = freeze(*draft, {}, faults);
  ASSERT_TRUE(s) << faults.text("");
  EXPECT_EQ(s->max_connections, 5u);
  EXPECT_EQ(s->listeners[0].unix_mode, 0600u);
  EXPECT_EQ(s->routes[0].name, "one");
  EXPECT_EQ(s->routes[0].timeout, 1234u);
  EXPECT_EQ(s->routes[0].cluster->endpoints.size(), 2u);
  Arena arena;
  EXPECT_EQ(header(s->routes[0].set_request_headers, "X-A", arena), "b: c");
  EXPECT_EQ(s->routes[0].rewrite_response_headers.size(), 1u);
  EXPECT_EQ(s->routes[0].policy->evaluate({}).verdict, policy::Verdict::allow);
}

TEST(Drafts, FaultsNameTheObject) {
  auto draft = hand_made();
  RouteDraft& route = *draft->routes[0];
  EXPECT_TRUE(set_str(route, OPT_ROUTE_PREFIX, "x"));
  EXPECT_TRUE(set_str(*route.cluster, OPT_CLUSTER_TO, "nonsense"));
  draft->routes.push_back(std::make_shared<RouteDraft>());
  draft->listeners.push_back(std::make_shared<ListenerDraft>());
  yaml::Faults faults;
  EXPECT_FALSE(freeze(*draft, {}, faults));
  std::string text = faults.text("");
  for (const char* line : {"listener[1].address: ", "route 'one'.prefix: must begin with /",
                           "route 'one'.to[2]: must be a URL such as https://host:443", "route[1]: has no from",
                           "route[1]: needs to, redirect, response or served_by_host"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
}

TEST(Drafts, SettersCheck) {
  ConfigDraft config;
  RouteDraft route;
  ClusterDraft cluster;
  struct Row {
    Result<void> result;
    int code;
    const char* message;
  } rows[] = {
      {set_int(config, OPT_GLOBAL_MAX_CONNECTIONS, 0), kEinval,
       "max_connections: must be between 1 and 10000000, not 0"},
      {set_int(config, OPT_GLOBAL_SKIP_XFF_APPEND, 2), kEinval, "skip_xff_append: takes 0 or 1"},
      {set_int(config, OPT_GLOBAL_DRAIN_STRATEGY, 1), kEinval, "drain_strategy: takes a string"},
      {set_str(config, OPT_GLOBAL_WORKERS, "1"), kEinval, "workers: takes a number"},
      {set_str(config, OPT_GLOBAL_DRAIN_STRATEGY, "slow"), kEinval,
       "drain_strategy: must be one of immediate, gradual, not 'slow'"},
      {set_int(config, OPT_ROUTE_TIMEOUT, 1), kEnotfound, "this object has no option 3031"},
      {set_int(config, 99, 1), kEnotfound, "this object has no option 99"},
      {set_int(route, OPT_ROUTE_TIMEOUT, -1), kEinval, "timeout: must be between 0s and 8760h, not -1ms"},
      {set_str(route, OPT_ROUTE_NAME, std::string("a\0b", 3)), kEinval, "name: contains a NUL byte"},
      {set_str(cluster, OPT_CLUSTER_TO, std::string(2 << 20, 'x')), kEinval, "to: is longer than 1048576 bytes"},
      {TlsDraft().add("", "x"), kEinval, "certificate: is empty"},
  };
  for (const Row& row : rows) {
    ASSERT_FALSE(row.result) << row.message;
    EXPECT_EQ(row.result.error().code, row.code);
    EXPECT_EQ(row.result.error().message, row.message);
  }
  EXPECT_FALSE(config.max_connections.set);
  EXPECT_EQ(config.max_connections.value, 50000);
}

TEST(Drafts, Sealed) {
  auto draft = hand_made();
  draft->listeners[0]->tls = std::make_shared<TlsDraft>();
  seal(*draft);
  Result<void> results[] = {
      set_int(*draft, OPT_GLOBAL_WORKERS, 2), set_str(*draft->listeners[0], OPT_LISTENER_ADDRESS, ":1"),
      set_str(*draft->routes[0], OPT_ROUTE_NAME, "x"), set_str(*draft->routes[0]->cluster, OPT_CLUSTER_TO, "http://x"),
      draft->listeners[0]->tls->add("a", "b")};
  for (const auto& result : results) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, kEsealed);
  }
  EXPECT_EQ(draft->workers.value, 1);
}

TEST(Drafts, OneClusterForTwoRoutes) {
  auto draft = hand_made();
  auto other = std::make_shared<RouteDraft>();
  EXPECT_TRUE(set_str(*other, OPT_ROUTE_FROM, "https://c.example"));
  other->cluster = draft->routes[0]->cluster;
  draft->routes.push_back(other);
  auto third = std::make_shared<RouteDraft>();
  EXPECT_TRUE(set_str(*third, OPT_ROUTE_FROM, "https://d.example"));
  EXPECT_TRUE(set_int(*third, OPT_ROUTE_PER_CONNECTION_BUFFER_LIMIT_BYTES, 2048));
  third->cluster = draft->routes[0]->cluster;
  draft->routes.push_back(third);
  yaml::Faults faults;
  auto s = freeze(*draft, {}, faults);
  ASSERT_TRUE(s) << faults.text("");
  EXPECT_EQ(s->routes[0].cluster, s->routes[1].cluster);
  EXPECT_NE(s->routes[0].cluster, s->routes[2].cluster);
}

TEST(Scale, TenThousandRoutes) {
  std::string text = kListener + "routes:\n";
  for (int i = 0; i < 10000; ++i) {
    std::string n = std::to_string(i);
    text += "- {from: 'https://h" + n + ".example', to: 'http://u" + std::to_string(i % 100) + ".example'}\n";
  }
  auto [s, faults] = load_text(text);
  ASSERT_TRUE(s) << faults;
  std::set<const void*> clusters;
  for (const Route& r : s->routes) clusters.insert(r.cluster.get());
  EXPECT_EQ(clusters.size(), 100u);
  EXPECT_EQ(s->table->match("h9999.example", 443, "/"), 9999);
}

TEST(Served, TakesWhatAServiceWouldBeGiven) {
  auto [s, faults] = load_text(kListener +
                               "routes:\n- from: https://a.example\n  served_by_host: true\n  prefix_rewrite: /x\n"
                               "  set_request_headers: {X: z}\n  timeout: 3s\n  pass_identity_headers: true\n"
                               "- {from: https://b.example, to: http://b, served_by_host: false}\n");
  ASSERT_TRUE(s) << faults;
  EXPECT_TRUE(s->routes[0].served_by_host && !s->routes[0].cluster);
  EXPECT_EQ(s->routes[0].timeout, 3000u);
  EXPECT_EQ(s->routes[0].set_request_headers.size(), 1u);
  EXPECT_TRUE(!s->routes[1].served_by_host && s->routes[1].cluster);
}

TEST(Upgrades, GlobalOnesAndTheRoutesOwn) {
  auto [s, faults] = load_text("allow_upgrades: [foo/1, websocket]\n" + kListener +
                               "routes:\n- {from: https://a.example, to: http://b, allow_spdy: true}\n"
                               "- {from: https://b.example, to: https://b, allow_upgrades: [bar]}\n"
                               "- {from: https://c.example, to: h2c://b}\n"
                               "- {from: https://d.example, to: http://b, allow_upgrades: []}\n");
  ASSERT_TRUE(s) << faults;
  using Names = std::vector<std::string>;
  EXPECT_EQ(s->routes[0].upgrades, (Names{"foo/1", "websocket", "spdy/3.1"}));
  EXPECT_EQ(s->routes[1].upgrades, Names{"bar"});
  EXPECT_EQ(s->routes[1].cluster->tls_options.alpn, Names{"http/1.1"}) << "HTTP/2 has no upgrades";
  EXPECT_EQ(s->routes[2].upgrades, Names{"websocket"}) << "as much of the global ones as h2c has";
  EXPECT_TRUE(s->routes[3].upgrades.empty());
  EXPECT_EQ(load_text("allow_upgrades: [tls]\n" + kListener + kRoutes).faults,
            "f:1:18: allow_upgrades: may not have tls: it is a protocol of the connection itself");
  EXPECT_EQ(load_text(kListener + "routes:\n- {from: https://a, to: h2c://b, allow_upgrades: [foo]}\n").faults,
            "f:4:50: routes[0].allow_upgrades: may have websocket alone: to has h2c");
}

}  // namespace
}  // namespace cardea::config
