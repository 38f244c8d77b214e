// Prometheus' text format 0.0.4.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace cardea::proxy {

// Any bytes as a label's value: invalid UTF-8 is replaced.
std::string label_text(std::string_view value);

// Appends families to a text. Names and help are the library's own, label values anything that label_text() gives.
class Exposition {
 public:
  using Labels = std::initializer_list<std::pair<const char*, std::string_view>>;
  explicit Exposition(std::string& out) : out_(out) {}
  // `name` without "cardea_"; its samples follow.
  void family(std::string_view prefix, const char* name, const char* kind, const char* help);
  void sample(Labels labels, uint64_t value) { line("", labels, std::to_string(value)); }
  // A Histogram of milliseconds, in seconds.
  template <class H>
  void histogram(Labels labels, const H& h) {
    uint64_t count = 0;
    for (size_t i = 0; i < H::kBuckets; ++i) {
      count += h.bucket(i);
      line("_bucket", labels, std::to_string(count), i < H::bounds().size() ? seconds(H::bounds()[i]) : "+Inf");
    }
    line("_sum", labels, seconds(h.sum()));
    line("_count", labels, std::to_string(count));
  }

 private:
  static std::string seconds(uint64_t ms);
  void line(const char* suffix, Labels labels, const std::string& value, const std::string& bound = {});
  std::string& out_;
  std::string name_;
};

}  // namespace cardea::proxy
