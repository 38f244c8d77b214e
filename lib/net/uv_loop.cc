// UvLoop: one Loop driven by libuv, in each of the ways in which a host may drive it.
#include <uv.h>

#include <algorithm>
#include <cassert>

#include "net/net.h"

namespace cardea::net {

struct UvLoop::Handles {
  uv_loop_t own_loop;
  uv_timer_t timer;
  uv_async_t async;
  bool own = false;           // the uv loop is ours
  bool manual_clock = false;  // due timers do not announce themselves in real time
  bool loop_ready = false;
  bool open = false;
  bool closing = false;
  bool finished = false;  // every handle is gone
  bool told = false;      // and `closed` has run
  int own_handles = 0;
  size_t blocks = 0;
  Millis armed = 0;  // the deadline for which the uv timer runs
  std::function<void()> closed;
  std::mutex wake_mutex;
  bool wakeable = false;
};

UvLoop::UvLoop(Clock& clock, uv_loop_s* host_loop) : Loop(clock), handles_(new Handles), uv_(host_loop) {
  handles_->own = host_loop == nullptr;
  handles_->manual_clock = &clock != &real_clock();
  if (handles_->own) uv_ = &handles_->own_loop;
}

UvLoop::~UvLoop() {
  Handles& h = *handles_;
  if (h.open && !h.finished) {
    // A defect of the caller. libuv still points into this memory, so it stays.
    assert(!"UvLoop deleted before it was closed");
    (void)handles_.release();
    return;
  }
  if (h.own && h.loop_ready) uv_loop_close(uv_);
}

Result<void> UvLoop::open() {
  Handles& h = *handles_;
  const auto failed = [](const char* what, int rc) {
    return Error{kEio, std::string(what) + ": " + uv_strerror(rc), -rc};
  };
  if (h.open) return Error{kEexist, "the loop is open already"};
  if (h.own && !h.loop_ready) {
    if (int rc = uv_loop_init(uv_); rc != 0) return failed("cannot make an event loop", rc);
    h.loop_ready = true;
  }
  const int rc = uv_async_init(uv_, &h.async, [](uv_async_t* a) { static_cast<UvLoop*>(a->data)->run_due(); });
  if (rc != 0) return failed("cannot make a wake-up handle", rc);
  h.async.data = this;
  uv_timer_init(uv_, &h.timer);
  h.timer.data = this;
  uv_unref(reinterpret_cast<uv_handle_t*>(&h.timer));
  h.own_handles = 2;
  h.open = true;
  if (h.own) {
    // A private loop is alive until it is closed: libuv answers "poll without waiting" for a dead one.
    // One pass makes the backend's descriptor watch the wake-up handle.
    uv_run(uv_, UV_RUN_NOWAIT);
  } else {
    uv_unref(reinterpret_cast<uv_handle_t*>(&h.async));
  }
  {
    std::lock_guard<std::mutex> lock(h.wake_mutex);
    h.wakeable = true;
  }
  wake();  // for what was posted before
  update_time();
  rearm();
  return {};
}

int UvLoop::fd() const {
  return uv_backend_fd(uv_);
}

int UvLoop::timeout() const {
  const Handles& h = *handles_;
  if (!h.open || h.told) return -1;
  if (h.finished || has_pending()) return 0;
  uv_update_time(uv_);
  return uv_backend_timeout(uv_);
}

bool UvLoop::step() {
  Handles& h = *handles_;
  if (!h.open || h.told) return false;
  if (h.manual_clock || has_pending()) run_due();
  uv_run(uv_, UV_RUN_NOWAIT);
  if (finish()) return false;
  return timeout() == 0;
}

void UvLoop::run() {
  Handles& h = *handles_;
  if (!h.open) return;
  while (!h.finished) {
    uv_run(uv_, h.manual_clock ? UV_RUN_ONCE : UV_RUN_DEFAULT);
    if (h.manual_clock && !h.finished) run_due();
  }
  finish();
}

// On a private loop `closed` waits for uv_run() to return, since it may delete the loop.
bool UvLoop::finish() {
  Handles& h = *handles_;
  if (!h.finished || h.told) return false;
  h.told = true;
  if (auto closed = std::move(h.closed)) closed();
  return true;
}

void UvLoop::close(std::function<void()> closed) {
  Handles& h = *handles_;
  if (h.closing) return;
  h.closing = true;
  h.closed = std::move(closed);
  shut();
  if (h.blocks == 0) close_own();
}

void UvLoop::close_own() {
  Handles& h = *handles_;
  if (!h.open || h.own_handles != 2 || uv_is_closing(reinterpret_cast<uv_handle_t*>(&h.async))) return;
  {
    std::lock_guard<std::mutex> lock(h.wake_mutex);
    h.wakeable = false;
  }
  const auto gone = [](uv_handle_t* handle) {
    UvLoop* loop = static_cast<UvLoop*>(handle->data);
    Handles& h = *loop->handles_;
    if (--h.own_handles > 0) return;
    h.finished = true;
    if (!h.own) loop->finish();
  };
  uv_close(reinterpret_cast<uv_handle_t*>(&h.timer), gone);
  uv_close(reinterpret_cast<uv_handle_t*>(&h.async), gone);
}

bool UvLoop::is_closed() const {
  return !handles_->open || handles_->finished;
}

void UvLoop::block_opened() {
  Handles& h = *handles_;
  // Connections keep the host's loop alive even while their descriptors are not watched.
  if (h.blocks++ == 0 && !h.own) uv_ref(reinterpret_cast<uv_handle_t*>(&h.async));
}

void UvLoop::block_closed() {
  Handles& h = *handles_;
  if (--h.blocks > 0) return;
  if (!h.own) uv_unref(reinterpret_cast<uv_handle_t*>(&h.async));
  if (h.closing) close_own();
}

void UvLoop::wake() {
  Handles& h = *handles_;
  std::lock_guard<std::mutex> lock(h.wake_mutex);
  if (h.wakeable) uv_async_send(&h.async);
}

void UvLoop::rearm() {
  Handles& h = *handles_;
  if (!h.open || uv_is_closing(reinterpret_cast<uv_handle_t*>(&h.timer))) return;
  // On the host's loop deadlines keep nothing alive, but what is about to happen does: the end of a drain or a close.
  if (has_pending() && !h.own) uv_ref(reinterpret_cast<uv_handle_t*>(&h.timer));
  const Millis next = next_deadline();
  if (next == 0 || (h.armed != 0 && h.armed <= next)) return;
  h.armed = next;
  // With a manual clock that stands still, "due now" must not become a busy loop in real time; what
  // waits for the next turn must not wait for the poller either.
  const Millis delay = next > now() ? next - now() : 0;
  uv_timer_start(
      &h.timer,
      [](uv_timer_t* t) {
        UvLoop* loop = static_cast<UvLoop*>(t->data);
        loop->handles_->armed = 0;
        uv_unref(reinterpret_cast<uv_handle_t*>(t));
        loop->run_due();
      },
      delay, 0);
}

}  // namespace cardea::net
