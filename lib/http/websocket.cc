// WebSocket's frame heads, close frames and handshake values. RFC 6455.
#include "http/websocket.h"

#include <algorithm>
#include <array>

#include "base/sha1.h"

namespace cardea::http::websocket {

namespace {

enum : uint8_t { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };
constexpr uint8_t kFinal = 0x80, kMasked = 0x80;
constexpr uint8_t kLongestControl = 125, kLength16 = 126, kLength64 = 127;

constexpr Bytes kAcceptSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr Bytes kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool is_control(uint8_t opcode) {
  return opcode & 8;
}

template <size_t N>
std::string base64(const uint8_t (&bytes)[N]) {
  std::string s((N + 2) / 3 * 4, '=');
  for (size_t i = 0; i * 6 < N * 8; ++i) {
    const size_t at = i * 6 / 8;
    const unsigned pair = unsigned(bytes[at]) << 8 | (at + 1 < N ? bytes[at + 1] : 0u);
    s[i] = kBase64[pair >> (10 - i * 6 % 8) & 63];
  }
  return s;
}

// The only field of this name; null when there is none or more than one.
const Field* only(const Fields& fields, Bytes name) {
  const Field* found = nullptr;
  const FieldId id = field_id(name);
  for (const Field& f : fields) {
    if (f.id != id || (id == FieldId::other && !equal_no_case(f.name, name))) continue;
    if (found) return nullptr;
    found = &f;
  }
  return found;
}

}  // namespace

// ---- frames ---------------------------------------------------------------------------------------

const char* FrameTracker::begin(uint8_t byte) {
  opcode_ = byte & 15;
  final_ = byte & kFinal;  // the bits behind it belong to extensions, none of which changes where a frame ends
  if (close_seen_) return "frame_after_close";
  switch (opcode_) {
    case kContinuation:
      if (!in_message_) return "continuation_of_nothing";
      break;
    case kText:
    case kBinary:
      if (in_message_) return "message_in_message";
      break;
    case kClose:
    case kPing:
    case kPong:
      if (!final_) return "fragmented_control";
      break;
    default:
      return "reserved_opcode";
  }
  state_ = State::second;
  return nullptr;
}

const char* FrameTracker::read_second(uint8_t byte) {
  if (bool(byte & kMasked) != (from_ == From::client)) return byte & kMasked ? "masked" : "not_masked";
  left_ = byte & 127;
  if (is_control(opcode_) && left_ > kLongestControl) return "control_too_long";
  if (opcode_ == kClose && left_ == 1) return "half_a_close_code";
  length_size_ = left_ == kLength16 ? 2 : left_ == kLength64 ? 8 : 0;
  if (length_size_ == 0) {
    head_complete();
    return nullptr;
  }
  left_ = 0;
  to_come_ = length_size_;
  state_ = State::length;
  return nullptr;
}

// 5.2: the shortest form, and never the highest bit.
const char* FrameTracker::length_complete() {
  if (left_ > uint64_t(INT64_MAX)) return "length_too_big";
  if (left_ <= (length_size_ == 2 ? uint64_t(kLongestControl) : UINT16_MAX)) return "length_not_minimal";
  head_complete();
  return nullptr;
}

// But for the mask's value, of which only the size matters.
void FrameTracker::head_complete() {
  if (from_ == From::client) {
    to_come_ = 4;
    state_ = State::mask;
  } else if (left_ > 0) {
    state_ = State::payload;
  } else {
    frame_complete();
  }
}

void FrameTracker::frame_complete() {
  state_ = State::first;
  close_seen_ |= opcode_ == kClose;
  if (!is_control(opcode_)) in_message_ = !final_;
}

size_t FrameTracker::step(Bytes bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const uint8_t byte = uint8_t(bytes[at]);
    const char* fault = nullptr;
    switch (state_) {
      case State::first:
        fault = begin(byte);
        break;
      case State::second:
        fault = read_second(byte);
        break;
      case State::length:
        left_ = left_ << 8 | byte;
        if (--to_come_ == 0) fault = length_complete();
        break;
      case State::mask:
        if (--to_come_ > 0) break;
        state_ = State::payload;
        if (left_ == 0) frame_complete();
        break;
      case State::payload: {
        const size_t n = size_t(std::min<uint64_t>(left_, bytes.size() - at));
        left_ -= n;
        at += n;
        if (left_ > 0) return at;
        frame_complete();
        return at;
      }
      case State::broken:
        return at;
    }
    if (fault) {
      fault_ = fault;
      state_ = State::broken;
      return at;
    }
    ++at;
    if (state_ == State::first) return at;
  }
  return bytes.size();
}

size_t FrameTracker::advance(Bytes bytes) {
  size_t taken = 0;
  while (taken < bytes.size() && !broken()) taken += step(bytes.substr(taken));
  return taken;
}

size_t FrameTracker::until_boundary(Bytes bytes) const {
  if (at_boundary()) return 0;
  FrameTracker ahead = *this;
  const size_t n = ahead.step(bytes);
  return ahead.broken() ? bytes.size() : n;
}

std::string close_frame(uint16_t code, Bytes reason, const Mask* mask) {
  constexpr size_t kLongestReason = kLongestControl - 2;
  if (reason.size() > kLongestReason) {
    size_t n = kLongestReason;
    while (n > 0 && (uint8_t(reason[n]) & 0xc0) == 0x80) --n;  // inside a character of UTF-8
    reason = reason.substr(0, n);
  }
  std::string frame;
  frame.reserve(2 + 4 + 2 + reason.size());
  frame += char(kFinal | kClose);
  frame += char((mask ? kMasked : 0) | (2 + reason.size()));
  if (mask) frame.append(reinterpret_cast<const char*>(mask->bytes), sizeof mask->bytes);
  const size_t payload = frame.size();
  frame += char(code >> 8);
  frame += char(code);
  frame += reason;
  for (size_t i = payload; mask && i < frame.size(); ++i) frame[i] = char(frame[i] ^ mask->bytes[(i - payload) % 4]);
  return frame;
}

// ---- handshake ------------------------------------------------------------------------------------

std::string accept_key(Bytes key) {
  const std::array<uint8_t, 20> digest = sha1(std::string(key).append(kAcceptSuffix));
  uint8_t bytes[20];
  std::copy(digest.begin(), digest.end(), bytes);
  return base64(bytes);
}

std::string make_key(const uint8_t (&random)[16]) {
  return base64(random);
}

bool is_key(Bytes key) {
  return key.size() == 24 && key.substr(22) == "==" && key.find_first_not_of(kBase64) == 22;
}

bool is_websocket_request(const RequestHead& head) {
  if (!equal_no_case(head.upgrade, "websocket")) return false;
  const Field* const version = only(head.fields, "sec-websocket-version");
  if (!version || version->value != "13") return false;
  if (head.method == Method::connect) return true;
  const Field* const key = only(head.fields, field_name(FieldId::sec_websocket_key));
  return head.method == Method::get && key && is_key(key->value);
}

bool is_websocket_answer(const ResponseHead& head, Bytes key) {
  const Field* const accept = only(head.fields, "sec-websocket-accept");
  return head.status == 101 && accept && accept->value == accept_key(key);
}

}  // namespace cardea::http::websocket
