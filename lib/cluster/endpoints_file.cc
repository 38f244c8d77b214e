// The watched file of endpoints: reading, checking, noticing changes.
#include "cluster/endpoints_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "base/log.h"
#include "cluster/discovery.h"

namespace cardea::cluster {

namespace {

using Scheme = EndpointConfig::Scheme;
using yaml::Node;

constexpr Millis kInterval = 1000;
constexpr size_t kMaxFile = 1024 * 1024;
constexpr yaml::YamlLimits kLimits = {
    .max_bytes = kMaxFile, .max_depth = 4, .max_nodes = 8 * kMaxEndpoints, .max_alias_nodes = 0};
constexpr int64_t kMaxPriority = UINT16_MAX;  // as in SRV records

// One element of the list.
std::optional<EndpointConfig> read_endpoint(const Node& node, const std::string& key, yaml::Faults& faults) {
  auto refuse = [&](const yaml::Mark& mark, const std::string& where, const std::string& reason) {
    faults.add(mark, where, reason);
    return std::nullopt;
  };
  const bool mapping = node.kind == Node::Kind::mapping;
  const Node* url = mapping ? node.find("url") : &node;
  if (url == nullptr) return refuse(node.mark, key, "has no url");
  const std::string url_key = mapping ? key + ".url" : key;
  auto text = yaml::as_string(*url, url_key, faults);
  if (!text) return std::nullopt;
  ParsedEndpoint parsed = parse_endpoint(*text);
  if (parsed.fault.empty() && parsed.path.size() > 1) parsed.fault = "may not have a path";
  if (!parsed.fault.empty()) return refuse(url->mark, url_key, parsed.fault);
  for (const auto& [name, value] : node.entries) {
    const std::string where = key + "." + name.scalar;
    const bool weight = name.scalar == "weight";
    if (name.scalar == "url") continue;
    if (!weight && name.scalar != "priority") return refuse(name.mark, where, "is not known: url, weight or priority");
    if (parsed.config.srv) return refuse(name.mark, where, "has no effect: SRV records have their own");
    if (weight && parsed.has_weight) return refuse(name.mark, where, "is given twice: the URL has one too");
    auto number = yaml::as_int(value, where, weight ? 1 : 0, weight ? int64_t{UINT32_MAX} : kMaxPriority, faults);
    if (!number) return std::nullopt;
    (weight ? parsed.config.weight : parsed.config.priority) = static_cast<uint32_t>(*number);
  }
  return std::move(parsed.config);
}

}  // namespace

Admission::Admission(const ClusterConfig& config)
    : tls_(config.tls != nullptr),
      named_(!config.tls_server_name.empty()),
      any_(config.endpoints.empty()),
      tcp_(config.tcp) {
  for (const EndpointConfig& endpoint : config.endpoints) refuse(endpoint);
}

const char* Admission::refuse(const EndpointConfig& endpoint) {
  const bool tcp = endpoint.scheme == Scheme::tcp, https = endpoint.scheme == Scheme::https,
             h2c = endpoint.scheme == Scheme::h2c;
  if (any_ && tcp != tcp_) return "may not be mixed: tcp with other URLs";
  if ((https && h2c_) || (h2c && https_)) return "may not be mixed: h2c with https";
  if (https && !tls_) return "cannot be used: this cluster has no TLS";
  if (https && endpoint.unix_socket && !named_) {
    return "needs tls_upstream_server_name: a socket's path is no name to verify";
  }
  if (weights_ + endpoint.weight > UINT32_MAX) return "has a weight with which the sum passes 4294967295";
  weights_ += endpoint.weight;
  any_ = true;
  tcp_ = tcp;
  https_ = https_ || https;
  h2c_ = h2c_ || h2c;
  return nullptr;
}

std::optional<std::vector<EndpointConfig>> read_endpoints(Bytes text, const ClusterConfig& config,
                                                          yaml::Faults& faults) {
  auto root = yaml::parse_yaml(text, faults, kLimits);
  if (!root) return std::nullopt;
  if (root->kind != Node::Kind::sequence) {
    faults.add(root->mark, "", "must be a list of endpoints");
    return std::nullopt;
  }
  if (root->items.size() > kMaxEndpoints) {
    faults.add(root->mark, "", "has more than " + std::to_string(kMaxEndpoints) + " endpoints");
    return std::nullopt;
  }
  Admission admission(config);
  std::vector<EndpointConfig> out;
  for (size_t i = 0; i < root->items.size(); ++i) {
    const Node& item = root->items[i];
    const std::string key = "[" + std::to_string(i) + "]";
    auto endpoint = read_endpoint(item, key, faults);
    if (!endpoint) continue;
    const char* refused = admission.refuse(*endpoint);
    if (refused != nullptr) faults.add(item.mark, key, refused);
    out.push_back(std::move(*endpoint));
  }
  if (!faults.empty()) return std::nullopt;
  return out;
}

EndpointsFile::EndpointsFile(net::Loop& loop, std::shared_ptr<const ClusterConfig> config, OnList on_list)
    : config_(std::move(config)), on_list_(std::move(on_list)), timer_(loop, [this] { look(); }) {}

EndpointsFile::Stamp EndpointsFile::Stamp::of(const struct stat& st) {
  return {st.st_dev,          st.st_ino,         st.st_size,         st.st_mtim.tv_sec,
          st.st_mtim.tv_nsec, st.st_ctim.tv_sec, st.st_ctim.tv_nsec, 0};
}

void EndpointsFile::look() {
  timer_.start(kInterval);
  struct stat st {};
  Stamp now;
  if (stat(config_->endpoints_file.c_str(), &st) == 0) {
    now = Stamp::of(st);
  } else {
    now.error = errno;
  }
  const bool changed = !(now == stamp_);
  if (!changed && !retry_) return;
  stamp_ = now;
  const std::string& path = config_->endpoints_file;
  auto text = read();
  retry_ = !text && text.error().os_code != 0;
  if (!text) {
    failed_ = true;
    if (changed) complain(path + ": " + text.error().message);
    return;
  }
  yaml::Faults faults;
  auto list = read_endpoints(*text, *config_, faults);
  failed_ = !list;
  if (list) return on_list_(std::move(*list));
  const std::string lines = faults.text(path);
  const size_t more = faults.list().size() - 1;
  complain(lines.substr(0, lines.find('\n')) + (more == 0 ? "" : " (and " + std::to_string(more) + " more)"));
}

Result<std::string> EndpointsFile::read() {
  auto fail = [](int error) { return Error{kEio, std::string("cannot be read: ") + strerror(error), error}; };
  // Non-blocking: a FIFO in this place must not stop the host.
  const int fd = open(config_->endpoints_file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return fail(errno);
  struct stat st {};
  int error = fstat(fd, &st) != 0 ? errno : 0;
  if (error == 0 && !S_ISREG(st.st_mode)) {
    close(fd);
    return Error{kEio, "is not a regular file"};
  }
  // Of what is read, should it have changed since: whatever is written from here on changes it again.
  if (error == 0) stamp_ = Stamp::of(st);
  std::string out;
  std::array<char, 16384> block;
  while (error == 0 && out.size() <= kMaxFile) {
    const ssize_t n = ::read(fd, block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) error = errno;
    if (n <= 0) break;
    out.append(block.data(), static_cast<size_t>(n));
  }
  close(fd);
  if (error != 0) return fail(error);
  if (out.size() > kMaxFile) return Error{kEio, "is longer than " + std::to_string(kMaxFile) + " bytes"};
  return out;
}

void EndpointsFile::complain(const std::string& why) const {
  log::write(log::error, "cluster " + config_->name + ": " + why + "; the endpoints stay as they are");
}

}  // namespace cardea::cluster
