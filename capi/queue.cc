// The event queue: what callbacks would have said, for runtimes that would rather ask.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

#include "capi.h"

using namespace cardea;

namespace {
// Heads that wait for a poller who does not come must not fill the host's memory.
constexpr size_t kMaxWaitingBytes = 64 * 1024 * 1024;
constexpr uint64_t kOne = 1;
}  // namespace

cardea_queue::cardea_queue(size_t capacity) : fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), capacity_(capacity) {}
cardea_queue::~cardea_queue() {
  if (fd >= 0) close(fd);
}

size_t cardea_queue::Item::size() const {
  size_t bytes = sizeof *this;
  for (const auto& [what, value] : strings) bytes += sizeof(strings[0]) + value.size();
  return bytes;
}

void cardea_queue::signal() {
  while (write(fd, &kOne, sizeof kOne) < 0 && errno == EINTR) {
  }
}

bool cardea_queue::push(Item item) {
  std::lock_guard lock(mutex_);
  if (waiting_.size() >= capacity_ || waiting_bytes_ >= kMaxWaitingBytes) {
    ++dropped_;
    return false;
  }
  const size_t bytes = item.size();
  waiting_.push_back(std::move(item));
  waiting_bytes_ += bytes;
  if (waiting_.size() == 1) signal();
  return true;
}

void cardea_queue::lost() {
  std::lock_guard lock(mutex_);
  if (dropped_++ == 0 && waiting_.empty()) signal();
}

size_t cardea_queue::poll(void* events, size_t cap, size_t stride) {
  first_ref_ += polled_.size();
  polled_.clear();
  if (cap == 0) return 0;
  std::lock_guard lock(mutex_);
  polled_.reserve(std::min(cap, waiting_.size() + 1));
  auto put = [&](Item item) {
    item.event.ref = first_ref_ + polled_.size();
    char* at = static_cast<char*>(events) + polled_.size() * stride;
    memset(at, 0, stride);
    memcpy(at, &item.event, std::min(stride, sizeof item.event));
    polled_.push_back(std::move(item));
  };
  if (dropped_) {
    Item overflow;
    overflow.event.type = CARDEA_EVENT_OVERFLOW;
    overflow.event.value = std::exchange(dropped_, 0);
    put(std::move(overflow));
  }
  while (polled_.size() < cap && !waiting_.empty()) {
    waiting_bytes_ -= waiting_.front().size();
    put(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  if (waiting_.empty()) {
    uint64_t count;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR) {
    }
  }
  return polled_.size();
}

const cardea_queue::Item* cardea_queue::polled(uint64_t ref) const {
  return ref >= first_ref_ && ref - first_ref_ < polled_.size() ? &polled_[ref - first_ref_] : nullptr;
}

extern "C" {

int cardea_queue_new(size_t capacity, cardea_queue** out) {
  if (!capi::cleared(out)) return CARDEA_EINVAL;
  return capi::guard([&] {
    auto q = std::make_unique<cardea_queue>(capacity ? capacity : 65536);
    if (q->fd < 0) return CARDEA_EIO;
    *out = q.release();
    return CARDEA_OK;
  });
}
void cardea_queue_unref(cardea_queue* q) {
  capi::unref(q);
}
int cardea_queue_fd(const cardea_queue* q) {
  return q ? q->fd : CARDEA_EINVAL;
}

int cardea_queue_poll(cardea_queue* q, void* events, size_t cap, size_t stride, size_t* count) {
  if (count) *count = 0;
  if (!q || !events || !count || stride < offsetof(cardea_event, reserved)) return CARDEA_EINVAL;
  return capi::guard([&] {
    *count = q->poll(events, cap, stride);
    return CARDEA_OK;
  });
}

int cardea_queue_str(const cardea_queue* q, uint64_t ref, int what, cardea_str* out) {
  if (!capi::cleared(out) || !q) return CARDEA_EINVAL;
  const cardea_queue::Item* item = q->polled(ref);
  if (!item) return CARDEA_EINVAL;
  for (const auto& [id, value] : item->strings) {
    if (id == what) return capi::give(out, value);
  }
  return CARDEA_ENOTFOUND;
}

}  // extern "C"
