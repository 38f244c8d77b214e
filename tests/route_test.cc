// Routes: the table against a naive matcher, templates, rewrites, redirects, forwarding headers.
#include "route/route.h"

#include <gtest/gtest.h>
#include <re2/re2.h>

#include <algorithm>
#include <cstring>
#include <map>
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

// ---- templates ------------------------------------------------------------------------------------

Bytes lookup_token(void* arg, Bytes token) {
  const auto& values = *static_cast<std::map<std::string, std::string>*>(arg);
  const auto at = values.find(std::string(token));
  return at == values.end() ? Bytes() : Bytes(at->second);
}

TEST(Template, Values) {
  std::map<std::string, std::string> values{{"pomerium.jwt", "J.W.T"}, {"pomerium.id_token", "a\r\nEvil: 1"}};
  const struct {
    const char* text;
    const char* want;
    bool constant;
  } rows[] = {
      {"", "", true},
      {"plain", "plain", true},
      {"a$$b", "a$b", true},
      {"$$", "$", true},
      {"$", "$", true},
      {"5$ or $x", "5$ or $x", true},
      {"$${pomerium.jwt}", "${pomerium.jwt}", true},
      {"${pomerium.jwt}", "J.W.T", false},
      {"Bearer ${pomerium.jwt}", "Bearer J.W.T", false},
      {"${pomerium.jwt}$$${pomerium.jwt}!", "J.W.T$J.W.T!", false},
      {"a${pomerium.access_token}b", "ab", false},
      {"${pomerium.access_token}", "", false},
      {"x${pomerium.id_token}y", "xy", false},
      {"${pomerium.client_cert_fingerprint}${pomerium.client_cert_san_dns}${pomerium.client_cert_san_email}", "",
       false},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.text);
    auto parsed = Template::parse(row.text);
    ASSERT_TRUE(parsed) << parsed.error().message;
    Arena arena;
    EXPECT_EQ(parsed->expand(arena, lookup_token, &values), row.want);
    EXPECT_EQ(parsed->is_constant(), row.constant);
    if (row.constant) {
      EXPECT_EQ(arena.used(), 0u);
    }
  }
}

TEST(Template, Faults) {
  std::string many;
  for (int i = 0; i < 33; ++i) many += "${pomerium.jwt}";
  const std::pair<std::string, const char*> rows[] = {
      {"${pomerium.jwt", "without"},       {"${", "without"},        {"${pomerium.other}", "unknown token"},
      {"${jwt}", "unknown token"},         {"${}", "unknown token"}, {"a\r\nb", "control"},
      {std::string("a\0b", 3), "control"}, {many, "at most 32"},     {std::string(20'000, 'x'), "at most 16384"},
  };
  for (const auto& [text, what] : rows) {
    auto parsed = Template::parse(text);
    ASSERT_FALSE(parsed) << text.substr(0, 40);
    EXPECT_NE(parsed.error().message.find(what), std::string::npos) << parsed.error().message;
  }
}

TEST(Template, ResultIsBounded) {
  std::map<std::string, std::string> values{{"pomerium.jwt", std::string(20'000, 'x')}};
  Arena arena;
  EXPECT_EQ(Template::parse("${pomerium.jwt}")->expand(arena, lookup_token, &values).size(), 20'000u);
  EXPECT_EQ(Template::parse("${pomerium.jwt}${pomerium.jwt}")->expand(arena, lookup_token, &values), "");
}

// ---- rewrites -------------------------------------------------------------------------------------

std::shared_ptr<const RegexRewrite> regex(const std::string& pattern, const std::string& substitution) {
  auto made = RegexRewrite::make(pattern, substitution);
  if (!made) {
    ADD_FAILURE() << made.error().message;
    return nullptr;
  }
  return *made;
}

TEST(RegexRewrite, LikeRe2sGlobalReplace) {
  const char* patterns[] = {"a", "a*", "(a)(b)?", "^/a", "$", "", "b|", "\\b", "/([^/]*)", "x", "(?i)A+", "a+$"};
  const char* substitutions[] = {"", "X", "\\0\\0", "<\\1>", "\\\\", "[\\0]"};
  const char* subjects[] = {"", "a", "aa", "/a/b", "/aab/ab/b", "baab", "/", "///", "ccc", "ba"};
  for (const char* p : patterns) {
    for (const char* s : substitutions) {
      auto made = RegexRewrite::make(p, s);
      std::string why;
      ASSERT_EQ(bool(made), re2::RE2(p).CheckRewriteString(s, &why)) << p << " " << s;
      if (!made) continue;
      for (const char* subject : subjects) {
        std::string want = subject;
        re2::RE2::GlobalReplace(&want, p, s);
        Arena arena;
        EXPECT_EQ((*made)->apply(subject, arena), want) << p << " -> " << s << " on " << subject;
      }
    }
  }
}

TEST(RegexRewrite, Faults) {
  EXPECT_FALSE(RegexRewrite::make("(", ""));
  EXPECT_FALSE(RegexRewrite::make("a", "\\1"));
  EXPECT_FALSE(RegexRewrite::make("a", "\\x"));
  EXPECT_FALSE(RegexRewrite::make("a", "x\\"));
}

TEST(RegexRewrite, ResultIsBounded) {
  Arena arena;
  auto grow = regex("a", std::string(1'000, 'x'));
  EXPECT_EQ(grow->apply(std::string(60, 'a'), arena).size(), 60'000u);
  EXPECT_EQ(grow->apply(std::string(70, 'a'), arena), "");
  EXPECT_EQ(regex("a", "b")->apply(std::string(256, 'a'), arena), std::string(256, 'b'));
  EXPECT_EQ(regex("a", "b")->apply(std::string(257, 'a'), arena), "");
}

Rewrite by_prefix(const char* to) {
  Rewrite r;
  r.has_prefix = true;
  r.prefix = to;
  return r;
}
Rewrite by_regex(const char* pattern, const char* substitution) {
  Rewrite r;
  r.regex = regex(pattern, substitution);
  return r;
}

TEST(RewritePath, Rows) {
  const Match any{"h", 0};
  const auto prefix = [](const char* p) { return Match{"h", 0, Kind::prefix, p}; };
  const Match exact{"h", 0, Kind::exact, "/e"};
  const Match pattern{"h", 0, Kind::regex, "/.*"};
  const struct {
    Rewrite rewrite;
    Match match;
    const char* path;
    const char* query;
    const char* want;
  } rows[] = {
      {{}, any, "/a", "?q", "/a?q"},
      {by_prefix("/"), prefix("/a"), "/a/b", "?q", "/b?q"},
      {by_prefix("/"), prefix("/a"), "/a", "", "/"},
      {by_prefix("/"), prefix("/a/"), "/a/b", "", "/b"},
      {by_prefix("/x"), prefix("/a"), "/a/b/c", "", "/x/b/c"},
      {by_prefix("/x"), prefix("/a"), "/a", "?q", "/x?q"},
      {by_prefix("/x/"), prefix("/a"), "/a/b", "", "/x/b"},
      {by_prefix("/x/"), prefix("/a"), "/a", "", "/x/"},
      {by_prefix("/x"), prefix("/a/"), "/a/b", "", "/x/b"},
      {by_prefix("/x"), prefix("/a/"), "/a/", "", "/x"},
      {by_prefix("/x"), prefix("/"), "/b", "", "/x/b"},
      {by_prefix("/x"), any, "/b", "", "/x/b"},
      {by_prefix("/x"), any, "/", "", "/x/"},
      {by_prefix("/"), any, "/b/c", "?q", "/b/c?q"},
      {by_prefix(""), prefix("/a"), "/a", "?q", "/?q"},
      {by_prefix(""), prefix("/a"), "/a/b", "", "/b"},
      {by_prefix("/x"), exact, "/e", "?q", "/x?q"},
      {by_prefix("/x"), pattern, "/b/c", "", "/x"},
      {by_regex("^/v1/(.*)", "/api/\\1/x"), any, "/v1/u", "?q", "/api/u/x?q"},
      {by_regex("nomatch", "x"), any, "/v1/u", "?q", "/v1/u?q"},
      {by_regex("^/s/(.*)", "/find?w=\\1"), any, "/s/u", "", "/find?w=u"},
      {by_regex("^/s/(.*)", "/find?w=\\1"), any, "/s/u", "?q", "/find?w=u&q"},
      {by_regex("-", "_"), any, "/a-b-c", "", "/a_b_c"},
      // what is no path is never sent
      {by_regex("^/", ""), any, "/a", "", ""},
      {by_regex(".*", ""), any, "/a", "?q", ""},
      {by_regex("^/x(.*)", "/\\1"), any, "/x../admin", "", ""},
      {by_regex("^/x(.*)", "/\\1"), any, "/x.", "", ""},
      {by_regex("a", " "), any, "/a", "", ""},
      {by_regex("a", "\r\n"), any, "/a", "", ""},
      {by_regex("a", "#"), any, "/a", "", ""},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(std::string(row.path) + " -> " + row.want);
    Arena arena;
    const std::string target = std::string(row.path) + row.query;
    const size_t n = strlen(row.path);
    EXPECT_EQ(rewrite_path(row.rewrite, row.match, Bytes(target).substr(0, n), Bytes(target).substr(n), arena),
              row.want);
    EXPECT_EQ(rewrite_path(row.rewrite, row.match, row.path, row.query, arena), row.want);
  }
}

TEST(RewritePath, NothingToDoCopiesNothing) {
  const std::string target = "/a/b?c";
  Arena arena;
  const Bytes sent = rewrite_path({}, {"h", 0}, Bytes(target).substr(0, 4), Bytes(target).substr(4), arena);
  EXPECT_EQ(sent.data(), target.data());
  EXPECT_EQ(sent, target);
  EXPECT_EQ(arena.used(), 0u);
}

TEST(RewriteHost, Rows) {
  Rewrite fixed, header, path, keep;
  fixed.host = "fixed.test:1";
  header.host_header = "X-Target";
  path.host_from_path = regex("^/([^/]+).*$", "\\1.inner");
  keep.preserve_host = true;
  const struct {
    const Rewrite* rewrite;
    const char* header;
    const char* path;
    const char* want;
  } rows[] = {
      {&fixed, "", "/", "fixed.test:1"},    {&header, "other.test:8080", "/", "other.test:8080"},
      {&header, "", "/", "end.test"},       {&header, "a b", "/", "end.test"},
      {&header, "user@h", "/", "end.test"}, {&path, "", "/svc/x", "svc.inner"},
      {&path, "", "/", "end.test"},         {&path, "", "/a%2Fb/x", "end.test"},
      {&keep, "", "/", "asked.test:8443"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.want);
    auto head = http::make_request();
    head->authority = "asked.test:8443";
    if (row.header[0]) head->fields.add("x-target", row.header);
    EXPECT_EQ(rewrite_host(*row.rewrite, *head, row.path, "end.test", head->arena), row.want);
  }
  auto head = http::make_request();
  EXPECT_EQ(rewrite_host({}, *head, "/", "end.test", head->arena), "end.test");
}

// ---- redirects ------------------------------------------------------------------------------------

TEST(RedirectLocation, Rows) {
  const Match any{"h", 0};
  const Match prefix{"h", 0, Kind::prefix, "/a"};
  const auto with = [](auto change) {
    Redirect r;
    change(r);
    return r;
  };
  const Redirect https = with([](Redirect& r) { r.https_redirect = true; });
  const auto path = [&](const char* to, bool strip = false) {
    return with([&](Redirect& r) { r.has_path = true, r.path = to, r.strip_query = strip; });
  };
  const auto swap = [&](const char* to) {
    return with([&](Redirect& r) { r.has_prefix = true, r.prefix_rewrite = to; });
  };
  const struct {
    Redirect redirect;
    Match match;
    const char* scheme;
    const char* authority;
    const char* want;  // of "/a/b?q"
  } rows[] = {
      {https, any, "http", "h.test", "https://h.test/a/b?q"},
      {https, any, "http", "h.test:80", "https://h.test/a/b?q"},
      {https, any, "http", "h.test:8080", "https://h.test:8080/a/b?q"},
      {https, any, "http", "[::1]:8080", "https://[::1]:8080/a/b?q"},
      {https, any, "http", "h.test:443", "https://h.test/a/b?q"},
      {with([](Redirect& r) { r.scheme = "http"; }), any, "https", "h.test:443", "http://h.test/a/b?q"},
      {with([](Redirect& r) { r.scheme = "ftp", r.https_redirect = true; }), any, "http", "h", "ftp://h/a/b?q"},
      {with([](Redirect& r) { r.host = "other"; }), any, "https", "h.test:9", "https://other/a/b?q"},
      {with([](Redirect& r) { r.host = "other", r.port = 7; }), any, "https", "h.test:9", "https://other:7/a/b?q"},
      {with([](Redirect& r) { r.port = 7; }), any, "https", "h.test:9", "https://h.test:7/a/b?q"},
      {with([](Redirect& r) { r.port = 443; }), any, "https", "h.test:9", "https://h.test/a/b?q"},
      {with([](Redirect& r) { r.port = 443; }), any, "http", "h.test:9", "http://h.test:443/a/b?q"},
      {path("/new"), any, "https", "h", "https://h/new?q"},
      {path("/new", true), any, "https", "h", "https://h/new"},
      {path("/new?x=1"), any, "https", "h", "https://h/new?x=1"},
      {path("/new?x=1", true), any, "https", "h", "https://h/new?x=1"},
      {swap("/z"), prefix, "https", "h", "https://h/z/b?q"},
      {swap("/"), prefix, "https", "h", "https://h/b?q"},
      {swap(""), prefix, "https", "h", "https://h/b?q"},
      {swap("/z"), any, "https", "h", "https://h/z/a/b?q"},
      {with([](Redirect& r) { r.strip_query = true; }), any, "https", "h", "https://h/a/b"},
      {with([](Redirect& r) { r.has_prefix = true, r.prefix_rewrite = "/z", r.strip_query = true; }), prefix, "https",
       "h", "https://h/z/b"},
  };
  for (const auto& row : rows) {
    Arena arena;
    EXPECT_EQ(redirect_location(row.redirect, row.match, row.scheme, row.authority, "/a/b", "?q", arena), row.want);
  }
}

// ---- forwarding -----------------------------------------------------------------------------------

using Names = std::vector<std::pair<std::string, std::string>>;

struct Forwarded {
  Names fields;
  std::string client;
};

Forwarded forward(const Names& sent, const ForwardingOptions& options, const ForwardingFacts& facts) {
  auto head = http::make_request();
  for (const auto& [name, value] : sent) head->fields.add(name, value);
  Forwarded result;
  result.client = apply_forwarding(*head, options, facts);
  for (const http::Field& f : head->fields) result.fields.push_back({std::string(f.name), std::string(f.value)});
  return result;
}

const ForwardingFacts kFacts{"192.0.2.9", true, "asked.test", false, "id-1"};

TEST(Forwarding, UntrustedClaimsAreReplaced) {
  const auto r = forward({{"X-Forwarded-For", "1.1.1.1"},
                          {"x-forwarded-for", "2.2.2.2"},
                          {"X-FORWARDED-PROTO", "http"},
                          {"X-Forwarded-Host", "evil"},
                          {"X-Forwarded-Port", "1"},
                          {"X-Forwarded-Prefix", "/x"},
                          {"X-Forwarded-Client-Cert", "Hash=1"},
                          {"X-Real-IP", "3.3.3.3"},
                          {"Forwarded", "for=4.4.4.4"},
                          {"X-Original-URL", "/admin"},
                          {"x-rewrite-url", "/admin"},
                          {"X-Request-ID", "theirs"},
                          {"Via", "1.1 me"},
                          {"X-Other", "stays"},
                          {"Fine", "stays"}},
                         {}, kFacts);
  EXPECT_EQ(r.client, "192.0.2.9");
  EXPECT_EQ(r.fields, (Names{{"Via", "1.1 me"},
                             {"X-Other", "stays"},
                             {"Fine", "stays"},
                             {"x-forwarded-for", "192.0.2.9"},
                             {"x-forwarded-proto", "https"},
                             {"x-real-ip", "192.0.2.9"},
                             {"x-request-id", "id-1"}}));
}

TEST(Forwarding, OtherSpellings) {
  for (const char* name : {"X_Forwarded_For", "x-forwarded_for", "X_FORWARDED-PROTO", "x_forwarded_host", "X_Real_IP",
                           "x-real_ip", "X_Request_Id", "x_forwarded_client_cert", "x-forwarded_client-cert"}) {
    for (uint32_t hops : {0u, 1u}) {
      const auto r = forward({{name, "1.1.1.1"}}, {false, hops}, kFacts);
      EXPECT_EQ(r.client, "192.0.2.9") << name;
      EXPECT_EQ(r.fields,
                (Names{{"x-forwarded-for", "192.0.2.9"}, {"x-forwarded-proto", "https"}, {"x-request-id", "id-1"}}))
          << name;
    }
  }
}

// Rows 140 and 141.
TEST(Forwarding, IdentityHeadersNeverPass) {
  for (const char* name : {"X-Pomerium-Claim-Email", "x-pomerium-claim-groups", "X-Pomerium-Jwt-Assertion",
                           "x-pomerium-jwt-assertion-for", "X-Pomerium-Authorization", "X-Pomerium-Reproxy-Policy",
                           "x-pomerium-reproxy-policy-hmac", "X-Pomerium-Routing-Key", "X_Pomerium_Claim_Email",
                           "x-pomerium_claim-email", "x_pomerium-jwt_assertion", "X-POMERIUM-ANYTHING"}) {
    for (uint32_t hops : {0u, 3u}) {
      const auto r = forward({{name, "a@b"}}, {false, hops}, kFacts);
      for (const auto& [kept, value] : r.fields) EXPECT_NE(kept, name);
      EXPECT_EQ(r.fields.size(), 3u);
    }
  }
  EXPECT_EQ(forward({{"X-Pomeriumx", "1"}}, {}, kFacts).fields[0].first, "X-Pomeriumx");
  EXPECT_EQ(forward({{"My-X-Pomerium-Claim", "1"}}, {}, kFacts).fields[0].first, "My-X-Pomerium-Claim");
}

TEST(Forwarding, TrustedHops) {
  const struct {
    std::vector<const char*> sent;
    uint32_t hops;
    bool skip;
    const char* client;
    const char* forwarded_for;
  } rows[] = {
      {{}, 0, false, "192.0.2.9", "192.0.2.9"},
      {{}, 0, true, "192.0.2.9", ""},
      {{"1.1.1.1"}, 0, true, "192.0.2.9", ""},
      {{}, 1, false, "192.0.2.9", "192.0.2.9"},
      {{"1.1.1.1"}, 1, false, "1.1.1.1", "1.1.1.1, 192.0.2.9"},
      {{"1.1.1.1"}, 1, true, "1.1.1.1", "1.1.1.1"},
      {{"9.9.9.9, 1.1.1.1"}, 1, false, "1.1.1.1", "9.9.9.9, 1.1.1.1, 192.0.2.9"},
      {{"9.9.9.9,1.1.1.1 , 2.2.2.2"}, 2, false, "1.1.1.1", "9.9.9.9,1.1.1.1 , 2.2.2.2, 192.0.2.9"},
      {{"9.9.9.9", "1.1.1.1", "2.2.2.2"}, 2, false, "1.1.1.1", "9.9.9.9, 1.1.1.1, 2.2.2.2, 192.0.2.9"},
      {{"1.1.1.1"}, 2, false, "192.0.2.9", "1.1.1.1, 192.0.2.9"},
      {{"1.1.1.1"}, UINT32_MAX, false, "192.0.2.9", "1.1.1.1, 192.0.2.9"},
      {{"unknown"}, 1, false, "192.0.2.9", "unknown, 192.0.2.9"},
      {{"1.1.1.1:80"}, 1, false, "1.1.1.1", "1.1.1.1:80, 192.0.2.9"},
      {{"[2001:db8::7]:80"}, 1, false, "2001:db8::7", "[2001:db8::7]:80, 192.0.2.9"},
      {{"[2001:db8::7]"}, 1, false, "2001:db8::7", "[2001:db8::7], 192.0.2.9"},
      {{"2001:db8::7"}, 1, false, "2001:db8::7", "2001:db8::7, 192.0.2.9"},
      {{"1.1.1.1:x"}, 1, false, "192.0.2.9", "1.1.1.1:x, 192.0.2.9"},
      {{"[2001:db8::7]x"}, 1, false, "192.0.2.9", "[2001:db8::7]x, 192.0.2.9"},
      {{"1.1.1"}, 1, false, "192.0.2.9", "1.1.1, 192.0.2.9"},
      {{"1.1.1.1,"}, 1, false, "192.0.2.9", "1.1.1.1,, 192.0.2.9"},
      {{""}, 1, false, "192.0.2.9", "192.0.2.9"},
  };
  for (const auto& row : rows) {
    Names sent;
    for (const char* v : row.sent) sent.push_back({"X-Forwarded-For", v});
    SCOPED_TRACE(std::string(row.forwarded_for) + " hops " + std::to_string(row.hops));
    const auto r = forward(sent, {row.skip, row.hops}, kFacts);
    EXPECT_EQ(r.client, row.client);
    std::string got;
    size_t count = 0;
    for (const auto& [name, value] : r.fields) {
      if (name == "x-forwarded-for") got = value, ++count;
    }
    EXPECT_EQ(got, row.forwarded_for);
    EXPECT_LE(count, 1u);
  }
}

TEST(Forwarding, SchemeAndHost) {
  const auto value = [](const Forwarded& r, const char* name) {
    std::string all;
    for (const auto& [n, v] : r.fields) {
      if (n == name) all += "[" + v + "]";
    }
    return all;
  };
  ForwardingFacts plain = kFacts;
  plain.tls = false;
  const ForwardingOptions trusting{false, 1};
  EXPECT_EQ(value(forward({{"X-Forwarded-Proto", "https"}}, {}, plain), "x-forwarded-proto"), "[http]");
  EXPECT_EQ(value(forward({{"X-Forwarded-Proto", "HTTPS"}}, trusting, plain), "x-forwarded-proto"), "[https]");
  EXPECT_EQ(value(forward({{"X-Forwarded-Proto", "http"}}, trusting, kFacts), "x-forwarded-proto"), "[http]");
  EXPECT_EQ(value(forward({{"X-Forwarded-Proto", "gopher"}}, trusting, plain), "x-forwarded-proto"), "[http]");
  EXPECT_EQ(value(forward({{"X-Forwarded-Proto", "http"}, {"X-Forwarded-Proto", "https"}}, trusting, plain),
                  "x-forwarded-proto"),
            "[http]");
  ForwardingFacts rewritten = kFacts;
  rewritten.host_rewritten = true;
  EXPECT_EQ(value(forward({}, {}, rewritten), "x-forwarded-host"), "[asked.test]");
  EXPECT_EQ(value(forward({{"x-forwarded-host", "evil"}}, {}, rewritten), "x-forwarded-host"), "[asked.test]");
  EXPECT_EQ(value(forward({{"x-forwarded-host", "evil"}}, {}, kFacts), "x-forwarded-host"), "");
  EXPECT_EQ(value(forward({{"x-forwarded-host", "front"}}, trusting, kFacts), "x-forwarded-host"), "[front]");
  EXPECT_EQ(value(forward({{"x-forwarded-host", "front"}}, trusting, rewritten), "x-forwarded-host"),
            "[front, asked.test]");
  EXPECT_EQ(value(forward({{"x-forwarded-host", "Asked.test"}}, trusting, rewritten), "x-forwarded-host"),
            "[Asked.test]");
  EXPECT_EQ(value(forward({{"x-real-ip", "9.9.9.9"}, {"X-Forwarded-For", "1.1.1.1"}}, trusting, kFacts), "x-real-ip"),
            "[1.1.1.1]");
}

TEST(Forwarding, PeerWithoutAddress) {
  ForwardingFacts local = kFacts;
  local.peer_ip = {};
  const auto r = forward({{"X-Forwarded-For", "1.1.1.1"}, {"X-Real-IP", "1.1.1.1"}}, {}, local);
  EXPECT_EQ(r.client, "");
  EXPECT_EQ(r.fields, (Names{{"x-forwarded-proto", "https"}, {"x-request-id", "id-1"}}));
}

}  // namespace
}  // namespace cardea::route
