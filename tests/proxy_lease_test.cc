// Permission as long as a stream lives: who ends when something changes, and that nobody else notices.
#include "proxy_access.h"
#include "proxy_rows.h"

namespace cardea::test {
namespace {

using Answer = proxy::Hooks::Answer;

class Lease : public Access {};
INSTANTIATE_TEST_SUITE_P(Pairs, Lease, testing::ValuesIn(kPairs), pair_name);

TEST_P(Lease, APolicyEditEndsExactlyThoseItNamesNoMore) {
  begin_with(guarded("allowed_users: [alice, bob]"));
  const size_t alice = open_stream("alice"), bob = open_stream("bob");
  const std::string edited = guarded("allowed_users: [alice]");
  const std::string would = dry_run(edited);
  EXPECT_NE(would.find("\"user\":\"bob\"}],\"would_ask_host\":[],\"judged\":2}"), std::string::npos) << would;
  EXPECT_EQ(would.find("alice"), std::string::npos) << would;
  expect_lives(bob);
  apply(edited);
  expect_cut(bob);
  expect_lives(alice);
  EXPECT_EQ(causes(), "truncated:denied:by_default");
  EXPECT_NE(hooks->records[0].find("\"policy_generation\":2"), std::string::npos) << hooks->records[0];
  EXPECT_NE(hooks->records[0].find("\"decision\":\"deny\""), std::string::npos) << hooks->records[0];
  EXPECT_EQ(counter("permissions_withdrawn_total"), 1u);
}

TEST_P(Lease, AnEditThatAllowsTheSamePeopleTouchesNobody) {
  begin_with(guarded("allowed_users: [alice]"));
  const size_t alice = open_stream("alice");
  apply(guarded("allowed_domains: [example.com]"));
  expect_lives(alice);
  apply(guarded("policy: {allow: {or: [{user: alice}]}, deny: {or: [{email: bob@example.com}]}}", "timeout_idle: 1m"));
  expect_lives(alice);
  apply(file("- from: https://b.example\n  to: http://10.0.0.7:80\n- from: https://a.example\n  to: " +
                 to("10.0.0.2:80") + "\n  allow_any_authenticated_user: true\n",
             provider()));
  expect_lives(alice);
  EXPECT_EQ(causes(), "");
}

TEST_P(Lease, ARouteThatIsGoneAllowsNobody) {
  begin_with(guarded("allowed_users: [alice]"));
  const size_t alice = open_stream("alice");
  apply(file("- from: https://b.example\n  to: http://10.0.0.7:80\n", provider()));
  expect_cut(alice);
  EXPECT_EQ(causes(), "truncated:denied:no_route");
}

TEST_P(Lease, AnIssuerThatIsTrustedNoMoreTakesItsUsersAlong) {
  begin_with(guarded("allow_any_authenticated_user: true"));
  const size_t alice = open_stream("alice");
  apply(file("- from: https://a.example\n  to: " + to("10.0.0.1:80") + "\n  allow_any_authenticated_user: true\n"));
  expect_cut(alice);
}

TEST_P(Lease, TheTokensEndIsTheStreamsEnd) {
  begin_with(guarded("allow_any_authenticated_user: true", "stream_idle_timeout: 0s"));
  const size_t brief = open_stream("alice", 30), lasting = open_stream("bob", 600);
  loop.advance(29'000);
  expect_lives(brief);
  loop.advance(2'000);
  expect_cut(brief);
  expect_lives(lasting);
  EXPECT_EQ(causes(), "truncated:unauthenticated:expired");
}

TEST_P(Lease, TimeRunsOutForEverybodyAtOnce) {
  // The clock begins at 22:13:20 UTC.
  begin_with(
      guarded("policy: {allow: {and: [{authenticated_user: 1}, {time_of_day: {timezone: UTC, after: '08:00', before: "
              "'22:15'}}]}}",
              "stream_idle_timeout: 0s"));
  const size_t a = open_stream("alice"), b = open_stream("bob");
  loop.advance(99'000);
  expect_lives(a);
  loop.advance(2'000);
  expect_cut(a);
  expect_cut(b);
}

TEST_P(Lease, RevocationIsAtOnceAndStays) {
  begin_with(guarded("allow_any_authenticated_user: true"));
  const size_t alice = open_stream("alice"), bob = open_stream("bob");
  proxy::Revocation revocation;
  revocation.user = "bob@example.com";
  revocation.by = "security";
  revocation.until_unix_ms = (kNow + 100) * 1000;
  EXPECT_TRUE(proxy->revoke(revocation, kNow * 1000));
  loop.run();
  expect_cut(bob);
  expect_lives(alice);
  EXPECT_EQ(causes(), "truncated:revoked:user");
  EXPECT_NE(hooks->records[0].find("\"ended_by\":\"security\""), std::string::npos) << hooks->records[0];
  client->get("/again", bearer(token("bob")));
  EXPECT_EQ(client->status(), 403);
  loop.advance(100'000);
  const size_t n = client->get("/again", bearer(token("bob")));
  service->respond(service->expect("GET", "/again"), 200, "");
  EXPECT_EQ(client->status(n), 200);
}

TEST_P(Lease, EndingByHandAndListing) {
  begin_with(guarded("name: events\nallow_any_authenticated_user: true"));
  const size_t alice = open_stream("alice"), bob = open_stream("bob");
  loop.advance(1500);
  const std::string all = list();
  EXPECT_TRUE(Json::is_line(all)) << all;
  EXPECT_NE(all.find("\"count\":2"), std::string::npos) << all;
  EXPECT_NE(all.find("\"route\":\"events\",\"user\":\"alice\""), std::string::npos) << all;
  EXPECT_NE(all.find("\"state\":\"streaming\",\"kind\":\"http\""), std::string::npos) << all;
  EXPECT_NE(all.find("\"lease_ms\":"), std::string::npos) << all;
  EXPECT_NE(all.find("\"clocks\":{\"idle_timeout\":"), std::string::npos) << all;
  proxy::Selector which;
  which.user = "bob";
  EXPECT_NE(list(which).find("\"count\":1"), std::string::npos);
  std::string told;
  proxy::end_exchanges(*proxy, which, "operator", [&](std::string json) { told = json; });
  loop.run();
  EXPECT_EQ(told, "{\"ended\":1}");
  expect_cut(bob);
  expect_lives(alice);
}

TEST_P(Lease, AGrpcStreamEndsWithItsStatus) {
  begin_with(guarded("allowed_users: [alice, bob]"));
  clients.push_back(connect(down_h2()));
  const size_t n =
      clients[0]->request({.method = "POST",
                           .path = "/svc/Watch",
                           .headers = bearer(token("bob"), {{"Content-Type", "application/grpc"}, {"TE", "trailers"}}),
                           .open = true});
  auto& r = service->expect("POST", "/svc/Watch");
  service->head(r, 200, {{"content-type", "application/grpc"}});
  service->body(r, "message");
  apply(guarded("allowed_users: [alice]"));
  const Incoming& in = clients[0]->answer(n);
  EXPECT_EQ(in.body.text, "message");
  EXPECT_TRUE(in.end);
  EXPECT_EQ(value(in.trailers, "grpc-status"), "7");
}

TEST_P(Lease, UploadsEndToo) {
  begin_with(guarded("allowed_users: [alice, bob]"));
  const size_t n = client->request({.method = "POST", .path = "/up", .headers = bearer(token("bob")), .open = true});
  client->body(n, "some");
  service->expect("POST", "/up");
  apply(guarded("allowed_users: [alice]"));
  EXPECT_EQ(client->status(n), 403) << "nothing was answered yet";
}

// ---- the host ---------------------------------------------------------------------------------------

class HostLease : public Access {
 protected:
  std::string asks(const std::string& global = "") const {
    return file("- from: https://a.example\n  to: " + to("10.0.0.1:80") + "\n  policy: {allow: {or: [{host: x}]}}\n",
                "stream_idle_timeout: 0s\n" + global);
  }
  void begin_stream(const std::string& global = "") {
    begin_with(asks(global));
    hooks->authorize = [this](proxy::Exchange& x, uint64_t) {
      again.push_back(x.reauthorizes());
      return answer;
    };
    clients.push_back(connect(down_h2()));
    streams.push_back({clients[0].get(), clients[0]->get("/stream")});
    auto& r = service->expect("GET", "/stream");
    service->head(r, 200);
    service->body(r, "x");
    upstream.push_back(&r);
  }
  Answer answer = Answer::allow;
  std::vector<bool> again;
};
INSTANTIATE_TEST_SUITE_P(Pairs, HostLease, testing::ValuesIn(kPairs), pair_name);

TEST_P(HostLease, IsAskedAgainInTime) {
  begin_stream("reauthorize_interval: 10s");
  loop.advance(21'000);
  EXPECT_EQ(again, (std::vector<bool>{false, true, true}));
  expect_lives(0);
  answer = Answer::deny;
  loop.advance(10'000);
  expect_cut(0);
}

TEST_P(HostLease, IsAskedAgainWhenTheHostWants) {
  begin_stream();
  proxy->reauthorize({});
  loop.run();
  EXPECT_EQ(again.size(), 2u);
  expect_lives(0);
  answer = Answer::pending;
  proxy->reauthorize({});
  loop.run();
  expect_lives(0);
  EXPECT_TRUE(proxy::authorize_complete(hooks->asked.back(), false, ""));
  loop.run();
  expect_cut(0);
}

// Another question is another decision: asked once, under its own data, and its answer stays.
TEST_P(HostLease, AnotherQuestionIsAskedOnce) {
  begin_stream();
  std::string data;
  hooks->authorize = [&](proxy::Exchange& x, uint64_t) {
    again.push_back(x.reauthorizes());
    EXPECT_LT(again.size(), 10u) << "asked for ever";
    data = x.policy_data();
    return again.size() < 10 ? answer : Answer::deny;
  };
  const std::string other =
      file("- from: https://a.example\n  to: " + to("10.0.0.1:80") + "\n  policy: {allow: {or: [{host: y}]}}\n",
           "stream_idle_timeout: 0s");
  apply(other);
  EXPECT_EQ(again, (std::vector<bool>{false, true}));
  EXPECT_EQ(data, "\"y\"");
  expect_lives(0);
  apply(other);
  EXPECT_EQ(again.size(), 2u) << "the answer to the same question stands";
  expect_lives(0);
  answer = Answer::deny;
  apply(asks());
  EXPECT_EQ(again.size(), 3u) << "an old answer to an old question does not";
  EXPECT_EQ(data, "\"x\"");
  expect_cut(0);
}

// Nor is it waited for once somebody has been revoked.
TEST_P(HostLease, ARevocationDoesNotWaitForAnAnswer) {
  begin_with(asks());
  hooks->authorize = [this](proxy::Exchange&, uint64_t t) {
    if (answer == Answer::allow) proxy::authorize_complete(t, true, "alice");
    return Answer::pending;
  };
  clients.push_back(connect(down_h2()));
  streams.push_back({clients[0].get(), clients[0]->get("/stream")});
  auto& r = service->expect("GET", "/stream");
  service->head(r, 200);
  service->body(r, "x");
  upstream.push_back(&r);
  answer = Answer::pending;
  apply(file("- from: https://a.example\n  to: " + to("10.0.0.1:80") + "\n  policy: {allow: {or: [{host: y}]}}\n",
             "stream_idle_timeout: 0s"));
  EXPECT_EQ(hooks->asked.size(), 2u);
  expect_lives(0);
  proxy::Revocation alice;
  alice.user = "alice";
  EXPECT_TRUE(proxy->revoke(alice, kNow * 1000));
  loop.run();
  expect_cut(0);
  EXPECT_EQ(causes(), "truncated:revoked:user");
}

TEST_P(HostLease, ItsSilenceEndsTheStreamUnlessToldOtherwise) {
  for (bool keep : {false, true}) {
    if (keep) TearDown(), clients.clear(), streams.clear(), upstream.clear();
    answer = Answer::allow;
    begin_stream(keep ? "reauthorize_failure_mode_allow: true\nauthorize_timeout: 5s" : "authorize_timeout: 5s");
    answer = Answer::pending;
    proxy->reauthorize({});
    loop.advance(4'900);
    expect_lives(0);
    loop.advance(200);
    if (keep) {
      expect_lives(0);
    } else {
      expect_cut(0);
      EXPECT_EQ(causes(), "truncated:authorize_timeout");
    }
  }
}

TEST_P(HostLease, ItsSilenceKeepsNewRequestsOutUnlessToldOtherwise) {
  begin_with(asks("authorize_failure_mode_allow: true\nauthorize_timeout: 5s"));
  hooks->authorize = [](proxy::Exchange&, uint64_t) { return Answer::pending; };
  client->get("/");
  loop.advance(5'000);
  service->respond(service->expect("GET", "/"), 200, "");
  EXPECT_EQ(client->status(), 200);
}

// ---- many -------------------------------------------------------------------------------------------

TEST_P(Lease, ThousandsAreJudgedWithoutHoldingUpOthers) {
  const std::string room =
      "max_concurrent_streams: 5000\nstream_idle_timeout: 0s\ncircuit_breaker_thresholds: {max_requests: 5000}";
  begin_with(guarded("allowed_users: [alice, bob]", room));
  if (!down_h2() || !up_h2()) return;  // a few connections carry them all
  const Headers alice = bearer(token("alice")), bob = bearer(token("bob"));
  for (size_t i = 0; i < 2500; ++i) {
    client->get("/s", i % 2 ? bob : alice);
    service->head(service->expect("GET", "/s"), 200);
  }
  loop.advance(1100);
  apply(guarded("allowed_users: [alice]", room));
  EXPECT_EQ(counter("permissions_withdrawn_total"), 1250u);
  EXPECT_EQ(counter("requests_active"), 1250u);
}

}  // namespace
}  // namespace cardea::test
