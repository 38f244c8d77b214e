// Lines of Prometheus' text format.
#include "proxy/exposition.h"

#include "base/text.h"

namespace cardea::proxy {

std::string label_text(std::string_view value) {
  std::string out;
  while (!value.empty()) {
    const size_t n = utf8_length(value);
    n ? out.append(value.substr(0, n)) : out.append("\xef\xbf\xbd");
    value.remove_prefix(n ? n : 1);
  }
  return out;
}

void Exposition::family(std::string_view prefix, const char* name, const char* kind, const char* help) {
  name_.assign("cardea_").append(prefix).append(name);
  out_.append("# HELP ").append(name_).append(" ").append(help).append("\n# TYPE ").append(name_);
  out_.append(" ").append(kind).append("\n");
}

void Exposition::line(const char* suffix, Labels labels, const std::string& value, const std::string& bound) {
  out_.append(name_).append(suffix);
  char before = '{';
  auto label = [&](std::string_view name, std::string_view text) {
    out_ += std::exchange(before, ',');
    out_.append(name).append("=\"");
    for (char c : text) {
      if (c == '\\' || c == '"') out_ += '\\';
      c == '\n' ? out_.append("\\n") : out_.append(1, c);
    }
    out_ += '"';
  };
  for (const auto& [name, text] : labels) label(name, text);
  if (!bound.empty()) label("le", bound);
  if (before == ',') out_ += '}';
  out_.append(" ").append(value).append("\n");
}

std::string Exposition::seconds(uint64_t ms) {
  std::string text = std::to_string(ms / 1000);
  if (const uint64_t rest = ms % 1000) {
    std::string digits = std::to_string(1000 + rest).substr(1);
    while (digits.back() == '0') digits.pop_back();
    text += "." + digits;
  }
  return text;
}

}  // namespace cardea::proxy
