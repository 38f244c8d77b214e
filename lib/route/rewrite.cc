// What a request becomes on its way up, and where a redirect sends it.
#include <algorithm>
#include <charconv>

#include "route/route.h"

namespace cardea::route {
namespace {

// Writes pieces one after the other into memory of an arena that fits them.
class Joined {
 public:
  Joined(Arena& arena, size_t size) : begin_(arena.take(size)), end_(begin_) {}
  Joined& operator<<(Bytes s) {
    end_ = std::copy(s.begin(), s.end(), end_);
    return *this;
  }
  Bytes bytes() const { return {begin_, size_t(end_ - begin_)}; }

 private:
  char* begin_;
  char* end_;
};

// What follows the part of `path` that made the route match.
Bytes after_match(const Match& match, Bytes path) {
  switch (match.kind) {
    case Match::Path::any:
      return path;
    case Match::Path::prefix:
      return path.substr(std::min(match.path.size(), path.size()));
    default:
      return {};
  }
}

struct Pieces {
  Bytes front, slash, rest, query;
};

// `prefix` in the place of what matched. There is one slash at the seam whatever the two sides bring, so that
// "/a" -> "/" makes "/b" of "/a/b" and not "//b", and no name is glued to another.
Pieces replace_prefix(Bytes prefix, const Match& match, Bytes path, Bytes query) {
  Pieces p{prefix, {}, after_match(match, path), query};
  if (p.front.empty() && p.rest.empty()) return {"/", {}, {}, query};
  if (p.rest.empty()) return p;
  if (p.front.ends_with('/') && p.rest.starts_with('/')) {
    p.rest.remove_prefix(1);
  } else if (!p.front.ends_with('/') && !p.rest.starts_with('/')) {
    p.slash = "/";
  }
  return p;
}

Bytes join(const Pieces& p, Arena& arena) {
  if (p.slash.empty() && p.rest.empty() && p.query.empty()) return p.front;
  Joined out(arena, p.front.size() + p.slash.size() + p.rest.size() + p.query.size());
  return (out << p.front << p.slash << p.rest << p.query).bytes();
}

// A path with its query: in place where one directly follows the other, as in the request's own target.
Bytes join_query(Bytes path, Bytes query, Arena& arena) {
  if (query.empty()) return path;
  if (path.data() + path.size() == query.data()) return {path.data(), path.size() + query.size()};
  return join({path, {}, {}, query}, arena);
}

// A capture may cut a segment so that dots stand alone: "^/x(.*)" with "/\1" makes "/.." of "/x..", which no rule
// and no policy has seen.
bool is_safe_path(Bytes path) {
  if (!path.starts_with('/')) return false;
  for (char c : path) {
    if (uint8_t(c) <= 0x20 || uint8_t(c) >= 0x7f || c == '#' || c == '\\') return false;
  }
  path = path.substr(0, path.find('?'));
  for (size_t at = 1; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const Bytes segment = path.substr(at, end - at);
    if (segment == "." || segment == ".." || segment.starts_with(".;") || segment.starts_with("..;")) return false;
    at = end + 1;
  }
  return true;
}

bool is_authority(Bytes s) {
  return !s.empty() && http::parse_authority(s);
}

uint16_t default_port(Bytes scheme) {
  return scheme == "https" ? 443 : 80;
}

}  // namespace

Bytes rewrite_path(const Rewrite& rewrite, const Match& match, Bytes path, Bytes query, Arena& arena) {
  if (rewrite.regex) {
    const Bytes rewritten = rewrite.regex->apply(path, arena);
    if (rewritten.data() == path.data() && rewritten.size() == path.size()) return join_query(path, query, arena);
    if (!is_safe_path(rewritten)) return {};
    if (query.empty() || rewritten.find('?') == Bytes::npos) return join_query(rewritten, query, arena);
    return join({rewritten, "&", {}, query.substr(1)}, arena);
  }
  if (rewrite.has_prefix) return join(replace_prefix(rewrite.prefix, match, path, query), arena);
  return join_query(path, query, arena);
}

Bytes rewrite_host(const Rewrite& rewrite, const http::RequestHead& head, Bytes path, Bytes endpoint_authority,
                   Arena& arena) {
  if (!rewrite.host.empty()) return rewrite.host;
  if (!rewrite.host_header.empty()) {
    const http::Field* field = head.fields.find(Bytes(rewrite.host_header));
    if (field != nullptr && is_authority(field->value)) return field->value;
    return endpoint_authority;
  }
  if (rewrite.host_from_path) {
    const Bytes host = rewrite.host_from_path->apply(path, arena);
    return is_authority(host) ? host : endpoint_authority;
  }
  return rewrite.preserve_host ? head.authority : endpoint_authority;
}

Bytes redirect_location(const Redirect& redirect, const Match& match, Bytes scheme, Bytes authority, Bytes path,
                        Bytes query, Arena& arena) {
  const Bytes to_scheme =
      !redirect.scheme.empty() ? Bytes(redirect.scheme) : (redirect.https_redirect ? Bytes("https") : scheme);

  // Another host does not have this one's port; another scheme does not have this one's default.
  Bytes host = authority;
  uint16_t port = redirect.port;
  if (auto parsed = http::parse_authority(authority)) {
    host = parsed->host;
    if (port == 0 && parsed->has_port && parsed->port != default_port(scheme)) port = parsed->port;
  }
  if (!redirect.host.empty()) {
    host = redirect.host;
    port = redirect.port;
  }
  if (port == default_port(to_scheme)) port = 0;

  Pieces target{path, {}, {}, redirect.strip_query ? Bytes() : query};
  if (redirect.has_path) {
    target.front = redirect.path;
    if (redirect.path.find('?') != std::string::npos) target.query = {};
  } else if (redirect.has_prefix) {
    target = replace_prefix(redirect.prefix_rewrite, match, path, target.query);
  }

  char digits[6] = {':'};
  const char* digits_end = port == 0 ? digits : std::to_chars(digits + 1, digits + sizeof digits, port).ptr;
  const Bytes port_text(digits, size_t(digits_end - digits));
  Joined out(arena, to_scheme.size() + 3 + host.size() + port_text.size() + target.front.size() + target.slash.size() +
                        target.rest.size() + target.query.size());
  return (out << to_scheme << "://" << host << port_text << target.front << target.slash << target.rest << target.query)
      .bytes();
}

}  // namespace cardea::route
