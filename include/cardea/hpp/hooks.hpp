// Callbacks: what they are given, how a host's functions are found, what becomes of what they throw.
#ifndef CARDEA_HPP_HOOKS_HPP
#define CARDEA_HPP_HOOKS_HPP

#include <cardea/hpp/answer.hpp>

#include <functional>
#include <optional>

namespace cardea {
inline namespace CARDEA_HPP_NAMESPACE {

enum class Decision : int { deny = CARDEA_DENY, allow = CARDEA_ALLOW, pending = CARDEA_PENDING };

// A pending authorization: any thread, whenever. Dropping it leaves the answer to authorize_timeout, which denies.
class Token {
 public:
  explicit Token(cardea_token t = 0) noexcept : token_(t) {}
  cardea_token c() const noexcept { return token_; }
  // CARDEA_OK, or CARDEA_ESTALE when nobody waits for it any more, which is harmless.
  int allow() const noexcept { return cardea_authorize_complete(token_, CARDEA_ALLOW, nullptr, 0); }
  // `identity`: a JSON object, or the user's id.
  int allow(std::string_view identity) const noexcept {
    return cardea_authorize_complete(token_, CARDEA_ALLOW, detail::data(identity), identity.size());
  }
  int deny() const noexcept { return cardea_authorize_complete(token_, CARDEA_DENY, nullptr, 0); }

 private:
  cardea_token token_;
};

// A connection, lent for the length of a callback; so it cannot be copied away.
class Conn {
 public:
  explicit Conn(cardea_conn *conn) noexcept : conn_(conn) {}
  Conn(const Conn &) = delete;
  Conn &operator=(const Conn &) = delete;
  cardea_conn *c() const noexcept { return conn_; }
  // CARDEA_STR_ PEER LISTENER PROTOCOL TLS_VERSION SNI; empty for others.
  std::string_view str(int what) const noexcept {
    cardea_str s{};
    return cardea_conn_get_str(conn_, what, &s) == CARDEA_OK ? detail::view(s) : std::string_view();
  }
  std::uint64_t id() const noexcept {
    std::int64_t id = 0;
    (void)cardea_conn_get_int(conn_, CARDEA_INT_CONN_ID, &id);
    return static_cast<std::uint64_t>(id);
  }
  void *data() const noexcept { return cardea_conn_data(conn_); }
  int set_data(void *data) noexcept { return cardea_conn_set_data(conn_, data); }

 private:
  cardea_conn *conn_;
};

// A request, lent for the length of a callback; its strings too.
class Request {
 public:
  explicit Request(cardea_request *request) noexcept : request_(request) {}
  Request(const Request &) = delete;
  Request &operator=(const Request &) = delete;
  cardea_request *c() const noexcept { return request_; }
  // CARDEA_STR_; empty for what there is not.
  std::string_view str(int what) const noexcept {
    cardea_str s{};
    return cardea_request_get_str(request_, what, &s) == CARDEA_OK ? detail::view(s) : std::string_view();
  }
  // CARDEA_INT_; 0 for what there is not.
  std::int64_t num(int what) const noexcept {
    std::int64_t n = 0;
    return cardea_request_get_int(request_, what, &n) == CARDEA_OK ? n : 0;
  }
  std::string_view id() const noexcept { return str(CARDEA_STR_REQUEST_ID); }
  std::string_view method() const noexcept { return str(CARDEA_STR_METHOD); }
  std::string_view host() const noexcept { return str(CARDEA_STR_HOST); }
  std::string_view path() const noexcept { return str(CARDEA_STR_PATH); }
  std::string_view query() const noexcept { return str(CARDEA_STR_QUERY); }
  std::string_view route() const noexcept { return str(CARDEA_STR_ROUTE); }
  std::string_view client_ip() const noexcept { return str(CARDEA_STR_CLIENT_IP); }
  std::string_view identity() const noexcept { return str(CARDEA_STR_IDENTITY); }
  std::string_view policy_data() const noexcept { return str(CARDEA_STR_POLICY_DATA); }
  std::string_view cause() const noexcept { return str(CARDEA_STR_CAUSE); }
  std::string_view access_record() const noexcept { return str(CARDEA_STR_ACCESS_RECORD); }
  int status() const noexcept { return static_cast<int>(num(CARDEA_INT_STATUS)); }
  bool reauthorized() const noexcept { return num(CARDEA_INT_REAUTHORIZED) != 0; }
  std::optional<std::string_view> header(std::string_view name) const noexcept {
    cardea_str s{};
    if (cardea_request_header(request_, detail::data(name), name.size(), &s) != CARDEA_OK) return std::nullopt;
    return detail::view(s);
  }
  // fn(name, value) for the first `Cap` headers, in order, from the stack; how many there are.
  template <std::size_t Cap = 128, class F>
  std::size_t each_header(F fn) const {
    cardea_str names[Cap], values[Cap];
    std::size_t count = 0;
    if (cardea_request_headers(request_, names, values, Cap, &count) != CARDEA_OK) return 0;
    for (std::size_t i = 0; i < count && i < Cap; ++i) fn(detail::view(names[i]), detail::view(values[i]));
    return count;
  }
  Conn conn() const noexcept { return Conn(cardea_request_conn(request_)); }
  void *data() const noexcept { return cardea_request_data(request_); }
  int set_data(void *data) noexcept { return cardea_request_set_data(request_, data); }

 private:
  cardea_request *request_;
};

// The endpoints that may take a request.
class Endpoints {
 public:
  Endpoints(const cardea_str *names, const std::uint32_t *weights, const std::uint32_t *active, std::size_t count) noexcept
      : names_(names), weights_(weights), active_(active), count_(count) {}
  std::size_t size() const noexcept { return count_; }
  std::string_view address(std::size_t i) const noexcept { return detail::view(names_[i]); }
  std::uint32_t weight(std::size_t i) const noexcept { return weights_[i]; }
  std::uint32_t active(std::size_t i) const noexcept { return active_[i]; }

 private:
  const cardea_str *names_;
  const std::uint32_t *weights_, *active_;
  std::size_t count_;
};

// Lambdas as a host; those that are empty cost nothing.
struct Hooks {
  std::function<Decision(Request &, Token)> authorize;
  std::function<void(Request &)> request_end;
  std::function<void(Conn &)> conn_open, conn_close;
  std::function<int(Request &, const Endpoints &)> pick_endpoint;
  std::function<void(std::string_view cluster, std::string_view endpoint, int health, std::string_view cause)> health;
  std::function<Decision(std::string_view cluster, std::string_view endpoint, cardea_token)> health_check;
  std::function<void(Request &, Answer)> request;
  std::function<void(cardea_token)> readable, writable;
  std::function<void(Request &)> request_start;
  std::function<void(const char *hook)> exception;
};

// The same as an interface. All of its functions are called: a class that has only some of them, without this as its
// base, is a host too, and costs less.
class Host {
 public:
  Host() = default;
  Host(const Host &) = delete;
  Host &operator=(const Host &) = delete;
  virtual ~Host() = default;
  virtual Decision on_authorize(Request &, Token) { return Decision::deny; }
  virtual void on_request_end(Request &) {}
  virtual void on_conn_open(Conn &) {}
  virtual void on_conn_close(Conn &) {}
  virtual int on_pick_endpoint(Request &, const Endpoints &) { return -1; }
  virtual void on_health(std::string_view, std::string_view, int, std::string_view) {}
  virtual Decision on_health_check(std::string_view, std::string_view, cardea_token) { return Decision::deny; }
  // The answer is the host's, to keep and to give; one that is dropped is 502.
  virtual void on_request(Request &, Answer) {}
  virtual void on_readable(cardea_token) {}
  virtual void on_writable(cardea_token) {}
  virtual void on_request_start(Request &) {}
  // A stream that lives long: when that is seen, and at intervals.
  virtual void on_request_log(Request &) {}
  // A hook threw, what std::current_exception() says; what was asked is denied.
  virtual void on_exception(const char * /*hook*/) {}
};

namespace detail {

// Runs a hook. Nothing leaves it but its result.
template <class H, class = void>
struct Tells : std::false_type {};
template <class H>
struct Tells<H, std::void_t<decltype(std::declval<H &>().on_exception(""))>> : std::true_type {};

template <class R, class H, class F>
R guarded(H &host, const char *hook, R otherwise, F fn) noexcept {
#if defined(__cpp_exceptions)
  try {
    return fn();
  } catch (...) {
    if constexpr (Tells<H>::value) {
      try {
        host.on_exception(hook);
      } catch (...) {
      }
    }
  }
#else
  (void)host, (void)hook;
  if (true) return fn();
#endif
  return otherwise;
}

#define CARDEA_HPP_HAS(name, ...)         \
  template <class H, class = void>        \
  struct Has_##name : std::false_type {}; \
  template <class H>                      \
  struct Has_##name<H, std::void_t<decltype(std::declval<H &>().name(__VA_ARGS__))>> : std::true_type {}
CARDEA_HPP_HAS(on_authorize, std::declval<Request &>(), Token());
CARDEA_HPP_HAS(on_request_end, std::declval<Request &>());
CARDEA_HPP_HAS(on_conn_open, std::declval<Conn &>());
CARDEA_HPP_HAS(on_conn_close, std::declval<Conn &>());
CARDEA_HPP_HAS(on_pick_endpoint, std::declval<Request &>(), std::declval<const Endpoints &>());
CARDEA_HPP_HAS(on_health, std::string_view(), std::string_view(), 0, std::string_view());
CARDEA_HPP_HAS(on_health_check, std::string_view(), std::string_view(), cardea_token());
CARDEA_HPP_HAS(on_request, std::declval<Request &>(), Answer());
CARDEA_HPP_HAS(on_readable, cardea_token());
CARDEA_HPP_HAS(on_writable, cardea_token());
CARDEA_HPP_HAS(on_request_start, std::declval<Request &>());
CARDEA_HPP_HAS(on_request_log, std::declval<Request &>());
#undef CARDEA_HPP_HAS

// The part for requests that the host serves.
template <class H>
void serve_table(cardea_handlers &t) noexcept {
  if constexpr (Has_on_request<H>::value) {
    t.on_request = [](void *ud, cardea_request *r, cardea_token token) {
      H &h = *static_cast<H *>(ud);
      Request request(r);
      Answer answer(token);
      guarded(h, "on_request", 0, [&] { return h.on_request(request, std::move(answer)), 0; });
    };
  }
  if constexpr (Has_on_readable<H>::value) {
    t.on_readable = [](void *ud, cardea_token token) {
      H &h = *static_cast<H *>(ud);
      guarded(h, "on_readable", 0, [&] { return h.on_readable(token), 0; });
    };
  }
  if constexpr (Has_on_writable<H>::value) {
    t.on_writable = [](void *ud, cardea_token token) {
      H &h = *static_cast<H *>(ud);
      guarded(h, "on_writable", 0, [&] { return h.on_writable(token), 0; });
    };
  }
  if constexpr (Has_on_request_log<H>::value) {
    t.on_request_log = [](void *ud, cardea_request *r) {
      H &h = *static_cast<H *>(ud);
      Request request(r);
      guarded(h, "on_request_log", 0, [&] { return h.on_request_log(request), 0; });
    };
  }
  if constexpr (Has_on_request_start<H>::value) {
    t.on_request_start = [](void *ud, cardea_request *r) {
      H &h = *static_cast<H *>(ud);
      Request request(r);
      guarded(h, "on_request_start", 0, [&] { return h.on_request_start(request), 0; });
    };
  }
}

// The table of a host that has functions of these names.
template <class H>
cardea_handlers table() noexcept {
  cardea_handlers t{};
  t.struct_size = sizeof t;
  if constexpr (Has_on_authorize<H>::value) {
    t.on_authorize = [](void *ud, cardea_request *r, cardea_token token) {
      H &h = *static_cast<H *>(ud);
      Request request(r);
      return guarded(h, "on_authorize", CARDEA_DENY, [&] { return int(h.on_authorize(request, Token(token))); });
    };
  }
  if constexpr (Has_on_request_end<H>::value) {
    t.on_request_end = [](void *ud, cardea_request *r) {
      H &h = *static_cast<H *>(ud);
      Request request(r);
      guarded(h, "on_request_end", 0, [&] { return h.on_request_end(request), 0; });
    };
  }
  if constexpr (Has_on_conn_open<H>::value) {
    t.on_conn_open = [](void *ud, cardea_conn *c) {
      H &h = *static_cast<H *>(ud);
      Conn conn(c);
      guarded(h, "on_conn_open", 0, [&] { return h.on_conn_open(conn), 0; });
    };
  }
  if constexpr (Has_on_conn_close<H>::value) {
    t.on_conn_close = [](void *ud, cardea_conn *c) {
      H &h = *static_cast<H *>(ud);
      Conn conn(c);
      guarded(h, "on_conn_close", 0, [&] { return h.on_conn_close(conn), 0; });
    };
  }
  if constexpr (Has_on_pick_endpoint<H>::value) {
    t.on_pick_endpoint = [](void *ud, cardea_request *r, const cardea_str *names, const std::uint32_t *weights,
                            const std::uint32_t *active, std::size_t count) {
      H &h = *static_cast<H *>(ud);
      Request request(r);
      const Endpoints endpoints(names, weights, active, count);
      return guarded(h, "on_pick_endpoint", -1, [&] { return int(h.on_pick_endpoint(request, endpoints)); });
    };
  }
  if constexpr (Has_on_health<H>::value) {
    t.on_health = [](void *ud, const cardea_str *k, const cardea_str *e, int health, const cardea_str *cause) {
      H &h = *static_cast<H *>(ud);
      guarded(h, "on_health", 0, [&] { return h.on_health(view(*k), view(*e), health, view(*cause)), 0; });
    };
  }
  if constexpr (Has_on_health_check<H>::value) {
    t.on_health_check = [](void *ud, const cardea_str *k, const cardea_str *e, cardea_token token) {
      H &h = *static_cast<H *>(ud);
      return guarded(h, "on_health_check", CARDEA_DENY, [&] { return int(h.on_health_check(view(*k), view(*e), token)); });
    };
  }
  serve_table<H>(t);
  return t;
}

// Hooks with the names that table() looks for; what is empty is taken out of the table again.
struct Lambdas {
  Hooks hooks;
  Decision on_authorize(Request &r, Token t) { return hooks.authorize(r, t); }
  void on_request_end(Request &r) { hooks.request_end(r); }
  void on_conn_open(Conn &c) { hooks.conn_open(c); }
  void on_conn_close(Conn &c) { hooks.conn_close(c); }
  int on_pick_endpoint(Request &r, const Endpoints &e) { return hooks.pick_endpoint(r, e); }
  void on_health(std::string_view k, std::string_view e, int h, std::string_view why) { hooks.health(k, e, h, why); }
  Decision on_health_check(std::string_view k, std::string_view e, cardea_token t) { return hooks.health_check(k, e, t); }
  void on_request(Request &r, Answer a) { hooks.request(r, std::move(a)); }
  void on_readable(cardea_token t) { hooks.readable(t); }
  void on_writable(cardea_token t) { hooks.writable(t); }
  void on_request_start(Request &r) { hooks.request_start(r); }
  void on_exception(const char *hook) {
    if (hooks.exception) hooks.exception(hook);
  }
  cardea_handlers handlers() const noexcept {
    cardea_handlers t = table<Lambdas>();
    if (!hooks.authorize) t.on_authorize = nullptr;
    if (!hooks.request_end) t.on_request_end = nullptr;
    if (!hooks.conn_open) t.on_conn_open = nullptr;
    if (!hooks.conn_close) t.on_conn_close = nullptr;
    if (!hooks.pick_endpoint) t.on_pick_endpoint = nullptr;
    if (!hooks.health) t.on_health = nullptr;
    if (!hooks.health_check) t.on_health_check = nullptr;
    if (!hooks.request) t.on_request = nullptr;
    if (!hooks.readable) t.on_readable = nullptr;
    if (!hooks.writable) t.on_writable = nullptr;
    if (!hooks.request_start) t.on_request_start = nullptr;
    return t;
  }
};

}  // namespace detail

}  // namespace CARDEA_HPP_NAMESPACE
}  // namespace cardea

#endif  // CARDEA_HPP_HOOKS_HPP
