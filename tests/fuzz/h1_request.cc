// Fuzzes the downstream side of HTTP/1.1. First byte: how the rest is cut.
//
// Invariants: the verdict does not depend on the cuts; a request that is accepted and sent on is read back as the
// same request.
#include "../h1_peer.h"

namespace {

using namespace cardea;
using namespace cardea::http;
using testing::ClientPeer;
using testing::ServerPeer;

void require(bool ok) {
  if (!ok) __builtin_trap();
}

struct Seen {
  std::string verdict;
  std::string wire;
};

Seen serve(Bytes bytes, size_t piece) {
  ServerPeer peer;
  peer.on_ended = [&](ServerPeer::Request& r) { peer.answer(r, 200, "ok"); };
  while (!bytes.empty()) {
    const size_t n = std::min(piece, bytes.size());
    peer.receive(bytes.substr(0, n));
    bytes.remove_prefix(n);
  }
  Seen seen;
  for (const ServerPeer::Request& r : peer.requests) {
    require(r.ends + r.resets <= 1);
    require(r.ends == 0 || !r.head->content_length || r.body.size() == *r.head->content_length);
    seen.verdict += r.canonical() + (r.resets ? " reset " + r.reset_text() : r.ends ? "" : " unfinished") + "\n";
  }
  for (const std::string& v : peer.refused) seen.verdict += v + "\n";
  seen.wire = std::move(peer.out.wire);
  return seen;
}

// What the upstream side makes of an accepted request, a strict reader takes for the same request.
void check_forwarding(Bytes bytes) {
  ServerPeer first;
  first.on_ended = [&](ServerPeer::Request& r) { first.answer(r, 200, "ok"); };
  first.receive(bytes);
  for (const ServerPeer::Request& r : first.requests) {
    if (r.ends == 0 || r.head->target == "*" || !r.head->upgrade.empty() || r.head->method == Method::connect) continue;
    ClientPeer up;
    ClientPeer::Response answer;
    RequestSender& sender = up.start(answer);
    sender.send_head(*r.head);
    if (r.head->has_body) {
      sender.send_body(r.body);
      sender.send_end(nullptr);
    }
    up.end_turn();
    require(answer.resets == 0);
    ServerPeer second;
    second.receive(up.out.wire);
    require(second.refused.empty() && second.requests.size() == 1 && second.requests[0].ends == 1);
    const RequestHead& a = *r.head;
    const RequestHead& b = *second.requests[0].head;
    require(a.method_name == b.method_name && a.authority == b.authority && a.target == b.target);
    require(testing::text_of(a.fields) == testing::text_of(b.fields));
    require(r.body == second.requests[0].body);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const size_t piece = data[0] ? data[0] : 1;
  const Bytes bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Seen whole = serve(bytes, size);
  const Seen cut = serve(bytes, piece);
  require(whole.verdict == cut.verdict && whole.wire == cut.wire);
  check_forwarding(bytes);
  return 0;
}
