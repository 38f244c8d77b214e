// Criteria of time: dates, days of the week, times of day in a zone. Pure: "now" is an argument, in Unix milliseconds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/base.h"
#include "policy/calendar_zone.h"
#include "yaml/yaml.h"

namespace cardea::policy {

// Each of these has holds(now) and next_change(now): the first moment after `now` at which holds() is different, or
// kNever.
constexpr int64_t kNever = INT64_MAX;

// From `after` on, until just before `before`. Both are moments; a text without zone is UTC.
struct DateWindow {
  int64_t after = INT64_MIN, before = kNever;
  bool holds(int64_t now) const { return now >= after && now < before; }
  int64_t next_change(int64_t now) const;
  // {after, before}, each ISO 8601: 2026-01-31, 2026-01-31T16:20[:00[.5]][Z|+01:00].
  static std::optional<DateWindow> read(const yaml::Node& node, const std::string& key, yaml::Faults& faults);
  bool operator==(const DateWindow&) const = default;
};

// Days of the week, in UTC.
struct Weekdays {
  uint8_t days = 0;  // bit 0: Sunday
  bool holds(int64_t now) const;
  int64_t next_change(int64_t now) const;
  // "*", or days and ranges between commas: "mon,wed", "tue-fri", "Fri-Monday".
  static std::optional<Weekdays> read(const yaml::Node& node, const std::string& key, yaml::Faults& faults);
  bool operator==(const Weekdays&) const = default;
};

// What a clock on the wall of a zone shows: from `after` on, until just before `before`. The two meet by AND, as in
// Pomerium, so a window cannot go over midnight; such a text is a fault, not a criterion that never holds.
struct TimeWindow {
  std::shared_ptr<const Zone> zone;
  int64_t after = 0, before = 24 * 3'600'000;  // milliseconds since midnight; after < before
  bool holds(int64_t now) const;
  int64_t next_change(int64_t now) const;
  // {timezone, after, before}: an IANA name, and "4pm", "2:20 PM", "4:30:00PM", "16:20", "16:20:00.5".
  static std::optional<TimeWindow> read(const yaml::Node& node, const std::string& key, yaml::Faults& faults);
  bool operator==(const TimeWindow& other) const;
};

}  // namespace cardea::policy
