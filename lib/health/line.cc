// From nothing to an open connection, and how it ends.
#include "health/line.h"

#include <cstring>

#include "net/happy_eyeballs.h"

namespace cardea::health {

std::string errno_text(int error) {
  const char* name = strerrorname_np(error);
  return name ? name : "errno " + std::to_string(error);
}

Line::~Line() {
  if (stream_) stream_->set_events(nullptr);
}

void Line::check(net::Network& network) {
  ++checks_;
  checking_ = true;
  if (phase_ == Phase::open) return begin();
  phase_ = Phase::tcp;
  const auto& addresses = target_->addresses;
  connecting_ = addresses.size() == 1 ? network.connect(addresses[0], *this)
                                      : net::connect_first(loop_, network, addresses, *this);
}

void Line::on_connected(std::unique_ptr<net::Stream> stream) {
  loop_.defer_delete(std::move(connecting_));
  stream_ = std::move(stream);
  if (!secure()) return on_open();
  phase_ = Phase::tls;
  stream_ = target_->tls->wrap(loop_, std::move(stream_), target_->server_name);
  stream_->set_events(this);
}

void Line::on_connect_failed(int error) {
  loop_.defer_delete(std::move(connecting_));
  phase_ = Phase::gone;
  report({.cause = "connect " + errno_text(error)});
}

void Line::on_open() {
  phase_ = Phase::open;
  opened();
}

void Line::on_eof() {
  phase_ = Phase::gone;
  report({.cause = "tls handshake: closed"});
}

void Line::on_error(const net::StreamError& error) {
  phase_ = Phase::gone;
  std::string cause;
  switch (error.kind) {
    case net::StreamError::os:
      cause = "tls handshake: " + errno_text(error.code);
      break;
    case net::StreamError::tls_handshake:
      cause = "tls handshake: " + error.text;
      break;
    case net::StreamError::tls_protocol:
      cause = "tls: " + error.text;
      break;
    case net::StreamError::tls_verify:
    case net::StreamError::tls_no_certificate:
      cause = "tls verify: " + error.text;
      break;
  }
  report({.cause = std::move(cause)});
}

void Line::report(Report report) {
  if (!std::exchange(checking_, false)) return;
  if (owner_) owner_->on_report(std::move(report));
}

void Line::gone() {
  phase_ = Phase::gone;
  if (owner_ && !checking_) owner_->on_line_gone();
}

void Line::let_go() {
  owner_ = nullptr;
  if (connecting_) loop_.defer_delete(std::move(connecting_));
  if (phase_ == Phase::open) farewell();
}

}  // namespace cardea::health
