/* Cardea: the life of a proxied connection inside your process. The whole C interface.
 *
 * Objects     Configuration objects (config, listener, tls, route, policy, cluster) are counted: every _new or _parse
 *             has one _unref; attaching one to another takes a reference of its own and never consumes yours. Runtime
 *             objects (conn, request) belong to the library and are lent for the length of a callback. What must outlive
 *             a callback is a token. _unref and _free accept NULL.
 * Errors      int: CARDEA_OK or a negative CARDEA_E... On failure out-pointers are NULL and nothing passed in was consumed.
 *             Functions that parse, validate or bind also take a cardea_error ** (may be NULL); free what they give you.
 * Strings     In: pointer and length, or CARDEA_NTS for a terminating NUL; always copied. Out: cardea_str, borrowed: valid until
 *             the callback returns or the next call on that object. Not NUL-terminated.
 * Time        Milliseconds, monotonic, unless a name says otherwise.
 * Threads     "config": one thread at a time until sealed, then any. "any": thread-safe. "loop": the thread that drives the
 *             worker. Callbacks come on the worker's thread, never from inside _new, _set, _add or _apply.
 * Callbacks   May call everything but _step and _run of their own worker; the object passed in cannot die under them.
 *             They must not throw or longjmp.
 * Never       No exit, abort, output, signal handler or process-wide hook. SIGPIPE is never raised by Cardea's sockets.
 * Fork        A process forked while a worker exists must not use it: CARDEA_EFORKED.
 */
#ifndef CARDEA_CARDEA_H
#define CARDEA_CARDEA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef CARDEA_API
#if defined(__GNUC__)
#define CARDEA_API __attribute__((visibility("default")))
#else
#define CARDEA_API
#endif
#endif

#define CARDEA_VERSION_MAJOR 0
#define CARDEA_VERSION_MINOR 1
#define CARDEA_VERSION_PATCH 0
#define CARDEA_VERSION_NUM 0x000100 /* major << 16 | minor << 8 | patch */

#define CARDEA_NTS ((size_t)-1)

typedef struct cardea_config cardea_config;
typedef struct cardea_listener cardea_listener;
typedef struct cardea_tls cardea_tls;
typedef struct cardea_route cardea_route;
typedef struct cardea_policy cardea_policy;
typedef struct cardea_cluster cardea_cluster;
typedef struct cardea_proxy cardea_proxy;
typedef struct cardea_worker cardea_worker;
typedef struct cardea_conn cardea_conn;
typedef struct cardea_request cardea_request;
typedef struct cardea_error cardea_error;
typedef struct cardea_queue cardea_queue;
typedef uint64_t cardea_token;

/* Borrowed bytes. */
typedef struct cardea_str {
  const char *ptr;
  size_t len;
} cardea_str;

typedef void (*cardea_done_fn)(void *ud, int status);
typedef void (*cardea_free_fn)(void *ud);
/* A text, lent for the call. */
typedef void (*cardea_text_fn)(void *ud, const char *text, size_t n);

struct uv_loop_s;

/* ---- errors (any) ------------------------------------------------------------------------------ */

#define CARDEA_OK 0
#define CARDEA_EINVAL (-1) /* an argument is out of its domain */
#define CARDEA_ENOMEM (-2)
#define CARDEA_EINTERNAL (-3) /* a defect in Cardea: please report it */
#define CARDEA_ESEALED (-4)   /* the object is frozen; nothing changed */
#define CARDEA_ECONFIG (-5)   /* the configuration is not valid; the error's message has a line for each fault */
#define CARDEA_EIO (-6)       /* the operating system refused; source code = errno */
#define CARDEA_ETLS (-7)      /* a key or certificate is not usable */
#define CARDEA_EADDRINUSE (-8)
#define CARDEA_ENOTFOUND (-9)
#define CARDEA_ENOTSUP (-10)    /* not on this platform, not in this build, or not built yet */
#define CARDEA_ESTALE (-11)     /* what the token named is over */
#define CARDEA_EREENTRANT (-12) /* _step or _run from inside a callback of the same worker */
#define CARDEA_EWRONGTHREAD (-13)
#define CARDEA_ECLOSED (-14) /* the worker is closing */
#define CARDEA_ETIMEDOUT (-15)
#define CARDEA_EFORKED (-16)
#define CARDEA_EEXIST (-17)
#define CARDEA_EAGAIN (-18)

CARDEA_API const char *cardea_strerror(int code); /* a sentence; static. any */
CARDEA_API const char *cardea_errname(int code);  /* "CARDEA_EINVAL"; static; "CARDEA_E?" for unknown codes. any */

/* Owned by the caller of the function that gave it; immutable. any */
CARDEA_API int cardea_error_code(const cardea_error *e);
CARDEA_API const char *cardea_error_message(const cardea_error *e); /* NUL-terminated; several lines for ECONFIG */
CARDEA_API int64_t cardea_error_source_code(const cardea_error *e); /* errno or a library's code; 0: none */
CARDEA_API void cardea_error_free(cardea_error *e);

/* ---- process (any) ----------------------------------------------------------------------------- */

/* Checks that header and library fit (same major; library's minor not older). Optional: call it first, from one thread.
 * `flags` must be 0. `alloc` is reserved and must be NULL (CARDEA_ENOTSUP). */
CARDEA_API int cardea_init(uint32_t version_num, uint32_t flags, const void *alloc);
CARDEA_API uint32_t cardea_version(void);           /* CARDEA_VERSION_NUM of the library */
CARDEA_API const char *cardea_version_string(void); /* "0.1.0" */

#define CARDEA_FEATURE_TLS 1u
#define CARDEA_FEATURE_HTTP2 2u
#define CARDEA_FEATURE_DNS 4u
CARDEA_API uint32_t cardea_features(void); /* bit mask of CARDEA_FEATURE_ */

#define CARDEA_LOG_ERROR 1
#define CARDEA_LOG_WARNING 2
#define CARDEA_LOG_NOTICE 3
#define CARDEA_LOG_DEBUG 4
/* One line, without newline. Called on the thread that logs; must not call Cardea. */
typedef void (*cardea_log_fn)(void *ud, int level, const char *message, size_t size);
/* The process's sink; NULL: silence (the default). Messages above `level` are not made. any */
CARDEA_API void cardea_set_log(cardea_log_fn fn, void *ud, int level);

/* ---- options (any) ----------------------------------------------------------------------------- */

/* Every scalar option has a number that never changes, an owner, a type, a default and a range. Durations are milliseconds. */
#define CARDEA_OWNER_GLOBAL 1
#define CARDEA_OWNER_LISTENER 2
#define CARDEA_OWNER_ROUTE 3
#define CARDEA_OWNER_CLUSTER 4

#define CARDEA_TYPE_BOOL 1     /* set_int: 0 or 1 */
#define CARDEA_TYPE_INT 2      /* set_int */
#define CARDEA_TYPE_DURATION 3 /* set_int: milliseconds; set_str: "1h30m", "500ms" */
#define CARDEA_TYPE_STRING 4   /* set_str */
#define CARDEA_TYPE_STRINGS 5  /* set_str appends; maps take "name: value" */

/* The numbers. Never changed, never used again. */
#define CARDEA_OPT_GLOBAL_TIMEOUT_READ 1001
#define CARDEA_OPT_GLOBAL_TIMEOUT_WRITE 1002
#define CARDEA_OPT_GLOBAL_TIMEOUT_IDLE 1003
#define CARDEA_OPT_GLOBAL_DEFAULT_UPSTREAM_TIMEOUT 1004
#define CARDEA_OPT_GLOBAL_REQUEST_HEADERS_TIMEOUT 1005
#define CARDEA_OPT_GLOBAL_TLS_HANDSHAKE_TIMEOUT 1006
#define CARDEA_OPT_GLOBAL_CONNECT_TIMEOUT 1007
#define CARDEA_OPT_GLOBAL_STREAM_IDLE_TIMEOUT 1008
#define CARDEA_OPT_GLOBAL_MAX_STREAM_DURATION 1009
#define CARDEA_OPT_GLOBAL_MAX_CONNECTION_DURATION 1010
#define CARDEA_OPT_GLOBAL_DRAIN_TIMEOUT 1011
#define CARDEA_OPT_GLOBAL_DRAIN_STRATEGY 1012
#define CARDEA_OPT_GLOBAL_AUTHORIZE_TIMEOUT 1013
#define CARDEA_OPT_GLOBAL_MAX_REQUEST_HEADERS_KB 1014
#define CARDEA_OPT_GLOBAL_MAX_HEADERS_COUNT 1015
#define CARDEA_OPT_GLOBAL_MAX_CONNECTIONS 1016
#define CARDEA_OPT_GLOBAL_MAX_CONCURRENT_STREAMS 1017
#define CARDEA_OPT_GLOBAL_PER_CONNECTION_BUFFER_LIMIT_BYTES 1018
#define CARDEA_OPT_GLOBAL_SKIP_XFF_APPEND 1019
#define CARDEA_OPT_GLOBAL_XFF_NUM_TRUSTED_HOPS 1020
#define CARDEA_OPT_GLOBAL_NORMALIZE_PATH 1021
#define CARDEA_OPT_GLOBAL_MERGE_SLASHES 1022
#define CARDEA_OPT_GLOBAL_PATH_WITH_ESCAPED_SLASHES_ACTION 1023
#define CARDEA_OPT_GLOBAL_HEADERS_WITH_UNDERSCORES_ACTION 1024
#define CARDEA_OPT_GLOBAL_SET_RESPONSE_HEADERS 1025
#define CARDEA_OPT_GLOBAL_CERTIFICATE_AUTHORITY 1026
#define CARDEA_OPT_GLOBAL_CERTIFICATE_AUTHORITY_FILE 1027
#define CARDEA_OPT_GLOBAL_DNS_LOOKUP_FAMILY 1028
#define CARDEA_OPT_GLOBAL_DNS_REFRESH_RATE 1029
#define CARDEA_OPT_GLOBAL_DNS_FAILURE_REFRESH_RATE 1030
#define CARDEA_OPT_GLOBAL_DNS_QUERY_TIMEOUT 1031
#define CARDEA_OPT_GLOBAL_DNS_QUERY_TRIES 1032
#define CARDEA_OPT_GLOBAL_DNS_UDP_MAX_QUERIES 1033
#define CARDEA_OPT_GLOBAL_DNS_USE_TCP 1034
#define CARDEA_OPT_GLOBAL_DNS_RESOLVERS 1035
#define CARDEA_OPT_GLOBAL_WORKERS 1036
#define CARDEA_OPT_GLOBAL_ACCESS_LOG_PATH 1037
#define CARDEA_OPT_GLOBAL_JWT_PROVIDERS 1038
#define CARDEA_OPT_GLOBAL_DOWNSTREAM_MTLS_CA 1039
#define CARDEA_OPT_GLOBAL_DOWNSTREAM_MTLS_CA_FILE 1040
#define CARDEA_OPT_GLOBAL_DOWNSTREAM_MTLS_CRL 1041
#define CARDEA_OPT_GLOBAL_DOWNSTREAM_MTLS_CRL_FILE 1042
#define CARDEA_OPT_GLOBAL_DOWNSTREAM_MTLS_ENFORCEMENT 1043
#define CARDEA_OPT_GLOBAL_DOWNSTREAM_MTLS_MATCH_SUBJECT_ALT_NAMES 1044
#define CARDEA_OPT_GLOBAL_DOWNSTREAM_MTLS_MAX_VERIFY_DEPTH 1045
#define CARDEA_OPT_GLOBAL_SIGN_IN_URL 1046
#define CARDEA_OPT_GLOBAL_SIGNING_KEY 1047
#define CARDEA_OPT_GLOBAL_SIGNING_KEY_FILE 1048
#define CARDEA_OPT_GLOBAL_REAUTHORIZE_INTERVAL 1049
#define CARDEA_OPT_GLOBAL_AUTHORIZE_FAILURE_MODE_ALLOW 1050
#define CARDEA_OPT_GLOBAL_REAUTHORIZE_FAILURE_MODE_ALLOW 1051
#define CARDEA_OPT_GLOBAL_PASS_IDENTITY_HEADERS 1052
#define CARDEA_OPT_GLOBAL_JWT_CLAIMS_HEADERS 1053
#define CARDEA_OPT_GLOBAL_ADMIN_ADDRESS 1054
#define CARDEA_OPT_GLOBAL_CIRCUIT_BREAKER_THRESHOLDS 1055
#define CARDEA_OPT_GLOBAL_METRICS_ADDRESS 1056
#define CARDEA_OPT_GLOBAL_LIMITS 1057
#define CARDEA_OPT_GLOBAL_ACCESS_LOG_PERIODIC_INTERVAL 1058
#define CARDEA_OPT_GLOBAL_ALLOW_UPGRADES 1059
#define CARDEA_OPT_LISTENER_ADDRESS 2001
#define CARDEA_OPT_LISTENER_CODEC_TYPE 2002
#define CARDEA_OPT_LISTENER_USE_PROXY_PROTOCOL 2003
#define CARDEA_OPT_LISTENER_REDIRECT_TO_HTTPS 2004
#define CARDEA_OPT_LISTENER_UNIX_MODE 2005
#define CARDEA_OPT_LISTENER_REUSE_PORT 2006
#define CARDEA_OPT_ROUTE_NAME 3001
#define CARDEA_OPT_ROUTE_FROM 3002
#define CARDEA_OPT_ROUTE_PREFIX 3003
#define CARDEA_OPT_ROUTE_PATH 3004
#define CARDEA_OPT_ROUTE_REGEX 3005
#define CARDEA_OPT_ROUTE_REGEX_PRIORITY_ORDER 3006
#define CARDEA_OPT_ROUTE_DESCRIPTION 3007
#define CARDEA_OPT_ROUTE_LOGO_URL 3008
#define CARDEA_OPT_ROUTE_REDIRECT_HTTPS_REDIRECT 3009
#define CARDEA_OPT_ROUTE_REDIRECT_SCHEME_REDIRECT 3010
#define CARDEA_OPT_ROUTE_REDIRECT_HOST_REDIRECT 3011
#define CARDEA_OPT_ROUTE_REDIRECT_PORT_REDIRECT 3012
#define CARDEA_OPT_ROUTE_REDIRECT_PATH_REDIRECT 3013
#define CARDEA_OPT_ROUTE_REDIRECT_PREFIX_REWRITE 3014
#define CARDEA_OPT_ROUTE_REDIRECT_RESPONSE_CODE 3015
#define CARDEA_OPT_ROUTE_REDIRECT_STRIP_QUERY 3016
#define CARDEA_OPT_ROUTE_RESPONSE_STATUS 3017
#define CARDEA_OPT_ROUTE_RESPONSE_BODY 3018
#define CARDEA_OPT_ROUTE_PREFIX_REWRITE 3019
#define CARDEA_OPT_ROUTE_REGEX_REWRITE_PATTERN 3020
#define CARDEA_OPT_ROUTE_REGEX_REWRITE_SUBSTITUTION 3021
#define CARDEA_OPT_ROUTE_HOST_REWRITE 3022
#define CARDEA_OPT_ROUTE_HOST_REWRITE_HEADER 3023
#define CARDEA_OPT_ROUTE_HOST_PATH_REGEX_REWRITE_PATTERN 3024
#define CARDEA_OPT_ROUTE_HOST_PATH_REGEX_REWRITE_SUBSTITUTION 3025
#define CARDEA_OPT_ROUTE_PRESERVE_HOST_HEADER 3026
#define CARDEA_OPT_ROUTE_SET_REQUEST_HEADERS 3027
#define CARDEA_OPT_ROUTE_REMOVE_REQUEST_HEADERS 3028
#define CARDEA_OPT_ROUTE_SET_RESPONSE_HEADERS 3029
#define CARDEA_OPT_ROUTE_REWRITE_RESPONSE_HEADERS 3030
#define CARDEA_OPT_ROUTE_TIMEOUT 3031
#define CARDEA_OPT_ROUTE_IDLE_TIMEOUT 3032
#define CARDEA_OPT_ROUTE_MAX_STREAM_DURATION 3033
#define CARDEA_OPT_ROUTE_PER_CONNECTION_BUFFER_LIMIT_BYTES 3034
#define CARDEA_OPT_ROUTE_ALLOW_PUBLIC_UNAUTHENTICATED_ACCESS 3035
#define CARDEA_OPT_ROUTE_ALLOW_ANY_AUTHENTICATED_USER 3036
#define CARDEA_OPT_ROUTE_ALLOWED_USERS 3037
#define CARDEA_OPT_ROUTE_ALLOWED_DOMAINS 3038
#define CARDEA_OPT_ROUTE_ALLOWED_GROUPS 3039
#define CARDEA_OPT_ROUTE_ALLOWED_IDP_CLAIMS 3040
#define CARDEA_OPT_ROUTE_CORS_ALLOW_PREFLIGHT 3041
#define CARDEA_OPT_ROUTE_PASS_IDENTITY_HEADERS 3042
#define CARDEA_OPT_ROUTE_JWT_CLAIMS_HEADERS 3043
#define CARDEA_OPT_ROUTE_SHOW_ERROR_DETAILS 3044
#define CARDEA_OPT_ROUTE_TLS_DOWNSTREAM_CLIENT_CA 3045
#define CARDEA_OPT_ROUTE_TLS_DOWNSTREAM_CLIENT_CA_FILE 3046
#define CARDEA_OPT_ROUTE_ALLOW_WEBSOCKETS 3047
#define CARDEA_OPT_ROUTE_RETRY_POLICY 3048
#define CARDEA_OPT_ROUTE_HASH_POLICY 3049
#define CARDEA_OPT_ROUTE_LIMITS 3050
#define CARDEA_OPT_ROUTE_SERVED_BY_HOST 3051
#define CARDEA_OPT_ROUTE_ALLOW_UPGRADES 3052
#define CARDEA_OPT_ROUTE_ALLOW_SPDY 3053
#define CARDEA_OPT_CLUSTER_TO 4001
#define CARDEA_OPT_CLUSTER_LOAD_BALANCING_POLICY 4002
#define CARDEA_OPT_CLUSTER_CONNECT_TIMEOUT 4003
#define CARDEA_OPT_CLUSTER_TLS_SKIP_VERIFY 4004
#define CARDEA_OPT_CLUSTER_TLS_SERVER_NAME 4005
#define CARDEA_OPT_CLUSTER_TLS_UPSTREAM_SERVER_NAME 4006
#define CARDEA_OPT_CLUSTER_TLS_CUSTOM_CA 4007
#define CARDEA_OPT_CLUSTER_TLS_CUSTOM_CA_FILE 4008
#define CARDEA_OPT_CLUSTER_TLS_CLIENT_CERT 4009
#define CARDEA_OPT_CLUSTER_TLS_CLIENT_CERT_FILE 4010
#define CARDEA_OPT_CLUSTER_TLS_CLIENT_KEY 4011
#define CARDEA_OPT_CLUSTER_TLS_CLIENT_KEY_FILE 4012
#define CARDEA_OPT_CLUSTER_ROUND_ROBIN_LB_CONFIG 4013
#define CARDEA_OPT_CLUSTER_LEAST_REQUEST_LB_CONFIG 4014
#define CARDEA_OPT_CLUSTER_RING_HASH_LB_CONFIG 4015
#define CARDEA_OPT_CLUSTER_MAGLEV_LB_CONFIG 4016
#define CARDEA_OPT_CLUSTER_COMMON_LB_CONFIG 4017
#define CARDEA_OPT_CLUSTER_HEALTHY_PANIC_THRESHOLD 4018
#define CARDEA_OPT_CLUSTER_SLOW_START_CONFIG 4019
#define CARDEA_OPT_CLUSTER_PRECONNECT_POLICY 4020
#define CARDEA_OPT_CLUSTER_HEALTH_CHECKS 4021
#define CARDEA_OPT_CLUSTER_OUTLIER_DETECTION 4022
#define CARDEA_OPT_CLUSTER_CIRCUIT_BREAKER_THRESHOLDS 4023
#define CARDEA_OPT_CLUSTER_POOL_PER_USER 4024
#define CARDEA_OPT_CLUSTER_ENDPOINTS_FILE 4025
#define CARDEA_OPT_CLUSTER_PENDING_TIMEOUT 4026
#define CARDEA_OPT_CLUSTER_UPSTREAM_IDLE_TIMEOUT 4027
#define CARDEA_OPT_CLUSTER_MAX_REQUESTS_PER_CONNECTION 4028
#define CARDEA_OPT_CLUSTER_MAX_UPSTREAM_CONNECTION_DURATION 4029
#define CARDEA_OPT_CLUSTER_HTTP2_KEEPALIVE 4030
#define CARDEA_OPT_CLUSTER_CLOSE_CONNECTIONS_ON_HOST_HEALTH_FAILURE 4031

/* The option with this name in the configuration file, or CARDEA_ENOTFOUND. any */
CARDEA_API int cardea_option_by_name(int owner, const char *name, size_t n);
/* Walks all options: 0 gives the first, the last gives 0. any */
CARDEA_API int cardea_option_next(int option);
CARDEA_API const char *cardea_option_name(int option); /* NULL: no such option */
CARDEA_API const char *cardea_option_doc(int option);  /* a sentence; NULL: no such option */
CARDEA_API int cardea_option_owner(int option);        /* a CARDEA_OWNER_, or CARDEA_ENOTFOUND */
CARDEA_API int cardea_option_type(int option);         /* a CARDEA_TYPE_, or CARDEA_ENOTFOUND */
/* Out-pointers may be NULL. For types without a range CARDEA_EINVAL. */
CARDEA_API int cardea_option_range(int option, int64_t *def, int64_t *min, int64_t *max);

/* ---- configuration (config thread class) -------------------------------------------------------- */

CARDEA_API int cardea_config_new(cardea_config **out);
/* Reads a configuration file's text (YAML or JSON, Pomerium's keys). Files that it names are relative to the folder of
 * `source_name`, which also stands in messages. Sealed by cardea_config_seal() like any other. ECONFIG: every fault at once,
 * "SOURCE:LINE:COLUMN: KEY: reason" a line. */
CARDEA_API int cardea_config_load(const char *text, size_t n, const char *source_name, cardea_config **out, cardea_error **error);
CARDEA_API void cardea_config_unref(cardea_config *c);
CARDEA_API int cardea_config_set_int(cardea_config *c, int option, int64_t value);
CARDEA_API int cardea_config_set_str(cardea_config *c, int option, const char *s, size_t n);
CARDEA_API int cardea_config_add_listener(cardea_config *c, cardea_listener *l);
CARDEA_API int cardea_config_add_route(cardea_config *c, cardea_route *r); /* order matters: first match wins */
/* Checks everything, loads keys and certificates, compiles matchers; freezes `c` and all that is attached. */
CARDEA_API int cardea_config_seal(cardea_config *c, cardea_error **error);
/* Effective value of a global integer option of a sealed configuration; CARDEA_EAGAIN before. */
CARDEA_API int cardea_config_get_int(const cardea_config *c, int option, int64_t *out);
/* A global string option as it was set; empty when it was not. access_log.path is absolute or as given. */
CARDEA_API int cardea_config_get_str(const cardea_config *c, int option, cardea_str *out);
/* The files that were read, the configuration's own not included; CARDEA_ENOTFOUND past the last. */
CARDEA_API int cardea_config_file(const cardea_config *c, size_t index, cardea_str *out);

/* What listener number `index` speaks: "https" or "http"; CARDEA_ENOTFOUND past the last. Sealed configurations. */
CARDEA_API int cardea_config_listener_scheme(const cardea_config *c, size_t index, cardea_str *out);

/* `address`: "127.0.0.1:8443", "[::1]:0", ":443" (both families), "unix:/path". */
CARDEA_API int cardea_listener_new(const char *address, size_t n, cardea_listener **out);
CARDEA_API void cardea_listener_unref(cardea_listener *l);
CARDEA_API int cardea_listener_set_int(cardea_listener *l, int option, int64_t value);
CARDEA_API int cardea_listener_set_str(cardea_listener *l, int option, const char *s, size_t n);
CARDEA_API int cardea_listener_set_tls(cardea_listener *l, cardea_tls *t);

CARDEA_API int cardea_tls_new(cardea_tls **out);
CARDEA_API void cardea_tls_unref(cardea_tls *t);
/* PEM texts; chain with the leaf first. Chosen by SNI from the names in the certificate; the first added is the default. */
CARDEA_API int cardea_tls_add_cert(cardea_tls *t, const char *cert, size_t cert_n, const char *key, size_t key_n,
                                   cardea_error **error);
CARDEA_API int cardea_tls_add_cert_file(cardea_tls *t, const char *cert_path, const char *key_path, cardea_error **error);

/* `from`: "https://app.example", "http://app.example:8080"; a host may begin with "*.". */
CARDEA_API int cardea_route_new(const char *from, size_t n, cardea_route **out);
CARDEA_API void cardea_route_unref(cardea_route *r);
CARDEA_API int cardea_route_set_int(cardea_route *r, int option, int64_t value);
CARDEA_API int cardea_route_set_str(cardea_route *r, int option, const char *s, size_t n);
CARDEA_API int cardea_route_set_policy(cardea_route *r, cardea_policy *p); /* without one the route answers 403 */
CARDEA_API int cardea_route_set_cluster(cardea_route *r, cardea_cluster *k);

/* Pomerium's policy language as YAML or JSON text. */
CARDEA_API int cardea_policy_parse(const char *text, size_t n, cardea_policy **out, cardea_error **error);
CARDEA_API int cardea_policy_public(cardea_policy **out); /* everybody may pass */
/* Asks on_authorize; `data` (may be NULL) is passed on to it. */
CARDEA_API int cardea_policy_host(const char *data, size_t n, cardea_policy **out);
CARDEA_API void cardea_policy_unref(cardea_policy *p);

CARDEA_API int cardea_cluster_new(cardea_cluster **out);
CARDEA_API void cardea_cluster_unref(cardea_cluster *k);
CARDEA_API int cardea_cluster_set_int(cardea_cluster *k, int option, int64_t value);
CARDEA_API int cardea_cluster_set_str(cardea_cluster *k, int option, const char *s, size_t n);
/* "http://10.0.0.1:8080", "https://svc.internal", "h2c://svc:50051", "http+unix:///run/svc.sock". weight >= 1. */
CARDEA_API int cardea_cluster_add_endpoint(cardea_cluster *k, const char *url, size_t n, uint32_t weight);

/* ---- callbacks --------------------------------------------------------------------------------- */

#define CARDEA_DENY 0
#define CARDEA_ALLOW 1
#define CARDEA_PENDING 2 /* cardea_authorize_complete() follows */

/* All optional. Set struct_size to sizeof(cardea_handlers); members are only ever appended. */
typedef struct cardea_handlers {
  size_t struct_size;
  /* A route's policy names the host. CARDEA_ALLOW, CARDEA_DENY or CARDEA_PENDING; anything else denies. */
  int (*on_authorize)(void *ud, cardea_request *r, cardea_token t);
  /* Once for each request that was routed, or that no route took; also when drained or cut. */
  void (*on_request_end)(void *ud, cardea_request *r);
  void (*on_conn_open)(void *ud, cardea_conn *c);  /* after the TLS handshake */
  void (*on_conn_close)(void *ud, cardea_conn *c); /* once for each on_conn_open */
  /* load_balancing_policy `host`: the number of the endpoint that takes the request, out of `count` > 0 that may; anything else: none
   * does, and the client gets 503. `active`: exchanges on each now, over all workers. Arrays are lent for the call. */
  int (*on_pick_endpoint)(void *ud, cardea_request *r, const cardea_str *endpoints, const uint32_t *weights, const uint32_t *active,
                          size_t count);
  /* Once for each change of an endpoint's fitness: a CARDEA_HEALTH_, and why: "http 503", "consecutive_5xx", "passed". On some
   * worker's thread. */
  void (*on_health)(void *ud, const cardea_str *cluster, const cardea_str *endpoint, int health, const cardea_str *cause);
  /* custom_health_check: CARDEA_ALLOW (healthy), CARDEA_DENY, or CARDEA_PENDING and cardea_health_check_complete() follows within the
   * check's timeout. Once for each endpoint and interval, whatever the number of workers. */
  int (*on_health_check)(void *ud, const cardea_str *cluster, const cardea_str *endpoint, cardea_token t);
  /* A route with `served_by_host` took this request and its policy let it pass: the host answers it, now or later, with cardea_answer…(t).
   * `r` is lent for the call and has the headers that a service would have got. `t` is good until on_request_end, which comes always. */
  void (*on_request)(void *ud, cardea_request *r, cardea_token t);
  /* cardea_body_read() has news after CARDEA_EAGAIN, or for the first time: bytes, or the body's end. */
  void (*on_readable)(void *ud, cardea_token t);
  /* cardea_answer_write() has room again after 1 or CARDEA_EAGAIN. */
  void (*on_writable)(void *ud, cardea_token t);
  /* Once for each request, before anything is asked about it: its route is known, or none took it. on_request_end follows. */
  void (*on_request_start)(void *ud, cardea_request *r);
  /* A tunnel has opened, or a stream of gRPC or of events lives for a second; and every access_log.periodic_interval after that, until
   * on_request_end. CARDEA_STR_ACCESS_RECORD is a `start` or `periodic` record then: bytes and duration so far. */
  void (*on_request_log)(void *ud, cardea_request *r);
} cardea_handlers;

#define CARDEA_HEALTH_UNHEALTHY 1 /* active checks failed */
#define CARDEA_HEALTH_HEALTHY 2
#define CARDEA_HEALTH_EJECTED 3     /* outlier_detection: traffic failed */
#define CARDEA_HEALTH_RETURNED 4    /* ... and its time is over */
#define CARDEA_HEALTH_WOULD_EJECT 5 /* ... and enforcing_... or max_ejection_percent kept it in use */

/* Completes a pending authorization with CARDEA_ALLOW or CARDEA_DENY. `identity` (may be NULL) says who asks, for the policy, the
 * access record and the service: a JSON object {"user", "email", "name", "groups": [...], "claims": {...}, "expires_at": Unix
 * seconds}, or any other text, which is the user's id; an object that cannot be read denies. A live request that had passed and is
 * asked for again (CARDEA_INT_REAUTHORIZED) ends when the answer is CARDEA_DENY.
 * CARDEA_ESTALE when the request is over, timed out or was completed before; harmless. CARDEA_EINVAL for another decision, and the
 * request goes on waiting. Legal inside on_authorize, which then answers CARDEA_PENDING. any */
CARDEA_API int cardea_authorize_complete(cardea_token t, int decision, const char *identity, size_t n);

/* ---- answers of the host (any) ----------------------------------------------------------------- */

/* To requests that it serves: see on_request and CARDEA_EVENT_REQUEST. Calls for one token from several
 * threads have to be ordered by the host. CARDEA_ESTALE: the request is over, or its answer was given; nothing was taken. CARDEA_EINVAL:
 * nothing was taken, but in cardea_answer_end(). The route's timeouts go on: a host that does not answer in time gives the client 504. */

/* Head, body and end at once; `body` (may be NULL) is copied. `status`: 200 to 599. CARDEA_EINVAL: no such status; a field whose name or value is
 * not valid (RFC 9110 5.1, 5.5) or that belongs to the hop (Connection, Transfer-Encoding, …); over 200 fields or 64 KiB of them; a
 * Content-Length that is not that of the body (with HEAD: any; otherwise it is stated for you); the head was given. */
CARDEA_API int cardea_answer(cardea_token t, int status, const cardea_str *names, const cardea_str *values, size_t count,
                             const char *body, size_t n);
/* The head alone; or an informational one (status 102 to 199 but 101), of which several may come before it. Without Content-Length the length is open. */
CARDEA_API int cardea_answer_begin(cardea_token t, int status, const cardea_str *names, const cardea_str *values, size_t count);
/* A piece of the body, of any size. With `release` the bytes are lent: it runs once, on the worker's thread, when they are no longer needed; without
 * they are copied. CARDEA_OK: go on. 1: taken, but per_connection_buffer_limit_bytes wait for the client: on_writable follows. CARDEA_EAGAIN: not taken
 * (as is everything but CARDEA_OK and 1; `release` does not run then), on_writable follows. CARDEA_EINVAL: before the head, or past its
 * Content-Length. An answer without a body (to HEAD; 204, 304) drops them. */
CARDEA_API int cardea_answer_write(cardea_token t, const char *bytes, size_t n, cardea_free_fn release, void *ud);
/* The answer is complete; with trailers when `count` is not 0 (they reach HTTP/2 clients, and HTTP/1.1 where the length is open). CARDEA_EINVAL: before the
 * head; a trailer as in cardea_answer(), or one that may not be one (RFC 9110 6.5.1); or less came than Content-Length says: then the answer is cut. */
CARDEA_API int cardea_answer_end(cardea_token t, const cardea_str *names, const cardea_str *values, size_t count);
/* Gives up: the client gets 502, or sees that what it got is not complete. */
CARDEA_API int cardea_answer_abort(cardea_token t);
/* Copies what has come of the request's body: CARDEA_OK and 0 < *n <= capacity. 1: the body is over, *n is 0; trailers are dropped. CARDEA_EAGAIN: nothing is
 * there yet, on_readable follows. What is not read stops the client at per_connection_buffer_limit_bytes. */
CARDEA_API int cardea_body_read(cardea_token t, char *buffer, size_t capacity, size_t *n);

/* ---- what requests and connections tell (loop; inside callbacks) ------------------------------- */

#define CARDEA_STR_REQUEST_ID 1
#define CARDEA_STR_METHOD 2
#define CARDEA_STR_HOST 3      /* without port, as the client wrote it */
#define CARDEA_STR_PATH 4      /* normalised, without query: what was matched */
#define CARDEA_STR_QUERY 5     /* with '?', or empty */
#define CARDEA_STR_ROUTE 6     /* its name; empty when none matched */
#define CARDEA_STR_CLIENT_IP 7 /* by X-Forwarded-For and the trusted hops, else the peer's */
#define CARDEA_STR_PEER 8      /* address of the connection */
#define CARDEA_STR_LISTENER 9
#define CARDEA_STR_IDENTITY 10    /* the user's id; empty: nobody is known */
#define CARDEA_STR_POLICY_DATA 11 /* of the criterion `host`, as JSON */
#define CARDEA_STR_ENDPOINT 12    /* address of the service; empty when none was picked */
#define CARDEA_STR_CAUSE 13       /* "ok", "denied:by_rule", "truncated:upstream_reset", … */
#define CARDEA_STR_FLAGS 14       /* Envoy's response flag, "-" for none */
#define CARDEA_STR_PROTOCOL 15    /* "HTTP/1.1", "HTTP/2.0" */
#define CARDEA_STR_TLS_VERSION 16 /* "TLSv1.3", empty without TLS */
#define CARDEA_STR_SNI 17
#define CARDEA_STR_ACCESS_RECORD 18 /* the exchange as one JSON object (on_request_end, on_request_log) */
#define CARDEA_STR_HEADERS 19       /* queue events only: "name: value\r\n" lines */
#define CARDEA_STR_EMAIL 20
#define CARDEA_STR_CERTIFICATE_FINGERPRINT 21 /* SHA-256 of the client's certificate, trusted or not, in lower-case hex */
#define CARDEA_STR_RULE 22                    /* the rule that decided: "policy[0].allow.or", "allowed_users" */
#define CARDEA_STR_REASONS 23                 /* Pomerium's words, separated by commas */
#define CARDEA_STR_LIVE_RECORD 24             /* the exchange as it is now, as one JSON object */
#define CARDEA_STR_CLUSTER 25                 /* its name; empty when none was picked */

#define CARDEA_INT_STATUS 1    /* 0: the client got no answer */
#define CARDEA_INT_BYTES_IN 2  /* of the request's body */
#define CARDEA_INT_BYTES_OUT 3 /* of the answer's body */
#define CARDEA_INT_DURATION 4
#define CARDEA_INT_CONNECT 5 /* 0: a pooled connection */
#define CARDEA_INT_FIRST_BYTE 6
#define CARDEA_INT_ATTEMPTS 7
#define CARDEA_INT_GENERATION 8         /* of the configuration that the exchange began with */
#define CARDEA_INT_CONN_ID 9            /* unique in the process */
#define CARDEA_INT_TRUNCATED 10         /* 1: cut after the head was sent */
#define CARDEA_INT_REAUTHORIZED 11      /* in on_authorize: 1: it has passed before and lives */
#define CARDEA_INT_POLICY_GENERATION 12 /* of the configuration that judged it last */

CARDEA_API int cardea_request_get_str(const cardea_request *r, int what, cardea_str *out);
CARDEA_API int cardea_request_get_int(const cardea_request *r, int what, int64_t *out);
/* First request header of this name (any case); CARDEA_ENOTFOUND. As the client sent it in on_authorize, as the service got it in
 * on_request_end. */
CARDEA_API int cardea_request_header(const cardea_request *r, const char *name, size_t n, cardea_str *out);
/* All request headers in order: fills up to `cap`, tells how many there are. */
CARDEA_API int cardea_request_headers(const cardea_request *r, cardea_str *names, cardea_str *values, size_t cap, size_t *count);
CARDEA_API cardea_conn *cardea_request_conn(const cardea_request *r);
CARDEA_API void *cardea_request_data(const cardea_request *r);
CARDEA_API int cardea_request_set_data(cardea_request *r, void *data);
CARDEA_API int cardea_conn_get_str(const cardea_conn *c, int what, cardea_str *out); /* PEER LISTENER PROTOCOL TLS_VERSION SNI */
CARDEA_API int cardea_conn_get_int(const cardea_conn *c, int what, int64_t *out);    /* CONN_ID */
CARDEA_API void *cardea_conn_data(const cardea_conn *c);
CARDEA_API int cardea_conn_set_data(cardea_conn *c, void *data);

/* ---- proxy: what workers share (any) ------------------------------------------------------------ */

/* `config` must be sealed. `handlers` may be NULL and is copied. `ud_free` (may be NULL) runs once, after the last callback. */
CARDEA_API int cardea_proxy_new(cardea_config *config, const cardea_handlers *handlers, void *ud, cardea_free_fn ud_free,
                                cardea_proxy **out, cardea_error **error);
CARDEA_API void cardea_proxy_unref(cardea_proxy *p);
/* Makes a sealed configuration the current one: a comparison, not a restart. Live exchanges keep the one they began with; listeners,
 * pools and connections that did not change stay. A failure changes nothing. */
CARDEA_API int cardea_proxy_apply(cardea_proxy *p, cardea_config *config, cardea_error **error);
CARDEA_API int cardea_proxy_generation(const cardea_proxy *p, uint64_t *out);
/* Stops accepting, sends GOAWAY and Connection: close, lets exchanges finish, cuts the rest at the deadline. `done` (may be NULL)
 * runs once, on a worker's thread; on the caller's when no worker is left. deadline_ms < 0: the configuration's drain_timeout. */
CARDEA_API int cardea_proxy_drain(cardea_proxy *p, int64_t deadline_ms, cardea_done_fn done, void *ud);
/* A listening TCP or unix socket that somebody else bound: systemd's socket activation, a predecessor. The listener with its address takes it instead of
 * binding, on every worker; one that fits none yet waits for a configuration that has it. Before the first worker is made, or before the
 * cardea_proxy_apply() that brings the listener. The descriptor is Cardea's unless this fails. A unix socket's file is left when it ends. */
CARDEA_API int cardea_proxy_adopt_listening(cardea_proxy *p, int fd, cardea_error **error);
/* New descriptors (close-on-exec) of all sockets that the listeners of all workers accept from: yours, to be passed to a successor, which adopts
 * every one of them; drain this proxy when it serves, and no connection is refused or lost. Fills up to `cap`, tells how many there are (those past
 * `cap` are closed again). Unix sockets leave their files from then on. CARDEA_EIO: there are no descriptors. */
CARDEA_API int cardea_proxy_listening_fds(cardea_proxy *p, int *fds, size_t cap, size_t *count);
/* Walks the metrics: *cursor starts at 0. Names are static, values current. 1: one was given; 0: there are no more. */
CARDEA_API int cardea_proxy_metric_next(const cardea_proxy *p, size_t *cursor, cardea_str *name, cardea_str *kind, cardea_str *help,
                                        uint64_t *value);
/* All of them and those that have labels (routes, clusters) or are histograms: what GET /metrics answers, Prometheus' text format 0.0.4. Given inside
 * the call. */
CARDEA_API int cardea_proxy_metrics(const cardea_proxy *p, cardea_text_fn fn, void *ud);

/* ---- live requests and their permissions (any) --------------------------------------------------- */

/* A permission lasts as long as what it rests on: live requests are judged again when a configuration is applied, when a token, a
 * certificate or a time of the policy runs out, at least every reauthorize_interval, and on the calls below. Those that may go on no
 * more end within a turn of their worker: a WebSocket with close code 1008, gRPC with status 7, other HTTP/2 streams with a reset, HTTP/1.1
 * answers cut, tunnels with FIN. Nobody else notices.
 *
 * A selector is a JSON object: {"user": id or e-mail, "route", "listener", "cluster", "endpoint", "exchange": request id,
 * "certificate_fingerprint", "generation": number}; all that are given must fit; NULL, "" and {} are everything. CARDEA_EINVAL
 * names what is wrong in it. */

/* Answers from all workers are one JSON text; fn is called exactly once, on a worker's thread, or on the caller's when no worker is
 * left. */

/* {"exchanges": [...], "count": n}. Each: id, trace_id, route, user, peer, protocol, kind, state, age_ms, bytes, lease_ms, clocks, …
 * "clocks": {"timeout": {"left_ms": n, "from": "route"}, …}: those that run, and where each was set: route, global or default. */
CARDEA_API int cardea_proxy_list(cardea_proxy *p, const char *selector, size_t n, cardea_text_fn fn, void *ud,
                                 cardea_error **error);
/* {"generation": that of new requests, "listeners": [names], "routes": [names], "generations": [{"generation", "exchanges"}, …]}: the newest
 * configuration, and each older one that live requests still go by, with their number; oldest first. The memory of an older one is
 * free when its last request is over and the host has let go of it. */
CARDEA_API int cardea_proxy_generations(cardea_proxy *p, cardea_text_fn fn, void *ud);
/* Judges again now; where the policy names the host, on_authorize is asked again. */
CARDEA_API int cardea_proxy_reauthorize(cardea_proxy *p, const char *selector, size_t n, cardea_error **error);
/* `who`: {"user": id or e-mail} or {"certificate_fingerprint"}, and perhaps {"until": Unix seconds or "2030-01-31T12:00:00Z"}. From
 * now on nothing of theirs passes, whatever a policy says, and what lives ends. `by` (may be NULL) is kept for the record. */
CARDEA_API int cardea_proxy_revoke(cardea_proxy *p, const char *who, size_t n, const char *by, cardea_error **error);
/* Ends those that fit. fn (may be NULL) gets {"ended": n}. */
CARDEA_API int cardea_proxy_end(cardea_proxy *p, const char *selector, size_t n, const char *by, cardea_text_fn fn, void *ud,
                                cardea_error **error);
/* Which live requests applying this sealed configuration would end: {"would_end": [{"id", "route", "user"}], "would_ask_host": [...],
 * "judged": n}. Changes nothing. */
CARDEA_API int cardea_proxy_dry_run(cardea_proxy *p, cardea_config *config, cardea_text_fn fn, void *ud, cardea_error **error);

/* ---- drains (any) -------------------------------------------------------------------------------- */

/* Lets those go that the selector means (see above; also {"certificate_generation": number}: of the configuration that brought a
 * connection's certificates). A selector of connections (everything, listener, certificate_generation) lets connections go: idle ones at
 * once, HTTP/1.1 with its last answer, HTTP/2 by GOAWAY; a listener stops to listen. Any other lets exchanges go that live now. Requests finish
 * by themselves; WebSockets get close code 1001, gRPC streams status 14, tunnels FIN, event streams end. What is left at the deadline is
 * cut. deadline_ms < 0: drain_timeout. `flags`: CARDEA_DRAIN_, 0: by drain_strategy. `id` may be NULL. `done` (may be NULL) runs once when
 * nobody is left or it was cancelled, on a worker's thread (on the caller's when no worker is left). CARDEA_EAGAIN: 100 drains run. */
#define CARDEA_DRAIN_IMMEDIATE 1u /* streams are told at once */
#define CARDEA_DRAIN_GRADUAL 2u   /* streams are told one by one, spread over the time */
#define CARDEA_DRAIN_RESTART 4u   /* WebSockets get 1012: come back soon */
CARDEA_API int cardea_proxy_drain_start(cardea_proxy *p, const char *selector, size_t n, int64_t deadline_ms, uint32_t flags,
                                        const char *by, cardea_done_fn done, void *ud, uint64_t *id, cardea_error **error);
/* {"drains": [{"id", "selector", "state", "strategy", "age_ms", "left_ms", "left": {"http", "grpc", "websocket", "tcp", "sessions"}, "finished",
 * "told", "cut"}]}: those that run and the last that did, newest first; given inside the call. */
CARDEA_API int cardea_proxy_drains(cardea_proxy *p, cardea_text_fn fn, void *ud);
/* Those that have not been told stay, listeners listen again. CARDEA_ESTALE: it does not run. */
CARDEA_API int cardea_proxy_drain_cancel(cardea_proxy *p, uint64_t id);
/* The deadline is this many milliseconds from now. CARDEA_ESTALE: it does not run. */
CARDEA_API int cardea_proxy_drain_extend(cardea_proxy *p, uint64_t id, int64_t from_now_ms);

/* ---- clusters (any) ------------------------------------------------------------------------------ */

/* A cluster has the name of the first route that it serves. */

/* Completes a pending custom check; `healthy` is 0 or 1. CARDEA_ESTALE when it timed out or no longer matters; harmless. */
CARDEA_API int cardea_health_check_complete(cardea_proxy *p, cardea_token t, int healthy);
/* The endpoints of a cluster from now on, also in later configurations: a JSON list of URLs ("http://10.0.0.1:80") or of {"url",
 * "weight", "priority"}, at most 10,000; NULL: those of the configuration again. Those that stay keep their connections; those that go
 * finish what they have. CARDEA_ENOTFOUND: no such cluster. CARDEA_EINVAL names what is wrong in the list; nothing changed then. */
CARDEA_API int cardea_proxy_set_endpoints(cardea_proxy *p, const char *cluster, size_t cluster_n, const char *json, size_t n,
                                          cardea_error **error);
/* {"clusters": [{"name", "algorithm", "requests", "connections", "endpoints": [{"address", "weight", "priority", "health", …}], …}]}, given
 * inside the call. */
CARDEA_API int cardea_proxy_clusters(cardea_proxy *p, cardea_text_fn fn, void *ud);

/* ---- workers: one loop each (loop) -------------------------------------------------------------- */

/* Every constructor binds the proxy's listeners; a failure names the address. */
/* Driven by fd, timeout and step from the host's own poll loop. */
CARDEA_API int cardea_worker_new(cardea_proxy *p, cardea_worker **out, cardea_error **error);
/* As cardea_worker_new(), but time is what `now` says, in milliseconds: monotonic as the result, of the wall clock (Unix) in *unix_ms. For tests of
 * timeouts: timers run in cardea_worker_step() when they are due by this clock. Called often, on the worker's thread; must not call Cardea. */
typedef int64_t (*cardea_clock_fn)(void *ud, int64_t *unix_ms);
CARDEA_API int cardea_worker_new_clock(cardea_proxy *p, cardea_clock_fn now, void *ud, cardea_worker **out, cardea_error **error);
/* On the host's uv_loop_t. `uv_version`: the host's uv_version(); another major.minor than ours is refused. Host and Cardea must use
 * the same libuv object. Wait for close's completion before uv_loop_close(); after a failure here run the loop once. */
CARDEA_API int cardea_worker_new_uv(cardea_proxy *p, struct uv_loop_s *loop, unsigned uv_version, cardea_worker **out,
                                    cardea_error **error);
/* On a thread of ours with all signals blocked; callbacks come on it. */
CARDEA_API int cardea_worker_start_thread(cardea_proxy *p, cardea_worker **out, cardea_error **error);

/* Readable means: call step. Level-triggered. Any call that creates work, from any thread, makes it readable. CARDEA_ENOTSUP for
 * workers that are not made by cardea_worker_new(). */
CARDEA_API int cardea_worker_fd(const cardea_worker *w);
CARDEA_API int cardea_worker_timeout(cardea_worker *w); /* ms until step is due; -1 never, 0 now */
CARDEA_API int cardea_worker_step(cardea_worker *w);    /* one pass without blocking: > 0 call again soon, 0 idle, < 0 error */
CARDEA_API int cardea_worker_run(cardea_worker *w);     /* until the worker is closed */
CARDEA_API int cardea_worker_wakeup(cardea_worker *w);  /* any: makes the fd readable */
/* Takes over an accepted socket as if it had come to listener number `listener`; `preread` is what the host has read from it. The
 * descriptor is Cardea's from then on, also on failure. On workers with a thread of their own only inside callbacks. */
CARDEA_API int cardea_worker_adopt_fd(cardea_worker *w, size_t listener, int fd, const char *preread, size_t n);
/* The real address ("127.0.0.1:41207") of listener number `listener`; CARDEA_ENOTFOUND past the last. Borrowed until the
 * next call on this thread. any */
CARDEA_API int cardea_worker_bound_address(cardea_worker *w, size_t listener, cardea_str *out);
CARDEA_API int cardea_worker_bound_port(cardea_worker *w, size_t listener); /* 0 for unix sockets */
/* Closes every connection now. Returns at once; `done` (may be NULL) runs once when everything is gone. any for threads, else loop */
CARDEA_API int cardea_worker_close(cardea_worker *w, cardea_done_fn done, void *ud);
/* Waits for a thread's end after close; CARDEA_ETIMEDOUT. Not from its own thread. */
CARDEA_API int cardea_worker_join(cardea_worker *w, int64_t timeout_ms);
/* Before the close has completed: closes, and frees itself then. */
CARDEA_API void cardea_worker_free(cardea_worker *w);

/* ---- event queue: instead of callbacks (any, one poller at a time) -------------------------------- */

#define CARDEA_EVENT_AUTHORIZE 1   /* token; complete it. value: 1 when it has passed before and lives */
#define CARDEA_EVENT_REQUEST_END 2 /* value: status; token: that of its CARDEA_EVENT_REQUEST, else 0 */
#define CARDEA_EVENT_CONN_OPEN 3   /* id: the connection's */
#define CARDEA_EVENT_CONN_CLOSE 4
#define CARDEA_EVENT_DRAINED 5      /* id: the drain's; 0: cardea_proxy_drain() */
#define CARDEA_EVENT_OVERFLOW 6     /* value: events that were dropped since the last poll */
#define CARDEA_EVENT_HEALTH 7       /* value: CARDEA_HEALTH_; strings: CLUSTER ENDPOINT CAUSE */
#define CARDEA_EVENT_HEALTH_CHECK 8 /* token; complete it. Strings: CLUSTER ENDPOINT */
#define CARDEA_EVENT_REQUEST 9      /* token; answer it. As on_request, with the strings of AUTHORIZE */
#define CARDEA_EVENT_READABLE 10    /* token. As on_readable */
#define CARDEA_EVENT_WRITABLE 11    /* token. As on_writable */
#define CARDEA_EVENT_REQUEST_LOG 12 /* As on_request_log, with the fields and strings of REQUEST_END but CAUSE and FLAGS */

/* 64 bytes; grows only at its end: poll is told the size. */
typedef struct cardea_event {
  uint32_t type;
  int32_t code;
  cardea_token token;
  uint64_t id;
  int64_t value;
  uint64_t ref; /* for cardea_queue_str() */
  uint64_t reserved[3];
} cardea_event;

/* At most `capacity` events wait (0: 65536), and 64 MiB of them. What finds the queue full is dropped and counted; an authorization is
 * denied then. */
CARDEA_API int cardea_queue_new(size_t capacity, cardea_queue **out);
CARDEA_API void cardea_queue_unref(cardea_queue *q);
CARDEA_API int cardea_queue_fd(const cardea_queue *q); /* readable while events wait */
/* Events of this proxy go to `q` from now on; `types`: bit mask of 1 << CARDEA_EVENT_. Before the first worker is made, later
 * CARDEA_ESEALED. A handler that is set wins over the event of the same kind. `q` may be NULL: no events. */
CARDEA_API int cardea_proxy_set_queue(cardea_proxy *p, cardea_queue *q, uint32_t types);
/* Takes up to `cap` events; `stride` is sizeof(cardea_event) of the caller. */
CARDEA_API int cardea_queue_poll(cardea_queue *q, void *events, size_t cap, size_t stride, size_t *count);
/* A string (CARDEA_STR_) of an event of the last poll; valid until the next one. */
CARDEA_API int cardea_queue_str(const cardea_queue *q, uint64_t ref, int what, cardea_str *out);

#ifdef __cplusplus
}
#endif
#endif /* CARDEA_CARDEA_H */
