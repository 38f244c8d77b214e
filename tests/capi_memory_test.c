/* One life of a host, as often as it allocates: each time another allocation of the library fails, once or from then on
 * for good. Once: every call ends in success or an error code, what was made can be closed and released, nothing is
 * lost. For good: nothing crashes or hangs. C89.
 *
 *   capi_memory_test          all of them, each in a process of its own
 *   capi_memory_test N [1]    the N-th only, in this process; 1: and all after it
 */
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capi_tests.h"

void memory_fail(long n, int good);
long memory_asked(void);
long memory_living(void);

typedef struct life {
  cardea_config *config, *next;
  cardea_listener* listener;
  cardea_route* route;
  cardea_cluster* cluster;
  cardea_policy* policy;
  cardea_proxy* proxy;
  cardea_worker* worker;
  cardea_queue* queue;
  seen seen;
  int texts;
} life;

/* Whether a call succeeded; the one other answer that it may give is that there is no memory. */
static int fine(int code, const char* what) {
  if (code >= 0) return 1;
  if (code != CARDEA_ENOMEM) printf("%s: %s\n", what, cardea_errname(code));
  CHECK(code == CARDEA_ENOMEM);
  return 0;
}
#define TRY(call) \
  if (!fine(call, #call)) return 0

static void told(void* ud, const char* text, size_t n) {
  ++((life*)ud)->texts;
  CHECK(text && n > 0);
}

static int build(life* l) {
  cardea_handlers handlers;
  char text[512];
  TRY(cardea_config_new(&l->config));
  TRY(cardea_listener_new("127.0.0.1:0", CARDEA_NTS, &l->listener));
  TRY(cardea_cluster_new(&l->cluster));
  TRY(cardea_cluster_add_endpoint(l->cluster, origin_url(), CARDEA_NTS, 1));
  TRY(cardea_policy_host("a team with a name that is too long to be short", CARDEA_NTS, &l->policy));
  TRY(cardea_route_new("http://app.test", CARDEA_NTS, &l->route));
  TRY(cardea_route_set_str(l->route, CARDEA_OPT_ROUTE_SET_REQUEST_HEADERS, "x-set: yes", CARDEA_NTS));
  TRY(cardea_route_set_policy(l->route, l->policy));
  TRY(cardea_route_set_cluster(l->route, l->cluster));
  TRY(cardea_config_add_listener(l->config, l->listener));
  TRY(cardea_config_add_route(l->config, l->route));
  TRY(cardea_config_seal(l->config, NULL));
  sprintf(text,
          "address: '127.0.0.1:0'\ninsecure_server: true\ntimeout_idle: 5m\nroutes:\n- {from: 'http://app.test', to: "
          "'%s',\n"
          "   policy: [{allow: {or: [{host: {team: a}}]}}]}\n- {from: 'http://two.test', prefix: /a, response: "
          "{status: 204}}\n",
          origin_url());
  TRY(cardea_config_load(text, CARDEA_NTS, "file", &l->next, NULL));
  TRY(cardea_config_seal(l->next, NULL));
  seen_fill(&handlers);
  handlers.on_request_end = NULL; /* it would insist on strings for which there is no memory */
  TRY(cardea_proxy_new(l->config, &handlers, &l->seen, seen_free, &l->proxy, NULL));
  TRY(cardea_queue_new(4, &l->queue));
  TRY(cardea_proxy_set_queue(l->proxy, l->queue, 1u << CARDEA_EVENT_DRAINED));
  TRY(cardea_worker_new(l->proxy, &l->worker, NULL));
  return 1;
}

/* One wait and what follows; false when the worker said that it has no memory. */
static int turn(life* l, client* c) {
  struct pollfd fds[2];
  int code, timeout = cardea_worker_timeout(l->worker);
  fds[0].fd = cardea_worker_fd(l->worker);
  fds[1].fd = c && !c->eof ? c->fd : -1;
  fds[0].events = fds[1].events = POLLIN;
  poll(fds, 2, timeout < 0 || timeout > 20 ? 20 : timeout);
  do code = cardea_worker_step(l->worker);
  while (code > 0);
  if (c) client_read(c);
  return fine(code, "step");
}

static int request(life* l) {
  client c;
  int turns = 0, good = 1;
  client_open(&c, cardea_worker_bound_port(l->worker, 0));
  client_get(&c, "/a/path?with=a-query", 1);
  while (good && !c.eof && ++turns < 20) good = turn(l, &c);
  client_close(&c);
  return good;
}

static int use(life* l) {
  size_t cursor = 0, count = 0;
  cardea_str name, kind, help;
  uint64_t value;
  cardea_event event;
  TRY(cardea_proxy_metric_next(l->proxy, &cursor, &name, &kind, &help, &value));
  if (!request(l)) return 0;
  TRY(cardea_proxy_apply(l->proxy, l->next, NULL));
  if (!request(l)) return 0;
  TRY(cardea_proxy_metrics(l->proxy, told, l));
  TRY(cardea_proxy_clusters(l->proxy, told, l));
  TRY(cardea_proxy_reauthorize(l->proxy, "{\"user\": \"ali\"}", CARDEA_NTS, NULL));
  TRY(cardea_proxy_drain(l->proxy, 0, NULL, NULL));
  if (!turn(l, NULL)) return 0;
  TRY(cardea_queue_poll(l->queue, &event, 1, sizeof event, &count));
  return 1;
}

static void end(life* l) {
  int turns = 0;
  if (l->worker) {
    SAME(cardea_worker_close(l->worker, seen_done, &l->seen), CARDEA_OK);
    while (l->seen.done == 0 && ++turns < 200) turn(l, NULL);
    SAME(l->seen.done, 1);
    cardea_worker_free(l->worker);
  }
  cardea_config_unref(l->config);
  cardea_config_unref(l->next);
  cardea_listener_unref(l->listener);
  cardea_route_unref(l->route);
  cardea_cluster_unref(l->cluster);
  cardea_policy_unref(l->policy);
  cardea_proxy_unref(l->proxy);
  cardea_queue_unref(l->queue);
  SAME(l->seen.freed, l->proxy ? 1 : 0);
  SAME(l->seen.opened, l->seen.closed);
}

/* How many allocations it took; 0: one of them failed, and a call said so. */
static long live(long n, int for_good) {
  life l;
  long asked;
  int good;
  memset(&l, 0, sizeof l);
  seen_init(&l.seen);
  memory_fail(n, for_good);
  good = build(&l) && use(&l);
  asked = memory_asked();
  memory_fail(0, 0);
  end(&l);
  return good ? asked : 0;
}

/* What the first life leaves is kept for the next (a thread's scratch, a table); more than that is lost. */
static int one(long n, int for_good, long kept) {
  const long before = memory_living();
  const int faults = failed_checks();
  live(n, for_good);
  if (memory_living() - before > kept) printf("%ld blocks are lost\n", memory_living() - before - kept);
  CHECK(memory_living() - before <= kept);
  return failed_checks() != faults;
}

static void sweep(long count, int for_good, long kept) {
  long n;
  for (n = 1; n <= count; ++n) {
    int status = -1;
    pid_t child;
    fflush(stdout);
    child = fork();
    if (child == 0) {
      alarm(10);                                    /* one that hangs is a fault too */
      status = one(n, for_good, kept) && !for_good; /* without any memory not all can be given back */
      fflush(stdout);
      _exit(status);
    }
    waitpid(child, &status, 0);
    if (status != 0) printf("allocation %ld%s: status %x\n", n, for_good ? " and all after it" : "", (unsigned)status);
    SAME(status, 0);
  }
}

int main(int argc, char** argv) {
  long count, kept, before;
  origin_start();
  if (argc > 1) {
    live(0, 0); /* as the sweep does: what is made once is made */
    one(atol(argv[1]), argc > 2, 50);
  } else {
    before = memory_living();
    count = live(0, 0);
    kept = memory_living() - before;
    CHECK(count > 500 && kept < 50);
    printf("%ld allocations; %ld are kept\n", count, kept);
    sweep(count, 0, kept);
    sweep(count, 1, kept);
  }
  origin_stop();
  printf("%d checks failed\n", failed_checks());
  return failed_checks() != 0;
}
