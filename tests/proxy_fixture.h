// What the proxy's tests share: a worker on a network in memory, configured by a file's text, and a host that writes
// down what it is told.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/exchange.h"
#include "proxy/proxy.h"
#include "proxy/record.h"
#include "proxy/session.h"
#include "proxy/worker.h"
#include "wire_peers.h"

namespace cardea::test {

using http::EndCause;

class TestHooks final : public proxy::Hooks {
 public:
  bool authorizes() const override { return bool(authorize); }
  Answer on_authorize(proxy::Exchange& x, uint64_t token) override {
    asked.push_back(token);
    paths.emplace_back(x.path());
    return authorize(x, token);
  }
  void on_request_start(proxy::Exchange& x) override {
    EXPECT_EQ(started.size(), records.size() + live_) << "told once, and before its end";
    started.emplace_back(x.route() ? x.route()->name : "");
    ++live_;
  }
  bool serves() const override { return bool(serve); }
  bool on_serve(proxy::Exchange& x, uint64_t token) override { return serve(x, token); }
  bool on_readable(uint64_t) override { return ++readable, hears; }
  bool on_writable(uint64_t) override { return ++writable, hears; }
  void on_request_log(proxy::Exchange& x) override { append_access_record(logs.emplace_back(), x); }
  void on_request_end(proxy::Exchange& x) override {
    --live_;
    append_access_record(records.emplace_back(), x);
    append_cause(causes.emplace_back(), x);
    outcomes.push_back(x.outcome());
    if (on_end) on_end(x);
  }
  void on_conn_open(proxy::Session&) override { ++opened; }
  void on_conn_close(proxy::Session&) override { ++closed; }

  std::function<Answer(proxy::Exchange&, uint64_t)> authorize;
  std::function<bool(proxy::Exchange&, uint64_t)> serve;  // of requests that the host answers
  std::function<void(proxy::Exchange&)> on_end;
  std::vector<std::string> started;  // routes of requests
  int readable = 0, writable = 0;
  bool hears = true;  // what on_readable and on_writable say
  std::vector<uint64_t> asked;
  std::vector<std::string> paths, records, causes;
  std::vector<std::string> logs;  // records of streams that live
  std::vector<proxy::Exchange::Outcome> outcomes;
  int opened = 0, closed = 0;

 private:
  size_t live_ = 0;
};

inline std::string indent(const std::string& lines) {
  std::string out;
  for (size_t at = 0; at < lines.size();) {
    const size_t end = std::min(lines.find('\n', at), lines.size());
    out += "  " + lines.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return out;
}

class ProxyFixture {
 public:
  ~ProxyFixture() { stop(); }

  static config::SnapshotPtr freeze(const std::string& text, uint64_t generation = 1) {
    yaml::Faults faults;
    auto draft = config::load(text, "", faults);
    config::SnapshotPtr snapshot;
    if (draft) snapshot = config::freeze(*draft, {generation}, faults);
    EXPECT_TRUE(snapshot) << faults.text("f") << text;
    return snapshot;
  }
  // A plain listener with these global lines and these routes.
  static std::string file(const std::string& routes, const std::string& global = "") {
    return "address: 127.0.0.1:0\ninsecure_server: true\n" + global + (global.empty() ? "" : "\n") + "routes:\n" +
           routes;
  }
  // A public route to this cluster.
  static std::string route(const std::string& to, const std::string& lines = "",
                           const std::string& from = "https://a.example") {
    return "- from: " + from + "\n  to: " + to + "\n  allow_public_unauthenticated_access: true\n" + indent(lines);
  }
  void start(const std::string& text) { start(freeze(text)); }
  void start(config::SnapshotPtr snapshot, std::function<bool(proxy::Exchange&, uint64_t)> serve = {}) {
    auto owned = std::make_unique<TestHooks>();
    hooks = owned.get();
    hooks->serve = std::move(serve);
    proxy = std::make_shared<proxy::Proxy>(std::move(snapshot), std::move(owned));
    {
      net::Loop::Turn turn(loop);
      worker = std::make_unique<proxy::Worker>(proxy, loop, network);
      auto opened = worker->open();
      EXPECT_TRUE(opened) << opened.error().message;
    }
    loop.run();
  }
  void apply(const std::string& text) {
    auto applied = proxy->apply(freeze(text, proxy->snapshot()->generation + 1));
    EXPECT_TRUE(applied);
    loop.run();
  }
  std::shared_ptr<net::FakePeer> dial(size_t listener = 0, const std::string& from = "203.0.113.7:40000") {
    return network.dial(worker->bound_addresses().at(listener).text(), from);
  }
  std::unique_ptr<TestClient> connect(bool h2, size_t listener = 0) {
    auto peer = dial(listener);
    EXPECT_TRUE(peer);
    return std::make_unique<TestClient>(loop, peer, h2);
  }
  std::unique_ptr<TestService> serve(const std::string& address, bool h2) {
    return std::make_unique<TestService>(loop, network, address, h2);
  }
  uint64_t counter(const std::string& name) const {
    uint64_t found = ~uint64_t{0};
    proxy->each_counter([&](const char* n, const char*, const char*, uint64_t v) {
      if (name == n) found = v;
    });
    return found;
  }
  // How exchanges ended, in order.
  std::string causes() const {
    std::string s;
    for (const auto& c : hooks->causes) s += (s.empty() ? "" : " ") + c;
    return s;
  }
  // Closes everything; nothing may be left.
  void stop() {
    if (!worker) return;
    bool done = false;
    worker->close([&] { done = true; });
    loop.run();
    EXPECT_TRUE(done);
    EXPECT_EQ(worker->sessions(), 0u);
    EXPECT_EQ(counter("requests_active"), 0u);
    EXPECT_EQ(counter("downstream_connections_active"), 0u);
    EXPECT_EQ(hooks->opened, hooks->closed);
    EXPECT_EQ(counter("requests_total"), hooks->records.size()) << "each exchange is reported once";
    worker.reset();
    loop.run();
    proxy.reset();
    loop.advance(20'000);
    EXPECT_EQ(network.open_streams(), 0u) << "connections outlive everything";
  }

  net::FakeLoop loop;
  net::FakeNetwork network{loop};
  std::shared_ptr<proxy::Proxy> proxy;
  std::unique_ptr<proxy::Worker> worker;
  TestHooks* hooks = nullptr;
};

// The four pairs of protocols.
struct Pair {
  bool down_h2, up_h2;
};
inline const Pair kPairs[] = {{false, false}, {false, true}, {true, false}, {true, true}};
inline std::string pair_name(const testing::TestParamInfo<Pair>& info) {
  return std::string(info.param.down_h2 ? "h2" : "h1") + (info.param.up_h2 ? "_h2c" : "_h1");
}

class PairTest : public testing::TestWithParam<Pair>, protected ProxyFixture {
 protected:
  bool down_h2() const { return GetParam().down_h2; }
  bool up_h2() const { return GetParam().up_h2; }
  std::string to(const std::string& address) const { return (up_h2() ? "h2c://" : "http://") + address; }
  // One public route to one service; `client` and `service` are ready.
  void begin(const std::string& lines = "", const std::string& global = "") {
    begin_with(file(route(to("10.0.0.1:80"), lines), global));
  }
  void begin_with(const std::string& text) {
    start(text);
    service = serve("10.0.0.1:80", up_h2());
    client = connect(down_h2());
  }
  // The connection is of use, or its end was orderly.
  void TearDown() override {
    stop();
    client.reset();
    service.reset();
  }

  std::unique_ptr<TestService> service;
  std::unique_ptr<TestClient> client;
};

}  // namespace cardea::test
