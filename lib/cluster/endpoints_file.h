// A file of endpoints: what it says, and whether it has changed.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <string>
#include <vector>

#include "cluster/cluster.h"
#include "yaml/yaml.h"

namespace cardea::cluster {

inline constexpr size_t kMaxEndpoints = 10'000;  // of a cluster, and of a file

// Which endpoints a cluster can have beside those that it has. Pure.
class Admission {
 public:
  explicit Admission(const ClusterConfig& config);
  // Null: that one too, and what comes next is measured by it as well. Else a fault: "may not be mixed …".
  const char* refuse(const EndpointConfig& endpoint);

 private:
  bool tls_, named_, any_ = false, tcp_ = false, https_ = false, h2c_ = false;
  uint64_t weights_ = 0;
};

// The endpoints of a file's text; nullopt and faults when anything is wrong. An empty list is a list; an empty text, as
// a crash leaves it behind, is none.
std::optional<std::vector<EndpointConfig>> read_endpoints(Bytes text, const ClusterConfig& config,
                                                          yaml::Faults& faults);

// Looks at the cluster's `endpoints_file` every second. Owned by a Discovery, on its loop.
class EndpointsFile {
 public:
  using OnList = std::function<void(std::vector<EndpointConfig>)>;
  // `on_list` runs inside start() and look(), as its last act, whenever there is a new valid list.
  EndpointsFile(net::Loop& loop, std::shared_ptr<const ClusterConfig> config, OnList on_list);
  void start() { look(); }
  bool failed() const { return failed_; }  // as it is now, it cannot be used

 private:
  // What tells one content from another without reading it; `error`: why there is none.
  struct Stamp {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = -1;
    int64_t written_s = 0, written_ns = 0, changed_s = 0, changed_ns = 0;  // changed: permissions, renames
    int error = 0;
    bool operator==(const Stamp&) const = default;
    static Stamp of(const struct stat& st);
  };
  void look();
  Result<std::string> read();
  void complain(const std::string& why) const;

  const std::shared_ptr<const ClusterConfig> config_;
  const OnList on_list_;
  net::Timer timer_;
  Stamp stamp_;                          // of what was last looked into
  bool failed_ = false, retry_ = false;  // retry: the system refused, which may pass without a change of the file
};

}  // namespace cardea::cluster
