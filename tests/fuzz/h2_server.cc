// Fuzzes the downstream side of HTTP/2. First byte: how the rest is cut; second: what the host does.
//
// Invariants: the verdict does not depend on the cuts; whatever comes, our own frames are well-formed, counts stay
// under their limits, no receiver hears more than it may, and every exchange learns of the end.
#define CARDEA_CHECK(what) ((what) ? void() : __builtin_trap())
#include "../h2_peer.h"

namespace {

using namespace cardea;
using namespace cardea::http;
using namespace cardea::http::test;

enum : uint8_t { kWithPreface = 1, kAnswers = 2, kPauses = 4, kResets = 8, kUploads = 16 };

void act(Server& s, Record& r, uint8_t flags) {
  if (flags & kPauses) r.call([&] { r.down->pause(); });
  if (flags & kUploads) {
    s.begin(r);
    r.body_hook = [&s, &r](Bytes b) { s.body(r, std::string(b)); };
    r.end_hook = [&s, &r] {
      s.end(r);
      r.release();
    };
  } else if (flags & kAnswers) {
    s.answer(r, 200, "hello");
    r.release();
  } else if (flags & kResets) {
    r.call([&] { r.down->reset(EndCause::overload); });
    r.release();
  }
}

std::string verdict(Server& s) {
  std::string all;
  for (const Record& r : s.requests) {
    // How much of a broken body came through before it broke depends on the cuts.
    Record copy = r;
    if (r.ends == 0) copy.body.clear();
    all += copy.verdict() + "\n";
  }
  for (const End& e : s.bad) all += std::string("bad ") + e.detail + "\n";
  return all + s.close_end.detail + std::to_string(s.reader->goaway_code());
}

void check(Server& s) {
  CARDEA_CHECK(!s.reader->broken && s.reader->at_frame_boundary());
  CARDEA_CHECK(s.most_active <= CodecLimits().max_concurrent_streams);
  CARDEA_CHECK(s.closes <= 1);
  for (const Record& r : s.requests) {
    CARDEA_CHECK(!r.told_in_sender && r.ends + r.resets <= 2);
    CARDEA_CHECK(!r.authority.empty() && (r.target == "*" || r.target[0] == '/' || r.method == "CONNECT"));
    CARDEA_CHECK(size_t(std::count(r.fields.begin(), r.fields.end(), '|')) <= 64 * 1024);
    for (char c : r.target + r.authority + r.method) CARDEA_CHECK(uint8_t(c) > ' ' && uint8_t(c) < 0x7f);
    for (char c : r.fields) CARDEA_CHECK(c != '\r' && c != '\n' && c != '\0');
    if (r.ends && r.content_length) CARDEA_CHECK(r.body.size() == *r.content_length);
  }
}

// Everything within one turn.
std::string once(Bytes bytes, size_t piece) {
  Server s;
  while (!bytes.empty()) {
    const size_t n = std::min(piece, bytes.size());
    s.codec().receive(bytes.substr(0, n));
    bytes.remove_prefix(n);
  }
  s.flush();
  check(s);
  return verdict(s);
}

void live(Bytes bytes, size_t piece, uint8_t flags) {
  Server s;
  s.room = flags & 128 ? 100 : 100'000;
  s.request_hook = [&](Record& r) { act(s, r, flags); };
  while (!bytes.empty()) {
    const size_t n = std::min(piece, bytes.size());
    s.feed(bytes.substr(0, n));
    bytes.remove_prefix(n);
    for (Record& r : s.requests) {
      if (!r.released && flags & kPauses) r.call([&] { r.down->resume(); });
    }
    s.clock.now += 10;
    check(s);
  }
  s.flush();
  s.codec().connection_lost({EndCause::downstream_closed});
  for (const Record& r : s.requests) CARDEA_CHECK(r.released || r.resets == 1);
  CARDEA_CHECK(s.codec().active() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t piece = data[0] ? data[0] : 1;
  std::string bytes = data[1] & kWithPreface ? preface() : "";
  bytes.append(reinterpret_cast<const char*>(data) + 2, size - 2);
  CARDEA_CHECK(once(bytes, bytes.size()) == once(bytes, piece));
  live(bytes, piece, data[1]);
  return 0;
}
