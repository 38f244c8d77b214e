/* What bench/main.go does without hooks, in C: a worker on a thread of Cardea's. */
#include <cardea/cardea.h>
#include <signal.h>
#include <stdio.h>

int main(int argc, char** argv) {
  char text[1024];
  cardea_config* config;
  cardea_proxy* proxy;
  cardea_worker* worker;
  cardea_str at;
  sigset_t stop;
  int got;
  if (argc < 2) return 2;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigprocmask(SIG_BLOCK, &stop, NULL);
  snprintf(text, sizeof text,
           "{address: '127.0.0.1:0', insecure_server: true, routes: [{from: 'http://app.localhost', to: '%s', "
           "preserve_host_header: true, allow_public_unauthenticated_access: true}]}",
           argv[1]);
  if (cardea_config_load(text, CARDEA_NTS, "bench", &config, NULL) || cardea_config_seal(config, NULL) ||
      cardea_proxy_new(config, NULL, NULL, NULL, &proxy, NULL) || cardea_worker_start_thread(proxy, &worker, NULL)) {
    return 1;
  }
  cardea_worker_bound_address(worker, 0, &at);
  printf("%.*s\n", (int)at.len, at.ptr);
  fflush(stdout);
  sigwait(&stop, &got);
  cardea_worker_close(worker, NULL, NULL);
  cardea_worker_join(worker, -1);
  cardea_worker_free(worker);
  cardea_proxy_unref(proxy);
  cardea_config_unref(config);
  return 0;
}
