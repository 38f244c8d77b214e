/* A TLS route served from this program's own epoll loop: cc epoll_host.c $(pkg-config --cflags --libs cardea) */
#include <cardea/cardea.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

static cardea_error *error; /* of the last call that takes one; NULL when it succeeded */

static void must(int code) {
  if (code == CARDEA_OK) return;
  fprintf(stderr, "%s\n", error ? cardea_error_message(error) : cardea_strerror(code));
  exit(1);
}

int main(int argc, char **argv) { /* certificate, key, service, address */
  cardea_config *config;
  cardea_listener *listener;
  cardea_tls *tls;
  cardea_route *route;
  cardea_policy *policy;
  cardea_cluster *service;
  cardea_proxy *proxy;
  cardea_worker *worker;
  cardea_str at;
  struct epoll_event mine = {EPOLLIN, {0}}, ready;
  int loop = epoll_create1(0);
  if (argc < 4) return fprintf(stderr, "usage: %s CERT KEY http://HOST:PORT [ADDRESS]\n", argv[0]), 2;
  must(cardea_tls_new(&tls));
  must(cardea_tls_add_cert_file(tls, argv[1], argv[2], &error));
  must(cardea_listener_new(argc > 4 ? argv[4] : "127.0.0.1:8443", CARDEA_NTS, &listener));
  must(cardea_listener_set_tls(listener, tls));
  must(cardea_cluster_new(&service));
  must(cardea_cluster_add_endpoint(service, argv[3], CARDEA_NTS, 1));
  must(cardea_policy_public(&policy)); /* without a policy the route answers 403 */
  must(cardea_route_new("https://app.localhost", CARDEA_NTS, &route));
  must(cardea_route_set_policy(route, policy));
  must(cardea_route_set_cluster(route, service));
  must(cardea_config_new(&config));
  must(cardea_config_add_listener(config, listener));
  must(cardea_config_add_route(config, route));
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
