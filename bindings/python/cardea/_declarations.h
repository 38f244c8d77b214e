/* Made from cardea.h by tools/declarations.py. */
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
typedef struct cardea_str {
  const char *ptr;
  size_t len;
} cardea_str;
typedef void (*cardea_done_fn)(void *ud, int status);
typedef void (*cardea_free_fn)(void *ud);
typedef void (*cardea_text_fn)(void *ud, const char *text, size_t n);
struct uv_loop_s;
#define CARDEA_OK 0
#define CARDEA_EINVAL -1
#define CARDEA_ENOMEM -2
#define CARDEA_EINTERNAL -3
#define CARDEA_ESEALED -4
#define CARDEA_ECONFIG -5
#define CARDEA_EIO -6
#define CARDEA_ETLS -7
#define CARDEA_EADDRINUSE -8
#define CARDEA_ENOTFOUND -9
#define CARDEA_ENOTSUP -10
#define CARDEA_ESTALE -11
#define CARDEA_EREENTRANT -12
#define CARDEA_EWRONGTHREAD -13
#define CARDEA_ECLOSED -14
#define CARDEA_ETIMEDOUT -15
#define CARDEA_EFORKED -16
#define CARDEA_EEXIST -17
#define CARDEA_EAGAIN -18
const char *cardea_strerror(int code);
const char *cardea_errname(int code);
int cardea_error_code(const cardea_error *e);
const char *cardea_error_message(const cardea_error *e);
int64_t cardea_error_source_code(const cardea_error *e);
void cardea_error_free(cardea_error *e);
int cardea_init(uint32_t version_num, uint32_t flags, const void *alloc);
uint32_t cardea_version(void);
const char *cardea_version_string(void);
#define CARDEA_FEATURE_TLS 1
#define CARDEA_FEATURE_HTTP2 2
#define CARDEA_FEATURE_DNS 4
uint32_t cardea_features(void);
#define CARDEA_LOG_ERROR 1
#define CARDEA_LOG_WARNING 2
#define CARDEA_LOG_NOTICE 3
#define CARDEA_LOG_DEBUG 4
typedef void (*cardea_log_fn)(void *ud, int level, const char *message, size_t size);
void cardea_set_log(cardea_log_fn fn, void *ud, int level);
#define CARDEA_OWNER_GLOBAL 1
#define CARDEA_OWNER_LISTENER 2
#define CARDEA_OWNER_ROUTE 3
#define CARDEA_OWNER_CLUSTER 4
#define CARDEA_TYPE_BOOL 1
#define CARDEA_TYPE_INT 2
#define CARDEA_TYPE_DURATION 3
#define CARDEA_TYPE_STRING 4
#define CARDEA_TYPE_STRINGS 5
int cardea_option_by_name(int owner, const char *name, size_t n);
int cardea_option_next(int option);
const char *cardea_option_name(int option);
const char *cardea_option_doc(int option);
int cardea_option_owner(int option);
int cardea_option_type(int option);
int cardea_option_range(int option, int64_t *def, int64_t *min, int64_t *max);
int cardea_config_new(cardea_config **out);
int cardea_config_load(const char *text, size_t n, const char *source_name, cardea_config **out, cardea_error **error);
void cardea_config_unref(cardea_config *c);
int cardea_config_set_int(cardea_config *c, int option, int64_t value);
int cardea_config_set_str(cardea_config *c, int option, const char *s, size_t n);
int cardea_config_add_listener(cardea_config *c, cardea_listener *l);
int cardea_config_add_route(cardea_config *c, cardea_route *r);
int cardea_config_seal(cardea_config *c, cardea_error **error);
int cardea_config_get_int(const cardea_config *c, int option, int64_t *out);
int cardea_config_get_str(const cardea_config *c, int option, cardea_str *out);
int cardea_config_file(const cardea_config *c, size_t index, cardea_str *out);
int cardea_config_listener_scheme(const cardea_config *c, size_t index, cardea_str *out);
int cardea_listener_new(const char *address, size_t n, cardea_listener **out);
void cardea_listener_unref(cardea_listener *l);
int cardea_listener_set_int(cardea_listener *l, int option, int64_t value);
int cardea_listener_set_str(cardea_listener *l, int option, const char *s, size_t n);
int cardea_listener_set_tls(cardea_listener *l, cardea_tls *t);
int cardea_tls_new(cardea_tls **out);
void cardea_tls_unref(cardea_tls *t);
int cardea_tls_add_cert(cardea_tls *t, const char *cert, size_t cert_n, const char *key, size_t key_n,
                                   cardea_error **error);
int cardea_tls_add_cert_file(cardea_tls *t, const char *cert_path, const char *key_path, cardea_error **error);
int cardea_route_new(const char *from, size_t n, cardea_route **out);
void cardea_route_unref(cardea_route *r);
int cardea_route_set_int(cardea_route *r, int option, int64_t value);
int cardea_route_set_str(cardea_route *r, int option, const char *s, size_t n);
int cardea_route_set_policy(cardea_route *r, cardea_policy *p);
int cardea_route_set_cluster(cardea_route *r, cardea_cluster *k);
int cardea_policy_parse(const char *text, size_t n, cardea_policy **out, cardea_error **error);
int cardea_policy_public(cardea_policy **out);
int cardea_policy_host(const char *data, size_t n, cardea_policy **out);
void cardea_policy_unref(cardea_policy *p);
int cardea_cluster_new(cardea_cluster **out);
void cardea_cluster_unref(cardea_cluster *k);
int cardea_cluster_set_int(cardea_cluster *k, int option, int64_t value);
int cardea_cluster_set_str(cardea_cluster *k, int option, const char *s, size_t n);
int cardea_cluster_add_endpoint(cardea_cluster *k, const char *url, size_t n, uint32_t weight);
#define CARDEA_DENY 0
#define CARDEA_ALLOW 1
#define CARDEA_PENDING 2
typedef struct cardea_handlers {
  size_t struct_size;
  int (*on_authorize)(void *ud, cardea_request *r, cardea_token t);
  void (*on_request_end)(void *ud, cardea_request *r);
  void (*on_conn_open)(void *ud, cardea_conn *c);
  void (*on_conn_close)(void *ud, cardea_conn *c);
  int (*on_pick_endpoint)(void *ud, cardea_request *r, const cardea_str *endpoints, const uint32_t *weights, const uint32_t *active,
                          size_t count);
  void (*on_health)(void *ud, const cardea_str *cluster, const cardea_str *endpoint, int health, const cardea_str *cause);
  int (*on_health_check)(void *ud, const cardea_str *cluster, const cardea_str *endpoint, cardea_token t);
  void (*on_request)(void *ud, cardea_request *r, cardea_token t);
  void (*on_readable)(void *ud, cardea_token t);
  void (*on_writable)(void *ud, cardea_token t);
  void (*on_request_start)(void *ud, cardea_request *r);
  void (*on_request_log)(void *ud, cardea_request *r);
} cardea_handlers;
#define CARDEA_HEALTH_UNHEALTHY 1
#define CARDEA_HEALTH_HEALTHY 2
#define CARDEA_HEALTH_EJECTED 3
#define CARDEA_HEALTH_RETURNED 4
#define CARDEA_HEALTH_WOULD_EJECT 5
int cardea_authorize_complete(cardea_token t, int decision, const char *identity, size_t n);
int cardea_answer(cardea_token t, int status, const cardea_str *names, const cardea_str *values, size_t count,
                             const char *body, size_t n);
int cardea_answer_begin(cardea_token t, int status, const cardea_str *names, const cardea_str *values, size_t count);
int cardea_answer_write(cardea_token t, const char *bytes, size_t n, cardea_free_fn release, void *ud);
int cardea_answer_end(cardea_token t, const cardea_str *names, const cardea_str *values, size_t count);
int cardea_answer_abort(cardea_token t);
int cardea_body_read(cardea_token t, char *buffer, size_t capacity, size_t *n);
#define CARDEA_STR_REQUEST_ID 1
#define CARDEA_STR_METHOD 2
#define CARDEA_STR_HOST 3
#define CARDEA_STR_PATH 4
#define CARDEA_STR_QUERY 5
#define CARDEA_STR_ROUTE 6
#define CARDEA_STR_CLIENT_IP 7
#define CARDEA_STR_PEER 8
#define CARDEA_STR_LISTENER 9
#define CARDEA_STR_IDENTITY 10
#define CARDEA_STR_POLICY_DATA 11
#define CARDEA_STR_ENDPOINT 12
#define CARDEA_STR_CAUSE 13
#define CARDEA_STR_FLAGS 14
#define CARDEA_STR_PROTOCOL 15
#define CARDEA_STR_TLS_VERSION 16
#define CARDEA_STR_SNI 17
#define CARDEA_STR_ACCESS_RECORD 18
#define CARDEA_STR_HEADERS 19
#define CARDEA_STR_EMAIL 20
#define CARDEA_STR_CERTIFICATE_FINGERPRINT 21
#define CARDEA_STR_RULE 22
#define CARDEA_STR_REASONS 23
#define CARDEA_STR_LIVE_RECORD 24
#define CARDEA_STR_CLUSTER 25
#define CARDEA_INT_STATUS 1
#define CARDEA_INT_BYTES_IN 2
#define CARDEA_INT_BYTES_OUT 3
#define CARDEA_INT_DURATION 4
#define CARDEA_INT_CONNECT 5
#define CARDEA_INT_FIRST_BYTE 6
#define CARDEA_INT_ATTEMPTS 7
#define CARDEA_INT_GENERATION 8
#define CARDEA_INT_CONN_ID 9
#define CARDEA_INT_TRUNCATED 10
#define CARDEA_INT_REAUTHORIZED 11
#define CARDEA_INT_POLICY_GENERATION 12
int cardea_request_get_str(const cardea_request *r, int what, cardea_str *out);
int cardea_request_get_int(const cardea_request *r, int what, int64_t *out);
int cardea_request_header(const cardea_request *r, const char *name, size_t n, cardea_str *out);
int cardea_request_headers(const cardea_request *r, cardea_str *names, cardea_str *values, size_t cap, size_t *count);
cardea_conn *cardea_request_conn(const cardea_request *r);
void *cardea_request_data(const cardea_request *r);
int cardea_request_set_data(cardea_request *r, void *data);
int cardea_conn_get_str(const cardea_conn *c, int what, cardea_str *out);
int cardea_conn_get_int(const cardea_conn *c, int what, int64_t *out);
void *cardea_conn_data(const cardea_conn *c);
int cardea_conn_set_data(cardea_conn *c, void *data);
int cardea_proxy_new(cardea_config *config, const cardea_handlers *handlers, void *ud, cardea_free_fn ud_free,
                                cardea_proxy **out, cardea_error **error);
void cardea_proxy_unref(cardea_proxy *p);
int cardea_proxy_apply(cardea_proxy *p, cardea_config *config, cardea_error **error);
int cardea_proxy_generation(const cardea_proxy *p, uint64_t *out);
int cardea_proxy_drain(cardea_proxy *p, int64_t deadline_ms, cardea_done_fn done, void *ud);
int cardea_proxy_adopt_listening(cardea_proxy *p, int fd, cardea_error **error);
int cardea_proxy_listening_fds(cardea_proxy *p, int *fds, size_t cap, size_t *count);
int cardea_proxy_metric_next(const cardea_proxy *p, size_t *cursor, cardea_str *name, cardea_str *kind, cardea_str *help,
                                        uint64_t *value);
int cardea_proxy_metrics(const cardea_proxy *p, cardea_text_fn fn, void *ud);
int cardea_proxy_list(cardea_proxy *p, const char *selector, size_t n, cardea_text_fn fn, void *ud,
                                 cardea_error **error);
int cardea_proxy_generations(cardea_proxy *p, cardea_text_fn fn, void *ud);
int cardea_proxy_reauthorize(cardea_proxy *p, const char *selector, size_t n, cardea_error **error);
int cardea_proxy_revoke(cardea_proxy *p, const char *who, size_t n, const char *by, cardea_error **error);
int cardea_proxy_end(cardea_proxy *p, const char *selector, size_t n, const char *by, cardea_text_fn fn, void *ud,
                                cardea_error **error);
int cardea_proxy_dry_run(cardea_proxy *p, cardea_config *config, cardea_text_fn fn, void *ud, cardea_error **error);
#define CARDEA_DRAIN_IMMEDIATE 1
#define CARDEA_DRAIN_GRADUAL 2
#define CARDEA_DRAIN_RESTART 4
int cardea_proxy_drain_start(cardea_proxy *p, const char *selector, size_t n, int64_t deadline_ms, uint32_t flags,
                                        const char *by, cardea_done_fn done, void *ud, uint64_t *id, cardea_error **error);
int cardea_proxy_drains(cardea_proxy *p, cardea_text_fn fn, void *ud);
int cardea_proxy_drain_cancel(cardea_proxy *p, uint64_t id);
int cardea_proxy_drain_extend(cardea_proxy *p, uint64_t id, int64_t from_now_ms);
int cardea_health_check_complete(cardea_proxy *p, cardea_token t, int healthy);
int cardea_proxy_set_endpoints(cardea_proxy *p, const char *cluster, size_t cluster_n, const char *json, size_t n,
                                          cardea_error **error);
int cardea_proxy_clusters(cardea_proxy *p, cardea_text_fn fn, void *ud);
int cardea_worker_new(cardea_proxy *p, cardea_worker **out, cardea_error **error);
typedef int64_t (*cardea_clock_fn)(void *ud, int64_t *unix_ms);
int cardea_worker_new_clock(cardea_proxy *p, cardea_clock_fn now, void *ud, cardea_worker **out, cardea_error **error);
int cardea_worker_new_uv(cardea_proxy *p, struct uv_loop_s *loop, unsigned uv_version, cardea_worker **out,
                                    cardea_error **error);
int cardea_worker_start_thread(cardea_proxy *p, cardea_worker **out, cardea_error **error);
int cardea_worker_fd(const cardea_worker *w);
int cardea_worker_timeout(cardea_worker *w);
int cardea_worker_step(cardea_worker *w);
int cardea_worker_run(cardea_worker *w);
int cardea_worker_wakeup(cardea_worker *w);
int cardea_worker_adopt_fd(cardea_worker *w, size_t listener, int fd, const char *preread, size_t n);
int cardea_worker_bound_address(cardea_worker *w, size_t listener, cardea_str *out);
int cardea_worker_bound_port(cardea_worker *w, size_t listener);
int cardea_worker_close(cardea_worker *w, cardea_done_fn done, void *ud);
int cardea_worker_join(cardea_worker *w, int64_t timeout_ms);
void cardea_worker_free(cardea_worker *w);
#define CARDEA_EVENT_AUTHORIZE 1
#define CARDEA_EVENT_REQUEST_END 2
#define CARDEA_EVENT_CONN_OPEN 3
#define CARDEA_EVENT_CONN_CLOSE 4
#define CARDEA_EVENT_DRAINED 5
#define CARDEA_EVENT_OVERFLOW 6
#define CARDEA_EVENT_HEALTH 7
#define CARDEA_EVENT_HEALTH_CHECK 8
#define CARDEA_EVENT_REQUEST 9
#define CARDEA_EVENT_READABLE 10
#define CARDEA_EVENT_WRITABLE 11
#define CARDEA_EVENT_REQUEST_LOG 12
typedef struct cardea_event {
  uint32_t type;
  int32_t code;
  cardea_token token;
  uint64_t id;
  int64_t value;
  uint64_t ref;
  uint64_t reserved[3];
} cardea_event;
int cardea_queue_new(size_t capacity, cardea_queue **out);
void cardea_queue_unref(cardea_queue *q);
int cardea_queue_fd(const cardea_queue *q);
int cardea_proxy_set_queue(cardea_proxy *p, cardea_queue *q, uint32_t types);
int cardea_queue_poll(cardea_queue *q, void *events, size_t cap, size_t stride, size_t *count);
int cardea_queue_str(const cardea_queue *q, uint64_t ref, int what, cardea_str *out);
