#define _GNU_SOURCE
#include "bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- an answer that comes later --------------------------------------------------------------- */

struct cardea_go_call {
  int refs; /* Go's and the callback's */
  int write_end, status;
  char* text;
  size_t size;
  /* of an adoption */
  size_t listener, count, preread_size;
  int fd;
  char* preread;
  cardea_worker** workers;
};

int cardea_go_call_new(cardea_go_call** out, int* read_end) {
  int ends[2];
  cardea_go_call* c = calloc(1, sizeof *c);
  *out = NULL;
  if (!c) return CARDEA_ENOMEM;
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    free(c);
    return CARDEA_EIO;
  }
  c->refs = 2;
  c->fd = -1;
  c->write_end = ends[1];
  *read_end = ends[0];
  *out = c;
  return CARDEA_OK;
}

void cardea_go_call_unref(cardea_go_call* c) {
  if (__atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
  if (c->write_end >= 0) close(c->write_end);
  if (c->fd >= 0) close(c->fd);
  free(c->text);
  free(c->preread);
  free(c->workers);
  free(c);
}

int cardea_go_call_status(const cardea_go_call* c) {
  return c->status;
}

cardea_str cardea_go_call_text(const cardea_go_call* c) {
  cardea_str text = {c->text, c->size};
  return text;
}

/* The callback's part is over: nothing but the closing pipe tells Go. */
static void finish(cardea_go_call* c, int status) {
  const int end = c->write_end;
  c->status = status;
  c->write_end = -1;
  close(end);
  cardea_go_call_unref(c);
}

void cardea_go_told(void* call, const char* json, size_t n) {
  cardea_go_call* c = call;
  c->text = malloc(n ? n : 1);
  if (c->text) memcpy(c->text, json, n), c->size = n;
  finish(c, c->text ? CARDEA_OK : CARDEA_ENOMEM);
}

void cardea_go_done(void* call, int status) {
  finish(call, status);
}

/* ---- events in batches -------------------------------------------------------------------------- */

static const int kWhat[CARDEA_GO_STRINGS] = {
    CARDEA_STR_REQUEST_ID,  CARDEA_STR_METHOD,   CARDEA_STR_HOST,        CARDEA_STR_PATH,
    CARDEA_STR_QUERY,       CARDEA_STR_ROUTE,    CARDEA_STR_CLIENT_IP,   CARDEA_STR_PEER,
    CARDEA_STR_LISTENER,    CARDEA_STR_IDENTITY, CARDEA_STR_POLICY_DATA, CARDEA_STR_PROTOCOL,
    CARDEA_STR_TLS_VERSION, CARDEA_STR_SNI,      CARDEA_STR_HEADERS,     CARDEA_STR_CAUSE,
    CARDEA_STR_FLAGS,       CARDEA_STR_CLUSTER,  CARDEA_STR_ENDPOINT,    CARDEA_STR_ACCESS_RECORD};

cardea_go_batch* cardea_go_batch_new(void) {
  return calloc(1, sizeof(cardea_go_batch));
}

void cardea_go_batch_free(cardea_go_batch* b) {
  if (b) free(b->text);
  free(b);
}

static int append(cardea_go_batch* b, cardea_str s) {
  if (s.len > UINT32_MAX) return 0;
  if (b->capacity - b->size < s.len) {
    const size_t wanted = (b->size + s.len) * 2;
    char* more = realloc(b->text, wanted);
    if (!more) return 0;
    b->text = more;
    b->capacity = wanted;
  }
  if (s.len) memcpy(b->text + b->size, s.ptr, s.len);
  b->size += s.len;
  return 1;
}

int cardea_go_poll(cardea_queue* q, cardea_go_batch* b, size_t* count) {
  size_t i;
  int k, code, wanted;
  if (b->capacity > 1024 * 1024) { /* one batch of giants is no reason to keep their memory */
    free(b->text);
    b->text = NULL;
    b->capacity = 0;
  }
  b->size = 0;
  code = cardea_queue_poll(q, b->events, CARDEA_GO_BATCH, sizeof b->events[0], count);
  if (code != CARDEA_OK) return code;
  for (i = 0; i < *count; ++i) {
    cardea_go_event* e = &b->events[i];
    e->offset = b->size;
    wanted = b->brief_ends && e->event.type == CARDEA_EVENT_REQUEST_END ? 1 : CARDEA_GO_STRINGS;
    for (k = 0; k < wanted; ++k) { /* the poll made all lengths 0 */
      cardea_str s;
      if (cardea_queue_str(q, e->event.ref, kWhat[k], &s) != CARDEA_OK) continue;
      if (append(b, s)) {
        e->length[k] = (uint32_t)s.len;
      } else {
        e->event.code = CARDEA_ENOMEM;
      }
    }
  }
  return CARDEA_OK;
}

/* ---- answers ------------------------------------------------------------------------------------- */

#define ANSWER_FIELDS 200 /* the library's limit */

int cardea_go_answer(cardea_token t, int how, int status, const char* fields, const uint32_t* lengths, size_t count,
                     const char* body, size_t n) {
  cardea_str names[ANSWER_FIELDS], values[ANSWER_FIELDS];
  size_t i;
  if (count > ANSWER_FIELDS) return CARDEA_EINVAL;
  for (i = 0; i < count; ++i) {
    names[i].ptr = fields;
    names[i].len = lengths[2 * i];
    values[i].ptr = fields += lengths[2 * i];
    values[i].len = lengths[2 * i + 1];
    fields += lengths[2 * i + 1];
  }
  if (how == CARDEA_GO_WHOLE) return cardea_answer(t, status, names, values, count, body, n);
  if (how == CARDEA_GO_HEAD) return cardea_answer_begin(t, status, names, values, count);
  return cardea_answer_end(t, names, values, count);
}

/* ---- others ------------------------------------------------------------------------------------- */

int cardea_go_bound_address(cardea_worker* w, size_t listener, char* to, size_t capacity, size_t* n) {
  cardea_str s;
  const int code = cardea_worker_bound_address(w, listener, &s);
  if (code != CARDEA_OK) return code;
  if (s.len > capacity) return CARDEA_EINTERNAL;
  memcpy(to, s.ptr, s.len);
  *n = s.len;
  return CARDEA_OK;
}

/* Adopting is allowed inside callbacks of the worker that adopts only, and the answer to a question about live requests
 * comes on a thread of some worker of the proxy: that one takes the connection. */
static void adopt_here(void* call, const char* json, size_t n) {
  cardea_go_call* c = call;
  int code = CARDEA_ECLOSED;
  size_t i;
  (void)json, (void)n;
  for (i = 0; i < c->count; ++i) {
    const int copy = fcntl(c->fd, F_DUPFD_CLOEXEC, 0); /* adopting consumes it, also on the wrong thread */
    if (copy < 0) {
      code = CARDEA_EIO;
      break;
    }
    code = cardea_worker_adopt_fd(c->workers[i], c->listener, copy, c->preread, c->preread_size);
    if (code != CARDEA_EWRONGTHREAD) break;
  }
  close(c->fd);
  c->fd = -1;
  finish(c, code);
}

int cardea_go_adopt(cardea_proxy* p, cardea_worker* const* workers, size_t count, size_t listener, int fd,
                    const char* preread, size_t n, cardea_go_call* call) {
  static const char nobody[] = "{\"exchange\":\"-\"}";
  int code;
  call->fd = fd;
  call->listener = listener;
  call->workers = malloc((count ? count : 1) * sizeof *workers);
  call->preread = malloc(n ? n : 1);
  if (!call->workers || !call->preread) return CARDEA_ENOMEM;
  memcpy(call->workers, workers, count * sizeof *workers);
  if (n) memcpy(call->preread, preread, n);
  call->count = count;
  call->preread_size = n;
  code = cardea_proxy_list(p, nobody, sizeof nobody - 1, adopt_here, call, NULL);
  return code;
}

/* ---- the log ------------------------------------------------------------------------------------ */

/* Static, and never freed: another thread may be about to write a line when the log is closed. */
static struct {
  pthread_mutex_t mutex;
  int fd;
  size_t first, count;
  uint64_t lost;
  struct {
    int level;
    size_t size;
    char text[CARDEA_GO_LINE_BYTES];
  } lines[CARDEA_GO_LINES];
} log_ = {PTHREAD_MUTEX_INITIALIZER, -1, 0, 0, 0, {{0, 0, {0}}}};

static void log_line(void* ud, int level, const char* message, size_t size) {
  static const uint64_t one = 1;
  (void)ud;
  pthread_mutex_lock(&log_.mutex);
  if (log_.fd < 0 || log_.count == CARDEA_GO_LINES) {
    ++log_.lost;
  } else {
    const size_t at = (log_.first + log_.count++) % CARDEA_GO_LINES;
    log_.lines[at].level = level;
    log_.lines[at].size = size < CARDEA_GO_LINE_BYTES ? size : CARDEA_GO_LINE_BYTES;
    memcpy(log_.lines[at].text, message, log_.lines[at].size);
    while (write(log_.fd, &one, sizeof one) < 0 && errno == EINTR) continue;
  }
  pthread_mutex_unlock(&log_.mutex);
}

int cardea_go_log_open(int level) {
  int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), mine = -1;
  if (fd < 0) return CARDEA_EIO;
  mine = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (mine < 0) {
    close(fd);
    return CARDEA_EIO;
  }
  pthread_mutex_lock(&log_.mutex);
  log_.fd = fd;
  log_.count = 0;
  log_.lost = 0;
  pthread_mutex_unlock(&log_.mutex);
  cardea_set_log(log_line, NULL, level);
  return mine;
}

void cardea_go_log_close(void) {
  cardea_set_log(NULL, NULL, 0);
  pthread_mutex_lock(&log_.mutex);
  if (log_.fd >= 0) close(log_.fd);
  log_.fd = -1;
  pthread_mutex_unlock(&log_.mutex);
}

int cardea_go_log_take(int* level, char* to, size_t* n, uint64_t* lost) {
  int taken = 0;
  uint64_t count;
  pthread_mutex_lock(&log_.mutex);
  *lost = log_.lost;
  log_.lost = 0;
  if (log_.count > 0) {
    *level = log_.lines[log_.first].level;
    *n = log_.lines[log_.first].size;
    memcpy(to, log_.lines[log_.first].text, *n);
    log_.first = (log_.first + 1) % CARDEA_GO_LINES;
    --log_.count;
    taken = 1;
  } else if (log_.fd >= 0) {
    while (read(log_.fd, &count, sizeof count) < 0 && errno == EINTR) continue;
  }
  pthread_mutex_unlock(&log_.mutex);
  return taken;
}
