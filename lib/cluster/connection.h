// One upstream connection, from its first packet to the last exchange on it.
#pragma once

#include <memory>
#include <optional>

#include "cluster/cluster.h"

namespace cardea::cluster {

// Its place among all connections of a pool, and among those in one state.
class InPool : public Link {};
class InState : public Link {};

// Connects (TCP, then TLS), picks the codec, and carries exchanges. Owns itself: it lives until its stream is closed
// and the last attempt on it has been cancelled, so that a sender never dangles. Outlives its pool while busy.
class Connection final : public net::Deferred,
                         public InPool,
                         public InState,
                         private net::ConnectEvents,
                         private wire::Wire::Owner,
                         private http::ClientHost {
 public:
  enum class Phase : uint8_t { tcp, tls, open, closed };

  Connection(Pool& pool, EndpointPtr endpoint, net::Loop& loop);

  void connect(net::Network& network);  // the answer comes in a later turn
  Phase phase() const { return phase_; }
  bool connecting() const { return phase_ == Phase::tcp || phase_ == Phase::tls; }
  bool unused() const { return attempts_.empty(); }
  http::Protocol protocol() const { return codec_->protocol(); }
  size_t capacity() const { return codec_->capacity(); }
  bool takes_extended_connect() const { return codec_->takes_extended_connect(); }
  // Another exchange may start now.
  bool usable() const;
  // It will never again be usable.
  bool spent() const { return draining_ || wire_->closing() || !codec_->reusable() || worn_out(); }
  bool in_codec() const { return wire_->in_codec(); }
  Millis now() const { return loop_.now(); }
  Millis age() const { return loop_.now() - began_at_; }
  // The next exchange is the last one that max_requests_per_connection allows.
  bool on_its_last() const { return begun_ + 1 == config().max_requests_per_connection; }

  bool lost() const { return lost_; }  // it ended under an exchange

  // usable(). `made_for_it`: the attempt waited for this connection to open. Ends with on_ready.
  void begin(Attempt& attempt, bool made_for_it);
  void release(Attempt& attempt);  // for Attempt::cancel
  void close_politely();           // unused: now, with a goodbye; busy: when its exchanges end
  void close_now(const http::End& end);
  void start_idle_clock();
  void leave_pool() { pool_ = nullptr; }  // the pool goes first

 private:
  void on_connected(std::unique_ptr<net::Stream> stream) override;
  void on_connect_failed(int error) override;
  void on_open() override;
  void on_received() override {}
  void on_closed(const http::End& end) override;
  void request_flush() override { wire_->request_flush(); }
  void reading_changed() override { wire_->reading_changed(); }
  void request_close(const http::End& end) override;
  void request_shutdown() override { wire_->request_shutdown(); }
  void on_capacity() override;
  void on_timer();
  void open(http::Protocol protocol);
  void closed(const http::End& end);
  void die_when_unused();
  bool worn_out() const {
    return config().max_requests_per_connection && begun_ >= config().max_requests_per_connection;
  }
  void start_age();
  void keep_alive();
  const ClusterConfig& config() const { return endpoint_->cluster(); }

  Pool* pool_;
  EndpointPtr endpoint_;  // keeps the configuration that the codec refers to
  net::Loop& loop_;
  const Millis began_at_;
  net::Timer timer_;                             // to connect, later of idleness
  std::unique_ptr<net::Timer> age_, keepalive_;  // where they are configured
  uint64_t pongs_ = 0;                           // answers to PINGs when the last one was sent
  bool pinged_ = false;                          // one is out
  bool keepalive_due_ = true;                    // the next tick sends one
  uint32_t begun_ = 0;                           // exchanges
  std::unique_ptr<net::Connecting> connecting_;
  std::optional<wire::Wire> wire_;
  http::ClientCodec* codec_ = nullptr;  // the wire's
  List<Attempt> attempts_;
  Phase phase_ = Phase::tcp;
  bool draining_ = false, dying_ = false, lost_ = false;
};

}  // namespace cardea::cluster
