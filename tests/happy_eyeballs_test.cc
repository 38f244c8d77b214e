// Racing the addresses of one host: order, delays, who wins, which error remains.
#include "net/happy_eyeballs.h"

#include "fake_net.h"
#include "net_events.h"

namespace cardea::net {
namespace {

const std::string kSix = "[2001:db8::1]:80", kFour = "10.0.0.1:80", kOther = "10.0.0.2:80";

class HappyEyeballs : public testing::Test {
 protected:
  ~HappyEyeballs() override {
    connector.connecting.reset();
    connector.stream.reset();
    loop.advance(10'000);
    EXPECT_EQ(network.open_streams(), 0u);
  }
  void connect(const std::vector<std::string>& texts) {
    std::vector<Address> addresses;
    for (auto& text : texts) addresses.push_back(*Address::parse(text));
    Loop::Turn turn(loop);
    connector.connecting = connect_first(loop, network, addresses, connector);
    EXPECT_EQ(connector.stream, nullptr);
    EXPECT_EQ(connector.error, 0);
  }
  std::string winner() const { return connector.stream ? connector.stream->peer().text() : ""; }
  size_t attempts(const std::string& address) { return network.service(address).attempts; }

  FakeLoop loop;
  FakeNetwork network{loop};
  Connector connector;
};

TEST_F(HappyEyeballs, TheFirstAloneWhenItIsQuick) {
  network.serve(kSix);
  network.serve(kFour);
  network.delay(kSix, 249);
  connect({kSix, kFour});
  loop.advance(249);
  EXPECT_EQ(winner(), kSix);
  loop.advance(1'000);
  EXPECT_EQ(attempts(kFour), 0u);
}

TEST_F(HappyEyeballs, TheNextAfterADelay) {
  network.blackhole(kSix);
  network.blackhole(kFour);
  network.serve(kOther);
  connect({kSix, kFour, kOther});
  loop.advance(249);
  EXPECT_EQ(attempts(kFour), 0u);
  loop.advance(1);
  EXPECT_EQ(attempts(kFour), 1u);
  loop.advance(249);
  EXPECT_EQ(attempts(kOther), 0u);
  loop.advance(1);
  EXPECT_EQ(winner(), kOther);
}

TEST_F(HappyEyeballs, TheNextAtOnceAfterAFailure) {
  network.refuse(kSix);
  network.serve(kFour);
  connect({kSix, kFour});
  loop.run();
  EXPECT_EQ(winner(), kFour);
}

TEST_F(HappyEyeballs, AFailureGivesTheNextItsFullDelay) {
  network.refuse(kSix);
  network.delay(kSix, 100);
  network.blackhole(kFour);
  network.serve(kOther);
  connect({kSix, kFour, kOther});
  loop.advance(100);
  EXPECT_EQ(attempts(kFour), 1u);
  loop.advance(249);
  EXPECT_EQ(attempts(kOther), 0u);
  loop.advance(1);
  EXPECT_EQ(winner(), kOther);
}

TEST_F(HappyEyeballs, ALateFailureHurriesNobody) {
  network.refuse(kSix);
  network.delay(kSix, 300);
  network.blackhole(kFour);
  network.serve(kOther);
  connect({kSix, kFour, kOther});
  loop.advance(499);
  EXPECT_EQ(attempts(kOther), 0u);
  loop.advance(1);
  EXPECT_EQ(winner(), kOther);
}

TEST_F(HappyEyeballs, TheFirstToAnswerWinsAndTheOthersAreDropped) {
  network.serve(kSix);
  network.serve(kFour);
  network.delay(kSix, 400);
  network.delay(kFour, 100);
  connect({kSix, kFour});
  loop.advance(350);
  EXPECT_EQ(winner(), kFour);
  loop.advance(1'000);
  EXPECT_EQ(network.service(kSix).connections.size(), 0u);
}

TEST_F(HappyEyeballs, TheEarlierMayStillWin) {
  network.serve(kSix);
  network.serve(kFour);
  network.delay(kSix, 300);
  network.delay(kFour, 100);
  connect({kSix, kFour});
  loop.advance(300);
  EXPECT_EQ(winner(), kSix);
  loop.advance(1'000);
  EXPECT_EQ(network.service(kFour).connections.size(), 0u);
}

TEST_F(HappyEyeballs, OneConnectionIsToldThoughTheRaceIsKept) {
  struct Patient final : ConnectEvents {
    void on_connected(std::unique_ptr<Stream> s) override { streams.push_back(std::move(s)); }
    void on_connect_failed(int) override { ++failures; }
    std::vector<std::unique_ptr<Stream>> streams;
    int failures = 0;
  } patient;
  network.serve(kSix);
  network.delay(kSix, 400);
  network.serve(kFour);
  network.refuse(kOther);
  auto race =
      connect_first(loop, network, {*Address::parse(kSix), *Address::parse(kFour), *Address::parse(kOther)}, patient);
  loop.advance(10'000);
  ASSERT_EQ(patient.streams.size(), 1u);
  EXPECT_EQ(patient.streams[0]->peer().text(), kFour);
  EXPECT_EQ(patient.failures, 0);
  EXPECT_EQ(network.service(kSix).connections.size() + attempts(kOther), 0u);
}

TEST_F(HappyEyeballs, WhenAllFailTheFirstSaysWhy) {
  struct Row {
    Millis delay;  // of the first
    Millis told;
  };
  for (Row row : {Row{0, 0}, Row{260, 260}, Row{5'000, 5'000}}) {
    connector.error = 0;
    network.refuse(kSix, EHOSTUNREACH);
    network.delay(kSix, row.delay);
    network.refuse(kFour, ECONNREFUSED);
    network.refuse(kOther, ETIMEDOUT);
    connect({kSix, kFour, kOther});
    if (row.told > 0) {
      loop.advance(row.told - 1);
      EXPECT_EQ(connector.error, 0) << row.delay;
    }
    loop.advance(1);
    EXPECT_EQ(connector.error, EHOSTUNREACH) << row.delay;
  }
}

TEST_F(HappyEyeballs, OneAddressAndNone) {
  network.serve(kFour);
  connect({kFour});
  loop.run();
  EXPECT_EQ(winner(), kFour);
  connector.stream.reset();
  connect({});
  loop.run();
  EXPECT_EQ(connector.error, EDESTADDRREQ);
}

TEST_F(HappyEyeballs, DeletionCancels) {
  network.serve(kSix);
  network.serve(kFour);
  network.delay(kSix, 300);
  network.delay(kFour, 300);
  connect({kSix, kFour, kOther});
  loop.advance(260);
  connector.connecting.reset();
  loop.advance(1'000);
  EXPECT_EQ(winner(), "");
  EXPECT_EQ(connector.error, 0);
  EXPECT_EQ(attempts(kOther), 0u);
  EXPECT_EQ(network.service(kSix).connections.size() + network.service(kFour).connections.size(), 0u);
}

}  // namespace
}  // namespace cardea::net
