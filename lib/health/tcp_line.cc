// TCP checks: connecting is enough, or texts are exchanged.
#include <utility>

#include "health/line.h"
#include "health/match.h"

namespace cardea::health {

namespace {

// What a peer may say unasked between two checks before its connection is given up.
constexpr size_t kMaxIdleBytes = 64 * 1024;

class TcpLine final : public Line {
 public:
  TcpLine(net::Loop& loop, std::shared_ptr<const CheckConfig> config, std::shared_ptr<const Target> target,
          Owner& owner)
      : Line(loop, std::move(config), std::move(target), owner),
        match_(config_->receive),
        receives_(!match_.complete()) {}
  // Where nothing is received only connecting tells something.
  bool lasts() const override { return open() && receives_; }

 private:
  void opened() override;
  void begin() override;
  void farewell() override { stream_->shutdown(); }
  void on_data(char* bytes, size_t n) override;
  void on_eof() override;
  void on_drained() override;
  void on_error(const net::StreamError& error) override;
  void broken(std::string cause);

  Match match_;
  const bool receives_;
  size_t taken_ = 0;  // in this check, or since it ended
};

void TcpLine::opened() {
  stream_->set_events(this);
  begin();
  if (open()) stream_->start_read(net::Loop::kReadBuffer);
}

void TcpLine::begin() {
  match_.restart();
  taken_ = 0;
  if (!config_->send.empty()) {
    const net::Slice all{config_->send.data(), config_->send.size()};
    stream_->write(&all, 1);
  }
  // A line is only used again where there is something to receive: so this is not inside check().
  if (match_.complete() && stream_->queued() == 0) report({.outcome = Outcome::success, .cause = "passed"});
}

void TcpLine::on_drained() {
  if (checking() && match_.complete()) report({.outcome = Outcome::success, .cause = "passed"});
}

void TcpLine::on_data(char* bytes, size_t n) {
  taken_ += n;
  if (!checking()) {
    if (taken_ > kMaxIdleBytes) {
      stream_->stop_read();
      gone();
    }
    return;
  }
  match_.feed({bytes, n});
  if (match_.complete()) {
    taken_ = 0;
    if (stream_->queued() == 0) report({.outcome = Outcome::success, .cause = "passed"});
  } else if (taken_ >= kMaxAnswer) {
    stream_->stop_read();
    broken("receive: " + match_.missing() + " not found in " + std::to_string(kMaxAnswer) + " bytes");
  }
}

void TcpLine::on_eof() {
  if (!open()) return Line::on_eof();
  broken(match_.complete() ? "closed" : "receive: " + match_.missing() + " not found before the end");
}

void TcpLine::on_error(const net::StreamError& error) {
  if (!open()) return Line::on_error(error);
  broken(error.kind == net::StreamError::os ? errno_text(error.code) : "tls: " + error.text);
}

void TcpLine::broken(std::string cause) {
  gone();
  report({.cause = std::move(cause), .unheard = taken_ == 0});
}

}  // namespace

std::unique_ptr<Line> tcp_line(net::Loop& loop, std::shared_ptr<const CheckConfig> config,
                               std::shared_ptr<const Target> target, Line::Owner& owner) {
  return std::make_unique<TcpLine>(loop, std::move(config), std::move(target), owner);
}

}  // namespace cardea::health
