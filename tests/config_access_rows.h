// What the configuration of access is tested with: files, every key with its effect, every fault with its place.
#pragma once

#include <openssl/err.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "config/config.h"
#include "pki.h"

namespace cardea::config {

// RFC 7515 A.3.1
const char kKeys[] =
    R"({"keys": [{"kty": "EC", "crv": "P-256", "kid": "one", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
    R"( "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})";

// The files that the rows name, made once.
class Material {
 public:
  Material() {
    if (!mkdtemp(path_.data())) abort();
    pki::IssueOptions curve;
    curve.curve = "P-384";
    write("ca.pem", ca_.certificate());
    write("other.pem", other_.certificate());
    write("crl.pem", ca_.revoke({}));
    write("foreign.pem", "-----BEGIN X509 CRL-----\nnonsense\n-----END X509 CRL-----\n");
    write("broken.pem", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n");
    write("key.pem", key_);
    write("p384.pem", pki::pem_of(pki::make_key(pki::ecdsa, curve).get()));
    write("keys.json", kKeys);
    write("text", "no keys\n");
  }
  ~Material() {
    for (const std::string& name : names_) unlink((path_ + "/" + name).c_str());
    rmdir(path_.c_str());
  }
  std::string at(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }
  const std::string& key() const { return key_; }
  const pki::Authority& ca() const { return ca_; }

 private:
  void write(const std::string& name, const std::string& text) {
    std::ofstream(at(name)) << text;
    names_.insert(name);
  }
  std::string path_ = "/tmp/cardea-access-XXXXXX";
  std::set<std::string> names_;
  pki::Authority ca_, other_{"Other Root"};
  std::string key_ = pki::pem_of(pki::make_key(pki::ecdsa).get());
};
inline const Material& material() {
  static const Material made;
  return made;
}

inline bool has_rule(const Snapshot& s, size_t route, const policy::Facts& facts, policy::Verdict verdict) {
  return s.routes[route].policy->evaluate(facts).verdict == verdict;
}
inline policy::Verdict as_user(const Snapshot& s, const identity::Identity& who) {
  policy::Facts facts;
  facts.identity = &who;
  return s.routes[0].policy->evaluate(facts).verdict;
}
inline identity::Identity ada() {
  identity::Identity who;
  who.user = "u1";
  who.email = "ada@example.com";
  who.groups = {"admins"};
  who.claims = {{"team/name", {"blue"}}};
  return who;
}

// ---- keys -----------------------------------------------------------------------------------------

struct GoodRow {
  const char* lines;
  bool (*check)(const Snapshot&);
};
using ClientAuth = tls::ServerOptions::ClientAuth;
using Names = std::vector<ClaimHeader>;

const GoodRow kGlobals[] = {
    {"jwt_providers: {p: {issuer: i, local_jwks: {filename: keys.json}}}",
     [](const Snapshot& s) {
       const TokenProvider& p = *s.token_providers.at(0);
       return p.name == "p" && p.keys->size() == 1 && !p.remote && p.rules == token::Rules{"i", {}, 60} &&
              p.from_headers == std::vector<TokenProvider::Header>{{"authorization", "Bearer "}} &&
              p.from_cookies.empty() && s.files == std::vector<std::string>{material().at("keys.json")};
     }},
    {"jwt_providers:\n  '007': {remote_jwks: {uri: 'https://Keys.example:8443/jwks?x=1', cache_duration: 5m}}\n"
     "  b: {remote_jwks: {uri: 'http://[::1]'}}",
     [](const Snapshot& s) {
       const RemoteKeys &a = *s.token_providers.at(0)->remote, &b = *s.token_providers.at(1)->remote;
       return s.token_providers[0]->name == "007" && !s.token_providers[0]->keys && a.path == "/jwks?x=1" &&
              a.authority == "keys.example:8443" && a.cache_duration == 300'000 && a.cluster->tls &&
              a.cluster->tls_options.verify && a.cluster->endpoints[0].host == "keys.example" &&
              a.cluster->endpoints[0].port == 8443 && b.path == "/" && b.authority == "[::1]" && !b.cluster->tls &&
              b.cluster->endpoints[0].host == "::1" && b.cache_duration == 600'000 &&
              a.url == "https://Keys.example:8443/jwks?x=1";
     }},
    {"certificate_authority: ca.pem\njwt_providers: {p: {remote_jwks: {uri: 'https://k'}}}",
     [](const Snapshot& s) { return s.token_providers[0]->remote->cluster->tls_options.extra_ca.size() == 1; }},
    {"downstream_mtls: {ca_file: ca.pem}",
     [](const Snapshot& s) {
       const tls::TrustOptions& o = s.client_trust->options();
       return s.enforcement == Enforcement::policy_with_default_deny && o.ca[0].origin == material().at("ca.pem") &&
              o.max_verify_depth == 1 && s.listeners[0].tls_options.client_auth == ClientAuth::request &&
              s.listeners[0].tls_options.trust == o && !s.routes[0].client_trust &&
              has_rule(s, 0, {}, policy::Verdict::bad_certificate);
     }},
    {"downstream_mtls:\n  ca: ca.pem\n  crl_file: crl.pem\n  enforcement: policy\n  max_verify_depth: 0\n"
     "  match_subject_alt_names: [{dns: 'a.*'}, {user_principal_name: u}]",
     [](const Snapshot& s) {
       const tls::TrustOptions& o = s.client_trust->options();
       using Kind = tls::TrustOptions::Name::Kind;
       return s.enforcement == Enforcement::policy && o.crl.size() == 1 && o.max_verify_depth == 0 &&
              o.match_subject_alt_names ==
                  std::vector<tls::TrustOptions::Name>{{Kind::dns, "a.*"}, {Kind::user_principal_name, "u"}} &&
              s.files == std::vector<std::string>{material().at("crl.pem"), material().at("ca.pem")} &&
              has_rule(s, 0, {}, policy::Verdict::deny);
     }},
    {"downstream_mtls: {ca: ca.pem, crl: crl.pem, enforcement: reject_connection}",
     [](const Snapshot& s) {
       return s.enforcement == Enforcement::reject_connection &&
              s.listeners[0].tls_options.client_auth == ClientAuth::require &&
              has_rule(s, 0, {}, policy::Verdict::bad_certificate);
     }},
    {"sign_in_url: https://login.example/in?a=b",
     [](const Snapshot& s) { return s.sign_in_url == "https://login.example/in?a=b"; }},
    {"signing_key_file: key.pem",
     [](const Snapshot& s) { return s.signer && s.files == std::vector<std::string>{material().at("key.pem")}; }},
    {"signing_key: key.pem", [](const Snapshot& s) { return s.signer != nullptr; }},
    {"reauthorize_interval: 1s", [](const Snapshot& s) { return s.reauthorize_interval == 1000; }},
    {"authorize_failure_mode_allow: true", [](const Snapshot& s) { return s.authorize_failure_mode_allow; }},
    {"reauthorize_failure_mode_allow: true", [](const Snapshot& s) { return s.reauthorize_failure_mode_allow; }},
    {"pass_identity_headers: true", [](const Snapshot& s) { return s.routes[0].pass_identity_headers; }},
    {"jwt_claims_headers: [email, given_name, 'a.B']",
     [](const Snapshot& s) {
       return s.routes[0].claim_headers == Names{{"X-Pomerium-Claim-Email", "email"},
                                                 {"X-Pomerium-Claim-Given-Name", "given_name"},
                                                 {"X-Pomerium-Claim-A.b", "a/B"}} &&
              s.identity_header_names == std::vector<std::string>{"x-pomerium-claim-a.b", "x-pomerium-claim-email",
                                                                  "x-pomerium-claim-given-name"};
     }},
    {"jwt_claims_headers: {X-Email: email, X-Team: 'https://x.example/team'}",
     [](const Snapshot& s) {
       return s.routes[0].claim_headers == Names{{"X-Email", "email"}, {"X-Team", "https://x/example/team"}};
     }},
    {"admin_address: localhost:9901",
     [](const Snapshot& s) {
       return s.admin->address.text() == "127.0.0.1:9901" && s.admin->name == "localhost:9901" &&
              s.admin->codec == Codec::http1 && s.listeners.size() == 1;
     }},
    {"admin_address: '[::1]:0'", [](const Snapshot& s) { return s.admin->address.is_loopback(); }},
    {"admin_address: unix:/run/a.sock",
     [](const Snapshot& s) { return s.admin->address.is_unix() && s.admin->unix_mode == 0600; }},
    {"metrics_address: 192.0.2.1:9090",
     [](const Snapshot& s) {
       return s.metrics->address.text() == "192.0.2.1:9090" && s.metrics->codec == Codec::http1 && !s.admin &&
              s.listeners.size() == 1;
     }},
    {"metrics_address: localhost:0\nadmin_address: localhost:0",
     [](const Snapshot& s) { return s.metrics->address.text() == "127.0.0.1:0" && s.admin; }},
    {"metrics_address: unix:/run/m.sock",
     [](const Snapshot& s) { return s.metrics->address.is_unix() && s.metrics->unix_mode == 0666; }},
};

const GoodRow kRoutes[] = {
    {"allow_any_authenticated_user: true",
     [](const Snapshot& s) {
       return as_user(s, ada()) == policy::Verdict::allow && has_rule(s, 0, {}, policy::Verdict::sign_in);
     }},
    {"allowed_users: [u1]", [](const Snapshot& s) { return as_user(s, ada()) == policy::Verdict::allow; }},
    {"allowed_users: ada@example.com", [](const Snapshot& s) { return as_user(s, ada()) == policy::Verdict::allow; }},
    {"allowed_users: [u2]", [](const Snapshot& s) { return as_user(s, ada()) == policy::Verdict::deny; }},
    {"allowed_domains: [example.com]", [](const Snapshot& s) { return as_user(s, ada()) == policy::Verdict::allow; }},
    {"allowed_groups: [admins]", [](const Snapshot& s) { return as_user(s, ada()) == policy::Verdict::allow; }},
    {"allowed_idp_claims: {team.name: [red, blue]}",
     [](const Snapshot& s) { return as_user(s, ada()) == policy::Verdict::allow; }},
    {"allowed_idp_claims: {team/name: red}",
     [](const Snapshot& s) { return as_user(s, ada()) == policy::Verdict::deny; }},
    {"cors_allow_preflight: true",
     [](const Snapshot& s) {
       policy::Facts facts;
       facts.cors_preflight = true;
       return has_rule(s, 0, facts, policy::Verdict::allow) && has_rule(s, 0, {}, policy::Verdict::deny);
     }},
    {"cors_preflight: true",
     [](const Snapshot& s) {
       policy::Facts facts;
       facts.cors_preflight = true;
       return has_rule(s, 0, facts, policy::Verdict::allow);
     }},
    {"allow_public_unauthenticated_access: true\nallow_any_authenticated_user: false\n"
     "policy: {deny: {or: [{http_path: /no}]}}",
     [](const Snapshot& s) {
       policy::Facts facts;
       facts.path = "/no";
       return has_rule(s, 0, facts, policy::Verdict::deny) && has_rule(s, 0, {}, policy::Verdict::allow);
     }},
    {"pass_identity_headers: true", [](const Snapshot& s) { return s.routes[0].pass_identity_headers; }},
    {"jwt_claims_headers: {X-Who: sub}",
     [](const Snapshot& s) {
       return s.routes[0].claim_headers == Names{{"X-Who", "sub"}} &&
              s.identity_header_names == std::vector<std::string>{"x-who"};
     }},
    {"show_error_details: true", [](const Snapshot& s) { return s.routes[0].show_error_details; }},
    {"tls_downstream_client_ca_file: ca.pem",
     [](const Snapshot& s) {
       return s.routes[0].client_trust && !s.client_trust && s.listeners[0].tls_options.trust.ca.size() == 1 &&
              s.enforcement == Enforcement::policy_with_default_deny &&
              s.listeners[0].tls_options.client_auth == ClientAuth::request &&
              has_rule(s, 0, {}, policy::Verdict::bad_certificate);
     }},
    {"tls_downstream_client_ca: ca.pem", [](const Snapshot& s) { return s.routes[0].client_trust != nullptr; }},
    {"allow_websockets: true",
     [](const Snapshot& s) {
       const Route& r = s.routes[0];
       return r.allow_websockets && r.timeout == 0 && r.idle_timeout == 0;
     }},
    {"allow_websockets: true\ntimeout: 5s\nidle_timeout: 1m",
     [](const Snapshot& s) { return s.routes[0].timeout == 5000 && s.routes[0].idle_timeout == 60'000; }},
    {"set_request_headers: {A: '${pomerium.jwt} ${pomerium.client_cert_fingerprint}'}",
     [](const Snapshot& s) { return s.routes[0].set_request_headers.size() == 1; }},
};

// ---- faults ---------------------------------------------------------------------------------------

struct FaultRow {
  const char* lines;
  const char* fault;  // one that ends with '*' is a beginning
};

const FaultRow kGlobalFaults[] = {
    {"jwt_providers: [a]", "f:5:16: jwt_providers: must be a mapping of names to mappings"},
    {"jwt_providers: {p: x}", "f:5:20: jwt_providers.p: must be a mapping"},
    {"jwt_providers: {p: {}}", "f:5:17: jwt_providers.p: needs local_jwks or remote_jwks"},
    {"downstream_mtls: x", "f:5:18: downstream_mtls: must be a mapping"},
    {"downstream_mtls: {cas: x}", "f:5:19: downstream_mtls.cas: unknown key, did you mean ca?"},
    {"downstream_mtls: {ca: ca.pem, ca_file: ca.pem}",
     "f:5:40: downstream_mtls.ca_file: is given twice: downstream_mtls.ca is there too"},
    {"downstream_mtls: {ca: [x]}", "f:5:23: downstream_mtls.ca: must be a string, not a list"},
    {"downstream_mtls: {ca: none.pem}",
     "f:5:23: downstream_mtls.ca: cannot read DIR/none.pem: No such file or directory"},
    {"downstream_mtls: {ca: broken.pem}", "f:5:23: downstream_mtls.ca: *"},
    {"downstream_mtls: {ca: ca.pem, crl: foreign.pem}", "f:5:36: downstream_mtls.crl: *"},
    {"downstream_mtls: {crl: crl.pem}", "f:5:24: downstream_mtls.crl: has no effect without downstream_mtls.ca"},
    {"downstream_mtls: {enforcement: policy}",
     "f:5:32: downstream_mtls.enforcement: has no effect without downstream_mtls.ca"},
    {"downstream_mtls: {ca: ca.pem, enforcement: polcy}",
     "f:5:44: downstream_mtls.enforcement: must be one of policy_with_default_deny, policy, reject_connection, not "
     "'polcy'"},
    {"downstream_mtls: {ca: ca.pem, max_verify_depth: -1}",
     "f:5:49: downstream_mtls.max_verify_depth: must be between 0 and 2147483647, not -1"},
    {"downstream_mtls: {ca: ca.pem, match_subject_alt_names: {dns: x}}",
     "f:5:56: downstream_mtls.match_subject_alt_names: must be a list of mappings"},
    {"downstream_mtls: {ca: ca.pem, match_subject_alt_names: [x]}",
     "f:5:57: downstream_mtls.match_subject_alt_names[0]: must be a mapping with dns, email, ip_address, uri, "
     "user_principal_name"},
    {"downstream_mtls: {ca: ca.pem, match_subject_alt_names: [{dsn: x}]}",
     "f:5:58: downstream_mtls.match_subject_alt_names[0].dsn: unknown key, did you mean dns?"},
    {"downstream_mtls: {ca: ca.pem, match_subject_alt_names: [{dns: x, uri: y}]}",
     "f:5:57: downstream_mtls.match_subject_alt_names[0]: must have exactly one of *"},
    {"downstream_mtls: {ca: ca.pem, match_subject_alt_names: [{}]}",
     "f:5:57: downstream_mtls.match_subject_alt_names[0]: must have exactly one of *"},
    {"downstream_mtls: {ca: ca.pem, match_subject_alt_names: [{dns: '('}]}",
     "f:5:63: downstream_mtls.match_subject_alt_names[0].dns: *"},
    {"downstream_mtls: {ca: ca.pem, match_subject_alt_names: [{dns: ''}]}",
     "f:5:63: downstream_mtls.match_subject_alt_names[0].dns: is empty"},
    {"sign_in_url: login.example", "f:5:14: sign_in_url: must begin with https:// or http://"},
    {"sign_in_url: https://", "f:5:14: sign_in_url: has no valid host"},
    {"sign_in_url: https://u@h", "f:5:14: sign_in_url: may not have a user"},
    {"sign_in_url: 'https://h/#x'", "f:5:14: sign_in_url: may not have a fragment"},
    {"sign_in_url: 'https://h\\@evil'", "f:5:14: sign_in_url: has characters that cannot stand in a URL"},
    {"sign_in_url: ''", "f:5:14: sign_in_url: must begin with https:// or http://"},
    {"sign_in_url: {}", "f:5:14: sign_in_url: must be a string, not a mapping"},
    {"signing_key: ca.pem", "f:5:14: signing_key: DIR/ca.pem*"},
    {"signing_key_file: p384.pem", "f:5:19: signing_key_file: DIR/p384.pem*"},
    {"signing_key: key.pem\nsigning_key_file: key.pem",
     "f:6:19: signing_key_file: is given twice: signing_key is there too"},
    {"reauthorize_interval: 999ms", "f:5:23: reauthorize_interval: must be between 1s and 8760h, not 999ms"},
    {"reauthorize_interval: 0", "f:5:23: reauthorize_interval: must be between 1s and 8760h, not 0s"},
    {"authorize_failure_mode_allow: yes",
     "f:5:31: authorize_failure_mode_allow: must be true or false, not a boolean (yes)"},
    {"reauthorize_failure_mode_allow: 1",
     "f:5:33: reauthorize_failure_mode_allow: must be true or false, not a number (1)"},
    {"pass_identity_headers: 'true'", "f:5:24: pass_identity_headers: must be true or false, not a string (true)"},
    {"jwt_claims_headers: [a/b]",
     "f:5:22: jwt_claims_headers: a/b cannot be a part of a header's name: map a header to it"},
    {"jwt_claims_headers: ['']", "f:5:22: jwt_claims_headers: is empty"},
    {"jwt_claims_headers: {'a b': c}", "f:5:22: jwt_claims_headers.a b: is not the name of a header"},
    {"jwt_claims_headers: {a: ''}", "f:5:25: jwt_claims_headers.a: is empty"},
    {"jwt_claims_headers: {a: [b]}", "f:5:25: jwt_claims_headers.a: must be a string, not a list"},
    {"jwt_claims_headers: {a: b, A: c}", "f:5:31: jwt_claims_headers: A is set twice"},
    {"jwt_claims_headers: {Host: a}", "f:5:28: jwt_claims_headers: Host is set by host_rewrite and its like"},
    {"jwt_claims_headers: {X-Pomerium-Jwt-Assertion: a}",
     "f:5:48: jwt_claims_headers: X-Pomerium-Jwt-Assertion is the signed assertion's"},
    {"admin_address: ''", "f:5:16: admin_address: is empty"},
    {"admin_address: ':9901'", "f:5:16: admin_address: must be a loopback address *"},
    {"admin_address: 0.0.0.0:9901", "f:5:16: admin_address: must be a loopback address *"},
    {"admin_address: 192.0.2.1:9901", "f:5:16: admin_address: must be a loopback address *"},
    {"admin_address: 'unix:@a'", "f:5:16: admin_address: must be a loopback address *"},
    {"admin_address: example.com:1", "f:5:16: admin_address: address \"example.com:1\": not an IP address"},
    {"http_redirect_addr: 127.0.0.1:81\nadmin_address: 127.0.0.1:81",
     "f:6:16: admin_address: is the address of another listener"},
    {"metrics_address: ''", "f:5:18: metrics_address: is empty"},
    {"metrics_address: nowhere", "f:5:18: metrics_address: address \"nowhere\": *"},
    {"http_redirect_addr: 127.0.0.1:81\nmetrics_address: 127.0.0.1:81",
     "f:6:18: metrics_address: is the address of another listener"},
    {"admin_address: 127.0.0.1:81\nmetrics_address: localhost:81",
     "f:6:18: metrics_address: is the address of another listener"},
};

const FaultRow kProviderFaults[] = {
    {"local_jwks: {filename: keys.json}\nname: x",
     "f:8:5: jwt_providers.p.name: unknown key: the name stands in front of the mapping"},
    {"local_jwks: {filename: keys.json}\nissuers: x",
     "f:8:5: jwt_providers.p.issuers: unknown key, did you mean issuer?"},
    {"local_jwks: {filename: keys.json}\nissuer: ''", "f:8:13: jwt_providers.p.issuer: is empty"},
    {"local_jwks: {filename: keys.json}\naudiences: []", "f:8:16: jwt_providers.p.audiences: is an empty list"},
    {"local_jwks: {filename: keys.json}\naudiences: [a, 007]",
     "f:8:20: jwt_providers.p.audiences[1]: must be a string: *"},
    {"local_jwks: {filename: keys.json}\nclock_skew_seconds: 60s",
     "f:8:25: jwt_providers.p.clock_skew_seconds: must be a whole decimal number, not a string (60s)"},
    {"local_jwks: {filename: keys.json}\nclock_skew_seconds: 86401",
     "f:8:25: jwt_providers.p.clock_skew_seconds: must be between 0 and 86400, not 86401"},
    {"local_jwks: {filename: keys.json}\nremote_jwks: {uri: 'http://k'}",
     "f:8:18: jwt_providers.p.remote_jwks: contradicts local_jwks"},
    {"local_jwks: {}", "f:7:17: jwt_providers.p.local_jwks: needs exactly one of filename and inline_string"},
    {"local_jwks: keys.json", "f:7:17: jwt_providers.p.local_jwks: must be a mapping with filename, inline_string*"},
    {"local_jwks: {filename: none}",
     "f:7:28: jwt_providers.p.local_jwks.filename: cannot read DIR/none: No such file or directory"},
    {"local_jwks: {filename: text}", "f:7:28: jwt_providers.p.local_jwks.filename: DIR/text: *"},
    {"local_jwks: {inline_string: '{\"keys\": []}'}", "f:7:33: jwt_providers.p.local_jwks.inline_string: *"},
    {"local_jwks: {inline_string: {keys: []}}",
     "f:7:33: jwt_providers.p.local_jwks.inline_string: must be a string, not a mapping"},
    {"remote_jwks: {}", "f:7:18: jwt_providers.p.remote_jwks: has no uri"},
    {"remote_jwks: {uri: ftp://k}", "f:7:24: jwt_providers.p.remote_jwks.uri: must begin with https:// or http://"},
    {"remote_jwks: {uri: 'https://k:0'}", "f:7:24: jwt_providers.p.remote_jwks.uri: has no valid host"},
    {"remote_jwks: {uri: 'https://k', cache_duration: 10ms}",
     "f:7:53: jwt_providers.p.remote_jwks.cache_duration: must be between 1s and 8760h, not 10ms"},
    {"remote_jwks: {uri: 'https://k', cache_duration: fast}", "f:7:53: jwt_providers.p.remote_jwks.cache_duration: *"},
    {"remote_jwks: {url: 'https://k'}",
     "f:7:18: jwt_providers.p.remote_jwks: has no uri\n"
     "f:7:19: jwt_providers.p.remote_jwks.url: unknown key, did you mean uri?"},
    {"remote_jwks: {uri: 'http://k'}\nfrom_headers: []",
     "f:8:19: jwt_providers.p.from_headers: must be a list of {name, value_prefix}"},
    {"remote_jwks: {uri: 'http://k'}\nfrom_headers: [{value_prefix: x}]",
     "f:8:20: jwt_providers.p.from_headers[0]: has no name"},
    {"remote_jwks: {uri: 'http://k'}\nfrom_headers: [{name: 'a b'}]",
     "f:8:27: jwt_providers.p.from_headers[0].name: is not the name of a header"},
    {"remote_jwks: {uri: 'http://k'}\nfrom_headers: [{name: Host}]",
     "f:8:27: jwt_providers.p.from_headers[0].name: is set by host_rewrite and its like"},
    {"remote_jwks: {uri: 'http://k'}\nfrom_headers: [{name: a, value_prefix: \"b\\r\"}]",
     "f:8:44: jwt_providers.p.from_headers[0].value_prefix: has characters that cannot stand in a header"},
    {"remote_jwks: {uri: 'http://k'}\nfrom_cookies: ['a=b']",
     "f:8:20: jwt_providers.p.from_cookies: is not the name of a cookie: a=b"},
    {"remote_jwks: {uri: 'http://k'}\nfrom_cookies: []", "f:8:19: jwt_providers.p.from_cookies: is an empty list"},
};

const FaultRow kRouteFaults[] = {
    {"allow_any_authenticated_user: on",
     "f:5:33: routes[0].allow_any_authenticated_user: must be true or false, not a boolean (on)"},
    {"allow_public_unauthenticated_access: true\nallow_any_authenticated_user: true",
     "f:6:33: routes[0].allow_any_authenticated_user: contradicts allow_public_unauthenticated_access"},
    {"allow_public_unauthenticated_access: true\nallowed_users: [a]",
     "f:6:18: routes[0].allowed_users: contradicts allow_public_unauthenticated_access"},
    {"allow_any_authenticated_user: true\nallowed_domains: [a]\nallowed_groups: [b]\nallowed_idp_claims: {c: d}",
     "f:6:20: routes[0].allowed_domains: contradicts allow_any_authenticated_user\n"
     "f:7:19: routes[0].allowed_groups: contradicts allow_any_authenticated_user\n"
     "f:8:23: routes[0].allowed_idp_claims: contradicts allow_any_authenticated_user"},
    {"allowed_users: ['']", "f:5:19: routes[0].allowed_users: is empty"},
    {"allowed_users: {a: b}", "f:5:18: routes[0].allowed_users: must be a string, not a mapping"},
    {"allowed_users: [no]", "f:5:19: routes[0].allowed_users[0]: must be a string: *"},
    {"allowed_domains: [a@b]",
     "f:5:21: routes[0].allowed_domains: is a domain, without @: what follows the last @ of an address"},
    {"allowed_groups: [[a]]", "f:5:20: routes[0].allowed_groups[0]: must be a string, not a list"},
    {"allowed_idp_claims: [a]", "f:5:23: routes[0].allowed_idp_claims: must be a mapping of claims to lists of values"},
    {"allowed_idp_claims: {a: []}", "f:5:27: routes[0].allowed_idp_claims.a: is an empty list"},
    {"allowed_idp_claims: {a: [true]}", "f:5:28: routes[0].allowed_idp_claims.a[0]: must be a string: *"},
    {"allowed_idp_claims: {'': [x]}", "f:5:24: routes[0].allowed_idp_claims: has a claim without a name"},
    {"cors_allow_preflight: 1", "f:5:25: routes[0].cors_allow_preflight: must be true or false, not a number (1)"},
    {"cors_preflight: true\ncors_allow_preflight: true",
     "f:5:19: routes[0].cors_preflight: is the old name of cors_allow_preflight, which is there too"},
    {"jwt_claims_headers: {Connection: a}",
     "f:5:36: routes[0].jwt_claims_headers: Connection belongs to the connection and cannot be changed"},
    {"show_error_details: x", "f:5:23: routes[0].show_error_details: must be true or false, not a string (x)"},
    {"tls_downstream_client_ca: none.pem",
     "f:5:29: routes[0].tls_downstream_client_ca: cannot read DIR/none.pem: No such file or directory"},
    {"tls_downstream_client_ca_file: broken.pem", "f:5:34: routes[0].tls_downstream_client_ca_file: *"},
    {"tls_downstream_client_ca: ca.pem\ntls_downstream_client_ca_file: ca.pem",
     "f:6:34: routes[0].tls_downstream_client_ca_file: is given twice: tls_downstream_client_ca is there too"},
    {"allow_websockets: 'true'", "f:5:21: routes[0].allow_websockets: must be true or false, not a string (true)"},
    {"allow_websockets: true\nidle_timeout: 10m",
     "f:6:17: routes[0].idle_timeout: may be 0 (off) but not longer than stream_idle_timeout (5m)"},
    {"policy: {allow: {or: [{emial: a}]}}", "f:5:26: routes[0].policy.allow.or[0]: unknown criterion \"emial\"*"},
};

// Every key that would be ignored inside a tunnel.
const FaultRow kTunnelFaults[] = {
    {"prefix: /p", "f:5:11: routes[0].prefix: has no effect with from: tcp+https: it is about HTTP requests"},
    {"path: /p", "f:5:9: routes[0].path: has no effect *"},
    {"regex: p", "f:5:10: routes[0].regex: has no effect *"},
    {"prefix_rewrite: /p", "f:5:19: routes[0].prefix_rewrite: has no effect *"},
    {"regex_rewrite_pattern: p", "f:5:26: routes[0].regex_rewrite_pattern: has no effect *"},
    {"host_rewrite: h", "f:5:17: routes[0].host_rewrite: has no effect *"},
    {"host_rewrite_header: h", "f:5:24: routes[0].host_rewrite_header: has no effect *"},
    {"host_path_regex_rewrite_pattern: h", "f:5:36: routes[0].host_path_regex_rewrite_pattern: has no effect *"},
    {"preserve_host_header: true", "f:5:25: routes[0].preserve_host_header: has no effect *"},
    {"set_request_headers: {a: b}", "f:5:24: routes[0].set_request_headers: has no effect *"},
    {"remove_request_headers: [a]", "f:5:27: routes[0].remove_request_headers: has no effect *"},
    {"set_response_headers: {a: b}", "f:5:25: routes[0].set_response_headers: has no effect *"},
    {"rewrite_response_headers: [{header: a}]", "f:5:29: routes[0].rewrite_response_headers: has no effect *"},
    {"allow_websockets: true", "f:5:21: routes[0].allow_websockets: has no effect *"},
    {"cors_allow_preflight: true", "f:5:25: routes[0].cors_allow_preflight: has no effect *"},
    {"pass_identity_headers: true", "f:5:26: routes[0].pass_identity_headers: has no effect *"},
    {"jwt_claims_headers: [a]", "f:5:23: routes[0].jwt_claims_headers: has no effect *"},
    {"tls_skip_verify: true", "f:5:20: routes[0].tls_skip_verify: has no effect: no URL of to begins with https"},
};

// One route in line 3.
const FaultRow kEndFaults[] = {
    {"{from: tcp+https://a, to: 'tcp://b:1'}", "f:3:10: routes[0].from: needs a port: tcp+https://HOST:PORT"},
    {"{from: 'tcp+https://a:1/x', to: 'tcp://b:1'}", "f:3:10: routes[0].from: may not have a path"},
    {"{from: 'udp+https://a:1', to: 'tcp://b:1'}", "f:3:10: routes[0].from: not supported yet: udp+https*"},
    {"{from: 'tcp+https://a:1', to: tcp://b}", "f:3:33: routes[0].to: needs a port: tcp://host:22"},
    {"{from: 'tcp+https://a:1', to: 'tcp://b:1/x'}", "f:3:33: routes[0].to: may not have a path"},
    {"{from: 'tcp+https://a:1', to: ['tcp://b:1', http://c]}", "f:3:33: routes[0].to: may not mix tcp with other URLs"},
    {"{from: 'tcp+https://a:1', redirect: {path_redirect: /x}}", "f:3:10: routes[0].from: needs to: tcp://HOST:PORT"},
    {"{from: https://a, to: 'udp://b:1'}", "f:3:25: routes[0].to: not supported yet: udp"},
};

}  // namespace cardea::config
