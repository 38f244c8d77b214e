/* Clusters through the ABI: picking, health, custom checks, endpoints at run time, the list. C89. */
#include <poll.h>
#include <time.h>

#include "capi_live.h"

static struct {
  int picks, pick, answer, checks, events, healths[8];
  cardea_token token;
  char cluster[64], endpoint[64], cause[64], candidates[256];
  uint32_t weight, active;
} told_of;

static int on_pick(void* ud, cardea_request* r, const cardea_str* endpoints, const uint32_t* weights,
                   const uint32_t* active, size_t count) {
  size_t i;
  cardea_str path;
  (void)ud;
  ++told_of.picks;
  SAME(cardea_request_get_str(r, CARDEA_STR_PATH, &path), CARDEA_OK);
  *told_of.candidates = 0;
  for (i = 0; i < count; ++i) {
    strcat(strcat(told_of.candidates, text_of(endpoints[i])), " ");
    told_of.weight = weights[i];
    told_of.active = active[i];
  }
  return told_of.pick;
}

static void on_health(void* ud, const cardea_str* cluster, const cardea_str* endpoint, int health,
                      const cardea_str* cause) {
  (void)ud;
  strcpy(told_of.cluster, text_of(*cluster));
  strcpy(told_of.endpoint, text_of(*endpoint));
  strcpy(told_of.cause, text_of(*cause));
  if (told_of.events < 8) told_of.healths[told_of.events] = health;
  ++told_of.events;
}

static int on_check(void* ud, const cardea_str* cluster, const cardea_str* endpoint, cardea_token t) {
  (void)ud;
  strcpy(told_of.cluster, text_of(*cluster));
  strcpy(told_of.endpoint, text_of(*endpoint));
  told_of.token = t;
  ++told_of.checks;
  return told_of.answer;
}

/* A route `web` to these endpoints with these lines of its cluster. */
static cardea_config* cluster_config(const char* to, const char* lines) {
  char text[1024];
  cardea_config* config = NULL;
  cardea_error* error = NULL;
  sprintf(text,
          "address: 127.0.0.1:0\ninsecure_server: true\nroutes:\n- {from: 'https://app.test', name: web, to: %s, "
          "allow_public_unauthenticated_access: true%s%s}\n",
          to, *lines ? ", " : "", lines);
  SAME(cardea_config_load(text, CARDEA_NTS, "cluster.yaml", &config, &error), CARDEA_OK);
  if (error) fprintf(stderr, "%s\n%s", cardea_error_message(error), text);
  cardea_error_free(error);
  must_seal(config);
  return config;
}

static void cluster_open_sized(scene* s, const char* to, const char* lines, size_t size) {
  cardea_handlers handlers;
  cardea_config* config = cluster_config(to, lines);
  memset(&told_of, 0, sizeof told_of);
  seen_init(&s->seen);
  seen_fill(&handlers);
  handlers.struct_size = size;
  handlers.on_pick_endpoint = on_pick;
  handlers.on_health = on_health;
  handlers.on_health_check = on_check;
  SAME(cardea_proxy_new(config, &handlers, &s->seen, seen_free, &s->proxy, NULL), CARDEA_OK);
  cardea_config_unref(config);
}

static void worker_open(scene* s) {
  SAME(cardea_worker_new(s->proxy, &s->worker, NULL), CARDEA_OK);
  s->port = cardea_worker_bound_port(s->worker, 0);
  s->seen.worker = s->worker;
  s->seen.proxy = s->proxy;
}

static void cluster_open(scene* s, const char* to, const char* lines) {
  cluster_open_sized(s, to, lines, sizeof(cardea_handlers));
  worker_open(s);
}

static const char* origin_list(void) {
  static char list[64];
  sprintf(list, "'%s'", origin_url());
  return list;
}

static int request_status(scene* s) {
  client c;
  get(s, &c, "/now");
  return strncmp(c.text, "HTTP/1.1 ", 9) == 0 ? atoi(c.text + 9) : 0;
}

static const char* clusters(scene* s) {
  static told t;
  memset(&t, 0, sizeof t);
  SAME(cardea_proxy_clusters(s->proxy, take_text, &t), CARDEA_OK);
  SAME(t.count, 1); /* inside the call */
  return t.json;
}

#define CUSTOM                                                                                       \
  "health_checks: [{timeout: 10s, interval: 10ms, no_traffic_interval: 10ms, healthy_threshold: 1, " \
  "unhealthy_threshold: 1, custom_health_check: {}}]"

/* ---- picking ------------------------------------------------------------------------------------- */

static void the_host_picks(void) {
  scene s;
  char to[128];
  sprintf(to, "['http://127.0.0.1:1', '%s']", origin_url());
  cluster_open(&s, to, "load_balancing_policy: host");
  told_of.pick = 1;
  SAME(request_status(&s), 200);
  SAME(told_of.picks, 1);
  SAME(told_of.weight, 1);
  SAME(told_of.active, 0);
  SAYS(told_of.candidates, "127.0.0.1:1 127.0.0.1:");
  told_of.pick = 2;
  SAME(request_status(&s), 503);
  told_of.pick = -1;
  SAME(request_status(&s), 503);
  scene_close(&s);
}

/* ---- health -------------------------------------------------------------------------------------- */

static void custom_checks_answered_at_once(void) {
  scene s;
  cluster_open(&s, origin_list(), CUSTOM);
  told_of.answer = CARDEA_DENY;
  CHECK(pump_until(s.worker, NULL, &told_of.events, 1));
  SAME(told_of.healths[0], CARDEA_HEALTH_UNHEALTHY);
  CHECK(strcmp(told_of.cluster, "web") == 0);
  CHECK(strcmp(told_of.endpoint, origin_url() + strlen("http://")) == 0);
  CHECK(*told_of.cause);
  SAYS(clusters(&s), "\"health\":\"unhealthy\"");
  told_of.answer = CARDEA_ALLOW;
  CHECK(pump_until(s.worker, NULL, &told_of.events, 2));
  SAME(told_of.healths[1], CARDEA_HEALTH_HEALTHY);
  SAYS(clusters(&s), "\"health\":\"healthy\"");
  SAME(request_status(&s), 200);
  scene_close(&s);
}

static void custom_checks_answered_later(void) {
  scene s;
  int before;
  cluster_open(&s, origin_list(), CUSTOM);
  told_of.answer = CARDEA_PENDING;
  CHECK(pump_until(s.worker, NULL, &told_of.checks, 1));
  SAME(cardea_health_check_complete(NULL, told_of.token, 1), CARDEA_EINVAL);
  SAME(cardea_health_check_complete(s.proxy, told_of.token, 2), CARDEA_EINVAL);
  SAME(cardea_health_check_complete(s.proxy, told_of.token, -1), CARDEA_EINVAL);
  SAME(cardea_health_check_complete(s.proxy, 0, 1), CARDEA_ESTALE);
  SAME(cardea_health_check_complete(s.proxy, ~(cardea_token)0, 1), CARDEA_ESTALE);
  before = told_of.checks;
  pump_idle(s.worker);
  SAME(told_of.checks, before); /* one at a time */
  SAME(told_of.events, 0);
  SAME(cardea_health_check_complete(s.proxy, told_of.token, 0), CARDEA_OK);
  CHECK(pump_until(s.worker, NULL, &told_of.events, 1));
  SAME(told_of.healths[0], CARDEA_HEALTH_UNHEALTHY);
  CHECK(pump_until(s.worker, NULL, &told_of.checks, before + 1));
  SAME(cardea_health_check_complete(s.proxy, told_of.token, 1), CARDEA_OK);
  CHECK(pump_until(s.worker, NULL, &told_of.events, 2));
  SAME(told_of.healths[1], CARDEA_HEALTH_HEALTHY);
  scene_close(&s);
}

static void traffic_ejects(void) {
  scene s;
  int i;
  cluster_open(&s, "['http://127.0.0.1:1']",
               "outlier_detection: {consecutive_5xx: 2, interval: 50ms, base_ejection_time: 50ms, "
               "max_ejection_percent: 100}");
  for (i = 0; i < 2; ++i) SAME(request_status(&s), 503);
  CHECK(pump_until(s.worker, NULL, &told_of.events, 2));
  SAME(told_of.healths[0], CARDEA_HEALTH_EJECTED);
  SAME(told_of.healths[1], CARDEA_HEALTH_RETURNED);
  scene_close(&s);
  cluster_open(&s, "['http://127.0.0.1:1']", "outlier_detection: {consecutive_5xx: 2, enforcing_consecutive_5xx: 0}");
  for (i = 0; i < 2; ++i) SAME(request_status(&s), 503);
  CHECK(pump_until(s.worker, NULL, &told_of.events, 1));
  SAME(told_of.healths[0], CARDEA_HEALTH_WOULD_EJECT);
  SAYS(told_of.cause, "consecutive_5xx");
  scene_close(&s);
}

/* Members that an older header lacks are not called, whatever lies behind it. */
static void older_handlers(void) {
  scene s;
  cluster_open_sized(&s, origin_list(), "load_balancing_policy: host", offsetof(cardea_handlers, on_pick_endpoint));
  worker_open(&s);
  SAME(request_status(&s), 503);
  SAME(told_of.picks, 0);
  scene_close(&s);
  cluster_open_sized(&s, origin_list(), CUSTOM, offsetof(cardea_handlers, on_health_check));
  worker_open(&s);
  CHECK(pump_until(s.worker, NULL, &told_of.events, 1)); /* nobody answers: it fails */
  SAME(told_of.healths[0], CARDEA_HEALTH_UNHEALTHY);
  SAME(told_of.checks, 0);
  scene_close(&s);
}

static void through_the_queue(void) {
  scene s;
  cardea_queue* queue = NULL;
  cardea_event e;
  cardea_str text;
  size_t n = 0;
  int turns;
  const time_t end = time(NULL) + 10;
  cluster_open_sized(&s, origin_list(), CUSTOM, offsetof(cardea_handlers, on_health));
  SAME(cardea_queue_new(0, &queue), CARDEA_OK);
  SAME(cardea_proxy_set_queue(s.proxy, queue, 1u << CARDEA_EVENT_HEALTH | 1u << CARDEA_EVENT_HEALTH_CHECK), CARDEA_OK);
  worker_open(&s);
  for (turns = 0; turns < 2; ++turns) {
    for (n = 0; n == 0 && time(NULL) < end;) {
      SAME(cardea_queue_poll(queue, &e, 1, sizeof e, &n), CARDEA_OK);
      if (n == 0) pump_idle(s.worker);
    }
    SAME(n, 1);
    if (n == 0) break;
    SAME(e.type, turns ? CARDEA_EVENT_HEALTH : CARDEA_EVENT_HEALTH_CHECK);
    SAME(cardea_queue_str(queue, e.ref, CARDEA_STR_CLUSTER, &text), CARDEA_OK);
    CHECK(strcmp(text_of(text), "web") == 0);
    SAME(cardea_queue_str(queue, e.ref, CARDEA_STR_ENDPOINT, &text), CARDEA_OK);
    CHECK(strcmp(text_of(text), origin_url() + strlen("http://")) == 0);
    SAME(cardea_queue_str(queue, e.ref, CARDEA_STR_CAUSE, &text), turns ? CARDEA_OK : CARDEA_ENOTFOUND);
    if (turns) {
      SAME(e.value, CARDEA_HEALTH_UNHEALTHY);
    } else {
      SAME(cardea_health_check_complete(s.proxy, e.token, 0), CARDEA_OK);
    }
  }
  scene_close(&s);
  cardea_queue_unref(queue);
}

/* ---- endpoints at run time ----------------------------------------------------------------------- */

static void endpoints_are_set_and_given_back(void) {
  static const struct {
    const char *json, *says;
  } rows[] = {{"{", ""},
              {"[5]", "endpoints"},
              {"[\"ftp://127.0.0.1:1\"]", "[0]: must begin with"},
              {"[\"http://127.0.0.1:1\", \"nothing\"]", "[1]: must be a URL"},
              {"[{\"url\": \"http://127.0.0.1:1\", \"weight\": 0}]", "weight"},
              {"[{\"url\": \"http://127.0.0.1:1\", \"colour\": 1}]", "colour"}};
  scene s;
  size_t i;
  char list[128];
  cardea_config* next;
  cardea_error* error = NULL;
  cluster_open(&s, "'http://127.0.0.1:1'", "");
  SAME(request_status(&s), 503);
  sprintf(list, "[{\"url\": \"%s\", \"weight\": 7}]", origin_url());
  SAME(cardea_proxy_set_endpoints(s.proxy, "web", CARDEA_NTS, list, CARDEA_NTS, &error), CARDEA_OK);
  CHECK(!error);
  pump_idle(s.worker);
  SAME(request_status(&s), 200);
  SAYS(clusters(&s), "\"weight\":7");
  for (i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
    SAME(cardea_proxy_set_endpoints(s.proxy, "web", CARDEA_NTS, rows[i].json, CARDEA_NTS, &error), CARDEA_EINVAL);
    SAYS(cardea_error_message(error), rows[i].says);
    cardea_error_free(error);
    SAME(cardea_proxy_set_endpoints(s.proxy, "web", CARDEA_NTS, rows[i].json, CARDEA_NTS, NULL), CARDEA_EINVAL);
  }
  SAME(cardea_proxy_set_endpoints(s.proxy, "nobody", CARDEA_NTS, list, CARDEA_NTS, &error), CARDEA_ENOTFOUND);
  SAYS(cardea_error_message(error), "nobody");
  cardea_error_free(error);
  SAME(cardea_proxy_set_endpoints(NULL, "web", CARDEA_NTS, list, CARDEA_NTS, NULL), CARDEA_EINVAL);
  SAME(cardea_proxy_set_endpoints(s.proxy, NULL, 0, list, CARDEA_NTS, NULL), CARDEA_EINVAL);
  pump_idle(s.worker);
  SAME(request_status(&s), 200);
  next = cluster_config("'http://127.0.0.1:2'", "connect_timeout: 3s"); /* a cluster of its own, with the same name */
  SAME(cardea_proxy_apply(s.proxy, next, NULL), CARDEA_OK);
  cardea_config_unref(next);
  pump_idle(s.worker);
  SAME(request_status(&s), 200);
  SAME(cardea_proxy_set_endpoints(s.proxy, "web", 3, NULL, 0, NULL), CARDEA_OK);
  pump_idle(s.worker);
  SAME(request_status(&s), 503);
  SAYS(clusters(&s), "127.0.0.1:2");
  scene_close(&s);
}

static void clusters_are_listed(void) {
  scene s;
  told t;
  cluster_open(&s, origin_list(), "load_balancing_policy: maglev");
  SAYS(clusters(&s), "{\"clusters\":[{\"name\":\"web\",\"algorithm\":\"maglev\",\"connections\":0,");
  SAYS(clusters(&s), "\"health\":\"healthy\""); /* without checks */
  SAME(cardea_proxy_clusters(NULL, take_text, &t), CARDEA_EINVAL);
  SAME(cardea_proxy_clusters(s.proxy, NULL, &t), CARDEA_EINVAL);
  scene_close(&s);
}

const test_case cluster_cases[] = {{"the_host_picks", the_host_picks},
                                   {"custom_checks_answered_at_once", custom_checks_answered_at_once},
                                   {"custom_checks_answered_later", custom_checks_answered_later},
                                   {"traffic_ejects", traffic_ejects},
                                   {"older_handlers", older_handlers},
                                   {"through_the_queue", through_the_queue},
                                   {"endpoints_are_set_and_given_back", endpoints_are_set_and_given_back},
                                   {"clusters_are_listed", clusters_are_listed},
                                   {NULL, NULL}};
