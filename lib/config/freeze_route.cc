// One route: what it matches, how it changes a request, its times and its policy.
#include <algorithm>

#include "config/freeze.h"
#include "config/load.h"

namespace cardea::config {

namespace {

constexpr size_t kMaxResponseBody = 64 * 1024;

bool has_redirect(const RouteDraft& d) {
  return d.redirect.set || d.redirect_https.set || d.redirect_scheme.set || d.redirect_host.set ||
         d.redirect_port.set || d.redirect_path.set || d.redirect_prefix.set || d.redirect_code.set ||
         d.redirect_strip_query.set;
}
bool has_response(const RouteDraft& d) {
  return d.response.set || d.response_status.set || d.response_body.set;
}

// Empty: fine.
std::string rewrite_fault(const std::string& path, bool may_have_query) {
  if (path.empty() || path[0] != '/') return "must begin with /";
  if (!is_visible(path) || path.find('#') != std::string::npos) return "has characters that cannot stand in a path";
  if (!may_have_query && path.find('?') != std::string::npos) return "may not have a query";
  return "";
}

struct From {
  std::string host;
  uint16_t port = 0;
  std::string fault;
};

bool is_tcp(Bytes from) {
  constexpr Bytes kScheme = "tcp+https://";
  return lower(from.substr(0, kScheme.size())) == kScheme;
}

From parse_from(const std::string& text) {
  From out;
  size_t colon = text.find("://");
  std::string scheme = lower(Bytes(text).substr(0, colon == std::string::npos ? 0 : colon));
  const bool tcp = is_tcp(text);
  if (scheme == "udp+https" || scheme == "tcp+http") return {{}, 0, "not supported yet: " + scheme};
  if (scheme == "ssh") return {{}, 0, "not supported by cardea: ssh"};
  if (scheme != "https" && scheme != "http" && !tcp) return {{}, 0, "must be https://HOST or https://HOST:PORT"};
  Bytes rest = Bytes(text).substr(colon + 3);
  if (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
  if (rest.find_first_of("/?#") != Bytes::npos)
    return {{}, 0, tcp ? "may not have a path" : "may not have a path or a query: use prefix, path or regex"};
  if (rest.find('@') != Bytes::npos) return {{}, 0, "may not have a user"};
  bool wildcard = rest.substr(0, 2) == "*.", any = rest == "*" || rest.substr(0, 2) == "*:";
  Bytes authority = rest.substr(wildcard ? 2 : any ? 1 : 0);
  std::string any_authority = "x" + std::string(authority);
  auto parsed = http::parse_authority(any ? Bytes(any_authority) : authority);
  if (!parsed || (parsed->has_port && parsed->port == 0)) return {{}, 0, "has no valid host"};
  if (parsed->host.find('*') != Bytes::npos)
    return {{}, 0, "may have a wildcard only as its first label: *.example.com"};
  if (!any && !is_host(parsed->host)) return {{}, 0, "has no valid host"};
  if (wildcard && parsed->host[0] == '[') return {{}, 0, "has no valid host"};
  out.host = any ? "*" : (wildcard ? "*." : "") + lower(parsed->host);
  // CONNECT names a port always, and every port is another service.
  if (tcp && !parsed->has_port) return {{}, 0, "needs a port: tcp+https://HOST:PORT"};
  uint16_t usual = tcp ? 0 : scheme == "https" ? 443 : 80;
  if (parsed->has_port && parsed->port != usual) out.port = parsed->port;
  return out;
}

}  // namespace

Freezer::Place Freezer::place_of(const RouteDraft& draft, size_t index) {
  Place place{draft.key, draft.mark};
  if (place.key.empty()) {
    place.key = draft.name.value.empty() ? "route[" + std::to_string(index) + "]"
                                         : "route '" + draft.name.value.substr(0, 80) + "'";
  }
  return place;
}

void Freezer::freeze_route(const RouteDraft& draft, size_t index) {
  Place place = place_of(draft, index);
  Route out;
  out.index = static_cast<uint32_t>(index);
  matched_.push_back(freeze_match(draft, place, out));
  places_.push_back(place);
  out.name = route_name(draft, out.match);
  out.served_by_host = draft.served_by_host.value;
  int kinds = (draft.cluster != nullptr) + has_redirect(draft) + has_response(draft) + out.served_by_host;
  if (kinds == 0) fault(place, draft.mark, "", "needs to, redirect, response or served_by_host");
  if (kinds > 1) fault(place, draft.mark, "", "may have only one of to, redirect, response and served_by_host");
  freeze_times(draft, place, out);
  freeze_route_upgrades(draft, place, out);
  freeze_route_headers(draft, place, out);
  freeze_route_identity(draft, place, out);
  freeze_policy(draft, place, out);
  if (has_redirect(draft)) freeze_redirect(draft, place, out);
  if (has_response(draft)) freeze_response(draft, place, out);
  const std::optional<RetryBudget> budget = freeze_retry(draft, place, out);
  freeze_hash_policy(draft, place, out);
  freeze_limits(draft.limit_list, place, out.shares);
  std::string to_path;
  if (draft.cluster) {
    const BuiltCluster& built = build_cluster(*draft.cluster, place);
    to_path = built.to_path;
    if (built.good) out.cluster = intern(*draft.cluster, built, out, budget);
  }
  if (out.cluster) check_upgrades(draft, place, out);
  freeze_rewrite(draft, place, to_path, out);
  check_tcp(draft, place, out);
  if (out.served_by_host) check_served(draft, place);
  out_->routes.push_back(std::move(out));
}

// The host speaks HTTP messages and nothing else, and is asked once.
void Freezer::check_served(const RouteDraft& draft, const Place& place) {
  const auto refuse = [&](const auto& value, const char* key) {
    if (value.set) fault(place, value.mark, key, "has no effect with served_by_host");
  };
  if (draft.allow_websockets.value) refuse(draft.allow_websockets, "allow_websockets");
  refuse(draft.allow_upgrades, "allow_upgrades");
  refuse(draft.allow_spdy, "allow_spdy");
  refuse(draft.retry_policy, "retry_policy");
  refuse(draft.hash_policy, "hash_policy");
}

bool Freezer::freeze_match(const RouteDraft& draft, const Place& place, Route& route) {
  route::Match& out = route.match;
  size_t before = faults_.list().size();
  if (!draft.from.set) fault(place, draft.mark, "", "has no from");
  if (usable(draft.from)) {
    From from = parse_from(draft.from.value);
    if (!from.fault.empty()) fault(place, draft.from.mark, "from", from.fault);
    out.host = from.host;
    out.port = from.port;
    route.tcp = is_tcp(draft.from.value);
  }
  if (draft.prefix.set + draft.path.set + draft.regex.set > 1) {
    fault(place, draft.mark, "", "may have only one of prefix, path and regex");
  }
  auto take = [&](const Value<std::string>& value, const char* key, route::Match::Path kind) {
    if (!usable(value)) return;
    out.kind = kind;
    out.path = value.value;
    std::string why =
        kind == route::Match::Path::regex ? (value.value.empty() ? "is empty" : "") : path_fault(value.value);
    if (!why.empty()) fault(place, value.mark, key, why);
  };
  take(draft.prefix, "prefix", route::Match::Path::prefix);
  take(draft.path, "path", route::Match::Path::exact);
  take(draft.regex, "regex", route::Match::Path::regex);
  out.regex_priority = draft.regex_priority_order.value;
  if (usable(draft.regex_priority_order) && !draft.regex.set) {
    fault(place, draft.regex_priority_order.mark, "regex_priority_order", "has no effect without regex");
  }
  bool bad = draft.from.bad || draft.prefix.bad || draft.path.bad || draft.regex.bad;
  return !bad && faults_.list().size() == before && draft.from.set;
}

// Requests are matched by their normalised path: a route for another spelling would never be taken.
std::string Freezer::path_fault(const std::string& path) const {
  if (path.empty() || path[0] != '/') return "must begin with /";
  if (path.find_first_of("?#") != std::string::npos) return "may not have a query or a fragment";
  Arena arena;
  auto normal = http::normalize_path(path, out_->path, arena);
  if (!normal) return "no request can have this path: " + normal.error().message;
  if (normal->path != path) return "no request can have this path: it becomes " + std::string(normal->path);
  return "";
}

std::string Freezer::route_name(const RouteDraft& draft, const route::Match& match) const {
  if (!draft.name.value.empty()) return draft.name.value;
  std::string from = draft.from.value;
  if (!from.empty() && from.back() == '/') from.pop_back();
  return from + match.path;
}

void Freezer::freeze_redirect(const RouteDraft& draft, const Place& place, Route& out) {
  route::Redirect& r = out.redirect.emplace();
  r.https_redirect = draft.redirect_https.value;
  r.scheme = draft.redirect_scheme.value;
  r.host = draft.redirect_host.value;
  r.port = static_cast<uint16_t>(draft.redirect_port.value);
  r.path = draft.redirect_path.value;
  r.prefix_rewrite = draft.redirect_prefix.value;
  r.has_path = usable(draft.redirect_path);
  r.has_prefix = usable(draft.redirect_prefix);
  r.status = static_cast<uint16_t>(draft.redirect_code.value);
  r.strip_query = draft.redirect_strip_query.value;
  if (r.https_redirect && !r.scheme.empty()) {
    fault(place, draft.redirect_scheme.mark, "redirect.scheme_redirect", "contradicts https_redirect");
  }
  if (r.has_path && r.has_prefix) {
    fault(place, draft.redirect_prefix.mark, "redirect.prefix_rewrite", "contradicts path_redirect");
  }
  if (usable(draft.redirect_host) && !is_host(r.host)) {
    fault(place, draft.redirect_host.mark, "redirect.host_redirect", "is not a host");
  }
  auto check = [&](const Value<std::string>& value, const char* key, bool may_have_query) {
    std::string why = usable(value) ? rewrite_fault(value.value, may_have_query) : "";
    if (!why.empty()) fault(place, value.mark, key, why);
  };
  check(draft.redirect_path, "redirect.path_redirect", true);
  check(draft.redirect_prefix, "redirect.prefix_rewrite", false);
  if (r.status > 303 && r.status < 307) {
    fault(place, draft.redirect_code.mark, "redirect.response_code", "must be 301, 302, 303, 307 or 308");
  }
  bool changes = r.https_redirect || draft.redirect_scheme.set || draft.redirect_host.set || draft.redirect_port.set ||
                 draft.redirect_path.set || draft.redirect_prefix.set;
  if (!changes && !draft.redirect.bad) fault(place, draft.redirect.mark, "redirect", "leads back to the same address");
}

void Freezer::freeze_response(const RouteDraft& draft, const Place& place, Route& out) {
  route::DirectResponse& r = out.response.emplace();
  r.status = static_cast<uint16_t>(draft.response_status.value);
  r.body = draft.response_body.value;
  if (r.body.size() > kMaxResponseBody) {
    fault(place, draft.response_body.mark, "response.body",
          "is longer than " + std::to_string(kMaxResponseBody) + " bytes");
  }
  if (!r.body.empty() && http::is_bodiless(http::Method::get, r.status)) {
    fault(place, draft.response_body.mark, "response.body", "cannot go with status " + std::to_string(r.status));
  }
  if (usable(draft.response) && !draft.response_status.set && !draft.response_body.set) {
    fault(place, draft.response.mark, "response", "needs status or body");
  }
}

std::shared_ptr<const route::RegexRewrite> Freezer::freeze_regex(const Place& place, const Value<std::string>& pattern,
                                                                 const Value<std::string>& substitution,
                                                                 const char* pattern_key,
                                                                 const char* substitution_key) {
  if (!pattern.set && substitution.set) {
    fault(place, substitution.mark, substitution_key, std::string("has no effect without ") + pattern_key);
  }
  if (!usable(pattern) || substitution.bad) return nullptr;
  auto made =
      pattern.value.empty() ? Error{kEinval, "is empty"} : route::RegexRewrite::make(pattern.value, substitution.value);
  if (made) return std::move(*made);
  fault(place, pattern.mark, pattern_key, made.error().message);
  return nullptr;
}

void Freezer::freeze_rewrite(const RouteDraft& draft, const Place& place, const std::string& to_path, Route& out) {
  route::Rewrite& r = out.rewrite;
  if (draft.prefix_rewrite.set && draft.regex_rewrite_pattern.set) {
    fault(place, draft.regex_rewrite_pattern.mark, "regex_rewrite_pattern", "contradicts prefix_rewrite");
  }
  r.regex = freeze_regex(place, draft.regex_rewrite_pattern, draft.regex_rewrite_substitution, "regex_rewrite_pattern",
                         "regex_rewrite_substitution");
  bool own = draft.prefix_rewrite.set || draft.regex_rewrite_pattern.set;
  if (usable(draft.prefix_rewrite)) {
    r.has_prefix = true;
    r.prefix = draft.prefix_rewrite.value;
    std::string why = rewrite_fault(r.prefix, false);
    if (!why.empty()) fault(place, draft.prefix_rewrite.mark, "prefix_rewrite", why);
  } else if (!own && !to_path.empty()) {
    r.has_prefix = true;
    r.prefix = to_path;
  }
  if (own && to_path.size() > 1) {
    bool prefix = draft.prefix_rewrite.set;
    fault(place, prefix ? draft.prefix_rewrite.mark : draft.regex_rewrite_pattern.mark,
          prefix ? "prefix_rewrite" : "regex_rewrite_pattern", "contradicts the path in to (" + to_path + ")");
  }
  int hosts = draft.host_rewrite.set + draft.host_rewrite_header.set + draft.host_path_regex_rewrite_pattern.set +
              draft.preserve_host_header.value;
  if (hosts > 1) {
    fault(place, draft.mark, "",
          "may have only one of host_rewrite, host_rewrite_header, host_path_regex_rewrite_pattern and "
          "preserve_host_header");
  }
  r.preserve_host = draft.preserve_host_header.value;
  if (usable(draft.host_rewrite)) {
    r.host = draft.host_rewrite.value;
    auto parsed = http::parse_authority(r.host);
    if (!parsed || !is_host(parsed->host)) fault(place, draft.host_rewrite.mark, "host_rewrite", "is not a host");
  }
  if (usable(draft.host_rewrite_header)) {
    r.host_header = draft.host_rewrite_header.value;
    if (!http::is_token(r.host_header)) {
      fault(place, draft.host_rewrite_header.mark, "host_rewrite_header", "is not the name of a header");
    }
  }
  r.host_from_path =
      freeze_regex(place, draft.host_path_regex_rewrite_pattern, draft.host_path_regex_rewrite_substitution,
                   "host_path_regex_rewrite_pattern", "host_path_regex_rewrite_substitution");
}

void Freezer::freeze_times(const RouteDraft& draft, const Place& place, Route& out) {
  auto pick = [](const Value<int64_t>& own, const Value<int64_t>& global) {
    return static_cast<Millis>(own.set && !own.bad ? own.value : global.value);
  };
  auto origin = [](const Value<int64_t>& own, const Value<int64_t>& global) {
    return usable(own) ? Origin::route : usable(global) ? Origin::global : Origin::built_in;
  };
  out.allow_websockets = draft.allow_websockets.value;
  // What lives long by its nature: the global times are about requests.
  static const Value<int64_t> kOff;
  bool relaxed = out.allow_websockets || out.tcp;
  out.timeout = pick(draft.timeout, relaxed ? kOff : draft_.default_upstream_timeout);
  out.idle_timeout = pick(draft.idle_timeout, relaxed ? kOff : draft_.stream_idle_timeout);
  out.max_stream_duration = pick(draft.max_stream_duration, draft_.max_stream_duration);
  out.origins = {origin(draft.timeout, draft_.default_upstream_timeout),
                 origin(draft.idle_timeout, draft_.stream_idle_timeout),
                 origin(draft.max_stream_duration, draft_.max_stream_duration)};
  out.buffer_limit =
      static_cast<uint32_t>(pick(draft.per_connection_buffer_limit_bytes, draft_.per_connection_buffer_limit_bytes));
  int64_t most = draft_.stream_idle_timeout.value;
  if (usable(draft.idle_timeout) && !draft_.stream_idle_timeout.bad && most != 0 && draft.idle_timeout.value > most) {
    fault(place, draft.idle_timeout.mark, "idle_timeout",
          "may be 0 (off) but not longer than stream_idle_timeout (" + duration_text(most) + ")");
  }
}

}  // namespace cardea::config
