// An HTTP/2 connection as a whole: nghttp2 set up, streams kept and buried, drain, the end.
#include "http/h2_session.h"

namespace cardea::http {

namespace {

constexpr uint32_t kPrefaceBytes = 24;

}  // namespace

const char* h2_error_name(uint32_t code) {
  static constexpr const char* kNames[] = {"no_error",
                                           "protocol_error",
                                           "internal_error",
                                           "flow_control_error",
                                           "settings_timeout",
                                           "stream_closed",
                                           "frame_size",
                                           "refused_stream",
                                           "cancel",
                                           "compression_error",
                                           "connect_error",
                                           "enhance_your_calm",
                                           "inadequate_security",
                                           "http_1_1_required"};
  return code < std::size(kNames) ? kNames[code] : "unknown_error";
}

std::optional<uint64_t> h2_parse_length(Bytes digits) {
  uint64_t n = 0;
  if (digits.empty()) return std::nullopt;
  for (char c : digits) {
    if (c < '0' || c > '9' || n > (uint64_t(INT64_MAX) - 9) / 10) return std::nullopt;
    n = n * 10 + uint64_t(c - '0');
  }
  return n;
}

size_t HeadWatch::feed(Bytes in) {
  const size_t size = in.size();
  while (!in.empty()) {
    if (skip_ > 0) {
      const size_t n = std::min<size_t>(skip_, in.size());
      skip_ -= uint32_t(n);
      in.remove_prefix(n);
    } else {
      const size_t n = std::min<size_t>(sizeof head_ - have_, in.size());
      std::copy_n(in.data(), n, head_ + have_);
      have_ = uint8_t(have_ + n);
      in.remove_prefix(n);
      if (have_ < sizeof head_) break;
      have_ = 0;
      skip_ = uint32_t(head_[0]) << 16 | uint32_t(head_[1]) << 8 | head_[2];
      const bool more = head_[3] == NGHTTP2_CONTINUATION;
      open_ = more || head_[3] == NGHTTP2_HEADERS;
      last_ = open_ && (head_[4] & NGHTTP2_FLAG_END_HEADERS);
      continuations_ = more ? continuations_ + 1 : 0;
      if (continuations_ > kMaxContinuations) return size - in.size() - 1;  // its header stays incomplete
    }
    if (skip_ == 0 && last_) open_ = last_ = false;
  }
  return size;
}

void H2Stream::reset_stream(H2Session& owner) {
  constexpr size_t kKeep = 4096;
  unlink();
  session = &owner;
  buffer_limit = owner.limits().buffer_limit;
  receiver = nullptr;
  id = 0;
  pending.clear();
  held.clear();
  if (pending.capacity() > kKeep) pending.shrink_to_fit();
  if (held.capacity() > kKeep) held.shrink_to_fit();
  borrowed.clear();
  pending_at = borrowed_at = borrowed_size = 0;
  send_left.reset();
  trailers_out.reset();
  trailers_in.reset();
  head_fields = 0;
  head_bytes = 0;
  method = Method::other;
  failure = {};
  head_sent = head_out = end_queued = end_sent = deferred = blocked = false;
  early = finishing = endless = refused = tunnel = false;
  in_head = in_trailers = over_limit = malformed = paused = gated = false;
  remote_ended = end_told = peer_reset = cut = closed = released = false;
  touched = has_news = counted = buried = false;
}

// ---- nghttp2's callbacks ---------------------------------------------------------------------------

struct H2Callbacks {
  static H2Session& of(void* user) { return *static_cast<H2Session*>(user); }

  static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* hd, void* user) {
    return of(user).on_begin_frame(*hd);
  }
  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    return of(user).on_begin_headers(*frame);
  }
  static int header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                    const uint8_t* value, size_t value_size, uint8_t, void* user) {
    return of(user).on_header(*frame, {reinterpret_cast<const char*>(name), name_size},
                              {reinterpret_cast<const char*>(value), value_size});
  }
  static int frame_recv(nghttp2_session*, const nghttp2_frame* frame, void* user) { return of(user).on_frame(*frame); }
  static int data_chunk(nghttp2_session*, uint8_t flags, int32_t id, const uint8_t* bytes, size_t size, void* user) {
    H2Session& s = of(user);
    return s.on_data(s.find(id), id, flags, {reinterpret_cast<const char*>(bytes), size});
  }
  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    return of(user).on_frame_sent(*frame);
  }
  static int frame_not_sent(nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
    return of(user).on_frame_not_sent(*frame);
  }
  static int stream_close(nghttp2_session*, int32_t id, uint32_t code, void* user) {
    H2Stream* s = of(user).find(id);
    return s ? of(user).on_closed(*s, code) : 0;
  }
  // Unknown frames have no use; they are asked for only so that on_begin_frame counts them.
  static int unpack_extension(nghttp2_session*, void**, const nghttp2_frame_hd*, void*) { return NGHTTP2_ERR_CANCEL; }
  static int send_data(nghttp2_session*, nghttp2_frame* frame, const uint8_t* head, size_t length,
                       nghttp2_data_source* source, void* user) {
    (void)frame;
    of(user).write_body(*static_cast<H2Stream*>(source->ptr), head, length);
    return 0;
  }
  static ssize_t read_body(nghttp2_session*, int32_t, uint8_t*, size_t length, uint32_t* flags,
                           nghttp2_data_source* source, void* user) {
    return of(user).read_body(*static_cast<H2Stream*>(source->ptr), length, flags);
  }

  // One set for the process, never freed: sessions of any thread copy it.
  static const nghttp2_session_callbacks* set() {
    static const nghttp2_session_callbacks* const callbacks = [] {
      nghttp2_session_callbacks* c = nullptr;
      if (nghttp2_session_callbacks_new(&c) != 0) return static_cast<nghttp2_session_callbacks*>(nullptr);
      nghttp2_session_callbacks_set_on_begin_frame_callback(c, begin_frame);
      nghttp2_session_callbacks_set_on_begin_headers_callback(c, begin_headers);
      nghttp2_session_callbacks_set_on_header_callback(c, header);
      // No on_invalid_header: without it nghttp2 fails the stream, with it the field would only be dropped.
      nghttp2_session_callbacks_set_on_frame_recv_callback(c, frame_recv);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, data_chunk);
      nghttp2_session_callbacks_set_on_frame_send_callback(c, frame_sent);
      nghttp2_session_callbacks_set_on_frame_not_send_callback(c, frame_not_sent);
      nghttp2_session_callbacks_set_on_stream_close_callback(c, stream_close);
      nghttp2_session_callbacks_set_unpack_extension_callback(c, unpack_extension);
      nghttp2_session_callbacks_set_send_data_callback(c, send_data);
      return c;
    }();
    return callbacks;
  }

  static const nghttp2_option* options() {
    static const nghttp2_option* const option = [] {
      nghttp2_option* o = nullptr;
      if (nghttp2_option_new(&o) != 0) return static_cast<nghttp2_option*>(nullptr);
      nghttp2_option_set_no_auto_window_update(o, 1);
      nghttp2_option_set_no_recv_client_magic(o, 0);
      nghttp2_option_set_no_closed_streams(o, 1);
      nghttp2_option_set_peer_max_concurrent_streams(o, 100);  // until SETTINGS say otherwise
      nghttp2_option_set_max_settings(o, 32);
      nghttp2_option_set_max_outbound_ack(o, 1000);
      nghttp2_option_set_max_continuations(o, SIZE_MAX);  // counted by HeadWatch
      // Far behind AbuseBudget, which also knows which resets are ordinary.
      nghttp2_option_set_stream_reset_rate_limit(o, 10'000, 1000);
      // A head of our own limits fits with room for what the proxy adds.
      nghttp2_option_set_max_send_header_block_length(o, 1024 * 1024);
      for (int type = NGHTTP2_CONTINUATION + 1; type <= UINT8_MAX; ++type) {
        nghttp2_option_set_user_recv_extension_type(o, uint8_t(type));
      }
      return o;
    }();
    return option;
  }
};

nghttp2_data_provider H2Session::body_of(H2Stream& s) {
  nghttp2_data_provider provider;
  provider.source.ptr = &s;
  provider.read_callback = H2Callbacks::read_body;
  return provider;
}

// ---- begin and end ---------------------------------------------------------------------------------

H2Session::H2Session(CodecHost& host, const CodecLimits& limits, bool server, Millis (*now)(void*), void* now_arg)
    : host_(host),
      limits_(limits),
      server_(server),
      peer_fault_(server ? EndCause::bad_request : EndCause::upstream_protocol),
      budget_(limits.h2_error_budget),
      now_(now),
      now_arg_(now_arg),
      watch_(server ? kPrefaceBytes : 0) {
  const nghttp2_session_callbacks* callbacks = H2Callbacks::set();
  const nghttp2_option* options = H2Callbacks::options();
  bool ok = callbacks && options &&
            (server ? nghttp2_session_server_new2(&ng_, callbacks, this, options)
                    : nghttp2_session_client_new2(&ng_, callbacks, this, options)) == 0;
  if (ok) {
    const uint32_t window = std::min<uint32_t>(limits_.h2_stream_window, NGHTTP2_MAX_WINDOW_SIZE);
    nghttp2_settings_entry server_settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits_.max_concurrent_streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits_.max_head_bytes},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},  // no dependency tree to grow; `priority` fields count
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
    };
    nghttp2_settings_entry client_settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits_.max_head_bytes},
    };
    ok = (server ? nghttp2_submit_settings(ng_, 0, server_settings, std::size(server_settings))
                 : nghttp2_submit_settings(ng_, 0, client_settings, std::size(client_settings))) == 0 &&
         nghttp2_session_set_local_window_size(
             ng_, 0, 0, int32_t(std::min<uint32_t>(limits_.h2_connection_window, NGHTTP2_MAX_WINDOW_SIZE))) == 0;
  }
  if (!ok) {
    ended_ = true;
    broken_end_ = {EndCause::internal, "memory"};
  }
}

H2Session::~H2Session() {
  nghttp2_session_del(ng_);
}

H2Stream* H2Session::find(int32_t id) const {
  return static_cast<H2Stream*>(nghttp2_session_get_stream_user_data(ng_, id));
}

void H2Session::adopt(H2Stream& s) {
  streams_.push_back(s);
}

void H2Session::lose(const End& end) {
  lost_ = true;
  Entry entry(*this);
  // Nothing will be written any more, so nothing refers to what streams hold.
  for (H2Stream* s : touched_) s->touched = false;
  for (H2Stream* s : news_) s->has_news = false;
  touched_.clear();
  news_.clear();
  ended_ = true;
  broken_end_ = end;
}

void H2Session::end_now(const End& end) {
  Entry entry(*this);
  if (ended_) return;
  ended_ = true;
  broken_end_ = end;
}

void H2Session::break_connection(uint32_t code, const char* detail) {
  if (ended_) return;
  ended_ = true;
  goaway_due_ = flush_due_ = true;
  goaway_code_ = code;
  broken_end_ = {peer_fault_, detail};
}

bool H2Session::charge(uint64_t cost, const char* detail) {
  if (budget_.charge(cost)) return true;
  break_connection(NGHTTP2_ENHANCE_YOUR_CALM, detail);
  return false;
}

void H2Session::fail_all(const End& end) {
  streams_.each([&](H2Stream& s) {
    tell_reset(s, end);
    if (s.in_head) {
      s.in_head = false;
      s.released = true;
      --opening_;
    }
    s.closed = true;
    if (s.released) bury(s);
  });
}

void H2Session::bury(H2Stream& s) {
  if (s.buried) return;
  s.buried = true;
  if (s.counted) --active_;
  graves_.push_back(&s);
}

void H2Session::drop_graves() {
  size_t kept = 0;
  for (H2Stream* s : graves_) {
    if (s->touched || s->has_news) {  // Output may still refer to its bytes
      graves_[kept++] = s;
      continue;
    }
    recycle(*s);
  }
  graves_.resize(kept);
}

// On the way out of the outermost call.
void H2Session::leave() {
  if (depth_ > 1) {
    --depth_;
    return;
  }
  if (ended_ && !streams_.empty()) fail_all(broken_end_);
  if (!graves_.empty()) drop_graves();
  depth_ = 0;
  if (!lost_) tell_host();
}

bool H2Session::finished() const {
  return (drain_ == Drain::final || peer_goaway_) && active_ == 0 && (opening_ == 0 || expired_);
}

void H2Session::tell_host() {
  if (!close_asked_ && (ended_ || finished())) {
    close_asked_ = true;
    if (!ended_) final_goaway();
    host_.request_close(ended_ ? broken_end_ : close_end_);
  }
  settled();
  if (reads() != told_reads_) {
    told_reads_ = !told_reads_;
    host_.reading_changed();
  }
  if (flush_due_ || (!ended_ && nghttp2_session_want_write(ng_))) {
    flush_due_ = false;
    want_flush();
  }
}

void H2Session::want_flush() {
  if (depth_ > 0) {
    flush_due_ = true;
  } else if (!flush_asked_ && !lost_) {
    flush_asked_ = true;
    host_.request_flush();
  }
}

void H2Session::ping_peer() {
  Entry entry(*this);
  if (ended_) return;
  nghttp2_submit_ping(ng_, 0, kH2AlivePing);
  flush_due_ = true;
}

void H2Session::drain_session() {
  Entry entry(*this);
  if (ended_ || drain_ == Drain::final) return;
  if (drain_ == Drain::none && server_ && settings_seen_) {
    drain_ = Drain::notice;
    nghttp2_submit_shutdown_notice(ng_);
    nghttp2_submit_ping(ng_, 0, kH2DrainPing);
  } else {
    final_goaway();
  }
}

void H2Session::final_goaway() {
  if (drain_ == Drain::final) return;
  drain_ = Drain::final;
  nghttp2_submit_goaway(ng_, 0, nghttp2_session_get_last_proc_stream_id(ng_), NGHTTP2_NO_ERROR, nullptr, 0);
  flush_due_ = true;
}

}  // namespace cardea::http
