// What tests of clusters share: a cluster on a network in memory, exchanges that note what comes of them, a TLS that
// the service's first line decides.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cluster/shared.h"
#include "fake_net.h"

namespace cardea::cluster {

using http::End;
using http::EndCause;
using Scheme = EndpointConfig::Scheme;

inline constexpr Bytes kOk = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

// A handshake that the service's first line decides: "open h2", "open http/1.1", "open", "verify", "handshake".
class FakeTlsStream final : public net::Stream, private net::StreamEvents {
 public:
  explicit FakeTlsStream(std::unique_ptr<net::Stream> plain) : plain_(std::move(plain)) {
    plain_->set_events(this);
    plain_->start_read(100);
  }
  void set_events(net::StreamEvents* events) override { events_ = events; }
  void start_read(size_t n) override { plain_->start_read(n); }
  void stop_read() override { plain_->stop_read(); }
  void write(const net::Slice* slices, size_t count) override { plain_->write(slices, count); }
  size_t queued() const override { return plain_->queued(); }
  void shutdown() override { plain_->shutdown(); }
  void set_reset_on_close() override { plain_->set_reset_on_close(); }
  const net::Address& peer() const override { return plain_->peer(); }
  const net::Address& local() const override { return plain_->local(); }
  const net::TlsSession* tls() const override { return open_ ? &session_ : nullptr; }

 private:
  void on_data(char* bytes, size_t n) override {
    if (!events_) return;
    if (open_) return events_->on_data(bytes, n);
    std::string line(bytes, n);
    if (line == "verify") return events_->on_error({net::StreamError::tls_verify, 10, "certificate has expired"});
    if (line.substr(0, 4) != "open") return events_->on_error({net::StreamError::tls_handshake, 1, "handshake"});
    alpn_ = line.size() > 5 ? line.substr(5) : "";
    session_.alpn = alpn_;
    open_ = true;
    plain_->stop_read();
    events_->on_open();
  }
  void on_eof() override {
    if (events_) events_->on_eof();
  }
  void on_drained() override {
    if (events_) events_->on_drained();
  }
  void on_error(const net::StreamError& e) override {
    if (events_) events_->on_error(e);
  }

  std::unique_ptr<net::Stream> plain_;
  net::StreamEvents* events_ = nullptr;
  net::TlsSession session_;
  std::string alpn_;
  bool open_ = false;
};

class FakeTlsContext final : public tls::ClientContext {
 public:
  std::unique_ptr<net::Stream> wrap(net::Loop&, std::unique_ptr<net::Stream> plain,
                                    const std::string& name) const override {
    names.push_back(name);
    return std::make_unique<FakeTlsStream>(std::move(plain));
  }
  mutable std::vector<std::string> names;
};

// One exchange: an attempt, and what came of it.
struct Exchange final : AttemptEvents, http::ResponseReceiver {
  void on_ready(Attempt& a) override {
    ++readies;
    if (send) {
      http::RequestPtr head = http::make_request();
      head->method = http::Method::get;
      head->method_name = "GET";
      head->scheme = "http";
      head->authority = "a.example";
      head->target = "/x";
      a.sender()->send_head(*head);
      a.sender()->send_end(nullptr);
    }
    if (when_ready) when_ready();
  }
  void on_failed(Attempt&, const End& e) override {
    ++failures;
    end = e;
    if (when_failed) when_failed();
  }
  int on_choose(Attempt&, const std::vector<EndpointPtr>& of) override { return choose ? choose(of) : -1; }
  void on_informational(http::ResponsePtr) override {}
  void on_head(http::ResponsePtr head) override { status = head->status; }
  void on_body(Bytes bytes) override { body.append(bytes); }
  void on_trailers(const http::Fields&) override {}
  void on_end() override {
    complete = true;
    if (release_at_end) attempt.cancel();
    if (when_ended) when_ended();
  }
  void on_reset(const End& e) override {
    ++resets;
    end = e;
    if (when_reset) when_reset();
  }
  void on_blocked() override {}
  void on_unblocked() override {}

  std::string seen() const {
    return failures ? std::string(http::row(end.cause).name) + ":" + end.detail : readies ? "ready" : "waits";
  }

  Attempt attempt{*this, *this};
  int readies = 0, failures = 0, resets = 0, status = 0;
  bool send = true, complete = false, release_at_end = true;
  End end;
  std::string body;
  std::function<void()> when_ready, when_failed, when_reset, when_ended;
  std::function<int(const std::vector<EndpointPtr>&)> choose;
};

class ClusterTest : public testing::Test {
 protected:
  ~ClusterTest() override {
    exchanges.clear();
    cluster.reset();
    loop.advance(100'000);
    EXPECT_EQ(network.open_streams(), 0u) << "connections outlive everything";
  }

  EndpointConfig& to(const std::string& host, uint16_t port = 80, Scheme scheme = Scheme::http) {
    config.endpoints.push_back({.scheme = scheme, .host = host, .port = port, .authority = host});
    return config.endpoints.back();
  }
  void to_tls(const std::string& host = "10.0.0.1") {
    to(host, 443, Scheme::https);
    context = std::make_shared<FakeTlsContext>();
    config.tls = context;
    config.tls_options.alpn = {"h2", "http/1.1"};
  }
  void make() {
    turn([&] { cluster = Cluster::make(loop, network, std::make_shared<const ClusterConfig>(config), seed()); });
  }
  // With this one, turns begin with the first endpoint.
  uint64_t seed() const {
    for (uint64_t seed = 0; config.balance.algorithm != "host"; ++seed) {
      balance::Balancer balancer(config.balance, seed);
      std::vector<balance::Host> hosts;
      for (const EndpointConfig& e : config.endpoints) hosts.push_back({.key = e.host, .weight = e.weight});
      if (hosts.empty()) return seed;
      balancer.set(std::move(hosts), 0);
      if (balancer.pick({}) == 0) return seed;
    }
    return 0;
  }
  template <class Fn>
  void turn(Fn fn) {
    {
      net::Loop::Turn t(loop);
      fn();
    }
    loop.run();
  }
  // A request is on its way, as far as it gets by itself.
  Exchange& get(Wish wish = {}) {
    Exchange& x = begin(wish);
    loop.run();
    return x;
  }
  Exchange& begin(Wish wish = {}) {
    exchanges.push_back(std::make_unique<Exchange>());
    Exchange& x = *exchanges.back();
    net::Loop::Turn t(loop);
    x.attempt.start(*cluster, wish);
    return x;
  }
  void cancel(Exchange& x) {
    turn([&] { x.attempt.cancel(); });
  }
  void answer(const std::shared_ptr<net::FakePeer>& peer) {
    peer->send(kOk);
    loop.run();
  }
  // A whole exchange on an HTTP/1.1 service; the connection is idle afterwards.
  Exchange& round_trip(const std::string& service) {
    Exchange& x = get();
    EXPECT_EQ(x.seen(), "ready");
    for (auto& peer : network.service(service).connections) {
      if (!peer->closed && peer->take() != "") answer(peer);
    }
    EXPECT_EQ(x.status, 200);
    EXPECT_TRUE(x.complete);
    return x;
  }
  ClusterStats stats() const { return cluster->stats(); }

  net::FakeLoop loop;
  net::FakeNetwork network{loop};
  ClusterConfig config;
  std::shared_ptr<FakeTlsContext> context;
  std::vector<std::unique_ptr<Exchange>> exchanges;
  std::unique_ptr<Cluster> cluster;
};

}  // namespace cardea::cluster
