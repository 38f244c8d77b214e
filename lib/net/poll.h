// Watching one descriptor through libuv: the only uv_poll_t of the library.
#pragma once

#include <uv.h>

#include <memory>

#include "net/net.h"

namespace cardea::net {

// Told that a descriptor is ready, inside a Turn. A negative status means that the descriptor has an
// error and that libuv no longer watches it; watch() starts again. UV_ENOMEM: the call before ran out of memory. May
// destroy its Poll.
class PollTarget {
 public:
  virtual void on_poll(int status, int events) = 0;

 protected:
  ~PollTarget() = default;
};

// A heap block with the uv_poll_t of one descriptor, which outlives its C++ owner until libuv lets go.
// One thread. Owned through PollPtr; destroying that stops the watching, then closes the descriptor when
// it is owned: in this order, so that a recycled descriptor number never meets a stale watcher.
class Poll {
 public:
  struct Closer {
    void operator()(Poll* poll) const { poll->close(); }
  };

  // Takes `fd` when it succeeds and `owns_fd`. Otherwise null, and `error` is an errno.
  static std::unique_ptr<Poll, Closer> open(UvLoop& loop, int fd, bool owns_fd, PollTarget* target, int& error);
  void set_target(PollTarget* target) { target_ = target; }
  int fd() const { return fd_; }
  int mask() const { return mask_; }
  // Bits of UV_READABLE, UV_WRITABLE, UV_DISCONNECT. Costs nothing when nothing changes, else two calls of
  // epoll_ctl.
  void watch(int mask);

 private:
  Poll(UvLoop& loop, int fd, bool owns_fd, PollTarget* target)
      : loop_(loop), target_(target), fd_(fd), owns_fd_(owns_fd) {}
  void close();
  bool tell(int status, int events);  // false: out of memory
  static void on_event(uv_poll_t* uv, int status, int events);
  static void on_closed(uv_handle_t* uv);

  uv_poll_t uv_;
  UvLoop& loop_;
  PollTarget* target_;
  int fd_;
  int mask_ = 0;
  bool owns_fd_;
};

using PollPtr = std::unique_ptr<Poll, Poll::Closer>;

}  // namespace cardea::net
