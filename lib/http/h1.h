// What both sides of HTTP/1.1 share: heads from and to bytes, body framing, the queue of unsent bytes.
//
// None of this knows a connection; h1_server.cc and h1_client.cc put it together. One thread.
#pragma once

#include "http/http.h"

namespace cardea::http::h1 {

// ---- scanning -------------------------------------------------------------------------------------

// Why bytes are refused; `rule` is a literal, null when they are not.
struct Fault {
  const char* rule = nullptr;
  uint16_t status = 400;
  explicit operator bool() const { return rule != nullptr; }
};

// The first byte of [p, end) below 0x20 or equal to 0x7f, or `end`.
const char* find_control(const char* p, const char* end);

// Finds the end of a head or of a trailer section, and refuses what no line of one may contain: line ends other
// than CRLF, folded lines, control bytes, too much of anything. Looks at every byte once and at bytes in their
// order, so the verdict does not depend on how they were cut.
class HeadScan {
 public:
  enum class Section : uint8_t { request, response, trailers };
  enum class Step : uint8_t { more, complete, bad };

  void start(Section section, uint32_t max_bytes, uint32_t max_first_line, uint32_t max_fields);
  // `base` points to the first byte since start(), `n` counts all bytes since then. Bytes that an earlier call has
  // seen must be the same; they may have moved.
  Step scan(const char* base, size_t n);
  size_t begin() const { return begin_; }               // first byte behind empty lines before the first line
  size_t first_line_end() const { return first_end_; }  // its CR
  size_t end() const { return end_; }                   // behind the empty line; valid when complete
  uint32_t fields() const { return fields_; }
  const Fault& fault() const { return fault_; }

 private:
  Step fail(const char* rule, uint16_t status = 400) {
    fault_ = {rule, status};
    return Step::bad;
  }
  bool in_first_line() const { return section_ != Section::trailers && first_end_ == 0; }

  size_t pos_ = 0, line_ = 0, begin_ = 0, first_end_ = 0, end_ = 0;
  uint32_t max_bytes_ = 0, max_first_line_ = 0, max_fields_ = 0, fields_ = 0;
  uint8_t leading_ = 0;
  Section section_ = Section::request;
  Fault fault_;
};

// Collects one head, which may come in pieces, in the arena of the message that it begins.
class HeadReader {
 public:
  using CheckLine = Fault (*)(Bytes);

  void start(HeadScan::Section section, const CodecLimits& limits);
  // Takes the head's bytes off the front of `in`, no others. A first line is judged by `check_line` as soon as it is
  // complete and before what follows it: the verdict must not depend on how much of the head came with it.
  HeadScan::Step read(Bytes& in, Arena& arena, CheckLine check_line);
  // When complete, without empty lines before it.
  Bytes bytes() const { return bytes_.substr(scan_.begin(), scan_.end() - scan_.begin()); }
  size_t first_line() const { return scan_.first_line_end() - scan_.begin(); }
  uint32_t fields() const { return scan_.fields(); }
  const Fault& fault() const { return fault_; }

 private:
  HeadScan::Step judge(HeadScan::Step step, Bytes so_far, CheckLine check_line);

  HeadScan scan_;
  Bytes bytes_;      // so far, in the arena
  size_t room_ = 0;  // there
  bool line_checked_ = false;
  Fault fault_;
};

// ---- heads ----------------------------------------------------------------------------------------

// What a connection must know of a head beside what the head says to everybody.
struct Facts {
  bool keep_alive = false;
  bool chunked = false;
  bool until_close = false;  // response whose end is the end of the connection
  bool tunnel = false;       // request that may become one; response that has made one
};

// `bytes` is a whole head as HeadScan measured it, in head.arena; the head's views point into it.
Fault read_request(Bytes bytes, size_t first_line, uint32_t field_lines, const CodecLimits& limits, RequestHead& head,
                   Facts& facts);
// The request that this answers decides about bodies and tunnels; `upgrade` is the token it asked for.
Fault read_response(Bytes bytes, size_t first_line, uint32_t field_lines, Method method, Bytes upgrade,
                    ResponseHead& head, Facts& facts);
// First lines alone, for heads that are not complete or that HeadScan refused: a bad first line is answered at once,
// and comes before anything that is wrong behind it.
Fault check_request_line(Bytes line);
Fault check_status_line(Bytes line);

// Takes the fields of a head one by one, in wire order.
class FieldSink {
 public:
  virtual bool take(Bytes name, Bytes value) = 0;  // false: fault() says why
  const Fault& fault() const { return fault_; }

 protected:
  ~FieldSink() = default;
  bool refuse(const char* rule, uint16_t status = 400) {
    fault_ = {rule, status};
    return false;
  }

 private:
  Fault fault_;
};

// What our own reading of the first line says; the parser has to come to the same.
struct FirstLine {
  bool request = true;
  uint8_t minor = 1;    // of HTTP/1.x
  Bytes target;         // requests
  uint16_t status = 0;  // responses
};
// Gives a whole head to llhttp and its fields to `sink`. Accepts it only if llhttp read the first line as we did and
// found a field on each of the `field_lines` lines. What llhttp itself refuses is the fault kSyntax.
inline constexpr char kSyntax[] = "syntax";
Fault parse_head(Bytes bytes, uint32_t field_lines, const FirstLine& expected, FieldSink& sink);

// The rule that the field lines of such a head break, if it can be told line by line: llhttp's own words are neither
// stable nor fine enough. `sink` is a fresh one.
Fault diagnose(Bytes fields, FieldSink& sink);

// "name: value" without its CRLF; the value comes without the white space around it.
Fault split_field(Bytes line, Bytes& name, Bytes& value);
bool is_ows(char c);
Bytes trim_ows(Bytes s);

// ---- bodies ---------------------------------------------------------------------------------------

// Takes a message's body out of the bytes that follow its head, without copying it.
class BodyReader {
 public:
  enum class Step : uint8_t { more, body, end, bad };

  void start_length(uint64_t n);
  void start_chunked(const CodecLimits& limits);
  void start_until_close();
  // One step: takes bytes off the front of `in`. body: `body` is a piece of it. more: `in` is empty.
  Step next(Bytes& in, Bytes& body);
  const Fault& fault() const { return fault_; }
  // After end: the trailer section without what may not stand there. Views last until the next start.
  const Fields& trailers() const { return trailers_; }
  bool is_until_close() const { return state_ == State::until_close; }
  bool ended() const { return state_ == State::ended; }
  // Bytes still to come as far as they are known; chunked bodies do not tell.
  uint64_t known_left() const { return state_ == State::length ? left_ : 0; }

 private:
  enum class State : uint8_t {
    length,
    size_first,
    size,
    extension,
    size_lf,
    chunk,
    chunk_cr,
    chunk_lf,
    trailers,
    until_close,
    ended,
    bad
  };
  Step fail(const char* rule, uint16_t status = 400);
  Step framing(Bytes& in);
  Step trailer_section(Bytes& in);

  uint64_t left_ = 0;        // of the body or of the chunk; the size while it is being read
  uint64_t body_bytes_ = 0;  // so far
  uint64_t overhead_ = 0;    // framing bytes so far
  const CodecLimits* limits_ = nullptr;
  State state_ = State::ended;
  uint8_t digits_ = 0;
  Fault fault_;
  HeadScan scan_;
  std::string trailer_bytes_;
  Fields trailers_;
};

// ---- sending --------------------------------------------------------------------------------------

// Bytes that a codec has to send. Those of this turn are held as they came; what is left of them after
// produced() is copied, once. Order is kept. An empty queue holds no memory but its vectors.
class SendQueue {
 public:
  char* reserve(size_t n) { return fresh_.reserve(n); }
  void commit(size_t n) { fresh_.commit(n); }
  void copy(Bytes s) { fresh_.copy(s); }
  void borrow(Bytes s) { fresh_.borrow(s); }
  size_t size() const { return old_size_ + fresh_.size() - taken_; }
  bool empty() const { return size() == 0; }
  void produce(Output& out, size_t room);  // lends about `room` bytes to `out` until produced()
  void produced();
  void drop();

 private:
  struct Old {
    std::unique_ptr<char[]> bytes;
    size_t at, end, room;
  };
  std::vector<Old> old_;  // from earlier turns
  Output fresh_;          // of this turn
  size_t old_size_ = 0;
  size_t taken_ = 0;  // lent since the last produced()
};

// How the end of a message's body is told.
enum class Framing : uint8_t { none, length, chunked, until_close, tunnel };

// Writes heads into the queue. Fields that belong to the connection or to the framing are left out, and so is a
// field that would break its line.
struct ResponseLines {
  Framing framing = Framing::none;
  std::optional<uint64_t> content_length;
  bool close = false, keep_alive = false;  // Connection tokens
  Bytes upgrade;                           // 101: the protocol
};
void write_response(SendQueue& queue, uint16_t status, const Fields& fields, const ResponseLines& lines);

struct RequestLines {
  Framing framing = Framing::none;
  std::optional<uint64_t> content_length;
};
// False when the request line or the authority cannot be sent; nothing is written then.
bool write_request(SendQueue& queue, const RequestHead& head, const RequestLines& lines);

void write_chunk(SendQueue& queue, Bytes borrowed);
void write_last_chunk(SendQueue& queue, const Fields* trailers);

Bytes reason_phrase(uint16_t status);  // empty when there is none

}  // namespace cardea::http::h1
