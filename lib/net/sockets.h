// What the files of this folder make for each other and for uv_network().
#pragma once

#include "net/poll.h"

namespace cardea::net {

// A stream over a connected, non-blocking socket. It becomes the target of `poll`.
std::unique_ptr<Stream> make_stream(UvLoop& loop, PollPtr poll, const Address& peer);
Result<std::unique_ptr<Listener>> make_listener(UvLoop& loop, const Address& address, const ListenOptions& options,
                                                AcceptEvents& events);
Result<std::unique_ptr<Resolver>> make_resolver(UvLoop& loop, const ResolverOptions& options);

// Small writes must leave at once: this library gathers by itself.
void set_tcp_nodelay(int fd, bool on);
std::string os_text(int error);
// For descriptors that others made: non-blocking, and closed when the program runs another one. False: errno says why.
bool take_over(int fd);

}  // namespace cardea::net
