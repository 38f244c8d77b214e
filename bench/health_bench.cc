// What health costs: the active checks of 200 endpoints, once a second each, and what traffic pays for outlier
// detection.
//
// Checks, memory: one iteration is a second of a clock that the benchmark moves, with its 200 checks over kept HTTP/1.1
// connections of the network in memory, whose peer is a script. Nothing but our own code is measured.
// Checks, loopback: one iteration is a real second; the services are threads of their own behind real sockets, and the
// time that counts is what the checker's thread used of its processor, system calls included.
#include <sys/select.h>
#include <time.h>

#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "health/checker.h"
#include "health/outliers.h"
#include "memory_net.h"
#include "run.h"

namespace cardea::bench {
namespace {

using namespace health;

constexpr size_t kEndpoints = 200;
constexpr Bytes kAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n";

struct Counted final : CheckerEvents {
  void on_verdict(uint64_t, CheckState::Verdict, bool, const std::string&) override { ++verdicts; }
  void on_attempt(uint64_t, Outcome outcome, const std::string&) override {
    ++(outcome == Outcome::success ? passed : failed);
  }
  bool on_custom(uint64_t, const Target&, uint64_t) override { return false; }
  uint64_t verdicts = 0, passed = 0, failed = 0;
};

std::vector<CheckConfig> checks() {
  CheckConfig config;
  config.kind = CheckConfig::Kind::http;
  config.path = "/healthz";
  config.interval = config.no_traffic_interval = 1000;
  config.timeout = 1000;
  return {config};
}

std::vector<Target> targets(const net::Address& at) {
  std::vector<Target> all(kEndpoints);
  for (size_t i = 0; i < kEndpoints; ++i) {
    all[i].id = i + 1;
    all[i].addresses = {at};
    all[i].authority = "service.example:8080";
  }
  return all;
}

void report(benchmark::State& state, double seconds_used) {
  const double seconds = double(state.iterations());
  state.counters["core_percent"] = 100 * seconds_used / seconds;
  state.counters["us_per_check"] = 1e6 * seconds_used / seconds / double(kEndpoints);
}

double thread_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

// ---- in memory ------------------------------------------------------------------------------------

struct Script final : MemoryNetwork::Service {
  struct Peer {
    std::string received;
    FarEnd end{received};
  };
  FarEnd& accept() override { return peers.emplace_back(std::make_unique<Peer>())->end; }
  void answer(net::Loop& loop) {
    for (auto& peer : peers) {
      if (peer->received.empty()) continue;
      peer->received.clear();
      peer->end.send(kAnswer);
      while (peer->end.deliver(loop)) {
      }
    }
  }
  std::vector<std::unique_ptr<Peer>> peers;
};

void checks_memory(benchmark::State& state) {
  MemoryLoop loop;
  Script script;
  MemoryNetwork network(loop, script);
  Counted counted;
  auto checker = Checker::make(loop, network, checks(), counted, 1);
  checker->set_targets(targets(*net::Address::parse("10.0.0.1:80")));
  const auto second = [&] {
    for (int ms = 0; ms < 1000; ++ms) {
      loop.advance(1);
      loop.settle();
      script.answer(loop);
      loop.settle();
    }
  };
  second();
  const uint64_t before = counted.passed;
  const double began = thread_seconds();
  for (auto _ : state) second();
  report(state, thread_seconds() - began);
  const double made = double(counted.passed - before), due = double(state.iterations()) * double(kEndpoints);
  if (counted.failed > 0 || made < due * 0.98 - double(kEndpoints)) fail(state, "checks are missing");
}
BENCHMARK(checks_memory)->Unit(benchmark::kMillisecond);

// ---- over the loopback ----------------------------------------------------------------------------

// Answers whatever comes with a 200, on a thread of its own.
class Services final : net::AcceptEvents {
 public:
  Services() {
    std::promise<net::Address> bound;
    auto at = bound.get_future();
    thread_ = std::thread([this, &bound] { serve(bound); });
    address_ = at.get();
  }
  ~Services() {
    loop_->post([this] {
      connections_.clear();
      listener_.reset();
      loop_->close([] {});
    });
    thread_.join();
  }
  const net::Address& address() const { return address_; }

 private:
  struct Connection final : net::StreamEvents {
    explicit Connection(std::unique_ptr<net::Stream> s) : stream(std::move(s)) {
      stream->set_events(this);
      stream->start_read(4096);
    }
    void on_data(char*, size_t) override {
      const net::Slice answer{kAnswer.data(), kAnswer.size()};
      stream->write(&answer, 1);
    }
    void on_eof() override {}
    void on_drained() override {}
    void on_error(const net::StreamError&) override {}
    std::unique_ptr<net::Stream> stream;
  };
  void on_accept(std::unique_ptr<net::Stream> stream) override {
    connections_.push_back(std::make_unique<Connection>(std::move(stream)));
  }
  void on_accept_error(int) override {}
  void serve(std::promise<net::Address>& bound) {
    net::UvLoop loop(net::real_clock());
    loop_ = &loop;
    if (!loop.open()) return bound.set_value({});
    auto network = net::uv_network(loop);
    auto listener = network->listen(*net::Address::parse("127.0.0.1:0"), {}, *this);
    if (!listener) return bound.set_value({});
    listener_ = std::move(*listener);
    bound.set_value(listener_->address());
    loop.run();
  }

  std::thread thread_;
  net::UvLoop* loop_ = nullptr;
  std::unique_ptr<net::Listener> listener_;
  std::vector<std::unique_ptr<Connection>> connections_;
  net::Address address_;
};

void checks_loopback(benchmark::State& state) {
  Services services;
  net::UvLoop loop(net::real_clock());
  if (!loop.open()) return fail(state, "no loop");
  auto network = net::uv_network(loop);
  Counted counted;
  double used = 0;
  uint64_t made = 0;
  {
    auto checker = Checker::make(loop, *network, checks(), counted, 1);
    checker->set_targets(targets(services.address()));
    const auto second = [&] {
      bool over = false;
      net::Timer timer(loop, [&] { over = true; });
      timer.start(1000);
      // As a host does it: sleeps until there is something to do.
      while (!over) {
        fd_set readable;
        FD_ZERO(&readable);
        FD_SET(loop.fd(), &readable);
        const int ms = loop.timeout();
        timeval wait{ms / 1000, ms % 1000 * 1000};
        if (ms != 0) select(loop.fd() + 1, &readable, nullptr, nullptr, ms < 0 ? nullptr : &wait);
        while (loop.step()) {
        }
      }
    };
    second();
    const uint64_t before = counted.passed;
    for (auto _ : state) {
      const double began = thread_seconds();
      second();
      const double now = thread_seconds() - began;
      used += now;
      state.SetIterationTime(now);
    }
    made = counted.passed - before;
  }
  loop.close([] {});
  loop.run();
  report(state, used);
  if (counted.failed > 0 || made < kEndpoints / 2) fail(state, "checks are missing");
}
BENCHMARK(checks_loopback)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(3);

// ---- outliers -------------------------------------------------------------------------------------

struct Hosts {
  explicit Hosts(size_t n) : outliers({}, 1, [](const Outliers::Edge&) {}) {
    for (size_t i = 0; i < n; ++i) records.push_back(std::make_shared<OutlierRecord>());
    outliers.set_hosts(records);
  }
  Outliers outliers;
  std::vector<std::shared_ptr<OutlierRecord>> records;
};

void record_success(benchmark::State& state) {
  static Hosts hosts(200);
  size_t i = size_t(state.thread_index());
  for (auto _ : state) {
    hosts.outliers.record(*hosts.records[i], Sign::success, 1);
    if (++i == hosts.records.size()) i = 0;
  }
}
BENCHMARK(record_success)->ThreadRange(1, 2);

void record_mixed(benchmark::State& state) {  // one failure in eight, never enough in a row
  Hosts hosts(200);
  size_t i = 0;
  for (auto _ : state) {
    hosts.outliers.record(*hosts.records[i % 200], i % 8 == 0 ? Sign::server_error : Sign::success, 1);
    ++i;
  }
}
BENCHMARK(record_mixed);

void sweep(benchmark::State& state) {
  Hosts hosts(size_t(state.range(0)));
  for (auto _ : state) {
    state.PauseTiming();
    for (auto& record : hosts.records) {
      for (int i = 0; i < 100; ++i) hosts.outliers.record(*record, Sign::success, 1);
    }
    state.ResumeTiming();
    hosts.outliers.sweep(1);
  }
}
BENCHMARK(sweep)->Arg(200)->Arg(10'000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace cardea::bench

int main(int argc, char** argv) {
  return cardea::bench::run(argc, argv);
}
