// Criteria of time: dates, days of the week, times of day in a zone.
#include "policy/calendar.h"

#include <date/date.h>

#include <algorithm>

#include "policy/spelling.h"

namespace cardea::policy {
namespace {

using yaml::Node;

constexpr int64_t kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute, kDay = 24 * kHour;

// A moment beyond any date that can be written; arithmetic on what is within cannot overflow.
constexpr int64_t kFar = int64_t{1} << 60;
int64_t within(int64_t now) {
  return std::clamp(now, -kFar, kFar);
}

int64_t day_of(int64_t ms) {
  return ms >= 0 ? ms / kDay : -((-ms + kDay - 1) / kDay);
}

// What is left of a text while it is read from its front.
class Cursor {
 public:
  explicit Cursor(Bytes text) : rest_(text) {}
  bool done() const { return rest_.empty(); }
  bool eat(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool at_digit(size_t i = 0) const { return i < rest_.size() && rest_[i] >= '0' && rest_[i] <= '9'; }
  // Exactly `digits` digits, not more than `most`.
  bool number(size_t digits, int most, int& value) {
    value = 0;
    for (size_t i = 0; i < digits; ++i) {
      if (!at_digit()) return false;
      value = value * 10 + (rest_[0] - '0');
      rest_.remove_prefix(1);
    }
    return value <= most;
  }
  // 1 to 9 digits of a fraction of a second, in milliseconds rounded up: now is in whole ones.
  bool fraction(int64_t& ms) {
    int64_t nanoseconds = 0, unit = 1'000'000'000;
    size_t digits = 0;
    for (; at_digit() && digits < 9; ++digits) {
      nanoseconds += (unit /= 10) * (rest_[0] - '0');
      rest_.remove_prefix(1);
    }
    ms = (nanoseconds + 999'999) / 1'000'000;
    return digits > 0 && !at_digit();
  }
  Bytes rest() const { return rest_; }

 private:
  Bytes rest_;
};

// HH:MM[:SS[.frac]] after the hour.
bool minutes_and_seconds(Cursor& text, int64_t& ms) {
  int minutes = 0, seconds = 0;
  int64_t fraction = 0;
  if (!text.number(2, 59, minutes)) return false;
  if (text.eat(':')) {
    if (!text.number(2, 59, seconds)) return false;
    if (text.eat('.') && !text.fraction(fraction)) return false;
  }
  ms = minutes * kMinute + seconds * kSecond + fraction;
  return true;
}

std::optional<int64_t> parse_date(Bytes whole) {
  Cursor text(whole);
  int year = 0, month = 0, day = 0;
  if (!text.number(4, 9999, year) || !text.eat('-') || !text.number(2, 12, month) || !text.eat('-') ||
      !text.number(2, 31, day)) {
    return std::nullopt;
  }
  const date::year_month_day written{date::year(year), date::month(unsigned(month)), date::day(unsigned(day))};
  if (!written.ok()) return std::nullopt;
  int64_t ms = int64_t{date::sys_days(written).time_since_epoch().count()} * kDay;
  if (text.done()) return ms;
  int hour = 0;
  int64_t rest = 0;
  if (!text.eat('T') || !text.number(2, 23, hour) || !text.eat(':') || !minutes_and_seconds(text, rest)) {
    return std::nullopt;
  }
  ms += hour * kHour + rest;
  if (text.done()) return ms;
  if (text.eat('Z')) return text.done() ? std::optional(ms) : std::nullopt;
  const bool east = text.eat('+');
  int hours = 0, minutes = 0;
  if ((!east && !text.eat('-')) || !text.number(2, 23, hours)) return std::nullopt;
  if (!text.done()) {
    text.eat(':');
    if (!text.number(2, 59, minutes)) return std::nullopt;
  }
  if (!text.done()) return std::nullopt;
  const int64_t offset = hours * kHour + minutes * kMinute;
  return east ? ms - offset : ms + offset;
}

// Milliseconds since midnight.
std::optional<int64_t> parse_time(Bytes whole) {
  Cursor text(whole);
  const bool two_digits = text.at_digit() && text.at_digit(1);
  int hour = 0;
  int64_t rest = 0;
  if (!text.number(two_digits ? 2 : 1, 23, hour)) return std::nullopt;
  const bool minutes = text.eat(':');
  if (minutes && !minutes_and_seconds(text, rest)) return std::nullopt;
  // With one digit or no minutes it is only clear with AM or PM.
  if (text.done()) return two_digits && minutes ? std::optional(hour * kHour + rest) : std::nullopt;
  text.eat(' ');
  if (text.rest().size() != 2 || (text.rest()[1] | 0x20) != 'm' || hour < 1 || hour > 12) return std::nullopt;
  const char half = char(text.rest()[0] | 0x20);
  if (half != 'a' && half != 'p') return std::nullopt;
  return (hour % 12 + (half == 'p' ? 12 : 0)) * kHour + rest;
}

constexpr std::string_view kDays[] = {"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"};

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// 0 for Sunday; -1 for no day.
int parse_day(std::string_view text) {
  std::string lower(trimmed(text));
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? char(c | 0x20) : c;
  for (size_t day = 0; day < 7; ++day) {
    if (lower == kDays[day] || lower == kDays[day].substr(0, 3)) return int(day);
  }
  return -1;
}

std::optional<uint8_t> parse_days(std::string_view text) {
  if (text == "*") return uint8_t{0x7f};
  unsigned days = 0;
  while (true) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, comma);
    const size_t dash = part.find('-');
    const int first = parse_day(part.substr(0, dash));
    const int last = dash == std::string_view::npos ? first : parse_day(part.substr(dash + 1));
    if (first < 0 || last < 0) return std::nullopt;
    for (int day = first;; day = (day + 1) % 7) {
      days |= 1U << day;
      if (day == last) break;
    }
    if (comma == text.size()) return uint8_t(days);
    text.remove_prefix(comma + 1);
  }
}

// The keys of a window's object.
struct Window {
  std::optional<int64_t> after, before;
  const Node* timezone = nullptr;
};

std::optional<Window> read_window(const Node& node, const std::string& key, bool with_zone,
                                  std::optional<int64_t> (*parse)(Bytes), const char* must_be, yaml::Faults& faults) {
  if (node.kind != Node::Kind::mapping || node.entries.empty()) {
    faults.add(node.mark, key,
               with_zone ? "must be an object with timezone and after, before or both"
                         : "must be an object with after, before or both");
    return std::nullopt;
  }
  Window window;
  bool good = true;
  for (const auto& [name, value] : node.entries) {
    if (with_zone && name.scalar == "timezone") {
      window.timezone = &value;
      continue;
    }
    if (name.scalar != "after" && name.scalar != "before") {
      Nearest nearest(name.scalar);
      for (const char* known : {"after", "before", "timezone"}) {
        if (with_zone || Bytes(known) != "timezone") nearest.offer(known);
      }
      faults.add(name.mark, key, "unknown key " + quoted(name.scalar) + nearest.text());
      good = false;
      continue;
    }
    const std::string at = below(key, name.scalar);
    const auto text = yaml::as_string(value, at, faults);
    const auto moment = text ? parse(*text) : std::nullopt;
    if (text && !moment) faults.add(value.mark, at, std::string(must_be) + ", not " + quoted(*text));
    (name.scalar == "after" ? window.after : window.before) = moment;
    good = good && moment;
  }
  if (good && !window.after && !window.before) {
    faults.add(node.mark, key, "must have after, before or both");
    good = false;
  }
  const int64_t first = with_zone ? 0 : INT64_MIN, last = with_zone ? kDay : kNever;
  if (good && window.after.value_or(first) >= window.before.value_or(last)) {
    faults.add(node.mark, key,
               with_zone
                   ? "would never hold: \"after\" is not earlier than \"before\" (for a window over midnight write "
                     "two criteria under \"or\", one with each)"
                   : "would never hold: \"after\" is not earlier than \"before\"");
    good = false;
  }
  if (!good) return std::nullopt;
  return window;
}

}  // namespace

// ---- dates ----------------------------------------------------------------------------------------

int64_t DateWindow::next_change(int64_t now) const {
  if (now < after) return after;
  return now < before ? before : kNever;
}

std::optional<DateWindow> DateWindow::read(const Node& node, const std::string& key, yaml::Faults& faults) {
  const auto window =
      read_window(node, key, false, parse_date, "must be a date such as 2026-01-31 or 2026-01-31T16:20:00Z", faults);
  if (!window) return std::nullopt;
  DateWindow dates;
  if (window->after) dates.after = *window->after;
  if (window->before) dates.before = *window->before;
  return dates;
}

// ---- days of the week -----------------------------------------------------------------------------

bool Weekdays::holds(int64_t now) const {
  const int64_t day = (day_of(within(now)) % 7 + 7 + 4) % 7;  // 1970-01-01 was a Thursday
  return (days >> day) & 1;
}

int64_t Weekdays::next_change(int64_t now) const {
  if (now >= kFar) return kNever;
  const bool held = holds(now);
  const int64_t today = day_of(within(now));
  for (int64_t day = today + 1; day <= today + 7; ++day) {
    if (holds(day * kDay) != held) return day * kDay;
  }
  return kNever;
}

std::optional<Weekdays> Weekdays::read(const Node& node, const std::string& key, yaml::Faults& faults) {
  const auto text = yaml::as_string(node, key, faults);
  if (!text) return std::nullopt;
  const auto days = parse_days(*text);
  if (!days) {
    faults.add(node.mark, key, "must be days such as \"*\", \"mon,wed\" or \"tue-fri\", not " + quoted(*text));
    return std::nullopt;
  }
  return Weekdays{*days};
}

// ---- times of day ---------------------------------------------------------------------------------

bool TimeWindow::holds(int64_t now) const {
  now = within(now);
  const int64_t local = now + zone->offset_ms(zone->span_at(now));
  const int64_t shown = local - day_of(local) * kDay;
  return shown >= after && shown < before;
}

int64_t TimeWindow::next_change(int64_t now) const {
  if ((after == 0 && before == kDay) || now >= kFar) return kNever;
  const bool held = holds(now);
  int64_t at = within(now);
  for (size_t span = zone->span_at(at); span < zone->spans(); ++span) {
    // While the offset stays, holds() changes at each of these and nowhere else.
    const int64_t offset = zone->offset_ms(span), local = at + offset, midnight = day_of(local) * kDay;
    for (int64_t edge : {midnight + after, midnight + before, midnight + kDay + after, midnight + kDay + before}) {
      if (edge <= local) continue;
      if (edge - offset < zone->end_ms(span)) return edge - offset;
      break;
    }
    at = zone->end_ms(span);
    if (at == INT64_MAX) return kNever;
    if (holds(at) != held) return at;  // clocks are set past an edge
  }
  return kNever;
}

std::optional<TimeWindow> TimeWindow::read(const Node& node, const std::string& key, yaml::Faults& faults) {
  const auto window = read_window(node, key, true, parse_time,
                                  "must be a time of day such as \"2:20 PM\", \"4pm\" or \"16:20:00\"", faults);
  if (!window) return std::nullopt;
  if (window->timezone == nullptr) {
    faults.add(node.mark, key, "must have timezone, an IANA name such as Europe/Berlin");
    return std::nullopt;
  }
  const std::string at = below(key, "timezone");
  const auto name = yaml::as_string(*window->timezone, at, faults);
  if (!name) return std::nullopt;
  std::string why;
  TimeWindow times{Zone::find(*name, why)};
  if (times.zone == nullptr) {
    faults.add(window->timezone->mark, at, why);
    return std::nullopt;
  }
  if (window->after) times.after = *window->after;
  if (window->before) times.before = *window->before;
  return times;
}

bool TimeWindow::operator==(const TimeWindow& other) const {
  return after == other.after && before == other.before && zone->name() == other.zone->name();
}

}  // namespace cardea::policy
