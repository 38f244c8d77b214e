// Poll: the heap block of one watched descriptor.
#include "net/poll.h"

#include <unistd.h>

namespace cardea::net {

PollPtr Poll::open(UvLoop& loop, int fd, bool owns_fd, PollTarget* target, int& error) {
  std::unique_ptr<Poll> poll(new Poll(loop, fd, owns_fd, target));
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
  if (poll->target_ == nullptr) return;
  Loop::Turn turn(poll->loop_);
  if (status < 0) poll->mask_ = 0;
  poll->target_->on_poll(status, events);
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
