// What a benchmark costs beside time: allocations, memory, and instructions where the kernel counts them.
//
// It replaces operator new and malloc where it can, so exactly one file of a program includes it.
#pragma once

#include <benchmark/benchmark.h>
#include <linux/perf_event.h>
#include <malloc.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <new>

// Only with glibc, and not under a sanitizer, whose own they are; then nothing is replaced and nothing counted.
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CARDEA_COUNTS_ALLOCATIONS 1
#endif

namespace cardea::bench {

struct Allocations {
  uint64_t cxx = 0;  // operator new: ours
  uint64_t all = 0;  // and those of nghttp2
};
inline Allocations allocations;

// Bytes that are allocated now.
inline size_t heap_bytes() {
#ifdef CARDEA_COUNTS_ALLOCATIONS
  const struct mallinfo2 now = mallinfo2();
  return now.uordblks + now.hblkhd;
#else
  return 0;
#endif
}

// Instructions of this thread outside the kernel; 0 where nobody counts them, as in most virtual machines.
class Instructions {
 public:
  Instructions() {
    perf_event_attr event{};
    event.size = sizeof event;
    event.type = PERF_TYPE_HARDWARE;
    event.config = PERF_COUNT_HW_INSTRUCTIONS;
    event.exclude_kernel = event.exclude_hv = 1;
    fd_ = int(syscall(SYS_perf_event_open, &event, 0, -1, -1, 0));
  }
  ~Instructions() {
    if (fd_ >= 0) close(fd_);
  }
  Instructions(const Instructions&) = delete;
  uint64_t now() const {
    uint64_t n = 0;
    return fd_ >= 0 && read(fd_, &n, sizeof n) == ssize_t(sizeof n) ? n : 0;
  }

 private:
  int fd_;
};

// From its construction to report(): put it right before the loop, and report right behind.
class Meter {
 public:
  Meter() : began_(allocations), instructions_began_(instructions().now()) {}
  // As counters of one iteration.
  void report(benchmark::State& state) const {
    const uint64_t instructions_now = instructions().now();
    [[maybe_unused]] const Allocations now = allocations;
    const auto add = [&](const char* name, uint64_t n) {
      state.counters[name] = benchmark::Counter(double(n), benchmark::Counter::kAvgIterations);
    };
#ifdef CARDEA_COUNTS_ALLOCATIONS
    add("new", now.cxx - began_.cxx);
    add("malloc", now.all - began_.all);
#endif
    if (instructions_now > instructions_began_) add("instructions", instructions_now - instructions_began_);
  }

 private:
  static const Instructions& instructions() {
    static const Instructions counter;
    return counter;
  }
  Allocations began_;
  uint64_t instructions_began_;
};

}  // namespace cardea::bench

#ifdef CARDEA_COUNTS_ALLOCATIONS

// What shared libraries call must be these too. Inlined, a new and its delete would look to gcc as if they did not
// match.
#define CARDEA_EXPORTED __attribute__((visibility("default"), noinline))

extern "C" {
void* __libc_malloc(size_t n);
void* __libc_calloc(size_t n, size_t size);
void* __libc_realloc(void* p, size_t n);
CARDEA_EXPORTED void* malloc(size_t n) {
  ++cardea::bench::allocations.all;
  return __libc_malloc(n);
}
CARDEA_EXPORTED void* calloc(size_t n, size_t size) {
  ++cardea::bench::allocations.all;
  return __libc_calloc(n, size);
}
CARDEA_EXPORTED void* realloc(void* p, size_t n) {
  ++cardea::bench::allocations.all;
  return __libc_realloc(p, n);
}
}

CARDEA_EXPORTED void* operator new(size_t n) {
  ++cardea::bench::allocations.cxx;
  if (void* p = malloc(n ? n : 1)) return p;
  throw std::bad_alloc();
}
CARDEA_EXPORTED void operator delete(void* p) noexcept {
  free(p);
}
CARDEA_EXPORTED void operator delete(void* p, size_t) noexcept {
  free(p);
}

#endif  // CARDEA_COUNTS_ALLOCATIONS
