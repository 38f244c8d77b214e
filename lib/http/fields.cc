// Header fields: the names that Cardea knows, lookup, and the rules that hold for every HTTP version.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "http/http.h"

namespace cardea::http {
namespace {

constexpr size_t kIds = size_t(FieldId::count_);

// In the order of FieldId.
constexpr std::array<Bytes, kIds> kNames = {
    "",
    "accept",
    "access-control-request-method",
    "authorization",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "grpc-status",
    "host",
    "http2-settings",
    "keep-alive",
    "location",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "retry-after",
    "sec-websocket-key",
    "server",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "www-authenticate",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
    "x-requested-with",
    "traceparent",
    "tracestate",
};

constexpr std::array<char, 256> make_lower() {
  std::array<char, 256> t{};
  for (int c = 0; c < 256; ++c) t[size_t(c)] = char(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return t;
}
constexpr std::array<char, 256> kLower = make_lower();

char lower(char c) {
  return kLower[uint8_t(c)];
}

constexpr size_t kLongest = 30;  // no name is as long
constexpr size_t kWordsCover = 24;
constexpr size_t kPerSlot = 4;

// A name as three words that overlap: its first bytes, the next, its last; a longer one is compared again as a whole.
// Letters have their case bit in `fold`, so a word of any spelling compares equal exactly when the name is the same but
// for case.
struct Words {
  uint64_t word[3] = {}, fold[3] = {};
};
constexpr size_t word_size(size_t length) {
  return length >= 8 ? 8 : length >= 4 ? 4 : length >= 2 ? 2 : 1;
}
constexpr size_t word_start(size_t length, size_t i) {
  const size_t size = word_size(length);
  return i == 0 ? 0 : i == 1 && length >= 2 * size ? size : length - size;
}
constexpr Words make_words(Bytes name) {
  Words w;
  for (size_t i = 0; i < 3; ++i) {
    for (size_t k = 0; k < word_size(name.size()); ++k) {
      const char c = name[word_start(name.size(), i) + k];
      w.word[i] |= uint64_t(uint8_t(c)) << (8 * k);
      if (c >= 'a' && c <= 'z') w.fold[i] |= uint64_t(0x20) << (8 * k);
    }
  }
  return w;
}
constexpr std::array<Words, kIds> make_all_words() {
  std::array<Words, kIds> all{};
  for (size_t i = 1; i < kIds; ++i) all[i] = make_words(kNames[i]);
  return all;
}
constexpr std::array<Words, kIds> kWords = make_all_words();

uint64_t load_word(const char* p, size_t size) {
  uint64_t w = 0;
  if (std::endian::native != std::endian::little) {
    for (size_t k = 0; k < size; ++k) w |= uint64_t(uint8_t(p[k])) << (8 * k);
    return w;
  }
  // Sizes that the compiler knows become one load each.
  switch (size) {
    case 8:
      memcpy(&w, p, 8);
      break;
    case 4:
      memcpy(&w, p, 4);
      break;
    case 2:
      memcpy(&w, p, 2);
      break;
    default:
      memcpy(&w, p, 1);
      break;
  }
  return w;
}

// Candidates by length and first letter: at most a few names share both, so most lookups compare once or never.
struct Slot {
  uint8_t ids[kPerSlot] = {};
};
constexpr size_t slot_of(size_t length, char first) {
  return (length * 32 + (uint8_t(first) & 31));
}
constexpr std::array<Slot, kLongest * 32> make_slots() {
  std::array<Slot, kLongest * 32> slots{};
  for (size_t i = 1; i < kIds; ++i) {
    Slot& s = slots[slot_of(kNames[i].size(), kNames[i][0])];
    size_t k = 0;
    while (s.ids[k]) ++k;  // does not compile when a slot overflows
    s.ids[k] = uint8_t(i);
  }
  return slots;
}
constexpr std::array<Slot, kLongest* 32> kSlots = make_slots();

constexpr std::array<bool, 256> make_token() {
  std::array<bool, 256> t{};
  for (int c = '0'; c <= '9'; ++c) t[size_t(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) t[size_t(c)] = t[size_t(c - 32)] = true;
  for (char c : Bytes("!#$%&'*+-.^_`|~")) t[uint8_t(c)] = true;
  return t;
}
constexpr std::array<bool, 256> kToken = make_token();

bool is_ows(char c) {
  return c == ' ' || c == '\t';
}

Bytes trim(Bytes s) {
  while (!s.empty() && is_ows(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_ows(s.back())) s.remove_suffix(1);
  return s;
}

bool starts_no_case(Bytes s, Bytes prefix) {
  return s.size() >= prefix.size() && equal_no_case(s.substr(0, prefix.size()), prefix);
}

}  // namespace

FieldId field_id(Bytes name) {
  if (name.empty() || name.size() >= kLongest) return FieldId::other;
  const Slot& slot = kSlots[slot_of(name.size(), name[0])];
  if (slot.ids[0] == 0) return FieldId::other;
  const size_t size = word_size(name.size());
  const uint64_t first = load_word(name.data(), size);
  const uint64_t middle = load_word(name.data() + word_start(name.size(), 1), size);
  const uint64_t last = load_word(name.data() + word_start(name.size(), 2), size);
  for (uint8_t id : slot.ids) {
    if (id == 0) break;
    const Words& w = kWords[id];
    if ((((first | w.fold[0]) ^ w.word[0]) | ((middle | w.fold[1]) ^ w.word[1]) | ((last | w.fold[2]) ^ w.word[2])) ==
        0) {
      if (name.size() > kWordsCover && !equal_no_case(name, kNames[id])) continue;
      return FieldId(id);
    }
  }
  return FieldId::other;
}

Bytes field_name(FieldId id) {
  return id < FieldId::count_ ? kNames[size_t(id)] : Bytes();
}

bool equal_no_case(Bytes a, Bytes b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

const Field* Fields::find(FieldId id) const {
  if (id == FieldId::other) return nullptr;
  for (const Field& f : all_) {
    if (f.id == id) return &f;
  }
  return nullptr;
}

const Field* Fields::find(Bytes name) const {
  const FieldId id = field_id(name);
  if (id != FieldId::other) return find(id);
  for (const Field& f : all_) {
    if (f.id == FieldId::other && equal_no_case(f.name, name)) return &f;
  }
  return nullptr;
}

Bytes Fields::value(FieldId id) const {
  const Field* f = find(id);
  return f ? f->value : Bytes();
}

size_t Fields::remove(FieldId id) {
  if (id == FieldId::other || !find(id)) return 0;
  return std::erase_if(all_, [id](const Field& f) { return f.id == id; });
}

size_t Fields::remove(Bytes name) {
  const FieldId id = field_id(name);
  if (id != FieldId::other) return remove(id);
  return std::erase_if(all_, [name](const Field& f) { return f.id == FieldId::other && equal_no_case(f.name, name); });
}

namespace {

// One field with `wanted`'s value where the first that `same` accepts was, or at the end.
template <class Same>
void set_field(std::vector<Field>& all, const Field& wanted, Same same) {
  size_t first = 0;
  while (first < all.size() && !same(all[first])) ++first;
  if (first == all.size()) {
    all.push_back(wanted);
    return;
  }
  all[first].value = wanted.value;
  all.erase(std::remove_if(all.begin() + ptrdiff_t(first) + 1, all.end(), same), all.end());
}

}  // namespace

void Fields::set(FieldId id, Bytes value) {
  if (id == FieldId::other) return;
  set_field(all_, {field_name(id), value, id}, [id](const Field& f) { return f.id == id; });
}

void Fields::set(Bytes name, Bytes value) {
  const FieldId id = field_id(name);
  set_field(all_, {name, value, id},
            [id, name](const Field& f) { return f.id == id && (id != FieldId::other || equal_no_case(f.name, name)); });
}

bool is_token(Bytes s) {
  for (char c : s) {
    if (!kToken[uint8_t(c)]) return false;
  }
  return !s.empty();
}

bool is_field_value(Bytes s) {
  for (char c : s) {
    if ((uint8_t(c) < 0x20 && c != '\t') || c == 0x7f) return false;
  }
  return true;
}

bool list_has(Bytes list, Bytes token) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    if (equal_no_case(trim(list.substr(0, comma)), token)) return true;
    if (comma == Bytes::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

bool is_hop_by_hop(FieldId id) {
  switch (id) {
    case FieldId::connection:
    case FieldId::keep_alive:
    case FieldId::proxy_connection:
    case FieldId::te:
    case FieldId::transfer_encoding:
    case FieldId::upgrade:
    case FieldId::http2_settings:
      return true;
    default:
      return false;
  }
}

bool is_forbidden_in_trailers(const Field& f) {
  if (is_hop_by_hop(f.id)) return true;
  switch (f.id) {
    case FieldId::authorization:
    case FieldId::cache_control:
    case FieldId::content_length:
    case FieldId::content_type:
    case FieldId::cookie:
    case FieldId::date:
    case FieldId::expect:
    case FieldId::forwarded:
    case FieldId::host:
    case FieldId::location:
    case FieldId::origin:
    case FieldId::proxy_authenticate:
    case FieldId::proxy_authorization:
    case FieldId::retry_after:
    case FieldId::sec_websocket_key:
    case FieldId::set_cookie:
    case FieldId::trailer:
    case FieldId::via:
    case FieldId::www_authenticate:
    case FieldId::x_real_ip:
    case FieldId::x_request_id:
      return true;
    case FieldId::other:
      break;
    default:
      return starts_no_case(f.name, "x-forwarded-");
  }
  // Identity and routing by prefix; CGI-style origins read `_` as `-`, so such names never pass either.
  if (f.name.find('_') != Bytes::npos) return true;
  for (Bytes prefix : {Bytes("x-forwarded-"), Bytes("x-pomerium-"), Bytes("x-envoy-"), Bytes("content-"), Bytes("if-"),
                       Bytes("sec-"), Bytes("x-original-"), Bytes("x-rewrite-")}) {
    if (starts_no_case(f.name, prefix)) return true;
  }
  for (Bytes name : {Bytes("age"), Bytes("authentication-info"), Bytes("expires"), Bytes("max-forwards"),
                     Bytes("pragma"), Bytes("proxy-authentication-info"), Bytes("range"), Bytes("vary"),
                     Bytes("warning"), Bytes("x-http-method-override")}) {
    if (equal_no_case(f.name, name)) return true;
  }
  return false;
}

}  // namespace cardea::http
