// Checks of every kind against peers that do anything at any time, while targets come and go and the checker is deleted
// wherever it may be: nothing breaks, nothing leaks, every edge is told once.
#include <map>

#include "h2_peer.h"
#include "health_fixture.h"

namespace cardea::health {
namespace {

class ChaosTest : public HealthTest {
 protected:
  void run(uint64_t seed);
  void behave(net::FakePeer& peer);
  void meddle();

  bool meddles = true;  // targets come and go, and the checker
  Random random{1};
  std::map<std::string, std::string> last;  // of each host, what was told of it
  size_t told = 0, deleted = 0;
};

const std::vector<std::string>& words() {
  using namespace http::test;
  static const std::vector<std::string> all = {
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\nx-envoy-degraded: 1\r\n\r\nok",
      "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
      "HTTP/1.1 200 OK\r\n",
      "HTTP/1.1 100 x\r\n\r\n",
      "ok",
      std::string("\0\xff\x80", 3),
      std::string(70'000, 'x'),
      settings() + frame(kSettings, kAck, 0),
      headers(1, {{":status", "200"}, {"content-length", "2"}}, kEndHeaders) + data(1, "ok", true),
      headers(1, {{":status", "200"}, {"content-type", "application/grpc"}}, kEndHeaders) +
          data(1, std::string("\0\0\0\0\2\x08\1", 7)) + headers(1, {{"grpc-status", "0"}}),
      headers(3, {{":status", "200"}}),
      headers(1, {{":status", "500"}}),
      rst(1, 2),
      frame(kGoaway, 0, 0, u32(1) + u32(0)),
      frame(kPing, 0, 0, "12345678"),
      "open h2",
      "open http/1.1",
      "open",
      "verify",
  };
  return all;
}

void ChaosTest::behave(net::FakePeer& peer) {
  if (peer.closed) return;
  switch (random.below(20)) {
    case 0:
      return peer.reset();
    case 1:
      return peer.hold_writes();
    case 2:
      return peer.release_writes();
    case 3:
    case 4:
      return;
    default:
      peer.send(words()[random.below(words().size())]);
      if (random.below(3) == 0) peer.send(words()[random.below(words().size())]);
  }
}

void ChaosTest::meddle() {
  if (!checker || !meddles || random.below(10) > 0) return;
  if (random.below(8) == 0) {
    ++deleted;
    return loop.defer_delete(std::move(checker));
  }
  std::vector<Target> targets;
  for (uint64_t id = 1; id <= 6; ++id) {
    if (random.below(3) > 0) targets.push_back(shape(target(id)));
  }
  checker->set_targets(std::move(targets));
  last.clear();
}

void ChaosTest::run(uint64_t seed) {
  random = Random(seed);
  checks.clear();
  last.clear();
  for (uint64_t n = 1 + random.below(3); n > 0; --n) {
    CheckConfig& c = add(CheckConfig::Kind(random.below(4)));
    c.interval = 1 + random.below(200);
    c.timeout = 1 + random.below(100);
    c.healthy_threshold = uint32_t(1 + random.below(3));
    c.reuse_connection = random.below(3) > 0;
    c.http2 = random.below(2) == 0;
    if (random.below(2) == 0) c.send = std::string(random.below(2) * 50'000 + 1, 's');
    if (random.below(2) == 0) c.receive = {"o", "k"};
    if (random.below(2) == 0) c.method = "POST";
  }
  const bool secure = random.below(3) == 0;
  shape = [&, secure](Target t) {
    if (secure) t.tls = std::make_shared<net::FakeTlsContext>();
    t.http2 = random.below(2) == 0;
    return t;
  };
  at_custom = [this](uint64_t, uint64_t token) {
    meddle();
    if (checker && random.below(2) == 0) checker->complete(token - random.below(3), random.below(2) == 0);
    return random.below(3) > 0;
  };
  at_attempt = at_verdict = [this](uint64_t) { meddle(); };
  for (uint64_t id = 1; id <= 6; ++id) {
    net::FakeService& service = network.serve(address(id));
    service.refuse = random.below(8) == 0 ? ECONNREFUSED : 0;
    service.on_connect = [this](std::shared_ptr<net::FakePeer> peer) { behave(*peer); };
  }
  make({1, 2, 3, 4, 5, 6}, seed);
  for (int step = 0; step < 150 && checker; ++step) {
    for (uint64_t id = 1; id <= 6; ++id) {
      net::FakeService& service = network.service(address(id));
      if (service.last() && random.below(2) == 0) behave(*service.last());
    }
    if (random.below(50) == 0) checker->set_used();
    loop.advance(random.below(60));
    for (const std::string& verdict : take_verdicts()) {
      // Only a host that was removed and came back may be told the same again.
      const size_t space = verdict.find(' ');
      std::string& before = last[verdict.substr(0, space)];
      const std::string now = verdict.substr(space, verdict.find(':') - space);
      if (!meddles) {
        EXPECT_NE(before, now);
      }
      before = now;
      ++told;
    }
  }
  drop();
  loop.run();
  EXPECT_EQ(network.open_streams(), 0u) << "seed " << seed;
}

TEST_F(ChaosTest, NothingBreaks) {
  for (uint64_t seed = 1; seed <= 150; ++seed) run(seed);
  EXPECT_GT(told, 1000u);
  EXPECT_GT(deleted, 20u);
}

TEST_F(ChaosTest, EdgesAreToldOnce) {
  meddles = false;
  for (uint64_t seed = 1000; seed < 1040; ++seed) run(seed);
  EXPECT_GT(told, 200u);
}

}  // namespace
}  // namespace cardea::health
