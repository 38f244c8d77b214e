// Channel: c-ares' sockets, time-outs and answers.
#include "net/dns_channel.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace cardea::net {

namespace {

// Our own socket calls for c-ares: its own would let a DNS server over TCP raise SIGPIPE in the host.
const ares_socket_functions kSocketFunctions = {
    [](int family, int type, int protocol, void*) -> ares_socket_t {
      const int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
      if (fd >= 0 && type == SOCK_STREAM) set_tcp_nodelay(fd, true);
      return fd;
    },
    [](ares_socket_t fd, void*) -> int { return ::close(fd); },
    [](ares_socket_t fd, const sockaddr* sa, ares_socklen_t size, void*) -> int { return connect(fd, sa, size); },
    [](ares_socket_t fd, void* buffer, size_t size, int flags, sockaddr* sa, ares_socklen_t* sa_size,
       void*) -> ares_ssize_t { return recvfrom(fd, buffer, size, flags, sa, sa_size); },
    [](ares_socket_t fd, const iovec* slices, int count, void*) -> ares_ssize_t {
      msghdr message{};
      message.msg_iov = const_cast<iovec*>(slices);
      message.msg_iovlen = size_t(count);
      return sendmsg(fd, &message, MSG_NOSIGNAL);
    },
};

}  // namespace

Result<void> Channel::open(const ResolverOptions& options, const char* lookups, bool tcp,
                           const std::vector<Address>& servers) {
  ares_options o{};
  o.flags = tcp ? ARES_FLAG_USEVC : 0;
  o.timeout = int(std::clamp<Millis>(options.query_timeout, 1, 600000));
  o.tries = std::clamp(options.tries, 1, 16);
  o.lookups = const_cast<char*>(lookups);  // copied
  o.sock_state_cb = [](void* arg, ares_socket_t fd, int readable, int writable) {
    static_cast<Channel*>(arg)->on_socket(fd, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0));
  };
  o.sock_state_cb_data = this;
  int rc = ares_init_options(
      &ares_, &o, ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
  if (rc != ARES_SUCCESS) {
    ares_ = nullptr;
    return Error{rc == ARES_ENOMEM ? kEnomem : kEio, std::string("cannot start the resolver: ") + ares_strerror(rc),
                 rc};
  }
  ares_set_socket_functions(ares_, &kSocketFunctions, nullptr);
  if (servers.empty()) return {};
  std::vector<ares_addr_port_node> nodes(servers.size());
  for (size_t i = 0; i < servers.size(); ++i) {
    ares_addr_port_node& node = nodes[i];
    node.next = i + 1 < nodes.size() ? &nodes[i + 1] : nullptr;
    node.family = servers[i].family();
    node.udp_port = node.tcp_port = servers[i].port();
    if (node.family == AF_INET) {
      node.addr.addr4 = reinterpret_cast<const sockaddr_in*>(servers[i].sa())->sin_addr;
    } else {
      memcpy(&node.addr.addr6, &reinterpret_cast<const sockaddr_in6*>(servers[i].sa())->sin6_addr, 16);
    }
  }
  rc = ares_set_servers_ports(ares_, nodes.data());
  if (rc != ARES_SUCCESS) return Error{kEinval, std::string("cannot use the DNS servers: ") + ares_strerror(rc), rc};
  return {};
}

Query* Channel::begin(Asker& asker) {
  ++waiting_;
  return asker.query_ = new Query{this, &asker};
}

// Null when nobody waits any more.
Asker* Channel::end(void* arg) {
  std::unique_ptr<Query> query(static_cast<Query*>(arg));
  --query->channel->waiting_;
  if (query->asker != nullptr) query->asker->query_ = nullptr;
  return query->asker;
}

void Channel::ask(const std::string& name, int family, Asker& asker) {
  asked_ += family == AF_UNSPEC ? 2 : 1;
  ares_addrinfo_hints hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NOSORT;  // sorting opens a socket for each address
  ares_getaddrinfo(ares_, name.c_str(), nullptr, &hints, on_addresses, begin(asker));
  set_timer();
}

void Channel::ask_srv(const std::string& name, Asker& asker) {
  ++asked_;
  ares_query(ares_, name.c_str(), ns_c_in, ns_t_srv, on_reply, begin(asker));
  set_timer();
}

void Channel::on_addresses(void* arg, int status, int, ares_addrinfo* found) {
  Asker* asker = end(arg);
  if (asker != nullptr) asker->on_addresses(status, found);
  if (found != nullptr) ares_freeaddrinfo(found);
}

void Channel::on_reply(void* arg, int status, int, unsigned char* bytes, int size) {
  Asker* asker = end(arg);
  if (asker == nullptr) return;
  asker->on_reply(status, bytes != nullptr ? Bytes(reinterpret_cast<const char*>(bytes), size_t(size)) : Bytes());
}

void Channel::run(ares_socket_t readable, ares_socket_t writable) {
  const ares_socket_t fd = readable != ARES_SOCKET_BAD ? readable : writable;
  ares_process_fd(ares_, readable, writable);
  // libuv stops watching a descriptor that has an error; c-ares may go on using it.
  for (auto& socket : sockets_) {
    if (socket->fd == fd) socket->poll->watch(socket->wanted);
  }
  set_timer();
  owner_.on_served(*this);
}

void Channel::set_timer() {
  timeval left;
  if (waiting_ == 0 || ares_timeout(ares_, nullptr, &left) == nullptr) return timer_.stop();
  timer_.start(Millis(left.tv_sec) * 1000 + Millis(left.tv_usec) / 1000 + 1);
}

void Channel::on_socket(int fd, int mask) {
  const auto known = std::find_if(sockets_.begin(), sockets_.end(), [fd](auto& s) { return s->fd == fd; });
  if (mask == 0) {
    // Comes before c-ares closes the descriptor.
    if (known != sockets_.end()) sockets_.erase(known);
    return;
  }
  Socket* socket = known != sockets_.end() ? known->get() : nullptr;
  if (socket == nullptr) {
    if (dying_) return;
    auto made = std::make_unique<Socket>(*this, fd);
    int error = 0;
    made->poll = Poll::open(loop_, fd, false, made.get(), error);
    if (made->poll == nullptr) return;  // unwatched; the query runs into its timeout
    socket = sockets_.emplace_back(std::move(made)).get();
  }
  socket->wanted = mask;
  socket->poll->watch(mask);
}

}  // namespace cardea::net
