// A loop, a clock and a network in memory, for tests of everything above net/.
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
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/net.h"

namespace cardea::net {

// Time that stands still until it is told to move.
class FakeClock : public Clock {
 public:
  Millis monotonic = 1000000;
  int64_t unix_time = 1700000000000;

  Millis monotonic_ms() override { return monotonic; }
  int64_t unix_ms() override { return unix_time; }
  void move(Millis by) {
    monotonic += by;
    unix_time += int64_t(by);
  }
};

class FakeLoop final : private FakeClock, public Loop {
 public:
  FakeLoop() : Loop(static_cast<FakeClock&>(*this)) {}

  FakeClock& clock() { return *this; }
  // Runs turns until nothing is due. A loop that never comes to rest is a failure of the test.
  void run() {
    for (int turns = 0; turns < 1000000; ++turns) {
      update_time();
      const bool woken = woken_.exchange(false);
      const Millis next = next_deadline();
      if (!woken && (next == 0 || next > now())) return;
      run_due();
    }
    ADD_FAILURE() << "the loop never comes to rest";
  }
  // Moves time on, stopping wherever something is due.
  void advance(Millis by) {
    run();
    const Millis end = monotonic + by;
    for (;;) {
      const Millis next = next_deadline();
      if (next == 0 || next > end) break;
      move(next > monotonic ? next - monotonic : 0);
      run();
    }
    move(end - monotonic);
    run();
  }

 protected:
  void wake() override { woken_ = true; }
  void rearm() override {}

 private:
  std::atomic<bool> woken_{false};
};

class FakeStream;

// What two ends of a connection share: what is on its way, and how the ends are. Made by FakeNetwork.
class FakePeer : public std::enable_shared_from_this<FakePeer> {
 public:
  explicit FakePeer(Loop& loop) : loop_(loop) {}

  // What the code under test did.
  std::string received;    // all that it wrote and the "kernel" took
  bool eof = false;        // it shut its side down, or closed
  bool closed = false;     // it deleted its stream
  bool was_reset = false;  // with set_reset_on_close()
  size_t writes = 0;       // calls of write() that came here, so "system calls"
  bool nodelay = true;
  unsigned keepalive = 0;

  // What the test does. After eof(), close() or reset() there is nothing more to send.
  void send(Bytes bytes);              // each send() is at least one on_data
  void send_bytewise(Bytes bytes);     // each byte is an on_data of its own
  void send_eof();                     // FIN: on_eof after what was sent
  void close();                        // FIN, and what the stream writes from now on is answered by RST
  void reset(int error = ECONNRESET);  // on_error after what was sent
  // How much the "kernel" takes: everything at once; at most so much in one write (the rest in later
  // turns); at most so much in all until release_writes().
  void limit_writes(size_t bytes) { write_limit_ = bytes; }
  void set_window(size_t bytes);
  void hold_writes() { set_window(0); }
  void release_writes() { set_window(SIZE_MAX); }
  void limit_reads(size_t bytes) { read_limit_ = bytes; }  // of one on_data
  size_t unread() const;                                   // sent by the test, and not taken by the stream yet
  size_t queued() const;                                   // written by the stream, and not taken by the kernel yet
  std::string take() { return std::exchange(received, {}); }
  FakeStream* stream() { return stream_; }  // null once deleted
  // Called, in a turn, after bytes or an end have come. Optional.
  std::function<void(FakePeer&)> on_change;

 private:
  friend class FakeStream;
  void changed();

  Loop& loop_;
  FakeStream* stream_ = nullptr;
  std::deque<std::string> inbox_;  // on its way to the stream
  bool inbox_eof_ = false;
  int inbox_error_ = 0;
  bool gone_ = false;  // close() was called
  size_t window_ = SIZE_MAX;
  size_t write_limit_ = SIZE_MAX;
  size_t read_limit_ = SIZE_MAX;
  bool change_queued_ = false;
};

class FakeStream final : public Stream {
 public:
  FakeStream(Loop& loop, std::shared_ptr<FakePeer> far, const Address& peer, const Address& local)
      : loop_(loop), far_(std::move(far)), peer_(peer), local_(local), self_(std::make_shared<FakeStream*>(this)) {
    far_->stream_ = this;
  }
  ~FakeStream() override {
    far_->stream_ = nullptr;
    far_->closed = true;
    far_->eof = !reset_;
    far_->was_reset = reset_;
    far_->changed();
    if (open_count != nullptr) --*open_count;
  }

  void set_events(StreamEvents* events) override {
    events_ = events;
    pump_later();
  }
  void start_read(size_t max_bytes) override {
    max_read_ = std::clamp<size_t>(max_bytes, 1, Loop::kReadBuffer);
    reading_ = true;
    pump_later();
  }
  void stop_read() override { reading_ = false; }
  void write(const Slice* slices, size_t count) override {
    if (shutdown_) ADD_FAILURE() << "write() after shutdown()";
    if (broken_) return;
    const bool was_empty = queue_.empty();
    const size_t before = queue_.size();
    for (size_t i = 0; i < count; ++i) queue_.append(slices[i].data, slices[i].size);
    if (queue_.size() == before) return;
    if (was_empty) transmit();
    if (!queue_.empty()) pump_later();
  }
  size_t queued() const override { return queue_.size(); }
  void shutdown() override {
    if (std::exchange(shutdown_, true)) return;
    if (queue_.empty()) tell_shutdown();
  }
  void set_reset_on_close() override { reset_ = true; }
  const Address& peer() const override { return peer_; }
  const Address& local() const override { return local_; }
  void set_nodelay(bool on) override { far_->nodelay = on; }
  void set_keepalive(unsigned seconds) override { far_->keepalive = seconds; }
  bool reading() const { return reading_; }

  std::shared_ptr<size_t> open_count;

  // One event at most in one turn, so that tests see every boundary.
  void pump_later() {
    if (std::exchange(pump_queued_, true)) return;
    loop_.next_turn([weak = std::weak_ptr<FakeStream*>(self_)] {
      if (auto self = weak.lock()) (*self)->pump();
    });
  }

 private:
  void pump() {
    pump_queued_ = false;
    if (told_ || events_ == nullptr) return;
    if (broken_ && !(reading_ && !far_->inbox_.empty())) return fail(broken_);
    if (!queue_.empty() && far_->window_ > 0) {
      transmit();
      if (!broken_ && queue_.empty()) {
        if (shutdown_) tell_shutdown();
        pump_later();
        return events_->on_drained();
      }
      pump_later();
    }
    if (!far_->inbox_.empty()) {
      if (reading_) deliver();
      return;
    }
    if (far_->inbox_error_ != 0) return fail(far_->inbox_error_);
    if (far_->inbox_eof_ && reading_ && !eof_) {
      eof_ = true;
      events_->on_eof();
    }
  }
  void deliver() {
    std::string& front = far_->inbox_.front();
    const size_t n = std::min({front.size(), max_read_, far_->read_limit_});
    loop_.flush_now();  // several streams may deliver in one turn, from one buffer that may be borrowed still
    if (told_ || events_ == nullptr || !reading_ || far_->inbox_.empty()) return pump_later();
    memcpy(loop_.read_buffer(), front.data(), n);
    front.erase(0, n);
    if (front.empty()) far_->inbox_.pop_front();
    pump_later();
    events_->on_data(loop_.read_buffer(), n);
  }
  // One system call.
  void transmit() {
    if (far_->inbox_error_ != 0 || far_->gone_) {
      broken_ = far_->inbox_error_ != 0 ? far_->inbox_error_ : ECONNRESET;
      queue_.clear();
      return pump_later();
    }
    if (far_->window_ == 0) return;
    const size_t n = std::min({queue_.size(), far_->write_limit_, far_->window_});
    if (far_->window_ != SIZE_MAX) far_->window_ -= n;
    far_->received.append(queue_, 0, n);
    ++far_->writes;
    queue_.erase(0, n);
    far_->changed();
  }
  void tell_shutdown() {
    if (broken_) return;
    far_->eof = true;
    far_->changed();
  }
  void fail(int error) {
    told_ = true;
    broken_ = error;
    queue_.clear();
    events_->on_error(StreamError{StreamError::os, error, strerror(error)});
  }

  Loop& loop_;
  std::shared_ptr<FakePeer> far_;
  const Address peer_, local_;
  std::shared_ptr<FakeStream*> self_;
  StreamEvents* events_ = nullptr;
  std::string queue_;
  size_t max_read_ = 0;
  int broken_ = 0;
  bool reading_ = false, shutdown_ = false, reset_ = false, eof_ = false, told_ = false, pump_queued_ = false;
};

inline void FakePeer::send(Bytes bytes) {
  if (inbox_eof_ || inbox_error_ != 0) ADD_FAILURE() << "the peer has ended already";
  if (!bytes.empty()) inbox_.emplace_back(bytes);
  if (stream_ != nullptr) stream_->pump_later();
}
inline void FakePeer::send_bytewise(Bytes bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) send(bytes.substr(i, 1));
}
inline void FakePeer::send_eof() {
  inbox_eof_ = true;
  if (stream_ != nullptr) stream_->pump_later();
}
inline void FakePeer::close() {
  gone_ = true;
  send_eof();
}
inline void FakePeer::reset(int error) {
  inbox_error_ = error;
  if (stream_ != nullptr) stream_->pump_later();
}
inline void FakePeer::set_window(size_t bytes) {
  window_ = bytes;
  if (stream_ != nullptr) stream_->pump_later();
}
inline size_t FakePeer::unread() const {
  size_t n = 0;
  for (auto& s : inbox_) n += s.size();
  return n;
}
inline size_t FakePeer::queued() const {
  return stream_ != nullptr ? stream_->queued() : 0;
}
inline void FakePeer::changed() {
  if (!on_change || std::exchange(change_queued_, true)) return;
  loop_.next_turn([weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->change_queued_ = false;
    if (self->on_change) self->on_change(*self);
  });
}

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
  std::vector<ResolverOptions> resolvers;  // every one that was made

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
        result.addresses = v4;
        result.addresses.insert(result.addresses.end(), v6.begin(), v6.end());
        break;
    }
    if (result.addresses.empty()) return events.on_resolve_failed(4, "not found");
    if (result.addresses.size() > max_) result.addresses.resize(max_);
    events.on_resolved(std::move(result));
  }

  FakeNetwork& network_;
  const std::string name_;
  const Family family_;
  const size_t max_;
  ResolveEvents& events_;
  Timer timer_;
};

class FakeNetwork::FakeResolver final : public Resolver {
 public:
  FakeResolver(FakeNetwork& network, size_t max) : network_(network), max_(max) {}
  std::unique_ptr<Resolving> resolve(const std::string& name, Family family, ResolveEvents& events) override {
    return std::make_unique<FakeResolving>(network_, name, family, max_, events);
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
  resolvers.push_back(options);
  return std::unique_ptr<Resolver>(std::make_unique<FakeResolver>(*this, options.max_addresses));
}

}  // namespace cardea::net
