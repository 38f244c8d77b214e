// Inside net/ only: one c-ares channel on the loop's own descriptors and timer.
#pragma once

#include <ares.h>

#include "net/sockets.h"

namespace cardea::net {

class Channel;

// One question to c-ares. Belongs to c-ares until it has called back; `asker` is null once nobody waits.
struct Query {
  Channel* channel;
  class Asker* asker;
};

// Who waits for c-ares. Is told inside a call of c-ares: it may only take note.
class Asker {
 public:
  virtual void on_addresses(int /*status*/, const ares_addrinfo* /*found*/) {}
  virtual void on_reply(int /*status*/, Bytes /*reply*/) {}

 protected:
  ~Asker() {
    if (query_ != nullptr) query_->asker = nullptr;
  }

 private:
  friend class Channel;
  Query* query_ = nullptr;  // while c-ares works on it
};

class ChannelOwner {
 public:
  virtual void on_served(Channel& channel) = 0;  // it may have nothing to do now; it is on the stack

 protected:
  ~ChannelOwner() = default;
};

// One c-ares channel with its descriptors and clock. Nobody's code runs inside a call of c-ares (results
// are delivered in a later turn), so that a channel is never cancelled or destroyed from there, which
// would be a double free in c-ares 1.18.
class Channel final : public Deferred {
 public:
  Channel(UvLoop& loop, ChannelOwner& owner)
      : loop_(loop), owner_(owner), timer_(loop, [this] { run(ARES_SOCKET_BAD, ARES_SOCKET_BAD); }) {}
  ~Channel() override {
    dying_ = true;
    if (ares_ != nullptr) ares_destroy(ares_);
  }
  // `lookups`: "f" for the hosts file, "b" for DNS, in order.
  Result<void> open(const ResolverOptions& options, const char* lookups, bool tcp, const std::vector<Address>& servers);
  void ask(const std::string& name, int family, Asker& asker);  // addresses
  void ask_srv(const std::string& name, Asker& asker);          // the reply as it came
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
  Query* begin(Asker& asker);
  static Asker* end(void* arg);
  static void on_addresses(void* arg, int status, int timeouts, ares_addrinfo* found);
  static void on_reply(void* arg, int status, int timeouts, unsigned char* bytes, int size);

  UvLoop& loop_;
  ChannelOwner& owner_;
  ares_channel ares_ = nullptr;
  std::vector<std::unique_ptr<Socket>> sockets_;
  Timer timer_;
  size_t waiting_ = 0;
  int asked_ = 0;
  bool dying_ = false;
};

}  // namespace cardea::net
