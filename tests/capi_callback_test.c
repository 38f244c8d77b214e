/* What callbacks are told, what they may do, and that every end is told once. C89. */
#include "capi_tests.h"

static int is(cardea_request* r, int what, const char* expected) {
  cardea_str s;
  if (cardea_request_get_str(r, what, &s) != CARDEA_OK) return 0;
  if (strcmp(text_of(s), expected) == 0) return 1;
  fprintf(stderr, "string %d: '%s' instead of '%s'\n", what, text_of(s), expected);
  return 0;
}

static void read_head(seen* s, cardea_request* r, cardea_token t) {
  cardea_str names[8], values[8], value;
  cardea_conn* conn = cardea_request_conn(r);
  size_t count = 0;
  int64_t n = -1, id = -1;
  CHECK(t != 0);
  CHECK(is(r, CARDEA_STR_METHOD, "GET"));
  CHECK(is(r, CARDEA_STR_HOST, "app.test"));
  CHECK(is(r, CARDEA_STR_PATH, "/a/c"));
  CHECK(is(r, CARDEA_STR_QUERY, "?q=1"));
  CHECK(is(r, CARDEA_STR_CLIENT_IP, "127.0.0.1"));
  CHECK(is(r, CARDEA_STR_LISTENER, "127.0.0.1:0"));
  CHECK(is(r, CARDEA_STR_IDENTITY, ""));
  CHECK(is(r, CARDEA_STR_POLICY_DATA, "\"team \\\"a\\\"\""));
  CHECK(is(r, CARDEA_STR_ENDPOINT, ""));
  CHECK(is(r, CARDEA_STR_PROTOCOL, "HTTP/1.1"));
  CHECK(is(r, CARDEA_STR_TLS_VERSION, ""));
  CHECK(is(r, CARDEA_STR_SNI, ""));
  SAME(cardea_request_get_str(r, CARDEA_STR_REQUEST_ID, &value), CARDEA_OK);
  SAME(value.len, 36);
  SAME(cardea_request_get_str(r, CARDEA_STR_ROUTE, &value), CARDEA_OK);
  CHECK(value.len > 0);
  SAME(cardea_request_get_str(r, CARDEA_STR_PEER, &value), CARDEA_OK);
  CHECK(strncmp(text_of(value), "127.0.0.1:", 10) == 0);
  SAME(cardea_request_get_str(r, CARDEA_STR_HEADERS, &value), CARDEA_EINVAL);
  SAME(cardea_request_get_str(r, 0, &value), CARDEA_EINVAL);
  SAME(cardea_request_get_str(r, 999, &value), CARDEA_EINVAL);
  SAME(cardea_request_get_str(r, CARDEA_STR_PATH, NULL), CARDEA_EINVAL);
  SAME(cardea_request_get_int(r, 0, &n), CARDEA_EINVAL);
  SAME(cardea_request_get_int(r, 999, &n), CARDEA_EINVAL);
  SAME(cardea_request_get_int(r, CARDEA_INT_STATUS, NULL), CARDEA_EINVAL);
  SAME(cardea_request_get_int(r, CARDEA_INT_STATUS, &n), CARDEA_OK);
  SAME(n, 0);
  SAME(cardea_request_header(r, "x-MINE", CARDEA_NTS, &value), CARDEA_OK);
  CHECK(strcmp(text_of(value), "yes") == 0);
  SAME(cardea_request_header(r, "x-other", CARDEA_NTS, &value), CARDEA_ENOTFOUND);
  CHECK(!value.ptr);
  SAME(cardea_request_headers(r, NULL, NULL, 0, &count), CARDEA_OK);
  CHECK(count >= 1 && count <= 8);
  SAME(cardea_request_headers(r, NULL, NULL, 1, &count), CARDEA_EINVAL);
  SAME(cardea_request_headers(r, names, values, 8, &count), CARDEA_OK);
  for (n = 0; n < (int64_t)count; ++n) {
    if (strcmp(text_of(names[n]), "X-Mine") == 0 && strcmp(text_of(values[n]), "yes") == 0) ++s->code;
  }
  CHECK(conn != NULL);
  SAME(cardea_conn_get_int(conn, CARDEA_INT_CONN_ID, &id), CARDEA_OK);
  SAME(cardea_request_get_int(r, CARDEA_INT_CONN_ID, &n), CARDEA_OK);
  CHECK(n == id && id > 0);
  SAME(cardea_conn_get_int(conn, CARDEA_INT_STATUS, &n), CARDEA_EINVAL);
  SAME(cardea_conn_get_str(conn, CARDEA_STR_PATH, &value), CARDEA_EINVAL);
  CHECK(!cardea_request_data(r));
  SAME(cardea_request_set_data(r, s), CARDEA_OK);
}

static void read_end(seen* s, cardea_request* r) {
  int64_t n = -1;
  cardea_str value;
  uint64_t generation = 0;
  CHECK(cardea_request_data(r) == s);
  CHECK(cardea_conn_data(cardea_request_conn(r)) == &s->code);
  CHECK(is(r, CARDEA_STR_CAUSE, "ok"));
  CHECK(is(r, CARDEA_STR_FLAGS, "-"));
  SAME(cardea_request_get_str(r, CARDEA_STR_ENDPOINT, &value), CARDEA_OK);
  CHECK(strcmp(text_of(value), strstr(origin_url(), "127")) == 0);
  SAME(cardea_request_get_int(r, CARDEA_INT_STATUS, &n), CARDEA_OK);
  SAME(n, 200);
  SAME(cardea_request_get_int(r, CARDEA_INT_BYTES_IN, &n), CARDEA_OK);
  SAME(n, 0);
  SAME(cardea_request_get_int(r, CARDEA_INT_BYTES_OUT, &n), CARDEA_OK);
  CHECK(n > 50);
  SAME(cardea_request_get_int(r, CARDEA_INT_ATTEMPTS, &n), CARDEA_OK);
  SAME(n, 1);
  SAME(cardea_request_get_int(r, CARDEA_INT_TRUNCATED, &n), CARDEA_OK);
  SAME(n, 0);
  SAME(cardea_request_get_int(r, CARDEA_INT_DURATION, &n), CARDEA_OK);
  CHECK(n >= 0 && n < 10000);
  SAME(cardea_request_get_int(r, CARDEA_INT_CONNECT, &n), CARDEA_OK);
  SAME(cardea_request_get_int(r, CARDEA_INT_FIRST_BYTE, &n), CARDEA_OK);
  SAME(cardea_request_get_int(r, CARDEA_INT_GENERATION, &n), CARDEA_OK);
  SAME(cardea_proxy_generation(s->proxy, &generation), CARDEA_OK);
  SAME(n, generation);
}

static void read_conn(seen* s, cardea_conn* c, int opened) {
  cardea_str value;
  if (opened) {
    CHECK(!cardea_conn_data(c));
    SAME(cardea_conn_set_data(c, &s->code), CARDEA_OK);
  }
  CHECK(cardea_conn_data(c) == &s->code);
  SAME(cardea_conn_get_str(c, CARDEA_STR_PEER, &value), CARDEA_OK);
  CHECK(strncmp(text_of(value), "127.0.0.1:", 10) == 0);
  SAME(cardea_conn_get_str(c, CARDEA_STR_PROTOCOL, &value), CARDEA_OK);
  CHECK(strcmp(text_of(value), "HTTP/1.1") == 0);
  SAME(cardea_conn_get_str(c, CARDEA_STR_LISTENER, &value), CARDEA_OK);
  CHECK(strcmp(text_of(value), "127.0.0.1:0") == 0);
}

static void everything_is_told(void) {
  scene s;
  client c;
  scene_open(&s, draft_of(HOST));
  s.seen.in_authorize = read_head;
  s.seen.in_request_end = read_end;
  s.seen.in_conn = read_conn;
  get(&s, &c, "/a/./b/../c?q=1");
  SAYS(c.text, "200 OK");
  SAME(s.seen.code, 1);
  SAME(s.seen.authorized, 1);
  SAME(s.seen.ended, 1);
  SAYS(s.seen.record, "\"path\":\"/a/c\"");
  SAYS(s.seen.record, "\"status\":200");
  SAYS(s.seen.record, "\"cause\":\"ok\"");
  CHECK(s.seen.record[0] == '{' && s.seen.record[strlen(s.seen.record) - 1] == '}');
  CHECK(!strstr(s.seen.record, "q=1"));
  scene_close(&s);
  SAME(s.seen.opened, 1);
}

static void no_handler_no_call(void) {
  cardea_config* config = sealed_of(HOST);
  cardea_handlers only_end;
  scene s;
  client c;
  seen_init(&s.seen);
  seen_fill(&only_end);
  only_end.struct_size = 2 * sizeof(void*); /* a header that ends after on_authorize */
  SAME(cardea_proxy_new(config, &only_end, &s.seen, NULL, &s.proxy, NULL), CARDEA_OK);
  SAME(cardea_worker_new(s.proxy, &s.worker, NULL), CARDEA_OK);
  s.port = cardea_worker_bound_port(s.worker, 0);
  get(&s, &c, "/");
  SAYS(c.text, "200 OK");
  SAME(s.seen.authorized, 1);
  SAME(s.seen.ended + s.seen.opened + s.seen.closed, 0);
  SAME(cardea_worker_close(s.worker, seen_done, &s.seen), CARDEA_OK);
  CHECK(pump_until(s.worker, NULL, &s.seen.done, 1));
  cardea_worker_free(s.worker);
  cardea_proxy_unref(s.proxy);

  /* Nobody to ask: the criterion does not hold. */
  SAME(cardea_proxy_new(config, NULL, NULL, NULL, &s.proxy, NULL), CARDEA_OK);
  cardea_config_unref(config);
  SAME(cardea_worker_new(s.proxy, &s.worker, NULL), CARDEA_OK);
  s.port = cardea_worker_bound_port(s.worker, 0);
  get(&s, &c, "/");
  SAYS(c.text, "HTTP/1.1 403 ");
  SAME(cardea_worker_close(s.worker, seen_done, &s.seen), CARDEA_OK);
  CHECK(pump_until(s.worker, NULL, &s.seen.done, 2));
  cardea_worker_free(s.worker);
  cardea_proxy_unref(s.proxy);
}

/* ---- every end is told once ---------------------------------------------------------------------- */

static void one_end_for_each_way_to_end(void) {
  scene s;
  client held, cut, left, c;
  scene_open(&s, draft_of(PUBLIC));
  get(&s, &c, "/fine");
  SAME(s.seen.ended, 1);
  SAME(s.seen.status, 200);
  client_open(&c, s.port);
  client_send(&c, "GET / HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n");
  pump_eof(s.worker, &c);
  client_close(&c);
  SAME(s.seen.ended, 2);
  SAME(s.seen.status, 404);
  SAYS(s.seen.cause, "no_route");

  client_open(&left, s.port);
  client_get(&left, "/hold/left", 0);
  while (origin_requests() == 0 || s.seen.opened < 3) cardea_worker_step(s.worker);
  client_reset(&left);
  CHECK(pump_until(s.worker, NULL, &s.seen.ended, 3));
  SAME(s.seen.status, 0);
  CHECK(strcmp(s.seen.path, "/hold/left") == 0);

  client_open(&cut, s.port);
  client_get(&cut, "/cut", 0);
  while (!strstr(cut.text, "part")) {
    cardea_worker_step(s.worker);
    client_read(&cut);
  }
  client_open(&held, s.port);
  client_get(&held, "/hold", 0);
  CHECK(pump_until(s.worker, NULL, &s.seen.opened, 5));
  SAME(s.seen.ended, 3);
  scene_close(&s); /* cuts two exchanges and an idle connection */
  SAME(s.seen.ended, 5);
  SAME(s.seen.opened, 5);
  client_read(&held);
  client_read(&cut);
  CHECK(held.eof && cut.eof);
  client_close(&held);
  client_close(&cut);
}

/* ---- calls inside callbacks ---------------------------------------------------------------------- */

static void call_everything(seen* s, cardea_request* r) {
  cardea_str value;
  SAME(cardea_worker_step(s->worker), CARDEA_EREENTRANT);
  SAME(cardea_worker_run(s->worker), CARDEA_EREENTRANT);
  CHECK(cardea_worker_timeout(s->worker) >= -1);
  SAME(cardea_worker_wakeup(s->worker), CARDEA_OK);
  SAME(cardea_worker_bound_address(s->worker, 0, &value), CARDEA_OK);
  SAME(cardea_proxy_drain(s->proxy, -1, seen_done, s), CARDEA_OK);
  SAME(s->done, 0); /* its effect comes when the callback is over */
  SAME(cardea_request_get_str(r, CARDEA_STR_PATH, &value), CARDEA_OK);
}

static void step_is_refused_and_drain_waits(void) {
  scene s;
  client c;
  scene_open(&s, draft_of(PUBLIC));
  s.seen.in_request_end = call_everything;
  client_open(&c, s.port);
  client_get(&c, "/", 0);
  pump_eof(s.worker, &c);
  client_close(&c);
  SAYS(c.text, "200 OK");
  CHECK(pump_until(s.worker, NULL, &s.seen.done, 1));
  SAME(s.seen.done, 1);
  scene_close(&s);
}

static void free_inside(seen* s, cardea_request* r) {
  cardea_worker_free(s->worker);
  SAME(cardea_request_set_data(r, s), CARDEA_OK);
  CHECK(cardea_request_data(r) == s);
}
static void free_inside_authorize(seen* s, cardea_request* r, cardea_token t) {
  (void)t;
  free_inside(s, r);
}
static void free_at_open(seen* s, cardea_conn* c, int opened) {
  if (!opened) return;
  cardea_worker_free(s->worker);
  SAME(cardea_conn_set_data(c, s), CARDEA_OK);
}
static void free_at_close(seen* s, cardea_conn* c, int opened) {
  if (opened) return;
  cardea_worker_free(s->worker);
  SAME(cardea_conn_set_data(c, s), CARDEA_OK);
}

static void freed_inside_each_callback(void) {
  int which;
  for (which = 0; which < 4; ++which) {
    scene s;
    client c;
    scene_open(&s, draft_of(HOST));
    cardea_proxy_unref(s.proxy);
    if (which == 0) s.seen.in_authorize = free_inside_authorize;
    if (which == 1) s.seen.in_request_end = free_inside;
    if (which == 2) s.seen.in_conn = free_at_open;
    if (which == 3) s.seen.in_conn = free_at_close;
    client_open(&c, s.port);
    client_get(&c, "/", which == 3);
    while (!s.seen.freed) {
      if (cardea_worker_step(s.worker) < 0) break;
    }
    SAME(s.seen.freed, 1);
    SAME(s.seen.opened, 1);
    SAME(s.seen.closed, 1);
    SAME(s.seen.ended, which == 2 ? 0 : 1);
    client_close(&c);
  }
}

static void apply_inside(seen* s, cardea_request* r) {
  cardea_config* next = sealed_of(CLOSED);
  (void)r;
  if (s->code++ > 0) {
    cardea_config_unref(next);
    return;
  }
  SAME(cardea_proxy_apply(s->proxy, next, NULL), CARDEA_OK);
  cardea_config_unref(next);
}

static void applied_inside_a_callback(void) {
  scene s;
  client c;
  scene_open(&s, draft_of(PUBLIC));
  s.seen.in_request_end = apply_inside;
  get(&s, &c, "/");
  SAYS(c.text, "200 OK");
  get(&s, &c, "/");
  SAYS(c.text, "403 ");
  scene_close(&s);
}

const test_case callback_cases[] = {{"everything_is_told", everything_is_told},
                                    {"no_handler_no_call", no_handler_no_call},
                                    {"one_end_for_each_way_to_end", one_end_for_each_way_to_end},
                                    {"step_is_refused_and_drain_waits", step_is_refused_and_drain_waits},
                                    {"freed_inside_each_callback", freed_inside_each_callback},
                                    {"applied_inside_a_callback", applied_inside_a_callback},
                                    {NULL, NULL}};
