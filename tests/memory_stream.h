// A loop that the test turns by hand, and two streams in memory joined end to end.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/net.h"

namespace memory {

using namespace cardea;

class ManualClock final : public net::Clock {
 public:
  Millis monotonic_ms() override { return now; }
  int64_t unix_ms() override { return int64_t(now); }
  Millis now = 1000;
};

class Loop final : public net::Loop {
 public:
  using net::Loop::Loop;

 private:
  void wake() override {}
  void rearm() override {}
};

// What may go wrong on the way, and what was seen. Shared by a stream and the test, outlives the stream.
struct Wire {
  size_t chunk = SIZE_MAX;                   // at most so many bytes in one on_data
  size_t window = SIZE_MAX;                  // at most so many bytes taken from the queue in one step
  size_t writes = 0;                         // write() calls
  size_t reads = 0;                          // on_data calls
  std::string sent;                          // every byte that write() got
  std::function<void(std::string&)> tamper;  // sees what is about to arrive at the peer
  bool alive = true;
  bool fin = false;  // shutdown() was called
  bool reading = false;
};

class Stream final : public net::Stream {
 public:
  explicit Stream(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}
  ~Stream() override {
    wire_->alive = false;
    if (!other_) return;
    other_->other_ = nullptr;
    other_->fin_arrives_ = true;
  }
  static void join(Stream& a, Stream& b) {
    a.other_ = &b;
    b.other_ = &a;
  }

  void set_events(net::StreamEvents* events) override { events_ = events; }
  void start_read(size_t max_bytes) override {
    max_ = max_bytes;
    wire_->reading = true;
  }
  void stop_read() override { wire_->reading = false; }
  void write(const net::Slice* slices, size_t count) override {
    ++wire_->writes;
    for (size_t i = 0; i < count; ++i) {
      queue_.append(slices[i].data, slices[i].size);
      wire_->sent.append(slices[i].data, slices[i].size);
    }
    if (wire_->window == SIZE_MAX) take(queue_.size());
  }
  size_t queued() const override { return queue_.size(); }
  void shutdown() override { wire_->fin = true; }
  void set_reset_on_close() override {}
  const net::Address& peer() const override { return address_; }
  const net::Address& local() const override { return address_; }
  void set_peer(const net::Address& address) { address_ = address; }

  // One unit of work of the network; false when there was none.
  bool step(net::Loop& loop) {
    bool worked = false;
    if (!queue_.empty()) {
      worked = true;
      take(std::min(queue_.size(), wire_->window));
      if (queue_.empty() && events_) {
        net::Loop::Turn turn(loop);
        events_->on_drained();
        return true;  // the stream may be gone
      }
    }
    if (wire_->fin && queue_.empty() && !fin_sent_ && other_) {
      fin_sent_ = worked = true;
      other_->fin_arrives_ = true;
    }
    if (wire_->reading && events_ && !inbox_.empty()) {
      size_t n = std::min({inbox_.size(), max_, wire_->chunk});
      std::unique_ptr<char[]> lent(new char[n]);  // of its own, so that a sanitizer sees late uses
      memcpy(lent.get(), inbox_.data(), n);
      inbox_.erase(0, n);
      ++wire_->reads;
      net::Loop::Turn turn(loop);
      events_->on_data(lent.get(), n);
      return true;
    }
    if (wire_->reading && events_ && inbox_.empty() && fin_arrives_ && !eof_told_) {
      eof_told_ = true;
      net::Loop::Turn turn(loop);
      events_->on_eof();
      return true;
    }
    return worked;
  }

 private:
  void take(size_t n) {
    std::string part = queue_.substr(0, n);
    queue_.erase(0, n);
    if (wire_->tamper) wire_->tamper(part);
    if (other_) other_->inbox_ += part;
  }

  std::shared_ptr<Wire> wire_;
  net::StreamEvents* events_ = nullptr;
  Stream* other_ = nullptr;
  std::string queue_, inbox_;
  size_t max_ = SIZE_MAX;
  bool fin_sent_ = false, fin_arrives_ = false, eof_told_ = false;
  net::Address address_;
};

}  // namespace memory
