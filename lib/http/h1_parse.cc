// llhttp's part: the syntax of heads. The only file that knows llhttp.
#include <llhttp.h>

#include "http/h1.h"

// Without strict mode llhttp 8 is another parser, one that lets requests be smuggled.
#if LLHTTP_VERSION_MAJOR < 9 && !LLHTTP_STRICT_MODE
#error "llhttp before 9 must be built, and this file compiled, with LLHTTP_STRICT_MODE=1"
#endif

namespace cardea::http::h1 {
namespace {

// One run of the parser over one head. The head lies in one piece, so each span comes whole.
struct Run {
  FieldSink& sink;
  Bytes target, name, value;
  uint32_t fields = 0;
  bool headers_complete = false;
  bool odd = false;  // spans in an order that the parser never had
};

Run& run_of(llhttp_t* p) {
  return *static_cast<Run*>(p->data);
}

int on_url(llhttp_t* p, const char* at, size_t n) {
  Run& r = run_of(p);
  if (!r.target.empty()) r.odd = true;
  r.target = {at, n};
  return 0;
}

int on_field(llhttp_t* p, const char* at, size_t n) {
  Run& r = run_of(p);
  if (!r.name.empty()) r.odd = true;
  r.name = {at, n};
  return 0;
}

int on_value(llhttp_t* p, const char* at, size_t n) {
  Run& r = run_of(p);
  if (!r.value.empty()) r.odd = true;
  r.value = {at, n};
  return 0;
}

int on_value_complete(llhttp_t* p) {
  Run& r = run_of(p);
  ++r.fields;
  const Bytes name = r.name, value = trim_ows(r.value);
  r.name = r.value = {};
  return r.sink.take(name, value) ? 0 : -1;
}

int on_headers_complete(llhttp_t* p) {
  run_of(p).headers_complete = true;
  return 1;  // bodies are not its business
}

constexpr llhttp_settings_t make_settings() {
  llhttp_settings_t s{};
  s.on_url = on_url;
  s.on_header_field = on_field;
  s.on_header_value = on_value;
  s.on_header_value_complete = on_value_complete;
  s.on_headers_complete = on_headers_complete;
  return s;
}
constexpr llhttp_settings_t kSettings = make_settings();

}  // namespace

bool is_ows(char c) {
  return c == ' ' || c == '\t';
}

Bytes trim_ows(Bytes s) {
  while (!s.empty() && is_ows(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_ows(s.back())) s.remove_suffix(1);
  return s;
}

Fault split_field(Bytes line, Bytes& name, Bytes& value) {
  const size_t colon = line.find(':');
  if (colon == Bytes::npos) return {"no_colon"};
  if (colon == 0) return {"empty_name"};
  name = line.substr(0, colon);
  if (is_ows(name.back())) return {"space_before_colon"};
  if (!is_token(name)) return {"bad_name"};
  value = trim_ows(line.substr(colon + 1));
  return {};
}

Fault diagnose(Bytes fields, FieldSink& sink) {
  while (!fields.empty() && fields != "\r\n") {
    const size_t end = fields.find("\r\n");
    Bytes name, value;
    if (Fault fault = split_field(fields.substr(0, end), name, value)) return fault;
    if (!sink.take(name, value)) return sink.fault();
    fields.remove_prefix(end + 2);
  }
  return {};
}

Fault parse_head(Bytes bytes, uint32_t field_lines, const FirstLine& expected, FieldSink& sink) {
  llhttp_t parser;
  llhttp_init(&parser, expected.request ? HTTP_REQUEST : HTTP_RESPONSE, &kSettings);
  Run run{sink};
  parser.data = &run;
  const llhttp_errno_t error = llhttp_execute(&parser, bytes.data(), bytes.size());
  if (sink.fault()) return sink.fault();
  if (error != HPE_OK && error != HPE_PAUSED_UPGRADE && error != HPE_PAUSED) {
    return {kSyntax};
  }
  const bool same_line = parser.http_major == 1 && parser.http_minor == expected.minor &&
                         (expected.request ? run.target == expected.target : parser.status_code == expected.status);
  // A head that two readers understand differently is refused, whoever is right.
  if (!run.headers_complete || run.odd || run.fields != field_lines || !same_line) return {"ambiguous"};
  return {};
}

}  // namespace cardea::http::h1
