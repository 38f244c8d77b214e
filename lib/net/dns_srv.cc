// SRV records out of a DNS message, with the time they may be kept, which c-ares 1.18 does not tell.
#include "net/dns_srv.h"

#include <ares.h>
#include <arpa/nameser.h>

#include <algorithm>

namespace cardea::net {

namespace {

constexpr size_t kMaxName = 253, kMaxLabel = 63;
constexpr uint32_t kMaxTtl = 0x7fffffff;  // RFC 2181 8: more counts as 0

// What is left of a message, read from its front. After `bad` everything reads as nothing.
class Reader {
 public:
  explicit Reader(Bytes all) : all_(all) {}
  uint32_t number(size_t bytes) {
    if (all_.size() - at_ < bytes) bad_ = true;
    uint32_t value = 0;
    for (size_t i = 0; !bad_ && i < bytes; ++i) value = value << 8 | uint8_t(all_[at_++]);
    return value;
  }
  void skip(size_t bytes) {
    if (all_.size() - at_ < bytes) bad_ = true;
    if (!bad_) at_ += bytes;
  }
  std::string name() {
    const auto* bytes = reinterpret_cast<const unsigned char*>(all_.data());
    char* text = nullptr;
    long taken = 0;
    if (!bad_ && ares_expand_name(bytes + at_, bytes, int(all_.size()), &text, &taken) != ARES_SUCCESS) bad_ = true;
    if (bad_) return {};
    std::string out = text;
    ares_free_string(text);
    skip(size_t(taken));
    return out;
  }
  size_t at() const { return at_; }
  bool bad() const { return bad_; }

 private:
  const Bytes all_;
  size_t at_ = 0;
  bool bad_ = false;
};

// In lower case; empty: no name of a host.
std::string host_name(std::string name) {
  if (name.empty()) return ".";
  if (name.size() > kMaxName) return {};
  size_t label = 0;
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
    const bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (c == '.' ? label == 0 : !good || ++label > kMaxLabel) return {};
    if (c == '.') label = 0;
  }
  return label != 0 ? name : std::string();
}

void keep_first(std::vector<SrvRecord>& records, size_t max) {
  std::stable_sort(records.begin(), records.end(),
                   [](const SrvRecord& a, const SrvRecord& b) { return a.priority < b.priority; });
  std::vector<SrvRecord> kept;
  for (SrvRecord& r : records) {
    if (kept.size() >= max) break;
    const bool known =
        std::any_of(kept.begin(), kept.end(), [&](auto& k) { return k.target == r.target && k.port == r.port; });
    if (!known) kept.push_back(std::move(r));
  }
  records = std::move(kept);
}

}  // namespace

int parse_srv(Bytes reply, size_t max, ResolvedSrv& out) {
  Reader reader(reply);
  reader.skip(4);
  const uint32_t questions = reader.number(2), answers = reader.number(2);
  reader.skip(4);
  for (uint32_t i = 0; i < questions && !reader.bad(); ++i) {
    reader.name();
    reader.skip(4);
  }
  uint32_t ttl = kMaxTtl;
  for (uint32_t i = 0; i < answers && !reader.bad(); ++i) {
    reader.name();
    const uint32_t type = reader.number(2), of_class = reader.number(2), seconds = reader.number(4);
    const size_t size = reader.number(2), begin = reader.at();
    if (reader.bad()) break;
    ttl = std::min(ttl, seconds > kMaxTtl ? 0 : seconds);
    if (type != ns_t_srv || of_class != ns_c_in) {
      reader.skip(size);
      continue;
    }
    SrvRecord record;
    record.priority = uint16_t(reader.number(2));
    record.weight = uint16_t(reader.number(2));
    record.port = uint16_t(reader.number(2));
    record.target = host_name(reader.name());
    if (reader.bad() || reader.at() != begin + size) return ARES_EBADRESP;
    if (record.target.empty() || (record.port == 0 && record.target != ".")) continue;
    out.records.push_back(std::move(record));
  }
  if (reader.bad()) return ARES_EBADRESP;
  keep_first(out.records, std::max<size_t>(max, 1));
  out.ttl = Millis(ttl) * 1000;
  return out.records.empty() ? ARES_ENODATA : ARES_SUCCESS;
}

}  // namespace cardea::net
