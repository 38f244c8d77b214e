// Which requests belong together: hash_policy. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/base.h"
#include "http/http.h"

namespace cardea::route {

// One entry; Envoy's names and meanings, and `identity`, which is ours.
struct HashPolicy {
  enum class By : uint8_t { header, cookie, source_ip, identity } by = By::source_ip;
  std::string name;           // of the header (lower case) or cookie
  std::optional<Millis> ttl;  // cookie: made when the request has none; 0: for the browser's session
  std::string path;           // of such a cookie; empty: none is said
  bool terminal = false;      // when there is a hash after it, later ones are not looked at
  bool operator==(const HashPolicy&) const = default;
};

struct HashFacts {
  const http::RequestHead* head = nullptr;
  Bytes source_ip;      // the client's
  Bytes user;           // empty: nobody is known
  uint64_t random = 0;  // becomes a new cookie's value
  bool secure = false;  // the client's connection is TLS: a new cookie is for such ones only
};
// The hash of a request; nullopt: no entry applies. Without entries (Pomerium's way): the user, else the source IP.
// `set_cookie`: what the answer must say in Set-Cookie, empty: nothing.
std::optional<uint64_t> hash_of(const std::vector<HashPolicy>& policy, const HashFacts& facts, std::string& set_cookie);

}  // namespace cardea::route
