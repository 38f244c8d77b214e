// health_checks: what is asked of every endpoint, how often, and which answers are good.
#include <algorithm>

#include "config/freeze.h"

namespace cardea::config {

namespace {

using health::CheckConfig;
using Faults = yaml::Faults;

constexpr size_t kMaxChecks = 16;
constexpr size_t kMaxBlocks = 100;  // of what is expected, ranges of statuses, headers
constexpr size_t kMaxPayload = 64 * 1024;
constexpr int64_t kMaxAnswer = 1024 * 1024;
constexpr int64_t kMaxThreshold = 1'000'000;

struct KindRow {
  Bytes key;
  CheckConfig::Kind kind;
};
constexpr KindRow kKinds[] = {
    {"http_health_check", CheckConfig::Kind::http},
    {"tcp_health_check", CheckConfig::Kind::tcp},
    {"grpc_health_check", CheckConfig::Kind::grpc},
    {"custom_health_check", CheckConfig::Kind::custom},
};

struct DurationRow {
  Bytes key;
  Millis CheckConfig::*member;
  Millis min;
};
constexpr DurationRow kDurations[] = {
    {"timeout", &CheckConfig::timeout, 1},
    {"interval", &CheckConfig::interval, 1},
    {"initial_jitter", &CheckConfig::initial_jitter, 0},
    {"interval_jitter", &CheckConfig::interval_jitter, 0},
    {"no_traffic_interval", &CheckConfig::no_traffic_interval, 1},
    {"no_traffic_healthy_interval", &CheckConfig::no_traffic_healthy_interval, 1},
    {"unhealthy_interval", &CheckConfig::unhealthy_interval, 1},
    {"unhealthy_edge_interval", &CheckConfig::unhealthy_edge_interval, 1},
    {"healthy_edge_interval", &CheckConfig::healthy_edge_interval, 1},
};

std::optional<std::string> decode_hex(Bytes text) {
  if (text.size() % 2 != 0) return std::nullopt;
  auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  std::string out;
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
  }
  return out;
}

// {text: hex} or {binary: base64}.
std::optional<std::string> read_payload(const yaml::Node& node, const std::string& key, Faults& faults) {
  const Object object(node, key, {"text", "binary"}, faults);
  if (!object.is_mapping()) return std::nullopt;
  const bool hex = object.find("text") != nullptr;
  if (hex == (object.find("binary") != nullptr)) {
    object.fault("", "needs exactly one of text and binary");
    return std::nullopt;
  }
  const char* name = hex ? "text" : "binary";
  auto written = object.string(name);
  if (!written) return std::nullopt;
  auto out = hex ? decode_hex(*written) : decode_base64(*written);
  if (out && out->empty()) out.reset();
  if (!out) object.fault(name, hex ? "must be pairs of hexadecimal digits" : "must be base64");
  if (out && out->size() > kMaxPayload) {
    object.fault(name, "is longer than " + std::to_string(kMaxPayload) + " bytes");
  }
  return out;
}

void read_payloads(const Object& object, CheckConfig& out) {
  if (const yaml::Node* send = object.find("send")) {
    if (auto payload = read_payload(*send, object.at("send"), object.faults())) out.send = std::move(*payload);
  }
  for (const auto& [node, key] : object.list("receive", kMaxBlocks)) {
    if (auto payload = read_payload(*node, key, object.faults())) out.receive.push_back(std::move(*payload));
  }
}

// Why the check itself cannot say or leave out this header; null: it can.
const char* header_fault(const std::string& name) {
  if (!http::is_token(name)) return "is not the name of a header";
  return http::field_id(name) == http::FieldId::host ? "is said by host" : forbidden_header(name);
}

void read_statuses(const Object& object, Bytes name, std::vector<CheckConfig::Range>& out) {
  for (const auto& [node, key] : object.list(name, kMaxBlocks)) {
    const Object item(*node, key, {"start", "end"}, object.faults());
    if (!item.is_mapping()) continue;
    if (!item.find("start") || !item.find("end")) {
      item.fault("", "needs start and end, which is the first status that is not meant");
      continue;
    }
    CheckConfig::Range range;
    const bool start = item.read("start", range.start, 100, 599), end = item.read("end", range.end, 101, 600);
    if (!start || !end) continue;
    if (range.start >= range.end) item.fault("end", "must be above start: it is the first status that is not meant");
    out.push_back(range);
  }
}

// "Name: value" each, or a mapping of names to values.
void read_added_headers(const Object& object, CheckConfig& out) {
  constexpr Bytes kKey = "request_headers_to_add";
  const yaml::Node* node = object.find(kKey);
  if (!node) return;
  const bool mapping = node->kind == yaml::Node::Kind::mapping;
  struct Header {
    std::string name, value;
    yaml::Mark mark;
  };
  std::vector<Header> headers;
  if (mapping) {
    for (const auto& [name, value] : node->entries) {
      auto text = yaml::as_string(value, object.at(kKey) + "." + name.scalar, object.faults());
      if (text) headers.push_back({name.scalar, std::move(*text), value.mark});
    }
  } else {
    for (const Text& text : object.strings(kKey)) {
      const size_t colon = text.value.find(':');
      const size_t from = colon == std::string::npos ? colon : text.value.find_first_not_of(" \t", colon + 1);
      if (colon == std::string::npos) {
        object.faults().add(text.mark, object.at(kKey), "must be \"Name: value\"");
      } else {
        headers.push_back(
            {text.value.substr(0, colon), from == std::string::npos ? "" : text.value.substr(from), text.mark});
      }
    }
  }
  if (headers.size() > kMaxBlocks) {
    return object.fault(kKey, "has more than " + std::to_string(kMaxBlocks) + " headers");
  }
  for (Header& header : headers) {
    const char* why = header_fault(header.name);
    if (!why && !http::is_field_value(header.value)) why = "has characters that cannot stand in a header";
    if (why) object.faults().add(header.mark, object.at(kKey) + "." + header.name.substr(0, 80), why);
    out.add_headers.emplace_back(std::move(header.name), std::move(header.value));
  }
}

void check_authority(const Object& object, Bytes name, const std::string& value) {
  auto parsed = http::parse_authority(value);
  if (!parsed || !http::is_host(parsed->host)) object.fault(name, "is not a host");
}

void read_http(const Object& object, CheckConfig& out) {
  if (object.read("host", out.host)) check_authority(object, "host", out.host);
  if (!object.find("path") && object.is_mapping()) object.fault("", "has no path");
  if (object.read("path", out.path)) {
    const bool good = out.path[0] == '/' && is_visible(out.path) && out.path.find('#') == std::string::npos;
    if (!good) object.fault("path", "must begin with / and have no spaces and no fragment");
  }
  if (object.read("method", out.method)) {
    if (!http::is_token(out.method)) object.fault("method", "is not a method");
    if (out.method == "CONNECT") object.fault("method", "may not be CONNECT");
  }
  read_payloads(object, out);
  object.read("response_buffer_size", out.response_buffer_size, 0, kMaxAnswer);
  read_added_headers(object, out);
  for (const Text& text : object.strings("request_headers_to_remove")) {
    const char* why = header_fault(text.value);
    if (why)
      object.faults().add(text.mark, object.at("request_headers_to_remove"), text.value.substr(0, 80) + " " + why);
    out.remove_headers.push_back(text.value);
  }
  read_statuses(object, "expected_statuses", out.expected_statuses);
  read_statuses(object, "retriable_statuses", out.retriable_statuses);
  auto codec = object.string("codec_client_type");
  if (!codec) return;
  out.http2 = *codec == "HTTP2";
  if (*codec == "HTTP3") {
    object.fault("codec_client_type", "not supported yet: HTTP3");
  } else if (!out.http2 && *codec != "HTTP1") {
    object.fault("codec_client_type", "must be one of HTTP1, HTTP2, not '" + codec->substr(0, 40) + "'");
  }
}

void read_kind(const Object& check, CheckConfig& out) {
  const KindRow* row = std::find_if(std::begin(kKinds), std::end(kKinds),
                                    [&](const KindRow& r) { return check.find(r.key) != nullptr; });
  const auto count = std::count_if(std::begin(kKinds), std::end(kKinds),
                                   [&](const KindRow& r) { return check.find(r.key) != nullptr; });
  if (count != 1) {
    return check.fault(
        "", "needs exactly one of http_health_check, tcp_health_check, grpc_health_check and custom_health_check");
  }
  out.kind = row->kind;
  const yaml::Node& node = *check.find(row->key);
  const std::string key = check.at(row->key);
  switch (out.kind) {
    case CheckConfig::Kind::http:
      return read_http(
          Object(node, key,
                 {"host", "path", "method", "send", "receive", "response_buffer_size", "request_headers_to_add",
                  "request_headers_to_remove", "expected_statuses", "retriable_statuses", "codec_client_type"},
                 check.faults(), {"service_name_matcher"}),
          out);
    case CheckConfig::Kind::tcp: {
      const Object object(node, key, {"send", "receive"}, check.faults(), {"proxy_protocol_config"});
      return read_payloads(object, out);
    }
    case CheckConfig::Kind::grpc: {
      const Object object(node, key, {"service_name", "authority"}, check.faults(), {"initial_metadata"});
      object.read("service_name", out.service_name);
      if (object.read("authority", out.authority)) check_authority(object, "authority", out.authority);
      return;
    }
    case CheckConfig::Kind::custom:
      // The host knows what to ask.
      if (node.kind != yaml::Node::Kind::mapping || !node.entries.empty()) check.fault(row->key, "must be {}");
      return;
  }
}

void read_check(const Object& object, CheckConfig& out) {
  if (!object.is_mapping()) return;
  for (const char* needed : {"timeout", "interval", "unhealthy_threshold", "healthy_threshold"}) {
    if (!object.find(needed)) object.fault("", std::string("has no ") + needed);
  }
  for (const DurationRow& row : kDurations) object.read_ms(row.key, out.*row.member, row.min);
  object.read("unhealthy_threshold", out.unhealthy_threshold, 1, kMaxThreshold);
  object.read("healthy_threshold", out.healthy_threshold, 1, kMaxThreshold);
  object.read("interval_jitter_percent", out.interval_jitter_percent, 0, 1000);
  object.read("reuse_connection", out.reuse_connection);
  object.read("always_log_health_check_failures", out.always_log_failures);
  object.read("always_log_health_check_success", out.always_log_success);
  read_kind(object, out);
}

}  // namespace

void Freezer::freeze_health(const ClusterDraft& draft, BuiltCluster& out) {
  const Value<std::vector<Text>>& texts = draft.health_checks;
  if (texts.value.size() > kMaxChecks) {
    fault(out.place, texts.mark, "health_checks", "has more than " + std::to_string(kMaxChecks) + " checks");
    return;
  }
  std::vector<Bytes> known = {"unhealthy_threshold",
                              "healthy_threshold",
                              "interval_jitter_percent",
                              "reuse_connection",
                              "always_log_health_check_failures",
                              "always_log_health_check_success"};
  for (const DurationRow& row : kDurations) known.push_back(row.key);
  for (const KindRow& row : kKinds) known.push_back(row.key);
  for (size_t i = 0; i < texts.value.size(); ++i) {
    const Text& text = texts.value[i];
    const std::string key = out.place.of("health_checks[" + std::to_string(i) + "]");
    auto tree = tree_of(text, key, text.mark.line != 0 ? text.mark : out.place.mark, faults_);
    if (!tree) continue;
    read_check(Object(*tree, key, known, faults_,
                      {"transport_socket_match_criteria", "tls_options", "event_log_path", "event_logger",
                       "event_service", "alt_port"}),
               out.config.health_checks.emplace_back());
  }
  freeze_outliers(draft, out);
  const Value<bool>& close = draft.close_connections_on_host_health_failure;
  out.config.close_connections_on_health_failure = close.value;
  if (close.value && texts.value.empty() && !draft.outlier_detection.set) {
    fault(out.place, close.mark, "close_connections_on_host_health_failure",
          "has no effect without health_checks or outlier_detection");
  }
}

}  // namespace cardea::config
