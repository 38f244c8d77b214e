// Which live exchanges somebody means: a few properties, all of which must fit.
#pragma once

#include <string>

#include "base/base.h"

namespace cardea::proxy {

class Exchange;
class Session;

// Empty members fit everything.
struct Selector {
  std::string user;  // id or e-mail address
  std::string route, listener, cluster;
  std::string endpoint;                 // its address as text
  std::string certificate_fingerprint;  // 64 lower-case hex digits
  std::string exchange;                 // its request id
  int64_t generation = -1;              // of the configuration that it began with; -1: any
  int64_t certificate_generation = -1;  // of the configuration that brought its connection's certificates; -1: any
  bool everything() const { return *this == Selector{}; }
  bool fits(const Exchange& x) const;
  // Whether it means whole connections: everything, or nothing but properties that connections have.
  bool means_sessions() const;
  bool fits(const Session& s) const;  // means_sessions()
  bool operator==(const Selector&) const = default;
};
// A JSON object with the names above; an empty text or object is everything. Errors name the key.
Result<Selector> parse_selector(Bytes json);

// Somebody who may pass no more, from now on and among what lives.
struct Revocation {
  std::string user;                     // id or e-mail address; or
  std::string certificate_fingerprint;  // 64 lower-case hex digits
  int64_t until_unix_ms = 0;            // 0: as long as the proxy lives
  std::string by;                       // who said so, for the record
};
// A JSON object with `user` or `certificate_fingerprint` (either spelling of one), and perhaps `until`: Unix seconds or
// RFC 3339.
Result<Revocation> parse_revocation(Bytes json);

}  // namespace cardea::proxy
