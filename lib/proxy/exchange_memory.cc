// Where exchanges' memory stays between two requests.
#include "proxy/exchange.h"

namespace cardea::proxy {

namespace {
// Freed exchanges of this thread, ready to be used again; bounded.
struct FreeExchanges {
  void* head = nullptr;
  size_t count = 0;
  ~FreeExchanges() {
    while (void* p = head) {
      head = *static_cast<void**>(p);
      ::operator delete(p);
    }
  }
};
thread_local FreeExchanges free_exchanges;
constexpr size_t kKeptExchanges = 1024;
}  // namespace

void* Exchange::operator new(size_t size) {
  if (void* p = free_exchanges.head) {
    free_exchanges.head = *static_cast<void**>(p);
    --free_exchanges.count;
    return p;
  }
  return ::operator new(size);
}

void Exchange::operator delete(void* p) {
  if (free_exchanges.count >= kKeptExchanges) return ::operator delete(p);
  *static_cast<void**>(p) = free_exchanges.head;
  free_exchanges.head = p;
  ++free_exchanges.count;
}

}  // namespace cardea::proxy
