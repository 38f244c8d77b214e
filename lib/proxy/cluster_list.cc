// The list of clusters as JSON.
#include "proxy/cluster_list.h"

#include "base/json.h"

namespace cardea::proxy {

namespace {

using cluster::EndpointState;
using Verdict = health::CheckState::Verdict;

const char* health_of(const EndpointState& state) {
  if (state.record->ejected()) return "ejected";
  switch (state.verdict.load()) {
    case Verdict::unchecked:
      return "unchecked";
    case Verdict::unhealthy:
      return "unhealthy";
    default:
      return state.degraded ? "degraded" : "healthy";
  }
}

void number(std::string& out, const char* name, uint64_t value) {
  out.append(",\"").append(name).append("\":").append(std::to_string(value));
}

void append_endpoint(std::string& out, const cluster::Member& member) {
  const EndpointState& state = *member.state;
  out += "{\"address\":";
  append_json_string(out, state.text);
  number(out, "weight", member.weight);
  number(out, "priority", member.priority);
  out.append(",\"health\":\"").append(health_of(state)).append("\"");
  number(out, "requests", state.requests.value());
  number(out, "connections", state.connections.value());
  number(out, "checks", state.checks);
  number(out, "failed_checks", state.failed_checks);
  out += '}';
}

}  // namespace

std::string list_clusters(Proxy& proxy) {
  std::string out = "{\"clusters\":[";
  for (const auto& shared : proxy.clusters().all()) {
    if (out.back() != '[') out += ',';
    out += "{\"name\":";
    append_json_string(out, shared->config()->name);
    out += ",\"algorithm\":";
    append_json_string(out, shared->config()->balance.algorithm);
    number(out, "connections", shared->connections.value());
    number(out, "pending", shared->pending.value());
    number(out, "requests", shared->requests.value());
    number(out, "retries", shared->retries.value());
    out += ",\"resolving\":";
    out += shared->resolving() ? "true" : "false";
    out += ",\"endpoints\":[";
    const cluster::RosterPtr roster = shared->roster();
    for (const cluster::Member& m : *roster) {
      if (out.back() != '[') out += ',';
      append_endpoint(out, m);
    }
    out += "]}";
  }
  return out + "]}";
}

}  // namespace cardea::proxy
