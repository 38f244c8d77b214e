// HTTP and gRPC checks: one request at a time on a connection of either protocol.
#include <algorithm>
#include <optional>
#include <utility>

#include "health/grpc_check.h"
#include "health/line.h"
#include "health/match.h"
#include "wire/wire.h"

namespace cardea::health {

namespace {

using http::End;
using http::EndCause;
using http::FieldId;

constexpr http::CodecLimits kLimits;

Millis loop_now(void* loop) {
  return static_cast<net::Loop*>(loop)->now();
}

bool within(const std::vector<CheckConfig::Range>& ranges, uint16_t status) {
  return std::any_of(ranges.begin(), ranges.end(), [&](auto& r) { return status >= r.start && status < r.end; });
}

std::string text_of(const End& end) {
  const char* what = http::row(end.cause).word;
  if (end.cause == EndCause::upstream_protocol) what = "protocol";
  if (end.cause == EndCause::upstream_closed) what = "closed";
  if (end.cause == EndCause::upstream_reset) what = "reset";
  return std::string(what) + (*end.detail ? ": " : "") + end.detail;
}

// Nothing of this check's answer had come: the connection may have ended before the question was asked.
bool may_be_old(const End& end) {
  if (end.cause == EndCause::upstream_closed) return *end.detail == '\0';
  return end.cause == EndCause::upstream_reset || Bytes(end.detail) == "unsolicited";
}

class HttpLine final : public Line,
                       private wire::Wire::Owner,
                       private http::ClientHost,
                       private http::ResponseReceiver {
 public:
  HttpLine(net::Loop& loop, std::shared_ptr<const CheckConfig> config, std::shared_ptr<const Target> target,
           Line::Owner& owner)
      : Line(loop, std::move(config), std::move(target), owner), match_(config_->receive) {
    if (is_grpc()) question_ = grpc_question(config_->service_name);
  }
  ~HttpLine() override {
    if (sender_) sender_->release();
  }
  bool lasts() const override { return open() && wire_ && !wire_->closing() && codec_->reusable(); }
  bool ready() const override { return lasts() && codec_->capacity() > 0; }

 private:
  void opened() override;
  void begin() override;
  void farewell() override;
  // wire::Wire::Owner
  void on_received() override {}
  void on_closed(const End& end) override;
  // http::ClientHost
  void request_flush() override { wire_->request_flush(); }
  void reading_changed() override { wire_->reading_changed(); }
  void request_close(const End& end) override { wire_->request_close(end); }
  void on_capacity() override {}
  // http::ResponseReceiver
  void on_informational(http::ResponsePtr) override { heard_ = true; }
  void on_head(http::ResponsePtr head) override;
  void on_body(Bytes bytes) override;
  void on_trailers(const http::Fields& fields) override;
  void on_end() override;
  void on_reset(const End& end) override;
  void on_blocked() override {}
  void on_unblocked() override {}

  bool is_grpc() const { return config_->kind == CheckConfig::Kind::grpc; }
  void send_request();
  Report judge() const;
  Report judge_grpc() const;
  void finish(Report report);

  std::optional<wire::Wire> wire_;
  http::ClientCodec* codec_ = nullptr;     // the wire's
  http::RequestSender* sender_ = nullptr;  // non-null during a check
  std::string question_;                   // of gRPC
  // Of the answer.
  Match match_;
  GrpcAnswer grpc_;
  size_t taken_ = 0;
  uint16_t status_ = 0;
  bool heard_ = false, degraded_ = false;
};

void HttpLine::opened() {
  const net::TlsSession* tls = stream_->tls();
  const bool must_be_http2 = is_grpc() || config_->http2;
  bool http2 = must_be_http2 || target_->http2;
  if (tls && !tls->alpn.empty()) {
    http2 = tls->alpn == "h2";
    if (must_be_http2 && !http2) {
      gone();
      return report({.cause = "tls: no HTTP/2 but " + std::string(tls->alpn)});
    }
  }
  wire_.emplace(loop_, std::move(stream_), static_cast<wire::Wire::Owner&>(*this), net::Loop::kReadBuffer,
                wire::Side::upstream);
  auto codec = http2 ? http::h2_client(*this, kLimits, loop_now, &loop_) : http::h1_client(*this, kLimits);
  codec_ = codec.get();
  wire_->set_codec(std::move(codec));
  begin();
}

void HttpLine::begin() {
  match_.restart();
  grpc_.restart();
  taken_ = status_ = 0;
  heard_ = degraded_ = false;
  sender_ = &codec_->start(*this);
  send_request();
}

void HttpLine::send_request() {
  http::RequestPtr head = http::make_request();
  head->scheme = secure() ? "https" : "http";
  head->fields.add(FieldId::user_agent, "cardea-health");
  if (is_grpc()) {
    head->method_name = "POST";
    head->authority = config_->authority.empty() ? target_->authority : config_->authority;
    head->target = "/grpc.health.v1.Health/Check";
    head->te_trailers = true;
    head->fields.add(FieldId::content_type, "application/grpc");
  } else {
    head->method_name = config_->method;
    head->authority = config_->host.empty() ? target_->authority : config_->host;
    head->target = config_->path;
    for (auto& name : config_->remove_headers) head->fields.remove(Bytes(name));
    for (auto& [name, value] : config_->add_headers) head->fields.add(name, value);
  }
  head->method = http::method_of(head->method_name);
  const Bytes body = is_grpc() ? question_ : config_->send;
  head->has_body = !body.empty();
  if (head->has_body) head->content_length = body.size();
  sender_->send_head(*head);
  if (head->has_body) {
    sender_->send_body(body);
    sender_->send_end(nullptr);
  }
}

// ---- the answer -----------------------------------------------------------------------------------

void HttpLine::on_head(http::ResponsePtr head) {
  heard_ = true;
  status_ = head->status;
  degraded_ = head->fields.find("x-envoy-degraded") != nullptr;
  if (!is_grpc()) return;
  if (const http::Field* f = head->fields.find(FieldId::grpc_status)) grpc_.on_grpc_status(f->value);
  const Bytes type = head->fields.value(FieldId::content_type);
  const Bytes rest = type.substr(std::min(type.size(), Bytes("application/grpc").size()));
  const bool spoken = http::equal_no_case(type.substr(0, type.size() - rest.size()), "application/grpc") &&
                      (rest.empty() || rest.front() == '+' || rest.front() == ';');
  if (status_ == 200 && !spoken) return finish({Outcome::immediate, "grpc: the content type is another"});
  if (status_ != 200 || grpc_.refused()) finish(judge());
}

void HttpLine::on_body(Bytes bytes) {
  if (!sender_) return;
  if (is_grpc()) {
    grpc_.on_bytes(bytes);
    if (grpc_.refused()) finish(judge());
    return;
  }
  const size_t limit =
      config_->response_buffer_size == 0 ? kMaxAnswer : std::min<size_t>(config_->response_buffer_size, kMaxAnswer);
  if (taken_ < limit) match_.feed(bytes.substr(0, limit - taken_));
  taken_ += bytes.size();
  // An answer that does not end has said all that counts.
  if (taken_ >= kMaxAnswer) finish(judge());
}

void HttpLine::on_trailers(const http::Fields& fields) {
  if (!sender_ || !is_grpc()) return;
  if (const http::Field* f = fields.find(FieldId::grpc_status)) grpc_.on_grpc_status(f->value);
}

void HttpLine::on_end() {
  if (sender_) finish(judge());
}

void HttpLine::on_reset(const End& end) {
  if (sender_) finish({.cause = text_of(end), .unheard = !heard_ && may_be_old(end)});
}

Report HttpLine::judge() const {
  if (is_grpc()) return judge_grpc();
  static const std::vector<CheckConfig::Range> kOk = {{}};
  if (!within(config_->expected_statuses.empty() ? kOk : config_->expected_statuses, status_)) {
    const bool retriable = within(config_->retriable_statuses, status_);
    return {retriable ? Outcome::failure : Outcome::immediate, "http " + std::to_string(status_)};
  }
  if (!match_.complete()) return {Outcome::immediate, "receive: " + match_.missing() + " not found"};
  return {Outcome::success, "passed", degraded_};
}

Report HttpLine::judge_grpc() const {
  if (status_ != 200) return {Outcome::immediate, "http " + std::to_string(status_)};
  return {grpc_.serving() ? Outcome::success : Outcome::immediate, grpc_.cause()};
}

void HttpLine::finish(Report report) {
  std::exchange(sender_, nullptr)->release();
  Line::report(std::move(report));
}

// ---- the end --------------------------------------------------------------------------------------

void HttpLine::on_closed(const End& end) {
  wire_->release_stream();
  on_reset(end);  // the codec has told; should it not have, the check must not hang
  gone();
}

void HttpLine::farewell() {
  if (!wire_ || wire_->closing()) return;
  if (sender_) std::exchange(sender_, nullptr)->release();
  codec_->drain();
  wire_->request_close({EndCause::none, "idle"});
}

}  // namespace

std::unique_ptr<Line> http_line(net::Loop& loop, std::shared_ptr<const CheckConfig> config,
                                std::shared_ptr<const Target> target, Line::Owner& owner) {
  return std::make_unique<HttpLine>(loop, std::move(config), std::move(target), owner);
}

}  // namespace cardea::health
