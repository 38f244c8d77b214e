/* A server that has its own port and protocol, and gives Cardea those connections that begin with TLS, with what it has read of
 * them: cc adopt_server.c $(pkg-config --cflags --libs cardea) */
#include <arpa/inet.h>
#include <cardea/cardea.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The listener tells Cardea what adopted connections speak; nobody needs to come to its own port. */
static const char format[] =
    "address: '127.0.0.1:0'\ncertificates: [{cert: '%s', key: '%s'}]\n"
    "routes: [{from: 'https://app.localhost', to: '%s', allow_public_unauthenticated_access: true}]\n";

static cardea_error *error; /* of the last call; NULL when it succeeded */

static void must(int code) {
  if (code == CARDEA_OK) return;
  fprintf(stderr, "%s\n", error ? cardea_error_message(error) : cardea_strerror(code));
  exit(1);
}

/* The server as it was: an accept loop, and a protocol that answers each first line with a greeting. */
#define CLIENTS 64
#define TLS_HANDSHAKE 0x16 /* first byte of a connection with TLS; no line of our protocol begins so */

static int listen_at(const char *ip, int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  struct sockaddr_in at;
  socklen_t size = sizeof at;
  memset(&at, 0, sizeof at);
  at.sin_family = AF_INET;
  at.sin_port = htons((uint16_t)port);
  if (inet_pton(AF_INET, ip, &at.sin_addr) != 1) return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 128)) return -1;
  getsockname(fd, (struct sockaddr *)&at, &size);
  printf("serving https://%s:%d\n", ip, ntohs(at.sin_port)), fflush(stdout);
  return fd;
}

static void first_bytes(cardea_worker *worker, int fd) {
  static const char greeting[] = "hello from the old server\n";
  char read_so_far[1024];
  const ssize_t n = recv(fd, read_so_far, sizeof read_so_far, MSG_DONTWAIT);
  if (n > 0 && read_so_far[0] == TLS_HANDSHAKE) {
    cardea_worker_adopt_fd(worker, 0, fd, read_so_far,
                           (size_t)n); /* the descriptor is Cardea's now, whatever it answers */
    return;
  }
  if (n > 0) send(fd, greeting, sizeof greeting - 1, MSG_NOSIGNAL);
  close(fd);
}

int main(int argc, char **argv) {
  char text[4096], ip[64] = "127.0.0.1";
  int port = 8443;
  cardea_config *config;
  cardea_proxy *proxy;
  cardea_worker *worker;
  struct pollfd fds[CLIENTS + 2];
  nfds_t count = 2, i;
  if (argc < 4) return fprintf(stderr, "usage: %s CERT KEY http://HOST:PORT [IP:PORT]\n", argv[0]), 2;
  snprintf(text, sizeof text, format, argv[1], argv[2], argv[3]);
  must(cardea_config_load(text, CARDEA_NTS, "adopt_server", &config, &error));
  must(cardea_config_seal(config, &error));
  must(cardea_proxy_new(config, NULL, NULL, NULL, &proxy, &error));
  must(cardea_worker_new(proxy, &worker, &error));
  if (argc > 4 && sscanf(argv[4], "%63[0-9.]:%d", ip, &port) != 2) return fprintf(stderr, "%s: IP:PORT\n", argv[4]), 2;
  fds[0].fd = cardea_worker_fd(worker);
  fds[1].fd = listen_at(ip, port);
  if (fds[1].fd < 0) return perror(ip), 1;
  for (i = 0; i < CLIENTS + 2; ++i) fds[i].events = POLLIN;
  for (;;) {
    fds[1].events = count < CLIENTS + 2 ? POLLIN : 0;
    if (poll(fds, count, cardea_worker_timeout(worker)) < 0) continue;
    for (i = count; i-- > 2;) {
      if (!fds[i].revents) continue;
      first_bytes(worker, fds[i].fd);
      fds[i].fd = fds[--count].fd;
      fds[i].revents = fds[count].revents;
    }
    if (fds[1].revents & POLLIN) {
      fds[count].fd = accept(fds[1].fd, NULL, NULL);
      if (fds[count].fd >= 0) ++count;
    }
    while (cardea_worker_step(worker) > 0) continue;
  }
}
