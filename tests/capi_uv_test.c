/* A worker on the host's own uv_loop_t. C89. */
#include <sys/socket.h>
#include <uv.h>

#include "capi_tests.h"

static uv_loop_t loop;

static void open_on_loop(scene* s, int policy) {
  cardea_handlers handlers;
  cardea_config* config = sealed_of(policy);
  cardea_error* error = NULL;
  seen_init(&s->seen);
  seen_fill(&handlers);
  CHECK(uv_loop_init(&loop) == 0);
  SAME(cardea_proxy_new(config, &handlers, &s->seen, seen_free, &s->proxy, NULL), CARDEA_OK);
  cardea_config_unref(config);
  SAME(cardea_worker_new_uv(s->proxy, &loop, uv_version(), &s->worker, &error), CARDEA_OK);
  CHECK(!error);
  s->port = cardea_worker_bound_port(s->worker, 0);
  s->seen.worker = s->worker;
  s->seen.proxy = s->proxy;
}

static void let_go(scene* s) {
  cardea_proxy_unref(s->proxy);
  SAME(s->seen.freed, 1);
  SAME(s->seen.opened, s->seen.closed);
  CHECK(uv_loop_close(&loop) == 0);
}

static void* client_thread(void* arg) {
  client* c = (client*)arg;
  client_get(c, "/uv", 1);
  client_wait(c);
  return NULL;
}

static void close_at_end(seen* s, cardea_request* r) {
  (void)r;
  SAME(cardea_worker_step(s->worker), CARDEA_ENOTSUP);
  SAME(cardea_worker_close(s->worker, seen_done, s), CARDEA_OK);
}

static void serves_and_ends_by_itself(void) {
  scene s;
  client c;
  pthread_t thread;
  open_on_loop(&s, HOST);
  s.seen.in_request_end = close_at_end;
  SAME(cardea_worker_fd(s.worker), CARDEA_ENOTSUP);
  SAME(cardea_worker_timeout(s.worker), -1);
  SAME(cardea_worker_run(s.worker), CARDEA_ENOTSUP);
  SAME(cardea_worker_join(s.worker, 0), CARDEA_ENOTSUP);
  CHECK(uv_loop_alive(&loop)); /* listeners keep it alive */
  client_open(&c, s.port);
  CHECK(pthread_create(&thread, NULL, client_thread, &c) == 0);
  SAME(uv_run(&loop, UV_RUN_DEFAULT), 0); /* ends by itself once the close has completed */
  pthread_join(thread, NULL);
  client_close(&c);
  SAME(s.seen.done, 1);
  SAME(s.seen.ended, 1);
  SAME(s.seen.opened, 1);
  SAME(cardea_worker_close(s.worker, NULL, NULL), CARDEA_ECLOSED);
  cardea_worker_free(s.worker);
  let_go(&s);
}

static int ticks;
static void on_tick(uv_timer_t* timer) {
  if (++ticks == 3) uv_close((uv_handle_t*)timer, NULL);
}

static void the_loop_stays_the_hosts(void) {
  scene s;
  uv_timer_t timer;
  open_on_loop(&s, PUBLIC);
  CHECK(uv_timer_init(&loop, &timer) == 0 && uv_timer_start(&timer, on_tick, 1, 1) == 0);
  while (ticks < 3) uv_run(&loop, UV_RUN_ONCE);
  cardea_worker_free(s.worker); /* closes, and frees itself in the run that follows */
  CHECK(uv_loop_close(&loop) == UV_EBUSY);
  SAME(uv_run(&loop, UV_RUN_DEFAULT), 0);
  let_go(&s);
}

static void two_workers_on_one_loop(void) {
  scene s;
  cardea_worker* second = NULL;
  open_on_loop(&s, PUBLIC);
  SAME(cardea_worker_new_uv(s.proxy, &loop, uv_version(), &second, NULL), CARDEA_OK);
  SAME(cardea_worker_bound_port(second, 0), s.port);
  cardea_worker_free(second);
  uv_run(&loop, UV_RUN_NOWAIT);
  SAME(cardea_proxy_drain(s.proxy, -1, seen_done, &s.seen), CARDEA_OK);
  while (s.seen.done == 0) uv_run(&loop, UV_RUN_ONCE);
  cardea_worker_free(s.worker);
  SAME(uv_run(&loop, UV_RUN_DEFAULT), 0);
  SAME(s.seen.done, 1);
  let_go(&s);
}

static void free_when_drained(void* ud, int status) {
  scene* s = (scene*)ud;
  cardea_worker_free(s->worker);
  seen_done(&s->seen, status);
}

/* The host's main: run until there is nothing left. A drain is told, and its end is the end of the run. */
static void a_drain_ends_the_run(void) {
  scene s;
  open_on_loop(&s, PUBLIC);
  uv_run(&loop, UV_RUN_NOWAIT);
  SAME(cardea_proxy_drain(s.proxy, -1, free_when_drained, &s), CARDEA_OK);
  SAME(uv_run(&loop, UV_RUN_DEFAULT), 0);
  SAME(s.seen.done, 1);
  let_go(&s);
}

static void another_libuv_is_refused(void) {
  const unsigned others[] = {0, 0x10000, 0x20000 | 44 << 8};
  cardea_config* config = sealed_of(PUBLIC);
  cardea_proxy* proxy = NULL;
  cardea_worker* worker = NULL;
  cardea_error* error = NULL;
  int i;
  CHECK(uv_loop_init(&loop) == 0);
  SAME(cardea_proxy_new(config, NULL, NULL, NULL, &proxy, NULL), CARDEA_OK);
  for (i = 0; i < 3; ++i) {
    SAME(cardea_worker_new_uv(proxy, &loop, others[i], &worker, &error), CARDEA_ENOTSUP);
    CHECK(!worker);
    SAYS(cardea_error_message(error), "libuv");
    cardea_error_free(error);
  }
  SAME(cardea_worker_new_uv(proxy, NULL, uv_version(), &worker, NULL), CARDEA_EINVAL);
  SAME(cardea_worker_new_uv(proxy, &loop, uv_version() ^ 1, &worker, NULL), CARDEA_OK); /* a patch release fits */
  cardea_worker_free(worker);
  SAME(uv_run(&loop, UV_RUN_DEFAULT), 0);
  cardea_proxy_unref(proxy);
  cardea_config_unref(config);
  CHECK(uv_loop_close(&loop) == 0);
}

/* A constructor that fails leaves closing handles behind: one run of the loop, and they are gone. */
static void a_failure_leaves_the_loop_usable(void) {
  cardea_config* config = sealed_of(PUBLIC);
  cardea_config* bad = draft_of(PUBLIC);
  cardea_proxy *first = NULL, *second = NULL;
  cardea_listener* l = NULL;
  cardea_worker *worker = NULL, *none = NULL;
  cardea_error* error = NULL;
  char address[64];
  CHECK(uv_loop_init(&loop) == 0);
  SAME(cardea_proxy_new(config, NULL, NULL, NULL, &first, NULL), CARDEA_OK);
  SAME(cardea_worker_new_uv(first, &loop, uv_version(), &worker, NULL), CARDEA_OK);
  sprintf(address, "127.0.0.1:%d", cardea_worker_bound_port(worker, 0));
  SAME(cardea_listener_new(address, CARDEA_NTS, &l), CARDEA_OK);
  SAME(cardea_config_add_listener(bad, l), CARDEA_OK);
  cardea_listener_unref(l);
  must_seal(bad);
  SAME(cardea_proxy_new(bad, NULL, NULL, NULL, &second, NULL), CARDEA_OK);
  SAME(cardea_worker_new_uv(second, &loop, uv_version(), &none, &error), CARDEA_EADDRINUSE);
  CHECK(!none);
  SAYS(cardea_error_message(error), address);
  cardea_error_free(error);
  cardea_worker_free(worker);
  SAME(uv_run(&loop, UV_RUN_DEFAULT), 0);
  cardea_proxy_unref(second);
  cardea_proxy_unref(first);
  cardea_config_unref(bad);
  cardea_config_unref(config);
  CHECK(uv_loop_close(&loop) == 0);
}

int main(int argc, char** argv) {
  static const test_case cases[] = {{"serves_and_ends_by_itself", serves_and_ends_by_itself},
                                    {"the_loop_stays_the_hosts", the_loop_stays_the_hosts},
                                    {"two_workers_on_one_loop", two_workers_on_one_loop},
                                    {"a_drain_ends_the_run", a_drain_ends_the_run},
                                    {"another_libuv_is_refused", another_libuv_is_refused},
                                    {"a_failure_leaves_the_loop_usable", a_failure_leaves_the_loop_usable},
                                    {NULL, NULL}};
  origin_start();
  run_cases(cases, argc > 1 ? argv[1] : NULL);
  origin_stop();
  printf("%d checks failed\n", failed_checks());
  return failed_checks() != 0;
}
