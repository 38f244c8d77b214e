// Which connection a check is made on: the one of the last check, or another.
#include "health/probe.h"

#include <utility>

namespace cardea::health {

Probe::~Probe() {
  if (line_) line_->let_go();
}

void Probe::start(std::shared_ptr<const Target> target) {
  // Targets of one id may have got another certificate or name: what is open was made for the old one.
  if (line_ && (target != target_ || !line_->ready())) drop();
  target_ = std::move(target);
  if (!line_) return connect();
  line_->check(network_);
}

void Probe::connect() {
  const bool tcp = config_->kind == CheckConfig::Kind::tcp;
  line_ = (tcp ? tcp_line : http_line)(loop_, config_, target_, *this);
  line_->check(network_);
}

void Probe::stop() {
  drop();
}

void Probe::drop() {
  if (!line_) return;
  line_->let_go();
  loop_.defer_delete(std::move(line_));
}

void Probe::on_report(Report report) {
  // What died while nobody looked says nothing about the host; a fresh connection does, within the same time.
  if (report.unheard && line_->used()) {
    drop();
    return connect();
  }
  if (!config_->reuse_connection || !line_->lasts()) drop();
  owner_.on_report(report);
}

}  // namespace cardea::health
