// SocketListener: a TCP or unix socket that accepts connections.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>

#include "net/sockets.h"

namespace cardea::net {

struct ListeningSocket {
  explicit ListeningSocket(int fd) : fd(fd) {}
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;
  ~ListeningSocket() {
    if (fd >= 0) ::close(fd);
    struct stat st;
    if (path.empty() || leave_file || lstat(path.c_str(), &st) != 0) return;
    // A successor may have replaced the file.
    if (st.st_dev == device && st.st_ino == inode) unlink(path.c_str());
  }
  const int fd;
  std::string path;  // of a unix socket that was bound here; empty: none. Ours while the file is still this one:
  dev_t device = 0;
  ino_t inode = 0;
  std::atomic<bool> leave_file{false};
};

namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr Millis kAcceptPause = 100;

class SocketListener final : public Listener, private PollTarget {
 public:
  SocketListener(UvLoop& loop, AcceptEvents& events)
      : loop_(loop), events_(events), retry_(loop, [this] { settle(); }) {}

  Result<void> open(const Address& address, const ListenOptions& options);
  const Address& address() const override { return address_; }
  void pause() override {
    paused_ = true;
    settle();
  }
  void resume() override {
    paused_ = false;
    settle();
  }
  std::shared_ptr<ListeningSocket> socket() const override { return socket_; }

 private:
  Result<void> share(const Address& address, const ListenOptions& options);
  Result<void> bind_inet(int fd, const Address& address, const ListenOptions& options);
  Result<void> keep(int fd, const Address& address);
  Result<void> bind_unix(int fd, const Address& address, const ListenOptions& options);
  void settle() { poll_->watch(paused_ || retry_.active() ? 0 : UV_READABLE); }
  void on_poll(int status, int events) override;
  bool accept_one();

  UvLoop& loop_;
  AcceptEvents& events_;
  Timer retry_;
  PollPtr poll_;
  Address address_;
  bool paused_ = false;
  std::shared_ptr<ListeningSocket> socket_;
};

const char* what_to_do(int error) {
  switch (error) {
    case EADDRINUSE:
      return "; another process or listener has this address: stop it or choose another one";
    case EADDRNOTAVAIL:
      return "; this machine has no such address: check the configured one, or use \":PORT\" for all";
    case EACCES:
    case EPERM:
      return "; not permitted: ports below 1024 need CAP_NET_BIND_SERVICE, unix sockets a writable directory";
    case EMFILE:
    case ENFILE:
      return "; raise the limit of open files (ulimit -n)";
    case ENOENT:
    case ENOTDIR:
      return "; the directory of the unix socket does not exist";
    default:
      return "";
  }
}

Error listen_error(const Address& address, int error) {
  return {error == EADDRINUSE ? kEaddrinuse
          : error == ENOMEM   ? kEnomem
                              : kEio,
          "listen " + address.text() + ": " + os_text(error) + what_to_do(error), error};
}

bool is_abstract(const Address& unix_address) {
  return reinterpret_cast<const sockaddr_un*>(unix_address.sa())->sun_path[0] == '\0';
}

// Whether the file is a socket that its process left behind. Anything else is somebody's.
bool is_stale(const Address& address, const std::string& path) {
  struct stat st;
  if (lstat(path.c_str(), &st) != 0 || !S_ISSOCK(st.st_mode)) return false;
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool refused = connect(fd, address.sa(), address.len()) != 0 && errno == ECONNREFUSED;
  ::close(fd);
  return refused;
}

Result<void> SocketListener::share(const Address& address, const ListenOptions& options) {
  const int fd = fcntl(options.shared->fd, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return listen_error(address, errno);
  int error = 0;
  poll_ = Poll::open(loop_, fd, true, this, error);
  if (poll_ == nullptr) {
    ::close(fd);
    return listen_error(address, error);
  }
  socket_ = options.shared;
  address_ = address;
  settle();
  return {};
}

Result<void> SocketListener::open(const Address& address, const ListenOptions& options) {
  if (options.shared) return share(address, options);
  Address bound = address;
  int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 && errno == EAFNOSUPPORT && address.is_dual_stack()) {
    bound = *Address::ip("0.0.0.0", address.port());  // a kernel without IPv6
    fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  }
  if (fd < 0) return listen_error(address, errno);
  Result<void> done = bound.is_unix() ? bind_unix(fd, bound, options) : bind_inet(fd, bound, options);
  int error = 0;
  if (done) done = keep(fd, bound);
  if (done && ::listen(fd, options.backlog > 0 ? options.backlog : 1) != 0) done = listen_error(address, errno);
  if (done) {
    poll_ = Poll::open(loop_, fd, true, this, error);
    if (poll_ == nullptr) done = listen_error(address, error);
  }
  if (poll_ == nullptr) {
    ::close(fd);
    return done;
  }
  address_ = bound;
  if (!bound.is_unix() && bound.port() == 0) address_.set_port(address_of(*socket_).port());
  settle();
  return {};
}

Result<void> SocketListener::bind_inet(int fd, const Address& address, const ListenOptions& options) {
  const int on = 1, v6_only = !address.is_dual_stack();
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (options.reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
    return listen_error(address, errno);
  }
  if (address.family() == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only) != 0) {
    return listen_error(address, errno);
  }
  set_tcp_nodelay(fd, true);  // inherited by what it accepts: one system call less for each
  if (bind(fd, address.sa(), address.len()) != 0) return listen_error(address, errno);
  return {};
}

Result<void> SocketListener::bind_unix(int fd, const Address& address, const ListenOptions& options) {
  const std::string path = address.ip_text();
  const bool abstract = is_abstract(address);
  fchmod(fd, options.unix_mode);  // the file is never more open than asked for, not even for a moment
  int rc = bind(fd, address.sa(), address.len());
  if (rc != 0 && errno == EADDRINUSE && !abstract && is_stale(address, path)) {
    unlink(path.c_str());
    rc = bind(fd, address.sa(), address.len());
  }
  if (rc != 0) return listen_error(address, errno);
  if (abstract || chmod(path.c_str(), options.unix_mode) == 0) return {};
  const int error = errno;
  unlink(path.c_str());
  return listen_error(address, error);
}

// A second descriptor, for others that accept from it too.
Result<void> SocketListener::keep(int fd, const Address& address) {
  const int second = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  const std::string path = address.is_unix() ? address.ip_text() : "";
  const bool has_file = address.is_unix() && !is_abstract(address);
  if (second < 0) {
    const int error = errno;
    if (has_file) unlink(path.c_str());
    return listen_error(address, error);
  }
  socket_ = std::make_shared<ListeningSocket>(second);
  if (!has_file) return {};
  struct stat st;
  if (lstat(path.c_str(), &st) != 0) return listen_error(address, errno);
  socket_->path = path;
  socket_->device = st.st_dev;
  socket_->inode = st.st_ino;
  return {};
}

void SocketListener::on_poll(int, int) {
  for (int i = 0; i < kAcceptsPerTurn && !paused_ && accept_one(); ++i) {
  }
  settle();
}

// False when there is no more to accept now.
bool SocketListener::accept_one() {
  sockaddr_storage storage;
  socklen_t size = sizeof storage;
  auto* sa = reinterpret_cast<sockaddr*>(&storage);
  const int fd = accept4(poll_->fd(), sa, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  int error = fd < 0 ? errno : 0;
  if (fd >= 0) {
    PollPtr poll = Poll::open(loop_, fd, true, nullptr, error);
    if (poll != nullptr) {
      events_.on_accept(make_stream(loop_, std::move(poll), Address::from(sa, size)));
      return true;
    }
    ::close(fd);
  }
  switch (error) {
    case EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case EWOULDBLOCK:
#endif
      return false;
    // The connection died in the queue; accept(2) also hands out its network errors here.
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return true;
    default:
      // No descriptors or no memory: the socket stays readable, so watching it would spin.
      retry_.start(kAcceptPause);
      events_.on_accept_error(error);
      return false;
  }
}

}  // namespace

Result<std::shared_ptr<ListeningSocket>> adopt_listening(int fd) {
  const auto refuse = [](const char* what, int error) {
    return Error{kEinval, std::string("adopt a listening socket: ") + what + (error ? ": " + os_text(error) : ""),
                 error};
  };
  int type = 0, listens = 0;
  socklen_t size = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return refuse("no socket", errno);
  size = sizeof listens;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0) return refuse("no socket", errno);
  if (type != SOCK_STREAM || !listens) return refuse("it is no stream socket that listens", 0);
  sockaddr_storage storage;
  size = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return refuse("it has no address", errno);
  const int family = storage.ss_family;
  if (family != AF_INET && family != AF_INET6 && family != AF_UNIX) return refuse("neither TCP nor a unix socket", 0);
  if (!take_over(fd)) return refuse("it cannot be made non-blocking", errno);
  if (family != AF_UNIX) set_tcp_nodelay(fd, true);
  return std::make_shared<ListeningSocket>(fd);
}

Address address_of(const ListeningSocket& socket) {
  sockaddr_storage storage;
  socklen_t size = sizeof storage;
  auto* sa = reinterpret_cast<sockaddr*>(&storage);
  if (getsockname(socket.fd, sa, &size) != 0) return {};
  Address address = Address::from(sa, size);
  int v6_only = 1;
  size = sizeof v6_only;
  const bool any = address.family() == AF_INET6 &&
                   IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6*>(sa)->sin6_addr) &&
                   getsockopt(socket.fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, &size) == 0;
  return any && !v6_only ? *Address::parse(":" + std::to_string(address.port())) : address;
}

Result<int> duplicate(const ListeningSocket& socket) {
  const int fd = fcntl(socket.fd, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return Error{kEio, std::string("duplicate a listening socket: ") + os_text(errno), errno};
  return fd;
}

void leave_file(ListeningSocket& socket) {
  socket.leave_file = true;
}

Result<std::unique_ptr<Listener>> make_listener(UvLoop& loop, const Address& address, const ListenOptions& options,
                                                AcceptEvents& events) {
  if (address.len() == 0) return Error{kEinval, "listen: the address is empty"};
  auto listener = std::make_unique<SocketListener>(loop, events);
  if (auto opened = listener->open(address, options); !opened) return opened.error();
  return std::unique_ptr<Listener>(std::move(listener));
}

}  // namespace cardea::net
