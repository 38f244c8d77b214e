// Length-prefixed protobuf messages of grpc.health.v1, written and read by hand.
#include "health/grpc_check.h"

namespace cardea::health {

namespace {

constexpr size_t kPrefix = 5;        // compressed flag and length
constexpr size_t kMaxMessage = 256;  // an answer is two bytes; unknown fields of later versions may follow

const char* serving_name(uint64_t status) {
  static constexpr const char* kNames[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
  return status < std::size(kNames) ? kNames[status] : "status of no known meaning";
}

const char* status_name(int status) {
  static constexpr const char* kNames[] = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED"};
  return size_t(status) < std::size(kNames) ? kNames[status] : "";
}

void put_varint(std::string& out, uint64_t n) {
  for (; n >= 0x80; n >>= 7) out += char(n | 0x80);
  out += char(n);
}

bool take_varint(Bytes& in, uint64_t& n) {
  n = 0;
  for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto byte = uint8_t(in.front());
    in.remove_prefix(1);
    n |= uint64_t(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool skip(Bytes& in, uint64_t n) {
  if (n > in.size()) return false;
  in.remove_prefix(size_t(n));
  return true;
}

// Field 1, a varint, is the status; the last one counts. What else there is must at least be well formed.
bool parse_status(Bytes in, uint64_t& status) {
  enum : uint64_t { kVarint, kFixed64, kLength, kFixed32 = 5 };
  while (!in.empty()) {
    uint64_t key = 0, n = 0;
    if (!take_varint(in, key) || key >> 3 == 0) return false;
    const bool is_status = key >> 3 == 1;
    switch (key & 7) {
      case kVarint:
        if (!take_varint(in, n)) return false;
        if (is_status) status = n;
        continue;
      case kFixed64:
        n = 8;
        break;
      case kLength:
        if (!take_varint(in, n)) return false;
        break;
      case kFixed32:
        n = 4;
        break;
      default:
        return false;
    }
    if (is_status || !skip(in, n)) return false;
  }
  return true;
}

}  // namespace

std::string grpc_question(const std::string& service) {
  std::string message;
  if (!service.empty()) {
    message += char(1 << 3 | 2);
    put_varint(message, service.size());
    message += service;
  }
  const size_t n = message.size();
  const char prefix[kPrefix] = {0, char(n >> 24), char(n >> 16), char(n >> 8), char(n)};
  return std::string(prefix, kPrefix) + message;
}

void GrpcAnswer::on_grpc_status(Bytes text) {
  int status = 0;
  const bool number = !text.empty() && text.size() <= 4;
  for (const char c : text) {
    if (!number || c < '0' || c > '9') {
      fault_ = "grpc: grpc-status is not a number";
      return;
    }
    status = status * 10 + (c - '0');
  }
  if (number) grpc_status_ = status;
}

void GrpcAnswer::on_bytes(Bytes bytes) {
  if (refused() || bytes.empty()) return;
  if (complete_) {
    fault_ = "grpc: more than one message";
    return;
  }
  buffer_.append(bytes.substr(0, kPrefix + kMaxMessage + 1));
  if (buffer_[0] != 0) {
    fault_ = "grpc: a compressed message";
    return;
  }
  if (buffer_.size() < kPrefix) return;
  size_t length = 0;
  for (size_t i = 1; i < kPrefix; ++i) length = length << 8 | uint8_t(buffer_[i]);
  if (length > kMaxMessage) {
    fault_ = "grpc: a message of " + std::to_string(length) + " bytes";
  } else if (buffer_.size() > kPrefix + length) {
    fault_ = "grpc: more than one message";
  } else if (buffer_.size() == kPrefix + length) {
    complete_ = true;
    parse_message();
  }
}

void GrpcAnswer::parse_message() {
  if (!parse_status(Bytes(buffer_).substr(kPrefix), status_)) fault_ = "grpc: a message that is not protobuf";
}

std::string GrpcAnswer::cause() const {
  if (refused()) return fault_;
  if (grpc_status_ < 0) return "grpc: no grpc-status";
  if (grpc_status_ > 0) {
    const char* name = status_name(grpc_status_);
    return "grpc-status " + std::to_string(grpc_status_) + (*name ? " " : "") + name;
  }
  if (!complete_) return "grpc: no message";
  if (status_ != 1) return std::string("grpc ") + serving_name(status_);
  return "passed";
}

}  // namespace cardea::health
