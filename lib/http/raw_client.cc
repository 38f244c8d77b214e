// Bytes without a protocol towards upstream: one connection that is one exchange.
#include <utility>

#include "http/h1.h"

namespace cardea::http {
namespace {

class RawClient final : public ClientCodec, private RequestSender {
 public:
  RawClient(ClientHost& host, const CodecLimits& limits) : host_(host), limits_(limits) {}

  void receive(Bytes bytes) override;
  void receive_eof() override;
  void connection_lost(const End& end) override;
  // Not before the exchange: what a service says first waits in the kernel.
  bool wants_read() const override { return head_told_ && !in_over_ && !close_told_ && !paused_; }
  void produce(Output& out, size_t room) override;
  void produced(size_t queued_in_stream) override;
  bool receiving_head() const override { return false; }
  size_t active() const override { return exchange_ ? 1 : 0; }
  void drain() override;
  Protocol protocol() const override { return Protocol::http11; }

  size_t capacity() const override { return reusable() ? 1 : 0; }
  bool reusable() const override { return !begun_ && !close_told_; }
  RequestSender& start(ResponseReceiver& receiver) override;

 private:
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

  void abandon(const End& end);
  void tell_head();
  void tell_end();
  void tell_pressure();
  void settle();
  void ask_flush();
  void close(const End& end);
  size_t backlog() const { return queue_.size() + in_stream_; }
  bool over() const { return in_over_ && out_over_; }

  ClientHost& host_;
  const CodecLimits limits_;
  h1::SendQueue queue_;
  ResponseReceiver* receiver_ = nullptr;
  bool begun_ = false;     // start() was called
  bool exchange_ = false;  // and its owner has not let go
  bool head_sent_ = false, head_told_ = false;
  bool in_over_ = false, out_over_ = false;
  bool end_told_ = false;
  bool sent_ = false;
  bool paused_ = false, blocked_ = false;
  bool shutdown_owed_ = false, capacity_owed_ = false;
  bool close_told_ = false, lost_ = false;
  bool flush_asked_ = false;
  bool wants_read_told_ = false;
  size_t in_stream_ = 0;  // what the stream held after the last flush
};

// ---- receiving ------------------------------------------------------------------------------------

void RawClient::receive(Bytes bytes) {
  tell_head();
  if (receiver_ && head_told_ && !in_over_) receiver_->on_body(bytes);
  settle();
}

void RawClient::receive_eof() {
  if (in_over_) return;
  tell_head();
  in_over_ = true;
  tell_end();
  settle();
}

void RawClient::connection_lost(const End& end) {
  lost_ = close_told_ = true;
  const bool was_over = over();
  ResponseReceiver* const receiver = std::exchange(receiver_, nullptr);
  in_over_ = out_over_ = true;
  queue_.drop();
  if (receiver && !was_over) receiver->on_reset(end);
}

void RawClient::drain() {
  begun_ = true;
  if (!exchange_) close({});
}

// ---- sending --------------------------------------------------------------------------------------

RequestSender& RawClient::start(ResponseReceiver& receiver) {
  begun_ = exchange_ = true;
  receiver_ = &receiver;
  return *this;
}

void RawClient::send_head(const RequestHead&) {
  if (!exchange_ || head_sent_) return;
  head_sent_ = true;
  ask_flush();  // the answer comes on its way
}

void RawClient::send_body(Bytes borrowed) {
  if (!exchange_ || !head_sent_ || out_over_ || borrowed.empty()) return;
  queue_.borrow(borrowed);
  ask_flush();
}

void RawClient::send_end(const Fields*) {
  if (!exchange_ || !head_sent_ || out_over_) return;
  out_over_ = true;
  shutdown_owed_ = !in_over_;
  ask_flush();
}

void RawClient::reset(EndCause why) {
  if (!exchange_ || over()) return;
  queue_.drop();
  abandon({why, "truncated"});
}

void RawClient::finish_then_reset(EndCause why) {
  if (!exchange_ || over()) return;
  abandon({why, "truncated"});
}

void RawClient::abandon(const End& end) {
  receiver_ = nullptr;
  in_over_ = out_over_ = true;
  shutdown_owed_ = false;
  close(end);
}

void RawClient::pause() {
  if (!exchange_ || paused_) return;
  paused_ = true;
  ask_flush();
}

void RawClient::resume() {
  if (!paused_) return;
  paused_ = false;
  ask_flush();
}

void RawClient::release() {
  if (!exchange_) return;
  reset(EndCause::host_ended);
  exchange_ = paused_ = false;
  receiver_ = nullptr;
  capacity_owed_ = true;
  ask_flush();
}

// ---- the turns of the connection ------------------------------------------------------------------

void RawClient::produce(Output& out, size_t room) {
  flush_asked_ = false;
  const size_t before = out.size();
  queue_.produce(out, room);
  sent_ |= out.size() > before;
}

void RawClient::produced(size_t queued_in_stream) {
  flush_asked_ = false;
  queue_.produced();
  in_stream_ = queued_in_stream;
  tell_head();
  tell_pressure();
  settle();
}

void RawClient::tell_head() {
  if (!head_sent_ || head_told_ || !receiver_) return;
  head_told_ = true;
  ResponsePtr head = make_response();
  head->status = 200;
  head->has_body = true;
  receiver_->on_head(std::move(head));
  tell_end();  // a service may have ended before there was a head
}

void RawClient::tell_end() {
  if (in_over_ && head_told_ && receiver_ && !std::exchange(end_told_, true)) receiver_->on_end();
}

void RawClient::tell_pressure() {
  if (!receiver_ || out_over_) return;
  if (!blocked_ && backlog() > limits_.buffer_limit) {
    blocked_ = true;
    receiver_->on_blocked();
  } else if (blocked_ && backlog() < limits_.buffer_limit / 2) {
    blocked_ = false;
    receiver_->on_unblocked();
  }
}

void RawClient::settle() {
  if (shutdown_owed_ && queue_.empty() && !close_told_) {
    shutdown_owed_ = false;
    if (!in_over_) host_.request_shutdown();
  }
  if (begun_ && queue_.empty() && (over() || !exchange_)) close({});
  if (wants_read() != wants_read_told_) {
    wants_read_told_ = !wants_read_told_;
    if (!lost_) host_.reading_changed();
  }
  if (capacity_owed_) {
    capacity_owed_ = false;
    if (!lost_) host_.on_capacity();
  }
}

void RawClient::ask_flush() {
  if (flush_asked_ || lost_) return;
  flush_asked_ = true;
  host_.request_flush();
}

void RawClient::close(const End& end) {
  if (close_told_) return;
  close_told_ = true;
  host_.request_close(end);
}

}  // namespace

std::unique_ptr<ClientCodec> raw_client(ClientHost& host, const CodecLimits& limits) {
  return std::make_unique<RawClient>(host, limits);
}

}  // namespace cardea::http
