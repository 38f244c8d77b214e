// Inside net/ only: SRV records (RFC 2782) out of a DNS message.
#pragma once

#include "net/net.h"

namespace cardea::net {

// At most `max` records, those of the first priorities. Returns a status of c-ares: ARES_EBADRESP for a message that
// ends early, ARES_ENODATA where no record is usable.
int parse_srv(Bytes reply, size_t max, ResolvedSrv& out);

}  // namespace cardea::net
