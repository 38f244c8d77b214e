// Who sends a request: finds its token, verifies it once, remembers the answer.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/lru.h"
#include "config/config.h"
#include "http/http.h"
#include "proxy/key_sets.h"

namespace cardea::proxy {

// A configured provider with its keys, on one worker. Generations share it while its configuration is the same, so
// identities that it vouched for stay the same objects.
struct Provider {
  std::shared_ptr<const config::TokenProvider> config;
  RemoteKeySetPtr remote;  // null: config->keys
  token::KeySetPtr keys(Millis now) const { return remote ? remote->keys(now) : config->keys; }
  static bool same(const config::TokenProvider& a, const config::TokenProvider& b);
};
using ProviderPtr = std::shared_ptr<Provider>;

// Where a token was in the request: where it has to leave it again.
struct Credential {
  Bytes token;   // view into the request; empty: there is none
  Bytes header;  // name of the field that it was in, or
  Bytes cookie;  // name of the cookie
};

struct Caller {
  identity::IdentityPtr identity;           // null: nobody
  Credential credential;                    // of the provider that takes it, valid or not
  ProviderPtr provider;                     // who vouched, or whose keys are waited for
  token::KeySetPtr keys;                    // with which it was verified
  token::Fault fault = token::Fault::none;  // why a token that came does not count
  bool waits = false;                       // the keys have to be fetched first
  bool in_header = false;                   // a token came in a header, whether anybody takes it or not
};

// One worker's.
class Identifier {
 public:
  // Starts to fetch a provider's keys, unless they are fresh, that is going on or it was tried just now. `unknown_key`:
  // a token named a key that is not among those that are here.
  using Fetch = std::function<void(const ProviderPtr&, bool unknown_key)>;
  explicit Identifier(Fetch fetch) : fetch_(std::move(fetch)) {}

  // Providers in file order; the first valid token counts. A token of an issuer that nobody takes is no business of
  // ours: it stays where it is.
  Caller identify(const std::vector<ProviderPtr>& providers, const http::RequestHead& head, Millis now,
                  int64_t now_unix_ms);
  // The same for one token, wherever it was.
  Caller identify(const std::vector<ProviderPtr>& providers, const Credential& credential, Millis now,
                  int64_t now_unix_ms);
  size_t remembered() const { return known_.size(); }

 private:
  struct Known {
    identity::IdentityPtr identity;
    ProviderPtr provider;
    token::KeySetPtr keys;
  };
  bool judge(const ProviderPtr& provider, const Credential& credential, Millis now, int64_t now_unix_ms, Caller& out);

  Fetch fetch_;
  Lru<Known> known_{8192, 16 * 1024 * 1024};  // by token; valid ones only
};

// Takes the credential out of the head: the field, or the one cookie of it.
void strip_credential(http::RequestHead& head, const Credential& credential);

}  // namespace cardea::proxy
