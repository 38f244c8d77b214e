// What is read from a client's certificate, and what hostile ones are reduced to.
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <ctime>

#include "pki.h"
#include "tls/tls.h"

namespace cardea {
namespace {

using Shown = std::shared_ptr<const tls::PeerCertificates>;

const pki::Authority& ca() {
  static const pki::Authority made;
  return made;
}
Shown show(const std::string& pem) {
  auto made = tls::PeerCertificates::from_der(pki::ders_of(pem));
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  return made ? *made : nullptr;
}
Shown show(const std::vector<std::string>& names, std::function<void(pki::IssueOptions&)> change = {}) {
  pki::IssueOptions options;
  options.usage = "clientAuth";
  if (change) change(options);
  return show(ca().issue(names, pki::ecdsa, options).certificate);
}
// Why nobody trusts it, although its signature and time are right; empty: trusted.
std::string distrust(const Shown& shown) {
  tls::TrustOptions options;
  options.ca = {{ca().certificate(), "ca.pem"}};
  auto judgement = (*tls::ClientTrust::make(options))->judge(*shown, int64_t(time(nullptr)) * 1000);
  EXPECT_EQ(judgement.trusted, judgement.why.empty());
  EXPECT_EQ(judgement.code, judgement.trusted ? X509_V_OK : X509_V_ERR_CERT_REJECTED) << judgement.why;
  return judgement.why;
}

// Puts one alternative name of any type and content into a certificate.
void add_name(X509* x, int type, const std::string& content, int string_type = V_ASN1_UTF8STRING) {
  GENERAL_NAMES* all = GENERAL_NAMES_new();
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_STRING* text = ASN1_STRING_type_new(type == GEN_OTHERNAME ? string_type
                                           : type == GEN_IPADD   ? V_ASN1_OCTET_STRING
                                                                 : V_ASN1_IA5STRING);
  ASN1_STRING_set(text, content.data(), int(content.size()));
  if (type == GEN_OTHERNAME) {
    ASN1_TYPE* value = ASN1_TYPE_new();
    ASN1_TYPE_set(value, string_type, text);
    GENERAL_NAME_set0_othername(name, OBJ_nid2obj(NID_ms_upn), value);
  } else {
    GENERAL_NAME_set0_value(name, type, text);
  }
  sk_GENERAL_NAME_push(all, name);
  X509_add1_ext_i2d(x, NID_subject_alt_name, all, 0, X509V3_ADD_APPEND);
  GENERAL_NAMES_free(all);
}
void add_subject(X509* x, int nid, int type, const std::string& content) {
  X509_NAME_ENTRY* entry = X509_NAME_ENTRY_create_by_NID(
      nullptr, nid, type, reinterpret_cast<const unsigned char*>(content.data()), int(content.size()));
  X509_NAME_add_entry(X509_get_subject_name(x), entry, -1, 0);
  X509_NAME_ENTRY_free(entry);
}

TEST(PeerCertificates, EveryField) {
  pki::IssueOptions options;
  options.usage = "clientAuth";
  options.common_name = "Ann Example";
  options.units = {"Engineering", "On call"};
  options.alternatives = {"email:ann@a.example", "email:ann@b.example", "URI:spiffe://a/b",
                          "IP:10.1.2.3",         "IP:2001:db8::1",      "otherName:msUPN;UTF8:ann@corp.example",
                          "RID:1.2.3.4"};
  options.before_signing = [](X509* x) {
    const unsigned char serial[] = {0x01, 0x02, 0xfe};
    BIGNUM* number = BN_bin2bn(serial, sizeof serial, nullptr);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
  };
  pki::Leaf leaf = ca().issue({"a.example", "*.a.example"}, pki::ecdsa, options);
  Shown shown = show(leaf.certificate);
  const identity::Certificate& got = *shown->leaf();
  EXPECT_EQ(got.dns, (std::vector<std::string>{"a.example", "*.a.example"}));
  EXPECT_EQ(got.emails, (std::vector<std::string>{"ann@a.example", "ann@b.example"}));
  EXPECT_EQ(got.uris, std::vector<std::string>{"spiffe://a/b"});
  EXPECT_EQ(got.ips, (std::vector<std::string>{"10.1.2.3", "2001:db8::1"}));
  EXPECT_EQ(got.principals, std::vector<std::string>{"ann@corp.example"});
  EXPECT_EQ(got.common_name, "Ann Example");
  EXPECT_EQ(got.units, (std::vector<std::string>{"Engineering", "On call"}));
  EXPECT_EQ(got.serial, "0102fe");
  EXPECT_NEAR(double(got.not_before_ms), double(time(nullptr) - 3600) * 1000, 900e3);
  EXPECT_NEAR(double(got.not_after_ms), double(time(nullptr) + 86400 * 365) * 1000, 900e3);
  EXPECT_EQ(got.not_after_ms % 1000, 0);
  // Against OpenSSL's own digests over what was shown.
  const std::string der = pki::ders_of(leaf.certificate)[0];
  unsigned char digest[32];
  EVP_Digest(der.data(), der.size(), digest, nullptr, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned char c : digest) {
    char two[3];
    snprintf(two, sizeof two, "%02x", c);
    hex += two;
  }
  EXPECT_EQ(got.fingerprint, hex);
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  pki::X509Ptr x(d2i_X509(nullptr, &at, long(der.size())));
  unsigned char* spki = nullptr;
  int n = i2d_PUBKEY(X509_get0_pubkey(x.get()), &spki);
  EVP_Digest(spki, size_t(n), digest, nullptr, EVP_sha256(), nullptr);
  OPENSSL_free(spki);
  unsigned char text[64];
  EVP_EncodeBlock(text, digest, 32);
  EXPECT_EQ(got.spki_hash, reinterpret_cast<char*>(text));
  EXPECT_EQ(distrust(shown), "");
  EXPECT_EQ(got, *show(leaf.certificate)->leaf());
}

TEST(PeerCertificates, EncodingsOfNames) {
  const std::string bmp = std::string("\0A\0n\0n\x20\xac", 8), u8 = "Ann\xe2\x82\xac";
  const struct {
    const char* label;
    int type;
    std::string content, expected;  // empty: not text
  } rows[] = {
      {"utf8", V_ASN1_UTF8STRING, u8, u8},
      {"bmp", V_ASN1_BMPSTRING, bmp, u8},
      {"universal", V_ASN1_UNIVERSALSTRING, std::string("\0\0\0A\0\1\xf6\x00", 8), "A\xf0\x9f\x98\x80"},
      {"printable", V_ASN1_PRINTABLESTRING, "Ann Example", "Ann Example"},
      {"latin 1", V_ASN1_T61STRING, "J\xfcrgen", "J\xc3\xbcrgen"},
      {"ia5", V_ASN1_IA5STRING, "Ann", "Ann"},
      {"nul", V_ASN1_UTF8STRING, std::string("Ann\0Eve", 7), ""},
      {"nul in latin 1", V_ASN1_T61STRING, std::string("Ann\0Eve", 7), ""},
      {"line break", V_ASN1_UTF8STRING, "Ann\r\nX-Admin: 1", ""},
      {"escape", V_ASN1_PRINTABLESTRING, "Ann\x1b[2J", ""},
      {"delete", V_ASN1_IA5STRING, "Ann\x7f", ""},
      {"next line", V_ASN1_UTF8STRING, "Ann\xc2\x85", ""},
  };
  for (const auto& row : rows) {
    for (int nid : {NID_commonName, NID_organizationalUnitName}) {
      Shown shown = show({"a.example"}, [&](auto& o) {
        o.before_signing = [&](X509* x) { add_subject(x, nid, row.type, row.content); };
      });
      const bool common = nid == NID_commonName;
      const auto expected = row.expected.empty() ? std::vector<std::string>{} : std::vector{row.expected};
      EXPECT_EQ(shown->leaf()->units, common ? std::vector<std::string>{} : expected) << row.label;
      EXPECT_EQ(shown->leaf()->common_name, common && !row.expected.empty() ? row.expected : "a.example") << row.label;
      EXPECT_EQ(distrust(shown), row.expected.empty() ? "a name of the certificate is not text" : "") << row.label;
    }
  }
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(PeerCertificates, AlternativeNames) {
  const char* not_text = "a name of the certificate is not text";
  const struct {
    const char* label;
    int type;
    std::string content;
    int string_type;
    std::vector<std::string> identity::Certificate::*list;
    std::string expected;  // empty: left out
    const char* why;
  } rows[] = {
      {"dns", GEN_DNS, "b.example", 0, &identity::Certificate::dns, "b.example", ""},
      {"nul in dns", GEN_DNS, std::string("b.example\0.evil", 15), 0, &identity::Certificate::dns, "", not_text},
      {"dns not ascii", GEN_DNS, "b\xc3\xbc.example", 0, &identity::Certificate::dns, "", not_text},
      {"empty dns", GEN_DNS, "", 0, &identity::Certificate::dns, "", ""},
      {"email", GEN_EMAIL, "b@b.example", 0, &identity::Certificate::emails, "b@b.example", ""},
      {"line break in email", GEN_EMAIL, "b@b.example\nX: y", 0, &identity::Certificate::emails, "", not_text},
      {"nul in email", GEN_EMAIL, std::string("b@b.example\0", 12), 0, &identity::Certificate::emails, "", not_text},
      {"uri", GEN_URI, "urn:x", 0, &identity::Certificate::uris, "urn:x", ""},
      {"nul in uri", GEN_URI, std::string("urn:\0x", 6), 0, &identity::Certificate::uris, "", not_text},
      {"v4", GEN_IPADD, "\x0a\x01\x02\x03", 0, &identity::Certificate::ips, "10.1.2.3", ""},
      {"v6", GEN_IPADD, std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x01", 0,
       &identity::Certificate::ips, "2001:db8::1", ""},
      {"five octets", GEN_IPADD, "\x0a\x01\x02\x03\x04", 0, &identity::Certificate::ips, "",
       "an IP address of the certificate is malformed"},
      {"no octet", GEN_IPADD, "", 0, &identity::Certificate::ips, "", "an IP address of the certificate is malformed"},
      {"upn", GEN_OTHERNAME, "b@corp", V_ASN1_UTF8STRING, &identity::Certificate::principals, "b@corp", ""},
      {"upn bmp", GEN_OTHERNAME, std::string("\0b\0@\0c", 6), V_ASN1_BMPSTRING, &identity::Certificate::principals,
       "b@c", ""},
      {"nul in upn", GEN_OTHERNAME, std::string("b@corp\0x", 8), V_ASN1_UTF8STRING, &identity::Certificate::principals,
       "", not_text},
      {"upn of octets", GEN_OTHERNAME, "b@corp", V_ASN1_OCTET_STRING, &identity::Certificate::principals, "",
       "a user principal name of the certificate is not text"},
      // (In a subject OpenSSL itself refuses such encodings, with the whole certificate.)
      {"stray byte", GEN_OTHERNAME, "b\xff", V_ASN1_UTF8STRING, &identity::Certificate::principals, "", not_text},
      {"continuation", GEN_OTHERNAME, "b\x80", V_ASN1_UTF8STRING, &identity::Certificate::principals, "", not_text},
      {"truncated", GEN_OTHERNAME, "b\xe2\x82", V_ASN1_UTF8STRING, &identity::Certificate::principals, "", not_text},
      {"overlong", GEN_OTHERNAME, "b\xc0\xaf", V_ASN1_UTF8STRING, &identity::Certificate::principals, "", not_text},
      {"surrogate", GEN_OTHERNAME, "\xed\xa0\x80", V_ASN1_UTF8STRING, &identity::Certificate::principals, "", not_text},
      {"beyond", GEN_OTHERNAME, "\xf4\x90\x80\x80", V_ASN1_UTF8STRING, &identity::Certificate::principals, "",
       not_text},
      {"bmp surrogates", GEN_OTHERNAME, std::string("\xd8\x3d\xde\x00", 4), V_ASN1_BMPSTRING,
       &identity::Certificate::principals, "", not_text},
      {"four bytes", GEN_OTHERNAME, "\xf0\x9f\x98\x80", V_ASN1_UTF8STRING, &identity::Certificate::principals,
       "\xf0\x9f\x98\x80", ""},
  };
  for (const auto& row : rows) {
    Shown shown = show({"a.example"}, [&](auto& o) {
      o.alternative_names = false;
      o.before_signing = [&](X509* x) { add_name(x, row.type, row.content, row.string_type); };
    });
    const identity::Certificate& leaf = *shown->leaf();
    EXPECT_EQ(leaf.*row.list, row.expected.empty() ? std::vector<std::string>{} : std::vector{row.expected})
        << row.label;
    EXPECT_EQ(leaf.dns.size() + leaf.emails.size() + leaf.uris.size() + leaf.ips.size() + leaf.principals.size(),
              row.expected.empty() ? 0u : 1u)
        << row.label;
    EXPECT_EQ(distrust(shown), row.why) << row.label;
  }
}

TEST(PeerCertificates, Limits) {
  auto dns = [](size_t count, size_t size) {
    std::vector<std::string> names;
    for (size_t i = 0; i < count; ++i) {
      std::string number = std::to_string(i);
      names.push_back("h" + std::string(size - 1 - number.size(), '-') + number);
    }
    return names;
  };
  const struct {
    const char* label;
    size_t count, size, units, kept;
    const char* why;
  } rows[] = {
      {"255 and the common name", 255, 20, 0, 255, ""},
      {"257", 257, 20, 0, 255, "the certificate has too many names"},
      {"5000", 5000, 20, 0, 255, "the certificate has too many names"},
      {"units count", 250, 20, 6, 249, "the certificate has too many names"},
      {"up to 64 KiB", 64, 1000, 0, 64, ""},
      {"past 64 KiB", 66, 1000, 0, 65, "the certificate has too many names"},
  };
  for (const auto& row : rows) {
    Shown shown = show(dns(row.count, row.size), [&](auto& o) {
      o.common_name = "short";
      for (size_t i = 0; i < row.units; ++i) o.units.push_back("unit");
    });
    EXPECT_EQ(shown->leaf()->dns.size(), row.kept) << row.label;
    EXPECT_EQ(shown->leaf()->units.size(), row.units) << row.label;
    EXPECT_EQ(distrust(shown), row.why) << row.label;
  }
}

TEST(PeerCertificates, MalformedExtensionsAndSerials) {
  auto raw_extension = [](X509* x, int nid, const std::string& der) {
    ASN1_OCTET_STRING* value = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(value, reinterpret_cast<const unsigned char*>(der.data()), int(der.size()));
    X509_EXTENSION* extension = X509_EXTENSION_create_by_NID(nullptr, nid, 0, value);
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
  };
  auto serial = [](X509* x, size_t octets, bool negative) {
    std::string bytes(octets, '\x55');
    BIGNUM* number = BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()), int(octets), nullptr);
    BN_set_negative(number, negative);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
  };
  const struct {
    const char* label;
    std::function<void(X509*)> change;
    const char* why;
    std::string serial;
  } rows[] = {
      {"names that are no sequence", [&](X509* x) { raw_extension(x, NID_subject_alt_name, "\x04\x01\x01"); },
       "cannot be read", ""},
      {"names cut short",
       [&](X509* x) {
         raw_extension(x, NID_subject_alt_name,
                       "\x30\x05\x82\x09"
                       "abc");
       },
       "cannot be read", ""},
      {"names twice", [&](X509* x) { add_name(x, GEN_DNS, "a"), add_name(x, GEN_DNS, "b"); }, "cannot be read", ""},
      {"usage that is none", [&](X509* x) { raw_extension(x, NID_ext_key_usage, "\x02\x01\x01"); }, "cannot be read",
       ""},
      {"twenty octets", [&](X509* x) { serial(x, 20, false); }, "", "5555555555555555555555555555555555555555"},
      {"forty octets", [&](X509* x) { serial(x, 40, false); }, "the certificate's serial number is too long", ""},
      {"negative", [&](X509* x) { serial(x, 2, true); }, "", "-5555"},
      {"zero", [&](X509* x) { ASN1_INTEGER_set(X509_get_serialNumber(x), 0); }, "", "00"},
  };
  for (const auto& row : rows) {
    Shown shown = show({"a.example"}, [&](auto& o) {
      o.alternative_names = false;
      if (std::string(row.label) == "usage that is none") o.usage = "";
      o.before_signing = row.change;
    });
    const std::string why = distrust(shown);
    EXPECT_EQ(why.empty(), row.why[0] == '\0') << row.label << why;
    EXPECT_NE(why.find(row.why), std::string::npos) << row.label << why;
    if (!row.serial.empty()) {
      EXPECT_EQ(shown->leaf()->serial, row.serial) << row.label;
    }
  }
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(PeerCertificates, FromDer) {
  const std::string der = pki::ders_of(ca().issue({"a.example"}).certificate)[0];
  auto fails = [](std::vector<std::string> ders) {
    auto made = tls::PeerCertificates::from_der(ders);
    return made ? std::string() : made.error().message;
  };
  EXPECT_EQ(fails({}), "there is no certificate");
  EXPECT_NE(fails({""}).find("certificate 1 cannot be read"), std::string::npos);
  EXPECT_NE(fails({der, "x"}).find("certificate 2 cannot be read"), std::string::npos);
  EXPECT_EQ(fails({der + "x"}), "certificate 1 has bytes behind its end");
  EXPECT_EQ(fails({der}), "");
  for (size_t n = 0; n < der.size(); ++n) EXPECT_NE(fails({der.substr(0, n)}), "");
  EXPECT_EQ(ERR_peek_error(), 0u);
}

// Anybody may make such an object; it is not one that a handshake has proven.
TEST(PeerCertificates, OnlyOursAreJudged) {
  struct Foreign : tls::PeerCertificates {
    const identity::CertificatePtr& leaf() const override { return certificate; }
    identity::CertificatePtr certificate = std::make_shared<const identity::Certificate>();
  };
  EXPECT_EQ(distrust(std::make_shared<Foreign>()), "these certificates were not shown in a handshake");
}

}  // namespace
}  // namespace cardea
