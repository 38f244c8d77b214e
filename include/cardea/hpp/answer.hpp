// Answers of the host to requests of routes that are served_by_host.
#ifndef CARDEA_HPP_ANSWER_HPP
#define CARDEA_HPP_ANSWER_HPP

#include <cardea/hpp/result.hpp>

#include <initializer_list>

namespace cardea {
inline namespace CARDEA_HPP_NAMESPACE {

// Name and value of a header or trailer.
struct Field {
  std::string_view name, value;
};

// Fields, lent for a call: {{"Content-Type", "text/plain"}}, or any array of them.
class Fields {
 public:
  Fields() noexcept = default;
  Fields(std::initializer_list<Field> fields) noexcept : Fields(fields.begin(), fields.size()) {}
  Fields(const Field *first, std::size_t count) noexcept : first_(first), count_(count) {}
  template <class C, class = decltype(static_cast<const Field *>(std::declval<const C &>().data()))>
  Fields(const C &container) noexcept : Fields(container.data(), container.size()) {}
  const Field *begin() const noexcept { return first_; }
  std::size_t size() const noexcept { return count_; }

 private:
  const Field *first_ = nullptr;
  std::size_t count_ = 0;
};

namespace detail {

// fn(names, values), which are on the stack: an answer has 200 fields at most.
template <class F>
int with_fields(Fields fields, F fn) noexcept {
  constexpr std::size_t cap = 200;
  cardea_str names[cap], values[cap];
  if (fields.size() > cap) return CARDEA_EINVAL;
  std::size_t at = 0;
  for (const Field *f = fields.begin(); at < fields.size(); ++f, ++at) {
    names[at] = {f->name.data(), f->name.size()};
    values[at] = {f->value.data(), f->value.size()};
  }
  return fn(names, values);
}

template <class T>
void free_kept(void *kept) noexcept {
  delete static_cast<T *>(kept);
}

}  // namespace detail

// The answer to one request, of whoever has it: any thread, one at a time. Destroyed before its end it gives up: the client
// gets 502, or sees that what it got is not complete. All functions answer CARDEA_OK or what they state; CARDEA_ESTALE when the
// request is over or the answer was given, which is harmless.
class Answer {
 public:
  Answer() noexcept = default;
  // Takes the request over.
  explicit Answer(cardea_token t) noexcept : token_(t) {}
  Answer(Answer &&other) noexcept : token_(other.release()) {}
  Answer &operator=(Answer &&other) noexcept {
    if (this != &other) {
      abort();
      token_ = other.release();
    }
    return *this;
  }
  ~Answer() { abort(); }

  // What on_readable and on_writable tell.
  cardea_token c() const noexcept { return token_; }
  explicit operator bool() const noexcept { return token_ != 0; }
  [[nodiscard]] cardea_token release() noexcept { return std::exchange(token_, 0); }

  // Head, body and end at once. CARDEA_EINVAL: as cardea_answer() says.
  int send(int status, Fields fields = {}, std::string_view body = {}) noexcept {
    return detail::with_fields(fields, [&](const cardea_str *names, const cardea_str *values) {
      return cardea_answer(token_, status, names, values, fields.size(), detail::data(body), body.size());
    });
  }
  // The head alone, or an informational one.
  int begin(int status, Fields fields = {}) noexcept {
    return detail::with_fields(fields, [&](const cardea_str *names, const cardea_str *values) {
      return cardea_answer_begin(token_, status, names, values, fields.size());
    });
  }
  // A piece of the body, copied. 1: taken, and the buffer is full; CARDEA_EAGAIN: not taken. on_writable follows both.
  [[nodiscard]] int write(std::string_view bytes) noexcept {
    return cardea_answer_write(token_, detail::data(bytes), bytes.size(), nullptr, nullptr);
  }
  // The same without a copy. What is not taken stays in `bytes`.
  [[nodiscard]] int lend(std::string &&bytes) noexcept {
    auto *kept = new (std::nothrow) std::string(std::move(bytes));
    if (!kept) return CARDEA_ENOMEM;
    const int code = cardea_answer_write(token_, kept->data(), kept->size(), detail::free_kept<std::string>, kept);
    if (code < 0) {
      bytes = std::move(*kept);
      delete kept;
    }
    return code;
  }
  // `bytes` are part of what `owner` keeps, which is let go on the worker's thread.
  [[nodiscard]] int lend(std::shared_ptr<const void> owner, std::string_view bytes) noexcept {
    using Owner = std::shared_ptr<const void>;
    auto *kept = new (std::nothrow) Owner(std::move(owner));
    if (!kept) return CARDEA_ENOMEM;
    const int code = cardea_answer_write(token_, detail::data(bytes), bytes.size(), detail::free_kept<Owner>, kept);
    if (code < 0) delete kept;
    return code;
  }
  // The answer is complete.
  int end(Fields trailers = {}) noexcept {
    return detail::with_fields(trailers, [&](const cardea_str *names, const cardea_str *values) {
      return cardea_answer_end(token_, names, values, trailers.size());
    });
  }
  int abort() noexcept { return token_ ? cardea_answer_abort(token_) : CARDEA_ESTALE; }

  // The request's body: `n` > 0 bytes. 1: it is over; CARDEA_EAGAIN: on_readable follows.
  [[nodiscard]] int read(char *buffer, std::size_t capacity, std::size_t &n) noexcept {
    return cardea_body_read(token_, buffer, capacity, &n);
  }

 private:
  cardea_token token_ = 0;
};

}  // namespace CARDEA_HPP_NAMESPACE
}  // namespace cardea

#endif  // CARDEA_HPP_ANSWER_HPP
