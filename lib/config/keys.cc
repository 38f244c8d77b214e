// Keys that no reader takes: which of them come later, which belong to services that Cardea is not, which are misspelt.
#include <algorithm>
#include <array>

#include "config/load.h"

namespace cardea::config {

namespace {

// Keys that the file has and that are not options.
constexpr Bytes kGlobalKeys[] = {
    "routes",
    "policy",
    "certificates",
    "certificate",
    "certificate_file",
    "certificate_key",
    "certificate_key_file",
    "insecure_server",
    "http_redirect_addr",
    "address",
    "codec_type",
    "use_proxy_protocol",
    "reuse_port",
    "access_log",
    "downstream_mtls",
};
constexpr Bytes kRouteKeys[] = {"redirect", "response", "policy", "lb_policy", "cors_preflight"};

constexpr Bytes kRouteLater[] = {
    "depends_on",
    "tls_downstream_server_name",
    "tls_upstream_allow_renegotiation",
};

// Of Pomerium's own services, or of the processes that it runs.
constexpr Bytes kGlobalForeign[] = {
    "services",
    "shared_secret",
    "shared_secret_file",
    "log_level",
    "proxy_log_level",
    "access_log_fields",
    "debug",
    "pomerium_debug",
    "headers",
    "runtime_flags",
    "installation_id",
    "override_certificate_name",
    "client_ca",
    "client_ca_file",
    "client_crl",
    "client_crl_file",
    "google_cloud_serverless_authentication_service_account",
    "signing_key_algorithm",
    "jwt_issuer_format",
    "jwt_groups_filter",
    "bearer_token_format",
    "forward_auth_url",
    "audit_key",
    "primary_color",
    "secondary_color",
    "darkmode_primary_color",
    "darkmode_secondary_color",
    "logo_url",
    "favicon_url",
    "error_message_first_paragraph",
    "programmatic_redirect_domain_whitelist",
    "http3_advertise_port",
    "administrators",
    "default_upstream_dns",
    "derive_tls",
    "hpke_key",
    "policy_file",
    "refresh_cooldown",
    "refresh_directory_timeout",
    "refresh_directory_interval",
    "use_static_bootstrap",
};
constexpr Bytes kForeignPrefixes[] = {
    "idp_",     "databroker_", "authenticate_", "authorize_", "autocert",  "ssh_",     "mcp",
    "tracing_", "telemetry",   "otel_",         "cookie_",    "grpc_",     "metrics_", "envoy_",
    "zero_",    "cache_",      "webauthn_",     "device_",    "branding_",
};
constexpr Bytes kRouteForeign[] = {
    "kubernetes_service_account_token",
    "kubernetes_service_account_token_file",
    "mcp",
    "bearer_token_format",
    "jwt_issuer_format",
    "jwt_groups_filter",
    "enable_google_cloud_serverless_authentication",
    "upstream_tunnel",
    "id",
    "namespace_id",
    "policies",
    "policy_ids",
    "stat_name",
    "envoy_opts",
};
constexpr Bytes kRouteForeignPrefixes[] = {"idp_", "ssh_", "mcp_", "kubernetes_"};

template <size_t N>
bool has(const Bytes (&list)[N], Bytes key) {
  return std::find(std::begin(list), std::end(list), key) != std::end(list);
}
template <size_t N>
bool has_prefix_of(const Bytes (&list)[N], Bytes key) {
  return std::any_of(std::begin(list), std::end(list), [&](Bytes p) { return key.substr(0, p.size()) == p; });
}

bool owner_has(Owner owner, Bytes key) {
  return key.find('.') == Bytes::npos && option_by_key(owner, key);
}

bool is_known(Scope scope, Bytes key) {
  if (scope == Scope::global) return has(kGlobalKeys, key) || owner_has(Owner::global, key);
  return has(kRouteKeys, key) || owner_has(Owner::route, key) || owner_has(Owner::cluster, key) ||
         has(kRouteLater, key);
}

std::vector<Bytes> known_keys(Scope scope) {
  std::vector<Bytes> keys;
  auto add = [&](const auto& list) { keys.insert(keys.end(), std::begin(list), std::end(list)); };
  if (scope == Scope::global) {
    add(kGlobalKeys);
  } else {
    add(kRouteKeys);
    add(kRouteLater);
  }
  for (const OptionRow* row = option_next(nullptr); row; row = option_next(row)) {
    bool wanted = scope == Scope::global ? row->owner == Owner::global
                                         : row->owner == Owner::route || row->owner == Owner::cluster;
    if (wanted && Bytes(row->key).find('.') == Bytes::npos) keys.push_back(row->key);
  }
  return keys;
}

// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours.
size_t distance(Bytes a, Bytes b) {
  constexpr size_t kMax = 64;
  if (a.size() >= kMax || b.size() >= kMax) return kMax;
  std::array<std::array<size_t, kMax>, 3> rows{};
  for (size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    auto& now = rows[i % 3];
    const auto& one = rows[(i + 2) % 3];
    const auto& two = rows[(i + 1) % 3];
    now[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({one[j] + 1, now[j - 1] + 1, one[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = std::min(now[j], two[j - 2] + 1);
    }
  }
  return rows[a.size() % 3][b.size()];
}

}  // namespace

std::string key_fault(const std::vector<Bytes>& known, const std::string& key) {
  Bytes nearest;
  size_t best = std::max<size_t>(2, key.size() / 4) + 1;
  for (Bytes candidate : known) {
    size_t d = distance(key, candidate);
    if (d < best && d < candidate.size()) {
      best = d;
      nearest = candidate;
    }
  }
  std::string reason = "unknown key";
  if (!nearest.empty()) reason += ", did you mean " + std::string(nearest) + "?";
  return reason;
}

std::string key_fault(Scope scope, const std::string& key) {
  bool global = scope == Scope::global;
  if (!global && has(kRouteLater, key)) return "not supported yet: " + key;
  bool foreign = global ? has(kGlobalForeign, key) || has_prefix_of(kForeignPrefixes, key)
                        : has(kRouteForeign, key) || has_prefix_of(kRouteForeignPrefixes, key);
  // "authorize_timeout" and the like are ours.
  if (foreign && !is_known(scope, key)) return "not supported by cardea: " + key;
  if (is_known(global ? Scope::route : Scope::global, key)) {
    return global ? "unknown key: it belongs in a route" : "unknown key: it belongs at the top of the file";
  }
  return key_fault(known_keys(scope), key);
}

}  // namespace cardea::config
