// Can an address be bound? Asked before a configuration is taken over.
#include <unistd.h>
#include <cerrno>

#include "net/sockets.h"

namespace cardea::net {

Result<void> probe_bind(const Address& address) {
  if (address.is_unix()) return {};  // bound by whoever listens: a probe would leave a file
  const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Error{kEio, "socket for " + address.text() + ": " + os_text(errno), errno};
  const int on = 1, only_v6 = address.is_dual_stack() ? 0 : 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.family() == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
  const int failed = ::bind(fd, address.sa(), address.len()) == 0 ? 0 : errno;
  ::close(fd);
  if (!failed) return {};
  return Error{failed == EADDRINUSE ? kEaddrinuse : kEio,
               "listen " + address.text() + ": " + os_text(failed) +
                   (failed == EADDRINUSE ? "; end the program that has it or choose another address" : ""),
               failed};
}

}  // namespace cardea::net
