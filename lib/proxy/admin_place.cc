// Opening and moving the servers of the admin interface.
#include "proxy/admin_place.h"

#include "base/log.h"
#include "proxy/admin_routes.h"
#include "proxy/worker.h"

namespace cardea::proxy {

Result<void> AdminPlace::open(Worker& worker, const std::optional<config::Listener>& wanted) {
  if (!wanted) {
    close();
    return {};
  }
  const bool fixed = wanted->address.is_unix() || wanted->address.port() != 0;
  if (server_ && (at_.name == wanted->name || (fixed && at_.address == wanted->address))) return {};
  const bool metrics = kind_ == Kind::metrics;
  auto next = std::make_unique<admin::Server>(
      worker.loop(), worker.network(), metrics ? metrics_rows(worker) : admin_rows(worker),
      metrics ? admin::Server::Audience::everybody : admin::Server::Audience::this_machine);
  if (auto bound = next->listen(wanted->address, wanted->unix_mode); !bound) {
    return Error{bound.error().code, (metrics ? "metrics_address: " : "admin_address: ") + bound.error().message};
  }
  server_ = std::move(next);
  at_ = *wanted;
  log::write(log::notice, (metrics ? "metrics on " : "admin interface on ") + server_->address().text());
  return {};
}

std::optional<net::Address> AdminPlace::address() const {
  if (!server_) return std::nullopt;
  return server_->address();
}

}  // namespace cardea::proxy
