/* Exchanges that are held open, and how to see that one lives or how it ended. */
#include "capi_live.h"

#include <poll.h>
#include <sys/socket.h>
#include <time.h>

hook_state hook;

static void keep_text(char* to, size_t size, const cardea_request* r, int what) {
  cardea_str s;
  SAME(cardea_request_get_str(r, what, &s), CARDEA_OK);
  sprintf(to, "%.*s", (int)(s.len < size ? s.len : size - 1), s.ptr);
}

static void say_who(seen* s, cardea_request* r, cardea_token t) {
  cardea_str user;
  int64_t again = -1;
  char who[96];
  (void)s;
  SAME(cardea_request_header(r, "X-User", CARDEA_NTS, &user), CARDEA_OK);
  sprintf(hook.user, "%.15s", text_of(user));
  SAME(cardea_request_get_int(r, CARDEA_INT_REAUTHORIZED, &again), CARDEA_OK);
  CHECK(again == 0 || again == 1);
  ++*(again ? &hook.again : &hook.first);
  keep_text(hook.id, sizeof hook.id, r, CARDEA_STR_REQUEST_ID);
  keep_text(hook.listener, sizeof hook.listener, r, CARDEA_STR_LISTENER);
  keep_text(hook.data, sizeof hook.data, r, CARDEA_STR_POLICY_DATA);
  if (hook.leaves && strcmp(hook.user, hook.leaves) == 0) {
    hook.left = t;
    return;
  }
  hook.token = t;
  sprintf(who, "{\"user\":\"%s\",\"email\":\"%s@example.com\"}", hook.user, hook.user);
  SAME(cardea_authorize_complete(t, hook.denies && strcmp(hook.user, hook.denies) == 0 ? CARDEA_DENY : CARDEA_ALLOW,
                                 who, CARDEA_NTS),
       CARDEA_OK);
}

static void keep_end(seen* s, cardea_request* r) {
  (void)r;
  if (strlen(hook.ends) + strlen(s->record) + 2 > sizeof hook.ends) return;
  strcat(hook.ends, s->record);
  strcat(hook.ends, "\n");
}

cardea_config* live_config(const char* web_policy, const char* db_policy) {
  char text[2048];
  cardea_config* config = NULL;
  cardea_error* error = NULL;
  sprintf(
      text,
      "address: 127.0.0.1:0\ninsecure_server: true\nroutes:\n"
      "- {from: 'https://app.test', name: web, to: '%s', allow_websockets: true, idle_timeout: 2m, policy: %.500s}\n",
      origin_url(), web_policy);
  if (db_policy) {
    sprintf(text + strlen(text), "- {from: 'tcp+https://db.test:5432', name: db, to: 'tcp%s', policy: %.500s}\n",
            origin_url() + strlen("http"), db_policy);
  }
  SAME(cardea_config_load(text, CARDEA_NTS, "live.yaml", &config, &error), CARDEA_OK);
  if (error) fprintf(stderr, "%s\n%s", cardea_error_message(error), text);
  cardea_error_free(error);
  must_seal(config);
  return config;
}

void live_open(scene* s, cardea_config* config) {
  memset(&hook, 0, sizeof hook);
  scene_open(s, config);
  s->seen.answer = CARDEA_PENDING;
  s->seen.in_authorize = say_who;
  s->seen.in_request_end = keep_end;
}

void pump_says(cardea_worker* w, client* c, const char* part) {
  struct pollfd fds[2];
  const time_t end = time(NULL) + 10;
  int timeout;
  fds[0].fd = cardea_worker_fd(w);
  fds[0].events = fds[1].events = POLLIN;
  while (!strstr(c->text, part) && time(NULL) < end) {
    timeout = cardea_worker_timeout(w);
    fds[1].fd = c->eof ? -1 : c->fd;
    poll(fds, 2, timeout < 0 || timeout > 1000 ? 1000 : timeout);
    CHECK(cardea_worker_step(w) >= 0);
    client_read(c);
  }
  SAYS(c->text, part);
}

/* A text frame. The mask has the high bit, so that no byte of ours becomes NUL. */
static void send_frame(client* c, const char* text) {
  char frame[64] = "\x81";
  size_t i, n = strlen(text);
  frame[1] = (char)(0x80 | n);
  memset(frame + 2, 0x81, 4);
  for (i = 0; i < n; ++i) frame[6 + i] = (char)(text[i] ^ 0x81);
  client_send(c, frame);
}

static void await_service(scene* s, client* c, int before) {
  const time_t end = time(NULL) + 10;
  struct pollfd fd;
  fd.fd = cardea_worker_fd(s->worker);
  fd.events = POLLIN;
  while (origin_requests() <= before && time(NULL) < end) {
    poll(&fd, 1, 1);
    CHECK(cardea_worker_step(s->worker) >= 0);
    client_read(c);
  }
  CHECK(origin_requests() > before);
}

void hold(scene* s, held* h, kind kind, const char* user) {
  static const char* const heads[] = {
      "GET /hold HTTP/1.1\r\nHost: app.test\r\n", "GET /cut HTTP/1.1\r\nHost: app.test\r\n",
      "GET /ws HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
      "CONNECT db.test:5432 HTTP/1.1\r\nHost: db.test:5432\r\n"};
  const int before = origin_requests();
  char head[512];
  h->kind = kind;
  h->user = user;
  client_open(&h->c, s->port);
  sprintf(head, "%sX-User: %s\r\n\r\n", heads[kind], user);
  client_send(&h->c, head);
  if (kind == WAIT) await_service(s, &h->c, before);
  if (kind == PART) pump_says(s->worker, &h->c, "part");
  if (kind == SOCKET) pump_says(s->worker, &h->c, "HTTP/1.1 101 ");
  if (kind == TUNNEL) pump_says(s->worker, &h->c, "HTTP/1.1 200 ");
  strcpy(h->id, *hook.id ? hook.id : "nobody was asked");
  check_lives(s, h);
}

void check_lives(scene* s, held* h) {
  h->c.size = 0;
  h->c.text[0] = 0;
  if (h->kind == SOCKET) {
    send_frame(&h->c, "still");
    pump_says(s->worker, &h->c, "\x81\x05still");
  } else if (h->kind == TUNNEL) {
    client_send(&h->c, "still\r\n\r\n");
    pump_says(s->worker, &h->c, "still\r\n\r\n");
  } else {
    pump_idle(s->worker);
    client_read(&h->c);
    SAME(h->c.size, 0);
  }
  CHECK(!h->c.eof);
  CHECK(!strstr(hook.ends, h->id));
}

void check_ended(scene* s, held* h, const char* cause, const char* by) {
  const time_t end = time(NULL) + 10;
  const size_t before = h->c.size;
  struct pollfd fd;
  int timeout;
  char text[256], *record, *next;
  if (h->kind == WAIT) {
    pump_says(s->worker, &h->c, "HTTP/1.1 403 ");
  } else {
    pump_eof(s->worker, &h->c);
  }
  if (h->kind == SOCKET) SAYS(h->c.text, "\x03\xf0"); /* 1008 */
  /* Nothing but what the service had sent: a half answer has no end, a tunnel a FIN. */
  if (h->kind == PART || h->kind == TUNNEL) SAME(h->c.size, before);
  shutdown(h->c.fd, SHUT_WR); /* it lets go too */
  fd.fd = cardea_worker_fd(s->worker);
  fd.events = POLLIN;
  while (!strstr(hook.ends, h->id) && time(NULL) < end) {
    timeout = cardea_worker_timeout(s->worker);
    poll(&fd, 1, timeout < 0 || timeout > 1000 ? 1000 : timeout);
    CHECK(cardea_worker_step(s->worker) >= 0);
  }
  record = strstr(hook.ends, h->id);
  CHECK(record);
  if (!record) return;
  next = strchr(record, '\n');
  CHECK(!strstr(next, h->id)); /* once */
  *next = 0;
  sprintf(text, "\"cause\":\"%s%s\"", h->kind == WAIT ? "" : "truncated:", cause);
  SAYS(record, text);
  sprintf(text, "\"user\":\"%s\"", h->user);
  SAYS(record, text);
  if (by) {
    sprintf(text, "\"ended_by\":\"%s\"", by);
    SAYS(record, text);
  } else {
    CHECK(!strstr(record, "ended_by"));
  }
  *next = '\n';
}

void let_go(held* h) {
  client_reset(&h->c);
}

int status_for(scene* s, const char* user) {
  client c;
  char head[128];
  client_open(&c, s->port);
  sprintf(head, "GET /now HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nX-User: %s\r\n\r\n", user);
  client_send(&c, head);
  pump_eof(s->worker, &c);
  client_close(&c);
  return strncmp(c.text, "HTTP/1.1 ", 9) == 0 ? atoi(c.text + 9) : 0;
}

void take_text(void* ud, const char* json, size_t n) {
  told* t = (told*)ud;
  if (n < sizeof t->json) {
    memcpy(t->json, json, n);
    t->json[n] = 0;
  }
  CHECK(n < sizeof t->json);
  t->thread = pthread_self();
  ++t->count;
}

const char* listed(scene* s, const char* selector) {
  static told t;
  memset(&t, 0, sizeof t);
  SAME(cardea_proxy_list(s->proxy, selector, CARDEA_NTS, take_text, &t, NULL), CARDEA_OK);
  CHECK(pump_until(s->worker, NULL, &t.count, 1));
  SAME(t.count, 1);
  return t.json;
}

int listed_count(scene* s, const char* selector) {
  const char* count = strstr(listed(s, selector), "],\"count\":");
  CHECK(count);
  return count ? atoi(count + strlen("],\"count\":")) : -1;
}
