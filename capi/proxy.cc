// Proxy handles: the host's handlers and queue as hooks, apply, drain, metrics.
#include <cstring>

#include "capi.h"

using namespace cardea;

// Calls the host's handlers, or puts an event where there is no handler and the queue wants it.
class cardea_proxy::HostHooks final : public proxy::Hooks {
 public:
  HostHooks(const cardea_handlers* handlers, void* ud) : ud_(ud) {
    if (!handlers) return;
    memcpy(&handlers_, handlers, std::min(handlers->struct_size, sizeof handlers_));
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
  void push(int type, int64_t value) {
    if (!wants(type)) return;
    cardea_queue::Item item;
    item.event.type = uint32_t(type);
    item.event.value = value;
    queue_->push(std::move(item));
  }
  void own(cardea_free_fn ud_free) { ud_free_ = ud_free; }

  bool authorizes() const override { return handlers_.on_authorize || wants(CARDEA_EVENT_AUTHORIZE); }
  Answer on_authorize(proxy::Exchange& x, uint64_t token) override {
    if (handlers_.on_authorize) {
      const int answer = handlers_.on_authorize(ud_, capi::handle(x), token);
      return answer == CARDEA_ALLOW ? Answer::allow : answer == CARDEA_PENDING ? Answer::pending : Answer::deny;
    }
    cardea_queue::Item item = describe(x, CARDEA_EVENT_AUTHORIZE);
    item.event.token = token;
    std::string headers;
    for (const http::Field& f : x.head().fields) {
      headers.append(f.name).append(": ").append(f.value).append("\r\n");
    }
    item.strings.emplace_back(CARDEA_STR_HEADERS, std::move(headers));
    return queue_->push(std::move(item)) ? Answer::pending : Answer::deny;
  }
  void on_request_end(proxy::Exchange& x) override {
    if (handlers_.on_request_end) return handlers_.on_request_end(ud_, capi::handle(x));
    if (!wants(CARDEA_EVENT_REQUEST_END)) return;
    cardea_queue::Item item = describe(x, CARDEA_EVENT_REQUEST_END);
    item.event.value = x.outcome().status;
    for (int what : {CARDEA_STR_CAUSE, CARDEA_STR_ENDPOINT, CARDEA_STR_ACCESS_RECORD}) put(item, x, what);
    queue_->push(std::move(item));
  }
  void on_conn_open(proxy::Session& s) override {
    if (handlers_.on_conn_open) return handlers_.on_conn_open(ud_, capi::handle(s));
    conn_event(s, CARDEA_EVENT_CONN_OPEN);
  }
  void on_conn_close(proxy::Session& s) override {
    if (handlers_.on_conn_close) return handlers_.on_conn_close(ud_, capi::handle(s));
    conn_event(s, CARDEA_EVENT_CONN_CLOSE);
  }

 private:
  static void put(cardea_queue::Item& item, const proxy::Exchange& x, int what) {
    cardea_str s{};
    if (capi::request_text(x, what, &s) == CARDEA_OK) item.strings.emplace_back(what, std::string(s.ptr, s.len));
  }
  static cardea_queue::Item describe(const proxy::Exchange& x, int type) {
    cardea_queue::Item item;
    item.event.type = uint32_t(type);
    item.event.id = x.session().id();
    item.strings.reserve(16);
    for (int what : {CARDEA_STR_REQUEST_ID, CARDEA_STR_METHOD, CARDEA_STR_HOST, CARDEA_STR_PATH, CARDEA_STR_QUERY,
                     CARDEA_STR_ROUTE, CARDEA_STR_CLIENT_IP, CARDEA_STR_PEER, CARDEA_STR_LISTENER, CARDEA_STR_IDENTITY,
                     CARDEA_STR_POLICY_DATA, CARDEA_STR_PROTOCOL}) {
      put(item, x, what);
    }
    return item;
  }
  void conn_event(const proxy::Session& s, int type) {
    if (!wants(type)) return;
    cardea_queue::Item item;
    item.event.type = uint32_t(type);
    item.event.id = s.id();
    for (int what : {CARDEA_STR_PEER, CARDEA_STR_LISTENER, CARDEA_STR_PROTOCOL}) {
      cardea_str text{};
      if (capi::conn_text(s, what, &text) == CARDEA_OK) item.strings.emplace_back(what, std::string(text.ptr, text.len));
    }
    queue_->push(std::move(item));
  }

  cardea_handlers handlers_{};
  void* ud_;
  cardea_free_fn ud_free_ = nullptr;
  cardea_queue* queue_ = nullptr;
  uint32_t types_ = 0;
};

extern "C" {

int cardea_proxy_new(cardea_config* config, const cardea_handlers* handlers, void* ud, cardea_free_fn ud_free,
                     cardea_proxy** out, cardea_error** error) {
  if (error) *error = nullptr;
  if (!out) return CARDEA_EINVAL;
  *out = nullptr;
  if (!config || (handlers && handlers->struct_size < sizeof(size_t))) return CARDEA_EINVAL;
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

void cardea_proxy_unref(cardea_proxy* p) { capi::unref(p); }

int cardea_proxy_apply(cardea_proxy* p, cardea_config* config, cardea_error** error) {
  if (error) *error = nullptr;
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
      hooks->push(CARDEA_EVENT_DRAINED, 0);
      if (done) done(ud, CARDEA_OK);
    });
    return CARDEA_OK;
  });
}

int cardea_proxy_set_queue(cardea_proxy* p, cardea_queue* q, uint32_t types) {
  if (!p) return CARDEA_EINVAL;
  if (p->proxy->has_workers()) return CARDEA_ESEALED;
  p->hooks->set_queue(q, types);
  return CARDEA_OK;
}

int cardea_proxy_metric_next(const cardea_proxy* p, size_t* cursor, cardea_str* name, cardea_str* kind, cardea_str* help,
                             uint64_t* value) {
  if (!p || !cursor || !name || !kind || !help || !value) return CARDEA_EINVAL;
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

}  // extern "C"
