// Fuzzes the reading of client certificates: whatever a client shows becomes text within limits, or nothing; and what
// no authority signed is never trusted.
#include "../pki.h"
#include "tls/tls.h"

namespace {

using namespace cardea;

void require(bool ok) {
  if (!ok) __builtin_trap();
}

size_t check_names(const std::vector<std::string>& names, bool ascii) {
  size_t bytes = 0;
  for (const std::string& name : names) {
    require(!name.empty());
    for (char c : name) require(uint8_t(c) >= 0x20 && c != 0x7f && (!ascii || uint8_t(c) < 0x80));
    bytes += name.size();
  }
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto trust = [] {
    tls::TrustOptions options;
    options.ca = {{pki::Authority("Nobody's").certificate(), "ca"}};
    options.max_verify_depth = 0;
    options.match_subject_alt_names = {{tls::TrustOptions::Name::Kind::dns, ".*"}};
    return *tls::ClientTrust::make(options);
  }();
  const std::string der(reinterpret_cast<const char*>(data), size);
  auto shown = tls::PeerCertificates::from_der({der, der});
  require(ERR_peek_error() == 0);
  if (!shown) {
    require(!shown.error().message.empty());
    return 0;
  }
  const identity::Certificate& leaf = *(*shown)->leaf();
  require(leaf.fingerprint.size() == 64 && leaf.spki_hash.size() == 44 && leaf.serial.size() <= 65);
  size_t bytes = check_names(leaf.dns, true) + check_names(leaf.emails, true) + check_names(leaf.uris, true) +
                 check_names(leaf.ips, true) + check_names(leaf.principals, false) + check_names(leaf.units, false);
  if (!leaf.common_name.empty()) bytes += check_names({leaf.common_name}, false);
  require(bytes <= 64 * 1024);
  require(leaf.dns.size() + leaf.emails.size() + leaf.uris.size() + leaf.ips.size() + leaf.principals.size() +
              leaf.units.size() <=
          256);
  if (auto who = identity::identity_of(leaf)) {
    require(who->source == identity::Source::certificate && !who->user.empty());
    require(who->groups.size() <= leaf.units.size() && who->not_after_ms == leaf.not_after_ms);
  }
  auto judgement = trust->judge(**shown, 1'700'000'000'000);
  require(!judgement.trusted && !judgement.why.empty() && judgement.code != X509_V_OK);
  require(judgement.next_change_ms == 0 || judgement.next_change_ms > 1'700'000'000'000);
  require(ERR_peek_error() == 0);
  return 0;
}
