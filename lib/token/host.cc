// Identities that a host's hook tells.
#include <array>

#include "token/claims.h"
#include "token/token.h"

namespace cardea::token {
namespace {

constexpr size_t kMaxText = 64 * 1024;

Error bad(std::string why) {
  return Error{kEinval, "the identity " + std::move(why)};
}

bool is_known(Bytes name) {
  static constexpr std::array<Bytes, 6> kNames = {"user", "email", "name", "groups", "claims", "expires_at"};
  for (Bytes known : kNames) {
    if (name == known) return true;
  }
  return false;
}

Result<identity::IdentityPtr> from_object(const json_t* object) {
  const char* name = nullptr;
  json_t* value = nullptr;
  json_object_foreach(const_cast<json_t*>(object), name, value) {
    // What is misspelt must not be missing in silence.
    if (!is_known(name)) return bad("has a member that is not user, email, name, groups, claims or expires_at");
  }
  auto who = std::make_shared<identity::Identity>();
  const std::pair<const char*, std::string*> texts[] = {
      {"user", &who->user}, {"email", &who->email}, {"name", &who->name}};
  for (const auto& [key, text] : texts) {
    if (!read_text(object, key, *text))
      return bad(std::string("has a \"") + key +
                 "\" that is not a string of 1024 octets at most without control characters");
  }
  if (who->user.empty()) return bad("has no \"user\"");
  if (!read_list(object, "groups", who->groups)) return bad("has \"groups\" that are not a list of strings");
  const json_t* claims = member(object, "claims");
  if (claims && !json_is_null(claims)) {
    if (!json_is_object(claims)) return bad("has \"claims\" that are not an object");
    if (!read_claims(claims, who->claims))
      return bad("has more than 1000 claims, or one with a path of over 1024 octets");
  }
  std::optional<int64_t> end;
  const json_t* expires = member(object, "expires_at");
  if (!json_is_null(expires) && !read_time(object, "expires_at", end))
    return bad("has an \"expires_at\" that is not a number of Unix seconds");
  // 0 means never to everybody else, and the host has said when.
  if (end) who->not_after_ms = *end == 0 ? 1 : *end;
  return identity::IdentityPtr(std::move(who));
}

}  // namespace

Result<identity::IdentityPtr> identity_from_host(Bytes text) {
  if (text.empty()) return identity::IdentityPtr();
  if (text.size() > kMaxText) return bad("is larger than 64 KiB");
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != Bytes::npos && text[first] == '{') {
    auto object = parse_object(text);
    if (!object) return bad(object.error().message);
    return from_object(object->get());
  }
  if (!is_utf8(text) || !is_plain(text) || first == Bytes::npos)
    return bad("is not JSON and no id either: not UTF-8, over 1024 octets, blank, or with control characters");
  auto who = std::make_shared<identity::Identity>();
  who->user = std::string(text);
  return identity::IdentityPtr(std::move(who));
}

}  // namespace cardea::token
