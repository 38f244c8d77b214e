// What the tests of the C++ wrapper share: the C tests' checks, service and client, an epoll loop, a configuration.
#ifndef CARDEA_TESTS_CPP_BINDING_H
#define CARDEA_TESTS_CPP_BINDING_H

#include <cardea/cardea.hpp>

#include <sys/epoll.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

// Of capi_peer.h, which is C's alone.
extern "C" {
void check_that(int ok, const char* what, const char* file, int line);
void check_same(int64_t a, int64_t b, const char* what, const char* file, int line);
void check_says(const char* whole, const char* part, const char* file, int line);
int failed_checks(void);
struct test_case {
  const char* name;
  void (*run)(void);
};
void run_cases(const test_case* cases, const char* only);
void origin_start(void);
void origin_stop(void);
const char* origin_url(void);
struct client {
  int fd;
  int eof;
  size_t size;
  char text[32768];
};
void client_open(client* c, int port);
void client_take(client* c, int fd);
void client_send(client* c, const char* bytes);
void client_get(client* c, const char* path, int close_after);
void client_read(client* c);
void client_close(client* c);
void client_wait(client* c);
}

#define CHECK(x) check_that((x) ? 1 : 0, #x, __FILE__, __LINE__)
#define SAME(a, b) check_same(int64_t(a), int64_t(b), #a " == " #b, __FILE__, __LINE__)
#define SAYS(whole, part) check_says(whole, part, __FILE__, __LINE__)

extern const test_case hook_cases[], answer_cases[], throwing_cases[];

#ifndef CARDEA_HPP_EXCEPTIONS
extern thread_local int allocations;  // of this thread, ever

// Drives a stepped worker from an epoll loop of the host's own.
struct EpollLoop {
  explicit EpollLoop(cardea::Worker& w) : worker(w) {
    epoll_event mine{};
    mine.events = EPOLLIN;
    SAME(epoll_ctl(fd, EPOLL_CTL_ADD, w.fd(), &mine), 0);
  }
  ~EpollLoop() { close(fd); }
  template <class Holds>
  bool until(Holds holds, client* c = nullptr) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > end) return false;
      epoll_event ready{};
      const int timeout = worker.timeout();
      epoll_wait(fd, &ready, 1, timeout < 0 || timeout > 10 ? 10 : timeout);
      while (worker.step().value()) continue;
      if (c) client_read(c);
    }
    return true;
  }
  // A request on a connection of its own; the answer.
  const char* get(const char* path) {
    static client c;
    client_open(&c, worker.bound_port(0).value());
    client_get(&c, path, 1);
    CHECK(until([] { return c.eof != 0; }, &c));
    client_close(&c);
    return c.text;
  }
  cardea::Worker& worker;
  int fd = epoll_create1(EPOLL_CLOEXEC);
};

inline cardea::Config config_of(const cardea::Policy& policy, std::string_view algorithm = {}, bool checked = false) {
  auto config = cardea::Config::create().value();
  auto listener = cardea::Listener::create("127.0.0.1:0").value();
  auto route = cardea::Route::create("http://app.test").value();
  auto cluster = cardea::Cluster::create().value();
  config.set("timeout_idle", std::chrono::seconds(90)).value();
  config.set(CARDEA_OPT_GLOBAL_MAX_CONNECTIONS, 100).value();
  config.set("skip_xff_append", true).value();
  route.set(CARDEA_OPT_ROUTE_NAME, "app").value();
  cluster.add_endpoint(origin_url()).value();
  if (!algorithm.empty()) cluster.set("load_balancing_policy", algorithm).value();
  if (checked) {
    cluster
        .set("health_checks", std::string(R"({"timeout":"5s","interval":"10ms","unhealthy_threshold":1,)"
                                          R"("healthy_threshold":1,"custom_health_check":{}})"))
        .value();
  }
  route.set_policy(policy).value();
  route.set_cluster(cluster).value();
  config.add(listener).value();
  config.add(route).value();
  config.seal().value();
  return config;
}
#endif

#endif  // CARDEA_TESTS_CPP_BINDING_H
