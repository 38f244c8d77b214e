// What it costs to judge everybody again: 10,000 live streams after a change of the configuration, when all of them may
// go on, and when none may.
//
// A round is cut into turns, so `longest_turn_us` is what other traffic waits.
#include <ctime>
#include <deque>

#include "config/config.h"
#include "memory_net.h"
#include "proxy/exchange.h"
#include "proxy/proxy.h"
#include "proxy/worker.h"
#include "run.h"

namespace {

using namespace cardea;
using bench::FarEnd;

constexpr int kStreams = 10'000, kHosts = 20;

// Knows everybody.
class Hooks final : public proxy::Hooks {
 public:
  bool authorizes() const override { return true; }
  Answer on_authorize(proxy::Exchange&, uint64_t token) override {
    proxy::authorize_complete(token, true, R"({"user":"u1","email":"u1@example.com","groups":["staff","oncall"]})");
    return Answer::pending;
  }
};

config::SnapshotPtr snapshot(int generation, const char* mallory = "mallory@example.com") {
  std::string file = "address: 127.0.0.1:0\ninsecure_server: true\nroutes:\n";
  for (int i = 0; i < kHosts; ++i) {
    const std::string n = std::to_string(i);
    file += "- from: https://app" + n + ".example\n  to: http://10.0.0." + std::to_string(1 + i) +
            ":80\n  description: generation " + std::to_string(generation) +
            "\n  policy:\n  - deny: {or: [{email: " + mallory +
            "}, {source_ip: 198.51.100.0/24}]}\n"
            "  - allow: {and: [{host: x}, {domain: example.com}, {groups: oncall}, {http_method: GET},"
            " {time_of_day: {timezone: Europe/Berlin, after: '00:00', before: '23:59:59'}}]}\n";
  }
  yaml::Faults faults;
  auto draft = config::load(file, "", faults);
  return draft ? config::freeze(*draft, {}, faults) : nullptr;
}

// A service that answers each connection's first request with a stream that does not end.
class Service final : public bench::MemoryNetwork::Service {
 public:
  FarEnd& accept() override { return connections_.emplace_back().far; }
  void run(net::Loop& loop) {
    for (; served_ < connections_.size() && !connections_[served_].received.empty(); ++served_) {
      connections_[served_].far.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
      connections_[served_].far.deliver(loop);
    }
  }

 private:
  struct Connection {
    std::string received;
    FarEnd far{received};
  };
  std::deque<Connection> connections_;
  size_t served_ = 0;
};

class World {
 public:
  World() : network_(loop_, service_) {
    proxy_ = std::make_shared<proxy::Proxy>(snapshot(0), std::make_unique<Hooks>());
    {
      net::Loop::Turn turn(loop_);
      worker_ = std::make_unique<proxy::Worker>(proxy_, loop_, network_);
      ready_ = bool(worker_->open());
    }
    for (int i = 0; i < kStreams && ready_; ++i) {
      FarEnd& client = clients_.emplace_back(received_);
      network_.accept(network_.make_client(client));
      request_ = "GET /events HTTP/1.1\r\nHost: app" + std::to_string(i % kHosts) + ".example\r\n\r\n";
      client.send(request_);
      for (int round = 0; round < 3; ++round) {
        client.deliver(loop_);
        loop_.settle();
        service_.run(loop_);
        loop_.settle();
      }
    }
    loop_.advance(2000);
    loop_.settle();  // they have leases now
  }
  ~World() {
    worker_->close(nullptr);
    loop_.settle();
    worker_.reset();
    loop_.settle();
  }
  // The longest turn in microseconds of CPU time.
  double apply(config::SnapshotPtr next) {
    if (!proxy_->apply(std::move(next))) return 0;
    double longest = 0;
    for (int turn = 0; turn < kStreams && judged() < expected_; ++turn) {
      const double before = cpu_us();
      loop_.update_time();
      loop_.run_due();
      longest = std::max(longest, cpu_us() - before);
    }
    loop_.settle();
    return longest;
  }
  uint64_t judged() const { return worker_->counters().judgements_total; }
  uint64_t live() const { return worker_->counters().requests_active; }
  void expect(uint64_t n) { expected_ = judged() + n; }
  bool ready() const { return ready_; }

 private:
  static double cpu_us() {
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return double(t.tv_sec) * 1e6 + double(t.tv_nsec) / 1e3;
  }
  bench::MemoryLoop loop_;
  Service service_;
  bench::MemoryNetwork network_;
  std::deque<FarEnd> clients_;
  std::string received_, request_;
  std::shared_ptr<proxy::Proxy> proxy_;
  std::unique_ptr<proxy::Worker> worker_;
  uint64_t expected_ = 0;
  bool ready_ = false;
};

void judge_all(benchmark::State& state) {
  World world;
  if (!world.ready() || world.live() != kStreams) return bench::fail(state, "the streams are not open");
  std::vector<config::SnapshotPtr> next = {snapshot(1), snapshot(2)};
  size_t n = 0;
  double longest = 0;
  for (auto _ : state) {
    world.expect(kStreams);
    const uint64_t before = world.judged();
    longest = std::max(longest, world.apply(next[n++ % 2]));
    if (world.judged() - before != kStreams || world.live() != kStreams) {
      return bench::fail(state, "not everybody was judged, or somebody was harmed");
    }
  }
  state.counters["streams"] = kStreams;
  state.counters["longest_turn_us"] = longest;
}
BENCHMARK(judge_all)->Unit(benchmark::kMillisecond);

void end_all(benchmark::State& state) {
  const config::SnapshotPtr next = snapshot(1, "u1@example.com");
  double longest = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto world = std::make_unique<World>();
    if (!world->ready() || world->live() != kStreams) return bench::fail(state, "the streams are not open");
    world->expect(kStreams);
    state.ResumeTiming();
    longest = std::max(longest, world->apply(next));
    if (world->live() != 0) return bench::fail(state, "somebody goes on");
    state.PauseTiming();
    world.reset();
    state.ResumeTiming();
  }
  state.counters["streams"] = kStreams;
  state.counters["longest_turn_us"] = longest;
}
BENCHMARK(end_all)->Unit(benchmark::kMillisecond)->Iterations(5);

}  // namespace

int main(int argc, char** argv) {
  return bench::run(argc, argv);
}
