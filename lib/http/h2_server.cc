// The service's side of HTTP/2: requests in, responses out.
#include "http/h2_session.h"

namespace cardea::http {

namespace {

class H2Server;

struct ServerStream final : H2Sender<ResponseSender> {
  H2Server& server() const;
  void set_buffer_limit(uint32_t bytes) override { buffer_limit = bytes; }
  void send_informational(uint16_t status, const Fields& fields) override;
  void send_head(const ResponseHead& head) override;

  RequestPtr request;    // while its block is coming
  Bytes host;            // of the Host field
  uint32_t cookies = 0;  // crumbs
  uint32_t expects = 0;
  bool expects_continue = false;
  bool extended = false;  // CONNECT with :protocol
  End bad;                // the first rule that the request breaks
};

using Pool = H2Pool<ServerStream>;

End refusal(const char* rule, uint16_t status = 400) {
  return {EndCause::bad_request, rule, status};
}

class H2Server final : public ServerCodec, public H2Session {
 public:
  H2Server(ServerHost& host, const CodecLimits& limits, Millis (*now)(void*), void* now_arg)
      : H2Session(host, limits, true, now, now_arg), server_host_(host) {}
  ~H2Server() override {
    while (H2Stream* s = streams_.front()) recycle(*s);
  }

  void receive(Bytes bytes) override { take(bytes); }
  // A client of HTTP/2 has no use for half a connection: it could not even acknowledge what it gets.
  void receive_eof() override { end_now({EndCause::downstream_closed, ""}); }
  void connection_lost(const End& end) override { lose(end); }
  bool wants_read() const override { return reads(); }
  void produce(Output& out, size_t room) override { fill(out, room); }
  void produced(size_t queued_in_stream) override { filled(queued_in_stream); }
  bool may_wait() const override { return may_gather(); }
  bool receiving_head() const override { return in_head(); }
  size_t active() const override { return active_; }
  void drain() override { drain_session(); }
  void expire_head(const End& end) override;
  Protocol protocol() const override { return Protocol::http2; }
  void ping() override { ping_peer(); }
  uint64_t pongs() const override { return answered_pings(); }

  void send_informational(ServerStream& s, uint16_t status, const Fields& fields);
  void send_head(ServerStream& s, const ResponseHead& head);

 private:
  H2Stream* open_stream(int32_t id) override;
  void take_field(H2Stream& s, Bytes name, Bytes value) override;
  void head_complete(H2Stream& s, bool end_stream) override;
  End closed_by(const H2Stream& s, uint32_t code) const override;
  uint32_t reset_code(const H2Stream& s, EndCause why) const override;
  void recycle(H2Stream& s) override;
  void settled() override;

  void take_pseudo(ServerStream& s, Bytes name, Bytes value);
  End check(ServerStream& s) const;
  End check_target(RequestHead& head) const;
  void refuse(ServerStream& s, const End& end);

  ServerHost& server_host_;
  bool idle_ = true;  // on_idle was told, or nothing has come yet
};

H2Server& ServerStream::server() const {
  return static_cast<H2Server&>(*session);
}

void ServerStream::send_informational(uint16_t status, const Fields& fields) {
  server().send_informational(*this, status, fields);
}

void ServerStream::send_head(const ResponseHead& head) {
  server().send_head(*this, head);
}

// ---- requests --------------------------------------------------------------------------------------

H2Stream* H2Server::open_stream(int32_t id) {
  ServerStream* s = Pool::take(*this);
  s->request = make_request();
  s->host = {};
  s->cookies = s->expects = 0;
  s->expects_continue = s->extended = false;
  s->bad = {};
  // Streams of one urgency share the connection until their client says otherwise (RFC 9218).
  nghttp2_extpri priority{NGHTTP2_EXTPRI_DEFAULT_URGENCY, 1};
  nghttp2_session_change_extpri_stream_priority(ng_, id, &priority, 0);
  return s;
}

// nghttp2 has checked: pseudo-fields once each and first, no connection fields, legal bytes, one valid
// content-length. What it leaves to us is here and in check().
void H2Server::take_field(H2Stream& base, Bytes name, Bytes value) {
  auto& s = static_cast<ServerStream&>(base);
  if (!s.request) return;
  if (name[0] == ':') return take_pseudo(s, name, value);
  RequestHead& head = *s.request;
  const FieldId id = field_id(name);
  switch (id) {
    case FieldId::host:
      s.host = head.arena.copy(value);
      return;
    case FieldId::content_length:
      head.content_length = h2_parse_length(value);
      if (!head.content_length) s.bad = refusal("content_length_too_big");
      return;
    case FieldId::te:
      head.te_trailers = true;
      return;
    case FieldId::expect:
      ++s.expects;
      s.expects_continue = equal_no_case(value, "100-continue");
      return;
    case FieldId::cookie:
      ++s.cookies;
      break;
    case FieldId::other:
      // Origins behind CGI read `_` as `-`: a name with one may become another field there.
      if (limits_.underscores != CodecLimits::Underscores::allow && name.find('_') != Bytes::npos) {
        if (limits_.underscores == CodecLimits::Underscores::reject_request) s.bad = refusal("underscore");
        return;
      }
      break;
    default:
      if (is_hop_by_hop(id)) return;
  }
  head.fields.add(Field{id == FieldId::other ? head.arena.copy(name) : field_name(id), head.arena.copy(value), id});
}

// As in HTTP/1.1's Upgrade: a name, perhaps a version. One too long to be remembered is not one that anybody speaks.
bool is_upgrade_token(Bytes value) {
  constexpr size_t kLongest = 32;
  const size_t slash = value.find('/');
  return value.size() <= kLongest && is_token(value.substr(0, slash)) &&
         (slash == Bytes::npos || is_token(value.substr(slash + 1)));
}

void H2Server::take_pseudo(ServerStream& s, Bytes name, Bytes value) {
  RequestHead& head = *s.request;
  if (name == ":method") {
    head.method_name = head.arena.copy(value);
    head.method = method_of(value);
  } else if (name == ":path") {
    if (value.size() > limits_.max_request_line) s.bad = refusal("target_too_long", 414);
    head.target = head.arena.copy(value);
  } else if (name == ":authority") {
    head.authority = head.arena.copy(value);
  } else if (name == ":scheme") {
    // Checked against both words: for other schemes nghttp2 does not look at the path.
    if (equal_no_case(value, "https")) {
      head.scheme = "https";
    } else if (equal_no_case(value, "http")) {
      head.scheme = "http";
    } else {
      s.bad = refusal("scheme");
    }
  } else if (name == ":protocol") {
    if (!is_upgrade_token(value)) s.bad = refusal("bad_protocol");
    head.upgrade = head.arena.copy(value);
  }
}

void H2Server::head_complete(H2Stream& base, bool end_stream) {
  auto& s = static_cast<ServerStream&>(base);
  s.in_head = false;
  s.in_trailers = true;
  s.remote_ended = end_stream;
  s.counted = true;
  --opening_;
  ++active_;
  idle_ = false;
  RequestHead& head = *s.request;
  head.protocol = Protocol::http2;
  head.has_body = !end_stream || head.method == Method::connect;
  if (End bad = check(s); bad.cause != EndCause::none) return refuse(s, bad);
  s.method = head.method;
  s.gated = head.method == Method::connect;
  s.extended = !head.upgrade.empty();
  RequestReceiver* receiver = server_host_.on_request(std::move(s.request), s);
  if (!s.released && !s.cut) s.receiver = receiver;
  if (end_stream && !s.holds()) tell_end(s);
}

bool is_unsafe(unsigned char c) {
  switch (c) {
    case '"':
    case '<':
    case '>':
    case '\\':
    case '^':
    case '`':
    case '{':
    case '}':
      return true;
    default:
      return false;
  }
}

// nghttp2 lets through what an HTTP/1.1 peer would not take, or would take for another target. As in HTTP/1.1,
// browsers may send some of it raw in a query; it is escaped once, so that everybody behind us reads the same.
End H2Server::check_target(RequestHead& head) const {
  size_t escapes = 0;
  bool query = false;
  for (char c : head.target) {
    if (c == '#') return refusal("fragment");
    if (uint8_t(c) <= ' ' || uint8_t(c) >= 0x7f || (is_unsafe(uint8_t(c)) && !query)) return refusal("bad_target");
    query |= c == '?';
    escapes += is_unsafe(uint8_t(c));
  }
  if (head.target == "*" ? head.method != Method::options : !head.target.starts_with('/')) {
    return refusal("bad_target_form");
  }
  if (escapes == 0) return {};
  constexpr char kHex[] = "0123456789ABCDEF";
  char* const escaped = head.arena.take(head.target.size() + 2 * escapes);
  char* p = escaped;
  for (char c : head.target) {
    if (is_unsafe(uint8_t(c))) {
      *p++ = '%';
      *p++ = kHex[uint8_t(c) >> 4];
      *p++ = kHex[uint8_t(c) & 15];
    } else {
      *p++ = c;
    }
  }
  head.target = {escaped, size_t(p - escaped)};
  return {};
}

// Makes the head protocol-neutral, or names the rule that it breaks.
End H2Server::check(ServerStream& s) const {
  RequestHead& head = *s.request;
  if (s.over_limit) return refusal(s.head_bytes > limits_.max_head_bytes ? "head_too_long" : "too_many_fields", 431);
  if (s.bad.cause != EndCause::none) return s.bad;
  if (head.method_name == "TRACE" || head.method_name == "TRACK") return refusal("trace", 405);

  if (!s.host.empty()) {
    // Two names for one request: whoever routes by one and forwards the other can be fooled.
    if (!head.authority.empty() && !equal_no_case(head.authority, s.host)) return refusal("host_and_authority");
    if (head.authority.empty()) head.authority = s.host;
  }
  Result<HostPort> authority = parse_authority(head.authority);
  if (!authority) return refusal("bad_authority");
  if (!authority->has_port) head.authority = authority->host;

  const bool connect = head.method == Method::connect;
  if (connect && head.content_length) return refusal("connect_with_body");
  if (connect && head.upgrade.empty()) {
    if (!authority->has_port) return refusal("bad_connect_target");
    head.target = head.authority;
    head.scheme = "http";
  } else if (End bad = check_target(head); bad.cause != EndCause::none) {
    return bad;
  }
  if (s.expects > 1) return refusal("two_expects", 417);
  if (s.expects == 1 && !s.expects_continue) return refusal("bad_expect", 417);
  head.expect_continue = s.expects == 1 && head.has_body && !connect;

  if (s.cookies > 1) {  // RFC 9113 8.2.3
    size_t size = 0;
    for (const Field& f : head.fields) size += f.id == FieldId::cookie ? f.value.size() + 2 : 0;
    char* const joined = head.arena.take(size);
    char* p = joined;
    for (const Field& f : head.fields) {
      if (f.id != FieldId::cookie) continue;
      if (p != joined) *p++ = ';', *p++ = ' ';
      p += f.value.copy(p, f.value.size());
    }
    head.fields.set(FieldId::cookie, {joined, size_t(p - joined)});
  }
  return {};
}

// The host answers inside the call or not at all; the other streams do not notice.
void H2Server::refuse(ServerStream& s, const End& end) {
  s.request.reset();
  server_host_.on_bad_request(end, s);
  if (!s.released) {
    keep_borrowed(s);  // the next refusal of this turn may reuse what was borrowed
    if (!s.head_sent) cut(s, NGHTTP2_PROTOCOL_ERROR);
    release(s);
  }
  charge(AbuseBudget::kReset, "h2_bad_requests");
}

// ---- responses -------------------------------------------------------------------------------------

Bytes status_text(uint16_t status, char (&text)[3]) {
  text[0] = char('0' + status / 100 % 10);
  text[1] = char('0' + status / 10 % 10);
  text[2] = char('0' + status % 10);
  return {text, 3};
}

void H2Server::send_informational(ServerStream& s, uint16_t status, const Fields& fields) {
  if (s.dead() || s.released || s.head_sent || ended_ || status < 100 || status > 199 || status == 101) return;
  char text[3];
  nva_.clear();
  add_nv(":status", status_text(status, text), NGHTTP2_NV_FLAG_NO_COPY_NAME);
  add_fields(fields, false);
  nghttp2_submit_headers(ng_, 0, s.id, nullptr, nva_.data(), nva_.size(), nullptr);
  want_flush();
}

void H2Server::send_head(ServerStream& s, const ResponseHead& head) {
  if (s.dead() || s.released || s.head_sent || ended_) return;
  const bool accepts_tunnel = s.method == Method::connect && head.status / 100 == 2;
  const bool body = accepts_tunnel || (head.has_body && !is_bodiless(s.method, head.status));
  char status[3], length[20];
  nva_.clear();
  add_nv(":status", status_text(head.status, status), NGHTTP2_NV_FLAG_NO_COPY_NAME);
  add_fields(head.fields, false);
  // RFC 9110 8.6: never with 1xx, 204 and the 2xx that opens a tunnel.
  if (head.content_length && head.status != 204 && !accepts_tunnel) {
    add_nv("content-length", h2_number(*head.content_length, length), NGHTTP2_NV_FLAG_NO_COPY_NAME);
    if (body) s.send_left = head.content_length;
  }
  s.head_sent = true;
  nghttp2_data_provider provider = body_of(s);
  if (nghttp2_submit_response(ng_, s.id, nva_.data(), nva_.size(), body ? &provider : nullptr) != 0) {
    s.failure = {EndCause::internal, "h2_head_not_sent"};
    return cut(s, NGHTTP2_INTERNAL_ERROR);
  }
  if (!body || !head.has_body) s.end_queued = true;
  if (s.gated) open_gate(s, accepts_tunnel);
  want_flush();
}

// ---- ends ------------------------------------------------------------------------------------------

void H2Server::expire_head(const End& end) {
  Entry entry(*this);
  if (ended_) return;
  expired_ = true;
  close_end_ = end;
  final_goaway();
}

End H2Server::closed_by(const H2Stream& s, uint32_t code) const {
  if (s.peer_reset) return {EndCause::downstream_reset, h2_error_name(code)};
  if (code == NGHTTP2_REFUSED_STREAM) return {EndCause::draining, "refused_stream"};
  return {EndCause::bad_request, h2_error_name(code)};
}

uint32_t H2Server::reset_code(const H2Stream& base, EndCause why) const {
  const auto& s = static_cast<const ServerStream&>(base);
  switch (why) {
    case EndCause::overload:
    case EndCause::draining:
      // "Not acted upon, try again" is a promise that only holds before anything was answered.
      return s.head_sent ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_REFUSED_STREAM;
    case EndCause::bad_request:
      return NGHTTP2_PROTOCOL_ERROR;
    case EndCause::client_timeout:
    case EndCause::downstream_reset:
    case EndCause::downstream_closed:
    case EndCause::denied:
    case EndCause::unauthenticated:
    case EndCause::client_certificate:
    case EndCause::revoked:
      return NGHTTP2_CANCEL;
    case EndCause::upstream_reset:
    case EndCause::upstream_closed:
      // What a TCP reset becomes: RFC 9113 8.5, and RFC 8441 5 for WebSocket.
      if (s.tunnel) return s.extended ? NGHTTP2_CANCEL : NGHTTP2_CONNECT_ERROR;
      return NGHTTP2_INTERNAL_ERROR;
    default:
      return NGHTTP2_INTERNAL_ERROR;
  }
}

void H2Server::recycle(H2Stream& base) {
  auto& s = static_cast<ServerStream&>(base);
  s.request.reset();
  Pool::give(&s);
}

void H2Server::settled() {
  if (active_ > 0 || idle_) return;
  idle_ = true;
  server_host_.on_idle();
}

}  // namespace

std::unique_ptr<ServerCodec> h2_server(ServerHost& host, const CodecLimits& limits, Millis (*now)(void*),
                                       void* now_arg) {
  return std::make_unique<H2Server>(host, limits, now, now_arg);
}

}  // namespace cardea::http
