// Names that stand for endpoints: asked, asked again when the answer's time ends, the last good answer kept.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/list.h"
#include "cluster/cluster.h"

namespace cardea::cluster {

class Question;

// What the names of one Discovery share: their resolver, and how many of them ask at one time.
class Asking {
 public:
  Asking(net::Loop& loop, net::Network& network, std::shared_ptr<const ClusterConfig> config)
      : loop(loop), config(std::move(config)), network_(network) {}
  net::Loop& loop;
  const std::shared_ptr<const ClusterConfig> config;

  net::Resolver* resolver();  // made for the first name; null: cannot be had now
  void enter(Question& question);
  void leave();
  bool busy() const { return under_way_ != 0; }  // an answer is on its way; whoever waits waits for one, too
  void close() { closed_ = true; }               // nobody asks any more

 private:
  net::Network& network_;
  std::unique_ptr<net::Resolver> resolver_;
  List<Question> waiting_;
  size_t under_way_ = 0;
  bool closed_ = false, complained_ = false;
};

// One question to DNS that is asked again and again.
class Question : private Link {
 public:
  explicit Question(Asking& asking) : asking_(asking), timer_(asking.loop, [this] { on_timer(); }) {}
  virtual ~Question() { stop(); }

  void ask();  // as soon as others have ended; nothing is told inside the call
  void stop();
  bool tried() const { return tried_; }  // it has ended at least once, well or not
  const char* failure() const { return failure_; }

 protected:
  virtual std::unique_ptr<net::Resolving> put(net::Resolver& resolver) = 0;
  virtual void on_silence() = 0;  // it has failed
  // How it ended; it is asked again in time.
  void answered(Millis ttl);
  void failed(int status);
  void failed(const char* why);

  Asking& asking_;

 private:
  friend class Asking;
  template <class T, class Place>
  friend class cardea::List;
  void begin();
  void on_timer();
  void end();

  std::unique_ptr<net::Resolving> resolving_;
  net::Timer timer_;  // the next time, or the deadline of the question
  const char* failure_ = nullptr;
  bool tried_ = false;
};

// The addresses of one host.
using Host = std::vector<net::Address>;

// What an EndpointConfig with a name stands for now.
struct Found {
  Host addresses;  // with ports
  uint32_t weight = 1, priority = 0;
};

// A question of it has ended. May delete whoever says so.
class NameEvents {
 public:
  virtual void on_name() = 0;

 protected:
  ~NameEvents() = default;
};

// A and AAAA records of one name.
class Name final : public Question, private net::ResolveEvents {
 public:
  Name(Asking& asking, std::string name, NameEvents& events)
      : Question(asking), name_(std::move(name)), events_(events) {}
  const std::vector<Host>& hosts() const { return hosts_; }  // of the last good answer; port 0
  bool known() const { return !hosts_.empty(); }

 private:
  std::unique_ptr<net::Resolving> put(net::Resolver& resolver) override {
    return resolver.resolve(name_, asking_.config->dns_family, *this);
  }
  void on_silence() override { events_.on_name(); }
  void on_resolved(net::Resolved result) override;
  void on_resolve_failed(int status, const char* text) override;

  const std::string name_;
  NameEvents& events_;
  std::vector<Host> hosts_;
};

// SRV records of one name, and the names in them. An answer counts once all its names have been tried, or as soon as
// one of them is known where nothing was known before.
class SrvName final : public Question, private net::SrvEvents, public NameEvents {
 public:
  SrvName(Asking& asking, std::string name, NameEvents& events)
      : Question(asking), name_(std::move(name)), events_(events) {}
  const std::vector<Found>& found() const { return found_; }
  bool known() const { return known_; }
  const char* reason() const;  // why nothing was found
  void ask_all();
  void stop_all();
  void be_patient() { patient_ = true; }  // there are endpoints: no half answer is needed

 private:
  std::unique_ptr<net::Resolving> put(net::Resolver& resolver) override { return resolver.resolve_srv(name_, *this); }
  void on_silence() override { events_.on_name(); }
  void on_srv(net::ResolvedSrv result) override;
  void on_resolve_failed(int status, const char* text) override;
  void on_name() override;
  void settle();

  const std::string name_;
  NameEvents& events_;
  std::vector<net::SrvRecord> records_;
  std::map<std::string, std::unique_ptr<Name>> targets_;
  std::vector<Found> found_;
  bool known_ = false, absent_ = false, patient_ = false;
};

// Hosts of these addresses: the k-th of each family together, in numerical order, but for pairs that were `before`.
std::vector<Host> pair_families(const std::vector<net::Address>& addresses, const std::vector<Host>& before);

}  // namespace cardea::cluster
