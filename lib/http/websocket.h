// WebSocket (RFC 6455) as far as somebody between the two ends needs it: where frames end, a close frame of our own,
// the handshake's key. Pure functions and values; no allocation but for the strings that are asked for.
#pragma once

#include "http/http.h"

namespace cardea::http::websocket {

// Who sends. Clients mask every frame, services none (5.1).
enum class From : uint8_t { client, service };

// Follows the frames of one direction of one connection from its first byte, without keeping payloads. A value; what
// it says does not depend on how the bytes were cut.
class FrameTracker {
 public:
  explicit FrameTracker(From from) : from_(from) {}

  // Takes the next bytes. Fewer than given: the byte behind them cannot follow, and from now on nothing is known.
  size_t advance(Bytes bytes);
  // No frame is in progress: a frame of our own may be sent here, also between the fragments of a message (5.4).
  bool at_boundary() const { return state_ == State::first; }
  // How many of the next bytes belong to the frame in progress: 0 at a boundary, all of them when it goes on behind
  // them or breaks.
  size_t until_boundary(Bytes bytes) const;
  // Payload bytes of the frame in progress that are still to come, once its head is complete.
  uint64_t payload_left() const { return state_ == State::payload ? left_ : 0; }
  bool close_seen() const { return close_seen_; }  // a whole close frame has passed: its sender sends no other
  bool broken() const { return fault_ != nullptr; }
  const char* fault() const { return fault_; }  // the rule that was broken, a literal; null when none was

 private:
  enum class State : uint8_t { first, second, length, mask, payload, broken };

  size_t step(Bytes bytes);  // up to the next boundary
  const char* begin(uint8_t byte);
  const char* read_second(uint8_t byte);
  const char* length_complete();
  void head_complete();
  void frame_complete();

  uint64_t left_ = 0;    // of the payload; while its length is being read, that
  uint8_t to_come_ = 0;  // bytes of the length or of the mask
  uint8_t length_size_ = 0;
  uint8_t opcode_ = 0;
  From from_;
  State state_ = State::first;
  bool final_ = false;
  bool in_message_ = false;  // a fragment came and the last one has not
  bool close_seen_ = false;
  const char* fault_ = nullptr;
};

// Codes of 7.4.1 that a proxy has a use for.
inline constexpr uint16_t kGoingAway = 1001, kPolicyViolation = 1008, kInternalError = 1011,
                          kServiceRestart = 1012;  // IANA's registry

struct Mask {
  uint8_t bytes[4];  // unpredictable (5.3)
};
// A whole close frame. A reason too long for a control frame is cut between two characters. `mask`: towards a service;
// null: towards a client.
std::string close_frame(uint16_t code, Bytes reason, const Mask* mask);

// ---- handshake ------------------------------------------------------------------------------------

// What Sec-WebSocket-Accept answers to a Sec-WebSocket-Key (4.2.2).
std::string accept_key(Bytes key);
// A Sec-WebSocket-Key, for a service whose client speaks HTTP/2 and so has sent none.
std::string make_key(const uint8_t (&random)[16]);
// 16 bytes in base64.
bool is_key(Bytes key);

// A request that opens a WebSocket: upgrade is `websocket`, version 13 is asked for, and over HTTP/1.1 there is one
// valid key. (Extended CONNECT has none: RFC 8441 5.)
bool is_websocket_request(const RequestHead& head);
// A 101 that answers exactly this key.
bool is_websocket_answer(const ResponseHead& head, Bytes key);

}  // namespace cardea::http::websocket
