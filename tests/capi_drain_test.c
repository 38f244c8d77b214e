/* Drains with a selector: who goes, who stays, and what is told about it. C89. */
#include "capi_live.h"

typedef struct over {
  int count, status;
} over;
static void on_over(void* ud, int status) {
  over* o = ud;
  ++o->count;
  o->status = status;
}

static const char* drains_of(scene* s, told* text) {
  memset(text, 0, sizeof *text);
  SAME(cardea_proxy_drains(s->proxy, take_text, text), CARDEA_OK);
  SAME(text->count, 1);
  return text->json;
}

static void one_user_goes(void) {
  scene s;
  held alice, bob;
  told text;
  over o = {0, -1};
  uint64_t id = 0;
  live_open(&s, live_config(TEAM, TEAM));
  hold(&s, &alice, SOCKET, "alice");
  hold(&s, &bob, SOCKET, "bob");
  CHECK(strcmp(drains_of(&s, &text), "{\"drains\":[]}") == 0);
  SAME(cardea_proxy_drain_start(s.proxy, "{\"user\":\"alice\"}", CARDEA_NTS, 60000, CARDEA_DRAIN_IMMEDIATE, "ops",
                                on_over, &o, &id, NULL),
       CARDEA_OK);
  CHECK(id != 0);
  CHECK(pump_until(s.worker, NULL, &s.seen.ended, 1));
  CHECK(pump_until(s.worker, NULL, &o.count, 1));
  SAME(o.status, CARDEA_OK);
  check_lives(&s, &bob);
  drains_of(&s, &text);
  CHECK(strstr(text.json, "\"selector\":{\"user\":\"alice\"}") != NULL);
  CHECK(strstr(text.json, "\"state\":\"done\"") != NULL);
  CHECK(strstr(text.json, "\"by\":\"ops\"") != NULL);
  CHECK(strstr(text.json, "\"told\":1") != NULL);
  CHECK(strstr(hook.ends, "draining:drain") != NULL);
  SAME(cardea_proxy_drain_cancel(s.proxy, id), CARDEA_ESTALE);
  SAME(cardea_proxy_drain_extend(s.proxy, id, 1000), CARDEA_ESTALE);
  let_go(&alice);
  let_go(&bob);
  CHECK(pump_until(s.worker, NULL, &s.seen.ended, 2));
  SAME(o.count, 1);
  scene_close(&s);
}

static void cancelled_and_extended(void) {
  scene s;
  held alice;
  told text;
  over o = {0, -1};
  uint64_t id = 0;
  live_open(&s, live_config(TEAM, TEAM));
  hold(&s, &alice, WAIT, "alice");
  SAME(cardea_proxy_drain_start(s.proxy, NULL, 0, -1, 0, NULL, on_over, &o, &id, NULL), CARDEA_OK);
  pump_idle(s.worker);
  drains_of(&s, &text);
  CHECK(strstr(text.json, "\"state\":\"running\",\"strategy\":\"gradual\"") != NULL);
  CHECK(strstr(text.json, "\"http\":1") != NULL);
  SAME(cardea_proxy_drain_extend(s.proxy, id, 5000), CARDEA_OK);
  SAME(cardea_proxy_drain_cancel(s.proxy, id), CARDEA_OK);
  CHECK(pump_until(s.worker, NULL, &o.count, 1));
  SAME(s.seen.ended, 0);
  SAME(status_for(&s, "bob"), 200); /* it listens again */
  let_go(&alice);
  CHECK(pump_until(s.worker, NULL, &s.seen.ended, 2));
  scene_close(&s);
}

static void what_is_refused(void) {
  scene s;
  cardea_error* error = NULL;
  uint64_t id = 7;
  live_open(&s, live_config(TEAM, NULL));
  SAME(cardea_proxy_drain_start(NULL, NULL, 0, 0, 0, NULL, NULL, NULL, &id, NULL), CARDEA_EINVAL);
  SAME(id, 0);
  SAME(cardea_proxy_drain_start(s.proxy, NULL, 0, 0, CARDEA_DRAIN_GRADUAL | CARDEA_DRAIN_IMMEDIATE, NULL, NULL, NULL,
                                NULL, NULL),
       CARDEA_EINVAL);
  SAME(cardea_proxy_drain_start(s.proxy, NULL, 0, 0, 8, NULL, NULL, NULL, NULL, NULL), CARDEA_EINVAL);
  SAME(cardea_proxy_drain_start(s.proxy, "{\"who\":\"alice\"}", CARDEA_NTS, 0, 0, NULL, NULL, NULL, NULL, &error),
       CARDEA_EINVAL);
  CHECK(error && strstr(cardea_error_message(error), "who: unknown") != NULL);
  cardea_error_free(error);
  SAME(cardea_proxy_drains(s.proxy, NULL, NULL), CARDEA_EINVAL);
  SAME(cardea_proxy_drain_cancel(NULL, 1), CARDEA_EINVAL);
  SAME(cardea_proxy_drain_cancel(s.proxy, 1), CARDEA_ESTALE);
  SAME(cardea_proxy_drain_extend(s.proxy, 1, -1), CARDEA_EINVAL);
  SAME(status_for(&s, "alice"), 200);
  scene_close(&s);
}

const test_case drain_cases[] = {{"one_user_goes", one_user_goes},
                                 {"cancelled_and_extended", cancelled_and_extended},
                                 {"what_a_drain_refuses", what_is_refused},
                                 {NULL, NULL}};
