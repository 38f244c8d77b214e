// Messages and wire formats without sockets: heads, the codec interface, why exchanges end.
//
// A codec turns bytes into messages and back for one connection; HTTP/1.1 and HTTP/2 each have both
// sides. What a codec delivers is already valid and protocol-neutral: hop-by-hop fields are gone, the
// authority and the framing are values, names keep the spelling of the wire. What a codec is given
// it frames by itself. So h1->h1, h1->h2, h2->h1 and h2->h2 run the same code above.
#pragma once

#include <memory>
#include <vector>

#include "base/arena.h"
#include "base/base.h"

namespace cardea::http {

// ---- fields ---------------------------------------------------------------------------------------

// Names that some part of Cardea looks for. Others are `other` and compared by text.
enum class FieldId : uint8_t {
  other,
  accept,
  access_control_request_method,
  authorization,
  cache_control,
  connection,
  content_length,
  content_type,
  cookie,
  date,
  expect,
  forwarded,
  grpc_status,
  host,
  http2_settings,
  keep_alive,
  location,
  origin,
  proxy_authenticate,
  proxy_authorization,
  proxy_connection,
  retry_after,
  sec_websocket_key,
  server,
  set_cookie,
  te,
  trailer,
  transfer_encoding,
  upgrade,
  user_agent,
  via,
  www_authenticate,
  x_forwarded_for,
  x_forwarded_host,
  x_forwarded_proto,
  x_real_ip,
  x_request_id,
  x_requested_with,
  traceparent,
  tracestate,
  count_
};
FieldId field_id(Bytes name);  // any case
Bytes field_name(FieldId id);  // lower case; empty for other
bool equal_no_case(Bytes a, Bytes b);

struct Field {
  Bytes name;
  Bytes value;
  FieldId id = FieldId::other;
};

// Fields in wire order. Views live in the head's arena.
class Fields {
 public:
  void add(Bytes name, Bytes value) { all_.push_back({name, value, field_id(name)}); }
  void add(FieldId id, Bytes value) { all_.push_back({field_name(id), value, id}); }
  void add(const Field& f) { all_.push_back(f); }
  const Field* find(FieldId id) const;
  const Field* find(Bytes name) const;  // any case
  Bytes value(FieldId id) const;        // of the first; empty when absent
  size_t remove(FieldId id);            // how many
  size_t remove(Bytes name);
  template <class Pred>
  size_t remove_if(Pred pred) {
    return std::erase_if(all_, pred);
  }
  void set(FieldId id, Bytes value);  // one field with this value, in the place of the first
  void set(Bytes name, Bytes value);
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }
  auto begin() { return all_.begin(); }
  auto end() { return all_.end(); }
  size_t size() const { return all_.size(); }
  bool empty() const { return all_.empty(); }
  size_t capacity() const { return all_.capacity(); }
  void clear() { all_.clear(); }

 private:
  std::vector<Field> all_;
};

// RFC 9110 5.6.2 token; 5.5 field value (no CTL but HTAB, no NUL, CR, LF).
bool is_token(Bytes s);
bool is_field_value(Bytes s);
// True when a comma-separated list has `token` (any case). RFC 9110 5.6.1.
bool list_has(Bytes list, Bytes token);
// Fields that never pass a hop by themselves: connection, keep-alive, proxy-connection, te,
// transfer-encoding, upgrade, http2-settings, trailer stays.
bool is_hop_by_hop(FieldId id);
// Fields that a trailer section may not carry (framing, routing, authentication, identity):
// they are dropped from trailers. RFC 9110 6.5.1.
bool is_forbidden_in_trailers(const Field& f);

// ---- heads ----------------------------------------------------------------------------------------

enum class Protocol : uint8_t { http10, http11, http2 };
const char* protocol_name(Protocol p);  // "HTTP/1.1"

enum class Method : uint8_t { other, get, head, post, put, delete_, connect, options, patch };
Method method_of(Bytes name);
bool is_idempotent(Method m);  // GET, HEAD, PUT, DELETE, OPTIONS (RFC 9110 9.2.2)

// Shared by both heads; returned to a free list of the thread with its arena and its vector.
struct Head {
  Arena arena;
  Fields fields;
  Protocol protocol = Protocol::http11;
  std::optional<uint64_t> content_length;
  bool has_body = false;  // body bytes or at least an open end; false: the message ends with its head
};

struct RequestHead : Head {
  Method method = Method::other;
  Bytes method_name;
  Bytes scheme;     // "http" or "https": what the client claims; the listener knows better
  Bytes authority;  // host[:port] as sent, valid per RFC 3986; never empty
  Bytes target;     // origin-form ("/a?b"), "*" for OPTIONS, authority-form for CONNECT
  // Token of an asked-for upgrade, or empty: HTTP/1.1's Upgrade with GET, HTTP/2's :protocol with CONNECT (extended
  // CONNECT, RFC 8441), whose target is a path. A request that may become a tunnel (this or CONNECT) has has_body: the
  // tunnel's open end. Its bytes and its end come after the answer that accepts it (101 to GET, 2xx to CONNECT); any
  // other final answer ends it (on_end). Senders hold what is given before that answer.
  Bytes upgrade;
  bool expect_continue = false;
  bool te_trailers = false;
  void reset();
};

struct ResponseHead : Head {
  uint16_t status = 0;
  bool close = false;  // h1 downstream only: end the connection after this message
  void reset();
};

struct RecycleHead {
  void operator()(RequestHead* h) const;
  void operator()(ResponseHead* h) const;
};
using RequestPtr = std::unique_ptr<RequestHead, RecycleHead>;
using ResponsePtr = std::unique_ptr<ResponseHead, RecycleHead>;
RequestPtr make_request();
ResponsePtr make_response();

// True when a response to `method` with `status` has no body whatever its fields say (RFC 9112 6.3).
bool is_bodiless(Method method, uint16_t status);

// ---- why an exchange or a connection ended ---------------------------------------------------------

// One row a cause: name, HTTP status (0: none is sent), gRPC status, Envoy's flag, word of the log.
// Statuses are the defaults of the error contract; a rejection brings its own.
#define CARDEA_END_CAUSES(X)                                  \
  X(none, 0, 0, "-", "ok")                                    \
  X(bad_request, 400, 13, "DPE", "bad_request")               \
  X(client_timeout, 408, 4, "DT", "client_timeout")           \
  X(no_route, 404, 12, "NR", "no_route")                      \
  X(denied, 403, 7, "UAEX", "denied")                         \
  X(unauthenticated, 401, 16, "UAEX", "unauthenticated")      \
  X(client_certificate, 495, 7, "UAEX", "client_certificate") \
  X(revoked, 403, 7, "UAEX", "revoked")                       \
  X(authorize_timeout, 503, 14, "UAEX", "authorize_timeout")  \
  X(no_upstream, 503, 14, "UH", "no_upstream")                \
  X(connect_failed, 503, 14, "UF", "connect")                 \
  X(dns_failed, 503, 14, "DF", "dns")                         \
  X(connect_timeout, 504, 14, "UF", "upstream_timeout")       \
  X(upstream_timeout, 504, 4, "UT", "upstream_timeout")       \
  X(stream_idle, 504, 4, "SI", "stream_idle")                 \
  X(max_duration, 504, 4, "UMSDR", "max_duration")            \
  X(upstream_protocol, 502, 14, "UPE", "upstream_protocol")   \
  X(upstream_reset, 502, 14, "UR", "upstream_reset")          \
  X(upstream_closed, 502, 14, "UC", "upstream_closed")        \
  X(upstream_tls, 502, 14, "UF", "upstream_tls")              \
  X(upgrade_refused, 403, 7, "UAEX", "upgrade_refused")       \
  X(overload, 503, 14, "OM", "overload")                      \
  X(limited, 429, 8, "RL", "limited")                         \
  X(draining, 503, 14, "LR", "draining")                      \
  X(downstream_reset, 0, 1, "DR", "downstream_reset")         \
  X(downstream_closed, 0, 1, "DC", "downstream_closed")       \
  X(host_ended, 0, 14, "LR", "host_ended")                    \
  X(direct_response, 0, 0, "-", "direct_response")            \
  X(redirect, 0, 0, "-", "redirect")                          \
  X(internal, 500, 13, "LR", "internal")

enum class EndCause : uint8_t {
#define X(name, status, grpc, flag, word) name,
  CARDEA_END_CAUSES(X)
#undef X
      count_
};
struct EndCauseRow {
  const char* name;
  uint16_t status;
  uint8_t grpc_status;
  const char* flag;
  const char* word;
};
const EndCauseRow& row(EndCause cause);

// A cause with its detail ("rule", "phase" or errno name). `detail` is a string literal.
struct End {
  EndCause cause = EndCause::none;
  const char* detail = "";
  uint16_t status = 0;  // overrides the row's when not 0
  uint16_t http_status() const { return status ? status : row(cause).status; }
};

// ---- limits ---------------------------------------------------------------------------------------

struct CodecLimits {
  uint32_t max_head_bytes = 64 * 1024;   // 431 past it
  uint32_t max_request_line = 8 * 1024;  // 414
  uint32_t max_fields = 100;             // 431; every cookie crumb counts
  uint32_t max_trailer_bytes = 8 * 1024, max_trailer_fields = 32;
  uint32_t max_chunk_overhead = 16 * 1024;  // size lines and extensions above the body's own bytes
  uint32_t max_informational = 32;          // upstream 1xx
  uint32_t max_concurrent_streams = 100;    // h2, both sides
  uint32_t h2_stream_window = 64 * 1024, h2_connection_window = 1024 * 1024;
  uint32_t h2_error_budget = 100;     // stream errors, resets, useless frames per 10 s (see h2.cc)
  uint32_t buffer_limit = 32 * 1024;  // per direction of an exchange: block above it, unblock at half
  enum class Underscores : uint8_t { allow, reject_request, drop_field } underscores = Underscores::reject_request;
  bool operator==(const CodecLimits&) const = default;
};

// ---- sending --------------------------------------------------------------------------------------

// Bytes to write on a connection, in order. Copied ones are stable until clear(); borrowed ones last until the
// end of the turn in which they came. Blocks come from the thread's cache and go back with clear(), so an empty
// Output holds none. One thread.
class Output {
 public:
  Output() = default;
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  void copy(Bytes s);
  void borrow(Bytes s);
  char* reserve(size_t n);  // room for a head; commit() says how much of it was used
  void commit(size_t n);
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  // The slices; valid until the next change.
  const std::vector<Bytes>& slices() const { return slices_; }
  void clear();

 private:
  std::vector<Bytes> slices_;
  std::vector<std::unique_ptr<char[]>> blocks_;  // of one size, from the cache
  std::vector<std::unique_ptr<char[]>> large_;   // made to measure
  char* next_ = nullptr;
  size_t left_ = 0;
  size_t size_ = 0;
  bool joins_ = false;  // the last slice is ours, so what follows it in its block may join it
};

// The sending half of one message. Calls after end or reset are ignored. Owned by the codec; valid from
// the call that gave it until release() or the codec's end.
class Sender {
 public:
  virtual void send_body(Bytes borrowed) = 0;         // bytes last until the end of the turn
  virtual void send_end(const Fields* trailers) = 0;  // trailers may be null; ignored where they cannot go
  // The message will not be complete and the peer must be able to tell: h1 ends the connection, h2 sends
  // RST_STREAM. Also refuses what is still to be received. Nothing more is told to the receiver.
  virtual void reset(EndCause why) = 0;
  // As reset(), but what was taken so far (send_body, and send_end if it came) leaves first: then h2 sends RST_STREAM
  // and h1 ends the connection. Nothing more is received or told. Goes on by itself after release(); towards a service
  // only as far as it takes the bytes at once. An owner whose client may read slowly keeps the sender and calls reset()
  // when time is up (h2; on h1 the closing connection has its own clock).
  virtual void finish_then_reset(EndCause why) = 0;
  // Receiving half: stop (start again) taking bytes from the peer. Counted by nobody: idempotent.
  virtual void pause() = 0;
  virtual void resume() = 0;
  // The owner is done with this exchange: no more calls either way. Before both halves have ended this
  // resets. The codec decides whether the connection can go on.
  virtual void release() = 0;

 protected:
  ~Sender() = default;
};

class ResponseSender : public Sender {
 public:
  // The buffer limit of this answer instead of CodecLimits' one; before its first byte.
  virtual void set_buffer_limit(uint32_t bytes) = 0;
  virtual void send_informational(uint16_t status, const Fields& fields) = 0;  // 100..199, not 101
  virtual void send_head(const ResponseHead& head) = 0;  // head.has_body false: complete with its head
};

class RequestSender : public Sender {
 public:
  virtual void send_head(const RequestHead& head) = 0;  // sends authority as Host / :authority
  virtual bool anything_sent() const = 0;               // false: no byte of this request has left for the kernel
};

// ---- receiving ------------------------------------------------------------------------------------

// Takes one message and news of the opposite direction. Never called from inside a Sender's method.
class Receiver {
 public:
  virtual void on_body(Bytes bytes) = 0;               // bytes last until the end of the turn
  virtual void on_trailers(const Fields& fields) = 0;  // before on_end; views last for the call
  virtual void on_end() = 0;
  // The peer or the wire broke this exchange, once: nothing more comes and nothing more can be sent.
  virtual void on_reset(const End& end) = 0;
  // What was sent by the Sender piles up past the buffer limit / has gone below half of it.
  virtual void on_blocked() = 0;
  virtual void on_unblocked() = 0;

 protected:
  ~Receiver() = default;
};
using RequestReceiver = Receiver;  // the head comes with ServerHost::on_request

class ResponseReceiver : public Receiver {
 public:
  virtual void on_informational(ResponsePtr head) = 0;
  virtual void on_head(ResponsePtr head) = 0;  // on_end follows when !head->has_body
};

// ---- codecs ---------------------------------------------------------------------------------------

// What a codec needs from the connection that it works on.
class CodecHost {
 public:
  virtual void request_flush() = 0;    // output waits: call produce() before the turn ends
  virtual void reading_changed() = 0;  // wants_read() has another answer
  // Nothing good can come any more: flush, then close. Exchanges have been told already. `end.detail` is "truncated"
  // when the last message was cut where a plain end of the stream could look complete (close-delimited bodies,
  // tunnels): the transport should then end abruptly (TCP reset, no close_notify).
  virtual void request_close(const End& end) = 0;
  // A tunnel's sending side is over, its receiving side is not: flush, then send FIN and go on reading.
  virtual void request_shutdown() { request_close({}); }

 protected:
  ~CodecHost() = default;
};

// One connection's protocol state. Not thread-safe. Calls into the host happen inside calls from it.
class Codec {
 public:
  virtual ~Codec() = default;
  virtual void receive(Bytes bytes) = 0;             // takes all of it
  virtual void receive_eof() = 0;                    // the peer sends nothing more
  virtual void connection_lost(const End& end) = 0;  // resets every exchange
  virtual bool wants_read() const = 0;
  // Moves what is to be written into `out` (borrowed bytes included), at most about `room` bytes of bodies.
  virtual void produce(Output& out, size_t room) = 0;
  // HTTP/2: asks the peer for a sign of life (RFC 9113 6.7); pongs() counts the answers. Elsewhere nothing happens.
  virtual void ping() {}
  virtual uint64_t pongs() const { return 0; }
  // After the produced bytes were written or copied: what the stream still holds. Codecs keep borrowed
  // bytes that they did not produce by copying them here, and tell receivers on_blocked / on_unblocked.
  virtual void produced(size_t queued_in_stream) = 0;
  // Output of several turns may be gathered into one write a little later, when the poller has told of everything that
  // is ready: many exchanges share this connection, and little is lent. produced() is called in between.
  virtual bool may_wait() const { return false; }
  virtual bool receiving_head() const = 0;  // a head has begun and is not complete (the head deadline runs)
  virtual size_t active() const = 0;        // exchanges that are not over
  virtual void drain() = 0;                 // take no more exchanges, finish those there are, then request_close
  virtual Protocol protocol() const = 0;
};

class ServerHost : public CodecHost {
 public:
  // A request has arrived; returns who receives the rest of it, never null. `sender` answers it. Body bytes
  // come later in this same receive() call at the earliest.
  virtual RequestReceiver* on_request(RequestPtr head, ResponseSender& sender) = 0;
  // A request that never became one (400, 414, 431, 501, 505, …): `sender` may answer with end.http_status(),
  // then the codec ends what must end (h1: the connection). Recorded, never routed.
  virtual void on_bad_request(const End& end, ResponseSender& sender) = 0;
  virtual void on_idle() = 0;  // active() went to 0
};
class ServerCodec : public Codec {
 public:
  // The head deadline passed. HTTP/1.1: answers through on_bad_request when a head has begun, else closes;
  // HTTP/2: GOAWAY. Exchanges in progress of an HTTP/2 connection go on.
  virtual void expire_head(const End& end) = 0;
};

class ClientHost : public CodecHost {
 public:
  virtual void on_capacity() = 0;  // capacity() or reusable() changed: an exchange ended, GOAWAY, SETTINGS
};
class ClientCodec : public Codec {
 public:
  virtual size_t capacity() const = 0;                           // exchanges that may start now; h1: 1 or 0
  virtual bool reusable() const = 0;                             // false: never start another
  virtual RequestSender& start(ResponseReceiver& receiver) = 0;  // capacity() > 0
  // False: a request with Method::connect and an upgrade can not go here. HTTP/2 learns it from the peer's SETTINGS
  // (RFC 8441 3). Until they have come this is true and such a head waits for them; when they do not allow it, the
  // exchange ends with upstream_protocol "extended_connect", and nothing was sent.
  virtual bool takes_extended_connect() const { return false; }
};

std::unique_ptr<ServerCodec> h1_server(ServerHost& host, const CodecLimits& limits);
std::unique_ptr<ServerCodec> h2_server(ServerHost& host, const CodecLimits& limits, Millis (*now)(void*),
                                       void* now_arg);
std::unique_ptr<ClientCodec> h1_client(ClientHost& host, const CodecLimits& limits);
std::unique_ptr<ClientCodec> h2_client(ClientHost& host, const CodecLimits& limits, Millis (*now)(void*),
                                       void* now_arg);
// No protocol at all, for tcp endpoints: one exchange whose head is not sent and is answered with a 200 of our own as
// soon as there is a connection; bodies are the bytes of the connection, send_end is FIN, on_end the service's FIN.
// Takes one exchange in its life.
std::unique_ptr<ClientCodec> raw_client(ClientHost& host, const CodecLimits& limits);

// ---- names in requests ----------------------------------------------------------------------------

// host[:port] of RFC 3986 without userinfo; port absent = 0. Views into `authority`; the brackets of an
// IPv6 literal stay in host. Fails on anything else.
struct HostPort {
  Bytes host;
  uint16_t port = 0;
  bool has_port = false;
};
Result<HostPort> parse_authority(Bytes authority);
// Whether `host` is a name that DNS can have, an IPv4 address or a bracketed IPv6 address: narrower than what the host
// of an authority may be.
bool is_host(Bytes host);

// What the request path becomes before anything looks at it (RFC 3986 5.2.4 and 6.2.2).
struct PathOptions {
  bool normalize = true;
  bool merge_slashes = true;
  enum class Escaped : uint8_t {
    keep_unchanged,
    reject_request,
    unescape_and_redirect,
    unescape_and_forward
  } escaped = Escaped::reject_request;
  bool operator==(const PathOptions&) const = default;
};
struct NormalPath {
  Bytes path;             // without query
  Bytes query;            // with '?', or empty
  bool redirect = false;  // unescape_and_redirect asked for: send the client to path + query
};
// `target` is origin-form. The result lies in `arena` or in `target`. Idempotent. Fails (400) with the rule's name in
// Error::message on what hostile-input 131, 132, 133 and 135 name.
Result<NormalPath> normalize_path(Bytes target, const PathOptions& options, Arena& arena);
// The rule that such an Error names, as a literal (for End::detail).
const char* path_rule(const Error& error);

}  // namespace cardea::http
