/* The event queue in the place of callbacks. C89. */
#include <poll.h>

#include "capi_live.h"

#define ALL                                                                                       \
  (1u << CARDEA_EVENT_AUTHORIZE | 1u << CARDEA_EVENT_REQUEST_END | 1u << CARDEA_EVENT_CONN_OPEN | \
   1u << CARDEA_EVENT_CONN_CLOSE | 1u << CARDEA_EVENT_DRAINED | 1u << CARDEA_EVENT_OVERFLOW)

typedef struct stage {
  cardea_proxy* proxy;
  cardea_worker* worker;
  cardea_queue* queue;
  int port, done;
} stage;

static void count_done(void* ud, int status) {
  SAME(status, CARDEA_OK);
  ++*(int*)ud;
}

static void stage_open(stage* s, size_t capacity, uint32_t types) {
  cardea_config* config = sealed_of(HOST);
  s->done = 0;
  SAME(cardea_proxy_new(config, NULL, NULL, NULL, &s->proxy, NULL), CARDEA_OK);
  cardea_config_unref(config);
  SAME(cardea_queue_new(capacity, &s->queue), CARDEA_OK);
  SAME(cardea_proxy_set_queue(s->proxy, s->queue, 1u << 13), CARDEA_EINVAL);
  SAME(cardea_proxy_set_queue(s->proxy, s->queue, 1u), CARDEA_EINVAL);
  SAME(cardea_proxy_set_queue(s->proxy, s->queue, types), CARDEA_OK);
  SAME(cardea_worker_new(s->proxy, &s->worker, NULL), CARDEA_OK);
  SAME(cardea_proxy_set_queue(s->proxy, NULL, 0), CARDEA_ESEALED);
  s->port = cardea_worker_bound_port(s->worker, 0);
}

static void stage_close(stage* s) {
  SAME(cardea_worker_close(s->worker, count_done, &s->done), CARDEA_OK);
  CHECK(pump_until(s->worker, NULL, &s->done, 1));
  cardea_worker_free(s->worker);
  cardea_proxy_unref(s->proxy);
  cardea_queue_unref(s->queue);
}

static int waits(const stage* s) {
  struct pollfd fd;
  fd.fd = cardea_queue_fd(s->queue);
  fd.events = POLLIN;
  return poll(&fd, 1, 0) > 0;
}

/* Drives the worker until the queue's descriptor is readable; then one event. */
static cardea_event next(stage* s, client* c) {
  cardea_event e;
  size_t n = 0;
  int turns = 0, timeout;
  struct pollfd fds[2];
  fds[0].fd = cardea_worker_fd(s->worker);
  fds[1].fd = cardea_queue_fd(s->queue);
  fds[0].events = fds[1].events = POLLIN;
  while (!waits(s) && turns++ < 10000) {
    timeout = cardea_worker_timeout(s->worker);
    poll(fds, 2, timeout < 0 || timeout > 10000 ? 10000 : timeout);
    cardea_worker_step(s->worker);
    if (c) client_read(c);
  }
  memset(&e, 0xee, sizeof e);
  SAME(cardea_queue_poll(s->queue, &e, 1, sizeof e, &n), CARDEA_OK);
  SAME(n, 1);
  return e;
}

static const char* string_of(const stage* s, const cardea_event* e, int what) {
  cardea_str text;
  SAME(cardea_queue_str(s->queue, e->ref, what, &text), CARDEA_OK);
  return text_of(text);
}

static void a_request_through_the_queue(void) {
  stage s;
  client c;
  cardea_event opened, asked, ended, closed, drained;
  cardea_str none;
  stage_open(&s, 0, ALL);
  CHECK(cardea_queue_fd(s.queue) >= 0 && !waits(&s));
  client_open(&c, s.port);
  client_get(&c, "/queue?x=y", 1);
  opened = next(&s, NULL);
  SAME(opened.type, CARDEA_EVENT_CONN_OPEN);
  CHECK(opened.id > 0);
  CHECK(strcmp(string_of(&s, &opened, CARDEA_STR_PROTOCOL), "HTTP/1.1") == 0);
  CHECK(strncmp(string_of(&s, &opened, CARDEA_STR_PEER), "127.0.0.1:", 10) == 0);
  SAME(cardea_queue_str(s.queue, opened.ref, CARDEA_STR_PATH, &none), CARDEA_ENOTFOUND);

  asked = next(&s, NULL);
  SAME(asked.type, CARDEA_EVENT_AUTHORIZE);
  SAME(asked.id, opened.id);
  SAME(asked.code, 0);
  SAME(asked.reserved[0] | asked.reserved[1] | asked.reserved[2], 0);
  CHECK(strcmp(string_of(&s, &asked, CARDEA_STR_METHOD), "GET") == 0);
  CHECK(strcmp(string_of(&s, &asked, CARDEA_STR_HOST), "app.test") == 0);
  CHECK(strcmp(string_of(&s, &asked, CARDEA_STR_PATH), "/queue") == 0);
  CHECK(strcmp(string_of(&s, &asked, CARDEA_STR_QUERY), "?x=y") == 0);
  CHECK(strcmp(string_of(&s, &asked, CARDEA_STR_CLIENT_IP), "127.0.0.1") == 0);
  CHECK(strcmp(string_of(&s, &asked, CARDEA_STR_POLICY_DATA), "\"team \\\"a\\\"\"") == 0);
  CHECK(strcmp(string_of(&s, &asked, CARDEA_STR_TLS_VERSION), "") == 0);
  SAME(strlen(string_of(&s, &asked, CARDEA_STR_REQUEST_ID)), 36);
  SAYS(string_of(&s, &asked, CARDEA_STR_HEADERS), "X-Mine: yes\r\n");
  SAME(cardea_queue_str(s.queue, opened.ref, CARDEA_STR_PEER, &none), CARDEA_EINVAL); /* of the poll before */
  SAME(cardea_queue_str(s.queue, 0, CARDEA_STR_PEER, &none), CARDEA_EINVAL);
  SAME(cardea_queue_str(s.queue, asked.ref + 1, CARDEA_STR_PEER, &none), CARDEA_EINVAL);
  SAME(cardea_authorize_complete(asked.token, CARDEA_ALLOW, "queue-user", CARDEA_NTS), CARDEA_OK);
  SAME(cardea_authorize_complete(asked.token, CARDEA_ALLOW, NULL, 0), CARDEA_ESTALE);

  ended = next(&s, &c);
  SAME(ended.type, CARDEA_EVENT_REQUEST_END);
  SAME(ended.value, 200);
  SAME(ended.id, opened.id);
  CHECK(strcmp(string_of(&s, &ended, CARDEA_STR_CAUSE), "ok") == 0);
  CHECK(strcmp(string_of(&s, &ended, CARDEA_STR_FLAGS), "-") == 0);
  CHECK(strcmp(string_of(&s, &ended, CARDEA_STR_IDENTITY), "queue-user") == 0);
  CHECK(strcmp(string_of(&s, &ended, CARDEA_STR_ENDPOINT), strstr(origin_url(), "127")) == 0);
  SAYS(string_of(&s, &ended, CARDEA_STR_ACCESS_RECORD), "\"path\":\"/queue\"");
  pump_eof(s.worker, &c);
  SAYS(c.text, "200 OK");
  client_close(&c);
  closed = next(&s, NULL);
  SAME(closed.type, CARDEA_EVENT_CONN_CLOSE);
  SAME(closed.id, opened.id);
  SAME(cardea_proxy_drain(s.proxy, -1, NULL, NULL), CARDEA_OK);
  drained = next(&s, NULL);
  SAME(drained.type, CARDEA_EVENT_DRAINED);
  CHECK(!waits(&s));
  stage_close(&s);
}

static void only_the_types_that_were_asked_for(void) {
  stage s;
  client c;
  cardea_event e;
  stage_open(&s, 0, 1u << CARDEA_EVENT_REQUEST_END);
  client_open(&c, s.port);
  client_get(&c, "/", 1);
  pump_eof(s.worker, &c);
  client_close(&c);
  SAYS(c.text, "HTTP/1.1 403 "); /* nobody can be asked */
  e = next(&s, NULL);
  SAME(e.type, CARDEA_EVENT_REQUEST_END);
  SAME(e.value, 403);
  CHECK(!waits(&s));
  stage_close(&s);
}

static void a_full_queue_denies_and_counts(void) {
  stage s;
  client first, second;
  cardea_event events[8];
  size_t n = 0;
  stage_open(&s, 1, 1u << CARDEA_EVENT_AUTHORIZE | 1u << CARDEA_EVENT_REQUEST_END);
  client_open(&first, s.port);
  client_get(&first, "/first", 1);
  while (!waits(&s)) cardea_worker_step(s.worker);
  client_open(&second, s.port);
  client_get(&second, "/second", 1);
  pump_eof(s.worker, &second);
  SAYS(second.text, "HTTP/1.1 403 ");
  client_close(&second);
  SAME(cardea_queue_poll(s.queue, events, 0, sizeof events[0], &n), CARDEA_OK);
  SAME(n, 0);
  SAME(cardea_queue_poll(s.queue, events, 8, sizeof events[0], &n), CARDEA_OK);
  SAME(n, 2);
  SAME(events[0].type, CARDEA_EVENT_OVERFLOW);
  SAME(events[0].value, 2); /* the second's question and its end */
  SAME(events[1].type, CARDEA_EVENT_AUTHORIZE);
  CHECK(strcmp(string_of(&s, &events[1], CARDEA_STR_PATH), "/first") == 0);
  CHECK(!waits(&s));
  SAME(cardea_authorize_complete(events[1].token, CARDEA_ALLOW, NULL, 0), CARDEA_OK);
  pump_eof(s.worker, &first);
  SAYS(first.text, "200 OK");
  client_close(&first);
  CHECK(waits(&s));
  SAME(cardea_queue_poll(s.queue, events, 8, sizeof events[0], &n), CARDEA_OK);
  SAME(n, 1);
  SAME(events[0].value, 200);
  stage_close(&s);
}

/* A caller whose cardea_event is longer or shorter than this library's. */
static void strides(void) {
  stage s;
  client c;
  union {
    cardea_event aligned;
    unsigned char bytes[2 * 96];
  } wide;
  unsigned char narrow[40];
  size_t n = 0, i;
  uint32_t type;
  stage_open(&s, 0, ALL);
  client_open(&c, s.port);
  client_get(&c, "/", 1);
  cardea_worker_step(s.worker);
  while (!waits(&s)) cardea_worker_step(s.worker);
  memset(&wide, 0xee, sizeof wide);
  SAME(cardea_queue_poll(s.queue, &wide, 1, 96, &n), CARDEA_OK);
  SAME(n, 1);
  SAME(wide.aligned.type, CARDEA_EVENT_CONN_OPEN);
  for (i = 64; i < 96; ++i) SAME(wide.bytes[i], 0);
  for (i = 96; i < 192; ++i) SAME(wide.bytes[i], 0xee);
  while (!waits(&s)) cardea_worker_step(s.worker);
  SAME(cardea_queue_poll(s.queue, narrow, 1, sizeof narrow, &n), CARDEA_OK);
  SAME(n, 1);
  memcpy(&type, narrow, sizeof type);
  SAME(type, CARDEA_EVENT_AUTHORIZE);
  client_close(&c);
  stage_close(&s);
}

static void a_handler_wins_over_the_event(void) {
  cardea_config* config = sealed_of(HOST);
  cardea_handlers handlers;
  seen told;
  stage s;
  client c;
  cardea_event e;
  seen_init(&told);
  seen_fill(&handlers);
  handlers.on_request_end = NULL;
  s.done = 0;
  SAME(cardea_proxy_new(config, &handlers, &told, NULL, &s.proxy, NULL), CARDEA_OK);
  cardea_config_unref(config);
  SAME(cardea_queue_new(0, &s.queue), CARDEA_OK);
  SAME(cardea_proxy_set_queue(s.proxy, s.queue, ALL), CARDEA_OK);
  cardea_queue_unref(s.queue); /* the proxy has a reference of its own */
  SAME(cardea_worker_new(s.proxy, &s.worker, NULL), CARDEA_OK);
  s.port = cardea_worker_bound_port(s.worker, 0);
  client_open(&c, s.port);
  client_get(&c, "/", 1);
  e = next(&s, &c);
  SAME(e.type, CARDEA_EVENT_REQUEST_END);
  SAME(told.authorized, 1);
  SAME(told.ended, 0);
  pump_eof(s.worker, &c);
  client_close(&c);
  SAME(cardea_worker_close(s.worker, count_done, &s.done), CARDEA_OK);
  CHECK(pump_until(s.worker, NULL, &s.done, 1));
  SAME(told.opened, 1);
  SAME(told.closed, 1);
  cardea_worker_free(s.worker);
  cardea_proxy_unref(s.proxy);
}

/* A tunnel is told when it opens and when it ends. */
static void a_streams_records(void) {
  stage s;
  client c;
  cardea_event e;
  cardea_str none;
  char id[64];
  cardea_config* config = live_config(ANYBODY, ANYBODY);
  s.done = 0;
  SAME(cardea_proxy_new(config, NULL, NULL, NULL, &s.proxy, NULL), CARDEA_OK);
  cardea_config_unref(config);
  SAME(cardea_queue_new(0, &s.queue), CARDEA_OK);
  SAME(cardea_proxy_set_queue(s.proxy, s.queue, 1u << CARDEA_EVENT_REQUEST_LOG | 1u << CARDEA_EVENT_REQUEST_END),
       CARDEA_OK);
  SAME(cardea_worker_new(s.proxy, &s.worker, NULL), CARDEA_OK);
  s.port = cardea_worker_bound_port(s.worker, 0);
  client_open(&c, s.port);
  client_send(&c, "CONNECT db.test:5432 HTTP/1.1\r\nHost: db.test:5432\r\n\r\n");
  e = next(&s, NULL);
  SAME(e.type, CARDEA_EVENT_REQUEST_LOG);
  SAME(e.value, 200);
  CHECK(strcmp(string_of(&s, &e, CARDEA_STR_ROUTE), "db") == 0);
  SAYS(string_of(&s, &e, CARDEA_STR_ACCESS_RECORD), "\"event\":\"start\"}");
  SAME(cardea_queue_str(s.queue, e.ref, CARDEA_STR_CAUSE, &none), CARDEA_ENOTFOUND);
  sprintf(id, "%.40s", string_of(&s, &e, CARDEA_STR_REQUEST_ID));
  client_close(&c);
  e = next(&s, NULL);
  SAME(e.type, CARDEA_EVENT_REQUEST_END);
  CHECK(strcmp(string_of(&s, &e, CARDEA_STR_REQUEST_ID), id) == 0);
  SAYS(string_of(&s, &e, CARDEA_STR_ACCESS_RECORD), "\"event\":\"end\"}");
  CHECK(!waits(&s));
  stage_close(&s);
}

const test_case queue_cases[] = {{"a_request_through_the_queue", a_request_through_the_queue},
                                 {"only_the_types_that_were_asked_for", only_the_types_that_were_asked_for},
                                 {"a_full_queue_denies_and_counts", a_full_queue_denies_and_counts},
                                 {"strides", strides},
                                 {"a_handler_wins_over_the_event", a_handler_wins_over_the_event},
                                 {"a_streams_records", a_streams_records},
                                 {NULL, NULL}};
