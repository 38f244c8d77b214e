// One connection to a host with several addresses, begun at more than one of them (RFC 8305 section 5).
#pragma once

#include "net/net.h"

namespace cardea::net {

// The first address at once, each next one 250 ms later or as soon as the one before has failed. The first connection
// that is made is the one, all others are dropped. When every address has failed: the errno of the first. The events
// come in a later turn, never from inside the call; deleting what is returned cancels.
std::unique_ptr<Connecting> connect_first(Loop& loop, Network& network, std::vector<Address> addresses,
                                          ConnectEvents& events);

}  // namespace cardea::net
