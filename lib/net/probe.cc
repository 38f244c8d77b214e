// Can an address be bound? Asked before a configuration is taken over.
#include <unistd.h>
#include <cerrno>
#include <cstring>

#include "net/net.h"

namespace cardea::net {

Result<void> probe_bind(const Address& address) {
  if (address.is_unix()) return {};  // bound by whoever listens: a probe would leave a file
  const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Error{kEio, "socket for " + address.text() + ": " + strerror(errno), errno};
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const int failed = ::bind(fd, address.sa(), address.len()) == 0 ? 0 : errno;
  ::close(fd);
  if (!failed) return {};
  return Error{failed == EADDRINUSE ? kEaddrinuse : kEio,
               "listen " + address.text() + ": " + strerror(failed) +
                   (failed == EADDRINUSE ? "; end the program that has it or choose another address" : ""),
               failed};
}

}  // namespace cardea::net
