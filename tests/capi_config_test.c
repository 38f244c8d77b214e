/* Versions, errors, the table of options, setters, sealing and files. C89. */
#include <limits.h>
#include <unistd.h>

#include "capi_tests.h"

static void versions(void) {
  const uint32_t major = CARDEA_VERSION_MAJOR << 16, minor = CARDEA_VERSION_MINOR << 8;
  int anything = 0;
  SAME(cardea_init(CARDEA_VERSION_NUM, 0, NULL), CARDEA_OK);
  SAME(cardea_init(CARDEA_VERSION_NUM, 0, NULL), CARDEA_OK);
  SAME(cardea_init(major | minor | 255, 0, NULL), CARDEA_OK);
  SAME(cardea_init(major | (minor + 0x100), 0, NULL), CARDEA_ENOTSUP);
  SAME(cardea_init((major + 0x10000) | minor, 0, NULL), CARDEA_ENOTSUP);
  SAME(cardea_init(CARDEA_VERSION_NUM, 1, NULL), CARDEA_EINVAL);
  SAME(cardea_init(CARDEA_VERSION_NUM, 0, &anything), CARDEA_ENOTSUP);
  SAME(cardea_version(), CARDEA_VERSION_NUM);
  CHECK(strcmp(cardea_version_string(), "0.1.0") == 0);
  SAME(cardea_features(), CARDEA_FEATURE_TLS | CARDEA_FEATURE_HTTP2 | CARDEA_FEATURE_DNS);
}

static void errors(void) {
  int code, other;
  for (code = 0; code >= -18; --code) {
    CHECK(strncmp(cardea_errname(code), code ? "CARDEA_E" : "CARDEA_OK", 8) == 0);
    CHECK(strcmp(cardea_errname(code), "CARDEA_E?") != 0);
    CHECK(strlen(cardea_strerror(code)) > 5);
    for (other = 0; other > code; --other) {
      CHECK(strcmp(cardea_errname(code), cardea_errname(other)) != 0);
      CHECK(strcmp(cardea_strerror(code), cardea_strerror(other)) != 0);
    }
  }
  CHECK(strcmp(cardea_errname(-19), "CARDEA_E?") == 0 && strcmp(cardea_errname(1), "CARDEA_E?") == 0);
  CHECK(cardea_strerror(INT_MIN) != NULL);
  SAME(cardea_error_code(NULL), CARDEA_OK);
  CHECK(strcmp(cardea_error_message(NULL), "") == 0);
  SAME(cardea_error_source_code(NULL), 0);
  cardea_error_free(NULL);
}

static int set_int(int owner, void* object, int option, int64_t value) {
  switch (owner) {
    case CARDEA_OWNER_GLOBAL:
      return cardea_config_set_int((cardea_config*)object, option, value);
    case CARDEA_OWNER_LISTENER:
      return cardea_listener_set_int((cardea_listener*)object, option, value);
    case CARDEA_OWNER_ROUTE:
      return cardea_route_set_int((cardea_route*)object, option, value);
    default:
      return cardea_cluster_set_int((cardea_cluster*)object, option, value);
  }
}

static int set_str(int owner, void* object, int option, const char* s) {
  switch (owner) {
    case CARDEA_OWNER_GLOBAL:
      return cardea_config_set_str((cardea_config*)object, option, s, CARDEA_NTS);
    case CARDEA_OWNER_LISTENER:
      return cardea_listener_set_str((cardea_listener*)object, option, s, CARDEA_NTS);
    case CARDEA_OWNER_ROUTE:
      return cardea_route_set_str((cardea_route*)object, option, s, CARDEA_NTS);
    default:
      return cardea_cluster_set_str((cardea_cluster*)object, option, s, CARDEA_NTS);
  }
}

static void option_takes_its_type(int option, void* object, void* stranger) {
  const int owner = cardea_option_owner(option), type = cardea_option_type(option);
  int64_t def = 99, min = 99, max = 99;
  SAME(set_int(owner % 4 + 1, stranger, option, 1), CARDEA_ENOTFOUND);
  SAME(set_str(owner % 4 + 1, stranger, option, "x"), CARDEA_ENOTFOUND);
  if (type == CARDEA_TYPE_STRING || type == CARDEA_TYPE_STRINGS) {
    SAME(cardea_option_range(option, &def, &min, &max), CARDEA_EINVAL);
    SAME(set_int(owner, object, option, 1), CARDEA_EINVAL);
    return;
  }
  SAME(cardea_option_range(option, &def, &min, &max), CARDEA_OK);
  SAME(cardea_option_range(option, NULL, NULL, NULL), CARDEA_OK);
  CHECK(min < max);
  CHECK((def >= min && def <= max) || def == -1 || def == 0); /* -1: inherited; 0 outside: not set */
  SAME(set_int(owner, object, option, min), CARDEA_OK);
  SAME(set_int(owner, object, option, max), CARDEA_OK);
  if (min > INT64_MIN) SAME(set_int(owner, object, option, min - 1), CARDEA_EINVAL);
  if (max < INT64_MAX) SAME(set_int(owner, object, option, max + 1), CARDEA_EINVAL);
  if (type == CARDEA_TYPE_DURATION) {
    SAME(set_str(owner, object, option, "1h30m"), CARDEA_OK);
    SAME(set_str(owner, object, option, "-1s"), CARDEA_EINVAL);
    SAME(set_str(owner, object, option, "999999h"), CARDEA_EINVAL);
    SAME(set_str(owner, object, option, "soon"), CARDEA_EINVAL);
    SAME(set_str(owner, object, option, ""), CARDEA_EINVAL);
  } else {
    SAME(set_str(owner, object, option, "1"), CARDEA_EINVAL);
  }
}

static void every_option(void) {
  void* objects[5];
  cardea_config* config;
  cardea_listener* listener;
  cardea_route* route;
  cardea_cluster* cluster;
  int option, owner, rows = 0;
  SAME(cardea_config_new(&config), CARDEA_OK);
  SAME(cardea_listener_new("127.0.0.1:0", 11, &listener), CARDEA_OK);
  SAME(cardea_route_new("https://a.test", 14, &route), CARDEA_OK);
  SAME(cardea_cluster_new(&cluster), CARDEA_OK);
  objects[CARDEA_OWNER_GLOBAL] = config;
  objects[CARDEA_OWNER_LISTENER] = listener;
  objects[CARDEA_OWNER_ROUTE] = route;
  objects[CARDEA_OWNER_CLUSTER] = cluster;
  for (option = cardea_option_next(0); option > 0 && rows < 1000; option = cardea_option_next(option), ++rows) {
    const char* name = cardea_option_name(option);
    owner = cardea_option_owner(option);
    SAME(cardea_option_by_name(owner, name, CARDEA_NTS), option);
    SAME(cardea_option_by_name(owner, name, strlen(name)), option);
    SAME(cardea_option_by_name(owner, name, strlen(name) - 1), CARDEA_ENOTFOUND);
    CHECK(strlen(cardea_option_doc(option)) > 5);
    option_takes_its_type(option, objects[owner], objects[owner % 4 + 1]);
  }
  SAME(option, 0);
  CHECK(rows > 80);
  cardea_cluster_unref(cluster);
  cardea_route_unref(route);
  cardea_listener_unref(listener);
  cardea_config_unref(config);
}

static void unknown_options(void) {
  cardea_config* config;
  int i;
  static const int unknown[] = {-1, 1, 1000, 1999, 5001, INT_MAX, INT_MIN};
  SAME(cardea_config_new(&config), CARDEA_OK);
  for (i = 0; i < 7; ++i) {
    CHECK(!cardea_option_name(unknown[i]) && !cardea_option_doc(unknown[i]));
    SAME(cardea_option_owner(unknown[i]), CARDEA_ENOTFOUND);
    SAME(cardea_option_type(unknown[i]), CARDEA_ENOTFOUND);
    SAME(cardea_option_range(unknown[i], NULL, NULL, NULL), CARDEA_ENOTFOUND);
    SAME(cardea_option_next(unknown[i]), CARDEA_ENOTFOUND);
    SAME(cardea_config_set_int(config, unknown[i], 1), CARDEA_ENOTFOUND);
    SAME(cardea_config_set_str(config, unknown[i], "1", 1), CARDEA_ENOTFOUND);
  }
  SAME(cardea_option_by_name(CARDEA_OWNER_GLOBAL, "no_such_option", CARDEA_NTS), CARDEA_ENOTFOUND);
  SAME(cardea_option_by_name(CARDEA_OWNER_GLOBAL, "prefix", CARDEA_NTS), CARDEA_ENOTFOUND);
  SAME(cardea_option_by_name(CARDEA_OWNER_GLOBAL, NULL, 0), CARDEA_EINVAL);
  SAME(cardea_option_by_name(0, "prefix", CARDEA_NTS), CARDEA_EINVAL);
  SAME(cardea_option_by_name(5, "prefix", CARDEA_NTS), CARDEA_EINVAL);
  SAME(cardea_config_set_str(config, CARDEA_OPT_GLOBAL_DNS_LOOKUP_FAMILY, "V5_ONLY", CARDEA_NTS), CARDEA_EINVAL);
  SAME(cardea_config_set_str(config, CARDEA_OPT_GLOBAL_DNS_LOOKUP_FAMILY, "ALL\0", 4), CARDEA_EINVAL);
  cardea_config_unref(config);
}

static void values_of_a_sealed_configuration(void) {
  cardea_config* config = draft_of(PUBLIC);
  int64_t n = 0;
  cardea_str s;
  SAME(cardea_config_set_str(config, CARDEA_OPT_GLOBAL_TIMEOUT_IDLE, "1h30mXX", 5), CARDEA_OK);
  SAME(cardea_config_set_int(config, CARDEA_OPT_GLOBAL_MAX_CONNECTIONS, 7), CARDEA_OK);
  SAME(cardea_config_set_str(config, CARDEA_OPT_GLOBAL_DNS_LOOKUP_FAMILY, "V4_ONLY", CARDEA_NTS), CARDEA_OK);
  SAME(cardea_config_set_str(config, CARDEA_OPT_GLOBAL_ACCESS_LOG_PATH, "off", CARDEA_NTS), CARDEA_OK);
  SAME(cardea_config_get_int(config, CARDEA_OPT_GLOBAL_TIMEOUT_IDLE, &n), CARDEA_EAGAIN);
  SAME(cardea_config_get_str(config, CARDEA_OPT_GLOBAL_DNS_LOOKUP_FAMILY, &s), CARDEA_EAGAIN);
  CHECK(!s.ptr && !s.len);
  SAME(cardea_config_file(config, 0, &s), CARDEA_EAGAIN);
  SAME(cardea_config_listener_scheme(config, 0, &s), CARDEA_EAGAIN);
  must_seal(config);
  SAME(cardea_config_get_int(config, CARDEA_OPT_GLOBAL_TIMEOUT_IDLE, &n), CARDEA_OK);
  SAME(n, 90 * 60 * 1000);
  SAME(cardea_config_get_int(config, CARDEA_OPT_GLOBAL_MAX_CONNECTIONS, &n), CARDEA_OK);
  SAME(n, 7);
  SAME(cardea_config_get_int(config, CARDEA_OPT_GLOBAL_NORMALIZE_PATH, &n), CARDEA_OK);
  SAME(n, 1);
  SAME(cardea_config_get_int(config, CARDEA_OPT_GLOBAL_DNS_LOOKUP_FAMILY, &n), CARDEA_ENOTFOUND);
  SAME(cardea_config_get_int(config, CARDEA_OPT_ROUTE_TIMEOUT, &n), CARDEA_ENOTFOUND);
  SAME(cardea_config_get_str(config, CARDEA_OPT_GLOBAL_DNS_LOOKUP_FAMILY, &s), CARDEA_OK);
  CHECK(strcmp(text_of(s), "V4_ONLY") == 0);
  SAME(cardea_config_get_str(config, CARDEA_OPT_GLOBAL_ACCESS_LOG_PATH, &s), CARDEA_OK);
  CHECK(strcmp(text_of(s), "off") == 0);
  SAME(cardea_config_get_str(config, CARDEA_OPT_GLOBAL_CERTIFICATE_AUTHORITY, &s), CARDEA_OK);
  CHECK(s.ptr && s.len == 0);
  SAME(cardea_config_get_str(config, CARDEA_OPT_GLOBAL_TIMEOUT_IDLE, &s), CARDEA_EINVAL);
  SAME(cardea_config_get_str(config, CARDEA_OPT_ROUTE_NAME, &s), CARDEA_ENOTFOUND);
  SAME(cardea_config_listener_scheme(config, 0, &s), CARDEA_OK);
  CHECK(strcmp(text_of(s), "http") == 0);
  SAME(cardea_config_listener_scheme(config, 1, &s), CARDEA_ENOTFOUND);
  SAME(cardea_config_file(config, 0, &s), CARDEA_ENOTFOUND);
  cardea_config_unref(config);
}

/* ---- sealing ------------------------------------------------------------------------------------ */

static void sealed_objects_do_not_change(void) {
  cardea_config *config, *other;
  cardea_listener* l;
  cardea_tls *t, *t2;
  cardea_route* r;
  cardea_policy* p;
  cardea_cluster* k;
  cardea_error* error = NULL;
  int64_t n = 0;
  SAME(cardea_config_new(&config), CARDEA_OK);
  SAME(cardea_config_new(&other), CARDEA_OK);
  SAME(cardea_listener_new("127.0.0.1:0", CARDEA_NTS, &l), CARDEA_OK);
  SAME(cardea_tls_new(&t), CARDEA_OK);
  SAME(cardea_tls_new(&t2), CARDEA_OK);
  SAME(cardea_tls_add_cert(t, CERTIFICATE, CARDEA_NTS, PRIVATE_KEY, CARDEA_NTS, &error), CARDEA_OK);
  CHECK(!error);
  SAME(cardea_route_new("https://app.test", CARDEA_NTS, &r), CARDEA_OK);
  SAME(cardea_policy_public(&p), CARDEA_OK);
  SAME(cardea_cluster_new(&k), CARDEA_OK);
  SAME(cardea_cluster_add_endpoint(k, "http://127.0.0.1:1", CARDEA_NTS, 1), CARDEA_OK);
  SAME(cardea_listener_set_tls(l, t), CARDEA_OK);
  SAME(cardea_route_set_cluster(r, k), CARDEA_OK);
  SAME(cardea_route_set_policy(r, p), CARDEA_OK);
  SAME(cardea_config_add_listener(config, l), CARDEA_OK);
  SAME(cardea_config_add_route(config, r), CARDEA_OK);
  SAME(cardea_config_set_int(config, CARDEA_OPT_GLOBAL_TIMEOUT_IDLE, 5), CARDEA_OK);
  must_seal(config);
  SAME(cardea_config_seal(config, &error), CARDEA_ESEALED);
  SAME(cardea_config_set_int(config, CARDEA_OPT_GLOBAL_TIMEOUT_IDLE, 6), CARDEA_ESEALED);
  SAME(cardea_config_set_str(config, CARDEA_OPT_GLOBAL_TIMEOUT_IDLE, "6ms", CARDEA_NTS), CARDEA_ESEALED);
  SAME(cardea_config_set_str(config, CARDEA_OPT_GLOBAL_ACCESS_LOG_PATH, "off", CARDEA_NTS), CARDEA_ESEALED);
  SAME(cardea_config_add_listener(config, l), CARDEA_ESEALED);
  SAME(cardea_config_add_route(config, r), CARDEA_ESEALED);
  SAME(cardea_listener_set_int(l, CARDEA_OPT_LISTENER_USE_PROXY_PROTOCOL, 1), CARDEA_ESEALED);
  SAME(cardea_listener_set_str(l, CARDEA_OPT_LISTENER_ADDRESS, ":1", CARDEA_NTS), CARDEA_ESEALED);
  SAME(cardea_listener_set_tls(l, t2), CARDEA_ESEALED);
  SAME(cardea_tls_add_cert(t, CERTIFICATE, CARDEA_NTS, PRIVATE_KEY, CARDEA_NTS, &error), CARDEA_ESEALED);
  SAME(cardea_error_code(error), CARDEA_ESEALED);
  cardea_error_free(error);
  SAME(cardea_tls_add_cert_file(t, "a", "b", NULL), CARDEA_ESEALED);
  SAME(cardea_route_set_int(r, CARDEA_OPT_ROUTE_TIMEOUT, 1), CARDEA_ESEALED);
  SAME(cardea_route_set_str(r, CARDEA_OPT_ROUTE_NAME, "n", 1), CARDEA_ESEALED);
  SAME(cardea_route_set_policy(r, p), CARDEA_ESEALED);
  SAME(cardea_route_set_cluster(r, k), CARDEA_ESEALED);
  SAME(cardea_cluster_set_int(k, CARDEA_OPT_CLUSTER_TLS_SKIP_VERIFY, 1), CARDEA_ESEALED);
  SAME(cardea_cluster_set_str(k, CARDEA_OPT_CLUSTER_TLS_SERVER_NAME, "n", 1), CARDEA_ESEALED);
  SAME(cardea_cluster_add_endpoint(k, "http://127.0.0.1:2", CARDEA_NTS, 1), CARDEA_ESEALED);
  SAME(cardea_config_get_int(config, CARDEA_OPT_GLOBAL_TIMEOUT_IDLE, &n), CARDEA_OK);
  SAME(n, 5);
  /* A frozen object may be a part of the next configuration all the same. */
  SAME(cardea_config_add_listener(other, l), CARDEA_OK);
  SAME(cardea_config_add_route(other, r), CARDEA_OK);
  must_seal(other);
  cardea_config_unref(other);
  cardea_config_unref(config);
  cardea_listener_unref(l);
  cardea_tls_unref(t);
  cardea_tls_unref(t2);
  cardea_route_unref(r);
  cardea_policy_unref(p);
  cardea_cluster_unref(k);
}

static void seal_names_every_fault(void) {
  cardea_config* config = NULL;
  cardea_listener* l = NULL;
  cardea_route* r = NULL;
  cardea_cluster* k = NULL;
  cardea_tls* t = NULL;
  cardea_error* error = NULL;
  cardea_proxy* proxy = (cardea_proxy*)&proxy;
  SAME(cardea_config_new(&config), CARDEA_OK);
  SAME(cardea_config_seal(config, &error), CARDEA_ECONFIG);
  SAME(cardea_error_code(error), CARDEA_ECONFIG);
  SAYS(cardea_error_message(error), "listeners");
  cardea_error_free(error);
  SAME(cardea_config_seal(config, NULL), CARDEA_ECONFIG);

  SAME(cardea_listener_new("127.0.0.1:0", CARDEA_NTS, &l), CARDEA_OK);
  SAME(cardea_tls_new(&t), CARDEA_OK);
  SAME(cardea_tls_add_cert_file(t, "/no/such.pem", "/no/such.key", NULL), CARDEA_OK);
  SAME(cardea_listener_set_tls(l, t), CARDEA_OK);
  SAME(cardea_config_add_listener(config, l), CARDEA_OK);
  SAME(cardea_route_new("app.test", CARDEA_NTS, &r), CARDEA_OK);
  SAME(cardea_route_set_str(r, CARDEA_OPT_ROUTE_PREFIX, "api", CARDEA_NTS), CARDEA_OK);
  SAME(cardea_route_set_str(r, CARDEA_OPT_ROUTE_REGEX, "(", CARDEA_NTS), CARDEA_OK);
  SAME(cardea_cluster_new(&k), CARDEA_OK);
  SAME(cardea_cluster_add_endpoint(k, "gopher://127.0.0.1", CARDEA_NTS, 1), CARDEA_OK);
  SAME(cardea_route_set_cluster(r, k), CARDEA_OK);
  SAME(cardea_config_add_route(config, r), CARDEA_OK);
  SAME(cardea_config_seal(config, &error), CARDEA_ECONFIG);
  SAYS(cardea_error_message(error), "/no/such.pem");
  SAYS(cardea_error_message(error), "/no/such.key");
  SAYS(cardea_error_message(error), "from");
  SAYS(cardea_error_message(error), "prefix");
  SAYS(cardea_error_message(error), "route[0].to: must begin with http://");
  cardea_error_free(error);
  /* Nothing was frozen by the failure. */
  SAME(cardea_route_set_str(r, CARDEA_OPT_ROUTE_PREFIX, "/api", CARDEA_NTS), CARDEA_OK);
  SAME(cardea_proxy_new(config, NULL, NULL, NULL, &proxy, &error), CARDEA_EINVAL);
  CHECK(!proxy);
  SAYS(cardea_error_message(error), "sealed");
  cardea_error_free(error);
  cardea_config_unref(config);
  cardea_listener_unref(l);
  cardea_route_unref(r);
  cardea_cluster_unref(k);
  cardea_tls_unref(t);
}

static void a_failed_seal_may_be_repaired(void) {
  cardea_config *good = draft_of(PUBLIC), *config = NULL;
  cardea_listener* l = NULL;
  cardea_error* error = NULL;
  SAME(cardea_config_new(&config), CARDEA_OK);
  SAME(cardea_config_seal(config, &error), CARDEA_ECONFIG);
  cardea_error_free(error);
  SAME(cardea_listener_new("127.0.0.1:0", CARDEA_NTS, &l), CARDEA_OK);
  SAME(cardea_config_add_listener(good, l), CARDEA_OK); /* a second ":0" is a listener of its own */
  SAME(cardea_config_add_listener(config, l), CARDEA_OK);
  must_seal(good);
  SAME(cardea_config_seal(config, &error), CARDEA_ECONFIG);
  SAYS(cardea_error_message(error), "routes");
  cardea_error_free(error);
  cardea_listener_unref(l);
  cardea_config_unref(config);
  cardea_config_unref(good);
}

static void certificates(void) {
  static const struct {
    const char *cert, *key, *says;
  } rows[] = {{"not a certificate", PRIVATE_KEY, "certificate"},
              {CERTIFICATE, "not a key", "key"},
              {"", "", "certificate"},
              {CERTIFICATE, OTHER_PRIVATE_KEY, "match"}};
  cardea_tls* t = NULL;
  cardea_error* error;
  size_t i;
  SAME(cardea_tls_new(&t), CARDEA_OK);
  for (i = 0; i < 4; ++i) {
    error = NULL;
    SAME(cardea_tls_add_cert(t, rows[i].cert, CARDEA_NTS, rows[i].key, CARDEA_NTS, &error), CARDEA_ETLS);
    SAME(cardea_error_code(error), CARDEA_ETLS);
    SAYS(cardea_error_message(error), rows[i].says);
    CHECK(!strstr(cardea_error_message(error), "PRIVATE KEY"));
    cardea_error_free(error);
    SAME(cardea_tls_add_cert(t, rows[i].cert, CARDEA_NTS, rows[i].key, CARDEA_NTS, NULL), CARDEA_ETLS);
  }
  SAME(cardea_tls_add_cert(t, CERTIFICATE, strlen(CERTIFICATE), PRIVATE_KEY, strlen(PRIVATE_KEY), NULL), CARDEA_OK);
  cardea_tls_unref(t);
}

/* ---- texts -------------------------------------------------------------------------------------- */

static void a_file_names_every_fault(void) {
  static const char text[] =
      "address: 127.0.0.1:0\n"
      "timeout_idel: 5s\n"
      "timeout_read: soon\n"
      "routes:\n"
      "  - from: https://app.test\n"
      "    to: gopher://127.0.0.1:1\n"
      "    depends_on: [x]\n";
  cardea_config* config = (cardea_config*)&config;
  cardea_error* error = NULL;
  SAME(cardea_config_load(text, CARDEA_NTS, "etc/c.yaml", &config, &error), CARDEA_ECONFIG);
  CHECK(!config);
  SAME(cardea_error_code(error), CARDEA_ECONFIG);
  SAYS(cardea_error_message(error), "etc/c.yaml:2:1: timeout_idel: ");
  SAYS(cardea_error_message(error), "etc/c.yaml:3:15: timeout_read: ");
  SAYS(cardea_error_message(error), "etc/c.yaml:6:");
  SAYS(cardea_error_message(error), "not supported yet: depends_on");
  cardea_error_free(error);
  SAME(cardea_config_load("[", 1, NULL, &config, &error), CARDEA_ECONFIG);
  SAYS(cardea_error_message(error), "config:");
  cardea_error_free(error);
  SAME(cardea_config_load("", 0, "c", &config, NULL), CARDEA_ECONFIG);
}

static void a_file_is_a_configuration(void) {
  char text[512];
  cardea_config* config = NULL;
  cardea_error* error = NULL;
  cardea_str s;
  sprintf(text,
          "{\"address\": \"127.0.0.1:0\", \"insecure_server\": true, \"timeout_idle\": \"90s\", \"routes\":"
          " [{\"from\": \"http://app.test\", \"to\": \"%s\", \"allow_public_unauthenticated_access\": true}]}",
          origin_url());
  SAME(cardea_config_load(text, strlen(text), "c.json", &config, &error), CARDEA_OK);
  CHECK(!error);
  SAME(cardea_config_set_int(config, CARDEA_OPT_GLOBAL_TIMEOUT_READ, 1000), CARDEA_OK);
  must_seal(config);
  SAME(cardea_config_listener_scheme(config, 0, &s), CARDEA_OK);
  CHECK(strcmp(text_of(s), "http") == 0);
  cardea_config_unref(config);
}

static void policies(void) {
  cardea_policy* p = (cardea_policy*)&p;
  cardea_error* error = NULL;
  SAME(cardea_policy_parse("allow: {or: [{acept: true}]}", CARDEA_NTS, &p, &error), CARDEA_ECONFIG);
  CHECK(!p);
  SAYS(cardea_error_message(error), "policy:1:");
  SAYS(cardea_error_message(error), "acept");
  cardea_error_free(error);
  SAME(cardea_policy_parse("{\"allow\": {\"and\": [{\"host\": {\"team\": 1}}]}}", CARDEA_NTS, &p, &error), CARDEA_OK);
  cardea_policy_unref(p);
  SAME(cardea_policy_host(NULL, 0, &p), CARDEA_OK);
  cardea_policy_unref(p);
  SAME(cardea_policy_host("\xff\"\\\n\0: [", 8, &p), CARDEA_OK);
  cardea_policy_unref(p);
  SAME(cardea_policy_public(&p), CARDEA_OK);
  cardea_policy_unref(p);
}

const test_case config_cases[] = {{"versions", versions},
                                  {"errors", errors},
                                  {"every_option", every_option},
                                  {"unknown_options", unknown_options},
                                  {"values_of_a_sealed_configuration", values_of_a_sealed_configuration},
                                  {"sealed_objects_do_not_change", sealed_objects_do_not_change},
                                  {"seal_names_every_fault", seal_names_every_fault},
                                  {"a_failed_seal_may_be_repaired", a_failed_seal_may_be_repaired},
                                  {"certificates", certificates},
                                  {"a_file_names_every_fault", a_file_names_every_fault},
                                  {"a_file_is_a_configuration", a_file_is_a_configuration},
                                  {"policies", policies},
                                  {NULL, NULL}};
