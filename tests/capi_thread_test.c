/* Workers with a thread of their own, and log lines. C89. */
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "capi_tests.h"

static void start(scene* s, cardea_config* config) {
  cardea_handlers handlers;
  seen_init(&s->seen);
  seen_fill(&handlers);
  must_seal(config);
  SAME(cardea_proxy_new(config, &handlers, &s->seen, seen_free, &s->proxy, NULL), CARDEA_OK);
  cardea_config_unref(config);
  SAME(cardea_worker_start_thread(s->proxy, &s->worker, NULL), CARDEA_OK);
  s->port = cardea_worker_bound_port(s->worker, 0);
  s->seen.worker = s->worker;
  s->seen.proxy = s->proxy;
}

static void finish(scene* s) {
  cardea_worker_free(s->worker);
  cardea_proxy_unref(s->proxy);
  CHECK(seen_wait(&s->seen, &s->seen.freed, 1));
  SAME(s->seen.freed, 1);
  SAME(s->seen.opened, s->seen.closed);
}

static void look_at_signals(seen* s, cardea_request* r) {
  sigset_t set;
  (void)r;
  pthread_sigmask(SIG_BLOCK, NULL, &set);
  s->code = sigismember(&set, SIGTERM) && sigismember(&set, SIGINT) && sigismember(&set, SIGPIPE) &&
            sigismember(&set, SIGUSR1);
}

static void* close_it(void* arg) {
  scene* s = (scene*)arg;
  SAME(cardea_worker_close(s->worker, seen_done, &s->seen), CARDEA_OK);
  return NULL;
}

static void serves_and_is_joined(void) {
  scene s;
  client c;
  pthread_t closer;
  sigset_t set;
  start(&s, draft_of(PUBLIC));
  s.seen.in_request_end = look_at_signals;
  SAME(cardea_worker_fd(s.worker), CARDEA_ENOTSUP);
  SAME(cardea_worker_step(s.worker), CARDEA_ENOTSUP);
  SAME(cardea_worker_run(s.worker), CARDEA_ENOTSUP);
  SAME(cardea_worker_timeout(s.worker), -1);
  SAME(cardea_worker_adopt_fd(s.worker, 0, socket(AF_UNIX, SOCK_STREAM, 0), NULL, 0), CARDEA_EWRONGTHREAD);
  SAME(cardea_worker_wakeup(s.worker), CARDEA_OK);
  client_open(&c, s.port);
  client_get(&c, "/thread", 1);
  client_wait(&c);
  client_close(&c);
  SAYS(c.text, "GET /thread");
  CHECK(seen_wait(&s.seen, &s.seen.ended, 1));
  SAME(s.seen.code, 1); /* every signal is the host's */
  pthread_sigmask(SIG_BLOCK, NULL, &set);
  CHECK(!sigismember(&set, SIGTERM)); /* and stays so in the host's own threads */
  SAME(cardea_worker_join(s.worker, 0), CARDEA_ETIMEDOUT);
  SAME(cardea_worker_join(s.worker, 20), CARDEA_ETIMEDOUT);
  CHECK(pthread_create(&closer, NULL, close_it, &s) == 0);
  pthread_join(closer, NULL);
  SAME(cardea_worker_join(s.worker, 10000), CARDEA_OK);
  SAME(cardea_worker_join(s.worker, -1), CARDEA_OK);
  SAME(s.seen.done, 1);
  SAME(s.seen.status, CARDEA_OK);
  SAME(cardea_worker_close(s.worker, seen_done, &s.seen), CARDEA_ECLOSED);
  finish(&s);
  SAME(s.seen.done, 1);
}

static void freed_before_close(void) {
  scene s;
  client c;
  start(&s, draft_of(PUBLIC));
  client_open(&c, s.port);
  client_get(&c, "/hold", 0);
  CHECK(seen_wait(&s.seen, &s.seen.opened, 1));
  finish(&s);
  client_wait(&c);
  CHECK(c.eof);
  client_close(&c);
}

static void end_from_inside(seen* s, cardea_request* r) {
  (void)r;
  SAME(cardea_worker_join(s->worker, 0), CARDEA_EWRONGTHREAD);
  cardea_worker_free(s->worker); /* the request that was passed in lives on */
  SAME(cardea_request_set_data(r, s), CARDEA_OK);
  CHECK(cardea_request_data(r) == s);
}

static void freed_inside_a_callback(void) {
  scene s;
  client c;
  start(&s, draft_of(PUBLIC));
  s.seen.in_request_end = end_from_inside;
  client_open(&c, s.port);
  client_get(&c, "/x", 0);
  client_wait(&c);
  CHECK(c.eof);
  client_close(&c);
  cardea_proxy_unref(s.proxy);
  CHECK(seen_wait(&s.seen, &s.seen.freed, 1));
  SAME(s.seen.ended, 1);
  SAME(s.seen.closed, 1);
}

static void free_in_done(void* ud, int status) {
  scene* s = (scene*)ud;
  cardea_worker_free(s->worker);
  seen_done(&s->seen, status);
}

static void freed_inside_the_completion(void) {
  scene s;
  start(&s, draft_of(PUBLIC));
  SAME(cardea_worker_close(s.worker, free_in_done, &s), CARDEA_OK);
  CHECK(seen_wait(&s.seen, &s.seen.done, 1));
  cardea_proxy_unref(s.proxy);
  CHECK(seen_wait(&s.seen, &s.seen.freed, 1));
}

/* The whole text of the metrics, inside the call. */
static void keep_metrics(void* ud, const char* text, size_t n) {
  char** kept = ud;
  CHECK(!*kept && n > 100);
  *kept = malloc(n + 1);
  memcpy(*kept, text, n);
  (*kept)[n] = 0;
}

/* Several workers share the port of ":0", and what one of them counted is kept when it is gone. */
static void three_workers_one_port(void) {
  scene s;
  cardea_worker* more[2];
  client c;
  int i;
  uint64_t value = 0, requests = 0;
  size_t cursor = 0;
  cardea_str name, kind, help;
  char* metrics = NULL;
  start(&s, draft_of(PUBLIC));
  for (i = 0; i < 2; ++i) {
    SAME(cardea_worker_start_thread(s.proxy, &more[i], NULL), CARDEA_OK);
    SAME(cardea_worker_bound_port(more[i], 0), s.port);
  }
  for (i = 0; i < 12; ++i) {
    client_open(&c, s.port);
    client_get(&c, "/", 1);
    client_wait(&c);
    client_close(&c);
    SAYS(c.text, "200 OK");
  }
  for (i = 0; i < 2; ++i) {
    SAME(cardea_worker_close(more[i], NULL, NULL), CARDEA_OK);
    SAME(cardea_worker_join(more[i], 10000), CARDEA_OK);
    cardea_worker_free(more[i]);
  }
  while (cardea_proxy_metric_next(s.proxy, &cursor, &name, &kind, &help, &value) == 1) {
    if (strcmp(text_of(name), "requests_total") == 0) requests = value;
    CHECK(strcmp(text_of(kind), "counter") == 0 || strcmp(text_of(kind), "gauge") == 0);
    CHECK(help.len > 5);
  }
  SAME(requests, 12);
  CHECK(cursor > 10);
  SAME(cardea_proxy_metric_next(s.proxy, &cursor, &name, &kind, &help, &value), 0);
  CHECK(!name.ptr);
  SAME(cardea_proxy_metrics(s.proxy, keep_metrics, &metrics), CARDEA_OK);
  SAYS(metrics, "\n# TYPE cardea_requests_total counter\ncardea_requests_total 12\n");
  SAYS(metrics, "\ncardea_request_duration_seconds_count 12\n");
  SAYS(metrics, "\ncardea_route_requests_total{route=\"");
  SAYS(metrics, "\ncardea_listeners_draining 0\n");
  free(metrics);
  SAME(cardea_proxy_metrics(s.proxy, NULL, NULL), CARDEA_EINVAL);
  finish(&s);
}

static int connect_unix(const char* path) {
  struct sockaddr_un at;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  memset(&at, 0, sizeof at);
  at.sun_family = AF_UNIX;
  strcpy(at.sun_path, path);
  if (connect(fd, (struct sockaddr*)&at, sizeof at) == 0) return fd;
  close(fd);
  return -1;
}

/* One unix socket for all workers: it is there until the last of them is gone. */
static void three_workers_one_unix_socket(void) {
  scene s;
  cardea_worker* more[2];
  client c;
  cardea_listener* l = NULL;
  cardea_config* config = draft_of(PUBLIC);
  cardea_str address;
  char folder[] = "/tmp/cardea-capi-XXXXXX";
  char path[64], name[80];
  int i;
  CHECK(mkdtemp(folder) != NULL);
  sprintf(path, "%s/s", folder);
  sprintf(name, "unix:%s", path);
  SAME(cardea_listener_new(name, CARDEA_NTS, &l), CARDEA_OK);
  SAME(cardea_listener_set_int(l, CARDEA_OPT_LISTENER_UNIX_MODE, 0600), CARDEA_OK);
  SAME(cardea_config_add_listener(config, l), CARDEA_OK);
  cardea_listener_unref(l);
  start(&s, config);
  for (i = 0; i < 2; ++i) SAME(cardea_worker_start_thread(s.proxy, &more[i], NULL), CARDEA_OK);
  SAME(cardea_worker_bound_address(more[1], 1, &address), CARDEA_OK);
  CHECK(strcmp(text_of(address), name) == 0);
  SAME(cardea_worker_bound_port(more[1], 1), 0);
  for (i = 0; i < 3; ++i) {
    client_take(&c, connect_unix(path));
    client_get(&c, "/unix", 1);
    client_wait(&c);
    client_close(&c);
    SAYS(c.text, "GET /unix");
    if (i == 2) break;
    SAME(cardea_worker_close(more[i], NULL, NULL), CARDEA_OK);
    SAME(cardea_worker_join(more[i], 10000), CARDEA_OK);
    cardea_worker_free(more[i]);
    CHECK(access(path, F_OK) == 0);
  }
  finish(&s);
  CHECK(access(path, F_OK) != 0);
  CHECK(rmdir(folder) == 0);
}

typedef struct lines {
  int count, worst;
  char last[512];
} lines;

static void on_log(void* ud, int level, const char* message, size_t size) {
  lines* l = (lines*)ud;
  const size_t n = size < sizeof l->last ? size : sizeof l->last - 1;
  ++l->count;
  if (level > l->worst) l->worst = level;
  CHECK(!memchr(message, '\n', size));
  memcpy(l->last, message, n);
  l->last[n] = 0;
}

/* A listener that comes at run time is bound by every worker, in whatever order they get to it. */
static void a_new_listener_for_three_workers(void) {
  static lines l;
  scene s;
  cardea_worker* more[2];
  client c;
  cardea_listener* listener = NULL;
  cardea_config* next = draft_of(PUBLIC);
  int i;
  SAME(cardea_listener_new("127.0.0.1:0", CARDEA_NTS, &listener), CARDEA_OK);
  SAME(cardea_config_add_listener(next, listener), CARDEA_OK);
  cardea_listener_unref(listener);
  must_seal(next);
  start(&s, draft_of(PUBLIC));
  for (i = 0; i < 2; ++i) SAME(cardea_worker_start_thread(s.proxy, &more[i], NULL), CARDEA_OK);
  cardea_set_log(on_log, &l, CARDEA_LOG_ERROR);
  SAME(cardea_proxy_apply(s.proxy, next, NULL), CARDEA_OK);
  for (i = 0; i < 2; ++i) { /* what was asked for first is done first */
    SAME(cardea_worker_close(more[i], NULL, NULL), CARDEA_OK);
    SAME(cardea_worker_join(more[i], 10000), CARDEA_OK);
    cardea_worker_free(more[i]);
  }
  i = cardea_worker_bound_port(s.worker, 1);
  CHECK(i > 0 && i != s.port);
  client_open(&c, s.port); /* whoever answers this has taken the configuration over */
  client_get(&c, "/", 1);
  client_wait(&c);
  client_close(&c);
  client_open(&c, i);
  client_get(&c, "/second", 1);
  client_wait(&c);
  client_close(&c);
  SAYS(c.text, "GET /second");
  cardea_set_log(NULL, NULL, 0);
  SAME(l.count, 0);
  cardea_config_unref(next);
  finish(&s);
}

/* ---- log lines ------------------------------------------------------------------------------------ */

static void lines_go_to_the_sink(void) {
  static lines l;
  scene s;
  client c;
  scene_open(&s, draft_of(PUBLIC));
  cardea_set_log(on_log, &l, CARDEA_LOG_NOTICE);
  client_open(&c, s.port);
  client_send(&c, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
  pump_eof(s.worker, &c);
  client_close(&c);
  SAYS(c.text, "HTTP/1.1 400 ");
  CHECK(l.count > 0 && l.worst <= CARDEA_LOG_NOTICE);
  SAYS(l.last, "refused");
  cardea_set_log(on_log, &l, CARDEA_LOG_ERROR);
  l.count = 0;
  client_open(&c, s.port);
  client_send(&c, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
  pump_eof(s.worker, &c);
  client_close(&c);
  SAME(l.count, 0);
  cardea_set_log(NULL, NULL, 0);
  scene_close(&s);
}

const test_case thread_cases[] = {{"thread_serves_and_is_joined", serves_and_is_joined},
                                  {"thread_freed_before_close", freed_before_close},
                                  {"thread_freed_inside_a_callback", freed_inside_a_callback},
                                  {"thread_freed_inside_the_completion", freed_inside_the_completion},
                                  {"three_workers_one_port", three_workers_one_port},
                                  {"three_workers_one_unix_socket", three_workers_one_unix_socket},
                                  {"a_new_listener_for_three_workers", a_new_listener_for_three_workers},
                                  {"lines_go_to_the_sink", lines_go_to_the_sink},
                                  {NULL, NULL}};
