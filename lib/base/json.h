// Text as JSON.
#pragma once

#include <string>
#include <string_view>

namespace cardea {

// Appends `text` as a JSON string with its quotes (RFC 8259 7). What is not UTF-8 becomes U+FFFD, so the result is
// always valid.
void append_json_string(std::string& out, std::string_view text);

}  // namespace cardea
