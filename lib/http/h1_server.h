// HTTP/1.1 towards downstream: one connection's requests in, their answers out, one after the other.
//
// h1_server.cc has the receiving half and the turns of the connection, h1_response.cc the sending half.
#pragma once

#include "http/h1.h"

namespace cardea::http::h1 {

class Server final : public ServerCodec, private ResponseSender {
 public:
  Server(ServerHost& host, const CodecLimits& limits) : host_(host), limits_(limits) {}

  void receive(Bytes bytes) override;
  void receive_eof() override;
  void connection_lost(const End& end) override;
  bool wants_read() const override;
  void produce(Output& out, size_t room) override;
  void produced(size_t queued_in_stream) override;
  bool receiving_head() const override { return in_ == In::head && head_ != nullptr; }
  size_t active() const override { return exchange_ ? 1 : 0; }
  void drain() override;
  void expire_head(const End& end) override;
  Protocol protocol() const override { return Protocol::http11; }

 private:
  // What the next byte from the client belongs to.
  enum class In : uint8_t {
    head,         // the next request
    body,         // the current request
    waiting,      // the next request, which waits until the current one is answered
    tunnel_wait,  // a tunnel, if the answer opens it, else the next request
    tunnel,
    discard,  // a body that nobody wants any more
    closed,   // nobody: it is thrown away
  };
  enum class Out : uint8_t { head, body, done };  // what the current response needs next

  // ResponseSender
  void set_buffer_limit(uint32_t bytes) override { buffer_limit_ = bytes; }
  void send_informational(uint16_t status, const Fields& fields) override;
  void send_head(const ResponseHead& head) override;
  void send_body(Bytes borrowed) override;
  void send_end(const Fields* trailers) override;
  void reset(EndCause why) override;
  void finish_then_reset(EndCause why) override;
  void pause() override;
  void resume() override;
  void release() override;

  void run(Bytes& in);
  void step_head(Bytes& in);
  void on_head_complete();
  void begin_exchange(RequestPtr head, const Facts& facts);
  void step_body(Bytes& in);
  void step_discard(Bytes& in);
  void on_body_fault();
  void reject(const Fault& fault);
  void refuse(const End& end);

  void finish_response();
  void cut(const End& end);
  void finish_exchange();
  void hold(Bytes bytes);
  void run_held();
  bool held_can_go_on() const;
  void tell_pressure();
  void reach_eof();
  void settle();
  void ask_flush();
  void close(const End& end);
  size_t backlog() const { return queue_.size() + in_stream_; }
  bool may_begin() const { return !exchange_ && backlog() <= limits_.buffer_limit; }
  bool request_complete() const { return in_ == In::waiting || (in_ == In::tunnel && tunnel_eof_); }
  // The response's framing cannot show that it was cut; the end of the transport has to.
  bool cut_is_invisible() const {
    return out_ == Out::body && (framing_ == Framing::until_close || framing_ == Framing::tunnel);
  }

  ServerHost& host_;
  const CodecLimits limits_;
  SendQueue queue_;

  // Receiving.
  In in_ = In::head;
  HeadReader reader_;
  RequestPtr head_;  // one that has begun
  BodyReader body_;
  uint64_t discard_left_ = 0;
  // Bytes that came before their time. Body bytes that were lent out of them last until the end of the turn, so their
  // memory is given back only when bytes come and the exchange that got them is over.
  std::unique_ptr<char[]> held_;
  size_t held_at_ = 0, held_size_ = 0;
  std::vector<std::unique_ptr<char[]>> lent_;
  bool reading_held_ = false, lent_held_ = false;

  // The current exchange.
  RequestReceiver* receiver_ = nullptr;
  Out out_ = Out::done;
  Method method_ = Method::other;
  Framing framing_ = Framing::none;
  uint64_t length_left_ = 0;
  char upgrade_[32];
  uint8_t upgrade_size_ = 0;
  bool exchange_ = false;  // there is one: its owner has not let go of it, or its answer is not complete
  bool released_ = false;
  bool http10_ = false;
  bool expect_ = false;  // the client waits for 100 before it sends its body
  bool tunnel_asked_ = false;
  bool owes_end_ = false;    // on_end that a refused tunnel's receiver has to be told
  bool tunnel_eof_ = false;  // the client will send nothing more into the tunnel
  bool paused_ = false;
  bool blocked_ = false;
  uint32_t buffer_limit_ = 0;  // of this exchange

  // The connection.
  bool close_after_ = false;  // this exchange is the last one
  bool draining_ = false;
  bool eof_ = false;
  bool close_told_ = false;
  bool lost_ = false;  // the connection is gone
  bool shutdown_owed_ = false;
  bool idle_owed_ = false;
  bool flush_asked_ = false;
  bool wants_read_told_ = true;
  size_t in_stream_ = 0;  // what the stream held after the last flush
};

}  // namespace cardea::http::h1
