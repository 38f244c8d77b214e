// Proxy handles: the host's handlers and queue as hooks, late authorization, apply, drain, metrics.
#include <cstring>

#include <unistd.h>

#include "capi.h"
#include "cluster/member.h"
#include "proxy/metrics.h"

using namespace cardea;

// Calls the host's handlers, or puts an event where there is no handler and the queue wants it.
class cardea_proxy::HostHooks final : public proxy::Hooks {
 public:
  HostHooks(const cardea_handlers* handlers, void* ud) : ud_(ud) {
    if (!handlers) return;
    // Whole members only; what an older header lacks stays unset.
    const size_t n = handlers->struct_size / sizeof(void*) * sizeof(void*);
    memcpy(&handlers_, handlers, std::min(n, sizeof handlers_));
  }
  ~HostHooks() override {
    if (ud_free_) ud_free_(ud_);
    capi::unref(queue_);
  }

  void set_queue(cardea_queue* q, uint32_t types) {
    capi::unref(queue_);
    queue_ = q ? capi::ref(q) : nullptr;
    types_ = q ? types : 0;
  }
  bool wants(int type) const { return types_ & 1u << type; }
  void push(int type, int64_t value, uint64_t id) {
    if (!wants(type)) return;
    enqueue([&] {
      cardea_queue::Item item;
      item.event.type = uint32_t(type);
      item.event.id = id;
      item.event.value = value;
      return item;
    });
  }
  void own(cardea_free_fn ud_free) { ud_free_ = ud_free; }

  bool authorizes() const override { return handlers_.on_authorize || wants(CARDEA_EVENT_AUTHORIZE); }
  Answer on_authorize(proxy::Exchange& x, uint64_t token) override {
    if (handlers_.on_authorize) {
      const int answer = handlers_.on_authorize(ud_, capi::lent(x), token);
      return answer == CARDEA_ALLOW ? Answer::allow : answer == CARDEA_PENDING ? Answer::pending : Answer::deny;
    }
    const bool queued = enqueue([&] {
      cardea_queue::Item item = describe(x, CARDEA_EVENT_AUTHORIZE);
      item.event.token = token;
      item.event.value = x.reauthorizes();
      add_headers(item, x);
      return item;
    });
    return queued ? Answer::pending : Answer::deny;
  }
  void on_request_start(proxy::Exchange& x) override {
    if (handlers_.on_request_start) handlers_.on_request_start(ud_, capi::lent(x));
  }
  bool serves() const override { return handlers_.on_request || wants(CARDEA_EVENT_REQUEST); }
  bool on_serve(proxy::Exchange& x, uint64_t token) override {
    if (handlers_.on_request) {
      handlers_.on_request(ud_, capi::lent(x), token);
      return true;
    }
    return wants(CARDEA_EVENT_REQUEST) && enqueue([&] {
             cardea_queue::Item item = describe(x, CARDEA_EVENT_REQUEST);
             item.event.token = token;
             add_headers(item, x);
             put(item, CARDEA_STR_EMAIL, [&](cardea_str* out) { return capi::request_text(x, CARDEA_STR_EMAIL, out); });
             return item;
           });
  }
  bool on_readable(uint64_t token) override {
    if (!handlers_.on_request) return push_token(CARDEA_EVENT_READABLE, token);
    if (handlers_.on_readable) handlers_.on_readable(ud_, token);
    return true;
  }
  bool on_writable(uint64_t token) override {
    if (!handlers_.on_request) return push_token(CARDEA_EVENT_WRITABLE, token);
    if (handlers_.on_writable) handlers_.on_writable(ud_, token);
    return true;
  }
  void on_request_log(proxy::Exchange& x) override {
    if (handlers_.on_request_log) return handlers_.on_request_log(ud_, capi::lent(x));
    push_record(x, CARDEA_EVENT_REQUEST_LOG);
  }
  void on_request_end(proxy::Exchange& x) override {
    if (handlers_.on_request_end) return handlers_.on_request_end(ud_, capi::lent(x));
    push_record(x, CARDEA_EVENT_REQUEST_END);
  }
  int on_pick(proxy::Exchange& x, const std::vector<cluster::EndpointPtr>& endpoints) override {
    if (!handlers_.on_pick_endpoint) return -1;
    std::vector<cardea_str> names;
    std::vector<uint32_t> weights, active;
    for (const cluster::EndpointPtr& e : endpoints) {
      names.push_back({e->text().data(), e->text().size()});
      weights.push_back(e->weight);
      active.push_back(e->state->requests.value());
    }
    return handlers_.on_pick_endpoint(ud_, capi::lent(x), names.data(), weights.data(), active.data(), names.size());
  }
  void on_health(const cluster::HealthEvent& h) override {
    const int health = h.outlier   ? h.healthy    ? CARDEA_HEALTH_RETURNED
                                     : h.enforced ? CARDEA_HEALTH_EJECTED
                                                  : CARDEA_HEALTH_WOULD_EJECT
                       : h.healthy ? CARDEA_HEALTH_HEALTHY
                                   : CARDEA_HEALTH_UNHEALTHY;
    if (handlers_.on_health) {
      const cardea_str cluster = borrowed(h.cluster), endpoint = borrowed(h.endpoint), cause = borrowed(h.cause);
      return handlers_.on_health(ud_, &cluster, &endpoint, health, &cause);
    }
    if (!wants(CARDEA_EVENT_HEALTH)) return;
    enqueue([&] {
      cardea_queue::Item item = about_endpoint(CARDEA_EVENT_HEALTH, h.cluster, h.endpoint);
      item.event.value = health;
      item.strings.emplace_back(CARDEA_STR_CAUSE, std::string(h.cause));
      return item;
    });
  }
  proxy::Hooks::Check on_custom_check(Bytes cluster, Bytes endpoint, uint64_t token) override {
    if (handlers_.on_health_check) {
      const cardea_str c = borrowed(cluster), e = borrowed(endpoint);
      const int answer = handlers_.on_health_check(ud_, &c, &e, token);
      return answer == CARDEA_ALLOW ? Check::passed : answer == CARDEA_PENDING ? Check::pending : Check::failed;
    }
    if (!wants(CARDEA_EVENT_HEALTH_CHECK)) return Check::failed;
    const bool queued = enqueue([&] {
      cardea_queue::Item item = about_endpoint(CARDEA_EVENT_HEALTH_CHECK, cluster, endpoint);
      item.event.token = token;
      return item;
    });
    return queued ? Check::pending : Check::failed;
  }
  void on_conn_open(proxy::Session& s) override {
    if (handlers_.on_conn_open) return handlers_.on_conn_open(ud_, capi::lent(s));
    conn_event(s, CARDEA_EVENT_CONN_OPEN);
  }
  void on_conn_close(proxy::Session& s) override {
    if (handlers_.on_conn_close) return handlers_.on_conn_close(ud_, capi::lent(s));
    conn_event(s, CARDEA_EVENT_CONN_CLOSE);
  }

 private:
  // Queues what `make` gives; false when it could not. Nothing is thrown into the worker.
  template <class Make>
  bool enqueue(Make make) noexcept {
    try {
      return queue_->push(make());
    } catch (...) {
      queue_->lost();
      return false;
    }
  }
  bool push_token(int type, uint64_t token) {
    return !wants(type) || enqueue([&] {
      cardea_queue::Item item;
      item.event.type = uint32_t(type);
      item.event.token = token;
      return item;
    });
  }
  void push_record(const proxy::Exchange& x, int type) {
    if (!wants(type)) return;
    enqueue([&] {
      cardea_queue::Item item = describe(x, type);
      item.event.value = x.outcome().status;
      item.event.token = x.host_token();
      for (int what :
           {CARDEA_STR_CAUSE, CARDEA_STR_FLAGS, CARDEA_STR_CLUSTER, CARDEA_STR_ENDPOINT, CARDEA_STR_ACCESS_RECORD}) {
        if (x.is_over() || (what != CARDEA_STR_CAUSE && what != CARDEA_STR_FLAGS)) {
          put(item, what, [&](cardea_str* out) { return capi::request_text(x, what, out); });
        }
      }
      return item;
    });
  }
  static void add_headers(cardea_queue::Item& item, const proxy::Exchange& x) {
    std::string headers;
    for (const http::Field& f : x.head().fields) headers.append(f.name).append(": ").append(f.value).append("\r\n");
    item.strings.emplace_back(CARDEA_STR_HEADERS, std::move(headers));
  }
  template <class Get>
  static void put(cardea_queue::Item& item, int what, Get get) {
    cardea_str s{};
    if (get(&s) == CARDEA_OK) item.strings.emplace_back(what, std::string(s.ptr, s.len));
  }
  static cardea_str borrowed(Bytes s) { return {s.data(), s.size()}; }
  static cardea_queue::Item about_endpoint(int type, Bytes cluster, Bytes endpoint) {
    cardea_queue::Item item;
    item.event.type = uint32_t(type);
    item.strings.emplace_back(CARDEA_STR_CLUSTER, std::string(cluster));
    item.strings.emplace_back(CARDEA_STR_ENDPOINT, std::string(endpoint));
    return item;
  }
  static cardea_queue::Item describe(const proxy::Exchange& x, int type) {
    cardea_queue::Item item;
    item.event.type = uint32_t(type);
    item.event.id = x.session().id();
    item.strings.reserve(20);
    for (int what : {CARDEA_STR_REQUEST_ID, CARDEA_STR_METHOD, CARDEA_STR_HOST, CARDEA_STR_PATH, CARDEA_STR_QUERY,
                     CARDEA_STR_ROUTE, CARDEA_STR_CLIENT_IP, CARDEA_STR_PEER, CARDEA_STR_LISTENER, CARDEA_STR_IDENTITY,
                     CARDEA_STR_POLICY_DATA, CARDEA_STR_PROTOCOL, CARDEA_STR_TLS_VERSION, CARDEA_STR_SNI}) {
      put(item, what, [&](cardea_str* out) { return capi::request_text(x, what, out); });
    }
    return item;
  }
  void conn_event(const proxy::Session& session, int type) {
    if (!wants(type)) return;
    enqueue([&] {
      cardea_queue::Item item;
      item.event.type = uint32_t(type);
      item.event.id = session.id();
      for (int what :
           {CARDEA_STR_PEER, CARDEA_STR_LISTENER, CARDEA_STR_PROTOCOL, CARDEA_STR_TLS_VERSION, CARDEA_STR_SNI}) {
        put(item, what, [&](cardea_str* out) { return capi::conn_text(session, what, out); });
      }
      return item;
    });
  }

  cardea_handlers handlers_{};
  void* ud_;
  cardea_free_fn ud_free_ = nullptr;
  cardea_queue* queue_ = nullptr;
  uint32_t types_ = 0;
};

namespace cardea::capi {
void drained(cardea_proxy::HostHooks& hooks, uint64_t id) {
  hooks.push(CARDEA_EVENT_DRAINED, 0, id);
}
}  // namespace cardea::capi

extern "C" {

int cardea_proxy_new(cardea_config* config, const cardea_handlers* handlers, void* ud, cardea_free_fn ud_free,
                     cardea_proxy** out, cardea_error** error) {
  capi::cleared(error);
  if (!capi::cleared(out) || !config || (handlers && handlers->struct_size < sizeof(size_t))) {
    return CARDEA_EINVAL;
  }
  return capi::guard([&] {
    if (!config->snapshot) return capi::fail(error, {kEinval, "proxy: the configuration is not sealed"});
    auto h = std::make_unique<cardea_proxy>();
    auto hooks = std::make_unique<cardea_proxy::HostHooks>(handlers, ud);
    h->hooks = hooks.get();
    h->proxy = std::make_shared<proxy::Proxy>(config->snapshot, std::move(hooks));
    h->hooks->own(ud_free);  // not before everything that can fail: a failure consumes nothing
    *out = h.release();
    return CARDEA_OK;
  });
}

void cardea_proxy_unref(cardea_proxy* p) {
  capi::unref(p);
}

int cardea_proxy_apply(cardea_proxy* p, cardea_config* config, cardea_error** error) {
  capi::cleared(error);
  if (!p || !config) return CARDEA_EINVAL;
  return capi::guard([&] {
    if (!config->snapshot) return capi::fail(error, {kEinval, "apply: the configuration is not sealed"});
    auto applied = p->proxy->apply(config->snapshot);
    return applied ? CARDEA_OK : capi::fail(error, applied.error());
  });
}

int cardea_proxy_generation(const cardea_proxy* p, uint64_t* out) {
  if (!p || !out) return CARDEA_EINVAL;
  *out = p->proxy->snapshot()->generation;
  return CARDEA_OK;
}

int cardea_proxy_drain(cardea_proxy* p, int64_t deadline_ms, cardea_done_fn done, void* ud) {
  if (!p) return CARDEA_EINVAL;
  return capi::guard([&] {
    const Millis deadline = deadline_ms < 0 ? p->proxy->snapshot()->drain_timeout : Millis(deadline_ms);
    // `done` may come after the host has let go of the proxy.
    std::shared_ptr<proxy::Proxy> keep = p->proxy;
    cardea_proxy::HostHooks* hooks = p->hooks;
    keep->drain(deadline, [keep, hooks, done, ud] {
      capi::drained(*hooks, 0);
      if (done) done(ud, CARDEA_OK);
    });
    return CARDEA_OK;
  });
}

int cardea_authorize_complete(cardea_token t, int decision, const char* identity, size_t n) {
  if (decision != CARDEA_ALLOW && decision != CARDEA_DENY) return CARDEA_EINVAL;
  return capi::guard([&] {
    const bool taken = proxy::authorize_complete(t, decision == CARDEA_ALLOW, capi::text(identity, n));
    return taken ? CARDEA_OK : CARDEA_ESTALE;
  });
}

int cardea_proxy_set_queue(cardea_proxy* p, cardea_queue* q, uint32_t types) {
  constexpr uint32_t kTypes = (2u << CARDEA_EVENT_REQUEST_LOG) - (1u << CARDEA_EVENT_AUTHORIZE);
  if (!p || types & ~kTypes) return CARDEA_EINVAL;
  if (p->proxy->has_workers()) return CARDEA_ESEALED;
  p->hooks->set_queue(q, types);
  return CARDEA_OK;
}

int cardea_proxy_adopt_listening(cardea_proxy* p, int fd, cardea_error** error) {
  capi::cleared(error);
  if (!p || fd < 0) return CARDEA_EINVAL;
  return capi::guard([&] {
    auto adopted = p->proxy->sockets().adopt(fd);
    return adopted ? CARDEA_OK : capi::fail(error, adopted.error());
  });
}

int cardea_proxy_listening_fds(cardea_proxy* p, int* fds, size_t cap, size_t* count) {
  if (count) *count = 0;
  if (!p || !count || (cap && !fds)) return CARDEA_EINVAL;
  return capi::guard([&] {
    auto all = p->proxy->sockets().duplicates();
    if (!all) return all.error().code;
    *count = all->size();
    for (size_t i = 0; i < all->size(); ++i) i < cap ? void(fds[i] = (*all)[i]) : void(close((*all)[i]));
    return CARDEA_OK;
  });
}

int cardea_proxy_metric_next(const cardea_proxy* p, size_t* cursor, cardea_str* name, cardea_str* kind,
                             cardea_str* help, uint64_t* value) {
  if (!p || !cursor || !name || !kind || !help || !value) return CARDEA_EINVAL;
  capi::cleared(name);
  capi::cleared(kind);
  capi::cleared(help);
  return capi::guard([&] {
    size_t index = 0;
    int found = 0;
    p->proxy->each_counter([&](const char* n, const char* k, const char* h, uint64_t v) {
      if (index++ != *cursor) return;
      found = 1;
      (void)capi::give(name, n);
      (void)capi::give(kind, k);
      (void)capi::give(help, h);
      *value = v;
    });
    *cursor += size_t(found);
    return found;
  });
}

int cardea_proxy_metrics(const cardea_proxy* p, cardea_text_fn fn, void* ud) {
  if (!p || !fn) return CARDEA_EINVAL;
  return capi::guard([&] {
    const std::string text = proxy::metrics_text(*p->proxy);
    fn(ud, text.data(), text.size());
    return CARDEA_OK;
  });
}

}  // extern "C"
