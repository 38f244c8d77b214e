// What both roles of HTTP/2 share: one nghttp2 session, its streams, output, windows, drain, abuse.
//
// Life of a stream: opened by the peer's HEADERS (server) or by start() (client); `closed` when nghttp2 is
// done with it; `released` when its exchange is; both together bury it at the end of the outermost call into
// the codec. Nothing is destroyed while a callback of nghttp2 or of a receiver is on the stack.
#pragma once

#include <nghttp2/nghttp2.h>

#include <forward_list>
#include <string>

#include "base/list.h"
#include "http/h2_budget.h"
#include "http/http.h"

namespace cardea::http {

class H2Session;

// One exchange on the connection: what waits to be sent and what waits to be taken. Owned by the role's
// pool, in the session's list while it lives. One thread.
struct H2Stream : Link {
  void reset_stream(H2Session& owner);  // as new, keeping small buffers
  bool dead() const { return closed || cut; }
  bool holds() const { return paused || gated; }
  bool input_over() const { return remote_ended || refused; }
  size_t buffered() const { return pending.size() - pending_at + borrowed_size; }

  H2Session* session = nullptr;
  Receiver* receiver = nullptr;  // null: nobody is to be told anything (any more)
  int32_t id = 0;                // 0: not submitted yet (client)

  // Sending. Body bytes are pending[pending_at..] and then what was borrowed in this turn.
  std::string pending;
  std::vector<Bytes> borrowed;
  size_t pending_at = 0, borrowed_at = 0, borrowed_size = 0;
  std::optional<uint64_t> send_left;  // of the announced content-length
  ResponsePtr trailers_out;           // storage for the trailers until they are submitted

  // Receiving.
  std::string held;  // came while paused; at most one stream window
  ResponsePtr trailers_in;
  uint32_t head_fields = 0;
  uint64_t head_bytes = 0;  // RFC 9113 6.5.2: 32 more than its bytes for every field
  Method method = Method::other;
  End failure;  // why this side cut the stream, for on_reset

  bool head_sent = false;   // a final head was submitted
  bool head_out = false;    // HEADERS left in the output
  bool end_queued = false;  // no more body will be given
  bool end_sent = false;    // END_STREAM left in the output
  bool deferred = false;    // nghttp2 waits for resume_data
  uint32_t buffer_limit = 0;
  uint32_t finish_code = 0;
  bool blocked = false;    // on_blocked was told
  bool early = false;      // CONNECT, client: nothing leaves before the answer that accepts it
  bool finishing = false;  // RST_STREAM with finish_code follows what is buffered
  bool endless = false;    // ... and no END_STREAM comes before it
  bool in_head = false;    // the first header block is not complete
  bool in_trailers = false;
  bool over_limit = false;  // the block is too big: not stored any more
  bool malformed = false;   // a field that must not be there
  bool paused = false;
  bool gated = false;         // CONNECT, server: bytes wait for the answer that accepts it
  bool refused = false;       // CONNECT, server: the answer did not, so nothing of them is wanted
  bool tunnel = false;        // CONNECT that was accepted
  bool remote_ended = false;  // END_STREAM came
  bool end_told = false;      // on_end was called
  bool peer_reset = false;    // RST_STREAM came
  bool cut = false;           // RST_STREAM was submitted
  bool closed = false;        // nghttp2 has forgotten it
  bool released = false;
  bool touched = false;   // in session->touched_: Output or this turn may refer to its bytes
  bool has_news = false;  // in session->news_
  bool counted = false;   // in active()
  bool buried = false;

 protected:
  H2Stream() = default;
  ~H2Stream() = default;
};

// Base of both codecs. `host` outlives it.
// Lent bytes of one turn up to which a connection waits for the other turns of a poller's pass.
constexpr size_t kGathered = 16 * 1024;

class H2Session {
 public:
  H2Session(const H2Session&) = delete;
  H2Session& operator=(const H2Session&) = delete;
  const CodecLimits& limits() const { return limits_; }

  // The Sender half of a stream (see http.h).
  void send_body(H2Stream& s, Bytes borrowed);
  void send_end(H2Stream& s, const Fields* trailers);
  void reset(H2Stream& s, EndCause why);
  void finish_then_reset(H2Stream& s, EndCause why);
  void pause(H2Stream& s) { s.paused = true; }
  void open_gate(H2Stream& s, bool accepted);
  void resume(H2Stream& s);
  void release(H2Stream& s);

 protected:
  H2Session(CodecHost& host, const CodecLimits& limits, bool server, Millis (*now)(void*), void* now_arg);
  ~H2Session();

  // The Codec half.
  void take(Bytes bytes);
  void lose(const End& end);
  void end_now(const End& end);  // the peer is gone; the host is still there
  bool reads() const { return !ended_ && !close_asked_ && !congested_; }
  void fill(Output& out, size_t room);
  bool may_gather() const { return !ended_ && lent_size_ < kGathered; }
  void filled(size_t queued);
  bool in_head() const { return !ended_ && (!settings_seen_ || !settings_acked_ || watch_.open()); }
  void drain_session();
  void ping_peer();
  uint64_t answered_pings() const { return pongs_; }
  void final_goaway();

  // What the roles decide. Called inside calls into the codec.
  virtual H2Stream* open_stream(int32_t id) = 0;                      // server: a request begins
  virtual void take_field(H2Stream& s, Bytes name, Bytes value) = 0;  // of a head, within the limits
  virtual void head_complete(H2Stream& s, bool end_stream) = 0;
  virtual End closed_by(const H2Stream& s, uint32_t code) const = 0;  // a stream broke: why, for on_reset
  virtual uint32_t reset_code(const H2Stream& s, EndCause why) const = 0;
  virtual void on_peer_settings() {}      // also those of a later change
  virtual void recycle(H2Stream& s) = 0;  // buried: back to the pool
  virtual void settled() = 0;             // tell the host what changed

  // Guards every call into the codec; the outermost one buries and tells the host on its way out.
  class Entry {
   public:
    explicit Entry(H2Session& s) : s_(s) { ++s_.depth_; }
    ~Entry() { s_.leave(); }
    Entry(const Entry&) = delete;

   private:
    H2Session& s_;
  };

  void adopt(H2Stream& s);  // into the list
  void want_flush();
  void cut(H2Stream& s, uint32_t code);
  void tell_reset(H2Stream& s, const End& end);
  void fail_stream(H2Stream& s, const End& end, uint32_t code);
  void remote_end(H2Stream& s);
  void wake(H2Stream& s);  // there is more to send, or it may be sent now
  void touch(H2Stream& s);
  void tell_end(H2Stream& s);
  void settle_output(size_t queued, bool produced);
  void keep_borrowed(H2Stream& s);  // copies what is still borrowed
  void add_news(H2Stream& s);
  bool charge(uint64_t cost, const char* detail);
  // The connection is beyond use: GOAWAY `code`, every exchange is told `detail`.
  void break_connection(uint32_t code, const char* detail);
  nghttp2_data_provider body_of(H2Stream& s);
  // Appends `fields` to nva_ without those that never pass a hop; names that we know are not copied by nghttp2.
  void add_fields(const Fields& fields, bool trailers);
  void add_nv(Bytes name, Bytes value, uint8_t flags = NGHTTP2_NV_FLAG_NONE);
  bool is_draining() const { return drain_ != Drain::none; }
  bool settings_seen() const { return settings_seen_; }

  CodecHost& host_;
  const CodecLimits limits_;
  const bool server_;
  const EndCause peer_fault_;  // bad_request or upstream_protocol
  nghttp2_session* ng_ = nullptr;
  AbuseBudget budget_;
  std::vector<nghttp2_nv> nva_;
  size_t active_ = 0;     // exchanges that are not over
  size_t opening_ = 0;    // streams whose head is not complete
  bool ended_ = false;    // nghttp2 is not called any more
  bool lost_ = false;     // the connection is gone: the host is not called any more
  bool expired_ = false;  // a head took too long: not waited for any more
  bool peer_goaway_ = false;
  bool close_asked_ = false;
  End close_end_;  // what request_close() says of an orderly end
  List<H2Stream> streams_;

 private:
  enum class Drain : uint8_t { none, notice, final };
  friend struct H2Callbacks;

  void leave();
  void fail_all(const End& end);
  void tell_host();
  bool finished() const;
  void bury(H2Stream& s);
  void drop_graves();
  void deliver_held(H2Stream& s);
  void send_pass(Output& out);
  void write_goaway(Output& out);
  void free_lent();

  // Bodies of nghttp2's callbacks; the int is what the callback returns.
  int on_begin_frame(const nghttp2_frame_hd& hd);
  int on_begin_headers(const nghttp2_frame& frame);
  int on_header(const nghttp2_frame& frame, Bytes name, Bytes value);
  int on_frame(const nghttp2_frame& frame);
  int on_data(H2Stream* s, int32_t id, uint8_t flags, Bytes bytes);
  int on_data_frame(H2Stream* s, const nghttp2_frame& frame);
  int on_reset_frame(H2Stream* s);
  int on_frame_sent(const nghttp2_frame& frame);
  int on_frame_not_sent(const nghttp2_frame& frame);
  int on_closed(H2Stream& s, uint32_t code);
  ssize_t read_body(H2Stream& s, size_t length, uint32_t* flags);
  void write_body(H2Stream& s, const uint8_t* head, size_t length);
  H2Stream* find(int32_t id) const;
  int broken() const { return ended_ ? NGHTTP2_ERR_CALLBACK_FAILURE : 0; }

  Millis (*const now_)(void*);
  void* const now_arg_;
  HeadWatch watch_;
  Output* out_ = nullptr;  // during send_pass
  size_t room_ = 0;
  std::vector<H2Stream*> touched_, touching_, news_, graves_;
  // Held bytes that were delivered: other connections may refer to them until the end of the turn.
  std::forward_list<std::string> lent_;
  Millis lent_at_ = 0;
  End broken_end_;
  uint32_t goaway_code_ = 0;
  uint32_t depth_ = 0;
  uint32_t empty_data_ = 0;  // frames in a row
  Drain drain_ = Drain::none;
  bool goaway_due_ = false;  // to be written by hand
  uint64_t pongs_ = 0;       // answers to kH2AlivePing
  bool greeted_ = false;     // our SETTINGS are in the output
  bool settings_seen_ = false, settings_acked_ = false;
  bool unclaimed_head_ = false;  // HEADERS that opened or continued no stream
  size_t lent_size_ = 0;         // borrowed since the last filled()
  bool flush_asked_ = false, flush_due_ = false;
  bool produced_ = false;   // fill() ran since the last filled()
  bool congested_ = false;  // the peer does not read: neither do we
  bool told_reads_ = true;
};

// Opaque bytes of the PING behind the first GOAWAY: its answer says that the peer has seen it.
constexpr uint8_t kH2DrainPing[8] = {'c', 'a', 'r', 'd', 'e', 'a', 0, 1};
// ... and of the one that asks for a sign of life.
constexpr uint8_t kH2AlivePing[8] = {'c', 'a', 'r', 'd', 'e', 'a', 0, 2};

// The name of an error code in the house's spelling, a literal.
const char* h2_error_name(uint32_t code);
// Digits only, as nghttp2 has checked already; nullopt past 2^63.
std::optional<uint64_t> h2_parse_length(Bytes digits);
// `value` in digits, written into `text`.
Bytes h2_number(uint64_t value, char (&text)[20]);

// A stream as its exchange sees it. `Side` is ResponseSender or RequestSender.
template <class Side>
struct H2Sender : Side, H2Stream {
  void send_body(Bytes borrowed) final { session->send_body(*this, borrowed); }
  void send_end(const Fields* trailers) final { session->send_end(*this, trailers); }
  void reset(EndCause why) final { session->reset(*this, why); }
  void finish_then_reset(EndCause why) final { session->finish_then_reset(*this, why); }
  void pause() final { session->pause(*this); }
  void resume() final { session->resume(*this); }
  void release() final { session->release(*this); }
};

// Streams of one thread that are not in use, with their small buffers. Bounded.
template <class S>
class H2Pool {
 public:
  static S* take(H2Session& owner) {
    S* s = nullptr;
    if (!gone_ && !pool().free.empty()) {
      s = pool().free.back().release();
      pool().free.pop_back();
    } else {
      s = new S;
    }
    s->reset_stream(owner);
    return s;
  }
  static void give(S* s) {
    std::unique_ptr<S> owned(s);
    s->unlink();
    if (!gone_ && pool().free.size() < kKept) pool().free.push_back(std::move(owned));
  }

 private:
  static constexpr size_t kKept = 256;
  struct Pool {
    ~Pool() { gone_ = true; }
    std::vector<std::unique_ptr<S>> free;
  };
  static Pool& pool() {
    thread_local Pool pool;
    return pool;
  }
  inline static thread_local bool gone_ = false;  // codecs of statics may die after the pool
};

}  // namespace cardea::http
