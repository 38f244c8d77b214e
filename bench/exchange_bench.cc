// What a whole exchange costs in memory: client's bytes -> session -> exchange -> route -> pool -> service's bytes, and
// the answer back. And what a session costs that waits for its next request.
//
// The two ends are part of the numbers: each byte is copied once on its way in and once on its way out, as by a kernel.
#include "meter.h"

#include <deque>
#include <map>

#include "config/config.h"
#include "memory_net.h"
#include "messages.h"
#include "proxy/proxy.h"
#include "proxy/worker.h"
#include "run.h"

namespace {

using namespace cardea;
using bench::Body;
using bench::FarEnd;

constexpr int kMaxHosts = 64;           // that requests ask for in turn
constexpr int kExchangesPerMilli = 32;  // how fast the clock goes
constexpr int kWarmUp = 256;

struct Shape {
  bool down_h2, up_h2;
  int routes;
  Body request, answer;
};

std::string host_of(int route) {
  char text[32];
  snprintf(text, sizeof text, "app%05d.example.com", route);  // as long with one route as with many
  return text;
}

// Routes differ by their hosts and share a service. Kept: 10,000 of them take a while to load.
config::SnapshotPtr snapshot_of(bool up_h2, int routes) {
  static std::map<std::pair<bool, int>, config::SnapshotPtr> made;
  config::SnapshotPtr& found = made[{up_h2, routes}];
  if (found) return found;
  std::string file = "address: 127.0.0.1:0\ninsecure_server: true\nroutes:\n";
  for (int i = 0; i < routes; ++i) {
    file += "- from: https://" + host_of(i) + "\n  to: " + (up_h2 ? "h2c" : "http") +
            "://10.0.0.1:80\n  allow_public_unauthenticated_access: true\n";
  }
  yaml::Faults faults;
  auto draft = config::load(file, "", faults);
  if (draft) found = config::freeze(*draft, {}, faults);
  return found;
}

// The messages of one side, in the protocol that it speaks. Shared by every connection of that side.
class Messages {
 public:
  Messages(bool h2, bool client, const Shape& shape) : h2_(h2) {
    const int count = client ? std::min(shape.routes, kMaxHosts) : 1;
    if (h2) greeting_ = bench::h2_greeting(client);
    for (int i = 0; i <= count; ++i) {
      const std::string host = host_of(int(std::max(i - 1, 0) * 7919LL % shape.routes));
      if (h2) {
        h2_messages_.push_back(client ? encoder_.request(host, false, shape.request) : encoder_.answer(shape.answer));
      } else {
        h1_messages_.push_back(client ? bench::h1_request(host, false, shape.request) : bench::h1_answer(shape.answer));
      }
    }
  }
  size_t count() const { return std::max(h1_messages_.size(), h2_messages_.size()) - 1; }
  // `first` of its connection.
  Bytes get(size_t i, bool first, uint32_t stream) {
    const size_t at = first ? 0 : 1 + i % count();
    return h2_ ? Bytes(h2_messages_[at].on(stream)) : Bytes(h1_messages_[at]);
  }
  const std::string& greeting() const { return greeting_; }

 private:
  const bool h2_;
  bench::H2Encoder encoder_;
  std::vector<bench::H2Message> h2_messages_;
  std::vector<std::string> h1_messages_;
  std::string greeting_;
};

// Finds the ends of the messages that come on one connection. Every message of HTTP/1.1 there is as long as the first.
class Inbox {
 public:
  Inbox(bool h2, bool server, size_t body) : h2_(h2), preface_(h2 && server ? 24 : 0), body_(body) {}

  // True when the last byte of a message is there; takes it out.
  bool take(std::string& received) { return h2_ ? take_h2(received) : take_h1(received); }
  uint32_t stream() const { return stream_; }
  bench::H2Window& window() { return window_; }
  bool is_broken() const { return broken_; }

 private:
  bool take_h1(std::string& received) {
    if (!size_) {
      const size_t head = received.find("\r\n\r\n");
      if (head == std::string::npos) return false;
      size_ = head + 4 + body_;
      broken_ |= received.starts_with("HTTP/") && !received.starts_with("HTTP/1.1 200");
    }
    if (received.size() < size_) return false;
    broken_ |= received.size() > size_;
    received.clear();
    return true;
  }
  bool take_h2(std::string& received) {
    bool whole = false;
    size_t at = std::min(std::exchange(preface_, 0), received.size());
    for (; received.size() - at >= 9;) {
      const auto* head = reinterpret_cast<const uint8_t*>(received.data()) + at;
      const size_t length = size_t(head[0]) << 16 | size_t(head[1]) << 8 | head[2];
      if (received.size() - at < 9 + length) break;
      at += 9 + length;
      broken_ |= head[3] == http::test::kRst || head[3] == http::test::kGoaway;
      if (head[3] == http::test::kData) {
        got_ += length;
        window_.take(length);
      } else if (head[3] != http::test::kHeaders) {
        continue;
      }
      if (!(head[4] & http::test::kEndStream)) continue;
      broken_ |= whole || std::exchange(got_, 0) != body_;
      whole = true;
      stream_ = uint32_t(head[5]) << 24 | uint32_t(head[6]) << 16 | uint32_t(head[7]) << 8 | head[8];
    }
    received.erase(0, at);
    return whole;
  }

  const bool h2_;
  size_t preface_;
  const size_t body_;
  size_t size_ = 0, got_ = 0;
  uint32_t stream_ = 0;
  bench::H2Window window_;
  bool broken_ = false;
};

// A client of one connection.
struct Client {
  Client(const Shape& shape, std::string& received) : far(received), inbox(shape.down_h2, false, shape.answer.size) {}
  FarEnd far;
  Inbox inbox;
  uint32_t next_stream = 1;
  std::string first;  // greeting and first request
};

// A service that answers each request as soon as it is complete.
class Service final : public bench::MemoryNetwork::Service {
 public:
  explicit Service(const Shape& shape) : shape_(shape), messages_(shape.up_h2, false, shape) {}
  FarEnd& accept() override {
    Connection& c = connections_.emplace_back(shape_);
    c.far.send(messages_.greeting());
    return c.far;
  }
  // True when something has happened.
  bool run(net::Loop& loop) {
    bool any = false;
    for (Connection& c : connections_) {
      if (c.far.idle() && c.inbox.window().is_due()) {
        c.far.send(c.inbox.window().update());
      } else if (c.far.idle() && !c.received.empty() && c.inbox.take(c.received)) {
        c.far.send(messages_.get(0, std::exchange(c.first, false), c.inbox.stream()));
        ++answered_;
      }
      any |= c.far.deliver(loop);
      broken_ |= c.inbox.is_broken();
    }
    return any;
  }
  size_t answered() const { return answered_; }
  bool is_broken() const { return broken_; }

 private:
  struct Connection {
    explicit Connection(const Shape& shape) : far(received), inbox(shape.up_h2, true, shape.request.size) {}
    std::string received;
    FarEnd far;
    Inbox inbox;
    bool first = true;
  };
  const Shape shape_;
  Messages messages_;
  std::deque<Connection> connections_;
  size_t answered_ = 0;
  bool broken_ = false;
};

// A proxy with its service, and what its clients say.
class World {
 public:
  explicit World(const Shape& shape)
      : service_(shape), network_(loop_, service_), messages_(shape.down_h2, true, shape) {
    const config::SnapshotPtr snapshot = snapshot_of(shape.up_h2, shape.routes);
    if (!snapshot) return;
    proxy_ = std::make_shared<proxy::Proxy>(snapshot, std::make_unique<proxy::Hooks>());
    net::Loop::Turn turn(loop_);
    worker_ = std::make_unique<proxy::Worker>(proxy_, loop_, network_);
    ready_ = bool(worker_->open());
  }
  ~World() {
    if (worker_) worker_->close(nullptr);
    loop_.settle();
    worker_.reset();
    loop_.settle();
  }
  World(const World&) = delete;

  std::unique_ptr<net::Stream> make_stream(Client& client) const { return network_.make_client(client.far); }
  void accept(std::unique_ptr<net::Stream> stream) { network_.accept(std::move(stream)); }

  // False: no answer came.
  bool exchange(Client& client) {
    if (++exchanges_ % kExchangesPerMilli == 0) loop_.advance(1);
    if (client.inbox.window().is_due()) {
      client.far.send(client.inbox.window().update());
      client.far.deliver(loop_);
    }
    const bool first = client.next_stream == 1;
    Bytes request = messages_.get(exchanges_, first, client.next_stream);
    client.next_stream += 2;
    if (first) request = client.first = messages_.greeting() + std::string(request);
    client.far.send(request);
    bool answered = false;
    for (bool any = true; any;) {
      any = client.far.deliver(loop_);
      loop_.settle();
      any |= service_.run(loop_);
      loop_.settle();
      answered |= !client.far.received().empty() && client.inbox.take(client.far.received());
    }
    return answered;
  }
  void close(Client& client) {
    client.far.close(loop_);
    loop_.settle();
    received_.clear();  // its goodbye
  }
  bool is_ready() const { return ready_; }
  bool is_broken() const { return service_.is_broken(); }
  size_t answered() const { return service_.answered(); }
  size_t sessions() const { return worker_->sessions(); }
  std::string& received() { return received_; }

 private:
  bench::MemoryLoop loop_;
  Service service_;
  bench::MemoryNetwork network_;
  Messages messages_;
  std::string received_;
  size_t exchanges_ = 0;
  std::shared_ptr<proxy::Proxy> proxy_;
  std::unique_ptr<proxy::Worker> worker_;
  bool ready_ = false;
};

void exchange(benchmark::State& state, const Shape& shape) {
  World world(shape);
  if (!world.is_ready()) return bench::fail(state, "the configuration is not valid");
  Client client(shape, world.received());
  world.accept(world.make_stream(client));
  bool good = true;
  for (int i = 0; i < kWarmUp; ++i) good &= world.exchange(client);
  const size_t answered = world.answered();
  const bench::Meter meter;
  for (auto _ : state) good &= world.exchange(client);
  meter.report(state);
  if (!good || world.is_broken() || client.inbox.is_broken() ||
      world.answered() - answered != size_t(state.iterations())) {
    bench::fail(state, "an exchange was lost");
  }
}

// Connections that come, have one exchange each, wait, and go.
void session(benchmark::State& state, const Shape& shape) {
  constexpr size_t kSessions = 500;
  World world(shape);
  if (!world.is_ready()) return bench::fail(state, "the configuration is not valid");
  bool good = true;
  size_t memory = 0;
  const auto round = [&](std::deque<Client>& clients, std::vector<std::unique_ptr<net::Stream>>& streams) {
    const size_t before = bench::heap_bytes();
    for (size_t i = 0; i < kSessions; ++i) {
      world.accept(std::move(streams[i]));
      good &= world.exchange(clients[i]);
      clients[i].first = std::string();
    }
    good &= world.sessions() == kSessions;
    memory = bench::heap_bytes() - before;
    for (Client& c : clients) world.close(c);
    good &= world.sessions() == 0;
  };
  // What stands for sockets is not counted: it is made before.
  std::deque<Client> clients;
  std::vector<std::unique_ptr<net::Stream>> streams;
  const auto prepare = [&] {
    clients.clear();
    streams.clear();
    for (size_t i = 0; i < kSessions; ++i) {
      streams.push_back(world.make_stream(clients.emplace_back(shape, world.received())));
    }
  };
  prepare();
  round(clients, streams);
  for (auto _ : state) {
    state.PauseTiming();
    prepare();
    state.ResumeTiming();
    round(clients, streams);
  }
  state.SetItemsProcessed(state.iterations() * int64_t(kSessions));
  if (bench::heap_bytes()) state.counters["idle_bytes"] = double(memory) / kSessions;
  if (!good || world.is_broken()) bench::fail(state, "a session was lost");
}

}  // namespace

int main(int argc, char** argv) {
  const auto protocol = [](bool h2) { return std::string(h2 ? "h2" : "h1"); };
  for (bool post : {false, true}) {
    for (bool down_h2 : {false, true}) {
      for (bool up_h2 : {false, true}) {
        for (int routes : {1, 100, 1000, 10'000}) {
          const Shape shape{down_h2, up_h2, routes, post ? Body{Body::length, 65536} : Body{},
                            post ? Body{} : Body{Body::length, 1024}};
          const std::string name = std::string(post ? "post_64k/" : "get_1k/") + protocol(down_h2) + "_to_" +
                                   protocol(up_h2) + "/routes:" + std::to_string(routes);
          benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& s) { exchange(s, shape); });
        }
      }
    }
  }
  for (bool h2 : {false, true}) {
    const Shape shape{h2, false, 1, {}, {Body::length, 1024}};
    benchmark::RegisterBenchmark(("session/" + protocol(h2)).c_str(), [=](benchmark::State& s) { session(s, shape); });
  }
  return cardea::bench::run(argc, argv);
}
