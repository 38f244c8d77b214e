// Binding, keeping and closing a worker's listening sockets.
#include "proxy/listening.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "proxy/worker.h"

namespace cardea::proxy {

// A listener with its sockets: one, or those that a predecessor left.
struct Listening::Bound final : net::AcceptEvents {
  Bound(Worker& worker, config::Listener c, uint64_t generation) : worker(worker), config(std::move(c)) {
    config.certificate_generation = generation;
  }
  void on_accept(std::unique_ptr<net::Stream> stream) override { worker.accept(config, std::move(stream)); }
  void on_accept_error(int error) override {
    add(worker.counters().accept_errors_total);
    log::write(log::error,
               "accept on " + config.name + ": " + strerror(error) +
                   "; accepting goes on when descriptors are free (raise the limit or lower max_connections)");
  }
  Result<void> listen(net::Network& network, const net::Address& at, const net::ListenOptions& options) {
    auto socket = network.listen(at, options, *this);
    if (!socket) return socket.error();
    sockets.push_back(std::move(*socket));
    address = sockets.back()->address();
    return {};
  }
  Worker& worker;
  config::Listener config;
  std::vector<std::unique_ptr<net::Listener>> sockets;  // empty: it was stopped
  net::Address address;
};

Listening::Listening(Worker& worker) : worker_(worker) {}
Listening::~Listening() = default;

Result<std::unique_ptr<Listening::Bound>> Listening::bind(const config::Listener& config, uint64_t generation) {
  auto bound = std::make_unique<Bound>(worker_, config, generation);
  ListeningSockets& all = worker_.proxy().sockets();
  net::ListenOptions options;
  options.unix_mode = config.unix_mode;
  options.reuse_port = !config.address.is_unix();
  std::lock_guard lock(all.binding());
  for (auto& shared : all.sockets_of(config)) {
    options.shared = std::move(shared);
    if (auto done = bound->listen(worker_.network(), config.address, options); !done) return done.error();
  }
  if (bound->sockets.empty()) {
    const net::Address known = all.address_of(config);
    if (!known.len() && config.address.port() && !config.reuse_port) {
      // SO_REUSEPORT would share the port with a stranger in silence: ask without it first.
      if (auto free = net::probe_bind(config.address); !free) return free.error();
    }
    auto done = bound->listen(worker_.network(), known.len() ? known : config.address, options);
    if (!done) return done.error();
  }
  for (const auto& socket : bound->sockets) all.remember(config, *socket);
  return bound;
}

std::unique_ptr<Listening::Bound> Listening::bind_or_log(const config::Listener& config, uint64_t generation) {
  try {
    auto bound = bind(config, generation);
    if (bound) return std::move(*bound);
    log::write(log::error, bound.error().message);
  } catch (const std::bad_alloc&) {  // those that are there stay
  }
  return nullptr;
}

std::unique_ptr<Listening::Bound> Listening::take(const std::string& name) {
  for (auto& b : bound_) {
    if (b && b->config.name == name) return std::move(b);
  }
  return nullptr;
}

Result<void> Listening::open(const config::Snapshot& snapshot) {
  std::vector<std::unique_ptr<Bound>> all;
  for (const config::Listener& l : snapshot.listeners) {
    auto bound = bind(l, snapshot.generation);
    if (!bound) return bound.error();
    all.push_back(std::move(*bound));
  }
  bound_ = std::move(all);
  return {};
}

std::vector<std::string> Listening::change(const config::Snapshot& next) {
  std::vector<std::unique_ptr<Bound>> all;
  all.reserve(next.listeners.size());  // nothing fails while listeners are between the lists
  for (const config::Listener& l : next.listeners) {
    auto kept = take(l.name);
    if (kept) {
      const config::Listener before = std::exchange(kept->config, l);
      kept->config.certificate_generation = next.generation;
      if (before.tls && l.tls && before.tls_options == l.tls_options) {
        kept->config.tls = before.tls;  // its tickets stay valid
        kept->config.certificate_generation = before.certificate_generation;
      }
    } else {
      kept = bind_or_log(l, next.generation);
    }
    if (kept) all.push_back(std::move(kept));
  }
  bound_.swap(all);
  std::vector<std::string> gone;
  for (const auto& b : all) {
    if (b) gone.push_back(b->config.name);
  }
  return gone;
}

void Listening::stop(const std::string& listener) {
  for (const auto& b : bound_) {
    if (!b || b->config.name != listener) continue;
    for (auto& socket : b->sockets) worker_.loop().defer_delete(std::move(socket));
    b->sockets.clear();
  }
  worker_.proxy().sockets().forget(listener);
}

void Listening::stop() {
  for (const auto& b : bound_) {
    if (b) worker_.proxy().sockets().forget(b->config.name);
  }
  bound_.clear();
}

void Listening::again(const config::Snapshot& snapshot) {
  std::vector<std::unique_ptr<Bound>> all;
  all.reserve(snapshot.listeners.size());
  for (const config::Listener& l : snapshot.listeners) {
    auto kept = take(l.name);
    if (!kept || kept->sockets.empty()) kept = bind_or_log(l, snapshot.generation);
    if (kept) all.push_back(std::move(kept));
  }
  bound_ = std::move(all);
}

std::vector<net::Address> Listening::addresses() const {
  std::vector<net::Address> all;
  for (const auto& b : bound_) all.push_back(b->address);
  return all;
}

const config::Listener* Listening::listener(size_t index) const {
  return index < bound_.size() ? &bound_[index]->config : nullptr;
}

}  // namespace cardea::proxy
