/* Workers that the host steps: descriptor, timeout, step; listeners, adopted sockets, close and leaks. C89. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capi_tests.h"

static void serves_from_a_poll_loop(void) {
  scene s;
  client c;
  cardea_str address;
  char expected[64];
  scene_open(&s, draft_of(PUBLIC));
  CHECK(s.port > 0);
  sprintf(expected, "127.0.0.1:%d", s.port);
  SAME(cardea_worker_bound_address(s.worker, 0, &address), CARDEA_OK);
  CHECK(strcmp(text_of(address), expected) == 0);
  SAME(cardea_worker_bound_address(s.worker, 1, &address), CARDEA_ENOTFOUND);
  SAME(cardea_worker_bound_port(s.worker, 1), CARDEA_ENOTFOUND);
  CHECK(cardea_worker_fd(s.worker) >= 0);
  SAME(cardea_worker_join(s.worker, 0), CARDEA_ENOTSUP);
  get(&s, &c, "/a?b=c");
  SAYS(c.text, "HTTP/1.1 200 OK\r\n");
  SAYS(c.text, "GET /a?b=c HTTP/1.1\r\n");
  SAYS(c.text, "x-forwarded-for: 127.0.0.1\r\n");
  SAME(s.seen.ended, 1);
  SAME(s.seen.opened, 1);
  scene_close(&s);
}

/* Two listeners of one worker: plain in front, whose service is the TLS one behind. */
static void serves_tls(void) {
  scene s;
  client c;
  cardea_config* config = NULL;
  cardea_listener *plain = NULL, *secure = NULL;
  cardea_tls* tls = NULL;
  cardea_route *front = NULL, *back = NULL;
  cardea_cluster *to_back = NULL, *to_origin = NULL;
  cardea_policy* open = NULL;
  char url[64];
  int port, lone;
  struct sockaddr_in at;
  socklen_t size = sizeof at;
  /* The cluster must know the port before the worker has it: a bound socket that does not listen reserves one. */
  memset(&at, 0, sizeof at);
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  lone = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(bind(lone, (struct sockaddr*)&at, sizeof at) == 0 && getsockname(lone, (struct sockaddr*)&at, &size) == 0);
  port = ntohs(at.sin_port);
  close(lone);
  SAME(cardea_config_new(&config), CARDEA_OK);
  SAME(cardea_listener_new("127.0.0.1:0", CARDEA_NTS, &plain), CARDEA_OK);
  sprintf(url, "127.0.0.1:%d", port);
  SAME(cardea_listener_new(url, CARDEA_NTS, &secure), CARDEA_OK);
  SAME(cardea_tls_new(&tls), CARDEA_OK);
  SAME(cardea_tls_add_cert(tls, CERTIFICATE, CARDEA_NTS, PRIVATE_KEY, CARDEA_NTS, NULL), CARDEA_OK);
  SAME(cardea_listener_set_tls(secure, tls), CARDEA_OK);
  SAME(cardea_cluster_new(&to_back), CARDEA_OK);
  sprintf(url, "https://127.0.0.1:%d", port);
  SAME(cardea_cluster_add_endpoint(to_back, url, CARDEA_NTS, 1), CARDEA_OK);
  SAME(cardea_cluster_set_str(to_back, CARDEA_OPT_CLUSTER_TLS_SERVER_NAME, "app.test", CARDEA_NTS), CARDEA_OK);
  SAME(cardea_cluster_set_str(to_back, CARDEA_OPT_CLUSTER_TLS_CUSTOM_CA, CERTIFICATE, CARDEA_NTS), CARDEA_OK);
  SAME(cardea_cluster_new(&to_origin), CARDEA_OK);
  SAME(cardea_cluster_add_endpoint(to_origin, origin_url(), CARDEA_NTS, 1), CARDEA_OK);
  SAME(cardea_policy_public(&open), CARDEA_OK);
  SAME(cardea_route_new("http://app.test", CARDEA_NTS, &front), CARDEA_OK);
  SAME(cardea_route_set_cluster(front, to_back), CARDEA_OK);
  SAME(cardea_route_set_policy(front, open), CARDEA_OK);
  SAME(cardea_route_set_str(front, CARDEA_OPT_ROUTE_HOST_REWRITE, "back.test", CARDEA_NTS), CARDEA_OK);
  SAME(cardea_route_new("https://back.test", CARDEA_NTS, &back), CARDEA_OK);
  SAME(cardea_route_set_cluster(back, to_origin), CARDEA_OK);
  SAME(cardea_route_set_policy(back, open), CARDEA_OK);
  SAME(cardea_config_add_listener(config, plain), CARDEA_OK);
  SAME(cardea_config_add_listener(config, secure), CARDEA_OK);
  SAME(cardea_config_add_route(config, front), CARDEA_OK);
  SAME(cardea_config_add_route(config, back), CARDEA_OK);
  cardea_tls_unref(tls);
  cardea_listener_unref(plain);
  cardea_listener_unref(secure);
  cardea_route_unref(front);
  cardea_route_unref(back);
  cardea_cluster_unref(to_back);
  cardea_cluster_unref(to_origin);
  cardea_policy_unref(open);
  scene_open(&s, config);
  get(&s, &c, "/tls");
  SAYS(c.text, "HTTP/1.1 200 OK\r\n");
  SAYS(c.text, "GET /tls HTTP/1.1\r\n");
  CHECK(pump_until(s.worker, NULL, &s.seen.ended, 2));
  SAME(s.seen.opened, 2);
  scene_close(&s);
}

static void two_listeners_on_port_0(void) {
  scene s;
  client c;
  cardea_listener* second = NULL;
  cardea_config* config = draft_of(PUBLIC);
  SAME(cardea_listener_new("127.0.0.1:0", CARDEA_NTS, &second), CARDEA_OK);
  SAME(cardea_config_add_listener(config, second), CARDEA_OK);
  cardea_listener_unref(second);
  scene_open(&s, config);
  CHECK(cardea_worker_bound_port(s.worker, 0) != cardea_worker_bound_port(s.worker, 1));
  s.port = cardea_worker_bound_port(s.worker, 1);
  get(&s, &c, "/");
  SAYS(c.text, "200 OK");
  scene_close(&s);
}

static void a_taken_address_is_named(void) {
  struct sockaddr_in at;
  socklen_t size = sizeof at;
  char address[64];
  cardea_config* config = NULL;
  cardea_proxy* proxy = NULL;
  cardea_worker* worker = (cardea_worker*)&worker;
  cardea_error* error = NULL;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int mode;
  memset(&at, 0, sizeof at);
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(bind(fd, (struct sockaddr*)&at, sizeof at) == 0 && listen(fd, 1) == 0);
  CHECK(getsockname(fd, (struct sockaddr*)&at, &size) == 0);
  sprintf(address, "127.0.0.1:%d", ntohs(at.sin_port));
  for (mode = 0; mode < 2; ++mode) {
    cardea_listener* listener = NULL;
    config = draft_of(PUBLIC);
    SAME(cardea_listener_new(address, CARDEA_NTS, &listener), CARDEA_OK);
    SAME(cardea_config_add_listener(config, listener), CARDEA_OK);
    cardea_listener_unref(listener);
    must_seal(config);
    SAME(cardea_proxy_new(config, NULL, NULL, NULL, &proxy, NULL), CARDEA_OK);
    SAME(mode ? cardea_worker_start_thread(proxy, &worker, &error) : cardea_worker_new(proxy, &worker, &error),
         CARDEA_EADDRINUSE);
    CHECK(!worker);
    SAYS(cardea_error_message(error), address);
    SAME(cardea_error_source_code(error), EADDRINUSE);
    cardea_error_free(error);
    SAME(mode ? cardea_worker_start_thread(proxy, &worker, NULL) : cardea_worker_new(proxy, &worker, NULL),
         CARDEA_EADDRINUSE);
    cardea_proxy_unref(proxy);
    cardea_config_unref(config);
  }
  close(fd);
}

static int readable(cardea_worker* w, int wait_ms) {
  struct pollfd fd;
  fd.fd = cardea_worker_fd(w);
  fd.events = POLLIN;
  return poll(&fd, 1, wait_ms) > 0;
}

static void* wake(void* w) {
  SAME(cardea_worker_wakeup((cardea_worker*)w), CARDEA_OK);
  return NULL;
}

static void work_makes_the_descriptor_readable(void) {
  scene s;
  client c;
  pthread_t thread;
  cardea_config* next = sealed_of(PUBLIC);
  scene_open(&s, draft_of(PUBLIC));
  pump_idle(s.worker);
  CHECK(!readable(s.worker, 0));
  CHECK(cardea_worker_timeout(s.worker) != 0);
  CHECK(pthread_create(&thread, NULL, wake, s.worker) == 0);
  CHECK(readable(s.worker, 10000));
  pthread_join(thread, NULL);
  pump_idle(s.worker);
  CHECK(!readable(s.worker, 0));
  SAME(cardea_proxy_apply(s.proxy, next, NULL), CARDEA_OK);
  CHECK(readable(s.worker, 10000));
  pump_idle(s.worker);
  client_open(&c, s.port);
  CHECK(readable(s.worker, 10000));
  pump_idle(s.worker);
  CHECK(cardea_worker_timeout(s.worker) > 0); /* the clock of the request's head */
  SAME(cardea_proxy_drain(s.proxy, -1, seen_done, &s.seen), CARDEA_OK);
  CHECK(readable(s.worker, 10000));
  pump_eof(s.worker, &c);
  client_close(&c);
  CHECK(pump_until(s.worker, NULL, &s.seen.done, 1));
  cardea_config_unref(next);
  scene_close(&s);
}

static void run_ends_with_close(void) {
  scene s;
  client c;
  int i;
  scene_open(&s, draft_of(PUBLIC));
  SAME(cardea_worker_close(s.worker, seen_done, &s.seen), CARDEA_OK);
  SAME(cardea_worker_close(s.worker, seen_done, &s.seen), CARDEA_OK); /* each completion is told */
  SAME(s.seen.done, 0);                                               /* never from inside the call */
  SAME(cardea_worker_run(s.worker), CARDEA_OK);
  SAME(s.seen.done, 2);
  SAME(cardea_worker_run(s.worker), CARDEA_ECLOSED);
  SAME(cardea_worker_step(s.worker), CARDEA_ECLOSED);
  SAME(cardea_worker_timeout(s.worker), -1);
  SAME(cardea_worker_wakeup(s.worker), CARDEA_OK);
  SAME(cardea_proxy_drain(s.proxy, -1, seen_done, &s.seen), CARDEA_OK);
  SAME(s.seen.done, 3);
  cardea_worker_free(s.worker);
  /* The proxy goes on: the next worker has the same port. */
  SAME(cardea_worker_new(s.proxy, &s.worker, NULL), CARDEA_OK);
  SAME(cardea_worker_bound_port(s.worker, 0), s.port);
  for (i = 0; i < 2; ++i) {
    get(&s, &c, "/");
    SAYS(c.text, "200 OK");
  }
  scene_close(&s);
}

static void freed_without_close(void) {
  scene s;
  client c;
  scene_open(&s, draft_of(PUBLIC));
  client_open(&c, s.port);
  client_get(&c, "/hold", 0);
  while (s.seen.opened == 0) cardea_worker_step(s.worker);
  cardea_worker_free(s.worker); /* closes, and frees itself in one of the passes that follow */
  cardea_proxy_unref(s.proxy);
  while (s.seen.freed == 0) CHECK(cardea_worker_step(s.worker) >= 0);
  SAME(s.seen.closed, 1);
  client_wait(&c);
  CHECK(c.eof);
  client_close(&c);
}

/* ---- adopted sockets ---------------------------------------------------------------------------- */

static int is_open(int fd) {
  return fcntl(fd, F_GETFD) != -1;
}

static void adopts_a_socket_with_what_was_read(void) {
  scene s;
  client c;
  int pair[2], ends[2];
  scene_open(&s, draft_of(PUBLIC));
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  client_take(&c, pair[0]);
  SAME(cardea_worker_adopt_fd(s.worker, 0, pair[1], "GET /adopted HTTP/1.1\r\nHo", 25), CARDEA_OK);
  client_send(&c, "st: app.test\r\nConnection: close\r\n\r\n");
  pump_eof(s.worker, &c);
  SAYS(c.text, "200 OK");
  SAYS(c.text, "GET /adopted HTTP/1.1");
  client_close(&c);

  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  client_take(&c, pair[0]);
  client_get(&c, "/nothing-read", 1);
  SAME(cardea_worker_adopt_fd(s.worker, 0, pair[1], NULL, 0), CARDEA_OK);
  pump_eof(s.worker, &c);
  SAYS(c.text, "GET /nothing-read");
  client_close(&c);

  /* The descriptor is taken even by a call that fails. */
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  SAME(cardea_worker_adopt_fd(s.worker, 9, pair[1], NULL, 0), CARDEA_EINVAL);
  CHECK(!is_open(pair[1]));
  close(pair[0]);
  CHECK(pipe(ends) == 0);
  SAME(cardea_worker_adopt_fd(s.worker, 0, ends[0], NULL, 0), CARDEA_EINVAL);
  CHECK(!is_open(ends[0]));
  SAME(cardea_worker_adopt_fd(NULL, 0, ends[1], NULL, 0), CARDEA_EINVAL);
  CHECK(!is_open(ends[1]));
  SAME(cardea_worker_adopt_fd(s.worker, 0, -1, NULL, 0), CARDEA_EINVAL);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  SAME(cardea_worker_close(s.worker, NULL, NULL), CARDEA_OK);
  SAME(cardea_worker_adopt_fd(s.worker, 0, pair[1], NULL, 0), CARDEA_ECLOSED);
  CHECK(!is_open(pair[1]));
  close(pair[0]);
  scene_close(&s);
}

/* ---- threads and forks --------------------------------------------------------------------------- */

static void* from_another_thread(void* arg) {
  scene* s = (scene*)arg;
  int pair[2];
  SAME(cardea_worker_step(s->worker), CARDEA_EWRONGTHREAD);
  SAME(cardea_worker_run(s->worker), CARDEA_EWRONGTHREAD);
  SAME(cardea_worker_close(s->worker, NULL, NULL), CARDEA_EWRONGTHREAD);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  SAME(cardea_worker_adopt_fd(s->worker, 0, pair[1], NULL, 0), CARDEA_EWRONGTHREAD);
  CHECK(!is_open(pair[1]));
  close(pair[0]);
  return NULL;
}

static void another_thread_is_refused(void) {
  scene s;
  client c;
  pthread_t thread;
  scene_open(&s, draft_of(PUBLIC));
  CHECK(pthread_create(&thread, NULL, from_another_thread, &s) == 0);
  pthread_join(thread, NULL);
  get(&s, &c, "/");
  SAYS(c.text, "200 OK");
  scene_close(&s);
}

static void a_forked_child_is_refused(void) {
  scene s;
  client c;
  pid_t child;
  int status = -1;
  scene_open(&s, draft_of(PUBLIC));
  get(&s, &c, "/before");
  child = fork();
  if (child == 0) {
    int wrong = 0;
    wrong += cardea_worker_step(s.worker) != CARDEA_EFORKED;
    wrong += cardea_worker_run(s.worker) != CARDEA_EFORKED;
    wrong += cardea_worker_wakeup(s.worker) != CARDEA_EFORKED;
    wrong += cardea_worker_close(s.worker, NULL, NULL) != CARDEA_EFORKED;
    wrong += cardea_worker_adopt_fd(s.worker, 0, dup(2), NULL, 0) != CARDEA_EFORKED;
    cardea_worker_free(s.worker); /* does nothing: the sockets are the parent's */
    _exit(wrong);
  }
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  get(&s, &c, "/after");
  SAYS(c.text, "GET /after");
  scene_close(&s);
}

/* A successor in the same process: it takes the sockets, the first one drains, and its port goes on answering. */
static void a_successor_takes_the_sockets(void) {
  scene first, second;
  client c;
  cardea_config* config;
  cardea_listener* listener;
  cardea_route* route;
  cardea_policy* policy;
  cardea_error* error = NULL;
  char address[64];
  int fds[8], i, pair[2];
  size_t count = 0;
  scene_open(&first, draft_of(PUBLIC));
  sprintf(address, "127.0.0.1:%d", first.port);
  SAME(cardea_proxy_listening_fds(first.proxy, fds, 8, NULL), CARDEA_EINVAL);
  SAME(cardea_proxy_listening_fds(first.proxy, NULL, 0, &count), CARDEA_OK);
  SAME(count, 1);
  SAME(cardea_proxy_listening_fds(first.proxy, fds, 8, &count), CARDEA_OK);
  SAME(count, 1);
  CHECK(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);

  SAME(cardea_config_new(&config), CARDEA_OK);
  SAME(cardea_listener_new(address, CARDEA_NTS, &listener), CARDEA_OK);
  SAME(cardea_config_add_listener(config, listener), CARDEA_OK);
  cardea_listener_unref(listener);
  SAME(cardea_route_new("http://app.test", CARDEA_NTS, &route), CARDEA_OK);
  SAME(cardea_route_set_int(route, CARDEA_OPT_ROUTE_RESPONSE_STATUS, 200), CARDEA_OK);
  SAME(cardea_route_set_str(route, CARDEA_OPT_ROUTE_RESPONSE_BODY, "the successor", CARDEA_NTS), CARDEA_OK);
  SAME(cardea_policy_public(&policy), CARDEA_OK);
  SAME(cardea_route_set_policy(route, policy), CARDEA_OK);
  cardea_policy_unref(policy);
  SAME(cardea_config_add_route(config, route), CARDEA_OK);
  cardea_route_unref(route);
  must_seal(config);

  memset(&second, 0, sizeof second);
  SAME(cardea_proxy_new(config, NULL, NULL, NULL, &second.proxy, NULL), CARDEA_OK);
  cardea_config_unref(config);
  SAME(cardea_worker_new(second.proxy, &second.worker, &error), CARDEA_EADDRINUSE);
  cardea_error_free(error);
  SAME(pipe(pair), 0);
  SAME(cardea_proxy_adopt_listening(second.proxy, pair[0], &error), CARDEA_EINVAL);
  SAYS(cardea_error_message(error), "listening socket");
  cardea_error_free(error);
  CHECK(fcntl(pair[0], F_GETFD) >= 0);
  close(pair[0]);
  close(pair[1]);
  SAME(cardea_proxy_adopt_listening(second.proxy, -1, NULL), CARDEA_EINVAL);
  for (i = 0; i < (int)count; ++i) SAME(cardea_proxy_adopt_listening(second.proxy, fds[i], NULL), CARDEA_OK);
  SAME(cardea_worker_new(second.proxy, &second.worker, NULL), CARDEA_OK);
  SAME(cardea_worker_bound_port(second.worker, 0), first.port);

  SAME(cardea_proxy_drain(first.proxy, 1000, NULL, NULL), CARDEA_OK);
  pump_idle(first.worker);
  client_open(&c, first.port);
  client_get(&c, "/next", 1);
  pump_eof(second.worker, &c);
  SAYS(c.text, "the successor");
  client_close(&c);
  cardea_worker_close(second.worker, NULL, NULL);
  pump_idle(second.worker);
  cardea_worker_free(second.worker);
  cardea_proxy_unref(second.proxy);
  scene_close(&first);
}

/* ---- what is left over --------------------------------------------------------------------------- */

static void thousand_lives_leave_nothing(void) {
  int i, before = 0;
  for (i = 0; i < 1000; ++i) {
    scene s;
    client c;
    if (i == 1) before = open_descriptors();
    scene_open(&s, draft_of(i % 2 ? PUBLIC : HOST));
    get(&s, &c, "/life");
    SAYS(c.text, "200 OK");
    scene_close(&s);
  }
  SAME(open_descriptors(), before);
}

const test_case worker_cases[] = {{"serves_from_a_poll_loop", serves_from_a_poll_loop},
                                  {"serves_tls", serves_tls},
                                  {"two_listeners_on_port_0", two_listeners_on_port_0},
                                  {"a_taken_address_is_named", a_taken_address_is_named},
                                  {"work_makes_the_descriptor_readable", work_makes_the_descriptor_readable},
                                  {"run_ends_with_close", run_ends_with_close},
                                  {"freed_without_close", freed_without_close},
                                  {"adopts_a_socket_with_what_was_read", adopts_a_socket_with_what_was_read},
                                  {"another_thread_is_refused", another_thread_is_refused},
                                  {"a_successor_takes_the_sockets", a_successor_takes_the_sockets},
                                  {"a_forked_child_is_refused", a_forked_child_is_refused},
                                  {"thousand_lives_leave_nothing", thousand_lives_leave_nothing},
                                  {NULL, NULL}};
