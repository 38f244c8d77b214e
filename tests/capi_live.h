/* Exchanges that are held open by users whom the host's hook names. C89. */
#ifndef CARDEA_TESTS_CAPI_LIVE_H
#define CARDEA_TESTS_CAPI_LIVE_H

#include "capi_tests.h"

/* The hook of these tests: who asks is X-User, and u is u@example.com. Zeroed by stage_open(). */
typedef struct hook_state {
  const char *denies, *leaves; /* a user; `leaves`: no answer yet */
  int first, again;            /* questions by CARDEA_INT_REAUTHORIZED */
  cardea_token token, left;    /* of the last question that was answered, and that was not */
  char user[16], id[48], listener[64], data[64];
  char ends[32768]; /* access records, in order */
} hook_state;
extern hook_state hook;

/* Two routes to the service with this policy: `web` at http://app.test, which takes WebSockets, and, unless it is NULL,
 * the tunnel `db` at db.test:5432 with its own. */
#define TEAM "{allow: {and: [{host: team}]}}"
#define TEAM_AND_BOB "{allow: {and: [{host: team}, {user: {is: bob}}]}}"
#define OTHER_TEAM "{allow: {and: [{host: other}]}}"
#define ANYBODY "{allow: {and: [{accept: true}]}}"
cardea_config* live_config(const char* web_policy, const char* db_policy);
void live_open(scene* s, cardea_config* config);

typedef enum kind { WAIT, PART, SOCKET, TUNNEL } kind; /* no answer yet; a part of it; a WebSocket; a TCP tunnel */
typedef struct held {
  kind kind;
  const char* user;
  char id[48];
  client c;
} held;
/* Returns when it is as `kind` says. */
void hold(scene* s, held* h, kind kind, const char* user);
/* Still open; sockets and tunnels carry bytes in both directions. */
void check_lives(scene* s, held* h);
/* It ends as its kind does when permission is withdrawn, and its end was told once, with this cause (and this `by`, may
 * be NULL). */
void check_ended(scene* s, held* h, const char* cause, const char* by);
void let_go(held* h);
/* One request of this user on its own connection: the status. */
int status_for(scene* s, const char* user);
/* Pumps until the client has read this text. */
void pump_says(cardea_worker* w, client* c, const char* part);

/* What a cardea_text_fn was told. */
typedef struct told {
  int count;
  pthread_t thread;
  char json[32768];
} told;
void take_text(void* ud, const char* json, size_t n); /* `ud`: a told */
/* cardea_proxy_list() of a stepped worker's proxy; the text. */
const char* listed(scene* s, const char* selector);
int listed_count(scene* s, const char* selector);

#endif
