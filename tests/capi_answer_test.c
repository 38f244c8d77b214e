/* The host as a service: handlers, tokens and the queue. C89. */
#include "capi_tests.h"

#include <poll.h>

typedef struct served {
  int requests, readable, writable, started, ended, back, done;
  cardea_token token, ended_data;
  char path[64], header[64], route[64];
  void (*answer)(struct served* s, cardea_token t);
} served;

static cardea_str bytes(const char* text) {
  cardea_str s;
  s.ptr = text;
  s.len = strlen(text);
  return s;
}

static void request_comes(void* ud, cardea_request* r, cardea_token t) {
  served* s = (served*)ud;
  cardea_str text;
  ++s->requests;
  s->token = t;
  SAME(cardea_request_get_str(r, CARDEA_STR_PATH, &text), CARDEA_OK);
  strcpy(s->path, text_of(text));
  SAME(cardea_request_header(r, "X-Request-Id", CARDEA_NTS, &text), CARDEA_OK);
  CHECK(text.len > 10);
  SAME(cardea_request_set_data(r, s), CARDEA_OK);
  if (s->answer) s->answer(s, t);
}
static void body_comes(void* ud, cardea_token t) {
  SAME(t, ((served*)ud)->token);
  ++((served*)ud)->readable;
}
static void room_comes(void* ud, cardea_token t) {
  SAME(t, ((served*)ud)->token);
  ++((served*)ud)->writable;
}
static void request_starts(void* ud, cardea_request* r) {
  served* s = (served*)ud;
  cardea_str text;
  SAME(s->started, s->ended);
  ++s->started;
  SAME(cardea_request_get_str(r, CARDEA_STR_ROUTE, &text), CARDEA_OK);
  strcpy(s->route, text_of(text));
}
static void request_ends(void* ud, cardea_request* r) {
  served* s = (served*)ud;
  ++s->ended;
  CHECK(s->requests == 0 || cardea_request_data(r) == s);
}
static void count_done(void* ud, int status) {
  SAME(status, CARDEA_OK);
  ++*(int*)ud;
}
static void give_back(void* ud) {
  ++((served*)ud)->back;
}

/* A route that the host serves. */
static cardea_config* served_config(void) {
  cardea_config* config;
  cardea_listener* listener;
  cardea_route* route;
  cardea_policy* policy;
  SAME(cardea_config_new(&config), CARDEA_OK);
  SAME(cardea_listener_new("127.0.0.1:0", CARDEA_NTS, &listener), CARDEA_OK);
  SAME(cardea_config_add_listener(config, listener), CARDEA_OK);
  cardea_listener_unref(listener);
  SAME(cardea_route_new("http://app.test", CARDEA_NTS, &route), CARDEA_OK);
  SAME(cardea_route_set_str(route, CARDEA_OPT_ROUTE_NAME, "own", CARDEA_NTS), CARDEA_OK);
  SAME(cardea_route_set_int(route, CARDEA_OPT_ROUTE_SERVED_BY_HOST, 1), CARDEA_OK);
  SAME(cardea_policy_public(&policy), CARDEA_OK);
  SAME(cardea_route_set_policy(route, policy), CARDEA_OK);
  cardea_policy_unref(policy);
  SAME(cardea_config_add_route(config, route), CARDEA_OK);
  cardea_route_unref(route);
  must_seal(config);
  return config;
}

typedef struct place {
  cardea_proxy* proxy;
  cardea_worker* worker;
  cardea_queue* queue;
  int port;
} place;

static void place_open(place* p, served* s, int queued) {
  cardea_config* config = served_config();
  cardea_handlers handlers;
  memset(&handlers, 0, sizeof handlers);
  handlers.struct_size = sizeof handlers;
  handlers.on_request = queued ? NULL : request_comes;
  handlers.on_readable = body_comes;
  handlers.on_writable = room_comes;
  handlers.on_request_start = request_starts;
  handlers.on_request_end = queued ? NULL : request_ends;
  SAME(cardea_proxy_new(config, &handlers, s, NULL, &p->proxy, NULL), CARDEA_OK);
  cardea_config_unref(config);
  p->queue = NULL;
  if (queued) {
    SAME(cardea_queue_new(0, &p->queue), CARDEA_OK);
    SAME(cardea_proxy_set_queue(p->proxy, p->queue,
                                1u << CARDEA_EVENT_REQUEST | 1u << CARDEA_EVENT_READABLE | 1u << CARDEA_EVENT_WRITABLE |
                                    1u << CARDEA_EVENT_REQUEST_END),
         CARDEA_OK);
  }
  SAME(cardea_worker_new(p->proxy, &p->worker, NULL), CARDEA_OK);
  p->port = cardea_worker_bound_port(p->worker, 0);
}
static void place_close(place* p, served* s) {
  SAME(cardea_worker_close(p->worker, count_done, &s->done), CARDEA_OK);
  CHECK(pump_until(p->worker, NULL, &s->done, 1));
  cardea_worker_free(p->worker);
  cardea_proxy_unref(p->proxy);
  cardea_queue_unref(p->queue);
}

static void answer_at_once(served* s, cardea_token t) {
  cardea_str name = bytes("X-Own"), value = bytes("yes");
  (void)s;
  SAME(cardea_answer(t, 200, &name, &value, 1, "hello", CARDEA_NTS), CARDEA_OK);
  SAME(cardea_answer(t, 200, NULL, NULL, 0, NULL, 0), CARDEA_ESTALE);
}

static void a_whole_answer(void) {
  place p;
  client c;
  served s;
  memset(&s, 0, sizeof s);
  s.answer = answer_at_once;
  place_open(&p, &s, 0);
  client_open(&c, p.port);
  client_get(&c, "/whole", 1);
  pump_eof(p.worker, &c);
  SAYS(c.text, "HTTP/1.1 200 ");
  SAYS(c.text, "X-Own: yes\r\n");
  SAYS(c.text, "\r\n\r\nhello");
  CHECK(strcmp(s.path, "/whole") == 0);
  CHECK(strcmp(s.route, "own") == 0);
  SAME(s.started, 1);
  SAME(s.ended, 1);
  SAME(cardea_answer_abort(s.token), CARDEA_ESTALE);
  client_close(&c);
  place_close(&p, &s);
}

static void an_answer_in_pieces(void) {
  static const char lent[] = "lent bytes";
  place p;
  client c;
  served s;
  char buffer[64];
  size_t n = 1;
  cardea_str name = bytes("Link"), value = bytes("</style.css>");
  memset(&s, 0, sizeof s);
  place_open(&p, &s, 0);
  client_open(&c, p.port);
  client_send(&c, "POST /pieces HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nContent-Length: 4\r\n\r\n");
  CHECK(pump_until(p.worker, &c, &s.requests, 1));
  SAME(cardea_body_read(s.token, buffer, sizeof buffer, &n), CARDEA_EAGAIN);
  SAME(n, 0);
  client_send(&c, "body");
  CHECK(pump_until(p.worker, &c, &s.readable, 1));
  SAME(cardea_body_read(s.token, buffer, 3, &n), CARDEA_OK);
  SAME(n, 3);
  SAME(cardea_body_read(s.token, buffer + 3, 3, &n), CARDEA_OK);
  SAME(n, 1);
  CHECK(memcmp(buffer, "body", 4) == 0);
  SAME(cardea_body_read(s.token, buffer, sizeof buffer, &n), 1);
  SAME(cardea_answer_write(s.token, lent, sizeof lent - 1, give_back, &s), CARDEA_EINVAL);
  SAME(cardea_answer_begin(s.token, 103, &name, &value, 1), CARDEA_OK);
  SAME(cardea_answer_begin(s.token, 200, NULL, NULL, 0), CARDEA_OK);
  SAME(cardea_answer_write(s.token, lent, sizeof lent - 1, give_back, &s), CARDEA_OK);
  SAME(s.back, 0);
  SAME(cardea_answer_write(s.token, ", copied", CARDEA_NTS, NULL, NULL), CARDEA_OK);
  SAME(cardea_answer_end(s.token, NULL, NULL, 0), CARDEA_OK);
  pump_eof(p.worker, &c);
  SAYS(c.text, "HTTP/1.1 103 ");
  SAYS(c.text, "HTTP/1.1 200 ");
  SAYS(c.text, "lent bytes");
  SAYS(c.text, ", copied");
  SAME(s.back, 1);
  client_close(&c);
  place_close(&p, &s);
}

static void bad_arguments(void) {
  place p;
  client c;
  served s;
  char buffer[4];
  size_t n;
  cardea_str name = bytes("Set Cookie"), value = bytes("x"), null;
  null.ptr = NULL;
  null.len = 1;
  memset(&s, 0, sizeof s);
  place_open(&p, &s, 0);
  client_open(&c, p.port);
  client_get(&c, "/", 1);
  CHECK(pump_until(p.worker, &c, &s.requests, 1));
  SAME(cardea_answer(s.token, 200, NULL, NULL, 1, NULL, 0), CARDEA_EINVAL);
  SAME(cardea_answer(s.token, 200, &name, &value, 1, NULL, 0), CARDEA_EINVAL);
  SAME(cardea_answer(s.token, 200, &null, &value, 1, NULL, 0), CARDEA_EINVAL);
  SAME(cardea_answer(s.token, 200, &value, &value, 1, NULL, 1), CARDEA_EINVAL);
  SAME(cardea_answer(s.token, 0, NULL, NULL, 0, NULL, 0), CARDEA_EINVAL);
  SAME(cardea_answer(s.token, 200, &value, &value, (size_t)-1, NULL, 0), CARDEA_EINVAL);
  SAME(cardea_answer_begin(s.token, 200, &value, &value, (size_t)-1), CARDEA_EINVAL);
  SAME(cardea_answer_end(s.token, NULL, NULL, 0), CARDEA_EINVAL);
  SAME(cardea_answer_write(s.token, NULL, 1, NULL, NULL), CARDEA_EINVAL);
  SAME(cardea_body_read(s.token, NULL, 1, &n), CARDEA_EINVAL);
  SAME(cardea_body_read(s.token, buffer, 0, &n), CARDEA_EINVAL);
  SAME(cardea_body_read(s.token, buffer, 4, NULL), CARDEA_EINVAL);
  SAME(cardea_answer(0, 200, NULL, NULL, 0, NULL, 0), CARDEA_ESTALE);
  SAME(cardea_answer(s.token + 1, 200, NULL, NULL, 0, NULL, 0), CARDEA_ESTALE);
  SAME(cardea_authorize_complete(s.token, CARDEA_ALLOW, NULL, 0), CARDEA_ESTALE);
  SAME(cardea_answer(s.token, 204, NULL, NULL, 0, NULL, 0), CARDEA_OK);
  pump_eof(p.worker, &c);
  SAYS(c.text, "HTTP/1.1 204 ");
  client_close(&c);
  place_close(&p, &s);
}

static void nobody_serves(void) {
  cardea_config* config = served_config();
  cardea_proxy* proxy;
  cardea_worker* worker;
  cardea_error* error;
  SAME(cardea_proxy_new(config, NULL, NULL, NULL, &proxy, NULL), CARDEA_OK);
  SAME(cardea_worker_new(proxy, &worker, &error), CARDEA_ECONFIG);
  SAYS(cardea_error_message(error), "route 'own': served_by_host");
  cardea_error_free(error);
  SAME(cardea_proxy_apply(proxy, config, &error), CARDEA_ECONFIG);
  cardea_error_free(error);
  cardea_config_unref(config);
  cardea_proxy_unref(proxy);
}

/* The next event of this type; others are passed over. */
static cardea_event event_of(place* p, client* c, uint32_t type) {
  cardea_event e;
  size_t n = 0;
  int turns;
  for (turns = 0; turns < 10000; ++turns) {
    cardea_worker_step(p->worker);
    client_read(c);
    SAME(cardea_queue_poll(p->queue, &e, 1, sizeof e, &n), CARDEA_OK);
    if (n == 1 && e.type == type) return e;
    if (n == 0) {
      struct pollfd fd;
      fd.fd = cardea_worker_fd(p->worker);
      fd.events = POLLIN;
      poll(&fd, 1, 10);
    }
  }
  CHECK(0);
  memset(&e, 0, sizeof e);
  return e;
}

static void through_the_queue(void) {
  place p;
  client c;
  served s;
  cardea_event asked, more, ended;
  cardea_str text;
  char buffer[16];
  size_t n;
  memset(&s, 0, sizeof s);
  place_open(&p, &s, 1);
  client_open(&c, p.port);
  client_send(
      &c, "POST /queue?a HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nX-Mark: 7\r\nContent-Length: 3\r\n\r\n");
  asked = event_of(&p, &c, CARDEA_EVENT_REQUEST);
  CHECK(asked.token != 0);
  SAME(cardea_queue_str(p.queue, asked.ref, CARDEA_STR_QUERY, &text), CARDEA_OK);
  CHECK(strcmp(text_of(text), "?a") == 0);
  SAME(cardea_queue_str(p.queue, asked.ref, CARDEA_STR_HEADERS, &text), CARDEA_OK);
  SAYS(text_of(text), "X-Mark: 7\r\n");
  SAME(cardea_body_read(asked.token, buffer, sizeof buffer, &n), CARDEA_EAGAIN);
  client_send(&c, "abc");
  more = event_of(&p, &c, CARDEA_EVENT_READABLE);
  CHECK(more.token == asked.token);
  SAME(cardea_body_read(asked.token, buffer, sizeof buffer, &n), CARDEA_OK);
  SAME(n, 3);
  SAME(cardea_answer(asked.token, 200, NULL, NULL, 0, buffer, n), CARDEA_OK);
  ended = event_of(&p, &c, CARDEA_EVENT_REQUEST_END);
  CHECK(ended.token == asked.token);
  SAME(ended.value, 200);
  pump_eof(p.worker, &c);
  SAYS(c.text, "\r\n\r\nabc");
  client_close(&c);
  place_close(&p, &s);
}

/* ---- time as the host tells it -------------------------------------------------------------------- */

typedef struct hands {
  int64_t now, unix_ms;
  int asked;
} hands;
static int64_t tell_time(void* ud, int64_t* unix_ms) {
  hands* h = (hands*)ud;
  ++h->asked;
  *unix_ms = h->unix_ms;
  return h->now;
}

static void the_hosts_clock(void) {
  place p;
  client c;
  served s;
  hands h;
  cardea_handlers handlers;
  cardea_config* config = served_config();
  int i;
  memset(&s, 0, sizeof s);
  memset(&handlers, 0, sizeof handlers);
  handlers.struct_size = sizeof handlers;
  handlers.on_request = request_comes;
  handlers.on_request_end = request_ends;
  h.now = 1000;
  h.unix_ms = (int64_t)1234567890 * 1000;
  h.asked = 0;
  p.queue = NULL;
  SAME(cardea_proxy_new(config, &handlers, &s, NULL, &p.proxy, NULL), CARDEA_OK);
  cardea_config_unref(config);
  SAME(cardea_worker_new_clock(p.proxy, NULL, NULL, &p.worker, NULL), CARDEA_EINVAL);
  SAME(cardea_worker_new_clock(p.proxy, tell_time, &h, &p.worker, NULL), CARDEA_OK);
  CHECK(h.asked > 0);
  client_open(&c, cardea_worker_bound_port(p.worker, 0));
  client_get(&c, "/late", 1);
  CHECK(pump_until(p.worker, &c, &s.requests, 1));
  h.now += 29999; /* default_upstream_timeout is 30 s */
  for (i = 0; i < 10; ++i) cardea_worker_step(p.worker);
  SAME(s.ended, 0);
  h.now -= 10000; /* a clock that goes back stands still */
  for (i = 0; i < 10; ++i) cardea_worker_step(p.worker);
  SAME(s.ended, 0);
  h.now += 10001;
  pump_eof(p.worker, &c);
  SAYS(c.text, "HTTP/1.1 504 ");
  SAYS(c.text, "Fri, 13 Feb 2009 23:31:30 GMT");
  SAME(s.ended, 1);
  client_close(&c);
  place_close(&p, &s);
}

const test_case answer_cases[] = {{"answer.whole", a_whole_answer},
                                  {"answer.pieces", an_answer_in_pieces},
                                  {"answer.bad_arguments", bad_arguments},
                                  {"answer.nobody_serves", nobody_serves},
                                  {"answer.queue", through_the_queue},
                                  {"answer.clock", the_hosts_clock},
                                  {NULL, NULL}};
