// The fixture of tests of one exchange over all four pairs of protocols.
#pragma once

#include "proxy_fixture.h"

namespace cardea::test {

// proxy_message_test.cc instantiates these for every file.
class Proxy : public PairTest {
 protected:
  // Another exchange works.
  void expect_alive(const std::string& path = "/alive") {
    if (client->closed() || client->goaway()) client = connect(down_h2());
    const size_t n = client->get(path);
    service->respond(service->expect("GET", path), 200, path);
    EXPECT_EQ(client->status(n), 200);
    EXPECT_EQ(client->answer(n).body.text, path);
  }
  // What the service has sent that the proxy has taken, as bytes of its connection.
  uint64_t taken_from(TestService::Request& r, uint64_t sent) const {
    net::FakePeer& peer = *r.connection->peer;
    return (r.connection->h2 ? r.connection->h2->sent : sent) - peer.unread();
  }
};

// What only one protocol on one side has.
class FromHttp1 : public Proxy {};
class FromHttp2 : public Proxy {};
class ToHttp1 : public Proxy {};
class ToHttp2 : public Proxy {};

}  // namespace cardea::test
