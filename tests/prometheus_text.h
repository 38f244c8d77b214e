// A strict reader of Prometheus' text format 0.0.4, for tests.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace cardea::test {

// What a scrape says: `samples` by name with labels in their order, values unescaped: cardea_x{route="a",class="2xx"}.
class Scrape {
 public:
  explicit Scrape(const std::string& text) {
    size_t at = 0;
    while (at < text.size() && fault.empty()) {
      const size_t end = text.find('\n', at);
      if (end == std::string::npos) {
        fail("the last line has no end", text.substr(at));
        return;
      }
      line(text.substr(at, end - at));
      at = end + 1;
    }
    for (const auto& [name, type] : types) check_family(name, type);
  }
  double value(const std::string& sample) const {
    const auto found = samples.find(sample);
    return found == samples.end() ? -1 : found->second;
  }

  std::map<std::string, std::string> types;  // of families
  std::map<std::string, double> samples;
  std::string fault;  // the first; empty: the text is valid

 private:
  struct Bucket {
    double bound, count;
  };
  void fail(const std::string& why, const std::string& where) {
    if (fault.empty()) fault = why + ": " + where;
  }
  static bool is_name(const std::string& s) {
    return !s.empty() && !isdigit(static_cast<unsigned char>(s[0])) &&
           s.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == std::string::npos;
  }
  void line(const std::string& l) {
    if (l.substr(0, 7) == "# HELP ") {
      help_ = l.substr(7, l.find(' ', 7) - 7);
      if (!is_name(help_) || l.size() < 7 + help_.size() + 5) fail("no help", l);
    } else if (l.substr(0, 7) == "# TYPE ") {
      const std::string name = l.substr(7, l.find(' ', 7) - 7), type = l.substr(l.rfind(' ') + 1);
      if (name != help_) fail("a type without help", l);
      if (type != "counter" && type != "gauge" && type != "histogram") fail("no such type", l);
      if (!types.emplace(name, type).second) fail("a family twice", l);
      family_ = name;
    } else {
      sample(l);
    }
  }
  void sample(const std::string& l) {
    const size_t name_end = l.find_first_of("{ ");
    if (name_end == std::string::npos) return fail("no value", l);
    const std::string name = l.substr(0, name_end);
    const bool histogram = types[family_] == "histogram";
    bool ours = name == family_ && !histogram;
    for (const char* suffix : {"_bucket", "_sum", "_count"}) ours |= histogram && name == family_ + suffix;
    if (!ours || !is_name(name)) return fail("not of this family", l);
    std::string labels, bound;
    size_t at = name_end;
    if (l[at] == '{' && !read_labels(l, at, labels, bound)) return fail("bad labels", l);
    if (at >= l.size() || l[at] != ' ') return fail("no space before the value", l);
    char* end = nullptr;
    const double value = strtod(l.c_str() + at + 1, &end);
    if (*end || end == l.c_str() + at + 1 || value < 0) return fail("bad value", l);
    const std::string all = labels + (bound.empty() ? "" : (labels.empty() ? "" : ",") + ("le=\"" + bound + "\""));
    if (!samples.emplace(name + (all.empty() ? "" : "{" + all + "}"), value).second) fail("a sample twice", l);
    if (!histogram) return;
    if ((name == family_ + "_bucket") == bound.empty()) return fail("le where it does not belong", l);
    if (!bound.empty()) buckets_[family_][labels].push_back({bound == "+Inf" ? 1e300 : atof(bound.c_str()), value});
    if (name == family_ + "_count") counts_[family_][labels] = value;
  }
  static bool read_labels(const std::string& l, size_t& at, std::string& labels, std::string& bound) {
    std::set<std::string> seen;
    do {
      const size_t equals = l.find('=', ++at);
      if (equals == std::string::npos || l[equals + 1] != '"') return false;
      const std::string name = l.substr(at, equals - at);
      if (!is_name(name) || !seen.insert(name).second) return false;
      std::string value;
      for (at = equals + 2; at < l.size() && l[at] != '"'; ++at) {
        if (l[at] != '\\') {
          value += l[at];
          continue;
        }
        if (++at >= l.size() || std::string("\\\"n").find(l[at]) == std::string::npos) return false;
        value += l[at] == 'n' ? '\n' : l[at];
      }
      if (at >= l.size()) return false;
      ++at;
      if (name == "le") {
        bound = value;
      } else {
        labels += (labels.empty() ? "" : ",") + name + "=\"" + value + "\"";
      }
    } while (at < l.size() && l[at] == ',');
    return at < l.size() && l[at++] == '}';
  }
  void check_family(const std::string& name, const std::string& type) {
    const bool total = name.size() > 6 && name.compare(name.size() - 6, 6, "_total") == 0;
    if (total != (type == "counter")) fail("_total is for counters, and for all of them", name);
    if (type != "histogram") return;
    for (const auto& [labels, buckets] : buckets_[name]) {
      double bound = -1, count = 0;
      for (const Bucket& b : buckets) {
        if (b.bound <= bound || b.count < count) fail("buckets out of order", name + labels);
        bound = b.bound;
        count = b.count;
      }
      if (bound != 1e300 || count != counts_[name][labels]) fail("no +Inf, or not the count", name + labels);
    }
  }

  std::string help_, family_;
  std::map<std::string, std::map<std::string, std::vector<Bucket>>> buckets_;
  std::map<std::string, std::map<std::string, double>> counts_;
};

}  // namespace cardea::test
