// Worker handles: the three ways to be driven, and how they end.
#include <algorithm>
#include <csignal>
#include <cstring>

#include <unistd.h>
#include <uv.h>

#include "capi.h"

using namespace cardea;

// One loop with its worker. Ends in this order: sessions, worker, network, loop; then `done` and perhaps itself.
struct cardea_worker {
  enum class Mode : uint8_t { stepped, host_uv, thread };
  explicit cardea_worker(Mode mode, std::shared_ptr<proxy::Proxy> proxy, uv_loop_t* host = nullptr,
                         std::unique_ptr<net::Clock> own_clock = nullptr)
      : mode(mode),
        proxy(std::move(proxy)),
        clock(std::move(own_clock)),
        loop(clock ? *clock : net::real_clock(), host),
        pid(getpid()) {}
  ~cardea_worker() { *gone = true; }

  // Never throws, so that what it opened can be closed in order.
  Result<void> open() {
    Result<void> opened = Error{kEnomem, "out of memory"};
    (void)capi::guard([&] {
      opened = try_open();
      return CARDEA_OK;
    });
    return opened;
  }
  // On the loop's thread; `then` runs once, outside any turn, when nothing of it is left.
  void close(std::function<void()> then) {
    if (then) on_closed.push_back(std::move(then));
    if (closing) return;
    closing = true;
    if (!worker) return close_loop();
    worker->close([this] {
      worker.reset();
      close_loop();
    });
  }
  void close_loop() {
    loop.close([this] {
      network.reset();
      closed = true;
      auto all = std::move(on_closed);
      for (auto& fn : all) fn();
      if (mode != Mode::thread && free_when_closed) delete this;
    });
  }
  int check_thread() const {
    if (getpid() != pid) return CARDEA_EFORKED;
    return std::this_thread::get_id() == owner ? CARDEA_OK : CARDEA_EWRONGTHREAD;
  }
  // Whether the host may drive it now, by step or run.
  int check_drive() const {
    if (mode != Mode::stepped) return CARDEA_ENOTSUP;
    if (int code = check_thread()) return code;
    if (stepping || loop.in_turn()) return CARDEA_EREENTRANT;
    return closed ? CARDEA_ECLOSED : CARDEA_OK;
  }

  const Mode mode;
  std::shared_ptr<proxy::Proxy> proxy;
  const std::unique_ptr<net::Clock> clock;  // null: the real one
  net::UvLoop loop;
  std::unique_ptr<net::Network> network;
  std::unique_ptr<proxy::Worker> worker;  // null once closed
  const pid_t pid;
  std::thread::id owner;
  std::vector<std::function<void()>> on_closed;
  bool closing = false, free_when_closed = false, stepping = false;
  std::atomic<bool> closed{false};                             // also read by the thread that frees it afterwards
  std::shared_ptr<bool> gone = std::make_shared<bool>(false);  // for step(), which may see the end of this

  // Mode thread.
  std::thread thread;
  std::mutex mutex;
  std::condition_variable changed;
  bool started = false, ended = false;
  std::optional<Error> failure;

 private:
  Result<void> try_open() {
    owner = std::this_thread::get_id();
    if (auto opened = loop.open(); !opened) return opened;
    net::Loop::Turn turn(loop);
    network = net::uv_network(loop);
    worker = std::make_unique<proxy::Worker>(proxy, loop, *network);
    return worker->open();
  }
};

namespace {

using Mode = cardea_worker::Mode;

// After a failed open: everything goes, without callbacks to the host.
void discard(std::unique_ptr<cardea_worker> w) {
  if (w->loop.is_closed()) return;  // not even a loop
  cardea_worker* raw = w.release();
  raw->free_when_closed = true;
  const bool stepped = raw->mode == Mode::stepped;
  net::UvLoop& loop = raw->loop;
  raw->close({});
  if (stepped) loop.run();  // private loop: ends when the last handle is closed
}

thread_local std::string bound_text;  // of this thread's last bound_address()

// Empty when there is no such listener, or it is not bound yet.
net::Address bound_address(const cardea_worker& w, size_t listener) {
  const config::SnapshotPtr snapshot = w.proxy->snapshot();
  if (listener >= snapshot->listeners.size()) return {};
  return w.proxy->sockets().address_of(snapshot->listeners[listener]);
}

// Time as the host tells it; what it says never makes time go back.
class HostClock final : public net::Clock {
 public:
  HostClock(cardea_clock_fn now, void* ud) : now_(now), ud_(ud) {}
  Millis monotonic_ms() override {
    int64_t unix = 0;
    const int64_t now = now_(ud_, &unix);
    latest_ = std::max(latest_, Millis(std::max<int64_t>(now, 0)));
    return latest_;
  }
  int64_t unix_ms() override {
    int64_t unix = 0;
    now_(ud_, &unix);
    return unix;
  }

 private:
  const cardea_clock_fn now_;
  void* const ud_;
  Millis latest_ = 0;
};

int make_worker(cardea_proxy* p, Mode mode, uv_loop_t* host, cardea_worker** out, cardea_error** error,
                std::unique_ptr<net::Clock> clock = nullptr) {
  auto w = std::make_unique<cardea_worker>(mode, p->proxy, host, std::move(clock));
  if (auto opened = w->open(); !opened) {
    const int code = capi::fail(error, opened.error());
    discard(std::move(w));
    return code;
  }
  *out = w.release();
  return CARDEA_OK;
}

void run_thread(cardea_worker* w) {
  auto opened = w->open();
  {
    std::lock_guard lock(w->mutex);
    if (!opened) w->failure = opened.error();
    w->started = true;
  }
  w->changed.notify_all();
  // A host's process does not end because a thread of ours ran out of memory.
  (void)capi::guard([&] {
    if (!opened && !w->loop.is_closed()) w->close({});
    w->loop.run();
    return CARDEA_OK;
  });
  std::unique_lock lock(w->mutex);
  w->ended = true;
  const bool frees = w->free_when_closed;
  w->changed.notify_all();
  lock.unlock();
  if (frees) {
    w->thread.detach();
    delete w;
  }
}

}  // namespace

extern "C" {

int cardea_worker_new(cardea_proxy* p, cardea_worker** out, cardea_error** error) {
  capi::cleared(error);
  if (!capi::cleared(out) || !p) return CARDEA_EINVAL;
  return capi::guard([&] { return make_worker(p, Mode::stepped, nullptr, out, error); });
}

int cardea_worker_new_clock(cardea_proxy* p, cardea_clock_fn now, void* ud, cardea_worker** out, cardea_error** error) {
  capi::cleared(error);
  if (!capi::cleared(out) || !p || !now) return CARDEA_EINVAL;
  return capi::guard(
      [&] { return make_worker(p, Mode::stepped, nullptr, out, error, std::make_unique<HostClock>(now, ud)); });
}

int cardea_worker_new_uv(cardea_proxy* p, struct uv_loop_s* loop, unsigned uv_version_of_host, cardea_worker** out,
                         cardea_error** error) {
  capi::cleared(error);
  if (!capi::cleared(out) || !p || !loop) return CARDEA_EINVAL;
  return capi::guard([&] {
    if (uv_version_of_host >> 8 != uv_version() >> 8) {
      return capi::fail(error, {kEnotsup, std::string("the host's libuv is another version than Cardea's ") +
                                              uv_version_string() + "; both must use the same library"});
    }
    return make_worker(p, Mode::host_uv, loop, out, error);
  });
}

int cardea_worker_start_thread(cardea_proxy* p, cardea_worker** out, cardea_error** error) {
  capi::cleared(error);
  if (!capi::cleared(out) || !p) return CARDEA_EINVAL;
  return capi::guard([&] {
    auto w = std::make_unique<cardea_worker>(Mode::thread, p->proxy);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // the new thread inherits it: signals stay the host's
    try {
      w->thread = std::thread(run_thread, w.get());
    } catch (...) {
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    std::unique_lock lock(w->mutex);
    w->changed.wait(lock, [&] { return w->started; });
    lock.unlock();
    if (w->failure) {
      w->thread.join();
      return capi::fail(error, *w->failure);
    }
    *out = w.release();
    return CARDEA_OK;
  });
}

int cardea_worker_fd(const cardea_worker* w) {
  if (!w) return CARDEA_EINVAL;
  return w->mode == Mode::stepped ? w->loop.fd() : CARDEA_ENOTSUP;
}

int cardea_worker_timeout(cardea_worker* w) {
  if (!w || w->mode != Mode::stepped || w->closed) return -1;
  return w->loop.timeout();
}

int cardea_worker_step(cardea_worker* w) {
  if (!w) return CARDEA_EINVAL;
  if (int code = w->check_drive()) return code;
  return capi::guard([&] {
    struct Stepping {
      explicit Stepping(cardea_worker& worker) : w(worker), gone(worker.gone) { w.stepping = true; }
      ~Stepping() {
        if (!*gone) w.stepping = false;
      }
      cardea_worker& w;
      std::shared_ptr<bool> gone;
    } stepping(*w);
    return w->loop.step() ? 1 : 0;
  });
}

int cardea_worker_run(cardea_worker* w) {
  if (!w) return CARDEA_EINVAL;
  if (int code = w->check_drive()) return code;
  return capi::guard([&] {
    w->loop.run();
    return CARDEA_OK;
  });
}

int cardea_worker_wakeup(cardea_worker* w) {
  if (!w) return CARDEA_EINVAL;
  if (getpid() != w->pid) return CARDEA_EFORKED;  // the descriptor is shared with the parent
  w->loop.interrupt();
  return CARDEA_OK;
}

int cardea_worker_adopt_fd(cardea_worker* w, size_t listener, int fd, const char* preread, size_t n) {
  if (fd < 0) return CARDEA_EINVAL;
  int code = w ? w->check_thread() : CARDEA_EINVAL;
  if (code == CARDEA_OK && !w->worker) code = CARDEA_ECLOSED;
  if (code != CARDEA_OK) {
    ::close(fd);
    return code;
  }
  return capi::guard([&] { return capi::code_of(w->worker->adopt_fd(fd, listener, capi::text(preread, n))); });
}

int cardea_worker_bound_address(cardea_worker* w, size_t listener, cardea_str* out) {
  if (!capi::cleared(out) || !w) return CARDEA_EINVAL;
  return capi::guard([&] {
    const net::Address address = bound_address(*w, listener);
    if (address.len() == 0) return CARDEA_ENOTFOUND;
    bound_text = address.text();
    return capi::give(out, bound_text);
  });
}

int cardea_worker_bound_port(cardea_worker* w, size_t listener) {
  if (!w) return CARDEA_EINVAL;
  return capi::guard([&]() -> int {
    const net::Address address = bound_address(*w, listener);
    return address.len() == 0 ? CARDEA_ENOTFOUND : address.port();
  });
}

int cardea_worker_close(cardea_worker* w, cardea_done_fn done, void* ud) {
  if (!w) return CARDEA_EINVAL;
  if (getpid() != w->pid) return CARDEA_EFORKED;
  return capi::guard([&] {
    auto finished = [done, ud] {
      if (done) done(ud, CARDEA_OK);
    };
    if (w->mode == Mode::thread)
      return w->loop.post([w, finished] { w->close(finished); }) ? CARDEA_OK : CARDEA_ECLOSED;
    if (int code = w->check_thread()) return code;
    if (w->closed) return CARDEA_ECLOSED;
    w->close(finished);
    return CARDEA_OK;
  });
}

int cardea_worker_join(cardea_worker* w, int64_t timeout_ms) {
  if (!w) return CARDEA_EINVAL;
  if (w->mode != Mode::thread) return CARDEA_ENOTSUP;
  if (getpid() != w->pid) return CARDEA_EFORKED;
  if (std::this_thread::get_id() == w->owner) return CARDEA_EWRONGTHREAD;
  std::unique_lock lock(w->mutex);
  auto has_ended = [w] { return w->ended; };
  if (timeout_ms < 0) {
    w->changed.wait(lock, has_ended);
  } else if (!w->changed.wait_for(lock, std::chrono::milliseconds(timeout_ms), has_ended)) {
    return CARDEA_ETIMEDOUT;
  }
  if (w->thread.joinable()) w->thread.join();  // it needs the lock no more; two joins take turns
  return CARDEA_OK;
}

void cardea_worker_free(cardea_worker* w) {
  if (!w || getpid() != w->pid) return;  // a forked child has no loop to close, and must not disturb the parent's
  if (w->mode != Mode::thread) {
    auto close = [w] {
      w->free_when_closed = true;
      w->close({});
    };
    if (w->closed) {
      delete w;
    } else if (w->check_thread() == CARDEA_OK) {
      close();
    } else {
      (void)capi::guard([&] { return w->loop.post(close) ? CARDEA_OK : CARDEA_ECLOSED; });
    }
    return;
  }
  std::unique_lock lock(w->mutex);
  if (w->ended) {
    lock.unlock();
    if (w->thread.joinable()) w->thread.join();
    delete w;
    return;
  }
  w->free_when_closed = true;  // run_thread() deletes it, not before it gets the lock
  (void)capi::guard([&] { return w->loop.post([w] { w->close({}); }) ? CARDEA_OK : CARDEA_ECLOSED; });
}

}  // extern "C"
