/* The C ABI as a C89 program sees it: real sockets on port 0, nothing but cardea.h and libc. An argument selects cases
 * by name. */
#include "capi_tests.h"

int main(int argc, char** argv) {
  const test_case* const all[] = {constant_cases, config_cases,   ownership_cases, worker_cases,
                                  thread_cases,   callback_cases, authorize_cases, change_cases,
                                  queue_cases,    live_cases,     live_end_cases,  live_thread_cases,
                                  cluster_cases,  drain_cases,    answer_cases,    host_cases};
  const char* only = argc > 1 ? argv[1] : NULL;
  size_t i;
  SAME(cardea_init(CARDEA_VERSION_NUM, 0, NULL), CARDEA_OK);
  origin_start();
  for (i = 0; i < sizeof all / sizeof all[0]; ++i) run_cases(all[i], only);
  origin_stop();
  printf("%d checks failed\n", failed_checks());
  return failed_checks() != 0;
}
