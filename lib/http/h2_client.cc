// The client's side of HTTP/2: requests out to a service, responses in.
#include "http/h2_session.h"

namespace cardea::http {

namespace {

class H2Client;

struct ClientStream final : H2Sender<RequestSender> {
  H2Client& client() const;
  void send_head(const RequestHead& head) override;
  bool anything_sent() const override { return head_out; }

  ResponseReceiver* response = nullptr;
  RequestPtr waiting;  // a head that waits for the peer's SETTINGS
  ResponsePtr head;    // while its block is coming
  uint32_t informational = 0;
};

using Pool = H2Pool<ClientStream>;

constexpr uint32_t kLastStreams = 0x7fff0000;  // ids past this: no new requests, time to reconnect

class H2Client final : public ClientCodec, public H2Session {
 public:
  H2Client(ClientHost& host, const CodecLimits& limits, Millis (*now)(void*), void* now_arg)
      : H2Session(host, limits, false, now, now_arg), client_host_(host) {
    told_capacity_ = capacity();
  }
  ~H2Client() override {
    while (H2Stream* s = streams_.front()) recycle(*s);
  }

  void receive(Bytes bytes) override { take(bytes); }
  void receive_eof() override { end_now({EndCause::upstream_closed, "truncated"}); }
  void connection_lost(const End& end) override { lose(end); }
  bool wants_read() const override { return reads(); }
  void produce(Output& out, size_t room) override { fill(out, room); }
  void produced(size_t queued_in_stream) override { filled(queued_in_stream); }
  bool may_wait() const override { return may_gather(); }
  bool receiving_head() const override { return in_head(); }
  size_t active() const override { return active_; }
  void drain() override { drain_session(); }
  Protocol protocol() const override { return Protocol::http2; }
  void ping() override { ping_peer(); }
  uint64_t pongs() const override { return answered_pings(); }

  size_t capacity() const override;
  bool reusable() const override;
  RequestSender& start(ResponseReceiver& receiver) override;
  bool takes_extended_connect() const override { return !settings_seen() || extended_connect(); }

  void send_head(ClientStream& s, const RequestHead& head);

 private:
  bool extended_connect() const {
    return nghttp2_session_get_remote_settings(ng_, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
  }
  void keep_head(ClientStream& s, const RequestHead& head);
  void submit(ClientStream& s, const RequestHead& head);
  void on_peer_settings() override;
  void open_tunnel(ClientStream& s, bool accepted);
  H2Stream* open_stream(int32_t) override { return nullptr; }  // a service opens none: push is off
  void take_field(H2Stream& s, Bytes name, Bytes value) override;
  void head_complete(H2Stream& s, bool end_stream) override;
  End closed_by(const H2Stream& s, uint32_t code) const override;
  uint32_t reset_code(const H2Stream& s, EndCause why) const override;
  void recycle(H2Stream& s) override;
  void settled() override;

  ClientHost& client_host_;
  size_t told_capacity_ = 0;
  size_t waiting_ = 0;  // heads, at most; so that SETTINGS need not look at every stream
  bool told_reusable_ = true;
};

H2Client& ClientStream::client() const {
  return static_cast<H2Client&>(*session);
}

void ClientStream::send_head(const RequestHead& head) {
  client().send_head(*this, head);
}

// ---- requests --------------------------------------------------------------------------------------

size_t H2Client::capacity() const {
  if (!reusable()) return 0;
  const uint32_t theirs = nghttp2_session_get_remote_settings(ng_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  const size_t limit = std::min(theirs, limits_.max_concurrent_streams);
  return limit > active_ ? limit - active_ : 0;
}

bool H2Client::reusable() const {
  return !ended_ && !peer_goaway_ && !close_asked_ && !is_draining() &&
         nghttp2_session_get_next_stream_id(ng_) < kLastStreams && nghttp2_session_check_request_allowed(ng_);
}

RequestSender& H2Client::start(ResponseReceiver& receiver) {
  ClientStream* s = Pool::take(*this);
  s->receiver = s->response = &receiver;
  s->head.reset();
  s->waiting.reset();
  s->informational = 0;
  s->counted = true;
  ++active_;
  told_capacity_ = capacity();
  adopt(*s);
  return *s;
}

void H2Client::send_head(ClientStream& s, const RequestHead& head) {
  if (s.dead() || s.released || s.head_sent || ended_) return;
  s.method = head.method;
  s.head_sent = true;
  const bool extended = !head.upgrade.empty();
  if (extended && head.method != Method::connect) {
    // Upgrade does not exist here; without it the request would mean something else.
    s.failure = {EndCause::internal, "unsendable_head"};
    return cut(s, NGHTTP2_CANCEL);
  }
  s.early = head.method == Method::connect;
  if (extended && !settings_seen()) return keep_head(s, head);
  submit(s, head);
}

void H2Client::keep_head(ClientStream& s, const RequestHead& head) {
  s.waiting = make_request();
  RequestHead& kept = *s.waiting;
  for (const Field& f : head.fields) kept.fields.add(Field{kept.arena.copy(f.name), kept.arena.copy(f.value), f.id});
  kept.method = head.method;
  kept.scheme = kept.arena.copy(head.scheme);
  kept.authority = kept.arena.copy(head.authority);
  kept.target = kept.arena.copy(head.target);
  kept.upgrade = kept.arena.copy(head.upgrade);
  kept.te_trailers = head.te_trailers;
  kept.has_body = head.has_body;
  ++waiting_;
}

void H2Client::on_peer_settings() {
  if (std::exchange(waiting_, 0) == 0) return;
  streams_.each([&](H2Stream& base) {
    auto& s = static_cast<ClientStream&>(base);
    const RequestPtr head = std::move(s.waiting);
    if (head && !s.dead()) submit(s, *head);
  });
}

void H2Client::submit(ClientStream& s, const RequestHead& head) {
  const bool connect = head.method == Method::connect;
  const bool extended = connect && !head.upgrade.empty();
  if (extended && !extended_connect()) {
    s.failure = {EndCause::upstream_protocol, "extended_connect"};
    return cut(s, NGHTTP2_CANCEL);
  }
  char length[20];
  nva_.clear();
  add_nv(":method", connect ? Bytes("CONNECT") : head.method_name, NGHTTP2_NV_FLAG_NO_COPY_NAME);
  if (extended) add_nv(":protocol", head.upgrade, NGHTTP2_NV_FLAG_NO_COPY_NAME);
  if (!connect || extended) {
    add_nv(":scheme", head.scheme.empty() ? Bytes("https") : head.scheme, NGHTTP2_NV_FLAG_NO_COPY_NAME);
    add_nv(":path", head.target, NGHTTP2_NV_FLAG_NO_COPY_NAME);
  }
  add_nv(":authority", connect && !extended ? head.target : head.authority, NGHTTP2_NV_FLAG_NO_COPY_NAME);
  add_fields(head.fields, false);
  if (head.te_trailers) add_nv("te", "trailers", NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE);
  if (head.content_length && !connect) {
    add_nv("content-length", h2_number(*head.content_length, length), NGHTTP2_NV_FLAG_NO_COPY_NAME);
    if (head.has_body) s.send_left = head.content_length;
  }
  // A tunnel's end, too, has to wait for the answer.
  const bool body = head.has_body || connect;
  nghttp2_data_provider provider = body_of(s);
  s.id = nghttp2_submit_request(ng_, nullptr, nva_.data(), nva_.size(), body ? &provider : nullptr,
                                static_cast<H2Stream*>(&s));
  if (s.id < 0) {
    // Out of stream ids or of memory: nothing was sent, another connection may take it.
    s.id = 0;
    s.failure = {EndCause::upstream_reset, "refused_stream"};
    return cut(s, NGHTTP2_CANCEL);
  }
  if (!head.has_body) s.end_queued = true;
  want_flush();
}

// ---- responses -------------------------------------------------------------------------------------

// nghttp2 has checked: one :status of three digits, never 101, no connection fields, legal bytes, one valid
// content-length that DATA has to match.
void H2Client::take_field(H2Stream& base, Bytes name, Bytes value) {
  auto& s = static_cast<ClientStream&>(base);
  if (!s.head) s.head = make_response();
  ResponseHead& head = *s.head;
  if (name == ":status") {
    head.status = uint16_t(h2_parse_length(value).value_or(0));
    return;
  }
  const FieldId id = field_id(name);
  if (id == FieldId::content_length) {
    head.content_length = h2_parse_length(value);
    s.malformed |= !head.content_length;
    return;
  }
  if (is_hop_by_hop(id)) return;
  head.fields.add(Field{id == FieldId::other ? head.arena.copy(name) : field_name(id), head.arena.copy(value), id});
}

void H2Client::head_complete(H2Stream& base, bool end_stream) {
  auto& s = static_cast<ClientStream&>(base);
  ResponsePtr head = std::move(s.head);
  auto refuse = [&](const char* rule) {
    fail_stream(s, {EndCause::upstream_protocol, rule}, NGHTTP2_PROTOCOL_ERROR);
    charge(AbuseBudget::kReset, rule);
  };
  if (s.over_limit) return refuse("head_too_long");
  if (s.malformed || !head) return refuse("content_length");
  if (head->status < 100 || head->status > 599) return refuse("status");
  head->protocol = Protocol::http2;
  if (head->status < 200) {
    if (++s.informational > limits_.max_informational) return refuse("too_many_informational");
    if (s.receiver) s.response->on_informational(std::move(head));
    return;
  }
  s.in_trailers = true;
  s.remote_ended = end_stream;
  const bool tunnel = s.method == Method::connect && head->status / 100 == 2;
  const bool body = tunnel || (!end_stream && !is_bodiless(s.method, head->status));
  if (s.early) open_tunnel(s, tunnel);
  head->has_body = body;
  if (tunnel) head->content_length.reset();  // RFC 9110 9.3.6
  if (s.receiver) s.response->on_head(std::move(head));
  // Without a body the message is over, whether or not the service has said so.
  if (!body || (end_stream && !s.holds())) tell_end(s);
}

void H2Client::open_tunnel(ClientStream& s, bool accepted) {
  s.early = false;
  s.tunnel = accepted;
  if (!accepted) {
    // Of what was meant for the tunnel nothing may leave; the stream still has to end in both directions.
    s.pending.clear();
    s.borrowed.clear();
    s.pending_at = s.borrowed_at = s.borrowed_size = 0;
    s.end_queued = true;
  }
  touch(s);
  wake(s);
}

// ---- ends ------------------------------------------------------------------------------------------

End H2Client::closed_by(const H2Stream& s, uint32_t code) const {
  // REFUSED_STREAM, also for streams above the last id of a GOAWAY: the service has not looked at the request.
  if (s.peer_reset || code == NGHTTP2_REFUSED_STREAM) return {EndCause::upstream_reset, h2_error_name(code)};
  return {EndCause::upstream_protocol, h2_error_name(code)};
}

uint32_t H2Client::reset_code(const H2Stream&, EndCause why) const {
  return why == EndCause::upstream_protocol ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_CANCEL;
}

void H2Client::recycle(H2Stream& base) {
  auto& s = static_cast<ClientStream&>(base);
  s.head.reset();
  s.waiting.reset();
  Pool::give(&s);
}

void H2Client::settled() {
  const size_t now = capacity();
  const bool usable = reusable();
  const bool news = now > told_capacity_ || usable != told_reusable_;
  told_capacity_ = now;
  told_reusable_ = usable;
  if (news) client_host_.on_capacity();
}

}  // namespace

std::unique_ptr<ClientCodec> h2_client(ClientHost& host, const CodecLimits& limits, Millis (*now)(void*),
                                       void* now_arg) {
  return std::make_unique<H2Client>(host, limits, now, now_arg);
}

}  // namespace cardea::http
