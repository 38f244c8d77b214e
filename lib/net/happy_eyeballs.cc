// Connecting to several addresses of one host, the first to answer wins.
#include "net/happy_eyeballs.h"

#include <errno.h>

namespace cardea::net {

namespace {

constexpr Millis kAttemptDelay = 250;  // RFC 8305 8

class Race final : public Connecting {
 public:
  Race(Loop& loop, Network& network, std::vector<Address> addresses, ConnectEvents& events)
      : network_(network), addresses_(std::move(addresses)), events_(events), next_(loop, [this] { on_time(); }) {}

  void start() {
    if (addresses_.empty()) return next_.start(0);
    runners_.reserve(addresses_.size());
    start_next();
  }

 private:
  struct Runner final : ConnectEvents {
    explicit Runner(Race& race) : race(race) {}
    void on_connected(std::unique_ptr<Stream> stream) override { race.won(std::move(stream)); }
    void on_connect_failed(int e) override { race.failed(*this, e); }
    Race& race;
    std::unique_ptr<Connecting> connecting;
    int error = 0;
  };

  void on_time() {
    if (addresses_.empty()) return events_.on_connect_failed(EDESTADDRREQ);
    start_next();
  }

  void start_next() {
    Runner& runner = *runners_.emplace_back(std::make_unique<Runner>(*this));
    runner.connecting = network_.connect(addresses_[runners_.size() - 1], runner);
    if (runners_.size() == addresses_.size()) return next_.stop();
    next_.start(kAttemptDelay);
  }

  // The events may delete this object.
  void won(std::unique_ptr<Stream> stream) {
    next_.stop();
    ConnectEvents& events = events_;
    for (auto& runner : runners_) runner->connecting.reset();
    events.on_connected(std::move(stream));
  }

  void failed(Runner& runner, int error) {
    runner.error = error;
    runner.connecting.reset();
    // An older one that fails late does not hurry those that were begun after it.
    if (runners_.size() < addresses_.size()) {
      if (&runner == runners_.back().get()) start_next();
      return;
    }
    for (auto& other : runners_) {
      if (other->connecting) return;
    }
    events_.on_connect_failed(runners_.front()->error);
  }

  Network& network_;
  const std::vector<Address> addresses_;
  ConnectEvents& events_;
  Timer next_;
  std::vector<std::unique_ptr<Runner>> runners_;  // of the first addresses, in order
};

}  // namespace

std::unique_ptr<Connecting> connect_first(Loop& loop, Network& network, std::vector<Address> addresses,
                                          ConnectEvents& events) {
  if (addresses.size() == 1) return network.connect(addresses[0], events);
  auto race = std::make_unique<Race>(loop, network, std::move(addresses), events);
  race->start();
  return race;
}

}  // namespace cardea::net
