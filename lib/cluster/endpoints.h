// Which endpoints a cluster has: fixed addresses, and names that are resolved again and again.
#pragma once

#include <memory>
#include <vector>

#include "cluster/cluster.h"

namespace cardea::cluster {

class MembershipEvents {
 public:
  // The list has changed: `added` are in it now, `removed` no longer (and marked).
  virtual void on_members(const std::vector<EndpointPtr>& added, const std::vector<EndpointPtr>& removed) = 0;
  // A name got its answer (or none): attempts that wait may have to stop waiting. After on_members.
  virtual void on_resolution() = 0;

 protected:
  ~MembershipEvents() = default;
};

// The endpoints of one cluster on one worker. Owned by the cluster. A name keeps its last good answer while the
// resolver fails; an endpoint that stays in the answer stays the same object.
class Membership {
 public:
  Membership(net::Loop& loop, net::Network& network, std::shared_ptr<const ClusterConfig> config,
             MembershipEvents& events);
  ~Membership();

  void start();  // adds the fixed addresses (on_members), then asks for the names
  const std::vector<EndpointPtr>& endpoints() const { return endpoints_; }
  bool resolving() const;     // an answer is on its way
  http::End failure() const;  // why there is no endpoint

 private:
  class Name;
  EndpointPtr make(const EndpointConfig& config, const net::Address& address) const;
  // The addresses of one `to` are these now; keeps the order of those that stay.
  void replace(std::vector<EndpointPtr>& of_name, const EndpointConfig& config,
               const std::vector<net::Address>& addresses);
  void rebuild();

  net::Loop& loop_;
  net::Network& network_;
  std::shared_ptr<const ClusterConfig> config_;
  MembershipEvents& events_;
  std::vector<EndpointPtr> fixed_;
  std::vector<EndpointPtr> endpoints_;       // fixed ones, then those of each name
  std::unique_ptr<net::Resolver> resolver_;  // made for the first name
  std::vector<std::unique_ptr<Name>> names_;
};

}  // namespace cardea::cluster
