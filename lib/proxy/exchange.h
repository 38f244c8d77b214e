// One request and its response, from head to finish.
#pragma once

#include <memory>
#include <string>

#include "base/list.h"
#include "cluster/cluster.h"
#include "proxy/proxy.h"
#include "proxy/session.h"
#include "proxy/worker.h"

namespace cardea::proxy {

// Begins with a request head and ends exactly once in finish(): released by both codecs, reported to the host,
// deleted at the end of the turn. Nothing else holds it but the worker's list and a pending authorization.
class Exchange final : public net::Deferred, public Link, private cluster::AttemptEvents {
 public:
  // The receiver is valid until `sender.release()`; the exchange may be over when this returns.
  static http::RequestReceiver* begin(Session& session, http::RequestPtr head, http::ResponseSender& sender);

  // A decision that came late (from Worker's tokens).
  void on_authorized(bool allow, Bytes identity);
  // Ends it now: answers when nothing was sent yet, else cuts so that the client can tell.
  void end(const http::End& why);

  // For hooks, the access record and listings. Views last as long as the exchange.
  const http::RequestHead& head() const { return *head_; }
  Session& session() { return session_; }
  const Session& session() const { return session_; }
  const config::Snapshot& snapshot() const { return *generation_->snapshot; }
  const config::Route* route() const { return route_; }  // null: none matched
  int64_t began_unix_ms() const;                         // wall clock
  Bytes id() const { return id_; }                       // X-Request-Id
  Bytes host() const { return host_.host; }
  Bytes path() const { return path_.path; }  // normalised: what was matched and judged
  Bytes query() const { return path_.query; }
  Bytes client_ip() const { return client_ip_; }
  Bytes identity() const { return identity_; }
  const cluster::Endpoint* endpoint() const { return attempt_.endpoint().get(); }
  // How it ended and what it took; meaningful in on_request_end.
  struct Outcome {
    http::End end;
    bool truncated = false;  // cut after the head was sent
    bool allowed = false;    // the policy let it pass
    uint16_t status = 0;     // 0: the client got no head
    unsigned attempts = 0;
    uint64_t bytes_in = 0, bytes_out = 0;
    Millis duration = 0, connect = 0, first_byte = 0;
    http::Protocol upstream_protocol = http::Protocol::http11;
  };
  const Outcome& outcome() const { return outcome_; }
  const policy::Decision& decision() const { return decision_; }
  void* host_pointer() const { return host_pointer_; }
  void set_host_pointer(void* p) { host_pointer_ = p; }

  // Exchanges come and go with every request: their memory stays with the thread.
  static void* operator new(size_t size);
  static void operator delete(void* p);

 private:
  Exchange(Session& session, http::RequestPtr head, http::ResponseSender& sender);
  ~Exchange() override = default;

  // The stages, in the order in which they run.
  void on_head();
  void match();
  void authorize();
  void decided();
  bool prepare_request();
  void pick();
  void on_ready(cluster::Attempt& attempt) override;
  void on_failed(cluster::Attempt& attempt, const http::End& end) override;
  void send_request_head();
  void forward_response_head(http::ResponsePtr head);
  void finish(const http::End& end);

  // The request's body, from downstream to upstream.
  struct FromDownstream final : http::RequestReceiver {
    explicit FromDownstream(Exchange& x) : x(x) {}
    void on_body(Bytes bytes) override;
    void on_trailers(const http::Fields& fields) override;
    void on_end() override;
    void on_reset(const http::End& end) override;
    void on_blocked() override;
    void on_unblocked() override;
    Exchange& x;
  };
  // The response, from upstream to downstream.
  struct FromUpstream final : http::ResponseReceiver {
    explicit FromUpstream(Exchange& x) : x(x) {}
    void on_informational(http::ResponsePtr head) override;
    void on_head(http::ResponsePtr head) override;
    void on_body(Bytes bytes) override;
    void on_trailers(const http::Fields& fields) override;
    void on_end() override;
    void on_reset(const http::End& end) override;
    void on_blocked() override;
    void on_unblocked() override;
    Exchange& x;
  };

  void request_ended();
  void response_ended();
  void upstream_failed(const http::End& end);
  bool may_try_again(const http::End& end);
  void hold_request();
  // Answers of our own, and what is added to every answer: answers.cc.
  void reply(const http::End& end, Bytes body = {});
  void redirect_to(const http::End& end, Bytes location);
  void send_answer(const http::End& end, http::ResponsePtr head, Bytes body);
  void add_response_fields(http::ResponseHead& head);
  void arm();
  void on_clock();
  void touch() { idle_at_ = idle_timeout_ ? loop().now() + idle_timeout_ : 0; }
  net::Loop& loop() const;

  Session& session_;
  Worker& worker_;
  GenerationPtr generation_;
  http::RequestPtr head_;
  http::ResponseSender& down_;
  FromDownstream from_downstream_{*this};
  FromUpstream from_upstream_{*this};
  cluster::Attempt attempt_{*this, from_upstream_};

  // What the stages found out.
  const config::Route* route_ = nullptr;
  http::NormalPath path_;
  http::HostPort host_;
  Bytes original_target_, original_authority_, id_, client_ip_, identity_;
  policy::Decision decision_;
  Outcome outcome_;
  void* host_pointer_ = nullptr;

  // Body and trailers that came before there was an upstream to take them. Bounded: downstream is paused.
  std::string early_body_;
  http::Fields early_trailers_;

  // Clocks: points in time of Loop::now(), 0 = off. One timer serves the earliest; idle_at_ is only written on
  // progress.
  Millis started_at_, idle_timeout_ = 0;
  Millis read_by_ = 0, write_by_ = 0, respond_by_ = 0, authorize_by_ = 0, stop_at_ = 0, idle_at_ = 0;
  net::Timer timer_;

  uint64_t token_ = 0;
  bool request_complete_ = false;   // the client has sent all of it
  bool request_forwarded_ = false;  // some of the body went to an upstream: cannot be sent again
  bool ready_ = false;              // attempt_ has a sender
  bool held_ = false;               // downstream is paused because nobody can take the body yet
  bool continue_sent_ = false;
  bool response_begun_ = false;  // a final head went downstream
  bool response_complete_ = false;
  bool finished_ = false;
};

}  // namespace cardea::proxy
