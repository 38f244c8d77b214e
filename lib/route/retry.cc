// The words of retry_on, and what they mean for one try.
#include "route/retry.h"

#include <algorithm>
#include <charconv>

namespace cardea::route {

namespace {

using http::EndCause;

struct Word {
  Bytes name;
  uint32_t bit;
};
constexpr Word kWords[] = {
    {"5xx", RetryPolicy::server_error},
    {"gateway-error", RetryPolicy::gateway_error},
    {"reset", RetryPolicy::reset},
    {"reset-before-request", RetryPolicy::reset_before_request},
    {"connect-failure", RetryPolicy::connect_failure},
    {"refused-stream", RetryPolicy::refused_stream},
    {"retriable-4xx", RetryPolicy::retriable_4xx},
    {"retriable-status-codes", RetryPolicy::retriable_status_codes},
    {"retriable-headers", RetryPolicy::retriable_headers},
    {"envoy-ratelimited", RetryPolicy::envoy_ratelimited},
    {"cancelled", RetryPolicy::cancelled},
    {"deadline-exceeded", RetryPolicy::deadline_exceeded},
    {"internal", RetryPolicy::internal},
    {"resource-exhausted", RetryPolicy::resource_exhausted},
    {"unavailable", RetryPolicy::unavailable},
};

// grpc-status numbers (gRPC's statuscodes.md) that have a word.
struct GrpcRow {
  int status;
  uint32_t bit;
};
constexpr GrpcRow kGrpc[] = {
    {1, RetryPolicy::cancelled},          {4, RetryPolicy::deadline_exceeded}, {13, RetryPolicy::internal},
    {8, RetryPolicy::resource_exhausted}, {14, RetryPolicy::unavailable},
};

Bytes trimmed(Bytes word) {
  while (!word.empty() && (word.front() == ' ' || word.front() == '\t')) word.remove_prefix(1);
  while (!word.empty() && (word.back() == ' ' || word.back() == '\t')) word.remove_suffix(1);
  return word;
}

bool wants_after_answer(const RetryPolicy& policy, const http::ResponseHead& head) {
  const uint32_t on = policy.on;
  const int status = head.status;
  const bool limited = head.fields.find("x-envoy-ratelimited") != nullptr;
  if (limited) return on & RetryPolicy::envoy_ratelimited;  // whoever limits does not want it again at once
  if ((on & RetryPolicy::server_error) && status / 100 == 5) return true;
  if ((on & RetryPolicy::gateway_error) && status >= 502 && status <= 504) return true;
  if ((on & RetryPolicy::retriable_4xx) && status == 409) return true;
  if ((on & RetryPolicy::retriable_status_codes) &&
      std::find(policy.status_codes.begin(), policy.status_codes.end(), head.status) != policy.status_codes.end()) {
    return true;
  }
  if (on & RetryPolicy::retriable_headers) {
    for (const std::string& name : policy.header_names) {
      if (head.fields.find(name)) return true;
    }
  }
  const http::Field* grpc = head.fields.find(http::FieldId::grpc_status);
  if (!grpc) return false;
  int code = -1;
  std::from_chars(grpc->value.data(), grpc->value.data() + grpc->value.size(), code);
  return std::any_of(std::begin(kGrpc), std::end(kGrpc),
                     [&](const GrpcRow& row) { return row.status == code && (on & row.bit); });
}

bool wants_without_answer(const RetryPolicy& policy, const TryResult& result) {
  const uint32_t on = policy.on;
  const EndCause cause = result.end.cause;
  const bool refused = cause == EndCause::upstream_reset && Bytes(result.end.detail) == "refused_stream";
  if (refused && (on & RetryPolicy::refused_stream)) return true;
  if (!result.connected) {
    const bool unreachable = result.per_try_timeout || cause == EndCause::connect_failed ||
                             cause == EndCause::connect_timeout || cause == EndCause::upstream_tls ||
                             cause == EndCause::upstream_reset || cause == EndCause::upstream_closed;
    constexpr uint32_t kAny = RetryPolicy::connect_failure | RetryPolicy::server_error | RetryPolicy::gateway_error |
                              RetryPolicy::reset | RetryPolicy::reset_before_request;
    return unreachable && (on & kAny);
  }
  const bool lost = cause == EndCause::upstream_reset || cause == EndCause::upstream_closed || result.per_try_timeout;
  if (!lost) return false;
  if (on & (RetryPolicy::server_error | RetryPolicy::gateway_error | RetryPolicy::reset)) return true;
  return !result.may_have_been_seen && (on & RetryPolicy::reset_before_request);
}

}  // namespace

bool parse_retry_on(Bytes words, uint32_t& on, std::string& bad) {
  on = 0;
  while (!words.empty()) {
    const size_t comma = std::min(words.find(','), words.size());
    const Bytes word = trimmed(words.substr(0, comma));
    words.remove_prefix(std::min(comma + 1, words.size()));
    auto row = std::find_if(std::begin(kWords), std::end(kWords), [&](const Word& w) { return w.name == word; });
    if (row == std::end(kWords)) {
      bad = word;
      return false;
    }
    on |= row->bit;
  }
  return true;
}

bool wants_retry(const RetryPolicy& policy, const TryResult& result) {
  return result.head ? wants_after_answer(policy, *result.head) : wants_without_answer(policy, result);
}

bool is_safe_to_retry(http::Method method, const TryResult& result) {
  return !result.may_have_been_seen || http::is_idempotent(method);
}

Millis back_off(const RetryPolicy& policy, uint32_t retry, Random& random) {
  const Millis base = std::max<Millis>(policy.base_interval, 1);
  const uint32_t doublings = std::min<uint32_t>(retry - 1, 32);
  const Millis most = std::min(std::max(policy.max_interval, base), base << doublings);
  return 1 + random.below(most);
}

}  // namespace cardea::route
