// One connection that checks are made on, one after the other. Inside this folder only.
#pragma once

#include <memory>
#include <string>

#include "health/checker.h"

namespace cardea::health {

// What came of one check.
struct Report {
  Outcome outcome = Outcome::failure;
  std::string cause;
  bool degraded = false;
  bool unheard = false;  // the connection broke before a byte of the answer: it may have been dead for long
};

// Bytes of an answer that are taken; what comes after is not waited for.
inline constexpr size_t kMaxAnswer = 1 << 20;

// TCP and TLS here, what is spoken on it in tcp_line.cc and http_line.cc. One thread. Inside its owner's calls delete
// it through Loop::defer_delete, after let_go().
class Line : public net::Deferred, private net::ConnectEvents, protected net::StreamEvents {
 public:
  class Owner {
   public:
    virtual void on_report(Report report) = 0;  // once for each check()
    virtual void on_line_gone() = 0;            // it broke while idle

   protected:
    ~Owner() = default;
  };
  Line(net::Loop& loop, std::shared_ptr<const CheckConfig> config, std::shared_ptr<const Target> target, Owner& owner)
      : loop_(loop), config_(std::move(config)), target_(std::move(target)), owner_(&owner) {}
  ~Line() override;

  // Connects first where it has not. The report never comes from inside this call.
  void check(net::Network& network);
  bool used() const { return checks_ > 1; }       // the check under way is not the first
  virtual bool lasts() const = 0;                 // good for another check later
  virtual bool ready() const { return lasts(); }  // and now; outside a check
  // No more calls to the owner. Ends with a goodbye if it lives until the end of the turn.
  void let_go();

 protected:
  bool secure() const { return target_->tls != nullptr; }
  bool open() const { return phase_ == Phase::open; }
  bool checking() const { return checking_; }
  void report(Report report);   // ends the check
  void gone();                  // the connection is
  virtual void opened() = 0;    // TCP, and TLS where it is wanted
  virtual void begin() = 0;     // a check, on an open line
  virtual void farewell() = 0;  // the same line's last act, idle or in the middle of a check

  net::Loop& loop_;
  const std::shared_ptr<const CheckConfig> config_;
  const std::shared_ptr<const Target> target_;
  std::unique_ptr<net::Stream> stream_;

  // net::StreamEvents: of the handshake. Lines that read from the stream themselves go further.
  void on_open() override;
  void on_data(char*, size_t) override {}
  void on_eof() override;
  void on_drained() override {}
  void on_error(const net::StreamError& error) override;

 private:
  enum class Phase : uint8_t { fresh, tcp, tls, open, gone };
  void on_connected(std::unique_ptr<net::Stream> stream) override;
  void on_connect_failed(int error) override;

  Owner* owner_;
  std::unique_ptr<net::Connecting> connecting_;
  uint64_t checks_ = 0;
  Phase phase_ = Phase::fresh;
  bool checking_ = false;
};

std::unique_ptr<Line> tcp_line(net::Loop& loop, std::shared_ptr<const CheckConfig> config,
                               std::shared_ptr<const Target> target, Line::Owner& owner);
// HTTP and gRPC.
std::unique_ptr<Line> http_line(net::Loop& loop, std::shared_ptr<const CheckConfig> config,
                                std::shared_ptr<const Target> target, Line::Owner& owner);

std::string errno_text(int error);  // "ECONNREFUSED"

}  // namespace cardea::health
