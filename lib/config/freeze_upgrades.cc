// allow_upgrades and allow_spdy: which protocols may follow the heads of a route's requests.
#include <algorithm>

#include "config/freeze.h"

namespace cardea::config {

namespace {

bool is_websocket(const std::string& token) {
  return http::equal_no_case(token, "websocket");
}

// RFC 9110 7.8: name or name/version. Empty: it may be asked for.
std::string upgrade_fault(const std::string& token) {
  const size_t slash = token.find('/');
  const std::string name = token.substr(0, slash), version = slash == std::string::npos ? "1" : token.substr(slash + 1);
  if (!http::is_token(name) || !http::is_token(version)) return "must be a protocol's name, or its name/version";
  for (const char* own : {"http", "h2c", "tls"}) {
    if (http::equal_no_case(name, own)) return "may not have " + name + ": it is a protocol of the connection itself";
  }
  return "";
}

}  // namespace

std::vector<std::string> Freezer::freeze_upgrades(const Value<std::vector<Text>>& texts, const Place& place) {
  std::vector<std::string> all;
  for (const Text& text : texts.value) {
    const std::string why = upgrade_fault(text.value);
    if (why.empty()) {
      all.push_back(text.value);
    } else {
      fault(place, text.mark, "allow_upgrades", why);
    }
  }
  return all;
}

void Freezer::freeze_route_upgrades(const RouteDraft& draft, const Place& place, Route& out) {
  if (!draft.cluster || out.tcp) return;
  out.upgrades = draft.allow_upgrades.set ? freeze_upgrades(draft.allow_upgrades, place) : upgrades_;
  if (draft.allow_spdy.value) out.upgrades.emplace_back("spdy/3.1");
}

// HTTP/2 has no upgrade but extended CONNECT, and that of WebSocket alone.
void Freezer::check_upgrades(const RouteDraft& draft, const Place& place, Route& out) {
  const auto& endpoints = out.cluster->endpoints;
  const bool h2c = std::any_of(endpoints.begin(), endpoints.end(), [](const cluster::EndpointConfig& e) {
    return e.scheme == cluster::EndpointConfig::Scheme::h2c;
  });
  if (!h2c || std::all_of(out.upgrades.begin(), out.upgrades.end(), is_websocket)) return;
  if (draft.allow_spdy.value) fault(place, draft.allow_spdy.mark, "allow_spdy", "needs HTTP/1.1, and to has h2c");
  if (draft.allow_upgrades.set) {
    fault(place, draft.allow_upgrades.mark, "allow_upgrades", "may have websocket alone: to has h2c");
  }
  std::erase_if(out.upgrades, [](const std::string& token) { return !is_websocket(token); });
}

}  // namespace cardea::config
