/* What a host's process does not notice: no thread unless asked for, no signal, no output, nothing that a second copy
 * of the library in the process would fight over. C89. */
#include <dirent.h>
#include <dlfcn.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capi_tests.h"

static int threads(void) {
  DIR* dir = opendir("/proc/self/task");
  int n = 0;
  while (readdir(dir)) ++n;
  closedir(dir);
  return n;
}

/* ---- signals -------------------------------------------------------------------------------------- */

typedef struct signals {
  struct sigaction actions[NSIG];
  sigset_t mask;
} signals;

static void look(signals* s) {
  int i;
  memset(s, 0, sizeof *s);
  for (i = 1; i < NSIG; ++i) sigaction(i, NULL, &s->actions[i]);
  pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
}

static void check_unchanged(const signals* before) {
  signals after;
  int i;
  look(&after);
  for (i = 1; i < NSIG; ++i) {
    CHECK(after.actions[i].sa_handler == before->actions[i].sa_handler);
    SAME(after.actions[i].sa_flags, before->actions[i].sa_flags);
    SAME(sigismember(&after.mask, i), sigismember(&before->mask, i));
  }
}

/* ---- output --------------------------------------------------------------------------------------- */

typedef struct output {
  int saved[2];
  FILE* file[2];
} output;

static void capture(output* o) {
  int i;
  fflush(stdout);
  fflush(stderr);
  for (i = 0; i < 2; ++i) {
    o->file[i] = tmpfile();
    o->saved[i] = dup(i + 1);
    dup2(fileno(o->file[i]), i + 1);
  }
}

/* How much was written meanwhile. */
static long release(output* o) {
  long n = 0;
  int i;
  fflush(stdout);
  fflush(stderr);
  for (i = 0; i < 2; ++i) {
    struct stat st;
    dup2(o->saved[i], i + 1);
    close(o->saved[i]);
    if (fstat(fileno(o->file[i]), &st) == 0) n += (long)st.st_size;
    fclose(o->file[i]);
  }
  return n;
}

/* A life with everything that could tempt a library to speak up: refused configurations, a taken address, cut answers.
 */
static void leaves_the_process_alone(void) {
  const int before = threads();
  signals handlers;
  output out;
  long written;
  scene s;
  client c;
  cardea_config* config = NULL;
  cardea_worker* second = NULL;
  look(&handlers);
  capture(&out);
  SAME(cardea_init(CARDEA_VERSION_NUM, 0, NULL), CARDEA_OK);
  SAME(cardea_config_load("routes: 7\nnonsense: 1", CARDEA_NTS, "x", &config, NULL), CARDEA_ECONFIG);
  scene_open(&s, draft_of(PUBLIC));
  SAME(cardea_worker_step(s.worker) < 0, 0);
  get(&s, &c, "/");
  SAYS(c.text, "200 OK");
  client_open(&c, s.port);
  client_send(&c, "\x16\x03\x01 nonsense\r\n\r\n");
  pump_eof(s.worker, &c);
  client_close(&c);
  SAME(cardea_worker_new(s.proxy, &second, NULL), CARDEA_OK);
  SAME(threads(), before);
  check_unchanged(&handlers);
  cardea_worker_free(second);
  while (cardea_worker_step(second) > 0) continue;
  scene_close(&s);
  written = release(&out);
  SAME(written, 0);
  SAME(threads(), before);
  check_unchanged(&handlers);
}

/* The number of the newest thread. */
static long newest_thread(void) {
  DIR* dir = opendir("/proc/self/task");
  struct dirent* entry;
  long newest = 0;
  while ((entry = readdir(dir))) {
    if (atol(entry->d_name) > newest) newest = atol(entry->d_name);
  }
  closedir(dir);
  return newest;
}

static int blocks_signals(long thread) {
  char path[64], line[256];
  unsigned long blocked = 0;
  FILE* file;
  sprintf(path, "/proc/self/task/%ld/status", thread);
  file = fopen(path, "r");
  if (!file) return 0;
  while (fgets(line, sizeof line, file)) sscanf(line, "SigBlk: %lx", &blocked);
  fclose(file);
  return (blocked >> (SIGTERM - 1) & blocked >> (SIGINT - 1) & blocked >> (SIGPIPE - 1) & 1) != 0;
}

static void a_thread_when_asked_for(void) {
  const int before = threads();
  signals handlers;
  cardea_config* config = sealed_of(PUBLIC);
  cardea_proxy* proxy = NULL;
  cardea_worker* worker = NULL;
  look(&handlers);
  SAME(cardea_proxy_new(config, NULL, NULL, NULL, &proxy, NULL), CARDEA_OK);
  SAME(threads(), before);
  SAME(cardea_worker_start_thread(proxy, &worker, NULL), CARDEA_OK);
  SAME(threads(), before + 1);
  CHECK(blocks_signals(newest_thread()));
  check_unchanged(&handlers);
  SAME(cardea_worker_close(worker, NULL, NULL), CARDEA_OK);
  SAME(cardea_worker_join(worker, -1), CARDEA_OK);
  cardea_worker_free(worker);
  cardea_proxy_unref(proxy);
  cardea_config_unref(config);
  check_unchanged(&handlers);
}

static volatile sig_atomic_t pipes;
static void on_pipe(int number) {
  (void)number;
  ++pipes;
}

/* Clients that are gone while they are answered raise no SIGPIPE. */
static void no_sigpipe(void) {
  struct sigaction mine, before;
  scene s;
  client c;
  int i;
  memset(&mine, 0, sizeof mine);
  mine.sa_handler = on_pipe;
  sigaction(SIGPIPE, &mine, &before);
  scene_open(&s, draft_of(PUBLIC));
  for (i = 0; i < 20; ++i) {
    client_open(&c, s.port);
    client_get(&c, "/a", 0);
    client_get(&c, "/b", 0);
    client_reset(&c);
    CHECK(pump_until(s.worker, NULL, &s.seen.closed, i + 1));
  }
  scene_close(&s);
  SAME(pipes, 0);
  sigaction(SIGPIPE, &before, NULL);
}

/* ---- two copies ----------------------------------------------------------------------------------- */

static int find_library(struct dl_phdr_info* one, size_t size, void* path) {
  (void)size;
  if (!strstr(one->dlpi_name, "libcardea.so")) return 0;
  strcpy((char*)path, one->dlpi_name);
  return 1;
}

static void copy_file(const char* from, int to) {
  char block[65536];
  size_t n;
  FILE* in = fopen(from, "rb");
  CHECK(in != NULL);
  while (in && (n = fread(block, 1, sizeof block, in)) > 0) CHECK(write(to, block, n) == (ssize_t)n);
  if (in) fclose(in);
}

/* The functions of the other copy. C89 has no cast from an object's pointer to a function's. */
static struct {
  int (*config_load)(const char*, size_t, const char*, cardea_config**, cardea_error**);
  int (*config_seal)(cardea_config*, cardea_error**);
  void (*config_unref)(cardea_config*);
  int (*proxy_new)(cardea_config*, const cardea_handlers*, void*, cardea_free_fn, cardea_proxy**, cardea_error**);
  void (*proxy_unref)(cardea_proxy*);
  int (*worker_new)(cardea_proxy*, cardea_worker**, cardea_error**);
  int (*bound_port)(cardea_worker*, size_t);
  int (*step)(cardea_worker*);
  int (*timeout)(cardea_worker*);
  int (*fd)(const cardea_worker*);
  int (*close)(cardea_worker*, cardea_done_fn, void*);
  void (*free)(cardea_worker*);
  void (*set_log)(cardea_log_fn, void*, int);
} other;

static void resolve(void* library, const char* name, void* function) {
  void* found = dlsym(library, name);
  CHECK(found != NULL);
  memcpy(function, &found, sizeof found);
}

static void count_lines(void* ud, int level, const char* message, size_t size) {
  (void)level, (void)message, (void)size;
  ++*(int*)ud;
}

static void get_of_other(cardea_worker* w, client* c) {
  int turns = 0;
  client_open(c, other.bound_port(w, 0));
  client_get(c, "/other", 1);
  while (!c->eof && ++turns < 1000) {
    struct pollfd fds[2];
    const int timeout = other.timeout(w);
    fds[0].fd = other.fd(w);
    fds[1].fd = c->fd;
    fds[0].events = fds[1].events = POLLIN;
    poll(fds, 2, timeout < 0 || timeout > 1000 ? 1000 : timeout);
    while (other.step(w) > 0) continue;
    client_read(c);
  }
  client_close(c);
}

static void two_copies_of_the_library(void) {
  char path[4096] = "", copy[] = "/tmp/libcardea-copy-XXXXXX", text[512];
  const int fd = mkstemp(copy);
  void* library;
  cardea_config* config = NULL;
  cardea_proxy* proxy = NULL;
  cardea_worker* worker = NULL;
  scene s;
  client c;
  int round, done = 0, lines_here = 0, lines_there = 0;
  CHECK(fd >= 0 && dl_iterate_phdr(find_library, path) == 1);
  copy_file(path, fd);
  close(fd);
  library = dlopen(copy, RTLD_NOW | RTLD_LOCAL);
  unlink(copy);
  if (!library) fprintf(stderr, "%s\n", dlerror());
  CHECK(library != NULL);
  if (!library) return;
  resolve(library, "cardea_config_load", &other.config_load);
  resolve(library, "cardea_config_seal", &other.config_seal);
  resolve(library, "cardea_config_unref", &other.config_unref);
  resolve(library, "cardea_proxy_new", &other.proxy_new);
  resolve(library, "cardea_proxy_unref", &other.proxy_unref);
  resolve(library, "cardea_worker_new", &other.worker_new);
  resolve(library, "cardea_worker_bound_port", &other.bound_port);
  resolve(library, "cardea_worker_step", &other.step);
  resolve(library, "cardea_worker_timeout", &other.timeout);
  resolve(library, "cardea_worker_fd", &other.fd);
  resolve(library, "cardea_worker_close", &other.close);
  resolve(library, "cardea_worker_free", &other.free);
  resolve(library, "cardea_set_log", &other.set_log);
  CHECK(other.step != cardea_worker_step); /* it is another one */
  cardea_set_log(count_lines, &lines_here, CARDEA_LOG_DEBUG);
  other.set_log(count_lines, &lines_there, CARDEA_LOG_DEBUG);
  sprintf(text,
          "address: '127.0.0.1:0'\ninsecure_server: true\nroutes: [{from: 'http://app.test', to: '%s', "
          "allow_public_unauthenticated_access: "
          "true}]\n",
          origin_url());
  SAME(other.config_load(text, CARDEA_NTS, "copy", &config, NULL), CARDEA_OK);
  SAME(other.config_seal(config, NULL), CARDEA_OK);
  SAME(other.proxy_new(config, NULL, NULL, NULL, &proxy, NULL), CARDEA_OK);
  SAME(other.worker_new(proxy, &worker, NULL), CARDEA_OK);
  scene_open(&s, draft_of(PUBLIC));
  for (round = 0; round < 3; ++round) {
    get(&s, &c, "/here");
    SAYS(c.text, "GET /here");
    get_of_other(worker, &c);
    SAYS(c.text, "GET /other");
  }
  scene_close(&s);
  get_of_other(worker, &c); /* the end of one is not the end of the other */
  SAYS(c.text, "GET /other");
  SAME(other.close(worker, NULL, NULL), CARDEA_OK);
  while (!done) done = other.step(worker) < 0;
  other.free(worker);
  other.proxy_unref(proxy);
  other.config_unref(config);
  cardea_set_log(NULL, NULL, 0);
  other.set_log(NULL, NULL, 0);
  dlclose(library);
}

const test_case host_cases[] = {{"leaves_the_process_alone", leaves_the_process_alone},
                                {"a_thread_when_asked_for", a_thread_when_asked_for},
                                {"no_sigpipe", no_sigpipe},
                                {"two_copies_of_the_library", two_copies_of_the_library},
                                {NULL, NULL}};
