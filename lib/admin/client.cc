// One client: its requests, one at a time, and their answers.
#include "admin/client.h"

#include "base/json.h"

namespace cardea::admin {

using http::End;
using http::EndCause;
using http::FieldId;

namespace {

constexpr size_t kReadSize = 64 * 1024;

// "127.0.0.1:9901", "[::1]", "localhost": what no page of the web can make a browser send to us.
bool is_local_name(Bytes authority) {
  auto parsed = http::parse_authority(authority);
  if (!parsed) return false;
  Bytes host = parsed->host;
  if (http::equal_no_case(host, "localhost")) return true;
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return bool(net::Address::ip(host, 0));
}

bool fits(const Row& row, Bytes path, std::string& rest) {
  const Bytes pattern = row.path;
  if (!pattern.ends_with("/*")) return path == pattern;
  const Bytes prefix = pattern.substr(0, pattern.size() - 1);
  if (!path.starts_with(prefix) || path.size() == prefix.size()) return false;
  rest = path.substr(prefix.size());
  return true;
}

}  // namespace

Client::Client(Server& server, std::unique_ptr<net::Stream> stream)
    : server_(&server),
      loop_(server.loop_),
      clock_(loop_, [this] { on_clock(); }),
      self_(std::make_shared<Client*>(this)) {
  http::CodecLimits limits;
  limits.buffer_limit = kReadSize;
  wire_.emplace(loop_, std::move(stream), *this, kReadSize);
  auto codec = http::h1_server(*this, limits);
  codec_ = codec.get();
  wire_->set_codec(std::move(codec));
  arm();
}

Client::~Client() {
  *self_ = nullptr;
}

void Client::abandon() {
  unlink();
  server_ = nullptr;
  wire_->close_now({EndCause::host_ended});
}

void Client::on_closed(const End&) {
  clock_.stop();
  *self_ = nullptr;
  sender_ = nullptr;
  if (server_) --server_->count_;
  unlink();
  loop_.defer_delete(std::unique_ptr<net::Deferred>(this));
}

// ---- a request ------------------------------------------------------------------------------------

http::RequestReceiver* Client::on_request(http::RequestPtr head, http::ResponseSender& sender) {
  head_ = std::move(head);
  sender_ = &sender;
  ++serial_;
  body_.clear();
  // Nobody gets a tunnel here, so what a request for one would send in it is not waited for.
  complete_ = !head_->has_body || !head_->upgrade.empty() || head_->method == http::Method::connect;
  const Reply refusal = check();
  if (refusal.status != 200) {
    answer(refusal, !complete_);
  } else if (complete_) {
    dispatch();
  } else if (head_->expect_continue) {
    static const http::Fields none;
    sender.send_informational(100, none);
  }
  arm();
  return this;
}

// Who may not ask at all; status 200: anybody else.
Reply Client::check() const {
  const bool by_any_name = server_ && server_->audience() == Server::Audience::everybody;
  if (!by_any_name && !is_local_name(head_->authority)) {
    return failure(403, "the Host header must be an address or localhost");
  }
  if (head_->fields.find(FieldId::origin)) return failure(403, "requests of web pages are not taken");
  if (head_->content_length.value_or(0) > kMaxBody) return failure(413, "the body is too large");
  return {};
}

void Client::on_body(Bytes bytes) {
  if (!sender_) return;
  if (body_.size() + bytes.size() > kMaxBody) return answer(failure(413, "the body is too large"), true);
  body_.append(bytes);
}

void Client::on_end() {
  if (std::exchange(complete_, true)) return;  // without a body it has been dispatched already
  arm();                                       // the answer may take its time
  if (sender_) dispatch();
}

void Client::on_reset(const End&) {
  if (http::ResponseSender* sender = std::exchange(sender_, nullptr)) sender->release();
}

void Client::dispatch() {
  if (!server_) return;  // gone in this turn; the connection goes too
  Request request;
  request.path = head_->target.substr(0, head_->target.find('?'));
  request.body = std::move(body_);
  const Bytes method = head_->method == http::Method::head ? Bytes("GET") : head_->method_name;
  std::string allowed;
  for (const Row& row : server_->rows()) {
    if (!fits(row, request.path, request.rest)) continue;
    if (method == row.method) {
      auto late = [self = self_, serial = serial_](Reply reply) {
        Client* client = *self;
        if (!client || client->serial_ != serial || !client->sender_) return;
        net::Loop::Turn turn(client->loop_);
        client->answer(std::move(reply));
      };
      const auto handler = row.handler;  // which may delete the server
      return handler(request, std::move(late));
    }
    allowed.append(allowed.empty() ? "" : ", ").append(row.method == Bytes("GET") ? "GET, HEAD" : row.method);
  }
  if (!allowed.empty()) {
    Reply reply = failure(405, "this resource takes " + allowed);
    reply.allow = std::move(allowed);
    return answer(std::move(reply));
  }
  std::string known = "no such resource; there are";
  for (const Row& row : server_->rows()) known.append(" ").append(row.method).append(" ").append(row.path);
  answer(failure(404, known));
}

// ---- the answer -----------------------------------------------------------------------------------

void Client::answer(Reply reply, bool close) {
  http::ResponseSender* sender = std::exchange(sender_, nullptr);
  if (!sender) return;
  // What is sent is borrowed until the end of the turn, in which more than one request may be answered.
  struct Sent final : net::Deferred {
    std::string body;
  };
  auto sent = std::make_unique<Sent>();
  sent->body = std::move(reply.body);
  http::ResponsePtr head = http::make_response();
  head->status = reply.status;
  head->close = close;
  head->content_length = sent->body.size();
  head->has_body = head_->method != http::Method::head && !sent->body.empty();
  head->fields.add(FieldId::content_type, reply.content_type);
  head->fields.add(FieldId::cache_control, "no-store");
  if (!reply.allow.empty()) head->fields.add("Allow", reply.allow);
  head->fields.add("X-Content-Type-Options", "nosniff");
  sender->send_head(*head);
  if (head->has_body) {
    sender->send_body(sent->body);
    sender->send_end(nullptr);
  }
  sender->release();
  loop_.defer_delete(std::move(sent));
  arm();
}

void Client::on_bad_request(const End& end, http::ResponseSender& sender) {
  head_ = http::make_request();
  head_->method = http::Method::get;
  sender_ = &sender;
  ++serial_;
  answer(failure(end.http_status(), std::string("the request is not valid: ") + end.detail), true);
}

// ---- clocks ---------------------------------------------------------------------------------------

void Client::on_received() {
  if (!sender_) arm();
}

// A head has to be complete in time, and so has a body; a client without a request may stay for a while.
void Client::arm() {
  if (sender_ && complete_) return clock_.stop();
  const bool busy = sender_ || (codec_ && codec_->receiving_head());
  if (busy && since_) return;  // in total, not since the last byte
  since_ = busy ? loop_.now() : 0;
  clock_.start(busy ? kHeadTimeout : kIdleTimeout);
}

void Client::on_clock() {
  const End late{EndCause::client_timeout, "admin"};
  if (sender_) return answer(failure(408, "the request did not arrive in time"), true);
  since_ = 0;
  if (codec_->receiving_head()) {
    codec_->expire_head(late);
  } else {
    wire_->request_close(late);
  }
}

}  // namespace cardea::admin
