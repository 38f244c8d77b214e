// The listening sockets of all workers, and those that come from other programs and go to them.
#include "proxy/listening_sockets.h"

#include <algorithm>

#include <unistd.h>

namespace cardea::proxy {

net::Address ListeningSockets::address_of(const config::Listener& listener) const {
  std::lock_guard lock(mutex_);
  for (const Bound& b : bound_) {
    if (b.name == listener.name) return b.address;
  }
  return {};
}

std::vector<std::shared_ptr<net::ListeningSocket>> ListeningSockets::sockets_of(const config::Listener& listener) {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<net::ListeningSocket>> all;
  for (Adopted& a : adopted_) {
    if (!(a.address == listener.address)) continue;
    a.used = true;
    all.push_back(a.socket);
  }
  if (!all.empty() || !listener.address.is_unix()) return all;
  for (const Bound& b : bound_) {
    if (b.name != listener.name) continue;
    for (const auto& weak : b.sockets) {
      if (auto socket = weak.lock()) return {std::move(socket)};
    }
  }
  return {};
}

void ListeningSockets::remember(const config::Listener& listener, const net::Listener& socket) {
  std::lock_guard lock(mutex_);
  auto known = std::find_if(bound_.begin(), bound_.end(), [&](const Bound& b) { return b.name == listener.name; });
  if (known == bound_.end()) known = bound_.insert(bound_.end(), {listener.name, listener.address, {}, {}});
  known->address = socket.address();
  std::erase_if(known->sockets, [&](const auto& weak) { return weak.expired() || weak.lock() == socket.socket(); });
  known->sockets.push_back(socket.socket());
}

Result<void> ListeningSockets::adopt(int fd) {
  auto socket = net::adopt_listening(fd);
  if (!socket) return socket.error();
  const net::Address address = net::address_of(**socket);
  std::lock_guard lock(mutex_);
  adopted_.push_back({address, std::move(*socket)});
  return {};
}

bool ListeningSockets::has_adopted(const config::Listener& listener) const {
  std::lock_guard lock(mutex_);
  return std::any_of(adopted_.begin(), adopted_.end(), [&](const Adopted& a) { return a.address == listener.address; });
}

void ListeningSockets::keep(const config::Snapshot& snapshot) {
  std::lock_guard lock(mutex_);
  const auto any = [&](auto fits) { return std::any_of(snapshot.listeners.begin(), snapshot.listeners.end(), fits); };
  // A listener that is gone gives its port back: should it return, ":0" is settled anew.
  std::erase_if(bound_, [&](const Bound& b) { return !any([&](const auto& l) { return l.name == b.name; }); });
  std::erase_if(adopted_, [&](const Adopted& a) {
    return a.used && !any([&](const auto& l) { return l.address == a.address; });
  });
}

void ListeningSockets::forget(const std::string& listener) {
  std::lock_guard lock(mutex_);
  for (const Bound& b : bound_) {
    if (b.name != listener) continue;
    std::erase_if(adopted_, [&](const Adopted& a) { return a.address == b.configured; });
  }
}

Result<std::vector<int>> ListeningSockets::duplicates() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<net::ListeningSocket>> all;
  for (const Bound& b : bound_) {
    for (const auto& weak : b.sockets) {
      auto socket = weak.lock();
      if (socket && std::find(all.begin(), all.end(), socket) == all.end()) all.push_back(std::move(socket));
    }
  }
  std::vector<int> fds;
  for (const auto& socket : all) {
    auto fd = net::duplicate(*socket);
    if (!fd) {
      for (int given : fds) ::close(given);
      return fd.error();
    }
    fds.push_back(*fd);
  }
  for (const auto& socket : all) net::leave_file(*socket);
  return fds;
}

}  // namespace cardea::proxy
