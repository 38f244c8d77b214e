// Where a request goes, and where it goes when that failed: the exchange's part that picks and tries again.
#include "proxy/tries.h"

#include "balance/balance.h"
#include "proxy/exchange.h"

namespace cardea::proxy {

using http::End;
using http::EndCause;

namespace {

// What an answer says about its endpoint; gRPC says it in a field (its "Responses").
health::Sign sign_of(const http::ResponseHead& head) {
  int status = head.status;
  if (const http::Field* grpc = head.fields.find(http::FieldId::grpc_status)) {
    const Bytes code = grpc->value;
    if (code == "14") status = 503;
    if (code == "2" || code == "13" || code == "15") status = 500;
    if (code == "4") status = 504;
  }
  if (status >= 502 && status <= 504) return health::Sign::gateway_error;
  return status / 100 == 5 ? health::Sign::server_error : health::Sign::success;
}

}  // namespace

std::unique_ptr<Tries> Tries::make(const config::Route& route) {
  if (!route.retry && !route.cluster->pool_per_user && !balance::hashes(route.cluster->balance.algorithm))
    return nullptr;
  auto tries = std::make_unique<Tries>();
  if (route.retry) tries->policy = &*route.retry;
  tries->keeps_body = tries->policy != nullptr;
  return tries;
}

// ---- where to -------------------------------------------------------------------------------------

cluster::Cluster& Exchange::cluster() const {
  return *generation_->cluster_of_route[route_->index];
}

cluster::Tally* Exchange::upstream_tally() const {
  return outcome_.attempts ? &cluster().tally() : nullptr;
}

void Exchange::steer() {
  tries_ = Tries::make(*route_);
  if (!tries_) return;
  if (tunnel_) tries_->keeps_body = false;
  const Bytes user = identity_ ? Bytes(identity_->user) : Bytes();
  if (route_->cluster->pool_per_user) tries_->user = user;
  if (!balance::hashes(route_->cluster->balance.algorithm)) return;
  route::HashFacts facts;
  facts.head = head_.get();
  facts.source_ip = client_ip_;
  facts.user = user;
  facts.random = worker_.random().next();
  facts.secure = session_.is_tls();
  tries_->hash = route::hash_of(route_->hash_policy, facts, tries_->set_cookie);
}

void Exchange::pick() {
  ++outcome_.attempts;
  cluster::Wish wish;
  wish.fresh = fresh_;
  if (tries_) {
    wish.hash = tries_->hash;
    wish.user = tries_->user;
    tries_->retry_at = 0;
    if (tries_->policy) {
      start_try_clock();
      touch_try();
      arm();
    }
  }
  attempt_.start(cluster(), wish);
  // The body waits with the client until there is somebody to take it.
  if (!up_ && !finished_) hold_request();
}

int Exchange::on_choose(cluster::Attempt&, const std::vector<cluster::EndpointPtr>& endpoints) {
  return worker_.proxy().hooks().on_pick(*this, endpoints);
}

// A client that is still sending is no fault of the service.
void Exchange::start_try_clock() {
  if (!tries_ || !tries_->policy || tries_->retry_at || response_begun_) return;
  const Millis timeout = tries_->policy->per_try_timeout;
  tries_->try_by = timeout && request_complete_ ? loop().now() + timeout : 0;
}

void Exchange::touch_try() {
  if (!tries_ || !tries_->policy || !tries_->policy->per_try_idle_timeout || response_begun_) return;
  tries_->try_idle_at = loop().now() + tries_->policy->per_try_idle_timeout;
}

// ---- what came of a try ---------------------------------------------------------------------------

// Takes the body that goes up for a next try; too much of it and there is none.
void Exchange::keep_body(Bytes bytes) {
  if (!tries_ || !tries_->keeps_body) return;
  if (early_body_.size() + bytes.size() > route_->buffer_limit) {
    tries_->keeps_body = false;
    early_body_ = {};
    return;
  }
  early_body_.append(bytes);
}

bool Exchange::has_whole_body() const {
  return !request_forwarded_ || (tries_ && tries_->keeps_body);
}

bool Exchange::may_have_been_seen(const End& end) {
  if (!up_) return false;
  const bool lost = end.cause == EndCause::upstream_reset || end.cause == EndCause::upstream_closed;
  return !(lost && Bytes(end.detail) == "refused_stream") && up_->anything_sent();
}

// Once, without anybody having asked for it, and only when no service can have acted on the request: nothing of it was
// sent, or the service said so (GOAWAY, REFUSED_STREAM), or a pooled connection turned out dead and repeating does no
// harm (RFC 9110 9.2.2).
bool Exchange::may_try_again(const End& end) {
  if (outcome_.attempts > 1 || request_forwarded_) return false;
  if (!up_) {
    const bool unreachable = end.cause == EndCause::connect_failed || end.cause == EndCause::connect_timeout ||
                             end.cause == EndCause::upstream_tls || end.cause == EndCause::upstream_reset ||
                             end.cause == EndCause::upstream_closed;
    // Asking the same endpoint again would only double the time that the client waits.
    return unreachable && cluster().endpoints().size() > 1;
  }
  const bool lost = end.cause == EndCause::upstream_reset || end.cause == EndCause::upstream_closed;
  if (!lost) return false;
  if (!may_have_been_seen(end)) return true;
  // Not when the service itself gave up this stream or had begun its answer: these have other details.
  const Bytes detail = end.detail;
  const bool connection_died = detail.empty() || detail == "truncated" || detail == "tls";
  return connection_died && attempt_.reused() && http::is_idempotent(head_->method);
}

// By the route's policy.
bool Exchange::may_retry(const route::TryResult& result) {
  if (!tries_ || !tries_->policy || response_begun_ || ending_) return false;
  const route::RetryPolicy& policy = *tries_->policy;
  if (!route::wants_retry(policy, result) || !route::is_safe_to_retry(head_->method, result)) return false;
  if (tries_->retries >= policy.num_retries || !has_whole_body() || tunnel_) return false;
  give_back_slot();
  if (!cluster().may_retry(attempt_.endpoint().get())) return false;
  tries_->slot = true;
  tries_->slot_of = attempt_.endpoint();
  return true;
}

void Exchange::give_back_slot() {
  if (!tries_ || !std::exchange(tries_->slot, false)) return;
  cluster().retry_over(tries_->slot_of.get());
  tries_->slot_of.reset();
}

void Exchange::try_again_now() {
  add(worker_.counters().upstream_retries_total);
  add(cluster().tally().retries_total);
  up_ = nullptr;
  attempt_.cancel();
  pick();
}

void Exchange::try_again_later() {
  add(worker_.counters().upstream_retries_total);
  add(cluster().tally().retries_total);
  up_ = nullptr;
  attempt_.cancel();
  tries_->try_by = tries_->try_idle_at = 0;
  tries_->retry_at = loop().now() + route::back_off(*tries_->policy, ++tries_->retries, worker_.random());
  hold_request();
  arm();
}

void Exchange::upstream_failed(const End& end) {
  if (ending_) {
    up_ = nullptr;
    service_done_ = true;
    return check_farewell();
  }
  if (served_) {
    up_ = nullptr;
    return response_begun_ ? cut(end, true) : this->end(end);
  }
  if (up_ && !response_begun_) attempt_.report(health::Sign::local_origin_failure);
  if (!response_begun_) {
    fresh_ = true;
    if (may_try_again(end)) return try_again_now();
    route::TryResult result;
    result.end = end;
    result.connected = up_ != nullptr;
    result.per_try_timeout = end.cause == EndCause::upstream_timeout && Bytes(end.detail).starts_with("per_try");
    result.may_have_been_seen = may_have_been_seen(end);
    if (may_retry(result)) return try_again_later();
  }
  up_ = nullptr;
  attempt_.cancel();
  this->end(end);
}

// False: another try follows, and this answer is nobody's.
bool Exchange::accept_answer(const http::ResponseHead& head) {
  if (served_) return true;
  attempt_.report(sign_of(head));
  const bool retried = outcome_.attempts > 1 && head.status < 500;
  if (!tries_ || !tries_->policy) {
    if (retried) add(cluster().tally().retry_successes_total);
    return true;
  }
  route::TryResult result;
  result.head = &head;
  result.connected = true;
  if (may_retry(result)) {
    fresh_ = false;  // connections are alive
    try_again_later();
    return false;
  }
  if (retried) add(cluster().tally().retry_successes_total);
  give_back_slot();  // a long answer is no retry under way
  tries_->try_by = tries_->try_idle_at = 0;
  if (tries_->keeps_body) {  // no try follows an answer
    tries_->keeps_body = false;
    early_body_ = {};
  }
  return true;
}

}  // namespace cardea::proxy
