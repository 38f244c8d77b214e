// SHA-1 (RFC 3174), for protocols that are built on it (WebSocket's handshake). Not for secrets or signatures.
#pragma once

#include <array>

#include "base/base.h"

namespace cardea {

std::array<uint8_t, 20> sha1(Bytes message);

}  // namespace cardea
