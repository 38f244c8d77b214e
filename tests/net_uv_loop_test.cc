// The loop on libuv: posts from threads, timeouts for a poller, closing, living on a host's loop.
#include <uv.h>

#include <thread>

#include "fake_loop.h"
#include "uv_net.h"

namespace cardea::net {
namespace {

TEST_F(UvNet, PostsFromThreadsAllArriveAndWakeThePoller) {
  constexpr int kThreads = 4, kPosts = 2000;
  int ran = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kPosts; ++i) ASSERT_TRUE(loop.post([&] { ++ran; }));
    });
  }
  EXPECT_TRUE(spin([&] { return ran == kThreads * kPosts; }));
  for (auto& t : threads) t.join();
}

TEST_F(UvNet, APostMakesTheDescriptorReadable) {
  while (loop.step()) {
  }
  EXPECT_EQ(loop.timeout(), -1);
  pollfd p{loop.fd(), POLLIN, 0};
  EXPECT_EQ(poll(&p, 1, 0), 0);
  bool ran = false;
  loop.post([&] { ran = true; });
  EXPECT_EQ(poll(&p, 1, 5000), 1);
  loop.step();
  EXPECT_TRUE(ran);
}

TEST_F(UvNet, TimeoutTellsOfTimersAndOfTheNextTurn) {
  while (loop.step()) {
  }
  bool ran = false;
  Timer timer(loop, [&] { ran = true; });
  timer.start(60);
  // May be less, even 0: the wheel stops at the borders of its slots.
  EXPECT_GE(loop.timeout(), 0);
  EXPECT_LE(loop.timeout(), 60);
  const Millis start = real_clock().monotonic_ms();
  ASSERT_TRUE(spin([&] { return ran; }));
  EXPECT_GE(real_clock().monotonic_ms() - start, 59u);
  EXPECT_LT(steps, 20);
  ran = false;
  loop.next_turn([&] { ran = true; });
  EXPECT_EQ(loop.timeout(), 0);
  loop.step();
  EXPECT_TRUE(ran);
}

TEST(UvLoopTest, AManualClockIsLookedAtOnEveryStep) {
  FakeClock clock;
  UvLoop loop(clock);
  ASSERT_TRUE(loop.open());
  int fired = 0;
  Timer timer(loop, [&] { ++fired; });
  timer.start(3600000);
  loop.step();
  EXPECT_EQ(fired, 0);
  clock.move(3600000);
  loop.step();
  EXPECT_EQ(fired, 1);
  bool closed = false;
  loop.close([&] { closed = true; });
  while (!closed) loop.step();
}

TEST(UvLoopTest, RunsUntilClosedOnAThread) {
  UvLoop loop(real_clock());
  ASSERT_TRUE(loop.open());
  int closed = 0, posted = 0;
  std::thread thread([&] { loop.run(); });
  EXPECT_TRUE(loop.post([&] {
    ++posted;
    loop.close([&] { ++closed; });
  }));
  thread.join();
  EXPECT_EQ(closed, 1);
  EXPECT_EQ(posted, 1);
  EXPECT_FALSE(loop.post([] {}));
  loop.interrupt();
  EXPECT_EQ(loop.timeout(), -1);
  EXPECT_FALSE(loop.step());
}

TEST(UvLoopTest, CloseWaitsForTheLastStream) {
  auto loop = std::make_unique<UvLoop>(real_clock());
  ASSERT_TRUE(loop->open());
  auto network = uv_network(*loop);
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  auto stream = network->adopt(pair[0]);
  ASSERT_TRUE(stream);
  bool closed = false;
  loop->close([&] {
    closed = true;
    loop.reset();  // allowed
  });
  for (int i = 0; i < 5; ++i) loop->step();
  EXPECT_FALSE(closed);
  // What still lives keeps its clock.
  bool fired = false;
  {
    Timer timer(*loop, [&] { fired = true; });
    timer.start(0);
    loop->step();
    EXPECT_TRUE(fired);
  }
  stream->reset();
  for (int i = 0; i < 5 && loop; ++i) loop->step();
  EXPECT_TRUE(closed);
  EXPECT_EQ(loop, nullptr);
  close(pair[1]);
}

TEST(UvLoopTest, OnAHostsLoopNothingKeepsItAliveButConnections) {
  uv_loop_t host;
  ASSERT_EQ(uv_loop_init(&host), 0);
  auto loop = std::make_unique<UvLoop>(real_clock(), &host);
  ASSERT_TRUE(loop->open());
  auto network = uv_network(*loop);
  auto timer = std::make_unique<Timer>(*loop, [] {});
  timer->start(3600000);
  EXPECT_EQ(uv_run(&host, UV_RUN_DEFAULT), 0);  // returns: an hour's timer does not hold it
  timer.reset();
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  auto stream = network->adopt(pair[0]);
  ASSERT_TRUE(stream);
  EXPECT_NE(uv_loop_alive(&host), 0);  // even while nothing is watched
  Recorder events;
  (*stream)->set_events(&events);
  (*stream)->start_read(10);
  events.then = [&] {
    (*stream)->set_events(nullptr);
    loop->defer_delete(std::move(*stream));
  };
  ASSERT_EQ(write(pair[1], "x", 1), 1);
  EXPECT_EQ(uv_run(&host, UV_RUN_DEFAULT), 0);
  EXPECT_EQ(events.bytes, "x");
  bool closed = false;
  loop->close([&] {
    closed = true;
    loop.reset();
  });
  EXPECT_FALSE(closed);
  EXPECT_EQ(uv_run(&host, UV_RUN_DEFAULT), 0);
  EXPECT_TRUE(closed);
  EXPECT_EQ(uv_loop_close(&host), 0);
  close(pair[1]);
}

TEST(UvLoopTest, WhatWasPostedBeforeOpeningRuns) {
  UvLoop loop(real_clock());
  int ran = 0;
  EXPECT_TRUE(loop.post([&] { ++ran; }));
  ASSERT_TRUE(loop.open());
  EXPECT_EQ(ran, 0);
  EXPECT_TRUE(loop.post([&] { ++ran; }));
  pollfd p{loop.fd(), POLLIN, 0};
  EXPECT_EQ(poll(&p, 1, 5000), 1);
  loop.step();
  EXPECT_EQ(ran, 2);
  bool closed = false;
  loop.close([&] { closed = true; });
  while (!closed) loop.step();
}

TEST(UvLoopTest, MayBeDeletedWithoutHavingBeenOpened) {
  UvLoop loop(real_clock());
  EXPECT_TRUE(loop.is_closed());
  EXPECT_FALSE(loop.step());
  loop.interrupt();
}

}  // namespace
}  // namespace cardea::net
