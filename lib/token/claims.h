// Private to lib/token: what JSON says of who somebody is.
#pragma once

#include <string>
#include <vector>

#include "identity/identity.h"
#include "token/encoding.h"

namespace cardea::token {

constexpr size_t kMaxField = 1024;      // octets of an id, an address, a name, a group
constexpr size_t kMaxClaimPath = 1024;  // of one claim, all levels
constexpr unsigned kClaimLevels = 5;

// The furthest moment that counts, end of the year 9999. Beyond it are milliseconds taken for seconds, and mistakes.
constexpr int64_t kMaxUnixSeconds = 253'402'300'799;

// May be a field of an identity: kMaxField octets at most, no control characters (C0, DEL, C1). `text` is UTF-8.
bool is_plain(Bytes text);
// A member that is a plain text. Absent and null leave `out` empty; false: it is something else.
bool read_text(const json_t* object, const char* name, std::string& out);
// A member that is a list of plain texts and numbers, or one of them. As above.
bool read_list(const json_t* object, const char* name, std::vector<std::string>& out);
// A member that is a number of seconds since 1970, with or without decimals, as milliseconds. Absent leaves `out`
// empty, all that is not such a number (null too) is false.
bool read_time(const json_t* object, const char* name, std::optional<int64_t>& out_ms);
// Every scalar of `object` and of the objects in it down to kClaimLevels, and every list of scalars; null is nothing.
// Settled. False: more claims than an identity may have, or a path that is too long.
bool read_claims(const json_t* object, std::vector<identity::Claim>& out);

}  // namespace cardea::token
