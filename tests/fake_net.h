// A network in memory, with its loop, clock and streams, for tests of everything above net/.
//
//   FakeLoop loop;
//   FakeNetwork network(loop);
//   auto& service = network.serve("10.0.0.1:80");          // connect() to it works from now on
//   auto client = network.dial("127.0.0.1:8080");          // to a listener made by network.listen()
//   client->send("GET / HTTP/1.1\r\n\r\n");
//   loop.run();                                            // until nothing is due
//   service.last()->send("HTTP/1.1 200 OK\r\n\r\n");
//   loop.advance(5000);                                    // timers fire in order of time
//   client->received, client->closed, ...
//
// A FakeStream is the end that the code under test owns; its FakePeer is the end that the test holds.
// Every event comes in a Turn of loop.run() or loop.advance(), never from inside a call of the test.
#pragma once

#include <errno.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fake_loop.h"
#include "fake_stream.h"
#include "net/net.h"

namespace cardea::net {
// An address to which the code under test may connect.
struct FakeService {
  std::vector<std::shared_ptr<FakePeer>> connections;         // in order of connecting, closed ones too
  std::function<void(std::shared_ptr<FakePeer>)> on_connect;  // called before the code under test knows
  bool served = false;                                        // else connecting is refused
  int refuse = 0;                                             // errno instead of a connection
  bool blackhole = false;                                     // neither answer nor refusal
  Millis delay = 0;                                           // before either
  size_t attempts = 0;

  std::shared_ptr<FakePeer> last() const { return connections.empty() ? nullptr : connections.back(); }
  size_t open() const {
    return size_t(std::count_if(connections.begin(), connections.end(), [](auto& c) { return !c->closed; }));
  }
};

class FakeNetwork final : public Network {
 public:
  explicit FakeNetwork(Loop& loop) : loop_(loop) {}

  // --- for tests

  FakeService& serve(const std::string& address) {
    FakeService& service = services_[address];
    service.served = true;
    service.refuse = 0;
    service.blackhole = false;
    return service;
  }
  void refuse(const std::string& address, int error = ECONNREFUSED) { services_[address].refuse = error; }
  void blackhole(const std::string& address) { services_[address].blackhole = true; }
  void delay(const std::string& address, Millis ms) { services_[address].delay = ms; }
  // To look at the counters of any address.
  FakeService& service(const std::string& address) { return services_[address]; }

  // A client of a listener that the code under test has made. Null when there is none.
  std::shared_ptr<FakePeer> dial(const std::string& listener, const std::string& from = "203.0.113.7:40000");
  // The listener's accepting fails once.
  void fail_accept(const std::string& listener, int error);
  size_t open_streams() const { return *open_; }
  size_t listeners() const { return listeners_.size(); }

  // A stream by itself, for tests of one object.
  std::pair<std::unique_ptr<Stream>, std::shared_ptr<FakePeer>> stream(const std::string& peer = "203.0.113.7:40000",
                                                                       const std::string& local = "192.0.2.1:443") {
    return make(*Address::parse(peer), *Address::parse(local));
  }

  struct Name {
    std::vector<std::string> addresses;
    Millis ttl = 60000;
    int status = 0;  // of c-ares; not 0: the lookup fails
    std::string text = "failed";
    Millis delay = 0;
    bool hang = false;
    size_t lookups = 0;
    std::vector<Family> families;  // as asked for
  };
  // Names that have no answer fail with 4, c-ares' "not found".
  Name& answer(const std::string& name, std::vector<std::string> addresses, Millis ttl = 60000, Millis delay = 0) {
    Name& n = names_[name];
    n.addresses = std::move(addresses);
    n.ttl = ttl;
    n.delay = delay;
    n.status = 0;
    n.hang = false;
    return n;
  }
  Name& fail_name(const std::string& name, int status, const std::string& text, Millis delay = 0) {
    Name& n = names_[name];
    n.status = status;
    n.text = text;
    n.delay = delay;
    n.hang = false;
    return n;
  }
  Name& hang_name(const std::string& name) {
    Name& n = names_[name];
    n.hang = true;
    return n;
  }
  Name& name(const std::string& name) { return names_[name]; }
  struct Srv {
    std::vector<SrvRecord> records;  // none: the lookup fails
    Millis ttl = 60000;
    int status = 4;  // of c-ares, when it fails
    Millis delay = 0;
    bool hang = false;
    size_t lookups = 0;
  };
  Srv& answer_srv(const std::string& name, std::vector<SrvRecord> records, Millis ttl = 60000, Millis delay = 0) {
    Srv& s = srv_[name];
    s.records = std::move(records);
    s.ttl = ttl;
    s.delay = delay;
    return s;
  }
  Srv& srv(const std::string& name) { return srv_[name]; }
  std::vector<ResolverOptions> resolvers;  // every one that was made
  size_t fail_resolvers = 0;               // so many cannot be made

  // --- Network

  Result<std::unique_ptr<Listener>> listen(const Address& address, const ListenOptions& options,
                                           AcceptEvents& events) override;
  std::unique_ptr<Connecting> connect(const Address& address, ConnectEvents& events) override;
  Result<std::unique_ptr<Stream>> adopt(int) override {
    return Error{kEnotsup, "a network in memory has no descriptors"};
  }
  Result<std::unique_ptr<Resolver>> resolver(const ResolverOptions& options) override;

 private:
  class FakeListener;
  class FakeConnecting;
  class FakeResolver;
  class FakeResolving;
  class FakeSrvResolving;

  std::pair<std::unique_ptr<Stream>, std::shared_ptr<FakePeer>> make(const Address& peer, const Address& local) {
    auto far = std::make_shared<FakePeer>(loop_);
    auto stream = std::make_unique<FakeStream>(loop_, far, peer, local);
    stream->open_count = open_;
    ++*open_;
    return {std::move(stream), far};
  }
  FakeListener* find_listener(const std::string& address);

  Loop& loop_;
  std::map<std::string, FakeService> services_;
  std::map<std::string, Name> names_;
  std::map<std::string, Srv> srv_;
  std::vector<FakeListener*> listeners_;
  std::shared_ptr<size_t> open_ = std::make_shared<size_t>(0);
  uint16_t next_port_ = 10000;
};

class FakeNetwork::FakeListener final : public Listener {
 public:
  FakeListener(FakeNetwork& network, const Address& address, bool reuse, AcceptEvents& events)
      : address_(address),
        reuse_(reuse),
        network_(network),
        events_(events),
        self_(std::make_shared<FakeListener*>(this)) {
    network_.listeners_.push_back(this);
  }
  ~FakeListener() override {
    auto& all = network_.listeners_;
    all.erase(std::find(all.begin(), all.end(), this));
  }
  const Address& address() const override { return address_; }
  void pause() override { paused_ = true; }
  void resume() override {
    paused_ = false;
    accept_later();
  }
  void arrive(std::unique_ptr<Stream> stream, int error) {
    waiting_.emplace_back(std::move(stream), error);
    accept_later();
  }
  bool reuse() const { return reuse_; }

 private:
  void accept_later() {
    network_.loop_.next_turn([weak = std::weak_ptr<FakeListener*>(self_)] {
      auto self = weak.lock();
      while (self != nullptr && !(*self)->paused_ && !(*self)->waiting_.empty()) {
        auto [stream, error] = std::move((*self)->waiting_.front());
        (*self)->waiting_.pop_front();
        if (error != 0) {
          (*self)->events_.on_accept_error(error);
        } else {
          (*self)->events_.on_accept(std::move(stream));
        }
      }
    });
  }
  const Address address_;
  const bool reuse_;
  FakeNetwork& network_;
  AcceptEvents& events_;
  std::shared_ptr<FakeListener*> self_;
  std::deque<std::pair<std::unique_ptr<Stream>, int>> waiting_;
  bool paused_ = false;
};

class FakeNetwork::FakeConnecting final : public Connecting {
 public:
  FakeConnecting(FakeNetwork& network, const Address& address, ConnectEvents& events)
      : network_(network), address_(address), events_(events), timer_(network.loop_, [this] { finish(); }) {
    FakeService& service = network_.services_[address.text()];
    ++service.attempts;
    if (!service.blackhole) timer_.start(service.delay);
  }

 private:
  void finish() {
    FakeService& service = network_.services_[address_.text()];
    if (service.blackhole) return;
    ConnectEvents& events = events_;  // they may delete this
    if (service.refuse != 0 || !service.served) {
      return events.on_connect_failed(service.refuse != 0 ? service.refuse : ECONNREFUSED);
    }
    auto [stream, far] = network_.make(address_, *Address::parse("192.0.2.1:50000"));
    service.connections.push_back(far);
    if (service.on_connect) service.on_connect(far);
    events.on_connected(std::move(stream));
  }

  FakeNetwork& network_;
  const Address address_;
  ConnectEvents& events_;
  Timer timer_;
};

class FakeNetwork::FakeResolving final : public Resolving {
 public:
  FakeResolving(FakeNetwork& network, const std::string& name, Family family, size_t max, ResolveEvents& events)
      : network_(network), name_(name), family_(family), max_(max), events_(events), timer_(network.loop_, [this] {
          finish();
        }) {
    Name& n = network_.names_[name_];
    ++n.lookups;
    n.families.push_back(family);
    if (!n.hang) timer_.start(n.delay);
  }

 private:
  void finish() {
    const Name& n = network_.names_[name_];
    ResolveEvents& events = events_;  // they may delete this
    if (n.hang) return;
    if (n.status != 0) return events.on_resolve_failed(n.status, n.text.c_str());
    std::vector<Address> v4, v6;
    for (auto& text : n.addresses) {
      const Address a = *Address::ip(text, 0);
      (a.family() == AF_INET ? v4 : v6).push_back(a);
    }
    if (v4.size() > max_) v4.resize(max_);
    if (v6.size() > max_) v6.resize(max_);
    Resolved result{{}, n.ttl};
    switch (family_) {
      case Family::v4_only:
        result.addresses = v4;
        break;
      case Family::v6_only:
        result.addresses = v6;
        break;
      case Family::v4_preferred:
        result.addresses = v4.empty() ? v6 : v4;
        break;
      case Family::automatic:
        result.addresses = v6.empty() ? v4 : v6;
        break;
      case Family::all:
        for (size_t i = 0; i < std::max(v4.size(), v6.size()); ++i) {
          if (i < v6.size()) result.addresses.push_back(v6[i]);
          if (i < v4.size()) result.addresses.push_back(v4[i]);
        }
        break;
    }
    if (result.addresses.empty()) return events.on_resolve_failed(4, "not found");
    events.on_resolved(std::move(result));
  }

  FakeNetwork& network_;
  const std::string name_;
  const Family family_;
  const size_t max_;
  ResolveEvents& events_;
  Timer timer_;
};

class FakeNetwork::FakeSrvResolving final : public Resolving {
 public:
  FakeSrvResolving(FakeNetwork& network, const std::string& name, SrvEvents& events)
      : service_(network.srv_[name]), events_(events), timer_(network.loop_, [this] { finish(); }) {
    ++service_.lookups;
    if (!service_.hang) timer_.start(service_.delay);
  }

 private:
  void finish() {
    SrvEvents& events = events_;  // they may delete this
    if (service_.hang) return;
    if (service_.records.empty()) return events.on_resolve_failed(service_.status, "failed");
    events.on_srv({service_.records, service_.ttl});
  }

  Srv& service_;
  SrvEvents& events_;
  Timer timer_;
};

class FakeNetwork::FakeResolver final : public Resolver {
 public:
  FakeResolver(FakeNetwork& network, size_t max) : network_(network), max_(max) {}
  std::unique_ptr<Resolving> resolve(const std::string& name, Family family, ResolveEvents& events) override {
    return std::make_unique<FakeResolving>(network_, name, family, max_, events);
  }
  std::unique_ptr<Resolving> resolve_srv(const std::string& name, SrvEvents& events) override {
    return std::make_unique<FakeSrvResolving>(network_, name, events);
  }

 private:
  FakeNetwork& network_;
  const size_t max_;
};

inline FakeNetwork::FakeListener* FakeNetwork::find_listener(const std::string& address) {
  for (FakeListener* l : listeners_) {
    if (l->address().text() == address) return l;
  }
  return nullptr;
}

inline std::shared_ptr<FakePeer> FakeNetwork::dial(const std::string& listener, const std::string& from) {
  FakeListener* l = find_listener(listener);
  if (l == nullptr) return nullptr;
  auto [stream, far] = make(*Address::parse(from), l->address());
  l->arrive(std::move(stream), 0);
  return far;
}

inline void FakeNetwork::fail_accept(const std::string& listener, int error) {
  if (FakeListener* l = find_listener(listener)) l->arrive(nullptr, error);
}

inline Result<std::unique_ptr<Listener>> FakeNetwork::listen(const Address& address, const ListenOptions& options,
                                                             AcceptEvents& events) {
  Address bound = address;
  if (!bound.is_unix() && bound.port() == 0) bound.set_port(next_port_++);
  const FakeListener* other = find_listener(bound.text());
  if (other != nullptr && !(other->reuse() && options.reuse_port)) {
    return Error{kEaddrinuse, "listen " + bound.text() + ": Address already in use", EADDRINUSE};
  }
  return std::unique_ptr<Listener>(std::make_unique<FakeListener>(*this, bound, options.reuse_port, events));
}

inline std::unique_ptr<Connecting> FakeNetwork::connect(const Address& address, ConnectEvents& events) {
  return std::make_unique<FakeConnecting>(*this, address, events);
}

inline Result<std::unique_ptr<Resolver>> FakeNetwork::resolver(const ResolverOptions& options) {
  if (fail_resolvers > 0) {
    --fail_resolvers;
    return Error{kEio, "no descriptors", EMFILE};
  }
  resolvers.push_back(options);
  return std::unique_ptr<Resolver>(std::make_unique<FakeResolver>(*this, options.max_addresses));
}

}  // namespace cardea::net
