// Header values with Pomerium's tokens: text, ${pomerium.NAME} and $$.
#include <algorithm>

#include "route/route.h"

namespace cardea::route {
namespace {

constexpr Bytes kTokens[] = {
    "pomerium.access_token",
    "pomerium.client_cert_fingerprint",
    "pomerium.client_cert_san_dns",
    "pomerium.client_cert_san_email",
    "pomerium.id_token",
    "pomerium.jwt",
};
constexpr size_t kMaxParts = 32;
constexpr size_t kMaxText = 16 * 1024;
constexpr size_t kMaxResult = 32 * 1024;  // tokens come from identities; past it the value is left empty

Error fault(std::string what) {
  return {kEconfig, std::move(what), 0};
}

}  // namespace

Result<Template> Template::parse(Bytes text) {
  if (text.size() > kMaxText) return fault("a header value has at most 16384 bytes");
  if (!http::is_field_value(text)) return fault("a header value cannot hold control characters");
  Template result;
  Part part;
  for (size_t i = 0; i < text.size(); ++i) {
    const Bytes rest = text.substr(i);
    if (rest.starts_with("$$")) {
      part.text += '$';
      ++i;
    } else if (rest.starts_with("${")) {
      const size_t end = rest.find('}');
      if (end == Bytes::npos) return fault("\"${\" without \"}\" (write \"$$\" for a dollar sign)");
      const Bytes token = rest.substr(2, end - 2);
      if (std::find(std::begin(kTokens), std::end(kTokens), token) == std::end(kTokens)) {
        return fault("unknown token ${" + std::string(token.substr(0, 64)) + "}");
      }
      if (result.parts_.size() == kMaxParts) return fault("a header value has at most 32 tokens");
      part.token = token;
      result.parts_.push_back(std::move(part));
      part = {};
      i += end;
    } else {
      part.text += text[i];
    }
  }
  if (!part.text.empty()) result.parts_.push_back(std::move(part));
  return result;
}

Bytes Template::expand(Arena& arena, Bytes (*lookup)(void* arg, Bytes token), void* arg) const {
  if (parts_.empty()) return {};
  if (is_constant()) return parts_[0].text;
  Bytes values[kMaxParts + 1];
  size_t size = 0;
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (!parts_[i].token.empty()) values[i] = lookup(arg, parts_[i].token);
    // Certificates and identity providers are not ours: a value that would break out of the field is none.
    if (!http::is_field_value(values[i])) values[i] = {};
    size += parts_[i].text.size() + values[i].size();
  }
  if (size == 0 || size > kMaxResult) return {};
  char* out = arena.take(size);
  const char* begin = out;
  for (size_t i = 0; i < parts_.size(); ++i) {
    out = std::copy(parts_[i].text.begin(), parts_[i].text.end(), out);
    out = std::copy(values[i].begin(), values[i].end(), out);
  }
  return {begin, size};
}

}  // namespace cardea::route
