// Answers that Cardea gives itself, and the fields that it adds to every answer. Stages: exchange.cc.
#include "proxy/exchange.h"
#include "proxy/refusal.h"

namespace cardea::proxy {

using http::End;
using http::EndCause;
using http::FieldId;

namespace {

const char* phrase(EndCause cause) {
  switch (cause) {
    case EndCause::bad_request:
      return "the request is not valid";
    case EndCause::client_timeout:
      return "the request did not arrive in time";
    case EndCause::no_route:
      return "no route matches this host and path";
    case EndCause::denied:
      return "access is denied";
    case EndCause::revoked:
      return "access was revoked";
    case EndCause::unauthenticated:
      return "you have to sign in";
    case EndCause::client_certificate:
      return "a valid client certificate is required";
    case EndCause::authorize_timeout:
      return "the decision about access took too long";
    case EndCause::no_upstream:
      return "no service is available";
    case EndCause::connect_failed:
      return "the service could not be reached";
    case EndCause::dns_failed:
      return "the service's name could not be resolved";
    case EndCause::connect_timeout:
      return "connecting to the service took too long";
    case EndCause::upstream_timeout:
    case EndCause::stream_idle:
    case EndCause::max_duration:
      return "the service did not answer in time";
    case EndCause::upstream_protocol:
      return "the service's answer is not valid";
    case EndCause::upstream_reset:
    case EndCause::upstream_closed:
      return "the service ended the connection before it answered";
    case EndCause::upstream_tls:
      return "no trusted connection to the service is possible";
    case EndCause::upgrade_refused:
      return "this route takes no upgraded connections";
    case EndCause::overload:
      return "too many requests are waiting";
    case EndCause::limited:
      return "there were too many requests, or there are too many at once";
    case EndCause::draining:
    case EndCause::host_ended:
      return "the proxy is shutting down";
    default:
      return "the request could not be served";
  }
}

Bytes decimal(Arena& arena, uint64_t n) {
  char digits[20];
  size_t i = sizeof digits;
  do digits[--i] = char('0' + n % 10);
  while (n /= 10);
  return arena.copy({digits + i, sizeof digits - i});
}

}  // namespace

bool Exchange::is_grpc() const {
  return head_->fields.value(FieldId::content_type).starts_with("application/grpc");
}

void Exchange::reply(const End& end, Bytes body) {
  if (finished_) return;
  const uint16_t status = end.http_status();
  if (!status) return finish(end);  // the client is not there any more
  http::ResponsePtr head = http::make_response();
  head->status = status;
  if (end.cause == EndCause::direct_response) {
    if (!body.empty()) head->fields.add(FieldId::content_type, "text/plain; charset=utf-8");
    return send_answer(end, std::move(head), body);
  }
  head->fields.add(FieldId::cache_control, "no-store");
  // What such a client sends next cannot be trusted to be a request, or to come.
  head->close =
      end.cause == EndCause::bad_request || end.cause == EndCause::client_timeout || end.cause == EndCause::overload;
  if (is_grpc()) {  // trailers-only: the status is in the head, gRPC over HTTP/2 "Responses"
    head->status = 200;
    head->fields.add(FieldId::content_type, "application/grpc");
    head->fields.add(FieldId::grpc_status, decimal(head->arena, http::row(end.cause).grpc_status));
    head->fields.add("grpc-message", phrase(end.cause));
    return send_answer(end, std::move(head), {});
  }
  if (end.cause == EndCause::overload || end.cause == EndCause::draining) head->fields.add(FieldId::retry_after, "1");
  if (end.cause == EndCause::limited) {
    head->fields.add(FieldId::retry_after, decimal(head->arena, shares_->retry_after_s));
  }
  if (status == 405) head->fields.add("Allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH");
  if (end.cause == EndCause::unauthenticated) head->fields.add(FieldId::www_authenticate, challenge());
  const bool explains = route_ && route_->show_error_details && end.cause == EndCause::denied;
  const Form form = preferred_form(*head_);
  head->fields.add(FieldId::content_type, content_type(form));
  send_answer(end, std::move(head),
              refusal_body(form,
                           {status, phrase(end.cause), route_ ? Bytes(route_->name) : Bytes(), id_,
                            explains ? &decision_.reasons : nullptr},
                           head_->arena));
}

// RFC 6750 3: what kind of credential is missing, and what is wrong with the one that came.
Bytes Exchange::challenge() {
  Arena& arena = head_->arena;
  const Bytes realm = concat(arena, {"Bearer realm=\"", host_.host, "\""});
  if (token_fault_ == token::Fault::none) return realm;
  return concat(arena,
                {realm, ", error=\"invalid_token\", error_description=\"", token::fault_text(token_fault_), "\""});
}

void Exchange::reply_json(Bytes body) {
  http::ResponsePtr head = http::make_response();
  head->status = 200;
  head->fields.add(FieldId::content_type, "application/json");
  send_answer({EndCause::direct_response}, std::move(head), body);
}

void Exchange::redirect_to(const End& end, Bytes location) {
  http::ResponsePtr head = http::make_response();
  head->status = end.http_status();
  head->fields.add(FieldId::location, location);
  if (end.cause == EndCause::unauthenticated) head->fields.add(FieldId::cache_control, "no-store");
  send_answer(end, std::move(head), {});
}

void Exchange::send_answer(const End& end, http::ResponsePtr head, Bytes body) {
  const bool bodiless = http::is_bodiless(head_->method, head->status);
  if (!(head->status == 204 || head->status == 304)) head->content_length = body.size();
  head->has_body = !bodiless && !body.empty();
  head->fields.add(FieldId::server, "cardea");
  head->fields.add(FieldId::x_request_id, id_);
  add_response_fields(*head);
  response_begun_ = response_complete_ = true;
  outcome_.status = head->status;
  outcome_.bytes_out = head->has_body ? body.size() : 0;
  down_.send_head(*head);
  if (head->has_body) {
    down_.send_body(body);
    down_.send_end(nullptr);
  }
  finish(end);
}

void Exchange::add_response_fields(http::ResponseHead& head) {
  if (!head.fields.find(FieldId::date)) head.fields.add(FieldId::date, worker_.http_date());
  if (!route_) return;
  if (tries_ && !tries_->set_cookie.empty()) head.fields.add(FieldId::set_cookie, head.arena.copy(tries_->set_cookie));
  for (const route::HeaderValue& v : route_->set_response_headers) {
    head.fields.set(v.name, v.value.expand(
                                head.arena, [](void*, Bytes) { return Bytes(); }, nullptr));
  }
  for (const route::RewriteResponseHeader& r : route_->rewrite_response_headers) {
    for (http::Field& f : head.fields) {
      if (http::equal_no_case(f.name, r.header) && f.value.starts_with(r.prefix)) {
        f.value = concat(head.arena, {r.value, f.value.substr(r.prefix.size())});
      }
    }
  }
}

}  // namespace cardea::proxy
