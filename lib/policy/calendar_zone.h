// What local clocks show in one time zone. Immutable, any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/base.h"

namespace cardea::policy {

// A table of offsets from UTC, made once from the system's time zone database, so that looking up allocates nothing and
// cannot fail. Exact from 1970 on; rules that are still in force when the database's own list ends (2037) go on for
// another hundred years.
class Zone {
 public:
  // An IANA name. Null when there is no such zone; `why` then says so.
  static std::shared_ptr<const Zone> find(const std::string& name, std::string& why);

  // From `from` on (the first: since ever), until the next span.
  struct Span {
    int64_t from_ms = 0, offset_ms = 0;
  };
  Zone(std::string name, std::vector<Span> spans) : name_(std::move(name)), spans_(std::move(spans)) {}
  const std::string& name() const { return name_; }
  size_t span_at(int64_t now) const;
  size_t spans() const { return spans_.size(); }
  int64_t offset_ms(size_t span) const { return spans_[span].offset_ms; }
  int64_t end_ms(size_t span) const { return span + 1 < spans_.size() ? spans_[span + 1].from_ms : INT64_MAX; }

 private:
  std::string name_;
  std::vector<Span> spans_;  // at least one
};

}  // namespace cardea::policy
