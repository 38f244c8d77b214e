// Who may pass a route, and what its upstream is told about them.
#include <algorithm>

#include "config/freeze.h"

namespace cardea::config {

namespace {

constexpr size_t kMaxValues = 1000;  // of one shorthand key

bool is_on(const Value<bool>& value) {
  return value.set && !value.bad && value.value;
}

}  // namespace

std::vector<std::string> Freezer::freeze_names(const Value<std::vector<Text>>& texts, const Place& place,
                                               const char* key) {
  std::vector<std::string> out;
  if (texts.value.size() > kMaxValues) {
    fault(place, texts.mark, key, "has more than " + std::to_string(kMaxValues) + " values");
    return out;
  }
  for (const Text& text : texts.value) {
    if (text.value.empty()) fault(place, text.mark, key, "is empty");
    out.push_back(text.value);
  }
  return out;
}

void Freezer::freeze_idp_claims(const RouteDraft& draft, const Place& place, policy::Shorthand& out) {
  const Value<std::vector<Text>>& texts = draft.allowed_idp_claims;
  const std::string key = place.of("allowed_idp_claims");
  if (texts.value.size() > kMaxValues) {
    fault(place, texts.mark, "allowed_idp_claims", "has more than " + std::to_string(kMaxValues) + " claims");
    return;
  }
  for (const Text& text : texts.value) {
    const yaml::Mark& mark = text.mark.line != 0 ? text.mark : place.mark;
    auto tree = tree_of(text, key, mark, faults_);
    if (!tree) continue;
    if (tree->kind != yaml::Node::Kind::mapping || tree->entries.size() != 1) {
      faults_.add(mark, key, "must be an object with one claim and its values: {\"claim\": [\"value\"]}");
      continue;
    }
    const yaml::Entry& entry = tree->entries[0];
    const std::string& claim = entry.first.scalar;
    if (claim.empty()) faults_.add(mark, key, "has a claim without a name");
    const Object object(*tree, key, {claim}, faults_);
    std::vector<std::string> values;
    for (Text& value : object.strings(claim)) values.push_back(std::move(value.value));
    if (values.size() > kMaxValues) object.fault(claim, "has more than " + std::to_string(kMaxValues) + " values");
    out.allowed_idp_claims.emplace_back(identity::normal_claim_path(claim), std::move(values));
  }
}

// False: a key had no value, and the policy without it would be another one.
bool Freezer::freeze_shorthand(const RouteDraft& draft, const Place& place, policy::Shorthand& out) {
  const size_t before = faults_.list().size();
  out.allow_public_unauthenticated_access = is_on(draft.allow_public_unauthenticated_access);
  out.allow_any_authenticated_user = is_on(draft.allow_any_authenticated_user);
  out.cors_allow_preflight = is_on(draft.cors_allow_preflight);
  out.allowed_users = freeze_names(draft.allowed_users, place, "allowed_users");
  out.allowed_domains = freeze_names(draft.allowed_domains, place, "allowed_domains");
  out.allowed_groups = freeze_names(draft.allowed_groups, place, "allowed_groups");
  for (const Text& text : draft.allowed_domains.value) {
    if (text.value.find('@') == std::string::npos) continue;
    fault(place, text.mark, "allowed_domains", "is a domain, without @: what follows the last @ of an address");
  }
  freeze_idp_claims(draft, place, out);
  // The wider key makes the narrower one pointless, and one of them is not what was meant.
  const Value<bool>& everybody = draft.allow_public_unauthenticated_access;
  const Value<bool>& anybody = draft.allow_any_authenticated_user;
  const char* wide = is_on(everybody) ? "allow_public_unauthenticated_access"
                     : is_on(anybody) ? "allow_any_authenticated_user"
                                      : nullptr;
  auto contradicts = [&](const yaml::Mark& mark, const char* key) {
    fault(place, mark, key, std::string("contradicts ") + wide);
  };
  if (is_on(everybody) && is_on(anybody)) contradicts(anybody.mark, "allow_any_authenticated_user");
  if (wide) {
    if (draft.allowed_users.set) contradicts(draft.allowed_users.mark, "allowed_users");
    if (draft.allowed_domains.set) contradicts(draft.allowed_domains.mark, "allowed_domains");
    if (draft.allowed_groups.set) contradicts(draft.allowed_groups.mark, "allowed_groups");
    if (draft.allowed_idp_claims.set) contradicts(draft.allowed_idp_claims.mark, "allowed_idp_claims");
  }
  const bool bad = everybody.bad || anybody.bad || draft.cors_allow_preflight.bad || draft.allowed_users.bad ||
                   draft.allowed_domains.bad || draft.allowed_groups.bad || draft.allowed_idp_claims.bad;
  return !bad && faults_.list().size() == before;
}

void Freezer::freeze_policy(const RouteDraft& draft, const Place& place, Route& out) {
  out.policy = policy::Policy::closed();
  policy::Shorthand shorthand;
  const bool good = freeze_shorthand(draft, place, shorthand);
  if (draft.policy && draft.policy->bad) return;
  // reject_connection too: what was fine in the handshake runs out, is revoked, or was fine for another route.
  const bool strict =
      out_->enforcement == Enforcement::policy_with_default_deny || out_->enforcement == Enforcement::reject_connection;
  shorthand.deny_invalid_certificate = strict && (out.client_trust || out_->client_trust);
  const std::string own_key = draft.policy ? draft.policy->key : "";
  auto made = policy::Policy::make(draft.policy ? &draft.policy->node : nullptr,
                                   own_key.empty() ? place.of("policy") : own_key, shorthand, faults_);
  if (!made || !good) return;
  out.policy = std::move(made);
}

void Freezer::freeze_route_identity(const RouteDraft& draft, const Place& place, Route& out) {
  out.client_trust = route_trust_[out.index];
  out.show_error_details = draft.show_error_details.value;
  out.pass_identity_headers =
      usable(draft.pass_identity_headers) ? draft.pass_identity_headers.value : draft_.pass_identity_headers.value;
  out.claim_headers =
      draft.jwt_claims_headers.set ? freeze_claim_headers(draft.jwt_claims_headers, place) : claim_headers_;
}

// A tunnel's connection is made for it, carries no HTTP and has no TLS of ours.
void Freezer::check_tcp_cluster(const ClusterDraft& draft, const Place& place) {
  auto refuse = [&](const auto& value, const char* key, const char* reason) {
    if (value.set) fault(place, value.mark, key, reason);
  };
  const char* http = "has no effect with from: tcp+https: a tunnel has a connection of its own";
  refuse(draft.preconnect_policy, "preconnect_policy", http);
  refuse(draft.upstream_idle_timeout, "upstream_idle_timeout", http);
  refuse(draft.max_requests_per_connection, "max_requests_per_connection", http);
  refuse(draft.max_upstream_connection_duration, "max_upstream_connection_duration", http);
  refuse(draft.http2_keepalive, "http2_keepalive", http);
  if (draft.to.set) return;  // what its URLs say has been looked at
  const char* tls = "has no effect with from: tcp+https: there is no TLS to the upstream";
  if (draft.tls_skip_verify.value) refuse(draft.tls_skip_verify, "tls_skip_verify", tls);
  refuse(draft.tls_server_name, "tls_server_name", tls);
  refuse(draft.tls_upstream_server_name, "tls_upstream_server_name", tls);
  refuse(draft.tls_custom_ca, "tls_custom_ca", tls);
  refuse(draft.tls_custom_ca_file, "tls_custom_ca_file", tls);
  refuse(draft.tls_client_cert, "tls_client_cert", tls);
  refuse(draft.tls_client_cert_file, "tls_client_cert_file", tls);
}

// Inside a tunnel nobody sees requests, so whatever is about them would be ignored.
void Freezer::check_tcp(const RouteDraft& draft, const Place& place, Route& out) {
  using Scheme = cluster::EndpointConfig::Scheme;
  const bool has_to = out.cluster && !out.cluster->endpoints.empty();
  const bool tcp_to = has_to && out.cluster->endpoints[0].scheme == Scheme::tcp;
  if (!out.tcp) {
    if (tcp_to && !draft.from.bad) fault(place, draft.cluster->to.mark, "to", "needs from: tcp+https://HOST:PORT");
    return;
  }
  if (!draft.cluster) {
    fault(place, draft.from.mark, "from", "needs to: tcp://HOST:PORT");
  } else if (has_to && !tcp_to) {
    fault(place, draft.cluster->to.mark, "to", "must be tcp://HOST:PORT: what comes through CONNECT is not HTTP");
  }
  auto refuse = [&](const auto& value, const char* key) {
    if constexpr (std::is_same_v<std::decay_t<decltype(value.value)>, bool>) {
      if (!value.value) return;
    }
    if (value.set) fault(place, value.mark, key, "has no effect with from: tcp+https: it is about HTTP requests");
  };
  refuse(draft.prefix, "prefix");
  refuse(draft.path, "path");
  refuse(draft.regex, "regex");
  refuse(draft.prefix_rewrite, "prefix_rewrite");
  refuse(draft.regex_rewrite_pattern, "regex_rewrite_pattern");
  refuse(draft.host_rewrite, "host_rewrite");
  refuse(draft.host_rewrite_header, "host_rewrite_header");
  refuse(draft.host_path_regex_rewrite_pattern, "host_path_regex_rewrite_pattern");
  refuse(draft.preserve_host_header, "preserve_host_header");
  refuse(draft.set_request_headers, "set_request_headers");
  refuse(draft.remove_request_headers, "remove_request_headers");
  refuse(draft.set_response_headers, "set_response_headers");
  refuse(draft.rewrite_response_headers, "rewrite_response_headers");
  refuse(draft.allow_websockets, "allow_websockets");
  refuse(draft.allow_upgrades, "allow_upgrades");
  refuse(draft.allow_spdy, "allow_spdy");
  refuse(draft.cors_allow_preflight, "cors_allow_preflight");
  refuse(draft.pass_identity_headers, "pass_identity_headers");
  refuse(draft.jwt_claims_headers, "jwt_claims_headers");
  refuse(draft.retry_policy, "retry_policy");
  if (draft.cluster) check_tcp_cluster(*draft.cluster, place);
  using By = route::HashPolicy::By;
  for (const route::HashPolicy& by : out.hash_policy) {
    if (by.by != By::header && by.by != By::cookie) continue;
    fault(place, draft.hash_policy.mark, "hash_policy",
          "may not use headers and cookies with from: tcp+https: nobody sees them");
    break;
  }
  // The global ones are about requests too.
  out.set_response_headers.clear();
  out.claim_headers.clear();
  out.pass_identity_headers = false;
}

}  // namespace cardea::config
