// Who asks: tokens, what services are told of their users, what the refused are told.
#include "proxy_access.h"

namespace cardea::test {
namespace {

class Identity : public Access {};
INSTANTIATE_TEST_SUITE_P(Pairs, Identity, testing::ValuesIn(kPairs), pair_name);

TEST_P(Identity, ATokenOpensTheRouteAndStaysHere) {
  begin_with(guarded("allowed_users: [alice]"));
  client->get("/x", bearer(token("alice"), {{"X-Other", "1"}}));
  auto& r = service->expect("GET", "/x");
  EXPECT_FALSE(r.has("authorization")) << "the credential does not go upstream";
  EXPECT_TRUE(r.has("x-other"));
  service->respond(r, 200, "");
  EXPECT_EQ(client->status(), 200);
  EXPECT_NE(hooks->records[0].find("\"user\":\"alice\",\"email\":\"alice@example.com\",\"identity_source\":\"token\""),
            std::string::npos)
      << hooks->records[0];
  EXPECT_NE(hooks->records[0].find("\"rule\":\"allowed_users\",\"reasons\":["), std::string::npos) << hooks->records[0];
}

TEST_P(Identity, OthersAreRefusedInPomeriumsOrder) {
  begin_with(guarded("allowed_users: [alice]"));
  client->get("/none");
  EXPECT_EQ(client->status(0), 401);
  EXPECT_EQ(client->answer(0).header("www-authenticate"), "Bearer realm=\"a.example\"");
  client->get("/bob", bearer(token("bob")));
  EXPECT_EQ(client->status(1), 403);
  client->get("/late", bearer(token("alice", -1)));
  EXPECT_EQ(client->status(2), 401);
  EXPECT_NE(client->answer(2)
                .header("www-authenticate")
                .find("error=\"invalid_token\", error_description=\"the token has expired\""),
            std::string::npos);
  client->get("/damaged", bearer(token("alice") + "x"));
  EXPECT_EQ(client->status(3), 401);
  client->get("/robots.txt");
  EXPECT_EQ(client->status(4), 200);
  EXPECT_EQ(client->answer(4).body.text, "User-agent: *\nDisallow: /\n");
  EXPECT_EQ(
      causes(),
      "unauthenticated denied:by_default unauthenticated:expired unauthenticated:malformed direct_response:robots");
  EXPECT_TRUE(service->idle());
}

TEST_P(Identity, ABrowserIsSentToSignInAProgramIsTold) {
  begin_with(guarded("allow_any_authenticated_user: true", "sign_in_url: https://idp.example/login?app=1"));
  const Headers browser = {{"Accept", "text/html,application/xhtml+xml,*/*;q=0.8"}};
  client->get("/a%20b?x=1&y", browser);
  EXPECT_EQ(client->status(0), 302);
  EXPECT_EQ(client->answer(0).header("location"),
            "https://idp.example/login?app=1&redirect_uri=http%3A%2F%2Fa.example%2Fa%2520b%3Fx%3D1%26y");
  client->get("/", {{"Accept", "application/json"}});
  EXPECT_EQ(client->status(1), 401);
  client->get("/", bearer(token("alice", -1), browser));
  EXPECT_EQ(client->status(2), 401) << "whoever sends tokens is a program";
  client->post("/", "form", browser);
  EXPECT_EQ(client->status(3), 401) << "a body cannot be taken along";
}

TEST_P(Identity, BodiesByWhatTheClientReads) {
  begin_with(guarded("allowed_users: [alice]\nshow_error_details: true\nname: 'a <b>'"));
  client->get("/", bearer(token("bob"), {{"Accept", "text/html"}}));
  const Incoming& html = client->answer(0);
  EXPECT_EQ(html.header("content-type"), "text/html; charset=utf-8");
  EXPECT_NE(html.body.text.find("<h1>403: access is denied</h1>"), std::string::npos);
  EXPECT_NE(html.body.text.find("a &lt;b&gt;"), std::string::npos);
  EXPECT_NE(html.body.text.find("user-unauthorized"), std::string::npos);
  EXPECT_EQ(html.body.text.find("http"), std::string::npos) << "no resource from elsewhere";
  client->get("/", bearer(token("bob"), {{"Accept", "text/html;q=0.5, application/json"}}));
  const Incoming& json = client->answer(1);
  EXPECT_EQ(json.header("content-type"), "application/json");
  EXPECT_EQ(json.body.text.find("{\"error\":\"access is denied\",\"status\":403,\"request_id\":\""), 0u)
      << json.body.text;
  client->get("/", bearer(token("bob")));
  EXPECT_EQ(client->answer(2).header("content-type"), "text/plain; charset=utf-8");
  client->post("/svc/Method", "", bearer(token("bob"), {{"Content-Type", "application/grpc"}}));
  EXPECT_EQ(client->status(3), 200);
  EXPECT_EQ(client->answer(3).header("grpc-status"), "7");
  client->post("/svc/Method", "", {{"Content-Type", "application/grpc"}});
  EXPECT_EQ(client->answer(4).header("grpc-status"), "16");
}

TEST_P(Identity, ServicesAreToldAndClientsCannotSayIt) {
  begin_with(
      guarded("allow_any_authenticated_user: true\npass_identity_headers: true\n"
              "jwt_claims_headers: {X-Email: email, X-Team: team, X-Roles: roles}"));
  Headers lies = {{"X-Email", "root@example.com"},
                  {"x-email", "root"},
                  {"X-Roles", "admin"},
                  {"X-Pomerium-Claim-Email", "root"},
                  {"X-Pomerium-Jwt-Assertion", "e.y.j"}};
  client->get("/", bearer(token("alice", 600, "\"team\":\"red\",\"roles\":[\"a\",\"b\"]"), lies));
  auto& r = service->expect("GET", "/");
  EXPECT_EQ(r.header("x-email"), "alice@example.com");
  EXPECT_EQ(count(r.headers, "x-email"), 1u);
  EXPECT_EQ(r.header("x-team"), "red");
  EXPECT_EQ(r.header("x-roles"), "a,b");
  EXPECT_FALSE(r.has("x-pomerium-claim-email") || r.has("x-pomerium-jwt-assertion"));
  service->respond(r, 200, "");
}

TEST_P(Identity, ConnectionCannotTakeIdentityHeadersAway) {
  if (down_h2()) GTEST_SUCCEED();
  begin_with(
      guarded("allow_any_authenticated_user: true\npass_identity_headers: true\njwt_claims_headers: {X-Email: email}"));
  Headers headers = bearer(token("alice"));
  if (!down_h2()) headers.emplace_back("Connection", "X-Email");
  client->get("/", headers);
  auto& r = service->expect("GET", "/");
  EXPECT_EQ(r.header("x-email"), "alice@example.com");
  service->respond(r, 200, "");
}

TEST_P(Identity, PublicRoutesStripClaimsToo) {
  begin_with(file(route(to("10.0.0.1:80")), "jwt_claims_headers: [email]\npass_identity_headers: true\n" + provider()));
  client->get("/", {{"x-pomerium-claim-email", "root"}});
  auto& r = service->expect("GET", "/");
  EXPECT_FALSE(r.has("x-pomerium-claim-email"));
  service->respond(r, 200, "");
  client->get("/", bearer(token("alice")));
  auto& known = service->expect("GET", "/");
  EXPECT_EQ(known.header("x-pomerium-claim-email"), "alice@example.com") << "whoever is known is told of";
  service->respond(known, 200, "");
  client->get("/", {{"Authorization", "Bearer of.another.application"}});
  auto& other = service->expect("GET", "/");
  EXPECT_EQ(other.header("authorization"), "Bearer of.another.application") << "no issuer of ours";
  service->respond(other, 200, "");
}

TEST_P(Identity, TheRouteMayPassTheCredentialOn) {
  begin_with(guarded("allow_any_authenticated_user: true\nset_request_headers: {X-Token: 'T ${pomerium.id_token}'}"));
  const std::string t = token("alice");
  client->get("/", bearer(t));
  auto& r = service->expect("GET", "/");
  EXPECT_EQ(r.header("x-token"), "T " + t);
  service->respond(r, 200, "");
}

TEST_P(Identity, CookiesLoseOnlyTheToken) {
  begin_with(file("- from: https://a.example\n  to: " + to("10.0.0.1:80") + "\n  allow_any_authenticated_user: true\n",
                  "jwt_providers: {idp: {issuer: 'https://idp', local_jwks: {inline_string: '{\"keys\":[" +
                      issuer.jwk() + "]}'}, from_cookies: [session]}}"));
  client->get("/", {{"Cookie", "a=1;session=" + token("alice") + ";b=2"}});
  auto& r = service->expect("GET", "/");
  EXPECT_EQ(r.header("cookie"), "a=1; b=2");
  service->respond(r, 200, "");
  client->get("/", {{"Cookie", "session=" + token("alice")}});
  auto& only = service->expect("GET", "/");
  EXPECT_FALSE(only.has("cookie"));
  service->respond(only, 200, "");
  client->get("/", {{"Cookie", "session=" + token("alice") + "; session=" + token("bob")}});
  EXPECT_EQ(client->status(2), 401) << "two claims are none";
  client->get("/", bearer(token("alice")));
  EXPECT_EQ(client->status(3), 401) << "not where this provider's tokens are";
}

TEST_P(Identity, TwoAuthorizationsAreNone) {
  begin_with(guarded("allow_any_authenticated_user: true"));
  client->get("/", bearer(token("alice"), {{"Authorization", "Bearer " + token("bob")}}));
  EXPECT_EQ(client->status(), 401);
}

TEST_P(Identity, TheHostSaysWho) {
  begin_with(file("- from: https://a.example\n  to: " + to("10.0.0.1:80") +
                  "\n  policy: {allow: {and: [{host: x}, {email: {ends_with: '@example.com'}}]}}\n"));
  const char* says[] = {R"({"user":"7","email":"eve@example.com"})", R"({"user":"7","email":"eve@evil.com"})",
                        "just-an-id", R"({"user":)"};
  const int status[] = {200, 403, 403, 401};
  for (size_t i = 0; i < 4; ++i) {
    hooks->authorize = [&, i](proxy::Exchange&, uint64_t t) {
      proxy::authorize_complete(t, true, says[i]);
      return proxy::Hooks::Answer::pending;
    };
    client->get("/");
    if (status[i] == 200) service->respond(service->expect("GET", "/"), 200, "");
    EXPECT_EQ(client->status(i), status[i]) << says[i];
  }
}

// ---- keys from elsewhere ----------------------------------------------------------------------------

TEST_P(Identity, KeysAreFetchedOnceAndRotated) {
  auto idp = serve("10.0.0.9:80", false);
  start(file("- from: https://a.example\n  to: " + to("10.0.0.1:80") + "\n  allow_any_authenticated_user: true\n",
             "jwt_providers: {idp: {issuer: 'https://idp', remote_jwks: {uri: 'http://10.0.0.9/keys?v=1', "
             "cache_duration: 60s}}}"));
  service = serve("10.0.0.1:80", up_h2());
  client = connect(down_h2());
  auto& fetch = idp->expect("GET", "/keys?v=1");
  client->get("/early", bearer(token("alice")));
  EXPECT_EQ(client->status(0), 0) << "it waits for the keys";
  idp->respond(fetch, 200, "{\"keys\":[" + issuer.jwk() + "]}");
  service->respond(service->expect("GET", "/early"), 200, "");
  EXPECT_EQ(client->status(0), 200);
  // Keys that nobody knows yet make it ask again, but not for everybody who makes some up.
  token::TestIssuer next("next");
  const std::string rotated =
      next.sign(R"({"alg":"EdDSA","kid":"next"})", R"({"iss":"https://idp","sub":"bob","exp":1700000500})");
  loop.advance(6000);
  client->get("/rotated", bearer(rotated));
  EXPECT_EQ(client->status(1), 0);
  idp->respond(idp->expect("GET", "/keys?v=1"), 200, "{\"keys\":[" + issuer.jwk() + "," + next.jwk() + "]}");
  service->respond(service->expect("GET", "/rotated"), 200, "");
  EXPECT_EQ(client->status(1), 200);
  token::TestIssuer stranger("stranger");
  client->get("/made-up", bearer(stranger.sign(R"({"alg":"EdDSA","kid":"stranger"})",
                                               R"({"iss":"https://idp","sub":"eve","exp":1700000500})")));
  EXPECT_EQ(client->status(2), 401);
  EXPECT_TRUE(idp->idle());
  // They are asked for again when their time is over, while the old ones serve.
  loop.advance(61'000);
  client->get("/later", bearer(token("alice")));
  service->respond(service->expect("GET", "/later"), 200, "");
  auto& again = idp->expect("GET", "/keys?v=1");
  idp->respond(again, 500, "");
  client->get("/still", bearer(token("alice")));
  service->respond(service->expect("GET", "/still"), 200, "");
  EXPECT_EQ(client->status(4), 200) << "the last good keys stay while fetching fails";
  EXPECT_EQ(counter("key_fetch_failures_total"), 1u);
}

TEST_P(Identity, WithoutKeysNobodyIsLetIn) {
  auto idp = serve("10.0.0.9:80", false);
  start(file("- from: https://a.example\n  to: " + to("10.0.0.1:80") + "\n  allow_any_authenticated_user: true\n",
             "jwt_providers: {idp: {issuer: 'https://idp', remote_jwks: {uri: 'http://10.0.0.9/keys'}}}"));
  service = serve("10.0.0.1:80", up_h2());
  client = connect(down_h2());
  client->get("/", bearer(token("alice")));
  idp->respond(idp->expect("GET", "/keys"), 200, "{\"keys\":[]}");
  EXPECT_EQ(client->status(0), 503);
  EXPECT_EQ(causes(), "authorize_timeout:keys");
  client->get("/");
  EXPECT_EQ(client->status(1), 401) << "without a token no keys are needed";
  EXPECT_TRUE(service->idle());
}

TEST_P(Identity, KeysThatDoNotComeAreNotWaitedForLong) {
  auto idp = serve("10.0.0.9:80", false);
  start(file("- from: https://a.example\n  to: " + to("10.0.0.1:80") + "\n  allow_any_authenticated_user: true\n",
             "authorize_timeout: 3s\njwt_providers: {idp: {issuer: 'https://idp', remote_jwks: {uri: "
             "'http://10.0.0.9/keys'}}}"));
  service = serve("10.0.0.1:80", up_h2());
  client = connect(down_h2());
  client->get("/", bearer(token("alice")));
  idp->expect("GET", "/keys");
  loop.advance(3000);
  EXPECT_EQ(client->status(0), 503);
  EXPECT_TRUE(service->idle());
}

}  // namespace
}  // namespace cardea::test
