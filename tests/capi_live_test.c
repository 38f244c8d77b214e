/* Live exchanges: listing them, selectors, arguments, dry runs. C89. */
#include "capi_live.h"

static cardea_error* const kGarbage = (cardea_error*)1; /* what an out-pointer held before */

/* ---- listing ------------------------------------------------------------------------------------- */

static void each_is_described(void) {
  scene s;
  held waits, part, socket, tunnel;
  const char* json;
  live_open(&s, live_config(TEAM, TEAM));
  CHECK(strcmp(listed(&s, NULL), "{\"exchanges\":[],\"count\":0}") == 0);
  hold(&s, &waits, WAIT, "alice");
  json = listed(&s, NULL);
  SAYS(json, "{\"exchanges\":[{\"id\":\"");
  SAYS(json, waits.id);
  SAYS(json, "\"route\":\"web\"");
  SAYS(json, "\"user\":\"alice\",\"email\":\"alice@example.com\",\"identity_source\":\"host\"");
  SAYS(json, "\"peer\":\"127.0.0.1:");
  SAYS(json, "\"protocol\":\"HTTP/1.1\"");
  SAYS(json, "\"kind\":\"http\"");
  SAYS(json, "\"state\":\"waiting\"");
  SAYS(json, "\"age_ms\":");
  SAYS(json, "\"bytes_in\":0,\"bytes_out\":0");
  SAYS(json, "\"clocks\":{\"idle_timeout\":");
  SAYS(json, "}}],\"count\":1}");
  hold(&s, &part, PART, "bob");
  json = listed(&s, "{\"user\":\"bob\"}");
  SAYS(json, "\"state\":\"streaming\"");
  SAYS(json, "\"bytes_in\":0,\"bytes_out\":4");
  hold(&s, &socket, SOCKET, "bob");
  SAYS(listed(&s, "{\"user\":\"bob\"}"), "\"kind\":\"websocket\"");
  hold(&s, &tunnel, TUNNEL, "bob");
  json = listed(&s, "{\"route\":\"db\"}");
  SAYS(json, "\"kind\":\"tcp\"");
  SAYS(json, "\"count\":1}");
  SAME(listed_count(&s, NULL), 4);
  let_go(&waits);
  let_go(&part);
  let_go(&socket);
  let_go(&tunnel);
  CHECK(pump_until(s.worker, NULL, &s.seen.ended, 4));
  SAME(listed_count(&s, NULL), 0);
  scene_close(&s);
}

/* What opens is told at once, what is answered soon only at its end; and who goes by which configuration. */
static void streams_and_generations(void) {
  scene s;
  held waits, socket, tunnel;
  told t;
  uint64_t first = 0, second = 0;
  char wanted[160];
  cardea_config* again = live_config(TEAM, TEAM);
  live_open(&s, live_config(TEAM, TEAM));
  SAME(cardea_proxy_generation(s.proxy, &first), CARDEA_OK);
  hold(&s, &waits, WAIT, "alice");
  SAME(s.seen.logged, 0);
  hold(&s, &socket, SOCKET, "alice");
  SAME(s.seen.logged, 1);
  SAYS(s.seen.log, "\"status\":101,");
  SAYS(s.seen.log, "\"event\":\"start\"}");
  SAYS(s.seen.log, socket.id);
  SAME(cardea_proxy_apply(s.proxy, again, NULL), CARDEA_OK);
  cardea_config_unref(again);
  SAME(cardea_proxy_generation(s.proxy, &second), CARDEA_OK);
  hold(&s, &tunnel, TUNNEL, "alice");
  SAME(s.seen.logged, 2);
  memset(&t, 0, sizeof t);
  SAME(cardea_proxy_generations(s.proxy, take_text, &t), CARDEA_OK);
  pump_idle(s.worker);
  SAME(t.count, 1);
  SAYS(t.json, "\"routes\":[\"web\",\"db\"]");
  sprintf(wanted, "\"generations\":[{\"generation\":%lu,\"exchanges\":1},{\"generation\":%lu,\"exchanges\":2}]}",
          (unsigned long)second, (unsigned long)first);
  SAYS(t.json, wanted);
  let_go(&waits);
  let_go(&socket);
  let_go(&tunnel);
  CHECK(pump_until(s.worker, NULL, &s.seen.ended, 3));
  scene_close(&s);
}

/* The hook has not answered yet: nobody is known, and it is listed all the same. */
static void who_is_pending_is_listed(void) {
  scene s;
  client c;
  live_open(&s, live_config(TEAM, NULL));
  hook.leaves = "alice";
  client_open(&c, s.port);
  client_send(&c, "GET /now HTTP/1.1\r\nHost: app.test\r\nX-User: alice\r\n\r\n");
  CHECK(pump_until(s.worker, &c, &s.seen.authorized, 1));
  SAYS(listed(&s, ""), "\"state\":\"pending\"");
  SAME(listed_count(&s, "{\"user\":\"alice\"}"), 0);
  SAME(cardea_authorize_complete(hook.left, CARDEA_DENY, NULL, 0), CARDEA_OK);
  pump_says(s.worker, &c, "HTTP/1.1 403 ");
  SAME(listed_count(&s, NULL), 0);
  client_close(&c);
  scene_close(&s);
}

static int count_with(scene* s, const char* key, const char* value) {
  char selector[256];
  sprintf(selector, "{\"%s\":\"%s\"}", key, value);
  return listed_count(s, selector);
}

static void every_property_that_is_given_must_fit(void) {
  static const char kNobody[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  scene s;
  held alice, bob;
  uint64_t generation = 0;
  char selector[512];
  told t;
  live_open(&s, live_config(TEAM, TEAM));
  hold(&s, &alice, PART, "alice");
  hold(&s, &bob, TUNNEL, "bob");
  SAME(cardea_proxy_generation(s.proxy, &generation), CARDEA_OK);
  SAME(listed_count(&s, NULL), 2);
  SAME(listed_count(&s, ""), 2);
  SAME(listed_count(&s, "{}"), 2);
  SAME(listed_count(&s, " { } "), 2);
  SAME(count_with(&s, "user", "alice"), 1);
  SAME(count_with(&s, "user", "alice@example.com"), 1);
  SAME(count_with(&s, "user", "Alice"), 0);
  SAME(count_with(&s, "user", "alic"), 0);
  SAME(count_with(&s, "route", "web"), 1);
  SAME(count_with(&s, "route", "we"), 0);
  SAME(count_with(&s, "listener", hook.listener), 2);
  SAME(count_with(&s, "listener", "127.0.0.1:1"), 0);
  SAME(count_with(&s, "cluster", "db"), 1);
  SAME(count_with(&s, "cluster", "other"), 0);
  SAME(count_with(&s, "endpoint", origin_url() + strlen("http://")), 2);
  SAME(count_with(&s, "endpoint", "127.0.0.1:1"), 0);
  SAME(count_with(&s, "exchange", alice.id), 1);
  SAYS(listed(&s, NULL), bob.id);
  SAME(count_with(&s, "certificate_fingerprint", kNobody), 0);
  sprintf(selector, "{\"generation\":%lu}", (unsigned long)generation);
  SAME(listed_count(&s, selector), 2);
  sprintf(selector, "{\"generation\":%lu}", (unsigned long)generation + 1);
  SAME(listed_count(&s, selector), 0);
  sprintf(selector, "{\"user\":\"alice\",\"route\":\"web\",\"exchange\":\"%s\",\"generation\":%lu}", alice.id,
          (unsigned long)generation);
  SAME(listed_count(&s, selector), 1);
  sprintf(selector, "{\"user\":\"alice\",\"route\":\"web\",\"exchange\":\"%s\"}", bob.id);
  SAME(listed_count(&s, selector), 0);
  SAME(listed_count(&s, "{\"user\":\"bob\",\"route\":\"web\"}"), 0);
  /* By length, and what follows is not read; no text has any length. */
  memset(&t, 0, sizeof t);
  SAME(cardea_proxy_list(s.proxy, "{\"user\":\"bob\"}}}}}", 14, take_text, &t, NULL), CARDEA_OK);
  CHECK(pump_until(s.worker, NULL, &t.count, 1));
  SAYS(t.json, "\"count\":1}");
  SAME(cardea_proxy_list(s.proxy, "nothing", 0, take_text, &t, NULL), CARDEA_OK);
  SAME(cardea_proxy_list(s.proxy, NULL, 7, take_text, &t, NULL), CARDEA_OK);
  CHECK(pump_until(s.worker, NULL, &t.count, 3));
  SAYS(t.json, "\"count\":2}");
  let_go(&alice);
  let_go(&bob);
  scene_close(&s);
}

/* ---- arguments ----------------------------------------------------------------------------------- */

typedef struct bad_row {
  const char *text, *says;
} bad_row;

static void check_fault(int code, cardea_error** given, const char* says) {
  cardea_error* error = *given;
  SAME(code, CARDEA_EINVAL);
  SAME(cardea_error_code(error), CARDEA_EINVAL);
  SAYS(cardea_error_message(error), says);
  cardea_error_free(error);
}

static void malformed_selectors(void) {
  static const bad_row rows[] = {{"[]", "not a JSON object"},
                                 {"null", "not a JSON object"},
                                 {"{\"user\":\"alice\"", "not a JSON object"},
                                 {"{\"user\":\"alice\"}{}", "not a JSON object"},
                                 {"{\"user\":\"a\",\"user\":\"b\"}", "not a JSON object"},
                                 {"{\"user\":\"\"}", "user: must be a text"},
                                 {"{\"user\":null}", "user: must be a text"},
                                 {"{\"user\":5}", "user: must be a text"},
                                 {"{\"route\":[]}", "route: must be a text"},
                                 {"{\"generation\":\"1\"}", "generation: must be a number"},
                                 {"{\"generation\":-1}", "generation: must be a number"},
                                 {"{\"certificate_fingerprint\":\"ab\"}", "must be a SHA-256"},
                                 {"{\"users\":\"alice\"}",
                                  "users: unknown; known are user, route, listener, cluster, "
                                  "endpoint, exchange, certificate_fingerprint, generation"},
                                 {"{\"until\":5}", "until: unknown"}};
  scene s;
  held alice;
  told t;
  size_t i;
  memset(&t, 0, sizeof t);
  live_open(&s, live_config(TEAM, NULL));
  hold(&s, &alice, SOCKET, "alice");
  for (i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
    cardea_error *list = kGarbage, *again = kGarbage, *end = kGarbage;
    const char* text = rows[i].text;
    check_fault(cardea_proxy_list(s.proxy, text, CARDEA_NTS, take_text, &t, &list), &list, rows[i].says);
    check_fault(cardea_proxy_reauthorize(s.proxy, text, CARDEA_NTS, &again), &again, rows[i].says);
    check_fault(cardea_proxy_end(s.proxy, text, CARDEA_NTS, "me", take_text, &t, &end), &end, rows[i].says);
    SAME(cardea_proxy_end(s.proxy, text, CARDEA_NTS, "me", take_text, &t, NULL), CARDEA_EINVAL);
  }
  check_lives(&s, &alice);
  SAME(t.count, 0);
  SAME(hook.first, 1);
  SAME(hook.again, 0);
  let_go(&alice);
  scene_close(&s);
}

static void malformed_revocations(void) {
  static const bad_row rows[] = {
      {NULL, "needs either user or certificate_fingerprint"},
      {"", "needs either user or certificate_fingerprint"},
      {"{}", "needs either user or certificate_fingerprint"},
      {"{\"until\":2000000000}", "needs either user or certificate_fingerprint"},
      {"[]", "not a JSON object"},
      {"{\"user\":", "not a JSON object"},
      {"{\"user\":\"\"}", "user: must be a text"},
      {"{\"route\":\"web\"}", "route: unknown; known are user, certificate_fingerprint, until"},
      {"{\"user\":\"alice\",\"until\":\"soon\"}", "until: must be Unix seconds or a time like 2030-01-31T12:00:00Z"},
      {"{\"user\":\"alice\",\"until\":0}", "until: must be"},
      {"{\"user\":\"alice\",\"until\":\"2030-02-30T12:00:00Z\"}", "until: must be"},
      {"{\"user\":\"alice\",\"by\":\"me\"}", "by: unknown"},
      {"{\"certificate_fingerprint\":\"00\"}", "certificate_fingerprint: must be a SHA-256"}};
  scene s;
  held alice;
  size_t i;
  live_open(&s, live_config(TEAM, NULL));
  hold(&s, &alice, SOCKET, "alice");
  for (i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
    cardea_error* error = kGarbage;
    check_fault(cardea_proxy_revoke(s.proxy, rows[i].text, CARDEA_NTS, "me", &error), &error, rows[i].says);
    SAME(cardea_proxy_revoke(s.proxy, rows[i].text, CARDEA_NTS, "me", NULL), CARDEA_EINVAL);
  }
  check_lives(&s, &alice);
  SAME(status_for(&s, "alice"), 200);
  let_go(&alice);
  scene_close(&s);
}

static void null_arguments(void) {
  cardea_config* config = live_config(TEAM, NULL);
  cardea_config* draft = draft_of(PUBLIC);
  cardea_error* error = kGarbage;
  scene s;
  told t;
  memset(&t, 0, sizeof t);
  live_open(&s, live_config(TEAM, NULL));
#define REFUSED(call)          \
  do {                         \
    error = kGarbage;          \
    SAME(call, CARDEA_EINVAL); \
    CHECK(error == NULL);      \
  } while (0)
  SAME(cardea_proxy_generations(NULL, take_text, &t), CARDEA_EINVAL);
  SAME(cardea_proxy_generations(s.proxy, NULL, &t), CARDEA_EINVAL);
  REFUSED(cardea_proxy_list(NULL, NULL, 0, take_text, &t, &error));
  REFUSED(cardea_proxy_list(s.proxy, NULL, 0, NULL, &t, &error));
  REFUSED(cardea_proxy_reauthorize(NULL, NULL, 0, &error));
  REFUSED(cardea_proxy_revoke(NULL, "{\"user\":\"a\"}", CARDEA_NTS, NULL, &error));
  REFUSED(cardea_proxy_end(NULL, NULL, 0, NULL, take_text, &t, &error));
  REFUSED(cardea_proxy_dry_run(NULL, config, take_text, &t, &error));
  REFUSED(cardea_proxy_dry_run(s.proxy, NULL, take_text, &t, &error));
  REFUSED(cardea_proxy_dry_run(s.proxy, config, NULL, &t, &error));
#undef REFUSED
  SAME(cardea_proxy_list(NULL, NULL, 0, take_text, &t, NULL), CARDEA_EINVAL);
  SAME(cardea_proxy_dry_run(s.proxy, NULL, take_text, &t, NULL), CARDEA_EINVAL);
  error = kGarbage;
  check_fault(cardea_proxy_dry_run(s.proxy, draft, take_text, &t, &error), &error, "is not sealed");
  /* What succeeds leaves no error. */
  error = kGarbage;
  SAME(cardea_proxy_list(s.proxy, NULL, 0, take_text, &t, &error), CARDEA_OK);
  CHECK(error == NULL);
  error = kGarbage;
  SAME(cardea_proxy_reauthorize(s.proxy, NULL, 0, &error), CARDEA_OK);
  CHECK(error == NULL);
  error = kGarbage;
  SAME(cardea_proxy_revoke(s.proxy, "{\"user\":\"a\"}", CARDEA_NTS, NULL, &error), CARDEA_OK);
  CHECK(error == NULL);
  error = kGarbage;
  SAME(cardea_proxy_end(s.proxy, NULL, 0, NULL, NULL, NULL, &error), CARDEA_OK);
  CHECK(error == NULL);
  error = kGarbage;
  SAME(cardea_proxy_dry_run(s.proxy, config, take_text, &t, &error), CARDEA_OK);
  CHECK(error == NULL);
  CHECK(pump_until(s.worker, NULL, &t.count, 2));
  pump_idle(s.worker);
  SAME(t.count, 2);
  cardea_config_unref(config);
  cardea_config_unref(draft);
  scene_close(&s);
}

/* ---- dry runs ------------------------------------------------------------------------------------ */

#define OTHER_AND_BOB "{allow: {and: [{host: other}, {user: {is: bob}}]}}"

enum { AW = 1, BW = 2, AD = 4, BD = 8 };

static int named(const char* list, const char* end, const held* all) {
  int i, bits = 0;
  const char* at;
  for (i = 0; i < 4; ++i) {
    at = strstr(list, all[i].id);
    if (at && at < end) bits |= 1 << i;
  }
  return bits;
}

/* What a dry run says is what the same configuration then does. */
static void a_dry_run_names_those_that_applying_ends(void) {
  static const struct {
    const char *web, *db;
    int ends, asks;
    const char* cause;
  } rows[] = {{TEAM, TEAM, 0, 0, NULL},
              {TEAM_AND_BOB, TEAM, AW, 0, "denied:by_default"},
              {TEAM_AND_BOB, TEAM_AND_BOB, AW | AD, 0, "denied:by_default"},
              {TEAM, NULL, AD | BD, 0, "denied:no_route"},
              {OTHER_TEAM, TEAM, 0, AW | BW, NULL},
              {ANYBODY, OTHER_AND_BOB, AD, BD, "denied:by_default"},
              {"{deny: {or: [{accept: true}]}}", OTHER_TEAM, AW | BW, AD | BD, "denied:by_rule"}};
  size_t row;
  int i;
  for (row = 0; row < sizeof rows / sizeof rows[0]; ++row) {
    scene s;
    held all[4];
    told t;
    char brief[256];
    const char* asks;
    uint64_t before = 0, after = 0;
    cardea_config* next = live_config(rows[row].web, rows[row].db);
    live_open(&s, live_config(TEAM, TEAM));
    hold(&s, &all[0], SOCKET, "alice");
    hold(&s, &all[1], SOCKET, "bob");
    hold(&s, &all[2], TUNNEL, "alice");
    hold(&s, &all[3], TUNNEL, "bob");
    memset(&t, 0, sizeof t);
    SAME(cardea_proxy_generation(s.proxy, &before), CARDEA_OK);
    SAME(cardea_proxy_dry_run(s.proxy, next, take_text, &t, NULL), CARDEA_OK);
    CHECK(pump_until(s.worker, NULL, &t.count, 1));
    asks = strstr(t.json, "],\"would_ask_host\":[");
    CHECK(strncmp(t.json, "{\"would_end\":[", 14) == 0 && asks);
    SAYS(t.json, "],\"judged\":4}");
    SAME(named(t.json, asks, all), rows[row].ends);
    SAME(named(asks, t.json + strlen(t.json), all), rows[row].asks);
    if (rows[row].ends & AD) {
      sprintf(brief, "{\"id\":\"%s\",\"route\":\"db\",\"user\":\"alice\"}", all[2].id);
      SAYS(t.json, brief);
    }
    /* Nothing has changed, and nobody was asked. */
    SAME(cardea_proxy_generation(s.proxy, &after), CARDEA_OK);
    SAME(after, before);
    for (i = 0; i < 4; ++i) check_lives(&s, &all[i]);
    SAME(hook.again, 0);
    SAME(cardea_proxy_apply(s.proxy, next, NULL), CARDEA_OK);
    pump_idle(s.worker);
    SAME(hook.again,
         !!(rows[row].asks & AW) + !!(rows[row].asks & BW) + !!(rows[row].asks & AD) + !!(rows[row].asks & BD));
    CHECK(strcmp(hook.data, rows[row].asks ? "\"other\"" : "\"team\"") == 0);
    for (i = 0; i < 4; ++i) {
      if (rows[row].ends & 1 << i) {
        check_ended(&s, &all[i], rows[row].cause, NULL);
      } else {
        check_lives(&s, &all[i]);
      }
      let_go(&all[i]);
    }
    cardea_config_unref(next);
    scene_close(&s);
  }
}

const test_case live_cases[] = {{"each_is_described", each_is_described},
                                {"streams_and_generations", streams_and_generations},
                                {"who_is_pending_is_listed", who_is_pending_is_listed},
                                {"every_property_that_is_given_must_fit", every_property_that_is_given_must_fit},
                                {"malformed_selectors", malformed_selectors},
                                {"malformed_revocations", malformed_revocations},
                                {"null_arguments", null_arguments},
                                {"a_dry_run_names_those_that_applying_ends", a_dry_run_names_those_that_applying_ends},

                                {NULL, NULL}};
