// What a scalar means: strings, booleans, numbers, durations; and nodes as JSON.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/json.h"
#include "yaml/yaml.h"

namespace cardea::yaml {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

size_t digits(Bytes s, size_t from) {
  size_t i = from;
  while (i < s.size() && is_digit(s[i])) ++i;
  return i - from;
}

// -?(0|[1-9][0-9]*): what every version of YAML and JSON reads alike.
size_t plain_int(Bytes s) {
  size_t sign = !s.empty() && s[0] == '-' ? 1 : 0;
  size_t n = digits(s, sign);
  if (n == 0 || (n > 1 && s[sign] == '0')) return 0;
  return sign + n;
}

bool is_plain_int(Bytes s) {
  return !s.empty() && plain_int(s) == s.size();
}

bool is_plain_number(Bytes s) {
  size_t n = plain_int(s);
  if (n == 0) return false;
  if (n == s.size()) return true;
  if (s[n] != '.') return false;
  size_t fraction = digits(s, n + 1);
  return fraction != 0 && n + 1 + fraction == s.size();
}

bool is_one_of_case_forms(Bytes s, Bytes lower) {
  if (s.size() != lower.size()) return false;
  std::string upper(lower), title(lower);
  for (char& c : upper) c = static_cast<char>(c - 'a' + 'A');
  title[0] = upper[0];
  return s == lower || s == upper || s == title;
}

bool is_true(Bytes s) {
  return is_one_of_case_forms(s, "true");
}
bool is_false(Bytes s) {
  return is_one_of_case_forms(s, "false");
}

bool looks_boolean(Bytes s) {
  if (s.size() > 5) return false;
  for (Bytes word : {"true", "false", "yes", "no", "on", "off", "y", "n"}) {
    if (is_one_of_case_forms(s, word)) return true;
  }
  return false;
}

// Whether some version of YAML reads this as a number: 007, 0x1f, 1_000, 1e3, .5, 12:30, .inf.
bool looks_numeric(Bytes s) {
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) s.remove_prefix(1);
  if (s.empty()) return false;
  for (Bytes word : {".inf", ".nan"}) {
    if (s.size() == 4 && (s == word || s == ".Inf" || s == ".INF" || s == ".NaN" || s == ".NAN")) return true;
  }
  if (s.size() > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'o' || s[1] == 'b')) {
    return std::all_of(s.begin() + 2, s.end(), [](char c) {
      return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '_';
    });
  }
  if (!is_digit(s[0]) && !(s[0] == '.' && s.size() > 1 && is_digit(s[1]))) return false;
  size_t dots = 0, exponent = 0;
  for (size_t i = 0; i < s.size(); ++i) {
    char c = s[i];
    if (is_digit(c) || c == '_') continue;
    if (c == ':' && exponent == 0 && dots == 0 && i + 1 < s.size() && is_digit(s[i + 1])) continue;
    if (c == '.' && ++dots == 1 && exponent == 0) continue;
    if ((c == 'e' || c == 'E') && ++exponent == 1 && i + 1 < s.size()) continue;
    if ((c == '+' || c == '-') && (s[i - 1] == 'e' || s[i - 1] == 'E') && i + 1 < s.size()) continue;
    return false;
  }
  return true;
}

const char* kind_name(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      return "nothing";
    case Node::Kind::sequence:
      return "a list";
    case Node::Kind::mapping:
      return "a mapping";
    case Node::Kind::scalar:
      break;
  }
  if (node.quoted) return "a string";
  if (looks_boolean(node.scalar)) return "a boolean";
  return looks_numeric(node.scalar) ? "a number" : "a string";
}

void wrong_type(const Node& node, const std::string& key, const char* wanted, Faults& faults) {
  std::string reason = std::string("must be ") + wanted + ", not " + kind_name(node);
  if (node.kind == Node::Kind::scalar) reason += " (" + node.scalar.substr(0, 40) + ")";
  faults.add(node.mark, key, reason);
}

void out_of_range(const Node& node, const std::string& key, const std::string& min, const std::string& max,
                  Faults& faults) {
  faults.add(node.mark, key, "must be between " + min + " and " + max + ", not " + node.scalar.substr(0, 40));
}

__extension__ typedef unsigned __int128 Wide;

// Nanoseconds of one unit, and how long its name is; 0 for no unit.
std::pair<uint64_t, size_t> unit_at(Bytes s) {
  struct Unit {
    Bytes name;
    uint64_t ns;
  };
  static constexpr Unit kUnits[] = {
      {"ns", 1},         {"us", 1000},         {"\xc2\xb5s", 1000},   {"\xce\xbcs", 1000},
      {"ms", 1'000'000}, {"s", 1'000'000'000}, {"m", 60'000'000'000}, {"h", 3'600'000'000'000},
  };
  for (const Unit& unit : kUnits) {
    if (s.substr(0, unit.name.size()) == unit.name) return {unit.ns, unit.name.size()};
  }
  return {0, 0};
}

void append_json(const Node& node, std::string& out) {
  switch (node.kind) {
    case Node::Kind::null:
      out += "null";
      return;
    case Node::Kind::scalar:
      if (!node.quoted && is_true(node.scalar)) {
        out += "true";
      } else if (!node.quoted && is_false(node.scalar)) {
        out += "false";
      } else if (!node.quoted && is_plain_number(node.scalar)) {
        out += node.scalar;
      } else {
        append_json_string(out, node.scalar);
      }
      return;
    case Node::Kind::sequence:
      out += '[';
      for (size_t i = 0; i < node.items.size(); ++i) {
        if (i != 0) out += ',';
        append_json(node.items[i], out);
      }
      out += ']';
      return;
    case Node::Kind::mapping:
      out += '{';
      for (size_t i = 0; i < node.entries.size(); ++i) {
        if (i != 0) out += ',';
        append_json_string(out, node.entries[i].first.scalar);
        out += ':';
        append_json(node.entries[i].second, out);
      }
      out += '}';
      return;
  }
}

}  // namespace

std::optional<std::string> as_string(const Node& node, const std::string& key, Faults& faults) {
  if (node.kind != Node::Kind::scalar) {
    wrong_type(node, key, "a string", faults);
    return std::nullopt;
  }
  if (node.quoted || is_plain_int(node.scalar)) return node.scalar;
  if (looks_boolean(node.scalar) || looks_numeric(node.scalar)) {
    faults.add(node.mark, key,
               "must be a string: YAML readers take " + node.scalar.substr(0, 40) + " for " + kind_name(node) +
                   ", put it in quotes");
    return std::nullopt;
  }
  return node.scalar;
}

std::optional<bool> as_bool(const Node& node, const std::string& key, Faults& faults) {
  if (node.kind == Node::Kind::scalar && !node.quoted) {
    if (is_true(node.scalar)) return true;
    if (is_false(node.scalar)) return false;
  }
  wrong_type(node, key, "true or false", faults);
  return std::nullopt;
}

std::optional<int64_t> as_int(const Node& node, const std::string& key, int64_t min, int64_t max, Faults& faults) {
  if (node.kind != Node::Kind::scalar || node.quoted || !is_plain_int(node.scalar)) {
    wrong_type(node, key, "a whole decimal number", faults);
    return std::nullopt;
  }
  int64_t value = 0;
  const std::string& s = node.scalar;
  auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
  if (error != std::errc() || value < min || value > max) {
    out_of_range(node, key, std::to_string(min), std::to_string(max), faults);
    return std::nullopt;
  }
  return value;
}

std::optional<double> as_number(const Node& node, const std::string& key, double min, double max, Faults& faults) {
  if (node.kind != Node::Kind::scalar || node.quoted || !is_plain_number(node.scalar)) {
    wrong_type(node, key, "a decimal number", faults);
    return std::nullopt;
  }
  double value = 0;
  const std::string& s = node.scalar;
  auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
  if (error != std::errc() || !std::isfinite(value) || value < min || value > max) {
    char low[32], high[32];
    auto low_end = std::to_chars(low, low + sizeof low, min).ptr;
    auto high_end = std::to_chars(high, high + sizeof high, max).ptr;
    out_of_range(node, key, std::string(low, low_end), std::string(high, high_end), faults);
    return std::nullopt;
  }
  return value;
}

std::optional<Millis> as_duration(const Node& node, const std::string& key, Faults& faults) {
  if (node.kind != Node::Kind::scalar) {
    wrong_type(node, key, "a duration such as 30s", faults);
    return std::nullopt;
  }
  Result<Millis> value = parse_duration(node.scalar);
  if (!value) {
    faults.add(node.mark, key, value.error().message);
    return std::nullopt;
  }
  return *value;
}

Result<Millis> parse_duration(Bytes text) {
  constexpr uint64_t kMax = INT64_MAX;  // nanoseconds: 292 years
  std::string quoted("'");
  quoted.append(text.substr(0, 40)).append("'");
  auto fail = [&](const char* why) {
    return Error{kEinval, "must be a duration such as 500ms, 30s or 1h30m: " + quoted + " " + why};
  };
  Bytes s = text;
  if (!s.empty() && s[0] == '-') return fail("is negative");
  if (!s.empty() && s[0] == '+') s.remove_prefix(1);
  if (s == "0") return Millis{0};
  if (s.empty()) return fail("has no number");
  Wide total = 0;
  while (!s.empty()) {
    size_t whole = digits(s, 0);
    Wide number = 0;
    for (size_t i = 0; i < whole; ++i) {
      number = number * 10 + static_cast<unsigned>(s[i] - '0');
      if (number > kMax) return fail("is too long");
    }
    s.remove_prefix(whole);
    Wide fraction = 0, scale = 1;
    size_t fraction_digits = 0;
    if (!s.empty() && s[0] == '.') {
      fraction_digits = digits(s, 1);
      for (size_t i = 1; i <= fraction_digits && i <= 18; ++i) {
        fraction = fraction * 10 + static_cast<unsigned>(s[i] - '0');
        scale *= 10;
      }
      s.remove_prefix(1 + fraction_digits);
    }
    if (whole + fraction_digits == 0) return fail("has no number");
    auto [ns, length] = unit_at(s);
    if (ns == 0) return fail(s.empty() ? "has no unit" : "has an unknown unit");
    s.remove_prefix(length);
    total += number * ns + (fraction * ns + scale - 1) / scale;
    if (total > kMax) return fail("is too long");
  }
  return static_cast<Millis>((total + 999'999) / 1'000'000);
}

std::string to_json(const Node& node) {
  std::string out;
  append_json(node, out);
  return out;
}

}  // namespace cardea::yaml
