// Streams that begin with bytes of another kind: a PROXY protocol header, or what a host has read already.
#pragma once

#include <memory>
#include <string>

#include "net/net.h"

namespace cardea::net {

// What a PROXY protocol header says (HAProxy's PROXY protocol, versions 1 and 2).
struct ProxyHeader {
  enum class State : uint8_t { incomplete, ok, bad } state = State::incomplete;
  size_t size = 0;             // bytes of the header when ok
  bool has_addresses = false;  // false: LOCAL, UNKNOWN, or an unknown family: keep the socket's own
  Address source, destination;
  const char* rule = "";  // why it is bad
};
// Strict: v1 at most 107 bytes with CRLF and canonical ports; v2 with a length that covers its addresses, at most 4
// KiB, TLVs that add up. Pure.
ProxyHeader parse_proxy_header(Bytes bytes);

// A stream whose first bytes must be a PROXY header: takes it off, then passes everything through; peer() and local()
// are the header's from then on. A bad header, or bytes that are none, is on_error(EPROTO). Deadline: the caller's.
// Events of the inner stream are its own.
std::unique_ptr<Stream> expect_proxy_header(Loop& loop, std::unique_ptr<Stream> plain);

// A stream that delivers `bytes` before anything that arrives (in a later turn than start_read()).
std::unique_ptr<Stream> with_preread(Loop& loop, std::unique_ptr<Stream> plain, std::string bytes);

}  // namespace cardea::net
