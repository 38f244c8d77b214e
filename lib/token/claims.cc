// JSON as the fields and claims of an identity: of tokens, and of what hosts say.
#include "token/claims.h"

#include <charconv>
#include <cmath>

#include "token/token.h"

namespace cardea::token {
namespace {

// How a scalar reads; false for null, lists and objects.
bool scalar_text(const json_t* value, std::string& out) {
  if (json_is_string(value)) {
    out = std::string(text_of(value));
  } else if (json_is_boolean(value)) {
    out = json_is_true(value) ? "true" : "false";
  } else if (json_is_integer(value)) {
    out = std::to_string(json_integer_value(value));
  } else if (json_is_real(value)) {
    const double number = json_real_value(value);
    char text[32];
    // 1e3 and 1000.0 are the number that 1000 is.
    const bool whole = std::trunc(number) == number && std::fabs(number) < 1e15;
    const auto end = whole ? std::to_chars(text, text + sizeof text, int64_t(number))
                           : std::to_chars(text, text + sizeof text, number);
    out.assign(text, end.ptr);
  } else {
    return false;
  }
  return true;
}

std::vector<std::string> scalar_texts(const json_t* list) {
  std::vector<std::string> out;
  std::string text;
  for (size_t i = 0; i < json_array_size(list); ++i) {
    if (scalar_text(json_array_get(list, i), text)) out.push_back(text);
  }
  return out;
}

// The claims of one level of an object, whose own path is `prefix`.
bool add_claims(const json_t* object, const std::string& prefix, unsigned level, std::vector<identity::Claim>& out) {
  const char* name = nullptr;
  json_t* value = nullptr;
  json_object_foreach(const_cast<json_t*>(object), name, value) {
    identity::Claim claim{prefix + identity::normal_claim_path(name), {}};
    if (claim.path.size() > kMaxClaimPath) return false;
    if (json_is_object(value)) {
      if (level < kClaimLevels && !add_claims(value, claim.path + '/', level + 1, out)) return false;
      continue;
    }
    if (json_is_array(value)) {
      claim.values = scalar_texts(value);
    } else if (std::string text; scalar_text(value, text)) {
      claim.values.push_back(std::move(text));
    }
    if (claim.values.empty()) continue;
    if (out.size() >= identity::kMaxClaims) return false;
    out.push_back(std::move(claim));
  }
  return true;
}

}  // namespace

bool is_plain(Bytes text) {
  if (text.size() > kMaxField) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c == 0x7f) return false;
    // U+0080 to U+009F.
    if (c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) return false;
  }
  return true;
}

bool read_text(const json_t* object, const char* name, std::string& out) {
  const json_t* value = member(object, name);
  if (!value || json_is_null(value)) return true;
  if (!json_is_string(value) || !is_plain(text_of(value))) return false;
  out = std::string(text_of(value));
  return true;
}

bool read_list(const json_t* object, const char* name, std::vector<std::string>& out) {
  const json_t* value = member(object, name);
  if (!value || json_is_null(value)) return true;
  const bool list = json_is_array(value);
  const size_t count = list ? json_array_size(value) : 1;
  out.reserve(count);
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    const json_t* one = list ? json_array_get(value, i) : value;
    // A list that cannot be read whole must not count as a shorter one: deny rules look at it as well.
    if (json_is_boolean(one) || !scalar_text(one, text) || !is_plain(text)) return false;
    out.push_back(text);
  }
  return true;
}

bool read_time(const json_t* object, const char* name, std::optional<int64_t>& out_ms) {
  const json_t* value = member(object, name);
  if (!value) return true;
  if (json_is_integer(value)) {
    const int64_t seconds = json_integer_value(value);
    if (seconds > kMaxUnixSeconds || seconds < -kMaxUnixSeconds) return false;
    out_ms = seconds * 1000;
    return true;
  }
  if (!json_is_real(value)) return false;
  const double seconds = json_real_value(value);
  if (!(std::fabs(seconds) <= double(kMaxUnixSeconds))) return false;
  out_ms = int64_t(std::floor(seconds * 1000));
  return true;
}

bool read_claims(const json_t* object, std::vector<identity::Claim>& out) {
  return add_claims(object, "", 1, out) && identity::settle_claims(out);
}

}  // namespace cardea::token
