// Counting and describing a finished exchange.
#include "proxy/record.h"

#include <algorithm>
#include <ctime>

#include "base/json.h"
#include "proxy/exchange.h"

namespace cardea::proxy {

using http::EndCause;

void count_outcome(Counters& c, const Exchange& x) {
  const Exchange::Outcome& o = x.outcome();
  sub(c.requests_active);
  add(c.request_bytes_total, o.bytes_in);
  add(c.response_bytes_total, o.bytes_out);
  if (o.truncated) add(c.responses_truncated_total);
  c.request_duration_seconds.observe(o.duration);
  if (RouteTally* route = x.route_tally()) add(route->ended[std::min<size_t>(o.status / 100, 5)]);
  switch (o.status / 100) {
    case 1:
      add(c.responses_1xx_total);
      break;
    case 2:
      add(c.responses_2xx_total);
      break;
    case 3:
      add(c.responses_3xx_total);
      break;
    case 4:
      add(c.responses_4xx_total);
      break;
    case 5:
      add(c.responses_5xx_total);
      break;
    default:
      break;
  }
  const std::string_view detail = o.end.detail;
  switch (o.end.cause) {
    case EndCause::stream_idle:
      add(c.requests_idle_timeout_total);
      break;
    case EndCause::client_timeout:
      add(detail == "idle" ? c.requests_idle_timeout_total : c.request_timeouts_total);
      break;
    case EndCause::overload:
      if (o.status && !o.truncated) add(c.requests_overload_closed_total);
      break;
    case EndCause::limited:
      add(c.requests_limited_total);
      if (detail.ends_with(".concurrent")) add(c.requests_limited_concurrent_total);
      if (detail.ends_with(".keys")) add(c.requests_limited_keys_total);
      break;
    case EndCause::denied:
    case EndCause::revoked:
    case EndCause::unauthenticated:
    case EndCause::client_certificate:
      add(c.requests_denied_total);
      break;
    case EndCause::no_route:
      add(c.requests_without_route_total);
      break;
    case EndCause::upstream_timeout:
    case EndCause::connect_timeout:
      add(c.upstream_timeouts_total);
      break;
    default:
      break;
  }
}

namespace {

// Writes `,"key":value` pairs; the first one without its comma.
class JsonLine {
 public:
  explicit JsonLine(std::string& out) : out_(out) { out_ += '{'; }
  void text(const char* key, std::string_view value) {
    name(key);
    append_json_string(out_, value);
  }
  void number(const char* key, uint64_t value) {
    name(key);
    out_ += std::to_string(value);
  }
  void name(const char* key) {
    if (out_.back() != '{') out_ += ',';
    out_ += '"';
    out_ += key;
    out_ += "\":";
  }
  void end() { out_ += '}'; }

 private:
  std::string& out_;
};

std::string iso_time(int64_t unix_ms) {
  const time_t seconds = time_t(unix_ms / 1000);
  tm t{};
  gmtime_r(&seconds, &t);
  char text[40];
  size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &t);
  snprintf(text + n, sizeof text - n, ".%03dZ", int(unix_ms % 1000));
  return text;
}

}  // namespace

void append_cause(std::string& out, const Exchange& x) {
  const Exchange::Outcome& o = x.outcome();
  if (o.truncated) out += "truncated:";
  out += http::row(o.end.cause).word;
  if (*o.end.detail) out.append(":").append(o.end.detail);
}

void append_access_record(std::string& out, const Exchange& x) {
  const Exchange::Outcome& o = x.outcome();
  const Session& session = x.session();
  const net::TlsSession* tls = session.stream().tls();
  JsonLine line(out);
  line.text("time", iso_time(x.began_unix_ms()));
  line.text("request_id", x.id());
  line.text("trace_id", x.trace_id());
  line.text("listener", session.listener());
  line.text("peer", session.stream().peer().text());
  line.text("client_ip", x.client_ip());
  line.text("protocol", http::protocol_name(x.head().protocol));
  if (tls) {
    line.text("tls_version", tls->version);
    line.text("sni", tls->sni);
  }
  line.text("method", x.head().method_name);
  line.text("host", x.host());
  line.text("path", x.path());
  if (x.route()) {
    line.text("route", x.route()->name);
    line.text("decision", x.decision().verdict == policy::Verdict::allow ? "allow" : "deny");
    if (!x.decision().rule.empty()) line.text("rule", x.decision().rule);
    line.name("reasons");
    out += '[';
    for (std::string_view reason : x.decision().reasons) {
      if (out.back() != '[') out += ',';
      append_json_string(out, reason);
    }
    out += ']';
  }
  if (const identity::Identity* who = x.identity()) {
    line.text("user", who->user);
    if (!who->email.empty()) line.text("email", who->email);
    line.text("identity_source", identity::source_name(who->source));
  }
  if (const identity::Certificate* shown = x.certificate()) line.text("certificate_fingerprint", shown->fingerprint);
  line.number("policy_generation", x.policy_generation());
  if (const cluster::Endpoint* endpoint = x.endpoint()) {
    line.text("cluster", x.route()->cluster->name);
    line.text("endpoint", endpoint->text());
    line.text("upstream_protocol", http::protocol_name(o.upstream_protocol));
  }
  line.number("status", o.status);
  line.number("bytes_in", o.bytes_in);
  line.number("bytes_out", o.bytes_out);
  line.number("duration_ms", x.is_over() ? o.duration : x.now() - x.started_at());
  line.number("connect_ms", o.connect);
  line.number("first_byte_ms", o.first_byte);
  line.number("attempts", o.attempts);
  if (x.is_over()) {
    line.text("flags", http::row(o.end.cause).flag);
    std::string cause;
    append_cause(cause, x);
    line.text("cause", cause);
    if (!o.ended_by.empty()) line.text("ended_by", o.ended_by);
  }
  line.text("event", x.event());
  line.end();
}

void append_live_record(std::string& out, const Exchange& x) {
  const Exchange::Outcome& o = x.outcome();
  const Millis now = x.now();
  JsonLine line(out);
  line.text("id", x.id());
  line.text("trace_id", x.trace_id());
  line.text("listener", x.session().listener());
  line.text("peer", x.session().stream().peer().text());
  line.text("client_ip", x.client_ip());
  line.text("protocol", http::protocol_name(x.head().protocol));
  line.text("method", x.head().method_name);
  line.text("host", x.host());
  line.text("path", x.path());
  if (x.route()) line.text("route", x.route()->name);
  if (const identity::Identity* who = x.identity()) {
    line.text("user", who->user);
    if (!who->email.empty()) line.text("email", who->email);
    line.text("identity_source", identity::source_name(who->source));
    if (who->not_after_ms) line.text("identity_expires", iso_time(who->not_after_ms));
  }
  if (const identity::Certificate* shown = x.certificate()) line.text("certificate_fingerprint", shown->fingerprint);
  line.text("state", x.state());
  line.text("kind", x.kind());
  line.number("generation", x.snapshot().generation);
  line.number("policy_generation", x.policy_generation());
  if (!x.decision().rule.empty()) line.text("rule", x.decision().rule);
  if (const cluster::Endpoint* endpoint = x.endpoint()) line.text("endpoint", endpoint->text());
  line.number("age_ms", now - x.started_at());
  line.number("bytes_in", o.bytes_in);
  line.number("bytes_out", o.bytes_out);
  if (x.lease_until()) line.number("lease_ms", x.lease_until() > now ? x.lease_until() - now : 0);
  line.name("clocks");
  JsonLine clocks(out);
  const auto append_clock = [&](const char* name, Millis at, config::Origin from) {
    clocks.name(name);
    JsonLine clock(out);
    clock.number("left_ms", at > now ? at - now : 0);
    clock.text("from", config::origin_name(from));
    clock.end();
  };
  x.each_clock(append_clock);
  x.session().each_clock(append_clock);
  clocks.end();
  line.end();
}

}  // namespace cardea::proxy
