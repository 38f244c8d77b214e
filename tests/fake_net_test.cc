// The network in memory keeps the contract of the real one.
#include "fake_net.h"
#include "net_events.h"

namespace cardea::net {
namespace {

TEST(FakeNet, ConnectsServesAndListens) {
  FakeLoop loop;
  FakeNetwork network(loop);
  auto& service = network.serve("10.0.0.1:80");
  Connector client;
  client.connecting = network.connect(*Address::parse("10.0.0.1:80"), client);
  EXPECT_EQ(client.stream, nullptr);
  loop.run();
  ASSERT_NE(client.stream, nullptr);
  Recorder events;
  client.stream->set_events(&events);
  client.stream->start_read(5);
  service.last()->send("one");
  service.last()->send("two three");
  service.last()->send_eof();
  send_text(*client.stream, "hello");
  EXPECT_EQ(service.last()->received, "hello");
  loop.run();
  EXPECT_EQ(events.bytes, "onetwo three");
  EXPECT_EQ(events.largest, 5u);
  EXPECT_EQ(events.eofs, 1);
  client.stream.reset();
  EXPECT_TRUE(service.last()->closed);
  EXPECT_EQ(network.open_streams(), 0u);

  Acceptor acceptor;
  auto listener = network.listen(*Address::parse(":0"), {}, acceptor);
  ASSERT_TRUE(listener);
  const std::string text = (*listener)->address().text();
  EXPECT_FALSE(network.listen((*listener)->address(), {}, acceptor));
  (*listener)->pause();
  auto far = network.dial(text);
  loop.run();
  EXPECT_TRUE(acceptor.streams.empty());
  (*listener)->resume();
  network.fail_accept(text, EMFILE);
  loop.run();
  EXPECT_EQ(acceptor.streams.size(), 1u);
  EXPECT_EQ(acceptor.errors, std::vector<int>{EMFILE});
}

TEST(FakeNet, BackpressureResetsAndRefusals) {
  FakeLoop loop;
  FakeNetwork network(loop);
  auto [stream, far] = network.stream();
  Recorder events;
  stream->set_events(&events);
  far->set_window(3);
  send_text(*stream, "abcdef");
  loop.run();
  EXPECT_EQ(far->received, "abc");
  EXPECT_EQ(stream->queued(), 3u);
  stream->shutdown();
  far->release_writes();
  loop.run();
  EXPECT_EQ(far->received, "abcdef");
  EXPECT_TRUE(far->eof);
  EXPECT_EQ(events.drained, 1);
  far->reset();
  loop.run();
  EXPECT_EQ(events.error, ECONNRESET);
  EXPECT_EQ(events.errors, 1);

  network.refuse("10.0.0.2:80", EHOSTUNREACH);
  network.blackhole("10.0.0.3:80");
  network.serve("10.0.0.4:80").delay = 100;
  const struct {
    const char* address;
    int error;
    bool connected;
  } rows[] = {{"10.0.0.2:80", EHOSTUNREACH, false},
              {"10.0.0.3:80", 0, false},
              {"10.0.0.4:80", 0, true},
              {"10.0.0.5:80", ECONNREFUSED, false}};
  for (auto& row : rows) {
    Connector c;
    c.connecting = network.connect(*Address::parse(row.address), c);
    loop.advance(99);
    EXPECT_EQ(c.stream, nullptr);
    loop.advance(1);
    EXPECT_EQ(c.error, row.error) << row.address;
    EXPECT_EQ(c.stream != nullptr, row.connected) << row.address;
  }
}

TEST(FakeNet, ResolvesByScript) {
  FakeLoop loop;
  FakeNetwork network(loop);
  network.answer("a.test", {"10.0.0.1", "2001:db8::1"}, 5000, 10);
  network.fail_name("b.test", 3, "server failure");
  auto resolver = network.resolver({});
  ASSERT_TRUE(resolver);
  Resolution a, b, c;
  a.resolving = (*resolver)->resolve("a.test", Family::automatic, a);
  b.resolving = (*resolver)->resolve("b.test", Family::all, b);
  loop.run();
  EXPECT_EQ(a.calls, 0);
  EXPECT_EQ(b.status, 3);
  loop.advance(10);
  EXPECT_EQ(a.text, "2001:db8::1");
  EXPECT_EQ(a.ttl, 5000u);
  c.resolving = (*resolver)->resolve("unknown.test", Family::all, c);
  loop.run();
  EXPECT_EQ(c.status, kNotFound);
}

}  // namespace
}  // namespace cardea::net
