// Regular expressions that rewrite: every match replaced by a text with \0 to \9.
#include <re2/re2.h>

#include <algorithm>

#include "route/route.h"

namespace cardea::route {
namespace {

constexpr int kMaxGroups = 10;
constexpr size_t kMaxReplacements = 256;  // each may read the rest of the subject, so their product is bounded
constexpr size_t kMaxResult = 64 * 1024;

class Re2Rewrite final : public RegexRewrite {
 public:
  Re2Rewrite(const std::string& pattern, const re2::RE2::Options& options) : regex_(pattern, options) {}
  const re2::RE2& regex() const { return regex_; }
  void set_substitution(const std::string& text);
  Bytes apply(Bytes subject, Arena& arena) const override;

 private:
  struct Part {
    std::string text;
    int group = -1;  // what follows the text; -1: nothing
  };
  const re2::RE2 regex_;
  std::vector<Part> parts_;
  int groups_ = 1;  // how many a match must give, the whole one included
};

// `text` has passed RE2::CheckRewriteString: a backslash is followed by a digit or a backslash.
void Re2Rewrite::set_substitution(const std::string& text) {
  Part part;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      part.text += text[i];
    } else if (text[++i] == '\\') {
      part.text += '\\';
    } else {
      part.group = text[i] - '0';
      groups_ = std::max(groups_, part.group + 1);
      parts_.push_back(std::move(part));
      part = {};
    }
  }
  if (!part.text.empty()) parts_.push_back(std::move(part));
}

Bytes Re2Rewrite::apply(Bytes subject, Arena& arena) const {
  const re2::StringPiece text(subject.data(), subject.size());
  re2::StringPiece groups[kMaxGroups];
  thread_local std::string out;
  out.clear();
  size_t done = 0;  // subject[0, done) is in `out`
  size_t from = 0;
  size_t count = 0;
  while (from <= subject.size() && regex_.Match(text, from, subject.size(), re2::RE2::UNANCHORED, groups, groups_)) {
    const size_t begin = size_t(groups[0].data() - subject.data());
    const size_t end = begin + groups[0].size();
    // An empty match that touches the match before it is part of that one ("a*" in "aab" is "aa" and the end).
    if (begin == end && begin == done && count > 0) {
      from = begin + 1;
      continue;
    }
    if (++count > kMaxReplacements) return {};
    out.append(subject, done, begin - done);
    for (const Part& part : parts_) {
      out += part.text;
      if (part.group >= 0)
        out.append(groups[part.group].data() ? groups[part.group].data() : "", groups[part.group].size());
      if (out.size() > kMaxResult) return {};
    }
    done = end;
    from = end > begin ? end : end + 1;
  }
  if (count == 0) return subject;
  out.append(subject, done);
  return out.size() > kMaxResult ? Bytes() : arena.copy(out);
}

}  // namespace

Result<std::shared_ptr<const RegexRewrite>> RegexRewrite::make(const std::string& pattern,
                                                               const std::string& substitution) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto rewrite = std::make_shared<Re2Rewrite>(pattern, options);
  if (!rewrite->regex().ok()) return Error{kEconfig, "regular expression: " + rewrite->regex().error(), 0};
  std::string error;
  if (!rewrite->regex().CheckRewriteString(substitution, &error)) return Error{kEconfig, "substitution: " + error, 0};
  rewrite->set_substitution(substitution);
  return std::shared_ptr<const RegexRewrite>(std::move(rewrite));
}

}  // namespace cardea::route
