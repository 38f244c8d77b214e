// Live requests and the configurations that they go by: listing, judging again, revoking, ending, dry runs.
#include <ctime>

#include "capi.h"
#include "proxy/live.h"

using namespace cardea;

namespace {

// The host's function with its data, called with the text; nothing when it wants none.
proxy::Told told(cardea_text_fn fn, void* ud) {
  return [fn, ud](std::string json) {
    if (fn) fn(ud, json.data(), json.size());
  };
}

// Reads the selector and goes on with it.
template <class Fn>
int with_selector(cardea_proxy* p, const char* selector, size_t n, cardea_error** error, Fn fn) {
  capi::cleared(error);
  if (!p) return CARDEA_EINVAL;
  return capi::guard([&] {
    auto which = proxy::parse_selector(capi::text(selector, n));
    if (!which) return capi::fail(error, which.error());
    fn(*which);
    return CARDEA_OK;
  });
}

}  // namespace

extern "C" {

int cardea_proxy_list(cardea_proxy* p, const char* selector, size_t n, cardea_text_fn fn, void* ud,
                      cardea_error** error) {
  if (!fn) return capi::cleared(error), CARDEA_EINVAL;
  return with_selector(p, selector, n, error,
                       [&](const proxy::Selector& which) { list_exchanges(*p->proxy, which, told(fn, ud)); });
}

int cardea_proxy_generations(cardea_proxy* p, cardea_text_fn fn, void* ud) {
  if (!p || !fn) return CARDEA_EINVAL;
  return capi::guard([&] {
    list_generations(*p->proxy, told(fn, ud));
    return CARDEA_OK;
  });
}

int cardea_proxy_reauthorize(cardea_proxy* p, const char* selector, size_t n, cardea_error** error) {
  return with_selector(p, selector, n, error, [&](const proxy::Selector& which) { p->proxy->reauthorize(which); });
}

int cardea_proxy_revoke(cardea_proxy* p, const char* who, size_t n, const char* by, cardea_error** error) {
  capi::cleared(error);
  if (!p) return CARDEA_EINVAL;
  return capi::guard([&] {
    auto revocation = proxy::parse_revocation(capi::text(who, n));
    if (!revocation) return capi::fail(error, revocation.error());
    if (by) revocation->by = by;
    if (p->proxy->revoke(*revocation, net::real_clock().unix_ms())) return CARDEA_OK;
    return capi::fail(error,
                      {kEagain, "revoke: " + std::to_string(proxy::Revocations::kMax) + " revocations are in force"});
  });
}

int cardea_proxy_end(cardea_proxy* p, const char* selector, size_t n, const char* by, cardea_text_fn fn, void* ud,
                     cardea_error** error) {
  return with_selector(p, selector, n, error, [&](const proxy::Selector& which) {
    end_exchanges(*p->proxy, which, by ? by : "", told(fn, ud));
  });
}

int cardea_proxy_dry_run(cardea_proxy* p, cardea_config* config, cardea_text_fn fn, void* ud, cardea_error** error) {
  capi::cleared(error);
  if (!p || !config || !fn) return CARDEA_EINVAL;
  return capi::guard([&] {
    if (!config->snapshot) return capi::fail(error, {kEinval, "dry run: the configuration is not sealed"});
    dry_run(*p->proxy, config->snapshot, told(fn, ud));
    return CARDEA_OK;
  });
}

}  // extern "C"
