// Everything that is counted, as one text.
#pragma once

#include <string>

#include "proxy/proxy.h"

namespace cardea::proxy {

// In Prometheus' text format 0.0.4: the counters of counters.h, then those of routes and of clusters by name. At most
// SeriesByName::kMax of each have a label of their own; the others are "other". Any thread; asks no worker.
std::string metrics_text(const Proxy& proxy);

}  // namespace cardea::proxy
