// A worker's listeners: their sockets, and the configuration that new connections get.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "net/net.h"

namespace cardea::proxy {

class Worker;

class Listening {
 public:
  explicit Listening(Worker& worker);
  ~Listening();

  // Binds every listener of this snapshot, or none.
  Result<void> open(const config::Snapshot& snapshot);
  // Keeps what is there, binds what is new and lets go of the rest, whose names it gives. What cannot be bound is
  // logged and left out.
  std::vector<std::string> change(const config::Snapshot& next);
  // One listener's sockets close, or all of them do.
  void stop(const std::string& listener);
  void stop();
  // Those of `snapshot` that were stopped listen again; failures are logged.
  void again(const config::Snapshot& snapshot);

  std::vector<net::Address> addresses() const;           // in the order of the snapshot's listeners
  const config::Listener* listener(size_t index) const;  // null: there is none

 private:
  struct Bound;
  Result<std::unique_ptr<Bound>> bind(const config::Listener& config, uint64_t generation);
  std::unique_ptr<Bound> bind_or_log(const config::Listener& config, uint64_t generation);
  std::unique_ptr<Bound> take(const std::string& name);

  Worker& worker_;
  std::vector<std::unique_ptr<Bound>> bound_;
};

}  // namespace cardea::proxy
