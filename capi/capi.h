// What stands behind the handles of cardea.h, and the guard that every entry point runs under.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "cardea/cardea.h"
#include "config/config.h"
#include "net/net.h"
#include "proxy/exchange.h"
#include "proxy/proxy.h"
#include "proxy/worker.h"

struct cardea_error {
  int code;
  std::string message;
  int64_t source_code;
};

namespace cardea::capi {

// Counted handles: one reference for the host, one for each object that it is attached to.
struct Counted {
  std::atomic<int> refs{1};
};
template <class H>
H* ref(H* object) {
  object->refs.fetch_add(1, std::memory_order_relaxed);
  return object;
}
template <class H>
void unref(H* object) {
  if (object && object->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete object;
}

// Exceptions become codes here and nowhere else.
template <class F>
int guard(F&& f) noexcept {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    return CARDEA_ENOMEM;
  } catch (...) {
    return CARDEA_EINTERNAL;
  }
}

inline int fail(cardea_error** out, Error error) {
  const int code = error.code;
  if (out) *out = new cardea_error{code, std::move(error.message), error.os_code};
  return code;
}
template <class T>
int code_of(const Result<T>& r) {
  return r ? CARDEA_OK : r.error().code;
}

inline Bytes text(const char* s, size_t n) {
  if (!s) return {};
  return n == CARDEA_NTS ? Bytes(s) : Bytes(s, n);
}
// Out-parameters are empty unless the call succeeds. False: there is no place to put a result.
template <class T>
bool cleared(T** out) {
  if (out) *out = nullptr;
  return out != nullptr;
}
inline bool cleared(cardea_str* out) {
  if (out) *out = {nullptr, 0};
  return out != nullptr;
}
inline int give(cardea_str* out, Bytes s) {
  if (!out) return CARDEA_EINVAL;
  *out = {s.data() ? s.data() : "", s.size()};
  return CARDEA_OK;
}

// What an exchange or a connection says of itself; shared by callbacks and queue events.
int request_text(const proxy::Exchange& x, int what, cardea_str* out);
int conn_text(const proxy::Session& s, int what, cardea_str* out);

inline cardea_request* lent(proxy::Exchange& x) {
  return reinterpret_cast<cardea_request*>(&x);
}
inline cardea_conn* lent(proxy::Session& s) {
  return reinterpret_cast<cardea_conn*>(&s);
}
inline proxy::Exchange& exchange(cardea_request* r) {
  return *reinterpret_cast<proxy::Exchange*>(r);
}
inline const proxy::Exchange& exchange(const cardea_request* r) {
  return *reinterpret_cast<const proxy::Exchange*>(r);
}
inline proxy::Session& session(cardea_conn* c) {
  return *reinterpret_cast<proxy::Session*>(c);
}
inline const proxy::Session& session(const cardea_conn* c) {
  return *reinterpret_cast<const proxy::Session*>(c);
}

}  // namespace cardea::capi

struct cardea_config : cardea::capi::Counted {
  std::shared_ptr<cardea::config::ConfigDraft> draft;
  cardea::config::SnapshotPtr snapshot;  // non-null once sealed
  std::string source_name;
};
struct cardea_listener : cardea::capi::Counted {
  std::shared_ptr<cardea::config::ListenerDraft> draft;
};
struct cardea_tls : cardea::capi::Counted {
  std::shared_ptr<cardea::config::TlsDraft> draft;
};
struct cardea_route : cardea::capi::Counted {
  std::shared_ptr<cardea::config::RouteDraft> draft;
};
struct cardea_cluster : cardea::capi::Counted {
  std::shared_ptr<cardea::config::ClusterDraft> draft;
};
struct cardea_policy : cardea::capi::Counted {
  std::shared_ptr<cardea::config::PolicyDraft> draft;
};

struct cardea_queue : cardea::capi::Counted {
  explicit cardea_queue(size_t capacity);
  ~cardea_queue();
  struct Item {
    cardea_event event{};
    std::vector<std::pair<int, std::string>> strings;  // by CARDEA_STR_
    size_t size() const;
  };
  bool push(Item item);  // false: full. any thread
  void lost();           // an event could not even be made. any thread
  size_t poll(void* events, size_t cap, size_t stride);
  const Item* polled(uint64_t ref) const;  // of the last poll, else null

  int fd = -1;

 private:
  void signal();
  const size_t capacity_;
  std::mutex mutex_;
  std::deque<Item> waiting_;
  size_t waiting_bytes_ = 0;
  int64_t dropped_ = 0;
  std::vector<Item> polled_;  // the poller's
  uint64_t first_ref_ = 1;    // of polled_[0]; refs are never used again
};

struct cardea_proxy : cardea::capi::Counted {
  class HostHooks;
  std::shared_ptr<cardea::proxy::Proxy> proxy;
  HostHooks* hooks = nullptr;  // owned by `proxy`
};

namespace cardea::capi {
void drained(cardea_proxy::HostHooks& hooks, uint64_t id);  // the queue hears of it. any thread
}  // namespace cardea::capi
