// Configuration objects: drafts behind counted handles, sealed into a snapshot.
#include "base/json.h"
#include "capi.h"

using namespace cardea;
using capi::guard;
using capi::text;

namespace {

std::atomic<uint64_t> generations{0};

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

int faulty(const yaml::Faults& faults, const std::string& source, cardea_error** error) {
  return capi::fail(error, {kEconfig, faults.text(source)});
}

template <class H>
int set_int(H* h, int option, int64_t value) {
  if (!h) return CARDEA_EINVAL;
  return guard([&] { return capi::code_of(config::set_int(*h->draft, option, value)); });
}
template <class H>
int set_str(H* h, int option, const char* s, size_t n) {
  if (!h || !s) return CARDEA_EINVAL;
  return guard([&] {
    const config::OptionRow* row = config::option_by_id(option);
    if (!row || row->type != config::Type::duration_ms) {
      return capi::code_of(config::set_str(*h->draft, option, std::string(text(s, n))));
    }
    // No duration takes -1, so the setter says what is wrong: owner, seal or value.
    auto millis = yaml::parse_duration(text(s, n));
    const bool fits = millis && *millis <= Millis(config::kYear);
    return capi::code_of(config::set_int(*h->draft, option, fits ? int64_t(*millis) : -1));
  });
}

template <class H, class D>
int make(H** out) {
  if (!capi::cleared(out)) return CARDEA_EINVAL;
  return guard([&] {
    auto h = std::make_unique<H>();
    h->draft = std::make_shared<D>();
    *out = h.release();
    return CARDEA_OK;
  });
}

// A new object whose first option is its only required one.
template <class H, class D>
int make_with(H** out, int option, const char* s, size_t n) {
  if (!capi::cleared(out) || !s) return CARDEA_EINVAL;
  H* made = nullptr;
  int code = make<H, D>(&made);
  if (code == CARDEA_OK) code = set_str(made, option, s, n);
  if (code == CARDEA_OK) {
    *out = made;
  } else {
    capi::unref(made);
  }
  return code;
}

// `out` is cleared.
int parse_policy(Bytes source, cardea_policy** out, cardea_error** error) {
  return guard([&] {
    yaml::Faults faults;
    auto draft = config::parse_policy(source, faults);
    if (!draft) return faulty(faults, "policy", error);
    auto h = std::make_unique<cardea_policy>();
    h->draft = std::move(draft);
    *out = h.release();
    return CARDEA_OK;
  });
}

// The value of a string option; other types have cardea_config_get_int().
int show(const std::string& value, cardea_str* out) {
  return capi::give(out, value);
}
template <class T>
int show(const T&, cardea_str*) {
  return CARDEA_EINVAL;
}

}  // namespace

extern "C" {

int cardea_config_new(cardea_config** out) {
  return make<cardea_config, config::ConfigDraft>(out);
}

int cardea_config_load(const char* source, size_t n, const char* source_name, cardea_config** out,
                       cardea_error** error) {
  capi::cleared(error);
  if (!capi::cleared(out) || !source) return CARDEA_EINVAL;
  return guard([&] {
    auto h = std::make_unique<cardea_config>();
    h->source_name = source_name ? source_name : "config";
    yaml::Faults faults;
    h->draft = config::load(text(source, n), folder_of(h->source_name), faults);
    if (!h->draft || !faults.empty()) {
      if (h->draft) (void)config::freeze(*h->draft, {}, faults);  // to hear of every fault at once
      return faulty(faults, h->source_name, error);
    }
    *out = h.release();
    return CARDEA_OK;
  });
}

void cardea_config_unref(cardea_config* c) {
  capi::unref(c);
}
int cardea_config_set_int(cardea_config* c, int option, int64_t value) {
  return set_int(c, option, value);
}
int cardea_config_set_str(cardea_config* c, int option, const char* s, size_t n) {
  return set_str(c, option, s, n);
}

int cardea_config_add_listener(cardea_config* c, cardea_listener* l) {
  if (!c || !l) return CARDEA_EINVAL;
  if (c->draft->sealed) return CARDEA_ESEALED;
  return guard([&] {
    c->draft->listeners.push_back(l->draft);
    return CARDEA_OK;
  });
}

int cardea_config_add_route(cardea_config* c, cardea_route* r) {
  if (!c || !r) return CARDEA_EINVAL;
  if (c->draft->sealed) return CARDEA_ESEALED;
  return guard([&] {
    c->draft->routes.push_back(r->draft);
    return CARDEA_OK;
  });
}

int cardea_config_seal(cardea_config* c, cardea_error** error) {
  capi::cleared(error);
  if (!c) return CARDEA_EINVAL;
  if (c->snapshot) return CARDEA_ESEALED;
  return guard([&] {
    yaml::Faults faults;
    config::FreezeOptions options;
    options.generation = ++generations;
    auto snapshot = config::freeze(*c->draft, options, faults);
    if (!snapshot) return faulty(faults, c->source_name.empty() ? "config" : c->source_name, error);
    config::seal(*c->draft);
    c->snapshot = std::move(snapshot);
    return CARDEA_OK;
  });
}

int cardea_config_get_int(const cardea_config* c, int option, int64_t* out) {
  if (!c || !out) return CARDEA_EINVAL;
  if (!c->snapshot) return CARDEA_EAGAIN;
  for (const auto& [id, value] : c->snapshot->globals) {
    if (id != option) continue;
    *out = value;
    return CARDEA_OK;
  }
  return CARDEA_ENOTFOUND;
}

int cardea_config_get_str(const cardea_config* c, int option, cardea_str* out) {
  if (!capi::cleared(out) || !c) return CARDEA_EINVAL;
  if (!c->snapshot) return CARDEA_EAGAIN;
  if (option == CARDEA_OPT_GLOBAL_ACCESS_LOG_PATH) return capi::give(out, c->snapshot->access_log);  // as resolved
  switch (option) {
#define GLOBAL_OPTION(id, name, type, member, ...) \
  case id:                                         \
    return show(c->draft->member.value, out);
#include "config/options.def"
    default:
      return CARDEA_ENOTFOUND;
  }
}

int cardea_config_file(const cardea_config* c, size_t index, cardea_str* out) {
  if (!capi::cleared(out) || !c) return CARDEA_EINVAL;
  if (!c->snapshot) return CARDEA_EAGAIN;
  if (index >= c->snapshot->files.size()) return CARDEA_ENOTFOUND;
  return capi::give(out, c->snapshot->files[index]);
}

int cardea_config_listener_scheme(const cardea_config* c, size_t index, cardea_str* out) {
  if (!capi::cleared(out) || !c) return CARDEA_EINVAL;
  if (!c->snapshot) return CARDEA_EAGAIN;
  if (index >= c->snapshot->listeners.size()) return CARDEA_ENOTFOUND;
  return capi::give(out, c->snapshot->listeners[index].tls ? "https" : "http");
}

int cardea_listener_new(const char* address, size_t n, cardea_listener** out) {
  return make_with<cardea_listener, config::ListenerDraft>(out, CARDEA_OPT_LISTENER_ADDRESS, address, n);
}
void cardea_listener_unref(cardea_listener* l) {
  capi::unref(l);
}
int cardea_listener_set_int(cardea_listener* l, int option, int64_t value) {
  return set_int(l, option, value);
}
int cardea_listener_set_str(cardea_listener* l, int option, const char* s, size_t n) {
  return set_str(l, option, s, n);
}
int cardea_listener_set_tls(cardea_listener* l, cardea_tls* t) {
  if (!l || !t) return CARDEA_EINVAL;
  if (l->draft->sealed) return CARDEA_ESEALED;
  l->draft->tls = t->draft;
  return CARDEA_OK;
}

int cardea_tls_new(cardea_tls** out) {
  return make<cardea_tls, config::TlsDraft>(out);
}
void cardea_tls_unref(cardea_tls* t) {
  capi::unref(t);
}

int cardea_tls_add_cert(cardea_tls* t, const char* cert, size_t cert_n, const char* key, size_t key_n,
                        cardea_error** error) {
  capi::cleared(error);
  if (!t || !cert || !key) return CARDEA_EINVAL;
  return guard([&] {
    if (t->draft->sealed) return capi::fail(error, {kEsealed, cardea_strerror(CARDEA_ESEALED)});
    // Looked at now, so that the host hears of a bad pair where it has it in hand.
    tls::KeyPair pair{{std::string(text(cert, cert_n)), "certificate"}, {std::string(text(key, key_n)), "key"}};
    if (auto checked = tls::Certificate::load(pair); !checked) return capi::fail(error, checked.error());
    auto added = t->draft->add(std::move(pair.certificate.text), std::move(pair.key.text));
    return added ? CARDEA_OK : capi::fail(error, added.error());
  });
}
int cardea_tls_add_cert_file(cardea_tls* t, const char* cert_path, const char* key_path, cardea_error** error) {
  capi::cleared(error);
  if (!t || !cert_path || !key_path) return CARDEA_EINVAL;
  return guard([&] {
    auto added = t->draft->add(cert_path, key_path);
    if (!added) return capi::fail(error, added.error());
    config::TlsDraft::Pair& pair = t->draft->pairs.back();
    pair.certificate.only_path = pair.key.only_path = true;  // "cert" is a file's name, not four letters of base64
    return CARDEA_OK;
  });
}

int cardea_route_new(const char* from, size_t n, cardea_route** out) {
  return make_with<cardea_route, config::RouteDraft>(out, CARDEA_OPT_ROUTE_FROM, from, n);
}
void cardea_route_unref(cardea_route* r) {
  capi::unref(r);
}
int cardea_route_set_int(cardea_route* r, int option, int64_t value) {
  return set_int(r, option, value);
}
int cardea_route_set_str(cardea_route* r, int option, const char* s, size_t n) {
  return set_str(r, option, s, n);
}
int cardea_route_set_policy(cardea_route* r, cardea_policy* p) {
  if (!r || !p) return CARDEA_EINVAL;
  if (r->draft->sealed) return CARDEA_ESEALED;
  r->draft->policy = p->draft;
  return CARDEA_OK;
}
int cardea_route_set_cluster(cardea_route* r, cardea_cluster* k) {
  if (!r || !k) return CARDEA_EINVAL;
  if (r->draft->sealed) return CARDEA_ESEALED;
  r->draft->cluster = k->draft;
  return CARDEA_OK;
}

int cardea_policy_parse(const char* source, size_t n, cardea_policy** out, cardea_error** error) {
  capi::cleared(error);
  if (!capi::cleared(out) || !source) return CARDEA_EINVAL;
  return parse_policy(text(source, n), out, error);
}
int cardea_policy_public(cardea_policy** out) {
  return capi::cleared(out) ? parse_policy("allow: {or: [{accept: true}]}", out, nullptr) : CARDEA_EINVAL;
}
int cardea_policy_host(const char* data, size_t n, cardea_policy** out) {
  if (!capi::cleared(out)) return CARDEA_EINVAL;
  return guard([&] {
    std::string source = "{\"allow\": {\"or\": [{\"host\": ";
    append_json_string(source, text(data, n));
    return parse_policy(source + "}]}}", out, nullptr);
  });
}
void cardea_policy_unref(cardea_policy* p) {
  capi::unref(p);
}

int cardea_cluster_new(cardea_cluster** out) {
  return make<cardea_cluster, config::ClusterDraft>(out);
}
void cardea_cluster_unref(cardea_cluster* k) {
  capi::unref(k);
}
int cardea_cluster_set_int(cardea_cluster* k, int option, int64_t value) {
  return set_int(k, option, value);
}
int cardea_cluster_set_str(cardea_cluster* k, int option, const char* s, size_t n) {
  return set_str(k, option, s, n);
}
int cardea_cluster_add_endpoint(cardea_cluster* k, const char* url, size_t n, uint32_t weight) {
  if (!k || !url || weight == 0) return CARDEA_EINVAL;
  return guard([&] {
    std::string to(text(url, n));
    to.append(",").append(std::to_string(weight));
    return capi::code_of(config::set_str(*k->draft, CARDEA_OPT_CLUSTER_TO, std::move(to)));
  });
}

}  // extern "C"
