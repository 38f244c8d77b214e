/* Who may pass is decided by another thread, as by one that asks a database; the loop goes on meanwhile:
 * cc -pthread async_authorize.c $(pkg-config --cflags --libs cardea) */
#include <cardea/cardea.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char format[] =
    "address: '%s'\ncertificates: [{cert: '%s', key: '%s'}]\n"
    "routes: [{from: 'https://app.localhost', to: '%s', policy: [{allow: {or: [{host: 'by key'}]}}]}]\n";

static cardea_error *error; /* of the last call; NULL when it succeeded */

static void must(int code) {
  if (code == CARDEA_OK) return;
  fprintf(stderr, "%s\n", error ? cardea_error_message(error) : cardea_strerror(code));
  exit(1);
}

/* Questions on their way from the loop to the thread that decides: copies, for the request is only lent. */
typedef struct question {
  cardea_token token;
  char key[64];
} question;
#define ROOM 1024
static struct {
  pthread_mutex_t mutex;
  pthread_cond_t asked;
  question waiting[ROOM];
  size_t first, count;
} inbox = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {{0, {0}}}, 0, 0};

static int on_authorize(void *ud, cardea_request *r, cardea_token t) {
  cardea_str key;
  int answer = CARDEA_DENY; /* no key, or more questions than there is room for */
  (void)ud;
  if (cardea_request_header(r, "x-key", CARDEA_NTS, &key) != CARDEA_OK || key.len >= sizeof inbox.waiting[0].key)
    return answer;
  pthread_mutex_lock(&inbox.mutex);
  if (inbox.count < ROOM) {
    question *q = &inbox.waiting[(inbox.first + inbox.count++) % ROOM];
    q->token = t;
    memcpy(q->key, key.ptr, key.len);
    q->key[key.len] = 0;
    answer = CARDEA_PENDING;
  }
  pthread_cond_signal(&inbox.asked);
  pthread_mutex_unlock(&inbox.mutex);
  return answer;
}

static void *decide(void *unused) {
  for (;;) {
    question q;
    pthread_mutex_lock(&inbox.mutex);
    while (inbox.count == 0) pthread_cond_wait(&inbox.asked, &inbox.mutex);
    q = inbox.waiting[inbox.first];
    inbox.first = (inbox.first + 1) % ROOM;
    --inbox.count;
    pthread_mutex_unlock(&inbox.mutex);
    /* Here a real one takes its time. A client that left meanwhile makes this CARDEA_ESTALE, which is nobody's fault. */
    if (strcmp(q.key, "sesame") == 0) {
      cardea_authorize_complete(q.token, CARDEA_ALLOW, "{\"user\": \"ali\"}", CARDEA_NTS);
    } else {
      cardea_authorize_complete(q.token, CARDEA_DENY, NULL, 0);
    }
  }
  return unused;
}

int main(int argc, char **argv) {
  char text[4096];
  cardea_config *config;
  cardea_proxy *proxy;
  cardea_worker *worker;
  cardea_handlers handlers;
  cardea_str at;
  struct pollfd mine;
  pthread_t thread;
  if (argc < 4) return fprintf(stderr, "usage: %s CERT KEY http://HOST:PORT [ADDRESS]\n", argv[0]), 2;
  snprintf(text, sizeof text, format, argc > 4 ? argv[4] : "127.0.0.1:8443", argv[1], argv[2], argv[3]);
  memset(&handlers, 0, sizeof handlers);
  handlers.struct_size = sizeof handlers;
  handlers.on_authorize = on_authorize;
  must(cardea_config_load(text, CARDEA_NTS, "async_authorize", &config, &error));
  must(cardea_config_seal(config, &error));
  must(cardea_proxy_new(config, &handlers, NULL, NULL, &proxy, &error));
  must(cardea_worker_new(proxy, &worker, &error));
  must(cardea_worker_bound_address(worker, 0, &at));
  if (pthread_create(&thread, NULL, decide, NULL)) return perror("thread"), 1;
  printf("serving https://%.*s\n", (int)at.len, at.ptr), fflush(stdout);
  mine.fd = cardea_worker_fd(worker);
  mine.events = POLLIN;
  for (;;) {
    poll(&mine, 1, cardea_worker_timeout(worker)); /* a decision makes the descriptor readable */
    while (cardea_worker_step(worker) > 0) continue;
  }
}
