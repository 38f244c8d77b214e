// Tests of net/: time, turns, real sockets on port 0, names, and the network in memory.
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <random>
#include <thread>

#include "fake_net.h"

namespace cardea::net {
namespace {

// --- addresses

TEST(Address, ParsesAndPrints) {
  const struct {
    const char* text;
    const char* printed;  // null: an error
    const char* ip;
  } rows[] = {
      {"127.0.0.1:80", "127.0.0.1:80", "127.0.0.1"},
      {"0.0.0.0:0", "0.0.0.0:0", "0.0.0.0"},
      {"[::1]:65535", "[::1]:65535", "::1"},
      {"[2001:DB8::1]:443", "[2001:db8::1]:443", "2001:db8::1"},
      {"[::ffff:10.0.0.1]:1", "10.0.0.1:1", "10.0.0.1"},
      {":8080", ":8080", "::"},
      {"[::]:8080", "[::]:8080", "::"},
      {"unix:/run/x.sock", "unix:/run/x.sock", "/run/x.sock"},
      {"unix:@name", "unix:@name", "@name"},
      {"unix:rel", "unix:rel", "rel"},
      {"", nullptr, ""},
      {"127.0.0.1", nullptr, ""},
      {"127.0.0.1:", nullptr, ""},
      {"127.0.0.1:65536", nullptr, ""},
      {"127.0.0.1:99999999999", nullptr, ""},
      {"127.0.0.1:+8", nullptr, ""},
      {"127.0.0.1: 8", nullptr, ""},
      {"127.1:80", nullptr, ""},
      {"0177.0.0.1:80", nullptr, ""},
      {"localhost:80", nullptr, ""},
      {"::1:80", nullptr, ""},
      {"[127.0.0.1]:80", nullptr, ""},
      {"[::1:80", nullptr, ""},
      {"[::1]80", nullptr, ""},
      {"[]:80", nullptr, ""},
      {"[fe80::1%nosuchinterface]:80", nullptr, ""},
      {"unix:", nullptr, ""},
      {"unix:@", nullptr, ""},
  };
  for (auto& row : rows) {
    auto a = Address::parse(row.text);
    ASSERT_EQ(bool(a), row.printed != nullptr) << row.text;
    if (!a) {
      EXPECT_EQ(a.error().code, kEinval);
      EXPECT_NE(a.error().message.find(row.text), std::string::npos);
      continue;
    }
    EXPECT_EQ(a->text(), row.printed);
    EXPECT_EQ(a->ip_text(), row.ip);
    EXPECT_TRUE(*Address::parse(a->text()) == *a) << row.text;
  }
  EXPECT_FALSE(Address::parse("unix:" + std::string(108, 'a')));
  EXPECT_TRUE(Address::parse("unix:" + std::string(107, 'a')));
  EXPECT_FALSE(Address::parse(std::string("unix:/a\0b", 9)));
  EXPECT_FALSE(Address::ip(std::string("1.2.3.4\0x", 9), 1));
  EXPECT_FALSE(Address::ip("", 1));
}

TEST(Address, Compares) {
  const auto at = [](const char* text) { return *Address::parse(text); };
  EXPECT_TRUE(at("127.9.9.9:1").is_loopback());
  EXPECT_TRUE(at("[::1]:1").is_loopback());
  EXPECT_FALSE(at("128.0.0.1:1").is_loopback());
  EXPECT_FALSE(at(":1").is_loopback());
  EXPECT_FALSE(at("unix:/x").is_loopback());
  EXPECT_FALSE(at(":80") == at("[::]:80"));
  EXPECT_TRUE(at(":80").is_dual_stack());
  EXPECT_FALSE(at("[::]:80").is_dual_stack());
  EXPECT_FALSE(at("1.1.1.1:1") == at("1.1.1.1:2"));
  EXPECT_FALSE(at("unix:/x") == at("unix:@x"));
  Address a = at("1.1.1.1:1");
  a.set_port(2);
  EXPECT_TRUE(a == at("1.1.1.1:2"));
  EXPECT_EQ(Address().text(), "");
  EXPECT_TRUE(Address() == Address());
}

// --- timers

// Long random histories against a list that is searched from one end to the other.
void compare_with_model(unsigned seed, Millis start) {
  std::mt19937_64 random(seed);
  FakeLoop loop;
  loop.clock().monotonic = start;
  loop.run();
  struct Entry {
    std::unique_ptr<Timer> timer;
    Millis deadline = 0;
    uint64_t order = 0;
  };
  constexpr size_t kTimers = 50;
  std::vector<Entry> entries(kTimers);
  std::vector<size_t> fired;
  for (size_t i = 0; i < kTimers; ++i) {
    entries[i].timer = std::make_unique<Timer>(loop, [&, i] { fired.push_back(i); });
  }
  for (int step = 0; step < 4000; ++step) {
    Entry& e = entries[random() % kTimers];
    const unsigned kind = unsigned(random() % 10);
    if (kind < 6) {
      const Millis delay = random() % (Millis{1} << (random() % 40));
      e.timer->start(delay);
      e.deadline = loop.clock().monotonic + delay;
    } else if (kind < 7) {
      e.timer->stop();
      e.deadline = 0;
    } else if (kind < 8) {
      const size_t i = size_t(&e - entries.data());
      e.timer = std::make_unique<Timer>(loop, [&fired, i] { fired.push_back(i); });
      e.deadline = 0;
    } else {
      // One jump over many deadlines: all fire, in order of time.
      loop.clock().move(random() % (Millis{1} << (random() % 38)));
      const Millis now = loop.clock().monotonic;
      std::vector<std::pair<Millis, size_t>> expected, got;
      for (size_t i = 0; i < kTimers; ++i) {
        if (entries[i].deadline != 0 && entries[i].deadline <= now) expected.push_back({entries[i].deadline, i});
      }
      std::sort(expected.begin(), expected.end());
      fired.clear();
      loop.run();
      for (size_t i : fired) got.push_back({entries[i].deadline, i});
      EXPECT_TRUE(std::is_sorted(got.begin(), got.end(), [](auto& a, auto& b) { return a.first < b.first; }));
      std::sort(got.begin(), got.end());
      ASSERT_EQ(got, expected) << "seed " << seed << " step " << step;
      for (size_t i : fired) entries[i].deadline = 0;
    }
    Millis earliest = 0;
    for (auto& x : entries) {
      ASSERT_EQ(x.timer->active(), x.deadline != 0);
      if (x.deadline != 0 && (earliest == 0 || x.deadline < earliest)) earliest = x.deadline;
    }
    if (earliest != 0) {
      ASSERT_NE(loop.next_deadline(), 0u);
      ASSERT_LE(loop.next_deadline(), std::max(earliest, loop.now()));
    }
  }
}

TEST(Timers, MatchANaiveModel) {
  for (unsigned seed = 1; seed <= 20; ++seed) compare_with_model(seed, 1 + seed * 7777777);
}

TEST(Timers, MatchANaiveModelOverTheHorizonOfTheWheel) {
  for (unsigned seed = 1; seed <= 10; ++seed) compare_with_model(seed, (Millis{1} << 36) - 5000);
}

TEST(Timers, StepByStepEachFiresAtItsMillisecond) {
  FakeLoop loop;
  loop.clock().monotonic = (Millis{1} << 36) - 20000;
  std::vector<std::unique_ptr<Timer>> timers;
  std::mt19937 random(5);
  int fired = 0;
  for (int i = 0; i < 500; ++i) {
    const Millis when = loop.clock().monotonic + random() % 40000;
    timers.push_back(std::make_unique<Timer>(loop, [&loop, &fired, when] {
      EXPECT_EQ(loop.now(), when);
      ++fired;
    }));
    timers.back()->start_at(when);
  }
  loop.advance(40000);
  EXPECT_EQ(fired, 500);
  EXPECT_EQ(loop.next_deadline(), 0u);
}

TEST(Timers, ZeroFiresInTheNextTurnWithoutTimeMoving) {
  FakeLoop loop;
  int fired = 0;
  Timer* again = nullptr;
  Timer timer(loop, [&] {
    if (++fired < 3) again->start(0);
  });
  again = &timer;
  timer.start(0);
  EXPECT_EQ(fired, 0);
  loop.run_due();
  EXPECT_EQ(fired, 1);
  loop.run_due();
  EXPECT_EQ(fired, 2);
  loop.run();
  EXPECT_EQ(fired, 3);
}

TEST(Timers, LaterStartMovesNothingAndStillFiresOnce) {
  FakeLoop loop;
  std::vector<Millis> at;
  Timer timer(loop, [&] { at.push_back(loop.now()); });
  const Millis start = loop.now();
  timer.start(100);
  for (int i = 0; i < 50; ++i) {
    loop.advance(10);
    timer.start(100);
  }
  EXPECT_TRUE(at.empty());
  loop.advance(99);
  EXPECT_TRUE(at.empty());
  loop.advance(1000);
  EXPECT_EQ(at, std::vector<Millis>{start + 600});
  EXPECT_FALSE(timer.active());
}

TEST(Timers, MayStopDeleteAndRestartEachOtherWhenDueTogether) {
  FakeLoop loop;
  std::vector<int> fired;
  std::unique_ptr<Timer> victim;
  Timer stopped(loop, [&] { fired.push_back(2); });
  Timer moved(loop, [&] { fired.push_back(4); });
  Timer first(loop, [&] {
    fired.push_back(1);
    stopped.stop();
    victim.reset();
    moved.start(50);
  });
  victim = std::make_unique<Timer>(loop, [&] { fired.push_back(3); });
  first.start(10);
  stopped.start(10);
  victim->start(10);
  moved.start(10);
  loop.clock().move(20);
  loop.run();
  EXPECT_EQ(fired, std::vector<int>{1});
  loop.advance(50);
  EXPECT_EQ(fired, (std::vector<int>{1, 4}));
}

TEST(Timers, EndlessDelayIsNeverDue) {
  FakeLoop loop;
  bool fired = false;
  Timer timer(loop, [&] { fired = true; });
  timer.start(~Millis{0});
  loop.clock().move(Millis{1} << 50);
  loop.run();
  EXPECT_FALSE(fired);
  EXPECT_TRUE(timer.active());
}

// --- turns

struct Logger : Flushable, Deferred {
  Logger(std::vector<std::string>& log, std::string name) : log(log), name(std::move(name)) {}
  ~Logger() override { log.push_back("~" + name); }
  void flush() override {
    log.push_back(name);
    if (then) then();
  }
  std::vector<std::string>& log;
  std::string name;
  std::function<void()> then;
};

TEST(Turn, EndsWithFlushesThenDeletions) {
  FakeLoop loop;
  std::vector<std::string> log;
  Logger b(log, "b");
  auto a = std::make_unique<Logger>(log, "a");
  auto gone = std::make_unique<Logger>(log, "gone");
  a->then = [&] { loop.flush_later(b); };  // queued while flushing: still in this turn
  {
    Loop::Turn outer(loop);
    {
      Loop::Turn inner(loop);
      loop.flush_later(*a);
      loop.flush_later(*a);
      loop.flush_later(*gone);
      gone.reset();  // leaves the list
      loop.defer_delete(std::move(a));
    }
    EXPECT_EQ(log, std::vector<std::string>{"~gone"});
    log.clear();
  }
  EXPECT_EQ(log, (std::vector<std::string>{"a", "b", "~a"}));
}

TEST(Turn, DeletionsMayFlushAndDelete) {
  FakeLoop loop;
  std::vector<std::string> log;
  struct Chain : Deferred {
    explicit Chain(std::function<void()> end) : end(std::move(end)) {}
    ~Chain() override { end(); }
    std::function<void()> end;
  };
  Logger word(log, "last word");
  {
    Loop::Turn turn(loop);
    loop.defer_delete(std::make_unique<Chain>([&] {
      log.push_back("first");
      loop.flush_later(word);
      loop.defer_delete(std::make_unique<Chain>([&] { log.push_back("second"); }));
    }));
  }
  EXPECT_EQ(log, (std::vector<std::string>{"first", "last word", "second"}));
}

TEST(Turn, WorkLeftOutsideATurnIsDoneInTheNext) {
  FakeLoop loop;
  std::vector<std::string> log;
  Logger f(log, "f");
  loop.flush_later(f);
  loop.defer_delete(std::make_unique<Logger>(log, "d"));
  EXPECT_NE(loop.next_deadline(), 0u);
  loop.run();
  EXPECT_EQ(log, (std::vector<std::string>{"f", "~d"}));
  EXPECT_EQ(loop.next_deadline(), 0u);
}

TEST(Turn, NextTurnIsNotThisTurn) {
  FakeLoop loop;
  int runs = 0;
  std::function<void()> again = [&] {
    if (++runs < 3) loop.next_turn(again);
  };
  loop.next_turn(again);
  { Loop::Turn turn(loop); }
  EXPECT_EQ(runs, 0);
  loop.run_due();
  EXPECT_EQ(runs, 1);
  loop.run();
  EXPECT_EQ(runs, 3);
}

// --- sockets

struct Recorder final : StreamEvents {
  void on_data(char* data, size_t n) override {
    bytes.append(data, n);
    largest = std::max(largest, n);
    if (then) then();
  }
  void on_eof() override { ++eofs; }
  void on_drained() override { ++drained; }
  void on_error(const StreamError& e) override {
    ++errors;
    error = e.code;
    text = e.text;
  }
  std::string bytes, text;
  size_t largest = 0;
  int eofs = 0, drained = 0, errors = 0, error = 0;
  std::function<void()> then;
};

struct Acceptor final : AcceptEvents {
  void on_accept(std::unique_ptr<Stream> stream) override {
    streams.push_back(std::move(stream));
    if (then) then();
  }
  void on_accept_error(int e) override { errors.push_back(e); }
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<int> errors;
  std::function<void()> then;
};

struct Connector final : ConnectEvents {
  void on_connected(std::unique_ptr<Stream> s) override {
    stream = std::move(s);
    connecting.reset();
  }
  void on_connect_failed(int e) override {
    error = e;
    connecting.reset();
  }
  std::unique_ptr<Connecting> connecting;
  std::unique_ptr<Stream> stream;
  int error = 0;
};

void send_text(Stream& stream, Bytes text) {
  const Slice slice{text.data(), text.size()};
  stream.write(&slice, 1);
}

// A private loop, driven through its descriptor as a foreign host would.
class UvNet : public testing::Test {
 protected:
  UvNet() : loop(real_clock()) {
    EXPECT_TRUE(loop.open());
    network = uv_network(loop);
  }
  ~UvNet() override {
    near.reset();
    listener.reset();
    acceptor.streams.clear();
    bool closed = false;
    loop.close([&] { closed = true; });
    EXPECT_TRUE(spin([&] { return closed; }));
    EXPECT_TRUE(loop.is_closed());
  }
  template <class Done>
  bool spin(Done done, int limit_ms = 10000) {
    const Millis end = real_clock().monotonic_ms() + Millis(limit_ms);
    while (!done()) {
      const Millis now = real_clock().monotonic_ms();
      if (now >= end) return false;
      pollfd p{loop.fd(), POLLIN, 0};
      const int timeout = loop.timeout(), left = int(end - now);
      poll(&p, 1, timeout < 0 ? left : std::min(timeout, left));
      ++steps;
      loop.step();
    }
    return true;
  }
  // A connected pair; `far` is a plain descriptor of the test.
  void join(const std::string& address = "127.0.0.1:0") {
    auto made = network->listen(*Address::parse(address), {}, acceptor);
    ASSERT_TRUE(made) << made.error().message;
    listener = std::move(*made);
    far = dial(listener->address());
    ASSERT_TRUE(spin([&] { return acceptor.streams.size() == 1; }));
    near = std::move(acceptor.streams[0]);
    acceptor.streams.clear();
    near->set_events(&events);
  }
  static int dial(const Address& address) {
    const int fd = socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(fd, address.sa(), address.len()), 0) << strerror(errno);
    return fd;
  }
  static void reset(int fd) {
    const linger now{1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
  }
  static std::string read_all(int fd) {
    std::string all;
    char buf[65536];
    ssize_t n;
    while ((n = read(fd, buf, sizeof buf)) > 0) all.append(buf, size_t(n));
    return n < 0 ? all + "|" + strerror(errno) : all;
  }

  UvLoop loop;
  std::unique_ptr<Network> network;
  Acceptor acceptor;
  std::unique_ptr<Listener> listener;
  Recorder events;
  std::unique_ptr<Stream> near;
  int far = -1;
  int steps = 0;
};

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

TEST_F(UvNet, ConnectFailuresComeLater) {
  auto made = network->listen(*Address::parse("127.0.0.1:0"), {}, acceptor);
  ASSERT_TRUE(made);
  const Address closed_port = (*made)->address();
  made->reset();
  const struct {
    Address address;
    int error;
  } rows[] = {
      {closed_port, ECONNREFUSED},
      {*Address::parse("unix:/nonexistent/socket"), ENOENT},
      {*Address::parse("unix:@nobody-listens-here"), ECONNREFUSED},
      {Address(), EDESTADDRREQ},
  };
  for (auto& row : rows) {
    Connector client;
    {
      Loop::Turn turn(loop);
      client.connecting = network->connect(row.address, client);
    }
    EXPECT_EQ(client.error, 0);
    ASSERT_TRUE(spin([&] { return client.error != 0; })) << row.address.text();
    EXPECT_EQ(client.error, row.error) << row.address.text();
  }
}

TEST_F(UvNet, ADeletedConnectingIsSilent) {
  auto made = network->listen(*Address::parse("127.0.0.1:0"), {}, acceptor);
  ASSERT_TRUE(made);
  Connector client;
  client.connecting = network->connect((*made)->address(), client);
  client.connecting.reset();
  Connector other;
  other.connecting = network->connect(*Address::parse("unix:@nobody"), other);
  other.connecting.reset();
  for (int i = 0; i < 10; ++i) loop.step();
  EXPECT_EQ(client.stream, nullptr);
  EXPECT_EQ(client.error + other.error, 0);
}

TEST_F(UvNet, AdoptTakesTheDescriptorEvenWhenItRefuses) {
  int pipes[2];
  ASSERT_EQ(pipe(pipes), 0);
  auto refused = network->adopt(pipes[0]);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, kEinval);
  EXPECT_EQ(fcntl(pipes[0], F_GETFD), -1);
  close(pipes[1]);
  const int unconnected = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_FALSE(network->adopt(unconnected));
  EXPECT_EQ(fcntl(unconnected, F_GETFD), -1);
  EXPECT_FALSE(network->adopt(-1));
}

TEST_F(UvNet, ListenErrorsNameTheAddress) {
  auto first = network->listen(*Address::parse("127.0.0.1:0"), {}, acceptor);
  ASSERT_TRUE(first);
  const std::string text = (*first)->address().text();
  auto second = network->listen((*first)->address(), {}, acceptor);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, kEaddrinuse);
  EXPECT_EQ(second.error().os_code, EADDRINUSE);
  EXPECT_EQ(second.error().message.find("listen " + text + ": Address already in use"), 0u) << second.error().message;
  auto foreign = network->listen(*Address::parse("192.0.2.77:0"), {}, acceptor);
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, kEio);
  EXPECT_EQ(foreign.error().os_code, EADDRNOTAVAIL);
  EXPECT_FALSE(network->listen(*Address::parse("unix:/nonexistent/dir/x"), {}, acceptor));
}

TEST_F(UvNet, ReusePortSharesAndV6OnlySeparates) {
  ListenOptions shared;
  shared.reuse_port = true;
  auto a = network->listen(*Address::parse("127.0.0.1:0"), shared, acceptor);
  ASSERT_TRUE(a);
  auto b = network->listen((*a)->address(), shared, acceptor);
  EXPECT_TRUE(b) << b.error().message;
  auto v6 = network->listen(*Address::parse("[::]:0"), {}, acceptor);
  ASSERT_TRUE(v6);
  Address v4 = *Address::parse("0.0.0.0:0");
  v4.set_port((*v6)->address().port());
  EXPECT_TRUE(network->listen(v4, {}, acceptor));
  auto both = network->listen(*Address::parse(":0"), {}, acceptor);
  ASSERT_TRUE(both) << both.error().message;
  v4.set_port((*both)->address().port());
  EXPECT_FALSE(network->listen(v4, {}, acceptor));
  const int fd = dial(*Address::ip("127.0.0.1", v4.port()));
  ASSERT_TRUE(spin([&] { return acceptor.streams.size() == 1; }));
  EXPECT_EQ(acceptor.streams[0]->peer().ip_text(), "127.0.0.1");
  acceptor.streams.clear();
  close(fd);
}

TEST_F(UvNet, UnixSocketFilesAreReplacedOnlyWhenDead) {
  const std::string path = "net_test_file.sock";
  unlink(path.c_str());
  const Address address = *Address::parse("unix:" + path);
  ListenOptions options;
  options.unix_mode = 0640;
  // A socket file whose process is gone.
  const int dead = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(dead, address.sa(), address.len()), 0);
  close(dead);
  auto live = network->listen(address, options, acceptor);
  ASSERT_TRUE(live) << live.error().message;
  struct stat st;
  ASSERT_EQ(stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0640u);
  auto second = network->listen(address, options, acceptor);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, kEaddrinuse);
  live->reset();
  EXPECT_NE(stat(path.c_str(), &st), 0);
  // A file that is not a socket belongs to somebody.
  const int plain = open(path.c_str(), O_CREAT | O_WRONLY, 0600);
  close(plain);
  EXPECT_FALSE(network->listen(address, options, acceptor));
  EXPECT_EQ(stat(path.c_str(), &st), 0);
  unlink(path.c_str());
  // A successor's file survives our end.
  auto mine = network->listen(address, options, acceptor);
  ASSERT_TRUE(mine);
  unlink(path.c_str());
  auto successor = network->listen(address, options, acceptor);
  ASSERT_TRUE(successor);
  mine->reset();
  EXPECT_EQ(stat(path.c_str(), &st), 0);
}

TEST_F(UvNet, APausedListenerLeavesConnectionsInTheKernel) {
  auto made = network->listen(*Address::parse("127.0.0.1:0"), {}, acceptor);
  ASSERT_TRUE(made);
  (*made)->pause();
  const int fd = dial((*made)->address());
  for (int i = 0; i < 10; ++i) loop.step();
  EXPECT_TRUE(acceptor.streams.empty());
  (*made)->resume();
  ASSERT_TRUE(spin([&] { return acceptor.streams.size() == 1; }));
  acceptor.streams.clear();
  close(fd);
}

// In a child, since the limit is the process's: accepting stops at the limit, tells, does not spin, and
// goes on by itself.
TEST(Accept, SurvivesTheLimitOfDescriptors) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    UvLoop loop(real_clock());
    if (!loop.open()) _exit(1);
    auto network = uv_network(loop);
    Acceptor acceptor;
    auto listener = network->listen(*Address::parse("127.0.0.1:0"), {}, acceptor);
    if (!listener) _exit(2);
    std::vector<int> clients;
    for (int i = 0; i < 5; ++i) {
      const int fd = socket(AF_INET, SOCK_STREAM, 0);
      if (connect(fd, (*listener)->address().sa(), (*listener)->address().len()) != 0) _exit(3);
      clients.push_back(fd);
    }
    rlimit limit{rlim_t(clients.back()) + 3, rlim_t(clients.back()) + 3};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) _exit(4);
    const auto wait = [&](auto done) {
      int turns = 0;
      while (!done()) {
        pollfd p{loop.fd(), POLLIN, 0};
        poll(&p, 1, loop.timeout());
        loop.step();
        if (++turns > 1000) _exit(5);  // a loop that spins gets here long before the pause is over
      }
    };
    wait([&] { return !acceptor.errors.empty(); });
    if (acceptor.errors[0] != EMFILE || acceptor.streams.size() != 2) _exit(6);
    acceptor.streams.clear();
    wait([&] { return acceptor.streams.size() == 2; });
    for (int i = 0; i < 3; ++i) close(clients[size_t(i)]);
    acceptor.streams.clear();
    wait([&] { return acceptor.streams.size() == 1; });
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// --- the loop on libuv

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

// --- names

// A DNS server for one test: UDP and TCP on one port, on a thread of its own.
class DnsServer {
 public:
  struct Answer {
    std::vector<std::string> v4, v6;
    uint32_t ttl = 300;
    int rcode = 0, rcode6 = 0;  // the latter for AAAA alone
    bool silent = false;
    std::string alias;  // a CNAME before the addresses
    uint32_t alias_ttl = 300;
  };

  DnsServer() {
    udp_ = socket(AF_INET, SOCK_DGRAM, 0);
    tcp_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof in;
    // TCP first: a port that is free for it is nearly always free for UDP.
    EXPECT_EQ(bind(tcp_, reinterpret_cast<sockaddr*>(&in), size), 0);
    getsockname(tcp_, reinterpret_cast<sockaddr*>(&in), &size);
    EXPECT_EQ(bind(udp_, reinterpret_cast<sockaddr*>(&in), size), 0);
    EXPECT_EQ(listen(tcp_, 16), 0);
    address = Address::from(reinterpret_cast<sockaddr*>(&in), size).text();
    EXPECT_EQ(pipe(stop_), 0);
  }
  void start() {
    thread_ = std::thread([this] { serve(); });
  }
  ~DnsServer() {
    EXPECT_EQ(write(stop_[1], "x", 1), 1);
    if (thread_.joinable()) thread_.join();
    for (int fd : {udp_, tcp_, stop_[0], stop_[1]}) close(fd);
  }

  std::string address;
  std::map<std::string, Answer> names;  // fixed before start()
  std::atomic<int> udp_queries{0}, tcp_queries{0}, a_queries{0}, aaaa_queries{0};
  std::mutex mutex;
  std::vector<int> ports;  // where UDP questions came from

 private:
  static void put16(std::string& s, unsigned v) {
    s += char(v >> 8);
    s += char(v);
  }
  static void put32(std::string& s, uint32_t v) {
    put16(s, v >> 16);
    put16(s, v & 0xffff);
  }
  static std::string labels(const std::string& name) {
    std::string out;
    for (size_t at = 0; at < name.size();) {
      const size_t dot = std::min(name.find('.', at), name.size());
      out += char(dot - at);
      out += name.substr(at, dot - at);
      at = dot + 1;
    }
    return out + '\0';
  }
  std::string reply(const std::string& q, size_t limit) {
    if (q.size() < 17) return {};
    std::string name;
    size_t at = 12;
    while (at < q.size() && q[at] != 0) {
      if (!name.empty()) name += '.';
      name += q.substr(at + 1, size_t(q[at]));
      at += size_t(q[at]) + 1;
    }
    const size_t end = at + 5;
    const int type = (uint8_t(q[at + 1]) << 8) | uint8_t(q[at + 2]);
    ++(type == 1 ? a_queries : aaaa_queries);
    const auto found = names.find(name);
    Answer answer;
    answer.rcode = 3;
    if (found != names.end()) answer = found->second;
    if (answer.silent) return {};
    if (type == 28 && answer.rcode6 != 0) answer.rcode = answer.rcode6;
    std::string records;
    int count = 0;
    std::string owner = "\xc0\x0c";
    if (!answer.alias.empty()) {
      const std::string target = labels(answer.alias);
      records += owner;
      put16(records, 5);
      put16(records, 1);
      put32(records, answer.alias_ttl);
      put16(records, unsigned(target.size()));
      records += target;
      owner = target;
      ++count;
    }
    for (auto& text : type == 1 ? answer.v4 : answer.v6) {
      records += owner;
      put16(records, unsigned(type));
      put16(records, 1);
      put32(records, answer.ttl + uint32_t(count));
      char raw[16];
      inet_pton(type == 1 ? AF_INET : AF_INET6, text.c_str(), raw);
      put16(records, type == 1 ? 4 : 16);
      records.append(raw, type == 1 ? 4 : 16);
      ++count;
    }
    const bool truncated = end + records.size() > limit;
    std::string r = q.substr(0, 2);
    put16(r, 0x8180u | unsigned(answer.rcode) | (truncated ? 0x0200 : 0));
    put16(r, 1);
    put16(r, truncated ? 0 : unsigned(count));
    put32(r, 0);
    return r + q.substr(12, end - 12) + (truncated ? "" : records);
  }
  void serve() {
    for (;;) {
      pollfd p[3] = {{udp_, POLLIN, 0}, {tcp_, POLLIN, 0}, {stop_[0], POLLIN, 0}};
      poll(p, 3, -1);
      if (p[2].revents) return;
      char buf[2048];
      if (p[0].revents) {
        sockaddr_in from{};
        socklen_t size = sizeof from;
        const ssize_t n = recvfrom(udp_, buf, sizeof buf, 0, reinterpret_cast<sockaddr*>(&from), &size);
        ++udp_queries;
        {
          std::lock_guard<std::mutex> lock(mutex);
          ports.push_back(ntohs(from.sin_port));
        }
        const std::string r = reply(std::string(buf, n > 0 ? size_t(n) : 0), 512);
        if (!r.empty()) sendto(udp_, r.data(), r.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
      }
      if (p[1].revents) {
        const int fd = accept(tcp_, nullptr, nullptr);
        // Questions until the other side closes; each fits one read in these tests.
        ssize_t n;
        while ((n = read(fd, buf, 2)) == 2) {
          const size_t size = size_t(uint8_t(buf[0]) << 8 | uint8_t(buf[1]));
          size_t have = 0;
          while (have < size && (n = read(fd, buf + have, size - have)) > 0) have += size_t(n);
          ++tcp_queries;
          const std::string r = reply(std::string(buf, size), 65535);
          std::string framed;
          put16(framed, unsigned(r.size()));
          framed += r;
          if (r.empty() || send(fd, framed.data(), framed.size(), MSG_NOSIGNAL) < 0) break;
          pollfd more[2] = {{fd, POLLIN, 0}, {stop_[0], POLLIN, 0}};
          poll(more, 2, 1000);
          if (!more[0].revents) break;
        }
        close(fd);
      }
    }
  }

  int udp_, tcp_, stop_[2];
  std::thread thread_;
};

struct Resolution final : ResolveEvents {
  void on_resolved(Resolved r) override {
    ++calls;
    for (auto& a : r.addresses) {
      EXPECT_EQ(a.port(), 0);
      text += (text.empty() ? "" : " ") + a.ip_text();
    }
    ttl = r.ttl;
    resolving.reset();
  }
  void on_resolve_failed(int s, const char* words) override {
    ++calls;
    status = s;
    text = words;
    resolving.reset();
  }
  std::unique_ptr<Resolving> resolving;
  std::string text;
  Millis ttl = 0;
  int status = 0, calls = 0;
};

class Dns : public UvNet {
 protected:
  void open(ResolverOptions options = {}) {
    server.start();
    if (options.servers.empty()) options.servers = {server.address};
    auto made = network->resolver(options);
    ASSERT_TRUE(made) << made.error().message;
    resolver = std::move(*made);
  }
  void resolve(Resolution& r, const std::string& name, Family family) {
    r.resolving = resolver->resolve(name, family, r);
    EXPECT_EQ(r.calls, 0);
    ASSERT_TRUE(spin([&] { return r.calls > 0; })) << name;
  }
  DnsServer server;
  std::unique_ptr<Resolver> resolver;
};

// c-ares' numbers. It tells SERVFAIL from every server as "could not contact DNS servers".
constexpr int kNoData = 1, kNoServer = 11, kNotFound = 4, kBadName = 8, kTimeout = 12, kNoMemory = 15, kDestroyed = 16;

TEST_F(Dns, AnswersByFamily) {
  server.names["both.test"].v4 = {"10.0.0.1", "10.0.0.2"};
  server.names["both.test"].v6 = {"2001:db8::1"};
  server.names["four.test"].v4 = {"10.0.0.4"};
  server.names["six.test"].v6 = {"2001:db8::6"};
  server.names["empty.test"];
  server.names["broken.test"].rcode = 2;
  server.names["broken6.test"].v4 = {"10.0.0.6"};
  server.names["broken6.test"].rcode6 = 2;
  server.names["alias.test"].v4 = {"10.0.0.9"};
  server.names["alias.test"].alias = "target.test";
  server.names["alias.test"].alias_ttl = 7;
  server.names["repeated.test"].v4 = {"10.0.0.1", "10.0.0.1", "10.0.0.3"};
  server.names["instant.test"].v4 = {"10.0.0.5"};
  server.names["instant.test"].ttl = 0;
  open();
  const std::string both6 = "2001:db8::1", both4 = "10.0.0.1 10.0.0.2";
  const struct {
    const char* name;
    Family family;
    std::string text;  // empty: fails with `status`
    Millis ttl;
    int status;
  } rows[] = {
      {"both.test", Family::v4_only, both4, 300000, 0},
      {"both.test", Family::v4_preferred, both4, 300000, 0},
      {"both.test", Family::v6_only, both6, 300000, 0},
      {"both.test", Family::automatic, both6, 300000, 0},
      {"four.test", Family::automatic, "10.0.0.4", 300000, 0},
      {"four.test", Family::v6_only, "", 0, kNoData},
      {"four.test", Family::all, "10.0.0.4", 300000, 0},
      {"six.test", Family::v4_preferred, "2001:db8::6", 300000, 0},
      {"six.test", Family::v4_only, "", 0, kNoData},
      {"six.test", Family::all, "2001:db8::6", 300000, 0},
      {"empty.test", Family::v4_preferred, "", 0, kNoData},
      {"empty.test", Family::all, "", 0, kNoData},
      {"missing.test", Family::v4_only, "", 0, kNotFound},
      {"missing.test", Family::v4_preferred, "", 0, kNotFound},
      {"missing.test", Family::all, "", 0, kNotFound},
      {"broken.test", Family::v4_only, "", 0, kNoServer},
      {"broken.test", Family::automatic, "", 0, kNoServer},
      {"broken6.test", Family::automatic, "10.0.0.6", 300000, 0},
      {"broken6.test", Family::all, "10.0.0.6", 300000, 0},
      {"alias.test", Family::v4_only, "10.0.0.9", 7000, 0},
      {"repeated.test", Family::v4_only, "10.0.0.1 10.0.0.3", 300000, 0},
      {"instant.test", Family::v4_only, "10.0.0.5", 0, 0},
      {"", Family::v4_only, "", 0, kBadName},
  };
  for (auto& row : rows) {
    Resolution r;
    resolve(r, row.name, row.family);
    EXPECT_EQ(r.status, row.status) << row.name << ": " << r.text;
    if (row.status == 0) {
      EXPECT_EQ(r.text, row.text) << row.name;
      EXPECT_EQ(r.ttl, row.ttl) << row.name;
    }
  }
  Resolution all;
  resolve(all, "both.test", Family::all);
  EXPECT_EQ(all.text.size(), both4.size() + 1 + both6.size()) << all.text;
  Resolution zero;
  resolve(zero, std::string("a\0b", 3), Family::all);
  EXPECT_EQ(zero.status, kBadName);
  Resolution longest;
  resolve(longest, std::string(254, 'a'), Family::all);
  EXPECT_EQ(longest.status, kBadName);
}

TEST_F(Dns, PreferredFamilyAsksForTheOtherOnlyWhenNeeded) {
  server.names["both.test"].v4 = {"10.0.0.1"};
  server.names["both.test"].v6 = {"2001:db8::1"};
  open();
  Resolution r;
  resolve(r, "both.test", Family::v4_preferred);
  EXPECT_EQ(server.a_queries, 1);
  EXPECT_EQ(server.aaaa_queries, 0);
}

TEST_F(Dns, ManyAddressesAreBoundedAndComeOverTcp) {
  for (int i = 1; i <= 200; ++i) server.names["many.test"].v4.push_back("10.0.1." + std::to_string(i));
  ResolverOptions options;
  options.max_addresses = 3;
  open(options);
  Resolution r;
  resolve(r, "many.test", Family::v4_only);
  EXPECT_EQ(r.text, "10.0.1.1 10.0.1.2 10.0.1.3");
  EXPECT_EQ(server.udp_queries, 1);
  EXPECT_EQ(server.tcp_queries, 1);
}

TEST_F(Dns, UsesTcpWhenTold) {
  server.names["a.test"].v4 = {"10.0.0.1"};
  ResolverOptions options;
  options.servers = {"tcp://" + server.address};
  open(options);
  Resolution r;
  resolve(r, "a.test", Family::v4_only);
  EXPECT_EQ(r.text, "10.0.0.1");
  EXPECT_EQ(server.udp_queries, 0);
  EXPECT_EQ(server.tcp_queries, 1);
}

TEST_F(Dns, SilenceEndsAfterTheTriesAndIsNotAbsence) {
  server.names["silent.test"].silent = true;
  ResolverOptions options;
  options.query_timeout = 20;
  options.tries = 2;
  open(options);
  Resolution r;
  resolve(r, "silent.test", Family::v4_preferred);
  EXPECT_EQ(r.status, kTimeout);
  EXPECT_EQ(server.udp_queries, 2);
}

TEST_F(Dns, NoServerIsAFailure) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof in;
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&in), size), 0);
  getsockname(fd, reinterpret_cast<sockaddr*>(&in), &size);
  close(fd);
  ResolverOptions options;
  options.servers = {Address::from(reinterpret_cast<sockaddr*>(&in), size).text()};
  options.query_timeout = 100;
  open(options);
  Resolution r;
  resolve(r, "a.test", Family::v4_only);
  EXPECT_NE(r.status, 0);
}

TEST_F(Dns, LocalhostNeedsNoServer) {
  open();
  for (const char* name : {"localhost", "LocalHost", "some.localhost", "some.LOCALHOST."}) {
    Resolution r;
    resolve(r, name, Family::v4_only);
    EXPECT_EQ(r.text, "127.0.0.1") << name;
    Resolution any;
    resolve(any, name, Family::v4_preferred);
    EXPECT_EQ(any.text, "127.0.0.1") << name;
  }
  Resolution six;
  resolve(six, "six.localhost", Family::v6_only);
  EXPECT_EQ(six.text, "::1");
  EXPECT_EQ(server.udp_queries, 0);
  Resolution other;
  resolve(other, "notlocalhost", Family::v4_only);
  EXPECT_EQ(other.status, kNotFound);
  EXPECT_GT(server.udp_queries, 0);
}

TEST_F(Dns, CancelledLookupsAreSilent) {
  server.names["a.test"].v4 = {"10.0.0.1"};
  open();
  Resolution cancelled[20], kept, local;
  for (auto& r : cancelled) r.resolving = resolver->resolve("a.test", Family::all, r);
  local.resolving = resolver->resolve("localhost", Family::all, local);  // answered already, not told yet
  kept.resolving = resolver->resolve("a.test", Family::v4_only, kept);
  for (auto& r : cancelled) r.resolving.reset();
  local.resolving.reset();
  ASSERT_TRUE(spin([&] { return kept.calls == 1; }));
  EXPECT_EQ(kept.text, "10.0.0.1");
  EXPECT_EQ(cancelled[0].calls + local.calls, 0);
}

TEST_F(Dns, DeletingTheResolverFailsItsLookupsOnce) {
  server.names["silent.test"].silent = true;
  open();
  Resolution a, b;
  a.resolving = resolver->resolve("silent.test", Family::all, a);
  b.resolving = resolver->resolve("silent.test", Family::v4_preferred, b);
  resolver.reset();
  EXPECT_EQ(a.calls + b.calls, 0);
  ASSERT_TRUE(spin([&] { return a.calls + b.calls == 2; }));
  EXPECT_EQ(a.status, kDestroyed);
  EXPECT_EQ(b.status, kDestroyed);
}

TEST_F(Dns, AResolverMayBeDeletedAndAskedInItsEvents) {
  server.names["a.test"].v4 = {"10.0.0.1"};
  open();
  struct Restless final : ResolveEvents {
    void on_resolved(Resolved) override {
      if (++answers < 5) {
        resolving = dns->resolve("a.test", Family::v4_only, *this);
      } else {
        dns.reset();
      }
    }
    void on_resolve_failed(int, const char*) override { ++failures; }
    std::unique_ptr<Resolver> dns;
    std::unique_ptr<Resolving> resolving;
    int answers = 0, failures = 0;
  } restless;
  restless.dns = std::move(resolver);
  restless.resolving = restless.dns->resolve("a.test", Family::v4_only, restless);
  ASSERT_TRUE(spin([&] { return restless.dns == nullptr; }));
  EXPECT_EQ(restless.answers, 5);
  EXPECT_EQ(restless.failures, 0);
}

TEST_F(Dns, ManyLookupsAtOnceAreBounded) {
  server.names["silent.test"].silent = true;
  open();
  std::vector<std::unique_ptr<Resolution>> all;
  for (int i = 0; i < 4097; ++i) {
    all.push_back(std::make_unique<Resolution>());
    all.back()->resolving = resolver->resolve("silent.test", Family::v4_only, *all.back());
  }
  ASSERT_TRUE(spin([&] { return all.back()->calls == 1; }));
  EXPECT_EQ(all.back()->status, kNoMemory);
  EXPECT_EQ(all.front()->calls, 0);
}

TEST_F(Dns, SocketsAreRenewedAfterSoManyQuestions) {
  server.names["silent.test"].silent = true;
  server.names["a.test"].v4 = {"10.0.0.1"};
  ResolverOptions options;
  options.udp_max_queries = 3;
  open(options);
  // One that stays unanswered keeps the first socket open.
  Resolution stuck, answers[8];
  stuck.resolving = resolver->resolve("silent.test", Family::v4_only, stuck);
  for (auto& r : answers) resolve(r, "a.test", Family::v4_only);
  for (auto& r : answers) EXPECT_EQ(r.text, "10.0.0.1");
  std::lock_guard<std::mutex> lock(server.mutex);
  ASSERT_EQ(server.ports.size(), 9u);
  EXPECT_EQ(server.ports[0], server.ports[2]);
  EXPECT_NE(server.ports[0], server.ports[3]);
}

TEST_F(Dns, ServersAreChecked) {
  const struct {
    std::vector<std::string> servers;
    bool use_tcp;
    bool good;
  } rows[] = {
      {{"1.1.1.1"}, false, true},
      {{"udp://1.1.1.1:5353", "::1"}, false, true},
      {{"tcp://[::1]:53", "1.1.1.1:53"}, false, true},
      {{"[2001:db8::1]"}, true, true},
      {{"tcp://1.1.1.1", "udp://1.1.1.1"}, false, false},
      {{"udp://1.1.1.1"}, true, false},
      {{"dns.example:53"}, false, false},
      {{"tls://1.1.1.1"}, false, false},
      {{"1.1.1.1:0"}, false, false},
      {{"unix:/x"}, false, false},
      {{":53"}, false, false},
      {{""}, false, false},
      {std::vector<std::string>(17, "1.1.1.1"), false, false},
  };
  for (auto& row : rows) {
    ResolverOptions options;
    options.servers = row.servers;
    options.use_tcp = row.use_tcp;
    auto made = network->resolver(options);
    EXPECT_EQ(bool(made), row.good) << row.servers[0];
  }
  ResolverOptions none;
  none.tries = 0;
  EXPECT_FALSE(network->resolver(none));
}

// --- the network in memory keeps the same contract

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
