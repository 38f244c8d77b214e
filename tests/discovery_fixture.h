// A Discovery on a manual clock and names in memory, and what it told.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "cluster/discovery.h"
#include "fake_net.h"

namespace cardea::cluster {

using http::EndCause;
using Scheme = EndpointConfig::Scheme;

// Everything that is logged while it lives.
class LogLines {
 public:
  LogLines() {
    log::set_sink([](void* ud, int, const char* m, size_t n) { static_cast<LogLines*>(ud)->lines.emplace_back(m, n); },
                  this, log::debug);
  }
  ~LogLines() { log::set_sink(nullptr, nullptr, 0); }
  std::vector<std::string> lines;
};

class DiscoveryTest : public testing::Test, private DiscoveryEvents {
 protected:
  static EndpointConfig url(const std::string& text) {
    ParsedEndpoint parsed = parse_endpoint(text);
    EXPECT_EQ(parsed.fault, "") << text;
    return parsed.config;
  }
  EndpointConfig& to(const std::string& text) {
    config.endpoints.push_back(url(text));
    return config.endpoints.back();
  }
  void make(RosterPtr last = nullptr) {
    discovery = Discovery::make(loop, network, std::make_shared<const ClusterConfig>(config), *this, std::move(last));
  }
  void start(RosterPtr last = nullptr) {
    make(std::move(last));
    net::Loop::Turn turn(loop);
    discovery->start();
  }
  // As a new one would begin, with what this one had found.
  void succeed() {
    RosterPtr last = roster;
    roster = nullptr;
    start(std::move(last));
  }
  void set(std::optional<std::vector<EndpointConfig>> endpoints) {
    net::Loop::Turn turn(loop);
    discovery->set_endpoints(std::move(endpoints));
  }
  // "10.0.0.1:80" for each endpoint; a share other than weight 1 of priority 0 as "*3@1".
  std::string seen() const {
    std::string out;
    for (const Member& m : roster ? *roster : Roster()) {
      out += out.empty() ? "" : " ";
      for (size_t i = 0; i < m.state->addresses.size(); ++i) out += (i ? "+" : "") + m.state->addresses[i].text();
      if (m.weight != 1 || m.priority != 0) out += "*" + std::to_string(m.weight) + "@" + std::to_string(m.priority);
    }
    return out;
  }
  EndpointStatePtr state(const std::string& text) const {
    for (const Member& m : roster ? *roster : Roster()) {
      if (m.state->text == text) return m.state;
    }
    return nullptr;
  }
  std::string failure() const {
    const http::End end = discovery->failure();
    return std::string(http::row(end.cause).name) + ":" + end.detail;
  }

  net::FakeLoop loop;
  net::FakeNetwork network{loop};
  ClusterConfig config;
  std::unique_ptr<Discovery> discovery;
  RosterPtr roster;
  int rosters = 0, resolutions = 0;
  std::function<void()> when_roster, when_resolved;

 private:
  void on_roster(RosterPtr r) override {
    EXPECT_TRUE(loop.in_turn());
    ASSERT_NE(r, nullptr);
    ++rosters;
    roster = std::move(r);
    if (when_roster) when_roster();
  }
  void on_resolution() override {
    EXPECT_TRUE(loop.in_turn());
    ++resolutions;
    if (when_resolved) when_resolved();
  }
};

}  // namespace cardea::cluster
