// The admin interface's resources.
#include "proxy/admin_routes.h"

#include "base/json.h"
#include "proxy/cluster_list.h"
#include "proxy/exchange.h"
#include "proxy/live.h"
#include "proxy/metrics.h"
#include "proxy/worker.h"

namespace cardea::proxy {

namespace {

using admin::Answer;
using admin::Reply;
using admin::Request;

// Answers come from whatever worker was the last to be asked; the client is on this one's loop.
Told told(Worker& worker, Answer answer) {
  return [back = worker.returning(), answer = std::move(answer)](std::string json) {
    back([answer, json = std::move(json)] { answer({200, json + "\n"}); });
  };
}

void healthz(Worker&, const Request&, Answer answer) {
  answer({200, "{\"status\":\"ok\"}\n"});
}

void ready(Worker& worker, const Request&, Answer answer) {
  const bool draining = worker.proxy().draining();
  answer({uint16_t(draining ? 503 : 200), draining ? "{\"status\":\"draining\"}\n" : "{\"status\":\"ready\"}\n"});
}

void metrics(Worker& worker, const Request&, Answer answer) {
  answer({200, metrics_text(worker.proxy()), "text/plain; version=0.0.4; charset=utf-8"});
}

void config(Worker& worker, const Request&, Answer answer) {
  list_generations(worker.proxy(), told(worker, std::move(answer)));
}

void exchanges(Worker& worker, const Request&, Answer answer) {
  list_exchanges(worker.proxy(), {}, told(worker, std::move(answer)));
}

void clusters(Worker& worker, const Request&, Answer answer) {
  answer({200, list_clusters(worker.proxy()) + "\n"});
}

void end_exchange(Worker& worker, const Request& request, Answer answer) {
  Selector which;
  which.exchange = request.rest;
  auto done = told(worker, [answer](Reply reply) {
    if (reply.body.find("\"ended\":0") != std::string::npos) reply = admin::failure(404, "no such exchange lives");
    answer(std::move(reply));
  });
  end_exchanges(worker.proxy(), which, "admin", std::move(done));
}

void reauthorize(Worker& worker, const Request& request, Answer answer) {
  auto which = parse_selector(request.body);
  if (!which) return answer(admin::failure(400, which.error().message));
  worker.proxy().reauthorize(*which);
  answer({202, "{\"status\":\"judging\"}\n"});
}

void revoke(Worker& worker, const Request& request, Answer answer) {
  auto revocation = parse_revocation(request.body);
  if (!revocation) return answer(admin::failure(400, revocation.error().message));
  revocation->by = "admin";
  if (!worker.proxy().revoke(*revocation, worker.loop().unix_ms())) {
    return answer(admin::failure(507, "too many revocations are in force"));
  }
  answer({202, "{\"status\":\"revoked\"}\n"});
}

void drain(Worker& worker, const Request& request, Answer answer) {
  const config::SnapshotPtr s = worker.proxy().snapshot();
  auto order = parse_drain_order(request.body, s->drain_timeout, s->drain_gradual);
  if (!order) return answer(admin::failure(400, order.error().message));
  order->by = "admin";
  const DrainPtr drain = worker.proxy().drains().begin(worker.proxy(), std::move(*order), nullptr);
  if (!drain) return answer(admin::failure(507, "too many drains run"));
  answer({202, "{\"id\":" + std::to_string(drain->id) + "}\n"});
}

void drains(Worker& worker, const Request&, Answer answer) {
  answer({200, worker.proxy().drains().json() + "\n"});
}

void cancel_drain(Worker& worker, const Request& request, Answer answer) {
  const std::string& text = request.rest;
  const bool number = !text.empty() && text.size() < 19 && text.find_first_not_of("0123456789") == std::string::npos;
  if (!number || !worker.proxy().drains().cancel(worker.proxy(), std::stoull(text))) {
    return answer(admin::failure(404, "no such drain runs"));
  }
  answer({200, "{\"status\":\"cancelled\"}\n"});
}

void try_config(Worker& worker, const Request& request, Answer answer) {
  yaml::Faults faults;
  auto draft = config::load(request.body, worker.proxy().snapshot()->base_dir, faults);
  config::SnapshotPtr snapshot;
  if (draft) snapshot = config::freeze(*draft, {}, faults);
  if (!snapshot) return answer(admin::failure(422, faults.text("body")));
  dry_run(worker.proxy(), std::move(snapshot), told(worker, std::move(answer)));
}

struct Resource {
  const char* method;
  const char* path;
  void (*answer)(Worker&, const Request&, Answer);
};
constexpr Resource kResources[] = {
    {"GET", "/healthz", healthz},
    {"GET", "/ready", ready},
    {"GET", "/metrics", metrics},
    {"GET", "/config", config},
    {"GET", "/clusters", clusters},
    {"GET", "/exchanges", exchanges},
    {"DELETE", "/exchanges/*", end_exchange},
    {"POST", "/reauthorize", reauthorize},
    {"POST", "/revoke", revoke},
    {"POST", "/policy/dry-run", try_config},
    {"POST", "/drain", drain},
    {"GET", "/drains", drains},
    {"DELETE", "/drains/*", cancel_drain},
};
constexpr Resource kMetrics[] = {{"GET", "/metrics", metrics}};

template <size_t N>
std::vector<admin::Row> rows_of(const Resource (&resources)[N], Worker& worker) {
  std::vector<admin::Row> rows;
  for (const Resource& r : resources) {
    rows.push_back({r.method, r.path, [&worker, answer = r.answer](const Request& request, Answer done) {
                      answer(worker, request, std::move(done));
                    }});
  }
  return rows;
}

}  // namespace

std::vector<admin::Row> admin_rows(Worker& worker) {
  return rows_of(kResources, worker);
}

std::vector<admin::Row> metrics_rows(Worker& worker) {
  return rows_of(kMetrics, worker);
}

}  // namespace cardea::proxy
