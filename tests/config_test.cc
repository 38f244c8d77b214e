// The configuration: every key and its effect, every fault and its place, drafts made by hand, reuse.
#include "config/config.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "config/sources.h"
#include "config_rows.h"
#include "pki.h"

namespace cardea::config {
namespace {

struct Loaded {
  SnapshotPtr snapshot;
  std::string faults;
};

Loaded load_text(const std::string& text, const std::string& base_dir = "", SnapshotPtr previous = nullptr) {
  yaml::Faults faults;
  Loaded out;
  if (auto draft = load(text, base_dir, faults)) out.snapshot = freeze(*draft, {7, previous}, faults);
  EXPECT_EQ(out.snapshot == nullptr, !faults.empty()) << text;
  out.faults = faults.text("f");
  return out;
}

const std::string kListener = "address: 127.0.0.1:0\ninsecure_server: true\n";
const std::string kRoutes = "routes:\n- from: https://a.example\n  to: http://b.example:81\n";

// A file with these lines at its top.
Loaded with_global(const std::string& lines) {
  return load_text(kListener + kRoutes + lines);
}
// A file whose only route has these lines too; they begin in line 6.
Loaded with_route(const std::string& lines) {
  std::string text = kListener + kRoutes + "  ";
  for (char c : lines) {
    text += c;
    if (c == '\n') text += "  ";
  }
  return load_text(text + "\n");
}
// The same without `to`: the lines begin in line 5.
Loaded without_to(const std::string& lines) {
  return load_text(kListener + "routes:\n- from: https://a.example\n  " + lines + "\n");
}

std::string base64(const std::string& text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                          reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  out.resize(static_cast<size_t>(n));
  return out;
}

// A directory with files that goes away with the test.
class Folder {
 public:
  Folder() : path_("/tmp/cardea-config-XXXXXX") {
    if (!mkdtemp(path_.data())) abort();
  }
  ~Folder() {
    for (const std::string& name : names_) unlink((path_ + "/" + name).c_str());
    rmdir(path_.c_str());
  }
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(path_ + "/" + name) << text;
    names_.insert(name);
    return path_ + "/" + name;
  }
  void keep(const std::string& name) { names_.insert(name); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::set<std::string> names_;
};

// ---- every key ------------------------------------------------------------------------------------

TEST(Keys, Defaults) {
  auto [s, faults] = load_text(kListener + kRoutes);
  ASSERT_TRUE(s) << faults;
  EXPECT_EQ(s->generation, 7u);
  ASSERT_EQ(s->listeners.size(), 1u);
  EXPECT_EQ(s->listeners[0].name, "127.0.0.1:0");
  EXPECT_EQ(s->listeners[0].codec, Codec::automatic);
  EXPECT_FALSE(s->listeners[0].tls);
  EXPECT_FALSE(s->listeners[0].proxy_protocol);
  Snapshot plain;
  EXPECT_EQ(s->limits, http::CodecLimits{});
  EXPECT_EQ(s->path, http::PathOptions{});
  EXPECT_EQ(s->forwarding, route::ForwardingOptions{});
  EXPECT_EQ(s->timeout_read, plain.timeout_read);
  EXPECT_EQ(s->timeout_write, plain.timeout_write);
  EXPECT_EQ(s->timeout_idle, plain.timeout_idle);
  EXPECT_EQ(s->request_headers_timeout, plain.request_headers_timeout);
  EXPECT_EQ(s->tls_handshake_timeout, plain.tls_handshake_timeout);
  EXPECT_EQ(s->authorize_timeout, plain.authorize_timeout);
  EXPECT_EQ(s->max_connection_duration, plain.max_connection_duration);
  EXPECT_EQ(s->drain_timeout, plain.drain_timeout);
  EXPECT_EQ(s->max_connections, plain.max_connections);
  EXPECT_EQ(s->workers, plain.workers);
  EXPECT_EQ(s->access_log, "");
  ASSERT_EQ(s->routes.size(), 1u);
  const Route& r = s->routes[0];
  EXPECT_EQ(r.name, "https://a.example");
  EXPECT_EQ(r.match.host, "a.example");
  EXPECT_EQ(r.match.port, 0);
  EXPECT_EQ(r.match.kind, route::Match::Path::any);
  EXPECT_TRUE(*r.policy == *policy::Policy::closed());
  Route plain_route;
  EXPECT_EQ(r.timeout, plain_route.timeout);
  EXPECT_EQ(r.idle_timeout, plain_route.idle_timeout);
  EXPECT_EQ(r.max_stream_duration, plain_route.max_stream_duration);
  EXPECT_EQ(r.buffer_limit, plain_route.buffer_limit);
  cluster::ClusterConfig c;
  c.endpoints = {{cluster::EndpointConfig::Scheme::http, "b.example", 81, false, 1, "b.example:81"}};
  c.limits.underscores = http::CodecLimits::Underscores::allow;
  ASSERT_TRUE(r.cluster);
  EXPECT_TRUE(r.cluster->same(c));
  EXPECT_EQ(r.cluster->name, r.name);
  EXPECT_EQ(s->table->match("a.example", 443, "/x"), 0);
  EXPECT_EQ(s->table->match("b.example", 443, "/x"), -1);
  for (const OptionRow* row = option_next(nullptr); row; row = option_next(row)) {
    if (row->owner == Owner::global && row->type < Type::string) {
      EXPECT_EQ(s->option(row->id), row->default_value) << row->key;
    }
  }
}

TEST(Keys, Global) {
  for (const GlobalRow& row : kGlobals) {
    auto [s, faults] = with_global(row.lines);
    ASSERT_TRUE(s) << faults;
    EXPECT_TRUE(row.check(*s)) << row.lines;
  }
}

TEST(Keys, EveryGlobalOptionHasARow) {
  std::string all;
  for (const GlobalRow& row : kGlobals) all += std::string(row.lines) + "\n";
  for (const OptionRow* row = option_next(nullptr); row; row = option_next(row)) {
    if (row->owner != Owner::global) continue;
    std::string key = Bytes(row->key).substr(0, Bytes(row->key).find('.')).data();
    key = key.substr(0, key.find('.'));
    if (key.find("certificate_authority") == 0) continue;  // in Tls
    EXPECT_NE(all.find(key + ":"), std::string::npos) << key;
  }
}

TEST(Keys, Listeners) {
  auto [s, faults] = load_text("insecure_server: true\naddress: 'unix:/run/x.sock'\n" + kRoutes);
  ASSERT_TRUE(s) << faults;
  EXPECT_TRUE(s->listeners[0].address.is_unix());
  EXPECT_EQ(s->listeners[0].unix_mode, 0666u);
  auto local = load_text("insecure_server: true\naddress: localhost:8443\n" + kRoutes);
  ASSERT_TRUE(local.snapshot) << local.faults;
  EXPECT_EQ(local.snapshot->listeners[0].address.text(), "127.0.0.1:8443");
  EXPECT_EQ(local.snapshot->listeners[0].name, "localhost:8443");
  auto plain = load_text("insecure_server: true\n" + kRoutes);
  ASSERT_TRUE(plain.snapshot) << plain.faults;
  EXPECT_EQ(plain.snapshot->listeners[0].address.port(), 443);
}

TEST(Keys, Route) {
  for (const RouteRow& row : kRouteRows) {
    auto [s, faults] = with_route(row.lines);
    ASSERT_TRUE(s) << faults << "\n" << row.lines;
    EXPECT_TRUE(row.check(s->routes[0])) << row.lines;
  }
}

TEST(Keys, EveryRouteOptionHasARow) {
  std::string all;
  for (const RouteRow& row : kRouteRows) all += std::string(row.lines) + "\n";
  for (const OptionRow* row = option_next(nullptr); row; row = option_next(row)) {
    std::string key = row->key;
    bool elsewhere = key == "from" || key == "to" || key.find("tls_") == 0 || key.find('.') != std::string::npos;
    if ((row->owner != Owner::route && row->owner != Owner::cluster) || elsewhere) continue;
    EXPECT_NE(all.find(key + ":"), std::string::npos) << key;
  }
}

TEST(Keys, OldNameOfRoutes) {
  auto [s, faults] = load_text(kListener + "policy:\n- from: https://a.example\n  to: http://b\n");
  ASSERT_TRUE(s) << faults;
  EXPECT_EQ(s->routes.size(), 1u);
}

TEST(Keys, From) {
  struct Row {
    const char* from;
    const char* host;
    uint16_t port;
  } rows[] = {
      {"https://A.Example", "a.example", 0},
      {"https://a.example/", "a.example", 0},
      {"https://a.example:443", "a.example", 0},
      {"https://a.example:8443", "a.example", 8443},
      {"http://a.example:80", "a.example", 0},
      {"http://a.example:443", "a.example", 443},
      {"https://*.a.example", "*.a.example", 0},
      {"https://*", "*", 0},
      {"https://*:8443", "*", 8443},
      {"https://127.0.0.1", "127.0.0.1", 0},
      {"https://[::1]:1", "[::1]", 1},
      {"HTTPS://a_b.example", "a_b.example", 0},
  };
  for (const Row& row : rows) {
    auto [s, faults] = load_text(kListener + "routes:\n- from: '" + row.from + "'\n  to: http://b\n");
    ASSERT_TRUE(s) << faults;
    EXPECT_EQ(s->routes[0].match.host, row.host) << row.from;
    EXPECT_EQ(s->routes[0].match.port, row.port) << row.from;
  }
}

TEST(Keys, To) {
  using Scheme = cluster::EndpointConfig::Scheme;
  struct Row {
    const char* to;
    cluster::EndpointConfig endpoint;
  } rows[] = {
      {"http://b", {Scheme::http, "b", 80, false, 1, "b"}},
      {"http://B.example:8080", {Scheme::http, "b.example", 8080, false, 1, "b.example:8080"}},
      {"h2c://b:80", {Scheme::h2c, "b", 80, false, 1, "b"}},
      {"http://[::1]:81", {Scheme::http, "::1", 81, false, 1, "[::1]:81"}},
      {"https://b", {Scheme::https, "b", 443, false, 1, "b"}},
      {"https://b:80,7", {Scheme::https, "b", 80, false, 7, "b:80"}},
      {"http+unix:///run/s.sock", {Scheme::http, "/run/s.sock", 0, true, 1, "localhost"}},
  };
  for (const Row& row : rows) {
    auto [s, faults] = load_text(kListener + "routes:\n- from: https://a\n  to: '" + row.to + "'\n");
    ASSERT_TRUE(s) << faults;
    ASSERT_EQ(s->routes[0].cluster->endpoints.size(), 1u);
    EXPECT_EQ(s->routes[0].cluster->endpoints[0], row.endpoint) << row.to;
    EXPECT_EQ(s->routes[0].cluster->tls != nullptr, row.endpoint.scheme == Scheme::https) << row.to;
  }
  auto [s, faults] = load_text(
      kListener +
      "routes:\n- from: https://a\n  prefix: /p\n  to: ['http://b/x/,10', 'https://c/x/,20', 'http://d,1']\n");
  ASSERT_TRUE(s) << faults;
  EXPECT_EQ(s->routes[0].cluster->endpoints[1].weight, 20u);
  EXPECT_TRUE(s->routes[0].rewrite.has_prefix);
  EXPECT_EQ(s->routes[0].rewrite.prefix, "/x/");
}

TEST(Keys, RedirectAndResponse) {
  auto [s, faults] = without_to(
      "redirect: {https_redirect: true, host_redirect: b.example, port_redirect: 8443, prefix_rewrite: /q,\n"
      "    response_code: 308, strip_query: true}\n  prefix: /p");
  ASSERT_TRUE(s) << faults;
  route::Redirect want;
  want.https_redirect = want.has_prefix = want.strip_query = true;
  want.host = "b.example";
  want.port = 8443;
  want.prefix_rewrite = "/q";
  want.status = 308;
  EXPECT_EQ(s->routes[0].redirect, want);
  EXPECT_FALSE(s->routes[0].cluster);
  auto path = without_to("redirect: {scheme_redirect: http, path_redirect: '/x?y=1'}");
  ASSERT_TRUE(path.snapshot) << path.faults;
  EXPECT_EQ(path.snapshot->routes[0].redirect->scheme, "http");
  EXPECT_TRUE(path.snapshot->routes[0].redirect->has_path);
  EXPECT_EQ(path.snapshot->routes[0].redirect->path, "/x?y=1");
  EXPECT_EQ(path.snapshot->routes[0].redirect->status, 301);
  auto response = without_to("response: {status: 418, body: \"tea\\n\"}");
  ASSERT_TRUE(response.snapshot) << response.faults;
  EXPECT_EQ(response.snapshot->routes[0].response, (route::DirectResponse{418, "tea\n"}));
}

TEST(Keys, Json) {
  auto [s, faults] = load_text(
      R"({"address": "127.0.0.1:0", "insecure_server": true, "timeout_read": "1s",
          "routes": [{"from": "https://a.example", "to": ["http://b"], "policy": [{"allow": {"or": [{"accept": true}]}}]}]})");
  ASSERT_TRUE(s) << faults;
  EXPECT_EQ(s->timeout_read, 1000u);
  EXPECT_EQ(s->routes[0].policy->evaluate({}).verdict, policy::Verdict::allow);
}

// ---- every fault ----------------------------------------------------------------------------------

TEST(Faults, Text) {
  for (const FaultRow& row : kTextFaults) EXPECT_EQ(load_text(row.lines).faults, row.fault) << row.lines;
  EXPECT_EQ(load_text(kListener + kRoutes + "policy: [{from: https://c, to: http://d}]\n").faults,
            "f:6:9: policy: is the old name of routes, which is there too");
}

TEST(Faults, Global) {
  for (const FaultRow& row : kGlobalFaults) {
    std::string faults = with_global(row.lines).faults;
    if (row.fault) {
      EXPECT_EQ(faults, row.fault) << row.lines;
    } else {
      EXPECT_NE(faults, "") << row.lines;
    }
  }
}

TEST(Faults, Listener) {
  for (const FaultRow& row : kListenerFaults) EXPECT_EQ(load_text(row.lines + kRoutes).faults, row.fault) << row.lines;
}

TEST(Faults, Route) {
  for (const FaultRow& row : kRouteFaults) {
    std::string faults = with_route(row.lines).faults;
    if (row.fault) {
      EXPECT_EQ(faults, row.fault) << row.lines;
    } else {
      EXPECT_EQ(faults.substr(0, 4), "f:6:") << row.lines << " " << faults;
    }
  }
}

TEST(Faults, FromAndTo) {
  for (const FaultRow& row : kEndFaults) {
    std::string want = row.fault;
    if (want.back() == '\n') want.pop_back();
    EXPECT_EQ(load_text(kListener + "routes:\n" + row.lines).faults, want) << row.lines;
  }
}

TEST(Faults, EqualRoutes) {
  std::string faults =
      load_text(kListener + "routes:\n- {from: https://a, to: http://b}\n- {from: https://A, to: http://c}\n").faults;
  EXPECT_EQ(faults.find("f:5:10: routes[1]: "), 0u) << faults;
}

TEST(Faults, AllAtOnceInOrder) {
  EXPECT_EQ(load_text("address: nowhere\n"
                      "insecure_server: yes\n"
                      "timeout_read: fast\n"
                      "autocert: true\n"
                      "colour: red\n"
                      "set_response_headers: {a: '${x'}\n"
                      "routes:\n"
                      "- from: https://a.example/x\n"
                      "  to: gopher://b\n"
                      "  timeout: 1\n"
                      "  cors_allow_preflight: true\n"
                      "- to: [http://b, 'http://c,1']\n"
                      "  prefix: x\n"
                      "  prefix: /y\n")
                .faults.find("f:1:10: address: "),
            0u);
  std::string faults = load_text(
                           "insecure_server: yes\n"
                           "timeout_read: fast\n"
                           "autocert: true\n"
                           "colour: red\n"
                           "routes:\n"
                           "- from: https://a.example/x\n"
                           "  to: gopher://b\n"
                           "  timeout: 1\n"
                           "  cors_allow_preflight: true\n"
                           "- to: [http://b, 'http://c,1']\n"
                           "  prefix: x\n"
                           "  prefix: /y\n")
                           .faults;
  EXPECT_EQ(faults,
            "f:1:18: insecure_server: must be true or false, not a boolean (yes)\n"
            "f:2:15: timeout_read: must be a duration such as 500ms, 30s or 1h30m: 'fast' has no number\n"
            "f:3:1: autocert: not supported by cardea: autocert\n"
            "f:4:1: colour: unknown key\n"
            "f:6:9: routes[0].from: may not have a path or a query: use prefix, path or regex\n"
            "f:7:7: routes[0].to: must begin with http://, https://, h2c://, http+unix:// or https+unix://\n"
            "f:8:12: routes[0].timeout: must be a duration such as 500ms, 30s or 1h30m: '1' has no unit\n"
            "f:9:3: routes[0].cors_allow_preflight: not supported yet: cors_allow_preflight\n"
            "f:10:3: routes[1]: has no from\n"
            "f:10:7: routes[1].to: needs a weight behind every URL or behind none\n"
            "f:11:11: routes[1].prefix: must begin with /\n"
            "f:12:3: routes[1].prefix: duplicate key, first used in line 11");
}

TEST(Faults, NothingOpensByMistake) {
  // Each of these looks as if it opened the route and must not load.
  for (const char* lines : {
           "allow_public_unauthenticated_access: 'true'",
           "allow_public_unauthenticated_access: 1",
           "allow_public_unauthenticated_acces: true",
           "allow_any_authenticated_user: true",
           "policy: {allow: {or: [{accept: true, reject: true}]}}",
           "policy: {allow: {xor: [{accept: true}]}}",
           "policy: {allow: [{accept: true}]}",
           "policy: true",
           "policy: {allow: {or: [{email: {is: a@b}}]}}",
       }) {
    EXPECT_FALSE(with_route(lines).snapshot) << lines;
  }
}

TEST(Faults, HostileText) {
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    char before = static_cast<char>(c - 1);
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 10; ++i) bomb += std::string("*") + before + " ,";
    bomb += "]\n";
  }
  EXPECT_NE(load_text(bomb).faults.find("anchors and aliases expand"), std::string::npos);
  EXPECT_NE(load_text(std::string(200, '[')).faults, "");
  EXPECT_NE(load_text("a: !!str b\n").faults.find("tags are not allowed"), std::string::npos);
  // A forged line: what the file says cannot pretend to be another fault.
  EXPECT_EQ(load_text(kListener + kRoutes + "\"x\\nf:1:1: y\": 1\n").faults, "f:6:1: x\\x0af:1:1: y: unknown key");
}

TEST(Keys, Aliases) {
  auto [s, faults] =
      load_text(kListener +
                "routes:\n- from: https://a\n  to: http://b\n  policy: &p {allow: {or: [{accept: true}]}}\n"
                "- from: https://c\n  to: http://b\n  policy: *p\n");
  ASSERT_TRUE(s) << faults;
  EXPECT_EQ(s->routes[1].policy->evaluate({}).verdict, policy::Verdict::allow);
  EXPECT_EQ(s->routes[0].cluster, s->routes[1].cluster);
}

// ---- TLS material ---------------------------------------------------------------------------------

class Tls : public testing::Test {
 protected:
  static pki::IssueOptions client_usage() {
    pki::IssueOptions options;
    options.usage = "clientAuth";
    return options;
  }
  std::string quote(const std::string& text) {
    std::string out = "\"";
    for (char c : text) out += c == '\n' ? std::string("\\n") : std::string(1, c);
    return out + "\"";
  }
  pki::Authority ca_;
  pki::Leaf leaf_ = ca_.issue({"a.example"}, pki::ecdsa);
  pki::Leaf client_ = ca_.issue({"client"}, pki::ecdsa, client_usage());
  Folder folder_;
};

TEST_F(Tls, CertificatesInEveryForm) {
  folder_.write("c.pem", leaf_.certificate);
  folder_.write("k.pem", leaf_.key);
  std::string forms[] = {
      "certificate_file: c.pem\ncertificate_key_file: k.pem\n",
      "certificate: " + folder_.path() + "/c.pem\ncertificate_key: k.pem\n",
      "certificate: " + base64(leaf_.certificate) + "\ncertificate_key: " + base64(leaf_.key) + "\n",
      "certificate: " + quote(leaf_.certificate) + "\ncertificate_key: " + quote(leaf_.key) + "\n",
      "certificates:\n- cert: c.pem\n  key: " + base64(leaf_.key) + "\n",
  };
  for (const std::string& form : forms) {
    auto [s, faults] = load_text("address: 127.0.0.1:0\n" + form + kRoutes, folder_.path());
    ASSERT_TRUE(s) << faults;
    const Listener& l = s->listeners[0];
    ASSERT_TRUE(l.tls);
    ASSERT_EQ(l.tls_options.certificates.size(), 1u);
    EXPECT_EQ(l.tls_options.certificates[0].certificate.text, leaf_.certificate);
    EXPECT_EQ(l.tls_options.certificates[0].key.text, leaf_.key);
    EXPECT_EQ(l.tls_options.alpn, (std::vector<std::string>{"h2", "http/1.1"}));
    Arena arena;
    EXPECT_EQ(header(s->routes[0].set_response_headers, "Strict-Transport-Security", arena),
              "max-age=31536000; includeSubDomains; preload");
  }
  auto both = load_text("address: 127.0.0.1:0\ncodec_type: http2\n" + forms[0] + forms[4] + kRoutes, folder_.path());
  ASSERT_TRUE(both.snapshot) << both.faults;
  EXPECT_EQ(both.snapshot->listeners[0].tls_options.certificates.size(), 2u);
  EXPECT_EQ(both.snapshot->listeners[0].tls_options.alpn, (std::vector<std::string>{"h2"}));
  EXPECT_EQ(both.snapshot->files, (std::vector<std::string>{folder_.path() + "/c.pem", folder_.path() + "/k.pem"}));
}

TEST_F(Tls, WithoutCertificatesTheListenerMakesItsOwn) {
  auto [s, faults] = load_text("address: 127.0.0.1:0\n" + kRoutes);
  ASSERT_TRUE(s) << faults;
  EXPECT_TRUE(s->listeners[0].tls);
  Arena arena;
  EXPECT_EQ(header(s->routes[0].set_response_headers, "Strict-Transport-Security", arena), "(none)");
}

TEST_F(Tls, Upstream) {
  std::string ca = folder_.write("ca.pem", ca_.certificate());
  auto route = [&](const std::string& lines, const std::string& top = "") {
    return load_text(kListener + top + "routes:\n- from: https://a\n  to: https://b\n" + lines, folder_.path());
  };
  auto plain = route("");
  ASSERT_TRUE(plain.snapshot) << plain.faults;
  const cluster::ClusterConfig& c = *plain.snapshot->routes[0].cluster;
  EXPECT_TRUE(c.tls_options.verify);
  EXPECT_TRUE(c.tls_options.ca.empty());
  EXPECT_EQ(c.tls_options.alpn, (std::vector<std::string>{"h2", "http/1.1"}));
  auto all = route("  tls_custom_ca_file: ca.pem\n  tls_client_cert: " + base64(client_.certificate) +
                       "\n  tls_client_key: " + base64(client_.key) +
                       "\n  tls_server_name: x.example\n  tls_upstream_server_name: Y.example\n",
                   "certificate_authority: ca.pem\n");
  ASSERT_TRUE(all.snapshot) << all.faults;
  const cluster::ClusterConfig& d = *all.snapshot->routes[0].cluster;
  EXPECT_EQ(d.tls_server_name, "y.example");
  ASSERT_EQ(d.tls_options.ca.size(), 1u);
  EXPECT_EQ(d.tls_options.ca[0].origin, ca);
  ASSERT_EQ(d.tls_options.extra_ca.size(), 1u);
  ASSERT_TRUE(d.tls_options.certificate);
  EXPECT_EQ(d.tls_options.certificate->key.text, client_.key);
  EXPECT_EQ(all.snapshot->files, std::vector<std::string>{ca});
  auto name = route("  tls_server_name: x.example\n");
  ASSERT_TRUE(name.snapshot) << name.faults;
  EXPECT_EQ(name.snapshot->routes[0].cluster->tls_server_name, "x.example");
  auto skip = route("  tls_skip_verify: true\n");
  ASSERT_TRUE(skip.snapshot) << skip.faults;
  EXPECT_FALSE(skip.snapshot->routes[0].cluster->tls_options.verify);
  std::string key_file = folder_.write("k.pem", client_.key), cert_file = folder_.write("c.pem", client_.certificate);
  auto files = route("  tls_client_cert_file: c.pem\n  tls_client_key_file: k.pem\n  tls_custom_ca: ca.pem\n",
                     "certificate_authority_file: ca.pem\n");
  ASSERT_TRUE(files.snapshot) << files.faults;
  EXPECT_EQ(files.snapshot->files, (std::vector<std::string>{ca, cert_file, key_file}));
}

TEST_F(Tls, Faults) {
  pki::Leaf other = ca_.issue({"b.example"}, pki::ecdsa);
  folder_.write("c.pem", leaf_.certificate);
  folder_.write("k.pem", other.key);
  folder_.write("text", "no PEM here\n");
  folder_.keep("fifo");
  ASSERT_EQ(mkfifo((folder_.path() + "/fifo").c_str(), 0600), 0);
  auto listener = [&](const std::string& cert, const std::string& key) {
    return load_text("address: ':0'\ncertificates:\n- cert: '" + cert + "'\n  key: '" + key + "'\n" + kRoutes,
                     folder_.path())
        .faults;
  };
  EXPECT_EQ(listener("c.pem", "k.pem").substr(0, 28), "f:3:9: certificates[0].cert:");
  EXPECT_EQ(listener("text", "k.pem"), "f:3:9: certificates[0].cert: " + folder_.path() + "/text has nothing in PEM");
  EXPECT_EQ(listener("fifo", "k.pem"),
            "f:3:9: certificates[0].cert: cannot read " + folder_.path() + "/fifo: not a regular file");
  // A key that was pasted with a mistake is not a file's name and must not be repeated.
  std::string broken = base64(leaf_.key);
  broken[broken.size() / 2] = '!';
  std::string faults = listener("c.pem", broken);
  EXPECT_EQ(faults, "f:4:8: certificates[0].key: is neither PEM, nor base64 of it, nor the path of a file");
  auto route = [&](const std::string& lines) {
    return load_text(kListener + "routes:\n- from: https://a\n  to: https://b\n  " + lines, folder_.path()).faults;
  };
  EXPECT_EQ(route("tls_client_cert: c.pem\n"), "f:6:20: routes[0].tls_client_cert: needs tls_client_key too");
  EXPECT_EQ(route("tls_client_key_file: k.pem\n"), "f:6:24: routes[0].tls_client_key: needs tls_client_cert too");
  EXPECT_EQ(route("tls_server_name: 'a b'\n"), "f:6:20: routes[0].tls_server_name: is not the name of a host");
  EXPECT_EQ(route("tls_client_cert: c.pem\n  tls_client_key: k.pem\n").find("f:6:20: routes[0].tls_client_cert: "), 0u);
  folder_.write("ca.pem", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n");
  EXPECT_EQ(route("tls_custom_ca: ca.pem\n").find("f:6:18: routes[0].tls_custom_ca: "), 0u);
}

TEST(Base64, Decodes) {
  struct Row {
    const char* text;
    std::optional<std::string> value;
  } rows[] = {
      {"", ""},      {"Zg==", "f"},   {"Zg", "f"},        {"Zm8=", "fo"},
      {"Zm8", "fo"}, {"Zm9v", "foo"}, {"Zm\n9v ", "foo"}, {"+/+/", "\xfb\xff\xbf"},
      {"Z", {}},     {"Zg=", {}},     {"Zg===", {}},      {"Zg==Zg==", {}},
      {"Zm9v=", {}}, {"Zm9$", {}},    {"-_-_", {}},
  };
  for (const Row& row : rows) EXPECT_EQ(decode_base64(row.text), row.value) << row.text;
}

// ---- reuse ----------------------------------------------------------------------------------------

TEST_F(Tls, ApplyIsADiff) {
  folder_.write("c.pem", leaf_.certificate);
  folder_.write("k.pem", leaf_.key);
  std::string top = "address: 127.0.0.1:0\ncertificate_file: c.pem\ncertificate_key_file: k.pem\nroutes:\n";
  std::string a = "- {from: https://a, to: https://up, policy: {allow: {or: [{accept: true}]}}}\n";
  std::string b = "- {from: https://b, to: https://up}\n";
  std::string c =
      "- {from: https://c, to: https://up, connect_timeout: 1s, tls_custom_ca: " + base64(ca_.certificate()) + "}\n";
  auto first = load_text(top + a + b + c, folder_.path());
  ASSERT_TRUE(first.snapshot) << first.faults;
  const auto& r = first.snapshot->routes;
  EXPECT_EQ(r[0].cluster, r[1].cluster);
  EXPECT_NE(r[0].cluster, r[2].cluster);
  // Another order, another header, another time: pools, contexts and policies stay.
  auto second =
      load_text("set_response_headers: {x: z}\ntimeout_read: 1s\n" + top + c + b + a, folder_.path(), first.snapshot);
  ASSERT_TRUE(second.snapshot) << second.faults;
  const auto& q = second.snapshot->routes;
  EXPECT_EQ(q[0].cluster, r[2].cluster);
  EXPECT_EQ(q[1].cluster, r[0].cluster);
  EXPECT_EQ(q[2].policy, r[0].policy);
  EXPECT_EQ(second.snapshot->listeners[0].tls, first.snapshot->listeners[0].tls);
  // Another timeout makes another cluster, on the same TLS context.
  auto third = load_text("connect_timeout: 2s\n" + top + a + c, folder_.path(), second.snapshot);
  ASSERT_TRUE(third.snapshot) << third.faults;
  EXPECT_NE(third.snapshot->routes[0].cluster, r[0].cluster);
  EXPECT_EQ(third.snapshot->routes[0].cluster->tls, r[0].cluster->tls);
  EXPECT_EQ(third.snapshot->routes[1].cluster, r[2].cluster);
  // The same name with other content is another certificate.
  pki::Leaf renewed = ca_.issue({"a.example"}, pki::ecdsa);
  folder_.write("c.pem", renewed.certificate);
  folder_.write("k.pem", renewed.key);
  auto fourth = load_text(top + a, folder_.path(), third.snapshot);
  ASSERT_TRUE(fourth.snapshot) << fourth.faults;
  EXPECT_NE(fourth.snapshot->listeners[0].tls, third.snapshot->listeners[0].tls);
}

TEST(Reuse, AddressesDoNotCareAboutDns) {
  std::string routes = "routes:\n- {from: https://a, to: http://127.0.0.1}\n- {from: https://b, to: http://name}\n";
  auto first = load_text(kListener + routes);
  ASSERT_TRUE(first.snapshot) << first.faults;
  auto second = load_text(kListener + "dns_use_tcp: true\n" + routes, "", first.snapshot);
  ASSERT_TRUE(second.snapshot) << second.faults;
  EXPECT_EQ(second.snapshot->routes[0].cluster, first.snapshot->routes[0].cluster);
  EXPECT_NE(second.snapshot->routes[1].cluster, first.snapshot->routes[1].cluster);
}

// ---- drafts by hand -------------------------------------------------------------------------------

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
                           "route[1]: needs to, redirect or response"}) {
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
      {set_str(config, OPT_GLOBAL_DRAIN_STRATEGY, "gradual"), kEinval, "drain_strategy: not supported yet: gradual"},
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

}  // namespace
}  // namespace cardea::config
