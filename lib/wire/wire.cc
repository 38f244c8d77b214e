// Moves bytes between one stream and one codec, and ends the two in the right order.
#include "wire/wire.h"

#include <utility>

namespace cardea::wire {

namespace {

// Output that a stream may hold for a slow peer. Bounds what one connection can pin, and is large enough that a
// fast peer never waits for a turn.
constexpr size_t kQueueMark = 128 * 1024;
constexpr Millis kLinger = 1000;
// A closing connection whose peer takes nothing for one tick is given up; so is any after kCloseTicks.
constexpr Millis kCloseTick = 10'000;
constexpr uint8_t kCloseTicks = 6;

// One set per thread instead of per connection: flushes do not nest, and an idle connection owns no buffer.
thread_local http::Output turn_output;
thread_local std::vector<net::Slice> turn_slices;

http::End end_of(Side side, const net::StreamError& error) {
  using http::EndCause;
  if (side == Side::downstream) {
    switch (error.kind) {
      case net::StreamError::os:
        return {EndCause::downstream_reset, ""};
      case net::StreamError::tls_handshake:
        return {EndCause::downstream_closed, "tls_handshake"};
      case net::StreamError::tls_verify:
        return {EndCause::downstream_closed, "tls_verify"};
      case net::StreamError::tls_no_certificate:
        return {EndCause::downstream_closed, "tls_no_certificate"};
      case net::StreamError::tls_protocol:
        return {EndCause::downstream_reset, "tls"};
    }
  }
  switch (error.kind) {
    case net::StreamError::os:
      break;
    case net::StreamError::tls_handshake:
      return {EndCause::upstream_tls, "handshake"};
    case net::StreamError::tls_verify:
    case net::StreamError::tls_no_certificate:
      return {EndCause::upstream_tls, "verify"};
    case net::StreamError::tls_protocol:
      return {EndCause::upstream_reset, "tls"};
  }
  return {EndCause::upstream_reset, ""};
}

}  // namespace

Wire::Wire(net::Loop& loop, std::unique_ptr<net::Stream> stream, Owner& owner, size_t read_size, Side side)
    : loop_(loop), stream_(std::move(stream)), owner_(owner), read_size_(read_size), side_(side) {
  stream_->set_events(this);
}

Wire::~Wire() {
  if (stream_) stream_->set_events(nullptr);
}

// Calls into the codec go through here, so that close_now() from below can wait for the way out. False: closed.
template <class Call>
bool Wire::enter(Call call) {
  bool outer = !entered_;
  entered_ = true;
  call();
  if (outer) {
    entered_ = false;
    if (abort_ && !closed_) complete(end_);
  }
  return !closed_;
}

void Wire::set_codec(std::unique_ptr<http::Codec> codec) {
  codec_ = std::move(codec);
  request_flush();  // a codec may greet first
  reading_changed();
}

void Wire::reading_changed() {
  if (closed_) return;
  bool want = !eof_ && (closing_ || (codec_ && codec_->wants_read()));
  if (want == reading_) return;
  reading_ = want;
  if (want) {
    stream_->start_read(read_size_);
  } else {
    stream_->stop_read();
  }
}

void Wire::receive(Bytes bytes) {
  if (closing_ || !codec_) return;
  if (enter([&] { codec_->receive(bytes); })) owner_.on_received();
}

void Wire::on_open() {
  owner_.on_open();
}

void Wire::on_data(char* data, size_t n) {
  bytes_read_ += n;
  receive({data, n});
}

void Wire::on_eof() {
  eof_ = true;
  reading_ = false;
  if (closing_) {
    if (lingering_) complete(end_);
    return;
  }
  if (!codec_) {
    return complete(side_ == Side::upstream ? http::End{http::EndCause::upstream_tls, "handshake"}
                                            : http::End{http::EndCause::downstream_closed, "handshake"});
  }
  if (!enter([&] { codec_->receive_eof(); })) return;
  // A half-closed peer may still take the answers that are due; without any the connection has no use left.
  if (!closing_ && codec_->active() == 0) {
    request_close({side_ == Side::upstream ? http::EndCause::upstream_closed : http::EndCause::downstream_closed, ""});
  }
}

void Wire::on_drained() {
  request_flush();
}

void Wire::on_error(const net::StreamError& error) {
  if (!closing_ && !codec_) owner_.on_broken(error);
  // Exchanges of a closing connection have been told the true reason already.
  complete(closing_ ? end_ : end_of(side_, error));
}

// What several turns of one pass of the poller have for a shared connection leaves in one write: the codec copies what
// it was lent and waits for a timer that comes due when the poller has told of everything.
void Wire::gather() {
  if (!enter([&] { codec_->produced(stream_->queued()); })) return;
  if (!gather_timer_) {
    gather_timer_ = std::make_unique<net::Timer>(loop_, [this] {
      gathered_ = true;
      request_flush();
    });
  }
  if (!gather_timer_->active()) gather_timer_->start(0);
}

void Wire::flush() {
  if (closed_) return;
  if (codec_ && !closing_ && !std::exchange(gathered_, false) && codec_->may_wait()) return gather();
  bool all = true;
  if (codec_ && !enter([&] { all = write_output(); })) return;
  if (shut_wanted_ && all && !closing_) shut();
  if (closing_ && (all || side_ == Side::upstream)) finish_close();
}

// Writes what the codec has; true when it has nothing left that could be written now.
bool Wire::write_output() {
  for (;;) {
    size_t queued = stream_->queued();
    if (queued >= kQueueMark) {
      // Nothing is produced until on_drained(), but borrowed bytes end with this turn: the codec must hear of it.
      codec_->produced(queued);
      return false;
    }
    size_t room = kQueueMark - queued;
    turn_output.clear();
    codec_->produce(turn_output, room);
    size_t size = turn_output.size();
    if (size > 0) {
      turn_slices.clear();
      for (Bytes b : turn_output.slices()) turn_slices.push_back({b.data(), b.size()});
      stream_->write(turn_slices.data(), turn_slices.size());
      bytes_written_ += size;
      turn_output.clear();
    }
    codec_->produced(stream_->queued());
    if (size == 0 || abort_) return true;
    // Less than about `room` means that the codec was not held back. Before a close the answer must be certain.
    if (!closing_ && size < room / 2) return true;
  }
}

void Wire::request_close(const http::End& end) {
  if (closing_) return;
  closing_ = true;
  end_ = end;
  request_flush();
  if (side_ == Side::upstream) {
    if (reading_) stream_->stop_read();
    reading_ = false;
    return;
  }
  close_timer_ = std::make_unique<net::Timer>(loop_, [this] { on_close_timer(); });
  close_timer_->start(kCloseTick);
  reading_changed();
}

void Wire::close_now(const http::End& end) {
  if (closed_ || abort_) return;
  if (!entered_) return complete(end);
  abort_ = closing_ = true;
  end_ = end;
}

void Wire::release_stream() {
  if (stream_) loop_.defer_delete(std::move(stream_));
}

void Wire::request_shutdown() {
  shut_wanted_ = true;
  request_flush();
}

void Wire::shut() {
  if (shut_) return;
  shut_ = true;
  stream_->shutdown();
}

// The codec's last byte is with the stream.
void Wire::finish_close() {
  if (!codec_) return complete(end_);
  if (Bytes(end_.detail) == "truncated") {
    if (side_ == Side::downstream && stream_->queued() > 0) return;  // on_drained() or the timer comes back
    stream_->set_reset_on_close();
    return complete(end_);
  }
  shut();
  // A service that does not read a request that nobody wants any more is not waited for.
  if (side_ == Side::upstream) return complete(end_);
  if (stream_->queued() > 0) return;  // on_drained() or the timer comes back
  if (eof_) return complete(end_);
  if (lingering_) return;
  if (!close_timer_) return complete(end_);  // there was no memory for it
  lingering_ = true;
  close_timer_->start(kLinger);
}

void Wire::on_close_timer() {
  uint64_t sent = bytes_written_ - stream_->queued();
  if (lingering_ || sent == sent_before_ || ++close_ticks_ == kCloseTicks) return complete(end_);
  sent_before_ = sent;
  close_timer_->start(kCloseTick);
}

void Wire::complete(const http::End& end) {
  if (closed_) return;
  closing_ = closed_ = true;
  if (close_timer_) close_timer_->stop();
  if (reading_) stream_->stop_read();
  reading_ = false;
  stream_->set_events(nullptr);
  if (codec_) {
    entered_ = true;
    codec_->connection_lost(end);
    entered_ = false;
  }
  owner_.on_closed(end);
}

}  // namespace cardea::wire
