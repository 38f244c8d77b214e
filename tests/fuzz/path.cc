// Fuzz: request paths. The first byte chooses the options, the rest is the target.
#include <cstdlib>
#include <cstring>
#include <string>

#include "http/http.h"

using cardea::Arena;
using cardea::Bytes;
using cardea::http::normalize_path;
using cardea::http::PathOptions;

namespace {

void require(bool holds) {
  if (!holds) abort();
}

bool inside(Bytes part, Bytes whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_normal(Bytes path, const PathOptions& options) {
  require(path.starts_with('/'));
  for (char c : path) require(c > 0x20 && c != 0x7f && c != '#' && c != '?' && c != '\\');
  const std::string closed = std::string(path) + "/";
  for (const char* bad : {"/..;", "/.;", "%00", "%0a", "%0d", "%0A", "%0D", "%c0", "%C0", "%ff", "%FF"}) {
    require(closed.find(bad) == std::string::npos);
  }
  if (options.normalize) require(closed.find("/../") == std::string::npos && closed.find("/./") == std::string::npos);
  if (options.normalize) require(closed.find("%2e") == std::string::npos || closed.find("%252e") != std::string::npos);
  if (options.merge_slashes) require(path.find("//") == Bytes::npos);
  if (options.escaped != PathOptions::Escaped::keep_unchanged) {
    require(closed.find("%2F") == std::string::npos && closed.find("%5C") == std::string::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  PathOptions options;
  options.normalize = (bytes[0] & 1) == 0;
  options.merge_slashes = (bytes[0] & 2) == 0;
  options.escaped = PathOptions::Escaped((bytes[0] >> 2) & 3);
  const Bytes target(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  Arena arena;
  auto once = normalize_path(target, options, arena);
  if (!once) {
    require(once.error().message == cardea::http::path_rule(once.error()));
    return 0;
  }
  require(once->path.size() + once->query.size() <= target.size());
  require(inside(once->query, target));
  require(once->query.empty() || once->query.front() == '?');
  check_normal(once->path, options);
  const std::string text = std::string(once->path) + std::string(once->query);
  auto twice = normalize_path(text, options, arena);
  require(bool(twice) && twice->path == once->path && twice->query == once->query && !twice->redirect);
  return 0;
}
