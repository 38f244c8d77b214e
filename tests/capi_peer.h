/* What the C tests share: checks, a service, clients, a host that drives a worker. C89 and cardea.h alone. */
#ifndef CARDEA_TESTS_CAPI_PEER_H
#define CARDEA_TESTS_CAPI_PEER_H

#include <cardea/cardea.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- checks: a failed one is printed and counted, and the case goes on ------------------------- */

#define CHECK(x) check_that((x) != 0, #x, __FILE__, __LINE__)
#define SAME(a, b) check_same((int64_t)(a), (int64_t)(b), #a " == " #b, __FILE__, __LINE__)
/* `part` occurs in `whole`. */
#define SAYS(whole, part) check_says(whole, part, __FILE__, __LINE__)
void check_that(int ok, const char* what, const char* file, int line);
void check_same(int64_t a, int64_t b, const char* what, const char* file, int line);
void check_says(const char* whole, const char* part, const char* file, int line);

typedef struct test_case {
  const char* name;
  void (*run)(void);
} test_case;
/* Runs the cases up to the one without name; of those, with an argument, only those whose name contains it. */
void run_cases(const test_case* cases, const char* only);
int failed_checks(void);

/* A string that cardea lent, as a copy that ends with NUL; reused after eight calls. */
const char* text_of(cardea_str s);

/* ---- a service: answers with the head that it received --------------------------------------------
 * /hold: no answer ever. /cut: the head and a part of the body, then nothing. /ws: a WebSocket that sends frames back.
 */

void origin_start(void);
void origin_stop(void);
const char* origin_url(void); /* "http://127.0.0.1:PORT" */
int origin_requests(void);    /* how many heads came so far */
int open_descriptors(void);   /* of this process, without those of the service */

/* ---- a client on one connection ---------------------------------------------------------------- */

typedef struct client {
  int fd;
  int eof;
  size_t size;
  char text[32768]; /* what came, ends with NUL */
} client;
void client_open(client* c, int port);
void client_take(client* c, int fd); /* an open descriptor */
void client_send(client* c, const char* bytes);
void client_get(client* c, const char* path, int close_after);
void client_read(client* c); /* what is there, without waiting */
void client_close(client* c);
void client_reset(client* c); /* leaves with an RST: somebody who is gone, and does not wait for an answer */
void client_wait(client* c);  /* until the end of the connection, for workers with their own thread */

/* ---- the host's side ---------------------------------------------------------------------------- */

/* What the callbacks saw and what they shall do. Zeroed at first. */
typedef struct seen {
  int authorized, ended, opened, closed, freed, done;
  int answer; /* of on_authorize */
  int status; /* of the last request, the last completion */
  cardea_token token;
  char path[256], cause[128], identity[128], record[4096], header[128];
  int logged; /* records of streams that live; the last of them */
  char log[4096];
  void (*in_authorize)(struct seen* s, cardea_request* r, cardea_token t);
  void (*in_request_end)(struct seen* s, cardea_request* r);
  void (*in_conn)(struct seen* s, cardea_conn* c, int opened);
  cardea_worker* worker;
  cardea_proxy* proxy;
  int code; /* for the case's own use */
  pthread_mutex_t mutex;
  pthread_cond_t changed;
} seen;
void seen_init(seen* s);
void seen_fill(cardea_handlers* handlers);             /* all of them; `ud` must be a seen */
void seen_done(void* ud, int status);                  /* cardea_done_fn: counts in `done` */
void seen_free(void* ud);                              /* cardea_free_fn: counts in `freed` */
int seen_wait(seen* s, const int* counter, int value); /* blocks: for threads' callbacks */

#define PUBLIC 1
#define HOST 2
#define CLOSED 0
/* A draft with a listener on 127.0.0.1:0 and a route http://app.test to the service with such a policy. */
cardea_config* draft_of(int policy);
cardea_config* sealed_of(int policy);
void must_seal(cardea_config* config);

/* A proxy with one stepped worker. */
typedef struct scene {
  cardea_proxy* proxy;
  cardea_worker* worker;
  int port;
  seen seen;
} scene;
void scene_open(scene* s, cardea_config* config); /* takes the reference; seals it when it is not */
void scene_close(scene* s);                       /* closes, and checks that every end was told once */

/* Drives the worker, and reads for the client (may be NULL), until `value` is reached or ten seconds are over. */
int pump_until(cardea_worker* w, client* c, const int* counter, int value);
void pump_eof(cardea_worker* w, client* c); /* until the client's connection ends */
void pump_idle(cardea_worker* w);           /* until the worker has nothing to do now */
/* One request on a connection of its own. */
void get(scene* s, client* c, const char* path);

#endif
