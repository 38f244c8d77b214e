// Which route a request takes: the table by rows, and against a naive matcher.
#include "route/route.h"

#include <gtest/gtest.h>
#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>

namespace cardea::route {
namespace {

using Kind = Match::Path;

std::unique_ptr<const Table> table_of(const std::vector<Match>& routes) {
  std::vector<Table::Fault> faults;
  auto table = Table::build(routes, faults);
  for (const auto& f : faults) ADD_FAILURE() << f.index << ": " << f.what;
  return table;
}

// ---- the table by rows ----------------------------------------------------------------------------

struct Ask {
  const char* host;
  uint16_t port;
  const char* path;
  int want;
};

void expect_rows(const std::vector<Match>& routes, const std::vector<Ask>& rows) {
  auto table = table_of(routes);
  ASSERT_TRUE(table);
  for (const Ask& row : rows) {
    EXPECT_EQ(table->match(row.host, row.port, row.path), row.want) << row.host << ":" << row.port << row.path;
  }
}

TEST(Table, Hosts) {
  expect_rows({{"a.example.com", 0},
               {"*.example.com", 0},
               {"*.b.example.com", 0},
               {"*", 0, Kind::prefix, "/star"},
               {"port.example.com", 8443},
               {"[2001:db8::1]", 0},
               {"two.test", 0},
               {"two.test", 81}},
              {{"a.example.com", 443, "/", 0},
               {"A.EXAMPLE.Com", 443, "/", 0},
               {"x.example.com", 443, "/", 1},
               {"x.y.z.example.com", 443, "/", 1},
               {"a.a.example.com", 443, "/", 1},
               {"example.com", 443, "/", -1},
               {"example.com", 443, "/star", 3},
               {".example.com", 443, "/star", 3},
               {"xexample.com", 443, "/star", 3},
               {"b.example.com", 443, "/", 1},
               {"x.b.example.com", 443, "/", 2},
               {"X.Y.B.Example.Com", 443, "/", 2},
               {"port.example.com", 8443, "/", 4},
               {"port.example.com", 443, "/", 1},
               {"[2001:DB8::1]", 443, "/", 5},
               {"two.test", 80, "/", 6},
               {"two.test", 81, "/", 7},
               {"other", 443, "/star/x", 3},
               {"other", 443, "/", -1},
               {"", 443, "/star", 3},
               {"a.example.com", 443, "/star", 0}});
}

TEST(Table, NoFallThroughToAWiderHost) {
  expect_rows({{"a.test", 0, Kind::prefix, "/a"}, {"*.test", 0}, {"a.test", 99, Kind::exact, "/p"}, {"*", 0}},
              {{"a.test", 1, "/a", 0}, {"a.test", 1, "/b", -1}, {"a.test", 99, "/a", -1}, {"b.test", 1, "/b", 1}});
}

TEST(Table, Paths) {
  expect_rows({{"h", 0, Kind::exact, "/admin"},
               {"h", 0, Kind::prefix, "/admin"},
               {"h", 0, Kind::prefix, "/dir/"},
               {"h", 0, Kind::regex, "/r[0-9]+"},
               {"h", 0, Kind::exact, "/late"},
               {"h", 0, Kind::prefix, "/a/b/c"},
               {"h", 0, Kind::prefix, "/a"}},
              {{"h", 1, "/admin", 0},
               {"h", 1, "/admin/", 1},
               {"h", 1, "/admin/x", 1},
               {"h", 1, "/administrator", -1},
               {"h", 1, "/admi", -1},
               {"h", 1, "/dir", -1},
               {"h", 1, "/dir/", 2},
               {"h", 1, "/dir/x", 2},
               {"h", 1, "/r7", 3},
               {"h", 1, "/r7x", -1},
               {"h", 1, "x/r7", -1},
               {"h", 1, "/ADMIN", -1},
               {"h", 1, "/a/b/c", 5},
               {"h", 1, "/a/b/cd", 6},
               {"h", 1, "/a/b", 6},
               {"h", 1, "/", -1},
               {"h", 1, "", -1},
               {"h", 1, "*", -1}});
}

TEST(Table, FileOrderAmongAllKinds) {
  expect_rows(
      {{"h", 0, Kind::regex, "/x.*"}, {"h", 0, Kind::exact, "/x/1"}, {"h", 0, Kind::any}, {"h", 0, Kind::prefix, "/y"}},
      {{"h", 1, "/x/1", 0}, {"h", 1, "/y", 2}, {"h", 1, "*", 2}, {"h", 1, "", 2}});
  expect_rows({{"h", 0, Kind::prefix, "/a"}, {"h", 0, Kind::prefix, "/a/b"}, {"h", 0, Kind::exact, "/a/b"}},
              {{"h", 1, "/a/b", 0}});
  expect_rows({{"h", 0, Kind::prefix, "/"}}, {{"h", 1, "/q", 0}, {"h", 1, "*", 0}});
}

TEST(Table, RegexPriority) {
  expect_rows({{"h", 0, Kind::exact, "/e"},
               {"h", 0, Kind::regex, "/[a-m].*", 0},
               {"h", 0, Kind::prefix, "/b"},
               {"h", 0, Kind::regex, "/[a-z].*", 10},
               {"h", 0, Kind::regex, "/.*", 10},
               {"h", 0, Kind::regex, "/bb", -1}},
              {{"h", 1, "/e", 0}, {"h", 1, "/b", 3}, {"h", 1, "/1", 4}, {"h", 1, "/bb", 3}});
  // Untouched by priorities: the order of the file.
  expect_rows({{"h", 0, Kind::prefix, "/b"}, {"h", 0, Kind::regex, "/.*", 99}}, {{"h", 1, "/b", 0}, {"h", 1, "/c", 1}});
}

TEST(Table, ManyRegexesOfOneHost) {
  std::vector<Match> routes;
  for (int i = 0; i < 300; ++i) routes.push_back({"h", 0, Kind::regex, "/r" + std::to_string(i) + "/[^/]+"});
  routes.push_back({"h", 0, Kind::regex, "/r7/.*"});
  routes.push_back({"h", 0, Kind::regex, "/r8/x", 5});
  auto table = table_of(routes);
  ASSERT_TRUE(table);
  EXPECT_EQ(table->match("h", 1, "/r299/a"), 299);
  EXPECT_EQ(table->match("h", 1, "/r7/a"), 7);
  EXPECT_EQ(table->match("h", 1, "/r7/a/b"), 300);
  EXPECT_EQ(table->match("h", 1, "/r8/x"), 301);
  EXPECT_EQ(table->match("h", 1, "/r300/a"), -1);
}

TEST(Table, KnowsHost) {
  auto table = table_of({{"a.test", 99}, {"*.w.test", 0, Kind::exact, "/x"}});
  ASSERT_TRUE(table);
  EXPECT_TRUE(table->knows_host("A.test"));
  EXPECT_TRUE(table->knows_host("q.w.TEST"));
  EXPECT_FALSE(table->knows_host("w.test"));
  EXPECT_FALSE(table->knows_host("b.test"));
  EXPECT_FALSE(table->knows_host(""));
  EXPECT_TRUE(table_of({{"*", 0}})->knows_host("b.test"));
}

TEST(Table, EmptyMatchesNothing) {
  auto table = table_of({});
  ASSERT_TRUE(table);
  EXPECT_EQ(table->match("h", 1, "/"), -1);
  EXPECT_FALSE(table->knows_host("h"));
}

TEST(Table, Faults) {
  const struct {
    std::vector<Match> routes;
    size_t index;
    const char* what;
  } rows[] = {
      {{{"h", 0}, {"g", 0}, {"h", 0}}, 2, "matches the same requests as route 0"},
      {{{"h", 0, Kind::prefix, "/a"}, {"h", 0, Kind::prefix, "/a"}}, 1, "matches the same requests as route 0"},
      {{{"h", 0}, {"h", 0, Kind::prefix, "/"}}, 1, "matches the same requests as route 0"},
      {{{"h", 0, Kind::regex, "/a", 1}, {"h", 0, Kind::regex, "/a", 2}}, 1, "matches the same requests as route 0"},
      {{{"", 0}}, 0, "empty"},
      {{{"H", 0}}, 0, "lower case"},
      {{{"a.*.test", 0}}, 0, "wildcard"},
      {{{"*a.test", 0}}, 0, "wildcard"},
      {{{"*.*.test", 0}}, 0, "wildcard"},
      {{{"*.", 0}}, 0, "empty label"},
      {{{"h/x", 0}}, 0, "character"},
      {{{"b\xc3\xbc.test", 0}}, 0, "ASCII form"},
      {{{"h", 0, Kind::prefix, "a"}}, 0, "begin with '/'"},
      {{{"h", 0, Kind::exact, ""}}, 0, "begin with '/'"},
      {{{"h", 0, Kind::exact, "/a?b"}}, 0, "query"},
      {{{"h", 0, Kind::regex, "("}}, 0, "regular expression"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    std::vector<Table::Fault> faults;
    EXPECT_EQ(Table::build(row.routes, faults), nullptr);
    ASSERT_EQ(faults.size(), 1u);
    EXPECT_EQ(faults[0].index, row.index);
    EXPECT_NE(faults[0].what.find(row.what), std::string::npos) << faults[0].what;
  }
  std::vector<Table::Fault> none;
  EXPECT_NE(Table::build({{"h", 0, Kind::prefix, "/a"},
                          {"h", 0, Kind::exact, "/a"},
                          {"h", 0, Kind::prefix, "/a/"},
                          {"h", 1, Kind::prefix, "/a"},
                          {"*.h", 0, Kind::prefix, "/a"}},
                         none),
            nullptr);
}

// ---- the table against a naive matcher ------------------------------------------------------------

// The header's sentences, one by one, without any index.
class NaiveTable {
 public:
  explicit NaiveTable(const std::vector<Match>& routes) : routes_(routes) {
    for (const Match& m : routes_) {
      if (m.kind == Kind::regex) regexes_[m.path] = std::make_unique<re2::RE2>(m.path);
    }
  }
  int match(std::string host, uint16_t port, const std::string& path) const {
    for (char& c : host) c = char(tolower(c));
    int best_score = -1;
    for (const Match& m : routes_) best_score = std::max(best_score, score(m, host, port));
    if (best_score < 0) return -1;
    std::vector<size_t> order;
    for (size_t i = 0; i < routes_.size(); ++i) {
      if (score(routes_[i], host, port) == best_score) insert(order, i);
    }
    for (size_t i : order) {
      if (fits(routes_[i], path)) return int(i);
    }
    return -1;
  }

 private:
  static int score(const Match& m, const std::string& host, uint16_t port) {
    if (m.port != 0 && m.port != port) return -1;
    int name = 0;
    if (m.host == host) {
      name = 1000;
    } else if (m.host.starts_with("*.")) {
      const std::string suffix = m.host.substr(1);
      if (host.size() <= suffix.size() || !host.ends_with(suffix)) return -1;
      name = int(suffix.size());
    } else if (m.host != "*") {
      return -1;
    }
    return name * 2 + (m.port != 0);
  }
  // Behind everything, except that a regex goes in front of the first regex that it outranks.
  void insert(std::vector<size_t>& order, size_t i) const {
    auto at = order.end();
    if (routes_[i].kind == Kind::regex) {
      at = std::find_if(order.begin(), order.end(), [&](size_t k) {
        return routes_[k].kind == Kind::regex && routes_[k].regex_priority < routes_[i].regex_priority;
      });
    }
    order.insert(at, i);
  }
  bool fits(const Match& m, const std::string& path) const {
    switch (m.kind) {
      case Kind::any:
        return true;
      case Kind::exact:
        return path == m.path;
      case Kind::prefix:
        return m.path == "/" || (path.starts_with(m.path) &&
                                 (path.size() == m.path.size() || m.path.back() == '/' || path[m.path.size()] == '/'));
      case Kind::regex:
        return re2::RE2::FullMatch(path, *regexes_.at(m.path));
    }
    return false;
  }
  std::vector<Match> routes_;
  std::map<std::string, std::unique_ptr<re2::RE2>> regexes_;
};

template <size_t N>
const char* pick(std::mt19937& random, const char* const (&from)[N]) {
  return from[random() % N];
}

std::string random_path(std::mt19937& random) {
  static const char* const kPieces[] = {"/", "/a", "/b", "/aa", "/a/", "/ab", "/c.d", "//"};
  std::string path = pick(random, kPieces);
  for (unsigned k = random() % 4; k > 0; --k) path += pick(random, kPieces);
  return path;
}

std::string random_host(std::mt19937& random, bool pattern) {
  static const char* const kHosts[] = {"a.test", "b.test", "a.b.test", "c.a.b.test", "test", "x.a.test", "[::1]"};
  static const char* const kPatterns[] = {"*", "*.test", "*.b.test", "*.a.b.test", "*.a.test"};
  if (pattern && random() % 2) return pick(random, kPatterns);
  return pick(random, kHosts);
}

std::vector<Match> random_routes(std::mt19937& random) {
  static const char* const kRegexes[] = {"/.*", "/a.*", ".*b", "/a/[ab]+/.*", "(/a)+", "/aa?", "/c\\.d", "", "//.*"};
  static const uint16_t kPorts[] = {0, 0, 0, 80, 81};
  std::vector<Match> routes;
  std::vector<Table::Fault> faults;
  const bool one_host = random() % 3 == 0;  // many regexes meet there
  for (unsigned k = 1 + random() % 40; k > 0; --k) {
    Match m{one_host ? "*.test" : random_host(random, true), kPorts[random() % std::size(kPorts)], Kind(random() % 4)};
    if (one_host) m.port = 0;
    if (m.kind == Kind::regex) {
      m.path = pick(random, kRegexes);
      m.regex_priority = int(random() % 4) - 1;
    } else if (m.kind != Kind::any) {
      m.path = random_path(random);
    }
    const bool same = std::any_of(routes.begin(), routes.end(), [&](const Match& o) {
      const auto all = [](const Match& x) { return x.kind == Kind::any || (x.kind == Kind::prefix && x.path == "/"); };
      return o.host == m.host && o.port == m.port && ((all(o) && all(m)) || (o.kind == m.kind && o.path == m.path));
    });
    if (!same) routes.push_back(m);
  }
  return routes;
}

TEST(Table, SameWinnerAsTheNaiveMatcher) {
  std::mt19937 random(3);
  size_t cases = 0, hits = 0;
  for (int t = 0; t < 2'000; ++t) {
    const std::vector<Match> routes = random_routes(random);
    const NaiveTable naive(routes);
    auto table = table_of(routes);
    ASSERT_TRUE(table);
    for (int n = 0; n < 60; ++n, ++cases) {
      std::string host = random_host(random, false);
      if (random() % 4 == 0) host = "q." + host;
      if (random() % 4 == 0) std::transform(host.begin(), host.end(), host.begin(), ::toupper);
      const uint16_t port = uint16_t(79 + random() % 4);
      const std::string path = random() % 50 ? random_path(random) : "*";
      const int want = naive.match(host, port, path);
      hits += want >= 0;
      if (table->match(host, port, path) == want) continue;
      std::string text;
      for (const Match& m : routes) {
        text += m.host + ":" + std::to_string(m.port) + " " + std::to_string(int(m.kind)) + " " + m.path + " p" +
                std::to_string(m.regex_priority) + "\n";
      }
      FAIL() << host << ":" << port << path << " want " << want << " got " << table->match(host, port, path) << "\n"
             << text;
    }
  }
  EXPECT_GE(cases, 100'000u);
  EXPECT_GT(hits, cases / 5);
  EXPECT_LT(hits, cases - cases / 20);
}

TEST(Table, TenThousandRoutesEachFindThemselves) {
  std::vector<Match> routes;
  for (int i = 0; i < 10'000; ++i) {
    const std::string n = std::to_string(i);
    switch (i % 4) {
      case 0:
        routes.push_back({"h" + n + ".example.com", 0});
        break;
      case 1:
        routes.push_back({"one.example.com", 0, Kind::prefix, "/p" + n});
        break;
      case 2:
        routes.push_back({"*.w" + n + ".example.com", 0});
        break;
      case 3:
        routes.push_back({"one.example.com", 0, Kind::exact, "/e" + n});
        break;
    }
  }
  auto table = table_of(routes);
  ASSERT_TRUE(table);
  for (int i = 0; i < 10'000; ++i) {
    const std::string n = std::to_string(i);
    const std::string hosts[] = {"h" + n + ".example.com", "one.example.com", "x.y.w" + n + ".example.com",
                                 "one.example.com"};
    const std::string paths[] = {"/any", "/p" + n + "/x", "/", "/e" + n};
    ASSERT_EQ(table->match(hosts[i % 4], 443, paths[i % 4]), i);
  }
}

// Long hostile names and paths cost what they are long, not more.
TEST(Table, HostileLengths) {
  auto table = table_of({{"*.test", 0, Kind::prefix, "/a"}, {"*.a.test", 0}, {"h", 0, Kind::regex, "(a|aa)+"}});
  ASSERT_TRUE(table);
  std::string host;
  for (int i = 0; i < 30'000; ++i) host += "a.";
  std::string path(60'000, '/');
  EXPECT_EQ(table->match(host + "test", 1, path), 1);
  EXPECT_EQ(table->match(host + "x", 1, path), -1);
  EXPECT_EQ(table->match("b.test", 1, "/a" + path), 0);
  EXPECT_EQ(table->match("h", 1, std::string(60'000, 'a')), 2);
  EXPECT_EQ(table->match("h", 1, std::string(60'000, 'a') + "b"), -1);
}

}  // namespace
}  // namespace cardea::route
