// An HTTP/2 connection's sending side: bodies, windows, back pressure, frames into Output.
#include <charconv>

#include "http/h2_session.h"

namespace cardea::http {

namespace {

// A peer that does not read is not read from either, once so much of control frames and heads is queued
// above what bodies may queue.
constexpr size_t kCongestion = 256 * 1024;
// DATA smaller than this because of the peer's window earns no free frames: its window is the trouble.
constexpr size_t kStarvedFrame = 1024;
// What may wait for a tunnel to open beyond what backpressure allows; its owner was told at the buffer limit to stop.
constexpr size_t kMaxEarlyExtra = 64 * 1024;

}  // namespace

// ---- Sender ----------------------------------------------------------------------------------------

void H2Session::send_body(H2Stream& s, Bytes borrowed) {
  if (s.dead() || !s.head_sent || s.end_queued || borrowed.empty()) return;
  if (s.early && s.buffered() + borrowed.size() > 4 * size_t(s.buffer_limit) + kMaxEarlyExtra) {
    s.failure = {EndCause::overload, "early_tunnel_bytes"};
    return cut(s, NGHTTP2_CANCEL);
  }
  if (s.send_left) {
    if (borrowed.size() > *s.send_left) {
      s.failure = {EndCause::internal, "body_too_long"};
      return cut(s, NGHTTP2_INTERNAL_ERROR);
    }
    *s.send_left -= borrowed.size();
  }
  s.borrowed.push_back(borrowed);
  s.borrowed_size += borrowed.size();
  lent_size_ += borrowed.size();
  touch(s);
  wake(s);
}

void H2Session::send_end(H2Stream& s, const Fields* trailers) {
  if (s.dead() || !s.head_sent || s.end_queued) return;
  if (s.send_left.value_or(0) > 0) {
    // A message that is too short must not look whole.
    s.failure = {EndCause::internal, "body_too_short"};
    return cut(s, NGHTTP2_INTERNAL_ERROR);
  }
  s.end_queued = true;
  if (trailers && !trailers->empty()) {
    s.trailers_out = make_response();
    for (const Field& f : *trailers) {
      if (is_hop_by_hop(f.id) || f.id == FieldId::content_length) continue;
      s.trailers_out->fields.add(Field{f.id == FieldId::other ? s.trailers_out->arena.copy(f.name) : field_name(f.id),
                                       s.trailers_out->arena.copy(f.value), f.id});
    }
    if (s.trailers_out->fields.empty()) s.trailers_out.reset();
  }
  wake(s);
}

void H2Session::reset(H2Stream& s, EndCause why) {
  s.receiver = nullptr;
  s.held.clear();
  if (s.closed || s.released) return;
  if (s.end_sent && s.remote_ended) return;
  cut(s, reset_code(s, why));
}

void H2Session::finish_then_reset(H2Stream& s, EndCause why) {
  s.receiver = nullptr;
  s.held.clear();
  if (s.dead() || s.released || s.finishing || (s.end_sent && s.remote_ended)) return;
  const bool waits = s.end_queued ? !s.end_sent : s.buffered() > 0;
  if (!s.head_sent || s.early || !waits) return cut(s, reset_code(s, why));
  s.finishing = true;
  s.finish_code = reset_code(s, why);
  s.endless = !s.end_queued;
  s.end_queued = true;
  touch(s);
  wake(s);
}

void H2Session::release(H2Stream& s) {
  if (s.released) return;
  s.released = true;
  s.receiver = nullptr;
  s.held.clear();
  if (s.closed) {
    bury(s);
    return want_flush();
  }
  if (s.cut || s.finishing) return;
  if (!s.end_queued) return cut(s, reset_code(s, EndCause::none));
  // Server: the answer goes out in full, then on_frame_sent() tells the client to stop sending. Client: what is
  // left of the response is of no use.
  if (s.remote_ended) return;
  if (!server_) return cut(s, NGHTTP2_CANCEL);
  if (s.end_sent) cut(s, NGHTTP2_NO_ERROR);
}

void H2Session::cut(H2Stream& s, uint32_t code) {
  if (s.dead()) return;
  s.cut = true;
  s.end_queued = true;
  if (ended_) return;
  if (s.id == 0) {  // a request that was never submitted
    s.closed = true;
    if (s.released) bury(s);
    if (s.receiver) add_news(s);
  } else {
    nghttp2_submit_rst_stream(ng_, 0, s.id, code);
  }
  touch(s);
  want_flush();
}

void H2Session::wake(H2Stream& s) {
  if (s.deferred) {
    s.deferred = false;
    if (!ended_) nghttp2_session_resume_data(ng_, s.id);
  }
  want_flush();
}

// ---- heads -----------------------------------------------------------------------------------------

void H2Session::add_nv(Bytes name, Bytes value, uint8_t flags) {
  nghttp2_nv nv;
  nv.name = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data()));
  nv.namelen = name.size();
  nv.value = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data()));
  nv.valuelen = value.size();
  nv.flags = flags;
  nva_.push_back(nv);
}

void H2Session::add_fields(const Fields& fields, bool trailers) {
  for (const Field& f : fields) {
    if (f.name.empty() || f.name[0] == ':' || is_hop_by_hop(f.id) || f.id == FieldId::content_length) continue;
    if (f.id == FieldId::host) continue;
    if (trailers && is_forbidden_in_trailers(f)) continue;
    if (f.id == FieldId::other) {
      // An assertion differs from user to user, and whoever guesses at it shall not see the table confirm it.
      const bool secret = equal_no_case(f.name, "x-pomerium-jwt-assertion");
      add_nv(f.name, f.value, secret ? NGHTTP2_NV_FLAG_NO_INDEX : 0);  // nghttp2's copy is in lower case
    } else {
      // What is never the same again would only push useful entries out of the table (RFC 7541 7.1.3, 6.2.3).
      const int index = f.id == FieldId::x_request_id ? NGHTTP2_NV_FLAG_NO_INDEX : 0;
      add_nv(field_name(f.id), f.value, NGHTTP2_NV_FLAG_NO_COPY_NAME | index);
    }
  }
}

Bytes h2_number(uint64_t value, char (&text)[20]) {
  auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, size_t(end - text)};
}

// ---- output ----------------------------------------------------------------------------------------

void H2Session::fill(Output& out, size_t room) {
  Entry entry(*this);
  flush_asked_ = flush_due_ = false;
  produced_ = true;
  free_lent();
  for (size_t i = 0; i < news_.size(); ++i) {  // may grow
    news_[i]->has_news = false;
    deliver_held(*news_[i]);
  }
  news_.clear();
  room_ = room;
  if (!ended_ || (goaway_due_ && !greeted_ && ng_)) send_pass(out);
  if (goaway_due_) write_goaway(out);
}

void H2Session::send_pass(Output& out) {
  out_ = &out;
  const bool was_ended = ended_;
  for (;;) {
    const uint8_t* frame = nullptr;
    ssize_t n = nghttp2_session_mem_send(ng_, &frame);
    if (n < 0) break_connection(NGHTTP2_INTERNAL_ERROR, "h2_output");
    if (n <= 0) break;
    out.copy({reinterpret_cast<const char*>(frame), size_t(n)});
    greeted_ = true;
    if (ended_ && !was_ended) break;
  }
  out_ = nullptr;
}

// nghttp2's queue is abandoned with the connection: only this frame still matters (RFC 9113 6.8).
void H2Session::write_goaway(Output& out) {
  goaway_due_ = false;
  const uint32_t last = uint32_t(nghttp2_session_get_last_proc_stream_id(ng_));
  const uint8_t frame[17] = {0,
                             0,
                             8,
                             NGHTTP2_GOAWAY,
                             0,
                             0,
                             0,
                             0,
                             0,
                             uint8_t(last >> 24),
                             uint8_t(last >> 16),
                             uint8_t(last >> 8),
                             uint8_t(last),
                             uint8_t(goaway_code_ >> 24),
                             uint8_t(goaway_code_ >> 16),
                             uint8_t(goaway_code_ >> 8),
                             uint8_t(goaway_code_)};
  out.copy({reinterpret_cast<const char*>(frame), sizeof frame});
}

// nghttp2 asks for the next DATA frame of at most `length` bytes. All control frames are out when it does.
ssize_t H2Session::read_body(H2Stream& s, size_t length, uint32_t* flags) {
  const size_t there = s.buffered();
  const bool ends = s.end_queued && !s.endless;
  if (s.early || (there == 0 && !ends)) {
    s.deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  if (there > 0 && room_ == 0) return NGHTTP2_ERR_PAUSE;
  const size_t n = std::min(there, length);
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (n == there && ends) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (s.trailers_out) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      nva_.clear();
      add_fields(s.trailers_out->fields, true);
      if (nghttp2_submit_trailer(ng_, s.id, nva_.data(), nva_.size()) != 0)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
  }
  if (n == there || n >= kStarvedFrame) budget_.earn(AbuseBudget::kPerData);
  return ssize_t(n);
}

void H2Session::write_body(H2Stream& s, const uint8_t* head, size_t length) {
  touch(s);
  out_->copy({reinterpret_cast<const char*>(head), 9});
  room_ -= std::min(room_, length);
  size_t from_pending = std::min(length, s.pending.size() - s.pending_at);
  if (from_pending > 0) {
    out_->borrow(Bytes(s.pending).substr(s.pending_at, from_pending));
    s.pending_at += from_pending;
    length -= from_pending;
  }
  while (length > 0) {
    Bytes& slice = s.borrowed[s.borrowed_at];
    size_t n = std::min(length, slice.size());
    out_->borrow(slice.substr(0, n));
    slice.remove_prefix(n);
    if (slice.empty()) ++s.borrowed_at;
    s.borrowed_size -= n;
    length -= n;
  }
}

int H2Session::on_frame_sent(const nghttp2_frame& frame) {
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA: {
      H2Stream* s = find(frame.hd.stream_id);
      if (!s) break;
      s->head_out = true;
      if (!(frame.hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        if (s->endless && s->buffered() == 0) cut(*s, s->finish_code);
        break;
      }
      s->end_sent = true;
      if (s->finishing && !s->remote_ended) cut(*s, server_ ? uint32_t(NGHTTP2_NO_ERROR) : s->finish_code);
      // The answer is whole before the request is: the rest of the upload is not wanted (RFC 9113 8.1).
      if (s->released && !s->remote_ended && server_) cut(*s, NGHTTP2_NO_ERROR);
      break;
    }
    case NGHTTP2_RST_STREAM: {
      H2Stream* s = find(frame.hd.stream_id);
      // Resets that the peer provoked cost as much as those that it sends (CVE-2025-8671). A stream that
      // is gone was reset by both sides at once; then the code tells whose idea ours was.
      const uint32_t code = frame.rst_stream.error_code;
      const bool ours =
          s ? s->cut : code == NGHTTP2_NO_ERROR || code == NGHTTP2_CANCEL || code == NGHTTP2_INTERNAL_ERROR;
      if (!ours) charge(AbuseBudget::kReset, "h2_provoked_resets");
      break;
    }
    case NGHTTP2_GOAWAY:
      if (frame.goaway.error_code != NGHTTP2_NO_ERROR && !ended_) {
        ended_ = true;  // nghttp2 gave up on the peer; its GOAWAY is in this output
        broken_end_ = {peer_fault_, h2_error_name(frame.goaway.error_code)};
      }
      break;
    default:
      break;
  }
  return 0;
}

int H2Session::on_frame_not_sent(const nghttp2_frame& frame) {
  if (frame.hd.type != NGHTTP2_HEADERS || frame.headers.cat == NGHTTP2_HCAT_REQUEST) return 0;
  H2Stream* s = find(frame.hd.stream_id);
  if (s && !s->dead()) {
    s->failure = {EndCause::internal, "h2_head_not_sent"};
    cut(*s, NGHTTP2_INTERNAL_ERROR);
  }
  return 0;
}

// ---- back pressure ---------------------------------------------------------------------------------

void H2Session::touch(H2Stream& s) {
  if (s.touched || lost_) return;
  s.touched = true;
  touched_.push_back(&s);
}

void H2Session::keep_borrowed(H2Stream& s) {
  if (s.pending_at == s.pending.size()) {
    s.pending.clear();
    s.pending_at = 0;
  } else if (s.pending_at > s.pending.size() / 2) {
    s.pending.erase(0, s.pending_at);
    s.pending_at = 0;
  }
  for (size_t i = s.borrowed_at; i < s.borrowed.size(); ++i) s.pending.append(s.borrowed[i]);
  s.borrowed.clear();
  s.borrowed_at = s.borrowed_size = 0;
}

void H2Session::filled(size_t queued) {
  if (std::exchange(produced_, false)) return settle_output(queued, true);
  // Nothing was produced because the stream is full. It flushes again when it has drained, so asking now would only go
  // round in circles; what comes in later turns must be heard of again, since lent bytes do not outlive their turn.
  flush_asked_ = true;
  settle_output(queued, false);
  flush_asked_ = false;
}

void H2Session::settle_output(size_t queued, bool produced) {
  Entry entry(*this);
  lent_size_ = 0;
  free_lent();
  touching_.swap(touched_);
  for (H2Stream* s : touching_) {
    s->touched = false;
    if (s->dead()) {
      s->pending.clear();
      s->borrowed.clear();
      s->pending_at = s->borrowed_at = s->borrowed_size = 0;
      continue;
    }
    keep_borrowed(*s);
    if (s->finishing && s->released && !server_) {
      // A service is not waited for: what it does not take at once it does not get.
      produced ? cut(*s, s->finish_code) : touch(*s);
      continue;
    }
    const size_t left = s->pending.size() - s->pending_at;
    if (!s->blocked && left > s->buffer_limit) {
      s->blocked = true;
      if (s->receiver) s->receiver->on_blocked();
    } else if (s->blocked && left < s->buffer_limit / 2) {
      s->blocked = false;
      if (s->receiver) s->receiver->on_unblocked();
    }
  }
  touching_.clear();
  congested_ = queued > (congested_ ? kCongestion / 2 : kCongestion);
}

}  // namespace cardea::http
