/* The host's authorization hook: answers at once, later, from other threads, twice, too late, never. C89. */
#include "capi_tests.h"

static void answers_at_once(void) {
  static const struct {
    int answer, status;
  } rows[] = {{CARDEA_ALLOW, 200}, {CARDEA_DENY, 403}, {3, 403}, {-1, 403}, {1 << 20, 403}};
  scene s;
  client c;
  int i;
  scene_open(&s, draft_of(HOST));
  for (i = 0; i < 5; ++i) {
    s.seen.answer = rows[i].answer;
    get(&s, &c, "/now");
    SAME(s.seen.authorized, i + 1);
    SAME(s.seen.ended, i + 1);
    SAME(s.seen.status, rows[i].status);
    SAYS(c.text, rows[i].status == 200 ? "HTTP/1.1 200 " : "HTTP/1.1 403 ");
    /* The token of a decision that was made names nothing. */
    SAME(cardea_authorize_complete(s.seen.token, CARDEA_ALLOW, NULL, 0), CARDEA_ESTALE);
  }
  scene_close(&s);
}

static void closed_routes_do_not_ask(void) {
  scene s;
  client c;
  scene_open(&s, draft_of(CLOSED));
  get(&s, &c, "/");
  SAYS(c.text, "HTTP/1.1 403 ");
  SAME(s.seen.authorized, 0);
  SAME(s.seen.ended, 1);
  SAYS(s.seen.cause, "denied");
  scene_close(&s);
}

typedef struct completion {
  seen* seen;
  int decision, first, second;
} completion;

static void* complete(void* arg) {
  completion* d = (completion*)arg;
  d->first = cardea_authorize_complete(d->seen->token, d->decision, "user@example\"", CARDEA_NTS);
  d->second = cardea_authorize_complete(d->seen->token, CARDEA_ALLOW, "somebody", CARDEA_NTS);
  return NULL;
}

static void completed_from_another_thread(void) {
  int allow;
  for (allow = 0; allow < 2; ++allow) {
    scene s;
    client c;
    pthread_t thread;
    completion d;
    scene_open(&s, draft_of(HOST));
    s.seen.answer = CARDEA_PENDING;
    client_open(&c, s.port);
    client_get(&c, "/later", 1);
    CHECK(pump_until(s.worker, &c, &s.seen.authorized, 1));
    pump_idle(s.worker);
    SAME(s.seen.ended, 0);
    d.seen = &s.seen;
    d.decision = allow ? CARDEA_ALLOW : CARDEA_DENY;
    CHECK(pthread_create(&thread, NULL, complete, &d) == 0);
    pump_eof(s.worker, &c);
    pthread_join(thread, NULL);
    client_close(&c);
    SAME(d.first, CARDEA_OK);
    SAME(d.second, CARDEA_ESTALE);
    SAME(cardea_authorize_complete(s.seen.token, CARDEA_ALLOW, NULL, 0), CARDEA_ESTALE);
    SAYS(c.text, allow ? "HTTP/1.1 200 " : "HTTP/1.1 403 ");
    SAME(s.seen.ended, 1);
    CHECK(strcmp(s.seen.identity, "user@example\"") == 0);
    SAYS(s.seen.record, "\"user\":\"user@example\\\"\"");
    scene_close(&s);
  }
}

static void complete_inside(seen* s, cardea_request* r, cardea_token t) {
  (void)r;
  SAME(cardea_authorize_complete(t, CARDEA_PENDING, NULL, 0), CARDEA_EINVAL);
  SAME(cardea_authorize_complete(t, CARDEA_ALLOW, "inner", 5), CARDEA_OK);
  SAME(cardea_authorize_complete(t, CARDEA_DENY, NULL, 0), CARDEA_ESTALE);
  s->code = 1;
}

static void completed_inside_the_hook(void) {
  scene s;
  client c;
  scene_open(&s, draft_of(HOST));
  s.seen.in_authorize = complete_inside;
  s.seen.answer = CARDEA_PENDING;
  get(&s, &c, "/inside");
  SAYS(c.text, "200 OK");
  CHECK(strcmp(s.seen.identity, "inner") == 0);
  /* What the hook itself says counts more than what it completed. */
  s.seen.answer = CARDEA_DENY;
  get(&s, &c, "/inside");
  SAYS(c.text, "HTTP/1.1 403 ");
  SAME(s.seen.ended, 2);
  scene_close(&s);
}

static void stale_after_the_client_left(void) {
  scene s;
  client c;
  scene_open(&s, draft_of(HOST));
  s.seen.answer = CARDEA_PENDING;
  client_open(&c, s.port);
  client_get(&c, "/gone", 0);
  CHECK(pump_until(s.worker, &c, &s.seen.authorized, 1));
  client_reset(&c);
  CHECK(pump_until(s.worker, NULL, &s.seen.ended, 1));
  SAME(s.seen.status, 0);
  SAME(cardea_authorize_complete(s.seen.token, CARDEA_ALLOW, NULL, 0), CARDEA_ESTALE);
  scene_close(&s);
}

static void never_completed(void) {
  scene s;
  client c;
  cardea_config* config = draft_of(HOST);
  SAME(cardea_config_set_int(config, CARDEA_OPT_GLOBAL_AUTHORIZE_TIMEOUT, 50), CARDEA_OK);
  scene_open(&s, config);
  s.seen.answer = CARDEA_PENDING;
  get(&s, &c, "/never");
  SAYS(c.text, "HTTP/1.1 503 ");
  SAME(s.seen.status, 503);
  SAYS(s.seen.cause, "authorize_timeout");
  SAME(cardea_authorize_complete(s.seen.token, CARDEA_ALLOW, NULL, 0), CARDEA_ESTALE);
  scene_close(&s);
}

static void pending_while_the_worker_closes(void) {
  scene s;
  client c;
  cardea_token token;
  scene_open(&s, draft_of(HOST));
  s.seen.answer = CARDEA_PENDING;
  client_open(&c, s.port);
  client_get(&c, "/close", 0);
  CHECK(pump_until(s.worker, &c, &s.seen.authorized, 1));
  token = s.seen.token;
  SAME(cardea_authorize_complete(token, CARDEA_ALLOW, NULL, 0), CARDEA_OK); /* and yet the close comes first */
  scene_close(&s);
  SAME(s.seen.ended, 1);
  SAME(cardea_authorize_complete(token, CARDEA_ALLOW, NULL, 0), CARDEA_ESTALE);
  client_close(&c);
}

static void many_pending_at_once(void) {
  enum { kMany = 50 };
  static client clients[kMany];
  cardea_token tokens[kMany];
  scene s;
  int i, j;
  scene_open(&s, draft_of(HOST));
  s.seen.answer = CARDEA_PENDING;
  for (i = 0; i < kMany; ++i) {
    client_open(&clients[i], s.port);
    client_get(&clients[i], "/many", 1);
    CHECK(pump_until(s.worker, NULL, &s.seen.authorized, i + 1));
    tokens[i] = s.seen.token;
    for (j = 0; j < i; ++j) CHECK(tokens[j] != tokens[i]);
  }
  for (i = kMany - 1; i >= 0; --i) SAME(cardea_authorize_complete(tokens[i], i % 2, NULL, 0), CARDEA_OK);
  for (i = 0; i < kMany; ++i) {
    pump_eof(s.worker, &clients[i]);
    SAYS(clients[i].text, i % 2 ? "HTTP/1.1 200 " : "HTTP/1.1 403 ");
    SAME(cardea_authorize_complete(tokens[i], CARDEA_ALLOW, NULL, 0), CARDEA_ESTALE);
    client_close(&clients[i]);
  }
  SAME(s.seen.ended, kMany);
  scene_close(&s);
}

const test_case authorize_cases[] = {{"answers_at_once", answers_at_once},
                                     {"closed_routes_do_not_ask", closed_routes_do_not_ask},
                                     {"completed_from_another_thread", completed_from_another_thread},
                                     {"completed_inside_the_hook", completed_inside_the_hook},
                                     {"stale_after_the_client_left", stale_after_the_client_left},
                                     {"never_completed", never_completed},
                                     {"pending_while_the_worker_closes", pending_while_the_worker_closes},
                                     {"many_pending_at_once", many_pending_at_once},
                                     {NULL, NULL}};
