// Small questions about ASCII text.
#pragma once

#include <string>

#include "base/base.h"

namespace cardea {

// ASCII letters only: no locale.
std::string lower(Bytes text);
// Visible ASCII without spaces.
bool is_visible(Bytes text);

}  // namespace cardea
