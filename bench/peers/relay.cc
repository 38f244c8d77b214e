// The floor that every contender is compared with: a TCP relay on epoll that parses nothing. One upstream connection
// for each downstream connection, one read and one write a message.
//
// relay LISTEN_PORT UPSTREAM_PORT      both on 127.0.0.1; runs until it is killed
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr size_t kBuffer = 64 * 1024;

struct Side {
  int fd = -1;
  Side* other = nullptr;
  std::string queued;        // what the kernel did not take yet; the other side is not read meanwhile
  bool wants_write = false;  // EPOLLOUT is armed
  bool finished = false;     // its peer sent FIN
};

struct Pair {
  Side downstream, upstream;
};

int g_epoll = -1;
sockaddr_in g_upstream{};
char g_buffer[kBuffer];
std::vector<std::unique_ptr<Pair>> g_dead;  // freed after the batch: events of the same batch may still name them

[[noreturn]] void fail(const char* what) {
  perror(what);
  exit(1);
}

void watch(Side& side, int op) {
  epoll_event event{};
  event.events = (side.wants_write ? EPOLLOUT : 0u) | (side.other->queued.empty() && !side.finished ? EPOLLIN : 0u);
  event.data.ptr = &side;
  epoll_ctl(g_epoll, op, side.fd, &event);
}

Pair* pair_of(Side& side) {
  // The downstream side is the pair's first member, so the lower address of the two is the pair.
  return reinterpret_cast<Pair*>(side.other > &side ? &side : side.other);
}

void close_pair(Side& side) {
  if (side.fd < 0) return;
  close(side.fd);
  close(side.other->fd);
  side.fd = side.other->fd = -1;
  g_dead.emplace_back(pair_of(side));
}

// Writes to `side` what came from its other; false: the pair is gone.
bool forward(Side& side, const char* bytes, size_t size) {
  ssize_t sent = send(side.fd, bytes, size, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) {
    close_pair(side);
    return false;
  }
  size_t done = sent < 0 ? 0 : static_cast<size_t>(sent);
  if (done == size) return true;
  side.queued.append(bytes + done, size - done);
  side.wants_write = true;
  watch(side, EPOLL_CTL_MOD);
  watch(*side.other, EPOLL_CTL_MOD);
  return true;
}

void on_readable(Side& side) {
  ssize_t n = recv(side.fd, g_buffer, sizeof g_buffer, 0);
  if (n > 0) {
    forward(*side.other, g_buffer, static_cast<size_t>(n));
  } else if (n == 0) {
    side.finished = true;
    if (side.other->finished) return close_pair(side);
    shutdown(side.other->fd, SHUT_WR);
    watch(side, EPOLL_CTL_MOD);
  } else if (errno != EAGAIN) {
    close_pair(side);
  }
}

void on_writable(Side& side) {
  std::string rest;
  rest.swap(side.queued);
  side.wants_write = false;
  if (!rest.empty() && !forward(side, rest.data(), rest.size())) return;
  if (side.queued.empty()) {
    watch(side, EPOLL_CTL_MOD);
    watch(*side.other, EPOLL_CTL_MOD);
  }
}

void on_accept(int listener) {
  for (int i = 0; i < 64; ++i) {
    int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    int up = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (up < 0 ||
        (connect(up, reinterpret_cast<sockaddr*>(&g_upstream), sizeof g_upstream) < 0 && errno != EINPROGRESS)) {
      if (up >= 0) close(up);
      close(fd);
      continue;
    }
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(up, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    auto* pair = new Pair;
    pair->downstream.fd = fd;
    pair->upstream.fd = up;
    pair->downstream.other = &pair->upstream;
    pair->upstream.other = &pair->downstream;
    watch(pair->downstream, EPOLL_CTL_ADD);
    watch(pair->upstream, EPOLL_CTL_ADD);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: relay LISTEN_PORT UPSTREAM_PORT\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  sockaddr_in local{};
  local.sin_family = g_upstream.sin_family = AF_INET;
  local.sin_addr.s_addr = g_upstream.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  local.sin_port = htons(static_cast<uint16_t>(atoi(argv[1])));
  g_upstream.sin_port = htons(static_cast<uint16_t>(atoi(argv[2])));
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, reinterpret_cast<sockaddr*>(&local), sizeof local) < 0) fail("bind");
  if (listen(listener, 1024) < 0) fail("listen");
  g_epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  epoll_ctl(g_epoll, EPOLL_CTL_ADD, listener, &event);
  epoll_event events[256];
  for (;;) {
    int n = epoll_wait(g_epoll, events, 256, -1);
    for (int i = 0; i < n; ++i) {
      auto* side = static_cast<Side*>(events[i].data.ptr);
      if (!side) {
        on_accept(listener);
        continue;
      }
      if (side->fd >= 0 && (events[i].events & EPOLLOUT)) on_writable(*side);
      if (side->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) on_readable(*side);
    }
    g_dead.clear();
  }
}
