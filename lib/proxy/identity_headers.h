// What a service is told about the caller, and what a client may not say about itself.
#pragma once

#include "config/config.h"
#include "http/http.h"
#include "proxy/assertions.h"

namespace cardea::proxy {

// Where services find the keys of assertions, on any host.
constexpr Bytes kKeySetPath = "/.well-known/pomerium/jwks.json";

// The identity's part of one request's head. Views last as long as the request.
struct IdentityHeaders {
  const config::Snapshot& snapshot;
  const config::Route& route;
  Bytes host;  // of the request: issuer and audience of the assertion
  const identity::IdentityPtr& who;
  Bytes credential;
  const identity::Certificate* certificate;
  Assertions& assertions;
  int64_t now_unix_s;
  Arena& arena;

  // Takes out every header that could be one of ours in any spelling (`_` for `-`, any case), also where nobody is
  // known; then, where the route passes identities on, adds the claims and the assertion.
  void replace(http::Fields& fields);
  // Values of Pomerium's tokens ("pomerium.jwt") in set_request_headers; `self` is an IdentityHeaders.
  static Bytes token_value(void* self, Bytes token);

 private:
  Bytes assertion();
};

}  // namespace cardea::proxy
