// CaresResolver: names to addresses through c-ares, on the loop's own descriptors and timer.
#include <ares.h>
#include <errno.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "net/sockets.h"

namespace cardea::net {

namespace {

constexpr size_t kMaxServers = 16;
constexpr size_t kMaxLookups = 4096;  // under way at one time
constexpr size_t kMaxName = 253;

class CaresResolver;
class Lookup;

// "localhost" and everything below it never go to a DNS server (RFC 6761 6.3).
bool is_local_name(Bytes name) {
  constexpr Bytes kLocal = "localhost";
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  if (name.size() < kLocal.size()) return false;
  const Bytes end = name.substr(name.size() - kLocal.size());
  return strncasecmp(end.data(), kLocal.data(), kLocal.size()) == 0 &&
         (end.size() == name.size() || name[name.size() - end.size() - 1] == '.');
}

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

// One question to c-ares. Belongs to c-ares until it has called back; `lookup` is null once nobody waits.
struct Query {
  class Channel* channel;
  Lookup* lookup;
};

// One c-ares channel with its descriptors and clock. Nobody's code runs inside a call of c-ares (results
// are delivered in a later turn), so that a channel is never cancelled or destroyed from there, which
// would be a double free in c-ares 1.18.
class Channel final : public Deferred {
 public:
  Channel(UvLoop& loop, CaresResolver& resolver)
      : loop_(loop), resolver_(resolver), timer_(loop, [this] { run(ARES_SOCKET_BAD, ARES_SOCKET_BAD); }) {}
  ~Channel() override {
    dying_ = true;
    if (ares_ != nullptr) ares_destroy(ares_);
  }
  // `lookups`: "f" for the hosts file, "b" for DNS, in order.
  Result<void> open(const ResolverOptions& options, const char* lookups, bool tcp, const std::vector<Address>& servers);
  void ask(const std::string& name, int family, Lookup& lookup);
  int asked() const { return asked_; }
  size_t waiting() const { return waiting_; }

 private:
  // A descriptor of c-ares.
  struct Socket final : PollTarget {
    Socket(Channel& channel, int fd) : channel(channel), fd(fd) {}
    void on_poll(int status, int events) override {
      const bool read = status < 0 || (events & UV_READABLE) != 0, write = status < 0 || (events & UV_WRITABLE) != 0;
      channel.run(read ? fd : ARES_SOCKET_BAD, write ? fd : ARES_SOCKET_BAD);  // may end this socket
    }
    Channel& channel;
    const int fd;
    int wanted = 0;
    PollPtr poll;
  };

  void run(ares_socket_t readable, ares_socket_t writable);
  void set_timer();
  void on_socket(int fd, int mask);
  static void on_answer(void* arg, int status, int timeouts, ares_addrinfo* found);

  UvLoop& loop_;
  CaresResolver& resolver_;
  ares_channel ares_ = nullptr;
  std::vector<std::unique_ptr<Socket>> sockets_;
  Timer timer_;
  size_t waiting_ = 0;
  int asked_ = 0;
  bool dying_ = false;
};

// What the caller of resolve() holds: one name, asked for once or, by family, twice.
class Lookup final : public Resolving {
 public:
  Lookup(UvLoop& loop, CaresResolver* resolver, const std::string& name, Family family, ResolveEvents& events)
      : resolver_(resolver), name_(name), family_(family), events_(events), later_(loop, [this] { deliver(); }) {}
  ~Lookup() override;

  void start();
  void fail(int status, const char* text = nullptr) {
    status_ = status;
    text_ = text;
    later_.start(0);
  }
  void on_answer(int status, const ares_addrinfo* found);
  void forget_resolver() { resolver_ = nullptr; }
  void asked(Query* query) { query_ = query; }

 private:
  void ask(int family);
  void take(const ares_addrinfo& found);
  void take_loopback();
  void deliver();

  CaresResolver* resolver_;
  const std::string name_;
  const Family family_;
  ResolveEvents& events_;
  Timer later_;
  Query* query_ = nullptr;  // while c-ares works on it
  Resolved result_;
  int status_ = ARES_SUCCESS;
  const char* text_ = nullptr;       // instead of c-ares' words
  int first_status_ = ARES_SUCCESS;  // of the preferred family
  bool second_ = false;
};

class CaresResolver final : public Resolver {
 public:
  CaresResolver(UvLoop& loop, const ResolverOptions& options) : loop_(loop), options_(options) {}
  ~CaresResolver() override {
    channel_.reset();
    hosts_.reset();
    retired_.clear();
    for (Lookup* lookup : lookups_) lookup->forget_resolver();
  }
  Result<void> open();
  std::unique_ptr<Resolving> resolve(const std::string& name, Family family, ResolveEvents& events) override;

  const ResolverOptions& options() const { return options_; }
  Result<Channel*> channel(bool local);
  void drop_if_idle(Channel& channel);
  void forget(Lookup& lookup) { lookups_.erase(&lookup); }

 private:
  Result<void> read_servers();
  bool system_changed();
  Result<void> renew();

  UvLoop& loop_;
  const ResolverOptions options_;
  std::vector<Address> servers_;
  bool tcp_ = false;
  std::unique_ptr<Channel> channel_;
  std::unique_ptr<Channel> hosts_;                 // made for the first local name
  std::vector<std::unique_ptr<Channel>> retired_;  // with answers still to come
  std::unordered_set<Lookup*> lookups_;
  struct stat system_ {};  // of the file that names the system's servers, when the channel was made
};

// --- Channel

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

void Channel::ask(const std::string& name, int family, Lookup& lookup) {
  auto* query = new Query{this, &lookup};
  lookup.asked(query);
  ++waiting_;
  asked_ += family == AF_UNSPEC ? 2 : 1;
  ares_addrinfo_hints hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NOSORT;  // sorting opens a socket for each address
  ares_getaddrinfo(ares_, name.c_str(), nullptr, &hints, on_answer, query);
  set_timer();
}

void Channel::on_answer(void* arg, int status, int, ares_addrinfo* found) {
  std::unique_ptr<Query> query(static_cast<Query*>(arg));
  --query->channel->waiting_;
  if (query->lookup != nullptr) query->lookup->on_answer(status, found);
  if (found != nullptr) ares_freeaddrinfo(found);
}

void Channel::run(ares_socket_t readable, ares_socket_t writable) {
  const ares_socket_t fd = readable != ARES_SOCKET_BAD ? readable : writable;
  ares_process_fd(ares_, readable, writable);
  // libuv stops watching a descriptor that has an error; c-ares may go on using it.
  for (auto& socket : sockets_) {
    if (socket->fd == fd) socket->poll->watch(socket->wanted);
  }
  set_timer();
  resolver_.drop_if_idle(*this);
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

// --- Lookup

Lookup::~Lookup() {
  if (query_ != nullptr) query_->lookup = nullptr;
  if (resolver_ != nullptr) resolver_->forget(*this);
}

void Lookup::start() {
  switch (family_) {
    case Family::v4_preferred:
    case Family::v4_only:
      return ask(AF_INET);
    case Family::v6_only:
    case Family::automatic:
      return ask(AF_INET6);
    case Family::all:
      return ask(AF_UNSPEC);
  }
}

void Lookup::ask(int family) {
  auto channel = resolver_->channel(is_local_name(name_));
  if (!channel) return fail(ARES_ENOMEM);
  (*channel)->ask(name_, family, *this);
}

void Lookup::on_answer(int status, const ares_addrinfo* found) {
  query_ = nullptr;
  if (status == ARES_SUCCESS && found != nullptr) take(*found);
  fail(status == ARES_SUCCESS && result_.addresses.empty() ? ARES_ENODATA : status);
}

void Lookup::take(const ares_addrinfo& found) {
  int ttl = -1;
  const auto shorten = [&ttl](int other) { ttl = ttl < 0 ? std::max(other, 0) : std::min(ttl, std::max(other, 0)); };
  for (const ares_addrinfo_cname* c = found.cnames; c != nullptr; c = c->next) shorten(c->ttl);
  for (const ares_addrinfo_node* n = found.nodes; n != nullptr; n = n->ai_next) {
    if (n->ai_family != AF_INET && n->ai_family != AF_INET6) continue;
    shorten(n->ai_ttl);
    if (result_.addresses.size() >= resolver_->options().max_addresses) continue;
    Address address = Address::from(n->ai_addr, n->ai_addrlen);
    address.set_port(0);
    const auto& have = result_.addresses;
    if (std::find(have.begin(), have.end(), address) == have.end()) result_.addresses.push_back(address);
  }
  result_.ttl = ttl > 0 ? Millis(ttl) * 1000 : 0;
}

bool is_absence(int status) {
  return status == ARES_ENODATA || status == ARES_ENOTFOUND;
}

// Answers of a server, as opposed to silence: worth asking it for the other family.
bool was_answered(int status) {
  return is_absence(status) || status == ARES_EFORMERR || status == ARES_ESERVFAIL || status == ARES_ENOTIMP ||
         status == ARES_EREFUSED || status == ARES_EBADRESP ||
         status == ARES_ECONNREFUSED;  // also what c-ares makes of SERVFAIL from every server
}

void Lookup::take_loopback() {
  if (family_ != Family::v6_only) result_.addresses.push_back(*Address::ip("127.0.0.1", 0));
  if (family_ == Family::v6_only || family_ == Family::all) result_.addresses.push_back(*Address::ip("::1", 0));
  status_ = ARES_SUCCESS;
}

// The events may delete this object.
void Lookup::deliver() {
  if (status_ == ARES_SUCCESS) return events_.on_resolved(std::move(result_));
  const bool two = family_ == Family::v4_preferred || family_ == Family::automatic;
  if (two && !second_ && resolver_ != nullptr && was_answered(status_)) {
    second_ = true;
    first_status_ = status_;
    return ask(family_ == Family::automatic ? AF_INET : AF_INET6);
  }
  if (was_answered(status_) && is_local_name(name_)) {
    take_loopback();
    return events_.on_resolved(std::move(result_));
  }
  // A name is absent only when both families say so; a server's failure must not look like absence.
  const int status = second_ && is_absence(status_) ? first_status_ : status_;
  events_.on_resolve_failed(status, text_ != nullptr ? text_ : ares_strerror(status));
}

// --- CaresResolver

// "udp://1.1.1.1", "tcp://[::1]:53", "1.1.1.1:53", "::1".
Result<void> CaresResolver::read_servers() {
  if (options_.servers.size() > kMaxServers) {
    return Error{kEinval, "at most " + std::to_string(kMaxServers) + " DNS servers can be used"};
  }
  size_t udp = 0, tcp = options_.use_tcp ? 1 : 0;
  for (const std::string& text : options_.servers) {
    Bytes rest = text;
    if (rest.substr(0, 6) == "udp://") {
      ++udp;
      rest.remove_prefix(6);
    } else if (rest.substr(0, 6) == "tcp://") {
      ++tcp;
      rest.remove_prefix(6);
    }
    Bytes bare = rest;
    if (bare.size() > 2 && bare.front() == '[' && bare.back() == ']') bare = bare.substr(1, bare.size() - 2);
    Result<Address> address = Address::ip(bare, 53);
    if (!address) address = Address::parse(rest);
    if (!address || address->is_unix() || address->is_dual_stack() || address->port() == 0) {
      return Error{kEinval, "DNS server \"" + text + "\": expected [udp://|tcp://]IP[:PORT]"};
    }
    servers_.push_back(*address);
  }
  // c-ares speaks one protocol to all servers of a channel.
  if (udp > 0 && tcp > 0) return Error{kEinval, "DNS servers: udp:// cannot be combined with tcp:// or use_tcp"};
  tcp_ = tcp > 0;
  return {};
}

Result<void> CaresResolver::open() {
  if (options_.tries < 1) return Error{kEinval, "DNS: the number of tries must be at least 1"};
  if (options_.udp_max_queries < 0) return Error{kEinval, "DNS: udp_max_queries cannot be negative"};
  if (auto read = read_servers(); !read) return read;
  return renew();
}

// c-ares 1.18 reads resolv.conf once in a channel's life.
bool CaresResolver::system_changed() {
  if (!servers_.empty()) return false;
  struct stat now {};
  if (stat("/etc/resolv.conf", &now) != 0) return false;
  return now.st_ino != system_.st_ino || now.st_size != system_.st_size ||
         now.st_mtim.tv_sec != system_.st_mtim.tv_sec || now.st_mtim.tv_nsec != system_.st_mtim.tv_nsec;
}

Result<void> CaresResolver::renew() {
  auto fresh = std::make_unique<Channel>(loop_, *this);
  struct stat system {};
  stat("/etc/resolv.conf", &system);
  if (auto opened = fresh->open(options_, "fb", tcp_, servers_); !opened) return opened;
  system_ = system;
  if (channel_ != nullptr && channel_->waiting() > 0) retired_.push_back(std::move(channel_));
  channel_ = std::move(fresh);
  return {};
}

// New sockets, with new source ports, after udp_max_queries questions. For local names, a channel that has
// only the hosts file.
Result<Channel*> CaresResolver::channel(bool local) {
  if (local) {
    if (hosts_ == nullptr) {
      auto hosts = std::make_unique<Channel>(loop_, *this);
      if (auto opened = hosts->open(options_, "f", false, {}); !opened) return opened.error();
      hosts_ = std::move(hosts);
    }
    return hosts_.get();
  }
  const bool worn = !tcp_ && options_.udp_max_queries > 0 && channel_->asked() >= options_.udp_max_queries;
  if (worn || system_changed()) {
    // The old channel goes on serving if a new one cannot be had.
    if (auto renewed = renew(); !renewed && channel_ == nullptr) return renewed.error();
  }
  return channel_.get();
}

void CaresResolver::drop_if_idle(Channel& channel) {
  if (&channel == channel_.get() || channel.waiting() > 0) return;
  const auto it = std::find_if(retired_.begin(), retired_.end(), [&](auto& c) { return c.get() == &channel; });
  if (it == retired_.end()) return;
  loop_.defer_delete(std::move(*it));  // it is on the stack
  retired_.erase(it);
}

std::unique_ptr<Resolving> CaresResolver::resolve(const std::string& name, Family family, ResolveEvents& events) {
  auto lookup = std::make_unique<Lookup>(loop_, this, name, family, events);
  lookups_.insert(lookup.get());
  if (name.empty() || name.size() > kMaxName || name.find('\0') != std::string::npos) {
    lookup->fail(ARES_EBADNAME);
  } else if (lookups_.size() > kMaxLookups) {
    lookup->fail(ARES_ENOMEM, "too many lookups are under way");
  } else {
    lookup->start();
  }
  return lookup;
}

}  // namespace

Result<std::unique_ptr<Resolver>> make_resolver(UvLoop& loop, const ResolverOptions& options) {
  auto resolver = std::make_unique<CaresResolver>(loop, options);
  if (auto opened = resolver->open(); !opened) return opened.error();
  return std::unique_ptr<Resolver>(std::move(resolver));
}

}  // namespace cardea::net
