/* Permission that ends: asked for again, revoked, ended by hand; by callbacks and by events. C89. */
#include <poll.h>

#include "capi_live.h"

/* Alice and Bob in every kind of exchange. */
enum { kAll = 8 };
static void hold_all(scene* s, held* all) {
  int i;
  for (i = 0; i < kAll; ++i) hold(s, &all[i], (kind)(i / 2), i % 2 ? "bob" : "alice");
}
static void alice_ends_bob_goes_on(scene* s, held* all, const char* cause, const char* by) {
  int i;
  for (i = 0; i < kAll; i += 2) check_ended(s, &all[i], cause, by);
  for (i = 1; i < kAll; i += 2) check_lives(s, &all[i]);
  SAME(s->seen.ended, kAll / 2);
}
static void let_all_go(scene* s, held* all) {
  int i;
  for (i = 0; i < kAll; ++i) let_go(&all[i]);
  CHECK(pump_until(s->worker, NULL, &s->seen.ended, kAll));
}

/* ---- asked again --------------------------------------------------------------------------------- */

static void the_hook_is_asked_again(void) {
  scene s;
  held all[kAll];
  live_open(&s, live_config(TEAM, TEAM));
  hold_all(&s, all);
  SAME(hook.first, kAll);
  SAME(hook.again, 0); /* CARDEA_INT_REAUTHORIZED of those that are new */
  SAME(cardea_proxy_reauthorize(s.proxy, NULL, 0, NULL), CARDEA_OK);
  pump_idle(s.worker);
  SAME(hook.first, kAll);
  SAME(hook.again, kAll);
  SAME(s.seen.ended, 0);
  /* The same token is of no more use. */
  SAME(cardea_authorize_complete(hook.token, CARDEA_DENY, NULL, 0), CARDEA_ESTALE);
  /* Only those that fit. */
  SAME(cardea_proxy_reauthorize(s.proxy, "{\"user\":\"bob\",\"route\":\"db\"}", CARDEA_NTS, NULL), CARDEA_OK);
  pump_idle(s.worker);
  SAME(hook.again, kAll + 1);
  CHECK(strcmp(hook.id, all[7].id) == 0);
  hook.denies = "alice";
  SAME(cardea_proxy_reauthorize(s.proxy, "{\"user\":\"bob\"}", CARDEA_NTS, NULL), CARDEA_OK);
  pump_idle(s.worker);
  SAME(s.seen.ended, 0);
  SAME(cardea_proxy_reauthorize(s.proxy, "", CARDEA_NTS, NULL), CARDEA_OK);
  alice_ends_bob_goes_on(&s, all, "denied:by_default", NULL);
  SAME(hook.again, kAll + 1 + kAll / 2 + kAll);
  let_all_go(&s, all);
  scene_close(&s);
}

/* While the host thinks, what it allowed before goes on; a new answer may name somebody else. */
static void an_answer_may_take_its_time(void) {
  scene s;
  held alice, bob;
  live_open(&s, live_config(TEAM, TEAM));
  hold(&s, &alice, SOCKET, "alice");
  hold(&s, &bob, TUNNEL, "bob");
  hook.leaves = "alice";
  SAME(cardea_proxy_reauthorize(s.proxy, NULL, 0, NULL), CARDEA_OK);
  check_lives(&s, &bob);
  check_lives(&s, &alice);
  SAME(hook.again, 2);
  SAME(cardea_proxy_reauthorize(s.proxy, "{\"user\":\"alice\"}", CARDEA_NTS, NULL), CARDEA_OK);
  pump_idle(s.worker);
  SAME(hook.again, 2); /* it is being asked */
  SAME(cardea_authorize_complete(hook.left, CARDEA_ALLOW, "{\"user\":\"carol\"}", CARDEA_NTS), CARDEA_OK);
  check_lives(&s, &alice);
  SAME(listed_count(&s, "{\"user\":\"alice\"}"), 0);
  SAME(listed_count(&s, "{\"user\":\"carol\"}"), 1);
  SAME(cardea_proxy_reauthorize(s.proxy, "{\"user\":\"carol\"}", CARDEA_NTS, NULL), CARDEA_OK);
  pump_idle(s.worker);
  SAME(hook.again, 3);
  SAME(cardea_authorize_complete(hook.left, CARDEA_PENDING, NULL, 0), CARDEA_EINVAL);
  check_lives(&s, &alice);
  SAME(cardea_authorize_complete(hook.left, CARDEA_DENY, NULL, 0), CARDEA_OK);
  alice.user = "carol";
  check_ended(&s, &alice, "denied:by_default", NULL);
  SAME(cardea_authorize_complete(hook.left, CARDEA_ALLOW, NULL, 0), CARDEA_ESTALE);
  check_lives(&s, &bob);
  let_go(&alice);
  let_go(&bob);
  scene_close(&s);
}

/* Judged, but there is nobody to ask; and who could not be asked before is not asked now. */
static void without_the_host_nobody_is_asked(void) {
  scene s;
  held public, pending;
  live_open(&s, live_config("{allow: {and: [{accept: true}]}}", TEAM));
  hold(&s, &public, SOCKET, "alice");
  SAME(cardea_proxy_reauthorize(s.proxy, NULL, 0, NULL), CARDEA_OK);
  check_lives(&s, &public);
  SAME(s.seen.authorized, 0);
  hook.leaves = "bob";
  pending.kind = TUNNEL;
  client_open(&pending.c, s.port);
  client_send(&pending.c, "CONNECT db.test:5432 HTTP/1.1\r\nHost: db.test:5432\r\nX-User: bob\r\n\r\n");
  CHECK(pump_until(s.worker, &pending.c, &s.seen.authorized, 1));
  SAME(cardea_proxy_reauthorize(s.proxy, NULL, 0, NULL), CARDEA_OK);
  pump_idle(s.worker);
  SAME(s.seen.authorized, 1); /* its first answer is still to come */
  SAME(cardea_authorize_complete(hook.left, CARDEA_ALLOW, "bob", CARDEA_NTS), CARDEA_OK);
  pump_says(s.worker, &pending.c, "HTTP/1.1 200 ");
  SAME(hook.again, 0);
  let_go(&public);
  let_go(&pending);
  scene_close(&s);
}

/* ---- revoked ------------------------------------------------------------------------------------- */

static void one_is_revoked_the_other_goes_on(void) {
  static const char* const who[] = {"{\"user\":\"alice\"}", "{\"user\":\"alice@example.com\"}",
                                    "{\"user\":\"alice\",\"until\":4000000000}",
                                    "{\"user\":\"alice\",\"until\":\"2096-01-31T12:00:00Z\"}"};
  size_t i;
  for (i = 0; i < 4; ++i) {
    scene s;
    held all[kAll];
    cardea_config* next = live_config("{allow: {or: [{accept: true}, {host: team}]}}", TEAM);
    live_open(&s, live_config(TEAM, TEAM));
    hold_all(&s, all);
    SAME(cardea_proxy_revoke(s.proxy, who[i], CARDEA_NTS, i % 2 ? NULL : "the \\ \"operator\"", NULL), CARDEA_OK);
    alice_ends_bob_goes_on(&s, all, "revoked:user", i % 2 ? NULL : "the \\\\ \\\"operator\\\"");
    /* The hook would let her pass; and so might the next policy. */
    SAME(status_for(&s, "alice"), 403);
    SAYS(s.seen.cause, "revoked:user");
    SAME(status_for(&s, "bob"), 200);
    SAME(cardea_proxy_apply(s.proxy, next, NULL), CARDEA_OK);
    CHECK(pump_until(s.worker, NULL, &s.seen.ended, kAll / 2 + 2));
    SAME(listed_count(&s, "{\"user\":\"bob\"}"), kAll / 2);
    let_all_go(&s, all);
    cardea_config_unref(next);
    scene_close(&s);
  }
}

/* A time that has passed; somebody who is not here; somebody with a name that another's begins with. */
static void revocations_that_hit_nobody(void) {
  static const char* const who[] = {
      "{\"user\":\"alice\",\"until\":1}", "{\"user\":\"alice\",\"until\":\"2001-01-31T12:00:00Z\"}",
      "{\"user\":\"ali\"}", "{\"user\":\"ALICE\"}",
      "{\"certificate_fingerprint\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}"};
  scene s;
  held alice;
  size_t i;
  live_open(&s, live_config(TEAM, NULL));
  hold(&s, &alice, SOCKET, "alice");
  for (i = 0; i < sizeof who / sizeof who[0]; ++i) {
    SAME(cardea_proxy_revoke(s.proxy, who[i], CARDEA_NTS, NULL, NULL), CARDEA_OK);
    check_lives(&s, &alice);
    SAME(status_for(&s, "alice"), 200);
  }
  /* By length; a later time takes the place of an earlier one. */
  SAME(cardea_proxy_revoke(s.proxy, "{\"user\":\"alice\"} and so on", 16, "me", NULL), CARDEA_OK);
  check_ended(&s, &alice, "revoked:user", "me");
  SAME(cardea_proxy_revoke(s.proxy, "{\"user\":\"alice\",\"until\":1}", CARDEA_NTS, NULL, NULL), CARDEA_OK);
  SAME(status_for(&s, "alice"), 200);
  let_go(&alice);
  scene_close(&s);
}

/* The host does not answer whether she may go on: the revocation does not wait for it. */
static void revoked_while_the_host_thinks(void) {
  int other;
  for (other = 0; other < 2; ++other) {
    scene s;
    held alice, bob;
    cardea_config* next = live_config("{allow: {and: [{host: other}]}}", NULL);
    live_open(&s, live_config(TEAM, NULL));
    hold(&s, &alice, SOCKET, "alice");
    hold(&s, &bob, SOCKET, "bob");
    hook.leaves = "alice";
    if (other) {
      SAME(cardea_proxy_apply(s.proxy, next, NULL), CARDEA_OK); /* a question that she was never asked */
    } else {
      SAME(cardea_proxy_reauthorize(s.proxy, NULL, 0, NULL), CARDEA_OK);
    }
    check_lives(&s, &bob);
    check_lives(&s, &alice);
    SAME(hook.again, 2);
    CHECK(strcmp(hook.data, other ? "\"other\"" : "\"team\"") == 0);
    SAME(cardea_proxy_revoke(s.proxy, "{\"user\":\"alice\"}", CARDEA_NTS, "me", NULL), CARDEA_OK);
    pump_idle(s.worker);
    SAME(listed_count(&s, "{\"user\":\"bob\"}"), 1);
    check_ended(&s, &alice, "revoked:user", "me");
    check_lives(&s, &bob);
    let_go(&alice);
    let_go(&bob);
    cardea_config_unref(next);
    scene_close(&s);
  }
}

/* ---- ended by hand -------------------------------------------------------------------------------- */

static void only_those_that_fit_end(void) {
  scene s;
  held all[kAll];
  told t;
  memset(&t, 0, sizeof t);
  live_open(&s, live_config(TEAM, TEAM));
  hold_all(&s, all);
  SAME(cardea_proxy_end(s.proxy, "{\"user\":\"carol\"}", CARDEA_NTS, "me", take_text, &t, NULL), CARDEA_OK);
  CHECK(pump_until(s.worker, NULL, &t.count, 1));
  CHECK(strcmp(t.json, "{\"ended\":0}") == 0);
  SAME(s.seen.ended, 0);
  SAME(cardea_proxy_end(s.proxy, "{\"user\":\"alice\"}", CARDEA_NTS, "me", take_text, &t, NULL), CARDEA_OK);
  CHECK(pump_until(s.worker, NULL, &t.count, 2));
  CHECK(strcmp(t.json, "{\"ended\":4}") == 0);
  /* Her tunnels have been told and close when they like: they do not end twice. */
  SAME(cardea_proxy_end(s.proxy, "{\"user\":\"alice\"}", CARDEA_NTS, "you", take_text, &t, NULL), CARDEA_OK);
  CHECK(pump_until(s.worker, NULL, &t.count, 3));
  CHECK(strcmp(t.json, "{\"ended\":0}") == 0);
  alice_ends_bob_goes_on(&s, all, "revoked:ended", "me");
  SAME(status_for(&s, "alice"), 200); /* once, and not for ever */
  let_all_go(&s, all);
  SAME(t.count, 3);
  scene_close(&s);
}

/* A request that the host has not let pass yet gets its answer now. */
static void who_waits_for_the_host_can_be_ended(void) {
  scene s;
  client c;
  char selector[128];
  live_open(&s, live_config(TEAM, NULL));
  hook.leaves = "alice";
  client_open(&c, s.port);
  client_send(&c, "GET /now HTTP/1.1\r\nHost: app.test\r\nX-User: alice\r\n\r\n");
  CHECK(pump_until(s.worker, &c, &s.seen.authorized, 1));
  sprintf(selector, "{\"exchange\":\"%s\"}", hook.id);
  SAME(cardea_proxy_end(s.proxy, selector, CARDEA_NTS, NULL, NULL, NULL, NULL), CARDEA_OK);
  pump_says(s.worker, &c, "HTTP/1.1 403 ");
  SAME(cardea_authorize_complete(hook.left, CARDEA_ALLOW, NULL, 0), CARDEA_ESTALE);
  SAME(s.seen.ended, 1);
  client_close(&c);
  scene_close(&s);
}

/* ---- headers of another length, events ------------------------------------------------------------- */

/* A table that ends after on_authorize, and one that is longer than this library's. */
static void tables_of_other_sizes(void) {
  struct {
    cardea_handlers known;
    void* unknown[4];
  } table;
  size_t sizes[2];
  int i;
  sizes[0] = offsetof(cardea_handlers, on_request_end);
  sizes[1] = sizeof table;
  for (i = 0; i < 2; ++i) {
    scene s;
    held alice, bob;
    cardea_config* config = live_config(TEAM, NULL);
    live_open(&s, live_config(TEAM, NULL));
    scene_close(&s); /* a new proxy with this table instead; the hook stays */
    s.seen.opened = s.seen.closed = s.seen.ended = s.seen.freed = 0;
    memset(&table, 0xee, sizeof table);
    seen_fill(&table.known);
    table.known.struct_size = sizes[i];
    SAME(cardea_proxy_new(config, &table.known, &s.seen, seen_free, &s.proxy, NULL), CARDEA_OK);
    memset(&table, 0xee, sizeof table); /* it was copied */
    cardea_config_unref(config);
    SAME(cardea_worker_new(s.proxy, &s.worker, NULL), CARDEA_OK);
    s.port = cardea_worker_bound_port(s.worker, 0);
    s.seen.proxy = s.proxy;
    hold(&s, &alice, SOCKET, "alice");
    hold(&s, &bob, SOCKET, "bob");
    hook.denies = "alice";
    SAME(cardea_proxy_reauthorize(s.proxy, NULL, 0, NULL), CARDEA_OK);
    pump_eof(s.worker, &alice.c);
    SAYS(alice.c.text, "\x03\xf0");
    SAME(hook.again, 2);
    check_lives(&s, &bob);
    let_go(&alice);
    let_go(&bob);
    SAME(cardea_worker_close(s.worker, seen_done, &s.seen), CARDEA_OK);
    CHECK(pump_until(s.worker, NULL, &s.seen.done, 2));
    SAME(s.seen.ended, i == 0 ? 0 : 2);
    SAME(s.seen.closed, i == 0 ? 0 : 2);
    cardea_worker_free(s.worker);
    cardea_proxy_unref(s.proxy);
    SAME(s.seen.freed, 1);
  }
}

typedef struct stage {
  scene s;
  cardea_queue* queue;
} stage;

/* Drives the worker until an event comes; `stride` is the caller's. */
static cardea_event next_event(stage* g, size_t stride) {
  union {
    cardea_event event;
    unsigned char bytes[96];
  } e;
  size_t n = 0;
  int turns, timeout;
  struct pollfd fds[2];
  fds[0].fd = cardea_worker_fd(g->s.worker);
  fds[1].fd = cardea_queue_fd(g->queue);
  fds[0].events = fds[1].events = POLLIN;
  memset(&e, 0, sizeof e);
  for (turns = 0; n == 0 && turns < 10000; ++turns) {
    timeout = cardea_worker_timeout(g->s.worker);
    poll(fds, 2, timeout < 0 || timeout > 1000 ? 1000 : timeout);
    CHECK(cardea_worker_step(g->s.worker) >= 0);
    SAME(cardea_queue_poll(g->queue, &e, 1, stride, &n), CARDEA_OK);
  }
  SAME(n, 1);
  return e.event;
}

static void check_says_who(const stage* g, const cardea_event* e, const char* user) {
  cardea_str s;
  SAME(cardea_queue_str(g->queue, e->ref, CARDEA_STR_IDENTITY, &s), CARDEA_OK);
  CHECK(strcmp(text_of(s), user) == 0);
}

/* The question of a new request has value 0, the one of a request that lives 1; answers, ends and questions in order.
 */
static void events_say_what_lives(void) {
  static const size_t strides[] = {sizeof(cardea_event), 40, 96}; /* 40: an older cardea_event, up to ref */
  size_t i;
  for (i = 0; i < 3; ++i) {
    stage g;
    client c;
    cardea_event first, again, ended;
    cardea_config* config = live_config(TEAM, NULL);
    seen_init(&g.s.seen);
    SAME(cardea_proxy_new(config, NULL, NULL, NULL, &g.s.proxy, NULL), CARDEA_OK);
    cardea_config_unref(config);
    SAME(cardea_queue_new(0, &g.queue), CARDEA_OK);
    SAME(cardea_proxy_set_queue(g.s.proxy, g.queue, 1u << CARDEA_EVENT_AUTHORIZE | 1u << CARDEA_EVENT_REQUEST_END),
         CARDEA_OK);
    SAME(cardea_worker_new(g.s.proxy, &g.s.worker, NULL), CARDEA_OK);
    client_open(&c, cardea_worker_bound_port(g.s.worker, 0));
    client_get(&c, "/cut", 0);
    first = next_event(&g, strides[i]);
    SAME(first.type, CARDEA_EVENT_AUTHORIZE);
    SAME(first.value, 0);
    SAME(cardea_authorize_complete(first.token, CARDEA_ALLOW, "alice", CARDEA_NTS), CARDEA_OK);
    pump_says(g.s.worker, &c, "part");
    SAME(cardea_proxy_reauthorize(g.s.proxy, "{\"user\":\"bob\"}", CARDEA_NTS, NULL), CARDEA_OK);
    SAME(cardea_proxy_reauthorize(g.s.proxy, "{\"user\":\"alice\"}", CARDEA_NTS, NULL), CARDEA_OK);
    again = next_event(&g, strides[i]);
    SAME(again.type, CARDEA_EVENT_AUTHORIZE);
    SAME(again.value, 1);
    SAME(again.id, first.id);
    CHECK(again.token && again.token != first.token);
    CHECK(again.ref > first.ref);
    check_says_who(&g, &again, "alice");
    SAME(cardea_authorize_complete(first.token, CARDEA_DENY, NULL, 0), CARDEA_ESTALE);
    SAME(cardea_authorize_complete(again.token, CARDEA_ALLOW, "carol", CARDEA_NTS), CARDEA_OK);
    pump_idle(g.s.worker);
    SAME(cardea_proxy_reauthorize(g.s.proxy, NULL, 0, NULL), CARDEA_OK);
    again = next_event(&g, strides[i]);
    SAME(again.value, 1);
    check_says_who(&g, &again, "carol");
    client_read(&c);
    CHECK(!c.eof);
    SAME(cardea_authorize_complete(again.token, CARDEA_DENY, NULL, 0), CARDEA_OK);
    ended = next_event(&g, strides[i]);
    SAME(ended.type, CARDEA_EVENT_REQUEST_END);
    SAME(ended.value, 200); /* the head had gone */
    SAME(ended.id, first.id);
    check_says_who(&g, &ended, "carol");
    pump_eof(g.s.worker, &c);
    client_close(&c);
    g.s.seen.done = 0;
    SAME(cardea_worker_close(g.s.worker, seen_done, &g.s.seen), CARDEA_OK);
    CHECK(pump_until(g.s.worker, NULL, &g.s.seen.done, 1));
    cardea_worker_free(g.s.worker);
    cardea_proxy_unref(g.s.proxy);
    cardea_queue_unref(g.queue);
  }
}

const test_case live_end_cases[] = {{"the_hook_is_asked_again", the_hook_is_asked_again},
                                    {"an_answer_may_take_its_time", an_answer_may_take_its_time},
                                    {"without_the_host_nobody_is_asked", without_the_host_nobody_is_asked},
                                    {"one_is_revoked_the_other_goes_on", one_is_revoked_the_other_goes_on},
                                    {"revocations_that_hit_nobody", revocations_that_hit_nobody},
                                    {"revoked_while_the_host_thinks", revoked_while_the_host_thinks},
                                    {"only_those_that_fit_end", only_those_that_fit_end},
                                    {"who_waits_for_the_host_can_be_ended", who_waits_for_the_host_can_be_ended},
                                    {"tables_of_other_sizes", tables_of_other_sizes},
                                    {"events_say_what_lives", events_say_what_lives},
                                    {NULL, NULL}};
