/* A TLS route served from libevent's loop: cc libevent_host.c $(pkg-config --cflags --libs cardea libevent_core) */
#include <cardea/cardea.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

static const char format[] =
    "address: '%s'\ncertificates: [{cert: '%s', key: '%s'}]\n"
    "routes: [{from: 'https://app.localhost', to: '%s', allow_public_unauthenticated_access: true}]\n";

static cardea_error *error; /* of the last call; NULL when it succeeded */

static void must(int code) {
  if (code == CARDEA_OK) return;
  fprintf(stderr, "%s\n", error ? cardea_error_message(error) : cardea_strerror(code));
  exit(1);
}

typedef struct driven {
  cardea_worker *worker;
  struct event *event; /* the worker's descriptor, and the time at which it wants to be stepped */
} driven;

static void step(evutil_socket_t fd, short what, void *arg) {
  const driven *d = arg;
  struct timeval wait;
  int timeout;
  (void)fd, (void)what;
  while (cardea_worker_step(d->worker) > 0) continue;
  timeout = cardea_worker_timeout(d->worker);
  wait.tv_sec = timeout / 1000;
  wait.tv_usec = timeout % 1000 * 1000;
  event_add(d->event, timeout < 0 ? NULL : &wait);
}

int main(int argc, char **argv) {
  char text[4096];
  cardea_config *config;
  cardea_proxy *proxy;
  cardea_str at;
  driven d;
  struct event_base *base;
  if (argc < 4) return fprintf(stderr, "usage: %s CERT KEY http://HOST:PORT [ADDRESS]\n", argv[0]), 2;
  base = event_base_new();
  snprintf(text, sizeof text, format, argc > 4 ? argv[4] : "127.0.0.1:8443", argv[1], argv[2], argv[3]);
  must(cardea_config_load(text, CARDEA_NTS, "libevent_host", &config, &error));
  must(cardea_config_seal(config, &error));
  must(cardea_proxy_new(config, NULL, NULL, NULL, &proxy, &error));
  must(cardea_worker_new(proxy, &d.worker, &error));
  must(cardea_worker_bound_address(d.worker, 0, &at));
  printf("serving https://%.*s\n", (int)at.len, at.ptr), fflush(stdout);
  d.event = event_new(base, cardea_worker_fd(d.worker), EV_READ, step, &d); /* not EV_PERSIST: step() adds it anew */
  step(-1, 0, &d);
  return event_base_dispatch(base);
}
