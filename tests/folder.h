// A directory with files that goes away with the test.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <string>

namespace cardea::test {

class Folder {
 public:
  Folder() : path_("/tmp/cardea-test-XXXXXX") {
    if (!mkdtemp(path_.data())) abort();
  }
  ~Folder() {
    for (const std::string& name : names_) unlink((path_ + "/" + name).c_str());
    rmdir(path_.c_str());
  }
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(path_ + "/" + name) << text;
    names_.insert(name);
    return path_ + "/" + name;
  }
  void keep(const std::string& name) { names_.insert(name); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::set<std::string> names_;
};

}  // namespace cardea::test
