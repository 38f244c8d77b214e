// The admin interface: who may ask, which row answers.
#include "admin/client.h"
#include "base/json.h"
#include "base/log.h"

namespace cardea::admin {

Reply failure(uint16_t status, Bytes what) {
  Reply reply{status, "{\"error\":", "application/json"};
  append_json_string(reply.body, what);
  reply.body += "}\n";
  return reply;
}

Server::Server(net::Loop& loop, net::Network& network, std::vector<Row> rows, Audience audience)
    : loop_(loop), network_(network), rows_(std::move(rows)), audience_(audience) {}

Server::~Server() {
  net::Loop::Turn turn(loop_);
  if (listener_) loop_.defer_delete(std::move(listener_));
  clients_.each([](Client& c) { c.abandon(); });
}

Result<void> Server::listen(const net::Address& address, uint32_t unix_mode) {
  net::ListenOptions options;
  options.unix_mode = unix_mode;
  options.backlog = int(kMaxClients);
  auto listener = network_.listen(address, options, *this);
  if (!listener) return listener.error();
  listener_ = std::move(*listener);
  return {};
}

void Server::on_accept(std::unique_ptr<net::Stream> stream) {
  if (count_ == kMaxClients) return loop_.defer_delete(std::move(stream));
  ++count_;
  clients_.push_back(*new Client(*this, std::move(stream)));  // lives until its wire closes
}

void Server::on_accept_error(int error) {
  log::write(log::error, "admin: accept: errno " + std::to_string(error));
}

}  // namespace cardea::admin
