// The upstream side of routes: endpoints from URLs, TLS towards them, equal clusters made one.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "config/freeze.h"

namespace cardea::config {

namespace {

using cluster::EndpointConfig;

constexpr int64_t kMaxPriority = 127;  // Envoy's

// Whether some endpoint may be https: those of a file are not known yet.
bool may_use_tls(const cluster::ClusterConfig& config) {
  const bool https = std::any_of(config.endpoints.begin(), config.endpoints.end(),
                                 [](const auto& e) { return e.scheme == EndpointConfig::Scheme::https; });
  const bool never = std::any_of(config.endpoints.begin(), config.endpoints.end(), [](const auto& e) {
    return e.scheme == EndpointConfig::Scheme::h2c || e.scheme == EndpointConfig::Scheme::tcp;
  });
  return https || (!config.endpoints_file.empty() && !never && !config.tcp);
}

size_t bucket_of(const tls::ClientOptions& options) {
  std::string text = options.verify ? "v" : "-";
  for (const tls::Pem& pem : options.ca) text += pem.origin + std::to_string(pem.text.size());
  if (options.certificate) text += options.certificate->certificate.origin;
  return std::hash<std::string>()(text);
}

}  // namespace

std::string ClusterTable::bucket(const cluster::ClusterConfig& config) {
  std::string key = config.tls_server_name + '\n' + config.endpoints_file + '\n';
  for (const EndpointConfig& endpoint : config.endpoints) {
    key += static_cast<char>('0' + static_cast<int>(endpoint.scheme));
    key += endpoint.host + ' ' + std::to_string(endpoint.port) + ' ' + std::to_string(endpoint.weight) + '\n';
  }
  return key;
}

void ClusterTable::add(std::shared_ptr<const cluster::ClusterConfig> config) {
  std::string key = bucket(*config);
  rows_.emplace(std::move(key), std::move(config));
}

std::shared_ptr<const cluster::ClusterConfig> ClusterTable::find(const cluster::ClusterConfig& config) const {
  auto [begin, end] = rows_.equal_range(bucket(config));
  for (auto row = begin; row != end; ++row) {
    if (row->second->same(config)) return row->second;
  }
  return nullptr;
}

const Freezer::BuiltCluster& Freezer::build_cluster(const ClusterDraft& draft, const Place& place) {
  auto [found, fresh] = built_.try_emplace(&draft);
  BuiltCluster& out = found->second;
  if (!fresh) return out;
  out.place = place;
  cluster::ClusterConfig& config = out.config;
  out.good = freeze_endpoints(draft, out);
  out.good = freeze_endpoints_file(draft, out) && out.good;
  freeze_balance(draft, out);
  freeze_health(draft, out);
  set_common(config);
  if (usable(draft.connect_timeout)) config.connect_timeout = static_cast<Millis>(draft.connect_timeout.value);
  out.good = freeze_client_tls(draft, out) && out.good;
  return out;
}

void Freezer::set_common(cluster::ClusterConfig& config) const {
  config.connect_timeout = static_cast<Millis>(draft_.connect_timeout.value);
  config.limits.max_concurrent_streams = out_->limits.max_concurrent_streams;
  // What clients may send says nothing about what upstreams may answer.
  config.limits.underscores = http::CodecLimits::Underscores::allow;
  // Whatever `to` has: the host may give any cluster endpoints that are names.
  config.dns = dns_;
  config.dns_family = dns_family_;
  config.dns_refresh = static_cast<Millis>(draft_.dns_refresh_rate.value);
  config.dns_failure_refresh = static_cast<Millis>(draft_.dns_failure_refresh_rate.value);
}

// `to` is a URL, or {url, weight, priority}.
bool Freezer::freeze_endpoint(const Text& text, const std::string& key, BuiltCluster& out,
                              cluster::ParsedEndpoint& endpoint) {
  const yaml::Mark& mark = text.mark.line != 0 ? text.mark : out.place.mark;
  const size_t before = faults_.list().size();
  if (!text.tree && text.value.substr(0, 1) != "{") {
    endpoint = cluster::parse_endpoint(text.value);
    if (!endpoint.fault.empty()) faults_.add(mark, key, endpoint.fault);
    return endpoint.fault.empty();
  }
  auto tree = tree_of(text, key, mark, faults_);
  if (!tree) return false;
  const Object object(*tree, key, {"url", "weight", "priority"}, faults_);
  auto url = object.string("url");
  if (!object.find("url") && object.is_mapping()) object.fault("", "has no url");
  if (!url) return false;
  endpoint = cluster::parse_endpoint(*url);
  if (!endpoint.fault.empty()) {
    object.fault("url", endpoint.fault);
    return false;
  }
  for (const char* own : {"weight", "priority"}) {
    if (object.find(own) && endpoint.config.srv) object.fault(own, "has no effect: SRV records have their own");
  }
  if (object.find("weight") && endpoint.has_weight) object.fault("weight", "is given twice: the URL has one too");
  if (object.read("weight", endpoint.config.weight, 1, UINT32_MAX)) endpoint.has_weight = true;
  object.read("priority", endpoint.config.priority, 0, kMaxPriority);
  return faults_.list().size() == before;
}

bool Freezer::freeze_endpoints(const ClusterDraft& draft, BuiltCluster& out) {
  const Place& place = out.place;
  bool good = !draft.to.bad, list = draft.to.value.size() > 1;
  if (draft.to.value.empty() && !draft.to.bad) {
    if (!draft.to.set && draft.endpoints_file.set) return good;
    fault(place, draft.to.mark, "to", "is empty");
    return false;
  }
  size_t weights = 0, srv = 0, tls = 0, h2c = 0, sockets = 0, tcp = 0;
  uint64_t total = 0;
  for (size_t i = 0; i < draft.to.value.size(); ++i) {
    const Text& text = draft.to.value[i];
    const std::string key = list ? "to[" + std::to_string(i) + "]" : "to";
    cluster::ParsedEndpoint endpoint;
    if (!freeze_endpoint(text, place.of(key), out, endpoint)) {
      good = false;
      continue;
    }
    if (i != 0 && endpoint.path != out.to_path && endpoint.path.size() > 1) {
      fault(place, text.mark, key, "has another path than the first URL, whose path goes for all");
      good = false;
      continue;
    }
    if (i == 0) out.to_path = endpoint.path;
    weights += endpoint.has_weight;
    srv += endpoint.config.srv;
    total += endpoint.config.weight;
    tls += endpoint.config.scheme == EndpointConfig::Scheme::https;
    h2c += endpoint.config.scheme == EndpointConfig::Scheme::h2c;
    sockets += endpoint.config.unix_socket;
    tcp += endpoint.config.scheme == EndpointConfig::Scheme::tcp;
    out.config.endpoints.push_back(std::move(endpoint.config));
  }
  size_t count = out.config.endpoints.size();
  auto refuse = [&](const char* reason) {
    fault(place, draft.to.mark, "to", reason);
    good = false;
  };
  if (weights != 0 && weights + srv != count) refuse("needs a weight for every URL or for none");
  if (total > UINT32_MAX) refuse("has weights whose sum passes 4294967295");
  if (sockets != 0 && sockets != count) refuse("may not mix unix sockets with other URLs");
  if (tcp != 0 && tcp != count) refuse("may not mix tcp with other URLs");
  if (h2c != 0 && tls != 0) refuse("may not mix h2c with https");
  return good;
}

// What it says may change at any time and is read by whoever watches it; that it is there is asked now, as a misspelt
// name would go unnoticed for long.
bool Freezer::freeze_endpoints_file(const ClusterDraft& draft, BuiltCluster& out) {
  const Value<std::string>& value = draft.endpoints_file;
  if (!usable(value)) return !value.bad;
  const std::string path = sources_.resolve(value.value);
  struct stat st {};
  std::string reason;
  if (value.value.empty()) {
    reason = "is empty";
  } else if (stat(path.c_str(), &st) != 0) {
    reason = "cannot read " + path + ": " + strerror(errno);
  } else if (!S_ISREG(st.st_mode)) {
    reason = "cannot read " + path + ": not a regular file";
  }
  if (!reason.empty()) fault(out.place, value.mark, "endpoints_file", reason);
  out.config.endpoints_file = path;
  return reason.empty();
}

std::shared_ptr<const yaml::Node> Freezer::single(const Value<std::vector<Text>>& texts, const Place& place,
                                                  const char* key) {
  if (!usable(texts) || texts.value.empty()) return nullptr;
  if (texts.value.size() > 1) {
    fault(place, texts.value[1].mark, key, "is given twice: it is one object");
    return nullptr;
  }
  const Text& text = texts.value[0];
  return tree_of(text, place.of(key), text.mark.line != 0 ? text.mark : place.mark, faults_);
}

std::optional<tls::Pem> Freezer::load_either(const Value<std::string>& value, const Value<std::string>& file,
                                             const Place& place, const char* name, bool& good) {
  std::string file_name = std::string(name) + "_file";
  if (value.set && file.set) {
    fault(place, file.mark, file_name, std::string("is given twice: ") + name + " is there too");
    good = false;
    return std::nullopt;
  }
  if (value.bad || file.bad) good = false;
  const Value<std::string>& given = file.set ? file : value;
  if (!usable(given)) return std::nullopt;
  yaml::Mark mark = given.mark.line != 0 ? given.mark : place.mark;
  std::string key = place.of(file.set ? file_name : name);
  if (given.value.empty()) {
    faults_.add(mark, key, "is empty");
    good = false;
    return std::nullopt;
  }
  auto pem = sources_.load(Source{given.value, mark, key, file.set});
  if (!pem) good = false;
  return pem;
}

bool Freezer::freeze_client_tls(const ClusterDraft& draft, BuiltCluster& out) {
  const Place& place = out.place;
  cluster::ClusterConfig& config = out.config;
  bool good = true;
  auto ca = load_either(draft.tls_custom_ca, draft.tls_custom_ca_file, place, "tls_custom_ca", good);
  auto certificate = load_either(draft.tls_client_cert, draft.tls_client_cert_file, place, "tls_client_cert", good);
  auto key = load_either(draft.tls_client_key, draft.tls_client_key_file, place, "tls_client_key", good);
  bool has_certificate = draft.tls_client_cert.set || draft.tls_client_cert_file.set;
  bool has_key = draft.tls_client_key.set || draft.tls_client_key_file.set;
  auto refuse = [&](const yaml::Mark& mark, const char* name, const char* reason) {
    fault(place, mark, name, reason);
    good = false;
  };
  auto mark_of = [](const auto& a, const auto& b) { return a.set ? a.mark : b.mark; };
  yaml::Mark certificate_mark = mark_of(draft.tls_client_cert, draft.tls_client_cert_file);
  yaml::Mark key_mark = mark_of(draft.tls_client_key, draft.tls_client_key_file);
  yaml::Mark ca_mark = mark_of(draft.tls_custom_ca, draft.tls_custom_ca_file);
  if (has_certificate && !has_key) refuse(certificate_mark, "tls_client_cert", "needs tls_client_key too");
  if (has_key && !has_certificate) refuse(key_mark, "tls_client_key", "needs tls_client_cert too");
  const Value<std::string>& name =
      draft.tls_upstream_server_name.set ? draft.tls_upstream_server_name : draft.tls_server_name;
  const char* name_key = draft.tls_upstream_server_name.set ? "tls_upstream_server_name" : "tls_server_name";
  if (usable(name) && (!is_host(name.value) || name.value[0] == '['))
    refuse(name.mark, name_key, "is not the name of a host");

  const bool unix_tls = std::any_of(config.endpoints.begin(), config.endpoints.end(), [](const auto& e) {
    return e.unix_socket && e.scheme == EndpointConfig::Scheme::https;
  });
  if (!may_use_tls(config) && !config.endpoints.empty()) {
    const char* without = "has no effect: no URL of to begins with https";
    if (ca) refuse(ca_mark, "tls_custom_ca", without);
    if (certificate) refuse(certificate_mark, "tls_client_cert", without);
    if (usable(name)) refuse(name.mark, name_key, without);
    if (draft.tls_skip_verify.value) refuse(draft.tls_skip_verify.mark, "tls_skip_verify", without);
    return good;
  }
  tls::ClientOptions& options = config.tls_options;
  options.verify = !draft.tls_skip_verify.value;
  options.alpn = {"h2", "http/1.1"};
  options.extra_ca = extra_ca_;
  if (ca) options.ca.push_back(std::move(*ca));
  if (certificate && key) options.certificate = tls::KeyPair{std::move(*certificate), std::move(*key)};
  config.tls_server_name = lower(name.value);
  if (unix_tls && config.tls_server_name.empty()) {
    // A path is no name that a certificate could have.
    if (options.verify)
      refuse(draft.to.mark, "to", "needs tls_upstream_server_name: a socket's path is no name to verify");
    config.tls_server_name = "localhost";
  }
  return good;
}

std::shared_ptr<const cluster::ClusterConfig> Freezer::intern(const ClusterDraft& draft, const BuiltCluster& built,
                                                              const Route& route,
                                                              const std::optional<RetryBudget>& budget) {
  cluster::ClusterConfig config = built.config;
  if (budget) {
    config.thresholds.budget_percent = budget->percent;
    config.thresholds.min_retry_concurrency = budget->min_concurrency;
  }
  config.name = route.name;
  config.tcp = route.tcp && config.endpoints.empty();
  if (config.tcp) config.tls_options = {};
  config.limits.buffer_limit = route.buffer_limit;
  // As Pomerium: few services take WebSockets over HTTP/2 (RFC 8441) and many offer it; it has no other upgrades.
  const bool upgrades = route.allow_websockets || !route.upgrades.empty();
  if (upgrades && !config.tls_options.alpn.empty()) config.tls_options.alpn = {"http/1.1"};
  return intern(std::move(config), [&](const std::string& message) { refuse_client_tls(draft, built, message); });
}

std::shared_ptr<const cluster::ClusterConfig> Freezer::intern(cluster::ClusterConfig config, const Refuse& refuse) {
  if (auto known = clusters_.find(config)) return known;
  if (may_use_tls(config)) {
    config.tls = client_context(config.tls_options, refuse);
    if (!config.tls) return nullptr;
  }
  auto out = std::make_shared<const cluster::ClusterConfig>(std::move(config));
  clusters_.add(out);
  return out;
}

std::shared_ptr<const tls::ClientContext> Freezer::client_context(const tls::ClientOptions& options,
                                                                  const Refuse& refuse) {
  const size_t bucket = bucket_of(options);
  auto [begin, end] = contexts_.equal_range(bucket);
  for (auto row = begin; row != end; ++row) {
    if (row->second.first == options) return row->second.second;
  }
  auto made = tls::ClientContext::make(options);
  if (made) {
    contexts_.emplace(bucket, std::make_pair(options, *made));
    return std::move(*made);
  }
  refuse(made.error().message);
  return nullptr;
}

bool Freezer::refuse_extra_ca(const std::string& message) {
  if (extra_ca_.empty() || message.find(extra_ca_[0].origin) == std::string::npos) return false;
  bool file = draft_.certificate_authority_file.set;
  faults_.add(file ? draft_.certificate_authority_file.mark : draft_.certificate_authority.mark,
              file ? "certificate_authority_file" : "certificate_authority", message);
  return true;
}

// The message names the origin of what is wrong with it.
void Freezer::refuse_client_tls(const ClusterDraft& draft, const BuiltCluster& built, const std::string& message) {
  const tls::ClientOptions& options = built.config.tls_options;
  auto names = [&](const std::string& origin) { return message.find(origin) != std::string::npos; };
  if (!options.ca.empty() && names(options.ca[0].origin)) {
    bool file = draft.tls_custom_ca_file.set;
    fault(built.place, file ? draft.tls_custom_ca_file.mark : draft.tls_custom_ca.mark,
          file ? "tls_custom_ca_file" : "tls_custom_ca", message);
  } else if (options.certificate &&
             (names(options.certificate->certificate.origin) || names(options.certificate->key.origin))) {
    bool file = draft.tls_client_cert_file.set;
    fault(built.place, file ? draft.tls_client_cert_file.mark : draft.tls_client_cert.mark,
          file ? "tls_client_cert_file" : "tls_client_cert", message);
  } else if (!refuse_extra_ca(message)) {
    fault(built.place, draft.to.mark, "to", message);
  }
}

}  // namespace cardea::config
