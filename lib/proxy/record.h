// What is kept of an exchange when it is over: counters and the access record.
#pragma once

#include <string>

#include "proxy/counters.h"

namespace cardea::proxy {

class Exchange;

void count_outcome(Counters& counters, const Exchange& exchange);

// One JSON object without a newline: time, request_id, trace_id, listener, peer, client_ip, protocol, tls_version, sni,
// method, host, path, route, decision, rule, reasons, user, email, identity_source, certificate_fingerprint,
// policy_generation, cluster, endpoint, upstream_protocol, status, bytes, timings, attempts, flags, cause, event.
// Before its end: bytes and duration so far, and neither flags nor cause. Never a query, a cookie or a credential. Any
// bytes in a request give valid JSON in valid UTF-8.
void append_access_record(std::string& out, const Exchange& exchange);

// A live exchange as one JSON object: the names above as far as they are known, and id, age_ms, state, bytes so far,
// lease_ms (until it is judged again at the latest; absent: only when something changes), identity_expires, and clocks
// (each: left_ms, and from where the setting came: route, global or default).
void append_live_record(std::string& out, const Exchange& exchange);

// "ok", "denied:by_rule", "truncated:upstream_reset".
void append_cause(std::string& out, const Exchange& exchange);

}  // namespace cardea::proxy
