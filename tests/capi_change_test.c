/* A configuration applied at run time, and drains. C89. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capi_tests.h"

static void add_listener(cardea_config* config, const char* address) {
  cardea_listener* l = NULL;
  SAME(cardea_listener_new(address, CARDEA_NTS, &l), CARDEA_OK);
  SAME(cardea_config_add_listener(config, l), CARDEA_OK);
  cardea_listener_unref(l);
}

static void add_answer(cardea_config* config, const char* path, const char* body) {
  cardea_route* r = NULL;
  SAME(cardea_route_new("http://app.test", CARDEA_NTS, &r), CARDEA_OK);
  SAME(cardea_route_set_str(r, CARDEA_OPT_ROUTE_PATH, path, CARDEA_NTS), CARDEA_OK);
  SAME(cardea_route_set_int(r, CARDEA_OPT_ROUTE_RESPONSE_STATUS, 200), CARDEA_OK);
  SAME(cardea_route_set_str(r, CARDEA_OPT_ROUTE_RESPONSE_BODY, body, CARDEA_NTS), CARDEA_OK);
  SAME(cardea_route_set_int(r, CARDEA_OPT_ROUTE_ALLOW_PUBLIC_UNAUTHENTICATED_ACCESS, 1), CARDEA_OK);
  SAME(cardea_config_add_route(config, r), CARDEA_OK);
  cardea_route_unref(r);
}

/* The answer to a request on a connection that stays. */
static const char* ask(scene* s, client* c, const char* path) {
  const int before = s->seen.ended;
  c->size = 0;
  c->text[0] = 0;
  client_get(c, path, 0);
  CHECK(pump_until(s->worker, c, &s->seen.ended, before + 1));
  while (!strstr(c->text, "\r\n\r\n") && !c->eof) {
    cardea_worker_step(s->worker);
    client_read(c);
  }
  return c->text;
}

static void a_new_route_is_live_at_once(void) {
  scene s;
  client c;
  uint64_t before = 0, after = 0;
  cardea_config *next = draft_of(PUBLIC), *unsealed = draft_of(PUBLIC);
  cardea_config* with_route = NULL;
  cardea_error* error = NULL;
  SAME(cardea_config_new(&with_route), CARDEA_OK);
  add_listener(with_route, "127.0.0.1:0");
  add_answer(with_route, "/new", "brand new");
  must_seal(next);
  must_seal(with_route);
  scene_open(&s, draft_of(PUBLIC));
  client_open(&c, s.port);
  SAYS(ask(&s, &c, "/new"), "GET /new");
  SAME(cardea_proxy_generation(s.proxy, &before), CARDEA_OK);
  SAME(cardea_proxy_apply(s.proxy, unsealed, &error), CARDEA_EINVAL);
  SAYS(cardea_error_message(error), "sealed");
  cardea_error_free(error);
  SAME(cardea_proxy_apply(s.proxy, with_route, &error), CARDEA_OK);
  CHECK(!error);
  SAME(cardea_proxy_generation(s.proxy, &after), CARDEA_OK);
  CHECK(after != before);
  SAYS(ask(&s, &c, "/new"), "brand new"); /* on the same connection */
  SAYS(ask(&s, &c, "/other"), "HTTP/1.1 404 ");
  SAME(s.seen.opened, 1);
  SAME(cardea_worker_bound_port(s.worker, 0), s.port);
  SAME(cardea_proxy_apply(s.proxy, next, NULL), CARDEA_OK);
  SAYS(ask(&s, &c, "/other"), "GET /other");
  client_close(&c);
  cardea_config_unref(next);
  cardea_config_unref(with_route);
  cardea_config_unref(unsealed);
  scene_close(&s);
}

static void a_bad_listener_changes_nothing(void) {
  struct sockaddr_in at;
  socklen_t size = sizeof at;
  char address[64];
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  scene s;
  client c;
  uint64_t before = 0, after = 0;
  cardea_config* bad = draft_of(CLOSED);
  cardea_error* error = NULL;
  memset(&at, 0, sizeof at);
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(bind(fd, (struct sockaddr*)&at, sizeof at) == 0 && listen(fd, 1) == 0);
  CHECK(getsockname(fd, (struct sockaddr*)&at, &size) == 0);
  sprintf(address, "127.0.0.1:%d", ntohs(at.sin_port));
  add_listener(bad, address);
  must_seal(bad);
  scene_open(&s, draft_of(PUBLIC));
  SAME(cardea_proxy_generation(s.proxy, &before), CARDEA_OK);
  SAME(cardea_proxy_apply(s.proxy, bad, &error), CARDEA_EADDRINUSE);
  SAYS(cardea_error_message(error), address);
  SAME(cardea_error_source_code(error), EADDRINUSE);
  cardea_error_free(error);
  SAME(cardea_proxy_generation(s.proxy, &after), CARDEA_OK);
  SAME(after, before);
  get(&s, &c, "/");
  SAYS(c.text, "200 OK");
  close(fd);
  SAME(cardea_proxy_apply(s.proxy, bad, NULL), CARDEA_OK); /* the address is free now */
  pump_idle(s.worker);
  SAME(cardea_worker_bound_port(s.worker, 1), ntohs(at.sin_port));
  s.port = ntohs(at.sin_port);
  get(&s, &c, "/");
  SAYS(c.text, "HTTP/1.1 403 ");
  cardea_config_unref(bad);
  scene_close(&s);
}

static void a_listener_that_is_gone_drains(void) {
  scene s;
  client kept, gone;
  cardea_config *two = draft_of(PUBLIC), *one = draft_of(PUBLIC);
  int second;
  add_listener(two, "127.0.0.1:0");
  must_seal(one);
  scene_open(&s, two);
  second = cardea_worker_bound_port(s.worker, 1);
  client_open(&kept, s.port);
  client_open(&gone, second);
  SAYS(ask(&s, &kept, "/1"), "200 OK");
  SAYS(ask(&s, &gone, "/2"), "200 OK");
  SAME(cardea_proxy_apply(s.proxy, one, NULL), CARDEA_OK);
  pump_eof(s.worker, &gone);
  SAYS(ask(&s, &kept, "/3"), "200 OK");
  SAME(cardea_worker_bound_port(s.worker, 1), CARDEA_ENOTFOUND);
  client_close(&kept);
  client_close(&gone);
  cardea_config_unref(one);
  scene_close(&s);
}

/* An answer that comes late lets nobody in whom the configuration of today keeps out. */
static void a_late_answer_is_judged_by_the_newest(void) {
  scene s;
  client c;
  cardea_config* closed = sealed_of(CLOSED);
  scene_open(&s, draft_of(HOST));
  s.seen.answer = CARDEA_PENDING;
  client_open(&c, s.port);
  client_get(&c, "/old", 1);
  CHECK(pump_until(s.worker, &c, &s.seen.authorized, 1));
  SAME(cardea_proxy_apply(s.proxy, closed, NULL), CARDEA_OK);
  pump_idle(s.worker);
  SAME(cardea_authorize_complete(s.seen.token, CARDEA_ALLOW, NULL, 0), CARDEA_OK);
  pump_eof(s.worker, &c);
  SAYS(c.text, "HTTP/1.1 403 ");
  client_close(&c);
  get(&s, &c, "/new");
  SAYS(c.text, "HTTP/1.1 403 ");
  cardea_config_unref(closed);
  scene_close(&s);
}

/* ---- drain ---------------------------------------------------------------------------------------- */

static int refused(int port) {
  struct sockaddr_in at;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int code;
  memset(&at, 0, sizeof at);
  at.sin_family = AF_INET;
  at.sin_port = htons((unsigned short)port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  code = connect(fd, (struct sockaddr*)&at, sizeof at) == 0 ? 0 : errno;
  close(fd);
  return code == ECONNREFUSED;
}

static void a_drain_lets_exchanges_finish(void) {
  scene s;
  client idle, busy;
  scene_open(&s, draft_of(HOST));
  client_open(&idle, s.port);
  SAYS(ask(&s, &idle, "/first"), "200 OK");
  s.seen.answer = CARDEA_PENDING;
  client_open(&busy, s.port);
  client_get(&busy, "/last", 0);
  CHECK(pump_until(s.worker, &busy, &s.seen.authorized, 2));
  SAME(cardea_proxy_drain(s.proxy, -1, seen_done, &s.seen), CARDEA_OK);
  pump_eof(s.worker, &idle);
  CHECK(refused(s.port));
  SAME(s.seen.done, 0);
  SAME(cardea_authorize_complete(s.seen.token, CARDEA_ALLOW, NULL, 0), CARDEA_OK);
  pump_eof(s.worker, &busy);
  SAYS(busy.text, "200 OK");
  SAYS(busy.text, "onnection: close\r\n");
  CHECK(pump_until(s.worker, NULL, &s.seen.done, 1));
  pump_idle(s.worker);
  SAME(s.seen.done, 1);
  SAME(s.seen.closed, 2);
  SAME(cardea_proxy_drain(s.proxy, 0, seen_done, &s.seen), CARDEA_OK); /* of nothing, and told like the first */
  CHECK(pump_until(s.worker, NULL, &s.seen.done, 2));
  client_close(&idle);
  client_close(&busy);
  scene_close(&s);
}

static void a_drain_cuts_at_its_deadline(void) {
  scene s;
  client held, cut;
  scene_open(&s, draft_of(PUBLIC));
  client_open(&held, s.port);
  client_get(&held, "/hold", 0);
  client_open(&cut, s.port);
  client_get(&cut, "/cut", 0);
  while (!strstr(cut.text, "part")) {
    cardea_worker_step(s.worker);
    client_read(&cut);
  }
  CHECK(pump_until(s.worker, NULL, &s.seen.opened, 2));
  SAME(cardea_proxy_drain(s.proxy, 50, seen_done, &s.seen), CARDEA_OK);
  CHECK(pump_until(s.worker, &held, &s.seen.done, 1));
  SAME(s.seen.done, 1);
  SAME(s.seen.ended, 2);
  SAYS(s.seen.cause, "draining");
  pump_eof(s.worker, &held);
  SAYS(held.text, "HTTP/1.1 503 ");
  pump_eof(s.worker, &cut);
  client_close(&held);
  client_close(&cut);
  scene_close(&s);
}

static void a_close_ends_a_drain(void) {
  scene s;
  client held;
  seen drained;
  seen_init(&drained);
  scene_open(&s, draft_of(PUBLIC));
  client_open(&held, s.port);
  client_get(&held, "/hold", 0);
  CHECK(pump_until(s.worker, NULL, &s.seen.opened, 1));
  SAME(cardea_proxy_drain(s.proxy, -1, seen_done, &drained), CARDEA_OK);
  scene_close(&s);
  SAME(drained.done, 1);
  client_close(&held);
  /* Asked for in the very moment in which the worker goes: told all the same. */
  seen_init(&drained);
  scene_open(&s, draft_of(PUBLIC));
  SAME(cardea_worker_close(s.worker, seen_done, &s.seen), CARDEA_OK);
  SAME(cardea_proxy_drain(s.proxy, -1, seen_done, &drained), CARDEA_OK);
  CHECK(pump_until(s.worker, NULL, &s.seen.done, 1));
  SAME(drained.done, 1);
  cardea_worker_free(s.worker);
  cardea_proxy_unref(s.proxy);
  SAME(s.seen.freed, 1);
}

const test_case change_cases[] = {{"a_new_route_is_live_at_once", a_new_route_is_live_at_once},
                                  {"a_bad_listener_changes_nothing", a_bad_listener_changes_nothing},
                                  {"a_listener_that_is_gone_drains", a_listener_that_is_gone_drains},
                                  {"a_late_answer_is_judged_by_the_newest", a_late_answer_is_judged_by_the_newest},
                                  {"a_drain_lets_exchanges_finish", a_drain_lets_exchanges_finish},
                                  {"a_drain_cuts_at_its_deadline", a_drain_cuts_at_its_deadline},
                                  {"a_close_ends_a_drain", a_close_ends_a_drain},
                                  {NULL, NULL}};
