// Checks the drafts as a whole and makes the Snapshot: globals, listeners, the route table.
#include "config/freeze.h"

#include <algorithm>
#include <thread>

#include "config/load.h"

namespace cardea::config {

Freezer::Freezer(const ConfigDraft& draft, const FreezeOptions& options, yaml::Faults& faults)
    : draft_(draft),
      options_(options),
      faults_(faults),
      sources_(draft.base_dir, faults),
      out_(std::make_shared<Snapshot>()) {}

SnapshotPtr Freezer::freeze() {
  out_->generation = options_.generation;
  out_->base_dir = draft_.base_dir;
  freeze_globals();
  freeze_dns();
  freeze_global_headers();
  freeze_trust();
  freeze_listeners();
  freeze_identity();
  if (draft_.routes.empty() && faults_.empty()) faults_.add({}, "routes", "there are no routes");
  out_->routes.reserve(draft_.routes.size());
  for (size_t i = 0; i < draft_.routes.size(); ++i) freeze_route(*draft_.routes[i], i);
  build_tables();
  collect_identity_headers();
  if (!faults_.empty()) return nullptr;
  out_->files = sources_.take_files();
  return std::move(out_);
}

SnapshotPtr freeze(const ConfigDraft& draft, const FreezeOptions& options, yaml::Faults& faults) {
  return Freezer(draft, options, faults).freeze();
}

void Freezer::fault(const Place& place, const yaml::Mark& mark, const std::string& name, const std::string& reason) {
  faults_.add(mark.line != 0 ? mark : place.mark, name.empty() ? place.key : place.of(name), reason);
}

void Freezer::freeze_globals() {
  const ConfigDraft& d = draft_;
  Snapshot& s = *out_;
  auto millis = [](const Value<int64_t>& v) { return static_cast<Millis>(v.value); };
  auto number = [](const Value<int64_t>& v) { return static_cast<uint32_t>(v.value); };
  s.timeout_read = millis(d.timeout_read);
  s.timeout_write = millis(d.timeout_write);
  s.timeout_idle = millis(d.timeout_idle);
  s.request_headers_timeout = millis(d.request_headers_timeout);
  s.tls_handshake_timeout = millis(d.tls_handshake_timeout);
  s.authorize_timeout = millis(d.authorize_timeout);
  s.reauthorize_interval = millis(d.reauthorize_interval);
  s.authorize_failure_mode_allow = d.authorize_failure_mode_allow.value;
  s.reauthorize_failure_mode_allow = d.reauthorize_failure_mode_allow.value;
  s.max_connection_duration = millis(d.max_connection_duration);
  s.drain_timeout = millis(d.drain_timeout);
  s.drain_gradual = d.drain_strategy.value != "immediate";
  auto origin = [](const auto& value) { return usable(value) ? Origin::global : Origin::built_in; };
  s.origins = {origin(d.timeout_read), origin(d.timeout_write), origin(d.authorize_timeout),
               origin(d.max_connection_duration), origin(d.drain_timeout)};
  s.max_connections = number(d.max_connections);
  s.workers = number(d.workers);
  if (s.workers == 0) s.workers = std::max(1u, std::thread::hardware_concurrency());
  s.limits.max_head_bytes = number(d.max_request_headers_kb) * 1024;
  s.limits.max_request_line = std::min(s.limits.max_request_line, s.limits.max_head_bytes);
  s.limits.max_fields = number(d.max_headers_count);
  s.limits.max_concurrent_streams = number(d.max_concurrent_streams);
  s.limits.buffer_limit = number(d.per_connection_buffer_limit_bytes);
  using Underscores = http::CodecLimits::Underscores;
  const std::string& underscores = d.headers_with_underscores_action.value;
  s.limits.underscores = underscores == "allow"         ? Underscores::allow
                         : underscores == "drop_header" ? Underscores::drop_field
                                                        : Underscores::reject_request;
  using Escaped = http::PathOptions::Escaped;
  const std::string& escaped = d.path_with_escaped_slashes_action.value;
  s.path.escaped = escaped == "keep_unchanged"          ? Escaped::keep_unchanged
                   : escaped == "unescape_and_redirect" ? Escaped::unescape_and_redirect
                   : escaped == "unescape_and_forward"  ? Escaped::unescape_and_forward
                                                        : Escaped::reject_request;
  s.path.normalize = d.normalize_path.value;
  s.path.merge_slashes = d.merge_slashes.value;
  s.forwarding.skip_xff_append = d.skip_xff_append.value;
  s.forwarding.xff_num_trusted_hops = number(d.xff_num_trusted_hops);
  const std::string& log = d.access_log_path.value;
  s.access_log_interval = millis(d.access_log_periodic_interval);
  s.access_log = log == "off" ? log : sources_.resolve(log);
  if (d.access_log_path.set && !d.access_log_path.bad && log.empty()) {
    faults_.add(d.access_log_path.mark, "access_log.path", "is empty; off turns the log off");
  }
  freeze_thresholds(d.circuit_breaker_thresholds, Place{}, thresholds_, per_endpoint_);
  freeze_limits(d.limit_list, Place{}, s.shares);
  upgrades_ = freeze_upgrades(d.allow_upgrades, Place{});
  bool good = true;
  auto ca = load_either(d.certificate_authority, d.certificate_authority_file, Place{}, "certificate_authority", good);
  if (ca) extra_ca_.push_back(std::move(*ca));
  freeze_numbers();
}

void Freezer::freeze_numbers() {
  auto add = [&](int id, const auto& value) {
    if constexpr (!std::is_same_v<std::decay_t<decltype(value.value)>, std::string> &&
                  !std::is_same_v<std::decay_t<decltype(value.value)>, std::vector<Text>>) {
      out_->globals.emplace_back(id, id == OPT_GLOBAL_WORKERS ? out_->workers : static_cast<int64_t>(value.value));
    }
  };
#define GLOBAL_OPTION(id, name, type, member, ...) add(id, draft_.member);
#include "config/options.def"
}

void Freezer::freeze_dns() {
  const ConfigDraft& d = draft_;
  const std::string& family = d.dns_lookup_family.value;
  dns_family_ = family == "AUTO"      ? net::Family::automatic
                : family == "V4_ONLY" ? net::Family::v4_only
                : family == "V6_ONLY" ? net::Family::v6_only
                : family == "ALL"     ? net::Family::all
                                      : net::Family::v4_preferred;
  dns_.query_timeout = static_cast<Millis>(d.dns_query_timeout.value);
  dns_.tries = static_cast<int>(d.dns_query_tries.value);
  dns_.use_tcp = d.dns_use_tcp.value;
  dns_.udp_max_queries = static_cast<int>(d.dns_udp_max_queries.value);
  for (const Text& text : d.dns_resolvers.value) {
    Bytes address = text.value;
    for (Bytes scheme : {"udp://", "tcp://"}) {
      if (address.substr(0, scheme.size()) == scheme) address.remove_prefix(scheme.size());
    }
    auto parsed = net::Address::parse(address);
    bool has_host = !address.empty() && address[0] != ':';
    if (!(parsed && has_host && !parsed->is_unix() && parsed->port() != 0) && !net::Address::ip(address, 53)) {
      faults_.add(
          text.mark, "dns_resolvers",
          "must be udp://ADDRESS:PORT, tcp://ADDRESS:PORT or ADDRESS:PORT, not '" + text.value.substr(0, 60) + "'");
      continue;
    }
    dns_.servers.push_back(text.value);
  }
}

void Freezer::freeze_listeners() {
  if (draft_.listeners.empty()) faults_.add({}, "listeners", "there are no listeners");
  for (size_t i = 0; i < draft_.listeners.size(); ++i) freeze_listener(*draft_.listeners[i], i);
}

void Freezer::freeze_listener(const ListenerDraft& draft, size_t index) {
  bool from_file = !draft.key.empty();
  Place place{from_file ? "" : "listener[" + std::to_string(index) + "]", draft.mark};
  // In a file the address of a listener is the value of the key that makes it.
  std::string address_key = from_file ? draft.key : "address";
  if (draft.address.bad) return;
  Listener out;
  out.name = draft.address.value;
  std::string text = draft.address.value;
  if (text.substr(0, 10) == "localhost:") text.replace(0, 9, "127.0.0.1");
  auto address = net::Address::parse(text);
  if (!address) {
    fault(place, draft.address.mark, address_key, address.error().message);
    return;
  }
  out.address = *address;
  const std::string& codec = draft.codec_type.value;
  out.codec = codec == "http1" ? Codec::http1 : codec == "http2" ? Codec::http2 : Codec::automatic;
  out.proxy_protocol = draft.use_proxy_protocol.value;
  out.redirect_to_https = draft.redirect_to_https.value;
  out.reuse_port = draft.reuse_port.value;
  out.unix_mode = static_cast<uint32_t>(draft.unix_mode.value);
  if (out.redirect_to_https && draft.tls) fault(place, draft.mark, "redirect_to_https", "needs a listener without TLS");
  bool fixed = out.address.is_unix() || out.address.port() != 0;
  for (const Listener& other : out_->listeners) {
    if (fixed && other.address == out.address) {
      fault(place, draft.address.mark, address_key, "is the address of another listener");
    }
  }
  if (draft.tls) freeze_server_tls(*draft.tls, place, out);
  // Listeners are told apart by name, and several may ask for port 0 of one address.
  auto taken = [&](const std::string& name) {
    return std::any_of(out_->listeners.begin(), out_->listeners.end(),
                       [&](const Listener& l) { return l.name == name; });
  };
  for (int n = 2; taken(out.name); ++n) out.name = draft.address.value + "#" + std::to_string(n);
  out_->listeners.push_back(std::move(out));
}

void Freezer::freeze_server_tls(const TlsDraft& draft, const Place& place, Listener& out) {
  tls::ServerOptions& options = out.tls_options;
  if (out.codec != Codec::http1) options.alpn.push_back("h2");
  if (out.codec != Codec::http2) options.alpn.push_back("http/1.1");
  options.client_auth = client_auth_;
  options.trust = handshake_trust_;
  bool good = true;
  std::vector<const TlsDraft::Pair*> read;
  for (const TlsDraft::Pair& pair : draft.pairs) {
    auto certificate = sources_.load(pair.certificate);
    auto key = sources_.load(pair.key);
    good = good && certificate && key;
    if (!certificate || !key) continue;
    options.certificates.push_back({std::move(*certificate), std::move(*key)});
    read.push_back(&pair);
  }
  if (!good) return;
  for (const Listener& other : out_->listeners) {
    if (other.tls && other.tls_options == options) out.tls = other.tls;
  }
  if (out.tls) return;
  // One by one first, so that each has its own fault.
  for (size_t i = 0; i < options.certificates.size(); ++i) {
    auto certificate = tls::Certificate::load(options.certificates[i]);
    if (certificate) continue;
    good = false;
    faults_.add(read[i]->certificate.mark, read[i]->certificate.key, certificate.error().message);
  }
  if (!good) return;
  auto context = tls::ServerContext::make(options);
  if (context) {
    out.tls = std::move(*context);
  } else {
    fault(place, draft.mark, "certificates", context.error().message);
  }
}

void Freezer::build_tables() {
  out_->table = build_table(false, out_->table_routes);
  bool tcp = std::any_of(out_->routes.begin(), out_->routes.end(), [](const Route& r) { return r.tcp; });
  if (tcp) out_->connect_table = build_table(true, out_->connect_routes);
}

std::unique_ptr<const route::Table> Freezer::build_table(bool tcp, std::vector<uint32_t>& index) {
  std::vector<route::Match> matches;
  for (size_t i = 0; i < out_->routes.size(); ++i) {
    if (!matched_[i] || out_->routes[i].tcp != tcp) continue;
    matches.push_back(out_->routes[i].match);
    index.push_back(static_cast<uint32_t>(i));
  }
  std::vector<route::Table::Fault> faults;
  auto table = route::Table::build(matches, faults);
  for (const route::Table::Fault& f : faults) {
    size_t i = index[std::min(f.index, index.size() - 1)];
    const RouteDraft& draft = *draft_.routes[i];
    bool regex = draft.regex.set;
    fault(places_[i], regex ? draft.regex.mark : draft.from.mark, regex ? "regex" : "",
          f.twin ? route::Table::same_as(index[*f.twin]) : f.what);  // counted as in the file
  }
  if (!table && faults.empty() && faults_.empty()) faults_.add({}, "routes", "cannot be put into a table");
  return table;
}

}  // namespace cardea::config
