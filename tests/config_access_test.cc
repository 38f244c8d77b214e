// The configuration of who may pass: identities, client certificates, policies' short keys, tunnels, the admin address.
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include "config_access_rows.h"

namespace cardea::config {
namespace {

std::string base64(const std::string& text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                          reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  out.resize(static_cast<size_t>(n));
  return out;
}

struct Loaded {
  SnapshotPtr snapshot;
  std::string faults;
};
Loaded load_text(const std::string& text) {
  yaml::Faults faults;
  Loaded out;
  FreezeOptions options;
  options.generation = 7;
  if (auto draft = load(text, material().path(), faults)) out.snapshot = freeze(*draft, options, faults);
  EXPECT_EQ(out.snapshot == nullptr, !faults.empty()) << text;
  out.faults = faults.text("f");
  // The folder's name differs from run to run.
  for (size_t at; (at = out.faults.find(material().path())) != std::string::npos;) {
    out.faults.replace(at, material().path().size(), "DIR");
  }
  return out;
}

std::string indented(const std::string& lines) {
  std::string out = "  ";
  for (char c : lines) out += c == '\n' ? std::string("\n  ") : std::string(1, c);
  return out + "\n";
}

// A TLS listener and one route; `lines` begin in line 5.
const std::string kBase = "address: 127.0.0.1:0\nroutes:\n- from: https://a.example\n  to: http://b.example\n";
Loaded with_global(const std::string& lines) {
  return load_text(kBase + lines + "\n");
}
Loaded with_route(const std::string& lines) {
  return load_text(kBase + indented(lines));
}
// `lines` of jwt_providers.p begin in line 7.
Loaded with_provider(const std::string& lines) {
  std::string text;
  for (char c : lines) text += c == '\n' ? std::string("\n    ") : std::string(1, c);
  return load_text(kBase + "jwt_providers:\n  p:\n    " + text + "\n");
}
// `lines` of a tunnel's route begin in line 5.
Loaded with_tunnel(const std::string& lines) {
  return load_text("address: 127.0.0.1:0\nroutes:\n- from: tcp+https://db.example:5432\n  to: tcp://db:5432\n" +
                   (lines.empty() ? "" : indented(lines)));
}

// ---- keys -----------------------------------------------------------------------------------------

TEST(Access, Global) {
  for (const GoodRow& row : kGlobals) {
    auto [s, faults] = with_global(row.lines);
    ASSERT_TRUE(s) << row.lines << "\n" << faults;
    EXPECT_TRUE(row.check(*s)) << row.lines;
  }
}

TEST(Access, Route) {
  for (const GoodRow& row : kRoutes) {
    auto [s, faults] = with_route(row.lines);
    ASSERT_TRUE(s) << row.lines << "\n" << faults;
    EXPECT_TRUE(row.check(*s)) << row.lines;
  }
}

TEST(Access, EveryOptionHasARow) {
  std::string globals, routes;
  for (const GoodRow& row : kGlobals) globals += std::string(row.lines) + "\n";
  for (const GoodRow& row : kRoutes) routes += std::string(row.lines) + "\n";
  for (const OptionRow* row = option_next(nullptr); row; row = option_next(row)) {
    const std::string key = row->key;
    const std::string last = key.substr(key.rfind('.') + 1) + ":";
    if (row->owner == Owner::global && row->id > OPT_GLOBAL_ACCESS_LOG_PATH && row->id <= OPT_GLOBAL_ADMIN_ADDRESS) {
      EXPECT_NE(globals.find(last), std::string::npos) << key;
    }
    if (row->owner == Owner::route && row->id > OPT_ROUTE_ALLOW_PUBLIC_UNAUTHENTICATED_ACCESS &&
        row->id <= OPT_ROUTE_ALLOW_WEBSOCKETS) {
      EXPECT_NE(routes.find(last), std::string::npos) << key;
    }
  }
}

TEST(Access, DefaultsAreClosed) {
  auto [s, faults] = load_text(kBase);
  ASSERT_TRUE(s) << faults;
  EXPECT_EQ(s->enforcement, Enforcement::none);
  EXPECT_FALSE(s->client_trust || s->signer || s->admin || s->connect_table || !s->token_providers.empty());
  EXPECT_FALSE(s->authorize_failure_mode_allow || s->reauthorize_failure_mode_allow);
  EXPECT_EQ(s->reauthorize_interval, 60'000u);
  EXPECT_EQ(s->sign_in_url, "");
  EXPECT_TRUE(s->identity_header_names.empty());
  EXPECT_FALSE(s->routes[0].pass_identity_headers || s->routes[0].allow_websockets || s->routes[0].tcp);
  EXPECT_EQ(s->listeners[0].tls_options.client_auth, ClientAuth::none);
  EXPECT_EQ(as_user(*s, ada()), policy::Verdict::deny);
  EXPECT_EQ(s->table_routes, std::vector<uint32_t>{0});
}

TEST(Access, RoutesOverrideGlobals) {
  auto [s, faults] = load_text(
      "address: 127.0.0.1:0\npass_identity_headers: true\njwt_claims_headers: [email]\nroutes:\n"
      "- {from: https://a, to: http://u, pass_identity_headers: false, jwt_claims_headers: {X-A: sub}}\n"
      "- {from: https://b, to: http://u, jwt_claims_headers: []}\n- {from: https://c, to: http://u}\n");
  ASSERT_TRUE(s) << faults;
  EXPECT_FALSE(s->routes[0].pass_identity_headers);
  EXPECT_TRUE(s->routes[1].pass_identity_headers && s->routes[2].pass_identity_headers);
  EXPECT_EQ(s->routes[0].claim_headers, (Names{{"X-A", "sub"}}));
  EXPECT_TRUE(s->routes[1].claim_headers.empty());
  EXPECT_EQ(s->routes[2].claim_headers, (Names{{"X-Pomerium-Claim-Email", "email"}}));
  EXPECT_EQ(s->identity_header_names, (std::vector<std::string>{"x-a", "x-pomerium-claim-email"}));
}

TEST(Access, EqualTrustIsOneObject) {
  auto [s, faults] = load_text(
      "address: 127.0.0.1:0\ndownstream_mtls: {ca: ca.pem}\nroutes:\n"
      "- {from: https://a, to: http://u, tls_downstream_client_ca: other.pem}\n"
      "- {from: https://b, to: http://u, tls_downstream_client_ca_file: other.pem}\n"
      "- {from: https://c, to: http://u, tls_downstream_client_ca: ca.pem}\n- {from: https://d, to: http://u}\n");
  ASSERT_TRUE(s) << faults;
  EXPECT_EQ(s->routes[0].client_trust, s->routes[1].client_trust);
  EXPECT_EQ(s->routes[2].client_trust, s->client_trust);
  EXPECT_NE(s->routes[0].client_trust, s->client_trust);
  EXPECT_FALSE(s->routes[3].client_trust);
  EXPECT_EQ(s->listeners[0].tls_options.trust.ca.size(), 2u);
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(has_rule(*s, i, {}, policy::Verdict::bad_certificate)) << i;
}

TEST(Access, WebSocketsGoOverHttp1) {
  auto [s, faults] = load_text(
      "address: 127.0.0.1:0\nroutes:\n- {from: https://a, to: https://u, allow_websockets: true}\n"
      "- {from: https://b, to: https://u}\n");
  ASSERT_TRUE(s) << faults;
  EXPECT_EQ(s->routes[0].cluster->tls_options.alpn, std::vector<std::string>{"http/1.1"});
  EXPECT_EQ(s->routes[1].cluster->tls_options.alpn, (std::vector<std::string>{"h2", "http/1.1"}));
}

TEST(Access, Tunnels) {
  auto [s, faults] = load_text(
      "address: 127.0.0.1:0\nset_response_headers: {A: b}\nroutes:\n- {from: https://a, to: http://u}\n"
      "- {from: 'tcp+https://a:443', to: 'tcp://db:5432', timeout: 1h}\n- {from: https://b, to: http://u}\n"
      "- {from: 'tcp+https://*.c:22', to: ['tcp://x:1,2', 'tcp://y:2/,1']}\n");
  ASSERT_TRUE(s) << faults;
  EXPECT_EQ(s->table_routes, (std::vector<uint32_t>{0, 2}));
  EXPECT_EQ(s->connect_routes, (std::vector<uint32_t>{1, 3}));
  EXPECT_EQ(s->table->match("b", 443, "/"), 1);
  EXPECT_EQ(s->connect_table->match("a", 443, ""), 0);
  EXPECT_EQ(s->connect_table->match("a", 80, ""), -1);
  EXPECT_EQ(s->connect_table->match("x.c", 22, ""), 1);
  const Route& r = s->routes[1];
  EXPECT_TRUE(r.tcp);
  EXPECT_EQ(r.timeout, 3'600'000u);
  EXPECT_EQ(r.idle_timeout, 0u);
  EXPECT_TRUE(r.set_response_headers.empty());
  using Scheme = cluster::EndpointConfig::Scheme;
  EXPECT_EQ(r.cluster->endpoints[0], (cluster::EndpointConfig{Scheme::tcp, "db", 5432, false, false, 1, 0, "db:5432"}));
  EXPECT_EQ(s->routes[3].cluster->endpoints[0].weight, 2u);
  auto alone = with_tunnel("");
  ASSERT_TRUE(alone.snapshot) << alone.faults;
  EXPECT_TRUE(alone.snapshot->table && alone.snapshot->table_routes.empty());
  EXPECT_EQ(alone.snapshot->table->match("db.example", 5432, "/"), -1);
  EXPECT_EQ(alone.snapshot->routes[0].timeout, 0u);
}

TEST(Access, KeysInText) {
  for (const std::string& keys : {std::string(kKeys), base64(kKeys)}) {
    auto [s, faults] = with_provider("local_jwks: {inline_string: '" + keys + "'}");
    ASSERT_TRUE(s) << faults;
    EXPECT_TRUE(s->token_providers[0]->keys->has_key("one"));
  }
  auto key = with_global("signing_key: " + base64(material().key()));
  ASSERT_TRUE(key.snapshot) << key.faults;
  auto same = with_global("signing_key: key.pem");
  EXPECT_TRUE(key.snapshot->signer->same_key(*same.snapshot->signer));
}

TEST(Access, PlacesOfTokens) {
  auto [s, faults] = with_provider(
      "audiences: [a, b]\nclock_skew_seconds: 0\nlocal_jwks: {filename: keys.json}\n"
      "from_headers: [{name: X-Token, value_prefix: 'T '}, {name: x-plain}]\nfrom_cookies: [session]");
  ASSERT_TRUE(s) << faults;
  const TokenProvider& p = *s->token_providers[0];
  EXPECT_EQ(p.rules, (token::Rules{"", {"a", "b"}, 0}));
  EXPECT_EQ(p.from_headers, (std::vector<TokenProvider::Header>{{"x-token", "T "}, {"x-plain", ""}}));
  EXPECT_EQ(p.from_cookies, std::vector<std::string>{"session"});
  auto cookies = with_provider("local_jwks: {filename: keys.json}\nfrom_cookies: c");
  ASSERT_TRUE(cookies.snapshot) << cookies.faults;
  EXPECT_TRUE(cookies.snapshot->token_providers[0]->from_headers.empty());
}

// ---- faults ---------------------------------------------------------------------------------------

void check(const FaultRow& row, const std::string& faults) {
  std::string want = row.fault;
  if (want.back() == '*') {
    want.pop_back();
    EXPECT_EQ(faults.substr(0, want.size()), want) << row.lines;
  } else {
    EXPECT_EQ(faults, want) << row.lines;
  }
}

TEST(AccessFaults, Rows) {
  for (const FaultRow& row : kGlobalFaults) check(row, with_global(row.lines).faults);
  for (const FaultRow& row : kProviderFaults) check(row, with_provider(row.lines).faults);
  for (const FaultRow& row : kRouteFaults) check(row, with_route(row.lines).faults);
  for (const FaultRow& row : kTunnelFaults) check(row, with_tunnel(row.lines).faults);
  for (const FaultRow& row : kEndFaults) {
    check(row, load_text("address: 127.0.0.1:0\nroutes:\n- " + std::string(row.lines) + "\n").faults);
  }
}

TEST(AccessFaults, CertificatesNeedTls) {
  const std::string plain = "insecure_server: true\naddress: 127.0.0.1:0\n";
  EXPECT_EQ(load_text(plain + "downstream_mtls: {ca: ca.pem}\nroutes: [{from: https://a, to: http://b}]\n").faults,
            "f:3:23: downstream_mtls.ca: needs a listener with TLS: no client could show a certificate");
  EXPECT_EQ(
      load_text(plain + "routes:\n- {from: https://a, to: http://b, tls_downstream_client_ca: ca.pem}\n").faults,
      "f:4:61: routes[0].tls_downstream_client_ca: needs a listener with TLS: no client could show a certificate");
}

TEST(AccessFaults, EqualTunnels) {
  EXPECT_EQ(load_text("address: 127.0.0.1:0\nroutes:\n- {from: https://x, to: http://u}\n"
                      "- {from: 'tcp+https://a:1', to: 'tcp://b:1'}\n- {from: 'tcp+https://A:1', to: 'tcp://c:1'}\n")
                .faults,
            "f:5:10: routes[2]: matches the same requests as route 1 (counted from 0)");
}

TEST(AccessFaults, WithoutUpstream) {
  EXPECT_EQ(load_text("address: 127.0.0.1:0\nroutes:\n- from: https://a\n  redirect: {path_redirect: /x}\n"
                      "  allow_websockets: true\n  pass_identity_headers: true\n  jwt_claims_headers: [a]\n")
                .faults,
            "f:5:3: routes[0].allow_websockets: has no effect without to\n"
            "f:6:3: routes[0].pass_identity_headers: has no effect without to\n"
            "f:7:3: routes[0].jwt_claims_headers: has no effect without to");
}

// ---- by hand, as through the ABI ------------------------------------------------------------------

std::shared_ptr<ConfigDraft> hand_made() {
  auto draft = std::make_shared<ConfigDraft>();
  draft->base_dir = material().path();
  auto listener = std::make_shared<ListenerDraft>();
  EXPECT_TRUE(set_str(*listener, OPT_LISTENER_ADDRESS, "127.0.0.1:0"));
  listener->tls = std::make_shared<TlsDraft>();
  draft->listeners.push_back(listener);
  auto route = std::make_shared<RouteDraft>();
  EXPECT_TRUE(set_str(*route, OPT_ROUTE_NAME, "one"));
  EXPECT_TRUE(set_str(*route, OPT_ROUTE_FROM, "https://a.example"));
  route->cluster = std::make_shared<ClusterDraft>();
  EXPECT_TRUE(set_str(*route->cluster, OPT_CLUSTER_TO, "http://b"));
  draft->routes.push_back(route);
  return draft;
}

TEST(AccessDrafts, ObjectsAreJson) {
  auto draft = hand_made();
  RouteDraft& route = *draft->routes[0];
  EXPECT_TRUE(set_str(*draft, OPT_GLOBAL_JWT_PROVIDERS,
                      R"({"name": "p", "issuer": "i", "local_jwks": {"filename": "keys.json"}, "audiences": ["a"]})"));
  EXPECT_TRUE(set_str(*draft, OPT_GLOBAL_DOWNSTREAM_MTLS_CA, material().ca().certificate()));
  EXPECT_TRUE(set_str(*draft, OPT_GLOBAL_DOWNSTREAM_MTLS_MATCH_SUBJECT_ALT_NAMES, R"({"email": ".*@example[.]com"})"));
  EXPECT_TRUE(set_str(*draft, OPT_GLOBAL_DOWNSTREAM_MTLS_ENFORCEMENT, "policy"));
  EXPECT_TRUE(set_str(*draft, OPT_GLOBAL_JWT_CLAIMS_HEADERS, "X-Mail: email"));
  EXPECT_TRUE(set_str(*draft, OPT_GLOBAL_JWT_CLAIMS_HEADERS, "name"));
  EXPECT_TRUE(set_str(route, OPT_ROUTE_ALLOWED_IDP_CLAIMS, R"({"team/name": ["blue"]})"));
  yaml::Faults faults;
  auto s = freeze(*draft, {}, faults);
  ASSERT_TRUE(s) << faults.text("");
  EXPECT_EQ(s->token_providers.at(0)->rules, (token::Rules{"i", {"a"}, 60}));
  EXPECT_EQ(s->client_trust->options().match_subject_alt_names[0].pattern, ".*@example[.]com");
  EXPECT_EQ(s->routes[0].claim_headers, (Names{{"X-Mail", "email"}, {"X-Pomerium-Claim-Name", "name"}}));
  EXPECT_EQ(as_user(*s, ada()), policy::Verdict::allow);
}

TEST(AccessDrafts, FaultsNameTheObject) {
  auto draft = hand_made();
  RouteDraft& route = *draft->routes[0];
  const std::string good = R"({"name": "p", "remote_jwks": {"uri": "http://k"}})";
  for (const std::string& text : {good, good, std::string("{"), std::string("[]"), std::string(R"({"issuer": "i"})")}) {
    EXPECT_TRUE(set_str(*draft, OPT_GLOBAL_JWT_PROVIDERS, text));
  }
  EXPECT_TRUE(set_str(route, OPT_ROUTE_ALLOWED_IDP_CLAIMS, R"({"a": ["x"], "b": ["y"]})"));
  EXPECT_TRUE(set_str(route, OPT_ROUTE_ALLOWED_IDP_CLAIMS, "a: b: c"));
  EXPECT_TRUE(set_str(route, OPT_ROUTE_ALLOWED_USERS, ""));
  yaml::Faults faults;
  EXPECT_FALSE(freeze(*draft, {}, faults));
  const std::string text = "\n" + faults.text("") + "\n";
  for (const char* line :
       {"\njwt_providers[1]: has the name of another provider\n",
        "\njwt_providers[2]: is not a JSON object: ", "\njwt_providers[3]: must be a mapping with name, issuer",
        "\njwt_providers[4]: has no name\n", "\njwt_providers[4]: needs local_jwks or remote_jwks\n",
        "\nroute 'one'.allowed_idp_claims: must be an object with one claim and its values",
        "\nroute 'one'.allowed_idp_claims: is not a JSON object: ", "\nroute 'one'.allowed_users: is empty\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

}  // namespace
}  // namespace cardea::config
