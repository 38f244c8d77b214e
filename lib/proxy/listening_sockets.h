// Which sockets the workers of a proxy listen on: the addresses they have, those of a predecessor, those for a
// successor.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "config/config.h"
#include "net/net.h"

namespace cardea::proxy {

// Thread-safe.
class ListeningSockets {
 public:
  // Held from address_of() to remember(): workers that take over a new listener at the same time agree on it.
  std::mutex& binding() { return binding_; }

  // The address that a listener really has ("…:0" is settled by the first worker that binds it); empty: it has none.
  net::Address address_of(const config::Listener& listener) const;
  // What workers accept from instead of binding: what was adopted for this address, else the unix socket of another
  // worker. Empty: bind.
  std::vector<std::shared_ptr<net::ListeningSocket>> sockets_of(const config::Listener& listener);
  void remember(const config::Listener& listener, const net::Listener& socket);

  // A listening socket that somebody else bound; the first configuration that has a listener with its address takes it.
  // The descriptor is ours unless this fails.
  Result<void> adopt(int fd);
  bool has_adopted(const config::Listener& listener) const;
  // Listeners that are not in `snapshot` give back what they had.
  void keep(const config::Snapshot& snapshot);
  // It listens no more: nobody may wait in the queue of an adopted socket.
  void forget(const std::string& listener);
  // New descriptors of all sockets that are listened on, for a successor. From now on unix sockets leave their files.
  Result<std::vector<int>> duplicates() const;

 private:
  struct Bound {
    std::string name;
    net::Address configured, address;
    std::vector<std::weak_ptr<net::ListeningSocket>> sockets;
  };
  struct Adopted {
    net::Address address;
    std::shared_ptr<net::ListeningSocket> socket;
    bool used = false;
  };
  std::mutex binding_;  // taken before mutex_
  mutable std::mutex mutex_;
  std::vector<Bound> bound_;
  std::vector<Adopted> adopted_;
};

}  // namespace cardea::proxy
