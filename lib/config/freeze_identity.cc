// Where identities come from and where they are told: token providers, the signer, sign-in, claim headers, admin.
#include <algorithm>

#include "config/freeze.h"
#include "config/load.h"

namespace cardea::config {

namespace {

constexpr size_t kMaxProviders = 100;
constexpr size_t kMaxPlaces = 20;  // of a token in a request
constexpr size_t kMaxClaimHeaders = 100;
constexpr int64_t kMaxSkewSeconds = 24 * 3600;

// An absolute http or https URL.
struct Url {
  bool https = false;
  std::string host;  // without brackets
  uint16_t port = 0;
  std::string authority, target;
  std::string fault;
};

Url parse_url(Bytes text) {
  Url out;
  auto refuse = [&](const char* why) {
    out.fault = why;
    return out;
  };
  const size_t colon = text.find("://");
  const std::string scheme = lower(text.substr(0, colon == Bytes::npos ? 0 : colon));
  if (scheme != "https" && scheme != "http") return refuse("must begin with https:// or http://");
  if (!is_visible(text)) return refuse("has characters that cannot stand in a URL");
  const Bytes rest = text.substr(colon + 3);
  const size_t end = std::min(rest.find_first_of("/?#\\"), rest.size());
  if (rest.find_first_of("\\\"<>") != Bytes::npos) return refuse("has characters that cannot stand in a URL");
  if (rest.find('#') != Bytes::npos) return refuse("may not have a fragment");
  const Bytes authority = rest.substr(0, end);
  if (authority.find('@') != Bytes::npos) return refuse("may not have a user");
  auto parsed = http::parse_authority(authority);
  if (!parsed || !is_host(parsed->host)) return refuse("has no valid host");
  out.https = scheme == "https";
  const uint16_t usual = out.https ? 443 : 80;
  out.port = parsed->has_port ? parsed->port : usual;
  const std::string host = lower(parsed->host);
  out.authority = out.port == usual ? host : host + ":" + std::to_string(out.port);
  out.host = host[0] == '[' ? host.substr(1, host.size() - 2) : host;
  out.target = rest.substr(end);
  if (out.target.empty() || out.target[0] != '/') out.target.insert(0, "/");
  return out;
}

// X-Pomerium-Claim-Given-Name for given_name, as Pomerium spells it.
std::string claim_header_name(Bytes claim) {
  std::string out = "X-Pomerium-Claim-";
  bool first = true;
  for (char c : claim) {
    if (c == '_') c = '-';
    if (first && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (!first && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    first = c == '-';
    out += c;
  }
  return out;
}

}  // namespace

void Freezer::freeze_identity() {
  freeze_providers();
  freeze_signer();
  freeze_sign_in();
  freeze_admin();
  freeze_metrics();
  claim_headers_ = freeze_claim_headers(draft_.jwt_claims_headers, Place{});
}

void Freezer::freeze_providers() {
  const Value<std::vector<Text>>& texts = draft_.jwt_providers;
  if (texts.value.size() > kMaxProviders) {
    faults_.add(texts.mark, "jwt_providers", "has more than " + std::to_string(kMaxProviders) + " providers");
    return;
  }
  for (size_t i = 0; i < texts.value.size(); ++i) {
    const Text& text = texts.value[i];
    std::string key = "jwt_providers[" + std::to_string(i) + "]";
    if (text.tree) key = "jwt_providers." + text.tree->find("name")->scalar;
    auto provider = freeze_provider(text, key);
    if (!provider) continue;
    const bool twice = std::any_of(out_->token_providers.begin(), out_->token_providers.end(),
                                   [&](const auto& other) { return other->name == provider->name; });
    if (twice) {
      faults_.add(text.mark, key, "has the name of another provider");
    } else {
      out_->token_providers.push_back(std::move(provider));
    }
  }
}

std::shared_ptr<const TokenProvider> Freezer::freeze_provider(const Text& text, const std::string& key) {
  auto tree = tree_of(text, key, text.mark, faults_);
  if (!tree) return nullptr;
  const Object object(*tree, key,
                      {"name", "issuer", "audiences", "local_jwks", "remote_jwks", "from_headers", "from_cookies",
                       "clock_skew_seconds"},
                      faults_);
  if (tree->kind != yaml::Node::Kind::mapping) return nullptr;
  auto out = std::make_shared<TokenProvider>();
  auto name = object.string("name");
  if (name) out->name = std::move(*name);
  if (!object.find("name")) object.fault("", "has no name");
  if (auto issuer = object.string("issuer")) out->rules.issuer = std::move(*issuer);
  for (Text& audience : object.strings("audiences")) out->rules.audiences.push_back(std::move(audience.value));
  if (const yaml::Node* skew = object.find("clock_skew_seconds")) {
    auto seconds = yaml::as_int(*skew, object.at("clock_skew_seconds"), 0, kMaxSkewSeconds, faults_);
    if (seconds) out->rules.skew_seconds = *seconds;
  }
  bool good = name.has_value();
  good = freeze_token_places(object, *out) && good;
  const bool local = object.find("local_jwks"), remote = object.find("remote_jwks");
  if (local && remote) object.fault("remote_jwks", "contradicts local_jwks");
  if (!local && !remote) object.fault("", "needs local_jwks or remote_jwks");
  if (local) good = freeze_local_keys(object, *out) && good;
  if (remote) good = freeze_remote_keys(object, *out) && good;
  return good && local != remote ? out : nullptr;
}

bool Freezer::freeze_local_keys(const Object& provider, TokenProvider& out) {
  const Object object(*provider.find("local_jwks"), provider.at("local_jwks"), {"filename", "inline_string"}, faults_);
  const yaml::Node* file = object.find("filename");
  const yaml::Node* given = object.find("inline_string");
  if ((file != nullptr) == (given != nullptr)) {
    object.fault("", "needs exactly one of filename and inline_string");
    return false;
  }
  const char* key = file ? "filename" : "inline_string";
  auto text = object.string(key);
  if (!text) return false;
  std::string origin;
  if (file) {
    origin = sources_.resolve(*text) + ": ";
    text = sources_.load_text(Source{std::move(*text), file->mark, object.at(key), true});
    if (!text) return false;
  } else if (text->find('{') == std::string::npos) {
    // Keys in base64, as everywhere in the file.
    if (auto decoded = decode_base64(*text)) text = std::move(decoded);
  }
  auto keys = token::KeySet::parse(*text);
  if (!keys) {
    object.fault(key, origin + keys.error().message);
    return false;
  }
  out.keys = std::move(*keys);
  return true;
}

bool Freezer::freeze_remote_keys(const Object& provider, TokenProvider& out) {
  const Object object(*provider.find("remote_jwks"), provider.at("remote_jwks"), {"uri", "cache_duration"}, faults_);
  constexpr Millis kShortest = 1000;
  RemoteKeys keys;
  bool good = true;
  if (const yaml::Node* node = object.find("cache_duration")) {
    auto duration = yaml::as_duration(*node, object.at("cache_duration"), faults_);
    if (duration && (*duration < kShortest || *duration > static_cast<Millis>(kYear))) {
      object.fault("cache_duration", "must be between 1s and " + duration_text(kYear) + ", not " +
                                         duration_text(static_cast<int64_t>(*duration)));
      duration.reset();
    }
    good = duration.has_value();
    if (duration) keys.cache_duration = *duration;
  }
  auto uri = object.string("uri");
  if (!object.find("uri")) object.fault("", "has no uri");
  if (!uri) return false;
  Url url = parse_url(*uri);
  if (!url.fault.empty()) {
    object.fault("uri", url.fault);
    return false;
  }
  cluster::ClusterConfig config;
  config.name = provider.at("remote_jwks");
  cluster::EndpointConfig endpoint;
  endpoint.scheme = url.https ? cluster::EndpointConfig::Scheme::https : cluster::EndpointConfig::Scheme::http;
  endpoint.host = std::move(url.host);
  endpoint.port = url.port;
  endpoint.authority = url.authority;
  config.endpoints.push_back(std::move(endpoint));
  set_common(config);
  config.limits.buffer_limit = out_->limits.buffer_limit;
  if (url.https) {
    config.tls_options.alpn = {"h2", "http/1.1"};
    config.tls_options.extra_ca = extra_ca_;
  }
  keys.cluster = intern(std::move(config), [&](const std::string& message) {
    if (!refuse_extra_ca(message)) object.fault("uri", message);
  });
  keys.url = std::move(*uri);
  keys.path = std::move(url.target);
  keys.authority = std::move(url.authority);
  if (!keys.cluster || !good) return false;
  out.remote = std::move(keys);
  return true;
}

bool Freezer::freeze_token_places(const Object& provider, TokenProvider& out) {
  bool good = true;
  auto refuse = [&](const yaml::Mark& mark, const std::string& key, const std::string& reason) {
    faults_.add(mark, key, reason);
    good = false;
  };
  const yaml::Node* headers = provider.find("from_headers");
  if (headers && (headers->kind != yaml::Node::Kind::sequence || headers->items.empty())) {
    refuse(headers->mark, provider.at("from_headers"), "must be a list of {name, value_prefix}");
    headers = nullptr;
  }
  for (size_t i = 0; headers && i < headers->items.size(); ++i) {
    const std::string key = provider.at("from_headers") + "[" + std::to_string(i) + "]";
    const Object object(headers->items[i], key, {"name", "value_prefix"}, faults_);
    auto name = object.string("name");
    TokenProvider::Header header;
    if (name) header.name = lower(*name);
    if (!object.find("name")) refuse(headers->items[i].mark, key, "has no name");
    if (name && !http::is_token(*name)) refuse(object.find("name")->mark, key + ".name", "is not the name of a header");
    if (name && forbidden_header(*name)) refuse(object.find("name")->mark, key + ".name", forbidden_header(*name));
    if (const yaml::Node* prefix = object.find("value_prefix")) {
      auto text = yaml::as_string(*prefix, key + ".value_prefix", faults_);
      if (text) header.value_prefix = std::move(*text);
      good = good && text;
    }
    if (!http::is_field_value(Bytes(header.value_prefix).substr(0, header.value_prefix.find_last_not_of(' ') + 1))) {
      refuse(object.find("value_prefix")->mark, key + ".value_prefix", "has characters that cannot stand in a header");
    }
    good = good && name;
    out.from_headers.push_back(std::move(header));
  }
  for (Text& cookie : provider.strings("from_cookies")) {
    if (!http::is_token(cookie.value)) {
      refuse(cookie.mark, provider.at("from_cookies"), "is not the name of a cookie: " + cookie.value.substr(0, 60));
    }
    out.from_cookies.push_back(std::move(cookie.value));
  }
  if (out.from_headers.size() + out.from_cookies.size() > kMaxPlaces) {
    provider.fault("", "looks in more than " + std::to_string(kMaxPlaces) + " headers and cookies");
    good = false;
  }
  if (!headers && !provider.find("from_headers") && !provider.find("from_cookies")) {
    out.from_headers.push_back({"authorization", "Bearer "});
  }
  return good;
}

void Freezer::freeze_signer() {
  bool good = true;
  auto key = load_either(draft_.signing_key, draft_.signing_key_file, Place{}, "signing_key", good);
  if (!key) return;
  auto made = token::Signer::make(key->text, key->origin);
  if (made) {
    out_->signer = std::move(*made);
    return;
  }
  const bool file = draft_.signing_key_file.set;
  faults_.add(file ? draft_.signing_key_file.mark : draft_.signing_key.mark, file ? "signing_key_file" : "signing_key",
              made.error().message);
}

void Freezer::freeze_sign_in() {
  const Value<std::string>& value = draft_.sign_in_url;
  if (!usable(value)) return;
  const Url url = parse_url(value.value);
  if (!url.fault.empty()) faults_.add(value.mark, "sign_in_url", url.fault);
  out_->sign_in_url = value.value;
}

// It says who is connected and ends connections without asking who wants that: only this machine may reach it.
void Freezer::freeze_admin() {
  const Value<std::string>& value = draft_.admin_address;
  auto out = freeze_own_address(value, "admin_address");
  if (!out) return;
  if (out->address.is_unix() ? value.value.substr(0, 6) != "unix:/" : !out->address.is_loopback()) {
    return faults_.add(
        value.mark, "admin_address",
        "must be a loopback address (127.0.0.1:9901, [::1]:9901) or unix:/path: everybody who reaches it rules");
  }
  out->unix_mode = 0600;
  out_->admin = std::move(*out);
}

// It says numbers and the names of routes, and takes nothing: whoever reaches it may read them.
void Freezer::freeze_metrics() {
  out_->metrics = freeze_own_address(draft_.metrics_address, "metrics_address");
}

std::optional<Listener> Freezer::freeze_own_address(const Value<std::string>& value, const char* key) {
  if (!usable(value)) return std::nullopt;
  auto refuse = [&](const std::string& reason) {
    faults_.add(value.mark, key, reason);
    return std::nullopt;
  };
  std::string text = value.value;
  if (text.empty()) return refuse("is empty");
  if (text.substr(0, 10) == "localhost:") text.replace(0, 9, "127.0.0.1");
  auto address = net::Address::parse(text);
  if (!address) return refuse(address.error().message);
  const bool fixed = address->is_unix() || address->port() != 0;
  auto taken = [&](const Listener& other) { return fixed && other.address == *address; };
  if (std::any_of(out_->listeners.begin(), out_->listeners.end(), taken) || (out_->admin && taken(*out_->admin))) {
    return refuse("is the address of another listener");
  }
  Listener out;
  out.name = value.value;
  out.address = *address;
  out.codec = Codec::http1;
  return out;
}

std::vector<ClaimHeader> Freezer::freeze_claim_headers(const Value<std::vector<Text>>& texts, const Place& place) {
  std::vector<ClaimHeader> out;
  const char* key = "jwt_claims_headers";
  if (texts.value.size() > kMaxClaimHeaders) {
    fault(place, texts.mark, key, "has more than " + std::to_string(kMaxClaimHeaders) + " headers");
    return out;
  }
  for (const Text& text : texts.value) {
    // "Header: claim"; a claim may have colons ("https://example.com/team").
    const size_t colon = text.value.find(": ");
    const bool mapped = colon != std::string::npos;
    ClaimHeader header;
    const std::string claim = mapped ? text.value.substr(colon + 2) : text.value;
    header.name = mapped ? text.value.substr(0, colon) : claim_header_name(claim);
    header.claim = identity::normal_claim_path(claim);
    std::string reason;
    if (claim.empty()) {
      reason = "is empty";
    } else if (!http::is_token(header.name)) {
      reason = mapped ? "is not the name of a header: " + header.name.substr(0, 80)
                      : claim.substr(0, 80) + " cannot be a part of a header's name: map a header to it";
    } else if (const char* why = forbidden_header(header.name)) {
      reason = header.name + " " + why;
    } else if (http::equal_no_case(header.name, "x-pomerium-jwt-assertion")) {
      reason = header.name + " is the signed assertion's";
    } else if (std::any_of(out.begin(), out.end(),
                           [&](const auto& o) { return http::equal_no_case(o.name, header.name); })) {
      reason = header.name + " is set twice";
    }
    if (!reason.empty()) fault(place, text.mark, key, reason);
    out.push_back(std::move(header));
  }
  return out;
}

void Freezer::collect_identity_headers() {
  std::vector<std::string>& names = out_->identity_header_names;
  auto add = [&](const std::vector<ClaimHeader>& headers) {
    for (const ClaimHeader& header : headers) names.push_back(lower(header.name));
  };
  add(claim_headers_);
  for (const Route& route : out_->routes) {
    if (!(route.claim_headers == claim_headers_)) add(route.claim_headers);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

}  // namespace cardea::config
