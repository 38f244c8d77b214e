// Tunnels over HTTP/2: CONNECT, extended CONNECT (RFC 8441), and streams that end after what was promised.
#include <gtest/gtest.h>

#include "h2_peer.h"

namespace cardea::http::test {
namespace {

const List kConnect = {{":method", "CONNECT"}, {":authority", "db.test:5432"}};
const List kExtended = {{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "https"},
                        {":path", "/chat?x"},   {":authority", "a.test"},   {"sec-websocket-version", "13"}};

List without(List list, Bytes name) {
  std::erase_if(list, [&](const auto& f) { return f.first == name; });
  return list;
}
List replaced(List list, Bytes name, std::string value) {
  for (auto& f : list) {
    if (f.first == name) f.second = value;
  }
  return list;
}

struct TunnelServer : Server {
  using Server::Server;
  RequestReceiver* on_request(RequestPtr head, ResponseSender& sender) override {
    upgrades.emplace_back(head->upgrade);
    is_connect.push_back(head->method == Method::connect);
    return Server::on_request(std::move(head), sender);
  }
  std::vector<std::string> upgrades;
  std::vector<bool> is_connect;
};

// ---- server ----------------------------------------------------------------------------------------

TEST(H2Connect, ExtendedConnectIsDelivered) {
  for (size_t step : {0, 1, 7}) {
    TunnelServer s;
    s.feed(preface() + headers(1, kExtended, kEndHeaders) + data(1, "early"), step);
    Record& r = s.requests.at(0);
    EXPECT_EQ(r.verdict(), "CONNECT https a.test /chat?x 0 {sec-websocket-version=13|} cl=- body= trailers= end=0");
    EXPECT_TRUE(r.has_body);
    EXPECT_EQ(s.upgrades[0], "websocket");
    EXPECT_TRUE(s.is_connect[0]);
    s.feed(data(1, " bird", true));
    EXPECT_EQ(r.body, "");
    EXPECT_EQ(r.ends, 0) << "its end waits, too";
    s.begin(r, 77);
    s.flush();
    EXPECT_EQ(s.reader->field(1, ":status"), "200");
    EXPECT_EQ(s.reader->field(1, "content-length"), "");
    EXPECT_EQ(r.body, "early bird");
    EXPECT_EQ(r.ends, 1);
    EXPECT_FALSE(r.told_in_sender);
    s.body(r, "back");
    s.flush();
    EXPECT_EQ(s.reader->body(1), "back");
    EXPECT_FALSE(s.reader->ended(1)) << "half-closed only by the client";
    s.end(r);
    r.release();
    s.flush();
    EXPECT_TRUE(s.reader->ended(1));
    EXPECT_EQ(s.reader->reset_code(1), -1);
    EXPECT_EQ(s.codec().active(), 0u);
  }
}

TEST(H2Connect, HalfCloseByTheService) {
  for (const List& head : {kConnect, kExtended}) {
    TunnelServer s;
    s.feed(preface() + headers(1, head, kEndHeaders));
    Record& r = s.requests.at(0);
    s.begin(r);
    s.body(r, "all");
    s.end(r);
    s.flush();
    EXPECT_TRUE(s.reader->ended(1));
    EXPECT_EQ(s.reader->reset_code(1), -1);
    s.feed(data(1, "still ") + data(1, "here", true));
    EXPECT_EQ(r.body, "still here");
    EXPECT_EQ(r.ends, 1);
    EXPECT_EQ(r.resets, 0);
    r.release();
    s.flush();
    EXPECT_EQ(s.codec().active(), 0u);
  }
}

TEST(H2Connect, AClientThatSendsNothingStillOpensATunnel) {
  for (const List& head : {kConnect, kExtended}) {
    Server s;
    s.feed(preface() + headers(1, head, kEndHeaders | kEndStream));
    Record& r = s.requests.at(0);
    EXPECT_TRUE(r.has_body);
    EXPECT_EQ(r.ends, 0);
    s.begin(r);
    s.flush();
    EXPECT_EQ(r.ends, 1);
    EXPECT_FALSE(r.told_in_sender);
  }
}

TEST(H2Connect, MalformedRequests) {
  struct Row {
    const char* name;
    List head;
    const char* rule;  // null: RST_STREAM
  };
  const Row rows[] = {
      {"protocol with GET", replaced(kExtended, ":method", "GET"), nullptr},
      {"no scheme", without(kExtended, ":scheme"), nullptr},
      {"no path", without(kExtended, ":path"), nullptr},
      {"no authority", without(kExtended, ":authority"), nullptr},
      {"path and scheme without protocol", without(kExtended, ":protocol"), nullptr},
      {"empty protocol", replaced(kExtended, ":protocol", ""), nullptr},
      {"protocol of two words", replaced(kExtended, ":protocol", "web socket"), "bad_protocol"},
      {"list", replaced(kExtended, ":protocol", "websocket, h2c"), "bad_protocol"},
      {"long", replaced(kExtended, ":protocol", std::string(33, 'a')), "bad_protocol"},
      {"slash without version", replaced(kExtended, ":protocol", "a/"), "bad_protocol"},
      {"asterisk", replaced(kExtended, ":path", "*"), nullptr},
      {"fragment", replaced(kExtended, ":path", "/a#b"), "fragment"},
      {"length", with(kExtended, {{"content-length", "0"}}), "connect_with_body"},
      {"plain with length", with(kConnect, {{"content-length", "3"}}), "connect_with_body"},
      {"plain without port", replaced(kConnect, ":authority", "db.test"), "bad_connect_target"},
      {"upgrade field", with(kExtended, {{"upgrade", "websocket"}}), nullptr},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    Server s;
    s.feed(preface() + headers(1, row.head, kEndHeaders));
    EXPECT_TRUE(s.requests.empty());
    if (row.rule) {
      ASSERT_EQ(s.bad.size(), 1u);
      EXPECT_STREQ(s.bad[0].detail, row.rule);
      EXPECT_EQ(s.reader->field(1, ":status"), "400");
    } else {
      EXPECT_EQ(s.reader->reset_code(1), NGHTTP2_PROTOCOL_ERROR);
    }
    s.feed(headers(3, get()));
    EXPECT_EQ(s.requests.size(), 1u) << "the connection goes on";
  }
}

TEST(H2Connect, RefusedTunnelsEndAtOnce) {
  for (bool with_body : {false, true}) {
    for (const List& head : {kConnect, kExtended}) {
      Server s;
      s.feed(preface() + headers(1, head, kEndHeaders) + data(1, "early"));
      Record& r = s.requests.at(0);
      s.answer(r, 403, with_body ? "no" : "");
      EXPECT_EQ(r.ends, 0);
      s.flush();
      EXPECT_EQ(r.ends, 1);
      EXPECT_FALSE(r.told_in_sender);
      s.feed(data(1, "late"));
      EXPECT_EQ(r.body, "");
      r.release();
      s.flush();
      EXPECT_TRUE(s.reader->ended(1));
      EXPECT_EQ(s.reader->body(1), with_body ? "no" : "");
      EXPECT_EQ(s.reader->reset_code(1), NGHTTP2_NO_ERROR);
      EXPECT_EQ(s.codec().active(), 0u);
      s.feed(headers(3, get()));
      EXPECT_EQ(s.requests.size(), 2u);
    }
  }
}

TEST(H2Connect, ResetCodes) {
  struct Row {
    List head;
    EndCause why;
    uint32_t code;
  };
  const Row rows[] = {
      {kConnect, EndCause::upstream_reset, NGHTTP2_CONNECT_ERROR},
      {kConnect, EndCause::upstream_closed, NGHTTP2_CONNECT_ERROR},
      {kExtended, EndCause::upstream_reset, NGHTTP2_CANCEL},
      {kConnect, EndCause::revoked, NGHTTP2_CANCEL},
      {kExtended, EndCause::revoked, NGHTTP2_CANCEL},
      {kExtended, EndCause::internal, NGHTTP2_INTERNAL_ERROR},
  };
  for (const Row& row : rows) {
    Server s;
    s.feed(preface() + headers(1, row.head, kEndHeaders));
    s.begin(s.requests.at(0));
    s.flush();
    s.requests[0].down->reset(row.why);
    s.requests[0].release();
    s.flush();
    EXPECT_EQ(s.reader->reset_code(1), row.code) << http::row(row.why).name;
  }
}

// ---- finish, then reset ----------------------------------------------------------------------------

TEST(H2Finish, PromisedBytesComeBeforeTheReset) {
  for (bool released : {false, true}) {
    Server s;
    s.feed(preface(setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 10)) + headers(1, get()));
    Record& r = s.requests.at(0);
    s.begin(r);
    s.body(r, "0123456789abc");
    s.flush();
    r.call([&] { r.down->finish_then_reset(EndCause::revoked); });
    s.body(r, "not any more");
    s.end(r);
    if (released) r.release();
    s.flush();
    EXPECT_EQ(s.reader->body(1), "0123456789");
    EXPECT_EQ(s.reader->reset_code(1), -1);
    s.feed(window(1, 2));
    EXPECT_EQ(s.reader->reset_code(1), -1);
    s.feed(window(1, 1));  // exactly what is missing
    EXPECT_EQ(s.reader->body(1), "0123456789abc");
    EXPECT_EQ(s.reader->reset_code(1), NGHTTP2_CANCEL);
    EXPECT_GT(s.reader->last(kRst, 1), s.reader->last(kData, 1));
    EXPECT_FALSE(s.reader->ended(1));
    EXPECT_EQ(r.resets + r.blocked + r.unblocked, 0);
    if (!released) r.release();
    s.flush();
    EXPECT_EQ(s.codec().active(), 0u);
    EXPECT_EQ(s.closes, 0);
  }
}

TEST(H2Finish, InTheTurnOfTheBytes) {
  Server s;
  s.feed(preface() + headers(1, get()));
  Record& r = s.requests.at(0);
  s.begin(r);
  s.body(r, std::string(40'000, 'x'));
  r.call([&] { r.down->finish_then_reset(EndCause::revoked); });
  r.release();
  s.flush();
  EXPECT_EQ(s.reader->field(1, ":status"), "200");
  EXPECT_EQ(s.reader->body(1).size(), 40'000u);
  EXPECT_EQ(s.reader->reset_code(1), NGHTTP2_CANCEL);
  EXPECT_FALSE(s.reader->ended(1));
}

TEST(H2Finish, NothingToWaitFor) {
  for (bool head : {false, true}) {
    Server s;
    s.feed(preface() + headers(1, get("/", "POST"), kEndHeaders));
    Record& r = s.requests.at(0);
    if (head) {
      s.begin(r);
      s.body(r, "x");
      s.flush();
    }
    r.call([&] { r.down->finish_then_reset(EndCause::revoked); });
    s.feed(data(1, "upload"));
    EXPECT_EQ(r.body, "");
    EXPECT_EQ(s.reader->reset_code(1), NGHTTP2_CANCEL);
    r.release();
  }
}

TEST(H2Finish, OwnerMayHurry) {
  Server s;
  s.feed(preface(setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 4)) + headers(1, get()));
  Record& r = s.requests.at(0);
  s.begin(r);
  s.body(r, "promised");
  s.flush();
  r.call([&] { r.down->finish_then_reset(EndCause::revoked); });
  s.flush();
  EXPECT_EQ(s.reader->reset_code(1), -1);
  r.call([&] { r.down->reset(EndCause::revoked); });
  r.release();
  s.flush();
  EXPECT_EQ(s.reader->body(1), "prom");
  EXPECT_EQ(s.reader->reset_code(1), NGHTTP2_CANCEL);
  EXPECT_EQ(s.codec().active(), 0u);
}

// An end that was sent before is part of what was promised.
TEST(H2Finish, AWholeAnswerStaysWhole) {
  Server s;
  s.feed(preface(setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 4)) + headers(1, get("/", "POST"), kEndHeaders));
  Record& r = s.requests.at(0);
  s.begin(r);
  s.body(r, "promised");
  s.end(r);
  s.flush();
  r.call([&] { r.down->finish_then_reset(EndCause::revoked); });
  r.release();
  s.feed(window(1, 100));
  EXPECT_EQ(s.reader->body(1), "promised");
  EXPECT_TRUE(s.reader->ended(1));
  EXPECT_EQ(s.reader->reset_code(1), NGHTTP2_NO_ERROR) << "of the request the rest is not wanted";
  EXPECT_EQ(s.codec().active(), 0u);
}

TEST(H2Finish, AServiceIsNotWaitedFor) {
  for (uint32_t size : {4u, 100u}) {
    Client c;
    c.feed(settings(setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, size)));
    Record& r = c.request("POST", "/", true);
    c.flush();
    c.body(r, "promised");
    r.call([&] { r.up->finish_then_reset(EndCause::revoked); });
    r.release();
    c.flush();
    EXPECT_EQ(c.reader->body(1), Bytes("promised").substr(0, size));
    EXPECT_EQ(c.reader->reset_code(1), NGHTTP2_CANCEL);
    EXPECT_FALSE(c.reader->ended(1));
    EXPECT_EQ(c.codec().active(), 0u);
  }
}

// ---- client ----------------------------------------------------------------------------------------

Record& connect(Client& c, Bytes upgrade, bool has_body = true) {
  Record& r = c.start();
  r.call([&] {
    RequestPtr head = make_request();
    head->method_name = "CONNECT";
    head->method = Method::connect;
    head->scheme = "https";
    head->authority = upgrade.empty() ? "db.test:5432" : "a.test";
    head->target = upgrade.empty() ? "db.test:5432" : "/chat";
    head->upgrade = head->arena.copy(upgrade);
    head->has_body = has_body;
    head->fields.add("sec-websocket-version", head->arena.copy("13"));
    r.up->send_head(*head);
  });
  return r;
}
const std::string kAllows = settings(setting(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1));

TEST(H2ConnectClient, ExtendedHeadWaitsForSettings) {
  Client c;
  EXPECT_TRUE(c.codec_->takes_extended_connect()) << "nobody knows";
  Record& r = connect(c, "websocket");
  c.flush();
  EXPECT_TRUE(c.reader->all(kHeaders).empty());
  EXPECT_FALSE(r.up->anything_sent());
  EXPECT_EQ(c.codec().active(), 1u);
  c.feed(kAllows);
  EXPECT_TRUE(c.codec_->takes_extended_connect());
  ASSERT_EQ(c.reader->all(kHeaders, 1).size(), 1u);
  EXPECT_EQ(c.reader->all(kHeaders, 1)[0]->fields, (List{{":method", "CONNECT"},
                                                         {":protocol", "websocket"},
                                                         {":scheme", "https"},
                                                         {":path", "/chat"},
                                                         {":authority", "a.test"},
                                                         {"sec-websocket-version", "13"}}));
  EXPECT_FALSE(c.reader->ended(1));
  EXPECT_TRUE(r.up->anything_sent());
  connect(c, "websocket");  // now it is known
  c.flush();
  EXPECT_EQ(c.reader->field(3, ":protocol"), "websocket");
}

TEST(H2ConnectClient, RefusedBySettings) {
  for (const std::string& greeting : {settings(), settings(setting(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 0))}) {
    for (bool before : {true, false}) {
      Client c;
      if (!before) c.feed(greeting);
      Record& r = connect(c, "websocket");
      if (before) c.feed(greeting);
      c.flush();
      EXPECT_FALSE(c.codec_->takes_extended_connect());
      EXPECT_EQ(r.reset.cause, EndCause::upstream_protocol);
      EXPECT_STREQ(r.reset.detail, "extended_connect");
      EXPECT_FALSE(r.told_in_sender);
      EXPECT_EQ(c.codec().active(), 0u);
      EXPECT_TRUE(c.reader->all(kHeaders).empty());
      c.request();
      connect(c, "");  // plain CONNECT needs nobody's leave
      c.flush();
      EXPECT_EQ(c.reader->all(kHeaders).size(), 2u);
      EXPECT_EQ(c.closes, 0);
    }
  }
}

TEST(H2ConnectClient, WaitingHeadsMayBeGivenUp) {
  for (int how : {0, 1, 2, 3}) {
    Client c;
    Record& r = connect(c, "websocket");
    c.flush();
    if (how == 0) r.release();
    if (how == 1) r.call([&] { r.up->reset(EndCause::downstream_reset); });
    if (how == 2) r.call([&] { r.up->finish_then_reset(EndCause::revoked); });
    if (how == 3) c.codec().connection_lost({EndCause::upstream_reset, ""});
    EXPECT_EQ(r.resets, how == 3 ? 1 : 0);
    r.release();
    if (how != 3) c.feed(kAllows);
    EXPECT_TRUE(c.reader->all(kHeaders).empty());
    EXPECT_EQ(c.codec().active(), 0u);
  }
}

TEST(H2ConnectClient, NothingEntersATunnelThatIsNotOpen) {
  for (bool extended : {false, true}) {
    Client c;
    c.feed(kAllows);
    Record& r = connect(c, extended ? "websocket" : "");
    c.body(r, "early");
    c.end(r);
    c.flush();
    EXPECT_EQ(c.reader->body(1), "");
    EXPECT_FALSE(c.reader->ended(1));
    c.feed(headers(1, {{":status", "103"}}, kEndHeaders));
    EXPECT_EQ(c.reader->body(1), "");
    c.feed(headers(1, {{":status", "200"}, {"content-length", "3"}}, kEndHeaders) + data(1, "longer than 3"));
    EXPECT_EQ(c.reader->body(1), "early");
    EXPECT_TRUE(c.reader->ended(1));
    EXPECT_TRUE(r.has_body);
    EXPECT_FALSE(r.content_length);
    EXPECT_EQ(r.body, "longer than 3");
    EXPECT_EQ(r.ends, 0);
    c.feed(data(1, "", true));
    EXPECT_EQ(r.ends, 1);
    r.release();
    EXPECT_EQ(c.codec().active(), 0u);
  }
}

TEST(H2ConnectClient, EarlyBytesOfARefusedTunnelAreDropped) {
  for (bool ended : {false, true}) {
    Client c;
    c.feed(settings());
    Record& r = connect(c, "");
    c.flush();
    c.body(r, std::string(40 * 1024, 'e'));
    c.flush();
    EXPECT_EQ(r.blocked, 1);
    c.feed(headers(1, {{":status", "407"}}, kEndHeaders | (ended ? kEndStream : 0)));
    if (!ended) c.feed(data(1, "no", true));
    EXPECT_EQ(c.reader->body(1), "");
    EXPECT_TRUE(c.reader->ended(1));
    EXPECT_EQ(r.status, 407);
    EXPECT_EQ(r.body, ended ? "" : "no");
    EXPECT_EQ(r.ends, 1);
    r.release();
    c.flush();
    EXPECT_EQ(c.reader->reset_code(1), -1);
    EXPECT_EQ(c.codec().active(), 0u);
  }
}

TEST(H2ConnectClient, EarlyBytesAreBounded) {
  Client c;
  Record& r = connect(c, "");
  c.flush();
  size_t given = 0;
  while (r.resets == 0 && given < 1024 * 1024) {
    c.body(r, std::string(16 * 1024, 'e'));
    given += 16 * 1024;
    c.flush();
  }
  EXPECT_EQ(r.reset.cause, EndCause::overload);
  EXPECT_STREQ(r.reset.detail, "early_tunnel_bytes");
  EXPECT_LE(given, (4 * 32 + 64 + 16) * 1024u);
  EXPECT_EQ(c.reader->body(1), "");
}

TEST(H2ConnectClient, AcceptedWithItsEnd) {
  Client c;
  c.feed(settings());
  Record& r = connect(c, "");
  c.flush();
  c.feed(headers(1, {{":status", "200"}}, kEndHeaders | kEndStream));
  EXPECT_TRUE(r.has_body) << "a tunnel all the same";
  EXPECT_EQ(r.ends, 1);
  c.body(r, "one way");
  c.flush();
  EXPECT_EQ(c.reader->body(1), "one way");
  c.feed(rst(1, NGHTTP2_CANCEL));
  EXPECT_EQ(r.resets, 1) << "the way out is gone";
  EXPECT_EQ(c.codec().active(), 0u);
}

TEST(H2ConnectClient, UpgradeWithoutConnectIsNotSent) {
  Client c;
  c.feed(kAllows);
  Record& r = c.start();
  r.call([&] {
    RequestPtr head = make_request();
    head->method_name = "GET";
    head->method = Method::get;
    head->authority = "a.test";
    head->target = "/";
    head->upgrade = "websocket";
    head->has_body = true;
    r.up->send_head(*head);
  });
  c.flush();
  EXPECT_EQ(r.reset.cause, EndCause::internal);
  EXPECT_TRUE(c.reader->all(kHeaders).empty());
}

// ---- both sides ------------------------------------------------------------------------------------

TEST(H2ConnectPair, EchoHoweverItIsCut) {
  for (size_t step : {0, 1, 13}) {
    for (bool extended : {false, true}) {
      Client c({}, false);
      TunnelServer s({}, false);
      auto shuttle = [&] {
        for (int i = 0; i < 100; ++i) {
          c.flush();
          s.flush();
          if (c.wire.empty() && s.wire.empty()) break;
          s.feed(std::exchange(c.wire, {}), step);
          c.feed(std::exchange(s.wire, {}), step);
        }
      };
      Record& up = connect(c, extended ? "websocket" : "");
      c.body(up, "first ");
      shuttle();
      Record& down = s.requests.at(0);
      EXPECT_EQ(s.upgrades[0], extended ? "websocket" : "");
      EXPECT_EQ(down.body, "");
      down.body_hook = [&](Bytes b) { s.body(down, std::string(b)); };
      s.begin(down);
      shuttle();
      EXPECT_EQ(up.body, "first ");
      c.body(up, std::string(100'000, 'x'));
      c.end(up);
      down.end_hook = [&] { s.end(down); };
      shuttle();
      EXPECT_EQ(up.body.size(), 100'006u);
      EXPECT_EQ(down.ends + up.ends, 2);
      EXPECT_EQ(down.resets + up.resets, 0);
      down.release();
      up.release();
      shuttle();
      EXPECT_EQ(c.codec().active() + s.codec().active(), 0u);
      EXPECT_EQ(c.closes + s.closes, 0);
    }
  }
}

}  // namespace
}  // namespace cardea::http::test
