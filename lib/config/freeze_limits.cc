// limits: how much of everything a route, a user or an address may have.
#include <algorithm>

#include "config/freeze.h"

namespace cardea::config {

namespace {

using limit::By;
using limit::Terms;

constexpr size_t kMaxEntries = 20;

std::optional<By> read_by(const Object& object) {
  if (!object.find("by")) object.fault("", "has no by");
  const std::optional<std::string> word = object.string("by");
  if (!word) return std::nullopt;
  for (By by : {By::route, By::user, By::source_ip}) {
    if (*word == limit::name(by)) return by;
  }
  object.fault("by", "must be one of route, user, source_ip, not '" + word->substr(0, 40) + "'");
  return std::nullopt;
}

void read_window(const Object& object, Terms& out) {
  if (!object.find("requests")) {
    for (const char* key : {"per", "burst"}) {
      if (object.find(key)) object.fault(key, "has no effect without requests");
    }
    return;
  }
  Terms::Window window;
  const bool per = object.read_ms("per", window.per, 1);
  const bool requests = object.read("requests", window.requests, 1, Terms::kMaxRequests);
  const bool burst = object.read("burst", window.burst, 1, Terms::kMaxRequests);
  if (!requests || (object.find("per") && !per) || (object.find("burst") && !burst)) return;
  if (!burst) window.burst = window.requests;
  if (std::any_of(out.windows.begin(), out.windows.end(), [&](const auto& w) { return w.per == window.per; })) {
    return object.fault("requests", std::string("is given twice by ") + limit::name(out.by) + " for the same per");
  }
  if (out.windows.size() == Terms::kMaxWindows) {
    return object.fault("requests", std::string("is given more than ") + std::to_string(Terms::kMaxWindows) +
                                        " times by " + limit::name(out.by));
  }
  out.windows.push_back(window);
}

void read_limit(const Object& object, std::vector<Terms>& out) {
  if (!object.is_mapping()) return;
  const std::optional<By> by = read_by(object);
  if (!object.find("concurrent") && !object.find("requests") && !object.find("bytes_per_second")) {
    object.fault("", "needs at least one of concurrent, requests and bytes_per_second");
  }
  Terms unknown;  // its numbers are checked all the same
  auto same = std::find_if(out.begin(), out.end(), [&](const Terms& t) { return by && t.by == *by; });
  if (same == out.end() && by) {
    out.push_back({*by});
    same = out.end() - 1;
  }
  Terms& terms = by ? *same : unknown;
  auto once = [&](const char* key, auto& value, int64_t max) {
    if (value && object.find(key)) object.fault(key, std::string("is given twice by ") + limit::name(terms.by));
    object.read(key, value, 1, max);
  };
  once("concurrent", terms.concurrent, UINT32_MAX);
  once("bytes_per_second", terms.bytes_per_second, static_cast<int64_t>(Terms::kMaxBytes));
  read_window(object, terms);
}

}  // namespace

void Freezer::freeze_limits(const Value<std::vector<Text>>& texts, const Place& place, std::vector<Terms>& out) {
  if (texts.value.size() > kMaxEntries) {
    fault(place, texts.mark, "limits", "has more than " + std::to_string(kMaxEntries) + " entries");
    return;
  }
  for (size_t i = 0; i < texts.value.size(); ++i) {
    const Text& text = texts.value[i];
    const std::string key = place.of("limits[" + std::to_string(i) + "]");
    auto tree = tree_of(text, key, text.mark.line != 0 ? text.mark : place.mark, faults_);
    if (!tree) continue;
    read_limit(Object(*tree, key, {"by", "concurrent", "requests", "per", "burst", "bytes_per_second"}, faults_), out);
  }
}

}  // namespace cardea::config
