// A codec on a stream: what a downstream session and an upstream connection have in common.
#pragma once

#include <memory>

#include "http/http.h"
#include "net/net.h"

namespace cardea::wire {

// Who is at the other end: a client (downstream) or a service (upstream). Says what a broken stream means and whether a
// close lingers: a client may still be sending and would lose our answer to a TCP reset.
enum class Side : uint8_t { downstream, upstream };

// Moves bytes between one stream and one codec: reads while the codec wants to, gathers a turn's output
// into one write, tells the codec how much the stream still holds, closes after the last byte. The
// owner sets the codec when the protocol is known (after ALPN) and learns of the end once. Member of its owner, one
// thread.
class Wire final : public net::StreamEvents, public net::Flushable {
 public:
  class Owner {
   public:
    virtual void on_open() {}                           // TLS handshake is done: set_codec() now
    virtual void on_broken(const net::StreamError&) {}  // before on_closed(), of a stream that broke without a codec
    virtual void on_received() = 0;                     // bytes went into the codec: clocks may have to change
    // The stream is gone or must go; exchanges were told. The owner defers its own deletion. Exactly once, also for
    // streams that break before there is a codec; never from inside one of the codec's own calls.
    virtual void on_closed(const http::End& end) = 0;

   protected:
    ~Owner() = default;
  };

  Wire(net::Loop& loop, std::unique_ptr<net::Stream> stream, Owner& owner, size_t read_size,
       Side side = Side::downstream);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  void set_codec(std::unique_ptr<http::Codec> codec);  // starts to read
  http::Codec* codec() { return codec_.get(); }
  net::Stream& stream() { return *stream_; }  // until release_stream()
  const net::Stream& stream() const { return *stream_; }

  // For the owner's CodecHost half.
  void request_flush() { loop_.flush_later(*this); }
  void reading_changed();
  // Closes after what is queued has left. Downstream: then FIN, and what still comes is read and dropped for up to a
  // second; a client that does not read what is queued is given up after a while. Upstream: right after the last write.
  // Detail "truncated": instead of FIN and close_notify the stream ends abruptly, so that nothing cut looks complete.
  void request_close(const http::End& end);
  void request_shutdown();  // after what is queued has left: FIN; reading goes on
  // Drops what is queued and resets every exchange. Inside a call of the codec it waits until that call returns.
  void close_now(const http::End& end);
  bool closing() const { return closing_; }   // also true when closed
  bool closed() const { return closed_; }     // already while the codec hears of it
  bool in_codec() const { return entered_; }  // a call into the codec is on the stack
  // After on_closed: the descriptor is given back at the end of this turn although the wire and its codec live on.
  void release_stream();
  // Bytes for the codec that came before it existed. They must last until the end of the turn, like all that is
  // received.
  void receive(Bytes bytes);

  uint64_t bytes_read() const { return bytes_read_; }
  uint64_t bytes_written() const { return bytes_written_; }

 private:
  void on_open() override;
  void on_data(char* data, size_t n) override;
  void on_eof() override;
  void on_drained() override;
  void on_error(const net::StreamError& error) override;
  void flush() override;
  void gather();
  template <class Call>
  bool enter(Call call);
  bool write_output();
  void shut();
  void finish_close();
  void complete(const http::End& end);
  void on_close_timer();

  net::Loop& loop_;
  std::unique_ptr<net::Stream> stream_;
  Owner& owner_;
  std::unique_ptr<http::Codec> codec_;
  std::unique_ptr<net::Timer> close_timer_;   // exists only while closing
  std::unique_ptr<net::Timer> gather_timer_;  // exists once a codec's output has waited for the end of a pass
  size_t read_size_;
  uint64_t bytes_read_ = 0, bytes_written_ = 0;
  uint64_t sent_before_ = 0;  // at the last tick of close_timer_
  http::End end_;
  Side side_;
  uint8_t close_ticks_ = 0;
  bool reading_ = false, closing_ = false, closed_ = false, eof_ = false;
  bool gathered_ = false;
  bool entered_ = false, abort_ = false, shut_wanted_ = false, shut_ = false, lingering_ = false;
};

}  // namespace cardea::wire
