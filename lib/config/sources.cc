// Reads PEM material: plain, base64, or from a regular file of bounded size.
#include "config/sources.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace cardea::config {

namespace {

constexpr Bytes kPemMark = "-----BEGIN ";
constexpr size_t kMaxFile = 4 * 1024 * 1024;
constexpr size_t kMaxPath = 4096;

bool is_pem(Bytes text) {
  return text.find(kPemMark) != Bytes::npos;
}

// A key that was pasted badly must not end up in a log as the name of a file.
bool may_be_path(const std::string& text) {
  return text.size() <= 255 || (text.size() <= kMaxPath && text[0] == '/' && text.find('\n') == std::string::npos);
}

Result<std::string> read_file(const std::string& path) {
  auto fail = [&](int error) { return Error{kEio, "cannot read " + path + ": " + strerror(error), error}; };
  // Non-blocking: a FIFO in this place must not stop the host.
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return fail(errno);
  struct stat st;
  std::string out;
  int error = fstat(fd, &st) != 0 ? errno : 0;
  if (error == 0 && !S_ISREG(st.st_mode)) {
    close(fd);
    return Error{kEio, "cannot read " + path + ": not a regular file"};
  }
  std::array<char, 16384> block;
  while (error == 0 && out.size() <= kMaxFile) {
    ssize_t n = read(fd, block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) error = errno;
    if (n <= 0) break;
    out.append(block.data(), static_cast<size_t>(n));
  }
  close(fd);
  if (error != 0) return fail(error);
  if (out.size() > kMaxFile) {
    return Error{kEio, "cannot read " + path + ": longer than " + std::to_string(kMaxFile) + " bytes"};
  }
  return out;
}

}  // namespace

std::optional<std::string> decode_base64(Bytes text) {
  std::string out;
  out.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  int count = 0, padding = 0;
  for (char c : text) {
    int digit = -1;
    if (c >= 'A' && c <= 'Z') digit = c - 'A';
    if (c >= 'a' && c <= 'z') digit = c - 'a' + 26;
    if (c >= '0' && c <= '9') digit = c - '0' + 52;
    if (c == '+') digit = 62;
    if (c == '/') digit = 63;
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    if (c == '=' && ++padding <= 2) continue;
    if (digit < 0 || padding != 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if (++count == 4) {
      out += static_cast<char>(bits >> 16);
      out += static_cast<char>(bits >> 8);
      out += static_cast<char>(bits);
      bits = 0;
      count = 0;
    }
  }
  if (count == 1 || (padding != 0 && count + padding != 4)) return std::nullopt;
  if (count >= 2) out += static_cast<char>(count == 2 ? bits >> 4 : bits >> 10);
  if (count == 3) out += static_cast<char>(bits >> 2);
  return out;
}

std::string Sources::resolve(const std::string& path) const {
  if (path.empty() || path[0] == '/' || base_dir_.empty()) return path;
  return base_dir_.back() == '/' ? base_dir_ + path : base_dir_ + "/" + path;
}

const Result<std::string>& Sources::read(const std::string& path) {
  auto found = contents_.find(path);
  if (found == contents_.end()) {
    found = contents_.emplace(path, read_file(path)).first;
    if (found->second) files_.push_back(path);
  }
  return found->second;
}

std::optional<std::string> Sources::load_text(const Source& source) {
  const Result<std::string>& content = read(resolve(source.value));
  if (content) return *content;
  faults_.add(source.mark, source.key, content.error().message);
  return std::nullopt;
}

std::optional<tls::Pem> Sources::load(const Source& source) {
  auto fail = [&](const std::string& reason) -> std::optional<tls::Pem> {
    faults_.add(source.mark, source.key, reason);
    return std::nullopt;
  };
  if (source.value.empty()) return std::nullopt;  // reported where it was read
  if (!source.only_path) {
    // Without the place in the file: the same material elsewhere is the same TLS configuration.
    std::string origin = source.key.substr(source.key.rfind('.') + 1);
    if (is_pem(source.value)) return tls::Pem{source.value, origin};
    auto decoded = decode_base64(source.value);
    if (decoded && is_pem(*decoded)) return tls::Pem{std::move(*decoded), origin};
    if (!may_be_path(source.value)) return fail("is neither PEM, nor base64 of it, nor the path of a file");
  }
  std::string path = resolve(source.value);
  const Result<std::string>& content = read(path);
  if (!content) return fail(content.error().message);
  if (!is_pem(*content)) return fail(path + " has nothing in PEM");
  return tls::Pem{*content, path};
}

}  // namespace cardea::config
