// Criteria of time: what texts mean, zones, and that next_change() is exact, minute by minute over a year.
#include "policy/calendar.h"

#include <ctime>
#include <random>

#include "policy_fixture.h"

namespace cardea::policy {
namespace {

constexpr int64_t kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute, kDay = 24 * kHour;

int64_t utc(int year, int month, int day, int64_t since_midnight = 0) {
  tm t{};
  t.tm_year = year - 1900;
  t.tm_mon = month - 1;
  t.tm_mday = day;
  return int64_t{timegm(&t)} * kSecond + since_midnight;
}

template <class Window>
std::optional<Window> read(const std::string& text, yaml::Faults& faults) {
  auto node = yaml::parse_yaml(text, faults);
  if (!node) return std::nullopt;
  return Window::read(*node, "c", faults);
}

template <class Window>
Window read_good(const std::string& text) {
  yaml::Faults faults;
  auto window = read<Window>(text, faults);
  EXPECT_TRUE(window) << text << faults.text("c");
  return window ? *window : *Window::read(*yaml::parse_yaml("{timezone: UTC, after: 1am}", faults), "", faults);
}

template <>
DateWindow read_good(const std::string& text) {
  yaml::Faults faults;
  auto window = read<DateWindow>(text, faults);
  EXPECT_TRUE(window) << text << faults.text("c");
  return window.value_or(DateWindow{});
}

// ---- what texts mean ------------------------------------------------------------------------------

TEST(Dates, Forms) {
  const struct {
    const char* text;
    int64_t ms;
  } rows[] = {
      {"2026-03-01", utc(2026, 3, 1)},
      {"2026-03-01T16:20", utc(2026, 3, 1, 16 * kHour + 20 * kMinute)},
      {"2026-03-01T16:20:05", utc(2026, 3, 1, 16 * kHour + 20 * kMinute + 5 * kSecond)},
      {"2026-03-01T16:20:05Z", utc(2026, 3, 1, 16 * kHour + 20 * kMinute + 5 * kSecond)},
      {"2026-03-01T16:20:05.25Z", utc(2026, 3, 1, 16 * kHour + 20 * kMinute + 5250)},
      {"2026-03-01T16:20:05.0001Z", utc(2026, 3, 1, 16 * kHour + 20 * kMinute + 5001)},
      {"2026-03-01T16:20:05.123456789", utc(2026, 3, 1, 16 * kHour + 20 * kMinute + 5124)},
      {"2026-03-01T16:20:05.999999999", utc(2026, 3, 1, 16 * kHour + 20 * kMinute + 6000)},
      {"2026-03-01T00:00+01:00", utc(2026, 2, 28, 23 * kHour)},
      {"2026-03-01T00:00-0530", utc(2026, 3, 1, 5 * kHour + 30 * kMinute)},
      {"2026-03-01T00:00+14", utc(2026, 2, 28, 10 * kHour)},
      {"2028-02-29", utc(2028, 2, 29)},
      {"0001-01-01", utc(1, 1, 1)},
      {"9999-12-31T23:59:59Z", utc(9999, 12, 31, kDay - kSecond)},
      {"1969-12-31T23:59:59Z", -1000},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.text);
    const auto after = read_good<DateWindow>("{after: \"" + std::string(row.text) + "\"}");
    EXPECT_EQ(after.after, row.ms);
    EXPECT_TRUE(after.holds(row.ms));
    EXPECT_FALSE(after.holds(row.ms - 1));
    EXPECT_EQ(after.next_change(row.ms - 1), row.ms);
    EXPECT_EQ(after.next_change(row.ms), kNever);
    const auto before = read_good<DateWindow>("{before: " + std::string(row.text) + "}");
    EXPECT_FALSE(before.holds(row.ms));
    EXPECT_TRUE(before.holds(row.ms - 1));
    EXPECT_EQ(before.next_change(row.ms - 1), row.ms);
    EXPECT_EQ(before.next_change(row.ms), kNever);
  }
  const auto both = read_good<DateWindow>("{after: 2026-01-01, before: 2026-02-01}");
  EXPECT_EQ(both.next_change(0), utc(2026, 1, 1));
  EXPECT_EQ(both.next_change(utc(2026, 1, 1)), utc(2026, 2, 1));
  EXPECT_EQ(both.next_change(utc(2026, 2, 1)), kNever);
}

TEST(TimesOfDay, Forms) {
  const struct {
    const char* text;
    int64_t ms;
  } rows[] = {
      {"2:20PM", 14 * kHour + 20 * kMinute},
      {"2:20 PM", 14 * kHour + 20 * kMinute},
      {"02:20 pm", 14 * kHour + 20 * kMinute},
      {"4pm", 16 * kHour},
      {"4 Pm", 16 * kHour},
      {"04am", 4 * kHour},
      {"4:30:00 PM", 16 * kHour + 30 * kMinute},
      {"4:30:00.5PM", 16 * kHour + 30 * kMinute + 500},
      {"12am", 0},
      {"12:01 AM", kMinute},
      {"12pm", 12 * kHour},
      {"12:59:59 pm", 13 * kHour - kSecond},
      {"11PM", 23 * kHour},
      {"00:00", 0},
      {"16:20", 16 * kHour + 20 * kMinute},
      {"16:20:30", 16 * kHour + 20 * kMinute + 30 * kSecond},
      {"16:20:30.125", 16 * kHour + 20 * kMinute + 30'125},
      {"23:59:59.999", kDay - 1},
      {"23:59:59.9991", kDay},  // the first whole millisecond that is not before it
  };
  for (const auto& row : rows) {
    if (row.ms == 0) {
      EXPECT_EQ(read_good<TimeWindow>("{timezone: UTC, after: \"" + std::string(row.text) + "\"}").after, 0);
      continue;
    }
    EXPECT_EQ(read_good<TimeWindow>("{timezone: UTC, before: \"" + std::string(row.text) + "\"}").before, row.ms)
        << row.text;
  }
}

TEST(Weekdays, Forms) {
  const struct {
    const char* text;
    unsigned days;  // bit 0: Sunday
  } rows[] = {
      {"\"*\"", 0x7f},
      {"mon", 2},
      {"Monday", 2},
      {"SUN", 1},
      {"mon,wed", 2 + 8},
      {"\"mon, wed , Friday\"", 2 + 8 + 32},
      {"tue-fri", 4 + 8 + 16 + 32},
      {"Tuesday - Friday", 4 + 8 + 16 + 32},
      {"fri-mon", 32 + 64 + 1 + 2},
      {"sat-sun", 64 + 1},
      {"sun-sat", 0x7f},
      {"mon-mon", 2},
      {"mon,thu-sat", 2 + 16 + 32 + 64},
      {"mon,mon", 2},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.text);
    const auto days = read_good<Weekdays>(row.text);
    EXPECT_EQ(days.days, row.days);
    // 2026-11-22 is a Sunday.
    for (int day = -21; day < 21; ++day) {
      const int64_t from = utc(2026, 11, 22) + day * kDay;
      const bool held = (row.days >> ((day + 21) % 7)) & 1;
      EXPECT_EQ(days.holds(from), held);
      EXPECT_EQ(days.holds(from + kDay - 1), held);
      int64_t next = from + kDay;
      while (next < from + 8 * kDay && days.holds(next) == held) next += kDay;
      const int64_t want = next < from + 8 * kDay ? next : kNever;
      EXPECT_EQ(days.next_change(from), want);
      EXPECT_EQ(days.next_change(from + kDay - 1), want);
    }
  }
  EXPECT_TRUE(read_good<Weekdays>("thu").holds(0));
  EXPECT_TRUE(read_good<Weekdays>("wed").holds(-1));
  EXPECT_TRUE(read_good<Weekdays>("wed").holds(-kDay));
  EXPECT_TRUE(read_good<Weekdays>("tue").holds(-kDay - 1));
}

enum class Kind { date, day, time };

TEST(Calendar, Faults) {
  const char* const kDate = "must be a date such as 2026-01-31";
  const char* const kDays = "must be days such as";
  const char* const kTime = "must be a time of day such as";
  const struct {
    Kind kind;
    const char* text;
    const char* key;
    const char* reason;
    uint32_t column;
  } rows[] = {
      {Kind::date, "{}", "c", "must be an object with after, before or both", 1},
      {Kind::date, "2026-01-01", "c", "must be an object with after, before or both", 1},
      {Kind::date, "{afer: 2026-01-01}", "c", "unknown key \"afer\" (did you mean \"after\"?)", 2},
      {Kind::date, "{timezone: UTC, after: 2026-01-01}", "c", "unknown key \"timezone\"", 2},
      {Kind::date, "{after: 2026-02-01, before: 2026-01-01}", "c", "would never hold", 1},
      {Kind::date, "{after: 2026-01-01, before: 2026-01-01}", "c", "would never hold", 1},
      {Kind::date, "{after: 2026-01-01T01:00Z, before: 2026-01-01T02:00+01:00}", "c", "would never hold", 1},
      {Kind::date, "{after: 2026-02-29}", "c.after", kDate, 9},
      {Kind::date, "{after: 2026-13-01}", "c.after", kDate, 9},
      {Kind::date, "{after: 2026-00-01}", "c.after", kDate, 9},
      {Kind::date, "{after: 2026-01-00}", "c.after", kDate, 9},
      {Kind::date, "{after: 26-01-01}", "c.after", kDate, 9},
      {Kind::date, "{after: 2026-1-1}", "c.after", kDate, 9},
      {Kind::date, "{after: 20260101}", "c.after", kDate, 9},
      {Kind::date, "{after: 2026-01-01T24:00}", "c.after", kDate, 9},
      {Kind::date, "{after: 2026-01-01T10}", "c.after", kDate, 9},
      {Kind::date, "{after: 2026-01-01T10:60}", "c.after", kDate, 9},
      {Kind::date, "{after: 2026-01-01T10:00:60}", "c.after", kDate, 9},
      {Kind::date, "{after: 2026-01-01T10:00:00.}", "c.after", kDate, 9},
      {Kind::date, "{after: 2026-01-01T10:00:00.1234567890}", "c.after", kDate, 9},
      {Kind::date, "{after: 2026-01-01T10:00ZZ}", "c.after", kDate, 9},
      {Kind::date, "{after: 2026-01-01T10:00+1}", "c.after", kDate, 9},
      {Kind::date, "{after: 2026-01-01T10:00+24:00}", "c.after", kDate, 9},
      {Kind::date, "{after: 2026-01-01T10:00+01:0}", "c.after", kDate, 9},
      {Kind::date, "{after: 2026-01-01T10:00+01:000}", "c.after", kDate, 9},
      {Kind::date, "{after: 2026-01-01T10:00 Europe/Berlin}", "c.after", kDate, 9},
      {Kind::date, "{after: \"2026-01-01 10:00\"}", "c.after", kDate, 9},
      {Kind::date, "{after: \"\"}", "c.after", kDate, 9},
      {Kind::date, "{after: tomorrow}", "c.after", kDate, 9},
      {Kind::date, "{before: [2026-01-01]}", "c.before", "must be a string", 10},
      {Kind::day, "\"\"", "c", kDays, 1},
      {Kind::day, "mo", "c", kDays, 1},
      {Kind::day, "mond", "c", kDays, 1},
      {Kind::day, "mon,", "c", kDays, 1},
      {Kind::day, "\",mon\"", "c", kDays, 1},
      {Kind::day, "mon-", "c", kDays, 1},
      {Kind::day, "\"-mon\"", "c", kDays, 1},
      {Kind::day, "mon-tue-wed", "c", kDays, 1},
      {Kind::day, "mon;tue", "c", kDays, 1},
      {Kind::day, "\"*,mon\"", "c", kDays, 1},
      {Kind::day, "1", "c", kDays, 1},
      {Kind::day, "{is: mon}", "c", "must be a string", 1},
      {Kind::time, "{}", "c", "must be an object with timezone and after, before or both", 1},
      {Kind::time, "{timezone: UTC}", "c", "must have after, before or both", 1},
      {Kind::time, "{after: 4pm}", "c", "must have timezone", 1},
      {Kind::time, "{timezone: UTC, afte: 4pm, before: 5pm}", "c", "(did you mean \"after\"?)", 17},
      {Kind::time, "{time_zone: UTC, before: 5pm}", "c", "(did you mean \"timezone\"?)", 2},
      {Kind::time, "{timezone: UTC, after: 22:00, before: 5pm}", "c.after", "put it in quotes", 24},
      {Kind::time, "{timezone: UTC, after: 10pm, before: 6am}", "c", "for a window over midnight", 1},
      {Kind::time, "{timezone: UTC, after: 10pm, before: 10pm}", "c", "would never hold", 1},
      {Kind::time, "{timezone: UTC, before: 12am}", "c", "would never hold", 1},
      {Kind::time, "{timezone: Europe/Berln, after: 4pm}", "c.timezone", "unknown time zone \"Europe/Berln\"", 12},
      {Kind::time, "{timezone: europe/berlin, after: 4pm}", "c.timezone", "unknown time zone \"europe/berlin\"", 12},
      {Kind::time, "{timezone: ../../etc/passwd, after: 4pm}", "c.timezone", "unknown time zone", 12},
      {Kind::time, "{timezone: /etc/localtime, after: 4pm}", "c.timezone", "unknown time zone", 12},
      {Kind::time, "{timezone: localtime, after: 4pm}", "c.timezone", "unknown time zone", 12},
      {Kind::time, "{timezone: \"\", after: 4pm}", "c.timezone", "an IANA name", 12},
      {Kind::time, "{timezone: [UTC], after: 4pm}", "c.timezone", "must be a string", 12},
      {Kind::time, "{timezone: UTC, after: 4}", "c.after", kTime, 24},
      {Kind::time, "{timezone: UTC, after: \"04\"}", "c.after", kTime, 24},
      {Kind::time, "{timezone: UTC, after: \"4:00\"}", "c.after", kTime, 24},
      {Kind::time, "{timezone: UTC, after: \"24:00\"}", "c.after", kTime, 24},
      {Kind::time, "{timezone: UTC, after: \"16:60\"}", "c.after", kTime, 24},
      {Kind::time, "{timezone: UTC, after: \"16:2\"}", "c.after", kTime, 24},
      {Kind::time, "{timezone: UTC, after: \"16:20:\"}", "c.after", kTime, 24},
      {Kind::time, "{timezone: UTC, after: \"16:20:00.\"}", "c.after", kTime, 24},
      {Kind::time, "{timezone: UTC, after: 0pm}", "c.after", kTime, 24},
      {Kind::time, "{timezone: UTC, after: 13pm}", "c.after", kTime, 24},
      {Kind::time, "{timezone: UTC, after: 16:20 PM}", "c.after", kTime, 24},
      {Kind::time, "{timezone: UTC, after: 4 p.m.}", "c.after", kTime, 24},
      {Kind::time, "{timezone: UTC, after: 4  pm}", "c.after", kTime, 24},
      {Kind::time, "{timezone: UTC, after: 4xm}", "c.after", kTime, 24},
      {Kind::time, "{timezone: UTC, after: noon}", "c.after", kTime, 24},
      {Kind::time, "{timezone: UTC, after: \"16:20Z\"}", "c.after", kTime, 24},
      {Kind::time, "{timezone: UTC, after: \"\"}", "c.after", kTime, 24},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.text);
    yaml::Faults faults;
    switch (row.kind) {
      case Kind::date:
        EXPECT_FALSE(read<DateWindow>(row.text, faults));
        break;
      case Kind::day:
        EXPECT_FALSE(read<Weekdays>(row.text, faults));
        break;
      case Kind::time:
        EXPECT_FALSE(read<TimeWindow>(row.text, faults));
        break;
    }
    ASSERT_EQ(faults.list().size(), 1u) << faults.text("c");
    EXPECT_EQ(faults.list()[0].key, row.key);
    EXPECT_NE(faults.list()[0].reason.find(row.reason), std::string::npos) << faults.list()[0].reason;
    EXPECT_EQ(faults.list()[0].mark.column, row.column);
  }
}

// ---- against the C library's clocks ---------------------------------------------------------------

// Minutes since midnight that a clock shows, for each minute from `from` on.
std::vector<int16_t> clock_of(const char* zone, int64_t from, int64_t to) {
  setenv("TZ", zone, 1);
  tzset();
  std::vector<int16_t> shown;
  for (int64_t at = from; at < to; at += kMinute) {
    const time_t seconds = at / kSecond;
    tm local{};
    localtime_r(&seconds, &local);
    shown.push_back(int16_t(local.tm_hour * 60 + local.tm_min));
  }
  unsetenv("TZ");
  tzset();
  return shown;
}

struct Hours {
  const char* text;
  int after, before;  // minutes since midnight
};
constexpr Hours kHours[] = {
    {"after: 9am, before: 5pm", 9 * 60, 17 * 60},
    {"after: 10pm", 22 * 60, 24 * 60},
    {"before: 6am", 0, 6 * 60},
    {"after: 2:15am, before: 2:45am", 135, 165},  // skipped or shown twice when clocks change
    {"after: 1:50am, before: 2:10am", 110, 130},
    {"after: 1:59am, before: 2:01am", 119, 121},
    {"after: 12am, before: 12:30am", 0, 30},
    {"after: 2am", 120, 24 * 60},
    {"before: 3am", 0, 180},
};

void scan(const char* zone, int year) {
  SCOPED_TRACE(std::string(zone) + " " + std::to_string(year));
  const int64_t from = utc(year, 1, 1), to = utc(year + 1, 1, 1);
  const std::vector<int16_t> clock = clock_of(zone, from, to);
  std::mt19937 random(7);
  for (const Hours& hours : kHours) {
    SCOPED_TRACE(hours.text);
    const auto window = read_good<TimeWindow>("{timezone: " + std::string(zone) + ", " + hours.text + "}");
    const auto want = [&](size_t i) { return clock[i] >= hours.after && clock[i] < hours.before; };
    std::vector<size_t> changes;
    for (size_t i = 0; i < clock.size(); ++i) {
      if (window.holds(from + int64_t(i) * kMinute) != want(i)) FAIL() << "minute " << i << " shows " << clock[i];
      if (i > 0 && want(i) != want(i - 1)) changes.push_back(i);
    }
    ASSERT_GT(changes.size(), 700u);
    int64_t at = from;
    for (size_t change : changes) {
      const int64_t next = window.next_change(at);
      ASSERT_EQ(next, from + int64_t(change) * kMinute) << "from minute " << (at - from) / kMinute;
      ASSERT_EQ(window.next_change(next - 1), next);
      at = next;
    }
    ASSERT_GE(window.next_change(at), to);
    for (int n = 0; n < 50; ++n) {
      const int64_t some = from + int64_t(random() % uint64_t(to - from));
      const auto later = std::find_if(changes.begin(), changes.end(),
                                      [&](size_t change) { return from + int64_t(change) * kMinute > some; });
      if (later != changes.end()) {
        ASSERT_EQ(window.next_change(some), from + int64_t(*later) * kMinute);
      }
    }
  }
}

TEST(TimesOfDay, MinuteByMinuteBerlin) {
  scan("Europe/Berlin", 2026);
}
TEST(TimesOfDay, MinuteByMinuteNewYork) {
  scan("America/New_York", 2026);
}
TEST(TimesOfDay, MinuteByMinuteKolkata) {
  scan("Asia/Kolkata", 2026);
}
TEST(TimesOfDay, MinuteByMinuteLordHowe) {
  scan("Australia/Lord_Howe", 2026);
}
// A whole day (2011-12-30) never was.
TEST(TimesOfDay, MinuteByMinuteApia) {
  scan("Pacific/Apia", 2011);
}

TEST(Zones, GoOnWhereTheListEnds) {
  for (const char* name : {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago",
                           "Asia/Kolkata", "Africa/Casablanca", "Africa/Cairo", "Europe/Dublin", "UTC"}) {
    SCOPED_TRACE(name);
    std::string why;
    const auto zone = Zone::find(name, why);
    ASSERT_TRUE(zone) << why;
    const int64_t from = utc(1971, 1, 1), to = utc(2137, 1, 1);
    std::vector<int64_t> moments;
    for (int64_t at = from; at < to; at += kDay / 2) moments.push_back(at);
    for (size_t span = zone->span_at(from); zone->end_ms(span) < to; ++span) {
      moments.insert(moments.end(), {zone->end_ms(span) - kSecond, zone->end_ms(span)});
    }
    setenv("TZ", name, 1);
    tzset();
    for (int64_t at : moments) {
      const time_t seconds = at / kSecond;
      tm local{};
      localtime_r(&seconds, &local);
      ASSERT_EQ(zone->offset_ms(zone->span_at(at)), local.tm_gmtoff * kSecond) << seconds;
    }
    unsetenv("TZ");
    tzset();
  }
}

TEST(Zones, AreSharedWhileTheyAreUsed) {
  std::string why;
  const auto one = Zone::find("Europe/Berlin", why);
  EXPECT_EQ(one, Zone::find("Europe/Berlin", why));
  EXPECT_NE(one, Zone::find("Europe/Paris", why));
  EXPECT_TRUE(read_good<TimeWindow>("{timezone: UTC, after: 4pm}") ==
              read_good<TimeWindow>("{timezone: UTC, after: '16:00'}"));
  EXPECT_FALSE(read_good<TimeWindow>("{timezone: UTC, after: 4pm}") ==
               read_good<TimeWindow>("{timezone: Etc/UTC, after: 4pm}"));
}

TEST(TimesOfDay, WholeDayNeverChanges) {
  EXPECT_EQ(read_good<TimeWindow>("{timezone: Europe/Berlin, after: 12am}").next_change(0), kNever);
  EXPECT_TRUE(read_good<TimeWindow>("{timezone: Europe/Berlin, after: 12am}").holds(utc(2026, 3, 29)));
}

TEST(TimesOfDay, Milliseconds) {
  const auto window = read_good<TimeWindow>("{timezone: UTC, after: \"10:00:00.5\", before: \"10:00:01\"}");
  const int64_t ten = utc(2026, 1, 1, 10 * kHour);
  EXPECT_FALSE(window.holds(ten + 499));
  EXPECT_TRUE(window.holds(ten + 500));
  EXPECT_TRUE(window.holds(ten + 999));
  EXPECT_FALSE(window.holds(ten + 1000));
  EXPECT_EQ(window.next_change(ten), ten + 500);
  EXPECT_EQ(window.next_change(ten + 500), ten + 1000);
  EXPECT_EQ(window.next_change(ten + 1000), ten + kDay + 500);
}

TEST(Calendar, AnyMomentIsFine) {
  const auto dates = read_good<DateWindow>("{after: 2026-01-01, before: 2027-01-01}");
  const auto days = read_good<Weekdays>("mon-wed");
  const auto times = read_good<TimeWindow>("{timezone: America/New_York, after: 9am, before: 5pm}");
  for (int64_t now : {INT64_MIN, INT64_MIN + 1, -kDay, int64_t{-1}, int64_t{0}, int64_t{1}, utc(2200, 1, 1),
                      INT64_MAX / 2, INT64_MAX - 1, INT64_MAX}) {
    EXPECT_FALSE(dates.holds(now));
    dates.next_change(now);
    days.holds(now);
    days.next_change(now);
    times.holds(now);
    times.next_change(now);
  }
  EXPECT_GT(times.next_change(utc(2200, 1, 1)), utc(2200, 1, 1));
}

// ---- in a policy ----------------------------------------------------------------------------------

TEST(Calendar, APolicysNextChangeIsTheFirstOfItsCriteria) {
  EXPECT_EQ(good("{allow: {or: [{accept: 1}]}}")->next_change_ms(5), 0);
  EXPECT_EQ(good(allow("day_of_week: \"*\""))->next_change_ms(5), 0);
  EXPECT_EQ(good(allow("date: {before: 2026-01-01}"))->next_change_ms(utc(2026, 1, 1)), 0);
  const auto policy = good(
      "[{allow: {and: [{date: {after: 2026-03-01, before: 2026-04-01}}, {day_of_week: mon-fri}]}},"
      " {deny: {not: [{time_of_day: {timezone: Europe/Berlin, after: 9am, before: 5pm}}]}}]");
  const int64_t at[] = {
      utc(2026, 2, 27, 20 * kHour),  // a Friday evening
      utc(2026, 2, 28),              // Saturday
      utc(2026, 2, 28, 8 * kHour),
      utc(2026, 2, 28, 16 * kHour),
      utc(2026, 3, 1),  // the date
  };
  for (size_t i = 0; i + 1 < std::size(at); ++i) EXPECT_EQ(policy->next_change_ms(at[i]), at[i + 1]);
  const struct {
    int64_t now;
    Verdict verdict;
  } rows[] = {
      {utc(2026, 3, 2, 8 * kHour - 1), Verdict::deny},   {utc(2026, 3, 2, 8 * kHour), Verdict::allow},
      {utc(2026, 3, 2, 16 * kHour - 1), Verdict::allow}, {utc(2026, 3, 2, 16 * kHour), Verdict::deny},
      {utc(2026, 3, 7, 12 * kHour), Verdict::deny},      {utc(2026, 3, 30, 7 * kHour), Verdict::allow},  // summer time
      {utc(2026, 4, 1, 12 * kHour), Verdict::deny},
  };
  for (const auto& row : rows) {
    Facts facts;
    facts.now_unix_ms = row.now;
    EXPECT_EQ(policy->evaluate(facts).verdict, row.verdict) << row.now;
  }
}

}  // namespace
}  // namespace cardea::policy
