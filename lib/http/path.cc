// Request paths: the one spelling that routes, policies and the upstream all see.
#include <algorithm>
#include <array>
#include <cstring>

#include "http/http.h"

namespace cardea::http {
namespace {

// ---- characters -----------------------------------------------------------------------------------

enum : uint8_t {
  kPathOk = 1,      // may stand raw in a path
  kQueryOk = 2,     // may stand raw in a query
  kPlain = 4,       // in a path, never a reason to look at its neighbours
  kUnreserved = 8,  // RFC 3986 2.3
  kHexDigit = 16,
};

constexpr std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> classes{};
  for (int c = 0x21; c < 0x7f; ++c) {
    uint8_t& k = classes[size_t(c)];
    const bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    // Browsers send `^ { | }` and the like raw; they mean nothing to anybody, so they pass as they are.
    if (c != '#') k |= kQueryOk;
    if (c != '#' && c != '?' && c != '\\' && c != '"' && c != '<' && c != '>') k |= kPathOk;
    if ((k & kPathOk) && c != '%' && c != '/' && c != '.') k |= kPlain;
    if (alnum || c == '-' || c == '.' || c == '_' || c == '~') k |= kUnreserved;
    if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')) k |= kHexDigit;
  }
  return classes;
}
constexpr std::array<uint8_t, 256> kClasses = make_classes();

uint8_t class_of(char c) {
  return kClasses[uint8_t(c)];
}

// ---- rules ----------------------------------------------------------------------------------------

// Literals, so that an End can name them.
constexpr const char* kNotOrigin = "path_not_origin";
constexpr const char* kBadCharacter = "path_character";
constexpr const char* kBackslash = "path_backslash";
constexpr const char* kBadEscape = "path_escape";
constexpr const char* kEscapedControl = "path_escaped_control";
constexpr const char* kEscapedSlash = "path_escaped_slash";
constexpr const char* kBadUtf8 = "path_utf8";
constexpr const char* kDotParameters = "path_dot_parameters";
constexpr const char* kRules[] = {kNotOrigin,      kBadCharacter, kBackslash, kBadEscape,
                                  kEscapedControl, kEscapedSlash, kBadUtf8,   kDotParameters};

const char* raw_fault(char c) {
  return c == '\\' ? kBackslash : kBadCharacter;
}

// ---- escapes --------------------------------------------------------------------------------------

int hex_value(char c) {
  return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

// The octet that the escape at `at` stands for, or -1.
int escaped_octet(Bytes s, size_t at) {
  if (at + 2 >= s.size() || s[at] != '%') return -1;
  if (!(class_of(s[at + 1]) & kHexDigit) || !(class_of(s[at + 2]) & kHexDigit)) return -1;
  return hex_value(s[at + 1]) * 16 + hex_value(s[at + 2]);
}

// How many escapes from `at` on make up one well-formed character beyond ASCII (Unicode table 3-7); 0: none.
size_t utf8_escapes(Bytes s, size_t at) {
  const int lead = escaped_octet(s, at);
  size_t count = 0;
  int low = 0x80, high = 0xbf;  // of the second octet
  if (lead >= 0xc2 && lead <= 0xdf) {
    count = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    count = 3;
    if (lead == 0xe0) low = 0xa0;   // overlong
    if (lead == 0xed) high = 0x9f;  // surrogates
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    count = 4;
    if (lead == 0xf0) low = 0x90;   // overlong
    if (lead == 0xf4) high = 0x8f;  // past U+10FFFF
  } else {
    return 0;
  }
  for (size_t i = 1; i < count; ++i) {
    const int octet = escaped_octet(s, at + 3 * i);
    if (octet < low || octet > high) return 0;
    low = 0x80;
    high = 0xbf;
  }
  return count;
}

// ---- passes over a path that is not plain ---------------------------------------------------------

struct Decoded {
  size_t size = 0;
  bool unescaped_slash = false;
  const char* fault = nullptr;
};

char* put_escape(char* out, int octet, bool upper, Bytes raw) {
  constexpr char kHex[] = "0123456789ABCDEF";
  *out++ = '%';
  *out++ = upper ? kHex[octet >> 4] : raw[1];
  *out++ = upper ? kHex[octet & 15] : raw[2];  // NOLINT(clang-analyzer-core.uninitialized.Assign): a valid escape
  return out;
}

// Judges every escape and decodes, once, what may be decoded. `out` has room for path.size() bytes.
Decoded decode(Bytes path, const PathOptions& options, char* out) {
  Decoded result;
  const char* begin = out;
  for (size_t i = 0; i < path.size();) {
    if (path[i] != '%') {
      *out++ = path[i++];
      continue;
    }
    const int octet = escaped_octet(path, i);
    if (octet < 0) return {0, false, kBadEscape};
    if (octet < 0x20 || octet == 0x7f) return {0, false, kEscapedControl};
    if (octet >= 0x80) {
      const size_t count = utf8_escapes(path, i);
      if (count == 0) return {0, false, kBadUtf8};
      for (size_t k = 0; k < count; ++k, i += 3) {
        out = put_escape(out, escaped_octet(path, i), options.normalize, path.substr(i, 3));
      }
      continue;
    }
    const bool slash = octet == '/' || octet == '\\';
    if (slash && options.escaped == PathOptions::Escaped::reject_request) return {0, false, kEscapedSlash};
    if (slash && options.escaped != PathOptions::Escaped::keep_unchanged) {
      // Origins that unescape %5C take it for a separator, so it becomes what they would make of it.
      *out++ = '/';
      result.unescaped_slash = true;
    } else if (options.normalize && (kClasses[size_t(octet)] & kUnreserved)) {
      *out++ = char(octet);
    } else {
      out = put_escape(out, octet, options.normalize, path.substr(i, 3));
    }
    i += 3;
  }
  result.size = size_t(out - begin);
  return result;
}

// How many dots the segment at `s` begins with, a raw one or %2e (which only stays when nothing is decoded);
// `rest` is what follows the dots inside the segment. More than two dots are no dot segment.
size_t leading_dots(Bytes segment, Bytes& rest) {
  size_t dots = 0;
  while (dots < 3 && !segment.empty()) {
    if (segment[0] == '.') {
      segment.remove_prefix(1);
    } else if (escaped_octet(segment, 0) == '.') {
      segment.remove_prefix(3);
    } else {
      break;
    }
    ++dots;
  }
  rest = segment;
  return dots;
}

// Servlet containers cut `;x` off a segment before they resolve dots: `/public/..;/admin` means /admin to them.
bool has_dot_parameters(Bytes path) {
  for (size_t at = 1; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    Bytes rest;
    const size_t dots = leading_dots(path.substr(at, end - at), rest);
    if ((dots == 1 || dots == 2) && !rest.empty() && (rest[0] == ';' || escaped_octet(rest, 0) == ';')) return true;
    at = end + 1;
  }
  return false;
}

// RFC 3986 5.2.4 in place; `path` begins with '/'. Returns the new size.
size_t remove_dot_segments(char* path, size_t size) {
  size_t out = 0;  // path[0, out) is done and never ends inside a segment
  for (size_t at = 0; at < size;) {
    size_t end = at + 1;  // [at, end) is "/segment"
    while (end < size && path[end] != '/') ++end;
    const Bytes segment(path + at + 1, end - at - 1);
    const bool last = end == size;
    if (segment == "." || segment == "..") {
      if (segment == "..") {
        while (out > 0 && path[--out] != '/') {
        }
      }
      if (last) path[out++] = '/';
    } else {
      memmove(path + out, path + at, end - at);
      out += end - at;
    }
    at = end;
  }
  return out;
}

size_t merge_slashes(char* path, size_t size) {
  size_t out = 0;
  for (size_t i = 0; i < size; ++i) {
    if (path[i] == '/' && out > 0 && path[out - 1] == '/') continue;
    path[out++] = path[i];
  }
  return out;
}

Error refuse(const char* rule) {
  return {kEinval, rule, 0};
}

}  // namespace

const char* path_rule(const Error& error) {
  for (const char* rule : kRules) {
    if (error.message == rule) return rule;
  }
  return kBadCharacter;
}

Result<NormalPath> normalize_path(Bytes target, const PathOptions& options, Arena& arena) {
  if (target.empty() || target[0] != '/') return refuse(kNotOrigin);
  // One look at every byte decides whether the path is already what it would become.
  bool plain = true;
  size_t i = 1;
  for (; i < target.size(); ++i) {
    const uint8_t k = class_of(target[i]);
    if (k & kPlain) continue;
    if (target[i] == '?') break;
    if (!(k & kPathOk)) return refuse(raw_fault(target[i]));
    if (target[i] == '%' || target[i - 1] == '/') plain = false;  // an escape, "//", "/."
  }
  NormalPath result{target.substr(0, i), target.substr(i)};
  for (; i < target.size(); ++i) {
    if (!(class_of(target[i]) & kQueryOk)) return refuse(kBadCharacter);
  }
  if (plain) return result;

  char* path = arena.take(result.path.size());
  const Decoded decoded = decode(result.path, options, path);
  if (decoded.fault) return refuse(decoded.fault);
  size_t size = decoded.size;
  if (has_dot_parameters({path, size})) return refuse(kDotParameters);
  // Dots first, as RFC 3986 reads the path that was sent: in "/a//../b" the empty segment goes, not "a".
  if (options.normalize) size = remove_dot_segments(path, size);
  if (options.merge_slashes) size = merge_slashes(path, size);
  result.path = {path, size};
  result.redirect = decoded.unescaped_slash && options.escaped == PathOptions::Escaped::unescape_and_redirect;
  return result;
}

}  // namespace cardea::http
