// Configuration, object by object or from text. One thread at a time until sealed.
#ifndef CARDEA_HPP_CONFIG_HPP
#define CARDEA_HPP_CONFIG_HPP

#include <cardea/hpp/result.hpp>

#include <chrono>
#include <optional>

namespace cardea {
inline namespace CARDEA_HPP_NAMESPACE {

// ---- options -----------------------------------------------------------------------------------------

struct Range {
  std::int64_t def, min, max;
};

// An option by its number: CARDEA_OPT_...
class Option {
 public:
  explicit Option(int number) noexcept : number_(number) {}
  static Result<Option> by_name(int owner, std::string_view name) {
    const int number = cardea_option_by_name(owner, detail::data(name), name.size());
    return detail::given(number, Option(number));
  }
  // fn(Option) for each there is.
  template <class F>
  static void each(F fn) {
    for (int n = cardea_option_next(0); n > 0; n = cardea_option_next(n)) fn(Option(n));
  }
  int number() const noexcept { return number_; }
  const char *name() const noexcept { return cardea_option_name(number_); }
  const char *doc() const noexcept { return cardea_option_doc(number_); }
  int owner() const noexcept { return cardea_option_owner(number_); }
  int type() const noexcept { return cardea_option_type(number_); }
  std::optional<Range> range() const noexcept {
    Range r{};
    if (cardea_option_range(number_, &r.def, &r.min, &r.max) != CARDEA_OK) return std::nullopt;
    return r;
  }

 private:
  int number_;
};

namespace detail {

template <class V, class = void>
struct IsDuration : std::false_type {};
template <class R, class P>
struct IsDuration<std::chrono::duration<R, P>> : std::true_type {};

// set(option, value): the option by number or by its name in the configuration file; the value a bool, a whole number, a
// duration that milliseconds can hold, or text.
template <class Self, int Owner, class H, int (*SetInt)(H *, int, std::int64_t), int (*SetStr)(H *, int, const char *, std::size_t)>
class Settable {
 public:
  template <class V>
  Result<void> set(int option, const V &value) {
    return detail::done(assign(option, value));
  }
  template <class V>
  Result<void> set(std::string_view name, const V &value) {
    const int option = cardea_option_by_name(Owner, data(name), name.size());
    return detail::done(option < 0 ? option : assign(option, value));
  }

 private:
  template <class V>
  int assign(int option, const V &value) {
    H *handle = static_cast<Self *>(this)->c();
    if constexpr (IsDuration<V>::value) {
      const std::chrono::milliseconds ms = value;
      return SetInt(handle, option, ms.count());
    } else if constexpr (std::is_integral_v<V> || std::is_enum_v<V>) {
      return SetInt(handle, option, static_cast<std::int64_t>(value));
    } else {
      const std::string_view text = value;
      return SetStr(handle, option, data(text), text.size());
    }
  }
};

}  // namespace detail

// ---- parts: counted; attaching one takes a reference of its own ------------------------------------------

class Tls : public detail::Owner<cardea_tls, cardea_tls_unref> {
 public:
  using Owner::Owner;
  static Result<Tls> create() {
    cardea_tls *t = nullptr;
    const int code = cardea_tls_new(&t);
    return detail::given(code, Tls(t));
  }
  // PEM texts, the leaf first.
  Result<void> add_cert(std::string_view cert, std::string_view key) {
    cardea_error *said = nullptr;
    const int code = cardea_tls_add_cert(c(), detail::data(cert), cert.size(), detail::data(key), key.size(), &said);
    return detail::done(code, said);
  }
  Result<void> add_cert_file(ZString cert, ZString key) {
    cardea_error *said = nullptr;
    const int code = cardea_tls_add_cert_file(c(), cert.c_str(), key.c_str(), &said);
    return detail::done(code, said);
  }
};

class Listener
    : public detail::Owner<cardea_listener, cardea_listener_unref>,
      public detail::Settable<Listener, CARDEA_OWNER_LISTENER, cardea_listener, cardea_listener_set_int, cardea_listener_set_str> {
 public:
  using Owner::Owner;
  static Result<Listener> create(std::string_view address) {
    cardea_listener *l = nullptr;
    const int code = cardea_listener_new(detail::data(address), address.size(), &l);
    return detail::given(code, Listener(l));
  }
  Result<void> set_tls(const Tls &tls) { return detail::done(cardea_listener_set_tls(c(), tls.c())); }
};

class Policy : public detail::Owner<cardea_policy, cardea_policy_unref> {
 public:
  using Owner::Owner;
  static Result<Policy> parse(std::string_view text) {
    cardea_policy *p = nullptr;
    cardea_error *said = nullptr;
    const int code = cardea_policy_parse(detail::data(text), text.size(), &p, &said);
    return detail::given(code, Policy(p), said);
  }
  static Result<Policy> everybody() {
    cardea_policy *p = nullptr;
    const int code = cardea_policy_public(&p);
    return detail::given(code, Policy(p));
  }
  // Asks on_authorize.
  static Result<Policy> host(std::string_view data = {}) {
    cardea_policy *p = nullptr;
    const int code = cardea_policy_host(data.data(), data.size(), &p);
    return detail::given(code, Policy(p));
  }
};

class Cluster
    : public detail::Owner<cardea_cluster, cardea_cluster_unref>,
      public detail::Settable<Cluster, CARDEA_OWNER_CLUSTER, cardea_cluster, cardea_cluster_set_int, cardea_cluster_set_str> {
 public:
  using Owner::Owner;
  static Result<Cluster> create() {
    cardea_cluster *k = nullptr;
    const int code = cardea_cluster_new(&k);
    return detail::given(code, Cluster(k));
  }
  Result<void> add_endpoint(std::string_view url, std::uint32_t weight = 1) {
    return detail::done(cardea_cluster_add_endpoint(c(), detail::data(url), url.size(), weight));
  }
};

class Route : public detail::Owner<cardea_route, cardea_route_unref>,
              public detail::Settable<Route, CARDEA_OWNER_ROUTE, cardea_route, cardea_route_set_int, cardea_route_set_str> {
 public:
  using Owner::Owner;
  static Result<Route> create(std::string_view from) {
    cardea_route *r = nullptr;
    const int code = cardea_route_new(detail::data(from), from.size(), &r);
    return detail::given(code, Route(r));
  }
  Result<void> set_policy(const Policy &p) { return detail::done(cardea_route_set_policy(c(), p.c())); }
  Result<void> set_cluster(const Cluster &k) { return detail::done(cardea_route_set_cluster(c(), k.c())); }
};

// ---- the whole -------------------------------------------------------------------------------------------

class Config : public detail::Owner<cardea_config, cardea_config_unref>,
               public detail::Settable<Config, CARDEA_OWNER_GLOBAL, cardea_config, cardea_config_set_int, cardea_config_set_str> {
 public:
  using Owner::Owner;
  static Result<Config> create() {
    cardea_config *config = nullptr;
    const int code = cardea_config_new(&config);
    return detail::given(code, Config(config));
  }
  static Result<Config> load(std::string_view text, ZString source_name) {
    cardea_config *config = nullptr;
    cardea_error *said = nullptr;
    const int code = cardea_config_load(detail::data(text), text.size(), source_name.c_str(), &config, &said);
    return detail::given(code, Config(config), said);
  }
  Result<void> add(const Listener &l) { return detail::done(cardea_config_add_listener(c(), l.c())); }
  Result<void> add(const Route &r) { return detail::done(cardea_config_add_route(c(), r.c())); }
  Result<void> seal() {
    cardea_error *said = nullptr;
    const int code = cardea_config_seal(c(), &said);
    return detail::done(code, said);
  }
  Result<std::int64_t> get_int(int option) const {
    std::int64_t value = 0;
    const int code = cardea_config_get_int(c(), option, &value);
    return detail::given(code, value);
  }
  // Borrowed until the next call.
  Result<std::string_view> get_str(int option) const {
    cardea_str s{};
    const int code = cardea_config_get_str(c(), option, &s);
    return detail::given(code, detail::view(s));
  }
  // CARDEA_ENOTFOUND past the last; so the next.
  Result<std::string_view> file(std::size_t index) const {
    cardea_str s{};
    const int code = cardea_config_file(c(), index, &s);
    return detail::given(code, detail::view(s));
  }
  Result<std::string_view> listener_scheme(std::size_t index) const {
    cardea_str s{};
    const int code = cardea_config_listener_scheme(c(), index, &s);
    return detail::given(code, detail::view(s));
  }
};

}  // namespace CARDEA_HPP_NAMESPACE
}  // namespace cardea

#endif  // CARDEA_HPP_CONFIG_HPP
