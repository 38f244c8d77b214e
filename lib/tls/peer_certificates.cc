// PeerCertificates: what a client's leaf says, read with distrust, and what was found out about its chain.
#include <arpa/inet.h>

#include <algorithm>

#include "tls/openssl.h"

namespace cardea::tls {
namespace {

constexpr int kMaxSerial = 32;  // octets; RFC 5280 4.1.2.2 allows 20

struct OpensslFree {
  void operator()(unsigned char* p) const { OPENSSL_free(p); }
};
using OpensslText = std::unique_ptr<unsigned char, OpensslFree>;

std::string hex(const unsigned char* bytes, size_t n) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(2 * n, '0');
  for (size_t i = 0; i < n; ++i) {
    text[2 * i] = kDigits[bytes[i] >> 4];
    text[2 * i + 1] = kDigits[bytes[i] & 15];
  }
  return text;
}

Bytes bytes_of(const ASN1_STRING* s) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(s)), size_t(ASN1_STRING_length(s))};
}

// Printable: UTF-8 (RFC 3629) without control characters, which break out of logs and header fields.
bool is_text(Bytes text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = uint8_t(text[i]);
    if (lead < 0x20 || lead == 0x7f) return false;
    const size_t more = lead < 0x80 ? 0 : lead < 0xc0 ? 4 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf8 ? 3 : 4;
    if (more == 4 || more >= text.size() - i) return false;
    uint32_t point = more == 0 ? lead : lead & (0x3fu >> more);
    for (size_t k = 1; k <= more; ++k) {
      if ((uint8_t(text[i + k]) & 0xc0) != 0x80) return false;
      point = point << 6 | (uint8_t(text[i + k]) & 0x3fu);
    }
    constexpr uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
    if (point < kLeast[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
    if (point >= 0x80 && point < 0xa0) return false;
    i += more + 1;
  }
  return true;
}

bool is_ascii(Bytes text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return uint8_t(c) < 0x80; });
}

// Reads one leaf. What cannot be used is left out and told as `flaw`.
class LeafReader {
 public:
  explicit LeafReader(X509* x) : x_(x) {}
  identity::Certificate read();
  const char* flaw() const { return flaw_; }

 private:
  void read_digests();
  void read_serial();
  void read_subject();
  void read_alternative_names();
  void add_alternative_name(const GENERAL_NAME& name);
  void add_address(const ASN1_STRING* address);
  void add(std::vector<std::string>& list, Bytes text, bool ascii);
  bool take_text(const ASN1_STRING* from, std::string& to);
  bool within_limits(size_t bytes);
  void object(const char* flaw) {
    if (!flaw_) flaw_ = flaw;
  }

  X509* x_;
  identity::Certificate out_;
  const char* flaw_ = nullptr;
  size_t names_ = 0, bytes_ = 0;
};

identity::Certificate LeafReader::read() {
  // Fills what OpenSSL keeps beside the certificate, once and before threads share it.
  X509_check_purpose(x_, -1, 0);
  if (X509_get_extension_flags(x_) & EXFLAG_INVALID) object("an extension of the certificate cannot be read");
  read_digests();
  read_serial();
  read_subject();
  read_alternative_names();
  out_.not_before_ms = unix_time(X509_get0_notBefore(x_)) * 1000;
  out_.not_after_ms = unix_time(X509_get0_notAfter(x_)) * 1000;
  return std::move(out_);
}

void LeafReader::read_digests() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned n = 0;
  if (!X509_digest(x_, EVP_sha256(), digest, &n)) return object("the certificate cannot be digested");
  out_.fingerprint = hex(digest, n);
  unsigned char* der = nullptr;
  int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x_), &der);
  OpensslText owner(der);
  if (length <= 0 || !EVP_Digest(der, size_t(length), digest, &n, EVP_sha256(), nullptr))
    return object("the certificate's public key cannot be digested");
  unsigned char text[4 * ((EVP_MAX_MD_SIZE + 2) / 3) + 1];
  out_.spki_hash.assign(reinterpret_cast<char*>(text), size_t(EVP_EncodeBlock(text, digest, int(n))));
}

void LeafReader::read_serial() {
  const ASN1_INTEGER* serial = X509_get0_serialNumber(x_);
  Bytes octets = bytes_of(serial);
  if (octets.size() > kMaxSerial) return object("the certificate's serial number is too long");
  if (ASN1_STRING_type(serial) & V_ASN1_NEG) out_.serial.push_back('-');
  out_.serial += hex(reinterpret_cast<const unsigned char*>(octets.data()), octets.size());
}

void LeafReader::read_subject() {
  const X509_NAME* subject = X509_get_subject_name(x_);
  for (int i = 0; i < X509_NAME_entry_count(subject); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, i);
    const int kind = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (kind != NID_commonName && kind != NID_organizationalUnitName) continue;
    std::string text;
    if (!take_text(X509_NAME_ENTRY_get_data(entry), text)) continue;
    if (kind == NID_organizationalUnitName) {
      add(out_.units, text, false);
    } else if (within_limits(text.size())) {
      out_.common_name = std::move(text);  // of several the last, which is the most specific
    }
  }
}

void LeafReader::read_alternative_names() {
  int found = -1;
  auto* all = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(x_, NID_subject_alt_name, &found, nullptr));
  if (!all && found != -1) object("the certificate's subject alternative names cannot be read");
  if (sk_GENERAL_NAME_num(all) > int(ShownCertificates::kMaxNames)) object("the certificate has too many names");
  const int n = std::min(sk_GENERAL_NAME_num(all), int(ShownCertificates::kMaxNames));
  for (int i = 0; i < n; ++i) add_alternative_name(*sk_GENERAL_NAME_value(all, i));
  GENERAL_NAMES_free(all);
}

void LeafReader::add_alternative_name(const GENERAL_NAME& name) {
  switch (name.type) {
    case GEN_DNS:
      return add(out_.dns, bytes_of(name.d.dNSName), true);
    case GEN_EMAIL:
      return add(out_.emails, bytes_of(name.d.rfc822Name), true);
    case GEN_URI:
      return add(out_.uris, bytes_of(name.d.uniformResourceIdentifier), true);
    case GEN_IPADD:
      return add_address(name.d.iPAddress);
    case GEN_OTHERNAME: {
      const OTHERNAME* other = name.d.otherName;
      if (OBJ_obj2nid(other->type_id) != NID_ms_upn) return;
      const int type = other->value ? other->value->type : V_ASN1_UNDEF;
      if (type != V_ASN1_UTF8STRING && type != V_ASN1_BMPSTRING && type != V_ASN1_PRINTABLESTRING &&
          type != V_ASN1_IA5STRING)
        return object("a user principal name of the certificate is not text");
      std::string text;
      if (take_text(other->value->value.asn1_string, text)) add(out_.principals, text, false);
      return;
    }
    default:
      return;
  }
}

void LeafReader::add_address(const ASN1_STRING* address) {
  const int n = ASN1_STRING_length(address);
  char text[INET6_ADDRSTRLEN];
  if ((n != 4 && n != 16) || !inet_ntop(n == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(address), text, sizeof text))
    return object("an IP address of the certificate is malformed");
  add(out_.ips, text, true);
}

void LeafReader::add(std::vector<std::string>& list, Bytes text, bool ascii) {
  if (text.empty()) return;
  if (!is_text(text) || (ascii && !is_ascii(text))) return object("a name of the certificate is not text");
  if (within_limits(text.size())) list.emplace_back(text);
}

// A DirectoryString in whatever encoding.
bool LeafReader::take_text(const ASN1_STRING* from, std::string& to) {
  unsigned char* utf8 = nullptr;
  const int n = ASN1_STRING_to_UTF8(&utf8, from);
  OpensslText owner(utf8);
  if (n >= 0) to.assign(reinterpret_cast<char*>(utf8), size_t(n));
  if (n >= 0 && is_text(to)) return true;
  object("a name of the certificate is not text");
  return false;
}

bool LeafReader::within_limits(size_t bytes) {
  if (names_ < ShownCertificates::kMaxNames && bytes <= ShownCertificates::kMaxNameBytes - bytes_) {
    ++names_;
    bytes_ += bytes;
    return true;
  }
  object("the certificate has too many names");
  return false;
}

}  // namespace

std::shared_ptr<const ShownCertificates> ShownCertificates::make(X509* leaf, const STACK_OF(X509) * shown) {
  auto made = std::make_shared<ShownCertificates>();
  made->more_.reset(sk_X509_new_null());
  if (!leaf || !made->more_ || !X509_up_ref(leaf)) return nullptr;
  made->x509_.reset(leaf);
  const int first = sk_X509_num(shown) > 0 && sk_X509_value(shown, 0) == leaf ? 1 : 0;
  const int count = sk_X509_num(shown) - first;
  LeafReader reader(leaf);
  made->leaf_ = std::make_shared<const identity::Certificate>(reader.read());
  made->flaw_ = count >= kMaxCertificates ? "the client shows too many certificates" : reader.flaw();
  for (int i = first; count < kMaxCertificates && i < first + count; ++i) {
    X509* next = sk_X509_value(shown, i);
    X509_check_purpose(next, -1, 0);
    if (!X509_up_ref(next)) return nullptr;
    if (sk_X509_push(made->more_.get(), next)) continue;
    X509_free(next);
    return nullptr;
  }
  ERR_clear_error();
  return made;
}

std::shared_ptr<const Proof> ShownCertificates::proof(const std::string& scope) const {
  std::lock_guard lock(mutex_);
  for (const auto& proof : proofs_) {
    if (proof->scope == scope) return proof;
  }
  return nullptr;
}

void ShownCertificates::keep(std::shared_ptr<const Proof> proof) const {
  std::lock_guard lock(mutex_);
  std::erase_if(proofs_, [&](const auto& old) { return old->scope == proof->scope; });
  if (proofs_.size() >= kMaxProofs) proofs_.erase(proofs_.begin());
  proofs_.push_back(std::move(proof));
}

Result<std::shared_ptr<const PeerCertificates>> PeerCertificates::from_der(
    const std::vector<std::string>& certificates) {
  ERR_clear_error();
  ChainPtr chain(sk_X509_new_null());
  if (!chain) return Error{kEnomem, "out of memory"};
  if (certificates.empty()) return Error{kEinval, "there is no certificate"};
  for (const std::string& der : certificates) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    X509Ptr x(d2i_X509(nullptr, &at, long(der.size())));
    const int number = sk_X509_num(chain.get()) + 1;
    if (!x) return tls_error("certificate " + std::to_string(number) + " cannot be read: " + take_reason().text);
    if (at != reinterpret_cast<const unsigned char*>(der.data()) + der.size())
      return tls_error("certificate " + std::to_string(number) + " has bytes behind its end");
    if (!sk_X509_push(chain.get(), x.get())) return Error{kEnomem, "out of memory"};
    x.release();
  }
  auto shown = ShownCertificates::make(sk_X509_value(chain.get(), 0), chain.get());
  if (!shown) return Error{kEnomem, "out of memory"};
  return std::shared_ptr<const PeerCertificates>(std::move(shown));
}

}  // namespace cardea::tls
