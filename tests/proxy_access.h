// What the tests of identities and permissions share: an issuer of tokens, routes for its users, streams that stay
// open.
#pragma once

#include "proxy/live.h"
#include "proxy_fixture.h"
#include "token_fixture.h"

namespace cardea::test {

class Access : public PairTest {
 protected:
  static constexpr int64_t kNow = 1'700'000'000;  // where the fake clock begins, in seconds

  // A token of this user that lasts so many seconds (and the skew, which is 0 here).
  std::string token(const std::string& user, int64_t seconds = 600, const std::string& more = "") const {
    return issuer.sign("{\"iss\":\"https://idp\",\"sub\":\"" + user + "\",\"email\":\"" + user +
                       "@example.com\",\"email_verified\":true,\"exp\":" + std::to_string(kNow + seconds) +
                       (more.empty() ? "" : ",") + more + "}");
  }
  Headers bearer(const std::string& token, Headers more = {}) const {
    more.emplace_back("Authorization", "Bearer " + token);
    return more;
  }
  std::string provider() const {
    return "jwt_providers: {idp: {issuer: 'https://idp', clock_skew_seconds: 0, local_jwks: {inline_string: "
           "'{\"keys\":[" +
           issuer.jwk() + "]}'}}}";
  }
  // One route to the service under these lines, and the issuer.
  std::string guarded(const std::string& lines, const std::string& global = "") const {
    return file("- from: https://a.example\n  to: " + to("10.0.0.1:80") + "\n  timeout: 0s\n" + indent(lines),
                provider() + (global.empty() ? "" : "\n") + global);
  }
  // A stream of this user whose answer has begun: the number of its request. `index` is its request at the service.
  size_t open_stream(const std::string& user, int64_t seconds = 600, Headers more = {}) {
    if (clients.empty() || !down_h2()) clients.push_back(connect(down_h2()));
    streams.push_back({clients.back().get(), clients.back()->get("/stream", bearer(token(user, seconds), more))});
    auto& r = service->expect("GET", "/stream");
    service->head(r, 200, {{"content-type", "text/event-stream"}});
    service->body(r, "data: hello\n\n");
    upstream.push_back(&r);
    EXPECT_EQ(stream(streams.size() - 1).body.text, "data: hello\n\n");
    return streams.size() - 1;
  }
  const Incoming& stream(size_t n) { return streams.at(n).first->answer(streams[n].second); }
  // Still open, and the next event comes through.
  void expect_lives(size_t n) {
    const std::string before = stream(n).body.text;
    service->body(*upstream.at(n), "data: more\n\n");
    EXPECT_EQ(stream(n).body.text, before + "data: more\n\n") << "stream " << n;
    EXPECT_FALSE(stream(n).end || stream(n).reset);
  }
  // Cut, in a way that nobody takes for the end; and everything that was promised has come.
  void expect_cut(size_t n) {
    EXPECT_TRUE(stream(n).reset) << "stream " << n;
    EXPECT_FALSE(stream(n).end);
  }
  std::string list(const proxy::Selector& which = {}) {
    std::string told;
    proxy::list_exchanges(*proxy, which, [&](std::string json) { told = std::move(json); });
    loop.run();
    return told;
  }
  std::string dry_run(const std::string& text) {
    std::string told;
    proxy::dry_run(*proxy, freeze(text), [&](std::string json) { told = std::move(json); });
    loop.run();
    return told;
  }
  void TearDown() override {
    stop();
    clients.clear();
    client.reset();
    service.reset();
  }

  token::TestIssuer issuer;
  std::vector<std::unique_ptr<TestClient>> clients;
  std::vector<std::pair<TestClient*, size_t>> streams;
  std::vector<TestService::Request*> upstream;
};

}  // namespace cardea::test
