// Whose client certificates count: chains, time, usage, names, depth, revocation lists, and when that changes.
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <ctime>
#include <thread>

#include "pki.h"
#include "tls/tls.h"

namespace cardea {
namespace {

using tls::ClientTrust;
using tls::TrustOptions;
using Kind = TrustOptions::Name::Kind;
using Shown = std::shared_ptr<const tls::PeerCertificates>;

const int64_t kNow = int64_t(time(nullptr)) * 1000;
constexpr int64_t kDay = 86400 * 1000;

pki::IssueOptions client(std::function<void(pki::IssueOptions&)> change = {}) {
  pki::IssueOptions options;
  options.usage = "clientAuth";
  if (change) change(options);
  return options;
}
pki::Leaf issue(const pki::Authority& by, std::function<void(pki::IssueOptions&)> change = {}) {
  return by.issue({"c.example"}, pki::ecdsa, client(std::move(change)));
}
Shown show(const std::string& pem) {
  auto made = tls::PeerCertificates::from_der(pki::ders_of(pem));
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  return made ? *made : nullptr;
}
Shown show(const pki::Leaf& leaf) {
  return show(leaf.certificate);
}
TrustOptions options_of(const std::string& ca, std::vector<std::string> lists = {}) {
  TrustOptions options;
  options.ca = {{ca, "ca.pem"}};
  for (size_t i = 0; i < lists.size(); ++i) options.crl.push_back({lists[i], "crl" + std::to_string(i) + ".pem"});
  return options;
}
std::shared_ptr<const ClientTrust> trust_in(const TrustOptions& options) {
  auto made = ClientTrust::make(options);
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  return made ? *made : nullptr;
}
std::shared_ptr<const ClientTrust> trust_in(const std::string& ca, std::vector<std::string> lists = {}) {
  return trust_in(options_of(ca, std::move(lists)));
}

struct World {
  pki::Authority root{"Root"};
  pki::Authority other{"Other Root"};
  pki::Authority below = root.intermediate("Below");
  pki::Authority deeper = below.intermediate("Deeper");
};
const World& world() {
  static const World made;
  return made;
}

// Every judgement keeps this.
void expect_whole(const ClientTrust::Judgement& judgement, int64_t now, const std::string& label) {
  EXPECT_EQ(judgement.trusted, judgement.why.empty()) << label << judgement.why;
  EXPECT_EQ(judgement.trusted, judgement.code == X509_V_OK) << label;
  if (judgement.next_change_ms != 0) {
    EXPECT_GT(judgement.next_change_ms, now) << label;
  }
  EXPECT_EQ(ERR_peek_error(), 0u) << label;
}

TEST(Trust, ChainsTimesAndUsages) {
  const World& w = world();
  const std::string root = w.root.certificate();
  pki::Authority impostor("Root");  // the same name, another key
  pki::Authority server_only = w.root.intermediate("Server only", client([](auto& o) {
                                                     o.before_signing = [](X509* x) {
                                                       X509V3_CTX v3;
                                                       X509V3_set_ctx(&v3, x, x, nullptr, nullptr, 0);
                                                       X509_EXTENSION* usage = X509V3_EXT_conf_nid(
                                                           nullptr, &v3, NID_ext_key_usage, "serverAuth");
                                                       X509_add_ext(x, usage, -1);
                                                       X509_EXTENSION_free(usage);
                                                     };
                                                   }));
  pki::Authority expired_below = w.root.intermediate("Old", client([](auto& o) { o.valid_until = -1800; }));
  pki::Authority no_signer = w.root.intermediate("No signer", client([](auto& o) { o.key_usage = "cRLSign"; }));
  pki::Leaf self = issue(pki::Authority("Unknown"));
  const struct {
    const char* label;
    std::string shown, ca;
    int code;
    const char* why;
  } rows[] = {
      {"ecdsa", issue(w.root).certificate, root, X509_V_OK, ""},
      {"rsa", w.root.issue({"c.example"}, pki::rsa, client()).certificate, root, X509_V_OK, ""},
      {"no usage said", issue(w.root, [](auto& o) { o.usage = ""; }).certificate, root, X509_V_OK, ""},
      {"both usages", issue(w.root, [](auto& o) { o.usage = "serverAuth,clientAuth"; }).certificate, root, X509_V_OK,
       ""},
      {"for servers", issue(w.root, [](auto& o) { o.usage = "serverAuth"; }).certificate, root,
       X509_V_ERR_INVALID_PURPOSE, "depth 0"},
      {"issuer for servers", issue(server_only).certificate, root + w.below.certificate(), X509_V_ERR_INVALID_PURPOSE,
       "depth 1"},
      {"issuer may not sign", issue(no_signer).certificate, root, X509_V_ERR_INVALID_CA, "depth 1"},
      {"expired", issue(w.root, [](auto& o) { o.valid_until = -1800; }).certificate, root, X509_V_ERR_CERT_HAS_EXPIRED,
       "certificate has expired (subject /CN=c.example, depth 0)"},
      {"not yet", issue(w.root, [](auto& o) { o.valid_from = 3600; }).certificate, root, X509_V_ERR_CERT_NOT_YET_VALID,
       "not yet valid"},
      {"expired issuer", issue(expired_below).certificate, root, X509_V_ERR_CERT_HAS_EXPIRED, "/CN=Old, depth 1"},
      {"other root", issue(w.other).certificate, root, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, ""},
      {"same name, other key", issue(impostor).certificate, root, X509_V_ERR_CERT_SIGNATURE_FAILURE, ""},
      {"the authority itself", w.other.certificate(), root, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, ""},
      {"without its intermediate", pki::first_of(issue(w.below).certificate), root,
       X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, ""},
      {"with another's root in the chain", issue(w.other).certificate + w.other.certificate(), root,
       X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, ""},
      {"second of a bundle", issue(w.other).certificate, root + w.other.certificate(), X509_V_OK, ""},
      {"an intermediate as authority", issue(w.below).certificate, w.below.certificate(), X509_V_OK, ""},
      {"leaf signed by the root of that intermediate", issue(w.root).certificate, w.below.certificate(),
       X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, ""},
      {"pinned", self.certificate, self.certificate, X509_V_OK, ""},
  };
  for (const auto& row : rows) {
    Shown shown = show(row.shown);
    TrustOptions options = options_of(row.ca);
    options.max_verify_depth = 0;
    auto trust = trust_in(options);
    for (int again = 0; again < 2; ++again) {
      auto judgement = trust->judge(*shown, kNow);
      expect_whole(judgement, kNow, row.label);
      EXPECT_EQ(judgement.code, row.code) << row.label << ": " << judgement.why;
      EXPECT_NE(judgement.why.find(row.why), std::string::npos) << row.label << ": " << judgement.why;
    }
  }
}

TEST(Trust, Depth) {
  const World& w = world();
  const std::string root = w.root.certificate(), below = w.below.certificate();
  const struct {
    const char* label;
    std::string shown, ca;
    uint32_t least;  // the smallest limit that lets it pass
  } rows[] = {
      {"under the root", issue(w.root).certificate, root, 1},
      {"one intermediate", issue(w.below).certificate, root, 2},
      {"two intermediates", issue(w.deeper).certificate, root, 3},
      {"the intermediate is an authority", issue(w.below).certificate, below, 1},
      {"the intermediate is one, too", issue(w.below).certificate, root + below, 1},
      {"one below that", issue(w.deeper).certificate, below + root, 2},
      {"the root shown as well", issue(w.below).certificate + root, root, 2},
  };
  for (const auto& row : rows) {
    for (uint32_t limit = 0; limit < 5; ++limit) {
      TrustOptions options = options_of(row.ca);
      options.max_verify_depth = limit;
      auto judgement = trust_in(options)->judge(*show(row.shown), kNow);
      expect_whole(judgement, kNow, row.label);
      EXPECT_EQ(judgement.trusted, limit == 0 || limit >= row.least) << row.label << " " << limit << judgement.why;
      if (!judgement.trusted) {
        EXPECT_EQ(judgement.code, X509_V_ERR_CERT_CHAIN_TOO_LONG) << row.label;
      }
    }
  }
  EXPECT_EQ(TrustOptions().max_verify_depth, 1u);
}

TEST(Trust, AlternativeNames) {
  pki::Leaf leaf = issue(world().root, [](auto& o) {
    o.common_name = "common.example";
    o.alternatives = {"email:ann@a.example",
                      "URI:spiffe://a.example/web",
                      "IP:10.1.2.3",
                      "IP:2001:db8::1",
                      "otherName:msUPN;UTF8:ann@corp.example",
                      "DNS:second.example"};
  });
  Shown shown = show(leaf);
  using Names = std::vector<TrustOptions::Name>;
  const struct {
    Names names;
    bool trusted;
  } rows[] = {
      {{}, true},
      {{{Kind::dns, "c\\.example"}}, true},
      {{{Kind::dns, "second\\.example"}}, true},
      {{{Kind::dns, ".*"}}, true},
      {{{Kind::dns, "\\.example"}}, false},  // a part of the name
      {{{Kind::dns, "c\\.exampl"}}, false},
      {{{Kind::dns, "common\\.example"}}, false},  // the common name is none
      {{{Kind::dns, "a|c\\.example"}}, true},
      {{{Kind::email, "ann@a\\.example"}}, true},
      {{{Kind::email, "ann"}}, false},
      {{{Kind::email, "ann@corp\\.example"}}, false},  // another kind of name
      {{{Kind::ip_address, "10\\.1\\.2\\.\\d+"}}, true},
      {{{Kind::ip_address, "2001:db8::1"}}, true},
      {{{Kind::ip_address, "10\\.1\\.2"}}, false},
      {{{Kind::uri, "spiffe://a\\.example/.*"}}, true},
      {{{Kind::uri, "spiffe://a\\.example/"}}, false},
      {{{Kind::user_principal_name, "[a-z]+@corp\\.example"}}, true},
      {{{Kind::user_principal_name, "ann@a\\.example"}}, false},
      {{{Kind::dns, "no"}, {Kind::uri, "no"}, {Kind::email, ".*@a\\.example"}}, true},
      {{{Kind::dns, "no"}, {Kind::uri, "no"}}, false},
  };
  for (const auto& row : rows) {
    TrustOptions options = options_of(world().root.certificate());
    options.match_subject_alt_names = row.names;
    std::string label = row.names.empty() ? "none" : row.names[0].pattern;
    auto judgement = trust_in(options)->judge(*shown, kNow);
    expect_whole(judgement, kNow, label);
    EXPECT_EQ(judgement.trusted, row.trusted) << label << judgement.why;
    if (!row.trusted) {
      EXPECT_NE(judgement.why.find("no subject alternative name matches"), std::string::npos) << judgement.why;
    }
  }
}

TEST(Trust, RevocationLists) {
  const World& w = world();
  const std::string root = w.root.certificate();
  pki::Leaf leaf = issue(w.root), under = issue(w.below), deep = issue(w.deeper);
  auto list = [](const pki::Authority& by, std::vector<long> serials, int64_t from = -60, int64_t until = 86400,
                 const char* point = "") {
    pki::ListOptions options;
    options.this_update = from;
    options.next_update = until;
    options.point = point;
    return by.revoke(serials, options);
  };
  auto forged = [&](const pki::Authority& by, std::vector<long> serials) {
    pki::ListOptions options;
    options.key = w.other.key();
    return by.revoke(serials, options);
  };
  const struct {
    const char* label;
    std::string shown;
    std::vector<std::string> lists;
    int code;
    int64_t next_change;  // seconds from now; 0: the certificate's end
  } rows[] = {
      {"no list", leaf.certificate, {}, X509_V_OK, 0},
      {"an empty list", leaf.certificate, {list(w.root, {})}, X509_V_OK, 86400},
      {"others are revoked", leaf.certificate, {list(w.root, {1, 2, leaf.serial + 1})}, X509_V_OK, 86400},
      {"revoked", leaf.certificate, {list(w.root, {1, leaf.serial, 2})}, X509_V_ERR_CERT_REVOKED, -1},
      {"another issuer's list", leaf.certificate, {list(w.other, {leaf.serial})}, X509_V_OK, 0},
      {"a list that has run out", leaf.certificate, {list(w.root, {}, -7200, -3600)}, X509_V_ERR_CRL_HAS_EXPIRED, -1},
      {"revoked by one that has",
       leaf.certificate,
       {list(w.root, {leaf.serial}, -7200, -3600)},
       X509_V_ERR_CERT_REVOKED,
       -1},
      {"a list to come", leaf.certificate, {list(w.root, {}, 3600)}, X509_V_ERR_CRL_NOT_YET_VALID, 3600},
      {"a list without end", leaf.certificate, {list(w.root, {}, -60, 0)}, X509_V_OK, 0},
      {"the newer counts",
       leaf.certificate,
       {list(w.root, {leaf.serial}, -7200, -3600), list(w.root, {})},
       X509_V_OK,
       86400},
      {"the newer counts in any order",
       leaf.certificate,
       {list(w.root, {}), list(w.root, {leaf.serial}, -7200, -3600)},
       X509_V_OK,
       86400},
      {"the newer revokes",
       leaf.certificate,
       {list(w.root, {}, -7200), list(w.root, {leaf.serial})},
       X509_V_ERR_CERT_REVOKED,
       -1},
      {"the next waits", leaf.certificate, {list(w.root, {}), list(w.root, {leaf.serial}, 3600)}, X509_V_OK, 3600},
      {"one of several issuers",
       leaf.certificate,
       {list(w.other, {}) + list(w.root, {leaf.serial})},
       X509_V_ERR_CERT_REVOKED,
       -1},
      {"users only",
       leaf.certificate,
       {list(w.root, {leaf.serial}, -60, 86400, "onlyuser:TRUE")},
       X509_V_ERR_CERT_REVOKED,
       -1},
      {"authorities only", leaf.certificate, {list(w.root, {leaf.serial}, -60, 86400, "onlyCA:TRUE")}, X509_V_OK, 0},
      {"authorities only, run out", leaf.certificate, {list(w.root, {}, -7200, -3600, "onlyCA:TRUE")}, X509_V_OK, 0},
      {"of an intermediate that the client shows",
       under.certificate,
       {list(w.below, {under.serial})},
       X509_V_ERR_CERT_REVOKED,
       -1},
      {"that does not name it", under.certificate, {list(w.below, {leaf.serial})}, X509_V_OK, 86400},
      {"that has run out", under.certificate, {list(w.below, {}, -7200, -3600)}, X509_V_ERR_CRL_HAS_EXPIRED, -1},
      {"that it did not sign", under.certificate, {forged(w.below, {})}, X509_V_ERR_CRL_SIGNATURE_FAILURE, -1},
      {"the intermediate is revoked",
       under.certificate,
       {list(w.root, {w.below.serial()})},
       X509_V_ERR_CERT_REVOKED,
       -1},
      {"far above", deep.certificate, {list(w.root, {w.below.serial()}, -7200, -3600)}, X509_V_ERR_CERT_REVOKED, -1},
      {"in between", deep.certificate, {list(w.below, {w.deeper.serial()})}, X509_V_ERR_CERT_REVOKED, -1},
      {"for users only",
       under.certificate,
       {list(w.root, {w.below.serial()}, -60, 86400, "onlyuser:TRUE")},
       X509_V_OK,
       0},
      {"its issuer's list has run out", under.certificate, {list(w.root, {}, -7200, -3600)}, X509_V_OK, 0},
  };
  const int64_t end = show(leaf)->leaf()->not_after_ms;
  for (const auto& row : rows) {
    TrustOptions options = options_of(root + w.other.certificate(), row.lists);
    options.max_verify_depth = 0;
    auto trust = trust_in(options);
    Shown shown = show(row.shown);
    for (int again = 0; again < 2; ++again) {
      auto judgement = trust->judge(*shown, kNow);
      expect_whole(judgement, kNow, row.label);
      EXPECT_EQ(judgement.code, row.code) << row.label << ": " << judgement.why;
      const int64_t expected = row.next_change == 0 ? end : row.next_change < 0 ? 0 : kNow + row.next_change * 1000;
      EXPECT_NEAR(double(judgement.next_change_ms), double(expected), 900e3) << row.label;
      if (!judgement.trusted) {
        EXPECT_NE(judgement.why.find("crl"), std::string::npos) << judgement.why;
      }
    }
  }
}

// A new edition of the list is a new object; what it does not name stays as it was.
TEST(Trust, UpdatedListAndPassingTime) {
  const World& w = world();
  pki::Leaf kept = issue(w.root), revoked = issue(w.root);
  pki::Leaf brief = issue(w.root, [](auto& o) { o.valid_from = 3600, o.valid_until = 7200; });
  Shown a = show(kept), b = show(revoked), c = show(brief);
  auto before = trust_in(w.root.certificate(), {w.root.revoke({})});
  auto after = trust_in(w.root.certificate(), {w.root.revoke({revoked.serial})});
  EXPECT_TRUE(before->judge(*a, kNow).trusted);
  EXPECT_TRUE(before->judge(*b, kNow).trusted);
  EXPECT_TRUE(after->judge(*a, kNow).trusted);
  EXPECT_FALSE(after->judge(*b, kNow).trusted);
  EXPECT_TRUE(before->judge(*b, kNow).trusted);
  // Each moment that a judgement announces, and the one before it.
  int64_t now = kNow;
  std::string course;
  for (int step = 0; step < 5; ++step) {
    auto judgement = before->judge(*c, now);
    course += judgement.trusted ? "+" : "-";
    if (judgement.next_change_ms == 0) break;
    EXPECT_EQ(before->judge(*c, judgement.next_change_ms - 1).trusted, judgement.trusted);
    now = judgement.next_change_ms;
  }
  EXPECT_EQ(course, "-+-");
  EXPECT_EQ(now, c->leaf()->not_after_ms);
  EXPECT_TRUE(before->judge(*c, now - 1).trusted);  // time may go back
  EXPECT_FALSE(before->judge(*c, c->leaf()->not_before_ms - 1).trusted);
  auto late = before->judge(*a, kNow + 2 * kDay);
  EXPECT_EQ(late.code, X509_V_ERR_CRL_HAS_EXPIRED);
  EXPECT_TRUE(before->judge(*a, kNow).trusted);
}

// What one ClientTrust found out is of no use to another that trusts somebody else.
TEST(Trust, JudgesDoNotShareTheirTrust) {
  const World& w = world();
  Shown shown = show(issue(w.below));
  TrustOptions wide = options_of(w.root.certificate());
  wide.max_verify_depth = 2;
  TrustOptions narrow = wide, named = wide, stranger = options_of(w.other.certificate());
  narrow.max_verify_depth = 1;
  named.match_subject_alt_names = {{Kind::dns, "x"}};
  std::vector<std::shared_ptr<const ClientTrust>> refusing = {trust_in(narrow), trust_in(named), trust_in(stranger)};
  auto trusting = trust_in(wide);
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(trusting->judge(*shown, kNow).trusted);
    for (const auto& trust : refusing) EXPECT_FALSE(trust->judge(*shown, kNow).trusted);
  }
  std::vector<std::shared_ptr<const ClientTrust>> many;  // more than are remembered
  for (uint32_t depth = 2; depth < 10; ++depth) {
    wide.max_verify_depth = depth;
    many.push_back(trust_in(wide));
  }
  for (int round = 0; round < 2; ++round)
    for (const auto& trust : many) EXPECT_TRUE(trust->judge(*shown, kNow).trusted);
  EXPECT_EQ(trusting->options().max_verify_depth, 2u);
}

// Keys are rolled over under one name: a list counts for the key that it says.
TEST(Trust, ListsOfTwoKeysWithOneName) {
  pki::IssueOptions with_id;
  with_id.key_id = true;
  pki::Authority old_key("Rolled", with_id), new_key("Rolled", with_id);
  auto said_by_leaf = [](auto& o) { o.key_id = true; };
  pki::Leaf old_leaf = issue(old_key, said_by_leaf), new_leaf = issue(new_key, said_by_leaf);
  pki::ListOptions said;
  said.key_id = true;
  const std::string both = old_key.certificate() + new_key.certificate();
  auto trust = trust_in(both, {old_key.revoke({old_leaf.serial, new_leaf.serial}, said), new_key.revoke({}, said)});
  EXPECT_EQ(trust->judge(*show(old_leaf), kNow).code, X509_V_ERR_CERT_REVOKED);
  EXPECT_TRUE(trust->judge(*show(new_leaf), kNow).trusted);
  trust = trust_in(both, {old_key.revoke({})});  // whose it is shows only the signature
  EXPECT_TRUE(trust->judge(*show(old_leaf), kNow).trusted);
  EXPECT_EQ(trust->judge(*show(new_leaf), kNow).code, X509_V_ERR_CRL_SIGNATURE_FAILURE);
}

TEST(Trust, SaysWhatIsWrongWithItsOptions) {
  const World& w = world();
  const std::string root = w.root.certificate();
  pki::Leaf leaf = issue(w.root);
  pki::Authority mute("Mute", client([](auto& o) { o.key_usage = "keyCertSign"; }));
  auto with = [&](std::function<void(pki::ListOptions&)> change) {
    pki::ListOptions options;
    change(options);
    return w.root.revoke({leaf.serial}, options);
  };
  auto unknown = [](auto* of) {
    ASN1_OCTET_STRING* value = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(value, reinterpret_cast<const unsigned char*>("\x05\x00"), 2);
    ASN1_OBJECT* kind = OBJ_txt2obj("1.2.3.4.5", 1);
    X509_EXTENSION* extension = X509_EXTENSION_create_by_OBJ(nullptr, kind, 1, value);
    if constexpr (std::is_same_v<decltype(of), X509_CRL*>)
      X509_CRL_add_ext(of, extension, -1);
    else
      X509_REVOKED_add_ext(of, extension, -1);
    X509_EXTENSION_free(extension);
    ASN1_OBJECT_free(kind);
    ASN1_OCTET_STRING_free(value);
  };
  const struct {
    std::vector<tls::Pem> ca, crl;
    const char* expected;
  } rows[] = {
      {{}, {}, "there is no authority"},
      {{{"", "ca.pem"}}, {}, "ca.pem: is empty"},
      {{{"nonsense", "ca.pem"}}, {}, "ca.pem: is not PEM"},
      {{{leaf.key, "ca.pem"}}, {}, "ca.pem: has no certificate"},
      {{{root + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "ca.pem"}},
       {},
       "ca.pem: certificate 2 cannot be read"},
      {{{root, "ca.pem"}}, {{"", "crl.pem"}}, "crl.pem: is empty; expected a certificate revocation list"},
      {{{root, "ca.pem"}}, {{"\x30\x82", "crl.pem"}}, "openssl crl -inform DER"},
      {{{root, "ca.pem"}}, {{root, "crl.pem"}}, "crl.pem: has no certificate revocation list"},
      {{{root, "ca.pem"}},
       {{w.root.revoke({}) + "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "crl.pem"}},
       "crl.pem: list 2 cannot be read"},
      {{{root, "ca.pem"}},
       {{with([&](auto& o) { o.key = w.other.key(); }), "crl.pem"}},
       "crl.pem: a list cannot be used: CRL signature failure"},
      {{{mute.certificate(), "ca.pem"}}, {{mute.revoke({}), "crl.pem"}}, "key usage does not include CRL signing"},
      {{{root, "ca.pem"}}, {{with([](auto& o) { o.delta = 1; }), "crl.pem"}}, "/CN=Root is a delta list"},
      {{{root, "ca.pem"}}, {{with([](auto& o) { o.point = "indirectCRL:TRUE"; }), "crl.pem"}}, "an indirect list"},
      {{{root, "ca.pem"}},
       {{with([](auto& o) { o.point = "onlysomereasons:keyCompromise"; }), "crl.pem"}},
       "for some reasons only"},
      {{{root, "ca.pem"}}, {{with([](auto& o) { o.point = "onlyAA:TRUE"; }), "crl.pem"}}, "of attribute certificates"},
      {{{root, "ca.pem"}},
       {{with([&](auto& o) { o.before_signing = [&](X509_CRL* crl) { unknown(crl); }; }), "crl.pem"}},
       "critical extension"},
      {{{root, "ca.pem"}},
       {{with([&](auto& o) {
           o.before_signing = [&](X509_CRL* crl) { unknown(sk_X509_REVOKED_value(X509_CRL_get_REVOKED(crl), 0)); };
         }),
         "crl.pem"}},
       "critical extension"},
  };
  for (const auto& row : rows) {
    TrustOptions options;
    options.ca = row.ca;
    options.crl = row.crl;
    auto made = ClientTrust::make(options);
    ASSERT_FALSE(made) << row.expected;
    EXPECT_NE(made.error().message.find(row.expected), std::string::npos) << made.error().message;
    tls::ServerOptions server;
    server.client_auth = tls::ServerOptions::ClientAuth::request;
    server.trust = options;
    EXPECT_FALSE(tls::ServerContext::make(server)) << row.expected;
  }
  for (const char* pattern : {"", "(", "a{9999}"}) {
    TrustOptions options = options_of(root);
    options.match_subject_alt_names = {{Kind::email, pattern}};
    auto made = ClientTrust::make(options);
    ASSERT_FALSE(made) << pattern;
    EXPECT_NE(made.error().message.find("for alternative names (email)"), std::string::npos) << made.error().message;
  }
  EXPECT_EQ(ERR_peek_error(), 0u);
}

// Judges and certificates belong to every worker; the thread sanitizer is the judge here.
TEST(Trust, ThreadsShareEverything) {
  const World& w = world();
  TrustOptions options = options_of(w.root.certificate(), {w.root.revoke({1, 5, 3}), w.below.revoke({9, 7})});
  options.max_verify_depth = 0;
  auto one = trust_in(options);
  options.crl.pop_back();
  auto two = trust_in(options);
  Shown shown = show(issue(w.below)), stranger = show(issue(w.other));
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        right += one->judge(*shown, kNow).trusted && two->judge(*shown, kNow).trusted;
        right += !one->judge(*stranger, kNow).trusted;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 400);
}

}  // namespace
}  // namespace cardea
