// The configuration of limits, from files and by hand.
#include "config_fixture.h"

namespace cardea::config {
namespace {

using limit::By;
using limit::Terms;

std::string text(const std::vector<Terms>& all) {
  std::string out;
  for (const Terms& t : all) {
    out += std::string(out.empty() ? "" : "; ") + limit::name(t.by) + " " + std::to_string(t.concurrent);
    for (const auto& w : t.windows) {
      out += " " + std::to_string(w.requests) + "/" + std::to_string(w.per) + "+" + std::to_string(w.burst);
    }
    out += " " + std::to_string(t.bytes_per_second);
  }
  return out;
}

TEST(LimitKeys, Rows) {
  struct Row {
    const char* list;
    const char* terms;
  };
  const Row rows[] = {
      {"[]", ""},
      {"[{by: route, concurrent: 7}]", "route 7 0"},
      {"[{by: user, requests: 10}]", "user 0 10/1000+10 0"},
      {"[{by: source_ip, requests: 10, per: 1m, burst: 3}]", "source_ip 0 10/60000+3 0"},
      {"[{by: source_ip, bytes_per_second: 1000000}]", "source_ip 0 1000000"},
      {"[{by: user, concurrent: 1, requests: 2, per: 1ms, burst: 1000000, bytes_per_second: 1}]",
       "user 1 2/1+1000000 1"},
      {"[{by: route, concurrent: 1}, {by: user, concurrent: 2}, {by: source_ip, concurrent: 3}]",
       "route 1 0; user 2 0; source_ip 3 0"},
      {"[{by: user, concurrent: 1}, {by: user, requests: 5}, {by: user, requests: 100, per: 1h}]",
       "user 1 5/1000+5 100/3600000+100 0"},
      {"[{by: route, concurrent: 4294967295, requests: 1000000, per: 8760h, bytes_per_second: 1000000000000}]",
       "route 4294967295 1000000/31536000000+1000000 1000000000000"},
  };
  for (const Row& row : rows) {
    auto here = with_route(std::string("limits: ") + row.list);
    ASSERT_TRUE(here.snapshot) << here.faults;
    EXPECT_EQ(text(here.snapshot->routes[0].shares), row.terms) << row.list;
    EXPECT_TRUE(here.snapshot->shares.empty());
    auto everywhere = with_global(std::string("limits: ") + row.list);
    ASSERT_TRUE(everywhere.snapshot) << everywhere.faults;
    EXPECT_EQ(text(everywhere.snapshot->shares), row.terms) << row.list;
    EXPECT_TRUE(everywhere.snapshot->routes[0].shares.empty()) << "each has its own";
  }
  auto none = with_route("timeout: 1s");
  EXPECT_TRUE(none.snapshot->shares.empty() && none.snapshot->routes[0].shares.empty());
}

TEST(LimitKeys, Faults) {
  struct Row {
    const char* list;
    const char* fault;
  };
  const Row rows[] = {
      {"5", "f:6:11: routes[0].limits: must be a list of mappings"},
      {"{by: user}", "f:6:11: routes[0].limits: must be a list of mappings"},
      {"[7]",
       "f:6:12: routes[0].limits[0]: must be a mapping with by, concurrent, requests, per, burst, bytes_per_second"},
      {"[{concurrent: 1}]", "f:6:12: routes[0].limits[0]: has no by"},
      {"[{by: ip, concurrent: 1}]", "f:6:17: routes[0].limits[0].by: must be one of route, user, source_ip, not 'ip'"},
      {"[{by: '', concurrent: 1}]", "f:6:17: routes[0].limits[0].by: is empty"},
      {"[{by: user}]", "f:6:12: routes[0].limits[0]: needs at least one of concurrent, requests and bytes_per_second"},
      {"[{by: user, concurrent: 0}]",
       "f:6:35: routes[0].limits[0].concurrent: must be between 1 and 4294967295, not 0"},
      {"[{by: user, requests: 0}]", "f:6:33: routes[0].limits[0].requests: must be between 1 and 1000000, not 0"},
      {"[{by: user, requests: 1000001}]",
       "f:6:33: routes[0].limits[0].requests: must be between 1 and 1000000, not 1000001"},
      {"[{by: user, requests: 5, burst: 0}]",
       "f:6:43: routes[0].limits[0].burst: must be between 1 and 1000000, not 0"},
      {"[{by: user, requests: 5, per: 0s}]", "f:6:41: routes[0].limits[0].per: must be between 1ms and 8760h, not 0s"},
      {"[{by: user, requests: 5, per: 2000h, burst: 1}, {by: user, requests: 6, per: 2000h}]",
       "f:6:80: routes[0].limits[1].requests: is given twice by user for the same per"},
      {"[{by: user, bytes_per_second: 0}]",
       "f:6:41: routes[0].limits[0].bytes_per_second: must be between 1 and 1000000000000, not 0"},
      {"[{by: user, concurrent: 1, per: 1s}]", "f:6:43: routes[0].limits[0].per: has no effect without requests"},
      {"[{by: user, concurrent: 1, burst: 1}]", "f:6:45: routes[0].limits[0].burst: has no effect without requests"},
      {"[{by: user, concurrent: 1}, {by: user, concurrent: 2}]",
       "f:6:62: routes[0].limits[1].concurrent: is given twice by user"},
      {"[{by: user, bytes_per_second: 1}, {by: user, bytes_per_second: 1}]",
       "f:6:74: routes[0].limits[1].bytes_per_second: is given twice by user"},
      {"[{by: user, requests: 1, per: 1s}, {by: user, requests: 1, per: 2s}, {by: user, requests: 1, per: 3s}, {by: "
       "user, requests: 1, per: 4s}, {by: user, requests: 1, per: 5s}]",
       "f:6:169: routes[0].limits[4].requests: is given more than 4 times by user"},
      {"[{by: user, concurent: 1}]",
       "f:6:12: routes[0].limits[0]: needs at least one of concurrent, requests and bytes_per_second\n"
       "f:6:23: routes[0].limits[0].concurent: unknown key, did you mean concurrent?"},
  };
  for (const Row& row : rows) EXPECT_EQ(with_route(std::string("limits: ") + row.list).faults, row.fault) << row.list;
  EXPECT_EQ(with_global("limits: [{by: user, concurrent: 0}]").faults,
            "f:6:33: limits[0].concurrent: must be between 1 and 4294967295, not 0");
  std::string many = "limits: [";
  for (int i = 0; i < 21; ++i) many += "{by: user, requests: 1, per: " + std::to_string(i + 1) + "s},";
  EXPECT_EQ(with_route(many + "]").faults, "f:6:11: routes[0].limits: has more than 20 entries");
}

TEST(LimitKeys, ByHand) {
  auto config = std::make_shared<ConfigDraft>();
  auto listener = std::make_shared<ListenerDraft>();
  ASSERT_TRUE(set_str(*listener, OPT_LISTENER_ADDRESS, "127.0.0.1:0"));
  config->listeners.push_back(listener);
  auto route = std::make_shared<RouteDraft>();
  ASSERT_TRUE(set_str(*route, OPT_ROUTE_NAME, "one"));
  ASSERT_TRUE(set_str(*route, OPT_ROUTE_FROM, "https://a.example"));
  route->cluster = std::make_shared<ClusterDraft>();
  ASSERT_TRUE(set_str(*route->cluster, OPT_CLUSTER_TO, "http://b:1"));
  config->routes.push_back(route);
  ASSERT_TRUE(set_str(*config, OPT_GLOBAL_LIMITS, R"({"by": "user", "requests": 3, "per": "10s"})"));
  ASSERT_TRUE(set_str(*config, OPT_GLOBAL_LIMITS, R"({"by": "source_ip", "concurrent": 9})"));
  ASSERT_TRUE(set_str(*route, OPT_ROUTE_LIMITS, R"({"by": "route", "bytes_per_second": 1000})"));
  yaml::Faults faults;
  auto snapshot = freeze(*config, {}, faults);
  ASSERT_TRUE(snapshot) << faults.text("f");
  EXPECT_EQ(text(snapshot->shares), "user 0 3/10000+3 0; source_ip 9 0");
  EXPECT_EQ(text(snapshot->routes[0].shares), "route 0 1000");
  ASSERT_TRUE(set_str(*route, OPT_ROUTE_LIMITS, "nonsense"));
  EXPECT_FALSE(freeze(*config, {}, faults));
  EXPECT_EQ(faults.list()[0].key, "route 'one'.limits[1]");
}

}  // namespace
}  // namespace cardea::config
