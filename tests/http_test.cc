// What holds for every HTTP version: fields, heads, output, causes, authorities.
#include "http/http.h"

#include <gtest/gtest.h>

#include <set>

namespace cardea::http {
namespace {

std::string names(const Fields& fields) {
  std::string s;
  for (const Field& f : fields) s += std::string(f.name) + "=" + std::string(f.value) + ";";
  return s;
}

TEST(FieldNames, EveryIdIsFoundByItsNameInAnyCase) {
  std::set<Bytes> seen;
  for (int i = 1; i < int(FieldId::count_); ++i) {
    const Bytes name = field_name(FieldId(i));
    ASSERT_FALSE(name.empty()) << i;
    EXPECT_TRUE(seen.insert(name).second) << name;
    EXPECT_EQ(field_id(name), FieldId(i)) << name;
    std::string upper;
    for (char c : name) upper += char(toupper(c));
    EXPECT_EQ(field_id(upper), FieldId(i)) << name;
    EXPECT_EQ(field_id(std::string(name) + "x"), FieldId::other);
    EXPECT_EQ(field_id(name.substr(1)), FieldId::other) << name;
  }
  EXPECT_TRUE(field_name(FieldId::other).empty());
}

TEST(FieldNames, NeighboursOfKnownNamesAreOther) {
  for (Bytes name : {"", "a", "host\x80", "hosT ", "h0st", "content_length", "content-lengtI", "x-forwarded-fo2",
                     "\xe8ost", "averyveryveryverylongfieldname"}) {
    EXPECT_EQ(field_id(name), FieldId::other) << name;
  }
}

TEST(Fields, FindIgnoresCase) {
  Fields f;
  f.add("Host", "a");
  f.add("X-Custom", "1");
  ASSERT_TRUE(f.find(FieldId::host));
  EXPECT_EQ(f.find("hOST")->value, "a");
  EXPECT_EQ(f.find("x-custom")->value, "1");
  EXPECT_EQ(f.find("x-custo"), nullptr);
  EXPECT_EQ(f.find(FieldId::other), nullptr);
  EXPECT_EQ(f.value(FieldId::cookie), "");
}

TEST(Fields, RemoveTakesAllOfAName) {
  Fields f;
  for (Bytes v : {"1", "2", "3"}) f.add("Cookie", v);
  f.add("X-A", "1");
  f.add("x-a", "2");
  f.add("X-B", "3");
  EXPECT_EQ(f.remove(FieldId::cookie), 3u);
  EXPECT_EQ(f.remove("X-a"), 2u);
  EXPECT_EQ(f.remove(FieldId::cookie), 0u);
  EXPECT_EQ(f.remove(FieldId::other), 0u);
  EXPECT_EQ(names(f), "X-B=3;");
}

TEST(Fields, SetReplacesInPlaceAndDropsTheRest) {
  Fields f;
  f.add("A", "1");
  f.add("Via", "x");
  f.add("B", "2");
  f.add("via", "y");
  f.set(FieldId::via, "z");
  EXPECT_EQ(names(f), "A=1;Via=z;B=2;");
  f.set("b", "3");
  EXPECT_EQ(names(f), "A=1;Via=z;B=3;");
  f.set("C", "4");
  f.set(FieldId::host, "h");
  EXPECT_EQ(names(f), "A=1;Via=z;B=3;C=4;host=h;");
}

struct TextRow {
  Bytes text;
  bool token, value;
};
class Text : public ::testing::TestWithParam<TextRow> {};
TEST_P(Text, IsTokenOrValue) {
  EXPECT_EQ(is_token(GetParam().text), GetParam().token);
  EXPECT_EQ(is_field_value(GetParam().text), GetParam().value);
}
INSTANTIATE_TEST_SUITE_P(Rows, Text,
                         ::testing::ValuesIn(std::vector<TextRow>{
                             TextRow{"abcXYZ019!#$%&'*+-.^_`|~", true, true}, TextRow{"", false, true},
                             TextRow{"a b", false, true}, TextRow{"a:b", false, true}, TextRow{"a\tb", false, true},
                             TextRow{"a\x80", false, true}, TextRow{"a\"b", false, true}, TextRow{"a\rb", false, false},
                             TextRow{"a\nb", false, false}, TextRow{{"a\0b", 3}, false, false},
                             TextRow{"a\x7f", false, false}, TextRow{"a\x1f", false, false},
                             TextRow{"(a)", false, true}, TextRow{"a/b", false, true}}));

TEST(Lists, HaveWholeTokensOnly) {
  EXPECT_TRUE(list_has("close", "close"));
  EXPECT_TRUE(list_has("keep-alive,  Close\t", "close"));
  EXPECT_TRUE(list_has(",,a , b", "b"));
  EXPECT_FALSE(list_has("close x", "close"));
  EXPECT_FALSE(list_has("notclose", "close"));
  EXPECT_FALSE(list_has("", "close"));
}

TEST(HopByHop, AreTheConnectionsOwn) {
  std::set<FieldId> hop;
  for (int i = 0; i < int(FieldId::count_); ++i) {
    if (is_hop_by_hop(FieldId(i))) hop.insert(FieldId(i));
  }
  EXPECT_EQ(hop, (std::set<FieldId>{FieldId::connection, FieldId::keep_alive, FieldId::proxy_connection, FieldId::te,
                                    FieldId::transfer_encoding, FieldId::upgrade, FieldId::http2_settings}));
}

TEST(Trailers, MayNotCarryFramingRoutingOrIdentity) {
  for (Bytes name : {"Content-Length",
                     "Transfer-Encoding",
                     "Host",
                     "Authorization",
                     "Cookie",
                     "Set-Cookie",
                     "X-Forwarded-For",
                     "X-Forwarded-Client-Cert",
                     "Forwarded",
                     "X-Real-IP",
                     "Connection",
                     "TE",
                     "Trailer",
                     "X-Pomerium-Claim-Email",
                     "x-pomerium-jwt-assertion",
                     "X_Pomerium_Claim_Email",
                     "Content-Encoding",
                     "Content-Range",
                     "If-Match",
                     "WWW-Authenticate",
                     "Expect",
                     "Range",
                     "Cache-Control",
                     "x-envoy-original-path"}) {
    EXPECT_TRUE(is_forbidden_in_trailers({name, "", field_id(name)})) << name;
  }
  for (Bytes name : {"grpc-status", "Grpc-Message", "X-Checksum", "Digest", "Server-Timing", "ETag"}) {
    EXPECT_FALSE(is_forbidden_in_trailers({name, "", field_id(name)})) << name;
  }
}

TEST(Methods, AreCaseSensitive) {
  EXPECT_EQ(method_of("GET"), Method::get);
  EXPECT_EQ(method_of("get"), Method::other);
  EXPECT_EQ(method_of("CONNECT"), Method::connect);
  EXPECT_EQ(method_of("DELETE"), Method::delete_);
  EXPECT_EQ(method_of(""), Method::other);
  for (Method m : {Method::get, Method::head, Method::put, Method::delete_, Method::options}) {
    EXPECT_TRUE(is_idempotent(m));
  }
  for (Method m : {Method::post, Method::patch, Method::connect, Method::other}) EXPECT_FALSE(is_idempotent(m));
}

TEST(Bodiless, FollowsMethodAndStatus) {
  for (uint16_t s : {100, 103, 204, 304}) EXPECT_TRUE(is_bodiless(Method::get, s)) << s;
  for (uint16_t s : {200, 205, 206, 301, 404, 500}) {
    EXPECT_FALSE(is_bodiless(Method::get, s)) << s;
    EXPECT_TRUE(is_bodiless(Method::head, s)) << s;
  }
}

TEST(Heads, ComeBackClean) {
  RequestHead* was = nullptr;
  {
    RequestPtr h = make_request();
    was = h.get();
    h->fields.add("A", h->arena.copy("b"));
    h->method = Method::post;
    h->method_name = "POST";
    h->authority = h->target = h->upgrade = h->scheme = "x";
    h->content_length = 5;
    h->has_body = h->expect_continue = h->te_trailers = true;
    h->protocol = Protocol::http2;
  }
  RequestPtr h = make_request();
  EXPECT_EQ(h.get(), was);
  EXPECT_TRUE(h->fields.empty());
  EXPECT_EQ(h->arena.used(), 0u);
  EXPECT_EQ(h->method, Method::other);
  EXPECT_TRUE(h->method_name.empty() && h->authority.empty() && h->target.empty() && h->upgrade.empty());
  EXPECT_TRUE(h->scheme.empty());
  EXPECT_FALSE(h->content_length || h->has_body || h->expect_continue || h->te_trailers);
  EXPECT_EQ(h->protocol, Protocol::http11);
  ResponsePtr r = make_response();
  r->status = 200;
  r->close = true;
  ResponseHead* response_was = r.get();
  r.reset();
  r = make_response();
  EXPECT_EQ(r.get(), response_was);
  EXPECT_TRUE(r->status == 0 && !r->close);
}

TEST(EndCauses, HaveOneRowEach) {
  EXPECT_STREQ(row(EndCause::none).word, "ok");
  EXPECT_EQ(row(EndCause::connect_timeout).status, 504);
  EXPECT_STREQ(row(EndCause::internal).name, "internal");
  EXPECT_STREQ(row(EndCause(200)).name, "internal");
  EXPECT_EQ((End{EndCause::bad_request, "x", 431}).http_status(), 431);
  EXPECT_EQ((End{EndCause::bad_request, "x"}).http_status(), 400);
}

std::string joined(const Output& out) {
  std::string s;
  for (Bytes b : out.slices()) s.append(b);
  return s;
}

TEST(OutputBytes, KeepOrderAndJoinNeighbours) {
  Output out;
  EXPECT_TRUE(out.empty());
  out.copy("head\r\n");
  char* p = out.reserve(100);
  memcpy(p, "abc", 3);
  out.commit(3);
  EXPECT_EQ(out.slices().size(), 1u) << "neighbours are one slice";
  const std::string body(3000, 'b');
  out.borrow(body);
  EXPECT_EQ(out.slices()[1].data(), body.data()) << "borrowed, not copied";
  out.copy("tail");
  out.borrow({});
  EXPECT_EQ(out.slices().size(), 3u);
  EXPECT_EQ(joined(out), "head\r\nabc" + body + "tail");
  EXPECT_EQ(out.size(), joined(out).size());
  out.clear();
  EXPECT_TRUE(out.empty());
  EXPECT_TRUE(out.slices().empty());
}

TEST(OutputBytes, AnySizeFits) {
  Output out;
  std::string all;
  for (size_t n : {1u, 4095u, 4096u, 4097u, 100000u, 3u, 5000u}) {
    const std::string s(n, char('a' + n % 26));
    out.copy(s);
    all += s;
    char* p = out.reserve(n);
    memcpy(p, s.data(), n);
    out.commit(n);
    all += s;
  }
  EXPECT_EQ(joined(out), all);
}

// A borrowed slice that happens to end where our block goes on must not be joined with it.
TEST(OutputBytes, NeverJoinBorrowedBytes) {
  Output out;
  const std::string x(3000, 'x');
  out.copy(x);
  const Bytes own = out.slices()[0];
  out.borrow(own);
  out.copy("y");
  EXPECT_EQ(out.slices().size(), 3u);
  EXPECT_EQ(joined(out), x + x + "y");
}

struct AuthorityRow {
  Bytes text;
  bool ok;
  Bytes host;
  uint16_t port;
};
class Authority : public ::testing::TestWithParam<AuthorityRow> {};
TEST_P(Authority, Parses) {
  const AuthorityRow& r = GetParam();
  Result<HostPort> got = parse_authority(r.text);
  ASSERT_EQ(bool(got), r.ok) << r.text;
  if (!r.ok) {
    EXPECT_FALSE(got.error().message.empty());
    return;
  }
  EXPECT_EQ(got->host, r.host);
  EXPECT_EQ(got->port, r.port);
  EXPECT_EQ(got->has_port, r.port != 0);
}
INSTANTIATE_TEST_SUITE_P(Rows, Authority,
                         ::testing::ValuesIn(std::vector<AuthorityRow>{
                             AuthorityRow{"a", true, "a", 0},
                             AuthorityRow{"A.Example", true, "A.Example", 0},
                             AuthorityRow{"a:80", true, "a", 80},
                             AuthorityRow{"a:", true, "a", 0},
                             AuthorityRow{"a.:1", true, "a.", 1},
                             AuthorityRow{"a:65535", true, "a", 65535},
                             AuthorityRow{"a:00080", true, "a", 80},
                             AuthorityRow{"127.0.0.1:8080", true, "127.0.0.1", 8080},
                             AuthorityRow{"[::1]", true, "[::1]", 0},
                             AuthorityRow{"[::1]:443", true, "[::1]", 443},
                             AuthorityRow{"[2001:db8::1:2]:1", true, "[2001:db8::1:2]", 1},
                             AuthorityRow{"[::ffff:1.2.3.4]", true, "[::ffff:1.2.3.4]", 0},
                             AuthorityRow{"x_y-z~", true, "x_y-z~", 0},
                             AuthorityRow{"[::1]:", true, "[::1]", 0},
                             AuthorityRow{"", false},
                             AuthorityRow{":80", false},
                             AuthorityRow{"u@a", false},
                             AuthorityRow{"u:p@a:1", false},
                             AuthorityRow{"a/x", false},
                             AuthorityRow{"a b", false},
                             AuthorityRow{" a", false},
                             AuthorityRow{"a%00", false},
                             AuthorityRow{"a%41", false},
                             AuthorityRow{"a,b", false},
                             AuthorityRow{"a?b", false},
                             AuthorityRow{"a#b", false},
                             AuthorityRow{"a\\b", false},
                             AuthorityRow{"a:99999", false},
                             AuthorityRow{"a:65536", false},
                             AuthorityRow{"a:0", false},
                             AuthorityRow{"a:-1", false},
                             AuthorityRow{"a:+1", false},
                             AuthorityRow{"a:8 0", false},
                             AuthorityRow{"a:000080", false},
                             AuthorityRow{"a:1:2", false},
                             AuthorityRow{"a:b", false},
                             AuthorityRow{"::1", false},
                             AuthorityRow{"[::1", false},
                             AuthorityRow{"::1]", false},
                             AuthorityRow{"[]", false},
                             AuthorityRow{"[::1]x", false},
                             AuthorityRow{"[::1]80", false},
                             AuthorityRow{"[1.2.3.4]", false},
                             AuthorityRow{"[fe80::1%25eth0]", false},
                             AuthorityRow{"[v1.a]", false},
                             AuthorityRow{"[:::1]", false},
                             AuthorityRow{{"a\0", 2}, false},
                             AuthorityRow{{"[::1\0]", 6}, false},
                             AuthorityRow{"\xc3\xa4", false}}));

TEST(AuthorityLength, IsBounded) {
  EXPECT_TRUE(parse_authority(std::string(255, 'a')));
  EXPECT_FALSE(parse_authority(std::string(256, 'a')));
  EXPECT_FALSE(parse_authority("[" + std::string(10000, ':') + "]"));
}

}  // namespace
}  // namespace cardea::http
