// What is told of an exchange: records of streams while they live, its trace, its clocks and where each was set.
#include "proxy_tunnel.h"

namespace cardea::test {
namespace {

std::string field(const std::string& json, const std::string& name) {
  const std::string key = "\"" + name + "\":";
  const size_t at = json.find(key);
  if (at == std::string::npos) return "none";
  const size_t begin = at + key.size();
  if (json[begin] == '"') return json.substr(begin + 1, json.find('"', begin + 1) - begin - 1);
  return json.substr(begin, json.find_first_of(",}", begin) - begin);
}

// ---- streams that live long -------------------------------------------------------------------------

class Records : public Tunnels {
 protected:
  const std::vector<std::string>& logs() const { return hooks->logs; }
  void begin_service(const std::string& lines, const std::string& global) {
    begin("timeout: 0\nidle_timeout: 0\n" + lines, "stream_idle_timeout: 0\ntimeout_read: 0\n" + global);
  }
  TestService::Request& stream_of(const std::string& type) {
    client->request({.path = "/s", .headers = {{"content-type", type}, {"te", "trailers"}}});
    return service->expect("GET", "/s");
  }
};
INSTANTIATE_TEST_SUITE_P(From, Records, testing::Values(Pair{false, false}, Pair{true, false}),
                         [](const auto& info) { return info.param.down_h2 ? "h2" : "h1"; });

TEST_P(Records, OfATunnelFromItsStart) {
  begin_sockets("allowed_users: [alice]\nidle_timeout: 0", "access_log: {periodic_interval: 30s}");
  ask("alice");
  loop.advance(100);
  EXPECT_TRUE(logs().empty()) << "it is not open yet";
  accept(far());
  ASSERT_EQ(logs().size(), 1u) << "at once";
  EXPECT_TRUE(logs()[0].ends_with("\"event\":\"start\"}")) << logs()[0];
  EXPECT_EQ(field(logs()[0], "status"), down_h2() ? "200" : "101");
  EXPECT_EQ(field(logs()[0], "duration_ms"), "100");
  EXPECT_EQ(field(logs()[0], "user"), "alice");
  EXPECT_EQ(field(logs()[0], "cause"), "none") << "it is not over";
  EXPECT_EQ(field(logs()[0], "flags"), "none");
  loop.advance(29'999);
  EXPECT_EQ(logs().size(), 1u);
  const std::string sent = up("question"), answered = down("an answer");
  all.back()->send(sent);
  send(far(), answered);
  loop.advance(1);
  ASSERT_EQ(logs().size(), 2u);
  EXPECT_TRUE(logs()[1].ends_with("\"event\":\"periodic\"}")) << logs()[1];
  EXPECT_EQ(field(logs()[1], "bytes_in"), std::to_string(sent.size()));
  EXPECT_EQ(field(logs()[1], "bytes_out"), std::to_string(answered.size()));
  EXPECT_EQ(field(logs()[1], "duration_ms"), "30100");
  loop.advance(60'000);
  ASSERT_EQ(logs().size(), 4u);
  end_all();
  loop.advance(60'000);
  EXPECT_EQ(logs().size(), 4u) << "none when it is over, or about to be";
  ASSERT_EQ(hooks->records.size(), 1u);
  EXPECT_TRUE(hooks->records[0].ends_with("\"event\":\"end\"}"));
  EXPECT_EQ(field(hooks->records[0], "cause"), "truncated:revoked:ended");
  for (const std::string& log : logs()) {
    EXPECT_EQ(field(log, "request_id"), field(hooks->records[0], "request_id"));
    EXPECT_EQ(field(log, "trace_id"), field(hooks->records[0], "trace_id"));
  }
}

TEST_P(Records, OfATunnelWithoutAnInterval) {
  begin_sockets("allowed_users: [alice]\nidle_timeout: 0", "access_log: {periodic_interval: 0}");
  open("alice", 8000);
  loop.advance(7'200'000);
  EXPECT_TRUE(hooks->records.empty());
  ASSERT_EQ(logs().size(), 1u);
  EXPECT_TRUE(logs()[0].ends_with("\"event\":\"start\"}"));
}

TEST_P(Records, OfStreamsOnceTheyAreKnown) {
  for (const char* type : {"application/grpc", "text/event-stream"}) {
    SCOPED_TRACE(type);
    begin_service("", "");
    auto& r = stream_of(std::string(type) == "application/grpc" ? type : "text/plain");
    service->head(r, 200, {{"content-type", type}});
    loop.advance(999);
    EXPECT_TRUE(logs().empty()) << "a call that is answered soon";
    loop.advance(1);
    ASSERT_EQ(logs().size(), 1u);
    EXPECT_EQ(field(logs()[0], "event"), "start");
    loop.advance(599'999);
    EXPECT_EQ(logs().size(), 1u);
    loop.advance(1);
    ASSERT_EQ(logs().size(), 2u) << "every 10 minutes";
    EXPECT_EQ(field(logs()[1], "event"), "periodic");
    service->end(r);
    EXPECT_TRUE(client->answer().end);
    restart();
    service.reset();
  }
}

TEST_P(Records, OfAStreamWhoseAnswerComesLate) {
  begin_service("", "");
  auto& r = stream_of("application/grpc");
  loop.advance(5000);
  EXPECT_TRUE(logs().empty());
  service->head(r, 200, {{"content-type", "application/grpc"}});
  EXPECT_EQ(logs().size(), 1u);
  service->end(r);
  loop.run();
  EXPECT_EQ(logs().size(), 1u);
}

TEST_P(Records, NothingOfOthersBeforeTheirEnd) {
  begin_service("", "access_log: {periodic_interval: 1s}");
  auto& r = stream_of("text/plain");
  service->head(r, 200, {{"content-type", "video/mp4"}});
  loop.advance(3'600'000);
  service->end(r);
  EXPECT_TRUE(client->answer().end);
  EXPECT_TRUE(logs().empty());
  EXPECT_EQ(hooks->records.size(), 1u);
}

// ---- traces -----------------------------------------------------------------------------------------

TEST_P(Records, TheTraceOfTheRequestGoesOn) {
  begin();
  const std::string own = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  client->get("/own", {{"traceparent", own}, {"tracestate", "a=1"}});
  auto& first = service->expect("GET", "/own");
  EXPECT_EQ(first.header("traceparent"), own);
  EXPECT_EQ(first.header("tracestate"), "a=1");
  service->respond(first, 200, "");
  EXPECT_EQ(field(hooks->records.at(0), "trace_id"), "4bf92f3577b34da6a3ce929d0e0e4736");

  std::string wrong = own;
  wrong[20] = 'Z';
  client->get("/wrong", {{"traceparent", wrong}, {"tracestate", "a=1"}});
  auto& second = service->expect("GET", "/wrong");
  const std::string made = second.header("traceparent");
  EXPECT_EQ(made.size(), 55u);
  EXPECT_NE(made, wrong);
  EXPECT_EQ(second.header("tracestate"), "");
  service->respond(second, 200, "");
  EXPECT_EQ(field(hooks->records.at(1), "trace_id"), made.substr(3, 32));

  client->request({.path = "/", .headers = {{"traceparent", own}}, .host = "other.example"});
  loop.run();
  EXPECT_EQ(field(hooks->records.at(2), "trace_id"), own.substr(3, 32)) << "of a refusal too";
}

// ---- clocks -----------------------------------------------------------------------------------------

class Origins : public Records {
 protected:
  // The clocks of the only live exchange.
  std::string clocks() {
    const std::string text = list();
    const size_t at = text.find("\"clocks\":{");
    if (at == std::string::npos || text[at + 10] == '}') return at == std::string::npos ? text : "";
    return text.substr(at + 10, text.find("}}", at) + 1 - at - 10);
  }
  static std::string clock(const std::string& name, int left, const std::string& from) {
    return "\"" + name + "\":{\"left_ms\":" + std::to_string(left) + ",\"from\":\"" + from + "\"}";
  }
};
INSTANTIATE_TEST_SUITE_P(From, Origins, testing::Values(Pair{false, false}, Pair{true, false}),
                         [](const auto& info) { return info.param.down_h2 ? "h2" : "h1"; });

TEST_P(Origins, NothingIsStated) {
  begin();
  client->get("/");
  service->expect("GET", "/");
  loop.advance(1000);
  EXPECT_EQ(clocks(), clock("timeout", 29'000, "default") + "," + clock("idle_timeout", 299'000, "default"));
}

TEST_P(Origins, GlobalAndOfTheRoute) {
  begin("timeout: 20s\nmax_stream_duration: 1h\nretry_policy: {retry_on: 5xx, per_try_timeout: 9s}",
        "timeout_read: 30s\ntimeout_write: 40s\nstream_idle_timeout: 50s\nmax_stream_duration: 70s\n"
        "max_connection_duration: 90s");
  client->request({.method = "POST", .path = "/", .open = true});
  service->expect("POST", "/");
  EXPECT_EQ(clocks(), clock("timeout_read", 30'000, "global") + "," + clock("timeout_write", 40'000, "global") + "," +
                          clock("max_stream_duration", 3'600'000, "route") + "," +
                          clock("idle_timeout", 50'000, "global") + "," +
                          clock("max_connection_duration", 90'000, "global"));
  client->end(0);
  loop.run();
  EXPECT_EQ(clocks(), clock("timeout_write", 40'000, "global") + "," + clock("timeout", 20'000, "route") + "," +
                          clock("max_stream_duration", 3'600'000, "route") + "," +
                          clock("idle_timeout", 50'000, "global") + "," + clock("per_try_timeout", 9000, "route") +
                          "," + clock("max_connection_duration", 90'000, "global"));
}

TEST_P(Origins, WhatIsStatedAsItWouldBeAnyway) {
  begin("idle_timeout: 300s", "default_upstream_timeout: 30s");
  client->get("/");
  service->expect("GET", "/");
  EXPECT_EQ(clocks(), clock("timeout", 30'000, "global") + "," + clock("idle_timeout", 300'000, "route"));
}

TEST_P(Origins, AnOldConnectionThatIsLeft) {
  begin("timeout: 0\nidle_timeout: 0", "max_connection_duration: 10s\ndrain_timeout: 20s");
  client->get("/");
  service->expect("GET", "/");
  loop.advance(10'000);
  EXPECT_EQ(clocks(), clock("drain_timeout", 20'000, "global"));
}

TEST_P(Origins, ATunnelsOwnBounds) {
  begin_sockets("allowed_users: [alice]");
  ask("alice");
  EXPECT_EQ(clocks(), clock("timeout", 30'000, "default")) << "the answer's, where the route has none";
  accept(far());
  EXPECT_EQ(clocks(), "");
}

TEST_P(Origins, TheHostsDecision) {
  start(file("- from: https://a.example\n  to: http://10.0.0.1:80\n  policy: {allow: {or: [{host: x}]}}\n"));
  client = connect(down_h2());
  hooks->authorize = [](proxy::Exchange&, uint64_t) { return proxy::Hooks::Answer::pending; };
  client->get("/");
  EXPECT_NE(clocks().find(clock("authorize_timeout", 10'000, "default")), std::string::npos) << clocks();
}

}  // namespace
}  // namespace cardea::test
