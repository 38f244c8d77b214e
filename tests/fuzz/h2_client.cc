// Fuzzes the upstream side of HTTP/2: what a service may answer to four requests. First byte: how the rest is cut;
// second: what the exchanges do.
//
// Invariants: the verdict does not depend on the cuts; no body where there is none; no message looks whole that is
// not; our own frames are well-formed; every exchange learns of the end.
#define CARDEA_CHECK(what) ((what) ? void() : __builtin_trap())
#include "../h2_peer.h"

namespace {

using namespace cardea;
using namespace cardea::http;
using namespace cardea::http::test;

enum : uint8_t { kWithPreface = 1, kPauses = 2, kReleases = 4, kCancels = 8 };

void begin(Client& c) {
  c.request();
  c.request("HEAD");
  Record& post = c.request("POST", "/p", true, 5);
  c.body(post, "hello");
  c.end(post);
  c.request("PUT", "/open", true);
  c.flush();
}

std::string verdict(Client& c) {
  std::string all;
  for (const Record& r : c.responses) {
    Record copy = r;
    if (r.ends == 0) copy.body.clear();  // how much came before it broke depends on the cuts
    all += copy.verdict() + "\n";
  }
  return all + c.close_end.detail + std::to_string(c.reader->goaway_code()) + (c.codec_->reusable() ? "+" : "-");
}

void check(Client& c) {
  CARDEA_CHECK(!c.reader->broken && c.reader->at_frame_boundary() && c.closes <= 1);
  const CodecLimits limits;
  CARDEA_CHECK(c.codec_->capacity() + c.codec_->active() <= limits.max_concurrent_streams || c.codec_->capacity() == 0);
  for (size_t i = 0; i < c.responses.size(); ++i) {
    const Record& r = c.responses[i];
    CARDEA_CHECK(!r.told_in_sender && r.heads <= 1 && r.informational.size() <= limits.max_informational);
    CARDEA_CHECK(r.ends == 0 || r.heads == 1);
    CARDEA_CHECK(r.heads == 0 || (r.status >= 200 && r.status <= 599));
    if (i == 1 || r.status == 204 || r.status == 304) CARDEA_CHECK(r.body.empty());
    if (r.ends && r.has_body && r.content_length) CARDEA_CHECK(r.body.size() == *r.content_length);
    for (char ch : r.fields) CARDEA_CHECK(ch != '\r' && ch != '\n' && ch != '\0');
  }
}

std::string once(Bytes bytes, size_t piece) {
  Client c;
  begin(c);
  while (!bytes.empty()) {
    const size_t n = std::min(piece, bytes.size());
    c.codec().receive(bytes.substr(0, n));
    bytes.remove_prefix(n);
  }
  c.flush();
  check(c);
  return verdict(c);
}

void live(Bytes bytes, size_t piece, uint8_t flags) {
  Client c;
  begin(c);
  for (Record& r : c.responses) {
    if (flags & kPauses) r.call([&] { r.up->pause(); });
    if (flags & kReleases) r.end_hook = [&r] { r.release(); };
  }
  size_t turn = 0;
  while (!bytes.empty()) {
    const size_t n = std::min(piece, bytes.size());
    c.feed(bytes.substr(0, n));
    bytes.remove_prefix(n);
    Record& open = c.responses[3];
    if (!open.released) c.body(open, "more");
    for (Record& r : c.responses) {
      if (!r.released && flags & kPauses) r.call([&] { turn % 3 ? r.up->resume() : r.up->pause(); });
    }
    if (++turn == 3 && flags & kCancels) c.responses[0].release();
    if (turn == 4 && c.codec_->capacity() > 0) c.request();
    c.clock.now += 10;
    check(c);
  }
  c.flush();
  c.codec().receive_eof();
  c.flush();
  for (const Record& r : c.responses) CARDEA_CHECK(r.released || r.resets + r.ends > 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t piece = data[0] ? data[0] : 1;
  std::string bytes = data[1] & kWithPreface ? settings() + frame(kSettings, kAck, 0) : "";
  bytes.append(reinterpret_cast<const char*>(data) + 2, size - 2);
  CARDEA_CHECK(once(bytes, bytes.size()) == once(bytes, piece));
  live(bytes, piece, data[1]);
  return 0;
}
