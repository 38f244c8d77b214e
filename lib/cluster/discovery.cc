// LiveDiscovery: the sources of a cluster's endpoints, and the one list that comes of them.
#include "cluster/discovery.h"

#include <algorithm>
#include <unordered_map>

#include "base/log.h"
#include "cluster/endpoints_file.h"
#include "cluster/names.h"

namespace cardea::cluster {

namespace {

using Seeds = std::unordered_multimap<std::string, Member>;

// Which EndpointConfigs are one place: all but weight and priority.
std::string place_of(const EndpointConfig& e) {
  std::string key(1, static_cast<char>('0' + static_cast<int>(e.scheme)));
  key += e.unix_socket ? 'u' : e.srv ? 's' : 'h';
  return key + std::to_string(e.port) + ' ' + e.authority + ' ' + e.host;
}

// The place that an endpoint may have come from; SRV records bring ports, and hide the name that has them.
std::string origin_of(const EndpointConfig& e) {
  if (!e.srv) return place_of(e);
  EndpointConfig domain = e;
  domain.host = e.authority;
  domain.port = 0;
  return place_of(domain);
}

uint64_t next_id() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

// One EndpointConfig of the present list, and the endpoints that it stands for.
class Entry final : public NameEvents {
 public:
  class Events {
   public:
    virtual void on_entry(bool changed) = 0;  // a question has ended; may delete the entry

   protected:
    ~Events() = default;
  };
  Entry(Asking& asking, EndpointConfig config, bool own, Events& events)
      : own(own), config_(std::move(config)), events_(events) {
    if (config_.srv) {
      srv_ = std::make_unique<SrvName>(asking, config_.host, *this);
      return;
    }
    auto address = config_.unix_socket ? net::Address::parse("unix:" + config_.host)
                                       : net::Address::ip(config_.host, config_.port);
    if (address) {
      fixed_ = *address;
    } else if (!config_.unix_socket) {
      name_ = std::make_unique<Name>(asking, config_.host, *this);
    }
  }
  bool own;  // of the configuration or its file, not of the host

  const EndpointConfig& config() const { return config_; }
  const std::vector<Member>& members() const { return members_; }
  const char* failure() const { return name_ ? name_->failure() : srv_ ? srv_->reason() : nullptr; }

  // Goes on, or begins, with what is known.
  void start() {
    rebuild();
    if (name_) name_->ask();
    if (srv_) srv_->ask_all();
  }
  // Forgets its endpoints and asks no more; keeps the answers for the next start().
  void park() {
    members_.clear();
    if (name_) name_->stop();
    if (srv_) srv_->stop_all();
  }
  void set_share(uint32_t weight, uint32_t priority) {
    if (config_.weight == weight && config_.priority == priority) return;
    config_.weight = weight;
    config_.priority = priority;
    rebuild();
  }
  // Endpoints of a predecessor: used until the first answer says which of them stay.
  void take_seeds(Seeds& seeds) {
    const auto [begin, end] = seeds.equal_range(origin_of(config_));
    for (auto seed = begin; seed != end;) {
      Member& member = seed->second;
      const Host& addresses = member.state->addresses;
      const bool elsewhere = fixed_ && addresses != Host{*fixed_};
      // A second entry of the same place has endpoints of its own.
      if (elsewhere || find(members_, addresses) != nullptr) {
        ++seed;
        continue;
      }
      if (!srv_) member.weight = config_.weight, member.priority = config_.priority;
      members_.push_back(std::move(member));
      seed = seeds.erase(seed);
    }
    if (srv_ && !members_.empty()) srv_->be_patient();
  }

 private:
  void on_name() override { events_.on_entry(rebuild()); }
  static const Member* find(const std::vector<Member>& members, const Host& addresses) {
    const auto at =
        std::find_if(members.begin(), members.end(), [&](auto& m) { return m.state->addresses == addresses; });
    return at == members.end() ? nullptr : &*at;
  }
  std::optional<std::vector<Found>> found() const;
  bool rebuild();
  EndpointStatePtr state_at(const Host& addresses) const;

  EndpointConfig config_;
  Events& events_;
  std::optional<net::Address> fixed_;
  std::unique_ptr<Name> name_;
  std::unique_ptr<SrvName> srv_;
  std::vector<Member> members_;
};

// Null: no answer yet.
std::optional<std::vector<Found>> Entry::found() const {
  if (srv_) return srv_->known() ? std::optional(srv_->found()) : std::nullopt;
  if (name_ && !name_->known()) return std::nullopt;
  std::vector<Found> out;
  if (fixed_) out.push_back({{*fixed_}, config_.weight, config_.priority});
  if (!name_) return out;
  for (Host host : name_->hosts()) {
    for (net::Address& a : host) a.set_port(config_.port);
    out.push_back({std::move(host), config_.weight, config_.priority});
  }
  return out;
}

EndpointStatePtr Entry::state_at(const Host& addresses) const {
  if (const Member* known = find(members_, addresses)) return known->state;
  EndpointConfig config = config_;
  if (srv_) {
    // RFC 6125 6.2.1: the service is the domain that was asked for; a target only says where it is.
    config.host = config_.authority;
    config.port = addresses[0].port();
  }
  return std::make_shared<EndpointState>(next_id(), std::move(config), addresses);
}

bool Entry::rebuild() {
  auto now = found();
  if (!now) return false;
  std::vector<Member> members;
  members.reserve(now->size());
  for (const Found& found : *now) {
    if (find(members, found.addresses) != nullptr) continue;
    members.push_back({state_at(found.addresses), found.weight, found.priority});
  }
  if (members == members_) return false;
  members_ = std::move(members);
  return true;
}

class LiveDiscovery final : public Discovery, public Entry::Events {
 public:
  LiveDiscovery(net::Loop& loop, net::Network& network, std::shared_ptr<const ClusterConfig> config,
                DiscoveryEvents& events, RosterPtr last)
      : loop_(loop),
        config_(config),
        events_(&events),
        asking_(loop, network, std::move(config)),
        roster_(last ? std::move(last) : std::make_shared<const Roster>()),
        later_(loop, [this] { publish(); }) {}
  ~LiveDiscovery() override { asking_.close(); }

  void start() override;
  void stop() override { events_ = nullptr; }
  bool resolving() const override { return asking_.busy() || later_.active(); }
  http::End failure() const override;
  void set_endpoints(std::optional<std::vector<EndpointConfig>> endpoints) override;

 private:
  void on_entry(bool changed) override;
  void on_file(std::vector<EndpointConfig> list);
  std::vector<EndpointConfig> usable(std::vector<EndpointConfig> endpoints) const;
  void arrange();
  std::vector<Member> wanted();
  void publish();
  void tell(bool roster);

  net::Loop& loop_;
  const std::shared_ptr<const ClusterConfig> config_;
  DiscoveryEvents* events_;  // null: stopped
  Asking asking_;
  std::optional<std::vector<EndpointConfig>> host_;       // its list, instead of:
  std::optional<std::vector<EndpointConfig>> file_list_;  // the last valid one
  std::vector<std::unique_ptr<Entry>> entries_, parked_;  // parked: own ones while the host's list goes
  Seeds seeds_;                                           // of the predecessor; what no entry took may be the file's
  std::unique_ptr<EndpointsFile> file_;
  RosterPtr roster_;  // as told, or the predecessor's
  net::Timer later_;  // until the next list may be told
  Millis quiet_until_ = 0;
  bool started_ = false, told_ = false, news_ = false, crowded_ = false;
};

void LiveDiscovery::start() {
  started_ = true;
  for (const Member& member : *roster_) seeds_.emplace(origin_of(member.state->config), member);
  if (!config_->endpoints_file.empty()) {
    file_ = std::make_unique<EndpointsFile>(loop_, config_, [this](auto list) { on_file(std::move(list)); });
    file_->start();
  }
  if (!file_list_) arrange();
  publish();
}

http::End LiveDiscovery::failure() const {
  for (const auto& entry : entries_) {
    if (entry->failure() != nullptr) return {http::EndCause::dns_failed, entry->failure()};
  }
  const bool file = file_ && file_->failed() && !host_;
  return {http::EndCause::no_upstream, file ? "endpoints_file" : "no_endpoint"};
}

void LiveDiscovery::set_endpoints(std::optional<std::vector<EndpointConfig>> endpoints) {
  host_ = endpoints ? std::optional(usable(std::move(*endpoints))) : std::nullopt;
  if (!started_) return;
  arrange();
  publish();
}

// What the host may have got wrong is left out, so that the rest serves.
std::vector<EndpointConfig> LiveDiscovery::usable(std::vector<EndpointConfig> endpoints) const {
  Admission admission(*config_);
  std::vector<EndpointConfig> out;
  size_t refused = 0;
  std::string first;
  for (EndpointConfig& e : endpoints) {
    const char* why = out.size() == kMaxEndpoints ? "is one too many" : nullptr;
    const bool literal = !e.unix_socket && net::Address::ip(e.host, 0);
    if (e.unix_socket ? !net::Address::parse("unix:" + e.host) : !literal && !http::is_host(e.host)) {
      why = "has no valid host";
    } else if (!e.unix_socket && (e.srv ? e.port != 0 || literal : e.port == 0)) {
      why = "has no valid port";
    }
    if (why == nullptr) why = admission.refuse(e);
    if (why == nullptr) {
      if (e.authority.empty()) e.authority = e.host;
      out.push_back(std::move(e));
    } else if (++refused == 1) {
      first = e.host + " " + why;
    }
  }
  if (refused != 0) {
    log::write(log::error, "cluster " + config_->name + ": " + std::to_string(refused) +
                               " endpoints of the host are left out: " + first);
  }
  return out;
}

void LiveDiscovery::on_file(std::vector<EndpointConfig> list) {
  const bool first = !file_list_;
  file_list_ = std::move(list);
  if (host_ && !first) return;
  arrange();
  publish();
}

// Makes the entries what the sources say now. Those that stay keep their answers and endpoints.
void LiveDiscovery::arrange() {
  news_ = true;
  std::unordered_multimap<std::string, std::unique_ptr<Entry>> active, parked;
  for (auto& entry : entries_) active.emplace(place_of(entry->config()), std::move(entry));
  for (auto& entry : parked_) parked.emplace(place_of(entry->config()), std::move(entry));
  entries_.clear();
  parked_.clear();
  std::vector<Entry*> begin;
  auto add = [&](const EndpointConfig& config) {
    for (auto* from : {&active, &parked}) {
      auto known = from->find(place_of(config));
      if (known == from->end()) continue;
      Entry& entry = *entries_.emplace_back(std::move(known->second));
      from->erase(known);
      entry.own = entry.own || !host_;
      entry.set_share(config.weight, config.priority);
      if (from == &parked) begin.push_back(&entry);
      return;
    }
    Entry& entry = *entries_.emplace_back(std::make_unique<Entry>(asking_, config, !host_, *this));
    entry.take_seeds(seeds_);
    begin.push_back(&entry);
  };
  if (host_) {
    for (const EndpointConfig& config : *host_) add(config);
  } else {
    for (const EndpointConfig& config : config_->endpoints) add(config);
    if (file_list_) {
      for (const EndpointConfig& config : *file_list_) add(config);
    }
  }
  for (auto* rest : {&active, &parked}) {
    for (auto& [place, entry] : *rest) {
      if (!host_ || !entry->own) continue;
      entry->park();
      parked_.push_back(std::move(entry));
    }
  }
  active.clear();
  // A predecessor's endpoints that nothing here stands for may only be those of a file that cannot be read yet.
  if (host_ || !file_ || file_list_) seeds_.clear();
  for (Entry* entry : begin) entry->start();
}

void LiveDiscovery::on_entry(bool changed) {
  news_ = true;
  if (later_.active()) return;
  if (changed && loop_.now() < quiet_until_) return later_.start_at(quiet_until_);
  if (changed) return publish();
  tell(false);
}

// In the order of the sources, as many as there may be.
std::vector<Member> LiveDiscovery::wanted() {
  std::vector<Member> out;
  size_t all = seeds_.size();
  for (const auto& entry : entries_) {
    all += entry->members().size();
    for (const Member& member : entry->members()) {
      if (out.size() < kMaxEndpoints) out.push_back(member);
    }
  }
  for (const auto& [place, member] : seeds_) {
    if (out.size() < kMaxEndpoints) out.push_back(member);
  }
  const bool crowded = all > kMaxEndpoints;
  if (crowded && !crowded_) {
    log::write(log::error, "cluster " + config_->name + ": " + std::to_string(all) + " endpoints; only the first " +
                               std::to_string(kMaxEndpoints) + " are used");
  }
  crowded_ = crowded;
  return out;
}

void LiveDiscovery::publish() {
  later_.stop();
  Roster fresh = wanted();
  std::unordered_map<const EndpointState*, Member*> places;
  for (Member& member : fresh) places.emplace(member.state.get(), &member);
  auto next = std::make_shared<Roster>();
  next->reserve(fresh.size());
  for (const Member& member : *roster_) {
    const auto stays = places.find(member.state.get());
    if (stays != places.end()) next->push_back(std::move(*stays->second));
  }
  for (Member& member : fresh) {
    if (member.state) next->push_back(std::move(member));
  }
  const bool changed = told_ ? *next != *roster_ : !next->empty();
  if (changed || !told_) roster_ = std::move(next);
  // Every list costs all workers something for each endpoint in it: large ones come less often.
  quiet_until_ = changed ? loop_.now() + roster_->size() / 200 : 0;
  told_ = true;
  tell(changed);
}

// The events may come back in, or stop all events.
void LiveDiscovery::tell(bool roster) {
  const bool news = std::exchange(news_, false);
  if (roster && events_ != nullptr) events_->on_roster(roster_);
  if (news && events_ != nullptr) events_->on_resolution();
}

}  // namespace

std::unique_ptr<Discovery> Discovery::make(net::Loop& loop, net::Network& network,
                                           std::shared_ptr<const ClusterConfig> config, DiscoveryEvents& events,
                                           RosterPtr last) {
  return std::make_unique<LiveDiscovery>(loop, network, std::move(config), events, std::move(last));
}

}  // namespace cardea::cluster
