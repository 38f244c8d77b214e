// HTTP/1.1 of one side read by the other.
#include <gtest/gtest.h>

#include "h1_messages.h"
#include "h1_peer.h"

namespace cardea::http {
namespace {

using testing::ClientPeer;
using testing::ServerPeer;
using Request = ServerPeer::Request;
using Response = ClientPeer::Response;

// What the client side writes, the server side reads as the same message, and back.
TEST(BothSides, RoundTrip) {
  for (bool with_length : {true, false}) {
    ClientPeer up;
    ServerPeer down;
    Response answer;
    RequestPtr h = request(Method::put, "PUT", true, with_length ? std::optional<uint64_t>(6) : std::nullopt);
    h->fields.add("X-A", "1");
    h->te_trailers = true;
    RequestSender& s = up.start(answer);
    s.send_head(*h);
    s.send_body("abc");
    s.send_body("def");
    Fields trailers;
    trailers.add("X-Sum", "9");
    s.send_end(&trailers);
    up.end_turn();
    down.on_ended = [&](Request& r) { down.answer(r, 201, "made", with_length); };
    down.receive(up.out.wire);
    ASSERT_EQ(down.requests.size(), 1u);
    EXPECT_EQ(down.requests[0].canonical(), with_length
                                                ? "PUT up.example:81 /a?b {X-A: 1} length=6 te body=abcdef"
                                                : "PUT up.example:81 /a?b {X-A: 1} te body=abcdef trailers={X-Sum: 9}");
    up.receive(down.out.wire);
    EXPECT_EQ(answer.canonical(), with_length ? "201 length=4 body=made" : "201 body=made");
    EXPECT_EQ(up.codec->capacity(), 1u);
  }
}

}  // namespace
}  // namespace cardea::http
