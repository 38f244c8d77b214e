// Rows of the configuration's tests: every key with its effect.
#pragma once

#include "config_fixture.h"

namespace cardea::config {

struct GlobalRow {
  const char* lines;
  bool (*check)(const Snapshot&);
};
const GlobalRow kGlobals[] = {
    {"timeout_read: 1s", [](const Snapshot& s) { return s.timeout_read == 1000 && s.option(1001) == 1000; }},
    {"timeout_write: 2s", [](const Snapshot& s) { return s.timeout_write == 2000; }},
    {"timeout_idle: 0", [](const Snapshot& s) { return s.timeout_idle == 0; }},
    {"default_upstream_timeout: 3s", [](const Snapshot& s) { return s.routes[0].timeout == 3000; }},
    {"request_headers_timeout: 4s", [](const Snapshot& s) { return s.request_headers_timeout == 4000; }},
    {"tls_handshake_timeout: 5s", [](const Snapshot& s) { return s.tls_handshake_timeout == 5000; }},
    {"connect_timeout: 6s", [](const Snapshot& s) { return s.routes[0].cluster->connect_timeout == 6000; }},
    {"stream_idle_timeout: 7s", [](const Snapshot& s) { return s.routes[0].idle_timeout == 7000; }},
    {"max_stream_duration: 8s", [](const Snapshot& s) { return s.routes[0].max_stream_duration == 8000; }},
    {"max_connection_duration: 9s", [](const Snapshot& s) { return s.max_connection_duration == 9000; }},
    {"drain_timeout: 10s", [](const Snapshot& s) { return s.drain_timeout == 10000; }},
    {"drain_strategy: immediate", [](const Snapshot& s) { return !s.drain_gradual && s.drain_timeout == 600000; }},
    {"drain_strategy: gradual", [](const Snapshot& s) { return s.drain_gradual; }},
    {"authorize_timeout: 1500ms", [](const Snapshot& s) { return s.authorize_timeout == 1500; }},
    {"max_request_headers_kb: 4",
     [](const Snapshot& s) { return s.limits.max_head_bytes == 4096 && s.limits.max_request_line == 4096; }},
    {"max_headers_count: 5", [](const Snapshot& s) { return s.limits.max_fields == 5; }},
    {"max_connections: 6", [](const Snapshot& s) { return s.max_connections == 6; }},
    {"max_concurrent_streams: 7",
     [](const Snapshot& s) {
       return s.limits.max_concurrent_streams == 7 && s.routes[0].cluster->limits.max_concurrent_streams == 7;
     }},
    {"per_connection_buffer_limit_bytes: 2048",
     [](const Snapshot& s) {
       return s.limits.buffer_limit == 2048 && s.routes[0].buffer_limit == 2048 &&
              s.routes[0].cluster->limits.buffer_limit == 2048;
     }},
    {"skip_xff_append: true", [](const Snapshot& s) { return s.forwarding.skip_xff_append; }},
    {"xff_num_trusted_hops: 2", [](const Snapshot& s) { return s.forwarding.xff_num_trusted_hops == 2; }},
    {"normalize_path: false", [](const Snapshot& s) { return !s.path.normalize; }},
    {"merge_slashes: false", [](const Snapshot& s) { return !s.path.merge_slashes; }},
    {"path_with_escaped_slashes_action: keep_unchanged",
     [](const Snapshot& s) { return s.path.escaped == http::PathOptions::Escaped::keep_unchanged; }},
    {"path_with_escaped_slashes_action: reject_request",
     [](const Snapshot& s) { return s.path.escaped == http::PathOptions::Escaped::reject_request; }},
    {"path_with_escaped_slashes_action: unescape_and_redirect",
     [](const Snapshot& s) { return s.path.escaped == http::PathOptions::Escaped::unescape_and_redirect; }},
    {"path_with_escaped_slashes_action: unescape_and_forward",
     [](const Snapshot& s) { return s.path.escaped == http::PathOptions::Escaped::unescape_and_forward; }},
    {"headers_with_underscores_action: allow",
     [](const Snapshot& s) { return s.limits.underscores == http::CodecLimits::Underscores::allow; }},
    {"headers_with_underscores_action: reject_request",
     [](const Snapshot& s) { return s.limits.underscores == http::CodecLimits::Underscores::reject_request; }},
    {"headers_with_underscores_action: drop_header",
     [](const Snapshot& s) { return s.limits.underscores == http::CodecLimits::Underscores::drop_field; }},
    {"dns_lookup_family: AUTO",
     [](const Snapshot& s) { return s.routes[0].cluster->dns_family == net::Family::automatic; }},
    {"dns_lookup_family: V4_ONLY",
     [](const Snapshot& s) { return s.routes[0].cluster->dns_family == net::Family::v4_only; }},
    {"dns_lookup_family: V6_ONLY",
     [](const Snapshot& s) { return s.routes[0].cluster->dns_family == net::Family::v6_only; }},
    {"dns_lookup_family: ALL", [](const Snapshot& s) { return s.routes[0].cluster->dns_family == net::Family::all; }},
    {"dns_refresh_rate: 1m", [](const Snapshot& s) { return s.routes[0].cluster->dns_refresh == 60000; }},
    {"dns_failure_refresh_rate: 2s",
     [](const Snapshot& s) { return s.routes[0].cluster->dns_failure_refresh == 2000; }},
    {"dns_query_timeout: 3s", [](const Snapshot& s) { return s.routes[0].cluster->dns.query_timeout == 3000; }},
    {"dns_query_tries: 4", [](const Snapshot& s) { return s.routes[0].cluster->dns.tries == 4; }},
    {"dns_udp_max_queries: 5", [](const Snapshot& s) { return s.routes[0].cluster->dns.udp_max_queries == 5; }},
    {"dns_use_tcp: true", [](const Snapshot& s) { return s.routes[0].cluster->dns.use_tcp; }},
    {"dns_resolvers: [udp://1.1.1.1:53, 'tcp://[::1]:54', 9.9.9.9:55]",
     [](const Snapshot& s) {
       return s.routes[0].cluster->dns.servers ==
              std::vector<std::string>{"udp://1.1.1.1:53", "tcp://[::1]:54", "9.9.9.9:55"};
     }},
    {"workers: 3", [](const Snapshot& s) { return s.workers == 3; }},
    {"workers: 0", [](const Snapshot& s) { return s.workers >= 1 && s.option(OPT_GLOBAL_WORKERS) == s.workers; }},
    {"access_log: {path: /var/log/x}", [](const Snapshot& s) { return s.access_log == "/var/log/x"; }},
    {"access_log: {periodic_interval: 90s}", [](const Snapshot& s) { return s.access_log_interval == 90'000; }},
    {"access_log: {path: 'off', periodic_interval: 0}",
     [](const Snapshot& s) { return s.access_log == "off" && s.access_log_interval == 0; }},
    {"access_log: {path: 'off'}", [](const Snapshot& s) { return s.access_log == "off"; }},
    {"codec_type: auto", [](const Snapshot& s) { return s.listeners[0].codec == Codec::automatic; }},
    {"codec_type: http1", [](const Snapshot& s) { return s.listeners[0].codec == Codec::http1; }},
    {"codec_type: http2", [](const Snapshot& s) { return s.listeners[0].codec == Codec::http2; }},
    {"reuse_port: true", [](const Snapshot& s) { return s.listeners[0].reuse_port; }},
    {"use_proxy_protocol: true", [](const Snapshot& s) { return s.listeners[0].proxy_protocol; }},
    {"http_redirect_addr: 127.0.0.1:8080",
     [](const Snapshot& s) {
       const Listener& l = s.listeners.at(1);
       return l.redirect_to_https && !l.tls && l.address.port() == 8080 && !s.listeners[0].redirect_to_https;
     }},
    {"set_response_headers: {X-A: b}",
     [](const Snapshot& s) {
       Arena arena;
       return s.routes[0].set_response_headers.size() == 1 &&
              header(s.routes[0].set_response_headers, "X-A", arena) == "b";
     }},
    {"set_response_headers: {disable: true}",
     [](const Snapshot& s) { return s.routes[0].set_response_headers.empty(); }},
    {"set_response_headers: {}", [](const Snapshot& s) { return s.routes[0].set_response_headers.size() == 2; }},
};

struct RouteRow {
  const char* lines;
  bool (*check)(const Route&);
};
const RouteRow kRouteRows[] = {
    {"name: one", [](const Route& r) { return r.name == "one" && r.cluster->name == "one"; }},
    {"description: text", [](const Route& r) { return r.index == 0; }},
    {"logo_url: https://x/y.png", [](const Route& r) { return r.index == 0; }},
    {"prefix: /p",
     [](const Route& r) {
       return r.match.kind == route::Match::Path::prefix && r.match.path == "/p" && r.name == "https://a.example/p";
     }},
    {"path: /p", [](const Route& r) { return r.match.kind == route::Match::Path::exact && r.match.path == "/p"; }},
    {"regex: '/p/[0-9]+'\nregex_priority_order: -9",
     [](const Route& r) {
       return r.match.kind == route::Match::Path::regex && r.match.path == "/p/[0-9]+" && r.match.regex_priority == -9;
     }},
    {"prefix_rewrite: /q", [](const Route& r) { return r.rewrite.has_prefix && r.rewrite.prefix == "/q"; }},
    {"regex_rewrite_pattern: '^/a'\nregex_rewrite_substitution: /b",
     [](const Route& r) {
       Arena arena;
       return r.rewrite.regex && r.rewrite.regex->apply("/a/c", arena) == "/b/c" && !r.rewrite.has_prefix;
     }},
    {"host_rewrite: h.example:81", [](const Route& r) { return r.rewrite.host == "h.example:81"; }},
    {"host_rewrite_header: X-Host", [](const Route& r) { return r.rewrite.host_header == "X-Host"; }},
    {"host_path_regex_rewrite_pattern: '^/(.*)$'\nhost_path_regex_rewrite_substitution: '\\1'",
     [](const Route& r) {
       Arena arena;
       return r.rewrite.host_from_path && r.rewrite.host_from_path->apply("/x", arena) == "x";
     }},
    {"preserve_host_header: true", [](const Route& r) { return r.rewrite.preserve_host; }},
    {"set_request_headers: {X-A: 'a$$b', X-B: 1}",
     [](const Route& r) {
       Arena arena;
       return r.set_request_headers.size() == 2 && header(r.set_request_headers, "X-A", arena) == "a$b" &&
              header(r.set_request_headers, "X-B", arena) == "1";
     }},
    {"remove_request_headers: [X-A, X-B]",
     [](const Route& r) {
       return r.remove_request_headers == std::vector<std::string>{"X-A", "X-B"};
     }},
    {"set_response_headers: {x-frame-options: DENY, X-C: c}",
     [](const Route& r) {
       Arena arena;
       return r.set_response_headers.size() == 3 &&
              header(r.set_response_headers, "x-frame-options", arena) == "DENY" &&
              header(r.set_response_headers, "X-C", arena) == "c" &&
              header(r.set_response_headers, "X-XSS-Protection", arena) == "1; mode=block" &&
              header(r.set_response_headers, "Strict-Transport-Security", arena) == "(none)";
     }},
    {"set_response_headers: {disable: true}", [](const Route& r) { return r.set_response_headers.empty(); }},
    {"rewrite_response_headers: [{header: Location, prefix: 'http://b/', value: 'https://a/'}]",
     [](const Route& r) {
       return r.rewrite_response_headers ==
              std::vector<route::RewriteResponseHeader>{{"Location", "http://b/", "https://a/"}};
     }},
    {"timeout: 1s", [](const Route& r) { return r.timeout == 1000; }},
    {"timeout: 0", [](const Route& r) { return r.timeout == 0; }},
    {"idle_timeout: 2s", [](const Route& r) { return r.idle_timeout == 2000; }},
    {"idle_timeout: 0s", [](const Route& r) { return r.idle_timeout == 0; }},
    {"max_stream_duration: 3s", [](const Route& r) { return r.max_stream_duration == 3000; }},
    {"connect_timeout: 4s", [](const Route& r) { return r.cluster->connect_timeout == 4000; }},
    {"per_connection_buffer_limit_bytes: 4096",
     [](const Route& r) { return r.buffer_limit == 4096 && r.cluster->limits.buffer_limit == 4096; }},
    {"allow_public_unauthenticated_access: true", [](const Route& r) { return *r.policy == *policy::Policy::open(); }},
    {"allow_public_unauthenticated_access: false",
     [](const Route& r) { return *r.policy == *policy::Policy::closed(); }},
    {"policy: {allow: {or: [{accept: true}]}}",
     [](const Route& r) { return r.policy->evaluate({}).verdict == policy::Verdict::allow; }},
    {"policy: []", [](const Route& r) { return r.policy->evaluate({}).verdict == policy::Verdict::deny; }},
    {"allow_public_unauthenticated_access: true\npolicy: [{deny: {or: [{accept: true}]}}]",
     [](const Route& r) { return r.policy->evaluate({}).verdict == policy::Verdict::deny; }},
    {"allow_public_unauthenticated_access: true\npolicy: {deny: {or: [{reject: true}]}}",
     [](const Route& r) { return r.policy->evaluate({}).verdict == policy::Verdict::allow; }},
    {"load_balancing_policy: round_robin",
     [](const Route& r) { return r.cluster->balance.algorithm == "round_robin"; }},
    {"lb_policy: ROUND_ROBIN", [](const Route& r) { return r.cluster->balance.algorithm == "round_robin"; }},
};

}  // namespace cardea::config
