// HTTP/1.1 towards upstream: one connection, one request at a time, each with its answer.
#include <utility>

#include "http/h1.h"

namespace cardea::http {
namespace {

using namespace h1;

constexpr size_t kMaxEarlyExtra = 64 * 1024;  // a tunnel's early bytes beyond what backpressure allows

class Client final : public ClientCodec, private RequestSender {
 public:
  Client(ClientHost& host, const CodecLimits& limits) : host_(host), limits_(limits) {}

  void receive(Bytes bytes) override;
  void receive_eof() override;
  void connection_lost(const End& end) override;
  bool wants_read() const override { return !eof_ && !close_told_ && !(exchange_ && paused_); }
  void produce(Output& out, size_t room) override;
  void produced(size_t queued_in_stream) override;
  bool receiving_head() const override { return head_ != nullptr; }
  size_t active() const override { return exchange_ ? 1 : 0; }
  void drain() override;
  Protocol protocol() const override { return Protocol::http11; }

  size_t capacity() const override { return !exchange_ && reusable() ? 1 : 0; }
  bool reusable() const override { return reusable_ && !close_told_; }
  RequestSender& start(ResponseReceiver& receiver) override;

 private:
  enum class In : uint8_t { idle, head, body, tunnel, done };
  enum class Out : uint8_t { head, body, tunnel_wait, tunnel, done };

  // RequestSender
  void send_head(const RequestHead& head) override;
  void send_body(Bytes borrowed) override;
  void send_end(const Fields* trailers) override;
  void reset(EndCause why) override;
  void finish_then_reset(EndCause why) override;
  void pause() override;
  void resume() override;
  void release() override;
  bool anything_sent() const override { return sent_; }

  void step_head(Bytes& in);
  void on_head_complete();
  void on_final_head(ResponsePtr head, const Facts& facts);
  void step_body(Bytes& in);
  void end_response();
  void fail(const End& end);
  void fail_protocol(const char* rule) { fail({EndCause::upstream_protocol, rule}); }
  void abandon(const End& end);
  void finish_exchange();
  void tell_pressure();
  void tell_failure();
  void settle();
  void ask_flush();
  void close(const End& end);
  size_t unsent() const { return queue_.size() + in_stream_; }
  size_t backlog() const { return unsent() + early_.size(); }
  bool sending_over() const { return out_ == Out::done; }
  bool cut_is_invisible() const { return out_ == Out::tunnel; }

  ClientHost& host_;
  const CodecLimits limits_;
  SendQueue queue_;

  // Receiving.
  In in_ = In::idle;
  HeadReader reader_;
  ResponsePtr head_;  // one that has begun
  BodyReader body_;
  uint32_t informational_ = 0;

  // The current exchange.
  ResponseReceiver* receiver_ = nullptr;
  Out out_ = Out::done;
  Method method_ = Method::other;
  Framing framing_ = Framing::none;
  uint64_t length_left_ = 0;
  std::string upgrade_;  // the token asked for
  std::string early_;    // bytes for a tunnel that is not open yet
  End failure_;          // what on_reset has to say once it may
  End failed_close_;     // and what request_close has
  bool exchange_ = false;
  bool released_ = false;
  bool sent_ = false;  // a byte of the request was produced
  bool paused_ = false;
  bool blocked_ = false;
  bool keep_alive_ = false;  // as the response says
  bool early_end_ = false;   // send_end for a tunnel that is not open yet
  bool failed_ = false;      // failure_ waits to be told

  // The connection.
  bool reusable_ = true;
  bool eof_ = false;
  bool lost_ = false;
  bool close_told_ = false;
  bool close_owed_ = false;
  bool shutdown_owed_ = false;
  bool capacity_owed_ = false;
  bool flush_asked_ = false;
  bool wants_read_told_ = true;
  size_t in_stream_ = 0;  // what the stream held after the last flush
};

// ---- receiving ------------------------------------------------------------------------------------

void Client::receive(Bytes bytes) {
  while (!bytes.empty() && !close_told_ && !failed_) {
    if (in_ == In::idle || in_ == In::done || (in_ == In::head && !sent_)) {
      // Nobody asked for these bytes: whatever they say, no later request may take them for its answer.
      reusable_ = false;
      if (in_ == In::head && exchange_) {
        fail_protocol("unsolicited");
      } else {
        close_owed_ = true;
        capacity_owed_ = true;
      }
      break;
    }
    switch (in_) {
      case In::head:
        step_head(bytes);
        break;
      case In::body:
        step_body(bytes);
        break;
      case In::tunnel:
        if (receiver_) receiver_->on_body(bytes);
        bytes = {};
        break;
      case In::idle:
      case In::done:
        break;
    }
  }
  settle();
}

void Client::step_head(Bytes& in) {
  if (!head_) {
    head_ = make_response();
    reader_.start(HeadScan::Section::response, limits_);
  }
  switch (reader_.read(in, head_->arena, check_status_line)) {
    case HeadScan::Step::more:
      break;
    case HeadScan::Step::complete:
      on_head_complete();
      break;
    case HeadScan::Step::bad:
      fail_protocol(reader_.fault().rule);
      break;
  }
}

void Client::on_head_complete() {
  ResponsePtr head = std::move(head_);
  Facts facts;
  const Fault fault =
      read_response(reader_.bytes(), reader_.first_line(), reader_.fields(), method_, upgrade_, *head, facts);
  if (fault) return fail_protocol(fault.rule);
  if (head->status >= 200 || facts.tunnel) return on_final_head(std::move(head), facts);
  if (++informational_ > limits_.max_informational) return fail_protocol("too_many_informational");
  if (receiver_) receiver_->on_informational(std::move(head));
}

void Client::on_final_head(ResponsePtr head, const Facts& facts) {
  keep_alive_ = facts.keep_alive && !facts.until_close && !facts.tunnel;
  // RFC 9112 9.3: an answer that came before its request was complete leaves the rest of it in between.
  if (!keep_alive_ || (out_ != Out::done && out_ != Out::tunnel_wait) || unsent() > 0) reusable_ = false;
  const bool has_body = head->has_body;
  if (facts.tunnel) {
    in_ = In::tunnel;
    out_ = Out::tunnel;
    framing_ = Framing::tunnel;
    if (!early_.empty()) queue_.copy(std::exchange(early_, {}));
    if (early_end_) {
      early_end_ = false;
      send_end(nullptr);
    }
    ask_flush();
  } else {
    if (out_ == Out::tunnel_wait) {
      out_ = Out::done;
      early_.clear();
    }
    if (facts.chunked) {
      body_.start_chunked(limits_);
    } else if (facts.until_close) {
      body_.start_until_close();
    } else if (has_body) {
      body_.start_length(*head->content_length);
    }
    in_ = has_body ? In::body : In::done;
  }
  if (receiver_) receiver_->on_head(std::move(head));
  if (!has_body) end_response();
}

void Client::step_body(Bytes& in) {
  Bytes piece;
  switch (body_.next(in, piece)) {
    case BodyReader::Step::more:
      return;
    case BodyReader::Step::body:
      if (receiver_) receiver_->on_body(piece);
      if (in_ != In::body || !body_.ended()) return;
      break;
    case BodyReader::Step::end:
      break;
    case BodyReader::Step::bad:
      in = {};
      fail_protocol(body_.fault().rule);
      return;
  }
  in_ = In::done;
  if (receiver_ && !body_.trailers().empty()) receiver_->on_trailers(body_.trailers());
  end_response();
}

// The response is complete. What is left of the request has nobody to read it.
void Client::end_response() {
  in_ = In::done;
  if (!sending_over() || !queue_.empty()) {
    reusable_ = false;
    out_ = Out::done;
    queue_.drop();
  }
  if (receiver_) receiver_->on_end();
}

void Client::receive_eof() {
  if (eof_) return;
  eof_ = true;
  reusable_ = false;
  capacity_owed_ = true;
  switch (in_) {
    case In::idle:
    case In::done:
      close_owed_ = true;
      break;
    case In::head:
      fail({EndCause::upstream_closed, head_ ? "in_head" : ""});
      break;
    case In::body:
      if (body_.is_until_close()) {
        end_response();
      } else {
        fail({EndCause::upstream_reset, "truncated"});
      }
      break;
    case In::tunnel:
      in_ = In::done;
      if (receiver_) receiver_->on_end();
      break;
  }
  settle();
}

void Client::connection_lost(const End& end) {
  lost_ = close_told_ = true;
  reusable_ = false;
  const bool over = in_ == In::done && sending_over();
  ResponseReceiver* const receiver = std::exchange(receiver_, nullptr);
  in_ = In::done;
  out_ = Out::done;
  head_.reset();
  queue_.drop();
  early_.clear();
  failed_ = false;
  if (receiver && !over) receiver->on_reset(end);
}

void Client::drain() {
  reusable_ = false;
  if (!exchange_) close_owed_ = true;
  settle();
}

// The exchange is broken; its receiver learns of it in settle().
void Client::fail(const End& end) {
  head_.reset();
  reusable_ = false;
  failed_ = true;
  failure_ = end;
  failed_close_ = cut_is_invisible() ? End{end.cause, "truncated"} : end;
  in_ = In::done;
  out_ = Out::done;
  queue_.drop();
  early_.clear();
}

// ---- sending --------------------------------------------------------------------------------------

RequestSender& Client::start(ResponseReceiver& receiver) {
  receiver_ = &receiver;
  exchange_ = true;
  released_ = sent_ = paused_ = blocked_ = keep_alive_ = failed_ = early_end_ = false;
  informational_ = 0;
  in_ = In::head;
  out_ = Out::head;
  method_ = Method::other;
  framing_ = Framing::none;
  upgrade_.clear();
  early_.clear();
  return *this;
}

void Client::send_head(const RequestHead& head) {
  if (!exchange_ || out_ != Out::head) return;
  method_ = head.method;
  const bool tunnel = !head.upgrade.empty() || method_ == Method::connect;
  if (!head.upgrade.empty() && method_ == Method::connect) {
    // Extended CONNECT: HTTP/1.1 has no words for it.
    fail({EndCause::internal, "unsendable_head"});
    return ask_flush();
  }
  RequestLines lines;
  if (tunnel) {
    lines.framing = Framing::tunnel;
  } else if (head.content_length && (head.has_body || *head.content_length == 0)) {
    lines.framing = Framing::length;
    lines.content_length = head.content_length;
  } else if (head.has_body) {
    lines.framing = Framing::chunked;
  } else if (method_ == Method::post || method_ == Method::put || method_ == Method::patch) {
    lines.framing = Framing::length;  // RFC 9110 8.6: a method that has a meaning for a body says that there is none
    lines.content_length = 0;
  }
  if (!write_request(queue_, head, lines)) {
    fail({EndCause::internal, "unsendable_head"});
    return ask_flush();
  }
  framing_ = lines.framing;
  length_left_ = framing_ == Framing::length ? *lines.content_length : 0;
  if (tunnel) {
    upgrade_ = head.upgrade;
    out_ = Out::tunnel_wait;
  } else {
    const bool complete = framing_ == Framing::none || (framing_ == Framing::length && length_left_ == 0);
    out_ = complete ? Out::done : Out::body;
  }
  ask_flush();
}

void Client::send_body(Bytes borrowed) {
  if (!exchange_ || borrowed.empty()) return;
  if (out_ == Out::tunnel_wait) {
    // Nothing enters a tunnel that the other end has not opened. Its owner was told at the buffer limit to stop.
    if (early_.size() + borrowed.size() > 4 * size_t(limits_.buffer_limit) + kMaxEarlyExtra) {
      fail({EndCause::overload, "early_tunnel_bytes"});
      return ask_flush();
    }
    early_.append(borrowed);
    return ask_flush();
  }
  if (out_ == Out::tunnel) {
    queue_.borrow(borrowed);
  } else if (out_ != Out::body) {
    return;
  } else if (framing_ == Framing::chunked) {
    write_chunk(queue_, borrowed);
  } else {
    if (borrowed.size() > length_left_) {
      // The head promised less: the surplus must never be taken for the next request.
      borrowed = borrowed.substr(0, size_t(length_left_));
      reusable_ = false;
    }
    length_left_ -= borrowed.size();
    queue_.borrow(borrowed);
  }
  ask_flush();
}

void Client::send_end(const Fields* trailers) {
  if (!exchange_) return;
  switch (out_) {
    case Out::tunnel_wait:
      early_end_ = true;
      return;
    case Out::tunnel:
      shutdown_owed_ = in_ == In::tunnel;
      break;
    case Out::body:
      if (framing_ == Framing::length && length_left_ > 0) {
        fail({EndCause::internal, "short_body"});
        break;
      }
      if (framing_ == Framing::chunked) write_last_chunk(queue_, trailers);
      break;
    case Out::head:
    case Out::done:
      return;
  }
  out_ = Out::done;
  ask_flush();
}

void Client::reset(EndCause why) {
  if (!exchange_ || (in_ == In::done && sending_over())) return;
  receiver_ = nullptr;
  failed_ = false;
  abandon({why, cut_is_invisible() ? "truncated" : "reset"});
}

void Client::finish_then_reset(EndCause why) {
  if (!exchange_ || (in_ == In::done && sending_over())) return;
  if (!sent_ || queue_.empty()) return reset(why);
  receiver_ = nullptr;
  failed_ = reusable_ = false;
  const End end{why, cut_is_invisible() ? "truncated" : "reset"};
  in_ = In::done;
  out_ = Out::done;
  head_.reset();
  early_.clear();
  close(end);
}

// Gives the exchange up. A request of which nothing has left leaves the connection as it was.
void Client::abandon(const End& end) {
  out_ = Out::done;
  early_.clear();
  queue_.drop();
  if (!sent_ && in_ == In::head) {
    in_ = In::done;
    keep_alive_ = true;
    return ask_flush();
  }
  in_ = In::done;
  head_.reset();
  reusable_ = false;
  close(end);
}

void Client::pause() {
  if (!exchange_ || released_ || paused_) return;
  paused_ = true;
  ask_flush();
}

void Client::resume() {
  if (!paused_) return;
  paused_ = false;
  ask_flush();
}

void Client::release() {
  if (!exchange_ || released_) return;
  if (in_ != In::done || !sending_over()) reset(EndCause::host_ended);
  released_ = true;
  paused_ = failed_ = false;
  receiver_ = nullptr;
  ask_flush();
}

// ---- the turns of a connection --------------------------------------------------------------------

void Client::produce(Output& out, size_t room) {
  flush_asked_ = false;
  const size_t before = out.size();
  queue_.produce(out, room);
  sent_ |= out.size() > before;
}

void Client::produced(size_t queued_in_stream) {
  flush_asked_ = false;
  queue_.produced();
  in_stream_ = queued_in_stream;
  tell_pressure();
  settle();
}

void Client::tell_pressure() {
  if (!receiver_ || sending_over()) return;
  if (!blocked_ && backlog() > limits_.buffer_limit) {
    blocked_ = true;
    receiver_->on_blocked();
  } else if (blocked_ && backlog() < limits_.buffer_limit / 2) {
    blocked_ = false;
    receiver_->on_unblocked();
  }
}

void Client::tell_failure() {
  if (!failed_) return;
  failed_ = false;
  if (ResponseReceiver* const receiver = std::exchange(receiver_, nullptr)) receiver->on_reset(failure_);
  close(failed_close_);
}

void Client::finish_exchange() {
  if (!exchange_ || !released_) return;
  exchange_ = false;
  capacity_owed_ = true;
  if (in_ != In::done || !keep_alive_) reusable_ = false;
  in_ = In::idle;
  if (!reusable_) close_owed_ = true;
}

// The end of every call from below: tells the news that Sender's methods must not tell themselves.
void Client::settle() {
  tell_failure();
  finish_exchange();
  // A response that is complete needs nothing more of the connection, whoever still holds the sender.
  if (exchange_ && in_ == In::done && sending_over() && !reusable_) close_owed_ = true;
  if (shutdown_owed_ && queue_.empty() && !close_told_) {
    shutdown_owed_ = false;
    if (in_ == In::tunnel) host_.request_shutdown();
  }
  if (close_owed_ && queue_.empty()) close({});
  if (wants_read() != wants_read_told_) {
    wants_read_told_ = !wants_read_told_;
    if (!lost_) host_.reading_changed();
  }
  if (capacity_owed_ && !exchange_) {
    capacity_owed_ = false;
    if (!lost_) host_.on_capacity();
  }
}

void Client::ask_flush() {
  if (flush_asked_ || lost_) return;
  flush_asked_ = true;
  host_.request_flush();
}

void Client::close(const End& end) {
  reusable_ = false;
  if (close_told_) return;
  close_told_ = true;
  host_.request_close(end);
}

}  // namespace

std::unique_ptr<ClientCodec> h1_client(ClientHost& host, const CodecLimits& limits) {
  return std::make_unique<Client>(host, limits);
}

}  // namespace cardea::http
