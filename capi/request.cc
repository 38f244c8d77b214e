// What requests and connections tell in callbacks.
#include <cstring>

#include "capi.h"
#include "proxy/record.h"

using namespace cardea;

namespace cardea::capi {

namespace {
// Strings that exist nowhere else until the next call of this thread.
thread_local std::string scratch;
}  // namespace

int conn_text(const proxy::Session& s, int what, cardea_str* out) {
  const net::TlsSession* tls = s.stream().tls();
  switch (what) {
    case CARDEA_STR_PEER:
      scratch = s.stream().peer().text();
      return give(out, scratch);
    case CARDEA_STR_LISTENER:
      return give(out, s.listener());
    case CARDEA_STR_PROTOCOL:
      return give(out, http::protocol_name(s.protocol()));
    case CARDEA_STR_TLS_VERSION:
      return give(out, tls ? tls->version : "");
    case CARDEA_STR_SNI:
      return give(out, tls ? tls->sni : Bytes());
    default:
      return CARDEA_EINVAL;
  }
}

int request_text(const proxy::Exchange& x, int what, cardea_str* out) {
  const http::End& end = x.outcome().end;
  switch (what) {
    case CARDEA_STR_REQUEST_ID:
      return give(out, x.id());
    case CARDEA_STR_METHOD:
      return give(out, x.head().method_name);
    case CARDEA_STR_HOST:
      return give(out, x.host());
    case CARDEA_STR_PATH:
      return give(out, x.path());
    case CARDEA_STR_QUERY:
      return give(out, x.query());
    case CARDEA_STR_ROUTE:
      return give(out, x.route() ? Bytes(x.route()->name) : Bytes());
    case CARDEA_STR_CLIENT_IP:
      return give(out, x.client_ip());
    case CARDEA_STR_IDENTITY:
      return give(out, x.identity() ? Bytes(x.identity()->user) : Bytes());
    case CARDEA_STR_EMAIL:
      return give(out, x.identity() ? Bytes(x.identity()->email) : Bytes());
    case CARDEA_STR_CERTIFICATE_FINGERPRINT:
      return give(out, x.certificate() ? Bytes(x.certificate()->fingerprint) : Bytes());
    case CARDEA_STR_RULE:
      return give(out, x.decision().rule);
    case CARDEA_STR_REASONS:
      scratch.clear();
      for (std::string_view r : x.decision().reasons) scratch.append(scratch.empty() ? "" : ",").append(r);
      return give(out, scratch);
    case CARDEA_STR_POLICY_DATA:
      return give(out, x.policy_data());
    case CARDEA_STR_ENDPOINT:
      return give(out, x.endpoint() ? Bytes(x.endpoint()->text()) : Bytes());
    case CARDEA_STR_CLUSTER:
      return give(out, x.endpoint() ? Bytes(x.endpoint()->cluster().name) : Bytes());
    case CARDEA_STR_PROTOCOL:
      return give(out, http::protocol_name(x.head().protocol));
    case CARDEA_STR_FLAGS:
      return give(out, http::row(end.cause).flag);
    case CARDEA_STR_CAUSE:
      scratch.clear();
      proxy::append_cause(scratch, x);
      return give(out, scratch);
    case CARDEA_STR_ACCESS_RECORD:
      scratch.clear();
      proxy::append_access_record(scratch, x);
      return give(out, scratch);
    case CARDEA_STR_LIVE_RECORD:
      scratch.clear();
      proxy::append_live_record(scratch, x);
      return give(out, scratch);
    default:
      return conn_text(x.session(), what, out);
  }
}

}  // namespace cardea::capi

extern "C" {

int cardea_request_get_str(const cardea_request* r, int what, cardea_str* out) {
  if (!capi::cleared(out) || !r) return CARDEA_EINVAL;
  return capi::guard([&] { return capi::request_text(capi::exchange(r), what, out); });
}

int cardea_request_get_int(const cardea_request* r, int what, int64_t* out) {
  if (!r || !out) return CARDEA_EINVAL;
  const proxy::Exchange& x = capi::exchange(r);
  const proxy::Exchange::Outcome& o = x.outcome();
  switch (what) {
    case CARDEA_INT_STATUS:
      *out = o.status;
      break;
    case CARDEA_INT_BYTES_IN:
      *out = int64_t(o.bytes_in);
      break;
    case CARDEA_INT_BYTES_OUT:
      *out = int64_t(o.bytes_out);
      break;
    case CARDEA_INT_DURATION:
      *out = int64_t(o.duration);
      break;
    case CARDEA_INT_CONNECT:
      *out = int64_t(o.connect);
      break;
    case CARDEA_INT_FIRST_BYTE:
      *out = int64_t(o.first_byte);
      break;
    case CARDEA_INT_ATTEMPTS:
      *out = o.attempts;
      break;
    case CARDEA_INT_GENERATION:
      *out = int64_t(x.snapshot().generation);
      break;
    case CARDEA_INT_CONN_ID:
      *out = int64_t(x.session().id());
      break;
    case CARDEA_INT_TRUNCATED:
      *out = o.truncated;
      break;
    case CARDEA_INT_REAUTHORIZED:
      *out = x.reauthorizes();
      break;
    case CARDEA_INT_POLICY_GENERATION:
      *out = int64_t(x.policy_generation());
      break;
    default:
      return CARDEA_EINVAL;
  }
  return CARDEA_OK;
}

int cardea_request_header(const cardea_request* r, const char* name, size_t n, cardea_str* out) {
  if (!capi::cleared(out) || !r || !name) return CARDEA_EINVAL;
  const http::Field* f = capi::exchange(r).head().fields.find(capi::text(name, n));
  return f ? capi::give(out, f->value) : CARDEA_ENOTFOUND;
}

int cardea_request_headers(const cardea_request* r, cardea_str* names, cardea_str* values, size_t cap, size_t* count) {
  if (!r || !count || (cap && (!names || !values))) return CARDEA_EINVAL;
  size_t i = 0;
  for (const http::Field& f : capi::exchange(r).head().fields) {
    if (i < cap) {
      (void)capi::give(&names[i], f.name);
      (void)capi::give(&values[i], f.value);
    }
    ++i;
  }
  *count = i;
  return CARDEA_OK;
}

cardea_conn* cardea_request_conn(const cardea_request* r) {
  return r ? capi::lent(const_cast<proxy::Exchange&>(capi::exchange(r)).session()) : nullptr;
}
void* cardea_request_data(const cardea_request* r) {
  return r ? capi::exchange(r).host_pointer() : nullptr;
}
int cardea_request_set_data(cardea_request* r, void* data) {
  if (!r) return CARDEA_EINVAL;
  capi::exchange(r).set_host_pointer(data);
  return CARDEA_OK;
}

int cardea_conn_get_str(const cardea_conn* c, int what, cardea_str* out) {
  if (!capi::cleared(out) || !c) return CARDEA_EINVAL;
  return capi::guard([&] { return capi::conn_text(capi::session(c), what, out); });
}
int cardea_conn_get_int(const cardea_conn* c, int what, int64_t* out) {
  if (!c || !out || what != CARDEA_INT_CONN_ID) return CARDEA_EINVAL;
  *out = int64_t(capi::session(c).id());
  return CARDEA_OK;
}
void* cardea_conn_data(const cardea_conn* c) {
  return c ? capi::session(c).host_pointer() : nullptr;
}
int cardea_conn_set_data(cardea_conn* c, void* data) {
  if (!c) return CARDEA_EINVAL;
  capi::session(c).set_host_pointer(data);
  return CARDEA_OK;
}

}  // extern "C"
