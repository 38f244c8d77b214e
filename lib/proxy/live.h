// Live exchanges of all workers: who they are, whom a configuration would end, ending them. Answers are gathered from
// every worker and come once, on a worker's thread (on the caller's when none is left).
#pragma once

#include <functional>
#include <string>

#include "proxy/proxy.h"

namespace cardea::proxy {

// A JSON text.
using Told = std::function<void(std::string json)>;

// {"exchanges": [...], "count": n}: request id, route, user, peer, protocol, age, bytes, what the permission rests on
// and until when, the clocks that run and where each was set. At most kMaxListed in all; "left_off" counts the rest.
constexpr size_t kMaxListed = 100'000;
void list_exchanges(Proxy& proxy, const Selector& which, Told done);

// {"generation": that of new exchanges, "listeners": [names], "routes": [names], "generations": [{"generation",
// "exchanges"}, ...]}: each configuration that a live exchange still goes by, oldest first, and the newest one. An old
// one's memory is free when its last exchange is over. No key, no token, no address of a service.
void list_generations(Proxy& proxy, Told done);

// {"would_end": [...], "would_ask_host": [...], "judged": n}: what apply(snapshot) would do to live exchanges at this
// moment. Changes nothing.
void dry_run(Proxy& proxy, config::SnapshotPtr snapshot, Told done);

// Ends those that fit, as a withdrawal of their permission. {"ended": n}.
void end_exchanges(Proxy& proxy, const Selector& which, const std::string& by, Told done);

}  // namespace cardea::proxy
