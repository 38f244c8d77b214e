/* Every number of the header, once more and on purpose: what is compiled into hosts never changes. A new one gets a
 * row. C89. */
#include <stddef.h>

#include "capi_tests.h"

static const struct {
  const char* name;
  int value, pinned;
} constants[] = {
#define ROW(name, value) \
  { #name, (int)name, value }
    ROW(CARDEA_OK, 0),
    ROW(CARDEA_EINVAL, -1),
    ROW(CARDEA_ENOMEM, -2),
    ROW(CARDEA_EINTERNAL, -3),
    ROW(CARDEA_ESEALED, -4),
    ROW(CARDEA_ECONFIG, -5),
    ROW(CARDEA_EIO, -6),
    ROW(CARDEA_ETLS, -7),
    ROW(CARDEA_EADDRINUSE, -8),
    ROW(CARDEA_ENOTFOUND, -9),
    ROW(CARDEA_ENOTSUP, -10),
    ROW(CARDEA_ESTALE, -11),
    ROW(CARDEA_EREENTRANT, -12),
    ROW(CARDEA_EWRONGTHREAD, -13),
    ROW(CARDEA_ECLOSED, -14),
    ROW(CARDEA_ETIMEDOUT, -15),
    ROW(CARDEA_EFORKED, -16),
    ROW(CARDEA_EEXIST, -17),
    ROW(CARDEA_EAGAIN, -18),
    ROW(CARDEA_FEATURE_TLS, 1),
    ROW(CARDEA_FEATURE_HTTP2, 2),
    ROW(CARDEA_FEATURE_DNS, 4),
    ROW(CARDEA_LOG_ERROR, 1),
    ROW(CARDEA_LOG_WARNING, 2),
    ROW(CARDEA_LOG_NOTICE, 3),
    ROW(CARDEA_LOG_DEBUG, 4),
    ROW(CARDEA_OWNER_GLOBAL, 1),
    ROW(CARDEA_OWNER_LISTENER, 2),
    ROW(CARDEA_OWNER_ROUTE, 3),
    ROW(CARDEA_OWNER_CLUSTER, 4),
    ROW(CARDEA_TYPE_BOOL, 1),
    ROW(CARDEA_TYPE_INT, 2),
    ROW(CARDEA_TYPE_DURATION, 3),
    ROW(CARDEA_TYPE_STRING, 4),
    ROW(CARDEA_TYPE_STRINGS, 5),
    ROW(CARDEA_DENY, 0),
    ROW(CARDEA_ALLOW, 1),
    ROW(CARDEA_PENDING, 2),
    ROW(CARDEA_STR_REQUEST_ID, 1),
    ROW(CARDEA_STR_METHOD, 2),
    ROW(CARDEA_STR_HOST, 3),
    ROW(CARDEA_STR_PATH, 4),
    ROW(CARDEA_STR_QUERY, 5),
    ROW(CARDEA_STR_ROUTE, 6),
    ROW(CARDEA_STR_CLIENT_IP, 7),
    ROW(CARDEA_STR_PEER, 8),
    ROW(CARDEA_STR_LISTENER, 9),
    ROW(CARDEA_STR_IDENTITY, 10),
    ROW(CARDEA_STR_POLICY_DATA, 11),
    ROW(CARDEA_STR_ENDPOINT, 12),
    ROW(CARDEA_STR_CAUSE, 13),
    ROW(CARDEA_STR_FLAGS, 14),
    ROW(CARDEA_STR_PROTOCOL, 15),
    ROW(CARDEA_STR_TLS_VERSION, 16),
    ROW(CARDEA_STR_SNI, 17),
    ROW(CARDEA_STR_ACCESS_RECORD, 18),
    ROW(CARDEA_STR_HEADERS, 19),
    ROW(CARDEA_STR_EMAIL, 20),
    ROW(CARDEA_STR_CERTIFICATE_FINGERPRINT, 21),
    ROW(CARDEA_STR_RULE, 22),
    ROW(CARDEA_STR_REASONS, 23),
    ROW(CARDEA_STR_LIVE_RECORD, 24),
    ROW(CARDEA_STR_CLUSTER, 25),
    ROW(CARDEA_INT_STATUS, 1),
    ROW(CARDEA_INT_BYTES_IN, 2),
    ROW(CARDEA_INT_BYTES_OUT, 3),
    ROW(CARDEA_INT_DURATION, 4),
    ROW(CARDEA_INT_CONNECT, 5),
    ROW(CARDEA_INT_FIRST_BYTE, 6),
    ROW(CARDEA_INT_ATTEMPTS, 7),
    ROW(CARDEA_INT_GENERATION, 8),
    ROW(CARDEA_INT_CONN_ID, 9),
    ROW(CARDEA_INT_TRUNCATED, 10),
    ROW(CARDEA_INT_REAUTHORIZED, 11),
    ROW(CARDEA_INT_POLICY_GENERATION, 12),
    ROW(CARDEA_EVENT_AUTHORIZE, 1),
    ROW(CARDEA_EVENT_REQUEST_END, 2),
    ROW(CARDEA_EVENT_CONN_OPEN, 3),
    ROW(CARDEA_EVENT_CONN_CLOSE, 4),
    ROW(CARDEA_DRAIN_IMMEDIATE, 1),
    ROW(CARDEA_DRAIN_GRADUAL, 2),
    ROW(CARDEA_DRAIN_RESTART, 4),
    ROW(CARDEA_EVENT_DRAINED, 5),
    ROW(CARDEA_EVENT_OVERFLOW, 6),
    ROW(CARDEA_EVENT_HEALTH, 7),
    ROW(CARDEA_EVENT_HEALTH_CHECK, 8),
    ROW(CARDEA_EVENT_REQUEST, 9),
    ROW(CARDEA_EVENT_READABLE, 10),
    ROW(CARDEA_EVENT_WRITABLE, 11),
    ROW(CARDEA_EVENT_REQUEST_LOG, 12),
    ROW(CARDEA_HEALTH_UNHEALTHY, 1),
    ROW(CARDEA_HEALTH_HEALTHY, 2),
    ROW(CARDEA_HEALTH_EJECTED, 3),
    ROW(CARDEA_HEALTH_RETURNED, 4),
    ROW(CARDEA_HEALTH_WOULD_EJECT, 5),
#undef ROW
};

static const struct {
  int number, owner, type;
  const char* name;
} options[] = {
    {1001, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_DURATION, "timeout_read"},
    {1002, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_DURATION, "timeout_write"},
    {1003, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_DURATION, "timeout_idle"},
    {1004, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_DURATION, "default_upstream_timeout"},
    {1005, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_DURATION, "request_headers_timeout"},
    {1006, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_DURATION, "tls_handshake_timeout"},
    {1007, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_DURATION, "connect_timeout"},
    {1008, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_DURATION, "stream_idle_timeout"},
    {1009, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_DURATION, "max_stream_duration"},
    {1010, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_DURATION, "max_connection_duration"},
    {1011, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_DURATION, "drain_timeout"},
    {1012, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRING, "drain_strategy"},
    {1013, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_DURATION, "authorize_timeout"},
    {1014, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_INT, "max_request_headers_kb"},
    {1015, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_INT, "max_headers_count"},
    {1016, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_INT, "max_connections"},
    {1017, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_INT, "max_concurrent_streams"},
    {1018, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_INT, "per_connection_buffer_limit_bytes"},
    {1019, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_BOOL, "skip_xff_append"},
    {1020, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_INT, "xff_num_trusted_hops"},
    {1021, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_BOOL, "normalize_path"},
    {1022, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_BOOL, "merge_slashes"},
    {1023, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRING, "path_with_escaped_slashes_action"},
    {1024, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRING, "headers_with_underscores_action"},
    {1025, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRINGS, "set_response_headers"},
    {1026, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRING, "certificate_authority"},
    {1027, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRING, "certificate_authority_file"},
    {1028, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRING, "dns_lookup_family"},
    {1029, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_DURATION, "dns_refresh_rate"},
    {1030, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_DURATION, "dns_failure_refresh_rate"},
    {1031, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_DURATION, "dns_query_timeout"},
    {1032, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_INT, "dns_query_tries"},
    {1033, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_INT, "dns_udp_max_queries"},
    {1034, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_BOOL, "dns_use_tcp"},
    {1035, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRINGS, "dns_resolvers"},
    {1036, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_INT, "workers"},
    {1037, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRING, "access_log.path"},
    {1038, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRINGS, "jwt_providers"},
    {1039, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRING, "downstream_mtls.ca"},
    {1040, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRING, "downstream_mtls.ca_file"},
    {1041, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRING, "downstream_mtls.crl"},
    {1042, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRING, "downstream_mtls.crl_file"},
    {1043, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRING, "downstream_mtls.enforcement"},
    {1044, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRINGS, "downstream_mtls.match_subject_alt_names"},
    {1045, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_INT, "downstream_mtls.max_verify_depth"},
    {1046, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRING, "sign_in_url"},
    {1047, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRING, "signing_key"},
    {1048, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRING, "signing_key_file"},
    {1049, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_DURATION, "reauthorize_interval"},
    {1050, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_BOOL, "authorize_failure_mode_allow"},
    {1051, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_BOOL, "reauthorize_failure_mode_allow"},
    {1052, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_BOOL, "pass_identity_headers"},
    {1053, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRINGS, "jwt_claims_headers"},
    {1054, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRING, "admin_address"},
    {1055, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRINGS, "circuit_breaker_thresholds"},
    {1056, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRING, "metrics_address"},
    {1057, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRINGS, "limits"},
    {1058, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_DURATION, "access_log.periodic_interval"},
    {1059, CARDEA_OWNER_GLOBAL, CARDEA_TYPE_STRINGS, "allow_upgrades"},
    {2001, CARDEA_OWNER_LISTENER, CARDEA_TYPE_STRING, "address"},
    {2002, CARDEA_OWNER_LISTENER, CARDEA_TYPE_STRING, "codec_type"},
    {2003, CARDEA_OWNER_LISTENER, CARDEA_TYPE_BOOL, "use_proxy_protocol"},
    {2004, CARDEA_OWNER_LISTENER, CARDEA_TYPE_BOOL, "redirect_to_https"},
    {2005, CARDEA_OWNER_LISTENER, CARDEA_TYPE_INT, "unix_mode"},
    {2006, CARDEA_OWNER_LISTENER, CARDEA_TYPE_BOOL, "reuse_port"},
    {3001, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "name"},
    {3002, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "from"},
    {3003, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "prefix"},
    {3004, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "path"},
    {3005, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "regex"},
    {3006, CARDEA_OWNER_ROUTE, CARDEA_TYPE_INT, "regex_priority_order"},
    {3007, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "description"},
    {3008, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "logo_url"},
    {3009, CARDEA_OWNER_ROUTE, CARDEA_TYPE_BOOL, "redirect.https_redirect"},
    {3010, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "redirect.scheme_redirect"},
    {3011, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "redirect.host_redirect"},
    {3012, CARDEA_OWNER_ROUTE, CARDEA_TYPE_INT, "redirect.port_redirect"},
    {3013, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "redirect.path_redirect"},
    {3014, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "redirect.prefix_rewrite"},
    {3015, CARDEA_OWNER_ROUTE, CARDEA_TYPE_INT, "redirect.response_code"},
    {3016, CARDEA_OWNER_ROUTE, CARDEA_TYPE_BOOL, "redirect.strip_query"},
    {3017, CARDEA_OWNER_ROUTE, CARDEA_TYPE_INT, "response.status"},
    {3018, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "response.body"},
    {3019, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "prefix_rewrite"},
    {3020, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "regex_rewrite_pattern"},
    {3021, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "regex_rewrite_substitution"},
    {3022, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "host_rewrite"},
    {3023, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "host_rewrite_header"},
    {3024, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "host_path_regex_rewrite_pattern"},
    {3025, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "host_path_regex_rewrite_substitution"},
    {3026, CARDEA_OWNER_ROUTE, CARDEA_TYPE_BOOL, "preserve_host_header"},
    {3027, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRINGS, "set_request_headers"},
    {3028, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRINGS, "remove_request_headers"},
    {3029, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRINGS, "set_response_headers"},
    {3030, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRINGS, "rewrite_response_headers"},
    {3031, CARDEA_OWNER_ROUTE, CARDEA_TYPE_DURATION, "timeout"},
    {3032, CARDEA_OWNER_ROUTE, CARDEA_TYPE_DURATION, "idle_timeout"},
    {3033, CARDEA_OWNER_ROUTE, CARDEA_TYPE_DURATION, "max_stream_duration"},
    {3034, CARDEA_OWNER_ROUTE, CARDEA_TYPE_INT, "per_connection_buffer_limit_bytes"},
    {3035, CARDEA_OWNER_ROUTE, CARDEA_TYPE_BOOL, "allow_public_unauthenticated_access"},
    {3036, CARDEA_OWNER_ROUTE, CARDEA_TYPE_BOOL, "allow_any_authenticated_user"},
    {3037, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRINGS, "allowed_users"},
    {3038, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRINGS, "allowed_domains"},
    {3039, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRINGS, "allowed_groups"},
    {3040, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRINGS, "allowed_idp_claims"},
    {3041, CARDEA_OWNER_ROUTE, CARDEA_TYPE_BOOL, "cors_allow_preflight"},
    {3042, CARDEA_OWNER_ROUTE, CARDEA_TYPE_BOOL, "pass_identity_headers"},
    {3043, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRINGS, "jwt_claims_headers"},
    {3044, CARDEA_OWNER_ROUTE, CARDEA_TYPE_BOOL, "show_error_details"},
    {3045, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "tls_downstream_client_ca"},
    {3046, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRING, "tls_downstream_client_ca_file"},
    {3047, CARDEA_OWNER_ROUTE, CARDEA_TYPE_BOOL, "allow_websockets"},
    {3048, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRINGS, "retry_policy"},
    {3049, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRINGS, "hash_policy"},
    {3050, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRINGS, "limits"},
    {3051, CARDEA_OWNER_ROUTE, CARDEA_TYPE_BOOL, "served_by_host"},
    {3052, CARDEA_OWNER_ROUTE, CARDEA_TYPE_STRINGS, "allow_upgrades"},
    {3053, CARDEA_OWNER_ROUTE, CARDEA_TYPE_BOOL, "allow_spdy"},
    {4001, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRINGS, "to"},
    {4002, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRING, "load_balancing_policy"},
    {4003, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_DURATION, "connect_timeout"},
    {4004, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_BOOL, "tls_skip_verify"},
    {4005, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRING, "tls_server_name"},
    {4006, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRING, "tls_upstream_server_name"},
    {4007, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRING, "tls_custom_ca"},
    {4008, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRING, "tls_custom_ca_file"},
    {4009, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRING, "tls_client_cert"},
    {4010, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRING, "tls_client_cert_file"},
    {4011, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRING, "tls_client_key"},
    {4012, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRING, "tls_client_key_file"},
    {4013, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRINGS, "round_robin_lb_config"},
    {4014, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRINGS, "least_request_lb_config"},
    {4015, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRINGS, "ring_hash_lb_config"},
    {4016, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRINGS, "maglev_lb_config"},
    {4017, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRINGS, "common_lb_config"},
    {4018, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_INT, "healthy_panic_threshold"},
    {4019, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRINGS, "slow_start_config"},
    {4020, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRINGS, "preconnect_policy"},
    {4021, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRINGS, "health_checks"},
    {4022, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRINGS, "outlier_detection"},
    {4023, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRINGS, "circuit_breaker_thresholds"},
    {4024, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_BOOL, "pool_per_user"},
    {4025, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRING, "endpoints_file"},
    {4026, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_DURATION, "pending_timeout"},
    {4027, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_DURATION, "upstream_idle_timeout"},
    {4028, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_INT, "max_requests_per_connection"},
    {4029, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_DURATION, "max_upstream_connection_duration"},
    {4030, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_STRINGS, "http2_keepalive"},
    {4031, CARDEA_OWNER_CLUSTER, CARDEA_TYPE_BOOL, "close_connections_on_host_health_failure"},
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void constants_are_pinned(void) {
  size_t i;
  for (i = 0; i < COUNT(constants); ++i)
    check_same(constants[i].value, constants[i].pinned, constants[i].name, "pinned", 0);
  CHECK(CARDEA_NTS == (size_t)-1);
  SAME(CARDEA_VERSION_NUM, CARDEA_VERSION_MAJOR << 16 | CARDEA_VERSION_MINOR << 8 | CARDEA_VERSION_PATCH);
}

static void options_are_pinned(void) {
  size_t i = 0;
  int option;
  for (option = cardea_option_next(0); option > 0; option = cardea_option_next(option), ++i) {
    if (i == COUNT(options)) break;
    SAME(option, options[i].number);
    SAME(cardea_option_owner(option), options[i].owner);
    SAME(cardea_option_type(option), options[i].type);
    CHECK(strcmp(cardea_option_name(option), options[i].name) == 0);
  }
  SAME(option, 0);
  SAME(i, COUNT(options));
}

static void structs_are_pinned(void) {
  SAME(sizeof(cardea_str), 2 * sizeof(void*));
  SAME(offsetof(cardea_str, ptr), 0);
  SAME(offsetof(cardea_str, len), sizeof(void*));
  SAME(sizeof(cardea_event), 64);
  SAME(offsetof(cardea_event, type), 0);
  SAME(offsetof(cardea_event, code), 4);
  SAME(offsetof(cardea_event, token), 8);
  SAME(offsetof(cardea_event, id), 16);
  SAME(offsetof(cardea_event, value), 24);
  SAME(offsetof(cardea_event, ref), 32);
  SAME(offsetof(cardea_event, reserved), 40);
  SAME(offsetof(cardea_handlers, struct_size), 0);
  SAME(offsetof(cardea_handlers, on_authorize), sizeof(void*));
  SAME(offsetof(cardea_handlers, on_request_end), 2 * sizeof(void*));
  SAME(offsetof(cardea_handlers, on_conn_open), 3 * sizeof(void*));
  SAME(offsetof(cardea_handlers, on_conn_close), 4 * sizeof(void*));
  SAME(offsetof(cardea_handlers, on_pick_endpoint), 5 * sizeof(void*));
  SAME(offsetof(cardea_handlers, on_health), 6 * sizeof(void*));
  SAME(offsetof(cardea_handlers, on_health_check), 7 * sizeof(void*));
  SAME(offsetof(cardea_handlers, on_request), 8 * sizeof(void*));
  SAME(offsetof(cardea_handlers, on_readable), 9 * sizeof(void*));
  SAME(offsetof(cardea_handlers, on_writable), 10 * sizeof(void*));
  SAME(offsetof(cardea_handlers, on_request_start), 11 * sizeof(void*));
  SAME(offsetof(cardea_handlers, on_request_log), 12 * sizeof(void*));
  SAME(sizeof(cardea_token), 8);
}

const test_case constant_cases[] = {{"constants_are_pinned", constants_are_pinned},
                                    {"options_are_pinned", options_are_pinned},
                                    {"structs_are_pinned", structs_are_pinned},
                                    {NULL, NULL}};
