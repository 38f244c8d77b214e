// Where a cluster's endpoints come from: fixed addresses, names (A, AAAA, SRV), a watched file, the host.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "cluster/member.h"

namespace cardea::cluster {

class DiscoveryEvents {
 public:
  // These from now on. Not when nothing changed.
  virtual void on_roster(RosterPtr roster) = 0;
  // resolving() and failure() may have changed: inside start() and set_endpoints(), with another list of the file, and
  // whenever a question has ended, well or not. After on_roster.
  virtual void on_resolution() = 0;

 protected:
  ~DiscoveryEvents() = default;
};

// One for each cluster of a proxy, on one of its loops. Events come inside a turn; delete it there only through
// Loop::defer_delete.
//
// Names: A and AAAA by dns_family, again when the TTL ends (at least 1 s) or by dns_refresh; the last good answer stays
// while the resolver fails, asked again after dns_failure_refresh. srv: every target is resolved; priority and weight
// are the record's (weight 0 counts as 1); a record with target "." means that there is none. To the service its
// endpoints are the domain of the name (RFC 6125 6.2.1: Host, SNI, certificate), which is the host of their config; a
// target is only where they are. With Family::all the k-th address of each family, in numerical order, make one
// endpoint with both, IPv6 first. At most `dns.max_addresses` endpoints for each `to`. File: JSON or YAML, a list of
// URLs ("http://10.0.0.1:80", ",weight" behind it) or of {url, weight, priority}; looked at every second by size, inode
// and times; a file that cannot be read or is not valid changes nothing and is logged once per change. At most 10,000
// endpoints in all; large lists that change all the time are told at most every 50 ms.
class Discovery : public net::Deferred {
 public:
  // `last`: what a predecessor of the same configuration had found; those endpoints go on until the first answer.
  static std::unique_ptr<Discovery> make(net::Loop& loop, net::Network& network,
                                         std::shared_ptr<const ClusterConfig> config, DiscoveryEvents& events,
                                         RosterPtr last);
  virtual void start() = 0;               // what is known without asking is told inside this call
  virtual void stop() = 0;                // no event any more: for owners that end before a deferred deletion does
  virtual bool resolving() const = 0;     // an answer is on its way
  virtual http::End failure() const = 0;  // why there is no endpoint
  // The host's own list instead of all other sources; nullopt: those again. Names in it are resolved too. What cannot
  // be used (no valid host or port, a scheme that does not go with the cluster's) is logged and left out.
  virtual void set_endpoints(std::optional<std::vector<EndpointConfig>> endpoints) = 0;
};

// One endpoint's text, as in `to` and in files: URL with ",weight". The fault begins with a verb: "has no valid host".
// `path`: what followed the authority.
struct ParsedEndpoint {
  EndpointConfig config;
  std::string path;
  bool has_weight = false;
  std::string fault;  // empty: good
};
ParsedEndpoint parse_endpoint(const std::string& text);

}  // namespace cardea::cluster
