// One request and its response, from head to finish.
#pragma once

#include <memory>
#include <string>

#include "base/list.h"
#include "cluster/cluster.h"
#include "http/websocket.h"
#include "proxy/identifier.h"
#include "proxy/leases.h"
#include "proxy/proxy.h"
#include "proxy/session.h"
#include "proxy/shares.h"
#include "proxy/tries.h"
#include "proxy/worker.h"

namespace cardea::proxy {

class HostStream;
class Tunnel;

// As IPv6, IPv4 mapped (RFC 4291 2.5.5.2). False when it is no address: unix sockets have none.
bool read_ip(Bytes text, std::array<uint8_t, 16>& out);

// Begins with a request head and ends exactly once in finish(): released by both codecs, reported to the host,
// deleted at the end of the turn. Nothing else holds it but the worker's list and a pending authorization.
class Exchange final : public net::Deferred,
                       public LivePlace,
                       public LeasePlace,
                       public KeysPlace,
                       private cluster::AttemptEvents {
 public:
  // The receiver is valid until `sender.release()`; the exchange may be over when this returns.
  static http::RequestReceiver* begin(Session& session, http::RequestPtr head, http::ResponseSender& sender);

  // A decision that came late (from Worker's tokens).
  void on_authorized(bool allow, Bytes identity);
  // The keys that it waits for have come, or will not.
  void on_keys();
  // Judges it by the worker's newest configuration; ends it when that does not let it pass. Nothing before it has
  // passed once.
  void judge_again(Again why);
  // Access ends, whoever says so: as end(), but in the way that its protocol has for that.
  void withdraw(const http::End& why, std::string by);
  // A tunnel, or a stream of gRPC or of events that has lived for a while: it does not end by itself soon.
  bool is_long_lived() const;
  // Tells the host when it is such a one, and from then on at intervals. Does nothing the second time.
  void log_stream();
  // Such a one is asked to go, in the way that its protocol has for that.
  void leave(const http::End& why);
  // What `generation` would say now, with the hook's last answer. Changes nothing: for dry runs.
  struct Judgement {
    const config::Route* route = nullptr;  // null: no route takes it
    identity::IdentityPtr identity;
    ProviderPtr provider;
    token::KeySetPtr keys;
    policy::Decision decision;
  };
  Judgement would(const GenerationPtr& generation) { return judge_by(generation, host_answer_); }
  void begin_lease();  // it has lived for a while: from now on it is judged again when its time comes
  // Whether it has passed and can be judged again.
  bool holds_lease() const { return outcome_.allowed && !finished_ && !ending_; }
  bool is_over() const { return finished_; }
  bool ending() const { return ending_; }            // both ends of a tunnel were told, and close it when they like
  uint64_t judged_in() const { return judged_in_; }  // the worker's round of judging that it was last part of
  void set_judged_in(uint64_t round) { judged_in_ = round; }
  Millis started_at() const { return started_at_; }
  Millis lease_until() const {
    return lease_until_;
  }  // when it is judged again at the latest, in Loop::now() time; 0: never by itself
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
  Bytes trace_id() const { return traceparent_.substr(3, 32); }
  Bytes host() const { return host_.host; }
  Bytes path() const { return path_.path; }  // normalised: what was matched and judged
  Bytes query() const { return path_.query; }
  Bytes client_ip() const { return client_ip_; }
  const identity::Identity* identity() const { return identity_.get(); }  // null: nobody
  const identity::Certificate* certificate() const;                       // the leaf that the client showed; null: none
  bool reauthorizes() const { return outcome_.allowed; }  // in on_authorize: it has passed before and is asked again
  // The data of the question that the host was asked last; without one, of the route's.
  Bytes policy_data() const { return asked_ ? asked_->host_data() : route_ ? route_->policy->host_data() : Bytes(); }
  uint64_t policy_generation() const { return (judged_by_ ? *judged_by_ : *generation_).snapshot->generation; }
  RouteTally* route_tally() const;  // null: no route
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
    std::string ended_by;  // who withdrew access
  };
  const Outcome& outcome() const { return outcome_; }
  const policy::Decision& decision() const { return decision_; }
  Millis now() const;         // its loop's
  const char* event() const;  // what its access record tells now: "start", "periodic", "end"
  const char* state() const;  // "pending", "connecting", "waiting", "streaming", "ending"
  const char* kind() const;   // "http", "grpc", "websocket", "upgrade", "tcp"
  // Calls fn(name of the setting, moment in Loop::now() time, config::Origin) for each clock of its own that runs.
  template <class Fn>
  void each_clock(Fn fn) const {
    using config::Origin;
    const config::Snapshot::Origins& global = snapshot().origins;
    const config::Route::Origins route = route_ ? route_->origins : config::Route::Origins{};
    // Without a timeout of the route, and when half of a tunnel is closed, a bound of our own holds.
    const bool own_timeout = route_ && route_->timeout, own_idle = route_ && route_->idle_timeout == idle_timeout_;
    const struct {
      const char* name;
      Millis at;
      Origin from;
    } all[] = {{"timeout_read", read_by_, global.timeout_read},
               {"timeout_write", write_by_, global.timeout_write},
               {"timeout", respond_by_, own_timeout ? route.timeout : Origin::built_in},
               {"authorize_timeout", authorize_by_, global.authorize_timeout},
               {"max_stream_duration", stop_at_, route.max_stream_duration},
               {"idle_timeout", idle_at_, own_idle ? route.idle_timeout : Origin::built_in},
               {"farewell", end_by_, Origin::built_in}};
    for (const auto& clock : all) {
      if (clock.at) fn(clock.name, clock.at, clock.from);
    }
    const Origin limits = route_ && !route_->shares.empty() ? Origin::route : Origin::global;
    if (shares_ && shares_->to_service.at) fn("limits_request", shares_->to_service.at, limits);
    if (shares_ && shares_->to_client.at) fn("limits_response", shares_->to_client.at, limits);
    if (!tries_) return;
    if (tries_->retry_at) fn("retry_back_off", tries_->retry_at, Origin::route);
    if (tries_->try_by) fn("per_try_timeout", tries_->try_by, Origin::route);
    if (tries_->try_idle_at) fn("per_try_idle_timeout", tries_->try_idle_at, Origin::route);
  }
  uint64_t host_token() const;  // of a request that the host answers; else 0
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
  void match_connect();
  void start();  // the host hears of it
  void start_clocks();
  void authorize();  // from here to decided(): authorization.cc
  bool identify();
  void judge();
  void ask_host(const config::Route& route);
  void authorization_failed(const char* what);
  void refuse();
  void sign_in();
  void decided();
  bool prepare_request();
  void steer();  // from here to on_ready() and on_failed(): tries.cc
  void pick();
  void on_ready(cluster::Attempt& attempt) override;
  void on_failed(cluster::Attempt& attempt, const http::End& end) override;
  int on_choose(cluster::Attempt& attempt, const std::vector<cluster::EndpointPtr>& endpoints) override;
  void serve();  // the host answers
  void forward_request(http::RequestSender& up);
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

  // What a judgement looks at.
  policy::Facts facts(const Generation& generation, const config::Route& route, const identity::Identity* who);
  const config::Route* route_in(const Generation& generation) const;
  bool revoked(http::End& end);
  Judgement judge_by(const GenerationPtr& generation, policy::Facts::Host answer);
  void renew_lease(const config::Route& route, const Generation& generation);
  void cut(const http::End& why, bool promised_first = false);
  void end_grpc(const http::End& why, Bytes status);

  // Limits: shares.cc.
  bool take_shares(std::vector<Share> RouteShares::*which) {
    return generation_->shares_of_route.empty() || take_each(generation_->shares_of_route[route_->index].*which);
  }
  bool take_each(const std::vector<Share>& shares);
  bool shapes() const { return shares_ && shares_->shapes && !ending_; }
  void shape(limit::Direction direction, Bytes bytes);
  void relay(limit::Direction direction, Bytes bytes);
  void pay_slice(limit::Direction direction);
  void release_flow(limit::Direction direction);
  void pass_flow(limit::Direction direction);
  bool pass_flows();
  void end_flow(limit::Direction direction);
  bool flow_waits(limit::Direction direction);
  void keep_trailers(limit::Direction direction, const http::Fields& fields);
  void keep_end(limit::Direction direction);
  void flush_flows();

  // Tunnels: tunnel.cc.
  void open_tunnel();
  void end_tunnel(const http::End& why);
  Bytes last_piece(http::websocket::FrameTracker& frames, Bytes bytes);
  void tell_tunnel_client();
  void tell_tunnel_service();
  void check_farewell();
  void bound_half_closed();

  void relay_to_service(Bytes bytes);
  void relay_to_client(Bytes bytes);
  void relay_request_trailers(const http::Fields& fields);
  void relay_response_trailers(const http::Fields& fields);
  void request_ended();
  void response_ended();
  void hold_request();
  // Who is paused, and why: it goes on when no reason is left.
  enum Pause : uint8_t { kNobodyTakes = 1, kBlocked = 2, kShaped = 4 };
  void pause_client(uint8_t why);
  void resume_client(uint8_t why);
  void pause_service(uint8_t why);
  void resume_service(uint8_t why);
  // What came of a try: tries.cc.
  cluster::Cluster& cluster() const;
  void upstream_failed(const http::End& end);
  bool accept_answer(const http::ResponseHead& head);
  bool may_have_been_seen(const http::End& end);
  bool may_try_again(const http::End& end);
  bool may_retry(const route::TryResult& result);
  void try_again_now();
  void try_again_later();
  void give_back_slot();
  cluster::Tally* upstream_tally() const;  // null: nothing was asked of a cluster
  void start_try_clock();
  void touch_try();
  void keep_body(Bytes bytes);
  bool has_whole_body() const;
  // Answers of our own, and what is added to every answer: answers.cc.
  void reply(const http::End& end, Bytes body = {});
  void reply_json(Bytes body);
  Bytes challenge();
  bool is_grpc() const;
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
  std::shared_ptr<HostStream> served_;  // instead of attempt_, where the route is served by the host

  // What the stages found out.
  const config::Route* route_ = nullptr;
  http::NormalPath path_;
  http::HostPort host_;
  Bytes original_target_, original_authority_, id_, traceparent_, client_ip_;
  policy::Decision decision_;
  Outcome outcome_;

  // Who asks, and what the present permission rests on.
  identity::IdentityPtr identity_;
  Credential credential_;
  ProviderPtr provider_;   // vouched for identity_
  token::KeySetPtr keys_;  // with these
  token::Fault token_fault_ = token::Fault::none;
  policy::Facts::Host host_answer_ = policy::Facts::Host::unknown;
  std::shared_ptr<const policy::Policy> asked_;  // whose question host_answer_ answers, or the host is thinking about
  bool cors_preflight_ = false;
  GenerationPtr judged_by_;                      // null: generation_
  const config::Route* judged_route_ = nullptr;  // in judged_by_; null: route_
  uint64_t judged_in_ = 0;
  Millis lease_until_ = 0;
  void* host_pointer_ = nullptr;

  std::unique_ptr<Tries> tries_;    // null: one try, anywhere
  std::unique_ptr<Shares> shares_;  // null: nothing is limited
  // Body and trailers that came before there was an upstream to take them, or that another try may need. Bounded:
  // downstream is paused, or Tries gives up.
  std::string early_body_;
  http::Fields early_trailers_;

  // Clocks: points in time of Loop::now(), 0 = off. One timer serves the earliest; idle_at_ is only written on
  // progress.
  Millis started_at_, idle_timeout_ = 0;
  Millis read_by_ = 0, write_by_ = 0, respond_by_ = 0, authorize_by_ = 0, stop_at_ = 0, idle_at_ = 0, end_by_ = 0;
  Millis log_at_ = 0;  // of its next record
  net::Timer timer_;

  uint64_t token_ = 0;
  bool request_complete_ = false;                   // the client has sent all of it
  bool request_forwarded_ = false;                  // some of the body went to an upstream: cannot be sent again
  http::RequestSender* up_ = nullptr;               // who takes the request: of attempt_, or served_; null: nobody yet
  uint8_t client_paused_ = 0, service_paused_ = 0;  // Pause bits
  bool continue_sent_ = false;
  bool response_begun_ = false;  // a final head went downstream
  bool response_complete_ = false;
  bool fresh_ = false;         // the last try got no answer: the next one takes a connection of its own
  bool event_stream_ = false;  // the answer is one (SSE)
  bool log_begun_ = false;     // log_stream() has told
  bool waited_for_keys_ = false;
  bool token_in_header_ = false;
  bool ending_ = false;        // an open tunnel has been told that it is over
  bool service_done_ = false;  // ... and the service has closed its half
  bool started_ = false;
  bool finished_ = false;
  std::unique_ptr<Tunnel> tunnel_;  // a protocol other than HTTP follows the heads
  http::End farewell_end_;          // why it is ending
};

}  // namespace cardea::proxy
