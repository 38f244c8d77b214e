// libFuzzer: no text crashes load() or freeze(), and no route is open that the text did not open.
#include <cstdint>
#include <cstdlib>

#include "config/config.h"

using namespace cardea;

namespace {

// Whether the text opens this route, read from the tree without any of the reader's code.
bool opens(const yaml::Node& route) {
  const yaml::Node* flag = route.find("allow_public_unauthenticated_access");
  if (flag && !flag->quoted && (flag->scalar == "true" || flag->scalar == "True" || flag->scalar == "TRUE"))
    return true;
  const yaml::Node* policy = route.find("policy");
  if (!policy) return false;
  if (policy->find("allow")) return true;
  for (const yaml::Node& rule : policy->items) {
    if (rule.find("allow")) return true;
  }
  return false;
}

void check(bool holds) {
  if (!holds) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  Bytes text(reinterpret_cast<const char*>(bytes), size);
  yaml::Faults faults;
  auto draft = config::load(text, "/nonexistent", faults);
  check(draft || !faults.empty());
  if (!draft) {
    faults.text("f");
    return 0;
  }
  auto snapshot = config::freeze(*draft, {}, faults);
  check((snapshot != nullptr) == faults.empty());
  if (!snapshot) {
    faults.text("f");
    return 0;
  }
  yaml::Faults none;
  auto root = yaml::parse_yaml(text, none);
  check(root && none.empty());
  const yaml::Node* routes = root->find("routes");
  if (!routes) routes = root->find("policy");
  check(routes && routes->items.size() == snapshot->routes.size());
  for (size_t i = 0; i < snapshot->routes.size(); ++i) {
    const config::Route& route = snapshot->routes[i];
    check(route.policy != nullptr);
    policy::Facts facts;
    facts.host = policy::Facts::Host::no;
    if (!opens(routes->items[i])) check(route.policy->evaluate(facts).verdict == policy::Verdict::deny);
    check(route.redirect.has_value() + route.response.has_value() + (route.cluster != nullptr) == 1);
  }
  check(!snapshot->listeners.empty() && snapshot->table != nullptr);
  return 0;
}
