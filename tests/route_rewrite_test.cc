// What a route makes of a request: templates, rewritten paths and hosts, redirects.
#include "route/route.h"

#include <gtest/gtest.h>
#include <re2/re2.h>

#include <cstring>
#include <map>

namespace cardea::route {
namespace {

using Kind = Match::Path;

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

}  // namespace
}  // namespace cardea::route
