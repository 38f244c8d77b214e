// Fuzz: what a host's hook says of somebody.
#include <algorithm>
#include <cstdlib>

#include "token/token.h"

using cardea::Bytes;

namespace {

void require(bool holds) {
  if (!holds) abort();
}

bool is_clean(Bytes text) {
  return text.size() <= 1024 &&
         std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const Bytes text(reinterpret_cast<const char*>(bytes), size);
  const auto made = cardea::token::identity_from_host(text);
  if (!made) {
    require(made.error().message.starts_with("the identity ") && made.error().message.size() < 300);
    return 0;
  }
  require((*made == nullptr) == text.empty());
  if (!*made) return 0;
  const cardea::identity::Identity& who = **made;
  require(who.source == cardea::identity::Source::host && !who.user.empty());
  require(is_clean(who.user) && is_clean(who.email) && is_clean(who.name));
  require(std::all_of(who.groups.begin(), who.groups.end(), is_clean));
  require(who.claims.size() <= cardea::identity::kMaxClaims);
  return 0;
}
