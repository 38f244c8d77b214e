// Heads off the wire: line ends, control bytes, limits, pieces.
#include <algorithm>
#include <cstring>

#include "http/h1.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace cardea::http::h1 {
namespace {

constexpr uint8_t kMaxLeadingLines = 2;  // RFC 9112 2.2 asks for one at least
constexpr size_t kFirstRoom = 2048;      // for a head that comes in pieces
constexpr size_t kPiece = 4096;

bool is_control(char c) {
  return uint8_t(c) < 0x20 || c == 0x7f;
}

#ifdef __SSE2__
// One bit for each of the 16 bytes at `p`.
unsigned control_mask(const char* p) {
  const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
  return unsigned(_mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)))));
}
#endif

}  // namespace

const char* find_control(const char* p, const char* end) {
#ifdef __SSE2__
  if (end - p >= 16) {
    const char* const last = end - 16;
    for (;; p += 16) {
      // The last step goes back so as to end with the bytes; what it sees again is known to be harmless.
      if (p > last) p = last;
      const unsigned hits = control_mask(p);
      if (hits) return p + __builtin_ctz(hits);
      if (p == last) return end;
    }
  }
#else
  constexpr uint64_t kOnes = 0x0101010101010101u, kHigh = 0x8080808080808080u;
  for (; end - p >= 8; p += 8) {
    uint64_t v;
    memcpy(&v, p, 8);
    const uint64_t below = (v - kOnes * 0x20) & ~v, x = v ^ (kOnes * 0x7f);
    if ((below | ((x - kOnes) & ~x)) & kHigh) break;  // may be a false alarm; the bytes are looked at below
  }
#endif
  while (p < end && !is_control(*p)) ++p;
  return p;
}

void HeadScan::start(Section section, uint32_t max_bytes, uint32_t max_first_line, uint32_t max_fields) {
  *this = HeadScan();
  section_ = section;
  max_bytes_ = max_bytes;
  max_first_line_ = max_first_line;
  max_fields_ = max_fields;
}

HeadScan::Step HeadScan::scan(const char* base, size_t n) {
  for (;;) {
    // A line's first byte says whether it is one.
    if (pos_ == line_ && pos_ < n && (base[pos_] == ' ' || base[pos_] == '\t')) {
      return fail(in_first_line() ? "leading_space" : "obs_fold");
    }
    pos_ = size_t(find_control(base + pos_, base + n) - base);
    // Limits come before the byte found: cut or not, the same byte goes over them.
    if (in_first_line() && section_ == Section::request && pos_ - line_ > max_first_line_) {
      return fail("request_line_too_long", 414);
    }
    if (pos_ > max_bytes_) return fail(section_ == Section::trailers ? "trailers_too_large" : "head_too_large", 431);
    if (pos_ == n) return Step::more;
    const char c = base[pos_];
    if (c == '\t') {
      if (in_first_line() && section_ == Section::request) return fail("tab_in_request_line");
      ++pos_;
      continue;
    }
    if (c == '\n') return fail("bare_lf");
    if (c != '\r') return fail("control_byte");
    if (pos_ + 1 == n) return Step::more;
    if (base[pos_ + 1] != '\n') return fail("bare_cr");
    const size_t length = pos_ - line_;
    if (in_first_line()) {
      if (length == 0) {
        if (section_ == Section::response || ++leading_ > kMaxLeadingLines) return fail("leading_lines");
        begin_ = pos_ + 2;
      } else {
        first_end_ = pos_;
      }
    } else if (length == 0) {
      end_ = pos_ + 2;
      return Step::complete;
    } else if (++fields_ > max_fields_) {
      return fail(section_ == Section::trailers ? "too_many_trailers" : "too_many_fields", 431);
    }
    pos_ += 2;
    line_ = pos_;
  }
}

void HeadReader::start(HeadScan::Section section, const CodecLimits& limits) {
  scan_.start(section, limits.max_head_bytes, limits.max_request_line, limits.max_fields);
  bytes_ = {};
  room_ = 0;
  line_checked_ = false;
  fault_ = {};
}

HeadScan::Step HeadReader::read(Bytes& in, Arena& arena, CheckLine check_line) {
  if (bytes_.empty()) {
    // The usual head comes whole, and only it is copied.
    const HeadScan::Step step = judge(scan_.scan(in.data(), in.size()), in, check_line);
    if (step == HeadScan::Step::complete) {
      bytes_ = arena.copy(in.substr(0, scan_.end()));
      in.remove_prefix(scan_.end());
    } else if (step == HeadScan::Step::more) {
      room_ = std::max(kFirstRoom, in.size() * 2);
      char* const p = arena.take(room_);
      memcpy(p, in.data(), in.size());
      bytes_ = {p, in.size()};
      in = {};
    }
    return step;
  }
  for (;;) {
    if (in.empty()) return HeadScan::Step::more;
    const Bytes piece = in.substr(0, kPiece);
    const size_t before = bytes_.size();
    char* p = const_cast<char*>(bytes_.data());  // in the arena, so ours
    if (before + piece.size() > room_) {
      room_ = (before + piece.size()) * 2;
      p = arena.take(room_);
      memcpy(p, bytes_.data(), before);
    }
    memcpy(p + before, piece.data(), piece.size());
    bytes_ = {p, before + piece.size()};
    const HeadScan::Step step = judge(scan_.scan(p, bytes_.size()), bytes_, check_line);
    if (step == HeadScan::Step::bad) return step;
    in.remove_prefix(step == HeadScan::Step::complete ? scan_.end() - before : piece.size());
    if (step == HeadScan::Step::complete) return step;
  }
}

HeadScan::Step HeadReader::judge(HeadScan::Step step, Bytes so_far, CheckLine check_line) {
  if (step == HeadScan::Step::complete) return step;  // whoever reads the head judges its first line first
  if (!line_checked_ && scan_.first_line_end() > 0) {
    line_checked_ = true;
    fault_ = check_line(so_far.substr(scan_.begin(), first_line()));
  }
  if (!fault_ && step == HeadScan::Step::bad) fault_ = scan_.fault();
  return fault_ ? HeadScan::Step::bad : step;
}

}  // namespace cardea::http::h1
