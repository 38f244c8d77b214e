// Operational messages for the host. Silent until the host sets a sink; any thread.
#pragma once

#include <atomic>

#include "base/base.h"

namespace cardea::log {

enum Level : int { error = 1, warning = 2, notice = 3, debug = 4 };

// Called on the thread that logs; must not call the library. `message` is one line without a newline.
using Sink = void (*)(void* ud, int level, const char* message, size_t size);

void set_sink(Sink sink, void* ud, int level);
extern std::atomic<int> threshold;  // 0: nothing is wanted
inline bool wanted(Level level) {
  return level <= threshold.load(std::memory_order_relaxed);
}
// Control characters are replaced, so one message is one line.
void write(Level level, std::string_view message);

}  // namespace cardea::log
