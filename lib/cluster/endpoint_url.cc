// One endpoint's URL, as `to` and files of endpoints write it.
#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "cluster/discovery.h"

namespace cardea::cluster {

namespace {

using Scheme = EndpointConfig::Scheme;

struct SchemeRow {
  Bytes name;
  Scheme scheme;
  uint16_t port;
  enum class Place : uint8_t { host, unix_socket, srv } place = Place::host;
};
constexpr SchemeRow kSchemes[] = {
    {"http", Scheme::http, 80},
    {"https", Scheme::https, 443},
    {"h2c", Scheme::h2c, 80},
    {"tcp", Scheme::tcp, 0},
    {"http+unix", Scheme::http, 0, SchemeRow::Place::unix_socket},
    {"https+unix", Scheme::https, 0, SchemeRow::Place::unix_socket},
    {"srv", Scheme::http, 0, SchemeRow::Place::srv},
    {"srv+https", Scheme::https, 0, SchemeRow::Place::srv},
    {"srv+h2c", Scheme::h2c, 0, SchemeRow::Place::srv},
};

ParsedEndpoint refuse(std::string fault) {
  ParsedEndpoint out;
  out.fault = std::move(fault);
  return out;
}

// Takes ",10" off the end.
bool take_weight(Bytes& url, ParsedEndpoint& out) {
  size_t comma = url.rfind(',');
  if (comma == Bytes::npos) return true;
  Bytes digits = url.substr(comma + 1);
  uint32_t weight = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), weight);
  if (error != std::errc() || end != digits.data() + digits.size() || weight == 0) return false;
  out.config.weight = weight;
  out.has_weight = true;
  url = url.substr(0, comma);
  return true;
}

// "example.com" of "_http._tcp.example.com": whose service it is.
Bytes domain_of(Bytes name) {
  while (!name.empty() && name[0] == '_') {
    const size_t dot = name.find('.');
    if (dot == Bytes::npos) return {};
    name.remove_prefix(dot + 1);
  }
  return name;
}

ParsedEndpoint parse_socket(Bytes path, ParsedEndpoint out) {
  bool good = path.size() > 1 && path[0] == '/' && path.find('\0') == Bytes::npos;
  if (!good || !net::Address::parse("unix:" + std::string(path))) {
    return refuse("has no valid socket path: http+unix:///run/service.sock");
  }
  out.config.unix_socket = true;
  out.config.host = path;
  out.config.authority = "localhost";
  return out;
}

ParsedEndpoint parse_srv(const http::HostPort& parsed, ParsedEndpoint out) {
  if (out.has_weight) return refuse("may not have a weight: SRV records have their own");
  if (parsed.has_port) return refuse("may not have a port: SRV records have their own");
  out.config.srv = true;
  out.config.host = lower(parsed.host);
  out.config.authority = domain_of(out.config.host);
  bool literal = out.config.host[0] == '[' || net::Address::ip(out.config.host, 0);
  if (literal || out.config.authority.empty()) {
    return refuse("needs a name that has SRV records: srv://_http._tcp.example.com");
  }
  return out;
}

}  // namespace

ParsedEndpoint parse_endpoint(const std::string& text) {
  ParsedEndpoint out;
  Bytes url = text;
  if (!take_weight(url, out)) return refuse("has no valid weight behind its comma");
  size_t colon = url.find("://");
  if (colon == Bytes::npos) return refuse("must be a URL such as https://host:443");
  std::string scheme = lower(url.substr(0, colon));
  Bytes rest = url.substr(colon + 3);
  auto row = std::find_if(std::begin(kSchemes), std::end(kSchemes), [&](const auto& r) { return r.name == scheme; });
  if (scheme == "udp") return refuse("not supported yet: " + scheme);
  if (scheme == "ssh") return refuse("not supported by cardea: ssh");
  if (row == std::end(kSchemes)) {
    return refuse("must begin with http://, https://, h2c://, srv://, http+unix:// or https+unix://");
  }
  out.config.scheme = row->scheme;
  if (row->place == SchemeRow::Place::unix_socket) return parse_socket(rest, std::move(out));
  size_t slash = rest.find_first_of("/?#");
  Bytes authority = rest.substr(0, slash);
  Bytes path = slash == Bytes::npos ? Bytes() : rest.substr(slash);
  if (authority.find('@') != Bytes::npos) return refuse("may not have a user");
  if (path.find_first_of("?#") != Bytes::npos) return refuse("may not have a query or a fragment");
  if (!is_visible(path)) return refuse("has characters that cannot stand in a path");
  auto parsed = http::parse_authority(authority);
  if (!parsed || !http::is_host(parsed->host)) return refuse("has no valid host");
  if (row->scheme == Scheme::tcp) {
    if (!parsed->has_port) return refuse("needs a port: tcp://host:22");
    if (!path.empty() && path != "/") return refuse("may not have a path");
    path = {};
  }
  out.path = path;
  if (row->place == SchemeRow::Place::srv) return parse_srv(*parsed, std::move(out));
  out.config.port = parsed->has_port ? parsed->port : row->port;
  std::string host = lower(parsed->host);
  out.config.authority = out.config.port == row->port ? host : host + ":" + std::to_string(out.config.port);
  out.config.host = host[0] == '[' ? host.substr(1, host.size() - 2) : host;
  return out;
}

}  // namespace cardea::cluster
