// Rows of the configuration's tests: every key with its effect, every fault with its place.
#pragma once

#include "config/config.h"

namespace cardea::config {

inline Bytes header(const std::vector<route::HeaderValue>& list, Bytes name, Arena& arena) {
  for (const auto& h : list) {
    if (h.name == name)
      return h.value.expand(
          arena, [](void*, Bytes) { return Bytes("?"); }, nullptr);
  }
  return "(none)";
}

// ---- keys -----------------------------------------------------------------------------------------

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
    {"drain_strategy: immediate", [](const Snapshot& s) { return s.drain_timeout == 600000; }},
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
    {"access_log: {path: 'off'}", [](const Snapshot& s) { return s.access_log == "off"; }},
    {"codec_type: auto", [](const Snapshot& s) { return s.listeners[0].codec == Codec::automatic; }},
    {"codec_type: http1", [](const Snapshot& s) { return s.listeners[0].codec == Codec::http1; }},
    {"codec_type: http2", [](const Snapshot& s) { return s.listeners[0].codec == Codec::http2; }},
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
    {"load_balancing_policy: round_robin", [](const Route& r) { return r.cluster->lb_policy == "round_robin"; }},
    {"lb_policy: ROUND_ROBIN", [](const Route& r) { return r.cluster->lb_policy == "round_robin"; }},
};

// ---- faults ---------------------------------------------------------------------------------------

struct FaultRow {
  const char* lines;
  const char* fault;  // null: any, in the first of these lines
};
// Whole files.
const FaultRow kTextFaults[] = {
    {"", "f:1:1: the file is empty"},
    {"# nothing\n", "f:1:1: the file is empty"},
    {"- a\n", "f:1:1: must be a mapping of keys to values"},
    {"just text", "f:1:1: must be a mapping of keys to values"},
    {"insecure_server: true\n", "f:1:1: routes: there are no routes"},
    {"insecure_server: true\nroutes: []\n", "f:2:9: routes: there are no routes"},
    {"insecure_server: true\nroutes:\n", "f:2:8: routes: must be a list of routes"},
    {"insecure_server: true\nroutes: {a: b}\n", "f:2:9: routes: must be a list of routes"},
    {"insecure_server: true\nroutes: [a]\n", "f:2:10: routes[0]: must be a mapping"},
};

// Line 6 of a file that is good otherwise.
const FaultRow kGlobalFaults[] = {
    {"timeout_read: 5", "f:6:15: timeout_read: must be a duration such as 500ms, 30s or 1h30m: '5' has no unit"},
    {"timeout_read: -5s", "f:6:15: timeout_read: must be a duration such as 500ms, 30s or 1h30m: '-5s' is negative"},
    {"timeout_read: 9000h", "f:6:15: timeout_read: must be between 0s and 8760h, not 9000h"},
    {"timeout_read:", "f:6:14: timeout_read: must be a duration such as 30s, not nothing"},
    {"connect_timeout: 0", "f:6:18: connect_timeout: must be between 1ms and 8760h, not 0s"},
    {"max_headers_count: 1e3", "f:6:20: max_headers_count: must be a whole decimal number, not a number (1e3)"},
    {"max_headers_count: 0", "f:6:20: max_headers_count: must be between 1 and 100000, not 0"},
    {"max_headers_count: '5'", "f:6:20: max_headers_count: must be a whole decimal number, not a string (5)"},
    {"skip_xff_append: yes", "f:6:18: skip_xff_append: must be true or false, not a boolean (yes)"},
    {"skip_xff_append: 1", "f:6:18: skip_xff_append: must be true or false, not a number (1)"},
    {"codec_type: http3", "f:6:13: codec_type: not supported yet: http3"},
    {"codec_type: h2", "f:6:13: codec_type: must be one of auto, http1, http2, http3, not 'h2'"},
    {"drain_strategy: gradual", "f:6:17: drain_strategy: not supported yet: gradual"},
    {"headers_with_underscores_action: drop",
     "f:6:34: headers_with_underscores_action: must be one of allow, reject_request, drop_header, not 'drop'"},
    {"dns_resolvers: [example.com:53]",
     "f:6:17: dns_resolvers: must be udp://ADDRESS:PORT, tcp://ADDRESS:PORT or ADDRESS:PORT, not 'example.com:53'"},
    {"dns_resolvers: {a: b}", "f:6:16: dns_resolvers: must be a string, not a mapping"},
    {"access_log: /x", "f:6:13: access_log: must be a mapping"},
    {"access_log: {pth: /x}", "f:6:14: access_log.pth: unknown key, did you mean path?"},
    {"access_log: {path: ''}", "f:6:20: access_log.path: is empty; off turns the log off"},
    {"access_log: {path: off}",
     "f:6:20: access_log.path: must be a string: YAML readers take off for a boolean, put it in quotes"},
    {"http_redirect_addr: 127.0.0.1", nullptr},
    {"set_response_headers: [a]", "f:6:23: set_response_headers: must be a mapping of names to values"},
    {"set_response_headers: {'a b': c}", "f:6:24: set_response_headers.a b: is not the name of a header"},
    {"set_response_headers: {a: [b]}", "f:6:27: set_response_headers.a: must be a string, not a list"},
    {"set_response_headers: {a: \"b\\r\\nc: d\"}",
     "f:6:27: set_response_headers.a: has characters that cannot stand in a header"},
    {"set_response_headers: {a: b, A: c}", "f:6:33: set_response_headers.A: is set twice"},
    {"set_response_headers: {disable: true, a: b}", "f:6:33: set_response_headers.disable: must stand alone"},
    {"set_response_headers: {disable: false}", "f:6:33: set_response_headers.disable: must be true"},
    {"set_response_headers: {Transfer-Encoding: chunked}",
     "f:6:43: set_response_headers.Transfer-Encoding: belongs to the connection and cannot be changed"},
    {"set_response_headers: {a: '${pomerium.jwt}'}",
     "f:6:27: set_response_headers.a: tokens stand in set_request_headers only: ${pomerium.jwt}"},
    {"timeout_raed: 5s", "f:6:1: timeout_raed: unknown key, did you mean timeout_read?"},
    {"adress: ':1'", "f:6:1: adress: unknown key, did you mean address?"},
    {"zzzzzz: 1", "f:6:1: zzzzzz: unknown key"},
    {"access_log.path: /x", "f:6:1: access_log.path: unknown key"},
    {"redirect_to_https: true", "f:6:1: redirect_to_https: unknown key"},
    {"prefix: /x", "f:6:1: prefix: unknown key: it belongs in a route"},
    {"jwt_providers: {}", "f:6:1: jwt_providers: not supported yet: jwt_providers"},
    {"idp_provider: google", "f:6:1: idp_provider: not supported by cardea: idp_provider"},
    {"timeout_idle: 1s\ntimeout_idle: 2s", "f:7:1: timeout_idle: duplicate key, first used in line 6"},
    {"certificate: x", nullptr},
    {"certificates: {}", nullptr},
};

// In front of a good route.
const FaultRow kListenerFaults[] = {
    {"address: 127.0.0.1:8080\ninsecure_server: true\nhttp_redirect_addr: 127.0.0.1:8080\n",
     "f:3:21: http_redirect_addr: is the address of another listener"},
    {"insecure_server: nope\naddress: ':0'\n", "f:1:18: insecure_server: must be true or false, not a string (nope)"},
    {"certificate: x\naddress: ':0'\n", "f:1:14: certificate: needs certificate_key too"},
    {"certificate_key: x\naddress: ':0'\n", "f:1:18: certificate_key: needs certificate too"},
    {"certificates: [{cert: x}]\n",
     "f:1:16: certificates[0]: has no key\n"
     "f:1:23: certificates[0].cert: cannot read x: No such file or directory"},
    {"certificates: [x]\n", "f:1:16: certificates[0]: must be a mapping with cert and key"},
    {"certificates: x\n", "f:1:15: certificates: must be a list of {cert, key}"},
    {"certificates: [{cert: /nonexistent/c, key: /nonexistent/k}]\n",
     "f:1:23: certificates[0].cert: cannot read /nonexistent/c: No such file or directory\n"
     "f:1:44: certificates[0].key: cannot read /nonexistent/k: No such file or directory"},
    {"certificate: a\ncertificate_file: b\ncertificate_key: c\ninsecure_server: true\n",
     "f:2:1: certificate_file: is given twice: certificate is there too\n"
     "f:4:18: insecure_server: contradicts the certificates in line 1: a listener without TLS uses none"},
    {"certificate_authority: a\ncertificate_authority_file: b\ninsecure_server: true\n",
     "f:2:29: certificate_authority_file: is given twice: certificate_authority is there too"},
    {"certificate_authority: ''\ninsecure_server: true\n", "f:1:24: certificate_authority: is empty"},
};

// Lines of the only route, from line 6 on.
const FaultRow kRouteFaults[] = {
    {"prefix: p", "f:6:11: routes[0].prefix: must begin with /"},
    {"prefix: /p?q", "f:6:11: routes[0].prefix: may not have a query or a fragment"},
    {"prefix: /p//q", "f:6:11: routes[0].prefix: no request can have this path: it becomes /p/q"},
    {"path: /p/../q", "f:6:9: routes[0].path: no request can have this path: it becomes /q"},
    {"path: /p\nprefix: /q", "f:4:3: routes[0]: may have only one of prefix, path and regex"},
    {"regex: ''", "f:6:10: routes[0].regex: is empty"},
    {"regex_priority_order: 1", "f:6:25: routes[0].regex_priority_order: has no effect without regex"},
    {"prefix_rewrite: q", "f:6:19: routes[0].prefix_rewrite: must begin with /"},
    {"prefix_rewrite: /q\nregex_rewrite_pattern: x",
     "f:7:26: routes[0].regex_rewrite_pattern: contradicts prefix_rewrite"},
    {"regex_rewrite_substitution: x",
     "f:6:31: routes[0].regex_rewrite_substitution: has no effect without regex_rewrite_pattern"},
    {"host_rewrite: h\npreserve_host_header: true",
     "f:4:3: routes[0]: may have only one of host_rewrite, host_rewrite_header, host_path_regex_rewrite_pattern and "
     "preserve_host_header"},
    {"host_rewrite: 'a b'", "f:6:17: routes[0].host_rewrite: is not a host"},
    {"host_rewrite_header: 'a b'", "f:6:24: routes[0].host_rewrite_header: is not the name of a header"},
    {"set_request_headers: {a: '${pomerium.jwt}'}",
     "f:6:28: routes[0].set_request_headers.a: not supported yet: ${pomerium.jwt}"},
    {"set_request_headers: {Host: x}",
     "f:6:31: routes[0].set_request_headers.Host: is set by host_rewrite and its like"},
    {"set_request_headers: {content-length: 1}",
     "f:6:41: routes[0].set_request_headers.content-length: belongs to the connection and cannot be changed"},
    {"remove_request_headers: [host]",
     "f:6:28: routes[0].remove_request_headers: host is set by host_rewrite and its like"},
    {"remove_request_headers: ['a b']", "f:6:28: routes[0].remove_request_headers: a b is not the name of a header"},
    {"rewrite_response_headers: x",
     "f:6:29: routes[0].rewrite_response_headers: must be a list of {header, prefix, value}"},
    {"rewrite_response_headers: [{header: 'a b', prefix: x}]",
     "f:6:30: routes[0].rewrite_response_headers[0]: header is not the name of a header"},
    {"rewrite_response_headers: [{header: a, prfix: x}]",
     "f:6:42: routes[0].rewrite_response_headers[0].prfix: unknown key, did you mean prefix?"},
    {"rewrite_response_headers: [{prefix: x}]", "f:6:30: routes[0].rewrite_response_headers[0]: has no header"},
    {"idle_timeout: 10m",
     "f:6:17: routes[0].idle_timeout: may be 0 (off) but not longer than stream_idle_timeout (5m)"},
    {"policy: null", "f:6:11: routes[0].policy: must be a policy: a mapping with allow or deny, or a list of them"},
    {"policy: 'x'", "f:6:11: routes[0].policy: must be a policy: a mapping with allow or deny, or a list of them"},
    {"allow_public_unauthenticated_access: yes",
     "f:6:40: routes[0].allow_public_unauthenticated_access: must be true or false, not a boolean (yes)"},
    {"load_balancing_policy: maglev", "f:6:26: routes[0].load_balancing_policy: not supported yet: maglev"},
    {"lb_policy: RING_HASH", "f:6:14: routes[0].lb_policy: not supported yet: ring_hash"},
    {"lb_policy: fastest",
     "f:6:14: routes[0].lb_policy: must be one of round_robin, least_request, ring_hash, maglev, random, not "
     "'fastest'"},
    {"lb_policy: round_robin\nload_balancing_policy: round_robin",
     "f:6:14: routes[0].lb_policy: is the old name of load_balancing_policy, which is there too"},
    {"tls_skip_verify: true", "f:6:20: routes[0].tls_skip_verify: has no effect: no URL of to begins with https"},
    {"tls_server_name: x", "f:6:20: routes[0].tls_server_name: has no effect: no URL of to begins with https"},
    {"tls_client_cert: /nonexistent/c", nullptr},
    {"redirect: {https_redirect: true}", "f:4:3: routes[0]: may have only one of to, redirect and response"},
    {"redirect.https_redirect: true", "f:6:3: routes[0].redirect.https_redirect: unknown key"},
    {"perfix: /x", "f:6:3: routes[0].perfix: unknown key, did you mean prefix?"},
    {"timeout_read: 1s", "f:6:3: routes[0].timeout_read: unknown key: it belongs at the top of the file"},
    {"cors_allow_preflight: true", "f:6:3: routes[0].cors_allow_preflight: not supported yet: cors_allow_preflight"},
    {"mcp: {}", "f:6:3: routes[0].mcp: not supported by cardea: mcp"},
    {"idp_client_id: x", "f:6:3: routes[0].idp_client_id: not supported by cardea: idp_client_id"},
    {"regex: '('", nullptr},
    {"regex_rewrite_pattern: '('", nullptr},
    {"policy: {alow: {}}", nullptr},
    {"policy: {allow: {or: [{emial: x}]}}", nullptr},
};

// The list of routes, from line 4 on.
const FaultRow kEndFaults[] = {
    {"- to: http://b\n", "f:4:3: routes[0]: has no from"},
    {"- from: https://a\n", "f:4:3: routes[0]: needs to, redirect or response"},
    {"- {from: a.example, to: http://b}\n", "f:4:10: routes[0].from: must be https://HOST or https://HOST:PORT"},
    {"- {from: ftp://a, to: http://b}\n", "f:4:10: routes[0].from: must be https://HOST or https://HOST:PORT"},
    {"- {from: tcp+https://a:22, to: http://b}\n", "f:4:10: routes[0].from: not supported yet: tcp+https"},
    {"- {from: ssh://a, to: http://b}\n", "f:4:10: routes[0].from: not supported by cardea: ssh"},
    {"- {from: https://a/x, to: http://b}\n",
     "f:4:10: routes[0].from: may not have a path or a query: use prefix, path or regex"},
    {"- {from: https://u@a, to: http://b}\n", "f:4:10: routes[0].from: may not have a user"},
    {"- {from: https://, to: http://b}\n", "f:4:10: routes[0].from: has no valid host"},
    {"- {from: https://a:0, to: http://b}\n", "f:4:10: routes[0].from: has no valid host"},
    {"- {from: https://a:99999, to: http://b}\n", "f:4:10: routes[0].from: has no valid host"},
    {"- {from: https://a..b, to: http://b}\n", "f:4:10: routes[0].from: has no valid host"},
    {"- {from: https://a.*.b, to: http://b}\n",
     "f:4:10: routes[0].from: may have a wildcard only as its first label: *.example.com"},
    {"- {from: https://*a.b, to: http://b}\n",
     "f:4:10: routes[0].from: may have a wildcard only as its first label: *.example.com"},
    {"- {from: https://a, to: b}\n", "f:4:25: routes[0].to: must be a URL such as https://host:443"},
    {"- {from: https://a, to: []}\n", "f:4:25: routes[0].to: is empty"},
    {"- {from: https://a, to: ftp://b}\n",
     "f:4:25: routes[0].to: must begin with http://, https://, h2c://, http+unix:// or https+unix://"},
    {"- {from: https://a, to: tcp://b:1}\n", "f:4:25: routes[0].to: not supported yet: tcp"},
    {"- {from: https://a, to: http://u:p@b}\n", "f:4:25: routes[0].to: may not have a user"},
    {"- {from: https://a, to: http://b?x}\n", "f:4:25: routes[0].to: may not have a query or a fragment"},
    {"- {from: https://a, to: http://b:70000}\n", "f:4:25: routes[0].to: has no valid host"},
    {"- {from: https://a, to: 'http://b,0'}\n", "f:4:25: routes[0].to: has no valid weight behind its comma"},
    {"- {from: https://a, to: ['http://b,x']}\n", "f:4:26: routes[0].to: has no valid weight behind its comma"},
    {"- {from: https://a, to: ['http://b,1', http://c]}\n",
     "f:4:25: routes[0].to: needs a weight behind every URL or behind none"},
    {"- {from: https://a, to: ['http://b,4294967295', 'http://c,1']}\n",
     "f:4:25: routes[0].to: has weights whose sum passes 4294967295"},
    {"- {from: https://a, to: [https://b, h2c://c]}\n", "f:4:25: routes[0].to: may not mix h2c with https"},
    {"- {from: https://a, to: [http://b, 'http+unix:///s']}\n",
     "f:4:25: routes[0].to: may not mix unix sockets with other URLs"},
    {"- {from: https://a, to: [http://b/x, http://c/y]}\n",
     "f:4:38: routes[0].to[1]: has another path than the first URL, whose path goes for all"},
    {"- {from: https://a, to: http+unix://s}\n",
     "f:4:25: routes[0].to: has no valid socket path: http+unix:///run/service.sock"},
    {"- {from: https://a, to: 'https+unix:///s'}\n",
     "f:4:25: routes[0].to: needs tls_upstream_server_name: a socket's path is no name to verify"},
    {"- {from: https://a, to: http://b/x, prefix_rewrite: /y}\n",
     "f:4:53: routes[0].prefix_rewrite: contradicts the path in to (/x)"},
    {"- {from: https://a, to: {x: y}}\n", "f:4:25: routes[0].to: must be a string, not a mapping"},
    {"- {from: 5, to: [http://b, 007]}\n",
     "f:4:10: routes[0].from: must be https://HOST or https://HOST:PORT\n"
     "f:4:28: routes[0].to[1]: must be a string: YAML readers take 007 for a number, put it in quotes"},
    {"- {from: https://a, redirect: {}}\n", "f:4:31: routes[0].redirect: leads back to the same address"},
    {"- {from: https://a, redirect: {response_code: 305, path_redirect: /x}}\n",
     "f:4:47: routes[0].redirect.response_code: must be 301, 302, 303, 307 or 308"},
    {"- {from: https://a, redirect: {path_redirect: x}}\n",
     "f:4:47: routes[0].redirect.path_redirect: must begin with /"},
    {"- {from: https://a, redirect: {path_redirect: /x, prefix_rewrite: /y}}\n",
     "f:4:67: routes[0].redirect.prefix_rewrite: contradicts path_redirect"},
    {"- {from: https://a, redirect: {https_redirect: true, scheme_redirect: http}}\n",
     "f:4:71: routes[0].redirect.scheme_redirect: contradicts https_redirect"},
    {"- {from: https://a, redirect: {host_redirect: 'b/c'}}\n",
     "f:4:47: routes[0].redirect.host_redirect: is not a host"},
    {"- {from: https://a, redirect: {hots_redirect: b}}\n",
     "f:4:32: routes[0].redirect.hots_redirect: unknown key, did you mean host_redirect?"},
    {"- {from: https://a, response: {}}\n", "f:4:31: routes[0].response: needs status or body"},
    {"- {from: https://a, response: {status: 204, body: x}}\n",
     "f:4:51: routes[0].response.body: cannot go with status 204"},
    {"- {from: https://a, response: {status: 100}}\n",
     "f:4:40: routes[0].response.status: must be between 200 and 599, not 100\n"},
    {"- {from: https://a, redirect: {path_redirect: /x}, prefix_rewrite: /y, tls_skip_verify: false, timeout: 1s}\n",
     "f:4:52: routes[0].prefix_rewrite: has no effect without to\n"
     "f:4:96: routes[0].timeout: has no effect without to"},
};

}  // namespace cardea::config
