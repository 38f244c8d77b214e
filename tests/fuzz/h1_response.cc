// Fuzzes the upstream side of HTTP/1.1. First byte: how the rest is cut; second: which request it answers.
//
// Invariants: the verdict does not depend on the cuts; what has no body never gets one; a connection that got more than
// its response is not used again; an incomplete response never ends.
#include "../h1_peer.h"

namespace {

using namespace cardea;
using namespace cardea::http;
using testing::ClientPeer;

void require(bool ok) {
  if (!ok) __builtin_trap();
}

struct Ask {
  Method method;
  Bytes name;
  Bytes upgrade;
};
constexpr Ask kAsks[] = {{Method::get, "GET", ""},
                         {Method::head, "HEAD", ""},
                         {Method::get, "GET", "websocket"},
                         {Method::connect, "CONNECT", ""}};

std::string fetch(Bytes bytes, size_t piece, const Ask& ask) {
  ClientPeer peer;
  ClientPeer::Response r;
  r.release_at_end = false;
  RequestPtr h = make_request();
  h->method = ask.method;
  h->method_name = ask.name;
  h->upgrade = ask.upgrade;
  h->authority = h->target = "a:1";
  if (ask.method != Method::connect) h->target = "/";
  peer.start(r).send_head(*h);
  peer.end_turn();
  while (!bytes.empty()) {
    const size_t n = std::min(piece, bytes.size());
    peer.receive(bytes.substr(0, n));
    bytes.remove_prefix(n);
  }
  const bool ended = r.ends > 0;
  peer.eof();
  require(r.ends + r.resets == 1);
  if (r.head) {
    const uint16_t status = r.head->status;
    require(status >= 100 && status <= 599);
    const bool tunnel = status == 101 || (ask.method == Method::connect && status / 100 == 2);
    require(status >= 200 || tunnel);
    require(status != 101 || !ask.upgrade.empty());
    if (!tunnel && is_bodiless(ask.method, status)) require(r.body.empty());
    if (!tunnel && r.ends && r.head->has_body && r.head->content_length) {
      require(r.body.size() == *r.head->content_length);
    }
  } else {
    require(r.ends == 0);
  }
  require(r.informational.size() <= CodecLimits().max_informational);
  require(!peer.codec->reusable());
  std::string s = r.canonical() + (r.resets ? " reset " + r.reset_text() : ended ? " ended" : " ended by eof");
  for (const std::string& i : r.informational) s += "\n" + i;
  return s;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t piece = data[0] ? data[0] : 1;
  const Ask& ask = kAsks[data[1] % std::size(kAsks)];
  const Bytes bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  require(fetch(bytes, size, ask) == fetch(bytes, piece, ask));

  // Leftover bytes: the connection is never given to another request.
  ClientPeer peer;
  ClientPeer::Response r;
  peer.get(r);
  peer.receive(bytes);
  if (r.ends && peer.codec->reusable()) {
    peer.receive("x");
    require(!peer.codec->reusable() && peer.codec->capacity() == 0 && peer.closes == 1);
  }
  return 0;
}
