// TcpStream: bytes in and out of one connected TCP or unix socket.
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>
#include <system_error>

#include "net/sockets.h"

namespace cardea::net {

std::string os_text(int error) {
  return std::generic_category().message(error);
}

bool take_over(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

void set_tcp_nodelay(int fd, bool on) {
  const int value = on;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value);
}

namespace {

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK;
}

// Reading stops lazily: the descriptor stays watched until something arrives, so that a reader that
// pauses and goes on between two messages costs no system call. Once something has arrived that nobody
// wants, only the peer's end (UV_DISCONNECT) is watched, and when that has come, nothing: all of these are
// level triggered, and would be told for ever.
class TcpStream final : public Stream, private PollTarget {
 public:
  TcpStream(UvLoop& loop, PollPtr poll, const Address& peer) : loop_(loop), poll_(std::move(poll)), peer_(peer) {
    poll_->set_target(this);
  }
  ~TcpStream() override {
    if (!reset_on_close_) return;
    const linger now{1, 0};
    setsockopt(poll_->fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }

  void set_events(StreamEvents* events) override;
  void start_read(size_t max_bytes) override;
  void stop_read() override { reading_ = false; }
  void write(const Slice* slices, size_t count) override;
  size_t queued() const override { return queue_.size() - queue_sent_; }
  void shutdown() override;
  void set_reset_on_close() override { reset_on_close_ = true; }
  const Address& peer() const override { return peer_; }
  const Address& local() const override;
  void set_nodelay(bool on) override {
    if (!peer_.is_unix()) set_tcp_nodelay(poll_->fd(), on);
  }
  void set_keepalive(unsigned seconds) override;

 private:
  static constexpr size_t kSlices = 64;  // of one system call

  bool wants_read() const { return reading_ && !eof_ && events_ != nullptr; }
  void on_poll(int status, int events) override;
  void on_broken();
  bool read_once();
  void look_for_end();
  void settle(bool tighten);
  void append(const Slice* slices, size_t count, size_t skip);
  void flush_queue();
  void drop_queue();
  void fail(int error);
  void fail_later(int error);
  void after_failed_write();
  void report_later();
  void report();

  UvLoop& loop_;
  PollPtr poll_;
  StreamEvents* events_ = nullptr;
  size_t max_read_ = 0;
  std::vector<char> queue_;  // holds memory only while the kernel does not take everything
  size_t queue_sent_ = 0;
  Address peer_;
  mutable std::unique_ptr<Address> local_;  // asked for by few, so looked up when it is
  std::shared_ptr<TcpStream*> self_;        // lets a call of a later turn find out that we are gone
  int error_ = 0;                           // nothing more is read from or written to the socket
  bool reading_ = false;
  bool eof_ = false;
  bool end_seen_ = false;  // the peer's end was announced while nobody read
  bool shutdown_ = false;
  bool reset_on_close_ = false;
  bool told_ = false;  // on_error was called
  bool report_queued_ = false;
};

void TcpStream::set_events(StreamEvents* events) {
  events_ = events;
  if (events == nullptr) return;
  if (error_ != 0) {
    report_later();
  } else if (reading_) {
    settle(false);
  }
}

void TcpStream::start_read(size_t max_bytes) {
  max_read_ = std::clamp<size_t>(max_bytes, 1, Loop::kReadBuffer);
  if (reading_) return;
  reading_ = true;
  if (error_ == 0) settle(false);
}

// Watches what is of interest. Unless told to tighten, goes on watching for input that was of interest.
void TcpStream::settle(bool tighten) {
  int mask = 0;
  if (wants_read() || (!tighten && !eof_ && (poll_->mask() & UV_READABLE) != 0)) {
    mask = UV_READABLE;
  } else if (!eof_ && !end_seen_) {
    mask = UV_DISCONNECT;
  }
  if (queued() > 0) mask |= UV_WRITABLE;
  poll_->watch(mask);
}

void TcpStream::on_poll(int status, int events) {
  if (error_ != 0) return poll_->watch(0);
  if (status == UV_ENOMEM) return fail(ENOMEM);  // what it had read may be half done
  if (status < 0) return on_broken();
  if ((events & UV_WRITABLE) != 0 && queued() > 0) flush_queue();
  if (error_ != 0) return;
  const bool wanted = wants_read();
  if (wanted) {
    if ((events & (UV_READABLE | UV_DISCONNECT)) != 0) read_once();
  } else if ((events & UV_DISCONNECT) != 0) {
    look_for_end();
  }
  if (error_ == 0) settle(!wanted && (events & UV_READABLE) != 0);
}

// libuv saw an error on the socket. What arrived before it may still be there to be read.
void TcpStream::on_broken() {
  if (!wants_read()) {
    look_for_end();
  } else if (!read_once() && error_ == 0) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(poll_->fd(), SOL_SOCKET, SO_ERROR, &error, &size);
    fail(error != 0 ? error : ECONNRESET);
  }
  if (error_ == 0 && queued() > 0) flush_queue();
  if (error_ == 0) settle(true);
}

// False when there was nothing to read.
bool TcpStream::read_once() {
  char* const buffer = loop_.read_buffer();
  ssize_t n;
  do {
    n = recv(poll_->fd(), buffer, max_read_, 0);
  } while (n < 0 && errno == EINTR);
  if (n > 0) {
    events_->on_data(buffer, size_t(n));
  } else if (n == 0) {
    eof_ = true;
    events_->on_eof();
  } else if (would_block(errno)) {
    return false;
  } else {
    fail(errno);
  }
  return true;
}

// Nobody reads, and the peer has ended its side. A reset is told at once, unless bytes wait to be read
// before it: those, and a plain end, are found when reading goes on.
void TcpStream::look_for_end() {
  char byte;
  ssize_t n;
  do {
    n = recv(poll_->fd(), &byte, 1, MSG_PEEK);
  } while (n < 0 && errno == EINTR);
  end_seen_ = true;
  if (n < 0 && !would_block(errno)) fail(errno);
}

void TcpStream::write(const Slice* slices, size_t count) {
  if (error_ != 0 || shutdown_) return;
  size_t next = 0, skip = 0;
  while (queued() == 0 && next < count) {
    iovec iov[kSlices];
    msghdr message{};
    message.msg_iov = iov;
    size_t total = 0, end = next;
    for (; end < count && message.msg_iovlen < kSlices; ++end) {
      if (slices[end].size == 0) continue;
      iov[message.msg_iovlen++] = {const_cast<char*>(slices[end].data), slices[end].size};
      total += slices[end].size;
    }
    if (total == 0) return;
    ssize_t n;
    do {
      // The kernel takes one slice in less time than a list of one.
      n = message.msg_iovlen == 1 ? ::send(poll_->fd(), iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL)
                                  : sendmsg(poll_->fd(), &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && !would_block(errno)) return fail_later(errno);
    skip = n < 0 ? 0 : size_t(n);
    if (skip < total) break;
    next = end;
    skip = 0;
  }
  if (next == count) return;
  append(slices + next, count - next, skip);
  settle(false);
}

// Queues all but the first `skip` bytes.
void TcpStream::append(const Slice* slices, size_t count, size_t skip) {
  // Keep the front from growing for ever under a writer that never lets the queue run empty.
  if (queue_sent_ > 0 && queue_sent_ >= queue_.size() / 2) {
    queue_.erase(queue_.begin(), queue_.begin() + ptrdiff_t(queue_sent_));
    queue_sent_ = 0;
  }
  for (size_t i = 0; i < count; ++i) {
    const size_t passed = std::min(skip, slices[i].size);
    skip -= passed;
    queue_.insert(queue_.end(), slices[i].data + passed, slices[i].data + slices[i].size);
  }
}

void TcpStream::flush_queue() {
  ssize_t n;
  do {
    n = send(poll_->fd(), queue_.data() + queue_sent_, queued(), MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    if (!would_block(errno)) fail_later(errno);
    return;
  }
  queue_sent_ += size_t(n);
  if (queued() > 0) return;
  drop_queue();
  if (shutdown_) ::shutdown(poll_->fd(), SHUT_WR);
  if (events_ != nullptr) events_->on_drained();
}

void TcpStream::drop_queue() {
  std::vector<char>().swap(queue_);
  queue_sent_ = 0;
}

void TcpStream::shutdown() {
  if (shutdown_ || error_ != 0) return;
  shutdown_ = true;
  // A failure here means a socket that is broken already; reading tells.
  if (queued() == 0) ::shutdown(poll_->fd(), SHUT_WR);
}

void TcpStream::fail(int error) {
  error_ = error;
  drop_queue();
  poll_->watch(0);
  report();
}

// A peer that resets a connection often said why first (an early answer to an upload): what it sent is
// still delivered before the error.
void TcpStream::fail_later(int error) {
  error_ = error;
  drop_queue();
  poll_->watch(0);
  report_later();
}

void TcpStream::report_later() {
  if (told_ || report_queued_) return;
  report_queued_ = true;
  if (self_ == nullptr) self_ = std::make_shared<TcpStream*>(this);
  loop_.next_turn([weak = std::weak_ptr<TcpStream*>(self_)] {
    if (auto self = weak.lock()) (*self)->after_failed_write();
  });
}

void TcpStream::after_failed_write() {
  report_queued_ = false;
  if (wants_read()) {
    const ssize_t n = recv(poll_->fd(), loop_.read_buffer(), max_read_, 0);
    if (n > 0) {
      report_later();
      return events_->on_data(loop_.read_buffer(), size_t(n));
    }
  }
  report();
}

void TcpStream::report() {
  if (told_ || events_ == nullptr) return;
  told_ = true;
  events_->on_error(StreamError{StreamError::os, error_, os_text(error_)});
}

const Address& TcpStream::local() const {
  if (local_ == nullptr) {
    sockaddr_storage storage;
    socklen_t size = sizeof storage;
    auto* sa = reinterpret_cast<sockaddr*>(&storage);
    const bool known = getsockname(poll_->fd(), sa, &size) == 0;
    local_ = std::make_unique<Address>(known ? Address::from(sa, size) : Address());
  }
  return *local_;
}

void TcpStream::set_keepalive(unsigned seconds) {
  if (peer_.is_unix()) return;
  const int on = seconds > 0, idle = int(std::min(seconds, 32767u)), every = std::max(1, std::min(idle / 3, 75)),
            tries = 3;
  setsockopt(poll_->fd(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  if (on == 0) return;
  setsockopt(poll_->fd(), IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt(poll_->fd(), IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
  setsockopt(poll_->fd(), IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof tries);
}

}  // namespace

std::unique_ptr<Stream> make_stream(UvLoop& loop, PollPtr poll, const Address& peer) {
  return std::make_unique<TcpStream>(loop, std::move(poll), peer);
}

}  // namespace cardea::net
