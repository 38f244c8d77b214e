// x-pomerium-jwt-assertion: signed once for an identity and a route, used again while it lasts.
#pragma once

#include "base/arena.h"
#include "base/lru.h"
#include "config/config.h"

namespace cardea::proxy {

// One worker's.
class Assertions {
 public:
  // With the claims that the route passes on. In `arena`; empty when it cannot be signed. At least half of its life is
  // left.
  Bytes get(const token::SignerPtr& signer, const identity::IdentityPtr& who, const config::Route& route, Bytes host,
            int64_t now_unix_s, Arena& arena);

 private:
  struct Signed {
    token::SignerPtr signer;
    identity::IdentityPtr who;
    std::vector<std::string> claims;  // that were asked for, whether it has them or not
    int64_t at = 0;
    std::string text;
  };
  Lru<Signed> signed_{4096, 1024 * 1024};  // by identity, route and host
};

}  // namespace cardea::proxy
