// Reads what a drain is asked for.
#include "proxy/drains.h"
#include "yaml/yaml.h"

namespace cardea::proxy {

namespace {
constexpr Millis kLongest = 7 * 24 * 3600 * 1000ull;
}

Result<DrainOrder> parse_drain_order(Bytes json, Millis default_allowed, bool default_gradual) {
  DrainOrder out;
  out.allowed = default_allowed;
  out.gradual = default_gradual;
  if (json.find_first_not_of(" \t\r\n") == Bytes::npos) return out;
  yaml::Faults faults;
  auto root =
      yaml::parse_yaml(json, faults, {.max_bytes = 16 * 1024, .max_depth = 5, .max_nodes = 100, .max_alias_nodes = 0});
  if (!root || !faults.empty()) return Error{kEinval, "not a JSON object: " + faults.text("body")};
  if (root->kind != yaml::Node::Kind::mapping) return Error{kEinval, "not a JSON object"};
  for (const auto& [key, value] : root->entries) {
    const std::string& name = key.scalar;
    if (name == "selector") {
      auto which = parse_selector(yaml::to_json(value));
      if (!which) return Error{kEinval, "selector: " + which.error().message};
      out.which = std::move(*which);
      out.selector = yaml::to_json(value);
    } else if (name == "deadline") {
      const bool plain = !value.quoted && value.scalar.find_first_not_of("0123456789") == std::string::npos;
      if (plain) {
        auto number = yaml::as_int(value, name, 0, int64_t(kLongest), faults);
        if (number) out.allowed = Millis(*number);
      } else if (auto duration = yaml::as_duration(value, name, faults)) {
        out.allowed = *duration;
      }
      if (!faults.empty() || out.allowed > kLongest) {
        return Error{kEinval, "deadline: must be a duration such as \"30s\" or milliseconds, a week at most"};
      }
    } else if (name == "strategy") {
      if (value.scalar != "gradual" && value.scalar != "immediate") {
        return Error{kEinval, "strategy: must be gradual or immediate"};
      }
      out.gradual = value.scalar == "gradual";
    } else if (name == "restart") {
      auto flag = yaml::as_bool(value, name, faults);
      if (!flag) return Error{kEinval, "restart: must be true or false"};
      out.restart = *flag;
    } else {
      return Error{kEinval, name + ": unknown; known are selector, deadline, strategy, restart"};
    }
  }
  return out;
}

}  // namespace cardea::proxy
