// What workers share, and the event queue. Any thread, but for creation.
#ifndef CARDEA_HPP_PROXY_HPP
#define CARDEA_HPP_PROXY_HPP

#include <cardea/hpp/config.hpp>
#include <cardea/hpp/hooks.hpp>

#include <array>
#include <chrono>
#include <optional>

namespace cardea {
inline namespace CARDEA_HPP_NAMESPACE {

// Events in the place of callbacks; any thread, one poller at a time.
class Queue : public detail::Owner<cardea_queue, cardea_queue_unref> {
 public:
  using Owner::Owner;
  // 0: 65,536 events.
  static Result<Queue> create(std::size_t capacity = 0) {
    cardea_queue *q = nullptr;
    const int code = cardea_queue_new(capacity, &q);
    return detail::given(code, Queue(q));
  }
  // Readable while events wait.
  int fd() const noexcept { return cardea_queue_fd(c()); }
  // How many were taken.
  Result<std::size_t> poll(cardea_event *events, std::size_t cap) {
    std::size_t count = 0;
    const int code = cardea_queue_poll(c(), events, cap, sizeof *events, &count);
    return detail::given(code, count);
  }
  template <std::size_t N>
  Result<std::size_t> poll(std::array<cardea_event, N> &events) {
    return poll(events.data(), N);
  }
  // CARDEA_STR_ of an event of the last poll, until the next.
  std::optional<std::string_view> str(const cardea_event &e, int what) const noexcept {
    cardea_str s{};
    if (cardea_queue_str(c(), e.ref, what, &s) != CARDEA_OK) return std::nullopt;
    return detail::view(s);
  }
};

struct Metric {
  std::string_view name, kind, help;  // static
  std::uint64_t value;
};

struct DrainOptions {
  std::optional<std::chrono::milliseconds> deadline;  // none: the configuration's drain_timeout
  std::uint32_t flags = 0;                            // CARDEA_DRAIN_; 0: by drain_strategy
  ZString by = nullptr;                               // for the record
};

class Proxy : public detail::Owner<cardea_proxy, cardea_proxy_unref> {
 public:
  using Owner::Owner;

  // Without hooks.
  static Result<Proxy> create(const Config &config) { return create(config, nullptr, nullptr, nullptr); }
  // `host` has functions with the hooks' names (those of class Host), and lives until the proxy and its workers are gone.
  template <class H, class = std::enable_if_t<!std::is_same_v<H, Hooks>>>
  static Result<Proxy> create(const Config &config, H &host) {
    const cardea_handlers handlers = table_of<H>();
    return create(config, &handlers, std::addressof(host), nullptr);
  }
  // The same; the host is deleted after its last callback. A failure deletes it too.
  template <class H>
  static Result<Proxy> create(const Config &config, std::unique_ptr<H> host) {
    const cardea_handlers handlers = table_of<H>();
    return own(config, handlers, std::move(host));
  }
  static Result<Proxy> create(const Config &config, Hooks hooks) {
    std::unique_ptr<detail::Lambdas> host(new (std::nothrow) detail::Lambdas{std::move(hooks)});
    if (!host) CARDEA_HPP_FAIL(Error(CARDEA_ENOMEM));
    const cardea_handlers handlers = host->handlers();
    return own(config, handlers, std::move(host));
  }

  Result<void> apply(const Config &sealed) {
    cardea_error *said = nullptr;
    const int code = cardea_proxy_apply(c(), sealed.c(), &said);
    return detail::done(code, said);
  }
  Result<std::uint64_t> generation() const {
    std::uint64_t n = 0;
    const int code = cardea_proxy_generation(c(), &n);
    return detail::given(code, n);
  }
  // done(int status) once; without a deadline, the configuration's drain_timeout.
  template <class F>
  Result<void> drain(std::optional<std::chrono::milliseconds> deadline, F done) {
    detail::Once<F> once(std::move(done));
    if (!once) CARDEA_HPP_FAIL(Error(CARDEA_ENOMEM));
    const int code = cardea_proxy_drain(c(), ms(deadline), detail::Once<F>::done, once.ud());
    if (code >= 0) once.taken();
    return detail::done(code);
  }
  Result<void> drain(std::optional<std::chrono::milliseconds> deadline = std::nullopt) {
    return detail::done(cardea_proxy_drain(c(), ms(deadline), nullptr, nullptr));
  }
  // A listening socket that somebody else bound, for the listener of its address; Cardea's unless this fails.
  Result<void> adopt_listening(int fd) {
    cardea_error *said = nullptr;
    const int code = cardea_proxy_adopt_listening(c(), fd, &said);
    return detail::done(code, said);
  }
  // New descriptors of all listening sockets, yours, for a successor: how many there are; those past `cap` are closed again.
  Result<std::size_t> listening_fds(int *fds, std::size_t cap) {
    std::size_t count = 0;
    const int code = cardea_proxy_listening_fds(c(), fds, cap, &count);
    return detail::given(code, count);
  }
  // Before the first worker; the mask is of 1 << CARDEA_EVENT_.
  Result<void> set_queue(const Queue &queue, std::uint32_t types) {
    return detail::done(cardea_proxy_set_queue(c(), queue.c(), types));
  }
  // fn(const Metric&) for each.
  template <class F>
  Result<void> each_metric(F fn) const {
    for (std::size_t cursor = 0;;) {
      cardea_str name{}, kind{}, help{};
      Metric m{};
      const int code = cardea_proxy_metric_next(c(), &cursor, &name, &kind, &help, &m.value);
      if (code <= 0) return detail::done(code);
      m.name = detail::view(name);
      m.kind = detail::view(kind);
      m.help = detail::view(help);
      fn(static_cast<const Metric &>(m));
    }
  }

  // fn(std::string_view text), inside the call: all of them and those with labels, as GET /metrics answers.
  template <class F>
  Result<void> metrics(F fn) const {
    return detail::done(cardea_proxy_metrics(c(), detail::lent<F>, std::addressof(fn)));
  }

  // Live requests. Selectors are JSON, empty for everything; fn(std::string_view json) is called once, later, on a
  // worker's thread.
  template <class F>
  Result<void> list(std::string_view selector, F fn) {
    return told(std::move(fn), [&](cardea_text_fn text, void *ud, cardea_error **said) {
      return cardea_proxy_list(c(), selector.data(), selector.size(), text, ud, said);
    });
  }
  template <class F>
  Result<void> generations(F fn) {
    return told(std::move(fn),
                [&](cardea_text_fn text, void *ud, cardea_error **) { return cardea_proxy_generations(c(), text, ud); });
  }
  Result<void> reauthorize(std::string_view selector) {
    cardea_error *said = nullptr;
    const int code = cardea_proxy_reauthorize(c(), selector.data(), selector.size(), &said);
    return detail::done(code, said);
  }
  Result<void> revoke(std::string_view who, ZString by = nullptr) {
    cardea_error *said = nullptr;
    const int code = cardea_proxy_revoke(c(), detail::data(who), who.size(), by.c_str(), &said);
    return detail::done(code, said);
  }
  template <class F>
  Result<void> end(std::string_view selector, ZString by, F fn) {
    return told(std::move(fn), [&](cardea_text_fn text, void *ud, cardea_error **said) {
      return cardea_proxy_end(c(), selector.data(), selector.size(), by.c_str(), text, ud, said);
    });
  }
  Result<void> end(std::string_view selector, ZString by = nullptr) {
    cardea_error *said = nullptr;
    const int code = cardea_proxy_end(c(), selector.data(), selector.size(), by.c_str(), nullptr, nullptr, &said);
    return detail::done(code, said);
  }
  template <class F>
  Result<void> dry_run(const Config &sealed, F fn) {
    return told(std::move(fn), [&](cardea_text_fn text, void *ud, cardea_error **said) {
      return cardea_proxy_dry_run(c(), sealed.c(), text, ud, said);
    });
  }

  // Drains: the id, for the functions below. done(int status) once, when nobody is left or it was cancelled.
  template <class F>
  Result<std::uint64_t> drain_start(std::string_view selector, const DrainOptions &how, F done) {
    detail::Once<F> once(std::move(done));
    if (!once) CARDEA_HPP_FAIL(Error(CARDEA_ENOMEM));
    std::uint64_t id = 0;
    cardea_error *said = nullptr;
    const int code = cardea_proxy_drain_start(c(), selector.data(), selector.size(), ms(how.deadline), how.flags, how.by.c_str(),
                                              detail::Once<F>::done, once.ud(), &id, &said);
    if (code >= 0) once.taken();
    return detail::given(code, id, said);
  }
  Result<std::uint64_t> drain_start(std::string_view selector, const DrainOptions &how = {}) {
    std::uint64_t id = 0;
    cardea_error *said = nullptr;
    const int code = cardea_proxy_drain_start(c(), selector.data(), selector.size(), ms(how.deadline), how.flags, how.by.c_str(),
                                              nullptr, nullptr, &id, &said);
    return detail::given(code, id, said);
  }
  // fn(std::string_view json), inside the call.
  template <class F>
  Result<void> drains(F fn) const {
    return detail::done(cardea_proxy_drains(c(), detail::lent<F>, std::addressof(fn)));
  }
  // CARDEA_ESTALE when it is over; so the next.
  Result<void> drain_cancel(std::uint64_t id) { return detail::done(cardea_proxy_drain_cancel(c(), id)); }
  Result<void> drain_extend(std::uint64_t id, std::chrono::milliseconds from_now) {
    return detail::done(cardea_proxy_drain_extend(c(), id, from_now.count()));
  }

  // Clusters. fn(std::string_view json) is called inside the call.
  template <class F>
  Result<void> clusters(F fn) const {
    return detail::done(cardea_proxy_clusters(c(), detail::lent<F>, std::addressof(fn)));
  }
  // A JSON list; none: those of the configuration again.
  Result<void> set_endpoints(std::string_view cluster, std::optional<std::string_view> json) {
    cardea_error *said = nullptr;
    const int code = cardea_proxy_set_endpoints(c(), detail::data(cluster), cluster.size(), json ? detail::data(*json) : nullptr,
                                                json ? json->size() : 0, &said);
    return detail::done(code, said);
  }
  // CARDEA_ESTALE when it is too late, which is harmless.
  int complete_health_check(cardea_token token, bool healthy) const noexcept {
    return cardea_health_check_complete(c(), token, healthy ? 1 : 0);
  }

 private:
  template <class H>
  static cardea_handlers table_of() noexcept {
    const cardea_handlers t = detail::table<H>();
    static_assert(
        detail::Has_on_authorize<H>::value || detail::Has_on_request_end<H>::value || detail::Has_on_conn_open<H>::value ||
            detail::Has_on_conn_close<H>::value || detail::Has_on_pick_endpoint<H>::value || detail::Has_on_health<H>::value ||
            detail::Has_on_health_check<H>::value || detail::Has_on_request<H>::value || detail::Has_on_request_start<H>::value,
        "this host has none of the hooks, or with other parameters than cardea::Host");
    return t;
  }
  static Result<Proxy> create(const Config &config, const cardea_handlers *handlers, void *ud, cardea_free_fn ud_free) {
    cardea_proxy *p = nullptr;
    cardea_error *said = nullptr;
    const int code = cardea_proxy_new(config.c(), handlers, ud, ud_free, &p, &said);
    return detail::given(code, Proxy(p), said);
  }
  template <class H>
  static Result<Proxy> own(const Config &config, const cardea_handlers &handlers, std::unique_ptr<H> host) {
    cardea_proxy *p = nullptr;
    cardea_error *said = nullptr;
    const int code = cardea_proxy_new(
        config.c(), &handlers, host.get(), [](void *ud) { delete static_cast<H *>(ud); }, &p, &said);
    if (code >= 0) (void)host.release();
    return detail::given(code, Proxy(p), said);
  }
  static std::int64_t ms(std::optional<std::chrono::milliseconds> t) noexcept { return t ? t->count() : -1; }
  template <class F, class Call>
  static Result<void> told(F fn, Call call) {
    detail::Once<F> once(std::move(fn));
    if (!once) CARDEA_HPP_FAIL(Error(CARDEA_ENOMEM));
    cardea_error *said = nullptr;
    const int code = call(detail::Once<F>::text, once.ud(), &said);
    if (code >= 0) once.taken();
    return detail::done(code, said);
  }
};

}  // namespace CARDEA_HPP_NAMESPACE
}  // namespace cardea

#endif  // CARDEA_HPP_PROXY_HPP
