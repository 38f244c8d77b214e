/* A TLS route served from this program's own epoll loop: cc epoll_host.c $(pkg-config --cflags --libs cardea) */
#include <cardea/cardea.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

static const char format[] =
    "address: '%s'\ncertificates: [{cert: '%s', key: '%s'}]\n"
    "routes: [{from: 'https://app.localhost', to: '%s', allow_public_unauthenticated_access: true}]\n";

static cardea_error *error; /* of the last call; NULL when it succeeded */

static void must(int code) {
  if (code == CARDEA_OK) return;
  fprintf(stderr, "%s\n", error ? cardea_error_message(error) : cardea_strerror(code));
  exit(1);
}

int main(int argc, char **argv) {
  char text[4096];
  cardea_config *config;
  cardea_proxy *proxy;
  cardea_worker *worker;
  cardea_str at;
  struct epoll_event mine = {EPOLLIN, {0}}, ready;
  int loop = epoll_create1(0);
  if (argc < 4) return fprintf(stderr, "usage: %s CERT KEY http://HOST:PORT [ADDRESS]\n", argv[0]), 2;
  snprintf(text, sizeof text, format, argc > 4 ? argv[4] : "127.0.0.1:8443", argv[1], argv[2], argv[3]);
  must(cardea_config_load(text, CARDEA_NTS, "epoll_host", &config, &error));
  must(cardea_config_seal(config, &error));
  must(cardea_proxy_new(config, NULL, NULL, NULL, &proxy, &error));
  must(cardea_worker_new(proxy, &worker, &error));
  must(cardea_worker_bound_address(worker, 0, &at));
  printf("serving https://%.*s\n", (int)at.len, at.ptr), fflush(stdout);
  epoll_ctl(loop, EPOLL_CTL_ADD, cardea_worker_fd(worker), &mine); /* beside whatever else the program waits for */
  for (;;) {
    epoll_wait(loop, &ready, 1, cardea_worker_timeout(worker));
    while (cardea_worker_step(worker) > 0) continue;
  }
}
