// Client certificates in handshakes: who is asked, who is let in, which alert the others get; and what resumption may
// not keep alive.
#include <algorithm>
#include <ctime>

#include "base/log.h"
#include "tls_peer.h"

namespace cardea {
namespace {

using ClientAuth = tls::ServerOptions::ClientAuth;
using Kind = tls::TrustOptions::Name::Kind;

pki::Leaf issue(const pki::Authority& by, std::function<void(pki::IssueOptions&)> change = {},
                pki::KeyKind kind = pki::ecdsa) {
  pki::IssueOptions options;
  options.usage = "clientAuth";
  options.alternatives = {"email:ann@a.example"};
  if (change) change(options);
  return by.issue({"c.example"}, kind, options);
}

struct ClientAuthTest : TlsTest {
  ClientAuthTest() { clock.now = Millis(time(nullptr)) * 1000; }

  tls::ServerOptions options(ClientAuth mode) {
    tls::ServerOptions made;
    made.certificates = {key_pair(leaf()), key_pair(ca().issue({"b.example"}))};
    made.client_auth = mode;
    made.trust.ca = {{ca().certificate(), "ca.pem"}};
    return made;
  }
  std::shared_ptr<const tls::ServerContext> context(const tls::ServerOptions& options) {
    auto made = tls::ServerContext::make(options);
    EXPECT_TRUE(made) << (made ? "" : made.error().message);
    return *made;
  }
  // A handshake of plain OpenSSL with `owner`, whose stream is ours.
  void visit(Raw& raw, Owner& owner, const tls::ServerContext& context, int version, const char* name = "a.example") {
    SSL_CTX_set_max_proto_version(raw.ctx, version);
    if (!raw.ssl) raw.prepare();
    SSL_set_tlsext_host_name(raw.ssl, name);
    auto ends = connect();
    owner.take(context.wrap(loop, std::move(ends[1])));
    raw.take(std::move(ends[0]));
    run();
  }
};

struct AuthCase {
  int version;
  size_t chunk;
};
struct Auth : ClientAuthTest, testing::WithParamInterface<AuthCase> {};

TEST_P(Auth, RequestTakesAllAndRequireTheTrusted) {
  chunk = GetParam().chunk;
  const bool tls13 = GetParam().version == TLS1_3_VERSION;
  const pki::Authority other("Other");
  const pki::Authority below = ca().intermediate();
  const pki::Leaf revoked = issue(ca());
  const struct {
    const char* label;
    std::optional<pki::Leaf> shown;
    int code;  // X509_V_OK: let in
    const char* alert;
  } rows[] = {
      {"nothing", {}, -1, tls13 ? "tlsv13 alert certificate required" : "sslv3 alert handshake failure"},
      {"ecdsa", issue(ca()), X509_V_OK, ""},
      {"rsa", issue(ca(), {}, pki::rsa), X509_V_OK, ""},
      {"p-521", issue(ca(), [](auto& o) { o.curve = "P-521"; }), X509_V_OK, ""},
      {"by an intermediate", issue(below), X509_V_OK, ""},
      {"other authority", issue(other), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "tlsv1 alert unknown ca"},
      {"too deep", issue(below.intermediate("Deeper")), X509_V_ERR_CERT_CHAIN_TOO_LONG, "tlsv1 alert unknown ca"},
      {"expired", issue(ca(), [](auto& o) { o.valid_until = -1800; }), X509_V_ERR_CERT_HAS_EXPIRED,
       "sslv3 alert certificate expired"},
      {"not yet valid", issue(ca(), [](auto& o) { o.valid_from = 3600; }), X509_V_ERR_CERT_NOT_YET_VALID,
       "sslv3 alert bad certificate"},
      {"revoked", revoked, X509_V_ERR_CERT_REVOKED, "sslv3 alert certificate revoked"},
      {"of a server", issue(ca(), [](auto& o) { o.usage = "serverAuth"; }), X509_V_ERR_INVALID_PURPOSE,
       "sslv3 alert unsupported certificate"},
      {"other name", issue(ca(), [](auto& o) { o.alternatives = {"email:eve@a.example"}; }), X509_V_ERR_CERT_REJECTED,
       "sslv3 alert bad certificate"},
  };
  for (ClientAuth mode : {ClientAuth::none, ClientAuth::request, ClientAuth::require}) {
    tls::ServerOptions made = options(mode);
    made.trust.crl = {{ca().revoke({revoked.serial}), "crl.pem"}};
    made.trust.max_verify_depth = 2;
    made.trust.match_subject_alt_names = {{Kind::email, "ann@a\\.example"}};
    auto server_side = context(made);
    for (const auto& row : rows) {
      Raw raw(false, loop);
      if (row.shown) raw.use(*row.shown);
      Owner owner(loop);
      visit(raw, owner, *server_side, GetParam().version, row.shown ? "b.example" : "a.example");
      if (mode != ClientAuth::require || row.code == X509_V_OK) {
        ASSERT_EQ(owner.opens, 1) << row.label << ": " << owner.error.text;
        const auto& shown = owner.stream->tls()->client;
        ASSERT_EQ(shown != nullptr, row.shown && mode != ClientAuth::none) << row.label;
        if (shown) {
          EXPECT_EQ(shown->leaf()->common_name, "c.example") << row.label;
          EXPECT_EQ((*tls::ClientTrust::make(made.trust))->judge(*shown, int64_t(clock.now)).code, row.code);
        }
        raw.write("ping");
        run();
        EXPECT_EQ(owner.received, "ping") << row.label;
        continue;
      }
      EXPECT_EQ(owner.opens, 0) << row.label;
      EXPECT_EQ(owner.errors, 1) << row.label;
      EXPECT_EQ(owner.stream->tls(), nullptr);
      EXPECT_EQ(owner.error.kind, row.shown ? net::StreamError::tls_verify : net::StreamError::tls_no_certificate)
          << row.label;
      EXPECT_EQ(raw.reason, row.alert) << row.label << ": " << owner.error.text;
      if (row.shown) {
        EXPECT_EQ(owner.error.code, row.code) << owner.error.text;
        EXPECT_NE(owner.error.text.find("/CN=c.example"), std::string::npos) << owner.error.text;
      } else {
        EXPECT_NE(owner.error.text.find("peer did not return a certificate"), std::string::npos) << owner.error.text;
      }
    }
  }
}

// Whatever a client keeps of a connection, the next one shows its certificate again.
TEST_P(Auth, NothingIsResumed) {
  chunk = GetParam().chunk;
  for (ClientAuth mode : {ClientAuth::request, ClientAuth::require}) {
    auto server_side = context(options(mode));
    SSL_SESSION* kept = nullptr;
    for (int round = 0; round < 3; ++round) {
      Raw raw(false, loop);
      raw.use(issue(ca()));
      SSL_CTX_set_max_proto_version(raw.ctx, GetParam().version);
      if (kept) SSL_set_session(raw.prepare(), kept);
      SSL_SESSION_free(kept);
      Owner owner(loop);
      visit(raw, owner, *server_side, GetParam().version);
      owner.write("x");  // a ticket would come with data at the latest
      run();
      ASSERT_EQ(owner.opens, 1) << owner.error.text;
      EXPECT_EQ(raw.received, "x");
      EXPECT_FALSE(owner.stream->tls()->resumed);
      EXPECT_FALSE(SSL_session_reused(raw.ssl));
      EXPECT_NE(owner.stream->tls()->client, nullptr);
      EXPECT_TRUE(raw.session == nullptr || !SSL_SESSION_has_ticket(raw.session));
      kept = SSL_get1_session(raw.ssl);
    }
    SSL_SESSION_free(kept);
  }
}

INSTANTIATE_TEST_SUITE_P(Tls, Auth,
                         testing::Values(AuthCase{TLS1_2_VERSION, SIZE_MAX}, AuthCase{TLS1_2_VERSION, 1},
                                         AuthCase{TLS1_3_VERSION, SIZE_MAX}, AuthCase{TLS1_3_VERSION, 1}),
                         [](const auto& info) {
                           return std::string(info.param.version == TLS1_2_VERSION ? "tls12" : "tls13") +
                                  (info.param.chunk == 1 ? "_bytewise" : "");
                         });

// A certificate is public: without its key it is worth nothing.
TEST_F(ClientAuthTest, TheKeyMustBeProven) {
  for (ClientAuth mode : {ClientAuth::request, ClientAuth::require}) {
    auto server_side = context(options(mode));
    for (bool damage : {false, true}) {
      Raw raw(false, loop);
      raw.use(issue(ca()));
      SSL_CTX_set_max_proto_version(raw.ctx, TLS1_2_VERSION);
      auto ends = connect();
      bool found = false;
      wire[0]->tamper = [&](std::string& bytes) {
        for (size_t at = 0; at + 9 < bytes.size();) {  // records of the client's second flight
          const size_t n = size_t(uint8_t(bytes[at + 3])) << 8 | uint8_t(bytes[at + 4]);
          if (bytes[at] == 22 && bytes[at + 5] == SSL3_MT_CERTIFICATE_VERIFY) {
            found = true;
            if (damage) bytes[at + n] ^= 1;
          }
          at += 5 + n;
        }
      };
      Owner owner(loop);
      owner.take(server_side->wrap(loop, std::move(ends[1])));
      raw.take(std::move(ends[0]));
      run();
      EXPECT_TRUE(found);
      EXPECT_EQ(owner.opens, damage ? 0 : 1);
      EXPECT_EQ(owner.stream->tls() == nullptr, damage);
    }
  }
}

TEST_F(ClientAuthTest, ChainsThatAreTooLong) {
  const pki::Leaf good = issue(ca());
  pki::Leaf nine = good, ten = good;
  for (int i = 0; i < 9; ++i) nine.certificate += ca().certificate();
  ten.certificate = nine.certificate + ca().certificate();
  std::vector<std::string> many;
  for (int i = 0; i < 3000; ++i) many.push_back("host-" + std::to_string(i) + ".example");
  pki::IssueOptions client;
  client.usage = "clientAuth";
  const pki::Leaf large = ca().issue(many, pki::ecdsa, client);
  const struct {
    const char* label;
    const pki::Leaf& shown;
    bool opens, required_opens;
    const char* why;
  } rows[] = {{"ten certificates", nine, true, true, ""},
              {"eleven", ten, true, false, "the client shows too many certificates"},
              {"more than 32 KiB", large, false, false, ""}};
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (ClientAuth mode : {ClientAuth::request, ClientAuth::require}) {
      tls::ServerOptions made = options(mode);
      auto server_side = context(made);
      for (const auto& row : rows) {
        Raw raw(false, loop);
        raw.use(row.shown);
        Owner owner(loop);
        visit(raw, owner, *server_side, version);
        const bool opens = mode == ClientAuth::request ? row.opens : row.required_opens;
        ASSERT_EQ(owner.opens, opens ? 1 : 0) << row.label << owner.error.text;
        EXPECT_EQ(owner.errors, opens ? 0 : 1) << row.label;
        if (!opens && mode == ClientAuth::require && row.opens) {
          EXPECT_EQ(owner.error.text, row.why);
        }
        if (!opens) continue;
        auto judgement = (*tls::ClientTrust::make(made.trust))->judge(*owner.stream->tls()->client, int64_t(clock.now));
        EXPECT_EQ(judgement.why, row.why) << row.label;
        EXPECT_EQ(judgement.trusted, row.required_opens);
      }
    }
  }
}

TEST_F(ClientAuthTest, AuthoritiesAreNamed) {
  auto names = [&](const tls::ServerOptions& made, int version) {
    Raw raw(false, loop);
    Owner owner(loop);
    visit(raw, owner, *context(made), version, "b.example");
    EXPECT_EQ(owner.opens, 1) << owner.error.text;
    std::vector<std::string> got;
    const STACK_OF(X509_NAME)* list = SSL_get0_peer_CA_list(raw.ssl);
    for (int i = 0; i < sk_X509_NAME_num(list); ++i) {
      char text[256];
      got.push_back(X509_NAME_oneline(sk_X509_NAME_value(list, i), text, sizeof text));
    }
    return got;
  };
  const pki::Authority other("Other");
  std::vector<tls::Pem> many;  // whose names have more than 16 KiB
  for (int i = 0; i < 240; ++i)
    many.push_back({pki::Authority(std::string(60, 'n') + std::to_string(i)).certificate(), "c"});
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    tls::ServerOptions made = options(ClientAuth::request);
    made.trust.ca = {{ca().certificate() + other.certificate(), "a"}, {ca().certificate(), "b"}};
    EXPECT_EQ(names(made, version), (std::vector<std::string>{"/CN=Test Root", "/CN=Other"}));
    made.client_auth = ClientAuth::none;
    EXPECT_EQ(names(made, version), std::vector<std::string>{});
    made.client_auth = ClientAuth::request;
    made.trust.ca.insert(made.trust.ca.end(), many.begin(), many.end());
    EXPECT_EQ(names(made, version), std::vector<std::string>{});  // any certificate will do
  }
}

// Sessions of upstream connections end with the certificates that were verified for them.
struct Resumption : ClientAuthTest, testing::WithParamInterface<int> {};

TEST_P(Resumption, EndsWithTheChain) {
  auto lasting = [](int64_t seconds) {
    pki::IssueOptions options;
    options.valid_until = seconds;
    return options;
  };
  const pki::Authority brief = ca().intermediate("Brief", lasting(7200));
  const struct {
    const char* label;
    pki::Leaf shown;
    bool verify;
    bool later;  // resumed after two hours
  } rows[] = {{"a leaf for long", ca().issue({"a.example"}), true, true},
              {"for two hours", ca().issue({"a.example"}, pki::ecdsa, lasting(7200)), true, false},
              {"by an intermediate for two hours", brief.issue({"a.example"}), true, false},
              {"not verified", ca().issue({"a.example"}, pki::ecdsa, lasting(7200)), false, true}};
  const Millis began = clock.now;
  for (const auto& row : rows) {
    clock.now = began;
    tls::ClientOptions made;
    made.verify = row.verify;
    made.ca = {{ca().certificate(), "ca.pem"}};
    auto side = client_context(made);
    Raw keys(true, loop);
    SSL_CTX_set_max_proto_version(keys.ctx, GetParam());
    SSL_CTX_set_session_id_context(keys.ctx, reinterpret_cast<const unsigned char*>("t"), 1);
    SSL_CTX_set_timeout(keys.ctx, 86400);
    keys.use(row.shown);
    auto resumes = [&] {
      Raw raw(true, loop);
      std::swap(raw.ctx, keys.ctx);
      auto ends = connect();
      raw.take(std::move(ends[1]));
      Owner owner(loop);
      owner.take(side->wrap(loop, std::move(ends[0]), "a.example"));
      run();
      raw.write("x");
      run();
      EXPECT_EQ(owner.opens, 1) << owner.error.text;
      bool resumed = owner.opens == 1 && owner.stream->tls()->resumed;
      std::swap(raw.ctx, keys.ctx);
      return resumed;
    };
    EXPECT_FALSE(resumes()) << row.label;
    EXPECT_TRUE(resumes()) << row.label;
    clock.now = began + 3600 * 1000;
    EXPECT_TRUE(resumes()) << row.label;  // renews the ticket, not the verification
    clock.now = began + 7201 * 1000;
    EXPECT_EQ(resumes(), row.later) << row.label;
  }
}
INSTANTIATE_TEST_SUITE_P(Tls, Resumption, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& info) { return info.param == TLS1_2_VERSION ? "tls12" : "tls13"; });

TEST_F(ClientAuthTest, LoadingWarnsOfCertificatesOutOfTheirTime) {
  std::vector<std::string> told;
  log::set_sink(
      [](void* ud, int level, const char* message, size_t n) {
        EXPECT_EQ(level, log::warning);
        static_cast<std::vector<std::string>*>(ud)->emplace_back(message, n);
      },
      &told, log::warning);
  auto date = [](int64_t offset) {
    time_t when = time(nullptr) + offset;
    char text[32];
    strftime(text, sizeof text, "%Y-%m-%d ", gmtime(&when));
    return std::string(text);
  };
  const struct {
    int64_t from, until;
    std::string expected;
  } rows[] = {{-3600, 3600, ""},
              {-20 * 86400, -86400, "leaf.pem: the certificate expired on " + date(-86400)},
              {86400, 20 * 86400, "leaf.pem: the certificate is not valid before " + date(86400)}};
  for (const auto& row : rows) {
    pki::IssueOptions options;
    options.valid_from = row.from;
    options.valid_until = row.until;
    options.usage = "serverAuth,clientAuth";
    tls::KeyPair pair = key_pair(ca().issue({"old.example"}, pki::ecdsa, options));
    tls::ClientOptions upstream;
    upstream.certificate = pair;
    for (bool as_client : {false, true}) {
      told.clear();
      EXPECT_TRUE(as_client ? bool(tls::ClientContext::make(upstream)) : bool(tls::Certificate::load(pair)));
      ASSERT_EQ(told.size(), row.expected.empty() ? 0u : 1u);
      if (!told.empty()) {
        EXPECT_EQ(told[0].find(row.expected), 0u) << told[0];
        EXPECT_NE(told[0].find(" UTC"), std::string::npos) << told[0];
      }
    }
  }
  log::set_sink(nullptr, nullptr, 0);
}

}  // namespace
}  // namespace cardea
