// What everything else needs: errors, results, owners of handles, strings, the process.
#ifndef CARDEA_HPP_RESULT_HPP
#define CARDEA_HPP_RESULT_HPP

#include <cardea/cardea.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

// Files that throw and files that do not may be parts of one program: their types differ.
#ifdef CARDEA_HPP_EXCEPTIONS
#include <stdexcept>
#define CARDEA_HPP_NAMESPACE hpp0x
#else
#define CARDEA_HPP_NAMESPACE hpp0
#endif

namespace cardea {
inline namespace CARDEA_HPP_NAMESPACE {

// A code (CARDEA_E...) and what the library said about it.
class Error {
 public:
  explicit Error(int code, cardea_error *said = nullptr) noexcept : code_(said ? cardea_error_code(said) : code), said_(said) {}
  int code() const noexcept { return code_; }
  const char *name() const noexcept { return cardea_errname(code_); }
  // Several lines for CARDEA_ECONFIG.
  const char *message() const noexcept { return said_ ? cardea_error_message(said_.get()) : cardea_strerror(code_); }
  std::int64_t source_code() const noexcept { return said_ ? cardea_error_source_code(said_.get()) : 0; }

 private:
  struct Free {
    void operator()(cardea_error *e) const noexcept { cardea_error_free(e); }
  };
  int code_;
  std::unique_ptr<cardea_error, Free> said_;
};

#ifdef CARDEA_HPP_EXCEPTIONS

class Failure : public std::runtime_error {
 public:
  explicit Failure(const Error &e) : std::runtime_error(e.message()), code_(e.code()), source_code_(e.source_code()) {}
  int code() const noexcept { return code_; }
  const char *name() const noexcept { return cardea_errname(code_); }
  std::int64_t source_code() const noexcept { return source_code_; }

 private:
  int code_;
  std::int64_t source_code_;
};

template <class T>
using Result = T;

#else

// A value or an Error. value() of an Error aborts: it is for those who have looked, and for examples.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) noexcept : has_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) noexcept : has_(std::in_place_index<1>, std::move(error)) {}
  explicit operator bool() const noexcept { return has_.index() == 0; }
  T &operator*() &noexcept { return *std::get_if<0>(&has_); }
  T &&operator*() &&noexcept { return std::move(*std::get_if<0>(&has_)); }
  T *operator->() noexcept { return std::get_if<0>(&has_); }
  T &value() & { return check(), **this; }
  T &&value() && { return check(), std::move(**this); }
  // Only when there is one.
  const Error &error() const noexcept { return *std::get_if<1>(&has_); }
  int code() const noexcept { return *this ? CARDEA_OK : error().code(); }

 private:
  void check() const noexcept {
    if (!*this) std::abort();
  }
  std::variant<T, Error> has_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() noexcept : error_(CARDEA_OK) {}
  Result(Error error) noexcept : error_(std::move(error)) {}
  explicit operator bool() const noexcept { return error_.code() >= 0; }
  void value() const {
    if (!*this) std::abort();
  }
  const Error &error() const noexcept { return error_; }
  int code() const noexcept { return error_.code(); }

 private:
  Error error_;
};

#endif

// What a C function answered, as a result.
namespace detail {

#ifdef CARDEA_HPP_EXCEPTIONS
[[noreturn]] inline void fail(Error e) { throw Failure(e); }
inline void done(int code, cardea_error *said = nullptr) {
  if (code < 0) fail(Error(code, said));
}
#define CARDEA_HPP_FAIL(error) ::cardea::detail::fail(error)
#else
inline Result<void> done(int code, cardea_error *said = nullptr) noexcept {
  return code < 0 ? Result<void>(Error(code, said)) : Result<void>();
}
#define CARDEA_HPP_FAIL(error) return error
#endif

template <class T>
Result<T> given(int code, T value, cardea_error *said = nullptr) {
  if (code < 0) CARDEA_HPP_FAIL(Error(code, said));
  return value;
}

inline std::string_view view(cardea_str s) noexcept { return s.ptr ? std::string_view(s.ptr, s.len) : std::string_view(); }
// Never null, which is another thing than empty in some functions.
inline const char *data(std::string_view s) noexcept { return s.data() ? s.data() : ""; }

template <class H, void (*Release)(H *)>
class Owner {
 public:
  Owner() noexcept = default;
  explicit Owner(H *handle) noexcept : handle_(handle) {}
  Owner(Owner &&other) noexcept : handle_(other.release()) {}
  Owner &operator=(Owner &&other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~Owner() { Release(handle_); }
  H *c() const noexcept { return handle_; }
  explicit operator bool() const noexcept { return handle_ != nullptr; }
  [[nodiscard]] H *release() noexcept { return std::exchange(handle_, nullptr); }
  void reset(H *handle = nullptr) noexcept { Release(std::exchange(handle_, handle)); }

 private:
  H *handle_ = nullptr;
};

// A callable for one call, on the heap until then.
template <class F>
class Once {
 public:
  explicit Once(F f) : f_(new (std::nothrow) F(std::move(f))) {}
  void *ud() const noexcept { return f_.get(); }
  explicit operator bool() const noexcept { return f_ != nullptr; }
  // The library took it.
  void taken() noexcept { (void)f_.release(); }
  static void done(void *ud, int status) noexcept { (*std::unique_ptr<F>(static_cast<F *>(ud)))(status); }
  static void text(void *ud, const char *json, std::size_t n) noexcept {
    (*std::unique_ptr<F>(static_cast<F *>(ud)))(std::string_view(json, n));
  }

 private:
  std::unique_ptr<F> f_;
};

// A cardea_text_fn for texts that are given inside the call; `ud` is the callable.
template <class F>
void lent(void *ud, const char *text, std::size_t n) noexcept {
  (*static_cast<F *>(ud))(std::string_view(text, n));
}

}  // namespace detail

// A string that ends with NUL, for the length of a call.
class ZString {
 public:
  ZString(const char *s) noexcept : s_(s) {}
  ZString(const std::string &s) noexcept : s_(s.c_str()) {}
  const char *c_str() const noexcept { return s_; }

 private:
  const char *s_;
};

// ---- process ---------------------------------------------------------------------------------------

inline Result<void> init() { return detail::done(cardea_init(CARDEA_VERSION_NUM, 0, nullptr)); }
inline std::uint32_t version() noexcept { return cardea_version(); }
inline std::string_view version_string() noexcept { return cardea_version_string(); }
inline std::uint32_t features() noexcept { return cardea_features(); }
// `sink(int level, std::string_view line)` on the thread that logs; it must outlive its use and must not throw.
template <class F>
void set_log(F &sink, int level) noexcept {
  cardea_set_log([](void *ud, int l, const char *s, std::size_t n) { (*static_cast<F *>(ud))(l, std::string_view(s, n)); },
                 std::addressof(sink), level);
}
inline void set_log(std::nullptr_t) noexcept { cardea_set_log(nullptr, nullptr, 0); }

}  // namespace CARDEA_HPP_NAMESPACE
}  // namespace cardea

#endif  // CARDEA_HPP_RESULT_HPP
