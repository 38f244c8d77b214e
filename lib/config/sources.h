// PEM material by value or by path; every file is read once per freeze. Inside this folder only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/config.h"

namespace cardea::config {

class Sources {
 public:
  Sources(std::string base_dir, yaml::Faults& faults) : base_dir_(std::move(base_dir)), faults_(faults) {}
  // nullopt after a fault.
  std::optional<tls::Pem> load(const Source& source);
  // A file's text, whatever it is; nullopt after a fault.
  std::optional<std::string> load_text(const Source& source);
  std::string resolve(const std::string& path) const;  // against base_dir
  std::vector<std::string> take_files() { return std::move(files_); }

 private:
  const Result<std::string>& read(const std::string& path);

  std::string base_dir_;
  yaml::Faults& faults_;
  std::map<std::string, Result<std::string>> contents_;
  std::vector<std::string> files_;  // those that could be read
};

// RFC 4648 4, padding optional, white space between characters allowed; nullopt on anything else.
std::optional<std::string> decode_base64(Bytes text);

}  // namespace cardea::config
