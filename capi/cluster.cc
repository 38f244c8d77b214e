// Clusters at run time: their endpoints, custom health checks, what they are doing.
#include "capi.h"
#include "proxy/cluster_list.h"

using namespace cardea;

extern "C" {

int cardea_health_check_complete(cardea_proxy* p, cardea_token t, int healthy) {
  if (!p || (healthy != 0 && healthy != 1)) return CARDEA_EINVAL;
  return capi::guard([&] { return p->proxy->clusters().complete_check(t, healthy) ? CARDEA_OK : CARDEA_ESTALE; });
}

int cardea_proxy_set_endpoints(cardea_proxy* p, const char* cluster, size_t cluster_n, const char* json, size_t n,
                               cardea_error** error) {
  capi::cleared(error);
  if (!p || !cluster) return CARDEA_EINVAL;
  return capi::guard([&] {
    std::optional<Bytes> list;
    if (json) list = capi::text(json, n);
    auto set = p->proxy->clusters().set_endpoints(std::string(capi::text(cluster, cluster_n)), list);
    return set ? CARDEA_OK : capi::fail(error, set.error());
  });
}

int cardea_proxy_clusters(cardea_proxy* p, cardea_text_fn fn, void* ud) {
  if (!p || !fn) return CARDEA_EINVAL;
  return capi::guard([&] {
    const std::string json = proxy::list_clusters(*p->proxy);
    fn(ud, json.data(), json.size());
    return CARDEA_OK;
  });
}

}  // extern "C"
