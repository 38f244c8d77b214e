// One client of the admin interface. Inside this folder only.
#pragma once

#include <optional>

#include "admin/admin.h"

namespace cardea::admin {

// Deletes itself through the loop when its wire has closed. May outlive the server, which then has abandoned it.
class Client final : public net::Deferred,
                     public Link,
                     public wire::Wire::Owner,
                     public http::ServerHost,
                     public http::RequestReceiver {
 public:
  Client(Server& server, std::unique_ptr<net::Stream> stream);
  ~Client() override;
  void abandon();  // the server goes: nothing of it is used any more

 private:
  // wire::Wire::Owner
  void on_received() override;
  void on_closed(const http::End& end) override;
  // http::ServerHost
  void request_flush() override { wire_->request_flush(); }
  void reading_changed() override { wire_->reading_changed(); }
  void request_close(const http::End& end) override { wire_->request_close(end); }
  http::RequestReceiver* on_request(http::RequestPtr head, http::ResponseSender& sender) override;
  void on_bad_request(const http::End& end, http::ResponseSender& sender) override;
  void on_idle() override {}
  // http::RequestReceiver
  void on_body(Bytes bytes) override;
  void on_trailers(const http::Fields&) override {}
  void on_end() override;
  void on_reset(const http::End& end) override;
  void on_blocked() override {}
  void on_unblocked() override {}

  Reply check() const;
  void dispatch();
  void answer(Reply reply, bool close = false);
  void arm();
  void on_clock();

  Server* server_;
  net::Loop& loop_;
  net::Timer clock_;
  http::RequestPtr head_;
  std::string body_;
  http::ResponseSender* sender_ = nullptr;  // non-null while a request waits for its answer
  uint64_t serial_ = 0;                     // of the request: late answers to others find another number
  Millis since_ = 0;                        // of the clock: head or idleness
  http::ServerCodec* codec_ = nullptr;
  bool complete_ = false;
  std::shared_ptr<Client*> self_;  // what answers hold; null inside once it is gone
  std::optional<wire::Wire> wire_;
};

}  // namespace cardea::admin
