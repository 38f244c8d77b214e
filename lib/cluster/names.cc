// Asking for names, again and again: refresh, failure, what their answers mean.
#include "cluster/names.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"

namespace cardea::cluster {

namespace {

constexpr Millis kMinTtl = 1000;
constexpr Millis kMaxTtl = 24 * 3600 * 1000;
constexpr Millis kMinFailureRefresh = 100;
// c-ares ends by itself; this only keeps a resolver that never answers from ending the refreshes for good.
constexpr Millis kAnswerDeadline = 60'000;
constexpr size_t kMaxQuestions = 64;  // of one Discovery at one time: a start with many names is no burst

// c-ares' status numbers as the log's words.
const char* answer_name(int status) {
  switch (status) {
    case 1:
      return "no_address";
    case 3:
      return "servfail";
    case 4:
      return "nxdomain";
    case 5:
      return "not_implemented";
    case 6:
      return "refused";
    case 8:
      return "bad_name";
    case 10:
      return "bad_answer";
    case 11:
      return "no_server";
    case 12:
      return "timeout";
    case 15:
      return "out_of_memory";
    default:
      return "failed";
  }
}

size_t max_found(const ClusterConfig& config) {
  return std::max<size_t>(config.dns.max_addresses, 1);
}

bool lower_address(const net::Address& a, const net::Address& b) {
  if (a.family() == AF_INET6) {
    const auto &x = reinterpret_cast<const sockaddr_in6*>(a.sa())->sin6_addr,
               &y = reinterpret_cast<const sockaddr_in6*>(b.sa())->sin6_addr;
    return memcmp(&x, &y, sizeof x) < 0;
  }
  const auto &x = reinterpret_cast<const sockaddr_in*>(a.sa())->sin_addr,
             &y = reinterpret_cast<const sockaddr_in*>(b.sa())->sin_addr;
  return memcmp(&x, &y, sizeof x) < 0;
}

// Takes it out where it is there.
bool take(std::vector<net::Address>& from, const net::Address& address) {
  const auto at = std::find(from.begin(), from.end(), address);
  if (at == from.end()) return false;
  from.erase(at);
  return true;
}

}  // namespace

// ---- Asking

net::Resolver* Asking::resolver() {
  if (resolver_) return resolver_.get();
  auto made = network_.resolver(config->dns);
  if (made) {
    resolver_ = std::move(*made);
  } else if (!complained_) {
    complained_ = true;
    log::write(log::error, "cluster " + config->name + ": no resolver: " + made.error().message);
  }
  return resolver_.get();
}

void Asking::enter(Question& question) {
  if (under_way_ == kMaxQuestions) return waiting_.push_back(question);
  ++under_way_;
  question.begin();
}

void Asking::leave() {
  --under_way_;
  Question* next = closed_ ? nullptr : waiting_.front();
  if (next == nullptr) return;
  next->unlink();
  ++under_way_;
  next->begin();
}

// ---- Question

void Question::ask() {
  if (!resolving_ && !linked()) asking_.enter(*this);
}

void Question::stop() {
  timer_.stop();
  unlink();
  end();
}

void Question::begin() {
  net::Resolver* resolver = asking_.resolver();
  if (resolver == nullptr) {
    failed("no_resolver");
    return asking_.leave();
  }
  timer_.start(kAnswerDeadline);
  resolving_ = put(*resolver);
}

void Question::end() {
  if (!resolving_) return;
  resolving_.reset();
  asking_.leave();
}

void Question::on_timer() {
  if (!resolving_) return ask();
  failed("timeout");
  on_silence();
}

void Question::answered(Millis ttl) {
  end();
  tried_ = true;
  failure_ = nullptr;
  const Millis fixed = asking_.config->dns_refresh;
  timer_.start(fixed > 0 ? std::max(fixed, kMinTtl) : std::clamp(ttl, kMinTtl, kMaxTtl));
}

void Question::failed(int status) {
  failed(answer_name(status));
}

void Question::failed(const char* why) {
  end();
  tried_ = true;
  failure_ = why;
  timer_.start(std::max(asking_.config->dns_failure_refresh, kMinFailureRefresh));
}

// ---- Name

void Name::on_resolved(net::Resolved result) {
  if (result.addresses.empty()) {
    failed("no_address");
    return events_.on_name();
  }
  answered(result.ttl);
  std::vector<Host> now;
  if (asking_.config->dns_family == net::Family::all) {
    now = pair_families(result.addresses, hosts_);
  } else {
    for (const net::Address& a : result.addresses) {
      const bool known = std::any_of(now.begin(), now.end(), [&](const Host& h) { return h[0] == a; });
      if (!known) now.push_back({a});
      if (now.size() == max_found(*asking_.config)) break;
    }
  }
  if (now.size() > max_found(*asking_.config)) now.resize(max_found(*asking_.config));
  hosts_ = std::move(now);
  events_.on_name();
}

void Name::on_resolve_failed(int status, const char*) {
  failed(status);
  events_.on_name();
}

std::vector<Host> pair_families(const std::vector<net::Address>& addresses, const std::vector<Host>& before) {
  std::vector<net::Address> v6, v4;
  for (const net::Address& a : addresses) {
    auto& of_family = a.family() == AF_INET6 ? v6 : v4;
    if (std::find(of_family.begin(), of_family.end(), a) == of_family.end()) of_family.push_back(a);
  }
  std::vector<Host> out;
  for (const Host& host : before) {
    if (host.size() != 2 || std::find(v4.begin(), v4.end(), host[1]) == v4.end()) continue;
    if (!take(v6, host[0])) continue;
    take(v4, host[1]);
    out.push_back(host);
  }
  std::sort(v6.begin(), v6.end(), lower_address);
  std::sort(v4.begin(), v4.end(), lower_address);
  for (size_t i = 0; i < std::max(v6.size(), v4.size()); ++i) {
    Host& host = out.emplace_back();
    if (i < v6.size()) host.push_back(v6[i]);
    if (i < v4.size()) host.push_back(v4[i]);
  }
  return out;
}

// ---- SrvName

void SrvName::on_srv(net::ResolvedSrv result) {
  answered(result.ttl);
  std::vector<net::SrvRecord>& records = result.records;
  records.erase(std::remove_if(records.begin(), records.end(), [](auto& r) { return r.target == "."; }), records.end());
  if (records.size() > max_found(*asking_.config)) records.resize(max_found(*asking_.config));
  absent_ = records.empty();
  records_ = std::move(records);
  std::map<std::string, std::unique_ptr<Name>> targets;
  std::vector<Name*> fresh;
  for (const net::SrvRecord& r : records_) {
    std::unique_ptr<Name>& target = targets[r.target];
    if (target) continue;
    const auto known = targets_.find(r.target);
    if (known != targets_.end()) {
      target = std::move(known->second);
    } else {
      target = std::make_unique<Name>(asking_, r.target, *this);
      fresh.push_back(target.get());
    }
  }
  targets_.swap(targets);
  targets.clear();
  for (Name* name : fresh) name->ask();
  settle();
  events_.on_name();
}

void SrvName::on_resolve_failed(int status, const char*) {
  failed(status);
  events_.on_name();
}

void SrvName::on_name() {
  settle();
  events_.on_name();
}

void SrvName::settle() {
  if (absent_) {
    found_.clear();
    known_ = true;
    return;
  }
  std::vector<Found> now;
  bool tried = true;
  for (const net::SrvRecord& r : records_) {
    const Name& name = *targets_.at(r.target);
    tried = tried && name.tried();
    for (Host host : name.hosts()) {
      if (now.size() == max_found(*asking_.config)) break;
      for (net::Address& a : host) a.set_port(r.port);
      now.push_back({std::move(host), std::max<uint32_t>(r.weight, 1), r.priority});
    }
  }
  if (now.empty() || (!tried && (patient_ || !found_.empty()))) return;
  found_ = std::move(now);
  known_ = true;
}

const char* SrvName::reason() const {
  if (failure() != nullptr) return failure();
  if (absent_) return "no_service";
  for (const auto& [name, target] : targets_) {
    if (target->failure() != nullptr) return target->failure();
  }
  return nullptr;
}

void SrvName::ask_all() {
  ask();
  for (const auto& [name, target] : targets_) target->ask();
}

void SrvName::stop_all() {
  stop();
  for (const auto& [name, target] : targets_) target->stop();
}

}  // namespace cardea::cluster
