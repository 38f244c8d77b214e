// Files of endpoints: what they may say, and how changes, faults and the system's refusals are taken.
#include "cluster/endpoints_file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "discovery_fixture.h"
#include "folder.h"

namespace cardea::cluster {
namespace {

class NoTls final : public tls::ClientContext {
 public:
  std::unique_ptr<net::Stream> wrap(net::Loop&, std::unique_ptr<net::Stream>, const std::string&) const override {
    return nullptr;
  }
};

// ---- the text ---------------------------------------------------------------------------------------

std::string read(const std::string& text, const ClusterConfig& config = {}) {
  yaml::Faults faults;
  auto list = read_endpoints(text, config, faults);
  EXPECT_EQ(bool(list), faults.empty()) << text;
  if (!list) return faults.text("f");
  std::string out;
  for (const EndpointConfig& e : *list) {
    out += (out.empty() ? "" : " ") + (e.srv ? "srv " : std::string()) + e.host + ":" + std::to_string(e.port) + "*" +
           std::to_string(e.weight) + "@" + std::to_string(e.priority);
  }
  return out;
}

TEST(EndpointsText, Lists) {
  const struct {
    const char *text, *seen;
  } rows[] = {
      {"[]", ""},
      {"- http://10.0.0.1\n- h2c://a:81,5\n", "10.0.0.1:80*1@0 a:81*5@0"},
      {"- url: http://a\n  weight: 3\n  priority: 65535\n- {url: 'http://b,2', priority: 1}\n",
       "a:80*3@65535 b:80*2@1"},
      {R"(["http://a", {"url": "http://b", "weight": 2}])", "a:80*1@0 b:80*2@0"},
      {"- http+unix:///run/s\n- srv://_http._tcp.a\n- http://b/\n", "/run/s:0*1@0 srv _http._tcp.a:0*1@0 b:80*1@0"},
  };
  for (const auto& row : rows) EXPECT_EQ(read(row.text), row.seen) << row.text;
}

TEST(EndpointsText, Faults) {
  const struct {
    const char *text, *faults;
  } rows[] = {
      {"", "f:1:1: must be a list of endpoints"},
      {"# nothing\n", "f:1:1: must be a list of endpoints"},
      {"endpoints: []", "f:1:1: must be a list of endpoints"},
      {"- ftp://a\n", "f:1:3: [0]: must begin with http://, https://, h2c://, srv://, http+unix:// or https+unix://"},
      {"- http://a\n- http://a/x\n", "f:2:3: [1]: may not have a path"},
      {"- {weight: 1}\n", "f:1:3: [0]: has no url"},
      {"- {url: 'http://a', wait: 1}\n", "f:1:21: [0].wait: is not known: url, weight or priority"},
      {"- {url: 'http://a', weight: 0}\n", "f:1:29: [0].weight: must be between 1 and 4294967295, not 0"},
      {"- {url: 'http://a', priority: 65536}\n", "f:1:31: [0].priority: must be between 0 and 65535, not 65536"},
      {"- {url: 'http://a', weight: x}\n", "f:1:29: [0].weight: must be a whole decimal number, not a string (x)"},
      {"- {url: 'http://a,2', weight: 2}\n", "f:1:23: [0].weight: is given twice: the URL has one too"},
      {"- {url: 'srv://a', weight: 2}\n", "f:1:20: [0].weight: has no effect: SRV records have their own"},
      {"- {url: 'srv://a', priority: 2}\n", "f:1:20: [0].priority: has no effect: SRV records have their own"},
      {"- [a]\n", "f:1:3: [0]: must be a string, not a list"},
      {"- http://a\n- tcp://b:1\n", "f:2:3: [1]: may not be mixed: tcp with other URLs"},
      {"- https://a\n", "f:1:3: [0]: cannot be used: this cluster has no TLS"},
      {"- {url: 'http://a', weight: 4294967295}\n- http://b\n",
       "f:2:3: [1]: has a weight with which the sum passes 4294967295"},
      {"- &a http://a\n- *a\n", "*"},
      {"- [[[[[a]]]]]\n", "*"},
      {"- http://a\n--- []\n", "*"},
      {"- 'http://a\n", "*"},
  };
  for (const auto& row : rows) {
    const std::string got = read(row.text);
    if (std::string(row.faults) == "*") {
      EXPECT_EQ(got.substr(0, 2), "f:") << row.text << got;
    } else {
      EXPECT_EQ(got, row.faults) << row.text;
    }
  }
}

TEST(EndpointsText, GoesWithTheConfiguration) {
  ClusterConfig config;
  config.endpoints = {parse_endpoint("tcp://a:1").config};
  EXPECT_EQ(read("- http://b", config), "f:1:3: [0]: may not be mixed: tcp with other URLs");
  EXPECT_EQ(read("- tcp://b:1", config), "b:1*1@0");
  // Without any the route says which they must be.
  config.endpoints.clear();
  EXPECT_EQ(read("- tcp://b:1", config), "f:1:3: [0]: may not be mixed: tcp with other URLs");
  config.tcp = true;
  EXPECT_EQ(read("- tcp://b:1", config), "b:1*1@0");
  EXPECT_EQ(read("- http://b", config), "f:1:3: [0]: may not be mixed: tcp with other URLs");
  config.tls = std::make_shared<NoTls>();
  config.endpoints = {parse_endpoint("https://a").config};
  EXPECT_EQ(read("- h2c://b", config), "f:1:3: [0]: may not be mixed: h2c with https");
  EXPECT_EQ(read("- https+unix:///s", config),
            "f:1:3: [0]: needs tls_upstream_server_name: a socket's path is no name to verify");
  config.tls_server_name = "a";
  EXPECT_EQ(read("- https+unix:///s\n- http://c", config), "/s:0*1@0 c:80*1@0");
}

TEST(EndpointsText, IsBounded) {
  std::string most;
  for (size_t i = 0; i < kMaxEndpoints; ++i) most += "- {url: 'http://a', weight: 1, priority: 0}\n";
  yaml::Faults faults;
  auto list = read_endpoints(most, {}, faults);
  ASSERT_TRUE(list);
  EXPECT_EQ(list->size(), kMaxEndpoints);
  EXPECT_EQ(read(most + "- http://a\n"), "f:1:1: has more than 10000 endpoints");
}

// ---- the file ---------------------------------------------------------------------------------------

class EndpointsFileTest : public DiscoveryTest {
 protected:
  EndpointsFileTest() {
    config.name = "app";
    config.endpoints_file = folder.path() + "/endpoints";
    // A change within one tick of the file system's clock must differ in size.
    write("- http://10.0.0.1\n");
  }
  void write(const std::string& text) { folder.write("endpoints", text); }
  void replace(const std::string& text) {
    ASSERT_EQ(rename(folder.write("next", text).c_str(), config.endpoints_file.c_str()), 0);
  }
  std::string last_line() const { return log.lines.empty() ? "" : log.lines.back(); }

  test::Folder folder;
  LogLines log;
};

TEST_F(EndpointsFileTest, IsReadInsideStartAndEverySecond) {
  to("http://10.0.9.9");
  start();
  EXPECT_EQ(seen(), "10.0.9.9:80 10.0.0.1:80");
  const EndpointStatePtr one = state("10.0.0.1:80");
  write("- http://10.0.0.22,4\n- http://10.0.0.1,3\n");
  loop.advance(999);
  EXPECT_EQ(seen(), "10.0.9.9:80 10.0.0.1:80");
  loop.advance(1);
  EXPECT_EQ(seen(), "10.0.9.9:80 10.0.0.1:80*3@0 10.0.0.22:80*4@0");
  EXPECT_EQ(state("10.0.0.1:80"), one);
  replace("[]");
  loop.advance(1'000);
  EXPECT_EQ(seen(), "10.0.9.9:80");
  const int before = rosters;
  loop.advance(60'000);
  EXPECT_EQ(rosters, before);
  EXPECT_TRUE(log.lines.empty());
}

TEST_F(EndpointsFileTest, NamesInItAreResolved) {
  write("- http://app.example\n- srv://_http._tcp.app.example\n");
  network.answer("app.example", {"10.0.0.2"}, 60'000, 10);
  network.answer_srv("_http._tcp.app.example", {{"t.test", 81, 0, 1}});
  network.answer("t.test", {"10.0.0.3"});
  start();
  EXPECT_EQ(rosters, 0);
  EXPECT_TRUE(discovery->resolving());
  loop.advance(10);
  EXPECT_EQ(seen(), "10.0.0.3:81 10.0.0.2:80");
}

TEST_F(EndpointsFileTest, AFaultChangesNothingAndIsLoggedOncePerChange) {
  start();
  const struct {
    const char *text, *line;
  } rows[] = {
      {"- http://10.0.0.2\n- ftp://b\n- http://c/x\n",
       ":2:3: [1]: must begin with http://, https://, h2c://, srv://, http+unix:// or https+unix:// (and 1 more)"},
      {"- http://10.0.0.2\n- http://c?\n", ":2:3: [1]: may not have a query or a fragment"},
      {"", ":1:1: must be a list of endpoints"},
  };
  size_t lines = 0;
  for (const auto& row : rows) {
    write(row.text);
    loop.advance(10'000);
    EXPECT_EQ(seen(), "10.0.0.1:80");
    ASSERT_EQ(log.lines.size(), ++lines) << row.text;
    EXPECT_EQ(last_line(), "cluster app: " + config.endpoints_file + row.line + "; the endpoints stay as they are");
  }
  write("- http://10.0.0.2\n");
  loop.advance(1'000);
  EXPECT_EQ(seen(), "10.0.0.2:80");
  EXPECT_EQ(log.lines.size(), lines);
}

TEST_F(EndpointsFileTest, WhatCannotBeReadChangesNothing) {
  start();
  const std::string path = config.endpoints_file;
  const struct {
    const char* what;
    std::function<void()> make;
    const char* line;
  } rows[] = {
      {"gone", [&] {}, "cannot be read: No such file or directory"},
      {"folder", [&] { mkdir(path.c_str(), 0700); }, "is not a regular file"},
      {"pipe", [&] { mkfifo(path.c_str(), 0600); }, "is not a regular file"},
      {"too long", [&] { write(std::string(1024 * 1024 + 1, '#')); }, "is longer than 1048576 bytes"},
      {"loop", [&] { EXPECT_EQ(symlink("endpoints", path.c_str()), 0); }, "cannot be read: Too many levels*"},
  };
  size_t lines = 0;
  for (const auto& row : rows) {
    remove(path.c_str());
    row.make();
    loop.advance(10'000);
    EXPECT_EQ(seen(), "10.0.0.1:80") << row.what;
    ASSERT_EQ(log.lines.size(), ++lines) << row.what << ": " << last_line();
    const std::string wanted = row.line, line = "cluster app: " + path + ": " + wanted;
    EXPECT_EQ(last_line().substr(0, line.size() - 1), line.substr(0, line.size() - 1)) << row.what;
  }
  remove(path.c_str());
  write("- http://10.0.0.2\n");
  loop.advance(1'000);
  EXPECT_EQ(seen(), "10.0.0.2:80");
}

TEST_F(EndpointsFileTest, WithoutItThereIsAReason) {
  remove(config.endpoints_file.c_str());
  start();
  EXPECT_EQ(rosters, 0);
  EXPECT_EQ(failure(), "no_upstream:endpoints_file");
  EXPECT_EQ(log.lines.size(), 1u);
  write("- http://10.0.0.2\n");
  loop.advance(1'000);
  EXPECT_EQ(seen(), "10.0.0.2:80");
  EXPECT_EQ(failure(), "no_upstream:no_endpoint");
}

TEST_F(EndpointsFileTest, APassingRefusalOfTheSystemIsTriedAgain) {
  int fds[1024], count = 0;
  rlimit old{}, few{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  few = old;
  few.rlim_cur = 32;
  write("- http://10.0.0.2\n");
  remove(config.endpoints_file.c_str());
  start();
  write("- http://10.0.0.2\n");
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  while (count < 64 && (fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) ++count;
  loop.advance(5'000);
  while (count > 0) close(fds[--count]);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
  EXPECT_EQ(rosters, 0);
  EXPECT_EQ(log.lines.size(), 2u) << last_line();
  EXPECT_EQ(last_line(), "cluster app: " + config.endpoints_file +
                             ": cannot be read: Too many open files; the endpoints stay as they are");
  loop.advance(1'000);
  EXPECT_EQ(seen(), "10.0.0.2:80");
}

TEST_F(EndpointsFileTest, APredecessorsEndpointsStayUntilItCanBeRead) {
  to("http://10.0.9.9");
  write("- http://10.0.0.1\n- http://app.example\n");
  network.answer("app.example", {"10.0.0.2", "10.0.0.3"});
  start();
  loop.run();
  const RosterPtr before = roster;
  ASSERT_EQ(before->size(), 4u);
  write("- http://10.0.0.1\n- http://app.ex");
  write("- broken: ");
  succeed();
  EXPECT_EQ(*roster, *before);
  loop.advance(5'000);
  EXPECT_EQ(*roster, *before);
  write("- http://10.0.0.7\n- http://app.example,2\n");
  network.answer("app.example", {"10.0.0.3"}, 60'000, 100);
  loop.advance(1'000);
  EXPECT_EQ(seen(), "10.0.9.9:80 10.0.0.2:80*2@0 10.0.0.3:80*2@0 10.0.0.7:80");
  EXPECT_EQ(state("10.0.0.3:80"), (*before)[3].state);
  loop.advance(100);
  EXPECT_EQ(seen(), "10.0.9.9:80 10.0.0.3:80*2@0 10.0.0.7:80");
  EXPECT_EQ(state("10.0.0.3:80"), (*before)[3].state);
}

TEST_F(EndpointsFileTest, TheHostsListGoesBeforeIt) {
  start();
  set(std::vector{url("http://10.0.5.5")});
  write("- http://10.0.0.22\n");
  loop.advance(2'000);
  EXPECT_EQ(seen(), "10.0.5.5:80");
  set(std::nullopt);
  EXPECT_EQ(seen(), "10.0.0.22:80");
}

}  // namespace
}  // namespace cardea::cluster
