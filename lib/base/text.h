// Small questions about text.
#pragma once

#include <string>

#include "base/base.h"

namespace cardea {

// ASCII letters only: no locale.
std::string lower(Bytes text);
// Visible ASCII without spaces.
bool is_visible(Bytes text);
// Length of the valid UTF-8 sequence at the start of a text that is not empty; 0 when there is none (RFC 3629).
size_t utf8_length(Bytes s);

}  // namespace cardea
