// base64url, and JSON with bounds.
#include "token/encoding.h"

#include <array>

namespace cardea::token {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<int8_t, 256> make_values() {
  std::array<int8_t, 256> values{};
  for (auto& v : values) v = -1;
  for (int i = 0; i < 64; ++i) values[static_cast<unsigned char>(kAlphabet[i])] = int8_t(i);
  return values;
}
constexpr std::array<int8_t, 256> kValues = make_values();

// Whether brackets outside of strings nest to kMaxDepth at most; says nothing about the rest of the syntax.
bool is_shallow(Bytes text) {
  unsigned depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return false;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return true;
}

}  // namespace

std::string base64url(Bytes bytes) {
  std::string out;
  out.reserve((bytes.size() * 4 + 2) / 3);
  uint32_t bits = 0;
  unsigned have = 0;
  for (unsigned char c : bytes) {
    bits = bits << 8 | c;
    for (have += 8; have >= 6;) {
      have -= 6;
      out += kAlphabet[bits >> have & 63];
    }
  }
  if (have > 0) out += kAlphabet[bits << (6 - have) & 63];
  return out;
}

bool decode_base64url(Bytes text, std::string& out) {
  out.clear();
  if (text.size() % 4 == 1) return false;
  out.resize(text.size() * 3 / 4);
  uint32_t bits = 0;
  unsigned have = 0;
  size_t n = 0;
  for (unsigned char c : text) {
    if (kValues[c] < 0) return false;
    bits = bits << 6 | uint32_t(kValues[c]);
    have += 6;
    if (have < 8) continue;
    have -= 8;
    out[n++] = char(bits >> have);
  }
  // Stray bits would give one token several spellings.
  return (bits & ((1u << have) - 1)) == 0;
}

Result<JsonPtr> parse_object(Bytes text) {
  if (!is_shallow(text)) return Error{kEinval, "nests deeper than " + std::to_string(kMaxDepth) + " levels"};
  json_error_t error;
  JsonPtr json(json_loadb(text.data(), text.size(), JSON_REJECT_DUPLICATES, &error));
  if (!json) {
    const bool twice = json_error_code(&error) == json_error_duplicate_key;
    return Error{kEinval, std::string(twice ? "has a member twice" : "is not JSON") + " (line " +
                              std::to_string(error.line) + ", column " + std::to_string(error.column) + ")"};
  }
  if (!json_is_object(json.get())) return Error{kEinval, "is not an object"};
  return json;
}

bool is_utf8(Bytes text) {
  return JsonPtr(json_stringn(text.data(), text.size())) != nullptr;
}

}  // namespace cardea::token
