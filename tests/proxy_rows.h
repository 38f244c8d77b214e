// Rows and a small reader for the tests of policies: targets that try to get round a rule, and what JSON is.
#pragma once

#include <cctype>
#include <string>

namespace cardea::test {

// Whether `text` is one JSON object, and nothing else, in valid UTF-8 without control characters.
class Json {
 public:
  static bool is_line(const std::string& text) {
    Json j(text);
    return text.find('\n') == std::string::npos && text[0] == '{' && j.value() && j.at_ == text.size();
  }

 private:
  explicit Json(const std::string& text) : text_(text) {}
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool value() {
    if (at_ >= text_.size()) return false;
    if (text_[at_] == '"') return string();
    if (take('{')) {
      if (take('}')) return true;
      do {
        if (!string() || !take(':') || !value()) return false;
      } while (take(','));
      return take('}');
    }
    if (take('[')) {
      if (take(']')) return true;
      do {
        if (!value()) return false;
      } while (take(','));
      return take(']');
    }
    for (const std::string word : {"true", "false", "null"}) {
      if (text_.compare(at_, word.size(), word) != 0) continue;
      at_ += word.size();
      return true;
    }
    const size_t start = at_;
    while (at_ < text_.size() && isdigit(static_cast<unsigned char>(text_[at_]))) ++at_;
    return at_ > start;
  }
  bool string() {
    if (!take('"')) return false;
    while (at_ < text_.size() && text_[at_] != '"') {
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c < 0x20 || c == 0x7f) return false;
      if (c == '\\') {
        ++at_;
        if (take('u')) {
          for (int i = 0; i < 4; ++i) {
            if (at_ >= text_.size() || !isxdigit(static_cast<unsigned char>(text_[at_++]))) return false;
          }
        } else if (!take('"') && !take('\\')) {
          return false;
        }
        continue;
      }
      // RFC 3629, with the shortest forms only.
      const size_t tail = c < 0x80                ? 0
                          : c >= 0xc2 && c < 0xe0 ? 1
                          : c >= 0xe0 && c < 0xf0 ? 2
                          : c < 0xf5 && c >= 0xf0 ? 3
                                                  : 9;
      if (tail == 9) return false;
      ++at_;
      for (size_t i = 0; i < tail; ++i, ++at_) {
        if (at_ >= text_.size() || (static_cast<unsigned char>(text_[at_]) & 0xc0) != 0x80) return false;
      }
    }
    return take('"');
  }
  const std::string& text_;
  size_t at_ = 0;
};

// On routes /public (open) and /admin (denied).
struct PathRow {
  const char* target;
  int status;
  const char* forwarded;  // to the service, where it is allowed
};
inline const PathRow kPaths[] = {
    {"/public", 200, "/public"},
    {"/public/", 200, "/public/"},
    {"/public/a", 200, "/public/a"},
    {"/admin", 403, nullptr},
    {"/admin/", 403, nullptr},
    {"/admin/a", 403, nullptr},
    {"/public/../admin", 403, nullptr},
    {"/./admin", 403, nullptr},
    {"//admin", 403, nullptr},
    {"/public/..//admin", 403, nullptr},
    {"/public/a/../../admin/.", 403, nullptr},
    {"/../../admin", 403, nullptr},
    {"/%61dmin", 403, nullptr},
    {"/%61%64%6D%69%6E", 403, nullptr},
    {"/public/%2e%2e/admin", 403, nullptr},
    {"/public/%2E./admin", 403, nullptr},
    {"/public/.%2e/admin", 403, nullptr},
    {"/public/%2e/a", 200, "/public/a"},
    {"/admin/../public/a", 200, "/public/a"},
    {"/public//a", 200, "/public/a"},
    {"/public/%7Ea", 200, "/public/~a"},
    {"/public/%2fadmin", 400, nullptr},
    {"/public%2f..%2fadmin", 400, nullptr},
    {"/public/%5cadmin", 400, nullptr},
    {"/public/%00", 400, nullptr},
    {"/public/%0d%0aX:%20y", 400, nullptr},
    {"/public/%zz", 400, nullptr},
    {"/public/%", 400, nullptr},
    {"/public\\..\\admin", 400, nullptr},
    {"/public/..;/admin", 400, nullptr},
    {"/public/..;x=1/admin", 400, nullptr},
    {"/admin;x=1", 404, nullptr},
    {"/public/a;x=1", 200, "/public/a;x=1"},
    {"/ADMIN", 404, nullptr},
    {"/Public", 404, nullptr},
    {"/public/%c0%ae%c0%ae/admin", 400, nullptr},
    {"/public/%e0%80%af", 400, nullptr},
    {"/public/%ff", 400, nullptr},
    {"/public/%C3%A4", 200, "/public/%C3%A4"},
    {"/public/%252e%252e/admin", 200, "/public/%252e%252e/admin"},
    {"/public/%25%32%65", 200, "/public/%252e"},
    {"/administrator", 404, nullptr},
    {"/publican", 404, nullptr},
    {"/public?next=/../admin", 200, "/public?next=/../admin"},
    {"/public/a?%2e%2e%2f", 200, "/public/a?%2e%2e%2f"},
    {"/public?x=#/admin", 400, nullptr},
    {"/public#/../admin", 400, nullptr},
};

}  // namespace cardea::test
