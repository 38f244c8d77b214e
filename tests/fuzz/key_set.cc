// Fuzz: key sets. What is taken is bounded, and taken again is the same.
#include <openssl/err.h>

#include <cstdlib>

#include "token/token.h"

using cardea::Bytes;
using cardea::token::KeySet;

namespace {

void require(bool holds) {
  if (!holds) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const Bytes text(reinterpret_cast<const char*>(bytes), size);
  const auto set = KeySet::parse(text);
  require(ERR_peek_error() == 0);
  if (!set) {
    require(set.error().message.starts_with("the key set ") && set.error().message.size() < 300);
    return 0;
  }
  require((*set)->size() > 0 && (*set)->size() <= cardea::token::kMaxKeys);
  const auto again = KeySet::parse(text);
  require(bool(again) && (*again)->same(**set) && (*again)->size() == (*set)->size());
  // Nothing that is not signed passes, whatever the keys are.
  const auto verified = cardea::token::verify("eyJhbGciOiJFUzI1NiJ9.e30.AAAA", {}, **set, 0);
  require(verified.fault == cardea::token::Fault::signature || verified.fault == cardea::token::Fault::unknown_key);
  return 0;
}
