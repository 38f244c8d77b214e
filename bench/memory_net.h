// A loop and a network in memory whose own cost is a copy of each byte: no allocation, no closure, no system call.
//
// Nothing moves by itself: the owner of a FarEnd delivers what it sends, and lets the loop settle.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/net.h"

namespace cardea::bench {

class StandingClock : public net::Clock {
 public:
  Millis monotonic = 1'000'000;
  Millis monotonic_ms() override { return monotonic; }
  int64_t unix_ms() override { return 1'700'000'000'000 + int64_t(monotonic); }
};

class MemoryLoop final : private StandingClock, public net::Loop {
 public:
  MemoryLoop() : Loop(static_cast<StandingClock&>(*this)) {}
  void advance(Millis by) { monotonic += by; }
  // Everything that is due.
  void settle() {
    update_time();
    for (;;) {
      const Millis next = next_deadline();
      if (!woken_.exchange(false, std::memory_order_relaxed) && (next == 0 || next > now())) return;
      run_due();
    }
  }

 protected:
  void wake() override { woken_ = true; }
  void rearm() override {}

 private:
  std::atomic<bool> woken_{false};
};

class MemoryStream;

// The end of a connection that the benchmark holds.
class FarEnd {
 public:
  // What the proxy writes is appended to `received`, which many ends may share.
  explicit FarEnd(std::string& received) : received_(received) {}
  ~FarEnd();  // either end may go first
  FarEnd(const FarEnd&) = delete;
  // These bytes must last until all of them are delivered.
  void send(Bytes bytes) { unsent_ = bytes; }
  bool idle() const { return unsent_.empty(); }
  std::string& received() { return received_; }
  // One read of the proxy; false: there is nothing to read, or it does not want to.
  bool deliver(net::Loop& loop);
  void close(net::Loop& loop);

 private:
  friend class MemoryStream;
  MemoryStream* stream_ = nullptr;  // the proxy's end, until it lets go of it
  std::string& received_;
  Bytes unsent_;
};

class MemoryStream final : public net::Stream {
 public:
  MemoryStream(FarEnd& far, const net::Address& peer, const net::Address& local)
      : far_(&far), peer_(peer), local_(local) {
    far.stream_ = this;
  }
  ~MemoryStream() override {
    if (far_) far_->stream_ = nullptr;
  }
  void set_events(net::StreamEvents* events) override { events_ = events; }
  void start_read(size_t max_bytes) override { max_read_ = max_bytes; }
  void stop_read() override { max_read_ = 0; }
  void write(const net::Slice* slices, size_t count) override {
    if (!far_) return;
    for (size_t i = 0; i < count; ++i) far_->received_.append(slices[i].data, slices[i].size);
  }
  size_t queued() const override { return 0; }
  void shutdown() override {}
  void set_reset_on_close() override {}
  const net::Address& peer() const override { return peer_; }
  const net::Address& local() const override { return local_; }

 private:
  friend class FarEnd;
  FarEnd* far_;  // null once it is gone
  const net::Address peer_, local_;
  net::StreamEvents* events_ = nullptr;
  size_t max_read_ = 0;  // 0: it does not read
};

inline FarEnd::~FarEnd() {
  if (stream_) stream_->far_ = nullptr;
}
inline bool FarEnd::deliver(net::Loop& loop) {
  if (unsent_.empty() || !stream_ || !stream_->events_ || stream_->max_read_ == 0) return false;
  const size_t n = std::min({unsent_.size(), stream_->max_read_, net::Loop::kReadBuffer});
  net::Loop::Turn turn(loop);
  memcpy(loop.read_buffer(), unsent_.data(), n);
  unsent_.remove_prefix(n);
  stream_->events_->on_data(loop.read_buffer(), n);
  return true;
}
inline void FarEnd::close(net::Loop& loop) {
  net::Loop::Turn turn(loop);
  if (stream_ && stream_->events_) stream_->events_->on_eof();
}

// One listener, and services at every address that the proxy connects to.
class MemoryNetwork final : public net::Network {
 public:
  class Service {
   public:
    virtual FarEnd& accept() = 0;  // a connection; the end outlives it

   protected:
    ~Service() = default;
  };
  MemoryNetwork(net::Loop& loop, Service& service) : loop_(loop), service_(service) {}

  std::unique_ptr<net::Stream> make_client(FarEnd& far) const {
    return std::make_unique<MemoryStream>(far, address("203.0.113.7:40000"), address("192.0.2.1:80"));
  }
  void accept(std::unique_ptr<net::Stream> client) {
    net::Loop::Turn turn(loop_);
    events_->on_accept(std::move(client));
  }

  Result<std::unique_ptr<net::Listener>> listen(const net::Address& at, const net::ListenOptions&,
                                                net::AcceptEvents& events) override {
    events_ = &events;
    return std::unique_ptr<net::Listener>(std::make_unique<Listener>(at));
  }
  std::unique_ptr<net::Connecting> connect(const net::Address& to, net::ConnectEvents& events) override {
    return std::make_unique<Connecting>(*this, to, events);
  }
  Result<std::unique_ptr<net::Stream>> adopt(int) override { return Error{kEnotsup, "adopt"}; }
  Result<std::unique_ptr<net::Resolver>> resolver(const net::ResolverOptions&) override {
    return Error{kEnotsup, "resolver"};
  }

 private:
  static net::Address address(Bytes text) { return *net::Address::parse(text); }
  struct Listener final : net::Listener {
    explicit Listener(const net::Address& at) : at(at) { this->at.set_port(8080); }
    const net::Address& address() const override { return at; }
    void pause() override {}
    void resume() override {}
    net::Address at;
  };
  struct Connecting final : net::Connecting {
    Connecting(MemoryNetwork& network, const net::Address& to, net::ConnectEvents& events)
        : network(network), to(to), events(events), timer(network.loop_, [this] { finish(); }) {
      timer.start(0);
    }
    void finish() {
      events.on_connected(
          std::make_unique<MemoryStream>(network.service_.accept(), to, MemoryNetwork::address("192.0.2.1:50000")));
    }
    MemoryNetwork& network;
    const net::Address to;
    net::ConnectEvents& events;
    net::Timer timer;
  };

  net::Loop& loop_;
  Service& service_;
  net::AcceptEvents* events_ = nullptr;
};

}  // namespace cardea::bench
