/* Who owns what: every order of attaching and releasing, NULL in every place, failures that give nothing. C89. */
#include "capi_tests.h"

typedef struct parts {
  cardea_config* config;
  cardea_listener* listener;
  cardea_tls* tls;
  cardea_route* route;
  cardea_policy* policy;
  cardea_cluster* cluster;
} parts;
#define PARTS 6

static void make_parts(parts* p) {
  SAME(cardea_config_new(&p->config), CARDEA_OK);
  SAME(cardea_listener_new("127.0.0.1:0", CARDEA_NTS, &p->listener), CARDEA_OK);
  SAME(cardea_tls_new(&p->tls), CARDEA_OK);
  SAME(cardea_tls_add_cert(p->tls, CERTIFICATE, CARDEA_NTS, PRIVATE_KEY, CARDEA_NTS, NULL), CARDEA_OK);
  SAME(cardea_route_new("https://app.test", CARDEA_NTS, &p->route), CARDEA_OK);
  SAME(cardea_policy_public(&p->policy), CARDEA_OK);
  SAME(cardea_cluster_new(&p->cluster), CARDEA_OK);
  SAME(cardea_cluster_add_endpoint(p->cluster, "http://127.0.0.1:1", CARDEA_NTS, 1), CARDEA_OK);
}

static void attach(const parts* p, int step) {
  switch (step) {
    case 0:
      SAME(cardea_listener_set_tls(p->listener, p->tls), CARDEA_OK);
      break;
    case 1:
      SAME(cardea_route_set_policy(p->route, p->policy), CARDEA_OK);
      break;
    case 2:
      SAME(cardea_route_set_cluster(p->route, p->cluster), CARDEA_OK);
      break;
    case 3:
      SAME(cardea_config_add_listener(p->config, p->listener), CARDEA_OK);
      break;
    case 4:
      SAME(cardea_config_add_route(p->config, p->route), CARDEA_OK);
      break;
  }
}

static void release(parts* p, int which) {
  switch (which) {
    case 0:
      cardea_config_unref(p->config);
      break;
    case 1:
      cardea_listener_unref(p->listener);
      break;
    case 2:
      cardea_tls_unref(p->tls);
      break;
    case 3:
      cardea_route_unref(p->route);
      break;
    case 4:
      cardea_policy_unref(p->policy);
      break;
    case 5:
      cardea_cluster_unref(p->cluster);
      break;
  }
}

/* The n-th order of `count` things (factorial number system). */
static void order_of(int n, int count, int* order) {
  int left[PARTS], i, j, pick;
  for (i = 0; i < count; ++i) left[i] = i;
  for (i = 0; i < count; ++i) {
    pick = n % (count - i);
    n /= count - i;
    order[i] = left[pick];
    for (j = pick; j + 1 < count - i; ++j) left[j] = left[j + 1];
  }
}

/* 720 orders of release, each after one of 120 orders of attaching. */
static void every_order(void) {
  int n, i, order[PARTS];
  for (n = 0; n < 720; ++n) {
    parts p;
    make_parts(&p);
    order_of(n % 120, 5, order);
    for (i = 0; i < 5; ++i) attach(&p, order[i]);
    if (n % 60 == 0) must_seal(p.config);
    order_of(n, PARTS, order);
    for (i = 0; i < PARTS; ++i) release(&p, order[i]);
  }
}

/* The host may let go of each part at once: whoever it was attached to has a reference of its own. */
static void released_before_use(void) {
  parts p;
  int i;
  make_parts(&p);
  for (i = 0; i < 3; ++i) attach(&p, i);
  release(&p, 2);
  release(&p, 4);
  release(&p, 5);
  attach(&p, 3);
  attach(&p, 4);
  release(&p, 1);
  release(&p, 3);
  must_seal(p.config);
  release(&p, 0);
}

static void attached_twice(void) {
  parts p;
  cardea_error* error = NULL;
  int i;
  make_parts(&p);
  for (i = 0; i < 3; ++i) attach(&p, i);
  for (i = 0; i < 5; ++i) attach(&p, i);
  attach(&p, 3);
  must_seal(p.config); /* two listeners on port 0 are two */
  for (i = 0; i < PARTS; ++i) release(&p, i);

  make_parts(&p);
  SAME(cardea_listener_set_str(p.listener, CARDEA_OPT_LISTENER_ADDRESS, "127.0.0.1:8443", CARDEA_NTS), CARDEA_OK);
  for (i = 0; i < 5; ++i) attach(&p, i);
  attach(&p, 3);
  attach(&p, 4);
  SAME(cardea_config_seal(p.config, &error), CARDEA_ECONFIG);
  SAYS(cardea_error_message(error), "address of another listener");
  SAYS(cardea_error_message(error), "route[1]: matches the same requests as route 0");
  cardea_error_free(error);
  for (i = 0; i < PARTS; ++i) release(&p, i);
}

static void replaced_parts(void) {
  parts p;
  cardea_cluster* second = NULL;
  int i;
  make_parts(&p);
  SAME(cardea_cluster_new(&second), CARDEA_OK);
  SAME(cardea_cluster_add_endpoint(second, "http://127.0.0.1:2", CARDEA_NTS, 1), CARDEA_OK);
  for (i = 0; i < 5; ++i) attach(&p, i);
  SAME(cardea_route_set_cluster(p.route, second), CARDEA_OK);
  cardea_cluster_unref(second);
  must_seal(p.config);
  SAME(cardea_cluster_set_int(p.cluster, CARDEA_OPT_CLUSTER_TLS_SKIP_VERIFY, 1),
       CARDEA_OK); /* no part of it any more */
  for (i = 0; i < PARTS; ++i) release(&p, i);
}

/* Out-pointers that a failed call has to empty. */
static void failures_give_nothing(void) {
  union {
    void* p;
    cardea_config* config;
    cardea_listener* listener;
    cardea_route* route;
    cardea_policy* policy;
    cardea_proxy* proxy;
    cardea_worker* worker;
    cardea_error* error;
  } out;
  cardea_error* error;
  cardea_str s;
  int filler = 0;
#define EMPTIES(call, code)                                     \
  do {                                                          \
    out.p = &filler;                                            \
    error = (cardea_error*)&out;                                \
    SAME(call, code);                                           \
    CHECK(!out.p);                                              \
    if (error != (cardea_error*)&out) cardea_error_free(error); \
  } while (0)
  EMPTIES(cardea_listener_new(NULL, 0, &out.listener), CARDEA_EINVAL);
  EMPTIES(cardea_listener_new("a\0b", 3, &out.listener), CARDEA_EINVAL);
  EMPTIES(cardea_route_new(NULL, 0, &out.route), CARDEA_EINVAL);
  EMPTIES(cardea_policy_parse(NULL, 0, &out.policy, &error), CARDEA_EINVAL);
  EMPTIES(cardea_policy_parse("[", 1, &out.policy, &error), CARDEA_ECONFIG);
  EMPTIES(cardea_config_load(NULL, 0, NULL, &out.config, &error), CARDEA_EINVAL);
  EMPTIES(cardea_config_load("-", 1, NULL, &out.config, &error), CARDEA_ECONFIG);
  EMPTIES(cardea_proxy_new(NULL, NULL, NULL, NULL, &out.proxy, &error), CARDEA_EINVAL);
  EMPTIES(cardea_worker_new(NULL, &out.worker, &error), CARDEA_EINVAL);
  EMPTIES(cardea_worker_new_uv(NULL, NULL, 0, &out.worker, &error), CARDEA_EINVAL);
  EMPTIES(cardea_worker_start_thread(NULL, &out.worker, &error), CARDEA_EINVAL);
  EMPTIES(cardea_config_seal(NULL, &out.error), CARDEA_EINVAL);
  EMPTIES(cardea_proxy_apply(NULL, NULL, &out.error), CARDEA_EINVAL);
  EMPTIES(cardea_tls_add_cert(NULL, NULL, 0, NULL, 0, &out.error), CARDEA_EINVAL);
#undef EMPTIES
#define EMPTIES(call)          \
  do {                         \
    s.ptr = (char*)&filler;    \
    s.len = 7;                 \
    SAME(call, CARDEA_EINVAL); \
    CHECK(!s.ptr && !s.len);   \
  } while (0)
  EMPTIES(cardea_config_get_str(NULL, CARDEA_OPT_GLOBAL_ACCESS_LOG_PATH, &s));
  EMPTIES(cardea_config_file(NULL, 0, &s));
  EMPTIES(cardea_config_listener_scheme(NULL, 0, &s));
  EMPTIES(cardea_request_get_str(NULL, CARDEA_STR_PATH, &s));
  EMPTIES(cardea_request_header(NULL, "a", 1, &s));
  EMPTIES(cardea_conn_get_str(NULL, CARDEA_STR_PEER, &s));
  EMPTIES(cardea_worker_bound_address(NULL, 0, &s));
  EMPTIES(cardea_queue_str(NULL, 1, CARDEA_STR_PATH, &s));
#undef EMPTIES
}

static void null_is_no_object(void) {
  parts p;
  int64_t n;
  uint64_t generation;
  size_t count = 0;
  cardea_str s;
  cardea_queue* q = NULL;
  cardea_event events[1];
  int i;
  cardea_config_unref(NULL);
  cardea_listener_unref(NULL);
  cardea_tls_unref(NULL);
  cardea_route_unref(NULL);
  cardea_policy_unref(NULL);
  cardea_cluster_unref(NULL);
  cardea_proxy_unref(NULL);
  cardea_worker_free(NULL);
  cardea_queue_unref(NULL);
  cardea_error_free(NULL);
  make_parts(&p);
  SAME(cardea_config_new(NULL), CARDEA_EINVAL);
  SAME(cardea_listener_new("x", 1, NULL), CARDEA_EINVAL);
  SAME(cardea_tls_new(NULL), CARDEA_EINVAL);
  SAME(cardea_route_new("x", 1, NULL), CARDEA_EINVAL);
  SAME(cardea_policy_public(NULL), CARDEA_EINVAL);
  SAME(cardea_policy_host("x", 1, NULL), CARDEA_EINVAL);
  SAME(cardea_policy_parse("x", 1, NULL, NULL), CARDEA_EINVAL);
  SAME(cardea_cluster_new(NULL), CARDEA_EINVAL);
  SAME(cardea_config_load("x", 1, NULL, NULL, NULL), CARDEA_EINVAL);
  SAME(cardea_proxy_new(p.config, NULL, NULL, NULL, NULL, NULL), CARDEA_EINVAL);
  SAME(cardea_config_set_int(NULL, CARDEA_OPT_GLOBAL_WORKERS, 1), CARDEA_EINVAL);
  SAME(cardea_config_set_str(NULL, CARDEA_OPT_GLOBAL_ACCESS_LOG_PATH, "x", 1), CARDEA_EINVAL);
  SAME(cardea_config_set_str(p.config, CARDEA_OPT_GLOBAL_ACCESS_LOG_PATH, NULL, 0), CARDEA_EINVAL);
  SAME(cardea_config_add_listener(p.config, NULL), CARDEA_EINVAL);
  SAME(cardea_config_add_listener(NULL, p.listener), CARDEA_EINVAL);
  SAME(cardea_config_add_route(p.config, NULL), CARDEA_EINVAL);
  SAME(cardea_config_add_route(NULL, p.route), CARDEA_EINVAL);
  SAME(cardea_config_get_int(NULL, CARDEA_OPT_GLOBAL_WORKERS, &n), CARDEA_EINVAL);
  SAME(cardea_config_get_int(p.config, CARDEA_OPT_GLOBAL_WORKERS, NULL), CARDEA_EINVAL);
  SAME(cardea_config_get_str(p.config, CARDEA_OPT_GLOBAL_ACCESS_LOG_PATH, NULL), CARDEA_EINVAL);
  SAME(cardea_config_file(p.config, 0, NULL), CARDEA_EINVAL);
  SAME(cardea_listener_set_int(NULL, CARDEA_OPT_LISTENER_UNIX_MODE, 1), CARDEA_EINVAL);
  SAME(cardea_listener_set_str(p.listener, CARDEA_OPT_LISTENER_ADDRESS, NULL, 0), CARDEA_EINVAL);
  SAME(cardea_listener_set_tls(p.listener, NULL), CARDEA_EINVAL);
  SAME(cardea_listener_set_tls(NULL, p.tls), CARDEA_EINVAL);
  SAME(cardea_tls_add_cert(p.tls, NULL, 0, PRIVATE_KEY, CARDEA_NTS, NULL), CARDEA_EINVAL);
  SAME(cardea_tls_add_cert(p.tls, CERTIFICATE, CARDEA_NTS, NULL, 0, NULL), CARDEA_EINVAL);
  SAME(cardea_tls_add_cert_file(p.tls, NULL, "x", NULL), CARDEA_EINVAL);
  SAME(cardea_tls_add_cert_file(p.tls, "x", NULL, NULL), CARDEA_EINVAL);
  SAME(cardea_tls_add_cert_file(NULL, "x", "x", NULL), CARDEA_EINVAL);
  SAME(cardea_route_set_int(NULL, CARDEA_OPT_ROUTE_TIMEOUT, 1), CARDEA_EINVAL);
  SAME(cardea_route_set_str(NULL, CARDEA_OPT_ROUTE_NAME, "x", 1), CARDEA_EINVAL);
  SAME(cardea_route_set_policy(p.route, NULL), CARDEA_EINVAL);
  SAME(cardea_route_set_policy(NULL, p.policy), CARDEA_EINVAL);
  SAME(cardea_route_set_cluster(p.route, NULL), CARDEA_EINVAL);
  SAME(cardea_route_set_cluster(NULL, p.cluster), CARDEA_EINVAL);
  SAME(cardea_cluster_set_int(NULL, CARDEA_OPT_CLUSTER_TLS_SKIP_VERIFY, 1), CARDEA_EINVAL);
  SAME(cardea_cluster_set_str(NULL, CARDEA_OPT_CLUSTER_TO, "x", 1), CARDEA_EINVAL);
  SAME(cardea_cluster_add_endpoint(NULL, "http://a", 8, 1), CARDEA_EINVAL);
  SAME(cardea_cluster_add_endpoint(p.cluster, NULL, 0, 1), CARDEA_EINVAL);
  SAME(cardea_cluster_add_endpoint(p.cluster, "http://a", 8, 0), CARDEA_EINVAL);
  SAME(cardea_authorize_complete(0, CARDEA_ALLOW, NULL, 0), CARDEA_ESTALE);
  SAME(cardea_authorize_complete(~(cardea_token)0, CARDEA_DENY, NULL, 0), CARDEA_ESTALE);
  SAME(cardea_authorize_complete(0, CARDEA_PENDING, NULL, 0), CARDEA_EINVAL);
  SAME(cardea_authorize_complete(0, 7, NULL, 0), CARDEA_EINVAL);
  SAME(cardea_request_get_int(NULL, CARDEA_INT_STATUS, &n), CARDEA_EINVAL);
  SAME(cardea_request_headers(NULL, NULL, NULL, 0, &count), CARDEA_EINVAL);
  CHECK(!cardea_request_conn(NULL) && !cardea_request_data(NULL) && !cardea_conn_data(NULL));
  SAME(cardea_request_set_data(NULL, NULL), CARDEA_EINVAL);
  SAME(cardea_conn_set_data(NULL, NULL), CARDEA_EINVAL);
  SAME(cardea_conn_get_int(NULL, CARDEA_INT_CONN_ID, &n), CARDEA_EINVAL);
  SAME(cardea_proxy_apply(NULL, p.config, NULL), CARDEA_EINVAL);
  SAME(cardea_proxy_generation(NULL, &generation), CARDEA_EINVAL);
  SAME(cardea_proxy_drain(NULL, 0, NULL, NULL), CARDEA_EINVAL);
  SAME(cardea_proxy_metric_next(NULL, &count, &s, &s, &s, &generation), CARDEA_EINVAL);
  SAME(cardea_proxy_metrics(NULL, NULL, NULL), CARDEA_EINVAL);
  SAME(cardea_proxy_set_queue(NULL, NULL, 0), CARDEA_EINVAL);
  SAME(cardea_worker_fd(NULL), CARDEA_EINVAL);
  SAME(cardea_worker_timeout(NULL), -1);
  SAME(cardea_worker_step(NULL), CARDEA_EINVAL);
  SAME(cardea_worker_run(NULL), CARDEA_EINVAL);
  SAME(cardea_worker_wakeup(NULL), CARDEA_EINVAL);
  SAME(cardea_worker_adopt_fd(NULL, 0, -1, NULL, 0), CARDEA_EINVAL);
  SAME(cardea_worker_bound_port(NULL, 0), CARDEA_EINVAL);
  SAME(cardea_worker_close(NULL, NULL, NULL), CARDEA_EINVAL);
  SAME(cardea_worker_join(NULL, 0), CARDEA_EINVAL);
  SAME(cardea_queue_new(1, NULL), CARDEA_EINVAL);
  SAME(cardea_queue_fd(NULL), CARDEA_EINVAL);
  SAME(cardea_queue_poll(NULL, events, 1, sizeof events[0], &count), CARDEA_EINVAL);
  SAME(cardea_queue_new(1, &q), CARDEA_OK);
  SAME(cardea_queue_poll(q, NULL, 1, sizeof events[0], &count), CARDEA_EINVAL);
  SAME(cardea_queue_poll(q, events, 1, sizeof events[0], NULL), CARDEA_EINVAL);
  SAME(cardea_queue_poll(q, events, 1, 8, &count), CARDEA_EINVAL);
  SAME(cardea_queue_poll(q, events, 1, sizeof events[0], &count), CARDEA_OK);
  SAME(count, 0);
  cardea_queue_unref(q);
  cardea_set_log(NULL, NULL, CARDEA_LOG_DEBUG);
  for (i = 0; i < PARTS; ++i) release(&p, i);
}

/* ud_free: once, when the proxy and whoever uses it are gone; not when the proxy was never made. */
static void user_data_is_freed_once(void) {
  cardea_config *config = sealed_of(PUBLIC), *draft = draft_of(PUBLIC);
  cardea_proxy* proxy = NULL;
  cardea_handlers handlers;
  seen s;
  seen_init(&s);
  memset(&handlers, 0, sizeof handlers);
  handlers.struct_size = 1; /* no header ever had this */
  SAME(cardea_proxy_new(config, &handlers, &s, seen_free, &proxy, NULL), CARDEA_EINVAL);
  SAME(cardea_proxy_new(draft, NULL, &s, seen_free, &proxy, NULL), CARDEA_EINVAL);
  SAME(s.freed, 0);
  handlers.struct_size = sizeof handlers + 64; /* a newer header: what this library does not know is not read */
  SAME(cardea_proxy_new(config, &handlers, &s, seen_free, &proxy, NULL), CARDEA_OK);
  SAME(cardea_proxy_drain(proxy, 0, seen_done, &s), CARDEA_OK);
  SAME(s.done, 1); /* no worker: at once */
  SAME(s.freed, 0);
  cardea_proxy_unref(proxy);
  SAME(s.freed, 1);
  cardea_config_unref(draft);
  cardea_config_unref(config);
}

const test_case ownership_cases[] = {{"every_order", every_order},
                                     {"released_before_use", released_before_use},
                                     {"attached_twice", attached_twice},
                                     {"replaced_parts", replaced_parts},
                                     {"failures_give_nothing", failures_give_nothing},
                                     {"null_is_no_object", null_is_no_object},
                                     {"user_data_is_freed_once", user_data_is_freed_once},
                                     {NULL, NULL}};
