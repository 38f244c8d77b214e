// How streams come to be: connecting, adopting and listening, and what refuses.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "uv_net.h"

namespace cardea::net {
namespace {

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

// What a successor gets goes on listening when its predecessor has closed: nobody in the queue is lost.
TEST_F(UvNet, AListeningSocketIsHandedOn) {
  auto first = network->listen(*Address::parse("127.0.0.1:0"), {}, acceptor);
  ASSERT_TRUE(first);
  (*first)->pause();
  const int waiting = dial((*first)->address());
  auto fd = duplicate(*(*first)->socket());
  ASSERT_TRUE(fd);
  auto taken = adopt_listening(*fd);
  ASSERT_TRUE(taken) << taken.error().message;
  EXPECT_EQ(address_of(**taken), (*first)->address());
  first->reset();
  ListenOptions options;
  options.shared = *taken;
  auto second = network->listen(address_of(**taken), options, acceptor);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ((*second)->address(), address_of(**taken));
  EXPECT_TRUE(spin([&] { return acceptor.streams.size() == 1; }));
  acceptor.streams.clear();
  close(waiting);
}

TEST_F(UvNet, TheAddressOfAListeningSocket) {
  for (const char* text : {"127.0.0.1:0", "[::1]:0", "[::]:0", ":0", "unix:@cardea-net-test"}) {
    auto listener = network->listen(*Address::parse(text), {}, acceptor);
    ASSERT_TRUE(listener) << text;
    EXPECT_EQ(address_of(*(*listener)->socket()), (*listener)->address()) << text;
  }
}

TEST_F(UvNet, OnlySocketsThatListenAreTaken) {
  const int plain = socket(AF_INET, SOCK_STREAM, 0), datagram = socket(AF_INET, SOCK_DGRAM, 0);
  const int file = open("/dev/null", O_RDONLY);
  for (const int fd : {plain, datagram, file}) {
    EXPECT_FALSE(adopt_listening(fd));
    EXPECT_NE(fcntl(fd, F_GETFD), -1) << "a refused descriptor stays the caller's";
    close(fd);
  }
  EXPECT_FALSE(adopt_listening(-1));
}

TEST_F(UvNet, AHandedOnFileStays) {
  const std::string path = "net_test_handed.sock";
  unlink(path.c_str());
  auto listener = network->listen(*Address::parse("unix:" + path), {}, acceptor);
  ASSERT_TRUE(listener);
  leave_file(*(*listener)->socket());
  listener->reset();
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
  unlink(path.c_str());
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

}  // namespace
}  // namespace cardea::net
