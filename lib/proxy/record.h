// What is kept of an exchange when it is over: counters and the access record.
#pragma once

#include <string>

#include "proxy/counters.h"

namespace cardea::proxy {

class Exchange;

void count_outcome(Counters& counters, const Exchange& exchange);

// One JSON object without a newline: time, request_id, listener, peer, client_ip, protocol, tls_version, sni, method,
// host, path, route, decision, reasons, policy_generation, cluster, endpoint, upstream_protocol, status, bytes,
// timings, attempts, flags, cause, event. Never a query, a cookie or a credential. Any bytes in a request give valid
// JSON in valid UTF-8.
void append_access_record(std::string& out, const Exchange& exchange);

// "ok", "denied:by_rule", "truncated:upstream_reset".
void append_cause(std::string& out, const Exchange& exchange);

}  // namespace cardea::proxy
