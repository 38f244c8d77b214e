// HTTP/1.1 towards downstream: requests in, and what becomes of a connection between them.
#include <cstring>
#include <utility>

#include "http/h1_server.h"

namespace cardea::http {
namespace h1 {
namespace {

// An unread request body up to this size is read over to keep the connection (RFC 9112 9.3).
constexpr uint64_t kMaxDiscard = 64 * 1024;

}  // namespace

// ---- receiving ------------------------------------------------------------------------------------

void Server::receive(Bytes bytes) {
  if (in_ == In::closed) return;
  if (held_) {
    hold(bytes);
  } else {
    if (!exchange_) lent_.clear();
    run(bytes);
    if (!bytes.empty() && in_ != In::closed) hold(bytes);
  }
  settle();
}

// Goes on as long as bytes have somewhere to go. A loop, so that any number of requests in one read, each answered on
// the spot, needs no more stack than one.
void Server::run(Bytes& in) {
  for (bool stuck = false; !in.empty() && !stuck;) {
    switch (in_) {
      case In::head:
        stuck = !may_begin();
        if (!stuck) step_head(in);
        break;
      case In::body:
        step_body(in);
        break;
      case In::discard:
        step_discard(in);
        break;
      case In::tunnel:
        lent_held_ |= reading_held_;
        if (receiver_) receiver_->on_body(in);
        in = {};
        break;
      case In::closed:
        in = {};
        break;
      case In::waiting:
      case In::tunnel_wait:
        stuck = true;
        break;
    }
    finish_exchange();
  }
}

void Server::step_head(Bytes& in) {
  if (!head_) {
    head_ = make_request();
    reader_.start(HeadScan::Section::request, limits_);
  }
  switch (reader_.read(in, head_->arena, check_request_line)) {
    case HeadScan::Step::more:
      break;
    case HeadScan::Step::complete:
      on_head_complete();
      break;
    case HeadScan::Step::bad:
      reject(reader_.fault());
      break;
  }
}

void Server::on_head_complete() {
  RequestPtr head = std::move(head_);
  Facts facts;
  const Fault fault = read_request(reader_.bytes(), reader_.first_line(), reader_.fields(), limits_, *head, facts);
  if (fault) {
    reject(fault);
  } else {
    begin_exchange(std::move(head), facts);
  }
}

void Server::begin_exchange(RequestPtr head, const Facts& facts) {
  method_ = head->method;
  http10_ = head->protocol == Protocol::http10;
  expect_ = head->expect_continue;
  close_after_ = !facts.keep_alive || draining_;
  // A token too long to be remembered is not one that anybody speaks.
  if (head->upgrade.size() > sizeof upgrade_) return reject({"upgrade_token_too_long"});
  upgrade_size_ = uint8_t(head->upgrade.copy(upgrade_, sizeof upgrade_));
  tunnel_asked_ = facts.tunnel;
  exchange_ = true;
  buffer_limit_ = limits_.buffer_limit;
  released_ = owes_end_ = paused_ = blocked_ = tunnel_eof_ = false;
  receiver_ = nullptr;
  out_ = Out::head;
  framing_ = Framing::none;
  bool complete = false;
  if (tunnel_asked_) {
    in_ = In::tunnel_wait;
  } else if (facts.chunked) {
    body_.start_chunked(limits_);
    in_ = In::body;
  } else if (head->has_body) {
    body_.start_length(*head->content_length);
    in_ = In::body;
  } else {
    in_ = In::waiting;
    complete = true;
  }
  RequestReceiver* const receiver = host_.on_request(std::move(head), *this);
  if (!exchange_ || released_ || in_ == In::closed) return;
  receiver_ = receiver;
  if (complete) receiver_->on_end();
}

void Server::step_body(Bytes& in) {
  Bytes piece;
  switch (body_.next(in, piece)) {
    case BodyReader::Step::more:
      return;
    case BodyReader::Step::body:
      expect_ = false;  // the client does not wait
      lent_held_ |= reading_held_;
      if (receiver_) receiver_->on_body(piece);
      // The end of a body of known length must not wait for a byte that never comes.
      if (in_ != In::body || !body_.ended()) return;
      break;
    case BodyReader::Step::end:
      break;
    case BodyReader::Step::bad:
      in = {};
      on_body_fault();
      return;
  }
  in_ = In::waiting;
  if (receiver_ && !body_.trailers().empty()) receiver_->on_trailers(body_.trailers());
  if (receiver_ && in_ == In::waiting) receiver_->on_end();
}

void Server::step_discard(Bytes& in) {
  const size_t before = in.size();
  Bytes piece;
  const BodyReader::Step step = body_.next(in, piece);
  const size_t taken = before - in.size();
  if (step == BodyReader::Step::bad || taken > discard_left_) {
    in_ = In::closed;
    return;
  }
  discard_left_ -= taken;
  if (step == BodyReader::Step::end || body_.ended()) {
    in_ = In::head;
    idle_owed_ = true;
  }
}

// A request that turned out to be broken after it was delivered.
void Server::on_body_fault() {
  const End end{EndCause::bad_request, body_.fault().rule, body_.fault().status};
  const bool answered = out_ != Out::head;
  if (!answered) {
    // The receiver may not answer any more, so the host answers as for a request that never became one.
    RequestReceiver* const receiver = std::exchange(receiver_, nullptr);
    exchange_ = false;
    idle_owed_ = true;
    if (receiver) receiver->on_reset(end);
    if (!close_told_) refuse(end);
    return;
  }
  cut(end);
}

void Server::reject(const Fault& fault) {
  head_.reset();
  refuse({EndCause::bad_request, fault.rule, fault.status});
}

// Lets the host answer once, in its own words; then nothing more is read from this connection.
void Server::refuse(const End& end) {
  in_ = In::closed;
  exchange_ = true;
  released_ = true;
  receiver_ = nullptr;
  out_ = Out::head;
  method_ = Method::other;
  http10_ = true;  // who cannot write a request is not asked to read a chunked answer
  framing_ = Framing::none;
  upgrade_size_ = 0;
  expect_ = tunnel_asked_ = false;
  close_after_ = true;
  host_.on_bad_request(end, *this);
  if (out_ == Out::head) out_ = Out::done;
  ask_flush();
}

void Server::receive_eof() {
  if (in_ == In::closed) return;
  eof_ = true;
  settle();
}

// The client sends nothing more and everything that it has sent was read.
void Server::reach_eof() {
  switch (in_) {
    case In::head:
      if (head_) {
        head_.reset();
        close({EndCause::downstream_closed, "in_head"});
      }
      in_ = In::closed;
      break;
    case In::body:
      cut({EndCause::downstream_closed, "truncated"});
      break;
    case In::tunnel:
      if (tunnel_eof_) break;
      tunnel_eof_ = true;
      if (receiver_) receiver_->on_end();
      break;
    case In::discard:
      in_ = In::closed;
      break;
    case In::waiting:
    case In::tunnel_wait:
      // The request is complete: a client that only stopped sending gets its answer (RFC 9112 9.6).
      close_after_ = true;
      break;
    case In::closed:
      break;
  }
}

void Server::connection_lost(const End& end) {
  close_told_ = lost_ = true;
  const bool over = out_ == Out::done && request_complete();
  RequestReceiver* const receiver = std::exchange(receiver_, nullptr);
  in_ = In::closed;
  out_ = Out::done;
  head_.reset();
  queue_.drop();
  held_.reset();
  if (receiver && !over) receiver->on_reset(end);
}

bool Server::wants_read() const {
  if (eof_ || close_told_ || held_) return false;
  switch (in_) {
    case In::head:
      return may_begin();
    case In::body:
    case In::tunnel:
      return !paused_;
    case In::waiting:
    case In::tunnel_wait:
    case In::discard:
      return true;  // nothing should come, but the client's end should be noticed
    case In::closed:
      return false;
  }
  return false;
}

void Server::drain() {
  draining_ = true;
  if (exchange_) close_after_ = true;
  settle();
}

void Server::expire_head(const End& end) {
  if (in_ == In::closed || exchange_) return;
  if (head_) {
    head_.reset();
    refuse(end);
  } else {
    close(end);
  }
  settle();
}

// ---- the turns of a connection --------------------------------------------------------------------

void Server::produce(Output& out, size_t room) {
  flush_asked_ = false;
  queue_.produce(out, room);
}

void Server::produced(size_t queued_in_stream) {
  flush_asked_ = false;
  queue_.produced();
  in_stream_ = queued_in_stream;
  tell_pressure();
  finish_exchange();
  run_held();
  settle();
}

void Server::tell_pressure() {
  if (!receiver_ || out_ == Out::done) return;
  if (!blocked_ && backlog() > buffer_limit_) {
    blocked_ = true;
    receiver_->on_blocked();
  } else if (blocked_ && backlog() < buffer_limit_ / 2) {
    blocked_ = false;
    receiver_->on_unblocked();
  }
}

// Both halves are over and the owner has let go: what becomes of the connection?
void Server::finish_exchange() {
  if (!exchange_ || !released_ || out_ != Out::done) return;
  exchange_ = false;
  switch (in_) {
    case In::body:
      // A body that is framed can be read over, one that is held back or endless cannot.
      if (close_after_ || body_.known_left() > kMaxDiscard) {
        in_ = In::closed;
      } else {
        discard_left_ = kMaxDiscard;
        in_ = In::discard;
      }
      break;
    case In::waiting:
      in_ = close_after_ ? In::closed : In::head;
      break;
    default:
      in_ = In::closed;
      break;
  }
  idle_owed_ = in_ != In::discard;  // not before the rest of the request is read over
}

void Server::hold(Bytes bytes) {
  const size_t old = held_size_ - held_at_;
  std::unique_ptr<char[]> larger(new char[old + bytes.size()]);
  if (old) memcpy(larger.get(), held_.get() + held_at_, old);
  memcpy(larger.get() + old, bytes.data(), bytes.size());
  if (lent_held_) lent_.push_back(std::move(held_));
  lent_held_ = false;
  held_ = std::move(larger);
  held_at_ = 0;
  held_size_ = old + bytes.size();
}

bool Server::held_can_go_on() const {
  return held_ && in_ != In::waiting && in_ != In::tunnel_wait && (in_ != In::head || may_begin());
}

void Server::run_held() {
  if (!held_can_go_on()) return;
  Bytes in(held_.get() + held_at_, held_size_ - held_at_);
  reading_held_ = true;
  run(in);
  reading_held_ = false;
  held_at_ = held_size_ - in.size();
  if (!in.empty() && in_ != In::closed) return;
  if (lent_held_) lent_.push_back(std::move(held_));
  held_.reset();
  lent_held_ = false;
  held_at_ = held_size_ = 0;
}

// The end of every call from below: tells the news that Sender's methods must not tell themselves.
void Server::settle() {
  if (owes_end_ && in_ == In::waiting && out_ != Out::head) {
    owes_end_ = false;
    if (receiver_) receiver_->on_end();
  }
  if (eof_ && !held_) reach_eof();
  finish_exchange();
  if (draining_ && in_ == In::head && !head_ && !held_ && !exchange_) in_ = In::closed;
  if (in_ == In::closed && !exchange_ && queue_.empty()) close({});
  if (shutdown_owed_ && queue_.empty() && !close_told_) {
    shutdown_owed_ = false;
    host_.request_shutdown();
  }
  if (held_can_go_on()) ask_flush();
  if (wants_read() != wants_read_told_) {
    wants_read_told_ = !wants_read_told_;
    host_.reading_changed();
  }
  if (idle_owed_ && !exchange_) {
    idle_owed_ = false;
    host_.on_idle();
  }
}

void Server::ask_flush() {
  if (flush_asked_ || lost_) return;
  flush_asked_ = true;
  host_.request_flush();
}

void Server::close(const End& end) {
  in_ = In::closed;
  if (close_told_) return;
  close_told_ = true;
  host_.request_close(end);
}

}  // namespace h1

std::unique_ptr<ServerCodec> h1_server(ServerHost& host, const CodecLimits& limits) {
  return std::make_unique<h1::Server>(host, limits);
}

}  // namespace cardea::http
