// Drains with a selector.
#include "capi.h"

using namespace cardea;

extern "C" {

int cardea_proxy_drain_start(cardea_proxy* p, const char* selector, size_t n, int64_t deadline_ms, uint32_t flags,
                             const char* by, cardea_done_fn done, void* ud, uint64_t* id, cardea_error** error) {
  capi::cleared(error);
  if (id) *id = 0;
  constexpr uint32_t kStrategies = CARDEA_DRAIN_IMMEDIATE | CARDEA_DRAIN_GRADUAL;
  if (!p || flags & ~(kStrategies | CARDEA_DRAIN_RESTART) || (flags & kStrategies) == kStrategies) return CARDEA_EINVAL;
  return capi::guard([&] {
    const Bytes text = capi::text(selector, n);
    auto which = proxy::parse_selector(text);
    if (!which) return capi::fail(error, which.error());
    const config::SnapshotPtr s = p->proxy->snapshot();
    proxy::DrainOrder order;
    order.which = std::move(*which);
    order.selector = text;
    order.allowed = deadline_ms < 0 ? s->drain_timeout : Millis(deadline_ms);
    order.gradual = flags & kStrategies ? flags & CARDEA_DRAIN_GRADUAL : s->drain_gradual;
    order.restart = flags & CARDEA_DRAIN_RESTART;
    if (by) order.by = by;
    // `done` may come after the host has let go of the proxy.
    std::shared_ptr<proxy::Proxy> keep = p->proxy;
    cardea_proxy::HostHooks* hooks = p->hooks;
    const auto drain = keep->drains().begin(*keep, std::move(order), [keep, hooks, done, ud](const proxy::Drain& d) {
      capi::drained(*hooks, d.id);
      if (done) done(ud, CARDEA_OK);
    });
    if (!drain) return capi::fail(error, {kEagain, "drain: too many drains run"});
    if (id) *id = drain->id;
    return CARDEA_OK;
  });
}

int cardea_proxy_drains(cardea_proxy* p, cardea_text_fn fn, void* ud) {
  if (!p || !fn) return CARDEA_EINVAL;
  return capi::guard([&] {
    const std::string json = p->proxy->drains().json();
    fn(ud, json.data(), json.size());
    return CARDEA_OK;
  });
}

int cardea_proxy_drain_cancel(cardea_proxy* p, uint64_t id) {
  if (!p) return CARDEA_EINVAL;
  return capi::guard([&] { return p->proxy->drains().cancel(*p->proxy, id) ? CARDEA_OK : CARDEA_ESTALE; });
}

int cardea_proxy_drain_extend(cardea_proxy* p, uint64_t id, int64_t from_now_ms) {
  if (!p || from_now_ms < 0) return CARDEA_EINVAL;
  return capi::guard(
      [&] { return p->proxy->drains().extend(*p->proxy, id, Millis(from_now_ms)) ? CARDEA_OK : CARDEA_ESTALE; });
}

}  // extern "C"
