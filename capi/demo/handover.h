// Listening sockets of others: systemd's, and from one process to the next at a path that both know.
#pragma once

#include <string>
#include <vector>

namespace demo {

// The sockets that systemd passed (sd_listen_fds(3)); the variables are removed, so that no child takes them for its
// own.
std::vector<int> systemd_sockets();

// Where processes of one service pass their listening sockets on. Only the same user is served.
class Handover {
 public:
  ~Handover();
  // The sockets of the process that waits at `path`; empty when there is none. False: something is there that is no
  // predecessor, or it did not answer within five seconds; `error` says what.
  bool receive(const std::string& path, std::vector<int>& sockets, std::string& error);
  // The predecessor may go.
  void confirm();
  // From now on successors are awaited at this path.
  bool wait_at(const std::string& path, std::string& error);
  // Without waiting: 1: a successor is there and wants sockets; call send(). 2: it serves. 0: neither.
  int poll();
  // The descriptors stay the caller's. False: the successor is gone.
  bool send(const std::vector<int>& sockets);

 private:
  void drop_peer();
  std::string path_;
  int listening_ = -1;    // for a successor
  int predecessor_ = -1;  // to tell that we serve
  int successor_ = -1;
  bool sent_ = false;
};

}  // namespace demo
