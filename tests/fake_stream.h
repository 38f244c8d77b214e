// One connection in memory: the stream that the code under test owns, and the end that the test holds.
#pragma once

#include <errno.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "net/net.h"

namespace cardea::net {

class FakeStream;

// What two ends of a connection share: what is on its way, and how the ends are. Made by FakeNetwork.
class FakePeer : public std::enable_shared_from_this<FakePeer> {
 public:
  explicit FakePeer(Loop& loop) : loop_(loop) {}

  // What the code under test did.
  std::string received;    // all that it wrote and the "kernel" took
  bool eof = false;        // it shut its side down, or closed
  bool closed = false;     // it deleted its stream
  bool was_reset = false;  // with set_reset_on_close()
  size_t writes = 0;       // calls of write() that came here, so "system calls"
  bool nodelay = true;
  unsigned keepalive = 0;

  // What the test does. After eof(), close() or reset() there is nothing more to send.
  void send(Bytes bytes);              // each send() is at least one on_data
  void send_bytewise(Bytes bytes);     // each byte is an on_data of its own
  void send_eof();                     // FIN: on_eof after what was sent
  void close();                        // FIN, and what the stream writes from now on is answered by RST
  void reset(int error = ECONNRESET);  // on_error after what was sent
  // How much the "kernel" takes: everything at once; at most so much in one write (the rest in later
  // turns); at most so much in all until release_writes().
  void limit_writes(size_t bytes) { write_limit_ = bytes; }
  void set_window(size_t bytes);
  void hold_writes() { set_window(0); }
  void release_writes() { set_window(SIZE_MAX); }
  void limit_reads(size_t bytes) { read_limit_ = bytes; }  // of one on_data
  size_t unread() const;                                   // sent by the test, and not taken by the stream yet
  size_t queued() const;                                   // written by the stream, and not taken by the kernel yet
  std::string take() { return std::exchange(received, {}); }
  FakeStream* stream() { return stream_; }  // null once deleted
  // Called, in a turn, after bytes or an end have come. Optional.
  std::function<void(FakePeer&)> on_change;

 private:
  friend class FakeStream;
  void changed();

  Loop& loop_;
  FakeStream* stream_ = nullptr;
  std::deque<std::string> inbox_;  // on its way to the stream
  bool inbox_eof_ = false;
  int inbox_error_ = 0;
  bool gone_ = false;  // close() was called
  size_t window_ = SIZE_MAX;
  size_t write_limit_ = SIZE_MAX;
  size_t read_limit_ = SIZE_MAX;
  bool change_queued_ = false;
};

class FakeStream final : public Stream {
 public:
  FakeStream(Loop& loop, std::shared_ptr<FakePeer> far, const Address& peer, const Address& local)
      : loop_(loop), far_(std::move(far)), peer_(peer), local_(local), self_(std::make_shared<FakeStream*>(this)) {
    far_->stream_ = this;
  }
  ~FakeStream() override {
    far_->stream_ = nullptr;
    far_->closed = true;
    far_->eof = !reset_;
    far_->was_reset = reset_;
    far_->changed();
    if (open_count != nullptr) --*open_count;
  }

  void set_events(StreamEvents* events) override {
    events_ = events;
    pump_later();
  }
  void start_read(size_t max_bytes) override {
    max_read_ = std::clamp<size_t>(max_bytes, 1, Loop::kReadBuffer);
    reading_ = true;
    pump_later();
  }
  void stop_read() override { reading_ = false; }
  void write(const Slice* slices, size_t count) override {
    if (shutdown_) ADD_FAILURE() << "write() after shutdown()";
    if (broken_) return;
    const bool was_empty = queue_.empty();
    const size_t before = queue_.size();
    for (size_t i = 0; i < count; ++i) queue_.append(slices[i].data, slices[i].size);
    if (queue_.size() == before) return;
    if (was_empty) transmit();
    if (!queue_.empty()) pump_later();
  }
  size_t queued() const override { return queue_.size(); }
  void shutdown() override {
    if (std::exchange(shutdown_, true)) return;
    if (queue_.empty()) tell_shutdown();
  }
  void set_reset_on_close() override { reset_ = true; }
  const Address& peer() const override { return peer_; }
  const Address& local() const override { return local_; }
  void set_nodelay(bool on) override { far_->nodelay = on; }
  void set_keepalive(unsigned seconds) override { far_->keepalive = seconds; }
  bool reading() const { return reading_; }

  std::shared_ptr<size_t> open_count;

  // One event at most in one turn, so that tests see every boundary.
  void pump_later() {
    if (std::exchange(pump_queued_, true)) return;
    loop_.next_turn([weak = std::weak_ptr<FakeStream*>(self_)] {
      if (auto self = weak.lock()) (*self)->pump();
    });
  }

 private:
  void pump() {
    pump_queued_ = false;
    if (told_ || events_ == nullptr) return;
    if (broken_ && !(reading_ && !far_->inbox_.empty())) return fail(broken_);
    if (!queue_.empty() && far_->window_ > 0) {
      transmit();
      if (!broken_ && queue_.empty()) {
        if (shutdown_) tell_shutdown();
        pump_later();
        return events_->on_drained();
      }
      pump_later();
    }
    if (!far_->inbox_.empty()) {
      if (reading_) deliver();
      return;
    }
    if (far_->inbox_error_ != 0) return fail(far_->inbox_error_);
    if (far_->inbox_eof_ && reading_ && !eof_) {
      eof_ = true;
      events_->on_eof();
    }
  }
  void deliver() {
    std::string& front = far_->inbox_.front();
    const size_t n = std::min({front.size(), max_read_, far_->read_limit_});
    loop_.flush_now();  // several streams may deliver in one turn, from one buffer that may be borrowed still
    if (told_ || events_ == nullptr || !reading_ || far_->inbox_.empty()) return pump_later();
    memcpy(loop_.read_buffer(), front.data(), n);
    front.erase(0, n);
    if (front.empty()) far_->inbox_.pop_front();
    pump_later();
    events_->on_data(loop_.read_buffer(), n);
  }
  // One system call.
  void transmit() {
    if (far_->inbox_error_ != 0 || far_->gone_) {
      broken_ = far_->inbox_error_ != 0 ? far_->inbox_error_ : ECONNRESET;
      queue_.clear();
      return pump_later();
    }
    if (far_->window_ == 0) return;
    const size_t n = std::min({queue_.size(), far_->write_limit_, far_->window_});
    if (far_->window_ != SIZE_MAX) far_->window_ -= n;
    far_->received.append(queue_, 0, n);
    ++far_->writes;
    queue_.erase(0, n);
    far_->changed();
  }
  void tell_shutdown() {
    if (broken_) return;
    far_->eof = true;
    far_->changed();
  }
  void fail(int error) {
    told_ = true;
    broken_ = error;
    queue_.clear();
    events_->on_error(StreamError{StreamError::os, error, strerror(error)});
  }

  Loop& loop_;
  std::shared_ptr<FakePeer> far_;
  const Address peer_, local_;
  std::shared_ptr<FakeStream*> self_;
  StreamEvents* events_ = nullptr;
  std::string queue_;
  size_t max_read_ = 0;
  int broken_ = 0;
  bool reading_ = false, shutdown_ = false, reset_ = false, eof_ = false, told_ = false, pump_queued_ = false;
};

inline void FakePeer::send(Bytes bytes) {
  if (inbox_eof_ || inbox_error_ != 0) ADD_FAILURE() << "the peer has ended already";
  if (!bytes.empty()) inbox_.emplace_back(bytes);
  if (stream_ != nullptr) stream_->pump_later();
}
inline void FakePeer::send_bytewise(Bytes bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) send(bytes.substr(i, 1));
}
inline void FakePeer::send_eof() {
  inbox_eof_ = true;
  if (stream_ != nullptr) stream_->pump_later();
}
inline void FakePeer::close() {
  gone_ = true;
  send_eof();
}
inline void FakePeer::reset(int error) {
  inbox_error_ = error;
  if (stream_ != nullptr) stream_->pump_later();
}
inline void FakePeer::set_window(size_t bytes) {
  window_ = bytes;
  if (stream_ != nullptr) stream_->pump_later();
}
inline size_t FakePeer::unread() const {
  size_t n = 0;
  for (auto& s : inbox_) n += s.size();
  return n;
}
inline size_t FakePeer::queued() const {
  return stream_ != nullptr ? stream_->queued() : 0;
}
inline void FakePeer::changed() {
  if (!on_change || std::exchange(change_queued_, true)) return;
  loop_.next_turn([weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->change_queued_ = false;
    if (self->on_change) self->on_change(*self);
  });
}

}  // namespace cardea::net
