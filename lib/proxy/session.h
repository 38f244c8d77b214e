// One downstream connection: handshake, choice of codec, its exchanges, its clocks.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/list.h"
#include "config/config.h"
#include "http/http.h"
#include "net/net.h"
#include "wire/wire.h"

namespace cardea::proxy {

class Exchange;
class Worker;

// Owned by its worker's list; deletes itself through the loop when its wire has closed.
class Session final : public net::Deferred, public Link, public wire::Wire::Owner, public http::ServerHost {
 public:
  // `listener` is copied where it is needed after the call. `preread`: bytes taken from the socket before.
  Session(Worker& worker, const config::Listener& listener, std::unique_ptr<net::Stream> stream);
  ~Session() override;

  Worker& worker() { return worker_; }
  const net::Stream& stream() const { return wire_->stream(); }
  const std::string& listener() const { return listener_name_; }
  bool redirects_to_https() const { return redirect_; }
  bool is_tls() const { return tls_; }
  uint64_t id() const { return id_; }
  // The configuration that brought the certificates of its handshake: its listener's are newer when that changed.
  uint64_t certificate_generation() const { return certificate_generation_; }
  http::Protocol protocol() const { return codec_ ? codec_->protocol() : http::Protocol::http11; }
  std::string_view peer_ip() const { return peer_ip_; }
  // What the client showed, and whether that counts now. Judged anew when `trust` says something else or its time is
  // over. `leaf` null: it showed nothing.
  struct Certificate {
    const identity::Certificate* leaf = nullptr;
    bool trusted = false;
    int64_t next_change_ms = 0;      // Unix time; 0: never
    identity::IdentityPtr identity;  // whom it names, while it is trusted
  };
  Certificate certificate(const std::shared_ptr<const tls::ClientTrust>& trust);
  const identity::Certificate* shown_certificate() const;
  void* host_pointer() const { return host_pointer_; }
  void set_host_pointer(void* p) { host_pointer_ = p; }

  // Calls fn for each clock of the connection that can end an exchange: as Exchange::each_clock().
  void each_clock(const std::function<void(const char* name, Millis at, config::Origin from)>& fn) const;
  // Finish what runs, take nothing new; what is left after `allowed` is cut (0: whoever drains sees to that).
  void drain(Millis allowed = 0);
  void close(const http::End& end);  // now
  void exchange_began() { ++exchanges_; }
  void count_protocol_error();  // once for the connection
  void exchange_ended(bool request_complete);

 private:
  // wire::Wire::Owner
  void on_open() override;
  void on_broken(const net::StreamError& error) override;
  void on_received() override;
  void on_closed(const http::End& end) override;
  // http::ServerHost
  void request_flush() override { wire_->request_flush(); }
  void reading_changed() override { wire_->reading_changed(); }
  void request_close(const http::End& end) override;
  void request_shutdown() override { wire_->request_shutdown(); }
  http::RequestReceiver* on_request(http::RequestPtr head, http::ResponseSender& sender) override;
  void on_bad_request(const http::End& end, http::ResponseSender& sender) override;
  void on_idle() override;

  class Sniffer;
  void open();
  void choose_codec(bool h2);
  void sniffed(bool h2, Bytes first_bytes);
  void arm_clock();
  void on_clock();
  void hurry();
  void leave(Millis allowed);
  bool is_new() const;
  void count_end(const http::End& end);

  Worker& worker_;
  std::string listener_name_;
  config::Codec codec_type_;
  bool tls_ = false, redirect_ = false, open_ = false, draining_ = false, peer_ip_known_ = false;
  bool told_to_drain_ = false, protocol_error_ = false;
  uint64_t id_, certificate_generation_;
  std::string peer_ip_;
  struct Judged {
    std::shared_ptr<const tls::ClientTrust> trust;
    tls::ClientTrust::Judgement judgement;
    identity::IdentityPtr identity;
    int64_t at_ms = 0;
  };
  std::unique_ptr<Judged> judged_;  // the last judgement of a client's certificate
  void* host_pointer_ = nullptr;
  size_t exchanges_ = 0;
  // Points in time of Loop::now(); 0: not running.
  Millis opened_at_, handshake_since_ = 0, first_head_since_ = 0, head_since_ = 0, unread_since_ = 0, idle_since_ = 0,
                     progress_at_ = 0, drained_at_ = 0, cut_at_ = 0;
  uint64_t progress_bytes_ = 0;
  net::Timer clock_;
  http::ResponsePtr refusal_;           // the answer to a bad request, while its text may be borrowed
  http::ServerCodec* codec_ = nullptr;  // in wire_; null while the protocol is not known
  std::optional<wire::Wire> wire_;
};

}  // namespace cardea::proxy
