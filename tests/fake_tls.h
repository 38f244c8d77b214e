// A TLS whose handshake goes as the service's first words say.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/net.h"
#include "tls/tls.h"

namespace cardea::net {

// "open h2", "open http/1.1", "open" (no ALPN), "verify", "protocol"; anything else fails the handshake.
class FakeTlsStream final : public Stream, private StreamEvents {
 public:
  explicit FakeTlsStream(std::unique_ptr<Stream> plain) : plain_(std::move(plain)) {
    plain_->set_events(this);
    plain_->start_read(100);
  }
  void set_events(StreamEvents* events) override { events_ = events; }
  void start_read(size_t n) override { plain_->start_read(n); }
  void stop_read() override { plain_->stop_read(); }
  void write(const Slice* slices, size_t count) override { plain_->write(slices, count); }
  size_t queued() const override { return plain_->queued(); }
  void shutdown() override { plain_->shutdown(); }
  void set_reset_on_close() override { plain_->set_reset_on_close(); }
  const Address& peer() const override { return plain_->peer(); }
  const Address& local() const override { return plain_->local(); }
  const TlsSession* tls() const override { return open_ ? &session_ : nullptr; }

 private:
  void on_data(char* bytes, size_t n) override {
    if (!events_) return;
    if (open_) return events_->on_data(bytes, n);
    const std::string words(bytes, n);
    if (words == "verify") return events_->on_error({StreamError::tls_verify, 10, "certificate has expired"});
    if (words == "protocol") return events_->on_error({StreamError::tls_protocol, 1, "unexpected message"});
    if (words.substr(0, 4) != "open") return events_->on_error({StreamError::tls_handshake, 1, "no shared cipher"});
    alpn_ = words.size() > 5 ? words.substr(5) : "";
    session_.alpn = alpn_;
    open_ = true;
    plain_->stop_read();
    events_->on_open();
  }
  void on_eof() override {
    if (events_) events_->on_eof();
  }
  void on_drained() override {
    if (events_) events_->on_drained();
  }
  void on_error(const StreamError& e) override {
    if (events_) events_->on_error(e);
  }

  std::unique_ptr<Stream> plain_;
  StreamEvents* events_ = nullptr;
  TlsSession session_;
  std::string alpn_;
  bool open_ = false;
};

class FakeTlsContext final : public tls::ClientContext {
 public:
  std::unique_ptr<Stream> wrap(Loop&, std::unique_ptr<Stream> plain, const std::string& name) const override {
    names.push_back(name);
    return std::make_unique<FakeTlsStream>(std::move(plain));
  }
  mutable std::vector<std::string> names;
};

}  // namespace cardea::net
