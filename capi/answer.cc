// Answers of the host to requests of routes that are served_by_host.
#include "capi.h"
#include "proxy/host_stream.h"

using namespace cardea;

namespace {

// False: not a list of `count` pairs.
bool copy_fields(const cardea_str* names, const cardea_str* values, size_t count, proxy::FieldList& out) {
  if (count && (!names || !values)) return false;
  out.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    if ((!names[i].ptr && names[i].len) || (!values[i].ptr && values[i].len)) return false;
    out.emplace_back(std::string(names[i].ptr, names[i].len), std::string(values[i].ptr, values[i].len));
  }
  return true;
}

// More than any answer may have, so that a count out of thin air reserves nothing.
constexpr size_t kMaxFields = 1000;

template <class Fn>
int with_stream(cardea_token t, Fn fn) {
  return capi::guard([&] {
    const auto stream = proxy::HostStream::find(t);
    return stream ? fn(*stream) : CARDEA_ESTALE;
  });
}

template <class Fn>
int with_fields(cardea_token t, const cardea_str* names, const cardea_str* values, size_t count, Fn fn) {
  return with_stream(t, [&](proxy::HostStream& stream) -> int {
    proxy::FieldList fields;
    if (count > kMaxFields || !copy_fields(names, values, count, fields)) return CARDEA_EINVAL;
    return fn(stream, std::move(fields));
  });
}

}  // namespace

extern "C" {

int cardea_answer(cardea_token t, int status, const cardea_str* names, const cardea_str* values, size_t count,
                  const char* body, size_t n) {
  if (!body && n && n != CARDEA_NTS) return CARDEA_EINVAL;
  return with_fields(t, names, values, count, [&](proxy::HostStream& s, proxy::FieldList fields) {
    return s.answer(status, std::move(fields), capi::text(body, n));
  });
}

int cardea_answer_begin(cardea_token t, int status, const cardea_str* names, const cardea_str* values, size_t count) {
  return with_fields(t, names, values, count,
                     [&](proxy::HostStream& s, proxy::FieldList fields) { return s.begin(status, std::move(fields)); });
}

int cardea_answer_write(cardea_token t, const char* bytes, size_t n, cardea_free_fn release, void* ud) {
  if (!bytes && n && n != CARDEA_NTS) return CARDEA_EINVAL;
  return with_stream(t, [&](proxy::HostStream& s) { return s.write(capi::text(bytes, n), release, ud); });
}

int cardea_answer_end(cardea_token t, const cardea_str* names, const cardea_str* values, size_t count) {
  return with_fields(t, names, values, count,
                     [&](proxy::HostStream& s, proxy::FieldList trailers) { return s.end(std::move(trailers)); });
}

int cardea_answer_abort(cardea_token t) {
  return with_stream(t, [](proxy::HostStream& s) { return s.abort(); });
}

int cardea_body_read(cardea_token t, char* buffer, size_t capacity, size_t* n) {
  if (n) *n = 0;
  if (!buffer || !capacity || !n) return CARDEA_EINVAL;
  return with_stream(t, [&](proxy::HostStream& s) { return s.read(buffer, capacity, *n); });
}

}  // extern "C"
