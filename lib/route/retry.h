// When a failed exchange may be tried again, and after how long. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "http/http.h"

namespace cardea::route {

// retry_policy: Envoy's words, meanings and defaults.
struct RetryPolicy {
  enum On : uint32_t {
    server_error = 1 << 0,   // "5xx": any 5xx, and everything of `reset` and connect_failure
    gateway_error = 1 << 1,  // 502, 503, 504, and no answer at all
    reset = 1 << 2,          // disconnect, reset, read time-out before an answer
    connect_failure = 1 << 3,
    refused_stream = 1 << 4,
    retriable_4xx = 1 << 5,  // 409
    retriable_status_codes = 1 << 6,
    retriable_headers = 1 << 7,  // of the answer
    envoy_ratelimited = 1 << 8,  // x-envoy-ratelimited in the answer
    reset_before_request = 1 << 9,
    cancelled = 1 << 10,  // gRPC statuses in the answer's head ("trailers only")
    deadline_exceeded = 1 << 11,
    internal = 1 << 12,
    resource_exhausted = 1 << 13,
    unavailable = 1 << 14,
  };
  uint32_t on = 0;
  uint32_t num_retries = 1;
  Millis per_try_timeout = 0, per_try_idle_timeout = 0;  // 0: off
  Millis base_interval = 25, max_interval = 250;         // retry_back_off
  std::vector<uint16_t> status_codes;                    // retriable_status_codes
  std::vector<std::string> header_names;                 // retriable_headers: present in the answer; lower case
  bool operator==(const RetryPolicy&) const = default;
};

// Reads "5xx,connect-failure"; false: an unknown word, which `bad` names.
bool parse_retry_on(Bytes words, uint32_t& on, std::string& bad);

// What happened to a try.
struct TryResult {
  const http::ResponseHead* head = nullptr;  // an answer came
  http::End end;                             // else: why none did
  bool per_try_timeout = false;
  bool connected = false;          // a connection was there
  bool may_have_been_seen = true;  // the service may have acted on the request
};
// Whether the policy wants it tried again, were it safe.
bool wants_retry(const RetryPolicy& policy, const TryResult& result);
// Whether a second execution does no harm: nothing was seen, or the method is idempotent (RFC 9110 9.2.2).
bool is_safe_to_retry(http::Method method, const TryResult& result);
// Full jitter: evenly over [1, min(max_interval, base_interval * 2^(retry - 1))]. `retry` counts from 1.
Millis back_off(const RetryPolicy& policy, uint32_t retry, Random& random);

}  // namespace cardea::route
