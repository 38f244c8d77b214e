// Short ways to a configuration for its tests: whole files, and files that are good but for a few lines.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config/config.h"

namespace cardea::config {

struct Loaded {
  SnapshotPtr snapshot;
  std::string faults;
};

inline Loaded load_text(const std::string& text, const std::string& base_dir = "") {
  yaml::Faults faults;
  Loaded out;
  if (auto draft = load(text, base_dir, faults)) out.snapshot = freeze(*draft, {7}, faults);
  EXPECT_EQ(out.snapshot == nullptr, !faults.empty()) << text;
  out.faults = faults.text("f");
  return out;
}

inline const std::string kListener = "address: 127.0.0.1:0\ninsecure_server: true\n";
inline const std::string kRoutes = "routes:\n- from: https://a.example\n  to: http://b.example:81\n";

// A file with these lines at its top.
inline Loaded with_global(const std::string& lines) {
  return load_text(kListener + kRoutes + lines);
}
// A file whose only route has these lines too; they begin in line 6.
inline Loaded with_route(const std::string& lines) {
  std::string text = kListener + kRoutes + "  ";
  for (char c : lines) {
    text += c;
    if (c == '\n') text += "  ";
  }
  return load_text(text + "\n");
}
// The same without `to`: the lines begin in line 5.
inline Loaded without_to(const std::string& lines) {
  return load_text(kListener + "routes:\n- from: https://a.example\n  " + lines + "\n");
}

inline Bytes header(const std::vector<route::HeaderValue>& list, Bytes name, Arena& arena) {
  for (const auto& h : list) {
    if (h.name == name)
      return h.value.expand(
          arena, [](void*, Bytes) { return Bytes("?"); }, nullptr);
  }
  return "(none)";
}

}  // namespace cardea::config
