// What tests of active checks share: a checker on a network in memory, and notes of all that it says.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fake_net.h"
#include "fake_tls.h"
#include "health/checker.h"
#include "wire_peers.h"

namespace cardea::health {

using Verdict = CheckState::Verdict;
using Kind = CheckConfig::Kind;
using Strings = std::vector<std::string>;
using test::Headers;
using test::TestService;

class HealthTest : public testing::Test, public CheckerEvents {
 protected:
  ~HealthTest() override {
    drop();
    loop.advance(1000);
    EXPECT_EQ(network.open_streams(), 0u) << "connections outlive their checker";
  }

  CheckConfig& add(CheckConfig::Kind kind) {
    CheckConfig& config = checks.emplace_back();
    config.kind = kind;
    config.interval = 1000;
    config.timeout = 300;
    config.unhealthy_threshold = 2;
    config.no_traffic_interval = 1000;
    return config;
  }
  static std::string address(uint64_t id) {
    return "10.0." + std::to_string(id / 250) + "." + std::to_string(id % 250 + 1) + ":80";
  }
  Target target(uint64_t id) {
    Target t;
    t.id = id;
    t.addresses = {*net::Address::parse(address(id))};
    t.authority = "service.example";
    t.server_name = "tls.example";
    return t;
  }
  void make(std::vector<uint64_t> ids = {1}, uint64_t seed = 1) {
    if (!checker) checker = Checker::make(loop, network, checks, *this, seed);
    std::vector<Target> targets;
    for (const uint64_t id : ids) targets.push_back(shape ? shape(target(id)) : target(id));
    checker->set_targets(std::move(targets));
    loop.run();
  }
  void drop() { checker.reset(); }

  void on_verdict(uint64_t id, Verdict verdict, bool degraded, const std::string& cause) override {
    static constexpr const char* kNames[] = {"unchecked", "healthy", "unhealthy"};
    verdicts.push_back(std::to_string(id) + " " + kNames[size_t(verdict)] + (degraded ? " degraded" : "") + ": " +
                       cause);
    if (at_verdict) at_verdict(id);
  }
  void on_attempt(uint64_t id, Outcome outcome, const std::string& cause) override {
    static constexpr const char* kNames[] = {"success", "failure", "immediate"};
    EXPECT_TRUE(loop.in_turn());
    last_attempt = std::string(kNames[size_t(outcome)]) + ": " + cause;
    attempts.emplace_back(loop.now(), id);
    if (at_attempt) at_attempt(id);
  }
  bool on_custom(uint64_t id, const Target& which, uint64_t token) override {
    EXPECT_EQ(which.id, id);
    asked.emplace_back(loop.now(), token);
    return at_custom ? at_custom(id, token) : true;
  }
  // All since the last call.
  std::vector<std::string> take_verdicts() { return std::exchange(verdicts, {}); }

  net::FakeLoop loop;
  net::FakeNetwork network{loop};
  std::vector<CheckConfig> checks;
  std::function<Target(Target)> shape;  // of each target
  std::vector<std::string> verdicts;
  std::string last_attempt;
  std::vector<std::pair<Millis, uint64_t>> attempts, asked;
  std::function<void(uint64_t)> at_verdict, at_attempt;
  std::function<bool(uint64_t, uint64_t)> at_custom;
  std::unique_ptr<Checker> checker;
};

// One target, and a service of some kind there.
class ProbeTest : public HealthTest {
 protected:
  net::FakeService& serve() { return network.serve(address(1)); }
  // Every connection is answered with these bytes as soon as it says something.
  net::FakeService& serve_raw(std::string answer, bool end = false) {
    net::FakeService& service = serve();
    service.on_connect = [answer, end](std::shared_ptr<net::FakePeer> peer) {
      peer->on_change = [answer, end](net::FakePeer& p) {
        if (p.take().empty() || p.closed) return;
        p.send(answer);
        if (end) p.send_eof();
      };
    };
    return service;
  }
  TestService& serve_http(bool h2) {
    service.reset();  // the old one would take the address with it
    service = std::make_unique<TestService>(loop, network, address(1), h2);
    return *service;
  }
  CheckConfig& http() { return add(Kind::http); }
  void next_check() { loop.advance(1000); }
  std::string last() { return std::exchange(last_attempt, {}); }
  void use_tls() {
    tls = std::make_shared<net::FakeTlsContext>();
    shape = [this](Target t) {
      t.tls = tls;
      return t;
    };
  }
  ~ProbeTest() override { drop(); }

  std::unique_ptr<TestService> service;
  std::shared_ptr<net::FakeTlsContext> tls;
};

}  // namespace cardea::health
