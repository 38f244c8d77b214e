// The table of reasons why exchanges and connections end.
#include "http/http.h"

namespace cardea::http {

const EndCauseRow& row(EndCause cause) {
  static constexpr EndCauseRow kRows[] = {
#define X(name, status, grpc, flag, word) {#name, status, grpc, flag, word},
      CARDEA_END_CAUSES(X)
#undef X
  };
  static_assert(sizeof kRows / sizeof kRows[0] == size_t(EndCause::count_));
  return kRows[cause < EndCause::count_ ? size_t(cause) : size_t(EndCause::internal)];
}

}  // namespace cardea::http
