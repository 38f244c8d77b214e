/* A host as it was built when previous/cardea.h was new: it is compiled against that header and run against today's
 * library. Every kind of object, a request over real sockets, each hook that there was, a drain, a close. C89. Exit 0:
 * all of it still works. */
#include "cardea.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECK(x) check((x) != 0, #x, __LINE__)
#define SAME(a, b) check((a) == (b), #a " == " #b, __LINE__)
static int faults;

static void check(int ok, const char *what, int line) {
  if (ok) return;
  ++faults;
  fprintf(stderr, "%s:%d: %s\n", __FILE__, line, what);
}

/* ---- a service on a thread of its own: one answer for each connection ---------------------------- */

static int listening(int *port) {
  struct sockaddr_in at;
  socklen_t size = sizeof at;
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  memset(&at, 0, sizeof at);
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 8) == 0);
  CHECK(getsockname(fd, (struct sockaddr *)&at, &size) == 0);
  *port = ntohs(at.sin_port);
  return fd;
}

static void *serve(void *arg) {
  static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n";
  char head[8192];
  int fd;
  while ((fd = accept(*(int *)arg, NULL, NULL)) >= 0) {
    size_t size = 0;
    ssize_t n = 1;
    head[0] = 0;
    while (n > 0 && size + 1 < sizeof head && !strstr(head, "\r\n\r\n")) {
      n = recv(fd, head + size, sizeof head - 1 - size, 0);
      if (n > 0) size += (size_t)n;
      head[size] = 0;
    }
    if (n > 0) send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
    close(fd);
  }
  return NULL;
}

/* ---- the hooks of this header --------------------------------------------------------------------- */

typedef struct seen {
  int authorized, ended, opened, closed, picked, done, freed, texts;
  cardea_token late; /* answered later when it is not 0 */
  int decide_later;
} seen;

static int is(cardea_str s, const char *text) { return s.len == strlen(text) && memcmp(s.ptr, text, s.len) == 0; }

static int on_authorize(void *ud, cardea_request *r, cardea_token t) {
  seen *s = (seen *)ud;
  cardea_str text, names[32], values[32];
  size_t count = 0;
  int64_t number = -1;
  ++s->authorized;
  CHECK(cardea_request_get_str(r, CARDEA_STR_METHOD, &text) == CARDEA_OK && is(text, "GET"));
  CHECK(cardea_request_get_str(r, CARDEA_STR_HOST, &text) == CARDEA_OK && is(text, "app.test"));
  CHECK(cardea_request_get_str(r, CARDEA_STR_POLICY_DATA, &text) == CARDEA_OK && is(text, "\"staff\""));
  CHECK(cardea_request_header(r, "x-mine", CARDEA_NTS, &text) == CARDEA_OK && is(text, "yes"));
  SAME(cardea_request_header(r, "x-not-there", CARDEA_NTS, &text), CARDEA_ENOTFOUND);
  CHECK(cardea_request_headers(r, names, values, 32, &count) == CARDEA_OK && count >= 1);
  CHECK(cardea_request_get_int(r, CARDEA_INT_CONN_ID, &number) == CARDEA_OK && number > 0);
  SAME(cardea_request_set_data(r, s), CARDEA_OK);
  CHECK(cardea_conn_data(cardea_request_conn(r)) == (void *)s);
  if (!s->decide_later) return CARDEA_ALLOW;
  s->late = t;
  return CARDEA_PENDING;
}

static void on_request_end(void *ud, cardea_request *r) {
  seen *s = (seen *)ud;
  cardea_str text;
  int64_t status = 0;
  ++s->ended;
  CHECK(cardea_request_get_int(r, CARDEA_INT_STATUS, &status) == CARDEA_OK && status == 200);
  CHECK(cardea_request_get_str(r, CARDEA_STR_CAUSE, &text) == CARDEA_OK && is(text, "ok"));
  CHECK(cardea_request_get_str(r, CARDEA_STR_IDENTITY, &text) == CARDEA_OK);
  CHECK(is(text, s->decide_later ? "ali" : ""));
  CHECK(cardea_request_get_str(r, CARDEA_STR_ACCESS_RECORD, &text) == CARDEA_OK && text.ptr[0] == '{');
  CHECK(cardea_request_data(r) == (void *)s);
}

static void on_conn_open(void *ud, cardea_conn *c) {
  ++((seen *)ud)->opened;
  SAME(cardea_conn_set_data(c, ud), CARDEA_OK);
}
static void on_conn_close(void *ud, cardea_conn *c) {
  ++((seen *)ud)->closed;
  CHECK(cardea_conn_data(c) == ud);
}

static int on_pick(void *ud, cardea_request *r, const cardea_str *endpoints, const uint32_t *weights, const uint32_t *active,
                   size_t count) {
  ++((seen *)ud)->picked;
  CHECK(r && count == 1 && endpoints[0].len > 0 && weights[0] == 3 && active[0] == 0);
  return 0;
}

static void on_done(void *ud, int status) {
  ++((seen *)ud)->done;
  SAME(status, CARDEA_OK);
}
static void on_free(void *ud) { ++((seen *)ud)->freed; }
static void on_text(void *ud, const char *text, size_t n) {
  ++((seen *)ud)->texts;
  CHECK(n > 0 && text);
}

/* ---- the host ------------------------------------------------------------------------------------- */

static cardea_config *configuration(const char *service) {
  cardea_config *config = NULL;
  cardea_listener *listener = NULL;
  cardea_tls *tls = NULL;
  cardea_route *route = NULL;
  cardea_policy *policy = NULL;
  cardea_cluster *cluster = NULL;
  cardea_error *error = NULL;
  int64_t def = 0, min = 0, max = 0, value = 0;
  const int option = cardea_option_by_name(CARDEA_OWNER_ROUTE, "timeout", CARDEA_NTS);
  SAME(option, CARDEA_OPT_ROUTE_TIMEOUT);
  SAME(cardea_option_type(option), CARDEA_TYPE_DURATION);
  CHECK(cardea_option_range(option, &def, &min, &max) == CARDEA_OK && min <= max);
  SAME(cardea_config_new(&config), CARDEA_OK);
  SAME(cardea_config_set_int(config, CARDEA_OPT_GLOBAL_WORKERS, 1), CARDEA_OK);
  SAME(cardea_listener_new("127.0.0.1:0", CARDEA_NTS, &listener), CARDEA_OK);
  SAME(cardea_tls_new(&tls), CARDEA_OK);
  SAME(cardea_tls_add_cert(tls, "none", CARDEA_NTS, "none", CARDEA_NTS, &error), CARDEA_ETLS);
  CHECK(cardea_error_code(error) == CARDEA_ETLS && cardea_error_message(error)[0]);
  cardea_error_free(error);
  SAME(cardea_route_new("http://app.test", CARDEA_NTS, &route), CARDEA_OK);
  SAME(cardea_route_set_str(route, option, "20s", CARDEA_NTS), CARDEA_OK);
  SAME(cardea_policy_parse("[", CARDEA_NTS, &policy, &error), CARDEA_ECONFIG);
  CHECK(!policy);
  cardea_error_free(error);
  SAME(cardea_policy_host("staff", CARDEA_NTS, &policy), CARDEA_OK);
  SAME(cardea_cluster_new(&cluster), CARDEA_OK);
  SAME(cardea_cluster_add_endpoint(cluster, service, CARDEA_NTS, 3), CARDEA_OK);
  SAME(cardea_cluster_set_str(cluster, CARDEA_OPT_CLUSTER_LOAD_BALANCING_POLICY, "host", CARDEA_NTS), CARDEA_OK);
  SAME(cardea_route_set_policy(route, policy), CARDEA_OK);
  SAME(cardea_route_set_cluster(route, cluster), CARDEA_OK);
  SAME(cardea_config_add_listener(config, listener), CARDEA_OK);
  SAME(cardea_config_add_route(config, route), CARDEA_OK);
  cardea_policy_unref(policy);
  cardea_cluster_unref(cluster);
  cardea_route_unref(route);
  cardea_tls_unref(tls);
  cardea_listener_unref(listener);
  SAME(cardea_config_get_int(config, CARDEA_OPT_GLOBAL_WORKERS, &value), CARDEA_EAGAIN);
  SAME(cardea_config_seal(config, &error), CARDEA_OK);
  SAME(cardea_config_set_int(config, CARDEA_OPT_GLOBAL_WORKERS, 2), CARDEA_ESEALED);
  CHECK(cardea_config_get_int(config, CARDEA_OPT_GLOBAL_WORKERS, &value) == CARDEA_OK && value == 1);
  return config;
}

static void turn(cardea_worker *w, int also) {
  struct pollfd fds[2];
  const int timeout = cardea_worker_timeout(w);
  fds[0].fd = cardea_worker_fd(w);
  fds[1].fd = also;
  fds[0].events = fds[1].events = POLLIN;
  poll(fds, 2, timeout < 0 || timeout > 1000 ? 1000 : timeout);
  while (cardea_worker_step(w) > 0) continue;
}

static void request(cardea_worker *w, seen *s) {
  static const char head[] = "GET /a HTTP/1.1\r\nHost: app.test\r\nX-Mine: yes\r\nConnection: close\r\n\r\n";
  struct sockaddr_in at;
  char text[4096];
  size_t size = 0;
  ssize_t n = -1;
  int turns = 0;
  const int fd = socket(AF_INET, SOCK_STREAM, 0), port = cardea_worker_bound_port(w, 0);
  memset(&at, 0, sizeof at);
  at.sin_family = AF_INET;
  at.sin_port = htons((unsigned short)port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(connect(fd, (struct sockaddr *)&at, sizeof at) == 0);
  CHECK(send(fd, head, sizeof head - 1, MSG_NOSIGNAL) == (ssize_t)sizeof head - 1);
  while (n != 0 && ++turns < 1000) {
    turn(w, fd);
    if (s->late) {
      SAME(cardea_authorize_complete(s->late, CARDEA_ALLOW, "ali", CARDEA_NTS), CARDEA_OK);
      SAME(cardea_authorize_complete(s->late, CARDEA_ALLOW, "ali", CARDEA_NTS), CARDEA_ESTALE);
      s->late = 0;
    }
    n = recv(fd, text + size, sizeof text - 1 - size, MSG_DONTWAIT);
    if (n > 0) size += (size_t)n;
  }
  text[size] = 0;
  CHECK(strncmp(text, "HTTP/1.1 200 ", 13) == 0 && strstr(text, "hello\n"));
  close(fd);
}

static void a_life(const char *service) {
  cardea_config *config = configuration(service), *next = configuration(service);
  cardea_proxy *proxy = NULL;
  cardea_worker *worker = NULL;
  cardea_queue *queue = NULL;
  cardea_handlers handlers;
  cardea_event events[4];
  cardea_str name, kind, help;
  uint64_t value = 0, first = 0, second = 0, drain = 0;
  size_t cursor = 0, count = 0;
  seen s;
  memset(&s, 0, sizeof s);
  memset(&handlers, 0, sizeof handlers);
  handlers.struct_size = sizeof handlers; /* of the old header */
  handlers.on_authorize = on_authorize;
  handlers.on_request_end = on_request_end;
  handlers.on_conn_open = on_conn_open;
  handlers.on_conn_close = on_conn_close;
  handlers.on_pick_endpoint = on_pick;
  SAME(cardea_proxy_new(config, &handlers, &s, on_free, &proxy, NULL), CARDEA_OK);
  SAME(cardea_queue_new(16, &queue), CARDEA_OK);
  SAME(cardea_proxy_set_queue(proxy, queue, 1u << CARDEA_EVENT_DRAINED), CARDEA_OK);
  SAME(cardea_worker_new(proxy, &worker, NULL), CARDEA_OK);
  request(worker, &s);
  SAME(cardea_proxy_generation(proxy, &first), CARDEA_OK);
  SAME(cardea_proxy_apply(proxy, next, NULL), CARDEA_OK);
  CHECK(cardea_proxy_generation(proxy, &second) == CARDEA_OK && second > first);
  s.decide_later = 1;
  request(worker, &s);
  CHECK(s.authorized == 2 && s.ended == 2 && s.picked == 2 && s.opened == 2);
  SAME(cardea_proxy_metric_next(proxy, &cursor, &name, &kind, &help, &value), 1);
  SAME(cardea_proxy_metrics(proxy, on_text, &s), CARDEA_OK);
  SAME(cardea_proxy_clusters(proxy, on_text, &s), CARDEA_OK);
  SAME(cardea_proxy_list(proxy, NULL, 0, on_text, &s, NULL), CARDEA_OK);
  SAME(cardea_proxy_drain_start(proxy, NULL, 0, 1000, 0, "host", on_done, &s, &drain, NULL), CARDEA_OK);
  while (s.done == 0) turn(worker, -1);
  SAME(s.texts, 3);
  CHECK(cardea_queue_poll(queue, events, 4, sizeof events[0], &count) == CARDEA_OK && count == 1);
  CHECK(events[0].type == CARDEA_EVENT_DRAINED && events[0].id == drain);
  SAME(cardea_worker_close(worker, on_done, &s), CARDEA_OK);
  while (s.done == 1) turn(worker, -1);
  SAME(s.closed, 2);
  cardea_worker_free(worker);
  SAME(s.freed, 0);
  cardea_proxy_unref(proxy);
  SAME(s.freed, 1);
  cardea_queue_unref(queue);
  cardea_config_unref(config);
  cardea_config_unref(next);
}

int main(void) {
  int port = 0, fd = listening(&port);
  char service[64];
  pthread_t thread;
  CHECK(cardea_version() >= CARDEA_VERSION_NUM);
  SAME(cardea_init(CARDEA_VERSION_NUM, 0, NULL), CARDEA_OK);
  CHECK((cardea_features() & (CARDEA_FEATURE_TLS | CARDEA_FEATURE_HTTP2 | CARDEA_FEATURE_DNS)) != 0);
  sprintf(service, "http://127.0.0.1:%d", port);
  CHECK(pthread_create(&thread, NULL, serve, &fd) == 0);
  a_life(service);
  shutdown(fd, SHUT_RDWR);
  pthread_join(thread, NULL);
  close(fd);
  printf("built for %06x, run by %06x: %d faults\n", CARDEA_VERSION_NUM, (unsigned)cardea_version(), faults);
  return faults != 0;
}
