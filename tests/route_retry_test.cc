// retry_policy: every word against every kind of result; what is safe; how long is waited.
#include "route/retry.h"

#include <gtest/gtest.h>

namespace cardea::route {
namespace {

using http::EndCause;
using On = RetryPolicy;

// What can happen to a try; a column of the table below.
enum Kind {
  kNothing,  // ends the list
  s200,
  s409,
  s418,
  s429,
  s500,
  s501,
  s502,
  s503,
  s504,
  s505,
  limited,  // 503 with x-envoy-ratelimited
  marked,   // 200 with x-again
  grpc0,
  grpc1,
  grpc4,
  grpc8,
  grpc13,
  grpc14,
  grpc99,
  refused_tcp,
  slow_tcp,
  bad_tls,
  reset_idle,  // before a byte of the request went out
  reset_later,
  closed_later,
  refused_h2,
  try_timeout,
  slow_try,  // per_try_timeout before there was a connection
  no_dns,
  full,
  client_gone,
  broken,
};
constexpr Kind kLast = broken;

struct Made {
  http::ResponsePtr head;
  TryResult result;
};
Made make(Kind kind) {
  Made out;
  TryResult& r = out.result;
  auto answer = [&](uint16_t status, const char* name = nullptr, const char* value = "") {
    out.head = http::make_response();
    out.head->status = status;
    if (name) out.head->fields.add(Bytes(name), Bytes(value));
    r.head = out.head.get();
    r.connected = true;
  };
  auto end = [&](EndCause cause, const char* detail, bool connected, bool seen) {
    r.end = {cause, detail};
    r.connected = connected;
    r.may_have_been_seen = seen;
  };
  constexpr uint16_t kStatuses[] = {200, 409, 418, 429, 500, 501, 502, 503, 504, 505};
  if (kind >= s200 && kind <= s505) answer(kStatuses[kind - s200]);
  switch (kind) {
    case limited:
      answer(503, "x-envoy-ratelimited", "true");
      break;
    case marked:
      answer(200, "X-Again");
      break;
    case grpc0:
      answer(200, "grpc-status", "0");
      break;
    case grpc1:
      answer(200, "grpc-status", "1");
      break;
    case grpc4:
      answer(200, "grpc-status", "4");
      break;
    case grpc8:
      answer(200, "grpc-status", "8");
      break;
    case grpc13:
      answer(200, "grpc-status", "13");
      break;
    case grpc14:
      answer(200, "grpc-status", "14");
      break;
    case grpc99:
      answer(200, "grpc-status", "nonsense");
      break;
    case refused_tcp:
      end(EndCause::connect_failed, "ECONNREFUSED", false, false);
      break;
    case slow_tcp:
      end(EndCause::connect_timeout, "tcp", false, false);
      break;
    case bad_tls:
      end(EndCause::upstream_tls, "verify", false, false);
      break;
    case reset_idle:
      end(EndCause::upstream_reset, "", true, false);
      break;
    case reset_later:
      end(EndCause::upstream_reset, "", true, true);
      break;
    case closed_later:
      end(EndCause::upstream_closed, "", true, true);
      break;
    case refused_h2:
      end(EndCause::upstream_reset, "refused_stream", true, false);
      break;
    case try_timeout:
      end(EndCause::none, "", true, true);
      r.per_try_timeout = true;
      break;
    case slow_try:
      end(EndCause::upstream_timeout, "per_try_timeout", false, false);
      r.per_try_timeout = true;
      break;
    case no_dns:
      end(EndCause::dns_failed, "NXDOMAIN", false, false);
      break;
    case full:
      end(EndCause::overload, "max_pending", false, false);
      break;
    case client_gone:
      end(EndCause::downstream_reset, "", true, true);
      break;
    case broken:
      end(EndCause::upstream_protocol, "", true, true);
      break;
    default:
      break;
  }
  return out;
}

// A word, and the results that it alone has tried again.
struct Row {
  const char* word;
  Kind again[16];
};
const Row kRows[] = {
    {"5xx",
     {s500, s501, s502, s503, s504, s505, refused_tcp, slow_tcp, bad_tls, reset_idle, reset_later, closed_later,
      refused_h2, try_timeout, slow_try}},
    {"gateway-error",
     {s502, s503, s504, refused_tcp, slow_tcp, bad_tls, reset_idle, reset_later, closed_later, refused_h2, try_timeout,
      slow_try}},
    {"reset",
     {refused_tcp, slow_tcp, bad_tls, reset_idle, reset_later, closed_later, refused_h2, try_timeout, slow_try}},
    {"reset-before-request", {refused_tcp, slow_tcp, bad_tls, reset_idle, refused_h2, slow_try}},
    {"connect-failure", {refused_tcp, slow_tcp, bad_tls, slow_try}},
    {"refused-stream", {refused_h2}},
    {"retriable-4xx", {s409}},
    {"retriable-status-codes", {s418, s429}},
    {"retriable-headers", {marked}},
    {"envoy-ratelimited", {limited}},
    {"cancelled", {grpc1}},
    {"deadline-exceeded", {grpc4}},
    {"resource-exhausted", {grpc8}},
    {"internal", {grpc13}},
    {"unavailable", {grpc14}},
};

TEST(Retry, EveryWordAgainstEveryResult) {
  uint32_t all = 0;
  for (const Row& row : kRows) {
    RetryPolicy policy;
    policy.status_codes = {418, 429};
    policy.header_names = {"x-again"};
    std::string bad;
    ASSERT_TRUE(parse_retry_on(row.word, policy.on, bad)) << row.word;
    EXPECT_EQ(policy.on & (policy.on - 1), 0u) << row.word;
    EXPECT_EQ(all & policy.on, 0u) << row.word;
    all |= policy.on;
    for (int kind = s200; kind <= kLast; ++kind) {
      const bool want = std::find(std::begin(row.again), std::end(row.again), kind) != std::end(row.again);
      EXPECT_EQ(wants_retry(policy, make(Kind(kind)).result), want) << row.word << " " << kind;
    }
  }
  EXPECT_EQ(all, (On::unavailable << 1) - 1);  // no bit without a word
}

TEST(Retry, NothingWithoutAWord) {
  for (int kind = s200; kind <= kLast; ++kind) EXPECT_FALSE(wants_retry({}, make(Kind(kind)).result)) << kind;
}

TEST(Retry, Words) {
  uint32_t on = 0;
  std::string bad;
  EXPECT_TRUE(parse_retry_on("5xx,reset", on, bad));
  EXPECT_EQ(on, On::server_error | On::reset);
  EXPECT_TRUE(parse_retry_on(" 5xx ,\tunavailable ", on, bad));
  EXPECT_EQ(on, On::server_error | On::unavailable);
  EXPECT_TRUE(parse_retry_on("", on, bad));
  EXPECT_EQ(on, 0u);
  struct Bad {
    const char* words;
    const char* bad;
  } rows[] = {{"5xx,fastest", "fastest"}, {"5XX", "5XX"}, {"5xx,,reset", ""}, {"5xx reset", "5xx reset"}, {",", ""}};
  for (const Bad& row : rows) {
    bad = "?";
    EXPECT_FALSE(parse_retry_on(row.words, on, bad)) << row.words;
    EXPECT_EQ(bad, row.bad) << row.words;
  }
}

TEST(Retry, WhoeverLimitsIsNotAskedAgainAtOnce) {
  RetryPolicy policy;
  policy.on = On::server_error | On::gateway_error;
  EXPECT_FALSE(wants_retry(policy, make(limited).result));
}

TEST(Retry, Safety) {
  using http::Method;
  TryResult seen, unseen;
  seen.may_have_been_seen = true;
  unseen.may_have_been_seen = false;
  for (Method method : {Method::get, Method::head, Method::put, Method::delete_, Method::options}) {
    EXPECT_TRUE(is_safe_to_retry(method, seen));
    EXPECT_TRUE(is_safe_to_retry(method, unseen));
  }
  for (Method method : {Method::post, Method::patch, Method::connect, Method::other}) {
    EXPECT_FALSE(is_safe_to_retry(method, seen));
    EXPECT_TRUE(is_safe_to_retry(method, unseen));
  }
  EXPECT_TRUE(TryResult{}.may_have_been_seen);  // closed unless somebody knows better
}

TEST(Retry, BackOffIsBoundedAndSpread) {
  struct Row {
    Millis base, max;
    uint32_t retry;
    Millis most;
  } rows[] = {
      {25, 250, 1, 25},
      {25, 250, 2, 50},
      {25, 250, 3, 100},
      {25, 250, 4, 200},
      {25, 250, 5, 250},
      {25, 250, 40, 250},
      {25, 250, UINT32_MAX, 250},
      {1, 1, 1, 1},
      {0, 0, 1, 1},
      {100, 10, 1, 100},
      {1000, 1ull << 40, 100, 1ull << 40},
  };
  for (const Row& row : rows) {
    RetryPolicy policy;
    policy.base_interval = row.base;
    policy.max_interval = row.max;
    Random random(row.retry);
    constexpr int kDraws = 4000;
    Millis low = UINT64_MAX, high = 0;
    double sum = 0;
    for (int i = 0; i < kDraws; ++i) {
      const Millis wait = back_off(policy, row.retry, random);
      ASSERT_GE(wait, 1u);
      ASSERT_LE(wait, row.most);
      low = std::min(low, wait);
      high = std::max(high, wait);
      sum += double(wait);
    }
    // Full jitter: the whole range, evenly.
    EXPECT_LE(low, 1 + row.most / 50) << row.retry;
    EXPECT_GE(high, row.most - row.most / 50) << row.retry;
    EXPECT_NEAR(sum / kDraws, double(row.most + 1) / 2, double(row.most) * 0.03) << row.retry;
  }
}

}  // namespace
}  // namespace cardea::route
