// outlier_detection: when an endpoint's answers count as a sign that it is not fit.
#include "config/freeze.h"
#include "config/load.h"

namespace cardea::config {

namespace {

using health::OutlierConfig;

struct NumberRow {
  Bytes key;
  uint32_t OutlierConfig::*member;
  int64_t min, max;
};
constexpr NumberRow kNumbers[] = {
    {"consecutive_5xx", &OutlierConfig::consecutive_5xx, 0, UINT32_MAX},
    {"enforcing_consecutive_5xx", &OutlierConfig::enforcing_consecutive_5xx, 0, 100},
    {"consecutive_gateway_failure", &OutlierConfig::consecutive_gateway_failure, 0, UINT32_MAX},
    {"enforcing_consecutive_gateway_failure", &OutlierConfig::enforcing_consecutive_gateway_failure, 0, 100},
    {"consecutive_local_origin_failure", &OutlierConfig::consecutive_local_origin_failure, 0, UINT32_MAX},
    {"enforcing_consecutive_local_origin_failure", &OutlierConfig::enforcing_consecutive_local_origin_failure, 0, 100},
    {"enforcing_local_origin_success_rate", &OutlierConfig::enforcing_local_origin_success_rate, 0, 100},
    {"max_ejection_percent", &OutlierConfig::max_ejection_percent, 0, 100},
    {"enforcing_success_rate", &OutlierConfig::enforcing_success_rate, 0, 100},
    {"success_rate_minimum_hosts", &OutlierConfig::success_rate_minimum_hosts, 0, UINT32_MAX},
    {"success_rate_request_volume", &OutlierConfig::success_rate_request_volume, 0, UINT32_MAX},
    {"success_rate_stdev_factor", &OutlierConfig::success_rate_stdev_factor, 0, UINT32_MAX},
    {"failure_percentage_threshold", &OutlierConfig::failure_percentage_threshold, 0, 100},
    {"enforcing_failure_percentage", &OutlierConfig::enforcing_failure_percentage, 0, 100},
    {"enforcing_failure_percentage_local_origin", &OutlierConfig::enforcing_failure_percentage_local_origin, 0, 100},
    {"failure_percentage_minimum_hosts", &OutlierConfig::failure_percentage_minimum_hosts, 0, UINT32_MAX},
    {"failure_percentage_request_volume", &OutlierConfig::failure_percentage_request_volume, 0, UINT32_MAX},
};

struct DurationRow {
  Bytes key;
  Millis OutlierConfig::*member;
  Millis min;
};
constexpr DurationRow kDurations[] = {
    {"interval", &OutlierConfig::interval, 1},
    {"base_ejection_time", &OutlierConfig::base_ejection_time, 1},
    {"max_ejection_time", &OutlierConfig::max_ejection_time, 1},
    {"max_ejection_time_jitter", &OutlierConfig::max_ejection_time_jitter, 0},
};

struct FlagRow {
  Bytes key;
  bool OutlierConfig::*member;
};
constexpr FlagRow kFlags[] = {
    {"split_external_local_origin_errors", &OutlierConfig::split_external_local_origin_errors},
    {"always_eject_one_host", &OutlierConfig::always_eject_one_host},
    {"successful_active_health_check_uneject_host", &OutlierConfig::successful_active_health_check_uneject_host},
};

}  // namespace

void Freezer::freeze_outliers(const ClusterDraft& draft, BuiltCluster& out) {
  auto tree = single(draft.outlier_detection, out.place, "outlier_detection");
  if (!tree) return;
  std::vector<Bytes> known;
  for (const NumberRow& row : kNumbers) known.push_back(row.key);
  for (const DurationRow& row : kDurations) known.push_back(row.key);
  for (const FlagRow& row : kFlags) known.push_back(row.key);
  const Object object(*tree, out.place.of("outlier_detection"), known, faults_, {"monitors", "detect_degraded_hosts"});
  OutlierConfig& config = out.config.outlier_detection.emplace();
  for (const NumberRow& row : kNumbers) object.read(row.key, config.*row.member, row.min, row.max);
  for (const DurationRow& row : kDurations) object.read_ms(row.key, config.*row.member, row.min);
  for (const FlagRow& row : kFlags) object.read(row.key, config.*row.member);
  if (config.base_ejection_time > config.max_ejection_time) {
    if (object.find("max_ejection_time")) {
      object.fault("max_ejection_time", "may not be shorter than base_ejection_time (" +
                                            duration_text(static_cast<int64_t>(config.base_ejection_time)) + ")");
    }
    config.max_ejection_time = config.base_ejection_time;  // as Envoy: the larger of it and the default
  }
}

}  // namespace cardea::config
