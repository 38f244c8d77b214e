// What HTTP/1.1 heads mean: first lines, and the fields that are about the connection or the framing.
#include <array>

#include "http/h1.h"

namespace cardea::http::h1 {
namespace {

// ---- shared rules ---------------------------------------------------------------------------------

// RFC 9110 8.6, one field with one number; leading zeros carry no meaning and are not sent on.
Fault read_content_length(Bytes value, std::optional<uint64_t>& out) {
  if (out) return {"two_content_lengths"};
  if (value.empty()) return {"empty_content_length"};
  uint64_t n = 0;
  bool too_big = false;
  for (char c : value) {
    if (c < '0' || c > '9') return {"bad_content_length"};
    // Past 2^62 sums of lengths could wrap somewhere; nobody has such a body.
    too_big |= n > (uint64_t(1) << 62) / 10 - 1;
    if (!too_big) n = n * 10 + uint64_t(c - '0');
  }
  if (too_big) return {"content_length_too_big"};
  out = n;
  return {};
}

// RFC 9112 6.1: the one transfer coding that we read is a single "chunked".
Fault read_transfer_encoding(Bytes value, bool& chunked) {
  if (chunked) return {"two_transfer_encodings"};
  if (equal_no_case(value, "chunked")) {
    chunked = true;
    return {};
  }
  if (value.empty()) return {"empty_transfer_encoding"};
  size_t at_chunked = 0, codings = 0;
  for (Bytes rest = value;;) {
    const size_t comma = rest.find(',');
    const Bytes coding = trim_ows(rest.substr(0, comma));
    if (!is_token(coding)) return {"bad_transfer_encoding"};
    ++codings;
    if (equal_no_case(coding, "chunked")) {
      if (at_chunked) return {"chunked_twice"};
      at_chunked = codings;
    }
    if (comma == Bytes::npos) break;
    rest.remove_prefix(comma + 1);
  }
  if (at_chunked && at_chunked != codings) return {"chunked_not_last"};
  return {"transfer_coding", 501};
}

constexpr size_t kMaxConnectionTokens = 32;

// Connection options. RFC 9110 7.6.1.
struct Connection {
  bool close = false, keep_alive = false, upgrade = false;
  size_t tokens = 0, nominations = 0;
  // Not initialised: half a kilobyte that most messages never look at.
  struct Token {
    const char* begin;
    size_t size;
  } nominated[kMaxConnectionTokens];

  Fault read(Bytes list) {
    while (!list.empty()) {
      const size_t comma = list.find(',');
      const Bytes token = trim_ows(list.substr(0, comma));
      list.remove_prefix(comma == Bytes::npos ? list.size() : comma + 1);
      if (token.empty()) continue;
      if (!is_token(token)) return {"bad_connection"};
      if (++tokens > kMaxConnectionTokens) return {"too_many_connection_options", 431};
      if (equal_no_case(token, "keep-alive")) {
        keep_alive = true;
      } else if (equal_no_case(token, "close")) {
        close = true;
      } else if (equal_no_case(token, "upgrade")) {
        upgrade = true;
      } else {
        nominated[nominations++] = {token.data(), token.size()};
      }
    }
    return {};
  }
  // Takes the nominated fields out. Host and framing are values by now; who nominates them is up to no good.
  Fault apply(Fields& fields) const {
    for (size_t i = 0; i < nominations; ++i) {
      const Bytes name(nominated[i].begin, nominated[i].size);
      const FieldId id = field_id(name);
      if (id == FieldId::host || id == FieldId::content_length) return {"nominated_essential"};
      fields.remove(name);
    }
    return {};
  }
  bool keeps_alive(Protocol p) const { return !close && (p == Protocol::http11 || keep_alive); }
};

// ---- requests -------------------------------------------------------------------------------------

// Methods besides those of enum Method; each is known to llhttp. Others are 501.
constexpr Bytes kExtensionMethods[] = {"PROPFIND", "PROPPATCH", "MKCOL",  "COPY",        "MOVE",       "LOCK",
                                       "UNLOCK",   "REPORT",    "SEARCH", "ACL",         "BIND",       "UNBIND",
                                       "REBIND",   "CHECKOUT",  "MERGE",  "MKACTIVITY",  "MKCALENDAR", "NOTIFY",
                                       "M-SEARCH", "SUBSCRIBE", "PURGE",  "UNSUBSCRIBE", "LINK",       "UNLINK"};

Fault read_method(Bytes name, RequestHead& head) {
  head.method_name = name;
  head.method = method_of(name);
  if (head.method != Method::other) return {};
  if (!is_token(name)) return {"bad_method"};
  if (name == "TRACE" || name == "TRACK") return {"trace", 405};
  if (name == "PRI") return {"h2_preface"};
  for (Bytes known : kExtensionMethods) {
    if (name == known) return {};
  }
  return {"unknown_method", 501};
}

enum : uint8_t {
  kTargetBad = 0,
  kTargetOk = 1,
  kTargetEncode = 2,  // not in RFC 3986, yet raw in the queries that browsers send
};
constexpr std::array<uint8_t, 256> make_target() {
  std::array<uint8_t, 256> t{};
  for (int c = 0x21; c < 0x7f; ++c) t[size_t(c)] = kTargetOk;
  for (char c : Bytes("\"<>\\^`{|}")) t[uint8_t(c)] = kTargetEncode;
  t['#'] = kTargetBad;
  t['|'] = kTargetOk;
  return t;
}
constexpr std::array<uint8_t, 256> kTarget = make_target();

// Refuses what no target may hold. `encode`: how many bytes of the query must be escaped.
Fault check_target(Bytes target, size_t& encode) {
  bool query = false;
  encode = 0;
  for (char c : target) {
    const uint8_t k = kTarget[uint8_t(c)];
    if (k == kTargetOk) {
      query |= c == '?';
    } else if (k == kTargetEncode && query) {
      ++encode;
    } else {
      return {c == '#' ? "fragment" : "bad_target"};
    }
  }
  return {};
}

// Escapes once, so that everybody behind us reads the same.
Bytes encode_query(Bytes target, size_t count, Arena& arena) {
  constexpr char kHex[] = "0123456789ABCDEF";
  char* const out = arena.take(target.size() + 2 * count);
  char* p = out;
  for (char c : target) {
    if (kTarget[uint8_t(c)] == kTargetEncode) {
      *p++ = '%';
      *p++ = kHex[uint8_t(c) >> 4];
      *p++ = kHex[uint8_t(c) & 15];
    } else {
      *p++ = c;
    }
  }
  return {out, size_t(p - out)};
}

// "http://authority/path?query" (RFC 9112 3.2.2).
Fault read_absolute(Bytes target, RequestHead& head) {
  const size_t colon = target.find(':');
  const Bytes scheme = target.substr(0, colon);
  if (colon == Bytes::npos || target.substr(colon, 3) != "://") return {"bad_target_form"};
  if (equal_no_case(scheme, "http")) {
    head.scheme = "http";
  } else if (equal_no_case(scheme, "https")) {
    head.scheme = "https";
  } else {
    return {"bad_target_scheme"};
  }
  const Bytes rest = target.substr(colon + 3);
  const size_t end = rest.find_first_of("/?");
  Result<HostPort> authority = parse_authority(rest.substr(0, end));
  if (!authority) return {"bad_target_authority"};
  head.authority = authority->has_port ? rest.substr(0, end) : authority->host;
  if (end == Bytes::npos) {
    head.target = head.method == Method::options ? Bytes("*") : Bytes("/");
  } else if (rest[end] == '/') {
    head.target = rest.substr(end);
  } else {
    char* path = head.arena.take(rest.size() - end + 1);
    path[0] = '/';
    rest.copy(path + 1, rest.size() - end, end);
    head.target = {path, rest.size() - end + 1};
  }
  return {};
}

Fault read_target(Bytes target, RequestHead& head) {
  head.scheme = "http";
  head.target = target;
  size_t encode = 0;
  if (Fault fault = check_target(target, encode)) return fault;
  if (head.method == Method::connect) {
    Result<HostPort> authority = parse_authority(target);
    if (!authority || !authority->has_port) return {"bad_connect_target"};
    head.authority = target;
    return {};
  }
  if (target[0] == '*') {
    if (target.size() > 1) return {"bad_target_form"};
    return head.method == Method::options ? Fault{} : Fault{"asterisk_form"};
  }
  if (target[0] != '/') {
    if (Fault fault = read_absolute(target, head)) return fault;
  }
  if (encode) head.target = encode_query(head.target, encode, head.arena);
  return {};
}

Fault read_version(Bytes version, RequestHead& head) {
  if (version == "HTTP/1.1") return {};
  if (version == "HTTP/1.0") {
    head.protocol = Protocol::http10;
    return {};
  }
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (version.size() == 8 && version.substr(0, 5) == "HTTP/" && digit(version[5]) && version[6] == '.' &&
      digit(version[7])) {
    return {"version", 505};
  }
  if (!version.empty() && is_ows(version.back())) return {"trailing_space"};
  return {"bad_version"};
}

// RFC 9112 3: three parts with one space between them.
Fault read_request_line(Bytes line, RequestHead& head, Bytes& target) {
  const size_t first = line.find(' ');
  if (first == Bytes::npos) return {"no_target"};
  if (Fault fault = read_method(line.substr(0, first), head)) return fault;
  const Bytes rest = line.substr(first + 1);
  const size_t second = rest.find(' ');
  if (second == 0) return {"two_spaces"};
  if (second == Bytes::npos) return {"no_version"};
  target = rest.substr(0, second);
  const Bytes version = rest.substr(second + 1);
  if (!version.empty() && version[0] == ' ') return {"two_spaces"};
  if (Fault fault = read_version(version, head)) return fault;
  return read_target(target, head);
}

// The fields of one request: those about the connection become values, the others go into the head.
class RequestReader final : public FieldSink {
 public:
  RequestReader(RequestHead& head, const CodecLimits& limits) : head_(head), limits_(limits) {}
  bool take(Bytes name, Bytes value) override;
  Fault finish(Facts& facts);

 private:
  bool take_if(Fault fault) { return !fault || refuse(fault.rule, fault.status); }
  Fault read_host();
  Fault read_expect() const;
  Fault read_upgrade(Facts& facts);
  bool has_body() const { return chunked_ || head_.content_length.value_or(0) > 0; }

  RequestHead& head_;
  const CodecLimits& limits_;
  Bytes host_, expect_, upgrade_;
  uint32_t hosts_ = 0, expects_ = 0, upgrades_ = 0;
  bool chunked_ = false;
  Connection connection_;
};

bool RequestReader::take(Bytes name, Bytes value) {
  const FieldId id = field_id(name);
  switch (id) {
    case FieldId::other:
      if (name.empty()) return refuse("empty_name");
      // Origins behind CGI read `_` as `-`: a name with one may become another field there.
      if (limits_.underscores != CodecLimits::Underscores::allow && name.find('_') != Bytes::npos) {
        if (limits_.underscores == CodecLimits::Underscores::drop_field) return true;
        return refuse("underscore");
      }
      break;
    case FieldId::host:
      if (hosts_++) return refuse("two_hosts");
      host_ = value;
      return true;
    case FieldId::content_length:
      return take_if(read_content_length(value, head_.content_length));
    case FieldId::transfer_encoding:
      return take_if(read_transfer_encoding(value, chunked_));
    case FieldId::connection:
      return take_if(connection_.read(value));
    case FieldId::te:
      head_.te_trailers |= list_has(value, "trailers");
      return true;
    case FieldId::expect:
      ++expects_;
      expect_ = value;
      return true;
    case FieldId::upgrade:
      ++upgrades_;
      upgrade_ = value;
      return true;
    case FieldId::keep_alive:
    case FieldId::proxy_connection:
    case FieldId::http2_settings:
      return true;
    default:
      break;
  }
  head_.fields.add({name, value, id});
  return true;
}

// RFC 9112 3.2. Also wanted of HTTP/1.0: nothing without a name can be routed.
Fault RequestReader::read_host() {
  if (hosts_ == 0) {
    if (head_.protocol == Protocol::http10 && !head_.authority.empty()) return {};
    return {"no_host"};
  }
  if (host_.empty()) return {"empty_host"};
  Result<HostPort> host = parse_authority(host_);
  if (!host) return {"bad_host"};
  // The authority of an absolute target wins and is the one that goes on (RFC 9112 3.2.2).
  if (head_.authority.empty()) head_.authority = host->has_port ? host_ : host->host;
  return {};
}

Fault RequestReader::read_expect() const {
  if (expects_ == 0) return {};
  if (expects_ > 1) return {"two_expects", 417};
  if (!equal_no_case(expect_, "100-continue")) return {"bad_expect", 417};
  // RFC 9110 10.1.1: an HTTP/1.0 client could not understand the answer.
  head_.expect_continue = head_.protocol == Protocol::http11 && has_body();
  return {};
}

// RFC 9110 7.8. What cannot become a tunnel is an ordinary request: Upgrade is gone from its fields.
Fault RequestReader::read_upgrade(Facts& facts) {
  if (upgrades_ == 0 || !connection_.upgrade || head_.protocol != Protocol::http11) return {};
  // Protocols of the connection itself are never upgraded to in clear text.
  const Bytes name = upgrade_.substr(0, upgrade_.find('/'));
  if (equal_no_case(name, "h2c") || equal_no_case(name, "http") || equal_no_case(name, "tls")) return {};
  if (has_body()) return {"upgrade_with_body"};
  const Bytes version = name.size() < upgrade_.size() ? upgrade_.substr(name.size() + 1) : Bytes("1");
  if (upgrades_ > 1 || head_.method != Method::get || !is_token(name) || !is_token(version)) return {};
  head_.upgrade = upgrade_;
  facts.tunnel = true;
  return {};
}

Fault RequestReader::finish(Facts& facts) {
  if (chunked_ && head_.content_length) return {"cl_and_te"};
  if (chunked_ && head_.protocol == Protocol::http10) return {"te_on_http10"};
  if (Fault fault = read_host()) return fault;
  if (Fault fault = connection_.apply(head_.fields)) return fault;
  if (Fault fault = read_expect()) return fault;
  if (Fault fault = read_upgrade(facts)) return fault;
  if (head_.method == Method::connect) {
    if (chunked_ || head_.content_length) return {"connect_with_body"};
    facts.tunnel = true;
  }
  facts.chunked = chunked_;
  facts.keep_alive = connection_.keeps_alive(head_.protocol);
  head_.has_body = has_body() || facts.tunnel;
  return {};
}

// ---- responses ------------------------------------------------------------------------------------

// RFC 9112 4: version, three digits, perhaps a reason.
Fault read_status_line(Bytes line, ResponseHead& head) {
  if (line.substr(0, 7) != "HTTP/1." || line.size() < 12 || line[8] != ' ') return {"bad_status_line"};
  if (line[7] != '1' && line[7] != '0') return {"version"};
  head.protocol = line[7] == '1' ? Protocol::http11 : Protocol::http10;
  if (line.size() > 12 && line[12] != ' ') return {"bad_status_line"};
  uint16_t status = 0;
  for (char c : line.substr(9, 3)) {
    if (c < '0' || c > '9') return {"bad_status"};
    status = uint16_t(status * 10 + (c - '0'));
  }
  if (status < 100 || status > 599) return {"bad_status"};
  head.status = status;
  return {};
}

class ResponseReader final : public FieldSink {
 public:
  explicit ResponseReader(ResponseHead& head) : head_(head) {}
  bool take(Bytes name, Bytes value) override;
  Fault finish(Method method, Bytes upgrade, Facts& facts);

 private:
  bool take_if(Fault fault) { return !fault || refuse(fault.rule, fault.status); }

  ResponseHead& head_;
  Bytes upgrade_;
  uint32_t upgrades_ = 0;
  bool chunked_ = false;
  Connection connection_;
};

bool ResponseReader::take(Bytes name, Bytes value) {
  const FieldId id = field_id(name);
  switch (id) {
    case FieldId::other:
      if (name.empty()) return refuse("empty_name");
      break;
    case FieldId::content_length:
      return take_if(read_content_length(value, head_.content_length));
    case FieldId::transfer_encoding:
      return take_if(read_transfer_encoding(value, chunked_));
    case FieldId::connection:
      return take_if(connection_.read(value));
    case FieldId::upgrade:
      ++upgrades_;
      upgrade_ = value;
      return true;
    case FieldId::te:
    case FieldId::keep_alive:
    case FieldId::proxy_connection:
    case FieldId::http2_settings:
      return true;
    default:
      break;
  }
  head_.fields.add({name, value, id});
  return true;
}

Fault ResponseReader::finish(Method method, Bytes upgrade, Facts& facts) {
  if (chunked_ && head_.content_length) return {"cl_and_te"};
  if (chunked_ && head_.protocol == Protocol::http10) return {"te_on_http10"};
  if (Fault fault = connection_.apply(head_.fields)) return fault;
  const uint16_t status = head_.status;
  facts.keep_alive = connection_.keeps_alive(head_.protocol);
  if (status == 101) {
    if (upgrade.empty()) return {"unsolicited_101"};
    if (upgrades_ != 1 || !connection_.upgrade || !equal_no_case(upgrade_, upgrade)) return {"upgrade_mismatch"};
  }
  if (status == 101 || (method == Method::connect && status / 100 == 2)) {
    facts.tunnel = head_.has_body = true;
    head_.content_length.reset();
    return {};
  }
  // RFC 9112 6.3: these end with their head whatever they say. A length tells what GET would get, but not in 1xx, 204.
  if (is_bodiless(method, status)) {
    if (status < 200 || status == 204) head_.content_length.reset();
    return {};
  }
  facts.chunked = chunked_;
  facts.until_close = !chunked_ && !head_.content_length;
  head_.has_body = chunked_ || facts.until_close || *head_.content_length > 0;
  return {};
}

}  // namespace

Fault read_request(Bytes bytes, size_t first_line, uint32_t field_lines, const CodecLimits& limits, RequestHead& head,
                   Facts& facts) {
  FirstLine expected;
  if (Fault fault = read_request_line(bytes.substr(0, first_line), head, expected.target)) return fault;
  expected.minor = head.protocol == Protocol::http10 ? 0 : 1;
  RequestReader reader(head, limits);
  Fault fault = parse_head(bytes, field_lines, expected, reader);
  if (!fault) return reader.finish(facts);
  if (fault.rule != kSyntax) return fault;
  const RequestPtr again = make_request();
  again->protocol = head.protocol;
  again->authority = head.authority;
  RequestReader fresh(*again, limits);
  fault = diagnose(bytes.substr(first_line + 2), fresh);
  if (!fault) fault = fresh.finish(facts);
  return fault ? fault : Fault{kSyntax};
}

Fault check_request_line(Bytes line) {
  const RequestPtr scratch = make_request();
  Bytes target;
  return read_request_line(line, *scratch, target);
}

Fault check_status_line(Bytes line) {
  const ResponsePtr scratch = make_response();
  return read_status_line(line, *scratch);
}

Fault read_response(Bytes bytes, size_t first_line, uint32_t field_lines, Method method, Bytes upgrade,
                    ResponseHead& head, Facts& facts) {
  if (Fault fault = read_status_line(bytes.substr(0, first_line), head)) return fault;
  FirstLine expected;
  expected.request = false;
  expected.minor = head.protocol == Protocol::http10 ? 0 : 1;
  expected.status = head.status;
  ResponseReader reader(head);
  Fault fault = parse_head(bytes, field_lines, expected, reader);
  if (!fault) return reader.finish(method, upgrade, facts);
  if (fault.rule != kSyntax) return fault;
  const ResponsePtr again = make_response();
  again->protocol = head.protocol;
  again->status = head.status;
  ResponseReader fresh(*again);
  fault = diagnose(bytes.substr(first_line + 2), fresh);
  if (!fault) fault = fresh.finish(method, upgrade, facts);
  return fault ? fault : Fault{kSyntax};
}

}  // namespace cardea::http::h1
