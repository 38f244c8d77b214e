// The event queue: what callbacks would have said, for runtimes that would rather ask.
#include <cerrno>
#include <cstring>

#include <sys/eventfd.h>
#include <unistd.h>

#include "capi.h"

using namespace cardea;

cardea_queue::cardea_queue(size_t capacity) : fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), capacity_(capacity) {}
cardea_queue::~cardea_queue() {
  if (fd >= 0) close(fd);
}

bool cardea_queue::push(Item item) {
  std::lock_guard lock(mutex_);
  if (waiting_.size() - first_ >= capacity_) {
    ++dropped_;
    return false;
  }
  const bool was_empty = waiting_.size() == first_;
  waiting_.push_back(std::move(item));
  if (was_empty) {
    const uint64_t one = 1;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
  }
  return true;
}

size_t cardea_queue::poll(void* events, size_t cap, size_t stride) {
  polled.clear();
  std::lock_guard lock(mutex_);
  auto put = [&](Item item) {
    item.event.ref = polled.size() + 1;
    char* at = static_cast<char*>(events) + polled.size() * stride;
    memset(at, 0, stride);
    memcpy(at, &item.event, std::min(stride, sizeof item.event));
    polled.push_back(std::move(item));
  };
  if (dropped_ && cap) {
    Item overflow;
    overflow.event.type = CARDEA_EVENT_OVERFLOW;
    overflow.event.value = dropped_;
    dropped_ = 0;
    put(std::move(overflow));
  }
  while (polled.size() < cap && first_ < waiting_.size()) put(std::move(waiting_[first_++]));
  if (first_ == waiting_.size()) {
    waiting_.clear();
    first_ = 0;
    uint64_t count;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR) {
    }
  } else if (first_ > capacity_ / 2) {
    waiting_.erase(waiting_.begin(), waiting_.begin() + ptrdiff_t(first_));
    first_ = 0;
  }
  return polled.size();
}

extern "C" {

int cardea_queue_new(size_t capacity, cardea_queue** out) {
  if (!out) return CARDEA_EINVAL;
  *out = nullptr;
  return capi::guard([&] {
    auto q = std::make_unique<cardea_queue>(capacity ? capacity : 65536);
    if (q->fd < 0) return CARDEA_EIO;
    *out = q.release();
    return CARDEA_OK;
  });
}
void cardea_queue_unref(cardea_queue* q) { capi::unref(q); }
int cardea_queue_fd(const cardea_queue* q) { return q ? q->fd : CARDEA_EINVAL; }

int cardea_queue_poll(cardea_queue* q, void* events, size_t cap, size_t stride, size_t* count) {
  if (count) *count = 0;
  if (!q || !events || !count || stride < offsetof(cardea_event, reserved)) return CARDEA_EINVAL;
  return capi::guard([&] {
    *count = q->poll(events, cap, stride);
    return CARDEA_OK;
  });
}

int cardea_queue_str(const cardea_queue* q, uint64_t ref, int what, cardea_str* out) {
  if (!q || !out || ref == 0 || ref > q->polled.size()) return CARDEA_EINVAL;
  for (const auto& [id, value] : q->polled[ref - 1].strings) {
    if (id == what) return capi::give(out, value);
  }
  return CARDEA_ENOTFOUND;
}

}  // extern "C"
