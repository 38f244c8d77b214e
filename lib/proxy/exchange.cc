// The life of one request, from top to bottom: head -> match -> authorize -> pick -> send -> relay -> finish.
// Each function below is one step and ends by calling the next one or by answering (reply) or ending (finish).
#include "proxy/exchange.h"

#include "proxy/record.h"

namespace cardea::proxy {

using http::End;
using http::EndCause;
using http::FieldId;

// ---- 1. A request has arrived ---------------------------------------------------------------------

http::RequestReceiver* Exchange::begin(Session& session, http::RequestPtr head, http::ResponseSender& sender) {
  auto* x = new Exchange(session, std::move(head), sender);
  x->on_head();
  return &x->from_downstream_;
}

Exchange::Exchange(Session& session, http::RequestPtr head, http::ResponseSender& sender)
    : session_(session),
      worker_(session.worker()),
      generation_(worker_.current_generation()),
      head_(std::move(head)),
      down_(sender),
      started_at_(loop().now()),
      timer_(loop(), [this] { on_clock(); }) {
  worker_.exchange_began(*this);
  session_.exchange_began();
}

void Exchange::on_head() {
  const config::Snapshot& s = snapshot();
  id_ = worker_.new_request_id(head_->arena);
  original_target_ = head_->target;
  original_authority_ = head_->authority;
  client_ip_ = session_.peer_ip();
  request_complete_ = !head_->has_body;
  if (!request_complete_ && s.timeout_read) read_by_ = started_at_ + s.timeout_read;
  if (s.timeout_write) write_by_ = started_at_ + s.timeout_write;

  if (auto host = http::parse_authority(head_->authority)) {
    host_ = *host;
  } else {
    return reply({EndCause::bad_request, "authority"});
  }
  if (head_->method == http::Method::connect) return reply({EndCause::denied, "connect", 405});
  if (head_->target == "*") return reply({EndCause::direct_response, "options", 204});
  auto path = http::normalize_path(head_->target, s.path, head_->arena);
  if (!path) return reply({EndCause::bad_request, http::path_rule(path.error())});
  path_ = *path;
  match();
}

// ---- 2. Which route -------------------------------------------------------------------------------

void Exchange::match() {
  const config::Snapshot& s = snapshot();
  if (session_.redirects_to_https()) {
    return redirect_to({EndCause::redirect, "https", 301},
                       concat(head_->arena, {"https://", host_.host, path_.path, path_.query}));
  }
  int index = s.table->match(host_.host, host_.has_port ? host_.port : 0, path_.path);
  if (index < 0) return reply({EndCause::no_route});
  route_ = &s.routes[size_t(index)];
  if (path_.redirect) {
    return redirect_to({EndCause::redirect, "normalized_path", 307}, concat(head_->arena, {path_.path, path_.query}));
  }
  idle_timeout_ = route_->idle_timeout;
  down_.set_buffer_limit(route_->buffer_limit);
  if (route_->max_stream_duration) stop_at_ = started_at_ + route_->max_stream_duration;
  if (request_complete_ && route_->timeout) respond_by_ = started_at_ + route_->timeout;
  touch();
  arm();
  authorize();
}

// ---- 3. May it pass -------------------------------------------------------------------------------

void Exchange::authorize() {
  Hooks& hooks = worker_.proxy().hooks();
  policy::Facts facts;
  if (!hooks.authorizes()) facts.host = policy::Facts::Host::no;
  decision_ = route_->policy->evaluate(facts);
  if (decision_.verdict == policy::Verdict::ask_host) {
    token_ = worker_.tokens().open(*this);
    Hooks::Answer answer = token_ ? hooks.on_authorize(*this, token_) : Hooks::Answer::deny;
    if (finished_) return;
    if (answer == Hooks::Answer::pending) {
      hold_request();
      if (snapshot().authorize_timeout) authorize_by_ = loop().now() + snapshot().authorize_timeout;
      return arm();
    }
    if (!token_) return reply({EndCause::overload, "pending_authorizations"});
    worker_.tokens().close(token_);
    return on_authorized(answer == Hooks::Answer::allow, identity_);
  }
  decided();
}

void Exchange::on_authorized(bool allow, Bytes identity) {
  token_ = 0;
  authorize_by_ = 0;
  if (identity.data() != identity_.data()) identity_ = head_->arena.copy(identity);
  policy::Facts facts;
  facts.host = allow ? policy::Facts::Host::yes : policy::Facts::Host::no;
  decision_ = route_->policy->evaluate(facts);
  decided();
}

void Exchange::decided() {
  if (decision_.verdict != policy::Verdict::allow) {
    return reply({EndCause::denied, decision_.denied_by_rule ? "by_rule" : "by_default"});
  }
  outcome_.allowed = true;
  if (route_->redirect) {
    return redirect_to({EndCause::redirect, "", route_->redirect->status},
                       route::redirect_location(*route_->redirect, route_->match, session_.is_tls() ? "https" : "http",
                                                original_authority_, path_.path, path_.query, head_->arena));
  }
  if (route_->response) return reply({EndCause::direct_response, "", route_->response->status}, route_->response->body);
  if (!head_->upgrade.empty()) return reply({EndCause::upgrade_refused});
  if (!prepare_request()) return reply({EndCause::internal, "rewrite"});
  pick();
}

// ---- 4. Where to ----------------------------------------------------------------------------------

// Turns the client's request into the one that goes up. Once: a second attempt sends the same. False when a rewrite of
// the path gives none that may be sent.
bool Exchange::prepare_request() {
  http::RequestHead& h = *head_;
  const bool host_rewritten = !route_->rewrite.preserve_host;
  route::ForwardingFacts facts;
  facts.peer_ip = session_.peer_ip();
  facts.tls = session_.is_tls();
  facts.original_authority = original_authority_;
  facts.host_rewritten = host_rewritten;
  facts.request_id = id_;
  client_ip_ = route::apply_forwarding(h, snapshot().forwarding, facts);
  h.target = route::rewrite_path(route_->rewrite, route_->match, path_.path, path_.query, h.arena);
  if (h.target.empty()) return false;
  for (const std::string& name : route_->remove_request_headers) h.fields.remove(name);
  for (const route::HeaderValue& v : route_->set_request_headers) {
    h.fields.set(v.name, v.value.expand(
                             h.arena, [](void*, Bytes) { return Bytes(); }, nullptr));
  }
  return true;
}

void Exchange::pick() {
  ++outcome_.attempts;
  cluster::Cluster& cluster = *generation_->cluster_of_route[route_->index];
  cluster::EndpointPtr avoid = attempt_.endpoint();
  attempt_.start(cluster, avoid.get(), outcome_.attempts > 1);
  // The body waits with the client until there is somebody to take it.
  if (!ready_ && !finished_) hold_request();
}

void Exchange::on_failed(cluster::Attempt&, const End& end) {
  upstream_failed(end);
}

// ---- 5. Send the request --------------------------------------------------------------------------

void Exchange::on_ready(cluster::Attempt& attempt) {
  ready_ = true;
  outcome_.connect = attempt.connect_ms();
  outcome_.upstream_protocol = attempt.protocol();
  send_request_head();
  http::RequestSender& up = *attempt.sender();
  if (!early_body_.empty()) {
    request_forwarded_ = true;
    up.send_body(early_body_);
  }
  if (request_complete_ && head_->has_body) {
    up.send_end(early_trailers_.empty() ? nullptr : &early_trailers_);
  }
  if (held_) {
    held_ = false;
    down_.resume();
  }
  if (head_->expect_continue && !continue_sent_ && !request_complete_) {
    continue_sent_ = true;
    static const http::Fields no_fields;
    down_.send_informational(100, no_fields);
  }
}

void Exchange::send_request_head() {
  Bytes endpoint_authority = attempt_.endpoint()->config->authority;
  head_->authority = original_authority_;
  head_->authority = route::rewrite_host(route_->rewrite, *head_, path_.path, endpoint_authority, head_->arena);
  attempt_.sender()->send_head(*head_);
}

void Exchange::hold_request() {
  if (request_complete_ || held_) return;
  held_ = true;
  down_.pause();
}

void Exchange::FromDownstream::on_body(Bytes bytes) {
  x.outcome_.bytes_in += bytes.size();
  x.touch();
  if (x.ready_) {
    x.request_forwarded_ = true;
    x.attempt_.sender()->send_body(bytes);
  } else {
    x.early_body_.append(bytes);
  }
}

void Exchange::FromDownstream::on_trailers(const http::Fields& fields) {
  if (x.ready_) {
    x.request_complete_ = true;
    x.request_forwarded_ = true;
    x.attempt_.sender()->send_end(&fields);
    return;
  }
  for (const http::Field& f : fields) x.early_trailers_.add(x.head_->arena.copy(f.name), x.head_->arena.copy(f.value));
}

void Exchange::FromDownstream::on_end() {
  x.request_ended();
}

void Exchange::request_ended() {
  if (ready_ && !request_complete_) attempt_.sender()->send_end(nullptr);
  request_complete_ = true;
  read_by_ = 0;
  touch();
  if (route_ && route_->timeout && !response_complete_) {
    respond_by_ = loop().now() + route_->timeout;
    arm();
  }
}

// ---- 6. Relay the response ------------------------------------------------------------------------

void Exchange::FromUpstream::on_informational(http::ResponsePtr head) {
  x.touch();
  // 100 is ours to send: the client got it when the upstream was ready to take the body.
  if (head->status == 100) return;
  x.down_.send_informational(head->status, head->fields);
}

void Exchange::FromUpstream::on_head(http::ResponsePtr head) {
  x.forward_response_head(std::move(head));
}

void Exchange::forward_response_head(http::ResponsePtr head) {
  touch();
  outcome_.first_byte = loop().now() - started_at_;
  add_response_fields(*head);
  response_begun_ = true;
  read_by_ = 0;  // a service that answers already has what it needs: both directions may stream on
  outcome_.status = head->status;
  down_.send_head(*head);
}

void Exchange::FromUpstream::on_body(Bytes bytes) {
  x.outcome_.bytes_out += bytes.size();
  x.touch();
  x.down_.send_body(bytes);
}

void Exchange::FromUpstream::on_trailers(const http::Fields& fields) {
  x.response_complete_ = true;
  x.down_.send_end(&fields);
}

void Exchange::FromUpstream::on_end() {
  x.response_ended();
}

void Exchange::response_ended() {
  if (!response_complete_) down_.send_end(nullptr);
  response_complete_ = true;
  finish({});
}

// Backpressure: what piles up on one side stops the other side's reading.
void Exchange::FromDownstream::on_blocked() {
  if (x.ready_) x.attempt_.sender()->pause();
}
void Exchange::FromDownstream::on_unblocked() {
  x.touch();
  if (x.ready_) x.attempt_.sender()->resume();
}
void Exchange::FromUpstream::on_blocked() {
  if (!x.request_complete_) x.down_.pause();
}
void Exchange::FromUpstream::on_unblocked() {
  x.touch();
  if (!x.request_complete_) x.down_.resume();
}

// ---- 7. What can go wrong -------------------------------------------------------------------------

void Exchange::FromDownstream::on_reset(const End& end) {
  x.finish(end);
}
void Exchange::FromUpstream::on_reset(const End& end) {
  x.upstream_failed(end);
}

void Exchange::upstream_failed(const End& end) {
  if (!response_begun_ && may_try_again(end)) {
    add(worker_.counters().upstream_retries_total);
    ready_ = false;
    attempt_.cancel();
    return pick();
  }
  ready_ = false;
  attempt_.cancel();
  this->end(end);
}

// Once, and only when no service can have acted on the request: nothing of it was sent, or the service said so
// (GOAWAY, REFUSED_STREAM), or a pooled connection turned out dead and repeating does no harm (RFC 9110 9.2.2).
bool Exchange::may_try_again(const End& end) {
  if (outcome_.attempts > 1 || request_forwarded_) return false;
  if (!ready_) {
    const bool unreachable = end.cause == EndCause::connect_failed || end.cause == EndCause::connect_timeout ||
                             end.cause == EndCause::upstream_tls || end.cause == EndCause::upstream_reset ||
                             end.cause == EndCause::upstream_closed;
    // Asking the same endpoint again would only double the time that the client waits.
    return unreachable && generation_->cluster_of_route[route_->index]->endpoints().size() > 1;
  }
  const bool lost = end.cause == EndCause::upstream_reset || end.cause == EndCause::upstream_closed;
  if (!lost) return false;
  const Bytes detail = end.detail;
  if (detail == "refused_stream" || !attempt_.sender()->anything_sent()) return true;
  // Not when the service itself gave up this stream or had begun its answer: these have other details.
  const bool connection_died = detail.empty() || detail == "truncated" || detail == "tls";
  return connection_died && attempt_.reused() && http::is_idempotent(head_->method);
}

void Exchange::end(const End& why) {
  if (finished_) return;
  if (!response_begun_) return reply(why);
  outcome_.truncated = true;
  down_.reset(why.cause);
  finish(why);
}

// ---- 8. Clocks ------------------------------------------------------------------------------------

void Exchange::arm() {
  Millis next = 0;
  for (Millis at : {read_by_, write_by_, respond_by_, authorize_by_, stop_at_, idle_at_}) {
    if (at && (!next || at < next)) next = at;
  }
  if (next) timer_.start_at(next);
}

void Exchange::on_clock() {
  const Millis now = loop().now();
  auto due = [now](Millis at) { return at && at <= now; };
  const bool waits_for_client = !request_complete_;
  if (due(authorize_by_)) return end({EndCause::authorize_timeout});
  if (due(read_by_)) return end({EndCause::client_timeout, "body"});
  if (due(respond_by_)) return end({EndCause::upstream_timeout, "response"});
  if (due(write_by_)) {
    return end(waits_for_client ? End{EndCause::client_timeout, "request"}
                                : End{EndCause::upstream_timeout, "request"});
  }
  if (due(stop_at_)) return end({EndCause::max_duration});
  if (due(idle_at_)) {
    return end(waits_for_client && !response_begun_ ? End{EndCause::client_timeout, "idle"}
                                                    : End{EndCause::stream_idle});
  }
  arm();
}

// ---- 9. It is over --------------------------------------------------------------------------------

void Exchange::finish(const End& end) {
  if (finished_) return;
  finished_ = true;
  outcome_.end = end;
  outcome_.duration = loop().now() - started_at_;
  if (token_) worker_.tokens().close(token_);
  timer_.stop();
  attempt_.cancel();
  down_.release();
  count_outcome(worker_.counters(), *this);
  worker_.proxy().hooks().on_request_end(*this);
  worker_.exchange_ended(*this);
  session_.exchange_ended(request_complete_);
  loop().defer_delete(std::unique_ptr<net::Deferred>(this));
}

net::Loop& Exchange::loop() const {
  return worker_.loop();
}

int64_t Exchange::began_unix_ms() const {
  return loop().unix_ms() - int64_t(loop().now() - started_at_);
}

namespace {
// Freed exchanges of this thread, ready to be used again; bounded.
struct FreeExchanges {
  void* head = nullptr;
  size_t count = 0;
  ~FreeExchanges() {
    while (void* p = head) {
      head = *static_cast<void**>(p);
      ::operator delete(p);
    }
  }
};
thread_local FreeExchanges free_exchanges;
constexpr size_t kKeptExchanges = 1024;
}  // namespace

void* Exchange::operator new(size_t size) {
  if (void* p = free_exchanges.head) {
    free_exchanges.head = *static_cast<void**>(p);
    --free_exchanges.count;
    return p;
  }
  return ::operator new(size);
}

void Exchange::operator delete(void* p) {
  if (free_exchanges.count >= kKeptExchanges) return ::operator delete(p);
  *static_cast<void**>(p) = free_exchanges.head;
  free_exchanges.head = p;
  ++free_exchanges.count;
}

}  // namespace cardea::proxy
