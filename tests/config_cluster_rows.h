// Rows of the configuration's tests: where requests go, which endpoints are fit, what is tried again.
#pragma once

#include "config_fixture.h"

namespace cardea::config {

using By = route::HashPolicy::By;
using Kind = health::CheckConfig::Kind;
using On = route::RetryPolicy;
using Range = health::CheckConfig::Range;
using Function = balance::Options::RingHash::Function;
constexpr uint32_t kUnlimited = UINT32_MAX;

inline const health::CheckConfig& first_check(const Route& r) {
  return r.cluster->health_checks.at(0);
}
inline const health::OutlierConfig& outliers(const Route& r) {
  return *r.cluster->outlier_detection;
}
// What every check must say, and more.
#define CHECK_WITH(more) \
  "health_checks: [{timeout: 1s, interval: 2s, unhealthy_threshold: 3, healthy_threshold: 4, " more "}]"
#define HTTP_CHECK(more) CHECK_WITH("http_health_check: {path: /h, " more "}")

struct ClusterRow {
  const char* lines;
  bool (*check)(const Route&);
};
const ClusterRow kBalanceRows[] = {
    {"load_balancing_policy: least_request",
     [](const Route& r) { return r.cluster->balance.algorithm == "least_request"; }},
    {"load_balancing_policy: random", [](const Route& r) { return r.cluster->balance.algorithm == "random"; }},
    {"load_balancing_policy: maglev", [](const Route& r) { return r.cluster->balance.algorithm == "maglev"; }},
    {"load_balancing_policy: host", [](const Route& r) { return r.cluster->balance.algorithm == "host"; }},
    {"lb_policy: RING_HASH", [](const Route& r) { return r.cluster->balance.algorithm == "ring_hash"; }},
    {"lb_policy: LEAST_REQUEST", [](const Route& r) { return r.cluster->balance.algorithm == "least_request"; }},
    {"round_robin_lb_config: {slow_start_config: {slow_start_window: 20s}}",
     [](const Route& r) {
       return r.cluster->balance.slow_start == balance::Options::SlowStart{20'000, 1, 10};
     }},
    {"lb_policy: least_request\nleast_request_lb_config: {choice_count: 3, active_request_bias: 0.5}",
     [](const Route& r) {
       return r.cluster->balance.least_request == balance::Options::LeastRequest{3, 0.5};
     }},
    {"lb_policy: least_request\nleast_request_lb_config: {active_request_bias: {default_value: 2, runtime_key: x},\n"
     "  slow_start_config: {slow_start_window: 1m, aggression: {default_value: 1.5}, min_weight_percent: {value: 5}}}",
     [](const Route& r) {
       return r.cluster->balance.least_request == balance::Options::LeastRequest{2, 2} &&
              r.cluster->balance.slow_start == balance::Options::SlowStart{60'000, 1.5, 5};
     }},
    {"lb_policy: ring_hash\nring_hash_lb_config: {minimum_ring_size: 8, maximum_ring_size: 16, hash_function: "
     "MURMUR_HASH_2}",
     [](const Route& r) {
       return r.cluster->balance.ring_hash == balance::Options::RingHash{8, 16, Function::murmur_hash_2};
     }},
    {"lb_policy: ring_hash\nring_hash_lb_config: {hash_function: XX_HASH}",
     [](const Route& r) { return r.cluster->balance.ring_hash == balance::Options::RingHash{}; }},
    {"lb_policy: maglev\nmaglev_lb_config: {table_size: 5000011}",
     [](const Route& r) { return r.cluster->balance.maglev.table_size == 5000011; }},
    {"common_lb_config: {healthy_panic_threshold: 12.5}",
     [](const Route& r) { return r.cluster->balance.healthy_panic_threshold == 12.5; }},
    {"common_lb_config: {healthy_panic_threshold: {value: 0}}",
     [](const Route& r) { return r.cluster->balance.healthy_panic_threshold == 0; }},
    {"healthy_panic_threshold: 33", [](const Route& r) { return r.cluster->balance.healthy_panic_threshold == 33; }},
    {"slow_start_config: {slow_start_window: 30s, aggression: 2, min_weight_percent: 1}",
     [](const Route& r) {
       return r.cluster->balance.slow_start == balance::Options::SlowStart{30'000, 2, 1};
     }},
    {"preconnect_policy: {per_upstream_preconnect_ratio: 1.5}",
     [](const Route& r) { return r.cluster->preconnect_ratio == 1.5; }},
    {"preconnect_policy: {per_upstream_preconnect_ratio: {value: 3}}",
     [](const Route& r) { return r.cluster->preconnect_ratio == 3; }},
    {"circuit_breaker_thresholds: {max_connections: 1, max_pending_requests: 2, max_requests: 3, max_retries: 0}",
     [](const Route& r) {
       return r.cluster->thresholds == cluster::Thresholds{1, 2, 3, 0, 0, 3} &&
              r.cluster->per_endpoint == cluster::EndpointThresholds{};
     }},
    {"circuit_breaker_thresholds: {per_host_thresholds: {max_connections: 1, max_pending_requests: 2, max_requests: "
     "3,\n"
     "  max_retries: 4}}",
     [](const Route& r) {
       return r.cluster->thresholds == cluster::Thresholds{} &&
              r.cluster->per_endpoint == cluster::EndpointThresholds{1, 2, 3, 4};
     }},
    {"pool_per_user: true", [](const Route& r) { return r.cluster->pool_per_user; }},
    {"pending_timeout: 3s", [](const Route& r) { return r.cluster->pending_timeout == 3000; }},
    {"upstream_idle_timeout: 0", [](const Route& r) { return r.cluster->idle_timeout == 0; }},
    {"upstream_idle_timeout: 2m", [](const Route& r) { return r.cluster->idle_timeout == 120'000; }},
    {"max_requests_per_connection: 100", [](const Route& r) { return r.cluster->max_requests_per_connection == 100; }},
    {"max_upstream_connection_duration: 1h",
     [](const Route& r) { return r.cluster->max_connection_duration == 3'600'000; }},
};

const ClusterRow kHealthRows[] = {
    {CHECK_WITH("tcp_health_check: {}"),
     [](const Route& r) {
       health::CheckConfig want;
       want.timeout = 1000;
       want.interval = 2000;
       want.unhealthy_threshold = 3;
       want.healthy_threshold = 4;
       return first_check(r) == want;
     }},
    {CHECK_WITH("initial_jitter: 1s, interval_jitter: 2s, interval_jitter_percent: 15, reuse_connection: false,\n"
                "  no_traffic_interval: 3s, no_traffic_healthy_interval: 4s, unhealthy_interval: 5s,\n"
                "  unhealthy_edge_interval: 6s, healthy_edge_interval: 7s, always_log_health_check_failures: true,\n"
                "  always_log_health_check_success: true, custom_health_check: {}"),
     [](const Route& r) {
       const health::CheckConfig& c = first_check(r);
       return c.kind == Kind::custom && c.initial_jitter == 1000 && c.interval_jitter == 2000 &&
              c.interval_jitter_percent == 15 && !c.reuse_connection && c.no_traffic_interval == 3000 &&
              c.no_traffic_healthy_interval == 4000 && c.unhealthy_interval == 5000 &&
              c.unhealthy_edge_interval == 6000 && c.healthy_edge_interval == 7000 && c.always_log_failures &&
              c.always_log_success;
     }},
    {HTTP_CHECK("host: 'h.example:81', method: POST, send: {text: '4a4B'}, receive: [{binary: b2s=}, {text: '21'}],\n"
                "  response_buffer_size: 99, request_headers_to_remove: [User-Agent], codec_client_type: HTTP2,\n"
                "  expected_statuses: [{start: 200, end: 300}, {start: 599, end: 600}],\n"
                "  retriable_statuses: [{start: 503, end: 504}], request_headers_to_add: ['X-A: b: c', 'X-B:']"),
     [](const Route& r) {
       const health::CheckConfig& c = first_check(r);
       return c.kind == Kind::http && c.path == "/h" && c.host == "h.example:81" && c.method == "POST" &&
              c.send == "JK" && c.receive == std::vector<std::string>{"ok", "!"} && c.response_buffer_size == 99 &&
              c.remove_headers == std::vector<std::string>{"User-Agent"} && c.http2 &&
              c.expected_statuses == std::vector<Range>{{200, 300}, {599, 600}} &&
              c.retriable_statuses == std::vector<Range>{{503, 504}} &&
              c.add_headers == std::vector<std::pair<std::string, std::string>>{{"X-A", "b: c"}, {"X-B", ""}};
     }},
    {HTTP_CHECK("request_headers_to_add: {X-A: b}, codec_client_type: HTTP1, response_buffer_size: 0"),
     [](const Route& r) {
       const health::CheckConfig& c = first_check(r);
       return c.add_headers == std::vector<std::pair<std::string, std::string>>{{"X-A", "b"}} && !c.http2 &&
              c.response_buffer_size == 0 && c.method == "GET" && c.expected_statuses.empty();
     }},
    {CHECK_WITH("tcp_health_check: {send: {text: '504f'}, receive: [{text: '4f4B'}]}"),
     [](const Route& r) {
       return first_check(r).send == "PO" && first_check(r).receive == std::vector<std::string>{"OK"};
     }},
    {CHECK_WITH("grpc_health_check: {service_name: s.v1, authority: a.example}"),
     [](const Route& r) {
       const health::CheckConfig& c = first_check(r);
       return c.kind == Kind::grpc && c.service_name == "s.v1" && c.authority == "a.example";
     }},
    {CHECK_WITH("grpc_health_check: {}"), [](const Route& r) { return first_check(r).service_name.empty(); }},
    {"health_checks: []", [](const Route& r) { return r.cluster->health_checks.empty(); }},
    {"outlier_detection: {}", [](const Route& r) { return outliers(r) == health::OutlierConfig{}; }},
    {"outlier_detection: {consecutive_5xx: 1, enforcing_consecutive_5xx: 2, consecutive_gateway_failure: 3,\n"
     "  enforcing_consecutive_gateway_failure: 4, split_external_local_origin_errors: true,\n"
     "  consecutive_local_origin_failure: 5, enforcing_consecutive_local_origin_failure: 6,\n"
     "  enforcing_local_origin_success_rate: 7, interval: 8s, base_ejection_time: 9s, max_ejection_time: 10s,\n"
     "  max_ejection_time_jitter: 11s, max_ejection_percent: 12, always_eject_one_host: true,\n"
     "  enforcing_success_rate: 13, success_rate_minimum_hosts: 14, success_rate_request_volume: 15,\n"
     "  success_rate_stdev_factor: 16, failure_percentage_threshold: 17, enforcing_failure_percentage: 18,\n"
     "  enforcing_failure_percentage_local_origin: 19, failure_percentage_minimum_hosts: 20,\n"
     "  failure_percentage_request_volume: 21, successful_active_health_check_uneject_host: false}",
     [](const Route& r) {
       health::OutlierConfig want{1,  2,    3,  4,  true, 5,  6,  7,  8000, 9000, 10'000, 11'000,
                                  12, true, 13, 14, 15,   16, 17, 18, 19,   20,   21,     false};
       return outliers(r) == want;
     }},
    {"outlier_detection: {base_ejection_time: 10m}",
     [](const Route& r) { return outliers(r).max_ejection_time == 600'000; }},
    {"outlier_detection: {}\nclose_connections_on_host_health_failure: true",
     [](const Route& r) { return r.cluster->close_connections_on_health_failure; }},
};

const ClusterRow kRetryRows[] = {
    {"retry_policy: {retry_on: 5xx}",
     [](const Route& r) {
       route::RetryPolicy want;
       want.on = On::server_error;
       return r.retry == want && r.cluster->thresholds == cluster::Thresholds{};
     }},
    {"retry_policy: {retry_on: [gateway-error, 'connect-failure, refused-stream', retriable-status-codes,\n"
     "  retriable-headers], num_retries: 4, per_try_timeout: 1s, per_try_idle_timeout: 2s,\n"
     "  retriable_status_codes: [429, 503], retriable_headers: [X-Retry], retry_back_off: {base_interval: 5ms,\n"
     "  max_interval: 6ms}, retry_budget: {budget_percent: 12.5, min_retry_concurrency: 7}}",
     [](const Route& r) {
       const route::RetryPolicy& p = *r.retry;
       return p.on == (On::gateway_error | On::connect_failure | On::refused_stream | On::retriable_status_codes |
                       On::retriable_headers) &&
              p.num_retries == 4 && p.per_try_timeout == 1000 && p.per_try_idle_timeout == 2000 &&
              p.status_codes == std::vector<uint16_t>{429, 503} &&
              p.header_names == std::vector<std::string>{"x-retry"} && p.base_interval == 5 && p.max_interval == 6 &&
              r.cluster->thresholds.budget_percent == 12.5 && r.cluster->thresholds.min_retry_concurrency == 7;
     }},
    {"retry_policy: {retry_on: reset, retry_back_off: {base_interval: 40ms}, retry_budget: {}}",
     [](const Route& r) {
       return r.retry->max_interval == 400 && r.cluster->thresholds.budget_percent == 20 &&
              r.cluster->thresholds.min_retry_concurrency == 3;
     }},
    {"retry_policy: {retry_on: reset, retry_budget: {budget_percent: {value: 100}}}",
     [](const Route& r) { return r.cluster->thresholds.budget_percent == 100; }},
    {"timeout: 0\nretry_policy: {retry_on: reset, per_try_timeout: 10m, num_retries: 0}",
     [](const Route& r) { return r.retry->per_try_timeout == 600'000 && r.retry->num_retries == 0; }},
    {"lb_policy: maglev\nhash_policy: [{header: {header_name: X-Key}, terminal: true}, {identity: true},\n"
     "  {cookie: {name: c, ttl: 0s, path: /p}}, {cookie: {name: d}},\n"
     "  {connection_properties: {source_ip: true}, terminal: false}]",
     [](const Route& r) {
       return r.hash_policy == std::vector<route::HashPolicy>{{By::header, "x-key", {}, "", true},
                                                              {By::identity, "", {}, "", false},
                                                              {By::cookie, "c", Millis{0}, "/p", false},
                                                              {By::cookie, "d", {}, "", false},
                                                              {By::source_ip, "", {}, "", false}};
     }},
    {"lb_policy: ring_hash\nhash_policy: []", [](const Route& r) { return r.hash_policy.empty(); }},
};

#undef HTTP_CHECK
#undef CHECK_WITH

}  // namespace cardea::config
