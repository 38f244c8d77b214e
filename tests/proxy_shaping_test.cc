// bytes_per_second through the whole proxy: the pace of both directions, whose turn it is, what is kept meanwhile, and
// that no clock of a peer runs on our account.
#include "proxy_tunnel.h"

namespace cardea::test {
namespace {

constexpr double kRate = 100'000;
constexpr uint64_t kBurst = 25'000, kSlice = 10'000;

class Shaping : public Access {
 protected:
  void begin(const std::string& lines, const std::string& global = "") {
    start(guarded("allow_public_unauthenticated_access: true\n" + lines, global));
    service = serve("10.0.0.1:80", up_h2());
    client = connect(down_h2());
  }
  // A download of so much under way: the number of its request.
  size_t download(TestClient& c, uint64_t size, const std::string& path = "/x") {
    const size_t n = c.get(path);
    auto& r = service->expect("GET", path);
    service->head(r, 200, {{"content-length", std::to_string(size)}});
    service->body(r, pattern(0, size));
    service->end(r);
    return n;
  }
  static uint64_t size(TestClient& c, size_t n) { return c.answer(n).body.size; }
};
INSTANTIATE_TEST_SUITE_P(All, Shaping, testing::ValuesIn(kPairs), pair_name);

TEST_P(Shaping, ADownloadHasItsPace) {
  begin("limits: [{by: source_ip, bytes_per_second: 100000}]");
  const uint64_t all = 1'000'000;
  const size_t n = download(*client, all);
  // What is too much for the buffer goes at once, and is paid for.
  const double ahead = kBurst + kSlice + 64 * 1024;
  EXPECT_LE(size(*client, n), ahead);
  for (int i = 1; i <= 90; ++i) {
    loop.advance(100);
    const double due = kRate * i / 10;
    ASSERT_LE(double(size(*client, n)), due + ahead) << "after " << i << " tenths";
    ASSERT_GE(double(size(*client, n)), std::min(due, double(all)) - kSlice) << "after " << i << " tenths";
  }
  EXPECT_EQ(hooks->records.size(), 0u);
  loop.advance(1000);
  EXPECT_EQ(size(*client, n), all);
  EXPECT_TRUE(client->answer(n).body.is_pattern && client->answer(n).end);
  EXPECT_EQ(causes(), "ok");
  EXPECT_EQ(hooks->outcomes[0].bytes_out, all);
  EXPECT_GE(counter("shaping_pauses_total"), 1u);
}

TEST_P(Shaping, AnUploadHasItsPace) {
  begin("limits: [{by: route, bytes_per_second: 100000}]");
  const uint64_t all = 600'000;
  const size_t n = client->post("/up", pattern(0, all));
  auto& r = service->expect("POST", "/up");
  for (int i = 1; i <= 50; ++i) {
    loop.advance(100);
    const double due = kRate * i / 10;
    ASSERT_LE(double(r.body.size), due + kBurst + kSlice + 64 * 1024) << i;
    ASSERT_GE(double(r.body.size), due - kSlice) << i;
    ASSERT_FALSE(r.end);
    ASSERT_LT(client->taken(), r.body.size + 256 * 1024) << "the rest stays with the client";
  }
  loop.advance(1500);
  EXPECT_EQ(r.body.size, all);
  EXPECT_TRUE(r.body.is_pattern && r.end);
  service->respond(r, 200, "ok");
  EXPECT_EQ(client->status(n), 200);
  EXPECT_EQ(causes(), "ok");
}

TEST_P(Shaping, TheServiceIsToldToWait) {
  begin("limits: [{by: route, bytes_per_second: 1000}]");
  const uint64_t all = 2'000'000;
  const size_t n = client->get("/x");
  auto& r = service->expect("GET", "/x");
  service->head(r, 200, {{"content-length", std::to_string(all)}});
  service->body(r, pattern(0, all));
  loop.advance(10'000);
  const uint64_t sent = r.connection->h2 ? r.connection->h2->sent : all;
  EXPECT_LT(sent - r.connection->peer->unread(), size(*client, n) + 200'000) << "nothing piles up";
  client->reset(n);
  loop.run();
  EXPECT_EQ(causes().substr(0, 16), "downstream_reset");
}

TEST_P(Shaping, ManySmallAnswersArePacedToo) {
  begin("limits: [{by: source_ip, bytes_per_second: 100000}]");
  std::vector<std::unique_ptr<TestClient>> all;
  for (int i = 0; i < 40; ++i) {
    all.push_back(connect(down_h2()));
    download(*all.back(), 10'000, "/" + std::to_string(i));
  }
  auto total = [&] {
    uint64_t n = 0;
    for (auto& c : all) n += size(*c, 0);
    return n;
  };
  for (int i = 0; i < 36; ++i) {
    ASSERT_LE(double(total()), kRate * i / 10 + kBurst + kSlice) << i;
    ASSERT_GE(double(total()), kRate * i / 10) << i;
    loop.advance(100);
  }
  loop.advance(1000);
  EXPECT_EQ(total(), 400'000u);
}

TEST_P(Shaping, TurnsGoRound) {
  begin("limits: [{by: source_ip, bytes_per_second: 100000}]");
  auto other = connect(down_h2()), late = connect(down_h2());
  download(*client, 800'000, "/a");
  download(*other, 800'000, "/b");
  loop.advance(4000);
  const double a = double(size(*client, 0)), b = double(size(*other, 0));
  EXPECT_NEAR(a, b, 0.1 * (a + b) + 64 * 1024);
  const uint64_t before = size(*client, 0);
  download(*late, 100'000, "/c");
  loop.advance(1500);
  EXPECT_GT(size(*late, 0), 30'000u) << "nobody waits for all that others want";
  EXPECT_GT(size(*client, 0), before);
}

TEST_P(Shaping, OthersHaveTheirOwn) {
  begin("limits: [{by: source_ip, bytes_per_second: 20000}]");
  TestClient other(loop, dial(0, "203.0.113.8:1"), down_h2());
  download(*client, 400'000, "/a");
  loop.advance(1000);
  download(other, 30'000, "/b");
  loop.advance(1000);
  EXPECT_TRUE(other.answer(0).end) << "it does not wait behind the first";
  client->close();
}

TEST_P(Shaping, OneDirectionDoesNotWaitForTheOther) {
  begin("limits: [{by: route, bytes_per_second: 10000}]");
  const size_t n = client->request({.method = "POST", .path = "/both", .open = true});
  auto& r = service->expect("POST", "/both");
  service->head(r, 200);
  service->body(r, pattern(0, 60'000));
  const uint64_t before = r.body.size;
  client->body(n, "ping");
  EXPECT_EQ(r.body.size, before + 4) << "though the answer waits";
  client->end(n);
  EXPECT_TRUE(r.end);
  service->end(r);
  loop.advance(6000);
  EXPECT_TRUE(client->answer(n).end);
  EXPECT_EQ(client->answer(n).body.size, 60'000u);
}

// ---- clocks ---------------------------------------------------------------------------------------

TEST_P(Shaping, NoClockOfAPeerRunsMeanwhile) {
  begin("limits: [{by: route, bytes_per_second: 1000}]\nidle_timeout: 900ms", "timeout_read: 2s");
  // Each slice takes longer than idle_timeout, and the whole much longer than timeout_read.
  const size_t up = client->post("/up", pattern(0, 40'000));
  auto& r = service->expect("POST", "/up");
  for (int i = 0; i < 300 && !r.end; ++i) loop.advance(100);
  EXPECT_TRUE(r.end) << causes();
  service->head(r, 200, {{"content-length", "40000"}});
  service->body(r, pattern(0, 40'000));
  service->end(r);
  loop.advance(45'000);
  EXPECT_TRUE(client->answer(up).end) << causes();
  EXPECT_EQ(client->answer(up).body.size, 40'000u);
  EXPECT_EQ(causes(), "ok");
}

TEST_P(Shaping, ClocksOfPeersThatStallGoOn) {
  begin("limits: [{by: route, bytes_per_second: 1000}]\nidle_timeout: 5s");
  const size_t n = client->get("/x");
  auto& r = service->expect("GET", "/x");
  service->head(r, 200, {{"content-length", "50000"}});
  service->body(r, pattern(0, 20'000));
  loop.advance(4'000);
  EXPECT_EQ(size(*client, n), 20'000u);
  loop.advance(6'000);
  EXPECT_EQ(causes(), "truncated:stream_idle");
  EXPECT_TRUE(client->answer(n).reset);
}

TEST_P(Shaping, TheAnswersTimeoutStandsStill) {
  start(file(route(to("10.0.0.1:80"), "limits: [{by: route, bytes_per_second: 10000}]\ntimeout: 3s")));
  service = serve("10.0.0.1:80", up_h2());
  client = connect(down_h2());
  size_t n = download(*client, 100'000);
  loop.advance(12'000);
  EXPECT_TRUE(client->answer(n).end);
  EXPECT_EQ(causes(), "ok");
  n = client->get("/slow");
  service->expect("GET", "/slow");
  loop.advance(3001);
  EXPECT_EQ(client->status(n), 504) << "of the service's own time there is not more than before";
}

TEST_P(Shaping, AHardEndIsOne) {
  begin("limits: [{by: route, bytes_per_second: 10000}]\nmax_stream_duration: 3s");
  download(*client, 100'000);
  loop.advance(3001);
  EXPECT_EQ(causes(), "truncated:max_duration");
  EXPECT_TRUE(client->answer(0).reset);
}

TEST_P(Shaping, AListingShowsIt) {
  begin("limits: [{by: route, bytes_per_second: 10000}]");
  download(*client, 100'000);
  EXPECT_NE(list().find("\"limits_response\":"), std::string::npos) << list();
  EXPECT_EQ(list().find("\"limits_request\":"), std::string::npos);
}

// ---- ends -----------------------------------------------------------------------------------------

TEST_P(Shaping, EndsAndTrailersStayBehindTheBytes) {
  begin("limits: [{by: route, bytes_per_second: 10000}]");
  const size_t n = client->request({.method = "POST", .path = "/t", .headers = {{"te", "trailers"}}, .open = true});
  client->body(n, pattern(0, 60'000));
  client->end(n, {{"x-up", "1"}});
  auto& r = service->expect("POST", "/t");
  loop.advance(1000);
  EXPECT_FALSE(r.end);
  loop.advance(5000);
  EXPECT_TRUE(r.end && r.body.is_pattern);
  EXPECT_EQ(r.body.size, 60'000u);
  EXPECT_EQ(value(r.trailers, "x-up"), "1");
  service->head(r, 200);
  service->body(r, pattern(0, 60'000));
  service->end(r, {{"x-down", "2"}});
  loop.advance(1000);
  EXPECT_FALSE(client->answer(n).end);
  loop.advance(6000);
  EXPECT_TRUE(client->answer(n).end && client->answer(n).body.is_pattern);
  EXPECT_EQ(client->answer(n).body.size, 60'000u);
  EXPECT_EQ(value(client->answer(n).trailers, "x-down"), "2");
  EXPECT_EQ(causes(), "ok");
}

TEST_P(Shaping, AServiceThatIsGoneWhenAllIsHere) {
  begin("limits: [{by: route, bytes_per_second: 10000}]");
  download(*client, 16'384);
  const size_t n = client->get("/y");
  auto& r = service->expect("GET", "/y");
  service->respond(r, 200, pattern(0, 10'000));
  r.connection->peer->reset();
  loop.run();
  EXPECT_FALSE(client->answer(n).end);
  loop.advance(4000);
  if (up_h2()) {  // its codec had the end, and has told of the loss instead
    EXPECT_TRUE(client->answer(n).reset);
    return;
  }
  EXPECT_TRUE(client->answer(n).end && client->answer(n).body.is_pattern) << causes();
  EXPECT_EQ(client->answer(n).body.size, 10'000u);
  EXPECT_EQ(causes(), "ok ok");
}

TEST_P(Shaping, AnAnswerThatIsCutLooksCut) {
  begin("limits: [{by: route, bytes_per_second: 10000}]");
  const size_t n = client->get("/x");
  auto& r = service->expect("GET", "/x");
  service->head(r, 200, {{"content-length", "100000"}});
  service->body(r, pattern(0, 30'000));
  service->cut(r);
  loop.advance(5000);
  EXPECT_TRUE(client->answer(n).reset);
  EXPECT_FALSE(client->answer(n).end);
  EXPECT_EQ(hooks->causes.back().substr(0, 18), "truncated:upstream");
}

TEST_P(Shaping, GoneWhileBytesWait) {
  begin("limits: [{by: route, bytes_per_second: 10000}]");
  download(*client, 300'000);
  client->peer->reset();
  loop.run();
  auto uploads = connect(down_h2());
  uploads->post("/up", pattern(0, 300'000));
  service->expect("POST", "/up");
  loop.advance(500);
  uploads->peer->reset();
  loop.advance(60'000);
  EXPECT_EQ(hooks->records.size(), 2u);
}

TEST_P(Shaping, OtherNumbersAreForThoseUnderWayToo) {
  begin("limits: [{by: route, bytes_per_second: 1000}]");
  download(*client, 500'000);
  loop.advance(2000);
  EXPECT_LT(size(*client, 0), 120'000u);
  apply(guarded("allow_public_unauthenticated_access: true\nlimits: [{by: route, bytes_per_second: 1000000}]"));
  loop.advance(40'000);  // what waits already has its moment
  EXPECT_EQ(size(*client, 0), 500'000u);
  EXPECT_TRUE(client->answer(0).end);
}

TEST_P(Shaping, AgainstASlowClientToo) {
  begin("limits: [{by: route, bytes_per_second: 1000000}]");
  client->peer->set_window(50'000);
  const size_t n = client->get("/x");
  auto& r = service->expect("GET", "/x");
  service->head(r, 200, {{"content-length", "3000000"}});
  service->body(r, pattern(0, 3'000'000));
  service->end(r);
  loop.advance(5000);
  const uint64_t sent = r.connection->h2 ? r.connection->h2->sent : 3'000'000;
  EXPECT_LT(sent - r.connection->peer->unread(), 700'000u) << "both reasons to wait hold";
  client->peer->release_writes();
  loop.advance(5000);
  EXPECT_EQ(size(*client, n), 3'000'000u);
  EXPECT_TRUE(client->answer(n).end && client->answer(n).body.is_pattern);
}

// ---- tunnels --------------------------------------------------------------------------------------

class ShapedTunnels : public Tunnels {};
INSTANTIATE_TEST_SUITE_P(From, ShapedTunnels, testing::Values(Pair{false, false}, Pair{true, false}),
                         [](const auto& info) { return info.param.down_h2 ? "h2" : "h1"; });

TEST_P(ShapedTunnels, ByUserInBothDirections) {
  begin_tunnels("allowed_users: [alice]\nlimits: [{by: user, bytes_per_second: 100000}]");
  Socket& s = tunnel("alice");
  RawEnd& f = far();
  f.peer->send(pattern(0, 500'000));
  s.send(pattern(0, 500'000));
  for (int i = 1; i <= 40; ++i) {
    loop.advance(100);
    const double due = kRate * i / 10, ahead = kBurst + kSlice + 64 * 1024;
    ASSERT_LE(double(s.body().size), due + ahead);
    ASSERT_LE(double(f.body.size), due + ahead);
    ASSERT_GE(double(s.body().size), due - kSlice);
    ASSERT_GE(double(f.body.size), due - kSlice);
  }
  f.peer->send_eof();
  s.finish();
  loop.advance(2000);
  EXPECT_TRUE(s.body().is_pattern && f.body.is_pattern);
  EXPECT_EQ(s.body().size, 500'000u);
  EXPECT_EQ(f.body.size, 500'000u);
  EXPECT_TRUE(s.ended() && f.ended);
  EXPECT_EQ(causes(), "ok");
}

TEST_P(ShapedTunnels, AFarewellIsBehindWhatWaits) {
  begin_sockets("allowed_users: [alice]\nlimits: [{by: user, bytes_per_second: 1000}]");
  Socket& s = open("alice");
  RawEnd& f = far();
  const std::string big = down(std::string(30'000, 'x'));
  send(f, big);
  loop.advance(1000);
  EXPECT_LT(s.body().size, big.size());
  end_all();
  EXPECT_EQ(s.text().substr(0, big.size()), big);
  EXPECT_EQ(close_in(s.text().substr(big.size()), false), "1008 revoked");
  loop.advance(2000);
  EXPECT_EQ(causes(), "truncated:revoked:ended");
}

TEST_P(ShapedTunnels, AFarewellToWhomHasClosedAlready) {
  begin_sockets("allowed_users: [alice]\nlimits: [{by: user, bytes_per_second: 1000}]");
  Socket& s = open("alice");
  RawEnd& f = far();
  const std::string big = down(std::string(30'000, 'x')), mine = up(std::string(30'000, 'y'));
  send(f, big);
  f.peer->send_eof();
  s.send(mine);
  s.finish();
  loop.advance(1000);
  EXPECT_FALSE(s.ended() || f.ended);
  end_all();
  loop.advance(2000);
  EXPECT_EQ(s.text().substr(0, big.size()), big);
  EXPECT_EQ(f.body.text.substr(0, mine.size()), mine);
  EXPECT_TRUE(f.ended && s.ended());
}

}  // namespace
}  // namespace cardea::test
