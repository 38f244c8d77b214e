// Reading, making and replacing traceparent and tracestate.
#include "route/trace.h"

namespace cardea::route {

using http::Field;
using http::FieldId;

namespace {

// version "-" trace-id "-" parent-id "-" flags
constexpr size_t kSize = 55, kTraceId = 3, kParentId = 36, kFlags = 53;

// Lower-case hex only, as the standard says.
bool is_hex(Bytes s) {
  for (char c : s) {
    if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')) return false;
  }
  return true;
}

bool is_id(Bytes s) {
  return is_hex(s) && s.find_first_not_of('0') != Bytes::npos;
}

// Versions to come begin like version 00, and may go on after a dash.
bool is_traceparent(Bytes s) {
  if (s.size() < kSize || s[kTraceId - 1] != '-' || s[kParentId - 1] != '-' || s[kFlags - 1] != '-') return false;
  const Bytes version = s.substr(0, 2);
  if (!is_hex(version) || version == "ff") return false;
  if (s.size() > kSize && (version == "00" || s[kSize] != '-')) return false;
  return is_id(s.substr(kTraceId, 32)) && is_id(s.substr(kParentId, 16)) && is_hex(s.substr(kFlags, 2));
}

char* put_hex(char* out, uint64_t value) {
  static const char kHex[] = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4) *out++ = kHex[value >> shift & 15];
  return out;
}

}  // namespace

Bytes traceparent_of(http::RequestHead& head, Random& random) {
  const Field* only = nullptr;
  size_t count = 0;
  for (const Field& f : head.fields) {
    if (f.id != FieldId::traceparent) continue;
    only = &f;
    ++count;
  }
  if (count == 1 && is_traceparent(only->value)) return only->value;
  char* const begin = head.arena.take(kSize);
  char* p = begin;
  *p++ = '0', *p++ = '0', *p++ = '-';
  p = put_hex(p, random.next());
  p = put_hex(p, random.next() | 1);  // no id is all zeros
  *p++ = '-';
  p = put_hex(p, random.next() | 1);
  *p++ = '-', *p++ = '0', *p++ = '0';
  return {begin, kSize};
}

void apply_trace(http::Fields& fields, Bytes traceparent) {
  const Field* own = fields.find(FieldId::traceparent);
  if (own && own->value.data() == traceparent.data()) return;
  fields.remove_if([](const Field& f) { return f.id == FieldId::traceparent || f.id == FieldId::tracestate; });
  fields.add(FieldId::traceparent, traceparent);
}

}  // namespace cardea::route
