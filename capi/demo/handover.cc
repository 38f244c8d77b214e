// Passing listening sockets with SCM_RIGHTS (unix(7)): one message with all of them, then one byte when they are in
// use.
#include "handover.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace demo {

namespace {

constexpr size_t kMostSockets = 200;  // the kernel takes 253 in one message
constexpr char kGreeting = 'S', kServing = 'R';

bool address_of(const std::string& path, sockaddr_un& at) {
  if (path.empty() || path.size() >= sizeof at.sun_path) return false;
  memset(&at, 0, sizeof at);
  at.sun_family = AF_UNIX;
  memcpy(at.sun_path, path.c_str(), path.size());
  return true;
}

bool is_same_user(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

std::string failure(const std::string& path, const char* what) {
  return "handover " + path + ": " + what + ": " + strerror(errno);
}

}  // namespace

std::vector<int> systemd_sockets() {
  constexpr int kFirst = 3;
  std::vector<int> all;
  const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
  if (pid && count && atol(pid) == long(getpid())) {
    for (int i = 0, n = atoi(count); i < n && i < int(kMostSockets); ++i) all.push_back(kFirst + i);
  }
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) unsetenv(name);
  return all;
}

Handover::~Handover() {
  drop_peer();
  if (predecessor_ >= 0) close(predecessor_);
  if (listening_ < 0) return;
  // The file is a successor's by now, if there is one.
  sockaddr_un at;
  struct stat file {};
  if (sent_ || !address_of(path_, at) || lstat(path_.c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) {
    close(listening_);
    return;
  }
  close(listening_);
  unlink(path_.c_str());
}

bool Handover::receive(const std::string& path, std::vector<int>& sockets, std::string& error) {
  sockaddr_un at;
  if (!address_of(path, at)) {
    error = "handover " + path + ": the path is empty or too long";
    return false;
  }
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    error = failure(path, "socket");
    return false;
  }
  const timeval patience{5, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) {
    const bool nobody = errno == ENOENT || errno == ECONNREFUSED;
    if (!nobody) error = failure(path, "connect");
    close(fd);
    return nobody;
  }
  alignas(cmsghdr) char space[CMSG_SPACE(kMostSockets * sizeof(int))];
  char greeting = 0;
  iovec bytes{&greeting, 1};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof space;
  if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC) != 1 || greeting != kGreeting || message.msg_flags & MSG_CTRUNC) {
    error = failure(path, "the predecessor does not pass its sockets");
    close(fd);
    return false;
  }
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    std::vector<int> some((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(some.data(), CMSG_DATA(part), some.size() * sizeof(int));
    sockets.insert(sockets.end(), some.begin(), some.end());
  }
  predecessor_ = fd;
  return true;
}

void Handover::confirm() {
  if (predecessor_ < 0) return;
  (void)!::send(predecessor_, &kServing, 1, MSG_NOSIGNAL);
  close(predecessor_);
  predecessor_ = -1;
}

bool Handover::wait_at(const std::string& path, std::string& error) {
  sockaddr_un at;
  if (!address_of(path, at)) {
    error = "handover " + path + ": the path is empty or too long";
    return false;
  }
  listening_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  struct stat file {};
  if (lstat(path.c_str(), &file) == 0 && S_ISSOCK(file.st_mode)) unlink(path.c_str());
  if (listening_ >= 0) fchmod(listening_, 0600);
  if (listening_ < 0 || bind(listening_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 ||
      listen(listening_, 1) != 0) {
    error = failure(path, "cannot wait there for a successor");
    return false;
  }
  path_ = path;
  return true;
}

int Handover::poll() {
  if (listening_ < 0) return 0;
  if (successor_ < 0) {
    successor_ = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (successor_ < 0) return 0;
    if (!is_same_user(successor_)) {
      drop_peer();
      return 0;
    }
    return 1;
  }
  char word = 0;
  const ssize_t n = recv(successor_, &word, 1, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (n == 1 && word == kServing) {
    sent_ = true;
    return 2;
  }
  drop_peer();  // it gave up: we go on
  return 0;
}

bool Handover::send(const std::vector<int>& sockets) {
  alignas(cmsghdr) char space[CMSG_SPACE(kMostSockets * sizeof(int))] = {};
  char greeting = kGreeting;
  iovec bytes{&greeting, 1};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  const size_t size = sockets.size() * sizeof(int);
  if (sockets.size() > kMostSockets) {
    fprintf(stderr, "handover: %zu sockets are more than fit in a message (%zu)\n", sockets.size(), kMostSockets);
    drop_peer();
    return false;
  }
  if (!sockets.empty()) {
    message.msg_control = space;
    message.msg_controllen = CMSG_SPACE(size);
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(part), sockets.data(), size);
  }
  if (sendmsg(successor_, &message, MSG_NOSIGNAL) == 1) return true;
  drop_peer();
  return false;
}

void Handover::drop_peer() {
  if (successor_ >= 0) close(successor_);
  successor_ = -1;
}

}  // namespace demo
