/* The C side of the binding: what a C callback has to leave for Go, and what one crossing shall do for many events. No
 * Go function is ever called from C. */
#ifndef CARDEA_GO_BRIDGE_H
#define CARDEA_GO_BRIDGE_H

#include <cardea/cardea.h>

/* ---- an answer that comes later --------------------------------------------------------------- */

/* Made by Go, finished by a callback of Cardea's on a thread of Cardea's; whoever lets go last frees it. The end of the
 * pipe that Go reads sees the end of the file when the answer is there. */
typedef struct cardea_go_call cardea_go_call;
int cardea_go_call_new(cardea_go_call** out, int* read_end);
void cardea_go_call_unref(cardea_go_call* c);
/* Valid when the pipe has ended. */
int cardea_go_call_status(const cardea_go_call* c);
cardea_str cardea_go_call_text(const cardea_go_call* c);

void cardea_go_told(void* call, const char* json, size_t n); /* a cardea_text_fn */
void cardea_go_done(void* call, int status);                 /* a cardea_done_fn */

/* ---- events in batches -------------------------------------------------------------------------- */

#define CARDEA_GO_BATCH 64
#define CARDEA_GO_STRINGS 20 /* rows of kWhat in bridge.c, of the constants in request.go */

typedef struct cardea_go_event {
  cardea_event event;
  size_t offset; /* of the strings in the batch's text, one behind the other */
  uint32_t length[CARDEA_GO_STRINGS];
} cardea_go_event;

typedef struct cardea_go_batch {
  cardea_go_event events[CARDEA_GO_BATCH];
  char* text;
  size_t size, capacity;
  int brief_ends; /* of the end of a request only its id is wanted, the first string */
} cardea_go_batch;

cardea_go_batch* cardea_go_batch_new(void);
void cardea_go_batch_free(cardea_go_batch* b);
/* Takes what waits, with its strings. An event whose strings found no memory has code CARDEA_ENOMEM. */
int cardea_go_poll(cardea_queue* q, cardea_go_batch* b, size_t* count);

/* ---- answers ------------------------------------------------------------------------------------- */

#define CARDEA_GO_WHOLE 0 /* cardea_answer() */
#define CARDEA_GO_HEAD 1  /* cardea_answer_begin() */
#define CARDEA_GO_END 2   /* cardea_answer_end() */
/* `fields`: names and values one behind the other; `lengths`: two for each of the `count` fields. */
int cardea_go_answer(cardea_token t, int how, int status, const char* fields, const uint32_t* lengths, size_t count,
                     const char* body, size_t n);

/* ---- others ------------------------------------------------------------------------------------- */

/* Copies, since the text belongs to the thread that asks, and goroutines change threads. */
int cardea_go_bound_address(cardea_worker* w, size_t listener, char* to, size_t capacity, size_t* n);

/* Hands `fd` to whichever of the workers answers; `call` is told. `fd` and the copied bytes are consumed, also on
 * failure. */
int cardea_go_adopt(cardea_proxy* p, cardea_worker* const* workers, size_t count, size_t listener, int fd,
                    const char* preread, size_t n, cardea_go_call* call);

/* The process's log: lines wait here, at most CARDEA_GO_LINES, until Go takes them. The descriptor is readable then. */
#define CARDEA_GO_LINES 256
#define CARDEA_GO_LINE_BYTES 1024
int cardea_go_log_open(int level); /* a descriptor of the caller's own, or an error */
void cardea_go_log_close(void);
/* 1: a line; 0: there are no more. `lost`: how many found no place since the last call. */
int cardea_go_log_take(int* level, char* to, size_t* n, uint64_t* lost);

#endif
