// The fixture of tests with real sockets: a loop on libuv that a test steps, and one connected pair.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>

#include "net_events.h"

namespace cardea::net {

// A private loop, driven through its descriptor as a foreign host would.
class UvNet : public testing::Test {
 protected:
  UvNet() : loop(real_clock()) {
    EXPECT_TRUE(loop.open());
    network = uv_network(loop);
  }
  ~UvNet() override {
    near.reset();
    listener.reset();
    acceptor.streams.clear();
    bool closed = false;
    loop.close([&] { closed = true; });
    EXPECT_TRUE(spin([&] { return closed; }));
    EXPECT_TRUE(loop.is_closed());
  }
  template <class Done>
  bool spin(Done done, int limit_ms = 10000) {
    const Millis end = real_clock().monotonic_ms() + Millis(limit_ms);
    while (!done()) {
      const Millis now = real_clock().monotonic_ms();
      if (now >= end) return false;
      pollfd p{loop.fd(), POLLIN, 0};
      const int timeout = loop.timeout(), left = int(end - now);
      poll(&p, 1, timeout < 0 ? left : std::min(timeout, left));
      ++steps;
      loop.step();
    }
    return true;
  }
  // A connected pair; `far` is a plain descriptor of the test.
  void join(const std::string& address = "127.0.0.1:0") {
    auto made = network->listen(*Address::parse(address), {}, acceptor);
    ASSERT_TRUE(made) << made.error().message;
    listener = std::move(*made);
    far = dial(listener->address());
    ASSERT_TRUE(spin([&] { return acceptor.streams.size() == 1; }));
    near = std::move(acceptor.streams[0]);
    acceptor.streams.clear();
    near->set_events(&events);
  }
  static int dial(const Address& address) {
    const int fd = socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(fd, address.sa(), address.len()), 0) << strerror(errno);
    return fd;
  }
  static void reset(int fd) {
    const linger now{1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
  }
  static std::string read_all(int fd) {
    std::string all;
    char buf[65536];
    ssize_t n;
    while ((n = read(fd, buf, sizeof buf)) > 0) all.append(buf, size_t(n));
    return n < 0 ? all + "|" + strerror(errno) : all;
  }

  UvLoop loop;
  std::unique_ptr<Network> network;
  Acceptor acceptor;
  std::unique_ptr<Listener> listener;
  Recorder events;
  std::unique_ptr<Stream> near;
  int far = -1;
  int steps = 0;
};

}  // namespace cardea::net
