/* Questions about live exchanges: from which thread they may come, on which the answer comes, with and without workers.
 * C89. */
#include "capi_live.h"

static void check_without_workers(cardea_proxy* proxy, cardea_config* next) {
  told t;
  memset(&t, 0, sizeof t);
  SAME(cardea_proxy_list(proxy, NULL, 0, take_text, &t, NULL), CARDEA_OK);
  SAME(t.count, 1);
  CHECK(pthread_equal(t.thread, pthread_self()));
  CHECK(strcmp(t.json, "{\"exchanges\":[],\"count\":0}") == 0);
  SAME(cardea_proxy_end(proxy, NULL, 0, "me", take_text, &t, NULL), CARDEA_OK);
  SAME(t.count, 2);
  CHECK(strcmp(t.json, "{\"ended\":0}") == 0);
  SAME(cardea_proxy_end(proxy, NULL, 0, NULL, NULL, NULL, NULL), CARDEA_OK);
  SAME(cardea_proxy_dry_run(proxy, next, take_text, &t, NULL), CARDEA_OK);
  SAME(t.count, 3);
  CHECK(strcmp(t.json, "{\"would_end\":[],\"would_ask_host\":[],\"judged\":0}") == 0);
  SAME(cardea_proxy_reauthorize(proxy, NULL, 0, NULL), CARDEA_OK);
  SAME(cardea_proxy_revoke(proxy, "{\"user\":\"carol\"}", CARDEA_NTS, NULL, NULL), CARDEA_OK);
}

/* At once on the caller's thread: before the first worker, and after the last. A revocation holds for workers to come.
 */
static void without_workers(void) {
  cardea_config* next = live_config(OTHER_TEAM, NULL);
  scene s;
  live_open(&s, live_config(TEAM, NULL));
  SAME(status_for(&s, "carol"), 200);
  s.seen.done = 0;
  SAME(cardea_worker_close(s.worker, seen_done, &s.seen), CARDEA_OK);
  CHECK(pump_until(s.worker, NULL, &s.seen.done, 1));
  cardea_worker_free(s.worker);
  check_without_workers(s.proxy, next);
  SAME(cardea_worker_new(s.proxy, &s.worker, NULL), CARDEA_OK);
  s.port = cardea_worker_bound_port(s.worker, 0);
  SAME(status_for(&s, "carol"), 403);
  SAME(status_for(&s, "alice"), 200);
  scene_close(&s);
  cardea_config_unref(next);
}

static void before_the_first_worker(void) {
  cardea_config* config = live_config(TEAM, NULL);
  cardea_proxy* proxy = NULL;
  SAME(cardea_proxy_new(config, NULL, NULL, NULL, &proxy, NULL), CARDEA_OK);
  check_without_workers(proxy, config);
  cardea_proxy_unref(proxy);
  cardea_config_unref(config);
}

/* Asked before the close, answered by it, once. */
static void asked_while_the_worker_closes(void) {
  scene s;
  held alice;
  told list, end, dry;
  cardea_config* next = live_config(TEAM, NULL);
  memset(&list, 0, sizeof list);
  memset(&end, 0, sizeof end);
  memset(&dry, 0, sizeof dry);
  live_open(&s, live_config(TEAM, NULL));
  hold(&s, &alice, SOCKET, "alice");
  SAME(cardea_proxy_list(s.proxy, NULL, 0, take_text, &list, NULL), CARDEA_OK);
  SAME(cardea_proxy_dry_run(s.proxy, next, take_text, &dry, NULL), CARDEA_OK);
  SAME(cardea_proxy_end(s.proxy, NULL, 0, NULL, take_text, &end, NULL), CARDEA_OK);
  cardea_config_unref(next); /* the dry run holds what it needs */
  SAME(list.count + end.count + dry.count, 0);
  scene_close(&s);
  SAME(list.count, 1);
  SAME(end.count, 1);
  SAME(dry.count, 1);
  SAYS(list.json, "\"count\":");
  SAYS(dry.json, "\"judged\":");
  SAME(s.seen.ended, 1);
  let_go(&alice);
}

/* A drain does not hide who still lives, and does not save them either. */
static void while_draining(void) {
  scene s;
  held alice, bob;
  told t;
  live_open(&s, live_config(TEAM, NULL));
  hold(&s, &alice, SOCKET, "alice");
  hold(&s, &bob, PART, "bob");
  memset(&t, 0, sizeof t);
  SAME(cardea_proxy_drain(s.proxy, 60000, seen_done, &s.seen), CARDEA_OK);
  pump_idle(s.worker);
  SAME(listed_count(&s, NULL), 2);
  SAME(cardea_proxy_end(s.proxy, "{\"user\":\"alice\"}", CARDEA_NTS, "me", take_text, &t, NULL), CARDEA_OK);
  CHECK(pump_until(s.worker, NULL, &t.count, 1));
  CHECK(strcmp(t.json, "{\"ended\":1}") == 0);
  check_ended(&s, &alice, "revoked:ended", "me");
  SAME(s.seen.done, 0);
  SAME(cardea_proxy_end(s.proxy, NULL, 0, NULL, NULL, NULL, NULL), CARDEA_OK);
  check_ended(&s, &bob, "revoked:ended", NULL);
  CHECK(pump_until(s.worker, NULL, &s.seen.done, 1));
  let_go(&alice);
  let_go(&bob);
  scene_close(&s);
}

static told from_hook;
static void ask_inside(seen* s, cardea_request* r, cardea_token t) {
  (void)r;
  (void)t;
  SAME(cardea_proxy_list(s->proxy, NULL, 0, take_text, &from_hook, NULL), CARDEA_OK);
  SAME(cardea_proxy_end(s->proxy, "{\"user\":\"nobody\"}", CARDEA_NTS, NULL, NULL, NULL, NULL), CARDEA_OK);
  SAME(from_hook.count, 0); /* not from inside the call */
}

static void inside_callbacks(void) {
  scene s;
  client c;
  memset(&from_hook, 0, sizeof from_hook);
  live_open(&s, live_config(TEAM, NULL));
  s.seen.in_authorize = ask_inside;
  s.seen.answer = CARDEA_ALLOW;
  get(&s, &c, "/now");
  CHECK(pump_until(s.worker, NULL, &from_hook.count, 1));
  SAME(from_hook.count, 1);
  SAYS(from_hook.json, "\"count\":");
  SAYS(c.text, "HTTP/1.1 200 ");
  scene_close(&s);
}

typedef struct call {
  cardea_proxy* proxy;
  cardea_config* next;
  told list, end, dry;
} call;

static void* from_another_thread(void* arg) {
  call* c = (call*)arg;
  SAME(cardea_proxy_list(c->proxy, NULL, 0, take_text, &c->list, NULL), CARDEA_OK);
  SAME(cardea_proxy_dry_run(c->proxy, c->next, take_text, &c->dry, NULL), CARDEA_OK);
  SAME(cardea_proxy_reauthorize(c->proxy, "{\"user\":\"bob\"}", CARDEA_NTS, NULL), CARDEA_OK);
  SAME(cardea_proxy_revoke(c->proxy, "{\"user\":\"alice\"}", CARDEA_NTS, "thread", NULL), CARDEA_OK);
  SAME(cardea_proxy_end(c->proxy, "{\"user\":\"carol\"}", CARDEA_NTS, "thread", take_text, &c->end, NULL), CARDEA_OK);
  return NULL;
}

/* Any thread may ask; the answer comes on the one that steps the worker. */
static void any_thread_may_ask(void) {
  scene s;
  held alice, bob, carol;
  pthread_t thread;
  static call c;
  memset(&c, 0, sizeof c);
  live_open(&s, live_config(TEAM, NULL));
  hold(&s, &alice, SOCKET, "alice");
  hold(&s, &bob, SOCKET, "bob");
  hold(&s, &carol, SOCKET, "carol");
  c.proxy = s.proxy;
  c.next = live_config(TEAM_AND_BOB, NULL);
  CHECK(pthread_create(&thread, NULL, from_another_thread, &c) == 0);
  CHECK(pump_until(s.worker, NULL, &c.end.count, 1));
  pthread_join(thread, NULL);
  CHECK(pthread_equal(c.list.thread, pthread_self()));
  CHECK(pthread_equal(c.dry.thread, pthread_self()));
  CHECK(pthread_equal(c.end.thread, pthread_self()));
  SAME(c.list.count + c.dry.count + c.end.count, 3);
  SAYS(c.list.json, "\"count\":3}");
  SAYS(c.dry.json, "\"judged\":3}");
  CHECK(strcmp(c.end.json, "{\"ended\":1}") == 0);
  check_ended(&s, &alice, "revoked:user", "thread");
  check_ended(&s, &carol, "revoked:ended", "thread");
  check_lives(&s, &bob);
  SAME(hook.again, 1);
  let_go(&alice);
  let_go(&bob);
  let_go(&carol);
  cardea_config_unref(c.next);
  scene_close(&s);
}

enum { kWorkers = 3, kClients = 8, kCallers = 4, kTimes = 500 };

typedef struct caller {
  cardea_proxy* proxy;
  pthread_t thread;
  seen answers; /* `done` of them */
  int on_caller, exchanges;
} caller;

static void count_done(void* ud, int status) {
  caller* a = (caller*)ud;
  a->on_caller += pthread_equal(pthread_self(), a->thread) != 0;
  seen_done(&a->answers, status);
}

static void count_answer(void* ud, const char* json, size_t n) {
  char text[64];
  const size_t tail = n < sizeof text - 1 ? n : sizeof text - 1;
  memcpy(text, json + n - tail, tail);
  text[tail] = 0;
  ((caller*)ud)->exchanges += strstr(text, "\"count\":") ? atoi(strstr(text, "\"count\":") + 8) : -1;
  count_done(ud, 0);
}

static void* list_often(void* ud) {
  caller* a = (caller*)ud;
  int i;
  a->thread = pthread_self();
  for (i = 0; i < kTimes; ++i) {
    SAME(cardea_proxy_list(a->proxy, NULL, 0, count_answer, a, NULL), CARDEA_OK);
    CHECK(seen_wait(&a->answers, &a->answers.done, i + 1));
  }
  return NULL;
}

static void* drain_often(void* ud) {
  caller* a = (caller*)ud;
  int i;
  a->thread = pthread_self();
  for (i = 0; i < kTimes; ++i) {
    SAME(cardea_proxy_drain(a->proxy, 10000, count_done, a), CARDEA_OK);
    CHECK(seen_wait(&a->answers, &a->answers.done, i + 1));
  }
  return NULL;
}

/* Several threads at once: each answer once, with what all workers know, and on a thread of theirs. */
static void ask_from_threads(cardea_proxy* proxy, void* (*often)(void*), int exchanges) {
  static caller callers[kCallers];
  pthread_t threads[kCallers];
  int i;
  memset(callers, 0, sizeof callers);
  for (i = 0; i < kCallers; ++i) {
    seen_init(&callers[i].answers);
    callers[i].proxy = proxy;
    CHECK(pthread_create(&threads[i], NULL, often, &callers[i]) == 0);
  }
  for (i = 0; i < kCallers; ++i) {
    pthread_join(threads[i], NULL);
    SAME(callers[i].answers.done, kTimes);
    SAME(callers[i].exchanges, kTimes * exchanges);
    SAME(callers[i].on_caller, 0);
  }
}

static void answers_come_on_the_workers_threads(void) {
  cardea_config* config = live_config(ANYBODY, NULL);
  cardea_worker* workers[kWorkers];
  client clients[kClients];
  cardea_handlers handlers;
  cardea_proxy* proxy = NULL;
  seen seen;
  int i, before = origin_requests();
  seen_init(&seen);
  seen_fill(&handlers);
  SAME(cardea_proxy_new(config, &handlers, &seen, NULL, &proxy, NULL), CARDEA_OK);
  for (i = 0; i < kWorkers; ++i) SAME(cardea_worker_start_thread(proxy, &workers[i], NULL), CARDEA_OK);
  for (i = 0; i < kClients; ++i) {
    client_open(&clients[i], cardea_worker_bound_port(workers[0], 0));
    client_get(&clients[i], "/cut", 0);
    while (!strstr(clients[i].text, "part") && !clients[i].eof) client_read(&clients[i]);
  }
  SAME(origin_requests(), before + kClients);
  ask_from_threads(proxy, list_often, kClients);
  SAME(cardea_proxy_end(proxy, NULL, 0, NULL, NULL, NULL, NULL), CARDEA_OK);
  for (i = 0; i < kClients; ++i) {
    client_wait(&clients[i]);
    client_close(&clients[i]);
  }
  CHECK(seen_wait(&seen, &seen.closed, kClients));
  ask_from_threads(proxy, drain_often, 0);
  for (i = 0; i < kWorkers; ++i) SAME(cardea_worker_close(workers[i], NULL, NULL), CARDEA_OK);
  for (i = 0; i < kWorkers; ++i) {
    SAME(cardea_worker_join(workers[i], 10000), CARDEA_OK);
    cardea_worker_free(workers[i]);
  }
  SAME(seen.ended, kClients);
  cardea_proxy_unref(proxy);
  cardea_config_unref(config);
}

const test_case live_thread_cases[] = {{"without_workers", without_workers},
                                       {"before_the_first_worker", before_the_first_worker},
                                       {"asked_while_the_worker_closes", asked_while_the_worker_closes},
                                       {"while_draining", while_draining},
                                       {"inside_callbacks", inside_callbacks},
                                       {"any_thread_may_ask", any_thread_may_ask},
                                       {"answers_come_on_the_workers_threads", answers_come_on_the_workers_threads},
                                       {NULL, NULL}};
