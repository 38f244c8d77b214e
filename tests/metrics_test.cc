// Every metric is moved by what it counts.
#include "metrics_fixture.h"

namespace cardea::test {
namespace {

// ---- what moves what ---------------------------------------------------------------------------------

struct Row {
  const char* name;
  std::string route, global;  // lines of the configuration
  void (*happens)(Metrics&);
  std::vector<std::pair<const char*, double>> then;  // 0 before, unless it is a gauge of endpoints
};
constexpr const char* kWebSocket =
    "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
    "13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
constexpr const char* kSwitching =
    "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "
    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const std::string kCheck =
    "health_checks: [{timeout: 5s, interval: 10s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: "
    "{path: /}}]\n";

void open_websocket(Metrics& m) {
  m.client().raw(kWebSocket);
  m.service->raw(m.service->expect("GET", "/"), kSwitching);
}
void two_at_once(Metrics& m) {
  m.client().get("/");
  m.client().get("/");
}

const Row kDownstream[] = {
    {"a connection",
     "",
     "",
     [](Metrics& m) { m.client().get("/"); },
     {{"cardea_downstream_connections_total", 1},
      {"cardea_downstream_connections_active", 1},
      {"cardea_downstream_connections_http1_active", 1},
      {"cardea_requests_total", 1},
      {"cardea_requests_active", 1}}},
    {"HTTP/2",
     "",
     "",
     [](Metrics& m) { m.client(true).get("/"); },
     {{"cardea_downstream_connections_http2_active", 1}}},
    {"a connection's length",
     "",
     "",
     [](Metrics& m) {
       m.client();
       m.loop.advance(5250);
       m.clients[0]->close();
     },
     {{"cardea_downstream_connection_duration_seconds_count", 1},
      {"cardea_downstream_connection_duration_seconds_sum", 5.25},
      {"cardea_downstream_connection_duration_seconds_bucket{le=\"1\"}", 0},
      {"cardea_downstream_connection_duration_seconds_bucket{le=\"10\"}", 1},
      {"cardea_downstream_connection_duration_seconds_bucket{le=\"+Inf\"}", 1}}},
    {"max_connections",
     "",
     "max_connections: 1",
     [](Metrics& m) {
       m.client();
       m.dial();
       m.loop.run();
     },
     {{"cardea_downstream_connections_refused_total", 1}}},
    {"an idle connection",
     "",
     "timeout_idle: 1s",
     [](Metrics& m) {
       m.client();
       m.loop.advance(3000);
     },
     {{"cardea_downstream_connections_idle_timeout_total", 1},
      {"cardea_downstream_connections_drain_closed_total", 0}}},
    {"an old connection",
     "",
     "max_connection_duration: 1s",
     [](Metrics& m) {
       m.client().get("/");
       m.loop.advance(1500);
     },
     {{"cardea_downstream_connections_max_duration_total", 1}, {"cardea_downstream_connections_draining", 0}}},
    {"a drain",
     "",
     "",
     [](Metrics& m) {
       m.client().get("/");
       m.proxy->drain(60'000, nullptr);
       m.loop.run();
     },
     {{"cardea_downstream_connections_draining", 1}, {"cardea_listeners_draining", 1}}},
    {"a drain's end",
     "",
     "",
     [](Metrics& m) {
       m.client().get("/");
       m.proxy->drain(60'000, nullptr);
       m.answer();
       m.loop.advance(5000);
     },
     {{"cardea_downstream_connections_drain_closed_total", 1},
      {"cardea_downstream_connections_draining", 0},
      {"cardea_listeners_draining", 0}}},
    {"no HTTP",
     "",
     "",
     [](Metrics& m) { m.client().raw("nonsense\r\n\r\n"); },
     {{"cardea_downstream_protocol_errors_total", 1}, {"cardea_downstream_bad_requests_total", 1}}},
    {"no HTTP in a body",
     "",
     "",
     [](Metrics& m) {
       m.client().raw("POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n");
       m.clients[0]->raw("zz\r\n", 0);
     },
     {{"cardea_downstream_protocol_errors_total", 1}}},
    {"no HTTP/2",
     "",
     "",
     [](Metrics& m) { m.client(true).peer->send(std::string("\0\0\1\5\4\0\0\0\1\0", 10)); },
     {{"cardea_downstream_protocol_errors_total", 1}}},
    {"a slow head",
     "",
     "request_headers_timeout: 1s",
     [](Metrics& m) {
       m.client().raw("GET / HT");
       m.loop.advance(1500);
     },
     {{"cardea_downstream_head_timeouts_total", 1}}},
    {"accepting fails",
     "",
     "",
     [](Metrics& m) {
       m.network.fail_accept(m.worker->bound_addresses()[0].text(), EMFILE);
       m.loop.run();
     },
     {{"cardea_accept_errors_total", 1}}},
};

const Row kRequests[] = {
    {"an answer",
     "",
     "",
     [](Metrics& m) {
       m.client().get("/");
       m.loop.advance(40);
       m.answer();
     },
     {{"cardea_responses_2xx_total", 1},
      {"cardea_response_bytes_total", 2},
      {"cardea_request_first_byte_seconds_count", 1},
      {"cardea_request_first_byte_seconds_bucket{le=\"0.025\"}", 0},
      {"cardea_request_first_byte_seconds_bucket{le=\"0.05\"}", 1},
      {"cardea_request_duration_seconds_count", 1},
      {"cardea_request_duration_seconds_sum", 0.04},
      {"cardea_route_requests_total{route=\"a\",class=\"2xx\"}", 1},
      {"cardea_cluster_connections_total{cluster=\"a\"}", 1},
      {"cardea_cluster_connections_active{cluster=\"a\"}", 1},
      {"cardea_cluster_picks_total{cluster=\"a\"}", 1},
      {"cardea_cluster_requests_total{cluster=\"a\"}", 1},
      {"cardea_cluster_connect_duration_seconds_count{cluster=\"a\"}", 1},
      {"cardea_cluster_endpoints{cluster=\"a\"}", 1},
      {"cardea_cluster_endpoints_healthy{cluster=\"a\"}", 1}}},
    {"a redirect",
     "",
     "",
     [](Metrics& m) {
       m.client().get("/");
       m.answer(302);
     },
     {{"cardea_responses_3xx_total", 1}, {"cardea_route_requests_total{route=\"a\",class=\"3xx\"}", 1}}},
    {"not found",
     "",
     "",
     [](Metrics& m) {
       m.client().get("/");
       m.answer(404);
     },
     {{"cardea_responses_4xx_total", 1}, {"cardea_route_requests_total{route=\"a\",class=\"4xx\"}", 1}}},
    {"a failure",
     "",
     "",
     [](Metrics& m) {
       m.client().get("/");
       m.answer(500);
     },
     {{"cardea_responses_5xx_total", 1}, {"cardea_route_requests_total{route=\"a\",class=\"5xx\"}", 1}}},
    {"a client that leaves",
     "",
     "",
     [](Metrics& m) {
       m.client().get("/");
       m.clients[0]->peer->reset();
     },
     {{"cardea_route_requests_total{route=\"a\",class=\"none\"}", 1}}},
    {"no route",
     "prefix: /only",
     "",
     [](Metrics& m) { m.client().get("/"); },
     {{"cardea_requests_without_route_total", 1}}},
    {"a body", "", "", [](Metrics& m) { m.client().post("/", "four"); }, {{"cardea_requests_active", 1}}},
    {"an open WebSocket", "allow_websockets: true", "", open_websocket, {{"cardea_upgrades_active", 1}}},
    {"a WebSocket's end",
     "allow_websockets: true",
     "",
     [](Metrics& m) {
       open_websocket(m);
       m.clients[0]->peer->reset();
     },
     {{"cardea_upgrades_active", 0},
      {"cardea_responses_1xx_total", 1},
      {"cardea_route_requests_total{route=\"a\",class=\"1xx\"}", 1}}},
    {"an idle exchange",
     "idle_timeout: 1s",
     "",
     [](Metrics& m) {
       m.client().get("/");
       m.loop.advance(1500);
     },
     {{"cardea_requests_idle_timeout_total", 1}, {"cardea_cluster_request_timeouts_total{cluster=\"a\"}", 0}}},
    {"a slow body",
     "",
     "timeout_read: 1s",
     [](Metrics& m) {
       m.client().request({.method = "POST", .open = true});
       m.loop.advance(1500);
     },
     {{"cardea_request_timeouts_total", 1}, {"cardea_cluster_request_timeouts_total{cluster=\"a\"}", 0}}},
    {"a slow service",
     "timeout: 1s",
     "",
     [](Metrics& m) {
       m.client().get("/");
       m.loop.advance(1500);
     },
     {{"cardea_upstream_timeouts_total", 1}, {"cardea_cluster_request_timeouts_total{cluster=\"a\"}", 1}}},
    {"max_requests",
     "circuit_breaker_thresholds: {max_requests: 1}",
     "",
     two_at_once,
     {{"cardea_requests_overload_closed_total", 1},
      {"cardea_cluster_request_overflow_total{cluster=\"a\"}", 1},
      {"cardea_cluster_requests_active{cluster=\"a\"}", 1},
      {"cardea_cluster_circuit_breaker_open{cluster=\"a\",limit=\"max_requests\"}", 1},
      {"cardea_cluster_circuit_breaker_open{cluster=\"a\",limit=\"max_connections\"}", 0}}},
    {"max_pending_requests",
     "circuit_breaker_thresholds: {max_pending_requests: 1}",
     "",
     [](Metrics& m) {
       m.network.blackhole("10.0.0.1:80");
       two_at_once(m);
     },
     {{"cardea_cluster_pending_overflow_total{cluster=\"a\"}", 1},
      {"cardea_cluster_pending_requests_active{cluster=\"a\"}", 1},
      {"cardea_cluster_circuit_breaker_open{cluster=\"a\",limit=\"max_pending_requests\"}", 1}}},
    {"max_connections of a cluster",
     "circuit_breaker_thresholds: {max_connections: 1}",
     "",
     two_at_once,
     {{"cardea_cluster_connection_overflow_total{cluster=\"a\"}", 1},
      {"cardea_cluster_circuit_breaker_open{cluster=\"a\",limit=\"max_connections\"}", 1}}},
};

const Row kUpstream[] = {
    {"a refused connection",
     "",
     "",
     [](Metrics& m) {
       m.network.refuse("10.0.0.1:80");
       m.client().get("/");
     },
     {{"cardea_cluster_connect_failures_total{cluster=\"a\"}", 1},
      {"cardea_cluster_connect_timeouts_total{cluster=\"a\"}", 0},
      {"cardea_cluster_connect_duration_seconds_count{cluster=\"a\"}", 0}}},
    {"a connection that never opens",
     "connect_timeout: 1s",
     "",
     [](Metrics& m) {
       m.network.blackhole("10.0.0.1:80");
       m.client().get("/");
       m.loop.advance(1500);
     },
     {{"cardea_cluster_connect_timeouts_total{cluster=\"a\"}", 1}}},
    {"a slow connection",
     "",
     "",
     [](Metrics& m) {
       m.network.delay("10.0.0.1:80", 300);
       m.client().get("/");
       m.loop.advance(300);
     },
     {{"cardea_cluster_connect_duration_seconds_bucket{cluster=\"a\",le=\"0.25\"}", 0},
      {"cardea_cluster_connect_duration_seconds_bucket{cluster=\"a\",le=\"0.5\"}", 1},
      {"cardea_cluster_connect_duration_seconds_sum{cluster=\"a\"}", 0.3}}},
    {"a connection for one request",
     "max_requests_per_connection: 1",
     "",
     [](Metrics& m) {
       m.client().get("/");
       m.answer();
     },
     {{"cardea_cluster_connections_max_requests_total{cluster=\"a\"}", 1}}},
    {"a connection lost",
     "",
     "",
     [](Metrics& m) {
       m.client().get("/");
       m.service->expect("GET", "/").connection->peer->reset();
       m.loop.run();
     },
     {{"cardea_cluster_connections_lost_total{cluster=\"a\"}", 1}}},
    {"a retry that works",
     "retry_policy: {retry_on: 5xx, num_retries: 1, per_try_timeout: 1s}",
     "",
     [](Metrics& m) {
       m.client().get("/");
       m.loop.advance(1500);
       m.service->expect("GET", "/");
       m.answer();
     },
     {{"cardea_cluster_per_try_timeouts_total{cluster=\"a\"}", 1},
      {"cardea_cluster_retries_total{cluster=\"a\"}", 1},
      {"cardea_cluster_retry_successes_total{cluster=\"a\"}", 1},
      {"cardea_upstream_retries_total", 1}}},
    {"a retry that does not",
     "retry_policy: {retry_on: 5xx, num_retries: 1}",
     "",
     [](Metrics& m) {
       m.client().get("/");
       m.answer(503);
       m.loop.advance(1500);
       m.answer(503);
     },
     {{"cardea_cluster_retries_total{cluster=\"a\"}", 1}, {"cardea_cluster_retry_successes_total{cluster=\"a\"}", 0}}},
    {"a retry too many",
     "retry_policy: {retry_on: 5xx}\ncircuit_breaker_thresholds: {max_retries: 1}",
     "",
     [](Metrics& m) {
       two_at_once(m);
       auto& first = m.service->expect("GET", "/");
       auto& second = m.service->expect("GET", "/");
       m.service->respond(first, 503, "");
       m.service->respond(second, 503, "");
     },
     {{"cardea_cluster_retry_overflow_total{cluster=\"a\"}", 1},
      {"cardea_cluster_retries_active{cluster=\"a\"}", 1},
      {"cardea_cluster_circuit_breaker_open{cluster=\"a\",limit=\"max_retries\"}", 1}}},
    {"a slow client",
     "",
     "",
     [](Metrics& m) {
       m.client().peer->hold_writes();
       m.clients[0]->get("/");
       auto& r = m.service->expect("GET", "/");
       m.service->head(r, 200);
       m.service->body(r, std::string(1 << 20, 'x'));
     },
     {{"cardea_cluster_flow_control_paused_total{cluster=\"a\"}", 1}}},
    {"a check that is passed",
     kCheck,
     "",
     [](Metrics& m) {
       m.loop.advance(2000);
       m.answer();
     },
     {{"cardea_cluster_health_checks_total{cluster=\"a\"}", 1},
      {"cardea_cluster_health_check_successes_total{cluster=\"a\"}", 1},
      {"cardea_cluster_health_changes_total{cluster=\"a\"}", 1},
      {"cardea_cluster_endpoints_healthy{cluster=\"a\"}", 1}}},
    {"a check that is failed",
     kCheck,
     "",
     [](Metrics& m) {
       m.loop.advance(2000);
       m.answer(500);
     },
     {{"cardea_cluster_health_check_failures_total{cluster=\"a\"}", 1},
      {"cardea_cluster_health_changes_total{cluster=\"a\"}", 1},
      {"cardea_cluster_endpoints_healthy{cluster=\"a\"}", 0},
      {"cardea_cluster_endpoints{cluster=\"a\"}", 1}}},
    {"a panic",
     kCheck,
     "",
     [](Metrics& m) {
       m.loop.advance(2000);
       m.answer(500);
       m.client().get("/");
     },
     {{"cardea_cluster_panic_picks_total{cluster=\"a\"}", 1}}},
    {"an ejection",
     "outlier_detection: {consecutive_5xx: 1, max_ejection_percent: 100}",
     "",
     [](Metrics& m) {
       m.client().get("/");
       m.answer(500);
     },
     {{"cardea_cluster_ejections_total{cluster=\"a\"}", 1},
      {"cardea_cluster_ejections_active{cluster=\"a\"}", 1},
      {"cardea_cluster_health_changes_total{cluster=\"a\"}", 1},
      {"cardea_cluster_endpoints_healthy{cluster=\"a\"}", 0}}},
};

class Moves : public Metrics {
 protected:
  template <size_t N>
  void all(const Row (&rows)[N]) {
    for (const Row& row : rows) {
      SCOPED_TRACE(row.name);
      network.serve("10.0.0.1:80");
      network.delay("10.0.0.1:80", 0);
      begin(row.route, row.global);
      const Scrape before = scrape();
      row.happens(*this);
      loop.run();
      const Scrape after = scrape();
      for (const auto& [sample, value] : row.then) {
        EXPECT_EQ(after.value(sample), value) << sample;
        const bool endpoints = std::string(sample).find("_endpoints") != std::string::npos;
        if (!endpoints) {
          EXPECT_EQ(before.value(sample), 0) << sample;
        }
      }
      stop();
      clients.clear();
      service.reset();
    }
  }
};

TEST_F(Moves, Downstream) {
  all(kDownstream);
}
TEST_F(Moves, Requests) {
  all(kRequests);
}
TEST_F(Moves, Upstream) {
  all(kUpstream);
}

}  // namespace
}  // namespace cardea::test
