// Message heads: methods, protocols and the free lists that heads come from.
#include <array>

#include "http/http.h"

namespace cardea::http {
namespace {

struct MethodRow {
  Bytes name;
  Method method;
  bool idempotent;
};
constexpr MethodRow kMethods[] = {
    {"GET", Method::get, true},         {"POST", Method::post, false},       {"HEAD", Method::head, true},
    {"PUT", Method::put, true},         {"DELETE", Method::delete_, true},   {"PATCH", Method::patch, false},
    {"OPTIONS", Method::options, true}, {"CONNECT", Method::connect, false},
};

// Heads of this thread that wait for their next message. Bounded: a burst's memory goes back to the system.
constexpr size_t kKept = 256;
constexpr size_t kKeptFields = 128;  // a vector that grew past it is not kept

// Heads may die after the thread's lists: statics of the host are destroyed later than thread locals.
thread_local bool lists_gone = false;

template <class H>
struct FreeList {
  std::vector<H*> heads;
  ~FreeList() {
    lists_gone = true;
    for (H* h : heads) delete h;
  }
};

template <class H>
FreeList<H>& free_list() {
  thread_local FreeList<H> list;
  return list;
}

template <class H>
H* take() {
  if (lists_gone) return new H;
  FreeList<H>& list = free_list<H>();
  if (list.heads.empty()) return new H;
  H* h = list.heads.back();
  list.heads.pop_back();
  return h;
}

template <class H>
void give(H* h) {
  if (lists_gone) {
    delete h;
    return;
  }
  FreeList<H>& list = free_list<H>();
  if (list.heads.size() >= kKept) {
    delete h;
    return;
  }
  h->reset();
  list.heads.push_back(h);
}

void reset_common(Head& h) {
  h.arena.reset();
  if (h.fields.capacity() > kKeptFields) {
    h.fields = Fields();
  } else {
    h.fields.clear();
  }
  h.protocol = Protocol::http11;
  h.content_length.reset();
  h.has_body = false;
}

}  // namespace

const char* protocol_name(Protocol p) {
  switch (p) {
    case Protocol::http10:
      return "HTTP/1.0";
    case Protocol::http11:
      return "HTTP/1.1";
    case Protocol::http2:
      return "HTTP/2";
  }
  return "";
}

Method method_of(Bytes name) {
  for (const MethodRow& row : kMethods) {
    if (row.name == name) return row.method;
  }
  return Method::other;
}

bool is_idempotent(Method m) {
  for (const MethodRow& row : kMethods) {
    if (row.method == m) return row.idempotent;
  }
  return false;
}

void RequestHead::reset() {
  reset_common(*this);
  method = Method::other;
  method_name = scheme = authority = target = upgrade = {};
  expect_continue = te_trailers = false;
}

void ResponseHead::reset() {
  reset_common(*this);
  status = 0;
  close = false;
}

void RecycleHead::operator()(RequestHead* h) const {
  give(h);
}

void RecycleHead::operator()(ResponseHead* h) const {
  give(h);
}

RequestPtr make_request() {
  return RequestPtr(take<RequestHead>());
}

ResponsePtr make_response() {
  return ResponsePtr(take<ResponseHead>());
}

bool is_bodiless(Method method, uint16_t status) {
  return method == Method::head || status < 200 || status == 204 || status == 304;
}

}  // namespace cardea::http
