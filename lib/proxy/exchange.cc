// The life of one request, from top to bottom: head -> match -> authorize (authorization.cc) -> pick -> send -> relay
// -> finish. Each function below is one step and ends by calling the next one or by answering (reply) or ending
// (finish).
#include "proxy/exchange.h"

#include "proxy/host_stream.h"
#include "proxy/identity_headers.h"
#include "proxy/record.h"
#include "proxy/tunnel.h"
#include "route/trace.h"

namespace cardea::proxy {

using http::End;
using http::EndCause;
using http::FieldId;

namespace {
constexpr Millis kTunnelAnswer = 30'000;  // for the answer to an upgrade on a route without timeout
}

// ---- 1. A request has arrived ---------------------------------------------------------------------

http::RequestReceiver* Exchange::begin(Session& session, http::RequestPtr head, http::ResponseSender& sender) {
  auto* x = new Exchange(session, std::move(head), sender);
  // Nothing holds it but its own stages: without memory for one of them it ends here.
  const End no_memory{EndCause::overload, "no_memory"};
  try {
    x->on_head();
  } catch (const std::bad_alloc&) {
    try {
      x->end(no_memory);
    } catch (const std::bad_alloc&) {
      try {
        x->down_.reset(no_memory.cause);
      } catch (const std::bad_alloc&) {
      }
      x->finish(no_memory);
    }
  }
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
  traceparent_ = route::traceparent_of(*head_, worker_.random());
  original_target_ = head_->target;
  original_authority_ = head_->authority;
  client_ip_ = route::client_address(*head_, s.forwarding, session_.peer_ip());
  request_complete_ = !head_->has_body;
  if (!request_complete_ && s.timeout_read) read_by_ = started_at_ + s.timeout_read;
  if (s.timeout_write) write_by_ = started_at_ + s.timeout_write;

  if (auto host = http::parse_authority(head_->authority)) {
    host_ = *host;
  } else {
    return reply({EndCause::bad_request, "authority"});
  }
  if (head_->method == http::Method::connect && head_->upgrade.empty()) return match_connect();
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
  const int index = s.table->match(host_.host, host_.has_port ? host_.port : 0, path_.path);
  if (index >= 0) route_ = &s.routes[s.table_routes[size_t(index)]];
  start();
  if (!route_) return reply({EndCause::no_route});
  if (!take_shares(&RouteShares::anybody)) return;
  if (s.signer && path_.path == kKeySetPath && head_->method == http::Method::get) {
    return reply_json(s.signer->public_key_set());  // what services verify assertions with
  }
  if (path_.redirect) {
    return redirect_to({EndCause::redirect, "normalized_path", 307}, concat(head_->arena, {path_.path, path_.query}));
  }
  cors_preflight_ = head_->method == http::Method::options && head_->fields.find(FieldId::origin) &&
                    head_->fields.find(FieldId::access_control_request_method);
  start_clocks();
  authorize();
}

// CONNECT names a host and a port and nothing else (RFC 9110 9.3.6); routes from tcp+https:// take it.
void Exchange::match_connect() {
  const config::Snapshot& s = snapshot();
  if (!s.connect_table || session_.redirects_to_https()) return reply({EndCause::denied, "connect", 405});
  path_.path = "/";
  const int index = s.connect_table->match(host_.host, host_.has_port ? host_.port : 0, path_.path);
  if (index >= 0) route_ = &s.routes[s.connect_routes[size_t(index)]];
  start();
  if (!route_) return reply({EndCause::no_route});
  if (!take_shares(&RouteShares::anybody)) return;
  start_clocks();
  authorize();
}

void Exchange::start() {
  if (std::exchange(started_, true)) return;
  try {
    worker_.proxy().hooks().on_request_start(*this);
  } catch (const std::bad_alloc&) {  // the host was told as well as could be
  }
}

void Exchange::start_clocks() {
  idle_timeout_ = route_->idle_timeout;
  down_.set_buffer_limit(route_->buffer_limit);
  if (route_->max_stream_duration) stop_at_ = started_at_ + route_->max_stream_duration;
  if (request_complete_ && route_->timeout) respond_by_ = started_at_ + route_->timeout;
  touch();
  arm();
}

// ---- 3. May it pass: authorization.cc, which goes on here -----------------------------------------

void Exchange::decided() {
  if (route_->redirect) {
    return redirect_to({EndCause::redirect, "", route_->redirect->status},
                       route::redirect_location(*route_->redirect, route_->match, session_.is_tls() ? "https" : "http",
                                                original_authority_, path_.path, path_.query, head_->arena));
  }
  if (route_->response) return reply({EndCause::direct_response, "", route_->response->status}, route_->response->body);
  if (!head_->upgrade.empty() || route_->tcp) {
    tunnel_ = Tunnel::make(*head_, *route_);
    if (!tunnel_) return reply({EndCause::upgrade_refused});
    read_by_ = 0;  // the client has said all that it may say before the answer
    respond_by_ = loop().now() + (route_->timeout ? route_->timeout : kTunnelAnswer);
    arm();
  }
  if (!prepare_request()) return reply({EndCause::internal, "rewrite"});
  if (route_->served_by_host) return serve();
  steer();
  pick();
}

// ---- 4. Where to: tries.cc, which goes on with on_ready or on_failed ------------------------------

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
  IdentityHeaders identity{snapshot(),
                           *route_,
                           host_.host,
                           identity_,
                           credential_.token,
                           session_.shown_certificate(),
                           worker_.assertions(),
                           loop().unix_ms() / 1000,
                           h.arena};
  route::apply_trace(h.fields, traceparent_);
  strip_credential(h, credential_);
  identity.replace(h.fields);
  for (const std::string& name : route_->remove_request_headers) h.fields.remove(name);
  for (const route::HeaderValue& v : route_->set_request_headers) {
    h.fields.set(v.name, v.value.expand(h.arena, IdentityHeaders::token_value, &identity));
  }
  return true;
}

void Exchange::on_failed(cluster::Attempt&, const End& end) {
  upstream_failed(end);
}

// ---- 5. Send the request --------------------------------------------------------------------------

void Exchange::on_ready(cluster::Attempt& attempt) {
  outcome_.connect = attempt.connect_ms();
  outcome_.upstream_protocol = attempt.protocol();
  send_request_head();
  forward_request(*attempt.sender());
}

// What is there of the body goes up, the rest may come.
void Exchange::forward_request(http::RequestSender& up) {
  up_ = &up;
  if (!early_body_.empty()) {
    request_forwarded_ = true;
    // What is kept for another try may grow in this turn: lend a copy then.
    up.send_body(tries_ && tries_->keeps_body ? head_->arena.copy(early_body_) : Bytes(early_body_));
  }
  if (request_complete_ && head_->has_body) {
    up.send_end(early_trailers_.empty() ? nullptr : &early_trailers_);
  }
  service_paused_ = 0;
  if (client_paused_) resume_client(kNobodyTakes | kBlocked);
  const bool answered = served_ && served_->answered();
  if (head_->expect_continue && !continue_sent_ && !request_complete_ && !answered) {
    continue_sent_ = true;
    static const http::Fields no_fields;
    down_.send_informational(100, no_fields);
  }
}

void Exchange::send_request_head() {
  Bytes endpoint_authority = attempt_.endpoint()->config().authority;
  head_->authority = original_authority_;
  head_->authority = route::rewrite_host(route_->rewrite, *head_, path_.path, endpoint_authority, head_->arena);
  if (tunnel_) tunnel_->ask(*head_, attempt_.protocol());
  attempt_.sender()->send_head(*head_);
}

// The host is the service: it hears of the request from its hook, and answers when it likes.
void Exchange::serve() {
  Hooks& hooks = worker_.proxy().hooks();
  served_ = HostStream::open(loop(), hooks, from_upstream_, *head_, route_->buffer_limit);
  if (!hooks.on_serve(*this, served_->token())) return reply({EndCause::no_upstream, "host"});
  if (finished_) return;
  forward_request(*served_);
  served_->started();
}

uint64_t Exchange::host_token() const {
  return served_ ? served_->token() : 0;
}

void Exchange::hold_request() {
  if (!request_complete_) pause_client(kNobodyTakes);
}

void Exchange::FromDownstream::on_body(Bytes bytes) {
  x.shapes() ? x.shape(limit::Direction::to_service, bytes) : x.relay_to_service(bytes);
}

void Exchange::relay_to_service(Bytes bytes) {
  if (ending_) {
    const Bytes last = last_piece(tunnel_->to_service, bytes);
    if (!last.empty() && up_ && !tunnel_->service_closed) {
      outcome_.bytes_in += last.size();
      up_->send_body(last);
    }
    return tell_tunnel_service();
  }
  outcome_.bytes_in += bytes.size();
  touch();
  if (tunnel_) tunnel_->to_service.advance(bytes);
  if (up_) {
    request_forwarded_ = true;
    keep_body(bytes);
    touch_try();
    up_->send_body(bytes);
  } else {
    early_body_.append(bytes);
  }
}

void Exchange::FromDownstream::on_trailers(const http::Fields& fields) {
  if (x.flow_waits(limit::Direction::to_service)) return x.keep_trailers(limit::Direction::to_service, fields);
  x.relay_request_trailers(fields);
}

void Exchange::relay_request_trailers(const http::Fields& fields) {
  if (up_) {
    request_complete_ = true;
    request_forwarded_ = true;
    up_->send_end(&fields);
    if (!tries_ || !tries_->keeps_body) return;
  }
  for (const http::Field& f : fields) early_trailers_.add(head_->arena.copy(f.name), head_->arena.copy(f.value));
}

void Exchange::FromDownstream::on_end() {
  x.flow_waits(limit::Direction::to_service) ? x.keep_end(limit::Direction::to_service) : x.request_ended();
}

void Exchange::request_ended() {
  if (ending_) {
    request_complete_ = true;
    return check_farewell();
  }
  if (up_ && !request_complete_) up_->send_end(nullptr);
  request_complete_ = true;
  read_by_ = 0;
  start_try_clock();
  touch();
  if (tunnel_) {
    if (response_complete_) return finish({});
    return bound_half_closed();
  }
  if (route_ && route_->timeout && !response_complete_) {
    respond_by_ = loop().now() + route_->timeout;
    arm();
  }
}

// ---- 6. Relay the response ------------------------------------------------------------------------

void Exchange::FromUpstream::on_informational(http::ResponsePtr head) {
  x.touch();
  x.touch_try();
  // 100 is ours to send: the client got it when the upstream was ready to take the body.
  if (head->status == 100) return;
  x.down_.send_informational(head->status, head->fields);
}

void Exchange::FromUpstream::on_head(http::ResponsePtr head) {
  x.forward_response_head(std::move(head));
}

void Exchange::forward_response_head(http::ResponsePtr head) {
  touch();
  if (!accept_answer(*head)) return;
  outcome_.first_byte = loop().now() - started_at_;
  worker_.counters().request_first_byte_seconds.observe(outcome_.first_byte);
  if (tunnel_) {
    const Tunnel::Answer answer = tunnel_->answer(*head);
    if (answer == Tunnel::Answer::broken) return upstream_failed({EndCause::upstream_protocol, "websocket"});
    if (answer == Tunnel::Answer::opened) {
      open_tunnel();
    } else {
      tunnel_.reset();  // an ordinary answer, which may take its time
      if (!route_->timeout) respond_by_ = 0;
    }
  }
  event_stream_ = head->fields.value(FieldId::content_type).starts_with("text/event-stream");
  add_response_fields(*head);
  response_begun_ = true;
  read_by_ = 0;  // a service that answers already has what it needs: both directions may stream on
  outcome_.status = head->status;
  down_.send_head(*head);
  log_stream();
}

void Exchange::FromUpstream::on_body(Bytes bytes) {
  x.shapes() ? x.shape(limit::Direction::to_client, bytes) : x.relay_to_client(bytes);
}

void Exchange::relay_to_client(Bytes bytes) {
  if (ending_) {
    const Bytes last = last_piece(tunnel_->to_client, bytes);
    if (!last.empty() && !tunnel_->client_closed) {
      outcome_.bytes_out += last.size();
      down_.send_body(last);
    }
    tell_tunnel_client();
    return check_farewell();
  }
  outcome_.bytes_out += bytes.size();
  touch();
  if (tunnel_) tunnel_->to_client.advance(bytes);
  down_.send_body(bytes);
}

void Exchange::FromUpstream::on_trailers(const http::Fields& fields) {
  if (x.flow_waits(limit::Direction::to_client)) return x.keep_trailers(limit::Direction::to_client, fields);
  x.relay_response_trailers(fields);
}

void Exchange::relay_response_trailers(const http::Fields& fields) {
  response_complete_ = true;
  down_.send_end(&fields);
}

void Exchange::FromUpstream::on_end() {
  x.flow_waits(limit::Direction::to_client) ? x.keep_end(limit::Direction::to_client) : x.response_ended();
}

void Exchange::response_ended() {
  if (ending_) {
    service_done_ = true;
    return check_farewell();
  }
  if (!response_complete_) down_.send_end(nullptr);
  response_complete_ = true;
  // The other half of a raw tunnel may go on; frames without an answer make no sense.
  if (tunnel_ && !tunnel_->has_frames() && !request_complete_) return bound_half_closed();
  if (tunnel_ && up_ && !request_complete_) up_->send_end(nullptr);  // an end in order, not a reset
  finish({});
}

// Backpressure: what piles up on one side stops the other side's reading.
void Exchange::FromDownstream::on_blocked() {
  if (!x.up_) return;
  x.pause_service(kBlocked);
  if (cluster::Tally* tally = x.upstream_tally()) add(tally->flow_control_paused_total);
}
void Exchange::FromDownstream::on_unblocked() {
  x.touch();
  if (x.up_) x.resume_service(kBlocked);
}
void Exchange::FromUpstream::on_blocked() {
  if (!x.request_complete_) x.pause_client(kBlocked);
}
void Exchange::FromUpstream::on_unblocked() {
  x.touch();
  if (!x.request_complete_) x.resume_client(kBlocked);
}

void Exchange::pause_client(uint8_t why) {
  client_paused_ |= why;
  down_.pause();
}
void Exchange::resume_client(uint8_t why) {
  client_paused_ &= uint8_t(~why);
  if (!client_paused_) down_.resume();
}
void Exchange::pause_service(uint8_t why) {
  service_paused_ |= why;
  up_->pause();
}
void Exchange::resume_service(uint8_t why) {
  service_paused_ &= uint8_t(~why);
  if (!service_paused_) up_->resume();
}

// ---- 7. What can go wrong -------------------------------------------------------------------------

void Exchange::FromDownstream::on_reset(const End& end) {
  x.finish(x.ending_ ? x.farewell_end_ : end);
}
void Exchange::FromUpstream::on_reset(const End& end) {
  if (x.flow_waits(limit::Direction::to_client) && x.shares_->to_client.over && !x.tunnel_) {
    // All of the answer is here.
    x.up_ = nullptr;
    x.attempt_.cancel();
    return x.hold_request();
  }
  x.upstream_failed(end);
}

void Exchange::end(const End& why) {
  if (finished_) return;
  if (!response_begun_) return reply(why);
  cut(why);
}

// The answer has begun and will not be complete: the client must be able to tell.
void Exchange::cut(const End& why, bool promised_first) {
  if (ending_) return;
  outcome_.truncated = true;
  if (tunnel_ && tunnel_->is_open()) return end_tunnel(why);
  promised_first ? down_.finish_then_reset(why.cause) : down_.reset(why.cause);
  finish(why);
}

// ---- 8. Clocks ------------------------------------------------------------------------------------

void Exchange::arm() {
  Millis next = 0;
  each_clock([&next](const char*, Millis at, config::Origin) {
    if (!next || at < next) next = at;
  });
  if (log_at_ && (!next || log_at_ < next)) next = log_at_;
  if (next) timer_.start_at(next);
}

void Exchange::on_clock() {
  const Millis now = loop().now();
  auto due = [now](Millis at) { return at && at <= now; };
  if (shapes() && !pass_flows()) return;
  const bool waits_for_client = !request_complete_;
  cluster::Tally* tally = upstream_tally();
  if (due(end_by_)) {
    down_.reset(farewell_end_.cause);
    return finish(farewell_end_);
  }
  if (tries_) {
    if (due(tries_->retry_at)) return pick();
    if ((due(tries_->try_by) || due(tries_->try_idle_at)) && tally) add(tally->per_try_timeouts_total);
    if (due(tries_->try_by)) return upstream_failed({EndCause::upstream_timeout, "per_try_timeout"});
    if (due(tries_->try_idle_at)) return upstream_failed({EndCause::upstream_timeout, "per_try_idle_timeout"});
  }
  if (due(authorize_by_)) return authorization_failed("");
  if (due(read_by_)) return end({EndCause::client_timeout, "body"});
  const bool service_late = due(respond_by_) || (due(write_by_) && !waits_for_client) || due(stop_at_);
  if (service_late && tally) add(tally->request_timeouts_total);
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
  if (due(log_at_)) {
    log_at_ = now + snapshot().access_log_interval;
    worker_.proxy().hooks().on_request_log(*this);
  }
  arm();
}

void Exchange::log_stream() {
  if (log_begun_ || !is_long_lived()) return;
  worker_.proxy().hooks().on_request_log(*this);
  log_begun_ = true;
  if (!snapshot().access_log_interval) return;
  log_at_ = loop().now() + snapshot().access_log_interval;
  arm();
}

const char* Exchange::event() const {
  return finished_ ? "end" : log_begun_ ? "periodic" : "start";
}

// ---- 9. It is over --------------------------------------------------------------------------------

void Exchange::finish(const End& end) {
  if (finished_) return;
  start();
  finished_ = true;
  outcome_.end = end;
  outcome_.duration = loop().now() - started_at_;
  if (token_) worker_.tokens().close(token_);
  give_back_slot();
  if (shares_) shares_->release(loop().now());
  static_cast<LeasePlace&>(*this).unlink();
  static_cast<KeysPlace&>(*this).unlink();
  timer_.stop();
  if (tunnel_ && tunnel_->is_open()) sub(worker_.counters().upgrades_active);
  attempt_.cancel();
  if (served_) served_->release();
  down_.release();
  if (end.cause == EndCause::bad_request) session_.count_protocol_error();
  count_outcome(worker_.counters(), *this);
  try {
    worker_.proxy().hooks().on_request_end(*this);
  } catch (const std::bad_alloc&) {  // what follows must come whatever the host has room for
  }
  worker_.exchange_ended(*this);
  session_.exchange_ended(request_complete_);
  loop().defer_delete(std::unique_ptr<net::Deferred>(this));
}

RouteTally* Exchange::route_tally() const {
  return route_ ? generation_->tally_of_route[route_->index] : nullptr;
}

net::Loop& Exchange::loop() const {
  return worker_.loop();
}

Millis Exchange::now() const {
  return loop().now();
}

const char* Exchange::state() const {
  if (ending_) return "ending";
  if (!outcome_.allowed) return "pending";
  if (!up_) return "connecting";
  return response_begun_ ? "streaming" : "waiting";
}

const char* Exchange::kind() const {
  static constexpr const char* kTunnels[] = {"websocket", "upgrade", "tcp"};
  if (tunnel_) return kTunnels[size_t(tunnel_->kind())];
  return is_grpc() ? "grpc" : "http";
}

int64_t Exchange::began_unix_ms() const {
  return loop().unix_ms() - int64_t(loop().now() - started_at_);
}

}  // namespace cardea::proxy
