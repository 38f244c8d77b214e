// Client certificates: downstream_mtls, the routes' own authorities, and what listeners ask of clients.
#include <algorithm>

#include "config/freeze.h"

namespace cardea::config {

namespace {

using Name = tls::TrustOptions::Name;

struct NameRow {
  Bytes key;
  Name::Kind kind;
};
constexpr NameRow kNames[] = {
    {"dns", Name::Kind::dns},
    {"email", Name::Kind::email},
    {"ip_address", Name::Kind::ip_address},
    {"uri", Name::Kind::uri},
    {"user_principal_name", Name::Kind::user_principal_name},
};
constexpr size_t kMaxNames = 1000;

bool has_route_ca(const RouteDraft& route) {
  return route.tls_downstream_client_ca.set || route.tls_downstream_client_ca_file.set;
}

}  // namespace

bool Freezer::freeze_trust_names(std::vector<Name>& out) {
  const Value<std::vector<Text>>& texts = draft_.mtls_names;
  const std::string key = "downstream_mtls.match_subject_alt_names";
  bool good = !texts.bad;
  if (texts.value.size() > kMaxNames) {
    faults_.add(texts.mark, key, "has more than " + std::to_string(kMaxNames) + " names");
    return false;
  }
  std::vector<Bytes> known;
  for (const NameRow& row : kNames) known.push_back(row.key);
  for (size_t i = 0; i < texts.value.size(); ++i) {
    const Text& text = texts.value[i];
    const std::string where = key + "[" + std::to_string(i) + "]";
    auto tree = tree_of(text, where, text.mark, faults_);
    good = good && tree;
    if (!tree) continue;
    const Object object(*tree, where, known, faults_);
    size_t found = 0;
    for (const NameRow& row : kNames) {
      if (!object.find(row.key)) continue;
      ++found;
      auto pattern = object.string(row.key);
      auto compiled = pattern ? route::RegexRewrite::make(*pattern, "") : Error{};
      if (pattern && !compiled) object.fault(row.key, compiled.error().message);
      if (pattern && compiled) out.push_back({row.kind, std::move(*pattern)});
    }
    if (found == 1) continue;
    if (tree->kind == yaml::Node::Kind::mapping && tree->entries.size() == found) {
      object.fault("", "must have exactly one of dns, email, ip_address, uri and user_principal_name");
    }
  }
  // Fewer names than were given would let everybody in.
  return good && out.size() == texts.value.size();
}

std::shared_ptr<const tls::ClientTrust> Freezer::trust_of(const tls::TrustOptions& options, const Place& place,
                                                          const yaml::Mark& mark, const std::string& key) {
  auto made = tls::ClientTrust::make(options);
  if (made) return std::move(*made);
  // Whose fault it is, without reading the message: does it go away without the list, without the names?
  tls::TrustOptions less = options;
  less.match_subject_alt_names.clear();
  const bool names = static_cast<bool>(tls::ClientTrust::make(less));
  less.crl.clear();
  const bool list = !names && tls::ClientTrust::make(less);
  const bool file = draft_.mtls_crl_file.set;
  if (names) {
    faults_.add(draft_.mtls_names.mark, "downstream_mtls.match_subject_alt_names", made.error().message);
  } else if (list) {
    faults_.add(file ? draft_.mtls_crl_file.mark : draft_.mtls_crl.mark,
                file ? "downstream_mtls.crl_file" : "downstream_mtls.crl", made.error().message);
  } else {
    fault(place, mark, key, made.error().message);
  }
  return nullptr;
}

void Freezer::freeze_trust() {
  const ConfigDraft& d = draft_;
  const bool own = d.mtls_ca.set || d.mtls_ca_file.set;
  const yaml::Mark own_mark = d.mtls_ca_file.set ? d.mtls_ca_file.mark : d.mtls_ca.mark;
  const bool any_route = std::any_of(d.routes.begin(), d.routes.end(), [](const auto& r) { return has_route_ca(*r); });
  route_trust_.resize(d.routes.size());
  auto lonely = [&](const auto& value, const char* key) {
    if (value.set && !own && !any_route) faults_.add(value.mark, key, "has no effect without downstream_mtls.ca");
  };
  lonely(d.mtls_crl, "downstream_mtls.crl");
  lonely(d.mtls_crl_file, "downstream_mtls.crl_file");
  lonely(d.mtls_enforcement, "downstream_mtls.enforcement");
  lonely(d.mtls_names, "downstream_mtls.match_subject_alt_names");
  lonely(d.mtls_depth, "downstream_mtls.max_verify_depth");
  tls::TrustOptions common;
  bool good = true;
  auto crl = load_either(d.mtls_crl, d.mtls_crl_file, Place{}, "downstream_mtls.crl", good);
  if (crl) common.crl.push_back(std::move(*crl));
  good = freeze_trust_names(common.match_subject_alt_names) && good;
  common.max_verify_depth = static_cast<uint32_t>(d.mtls_depth.value);
  if (!own && !any_route) return;

  handshake_trust_ = common;
  auto ca = load_either(d.mtls_ca, d.mtls_ca_file, Place{}, "downstream_mtls.ca", good);
  if (ca && good) {
    tls::TrustOptions options = common;
    options.ca = {*ca};
    const char* key = d.mtls_ca_file.set ? "downstream_mtls.ca_file" : "downstream_mtls.ca";
    out_->client_trust = trusts_[ca->text] = trust_of(options, Place{}, own_mark, key);
    handshake_trust_.ca = std::move(options.ca);
  }
  good = freeze_route_trusts(common, good) && good;
  const std::string& enforcement = d.mtls_enforcement.value;
  out_->enforcement = enforcement == "policy"              ? Enforcement::policy
                      : enforcement == "reject_connection" ? Enforcement::reject_connection
                                                           : Enforcement::policy_with_default_deny;
  using ClientAuth = tls::ServerOptions::ClientAuth;
  if (good && (out_->client_trust || !own)) {
    const bool require = out_->enforcement == Enforcement::reject_connection;
    client_auth_ = require ? ClientAuth::require : ClientAuth::request;
  } else {
    handshake_trust_ = {};  // told where it was made, not once more by each listener
  }
  require_tls_listener();
}

bool Freezer::freeze_route_trusts(const tls::TrustOptions& common, bool good) {
  bool all = true;
  for (size_t i = 0; i < draft_.routes.size(); ++i) {
    const RouteDraft& route = *draft_.routes[i];
    if (!has_route_ca(route)) continue;
    const Place place = place_of(route, i);
    bool fine = good;
    auto pem = load_either(route.tls_downstream_client_ca, route.tls_downstream_client_ca_file, place,
                           "tls_downstream_client_ca", fine);
    all = all && pem && fine;
    if (!pem || !fine) continue;
    // Everything but the CA is the same for all.
    std::shared_ptr<const tls::ClientTrust>& trust = trusts_[pem->text];
    if (!trust) {
      const bool file = route.tls_downstream_client_ca_file.set;
      tls::TrustOptions options = common;
      options.ca = {std::move(*pem)};
      trust = trust_of(options, place,
                       file ? route.tls_downstream_client_ca_file.mark : route.tls_downstream_client_ca.mark,
                       file ? "tls_downstream_client_ca_file" : "tls_downstream_client_ca");
      handshake_trust_.ca.push_back(std::move(options.ca[0]));
    }
    route_trust_[i] = trust;
    all = all && trust;
  }
  return all;
}

void Freezer::require_tls_listener() {
  const ConfigDraft& d = draft_;
  if (std::any_of(d.listeners.begin(), d.listeners.end(), [](const auto& l) { return l->tls != nullptr; })) return;
  constexpr const char* kReason = "needs a listener with TLS: no client could show a certificate";
  if (d.mtls_ca.set) faults_.add(d.mtls_ca.mark, "downstream_mtls.ca", kReason);
  if (d.mtls_ca_file.set) faults_.add(d.mtls_ca_file.mark, "downstream_mtls.ca_file", kReason);
  for (size_t i = 0; i < d.routes.size(); ++i) {
    const RouteDraft& r = *d.routes[i];
    const auto &ca = r.tls_downstream_client_ca, &file = r.tls_downstream_client_ca_file;
    if (ca.set) fault(place_of(r, i), ca.mark, "tls_downstream_client_ca", kReason);
    if (file.set) fault(place_of(r, i), file.mark, "tls_downstream_client_ca_file", kReason);
  }
}

}  // namespace cardea::config
