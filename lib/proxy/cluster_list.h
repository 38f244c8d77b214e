// What the clusters of a proxy are doing, for people.
#pragma once

#include <string>

#include "proxy/proxy.h"

namespace cardea::proxy {

// {"clusters": [{"name", "algorithm", "connections", "pending", "requests", "retries", "resolving", "endpoints":
// [{"address", "weight", "priority", "health", "requests", "connections", "checks", "failed_checks"}]}]}. Any thread.
std::string list_clusters(Proxy& proxy);

}  // namespace cardea::proxy
