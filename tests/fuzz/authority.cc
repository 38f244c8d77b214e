// Fuzzes the reading of authorities: what is accepted has one meaning and cannot break out of a Host field or a URI.
#include "http/http.h"

namespace {

using namespace cardea;

void require(bool ok) {
  if (!ok) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes bytes(reinterpret_cast<const char*>(data), size);
  Result<http::HostPort> got = http::parse_authority(bytes);
  if (!got) {
    require(!got.error().message.empty());
    return 0;
  }
  require(!got->host.empty() && got->host.size() <= 255);
  require(got->host.data() == bytes.data());
  require(got->has_port == (got->port != 0));
  for (char c : bytes) require(uint8_t(c) > 0x20 && uint8_t(c) < 0x7f && Bytes("@/\\?#%,\"<>").find(c) == Bytes::npos);
  require(bytes.size() <= got->host.size() + 6);
  // Written again from its parts it is read as the same.
  const std::string again = std::string(got->host) + (got->has_port ? ":" + std::to_string(got->port) : "");
  Result<http::HostPort> twice = http::parse_authority(again);
  require(bool(twice) && twice->host == got->host && twice->port == got->port);
  return 0;
}
