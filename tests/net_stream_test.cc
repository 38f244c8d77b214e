// Streams over real sockets: bytes, backpressure, ends and resets.
#include <fcntl.h>

#include "uv_net.h"

namespace cardea::net {
namespace {

class UvNetOn : public UvNet, public testing::WithParamInterface<const char*> {};

TEST_P(UvNetOn, EchoesInBothDirections) {
  auto made = network->listen(*Address::parse(GetParam()), {}, acceptor);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE((*made)->address().is_unix() || (*made)->address().port() != 0);
  Connector client;
  client.connecting = network->connect((*made)->address(), client);
  EXPECT_EQ(client.stream, nullptr);
  ASSERT_TRUE(spin([&] { return client.stream && acceptor.streams.size() == 1; })) << client.error;
  Recorder at_client, at_server;
  Stream& server = *acceptor.streams[0];
  client.stream->set_events(&at_client);
  server.set_events(&at_server);
  client.stream->start_read(65536);
  server.start_read(65536);
  send_text(*client.stream, "ping");
  ASSERT_TRUE(spin([&] { return at_server.bytes == "ping"; }));
  const Slice slices[] = {{"po", 2}, {"", 0}, {"ng", 2}};
  server.write(slices, 3);
  server.shutdown();
  ASSERT_TRUE(spin([&] { return at_client.eofs == 1; }));
  EXPECT_EQ(at_client.bytes, "pong");
  EXPECT_EQ(client.stream->peer().text(), (*made)->address().text());
  if (!server.peer().is_unix()) {
    EXPECT_EQ(server.peer().text(), client.stream->local().text());
  }
  send_text(*client.stream, "half open");
  ASSERT_TRUE(spin([&] { return at_server.bytes == "pinghalf open"; }));
  client.stream.reset();
  ASSERT_TRUE(spin([&] { return at_server.eofs == 1; }));
  acceptor.streams.clear();
  EXPECT_EQ(at_client.errors + at_server.errors, 0);
}
INSTANTIATE_TEST_SUITE_P(Families, UvNetOn,
                         testing::Values("127.0.0.1:0", "[::1]:0", "unix:@cardea-net-test", "unix:net_test.sock"));

TEST_F(UvNet, ReadsAtMostWhatWasAskedForAndNothingWhenStopped) {
  join();
  near->start_read(10);
  ASSERT_EQ(write(far, std::string(100, 'x').data(), 100), 100);
  events.then = [&] {
    if (events.bytes.size() >= 30) near->stop_read();
  };
  ASSERT_TRUE(spin([&] { return events.bytes.size() >= 30; }));
  for (int i = 0; i < 20; ++i) loop.step();
  EXPECT_EQ(events.bytes.size(), 30u);
  EXPECT_EQ(events.largest, 10u);
  events.then = nullptr;
  near->start_read(65536);
  ASSERT_TRUE(spin([&] { return events.bytes.size() == 100; }));
  EXPECT_EQ(events.largest, 70u);
  close(far);
  ASSERT_TRUE(spin([&] { return events.eofs == 1; }));
  for (int i = 0; i < 20; ++i) loop.step();
  EXPECT_EQ(events.eofs, 1);
}

TEST_F(UvNet, QueuesUnderBackpressureAndDrainsOnce) {
  join();
  const std::string block(300000, 'b');
  size_t written = 0;
  while (near->queued() == 0) {
    send_text(*near, block);
    written += block.size();
    ASSERT_LT(written, size_t{1} << 30);
  }
  send_text(*near, "tail");
  written += 4;
  near->shutdown();
  EXPECT_EQ(events.drained, 0);
  std::string got;
  std::thread reader([&] { got = read_all(far); });
  EXPECT_TRUE(spin([&] { return events.drained == 1; }));
  EXPECT_EQ(near->queued(), 0u);
  reader.join();
  EXPECT_EQ(got.size(), written);
  EXPECT_EQ(got.substr(got.size() - 4), "tail");
  close(far);
}

TEST_F(UvNet, ManySlicesGoInOrderAndInFull) {
  join();
  std::vector<std::string> texts;
  std::vector<Slice> slices;
  std::string all;
  for (int i = 0; i < 1000; ++i) texts.push_back(std::to_string(i) + std::string(size_t(i % 3) * 700, '.'));
  for (auto& t : texts) {
    slices.push_back({t.data(), t.size()});
    all += t;
  }
  std::string got;
  std::thread reader([&] { got = read_all(far); });
  near->write(slices.data(), slices.size());
  near->shutdown();
  EXPECT_TRUE(spin([&] { return near->queued() == 0; }));
  reader.join();
  EXPECT_EQ(got, all);
  close(far);
}

TEST_F(UvNet, ResetWhileReadingIsAnError) {
  join();
  near->start_read(100);
  reset(far);
  ASSERT_TRUE(spin([&] { return events.errors == 1; }));
  EXPECT_EQ(events.error, ECONNRESET);
  EXPECT_FALSE(events.text.empty());
  send_text(*near, "swallowed");
  for (int i = 0; i < 20; ++i) loop.step();
  EXPECT_EQ(events.errors, 1);
  EXPECT_EQ(near->queued(), 0u);
}

// The peer resets while nobody reads: with and without bytes before the reset, the loop comes to rest,
// and the reset is not lost.
TEST_F(UvNet, ResetWhileStoppedNeitherSpinsNorIsLost) {
  for (const bool with_bytes : {false, true}) {
    events = {};
    join();
    near->start_read(100);
    if (with_bytes) {
      near->stop_read();
      ASSERT_EQ(write(far, "bytes", 5), 5);
      for (int i = 0; i < 10; ++i) loop.step();
    } else {
      ASSERT_EQ(write(far, "x", 1), 1);
      ASSERT_TRUE(spin([&] { return events.bytes == "x"; }));
      near->stop_read();
      ASSERT_EQ(write(far, "y", 1), 1);
      for (int i = 0; i < 10; ++i) loop.step();  // now only the peer's end is watched
      near->start_read(100);
      ASSERT_TRUE(spin([&] { return events.bytes == "xy"; }));
      near->stop_read();
    }
    reset(far);
    EXPECT_FALSE(spin([&] { return events.errors == (with_bytes ? 1 : 2); }, 50));
    // At rest: a wait for the descriptor runs into its time limit.
    while (loop.step()) {
    }
    pollfd p{loop.fd(), POLLIN, 0};
    EXPECT_EQ(poll(&p, 1, 50), 0);
    EXPECT_EQ(events.errors, with_bytes ? 0 : 1);
    near->start_read(100);
    ASSERT_TRUE(spin([&] { return events.errors == 1; }));
    EXPECT_EQ(events.error, ECONNRESET);
    EXPECT_EQ(events.bytes, with_bytes ? "bytes" : "xy");
    near.reset();
    listener.reset();
  }
}

TEST_F(UvNet, EndOfInputWhileStoppedNeitherSpinsNorIsLost) {
  join();
  near->start_read(100);
  near->stop_read();
  ASSERT_EQ(write(far, "z", 1), 1);
  ::shutdown(far, SHUT_WR);
  EXPECT_FALSE(spin([&] { return events.eofs > 0; }, 50));
  while (loop.step()) {
  }
  pollfd p{loop.fd(), POLLIN, 0};
  EXPECT_EQ(poll(&p, 1, 50), 0);
  near->start_read(100);
  ASSERT_TRUE(spin([&] { return events.eofs == 1; }));
  EXPECT_EQ(events.bytes, "z");
  // After the end nothing is left to watch.
  while (loop.step()) {
  }
  EXPECT_EQ(poll(&p, 1, 50), 0);
  send_text(*near, "answer");
  near.reset();
  EXPECT_EQ(read_all(far), "answer");
  close(far);
}

// No SIGPIPE, and no on_error from inside write().
TEST_F(UvNet, WritingToAResetPeerFailsLater) {
  join();
  reset(far);
  for (int i = 0; i < 3; ++i) send_text(*near, "x");
  EXPECT_EQ(events.errors, 0);
  ASSERT_TRUE(spin([&] { return events.errors == 1; }));
  EXPECT_TRUE(events.error == EPIPE || events.error == ECONNRESET) << events.error;
}

// An early answer, then a reset: the answer arrives although our write fails first.
TEST_F(UvNet, BytesBeforeAResetAreDeliveredWhenAWriteFails) {
  join();
  near->start_read(4);
  ASSERT_EQ(write(far, "413 too large", 13), 13);
  reset(far);
  for (int i = 0; i < 3; ++i) send_text(*near, "upload");
  ASSERT_TRUE(spin([&] { return events.errors == 1; }));
  EXPECT_EQ(events.bytes, "413 too large");
}

TEST_F(UvNet, ResetWhileTheQueueIsFullIsAnError) {
  join();
  const std::string block(1 << 20, 'b');
  for (int i = 0; i < 100 && near->queued() == 0; ++i) send_text(*near, block);
  ASSERT_GT(near->queued(), 0u);
  for (int i = 0; i < 5; ++i) loop.step();
  reset(far);
  ASSERT_TRUE(spin([&] { return events.errors == 1; }));
  EXPECT_EQ(near->queued(), 0u);
  EXPECT_EQ(events.drained, 0);
}

TEST_F(UvNet, ResetOnCloseSendsRst) {
  for (const bool abort : {false, true}) {
    join();
    if (abort) near->set_reset_on_close();
    near.reset();
    EXPECT_EQ(read_all(far), abort ? "|Connection reset by peer" : "");
    close(far);
    listener.reset();
  }
}

TEST_F(UvNet, AStreamMayBeDeletedInItsOwnEvent) {
  join();
  near->start_read(100);
  events.then = [&] {
    near->set_events(nullptr);
    loop.defer_delete(std::move(near));
    EXPECT_EQ(fcntl(far, F_GETFD) >= 0, true);
  };
  ASSERT_EQ(write(far, "x", 1), 1);
  ASSERT_TRUE(spin([&] { return events.bytes == "x"; }));
  EXPECT_EQ(near, nullptr);
  EXPECT_EQ(read_all(far), "");
  close(far);
}

TEST_F(UvNet, ARecycledDescriptorMeetsNoStaleWatcher) {
  auto made = network->listen(*Address::parse("127.0.0.1:0"), {}, acceptor);
  ASSERT_TRUE(made);
  for (int round = 0; round < 50; ++round) {
    const int a = dial((*made)->address()), b = dial((*made)->address());
    ASSERT_TRUE(spin([&] { return acceptor.streams.size() == 2; }));
    Recorder at[2];
    for (int i = 0; i < 2; ++i) {
      acceptor.streams[size_t(i)]->set_events(&at[i]);
      acceptor.streams[size_t(i)]->start_read(100);
    }
    // Both are readable in one pass; the first event ends the other stream, whose number is used again.
    std::unique_ptr<Stream> heir;
    Recorder at_heir;
    int other = -1;
    for (int i = 0; i < 2; ++i) {
      at[i].then = [&, i] {
        if (heir) return;
        acceptor.streams[size_t(1 - i)].reset();
        int pair[2];
        ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        other = pair[1];
        auto adopted = network->adopt(pair[0]);
        ASSERT_TRUE(adopted) << adopted.error().message;
        heir = std::move(*adopted);
        heir->set_events(&at_heir);
        heir->start_read(100);
      };
    }
    ASSERT_EQ(write(a, "a", 1), 1);
    ASSERT_EQ(write(b, "b", 1), 1);
    ASSERT_TRUE(spin([&] { return heir != nullptr; }));
    for (int i = 0; i < 5; ++i) loop.step();
    EXPECT_EQ(at[0].bytes.size() + at[1].bytes.size(), 1u);
    EXPECT_EQ(at_heir.bytes + std::to_string(at_heir.eofs + at_heir.errors), "0");
    ASSERT_EQ(write(other, "new", 3), 3);
    ASSERT_TRUE(spin([&] { return at_heir.bytes == "new"; }));
    heir.reset();
    acceptor.streams.clear();
    close(a);
    close(b);
    close(other);
  }
}

}  // namespace
}  // namespace cardea::net
