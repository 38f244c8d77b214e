// Selectors and revocations: reading them, and whom they mean.
#include "proxy/selector.h"

#include <algorithm>
#include <ctime>
#include <optional>

#include "proxy/exchange.h"
#include "yaml/yaml.h"

namespace cardea::proxy {

namespace {

bool names(const identity::Identity* who, const std::string& user) {
  return who && (who->user == user || (!who->email.empty() && who->email == user));
}

// Either spelling of a SHA-256 fingerprint; empty: it is none.
std::string fingerprint(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ':' && text.size() == 95 && i % 3 == 2) continue;
    const char low = c >= 'A' && c <= 'F' ? char(c + 32) : c;
    if (!((low >= '0' && low <= '9') || (low >= 'a' && low <= 'f'))) return {};
    out += low;
  }
  return out.size() == 64 ? out : std::string();
}

// Unix milliseconds of RFC 3339 in UTC or with an offset; nothing: it is no such time.
std::optional<int64_t> rfc3339(Bytes text) {
  size_t at = 0;
  bool fine = true;
  auto number = [&](size_t digits, int least, int most) {
    int n = 0;
    for (size_t i = 0; i < digits; ++i, ++at) {
      if (at >= text.size() || text[at] < '0' || text[at] > '9') {
        fine = false;
        return least;
      }
      n = 10 * n + (text[at] - '0');
    }
    fine &= n >= least && n <= most;
    return n;
  };
  auto take = [&](Bytes any) {
    const bool there = at < text.size() && any.find(text[at]) != Bytes::npos;
    at += there;
    return there;
  };
  tm t{};
  t.tm_year = number(4, 1970, 9999) - 1900;
  fine &= take("-");
  t.tm_mon = number(2, 1, 12) - 1;
  fine &= take("-");
  t.tm_mday = number(2, 1, 31);
  fine &= take("Tt");
  t.tm_hour = number(2, 0, 23);
  fine &= take(":");
  t.tm_min = number(2, 0, 59);
  fine &= take(":");
  t.tm_sec = number(2, 0, 60);
  if (take(".")) {
    number(1, 0, 9);
    while (take("0123456789")) {
    }
  }
  int64_t offset = 0;
  if (!take("Zz")) {
    const bool east = take("+");
    fine &= east || take("-");
    offset = number(2, 0, 23) * 3600;
    fine &= take(":");
    offset += number(2, 0, 59) * 60;
    if (!east) offset = -offset;
  }
  if (!fine || at != text.size()) return std::nullopt;
  tm date{};
  date.tm_year = t.tm_year;
  date.tm_mon = t.tm_mon;
  date.tm_mday = t.tm_mday;
  timegm(&date);
  if (date.tm_mday != t.tm_mday) return std::nullopt;  // it makes March 3 of February 31
  return (int64_t(timegm(&t)) - offset) * 1000;
}

Error fault(const std::string& what) {
  return {kEinval, what};
}

// A JSON string. What YAML would take for one without quotes may be a mistake: {"user": null} is nobody's name.
bool is_text(const yaml::Node& node) {
  return node.kind == yaml::Node::Kind::scalar && node.quoted && !node.scalar.empty();
}

// A flat JSON object: calls fn(name, node) for each member; fn gives what is wrong, or nothing.
template <class Fn>
Result<void> read_object(Bytes json, Fn fn) {
  if (json.find_first_not_of(" \t\r\n") == Bytes::npos) return {};
  yaml::Faults faults;
  auto root =
      yaml::parse_yaml(json, faults, {.max_bytes = 16 * 1024, .max_depth = 4, .max_nodes = 100, .max_alias_nodes = 0});
  if (!root || !faults.empty()) return fault("not a JSON object: " + faults.text("body"));
  if (root->kind != yaml::Node::Kind::mapping) return fault("not a JSON object");
  for (const auto& [key, value] : root->entries) {
    const std::string wrong = fn(key.scalar, value);
    if (!wrong.empty()) return fault(key.scalar + ": " + wrong);
  }
  return {};
}

}  // namespace

bool Selector::fits(const Exchange& x) const {
  if (!user.empty() && !names(x.identity(), user)) return false;
  if (!route.empty() && !(x.route() && x.route()->name == route)) return false;
  if (!listener.empty() && x.session().listener() != listener) return false;
  if (!cluster.empty() && !(x.route() && x.route()->cluster && x.route()->cluster->name == cluster)) return false;
  if (!endpoint.empty() && !(x.endpoint() && x.endpoint()->text() == endpoint)) return false;
  if (!certificate_fingerprint.empty() &&
      !(x.certificate() && x.certificate()->fingerprint == certificate_fingerprint)) {
    return false;
  }
  if (!exchange.empty() && x.id() != exchange) return false;
  if (certificate_generation >= 0 && int64_t(x.session().certificate_generation()) != certificate_generation)
    return false;
  return generation < 0 || int64_t(x.snapshot().generation) == generation;
}

bool Selector::means_sessions() const {
  Selector rest = *this;
  rest.listener.clear();
  rest.certificate_generation = -1;
  return rest.everything();
}

bool Selector::fits(const Session& s) const {
  if (!listener.empty() && s.listener() != listener) return false;
  return certificate_generation < 0 || int64_t(s.certificate_generation()) == certificate_generation;
}

Result<Selector> parse_selector(Bytes json) {
  Selector out;
  auto read = read_object(json, [&](const std::string& name, const yaml::Node& value) -> std::string {
    if (name == "generation" || name == "certificate_generation") {
      yaml::Faults faults;
      auto number = yaml::as_int(value, name, 0, INT64_MAX, faults);
      if (!number) return "must be a number";
      (name == "generation" ? out.generation : out.certificate_generation) = *number;
      return {};
    }
    std::string* text = name == "user"                      ? &out.user
                        : name == "route"                   ? &out.route
                        : name == "listener"                ? &out.listener
                        : name == "cluster"                 ? &out.cluster
                        : name == "endpoint"                ? &out.endpoint
                        : name == "exchange"                ? &out.exchange
                        : name == "certificate_fingerprint" ? &out.certificate_fingerprint
                                                            : nullptr;
    if (!text) {
      return "unknown; known are user, route, listener, cluster, endpoint, exchange, certificate_fingerprint, "
             "generation, certificate_generation";
    }
    if (!is_text(value)) return "must be a text";
    *text = value.scalar;
    if (text != &out.certificate_fingerprint) return {};
    *text = fingerprint(*text);
    return text->empty() ? "must be a SHA-256 in hex" : "";
  });
  if (!read) return read.error();
  return out;
}

Result<Revocation> parse_revocation(Bytes json) {
  Revocation out;
  auto read = read_object(json, [&](const std::string& name, const yaml::Node& value) -> std::string {
    if (name == "user") {
      if (!is_text(value)) return "must be a text";
      out.user = value.scalar;
      return {};
    }
    if (name == "certificate_fingerprint") {
      if (!is_text(value)) return "must be a text";
      out.certificate_fingerprint = fingerprint(value.scalar);
      return out.certificate_fingerprint.empty() ? "must be a SHA-256 in hex" : "";
    }
    if (name != "until") return "unknown; known are user, certificate_fingerprint, until";
    if (value.quoted) {
      out.until_unix_ms = rfc3339(value.scalar).value_or(0);
    } else {
      yaml::Faults faults;
      if (auto seconds = yaml::as_int(value, name, 1, 1'000'000'000'000, faults)) out.until_unix_ms = *seconds * 1000;
    }
    return out.until_unix_ms > 0 ? "" : "must be Unix seconds or a time like 2030-01-31T12:00:00Z";
  });
  if (!read) return read.error();
  if (out.user.empty() == out.certificate_fingerprint.empty()) {
    return fault("needs either user or certificate_fingerprint");
  }
  return out;
}

}  // namespace cardea::proxy
