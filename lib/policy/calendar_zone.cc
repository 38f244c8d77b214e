// Time zones, read from the system's database with Howard Hinnant's date library.
#include <date/tz.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "policy/calendar_zone.h"
#include "policy/spelling.h"

namespace cardea::policy {
namespace {

constexpr int64_t kSecond = 1000, kDay = 24 * 3600 * kSecond;

int64_t ms_of(date::sys_days day) {
  return int64_t{day.time_since_epoch().count()} * kDay;
}

date::sys_days first_of_march(int year) {
  return date::sys_days(date::year(year) / 3 / 1);
}

// Compiled files list changes up to 2037 and leave what follows to a rule, which the library does not read. A rule is
// about days of the week in a month, so a year from March to February repeats the last listed one that begins with the
// same day of the week.
constexpr int kListedFrom = 2027, kListedTo = 2037, kExtendedTo = 2137;

void extend(std::vector<Zone::Span>& spans) {
  const int64_t listed_year = ms_of(first_of_march(kListedTo)), listed_end = ms_of(first_of_march(kListedTo + 1));
  // Not in force at the list's end, or (Morocco) listed further than that.
  if (spans.back().from_ms < listed_year || spans.back().from_ms >= listed_end) return;
  const std::vector<Zone::Span> listed = spans;
  for (int year = kListedTo + 1; year <= kExtendedTo; ++year) {
    const date::sys_days begin = first_of_march(year);
    int like = kListedTo;
    while (like > kListedFrom && date::weekday(first_of_march(like)) != date::weekday(begin)) --like;
    const int64_t from = ms_of(first_of_march(like)), to = ms_of(first_of_march(like + 1)), by = ms_of(begin) - from;
    for (const Zone::Span& span : listed) {
      if (span.from_ms >= from && span.from_ms < to) spans.push_back({span.from_ms + by, span.offset_ms});
    }
  }
}

std::vector<Zone::Span> spans_of(const date::time_zone& zone) {
  constexpr size_t kMaxSpans = 4096;
  std::vector<Zone::Span> spans;
  const auto end = date::sys_days(date::year(3000) / 1 / 1);
  for (date::sys_seconds at = date::sys_days(date::year(1970) / 1 / 1); at < end && spans.size() < kMaxSpans;) {
    const date::sys_info here = zone.get_info(at);
    const int64_t offset = int64_t{here.offset.count()} * kSecond;
    if (spans.empty() || spans.back().offset_ms != offset) {
      spans.push_back({int64_t{at.time_since_epoch().count()} * kSecond, offset});
    }
    if (here.end <= at) break;
    at = here.end;
  }
  extend(spans);
  return spans;
}

// Zones in use, so that ten thousand routes share one table.
struct Shared {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<const Zone>> zones;
};

Shared& shared() {
  static Shared zones;
  return zones;
}

}  // namespace

size_t Zone::span_at(int64_t now) const {
  const auto after = std::upper_bound(spans_.begin(), spans_.end(), now,
                                      [](int64_t at, const Span& span) { return at < span.from_ms; });
  return after == spans_.begin() ? 0 : size_t(after - spans_.begin()) - 1;
}

std::shared_ptr<const Zone> Zone::find(const std::string& name, std::string& why) {
  std::lock_guard lock(shared().mutex);
  if (auto known = shared().zones.find(name); known != shared().zones.end()) {
    if (auto zone = known->second.lock()) return zone;
  }
  why = "unknown time zone " + quoted(name) + ": must be an IANA name, such as Europe/Berlin";
  // "localtime" is a file of the database's folder, and different on every machine.
  if (name == "localtime") return nullptr;
  // Only what is not inline: types of the library have another layout in each of its builds. It tells by exceptions
  // that there is no such zone, no database, or a file that is broken.
  try {
    auto zone = std::make_shared<const Zone>(name, spans_of(*date::locate_zone(name)));
    shared().zones[name] = zone;
    return zone;
  } catch (const std::exception& error) {
    why += " (" + std::string(error.what()).substr(0, 200) + ")";
  }
  return nullptr;
}

}  // namespace cardea::policy
