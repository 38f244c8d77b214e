// What an exchange keeps for more than one try, and for choosing where it goes. Made only for routes that need it.
#pragma once

#include <optional>
#include <string>

#include "cluster/cluster.h"
#include "config/config.h"

namespace cardea::proxy {

struct Tries {
  const route::RetryPolicy* policy = nullptr;  // of the route; null: none
  std::optional<uint64_t> hash;                // of what ties it to others
  std::string set_cookie;                      // for the answer; empty: none
  std::string user;                            // pool_per_user: whose connection

  // The request's body so far, for the next try; only with a policy.
  bool keeps_body = false;
  uint32_t retries = 0;                // made or waited for
  bool slot = false;                   // one of the cluster's retries is ours
  cluster::EndpointPtr slot_of;        // counted there too
  Millis retry_at = 0;                 // waits until then; 0: does not wait
  Millis try_by = 0, try_idle_at = 0;  // per_try_timeout, per_try_idle_timeout

  // Null: this route needs none of it.
  static std::unique_ptr<Tries> make(const config::Route& route);
};

}  // namespace cardea::proxy
