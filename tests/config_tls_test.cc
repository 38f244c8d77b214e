// Keys and certificates of a configuration: every form, every fault.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <optional>

#include "config/sources.h"
#include "config_fixture.h"
#include "folder.h"
#include "pki.h"

namespace cardea::config {
namespace {

std::string base64(const std::string& text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                          reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  out.resize(static_cast<size_t>(n));
  return out;
}

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
  test::Folder folder_;
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

// Within one configuration; what the next one takes over is the workers' business.
TEST_F(Tls, EqualOptionsShareOneContext) {
  std::string ca = "  tls_custom_ca: " + base64(ca_.certificate()) + "\n";
  auto [s, faults] = load_text(
      kListener + "routes:\n- from: https://a\n  to: https://up\n" + "- from: https://b\n  to: https://up\n" +
      "- from: https://c\n  to: https://up\n  connect_timeout: 1s\n" + "- from: https://d\n  to: https://up\n" + ca);
  ASSERT_TRUE(s) << faults;
  const auto& r = s->routes;
  EXPECT_EQ(r[0].cluster, r[1].cluster);
  EXPECT_NE(r[0].cluster, r[2].cluster);
  EXPECT_EQ(r[0].cluster->tls, r[2].cluster->tls);
  EXPECT_NE(r[0].cluster, r[3].cluster);
  EXPECT_NE(r[0].cluster->tls, r[3].cluster->tls);

  ConfigDraft draft;
  const pki::Leaf other = ca_.issue({"b.example"}, pki::ecdsa);
  for (int i = 0; i < 3; ++i) {
    auto listener = std::make_shared<ListenerDraft>();
    EXPECT_TRUE(set_str(*listener, OPT_LISTENER_ADDRESS, "127.0.0.1:0"));
    listener->tls = std::make_shared<TlsDraft>();
    const pki::Leaf& leaf = i < 2 ? leaf_ : other;
    EXPECT_TRUE(listener->tls->add(leaf.certificate, leaf.key));
    draft.listeners.push_back(listener);
  }
  draft.routes.push_back(std::make_shared<RouteDraft>());
  EXPECT_TRUE(set_str(*draft.routes[0], OPT_ROUTE_FROM, "https://a"));
  EXPECT_TRUE(set_int(*draft.routes[0], OPT_ROUTE_RESPONSE_STATUS, 200));
  yaml::Faults none;
  auto by_hand = freeze(draft, {}, none);
  ASSERT_TRUE(by_hand) << none.text("");
  EXPECT_EQ(by_hand->listeners[0].tls, by_hand->listeners[1].tls);
  EXPECT_NE(by_hand->listeners[0].tls, by_hand->listeners[2].tls);
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

}  // namespace
}  // namespace cardea::config
