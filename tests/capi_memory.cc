// operator new for capi_memory_test: fails when it is told to, and knows how much lives.
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {
std::atomic<long> asked{0}, living{0}, failing{0};
std::atomic<bool> for_good{false};

void* take(size_t n, size_t alignment) noexcept {
  const long number = ++asked, first = failing;
  if (first && (number == first || (for_good && number > first))) return nullptr;
  void* p = alignment > alignof(std::max_align_t)
                ? aligned_alloc(alignment, (n + alignment - 1) / alignment * alignment)
                : malloc(n ? n : 1);
  if (p) ++living;
  return p;
}
void* must_take(size_t n, size_t alignment) {
  void* p = take(n, alignment);
  if (!p) throw std::bad_alloc();
  return p;
}
void give(void* p) noexcept {
  if (p) --living;
  free(p);
}
}  // namespace

extern "C" {
// From now on the n-th allocation fails, with `good` all that follow too; 0: none.
void memory_fail(long n, int good) {
  for_good = good != 0;
  asked = 0;
  failing = n;
}
long memory_asked(void) {
  return asked;
}
long memory_living(void) {
  return living;
}
}

void* operator new(size_t n) {
  return must_take(n, 0);
}
void* operator new[](size_t n) {
  return must_take(n, 0);
}
void* operator new(size_t n, std::align_val_t a) {
  return must_take(n, size_t(a));
}
void* operator new[](size_t n, std::align_val_t a) {
  return must_take(n, size_t(a));
}
void* operator new(size_t n, const std::nothrow_t&) noexcept {
  return take(n, 0);
}
void* operator new[](size_t n, const std::nothrow_t&) noexcept {
  return take(n, 0);
}
void operator delete(void* p) noexcept {
  give(p);
}
void operator delete[](void* p) noexcept {
  give(p);
}
void operator delete(void* p, size_t) noexcept {
  give(p);
}
void operator delete[](void* p, size_t) noexcept {
  give(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
  give(p);
}
void operator delete[](void* p, std::align_val_t) noexcept {
  give(p);
}
void operator delete(void* p, size_t, std::align_val_t) noexcept {
  give(p);
}
void operator delete[](void* p, size_t, std::align_val_t) noexcept {
  give(p);
}
void operator delete(void* p, const std::nothrow_t&) noexcept {
  give(p);
}
void operator delete[](void* p, const std::nothrow_t&) noexcept {
  give(p);
}
