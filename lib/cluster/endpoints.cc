// Which endpoints a cluster has: addresses, name resolution, refresh.
#include "cluster/endpoints.h"

#include <algorithm>

namespace cardea::cluster {

namespace {

constexpr Millis kMinTtl = 1000;
constexpr Millis kMaxTtl = 24 * 3600 * 1000;
constexpr Millis kMinFailureRefresh = 100;
// c-ares ends by itself; this only keeps a resolver that never answers from ending the refreshes for good.
constexpr Millis kAnswerDeadline = 60'000;

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

}  // namespace

// One name: its refreshes and what it stands for now.
class Membership::Name final : public net::ResolveEvents {
 public:
  Name(Membership& owner, const EndpointConfig& config)
      : owner_(owner), config_(config), timer_(owner.loop_, [this] { on_timer(); }) {}

  void ask() {
    if (!owner_.resolver_) {
      failed("no_resolver");
      return;
    }
    timer_.start(kAnswerDeadline);
    answered_ = false;
    auto question = owner_.resolver_->resolve(config_.host, owner_.config_->dns_family, *this);
    if (answered_) {
      owner_.loop_.defer_delete(std::move(question));
    } else {
      resolving_ = std::move(question);
    }
  }

  const std::vector<EndpointPtr>& endpoints() const { return endpoints_; }
  bool resolving() const { return resolving_ != nullptr; }
  const char* failure() const { return failure_; }

 private:
  void on_timer() {
    if (!resolving_) return ask();
    drop_question();
    failed("timeout");
    owner_.events_.on_resolution();
  }

  void on_resolved(net::Resolved result) override {
    drop_question();
    if (result.addresses.empty()) {
      failed("no_address");
    } else {
      failure_ = nullptr;
      Millis fixed = owner_.config_->dns_refresh;
      timer_.start(fixed > 0 ? std::max(fixed, kMinTtl) : std::clamp(result.ttl, kMinTtl, kMaxTtl));
      size_t max = std::max<size_t>(owner_.config_->dns.max_addresses, 1);
      if (result.addresses.size() > max) result.addresses.resize(max);
      owner_.replace(endpoints_, config_, result.addresses);
    }
    owner_.events_.on_resolution();
  }

  void on_resolve_failed(int status, const char*) override {
    drop_question();
    failed(answer_name(status));
    owner_.events_.on_resolution();
  }

  void failed(const char* why) {
    failure_ = why;
    timer_.start(std::max(owner_.config_->dns_failure_refresh, kMinFailureRefresh));
  }

  // The resolver may still be below us on the stack.
  void drop_question() {
    answered_ = true;
    if (resolving_) owner_.loop_.defer_delete(std::move(resolving_));
  }

  Membership& owner_;
  const EndpointConfig& config_;
  std::vector<EndpointPtr> endpoints_;
  std::unique_ptr<net::Resolving> resolving_;
  net::Timer timer_;  // next refresh, or the deadline of the question
  const char* failure_ = nullptr;
  bool answered_ = false;
};

Membership::Membership(net::Loop& loop, net::Network& network, std::shared_ptr<const ClusterConfig> config,
                       MembershipEvents& events)
    : loop_(loop), network_(network), config_(std::move(config)), events_(events) {}

Membership::~Membership() = default;

void Membership::start() {
  for (const EndpointConfig& e : config_->endpoints) {
    auto address = e.unix_socket ? net::Address::parse("unix:" + e.host) : net::Address::ip(e.host, e.port);
    if (address) {
      fixed_.push_back(make(e, *address));
    } else if (!e.unix_socket) {
      names_.push_back(std::make_unique<Name>(*this, e));
    }
  }
  rebuild();
  if (!fixed_.empty()) events_.on_members(fixed_, {});
  if (names_.empty()) return;
  auto resolver = network_.resolver(config_->dns);
  if (resolver) resolver_ = std::move(*resolver);
  for (auto& name : names_) name->ask();
}

bool Membership::resolving() const {
  return std::any_of(names_.begin(), names_.end(), [](const auto& n) { return n->resolving(); });
}

http::End Membership::failure() const {
  for (const auto& name : names_) {
    if (name->failure()) return {http::EndCause::dns_failed, name->failure()};
  }
  return {http::EndCause::no_upstream, "no_endpoint"};
}

EndpointPtr Membership::make(const EndpointConfig& config, const net::Address& address) const {
  auto endpoint = std::make_shared<Endpoint>();
  endpoint->config = &config;
  endpoint->address = address;
  endpoint->text = address.text();
  endpoint->weight = config.weight;
  endpoint->cluster = config_;
  return endpoint;
}

void Membership::replace(std::vector<EndpointPtr>& of_name, const EndpointConfig& config,
                         const std::vector<net::Address>& addresses) {
  std::vector<net::Address> wanted;
  for (net::Address a : addresses) {
    a.set_port(config.port);
    if (std::find(wanted.begin(), wanted.end(), a) == wanted.end()) wanted.push_back(a);
  }
  std::vector<EndpointPtr> kept, added, removed;
  for (EndpointPtr& e : of_name) {
    auto at = std::find(wanted.begin(), wanted.end(), e->address);
    if (at == wanted.end()) {
      e->removed = true;
      removed.push_back(std::move(e));
    } else {
      wanted.erase(at);
      kept.push_back(std::move(e));
    }
  }
  for (const net::Address& a : wanted) {
    added.push_back(make(config, a));
    kept.push_back(added.back());
  }
  of_name = std::move(kept);
  if (added.empty() && removed.empty()) return;
  rebuild();
  events_.on_members(added, removed);
}

void Membership::rebuild() {
  endpoints_ = fixed_;
  for (const auto& name : names_) {
    endpoints_.insert(endpoints_.end(), name->endpoints().begin(), name->endpoints().end());
  }
}

}  // namespace cardea::cluster
