/* The service, the clients and the host's loop of the C tests. */
#include "capi_peer.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MS 10000

static int failures;
static pthread_mutex_t failures_mutex = PTHREAD_MUTEX_INITIALIZER;

void check_that(int ok, const char* what, const char* file, int line) {
  if (ok) return;
  pthread_mutex_lock(&failures_mutex);
  ++failures;
  fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
  pthread_mutex_unlock(&failures_mutex);
}

void check_same(int64_t a, int64_t b, const char* what, const char* file, int line) {
  char text[512];
  snprintf(text, sizeof text, "%.400s (%ld and %ld)", what, (long)a, (long)b);
  check_that(a == b, text, file, line);
}

void check_says(const char* whole, const char* part, const char* file, int line) {
  char text[1024];
  snprintf(text, sizeof text, "'%.700s' says '%.200s'", whole ? whole : "(null)", part);
  check_that(whole && strstr(whole, part), text, file, line);
}

int failed_checks(void) {
  return failures;
}

void run_cases(const test_case* cases, const char* only) {
  for (; cases->name; ++cases) {
    const int before = failures;
    if (only && !strstr(cases->name, only)) continue;
    cases->run();
    printf("%s %s\n", failures == before ? "ok    " : "FAILED", cases->name);
    fflush(stdout);
  }
}

const char* text_of(cardea_str s) {
  static char texts[8][8192];
  static int next;
  char* text = texts[next++ % 8];
  const size_t n = s.len < sizeof texts[0] ? s.len : sizeof texts[0] - 1;
  if (n) memcpy(text, s.ptr, n);
  text[n] = 0;
  return text;
}

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- the service -------------------------------------------------------------------------------- */

#define MAX_PEERS 128

static struct {
  int fd, stop[2], requests, connections;
  char url[64];
  pthread_t thread;
  pthread_mutex_t mutex;
} origin = {-1, {-1, -1}, 0, 0, "", 0, PTHREAD_MUTEX_INITIALIZER};

typedef struct peer {
  int frames; /* it speaks WebSocket */
  size_t size;
  char head[16384];
} peer;

static void write_all(int fd, const char* bytes, size_t n) {
  while (n > 0) {
    const ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return;
    bytes += sent;
    n -= (size_t)sent;
  }
}

/* To the key of RFC 6455 1.3. */
static const char kUpgraded[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/* Short frames go back without their mask; false: one that closes. */
static int echo(int fd, peer* p) {
  unsigned char* frame = (unsigned char*)p->head;
  char out[2 + 127];
  size_t n, i;
  while (p->size >= 6 && p->size >= 6 + (n = frame[1] & 0x7fu)) {
    if ((frame[0] & 0x0f) == 8) return 0;
    out[0] = (char)frame[0];
    out[1] = (char)n;
    for (i = 0; i < n; ++i) out[2 + i] = (char)(frame[6 + i] ^ frame[2 + i % 4]);
    write_all(fd, out, 2 + n);
    p->size -= 6 + n;
    memmove(frame, frame + 6 + n, p->size);
  }
  return 1;
}

static void answer(int fd, peer* p) {
  char head[128];
  pthread_mutex_lock(&origin.mutex);
  ++origin.requests;
  pthread_mutex_unlock(&origin.mutex);
  if (strstr(p->head, " /hold")) return;
  if (strstr(p->head, " /cut")) {
    sprintf(head, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart");
    write_all(fd, head, strlen(head));
    return;
  }
  if (strstr(p->head, " /ws")) {
    write_all(fd, kUpgraded, strlen(kUpgraded));
    p->frames = 1;
    return;
  }
  sprintf(head, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %lu\r\n\r\n", (unsigned long)p->size);
  write_all(fd, head, strlen(head));
  write_all(fd, p->head, p->size);
}

/* False: the connection is over. */
static int serve(int fd, peer* p) {
  const ssize_t n = recv(fd, p->head + p->size, sizeof p->head - 1 - p->size, 0);
  if (n <= 0) return 0;
  p->size += (size_t)n;
  p->head[p->size] = 0;
  if (p->frames) return echo(fd, p);
  if (!strstr(p->head, "\r\n\r\n")) return p->size + 1 < sizeof p->head;
  answer(fd, p);
  p->size = 0;
  return 1;
}

static int take(void) {
  int fd;
  pthread_mutex_lock(&origin.mutex);
  fd = accept(origin.fd, NULL, NULL);
  if (fd >= 0) ++origin.connections;
  pthread_mutex_unlock(&origin.mutex);
  return fd;
}

static void give_up(int fd) {
  pthread_mutex_lock(&origin.mutex);
  close(fd);
  --origin.connections;
  pthread_mutex_unlock(&origin.mutex);
}

int open_descriptors(void) {
  DIR* dir;
  int n = 0;
  pthread_mutex_lock(&origin.mutex);
  dir = opendir("/proc/self/fd");
  while (readdir(dir)) ++n;
  closedir(dir);
  n -= origin.connections;
  pthread_mutex_unlock(&origin.mutex);
  return n;
}

static void* run_origin(void* unused) {
  static peer peers[MAX_PEERS];
  struct pollfd fds[MAX_PEERS + 2];
  nfds_t count = 2, i;
  fds[0].fd = origin.stop[0];
  fds[1].fd = origin.fd;
  fds[0].events = fds[1].events = POLLIN;
  for (;;) {
    const nfds_t polled = count;
    if (poll(fds, count, -1) < 0) continue;
    if (fds[0].revents) break;
    for (i = polled; i-- > 2;) {
      if (!fds[i].revents || serve(fds[i].fd, &peers[i - 2])) continue;
      give_up(fds[i].fd);
      --count;
      fds[i] = fds[count];
      peers[i - 2] = peers[count - 2];
    }
    if (fds[1].revents && count < MAX_PEERS + 2) {
      fds[count].fd = take();
      fds[count].events = POLLIN;
      fds[count].revents = 0;
      peers[count - 2].size = 0;
      peers[count - 2].frames = 0;
      if (fds[count].fd >= 0) ++count;
    }
  }
  while (count-- > 2) give_up(fds[count].fd);
  return unused;
}

void origin_start(void) {
  struct sockaddr_in at;
  socklen_t size = sizeof at;
  memset(&at, 0, sizeof at);
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  origin.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  CHECK(bind(origin.fd, (struct sockaddr*)&at, sizeof at) == 0 && listen(origin.fd, 128) == 0);
  CHECK(getsockname(origin.fd, (struct sockaddr*)&at, &size) == 0 && pipe(origin.stop) == 0);
  sprintf(origin.url, "http://127.0.0.1:%d", ntohs(at.sin_port));
  CHECK(pthread_create(&origin.thread, NULL, run_origin, NULL) == 0);
}

void origin_stop(void) {
  close(origin.stop[1]);
  pthread_join(origin.thread, NULL);
  close(origin.stop[0]);
  close(origin.fd);
}

const char* origin_url(void) {
  return origin.url;
}

int origin_requests(void) {
  int n;
  pthread_mutex_lock(&origin.mutex);
  n = origin.requests;
  pthread_mutex_unlock(&origin.mutex);
  return n;
}

/* ---- clients ------------------------------------------------------------------------------------ */

void client_take(client* c, int fd) {
  c->fd = fd;
  c->eof = 0;
  c->size = 0;
  c->text[0] = 0;
}

void client_open(client* c, int port) {
  struct sockaddr_in at;
  memset(&at, 0, sizeof at);
  at.sin_family = AF_INET;
  at.sin_port = htons((unsigned short)port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  client_take(c, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK(connect(c->fd, (struct sockaddr*)&at, sizeof at) == 0);
}

void client_send(client* c, const char* bytes) {
  write_all(c->fd, bytes, strlen(bytes));
}

void client_get(client* c, const char* path, int close_after) {
  char head[512];
  sprintf(head, "GET %.300s HTTP/1.1\r\nHost: app.test\r\nX-Mine: yes\r\n%s\r\n", path,
          close_after ? "Connection: close\r\n" : "");
  client_send(c, head);
}

static void client_recv(client* c, int flags) {
  ssize_t n;
  while (!c->eof && c->size + 1 < sizeof c->text) {
    n = recv(c->fd, c->text + c->size, sizeof c->text - 1 - c->size, flags);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) c->eof = 1;
    if (n > 0) c->size += (size_t)n;
    c->text[c->size] = 0;
  }
}

void client_read(client* c) {
  client_recv(c, MSG_DONTWAIT);
}
void client_wait(client* c) {
  client_recv(c, 0);
}
void client_close(client* c) {
  close(c->fd);
}

void client_reset(client* c) {
  struct linger at_once;
  at_once.l_onoff = 1;
  at_once.l_linger = 0;
  setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(c->fd);
}

/* ---- callbacks ---------------------------------------------------------------------------------- */

void seen_init(seen* s) {
  memset(s, 0, sizeof *s);
  s->answer = CARDEA_ALLOW;
  pthread_mutex_init(&s->mutex, NULL);
  pthread_cond_init(&s->changed, NULL);
}

static void count(seen* s, int* counter) {
  pthread_mutex_lock(&s->mutex);
  ++*counter;
  pthread_cond_broadcast(&s->changed);
  pthread_mutex_unlock(&s->mutex);
}

int seen_wait(seen* s, const int* counter, int value) {
  struct timespec until;
  int reached;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += LIMIT_MS / 1000;
  pthread_mutex_lock(&s->mutex);
  while (*counter < value && pthread_cond_timedwait(&s->changed, &s->mutex, &until) == 0) {
  }
  reached = *counter >= value;
  pthread_mutex_unlock(&s->mutex);
  return reached;
}

static void keep(char* to, size_t size, const cardea_request* r, int what) {
  cardea_str s;
  CHECK(cardea_request_get_str(r, what, &s) == CARDEA_OK && s.ptr);
  if (!s.ptr || s.len >= size) return;
  memcpy(to, s.ptr, s.len);
  to[s.len] = 0;
}

static int on_authorize(void* ud, cardea_request* r, cardea_token t) {
  seen* s = (seen*)ud;
  s->token = t;
  if (s->in_authorize) s->in_authorize(s, r, t);
  count(s, &s->authorized);
  return s->answer;
}

static void on_request_end(void* ud, cardea_request* r) {
  seen* s = (seen*)ud;
  int64_t status = -1;
  CHECK(cardea_request_get_int(r, CARDEA_INT_STATUS, &status) == CARDEA_OK);
  pthread_mutex_lock(&s->mutex); /* workers may have threads of their own */
  s->status = (int)status;
  keep(s->path, sizeof s->path, r, CARDEA_STR_PATH);
  keep(s->cause, sizeof s->cause, r, CARDEA_STR_CAUSE);
  keep(s->identity, sizeof s->identity, r, CARDEA_STR_IDENTITY);
  keep(s->record, sizeof s->record, r, CARDEA_STR_ACCESS_RECORD);
  pthread_mutex_unlock(&s->mutex);
  if (s->in_request_end) s->in_request_end(s, r);
  count(s, &s->ended);
}

static void on_request_log(void* ud, cardea_request* r) {
  seen* s = (seen*)ud;
  pthread_mutex_lock(&s->mutex);
  keep(s->log, sizeof s->log, r, CARDEA_STR_ACCESS_RECORD);
  pthread_mutex_unlock(&s->mutex);
  count(s, &s->logged);
}

static void on_conn_open(void* ud, cardea_conn* c) {
  seen* s = (seen*)ud;
  if (s->in_conn) s->in_conn(s, c, 1);
  count(s, &s->opened);
}

static void on_conn_close(void* ud, cardea_conn* c) {
  seen* s = (seen*)ud;
  if (s->in_conn) s->in_conn(s, c, 0);
  count(s, &s->closed);
}

void seen_fill(cardea_handlers* handlers) {
  memset(handlers, 0, sizeof *handlers);
  handlers->struct_size = sizeof *handlers;
  handlers->on_authorize = on_authorize;
  handlers->on_request_end = on_request_end;
  handlers->on_request_log = on_request_log;
  handlers->on_conn_open = on_conn_open;
  handlers->on_conn_close = on_conn_close;
}

void seen_done(void* ud, int status) {
  seen* s = (seen*)ud;
  s->status = status;
  count(s, &s->done);
}

void seen_free(void* ud) {
  count((seen*)ud, &((seen*)ud)->freed);
}

/* ---- the host ----------------------------------------------------------------------------------- */

cardea_config* draft_of(int policy) {
  cardea_config* config = NULL;
  cardea_listener* listener = NULL;
  cardea_route* route = NULL;
  cardea_cluster* cluster = NULL;
  cardea_policy* p = NULL;
  SAME(cardea_config_new(&config), CARDEA_OK);
  SAME(cardea_listener_new("127.0.0.1:0", CARDEA_NTS, &listener), CARDEA_OK);
  SAME(cardea_route_new("http://app.test", CARDEA_NTS, &route), CARDEA_OK);
  SAME(cardea_cluster_new(&cluster), CARDEA_OK);
  SAME(cardea_cluster_add_endpoint(cluster, origin_url(), CARDEA_NTS, 1), CARDEA_OK);
  SAME(cardea_route_set_cluster(route, cluster), CARDEA_OK);
  if (policy == PUBLIC) SAME(cardea_policy_public(&p), CARDEA_OK);
  if (policy == HOST) SAME(cardea_policy_host("team \"a\"", CARDEA_NTS, &p), CARDEA_OK);
  if (p) SAME(cardea_route_set_policy(route, p), CARDEA_OK);
  SAME(cardea_config_add_listener(config, listener), CARDEA_OK);
  SAME(cardea_config_add_route(config, route), CARDEA_OK);
  cardea_policy_unref(p);
  cardea_cluster_unref(cluster);
  cardea_route_unref(route);
  cardea_listener_unref(listener);
  return config;
}

void must_seal(cardea_config* config) {
  cardea_error* error = NULL;
  const int code = cardea_config_seal(config, &error);
  if (code != CARDEA_OK) fprintf(stderr, "%s\n", cardea_error_message(error));
  SAME(code, CARDEA_OK);
  cardea_error_free(error);
}

cardea_config* sealed_of(int policy) {
  cardea_config* config = draft_of(policy);
  must_seal(config);
  return config;
}

void scene_open(scene* s, cardea_config* config) {
  cardea_handlers handlers;
  cardea_error* error = NULL;
  cardea_str none;
  seen_init(&s->seen);
  seen_fill(&handlers);
  if (cardea_config_get_str(config, CARDEA_OPT_GLOBAL_ACCESS_LOG_PATH, &none) == CARDEA_EAGAIN) must_seal(config);
  SAME(cardea_proxy_new(config, &handlers, &s->seen, seen_free, &s->proxy, &error), CARDEA_OK);
  cardea_config_unref(config);
  SAME(cardea_worker_new(s->proxy, &s->worker, &error), CARDEA_OK);
  s->port = cardea_worker_bound_port(s->worker, 0);
  s->seen.worker = s->worker;
  s->seen.proxy = s->proxy;
}

void scene_close(scene* s) {
  s->seen.done = 0;
  SAME(cardea_worker_close(s->worker, seen_done, &s->seen), CARDEA_OK);
  CHECK(pump_until(s->worker, NULL, &s->seen.done, 1));
  SAME(s->seen.status, CARDEA_OK);
  SAME(cardea_worker_close(s->worker, seen_done, &s->seen), CARDEA_ECLOSED);
  cardea_worker_free(s->worker);
  SAME(s->seen.freed, 0);
  cardea_proxy_unref(s->proxy);
  SAME(s->seen.freed, 1);
  SAME(s->seen.done, 1);
  SAME(s->seen.opened, s->seen.closed);
}

/* One wait as a host does it: the worker's descriptor beside the host's own, and the worker's timeout. */
static void host_turn(cardea_worker* w, client* c, int64_t left) {
  struct pollfd fds[2];
  const int timeout = cardea_worker_timeout(w);
  const int wait = timeout < 0 || timeout > left ? (int)left : timeout;
  int code;
  fds[0].fd = cardea_worker_fd(w);
  fds[1].fd = c && !c->eof ? c->fd : -1;
  fds[0].events = fds[1].events = POLLIN;
  poll(fds, 2, wait);
  do code = cardea_worker_step(w);
  while (code > 0);
  CHECK(code == CARDEA_OK || code == CARDEA_ECLOSED);
  if (c) client_read(c);
}

int pump_until(cardea_worker* w, client* c, const int* counter, int value) {
  const int64_t end = now_ms() + LIMIT_MS;
  while (*counter < value && now_ms() < end) host_turn(w, c, end - now_ms());
  return *counter >= value;
}

void pump_eof(cardea_worker* w, client* c) {
  CHECK(pump_until(w, c, &c->eof, 1));
}

void pump_idle(cardea_worker* w) {
  struct pollfd fd;
  fd.fd = cardea_worker_fd(w);
  fd.events = POLLIN;
  while (cardea_worker_timeout(w) == 0 || poll(&fd, 1, 0) > 0) {
    if (cardea_worker_step(w) < 0) return;
  }
}

void get(scene* s, client* c, const char* path) {
  client_open(c, s->port);
  client_get(c, path, 1);
  pump_eof(s->worker, c);
  client_close(c);
}
