// A codec on a stream: what a downstream session and an upstream connection have in common.
#pragma once

#include <memory>

#include "http/http.h"
#include "net/net.h"

namespace cardea::wire {

// Moves bytes between one stream and one codec: reads while the codec wants to, gathers a turn's output
// into one write, tells the codec how much the stream still holds, closes after the last byte. The
// owner sets the codec when the protocol is known (after ALPN) and learns of the end once.
class Wire final : public net::StreamEvents, public net::Flushable {
 public:
  class Owner {
   public:
    virtual void on_open() {}                    // TLS handshake is done: set_codec() now
    virtual void on_received() = 0;              // bytes went into the codec: clocks may have to change
    // The stream is gone or must go; exchanges were told. The owner defers its own deletion. Once.
    virtual void on_closed(const http::End& end) = 0;

   protected:
    ~Owner() = default;
  };

  Wire(net::Loop& loop, std::unique_ptr<net::Stream> stream, Owner& owner, size_t read_size);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  void set_codec(std::unique_ptr<http::Codec> codec);  // starts to read
  http::Codec* codec() { return codec_.get(); }
  net::Stream& stream() { return *stream_; }

  // For the owner's CodecHost half.
  void request_flush() { loop_.flush_later(*this); }
  void reading_changed();
  void request_close(const http::End& end);  // after what is queued has left
  void close_now(const http::End& end);
  bool closing() const { return closing_; }
  // Bytes that came before the codec existed (PROXY header, adopted sockets).
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
  void finish_close();

  net::Loop& loop_;
  std::unique_ptr<net::Stream> stream_;
  Owner& owner_;
  std::unique_ptr<http::Codec> codec_;
  http::Output out_;
  size_t read_size_;
  uint64_t bytes_read_ = 0, bytes_written_ = 0;
  http::End end_;
  bool reading_ = false, closing_ = false, closed_ = false, eof_ = false;
};

}  // namespace cardea::wire
