// Fuzzes URLs of endpoints and files of them: what is accepted can be used, and every refusal has a reason.
#include "cluster/discovery.h"
#include "cluster/endpoints_file.h"

namespace {

using namespace cardea;

void require(bool ok) {
  if (!ok) __builtin_trap();
}

void check(const cluster::EndpointConfig& e) {
  require(!e.host.empty() && !e.authority.empty() && e.weight != 0);
  if (e.unix_socket) {
    require(e.host[0] == '/' && !e.srv && e.port == 0 && bool(net::Address::parse("unix:" + e.host)));
    return;
  }
  const bool literal = bool(net::Address::ip(e.host, 0));
  require(literal || http::is_host(e.host));
  require(e.srv ? e.port == 0 && !literal && e.weight == 1 : e.port != 0);
  require(bool(http::parse_authority(e.authority)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const cluster::ParsedEndpoint parsed = cluster::parse_endpoint(text);
  if (parsed.fault.empty()) {
    check(parsed.config);
    require(parsed.path.empty() || parsed.path[0] == '/');
    require(parsed.has_weight || parsed.config.weight == 1);
  }
  yaml::Faults faults;
  auto list = cluster::read_endpoints(text, {}, faults);
  require(bool(list) == faults.empty());
  if (!list) {
    require(!faults.text("f").empty());
    return 0;
  }
  require(list->size() <= cluster::kMaxEndpoints);
  for (const cluster::EndpointConfig& e : *list) {
    check(e);
    require(e.scheme != cluster::EndpointConfig::Scheme::https && e.priority <= UINT16_MAX);
  }
  return 0;
}
