// Private to lib/token: base64url, and the JSON of strangers.
#pragma once

#include <jansson.h>

#include <memory>
#include <string>

#include "base/base.h"

namespace cardea::token {

struct JsonFree {
  void operator()(json_t* value) const { json_decref(value); }
};
using JsonPtr = std::unique_ptr<json_t, JsonFree>;

// RFC 4648 5, without padding.
std::string base64url(Bytes bytes);
// The inverse, of exactly what base64url() makes: no padding, no other alphabet, no blanks, no stray bits at the end.
bool decode_base64url(Bytes text, std::string& out);

// Levels of objects and lists that a text may have. jansson's parser calls itself once a level.
constexpr unsigned kMaxDepth = 32;
// One object and nothing else, without members that occur twice, in UTF-8, without NUL. The caller bounds the size. The
// error's message goes on after a subject: "is not JSON (line 1, column 2)"; it repeats nothing of the text.
Result<JsonPtr> parse_object(Bytes text);

bool is_utf8(Bytes text);
inline Bytes text_of(const json_t* string) {
  return Bytes(json_string_value(string), json_string_length(string));
}
// Null: no such member.
inline const json_t* member(const json_t* object, const char* name) {
  return json_object_get(object, name);
}

}  // namespace cardea::token
