// CaresResolver: names to addresses and to SRV records.
#include <strings.h>
#include <sys/stat.h>

#include <algorithm>
#include <unordered_set>

#include "net/dns_channel.h"
#include "net/dns_srv.h"

namespace cardea::net {

namespace {

constexpr size_t kMaxServers = 16;
constexpr size_t kMaxLookups = 4096;  // under way at one time
constexpr size_t kMaxName = 253;

class CaresResolver;

// "localhost" and everything below it never go to a DNS server (RFC 6761 6.3).
bool is_local_name(Bytes name) {
  constexpr Bytes kLocal = "localhost";
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  if (name.size() < kLocal.size()) return false;
  const Bytes end = name.substr(name.size() - kLocal.size());
  return strncasecmp(end.data(), kLocal.data(), kLocal.size()) == 0 &&
         (end.size() == name.size() || name[name.size() - end.size() - 1] == '.');
}

// What the caller of resolve() or resolve_srv() holds: one name, and what became of the question.
class Lookup : public Resolving, public Asker {
 public:
  Lookup(UvLoop& loop, CaresResolver* resolver, const std::string& name)
      : resolver_(resolver), name_(name), later_(loop, [this] { deliver(); }) {}
  ~Lookup() override;

  virtual void start() = 0;
  void fail(int status, const char* text = nullptr) {
    status_ = status;
    text_ = text;
    later_.start(0);
  }
  void forget_resolver() { resolver_ = nullptr; }

 protected:
  virtual void deliver() = 0;
  const char* words(int status) const { return text_ != nullptr ? text_ : ares_strerror(status); }

  CaresResolver* resolver_;
  const std::string name_;
  int status_ = ARES_SUCCESS;

 private:
  Timer later_;
  const char* text_ = nullptr;  // instead of c-ares' words
};

// Addresses, asked for once or, by family, twice.
class AddressLookup final : public Lookup {
 public:
  AddressLookup(UvLoop& loop, CaresResolver* resolver, const std::string& name, Family family, ResolveEvents& events)
      : Lookup(loop, resolver, name), family_(family), events_(events) {}

  void start() override;

 private:
  void on_addresses(int status, const ares_addrinfo* found) override;
  void ask(int family);
  void take(const ares_addrinfo& found);
  void take_loopback();
  void deliver() override;

  const Family family_;
  ResolveEvents& events_;
  Resolved result_;
  int first_status_ = ARES_SUCCESS;  // of the preferred family
  bool second_ = false;
};

class SrvLookup final : public Lookup {
 public:
  SrvLookup(UvLoop& loop, CaresResolver* resolver, const std::string& name, SrvEvents& events)
      : Lookup(loop, resolver, name), events_(events) {}

  void start() override;

 private:
  void on_reply(int status, Bytes reply) override;
  void deliver() override;

  SrvEvents& events_;
  ResolvedSrv result_;
};

class CaresResolver final : public Resolver, public ChannelOwner {
 public:
  CaresResolver(UvLoop& loop, const ResolverOptions& options) : loop_(loop), options_(options) {}
  ~CaresResolver() override {
    channel_.reset();
    hosts_.reset();
    retired_.clear();
    for (Lookup* lookup : lookups_) lookup->forget_resolver();
  }
  Result<void> open();
  std::unique_ptr<Resolving> resolve(const std::string& name, Family family, ResolveEvents& events) override {
    return begin(std::make_unique<AddressLookup>(loop_, this, name, family, events), name);
  }
  std::unique_ptr<Resolving> resolve_srv(const std::string& name, SrvEvents& events) override {
    return begin(std::make_unique<SrvLookup>(loop_, this, name, events), name);
  }

  const ResolverOptions& options() const { return options_; }
  Result<Channel*> channel(bool local);
  void forget(Lookup& lookup) { lookups_.erase(&lookup); }

 private:
  void on_served(Channel& channel) override;
  std::unique_ptr<Resolving> begin(std::unique_ptr<Lookup> lookup, const std::string& name);
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

// --- Lookup

Lookup::~Lookup() {
  if (resolver_ != nullptr) resolver_->forget(*this);
}

void AddressLookup::start() {
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

void AddressLookup::ask(int family) {
  auto channel = resolver_->channel(is_local_name(name_));
  if (!channel) return fail(ARES_ENOMEM);
  (*channel)->ask(name_, family, *this);
}

void AddressLookup::on_addresses(int status, const ares_addrinfo* found) {
  if (status == ARES_SUCCESS && found != nullptr) take(*found);
  fail(status == ARES_SUCCESS && result_.addresses.empty() ? ARES_ENODATA : status);
}

void AddressLookup::take(const ares_addrinfo& found) {
  int ttl = -1;
  const auto shorten = [&ttl](int other) { ttl = ttl < 0 ? std::max(other, 0) : std::min(ttl, std::max(other, 0)); };
  for (const ares_addrinfo_cname* c = found.cnames; c != nullptr; c = c->next) shorten(c->ttl);
  std::vector<Address> v6, v4;
  for (const ares_addrinfo_node* n = found.nodes; n != nullptr; n = n->ai_next) {
    if (n->ai_family != AF_INET && n->ai_family != AF_INET6) continue;
    shorten(n->ai_ttl);
    std::vector<Address>& have = n->ai_family == AF_INET6 ? v6 : v4;
    if (have.size() >= resolver_->options().max_addresses) continue;
    Address address = Address::from(n->ai_addr, n->ai_addrlen);
    address.set_port(0);
    if (std::find(have.begin(), have.end(), address) == have.end()) have.push_back(address);
  }
  for (size_t i = 0; i < std::max(v6.size(), v4.size()); ++i) {
    if (i < v6.size()) result_.addresses.push_back(v6[i]);
    if (i < v4.size()) result_.addresses.push_back(v4[i]);
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

void AddressLookup::take_loopback() {
  if (family_ == Family::v6_only || family_ == Family::all) result_.addresses.push_back(*Address::ip("::1", 0));
  if (family_ != Family::v6_only) result_.addresses.push_back(*Address::ip("127.0.0.1", 0));
  status_ = ARES_SUCCESS;
}

// The events may delete this object.
void AddressLookup::deliver() {
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
  events_.on_resolve_failed(status, words(status));
}

void SrvLookup::start() {
  if (is_local_name(name_)) return fail(ARES_ENOTFOUND);
  auto channel = resolver_->channel(false);
  if (!channel) return fail(ARES_ENOMEM);
  (*channel)->ask_srv(name_, *this);
}

void SrvLookup::on_reply(int status, Bytes reply) {
  fail(status == ARES_SUCCESS ? parse_srv(reply, resolver_->options().max_addresses, result_) : status);
}

// The events may delete this object.
void SrvLookup::deliver() {
  if (status_ == ARES_SUCCESS) return events_.on_srv(std::move(result_));
  events_.on_resolve_failed(status_, words(status_));
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

void CaresResolver::on_served(Channel& channel) {
  if (&channel == channel_.get() || channel.waiting() > 0) return;
  const auto it = std::find_if(retired_.begin(), retired_.end(), [&](auto& c) { return c.get() == &channel; });
  if (it == retired_.end()) return;
  loop_.defer_delete(std::move(*it));  // it is on the stack
  retired_.erase(it);
}

std::unique_ptr<Resolving> CaresResolver::begin(std::unique_ptr<Lookup> lookup, const std::string& name) {
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
