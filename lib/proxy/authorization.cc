// Stage 3 of an exchange: may it pass, and, for as long as it lives, may it go on. The other stages: exchange.cc.
#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "proxy/exchange.h"
#include "proxy/refusal.h"
#include "proxy/tunnel.h"

namespace cardea::proxy {

using http::End;
using http::EndCause;
using policy::Verdict;
using Host = policy::Facts::Host;

namespace {

constexpr Millis kLongLived = 1000;  // a stream that is older is no call that is about to be answered

const std::shared_ptr<const tls::ClientTrust>& trust_of(const config::Snapshot& snapshot, const config::Route& route) {
  return route.client_trust ? route.client_trust : snapshot.client_trust;
}

End end_of(const policy::Decision& decision, token::Fault fault) {
  switch (decision.verdict) {
    case Verdict::bad_certificate:
      return {EndCause::client_certificate};
    case Verdict::sign_in:
      return {EndCause::unauthenticated, fault == token::Fault::none ? "" : token::fault_name(fault)};
    default:
      return {EndCause::denied, decision.denied_by_rule ? "by_rule" : "by_default"};
  }
}

}  // namespace

bool read_ip(Bytes text, std::array<uint8_t, 16>& out) {
  char copy[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof copy) return false;
  memcpy(copy, text.data(), text.size());
  copy[text.size()] = 0;
  out = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return inet_pton(AF_INET, copy, &out[12]) == 1 || inet_pton(AF_INET6, copy, out.data()) == 1;
}

// ---- who asks -------------------------------------------------------------------------------------

void Exchange::authorize() {
  if (!identify()) return;
  host_answer_ = worker_.proxy().hooks().authorizes() ? Host::unknown : Host::no;
  judge();
}

// False when the answer has to wait, or when there will be none.
bool Exchange::identify() {
  const config::Snapshot& s = snapshot();
  if (!generation_->providers.empty()) {
    Caller caller = worker_.identifier().identify(generation_->providers, *head_, loop().now(), loop().unix_ms());
    if (caller.waits && !std::exchange(waited_for_keys_, true)) {
      hold_request();
      worker_.wait_for_keys(*this);
      if (s.authorize_timeout) authorize_by_ = loop().now() + s.authorize_timeout;
      arm();
      return false;
    }
    if (caller.provider && !caller.identity && !caller.provider->keys(loop().now()) &&
        !s.authorize_failure_mode_allow) {
      reply({EndCause::authorize_timeout, "keys"});
      return false;
    }
    identity_ = std::move(caller.identity);
    credential_ = caller.credential;
    provider_ = std::move(caller.provider);
    keys_ = std::move(caller.keys);
    token_fault_ = caller.fault;
    token_in_header_ = caller.in_header;
  }
  if (!identity_ && session_.shown_certificate()) identity_ = session_.certificate(trust_of(s, *route_)).identity;
  return true;
}

void Exchange::on_keys() {
  authorize_by_ = 0;
  authorize();
}

// ---- the first judgement --------------------------------------------------------------------------

void Exchange::judge() {
  End end;
  if (revoked(end)) return reply(end);
  policy::Facts f = facts(*generation_, *route_, identity_.get());
  f.host = host_answer_;
  decision_ = route_->policy->evaluate(f);
  if (decision_.verdict == Verdict::ask_host) return ask_host(*route_);
  if (decision_.verdict != Verdict::allow) return refuse();
  if (!take_shares(&RouteShares::user)) return;
  outcome_.allowed = true;
  decided();
  // The answer may have taken its time, and the configuration may have changed meanwhile.
  if (!finished_ && worker_.current_generation() != generation_) judge_again(Again::change);
}

void Exchange::ask_host(const config::Route& route) {
  // What was answered to another question counts no more.
  if (asked_ && asked_->host_data() != route.policy->host_data()) host_answer_ = Host::unknown;
  asked_ = route.policy;
  Hooks& hooks = worker_.proxy().hooks();
  if (!(token_ = worker_.tokens().open(*this))) return authorization_failed("pending_authorizations");
  const Hooks::Answer answer = hooks.on_authorize(*this, token_);
  if (finished_ || !token_) return;
  if (answer == Hooks::Answer::pending) {
    if (!outcome_.allowed) hold_request();
    const Millis allowed = snapshot().authorize_timeout;
    if (allowed) authorize_by_ = loop().now() + allowed;
    return arm();
  }
  worker_.tokens().close(token_);
  on_authorized(answer == Hooks::Answer::allow, {});
}

void Exchange::on_authorized(bool allow, Bytes said) {
  token_ = 0;
  authorize_by_ = 0;
  host_answer_ = allow ? Host::yes : Host::no;
  if (!said.empty()) {
    auto who = token::identity_from_host(said);
    if (who) {
      identity_ = std::move(*who);
      provider_ = nullptr;
    } else {
      log::write(log::error,
                 "authorization of request " + std::string(id_) + ": " + who.error().message + "; it is denied");
      host_answer_ = Host::no;
    }
  }
  if (outcome_.allowed) return judge_again(Again::change);
  judge();
}

// Nobody answers: what that means is a setting, closed by default.
void Exchange::authorization_failed(const char* what) {
  const config::Snapshot& s = *worker_.current_generation()->snapshot;
  authorize_by_ = 0;
  if (token_) worker_.tokens().close(std::exchange(token_, 0));
  const End failure = *what ? End{EndCause::overload, what} : End{EndCause::authorize_timeout};
  if (outcome_.allowed) {
    if (!s.reauthorize_failure_mode_allow) return withdraw(failure, {});
    host_answer_ = Host::yes;
    return judge_again(Again::change);
  }
  if (static_cast<KeysPlace&>(*this).linked()) {
    static_cast<KeysPlace&>(*this).unlink();
    return authorize();  // which knows that it has waited
  }
  if (!s.authorize_failure_mode_allow) return end(failure);
  host_answer_ = Host::yes;
  judge();
}

void Exchange::refuse() {
  if (path_.path == "/robots.txt" && head_->method == http::Method::get) {
    return reply({EndCause::direct_response, "robots", 200}, "User-agent: *\nDisallow: /\n");
  }
  if (decision_.verdict == Verdict::sign_in) return sign_in();
  reply(end_of(decision_, token_fault_));
}

// A person with a browser is sent to sign in; a program is told that it has to.
void Exchange::sign_in() {
  const std::string& url = snapshot().sign_in_url;
  const bool reads = head_->method == http::Method::get || head_->method == http::Method::head;
  if (url.empty() || !reads || token_in_header_ || preferred_form(*head_) != Form::html) {
    return reply(end_of(decision_, token_fault_));
  }
  const Bytes scheme = session_.is_tls() ? "https://" : "http://";
  const Bytes here = concat(head_->arena, {scheme, original_authority_, original_target_});
  redirect_to({EndCause::unauthenticated, "sign_in", 302},
              concat(head_->arena, {url, url.find('?') == std::string::npos ? "?" : "&",
                                    "redirect_uri=", percent_encoded(here, head_->arena)}));
}

// ---- what a judgement looks at --------------------------------------------------------------------

policy::Facts Exchange::facts(const Generation& generation, const config::Route& route, const identity::Identity* who) {
  policy::Facts f;
  const uint8_t needs = route.policy->depends_on();
  f.now_unix_ms = loop().unix_ms();
  // Permission that rests on a token ends with it.
  if (who && (!who->not_after_ms || f.now_unix_ms < who->not_after_ms)) f.identity = who;
  f.method = head_->method_name;
  f.path = path_.path;
  if (needs & policy::on_certificate) {
    const Session::Certificate shown = session_.certificate(trust_of(*generation.snapshot, route));
    f.certificate = shown.leaf;
    f.certificate_trusted = shown.trusted;
  }
  if (needs & policy::on_request) {
    f.source_ip_known = read_ip(client_ip_, f.source_ip);
    f.cors_preflight = cors_preflight_;
  }
  return f;
}

bool Exchange::revoked(End& end) {
  const Revocations& all = worker_.proxy().revocations();
  if (all.empty()) return false;
  const Revocations::Hit hit = all.find(identity_.get(), session_.shown_certificate(), loop().unix_ms());
  if (!hit.what) return false;
  end = {EndCause::revoked, hit.what};
  outcome_.ended_by = hit.by;
  return true;
}

// The route that a request like this one would take in `generation`; null: none.
const config::Route* Exchange::route_in(const Generation& generation) const {
  const config::Snapshot& s = *generation.snapshot;
  const bool connect = route_->tcp;
  const route::Table* table = connect ? s.connect_table.get() : s.table.get();
  if (!table) return nullptr;
  const int index = table->match(host_.host, host_.has_port ? host_.port : 0, connect ? Bytes("/") : path_.path);
  if (index < 0) return nullptr;
  return &s.routes[(connect ? s.connect_routes : s.table_routes)[size_t(index)]];
}

// ---- the judgements after it ----------------------------------------------------------------------

Exchange::Judgement Exchange::judge_by(const GenerationPtr& generation, Host answer) {
  Judgement j;
  j.identity = identity_;
  j.provider = provider_;
  j.keys = keys_;
  const config::Route* before = judged_by_ ? judged_route_ : route_;
  j.route = generation == (judged_by_ ? judged_by_ : generation_) ? before : route_in(*generation);
  if (!j.route) return j;  // nothing allows it any more
  if (provider_) {
    const auto& all = generation->providers;
    const bool vouched =
        std::find(all.begin(), all.end(), provider_) != all.end() && provider_->keys(loop().now()) == keys_;
    if (!vouched) {
      Caller caller = worker_.identifier().identify(all, credential_, loop().now(), loop().unix_ms());
      j.identity = std::move(caller.identity);
      j.provider = std::move(caller.provider);
      j.keys = std::move(caller.keys);
    }
  }
  const config::Snapshot& s = *generation->snapshot;
  const bool by_certificate = identity_ && identity_->source == identity::Source::certificate;
  if (by_certificate || (!j.identity && session_.shown_certificate())) {
    j.identity = session_.certificate(trust_of(s, *j.route)).identity;
  }
  policy::Facts f = facts(*generation, *j.route, j.identity.get());
  const bool same_question = asked_ && asked_->host_data() == j.route->policy->host_data();
  f.host = !worker_.proxy().hooks().authorizes() ? Host::no : same_question ? answer : Host::unknown;
  j.decision = j.route->policy->evaluate(f);
  return j;
}

void Exchange::judge_again(Again why) {
  if (!holds_lease()) return;
  add(worker_.counters().judgements_total);
  const GenerationPtr newest = worker_.current_generation();
  Judgement j = judge_by(newest, why == Again::host ? Host::unknown : host_answer_);
  if (j.decision.verdict == Verdict::ask_host) {
    if (End end; revoked(end)) return withdraw(end, outcome_.ended_by);  // whatever the host is going to say
    renew_lease(*j.route, *newest);                                      // in any case
    if (!token_) ask_host(*j.route);
    return;
  }
  identity_ = std::move(j.identity);
  provider_ = std::move(j.provider);
  keys_ = std::move(j.keys);
  decision_ = j.decision;
  judged_by_ = newest == generation_ ? nullptr : newest;
  judged_route_ = j.route;
  End end;
  if (revoked(end)) return withdraw(end, outcome_.ended_by);
  if (!j.route) return withdraw({EndCause::denied, "no_route"}, {});
  if (j.decision.verdict != Verdict::allow) {
    const bool expired = identity_ && identity_->not_after_ms && loop().unix_ms() >= identity_->not_after_ms;
    return withdraw(end_of(decision_, expired ? token::Fault::expired : token_fault_), {});
  }
  renew_lease(*j.route, *newest);
}

// The next moment at which the answer may be another without anybody saying so.
void Exchange::renew_lease(const config::Route& route, const Generation& generation) {
  const uint8_t needs = route.policy->depends_on();
  const int64_t now = loop().unix_ms();
  int64_t next = 0;
  auto consider = [&](int64_t at) {
    if (at && (!next || at < next)) next = at;
  };
  if (needs && generation.snapshot->reauthorize_interval) {
    consider(now + int64_t(generation.snapshot->reauthorize_interval));
  }
  if (needs & policy::on_identity && identity_) {
    consider(identity_->not_after_ms);
    if (identity_->source == identity::Source::certificate) {
      consider(session_.certificate(trust_of(*generation.snapshot, route)).next_change_ms);
    }
  }
  if (needs & policy::on_certificate) {
    consider(session_.certificate(trust_of(*generation.snapshot, route)).next_change_ms);
  }
  if (needs & policy::on_time) consider(route.policy->next_change_ms(now));
  lease_until_ = next ? loop().now() + Millis(std::max<int64_t>(next - now, 0)) : 0;
  worker_.leases().renew(*this, lease_until_);
}

void Exchange::begin_lease() {
  if (holds_lease()) renew_lease(judged_by_ ? *judged_route_ : *route_, judged_by_ ? *judged_by_ : *generation_);
}

const identity::Certificate* Exchange::certificate() const {
  return session_.shown_certificate();
}

// ---- the end of permission ------------------------------------------------------------------------

void Exchange::withdraw(const End& why, std::string by) {
  if (finished_ || ending_) return;
  add(worker_.counters().permissions_withdrawn_total);
  outcome_.ended_by = std::move(by);
  if (!response_begun_) return reply(why);
  if (tunnel_ || !is_grpc() || response_complete_) return cut(why, true);
  end_grpc(why, "7");
}

// A gRPC client reads its status from the trailers, which end the stream in order.
void Exchange::end_grpc(const End& why, Bytes status) {
  flush_flows();
  http::Fields trailers;
  trailers.add(http::FieldId::grpc_status, status);
  trailers.add("grpc-message", http::row(why.cause).word);
  outcome_.truncated = true;
  down_.send_end(&trailers);
  response_complete_ = true;
  finish(why);
}

bool Exchange::is_long_lived() const {
  if (finished_ || !response_begun_ || response_complete_) return false;
  if (tunnel_) return tunnel_->is_open();
  return loop().now() - started_at_ >= kLongLived && (event_stream_ || is_grpc());
}

void Exchange::leave(const End& why) {
  if (finished_ || ending_ || !response_begun_) return;
  if (!tunnel_ && is_grpc() && !response_complete_) return end_grpc(why, "14");
  cut(why, true);
}

}  // namespace cardea::proxy
