// Whether hosts are fit: active checks, and what traffic itself tells (outliers).
//
// health_check.h .. are pure state machines over values and times; checker.h runs checks on a loop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/base.h"

namespace cardea::health {

// One entry of health_checks: Envoy's names, meanings and defaults. Durations in ms; 0: as the comment says.
struct CheckConfig {
  enum class Kind : uint8_t { http, tcp, grpc, custom } kind = Kind::tcp;
  Millis timeout = 5000, interval = 5000;
  uint32_t unhealthy_threshold = 3, healthy_threshold = 1;
  Millis initial_jitter = 0, interval_jitter = 0;
  uint32_t interval_jitter_percent = 0;
  bool reuse_connection = true;
  Millis no_traffic_interval = 60'000;     // before the cluster has ever been used
  Millis no_traffic_healthy_interval = 0;  // 0: no_traffic_interval
  Millis unhealthy_interval = 0;           // 0: interval
  Millis unhealthy_edge_interval = 0;      // 0: unhealthy_interval
  Millis healthy_edge_interval = 0;        // 0: interval
  bool always_log_failures = false, always_log_success = false;

  // http
  std::string host;  // empty: the endpoint's authority
  std::string path = "/";
  std::string method = "GET";
  std::vector<std::pair<std::string, std::string>> add_headers;
  std::vector<std::string> remove_headers;  // request_headers_to_remove
  struct Range {
    uint32_t start = 200, end = 201;
    bool operator==(const Range&) const = default;
  };                                      // half open
  std::vector<Range> expected_statuses;   // empty: 200 alone
  std::vector<Range> retriable_statuses;  // count against the threshold instead of failing at once
  uint32_t response_buffer_size = 1024;   // 0: no limit of its own; at most 1 MiB is kept
  bool http2 = false;                     // codec_client_type
  // http: the body must contain these; tcp: sent, then expected in this order with anything between.
  std::string send;
  std::vector<std::string> receive;
  // grpc: grpc.health.v1.Health/Check
  std::string service_name, authority;
  bool operator==(const CheckConfig&) const = default;
};

// outlier_detection: Envoy's 23 fields that mean something here, with its defaults.
struct OutlierConfig {
  uint32_t consecutive_5xx = 5, enforcing_consecutive_5xx = 100;
  uint32_t consecutive_gateway_failure = 5, enforcing_consecutive_gateway_failure = 0;
  bool split_external_local_origin_errors = false;
  uint32_t consecutive_local_origin_failure = 5, enforcing_consecutive_local_origin_failure = 100;
  uint32_t enforcing_local_origin_success_rate = 100;
  Millis interval = 10'000, base_ejection_time = 30'000, max_ejection_time = 300'000, max_ejection_time_jitter = 0;
  uint32_t max_ejection_percent = 10;
  bool always_eject_one_host = false;
  uint32_t enforcing_success_rate = 100, success_rate_minimum_hosts = 5, success_rate_request_volume = 100;
  uint32_t success_rate_stdev_factor = 1900;  // thousandths
  uint32_t failure_percentage_threshold = 85, enforcing_failure_percentage = 0,
           enforcing_failure_percentage_local_origin = 0, failure_percentage_minimum_hosts = 5,
           failure_percentage_request_volume = 50;
  bool successful_active_health_check_uneject_host = true;
  bool operator==(const OutlierConfig&) const = default;
};

}  // namespace cardea::health
