// Tokens in requests.
#include "proxy/identifier.h"

#include <algorithm>

namespace cardea::proxy {

using http::Field;
using http::FieldId;

namespace {

Bytes trim(Bytes s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

// "Bearer " in any case (RFC 9110 11.1); what follows is the token.
Bytes after_prefix(Bytes value, const std::string& prefix) {
  if (value.size() <= prefix.size() || !http::equal_no_case(value.substr(0, prefix.size()), prefix)) return {};
  return trim(value.substr(prefix.size()));
}

// Calls fn(name, value, whole crumb) for each cookie of one field's value (RFC 6265 4.2.1).
template <class Fn>
void each_cookie(Bytes value, Fn fn) {
  while (!value.empty()) {
    const size_t end = std::min(value.find(';'), value.size());
    const Bytes crumb = trim(value.substr(0, end));
    value.remove_prefix(std::min(end + 1, value.size()));
    const size_t equals = crumb.find('=');
    if (equals == Bytes::npos) {
      fn(crumb, Bytes(), crumb);
    } else {
      fn(crumb.substr(0, equals), crumb.substr(equals + 1), crumb);
    }
  }
}

// Two fields of one name are two claims about who is calling: neither counts.
Credential find_in_header(const http::RequestHead& head, const config::TokenProvider::Header& where) {
  const Field* found = nullptr;
  for (const Field& f : head.fields) {
    if (!http::equal_no_case(f.name, where.name)) continue;
    if (found) return {};
    found = &f;
  }
  if (!found) return {};
  return {after_prefix(found->value, where.value_prefix), found->name, {}};
}

Credential find_in_cookies(const http::RequestHead& head, const std::string& name) {
  Bytes token;
  size_t count = 0;
  for (const Field& f : head.fields) {
    if (f.id != FieldId::cookie) continue;
    each_cookie(f.value, [&](Bytes cookie, Bytes value, Bytes) {
      if (cookie != name) return;
      token = value;
      ++count;
    });
  }
  if (count != 1) return {};
  if (token.size() >= 2 && token.front() == '"' && token.back() == '"') token = token.substr(1, token.size() - 2);
  return {token, {}, name};
}

template <class Fn>
void each_credential(const config::TokenProvider& provider, const http::RequestHead& head, Fn fn) {
  for (const auto& header : provider.from_headers) {
    Credential c = find_in_header(head, header);
    if (!c.token.empty() && fn(c)) return;
  }
  for (const std::string& cookie : provider.from_cookies) {
    Credential c = find_in_cookies(head, cookie);
    if (!c.token.empty() && fn(c)) return;
  }
}

}  // namespace

bool Provider::same(const config::TokenProvider& a, const config::TokenProvider& b) {
  const bool same_keys = a.remote ? b.remote && *a.remote == *b.remote : !b.remote && a.keys->same(*b.keys);
  return same_keys && a.name == b.name && a.rules == b.rules && a.from_headers == b.from_headers &&
         a.from_cookies == b.from_cookies;
}

Caller Identifier::identify(const std::vector<ProviderPtr>& providers, const http::RequestHead& head, Millis now,
                            int64_t now_unix_ms) {
  Caller caller;
  for (const ProviderPtr& provider : providers) {
    each_credential(*provider->config, head, [&](const Credential& credential) {
      return judge(provider, credential, now, now_unix_ms, caller);
    });
    if (caller.identity || caller.waits) break;
  }
  return caller;
}

Caller Identifier::identify(const std::vector<ProviderPtr>& providers, const Credential& credential, Millis now,
                            int64_t now_unix_ms) {
  Caller caller;
  for (const ProviderPtr& provider : providers) {
    if (judge(provider, credential, now, now_unix_ms, caller)) break;
  }
  return caller;
}

// True when the answer is in: somebody, or somebody whose keys are on their way.
bool Identifier::judge(const ProviderPtr& provider, const Credential& credential, Millis now, int64_t now_unix_ms,
                       Caller& out) {
  const token::KeySetPtr keys = provider->keys(now);
  out.in_header |= !credential.header.empty();
  if (keys && provider->remote) fetch_(provider, false);  // in time, so that nobody has to wait when they are too old
  if (const Known* known = known_.find(credential.token); known && known->provider == provider) {
    const int64_t until = known->identity->not_after_ms;
    if (known->keys == keys && (!until || now_unix_ms < until)) {
      out = {known->identity, credential, provider, keys, token::Fault::none, false, out.in_header};
      return true;
    }
  }
  const token::Rules& rules = provider->config->rules;
  if (!rules.issuer.empty() && token::claimed_issuer(credential.token) != rules.issuer) {
    if (out.fault == token::Fault::none) out.fault = token::Fault::issuer;
    return false;
  }
  out.credential = credential;
  out.provider = provider;
  token::Verified verified;
  if (keys) verified = token::verify(credential.token, rules, *keys, now_unix_ms);
  if (verified.identity) {
    known_.put(std::string(credential.token), {verified.identity, provider, keys});
    out.identity = std::move(verified.identity);
    out.keys = keys;
    out.fault = token::Fault::none;
    return true;
  }
  out.fault = keys ? verified.fault : token::Fault::unknown_key;
  if (out.fault != token::Fault::unknown_key || !provider->remote) return false;
  fetch_(provider, true);
  out.waits = provider->remote->fetching();
  return out.waits;
}

void strip_credential(http::RequestHead& head, const Credential& credential) {
  if (credential.token.empty()) return;
  if (!credential.header.empty()) {
    head.fields.remove(credential.header);
    return;
  }
  for (Field& f : head.fields) {
    if (f.id != FieldId::cookie) continue;
    char* out = head.arena.take(2 * f.value.size());  // crumbs may have come without their spaces
    size_t n = 0;
    each_cookie(f.value, [&](Bytes name, Bytes, Bytes crumb) {
      if (name == credential.cookie) return;
      if (n) n += size_t(std::copy_n("; ", 2, out + n) - (out + n));
      n += crumb.copy(out + n, crumb.size());
    });
    f.value = {out, n};
  }
  head.fields.remove_if([](const Field& f) { return f.id == FieldId::cookie && f.value.empty(); });
}

}  // namespace cardea::proxy
