// UvNetwork: real sockets for one loop, and the connecting of new ones.
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "net/sockets.h"

namespace cardea::net {

namespace {

// A connection under way. Its descriptor and Poll go over to the stream.
class SocketConnecting final : public Connecting, private PollTarget {
 public:
  SocketConnecting(UvLoop& loop, const Address& address, ConnectEvents& events)
      : loop_(loop), events_(events), address_(address), later_(loop, [this] { finish(error_); }) {}

  void start();

 private:
  void on_poll(int status, int events) override;
  void finish(int error);
  void finish_later(int error) {
    error_ = error;
    later_.start(0);
  }

  UvLoop& loop_;
  ConnectEvents& events_;
  Address address_;
  Timer later_;
  PollPtr poll_;
  int error_ = 0;
};

void SocketConnecting::start() {
  if (address_.len() == 0) return finish_later(EDESTADDRREQ);
  const int fd = socket(address_.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return finish_later(errno);
  int error = 0;
  poll_ = Poll::open(loop_, fd, true, this, error);
  if (poll_ == nullptr) {
    ::close(fd);
    return finish_later(error);
  }
  if (!address_.is_unix()) set_tcp_nodelay(fd, true);
  int rc;
  do {
    rc = connect(fd, address_.sa(), address_.len());
  } while (rc != 0 && errno == EINTR && address_.is_unix());
  if (rc == 0) return finish_later(0);
  // Interrupted, a TCP connection goes on being made.
  if (errno != EINPROGRESS && errno != EINTR) return finish_later(errno);
  poll_->watch(UV_WRITABLE);
}

void SocketConnecting::on_poll(int, int) {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(poll_->fd(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  finish(error);
}

// The events may delete this object.
void SocketConnecting::finish(int error) {
  ConnectEvents& events = events_;
  PollPtr poll = std::move(poll_);
  if (error != 0) {
    poll.reset();
    return events.on_connect_failed(error);
  }
  // Still watched for writing: the stream's first read or write changes that, or its first event does.
  events.on_connected(make_stream(loop_, std::move(poll), address_));
}

class UvNetwork final : public Network {
 public:
  explicit UvNetwork(UvLoop& loop) : loop_(loop) {}

  Result<std::unique_ptr<Listener>> listen(const Address& address, const ListenOptions& options,
                                           AcceptEvents& events) override {
    return make_listener(loop_, address, options, events);
  }
  std::unique_ptr<Connecting> connect(const Address& address, ConnectEvents& events) override {
    auto connecting = std::make_unique<SocketConnecting>(loop_, address, events);
    connecting->start();
    return connecting;
  }
  Result<std::unique_ptr<Stream>> adopt(int fd) override;
  Result<std::unique_ptr<Resolver>> resolver(const ResolverOptions& options) override {
    return make_resolver(loop_, options);
  }

 private:
  UvLoop& loop_;
};

Result<std::unique_ptr<Stream>> UvNetwork::adopt(int fd) {
  if (fd < 0) return Error{kEinval, "adopt: the descriptor is negative"};
  const auto refuse = [fd](int code, const char* what, int error) {
    ::close(fd);
    return Error{code, std::string("adopt: ") + what + ": " + os_text(error), error};
  };
  int type = 0;
  socklen_t size = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return refuse(kEinval, "not a socket", errno);
  if (type != SOCK_STREAM) return refuse(kEinval, "not a stream socket", EPROTOTYPE);
  sockaddr_storage storage;
  size = sizeof storage;
  auto* sa = reinterpret_cast<sockaddr*>(&storage);
  if (getpeername(fd, sa, &size) != 0) return refuse(kEio, "the socket is not connected", errno);
  const Address peer = Address::from(sa, size);
  if (!take_over(fd)) return refuse(kEio, "cannot make the socket non-blocking", errno);
  if (!peer.is_unix()) set_tcp_nodelay(fd, true);
  int error = 0;
  PollPtr poll = Poll::open(loop_, fd, true, nullptr, error);
  if (poll == nullptr) return refuse(kEio, "cannot watch the socket", error);
  return make_stream(loop_, std::move(poll), peer);
}

}  // namespace

std::unique_ptr<Network> uv_network(UvLoop& loop) {
  return std::make_unique<UvNetwork>(loop);
}

}  // namespace cardea::net
