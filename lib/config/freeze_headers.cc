// Headers that a route sets, removes and rewrites, with the global ones merged in.
#include <algorithm>

#include "config/freeze.h"
#include "config/load.h"

namespace cardea::config {

namespace {

constexpr size_t kMaxHeaders = 200;  // of one route and direction

struct Default {
  const char* name;
  const char* value;
  bool only_tls;
};
// Pomerium's. A browser that once saw Strict-Transport-Security does not come back without a trusted certificate.
constexpr Default kDefaults[] = {
    {"X-Frame-Options", "SAMEORIGIN", false},
    {"X-XSS-Protection", "1; mode=block", false},
    {"Strict-Transport-Security", "max-age=31536000; includeSubDomains; preload", true},
};

Bytes trim(Bytes s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

// The first ${token} that is not written as $${.
Bytes first_token(Bytes text) {
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] != '$') continue;
    if (text[i + 1] == '{')
      return text.substr(i, text.find('}', i) == Bytes::npos ? Bytes::npos : text.find('}', i) - i + 1);
    if (text[i + 1] == '$') ++i;
  }
  return {};
}

}  // namespace

const char* forbidden_header(Bytes name) {
  http::FieldId id = http::field_id(name);
  if (id == http::FieldId::host) return "is set by host_rewrite and its like";
  if (id == http::FieldId::content_length || http::is_hop_by_hop(id) || id == http::FieldId::trailer) {
    return "belongs to the connection and cannot be changed";
  }
  return nullptr;
}

bool Freezer::freeze_header(const Text& text, const Place& place, const char* key, Direction direction,
                            route::HeaderValue& out) {
  size_t colon = text.value.find(':');
  Bytes name = trim(Bytes(text.value).substr(0, colon));
  std::string where = std::string(key) + "." + std::string(name.substr(0, 80));
  auto refuse = [&](const std::string& reason) {
    fault(place, text.mark, where, reason);
    return false;
  };
  if (colon == std::string::npos) return refuse("must be \"Name: value\"");
  Bytes value = trim(Bytes(text.value).substr(colon + 1));
  if (!http::is_token(name)) return refuse("is not the name of a header");
  if (const char* why = forbidden_header(name)) return refuse(why);
  if (!http::is_field_value(value)) return refuse("has characters that cannot stand in a header");
  auto parsed = route::Template::parse(value);
  if (!parsed) return refuse(parsed.error().message);
  Bytes token = first_token(value);
  if (!token.empty() && direction == Direction::response)
    return refuse("tokens stand in set_request_headers only: " + std::string(token));
  out = {std::string(name), std::move(*parsed)};
  return true;
}

Freezer::Headers Freezer::freeze_headers(const Value<std::vector<Text>>& texts, const Place& place, const char* key,
                                         Direction direction) {
  Headers out;
  if (texts.value.size() > kMaxHeaders) {
    fault(place, texts.mark, key, "has more than " + std::to_string(kMaxHeaders) + " headers");
    return out;
  }
  for (const Text& text : texts.value) {
    if (direction == Direction::response && text.value == "disable: true") {
      out.disable = true;
      if (texts.value.size() != 1) fault(place, text.mark, std::string(key) + ".disable", "must stand alone");
      continue;
    }
    route::HeaderValue header;
    if (!freeze_header(text, place, key, direction, header)) continue;
    bool twice = std::any_of(out.values.begin(), out.values.end(),
                             [&](const auto& other) { return http::equal_no_case(other.name, header.name); });
    if (twice) {
      fault(place, text.mark, std::string(key) + "." + header.name, "is set twice");
    } else {
      out.values.push_back(std::move(header));
    }
  }
  return out;
}

void Freezer::freeze_global_headers() {
  Headers headers = freeze_headers(draft_.set_response_headers, Place{}, "set_response_headers", Direction::response);
  if (headers.disable) return;
  response_headers_ = std::move(headers.values);
  if (!draft_.set_response_headers.value.empty()) return;
  bool tls = std::any_of(draft_.listeners.begin(), draft_.listeners.end(),
                         [](const auto& listener) { return listener->tls && !listener->tls->pairs.empty(); });
  for (const Default& row : kDefaults) {
    if (row.only_tls && !tls) continue;
    auto value = route::Template::parse(row.value);
    if (value) response_headers_.push_back({row.name, std::move(*value)});
  }
}

void Freezer::freeze_route_headers(const RouteDraft& draft, const Place& place, Route& out) {
  out.set_request_headers =
      freeze_headers(draft.set_request_headers, place, "set_request_headers", Direction::request).values;
  for (const Text& text : draft.remove_request_headers.value) {
    const char* why = http::is_token(text.value) ? forbidden_header(text.value) : "is not the name of a header";
    if (why) {
      fault(place, text.mark, "remove_request_headers", text.value.substr(0, 80) + " " + why);
    } else {
      out.remove_request_headers.push_back(text.value);
    }
  }
  Headers response = freeze_headers(draft.set_response_headers, place, "set_response_headers", Direction::response);
  if (!response.disable) {
    out.set_response_headers = std::move(response.values);
    for (const route::HeaderValue& global : response_headers_) {
      bool overridden = std::any_of(out.set_response_headers.begin(), out.set_response_headers.end(),
                                    [&](const auto& own) { return http::equal_no_case(own.name, global.name); });
      if (!overridden) out.set_response_headers.push_back(global);
    }
  }
  for (const Text& text : draft.rewrite_response_headers.value) {
    yaml::Faults inner;
    auto node = yaml::parse_yaml(text.value, inner);
    auto rewrite = node ? read_rewrite_response_header(*node, "", inner) : std::nullopt;
    if (rewrite && inner.empty()) {
      out.rewrite_response_headers.push_back(std::move(*rewrite));
    } else {
      fault(place, text.mark, "rewrite_response_headers", inner.list()[0].reason);
    }
  }
}

}  // namespace cardea::config
