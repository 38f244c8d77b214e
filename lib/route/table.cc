// Finds a request's route: the host by hash, then every piece of the path that a route could have asked for.
#include <algorithm>
#include <unordered_map>

#include "route/index.h"
#include "route/regex_routes.h"
#include "route/route.h"

namespace cardea::route {
namespace {

using Kind = Match::Path;
constexpr uint32_t kNone = HashIndex::kNone;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c;
}

// A prefix "/" takes what a route without path takes.
Kind kind_of(const Match& m) {
  return m.kind == Kind::prefix && m.path == "/" ? Kind::any : m.kind;
}

// Hashes are taken from the end of a name, so one walk gives those of all its suffixes.
uint64_t host_hash(Bytes host) {
  RunningHash hash(0);
  for (size_t i = host.size(); i > 0; --i) hash.add(lower(host[i - 1]));
  return hash.value();
}

bool is_wildcard(Bytes host) {
  return host.starts_with("*.");
}

// ---- one host -------------------------------------------------------------------------------------

// The routes of one host and port. A rank is a place in their order; the smallest that fits wins. Ranks are the
// routes' own indices, handed out anew where priorities change the order.
struct VirtualHost {
  uint32_t any = kNone;  // rank of the first route that takes every path
  Lengths exact, prefix;
  RegexRoutes regexes;
};

// One host name with its ports.
struct HostName {
  struct Port {
    uint16_t port;
    uint32_t virtual_host;
  };
  uint32_t any_port = kNone;
  std::vector<Port> ports;  // sorted
  std::vector<Port>::const_iterator lower_bound(uint16_t port) const {
    return std::lower_bound(ports.begin(), ports.end(), port, [](const Port& p, uint16_t n) { return p.port < n; });
  }
  uint32_t find(uint16_t port) const {
    if (ports.empty()) return any_port;
    const auto at = lower_bound(port);
    return at != ports.end() && at->port == port ? at->virtual_host : any_port;
  }
};

class HashedTable final : public Table {
 public:
  explicit HashedTable(const std::vector<Match>& routes) : routes_(routes) {}
  // Takes routes without mistakes; adds faults of regular expressions.
  void fill(std::vector<Fault>& faults);
  int match(Bytes host, uint16_t port, Bytes path) const override;
  bool knows_host(Bytes host) const override;

 private:
  enum Owner : uint32_t { kExactHost, kWildcardHost };
  void add_name(Bytes host, uint32_t name);
  uint32_t virtual_host_of(HostName& name, uint16_t port);
  void add_routes(uint32_t virtual_host, std::vector<uint32_t>& routes, std::vector<Fault>& faults);
  // Calls `visit(name)` for every name that takes `host`, widest first.
  template <class Visit>
  void visit_names(Bytes host, Visit visit) const;
  uint32_t match_path(uint32_t virtual_host, Bytes path) const;

  const std::vector<Match> routes_;  // the indices below view its strings
  std::vector<HostName> names_;
  std::vector<VirtualHost> virtual_hosts_;
  std::vector<uint32_t> route_of_rank_;  // empty: each rank is its route
  HashIndex hosts_, exact_, prefix_;
  Lengths wildcards_;  // of ".example.com"
  uint32_t star_ = kNone;
};

// ---- building -------------------------------------------------------------------------------------

void HashedTable::add_name(Bytes host, uint32_t name) {
  if (host == "*") {
    star_ = name;
  } else if (is_wildcard(host)) {
    host.remove_prefix(1);
    hosts_.add(kWildcardHost, host, host_hash(host), name);
    wildcards_.add(host.size());
  } else {
    hosts_.add(kExactHost, host, host_hash(host), name);
  }
}

uint32_t HashedTable::virtual_host_of(HostName& name, uint16_t port) {
  const auto next = uint32_t(virtual_hosts_.size());
  if (port == 0) {
    if (name.any_port != kNone) return name.any_port;
    name.any_port = next;
  } else {
    const auto at = name.lower_bound(port);
    if (at != name.ports.end() && at->port == port) return at->virtual_host;
    name.ports.insert(at, {port, next});
  }
  virtual_hosts_.emplace_back();
  return next;
}

// File order, but a regex route moves up to the first regex route that its priority outranks.
void order(std::vector<uint32_t>& indices, const std::vector<Match>& routes) {
  std::vector<uint32_t> regexes;
  for (uint32_t i : indices) {
    if (routes[i].kind == Kind::regex) regexes.push_back(i);
  }
  std::stable_sort(regexes.begin(), regexes.end(),
                   [&](uint32_t a, uint32_t b) { return routes[a].regex_priority > routes[b].regex_priority; });
  struct Place {
    uint32_t before, among;
    bool operator<(const Place& o) const { return before != o.before ? before < o.before : among < o.among; }
  };
  std::vector<std::pair<Place, uint32_t>> places;
  for (uint32_t i : indices) {
    if (routes[i].kind != Kind::regex) places.push_back({{i, 0}, i});
  }
  uint32_t first = UINT32_MAX;
  for (size_t k = regexes.size(); k > 0; --k) {
    first = std::min(first, regexes[k - 1]);
    places.push_back({{first, uint32_t(k)}, regexes[k - 1]});
  }
  std::sort(places.begin(), places.end());
  for (size_t rank = 0; rank < places.size(); ++rank) indices[rank] = places[rank].second;
}

void HashedTable::add_routes(uint32_t virtual_host, std::vector<uint32_t>& routes, std::vector<Fault>& faults) {
  VirtualHost& v = virtual_hosts_[virtual_host];
  const std::vector<uint32_t> ranks = routes;
  order(routes, routes_);
  for (size_t i = 0; i < routes.size(); ++i) {
    const Match& m = routes_[routes[i]];
    const uint32_t rank = ranks[i];
    route_of_rank_[rank] = routes[i];
    RunningHash hash(virtual_host);
    hash.add(m.path);
    switch (kind_of(m)) {
      case Kind::any:
        v.any = std::min(v.any, rank);
        break;
      case Kind::exact:
        exact_.add(virtual_host, m.path, hash.value(), rank);
        v.exact.add(m.path.size());
        break;
      case Kind::prefix:
        prefix_.add(virtual_host, m.path, hash.value(), rank);
        v.prefix.add(m.path.size());
        break;
      case Kind::regex:
        if (auto added = v.regexes.add(m.path, rank); !added) faults.push_back({routes[i], added.error().message});
        break;
    }
  }
  v.regexes.freeze();
}

void HashedTable::fill(std::vector<Fault>& faults) {
  std::unordered_map<std::string_view, uint32_t> known;
  std::vector<std::vector<uint32_t>> routes;  // of each virtual host, in file order
  for (uint32_t i = 0; i < routes_.size(); ++i) {
    const auto [at, is_new] = known.try_emplace(routes_[i].host, uint32_t(names_.size()));
    if (is_new) {
      names_.emplace_back();
      add_name(routes_[i].host, at->second);
    }
    const uint32_t virtual_host = virtual_host_of(names_[at->second], routes_[i].port);
    if (virtual_host == routes.size()) routes.emplace_back();
    routes[virtual_host].push_back(i);
  }
  route_of_rank_.resize(routes_.size());
  for (uint32_t v = 0; v < routes.size(); ++v) add_routes(v, routes[v], faults);
  if (std::is_sorted(route_of_rank_.begin(), route_of_rank_.end())) route_of_rank_.clear();
  hosts_.freeze();
  exact_.freeze();
  prefix_.freeze();
}

// ---- matching -------------------------------------------------------------------------------------

template <class Visit>
void HashedTable::visit_names(Bytes host, Visit visit) const {
  if (star_ != kNone) visit(names_[star_]);
  RunningHash hash(0);
  for (size_t i = host.size(); i > 0; --i) {
    hash.add(lower(host[i - 1]));
    if (host[i - 1] != '.' || i == 1) continue;
    const Bytes suffix = host.substr(i - 1);
    if (!wildcards_.may_have(suffix.size())) continue;
    const uint32_t name =
        hosts_.find(kWildcardHost, hash.value(), [suffix](Bytes text) { return http::equal_no_case(text, suffix); });
    if (name != kNone) visit(names_[name]);
  }
  const uint32_t name =
      hosts_.find(kExactHost, hash.value(), [host](Bytes text) { return http::equal_no_case(text, host); });
  if (name != kNone) visit(names_[name]);
}

uint32_t HashedTable::match_path(uint32_t virtual_host, Bytes path) const {
  const VirtualHost& v = virtual_hosts_[virtual_host];
  uint32_t best = v.any;
  const bool may_be_exact = v.exact.may_have(path.size());
  const size_t end = may_be_exact ? path.size() : std::min(path.size(), v.prefix.longest());
  RunningHash hash(virtual_host);
  for (size_t n = 1; n <= end; ++n) {
    hash.add(path[n - 1]);
    const bool whole = n == path.size();
    if (!whole && path[n] != '/' && path[n - 1] != '/') continue;
    const auto equal = [piece = path.substr(0, n)](Bytes text) { return text == piece; };
    if (v.prefix.may_have(n)) best = std::min(best, prefix_.find(virtual_host, hash.value(), equal));
    if (whole && may_be_exact) best = std::min(best, exact_.find(virtual_host, hash.value(), equal));
  }
  return v.regexes.match(path, best);
}

int HashedTable::match(Bytes host, uint16_t port, Bytes path) const {
  uint32_t virtual_host = kNone;
  visit_names(host, [&](const HostName& name) {
    if (const uint32_t found = name.find(port); found != kNone) virtual_host = found;
  });
  if (virtual_host == kNone) return -1;
  const uint32_t rank = match_path(virtual_host, path);
  if (rank == kNone) return -1;
  return int(route_of_rank_.empty() ? rank : route_of_rank_[rank]);
}

bool HashedTable::knows_host(Bytes host) const {
  bool known = false;
  visit_names(host, [&](const HostName&) { known = true; });
  return known;
}

// ---- checking -------------------------------------------------------------------------------------

// Why no request could ever take this route; empty when one can.
std::string mistake(const Match& m) {
  Bytes host = m.host;
  if (host.empty()) return "the host is empty";
  if (is_wildcard(host)) host.remove_prefix(2);
  if (m.host != "*" && host.find('*') != Bytes::npos) {
    return "a wildcard host is \"*\" or \"*.\" and a domain: " + m.host;
  }
  if (host.empty() || (host.front() == '.' && m.host != "*")) return "the host has an empty label: " + m.host;
  for (char c : host) {
    if (uint8_t(c) <= 0x20 || uint8_t(c) >= 0x7f || Bytes("/\\?#@\"<>").find(c) != Bytes::npos) {
      return "the host has a character that no host has: use its ASCII form (xn--...)";
    }
    if (c != lower(c)) return "the host must be in lower case: " + m.host;
  }
  if (m.kind == Kind::prefix || m.kind == Kind::exact) {
    if (m.path.empty() || m.path[0] != '/') return "the path must begin with '/': " + m.path;
    if (m.path.find_first_of("?#") != std::string::npos) {
      return "the path is matched without query and fragment, so it cannot have one: " + m.path;
    }
  }
  return {};
}

// What two routes may not share.
std::string identity(const Match& m) {
  const Kind kind = kind_of(m);
  std::string key = m.host;
  key += '\0';
  key += std::to_string(m.port) + '/' + std::to_string(unsigned(kind));
  if (kind != Kind::any) key += m.path;
  return key;
}

// For tables that will not be filled: a mistake elsewhere must not hide these.
void check_regexes(const std::vector<Match>& routes, std::vector<Table::Fault>& faults) {
  RegexRoutes regexes;
  for (size_t i = 0; i < routes.size(); ++i) {
    if (kind_of(routes[i]) != Kind::regex) continue;
    if (auto added = regexes.add(routes[i].path, uint32_t(i)); !added) faults.push_back({i, added.error().message});
  }
}

}  // namespace

std::string Table::same_as(size_t other) {
  return "matches the same requests as route " + std::to_string(other) + " (counted from 0)";
}

std::unique_ptr<const Table> Table::build(const std::vector<Match>& routes, std::vector<Fault>& faults) {
  const size_t before = faults.size();
  std::unordered_map<std::string, size_t> known;
  for (size_t i = 0; i < routes.size(); ++i) {
    if (std::string what = mistake(routes[i]); !what.empty()) faults.push_back({i, std::move(what)});
    const auto [at, is_new] = known.try_emplace(identity(routes[i]), i);
    if (!is_new) {
      faults.push_back({i, same_as(at->second), at->second});
    }
  }
  auto table = std::make_unique<HashedTable>(routes);
  if (faults.size() == before) {
    table->fill(faults);
  } else {
    check_regexes(routes, faults);
  }
  if (faults.size() != before) return nullptr;
  return table;
}

}  // namespace cardea::route
