// Bodies of HTTP/1.1 messages: content-length, chunked, until the connection ends; trailers.
#include <algorithm>

#include "http/h1.h"

namespace cardea::http::h1 {
namespace {

constexpr uint8_t kMaxSizeDigits = 16;
constexpr uint64_t kMaxChunk = uint64_t(1) << 62;  // keeps every sum of sizes far from wrapping

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char l = char(c | 0x20);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

}  // namespace

void BodyReader::start_length(uint64_t n) {
  left_ = n;
  state_ = n ? State::length : State::ended;
  trailers_.clear();
}

void BodyReader::start_chunked(const CodecLimits& limits) {
  limits_ = &limits;
  left_ = body_bytes_ = overhead_ = 0;
  digits_ = 0;
  state_ = State::size_first;
  fault_ = {};
  trailers_.clear();
  trailer_bytes_.clear();
}

void BodyReader::start_until_close() {
  state_ = State::until_close;
  trailers_.clear();
}

BodyReader::Step BodyReader::fail(const char* rule, uint16_t status) {
  fault_ = {rule, status};
  state_ = State::bad;
  return Step::bad;
}

BodyReader::Step BodyReader::next(Bytes& in, Bytes& body) {
  switch (state_) {
    case State::ended:
      return Step::end;
    case State::bad:
      return Step::bad;
    case State::until_close:
      if (in.empty()) return Step::more;
      body = in;
      in = {};
      return Step::body;
    case State::length:
    case State::chunk: {
      if (in.empty()) return Step::more;
      const size_t n = size_t(std::min<uint64_t>(left_, in.size()));
      body = in.substr(0, n);
      in.remove_prefix(n);
      left_ -= n;
      body_bytes_ += n;
      if (left_ == 0) state_ = state_ == State::length ? State::ended : State::chunk_cr;
      return Step::body;
    }
    case State::trailers:
      return trailer_section(in);
    default: {
      const Step step = framing(in);
      return step == Step::body ? next(in, body) : step;
    }
  }
}

// Chunk framing up to the next byte of a body or trailer section. RFC 9112 7.1, with nothing tolerated.
BodyReader::Step BodyReader::framing(Bytes& in) {
  const char* const start = in.data();
  const char* p = start;
  // Framing may cost a fixed amount more than the bytes that it frames; past that it is an attack on our CPU.
  const uint64_t allowed = body_bytes_ + limits_->max_chunk_overhead - overhead_;
  const char* const end = p + std::min<uint64_t>(in.size(), allowed);
  Step step = Step::more;
  while (p < end) {
    const char c = *p++;
    switch (state_) {
      case State::size_first:
      case State::size: {
        const int digit = hex_value(c);
        if (digit >= 0) {
          if (++digits_ > kMaxSizeDigits) return fail("chunk_size_digits");
          left_ = left_ * 16 + uint64_t(digit);
          state_ = State::size;
          continue;
        }
        if (state_ == State::size_first) return fail("chunk_size");
        if (left_ > kMaxChunk) return fail("chunk_size_too_big");
        if (c == ';') {
          state_ = State::extension;
        } else if (c == '\r') {
          state_ = State::size_lf;
        } else {
          return fail(c == '\n' ? "chunk_bare_lf" : "chunk_size");
        }
        continue;
      }
      case State::extension: {
        // Extensions are read over, never forwarded; a line end inside one would be read differently by others.
        p = find_control(p - 1, end);
        if (p == end) continue;
        const char control = *p++;
        if (control == '\r') {
          state_ = State::size_lf;
        } else if (control != '\t') {
          return fail(control == '\n' ? "chunk_bare_lf" : "chunk_extension");
        }
        continue;
      }
      case State::size_lf:
        if (c != '\n') return fail("chunk_bare_cr");
        state_ = left_ ? State::chunk : State::trailers;
        step = Step::body;
        break;
      case State::chunk_cr:
        if (c != '\r') return fail(c == '\n' ? "chunk_bare_lf" : "chunk_end");
        state_ = State::chunk_lf;
        continue;
      case State::chunk_lf:
        if (c != '\n') return fail("chunk_end");
        state_ = State::size_first;
        left_ = 0;
        digits_ = 0;
        continue;
      default:
        return fail("chunk_state");
    }
    break;
  }
  if (step == Step::more && in.size() > allowed) return fail("chunk_overhead");
  if (state_ == State::trailers) {
    scan_.start(HeadScan::Section::trailers, limits_->max_trailer_bytes, 0, limits_->max_trailer_fields);
  }
  overhead_ += size_t(p - start);
  in.remove_prefix(size_t(p - start));
  return step;
}

BodyReader::Step BodyReader::trailer_section(Bytes& in) {
  const size_t before = trailer_bytes_.size();
  HeadScan::Step step;
  Bytes section;
  if (before == 0) {
    step = scan_.scan(in.data(), in.size());
    // The usual end: an empty section in one piece.
    if (step == HeadScan::Step::complete && scan_.fields() == 0) {
      in.remove_prefix(scan_.end());
      state_ = State::ended;
      return Step::end;
    }
    if (step != HeadScan::Step::bad) trailer_bytes_.assign(in.substr(0, limits_->max_trailer_bytes + 2));
  } else {
    trailer_bytes_.append(in.substr(0, limits_->max_trailer_bytes + 2));
    step = scan_.scan(trailer_bytes_.data(), trailer_bytes_.size());
  }
  if (step == HeadScan::Step::bad) return fail(scan_.fault().rule, scan_.fault().status);
  if (step == HeadScan::Step::more) {
    in = {};
    return Step::more;
  }
  in.remove_prefix(scan_.end() - before);
  section = Bytes(trailer_bytes_).substr(0, scan_.end());
  while (section != "\r\n" && !section.empty()) {
    const size_t end = section.find("\r\n");
    Field f;
    if (Fault fault = split_field(section.substr(0, end), f.name, f.value)) return fail(fault.rule, fault.status);
    f.id = field_id(f.name);
    if (!is_forbidden_in_trailers(f)) trailers_.add(f);
    section.remove_prefix(end + 2);
  }
  state_ = State::ended;
  return Step::end;
}

}  // namespace cardea::http::h1
