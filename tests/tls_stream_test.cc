// TLS streams after the handshake: data, records and writes, ends, owners that leave.
#include "tls_peer.h"

namespace cardea {
namespace {

size_t count_records(const std::string& wire) {  // of application data
  size_t n = 0;
  for (size_t at = 0; at + 5 <= wire.size();) {
    n += wire[at] == 23;
    at += 5 + (size_t(uint8_t(wire[at + 3])) << 8 | uint8_t(wire[at + 4]));
  }
  return n;
}

// Data.

TEST_F(TlsTest, MebibyteBothWaysThroughANarrowWire) {
  window = 3000;
  chunk = 1500;
  std::string up = pattern(1 << 20), down = pattern((1 << 20) + 12345);
  both();
  client.write(up);  // before the handshake: kept, sent, told as queued
  EXPECT_GE(client.stream->queued(), up.size());
  run();
  ASSERT_EQ(server.opens, 1) << server.error.text;
  EXPECT_EQ(server.received, up);
  EXPECT_GE(client.drains, 1);
  EXPECT_EQ(client.stream->queued(), 0u);
  server.write(down);
  EXPECT_GT(server.stream->queued(), down.size() - window);
  run();
  EXPECT_EQ(client.received, down);
  EXPECT_EQ(server.drains, 2);  // the other one: the ticket
  EXPECT_EQ(server.stream->queued(), 0u);
}

TEST_F(TlsTest, HeadAndBodyShareOneRecordAndOneWrite) {
  both();
  run();
  struct {
    std::vector<size_t> sizes;
    size_t records;
  } rows[] = {{{100}, 1},
              {{200, 1024}, 1},
              {{10, 0, 20, 30}, 1},
              {{16384}, 1},
              {{200, 16384}, 2},
              {{16385}, 2},
              {{65536}, 4},
              {{200, 65536}, 5},
              {{9, 65536, 9}, 5},
              {{8000, 8000, 384}, 1},
              {{8000, 8000, 400, 1}, 2},
              {{0}, 0},
              {{0, 16384, 0}, 1}};
  std::string body = pattern(65536 + 100);
  for (const auto& row : rows) {
    std::vector<net::Slice> slices;
    std::string expected;
    size_t at = 0;
    for (size_t n : row.sizes) {
      slices.push_back({body.data() + at % 100, n});
      expected.append(slices.back().data, n);
      at += 7;
    }
    wire[1]->writes = 0;
    wire[1]->sent.clear();
    client.received.clear();
    client.reads = 0;
    server.stream->write(slices.data(), slices.size());
    EXPECT_EQ(wire[1]->writes, row.records ? 1u : 0u);
    EXPECT_EQ(count_records(wire[1]->sent), row.records) << row.sizes[0];
    run();
    EXPECT_EQ(client.received, expected);
  }
}

TEST_F(TlsTest, ManyRecordsBecomeOneRead) {
  both();
  run();
  client.reads = 0;
  server.write(pattern(60000));
  run();
  EXPECT_EQ(client.received, pattern(60000));
  EXPECT_EQ(client.reads, 1);
}

TEST_F(TlsTest, FinishedAndFirstRequestLeaveTogether) {
  client.at_open = [&] { client.write("GET"); };
  both();
  run();
  EXPECT_EQ(server.received, "GET");
  EXPECT_EQ(wire[0]->writes, 2u);  // ClientHello; Finished with the request
}

TEST_F(TlsTest, StopReadInTheMiddleKeepsTheRest) {
  both();
  run();
  std::string text = pattern(40000);
  client.stream->start_read(1000);
  client.at_data = [&] { client.stream->stop_read(); };
  server.write(text);
  size_t rounds = 0;
  run();
  while (client.received.size() < text.size() && ++rounds < 100) {
    EXPECT_EQ(client.received.size(), rounds * 1000);
    EXPECT_FALSE(wire[0]->reading);
    client.stream->start_read(1000);
    EXPECT_EQ(client.received.size(), rounds * 1000);  // a later turn, never inside the call
    run();
  }
  EXPECT_EQ(client.received, text);
  EXPECT_EQ(client.largest, 1000u);
  EXPECT_EQ(client.reads, 40);
  server.stream->shutdown();
  run();
  EXPECT_EQ(client.eofs, 0);  // unseen while reading is stopped
  client.stream->start_read(1000);
  run();
  EXPECT_EQ(client.eofs, 1);
  EXPECT_EQ(client.errors, 0);
}

TEST_F(TlsTest, DataWithTheHandshakeWaitsForAReader) {
  ours = server_context({key_pair(leaf())});
  tls::ClientOptions options;
  options.ca = {{ca().certificate(), "ca.pem"}};
  theirs = client_context(options);
  auto ends = connect();
  server.take(ours->wrap(loop, std::move(ends[1])), 0);
  client.take(theirs->wrap(loop, std::move(ends[0]), "a.example"));
  client.write("early");
  run();
  EXPECT_EQ(server.opens, 1);
  EXPECT_EQ(server.received, "");
  EXPECT_FALSE(wire[1]->reading);
  server.stream->start_read(3);
  run();
  EXPECT_EQ(server.received, "early");
  EXPECT_EQ(server.reads, 2);
}

TEST_F(TlsTest, ReplyFromInsideOnData) {
  both();
  run();
  server.at_data = [&] { server.write("pong"); };
  size_t writes = wire[1]->writes;
  client.write("ping");
  run();
  EXPECT_EQ(client.received, "pong");
  EXPECT_EQ(wire[1]->writes, writes + 1);
  EXPECT_EQ(server.stream->queued(), 0u);
}

// Ends.

TEST_F(TlsTest, CloseNotifyIsAnEnd) {
  both();
  run();
  client.write("last words");
  client.stream->shutdown();
  client.write("nobody hears this");
  client.stream->shutdown();
  EXPECT_TRUE(wire[0]->fin);
  run();
  EXPECT_EQ(server.received, "last words");
  EXPECT_EQ(server.eofs, 1);
  EXPECT_EQ(server.errors, 0);
  server.write("answer");  // the other direction is still open
  run();
  EXPECT_EQ(client.received, "answer");
  server.stream->shutdown();
  run();
  EXPECT_EQ(client.eofs, 1);
  EXPECT_EQ(client.errors, 0);
}

TEST_F(TlsTest, ShutdownBeforeTheHandshakeIsDone) {
  both();
  client.write("hello");
  client.stream->shutdown();
  EXPECT_FALSE(wire[0]->fin);
  run();
  EXPECT_EQ(server.received, "hello");
  EXPECT_EQ(server.eofs, 1);
  EXPECT_TRUE(wire[0]->fin);
}

TEST_F(TlsTest, EndWithoutCloseNotifyIsTruncation) {
  both();
  run();
  client.write("half a mess");
  client.stream.reset();
  run();
  EXPECT_EQ(server.received, "half a mess");
  EXPECT_EQ(server.eofs, 0);
  EXPECT_EQ(server.errors, 1);
  EXPECT_EQ(server.error.kind, net::StreamError::os) << "nothing is wrong with its TLS";
  EXPECT_NE(server.error.text.find("truncated"), std::string::npos);
}

TEST_F(TlsTest, EndDuringTheHandshake) {
  ours = server_context({key_pair(leaf())});
  auto ends = connect();
  server.take(ours->wrap(loop, std::move(ends[1])));
  Owner plain(loop);
  plain.take(std::move(ends[0]));
  plain.write(Bytes("\x16\x03\x01", 3));
  plain.stream->shutdown();
  run();
  EXPECT_EQ(server.errors, 1);
  EXPECT_EQ(server.error.kind, net::StreamError::tls_handshake);
}

TEST_F(TlsTest, DamagedRecordEndsTheConnection) {
  both();
  run();
  wire[0]->tamper = [](std::string& bytes) { bytes.back() ^= 1; };
  client.write("to be damaged");
  run();
  EXPECT_EQ(server.received, "");
  EXPECT_EQ(server.errors, 1);
  EXPECT_EQ(server.error.kind, net::StreamError::tls_protocol);
  EXPECT_EQ(client.errors, 1);
  EXPECT_NE(client.error.text.find("bad record mac"), std::string::npos) << client.error.text;
  server.write("ignored");
  server.stream->shutdown();
  run();
  EXPECT_EQ(client.received, "");
}

TEST_F(TlsTest, DataBeforeDamageIsDelivered) {
  both();
  run();
  size_t seen = 0;
  wire[0]->tamper = [&](std::string& bytes) {
    if (++seen == 2) bytes.back() ^= 1;
  };
  client.write("good");
  client.write("bad");
  run();
  EXPECT_EQ(server.received, "good");
  EXPECT_EQ(server.errors, 1);
}

// Every event may be the stream's last; the sanitizer is the judge.
TEST_F(TlsTest, LeavingInsideEveryEvent) {
  for (int event = 0; event < 5; ++event) {
    for (size_t step : {SIZE_MAX, size_t{1}}) {
      chunk = step;
      window = event == 3 ? 500 : SIZE_MAX;
      Owner c(loop), s(loop);
      std::function<void()>* hooks[] = {&s.at_open, &s.at_data, &s.at_eof, &s.at_drained, &s.at_error};
      *hooks[event] = [&] { s.leave(); };
      both();
      client.stream.reset();
      server.stream.reset();
      auto ends = connect();
      s.take(ours->wrap(loop, std::move(ends[1])), 100);
      c.take(theirs->wrap(loop, std::move(ends[0]), "a.example"));
      c.write(pattern(1000));
      run();
      if (event == 2) c.stream->shutdown();
      if (event == 3 && s.stream) s.write(pattern(100000));
      if (event == 4) c.stream.reset();
      run();
      EXPECT_EQ(s.stream, nullptr) << event;
      EXPECT_FALSE(wire[1]->alive) << event;
      if (event == 1) {
        EXPECT_EQ(s.reads, 1);
      }
    }
  }
}

TEST_F(TlsTest, DeletingBetweenTurnsForgetsWhatWaits) {
  both();
  run();
  client.stream->start_read(10);
  client.at_data = [&] { client.stream->stop_read(); };
  server.write(pattern(100));
  run();
  client.stream->start_read(10);
  client.stream.reset();
  run();
  EXPECT_EQ(client.received.size(), 10u);
}

TEST_F(TlsTest, TlsInsideTls) {
  both();
  run();
  Owner c(loop), s(loop);
  s.take(ours->wrap(loop, std::move(server.stream)));
  c.take(theirs->wrap(loop, std::move(client.stream), "a.example"));
  run();
  ASSERT_EQ(c.opens + s.opens, 2) << c.error.text << s.error.text;
  c.write(pattern(100000));
  run();
  EXPECT_EQ(s.received, pattern(100000));
  c.stream->shutdown();
  run();
  EXPECT_EQ(s.eofs, 1);
}

}  // namespace
}  // namespace cardea
