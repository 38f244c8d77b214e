// One check of one host: makes it, again and again, and says each time what came of it. Inside this folder only.
#pragma once

#include <memory>

#include "health/line.h"

namespace cardea::health {

// Keeps its connection between checks where that is wanted. Does not know of time: its owner stops it when it takes
// too long. Custom checks are none. One thread.
class Probe final : private Line::Owner {
 public:
  class Owner {
   public:
    virtual void on_report(const Report& report) = 0;  // once for each start() that was not stopped; may stop()

   protected:
    ~Owner() = default;
  };
  Probe(net::Loop& loop, net::Network& network, std::shared_ptr<const CheckConfig> config, Owner& owner)
      : loop_(loop), network_(network), config_(std::move(config)), owner_(owner) {}
  ~Probe();
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  // The report never comes from inside this call.
  void start(std::shared_ptr<const Target> target);
  void stop();  // ends the check under way, if any, and the connection

 private:
  void on_report(Report report) override;
  void on_line_gone() override { drop(); }
  void connect();
  void drop();

  net::Loop& loop_;
  net::Network& network_;
  const std::shared_ptr<const CheckConfig> config_;
  Owner& owner_;
  std::shared_ptr<const Target> target_;
  std::unique_ptr<Line> line_;
};

}  // namespace cardea::health
