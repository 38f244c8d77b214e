// How much trouble an HTTP/2 peer may cause before its connection ends.
#pragma once

#include <algorithm>

#include "base/base.h"

namespace cardea::http {

// A leaky bucket that holds `budget` stream errors and drains in ten seconds. Costs are tenths of an
// error, so that cheap nuisances (PRIORITY, unknown frames) can be weighed against resets. PING and
// WINDOW_UPDATE are free as long as they stay in proportion to the DATA that this side sends: a receiver
// of a big download acknowledges it, and gRPC measures the path with a PING per round trip. So are resets
// of streams that were being answered.
// Owned by its session; one thread.
class AbuseBudget {
 public:
  static constexpr uint64_t kReset = 10;       // a stream reset before its answer, or because of the peer's error
  static constexpr uint64_t kUselessHead = 2;  // HEADERS for a stream that is gone; cost us an HPACK block
  static constexpr uint64_t kSettings = 10;
  static constexpr uint64_t kEmptyData = 10;
  static constexpr uint64_t kNuisance = 1;
  static constexpr uint64_t kPerStream = 4, kPerData = 4;  // free frames earned

  explicit AbuseBudget(uint32_t budget) : size_(uint64_t(std::max<uint32_t>(budget, 1)) * 10) {}

  void tick(Millis now) {
    if (now <= last_) return;
    uint64_t drained = (now - last_) >= kWindow ? size_ : (now - last_) * size_ / kWindow;
    if (drained == 0) return;
    spent_ = spent_ > drained ? spent_ - drained : 0;
    last_ = now;
  }
  // False when the peer has gone too far.
  [[nodiscard]] bool charge(uint64_t cost) {
    spent_ += cost;
    return spent_ <= size_;
  }
  void earn(uint64_t frames) { credit_ += frames; }
  [[nodiscard]] bool charge_or_use_credit() {
    if (credit_ == 0) return charge(kNuisance);
    --credit_;
    return true;
  }

 private:
  static constexpr Millis kWindow = 10'000;
  uint64_t size_;
  uint64_t spent_ = 0;
  uint64_t credit_ = 16;  // what clients send to greet
  Millis last_ = 0;
};

// Follows the frames of a byte stream just enough to say whether a header block has begun and is not
// complete, which nghttp2 does not tell, and how many CONTINUATION frames it has, which nghttp2 counts by reads.
class HeadWatch {
 public:
  static constexpr uint32_t kMaxContinuations = 8;
  explicit HeadWatch(uint32_t preface) : skip_(preface) {}
  // How many of the bytes are fine; fewer than given: a block has too many pieces (CVE-2024-28182).
  size_t feed(Bytes in);
  bool open() const { return open_; }

 private:
  uint32_t skip_;               // bytes of the preface or of a payload still to come
  uint32_t continuations_ = 0;  // of this block
  uint8_t have_ = 0;            // of head_
  bool open_ = false;           // inside a header block
  bool last_ = false;           // the payload being skipped ends the block
  uint8_t head_[9];
};

}  // namespace cardea::http
