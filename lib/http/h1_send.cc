// Heads and chunks into bytes, and the queue of bytes that have not left yet.
#include <algorithm>
#include <array>
#include <cstring>

#include "http/h1.h"

namespace cardea::http::h1 {
namespace {

constexpr size_t kMaxDigits = 20;
constexpr size_t kOldBlock = 4096;  // least size of a block that keeps bytes for a later turn

// Most pieces of a head are short: two overlapping words are cheaper than a call.
inline char* put(char* p, Bytes s) {
  const size_t n = s.size();
  const char* const from = s.data();
  if (n > 16) {
    memcpy(p, from, n);
  } else if (n >= 8) {
    memcpy(p, from, 8);
    memcpy(p + n - 8, from + n - 8, 8);
  } else if (n >= 4) {
    memcpy(p, from, 4);
    memcpy(p + n - 4, from + n - 4, 4);
  } else if (n > 0) {
    p[0] = from[0];
    p[n / 2] = from[n / 2];
    p[n - 1] = from[n - 1];
  }
  return p + n;
}

char* put_number(char* p, uint64_t n) {
  char digits[kMaxDigits];
  size_t at = sizeof digits;
  do {
    digits[--at] = char('0' + n % 10);
    n /= 10;
  } while (n);
  return put(p, {digits + at, sizeof digits - at});
}

char* put_hex(char* p, uint64_t n) {
  char digits[kMaxDigits];
  size_t at = sizeof digits;
  do {
    digits[--at] = "0123456789abcdef"[n & 15];
    n >>= 4;
  } while (n);
  return put(p, {digits + at, sizeof digits - at});
}

constexpr std::array<bool, size_t(FieldId::count_)> make_own(bool request) {
  std::array<bool, size_t(FieldId::count_)> t{};
  for (FieldId id : {FieldId::connection, FieldId::keep_alive, FieldId::proxy_connection, FieldId::te,
                     FieldId::transfer_encoding, FieldId::upgrade, FieldId::http2_settings, FieldId::content_length}) {
    t[size_t(id)] = true;
  }
  if (request) t[size_t(FieldId::host)] = t[size_t(FieldId::expect)] = true;
  return t;
}
// Fields that a head of ours never takes from its owner.
constexpr auto kOwnInResponse = make_own(false);
constexpr auto kOwnInRequest = make_own(true);

// A field that does not fit on one line is left out: whoever made it must not write the next line too. Looks at the
// field, not at its copy, which would have to wait for its own bytes.
bool fits_a_line(const Field& f) {
  if (f.id == FieldId::other && !is_token(f.name)) return false;
  const char* p = f.value.data();
  const char* const end = p + f.value.size();
  while ((p = find_control(p, end)) < end) {
    if (*p++ != '\t') return false;
  }
  return true;
}

size_t fields_size(const Fields& fields) {
  size_t n = 0;
  for (const Field& f : fields) n += f.name.size() + f.value.size() + 4;
  return n;
}

char* put_field(char* p, const Field& f) {
  if (!fits_a_line(f)) return p;
  p = put(p, f.name);
  *p++ = ':';
  *p++ = ' ';
  p = put(p, f.value);
  *p++ = '\r';
  *p++ = '\n';
  return p;
}

char* put_fields(char* p, const Fields& fields, const std::array<bool, size_t(FieldId::count_)>& own) {
  for (const Field& f : fields) {
    if (!own[size_t(f.id)]) p = put_field(p, f);
  }
  return p;
}

char* put_framing(char* p, Framing framing, const std::optional<uint64_t>& content_length) {
  if (framing == Framing::chunked) return put(p, "Transfer-Encoding: chunked\r\n");
  if (content_length) {
    p = put(p, "Content-Length: ");
    p = put_number(p, *content_length);
    p = put(p, "\r\n");
  }
  return p;
}

struct Reason {
  uint16_t status;
  Bytes text;
};
constexpr Reason kReasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {102, "Processing"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {208, "Already Reported"},
    {226, "IM Used"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {418, "I'm a teapot"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {495, "SSL Certificate Error"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {506, "Variant Also Negotiates"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
    {511, "Network Authentication Required"},
};
constexpr size_t kLongestReason = 31;

constexpr std::array<uint8_t, 600> make_reason_index() {
  std::array<uint8_t, 600> t{};
  for (size_t i = 0; i < std::size(kReasons); ++i) t[kReasons[i].status] = uint8_t(i + 1);
  return t;
}
constexpr std::array<uint8_t, 600> kReasonIndex = make_reason_index();

}  // namespace

Bytes reason_phrase(uint16_t status) {
  const uint8_t i = status < kReasonIndex.size() ? kReasonIndex[status] : 0;
  return i ? kReasons[i - 1].text : Bytes();
}

void write_response(SendQueue& queue, uint16_t status, const Fields& fields, const ResponseLines& lines) {
  constexpr size_t kFixed = 13 + kLongestReason + 2 + 64 + kMaxDigits + 64 + 2;
  const size_t room = kFixed + lines.upgrade.size() + fields_size(fields);
  char* const start = queue.reserve(room);
  char* p = put(start, "HTTP/1.1 ");
  p[0] = char('0' + status / 100 % 10);
  p[1] = char('0' + status / 10 % 10);
  p[2] = char('0' + status % 10);
  p[3] = ' ';  // RFC 9112 4: wanted even before an empty reason
  p = put(p + 4, reason_phrase(status));
  p = put(p, "\r\n");
  p = put_fields(p, fields, kOwnInResponse);
  p = put_framing(p, lines.framing, lines.content_length);
  if (lines.close) {
    p = put(p, "Connection: close\r\n");
  } else if (!lines.upgrade.empty()) {
    p = put(p, "Connection: Upgrade\r\nUpgrade: ");
    p = put(p, lines.upgrade);
    p = put(p, "\r\n");
  } else if (lines.keep_alive) {
    p = put(p, "Connection: keep-alive\r\n");
  }
  p = put(p, "\r\n");
  queue.commit(size_t(p - start));
}

bool write_request(SendQueue& queue, const RequestHead& head, const RequestLines& lines) {
  const auto is_word = [](Bytes s) {
    return !s.empty() && s.find(' ') == Bytes::npos &&
           find_control(s.data(), s.data() + s.size()) == s.data() + s.size();
  };
  if (!is_token(head.method_name) || !is_word(head.target) || !is_word(head.authority)) return false;
  if (!head.upgrade.empty() && !is_word(head.upgrade)) return false;

  constexpr size_t kFixed = 11 + 8 + 64 + kMaxDigits + 128 + 2;
  const size_t room = kFixed + head.method_name.size() + head.target.size() + head.authority.size() +
                      head.upgrade.size() + fields_size(head.fields);
  char* const start = queue.reserve(room);
  char* p = put(start, head.method_name);
  *p++ = ' ';
  p = put(p, head.target);
  p = put(p, " HTTP/1.1\r\nHost: ");
  p = put(p, head.authority);
  p = put(p, "\r\n");
  p = put_fields(p, head.fields, kOwnInRequest);
  p = put_framing(p, lines.framing, lines.content_length);
  if (lines.framing == Framing::tunnel) {
    if (!head.upgrade.empty()) {
      p = put(p, "Connection: Upgrade\r\nUpgrade: ");
      p = put(p, head.upgrade);
      p = put(p, "\r\n");
    }
  } else {
    if (head.expect_continue) p = put(p, "Expect: 100-continue\r\n");
    if (head.te_trailers) p = put(p, "Connection: TE\r\nTE: trailers\r\n");
  }
  p = put(p, "\r\n");
  queue.commit(size_t(p - start));
  return true;
}

void write_chunk(SendQueue& queue, Bytes borrowed) {
  char* const start = queue.reserve(kMaxDigits + 2);
  char* p = put_hex(start, borrowed.size());
  p = put(p, "\r\n");
  queue.commit(size_t(p - start));
  queue.borrow(borrowed);
  queue.copy("\r\n");
}

void write_last_chunk(SendQueue& queue, const Fields* trailers) {
  char* const start = queue.reserve(5 + (trailers ? fields_size(*trailers) : 0));
  char* p = put(start, "0\r\n");
  if (trailers) {
    for (const Field& f : *trailers) {
      if (!is_forbidden_in_trailers(f)) p = put_field(p, f);
    }
  }
  p = put(p, "\r\n");
  queue.commit(size_t(p - start));
}

// ---- the queue ------------------------------------------------------------------------------------

void SendQueue::produce(Output& out, size_t room) {
  size_t skip = taken_;  // lent by an earlier call
  const auto lend = [&](Bytes s) {
    if (skip >= s.size()) {
      skip -= s.size();
      return room > 0;
    }
    s.remove_prefix(skip);
    skip = 0;
    s = s.substr(0, room);
    out.borrow(s);
    taken_ += s.size();
    room -= s.size();
    return room > 0;
  };
  for (const Old& o : old_) {
    if (!lend({o.bytes.get() + o.at, o.end - o.at})) return;
  }
  for (Bytes s : fresh_.slices()) {
    if (!lend(s)) return;
  }
}

void SendQueue::produced() {
  size_t gone = 0;
  while (gone < old_.size() && taken_ >= old_[gone].end - old_[gone].at) {
    taken_ -= old_[gone].end - old_[gone].at;
    old_size_ -= old_[gone].end - old_[gone].at;
    ++gone;
  }
  if (gone) old_.erase(old_.begin(), old_.begin() + ptrdiff_t(gone));
  if (!old_.empty()) {
    old_.front().at += taken_;
    old_size_ -= taken_;
    taken_ = 0;
  }
  const size_t left = fresh_.size() - taken_;
  if (left) {
    // What is lent stays where it is, so small remainders may share a block.
    if (old_.empty() || old_.back().room - old_.back().end < left) {
      const size_t room = std::max(left, kOldBlock);
      old_.push_back({std::unique_ptr<char[]>(new char[room]), 0, 0, room});
    }
    Old& last = old_.back();
    for (Bytes s : fresh_.slices()) {
      const size_t skip = std::min(taken_, s.size());
      taken_ -= skip;
      put(last.bytes.get() + last.end, s.substr(skip));
      last.end += s.size() - skip;
    }
    old_size_ += left;
  }
  taken_ = 0;
  fresh_.clear();
}

void SendQueue::drop() {
  old_.clear();
  fresh_.clear();
  old_size_ = taken_ = 0;
}

}  // namespace cardea::http::h1
