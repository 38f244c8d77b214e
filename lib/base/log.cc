// The process's one log sink.
#include "base/log.h"

#include <mutex>
#include <string>

namespace cardea::log {

std::atomic<int> threshold{0};

namespace {
std::mutex mutex;
Sink sink = nullptr;
void* sink_ud = nullptr;
}  // namespace

void set_sink(Sink new_sink, void* ud, int level) {
  std::lock_guard lock(mutex);
  sink = new_sink;
  sink_ud = ud;
  threshold = new_sink ? level : 0;
}

void write(Level level, std::string_view message) {
  if (!wanted(level)) return;
  std::string clean(message.substr(0, 4096));
  for (char& c : clean) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  std::lock_guard lock(mutex);
  if (sink) sink(sink_ud, level, clean.data(), clean.size());
}

}  // namespace cardea::log
