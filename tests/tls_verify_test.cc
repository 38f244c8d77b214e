// Whom our client believes, and how it shows who it is.
#include "tls_peer.h"

namespace cardea {
namespace {

struct VerifyCase {
  const char* label;
  std::vector<std::string> names;
  const char* asked;
  pki::IssueOptions options;
  int code;  // X509_V_OK: accepted
};
struct Verify : TlsTest, testing::WithParamInterface<VerifyCase> {};

TEST_P(Verify, ByOurClient) {
  const VerifyCase& row = GetParam();
  ours = server_context({});
  pki::Leaf made = ca().intermediate().issue(row.names, pki::ecdsa, row.options);
  Raw raw(true, loop);
  raw.use(made);
  tls::ClientOptions options;
  options.ca = {{ca().certificate(), "ca.pem"}};
  for (bool verify : {true, false}) {
    options.verify = verify;
    auto context = client_context(options);
    Raw peer(true, loop);
    peer.use(made);
    auto ends = connect();
    peer.take(std::move(ends[1]));
    Owner owner(loop);
    owner.take(context->wrap(loop, std::move(ends[0]), row.asked));
    EXPECT_EQ(owner.errors, 0);  // never from inside wrap()
    run();
    bool accepted = !verify || row.code == X509_V_OK;
    EXPECT_EQ(owner.opens, accepted ? 1 : 0) << owner.error.text;
    EXPECT_EQ(owner.errors, accepted ? 0 : 1);
    if (accepted) continue;
    EXPECT_EQ(owner.error.kind, net::StreamError::tls_verify) << owner.error.text;
    EXPECT_EQ(owner.error.code, row.code) << owner.error.text;
    EXPECT_NE(owner.error.text, "");
  }
}

INSTANTIATE_TEST_SUITE_P(
    Tls, Verify,
    testing::Values(VerifyCase{"name", {"a.example"}, "a.example", {}, X509_V_OK},
                    VerifyCase{"case_and_dot", {"a.example"}, "A.Example.", {}, X509_V_OK},
                    VerifyCase{"wildcard", {"*.a.example"}, "x.a.example", {}, X509_V_OK},
                    VerifyCase{
                        "wildcard_two_labels", {"*.a.example"}, "y.x.a.example", {}, X509_V_ERR_HOSTNAME_MISMATCH},
                    VerifyCase{"wildcard_itself", {"*.a.example"}, "a.example", {}, X509_V_ERR_HOSTNAME_MISMATCH},
                    VerifyCase{"partial_wildcard", {"x*.a.example"}, "xy.a.example", {}, X509_V_ERR_HOSTNAME_MISMATCH},
                    VerifyCase{"other_name", {"b.example"}, "a.example", {}, X509_V_ERR_HOSTNAME_MISMATCH},
                    VerifyCase{"ipv4", {"127.0.0.1"}, "127.0.0.1", {}, X509_V_OK},
                    VerifyCase{"ipv6", {"::1"}, "[::1]", {}, X509_V_OK},
                    VerifyCase{"ip_is_no_name", {"a.example"}, "127.0.0.1", {}, X509_V_ERR_IP_ADDRESS_MISMATCH},
                    VerifyCase{"no_name", {"a.example"}, "", {}, X509_V_ERR_HOSTNAME_MISMATCH},
                    VerifyCase{"bad_name", {"a.example"}, "a example", {}, X509_V_ERR_HOSTNAME_MISMATCH},
                    VerifyCase{"common_name_only",
                               {"a.example"},
                               "a.example",
                               with([](auto& o) { o.alternative_names = false; }),
                               X509_V_ERR_HOSTNAME_MISMATCH},
                    VerifyCase{"expired",
                               {"a.example"},
                               "a.example",
                               with([](auto& o) { o.valid_from = -7200, o.valid_until = -3600; }),
                               X509_V_ERR_CERT_HAS_EXPIRED},
                    VerifyCase{"not_yet",
                               {"a.example"},
                               "a.example",
                               with([](auto& o) { o.valid_from = 3600; }),
                               X509_V_ERR_CERT_NOT_YET_VALID},
                    VerifyCase{"wrong_usage",
                               {"a.example"},
                               "a.example",
                               with([](auto& o) { o.usage = "clientAuth"; }),
                               X509_V_ERR_INVALID_PURPOSE}),
    [](const auto& info) { return std::string(info.param.label); });

TEST_F(TlsTest, OnlyListedRootsAreTrusted) {
  pki::Authority other("Other Root");
  pki::Authority below = other.intermediate();
  pki::Leaf made = below.issue({"a.example"});
  struct {
    const char* label;
    std::vector<tls::Pem> ca, extra;
    bool trusted;
  } rows[] = {
      {"system's roots", {}, {}, false},
      {"another root", {{ca().certificate(), "ca"}}, {}, false},
      {"extra root", {}, {{other.certificate(), "extra"}}, true},
      {"both", {{ca().certificate(), "ca"}}, {{other.certificate(), "extra"}}, true},
      {"bundle", {{ca().certificate() + other.certificate(), "bundle"}}, {}, true},
      {"only the intermediate", {{below.certificate(), "ca"}}, {}, true},
      {"the leaf itself", {{made.certificate, "ca"}}, {}, true},
  };
  for (const auto& row : rows) {
    tls::ClientOptions options;
    options.ca = row.ca;
    options.extra_ca = row.extra;
    Raw raw(true, loop);
    raw.use(made);
    auto ends = connect();
    raw.take(std::move(ends[1]));
    Owner owner(loop);
    owner.at_error = [&] { owner.leave(); };
    owner.take(client_context(options)->wrap(loop, std::move(ends[0]), "a.example"));
    run();
    EXPECT_EQ(owner.opens, row.trusted ? 1 : 0) << row.label << owner.error.text;
    if (row.trusted) continue;
    EXPECT_EQ(owner.error.kind, net::StreamError::tls_verify) << row.label;
    EXPECT_EQ(owner.error.code, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY) << owner.error.text;
    EXPECT_EQ(raw.reason, "tlsv1 alert unknown ca");
  }
}

TEST_F(TlsTest, ClientCertificate) {
  pki::Leaf own = ca().issue({"proxy.example"}, pki::ecdsa, with([](auto& o) { o.usage = "clientAuth"; }));
  for (bool present : {true, false}) {
    tls::ClientOptions options;
    options.ca = {{ca().certificate(), "ca.pem"}};
    if (present) options.certificate = key_pair(own);
    Raw raw(true, loop);
    raw.use(leaf());
    SSL_CTX_set_verify(raw.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       [](int, X509_STORE_CTX*) { return 1; });
    auto ends = connect();
    raw.take(std::move(ends[1]));
    Owner owner(loop);
    owner.take(client_context(options)->wrap(loop, std::move(ends[0]), "a.example"));
    run();
    EXPECT_EQ(raw.open(), present);
    EXPECT_EQ(owner.errors, present ? 0 : 1);
    if (present) {
      EXPECT_EQ(raw.peer_name(), "proxy.example");
    } else {
      EXPECT_NE(owner.error.text.find("certificate required"), std::string::npos) << owner.error.text;
    }
  }
}

}  // namespace
}  // namespace cardea
