// A server of the admin interface that is where the configuration wants it: the interface itself, or the metrics.
#pragma once

#include <memory>
#include <optional>

#include "admin/admin.h"
#include "config/config.h"

namespace cardea::proxy {

class Worker;

// On one worker's loop, which outlives it.
class AdminPlace {
 public:
  enum class Kind : uint8_t { admin, metrics };
  explicit AdminPlace(Kind kind) : kind_(kind) {}
  // From now on there; nullopt: nowhere. A new address is bound before the old one is given up: a failure, which names
  // the key, changes nothing.
  Result<void> open(Worker& worker, const std::optional<config::Listener>& wanted);
  void close() { server_.reset(); }
  std::optional<net::Address> address() const;

 private:
  const Kind kind_;
  std::unique_ptr<admin::Server> server_;
  config::Listener at_;  // as configured
};

}  // namespace cardea::proxy
