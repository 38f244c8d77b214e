// How the end of a permission reaches both ends of a tunnel: what each of them still gets, and that nothing follows.
#include "proxy_tunnel.h"

namespace cardea::test {
namespace {

// ---- the end of a permission ------------------------------------------------------------------------

struct Ending {
  const char* name;
  std::function<void(Tunnels&)> happens;
  const char* close;
  const char* cause;
};

class Endings : public Tunnels {
 public:
  std::vector<Ending> rows() {
    return {
        {"an edit", [this](Tunnels&) { apply(sockets("allowed_users: [bob]")); }, "1008 denied",
         "truncated:denied:by_default"},
        {"a rule",
         [this](Tunnels&) {
           apply(sockets("policy: {allow: {or: [{authenticated_user: 1}]}, deny: {or: [{user: alice}]}}"));
         },
         "1008 denied", "truncated:denied:by_rule"},
        {"a route that is gone",
         [this](Tunnels&) { apply(file("- from: https://b.example\n  to: http://10.0.0.7:80\n", provider())); },
         "1008 denied", "truncated:denied:no_route"},
        {"a revocation",
         [this](Tunnels&) {
           proxy::Revocation r;
           r.user = "alice";
           r.by = "security";
           EXPECT_TRUE(proxy->revoke(r, kNow * 1000));
           loop.run();
         },
         "1008 revoked", "truncated:revoked:user"},
        {"by hand",
         [this](Tunnels&) {
           proxy::Selector which;
           which.user = "alice";
           proxy::end_exchanges(*proxy, which, "operator", [](std::string) {});
           loop.run();
         },
         "1008 revoked", "truncated:revoked:ended"},
        {"the token's end", [this](Tunnels&) { loop.advance(120'000 - (loop.now() - began)); }, "1008 unauthenticated",
         "truncated:unauthenticated:expired"},
        {"the drain's deadline",
         [this](Tunnels&) {
           worker->drain(5000, nullptr);
           loop.advance(5000);
         },
         "1001 draining", "truncated:draining:deadline"},
    };
  }
  Millis began = 0;
};
INSTANTIATE_TEST_SUITE_P(From, Endings, testing::Values(Pair{false, false}, Pair{true, false}),
                         [](const auto& info) { return info.param.down_h2 ? "h2" : "h1"; });

TEST_P(Endings, AtABoundaryAtOnce) {
  for (const Ending& row : rows()) {
    SCOPED_TRACE(row.name);
    began = loop.now();
    const bool drains = std::string(row.name) == "the drain's deadline";
    begin_sockets();
    Socket& alice = open("alice", loop.clock().unix_ms() / 1000 + 120 - kNow);
    RawEnd& far_alice = far();
    Socket& bob = open("bob", 86'400);
    RawEnd& far_bob = far();
    expect_lives(alice, far_alice);
    loop.advance(1500);
    const size_t got = alice.text().size(), sent = far_alice.body.text.size();
    row.happens(*this);
    EXPECT_EQ(close_in(alice.text().substr(got), false), row.close);
    EXPECT_TRUE(alice.ended() && !alice.cut());
    EXPECT_EQ(close_in(far_alice.body.text.substr(sent), true), "1001");
    EXPECT_TRUE(far_alice.ended);
    if (!drains) {
      EXPECT_EQ(causes(), "") << "both have a second to say goodbye";
      if (std::string(row.name) != "a route that is gone") expect_lives(bob, far_bob);
      far_alice.peer->send(down("too late") + frame(0x88, "\x03\xe9", false));
      alice.send(up("too late"));
      EXPECT_EQ(alice.text().size(), got + strlen(row.close) - 5 + 2 + 2) << "nothing behind the close frame";
      EXPECT_EQ(far_alice.body.text.size(), sent + 8) << "nothing behind the close frame";
      far_alice.peer->send_eof();
      loop.run();
      EXPECT_EQ(causes(), "") << "the client has not said goodbye yet";
      alice.finish();
    } else {
      EXPECT_EQ(close_in(bob.text().substr(bob.text().find('\x88')), false), row.close);
      loop.advance(1);
      EXPECT_EQ(causes(), "truncated:draining:deadline truncated:draining:deadline");
    }
    EXPECT_EQ(hooks->causes.at(0), row.cause) << "at once when both have";
    EXPECT_NE(hooks->records[0].find("\"status\":" + std::to_string(down_h2() ? 200 : 101)), std::string::npos);
    restart();
  }
}

TEST_P(Endings, WhoDoesNotLetGoIsCut) {
  begin_sockets();
  Socket& s = open("alice");
  apply(sockets("allowed_users: [bob]"));
  EXPECT_TRUE(s.ended());
  loop.advance(999);
  EXPECT_EQ(causes(), "");
  EXPECT_NE(list().find("\"state\":\"ending\""), std::string::npos);
  loop.advance(1);
  EXPECT_EQ(causes(), "truncated:denied:by_default");
  EXPECT_TRUE(far().peer->closed);
  EXPECT_EQ(counter("permissions_withdrawn_total"), 1u);
}

TEST_P(Endings, WhoHasBeenToldIsNotEndedAgain) {
  begin_sockets();
  open("alice");
  open("bob");
  std::string told;
  auto end = [&](const char* user) {
    proxy::Selector which;
    which.user = user;
    proxy::end_exchanges(*proxy, which, "operator", [&](std::string json) { told = std::move(json); });
    loop.run();
    return told;
  };
  EXPECT_EQ(end("alice"), "{\"ended\":1}");
  EXPECT_EQ(end("alice"), "{\"ended\":0}") << "it is closing";
  EXPECT_EQ(end(""), "{\"ended\":1}");
}

TEST_P(Endings, TheFrameInProgressArrivesFirst) {
  const std::string whole = down(std::string(200, 'p'));  // 16 bits of length
  begin_sockets("allow_any_authenticated_user: true");
  for (size_t cut = 1; cut < whole.size(); ++cut) {
    SCOPED_TRACE(cut);
    Socket& s = open("alice");
    RawEnd& f = far();
    send(f, down("before") + whole.substr(0, cut));
    const std::string before = down("before") + whole.substr(0, cut);
    end_all();
    ASSERT_EQ(s.text(), before) << "no place yet";
    EXPECT_FALSE(s.ended());
    EXPECT_EQ(close_in(f.body.text, true), "1001") << "nobody waits for the other direction";
    if (cut % 2) {
      f.peer->send_bytewise(whole.substr(cut) + down("never"));
    } else {
      f.peer->send(whole.substr(cut) + down("never"));
    }
    const std::string after = s.text();
    ASSERT_EQ(after.substr(0, 8 + whole.size()), down("before") + whole);
    ASSERT_EQ(close_in(after.substr(8 + whole.size()), false), "1008 revoked");
    EXPECT_TRUE(s.ended() && !s.cut());
    f.peer->send_eof();
    s.finish();
  }
  EXPECT_EQ(hooks->causes.size(), whole.size() - 1);
}

TEST_P(Endings, BetweenTheFragmentsOfAMessageThereIsAPlace) {
  begin_sockets();
  Socket& s = open("alice");
  const std::string fragment = frame(0x01, "first", false);
  send(far(), fragment);
  end_all();
  EXPECT_EQ(close_in(s.text().substr(fragment.size()), false), "1008 revoked");
}

TEST_P(Endings, AFrameThatNeverEndsIsCut) {
  begin_sockets();
  Socket& s = open("alice");
  send(far(), down("half").substr(0, 4));
  end_all();
  loop.advance(500);
  EXPECT_FALSE(s.cut() || s.ended());
  loop.advance(500);
  EXPECT_TRUE(s.cut());
  EXPECT_EQ(s.text(), down("half").substr(0, 4)) << "no close frame where a payload goes on";
  EXPECT_EQ(causes(), "truncated:revoked:ended");
}

TEST_P(Endings, APlaceThatWillNotComeIsNotWaitedFor) {
  for (const char* what : {"service gone", "service reset", "no frames", "no frames, later"}) {
    SCOPED_TRACE(what);
    const std::string w = what;
    begin_sockets();
    Socket& s = open("alice");
    send(far(), w == "no frames" ? "SSH-2.0 hello" : down("half").substr(0, 4));
    end_all();
    if (w == "service gone") far().peer->send_eof();
    if (w == "service reset") far().peer->reset();
    if (w == "no frames, later") send(far(), "lf" + std::string("\xff\xff\xff", 3));
    loop.run();
    if (w == "no frames, later") {
      EXPECT_EQ(close_in(s.text().substr(6), false), "1008 revoked") << "the frame was whole";
      EXPECT_EQ(s.text().substr(0, 6), down("half"));
    } else {
      EXPECT_TRUE(s.cut());
      EXPECT_EQ(causes(), "truncated:revoked:ended");
    }
    restart();
  }
}

TEST_P(Endings, TheClientsFramesReachTheServiceNoMore) {
  const std::string whole = up("client's words");
  begin_sockets("allow_any_authenticated_user: true");
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    SCOPED_TRACE(cut);
    Socket& s = open("alice");
    RawEnd& f = far();
    s.send(whole.substr(0, cut));
    end_all();
    EXPECT_EQ(close_in(s.text(), false), "1008 revoked");
    if (cut) {
      EXPECT_EQ(f.body.text, whole.substr(0, cut));
    }
    s.send(whole.substr(cut) + up("never"));
    const size_t arrives = cut ? whole.size() : 0;
    ASSERT_EQ(f.body.text.substr(0, arrives), whole.substr(0, arrives));
    ASSERT_EQ(close_in(f.body.text.substr(arrives), true), "1001");
    EXPECT_TRUE(f.ended);
    f.peer->send_eof();
    s.finish();
  }
}

TEST_P(Endings, WhatIsNoFrameReachesTheServiceNoMore) {
  begin_sockets();
  Socket& s = open("alice");
  s.send("not a frame");
  end_all();
  s.send("still not");
  EXPECT_EQ(far().body.text, "not a frame");
  loop.advance(1000);
  EXPECT_TRUE(far().cut);
}

TEST_P(Endings, NoSecondCloseFrame) {
  begin_sockets();
  Socket& s = open("alice");
  const std::string closes = frame(0x88, "\x03\xe8", false);
  send(far(), closes);
  end_all();
  EXPECT_EQ(s.text(), closes);
  EXPECT_TRUE(s.ended());
}

TEST_P(Endings, ASlowClientGetsItBehindWhatWasPromised) {
  begin_sockets();
  Socket& s = open("alice");
  s.peer().hold_writes();
  const std::string big = down(std::string(20'000, 'x'));
  send(far(), big);
  end_all();
  EXPECT_EQ(s.text(), "");
  s.peer().release_writes();
  EXPECT_EQ(s.text().substr(0, big.size()), big);
  EXPECT_EQ(close_in(s.text().substr(big.size()), false), "1008 revoked");
  EXPECT_TRUE(s.ended());
}

TEST_P(Endings, ByTheHost) {
  auto answer = proxy::Hooks::Answer::allow;
  begin_sockets("policy: {allow: {or: [{host: x}]}}", "reauthorize_interval: 10s");
  hooks->authorize = [&](proxy::Exchange&, uint64_t) { return answer; };
  Socket& s = open("alice");
  loop.advance(15'000);
  expect_lives(s, far());
  answer = proxy::Hooks::Answer::deny;
  const size_t got = s.text().size();
  loop.advance(10'000);
  EXPECT_EQ(close_in(s.text().substr(got), false), "1008 denied");
}

TEST_P(Endings, BeforeTheServiceHasAnswered) {
  begin_sockets();
  Socket& s = ask("alice");
  end_all();
  EXPECT_EQ(s.status(), 403);
  EXPECT_TRUE(far().peer->closed);
  EXPECT_EQ(causes(), "revoked:ended");
}

TEST_P(Endings, ContentTypesDoNotMakeItGrpc) {
  begin_sockets();
  Socket& s = ask("alice", 600, "websocket", {{"Content-Type", "application/grpc"}});
  accept(far());
  end_all();
  EXPECT_EQ(close_in(s.text(), false), "1008 revoked");
}

TEST_P(Endings, ManyAtOnce) {
  begin_sockets();
  for (int i = 0; i < 60; ++i) open(i % 3 ? "alice" : "bob");
  apply(sockets("allowed_users: [bob]"));
  for (size_t i = 0; i < 60; ++i) {
    SCOPED_TRACE(i);
    if (i % 3) {
      EXPECT_EQ(close_in(all[i]->text(), false), "1008 denied");
    } else {
      expect_lives(*all[i], *fars[i]);
    }
  }
  EXPECT_EQ(counter("permissions_withdrawn_total"), 40u);
}

// ---- CONNECT ----------------------------------------------------------------------------------------

TEST_P(Endings, AConnectThatEndsWithItsPermission) {
  begin_tunnels();
  Socket& s = tunnel("alice");
  RawEnd& f = far();
  Socket& bob = tunnel("bob");
  RawEnd& fb = far();
  s.peer().hold_writes();
  const std::string promised(20'000, 'x');
  send(f, promised);
  apply(tunnels("allowed_users: [bob]"));
  EXPECT_TRUE(f.ended && !f.cut);
  s.peer().release_writes();
  EXPECT_EQ(s.text(), promised) << "FIN after what was promised";
  EXPECT_TRUE(s.ended() && !s.cut());
  s.send("too late");
  send(f, "too late");
  EXPECT_EQ(s.text(), promised);
  EXPECT_EQ(f.body.text, "");
  EXPECT_EQ(causes(), "");
  f.peer->send_eof();
  s.finish();
  EXPECT_EQ(causes(), "truncated:denied:by_default");
  bob.send("ping");
  EXPECT_EQ(fb.body.text, "ping");
}

TEST_P(Endings, AHalfClosedConnectThatEndsWithItsPermission) {
  for (bool service_first : {false, true}) {
    begin_tunnels();
    Socket& s = tunnel("alice");
    if (service_first) {
      far().peer->send_eof();
    } else {
      s.finish();
    }
    loop.run();
    apply(tunnels("allowed_users: [bob]"));
    EXPECT_TRUE(s.ended() && far().ended);
    if (service_first) {
      s.finish();
    } else {
      far().peer->send_eof();
    }
    loop.run();
    EXPECT_EQ(causes(), "truncated:denied:by_default") << "at once";
    restart();
  }
}

}  // namespace
}  // namespace cardea::test
