// What arrives on an HTTP/2 connection, and what it costs.
#include "http/h2_session.h"

namespace cardea::http {

namespace {

constexpr uint32_t kEmptyDataInARow = 10;
constexpr uint32_t kFlood = 10;  // past so many times a head limit the connection ends

const char* fatal_detail(ssize_t error) {
  switch (error) {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
      return "h2_preface";
    case NGHTTP2_ERR_FLOODED:
      return "h2_ack_flood";
    case NGHTTP2_ERR_NOMEM:
      return "memory";
    default:
      return "h2_protocol";
  }
}

uint32_t fatal_code(ssize_t error) {
  switch (error) {
    case NGHTTP2_ERR_FLOODED:
      return NGHTTP2_ENHANCE_YOUR_CALM;
    case NGHTTP2_ERR_NOMEM:
      return NGHTTP2_INTERNAL_ERROR;
    default:
      return NGHTTP2_PROTOCOL_ERROR;
  }
}

}  // namespace

void H2Session::take(Bytes bytes) {
  Entry entry(*this);
  if (ended_ || close_asked_) return;
  Millis now = now_(now_arg_);
  budget_.tick(now);
  lent_.clear();
  const size_t fine = watch_.feed(bytes);
  ssize_t n = nghttp2_session_mem_recv(ng_, reinterpret_cast<const uint8_t*>(bytes.data()), fine);
  // After an error nothing of nghttp2's own may be relied on: the GOAWAY is written by hand.
  if (n < 0) return break_connection(fatal_code(n), fatal_detail(n));
  if (fine < bytes.size()) break_connection(NGHTTP2_ENHANCE_YOUR_CALM, "h2_continuations");
}

int H2Session::on_begin_frame(const nghttp2_frame_hd& hd) {
  const bool useless = std::exchange(unclaimed_head_, hd.type == NGHTTP2_HEADERS);
  if (useless && !charge(AbuseBudget::kUselessHead, "h2_useless_headers")) return broken();
  switch (hd.type) {
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
    case NGHTTP2_RST_STREAM:  // counted where it is known what it resets
      break;
    case NGHTTP2_SETTINGS:
      if (!(hd.flags & NGHTTP2_FLAG_ACK) && settings_seen_) charge(AbuseBudget::kSettings, "h2_settings_flood");
      break;
    case NGHTTP2_PING:
    case NGHTTP2_WINDOW_UPDATE:
      if (!budget_.charge_or_use_credit()) {
        break_connection(NGHTTP2_ENHANCE_YOUR_CALM, hd.type == NGHTTP2_PING ? "h2_ping_flood" : "h2_window_flood");
      }
      break;
    case NGHTTP2_PUSH_PROMISE:
      // Switched off by our SETTINGS; nghttp2 would still take it until they are acknowledged.
      break_connection(NGHTTP2_PROTOCOL_ERROR, "h2_push");
      break;
    default:
      charge(AbuseBudget::kNuisance, hd.type == NGHTTP2_PRIORITY ? "h2_priority_flood" : "h2_useless_frames");
  }
  return broken();
}

int H2Session::on_begin_headers(const nghttp2_frame& frame) {
  unclaimed_head_ = false;
  if (frame.hd.type != NGHTTP2_HEADERS) return 0;
  if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) {
    H2Stream* s = open_stream(frame.hd.stream_id);
    s->id = frame.hd.stream_id;
    s->in_head = true;
    ++opening_;
    adopt(*s);
    nghttp2_session_set_stream_user_data(ng_, s->id, s);
    budget_.earn(AbuseBudget::kPerStream);
    return 0;
  }
  if (H2Stream* s = find(frame.hd.stream_id)) {
    s->head_fields = 0;
    s->head_bytes = 0;
  }
  return 0;
}

int H2Session::on_header(const nghttp2_frame& frame, Bytes name, Bytes value) {
  H2Stream* s = find(frame.hd.stream_id);
  if (!s) return 0;
  const uint64_t max_bytes = s->in_trailers ? limits_.max_trailer_bytes : limits_.max_head_bytes;
  const uint64_t max_fields = s->in_trailers ? limits_.max_trailer_fields : limits_.max_fields;
  s->head_bytes += name.size() + value.size() + 32;
  if (!name.starts_with(':')) ++s->head_fields;
  if (s->head_bytes > max_bytes || s->head_fields > max_fields) {
    s->over_limit = true;
    // A few bytes of HPACK can stand for very much: past this even decoding is too much work.
    if (s->head_bytes > kFlood * uint64_t(limits_.max_head_bytes) ||
        s->head_fields > kFlood * uint64_t(limits_.max_fields)) {
      break_connection(NGHTTP2_ENHANCE_YOUR_CALM, "h2_header_flood");
      return broken();
    }
  }
  if (s->over_limit) return 0;
  if (!s->in_trailers) {
    take_field(*s, name, value);
    return 0;
  }
  if (!s->trailers_in) s->trailers_in = make_response();
  Field f{name, value, field_id(name)};
  if (is_forbidden_in_trailers(f) || is_hop_by_hop(f.id)) return 0;
  Arena& arena = s->trailers_in->arena;
  s->trailers_in->fields.add(
      Field{f.id == FieldId::other ? arena.copy(name) : field_name(f.id), arena.copy(value), f.id});
  return 0;
}

int H2Session::on_frame(const nghttp2_frame& frame) {
  H2Stream* s = frame.hd.stream_id ? find(frame.hd.stream_id) : nullptr;
  const bool end_stream = frame.hd.flags & NGHTTP2_FLAG_END_STREAM;
  switch (frame.hd.type) {
    case NGHTTP2_DATA:
      return s ? on_data_frame(s, frame) : 0;
    case NGHTTP2_HEADERS:
      empty_data_ = 0;
      if (!s) break;
      if (!s->in_trailers) {
        head_complete(*s, end_stream);
      } else if (s->over_limit) {
        fail_stream(*s, {peer_fault_, "trailer_limit"}, NGHTTP2_ENHANCE_YOUR_CALM);
        charge(AbuseBudget::kReset, "h2_trailer_limit");
      } else {
        remote_end(*s);
      }
      break;
    case NGHTTP2_RST_STREAM:
      return on_reset_frame(s);
    case NGHTTP2_SETTINGS:
      if (frame.hd.flags & NGHTTP2_FLAG_ACK) {
        settings_acked_ = true;
        break;
      }
      settings_seen_ = true;
      on_peer_settings();
      break;
    case NGHTTP2_PING:
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) && drain_ == Drain::notice &&
          std::equal(std::begin(kH2DrainPing), std::end(kH2DrainPing), frame.ping.opaque_data)) {
        final_goaway();
      } else if ((frame.hd.flags & NGHTTP2_FLAG_ACK) &&
                 std::equal(std::begin(kH2AlivePing), std::end(kH2AlivePing), frame.ping.opaque_data)) {
        ++pongs_;
      }
      break;
    case NGHTTP2_GOAWAY:
      if (peer_goaway_) charge(AbuseBudget::kSettings, "h2_goaway_flood");
      peer_goaway_ = true;
      break;
    default:
      break;
  }
  return broken();
}

int H2Session::on_reset_frame(H2Stream* s) {
  if (s) s->peer_reset = true;
  // Cancelling what is being answered, or what has just ended, is ordinary life; cancelling before the answer is
  // how services are worn out (CVE-2023-44487).
  const bool ordinary = !s || s->head_sent;
  if (ordinary ? !budget_.charge_or_use_credit() : !budget_.charge(AbuseBudget::kReset)) {
    break_connection(NGHTTP2_ENHANCE_YOUR_CALM, "h2_reset_flood");
  }
  return broken();
}

int H2Session::on_data(H2Stream* s, int32_t id, uint8_t flags, Bytes bytes) {
  const bool last = flags & NGHTTP2_FLAG_END_STREAM;
  if (!s || !s->receiver || s->end_told || s->refused) {
    // Nobody wants it. The stream's own window stays shut so that no more of it comes.
    nghttp2_session_consume_connection(ng_, bytes.size());
  } else if (s->holds() || !s->held.empty()) {
    // The connection's window opens again at once: one paused stream must not stop the others. What is
    // held is bounded by the stream's window.
    s->held.append(bytes);
    nghttp2_session_consume_connection(ng_, bytes.size());
  } else {
    s->receiver->on_body(bytes);
    if (last) {
      nghttp2_session_consume_connection(ng_, bytes.size());
    } else {
      nghttp2_session_consume(ng_, id, bytes.size());
    }
  }
  return broken();
}

int H2Session::on_data_frame(H2Stream* s, const nghttp2_frame& frame) {
  if (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) {
    empty_data_ = 0;
    remote_end(*s);
  } else if (frame.hd.length > frame.data.padlen) {
    empty_data_ = 0;
  } else if (++empty_data_ > kEmptyDataInARow) {
    break_connection(NGHTTP2_ENHANCE_YOUR_CALM, "h2_empty_data");
  } else {
    charge(AbuseBudget::kEmptyData, "h2_empty_data");
  }
  return broken();
}

void H2Session::remote_end(H2Stream& s) {
  s.remote_ended = true;
  if (!s.holds() && s.held.empty()) tell_end(s);
}

void H2Session::tell_end(H2Stream& s) {
  if (s.end_told) return;
  s.end_told = true;
  if (s.receiver && s.trailers_in && !s.trailers_in->fields.empty()) s.receiver->on_trailers(s.trailers_in->fields);
  if (s.receiver) s.receiver->on_end();
}

void H2Session::resume(H2Stream& s) {
  s.paused = false;
  if (!s.gated && s.receiver && (!s.held.empty() || (s.input_over() && !s.end_told))) add_news(s);
}

// The answer to CONNECT is known: what came before it goes on, or is dropped and over.
void H2Session::open_gate(H2Stream& s, bool accepted) {
  s.gated = false;
  s.tunnel = accepted;
  s.refused = !accepted;
  if (!accepted) s.held.clear();
  if (!s.paused) resume(s);
}

// Something to tell that could not be told inside a Sender's method.
void H2Session::add_news(H2Stream& s) {
  if (!s.has_news && !lost_) {
    s.has_news = true;
    news_.push_back(&s);
  }
  want_flush();
}

void H2Session::deliver_held(H2Stream& s) {
  if (s.closed && s.failure.cause != EndCause::none) return tell_reset(s, s.failure);
  if (!s.receiver || s.holds() || s.end_told) return;
  if (!s.held.empty()) {
    // Receivers lend these bytes on, until the end of the turn.
    lent_at_ = now_(now_arg_);
    std::string& lent = lent_.emplace_front();
    lent.swap(s.held);
    if (!ended_ && !s.remote_ended) nghttp2_session_consume_stream(ng_, s.id, lent.size());
    s.receiver->on_body(lent);
  }
  if (s.input_over() && !s.holds()) tell_end(s);
}

// Another turn has begun for certain when the loop's time has moved or bytes came.
void H2Session::free_lent() {
  if (!lent_.empty() && now_(now_arg_) != lent_at_) lent_.clear();
}

void H2Session::fail_stream(H2Stream& s, const End& end, uint32_t code) {
  cut(s, code);
  tell_reset(s, end);
}

void H2Session::tell_reset(H2Stream& s, const End& end) {
  Receiver* r = s.receiver;
  s.receiver = nullptr;
  s.held.clear();
  if (r) r->on_reset(end);
}

int H2Session::on_closed(H2Stream& s, uint32_t code) {
  s.closed = true;
  if (s.in_head) {
    s.in_head = false;
    s.released = true;
    --opening_;
  }
  // The server's exchange and a tunnel are whole when both directions ended; the client's as soon as the response did.
  const bool whole = s.remote_ended && (s.end_sent || (!server_ && !s.tunnel));
  if (!whole) tell_reset(s, s.failure.cause != EndCause::none ? s.failure : closed_by(s, code));
  if (s.released) bury(s);
  return 0;
}

}  // namespace cardea::http
