// Poll: the heap block of one watched descriptor.
#include "net/poll.h"

#include <unistd.h>

#include <new>

namespace cardea::net {

PollPtr Poll::open(UvLoop& loop, int fd, bool owns_fd, PollTarget* target, int& error) {
  std::unique_ptr<Poll> poll(new (std::nothrow) Poll(loop, fd, owns_fd, target));
  if (poll == nullptr) {
    error = ENOMEM;
    return nullptr;
  }
  // Also refuses a descriptor that somebody else watches on this loop.
  const int rc = uv_poll_init(loop.uv(), &poll->uv_, fd);
  if (rc != 0) {
    error = -rc;
    return nullptr;
  }
  poll->uv_.data = poll.get();
  loop.block_opened();
  return PollPtr(poll.release());
}

void Poll::watch(int mask) {
  if (mask == mask_) return;
  mask_ = mask;
  if (mask == 0) {
    uv_poll_stop(&uv_);
  } else {
    uv_poll_start(&uv_, mask, on_event);
  }
}

void Poll::on_event(uv_poll_t* uv, int status, int events) {
  Poll* poll = static_cast<Poll*>(uv->data);
  // Nothing is thrown through libuv. A turn that ran out of memory costs its own descriptor, and nobody else's; without
  // memory even for that it is watched no more, and its owner's clocks end it.
  if (poll->tell(status, events) || poll->tell(UV_ENOMEM, 0)) return;
  poll->watch(0);
}

bool Poll::tell(int status, int events) {
  if (target_ == nullptr) return true;
  try {
    Loop::Turn turn(loop_);
    if (status < 0 && status != UV_ENOMEM) mask_ = 0;
    target_->on_poll(status, events);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void Poll::close() {
  target_ = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&uv_), on_closed);
  if (owns_fd_) ::close(fd_);
}

void Poll::on_closed(uv_handle_t* uv) {
  Poll* poll = static_cast<Poll*>(uv->data);
  UvLoop& loop = poll->loop_;
  delete poll;
  loop.block_closed();
}

}  // namespace cardea::net
