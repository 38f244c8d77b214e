// Loops: stepped by the host, on the host's uv_loop_t, or on a thread of Cardea's.
#ifndef CARDEA_HPP_WORKER_HPP
#define CARDEA_HPP_WORKER_HPP

#include <cardea/hpp/proxy.hpp>

#include <chrono>

namespace cardea {
inline namespace CARDEA_HPP_NAMESPACE {

// The destructor closes. A stepped worker it runs until it is closed, a thread it waits for; on a uv_loop_t, inside a
// callback and on another thread than the worker's the worker frees itself when its loop comes to it.
class Worker {
 public:
  Worker() noexcept = default;
  // Takes a handle over.
  explicit Worker(cardea_worker *handle) noexcept : handle_(handle) {}
  Worker(Worker &&other) noexcept : handle_(other.release()) {}
  Worker &operator=(Worker &&other) noexcept {
    if (this != &other) {
      stop();
      handle_ = other.release();
    }
    return *this;
  }
  ~Worker() { stop(); }

  static Result<Worker> create(const Proxy &p) {
    cardea_worker *w = nullptr;
    cardea_error *said = nullptr;
    const int code = cardea_worker_new(p.c(), &w, &said);
    return detail::given(code, Worker(w), said);
  }
  // Time is what `clock(std::int64_t &unix_ms)` answers, in milliseconds; it must outlive the worker and must not throw.
  template <class F>
  static Result<Worker> create_with_clock(const Proxy &p, F &clock) {
    const cardea_clock_fn now = [](void *ud, std::int64_t *unix_ms) -> std::int64_t { return (*static_cast<F *>(ud))(*unix_ms); };
    cardea_worker *w = nullptr;
    cardea_error *said = nullptr;
    const int code = cardea_worker_new_clock(p.c(), now, std::addressof(clock), &w, &said);
    return detail::given(code, Worker(w), said);
  }
  // uv_version: what uv_version() answers. Let the loop run until close() is done before uv_loop_close().
  static Result<Worker> create_on(const Proxy &p, uv_loop_s *loop, unsigned uv_version) {
    cardea_worker *w = nullptr;
    cardea_error *said = nullptr;
    const int code = cardea_worker_new_uv(p.c(), loop, uv_version, &w, &said);
    return detail::given(code, Worker(w), said);
  }
  static Result<Worker> start_thread(const Proxy &p) {
    cardea_worker *w = nullptr;
    cardea_error *said = nullptr;
    const int code = cardea_worker_start_thread(p.c(), &w, &said);
    return detail::given(code, Worker(w), said);
  }

  cardea_worker *c() const noexcept { return handle_; }
  explicit operator bool() const noexcept { return handle_ != nullptr; }
  [[nodiscard]] cardea_worker *release() noexcept { return std::exchange(handle_, nullptr); }

  // Stepped workers. fd: readable means step; CARDEA_ENOTSUP for others. timeout: milliseconds, -1 never.
  int fd() const noexcept { return cardea_worker_fd(handle_); }
  int timeout() noexcept { return cardea_worker_timeout(handle_); }
  // One pass. True: call again soon.
  Result<bool> step() {
    const int code = cardea_worker_step(handle_);
    return detail::given(code, code > 0);
  }
  // Until it is closed.
  Result<void> run() { return detail::done(cardea_worker_run(handle_)); }
  // Any thread.
  Result<void> wakeup() { return detail::done(cardea_worker_wakeup(handle_)); }

  // The descriptor is Cardea's from then on, also on failure.
  Result<void> adopt_fd(std::size_t listener, int fd, std::string_view preread = {}) {
    return detail::done(cardea_worker_adopt_fd(handle_, listener, fd, preread.data(), preread.size()));
  }
  // "127.0.0.1:41207"; borrowed until this thread asks again.
  Result<std::string_view> bound_address(std::size_t listener) const {
    cardea_str s{};
    const int code = cardea_worker_bound_address(handle_, listener, &s);
    return detail::given(code, detail::view(s));
  }
  // 0 for unix sockets.
  Result<int> bound_port(std::size_t listener) const {
    const int port = cardea_worker_bound_port(handle_, listener);
    return detail::given(port, port);
  }

  // Cuts what there is; done(int status) once, when everything is gone.
  template <class F>
  Result<void> close(F done) {
    detail::Once<F> once(std::move(done));
    if (!once) CARDEA_HPP_FAIL(Error(CARDEA_ENOMEM));
    const int code = cardea_worker_close(handle_, detail::Once<F>::done, once.ud());
    if (code >= 0) once.taken();
    return detail::done(code);
  }
  Result<void> close() { return detail::done(cardea_worker_close(handle_, nullptr, nullptr)); }
  // Of a thread, after close; without a limit, until it has ended.
  Result<void> join(std::optional<std::chrono::milliseconds> limit = std::nullopt) {
    return detail::done(cardea_worker_join(handle_, limit ? limit->count() : -1));
  }

 private:
  void stop() noexcept {
    cardea_worker *w = release();
    if (!w) return;
    (void)cardea_worker_close(w, nullptr, nullptr);
    if (cardea_worker_join(w, -1) == CARDEA_ENOTSUP && cardea_worker_fd(w) >= 0) (void)cardea_worker_run(w);
    cardea_worker_free(w);
  }

  cardea_worker *handle_ = nullptr;
};

}  // namespace CARDEA_HPP_NAMESPACE
}  // namespace cardea

#endif  // CARDEA_HPP_WORKER_HPP
