// What may pass and what is said about it: policies and the host's answers, paths that try to get round them, claims
// of clients, answers of our own, access records.
#include <thread>

#include "base/json.h"
#include "proxy_fixture.h"
#include "proxy_rows.h"

namespace cardea::test {
namespace {

using Answer = proxy::Hooks::Answer;

class Policy : public PairTest {
 protected:
  std::string asks() const {
    return "- from: https://a.example\n  to: " + to("10.0.0.1:80") + "\n  policy: {allow: {or: [{host: x}]}}\n";
  }
  void begin_pending() {
    begin_with(file(asks()));
    hooks->authorize = [](proxy::Exchange&, uint64_t) { return Answer::pending; };
  }
  // Afterwards the service has got nothing.
  void expect_untouched() {
    EXPECT_TRUE(service->idle());
    EXPECT_EQ(service->connections(), 0u);
  }
};
INSTANTIATE_TEST_SUITE_P(Pairs, Policy, testing::ValuesIn(kPairs), pair_name);

// ---- the decision -----------------------------------------------------------------------------------

TEST_P(Policy, ClosedByDefault) {
  begin_with(file("- from: https://a.example\n  to: " + to("10.0.0.1:80") + "\n"));
  client->post("/", "body");
  EXPECT_EQ(client->status(), 403);
  EXPECT_EQ(causes(), "denied:by_default");
  EXPECT_EQ(counter("requests_denied_total"), 1u);
  EXPECT_NE(hooks->records[0].find("\"decision\":\"deny\""), std::string::npos);
  expect_untouched();
}

TEST_P(Policy, ADenyRuleWinsOverPublic) {
  begin("policy: {deny: {or: [{accept: 1}]}}");
  client->get("/");
  EXPECT_EQ(client->status(), 403);
  EXPECT_EQ(causes(), "denied:by_rule");
  expect_untouched();
}

TEST_P(Policy, WithoutAHostItsCriterionIsFalse) {
  begin_with(file(asks()));
  client->get("/");
  EXPECT_EQ(client->status(), 403);
  expect_untouched();
}

TEST_P(Policy, TheHostAnswersAtOnce) {
  begin_with(file(asks()));
  for (Answer answer : {Answer::deny, Answer::allow}) {
    hooks->authorize = [answer](proxy::Exchange&, uint64_t) { return answer; };
    const size_t n = client->get("/x/../y?q");
    EXPECT_EQ(hooks->paths.back(), "/y") << "it judges what the service will see";
    if (answer == Answer::allow) service->respond(service->expect("GET", "/y?q"), 200, "");
    EXPECT_EQ(client->status(n), answer == Answer::allow ? 200 : 403);
    EXPECT_FALSE(proxy::authorize_complete(hooks->asked.back(), true, "")) << "decided already";
  }
  EXPECT_EQ(service->requests.size(), 1u);
}

TEST_P(Policy, TheHostAnswersLater) {
  begin_pending();
  const uint64_t kSize = 1 << 20;
  client->request({.method = "PUT", .path = "/", .headers = {{"Content-Length", std::to_string(kSize)}}, .open = true});
  for (uint64_t at = 0; at < kSize; at += 65536) client->body(0, pattern(at, 65536));
  client->end(0);
  EXPECT_EQ(client->status(), 0);
  EXPECT_LE(client->taken(), 256u * 1024) << "the body waits with the client";
  expect_untouched();
  EXPECT_TRUE(proxy::authorize_complete(hooks->asked.at(0), true, "alice"));
  EXPECT_FALSE(proxy::authorize_complete(hooks->asked[0], false, "")) << "the first answer counts";
  auto& r = service->expect("PUT", "/");
  EXPECT_EQ(r.body.size, kSize);
  EXPECT_TRUE(r.body.is_pattern && r.end);
  service->respond(r, 200, "");
  EXPECT_EQ(client->status(), 200);
  EXPECT_FALSE(proxy::authorize_complete(hooks->asked[0], true, "")) << "it is over";
  EXPECT_NE(hooks->records[0].find("\"user\":\"alice\""), std::string::npos) << hooks->records[0];
}

TEST_P(Policy, TheHostDeniesLater) {
  begin_pending();
  client->post("/", "body");
  EXPECT_TRUE(proxy::authorize_complete(hooks->asked.at(0), false, ""));
  EXPECT_EQ(client->status(), 403);
  EXPECT_TRUE(client->answer().end);
  expect_untouched();
}

TEST_P(Policy, TheHostAnswersFromAnotherThread) {
  begin_pending();
  client->get("/");
  bool first = false, second = true;
  std::thread([&] {
    first = proxy::authorize_complete(hooks->asked.at(0), true, std::string("bob"));
    second = proxy::authorize_complete(hooks->asked[0], false, "");
  }).join();
  EXPECT_TRUE(first);
  EXPECT_FALSE(second);
  service->respond(service->expect("GET", "/"), 200, "");
  EXPECT_EQ(client->status(), 200);
}

TEST_P(Policy, TheHostAnswersInsideItsHook) {
  begin_with(file(asks()));
  hooks->authorize = [](proxy::Exchange&, uint64_t token) {
    EXPECT_TRUE(proxy::authorize_complete(token, true, "carol"));
    return Answer::pending;
  };
  client->get("/");
  service->respond(service->expect("GET", "/"), 200, "");
  EXPECT_EQ(client->status(), 200);
}

TEST_P(Policy, TheHostEndsTheExchangeInsideItsHook) {
  begin_with(file(asks()));
  hooks->authorize = [](proxy::Exchange& x, uint64_t) {
    x.end({EndCause::overload, "host"});
    return Answer::allow;
  };
  client->get("/");
  EXPECT_EQ(client->status(), 503);
  EXPECT_EQ(client->answer().header("retry-after"), "1");
  expect_untouched();
}

TEST_P(Policy, TheClientLeavesBeforeTheAnswer) {
  begin_pending();
  client->get("/");
  client->reset(0);
  EXPECT_EQ(hooks->causes.size(), 1u);
  EXPECT_FALSE(proxy::authorize_complete(hooks->asked.at(0), true, ""));
  expect_untouched();
}

TEST_P(Policy, TheClientLeavesBetweenTheAnswerAndItsTurn) {
  begin_pending();
  client->get("/");
  EXPECT_TRUE(proxy::authorize_complete(hooks->asked.at(0), true, ""));
  worker->each_exchange([](proxy::Exchange& x) { x.end({EndCause::downstream_closed, ""}); });
  expect_untouched();
}

TEST_P(Policy, ADrainWaitsForTheAnswer) {
  begin_pending();
  client->get("/");
  bool done = false;
  worker->drain(60'000, [&] { done = true; });
  loop.advance(9'000);
  EXPECT_FALSE(done);
  EXPECT_TRUE(proxy::authorize_complete(hooks->asked.at(0), true, ""));
  service->respond(service->expect("GET", "/"), 200, "last");
  EXPECT_EQ(client->answer().body.text, "last");
  loop.advance(1000);
  EXPECT_TRUE(done);
}

TEST_P(Policy, AClosedWorkerTakesNoAnswer) {
  begin_pending();
  client->get("/");
  const uint64_t token = hooks->asked.at(0);
  stop();
  EXPECT_FALSE(proxy::authorize_complete(token, true, ""));
  EXPECT_FALSE(proxy::authorize_complete(0, true, ""));
  EXPECT_FALSE(proxy::authorize_complete(~uint64_t{0}, true, ""));
}

// ---- names of routes (hostile-input 129..138) -------------------------------------------------------

TEST_P(Policy, WhatIsMatchedIsWhatIsJudgedAndForwarded) {
  begin_with(file(route(to("10.0.0.1:80"), "prefix: /public") + "- from: https://a.example\n  prefix: /admin\n  to: " +
                  to("10.0.0.1:80") + "\n  policy: {deny: {or: [{accept: 1}]}}\n"));
  for (const PathRow& row : kPaths) {
    SCOPED_TRACE(row.target);
    client = connect(down_h2());
    const size_t before = hooks->records.size();
    const size_t n = client->get(row.target);
    if (row.forwarded) {
      service->respond(service->expect("GET", row.forwarded), 200, "");
      const std::string path = std::string(row.forwarded).substr(0, std::string(row.forwarded).find('?'));
      EXPECT_NE(hooks->records.back().find("\"path\":\"" + path + "\""), std::string::npos) << hooks->records.back();
    }
    EXPECT_TRUE(service->idle());
    EXPECT_EQ(client->status(n), row.status);
    EXPECT_TRUE(client->answer(n).end);
    if (row.status == 400 && !down_h2()) {
      EXPECT_EQ(client->answer(n).header("connection"), "close");
      loop.advance(1000);
      EXPECT_TRUE(client->peer->closed);
    }
    EXPECT_LE(hooks->records.size(), before + 1);
  }
}

// A host that is asked hears the same string too.
TEST_P(Policy, TheHostIsAskedAboutTheNormalPath) {
  begin_with(file(asks()));
  hooks->authorize = [](proxy::Exchange& x, uint64_t) {
    return x.path() == "/public" || x.path().starts_with("/public/") ? Answer::allow : Answer::deny;
  };
  for (const PathRow& row : kPaths) {
    SCOPED_TRACE(row.target);
    client = connect(down_h2());
    const size_t n = client->get(row.target);
    if (row.forwarded) service->respond(service->expect("GET", row.forwarded), 200, "");
    EXPECT_TRUE(service->idle());
    EXPECT_EQ(client->status(n), row.status == 404 ? 403 : row.status);
  }
}

TEST_P(Policy, Hosts) {
  struct {
    const char* host;
    int status;
  } const kRows[] = {{"a.example", 200},      {"A.EXAMPLE", 200},   {"a.example:8443", 200}, {"b.example", 404},
                     {"a.example.evil", 404}, {"xa.example", 404},  {"127.0.0.1", 404},      {"a.example:x", 400},
                     {"u@a.example", 400},    {"a.example/x", 400}, {"a.example:99999", 400}};
  begin();
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.host);
    client = connect(down_h2());
    const size_t n = client->request({.path = "/", .host = row.host});
    if (row.status == 200) service->respond(service->expect("GET", "/"), 200, "");
    EXPECT_TRUE(service->idle());
    // HTTP/2 may also refuse the stream before it is a request.
    EXPECT_TRUE(client->status(n) == row.status || (down_h2() && row.status == 400 && client->answer(n).reset))
        << client->status(n);
  }
  EXPECT_EQ(counter("requests_without_route_total"), 4u);
}

TEST_P(Policy, EscapedSlashesMayRedirect) {
  begin("", "path_with_escaped_slashes_action: unescape_and_redirect");
  client->get("/a%2Fb?q=1");
  EXPECT_EQ(client->status(), 307);
  EXPECT_EQ(client->answer().header("location"), "/a/b?q=1");
  expect_untouched();
}

// ---- claims of clients (hostile-input 139..141) -----------------------------------------------------

TEST_P(Policy, ClaimsOfAClientAreReplaced) {
  begin();
  Headers claims;
  for (const char* name :
       {"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Client-Cert",
        "Forwarded", "X-Real-IP", "X-Request-Id", "X-Original-URL", "X-Rewrite-URL", "X-Pomerium-Claim-Email",
        "X-Pomerium-Jwt-Assertion", "X-Pomerium-Authorization", "X-POMERIUM-REPROXY-POLICY"}) {
    claims.emplace_back(name, "evil");
  }
  client->get("/", claims);
  auto& r = service->expect("GET", "/");
  for (const auto& [name, v] : r.headers) EXPECT_EQ(v.find("evil"), std::string::npos) << name;
  EXPECT_EQ(r.header("x-forwarded-for"), "203.0.113.7");
  EXPECT_EQ(r.header("x-forwarded-proto"), "http");
  EXPECT_EQ(r.header("x-forwarded-host"), "a.example");
  EXPECT_EQ(r.header("x-real-ip"), "203.0.113.7");
  EXPECT_EQ(r.header("x-request-id").size(), 36u);
  service->respond(r, 200, "");
  EXPECT_NE(hooks->records[0].find("\"request_id\":\"" + r.header("x-request-id") + "\""), std::string::npos);
}

TEST_P(Policy, ClaimsInOtherSpellings) {
  Headers claims;
  for (const char* name : {"X_Pomerium_Claim_Email", "x-pomerium_claim-email", "X_Forwarded_For", "x_real-ip",
                           "X_Request_Id", "x_forwarded-proto", "X-Forwarded_Host"}) {
    claims.emplace_back(name, "evil");
  }
  for (const char* action : {"allow", "drop_header"}) {
    SCOPED_TRACE(action);
    begin("", "headers_with_underscores_action: " + std::string(action));
    client->get("/", claims);
    auto& r = service->expect("GET", "/");
    for (const auto& [name, v] : r.headers) EXPECT_EQ(v.find("evil"), std::string::npos) << name;
    service->respond(r, 200, "");
    stop();
    client.reset();
    service.reset();
  }
  begin();
  for (const auto& claim : claims) {
    client = connect(down_h2());
    const size_t n = client->get("/", {claim});
    EXPECT_EQ(client->status(n), 400) << claim.first;
  }
  expect_untouched();
}

// RFC 9110 7.6.1 lets Connection name fields that end here: not those that we add.
TEST_P(Policy, ConnectionDoesNotStripWhatIsAdded) {
  if (down_h2()) return;  // it has no such field
  begin();
  client->get("/",
              {{"Connection",
                "X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Request-Id, X-Pomerium-Claim-Email, X-Mine"},
               {"X-Pomerium-Claim-Email", "evil"},
               {"X-Mine", "1"}});
  auto& r = service->expect("GET", "/");
  EXPECT_EQ(r.header("x-forwarded-for"), "203.0.113.7");
  EXPECT_EQ(r.header("x-forwarded-proto"), "http");
  EXPECT_EQ(r.header("x-forwarded-host"), "a.example");
  EXPECT_TRUE(r.has("x-request-id"));
  EXPECT_FALSE(r.has("x-mine"));
  EXPECT_FALSE(r.has("x-pomerium-claim-email"));
  EXPECT_FALSE(r.has("connection"));
}

TEST_P(Policy, ATrustedHopIsBelieved) {
  begin("", "xff_num_trusted_hops: 1");
  client->get("/", {{"X-Forwarded-For", "6.6.6.6, 198.51.100.9"}, {"X-Forwarded-Proto", "https"}});
  auto& r = service->expect("GET", "/");
  EXPECT_EQ(r.header("x-forwarded-for"), "6.6.6.6, 198.51.100.9, 203.0.113.7");
  EXPECT_EQ(r.header("x-forwarded-proto"), "https");
  service->respond(r, 200, "");
  EXPECT_NE(hooks->records[0].find("\"client_ip\":\"198.51.100.9\""), std::string::npos);
}

TEST_P(Policy, AProxyHeaderNamesThePeer) {
  begin("", "use_proxy_protocol: true");
  auto peer = dial();
  peer->send("PROXY TCP4 198.51.100.9 192.0.2.1 1234 443\r\n");
  client = std::make_unique<TestClient>(loop, peer, down_h2());
  client->get("/");
  EXPECT_EQ(service->expect("GET", "/").header("x-forwarded-for"), "198.51.100.9");
  // Without one nothing is served.
  auto plain = dial();
  plain->send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
  loop.run();
  EXPECT_TRUE(plain->closed);
  EXPECT_EQ(plain->received, "");
  EXPECT_TRUE(service->idle());
}

// ---- what a route changes ---------------------------------------------------------------------------

TEST_P(Policy, HeadersSetAndRemoved) {
  begin(
      "set_request_headers: {X-A: new, X-C: \"c$$d\"}\n"
      "remove_request_headers: [X-A, X-B]\n"
      "set_response_headers: {X-Route: r, X-Both: route}\n"
      "rewrite_response_headers: [{header: Location, prefix: \"http://10.0.0.1/\", value: \"https://a.example/\"}]",
      "set_response_headers: {X-Global: g, X-Both: global}");
  client->get("/", {{"X-A", "old"}, {"x-b", "old"}, {"X-Keep", "k"}});
  auto& r = service->expect("GET", "/");
  EXPECT_EQ(r.header("x-a"), "new") << "set wins over remove";
  EXPECT_FALSE(r.has("x-b"));
  EXPECT_EQ(r.header("x-c"), "c$d");
  EXPECT_EQ(r.header("x-keep"), "k");
  service->respond(r, 302, "", {{"Location", "http://10.0.0.1/next"}, {"X-Both", "service"}});
  EXPECT_EQ(client->answer().header("location"), "https://a.example/next");
  EXPECT_EQ(client->answer().header("x-global"), "g");
  EXPECT_EQ(client->answer().header("x-route"), "r");
  EXPECT_EQ(client->answer().header("x-both"), "route");
}

TEST_P(Policy, PathsAndHostsRewritten) {
  begin_with(file(route(to("10.0.0.1:80"), "prefix: /a\nprefix_rewrite: /b\nhost_rewrite: inner.example") +
                  route(to("10.0.0.1:80"),
                        "prefix: /r\nregex_rewrite_pattern: \"^/r/([0-9]+)$\"\nregex_rewrite_substitution: "
                        "\"/n/\\\\1\"\npreserve_host_header: true") +
                  route(to("10.0.0.1:80"),
                        "prefix: /x\nregex_rewrite_pattern: \"^/x(.*)\"\nregex_rewrite_substitution: \"\\\\1\"")));
  client->get("/a/1?q=2");
  auto& a = service->expect("GET", "/b/1?q=2");
  EXPECT_EQ(a.authority, "inner.example");
  EXPECT_EQ(a.header("x-forwarded-host"), "a.example");
  service->respond(a, 200, "");
  client->get("/r/12?q");
  auto& b = service->expect("GET", "/n/12?q");
  EXPECT_EQ(b.authority, "a.example");
  EXPECT_FALSE(b.has("x-forwarded-host")) << "nothing was rewritten";
  service->respond(b, 200, "");
  client->get("/x");
  EXPECT_EQ(client->status(2), 500) << "the rewrite leaves no path";
  EXPECT_TRUE(service->idle());
}

TEST_P(Policy, RedirectsAndDirectAnswers) {
  start(
      file("- from: https://a.example\n  prefix: /go\n  redirect: {https_redirect: true, host_redirect: b.example, "
           "response_code: 302}\n"
           "  allow_public_unauthenticated_access: true\n"
           "- from: https://a.example\n  prefix: /tea\n  response: {status: 418, body: teapot}\n"
           "  allow_public_unauthenticated_access: true\n"
           "- from: https://a.example\n  prefix: /closed\n  response: {status: 200, body: secret}\n"));
  client = connect(down_h2());
  client->get("/go/x?y=1");
  EXPECT_EQ(client->status(), 302);
  EXPECT_EQ(client->answer().header("location"), "https://b.example/go/x?y=1");
  client->post("/tea", "milk");
  EXPECT_EQ(client->status(1), 418);
  EXPECT_EQ(client->answer(1).body.text, "teapot");
  EXPECT_EQ(client->answer(1).header("content-length"), "6");
  EXPECT_EQ(client->answer(1).header("server"), "cardea");
  client->request({"HEAD", "/tea"});
  EXPECT_EQ(client->status(2), 418);
  EXPECT_EQ(client->answer(2).header("content-length"), "6");
  EXPECT_EQ(client->answer(2).body.size, 0u);
  client->get("/closed");
  EXPECT_EQ(client->status(3), 403);
  EXPECT_EQ(causes(), "redirect direct_response direct_response denied:by_default");
}

TEST_P(Policy, TheRedirectListener) {
  start(file(route(to("10.0.0.1:80")), "http_redirect_addr: 127.0.0.2:0"));
  client = connect(down_h2(), 1);
  client->get("/a/../b?q");
  EXPECT_EQ(client->status(), 301);
  EXPECT_EQ(client->answer().header("location"), "https://a.example/b?q");
  EXPECT_EQ(network.service("10.0.0.1:80").attempts, 0u);
}

TEST_P(Policy, RequestsThatAreNoneOfARoutes) {
  begin();
  client->request({"OPTIONS", "*"});
  EXPECT_EQ(client->status(0), 204);
  client->get("/ws", down_h2() ? Headers{} : Headers{{"Connection", "Upgrade"}, {"Upgrade", "websocket"}});
  if (down_h2()) {
    service->respond(service->expect("GET", "/ws"), 200, "");
  } else {
    EXPECT_EQ(client->status(1), 403);
    EXPECT_EQ(hooks->causes.back(), "upgrade_refused");
    client = connect(false);
    client->raw("CONNECT internal:22 HTTP/1.1\r\nHost: internal:22\r\n\r\nSSH-2.0-x\r\n", 2);
    EXPECT_EQ(client->status(0), 405);
    EXPECT_EQ(client->status(1), 0) << "what follows is no tunnel";
    EXPECT_TRUE(client->answer(0).has("allow"));
  }
  EXPECT_TRUE(service->idle());
}

// ---- the error contract -----------------------------------------------------------------------------

TEST_P(Policy, TheErrorContract) {
  struct Row {
    const char* path;
    const char* host;
    int status, grpc;
    const char* cause;
  };
  const Row kRows[] = {
      {"/closed", "a.example", 403, 7, "denied:by_default"},
      {"/x", "b.example", 404, 12, "no_route"},
      {"/refused", "a.example", 503, 14, "connect:ECONNREFUSED"},
      {"/dns", "a.example", 503, 14, "dns:"},
      {"/hole", "a.example", 504, 14, "upstream_timeout:tcp"},
      {"/slow", "a.example", 504, 4, "upstream_timeout:response"},
      {"/cut", "a.example", 502, 14, "upstream_"},
  };
  network.refuse("10.0.0.3:80");
  network.blackhole("10.0.0.4:80");
  network.fail_name("svc.bad", 4, "not found");
  begin_with(file("- from: https://a.example\n  prefix: /closed\n  to: http://10.0.0.1:80\n" +
                  route(to("10.0.0.3:80"), "prefix: /refused") + route(to("svc.bad:80"), "prefix: /dns") +
                  route(to("10.0.0.4:80"), "prefix: /hole\nconnect_timeout: 1s") +
                  route(to("10.0.0.1:80"), "prefix: /slow\ntimeout: 1s") + route(to("10.0.0.1:80"), "prefix: /cut")));
  for (const Row& row : kRows) {
    for (const char* kind : {"GET", "HEAD", "grpc"}) {
      SCOPED_TRACE(std::string(row.path) + " " + kind);
      const bool grpc = kind == std::string("grpc");
      if (client->closed()) client = connect(down_h2());
      Request request{grpc ? "POST" : kind, row.path};
      request.host = row.host;
      if (grpc) request.headers = {{"content-type", "application/grpc+proto"}, {"content-length", "0"}};
      const size_t n = client->request(request);
      if (row.path == std::string("/slow")) service->expect(request.method, row.path);
      if (row.path == std::string("/cut")) service->cut(service->expect(request.method, row.path));
      loop.advance(1000);
      const Incoming& a = client->answer(n);
      EXPECT_EQ(a.status, grpc ? 200 : row.status);
      EXPECT_TRUE(a.end);
      EXPECT_EQ(a.header("server"), "cardea");
      EXPECT_EQ(a.header("cache-control"), "no-store");
      EXPECT_TRUE(a.has("content-length") && a.has("date"));
      EXPECT_EQ(a.header("x-request-id").size(), 36u);
      const std::string& record = hooks->records.back();
      EXPECT_NE(record.find("\"request_id\":\"" + a.header("x-request-id") + "\""), std::string::npos) << record;
      EXPECT_EQ(hooks->causes.back().substr(0, strlen(row.cause)), row.cause);
      if (grpc) {
        EXPECT_EQ(a.header("grpc-status"), std::to_string(row.grpc));
        EXPECT_TRUE(a.has("grpc-message"));
        EXPECT_EQ(a.header("content-type"), "application/grpc");
        EXPECT_EQ(a.body.size, 0u);
        continue;
      }
      EXPECT_EQ(a.body.size, kind == std::string("HEAD") ? 0u : std::stoul(a.header("content-length")));
      if (kind == std::string("HEAD")) continue;
      EXPECT_NE(a.body.text.find(a.header("x-request-id")), std::string::npos);
      EXPECT_EQ(a.body.text.find("10.0.0"), std::string::npos) << "no address of ours";
      EXPECT_EQ(a.body.text.find("svc.bad"), std::string::npos);
    }
  }
}

// ---- records ----------------------------------------------------------------------------------------

TEST(Record, AnyBytesAreValidJson) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += char(c);
  for (const std::string& text : {all, std::string("\xc0\xae"), std::string("\xe0\x80\xaf"),
                                  std::string("\xed\xa0\x80"), std::string("\xf4\x90\x80\x80"), std::string("\xc3"),
                                  std::string("\xf0\x9f\x98\x80 \xc3\xa4"), std::string("a\"b\\c\r\n\x1b[31m")}) {
    std::string line = "{\"x\":";
    append_json_string(line, text);
    line += "}";
    EXPECT_TRUE(Json::is_line(line)) << testing::PrintToString(line);
  }
  std::string out;
  append_json_string(out, "\xf0\x9f\x98\x80\xff\"\n");
  EXPECT_EQ(out, "\"\xf0\x9f\x98\x80\xef\xbf\xbd\\\"\\u000a\"");
}

TEST_P(Policy, ARecordIsOneLineWhateverComes) {
  begin_pending();
  client->get("/a%22b%C3%A4%1b?token=secret",
              {{"Cookie", "secret"}, {"Authorization", "secret"}, {"User-Agent", "\x80\"\\"}});
  if (!hooks->asked.empty()) {
    EXPECT_TRUE(proxy::authorize_complete(hooks->asked[0], true, "al\xc3\xa4ice\"\\"));
    loop.run();
    service->respond(service->requests.at(0), 200, "");
  }
  client = connect(down_h2());
  client->get("/plain");
  EXPECT_TRUE(proxy::authorize_complete(hooks->asked.back(), true, "al\xc3\xa4ice\"\\"));
  loop.run();
  service->respond(service->requests.back(), 200, "");
  client->request({.path = "/", .host = "b.example"});
  ASSERT_GE(hooks->records.size(), 2u);
  for (const std::string& record : hooks->records) {
    EXPECT_TRUE(Json::is_line(record)) << record;
    EXPECT_EQ(record.find("secret"), std::string::npos) << record;
  }
}

TEST_P(Policy, ARecordTellsTheStory) {
  begin("name: shop");
  loop.advance(10);
  client->post("/buy?x=1", "12345");
  auto& r = service->expect("POST", "/buy?x=1");
  loop.advance(25);
  service->respond(r, 201, "123");
  const std::string& record = hooks->records.at(0);
  for (const std::string& part :
       {std::string("\"method\":\"POST\""), std::string("\"host\":\"a.example\""), std::string("\"path\":\"/buy\""),
        std::string("\"route\":\"shop\""), std::string("\"decision\":\"allow\""), std::string("\"status\":201"),
        std::string("\"bytes_in\":5"), std::string("\"bytes_out\":3"), std::string("\"duration_ms\":25"),
        std::string("\"first_byte_ms\":25"), std::string("\"attempts\":1"), std::string("\"cause\":\"ok\""),
        std::string("\"endpoint\":\"10.0.0.1:80\""), std::string("\"peer\":\"203.0.113.7:40000\""),
        std::string("\"listener\":\"127.0.0.1:0\""), std::string("\"event\":\"end\""),
        "\"protocol\":\"" + std::string(down_h2() ? "HTTP/2" : "HTTP/1.1") + "\"",
        "\"upstream_protocol\":\"" + std::string(up_h2() ? "HTTP/2" : "HTTP/1.1") + "\"",
        std::string("\"time\":\"2023-11-14T22:13:20.0")}) {
    EXPECT_NE(record.find(part), std::string::npos) << part << " in " << record;
  }
}

}  // namespace
}  // namespace cardea::test
