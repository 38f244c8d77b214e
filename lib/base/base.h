// Values that every folder shares: Result, Error, byte views.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace cardea {

// A view of bytes that somebody else owns. Says nothing about encoding.
using Bytes = std::string_view;

// Milliseconds. Every duration and every point in time inside the library has this unit.
using Millis = uint64_t;

// What went wrong, in a sentence a user can act on. `code` is one of the ABI's CARDEA_E numbers
// (negative); `os_code` is an errno, an OpenSSL code or a c-ares status where there is one.
struct Error {
  int code = -1;
  std::string message;
  int64_t os_code = 0;
};

// Numbers of the ABI's errors; cardea.h has the same values and a test holds the two together.
enum ErrorCode : int {
  kEinval = -1,  // an argument is out of its domain
  kEnomem = -2,
  kEinternal = -3,  // a defect in the library
  kEsealed = -4,    // the object is frozen
  kEconfig = -5,    // the configuration is not valid
  kEio = -6,        // the operating system refused
  kEtls = -7,       // a key or certificate is not usable
  kEaddrinuse = -8,
  kEnotfound = -9,
  kEnotsup = -10,
  kEstale = -11,      // the token's request is gone
  kEreentrant = -12,  // called from inside a callback of the same worker
  kEwrongthread = -13,
  kEclosed = -14,
  kEtimedout = -15,
  kEforked = -16,
  kEexist = -17,
  kEagain = -18,
};

// A value or an Error; shaped like std::expected, which this compiler lacks.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() { return std::get<0>(state_); }
  const T& operator*() const { return std::get<0>(state_); }
  T* operator->() { return &std::get<0>(state_); }
  const Error& error() const { return std::get<1>(state_); }
  Error& error() { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}
  explicit operator bool() const { return !error_; }
  const Error& error() const { return *error_; }
  Error& error() { return *error_; }

 private:
  std::optional<Error> error_;
};

}  // namespace cardea
